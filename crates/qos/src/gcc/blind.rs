//! What is left where the other end sends no transport-wide feedback: the share of lost packets that its RTCP receiver
//! reports tell (RFC 3550, 6.4.1), as libwebrtc's `send_side_bandwidth_estimation.cc` uses it.

use std::time::Duration;

use crate::Time;

/// Below this share, the rate rises: `kDefaultLowLossThreshold`...
const LOW: f64 = 0.02;
/// ...by this factor and this much: `UpdateEstimate`...
const RISE: f64 = 1.08;
const RISE_TERM: f64 = 1_000.0;
/// ...once in this time: `kBweIncreaseInterval`.
const BETWEEN_RISES: Duration = Duration::from_secs(1);
/// Above this share, it falls by half of the share: `kDefaultHighLossThreshold`...
const HIGH: f64 = 0.10;
/// ...once in a round trip and this: `kBweDecreaseInterval`.
const BETWEEN_FALLS: Duration = Duration::from_millis(300);

/// Follows receiver reports.
#[derive(Debug, Default)]
pub(super) struct Blind {
    changed: Option<Time>,
}

impl Blind {
    /// The rate after a report of this share lost. It rises only where what may be sent is `used`.
    pub(super) fn update(&mut self, now: Time, rate: f64, loss: f64, round_trip: Duration, used: bool) -> f64 {
        let passed = self.changed.map_or(Duration::MAX, |changed| now.since(changed));
        if loss < LOW && used && passed >= BETWEEN_RISES {
            self.changed = Some(now);
            rate * RISE + RISE_TERM
        } else if loss > HIGH && passed >= BETWEEN_FALLS.saturating_add(round_trip) {
            self.changed = Some(now);
            rate * (1.0 - 0.5 * loss.min(1.0))
        } else {
            rate
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(reports: &[(u64, f64)]) -> f64 {
        let mut blind = Blind::default();
        reports.iter().fold(1e6, |rate, (ms, loss)| {
            let now = Time::since_start(Duration::from_millis(*ms));
            blind.update(now, rate, *loss, Duration::from_millis(100), true)
        })
    }

    #[test]
    fn it_rises_8_percent_a_second_without_losses_and_falls_with_many() {
        assert_eq!(after(&[(0, 0.0), (500, 0.0), (1_000, 0.01)]).round(), 1_168_480.0);
        assert_eq!(after(&[(0, 0.05), (1_000, 0.1)]), 1e6);
        assert_eq!(after(&[(0, 0.2), (100, 0.2), (500, 0.2)]), 810_000.0);
        assert_eq!(after(&[(0, f64::NAN)]), 1e6);
    }
}
