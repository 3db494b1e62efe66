//! Whether losses mean congestion (libwebrtc's `loss_estimator.cc`): single ones do not, those of several round trips in a
//! row do.

use super::report::Report;
use super::{VIRTUAL_ROUND_TRIP, seconds};
use crate::Time;

/// Round trips in a row with losses that are congestion (`rtts_with_loss_before_backoff`).
const LOSSY: f64 = 3.0;
/// Round trips in a row without, after which it is over (`lossless_rtts_before_clear`).
const LOSSLESS: f64 = 2.0;
/// Congestion from this level on (`LossEstimator::congested`): three thirds do not always add up to one.
const CONGESTED: f64 = 0.99;
/// The window grows below this level (`scream_v2.cc`, `UpdateRefWindow`).
const CLEAR: f64 = 0.01;

/// Follows losses from round trip to round trip.
#[derive(Debug, Default)]
pub(super) struct Loss {
    /// 0 to 1.
    level: f64,
    /// Lost, and not arrived since.
    missing: u32,
    changed: Option<Time>,
    /// When the present round trip began, and whether packets were lost in it.
    began: Option<Time>,
    is_lossy: bool,
}

impl Loss {
    /// Whether the report tells of losses. `round_trip` in s.
    pub(super) fn update(&mut self, now: Time, report: &Report, round_trip: f64) -> bool {
        let round_trip = round_trip.max(VIRTUAL_ROUND_TRIP);
        let is_past = |since: Option<Time>| since.is_none_or(|since| seconds(now.since(since)) >= round_trip);
        if is_past(self.changed) {
            self.missing = 0;
        }
        if report.lost + report.recovered > 0 {
            self.changed = Some(now);
        }
        if report.recovered > 0 {
            self.missing = self.missing.saturating_sub(report.recovered);
            if self.missing == 0 {
                // They were late, not lost.
                (self.level, self.is_lossy) = (0.0, false);
            }
        }
        self.missing = self.missing.saturating_add(report.lost);
        self.is_lossy |= report.lost > 0;
        if is_past(self.began) {
            self.began = Some(now);
            let step = if std::mem::take(&mut self.is_lossy) { 1.0 / LOSSY } else { -1.0 / LOSSLESS };
            self.level = (self.level + step).clamp(0.0, 1.0);
        }
        report.lost > 0
    }

    /// Whether losses mean congestion.
    pub(super) fn is_congested(&self) -> bool {
        self.level >= CONGESTED
    }

    /// Whether there were none lately.
    pub(super) fn is_clear(&self) -> bool {
        self.level < CLEAR
    }
}
