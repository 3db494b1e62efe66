//! One outgoing stream.

use super::config::{NotQueued, Parity, SendPayload, SlotConfig, SlotStats};
use super::copies::Recent;
use super::keyframes::KeyframeRequests;
use super::numbers::{Numbers, Unusable};
use super::outgoing::{Descriptor, Outgoing, Packet};
use super::parity::LONGEST_PAYLOAD;
use super::reports::{ReportClock, Reported};
use super::sent::Sent;
use super::shift::Shift;
use crate::{PayloadType, Ssrc};

/// What a slot counts by itself; the rest of [`SlotStats`] is known elsewhere.
pub(super) type Counters = SlotStats;

#[derive(Debug)]
pub(super) struct Slot {
    pub config: SlotConfig,
    /// The media's sequence numbers, as packets are queued under them.
    pub numbers: Numbers,
    /// What they become on the wire.
    pub shift: Shift,
    /// The index of the next packet on the source of retransmissions.
    pub next_rtx: u64,
    /// That of the next packet on the source of parity.
    pub next_parity: u64,
    pub sent: Sent,
    pub keyframes: KeyframeRequests,
    pub clock: ReportClock,
    pub reported: Reported,
    /// What copies are made of; none while none are sent.
    pub recent: Option<Box<Recent>>,
    /// Of sound: whether the latest packet that was reported on did not arrive.
    pub was_lost: bool,
    pub counters: Counters,
    /// Payload bytes, as sender reports count them.
    pub octets: u64,
    /// The receiver reported on the stream, so it knows to which section it belongs.
    pub is_bound: bool,
    /// The same for the source of retransmissions.
    pub is_rtx_bound: bool,
    /// The timestamp of the latest frame, and whether its packets name their section: all of them or none, so that they
    /// have the same size.
    frame: Option<(u32, bool)>,
    /// The timestamp of a frame of which some packets were sent and others are to come.
    unfinished: Option<u32>,
    /// The timestamp of a frame of which a packet was refused: the others are useless.
    refused: Option<u32>,
    /// The payload type that padding borrows: that of the latest packet that can be sent again.
    padding_type: Option<PayloadType>,
}

impl Slot {
    pub fn new(config: SlotConfig, numbers: Numbers, shift: Shift, next_rtx: u64, next_parity: u64) -> Self {
        let padding_type = config.payloads.iter().find_map(|payload| payload.rtx);
        Self {
            config,
            numbers,
            shift,
            next_rtx,
            next_parity,
            sent: Sent::default(),
            keyframes: KeyframeRequests::default(),
            clock: ReportClock::default(),
            reported: Reported::default(),
            recent: None,
            was_lost: false,
            counters: Counters::default(),
            octets: 0,
            is_bound: false,
            is_rtx_bound: false,
            frame: None,
            unfinished: None,
            refused: None,
            padding_type,
        }
    }

    /// Negotiated anew.
    pub fn reconfigure(&mut self, config: SlotConfig, next_rtx: u64, next_parity: u64) {
        let stays_in_section = self.config.mid == config.mid;
        self.is_bound &= stays_in_section;
        self.is_rtx_bound &= stays_in_section && self.config.rtx == config.rtx;
        self.padding_type = config.payloads.iter().find_map(|payload| payload.rtx);
        (self.next_rtx, self.next_parity) = (next_rtx, next_parity);
        self.config = config;
    }

    /// Whether feedback may speak of its packets: where the peer reports by source, of all.
    pub fn is_numbered(&self, by_source: bool) -> bool {
        by_source || self.config.extensions.transport_sequence.is_some()
    }

    pub fn payload(&self, payload_type: PayloadType) -> Option<&SendPayload> {
        self.config.payloads.iter().find(|payload| payload.payload_type == payload_type)
    }

    /// Whether a packet may be queued; its number is used up then, whatever becomes of it.
    pub fn admit(&mut self, packet: &Outgoing<'_>) -> Result<(), NotQueued> {
        if self.payload(packet.payload_type).is_none() {
            return Err(NotQueued::NotNegotiated);
        }
        self.numbers.take(packet.sequence).map_err(|unusable| match unusable {
            Unusable::Used => NotQueued::Used,
            Unusable::TooFar => NotQueued::TooFar,
        })
    }

    /// The number that a packet was queued under, without wrapping, by what is left of it on the wire.
    pub fn extend(&self, short: u16) -> Option<u64> {
        let shift = self.shift.now();
        Some(self.numbers.extend(short.wrapping_sub(shift as u16))? + shift)
    }

    /// How this packet can be protected.
    pub fn protects(&self, packet: &Packet, payload: &[u8], descriptor: Option<&Descriptor>) -> Option<Parity> {
        let parity = self.config.parity.filter(|_| !self.config.is_audio && payload.len() <= LONGEST_PAYLOAD)?;
        let is_ordered = match parity {
            Parity::Flexfec { .. } => true,
            Parity::Ulpfec { vp8, vp9, .. } => {
                let has = |index: usize| payload.get(index).is_some_and(|byte| byte & 0x80 != 0);
                let is = |known: Option<PayloadType>| known == Some(packet.payload_type);
                // X, then I of VP8; I of VP9.
                descriptor.is_some() || (is(vp8) && has(0) && has(1)) || (is(vp9) && has(0))
            }
        };
        is_ordered.then_some(parity)
    }

    /// The source of its parity, if that has one of its own.
    pub fn parity_source(&self) -> Option<Ssrc> {
        self.config.parity_source()
    }

    /// The next index on the source of parity, which is used up.
    pub fn take_parity(&mut self) -> u64 {
        let index = self.next_parity;
        self.next_parity += 1;
        index
    }

    /// There is no room for a packet of the frame with this timestamp.
    pub fn refuse(&mut self, timestamp: u32) {
        self.counters.dropped += 1;
        self.refused = Some(timestamp);
        self.keyframes.request();
    }

    /// Whether another packet of this frame was refused.
    pub fn is_refused(&self, timestamp: u32) -> bool {
        self.refused == Some(timestamp)
    }

    /// Whether some packets of this frame were sent and others were not.
    pub fn is_unfinished(&self, timestamp: u32) -> bool {
        self.unfinished == Some(timestamp)
    }

    /// Begins a packet of media. Returns whether it names its section.
    pub fn begin(&mut self, packet: &Packet) -> bool {
        match self.frame {
            Some((timestamp, named)) if timestamp == packet.timestamp => named,
            _ => {
                let named = !self.is_bound;
                self.frame = Some((packet.timestamp, named));
                named
            }
        }
    }

    /// A packet of media has left.
    pub fn finish(&mut self, packet: &Packet, rtx: Option<PayloadType>) {
        self.unfinished = (!packet.marker).then_some(packet.timestamp);
        self.padding_type = rtx.or(self.padding_type);
    }

    /// The payload type of padding; `None` if the slot can send none.
    pub fn padding_type(&self) -> Option<PayloadType> {
        self.config.rtx.and(self.padding_type)
    }

    /// The timestamp that padding repeats.
    pub fn latest_timestamp(&self) -> u32 {
        self.frame.map_or(0, |(timestamp, _)| timestamp)
    }

    /// The name of the section, as long as the receiver does not know it.
    pub fn rtx_mid(&self) -> Option<&str> {
        if self.is_rtx_bound { None } else { self.config.mid.as_deref() }
    }

    /// The next index on the source of retransmissions, which is used up.
    pub fn take_rtx(&mut self) -> u64 {
        let index = self.next_rtx;
        self.next_rtx += 1;
        index
    }
}
