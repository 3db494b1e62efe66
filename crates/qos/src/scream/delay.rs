//! The queue: how long it is, and what that means for the window (section 4.2.1.4).

use std::time::Duration;

use super::report::Report;
use super::{VIRTUAL_ROUND_TRIP, seconds};
use crate::Time;

/// Of the queueing delay's average, where it grows; falls are followed at once (QDELAY_AVG_G).
const AVERAGE_GAIN: f64 = 1.0 / 4.0;
/// Of the round trip (RFC 6298), and while the application sends less than it may (libwebrtc's
/// `smoothed_rtt_avg_in_alr_g`).
const ROUND_TRIP_GAIN: f64 = 1.0 / 8.0;
const IDLE_ROUND_TRIP_GAIN: f64 = 1.0 / 128.0;
/// What a queue may come to, s (QDELAY_TARGET_LO).
const TARGET: f64 = 0.060;
/// How much delays vary is measured in this, s, less a quarter of it (QDELAY_DEV_NORM), up to one and a half (version -07;
/// the optional REDUCE_JITTER)...
const VARIATION: f64 = 0.025;
const MOST_VARIATION: f64 = 1.5;
/// ...as a slow average (QDELAY_DEV_AVG_G).
const VARIATION_GAIN: f64 = 1.0 / 64.0;
/// A queue that never became shorter than this, s (libwebrtc's `queue_delay_drain_threshold`)...
const DRAINED: f64 = 0.005;
/// ...for so long (`queue_delay_drain_period`) is either ours or none at all (4.5).
const DRAIN_PERIOD: Duration = Duration::from_secs(20);
/// The least delay is that of so many stretches and the present one (`base_delay_window_length`)...
const STRETCHES: usize = 10;
/// ...each as long as this (`base_delay_history_update_interval`).
const STRETCH: Duration = Duration::from_secs(60);

/// What is known of the queue and of the round trip.
#[derive(Debug, Default)]
pub(super) struct Delay {
    base: Base,
    /// Smoothed; none before the first report.
    round_trip: Option<f64>,
    /// Of the latest report, s.
    latest: Option<f64>,
    /// s; none until there is one.
    average: Option<f64>,
    /// How much delays vary: 0 to 1.5.
    variation: f64,
    /// When the averages were updated.
    updated: Option<Time>,
    /// Since when the queue has not been empty.
    full: Option<Time>,
}

/// The least delay of the last minutes, µs by two clocks (RFC 6817, section 4.2).
#[derive(Debug, Default)]
struct Base {
    before: [Option<i64>; STRETCHES],
    now: Option<i64>,
    began: Option<Time>,
}

impl Base {
    fn least(&self) -> Option<i64> {
        self.before.into_iter().flatten().chain(self.now).min()
    }

    fn end_stretch(&mut self, now: Time) {
        if self.began.is_none_or(|began| now.since(began) >= STRETCH) {
            self.before.rotate_right(1);
            // The array is not empty.
            self.before[0] = self.now.take();
            self.began = Some(now);
        }
    }
}

impl Delay {
    pub(super) fn update(&mut self, now: Time, report: &Report, is_idle: bool) {
        self.update_round_trip(seconds(report.round_trip), is_idle);
        let least = self.base.now.map_or(report.shortest, |least| least.min(report.shortest));
        self.base.now = Some(least);
        let base = self.base.least().unwrap_or(least);
        let queue = from_micros(report.shortest.saturating_sub(base));
        if queue > DRAINED {
            self.full.get_or_insert(now);
        } else {
            self.full = None;
        }
        self.latest = Some(queue);
        let interval = self.round_trip().min(VIRTUAL_ROUND_TRIP);
        if self.updated.is_none_or(|updated| seconds(now.since(updated)) >= interval) {
            self.updated = Some(now);
            self.update_averages(queue);
        }
        self.base.end_stretch(now);
    }

    /// Slow to rise, fast to fall.
    fn update_averages(&mut self, queue: f64) {
        self.average = Some(match self.average {
            Some(average) if queue >= average => AVERAGE_GAIN * queue + (1.0 - AVERAGE_GAIN) * average,
            _ => queue,
        });
        let variation = ((queue - VARIATION / 4.0) / VARIATION).clamp(0.0, MOST_VARIATION);
        self.variation += VARIATION_GAIN * (variation - self.variation);
    }

    fn update_round_trip(&mut self, sample: f64, is_idle: bool) {
        let gain = if is_idle { IDLE_ROUND_TRIP_GAIN } else { ROUND_TRIP_GAIN };
        self.round_trip = Some(match self.round_trip {
            Some(smoothed) if smoothed > 0.0 => gain * sample + (1.0 - gain) * smoothed,
            _ => sample,
        });
    }

    /// Begins anew: what was taken for a queue did not go away, so it is the path.
    pub(super) fn reset(&mut self) {
        *self = Self { round_trip: self.round_trip, latest: self.latest, ..Self::default() };
    }

    /// Whether there was a report.
    pub(super) fn is_known(&self) -> bool {
        self.round_trip.is_some()
    }

    /// Smoothed round trip, s; zero before the first report.
    pub(super) fn round_trip(&self) -> f64 {
        self.round_trip.unwrap_or_default()
    }

    /// Whether the queue is so long that the window has to shrink.
    pub(super) fn is_long(&self) -> bool {
        self.average.is_some_and(|average| average > TARGET / 2.0)
    }

    /// As if so large a share of the packets were marked: from 0 at half the target to 1 at the target (`l4s_alpha_v`).
    pub(super) fn virtual_alpha(&self) -> f64 {
        let average = self.average.unwrap_or_default();
        ((average - TARGET / 2.0) / (TARGET / 2.0)).clamp(0.0, 1.0)
    }

    /// Whether packets hardly wait: below a quarter of the target (4.2.2.1).
    pub(super) fn is_short(&self) -> bool {
        self.latest.is_some_and(|latest| latest < TARGET / 4.0)
    }

    /// Whether the average is above a quarter of the target: then losses are congestion (4.5.2).
    pub(super) fn is_growing(&self) -> bool {
        self.average.is_some_and(|average| average > TARGET / 4.0)
    }

    /// Whether the queue has been empty lately, as it has to be from time to time.
    pub(super) fn was_drained(&self, now: Time) -> bool {
        self.full.is_none_or(|full| now.since(full) < DRAIN_PERIOD)
    }

    /// From 1, where delays do not vary, to 0 (QDELAY_DEV_NORM_TH is 1).
    pub(super) fn steadiness(&self) -> f64 {
        (1.0 - self.variation).max(0.0)
    }
}

fn from_micros(micros: i64) -> f64 {
    micros.max(0) as f64 / 1_000_000.0
}
