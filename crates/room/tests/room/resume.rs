//! Coming back: replay, single use, fencing (threat 14).

use std::time::Duration;

use conclave_proto::{
    ClientMessage, Connection, ErrorCode, Event, ParticipantId, PeerSignal, Reaction, Sdp, Secret, TopologyChoice,
    close, limits,
};
use conclave_room::Departure;

use crate::stage::{Person, Stage, chat, seconds};

fn texts(numbered: &[(u32, Event)]) -> Vec<(u32, String)> {
    numbered
        .iter()
        .filter_map(|(seq, event)| match event {
            Event::Chat { message } => Some((*seq, message.text.as_str().to_owned())),
            _ => None,
        })
        .collect()
}

fn pair(choice: TopologyChoice) -> (Stage, Person, Person) {
    let mut stage = Stage::new(choice);
    let ada = stage.join("Ada");
    let grace = stage.join("Grace");
    (stage, ada, grace)
}

#[test]
fn what_was_missed_is_replayed_in_order_and_without_gaps() {
    let (mut stage, ada, grace) = pair(TopologyChoice::Auto);
    stage.ok(&ada, chat("1", "seen"));
    stage.ok(&ada, chat("2", "sent but lost with the connection"));
    stage.lose(&grace);
    stage.ok(&ada, chat("3", "missed"));
    stage.wait(seconds(3));
    let (connection, token) = stage.resume(&grace, grace.joined.resume_token.clone(), 1);
    token.expect("resumed");
    let replayed = stage.numbered(connection);
    let expected = [(2, "sent but lost with the connection".to_owned()), (3, "missed".to_owned())];
    assert_eq!(texts(&replayed), expected);
    stage.ok(&ada, chat("4", "live"));
    assert_eq!(texts(&stage.numbered(connection)), [(4, "live".to_owned())]);
}

#[test]
fn the_others_see_somebody_go_and_come_back_as_the_same() {
    let (mut stage, ada, grace) = pair(TopologyChoice::Auto);
    stage.forget_events();
    stage.lose(&grace);
    stage.wait(seconds(3));
    stage.resume(&grace, grace.joined.resume_token.clone(), 0).1.expect("resumed");
    let states: Vec<_> = stage
        .events(&ada)
        .into_iter()
        .map(|event| match event {
            Event::ParticipantUpdated { participant } => (participant.id, participant.connection),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(states, [(grace.id.clone(), Connection::Interrupted), (grace.id.clone(), Connection::Connected)]);
    stage.wait(seconds(60));
    assert_eq!(stage.names().len(), 2, "the grace period ended with the return");
}

#[test]
fn a_token_is_usable_once() {
    let (mut stage, _, grace) = pair(TopologyChoice::Auto);
    stage.lose(&grace);
    let used = grace.joined.resume_token.clone();
    let (_, next) = stage.resume(&grace, used.clone(), 0);
    let next = next.expect("resumed");
    assert_eq!(stage.resume(&grace, used, 0).1, Err(ErrorCode::CannotResume));
    stage.resume(&grace, next, 0).1.expect("the next one is good");
}

#[test]
fn a_replayed_token_does_not_disturb_the_session_it_was_taken_from() {
    let (mut stage, ada, grace) = pair(TopologyChoice::Auto);
    let used = grace.joined.resume_token.clone();
    let (connection, _) = stage.resume(&grace, used.clone(), 0);
    stage.forget_events();
    stage.resume(&grace, used, 0).1.expect_err("refused");
    stage.ok(&ada, chat("1", "still there?"));
    assert_eq!(stage.connections[&connection].closed, None);
    assert_eq!(texts(&stage.numbered(connection)).len(), 1);
}

#[test]
fn the_new_socket_fences_the_old_one() {
    let (mut stage, ada, grace) = pair(TopologyChoice::Auto);
    stage.ok(&ada, chat("1", "before"));
    let (connection, result) = stage.resume(&grace, grace.joined.resume_token.clone(), 1);
    result.expect("resumed");
    assert_eq!(stage.closed(&grace), Some(close::REPLACED));
    stage.forget_events();
    assert!(stage.ask(grace.connection, chat("2", "from the fenced socket")).is_none(), "void, without an answer");
    assert!(stage.events(&ada).is_empty());
    stage.disconnect(grace.connection, Departure::Goodbye);
    assert_eq!(stage.names().len(), 2, "the end of a fenced socket ends no session");
    assert!(stage.ask(connection, ClientMessage::Ping {}).unwrap().is_ok());
}

#[test]
fn a_token_is_bound_to_its_participant() {
    let (mut stage, ada, grace) = pair(TopologyChoice::Auto);
    assert_eq!(stage.resume(&ada, grace.joined.resume_token.clone(), 0).1, Err(ErrorCode::CannotResume));
    let nobody = Person { id: ParticipantId::parse("nobody").unwrap(), ..grace.clone() };
    assert_eq!(stage.resume(&nobody, grace.joined.resume_token.clone(), 0).1, Err(ErrorCode::CannotResume));
    assert_eq!(stage.resume(&grace, Secret::parse("guess").unwrap(), 0).1, Err(ErrorCode::CannotResume));
}

#[test]
fn a_session_that_ended_cannot_be_resumed() {
    let (mut stage, _, grace) = pair(TopologyChoice::Auto);
    stage.lose(&grace);
    stage.wait(seconds(10));
    assert_eq!(stage.resume(&grace, grace.joined.resume_token.clone(), 0).1, Err(ErrorCode::CannotResume));
}

#[test]
fn an_event_from_the_future_is_refused_and_the_session_goes_on() {
    let (mut stage, _, grace) = pair(TopologyChoice::Auto);
    assert_eq!(stage.resume(&grace, grace.joined.resume_token.clone(), 1_000).1, Err(ErrorCode::CannotResume));
    assert_eq!(stage.closed(&grace), None);
    stage.resume(&grace, grace.joined.resume_token.clone(), 0).1.expect("the token was not used up");
}

#[test]
fn states_replace_each_other_while_somebody_is_away() {
    let (mut stage, ada, grace) = pair(TopologyChoice::Auto);
    stage.lose(&grace);
    for n in 0..3_000 {
        stage.ok(&ada, ClientMessage::SetHand { raised: n % 2 == 0 });
    }
    let (connection, result) = stage.resume(&grace, grace.joined.resume_token.clone(), 0);
    result.expect("resumed");
    let replayed = stage.numbered(connection);
    assert!(
        matches!(&replayed[..], [(1, Event::ParticipantUpdated { participant })] if participant.hand.is_none()),
        "{replayed:?}"
    );
}

#[test]
fn whoever_missed_more_than_is_kept_joins_anew() {
    let (mut stage, ada, grace) = pair(TopologyChoice::Auto);
    stage.lose(&grace);
    for _ in 0..=limits::REPLAY_EVENTS {
        stage.ok(&ada, ClientMessage::React { reaction: Reaction::Clap });
    }
    assert_eq!(stage.resume(&grace, grace.joined.resume_token.clone(), 0).1, Err(ErrorCode::CannotResume));
    let again = stage.join("Grace");
    assert_ne!(again.id, grace.id);
}

#[test]
fn a_resumption_in_the_last_moment_counts_however_late_the_timer_is() {
    let (mut stage, _, grace) = pair(TopologyChoice::Auto);
    stage.lose(&grace);
    stage.now += Duration::from_millis(9_999);
    stage.resume(&grace, grace.joined.resume_token.clone(), 0).1.expect("resumed");
}

#[test]
fn a_resumption_after_the_last_moment_does_not() {
    let (mut stage, _, grace) = pair(TopologyChoice::Auto);
    stage.lose(&grace);
    stage.now += seconds(11);
    assert_eq!(stage.resume(&grace, grace.joined.resume_token.clone(), 0).1, Err(ErrorCode::CannotResume));
}

fn large_signal(stage: &Stage, to: &Person) -> ClientMessage {
    let sdp = Sdp::parse("a".repeat(100 * 1_024)).unwrap();
    ClientMessage::Signal { to: to.id.clone(), generation: stage.generation(), signal: PeerSignal::Offer { sdp } }
}

#[test]
fn signals_to_somebody_away_are_refused_before_they_endanger_the_resumption() {
    let (mut stage, ada, grace) = pair(TopologyChoice::P2p);
    stage.lose(&grace);
    let signal = large_signal(&stage, &grace);
    let outcomes: Vec<_> = (0..20).map(|_| stage.ask(ada.connection, signal.clone()).unwrap().is_ok()).collect();
    assert!(outcomes[0] && !outcomes[19]);
    assert_eq!(stage.error(&ada, signal), ErrorCode::TooManyRequests);
    let (connection, result) = stage.resume(&grace, grace.joined.resume_token.clone(), 0);
    result.expect("resumed");
    assert_eq!(stage.numbered(connection).len(), outcomes.iter().filter(|taken| **taken).count());
}

#[test]
fn what_is_kept_for_a_resumption_is_bounded_in_bytes() {
    let (mut stage, ada, grace) = pair(TopologyChoice::P2p);
    let signal = large_signal(&stage, &grace);
    for _ in 0..20 {
        stage.ok(&ada, signal.clone());
    }
    stage.lose(&grace);
    let token = grace.joined.resume_token.clone();
    assert_eq!(stage.resume(&grace, token.clone(), 0).1, Err(ErrorCode::CannotResume), "2 MB ago");
    let (connection, result) = stage.resume(&grace, token, 15);
    result.expect("the last are kept");
    let numbers: Vec<_> = stage.numbered(connection).into_iter().map(|(seq, _)| seq).collect();
    assert_eq!(numbers, [16, 17, 18, 19, 20]);
}
