//! Which layer is forwarded, and how a slot gets from one to another.

use conclave_proto::SourceKind::{Camera, Screen};
use conclave_sfu::{Bitrate, SlotId};

use crate::world::{ALL_ON, CAMERA, NOTHING, World, item};

#[test]
fn a_tile_gets_the_layer_of_its_size() {
    let mut world = World::new();
    world.join("ada", CAMERA);
    let viewer = world.join("bob", NOTHING);
    for (height, layer) in [(120, 0), (360, 1), (720, 2), (120, 0)] {
        world.view(viewer, vec![item("ada", Camera, height, 1)]);
        world.run(3_000);
        assert_eq!(world.layer_now(viewer, 0), Some(layer), "a tile of {height} lines");
    }
    world.assert_continuous();
}

#[test]
fn the_first_picture_comes_within_two_frames() {
    let mut world = World::new();
    world.join("ada", CAMERA);
    world.run(1_000);
    let viewer = world.join("bob", NOTHING);
    let start = world.now_ms;
    world.view(viewer, vec![item("ada", Camera, 720, 1)]);
    world.run(500);
    let first = &world.got(viewer, 0)[0];
    assert!(first.tag.key && first.tag.first);
    assert!(first.at_ms - start <= 60, "{} ms", first.at_ms - start);
}

#[test]
fn the_old_layer_goes_on_until_the_key_frame_of_the_new_one() {
    let mut world = World::new();
    let ada = world.join("ada", CAMERA);
    let viewer = world.join("bob", NOTHING);
    world.view(viewer, vec![item("ada", Camera, 720, 1)]);
    world.run(2_000);
    let before = world.got(viewer, 0).len();
    world.encoder(ada, Camera, 0).deaf = true;
    world.view(viewer, vec![item("ada", Camera, 120, 1)]);
    world.run(600);
    let meanwhile = &world.got(viewer, 0)[before..];
    assert!(meanwhile.len() > 50 && meanwhile.iter().all(|packet| packet.tag.layer == 2), "{}", meanwhile.len());
    world.encoder(ada, Camera, 0).key_wanted = true;
    world.run(100);
    assert_eq!(world.layer_now(viewer, 0), Some(0));
    world.assert_continuous();
}

#[test]
fn a_falling_estimate_is_obeyed_within_a_few_frames_and_a_rising_one_followed() {
    let mut world = World::new();
    world.join("ada", CAMERA);
    let viewer = world.join("bob", NOTHING);
    world.view(viewer, vec![item("ada", Camera, 720, 1)]);
    world.run(3_000);
    assert_eq!(world.layer_now(viewer, 0), Some(2));
    world.estimate(viewer, 700);
    world.run(150);
    assert_eq!(world.layer_now(viewer, 0), Some(1));
    world.estimate(viewer, 3_000);
    world.run(9_500);
    assert_eq!(world.layer_now(viewer, 0), Some(1), "not so soon after a fall");
    world.run(1_500);
    assert_eq!(world.layer_now(viewer, 0), Some(2));
    world.assert_continuous();
}

#[test]
fn a_noisy_estimate_makes_no_more_than_one_rise_in_ten_seconds() {
    let mut world = World::new();
    world.join("ada", CAMERA);
    let viewer = world.join("bob", NOTHING);
    world.view(viewer, vec![item("ada", Camera, 720, 1)]);
    world.run(3_000);
    for round in 0..600 {
        // Between too little and enough for the largest layer, five times a second.
        world.estimate(viewer, [2_400, 1_300, 1_900, 700, 2_100][round % 5]);
        world.run(100);
    }
    let rises: Vec<u64> =
        world.switches(viewer, 0).into_iter().filter(|(_, from, to)| to > from).map(|(at, ..)| at).collect();
    assert!(rises.len() <= 6, "{rises:?}");
    assert!(rises.windows(2).all(|pair| pair[1] - pair[0] >= 9_900), "{rises:?}");
    world.assert_continuous();
}

#[test]
fn when_not_even_the_smallest_fits_the_slot_is_paused_and_comes_back_soon_and_small() {
    let mut world = World::new();
    world.join("ada", CAMERA);
    let viewer = world.join("bob", NOTHING);
    world.view(viewer, vec![item("ada", Camera, 360, 1)]);
    world.run(3_000);
    world.estimate(viewer, 100);
    assert!(world.slots[&viewer].video[0].paused, "told at once");
    let paused_at = world.got(viewer, 0).len();
    world.run(2_000);
    assert_eq!(world.got(viewer, 0).len(), paused_at, "nothing is sent");
    world.estimate(viewer, 2_000);
    world.run(1_000);
    assert!(!world.slots[&viewer].video[0].paused);
    assert_eq!(world.layer_now(viewer, 0), Some(0), "small at first");
    world.run(10_000);
    assert_eq!(world.layer_now(viewer, 0), Some(1));
    world.assert_continuous();
}

#[test]
fn a_layer_that_stops_arriving_is_replaced_within_a_second() {
    let mut world = World::new();
    let ada = world.join("ada", CAMERA);
    let viewer = world.join("bob", NOTHING);
    world.view(viewer, vec![item("ada", Camera, 720, 1)]);
    world.run(3_000);
    assert_eq!(world.layer_now(viewer, 0), Some(2));
    world.encoder(ada, Camera, 2).broken = true;
    world.run(700);
    assert_eq!(world.layer_now(viewer, 0), Some(1));
    world.encoder(ada, Camera, 2).broken = false;
    world.run(1_000);
    assert_eq!(world.layer_now(viewer, 0), Some(2), "its return is no rise of the estimate");
    let gap = world.got(viewer, 0).windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms).max();
    assert!(gap <= Some(600), "{gap:?}");
}

#[test]
fn a_sender_with_one_layer_is_shown_at_any_size() {
    let mut world = World::new();
    let ada = world.join("ada", CAMERA);
    world.encoder(ada, Camera, 1).broken = true;
    world.encoder(ada, Camera, 2).broken = true;
    let viewer = world.join("bob", NOTHING);
    world.view(viewer, vec![item("ada", Camera, 720, 2)]);
    world.run(1_000);
    assert_eq!(world.layer_now(viewer, 0), Some(0));
}

#[test]
fn bandwidth_goes_to_the_screen_then_the_pinned_person_then_the_rest() {
    let mut world = World::new();
    for name in ["ada", "bob", "cem"] {
        world.join(name, CAMERA);
    }
    world.join("dan", ALL_ON);
    let viewer = world.join("eve", NOTHING);
    let view = vec![
        item("ada", Camera, 360, 1),
        item("bob", Camera, 360, 2),
        item("cem", Camera, 360, 1),
        item("dan", Screen, 1080, 3),
    ];
    world.view(viewer, view);
    world.run(3_000);
    // 850 for the screen with what its key frames take, 2 sounds, and one small picture.
    world.estimate(viewer, 1_150);
    world.run(1_000);
    let paused = |world: &World, name, kind| {
        let slots = &world.slots[&viewer].video;
        slots.iter().find(|slot| slot.participant.as_str() == name && slot.source == kind).unwrap().paused
    };
    assert!(!paused(&world, "dan", Screen) && !paused(&world, "bob", Camera));
    assert!(paused(&world, "ada", Camera) && paused(&world, "cem", Camera));
    world.estimate(viewer, 100);
    assert!(paused(&world, "dan", Screen));
    let dan_heard = world.heard(viewer, 0).len();
    world.run(1_000);
    assert!(world.heard(viewer, 0).len() >= dan_heard + 49, "sound never starves");
    world.assert_continuous();
}

#[test]
fn key_frame_requests_of_many_receivers_are_joined() {
    let mut world = World::new();
    let ada = world.join("ada", CAMERA);
    let viewers: Vec<_> = (0..8).map(|number| world.join(&format!("viewer{number}"), NOTHING)).collect();
    for viewer in &viewers {
        world.view(*viewer, vec![item("ada", Camera, 720, 1)]);
    }
    world.run(2_000);
    let before = world.encoder(ada, Camera, 2).keys_asked.len();
    for _ in 0..100 {
        for viewer in &viewers {
            world.conference.handle_keyframe_request(world.now(), *viewer, SlotId::Video(0));
        }
        world.run(50);
    }
    let asked = world.encoder(ada, Camera, 2).keys_asked.clone();
    assert!((9..=11).contains(&(asked.len() - before)), "{asked:?}");
    assert!(asked.windows(2).all(|pair| pair[1] - pair[0] >= 500), "{asked:?}");
}

#[test]
fn a_key_frame_that_does_not_come_is_asked_for_again() {
    let mut world = World::new();
    let ada = world.join("ada", CAMERA);
    world.run(1_000);
    let viewer = world.join("bob", NOTHING);
    world.encoder(ada, Camera, 0).deaf = true;
    world.view(viewer, vec![item("ada", Camera, 120, 1)]);
    world.run(1_800);
    let asked = world.encoder(ada, Camera, 0).keys_asked.len();
    assert!((3..=4).contains(&asked), "{asked}");
    assert!(world.got(viewer, 0).is_empty());
}

#[test]
fn a_slow_receiver_changes_nothing_for_the_others() {
    let run = |slow: bool| {
        let mut world = World::new();
        world.join("ada", CAMERA);
        let fast = world.join("bob", NOTHING);
        let other = world.join("cem", NOTHING);
        world.view(fast, vec![item("ada", Camera, 720, 1)]);
        world.view(other, vec![item("ada", Camera, 720, 1)]);
        world.run(3_000);
        let start = world.got(fast, 0).len();
        for round in 0..40 {
            if slow {
                world.estimate(other, [90, 200, 700, 2_500][round % 4]);
            }
            world.run(250);
        }
        world.assert_continuous();
        let packets = &world.got(fast, 0)[start..];
        packets.iter().map(|packet| (packet.at_ms, packet.tag.layer, packet.tag.frame)).collect::<Vec<_>>()
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn congestion_control_is_told_what_is_sent_and_what_would_be() {
    let mut world = World::new();
    world.join("ada", CAMERA);
    let viewer = world.join("bob", NOTHING);
    world.view(viewer, vec![item("ada", Camera, 720, 1)]);
    world.run(3_000);
    world.estimate(viewer, 700);
    world.run(2_000);
    let demand = world.conference.demand(viewer);
    assert!((450..650).contains(&(demand.sending.as_bps() / 1_000)), "{demand:?}");
    assert!(demand.wanted > Bitrate::kbps(1_400), "{demand:?}");
}
