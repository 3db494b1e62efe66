//! Sound: from packets to 10 ms of samples, every 10 ms.

mod conceal;
mod config;
mod decision;
mod delay;
mod histogram;
mod noise;
mod packets;
mod pcm;
mod pitch;
mod stats;
mod stretch;

use std::time::Duration;

use conceal::Concealer;
use decision::{Facts, Mode, Step, decide};
use delay::{ArrivalHistory, DelayTarget};
use noise::Background;
use packets::{CAPACITY, LONGEST_PACKET, LONGEST_PAYLOAD, Packets, Waiting};
use pcm::Pcm;
use stretch::{Pace, Stretcher};

pub use config::{AudioConfig, AudioConfigError};
pub use delay::DelayLimits;
pub use packets::{AudioPacket, AudioPacketError, Origin};
pub use stats::AudioStats;

use super::PlayoutPoint;
use super::wrapping::Unwrapper;
use crate::Time;

/// Sound is stretched once in so many blocks at most (`decision_logic.h`, `kMinTimescaleInterval`).
const STRETCH_INTERVAL: u32 = 5;
/// A timestamp so far from where it should be is another stream's (`decision_logic.cc`: 5 s).
const JUMP_SECONDS: i64 = 5;
/// Silence that the sender described is believed for so long (`decision_logic.cc`, `kCngTimeoutMs`): Opus repeats the
/// description every 400 ms.
const SILENCE: Duration = Duration::from_secs(1);

/// The caller's decoder.
pub trait AudioDecoder {
    /// Appends the samples of one payload to `samples`: interleaved, -1 to 1, at the rate and with the channels of
    /// [`AudioConfig`]. Of [`Origin::InBand`] the version of the frame before is meant.
    ///
    /// Returns whether it could; whatever was appended does not count if not. At most 120 ms of it are used.
    fn decode(&mut self, payload: &[u8], origin: Origin, samples: &mut Vec<f32>) -> bool;

    /// Appends so many frames (a sample of each channel) of the silence that was described last. Returns `false` where
    /// the decoder has no such thing; then it is made here.
    fn comfort_noise(&mut self, frames: usize, samples: &mut Vec<f32>) -> bool {
        let _ = (frames, samples);
        false
    }

    /// What follows is not the continuation of what was before.
    fn reset(&mut self) {}
}

/// What 10 ms are made of, for the most part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Nothing has been received: digital silence.
    Idle,
    /// Sound.
    Sound,
    /// Something in place of sound that is missing.
    Concealment,
    /// Silence that the sender described (DTX).
    Silence,
}

/// The jitter buffer for one stream of sound, in the manner of libwebrtc's NetEQ.
///
/// Packets go in as they come; each 10 ms [`poll_block`](Self::poll_block) gives samples. The delay in between follows
/// what arrivals make necessary: sound is played slower or faster without changing its pitch, and what is missing is
/// concealed. Holds at most 200 packets of at most 9,000 bytes; `P` is whatever holds a payload.
#[derive(Clone, Debug)]
pub struct AudioPlayout<P> {
    config: AudioConfig,
    limits: DelayLimits,
    timestamps: Unwrapper<32>,
    /// The newest packet that was believed: its time without wrapping, and when it came.
    newest: Option<(i64, Time)>,
    /// A packet that jumped: its sequence number and timestamp.
    jumped: Option<(u16, u32)>,
    packets: Packets<P>,
    packet_ticks: u32,
    arrivals: ArrivalHistory,
    target: DelayTarget,
    pcm: Pcm,
    mode: Mode,
    /// The end of what was decoded; `None`: whatever comes next is next.
    end: Option<i64>,
    /// Ticks made up since then.
    made_up: i64,
    must_reset: bool,
    noise_of_decoder: bool,
    blocks_since_stretch: u32,
    concealer: Concealer,
    background: Background,
    stretcher: Stretcher,
    scratch: Vec<f32>,
    stats: AudioStats,
}

impl<P: AsRef<[u8]>> AudioPlayout<P> {
    /// Nothing has been received.
    ///
    /// # Errors
    /// Something of `config` is out of its range.
    pub fn new(config: AudioConfig) -> Result<Self, AudioConfigError> {
        config.check()?;
        let channels = usize::from(config.channels);
        Ok(Self {
            config,
            limits: DelayLimits::default(),
            timestamps: Unwrapper::default(),
            newest: None,
            jumped: None,
            packets: Packets::new(),
            packet_ticks: 0,
            arrivals: ArrivalHistory::new(config.clock_rate),
            target: DelayTarget::new(),
            pcm: Pcm::new(channels, config.sample_rate as usize / 100),
            mode: Mode::Idle,
            end: None,
            made_up: 0,
            must_reset: false,
            noise_of_decoder: false,
            blocks_since_stretch: 0,
            concealer: Concealer::new(channels, config.seed),
            background: Background::new(channels, config.seed.rotate_left(17)),
            stretcher: Stretcher::default(),
            scratch: Vec::new(),
            stats: AudioStats::default(),
        })
    }

    /// What the delay may be from here on.
    pub fn set_limits(&mut self, limits: DelayLimits) {
        self.limits = limits;
    }

    /// The delay that is aimed at: from the arrival of the fastest packet until it is played.
    pub fn target_delay(&self) -> Duration {
        self.limits.clamp(self.target.target(), self.duration(i64::from(self.packet_ticks)), CAPACITY as u32)
    }

    /// The delay that there is; `None` while no sound is played.
    pub fn delay(&self, now: Time) -> Option<Duration> {
        let next = self.next_timestamp()?;
        Some(self.arrivals.delay(next, now))
    }

    /// Which timestamp is played with the next block; `None` while no sound is played.
    pub fn playout_point(&self, now: Time) -> Option<PlayoutPoint> {
        Some(PlayoutPoint { timestamp: self.next_timestamp()? as u32, at: now })
    }

    /// Counts since the beginning.
    pub fn stats(&self) -> &AudioStats {
        &self.stats
    }

    /// A packet arrived, or a copy of one was found.
    ///
    /// # Errors
    /// It is not kept, for the reason given.
    pub fn handle_packet(&mut self, now: Time, packet: AudioPacket<P>) -> Result<(), AudioPacketError> {
        let longest = u64::from(self.config.clock_rate) * LONGEST_PACKET.as_millis() as u64 / 1_000;
        if packet.payload.as_ref().len() > LONGEST_PAYLOAD {
            return Err(AudioPacketError::TooLarge);
        }
        if packet.ticks == 0 || u64::from(packet.ticks) > longest {
            return Err(AudioPacketError::BadDuration);
        }
        let is_primary = packet.origin == Origin::Primary;
        if !is_primary {
            self.stats.fec_packets_received += 1;
        }
        let timestamp = self.locate(now, &packet)?;
        if is_primary {
            self.learn(now, timestamp, packet.ticks);
        }
        let result = if self.end.is_some_and(|end| timestamp < end) {
            Err(AudioPacketError::TooLate)
        } else {
            if self.packets.is_full() {
                // Nobody has played for seconds: what is kept is as much as is wanted (NetEQ's partial flush).
                let wanted = self.ticks(self.target_delay());
                self.stats.packets_discarded += self.packets.shorten(wanted);
            }
            if self.packets.is_full() { Err(AudioPacketError::TooLate) } else { self.keep(now, timestamp, packet) }
        };
        match result {
            Err(_) if !is_primary => self.stats.fec_packets_discarded += 1,
            Err(AudioPacketError::TooLate) => self.stats.packets_discarded += 1,
            _ => {}
        }
        result
    }

    fn keep(&mut self, now: Time, timestamp: i64, packet: AudioPacket<P>) -> Result<(), AudioPacketError> {
        self.packets.insert(Waiting { timestamp, arrival: now, packet })
    }

    /// The packet's time without wrapping. One packet with an impossible time changes nothing; two that agree begin
    /// anew (RFC 3550, A.1).
    fn locate(&mut self, now: Time, packet: &AudioPacket<P>) -> Result<i64, AudioPacketError> {
        let timestamp = self.timestamps.peek(packet.timestamp);
        let Some((newest, at)) = self.newest else {
            if packet.origin != Origin::Primary {
                // Sound does not begin with a copy: the primary is about to come, and says what time it is.
                return Err(AudioPacketError::TooLate);
            }
            self.newest = Some((self.timestamps.unwrap(packet.timestamp), now));
            return Ok(timestamp);
        };
        let jump = JUMP_SECONDS * i64::from(self.config.clock_rate);
        let ahead = timestamp.saturating_sub(newest);
        // A sender that was silent goes on with the time that has passed.
        let passed = self.ticks(now.since(at));
        if ahead.saturating_abs() <= jump || ahead.saturating_sub(passed).saturating_abs() <= jump {
            if packet.origin == Origin::Primary {
                self.jumped = None;
                if timestamp > newest {
                    self.newest = Some((self.timestamps.unwrap(packet.timestamp), now));
                }
            }
            return Ok(timestamp);
        }
        if packet.origin != Origin::Primary {
            return Err(AudioPacketError::Jump);
        }
        let follows = self.jumped.replace((packet.sequence, packet.timestamp)).is_some_and(|(sequence, timestamp)| {
            let ahead = i64::from(packet.timestamp.wrapping_sub(timestamp) as i32);
            packet.sequence == sequence.wrapping_add(1) && (0..=jump).contains(&ahead)
        });
        if !follows {
            return Err(AudioPacketError::Jump);
        }
        Ok(self.restart(now, packet.timestamp))
    }

    /// Another stream begins: what waits is of the one before.
    fn restart(&mut self, now: Time, timestamp: u32) -> i64 {
        self.stats.packets_discarded += self.packets.clear() as u64;
        self.arrivals.clear();
        self.timestamps = Unwrapper::default();
        let timestamp = self.timestamps.unwrap(timestamp);
        (self.newest, self.jumped) = (Some((timestamp, now)), None);
        (self.end, self.made_up, self.must_reset) = (None, 0, true);
        timestamp
    }

    /// What an arrival says about the delay that is necessary.
    fn learn(&mut self, now: Time, timestamp: i64, ticks: u32) {
        self.packet_ticks = ticks;
        let Some(is_reordered) = self.arrivals.insert(timestamp, now) else { return };
        if self.arrivals.len() >= 2 {
            self.target.update(now, self.arrivals.delay(timestamp, now), is_reordered);
        }
    }

    /// The next 10 ms, interleaved, into `out`, which is emptied before. To be called every 10 ms; late calls are not
    /// made up for here.
    pub fn poll_block(&mut self, now: Time, decoder: &mut impl AudioDecoder, out: &mut Vec<f32>) -> Block {
        if let Some(end) = self.end {
            self.stats.packets_discarded += self.packets.drop_before(end);
        }
        self.blocks_since_stretch = self.blocks_since_stretch.saturating_add(1);
        let step = decide(&self.facts(now));
        let before = self.stats;
        match step {
            Step::Fill => {}
            // What was decoded is played out first.
            Step::Join if self.pcm.waiting() >= self.pcm.block() => {}
            Step::Play => self.decode_until(now, self.pcm.block(), decoder),
            Step::Join => self.join(now, decoder),
            Step::Shorten | Step::ShortenFast | Step::Lengthen => {
                self.decode_until(now, 3 * self.pcm.block(), decoder);
                self.stretch(step);
            }
        }
        self.fill(decoder);
        if self.mode == Mode::Idle {
            out.clear();
            out.resize(self.pcm.block() * self.pcm.channels(), 0.0);
            return Block::Idle;
        }
        let from = self.pcm.cursor();
        self.pcm.mono(from, from + self.pcm.block(), &mut self.scratch);
        self.pcm.play(out);
        self.stats.total_samples_received += self.pcm.block() as u64;
        let half = self.pcm.block() as u64 / 2;
        if self.stats.concealed_samples - before.concealed_samples > half {
            Block::Concealment
        } else if self.mode == Mode::Silence {
            Block::Silence
        } else {
            // What was made up is not listened to, or the background would be learned from itself.
            self.background.listen(&self.scratch);
            Block::Sound
        }
    }

    fn facts(&self, now: Time) -> Facts {
        let leap = self.packets.first().map(|next| match self.end {
            Some(end) => next.timestamp.saturating_sub(end),
            None => 0,
        });
        // Another stream than the one before is joined, not continued.
        let mode = if self.end.is_none() && self.mode == Mode::Sound { Mode::Concealment } else { self.mode };
        Facts {
            mode,
            leap,
            made_up: self.made_up,
            waiting: self.duration(self.packets.span(now, self.config.clock_rate)),
            has_silence: self.packets.has_silence(),
            target: self.target_delay(),
            delay: self.delay(now).unwrap_or_default(),
            longest_delay: self.arrivals.longest_delay(),
            loudness: if mode == self.mode { self.concealer.loudness() } else { 1.0 },
            may_stretch: self.blocks_since_stretch > STRETCH_INTERVAL,
        }
    }

    /// Decodes what follows without a gap until so many frames wait.
    fn decode_until(&mut self, now: Time, frames: usize, decoder: &mut impl AudioDecoder) {
        while self.pcm.waiting() < frames {
            let Some(next) = self.packets.first() else { return };
            // What overlaps what was decoded is left out.
            match self.end {
                Some(end) if next.timestamp > end => return,
                Some(end) if next.timestamp < end => self.stats.packets_discarded += self.packets.drop_before(end),
                _ => {
                    self.decode(now, decoder);
                }
            }
        }
    }

    /// Decodes the next packet, whatever is before it. Returns whether there was one, and it could be.
    fn decode(&mut self, now: Time, decoder: &mut impl AudioDecoder) -> bool {
        let Some(waiting) = self.packets.pop() else { return false };
        if std::mem::take(&mut self.must_reset) {
            decoder.reset();
        }
        self.scratch.clear();
        let is_decoded = decoder.decode(waiting.packet.payload.as_ref(), waiting.packet.origin, &mut self.scratch);
        let longest = self.pcm.block() * self.pcm.channels() * (LONGEST_PACKET.as_millis() as usize / 10);
        self.scratch.truncate(longest);
        let frames = (self.scratch.len() / self.pcm.channels()) as u64;
        if !is_decoded || frames == 0 {
            self.stats.packets_undecodable += 1;
            return false;
        }
        let waited = now.since(waiting.arrival) + self.duration(self.frames_to_ticks(self.pcm.waiting()));
        self.stats.count_emitted(frames, waited, self.target_delay(), self.target.target());
        self.pcm.append(&self.scratch);
        (self.end, self.made_up) = (Some(waiting.end()), 0);
        self.mode = if waiting.packet.is_silence { Mode::Silence } else { Mode::Sound };
        true
    }

    /// Goes over to the next packet from concealment, silence, or sound that is not what is before it.
    fn join(&mut self, now: Time, decoder: &mut impl AudioDecoder) {
        let (mode, made_up, noise_of_decoder) = (self.mode, self.made_up, self.noise_of_decoder);
        let is_continued = made_up == 0 && self.packets.first().is_some_and(|next| Some(next.timestamp) == self.end);
        let start = self.pcm.len();
        if !self.decode(now, decoder) {
            // The next that fits is looked for with the next block.
            self.mode = mode;
            return;
        }
        self.decode_until(now, self.pcm.block(), decoder);
        if mode == Mode::Idle || is_continued || (mode == Mode::Silence && made_up > 0 && noise_of_decoder) {
            return;
        }
        if made_up == 0 {
            self.concealer.begin(&self.pcm, start);
        }
        let delayed = self.concealer.merge(&mut self.pcm, start, mode == Mode::Silence, &mut self.background);
        self.stats.concealed_samples += delayed as u64;
    }

    fn stretch(&mut self, step: Step) {
        let background = self.background.power();
        let changed = match step {
            Step::Shorten => self.stretcher.shorten(&mut self.pcm, Pace::Gentle, background),
            Step::ShortenFast => self.stretcher.shorten(&mut self.pcm, Pace::Fast, background),
            _ => self.stretcher.lengthen(&mut self.pcm, background),
        };
        if changed == 0 {
            return;
        }
        self.blocks_since_stretch = 0;
        if step == Step::Lengthen {
            self.stats.inserted_samples_for_deceleration += changed as u64;
        } else {
            self.stats.removed_samples_for_acceleration += changed as u64;
        }
    }

    /// Makes up what is missing to 10 ms.
    fn fill(&mut self, decoder: &mut impl AudioDecoder) {
        let missing = self.pcm.block().saturating_sub(self.pcm.waiting());
        if missing == 0 || self.mode == Mode::Idle {
            return;
        }
        if self.mode == Mode::Silence && self.duration(self.made_up) < SILENCE {
            self.fill_with_silence(missing, decoder);
        } else {
            if self.mode != Mode::Concealment {
                self.concealer.begin(&self.pcm, self.pcm.len());
                self.stats.concealment_events += 1;
                self.mode = Mode::Concealment;
            }
            self.stats.concealed_samples += missing as u64;
            if self.concealer.loudness() <= 0.0 {
                self.stats.silent_concealed_samples += missing as u64;
            }
            self.make(missing);
        }
        self.made_up = self.made_up.saturating_add(self.frames_to_ticks(missing));
    }

    fn fill_with_silence(&mut self, missing: usize, decoder: &mut impl AudioDecoder) {
        self.stats.comfort_noise_samples += missing as u64;
        self.scratch.clear();
        let samples = missing * self.pcm.channels();
        let is_first = self.made_up == 0;
        if (is_first || self.noise_of_decoder)
            && decoder.comfort_noise(missing, &mut self.scratch)
            && self.scratch.len() >= samples
        {
            self.noise_of_decoder = true;
            self.scratch.truncate(samples);
            self.pcm.append(&self.scratch);
            return;
        }
        if is_first || self.noise_of_decoder {
            self.noise_of_decoder = false;
            self.concealer.begin(&self.pcm, self.pcm.len());
        }
        self.make(missing);
    }

    fn make(&mut self, frames: usize) {
        self.scratch.clear();
        self.concealer.make(frames, self.pcm.block(), &mut self.background, &mut self.scratch);
        self.pcm.append(&self.scratch);
    }

    /// The timestamp of the next sample that is played, while that is sound.
    fn next_timestamp(&self) -> Option<i64> {
        let end = self.end.filter(|_| self.mode == Mode::Sound)?;
        Some(end.saturating_sub(self.frames_to_ticks(self.pcm.waiting())))
    }

    fn frames_to_ticks(&self, frames: usize) -> i64 {
        (frames as i64).saturating_mul(i64::from(self.config.clock_rate)) / i64::from(self.config.sample_rate)
    }

    fn ticks(&self, duration: Duration) -> i64 {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        micros.saturating_mul(i64::from(self.config.clock_rate)) / 1_000_000
    }

    /// Negative ones are none.
    fn duration(&self, ticks: i64) -> Duration {
        let micros = ticks.saturating_mul(1_000_000) / i64::from(self.config.clock_rate);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
