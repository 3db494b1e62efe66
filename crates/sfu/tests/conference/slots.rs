//! Which picture is in which slot.

use conclave_proto::SourceKind::{self, Camera, Screen};
use conclave_proto::VideoCodec;
use conclave_sfu::{AddLegError, Timestamp};

use crate::world::{ALL_ON, CAMERA, NOTHING, World, config, id, item, mid};

fn cameras(names: &[&str]) -> Vec<conclave_proto::ViewItem> {
    names.iter().map(|name| item(name, Camera, 180, 1)).collect()
}

#[test]
fn a_picture_keeps_its_slot_while_it_is_viewed() {
    let mut world = World::new();
    for name in ["ada", "bob", "cem", "dan"] {
        world.join(name, CAMERA);
    }
    let viewer = world.join("eve", NOTHING);
    world.view(viewer, cameras(&["ada", "bob", "cem"]));
    let before = ["bob", "cem"].map(|name| world.slot_of(viewer, name, Camera));
    world.run(500);
    world.view(viewer, cameras(&["dan", "cem", "bob"]));
    assert_eq!(["bob", "cem"].map(|name| world.slot_of(viewer, name, Camera)), before);
    assert!(world.slot_of(viewer, "dan", Camera).is_some() && world.slot_of(viewer, "ada", Camera).is_none());
    world.run(500);
    world.assert_continuous();
}

#[test]
fn a_slot_that_gets_another_picture_stops_the_old_one_at_once_and_tells_the_border() {
    let mut world = World::new();
    let ada = world.join("ada", CAMERA);
    let bob = world.join("bob", CAMERA);
    let mut one_slot = config("eve", 1, NOTHING, &[]);
    one_slot.video_slots.truncate(1);
    let viewer = world.join_with(one_slot);
    world.view(viewer, cameras(&["ada"]));
    assert_eq!(world.slots[&viewer].video[0].after, None, "the slot is new");
    world.run(1_000);
    let old = world.got(viewer, 0).len();
    let last = world.got(viewer, 0)[old - 1].forward.timestamp;
    world.encoder(bob, Camera, 0).key_wanted = false;
    world.view(viewer, cameras(&["bob"]));
    assert_eq!(world.slots[&viewer].video[0].after, Some(last.0));
    world.run(1_000);
    let new = &world.got(viewer, 0)[old..];
    assert!(new.len() > 20);
    assert!(new.iter().all(|packet| packet.tag.sender == bob.index() as u8 && packet.forward.timestamp.is_after(last)));
    assert!(world.got(viewer, 0)[..old].iter().all(|packet| {
        packet.tag.sender == ada.index() as u8 && !packet.forward.timestamp.is_after(Timestamp(last.0))
    }));
    world.assert_continuous();
}

#[test]
fn when_there_are_more_pictures_than_slots_the_most_important_are_shown() {
    let mut world = World::new();
    let names = ["ada", "bob", "cem", "dan", "fay", "gil"];
    names.iter().for_each(|name| {
        world.join(name, CAMERA);
    });
    let viewer = world.join("eve", NOTHING);
    world.view(viewer, cameras(&names));
    let shown = names.map(|name| world.slot_of(viewer, name, Camera).is_some());
    assert_eq!(shown, [true, true, true, true, false, false]);
}

#[test]
fn nobody_is_sent_their_own_picture_or_the_same_one_twice_or_a_sound_as_a_picture() {
    let mut world = World::new();
    let ada = world.join("ada", ALL_ON);
    world.join("bob", CAMERA);
    let view = vec![
        item("ada", Camera, 180, 1),
        item("ada", Screen, 180, 1),
        item("bob", Camera, 180, 1),
        item("bob", Camera, 720, 1),
        item("bob", SourceKind::Microphone, 720, 1),
        item("nobody", Camera, 720, 1),
    ];
    world.view(ada, view);
    world.run(500);
    assert_eq!(world.slots[&ada].video.len(), 1);
    assert_eq!(world.slots[&ada].video[0].participant, id("bob"));
}

#[test]
fn what_is_off_is_not_forwarded_even_if_it_arrives_and_comes_back_when_it_is_on() {
    let mut world = World::new();
    world.join("ada", CAMERA);
    let viewer = world.join("bob", NOTHING);
    world.view(viewer, cameras(&["ada"]));
    world.run(1_000);
    // The room says off; the sender goes on.
    world.conference.handle_media_state(world.now(), &id("ada"), NOTHING);
    world.drain();
    let sent = world.got(viewer, 0).len();
    assert!(world.slots[&viewer].video.is_empty());
    world.run(1_000);
    assert_eq!(world.got(viewer, 0).len(), sent);
    world.conference.handle_media_state(world.now(), &id("ada"), CAMERA);
    world.drain();
    world.run(500);
    let slot = world.slot_of(viewer, "ada", Camera).unwrap();
    assert!(world.layer_now(viewer, slot).is_some());
    world.assert_continuous();
}

#[test]
fn a_picture_named_before_its_sender_comes_is_shown_when_it_does() {
    let mut world = World::new();
    let viewer = world.join("bob", NOTHING);
    world.view(viewer, cameras(&["ada"]));
    world.run(500);
    let ada = world.join("ada", CAMERA);
    world.run(500);
    assert!(world.layer_now(viewer, 0).is_some());
    world.leave(ada);
    assert!(world.slots[&viewer].video.is_empty());
    world.run(500);
    world.join("ada", CAMERA);
    world.run(500);
    let slot = world.slot_of(viewer, "ada", Camera).unwrap();
    assert!(world.layer_now(viewer, slot).is_some());
    world.assert_continuous();
}

#[test]
fn nothing_is_sent_to_a_leg_before_it_is_connected() {
    let mut world = World::new();
    world.join("ada", ALL_ON);
    let leg = world.conference.add_leg(world.now(), config("bob", 1, NOTHING, &[])).unwrap();
    world.view(leg, cameras(&["ada"]));
    world.run(1_000);
    assert!(world.received.is_empty());
    world.conference.handle_connected(world.now(), leg);
    world.drain();
    world.run(500);
    assert!(!world.got(leg, 0).is_empty() && !world.heard(leg, 0).is_empty());
}

#[test]
fn more_slots_are_added_without_touching_those_in_use() {
    let mut world = World::new();
    for name in ["ada", "bob"] {
        world.join(name, CAMERA);
    }
    let mut offer = config("eve", 1, NOTHING, &[]);
    offer.video_slots.truncate(1);
    let viewer = world.join_with(offer.clone());
    world.view(viewer, cameras(&["ada", "bob"]));
    world.run(500);
    assert_eq!(world.slots[&viewer].video.len(), 1);
    offer.video_slots.push(mid("v1"));
    world.conference.update_leg(world.now(), viewer, offer).unwrap();
    world.drain();
    world.run(500);
    assert_eq!(world.slots[&viewer].video.len(), 2);
    assert!(world.layer_now(viewer, 0).is_some() && world.layer_now(viewer, 1).is_some());
    world.assert_continuous();
}

#[test]
fn too_many_legs_or_slots_are_refused_and_change_nothing() {
    let mut world = World::new();
    world.join("ada", CAMERA);
    let mut many = config("bob", 1, NOTHING, &[]);
    many.video_slots = (0..26).map(|number| mid(&format!("v{number}"))).collect();
    let now = world.now();
    assert_eq!(world.conference.add_leg(now, many), Err(AddLegError::TooManySlots));
    let again = config("ada", 1, CAMERA, &[VideoCodec::Vp8]);
    assert_eq!(world.conference.add_leg(now, again), Err(AddLegError::NumberInUse));
    for number in 2..5 {
        world.conference.add_leg(now, config("ada", number, CAMERA, &[])).unwrap();
    }
    let fifth = config("ada", 5, CAMERA, &[]);
    assert_eq!(world.conference.add_leg(now, fifth), Err(AddLegError::TooManyLegsOfParticipant));
}

#[test]
fn a_room_that_everybody_has_left_is_empty_and_wants_no_time() {
    let mut world = World::new();
    let legs = ["ada", "bob"].map(|name| world.join(name, ALL_ON));
    world.view(legs[0], cameras(&["bob"]));
    world.run(500);
    assert!(world.conference.poll_timeout().is_some());
    legs.into_iter().for_each(|leg| world.leave(leg));
    assert!(world.conference.is_empty());
    assert_eq!(world.conference.poll_timeout(), None);
}
