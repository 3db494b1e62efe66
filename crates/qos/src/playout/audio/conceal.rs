//! Sound for when there is none: the last pitch period again and again, into noise, into silence.
//!
//! libwebrtc, `modules/audio_coding/neteq/expand.cc` and `merge.cc`, and ITU-T G.711 appendix I, in floating point.

use super::noise::{Background, Filter, Random};
use super::pcm::Pcm;
use super::pitch;
use super::stretch::fade;

/// The last part of a period goes over into what was before it, so that the end fits the beginning: this part of it.
const SEAM: usize = 4;
/// The step from what was heard to the period fades within this, in blocks of 10 ms / `STEP_SHARE`: 2.5 ms.
const STEP_SHARE: usize = 4;
/// Noise takes its share within so many blocks (`expand.cc`: 8 to 32 ms).
const MIX_BLOCKS: usize = 2;
/// More like the period before than this is voiced, less is noise all through (`Expand::AnalyzeSignal`: 0.4 to 0.9).
const VOICED: f32 = 0.9;
const UNVOICED: f32 = 0.4;
/// Voiced sound stays as loud for one block, then fades by this with each block (0.001 a sample of 8 kHz)...
const FADE: f32 = 0.08;
/// ...and after so many blocks faster (0.002).
const LONG: u32 = 5;
const FAST_FADE: f32 = 0.16;
/// Without pitch, loudness fades from the first block on.
const FIRST_BLOCKS: u32 = 1;
/// After concealment loudness comes back within this many samples of 8 kHz at most (`merge.cc`: 0.004 a sample): 31 ms.
const RETURN: usize = 250;

#[derive(Clone, Debug)]
struct Channel {
    /// How far what was last heard was from where the period begins.
    step: f32,
    filter: Filter,
}

/// Goes on where sound ended.
#[derive(Clone, Debug)]
pub(super) struct Concealer {
    channels: Vec<Channel>,
    /// One period, interleaved.
    period: Vec<f32>,
    /// Frames made since the sound ended.
    made: u64,
    voicing: f32,
    loudness: f32,
    random: Random,
    mono: Vec<f32>,
    made_mono: Vec<f32>,
    scratch: Vec<f32>,
}

impl Concealer {
    pub(super) fn new(channels: usize, seed: u64) -> Self {
        Self {
            channels: vec![Channel { step: 0.0, filter: Filter::default() }; channels],
            period: Vec::new(),
            made: 0,
            voicing: 0.0,
            loudness: 0.0,
            random: Random::new(seed),
            mono: Vec::new(),
            made_mono: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// How loud it is against what it goes on from, 0 to 1.
    pub(super) fn loudness(&self) -> f32 {
        self.loudness
    }

    /// Learns what is heard before frame `end` of `pcm`.
    pub(super) fn begin(&mut self, pcm: &Pcm, end: usize) {
        let (block, channels, end) = (pcm.block(), pcm.channels(), end.min(pcm.len()));
        let sample_rate = block * 100;
        let longest = pitch::longest(sample_rate);
        // 60 ms are always there (`Pcm`): 15 to look back, 10 to compare, and twice the period.
        let from = end.saturating_sub(block + 2 * longest);
        pcm.mono(from, end, &mut self.mono);
        let at = self.mono.len().saturating_sub(block);
        let found = pitch::find(&self.mono, at, block, sample_rate, &mut self.scratch);
        let (frames, likeness) = found.map_or((longest, 0.0), |period| (period.frames, period.likeness));
        // Noise repeated with a short period is a tone.
        let frames = if likeness < UNVOICED { longest } else { frames };
        self.voicing = ((likeness - UNVOICED) / (VOICED - UNVOICED)).clamp(0.0, 1.0);
        (self.made, self.loudness) = (0, 1.0);

        let samples = &pcm.samples()[..end * channels];
        let begins = end.saturating_sub(frames) * channels;
        self.period.clear();
        self.period.extend_from_slice(&samples[begins..]);
        let seam = frames / SEAM * channels;
        let seam_at = self.period.len().saturating_sub(seam);
        if begins >= seam {
            fade(&mut self.period[seam_at..], &samples[begins - seam..begins], channels);
        }
        for (index, channel) in self.channels.iter_mut().enumerate() {
            let sample = |back: usize| samples.len().checked_sub(back).and_then(|at| samples.get(at)).copied();
            let last = sample(channels - index).unwrap_or(0.0);
            let before_period = sample((frames + 1) * channels - index).unwrap_or(0.0);
            channel.step = last - before_period;
            let recent = samples[end.saturating_sub(2 * block) * channels..].iter().skip(index).step_by(channels);
            self.mono.clear();
            self.mono.extend(recent);
            channel.filter = Filter::like(&self.mono);
        }
    }

    /// Makes so many frames more, interleaved, at the end of `out`; as sound fades, the background comes.
    pub(super) fn make(&mut self, frames: usize, block: usize, background: &mut Background, out: &mut Vec<f32>) {
        let channels = self.channels.len();
        let period = self.period.len() / channels.max(1);
        let (step_length, mix_length) = ((block / STEP_SHARE).max(1), MIX_BLOCKS * block);
        for _ in 0..frames {
            let start = out.len();
            // Less than the period, which is in memory.
            let position = self.made.checked_rem(period as u64).unwrap_or(0) as usize * channels;
            let step = 1.0 - ((self.made + 1) as f32 / step_length as f32).min(1.0);
            let noise = (1.0 - self.voicing) * (self.made as f32 / mix_length as f32).min(1.0);
            for (index, channel) in self.channels.iter_mut().enumerate() {
                let voiced = self.period.get(position + index).copied().unwrap_or(0.0) + channel.step * step;
                let hiss = if noise > 0.0 { channel.filter.next(&mut self.random) } else { 0.0 };
                let mixed = voiced * (1.0 - noise) + hiss * noise;
                out.push((mixed * self.loudness).clamp(-1.0, 1.0));
            }
            if self.loudness < 1.0
                && let Some(frame) = out.get_mut(start..)
            {
                background.add(frame, 1.0 - self.loudness);
            }
            self.loudness = (self.loudness - self.fading(block)).max(0.0);
            self.made += 1;
        }
    }

    /// What loudness loses with each frame.
    fn fading(&self, block: usize) -> f32 {
        let blocks = u32::try_from(self.made / block.max(1) as u64).unwrap_or(u32::MAX);
        let rate = match blocks {
            LONG.. => FAST_FADE,
            FIRST_BLOCKS.. => FADE,
            _ => FADE * (1.0 - self.voicing),
        };
        rate / block.max(1) as f32
    }

    /// Goes over from concealment to what was decoded: frames from `start` on in `pcm`. Returns by how many frames (up to
    /// 5 ms) that was delayed, because it fits better so. What comes after `silence` is not made to fit: it begins as
    /// loud as it is.
    pub(super) fn merge(
        &mut self,
        pcm: &mut Pcm,
        start: usize,
        after_silence: bool,
        background: &mut Background,
    ) -> usize {
        let (block, channels) = (pcm.block(), pcm.channels());
        let search = block / 2;
        let overlap = search.min(pcm.len().saturating_sub(start));
        if overlap == 0 {
            return 0;
        }
        let mut made = std::mem::take(&mut self.scratch);
        made.clear();
        let is_heard = !after_silence && self.loudness > 0.0;
        self.make(search + overlap, block, background, &mut made);
        let delay = if is_heard { self.best_delay(&made, pcm, start, overlap) } else { 0 };

        let new = &mut pcm.samples_mut()[start * channels..];
        if !after_silence {
            let first = &new[..new.len().min(block * channels)];
            let ratio = pitch::power(&made) / pitch::power(first).max(f32::MIN_POSITIVE);
            raise(new, channels, ratio.min(1.0).sqrt(), RETURN * block / 80);
        }
        // What was made fades out over the beginning of what is new.
        let tail = &mut made[delay * channels..(delay + overlap) * channels];
        fade(tail, &new[..overlap * channels], channels);
        new[..overlap * channels].copy_from_slice(tail);
        pcm.insert(start, &made[..delay * channels]);
        self.scratch = made;
        delay
    }

    /// After how many of the frames made the new ones fit best.
    fn best_delay(&mut self, made: &[f32], pcm: &Pcm, start: usize, overlap: usize) -> usize {
        let channels = pcm.channels();
        pcm.mono(start, start + overlap, &mut self.mono);
        let share = 1.0 / channels as f32;
        self.made_mono.clear();
        self.made_mono.extend(made.chunks_exact(channels).map(|frame| frame.iter().sum::<f32>() * share));
        // At first every twelfth of a millisecond, then around the best exactly.
        let step = (pcm.block() / 120).max(1);
        let coarse = self.best_of((0..=self.made_mono.len().saturating_sub(overlap)).step_by(step), overlap);
        self.best_of(coarse.saturating_sub(step)..=coarse + step, overlap)
    }

    /// The best of these delays.
    fn best_of(&self, delays: impl Iterator<Item = usize>, overlap: usize) -> usize {
        let mut best = (0.0, 0);
        for delay in delays {
            let Some(piece) = self.made_mono.get(delay..delay + overlap) else { break };
            let likeness = pitch::likeness(piece, &self.mono);
            if likeness > best.0 {
                best = (likeness, delay);
            }
        }
        best.1
    }
}

/// Raises loudness from `from` to 1 within so many frames, or all there are.
fn raise(samples: &mut [f32], channels: usize, from: f32, frames: usize) {
    let frames = frames.min(samples.len() / channels).max(1);
    for (index, frame) in samples.chunks_exact_mut(channels).take(frames).enumerate() {
        let loudness = from + (1.0 - from) * (index as f32 / frames as f32);
        frame.iter_mut().for_each(|sample| *sample *= loudness);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wherever_a_gliding_tone_breaks_off_it_goes_on_without_a_step() {
        for cut in (4_000..6_000).step_by(37) {
            let mut pcm = Pcm::new(1, 480);
            // 120 Hz to 360 Hz within an eighth of a second, ever louder: no period is like the one before.
            let phase = |i: f64| std::f64::consts::TAU * (120.0 + 0.02 * i) * i / 48_000.0;
            let glide = |i: u32| (libm::sin(phase(f64::from(i))) * f64::from(i) / 8_000.0) as f32;
            pcm.append(&(0..cut).map(glide).collect::<Vec<_>>());
            let mut concealer = Concealer::new(1, 1);
            concealer.begin(&pcm, pcm.len());
            let mut made = vec![glide(cut - 1)];
            concealer.make(480, 480, &mut Background::new(1, 1), &mut made);
            let step = made.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
            // The steepest part that was heard has some 0.04 a sample; noise comes on top.
            assert!(step < 0.1, "{cut}: {step}");
            assert!((made[1] - made[0]).abs() < 0.06, "{cut}: {}", made[1] - made[0]);
        }
    }

    #[test]
    fn what_is_concealed_for_long_is_as_quiet_as_the_background() {
        let mut pcm = Pcm::new(2, 160);
        pcm.append(&(0..3_200).map(|i| if i / 80 % 2 == 0 { 0.5 } else { -0.5 }).collect::<Vec<_>>());
        let (mut concealer, mut background) = (Concealer::new(2, 1), Background::new(2, 1));
        concealer.begin(&pcm, pcm.len());
        let mut made = Vec::new();
        concealer.make(1_600, 160, &mut background, &mut made);
        let powers: Vec<f32> = made.chunks_exact(320).map(pitch::power).collect();
        assert!(powers[0] > 0.2 && powers[9] < 1e-4, "{powers:?}");
        assert!(powers.is_sorted_by(|one, next| next <= one), "{powers:?}");
        assert_eq!(concealer.loudness(), 0.0);
    }
}
