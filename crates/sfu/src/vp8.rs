//! The VP8 payload descriptor (RFC 7741 section 4.2) and the head of a key frame (RFC 6386 section 9.1).

use crate::picture::{Counters, PictureId, Tl0};
use crate::rtp::Resolution;

/// A parsed payload descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub counters: Counters,
    /// The packet begins a frame (`S` set, partition 0).
    starts_frame: bool,
    /// Where the descriptor ends.
    length: usize,
}

impl Descriptor {
    /// Reads the descriptor of an RTP payload. `None` if it is cut short, describes nothing, or has
    /// TL0PICIDX without TID, which the RFC forbids.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut counters = Counters::default();
        let mut at = 1;
        if first & 0x80 != 0 {
            let extension = *payload.get(1)?;
            at = 2;
            let (has_tl0, has_tid, has_key) = (extension & 0x40 != 0, extension & 0x20 != 0, extension & 0x10 != 0);
            if has_tl0 && !has_tid {
                return None;
            }
            if extension & 0x80 != 0 {
                let id = PictureId::parse(payload, at)?;
                counters.picture_id = Some(id);
                at += id.length();
            }
            if has_tl0 {
                counters.tl0 = Some(Tl0 { value: *payload.get(usize::from(at))?, at });
                at += 1;
            }
            if has_tid || has_key {
                at += 1;
            }
        }
        let (starts_frame, length) = (first & 0x10 != 0 && first & 0x07 == 0, usize::from(at));
        (length < payload.len()).then_some(Self { counters, starts_frame, length })
    }

    /// The picture's size, if this packet begins a key frame.
    pub fn keyframe(&self, payload: &[u8]) -> Option<Resolution> {
        let head = payload.get(self.length..)?.first_chunk::<10>()?;
        let is_key = self.starts_frame && head[0] & 0x01 == 0 && head[3..6] == [0x9d, 0x01, 0x2a];
        is_key.then(|| Resolution {
            // The two top bits of each are a hint for upscaling.
            width: u16::from_le_bytes([head[6], head[7]]) & 0x3fff,
            height: u16::from_le_bytes([head[8], head[9]]) & 0x3fff,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `X`, `S`; picture id (15 bit) 0x1234, TL0PICIDX 7, TID 1; then a key frame of 640x360.
    const KEYFRAME: [u8; 16] =
        [0x90, 0xe0, 0x92, 0x34, 0x07, 0x20, 0x50, 0x0b, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];

    #[test]
    fn reads_picture_id_and_size_of_a_key_frame() {
        let descriptor = Descriptor::parse(&KEYFRAME).expect("valid");
        assert_eq!(descriptor.counters.picture_id, Some(PictureId { value: 0x1234, wide: true, at: 2 }));
        assert_eq!(descriptor.counters.tl0, Some(Tl0 { value: 7, at: 4 }));
        assert_eq!(descriptor.keyframe(&KEYFRAME), Some(Resolution { width: 640, height: 360 }));
    }

    #[test]
    fn a_delta_frame_and_a_later_part_of_a_key_frame_are_no_key_frame() {
        for (at, value) in [(6, 0x51), (0, 0x80), (0, 0x91), (9, 0x00)] {
            let mut payload = KEYFRAME;
            payload[at] = value;
            let descriptor = Descriptor::parse(&payload).expect("valid");
            assert_eq!(descriptor.keyframe(&payload), None, "byte {at} = {value:#x}");
        }
    }

    #[test]
    fn a_descriptor_without_extension_has_no_ids() {
        let descriptor = Descriptor::parse(&[0x10, 0x01]).expect("valid");
        assert_eq!(descriptor.counters, Counters::default());
    }

    #[test]
    fn a_descriptor_that_is_cut_short_or_breaks_the_rfc_is_refused() {
        for bad in [
            &[][..],
            &[0x90],
            &[0x90, 0x80],
            &[0x90, 0x80, 0x92],
            &[0x90, 0xe0, 0x92, 0x34, 7, 0x20],
            &[0x90, 0x40, 7, 1, 1],
        ] {
            assert_eq!(Descriptor::parse(bad), None, "{bad:x?}");
        }
    }

    #[test]
    fn a_patch_changes_its_fields_and_nothing_else() {
        let mut payload = KEYFRAME;
        let mut counters = Descriptor::parse(&payload).expect("valid").counters;
        counters.picture_id = counters.picture_id.map(|id| id.with(0x7ffe));
        counters.tl0 = counters.tl0.map(|tl0| Tl0 { value: 200, ..tl0 });
        counters.patch().apply(&mut payload);
        let mut expected = KEYFRAME;
        (expected[2], expected[3], expected[4]) = (0xff, 0xfe, 200);
        assert_eq!(payload, expected);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_a_patch_is_read_back(
            mut payload in proptest::collection::vec(any::<u8>(), 0..40),
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
}
