//! What a leg's streams have carried, packet by packet, for snapshots.

use std::time::{Duration, Instant};

use conclave_proto::{MediaCodec, SourceKind};
use conclave_sfu::{Codec, LayerIndex, SlotId};

use crate::stats::Traffic;

/// A slot that was sent nothing for this long carries nothing: a voice that pauses still sends a
/// packet every 400 ms (RFC 7587, section 3.1.3).
const IDLE: Duration = Duration::from_secs(2);
/// A sequence number this far from the last is that of a sender that began anew.
const RESTART: u64 = 3_000;

/// Of one leg.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// By kind of source and layer.
    sources: [[Option<SourceTally>; LayerIndex::COUNT]; SourceKind::ALL.len()],
    audio_slots: Vec<SlotTally>,
    video_slots: Vec<SlotTally>,
    pub(crate) round_trip: Option<Duration>,
}

/// One layer of a source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceTally {
    pub(crate) codec: Codec,
    pub(crate) traffic: Traffic,
    first: u64,
    newest: u64,
    /// Packets since `first`.
    arrived: u64,
    /// Lost before `first`.
    lost_before: u64,
    arrival: Instant,
    timestamp: u32,
    /// In seconds.
    jitter: f64,
}

/// One slot.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SlotTally {
    pub(crate) traffic: Traffic,
    pub(crate) jitter: Option<Duration>,
    carried: Option<CarriedTally>,
}

/// What was last sent in a slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CarriedTally {
    /// The key of the leg that it came from.
    pub(crate) leg: u64,
    pub(crate) source: SourceKind,
    pub(crate) layer: LayerIndex,
    pub(crate) codec: Codec,
    pub(crate) at: Instant,
}

/// The parts of an arriving packet that are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived {
    pub(crate) at: Instant,
    pub(crate) codec: Codec,
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) bytes: usize,
}

impl Tally {
    /// A packet of a source has come.
    pub(crate) fn arrived(&mut self, source: SourceKind, layer: LayerIndex, packet: Arrived) {
        let tally = &mut self.sources[source as usize][layer.index()];
        tally.get_or_insert_with(|| SourceTally::new(packet)).count(packet);
    }

    /// A packet was queued for a slot.
    pub(crate) fn sent(&mut self, slot: SlotId, bytes: usize, carried: CarriedTally) {
        let Some(tally) = self.slot(slot) else { return };
        tally.traffic.count(bytes);
        tally.carried = Some(carried);
    }

    /// The client has reported on a slot: packets that it lost since the beginning.
    pub(crate) fn reported(&mut self, slot: SlotId, lost: u64, jitter: Duration) {
        let Some(tally) = self.slot(slot) else { return };
        tally.traffic.lost = tally.traffic.lost.max(lost);
        tally.jitter = Some(jitter);
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = (SourceKind, LayerIndex, &SourceTally)> {
        SourceKind::ALL.into_iter().flat_map(move |source| {
            let layers = LayerIndex::ALL.into_iter().zip(&self.sources[source as usize]);
            layers.filter_map(move |(layer, tally)| Some((source, layer, tally.as_ref()?)))
        })
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = (SlotId, &SlotTally)> {
        let audio = (0..).map(SlotId::Audio).zip(&self.audio_slots);
        audio.chain((0..).map(SlotId::Video).zip(&self.video_slots)).filter(|(_, tally)| tally.traffic.packets > 0)
    }

    /// Bounded by the type of the position: there are far fewer slots.
    fn slot(&mut self, slot: SlotId) -> Option<&mut SlotTally> {
        let (slots, index) = match slot {
            SlotId::Audio(index) => (&mut self.audio_slots, usize::from(index)),
            SlotId::Video(index) => (&mut self.video_slots, usize::from(index)),
        };
        if slots.len() <= index {
            slots.resize(index + 1, SlotTally::default());
        }
        slots.get_mut(index)
    }
}

impl SourceTally {
    fn new(packet: Arrived) -> Self {
        Self {
            codec: packet.codec,
            traffic: Traffic::default(),
            first: packet.sequence,
            newest: packet.sequence,
            arrived: 0,
            lost_before: 0,
            arrival: packet.at,
            timestamp: packet.timestamp,
            jitter: 0.0,
        }
    }

    fn count(&mut self, packet: Arrived) {
        if packet.sequence.abs_diff(self.newest) > RESTART || packet.codec != self.codec {
            let (traffic, lost_before) = (self.traffic, self.traffic.lost);
            *self = Self { traffic, lost_before, ..Self::new(packet) };
        }
        self.traffic.count(packet.bytes);
        self.arrived += 1;
        self.first = self.first.min(packet.sequence);
        if packet.sequence > self.newest {
            // RFC 3550, section 6.4.1; packets of one picture share a timestamp and say nothing about the
            // way between pictures.
            if packet.timestamp != self.timestamp {
                let rate = f64::from(self.codec.clock_rate());
                let sent = f64::from(packet.timestamp.wrapping_sub(self.timestamp).cast_signed()) / rate;
                let came = packet.at.saturating_duration_since(self.arrival).as_secs_f64();
                self.jitter += ((came - sent).abs().min(1.0) - self.jitter) / 16.0;
                (self.timestamp, self.arrival) = (packet.timestamp, packet.at);
            }
            self.newest = packet.sequence;
        }
        let lost = (self.newest - self.first + 1).saturating_sub(self.arrived);
        self.traffic.lost = self.lost_before + lost;
    }

    pub(crate) fn jitter(&self) -> Duration {
        Duration::from_secs_f64(self.jitter)
    }
}

impl SlotTally {
    pub(crate) fn carried(&self, now: Instant) -> Option<CarriedTally> {
        self.carried.filter(|carried| now.saturating_duration_since(carried.at) < IDLE)
    }
}

/// The protocol's word.
pub(crate) fn codec(codec: Codec) -> MediaCodec {
    match codec {
        Codec::Opus => MediaCodec::Opus,
        Codec::OpusRed => MediaCodec::OpusRed,
        Codec::Vp8 => MediaCodec::Vp8,
        Codec::H264 => MediaCodec::H264,
        Codec::Vp9 => MediaCodec::Vp9,
        Codec::Av1 => MediaCodec::Av1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(packets: &[(u64, u64)]) -> Tally {
        let start = Instant::now();
        let mut tally = Tally::default();
        for &(sequence, ms) in packets {
            let at = start + Duration::from_millis(ms);
            let timestamp = (sequence as u32).wrapping_mul(960);
            let packet = Arrived { at, codec: Codec::Opus, sequence, timestamp, bytes: 100 };
            tally.arrived(SourceKind::Microphone, LayerIndex::LOW, packet);
        }
        tally
    }

    fn microphone(tally: &Tally) -> &SourceTally {
        tally.sources().next().expect("a packet came").2
    }

    #[test]
    fn a_gap_is_a_loss_until_the_late_packet_comes() {
        let gap = tally(&[(5, 0), (6, 20), (9, 80)]);
        assert_eq!(microphone(&gap).traffic, Traffic { packets: 3, bytes: 300, lost: 2 });
        let late = tally(&[(5, 0), (6, 20), (9, 80), (7, 90)]);
        assert_eq!(microphone(&late).traffic.lost, 1);
    }

    #[test]
    fn a_sender_that_begins_anew_has_lost_nothing_in_between() {
        let restarted = tally(&[(5, 0), (7, 40), (900_000, 60), (900_001, 80)]);
        assert_eq!(microphone(&restarted).traffic.lost, 1);
    }

    #[test]
    fn packets_that_come_as_evenly_as_they_were_sent_have_no_jitter() {
        let even = tally(&(0..100).map(|i| (i, i * 20)).collect::<Vec<_>>());
        assert!(microphone(&even).jitter() < Duration::from_micros(100));
        let uneven = tally(&(0..100).map(|i| (i, i * 20 + i % 2 * 10)).collect::<Vec<_>>());
        assert!(microphone(&uneven).jitter() > Duration::from_millis(5));
    }

    #[test]
    fn a_slot_that_is_sent_nothing_carries_nothing() {
        let now = Instant::now();
        let mut tally = Tally::default();
        let carried =
            CarriedTally { leg: 1, source: SourceKind::Camera, layer: LayerIndex::HIGH, codec: Codec::Vp8, at: now };
        tally.sent(SlotId::Video(3), 1_000, carried);
        let (slot, found) = tally.slots().next().expect("used");
        assert_eq!((slot, found.traffic.bytes, tally.slots().count()), (SlotId::Video(3), 1_000, 1));
        assert!(found.carried(now + IDLE / 2).is_some() && found.carried(now + IDLE).is_none());
    }
}
