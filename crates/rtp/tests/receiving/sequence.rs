//! Numbers: wraps, jumps, duplicates, order.

use conclave_rtp::Refused;

use crate::world::{CAMERA_HIGH, World};

fn sequence(world: &mut World, number: u16) -> u64 {
    world.camera(number).expect("taken").expect("media").sequence
}

#[test]
fn numbers_go_on_where_those_on_the_wire_wrap_also_out_of_order() {
    let mut world = World::new();
    let first = sequence(&mut world, 65_533);
    for (number, offset) in [(65_535u16, 2), (1, 4), (65_534, 1), (0, 3), (3, 6), (2, 5)] {
        assert_eq!(sequence(&mut world, number), first + offset);
    }
    // Many wraps.
    let mut last = first + 6;
    for step in 1..300u64 {
        let number = (first + 6 + step * 2_000) as u16;
        let next = sequence(&mut world, number);
        assert_eq!(next, last + 2_000);
        last = next;
    }
}

#[test]
fn what_overtook_the_first_packet_has_a_number_before_it() {
    let mut world = World::new();
    let first = sequence(&mut world, 0);
    assert_eq!(sequence(&mut world, 65_535), first - 1);
    assert_eq!(sequence(&mut world, 65_000), first - 536);
}

#[test]
fn a_packet_that_comes_twice_comes_once() {
    let mut world = World::new();
    for number in [10, 12, 11] {
        sequence(&mut world, number);
    }
    for number in [10, 11, 12] {
        assert_eq!(world.camera(number), Err(Refused::Duplicate));
        assert_eq!(world.repeated(number + 100, number), Err(Refused::Duplicate));
    }
    let stats = world.receiver.stats(CAMERA_HIGH).expect("a stream");
    assert_eq!((stats.packets, stats.duplicates, stats.recovered), (3, 6, 0));
}

#[test]
fn what_is_older_than_the_window_is_refused() {
    let mut world = World::new();
    let first = sequence(&mut world, 10);
    assert_eq!(sequence(&mut world, 10 + 1_024), first + 1_024);
    assert_eq!(world.camera(10), Err(Refused::TooOld));
    assert_eq!(world.repeated(1, 9), Err(Refused::TooOld));
    assert_eq!(sequence(&mut world, 11), first + 1);
}

#[test]
fn a_sender_that_starts_over_is_followed_from_its_second_packet_on() {
    let mut world = World::new();
    let last = sequence(&mut world, 20_000);
    assert_eq!(world.camera(100), Err(Refused::TooOld));
    let again = sequence(&mut world, 101);
    assert!(again > last + 65_535, "{again}");
    assert_eq!(sequence(&mut world, 102), again + 1);
    // A single stray packet is no new start.
    assert_eq!(world.camera(60_000), Err(Refused::TooOld));
    assert_eq!(sequence(&mut world, 103), again + 2);
    assert_eq!(world.camera(60_000), Err(Refused::TooOld));
}

#[test]
fn nothing_is_asked_for_between_a_jump_s_ends() {
    let mut world = World::new();
    sequence(&mut world, 10);
    sequence(&mut world, 10_000);
    world.pass_ms(100);
    assert_eq!(world.asked(), []);
    let stats = world.receiver.stats(CAMERA_HIGH).expect("a stream");
    assert_eq!(stats.lost, 0);
}

#[test]
fn what_is_repeated_before_its_stream_has_begun_cannot_be_placed() {
    let mut world = World::new();
    assert_eq!(world.repeated(1, 10), Err(Refused::Unbound));
}
