//! The sender's book of packets: transport-wide sequence numbers and what became of them.

use std::time::Duration;

use crate::{PacketResult, SentPacket};

/// How many packets at most are remembered: at 50 Mbit/s about three seconds of packets.
const CAPACITY: usize = 16_384;
/// Room at first; doubles while packets younger than [`KEPT_FOR`] would have to go.
const INITIAL: usize = 64;
/// Reports come within a round trip and a quarter of a second: who reports later has nothing to say of use.
const KEPT_FOR: Duration = Duration::from_secs(4);

/// What is known of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Unknown,
    ReportedLost,
    Received,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    sent: SentPacket,
    fate: Fate,
}

/// Gives out transport-wide sequence numbers and remembers what left under them.
///
/// Bounded: it holds the packets of the latest 4 s at least, but never more than 16,384 (the 16-bit numbers stay
/// unambiguous far beyond that), so that its memory follows the rate. What a report says of older packets, or of such
/// that were never sent, is ignored.
#[derive(Debug, Default)]
pub struct SendHistory {
    /// A power of two long; the packet numbered `s` is at `s % len`.
    ring: Vec<Entry>,
    /// The number that the next packet gets.
    next: u64,
    /// The oldest packet that is still there.
    oldest: u64,
}

impl SendHistory {
    /// Nothing sent yet. Takes no memory before the first packet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A packet leaves. Returns its transport-wide sequence number.
    pub fn record(&mut self, sent: SentPacket) -> u16 {
        if self.next - self.oldest == self.ring.len() as u64 {
            self.make_room(sent);
        }
        let sequence = self.next;
        self.next += 1;
        let index = self.index(sequence);
        self.ring[index] = Entry { sent, fate: Fate::Unknown };
        sequence as u16
    }

    /// The number that the next packet will get: for who must write it before the packet is sent.
    pub fn next_sequence(&self) -> u16 {
        self.next as u16
    }

    /// What the other end reported, each packet as its sequence number and when it arrived by its clock.
    ///
    /// Adds to `results`, in the order of the reports, what was not known before: a loss is told once, an
    /// arrival once, and an arrival may follow a loss.
    pub fn acknowledge(
        &mut self,
        reports: impl Iterator<Item = (u16, Option<Duration>)>,
        results: &mut Vec<PacketResult>,
    ) {
        for (short, received) in reports {
            let Some(sequence) = self.extend(short) else { continue };
            let index = self.index(sequence);
            let entry = &mut self.ring[index];
            let fate = if received.is_some() { Fate::Received } else { Fate::ReportedLost };
            let news = match entry.fate {
                Fate::Unknown => true,
                Fate::ReportedLost => fate == Fate::Received,
                Fate::Received => false,
            };
            if news {
                entry.fate = fate;
                results.push(PacketResult { sent: entry.sent, sequence, received });
            }
        }
    }

    fn make_room(&mut self, sent: SentPacket) {
        let length = self.ring.len();
        let is_outlived = |oldest: &Entry| sent.at.since(oldest.sent.at) > KEPT_FOR;
        if length >= CAPACITY || self.ring.get(self.index(self.oldest)).is_some_and(is_outlived) {
            self.oldest += 1;
            return;
        }
        let longer = (length * 2).max(INITIAL);
        let blank = Entry { sent, fate: Fate::Received };
        let mut ring = vec![blank; longer];
        for sequence in self.oldest..self.next {
            ring[(sequence % longer as u64) as usize] = self.ring[self.index(sequence)];
        }
        self.ring = ring;
    }

    fn index(&self, sequence: u64) -> usize {
        // The length is a power of two, or zero before the first packet.
        (sequence & (self.ring.len() as u64).wrapping_sub(1)) as usize
    }

    /// The packet that these 16 bits mean, if it is still there.
    fn extend(&self, short: u16) -> Option<u64> {
        let newest = self.next.checked_sub(1)?;
        let back = (newest as u16).wrapping_sub(short);
        newest.checked_sub(u64::from(back)).filter(|sequence| *sequence >= self.oldest)
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
