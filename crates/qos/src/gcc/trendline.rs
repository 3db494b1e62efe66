//! Whether queues grow: a line is fitted to the delays of the latest groups, and its slope compared to a threshold that
//! adapts itself. Follows libwebrtc's `trendline_estimator.cc`; draft-ietf-rmcat-gcc-02, 5.4 for the threshold.

use super::groups::Difference;

/// Groups that the line is fitted to: `trendline_estimator.h`, `kDefaultTrendlineWindowSize`.
const WINDOW: usize = 20;
/// Weight of what was: `trendline_estimator.cc`, `kDefaultTrendlineSmoothingCoeff`.
const SMOOTHING: f64 = 0.9;
/// The same file, `kDefaultTrendlineThresholdGain`.
const GAIN: f64 = 4.0;
/// The same file, `kMinNumDeltas`.
const MOST_COUNTED: u32 = 60;
/// Overuse lasts this long before it is believed, ms: the same file, `kOverUsingTimeThreshold`.
const BELIEVED_AFTER: f64 = 10.0;
/// How fast the threshold rises and falls, per ms: the same file, `k_up_` and `k_down_`.
const RISE: f64 = 0.0087;
const FALL: f64 = 0.039;
/// Where the threshold begins and the range that it keeps to: the same file.
const FIRST_THRESHOLD: f64 = 12.5;
const LEAST_THRESHOLD: f64 = 6.0;
const MOST_THRESHOLD: f64 = 600.0;
/// Spikes that exceed the threshold by more than this do not move it: the same file, `kMaxAdaptOffsetMs`.
const SPIKE: f64 = 15.0;
/// The threshold moves by this much time at once, ms: the same file, `kMaxTimeDeltaMs`.
const LONGEST_STEP: f64 = 100.0;

/// What the delays say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Usage {
    #[default]
    Normal,
    Over,
    Under,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    /// ms since the first arrival.
    at: f64,
    /// Accumulated delay, ms, smoothed.
    delay: f64,
}

/// Decides whether a queue grows.
#[derive(Debug)]
pub(super) struct Trendline {
    samples: [Sample; WINDOW],
    /// Samples seen, up to [`MOST_COUNTED`]; and where in the ring the next one goes.
    count: u32,
    next: usize,
    first_arrival: Option<i64>,
    accumulated: f64,
    smoothed: f64,
    trend: f64,
    threshold: f64,
    /// For how long there has been overuse, ms, and in how many samples.
    over_for: Option<f64>,
    over_count: u32,
    updated: Option<f64>,
    usage: Usage,
}

impl Default for Trendline {
    fn default() -> Self {
        Self {
            samples: [Sample::default(); WINDOW],
            count: 0,
            next: 0,
            first_arrival: None,
            accumulated: 0.0,
            smoothed: 0.0,
            trend: 0.0,
            threshold: FIRST_THRESHOLD,
            over_for: None,
            over_count: 0,
            updated: None,
            usage: Usage::Normal,
        }
    }
}

impl Trendline {
    pub(super) fn usage(&self) -> Usage {
        self.usage
    }

    pub(super) fn handle_difference(&mut self, difference: Difference) {
        let sent = millis(difference.sent);
        let first = *self.first_arrival.get_or_insert(difference.at);
        self.accumulated += millis(difference.arrived) - sent;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.accumulated;
        let at = millis(difference.at.saturating_sub(first));
        self.samples[self.next] = Sample { at, delay: self.smoothed };
        self.next = (self.next + 1) % WINDOW;
        self.count = (self.count + 1).min(MOST_COUNTED);
        let trend = if self.count as usize >= WINDOW { self.slope().unwrap_or(self.trend) } else { self.trend };
        self.detect(trend, sent, at);
    }

    fn detect(&mut self, trend: f64, sent: f64, at: f64) {
        if self.count < 2 {
            return;
        }
        let modified = f64::from(self.count) * trend * GAIN;
        if modified > self.threshold {
            // Assume that the overuse began halfway between two samples.
            let over_for = self.over_for.map_or(sent / 2.0, |before| before + sent);
            self.over_for = Some(over_for);
            self.over_count += 1;
            if over_for > BELIEVED_AFTER && self.over_count > 1 && trend >= self.trend {
                self.over_for = Some(0.0);
                self.over_count = 0;
                self.usage = Usage::Over;
            }
        } else {
            self.over_for = None;
            self.over_count = 0;
            self.usage = if modified < -self.threshold { Usage::Under } else { Usage::Normal };
        }
        self.trend = trend;
        self.adapt(modified.abs(), at);
    }

    fn adapt(&mut self, modified: f64, at: f64) {
        let step = (at - self.updated.unwrap_or(at)).clamp(0.0, LONGEST_STEP);
        self.updated = Some(at);
        if modified > self.threshold + SPIKE {
            return;
        }
        let speed = if modified < self.threshold { FALL } else { RISE };
        self.threshold =
            (self.threshold + speed * (modified - self.threshold) * step).clamp(LEAST_THRESHOLD, MOST_THRESHOLD);
    }

    /// Least squares over the window; `None` if all arrived at once: the same file, `LinearFitSlope`.
    fn slope(&self) -> Option<f64> {
        let size = WINDOW as f64;
        let (sum_at, sum_delay) =
            self.samples.iter().fold((0.0, 0.0), |(at, delay), sample| (at + sample.at, delay + sample.delay));
        let (mean_at, mean_delay) = (sum_at / size, sum_delay / size);
        let (covariance, variance) = self.samples.iter().fold((0.0, 0.0), |(covariance, variance), sample| {
            let at = sample.at - mean_at;
            (covariance + at * (sample.delay - mean_delay), variance + at * at)
        });
        (variance > 0.0).then(|| covariance / variance)
    }
}

fn millis(micros: i64) -> f64 {
    micros as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups every 10 ms with these delays (ms); how often overuse was seen.
    fn overuses(delays: impl Iterator<Item = i64>) -> usize {
        let mut trendline = Trendline::default();
        let mut before = (0, 0);
        let mut count = 0;
        for (i, delay) in delays.enumerate() {
            let sent = (i as i64 + 1) * 10_000;
            let arrived = sent + delay * 1_000;
            let difference = Difference { sent: sent - before.0, arrived: arrived - before.1, at: arrived };
            trendline.handle_difference(difference);
            before = (sent, arrived);
            count += usize::from(trendline.usage() == Usage::Over);
        }
        count
    }

    #[test]
    fn a_queue_that_grows_is_overuse_and_one_that_stands_is_not() {
        assert!(overuses((0..150).map(|i: i64| 20 + (i - 50).max(0))) > 0);
        assert_eq!(overuses((0..100).map(|_| 200)), 0);
    }

    #[test]
    fn a_queue_that_empties_is_underuse() {
        let mut trendline = Trendline::default();
        for i in 0..30 {
            trendline.handle_difference(Difference { sent: 10_000, arrived: 8_000, at: i * 8_000 });
        }
        assert_eq!(trendline.usage(), Usage::Under);
    }

    #[test]
    fn the_threshold_gets_used_to_noise_and_not_to_a_spike() {
        let noise = |i: i64| (i.wrapping_mul(0x5851_F42D_4C95_7F2D) >> 33).rem_euclid(20);
        let late = overuses((0..1_000).map(noise)) - overuses((0..500).map(noise));
        assert!(late <= 5, "{late}");
        let mut trendline = Trendline::default();
        for i in 0..100 {
            trendline.handle_difference(Difference { sent: 10_000, arrived: 10_000, at: i * 10_000 });
        }
        let before = trendline.threshold;
        trendline.handle_difference(Difference { sent: 10_000, arrived: 4_000_000, at: 1_010_000 });
        assert_eq!(trendline.threshold, before);
    }
}
