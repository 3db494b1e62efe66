//! What the bearer holds, and how fast it sends it.

use std::collections::VecDeque;
use std::time::Duration;

use super::Bearer;
use crate::{Bitrate, Time};

/// What it has sent is averaged over this long: longer than what a kernel or a browser takes at once, or a window lets go
/// in one round trip.
const AVERAGED: Duration = Duration::from_millis(250);
/// What was measured long ago counts as so much: a window that has just been halved sends nothing for a round trip.
const LEAST_WEIGHT: Duration = Duration::from_millis(100);
/// Reports closer than this are taken as one.
const CLOSEST: Duration = Duration::from_millis(2);
/// Where the bearer runs dry although more waits, what it may hold is made to last this much longer, up to four times the
/// span: a window opens once in a round trip, and where packets are counted, one of which half is sent is a whole one.
const LONGER: Duration = Duration::from_millis(5);
const MOST_SPANS: u32 = 4;
/// It becomes shorter again by this part of the time that passes without that.
const SHORTER: u32 = 100;
/// The bearer may always hold one packet.
const LEAST_WINDOW: u64 = 1_200;
/// More than this says nothing of use: 30 ms of 130 Mbit/s.
const MOST_WINDOW: u64 = 512 << 10;
/// No rate that is measured is taken as more.
const MOST_BPS: u64 = 1_000_000_000_000;

/// What the bearer was given and has not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffered {
    /// So many bytes.
    Bytes(u64),
    /// So many packets; for datagrams, each of which is one packet.
    Packets(u32),
}

/// What passed from one report to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) time: Duration,
    /// The bearer had something to send all the time: what it sent is what it can.
    pub(super) was_busy: bool,
}

/// The bearer's queue, seen from above.
#[derive(Clone, Debug)]
pub(super) struct Outflow {
    least_span: Duration,
    span: Duration,
    most_packets: usize,
    /// Times and sizes of what was handed over and, as far as is known, not sent; the oldest first.
    held: VecDeque<(Time, u32)>,
    held_bytes: u64,
    /// What is in the bearer: the last report, and what was handed over since.
    bytes: u64,
    /// When the last report but close ones came, what was in the bearer then, and what was handed over later.
    since: Time,
    start: u64,
    later: u64,
    /// Bits a second while busy.
    rate: Option<u64>,
    /// How much time the rate stands for, in µs.
    weight: u64,
    window: u64,
    /// Something waits for room.
    is_short: bool,
}

impl Outflow {
    pub(super) fn new(bearer: Bearer, pacing: Bitrate) -> Self {
        let most_packets = bearer.most_packets();
        Self {
            least_span: bearer.span(),
            span: bearer.span(),
            most_packets,
            held: VecDeque::with_capacity(most_packets),
            held_bytes: 0,
            bytes: 0,
            since: Time::default(),
            start: 0,
            later: 0,
            rate: None,
            weight: 0,
            window: window(pacing, bearer.span()),
            is_short: false,
        }
    }

    /// Whether so much more may be handed over. Without, it is looked at again after the next report.
    pub(super) fn has_room(&mut self, size: u32) -> bool {
        let has_room = self.fits(size, self.window);
        self.is_short |= !has_room;
        has_room
    }

    /// The same for sound, which finds room where pictures do not.
    pub(super) fn has_room_for_sound(&self, size: u32) -> bool {
        self.fits(size, self.window * 2)
    }

    pub(super) fn handle_handover(&mut self, now: Time, size: u32) {
        if self.held.len() < self.most_packets {
            self.held.push_back((now, size));
            self.held_bytes += u64::from(size);
        }
        let size = u64::from(size);
        self.bytes = self.bytes.saturating_add(size);
        if now <= self.since {
            self.start = self.start.saturating_add(size);
        } else {
            self.later = self.later.saturating_add(size);
        }
    }

    /// The bearer was asked what it holds; `pacing` is what it would be given at most.
    pub(super) fn handle_report(&mut self, now: Time, buffered: Buffered, pacing: Bitrate) -> Option<Passed> {
        let bytes = self.forget_sent(buffered);
        self.bytes = bytes;
        let time = now.since(self.since);
        if time < CLOSEST {
            return None;
        }
        // The oldest leaves first: if more is left than came later, some of what was there from the beginning is.
        let was_busy = bytes > self.later;
        let sent = self.start.saturating_add(self.later).saturating_sub(bytes);
        let sample = per_second(sent, time);
        // A bearer that ran dry carries what it was given, or more.
        if was_busy || self.rate.is_some_and(|rate| sample > rate) {
            self.average(sample, time);
        } else {
            // What was measured is worth less the longer it is ago.
            self.weight = self.weight.saturating_sub(micros(time)).max(self.weight.min(micros(LEAST_WEIGHT)));
        }
        if self.is_short && !was_busy {
            self.span = (self.span + LONGER).min(self.least_span * MOST_SPANS);
        } else {
            self.span = self.span.saturating_sub(time / SHORTER).max(self.least_span);
        }
        self.window = window(self.rate().unwrap_or(pacing), self.span);
        self.is_short = false;
        (self.since, self.start, self.later) = (now, bytes, 0);
        Some(Passed { time, was_busy })
    }

    /// What the bearer sends while it has something to send.
    pub(super) fn rate(&self) -> Option<Bitrate> {
        self.rate.map(Bitrate::bps)
    }

    /// What is in the bearer, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0 && self.held.is_empty()
    }

    /// How long the oldest has been in it.
    pub(super) fn delay(&self, now: Time) -> Duration {
        self.held.front().map_or(Duration::ZERO, |(at, _)| now.since(*at))
    }

    /// What may be in it, in bytes.
    pub(super) fn window(&self) -> u64 {
        self.window
    }

    fn fits(&self, size: u32, window: u64) -> bool {
        let is_empty = self.bytes == 0;
        let fits = self.bytes.saturating_add(u64::from(size)) <= window;
        (is_empty || fits) && self.held.len() < self.most_packets
    }

    /// Forgets what is no longer there, and says how many bytes are.
    fn forget_sent(&mut self, buffered: Buffered) -> u64 {
        match buffered {
            Buffered::Bytes(bytes) => {
                while let Some((_, size)) = self.held.front()
                    && self.held_bytes - u64::from(*size) >= bytes
                {
                    self.forget_oldest();
                }
                bytes
            }
            Buffered::Packets(packets) => {
                while self.held.len() > packets as usize {
                    self.forget_oldest();
                }
                self.held_bytes
            }
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, size)) = self.held.pop_front() {
            self.held_bytes -= u64::from(size);
        }
    }

    fn average(&mut self, sample: u64, time: Duration) {
        // Both times are a second at most: no product exceeds 64 bits.
        let time = micros(time).min(1_000_000);
        let sum = self.rate.unwrap_or(0) * self.weight + sample * time;
        self.rate = Some(sum / (self.weight + time));
        self.weight = (self.weight + time).min(micros(AVERAGED));
    }
}

fn per_second(bytes: u64, time: Duration) -> u64 {
    (u128::from(bytes) * 8_000_000 / u128::from(micros(time).max(1))).min(u128::from(MOST_BPS)) as u64
}

fn window(rate: Bitrate, span: Duration) -> u64 {
    (rate.as_bps().saturating_mul(micros(span)) / 8_000_000).clamp(LEAST_WINDOW, MOST_WINDOW)
}

fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}
