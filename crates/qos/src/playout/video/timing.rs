//! When a frame is decoded and shown (libwebrtc, `modules/video_coding/timing/timing.cc`).

use std::collections::VecDeque;
use std::time::Duration;

use super::clock::ArrivalClock;
use crate::Time;
use crate::playout::micros;

/// `video_timing.h`, `kDefaultRenderDelay`.
const RENDER_DELAY: Duration = Duration::from_millis(10);
/// The delay changes by so much in a second of media at most (`kDelayMaxChangeMsPerS` of 100): pictures play a tenth
/// slower or faster, and do not stop or jump.
const CHANGE_PER_SECOND: i64 = 100_000;
/// `decode_time_percentile_filter.cc`: `kPercentile`, `kIgnoredSampleCount`, `kTimeLimitMs`.
const DECODE_PERCENT: usize = 95;
const IGNORED: u32 = 5;
const DECODE_WINDOW: Duration = Duration::from_secs(10);
/// Decoding times that are remembered at most: ten seconds of 60 frames.
const DECODE_TIMES: usize = 600;
/// What takes longer counts as so long, in ms.
const LONGEST_DECODE: usize = 500;
/// No delay is longer (`video_stream_buffer_controller.cc`, `kMaxVideoDelay`).
pub(super) const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// How long decoding takes for all but a few frames.
#[derive(Clone, Debug)]
struct DecodeTimes {
    ignored: u32,
    latest: VecDeque<(Time, usize)>,
    /// How many of them took so many milliseconds.
    counts: Vec<u32>,
}

impl DecodeTimes {
    fn new() -> Self {
        let latest = VecDeque::with_capacity(DECODE_TIMES);
        Self { ignored: 0, latest, counts: vec![0; LONGEST_DECODE + 1] }
    }

    fn add(&mut self, now: Time, took: Duration) {
        // The first are slow because everything is new.
        if self.ignored < IGNORED {
            self.ignored += 1;
            return;
        }
        let ms = usize::try_from(took.as_millis()).unwrap_or(LONGEST_DECODE).min(LONGEST_DECODE);
        while self
            .latest
            .front()
            .is_some_and(|(at, _)| now.since(*at) > DECODE_WINDOW || self.latest.len() >= DECODE_TIMES)
        {
            if let Some((_, old)) = self.latest.pop_front() {
                self.counts[old] -= 1;
            }
        }
        self.latest.push_back((now, ms));
        self.counts[ms] += 1;
    }

    fn percentile(&self) -> Duration {
        let mut rest = self.latest.len() * DECODE_PERCENT / 100;
        let ms = self.counts.iter().position(|count| {
            let count = *count as usize;
            let is_there = count > rest;
            rest = rest.saturating_sub(count);
            is_there
        });
        Duration::from_millis(ms.unwrap_or(0) as u64)
    }
}

/// Times of frames.
#[derive(Clone, Debug)]
pub(super) struct Timing {
    clock_rate: u32,
    clock: ArrivalClock,
    decode_times: DecodeTimes,
    decode_time: Duration,
    least: Duration,
    jitter: Duration,
    /// From average arrival until it is shown; `None` before the first frame.
    current: Option<Duration>,
    previous: Option<i64>,
    last_shown: Time,
}

impl Timing {
    pub(super) fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate,
            clock: ArrivalClock::new(clock_rate),
            decode_times: DecodeTimes::new(),
            decode_time: Duration::ZERO,
            least: Duration::ZERO,
            jitter: Duration::ZERO,
            current: None,
            previous: None,
            last_shown: Time::default(),
        }
    }

    /// Forgets the sender's clock; what was shown stays before what will be.
    pub(super) fn restart(&mut self) {
        self.clock = ArrivalClock::new(self.clock_rate);
        (self.current, self.previous) = (None, None);
    }

    pub(super) fn set_least(&mut self, least: Duration) {
        self.least = least.min(LONGEST_DELAY);
    }

    pub(super) fn handle_arrival(&mut self, timestamp: i64, received: Time) {
        self.clock.update(timestamp, received);
    }

    pub(super) fn handle_decoded(&mut self, now: Time, took: Duration) {
        self.decode_times.add(now, took);
        self.decode_time = self.decode_times.percentile();
    }

    /// What jitter makes necessary, before decoding and showing are added.
    pub(super) fn jitter(&self) -> Duration {
        self.jitter
    }

    /// The delay that is aimed at.
    pub(super) fn target(&self) -> Duration {
        self.least.max(self.jitter + self.decode_time + RENDER_DELAY).min(LONGEST_DELAY)
    }

    /// The delay that there is.
    pub(super) fn current(&self) -> Duration {
        self.current.unwrap_or_else(|| self.target())
    }

    /// When a frame would be shown; never before one that was.
    pub(super) fn render_time(&self, timestamp: i64, now: Time) -> Time {
        let arrival = self.clock.arrival(timestamp).unwrap_or(now);
        (arrival + self.current()).max(self.last_shown)
    }

    /// The same, if it is possible: less than 10 s away (`FrameHasBadRenderTiming`).
    pub(super) fn is_possible(render: Time, now: Time) -> bool {
        now.since(render) <= LONGEST_DELAY && render.since(now) <= LONGEST_DELAY
    }

    /// When decoding has to begin for that.
    pub(super) fn decode_at(&self, render: Time) -> Time {
        let before = (self.decode_time + RENDER_DELAY).as_micros() as u64;
        let at = render.to_duration().as_micros() as u64;
        Time::since_start(Duration::from_micros(at.saturating_sub(before)))
    }

    /// A frame goes to the decoder, to be shown at `render`; `jitter` is what frames need from here on.
    pub(super) fn handle_released(&mut self, now: Time, timestamp: i64, render: Time, jitter: Duration) {
        self.jitter = jitter;
        self.last_shown = self.last_shown.max(render);
        self.approach(timestamp);
        // What came too late shows how much is missing; that is made up for at once, since it stands already.
        let late = micros(now).saturating_sub(micros(self.decode_at(render)));
        if let Ok(late) = u64::try_from(late) {
            let current = self.current() + Duration::from_micros(late);
            self.current = Some(self.current().max(current.min(self.target())));
        }
    }

    fn approach(&mut self, timestamp: i64) {
        let target = self.target();
        let previous = self.previous.replace(timestamp);
        let (Some(current), Some(previous)) = (self.current, previous) else {
            self.current = Some(target);
            return;
        };
        let played = timestamp.saturating_sub(previous);
        let most = played.saturating_mul(CHANGE_PER_SECOND) / i64::from(self.clock_rate);
        let most = Duration::from_micros(u64::try_from(most).unwrap_or(0));
        let changed = if target > current {
            current + (target - current).min(most)
        } else {
            current - (current - target).min(most)
        };
        self.current = Some(changed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    #[test]
    fn the_delay_moves_by_100_ms_a_second_at_most() {
        let mut timing = Timing::new(90_000);
        for frame in 0..30 {
            timing.handle_arrival(frame * 3_000, ms(frame as u64 * 1_000 / 30));
            timing.handle_released(ms(0), frame * 3_000, ms(10_000), Duration::ZERO);
        }
        timing.set_least(Duration::from_millis(300));
        let mut before = timing.current();
        let start = before;
        for frame in 30..60_i64 {
            timing.handle_released(ms(0), frame * 3_000, ms(10_000), Duration::ZERO);
            assert!(timing.current() - before <= Duration::from_micros(3_334));
            before = timing.current();
        }
        let moved = timing.current() - start;
        assert!((99..=100).contains(&moved.as_millis()), "{moved:?}");
    }

    #[test]
    fn decoding_begins_early_enough_for_95_of_100_frames() {
        let mut timing = Timing::new(90_000);
        for frame in 0..200_u64 {
            let took = if frame % 25 == 0 { 80 } else { 7 };
            timing.handle_decoded(ms(frame * 33), Duration::from_millis(took));
        }
        assert_eq!(timing.decode_at(ms(1_000)), ms(1_000 - 17));
        for frame in 200..300_u64 {
            let took = if frame % 10 == 0 { 80 } else { 7 };
            timing.handle_decoded(ms(frame * 33), Duration::from_millis(took));
        }
        assert_eq!(timing.decode_at(ms(1_000)), ms(1_000 - 90));
    }
}
