//! What a Conclave server says of its own part of the delay: its histogram of how long packets were in it.

use std::time::Duration;

use crate::measure::Figure;
use crate::signal::{Bearer, Site, Trust, fetch};

/// Packets by how long they were in the server, from its start: upper ends of buckets, and how many took at most so long.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Inside(Vec<(f64, u64)>);

const BUCKET: &str = "conclave_media_forwarding_seconds_bucket{";

impl Inside {
    /// Reads the metrics; `None`: they cannot be had.
    pub(super) async fn fetch(metrics: &Site, bearer: &Bearer) -> Option<Self> {
        fetch(metrics, Trust::Anybody, Some(bearer)).await.ok().map(|text| Self::parse(&text))
    }

    /// Of all shards together.
    fn parse(text: &str) -> Self {
        let mut all: Vec<(f64, u64)> = Vec::new();
        for line in text.lines().filter_map(|line| line.strip_prefix(BUCKET)) {
            let Some((labels, count)) = line.split_once("} ") else { continue };
            let bound = labels.split(',').find_map(|label| label.strip_prefix("le=\"")?.strip_suffix('"'));
            let Some(bound) = bound.and_then(|bound| bound.parse::<f64>().ok()) else { continue };
            let Ok(count) = count.trim().parse::<u64>() else { continue };
            match all.iter_mut().find(|(known, _)| *known == bound) {
                Some((_, sum)) => *sum += count,
                None => all.push((bound, count)),
            }
        }
        all.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        Self(all)
    }

    /// What came after `earlier`.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let before = |bound: f64| earlier.0.iter().find(|(known, _)| *known == bound).map_or(0, |(_, count)| *count);
        Self(self.0.iter().map(|(bound, count)| (*bound, count.saturating_sub(before(*bound)))).collect())
    }

    /// The time that this share of the packets did not exceed; within a bucket packets are taken as spread evenly.
    fn quantile(&self, share: f64) -> Option<Duration> {
        let all = self.0.last().map(|(_, count)| *count).filter(|count| *count > 0)? as f64;
        let (mut low, mut below) = (0.0, 0.0);
        for (bound, count) in &self.0 {
            let count = *count as f64;
            if count >= share * all && bound.is_finite() {
                let part = if count > below { (share * all - below) / (count - below) } else { 1.0 };
                return Some(Duration::from_secs_f64(low + (bound - low) * part.clamp(0.0, 1.0)));
            }
            (low, below) = (if bound.is_finite() { *bound } else { low }, count);
        }
        // Above the last bound, which is all that is known.
        Some(Duration::from_secs_f64(low))
    }

    /// For people.
    pub(super) fn figures(&self) -> Vec<Figure> {
        let quantiles = [("in the server p50", 0.5), ("in the server p95", 0.95), ("in the server p99", 0.99)];
        let figure = |(name, share): (&str, f64)| {
            self.quantile(share).map(|delay| Figure::new(name.to_owned(), delay.as_secs_f64() * 1e3, "ms"))
        };
        quantiles.into_iter().filter_map(figure).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "\
# TYPE conclave_media_forwarding_seconds_bucket counter
conclave_media_forwarding_seconds_bucket{shard=\"0\",le=\"0.0001\"} 40
conclave_media_forwarding_seconds_bucket{shard=\"1\",le=\"0.0001\"} 10
conclave_media_forwarding_seconds_bucket{shard=\"0\",le=\"0.001\"} 60
conclave_media_forwarding_seconds_bucket{shard=\"1\",le=\"0.001\"} 39
conclave_media_forwarding_seconds_bucket{shard=\"0\",le=\"+Inf\"} 61
conclave_media_forwarding_seconds_bucket{shard=\"1\",le=\"+Inf\"} 39
conclave_media_forwarding_seconds_count{shard=\"0\"} 61
";

    #[test]
    fn shards_are_added_up_and_quantiles_lie_in_their_buckets() {
        let inside = Inside::parse(METRICS);
        assert_eq!(inside.0, [(0.0001, 50), (0.001, 99), (f64::INFINITY, 100)]);
        assert_eq!(inside.quantile(0.25), Some(Duration::from_micros(50)));
        assert_eq!(inside.quantile(0.5), Some(Duration::from_micros(100)));
        assert_eq!(inside.quantile(0.99), Some(Duration::from_millis(1)));
        assert_eq!(inside.quantile(1.0), Some(Duration::from_millis(1)), "more than that is all that is known");
    }

    #[test]
    fn only_what_came_later_counts() {
        let inside = Inside::parse(METRICS);
        assert_eq!(inside.since(&inside).quantile(0.5), None);
        assert_eq!(inside.since(&Inside::default()), inside);
        assert_eq!(Inside::parse("no metrics").figures().len(), 0);
    }
}
