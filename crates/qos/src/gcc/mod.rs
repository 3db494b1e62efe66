//! Google congestion control in the form that libwebrtc has today (`modules/congestion_controller/goog_cc`).
//!
//! The parts, each in a file of its own: packets are put into groups ([`groups`]), the delays of groups into a trend
//! ([`trendline`]), trend and what arrives ([`acknowledged`]) into a rate ([`rate_control`]), which probes
//! ([`probe_plan`], [`probe_results`]) take up by leaps and losses ([`loss`]) may lower. [`application`] knows when the
//! application sends much less than it may, and [`Silence`] when nothing is heard.
//!
//! What differs from libwebrtc follows from what is around it:
//!
//! - [`Limits`] bound the rate that delays allow, too, so that no part works with what may never be sent.
//! - Silence counts from the first report, not the first packet ([`Silence`]): whoever never reports cannot, and keeps
//!   what it began with. It gets no probes after the first ones.
//! - The round trip is that of the latest report, or whatever else measures one; libwebrtc takes it from RTCP.
//! - Losses limit as soon as there are enough observations; libwebrtc waits for a receiver report, too.
//! - Nothing drops frames of an encoder while too much is on its way (`congestion_window_pushback_controller.cc`).
//! - Whole frames may leave at once as from its pacer, but in bursts of at most 20 ms, not 40 ([`Control::is_ample`]).
//! - Of what estimates of the network by others (`NetworkStateEstimate`) would change, there is nothing.

mod acknowledged;
mod application;
mod capacity;
mod groups;
mod likelihood;
mod loss;
mod probe_plan;
mod probe_results;
mod rate_control;
mod trendline;

use std::time::Duration;

use crate::silence::{self, Silence};
use crate::{
    Bitrate, CongestionController, Control, Demand, NetworkState, PacketResult, Probe, SentPacket, Snapshot, Time,
};
use acknowledged::Acknowledged;
use application::Application;
use groups::{Groups, Timing};
use loss::{LossBased, LossState};
use probe_plan::ProbePlan;
use probe_results::ProbeResults;
use rate_control::RateControl;
use trendline::{Trendline, Usage};

/// A burst may leave this much faster than the target: `goog_cc_network_control.cc`, `kDefaultPaceMultiplier`.
const PACING_PERCENT: u64 = 250;
/// After this long without reports, delays are begun with afresh: `delay_based_bwe.cc`, `kStreamTimeOut`.
const DELAYS_EXPIRE: Duration = Duration::from_secs(2);
/// A probe that failed does not bring the rate below this share of what arrives: `goog_cc_network_control.cc`,
/// `kProbeDropThroughputFraction`.
const PROBE_DROP: f64 = 0.85;
/// Arrival times beyond this are the sender's invention; with it, differences fit 64 bits.
const LATEST_ARRIVAL: u128 = 1 << 60;

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

/// What one report shows.
struct Shown {
    /// The latest result of a probe.
    probed: Option<f64>,
    /// A queue that was emptied is gone.
    has_recovered: bool,
}

/// Google congestion control.
///
/// Takes transport-wide feedback, and needs a report every 50 to 250 ms; where none ever comes, it stays at what it
/// begins with. Bounded in memory (about 25 KiB), and allocates nothing after the first reports. Whatever is reported,
/// the target stays within [`Limits`].
#[derive(Debug)]
pub struct Gcc {
    limits: Limits,
    /// What delays, losses and silence allow, bits per second.
    estimate: f64,
    target: Bitrate,
    remote_limit: Option<Bitrate>,
    groups: Groups,
    trendline: Trendline,
    rate: RateControl,
    acknowledged: Acknowledged,
    loss: LossBased,
    plan: ProbePlan,
    results: ProbeResults,
    application: Application,
    /// Whether the application was limited at the latest report.
    was_limited: bool,
    silence: Silence,
    reported: Option<Time>,
    round_trip: Option<Duration>,
    /// Arrivals of one report, as (when, position), reused.
    arrivals: Vec<(i64, u32)>,
}

impl Gcc {
    /// Nothing known of the path yet. A floor above the ceiling is taken as the ceiling.
    pub fn new(limits: Limits) -> Self {
        let floor = limits.floor.min(limits.ceiling);
        let start = limits.start.clamp(floor, limits.ceiling);
        let limits = Limits { start, floor, ceiling: limits.ceiling };
        let (low, high, begin) = (bps(floor), bps(limits.ceiling), bps(start));
        Self {
            limits,
            estimate: begin,
            target: start,
            remote_limit: None,
            groups: Groups::default(),
            trendline: Trendline::default(),
            rate: RateControl::new(begin, low, high),
            acknowledged: Acknowledged::default(),
            loss: LossBased::new(low, high),
            plan: ProbePlan::new(begin, high),
            results: ProbeResults::default(),
            application: Application::new(begin),
            was_limited: false,
            silence: Silence::default(),
            reported: None,
            round_trip: None,
            arrivals: Vec::new(),
        }
    }

    /// Sorts what arrived by the time of arrival. `None`: nothing did.
    fn sort_arrivals(&mut self, now: Time, results: &[PacketResult]) -> Option<Duration> {
        self.arrivals.clear();
        for (position, result) in results.iter().enumerate() {
            if let Some(received) = result.received {
                let arrived = received.as_micros().min(LATEST_ARRIVAL) as i64;
                self.arrivals.push((arrived, position as u32));
            }
        }
        self.arrivals.sort_unstable();
        // What the report waited for at the receiver is no part of the round trip.
        let last = self.arrivals.last()?.0;
        self.arrivals
            .iter()
            .map(|(arrived, position)| {
                let waited = Duration::from_micros(last.abs_diff(*arrived));
                now.since(results[*position as usize].sent.at).saturating_sub(waited)
            })
            .min()
    }

    /// Takes what [`sort_arrivals`](Self::sort_arrivals) found; tells what it shows.
    fn handle_arrivals(&mut self, now: Time, results: &[PacketResult]) -> Shown {
        if self.reported.is_some_and(|reported| now.since(reported) > DELAYS_EXPIRE) {
            self.groups = Groups::default();
            self.trendline = Trendline::default();
        }
        self.reported = Some(now);
        let mut shown = Shown { probed: None, has_recovered: false };
        let mut usage = self.trendline.usage();
        for (arrived, position) in &self.arrivals {
            let result = &results[*position as usize];
            let sent = micros(result.sent.at);
            self.acknowledged.handle_packet(sent, *arrived, result.sent.size);
            if let Some(id) = result.sent.probe
                && let Some(rate) = self.results.handle_packet(id, result, *arrived)
            {
                shown.probed = Some(rate);
            }
            let timing = Timing { sent, arrived: *arrived, known: micros(now) };
            if let Some(difference) = self.groups.handle_packet(timing) {
                self.trendline.handle_difference(difference);
            }
            let before = std::mem::replace(&mut usage, self.trendline.usage());
            shown.has_recovered |= (before, usage) == (Usage::Under, Usage::Normal);
        }
        self.acknowledged.handle_report();
        shown
    }

    /// Moves the rate that delays allow: `delay_based_bwe.cc`, `MaybeUpdateEstimate`.
    fn update_rate(&mut self, now: Time, probed: Option<f64>) {
        let usage = self.trendline.usage();
        let arrives = self.acknowledged.rate();
        match probed {
            Some(probed) if usage != Usage::Over => {
                let least = arrives.map_or(0.0, |arrives| self.rate.rate().min(arrives * PROBE_DROP));
                self.rate.set_rate(now, probed.max(least));
            }
            _ => self.rate.update(now, usage, arrives),
        }
    }

    /// The rate that all parts agree on: `send_side_bandwidth_estimation.cc`, `UpdateEstimate`.
    fn update_target(&mut self, now: Time) {
        if !self.silence.is_too_long() {
            self.estimate = self.loss.limit().unwrap_or(f64::INFINITY);
        } else if self.silence.poll_fall(now) {
            self.estimate *= silence::KEPT;
        }
        self.estimate = self.estimate.min(self.rate.rate()).max(bps(self.limits.floor));
        let estimate = Bitrate::bps(self.estimate as u64).clamp(self.limits.floor, self.limits.ceiling);
        let limited = self.remote_limit.map_or(estimate, |limit| estimate.min(limit));
        self.target = limited.max(self.limits.floor);
        self.application.set_estimate(bps(self.target));
        self.plan.set_estimate(now, bps(self.target), self.may_probe());
    }

    /// `goog_cc_network_control.cc`, `GetBandwidthLimitedCause`.
    fn may_probe(&self) -> bool {
        // Without reports, there is nothing that a probe could show.
        let is_heard = self.reported.is_some() || !self.plan.has_begun();
        is_heard
            && !self.silence.is_too_long()
            && self.trendline.usage() == Usage::Normal
            && self.loss.state() == LossState::DelayBased
    }

    fn state(&self) -> NetworkState {
        if self.silence.is_too_long() {
            return NetworkState::Silent;
        }
        match (self.trendline.usage(), self.loss.state()) {
            (Usage::Over, _) => NetworkState::Overused,
            (Usage::Under, _) => NetworkState::Draining,
            (Usage::Normal, LossState::Decreasing) => NetworkState::Lossy,
            (Usage::Normal, _) => NetworkState::Steady,
        }
    }
}

impl CongestionController for Gcc {
    fn handle_sent(&mut self, packet: &SentPacket) {
        self.application.handle_sent(packet);
        self.plan.set_limited(self.application.limited_since());
        self.silence.handle_sent(packet.at);
    }

    fn handle_feedback(&mut self, now: Time, results: &[PacketResult]) {
        if results.is_empty() {
            return;
        }
        let is_limited = self.application.is_limited();
        if std::mem::replace(&mut self.was_limited, is_limited) && !is_limited {
            self.plan.handle_limited_end(now);
        }
        let mut has_recovered = false;
        if let Some(round_trip) = self.sort_arrivals(now, results) {
            self.silence.handle_report(now, round_trip);
            self.handle_round_trip(now, round_trip);
            let shown = self.handle_arrivals(now, results);
            if let Some(rate) = self.acknowledged.rate() {
                self.loss.set_acknowledged(rate);
            }
            self.update_rate(now, shown.probed);
            has_recovered = shown.has_recovered && shown.probed.is_none() && self.trendline.usage() != Usage::Over;
        }
        self.loss.handle_report(results, self.rate.rate(), is_limited);
        self.update_target(now);
        if has_recovered {
            self.plan.handle_recovery(now);
        }
    }

    fn handle_round_trip(&mut self, _now: Time, round_trip: Duration) {
        self.round_trip = Some(round_trip);
        self.rate.handle_round_trip(round_trip);
    }

    fn handle_remote_limit(&mut self, now: Time, limit: Option<Bitrate>) {
        self.remote_limit = limit;
        self.update_target(now);
    }

    /// As `goog_cc_network_control.cc`, `OnNetworkRouteChange`, does where it is given a rate to start at.
    fn handle_route_change(&mut self, now: Time) {
        let wanted = self.plan.wanted();
        *self = Self { remote_limit: self.remote_limit, ..Self::new(self.limits) };
        self.plan.set_wanted(now, wanted);
    }

    fn handle_demand(&mut self, now: Time, demand: Demand) {
        self.plan.set_wanted(now, bps(demand.wanted));
    }

    fn handle_timeout(&mut self, now: Time) {
        if self.silence.is_too_long() {
            self.update_target(now);
        }
        self.plan.set_allowed(self.may_probe());
        self.plan.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Time> {
        match (self.plan.poll_timeout(), self.silence.poll_timeout()) {
            (Some(plan), Some(silence)) => Some(plan.min(silence)),
            (plan, silence) => plan.or(silence),
        }
    }

    fn control(&self) -> Control {
        // Padding shows that losses allow more again: `goog_cc_network_control.cc`, `GetPacingRates`.
        let padding = if self.loss.state() == LossState::Increasing { self.target } else { Bitrate::ZERO };
        let pacing = self.target.percent(PACING_PERCENT);
        // Its pacer lets a whole frame leave at once on every path: `pacing_controller.h`, `kDefaultBurstInterval`.
        Control { target: self.target, pacing, padding, is_ample: true }
    }

    fn poll_probe(&mut self) -> Option<Probe> {
        let probe = self.plan.poll()?;
        self.results.expect(probe);
        Some(probe)
    }

    fn snapshot(&self) -> Snapshot {
        let rate = |rate: f64| Bitrate::bps(rate as u64);
        Snapshot {
            target: self.target,
            delay_based: rate(self.rate.rate()),
            loss_based: self.loss.limit().filter(|_| self.loss.state() != LossState::DelayBased).map(rate),
            acknowledged: self.acknowledged.rate().map(rate),
            loss: self.loss.loss(),
            round_trip: self.round_trip,
            application_limited: self.application.is_limited(),
            state: self.state(),
        }
    }
}

fn bps(rate: Bitrate) -> f64 {
    rate.as_bps() as f64
}

fn micros(time: Time) -> i64 {
    time.to_duration().as_micros().min(LATEST_ARRIVAL) as i64
}

#[cfg(test)]
mod tests;
