//! Pictures: from packets to frames that can be decoded, each at its time.

mod assembly;
mod clock;
mod frame;
mod jitter;
mod order;
mod stats;
mod timing;

use std::time::Duration;

use assembly::{Assembled, Assembler};
use jitter::JitterEstimator;
use order::Frames;
use stats::Freezes;
use timing::Timing;

pub use frame::{Dependence, FrameId, References, VideoFrame, VideoPacket, VideoPacketError};
pub use stats::VideoStats;

use super::PlayoutPoint;
use crate::Time;

/// A frame that is later than this is left out if a later one can do without it (libwebrtc, `frame_decode_timing.h`,
/// `kMaxAllowedFrameDelay`).
const LATE: Duration = Duration::from_millis(5);
/// A repair is waited for this many round trips and this long besides: three requests, the first after a few ms...
const REPAIR_ROUND_TRIPS: u32 = 3;
const REPAIR: Duration = Duration::from_millis(20);
/// ...but so long at least, and at most: then a key frame is there sooner.
const SHORTEST_REPAIR: Duration = Duration::from_millis(100);
const LONGEST_REPAIR: Duration = Duration::from_millis(500);
/// Before anything could be decoded, a key frame is waited for so long (`video_receive_stream2.h`,
/// `kMaxWaitForKeyFrame`).
const FIRST_KEY_FRAME: Duration = Duration::from_millis(200);
/// A key frame is asked for once in two round trips, and once in this time, at most.
const KEY_FRAME_INTERVAL: Duration = Duration::from_millis(300);
/// The round trip until one is told.
const ROUND_TRIP: Duration = Duration::from_millis(100);

/// A frame to be decoded.
#[derive(Clone, Debug)]
pub struct ReadyFrame<P> {
    /// The frame.
    pub frame: VideoFrame<P>,
    /// When it is to be shown. Never before that of a frame that came out earlier; frames of one picture have the same.
    pub render_time: Time,
}

/// The jitter buffer for one stream of pictures, in the manner of libwebrtc's.
///
/// Packets go in as they come, with what the caller's depacketiser knows of them; frames come out whole, each after
/// those that it is predicted from, shortly before it is to be shown. Holds at most 2,048 packets of incomplete frames
/// (4 MiB), and 300 complete frames (16 MiB). It allocates one list for each frame.
#[derive(Clone, Debug)]
pub struct VideoPlayout<P> {
    clock_rate: u32,
    assembler: Assembler<P>,
    frames: Frames<P>,
    timing: Timing,
    jitter: JitterEstimator,
    round_trip: Duration,
    /// Since when packets come, but nothing can be decoded.
    stuck: Option<Time>,
    must_begin_anew: bool,
    asked: Option<Time>,
    shown: Option<PlayoutPoint>,
    /// The timestamp without wrapping of the picture that was released last, and its time.
    picture: Option<(i64, Time)>,
    freezes: Freezes,
    stats: VideoStats,
}

impl<P: AsRef<[u8]>> VideoPlayout<P> {
    /// Nothing has been received. `clock_rate` is that of the RTP timestamps, in Hz: 90,000 for all usual codecs; it is
    /// taken as at least 1,000 and at most 1,000,000.
    pub fn new(clock_rate: u32) -> Self {
        let clock_rate = clock_rate.clamp(1_000, 1_000_000);
        Self {
            clock_rate,
            assembler: Assembler::new(),
            frames: Frames::new(),
            timing: Timing::new(clock_rate),
            jitter: JitterEstimator::new(clock_rate),
            round_trip: ROUND_TRIP,
            stuck: None,
            must_begin_anew: false,
            asked: None,
            shown: None,
            picture: None,
            freezes: Freezes::default(),
            stats: VideoStats::default(),
        }
    }

    /// Pictures are shown this long after they came on average, at least: what synchronisation with sound asks for. At
    /// most 10 s.
    pub fn set_least_delay(&mut self, least: Duration) {
        self.timing.set_least(least);
    }

    /// How long repairs and key frames take to come. At most 3 s count.
    pub fn handle_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip.min(Duration::from_secs(3));
        self.jitter.handle_round_trip(round_trip);
    }

    /// Decoding a frame took so long.
    pub fn handle_decoded(&mut self, now: Time, took: Duration) {
        self.timing.handle_decoded(now, took);
    }

    /// The decoder failed: nothing can be decoded but a key frame, which is asked for at once.
    pub fn handle_decoder_failure(&mut self, now: Time) {
        self.begin_anew(now);
    }

    /// The delay that is aimed at, from average arrival until it is shown.
    pub fn target_delay(&self) -> Duration {
        self.timing.target()
    }

    /// The delay that there is; it moves by 100 ms in a second of media.
    pub fn delay(&self) -> Duration {
        self.timing.current()
    }

    /// Which timestamp is shown when, of the frame that came out last.
    pub fn playout_point(&self) -> Option<PlayoutPoint> {
        self.shown
    }

    /// Counts since the beginning.
    pub fn stats(&self) -> &VideoStats {
        &self.stats
    }

    /// The first sequence number of which a packet would still be of use: what is missing before it need not be asked
    /// for again.
    pub fn useful_from(&self) -> u16 {
        let key = self.frames.next().filter(|frame| frame.is_key());
        key.map_or(self.assembler.oldest(), |frame| frame.times.first_sequence.max(self.assembler.oldest())) as u16
    }

    /// A packet arrived.
    ///
    /// # Errors
    /// It, or the frame that it completes, is not kept, for the reason given.
    pub fn handle_packet(&mut self, now: Time, packet: VideoPacket<P>) -> Result<(), VideoPacketError> {
        let result = self.insert(now, packet);
        match result {
            Err(VideoPacketError::TooLate) => self.stats.packets_discarded += 1,
            Err(VideoPacketError::TooMuch) => {
                self.stats.packets_discarded += 1;
                self.begin_anew(now);
            }
            _ => {}
        }
        self.look(now);
        result
    }

    /// A packet without a picture arrived (padding): no frame waits for it.
    ///
    /// # Errors
    /// Its number is impossible.
    pub fn handle_padding(&mut self, now: Time, sequence: u16) -> Result<(), VideoPacketError> {
        self.locate(sequence)?;
        let sequence = self.assembler.insert_filler(sequence)?;
        let before = self.assembler.before_fillers(sequence);
        for filler in before.saturating_add(1)..=sequence {
            self.frames.redirect(FrameId(filler), FrameId(before));
        }
        self.look(now);
        Ok(())
    }

    /// When [`poll_frame`](Self::poll_frame) or [`poll_key_frame`](Self::poll_key_frame) may have something; `None`:
    /// not before the next packet.
    pub fn poll_timeout(&self, now: Time) -> Option<Time> {
        let decode = self.frames.next().map(|next| {
            let render = self.render_time(next, now);
            if Timing::is_possible(render, now) { self.timing.decode_at(render) } else { now }
        });
        [decode, self.key_frame_due(now)].into_iter().flatten().min()
    }

    /// The next frame whose time has come. To be asked until it says `None`.
    pub fn poll_frame(&mut self, now: Time) -> Option<ReadyFrame<P>> {
        loop {
            let next = self.frames.next()?;
            let (id, timestamp) = (next.id, next.times.timestamp);
            let mut render = self.render_time(next, now);
            if !Timing::is_possible(render, now) {
                // The sender's clock is another one now, or ours stood still.
                self.timing.restart();
                self.timing.handle_arrival(timestamp, now);
                self.jitter = JitterEstimator::new(self.clock_rate);
                self.jitter.handle_round_trip(self.round_trip);
                render = self.timing.render_time(timestamp, now);
                if !Timing::is_possible(render, now) {
                    render = now.max(render);
                }
            }
            let decode_at = self.timing.decode_at(render);
            if now < decode_at {
                return None;
            }
            if now.since(decode_at) > LATE && self.frames.can_do_without(next) {
                self.frames.drop_frame(id);
                self.stats.frames_dropped += 1;
                continue;
            }
            return self.release(now, id, render);
        }
    }

    /// Whether a key frame is to be asked for. It is then taken as asked for; at most once in 300 ms and in two round
    /// trips.
    pub fn poll_key_frame(&mut self, now: Time) -> bool {
        if self.key_frame_due(now).is_none_or(|due| now < due) {
            return false;
        }
        self.asked = Some(now);
        self.stats.pli_count += 1;
        true
    }

    fn insert(&mut self, now: Time, packet: VideoPacket<P>) -> Result<(), VideoPacketError> {
        self.locate(packet.sequence)?;
        let Assembled::Frame(frame) = self.assembler.insert(now, packet)? else { return Ok(()) };
        self.stats.frames_received += 1;
        let (times, received, is_repaired) = (frame.times, frame.received, frame.is_repaired);
        if self.must_begin_anew && !frame.is_key() {
            self.stats.frames_dropped += 1;
            return Ok(());
        }
        self.must_begin_anew = false;
        self.frames.insert(frame).inspect_err(|_| self.stats.frames_dropped += 1)?;
        if !is_repaired {
            self.timing.handle_arrival(times.timestamp, received);
        }
        Ok(())
    }

    fn locate(&mut self, sequence: u16) -> Result<(), VideoPacketError> {
        if self.assembler.locate(sequence)? {
            self.stats.frames_dropped += self.frames.clear();
            self.frames = Frames::new();
            self.timing.restart();
            self.picture = None;
        }
        Ok(())
    }

    fn render_time(&self, frame: &VideoFrame<P>, now: Time) -> Time {
        match self.picture {
            Some((timestamp, render)) if timestamp == frame.times.timestamp => render,
            _ => self.timing.render_time(frame.times.timestamp, now),
        }
    }

    fn release(&mut self, now: Time, id: FrameId, render: Time) -> Option<ReadyFrame<P>> {
        let (frame, dropped) = self.frames.take(id)?;
        self.stats.frames_dropped += dropped;
        self.assembler.drop_before(frame.times.last_sequence.saturating_add(1));
        let is_same_picture = self.picture.is_some_and(|(timestamp, _)| timestamp == frame.times.timestamp);
        if frame.is_repaired {
            self.jitter.handle_repaired(now);
        } else if !is_same_picture {
            self.jitter.handle_frame(now, frame.received, frame.times.timestamp, frame.size);
        }
        let jitter = self.jitter.delay(now);
        self.timing.handle_released(now, frame.times.timestamp, render, jitter);
        self.picture = Some((frame.times.timestamp, render));
        self.shown = Some(PlayoutPoint { timestamp: frame.timestamp, at: render });
        self.freezes.handle_shown(render, &mut self.stats);
        self.count(now, &frame);
        (self.stuck, self.asked) = (None, if frame.is_key() { None } else { self.asked });
        self.look(now);
        Some(ReadyFrame { frame, render_time: render })
    }

    fn count(&mut self, now: Time, frame: &VideoFrame<P>) {
        let add = |sum: &mut u64, delay: Duration| *sum = sum.saturating_add(delay.as_micros() as u64);
        let stats = &mut self.stats;
        stats.frames_released += 1;
        stats.key_frames_released += u64::from(frame.is_key());
        stats.jitter_buffer_emitted_count += 1;
        add(&mut stats.jitter_buffer_delay, now.since(frame.received));
        add(&mut stats.jitter_buffer_target_delay, self.timing.target());
        add(&mut stats.jitter_buffer_minimum_delay, self.timing.jitter());
    }

    /// Drops everything; only a key frame helps.
    fn begin_anew(&mut self, now: Time) {
        self.assembler.clear();
        self.stats.frames_dropped += self.frames.clear();
        self.must_begin_anew = true;
        self.stuck.get_or_insert(now);
    }

    /// Notices since when nothing goes on.
    fn look(&mut self, now: Time) {
        let is_stuck = if self.must_begin_anew || !self.frames.has_begun() {
            self.frames.next().is_none()
        } else if self.frames.is_empty() {
            self.assembler.has_gap()
        } else {
            self.frames.next().is_none()
        };
        if is_stuck {
            self.stuck.get_or_insert(now);
        } else {
            self.stuck = None;
        }
    }

    /// When a key frame may be asked for; `None` while nothing is missing.
    fn key_frame_due(&self, now: Time) -> Option<Time> {
        let since = self.stuck?;
        let due = if self.must_begin_anew {
            since
        } else if self.frames.has_begun() {
            let repair = (self.round_trip * REPAIR_ROUND_TRIPS + REPAIR).clamp(SHORTEST_REPAIR, LONGEST_REPAIR);
            // Until what waits is to be shown, waiting costs nothing.
            let free = self.frames.first().map(|frame| self.render_time(frame, now));
            let free = free.filter(|free| free.since(since) <= LONGEST_REPAIR).map(|free| self.timing.decode_at(free));
            (since + repair).max(free.unwrap_or(since))
        } else {
            since + FIRST_KEY_FRAME
        };
        let interval = KEY_FRAME_INTERVAL.max(self.round_trip * 2);
        Some(self.asked.map_or(due, |asked| due.max(asked + interval)))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
