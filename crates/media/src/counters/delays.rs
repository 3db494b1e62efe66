//! How long packets are in the server: from the kernel's stamp when they came to when their copies were handed to the
//! kernel.

use std::time::Duration;

use conclave_qos::Time;

use crate::stats::ForwardingDelays;

/// What a turn forwards, until it has been sent.
#[derive(Debug)]
pub(super) struct Delays {
    /// When the packet arrived that is looked at now.
    arrived: Time,
    /// Arrival and copies of what this turn forwards; what came at the same time is one entry.
    waiting: Vec<(Time, u64)>,
    found: ForwardingDelays,
}

/// A turn handles about as many packets at most; of more, the last entry stands for the rest.
const MOST_WAITING: usize = 1_024;

impl Delays {
    pub(super) fn new() -> Self {
        Self { arrived: Time::default(), waiting: Vec::with_capacity(MOST_WAITING), found: ForwardingDelays::default() }
    }

    /// What is forwarded from here on arrived then.
    pub(super) fn arrived(&mut self, at: Time) {
        self.arrived = at;
    }

    /// When what is forwarded now arrived.
    pub(super) fn arrival(&self) -> Time {
        self.arrived
    }

    /// So many copies will leave.
    pub(super) fn forwarded(&mut self, copies: u64) {
        let is_full = self.waiting.len() == MOST_WAITING;
        match self.waiting.last_mut() {
            Some((at, waiting)) if *at == self.arrived || is_full => *waiting += copies,
            _ => self.waiting.push((self.arrived, copies)),
        }
    }

    /// They have been handed to the kernel.
    pub(super) fn sent(&mut self, now: Time) {
        for (arrived, copies) in self.waiting.drain(..) {
            self.found.add(now.since(arrived), copies);
        }
    }

    pub(super) fn found(&self) -> ForwardingDelays {
        self.found
    }
}

impl ForwardingDelays {
    fn add(&mut self, delay: Duration, copies: u64) {
        let bucket = Self::BOUNDS.partition_point(|bound| *bound < delay);
        // One more bucket than bounds.
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += copies;
        }
        self.sum += delay.saturating_mul(u32::try_from(copies).unwrap_or(u32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Time {
        Time::since_start(Duration::from_micros(micros))
    }

    #[test]
    fn a_packet_counts_once_for_each_copy_when_its_turn_has_sent() {
        let mut delays = Delays::new();
        delays.arrived(at(1_000));
        delays.forwarded(4);
        delays.arrived(at(1_050));
        delays.forwarded(3);
        assert_eq!(delays.found().cumulative().last(), Some((None, 0)), "nothing has left");
        delays.sent(at(1_090));
        let found: Vec<_> = delays.found().cumulative().collect();
        assert!(found.contains(&(Some(Duration::from_micros(25)), 0)));
        assert!(found.contains(&(Some(Duration::from_micros(50)), 3)));
        assert!(found.contains(&(Some(Duration::from_micros(75)), 3)));
        assert!(found.contains(&(Some(Duration::from_micros(100)), 7)), "the bound itself is in");
        assert_eq!(found.last(), Some(&(None, 7)));
        assert_eq!(delays.found().sum, Duration::from_micros(4 * 90 + 3 * 40));
    }

    #[test]
    fn more_than_a_turn_can_bring_is_counted_with_the_last() {
        let mut delays = Delays::new();
        for packet in 0..5_000 {
            delays.arrived(at(packet));
            delays.forwarded(1);
        }
        delays.sent(at(5_000));
        assert_eq!(delays.waiting.capacity(), MOST_WAITING);
        assert_eq!(delays.found().cumulative().last(), Some((None, 5_000)));
    }

    #[test]
    fn a_stamp_from_the_future_is_no_delay() {
        let mut delays = Delays::new();
        delays.arrived(at(10));
        delays.forwarded(1);
        delays.sent(at(0));
        assert_eq!(delays.found().cumulative().next(), Some((Some(Duration::from_micros(25)), 1)));
    }
}
