//! What an H.264 payload (RFC 6184 packetization mode 1) says about key frames, and the picture size
//! in a sequence parameter set (H.264 section 7.3.2.1.1).

use crate::rtp::Resolution;

/// What a payload begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// A sequence parameter set: encoders put one before each IDR picture.
    pub parameters: bool,
    /// The first part of an IDR slice.
    pub idr: bool,
    /// From the parameter set, if it could be read.
    pub resolution: Option<Resolution>,
}

const NAL_IDR: u8 = 5;
const NAL_SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

impl Contents {
    /// Reads a payload; garbage has no contents. `None` if it is not a packet of this mode at all.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (&head, rest) = payload.split_first()?;
        let mut contents = Self::default();
        match head & 0x1f {
            1..=23 => contents.add(payload),
            STAP_A => {
                let mut rest = rest;
                while let Some((size, after)) = rest.split_first_chunk::<2>() {
                    let (nal, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*size)))?;
                    contents.add(nal);
                    rest = after;
                }
            }
            FU_A => {
                let (&fragment, _) = rest.split_first()?;
                // Only the first fragment, so that a switch never begins within a picture.
                contents.idr = fragment & 0x80 != 0 && fragment & 0x1f == NAL_IDR;
            }
            _ => return None,
        }
        Some(contents)
    }

    fn add(&mut self, nal: &[u8]) {
        match nal.first().map(|head| head & 0x1f) {
            Some(NAL_IDR) => self.idr = true,
            Some(NAL_SPS) => {
                self.parameters = true;
                self.resolution = resolution(&nal[1..]);
            }
            _ => {}
        }
    }
}

/// Reads bits, leaving out the bytes that prevent emulation of start codes (section 7.4.1).
struct Bits<'a> {
    bytes: &'a [u8],
    byte: usize,
    bit: u32,
    zeros: u32,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<u32> {
        let byte = *self.bytes.get(self.byte)?;
        let value = u32::from(byte >> (7 - self.bit)) & 1;
        self.bit += 1;
        if self.bit == 8 {
            self.bit = 0;
            self.byte += 1;
            self.zeros = if byte == 0 { self.zeros + 1 } else { 0 };
            if self.zeros >= 2 && self.bytes.get(self.byte) == Some(&3) {
                self.byte += 1;
                self.zeros = 0;
            }
        }
        Some(value)
    }

    fn bits(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0u32, |value, _| Some(value << 1 | self.bit()?))
    }

    /// Exp-Golomb (section 9.1), up to 2^16.
    fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 16 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.bits(zeros)?)
    }
}

/// The size of the picture, cropping included. `None` for what cannot be read: scaling matrices and
/// the picture order count type that no real-time encoder uses.
fn resolution(sps: &[u8]) -> Option<Resolution> {
    let mut bits = Bits { bytes: sps, byte: 0, bit: 0, zeros: 0 };
    let profile = bits.bits(8)?;
    bits.bits(16)?;
    bits.unsigned()?;
    let mut chroma = 1;
    if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128) {
        chroma = bits.unsigned()?;
        if chroma == 3 {
            bits.bit()?;
        }
        bits.unsigned()?;
        bits.unsigned()?;
        bits.bit()?;
        if bits.bit()? == 1 {
            return None;
        }
    }
    bits.unsigned()?;
    match bits.unsigned()? {
        0 => {
            bits.unsigned()?;
        }
        2 => {}
        _ => return None,
    }
    bits.unsigned()?;
    bits.bit()?;
    let columns = bits.unsigned()? + 1;
    let rows = bits.unsigned()? + 1;
    let frames_only = bits.bit()?;
    if frames_only == 0 {
        bits.bit()?;
    }
    bits.bit()?;
    let (mut across, mut down) = (0, 0);
    if bits.bit()? == 1 {
        across = bits.unsigned()?.checked_add(bits.unsigned()?)?;
        down = bits.unsigned()?.checked_add(bits.unsigned()?)?;
    }
    let (unit_x, unit_y) = match chroma {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let size = |blocks: u32, cropped: u32| u16::try_from(blocks.checked_mul(16)?.checked_sub(cropped)?).ok();
    Some(Resolution {
        width: size(columns, across.checked_mul(unit_x)?)?,
        height: size(rows * (2 - frames_only), down.checked_mul(unit_y * (2 - frames_only))?)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Constrained baseline, level 3.1, 1280x720 (45 rows of blocks, nothing cropped).
    const SPS_720P: [u8; 10] = [0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xe8, 0x40];

    fn stap_a(nals: &[&[u8]]) -> Vec<u8> {
        let mut payload = vec![STAP_A | 0x60];
        for nal in nals {
            payload.extend((nal.len() as u16).to_be_bytes());
            payload.extend(*nal);
        }
        payload
    }

    #[test]
    fn a_single_parameter_set_begins_a_key_frame_and_tells_its_size() {
        let contents = Contents::parse(&SPS_720P).expect("valid");
        assert!(contents.parameters && !contents.idr);
        assert_eq!(contents.resolution, Some(Resolution { width: 1280, height: 720 }));
    }

    #[test]
    fn parameter_sets_and_idr_are_found_in_an_aggregate() {
        let contents = Contents::parse(&stap_a(&[&SPS_720P, &[0x68, 0xce], &[0x65, 0x88]])).expect("valid");
        assert!(contents.parameters && contents.idr);
    }

    #[test]
    fn only_the_first_fragment_of_an_idr_counts() {
        assert!(Contents::parse(&[0x7c, 0x85, 1]).expect("valid").idr);
        assert!(!Contents::parse(&[0x7c, 0x05, 1]).expect("valid").idr, "a middle fragment");
        assert!(!Contents::parse(&[0x7c, 0x81, 1]).expect("valid").idr, "another slice");
    }

    #[test]
    fn an_ordinary_slice_is_no_key_frame() {
        assert_eq!(Contents::parse(&[0x61, 0x9a]), Some(Contents::default()));
    }

    #[test]
    fn an_aggregate_that_lies_about_its_sizes_and_a_foreign_mode_are_refused() {
        assert_eq!(Contents::parse(&[STAP_A, 0, 9, 0x67]), None);
        assert_eq!(Contents::parse(&[25, 0, 0, 1, 0x67]), None);
        assert_eq!(Contents::parse(&[]), None);
        assert_eq!(Contents::parse(&[FU_A]), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Contents::parse(&payload);
            let _ = resolution(&payload);
            let _ = Contents::parse(&stap_a(&[&payload, &[&[0x67], &payload[..]].concat()]));
        }
    }
}
