//! A call over a model of a bearer, in virtual time.

use std::collections::VecDeque;
use std::time::Duration;

use super::*;
use crate::playout::{FrameId, References};
use crate::{Bitrate, Control, Time};

/// Frames a second.
const FRAMES: u64 = 30;
/// What encoders make at most, in bits per second.
pub(super) const MOST: u64 = 4_000_000;
const LEAST: u64 = 50_000;

pub(super) fn ms(ms: u64) -> Time {
    Time::since_start(Duration::from_millis(ms))
}

pub(super) fn control(target: u64) -> Control {
    let target = Bitrate::bps(target);
    Control { target, pacing: target.percent(250), padding: Bitrate::ZERO, is_ample: false }
}

/// What is sent: when it was queued, and what it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) queued: u64,
    pub(super) content: Content,
}

/// Bits a second at a time in ms.
pub(super) type Schedule = fn(u64) -> u64;

/// The thing below: sends what it holds in order.
pub(super) struct Below {
    /// What the path carries.
    carries: Schedule,
    /// Tells packets, not bytes, and holds so many; with more, the oldest is dropped.
    most_packets: Option<usize>,
    window: Option<Window>,
    /// Bits, thousandths of them, that are left to send of each.
    held: VecDeque<(u64, Item)>,
    credit: u64,
    pub(super) dropped: u64,
}

/// A congestion window as SCTP has it (RFC 9260, section 7), above a path with a queue of 60 ms and a round trip of 40.
struct Window {
    bytes: u64,
    threshold: u64,
    in_flight: u64,
    /// When the path has sent all that it was given, in µs.
    path_free: u64,
    /// When each is acknowledged, and its bytes.
    acknowledgements: VecDeque<(u64, u64)>,
    halved: u64,
}

impl Window {
    const TRIP: u64 = 20_000;
    const QUEUE: u64 = 60_000;

    fn acknowledge(&mut self, now: u64) {
        while let Some((_, size)) = self.acknowledgements.pop_front_if(|(at, _)| *at <= now * 1_000) {
            self.in_flight -= size;
            self.bytes += if self.bytes < self.threshold { size } else { 1_200 * size / self.bytes };
        }
    }

    /// When this arrives, in ms; `None`: it is lost.
    fn send(&mut self, now: u64, size: u64, carries: u64) -> Option<u64> {
        let start = self.path_free.max(now * 1_000);
        self.in_flight += size;
        if start - now * 1_000 > Self::QUEUE {
            self.acknowledgements.push_back((start + 2 * Self::TRIP, size));
            if now > self.halved + 100 {
                self.halved = now;
                self.bytes = (self.bytes / 2).max(4_800);
                self.threshold = self.bytes;
            }
            return None;
        }
        self.path_free = start + size * 8_000_000 / carries.max(1);
        self.acknowledgements.push_back((self.path_free + 2 * Self::TRIP, size));
        Some((self.path_free + Self::TRIP) / 1_000)
    }
}

impl Below {
    /// One for this bearer: datagrams are counted, messages have a window above the path.
    pub(super) fn new(bearer: Bearer, carries: Schedule) -> Self {
        let window = Window {
            bytes: 4_800,
            threshold: u64::MAX,
            in_flight: 0,
            path_free: 0,
            acknowledgements: VecDeque::new(),
            halved: 0,
        };
        Self {
            carries,
            most_packets: (bearer == Bearer::Datagrams).then_some(64),
            window: (bearer == Bearer::Messages).then_some(window),
            held: VecDeque::new(),
            credit: 0,
            dropped: 0,
        }
    }

    fn take(&mut self, size: u32, item: Item) {
        if self.most_packets == Some(self.held.len()) {
            self.held.pop_front();
            self.dropped += 1;
        }
        self.held.push_back((u64::from(size) * 8_000, item));
    }

    /// One ms passes.
    fn pass(&mut self, now: u64, arrived: &mut Vec<(u64, Item)>) {
        let carries = (self.carries)(now);
        if let Some(window) = &mut self.window {
            if carries > 0 {
                window.acknowledge(now);
            }
            while let Some((bits, item)) =
                self.held.pop_front_if(|(bits, _)| window.in_flight + *bits / 8_000 <= window.bytes)
            {
                match window.send(now, bits / 8_000, carries) {
                    Some(at) => arrived.push((at, item)),
                    None => self.dropped += 1,
                }
            }
            return;
        }
        self.credit += carries;
        while let Some((bits, item)) = self.held.front_mut() {
            let sent = self.credit.min(*bits);
            *bits -= sent;
            self.credit -= sent;
            if *bits > 0 {
                return;
            }
            arrived.push((now, *item));
            self.held.pop_front();
        }
        self.credit = 0;
    }

    fn buffered(&self) -> Buffered {
        match self.most_packets {
            Some(_) => Buffered::Packets(self.held.len() as u32),
            None => Buffered::Bytes(self.bytes()),
        }
    }

    fn bytes(&self) -> u64 {
        self.held.iter().map(|(bits, _)| bits.div_ceil(8_000)).sum()
    }
}

/// Encoders, sender, bearer, and what arrived.
pub(super) struct Call {
    pub(super) sender: BearerSender<Item>,
    pub(super) below: Below,
    /// As a data channel's `bufferedamountlow`.
    has_low_event: bool,
    pub(super) now: u64,
    pub(super) arrived: Vec<(u64, Item)>,
    /// Each ms: what encoders may make.
    pub(super) targets: Vec<u64>,
    /// Most bytes that the bearer held.
    pub(super) most_held: u64,
    pub(super) key_frames_asked: Vec<u64>,
    frame: i64,
    wants_key: bool,
    /// Higher temporal layers (1 or 2) as an encoder makes them.
    pub(super) layers: u8,
    last_base: i64,
    due: Option<Time>,
}

impl Call {
    pub(super) fn new(bearer: Bearer, carries: Schedule) -> Self {
        Self {
            sender: BearerSender::new(bearer, control(MOST)),
            below: Below::new(bearer, carries),
            has_low_event: bearer == Bearer::Messages,
            now: 0,
            arrived: Vec::new(),
            targets: Vec::new(),
            most_held: 0,
            key_frames_asked: Vec::new(),
            frame: -1,
            wants_key: true,
            layers: 0,
            last_base: 0,
            due: None,
        }
    }

    pub(super) fn run(&mut self, until: u64) {
        while self.now < until {
            let now = ms(self.now);
            let mut is_due = self.due.is_some_and(|due| due <= now);
            if self.now.is_multiple_of(20) {
                let item = Item { queued: self.now, content: Content::Sound };
                self.sender.queue(now, Packet { content: Content::Sound, size: 160, payload: item }).unwrap();
                is_due = true;
            }
            if self.now * FRAMES / 1_000 != (self.now + 1) * FRAMES / 1_000 {
                self.encode(now);
                is_due = true;
            }
            if is_due {
                self.hand_over(now);
            }
            self.most_held = self.most_held.max(self.below.bytes());
            let before = self.below.bytes();
            self.below.pass(self.now, &mut self.arrived);
            let low = self.sender.low_threshold();
            if self.has_low_event && before > low && self.below.bytes() <= low {
                self.due = Some(now);
            }
            self.targets.push(self.sender.target().as_bps());
            self.now += 1;
        }
    }

    fn hand_over(&mut self, now: Time) {
        self.sender.handle_buffered(now, self.below.buffered());
        while let Some(handover) = self.sender.poll(now) {
            if let Handover::Packet(packet, _) = handover {
                self.below.take(packet.size, packet.payload);
            }
        }
        while self.sender.poll_key_frame(now).is_some() {
            self.key_frames_asked.push(self.now);
            self.wants_key = true;
        }
        self.due = self.sender.poll_timeout();
        assert!(self.due.is_none_or(|due| due > now), "asks for no time that has come");
    }

    /// A frame of the size that the target allows, a fifth more or less; a key frame is four times as large.
    fn encode(&mut self, now: Time) {
        self.frame += 1;
        let is_key = std::mem::take(&mut self.wants_key);
        let position = self.frame.rem_euclid(1 << self.layers);
        let layer = if is_key || position == 0 { 0 } else { self.layers - position.trailing_zeros() as u8 };
        let references =
            if is_key { vec![] } else { vec![FrameId(if layer == 0 { self.last_base } else { self.frame - 1 })] };
        // Of each two frames the second needs the first; bases need bases.
        let references = if layer > 0 && position == 2 { vec![FrameId(self.last_base)] } else { references };
        if layer == 0 {
            self.last_base = self.frame;
        }
        let picture = Picture {
            stream: StreamId(0),
            frame: FrameId(self.frame),
            references: References::new(&references).unwrap(),
            layer,
        };
        let sound = 160 * 8 * 50;
        let rate = self.sender.target().as_bps().clamp(LEAST + sound, MOST) - sound;
        let noise = 80 + (self.frame as u64).wrapping_mul(2_654_435_761) % 41;
        let mut bytes = (rate / 8 / FRAMES * noise / 100).max(50) * if is_key { 4 } else { 1 };
        while bytes > 0 {
            let size = bytes.min(1_100);
            bytes -= size;
            let content = Content::Picture(picture);
            let item = Item { queued: self.now, content };
            let _ = self.sender.queue(now, Packet { content, size: size as u32, payload: item });
        }
    }

    /// How long what arrived from `from` ms to `until` had taken, the longest and the mean in ms.
    pub(super) fn delays(&self, from: u64, until: u64, is_sound: bool) -> (u64, u64) {
        let delays: Vec<u64> = self
            .arrived
            .iter()
            .filter(|(at, item)| (from..until).contains(at) && (item.content == Content::Sound) == is_sound)
            .map(|(at, item)| at - item.queued)
            .collect();
        let most = delays.iter().copied().max().unwrap_or(u64::MAX);
        (most, delays.iter().sum::<u64>() / (delays.len() as u64).max(1))
    }

    /// The least, mean and greatest target from `from` ms to `until`, in percent of `carried` bits a second.
    pub(super) fn shares(&self, from: u64, until: u64, carried: u64) -> (u64, u64, u64) {
        let targets = &self.targets[from as usize..until as usize];
        let share = |rate: u64| rate * 100 / carried;
        let mean = targets.iter().sum::<u64>() / targets.len() as u64;
        (share(*targets.iter().min().unwrap()), share(mean), share(*targets.iter().max().unwrap()))
    }
}
