//! Who gets in, as what, and who does not.

use conclave_proto::{
    ErrorCode, Event, Join, LeaveReason, MediaState, Role, RoomOptions, Secret, TopologyChoice, close,
};
use conclave_room::{AdminInput, Authority, Departure, Digest, Ending, Input, MediaCommand, StoredRoom};

use crate::stage::{Stage, host_only, join_as, offer, options, seconds};

const PARTICIPANT_TOKEN: Authority = Authority::Token { role: Role::Participant, may_publish: true, may_chat: true };

#[test]
fn a_newcomer_learns_everything_and_the_others_learn_of_the_newcomer() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let grace = stage.join("Grace");
    let names: Vec<_> = grace.joined.participants.iter().map(|p| p.name.as_str().to_owned()).collect();
    assert_eq!(names, ["Ada", "Grace"]);
    assert_eq!(grace.joined.room, stage.room.state());
    let events = stage.events(&ada);
    assert!(matches!(&events[..], [Event::ParticipantJoined { participant }] if participant.id == grace.id));
    assert!(stage.events(&grace).is_empty(), "nobody is told of their own arrival");
}

#[test]
fn the_first_becomes_host_and_only_the_digest_of_the_proof_is_kept() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let grace = stage.join("Grace");
    assert_eq!((ada.joined.role, grace.joined.role), (Role::Host, Role::Participant));
    let token = ada.joined.host_token.expect("given to the host");
    assert_eq!(stage.stored_host, Some(Digest::of_secret(&token)));
    assert_eq!(grace.joined.host_token, None);
}

#[test]
fn the_host_token_makes_a_host_again_and_a_wrong_one_does_no_harm() {
    let token = Secret::parse("kept-by-the-browser").unwrap();
    let stored = StoredRoom {
        options: Some(RoomOptions::default()),
        host: Some(Digest::of_secret(&token)),
        ..StoredRoom::default()
    };
    let mut stage = Stage::with(stored);
    let wrong = stage.join_with(Join { host_token: Some(Secret::parse("wrong").unwrap()), ..join_as("Eve") });
    let right = stage.join_with(Join { host_token: Some(token), ..join_as("Ada") });
    assert_eq!((wrong.joined.role, right.joined.role), (Role::Participant, Role::Host));
    assert_eq!(right.joined.host_token, None, "it has one");
}

#[test]
fn a_token_decides_the_role_and_a_participants_token_never_makes_a_host() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let (_, guest) = stage.try_join(join_as("Guest"), PARTICIPANT_TOKEN);
    assert_eq!(guest.unwrap().unwrap().role, Role::Participant);
    assert_eq!(stage.stored_host, None, "the room still waits for its host");
    let (_, admin) = stage.try_join(join_as("Admin"), Authority::Admin);
    assert_eq!(admin.unwrap().unwrap().role, Role::Host);
    let host = Authority::Token { role: Role::Host, may_publish: true, may_chat: true };
    let (_, host) = stage.try_join(join_as("Second"), host);
    assert_eq!(host.unwrap().unwrap().role, Role::Host);
}

#[test]
fn whoever_makes_the_room_brings_its_options_and_nobody_after() {
    let mut stage = Stage::with(StoredRoom::default());
    let mine = RoomOptions { capacity: 7, ..options(TopologyChoice::Mesh) };
    stage.join_with(Join { options: Some(mine.clone()), ..join_as("Ada") });
    stage.join_with(Join { options: Some(options(TopologyChoice::Sfu)), ..join_as("Grace") });
    assert_eq!(stage.room.state().options, mine);
    assert_eq!(stage.stored_options, [mine]);
}

#[test]
fn a_participants_token_does_not_choose_the_options_of_the_room_it_makes() {
    let mut stage = Stage::with(StoredRoom::default());
    let join = Join { options: Some(options(TopologyChoice::Sfu)), ..join_as("Guest") };
    stage.try_join(join, PARTICIPANT_TOKEN).1.unwrap().unwrap();
    assert_eq!(stage.room.state().options, RoomOptions::default());
}

#[test]
fn options_out_of_range_make_no_room() {
    let mut stage = Stage::with(StoredRoom::default());
    for capacity in [0, 5_001, u32::MAX] {
        let bad = RoomOptions { capacity, ..RoomOptions::default() };
        assert_eq!(stage.refused(Join { options: Some(bad), ..join_as("Ada") }), ErrorCode::BadOptions);
    }
    assert!(stage.room.is_empty() && stage.stored_options.is_empty());
}

#[test]
fn a_join_that_fails_leaves_its_options_behind() {
    let mut stage = Stage::with(StoredRoom::default());
    stage.answers = false;
    let join = Join { options: Some(options(TopologyChoice::Sfu)), offer: Some(offer(1)), ..join_as("Ada") };
    stage.try_join(join, Authority::None);
    stage.refuse_all();
    assert!(stage.stored_options.is_empty() && stage.stored_host.is_none());
    stage.join("Grace");
    assert_eq!(stage.stored_options, [RoomOptions::default()]);
}

#[test]
fn another_version_of_the_protocol_is_refused() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    assert_eq!(stage.refused(Join { version: 2, ..join_as("Ada") }), ErrorCode::UnsupportedVersion);
}

#[test]
fn a_full_room_refuses_until_somebody_leaves() {
    let stored =
        StoredRoom { options: Some(RoomOptions { capacity: 2, ..RoomOptions::default() }), ..StoredRoom::default() };
    let mut stage = Stage::with(stored);
    let ada = stage.join("Ada");
    stage.join("Grace");
    assert!(stage.room.is_full());
    assert_eq!(stage.refused(join_as("Joan")), ErrorCode::RoomFull);
    stage.disconnect(ada.connection, Departure::Goodbye);
    stage.join("Joan");
}

#[test]
fn a_refused_connection_may_ask_again() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    stage.join("Ada");
    let (connection, result) = stage.try_join(join_as("Ada"), Authority::None);
    assert_eq!(result.unwrap().unwrap_err(), ErrorCode::AlreadyHere);
    let again = Join { takeover: true, ..join_as("Ada") };
    assert!(stage.try_join_on(connection, again, Authority::None).unwrap().is_ok());
}

#[test]
fn direct_rooms_hold_as_many_as_they_connect() {
    for (choice, most) in [(TopologyChoice::P2p, 2), (TopologyChoice::Mesh, 4)] {
        let mut stage = Stage::new(choice);
        for n in 0..most {
            stage.join(&format!("P{n}"));
        }
        assert_eq!(stage.refused(join_as("Late")), ErrorCode::RoomFull, "{choice:?}");
    }
}

#[test]
fn a_locked_room_lets_in_its_host_and_those_who_are_in_already() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let grace = stage.join("Grace");
    stage.ok(&ada, host_only());
    assert_eq!(stage.refused(join_as("Joan")), ErrorCode::RoomLocked);
    stage.lose(&grace);
    stage.join("Grace");
    stage.disconnect(ada.connection, Departure::Goodbye);
    stage.join_with(Join { host_token: ada.joined.host_token.clone(), ..join_as("Ada") });
    assert!(stage.try_join(join_as("Admin"), Authority::Admin).1.unwrap().is_ok());
}

#[test]
fn whoever_makes_a_locked_room_gets_in() {
    let mut stage = Stage::with(StoredRoom::default());
    let locked = RoomOptions { locked: true, ..RoomOptions::default() };
    stage.join_with(Join { options: Some(locked), ..join_as("Ada") });
    assert_eq!(stage.refused(join_as("Grace")), ErrorCode::RoomLocked);
}

#[test]
fn a_second_page_of_the_same_person_is_refused_unless_it_takes_over() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let first = stage.join("Ada");
    let grace = stage.join("Grace");
    assert_eq!(stage.refused(join_as("Ada")), ErrorCode::AlreadyHere);
    stage.forget_events();
    let second = stage.join_with(Join { takeover: true, ..join_as("Ada") });
    assert_eq!(stage.closed(&first), Some(close::REPLACED));
    assert_ne!(first.id, second.id);
    let events = stage.events(&grace);
    assert!(
        matches!(&events[..], [
            Event::ParticipantLeft { participant, reason: LeaveReason::Replaced },
            Event::ParticipantJoined { participant: new },
        ] if *participant == first.id && new.id == second.id),
        "{events:?}"
    );
}

#[test]
fn a_page_that_comes_back_replaces_its_interrupted_self_without_asking() {
    let mut stage = Stage::new(TopologyChoice::P2p);
    let ada = stage.join("Ada");
    stage.join("Grace");
    stage.lose(&ada);
    let again = stage.join("Ada");
    assert_eq!(stage.names(), ["Grace", "Ada"]);
    assert_eq!(again.joined.role, Role::Participant, "a role is proven, not inherited");
}

#[test]
fn somebody_without_the_right_to_publish_comes_in_silent_and_dark() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let authority = Authority::Token { role: Role::Participant, may_publish: false, may_chat: true };
    let media = MediaState { microphone: true, camera: true, screen: true, screen_audio: true };
    stage.try_join(Join { media, ..join_as("Guest") }, authority);
    assert_eq!(stage.room.participants().next().unwrap().media, MediaState::default());
}

#[test]
fn leaving_is_answered_and_then_the_connection_closed() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let grace = stage.join("Grace");
    stage.ok(&grace, conclave_proto::ClientMessage::Leave {});
    assert_eq!(stage.closed(&grace), Some(close::LEFT));
    let events = stage.events(&ada);
    assert!(matches!(events.last(), Some(Event::ParticipantLeft { reason: LeaveReason::Left, .. })), "{events:?}");
    assert_eq!(stage.names(), ["Ada"]);
}

#[test]
fn the_reason_of_a_departure_is_told() {
    for (departure, told) in [(Departure::Goodbye, LeaveReason::Left), (Departure::Expelled, LeaveReason::Expelled)] {
        let mut stage = Stage::new(TopologyChoice::Auto);
        let ada = stage.join("Ada");
        let grace = stage.join("Grace");
        stage.forget_events();
        stage.disconnect(grace.connection, departure);
        let events = stage.events(&ada);
        assert!(matches!(&events[..], [Event::ParticipantLeft { reason, .. }] if *reason == told), "{events:?}");
    }
}

#[test]
fn ending_the_room_tells_and_closes_everybody_and_lets_nobody_in_again() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let grace = stage.join("Grace");
    stage.ok(&ada, conclave_proto::ClientMessage::EndRoom {});
    for person in [&ada, &grace] {
        assert_eq!(stage.closed(person), Some(close::ROOM_CLOSED));
        assert_eq!(stage.events(person).last(), Some(&Event::RoomEnded {}));
    }
    assert_eq!(stage.ended, Some(Ending::Closed));
    assert_eq!(stage.refused(join_as("Joan")), ErrorCode::RoomClosed);
    assert_eq!(stage.room.poll_timeout(), None);
}

#[test]
fn a_closing_server_says_when_to_come_back() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join_with_offer("Ada");
    stage.answers = false;
    let (waiting, none) = stage.try_join(Join { offer: Some(offer(1)), ..join_as("Grace") }, Authority::None);
    assert!(none.is_none());
    stage.input(Input::Closing { retry_after: seconds(2) });
    assert_eq!(stage.events(&ada), [Event::ServerClosing { retry_after_ms: 2_000 }]);
    assert_eq!(stage.closed(&ada), Some(close::RESTART));
    assert_eq!(stage.connections[&waiting].closed, Some(close::RESTART));
    assert_eq!(stage.ended, Some(Ending::ServerStops));
    assert_eq!(stage.commands.last(), Some(&MediaCommand::CloseRoom));
}

#[test]
fn the_owner_of_the_server_can_close_a_room_and_set_its_options() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let locked = RoomOptions { locked: true, ..RoomOptions::default() };
    stage.input(Input::Admin(AdminInput::SetOptions(locked.clone())));
    assert_eq!(stage.events(&ada), [Event::OptionsChanged { options: locked.clone() }]);
    assert_eq!(stage.stored_options, [locked]);
    let bad = RoomOptions { capacity: 0, ..RoomOptions::default() };
    assert!(stage.room.check_options(&bad).is_err());
    stage.input(Input::Admin(AdminInput::SetOptions(bad)));
    assert_eq!(stage.events(&ada), []);
    stage.input(Input::Admin(AdminInput::Close));
    assert_eq!(stage.closed(&ada), Some(close::ROOM_CLOSED));
}

#[test]
fn nothing_but_a_join_or_resume_is_taken_from_a_stranger() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let connection = stage.connect();
    assert_eq!(
        stage.ask(connection, conclave_proto::ClientMessage::Ping {}).unwrap().unwrap_err(),
        ErrorCode::OutOfOrder
    );
}

#[test]
fn a_connection_joins_once() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let result = stage.try_join_on(ada.connection, join_as("Grace"), Authority::None);
    assert_eq!(result.unwrap().unwrap_err(), ErrorCode::OutOfOrder);
    assert_eq!(stage.names(), ["Ada"]);
}
