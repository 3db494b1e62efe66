//! The VP8 payload descriptor (RFC 7741 section 4.2) and the head of a key frame (RFC 6386 section 9.1).

use crate::rtp::{Resolution, Vp8Rewrite};

/// A parsed payload descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub picture_id: Option<PictureId>,
    pub tl0_pic_idx: Option<u8>,
    /// The packet begins a frame (`S` set, partition 0).
    starts_frame: bool,
    /// Where the descriptor ends.
    length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PictureId {
    pub value: u16,
    /// 15 bits instead of 7.
    pub wide: bool,
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }
}

impl Descriptor {
    /// Reads the descriptor of an RTP payload. `None` if it is cut short, describes nothing, or has
    /// TL0PICIDX without TID, which the RFC forbids.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader { bytes: payload, at: 0 };
        let first = reader.byte()?;
        let mut descriptor = Self {
            picture_id: None,
            tl0_pic_idx: None,
            starts_frame: first & 0x10 != 0 && first & 0x07 == 0,
            length: 0,
        };
        if first & 0x80 != 0 {
            let extension = reader.byte()?;
            let (has_tl0, has_tid, has_key) = (extension & 0x40 != 0, extension & 0x20 != 0, extension & 0x10 != 0);
            if has_tl0 && !has_tid {
                return None;
            }
            if extension & 0x80 != 0 {
                let high = reader.byte()?;
                let wide = high & 0x80 != 0;
                let low = if wide { reader.byte()? } else { 0 };
                let value = if wide { u16::from(high & 0x7f) << 8 | u16::from(low) } else { u16::from(high) };
                descriptor.picture_id = Some(PictureId { value, wide });
            }
            if has_tl0 {
                descriptor.tl0_pic_idx = Some(reader.byte()?);
            }
            if has_tid || has_key {
                reader.byte()?;
            }
        }
        descriptor.length = reader.at;
        (descriptor.length < payload.len()).then_some(descriptor)
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

impl Vp8Rewrite {
    /// Writes the new values into a payload of which this is the rewrite.
    ///
    /// A payload that has no VP8 descriptor stays as it is.
    pub fn apply(&self, payload: &mut [u8]) {
        let Some(descriptor) = Descriptor::parse(payload) else { return };
        // The first extended field follows the two flag bytes; `parse` found all of these to be there.
        let mut at = 2;
        if let Some(had) = descriptor.picture_id {
            if let Some(value) = self.picture_id {
                if had.wide {
                    payload[at] = 0x80 | (value >> 8) as u8;
                    payload[at + 1] = value as u8;
                } else {
                    payload[at] = value as u8 & 0x7f;
                }
            }
            at += if had.wide { 2 } else { 1 };
        }
        if let (Some(_), Some(value)) = (descriptor.tl0_pic_idx, self.tl0_pic_idx) {
            payload[at] = value;
        }
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
        assert_eq!(descriptor.picture_id, Some(PictureId { value: 0x1234, wide: true }));
        assert_eq!(descriptor.tl0_pic_idx, Some(7));
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
        assert_eq!((descriptor.picture_id, descriptor.tl0_pic_idx), (None, None));
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
    fn a_rewrite_changes_its_fields_and_nothing_else() {
        let mut payload = KEYFRAME;
        Vp8Rewrite { picture_id: Some(0x7ffe), tl0_pic_idx: Some(200) }.apply(&mut payload);
        let mut expected = KEYFRAME;
        (expected[2], expected[3], expected[4]) = (0xff, 0xfe, 200);
        assert_eq!(payload, expected);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_a_rewrite_is_read_back(
            mut payload in proptest::collection::vec(any::<u8>(), 0..40),
            picture_id in 0u16..0x8000,
            tl0 in any::<u8>(),
        ) {
            let Some(before) = Descriptor::parse(&payload) else {
                let unchanged = payload.clone();
                Vp8Rewrite { picture_id: Some(picture_id), tl0_pic_idx: Some(tl0) }.apply(&mut payload);
                prop_assert_eq!(payload, unchanged);
                return Ok(());
            };
            let _ = before.keyframe(&payload);
            Vp8Rewrite { picture_id: Some(picture_id), tl0_pic_idx: Some(tl0) }.apply(&mut payload);
            let after = Descriptor::parse(&payload).expect("still valid");
            prop_assert_eq!(after.length, before.length);
            let mask = |wide| if wide { 0x7fff } else { 0x7f };
            prop_assert_eq!(after.picture_id.map(|id| id.value), before.picture_id.map(|id| picture_id & mask(id.wide)));
            prop_assert_eq!(after.tl0_pic_idx, before.tl0_pic_idx.map(|_| tl0));
        }
    }
}
