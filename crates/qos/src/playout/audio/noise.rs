//! What the background sounds like, and more of it: white noise through an all-pole filter.
//!
//! libwebrtc, `modules/audio_coding/neteq/background_noise.cc`; the filters are found by Levinson's and Durbin's recursion.

use super::pitch;

/// `background_noise.h`, `kMaxLpcOrder`; `expand.h` has 6 for sounds without pitch.
pub(super) const ORDER: usize = 8;
/// The floor rises by so much with each 10 ms that are louder: twice in 350 ms.
const RISE: f32 = 1.02;
/// What is louder than so many times the floor is no background.
const NOISE: f32 = 2.0;
/// The spectrum is looked at again after so many blocks of background.
const BLOCKS: u32 = 10;
/// Where the floor begins, as mean square: -50 dB, a quiet room.
const FLOOR: f32 = 1e-5;
/// The least floor: below the last of 16 bits.
const LEAST: f32 = 1e-10;
/// The most: -40 dB. What is steadier and louder is music or a tone.
const MOST: f32 = 1e-4;

/// Pseudo-random numbers (xorshift, Marsaglia 2003): equal seeds, equal noise.
#[derive(Clone, Copy, Debug)]
pub(super) struct Random(u32);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        // Zero would stay zero.
        Self((seed ^ (seed >> 32)) as u32 | 1)
    }

    /// Evenly spread, of power 1.
    pub(super) fn sample(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        // From -√3 to √3.
        self.0 as i32 as f32 * (1.732_050_8 / 2_147_483_648.0)
    }
}

/// An all-pole filter with its memory, and how loud its noise is.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    /// `y[n] = gain * x[n] - Σ coefficients[k] * y[n-1-k]`.
    coefficients: [f32; ORDER],
    memory: [f32; ORDER],
    gain: f32,
}

impl Filter {
    /// The filter that makes white noise sound like these samples.
    pub(super) fn like(samples: &[f32]) -> Self {
        let mut correlation = [0.0_f32; ORDER + 1];
        for (lag, sum) in correlation.iter_mut().enumerate() {
            *sum = samples.get(lag..).map_or(0.0, |later| pitch::dot(samples, later));
        }
        // A little white noise more keeps the filter stable.
        correlation[0] = correlation[0] * 1.000_1 + 1e-9;
        let (coefficients, rest) = levinson_durbin(&correlation);
        let gain = (rest.max(0.0) / samples.len().max(1) as f32).sqrt();
        Self { coefficients, memory: [0.0; ORDER], gain }
    }

    pub(super) fn next(&mut self, random: &mut Random) -> f32 {
        let mut sample = self.gain * random.sample();
        for (coefficient, earlier) in self.coefficients.iter().zip(self.memory) {
            sample -= coefficient * earlier;
        }
        // Far beyond what is heard: only a filter at the edge of stability comes here.
        let sample = if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
        self.memory.copy_within(..ORDER - 1, 1);
        self.memory[0] = sample;
        sample
    }
}

/// Coefficients of the predictor, and what it cannot predict.
fn levinson_durbin(correlation: &[f32; ORDER + 1]) -> ([f32; ORDER], f32) {
    let mut coefficients = [0.0_f32; ORDER];
    let mut error = correlation[0];
    for order in 0..ORDER {
        let mut sum = correlation[order + 1];
        for earlier in 0..order {
            sum += coefficients[earlier] * correlation[order - earlier];
        }
        let reflection = -sum / error;
        // Rounding only: a filter with more would not be stable. False also where it is no number.
        if !(reflection > -0.999 && reflection < 0.999) {
            break;
        }
        let before = coefficients;
        for earlier in 0..order {
            coefficients[earlier] = before[earlier] + reflection * before[order - 1 - earlier];
        }
        coefficients[order] = reflection;
        error *= 1.0 - reflection * reflection;
    }
    (coefficients, error)
}

/// What is heard when nobody speaks.
#[derive(Clone, Debug)]
pub(super) struct Background {
    floor: f32,
    filter: Filter,
    /// One filter memory for each channel.
    memories: Vec<[f32; ORDER]>,
    random: Random,
    blocks: u32,
}

impl Background {
    pub(super) fn new(channels: usize, seed: u64) -> Self {
        Self {
            floor: FLOOR,
            filter: Filter::default(),
            memories: vec![[0.0; ORDER]; channels],
            random: Random::new(seed),
            blocks: 0,
        }
    }

    /// The power of the background, as mean square of samples from -1 to 1.
    pub(super) fn power(&self) -> f32 {
        self.floor
    }

    /// Listens to 10 ms that were received, all channels as one.
    pub(super) fn listen(&mut self, mono: &[f32]) {
        let power = pitch::power(mono);
        let is_background = power <= NOISE * self.floor;
        // Digital silence is no background: a muted microphone says nothing about the room.
        if power > LEAST {
            self.floor = (self.floor * RISE).min(power).min(MOST);
        }
        if !is_background || power <= LEAST {
            return;
        }
        if self.blocks == 0 {
            self.filter = Filter::like(mono);
        }
        self.blocks = (self.blocks + 1) % BLOCKS;
    }

    /// One frame of background, at this part (0 to 1) of its loudness.
    pub(super) fn add(&mut self, frame: &mut [f32], loudness: f32) {
        for (sample, memory) in frame.iter_mut().zip(&mut self.memories) {
            self.filter.memory = *memory;
            *sample += self.filter.next(&mut self.random) * loudness;
            *memory = self.filter.memory;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power_of(filter: &mut Filter, random: &mut Random) -> f32 {
        (0..48_000).map(|_| filter.next(random)).map(|sample| sample * sample).sum::<f32>() / 48_000.0
    }

    #[test]
    fn noise_is_as_loud_and_as_dull_as_what_it_imitates() {
        let mut random = Random::new(7);
        let mut last = 0.0;
        let dull: Vec<f32> = std::iter::repeat_with(|| {
            last = 0.9 * last + 0.02 * random.sample();
            last
        })
        .take(4_800)
        .collect();
        let mut filter = Filter::like(&dull);
        assert!((filter.coefficients[0] + 0.9).abs() < 0.05, "{filter:?}");
        let ratio = power_of(&mut filter, &mut random) / pitch::power(&dull);
        assert!((0.7..1.4).contains(&ratio), "{ratio}");
    }

    #[test]
    fn no_input_makes_a_filter_that_grows() {
        let tone = (0..480).map(|i| libm::sin(f64::from(i) * 0.05) as f32);
        let square = (0..480).map(|i| if i / 30 % 2 == 0 { 1.0 } else { -1.0 });
        for samples in [tone.collect::<Vec<f32>>(), square.collect(), vec![1.0; 480], vec![0.0; 480], vec![]] {
            let mut filter = Filter::like(&samples);
            let power = power_of(&mut filter, &mut Random::new(1));
            assert!(power <= 1.5 * pitch::power(&samples) + 2e-9, "{power}");
        }
    }

    #[test]
    fn speech_does_not_become_background_and_a_quiet_room_does() {
        let mut background = Background::new(1, 1);
        let mut random = Random::new(3);
        let mut block = |loudness: f32| (0..480).map(|_| random.sample() * loudness).collect::<Vec<_>>();
        for i in 0..400 {
            let loudness = if i % 40 < 30 { 0.1 } else { 0.001 };
            background.listen(&block(loudness));
        }
        assert!(background.power() < 1e-5, "{}", background.power());
        let mut frames = vec![0.0; 480];
        frames.iter_mut().for_each(|frame| background.add(std::slice::from_mut(frame), 1.0));
        let ratio = pitch::power(&frames) / 1e-6;
        assert!((0.3..3.0).contains(&ratio), "{ratio}");
    }
}
