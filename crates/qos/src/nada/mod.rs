//! NADA: RFC 8698, computed by the sender from reports on each packet (its section 6.4).
//!
//! A flow aims at a congestion level that is the lower the more it sends, in units of queueing delay: what it measures
//! ([`observation`]) and what losses and marks (ECN) are worth are added up to one signal ([`Signal`]), and the rate follows
//! the signal's distance from that level and its growth. While nothing queues and nothing is lost or marked, the rate follows
//! what arrives instead, faster.
//!
//! What the RFC leaves open is done as in its authors' implementation for ns-3 (`nada-controller.cc`): the signal is
//! bounded, and after the last loss has expired the warped delay becomes the plain one over one interval between losses.
//! RMAX is what the application wants, so that the level does not depend on a ceiling that nobody reaches. The RFC's
//! condition for the fast rise (4.3) names losses and delay only; here a mark counts as the loss that it stands for
//! (RFC 3168, section 5), since marks would otherwise have no effect where a queue is kept short by marking.

mod observation;

use std::time::Duration;

use crate::silence::{self, Silence};
use crate::{
    Bitrate, CongestionController, Control, Demand, Limits, NetworkState, PacketResult, Probe, SentPacket, Snapshot,
    Time,
};
use observation::{Losses, Observation};

// RFC 8698, figure 3. Delays in ms, as in its equations.
const PRIO: f64 = 1.0;
const XREF: f64 = 10.0;
const KAPPA: f64 = 0.5;
const ETA: f64 = 2.0;
const TAU: f64 = 500.0;
const DELTA: Duration = Duration::from_millis(100);
const QEPS: f64 = 10.0;
const DFILT: f64 = 120.0;
const GAMMA_MAX: f64 = 0.5;
const QBOUND: f64 = 50.0;
const MULTILOSS: f64 = 7.0;
const QTH: f64 = 50.0;
const LAMBDA: f64 = 0.5;
const PLRREF: f64 = 0.01;
const DLOSS: f64 = 10.0;
const PMRREF: f64 = 0.01;
const DMARK: f64 = 2.0;
const ALPHA: f64 = 0.1;

/// Bounds the signal (`NADA_PARAM_XMAX` of the authors' implementation).
const XMAX: f64 = 500.0;
/// A report that took longer counts as if it had come then: the step grows with the interval.
const LONGEST_INTERVAL: Duration = Duration::from_secs(1);
/// How fast a frame may leave. The RFC sends at the rate that a frame's packets have on average (5.2.2); this leaves half of
/// the time between two frames for what differs from that.
const PACING_PERCENT: u64 = 150;
/// As for every controller: where the target is so many times what is sent, a frame is through before the next one comes.
const AMPLE: u64 = 2;

/// Network-assisted dynamic adaptation.
///
/// Takes transport-wide feedback, and wants a report every 50 to 100 ms. Bounded in memory (about 50 KiB), and allocates
/// nothing after the first seconds. Whatever is reported, the target stays within [`Limits`].
#[derive(Debug)]
pub struct Nada {
    limits: Limits,
    /// bit/s: the RFC's `r_ref`.
    rate: f64,
    observation: Observation,
    signal: Signal,
    updated: Option<Time>,
    remote_limit: Option<Bitrate>,
    demand: Demand,
    round_trip: Option<Duration>,
    silence: Silence,
    /// Neither queues nor losses nor marks in the window.
    is_free: bool,
}

/// The aggregate congestion signal (4.2), ms.
#[derive(Clone, Copy, Debug, Default)]
struct Signal {
    now: f64,
    before: f64,
    /// Smoothed shares of losses and of marks.
    loss: f64,
    mark: f64,
}

impl Signal {
    /// Equations (1) and (2), with the authors' way from the warped delay back to the plain one.
    fn update(&mut self, queue: f64, loss: f64, mark: f64, losses: &Losses) {
        self.loss += ALPHA * (loss - self.loss);
        self.mark += ALPHA * (mark - self.mark);
        self.before = self.now;
        let warped = if queue < QTH { queue } else { QTH * libm::exp(-LAMBDA * (queue - QTH) / QTH) };
        let delay = match losses.intervals() {
            None => queue,
            Some((mean, current)) => {
                // How many intervals ago the latest loss expired; it takes one to forget it.
                let plain = (current / mean - MULTILOSS).clamp(0.0, 1.0);
                plain * queue + (1.0 - plain) * warped
            }
        };
        let (mark, loss) = (self.mark / PMRREF, self.loss / PLRREF);
        self.now = (delay + DMARK * mark * mark + DLOSS * loss * loss).min(XMAX);
    }
}

impl Nada {
    /// Nothing known of the path yet. A floor above the ceiling is taken as the ceiling.
    pub fn new(limits: Limits) -> Self {
        let floor = limits.floor.min(limits.ceiling);
        let start = limits.start.clamp(floor, limits.ceiling);
        Self {
            limits: Limits { start, floor, ceiling: limits.ceiling },
            rate: bps(start),
            observation: Observation::default(),
            signal: Signal::default(),
            updated: None,
            remote_limit: None,
            demand: Demand::default(),
            round_trip: None,
            silence: Silence::default(),
            is_free: true,
        }
    }

    /// RMAX.
    fn most(&self) -> Bitrate {
        let wanted = if self.demand.wanted > Bitrate::ZERO { self.demand.wanted } else { self.limits.ceiling };
        let most = self.remote_limit.map_or(wanted, |limit| limit.min(wanted));
        most.clamp(self.limits.floor, self.limits.ceiling)
    }

    fn target(&self) -> Bitrate {
        Bitrate::bps(self.rate as u64).clamp(self.limits.floor, self.most())
    }

    /// A step of section 4.3, `interval` after the one before.
    fn update_rate(&mut self, interval: Duration) {
        let most = bps(self.most());
        self.rate = self.rate.clamp(bps(self.limits.floor), most);
        if self.is_free {
            self.ramp_up();
        } else {
            self.follow_signal(millis(interval.min(LONGEST_INTERVAL)), most);
        }
        self.rate = self.rate.clamp(bps(self.limits.floor), most);
    }

    /// Equations (3) and (4).
    fn ramp_up(&mut self) {
        let Some(received) = self.observation.receive_rate() else { return };
        let round_trip = self.round_trip.map_or(0.0, millis);
        let gamma = GAMMA_MAX.min(QBOUND / (round_trip + millis(DELTA) + DFILT));
        self.rate = self.rate.max((1.0 + gamma) * received);
    }

    /// Equations (5) to (7).
    fn follow_signal(&mut self, interval: f64, most: f64) {
        let Signal { now, before, .. } = self.signal;
        let offset = now - PRIO * XREF * most / self.rate.max(1.0);
        let difference = now - before;
        self.rate -=
            KAPPA * (interval / TAU) * (offset / TAU) * self.rate + KAPPA * ETA * (difference / TAU) * self.rate;
    }

    fn state(&self) -> NetworkState {
        if self.silence.is_too_long() {
            NetworkState::Silent
        } else if self.signal.loss > PLRREF {
            NetworkState::Lossy
        } else if self.signal.now > self.signal.before && !self.is_free {
            NetworkState::Overused
        } else if self.is_free {
            NetworkState::Steady
        } else {
            NetworkState::Draining
        }
    }
}

impl CongestionController for Nada {
    fn handle_sent(&mut self, packet: &SentPacket) {
        self.silence.handle_sent(packet.at);
    }

    fn handle_feedback(&mut self, now: Time, results: &[PacketResult]) {
        let round_trip = self.round_trip.unwrap_or(DELTA);
        let Some(latest) = self.observation.handle_report(now, results, round_trip) else { return };
        let round_trip = now.since(latest);
        self.silence.handle_report(now, round_trip);
        self.round_trip = Some(round_trip);
        let Some(updated) = self.updated else {
            self.updated = Some(now);
            return;
        };
        if now.since(updated) < DELTA {
            return;
        }
        self.updated = Some(now);
        let Some(queue) = self.observation.queue() else { return };
        let (loss, marks) = (self.observation.loss(), self.observation.marks());
        self.signal.update(queue, loss, marks, self.observation.losses());
        self.is_free = self.observation.longest_queue() < QEPS && loss <= 0.0 && marks <= 0.0;
        self.update_rate(now.since(updated));
    }

    fn handle_round_trip(&mut self, _now: Time, round_trip: Duration) {
        self.round_trip = Some(round_trip);
    }

    fn handle_remote_limit(&mut self, _now: Time, limit: Option<Bitrate>) {
        self.remote_limit = limit;
    }

    fn handle_route_change(&mut self, _now: Time) {
        *self = Self { demand: self.demand, remote_limit: self.remote_limit, ..Self::new(self.limits) };
    }

    fn handle_demand(&mut self, _now: Time, demand: Demand) {
        self.demand = demand;
    }

    fn handle_timeout(&mut self, now: Time) {
        // The RFC says nothing of missing reports but that they are a sign of trouble (6.1, 8): done as for GCC.
        if self.silence.poll_fall(now) {
            self.rate = (self.rate * silence::KEPT).max(bps(self.limits.floor));
        }
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.silence.poll_timeout()
    }

    fn control(&self) -> Control {
        let target = self.target();
        let sending = self.demand.sending;
        let is_ample = self.is_free
            && sending > Bitrate::ZERO
            && target.as_bps() >= sending.as_bps().saturating_mul(AMPLE)
            && !self.silence.is_too_long();
        Control { target, pacing: target.percent(PACING_PERCENT), padding: Bitrate::ZERO, is_ample }
    }

    /// Marks that come are answered (4.2), but as rare as those of RFC 3168: where L4S marks early, half of the path would
    /// stay unused.
    fn takes_marks(&self) -> bool {
        false
    }

    fn poll_probe(&mut self) -> Option<Probe> {
        None
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            target: self.target(),
            delay_based: Bitrate::bps(self.rate as u64),
            loss_based: None,
            acknowledged: self.observation.receive_rate().map(|rate| Bitrate::bps(rate as u64)),
            loss: self.signal.loss,
            round_trip: self.round_trip,
            application_limited: false,
            state: self.state(),
        }
    }
}

fn bps(rate: Bitrate) -> f64 {
    rate.as_bps() as f64
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests;
