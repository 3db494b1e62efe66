//! A distribution of durations in bounded memory.

use std::time::Duration;

/// Counts durations from 1 µs to over an hour, each within 3 % of what it was.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    most: Duration,
}

/// Steps between two powers of two: 2^5, so that a step is 3 % at most.
const STEP_BITS: u32 = 5;
const STEPS: usize = 1 << STEP_BITS;
/// 2^32 µs are over an hour; longer ones count as that.
const LONGEST: u64 = u32::MAX as u64;

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; index(LONGEST) + 1], total: 0, most: Duration::ZERO }
    }
}

/// Exact below 2^5; above, the five bits behind the leading one tell the step.
fn index(micros: u64) -> usize {
    let micros = micros.min(LONGEST);
    if micros < STEPS as u64 {
        return micros as usize;
    }
    let shift = micros.ilog2() - STEP_BITS;
    (shift as usize + 1) * STEPS + ((micros >> shift) as usize - STEPS)
}

/// The lowest value that has this index.
fn value(index: usize) -> u64 {
    if index < STEPS {
        return index as u64;
    }
    let shift = index / STEPS - 1;
    ((STEPS + index % STEPS) as u64) << shift
}

impl Histogram {
    /// Counts one.
    pub fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(LONGEST);
        self.counts[index(micros)] += 1;
        self.total += 1;
        self.most = self.most.max(duration);
    }

    /// Adds what another one has counted.
    pub fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(mine, theirs)| *mine += theirs);
        self.total += other.total;
        self.most = self.most.max(other.most);
    }

    /// What was counted since `earlier`, a copy of this one. The greatest stays that of all.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let counts = self.counts.iter().zip(&earlier.counts).map(|(now, before)| now.saturating_sub(*before)).collect();
        Self { counts, total: self.total.saturating_sub(earlier.total), most: self.most }
    }

    /// How many were counted.
    pub fn len(&self) -> u64 {
        self.total
    }

    /// Whether none was counted.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The greatest.
    pub fn most(&self) -> Duration {
        self.most
    }

    /// What `share` (0 to 1) of those counted do not exceed; `None` if there is none.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        if self.total == 0 {
            return None;
        }
        let rank = ((self.total as f64 * share).ceil() as u64).clamp(1, self.total);
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        found.map(|index| Duration::from_micros(value(index)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_three_percent() {
        let mut histogram = Histogram::default();
        (1..=100_000_u64).for_each(|micros| histogram.record(Duration::from_micros(micros)));
        for share in [0.01, 0.5, 0.99, 1.0] {
            let found = histogram.quantile(share).expect("counted").as_micros() as f64;
            let exact = 100_000.0 * share;
            assert!((found - exact).abs() <= exact * 0.032, "{share}: {found}");
        }
        assert_eq!(histogram.most(), Duration::from_millis(100));
    }

    #[test]
    fn differences_and_sums_count_what_they_should() {
        let mut first = Histogram::default();
        assert_eq!(first.quantile(0.5), None);
        first.record(Duration::from_micros(10));
        let earlier = first.clone();
        first.record(Duration::from_secs(100_000));
        let since = first.since(&earlier);
        assert_eq!(since.len(), 1);
        assert!(since.quantile(0.5) > Some(Duration::from_secs(4_000)));
        first.merge(&earlier);
        assert_eq!(first.len(), 3);
    }
}
