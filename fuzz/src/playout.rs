use std::time::Duration;

use conclave_qos::Time;
use conclave_qos::playout::{
    AudioConfig, AudioDecoder, AudioPacket, AudioPlayout, DelayLimits, Dependence, FrameId, Origin, Played, References,
    SenderClock, Synchronizer, VideoPacket, VideoPlayout,
};

use crate::bytes::Bytes;

/// The most events of one input: longer ones teach nothing and cost time.
const STEPS: usize = 4_000;

/// A receiver of sound and pictures to which anything comes. Every block is whole and no sample louder than 1, render
/// times never go backwards, and the least delays stay within their limits. Returns how many frames came out, and how
/// many blocks of sound were not made up.
///
/// # Panics
/// If they do not.
pub fn playout(data: &[u8]) -> (u64, u64) {
    let mut bytes = Bytes(data);
    let Some(mut receiver) = Receiver::new(&mut bytes) else { return (0, 0) };
    for _ in 0..STEPS {
        if receiver.step(&mut bytes).is_none() {
            break;
        }
        receiver.check();
    }
    (receiver.video.stats().frames_released, receiver.audio.stats().jitter_buffer_emitted_count / 480)
}

/// Says what the payload says: how many samples, and which.
struct Decoder;

impl AudioDecoder for Decoder {
    fn decode(&mut self, payload: &[u8], _: Origin, samples: &mut Vec<f32>) -> bool {
        let [kind, count, value, ..] = *payload else { return false };
        let loud = f32::from_bits(u32::from_be_bytes([value, count, kind, value]));
        samples
            .extend((0..usize::from(count) * 40).map(|i| if i % 16 == 15 { loud } else { (i % 100) as f32 / 100.0 }));
        kind != 0
    }

    fn comfort_noise(&mut self, frames: usize, samples: &mut Vec<f32>) -> bool {
        samples.resize(samples.len() + frames, 0.01);
        frames.is_multiple_of(2)
    }
}

struct Receiver {
    audio: AudioPlayout<Vec<u8>>,
    block: usize,
    video: VideoPlayout<Vec<u8>>,
    clocks: [SenderClock; 2],
    synchronizer: Synchronizer,
    now: Time,
    /// Sound was played until then.
    played: Time,
    render: Time,
    sequence: u16,
    timestamp: u32,
    frame: i64,
    samples: Vec<f32>,
}

impl Receiver {
    fn new(bytes: &mut Bytes<'_>) -> Option<Self> {
        let sample_rate = [8_000, 12_000, 16_000, 24_000, 32_000, 48_000][usize::from(bytes.u8()? % 6)];
        let channels = bytes.u8()? % 8 + 1;
        let config = AudioConfig { clock_rate: 48_000, sample_rate, channels, seed: 9 };
        Some(Self {
            audio: AudioPlayout::new(config).expect("within its ranges"),
            block: sample_rate as usize / 100 * usize::from(channels),
            video: VideoPlayout::new(90_000),
            clocks: [SenderClock::new(48_000), SenderClock::new(90_000)],
            synchronizer: Synchronizer::new(),
            now: Time::default(),
            played: Time::default(),
            render: Time::default(),
            sequence: 0,
            timestamp: 0,
            frame: 0,
            samples: Vec::new(),
        })
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        match bytes.u8()? {
            0..=79 => self.hear(bytes)?,
            80..=159 => self.see(bytes)?,
            160..=179 => self.now = self.now + Duration::from_micros(u64::from(bytes.u16()?)),
            180..=184 => {
                self.now = self.now + Duration::from_millis(u64::from(bytes.u16()?) << (bytes.u8()? % 40));
                self.played = self.now;
            }
            185..=199 => {
                let (clock, seconds) = (usize::from(bytes.u8()? % 2), bytes.u16()?);
                let ntp = (u64::from(seconds) << 32) | u64::from(bytes.u16()?) << 16;
                let timestamp = u32::from(seconds).wrapping_mul([48_000, 90_000][clock]) ^ u32::from(bytes.u8()?);
                let _ = self.clocks[clock].handle_report(ntp, timestamp);
            }
            200..=209 => self.video.handle_round_trip(Duration::from_millis(u64::from(bytes.u16()?))),
            210..=219 => self.video.handle_decoded(self.now, Duration::from_micros(u64::from(bytes.u16()?))),
            220..=224 => self.video.handle_decoder_failure(self.now),
            225..=239 => {
                let _ = self.video.handle_padding(self.now, bytes.u16()?);
            }
            _ => self.jump(bytes)?,
        }
        Some(())
    }

    /// Numbers that follow nothing.
    fn jump(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        self.sequence = bytes.u16()?;
        self.timestamp = u32::from(bytes.u16()?) << 16;
        self.frame = i64::from(bytes.u16()?) << (bytes.u8()? % 48);
        Some(())
    }

    fn hear(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        let bits = bytes.u8()?;
        self.sequence = self.sequence.wrapping_add(u16::from(bits & 3));
        self.timestamp = self.timestamp.wrapping_add(u32::from(bits & 15) * 480);
        let packet = AudioPacket {
            sequence: self.sequence,
            timestamp: self.timestamp,
            ticks: u32::from(bits >> 4) * 480,
            is_silence: bits.is_multiple_of(13),
            origin: [Origin::Primary, Origin::Primary, Origin::Copy, Origin::InBand][usize::from(bits >> 6)],
            payload: bytes.take(3).to_vec(),
        };
        let _ = self.audio.handle_packet(self.now, packet);
        Some(())
    }

    fn see(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        let (bits, back) = (bytes.u8()?, bytes.u8()?);
        let is_first = bits & 3 != 0;
        self.sequence = self.sequence.wrapping_add(1 + u16::from(bits.is_multiple_of(31)));
        if is_first {
            self.timestamp = self.timestamp.wrapping_add(3_000);
            self.frame = self.frame.saturating_add(1);
        }
        let references = [
            FrameId(self.frame.saturating_sub(i64::from(back % 3))),
            FrameId(self.frame.saturating_sub(i64::from(back))),
        ];
        let count = usize::from(back % 16).min(2);
        let dependence = match bits >> 5 {
            0 => Dependence::Key,
            1 | 2 => Dependence::Previous,
            _ => Dependence::Frames(FrameId(self.frame), References::new(&references[..count])?),
        };
        let packet = VideoPacket {
            sequence: self.sequence,
            timestamp: self.timestamp,
            is_first,
            is_last: bits & 12 != 0,
            is_repaired: bits & 16 != 0,
            dependence,
            payload: vec![0; usize::from(back) * 40],
        };
        let _ = self.video.handle_packet(self.now, packet);
        Some(())
    }

    fn check(&mut self) {
        // After a long time a few blocks are as good as all of them.
        for _ in 0..4 {
            if self.now < self.played + Duration::from_millis(10) {
                break;
            }
            self.played = self.played + Duration::from_millis(10);
            self.audio.poll_block(self.now, &mut Decoder, &mut self.samples);
            assert_eq!(self.samples.len(), self.block);
            assert!(self.samples.iter().all(|sample| (-1.0..=1.0).contains(sample)), "too loud, or no number");
        }
        while let Some(ready) = self.video.poll_frame(self.now) {
            assert!(ready.render_time >= self.render, "shown before the one before");
            assert!(ready.frame.references.iter().all(|reference| reference < ready.frame.id));
            self.render = ready.render_time;
        }
        self.video.poll_key_frame(self.now);
        let _ = (self.video.poll_timeout(self.now), self.video.useful_from());
        let (Some(heard), Some(seen)) = (self.audio.playout_point(self.now), self.video.playout_point()) else {
            return;
        };
        let audio = Played { clock: &self.clocks[0], point: heard, delay: self.audio.target_delay() };
        let video = Played { clock: &self.clocks[1], point: seen, delay: self.video.delay() };
        if let Some(delays) = self.synchronizer.update(self.now, audio, video) {
            let most = Duration::from_secs(10);
            assert!(delays.audio <= most && delays.video <= most, "{delays:?}");
            self.audio.set_limits(DelayLimits { least: delays.audio, most: None });
            self.video.set_least_delay(delays.video);
        }
    }
}
