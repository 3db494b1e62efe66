//! When a timestamp would arrive on average (libwebrtc, `modules/video_coding/timing/timestamp_extrapolator.cc`).

use std::time::Duration;

use crate::Time;
use crate::playout::micros;

/// `kStartUpFilterDelayInPackets`.
const STARTUP: u32 = 2;
/// `kAlarmThreshold`, `kAccDrift`, `kAccMaxError`, in ticks of 90 kHz: 667, 73 and 78 ms.
const ALARM: f64 = 60e3;
const DRIFT: f64 = 6_600.0;
const MOST_ERROR: f64 = 7_000.0;
/// `kP11`.
const UNCERTAIN: f64 = 1e10;
/// After so long without a frame it begins anew.
const FORGET: Duration = Duration::from_secs(10);
/// Ticks of the reference's clock in a millisecond.
const TICKS_PER_MS: f64 = 90.0;

/// A line through arrivals over timestamps, by recursive least squares: it averages jitter and follows the sender's
/// clock.
#[derive(Clone, Debug)]
pub(super) struct ArrivalClock {
    clock_rate: u32,
    start: Time,
    first: Option<i64>,
    previous: (i64, Time),
    /// Ticks per ms, and ticks.
    line: [f64; 2],
    covariance: [[f64; 2]; 2],
    frames: u32,
    above: f64,
    below: f64,
}

impl ArrivalClock {
    pub(super) fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate,
            start: Time::default(),
            first: None,
            previous: (0, Time::default()),
            line: [TICKS_PER_MS, 0.0],
            covariance: [[1.0, 0.0], [0.0, UNCERTAIN]],
            frames: 0,
            above: 0.0,
            below: 0.0,
        }
    }

    fn restart(&mut self, timestamp: i64, at: Time) {
        *self = Self { start: at, first: Some(timestamp), previous: (timestamp, at), ..Self::new(self.clock_rate) };
    }

    /// In ticks of 90 kHz.
    fn ticks(&self, from: i64, to: i64) -> f64 {
        to.saturating_sub(from) as f64 * (90_000.0 / f64::from(self.clock_rate))
    }

    /// The frame with this timestamp came at this time.
    pub(super) fn update(&mut self, timestamp: i64, at: Time) {
        let first = match self.first {
            Some(first) if at.since(self.previous.1) <= FORGET => first,
            _ => {
                self.restart(timestamp, at);
                timestamp
            }
        };
        let now = (micros(at).saturating_sub(micros(self.start))) as f64 / 1_000.0;
        let ticks = self.ticks(first, timestamp);
        let residual = ticks - now * self.line[0] - self.line[1];
        if self.has_changed(residual) && self.frames >= STARTUP {
            self.covariance[1][1] = UNCERTAIN;
        }
        if timestamp < self.previous.0 {
            // Overtaken.
            return;
        }
        self.learn(now, residual);
        if !self.line.iter().chain(self.covariance.as_flattened()).all(|value| value.is_finite()) {
            self.restart(timestamp, at);
        }
        self.previous = (timestamp, at);
        self.frames = (self.frames + 1).min(STARTUP);
    }

    fn learn(&mut self, now: f64, residual: f64) {
        let p = &mut self.covariance;
        let observed = [p[0][0] * now + p[0][1], p[1][0] * now + p[1][1]];
        let variance = 1.0 + now * observed[0] + observed[1];
        let gain = [observed[0] / variance, observed[1] / variance];
        self.line[0] += gain[0] * residual;
        self.line[1] += gain[1] * residual;
        let (top, bottom) = (p[0], p[1]);
        p[0][0] = top[0] - (gain[0] * now * top[0] + gain[0] * bottom[0]);
        p[0][1] = top[1] - (gain[0] * now * top[1] + gain[0] * bottom[1]);
        p[1][0] = bottom[0] - (gain[1] * now * top[0] + gain[1] * bottom[0]);
        p[1][1] = bottom[1] - (gain[1] * now * top[1] + gain[1] * bottom[1]);
    }

    /// When this timestamp arrives on average; `None` before the first frame.
    pub(super) fn arrival(&self, timestamp: i64) -> Option<Time> {
        let first = self.first?;
        let ms = if self.frames < STARTUP {
            let since = self.ticks(self.previous.0, timestamp) / TICKS_PER_MS;
            (micros(self.previous.1).saturating_sub(micros(self.start))) as f64 / 1_000.0 + since
        } else if self.line[0] < 1e-3 {
            0.0
        } else {
            (self.ticks(first, timestamp) - self.line[1]) / self.line[0]
        };
        // Casting stops at the ends.
        let at = micros(self.start).saturating_add((ms * 1_000.0).round() as i64);
        Some(Time::since_start(Duration::from_micros(u64::try_from(at).unwrap_or(0))))
    }

    /// The delay has suddenly changed (cumulated sums).
    fn has_changed(&mut self, error: f64) -> bool {
        let error = error.clamp(-MOST_ERROR, MOST_ERROR);
        self.above = (self.above + error - DRIFT).max(0.0);
        self.below = (self.below + error + DRIFT).min(0.0);
        let has_changed = self.above > ALARM || self.below < -ALARM;
        if has_changed {
            (self.above, self.below) = (0.0, 0.0);
        }
        has_changed
    }
}
