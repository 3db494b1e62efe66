//! What a client sends: a microphone, and a camera in three layers, each packet with a stamp that says what it is.

use std::collections::VecDeque;
use std::time::Duration;

use conclave_qos::fec::red::{self, Block};
use conclave_rtp::srtp::Outbound;
use conclave_rtp::{
    ExtensionId, ExtensionIds, ExtensionValues, MAX_PACKET, OutgoingHeader, PayloadType, Ssrc, write_header,
};

/// Layer of sound in a [`Stamp`].
pub(super) const SOUND: u8 = 255;
pub(super) const RIDS: [&str; 3] = ["l", "m", "h"];
/// What a picture takes in each layer, in packets and bytes of each: 80, 280 and 720 kbit/s at 25 pictures a second.
const PICTURES: [(u8, usize); 3] = [(1, 400), (2, 700), (4, 900)];
/// A key frame takes so many times as many packets.
const KEY_FRAME: u8 = 3;
/// Packets of a stream that can be repeated.
const KEPT: usize = 2_000;

pub(super) const OPUS: u8 = 111;
pub(super) const RED: u8 = 63;
pub(super) const VP8: u8 = 96;
pub(super) const RTX: u8 = 97;

/// The engine's numbers, which are those of the offers that it makes.
pub(super) fn extensions() -> ExtensionIds {
    ExtensionIds {
        audio_level: ExtensionId::new(1),
        transport_sequence: ExtensionId::new(3),
        mid: ExtensionId::new(4),
        rid: ExtensionId::new(10),
        repaired_rid: ExtensionId::new(11),
        ..ExtensionIds::default()
    }
}

/// What stands at the end of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Stamp {
    pub(super) from: u16,
    pub(super) layer: u8,
    pub(super) frame: u32,
    pub(super) part: u8,
    pub(super) parts: u8,
    /// When it was sent, since the world's beginning.
    pub(super) sent: Duration,
}

impl Stamp {
    const LENGTH: usize = 17;

    pub(super) fn write(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[..2].copy_from_slice(&self.from.to_be_bytes());
        bytes[2] = self.layer;
        bytes[3..7].copy_from_slice(&self.frame.to_be_bytes());
        (bytes[7], bytes[8]) = (self.part, self.parts);
        bytes[9..].copy_from_slice(&(self.sent.as_micros() as u64).to_be_bytes());
        bytes
    }

    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LENGTH] = payload.last_chunk()?;
        let word = |at: usize| bytes[at..at + 4].iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte));
        let sent = u64::from(word(9)) << 32 | u64::from(word(13));
        Some(Self {
            from: u16::from_be_bytes([bytes[0], bytes[1]]),
            layer: bytes[2],
            frame: word(3),
            part: bytes[7],
            parts: bytes[8],
            sent: Duration::from_micros(sent),
        })
    }
}

/// A stream that is sent. A test may change its numbers in the middle.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) mid: String,
    pub(super) layer: u8,
    pub(super) ssrc: u32,
    rtx: u32,
    /// Extended; the next.
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    rtx_sequence: u64,
    picture: u16,
    pub(super) frame: u32,
    key: bool,
    kept: VecDeque<(u16, u32, bool, Vec<u8>)>,
    /// Requests for a key frame that came.
    pub(super) requests: u32,
    /// Sound packets or pictures that were sent.
    pub(super) frames: u32,
}

impl Stream {
    /// Begins again under other SSRCs, so much higher, and other numbers.
    pub(super) fn renew(&mut self, by: u32) {
        self.ssrc += by;
        self.rtx += by;
        (self.sequence, self.rtx_sequence) = (11_000, 1);
        self.timestamp = self.timestamp.wrapping_add(1 << 30);
        self.key = true;
        self.kept.clear();
    }
}

/// Everything that a client sends.
#[derive(Debug)]
pub(super) struct Publisher {
    me: u16,
    /// Sound, then the layers.
    pub(super) streams: Vec<Stream>,
    transport_sequence: u16,
    ticks: u64,
    pub(super) sound: bool,
    pub(super) camera: bool,
    /// How many layers the camera has.
    pub(super) layers: u8,
    /// Whether each sound is sent with a copy of the one before, as browsers do.
    pub(super) red: bool,
    said: Vec<u8>,
    /// Whether requests for key frames change what is sent; otherwise every 25th picture is one.
    pub(super) heeds: bool,
}

impl Publisher {
    pub(super) fn new(me: u16, sound: &str, camera: &str) -> Self {
        let first = 1_000 * (u32::from(me) + 1);
        let stream = |index: u32, mid: &str, layer: u8| Stream {
            mid: mid.to_owned(),
            layer,
            ssrc: first + 2 * index,
            rtx: first + 2 * index + 1,
            sequence: [500, 1_000, 30_000, 20_000][index as usize],
            timestamp: 90_000 * index,
            rtx_sequence: 7,
            picture: [7, 32_760, 100, 32_000][index as usize],
            frame: 0,
            key: true,
            kept: VecDeque::new(),
            requests: 0,
            frames: 0,
        };
        let streams = vec![stream(0, sound, SOUND), stream(1, camera, 0), stream(2, camera, 1), stream(3, camera, 2)];
        Self {
            me,
            streams,
            transport_sequence: 65_000,
            ticks: 0,
            sound: true,
            camera: true,
            layers: 3,
            red: false,
            said: Vec::new(),
            heeds: true,
        }
    }

    /// Goes on with so many packets of every stream sent, as after a long time.
    pub(super) fn skip(&mut self, packets: u64) {
        for stream in &mut self.streams {
            stream.sequence += packets;
        }
    }

    /// 50 packets of sound and 25 pictures in each layer a second: to be called every 20 ms.
    pub(super) fn tick(&mut self, now: Duration, keys: &mut Outbound, out: &mut Vec<Vec<u8>>) {
        self.ticks += 1;
        for index in 0..self.streams.len() {
            let layer = self.streams[index].layer;
            let is_due = if layer == SOUND {
                self.sound
            } else {
                self.camera && layer < self.layers && self.ticks.is_multiple_of(2)
            };
            if is_due {
                self.send_frame(now, index, keys, out);
            }
        }
    }

    fn send_frame(&mut self, now: Duration, index: usize, keys: &mut Outbound, out: &mut Vec<Vec<u8>>) {
        let from = self.me;
        let heeds = self.heeds;
        let stream = &mut self.streams[index];
        stream.frame += 1;
        stream.frames += 1;
        let frame = stream.frame;
        if stream.layer == SOUND {
            stream.timestamp = stream.timestamp.wrapping_add(960);
            let stamp = Stamp { from, layer: SOUND, frame, part: 0, parts: 1, sent: now };
            let mut payload = vec![0xfc; 60];
            payload.extend(stamp.write());
            if self.red {
                payload = self.with_copy(payload);
            }
            return self.send(index, &payload, true, keys, out);
        }
        stream.timestamp = stream.timestamp.wrapping_add(3_600);
        stream.picture = (stream.picture + 1) & 0x7fff;
        let key = if heeds { std::mem::take(&mut stream.key) } else { stream.frames % 25 == 1 };
        let (layer, picture) = (stream.layer, stream.picture);
        let (packets, length) = PICTURES[usize::from(layer)];
        let parts = if key { packets * KEY_FRAME } else { packets };
        for part in 0..parts {
            let [high, low] = picture.to_be_bytes();
            // RFC 7741 section 4.2: X, S at the beginning of the picture, and a picture id of 15 bits.
            let mut payload = vec![if part == 0 { 0x90 } else { 0x80 }, 0x80, 0x80 | high, low];
            if part == 0 {
                match key {
                    true => payload.extend([0x10, 0, 0, 0x9d, 0x01, 0x2a]),
                    false => payload.extend([0x11, 0, 0, 0, 0, 0]),
                }
                payload.extend((160_u16 << layer).to_le_bytes());
                payload.extend((90_u16 << layer).to_le_bytes());
            }
            payload.resize(length - Stamp::LENGTH, 0x2e);
            payload.extend(Stamp { from, layer, frame, part, parts, sent: now }.write());
            self.send(index, &payload, part + 1 == parts, keys, out);
        }
    }

    /// A sound, with a copy of the one before.
    fn with_copy(&mut self, sound: Vec<u8>) -> Vec<u8> {
        let (before, mut payload) = (std::mem::replace(&mut self.said, sound), Vec::new());
        let block = |offset, payload| Block { payload_type: OPUS, offset, payload };
        let blocks = [block(960, &before[..]), block(0, &self.said)];
        let first = usize::from(before.is_empty());
        red::write(&blocks[first..], &mut payload).expect("short");
        payload
    }

    /// Seals any payload under the numbers of a stream.
    pub(super) fn send(
        &mut self,
        index: usize,
        payload: &[u8],
        marker: bool,
        keys: &mut Outbound,
        out: &mut Vec<Vec<u8>>,
    ) {
        let transport = self.next_transport();
        let stream = &mut self.streams[index];
        let sequence = stream.sequence;
        stream.sequence += 1;
        if stream.kept.len() == KEPT {
            stream.kept.pop_front();
        }
        stream.kept.push_back((sequence as u16, stream.timestamp, marker, payload.to_vec()));
        let (is_sound, rid) = (stream.layer == SOUND, RIDS.get(usize::from(stream.layer)).copied());
        let format = match is_sound {
            true if self.red => RED,
            true => OPUS,
            false => VP8,
        };
        let header = OutgoingHeader {
            payload_type: PayloadType::new(format).expect("below 128"),
            marker,
            padding: false,
            sequence: sequence as u16,
            timestamp: stream.timestamp,
            ssrc: Ssrc(stream.ssrc),
        };
        let values = ExtensionValues {
            audio_level: is_sound.then_some((20, true)),
            transport_sequence: Some(transport),
            mid: Some(&stream.mid),
            rid,
            ..ExtensionValues::default()
        };
        out.push(sealed(&header, &values, payload, sequence, keys));
    }

    /// Repeats a packet (RFC 4588).
    pub(super) fn repeat(&mut self, ssrc: u32, number: u16, keys: &mut Outbound, out: &mut Vec<Vec<u8>>) {
        let transport = self.next_transport();
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.ssrc == ssrc) else { return };
        let kept = stream.kept.iter().rev().find(|(sequence, ..)| *sequence == number);
        let Some((_, timestamp, marker, payload)) = kept else { return };
        let payload = [&number.to_be_bytes(), &payload[..]].concat();
        let header = OutgoingHeader {
            payload_type: PayloadType::new(RTX).expect("below 128"),
            marker: *marker,
            padding: false,
            sequence: stream.rtx_sequence as u16,
            timestamp: *timestamp,
            ssrc: Ssrc(stream.rtx),
        };
        let values = ExtensionValues {
            transport_sequence: Some(transport),
            mid: Some(&stream.mid),
            repaired_rid: RIDS.get(usize::from(stream.layer)).copied(),
            ..ExtensionValues::default()
        };
        let sequence = stream.rtx_sequence;
        stream.rtx_sequence += 1;
        out.push(sealed(&header, &values, &payload, sequence, keys));
    }

    pub(super) fn keyframe_wanted(&mut self, ssrc: u32) {
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.ssrc == ssrc) {
            stream.key = true;
            stream.requests += 1;
        }
    }

    fn next_transport(&mut self) -> u16 {
        self.transport_sequence = self.transport_sequence.wrapping_add(1);
        self.transport_sequence
    }
}

/// A whole SRTP packet.
pub(super) fn sealed(
    header: &OutgoingHeader,
    values: &ExtensionValues<'_>,
    payload: &[u8],
    sequence: u64,
    keys: &mut Outbound,
) -> Vec<u8> {
    let mut packet = vec![0; MAX_PACKET];
    let head = write_header(&mut packet, header, &extensions(), values).expect("fits");
    let length = head + payload.len();
    packet[head..length].copy_from_slice(payload);
    let length = keys.protect_rtp(&mut packet, head, length, sequence).expect("sealed");
    packet.truncate(length);
    packet
}
