//! Names, media, hands, reactions, network reports, signals and interruption.

use std::time::Duration;

use conclave_proto::{
    ClientMessage, Connection, DisplayName, ErrorCode, Event, Generation, LeaveReason, MediaState, NetworkQuality,
    NetworkReport, ParticipantId, PathState, PeerSignal, Reaction, Sdp, TopologyChoice,
};
use conclave_room::MediaInput;

use crate::stage::{Person, Stage, options, seconds};

fn hands(stage: &Stage) -> Vec<(String, Option<u32>)> {
    stage.room.participants().map(|p| (p.name.as_str().to_owned(), p.hand)).collect()
}

fn network(round_trip_ms: u16) -> ClientMessage {
    let quality = NetworkQuality::Good;
    let report = NetworkReport { quality, round_trip_ms, loss_up_permille: 0, loss_down_permille: 0 };
    ClientMessage::ReportNetwork { report }
}

fn reports(events: &[Event]) -> Vec<u16> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::NetworkReported { report, .. } => Some(report.round_trip_ms),
            _ => None,
        })
        .collect()
}

fn offer_signal() -> PeerSignal {
    PeerSignal::Offer { sdp: Sdp::parse("v=0\r\n".into()).unwrap() }
}

fn signal(to: &ParticipantId, generation: Generation) -> ClientMessage {
    ClientMessage::Signal { to: to.clone(), generation, signal: offer_signal() }
}

#[test]
fn a_new_name_and_new_media_are_told_to_all_once() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let grace = stage.join("Grace");
    stage.forget_events();
    let media = MediaState { camera: true, ..MediaState::default() };
    for _ in 0..2 {
        stage.ok(&ada, ClientMessage::SetMedia { media });
        stage.ok(&ada, ClientMessage::SetName { name: DisplayName::parse("Countess").unwrap() });
    }
    for person in [&ada, &grace] {
        let events = stage.events(person);
        assert!(
            matches!(&events[..], [
                Event::ParticipantUpdated { participant: first },
                Event::ParticipantUpdated { participant: second },
            ] if first.media == media && second.name.as_str() == "Countess" && second.id == ada.id),
            "{events:?}"
        );
    }
}

#[test]
fn hands_keep_the_order_in_which_they_were_raised() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let people: Vec<Person> = ["A", "B", "C"].iter().map(|name| stage.join(name)).collect();
    let set = |stage: &mut Stage, who: usize, raised| stage.ok(&people[who], ClientMessage::SetHand { raised });
    set(&mut stage, 2, true);
    set(&mut stage, 0, true);
    set(&mut stage, 2, true);
    assert_eq!(hands(&stage), [("A".into(), Some(2)), ("B".into(), None), ("C".into(), Some(1))]);
    set(&mut stage, 2, false);
    set(&mut stage, 2, true);
    assert_eq!(hands(&stage), [("A".into(), Some(2)), ("B".into(), None), ("C".into(), Some(3))]);
    for who in 0..3 {
        set(&mut stage, who, false);
    }
    set(&mut stage, 1, true);
    assert_eq!(hands(&stage)[1].1, Some(1), "the count starts anew when all hands are down");
}

#[test]
fn a_reaction_names_its_sender() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let grace = stage.join("Grace");
    stage.ok(&ada, ClientMessage::React { reaction: Reaction::Party });
    let expected = Event::Reacted {
        participant: ada.id,
        name: ada.joined.participants[0].name.clone(),
        reaction: Reaction::Party,
    };
    assert_eq!(stage.events(&grace), [expected]);
}

#[test]
fn network_reports_are_passed_on_every_two_seconds_and_the_newest_is_never_lost() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let grace = stage.join("Grace");
    for n in 0..10 {
        stage.ok(&ada, network(n));
        stage.wait(Duration::from_millis(100));
    }
    assert_eq!(reports(&stage.events(&grace)), [0]);
    stage.wait(seconds(1));
    assert_eq!(reports(&stage.events(&grace)), [9], "the newest of those held back");
    stage.wait(seconds(10));
    assert_eq!(reports(&stage.events(&grace)), [] as [u16; 0]);
    assert_eq!(reports(&stage.events(&ada)), [] as [u16; 0], "nobody is told of their own");
    let seen = stage.room.participants().next().unwrap().network.unwrap();
    assert_eq!(seen.round_trip_ms, 9);
}

#[test]
fn reports_of_all_together_stay_within_what_one_receives() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let people: Vec<Person> = (0..50).map(|n| stage.join(&format!("P{n}"))).collect();
    stage.forget_events();
    for round in 0..10 {
        for person in &people {
            stage.ok(person, network(round));
        }
        stage.wait(seconds(2));
    }
    let received = reports(&stage.events(&people[0])).len();
    assert!((400..=600).contains(&received), "{received} in 20 s");
}

#[test]
fn a_report_that_lies_is_brought_into_range() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let report = NetworkReport {
        quality: NetworkQuality::Lost,
        round_trip_ms: u16::MAX,
        loss_up_permille: u16::MAX,
        loss_down_permille: 1_001,
    };
    stage.ok(&ada, ClientMessage::ReportNetwork { report });
    let seen = stage.room.participants().next().unwrap().network.unwrap();
    assert_eq!((seen.loss_up_permille, seen.loss_down_permille), (1_000, 1_000));
}

#[test]
fn a_signal_is_passed_on_with_the_identity_of_its_connection() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let grace = stage.join("Grace");
    let generation = stage.generation();
    stage.ok(&ada, signal(&grace.id, generation));
    let expected = Event::Signalled { from: ada.id.clone(), generation, signal: offer_signal() };
    assert_eq!(stage.events(&grace), [expected]);
}

#[test]
fn a_signal_reaches_nobody_outside_nor_its_sender() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let gone = stage.join("Grace");
    stage.ok(&gone, ClientMessage::Leave {});
    let generation = stage.generation();
    for to in [&ada.id, &gone.id, &ParticipantId::parse("nobody").unwrap()] {
        assert_eq!(stage.error(&ada, signal(to, generation)), ErrorCode::NoSuchParticipant);
    }
}

#[test]
fn a_signal_of_another_generation_or_in_an_sfu_room_is_stale() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let grace = stage.join("Grace");
    let Generation(current) = stage.generation();
    for generation in [current - 1, current + 1] {
        assert_eq!(stage.error(&ada, signal(&grace.id, Generation(generation))), ErrorCode::StaleGeneration);
    }
    stage.ok(&ada, ClientMessage::SetOptions { options: options(TopologyChoice::Sfu) });
    let generation = stage.generation();
    assert_eq!(stage.error(&ada, signal(&grace.id, generation)), ErrorCode::StaleGeneration);
    assert!(!stage.events(&grace).iter().any(|event| matches!(event, Event::Signalled { .. })));
}

#[test]
fn somebody_whose_connection_is_lost_is_shown_so_and_gone_after_the_grace_period() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let grace = stage.join("Grace");
    stage.forget_events();
    stage.lose(&grace);
    let events = stage.events(&ada);
    assert!(
        matches!(&events[..], [Event::ParticipantUpdated { participant }]
            if participant.id == grace.id && participant.connection == Connection::Interrupted),
        "{events:?}"
    );
    stage.wait(Duration::from_millis(9_999));
    assert_eq!(stage.names(), ["Ada", "Grace"]);
    stage.wait(Duration::from_millis(1));
    assert_eq!(stage.events(&ada), [Event::ParticipantLeft { participant: grace.id, reason: LeaveReason::Lost }]);
}

#[test]
fn silent_media_shortens_the_grace_period() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    stage.join_with_offer("Ada");
    let grace = stage.join_with_offer("Grace");
    stage.lose(&grace);
    stage.wait(seconds(3));
    stage.media(MediaInput::Silent { participant: grace.id.clone() });
    stage.wait(Duration::from_millis(999));
    assert_eq!(stage.names().len(), 2);
    stage.wait(Duration::from_millis(1));
    assert_eq!(stage.names(), ["Ada"]);
}

#[test]
fn silence_of_long_ago_does_not_shorten_it() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    stage.join_with_offer("Ada");
    let grace = stage.join_with_offer("Grace");
    stage.media(MediaInput::Silent { participant: grace.id.clone() });
    stage.wait(seconds(5));
    stage.lose(&grace);
    stage.wait(seconds(9));
    assert_eq!(stage.names().len(), 2);
}

#[test]
fn in_a_direct_room_all_peers_must_say_that_somebody_is_silent() {
    let mut stage = Stage::new(TopologyChoice::Mesh);
    let ada = stage.join("Ada");
    let grace = stage.join("Grace");
    let joan = stage.join("Joan");
    stage.lose(&joan);
    stage.report(&ada, PathState::Silent, Some(&joan));
    stage.wait(seconds(5));
    assert_eq!(stage.names().len(), 3, "Grace still hears Joan");
    stage.report(&grace, PathState::Silent, Some(&joan));
    stage.wait(Duration::ZERO);
    assert_eq!(stage.names(), ["Ada", "Grace"]);
}

#[test]
fn a_peer_that_is_heard_again_takes_its_word_back() {
    let mut stage = Stage::new(TopologyChoice::P2p);
    let ada = stage.join("Ada");
    let grace = stage.join("Grace");
    stage.lose(&grace);
    stage.report(&ada, PathState::Silent, Some(&grace));
    stage.report(&ada, PathState::Ready, Some(&grace));
    stage.wait(seconds(9));
    assert_eq!(stage.names().len(), 2);
    stage.wait(seconds(1));
    assert_eq!(stage.names().len(), 1);
}

#[test]
fn nobody_is_removed_for_silence_while_the_connection_lives() {
    let mut stage = Stage::new(TopologyChoice::P2p);
    let ada = stage.join("Ada");
    let grace = stage.join("Grace");
    stage.report(&ada, PathState::Silent, Some(&grace));
    stage.wait(seconds(100));
    assert_eq!(stage.names().len(), 2);
}
