//! Video frames whose sizes and distances vary as those of an encoder do: the statistical model of RFC 8593, section 5.

use conclave_qos::{Bitrate, Time};

use super::Encoder;
use crate::random::Random;
use crate::units::after;

/// 30 frames a second (the RFC's `FPS`), µs.
const INTERVAL: f64 = 1_000_000.0 / 30.0;
/// Mean deviation of distances and of sizes from their means (the RFC's `SCALEt` and `SCALEb`)...
const SCALE: f64 = 0.15;
/// ...which the RFC does not bound. A frame is not larger than four, and not smaller than a quarter of a mean one.
const LEAST: f64 = 0.25;
const MOST: f64 = 4.0;

/// Makes frames.
///
/// Of the RFC's model, the steady state: a frame is made at the target that holds when it is made, so the encoder's
/// latency is a frame and not the RFC's 200 ms (`tau_v`); encoders of calls follow at once (libwebrtc sets the rate of
/// each frame), and a slower one would hide what controllers do. No key frames.
#[derive(Debug)]
pub(crate) struct Source {
    encoder: Encoder,
    random: Random,
}

impl Source {
    pub(crate) fn new(encoder: Encoder, random: Random) -> Self {
        Self { encoder, random }
    }

    /// What it would make at this target.
    pub(crate) fn rate(&self, target: Bitrate) -> Bitrate {
        target.clamp(Bitrate::bps(self.encoder.least), Bitrate::bps(self.encoder.most.max(self.encoder.least)))
    }

    /// The most that it makes.
    pub(crate) fn most(&self) -> Bitrate {
        Bitrate::bps(self.encoder.most)
    }

    /// A frame at this target: its bytes with all headers, and when the next one is due.
    pub(crate) fn frame(&mut self, now: Time, target: Bitrate) -> (u64, Time) {
        let mean = self.rate(target).as_bps() as f64 * INTERVAL / 8_000_000.0;
        let size = mean * self.vary();
        let distance = INTERVAL * self.vary();
        (size as u64, after(now, distance as u64))
    }

    fn vary(&mut self) -> f64 {
        (1.0 + self.random.laplace(SCALE)).clamp(LEAST, MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{SECOND, at, micros};

    #[test]
    fn over_time_frames_come_to_the_target_within_what_the_encoder_can() {
        let encoder = Encoder { least: 150_000, most: 1_500_000 };
        for (target, expected) in [(100, 150), (900, 900), (5_000, 1_500)] {
            let mut source = Source::new(encoder, Random::new(3));
            let (mut now, mut bytes, mut frames) = (at(0), 0, 0);
            while micros(now) < 600 * SECOND {
                let (size, next) = source.frame(now, Bitrate::kbps(target));
                assert!(next > now && size > 0);
                (now, bytes, frames) = (next, bytes + size, frames + 1);
            }
            let rate = bytes as f64 * 8.0 / 600_000.0;
            assert!((rate / f64::from(expected) - 1.0).abs() < 0.02, "{rate} kbit/s of {expected}");
            assert!((frames as f64 / 18_000.0 - 1.0_f64).abs() < 0.02, "{frames} frames");
        }
    }
}
