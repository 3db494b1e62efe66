//! A sender of one stream with several layers, as browsers encode them, and the decoder that checks
//! whether what it is given can be decoded. Also used by the fuzz targets.

use std::collections::{BTreeMap, HashMap, HashSet};

use conclave_sfu::{Codec, Forward};

/// Which frames are predicted from the layer below them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// Those of key pictures only (`L3T2_KEY`).
    KeyPictures,
    /// All (`L3T2`).
    Always,
}

/// A frame as a packet tells of it, hidden at the end of its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Counts the frames.
    pub frame: u32,
    pub layer: u8,
    pub part: u8,
    pub parts: u8,
    pub references: Vec<u32>,
    pub picture: u32,
}

/// A packet before it is sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub sequence: u64,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: Vec<u8>,
    pub descriptor: Option<Vec<u8>>,
}

/// Two temporal layers: every other picture is predicted from, and no picture from those between.
#[derive(Clone, Debug)]
pub struct Encoder {
    pub codec: Codec,
    pub prediction: Prediction,
    /// VP9's flexible mode (RFC 9628 section 3).
    pub flexible: bool,
    pub layers: u8,
    pub sequence: u64,
    pub timestamp: u32,
    /// Packets of a frame in each layer.
    pub parts: [u8; 3],
    /// Bytes of nothing in each packet.
    pub padding: usize,
    pub key_wanted: bool,
    /// Counts frames, over all layers.
    pub frame: u32,
    pub picture: u32,
    /// The last frame of each layer that others are predicted from, with its picture.
    anchors: [Option<(u32, u32)>; 3],
    is_between: bool,
    /// Template ids of the dependency descriptor begin here, elsewhere with each key frame.
    templates_from: u32,
}

const FRAME_TICKS: u32 = 3_000;
const WIDTHS: [u16; 3] = [320, 640, 1280];
const HEIGHTS: [u16; 3] = [180, 360, 720];
/// VP9 bitstream specification 0.7, section 6.2, for 320x180.
const VP9_KEY: [u8; 10] = [0x82, 0x49, 0x83, 0x42, 0x20, 0x13, 0xf0, 0x0b, 0x30, 0x00];

impl Encoder {
    pub fn new(codec: Codec, prediction: Prediction) -> Self {
        Self {
            codec,
            prediction,
            flexible: false,
            layers: 3,
            sequence: 50_000,
            timestamp: 0xffff_0000,
            parts: [1, 2, 3],
            padding: 0,
            key_wanted: true,
            frame: 60_000,
            picture: 0,
            anchors: [None; 3],
            is_between: false,
            templates_from: 0,
        }
    }

    /// The packets of the next picture.
    pub fn picture(&mut self) -> Vec<Sent> {
        let is_key = std::mem::take(&mut self.key_wanted);
        self.picture += 1;
        self.templates_from = (self.templates_from + if is_key { 9 } else { 0 }) % 64;
        self.timestamp = self.timestamp.wrapping_add(FRAME_TICKS);
        self.is_between = !is_key && !self.is_between;
        let mut packets = Vec::new();
        let mut below = None;
        for layer in 0..self.layers {
            self.frame += 1;
            let anchor = self.anchors[usize::from(layer)].filter(|_| !is_key);
            let from_below = below.filter(|_| is_key || self.prediction == Prediction::Always);
            let references: Vec<u32> = anchor.map(|(frame, _)| frame).into_iter().chain(from_below).collect();
            let parts = self.parts[usize::from(layer)].max(1);
            for part in 0..parts {
                self.sequence += 1;
                let tag = Tag {
                    frame: self.frame,
                    layer,
                    part,
                    parts,
                    references: references.clone(),
                    picture: self.picture,
                };
                let (mut payload, descriptor) = match self.codec {
                    Codec::Vp9 => (self.vp9(&tag, is_key, anchor, from_below.is_some()), None),
                    _ => (
                        vec![0x10 | u8::from(is_key && layer == 0 && part == 0) << 3, 0x30],
                        Some(self.dd(&tag, is_key)),
                    ),
                };
                payload.resize(payload.len() + self.padding, 0xaa);
                tag.write(&mut payload);
                let marker = layer + 1 == self.layers && part + 1 == parts;
                let (sequence, timestamp) = (self.sequence, self.timestamp);
                packets.push(Sent { sequence, timestamp, marker, payload, descriptor });
            }
            if !self.is_between {
                self.anchors[usize::from(layer)] = Some((self.frame, self.picture));
            }
            below = Some(self.frame);
        }
        packets
    }

    fn vp9(&self, tag: &Tag, is_key: bool, anchor: Option<(u32, u32)>, inter_layer: bool) -> Vec<u8> {
        let is_top = tag.layer + 1 == self.layers;
        let unused_above = is_top || !is_key && self.prediction == Prediction::KeyPictures;
        let with_structure = is_key && tag.layer == 0 && tag.part == 0;
        let flags = [
            (0x80, true),
            (0x40, anchor.is_some()),
            (0x20, true),
            (0x10, self.flexible),
            (0x08, tag.part == 0),
            (0x04, tag.part + 1 == tag.parts),
            (0x02, with_structure),
            (0x01, unused_above),
        ];
        let first = flags.iter().filter(|(_, set)| *set).map(|(bit, _)| bit).sum();
        let [high, low] = (tag.picture as u16 & 0x7fff | 0x8000).to_be_bytes();
        let mut payload = vec![first, high, low];
        payload.push(u8::from(self.is_between) << 5 | 0x10 | tag.layer << 1 | u8::from(inter_layer));
        if !self.flexible {
            payload.push((tag.picture / 2) as u8);
        } else if let Some((_, picture)) = anchor {
            payload.push((((tag.picture - picture) & 0x7f) << 1) as u8);
        }
        if with_structure {
            payload.push((self.layers - 1) << 5 | 0x10);
            for layer in 0..usize::from(self.layers) {
                payload.extend(WIDTHS[layer].to_be_bytes());
                payload.extend(HEIGHTS[layer].to_be_bytes());
            }
        }
        if with_structure {
            payload.extend(VP9_KEY)
        } else {
            payload.push(0x86)
        }
        payload
    }

    /// AV1 RTP specification 1.0, appendix A: three templates for each layer (key, delta, in between).
    fn dd(&self, tag: &Tag, is_key: bool) -> Vec<u8> {
        let kind = if is_key {
            0
        } else if self.is_between {
            2
        } else {
            1
        };
        let mut bits = Writer::default();
        bits.put(1, u32::from(tag.part == 0));
        bits.put(1, u32::from(tag.part + 1 == tag.parts));
        bits.put(6, (self.templates_from + u32::from(tag.layer) * 3 + kind) % 64);
        bits.put(16, tag.frame & 0xffff);
        let with_structure = is_key && tag.layer == 0 && tag.part == 0;
        if !with_structure && tag.references.is_empty() {
            return bits.bytes;
        }
        bits.put(5, u32::from(with_structure) << 4 | u32::from(!tag.references.is_empty()) << 1);
        if with_structure {
            self.structure(&mut bits);
        }
        if !tag.references.is_empty() {
            for reference in &tag.references {
                let distance = tag.frame - reference - 1;
                let size = if distance < 16 {
                    1
                } else if distance < 256 {
                    2
                } else {
                    3
                };
                bits.put(2, size);
                bits.put(4 * size as usize, distance & 0xfff);
            }
            bits.put(2, 0);
        }
        bits.bytes
    }

    fn structure(&self, bits: &mut Writer) {
        let layers = u32::from(self.layers);
        bits.put(6, self.templates_from);
        bits.put(5, layers * 2 - 1);
        for layer in 0..layers {
            bits.put(2, 0);
            bits.put(2, 1);
            bits.put(2, if layer + 1 < layers { 2 } else { 3 });
        }
        for layer in 0..layers {
            for kind in 0..3 {
                for target in 0..layers * 2 {
                    bits.put(2, self.indication(layer, kind, target / 2, target % 2));
                }
            }
        }
        for _ in 0..layers * 3 {
            bits.put(1, 0);
        }
        // No chains; `ns(targets + 1)` of 0.
        bits.put((u32::BITS - (layers * 2 + 1).leading_zeros()) as usize - 1, 0);
        bits.put(1, 1);
        for layer in 0..usize::from(self.layers) {
            bits.put(16, u32::from(WIDTHS[layer] - 1));
            bits.put(16, u32::from(HEIGHTS[layer] - 1));
        }
    }

    /// What a frame is to a decode target: 0 not present, 1 discardable, 2 switch, 3 required.
    fn indication(&self, layer: u32, kind: u32, spatial: u32, temporal: u32) -> u32 {
        let is_between = kind == 2;
        match (spatial.cmp(&layer), kind) {
            (std::cmp::Ordering::Less, _) => 0,
            (_, 2) if temporal == 0 => 0,
            (_, 0) => 2,
            (std::cmp::Ordering::Equal, _) => {
                if is_between {
                    1
                } else {
                    2
                }
            }
            (std::cmp::Ordering::Greater, _) => match self.prediction {
                Prediction::KeyPictures => 0,
                Prediction::Always => 3,
            },
        }
    }
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    bits: usize,
}

impl Writer {
    fn put(&mut self, count: usize, value: u32) {
        for bit in (0..count).rev() {
            if self.bits.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if value >> bit & 1 == 1 {
                *self.bytes.last_mut().expect("pushed") |= 0x80 >> (self.bits % 8);
            }
            self.bits += 1;
        }
    }
}

impl Tag {
    const LENGTH: usize = 20;

    fn write(&self, payload: &mut Vec<u8>) {
        payload.extend(self.frame.to_be_bytes());
        payload.extend(self.picture.to_be_bytes());
        payload.extend([self.layer, self.part, self.parts, self.references.len() as u8]);
        for index in 0..2 {
            payload.extend(self.references.get(index).copied().unwrap_or(0).to_be_bytes());
        }
    }

    pub fn read(payload: &[u8]) -> Self {
        let tag = payload.last_chunk::<{ Self::LENGTH }>().expect("tagged");
        let number = |at: usize| u32::from_be_bytes([tag[at], tag[at + 1], tag[at + 2], tag[at + 3]]);
        let references = (0..usize::from(tag[11])).map(|index| number(12 + 4 * index)).collect();
        let [layer, part, parts] = [tag[8], tag[9], tag[10]];
        Self { frame: number(0), picture: number(4), layer, part, parts, references }
    }
}

/// What one receiver was sent of a scalable stream.
#[derive(Default)]
pub struct Decoder {
    /// By sequence number; none for packets that only fill a gap.
    pub received: BTreeMap<u64, Option<(Tag, Forward)>>,
    parts: HashMap<u32, HashSet<u8>>,
}

impl Decoder {
    /// # Panics
    /// If a sequence number comes twice.
    pub fn receive(&mut self, forward: &Forward, payload: &[u8]) {
        let is_empty = forward.part == Some((0, 0));
        assert!(is_empty || forward.part.is_none());
        let tag = (!is_empty).then(|| Tag::read(payload));
        if let Some(tag) = &tag {
            assert!(self.parts.entry(tag.frame).or_default().insert(tag.part), "{tag:?} twice");
        }
        let before = self.received.insert(forward.sequence, tag.map(|tag| (tag, *forward)));
        assert!(before.is_none(), "{} twice", forward.sequence);
    }

    /// Whether every frame came whole and after all that it is predicted from, but for those that cannot
    /// be decoded whatever is forwarded.
    ///
    /// # Panics
    /// If not.
    pub fn assert_decodable(&self, lost: &HashSet<u32>) {
        let mut decoded: HashSet<u32> = HashSet::new();
        let frames: BTreeMap<u32, &Tag> = self.received.values().flatten().map(|(tag, _)| (tag.frame, tag)).collect();
        for (frame, tag) in frames.into_iter().filter(|(frame, _)| !lost.contains(frame)) {
            assert_eq!(self.parts[&frame].len(), usize::from(tag.parts), "{tag:?} is not whole");
            let missing = tag.references.iter().find(|reference| !decoded.contains(reference));
            assert_eq!(missing, None, "{tag:?} cannot be decoded");
            decoded.insert(frame);
        }
    }

    /// # Panics
    /// If a sequence number is missing.
    pub fn assert_gapless(&self) {
        let numbers: Vec<u64> = self.received.keys().copied().collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    }

    /// The layers of the last pictures, highest of each, newest last.
    pub fn layers(&self) -> Vec<u8> {
        let mut pictures: BTreeMap<u32, u8> = BTreeMap::new();
        for (tag, _) in self.received.values().flatten() {
            let layer = pictures.entry(tag.picture).or_default();
            *layer = tag.layer.max(*layer);
        }
        pictures.into_values().collect()
    }
}
