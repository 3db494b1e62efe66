//! A sender's queue above a bearer.

use std::collections::VecDeque;
use std::time::Duration;

use super::chain::Chain;
use super::limit::Limit;
use super::outflow::{Buffered, Outflow};
use super::waiting::{MOST_SOUNDS, Pictures, Waiting};
use super::{Bearer, Content, Handover, Packet, Picture, QueueError, StreamId};
use crate::{Bitrate, Control, Pacer, Probe, ProbeId, SentPacket, Time, Turn};

/// Sound that has waited longer is dropped: later than a receiver's jitter buffer waits.
const OLDEST_SOUND: Duration = Duration::from_millis(200);
/// Pictures that have waited longer are dropped: what [`Pacer`] lets wait, too.
const OLDEST_PICTURE: Duration = Duration::from_millis(400);
/// While the bearer holds something, it is to be asked so often how much.
const ASK_EVERY: Duration = Duration::from_millis(10);
/// A bearer whose oldest packet has been in it for longer has stopped: no key frame is asked for, it would become old.
const STOPPED: Duration = Duration::from_millis(200);

/// Counts that only grow, and the latest measurements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BearerStats {
    /// Packets that were handed over.
    pub packets_sent: u64,
    /// Bytes that were handed over, padding included.
    pub bytes_sent: u64,
    /// Packets of sound that became too old, or too many.
    pub sounds_dropped: u64,
    /// Packets of pictures that were not handed over, for whatever reason.
    pub packets_dropped: u64,
    /// Frames of which packets were dropped.
    pub frames_dropped: u64,
    /// Of these, frames that needed one that was dropped.
    pub frames_undecodable: u64,
    /// Of these, frames of a higher layer that were left out.
    pub frames_thinned: u64,
    /// Key frames that were asked for.
    pub key_frames_asked: u64,
    /// What waits to be handed over, in bytes.
    pub waiting: u64,
    /// What the bearer holds, in bytes.
    pub buffered: u64,
    /// What the bearer may hold, in bytes.
    pub window: u64,
    /// What it sends while it has something to send.
    pub rate: Option<Bitrate>,
}

/// Queues packets for a bearer, and hands over so many at a time that they do not wait there.
///
/// Report with [`handle_buffered`](Self::handle_buffered) what the bearer holds, then give it what [`poll`](Self::poll)
/// returns until that is nothing: after packets were queued, when the time of [`poll_timeout`](Self::poll_timeout) has
/// come, and when the bearer says that it has room.
///
/// Bounded: 256 packets of sound wait for 200 ms at most; 2,048 packets (4 MiB) of pictures for 400 ms at most.
#[derive(Debug)]
pub struct BearerSender<P> {
    largest: u32,
    control: Control,
    pacer: Pacer,
    outflow: Outflow,
    limit: Limit,
    sounds: VecDeque<Waiting<P>>,
    pictures: Pictures<P>,
    /// By number.
    chains: Vec<Chain>,
    /// The latest call.
    called: Time,
    stats: BearerStats,
}

impl<P> BearerSender<P> {
    /// A bearer that has sent nothing. `control` is what a congestion controller says; without one, `target` and `pacing`
    /// are what the encoders make at most.
    pub fn new(bearer: Bearer, control: Control) -> Self {
        Self {
            largest: bearer.largest(),
            control,
            pacer: Pacer::new(control),
            outflow: Outflow::new(bearer, control.pacing),
            limit: Limit::default(),
            sounds: VecDeque::new(),
            pictures: Pictures::new(),
            chains: Vec::new(),
            called: Time::default(),
            stats: BearerStats::default(),
        }
    }

    /// The largest packet that the bearer takes whole, in bytes: `maxDatagramSize` of WebTransport or quinn, which changes
    /// with the path. At least one byte.
    pub fn set_largest(&mut self, bytes: u32) {
        self.largest = bytes.max(1);
    }

    /// What the congestion controller says changed.
    pub fn set_control(&mut self, now: Time, control: Control) {
        self.control = control;
        self.limit.lift(control.target);
        self.pace(now);
    }

    /// As [`Pacer::set_window`], for controllers that have one.
    pub fn set_window(&mut self, window: Option<u64>, in_flight: u64) {
        self.pacer.set_window(window, in_flight);
    }

    /// The congestion controller wants this probe sent.
    pub fn add_probe(&mut self, now: Time, probe: Probe) {
        self.pacer.add_probe(now, probe);
    }

    /// Queues a packet.
    ///
    /// # Errors
    /// If it will not be sent. Other packets of its frame need not be queued then, nor frames that need it.
    pub fn queue(&mut self, now: Time, packet: Packet<P>) -> Result<(), QueueError> {
        if packet.size > self.largest {
            return Err(QueueError::TooLarge);
        }
        match packet.content {
            Content::Sound => {
                if self.sounds.len() == MOST_SOUNDS {
                    self.sounds.pop_front();
                    self.stats.sounds_dropped += 1;
                }
                self.sounds.push_back(Waiting { at: now, packet });
                Ok(())
            }
            Content::Picture(picture) => {
                let refused = self.refuses(&picture);
                if let Some(reason) = refused {
                    self.drop_picture(&picture, reason);
                    return Err(reason);
                }
                self.pictures.push(now, packet);
                Ok(())
            }
        }
    }

    /// The bearer holds so much.
    pub fn handle_buffered(&mut self, now: Time, buffered: Buffered) {
        self.called = self.called.max(now);
        let Some(passed) = self.outflow.handle_report(now, buffered, self.control.pacing) else { return };
        match self.outflow.rate().filter(|_| passed.was_busy) {
            Some(rate) => {
                let waited = self.pictures.first().map_or(Duration::ZERO, |waiting| now.since(waiting.at));
                self.limit.handle_busy(passed.time, rate, waited + self.outflow.delay(now));
            }
            None => self.limit.handle_free(passed.time),
        }
        self.limit.lift(self.control.target);
        self.pace(now);
    }

    /// What to give to the bearer next; `None`: nothing now.
    pub fn poll(&mut self, now: Time) -> Option<Handover<P>> {
        self.called = self.called.max(now);
        if let Some(packet) = self.next_sound(now) {
            return Some(self.hand_over(now, packet, None));
        }
        self.drop_useless(now);
        match self.pacer.poll(now, self.pictures.queued()) {
            Turn::Media(probe) => {
                let size = self.pictures.first()?.packet.size;
                let packet = if self.outflow.has_room(size) { self.pictures.pop()? } else { return None };
                Some(self.hand_over(now, packet, probe))
            }
            Turn::Padding { bytes, probe } => {
                let bytes = bytes.min(self.largest);
                self.outflow.has_room(bytes).then(|| {
                    self.count(now, bytes, probe, false);
                    Handover::Padding { bytes, probe }
                })
            }
            Turn::Wait(_) => None,
        }
    }

    /// When to report and [`poll`](Self::poll) again, if nothing happens before; `None`: not before something is queued.
    pub fn poll_timeout(&self) -> Option<Time> {
        let ask = self.called + ASK_EVERY;
        if !self.sounds.is_empty() {
            return Some(ask);
        }
        let paced = self.pacer.next_send_time(self.pictures.queued());
        if self.outflow.is_empty() {
            return paced.map(|paced| paced.max(self.called));
        }
        // What the pacer would let go now did not fit.
        Some(paced.filter(|paced| *paced > self.called).map_or(ask, |paced| paced.min(ask)))
    }

    /// A stream of which a key frame is needed: a frame that its decoder cannot do without was dropped, and the bearer
    /// takes packets again. Asked for again each half second until it is queued; ask until there is none.
    pub fn poll_key_frame(&mut self, now: Time) -> Option<StreamId> {
        if self.outflow.delay(now) > STOPPED {
            return None;
        }
        let place = self.chains.iter_mut().position(|chain| chain.poll_key_frame(now))?;
        self.stats.key_frames_asked += 1;
        // Streams are numbered by 8 bits, and chains grow no longer than that.
        Some(StreamId(place as u8))
    }

    /// What the bearer carries at most, where it has shown that it is the bottleneck; for the controller
    /// ([`handle_remote_limit`](crate::CongestionController::handle_remote_limit)), too.
    pub fn limit(&self) -> Option<Bitrate> {
        self.limit.get()
    }

    /// What encoders may make, sound included: what the controller says, or what the bearer carries if that is less.
    pub fn target(&self) -> Bitrate {
        self.limit.get().map_or(self.control.target, |limit| limit.min(self.control.target))
    }

    /// For a data channel's `bufferedAmountLowThreshold`, in bytes: so that it tells of room before it runs dry.
    pub fn low_threshold(&self) -> u64 {
        self.outflow.window() / 2
    }

    /// What happened so far.
    pub fn stats(&self) -> BearerStats {
        let sounds: u64 = self.sounds.iter().map(|waiting| u64::from(waiting.packet.size)).sum();
        BearerStats {
            waiting: self.pictures.queued().bytes + sounds,
            buffered: self.outflow.bytes(),
            window: self.outflow.window(),
            rate: self.outflow.rate(),
            ..self.stats
        }
    }

    fn refuses(&mut self, picture: &Picture) -> Option<QueueError> {
        let chain = self.chain(picture.stream);
        chain.enter(picture);
        if chain.is_lost(picture) {
            return Some(QueueError::Undecodable);
        }
        if self.pictures.is_full() {
            return Some(QueueError::Full);
        }
        let is_begun = self.pictures.last().is_some_and(|last| last.frame == picture.frame);
        (!is_begun && self.is_too_much_for(picture.layer)).then_some(QueueError::Thinned)
    }

    /// Whether a frame of this layer would wait long enough to be left out: half the age at which frames are dropped for
    /// the first above the base, a third for the second.
    fn is_too_much_for(&self, layer: u8) -> bool {
        if layer == 0 {
            return false;
        }
        let bits = (self.pictures.queued().bytes + self.outflow.bytes()).saturating_mul(8_000_000);
        let rate = self.outflow.rate().unwrap_or(self.control.pacing).as_bps().max(1);
        let wait = Duration::from_micros(bits / rate);
        wait.saturating_mul(u32::from(layer) + 1) > OLDEST_PICTURE
    }

    fn next_sound(&mut self, now: Time) -> Option<Packet<P>> {
        while self.sounds.front().is_some_and(|waiting| now.since(waiting.at) > OLDEST_SOUND) {
            self.sounds.pop_front();
            self.stats.sounds_dropped += 1;
        }
        let size = self.sounds.front()?.packet.size;
        if !self.outflow.has_room_for_sound(size) {
            return None;
        }
        self.sounds.pop_front().map(|waiting| waiting.packet)
    }

    /// Drops what has waited too long, and what needs it.
    fn drop_useless(&mut self, now: Time) {
        while let Some(waiting) = self.pictures.first() {
            let Some(picture) = waiting.packet.content.picture() else { return };
            // What waits has entered a chain.
            let is_lost = self.chains.get(usize::from(picture.stream.0)).is_some_and(|chain| chain.is_lost(picture));
            if !is_lost && now.since(waiting.at) <= OLDEST_PICTURE {
                return;
            }
            let picture = *picture;
            self.pictures.pop();
            // Full of what is old: no other reason tells of that.
            self.drop_picture(&picture, if is_lost { QueueError::Undecodable } else { QueueError::Full });
        }
    }

    fn drop_picture(&mut self, picture: &Picture, reason: QueueError) {
        self.stats.packets_dropped += 1;
        if self.chain(picture.stream).lose(picture) {
            self.stats.frames_dropped += 1;
            self.stats.frames_undecodable += u64::from(reason == QueueError::Undecodable);
            self.stats.frames_thinned += u64::from(reason == QueueError::Thinned);
        }
    }

    fn chain(&mut self, stream: StreamId) -> &mut Chain {
        let place = usize::from(stream.0);
        if self.chains.len() <= place {
            self.chains.resize_with(place + 1, Chain::default);
        }
        &mut self.chains[place]
    }

    fn hand_over(&mut self, now: Time, packet: Packet<P>, probe: Option<ProbeId>) -> Handover<P> {
        self.stats.packets_sent += 1;
        self.count(now, packet.size, probe, true);
        Handover::Packet(packet, probe)
    }

    fn count(&mut self, now: Time, size: u32, probe: Option<ProbeId>, is_media: bool) {
        self.stats.bytes_sent += u64::from(size);
        self.outflow.handle_handover(now, size);
        self.pacer.handle_sent(&SentPacket { at: now, size, probe, is_media });
    }

    /// Nothing leaves faster than a burst of what the bearer carries.
    fn pace(&mut self, now: Time) {
        let Control { target, pacing, padding, is_ample } = self.control;
        let control = match self.limit.get() {
            Some(limit) => Control {
                target: target.min(limit),
                pacing: pacing.min(limit.percent(250)),
                padding: padding.min(limit),
                is_ample,
            },
            None => self.control,
        };
        self.pacer.set_rates(now, control);
    }
}
