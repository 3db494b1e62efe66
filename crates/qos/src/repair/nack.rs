//! When a receiver asks for what is missing (RFC 4585, section 6.2.1).

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use crate::Time;

/// Missing packets that are remembered; the oldest give way.
const MAX_MISSING: usize = 1_000;
/// A packet so far behind the newest is given up: no sender keeps more.
const MAX_BEHIND: u64 = 1_000;
/// As often is one asked for: libwebrtc's `kMaxNackRetries` (`nack_requester.cc`).
const MAX_TRIES: u8 = 10;
/// How long a packet may be late before it is asked for, at most. Where the network has not reordered anything, what
/// was overtaken is asked for at once, as libwebrtc does (`nack_requester.cc`, `send_nack_delay_ms_`).
const LONGEST_WAIT: Duration = Duration::from_millis(60);
/// Reordering by less is none.
const LEAST_WAIT: Duration = Duration::from_micros(250);
/// Packets of a frame are taken to be so far apart, at least and at most.
const LEAST_SPACING: Duration = Duration::from_micros(100);
const MOST_SPACING: Duration = Duration::from_millis(5);
/// Before that was measured: packets of 1,200 bytes at 20 Mbit/s.
const ASSUMED_SPACING: Duration = Duration::from_micros(500);
/// The rest of a frame is asked for when it is later than its packets' spacing tells by twice the spacing, and at least by
/// this.
const LEAST_LATENESS: Duration = Duration::from_millis(1);
/// A round trip is never taken to vary by less.
const LEAST_VARIATION: Duration = Duration::from_millis(2);
/// Before anything was measured: `kDefaultRtt` of `nack_requester.cc`.
const ASSUMED_ROUND_TRIP: Duration = Duration::from_millis(100);
/// No measure is taken as more.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(2);

/// A packet that arrived, or was made by FEC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Its number, without wrapping.
    pub sequence: u64,
    /// Number of the first packet of its frame, if that is known.
    pub first: Option<u64>,
    /// Number behind the last packet of its frame, if that is known: what is missing before it is asked for even
    /// before the next frame begins.
    pub end: Option<u64>,
    /// When the frame has to be there, by this receiver's clock.
    pub deadline: Time,
    /// Whether it was sent again because it was asked for.
    pub is_repeated: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    sequence: u64,
    /// When something behind it had come.
    since: Time,
    deadline: Time,
    /// When it is asked for the next time.
    next: Time,
    asked: Option<Time>,
    tries: u8,
    /// Nothing behind it has come: it may not be late, but not sent yet.
    is_rest: bool,
}

/// The missing packets of one stream: at most 1,000.
///
/// A packet is asked for when it has been late for longer than this network makes packets late, again a round trip later
/// (and four times as much as that varies by: RFC 6298), and no longer once no answer would come before its frame's
/// deadline.
#[derive(Debug, Default)]
pub struct Nack {
    /// In order of numbers.
    entries: VecDeque<Entry>,
    newest: Option<u64>,
    /// Of the newest packet's frame.
    end: u64,
    deadline: Time,
    /// When the newest packet came, or would have had to.
    arrived: Time,
    wait: Duration,
    /// Between packets of one frame, smoothed.
    spacing: Option<Duration>,
    round_trip: Option<(Duration, Duration)>,
}

impl Nack {
    /// Nothing has arrived.
    pub fn new() -> Self {
        Self::default()
    }

    /// A packet arrived. The numbers of a stream may begin anywhere.
    pub fn handle_packet(&mut self, now: Time, packet: Arrived) {
        let Some(newest) = self.newest else {
            self.advance(now, packet);
            return;
        };
        if packet.sequence > newest {
            if packet.sequence == newest + 1 && packet.first.is_some_and(|first| first <= newest) {
                let sample = now.since(self.arrived).min(MOST_SPACING);
                self.spacing = Some(self.spacing.map_or(sample, |spacing| (spacing * 15 + sample) / 16));
            }
            // What was lost before the frame belongs to the one before, as far as anybody can tell.
            let before = self.deadline;
            let first = packet.first.unwrap_or(newest + 1);
            self.insert(now, newest + 1..packet.sequence, false, |sequence| {
                if sequence < first { before } else { packet.deadline }
            });
            self.advance(now, packet);
        } else if let Ok(index) = self.entries.binary_search_by_key(&packet.sequence, |entry| entry.sequence)
            && let Some(entry) = self.entries.remove(index)
        {
            self.learn(now, entry, packet.is_repeated);
        }
    }

    /// A packet was made by FEC and is not needed any more.
    pub fn handle_recovered(&mut self, sequence: u64) {
        if let Ok(index) = self.entries.binary_search_by_key(&sequence, |entry| entry.sequence)
            && let Some(entry) = self.entries.remove(index)
            && entry.tries > 0
        {
            self.wait_less();
        }
    }

    /// Something else came from the same sender: parity, say. While anything comes, the rest of a frame may be behind it.
    pub fn handle_other(&mut self, now: Time) {
        self.arrived = self.arrived.max(now);
    }

    /// The round trip was measured by other means (RFC 3550, section 6.4.1).
    pub fn handle_round_trip(&mut self, sample: Duration) {
        let sample = sample.min(LONGEST_ROUND_TRIP);
        // RFC 6298, section 2: a quarter and an eighth.
        self.round_trip = Some(match self.round_trip {
            None => (sample, sample / 2),
            Some((smoothed, varies)) => ((smoothed * 7 + sample) / 8, (varies * 3 + smoothed.abs_diff(sample)) / 4),
        });
    }

    /// Adds what is to be asked for now, in order of numbers. At most 1,000.
    pub fn poll_requests(&mut self, now: Time, requests: &mut Vec<u64>) {
        self.expect_rest_of_frame(now);
        let (round_trip, again) = (self.round_trip(), self.patience());
        // Who is asked after this answers too late.
        self.entries.retain(|entry| entry.tries < MAX_TRIES && now + round_trip <= entry.deadline);
        for entry in self.entries.iter_mut().filter(|entry| entry.next <= now) {
            entry.tries += 1;
            entry.asked = Some(entry.asked.unwrap_or(now));
            entry.next = now + again;
            requests.push(entry.sequence);
        }
    }

    /// When to poll again, if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Time> {
        let missing = self.entries.iter().map(|entry| entry.next).min();
        let rest = self
            .newest
            .filter(|newest| *newest < self.end.saturating_sub(1))
            .map(|_| self.arrived + self.spacing() + self.lateness());
        missing.into_iter().chain(rest).min()
    }

    /// How long a packet may be late before it is asked for: 0 to 60 ms.
    pub fn wait(&self) -> Duration {
        self.wait
    }

    /// How long the rest of a frame may be late before it is asked for: 1 to 60 ms.
    pub fn lateness(&self) -> Duration {
        (self.spacing() * 2).max(LEAST_LATENESS).max(self.wait)
    }

    /// From asking for a packet to its arrival, smoothed; 100 ms before anything was measured.
    pub fn round_trip(&self) -> Duration {
        self.round_trip.map_or(ASSUMED_ROUND_TRIP, |(smoothed, _)| smoothed)
    }

    /// How many are missing and not given up.
    pub fn missing(&self) -> usize {
        self.entries.len()
    }

    /// After so long without an answer, the request or the answer was lost.
    fn patience(&self) -> Duration {
        self.round_trip.map_or(ASSUMED_ROUND_TRIP, |(smoothed, varies)| smoothed + (varies * 4).max(LEAST_VARIATION))
    }

    fn advance(&mut self, now: Time, packet: Arrived) {
        self.newest = Some(packet.sequence);
        self.deadline = packet.deadline;
        self.arrived = now;
        // A frame of more packets than are remembered would not be asked for anyway.
        self.end = packet.end.unwrap_or(0).min(packet.sequence.saturating_add(MAX_BEHIND));
        let oldest = packet.sequence.saturating_sub(MAX_BEHIND);
        while self.entries.front().is_some_and(|entry| entry.sequence < oldest) {
            self.entries.pop_front();
        }
    }

    fn insert(&mut self, now: Time, numbers: Range<u64>, is_rest: bool, deadline: impl Fn(u64) -> Time) {
        let next = if is_rest { now } else { now + self.wait };
        for sequence in numbers.start.max(numbers.end.saturating_sub(MAX_BEHIND))..numbers.end {
            if self.entries.len() >= MAX_MISSING {
                self.entries.pop_front();
            }
            let deadline = deadline(sequence);
            self.entries.push_back(Entry { sequence, since: now, deadline, next, asked: None, tries: 0, is_rest });
        }
    }

    /// The last packets of a frame have nothing behind them that would show that they are missing; only that they do not
    /// come when they should.
    fn expect_rest_of_frame(&mut self, now: Time) {
        let Some(newest) = self.newest else { return };
        let (spacing, deadline) = (self.spacing(), self.deadline);
        let late = now.since(self.arrived + self.lateness());
        let due = u64::try_from(late.as_micros() / spacing.as_micros().max(1)).unwrap_or(u64::MAX);
        let behind = newest.saturating_add(due).min(self.end.saturating_sub(1));
        if behind > newest {
            self.insert(now, newest + 1..behind + 1, true, |_| deadline);
            // `advance` has bounded the end: the difference fits.
            self.arrived = self.arrived + spacing * (behind - newest) as u32;
            self.newest = Some(behind);
        }
    }

    fn spacing(&self) -> Duration {
        self.spacing.unwrap_or(ASSUMED_SPACING).clamp(LEAST_SPACING, MOST_SPACING)
    }

    /// Something had been lost in truth: waiting was in vain.
    fn wait_less(&mut self) {
        let wait = self.wait - self.wait / 16;
        self.wait = if wait < LEAST_WAIT { Duration::ZERO } else { wait };
    }

    /// What a late packet tells of the network.
    fn learn(&mut self, now: Time, entry: Entry, is_repeated: bool) {
        let late = now.since(entry.since);
        if !is_repeated {
            if entry.is_rest {
                return;
            }
            // Came by itself: the next ones are given that time, and some more.
            self.wait = self.wait.max(late + late / 4).min(LONGEST_WAIT);
            return;
        }
        self.wait_less();
        // Which of several requests was answered cannot be told (Karn and Partridge, 1987).
        if let Some(asked) = entry.asked.filter(|_| entry.tries == 1) {
            self.handle_round_trip(now.since(asked));
        }
    }
}

#[cfg(test)]
#[path = "nack_tests.rs"]
mod tests;
