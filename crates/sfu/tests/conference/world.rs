//! A room in virtual time: senders that encode as browsers do, and receivers that check every packet.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use conclave_proto::{
    LegNumber, MediaState, Mid, ParticipantId, PublishWish, Slots, SourceKind, VideoCodec, View, ViewItem,
};
use conclave_sfu::{
    AudioLevel, Bitrate, Codec, Conference, Forward, LayerIndex, LegConfig, LegId, Output, RtpPacket, SlotId, Time,
    Timestamp,
};

/// Virtual time moves in these steps: every sender's packets fall on one.
const STEP_MS: u64 = 10;
const FRAME_MS: u64 = 30;
const PACKET_BYTES: usize = 1_000;

pub const ALL_ON: MediaState = MediaState { microphone: true, camera: true, screen: true, screen_audio: true };
pub const CAMERA: MediaState = MediaState { microphone: false, camera: true, screen: false, screen_audio: false };
pub const MICROPHONE: MediaState = MediaState { microphone: true, camera: false, screen: false, screen_audio: false };
pub const NOTHING: MediaState = MediaState { microphone: false, camera: false, screen: false, screen_audio: false };

/// What a packet says about itself, hidden in its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    pub sender: u8,
    pub kind: SourceKind,
    pub layer: u8,
    pub frame: u16,
    pub key: bool,
    pub first: bool,
}

/// A packet as a receiver gets it.
#[derive(Clone, Debug)]
pub struct Received {
    pub at_ms: u64,
    pub forward: Forward,
    pub tag: Tag,
}

/// One encoding.
#[derive(Clone, Debug)]
pub struct Encoder {
    pub kbps: u64,
    pub size: (u16, u16),
    pub on: bool,
    /// Stopped by the sender itself, whatever is wished.
    pub broken: bool,
    pub codec: Codec,
    pub sequence: u64,
    pub timestamp: u32,
    pub picture_id: u16,
    pub tl0: u8,
    pub frame: u16,
    pub key_wanted: bool,
    /// Does not answer requests for a key frame.
    pub deaf: bool,
    /// The first packet of its key frames comes so much later than the rest.
    pub key_start_late_ms: Option<u64>,
    pub keys_sent: usize,
    pub keys_asked: Vec<u64>,
}

pub struct Sender {
    pub encoders: BTreeMap<(SourceKind, u8), Encoder>,
    /// In −dBov, for sounds.
    pub level: u8,
    pub silent: bool,
}

pub struct World {
    pub conference: Conference,
    pub now_ms: u64,
    pub senders: BTreeMap<LegId, Sender>,
    pub names: BTreeMap<LegId, String>,
    pub received: HashMap<(LegId, SlotId), Vec<Received>>,
    pub slots: HashMap<LegId, Slots>,
    pub slots_changes: HashMap<LegId, usize>,
    pub speakers: Vec<(u64, Vec<String>)>,
    pub wishes: Vec<(u64, String, PublishWish)>,
    pub follow_wishes: bool,
    pub estimates: BTreeMap<LegId, Bitrate>,
    /// Packets that come late, with the time.
    underway: Vec<(u64, LegId, SourceKind, u8, Late)>,
}

/// Sequence number, timestamp, marker, codec and payload.
type Late = (u64, u32, bool, Codec, Vec<u8>);

pub fn id(name: &str) -> ParticipantId {
    ParticipantId::parse(name).expect("valid")
}

pub fn mid(name: &str) -> Mid {
    Mid::try_from(name.to_owned()).expect("valid")
}

pub fn item(name: &str, source: SourceKind, height: u16, priority: u8) -> ViewItem {
    let width = (u32::from(height) * 16 / 9) as u16;
    ViewItem { participant: id(name), source, width, height, priority }
}

pub fn config(name: &str, number: u32, media: MediaState, decodes: &[VideoCodec]) -> LegConfig {
    LegConfig {
        participant: id(name),
        number: LegNumber(number),
        media,
        decodes: decodes.to_vec(),
        audio_slots: ["a0", "a1", "a2"].map(mid).to_vec(),
        video_slots: ["v0", "v1", "v2", "v3"].map(mid).to_vec(),
    }
}

impl World {
    pub fn new() -> Self {
        Self {
            conference: Conference::new(7),
            now_ms: 1_000,
            senders: BTreeMap::new(),
            names: BTreeMap::new(),
            received: HashMap::new(),
            slots: HashMap::new(),
            slots_changes: HashMap::new(),
            speakers: Vec::new(),
            wishes: Vec::new(),
            follow_wishes: true,
            estimates: BTreeMap::new(),
            underway: Vec::new(),
        }
    }

    pub fn now(&self) -> Time {
        Time::since_start(Duration::from_millis(self.now_ms))
    }

    /// A person with a connected leg, sending what is on, decoding VP8 only, with 10 Mbit/s.
    pub fn join(&mut self, name: &str, media: MediaState) -> LegId {
        self.join_with(config(name, 1, media, &[VideoCodec::Vp8]))
    }

    pub fn join_with(&mut self, config: LegConfig) -> LegId {
        let (name, media) = (config.participant.to_string(), config.media);
        let leg = self.conference.add_leg(self.now(), config).expect("added");
        self.conference.handle_connected(self.now(), leg);
        self.estimates.insert(leg, Bitrate::kbps(10_000));
        self.conference.handle_estimate(self.now(), leg, Bitrate::kbps(10_000));
        self.names.insert(leg, name);
        self.senders.insert(leg, Sender::new(media, leg.index() as u64));
        self.drain();
        leg
    }

    pub fn leave(&mut self, leg: LegId) {
        self.conference.remove_leg(self.now(), leg);
        self.senders.remove(&leg);
        self.drain();
    }

    pub fn media(&mut self, name: &str, media: MediaState) {
        self.conference.handle_media_state(self.now(), &id(name), media);
        for (leg, other) in &self.names {
            if other == name
                && let Some(sender) = self.senders.get_mut(leg)
            {
                sender.set_media(media, leg.index() as u64 + self.now_ms);
            }
        }
        self.drain();
    }

    pub fn view(&mut self, leg: LegId, items: Vec<ViewItem>) {
        self.conference.handle_view(self.now(), leg, &View { items });
        self.drain();
    }

    pub fn estimate(&mut self, leg: LegId, kbps: u64) {
        self.conference.handle_estimate(self.now(), leg, Bitrate::kbps(kbps));
        self.drain();
    }

    pub fn encoder(&mut self, leg: LegId, kind: SourceKind, layer: u8) -> &mut Encoder {
        self.senders.get_mut(&leg).expect("here").encoders.get_mut(&(kind, layer)).expect("sends")
    }

    pub fn run(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while self.now_ms < end {
            self.step();
        }
    }

    fn step(&mut self) {
        self.now_ms += STEP_MS;
        if self.conference.poll_timeout().is_some_and(|at| at <= self.now()) {
            self.conference.handle_timeout(self.now());
            self.drain();
        }
        let (due, still) = std::mem::take(&mut self.underway).into_iter().partition(|late| late.0 <= self.now_ms);
        self.underway = still;
        let due: Vec<_> = due;
        for (_, leg, kind, layer, packet) in due {
            self.hand_over(leg, kind, layer, packet, 0);
        }
        let legs: Vec<LegId> = self.senders.keys().copied().collect();
        for leg in legs {
            let keys: Vec<(SourceKind, u8)> = self.senders[&leg].encoders.keys().copied().collect();
            for key in keys {
                self.send_frame(leg, key);
            }
        }
    }

    fn send_frame(&mut self, leg: LegId, (kind, layer): (SourceKind, u8)) {
        let now_ms = self.now_ms;
        let sender = self.senders.get_mut(&leg).expect("here");
        let (level, silent) = (sender.level, sender.silent);
        let encoder = sender.encoders.get_mut(&(kind, layer)).expect("here");
        let interval = if kind.is_audio() { 20 } else { FRAME_MS };
        if !now_ms.is_multiple_of(interval) || !encoder.on || encoder.broken || silent {
            return;
        }
        encoder.timestamp =
            encoder.timestamp.wrapping_add((u64::from(encoder.codec.clock_rate()) * interval / 1_000) as u32);
        encoder.frame = encoder.frame.wrapping_add(1);
        encoder.picture_id = (encoder.picture_id + 1) & 0x7fff;
        encoder.tl0 = encoder.tl0.wrapping_add(1);
        let key = std::mem::take(&mut encoder.key_wanted);
        encoder.keys_sent += usize::from(key);
        let bytes = (encoder.kbps * interval / 8) as usize * if key { 2 } else { 1 };
        let count = bytes.div_ceil(PACKET_BYTES).max(1);
        let mut packets = Vec::new();
        for number in 0..count {
            encoder.sequence += 1;
            let first = number == 0;
            let tag = Tag { sender: leg.index() as u8, kind, layer, frame: encoder.frame, key, first };
            let payload = payload(encoder, tag, bytes / count);
            packets.push((encoder.sequence, encoder.timestamp, number + 1 == count, encoder.codec, payload));
        }
        if let Some(late_ms) = encoder.key_start_late_ms.filter(|_| key) {
            self.underway.push((now_ms + late_ms, leg, kind, layer, packets.remove(0)));
        }
        for packet in packets {
            self.hand_over(leg, kind, layer, packet, level);
        }
    }

    fn hand_over(&mut self, leg: LegId, kind: SourceKind, layer: u8, packet: Late, level: u8) {
        let (sequence, timestamp, marker, codec, payload) = packet;
        let packet = RtpPacket {
            sequence,
            timestamp: Timestamp(timestamp),
            marker,
            codec,
            payload: &payload,
            audio_level: kind.is_audio().then(|| AudioLevel::from_minus_dbov(level)),
            voice_activity: kind.is_audio().then_some(true),
            descriptor: None,
        };
        self.deliver(leg, kind, layer, &packet);
    }

    /// Hands a packet to the conference, and what becomes of it to the receivers.
    pub fn deliver(&mut self, leg: LegId, kind: SourceKind, layer: u8, packet: &RtpPacket<'_>) {
        let layer = LayerIndex::new(layer).expect("below 3");
        let now = self.now();
        let forwards = self.conference.handle_rtp(now, leg, kind, layer, packet).to_vec();
        for forward in forwards {
            let tag = read_tag(packet.payload);
            let received = Received { at_ms: self.now_ms, forward, tag };
            self.received.entry((forward.leg, forward.slot)).or_default().push(received);
        }
        while let Some(held) = self.conference.poll_held(now) {
            let tag = read_tag(held.payload);
            for forward in held.forwards {
                let received = Received { at_ms: self.now_ms, forward: *forward, tag };
                self.received.entry((forward.leg, forward.slot)).or_default().push(received);
            }
        }
        self.drain();
    }

    pub fn drain(&mut self) {
        while let Some(output) = self.conference.poll_output() {
            match output {
                Output::RequestKeyframe { leg, source, layer } => {
                    let now_ms = self.now_ms;
                    if let Some(sender) = self.senders.get_mut(&leg)
                        && let Some(encoder) = sender.encoders.get_mut(&(source, layer.index() as u8))
                    {
                        encoder.key_wanted |= !encoder.deaf;
                        encoder.keys_asked.push(now_ms);
                    }
                }
                Output::SlotsChanged { leg, participant, slots } => {
                    assert_eq!(participant.as_str(), self.names.get(&leg).map_or(participant.as_str(), |name| name));
                    *self.slots_changes.entry(leg).or_default() += 1;
                    self.slots.insert(leg, slots);
                }
                Output::Speakers(speakers) => {
                    self.speakers.push((self.now_ms, speakers.iter().map(|id| id.to_string()).collect()));
                }
                Output::PublishWish { participant, wish } => {
                    for (leg, sender) in &mut self.senders {
                        if self.follow_wishes && self.names[leg] == participant.as_str() {
                            sender.follow(&wish);
                        }
                    }
                    self.wishes.push((self.now_ms, participant.to_string(), wish));
                }
            }
        }
    }

    pub fn got(&self, leg: LegId, slot: u8) -> &[Received] {
        self.received.get(&(leg, SlotId::Video(slot))).map_or(&[], |received| received)
    }

    pub fn heard(&self, leg: LegId, slot: u8) -> &[Received] {
        self.received.get(&(leg, SlotId::Audio(slot))).map_or(&[], |received| received)
    }

    /// The layer of the last packet in a slot, if it came within the last 100 ms.
    pub fn layer_now(&self, leg: LegId, slot: u8) -> Option<u8> {
        let last = self.got(leg, slot).last()?;
        (self.now_ms - last.at_ms < 100).then_some(last.tag.layer)
    }

    /// The slot in which a leg is shown a picture.
    pub fn slot_of(&self, leg: LegId, name: &str, source: SourceKind) -> Option<u8> {
        let slots = self.slots.get(&leg)?;
        let slot = slots.video.iter().find(|slot| slot.participant == id(name) && slot.source == source)?;
        slot.mid.as_str().strip_prefix('v')?.parse().ok()
    }

    /// Whom a leg hears, in the order of its slots.
    pub fn hears(&self, leg: LegId) -> Vec<String> {
        self.slots
            .get(&leg)
            .map_or(Vec::new(), |slots| slots.audio.iter().map(|slot| slot.participant.to_string()).collect())
    }

    /// Times at which a slot went from one layer or source to another.
    pub fn switches(&self, leg: LegId, slot: u8) -> Vec<(u64, u8, u8)> {
        let pairs = self.got(leg, slot).windows(2);
        pairs
            .filter(|pair| pair[0].tag.layer != pair[1].tag.layer)
            .map(|pair| (pair[1].at_ms, pair[0].tag.layer, pair[1].tag.layer))
            .collect()
    }

    /// Checks all that a receiver's jitter buffer and decoder rely on, for senders without loss.
    pub fn assert_continuous(&self) {
        for ((leg, slot), received) in &self.received {
            for pair in received.windows(2) {
                let [before, after] = [&pair[0], &pair[1]];
                let context = format!("{leg:?} {slot:?}: {before:?} then {after:?}");
                assert_eq!(after.forward.sequence, before.forward.sequence + 1, "{context}");
                let same_frame = (before.tag.sender, before.tag.kind, before.tag.layer, before.tag.frame)
                    == (after.tag.sender, after.tag.kind, after.tag.layer, after.tag.frame);
                let advance = after.forward.timestamp - before.forward.timestamp;
                assert_eq!(advance == 0, same_frame, "{context}");
                let clock = after.forward.codec.clock_rate() as i32 / 1_000;
                let elapsed = (after.at_ms - before.at_ms) as i32 * clock;
                assert!((advance - elapsed).abs() <= 50 * clock, "{context}: {advance} in {elapsed}");
                let switched = (before.tag.sender, before.tag.kind, before.tag.layer)
                    != (after.tag.sender, after.tag.kind, after.tag.layer);
                if switched && !after.tag.kind.is_audio() {
                    assert!(after.tag.key && after.tag.first, "entered at a key frame: {context}");
                }
                if let (Some(a), Some(b)) = (counters(before), counters(after)) {
                    let step = u16::from(!same_frame);
                    assert_eq!(b.0, (a.0 + step) & 0x7fff, "{context}");
                    assert_eq!(b.1, a.1.wrapping_add(step as u8), "{context}");
                }
            }
        }
    }
}

impl Sender {
    fn new(media: MediaState, seed: u64) -> Self {
        let mut sender = Self { encoders: BTreeMap::new(), level: 127, silent: false };
        sender.set_media(media, seed);
        sender
    }

    fn set_media(&mut self, media: MediaState, seed: u64) {
        self.encoders.retain(|(kind, _), _| media.has(*kind));
        for kind in SourceKind::ALL.into_iter().filter(|kind| media.has(*kind)) {
            let layers: &[(u64, (u16, u16))] = match kind {
                SourceKind::Camera => &[(150, (320, 180)), (500, (640, 360)), (1_500, (1280, 720))],
                SourceKind::Screen => &[(800, (1920, 1080))],
                _ => &[(32, (0, 0))],
            };
            for (layer, (kbps, size)) in layers.iter().enumerate() {
                let start = seed * 7_919 + layer as u64 * 104_729;
                self.encoders.entry((kind, layer as u8)).or_insert(Encoder {
                    kbps: *kbps,
                    size: *size,
                    on: true,
                    broken: false,
                    codec: if kind.is_audio() { Codec::Opus } else { Codec::Vp8 },
                    sequence: start % 65_536,
                    timestamp: (start * 31_337) as u32,
                    picture_id: start as u16 & 0x7fff,
                    tl0: start as u8,
                    frame: 0,
                    key_wanted: true,
                    deaf: false,
                    key_start_late_ms: None,
                    keys_sent: 0,
                    keys_asked: Vec::new(),
                });
            }
        }
    }

    fn follow(&mut self, wish: &PublishWish) {
        for ((kind, layer), encoder) in &mut self.encoders {
            if *kind == wish.source {
                let on = wish.layers[usize::from(*layer)];
                let codec = Codec::from(wish.codec);
                encoder.key_wanted |= on && !encoder.on || codec != encoder.codec;
                (encoder.on, encoder.codec) = (on, codec);
            }
        }
    }
}

/// The picture id and TL0PICIDX that a receiver of VP8 reads.
fn counters(received: &Received) -> Option<(u16, u8)> {
    match received.forward.patch.edits() {
        [(2, high), (3, low), (4, tl0)] => Some((u16::from_be_bytes([high & 0x7f, *low]), *tl0)),
        _ => None,
    }
}

/// A payload of the codec's format with the tag at its end.
fn payload(encoder: &Encoder, tag: Tag, bytes: usize) -> Vec<u8> {
    let mut payload = match encoder.codec {
        Codec::Opus | Codec::OpusRed => vec![0x78],
        Codec::Vp9 | Codec::Av1 => unreachable!("sent by the scalable sender"),
        Codec::Vp8 => {
            let [high, low] = encoder.picture_id.to_be_bytes();
            let start = if tag.first { 0x10 } else { 0x00 };
            let mut payload = vec![0x80 | start, 0xe0, 0x80 | high, low, encoder.tl0, 0x00];
            if tag.first && tag.key {
                let [w, h] = [encoder.size.0.to_le_bytes(), encoder.size.1.to_le_bytes()];
                payload.extend([0x10, 0, 0, 0x9d, 0x01, 0x2a, w[0], w[1], h[0], h[1]]);
            } else {
                payload.push(0x01);
            }
            payload
        }
        Codec::H264 => match (tag.key, tag.first) {
            (true, true) => vec![0x78, 0, 4, 0x67, 0x42, 0xc0, 0x1f, 0, 2, 0x68, 0xce],
            (true, false) => vec![0x7c, 0x05],
            (false, true) => vec![0x7c, 0x81],
            (false, false) => vec![0x7c, 0x01],
        },
    };
    let wanted = bytes.min(1_400).max(payload.len() + 7);
    if encoder.codec == Codec::H264 && tag.key && tag.first {
        // The aggregate's last unit takes the rest.
        let rest = wanted - payload.len() - 2;
        payload.extend((rest as u16).to_be_bytes());
        payload.push(0x65);
    }
    payload.resize(wanted - 7, 0xaa);
    let [high, low] = tag.frame.to_be_bytes();
    payload.extend([tag.sender, tag.kind as u8, tag.layer, high, low, u8::from(tag.key), u8::from(tag.first)]);
    payload
}

fn read_tag(payload: &[u8]) -> Tag {
    let [sender, kind, layer, high, low, key, first] = *payload.last_chunk::<7>().expect("tagged");
    Tag {
        sender,
        kind: SourceKind::ALL[usize::from(kind)],
        layer,
        frame: u16::from_be_bytes([high, low]),
        key: key != 0,
        first: first != 0,
    }
}
