//! Which segment goes next.

use std::collections::VecDeque;

use conclave_qos::Time;

use super::Algorithm;
use super::window::Window;
use crate::units::{MILLI, SECOND, after, between};

/// A segment is lost when one that was sent so many transmissions later has arrived (RFC 9002, `kPacketThreshold`).
const THRESHOLD: u32 = 3;
/// The timeout for retransmission: at first, at least (as Linux has it; RFC 6298 says 1 s), at most, µs.
const FIRST_TIMEOUT: u64 = SECOND;
const LEAST_TIMEOUT: u64 = 200 * MILLI;
const MOST_TIMEOUT: u64 = 60 * SECOND;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    OnItsWay,
    Arrived,
    Lost,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    state: State,
    sent: Time,
    transmission: u32,
}

#[derive(Debug)]
pub(super) struct Sender {
    window: Window,
    /// The first that is not known to have arrived, with all before it.
    first: u32,
    /// Those from `first` on that were sent. Bounded by the window.
    segments: VecDeque<Segment>,
    /// One more than the last there is.
    end: u32,
    transmissions: u32,
    on_their_way: u32,
    lost: u32,
    /// Losses before this one belong to a reduction that was made.
    recovery: Option<u32>,
    timer: Option<Time>,
    /// Smoothed round trip and its variation (RFC 6298), µs.
    round_trip: Option<(u64, u64)>,
    timeout: u64,
}

impl Sender {
    /// A new connection whose first segment has this number.
    pub(super) fn new(algorithm: Algorithm, first: u32) -> Self {
        Self {
            window: Window::new(algorithm),
            first,
            segments: VecDeque::new(),
            end: first,
            transmissions: 0,
            on_their_way: 0,
            lost: 0,
            recovery: None,
            timer: None,
            round_trip: None,
            timeout: FIRST_TIMEOUT,
        }
    }

    /// So much is to be sent.
    pub(super) fn offer(&mut self, segments: u32) {
        self.end = self.first.saturating_add(segments);
    }

    pub(super) fn end(&self) -> u32 {
        self.end
    }

    /// Whether all has arrived.
    pub(super) fn is_done(&self) -> bool {
        self.first == self.end
    }

    /// Sends nothing more.
    pub(super) fn stop(&mut self) {
        self.timer = None;
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.timer
    }

    pub(super) fn handle_timeout(&mut self, now: Time) {
        if self.timer.is_none_or(|timer| timer > now) {
            return;
        }
        for segment in &mut self.segments {
            if segment.state == State::OnItsWay {
                segment.state = State::Lost;
                self.lost += 1;
            }
        }
        self.on_their_way = 0;
        self.window.collapse();
        // What was sent before is not taken for another loss; the window grows meanwhile.
        self.recovery = None;
        self.timeout = (self.timeout * 2).min(MOST_TIMEOUT);
        self.timer = None;
    }

    /// All before `next` have arrived; `number` did now, in this transmission.
    pub(super) fn handle_acknowledgement(&mut self, now: Time, next: u32, number: u32, transmission: u32) {
        let was_full = self.on_their_way + self.lost >= self.window.segments();
        let before = self.on_their_way;
        self.note_arrival(now, number, transmission);
        while self.first < next {
            let Some(segment) = self.segments.pop_front() else { break };
            self.forget(segment.state);
            self.first += 1;
        }
        let arrived = before - self.on_their_way;
        self.note_losses(transmission);
        if self.recovery.is_some_and(|recovery| self.first >= recovery) {
            self.recovery = None;
        }
        if self.recovery.is_none() && was_full {
            let round_trip = self.round_trip.map_or(0, |(smoothed, _)| smoothed);
            self.window.grow(now, arrived, round_trip);
        }
        self.timer = (self.on_their_way + self.lost > 0).then(|| after(now, self.timeout));
    }

    /// The segment that may be sent now, and which transmission that is.
    pub(super) fn poll_segment(&mut self, now: Time) -> Option<(u32, u32)> {
        if self.on_their_way >= self.window.segments() {
            return None;
        }
        let next = self.first + self.segments.len() as u32;
        let sent = Segment { state: State::OnItsWay, sent: now, transmission: self.transmissions };
        let number = if self.lost > 0 {
            let index = self.segments.iter().position(|segment| segment.state == State::Lost)?;
            self.segments[index] = sent;
            self.lost -= 1;
            self.first + index as u32
        } else if next < self.end {
            self.segments.push_back(sent);
            next
        } else {
            return None;
        };
        self.transmissions += 1;
        self.on_their_way += 1;
        self.timer.get_or_insert(after(now, self.timeout));
        Some((number, sent.transmission))
    }

    fn note_arrival(&mut self, now: Time, number: u32, transmission: u32) {
        let Some(index) = number.checked_sub(self.first) else { return };
        let Some(segment) = self.segments.get_mut(index as usize) else { return };
        let Segment { state, sent, .. } = *segment;
        if segment.transmission == transmission {
            self.measure(between(sent, now));
        }
        // The place exists: it was looked up above.
        self.segments[index as usize].state = State::Arrived;
        self.forget(state);
    }

    /// A segment in this state is not waited for any more.
    fn forget(&mut self, state: State) {
        match state {
            State::OnItsWay => self.on_their_way -= 1,
            State::Lost => self.lost -= 1,
            State::Arrived => {}
        }
    }

    fn note_losses(&mut self, arrived: u32) {
        let mut number = self.first;
        let mut is_new = false;
        for segment in &mut self.segments {
            if segment.state == State::OnItsWay && segment.transmission + THRESHOLD <= arrived {
                segment.state = State::Lost;
                self.on_their_way -= 1;
                self.lost += 1;
                is_new |= self.recovery.is_none_or(|recovery| number >= recovery);
            }
            number += 1;
        }
        if is_new {
            self.window.shrink();
            self.recovery = Some(number);
        }
    }

    /// RFC 6298, 2.
    fn measure(&mut self, sample: u64) {
        let (smoothed, variation) = match self.round_trip {
            None => (sample, sample / 2),
            Some((smoothed, variation)) => {
                ((smoothed * 7 + sample) / 8, (variation * 3 + smoothed.abs_diff(sample)) / 4)
            }
        };
        self.round_trip = Some((smoothed, variation));
        self.timeout = (smoothed + 4 * variation).clamp(LEAST_TIMEOUT, MOST_TIMEOUT);
    }
}
