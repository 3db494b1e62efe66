//! What congestion control says that a leg can be sent, and how much of it to rely on.
//!
//! Estimates breathe by some 15 % around what the network carries. What is sent already goes on as long as it
//! fits; it is not worth more unless that will still fit with the next breath, and once something has to
//! give way, enough gives way for the breaths to come.

use std::time::Duration;

use crate::rtp::{Bitrate, Time};

/// What counts of a single estimate for sending more, in percent. An estimate that is 15 % above what it
/// breathes around may be followed by one that is 15 % below, and the rates of streams are known to a few percent.
const SINGLE_PERCENT: u64 = 70;

/// What counts of the lowest estimate of the last ten seconds, in percent: the next may be lower still.
const LOWEST_PERCENT: u64 = 90;

/// An estimate that has grown by so much (in percent of what it was) is no breath.
const GROWN_PERCENT: u64 = 137;

/// What a leg is sent as long as congestion control has not spoken.
const INITIAL: Bitrate = Bitrate::kbps(1_200);

const PERIODS: usize = 10;
const PERIOD: Duration = Duration::from_secs(1);

/// How much may be sent, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    /// What is sent now goes on up to this.
    pub keep: Bitrate,
    /// If that is not enough, what is sent comes down to this.
    pub fall: Bitrate,
    /// More than now is sent only up to this.
    pub raise: Bitrate,
}

impl Budget {
    /// What is left when something has been taken off first.
    pub fn without(self, taken: Bitrate) -> Self {
        Self {
            keep: self.keep.saturating_sub(taken),
            fall: self.fall.saturating_sub(taken),
            raise: self.raise.saturating_sub(taken),
        }
    }
}

/// The estimates of the last ten seconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Estimate {
    latest: Option<Bitrate>,
    /// Lowest and highest of each period, the newest first.
    periods: [(Bitrate, Bitrate); PERIODS],
    /// How many periods have been seen from their beginning.
    full: usize,
    begun_at: Time,
}

impl Estimate {
    /// Congestion control has spoken.
    pub fn take(&mut self, now: Time, estimate: Bitrate) {
        if self.latest.is_none() {
            self.begun_at = now;
            self.periods = [(estimate, estimate); PERIODS];
        }
        self.pass(now);
        let (lowest, highest) = &mut self.periods[0];
        (*lowest, *highest) = ((*lowest).min(estimate), (*highest).max(estimate));
        self.latest = Some(estimate);
    }

    /// Time passes; what was said last still holds.
    fn pass(&mut self, now: Time) {
        let Some(latest) = self.latest else { return };
        let passed = (now.since(self.begun_at).as_micros() / PERIOD.as_micros()) as u32;
        for _ in 0..passed.min(PERIODS as u32) {
            self.periods.rotate_right(1);
            self.periods[0] = (latest, latest);
        }
        self.full = self.full.saturating_add(passed as usize).min(PERIODS);
        self.begun_at = self.begun_at + PERIOD * passed;
    }

    /// How much may be sent now.
    pub fn budget(&mut self, now: Time) -> Budget {
        let Some(latest) = self.latest else {
            return Budget { keep: INITIAL, fall: INITIAL, raise: INITIAL.percent(LOWEST_PERCENT) };
        };
        self.pass(now);
        let lowest = self.periods.iter().map(|(lowest, _)| *lowest).min().unwrap_or(latest);
        let highest = self.periods.iter().map(|(_, highest)| *highest).max().unwrap_or(latest);
        // Of less time the lowest says nothing.
        let proven = if self.full == PERIODS { lowest.percent(LOWEST_PERCENT) } else { Bitrate::ZERO };
        let fall = latest.min(highest.percent(SINGLE_PERCENT));
        Budget { keep: latest, fall, raise: latest.percent(SINGLE_PERCENT).max(proven) }
    }

    /// The last estimate.
    pub fn latest(&self) -> Bitrate {
        self.latest.unwrap_or(INITIAL)
    }

    /// Whether congestion control has spoken.
    pub fn is_known(&self) -> bool {
        self.latest.is_some()
    }
}

/// Whether an estimate is so much above an earlier one that the network must be another.
pub(crate) fn has_grown(before: Bitrate, now: Bitrate) -> bool {
    now >= before.percent(GROWN_PERCENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    fn kbps(budget: Budget) -> [u64; 3] {
        [budget.keep, budget.fall, budget.raise].map(|rate| rate.as_bps() / 1_000)
    }

    #[test]
    fn one_estimate_is_trusted_for_what_is_sent_and_less_for_more() {
        let mut estimate = Estimate::default();
        assert_eq!(kbps(estimate.budget(at(0))), [1_200, 1_200, 1_080]);
        estimate.take(at(0), Bitrate::kbps(2_000));
        assert_eq!(kbps(estimate.budget(at(100))), [2_000, 1_400, 1_400]);
    }

    #[test]
    fn what_was_never_less_for_ten_seconds_is_relied_on() {
        let mut estimate = Estimate::default();
        estimate.take(at(0), Bitrate::kbps(2_000));
        assert_eq!(kbps(estimate.budget(at(9_999))), [2_000, 1_400, 1_400]);
        assert_eq!(kbps(estimate.budget(at(10_000))), [2_000, 1_400, 1_800], "said once, it still holds");
        estimate.take(at(12_000), Bitrate::kbps(1_000));
        assert_eq!(kbps(estimate.budget(at(12_000))), [1_000, 1_000, 900]);
        estimate.take(at(12_100), Bitrate::kbps(3_000));
        assert_eq!(kbps(estimate.budget(at(21_900))), [3_000, 2_100, 2_100]);
        assert_eq!(kbps(estimate.budget(at(22_000))), [3_000, 2_100, 2_700]);
    }

    #[test]
    fn a_leap_that_was_too_high_counts_no_longer_as_soon_as_less_is_said() {
        let mut estimate = Estimate::default();
        for (ms, rate) in [(0, 300), (1_000, 1_500), (1_500, 1_000)] {
            estimate.take(at(ms), Bitrate::kbps(rate));
        }
        assert_eq!(kbps(estimate.budget(at(1_600))), [1_000, 1_000, 700]);
    }

    #[test]
    fn a_network_that_broke_down_once_is_believed_as_soon_as_it_is_back() {
        let mut estimate = Estimate::default();
        estimate.take(at(0), Bitrate::kbps(2_000));
        estimate.take(at(20_000), Bitrate::kbps(300));
        estimate.take(at(24_000), Bitrate::kbps(2_000));
        assert_eq!(kbps(estimate.budget(at(24_100))), [2_000, 1_400, 1_400]);
    }

    #[test]
    fn whatever_it_breathes_around_a_raise_survives_the_next_breath() {
        for above in [100, 105, 110, 115] {
            let mut estimate = Estimate::default();
            estimate.take(at(0), Bitrate::kbps(1_000).percent(above));
            assert!(estimate.budget(at(0)).raise <= Bitrate::kbps(850), "{above}");
        }
        assert!(!has_grown(Bitrate::kbps(850), Bitrate::kbps(1_150)));
        assert!(has_grown(Bitrate::kbps(850), Bitrate::kbps(1_200)));
    }
}
