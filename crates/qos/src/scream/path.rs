//! What is seen of the path.

use super::delay::Delay;
use super::report::Report;
use super::{VIRTUAL_ROUND_TRIP, seconds};
use crate::Time;

/// Less time than this tells no rate, s (`received_rate_window`).
const RATE_WINDOW: f64 = 0.1;

/// All that reports told so far. Times in s, sizes in bytes.
#[derive(Debug, Default)]
pub(super) struct Path {
    pub(super) delay: Delay,
    pub(super) peak: Peak,
    pub(super) arrivals: Arrivals,
}

impl Path {
    /// The larger of the true and the virtual round trip.
    pub(super) fn long_round_trip(&self) -> f64 {
        self.delay.round_trip().max(VIRTUAL_ROUND_TRIP)
    }

    /// Congestion is reacted to every virtual round trip, so many times in a round trip; each reaction is a part of the
    /// whole one (4.2.2.1).
    pub(super) fn reactions(&self) -> f64 {
        self.long_round_trip() / VIRTUAL_ROUND_TRIP
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
