//! The queue: how long it is, and what that means for the window (section 4.2.1.4). How much delays vary is measured as in
//! libwebrtc's `delay_based_congestion_control.cc`: the draft's own way is an example, and another one in each version.

use std::time::Duration;

use super::report::Report;
use super::seconds;
use crate::Time;

/// Of the queueing delay's average, where it grows; falls are followed at once (QDELAY_AVG_G).
const AVERAGE_GAIN: f64 = 1.0 / 4.0;
/// Of the averages of the least delay and of the delays' spread (`delay_min_and_latency_diff_avg_g`).
const SLOW_GAIN: f64 = 1.0 / 32.0;
/// Of the round trip (`smoothed_rtt_avg_g`), and while the application sends less than it may
/// (`smoothed_rtt_avg_in_alr_g`).
const ROUND_TRIP_GAIN: f64 = 1.0 / 8.0;
const IDLE_ROUND_TRIP_GAIN: f64 = 1.0 / 128.0;
/// What a queue may come to, s (QDELAY_TARGET_LO, `queue_delay_target`).
const TARGET: f64 = 0.060;
/// The averages of least delay and spread count up to twice this, s (`queue_delay_min_threshold`,
/// `latency_diff_threshold`).
const THRESHOLD: f64 = 0.010;
/// A queue that never became shorter than this, s (`queue_delay_drain_threshold`)...
const DRAINED: f64 = 0.005;
/// ...for so long (`queue_delay_drain_period`) is either ours or none at all.
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
    /// Averages of the least delay in a report, and of the difference between the longest and the least, s.
    least: f64,
    spread: f64,
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
        let steady = self.latest.map_or(queue, |latest| latest.min(queue));
        self.latest = Some(queue);
        self.average = Some(match self.average {
            Some(average) if steady >= average => AVERAGE_GAIN * steady + (1.0 - AVERAGE_GAIN) * average,
            _ => steady,
        });
        let spread = from_micros(report.longest.saturating_sub(report.shortest));
        self.least += SLOW_GAIN * (queue.min(2.0 * THRESHOLD) - self.least);
        self.spread += SLOW_GAIN * (spread.min(2.0 * THRESHOLD) - self.spread);
        self.base.end_stretch(now);
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

    /// From 1, where the least delay is a quarter of its threshold, down to 0.1 at the threshold and to 0
    /// (`ref_window_scale_factor_due_to_avg_min_delay`).
    pub(super) fn least_scale(&self) -> f64 {
        scale(self.least).clamp(0.0, 1.0)
    }

    /// The same for the spread of delays; not below 0.1 (`ref_window_scale_factor_due_to_latency_difference`).
    pub(super) fn spread_scale(&self) -> f64 {
        scale(self.spread).clamp(0.1, 1.0)
    }
}

fn scale(delay: f64) -> f64 {
    0.1 + 1.2 * (THRESHOLD - delay) / THRESHOLD
}

fn from_micros(micros: i64) -> f64 {
    micros.max(0) as f64 / 1_000_000.0
}
