//! What may be sent to a peer that gives no transport-wide feedback: by the losses that its receiver reports
//! tell, and by its own estimate if it sends one.
//!
//! The rule is the loss-based one of draft-ietf-rmcat-gcc-02, section 6, as libwebrtc applied it to receiver reports.

use std::time::Duration;

use conclave_qos::{Bitrate, Control, Time};

/// Where it begins, and what it stays within.
const START: Bitrate = Bitrate::kbps(500);
const FLOOR: Bitrate = Bitrate::kbps(50);
const CEILING: Bitrate = Bitrate::kbps(20_000);
/// Fewer packets than this say nothing about losses.
const LEAST_PACKETS: u64 = 20;
/// Below this share of losses, in 1/256, more is tried; above the other, less is sent.
const FEW: u64 = 5;
const MANY: u64 = 26;
const INCREASE_INTERVAL: Duration = Duration::from_secs(1);
const DECREASE_INTERVAL: Duration = Duration::from_millis(300);

/// A rate that follows losses.
#[derive(Debug)]
pub(super) struct Fallback {
    target: Bitrate,
    limit: Option<Bitrate>,
    wanted: Bitrate,
    expected: u64,
    /// In 1/256 of packets.
    lost: u64,
    increased: Time,
    decreased: Time,
}

impl Fallback {
    pub fn new() -> Self {
        Self {
            target: START,
            limit: None,
            wanted: CEILING,
            expected: 0,
            lost: 0,
            increased: Time::default(),
            decreased: Time::default(),
        }
    }

    /// A report block told of this many packets, and that this share of them, in 1/256, was lost.
    pub fn handle_loss(&mut self, now: Time, expected: u64, share: u8, round_trip: Duration) {
        self.expected += expected;
        self.lost += expected * u64::from(share);
        if self.expected < LEAST_PACKETS {
            return;
        }
        let share = self.lost / self.expected;
        if share > MANY {
            if now.since(self.decreased) < DECREASE_INTERVAL + round_trip {
                return;
            }
            self.decreased = now;
            // A loss share of p leaves 1 - p/2.
            self.target = Bitrate::bps(self.target.as_bps() * (512 - share) / 512).max(FLOOR);
        } else if share < FEW && now.since(self.increased) >= INCREASE_INTERVAL {
            self.increased = now;
            // What is not asked for is not tried, so nothing is known of it.
            let most = self.wanted.percent(150).clamp(START, CEILING).max(self.target);
            self.target = (self.target.percent(108) + Bitrate::kbps(1)).min(most);
        }
        (self.expected, self.lost) = (0, 0);
    }

    pub fn handle_limit(&mut self, limit: Option<Bitrate>) {
        self.limit = limit;
    }

    pub fn handle_wanted(&mut self, wanted: Bitrate) {
        self.wanted = wanted;
    }

    pub fn control(&self) -> Control {
        let target = self.limit.map_or(self.target, |limit| limit.min(self.target)).max(FLOOR);
        Control { target, pacing: target.percent(250), padding: Bitrate::ZERO, is_ample: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(50);

    fn second(second: u64) -> Time {
        Time::since_start(Duration::from_secs(second))
    }

    #[test]
    fn without_losses_the_rate_grows_up_to_what_is_wanted() {
        let mut fallback = Fallback::new();
        fallback.handle_wanted(Bitrate::kbps(2_000));
        (1..120).for_each(|at| fallback.handle_loss(second(at), 100, 0, ROUND_TRIP));
        assert_eq!(fallback.control().target, Bitrate::kbps(3_000));
    }

    #[test]
    fn heavy_losses_bring_it_down_but_never_to_a_standstill() {
        let mut fallback = Fallback::new();
        fallback.handle_loss(second(1), 100, 128, ROUND_TRIP);
        assert_eq!(fallback.control().target, START.percent(75));
        (2..200).for_each(|at| fallback.handle_loss(second(at), 100, 255, ROUND_TRIP));
        assert_eq!(fallback.control().target, FLOOR);
        fallback.handle_limit(Some(Bitrate::ZERO));
        assert_eq!(fallback.control().target, FLOOR);
    }

    #[test]
    fn a_few_losses_change_nothing_and_a_few_packets_say_nothing() {
        let mut fallback = Fallback::new();
        fallback.handle_loss(second(1), 100, 15, ROUND_TRIP);
        fallback.handle_loss(second(2), 5, 255, ROUND_TRIP);
        assert_eq!(fallback.control().target, START);
    }

    #[test]
    fn the_receivers_own_estimate_limits() {
        let mut fallback = Fallback::new();
        fallback.handle_limit(Some(Bitrate::kbps(200)));
        assert_eq!(fallback.control().target, Bitrate::kbps(200));
        fallback.handle_limit(None);
        assert_eq!(fallback.control().target, START);
    }
}
