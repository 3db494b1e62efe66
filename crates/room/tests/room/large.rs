//! Rooms of hundreds and thousands: what everybody is told, and what it costs, counted in messages and
//! bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use conclave_proto::{
    ClientMessage, Departed, DisplayName, Event, Join, LeaveReason, MediaState, NetworkQuality, NetworkReport,
    Participant, ParticipantId, Reaction, Reply, RoomOptions, SourceKind, TopologyChoice, View, ViewItem, limits,
};
use conclave_room::{ConnectionId, Departure, Input, MediaInput, StoredRoom};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::mirror::Mirror;
use crate::stage::{Person, Stage, join_as, offer, seconds};

const LISTED: usize = limits::ROSTER_LISTED;

fn large(people: usize) -> (Stage, Vec<Person>) {
    let options = RoomOptions { topology: TopologyChoice::Sfu, capacity: limits::CAPACITY, ..RoomOptions::default() };
    let mut stage = Stage::with(StoredRoom { options: Some(options), ..StoredRoom::default() });
    let people = (0..people).map(|number| stage.join(&format!("Person-{number}"))).collect();
    stage.wait(seconds(10));
    stage.forget_events();
    (stage, people)
}

fn bytes(event: &Event) -> usize {
    serde_json::to_string(event).unwrap().len()
}

fn told(stage: &mut Stage) -> Vec<Event> {
    let connections: Vec<_> = stage.connections.keys().copied().collect();
    connections.into_iter().flat_map(|connection| stage.numbered(connection)).map(|(_, event)| event).collect()
}

fn ids(participants: &[Participant]) -> BTreeSet<ParticipantId> {
    participants.iter().map(|participant| participant.id.clone()).collect()
}

fn set_media(stage: &mut Stage, person: &Person, media: MediaState) {
    stage.ok(person, ClientMessage::SetMedia { media });
}

#[test]
fn joining_three_thousand_people_costs_no_more_than_joining_a_hundred() {
    let cost = |people: usize| {
        let (mut stage, _) = large(people);
        let joined = stage.join("Newcomer").joined;
        assert_eq!(joined.participant_count as usize, people + 1);
        assert_eq!(joined.participants.len(), LISTED + 1, "those who are listed, and oneself");
        let reply = serde_json::to_string(&joined).unwrap().len();
        stage.wait(seconds(10));
        let events = told(&mut stage);
        assert_eq!(events.len(), people + 1, "each is told once that there is one more");
        let each = events.iter().map(bytes).max().unwrap();
        (reply, each)
    };
    let (reply, each) = cost(100);
    for people in [1_000, 3_000] {
        let (other_reply, other_each) = cost(people);
        assert!(other_reply <= reply + 200 && other_each <= each + 4, "{other_reply} {reply} {other_each} {each}");
    }
    assert!(reply < 16_000 && each < 60, "{reply} {each}");
}

#[test]
fn a_thousand_joins_in_a_row_are_told_to_each_in_a_few_words() {
    let (mut stage, people) = large(100);
    for number in 0..1_000 {
        stage.join(&format!("New-{number}"));
        stage.wait(Duration::from_millis(2));
    }
    stage.wait(seconds(2));
    let events = stage.events(&people[0]);
    assert!(events.len() <= 20, "{} messages in 2 s", events.len());
    assert!(events.iter().map(bytes).sum::<usize>() <= 1_200);
    assert!(matches!(events.last(), Some(Event::RosterChanged { count: 1_100, .. })));
}

#[test]
fn all_who_turn_their_cameras_on_at_once_are_not_told_of_at_once() {
    let (mut stage, people) = large(1_000);
    let camera = MediaState { camera: true, ..MediaState::default() };
    people.iter().for_each(|person| set_media(&mut stage, person, camera));
    stage.wait(seconds(5));
    let own = |event: &Event| matches!(event, Event::ParticipantUpdated { participant } if participant.media.camera);
    for person in &people {
        let events = stage.events(person);
        let others: Vec<_> = events.iter().filter(|event| !own(event)).collect();
        assert!(others.len() <= 4, "{} messages", others.len());
        for event in others {
            let Event::RosterChanged { participants, left, unlisted, .. } = event else { panic!("{event:?}") };
            assert!(participants.len() + unlisted.len() <= LISTED && left.is_empty());
        }
    }
}

#[test]
fn who_is_seen_or_heard_is_listed_and_told_of_before_being_named() {
    let (mut stage, people) = large(200);
    let (last, first) = (&people[199], &people[0]);
    stage.media(MediaInput::Speakers(vec![last.id.clone()]));
    stage.wait(seconds(1));
    let events = stage.events(first);
    let [Event::RosterChanged { participants, unlisted, .. }, Event::SpeakersChanged { speakers }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(ids(participants), BTreeSet::from([last.id.clone()]));
    assert_eq!(unlisted, &[people[49].id.clone()], "the last to come of those who do nothing");
    assert_eq!(speakers[..], *std::slice::from_ref(&last.id));

    // Falling silent is no reason to be forgotten.
    stage.media(MediaInput::Speakers(Vec::new()));
    stage.wait(seconds(1));
    assert_eq!(stage.events(first), [Event::SpeakersChanged { speakers: Vec::new() }]);

    let screen = MediaState { screen: true, ..MediaState::default() };
    set_media(&mut stage, &people[150], screen);
    stage.ok(&people[151], ClientMessage::SetHand { raised: true });
    let joined = stage.join("Newcomer").joined;
    assert!([150, 151, 199].iter().all(|at| ids(&joined.participants).contains(&people[*at].id)));
}

#[test]
fn what_changes_of_somebody_who_is_not_listed_is_told_to_nobody_else() {
    let (mut stage, people) = large(100);
    let quiet = &people[99];
    stage.ok(quiet, ClientMessage::SetName { name: DisplayName::parse("Quiet").unwrap() });
    stage.wait(seconds(5));
    assert!(
        matches!(&stage.events(quiet)[..], [Event::ParticipantUpdated { participant }] if participant.id == quiet.id)
    );
    assert!(told(&mut stage).is_empty());
}

#[test]
fn who_came_and_went_between_two_tellings_was_never_there() {
    let (mut stage, people) = large(100);
    // So that what follows has to wait.
    stage.join("First");
    stage.forget_events();
    let host =
        stage.join_with(Join { media: MediaState { screen: true, ..MediaState::default() }, ..join_as("Brief") });
    stage.ok(&host, ClientMessage::Leave {});
    stage.wait(seconds(2));
    for event in stage.events(&people[0]) {
        let Event::RosterChanged { count, participants, left, unlisted } = event else { panic!("{event:?}") };
        assert!(left.is_empty() || left == [Departed { participant: host.id.clone(), reason: LeaveReason::Left }]);
        assert!(!ids(&participants).contains(&host.id) && !unlisted.contains(&host.id));
        assert_eq!(count, 101);
    }
}

#[test]
fn who_was_never_listed_is_not_named_on_leaving_although_the_room_becomes_small() {
    let (mut stage, people) = large(LISTED + 1);
    stage.ok(&people[LISTED], ClientMessage::Leave {});
    stage.wait(seconds(1));
    let (participants, left, unlisted) = (Vec::new(), Vec::new(), Vec::new());
    let fewer = Event::RosterChanged { count: LISTED as u32, participants, left, unlisted };
    assert_eq!(stage.events(&people[0]), [fewer]);
}

#[test]
fn a_newcomer_learns_that_somebody_left_although_the_others_count_as_many_as_before() {
    let (mut stage, people) = large(100);
    // So that what follows has to wait.
    stage.join("First");
    stage.forget_events();
    let newcomer = stage.join("Newcomer");
    let mut mirror = Mirror::new(newcomer.joined.clone());
    assert_eq!(mirror.count, 102);
    stage.ok(&people[99], ClientMessage::Leave {});
    stage.wait(seconds(1));
    stage.numbered(newcomer.connection).into_iter().for_each(|(seq, event)| mirror.apply(seq, event));
    assert_eq!(mirror.count, 101);
}

#[test]
fn pages_together_are_everybody_once() {
    let (mut stage, people) = large(320);
    let (mut after, mut found, mut pages) = (None, Vec::new(), 0);
    loop {
        let Reply::Participants { participants, count, next } =
            stage.ok(&people[0], ClientMessage::GetParticipants { after, search: None })
        else {
            panic!("a page expected")
        };
        assert!(participants.len() <= limits::ROSTER_PAGE && count == 320);
        found.extend(participants);
        pages += 1;
        after = next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(found, stage.room.participants().cloned().collect::<Vec<_>>());
    assert_eq!(pages, 7);
}

#[test]
fn a_search_finds_parts_of_names_in_any_case_and_looks_at_a_bounded_number_a_page() {
    let (mut stage, people) = large(2_500);
    stage.join_with(Join { name: DisplayName::parse("Ärzte ohne Namen").unwrap(), ..join_as("Doctor") });
    let mut search = |text: &str, after: Option<u32>| {
        let search = Some(DisplayName::parse(text).unwrap());
        let Reply::Participants { participants, next, .. } =
            stage.ok(&people[0], ClientMessage::GetParticipants { after, search })
        else {
            panic!("a page expected")
        };
        (participants, next)
    };
    let (found, next) = search("PERSON-17", None);
    assert_eq!((found.len(), next), (11, Some(1_000)), "17, and 170 to 179");
    let (found, _) = search("person", None);
    assert_eq!(found.len(), limits::ROSTER_PAGE);
    let (none, next) = search("ärzte", None);
    assert_eq!((none.len(), next), (0, Some(1_000)));
    let (none, next) = search("ärzte", next);
    assert_eq!((none.len(), next), (0, Some(2_000)));
    let (found, next) = search("ärzte", next);
    assert_eq!((found.len(), next), (1, None));
    assert_eq!(search("ärzte", Some(u32::MAX)), (Vec::new(), None));
}

#[test]
fn network_reports_reach_those_who_look() {
    let (mut stage, people) = large(100);
    let (shown, onlooker) = (&people[70], stage.join_with_offer("Onlooker"));
    let item =
        ViewItem { participant: shown.id.clone(), source: SourceKind::Camera, width: 320, height: 180, priority: 1 };
    let leg = offer(1).leg;
    stage.ok(&onlooker, ClientMessage::SetView { leg, view: View { items: vec![item] } });
    stage.wait(seconds(2));
    stage.forget_events();
    let report = NetworkReport {
        quality: NetworkQuality::Poor,
        round_trip_ms: 180,
        loss_up_permille: 60,
        loss_down_permille: 0,
    };
    stage.ok(shown, ClientMessage::ReportNetwork { report });
    stage.wait(seconds(10));
    assert_eq!(stage.events(&onlooker), [Event::NetworkReported { participant: shown.id.clone(), report }]);
    assert!(told(&mut stage).is_empty());
}

#[test]
fn of_many_reactions_some_are_shown() {
    let (mut stage, people) = large(100);
    for person in &people {
        stage.ok(person, ClientMessage::React { reaction: Reaction::Clap });
    }
    stage.wait(seconds(1));
    let events = stage.events(&people[3]);
    assert!((1..=8).contains(&events.len()), "{events:?}");
    assert!(
        events.iter().all(|event| matches!(event, Event::Reacted { name, .. } if name.as_str().starts_with("Person")))
    );
}

#[test]
fn a_lost_connection_finds_the_roster_as_it_is_when_it_is_back() {
    let (mut stage, people) = large(120);
    let newcomer = stage.join("Newcomer");
    let mut mirror = Mirror::new(newcomer.joined.clone());
    stage.wait(seconds(1));
    stage.numbered(newcomer.connection).into_iter().for_each(|(seq, event)| mirror.apply(seq, event));
    stage.lose(&newcomer);
    let camera = MediaState { camera: true, ..MediaState::default() };
    for round in 0..40 {
        set_media(&mut stage, &people[60 + round], camera);
        stage.ok(&people[round], ClientMessage::Leave {});
        stage.wait(Duration::from_millis(200));
    }
    let (connection, result) = stage.resume(&newcomer, newcomer.joined.resume_token.clone(), mirror.last_seq);
    result.expect("resumed");
    stage.wait(seconds(1));
    stage.numbered(connection).into_iter().for_each(|(seq, event)| mirror.apply(seq, event));
    let fresh = stage.join("Fresh").joined;
    assert_eq!(mirror.count + 1, fresh.participant_count);
    let own = BTreeSet::from([mirror.me]);
    assert_eq!(ids(&mirror.participants), &(&ids(&fresh.participants) - &BTreeSet::from([fresh.participant])) | &own);
}

#[derive(Clone, Debug)]
enum Action {
    Join(bool),
    Leave(Index),
    Lose(Index),
    Media(Index, bool),
    Hand(Index, bool),
    Speak(Index),
    Wait(u64),
}

fn any_action() -> impl Strategy<Value = Action> {
    let who = any::<Index>;
    prop_oneof![
        4 => any::<bool>().prop_map(Action::Join),
        4 => who().prop_map(Action::Leave),
        1 => who().prop_map(Action::Lose),
        4 => (who(), any::<bool>()).prop_map(|(who, on)| Action::Media(who, on)),
        2 => (who(), any::<bool>()).prop_map(|(who, up)| Action::Hand(who, up)),
        2 => who().prop_map(Action::Speak),
        3 => prop_oneof![Just(0), 1..200u64, 200..12_000u64].prop_map(Action::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_everybody_ends_up_knowing_the_same(
        start in 45..60usize,
        actions in proptest::collection::vec(any_action(), 1..120),
    ) {
        let options = RoomOptions { topology: TopologyChoice::Sfu, capacity: 500, ..RoomOptions::default() };
        let mut stage = Stage::with(StoredRoom { options: Some(options), ..StoredRoom::default() });
        let mut inside: Vec<Person> = Vec::new();
        let mut mirrors: BTreeMap<ConnectionId, Mirror> = BTreeMap::new();
        let mut number = 0;
        let starting = std::iter::repeat_n(Action::Join(false), start);
        for action in starting.chain(actions) {
            let pick = |index: Index| (!inside.is_empty()).then(|| index.get(&inside).clone());
            match action {
                Action::Join(camera) => {
                    number += 1;
                    let media = MediaState { camera, ..MediaState::default() };
                    let person = stage.join_with(Join { media, ..join_as(&format!("P{number}")) });
                    mirrors.insert(person.connection, Mirror::new(person.joined.clone()));
                    inside.push(person);
                }
                Action::Leave(who) => if let Some(person) = pick(who) {
                    stage.disconnect(person.connection, Departure::Goodbye);
                    mirrors.remove(&person.connection);
                    inside.retain(|other| other.id != person.id);
                },
                Action::Lose(who) => if let Some(person) = pick(who) {
                    stage.lose(&person);
                    mirrors.remove(&person.connection);
                    inside.retain(|other| other.id != person.id);
                },
                Action::Media(who, camera) => if let Some(person) = pick(who) {
                    set_media(&mut stage, &person, MediaState { camera, ..MediaState::default() });
                },
                Action::Hand(who, raised) => if let Some(person) = pick(who) {
                    stage.ok(&person, ClientMessage::SetHand { raised });
                },
                Action::Speak(who) => if let Some(person) = pick(who) {
                    stage.input(Input::Media(MediaInput::Speakers(vec![person.id.clone()])));
                },
                Action::Wait(ms) => stage.wait(Duration::from_millis(ms)),
            }
            for (connection, mirror) in &mut mirrors {
                stage.numbered(*connection).into_iter().for_each(|(seq, event)| mirror.apply(seq, event));
            }
        }
        stage.wait(seconds(30));
        let all: BTreeMap<_, _> = stage.room.participants().map(|person| (person.id.clone(), person.clone())).collect();
        let listed = {
            let fresh = stage.join("Fresh");
            for (connection, mirror) in &mut mirrors {
                stage.wait(seconds(2));
                stage.numbered(*connection).into_iter().for_each(|(seq, event)| mirror.apply(seq, event));
            }
            &ids(&fresh.joined.participants) - &BTreeSet::from([fresh.id])
        };
        for mirror in mirrors.values() {
            prop_assert_eq!(mirror.count as usize, all.len() + 1);
            for participant in &mirror.participants {
                let Some(now) = all.get(&participant.id) else { continue };
                prop_assert_eq!(participant, now);
            }
            let known: BTreeSet<_> = ids(&mirror.participants).into_iter().filter(|id| all.contains_key(id)).collect();
            let own = BTreeSet::from([mirror.me.clone()]);
            prop_assert_eq!(&known | &own, &listed | &own);
        }
    }
}
