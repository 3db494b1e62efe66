//! Sound and picture in step.

mod clock;

use std::time::Duration;

pub use clock::{NtpTime, ReportError, SenderClock};

use super::{PlayoutPoint, micros};
use crate::Time;

/// Delays are looked at so often. libwebrtc looks once a second (`rtp_streams_synchronizer2.cc`, `kSyncInterval`).
const INTERVAL: Duration = Duration::from_millis(500);
/// Measurements that the mean is of (`stream_synchronization.cc`, `kFilterLength`).
const FILTER: f64 = 4.0;
/// A difference below this is left alone. `kMinDeltaMs` is 30 ms there; half of it is still more than what the buffers
/// move by themselves.
const LEAST: Duration = Duration::from_millis(15);
/// A delay is changed by this much in one step at most (`kMaxChangeMs`).
const MOST_CHANGE: Duration = Duration::from_millis(80);
/// A greater difference is not one of delays, and no delay is longer (`kMaxDeltaDelayMs`).
const MOST_DELAY: Duration = Duration::from_secs(10);

/// The least delays that bring sound and picture into step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncDelays {
    /// For [`DelayLimits::least`](super::DelayLimits::least); 0 to 10 s.
    pub audio: Duration,
    /// For [`VideoPlayout::set_least_delay`](super::VideoPlayout::set_least_delay); 0 to 10 s.
    pub video: Duration,
}

/// What is played of one of the streams.
#[derive(Clone, Copy, Debug)]
pub struct Played<'a> {
    /// Its sender's clock.
    pub clock: &'a SenderClock,
    /// What of it is played when.
    pub point: PlayoutPoint,
    /// The delay that its buffer has.
    pub delay: Duration,
}

/// Finds the delays at which what was recorded together is played together (libwebrtc,
/// `video/stream_synchronization.cc`).
///
/// The stream that is ahead is delayed, in small steps; a delay that was added to the other is taken back before. Unlike
/// there, the times at which both are played are compared, so that the difference is measured, and not calculated from
/// the delays of buffers; it is looked at twice as often, and corrected down to 15 ms.
#[derive(Clone, Debug, Default)]
pub struct Synchronizer {
    looked: Option<Time>,
    /// How much later pictures arrive than sound, in µs: what does not change when delays do.
    path: Option<f64>,
    delays: SyncDelays,
    skew: Option<i64>,
}

impl Synchronizer {
    /// Nothing was compared; no delay is asked for.
    pub fn new() -> Self {
        Self::default()
    }

    /// The delays that are asked for.
    pub fn delays(&self) -> SyncDelays {
        self.delays
    }

    /// How much later than sound the picture is played, in µs, when it was last looked at; negative where it is earlier.
    pub fn skew_micros(&self) -> Option<i64> {
        self.skew
    }

    /// Compares what is played; to be called as often as the caller likes. Returns delays where they changed.
    pub fn update(&mut self, now: Time, audio: Played<'_>, video: Played<'_>) -> Option<SyncDelays> {
        if self.looked.is_some_and(|looked| now.since(looked) < INTERVAL) {
            return None;
        }
        let (heard, seen) = (audio.clock.time(audio.point.timestamp)?, video.clock.time(video.point.timestamp)?);
        let apart = micros(video.point.at).saturating_sub(micros(audio.point.at));
        let skew = apart.saturating_sub(seen.since(heard));
        if skew.unsigned_abs() > MOST_DELAY.as_micros() as u64 {
            return None;
        }
        (self.looked, self.skew) = (Some(now), Some(skew));
        let added = in_micros(video.delay) - in_micros(audio.delay);
        let measured = skew as f64 - added;
        let path = self.path.map_or(measured, |path| path + (measured - path) / FILTER);
        self.path = Some(path);
        let skew = path + added;
        if skew.abs() < in_micros(LEAST) {
            return None;
        }
        let before = self.delays;
        let change = Duration::from_micros(skew.abs().min(in_micros(MOST_CHANGE)) as u64);
        let SyncDelays { audio: for_audio, video: for_video } = &mut self.delays;
        if skew > 0.0 {
            approach((for_video, video.delay), (for_audio, audio.delay), change);
        } else {
            approach((for_audio, audio.delay), (for_video, video.delay), change);
        }
        (self.delays != before).then_some(self.delays)
    }
}

/// Takes back what was added to the late stream, or, where nothing was, delays the early one; each with the delay that
/// it has.
fn approach(late: (&mut Duration, Duration), early: (&mut Duration, Duration), change: Duration) {
    if late.0.is_zero() {
        *early.0 = (early.1 + change).min(MOST_DELAY);
    } else {
        *late.0 = late.1.min(*late.0).saturating_sub(change);
    }
}

fn in_micros(duration: Duration) -> f64 {
    duration.min(MOST_DELAY).as_micros() as f64
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
