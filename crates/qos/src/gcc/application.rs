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

/// Follows what is sent.
#[derive(Debug)]
pub(super) struct Application {
    /// What fills the budget, bits per second.
    rate: f64,
    /// Bits that could have been sent and were not; negative: that were sent beyond it.
    budget: f64,
    updated: Option<Time>,
    limited: bool,
}

impl Application {
    pub(super) fn new(estimate: f64) -> Self {
        Self { rate: estimate * USED, budget: 0.0, updated: None, limited: false }
    }

    /// As of the latest packet or [`update`](Self::update).
    pub(super) fn is_limited(&self) -> bool {
        self.limited
    }

    pub(super) fn set_estimate(&mut self, estimate: f64) {
        self.rate = estimate * USED;
    }

    pub(super) fn handle_sent(&mut self, packet: &SentPacket) {
        self.budget -= f64::from(packet.size) * 8.0;
        self.update(packet.at);
    }

    /// Time passes without sending, too.
    pub(super) fn update(&mut self, now: Time) {
        let passed = self.updated.map_or(Duration::ZERO, |updated| now.since(updated)).min(2 * WINDOW);
        self.updated = Some(self.updated.map_or(now, |updated| updated.max(now)));
        let most = self.rate * WINDOW.as_secs_f64();
        self.budget = (self.budget + self.rate * passed.as_secs_f64()).clamp(-most, most);
        if self.budget > most * BEGIN {
            self.limited = true;
        } else if self.budget < most * END {
            self.limited = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_limited_at(rate: u64) -> bool {
        let mut application = Application::new(1e6);
        for i in 0..300 {
            let at = Time::since_start(Duration::from_millis(i * 10));
            application.handle_sent(&SentPacket { at, size: (rate / 800) as u32, probe: None, is_media: true });
        }
        application.is_limited()
    }

    #[test]
    fn sending_less_than_two_thirds_of_the_estimate_is_limited() {
        assert!(is_limited_at(500_000));
        assert!(!is_limited_at(700_000));
    }

    #[test]
    fn a_silent_application_is_limited_once_time_passed() {
        let mut application = Application::new(1e6);
        application.update(Time::since_start(Duration::from_millis(10)));
        assert!(!application.is_limited());
        application.update(Time::since_start(Duration::from_secs(2)));
        assert!(application.is_limited());
    }
}
