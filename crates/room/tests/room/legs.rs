//! Legs to the SFU: what the media plane is ordered, and who hears of what it says.

use conclave_proto::{
    ClientMessage, CodecPreference, ErrorCode, Event, Join, LegNumber, MediaState, Mid, PublishWish, Reply,
    RoomOptions, Slots, SourceKind, TopologyChoice, VideoCodec, View, ViewItem, close, limits,
};
use conclave_room::{Authority, Departure, MediaCommand, MediaInput};

use crate::stage::{Stage, answer, join_as, offer, options, seconds};

fn offers(number: u32) -> ClientMessage {
    ClientMessage::OfferSfu(Box::new(offer(number)))
}

fn join_with_offer(name: &str) -> Join {
    Join { offer: Some(offer(1)), ..join_as(name) }
}

#[test]
fn a_join_is_answered_when_the_media_plane_has_and_nobody_knows_before() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join_with_offer("Ada");
    stage.answers = false;
    let (connection, pending) = stage.try_join(join_with_offer("Grace"), Authority::None);
    assert!(pending.is_none() && stage.events(&ada).is_empty());
    assert_eq!(stage.ask(connection, ClientMessage::Ping {}).unwrap().unwrap_err(), ErrorCode::OutOfOrder);
    stage.answer_all();
    let [conclave_proto::ServerMessage::Reply { reply, .. }] = &stage.connections[&connection].inbox[..] else {
        panic!("one reply")
    };
    assert!(matches!(&**reply, Reply::Joined(joined) if joined.answer == Some(answer(LegNumber(1)))));
    assert_eq!(stage.names(), ["Ada", "Grace"]);
}

#[test]
fn an_offer_that_is_no_good_is_the_joiners_error_and_disturbs_nobody() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let grace = stage.join("Grace");
    stage.forget_events();
    stage.answers = false;
    let (connection, _) = stage.try_join(join_with_offer("Joan"), Authority::None);
    stage.refuse_all();
    let inbox = &stage.connections[&connection].inbox;
    assert!(
        matches!(&inbox[..], [conclave_proto::ServerMessage::Error { error, .. }] if error.code == ErrorCode::BadSdp)
    );
    assert!(stage.events(&ada).is_empty() && stage.events(&grace).is_empty());
    assert!(stage.topology().1);
    stage.answers = true;
    let again = stage.try_join_on(connection, join_with_offer("Joan"), Authority::None);
    assert!(again.unwrap().is_ok(), "the connection may ask again");
}

#[test]
fn a_media_plane_that_does_not_answer_refuses() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    stage.answers = false;
    let (connection, _) = stage.try_join(join_with_offer("Ada"), Authority::None);
    assert!(!stage.room.is_empty());
    stage.wait(seconds(10));
    let inbox = &stage.connections[&connection].inbox;
    assert!(matches!(&inbox[..], [conclave_proto::ServerMessage::Error { error, .. }]
        if error.code == ErrorCode::MediaUnavailable));
    assert!(stage.room.is_empty());
    stage.answer_all();
    assert!(stage.room.is_empty(), "an answer that comes too late lets nobody in");
}

#[test]
fn places_are_kept_for_those_on_the_way_in() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join("Ada");
    let two = RoomOptions { capacity: 2, ..options(TopologyChoice::Sfu) };
    stage.ok(&ada, ClientMessage::SetOptions { options: two });
    stage.answers = false;
    let (first, _) = stage.try_join(join_with_offer("Grace"), Authority::None);
    assert_eq!(stage.refused(join_with_offer("Joan")), ErrorCode::RoomFull);
    stage.disconnect(first, Departure::Lost);
    assert!(stage.try_join(join_with_offer("Joan"), Authority::None).1.is_none(), "now on the way in");
}

#[test]
fn a_page_can_take_over_from_one_that_is_still_on_the_way_in() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    stage.answers = false;
    let (first, _) = stage.try_join(join_with_offer("Ada"), Authority::None);
    assert_eq!(stage.refused(join_with_offer("Ada")), ErrorCode::AlreadyHere);
    let takeover = Join { takeover: true, ..join_with_offer("Ada") };
    let (second, _) = stage.try_join(takeover, Authority::None);
    assert_eq!(stage.connections[&first].closed, Some(close::REPLACED));
    stage.answer_all();
    assert_eq!(stage.names(), ["Ada"]);
    assert_eq!(stage.connections[&second].closed, None);
}

#[test]
fn a_session_that_came_back_meanwhile_is_not_pushed_out() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join_with_offer("Ada");
    stage.lose(&ada);
    stage.answers = false;
    let (connection, _) = stage.try_join(join_with_offer("Ada"), Authority::None);
    stage.resume(&ada, ada.joined.resume_token.clone(), 0).1.expect("resumed");
    stage.answer_all();
    let inbox = &stage.connections[&connection].inbox;
    assert!(matches!(&inbox[..], [conclave_proto::ServerMessage::Error { error, .. }]
        if error.code == ErrorCode::AlreadyHere));
    assert!(stage.ids().contains(&ada.id));
}

#[test]
fn a_room_that_became_direct_meanwhile_lets_the_newcomer_in_without_a_leg() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join("Ada");
    stage.answers = false;
    let (connection, _) = stage.try_join(join_with_offer("Grace"), Authority::None);
    stage.ok(&ada, ClientMessage::SetOptions { options: options(TopologyChoice::P2p) });
    stage.answer_all();
    assert!(matches!(&stage.connections[&connection].inbox[..],
        [conclave_proto::ServerMessage::Reply { reply, .. }, ..]
            if matches!(&**reply, Reply::Joined(joined) if joined.answer.is_none())));
    assert!(matches!(stage.commands.last(), Some(MediaCommand::CloseLeg { .. })));
}

#[test]
fn the_codec_is_known_before_the_first_offer_and_after_each_change() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join_with_offer("Ada");
    assert_eq!(stage.commands[0], MediaCommand::SetCodec(CodecPreference::Auto));
    let h264 = RoomOptions { codec: CodecPreference::H264, ..options(TopologyChoice::Sfu) };
    stage.ok(&ada, ClientMessage::SetOptions { options: h264 });
    assert_eq!(stage.commands.last(), Some(&MediaCommand::SetCodec(CodecPreference::H264)));
}

#[test]
fn those_inside_offer_legs_and_get_answers() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join("Ada");
    assert_eq!(stage.ok(&ada, offers(1)), Reply::SfuAnswered { answer: answer(LegNumber(1)) });
}

#[test]
fn an_offer_in_a_direct_room_is_stale() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    assert_eq!(stage.error(&ada, offers(1)), ErrorCode::StaleGeneration);
}

#[test]
fn too_many_slots_are_refused_at_the_door_and_inside() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join("Ada");
    let mid = Mid::try_from("x".to_owned()).unwrap();
    let mut audio = offer(1);
    audio.audio_slots = vec![mid.clone(); limits::AUDIO_SLOTS + 1];
    let mut video = offer(1);
    video.video_slots = vec![mid; limits::VIDEO_SLOTS + 1];
    for bad in [audio, video] {
        let message = ClientMessage::OfferSfu(Box::new(bad.clone()));
        assert_eq!(stage.error(&ada, message), ErrorCode::TooManySections);
        assert_eq!(stage.refused(Join { offer: Some(bad), ..join_as("Eve") }), ErrorCode::TooManySections);
    }
    assert_eq!(stage.commands, []);
}

#[test]
fn a_new_leg_that_connects_replaces_the_old_one() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join_with_offer("Ada");
    let connected = |leg| MediaInput::Connected { participant: ada.id.clone(), leg: LegNumber(leg) };
    stage.media(connected(1));
    stage.ask(ada.connection, offers(2));
    stage.commands.clear();
    stage.media(connected(2));
    let close = MediaCommand::CloseLeg { participant: ada.id.clone(), leg: LegNumber(1) };
    assert_eq!(stage.commands, [close]);
}

#[test]
fn legs_are_bounded_and_one_that_works_never_gives_way() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join_with_offer("Ada");
    stage.media(MediaInput::Connected { participant: ada.id.clone(), leg: LegNumber(1) });
    for leg in 2..50 {
        stage.ask(ada.connection, offers(leg));
    }
    let closed: Vec<_> = stage
        .commands
        .iter()
        .filter_map(|command| match command {
            MediaCommand::CloseLeg { leg, .. } => Some(leg.0),
            _ => None,
        })
        .collect();
    assert_eq!(closed, (2..48).collect::<Vec<_>>());
}

#[test]
fn offers_that_wait_are_bounded() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join("Ada");
    stage.answers = false;
    let outcomes: Vec<_> = (1..=4).map(|leg| stage.ask(ada.connection, offers(leg))).collect();
    assert!(matches!(&outcomes[..], [None, None, None, Some(Err(ErrorCode::TooManyRequests))]), "{outcomes:?}");
}

#[test]
fn a_leg_that_fails_is_told_to_its_owner_alone() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join_with_offer("Ada");
    let grace = stage.join_with_offer("Grace");
    stage.forget_events();
    let failed = MediaInput::Failed { participant: ada.id.clone(), leg: LegNumber(1) };
    stage.media(failed.clone());
    stage.media(failed);
    assert_eq!(stage.events(&ada), [Event::LegFailed { leg: LegNumber(1) }]);
    assert_eq!(stage.events(&grace), []);
}

#[test]
fn slots_and_wishes_are_told_to_their_owner_alone() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join_with_offer("Ada");
    let grace = stage.join_with_offer("Grace");
    stage.forget_events();
    let slots = |leg| Slots { leg: LegNumber(leg), video: vec![], audio: vec![] };
    let wish = PublishWish { source: SourceKind::Camera, codec: VideoCodec::Vp8, layers: [true, false, false] };
    stage.media(MediaInput::Slots { participant: ada.id.clone(), slots: slots(1) });
    stage.media(MediaInput::Slots { participant: ada.id.clone(), slots: slots(9) });
    stage.media(MediaInput::PublishWish { participant: ada.id.clone(), wish: wish.clone() });
    assert_eq!(stage.events(&ada), [Event::SlotsChanged { slots: slots(1) }, Event::PublishWished { wish }]);
    assert_eq!(stage.events(&grace), []);
}

#[test]
fn speakers_are_told_when_they_change_and_to_newcomers() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join_with_offer("Ada");
    let gone = conclave_proto::ParticipantId::parse("gone").unwrap();
    for _ in 0..2 {
        stage.media(MediaInput::Speakers(vec![gone.clone(), ada.id.clone()]));
    }
    let event = Event::SpeakersChanged { speakers: vec![ada.id.clone()] };
    assert_eq!(stage.events(&ada), std::slice::from_ref(&event));
    let grace = stage.join_with_offer("Grace");
    assert_eq!(stage.events(&grace), [event]);
}

#[test]
fn media_follows_the_media_plane_only_for_those_it_knows() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join_with_offer("Ada");
    let grace = stage.join("Grace");
    stage.commands.clear();
    let media = MediaState { microphone: true, ..MediaState::default() };
    stage.ok(&grace, ClientMessage::SetMedia { media });
    assert_eq!(stage.commands, []);
    stage.ok(&ada, ClientMessage::SetMedia { media });
    assert_eq!(stage.commands, [MediaCommand::SetMedia { participant: ada.id.clone(), media }]);
    stage.ok(&ada, ClientMessage::Leave {});
    assert_eq!(stage.commands.last(), Some(&MediaCommand::CloseParticipant { participant: ada.id }));
}

#[test]
fn a_view_is_cut_to_what_counts() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join_with_offer("Ada");
    let item = |source, priority| ViewItem { participant: ada.id.clone(), source, width: 1, height: 1, priority };
    let mut items = vec![item(SourceKind::Microphone, 0), item(SourceKind::Screen, 255)];
    items.extend((0..100).map(|_| item(SourceKind::Camera, 1)));
    stage.commands.clear();
    stage.ok(&ada, ClientMessage::SetView { leg: LegNumber(1), view: View { items } });
    let [MediaCommand::SetView { view, .. }] = &stage.commands[..] else { panic!("one order") };
    assert_eq!(view.items.len(), limits::VIDEO_SLOTS);
    assert_eq!((view.items[0].source, view.items[0].priority), (SourceKind::Screen, 3));
}

#[test]
fn a_leg_of_somebody_else_or_none_is_stale() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    stage.join_with_offer("Ada");
    let grace = stage.join("Grace");
    let leg = LegNumber(1);
    assert_eq!(stage.error(&grace, ClientMessage::CloseSfu { leg }), ErrorCode::StaleGeneration);
    assert_eq!(stage.error(&grace, ClientMessage::SetView { leg, view: View::default() }), ErrorCode::StaleGeneration);
}

#[test]
fn an_answer_for_a_connection_that_was_replaced_is_not_sent_to_its_successor() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join("Ada");
    stage.answers = false;
    stage.ask(ada.connection, offers(1));
    let (connection, _) = stage.resume(&ada, ada.joined.resume_token.clone(), 0);
    stage.answer_all();
    assert!(stage.connections[&connection].inbox.is_empty());
}

#[test]
fn a_leg_whose_answer_does_not_come_is_closed() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join("Ada");
    stage.answers = false;
    assert_eq!(stage.ask(ada.connection, offers(1)), None);
    stage.wait(seconds(10));
    let inbox = &stage.connections[&ada.connection].inbox;
    assert!(matches!(&inbox[..], [conclave_proto::ServerMessage::Error { error, .. }]
        if error.code == ErrorCode::MediaUnavailable));
    let close = MediaCommand::CloseLeg { participant: ada.id.clone(), leg: LegNumber(1) };
    assert_eq!(stage.commands.last(), Some(&close), "the media plane may be slow rather than without it");
}

#[test]
fn an_answer_for_a_leg_that_failed_meanwhile_closes_it() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join_with_offer("Ada");
    stage.answers = false;
    stage.ask(ada.connection, offers(1));
    stage.media(MediaInput::Failed { participant: ada.id.clone(), leg: LegNumber(1) });
    stage.answer_all();
    let close = MediaCommand::CloseLeg { participant: ada.id.clone(), leg: LegNumber(1) };
    assert_eq!(stage.commands.last(), Some(&close));
}
