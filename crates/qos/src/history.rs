//! The sender's book of packets: transport-wide sequence numbers and what became of them.

use std::time::Duration;

use crate::{Ecn, PacketResult, ProbeId, SentPacket, Time};

/// How many packets at most are remembered: at 50 Mbit/s those of a second and a half, in 128 KiB.
const CAPACITY: usize = 8_192;
/// Room at first; doubles where it does not hold this much time. What a report says later than that is of no use.
const INITIAL: usize = 64;
const REMEMBERED: Duration = Duration::from_secs(4);

/// What is known of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Unknown,
    ReportedLost,
    Received,
}

/// A packet in 16 bytes: there are thousands for each leg.
#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Time,
    probe: u32,
    size: u16,
    /// [`MEDIA`] and [`PROBE`].
    flags: u8,
    fate: Fate,
}

const MEDIA: u8 = 1;
const PROBE: u8 = 2;

const _: () = assert!(size_of::<Entry>() == 16);

impl Entry {
    fn new(sent: SentPacket) -> Self {
        Self {
            at: sent.at,
            probe: sent.probe.map_or(0, |probe| probe.0),
            // No datagram is longer.
            size: u16::try_from(sent.size).unwrap_or(u16::MAX),
            flags: if sent.is_media { MEDIA } else { 0 } | if sent.probe.is_some() { PROBE } else { 0 },
            fate: Fate::Unknown,
        }
    }

    fn sent(&self) -> SentPacket {
        SentPacket {
            at: self.at,
            size: u32::from(self.size),
            probe: (self.flags & PROBE != 0).then_some(ProbeId(self.probe)),
            is_media: self.flags & MEDIA != 0,
        }
    }
}

/// Gives out transport-wide sequence numbers and remembers what left under them.
///
/// Bounded: it holds four seconds of packets, and at most the latest 8,192 (the 16-bit numbers stay unambiguous far
/// beyond that). What a report says of older packets, or of such that were never sent, is ignored.
#[derive(Debug, Default)]
pub struct SendHistory {
    /// A power of two long; the packet numbered `s` is at `s % len`.
    ring: Vec<Entry>,
    /// The number that the next packet gets.
    next: u64,
    /// The oldest packet that is still there.
    oldest: u64,
    /// Up to this packet (itself left out), what was sent is no longer on its way. Not before `oldest`.
    landed: u64,
    in_flight: u64,
}

impl SendHistory {
    /// Nothing sent yet. Takes no memory before the first packet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A packet leaves. Returns its transport-wide sequence number.
    pub fn record(&mut self, sent: SentPacket) -> u16 {
        let entry = Entry::new(sent);
        if self.next - self.oldest == self.ring.len() as u64 {
            self.make_room(entry);
        }
        let sequence = self.next;
        self.next += 1;
        let index = self.index(sequence);
        self.ring[index] = entry;
        self.in_flight += u64::from(entry.size);
        sequence as u16
    }

    /// Bytes on their way: sent after the latest packet that is known to have arrived, IP and UDP headers included.
    ///
    /// What left before that one has arrived too, or is lost (libwebrtc counts so: `transport_feedback_adapter.cc`,
    /// `InFlightBytesTracker`). What was forgotten is no longer counted.
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Packets take another way from now on: what left before is no longer on its way, and reports on it are ignored.
    pub fn handle_route_change(&mut self) {
        self.land(self.next);
        self.oldest = self.next;
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
        let reports = reports.map(|(short, received)| (short, received.map(|at| (at, Ecn::NotEct))));
        self.acknowledge_marked(reports, results);
    }

    /// The same for reports that tell how each packet was marked (RFC 8888).
    pub fn acknowledge_marked(
        &mut self,
        reports: impl Iterator<Item = (u16, Option<(Duration, Ecn)>)>,
        results: &mut Vec<PacketResult>,
    ) {
        for (short, arrival) in reports {
            let Some(sequence) = self.extend(short) else { continue };
            let index = self.index(sequence);
            let entry = &mut self.ring[index];
            let fate = if arrival.is_some() { Fate::Received } else { Fate::ReportedLost };
            let news = match entry.fate {
                Fate::Unknown => true,
                Fate::ReportedLost => fate == Fate::Received,
                Fate::Received => false,
            };
            if news {
                entry.fate = fate;
                let sent = entry.sent();
                let (received, ecn) = arrival.map_or((None, Ecn::NotEct), |(at, ecn)| (Some(at), ecn));
                results.push(PacketResult { sent, sequence, received, ecn });
                if received.is_some() {
                    self.land(sequence + 1);
                }
            }
        }
    }

    /// Forgets the oldest packet, or lengthens the ring where that is too young to be forgotten.
    fn make_room(&mut self, next: Entry) {
        let length = self.ring.len();
        let is_old = |entry: &Entry| next.at.since(entry.at) > REMEMBERED;
        if length >= CAPACITY || (length > 0 && is_old(&self.ring[self.index(self.oldest)])) {
            self.land(self.oldest + 1);
            self.oldest += 1;
            return;
        }
        let longer = (length * 2).max(INITIAL);
        let mut ring = vec![next; longer];
        for sequence in self.oldest..self.next {
            ring[(sequence % longer as u64) as usize] = self.ring[self.index(sequence)];
        }
        self.ring = ring;
    }

    /// What was sent before this one is no longer on its way.
    fn land(&mut self, until: u64) {
        while self.landed < until {
            let size = self.ring[self.index(self.landed)].size;
            self.in_flight -= u64::from(size);
            self.landed += 1;
        }
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
