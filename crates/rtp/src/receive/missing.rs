//! Packets that are missing, and when they are asked for (RFC 4585 section 6.2.1).

use std::collections::VecDeque;
use std::time::Duration;

use conclave_qos::Time;

use super::round_trip::RoundTrip;

/// As many are remembered; the oldest give way.
const MAX_MISSING: usize = 1_000;
/// A packet so far behind the newest is given up: no sender keeps more.
const MAX_BEHIND: u64 = 1_000;
/// One that has been missing for so long would come too late to be shown.
const MAX_AGE: Duration = Duration::from_secs(2);
/// As often is one asked for.
const MAX_TRIES: u8 = 10;
/// How long a packet may be late before it is asked for, at least and at most. In between, the network's own
/// reordering tells.
const SHORTEST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_millis(60);

/// The missing packets of one stream.
#[derive(Debug)]
pub(super) struct Missing {
    /// In the order of sequence numbers.
    entries: VecDeque<Entry>,
    /// No later than the first moment at which one has to be asked for; `None` if none is missing.
    due: Option<Time>,
    wait: Wait,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    sequence: u64,
    since: Time,
    first_asked: Time,
    next: Time,
    tries: u8,
}

#[derive(Clone, Copy, Debug)]
struct Wait(Duration);

impl Missing {
    /// None is.
    pub(super) const fn new() -> Self {
        Self { entries: VecDeque::new(), due: None, wait: Wait(SHORTEST_WAIT) }
    }

    /// Those between the newest packet so far and one that has overtaken them. At most [`MAX_BEHIND`] are asked for.
    pub(super) fn insert_between(&mut self, now: Time, newest: u64, arrived: u64) {
        let first = (newest + 1).max(arrived.saturating_sub(MAX_BEHIND));
        for sequence in first..arrived {
            if self.entries.len() >= MAX_MISSING {
                self.entries.pop_front();
            }
            let next = now + self.wait.0;
            self.entries.push_back(Entry { sequence, since: now, first_asked: next, next, tries: 0 });
            self.due = Some(self.due.map_or(next, |due| due.min(next)));
        }
    }

    /// One has come: by itself, or because it was asked for. Tells whether it was missing.
    pub(super) fn remove(&mut self, now: Time, sequence: u64, repeated: bool, round_trip: &mut RoundTrip) -> bool {
        let Ok(index) = self.entries.binary_search_by_key(&sequence, |entry| entry.sequence) else { return false };
        let Some(entry) = self.entries.remove(index) else { return false };
        if !repeated {
            self.wait.late(now.since(entry.since));
        } else if entry.tries > 0 {
            // Which of several requests was answered cannot be told. The first gives the longest time: asking too
            // rarely corrects itself, asking too often would go on.
            round_trip.measured(now.since(entry.first_asked));
            self.wait.lost();
        }
        if self.entries.is_empty() {
            self.due = None;
        }
        true
    }

    /// When to ask again; may be too early, never too late.
    pub(super) fn due(&self) -> Option<Time> {
        self.due
    }

    /// Gives up what nobody needs or keeps any more.
    pub(super) fn give_up(&mut self, now: Time, newest: u64) {
        self.entries.retain(|entry| {
            entry.tries < MAX_TRIES
                && now.since(entry.since) <= MAX_AGE
                && newest.saturating_sub(entry.sequence) <= MAX_BEHIND
        });
        if self.entries.is_empty() {
            self.due = None;
        }
    }

    /// What has to be asked for now.
    pub(super) fn to_ask(&self, now: Time) -> impl Iterator<Item = u16> {
        self.entries.iter().filter(move |entry| entry.next <= now).map(|entry| entry.sequence as u16)
    }

    /// The first `count` of [`Missing::to_ask`] have been asked for.
    pub(super) fn asked(&mut self, now: Time, count: usize, round_trip: &RoundTrip) {
        let again = now + round_trip.patience();
        for entry in self.entries.iter_mut().filter(|entry| entry.next <= now).take(count) {
            if entry.tries == 0 {
                entry.first_asked = now;
            }
            entry.tries += 1;
            entry.next = again;
        }
        self.due = self.entries.iter().map(|entry| entry.next).min();
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.due = None;
    }
}

impl Wait {
    /// One came by itself after so long: the next are given that time, and some more.
    fn late(&mut self, by: Duration) {
        self.0 = self.0.max(by + by / 4).clamp(SHORTEST_WAIT, LONGEST_WAIT);
    }

    /// One had been lost in truth: waiting was in vain.
    fn lost(&mut self) {
        self.0 = (self.0 - self.0 / 16).max(SHORTEST_WAIT);
    }
}
