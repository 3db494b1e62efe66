//! Key frames whose beginning comes later than the rest: reordered, or lost and repeated.

use conclave_proto::SourceKind::Camera;
use conclave_proto::{CodecPreference, VideoCodec};

use crate::world::{CAMERA, NOTHING, World, config, item};

const CODECS: [(VideoCodec, CodecPreference); 2] =
    [(VideoCodec::Vp8, CodecPreference::Vp8), (VideoCodec::H264, CodecPreference::H264)];

#[test]
fn a_key_frame_whose_beginning_comes_late_is_shown_with_all_that_came_since() {
    for (codec, preference) in CODECS {
        for late_ms in [10, 60, 150] {
            let mut world = World::new();
            world.conference.set_codec(world.now(), preference);
            let ada = world.join_with(config("ada", 1, CAMERA, &[codec]));
            world.run(1_000);
            let viewer = world.join_with(config("bob", 1, NOTHING, &[codec]));
            world.run(1_000);
            world.encoder(ada, Camera, 2).key_start_late_ms = Some(late_ms);
            let keys_sent = world.encoder(ada, Camera, 2).keys_sent;
            world.view(viewer, vec![item("ada", Camera, 720, 1)]);
            world.run(1_000);
            assert_eq!(world.encoder(ada, Camera, 2).keys_sent, keys_sent + 1, "{codec:?}: one is enough");
            let got = world.got(viewer, 0);
            assert_eq!(got[0].forward.codec, codec.into());
            assert!(got[0].tag.key && got[0].tag.first && got[0].tag.layer == 2);
            // Nothing is missing, from the key frame on.
            let numbers: Vec<u64> = got.iter().map(|packet| packet.forward.sequence).collect();
            assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
            let frames: Vec<u16> = got.iter().map(|packet| packet.tag.frame).collect();
            assert!(frames.windows(2).all(|pair| pair[1] - pair[0] <= 1), "{frames:?}");
            assert!(got.last().is_some_and(|last| world.now_ms - last.at_ms < 50));
        }
    }
}

#[test]
fn a_key_frame_that_came_too_late_to_be_used_is_asked_for_again_soon() {
    let mut world = World::new();
    let ada = world.join("ada", CAMERA);
    let viewer = world.join("bob", NOTHING);
    world.run(1_000);
    // Longer than anything is held.
    world.encoder(ada, Camera, 2).key_start_late_ms = Some(1_300);
    world.encoder(ada, Camera, 2).deaf = true;
    world.view(viewer, vec![item("ada", Camera, 720, 1)]);
    world.encoder(ada, Camera, 2).key_wanted = true;
    world.run(1_300);
    assert!(world.got(viewer, 0).is_empty());
    let before = world.encoder(ada, Camera, 2).keys_asked.clone();
    world.run(150);
    let asked = &world.encoder(ada, Camera, 2).keys_asked;
    assert!(asked.len() > before.len(), "{before:?}, and then {asked:?}");
}

#[test]
fn what_came_before_the_key_frame_is_not_shown() {
    let mut world = World::new();
    let ada = world.join("ada", CAMERA);
    let viewer = world.join("bob", NOTHING);
    world.run(1_000);
    world.encoder(ada, Camera, 0).key_start_late_ms = Some(90);
    world.view(viewer, vec![item("ada", Camera, 180, 1)]);
    world.run(60);
    assert!(world.got(viewer, 0).is_empty(), "its rest alone is of no use");
    world.run(500);
    let first = world.got(viewer, 0)[0].tag;
    assert!(world.got(viewer, 0).iter().all(|packet| packet.tag.frame >= first.frame));
}
