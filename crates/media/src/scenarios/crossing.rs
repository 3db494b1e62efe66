//! Rooms, legs and packets that meet at different shards.

use std::time::Duration;

use super::client::Client;
use super::link::Conditions;
use super::stage::{Check, Person, Reach, Scenario, Turmoil};
use super::world::World;
use crate::event::RoomKey;
use crate::mailbox::Command;

const ALL_IS_WELL: [Check; 8] = [
    Check::Sound(0, 1, 100..=100),
    Check::Sound(1, 0, 100..=100),
    Check::Pictures(0, 1, 100..=100),
    Check::Pictures(1, 0, 100..=100),
    Check::NoPictureLost(0, 1),
    Check::NoPictureLost(1, 0),
    Check::Dropped("shard", 0..=0),
    Check::Dropped("unvalidated", 0..=0),
];

#[track_caller]
fn play_well(scenario: &Scenario, more: &[Check]) -> World {
    scenario.play(&[&ALL_IS_WELL, more].concat())
}

#[test]
fn each_leg_belongs_to_the_shard_that_its_client_reaches_wherever_its_room_is() {
    const PEOPLE: &[Person] = &[Person::at(0, &[1, 2]), Person::at(1, &[0, 2]), Person::at(2, &[0, 1])];
    for room in 0..3 {
        let scenario = Scenario { shards: 3, room, seconds: 4, ..Scenario::of(PEOPLE) };
        let owned = [Check::OwnedBy(0, 0), Check::OwnedBy(1, 1), Check::OwnedBy(2, 2)];
        play_well(
            &scenario,
            &[&owned[..], &[Check::Pictures(2, 0, 100..=100), Check::Pictures(0, 2, 100..=100)]].concat(),
        );
    }
}

#[test]
fn what_shards_keep_to_carry_packets_to_each_other_is_given_back_when_everybody_has_gone() {
    const PEOPLE: &[Person] = &[Person::at(0, &[1]), Person::at(1, &[0])];
    let mut world = play_well(&Scenario::of(PEOPLE), &[]);
    assert!(world.shards.iter().any(|shard| shard.kept_bytes() > 0));
    world.command(RoomKey(1), Command::CloseRoom { room: RoomKey(1) });
    world.run(Duration::from_secs(1));
    assert!(world.shards.iter().all(|shard| shard.kept_bytes() == 0));
}

#[test]
fn losses_are_repaired_across_shards_too() {
    const LOSSY: Person = Person { up: Conditions::losing(50), down: Conditions::losing(50), ..Person::at(0, &[1]) };
    const PEOPLE: &[Person] = &[LOSSY, Person { reach: Reach::Udp(1), sees: &[0], ..LOSSY }];
    for room in 0..2 {
        Scenario { room, ..Scenario::of(PEOPLE) }.play(&[
            Check::Pictures(0, 1, 99..=100),
            Check::Pictures(1, 0, 99..=100),
            Check::Gap(0, 1, 350),
            Check::KeyFrames(0, 10),
        ]);
    }
}

#[test]
fn packets_that_come_to_another_shard_after_an_address_changed_are_handed_to_the_owner() {
    const PEOPLE: &[Person] = &[Person::at(0, &[1]), Person::at(1, &[0])];
    const TURMOIL: &[(u64, usize, Turmoil)] = &[(1_000, 0, Turmoil::Rebind(1)), (7_000, 1, Turmoil::Rebind(0))];
    for room in 0..2 {
        Scenario { room, seconds: 16, turmoil: TURMOIL, ..Scenario::of(PEOPLE) }.play(&[
            Check::OwnedBy(0, 0),
            Check::OwnedBy(1, 1),
            // Until the next connectivity check, nobody knows whose the new address is.
            Check::Gap(0, 1, 3_500),
            Check::Gap(1, 0, 3_500),
            Check::Pictures(0, 1, 75..=100),
            Check::Pictures(1, 0, 75..=100),
            Check::Dropped("shard", 0..=0),
        ]);
    }
}

#[test]
fn a_leg_that_only_a_connection_reaches_belongs_to_the_front() {
    const PEOPLE: &[Person] = &[Person::at(1, &[1]), Person { reach: Reach::Tcp, ..Person::at(0, &[0]) }];
    for room in 0..2 {
        let scenario = Scenario { room, seconds: 5, ..Scenario::of(PEOPLE) };
        play_well(&scenario, &[Check::OwnedBy(0, 1), Check::OwnedBy(1, 0)]);
    }
}

#[test]
fn a_leg_of_another_shard_than_the_front_goes_on_by_a_connection_when_udp_is_blocked() {
    const PEOPLE: &[Person] = &[Person::at(0, &[1]), Person { reach: Reach::Both(1), ..Person::at(0, &[0]) }];
    const TURMOIL: &[(u64, usize, Turmoil)] = &[(1_000, 1, Turmoil::TurnToTcp)];
    Scenario { seconds: 10, turmoil: TURMOIL, ..Scenario::of(PEOPLE) }.play(&[
        Check::OwnedBy(1, 1),
        // What the client says comes at once; what it hears, when it has chosen the connection.
        Check::Sound(0, 1, 98..=100),
        Check::Pictures(0, 1, 98..=100),
        Check::Gap(0, 1, 300),
        Check::Sound(1, 0, 60..=100),
        Check::Pictures(1, 0, 60..=100),
        Check::Gap(1, 0, 3_500),
    ]);
}

#[test]
fn who_leaves_and_who_vanishes_is_noticed_and_leaves_the_others_alone() {
    const PEOPLE: &[Person] =
        &[Person::at(0, &[1]), Person::at(1, &[0]), Person::at(0, &[0, 1]), Person::at(1, &[0, 1])];
    const TURMOIL: &[(u64, usize, Turmoil)] = &[(500, 2, Turmoil::Leave), (1_000, 3, Turmoil::Unplug)];
    let scenario = Scenario { seconds: 20, turmoil: TURMOIL, ..Scenario::of(PEOPLE) };
    let world = play_well(&scenario, &[Check::Ended("ended", 1), Check::Ended("consent", 1)]);
    assert_eq!(world.failed(), ["person-2", "person-3"]);
}

#[test]
fn a_shutdown_is_told_to_everybody_and_leaves_nothing_to_do() {
    let mut world = World::new(2);
    for (room, shard) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        world.join(RoomKey(room), &format!("person-{room}-{shard}"), shard, 1);
    }
    world.join_tcp(RoomKey(1), "person-by-tcp", 1);
    world.connect();
    world.run(Duration::from_secs(1));
    world.shutdown();
    world.run(Duration::from_millis(100));
    assert!(world.clients.iter().all(|client: &Client| client.closed));
    let snapshot = world.snapshot();
    assert!(snapshot.rooms.is_empty() && snapshot.shards.iter().all(|shard| shard.legs == 0));
    assert_eq!(world.counted.gauge("conclave_media_legs"), 0.0);
    assert_eq!(world.ended("closed"), 5);
    assert_eq!(world.failed(), <[String; 0]>::default());
}

#[test]
fn who_is_closed_by_a_command_is_told_and_others_go_on() {
    let mut world = World::new(2);
    let (ada, bob) = (world.join(RoomKey(1), "ada", 0, 1), world.join(RoomKey(1), "bob", 1, 1));
    let eve = world.join(RoomKey(1), "eve", 0, 1);
    world.connect();
    let participant = world.clients[eve].id.clone();
    world.command(RoomKey(1), Command::CloseParticipant { room: RoomKey(1), participant });
    world.run(Duration::from_millis(200));
    let since = world.time();
    world.run(Duration::from_secs(1));
    assert!(world.clients[eve].closed);
    assert!(world.got(ada, bob, true, since).len() >= 49);
    assert!(world.got(ada, eve, true, since).is_empty() && world.got(eve, bob, true, since).is_empty());
    assert_eq!(world.failed(), <[String; 0]>::default());
}

#[test]
fn a_leg_that_is_closed_while_it_moves_to_another_shard_leaves_nothing_behind() {
    for turns in 0..60 {
        let mut world = World::new(2);
        // At home on the first shard, and reached by the second one.
        let eve = world.join(RoomKey(2), "eve", 1, 1);
        world.turns_left = Some(turns);
        world.run(Duration::from_millis(50));
        let participant = world.clients[eve].id.clone();
        world.command(RoomKey(2), Command::CloseParticipant { room: RoomKey(2), participant });
        world.turns_left = None;
        world.run(Duration::from_millis(500));
        let legs: u32 = world.snapshot().shards.iter().map(|shard| shard.legs).sum();
        assert_eq!(legs, 0, "closed after {turns} turns");
    }
}
