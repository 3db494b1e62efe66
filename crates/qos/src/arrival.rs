//! The receiver's book of packets: what arrived when, and when to say so.

use crate::Time;

/// Remembers when packets arrived until that was reported, and says when to report.
#[derive(Debug, Default)]
pub struct ArrivalLog {}

/// One report's worth of arrivals, as draft-holmer-rmcat-transport-wide-cc-extensions-01, 3.1 wants it.
#[derive(Clone, Debug)]
pub struct Feedback<'a> {
    /// The first sequence number that it speaks of.
    pub base: u16,
    /// How many sequence numbers it speaks of, received or not.
    pub len: u16,
    /// Counts the reports; wraps.
    pub count: u8,
    log: &'a ArrivalLog,
}

impl Feedback<'_> {
    /// The time that the first difference is counted from: a multiple of 64 ms.
    pub fn reference(&self) -> Time {
        Time::default()
    }

    /// Every sequence number from [`base`](Self::base) on, and when it arrived.
    ///
    /// Two arrivals that follow each other, and the reference time and the first, lie less than 8 s apart, so that
    /// their difference in units of 250 µs fits 16 signed bits.
    pub fn arrivals(&self) -> impl Iterator<Item = (u16, Option<Time>)> + '_ {
        let _ = self.log;
        (0..self.len).map(|i| (self.base.wrapping_add(i), None))
    }
}

impl ArrivalLog {
    /// Nothing has arrived.
    pub fn new() -> Self {
        Self::default()
    }

    /// The packet with this transport-wide sequence number arrived.
    pub fn record(&mut self, _sequence: u16, _at: Time) {}

    /// When the next report is due; `None` while there is nothing to report.
    pub fn poll_timeout(&self) -> Option<Time> {
        None
    }

    /// The report that is due. Ask until there is none: one report speaks of a bounded number of packets.
    pub fn poll_feedback(&mut self, _now: Time) -> Option<Feedback<'_>> {
        None
    }
}
