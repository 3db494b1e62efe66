//! Whether the application sends much less than it may ("application-limited region"): libwebrtc's `alr_detector.cc`.

use std::time::Duration;

use crate::{SentPacket, Time};

/// Sending less than this share of the estimate fills the budget: `alr_detector.h`, `bandwidth_usage_ratio`.
const USED: f64 = 0.65;
/// It begins when the budget is filled to this share, and ends at this one: the same file, `start_budget_level_ratio`
/// and `stop_budget_level_ratio`.
const BEGIN: f64 = 0.80;
const END: f64 = 0.50;
/// The budget holds this much time's worth: `interval_budget.cc`, `kWindowMs`.
const WINDOW: Duration = Duration::from_millis(500);

/// Follows what is sent. Time passes with packets only: where nothing is sent at all, nothing changes.
#[derive(Debug)]
pub(super) struct Application {
    /// What fills the budget, bits per second.
    rate: f64,
    /// Bits that could have been sent and were not; negative: that were sent beyond it.
    budget: f64,
    updated: Option<Time>,
    limited: Option<Time>,
}

impl Application {
    pub(super) fn new(estimate: f64) -> Self {
        Self { rate: estimate * USED, budget: 0.0, updated: None, limited: None }
    }

    /// Since when it sends much less than it may, as of the latest packet.
    pub(super) fn limited_since(&self) -> Option<Time> {
        self.limited
    }

    pub(super) fn is_limited(&self) -> bool {
        self.limited.is_some()
    }

    pub(super) fn set_estimate(&mut self, estimate: f64) {
        self.rate = estimate * USED;
        let most = self.most();
        self.budget = self.budget.clamp(-most, most);
    }

    pub(super) fn handle_sent(&mut self, packet: &SentPacket) {
        let now = packet.at;
        let passed = self.updated.map_or(Duration::ZERO, |updated| now.since(updated));
        self.updated = Some(self.updated.map_or(now, |updated| updated.max(now)));
        let most = self.most();
        let left = (self.budget - f64::from(packet.size) * 8.0).max(-most);
        self.budget = (left + self.rate * passed.as_secs_f64()).min(most);
        if self.budget > most * BEGIN {
            self.limited.get_or_insert(now);
        } else if self.budget < most * END {
            self.limited = None;
        }
    }

    fn most(&self) -> f64 {
        self.rate * WINDOW.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends at this rate for three seconds, with an estimate of 1 Mbit/s.
    fn send(application: &mut Application, from: u64, rate: u64) {
        for i in 0..300 {
            let at = Time::since_start(Duration::from_millis(from + i * 10));
            application.handle_sent(&SentPacket { at, size: (rate / 800) as u32, probe: None, is_media: true });
        }
    }

    #[test]
    fn sending_less_than_two_thirds_of_the_estimate_is_limited() {
        let mut application = Application::new(1e6);
        send(&mut application, 0, 700_000);
        assert_eq!(application.limited_since(), None);
        send(&mut application, 3_000, 300_000);
        let since = application.limited_since().unwrap();
        assert!(
            (Duration::from_millis(3_100)..Duration::from_millis(6_000)).contains(&since.to_duration()),
            "{since:?}"
        );
        send(&mut application, 6_000, 900_000);
        assert_eq!(application.limited_since(), None);
    }

    #[test]
    fn a_higher_estimate_makes_the_same_rate_little() {
        let mut application = Application::new(1e6);
        send(&mut application, 0, 700_000);
        application.set_estimate(3e6);
        send(&mut application, 3_000, 700_000);
        assert!(application.is_limited());
    }
}
