//! What the link carried when it was last seen to be full: libwebrtc's `link_capacity_estimator.cc`.

/// Weight of a new sample: `link_capacity_estimator.cc`, `OnOveruseDetected`.
const WEIGHT: f64 = 0.05;
/// Range of the variance relative to the mean, both in kbit/s: the same file, `Update`.
const LEAST_DEVIATION: f64 = 0.4;
const MOST_DEVIATION: f64 = 2.5;
/// Three standard deviations on each side: the same file, `UpperBound` and `LowerBound`.
const DEVIATIONS: f64 = 3.0;

/// Mean and variance of the rates that arrived at times of overuse. Rates in bits per second.
#[derive(Clone, Copy, Debug)]
pub(super) struct LinkCapacity {
    /// kbit/s.
    mean: Option<f64>,
    deviation: f64,
}

impl Default for LinkCapacity {
    fn default() -> Self {
        Self { mean: None, deviation: LEAST_DEVIATION }
    }
}

impl LinkCapacity {
    pub(super) fn mean(&self) -> Option<f64> {
        self.mean.map(|mean| mean * 1_000.0)
    }

    /// Forgets the mean but not how far rates scatter: the same file, `Reset`.
    pub(super) fn reset(&mut self) {
        self.mean = None;
    }

    pub(super) fn is_above(&self, rate: f64) -> bool {
        self.mean.is_some_and(|mean| rate / 1_000.0 > mean + DEVIATIONS * self.spread(mean))
    }

    pub(super) fn is_below(&self, rate: f64) -> bool {
        self.mean.is_some_and(|mean| rate / 1_000.0 < mean - DEVIATIONS * self.spread(mean))
    }

    pub(super) fn handle_overuse(&mut self, rate: f64) {
        let sample = rate / 1_000.0;
        let mean = self.mean.map_or(sample, |mean| (1.0 - WEIGHT) * mean + WEIGHT * sample);
        let error = mean - sample;
        let deviation = (1.0 - WEIGHT) * self.deviation + WEIGHT * error * error / mean.max(1.0);
        self.mean = Some(mean);
        self.deviation = deviation.clamp(LEAST_DEVIATION, MOST_DEVIATION);
    }

    fn spread(&self, mean: f64) -> f64 {
        (self.deviation * mean.max(0.0)).sqrt()
    }
}
