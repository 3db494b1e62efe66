//! The AV1 payload (RTP payload format for AV1 1.0, section 4): whether it begins a coded video sequence,
//! and the picture size in a sequence header (AV1 specification, section 5.5).

use crate::bits::Bits;
use crate::rtp::Resolution;

const SEQUENCE_HEADER: u8 = 1;

/// What a payload begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// The first packet of a coded video sequence (`N`): a decoder can begin here.
    pub begins_sequence: bool,
    /// The largest picture of the sequence, from its header.
    pub resolution: Option<Resolution>,
}

impl Contents {
    /// Reads the aggregation header and, if a sequence begins, its header. `None` if the payload holds
    /// nothing, or begins a sequence in the middle of a unit, which the format forbids (section 4.4).
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (&head, rest) = payload.split_first()?;
        let (continues, units, begins_sequence) = (head & 0x80 != 0, head >> 4 & 0x03, head & 0x08 != 0);
        if rest.is_empty() || begins_sequence && continues {
            return None;
        }
        let first = if units == 1 { Some(rest) } else { sized(rest) };
        let resolution = first.filter(|_| begins_sequence).and_then(sequence_header);
        Some(Self { begins_sequence, resolution })
    }
}

/// The first unit of a payload, which says its length (`leb128`, AV1 specification section 4.10.5).
fn sized(bytes: &[u8]) -> Option<&[u8]> {
    let mut length = 0usize;
    for (index, byte) in bytes.iter().enumerate().take(4) {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return bytes.get(index + 1..index + 1 + length);
        }
    }
    None
}

/// The size in a unit that is a sequence header. `None` for what no real-time encoder writes: a model
/// of the decoder's buffers.
fn sequence_header(unit: &[u8]) -> Option<Resolution> {
    let (&head, mut rest) = unit.split_first()?;
    if head >> 3 & 0x0f != SEQUENCE_HEADER {
        return None;
    }
    if head & 0x04 != 0 {
        rest = rest.get(1..)?;
    }
    if head & 0x02 != 0 {
        rest = sized(rest)?;
    }
    let mut bits = Bits::new(rest);
    bits.skip(3 + 1)?;
    if bits.flag()? {
        // `reduced_still_picture_header`
        bits.skip(5)?;
    } else {
        if bits.flag()? {
            bits.skip(64)?;
            if bits.flag()? {
                bits.variable()?;
            }
            if bits.flag()? {
                return None;
            }
        }
        let has_display_delay = bits.flag()?;
        for _ in 0..=bits.take(5)? {
            bits.skip(12)?;
            if bits.take(5)? > 7 {
                bits.skip(1)?;
            }
            if has_display_delay && bits.flag()? {
                bits.skip(4)?;
            }
        }
    }
    let (width_bits, height_bits) = (bits.take(4)? as usize + 1, bits.take(4)? as usize + 1);
    let mut side = |count| bits.take(count).map(|side| side.saturating_add(1).min(u32::from(u16::MAX)) as u16);
    Some(Resolution { width: side(width_bits)?, height: side(height_bits)? })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Sequence headers that libaom and SVT-AV1 write for 1280x720 and 640x360, without the size that
    /// RTP leaves out.
    const LIBAOM: [u8; 15] = [0x08, 0x20, 0x00, 0x00, 0x2d, 0x4c, 0xff, 0xb3, 0xcd, 0xaf, 0x92, 0x02, 0x1a, 0x00, 0x40];
    const SVT_AV1: [u8; 12] = [0x08, 0x00, 0x00, 0x00, 0x0c, 0xc4, 0xff, 0x67, 0x3e, 0xfe, 0x40, 0x10];

    #[test]
    fn the_first_packet_of_a_sequence_tells_the_size_of_its_pictures() {
        for (header, width, height) in [(&LIBAOM[..], 1280, 720), (&SVT_AV1, 640, 360)] {
            let alone = [&[0x18], header].concat();
            let with_another = [&[0x28, header.len() as u8], header, &[0x30, 0x10]].concat();
            let uncounted = [&[0x08, header.len() as u8], header, &[2, 0x30, 0x10]].concat();
            for payload in [alone, with_another, uncounted] {
                let contents = Contents::parse(&payload).expect("valid");
                assert!(contents.begins_sequence);
                assert_eq!(contents.resolution, Some(Resolution { width, height }), "{payload:02x?}");
            }
        }
    }

    #[test]
    fn other_packets_begin_nothing() {
        assert_eq!(Contents::parse(&[0x10, 0x30, 0x01]), Some(Contents::default()));
        assert_eq!(Contents::parse(&[0x98, 0x08]), None, "a sequence does not begin within a unit");
        assert_eq!(Contents::parse(&[0x10]), None);
        assert_eq!(Contents::parse(&[]), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(payload in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Contents::parse(&payload);
            let _ = sequence_header(&payload);
            let _ = Contents::parse(&[&[0x18, 0x08][..], &payload].concat());
            let _ = Contents::parse(&[&[0x08][..], &payload].concat());
        }
    }
}
