use proptest::prelude::*;

use super::*;

/// The head of a key frame that libvpx writes for 640x360 (profile 1, RGB).
const LIBVPX_KEY: [u8; 12] = [0xa2, 0x49, 0x83, 0x42, 0xe0, 0x27, 0xf0, 0x16, 0x76, 0x06, 0x38, 0x24];
/// The same in profile 0, BT.601.
const PROFILE_0_KEY: [u8; 10] = [0x82, 0x49, 0x83, 0x42, 0x20, 0x27, 0xf0, 0x16, 0x70, 0x00];

/// A descriptor as libwebrtc writes it for the lowest of three layers of a key picture: `I`, `L`, `B`, `V`,
/// picture id of 15 bits, TL0PICIDX, a structure of three layers with sizes and one group of two pictures.
fn key_picture(frame: &[u8]) -> Vec<u8> {
    let mut payload = vec![0xaa, 0x92, 0x34, 0x00, 0x07];
    payload.push(2 << 5 | 0x18);
    for (width, height) in [(320u16, 180u16), (640, 360), (1280, 720)] {
        payload.extend(width.to_be_bytes());
        payload.extend(height.to_be_bytes());
    }
    payload.extend([2, 0x04, 0x01, 0x18, 0x01, 0x02]);
    payload.extend(frame);
    payload
}

#[test]
fn the_lowest_layer_of_a_key_picture_tells_all_that_is_to_be_known() {
    let payload = key_picture(&PROFILE_0_KEY);
    let descriptor = Descriptor::parse(&payload).expect("valid");
    assert_eq!(descriptor.counters.picture_id, Some(PictureId { value: 0x1234, wide: true, at: 1 }));
    assert_eq!(descriptor.counters.tl0, Some(Tl0 { value: 7, at: 4 }));
    assert_eq!(descriptor.layer, LayerIndex::LOW);
    assert!(descriptor.starts && !descriptor.ends && !descriptor.inter_picture && !descriptor.unused_above);
    let structure = descriptor.structure.expect("there is one");
    assert_eq!(structure.top, LayerIndex::HIGH);
    assert_eq!(structure.sizes[1], Some(Resolution { width: 640, height: 360 }));
    assert_eq!(descriptor.keyframe(&payload), Some(Resolution { width: 640, height: 360 }));
}

#[test]
fn key_frames_of_all_color_formats_are_known_by_their_head() {
    for head in [&LIBVPX_KEY[..], &PROFILE_0_KEY] {
        let payload = [&[0x08], head].concat();
        let descriptor = Descriptor::parse(&payload).expect("valid");
        assert_eq!(descriptor.keyframe(&payload), Some(Resolution { width: 640, height: 360 }));
    }
}

#[test]
fn what_only_looks_like_a_key_frame_is_none() {
    // An inter frame of a sender that does not say so; a frame that is shown again; a later packet; a frame
    // of an upper layer.
    for (descriptor, head) in [(0x08, 0x84), (0x08, 0x88), (0x00, 0x82), (0x48, 0x82)] {
        let mut payload = [&[descriptor], &PROFILE_0_KEY[..]].concat();
        payload[1] = head;
        assert_eq!(Descriptor::parse(&payload).expect("valid").keyframe(&payload), None);
    }
    let upper = [&[0x28, 0x03, 0x07], &PROFILE_0_KEY[..]].concat();
    assert_eq!(Descriptor::parse(&upper).expect("valid").keyframe(&upper), None);
}

#[test]
fn flexible_mode_has_references_in_place_of_the_counter() {
    let payload = [0xf4, 0x12, 0x23, 0x03, 0x02, 0x86];
    let descriptor = Descriptor::parse(&payload).expect("valid");
    assert_eq!(descriptor.counters.tl0, None);
    assert_eq!(descriptor.counters.picture_id, Some(PictureId { value: 0x12, wide: false, at: 1 }));
    assert_eq!((descriptor.layer, descriptor.inter_layer), (LayerIndex::MIDDLE, true));
    assert!(descriptor.ends && !descriptor.starts && descriptor.inter_picture);
}

#[test]
fn a_descriptor_that_is_cut_short_or_breaks_the_rfc_is_refused() {
    let whole = key_picture(&[]);
    for length in 0..=whole.len() {
        assert_eq!(Descriptor::parse(&whole[..length]), None, "{length} bytes");
    }
    assert_eq!(Descriptor::parse(&[0x70, 0x00, 0x02, 0x86]), None, "references without a picture id");
    assert_eq!(Descriptor::parse(&[0xf0, 0x12, 0x00, 0x03, 0x03, 0x03, 0x02, 0x86]), None, "four references");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_a_patch_is_read_back(
        mut payload in proptest::collection::vec(any::<u8>(), 0..60),
        picture_id in any::<u16>(),
        tl0 in any::<u8>(),
    ) {
        let Some(before) = Descriptor::parse(&payload) else { return Ok(()) };
        let _ = before.keyframe(&payload);
        let wanted = Counters {
            picture_id: before.counters.picture_id.map(|id| id.with(picture_id)),
            tl0: before.counters.tl0.map(|field| Tl0 { value: tl0, ..field }),
        };
        wanted.patch().apply(&mut payload);
        let after = Descriptor::parse(&payload).expect("still valid");
        prop_assert_eq!(after, Descriptor { counters: wanted, ..before });
    }
}
