//! The receiver's book of packets: what arrived when, and when to say so.

use std::time::Duration;

use crate::Time;

/// A report is made once this many packets wait for one...
const ENOUGH: u32 = 10;
/// ...but not more often than this (libwebrtc, `transport_sequence_number_feedback_generator.cc`: 50 ms)...
const SHORTEST: Duration = Duration::from_millis(50);
/// ...and at this time at the latest, however few wait (the same file: 250 ms).
const LONGEST: Duration = Duration::from_millis(250);
/// A report is made at once when this many wait: far more than 50 ms bring, so it is a burst.
const URGENT: u32 = 256;

/// Sequence numbers that are remembered at most, reported or not: those that come late find their place.
const CAPACITY: usize = 2_048;
/// Room at first; doubles as needed for what is to be reported and so many before it, which may yet come.
const INITIAL: usize = 64;
const BEFORE: u64 = 256;
/// Sequence numbers in one report.
const MOST_NUMBERS: u64 = 1_024;
/// Arrivals in one report.
const MOST_ARRIVALS: u32 = 400;
/// The difference of two arrivals is 16 signed bits of 250 µs: -8,192 to 8,191.75 ms.
const LONGEST_DIFFERENCE: Duration = Duration::from_millis(8_000);
/// The unit of the reference time (the draft, 3.1).
const REFERENCE_UNIT: u64 = 64_000;
/// Where numbering without wrapping begins, so that packets before the first have a number, too.
const ORIGIN: u64 = 1 << 16;

/// A time of arrival, or none, in 8 bytes: one more than the time in µs, or 0.
#[derive(Clone, Copy, Debug)]
struct Arrival(u64);

impl Arrival {
    const MISSING: Self = Self(0);

    fn new(at: Time) -> Self {
        Self((at.to_duration().as_micros() as u64).saturating_add(1))
    }

    fn time(self) -> Option<Time> {
        self.0.checked_sub(1).map(|micros| Time::since_start(Duration::from_micros(micros)))
    }
}

/// Remembers when packets arrived until that was reported, and says when to report.
///
/// Takes what comes: gaps, reordering, duplicates, jumps, wrapping of the 16 bits. A packet that comes after its loss
/// was reported is reported again, together with all that follow it, as libwebrtc's receivers do. Bounded: it
/// remembers the latest 2,048 sequence numbers.
#[derive(Debug, Default)]
pub struct ArrivalLog {
    /// A power of two long (or empty); the packet numbered `s` is at `s % len`.
    ring: Vec<Arrival>,
    /// The oldest number that the ring speaks of.
    oldest: u64,
    /// One more than the newest number.
    end: u64,
    /// The first number that is to be reported.
    begin: u64,
    /// Arrivals that are to be reported.
    waiting: u32,
    /// The latest report, or the first arrival ever.
    reported: Time,
    /// That report did not hold everything.
    unfinished: bool,
    count: u8,
}

/// One report's worth of arrivals, as draft-holmer-rmcat-transport-wide-cc-extensions-01, 3.1 wants it.
///
/// It speaks of at most 1,024 sequence numbers and 400 arrivals, so the packet that carries it stays below 1,200 bytes
/// however the numbers lie.
#[derive(Clone, Debug)]
pub struct Feedback<'a> {
    /// The first sequence number that it speaks of.
    pub base: u16,
    /// How many sequence numbers it speaks of, received or not; at least one.
    pub len: u16,
    /// Counts the reports; wraps.
    pub count: u8,
    log: &'a ArrivalLog,
    first: u64,
    reference: Time,
}

impl Feedback<'_> {
    /// The time that the first difference is counted from: a multiple of 64 ms.
    pub fn reference(&self) -> Time {
        self.reference
    }

    /// Every sequence number from [`base`](Self::base) on, and when it arrived. At least one did.
    ///
    /// Two arrivals that follow each other, and the reference time and the first, lie less than 8 s apart, so that
    /// their difference in units of 250 µs fits 16 signed bits.
    pub fn arrivals(&self) -> impl Iterator<Item = (u16, Option<Time>)> + '_ {
        (self.first..self.first + u64::from(self.len)).map(|sequence| (sequence as u16, self.log.arrival(sequence)))
    }
}

impl ArrivalLog {
    /// Nothing has arrived. Takes no memory before the first packet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The packet with this transport-wide sequence number arrived.
    pub fn record(&mut self, sequence: u16, at: Time) {
        if self.end == 0 {
            let first = ORIGIN + u64::from(sequence);
            (self.oldest, self.begin, self.end) = (first, first, first);
            self.reported = at;
        }
        let Some(sequence) = self.extend(sequence) else { return };
        if sequence >= self.end {
            self.advance(sequence);
        } else if sequence < self.oldest && !self.reach_back(sequence) {
            return;
        }
        let index = self.index(sequence);
        let slot = &mut self.ring[index];
        if slot.time().is_some() {
            return;
        }
        *slot = Arrival::new(at);
        self.waiting += 1;
        self.begin = self.begin.min(sequence);
    }

    /// When the next report is due; `None` while there is nothing to report.
    pub fn poll_timeout(&self) -> Option<Time> {
        match self.waiting {
            0 => None,
            _ if self.unfinished => Some(self.reported),
            1..ENOUGH => Some(self.reported + LONGEST),
            ENOUGH..URGENT => Some(self.reported + SHORTEST),
            URGENT.. => Some(self.reported),
        }
    }

    /// The report that is due. Ask until there is none: one report speaks of a bounded number of packets.
    pub fn poll_feedback(&mut self, now: Time) -> Option<Feedback<'_>> {
        if self.poll_timeout()? > now { None } else { self.take_feedback(now) }
    }

    /// A report of what waits for one, due or not: for receivers that keep an interval of their own. Ask until there is
    /// none.
    pub fn take_feedback(&mut self, now: Time) -> Option<Feedback<'_>> {
        if self.waiting == 0 {
            return None;
        }
        let first = self.begin;
        let mut told = 0;
        let mut start = None;
        let mut previous: Option<Time> = None;
        let mut next = first;
        for sequence in first..self.end.min(first + MOST_NUMBERS) {
            let Some(at) = self.arrival(sequence) else { continue };
            if told == MOST_ARRIVALS || previous.is_some_and(|before| apart(before, at) >= LONGEST_DIFFERENCE) {
                break;
            }
            told += 1;
            start.get_or_insert(at);
            previous = Some(at);
            next = sequence + 1;
        }
        let Some(start) = start else {
            // A gap longer than one report: not worth telling, since whoever sent that much knows.
            self.begin = (first + MOST_NUMBERS).min(self.end);
            return if self.begin < self.end { self.take_feedback(now) } else { None };
        };
        self.begin = next;
        self.waiting = if next == self.end { 0 } else { self.waiting.saturating_sub(told).max(1) };
        self.unfinished = next != self.end;
        self.reported = now;
        let count = self.count;
        self.count = count.wrapping_add(1);
        let micros = start.since(Time::default()).as_micros() as u64;
        let reference = Time::since_start(Duration::from_micros(micros - micros % REFERENCE_UNIT));
        // At most MOST_NUMBERS.
        let len = (next - first) as u16;
        Some(Feedback { base: first as u16, len, count, log: self, first, reference })
    }

    fn arrival(&self, sequence: u64) -> Option<Time> {
        self.ring[self.index(sequence)].time()
    }

    fn index(&self, sequence: u64) -> usize {
        // The length is a power of two, and not zero once a packet was recorded.
        (sequence & (self.ring.len() as u64 - 1)) as usize
    }

    /// The number without wrapping: the one closest to the newest.
    fn extend(&self, short: u16) -> Option<u64> {
        let difference = short.wrapping_sub(self.end as u16) as i16;
        self.end.checked_add_signed(i64::from(difference))
    }

    /// Makes `sequence` the newest number; those between are missing so far.
    fn advance(&mut self, sequence: u64) {
        let end = sequence + 1;
        self.fit(end - self.begin.saturating_sub(BEFORE).max(self.oldest));
        let capacity = self.ring.len() as u64;
        self.oldest = self.oldest.max(end.saturating_sub(capacity));
        if self.begin < self.oldest {
            self.begin = self.oldest;
        }
        for missing in self.end.max(self.oldest)..end {
            let index = self.index(missing);
            self.ring[index] = Arrival::MISSING;
        }
        self.end = end;
    }

    /// Makes room for a number before the oldest; `false` if it is too old.
    fn reach_back(&mut self, sequence: u64) -> bool {
        self.fit(self.end - sequence);
        if self.end - sequence > self.ring.len() as u64 {
            return false;
        }
        for missing in sequence..self.oldest {
            let index = self.index(missing);
            self.ring[index] = Arrival::MISSING;
        }
        self.oldest = sequence;
        true
    }

    /// Lengthens the ring to this many numbers, as far as it may grow.
    fn fit(&mut self, numbers: u64) {
        let wanted = numbers.clamp(INITIAL as u64, CAPACITY as u64).next_power_of_two() as usize;
        if wanted <= self.ring.len() {
            return;
        }
        let mut ring = vec![Arrival::MISSING; wanted];
        if !self.ring.is_empty() {
            for sequence in self.oldest..self.end {
                ring[sequence as usize & (wanted - 1)] = self.ring[self.index(sequence)];
            }
        }
        self.ring = ring;
    }
}

fn apart(one: Time, other: Time) -> Duration {
    one.since(other).max(other.since(one))
}

#[cfg(test)]
#[path = "arrival_tests.rs"]
mod tests;
