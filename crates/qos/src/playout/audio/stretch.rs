//! Playing faster or slower without changing the pitch: a period is left out, or played twice (WSOLA).
//!
//! libwebrtc, `modules/audio_coding/neteq/time_stretch.cc`, `accelerate.cc`, `preemptive_expand.cc`.

use super::pcm::Pcm;
use super::pitch;

/// A period has to be this like the one before (`time_stretch.h`, `kCorrelationThreshold` = 14,746 / 16,384)...
const LIKENESS: f32 = 0.9;
/// ...and when far too much waits, this like (`accelerate.cc`: 8,192 / 16,384).
const FAST_LIKENESS: f32 = 0.5;
/// Below this power, so many times the background's, there is no speech (`TimeStretch::SpeechDetection`).
const OVER_BACKGROUND: f32 = 8.0;

/// How to shorten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// By one period, where that is not heard.
    Gentle,
    /// By as many periods as fit 15 ms, also where it may be heard.
    Fast,
}

/// Scratch of the search.
#[derive(Clone, Debug, Default)]
pub(super) struct Stretcher {
    mono: Vec<f32>,
    coarse: Vec<f32>,
    inserted: Vec<f32>,
}

impl Stretcher {
    /// Takes one period (or some, when fast) out of the 30 ms that wait at least. Returns how many frames that were; 0
    /// where it would be heard, or where fewer than 30 ms wait.
    pub(super) fn shorten(&mut self, pcm: &mut Pcm, pace: Pace, background: f32) -> usize {
        let at = pcm.cursor() + half(pcm);
        if pcm.waiting() < 3 * pcm.block() {
            return 0;
        }
        let threshold = if pace == Pace::Fast { FAST_LIKENESS } else { LIKENESS };
        let Some(mut period) = self.period(pcm, at, threshold, background) else { return 0 };
        if pace == Pace::Fast {
            period *= half(pcm) / period;
        }
        // The period before `at` goes over into the one after it, which takes its place.
        let channels = pcm.channels();
        let (from, to) = ((at - period) * channels, at * channels);
        let (before, after) = pcm.samples_mut().split_at_mut(to);
        fade(&mut before[from..], &after[..period * channels], channels);
        pcm.remove(at, at + period);
        period
    }

    /// Plays one period twice. Needs 15 ms that wait and were not played, and 15 more that were or were not. Returns how
    /// many frames that were; 0 where it would be heard, or where less waits.
    pub(super) fn lengthen(&mut self, pcm: &mut Pcm, background: f32) -> usize {
        let half = half(pcm);
        // What was played already may be compared with, but not changed (`PreemptiveExpand`, `old_data_length`).
        let at = (pcm.cursor() + half).min(pcm.len().saturating_sub(half)).max(pcm.cursor());
        if at + half > pcm.len() {
            return 0;
        }
        let Some(period) = self.period(pcm, at, LIKENESS, background) else { return 0 };
        // After the period after `at`, that period is played again; it begins as what would have followed.
        let channels = pcm.channels();
        let samples = pcm.samples();
        let (before, after) = (&samples[(at - period) * channels..at * channels], &samples[at * channels..]);
        self.inserted.clear();
        self.inserted.extend_from_slice(&after[..period * channels]);
        fade(&mut self.inserted, before, channels);
        pcm.insert(at, &self.inserted);
        period
    }

    /// The period at `at`, if it may be cut or repeated there.
    fn period(&mut self, pcm: &Pcm, at: usize, threshold: f32, background: f32) -> Option<usize> {
        let half = half(pcm);
        pcm.mono(at.checked_sub(half)?, at + half, &mut self.mono);
        let sample_rate = pcm.block() * 100;
        // 12.5 ms are compared (`kCorrelationLen` = 50 at 4 kHz).
        let window = half * 5 / 6;
        let period = pitch::find(&self.mono, half, window, sample_rate, &mut self.coarse)?;
        let frames = period.frames.min(half);
        let (one, other) = (&self.mono[half - frames..half], &self.mono[half..half + frames]);
        let power = (pitch::power(one) + pitch::power(other)) / 2.0;
        let is_quiet = power <= OVER_BACKGROUND * background;
        (is_quiet || pitch::likeness(one, other) > threshold).then_some(frames)
    }
}

/// Frames in 15 ms.
fn half(pcm: &Pcm) -> usize {
    pitch::longest(pcm.block() * 100)
}

/// Goes over from `target` to `other` within their length: `target` holds the result. Both hold as many whole frames.
pub(super) fn fade(target: &mut [f32], other: &[f32], channels: usize) {
    let frames = target.len() / channels;
    let step = 1.0 / (frames + 1) as f32;
    for (index, (frame, other)) in target.chunks_exact_mut(channels).zip(other.chunks_exact(channels)).enumerate() {
        let share = (index + 1) as f32 * step;
        for (sample, other) in frame.iter_mut().zip(other) {
            *sample += (other - *sample) * share;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::noise::Random;
    use super::*;

    const RATE: f64 = 48_000.0;

    /// Zero crossings upwards a second.
    fn pitch_of(samples: &[f32]) -> f64 {
        let crossings = samples.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
        crossings as f64 * RATE / samples.len() as f64
    }

    #[test]
    fn stretched_sound_keeps_its_pitch_and_changes_its_length_by_whole_periods() {
        for hz in [100.0, 220.0, 440.0, 1_000.0] {
            for longer in [false, true] {
                let mut pcm = Pcm::new(1, 480);
                let angle = std::f64::consts::TAU * hz / RATE;
                let samples: Vec<f32> = (0..48_000).map(|i| libm::sin(angle * f64::from(i)) as f32 * 0.5).collect();
                pcm.append(&samples);
                let (mut heard, mut out, mut changed) = (Vec::new(), Vec::new(), 0);
                let mut stretcher = Stretcher::default();
                while pcm.waiting() > 3 * 480 {
                    let by = if longer {
                        stretcher.lengthen(&mut pcm, 0.0)
                    } else {
                        stretcher.shorten(&mut pcm, Pace::Gentle, 0.0)
                    };
                    assert!((120..=720).contains(&by), "{hz}: {by}");
                    changed += by;
                    for _ in 0..2 {
                        pcm.play(&mut out);
                        heard.extend_from_slice(&out);
                    }
                }
                let length = heard.len() + pcm.waiting();
                assert_eq!(length, if longer { samples.len() + changed } else { samples.len() - changed });
                let pitch = pitch_of(&heard);
                assert!((pitch - hz).abs() < hz * 0.02 + 2.0, "{hz} became {pitch}");
                let step = heard.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
                let steepest = 0.5 * std::f32::consts::TAU * (hz / RATE) as f32;
                assert!(step < 2.0 * steepest, "{hz}: {step} against {steepest}");
            }
        }
    }

    #[test]
    fn noise_that_is_speech_is_not_stretched_unless_far_too_much_waits() {
        let mut pcm = Pcm::new(1, 480);
        let mut random = Random::new(11);
        let samples: Vec<f32> = (0..4_800).map(|_| random.sample() * 0.3).collect();
        pcm.append(&samples);
        let mut stretcher = Stretcher::default();
        assert_eq!(stretcher.shorten(&mut pcm, Pace::Gentle, 1e-6), 0);
        assert_eq!(stretcher.lengthen(&mut pcm, 1e-6), 0);
        assert_ne!(stretcher.shorten(&mut pcm, Pace::Gentle, 0.02), 0, "what is as loud as the background may be cut");
    }
}
