//! Sound where packets are lost: copies of it go with what comes later, to whom they are of use.

use std::time::Duration;

use super::link::Conditions;
use super::world::World;
use crate::event::RoomKey;

const ROOM: RoomKey = RoomKey(1);

/// Ada speaks and shows herself, the others watch.
fn room(watchers: usize) -> World {
    let mut world = World::new(1);
    for who in 0..=watchers {
        world.join(ROOM, &format!("person-{who}"), 0, 1);
        let publisher = &mut world.clients[who].publisher;
        (publisher.sound, publisher.camera) = (who == 0, who == 0);
    }
    world.connect();
    (1..=watchers).for_each(|who| world.view(who, &[0], (640, 360)));
    world.run(Duration::from_secs(6));
    world
}

/// Of 1,000 sounds of Ada's, how many somebody misses: those of so many seconds, beginning now.
fn missing(world: &mut World, who: usize, seconds: u64) -> usize {
    let from = world.time();
    world.run(Duration::from_secs(seconds));
    let to = world.time() - Duration::from_secs(1);
    let sent = (to - from).as_millis() as usize / 20;
    let mut got: Vec<_> = world.got(who, 0, true, from).iter().map(|got| got.stamp).collect();
    got.retain(|stamp| (from..to).contains(&stamp.sent));
    got.sort_unstable();
    got.dedup();
    sent.saturating_sub(got.len()) * 1_000 / sent
}

#[test]
fn who_loses_a_fifth_of_all_packets_hears_next_to_everything_and_who_loses_nothing_pays_nothing() {
    let mut world = room(2);
    world.links(1, Conditions::CLEAN, Conditions::losing(200));
    world.run(Duration::from_secs(15));
    let missed = missing(&mut world, 1, 20);
    assert!(missed <= 5, "{missed} of 1,000");
    assert_eq!((missing(&mut world, 2, 2), world.clients[2].copies), (0, 0));
    let (came, sent) = (world.clients[1].copies, world.counted.counter("conclave_media_sound_copies_total"));
    assert!(came > 2_000 && (came..2 * came).contains(&sent), "{came} of {sent}");
    // It ends with the losses.
    world.links(1, Conditions::CLEAN, Conditions::CLEAN);
    world.run(Duration::from_secs(60));
    let before = world.clients[1].copies;
    assert_eq!((missing(&mut world, 1, 3), world.clients[1].copies), (0, before));
}

#[test]
fn who_loses_a_twentieth_on_a_narrow_network_keeps_sound_and_picture() {
    let mut world = room(1);
    world.links(1, Conditions::CLEAN, Conditions { lost: 50, ..Conditions::rated(400) });
    world.run(Duration::from_secs(15));
    let missed = missing(&mut world, 1, 15);
    assert!(missed <= 5, "{missed} of 1,000");
    let since = world.time() - Duration::from_secs(5);
    assert!(world.got(1, 0, false, since).len() > 50, "the smallest picture");
}

#[test]
fn on_a_network_for_little_more_than_a_voice_copies_take_nothing_from_it() {
    let mut world = room(1);
    world.links(1, Conditions::CLEAN, Conditions { lost: 50, ..Conditions::rated(100) });
    world.run(Duration::from_secs(15));
    let missed = missing(&mut world, 1, 15);
    // What the network loses, and no more.
    assert!(missed <= 70, "{missed} of 1,000");
}

#[test]
fn what_is_lost_before_the_server_comes_from_the_redundancy_of_who_speaks() {
    let mut world = room(2);
    world.clients[0].publisher.red = true;
    world.links(0, Conditions::losing(100), Conditions::CLEAN);
    let missed = missing(&mut world, 1, 20);
    // Two in a row, of which the second comes back: one in a hundred.
    assert!((3..=20).contains(&missed), "{missed} of 1,000");
    assert_eq!(world.clients[1].copies, 0);
}
