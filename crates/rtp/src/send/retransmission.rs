//! What was asked for again, and how much of it is granted.

use std::collections::VecDeque;
use std::time::Duration;

use conclave_qos::{Bitrate, Queued, Time};

/// At most so many packets wait to be sent again.
const MOST: usize = 512;
/// Retransmissions may take this share of the target rate, in percent.
const SHARE: u64 = 30;
/// But at least this much, so that a slow path is repaired too.
const LEAST: Bitrate = Bitrate::kbps(64);
/// What was not used of the share is kept this long: losses come in bursts.
const BURST: Duration = Duration::from_millis(500);
/// So many numbers are looked up within [`LOOK_UP_WINDOW`], however many are asked for.
const MOST_LOOK_UPS: u32 = 4_096;
const LOOK_UP_WINDOW: Duration = Duration::from_millis(100);

/// The packets that wait to be sent again, and the budget for them.
#[derive(Debug, Default)]
pub(super) struct Retransmissions {
    waiting: VecDeque<Waiting>,
    bytes: u64,
    /// What may be sent again right now, in bytes; grows with time.
    budget: u64,
    budget_at: Time,
    looked_up: u32,
    window_began: Time,
}

/// A packet of a slot's history.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub slot: u16,
    pub sequence: u64,
    size: u16,
}

impl Retransmissions {
    /// Whether one more number may be looked up: who asks for very many at once is not listened to to the end.
    pub fn may_look_up(&mut self, now: Time) -> bool {
        if now.since(self.window_began) >= LOOK_UP_WINDOW {
            (self.window_began, self.looked_up) = (now, 0);
        }
        self.looked_up += 1;
        self.looked_up <= MOST_LOOK_UPS
    }

    /// Queues a packet of this size, if the budget allows it.
    #[must_use]
    pub fn push(&mut self, now: Time, target: Bitrate, slot: u16, sequence: u64, size: u16) -> bool {
        self.earn(now, target);
        let cost = u64::from(size);
        if self.waiting.len() >= MOST || self.budget < cost {
            return false;
        }
        self.budget -= cost;
        self.bytes += cost;
        self.waiting.push_back(Waiting { slot, sequence, size });
        true
    }

    pub fn pop(&mut self) -> Option<Waiting> {
        let next = self.waiting.pop_front()?;
        self.bytes -= u64::from(next.size);
        Some(next)
    }

    pub fn queued(&self) -> Queued {
        // At most `MOST`.
        Queued { bytes: self.bytes, packets: self.waiting.len() as u32 }
    }

    /// As [`Queue::relocate`](super::queue::Queue::relocate).
    pub fn relocate(&mut self, moved: impl Fn(u16) -> Option<u16>) {
        self.waiting.retain_mut(|waiting| match moved(waiting.slot) {
            Some(slot) => {
                waiting.slot = slot;
                true
            }
            None => false,
        });
        self.bytes = self.waiting.iter().map(|waiting| u64::from(waiting.size)).sum();
    }

    fn earn(&mut self, now: Time, target: Bitrate) {
        let bits_per_second = target.percent(SHARE).max(LEAST).as_bps();
        let bytes_in = |time: Duration| {
            let bytes = u128::from(bits_per_second) * time.as_micros() / 8_000_000;
            u64::try_from(bytes).unwrap_or(u64::MAX)
        };
        let passed = now.since(self.budget_at).min(BURST);
        let earned = bytes_in(passed);
        if earned > 0 {
            self.budget = (self.budget + earned).min(bytes_in(BURST));
            self.budget_at = now;
        }
    }
}
