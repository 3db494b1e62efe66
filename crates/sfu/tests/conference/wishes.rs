//! What senders are asked for.

use conclave_proto::CodecPreference;
use conclave_proto::SourceKind::{Camera, Screen};
use conclave_proto::VideoCodec::{self, H264, Vp8};
use conclave_sfu::Codec;

use crate::world::{ALL_ON, CAMERA, NOTHING, World, config, item};

fn last(world: &World, name: &str) -> (VideoCodec, [bool; 3]) {
    let wishes = world.wishes.iter().rev();
    let wish = &wishes.into_iter().find(|(_, who, wish)| who == name && wish.source == Camera).unwrap().2;
    (wish.codec, wish.layers)
}

#[test]
fn layers_that_nobody_watches_are_turned_off_and_on_again_at_once() {
    let mut world = World::new();
    world.join("ada", CAMERA);
    assert_eq!(last(&world, "ada").1, [true; 3]);
    let viewer = world.join("bob", NOTHING);
    world.view(viewer, vec![item("ada", Camera, 360, 1)]);
    world.run(3_500);
    assert_eq!(last(&world, "ada").1, [true; 3], "not at once");
    world.run(1_000);
    assert_eq!(last(&world, "ada").1, [true, true, false], "the smallest stays, for bad times");
    assert_eq!(world.layer_now(viewer, 0), Some(1));
    world.view(viewer, vec![item("ada", Camera, 720, 1)]);
    assert_eq!(last(&world, "ada").1, [true; 3]);
    world.run(200);
    assert_eq!(world.layer_now(viewer, 0), Some(2));
    world.view(viewer, vec![]);
    world.run(5_000);
    assert_eq!(last(&world, "ada").1, [false; 3]);
    world.view(viewer, vec![item("ada", Camera, 120, 1)]);
    assert_eq!(last(&world, "ada").1, [true, false, false]);
    world.run(500);
    let slot = world.slot_of(viewer, "ada", Camera).unwrap();
    assert_eq!(world.layer_now(viewer, slot), Some(0));
    world.assert_continuous();
}

#[test]
fn a_layer_that_the_sender_cannot_send_yet_stays_wished_for_and_is_used_when_it_comes() {
    let mut world = World::new();
    let ada = world.join("ada", CAMERA);
    // The sender's own network does not carry the largest layer for a while.
    world.encoder(ada, Camera, 2).broken = true;
    let viewer = world.join("bob", NOTHING);
    world.view(viewer, vec![item("ada", Camera, 720, 1)]);
    world.run(20_000);
    let wishes: Vec<_> = world.wishes.iter().filter(|(_, who, wish)| who == "ada" && wish.source == Camera).collect();
    assert!(wishes.last().unwrap().2.layers[2], "{wishes:?}");
    assert!(wishes.len() <= 2, "{wishes:?}");
    assert_eq!(world.layer_now(viewer, 0), Some(1));
    world.encoder(ada, Camera, 2).broken = false;
    world.run(300);
    assert_eq!(world.layer_now(viewer, 0), Some(2));
}

#[test]
fn a_source_that_is_off_is_to_begin_with_everything() {
    let mut world = World::new();
    world.join("ada", NOTHING);
    let viewer = world.join("bob", NOTHING);
    world.view(viewer, vec![item("ada", Camera, 720, 1)]);
    world.run(10_000);
    assert_eq!(last(&world, "ada").1, [true; 3]);
    let start = world.now_ms;
    world.media("ada", CAMERA);
    world.run(300);
    assert!(world.got(viewer, 0)[0].at_ms - start <= 60);
}

#[test]
fn h264_is_wished_for_exactly_while_everybody_decodes_it_and_the_room_allows_it() {
    let mut world = World::new();
    world.join_with(config("ada", 1, CAMERA, &[Vp8, H264]));
    assert_eq!(last(&world, "ada").0, H264);
    let bob = world.join_with(config("bob", 1, NOTHING, &[Vp8]));
    world.run(400);
    assert_eq!(last(&world, "ada").0, Vp8);
    world.leave(bob);
    world.run(400);
    assert_eq!(last(&world, "ada").0, H264);
    world.conference.set_codec(world.now(), CodecPreference::Vp8);
    world.run(400);
    assert_eq!(last(&world, "ada").0, Vp8);
}

#[test]
fn a_change_of_codec_in_the_middle_goes_through_a_key_frame() {
    let mut world = World::new();
    world.join_with(config("ada", 1, CAMERA, &[Vp8, H264]));
    let viewer = world.join_with(config("bob", 1, NOTHING, &[Vp8, H264]));
    world.view(viewer, vec![item("ada", Camera, 720, 1)]);
    world.run(2_000);
    assert_eq!(world.got(viewer, 0).last().unwrap().forward.codec, Codec::H264);
    let start = world.now_ms;
    world.join_with(config("cem", 1, NOTHING, &[Vp8]));
    world.run(1_000);
    let packets = world.got(viewer, 0);
    let first = packets.iter().find(|packet| packet.forward.codec == Codec::Vp8).unwrap();
    assert!(first.tag.key && first.tag.first && first.at_ms - start < 300, "{first:?} after {start}");
    assert_eq!(packets.last().unwrap().forward.codec, Codec::Vp8);
    world.assert_continuous();
}

#[test]
fn what_a_receiver_cannot_decode_is_not_sent_to_it() {
    let mut world = World::new();
    world.follow_wishes = false;
    let ada = world.join("ada", CAMERA);
    (0..3).for_each(|layer| world.encoder(ada, Camera, layer).codec = Codec::H264);
    let viewer = world.join("bob", NOTHING);
    world.view(viewer, vec![item("ada", Camera, 720, 1)]);
    world.run(2_000);
    assert!(world.got(viewer, 0).is_empty());
}

#[test]
fn a_screen_is_wished_for_in_its_one_layer_while_somebody_watches() {
    let mut world = World::new();
    world.join("ada", ALL_ON);
    let viewer = world.join("bob", NOTHING);
    world.view(viewer, vec![item("ada", Screen, 1080, 3)]);
    world.run(6_000);
    let screen = |world: &World| {
        let mut wishes = world.wishes.iter().rev();
        wishes.find(|(_, _, wish)| wish.source == Screen).unwrap().2.layers
    };
    assert_eq!(screen(&world), [true, false, false]);
    world.view(viewer, vec![]);
    world.run(6_000);
    assert_eq!(screen(&world), [false; 3]);
}
