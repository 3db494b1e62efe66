//! What sound is like.

/// What sound is like. Constant for one [`AudioPlayout`](super::AudioPlayout).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioConfig {
    /// The RTP clock, in Hz: 1,000 to 192,000; of Opus always 48,000 (RFC 7587, 4.1).
    pub clock_rate: u32,
    /// Of what the decoder gives, in Hz: 8,000, 12,000, 16,000, 24,000, 32,000 or 48,000.
    pub sample_rate: u32,
    /// 1 to 8.
    pub channels: u8,
    /// Decides the noise that is made up.
    pub seed: u64,
}

impl Default for AudioConfig {
    /// Opus in stereo.
    fn default() -> Self {
        Self { clock_rate: 48_000, sample_rate: 48_000, channels: 2, seed: 1 }
    }
}

/// Which part of an [`AudioConfig`] is out of its range. The caller's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioConfigError {
    /// `clock_rate`.
    ClockRate,
    /// `sample_rate`.
    SampleRate,
    /// `channels`.
    Channels,
}

impl AudioConfig {
    pub(super) fn check(&self) -> Result<(), AudioConfigError> {
        if !(1_000..=192_000).contains(&self.clock_rate) {
            return Err(AudioConfigError::ClockRate);
        }
        if !matches!(self.sample_rate, 8_000 | 12_000 | 16_000 | 24_000 | 32_000 | 48_000) {
            return Err(AudioConfigError::SampleRate);
        }
        if !(1..=8).contains(&self.channels) {
            return Err(AudioConfigError::Channels);
        }
        Ok(())
    }
}

impl std::fmt::Display for AudioConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ClockRate => "the RTP clock has to have 1,000 to 192,000 Hz",
            Self::SampleRate => "samples have to have 8, 12, 16, 24, 32 or 48 kHz",
            Self::Channels => "there have to be 1 to 8 channels",
        })
    }
}

impl std::error::Error for AudioConfigError {}
