//! A microphone: Opus packets every 20 ms with levels (RFC 6464) of somebody who speaks now and then.

use std::time::Duration;

use conclave_qos::Time;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::stamp::Stamp;

/// An Opus packet that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sound {
    /// RTP timestamp at 48 kHz (RFC 7587 section 4.1).
    pub timestamp: u32,
    /// Level in -dBov, 0 (loudest) to 127.
    pub level: u8,
    /// Whether it is speech.
    pub voice: bool,
    /// Bytes of the payload.
    pub bytes: usize,
}

/// A microphone.
#[derive(Debug)]
pub struct Microphone {
    started: Time,
    packets: u32,
    speaks: bool,
    /// The packet at which the turn of speech, or the silence, ends.
    until: u32,
    /// Share of the time that it speaks, 0 to 1.
    talkative: f64,
    random: ChaCha8Rng,
}

/// Time of a packet.
const PACKET: Duration = Duration::from_millis(20);
/// Mean length of a turn of speech, in packets: 2.5 s.
const TURN: f64 = 125.0;
/// Bytes of speech at about 32 kbit/s, and of silence: whoever is silent sends as well, without DTX.
const SPEECH_BYTES: u32 = 80;
const SILENCE_BYTES: u32 = 30;
/// TOC byte: CELT, full band, 20 ms, stereo, one frame (RFC 6716 section 3.1).
const TOC: u8 = 31 << 3 | 1 << 2;

impl Microphone {
    /// A microphone whose person speaks for this share of the time (0 to 1), by a pattern from the seed.
    pub fn new(talkative: f64, start: Time, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let talkative = talkative.clamp(0.0, 1.0);
        let speaks = random.random_bool(talkative);
        let mut microphone = Self { started: start, packets: 0, speaks, until: 0, talkative, random };
        microphone.until = microphone.turn();
        microphone
    }

    /// When the next packet is due.
    pub fn poll_timeout(&self) -> Time {
        self.started + PACKET * self.packets
    }

    /// The packet that is due; what was missed is not made up for.
    pub fn take(&mut self, now: Time) -> Option<Sound> {
        if now < self.poll_timeout() {
            return None;
        }
        // 2^32 of them take years.
        self.packets = (now.since(self.started).as_micros() / PACKET.as_micros()) as u32;
        while self.packets >= self.until {
            self.speaks = !self.speaks;
            self.until += self.turn();
        }
        let timestamp = self.packets.wrapping_mul(960);
        self.packets += 1;
        let (level, bytes) = match self.speaks {
            true => (self.random.random_range(18..35), SPEECH_BYTES + self.random.random_range(0..24)),
            false => (self.random.random_range(70..90), SILENCE_BYTES),
        };
        Some(Sound { timestamp, level, voice: self.speaks, bytes: bytes as usize })
    }

    /// Writes the payload of a packet.
    pub fn write(sound: Sound, payload: &mut Vec<u8>) {
        payload.clear();
        payload.resize(sound.bytes.max(Stamp::LEN + 1), 0x5a);
        payload[0] = TOC;
    }

    /// How many packets the turn that begins takes.
    fn turn(&mut self) -> u32 {
        let mean = match (self.speaks, self.talkative) {
            (false, 0.0) | (true, 1.0) => return u32::MAX / 2,
            (true, _) => TURN,
            (false, talkative) => TURN * (1.0 - talkative) / talkative,
        };
        // An exponential distribution: turns have no memory.
        let draw: f64 = self.random.random_range(f64::EPSILON..1.0);
        ((-draw.ln() * mean) as u32).clamp(10, 1 << 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(talkative: f64, seed: u64) -> Vec<Sound> {
        let mut microphone = Microphone::new(talkative, Time::default(), seed);
        (0..3_000).filter_map(|_| microphone.take(microphone.poll_timeout())).collect()
    }

    #[test]
    fn packets_come_every_20_ms_and_the_seed_decides_who_speaks() {
        let sounds = minute(0.3, 1);
        assert!(sounds.windows(2).all(|two| two[1].timestamp - two[0].timestamp == 960));
        assert_eq!(sounds, minute(0.3, 1));
        assert_ne!(sounds, minute(0.3, 2));
        assert!(sounds.iter().all(|sound| sound.voice == (sound.level < 60)));
    }

    #[test]
    fn somebody_speaks_for_their_share_of_the_time() {
        let share = |talkative| {
            let sounds: Vec<_> = (0..40).flat_map(|seed| minute(talkative, seed)).collect();
            sounds.iter().filter(|sound| sound.voice).count() as f64 / sounds.len() as f64
        };
        assert_eq!(share(0.0), 0.0);
        assert_eq!(share(1.0), 1.0);
        assert!((0.2..0.4).contains(&share(0.3)), "{}", share(0.3));
    }
}
