//! Where media flows, and how it moves without a gap.

use std::time::Duration;

use conclave_proto::{
    ClientMessage, ErrorCode, Event, Generation, LegNumber, PathReport, PathState, RoomOptions, Topology,
    TopologyChoice, TopologyReason, TopologyState,
};
use conclave_room::{Departure, MediaCommand, MediaInput};

use crate::stage::{Person, Stage, offer, options, seconds};

fn moves(events: &[Event]) -> Vec<(Topology, TopologyReason, bool)> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::TopologyChanged { state: TopologyState { topology, reason, settled, .. } } => {
                Some((*topology, *reason, *settled))
            }
            _ => None,
        })
        .collect()
}

fn failures(events: &[Event]) -> Vec<(conclave_proto::ParticipantId, PathState)> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::PathChanged { participant, state, .. } => Some((participant.clone(), *state)),
            _ => None,
        })
        .collect()
}

fn people(stage: &mut Stage, count: usize) -> Vec<Person> {
    (0..count).map(|n| stage.join_with_offer(&format!("P{n}"))).collect()
}

fn all_ready(stage: &mut Stage, people: &[Person]) {
    for person in people {
        stage.report(person, PathState::Ready, None);
    }
}

#[test]
fn the_choice_decides_where_a_room_starts() {
    for (choice, topology) in [
        (TopologyChoice::Auto, Topology::P2p),
        (TopologyChoice::P2p, Topology::P2p),
        (TopologyChoice::Mesh, Topology::Mesh),
        (TopologyChoice::Sfu, Topology::Sfu),
    ] {
        let mut stage = Stage::new(choice);
        let first = stage.join_with_offer("Ada");
        let state = first.joined.room.topology;
        assert_eq!((state.topology, state.reason, state.settled), (topology, TopologyReason::Initial, true));
        assert_eq!(first.joined.answer.is_some(), topology == Topology::Sfu, "{choice:?}");
    }
}

#[test]
fn a_direct_call_touches_the_media_plane_only_to_end_the_relays_of_who_leaves() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let pair = people(&mut stage, 2);
    all_ready(&mut stage, &pair);
    stage.ok(&pair[0], ClientMessage::SetMedia { media: Default::default() });
    assert_eq!(stage.commands, []);
    stage.ok(&pair[0], ClientMessage::Leave {});
    assert_eq!(stage.commands, [MediaCommand::CloseParticipant { participant: pair[0].id.clone() }]);
}

#[test]
fn the_third_person_moves_an_auto_room_to_the_sfu() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let pair = people(&mut stage, 2);
    stage.forget_events();
    let third = stage.join_with_offer("P2");
    assert!(third.joined.answer.is_some());
    assert_eq!(third.joined.room.topology.topology, Topology::Sfu);
    assert!(!third.joined.room.topology.settled);
    let events = stage.events(&pair[0]);
    assert!(matches!(events[0], Event::ParticipantJoined { .. }), "who comes is told before what it causes");
    assert_eq!(moves(&events), [(Topology::Sfu, TopologyReason::MorePeople, false)]);
    assert_eq!(moves(&stage.events(&third)), [], "the newcomer has it from the reply");
}

#[test]
fn a_move_settles_when_all_have_reported() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let mut all = people(&mut stage, 2);
    all.push(stage.join_with_offer("P2"));
    stage.forget_events();
    all_ready(&mut stage, &all[..2]);
    assert_eq!(stage.topology(), (Topology::Sfu, false));
    all_ready(&mut stage, &all[2..]);
    assert_eq!(stage.topology(), (Topology::Sfu, true));
    let events = stage.events(&all[0]);
    assert_eq!(moves(&events), [(Topology::Sfu, TopologyReason::MorePeople, true)]);
    assert_eq!(failures(&events), []);
}

#[test]
fn a_move_settles_without_those_who_stay_silent_and_says_who() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let mut all = people(&mut stage, 2);
    all.push(stage.join_with_offer("P2"));
    all_ready(&mut stage, &all[..2]);
    stage.forget_events();
    stage.wait(Duration::from_millis(9_999));
    assert!(!stage.topology().1);
    stage.wait(Duration::from_millis(1));
    for person in &all {
        let events = stage.events(person);
        assert_eq!(failures(&events), [(all[2].id.clone(), PathState::Failed)], "also the one it is about");
        assert_eq!(moves(&events), [(Topology::Sfu, TopologyReason::MorePeople, true)]);
    }
}

#[test]
fn a_path_that_works_after_all_is_told_as_well_and_newcomers_know_of_failed_ones() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let pair = people(&mut stage, 2);
    stage.report(&pair[0], PathState::Failed, None);
    let third = stage.join_with_offer("P2");
    assert_eq!(failures(&stage.events(&third)), [(pair[0].id.clone(), PathState::Failed)]);
    stage.report(&pair[0], PathState::Ready, None);
    assert_eq!(failures(&stage.events(&third)), [(pair[0].id.clone(), PathState::Ready)]);
}

#[test]
fn whoever_leaves_is_not_waited_for() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let mut all = people(&mut stage, 2);
    all.push(stage.join_with_offer("P2"));
    all_ready(&mut stage, &all[..2]);
    stage.disconnect(all[2].connection, Departure::Goodbye);
    assert_eq!(stage.topology(), (Topology::Sfu, true));
}

#[test]
fn somebody_who_comes_during_a_move_does_not_delay_it() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let all = people(&mut stage, 3);
    let late = stage.join_with_offer("Late");
    all_ready(&mut stage, &all);
    assert_eq!(stage.topology(), (Topology::Sfu, true));
    assert_eq!(failures(&stage.events(&late)), []);
}

#[test]
fn two_who_remain_for_fifteen_seconds_go_back_to_a_direct_path() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let all = people(&mut stage, 3);
    for person in &all[..2] {
        stage.ok(person, ClientMessage::OfferSfu(Box::new(offer(1))));
        stage.media(MediaInput::Connected { participant: person.id.clone(), leg: LegNumber(1) });
    }
    all_ready(&mut stage, &all);
    stage.disconnect(all[2].connection, Departure::Goodbye);
    stage.forget_events();
    stage.wait(Duration::from_millis(14_999));
    assert_eq!(stage.topology(), (Topology::Sfu, true));
    stage.wait(Duration::from_millis(1));
    assert_eq!(stage.topology(), (Topology::P2p, false));
    assert_eq!(stage.commands, [], "the old path is kept until the new one carries media");
    all_ready(&mut stage, &all[..2]);
    assert_eq!(stage.topology(), (Topology::P2p, true));
    let legs: Vec<_> = all[..2]
        .iter()
        .map(|person| MediaCommand::CloseLeg { participant: person.id.clone(), leg: LegNumber(1) })
        .collect();
    assert_eq!(stage.commands, legs);
    let reasons = [(Topology::P2p, TopologyReason::TwoRemain, false), (Topology::P2p, TopologyReason::TwoRemain, true)];
    assert_eq!(moves(&stage.events(&all[0])), reasons);
}

#[test]
fn the_fifteen_seconds_start_anew_when_somebody_comes_or_is_interrupted() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let all = people(&mut stage, 3);
    all_ready(&mut stage, &all);
    stage.disconnect(all[2].connection, Departure::Goodbye);
    stage.wait(seconds(14));
    let third = stage.join_with_offer("P2");
    stage.wait(seconds(14));
    stage.disconnect(third.connection, Departure::Goodbye);
    stage.wait(seconds(14));
    stage.lose(&all[1]);
    stage.wait(seconds(5));
    assert_eq!(stage.topology().0, Topology::Sfu, "a direct path cannot be negotiated now");
    stage.resume(&all[1], all[1].joined.resume_token.clone(), 0).1.expect("resumed");
    stage.wait(Duration::from_millis(14_999));
    assert_eq!(stage.topology().0, Topology::Sfu);
    stage.wait(Duration::from_millis(1));
    assert_eq!(stage.topology().0, Topology::P2p);
}

#[test]
fn a_direct_path_that_fails_moves_an_auto_room_to_the_sfu_until_the_number_of_people_changes() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let pair = people(&mut stage, 2);
    stage.report(&pair[0], PathState::Failed, Some(&pair[1]));
    assert_eq!(moves(&stage.events(&pair[1])), [(Topology::Sfu, TopologyReason::PathFailed, false)]);
    all_ready(&mut stage, &pair);
    stage.wait(seconds(120));
    assert_eq!(stage.topology(), (Topology::Sfu, true));
    let third = stage.join_with_offer("P2");
    stage.disconnect(third.connection, Departure::Goodbye);
    stage.wait(seconds(15));
    assert_eq!(stage.topology().0, Topology::P2p, "another network, another try");
}

#[test]
fn a_page_that_replaces_itself_changes_no_number() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let pair = people(&mut stage, 2);
    stage.report(&pair[0], PathState::Failed, Some(&pair[1]));
    all_ready(&mut stage, &pair);
    stage.lose(&pair[1]);
    stage.join_with_offer("P1");
    stage.wait(seconds(120));
    assert_eq!(stage.topology().0, Topology::Sfu);
}

#[test]
fn going_back_fails_safe_when_somebody_cannot() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let all = people(&mut stage, 3);
    all_ready(&mut stage, &all);
    stage.disconnect(all[2].connection, Departure::Goodbye);
    stage.wait(seconds(15));
    stage.report(&all[0], PathState::Ready, None);
    stage.forget_events();
    stage.wait(seconds(10));
    assert_eq!(stage.topology(), (Topology::Sfu, false), "nobody's legs were closed, so all is as before");
    let closes = stage.commands.iter().filter(|command| matches!(command, MediaCommand::CloseLeg { .. })).count();
    assert_eq!(closes, 0);
    all_ready(&mut stage, &all[..2]);
    assert_eq!(stage.topology(), (Topology::Sfu, true));
}

#[test]
fn where_the_owner_chose_a_direct_topology_a_failed_path_is_told_and_the_rest_go_on() {
    let mut stage = Stage::new(TopologyChoice::Mesh);
    let all = people(&mut stage, 3);
    stage.forget_events();
    stage.report(&all[0], PathState::Failed, Some(&all[1]));
    assert_eq!(stage.topology().0, Topology::Mesh);
    for person in &all {
        assert_eq!(failures(&stage.events(person)), [(all[0].id.clone(), PathState::Failed)]);
    }
    stage.disconnect(all[1].connection, Departure::Goodbye);
    let told = failures(&stage.events(&all[2]));
    assert_eq!(told, [(all[0].id.clone(), PathState::Ready)], "with the peer the failure is gone");
}

#[test]
fn reports_about_single_peers_add_up() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let all = people(&mut stage, 3);
    stage.ok(&all[0], ClientMessage::SetOptions { options: options(TopologyChoice::Mesh) });
    assert_eq!(stage.topology(), (Topology::Mesh, false));
    for (who, peer) in [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0)] {
        stage.report(&all[who], PathState::Ready, Some(&all[peer]));
        assert!(!stage.topology().1);
    }
    stage.report(&all[2], PathState::Ready, Some(&all[1]));
    assert_eq!(stage.topology(), (Topology::Mesh, true));
}

#[test]
fn a_peer_who_leaves_completes_the_reports_of_the_others() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let all = people(&mut stage, 3);
    stage.ok(&all[0], ClientMessage::SetOptions { options: options(TopologyChoice::Mesh) });
    stage.report(&all[0], PathState::Ready, Some(&all[1]));
    stage.report(&all[1], PathState::Ready, Some(&all[0]));
    stage.disconnect(all[2].connection, Departure::Goodbye);
    assert_eq!(stage.topology(), (Topology::Mesh, true));
}

#[test]
fn options_move_a_room_at_once_and_a_newer_move_gives_up_an_older_one() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let pair = people(&mut stage, 2);
    let first = stage.generation();
    stage.ok(&pair[0], ClientMessage::SetOptions { options: options(TopologyChoice::Sfu) });
    stage.ok(&pair[0], ClientMessage::SetOptions { options: options(TopologyChoice::Auto) });
    assert_eq!(stage.topology(), (Topology::P2p, false));
    assert_eq!(stage.generation(), Generation(first.0 + 2));
    all_ready(&mut stage, &pair);
    assert_eq!(stage.topology(), (Topology::P2p, true));
}

#[test]
fn options_that_change_no_topology_move_nobody() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let pair = people(&mut stage, 2);
    let before = stage.generation();
    let locked = RoomOptions { locked: true, ..options(TopologyChoice::P2p) };
    stage.ok(&pair[0], ClientMessage::SetOptions { options: locked });
    assert_eq!((stage.generation(), stage.topology()), (before, (Topology::P2p, true)));
}

#[test]
fn a_direct_topology_is_refused_for_more_people_than_it_connects() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let all = people(&mut stage, 5);
    for choice in [TopologyChoice::P2p, TopologyChoice::Mesh] {
        let message = ClientMessage::SetOptions { options: options(choice) };
        assert_eq!(stage.error(&all[0], message), ErrorCode::BadOptions);
    }
}

#[test]
fn a_capacity_below_the_number_of_people_expels_nobody() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let all = people(&mut stage, 3);
    let small = RoomOptions { capacity: 1, ..options(TopologyChoice::Sfu) };
    stage.ok(&all[0], ClientMessage::SetOptions { options: small });
    assert_eq!(stage.names().len(), 3);
    assert!(stage.room.is_full());
}

#[test]
fn a_report_about_another_generation_is_stale_and_one_about_nobody_refused() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let pair = people(&mut stage, 2);
    let report =
        |generation, peer| ClientMessage::ReportPath(PathReport { generation, state: PathState::Failed, peer });
    let Generation(current) = stage.generation();
    assert_eq!(stage.error(&pair[0], report(Generation(current + 1), None)), ErrorCode::StaleGeneration);
    let itself = Some(pair[0].id.clone());
    assert_eq!(stage.error(&pair[0], report(Generation(current), itself)), ErrorCode::NoSuchParticipant);
    assert_eq!(stage.topology(), (Topology::P2p, true));
}

#[test]
fn one_person_alone_is_waited_for_by_nobody() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join("Ada");
    stage.ok(&ada, ClientMessage::SetOptions { options: options(TopologyChoice::Auto) });
    assert_eq!(stage.topology(), (Topology::P2p, true));
}

#[test]
fn an_empty_room_starts_again_and_generations_go_on() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let all = people(&mut stage, 3);
    let before = stage.generation();
    for person in &all {
        stage.disconnect(person.connection, Departure::Goodbye);
    }
    assert!(stage.room.is_empty());
    let ada = stage.join("Ada");
    let state = ada.joined.room.topology;
    assert_eq!((state.topology, state.reason, state.settled), (Topology::P2p, TopologyReason::Initial, true));
    assert!(state.generation > before);
}
