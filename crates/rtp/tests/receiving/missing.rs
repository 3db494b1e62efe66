//! What is missing is asked for, in time and within bounds.

use std::time::Duration;

use crate::world::{CAMERA_HIGH, OPUS, World};

fn with_gap() -> World {
    let mut world = World::new();
    world.camera(10).expect("taken");
    world.camera(14).expect("taken");
    world
}

#[test]
fn missing_packets_are_asked_for_once_they_are_late_and_again_after_a_round_trip() {
    let mut world = with_gap();
    assert_eq!(world.asked(), []);
    let waited = world.wait().expect("something is due");
    assert!((Duration::from_millis(5)..Duration::from_millis(6)).contains(&waited), "{waited:?}");
    assert_eq!(world.asked(), [11, 12, 13]);
    assert_eq!(world.asked(), []);
    assert!(world.repeated(1, 12).is_ok());
    world.receiver.handle_round_trip(Duration::from_millis(100));
    world.pass_ms(60);
    assert_eq!(world.asked(), []);
    world.pass_ms(80);
    assert_eq!(world.asked(), [11, 13]);
    assert!(world.repeated(2, 11).is_ok());
    assert!(world.camera(13).is_ok());
    world.pass_ms(3_000);
    assert_eq!(world.asked(), []);
    let stats = world.receiver.stats(CAMERA_HIGH).expect("a stream");
    assert_eq!((stats.recovered, stats.asked, stats.packets), (2, 5, 5));
}

#[test]
fn packets_that_change_places_are_not_asked_for() {
    let mut world = World::new();
    for number in (0..200).step_by(2) {
        world.camera(number + 1).expect("taken");
        world.pass_ms(3);
        assert_eq!(world.asked(), []);
        world.camera(number).expect("taken");
        assert_eq!(world.asked(), []);
    }
}

#[test]
fn a_network_that_reorders_more_is_given_more_time() {
    let mut world = World::new();
    let mut asked = 0;
    for number in (0..100).step_by(2) {
        world.camera(number + 1).expect("taken");
        for _ in 0..4 {
            world.pass_ms(5);
            asked += world.asked().len();
        }
        world.camera(number).expect("taken");
    }
    assert!(asked <= 2, "{asked} packets that were only late were asked for");
}

#[test]
fn what_never_comes_is_given_up() {
    let mut world = with_gap();
    world.receiver.handle_round_trip(Duration::from_millis(10));
    let mut times = 0;
    for step in 0..400u16 {
        world.pass_ms(10);
        times += usize::from(world.asked().contains(&12));
        if step % 5 == 0 {
            world.camera(15 + step / 5).expect("taken");
        }
    }
    assert_eq!(times, 10);
}

#[test]
fn what_is_too_far_behind_is_given_up() {
    let mut world = with_gap();
    for number in 15..1_100 {
        world.camera(number).expect("taken");
    }
    world.pass_ms(10);
    assert_eq!(world.asked(), []);
}

#[test]
fn what_is_asked_for_is_bounded_however_much_is_lost() {
    let mut world = World::new();
    world.camera(0).expect("taken");
    world.camera(2_900).expect("taken");
    world.camera(5_800).expect("taken");
    world.pass_ms(10);
    let asked = world.asked();
    assert_eq!(asked.len(), 1_000);
    assert_eq!((asked.first(), asked.last()), (Some(&4_800), Some(&5_799)));
}

#[test]
fn nobody_asks_where_nothing_was_negotiated() {
    let mut world = World::new();
    for number in [1, 5, 9] {
        world.receive(OPUS, 9, number, b"sound").expect("taken");
    }
    world.pass_ms(50);
    assert_eq!(world.asked(), []);
}

#[test]
fn a_long_round_trip_is_learned_from_the_answers() {
    let mut world = World::new();
    let (mut sequence, mut again) = (0u16, 0u16);
    let mut asked_for_each = Vec::new();
    for _ in 0..40 {
        world.camera(sequence).expect("taken");
        world.camera(sequence + 2).expect("taken");
        let (mut asked, mut first) = (0, None);
        loop {
            world.pass_ms(5);
            if world.asked().contains(&(sequence + 1)) {
                asked += 1;
                first.get_or_insert(world.now);
            }
            // The answer takes 400 ms.
            if first.is_some_and(|first| world.now.since(first) >= Duration::from_millis(400)) {
                break;
            }
        }
        again += 1;
        world.repeated(again, sequence + 1).expect("taken");
        asked_for_each.push(asked);
        sequence += 3;
    }
    assert!(asked_for_each[0] >= 3, "{asked_for_each:?}");
    assert!(asked_for_each[30..].iter().all(|asked| *asked == 1), "{asked_for_each:?}");
}
