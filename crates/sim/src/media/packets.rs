//! Frames in packets as libwebrtc makes them: H.264 (RFC 6184) and VP8 (RFC 7741).

use std::ops::Range;

use super::clip::VideoCodec;

/// The payloads of one frame, one behind the other; reused from frame to frame.
#[derive(Clone, Debug, Default)]
pub struct Packets {
    bytes: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

impl Packets {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// One of them, by its place in the frame.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut [u8]> {
        let range = self.ranges.get(index)?.clone();
        self.bytes.get_mut(range)
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.ranges.iter().map(|range| &self.bytes[range.clone()])
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ranges.clear();
    }

    fn push(&mut self, head: &[u8], body: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(head);
        self.bytes.extend_from_slice(body);
        self.ranges.push(start..self.bytes.len());
    }
}

/// Splits a frame so that no payload is longer than `most` and those that are parts of one unit differ by one byte at
/// most, as libwebrtc's `RtpPacketizer::SplitAboutEqually` does. `picture` is the VP8 picture id.
pub fn packetise<'a>(
    codec: VideoCodec,
    units: impl Iterator<Item = &'a [u8]>,
    picture: u16,
    most: usize,
    packets: &mut Packets,
) {
    packets.clear();
    match codec {
        VideoCodec::Vp8 => units.for_each(|frame| packetise_vp8(frame, picture, most, packets)),
        VideoCodec::H264 => packetise_h264(units, most, packets),
    }
}

fn packetise_vp8(frame: &[u8], picture: u16, most: usize, packets: &mut Packets) {
    let [high, low] = picture.to_be_bytes();
    let mut first = true;
    for part in equal_parts(frame, most.saturating_sub(4)) {
        // RFC 7741 section 4.2: X, S in the frame's first packet, partition 0; I and a picture id of 15 bits.
        let start = if first { 0x90 } else { 0x80 };
        packets.push(&[start, 0x80, 0x80 | high, low], part);
        first = false;
    }
}

const STAP_A: u8 = 24;
const FU_A: u8 = 28;

fn packetise_h264<'a>(units: impl Iterator<Item = &'a [u8]>, most: usize, packets: &mut Packets) {
    // Parameter sets go together in one packet (RFC 6184 section 5.7.1), as libwebrtc sends them.
    let mut together: Vec<u8> = Vec::new();
    for unit in units {
        let Some((header, body)) = unit.split_first() else { continue };
        if matches!(header & 0x1f, 7 | 8) && together.len() + unit.len() + 3 <= most {
            let indicator = header & 0xe0 | STAP_A;
            if together.is_empty() {
                together.push(indicator);
            }
            // It fits a packet, so its length fits 16 bits.
            together.extend((unit.len() as u16).to_be_bytes());
            together.extend(unit);
            continue;
        }
        if !together.is_empty() {
            packets.push(&together, &[]);
            together.clear();
        }
        if unit.len() <= most {
            packets.push(&[], unit);
            continue;
        }
        // Section 5.8.
        let parts = equal_parts(body, most.saturating_sub(2));
        let last = parts.len().saturating_sub(1);
        for (index, part) in parts.enumerate() {
            let start = u8::from(index == 0) << 7;
            let end = u8::from(index == last) << 6;
            packets.push(&[header & 0xe0 | FU_A, start | end | header & 0x1f], part);
        }
    }
}

/// As few parts as `most` allows, the longer ones last.
fn equal_parts(bytes: &[u8], most: usize) -> impl ExactSizeIterator<Item = &[u8]> {
    let count = bytes.len().div_ceil(most.max(1)).max(1);
    let (length, longer) = (bytes.len() / count, bytes.len() % count);
    let mut at = 0;
    (0..count).map(move |index| {
        let length = length + usize::from(index >= count - longer);
        let part = &bytes[at..at + length];
        at += length;
        part
    })
}

/// Whether a payload is a key frame's first packet.
pub fn is_key_frame(codec: VideoCodec, payload: &[u8]) -> bool {
    match codec {
        VideoCodec::H264 => match payload {
            [first, second, ..] if first & 0x1f == FU_A => second & 0x80 != 0 && second & 0x1f == 5,
            [first, _, _, unit, ..] if first & 0x1f == STAP_A => matches!(unit & 0x1f, 5 | 7),
            [first, ..] => matches!(first & 0x1f, 5 | 7),
            [] => false,
        },
        VideoCodec::Vp8 => vp8_frame(payload).is_some_and(|frame| frame & 1 == 0),
    }
}

/// The first byte of the frame, if the packet begins one.
fn vp8_frame(payload: &[u8]) -> Option<u8> {
    let first = *payload.first()?;
    if first & 0x1f != 0x10 {
        return None;
    }
    let mut at = 1;
    if first & 0x80 != 0 {
        let extended = *payload.get(at)?;
        at += 1;
        if extended & 0x80 != 0 {
            at += if payload.get(at)? & 0x80 != 0 { 2 } else { 1 };
        }
        at += usize::from(extended & 0x40 != 0) + usize::from(extended & 0x30 != 0);
    }
    payload.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(codec: VideoCodec, units: &[&[u8]], most: usize) -> Vec<Vec<u8>> {
        let mut packets = Packets::default();
        packetise(codec, units.iter().copied(), 5, most, &mut packets);
        packets.iter().map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn parts_of_a_frame_differ_by_one_byte_and_none_is_too_long() {
        for length in 1..5_000 {
            for codec in [VideoCodec::H264, VideoCodec::Vp8] {
                let unit = vec![0x41; length];
                let made = packets(codec, &[&unit], 1_100);
                let sizes: Vec<_> = made.iter().map(Vec::len).collect();
                let (least, most) = (sizes.iter().min().expect("one"), sizes.iter().max().expect("one"));
                assert!(*most <= 1_100 && most - least <= 1, "{codec:?} {length}: {sizes:?}");
            }
        }
    }

    #[test]
    fn a_frame_that_was_split_can_be_put_together_again() {
        let unit: Vec<u8> = (0..3_000_u32).map(|n| if n == 0 { 0x65 } else { n as u8 }).collect();
        let made = packets(VideoCodec::H264, &[&unit], 1_000);
        let body: Vec<u8> = made.iter().flat_map(|packet| packet[2..].to_vec()).collect();
        assert_eq!(body, unit[1..]);
        assert_eq!((made[0][1], made[1][1], made[3][1]), (0x85, 0x05, 0x45));
        let made = packets(VideoCodec::Vp8, &[&unit], 1_000);
        let body: Vec<u8> = made.iter().flat_map(|packet| packet[4..].to_vec()).collect();
        assert_eq!(body, unit);
    }

    #[test]
    fn key_frames_are_recognised_by_their_first_packet_only() {
        let (sps, pps, idr) = ([0x67, 0x42].as_slice(), [0x68, 1].as_slice(), vec![0x65; 2_500]);
        let made = packets(VideoCodec::H264, &[sps, pps, &idr], 1_000);
        let key: Vec<_> = made.iter().map(|packet| is_key_frame(VideoCodec::H264, packet)).collect();
        // The parameter sets, then the slice in three parts.
        assert_eq!(key, [true, true, false, false]);
        let key = |first: u8| packets(VideoCodec::Vp8, &[&[first; 1_500]], 1_000);
        assert_eq!(key(0x10).iter().map(|p| is_key_frame(VideoCodec::Vp8, p)).collect::<Vec<_>>(), [true, false]);
        assert_eq!(key(0x11).iter().map(|p| is_key_frame(VideoCodec::Vp8, p)).collect::<Vec<_>>(), [false, false]);
        for codec in [VideoCodec::H264, VideoCodec::Vp8] {
            for length in 0..8 {
                is_key_frame(codec, &vec![0xff; length]);
            }
        }
    }
}
