//! After how many samples a sound repeats: coarsely at 4 kHz, then exactly.

/// The rate of the coarse search, in Hz (libwebrtc, `dsp_helper.cc`, `DownsampleTo4kHz`).
const COARSE_RATE: usize = 4_000;
/// The shortest and longest period at that rate (`time_stretch.h`, `kMinLag`, `kMaxLag`): 2.5 and 15 ms.
const SHORTEST: usize = 10;
const LONGEST: usize = 60;
/// A longer period has to fit this much better: a multiple of the period fits as well as the period.
const PREFER_SHORT: f32 = 1.02;

/// A period and how well it fits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Period {
    /// In frames; 2.5 to 15 ms.
    pub(super) frames: usize,
    /// Normalised correlation of a piece with the piece one period before, 0 to 1.
    pub(super) likeness: f32,
}

/// Frames in 15 ms, the longest period, at this rate.
pub(super) fn longest(sample_rate: usize) -> usize {
    sample_rate / COARSE_RATE * LONGEST
}

/// Looks for the period at `at`: compares `window` samples of `mono` from there on with those before.
///
/// Needs [`longest`] samples before `at` and `window` from `at` on; answers `None` where they are not there.
/// `sample_rate` is a multiple of 4 kHz. `coarse` is scratch.
pub(super) fn find(
    mono: &[f32],
    at: usize,
    window: usize,
    sample_rate: usize,
    coarse: &mut Vec<f32>,
) -> Option<Period> {
    let step = sample_rate / COARSE_RATE;
    let before = longest(sample_rate);
    let piece = mono.get(at.checked_sub(before)?..at.checked_add(window)?)?;
    coarse.clear();
    let share = 1.0 / step as f32;
    coarse.extend(piece.chunks_exact(step).map(|chunk| chunk.iter().sum::<f32>() * share));
    let target = coarse.get(LONGEST..)?;
    let mut best = (0.0, SHORTEST);
    for lag in SHORTEST..=LONGEST {
        let likeness = likeness(target, coarse.get(LONGEST - lag..)?);
        if likeness > best.0 * PREFER_SHORT {
            best = (likeness, lag);
        }
    }
    refine(mono, at, window, best.1 * step, step, before)
}

/// The best period within one coarse sample of `coarse`.
fn refine(mono: &[f32], at: usize, window: usize, coarse: usize, step: usize, longest: usize) -> Option<Period> {
    let target = mono.get(at..at + window)?;
    let mut best = Period { frames: coarse, likeness: 0.0 };
    for frames in coarse.saturating_sub(step).max(SHORTEST * step)..=(coarse + step).min(longest) {
        let likeness = likeness(target, mono.get(at - frames..at - frames + window)?);
        if likeness > best.likeness {
            best = Period { frames, likeness };
        }
    }
    Some(best)
}

/// Normalised correlation of two pieces, as long as the shorter; 0 where they are silent or opposed.
pub(super) fn likeness(one: &[f32], other: &[f32]) -> f32 {
    let product = dot(one, other);
    if product <= 0.0 {
        return 0.0;
    }
    let length = one.len().min(other.len());
    let (one, other) = (&one[..length], &other[..length]);
    let scale = (dot(one, one) * dot(other, other)).sqrt();
    // Below some -100 dB there is nothing to compare.
    if scale > 1e-10 * length as f32 { (product / scale).min(1.0) } else { 0.0 }
}

/// The mean square of samples.
pub(super) fn power(samples: &[f32]) -> f32 {
    if samples.is_empty() { 0.0 } else { dot(samples, samples) / samples.len() as f32 }
}

/// The sum of products, as long as the shorter; in the same order on every machine.
pub(super) fn dot(one: &[f32], other: &[f32]) -> f32 {
    const LANES: usize = 8;
    let length = one.len().min(other.len());
    let (one, other) = (one[..length].chunks_exact(LANES), other[..length].chunks_exact(LANES));
    let rest: f32 = one.remainder().iter().zip(other.remainder()).map(|(a, b)| a * b).sum();
    let mut lanes = [0.0; LANES];
    for (a, b) in one.zip(other) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, sample_rate: usize, samples: usize) -> Vec<f32> {
        (0..samples)
            .map(|i| libm::sin(std::f64::consts::TAU * hz * i as f64 / sample_rate as f64) as f32 * 0.5)
            .collect()
    }

    #[test]
    fn the_period_of_a_tone_is_found_to_the_sample() {
        for rate in [8_000, 12_000, 16_000, 24_000, 32_000, 48_000] {
            for hz in [80.0, 100.0, 160.0, 200.0, 250.0] {
                let mono = tone(hz, rate, rate / 20);
                let period = find(&mono, rate / 50, rate / 50, rate, &mut Vec::new()).unwrap();
                let exact = rate as f64 / hz;
                let multiple = (period.frames as f64 / exact).round();
                assert!((period.frames as f64 - multiple * exact).abs() <= 1.0, "{rate} {hz}: {period:?}");
                assert!(period.likeness > 0.95, "{rate} {hz}: {period:?}");
            }
        }
    }

    #[test]
    fn silence_is_like_nothing() {
        assert_eq!(likeness(&[0.0; 80], &[0.0; 80]), 0.0);
        assert_eq!(likeness(&[0.5; 80], &[-0.5; 80]), 0.0);
        assert_eq!(power(&[]), 0.0);
    }

    #[test]
    fn where_samples_are_missing_there_is_no_answer() {
        assert_eq!(find(&[0.0; 100], 50, 50, 8_000, &mut Vec::new()), None);
        assert_eq!(find(&[0.0; 200], 120, 81, 8_000, &mut Vec::new()), None);
    }
}
