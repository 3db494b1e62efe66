//! What to do for the next 10 ms (libwebrtc, `modules/audio_coding/neteq/decision_logic.cc`).

use std::time::Duration;

/// `kPostponeDecodingLevel`, in percent of the target: after silence, sound begins when this much waits.
const POSTPONE_PERCENT: u32 = 50;
/// `kTargetLevelWindowMs` / 2: a gap is skipped when more than this over the target waits behind it.
const WINDOW: Duration = Duration::from_millis(50);
/// `kDelayAdjustmentGranularityMs`: stretching changes the delay by about so much.
const GRANULARITY: Duration = Duration::from_millis(20);
/// Above the limit so many times, sound is shortened even where that is heard (`ExpectedPacketAvailable`).
const FAR_TOO_MUCH: u32 = 4;
/// Below half of its loudness, concealment is noticed anyway (`PostponeDecode`: 16,384 / 2).
const NOTICED: f32 = 0.5;

/// What was heard last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Nothing yet.
    Idle,
    /// Sound.
    Sound,
    /// Something in place of sound.
    Concealment,
    /// Silence that the sender described.
    Silence,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Play what is next.
    Play,
    /// Go over to what is next from something else than what is before it.
    Join,
    /// Play what is next, one period shorter.
    Shorten,
    /// The same, by as much as possible.
    ShortenFast,
    /// Play what is next, one period longer.
    Lengthen,
    /// There is nothing that may be played.
    Fill,
}

/// What the decision is made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) mode: Mode,
    /// How far the next packet is behind the end of what was decoded, in ticks; `None`: there is none.
    pub(super) leap: Option<i64>,
    /// Ticks made up since the end of what was decoded.
    pub(super) made_up: i64,
    /// How much waits in packets.
    pub(super) waiting: Duration,
    /// Of those, one is silence.
    pub(super) has_silence: bool,
    pub(super) target: Duration,
    /// How late what is played is against the fastest packet.
    pub(super) delay: Duration,
    /// How late the slowest packet was against the fastest.
    pub(super) longest_delay: Duration,
    /// How loud concealment is, 0 to 1.
    pub(super) loudness: f32,
    /// The last stretch is long enough ago.
    pub(super) may_stretch: bool,
}

pub(super) fn decide(facts: &Facts) -> Step {
    let Some(leap) = facts.leap else { return Step::Fill };
    if must_wait(facts) {
        return Step::Fill;
    }
    if leap == 0 {
        return if facts.mode == Mode::Sound { pace(facts) } else { Step::Join };
    }
    // As much as is missing is made up first, unless too much waits already.
    if leap > facts.made_up && facts.waiting <= facts.target + WINDOW {
        return Step::Fill;
    }
    Step::Join
}

/// Beginning now would soon end in another gap.
fn must_wait(facts: &Facts) -> bool {
    if facts.has_silence || facts.waiting >= facts.target * POSTPONE_PERCENT / 100 {
        return false;
    }
    match facts.mode {
        Mode::Idle | Mode::Silence => true,
        Mode::Concealment => facts.loudness < NOTICED,
        Mode::Sound => false,
    }
}

fn pace(facts: &Facts) -> Step {
    let limit = facts.target + facts.longest_delay + GRANULARITY;
    if facts.delay >= limit * FAR_TOO_MUCH {
        Step::ShortenFast
    } else if facts.may_stretch && facts.delay >= limit {
        Step::Shorten
    } else if facts.may_stretch && facts.delay < facts.target {
        Step::Lengthen
    } else {
        Step::Play
    }
}
