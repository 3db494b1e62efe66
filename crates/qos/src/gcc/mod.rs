//! Google congestion control in the form that libwebrtc has today (`modules/congestion_controller/goog_cc`).
//!
//! The parts, each in a file of its own: packets are put into groups ([`groups`]), the delays of groups into a trend
//! ([`trendline`]), trend and what arrives ([`acknowledged`]) into a rate ([`rate_control`]), which probes
//! ([`probe_plan`], [`probe_results`]) take up by leaps and losses ([`loss`]) may lower. [`application`] knows when too
//! little is sent for any of that to mean much, and [`Silence`] when nothing is heard.
//!
//! Some things differ from libwebrtc, most since an SFU serves people whose machines are busy and sends layers that do
//! not fill what there is: the trend is capped by the least delays ([`trendline`]), too little sending does not bring
//! the estimate down to it ([`rate_control`]), a fall follows what arrives now and reports that got lost do not count
//! ([`acknowledged`]), a queue that stands is drained ([`standing`]), and probing goes on while more is wanted
//! ([`probe_plan`]).

mod acknowledged;
mod application;
mod capacity;
mod groups;
mod likelihood;
mod loss;
mod probe_plan;
mod probe_results;
mod rate_control;
mod standing;
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
use probe_plan::{Permission, ProbePlan};
use probe_results::ProbeResults;
use rate_control::RateControl;
use standing::StandingQueue;
use trendline::{Trendline, Usage};

/// A burst may leave this much faster than the target: `goog_cc_network_control.cc`, `kDefaultPaceMultiplier`.
const PACING_PERCENT: u64 = 250;
/// Where the target is so many times what is sent, a frame is through before the next one comes, however it leaves.
const AMPLE: u64 = 2;
/// After so long without a loss, probes may show whether the path carries more again.
const LOSSES_ARE_OVER: Duration = Duration::from_millis(1_000);
/// After this long without reports, delays are begun with afresh: `delay_based_bwe.cc`, `kStreamTimeOut`.
const DELAYS_EXPIRE: Duration = Duration::from_secs(2);
/// The estimate is probed for again where it dropped this soon after too little was sent: `probe_controller.cc`,
/// `kAlrEndedTimeout`.
const LATELY_LIMITED: Duration = Duration::from_secs(3);
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

/// Google congestion control.
///
/// Takes transport-wide feedback, and needs a report every 50 to 250 ms; where none ever comes, it stays at what it
/// begins with. Bounded in memory (about 25 KiB), and allocates nothing after the first reports. Whatever is reported,
/// the target stays within [`Limits`].
#[derive(Debug)]
pub struct Gcc {
    limits: Limits,
    target: Bitrate,
    remote_limit: Option<Bitrate>,
    demand: Demand,
    groups: Groups,
    trendline: Trendline,
    rate: RateControl,
    acknowledged: Acknowledged,
    loss: LossBased,
    plan: ProbePlan,
    results: ProbeResults,
    application: Application,
    /// When the application was limited for the last time.
    limited: Option<Time>,
    silence: Silence,
    reported: Option<Time>,
    round_trip: Option<Duration>,
    was_over: bool,
    standing: StandingQueue,
    /// The packet that is to be reported next.
    next_sequence: Option<u64>,
    /// Arrivals of one report, as (when, position), reused.
    arrivals: Vec<(i64, u32)>,
    /// When a packet was last told to be lost.
    lost: Option<Time>,
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
            target: start,
            remote_limit: None,
            demand: Demand::default(),
            groups: Groups::default(),
            trendline: Trendline::default(),
            rate: RateControl::new(begin, low, high),
            acknowledged: Acknowledged::default(),
            loss: LossBased::new(low, high),
            plan: ProbePlan::new(begin, high),
            results: ProbeResults::default(),
            application: Application::new(begin),
            limited: None,
            silence: Silence::default(),
            reported: None,
            round_trip: None,
            was_over: false,
            standing: StandingQueue::default(),
            next_sequence: None,
            arrivals: Vec::new(),
            lost: None,
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

    /// What the delays say, and the best probe result. Takes what [`sort_arrivals`](Self::sort_arrivals) found.
    fn handle_arrivals(&mut self, now: Time, results: &[PacketResult]) -> Option<f64> {
        if self.reported.is_some_and(|reported| now.since(reported) > DELAYS_EXPIRE) {
            self.groups = Groups::default();
            self.trendline = Trendline::default();
        }
        self.reported = Some(now);
        let mut probed = None;
        let mut after_hole = self.is_after_hole(results);
        for (arrived, position) in &self.arrivals {
            let result = &results[*position as usize];
            let sent = micros(result.sent.at);
            self.acknowledged.handle_packet(sent, *arrived, result.sent.size, after_hole);
            after_hole = false;
            if let Some(id) = result.sent.probe
                && let Some(rate) = self.results.handle_packet(id, result, *arrived)
            {
                probed = Some(rate);
            }
            let timing = Timing { sent, arrived: *arrived, known: micros(now) };
            if let Some(difference) = self.groups.handle_packet(timing) {
                self.trendline.handle_difference(difference);
            }
        }
        self.acknowledged.handle_report();
        probed
    }

    /// Whether a report between this and the latest got lost.
    fn is_after_hole(&mut self, results: &[PacketResult]) -> bool {
        let (Some(first), Some(last)) = (results.first(), results.last()) else { return false };
        let hole = self.next_sequence.is_some_and(|next| first.sequence > next);
        let next = last.sequence.saturating_add(1);
        self.next_sequence = Some(self.next_sequence.map_or(next, |before| before.max(next)));
        hole
    }

    /// What the delays say: whether a queue grows, or stands.
    fn usage(&mut self, now: Time) -> Usage {
        match self.trendline.usage() {
            // What stands there while little is sent was filled by others.
            Usage::Normal if !self.application.is_limited() => {
                self.standing.update(now, self.trendline.standing_queue())
            }
            usage => usage,
        }
    }

    /// Moves the rate that delays allow. Returns whether a queue that grew has stopped growing.
    fn update_rate(&mut self, now: Time, probed: Option<f64>) -> bool {
        let usage = self.usage(now);
        match probed {
            // A probe that failed, or whose packets a busy machine held up, does not lower the rate: that a queue grows
            // is seen by itself.
            Some(probed) if usage != Usage::Over && probed > self.rate.rate() => self.rate.set_rate(now, probed),
            _ => {
                let limited = self.application.is_limited();
                let lately = || self.acknowledged.recent_rate();
                self.rate.update(now, usage, self.acknowledged.rate(), lately, limited);
            }
        }
        let recovered = self.was_over && usage == Usage::Normal;
        self.was_over = usage == Usage::Over || (self.was_over && !recovered);
        recovered
    }

    /// The rate that all parts agree on.
    fn update_target(&mut self, now: Time) {
        let mut rate = self.rate.rate();
        if let Some(limit) = self.loss.limit() {
            rate = rate.min(limit);
        }
        let estimate = Bitrate::bps(rate as u64).clamp(self.limits.floor, self.limits.ceiling);
        let limited = self.remote_limit.map_or(estimate, |limit| estimate.min(limit));
        self.target = limited.max(self.limits.floor);
        self.application.set_estimate(bps(self.target));
        self.plan.set_estimate(now, bps(self.target), self.permission(now));
    }

    fn permission(&self, now: Time) -> Permission {
        if self.reported.is_none() && self.plan.has_begun() {
            // Without reports, there is nothing that a probe could show.
            return Permission::No;
        }
        if self.silence.is_too_long() || self.trendline.usage() != Usage::Normal || self.standing.stands() {
            return Permission::No;
        }
        match self.loss.state() {
            LossState::DelayBased => Permission::Free,
            LossState::Increasing => Permission::SmallSteps,
            // Its observations outlast what was lost by seconds where little is sent: a picture must not wait for that.
            LossState::Decreasing if self.losses_are_over(now) => Permission::SmallSteps,
            LossState::Decreasing => Permission::No,
        }
    }

    fn losses_are_over(&self, now: Time) -> bool {
        self.lost.is_some_and(|lost| now.since(lost) > LOSSES_ARE_OVER)
    }

    /// Whether the path carries far more than is to be sent, as far as anything tells.
    fn is_ample(&self) -> bool {
        let sending = self.demand.sending;
        sending > Bitrate::ZERO
            && self.target.as_bps() >= sending.as_bps().saturating_mul(AMPLE)
            && self.state() == NetworkState::Steady
            && self.loss.state() == LossState::DelayBased
            && !self.standing.stands()
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
        self.silence.handle_sent(packet.at);
    }

    fn handle_feedback(&mut self, now: Time, results: &[PacketResult]) {
        if results.is_empty() {
            return;
        }
        self.application.update(now);
        if results.iter().any(|result| result.received.is_none()) {
            self.lost = Some(now);
        }
        if self.application.is_limited() {
            self.limited = Some(now);
        }
        let mut recovered = false;
        if let Some(round_trip) = self.sort_arrivals(now, results) {
            self.silence.handle_report(now, round_trip);
            self.handle_round_trip(now, round_trip);
            let probed = self.handle_arrivals(now, results);
            if let Some(rate) = self.acknowledged.rate() {
                self.loss.set_acknowledged(rate);
            }
            recovered = self.update_rate(now, probed);
            if probed.is_some_and(|probed| probed > bps(self.target)) && self.losses_are_over(now) {
                // What was lost under other conditions says nothing of a path that has just carried more without loss.
                self.loss = LossBased::new(bps(self.limits.floor), bps(self.limits.ceiling));
                self.lost = None;
            }
        }
        self.loss.handle_report(results, self.rate.rate(), self.application.is_limited());
        self.update_target(now);
        let lately = self.limited.is_some_and(|limited| now.since(limited) < LATELY_LIMITED);
        if recovered && lately {
            self.plan.handle_recovery(now);
        }
    }

    fn handle_round_trip(&mut self, _now: Time, round_trip: Duration) {
        self.round_trip = Some(round_trip);
        self.rate.handle_round_trip(round_trip);
    }

    fn handle_remote_limit(&mut self, now: Time, limit: Option<Bitrate>) {
        self.remote_limit = limit;
        let ceiling = limit.map_or(self.limits.ceiling, |limit| limit.min(self.limits.ceiling));
        self.plan.set_ceiling(bps(ceiling));
        self.update_target(now);
    }

    /// As `goog_cc_network_control.cc`, `OnNetworkRouteChange`, does where it is given a rate to start at.
    fn handle_route_change(&mut self, _now: Time) {
        *self = Self { demand: self.demand, remote_limit: self.remote_limit, ..Self::new(self.limits) };
    }

    fn handle_demand(&mut self, now: Time, demand: Demand) {
        self.demand = demand;
        self.plan.set_wanted(now, bps(demand.wanted));
    }

    fn handle_timeout(&mut self, now: Time) {
        self.application.update(now);
        if self.silence.poll_fall(now) {
            let rate = bps(self.target) * silence::KEPT;
            self.rate.set_rate(now, rate);
            self.update_target(now);
        }
        self.plan.set_permission(self.permission(now));
        self.plan.handle_timeout(now);
    }

    fn poll_timeout(&self) -> Option<Time> {
        match (self.plan.poll_timeout(), self.silence.poll_timeout()) {
            (Some(plan), Some(silence)) => Some(plan.min(silence)),
            (plan, silence) => plan.or(silence),
        }
    }

    fn control(&self) -> Control {
        // Padding shows that losses allow more again: `loss_based_bwe_v2.h`, `kIncreaseUsingPadding`.
        let padding = if self.loss.state() == LossState::Increasing && self.demand.wanted > self.demand.sending {
            self.target.min(self.demand.wanted)
        } else {
            Bitrate::ZERO
        };
        let pacing = self.target.percent(PACING_PERCENT);
        Control { target: self.target, pacing, padding, is_ample: self.is_ample() }
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
            loss_based: self.loss.limit().map(rate),
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
