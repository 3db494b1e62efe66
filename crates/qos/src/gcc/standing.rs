//! Empties queues that neither grow nor shrink. The trend of delays does not see them: what arrives through a full queue
//! is what the link carries, so rate and queue would stay as they are. libwebrtc lets such a queue stand.

use std::time::Duration;

use super::trendline::Usage;
use crate::Time;

/// A queue that kept each of the latest groups waiting for this long, ms, stands. Conversation suffers from 100 ms more.
const STANDS: f64 = 50.0;
/// It is drained until this is left, and for this long at most: a fall of the rate empties 400 ms in this time.
const EMPTY: f64 = 15.0;
const DRAINING: Duration = Duration::from_secs(3);
/// Not more often than this; twice as long after each time that did not help, up to the longest. Then others keep it
/// full (or the path became longer), and giving way would only leave them more.
const SHORTEST_PATIENCE: Duration = Duration::from_secs(4);
const LONGEST_PATIENCE: Duration = Duration::from_secs(64);

/// Decides when to drain.
#[derive(Debug)]
pub(super) struct StandingQueue {
    /// The latest attempt.
    drained: Option<Time>,
    /// Until the queue is short or the time is over.
    draining: bool,
    helped: bool,
    /// As long as it is, ms.
    queue: f64,
    patience: Duration,
}

impl Default for StandingQueue {
    fn default() -> Self {
        Self { drained: None, draining: false, helped: true, queue: 0.0, patience: SHORTEST_PATIENCE }
    }
}

impl StandingQueue {
    /// Whether there is one. More than is sent anyway would lengthen it.
    pub(super) fn stands(&self) -> bool {
        self.queue >= STANDS
    }

    /// What to take the delays for while they show no trend, with the queue that stands, ms.
    pub(super) fn update(&mut self, now: Time, queue: f64) -> Usage {
        self.queue = queue;
        self.helped |= queue < STANDS;
        self.draining &= queue > EMPTY && self.drained.is_some_and(|since| now.since(since) < DRAINING);
        if self.draining {
            return Usage::Under;
        }
        if !self.stands() || self.drained.is_some_and(|since| now.since(since) <= self.patience) {
            return Usage::Normal;
        }
        let patience = if self.helped { SHORTEST_PATIENCE } else { self.patience * 2 };
        self.patience = patience.min(LONGEST_PATIENCE);
        (self.drained, self.draining, self.helped) = (Some(now), true, false);
        Usage::Over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often the rate falls within a minute, with what stands at each tenth of a second, ms.
    fn falls(queue: impl Fn(u64, bool) -> f64) -> usize {
        let mut standing = StandingQueue::default();
        let mut draining = false;
        let mut count = 0;
        for tick in 0..600 {
            let usage = standing.update(Time::since_start(Duration::from_millis(tick * 100)), queue(tick, draining));
            draining = usage != Usage::Normal;
            count += usize::from(usage == Usage::Over);
        }
        count
    }

    #[test]
    fn a_short_queue_may_stand_and_a_long_one_is_drained() {
        assert_eq!(falls(|_, _| 40.0), 0);
        assert_eq!(falls(|tick, _| if tick == 100 { 80.0 } else { 0.0 }), 1);
        assert_eq!(falls(|tick, _| if tick % 50 == 0 { 80.0 } else { 0.0 }), 12, "each time that it comes back");
        assert_eq!(falls(|tick, draining| if draining || tick % 10 > 0 { 0.0 } else { 80.0 }), 12, "every 4 s at most");
    }

    #[test]
    fn where_others_keep_it_full_it_is_left_to_them() {
        assert_eq!(falls(|_, _| 150.0), 4, "at 0, 4, 12 and 28 s");
    }
}
