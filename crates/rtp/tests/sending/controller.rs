//! A controller that does what a test says, and remembers what it was told.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conclave_qos::{Bitrate, CongestionController, Control, Demand, PacketResult, Probe, SentPacket, Snapshot, Time};

/// What the controller says, and what it was told.
#[derive(Debug, Default)]
pub struct Script {
    pub control: Control,
    pub probes: Vec<Probe>,
    pub sent: Vec<SentPacket>,
    pub results: Vec<PacketResult>,
    pub round_trips: Vec<Duration>,
    pub limits: Vec<Option<Bitrate>>,
    pub route_changes: u32,
}

#[derive(Clone, Debug, Default)]
pub struct Scripted(Arc<Mutex<Script>>);

impl Scripted {
    pub fn at(target: Bitrate) -> Self {
        let scripted = Self::default();
        scripted.script().control =
            Control { target, pacing: target.percent(250), padding: Bitrate::ZERO, is_ample: false };
        scripted
    }

    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CongestionController for Scripted {
    fn handle_sent(&mut self, packet: &SentPacket) {
        self.script().sent.push(*packet);
    }

    fn handle_feedback(&mut self, _now: Time, results: &[PacketResult]) {
        self.script().results.extend(results);
    }

    fn handle_round_trip(&mut self, _now: Time, round_trip: Duration) {
        self.script().round_trips.push(round_trip);
    }

    fn handle_remote_limit(&mut self, _now: Time, limit: Option<Bitrate>) {
        self.script().limits.push(limit);
    }

    fn handle_route_change(&mut self, _now: Time) {
        self.script().route_changes += 1;
    }

    fn handle_demand(&mut self, _now: Time, _demand: Demand) {}

    fn handle_timeout(&mut self, _now: Time) {}

    fn poll_timeout(&self) -> Option<Time> {
        None
    }

    fn control(&self) -> Control {
        self.script().control
    }

    fn takes_marks(&self) -> bool {
        true
    }

    fn poll_probe(&mut self) -> Option<Probe> {
        self.script().probes.pop()
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot { target: self.script().control.target, ..Snapshot::default() }
    }
}
