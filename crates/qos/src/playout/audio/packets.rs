//! Packets that wait to be decoded.

use std::collections::VecDeque;
use std::time::Duration;

use crate::Time;

/// Packets that wait at most (libwebrtc, `api/neteq/neteq.h`, `max_packets_in_buffer`).
pub(super) const CAPACITY: usize = 200;
/// The longest payload, in bytes; no path carries a longer datagram.
pub(super) const LONGEST_PAYLOAD: usize = 9_000;
/// The longest packet: of Opus (RFC 6716, 2.1.4).
pub(super) const LONGEST_PACKET: Duration = Duration::from_millis(120);

/// Where a payload comes from. The better one is decoded, whatever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The packet itself, or one sent again.
    Primary,
    /// A copy of an earlier frame (RED, RFC 2198), or one that a repair packet gave back.
    Copy,
    /// A coarser version of the frame before, inside the payload of the next (Opus, RFC 6716, 2.1.7). The payload is
    /// the next frame's, the timestamp that of the frame that it stands in for.
    InBand,
}

/// One encoded frame of sound.
#[derive(Clone, Debug)]
pub struct AudioPacket<P> {
    /// The RTP sequence number; of a copy, that of the packet that brought it.
    pub sequence: u16,
    /// The RTP timestamp of the first sample of the frame itself, also of a copy.
    pub timestamp: u32,
    /// How long it lasts, in units of the RTP clock; 1 to 120 ms of them. Opus says it in its first bytes
    /// (RFC 6716, 3.1).
    pub ticks: u32,
    /// The sender has stopped sending sound (DTX): the payload describes silence, and the next may come much later.
    pub is_silence: bool,
    /// Where the payload comes from.
    pub origin: Origin,
    /// What the decoder takes; at most 9,000 bytes.
    pub payload: P,
}

/// Why a packet was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioPacketError {
    /// The sender's fault: the payload is longer than 9,000 bytes.
    TooLarge,
    /// The caller's or the sender's fault: it lasts nothing, or more than 120 ms.
    BadDuration,
    /// The network's fault: what it holds has been played or concealed.
    TooLate,
    /// Nobody's fault: the same or a better version waits.
    Duplicate,
    /// The sender's fault: its timestamp is seconds away from where it should be. If the next packet agrees with it, the
    /// stream begins anew there.
    Jump,
}

impl std::fmt::Display for AudioPacketError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the sender's payload is too large",
            Self::BadDuration => "a packet lasts nothing or too long",
            Self::TooLate => "the packet came too late",
            Self::Duplicate => "the frame is there already",
            Self::Jump => "the sender's timestamp jumped",
        })
    }
}

impl std::error::Error for AudioPacketError {}

/// A packet and its time without wrapping.
#[derive(Clone, Debug)]
pub(super) struct Waiting<P> {
    pub(super) timestamp: i64,
    pub(super) arrival: Time,
    pub(super) packet: AudioPacket<P>,
}

impl<P> Waiting<P> {
    pub(super) fn end(&self) -> i64 {
        self.timestamp.saturating_add(i64::from(self.packet.ticks))
    }
}

/// Packets by time; at most [`CAPACITY`].
#[derive(Clone, Debug)]
pub(super) struct Packets<P> {
    waiting: VecDeque<Waiting<P>>,
}

impl<P> Packets<P> {
    pub(super) fn new() -> Self {
        Self { waiting: VecDeque::with_capacity(CAPACITY) }
    }

    pub(super) fn clear(&mut self) -> usize {
        let count = self.waiting.len();
        self.waiting.clear();
        count
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= CAPACITY
    }

    /// Keeps it, in place of a worse version of the same time. There must be room.
    pub(super) fn insert(&mut self, new: Waiting<P>) -> Result<(), AudioPacketError> {
        let index = self.waiting.partition_point(|waiting| waiting.timestamp < new.timestamp);
        match self.waiting.get_mut(index) {
            Some(same) if same.timestamp == new.timestamp => {
                if same.packet.origin <= new.packet.origin {
                    return Err(AudioPacketError::Duplicate);
                }
                *same = new;
            }
            _ => self.waiting.insert(index, new),
        }
        Ok(())
    }

    pub(super) fn first(&self) -> Option<&Waiting<P>> {
        self.waiting.front()
    }

    pub(super) fn pop(&mut self) -> Option<Waiting<P>> {
        self.waiting.pop_front()
    }

    /// Drops what begins before this time; how many that were, copies not counted.
    pub(super) fn drop_before(&mut self, timestamp: i64) -> u64 {
        let mut dropped = 0;
        while self.waiting.front().is_some_and(|waiting| waiting.timestamp < timestamp) {
            let waiting = self.waiting.pop_front();
            dropped += u64::from(waiting.is_some_and(|waiting| waiting.packet.origin == Origin::Primary));
        }
        dropped
    }

    /// Drops the oldest until what is left lasts at most so many ticks; how many that were.
    pub(super) fn shorten(&mut self, ticks: i64) -> u64 {
        let Some(end) = self.waiting.back().map(Waiting::end) else { return 0 };
        self.drop_before(end.saturating_sub(ticks))
    }

    /// Somebody is silent in what waits, so its length says nothing about when more comes.
    pub(super) fn has_silence(&self) -> bool {
        self.waiting.iter().any(|waiting| waiting.packet.is_silence)
    }

    /// From the first beginning to the last end, in ticks (`packet_buffer.cc`, `GetSpanSamples`). A packet that has
    /// waited longer than it lasts counts for as long as it has waited, so that no wait is endless.
    pub(super) fn span(&self, now: Time, clock_rate: u32) -> i64 {
        let (Some(first), Some(last)) = (self.waiting.front(), self.waiting.back()) else { return 0 };
        let waited = i64::try_from(now.since(last.arrival).as_micros()).unwrap_or(i64::MAX);
        let waited = waited.saturating_mul(i64::from(clock_rate)) / 1_000_000;
        last.timestamp.saturating_sub(first.timestamp).saturating_add(waited.max(i64::from(last.packet.ticks)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(timestamp: i64, origin: Origin) -> Waiting<()> {
        let packet = AudioPacket { sequence: 0, timestamp: 0, ticks: 960, is_silence: false, origin, payload: () };
        Waiting { timestamp, arrival: Time::default(), packet }
    }

    #[test]
    fn of_two_versions_the_better_one_is_kept_whichever_comes_first() {
        let all = [Origin::Primary, Origin::Copy, Origin::InBand];
        for first in all {
            for second in all {
                let mut packets = Packets::new();
                packets.insert(waiting(960, first)).unwrap();
                let result = packets.insert(waiting(960, second));
                assert_eq!(result.is_ok(), second < first, "{first:?}, {second:?}");
                assert_eq!(packets.pop().unwrap().packet.origin, first.min(second));
                assert!(packets.first().is_none());
            }
        }
    }

    #[test]
    fn what_has_waited_longer_than_it_lasts_counts_for_as_long_as_it_has_waited() {
        let mut packets = Packets::new();
        packets.insert(waiting(1_920, Origin::Primary)).unwrap();
        packets.insert(waiting(0, Origin::Primary)).unwrap();
        let at = |ms| Time::since_start(Duration::from_millis(ms));
        assert_eq!(packets.span(at(10), 48_000), 1_920 + 960);
        assert_eq!(packets.span(at(100), 48_000), 1_920 + 4_800);
        assert_eq!(packets.shorten(960), 1);
        assert_eq!(packets.drop_before(5_000), 1);
    }
}
