//! SCReAM v2, self-clocked rate adaptation for multimedia: draft-johansson-ccwg-rfc8298bis-screamv2-07, adopted as
//! draft-ietf-ccwg-rfc8298bis-screamv2, whose sections and constants are named here (4.5.1 to 4.5.4 as numbered by the
//! working group in October 2026).
//!
//! A reference window ([`window`]) says how many bytes should be on their way. It grows by a segment in a round trip, or
//! faster where nothing was congested for long, and slower where delays vary ([`delay`]); it shrinks with the share of
//! marked packets (L4S), with a queue as if that many were marked, and with losses ([`loss`]). The target rate is what fills
//! it in a round trip; what may be on its way is one and a half to three times the window, so that a large frame does not
//! wait.
//!
//! What the draft leaves open is done as in libwebrtc (`modules/congestion_controller/scream`, of 2026): which delay of a
//! report counts, the queue that is made to drain, [`padding`], pacing, and that who sends less than he may learns less.
//! The target does not follow the queue at the sender and the sizes of frames (4.4, suggested; not in libwebrtc): a
//! controller here sees neither. The aim for queues does not follow the queues of others (4.5.4, optional; not in
//! libwebrtc): it hardly helped against TCP in the simulator (12.3 instead of 12.0 % of a fair share), and made the queue a
//! fifth longer where two flows of this kind met. Who hears nothing sends less and less, as with every controller here.

mod delay;
mod loss;
mod padding;
mod path;
mod report;
mod window;

use std::time::Duration;

use crate::in_flight::InFlight;
use crate::silence::{self, Silence};
use crate::{
    Bitrate, CongestionController, Control, Demand, Limits, NetworkState, PacketResult, Probe, SentPacket, Snapshot,
    Time,
};
use padding::Padding;
use path::Path;
use report::Report;
use window::Window;

/// A packet, bytes (MSS).
const SEGMENT: f64 = 1_000.0;
/// Flows with shorter round trips than this, s, grow as if theirs were as long (VIRTUAL_RTT).
const VIRTUAL_ROUND_TRIP: f64 = 0.025;
/// Who gets less than this share of the target through, and fills no window, sends less than he may (libwebrtc's
/// `alr_threshold`).
const FULL_USE: f64 = 0.9;
/// How fast packets leave: so many times the target (libwebrtc's `pacing_factor`; PACKET_PACING_HEADROOM is 1.5), or so
/// many times what arrives (`pacing_rate_received_factor`) if that is more.
const PACING: f64 = 1.1;
const PACING_OF_RECEIVED: f64 = 0.8;
/// The window is so many times what the target fills in a round trip, so that frames do not wait at the sender (4.4).
const ROOM_FOR_FRAMES: f64 = 1.2;
/// The target is never that of a shorter round trip, s (libwebrtc's `UpdateTargetRate`).
const SHORTEST_ROUND_TRIP: f64 = 0.001;
/// A queue that did not become empty for long has to be: half the target for so many round trips
/// (4.5.1, `queue_delay_drain_rtts`), and at least for so long, s (`UpdateTargetRate`).
const DRAIN_ROUND_TRIPS: f64 = 5.0;
const SHORTEST_DRAIN: f64 = 0.1;
/// Whole frames may leave at once when nothing was congested for so long
/// (libwebrtc's `allow_large_pacing_bursts_after_congestion_time`)...
const LARGE_BURSTS_AFTER: Duration = Duration::from_secs(15);
/// ...and, as for every controller, the target is so many times what is sent.
const AMPLE: u64 = 2;
/// Of the share of losses that is shown.
const LOSS_GAIN: f64 = 0.1;

/// Self-clocked rate adaptation for multimedia, version 2.
///
/// Takes transport-wide feedback or RFC 8888, and reports of marks (ECN) if there are any; wants a report every 25 to 50 ms.
/// Bounded in memory (about 130 KiB), and allocates nothing after the first seconds. Whatever is reported, the target stays
/// within [`Limits`]. [`window`](CongestionController::window) has to be obeyed: it is what stops sending into a path that
/// carries nothing.
#[derive(Debug)]
pub struct Scream {
    limits: Limits,
    target: Bitrate,
    window: Window,
    path: Path,
    padding: Padding,
    in_flight: InFlight,
    /// Since when the queue is made to drain.
    drains: Option<Time>,
    is_idle: bool,
    is_ample: bool,
    loss_share: f64,
    remote_limit: Option<Bitrate>,
    demand: Demand,
    most_wanted: Bitrate,
    silence: Silence,
}

impl Scream {
    /// Nothing known of the path yet. A floor above the ceiling is taken as the ceiling.
    pub fn new(limits: Limits) -> Self {
        let floor = limits.floor.min(limits.ceiling);
        let start = limits.start.clamp(floor, limits.ceiling);
        Self {
            limits: Limits { start, floor, ceiling: limits.ceiling },
            target: start,
            window: Window::default(),
            path: Path::default(),
            padding: Padding::default(),
            in_flight: InFlight::default(),
            drains: None,
            is_idle: false,
            is_ample: false,
            loss_share: 0.0,
            remote_limit: None,
            demand: Demand::default(),
            most_wanted: Bitrate::ZERO,
            silence: Silence::default(),
        }
    }

    /// TARGET_BITRATE_MAX: twice what the application wants, but no more than it ever wanted (`MaybeCreatePacerConfig` pads
    /// up to this).
    fn most(&self) -> Bitrate {
        let wanted = if self.demand.wanted > Bitrate::ZERO {
            self.demand.wanted.percent(200).min(self.most_wanted)
        } else {
            self.limits.ceiling
        };
        let most = self.remote_limit.map_or(wanted, |limit| limit.min(wanted));
        most.clamp(self.limits.floor, self.limits.ceiling)
    }

    fn handle_report(&mut self, now: Time, report: &Report, results: &[PacketResult]) {
        self.path.peak.update(self.in_flight.bytes());
        self.path.arrivals.update(report);
        let received = self.path.arrivals.rate().unwrap_or(f64::INFINITY);
        self.is_idle = self.window.is_beyond(&self.path) && received < FULL_USE * bytes(self.target);
        let is_first = !self.path.delay.is_known();
        self.path.delay.update(now, report, self.is_idle);
        if is_first {
            self.window.begin(bytes(self.limits.start) * ROOM_FOR_FRAMES, self.path.delay.round_trip());
        }
        self.window.update(now, report, results, &self.path);
        self.update_target(now);
        self.path.peak.end_round_trip(now, self.path.long_round_trip());
    }

    /// Section 4.4, `UpdateTargetRate`.
    fn update_target(&mut self, now: Time) {
        let round_trip = self.path.delay.round_trip().max(SHORTEST_ROUND_TRIP);
        // Of a window of a few packets, a part is always just not filled.
        let scale = 1.0 - (self.window.segment_share() - 0.1).clamp(0.0, 0.2);
        let mut rate = scale * self.window.size() / round_trip / ROOM_FOR_FRAMES;
        if self.path.delay.was_drained(now) {
            self.drains = None;
        } else {
            let since = *self.drains.get_or_insert(now);
            if seconds(now.since(since)) < (DRAIN_ROUND_TRIPS * round_trip).max(SHORTEST_DRAIN) {
                rate *= 0.5;
            } else {
                self.path.delay.reset();
            }
        }
        self.target = Bitrate::bps((rate * 8.0) as u64);
    }

    fn target(&self) -> Bitrate {
        self.target.clamp(self.limits.floor, self.most())
    }

    /// Goes by the time that passed without congestion.
    fn update_leisure(&mut self, now: Time) {
        self.padding.update(now, self.window.fell());
        self.is_ample = self.window.reacted().is_none_or(|reacted| now.since(reacted) > LARGE_BURSTS_AFTER);
    }

    fn state(&self) -> NetworkState {
        if self.silence.is_too_long() {
            NetworkState::Silent
        } else if self.drains.is_some() {
            NetworkState::Draining
        } else if self.path.delay.is_long() {
            NetworkState::Overused
        } else if self.window.loss.is_congestion() {
            NetworkState::Lossy
        } else {
            NetworkState::Steady
        }
    }
}

impl CongestionController for Scream {
    fn handle_sent(&mut self, packet: &SentPacket) {
        self.silence.handle_sent(packet.at);
        self.in_flight.handle_sent(packet);
        self.path.peak.update(self.in_flight.bytes());
    }

    fn handle_feedback(&mut self, now: Time, results: &[PacketResult]) {
        // A report without arrivals tells nothing of the path (libwebrtc's `OnTransportPacketsFeedback`).
        let Some(report) = Report::new(now, results) else { return };
        self.silence.handle_report(now, report.round_trip);
        self.in_flight.handle_report(results);
        self.handle_report(now, &report, results);
        let share = f64::from(report.lost) / f64::from((report.lost.saturating_add(report.arrived)).max(1));
        self.loss_share += LOSS_GAIN * (share - self.loss_share);
        self.update_leisure(now);
    }

    /// Takes round trips from feedback only (libwebrtc's `OnRoundTripTimeUpdate`).
    fn handle_round_trip(&mut self, _now: Time, _round_trip: Duration) {}

    fn handle_remote_limit(&mut self, _now: Time, limit: Option<Bitrate>) {
        self.remote_limit = limit;
    }

    fn handle_route_change(&mut self, _now: Time) {
        let (demand, most_wanted, remote_limit) = (self.demand, self.most_wanted, self.remote_limit);
        *self = Self { demand, most_wanted, remote_limit, ..Self::new(self.limits) };
    }

    fn handle_demand(&mut self, _now: Time, demand: Demand) {
        self.demand = demand;
        self.most_wanted = self.most_wanted.max(demand.wanted);
    }

    fn handle_timeout(&mut self, now: Time) {
        if self.silence.poll_fall(now) {
            self.window.handle_silence(now, silence::KEPT);
            self.update_target(now);
        }
        self.update_leisure(now);
    }

    fn poll_timeout(&self) -> Option<Time> {
        self.silence.poll_timeout().into_iter().chain(self.padding.end()).min()
    }

    fn control(&self) -> Control {
        let target = self.target();
        let received = Bitrate::bps((self.path.arrivals.rate().unwrap_or_default() * 8.0 * PACING_OF_RECEIVED) as u64);
        let sending = self.demand.sending;
        let is_ample = self.is_ample
            && sending > Bitrate::ZERO
            && target.as_bps() >= sending.as_bps().saturating_mul(AMPLE)
            && !self.silence.is_too_long();
        let pads = self.padding.is_on() && target < self.most() && !self.silence.is_too_long();
        Control {
            target,
            pacing: Bitrate::bps((target.as_bps() as f64 * PACING) as u64).max(received),
            padding: if pads { target } else { Bitrate::ZERO },
            is_ample,
        }
    }

    fn window(&self) -> Option<u64> {
        // Before the first report, nothing is known of the round trip.
        self.path.delay.is_known().then(|| self.window.most_in_flight(&self.path.delay) as u64)
    }

    fn takes_marks(&self) -> bool {
        true
    }

    fn poll_probe(&mut self) -> Option<Probe> {
        None
    }

    fn snapshot(&self) -> Snapshot {
        let round_trip = Duration::from_micros((self.path.delay.round_trip() * 1_000_000.0) as u64);
        Snapshot {
            target: self.target(),
            delay_based: self.target(),
            loss_based: None,
            acknowledged: self.path.arrivals.rate().map(|rate| Bitrate::bps((rate * 8.0) as u64)),
            loss: self.loss_share,
            round_trip: self.path.delay.is_known().then_some(round_trip),
            application_limited: self.is_idle,
            state: self.state(),
        }
    }
}

/// Bytes a second.
fn bytes(rate: Bitrate) -> f64 {
    rate.as_bps() as f64 / 8.0
}

fn seconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000_000.0
}

#[cfg(test)]
mod tests;
