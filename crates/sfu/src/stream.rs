//! One incoming stream: one encoding of one source on one leg.

use std::time::Duration;

use conclave_proto::SourceKind;

use crate::keyframes::KeyframeRequests;
use crate::picture::Counters;
use crate::rate::RateMeter;
use crate::rtp::{Codec, LayerIndex, Resolution, RtpPacket, Time, Timestamp};
use crate::window::{Arrival, ReceiveWindow};
use crate::{h264, vp8};

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
    epoch: u32,
    newest_timestamp: Timestamp,
    last_arrival: Option<Time>,
    resolution: Option<Resolution>,
}

impl Stream {
    pub fn new(kind: SourceKind) -> Self {
        let window = if kind == SourceKind::Screen { SCREEN_WINDOW } else { CAMERA_WINDOW };
        Self {
            window: ReceiveWindow::default(),
            meter: RateMeter::new(window),
            keyframes: KeyframeRequests::default(),
            codec: None,
            epoch: 0,
            newest_timestamp: Timestamp::default(),
            last_arrival: None,
            resolution: None,
        }
    }

    /// Takes a packet in. `None` if it is a duplicate, not plausible, or its payload is not what its
    /// codec's format allows.
    pub fn receive(&mut self, now: Time, packet: &RtpPacket<'_>) -> Option<Incoming> {
        if packet.payload.len() > MAX_PAYLOAD {
            return None;
        }
        // Padding alone has no descriptor; it is passed on so that its number is not missed.
        let is_padding = packet.payload.is_empty();
        let vp8 = match packet.codec {
            Codec::Vp8 if !is_padding => Some(vp8::Descriptor::parse(packet.payload)?),
            _ => None,
        };
        let h264 = match packet.codec {
            Codec::H264 if !is_padding => Some(h264::Contents::parse(packet.payload)?),
            _ => None,
        };
        let arrival = self.window.insert(packet.sequence);
        if arrival == Arrival::Refused {
            return None;
        }
        let is_newest = arrival != Arrival::Late;
        if is_newest && (arrival == Arrival::Start || self.codec != Some(packet.codec)) {
            self.epoch = self.epoch.wrapping_add(1);
            self.codec = Some(packet.codec);
        } else if self.codec != Some(packet.codec) {
            return None;
        }
        let begins_picture = is_newest && packet.timestamp != self.newest_timestamp;
        let contiguous = !matches!(arrival, Arrival::Newest { contiguous: false });
        let entry = match (vp8, h264) {
            (Some(descriptor), _) => {
                let resolution = descriptor.keyframe(packet.payload);
                self.resolution = resolution.or(self.resolution);
                is_newest && resolution.is_some()
            }
            (_, Some(contents)) => {
                self.resolution = contents.resolution.or(self.resolution);
                // Without parameter sets of its own an IDR picture is an entry only if they cannot
                // have been in a packet before it that is missing.
                is_newest && (contents.parameters || contents.idr && begins_picture && contiguous)
            }
            _ => is_newest && packet.codec.is_audio(),
        };
        if entry {
            self.keyframes.arrived();
        }
        if is_newest {
            self.newest_timestamp = packet.timestamp;
        }
        self.last_arrival = self.last_arrival.max(Some(now));
        self.meter.add(now, packet.payload.len());
        Some(Incoming {
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            marker: packet.marker,
            codec: packet.codec,
            counters: vp8.map_or(Counters::default(), |descriptor| descriptor.counters),
            entry,
            epoch: self.epoch,
        })
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

    pub fn codec(&self) -> Option<Codec> {
        self.codec
    }

    pub fn rate(&self) -> Option<crate::Bitrate> {
        self.meter.rate()
    }

    pub fn resolution(&self) -> Option<Resolution> {
        self.resolution
    }
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
