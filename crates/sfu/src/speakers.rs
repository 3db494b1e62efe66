//! Who speaks, from the levels that senders put into their packets (RFC 6464).
//!
//! Time is cut into frames of 20 ms, each of which is active or not: clearly louder than the sender's
//! own background. What is active is counted over three time scales, as in Volfin and Cohen, "Dominant
//! speaker identification for multipoint videoconferencing" (2013), and in Jitsi: the *immediate* one hears
//! a beginning, the *medium* one tells a word from a click, and the *long* one a speaker from a cough.

use std::time::Duration;

use crate::rtp::{AudioLevel, Time};

/// Least time between two reports.
pub(crate) const REPORT_INTERVAL: Duration = Duration::from_millis(300);

/// What the history counts in.
const FRAME: Duration = Duration::from_millis(20);

/// A sender that is silent for this long (Opus DTX sends every 400 ms) adds silence.
const PACKET_GAP: Duration = Duration::from_millis(150);

/// Longest time that one packet stands for.
const LONGEST_STEP: Duration = Duration::from_millis(100);

// Loudness is 127 − level: 0 is silence, 127 the loudest.

/// A frame that is active is louder than this (−55 dBov), whatever the background.
const ACTIVE: f32 = 72.0;
/// And louder than the background by this (in dB).
const ABOVE_BACKGROUND: f32 = 9.0;
/// A packet of which its sender says that it is no voice counts no more than this.
const NOT_VOICE: f32 = 50.0;
/// A sender that does not tell its level: heard where there is room, but no speaker.
const UNKNOWN: f32 = 65.0;
/// A payload of no more bytes says that there is nothing to hear (RFC 7587 section 3.1.3: discontinuous transmission).
const NOTHING_BYTES: usize = 3;
/// From this loudness on (−67 dBov) there is something to be heard; below it is a quiet room.
const AUDIBLE: f32 = 60.0;
/// One speaker goes before another when it is this much louder (in dB, over the medium time)…
const OVERTAKE: f32 = 6.0;
/// …or when it has been active for so much more of the long time, in frames.
const OVERTAKE_FRAMES: u32 = 40;

// The three time scales, in frames: their length, and how many have to be active.
const IMMEDIATE: u32 = 5;
const IMMEDIATE_ACTIVE: u32 = 4;
const MEDIUM: u32 = 25;
const MEDIUM_ACTIVE: u32 = 8;
const LONG: u32 = 128;
const LONG_ACTIVE: u32 = 20;

/// Speech has ended when no more than this many frames of the medium time are active: words are apart
/// less than that.
const MEDIUM_ENDED: u32 = 2;

/// How active a sound is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity {
    /// One bit for each of the last [`LONG`] frames, the newest lowest.
    frames: u128,
    /// Time that has passed and makes no whole frame yet.
    rest: Duration,
    /// Smoothed over the medium time, for comparison.
    loudness: f32,
    background: Background,
    speaking: bool,
    awake: bool,
    /// The last that is known is that nothing came.
    is_paused: bool,
    /// It goes on, and its sender does not tell how loud it is.
    is_untold: bool,
    updated_at: Time,
    spoke_at: Option<Time>,
}

/// What a packet changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Somebody begins to speak with it.
    pub begins: bool,
    /// After silence there is something to hear: time has to pass for it, see [`Activity::tick`].
    pub wakes: bool,
}

impl Activity {
    /// Time over which loudness is smoothed, in seconds.
    const SMOOTHING: f32 = 0.5;

    /// A packet came, with a payload of so many bytes.
    pub fn packet(&mut self, now: Time, level: Option<AudioLevel>, voice: Option<bool>, bytes: usize) -> Heard {
        let has_sound = bytes > NOTHING_BYTES;
        let loudness = level.map_or(if has_sound { UNKNOWN } else { 0.0 }, |level| {
            f32::from(AudioLevel::SILENCE.minus_dbov() - level.minus_dbov())
        });
        let loudness = if voice == Some(false) { loudness.min(NOT_VOICE) } else { loudness };
        let was = (self.is_worth_hearing(), self.awake);
        let passed = now.since(self.updated_at);
        if self.is_paused || passed > LONGEST_STEP {
            // What lies before it was silence.
            self.pass(now, passed.saturating_sub(FRAME), 0.0);
            self.pass(now, passed.min(FRAME), loudness);
        } else {
            self.pass(now, passed, loudness);
        }
        // A single one after a pause describes the silence.
        self.is_untold = level.is_none() && has_sound && !self.is_paused && passed <= LONGEST_STEP;
        self.is_paused = false;
        self.updated_at = self.updated_at.max(now);
        self.awake |= loudness >= AUDIBLE;
        self.judge(now);
        Heard { begins: self.is_worth_hearing() && !was.0, wakes: self.awake && !was.1 }
    }

    /// Time passed, perhaps without packets. Wanted as long as [`Self::is_awake`].
    pub fn tick(&mut self, now: Time) {
        let passed = now.since(self.updated_at);
        if passed >= PACKET_GAP {
            self.updated_at = now;
            self.is_paused = true;
            self.is_untold = false;
            self.pass(now, passed, 0.0);
            self.judge(now);
        }
        self.awake = self.speaking || self.frames != 0 || self.loudness >= AUDIBLE;
    }

    /// The sender was turned off.
    pub fn reset(&mut self) {
        *self = Self { updated_at: self.updated_at, awake: self.awake, ..Self::default() };
    }

    /// For so long it was so loud.
    fn pass(&mut self, now: Time, time: Duration, loudness: f32) {
        let seconds = time.as_secs_f32();
        self.loudness += (loudness - self.loudness) * seconds / (Self::SMOOTHING + seconds);
        self.rest += time;
        let frames = (self.rest.as_micros() / FRAME.as_micros()) as u32;
        self.rest = self.rest.saturating_sub(FRAME.saturating_mul(frames));
        let is_active = loudness >= ACTIVE && loudness >= self.background.level() + ABOVE_BACKGROUND;
        self.background.hear(now, time, loudness);
        if frames >= LONG {
            self.frames = if is_active { u128::MAX } else { 0 };
        } else {
            let newest = if is_active { (1 << frames) - 1 } else { 0 };
            self.frames = self.frames << frames | newest;
        }
    }

    fn judge(&mut self, now: Time) {
        let medium = self.active(MEDIUM);
        self.speaking = if self.speaking {
            medium > MEDIUM_ENDED
        } else {
            self.active(IMMEDIATE) >= IMMEDIATE_ACTIVE && medium >= MEDIUM_ACTIVE
        };
        if self.speaking {
            self.spoke_at = Some(now);
        }
    }

    /// How many of the last so many frames were active.
    fn active(&self, frames: u32) -> u32 {
        let newest = if frames >= LONG { u128::MAX } else { (1 << frames) - 1 };
        (self.frames & newest).count_ones()
    }

    /// Says something now: worth an audio slot.
    pub fn is_speaking(&self) -> bool {
        self.speaking
    }

    /// Makes sounds of which nobody can tell whether they are speech: worth an audio slot that no speaker needs.
    pub fn is_untold(&self) -> bool {
        self.is_untold
    }

    fn is_worth_hearing(&self) -> bool {
        self.speaking || self.is_untold
    }

    /// Speaks, and has for longer than a cough lasts: worth being named.
    pub fn is_speaker(&self) -> bool {
        self.speaking && self.active(LONG) >= LONG_ACTIVE
    }

    /// Whether there is anything but silence to be heard, or was a short time ago.
    pub fn is_awake(&self) -> bool {
        self.awake
    }

    /// When it was last speaking.
    pub fn spoke_at(&self) -> Option<Time> {
        self.spoke_at
    }

    /// For comparison, 0 to 127.
    pub fn loudness(&self) -> f32 {
        self.loudness
    }

    /// How much was said over the long time, in frames.
    pub fn said(&self) -> u32 {
        self.active(LONG)
    }
}

/// How loud it is where nobody speaks: the quietest moment of the last 15 s (as in Jitsi). A voice is
/// never without pauses for that long; a fan is.
#[derive(Clone, Debug, Default)]
struct Background {
    /// Smoothed over some syllables' length, so that a single quiet packet is no pause.
    smoothed: f32,
    /// The quietest of each period, the newest first, and when the newest began.
    periods: [f32; Background::PERIODS],
    begun_at: Option<Time>,
}

impl Background {
    const PERIODS: usize = 5;
    const PERIOD: Duration = Duration::from_secs(3);
    const SMOOTHING: f32 = 0.06;

    fn hear(&mut self, now: Time, time: Duration, loudness: f32) {
        let seconds = time.as_secs_f32();
        self.smoothed += (loudness - self.smoothed) * seconds / (Self::SMOOTHING + seconds);
        match self.begun_at {
            Some(at) if now.since(at) < Self::PERIOD => self.periods[0] = self.periods[0].min(self.smoothed),
            at => {
                // Of the time before the first packet nothing is known: it may have been silent.
                self.periods.rotate_right(1);
                self.periods[0] = if at.is_some() { self.smoothed } else { 0.0 };
                self.begun_at = Some(now);
            }
        }
    }

    fn level(&self) -> f32 {
        self.periods.iter().copied().fold(f32::INFINITY, f32::min)
    }
}

/// One who speaks, as the ranking compares them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speaker<K> {
    pub key: K,
    /// As [`Activity::loudness`].
    pub loudness: f32,
    /// As [`Activity::said`].
    pub said: u32,
}

impl<K> Speaker<K> {
    /// Clearly before the other on the medium or the long time scale, and not behind on either.
    fn overtakes(&self, other: &Self) -> bool {
        self.loudness > other.loudness + OVERTAKE && self.said * 2 > other.said
            || self.said > other.said + OVERTAKE_FRAMES && self.loudness + OVERTAKE > other.loudness
    }
}

/// Those who speak, in a stable order.
#[derive(Clone, Debug)]
pub(crate) struct Ranking<K> {
    order: Vec<K>,
    reported: Vec<K>,
    reported_at: Option<Time>,
}

impl<K> Default for Ranking<K> {
    fn default() -> Self {
        Self { order: Vec::new(), reported: Vec::new(), reported_at: None }
    }
}

impl<K: Copy + PartialEq> Ranking<K> {
    /// The new order, if it differs from what was reported and the last report is long enough ago.
    /// `speakers`: all who speak, in any order.
    pub fn update(&mut self, now: Time, speakers: &[Speaker<K>]) -> Option<&[K]> {
        let find = |key: &K| speakers.iter().find(|speaker| speaker.key == *key);
        self.order.retain(|key| find(key).is_some());
        for speaker in speakers {
            if !self.order.contains(&speaker.key) {
                self.order.push(speaker.key);
            }
        }
        // One pass is enough: who is clearly ahead moves one place at a time, all the way in some ticks.
        for place in (1..self.order.len()).rev() {
            let [behind, ahead] = [place, place - 1].map(|at| find(&self.order[at]));
            if behind.zip(ahead).is_some_and(|(behind, ahead)| behind.overtakes(ahead)) {
                self.order.swap(place, place - 1);
            }
        }
        let too_early = self.reported_at.is_some_and(|at| now.since(at) < REPORT_INTERVAL);
        if too_early || self.order == self.reported {
            return None;
        }
        self.reported_at = Some(now);
        self.reported.clone_from(&self.order);
        Some(&self.reported)
    }
}

#[cfg(test)]
mod tests;
