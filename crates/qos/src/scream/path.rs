//! What is seen of the path.

use super::delay::Delay;
use super::report::Report;
use super::{VIRTUAL_ROUND_TRIP, seconds};
use crate::Time;

/// Of the time that reports wait at the receiver (`feedback_hold_time_avg_g`), and of the time between them.
const GAIN: f64 = 1.0 / 8.0;
/// Less time than this tells no rate, s (`received_rate_window`).
const RATE_WINDOW: f64 = 0.1;

/// All that reports told so far. Times in s, sizes in bytes.
#[derive(Debug, Default)]
pub(super) struct Path {
    pub(super) delay: Delay,
    pub(super) peak: Peak,
    pub(super) arrivals: Arrivals,
    hold: Option<f64>,
    interval: Option<f64>,
    heard: Option<Time>,
}

impl Path {
    /// Takes a report in; `is_idle`: the application sends less than it may, so that packets and reports are seldom.
    pub(super) fn update(&mut self, now: Time, report: &Report, is_idle: bool) {
        self.delay.update(now, report, is_idle);
        if !is_idle {
            self.hold = Some(average(self.hold, seconds(report.hold)));
        }
        if let Some(heard) = self.heard.filter(|heard| now > *heard) {
            self.interval = Some(average(self.interval, seconds(now.since(heard))));
        }
        self.heard = Some(now);
    }

    pub(super) fn was_heard(&self) -> bool {
        self.heard.is_some()
    }

    /// From a packet's leaving to its report: the round trip, and how long reports wait at the receiver.
    pub(super) fn loop_time(&self) -> f64 {
        self.delay.round_trip() + self.hold.unwrap_or_default()
    }

    /// The larger of the true and the virtual round trip.
    pub(super) fn long_round_trip(&self) -> f64 {
        self.delay.round_trip().max(VIRTUAL_ROUND_TRIP)
    }

    /// How far apart reactions to congestion are at least, where round trips are longer. Where reports come less often than
    /// every virtual round trip, as often as they come (`use_feedback_interval_for_virtual_rtt`).
    pub(super) fn reaction_interval(&self) -> f64 {
        self.interval.unwrap_or_default().max(VIRTUAL_ROUND_TRIP)
    }

    /// Congestion is reacted to so many times in a round trip; each reaction is a part of the whole one.
    pub(super) fn reactions(&self) -> f64 {
        (self.delay.round_trip() / self.reaction_interval()).max(1.0)
    }
}

/// The most bytes that were on their way, in the present and in the latest round trip.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Peak {
    now: u64,
    before: u64,
    began: Option<Time>,
}

impl Peak {
    pub(super) fn update(&mut self, in_flight: u64) {
        self.now = self.now.max(in_flight);
    }

    pub(super) fn end_round_trip(&mut self, now: Time, round_trip: f64) {
        if self.began.is_none_or(|began| seconds(now.since(began)) >= round_trip) {
            *self = Self { now: 0, before: self.now, began: Some(now) };
        }
    }

    pub(super) fn most(&self) -> f64 {
        self.now.max(self.before) as f64
    }

    pub(super) fn before(&self) -> f64 {
        self.before as f64
    }
}

/// What arrives, by the receiver's clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arrivals {
    /// µs.
    began: Option<i64>,
    bytes: u64,
    rate: Option<f64>,
}

impl Arrivals {
    /// `UpdateReceiveRate`.
    pub(super) fn update(&mut self, report: &Report) {
        self.bytes = self.bytes.saturating_add(report.arrived_bytes);
        let Some(began) = self.began.filter(|began| *began <= report.last_arrival) else {
            *self = Self { began: Some(report.last_arrival), bytes: 0, rate: self.rate };
            return;
        };
        let passed = (report.last_arrival - began) as f64 / 1_000_000.0;
        if passed >= RATE_WINDOW {
            *self = Self { began: Some(report.last_arrival), bytes: 0, rate: Some(self.bytes as f64 / passed) };
        }
    }

    /// Bytes a second; none before there were two reports 100 ms apart.
    pub(super) fn rate(&self) -> Option<f64> {
        self.rate
    }
}

fn average(so_far: Option<f64>, sample: f64) -> f64 {
    so_far.map_or(sample, |average| GAIN * sample + (1.0 - GAIN) * average)
}
