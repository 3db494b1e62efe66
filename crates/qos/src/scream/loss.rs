//! What is lost, and whether that means congestion (sections 4.2.1.1 and 4.5.2).

use std::collections::VecDeque;
use std::time::Duration;

use super::{SEGMENT, seconds};
use crate::{PacketResult, Time};

/// Losses are congestion from this share of the packets on (LOSS_RATE_THRESHOLD).
const THRESHOLD: f64 = 0.01;
/// Packets that are missing at most; the oldest count as lost. More than a window of 64 KiB holds.
const MOST: usize = 64;

/// Follows missing packets.
#[derive(Debug, Default)]
pub(super) struct Loss {
    /// Share of the packets that were lost, over two round trips or 400 packets.
    rate: f64,
    /// Packets that were reported as lost, in the order of the reports.
    missing: VecDeque<Missing>,
    /// How long a packet may be missing and still come: as long as one did (the reordering window of 4.2.1.1).
    patience: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    sequence: u64,
    told: Time,
    is_counted: bool,
}

impl Loss {
    /// Whether packets turned out to be lost. `window` in bytes, `round_trip` in s.
    pub(super) fn update(&mut self, now: Time, results: &[PacketResult], window: f64, round_trip: f64) -> bool {
        let weight = (THRESHOLD / 4.0).min(SEGMENT / window / 2.0);
        for result in results {
            if result.received.is_none() {
                self.miss(result.sequence, now);
            } else if !self.recover(result.sequence, now, round_trip) {
                self.rate -= weight * self.rate;
            }
        }
        let patience = self.patience;
        let mut has_losses = false;
        for missing in &mut self.missing {
            if !missing.is_counted && now.since(missing.told) >= patience {
                missing.is_counted = true;
                has_losses = true;
                self.rate += weight * (1.0 - self.rate);
            }
        }
        // Nobody waits for longer than a round trip: who is still missing then is forgotten.
        let is_old = |missing: &Missing| missing.is_counted && seconds(now.since(missing.told)) > round_trip;
        while self.missing.front().is_some_and(is_old) {
            self.missing.pop_front();
        }
        has_losses
    }

    /// Whether so many packets are lost that it is congestion, however short the queue.
    pub(super) fn is_congestion(&self) -> bool {
        self.rate > THRESHOLD
    }

    fn miss(&mut self, sequence: u64, told: Time) {
        if self.missing.len() >= MOST {
            self.missing.pop_front();
        }
        self.missing.push_back(Missing { sequence, told, is_counted: false });
    }

    /// Whether a packet arrived that had been missing.
    fn recover(&mut self, sequence: u64, now: Time, round_trip: f64) -> bool {
        let Some(place) = self.missing.iter().position(|missing| missing.sequence == sequence) else { return false };
        let late = self.missing.remove(place).map_or(Duration::ZERO, |missing| now.since(missing.told));
        if seconds(late) <= round_trip {
            // The next one to come as late is not lost.
            self.patience = self.patience.max(late + Duration::from_micros(1));
        }
        true
    }
}
