//! How much was sent since when: what a report does not tell of yet.

use std::time::Duration;

use super::{SLOT, micros};
use crate::Time;

/// Slots that are remembered, a power of two: 2.5 s, a round trip of 500 ms and four times that in queues.
const SLOTS: i64 = 512;

/// Counts bytes by slots of [`SLOT`] µs.
#[derive(Debug)]
pub(super) struct Flight {
    /// What had been sent before each slot began; the one numbered `s` is at `s % SLOTS`.
    before: Vec<u64>,
    /// The slot of the latest packet; none was sent yet below zero.
    newest: i64,
    total: u64,
}

impl Default for Flight {
    fn default() -> Self {
        Self { before: vec![0; SLOTS as usize], newest: -1, total: 0 }
    }
}

impl Flight {
    pub(super) fn handle_sent(&mut self, at: Time, size: u32) {
        let slot = micros(at) / SLOT;
        let skipped = (self.newest + 1).max(slot.saturating_sub(SLOTS - 1));
        for new in skipped..=slot {
            self.before[index(new)] = self.total;
        }
        self.newest = self.newest.max(slot);
        self.total += u64::from(size);
    }

    /// Bytes sent since the slot of this moment began; of longer ago than 2.5 s, only those of the latest 2.5 s.
    pub(super) fn since(&self, at: Time) -> u64 {
        let slot = (micros(at) / SLOT).max(self.newest - (SLOTS - 1));
        if slot > self.newest || slot < 0 { 0 } else { self.total - self.before[index(slot)] }
    }

    /// Bits per second lately sent, over this long, up to 2.5 s.
    pub(super) fn rate(&self, now: Time, over: Duration) -> f64 {
        let from = Time::since_start(now.to_duration().saturating_sub(over));
        self.since(from) as f64 * 8.0 / over.as_secs_f64().max(0.001)
    }
}

fn index(slot: i64) -> usize {
    (slot & (SLOTS - 1)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    #[test]
    fn what_was_sent_since_a_moment_is_counted_from_the_slot_it_lies_in() {
        let mut flight = Flight::default();
        for ms in (0..1_000).step_by(10) {
            flight.handle_sent(at(ms), 100);
        }
        assert_eq!(flight.since(at(900)), 1_000);
        assert_eq!(flight.since(at(903)), 1_000);
        assert_eq!(flight.since(at(905)), 900);
        assert_eq!(flight.since(at(5_000)), 0);
        assert_eq!((flight.rate(at(1_000), Duration::from_millis(500)) / 1e3).round(), 80.0);
    }

    #[test]
    fn a_long_pause_and_times_that_run_backwards_do_no_harm() {
        let mut flight = Flight::default();
        flight.handle_sent(at(10), 100);
        flight.handle_sent(at(1_000_000), 200);
        assert_eq!(flight.since(at(10)), 200);
        flight.handle_sent(at(5), 50);
        assert_eq!(flight.since(at(1_000_000)), 250);
    }
}
