//! A participant that moves from one leg to another.

use conclave_proto::SourceKind::Camera;
use conclave_proto::VideoCodec::Vp8;

use crate::world::{ALL_ON, NOTHING, World, config, item};

#[test]
fn the_newer_leg_takes_over_without_a_gap_and_without_a_new_slot() {
    let mut world = World::new();
    let old = world.join_with(config("ada", 1, ALL_ON, &[Vp8]));
    let viewer = world.join("bob", NOTHING);
    world.view(viewer, vec![item("ada", Camera, 360, 1)]);
    world.run(2_000);
    let slots = world.slots[&viewer].clone();
    let new = world.join_with(config("ada", 2, ALL_ON, &[Vp8]));
    world.run(1_000);
    world.leave(old);
    world.run(1_000);
    assert_eq!(world.slots[&viewer], slots);
    for received in [world.got(viewer, 0), world.heard(viewer, 0)] {
        assert_eq!(received.last().unwrap().tag.sender, new.index() as u8);
        let gap = received.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms).max();
        assert!(gap <= Some(60), "{gap:?}");
        let senders = received.windows(2).filter(|pair| pair[0].tag.sender != pair[1].tag.sender).count();
        assert_eq!(senders, 1, "it moves once");
    }
    world.assert_continuous();
}

#[test]
fn the_old_leg_goes_on_when_the_newer_one_fails() {
    let mut world = World::new();
    let old = world.join_with(config("ada", 1, ALL_ON, &[Vp8]));
    let viewer = world.join("bob", NOTHING);
    world.view(viewer, vec![item("ada", Camera, 360, 1)]);
    world.run(2_000);
    let new = world.join_with(config("ada", 2, ALL_ON, &[Vp8]));
    world.run(1_000);
    world.leave(new);
    world.run(1_000);
    for received in [world.got(viewer, 0), world.heard(viewer, 0)] {
        assert_eq!(received.last().unwrap().tag.sender, old.index() as u8);
        let gap = received.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms).max();
        assert!(gap <= Some(200), "{gap:?}");
    }
    world.assert_continuous();
}

#[test]
fn both_legs_of_a_viewer_are_served_each_by_its_own_view() {
    let mut world = World::new();
    world.join("ada", ALL_ON);
    let old = world.join_with(config("bob", 1, NOTHING, &[Vp8]));
    let new = world.join_with(config("bob", 2, NOTHING, &[Vp8]));
    world.view(old, vec![item("ada", Camera, 180, 1)]);
    world.view(new, vec![item("ada", Camera, 720, 1)]);
    world.run(2_000);
    assert_eq!((world.layer_now(old, 0), world.layer_now(new, 0)), (Some(0), Some(2)));
    world.leave(old);
    world.run(500);
    assert_eq!(world.layer_now(new, 0), Some(2));
    world.assert_continuous();
}
