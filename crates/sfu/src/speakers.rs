//! Who speaks, from the levels that senders put into their packets (RFC 6464).

use std::time::Duration;

use crate::rtp::{AudioLevel, Time};

/// Least time between two reports.
pub(crate) const REPORT_INTERVAL: Duration = Duration::from_millis(300);

/// A sender that is silent for this long (Opus DTX sends every 400 ms) adds silence.
const PACKET_GAP: Duration = Duration::from_millis(150);

/// Longest time that one packet stands for: what lies before it was silence.
const LONGEST_STEP: Duration = Duration::from_millis(100);

// Loudness is 127 − level: 0 is silence, 127 the loudest.

/// Louder than this for a moment, and more than a click: speech begins (−50 dBov).
const BEGIN_SHORT: f32 = 77.0;
const BEGIN_MEDIUM: f32 = 35.0;
/// Quieter than this: speech has ended.
const END_MEDIUM: f32 = 55.0;
/// A packet of which its sender says that it is no voice counts no more than this.
const NOT_VOICE: f32 = 50.0;
/// A sender that does not tell its level: heard where there is room, but no speaker.
const UNKNOWN: f32 = 65.0;
/// One speaker goes before another when it is this much louder (in dB, over the medium time).
const OVERTAKE: f32 = 6.0;

/// How active a sound is, over several time scales: the short one hears a beginning, the medium one
/// compares, and both together tell a voice from a click (as in Volfin and Cohen, "Dominant speaker
/// identification for multipoint videoconferencing", 2013).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Activity {
    short: f32,
    medium: f32,
    speaking: bool,
    updated_at: Time,
    spoke_at: Option<Time>,
}

impl Activity {
    const SHORT: f32 = 0.1;
    const MEDIUM: f32 = 0.5;

    /// A packet came. Returns whether somebody begins to speak with it.
    pub fn packet(&mut self, now: Time, level: Option<AudioLevel>, voice: Option<bool>) -> bool {
        let loudness = level.map_or(UNKNOWN, |level| f32::from(AudioLevel::SILENCE.minus_dbov() - level.minus_dbov()));
        let loudness = if voice == Some(false) { loudness.min(NOT_VOICE) } else { loudness };
        let was_speaking = self.speaking;
        self.step(now, loudness);
        self.speaking && !was_speaking
    }

    /// Time passed, perhaps without packets.
    pub fn tick(&mut self, now: Time) {
        if now.since(self.updated_at) >= PACKET_GAP {
            self.step(now, 0.0);
        }
    }

    /// The sender was turned off.
    pub fn reset(&mut self) {
        *self = Self { updated_at: self.updated_at, ..Self::default() };
    }

    fn step(&mut self, now: Time, loudness: f32) {
        let passed = now.since(self.updated_at).min(LONGEST_STEP).as_secs_f32();
        self.updated_at = self.updated_at.max(now);
        self.short += (loudness - self.short) * passed / (Self::SHORT + passed);
        self.medium += (loudness - self.medium) * passed / (Self::MEDIUM + passed);
        if self.speaking {
            self.speaking = self.medium >= END_MEDIUM;
        } else {
            self.speaking = self.short >= BEGIN_SHORT && self.medium >= BEGIN_MEDIUM;
        }
        if self.speaking {
            self.spoke_at = Some(now);
        }
    }

    pub fn is_speaking(&self) -> bool {
        self.speaking
    }

    /// When it was last speaking.
    pub fn spoke_at(&self) -> Option<Time> {
        self.spoke_at
    }

    /// For comparison, 0 to 127.
    pub fn loudness(&self) -> f32 {
        self.medium
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
    pub fn update(&mut self, now: Time, speakers: &[(K, f32)]) -> Option<&[K]> {
        let loudness = |key: &K| speakers.iter().find(|(speaker, _)| speaker == key).map(|(_, loudness)| *loudness);
        self.order.retain(|key| loudness(key).is_some());
        for (key, _) in speakers {
            if !self.order.contains(key) {
                self.order.push(*key);
            }
        }
        // One pass is enough: who is clearly louder moves one place at a time, all the way in some ticks.
        for place in (1..self.order.len()).rev() {
            let [behind, ahead] = [place, place - 1].map(|at| loudness(&self.order[at]).unwrap_or_default());
            if behind > ahead + OVERTAKE {
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
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    /// 20 ms packets of this level.
    fn feed(activity: &mut Activity, from: u64, to: u64, level: u8) {
        for ms in (from..to).step_by(20) {
            activity.packet(at(ms), Some(AudioLevel::from_minus_dbov(level)), Some(true));
        }
    }

    #[test]
    fn speech_is_heard_within_half_a_second_and_ends_after_it() {
        let mut activity = Activity::default();
        feed(&mut activity, 1_000, 1_500, 25);
        assert!(activity.is_speaking());
        feed(&mut activity, 1_500, 1_600, 100);
        assert!(activity.is_speaking(), "a pause between words");
        feed(&mut activity, 1_600, 3_000, 100);
        assert!(!activity.is_speaking());
    }

    #[test]
    fn a_click_and_a_fan_are_no_speech() {
        let mut activity = Activity::default();
        feed(&mut activity, 1_000, 3_000, 120);
        feed(&mut activity, 3_000, 3_040, 5);
        assert!(!activity.is_speaking(), "a click");
        feed(&mut activity, 3_040, 9_000, 62);
        assert!(!activity.is_speaking(), "a fan");
    }

    #[test]
    fn loud_packets_without_voice_are_no_speech() {
        let mut activity = Activity::default();
        for ms in (1_000..5_000).step_by(20) {
            activity.packet(at(ms), Some(AudioLevel::from_minus_dbov(10)), Some(false));
        }
        assert!(!activity.is_speaking());
    }

    #[test]
    fn a_sender_that_stops_in_the_middle_of_a_word_does_not_speak_for_ever() {
        let mut activity = Activity::default();
        feed(&mut activity, 1_000, 2_000, 20);
        (2_000..4_000).step_by(100).for_each(|ms| activity.tick(at(ms)));
        assert!(!activity.is_speaking());
    }

    #[test]
    fn a_speaker_is_overtaken_only_by_one_who_is_clearly_louder() {
        let mut ranking = Ranking::default();
        assert_eq!(ranking.update(at(0), &[('a', 90.0)]), Some(&['a'][..]));
        assert_eq!(ranking.update(at(400), &[('a', 90.0), ('b', 95.0)]), Some(&['a', 'b'][..]));
        assert_eq!(ranking.update(at(800), &[('a', 90.0), ('b', 97.0)]), Some(&['b', 'a'][..]));
        assert_eq!(ranking.update(at(1_200), &[('b', 97.0)]), Some(&['b'][..]));
        assert_eq!(ranking.update(at(1_600), &[]), Some(&[][..]));
    }

    #[test]
    fn changes_are_reported_at_most_every_300_ms_and_the_last_one_always() {
        let mut ranking = Ranking::default();
        assert!(ranking.update(at(0), &[('a', 90.0)]).is_some());
        assert!(ranking.update(at(100), &[]).is_none());
        assert!(ranking.update(at(200), &[('b', 90.0)]).is_none());
        assert_eq!(ranking.update(at(300), &[('b', 90.0)]), Some(&['b'][..]));
        assert!(ranking.update(at(900), &[('b', 90.0)]).is_none(), "nothing new");
    }
}
