//! Google congestion control in the form that libwebrtc has today.

use std::time::Duration;

use crate::{Bitrate, CongestionController, Control, Demand, PacketResult, Probe, SentPacket, Snapshot, Time};

/// Where an estimate begins and what it never leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The estimate at first.
    pub start: Bitrate,
    /// Never below this.
    pub floor: Bitrate,
    /// Never above this.
    pub ceiling: Bitrate,
}

impl Default for Limits {
    /// 300 kbit/s (libwebrtc's `kDefaultStartBitrate`), within 30 kbit/s and 100 Mbit/s.
    fn default() -> Self {
        Self { start: Bitrate::kbps(300), floor: Bitrate::kbps(30), ceiling: Bitrate::kbps(100_000) }
    }
}

/// Google congestion control.
#[derive(Debug)]
pub struct Gcc {
    target: Bitrate,
}

impl Gcc {
    /// Nothing known of the path yet.
    pub fn new(limits: Limits) -> Self {
        Self { target: limits.start }
    }
}

impl CongestionController for Gcc {
    fn handle_sent(&mut self, _packet: &SentPacket) {}

    fn handle_feedback(&mut self, _now: Time, _results: &[PacketResult]) {}

    fn handle_round_trip(&mut self, _now: Time, _round_trip: Duration) {}

    fn handle_remote_limit(&mut self, _now: Time, _limit: Option<Bitrate>) {}

    fn handle_demand(&mut self, _now: Time, _demand: Demand) {}

    fn handle_timeout(&mut self, _now: Time) {}

    fn poll_timeout(&self) -> Option<Time> {
        None
    }

    fn control(&self) -> Control {
        Control { target: self.target, pacing: self.target.percent(250), padding: Bitrate::ZERO }
    }

    fn poll_probe(&mut self) -> Option<Probe> {
        None
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot { target: self.target, delay_based: self.target, ..Snapshot::default() }
    }
}
