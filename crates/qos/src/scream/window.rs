//! The reference window: how many bytes should be on their way (section 4.2).

use super::delay::Delay;
use super::loss::Loss;
use super::path::Path;
use super::report::Report;
use super::{SEGMENT, VIRTUAL_ROUND_TRIP, seconds};
use crate::{PacketResult, Time};

/// The least window, bytes (MIN_REF_WND).
const LEAST: f64 = 3_000.0;
/// Of the share of marked packets, where it rises and where it falls (L4S_AVG_G_UP, L4S_AVG_G_DOWN of version -07, and of
/// libwebrtc; 1/16 both ways in others).
const ALPHA_UP: f64 = 1.0 / 8.0;
const ALPHA_DOWN: f64 = 1.0 / 128.0;
/// What that share is taken for where there was no congestion for long (libwebrtc's `UpdateRefWindow`).
const ALPHA_ANEW: f64 = 0.25;
/// What losses leave of the window (BETA_LOSS), and marks of classic ECN (BETA_ECN, section 4.2.1.2).
const AFTER_LOSS: f64 = 0.7;
const AFTER_CLASSIC_MARK: f64 = 0.8;
/// In round trips: for so long after losses and marks the window grows with care (POST_CONGESTION_DELAY_RTT)...
const CAREFUL: f64 = 100.0;
/// ...and if there was none for longer than this, the window may be far above what is sent (4.2.2.1).
const LONG_AGO: f64 = 100.0;
/// How much the window grows in a round trip at most, as a share of it (MUL_INCREASE_FACTOR).
const GROWTH: f64 = 0.02;
/// The inflection point is noted anew at most every so many round trips (4.2.2.1 of version -07).
const INFLECTION_HOLDS: f64 = 10.0;
/// Near the inflection point means within an eighth of it (4.2.2.1, `scl_t`).
const NEAR: f64 = 8.0;
/// Where delays vary, the window changes more slowly, down to this share (MIN_QUEUE_DELAY_DEV_SCALE).
const LEAST_STEADINESS: f64 = 0.1;
/// The window grows up to so many times what was on its way (BYTES_IN_FLIGHT_HEAD_ROOM).
const HEADROOM: f64 = 1.5;
/// How much more than the window may be on its way, for frames that are larger than others (REF_WND_OVERHEAD_MIN, where
/// delays grow, and REF_WND_OVERHEAD_MAX, where they do not: section 4.3.1).
const OVERHEAD: (f64, f64) = (1.5, 3.0);
/// At least so many segments may be on their way, so that reports never end (section 4.3.1).
const LEAST_SEGMENTS: f64 = 2.0;

/// The reference window.
#[derive(Debug)]
pub(super) struct Window {
    /// `ref_wnd`, bytes.
    size: f64,
    /// `ref_wnd_i`: what it was when it began to shrink, and when that was noted.
    inflection: f64,
    noted: Option<Time>,
    /// `l4s_alpha`: the share of packets that are marked.
    alpha: f64,
    /// Marks are those of classic ECN.
    is_classic: bool,
    pub(super) loss: Loss,
    /// When packets were last lost or marked (`last_congestion_detected_time`), when congestion was last reacted to, and
    /// when the window last became smaller.
    detected: Option<Time>,
    reacted: Option<Time>,
    fell: Option<Time>,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            size: LEAST,
            inflection: 1.0,
            noted: None,
            alpha: 0.0,
            is_classic: false,
            loss: Loss::default(),
            detected: None,
            reacted: None,
            fell: None,
        }
    }
}

impl Window {
    /// The first report came: what is sent at this rate (bytes a second) in this time (s) may be on its way.
    pub(super) fn begin(&mut self, rate: f64, time: f64) {
        self.size = (rate * time).max(LEAST);
    }

    /// Bytes.
    pub(super) fn size(&self) -> f64 {
        self.size
    }

    /// `ref_wnd_ratio`: the part of the window that a segment is, at most 1.
    pub(super) fn segment_share(&self) -> f64 {
        (SEGMENT / self.size).min(1.0)
    }

    /// What may be on its way, bytes (section 4.3.1).
    pub(super) fn most_in_flight(&self, delay: &Delay) -> f64 {
        let overhead = OVERHEAD.0 + (OVERHEAD.1 - OVERHEAD.0) * delay.steadiness();
        (self.size * overhead).max(LEAST_SEGMENTS * SEGMENT)
    }

    pub(super) fn reacted(&self) -> Option<Time> {
        self.reacted
    }

    pub(super) fn fell(&self) -> Option<Time> {
        self.fell
    }

    /// Reports stay out: less is sent (as for GCC, whatever was measured before).
    pub(super) fn handle_silence(&mut self, now: Time, kept: f64) {
        self.size = (self.size * kept).max(LEAST);
        self.fell = Some(now);
    }

    /// Sections 4.2.2.1 and 4.2.2.2.
    pub(super) fn update(&mut self, now: Time, report: &Report, results: &[PacketResult], path: &Path) {
        self.is_classic = report.is_classic.unwrap_or(self.is_classic);
        self.update_alpha(report);
        let before = self.size;
        let round_trip = path.delay.round_trip();
        let has_losses = self.loss.update(now, results, self.size, round_trip);
        let is_lossy = has_losses && (self.loss.is_congestion() || path.delay.is_growing());
        let is_marked = report.marked > 0;
        let is_delayed = path.delay.is_long();

        if is_lossy || is_marked {
            self.detected = Some(now);
        }
        let waited = self.reacted.map(|reacted| seconds(now.since(reacted)));
        let may_react = waited.is_none_or(|waited| waited >= round_trip.min(VIRTUAL_ROUND_TRIP));
        if may_react && (is_lossy || is_marked || is_delayed) {
            self.note_inflection(now, round_trip);
            if waited.is_none() {
                self.forget_start(path);
            }
            let backoff = if is_lossy {
                1.0 - AFTER_LOSS
            } else if is_marked {
                let backoff = self.backoff_of_marks(path);
                self.end_leisure(waited, path);
                backoff
            } else {
                path.delay.virtual_alpha() / 2.0 / path.reactions()
            };
            self.size *= 1.0 - backoff;
            self.reacted = Some(now);
        }
        // Congestion does not keep it from growing: two marks a round trip are what L4S settles at.
        self.grow(now, report, path);
        self.size = self.size.max(LEAST);
        if self.size < before {
            self.fell = Some(now);
        }
    }

    /// Before a fall. Not in each of many falls in a row.
    fn note_inflection(&mut self, now: Time, round_trip: f64) {
        if self.noted.is_none_or(|noted| seconds(now.since(noted)) > INFLECTION_HOLDS * round_trip) {
            self.inflection = self.size;
            self.noted = Some(now);
        }
    }

    /// Fast to rise, slow to fall (section 4.2.1.3).
    fn update_alpha(&mut self, report: &Report) {
        let share = f64::from(report.marked) / f64::from(report.arrived.max(1));
        if share > self.alpha {
            self.alpha = (ALPHA_UP * share + (1.0 - ALPHA_UP) * self.alpha).min(1.0);
        } else {
            self.alpha *= 1.0 - ALPHA_DOWN;
        }
    }

    /// The first congestion tells whether the rate at the start was too high: then less arrives in a round trip than the
    /// window holds (libwebrtc's `allow_initial_ref_window_clamping`).
    fn forget_start(&mut self, path: &Path) {
        if let Some(received) = path.arrivals.rate() {
            self.size = (received * path.delay.round_trip()).clamp(LEAST, self.size.max(LEAST));
        }
    }

    /// After a long time without congestion the window may be far above what is sent, and the share of marks far below what
    /// it will come to.
    fn end_leisure(&mut self, waited: Option<f64>, path: &Path) {
        let in_flight = path.peak.before();
        if waited.is_some_and(|waited| waited > LONG_AGO * path.long_round_trip()) && in_flight > 0.0 {
            self.size = in_flight.clamp(LEAST, self.size.max(LEAST));
            self.alpha = ALPHA_ANEW;
        }
    }

    fn backoff_of_marks(&self, path: &Path) -> f64 {
        if self.is_classic {
            return 1.0 - AFTER_CLASSIC_MARK;
        }
        let backoff = self.alpha / 2.0 / path.reactions();
        if !path.delay.is_short() {
            return backoff;
        }
        // As slow as it grows: near the inflection point, and where delays vary.
        backoff * self.scale_near_inflection().max(0.25) * path.delay.steadiness().max(LEAST_STEADINESS)
    }

    fn grow(&mut self, now: Time, report: &Report, path: &Path) {
        let most = most_allowed(path);
        if self.size >= most {
            return;
        }
        let short = (path.delay.round_trip() / VIRTUAL_ROUND_TRIP).min(1.0);
        let near = self.scale_near_inflection();
        let calm = path.delay.steadiness().max(LEAST_STEADINESS);
        let since = self.detected.map_or(f64::INFINITY, |detected| seconds(now.since(detected)));
        let careful = (since / (CAREFUL * path.long_round_trip())).min(1.0);
        let faster = 1.0 + GROWTH * self.size / SEGMENT * careful * near;
        let factor = self.segment_share() * short * near.max(0.25) * calm * faster;
        self.size = (self.size + report.unmarked_bytes as f64 * factor).clamp(LEAST, most);
    }

    /// From 0.1 at the inflection point to 1 at an eighth more or less (`scl_t`).
    fn scale_near_inflection(&self) -> f64 {
        let distance = NEAR * (self.size - self.inflection) / self.inflection;
        (distance * distance).clamp(0.1, 1.0)
    }

    /// Whether less is on its way than the window would allow, so that it tells nothing (libwebrtc's
    /// `is_application_limited_`).
    pub(super) fn is_beyond(&self, path: &Path) -> bool {
        most_allowed(path) < self.size
    }
}

/// As far as what was on its way lets the window grow (section 4.2.2.2).
fn most_allowed(path: &Path) -> f64 {
    (SEGMENT + path.peak.most() * HEADROOM).max(LEAST)
}
