//! One incoming stream: one encoding of one source on one leg.

use std::time::Duration;

use conclave_proto::SourceKind;

use crate::dependency::{Dependency, Place};
use crate::frame::Frame;
use crate::keyframes::KeyframeRequests;
use crate::picture::Counters;
use crate::rate::RateMeter;
use crate::red::Redundant;
use crate::rtp::{Bitrate, Codec, LayerIndex, Resolution, RtpPacket, Time, Timestamp};
use crate::scalability::{self, Scalability};
use crate::window::{Arrival, ReceiveWindow};
use crate::{av1, h264, vp8, vp9};

/// Largest payload that is forwarded: what fits in an Ethernet frame.
pub(crate) const MAX_PAYLOAD: usize = 1_500;

/// How long a layer may be silent, while another of its source arrives, before it counts as absent.
pub(crate) const LAYER_TIMEOUT: Duration = Duration::from_millis(400);

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
    /// Later than all before it.
    pub is_newest: bool,
    /// A decoder can begin here, and nothing of what follows has come before.
    pub entry: bool,
    /// Counts the times the stream began anew (or changed its codec).
    pub epoch: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Stream {
    window: ReceiveWindow,
    meter: RateMeter,
    pub keyframes: KeyframeRequests,
    codec: Option<Codec>,
    /// Whether its newest packet carried copies.
    is_redundant: bool,
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
}

impl Stream {
    pub fn new(kind: SourceKind) -> Self {
        let window = if kind == SourceKind::Screen { SCREEN_WINDOW } else { CAMERA_WINDOW };
        Self {
            window: ReceiveWindow::default(),
            meter: RateMeter::new(window),
            keyframes: KeyframeRequests::default(),
            codec: None,
            is_redundant: false,
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
        let arrival = self.window.insert(packet.sequence);
        if arrival == Arrival::Refused {
            return None;
        }
        let is_newest = arrival != Arrival::Late;
        let codec = family(packet.codec);
        if is_newest && (arrival == Arrival::Start || self.codec != Some(codec)) {
            self.epoch = self.epoch.wrapping_add(1);
            self.codec = Some(codec);
            self.layers.restart();
        } else if self.codec != Some(codec) {
            return None;
        }
        let reading = self.read(now, packet, payload, arrival);
        if reading.entry {
            self.keyframes.arrived();
        }
        if is_newest {
            self.newest_timestamp = packet.timestamp;
            self.is_redundant = packet.codec == Codec::OpusRed;
        }
        self.last_arrival = self.last_arrival.max(Some(now));
        self.meter.add(now, packet.payload.len());
        if let Some(frame) = &reading.frame {
            self.layers.count(now, frame, packet.payload.len());
        }
        Some(Incoming {
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            marker: packet.marker,
            codec: packet.codec,
            counters: reading.counters,
            frame: reading.frame,
            is_scalable: self.is_scalable(),
            dependency: reading.dependency,
            red: reading.red,
            is_newest,
            entry: reading.entry,
            epoch: self.epoch,
        })
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

    fn read(&mut self, now: Time, packet: &RtpPacket<'_>, payload: Payload, arrival: Arrival) -> Reading {
        let is_newest = arrival != Arrival::Late;
        let begins_picture = is_newest && packet.timestamp != self.newest_timestamp;
        let place = scalability::Place { sequence: packet.sequence, is_newest, begins_picture };
        let mut reading = Reading::default();
        match payload {
            Payload::Padding => {}
            Payload::Opus(red) => {
                reading.red = red;
                reading.entry = is_newest;
            }
            Payload::Vp8(descriptor) => {
                let resolution = descriptor.keyframe(packet.payload);
                self.resolution = resolution.or(self.resolution);
                reading.counters = descriptor.counters;
                reading.entry = is_newest && resolution.is_some();
            }
            Payload::H264(contents) => {
                self.resolution = contents.resolution.or(self.resolution);
                let contiguous = !matches!(arrival, Arrival::Newest { contiguous: false });
                // Without parameter sets of its own an IDR picture is an entry only if they cannot
                // have been in a packet before it that is missing.
                reading.entry = is_newest && (contents.parameters || contents.idr && begins_picture && contiguous);
            }
            Payload::Vp9(descriptor) => {
                let resolution = descriptor.keyframe(packet.payload);
                self.resolution = resolution.or(self.resolution);
                reading.counters = descriptor.counters;
                reading.entry = is_newest && resolution.is_some();
                if self.layers.is_refuted(place, &descriptor) {
                    // All begin again with the next key frame.
                    self.epoch = self.epoch.wrapping_add(1);
                    self.layers.restart();
                }
                reading.frame = Some(self.layers.vp9(now, place, &descriptor, reading.entry));
            }
            Payload::Av1(contents, None) => {
                self.resolution = contents.resolution.or(self.resolution);
                reading.entry = is_newest && contents.begins_sequence;
            }
            Payload::Av1(_, Some(mut dependency)) => {
                let begins_sequence = dependency.structure.is_some() && dependency.frame.starts;
                reading.entry = is_newest && begins_sequence;
                self.layers.dependency(now, place, &mut dependency);
                self.resolution =
                    self.layers.structure(packet.sequence).and_then(|s| s.size(s.top())).or(self.resolution);
                (reading.frame, reading.dependency) = (Some(dependency.frame), Some(dependency.place));
            }
        }
        reading
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
    fn a_key_frame_whose_later_parts_came_first_is_no_entry() {
        let mut stream = Stream::new(SourceKind::Camera);
        stream.receive(at(0), &packet(1, 0, Codec::Vp8, &VP8_DELTA));
        stream.receive(at(1), &packet(3, 3_000, Codec::Vp8, &[0x00, 0x55]));
        let late = stream.receive(at(2), &packet(2, 3_000, Codec::Vp8, &VP8_KEY)).expect("taken");
        assert!(!late.entry);
        assert!(stream.receive(at(3), &packet(4, 6_000, Codec::Vp8, &VP8_KEY)).expect("taken").entry);
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
