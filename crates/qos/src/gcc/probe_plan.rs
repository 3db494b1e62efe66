//! When to probe, and how fast: libwebrtc's `probe_controller.cc`, with its settings' names in brackets.
//!
//! It probes at the beginning, and on while that succeeds; every few seconds while the application sends much less than
//! it may (`EnablePeriodicAlrProbing`: an application asks for it, and here it always does); when more is wanted while
//! that is so; and when the estimate dropped while that was so.

use std::time::Duration;

use crate::{Bitrate, Probe, ProbeId, Time};

/// [`p1`] and [`p2`], of what it starts with.
const FIRST: [f64; 2] = [3.0, 6.0];
/// [`step_size`], of what a probe found.
const FURTHER: f64 = 2.0;
/// [`further_probe_threshold`], as a share of the probe's rate.
const SUCCESS: f64 = 0.7;
/// [`alr_interval`] and [`alr_scale`]
const LIMITED_INTERVAL: Duration = Duration::from_secs(5);
const LIMITED_SCALE: f64 = 2.0;
/// [`alloc_p1`] and [`alloc_p2`], of what is wanted; [`alloc_current_bwe_limit`], of the estimate.
const WANTED: [f64; 2] = [1.0, 2.0];
const WANTED_LIMIT: f64 = 2.0;
/// Never more than this times what is wanted: `InitiateProbing`.
const MOST: f64 = 2.0;
/// [`min_probe_packets_sent`] and [`min_probe_duration`]
const PACKETS: u32 = 5;
const DURATION: Duration = Duration::from_millis(15);
/// A result that has not come after this does not come: `kMaxWaitingTimeForProbingResult`.
const WAIT: Duration = Duration::from_secs(1);
/// An estimate that falls to this share has dropped: `kBitrateDropThreshold`...
const DROP: f64 = 0.66;
/// ...and is probed for with this share of what it was, `kProbeFractionAfterDrop`,
const AFTER_DROP: f64 = 0.85;
/// if that was lately, `kBitrateDropTimeout`,
const DROP_IS_RECENT: Duration = Duration::from_secs(5);
/// and not done lately, `kMinTimeBetweenAlrProbes`,
const BETWEEN_DROPS: Duration = Duration::from_secs(5);
/// and too little was sent, now or lately, `kAlrEndedTimeout`,
const LATELY_LIMITED: Duration = Duration::from_secs(3);
/// and it promises more than there is: `kProbeUncertainty`.
const UNCERTAINTY: f64 = 0.05;
/// Probes that wait to be taken.
const QUEUED: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Nothing was sent yet.
    New,
    /// Until this time, an estimate above this rate makes it go on.
    Waiting { until: Time, above: f64 },
    /// Nothing is under way.
    Complete,
}

/// Plans probes. Rates in bits per second.
#[derive(Debug)]
pub(super) struct ProbePlan {
    estimate: f64,
    ceiling: f64,
    /// As far as it is known.
    wanted: Option<f64>,
    /// Whether the path allows probes: `GetBandwidthLimitedCause`.
    is_allowed: bool,
    state: State,
    /// The latest attempt.
    begun: Option<Time>,
    /// Since when too little has been sent, and when that ended the last time.
    limited: Option<Time>,
    limited_until: Option<Time>,
    /// Before the latest large drop, and when that was.
    before_drop: Option<(f64, Time)>,
    sought_drop: Option<Time>,
    queue: [Option<Probe>; QUEUED],
    next_id: u32,
}

impl ProbePlan {
    pub(super) fn new(start: f64, ceiling: f64) -> Self {
        Self {
            estimate: start,
            ceiling,
            wanted: None,
            is_allowed: true,
            state: State::New,
            begun: None,
            limited: None,
            limited_until: None,
            before_drop: None,
            sought_drop: None,
            queue: [None; QUEUED],
            next_id: 0,
        }
    }

    /// The next probe to send.
    pub(super) fn poll(&mut self) -> Option<Probe> {
        let probe = self.queue[0].take();
        self.queue.rotate_left(1);
        probe
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        match self.state {
            State::New => Some(Time::default()).filter(|_| self.is_allowed),
            State::Waiting { until, .. } => Some(until),
            // Where it is not allowed, a report has to come first.
            State::Complete => self.next().filter(|_| self.is_allowed),
        }
    }

    /// `Process`.
    pub(super) fn handle_timeout(&mut self, now: Time) {
        if let State::Waiting { until, .. } = self.state
            && until <= now
        {
            self.state = State::Complete;
        }
        match self.state {
            State::New => {
                let estimate = self.estimate;
                self.start(now, &FIRST.map(|factor| factor * estimate), true);
            }
            State::Complete if self.next().is_some_and(|next| next <= now) => {
                self.start(now, &[self.estimate * LIMITED_SCALE], true)
            }
            State::Waiting { .. } | State::Complete => {}
        }
    }

    /// What there would be to send: `OnMaxTotalAllocatedBitrate`.
    pub(super) fn set_wanted(&mut self, now: Time, wanted: f64) {
        let wanted = Some(wanted).filter(|wanted| *wanted > 0.0);
        let before = std::mem::replace(&mut self.wanted, wanted);
        let Some(rate) = wanted else { return };
        let is_sought = self.state == State::Complete && self.limited.is_some() && before != wanted;
        if !is_sought || self.estimate >= self.ceiling.min(rate) {
            return;
        }
        let most = self.estimate * WANTED_LIMIT;
        let [first, second] = WANTED.map(|factor| (factor * rate).min(most));
        let is_cut = most < WANTED[1] * rate;
        if second > first {
            self.start(now, &[first, second], is_cut);
        } else {
            self.start(now, &[first], is_cut);
        }
    }

    /// As it was told last.
    pub(super) fn wanted(&self) -> f64 {
        self.wanted.unwrap_or(0.0)
    }

    /// Since when the application has been sending much less than it may.
    pub(super) fn set_limited(&mut self, since: Option<Time>) {
        self.limited = since;
    }

    /// That the application sends enough again was seen at this time: `SetAlrEndedTimeMs`.
    pub(super) fn handle_limited_end(&mut self, now: Time) {
        self.limited_until = Some(now);
    }

    /// Whether the first probes were planned.
    pub(super) fn has_begun(&self) -> bool {
        self.state != State::New
    }

    pub(super) fn set_allowed(&mut self, is_allowed: bool) {
        self.is_allowed = is_allowed;
    }

    /// The estimate, and whether probing is allowed, after each report: `SetEstimatedBitrate`.
    pub(super) fn set_estimate(&mut self, now: Time, estimate: f64, is_allowed: bool) {
        if estimate < DROP * self.estimate {
            self.before_drop = Some((self.estimate, now));
        }
        self.estimate = estimate;
        self.is_allowed = is_allowed;
        if let State::Waiting { above, .. } = self.state
            && estimate > above
        {
            self.start(now, &[estimate * FURTHER], true);
        }
    }

    /// The queue that brought the estimate down is gone; where little was sent, it may never have been one:
    /// `RequestProbe`.
    pub(super) fn handle_recovery(&mut self, now: Time) {
        let Some((before, at)) = self.before_drop else { return };
        let lately = self.limited_until.is_some_and(|until| now.since(until) < LATELY_LIMITED);
        let rate = before * AFTER_DROP;
        if self.state == State::Complete
            && (self.limited.is_some() || lately)
            && rate * (1.0 - UNCERTAINTY) > self.estimate
            && now.since(at) < DROP_IS_RECENT
            && self.sought_drop.is_none_or(|sought| now.since(sought) > BETWEEN_DROPS)
        {
            self.sought_drop = Some(now);
            self.start(now, &[rate], false);
        }
    }

    /// When to probe while too little is sent: `TimeForAlrProbe`.
    fn next(&self) -> Option<Time> {
        let limited = self.limited?;
        Some(self.begun.map_or(limited, |begun| begun.max(limited)) + LIMITED_INTERVAL)
    }

    /// Starts probes at these rates, lowest first, and goes on from what they find: `InitiateProbing`.
    fn start(&mut self, now: Time, rates: &[f64], mut goes_on: bool) {
        if !self.is_allowed {
            return;
        }
        let most = self.wanted.map_or(self.ceiling, |wanted| (wanted * MOST).min(self.ceiling));
        let mut last = 0.0;
        for rate in rates {
            goes_on &= *rate < most;
            last = rate.min(most);
            self.add(last);
        }
        self.begun = Some(now);
        self.state =
            if goes_on { State::Waiting { until: now + WAIT, above: last * SUCCESS } } else { State::Complete };
    }

    fn add(&mut self, rate: f64) {
        let id = ProbeId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let bytes = (rate * DURATION.as_secs_f64() / 8.0) as u32;
        let probe = Probe { id, rate: Bitrate::bps(rate as u64), bytes, packets: PACKETS };
        match self.queue.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(probe),
            None => {
                self.queue.rotate_left(1);
                self.queue[QUEUED - 1] = Some(probe);
            }
        }
    }
}

#[cfg(test)]
#[path = "probe_plan_tests.rs"]
mod tests;
