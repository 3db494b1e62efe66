//! One incoming stream: one encoding of one source on one leg.

use std::time::Duration;

use conclave_proto::SourceKind;

use crate::dependency::{Dependency, Place};
use crate::frame::Frame;
use crate::held::{Held, Taken};
use crate::keyframes::KeyframeRequests;
use crate::picture::Counters;
use crate::rate::{self, RateMeter};
use crate::red::Redundant;
use crate::rtp::{Bitrate, Codec, LayerIndex, Resolution, RtpPacket, Time, Timestamp};
use crate::scalability::{self, Scalability};
use crate::window::{Arrival, ReceiveWindow};
use crate::{av1, h264, vp8, vp9};

/// Largest payload that is forwarded: what fits in an Ethernet frame.
pub(crate) const MAX_PAYLOAD: usize = 1_500;

/// How long a layer may be silent, while another of its source arrives, before it counts as absent.
pub(crate) const LAYER_TIMEOUT: Duration = Duration::from_millis(400);

/// Sounds that one packet can bring back.
const MOST_RESTORED: usize = 4;

/// What a copy takes besides itself (RFC 2198 section 3).
const COPY_HEADER: usize = 4;

/// Over about so many packets it is seen how much of a sound is copies: a second.
const SHARE_SMOOTHING: f32 = 50.0;

const CAMERA_WINDOW: Duration = Duration::from_secs(2);
const SCREEN_WINDOW: Duration = Duration::from_secs(6);

/// A packet as the slots need it, read once however many they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub sequence: u64,
    pub timestamp: Timestamp,
    pub marker: bool,
    pub codec: Codec,
    /// None for codecs that do not count their pictures.
    pub counters: Counters,
    /// The frame that it belongs to, if the stream says enough to choose among its layers.
    pub frame: Option<Frame>,
    /// The stream has several layers to choose from.
    pub is_scalable: bool,
    /// Of the dependency descriptor, if there is one.
    pub dependency: Option<Place>,
    /// The blocks of [`Codec::OpusRed`].
    pub red: Option<Redundant>,
    /// Later than all before it that could be read.
    pub is_newest: bool,
    /// The packet before the gap, if it is the first after one.
    pub after_gap: Option<u64>,
    /// A decoder can begin here.
    pub entry: bool,
    /// It tells how packets are to be read that came before it though they were sent after it.
    pub explains: bool,
    /// It tells too late that the stream has no spatial layers above this one.
    pub lower_top: Option<LayerIndex>,
    /// Counts the times the stream began anew (or changed its codec).
    pub epoch: u32,
}

impl Incoming {
    /// What it is was told, by itself or by what came before it.
    pub fn is_known(&self) -> bool {
        self.frame.is_none_or(|frame| frame.is_known)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Stream {
    window: ReceiveWindow,
    /// What waits for a packet that is missing before it.
    pub held: Held,
    /// The latest packet that could be read.
    pub read_to: Option<u64>,
    meter: RateMeter,
    pub keyframes: KeyframeRequests,
    codec: Option<Codec>,
    /// Whether its newest packet carried copies.
    is_redundant: bool,
    /// What share of a sound is not copies, lately.
    own_share: f32,
    /// And what a copy of it would be of that.
    copy_share: f32,
    /// The packet before the gap that the latest one ended, and its timestamp.
    before_gap: Option<(u64, Timestamp)>,
    epoch: u32,
    newest_timestamp: Timestamp,
    last_arrival: Option<Time>,
    resolution: Option<Resolution>,
    layers: Scalability,
}

/// A payload as its codec's format has it.
enum Payload {
    /// Padding alone, which has no format; it is passed on so that its number is not missed.
    Padding,
    Opus(Option<Redundant>),
    Vp8(vp8::Descriptor),
    H264(h264::Contents),
    Vp9(vp9::Descriptor),
    Av1(av1::Contents, Option<Dependency>),
}

/// What a packet adds to what is known of its stream.
#[derive(Default)]
struct Reading {
    counters: Counters,
    frame: Option<Frame>,
    dependency: Option<Place>,
    red: Option<Redundant>,
    entry: bool,
    explains: bool,
    lower_top: Option<LayerIndex>,
}

impl Stream {
    pub fn new(kind: SourceKind) -> Self {
        let window = if kind == SourceKind::Screen { SCREEN_WINDOW } else { CAMERA_WINDOW };
        Self {
            window: ReceiveWindow::default(),
            held: Held::default(),
            read_to: None,
            meter: RateMeter::new(window),
            keyframes: KeyframeRequests::default(),
            codec: None,
            is_redundant: false,
            own_share: 1.0,
            copy_share: 1.0,
            before_gap: None,
            epoch: 0,
            newest_timestamp: Timestamp::default(),
            last_arrival: None,
            resolution: None,
            layers: Scalability::new(window),
        }
    }

    /// Takes a packet in. `None` if it is a duplicate, not plausible, or its payload is not what its
    /// codec's format allows.
    pub fn receive(&mut self, now: Time, packet: &RtpPacket<'_>) -> Option<Incoming> {
        if packet.payload.len() > MAX_PAYLOAD {
            return None;
        }
        let payload = self.parse(packet)?;
        let before = self.window.highest();
        let arrival = self.window.insert(packet.sequence);
        if arrival == Arrival::Refused {
            return None;
        }
        let is_latest = arrival != Arrival::Late;
        let codec = family(packet.codec);
        if is_latest && (arrival == Arrival::Start || self.codec != Some(codec)) {
            self.epoch = self.epoch.wrapping_add(1);
            self.codec = Some(codec);
            self.read_to = None;
            self.held.clear();
            self.layers.restart();
        } else if self.codec != Some(codec) {
            return None;
        }
        let after_gap = match arrival {
            Arrival::Start => Some(0),
            Arrival::Newest { contiguous: false } => before,
            _ => None,
        };
        self.before_gap = match arrival {
            Arrival::Newest { contiguous: false } => before.map(|before| (before, self.newest_timestamp)),
            _ => None,
        };
        self.last_arrival = self.last_arrival.max(Some(now));
        self.meter.add(now, packet.payload.len());
        Some(self.read(now, packet, payload, after_gap))
    }

    /// What a sound that came after a gap brings of those that are missing in it: the earliest first, as packets of their own
    /// whose sound is in the same payload. They count as received.
    pub fn restore(&mut self, packet: &RtpPacket<'_>, incoming: &Incoming) -> [Option<Incoming>; MOST_RESTORED] {
        let mut restored = [None; MOST_RESTORED];
        let (Some((last, timestamp)), Some(red)) = (self.before_gap.take(), incoming.red) else { return restored };
        let packets = incoming.sequence.saturating_sub(last);
        // Which number an earlier sound had is known only where all of them are equally long: not across silence.
        let ticks = u64::try_from(incoming.timestamp - timestamp).unwrap_or(0);
        let Some(each) = ticks.checked_div(packets).filter(|each| *each > 0 && ticks.is_multiple_of(packets)) else {
            return restored;
        };
        let mut places = restored.iter_mut();
        for earlier in red.earlier(packet.payload) {
            let behind = u64::from(earlier.behind);
            let back = behind / each;
            if !behind.is_multiple_of(each) || back == 0 || back >= packets {
                continue;
            }
            let sequence = incoming.sequence - back;
            if self.window.insert(sequence) == Arrival::Late
                && let Some(place) = places.next()
            {
                *place = Some(Incoming {
                    sequence,
                    timestamp: incoming.timestamp.plus(u32::from(earlier.behind).wrapping_neg()),
                    marker: false,
                    red: Some(earlier.sound),
                    entry: false,
                    ..*incoming
                });
            }
        }
        restored
    }

    /// Reads a packet again that could not be read when it came. `None` if that is still so.
    pub fn read_held(&mut self, now: Time, taken: &Taken) -> Option<Incoming> {
        let Taken { mut incoming, descriptor, .. } = *taken;
        if !incoming.is_known() {
            let sequence = incoming.sequence;
            let dependency = Dependency::parse(descriptor?.as_bytes(), self.layers.structure(sequence))?;
            if !dependency.frame.is_known {
                return None;
            }
            incoming.is_newest = self.read_to.is_none_or(|to| sequence > to);
            self.read_to = self.read_to.max(Some(sequence));
            let reading = self.read_dependency(now, sequence, incoming.is_newest, dependency);
            self.layers.count(now, reading.frame.as_ref(), self.held.payload(taken).len());
            (incoming.frame, incoming.dependency) = (reading.frame, reading.dependency);
        }
        incoming.is_scalable = self.is_scalable();
        Some(incoming)
    }

    fn parse(&self, packet: &RtpPacket<'_>) -> Option<Payload> {
        let payload = packet.payload;
        if payload.is_empty() {
            return Some(Payload::Padding);
        }
        Some(match packet.codec {
            Codec::Opus => Payload::Opus(None),
            Codec::OpusRed => Payload::Opus(Some(Redundant::parse(payload)?)),
            Codec::Vp8 => Payload::Vp8(vp8::Descriptor::parse(payload)?),
            Codec::H264 => Payload::H264(h264::Contents::parse(payload)?),
            Codec::Vp9 => Payload::Vp9(vp9::Descriptor::parse(payload)?),
            Codec::Av1 => {
                let dependency = match packet.descriptor {
                    Some(bytes) => Some(Dependency::parse(bytes, self.layers.structure(packet.sequence))?),
                    None => None,
                };
                Payload::Av1(av1::Contents::parse(payload)?, dependency)
            }
        })
    }

    fn read(&mut self, now: Time, packet: &RtpPacket<'_>, payload: Payload, after_gap: Option<u64>) -> Incoming {
        let sequence = packet.sequence;
        let is_newest = self.read_to.is_none_or(|to| sequence > to);
        let begins_picture = is_newest && packet.timestamp != self.newest_timestamp;
        let place = scalability::Place { sequence, is_newest };
        let mut reading = Reading::default();
        match payload {
            Payload::Padding => {}
            Payload::Opus(red) => {
                reading.red = red;
                let own = red.map_or(packet.payload.len(), |red| usize::from(red.length));
                let share = |bytes: usize| bytes as f32 / rate::wire_bytes(packet.payload.len()) as f32;
                self.own_share += (share(rate::wire_bytes(own)) - self.own_share) / SHARE_SMOOTHING;
                self.copy_share += (share(own + COPY_HEADER) - self.copy_share) / SHARE_SMOOTHING;
                reading.entry = is_newest;
            }
            Payload::Vp8(descriptor) => {
                let resolution = descriptor.keyframe(packet.payload);
                self.resolution = resolution.or(self.resolution);
                reading.counters = descriptor.counters;
                reading.entry = resolution.is_some();
            }
            Payload::H264(contents) => {
                self.resolution = contents.resolution.or(self.resolution);
                // Without parameter sets of its own an IDR picture is an entry only if they cannot
                // have been in a packet before it that is missing.
                reading.entry =
                    contents.parameters || contents.idr && begins_picture && after_gap.is_none_or(|at| at == 0);
            }
            Payload::Vp9(descriptor) => {
                let resolution = descriptor.keyframe(packet.payload);
                self.resolution = resolution.or(self.resolution);
                reading.counters = descriptor.counters;
                reading.entry = resolution.is_some();
                reading.lower_top = self.layers.lower_top(place, &descriptor);
                reading.frame = self.layers.vp9(now, place, &descriptor, reading.entry);
            }
            Payload::Av1(contents, None) => {
                self.resolution = contents.resolution.or(self.resolution);
                reading.entry = contents.begins_sequence;
            }
            Payload::Av1(_, Some(dependency)) => reading = self.read_dependency(now, sequence, is_newest, dependency),
        }
        if reading.entry {
            self.keyframes.arrived();
        }
        let incoming = Incoming {
            sequence,
            timestamp: packet.timestamp,
            marker: packet.marker,
            codec: packet.codec,
            counters: reading.counters,
            frame: reading.frame,
            is_scalable: self.is_scalable(),
            dependency: reading.dependency,
            red: reading.red,
            is_newest,
            after_gap,
            entry: reading.entry,
            explains: reading.explains,
            lower_top: reading.lower_top,
            epoch: self.epoch,
        };
        if is_newest && incoming.is_known() {
            (self.read_to, self.newest_timestamp) = (Some(sequence), packet.timestamp);
            self.is_redundant = packet.codec == Codec::OpusRed;
        }
        self.layers.count(now, reading.frame.as_ref(), packet.payload.len());
        incoming
    }

    fn read_dependency(&mut self, now: Time, sequence: u64, is_newest: bool, mut dependency: Dependency) -> Reading {
        let explains = dependency.structure.is_some();
        self.layers.dependency(now, scalability::Place { sequence, is_newest }, &mut dependency);
        self.resolution = self.layers.structure(sequence).and_then(|s| s.size(s.top())).or(self.resolution);
        Reading {
            frame: Some(dependency.frame),
            dependency: Some(dependency.place),
            entry: explains && dependency.frame.starts,
            explains,
            ..Reading::default()
        }
    }

    /// The source was turned off: what it sends next is news.
    pub fn forget_arrival(&mut self) {
        self.last_arrival = None;
    }

    pub fn last_arrival(&self) -> Option<Time> {
        self.last_arrival
    }

    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// What is in it: Opus is the same with copies and without.
    pub fn codec(&self) -> Option<Codec> {
        self.codec
    }

    /// What its newest packet came in: [`Self::codec`], but with the copies that sound may have.
    pub fn format(&self) -> Option<Codec> {
        if self.is_redundant { Some(Codec::OpusRed) } else { self.codec }
    }

    pub fn rate(&self) -> Option<Bitrate> {
        self.meter.rate()
    }

    /// What a sound costs without copies.
    pub fn rate_without_copies(&self) -> Option<Bitrate> {
        // At most all of it.
        self.rate().map(|rate| rate.percent((self.own_share * 100.0).round() as u64))
    }

    /// What one copy of each sound costs in the packets of others.
    pub fn rate_of_a_copy(&self) -> Option<Bitrate> {
        self.rate().map(|rate| rate.percent((self.copy_share * 100.0).round() as u64))
    }

    /// What its layers up to this one cost: all of it, if it has none to choose from.
    pub fn rate_up_to(&self, level: LayerIndex) -> Option<Bitrate> {
        if self.is_scalable() { self.layers.rate(level) } else { self.rate() }
    }

    /// Whether it has several spatial layers.
    pub fn is_scalable(&self) -> bool {
        self.layers.is_scalable()
    }

    /// Its spatial layers.
    pub fn layers(&self) -> &Scalability {
        &self.layers
    }

    pub fn resolution(&self) -> Option<Resolution> {
        self.resolution
    }
}

/// Opus is the same with copies and without: a sender may change from packet to packet.
fn family(codec: Codec) -> Codec {
    if codec.is_audio() { Codec::Opus } else { codec }
}

/// The streams of a leg, by their place in [`Lane`].
pub(crate) type Streams = [Stream; Lane::COUNT];

/// A stream's place among those of its leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lane(u8);

impl Lane {
    pub const COUNT: usize = 6;

    /// `None` for a layer that the source does not have.
    pub fn new(kind: SourceKind, layer: LayerIndex) -> Option<Self> {
        let layer = layer.index() as u8;
        match (kind, layer) {
            (SourceKind::Camera, _) => Some(Self(layer)),
            (SourceKind::Microphone, 0) => Some(Self(3)),
            (SourceKind::Screen, 0) => Some(Self(4)),
            (SourceKind::ScreenAudio, 0) => Some(Self(5)),
            _ => None,
        }
    }

    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    pub fn kind(self) -> SourceKind {
        match self.0 {
            0..=2 => SourceKind::Camera,
            3 => SourceKind::Microphone,
            4 => SourceKind::Screen,
            _ => SourceKind::ScreenAudio,
        }
    }

    pub fn layer(self) -> LayerIndex {
        // The camera's lanes are its layers; the others have one.
        LayerIndex::new(self.0).unwrap_or(LayerIndex::LOW)
    }

    pub fn new_streams() -> Streams {
        std::array::from_fn(|lane| Stream::new(Self(lane as u8).kind()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    fn packet(sequence: u64, timestamp: u32, codec: Codec, payload: &[u8]) -> RtpPacket<'_> {
        let timestamp = Timestamp(timestamp);
        RtpPacket {
            sequence,
            timestamp,
            marker: false,
            codec,
            payload,
            audio_level: None,
            voice_activity: None,
            descriptor: None,
        }
    }

    const VP8_KEY: [u8; 11] = [0x10, 0x50, 0x0b, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00];
    const VP8_DELTA: [u8; 2] = [0x10, 0x01];
    const IDR: [u8; 2] = [0x65, 0x88];
    const SLICE: [u8; 2] = [0x61, 0x9a];

    #[test]
    fn a_lane_and_its_kind_and_layer_say_the_same() {
        let mut seen = [false; Lane::COUNT];
        for kind in SourceKind::ALL {
            for layer in LayerIndex::ALL {
                let Some(lane) = Lane::new(kind, layer) else { continue };
                assert_eq!((lane.kind(), lane.layer()), (kind, layer));
                assert!(!std::mem::replace(&mut seen[lane.index()], true));
            }
        }
        assert_eq!(seen, [true; Lane::COUNT]);
    }

    #[test]
    fn a_key_frame_whose_later_parts_came_first_is_an_entry_and_known_to_be_late() {
        let mut stream = Stream::new(SourceKind::Camera);
        stream.receive(at(0), &packet(1, 0, Codec::Vp8, &VP8_DELTA));
        let second = stream.receive(at(1), &packet(3, 3_000, Codec::Vp8, &[0x00, 0x55])).expect("taken");
        assert_eq!((second.entry, second.after_gap), (false, Some(1)));
        let late = stream.receive(at(2), &packet(2, 3_000, Codec::Vp8, &VP8_KEY)).expect("taken");
        assert!(late.entry && !late.is_newest);
        let next = stream.receive(at(3), &packet(4, 6_000, Codec::Vp8, &VP8_KEY)).expect("taken");
        assert!(next.entry && next.is_newest);
        assert_eq!(stream.resolution(), Some(Resolution { width: 320, height: 180 }));
    }

    #[test]
    fn an_idr_picture_is_an_entry_only_if_its_parameters_cannot_be_missing() {
        let mut stream = Stream::new(SourceKind::Camera);
        stream.receive(at(0), &packet(1, 0, Codec::H264, &SLICE));
        let after_gap = stream.receive(at(1), &packet(3, 3_000, Codec::H264, &IDR)).expect("taken");
        assert!(!after_gap.entry);
        let second_slice = stream.receive(at(1), &packet(4, 3_000, Codec::H264, &IDR)).expect("taken");
        assert!(!second_slice.entry);
        assert!(stream.receive(at(2), &packet(5, 6_000, Codec::H264, &IDR)).expect("taken").entry);
    }

    #[test]
    fn another_codec_is_another_epoch_and_late_packets_of_the_old_one_are_dropped() {
        let mut stream = Stream::new(SourceKind::Camera);
        let first = stream.receive(at(0), &packet(1, 0, Codec::Vp8, &VP8_KEY)).expect("taken");
        let second = stream.receive(at(1), &packet(3, 3_000, Codec::H264, &SLICE)).expect("taken");
        assert_ne!(first.epoch, second.epoch);
        assert!(stream.receive(at(2), &packet(2, 0, Codec::Vp8, &VP8_DELTA)).is_none());
    }

    #[test]
    fn oversized_and_malformed_payloads_are_dropped() {
        let mut stream = Stream::new(SourceKind::Camera);
        assert!(stream.receive(at(0), &packet(1, 0, Codec::Vp8, &[0x10; MAX_PAYLOAD + 1])).is_none());
        assert!(stream.receive(at(0), &packet(1, 0, Codec::Vp8, &[0x90])).is_none());
        assert!(stream.receive(at(0), &packet(1, 0, Codec::H264, &[0xff])).is_none());
        assert!(stream.receive(at(0), &packet(1, 0, Codec::Vp8, &[])).is_some(), "padding keeps its number");
    }
}
