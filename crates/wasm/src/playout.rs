//! A call that is received, for comparison: sound and pictures over a path that loses, delays and reorders.

use std::time::Duration;

use conclave_qos::Time;
use conclave_qos::playout::{
    AudioConfig, AudioDecoder, AudioPacket, AudioPlayout, DelayLimits, Dependence, FrameId, Origin, Played,
    PlayoutPoint, References, SenderClock, Synchronizer, VideoPacket, VideoPlayout,
};

use crate::numbers::{Dice, Hash};

const SECONDS: u64 = 30;

/// The hash of every sample that is heard and of every time at which a frame is shown.
pub(crate) fn hash(seed: u32) -> u64 {
    // A configuration that is always the same is within its ranges, or the hash is 0 everywhere, which the comparison tells.
    Call::new(seed).map_or(0, Call::play)
}

/// Triangles of 150 to 300 Hz with noise, each payload another.
struct Voice(Dice);

impl AudioDecoder for Voice {
    fn decode(&mut self, payload: &[u8], _: Origin, samples: &mut Vec<f32>) -> bool {
        let period = 160 + payload.first().map_or(0, |byte| usize::from(*byte) % 160);
        for i in 0..960_usize {
            let triangle = (i % period).abs_diff(period / 2) as f32 / period as f32 - 0.25;
            let noise = self.0.below(2_001) as f32 / 1_000.0 - 1.0;
            samples.extend([triangle + noise * 0.01, triangle * 0.5 + noise * 0.02]);
        }
        true
    }
}

struct Call {
    dice: Dice,
    audio: AudioPlayout<[u8; 1]>,
    video: VideoPlayout<[u8; 64]>,
    voice: Voice,
    hash: Hash,
    now: u64,
    sounds: Vec<(u64, AudioPacket<[u8; 1]>)>,
    pictures: Vec<(u64, VideoPacket<[u8; 64]>)>,
    clocks: [SenderClock; 2],
    synchronizer: Synchronizer,
}

impl Call {
    fn new(seed: u32) -> Option<Self> {
        let config = AudioConfig { seed: u64::from(seed), ..AudioConfig::default() };
        Some(Self {
            dice: Dice(u64::from(seed)),
            audio: AudioPlayout::new(config).ok()?,
            video: VideoPlayout::new(90_000),
            voice: Voice(Dice(u64::from(seed) + 1)),
            hash: Hash::default(),
            now: 0,
            sounds: Vec::new(),
            pictures: Vec::new(),
            clocks: [SenderClock::new(48_000), SenderClock::new(90_000)],
            synchronizer: Synchronizer::new(),
        })
    }

    fn play(mut self) -> u64 {
        let mut samples = Vec::new();
        for block in 0..SECONDS * 100 {
            self.now = block * 10_000;
            self.send(block);
            self.arrive();
            let now = at(self.now);
            self.audio.poll_block(now, &mut self.voice, &mut samples);
            samples.iter().for_each(|sample| self.hash.add(u64::from(sample.to_bits())));
            while let Some(ready) = self.video.poll_frame(now) {
                self.hash.add(ready.render_time.to_duration().as_micros() as u64);
                self.video.handle_decoded(now, Duration::from_micros(3_000 + self.dice.below(4_000)));
            }
            self.hash.add(u64::from(self.video.poll_key_frame(now)));
            self.synchronize(now);
        }
        self.hash.get()
    }

    /// A packet of sound each 20 ms, a frame of three packets each 30; of each a twentieth is lost.
    fn send(&mut self, block: u64) {
        let spike = if block % 700 < 30 { 120_000 } else { 0 };
        if block.is_multiple_of(2) && self.dice.below(20) > 0 {
            let number = (block / 2) as u32;
            self.sounds.push((
                self.now + 20_000 + spike + self.dice.below(30_000),
                AudioPacket {
                    sequence: number as u16,
                    timestamp: number * 960,
                    ticks: 960,
                    is_silence: number % 400 > 380,
                    origin: Origin::Primary,
                    payload: [number as u8],
                },
            ));
        }
        for i in 0..if block.is_multiple_of(3) { 3 } else { 0 } {
            let (frame, is_lost) = ((block / 3) as u32, self.dice.below(60) == 0);
            let id = i64::from(frame);
            let references = References::new(&[FrameId(id - 1)]).filter(|_| !frame.is_multiple_of(50));
            // What is lost is sent again.
            let late = 60_000 + spike + self.dice.below(20_000) + if is_lost { 100_000 } else { 0 };
            self.pictures.push((
                self.now + late,
                VideoPacket {
                    sequence: (frame * 3 + i) as u16,
                    timestamp: frame * 2_700,
                    is_first: i == 0,
                    is_last: i == 2,
                    is_repaired: is_lost,
                    dependence: Dependence::Frames(FrameId(id), references.unwrap_or(References::NONE)),
                    payload: [0; 64],
                },
            ));
        }
        if block.is_multiple_of(100) {
            let second = block / 100;
            let ntp = (second + 3_900_000_000) << 32;
            let _ = self.clocks[0].handle_report(ntp, second as u32 * 48_000);
            let _ = self.clocks[1].handle_report(ntp, second as u32 * 90_000);
        }
    }

    fn arrive(&mut self) {
        let now = self.now;
        self.sounds.sort_by_key(|(arrival, _)| *arrival);
        self.pictures.sort_by_key(|(arrival, _)| *arrival);
        let sounds = self.sounds.partition_point(|(arrival, _)| *arrival <= now);
        for (arrival, packet) in self.sounds.drain(..sounds) {
            self.hash.add(u64::from(self.audio.handle_packet(at(arrival), packet).is_ok()));
        }
        let pictures = self.pictures.partition_point(|(arrival, _)| *arrival <= now);
        for (arrival, packet) in self.pictures.drain(..pictures) {
            self.hash.add(u64::from(self.video.handle_packet(at(arrival), packet).is_ok()));
        }
    }

    fn synchronize(&mut self, now: Time) {
        let (Some(heard), Some(delay)) = (self.audio.playout_point(now), self.audio.delay(now)) else { return };
        let Some(seen) = self.video.playout_point() else { return };
        let played = |clock, point: PlayoutPoint, delay| Played { clock, point, delay };
        let audio = played(&self.clocks[0], heard, delay);
        let video = played(&self.clocks[1], seen, self.video.delay());
        if let Some(delays) = self.synchronizer.update(now, audio, video) {
            self.audio.set_limits(DelayLimits { least: delays.audio, most: None });
            self.video.set_least_delay(delays.video);
        }
    }
}

fn at(micros: u64) -> Time {
    Time::since_start(Duration::from_micros(micros))
}
