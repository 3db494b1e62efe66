//! When to probe, and how fast: libwebrtc's `probe_controller.cc`, for an application that knows what it wants.
//!
//! One thing differs. libwebrtc probes again and again only while its application sends less than it may, since an
//! encoder fills whatever it gets. An SFU's layers do not: it sends what fits, wants more, and would wait for a rise of
//! some percent a second. So a probe is due whenever more is wanted than there is.

use std::time::Duration;

use crate::{Bitrate, Probe, ProbeId, Time};

// The names in brackets are those of the file's settings.
/// [`p1`] and [`p2`]
const FIRST: [f64; 2] = [3.0, 6.0];
/// [`step_size`] and [`alr_scale`]
const FURTHER: f64 = 2.0;
/// After a probe that failed, the next looks for this only: what it costs in queueing is in proportion.
const AGAIN: f64 = 1.5;
/// [`further_probe_threshold`], as a share of the probe's rate; and how much that must be over the estimate.
const SUCCESS: f64 = 0.7;
const RISE: f64 = 1.2;
/// [`loss_limited_scale`]
const WHILE_LOSSY: f64 = 1.5;
/// [`min_probe_packets_sent`] and [`min_probe_duration`]
const PACKETS: u32 = 5;
const DURATION: Duration = Duration::from_millis(15);
/// Where a probe failed, the next one takes longer, up to this, so that jitter does not fail them all.
const LONGEST_DURATION: Duration = Duration::from_millis(50);
/// A result that has not come after this does not come: `kMaxWaitingTimeForProbingResult`.
const WAIT: Duration = Duration::from_secs(1);
/// From one attempt to the next; twice as long after each that fails, up to [`alr_interval`].
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_secs(5);
/// Nothing slower is looked for: a small picture beside sound, which takes as long to be told from nothing at all as any
/// other rate. In steps from what sound alone left behind, it would take ten seconds to come back.
const LEAST: f64 = 250_000.0;
/// Where not even that is there, a stopped picture waits for it, and a probe is a few packets: it is looked for this often.
const LONGEST_INTERVAL_BELOW: Duration = Duration::from_secs(2);
/// While queues or losses forbid to probe, it is tried again after this.
const HELD: Duration = Duration::from_millis(250);
/// An estimate that falls to this share has dropped: `kBitrateDropThreshold`...
const DROP: f64 = 0.66;
/// ...and is probed for with this share of what it was, `kProbeFractionAfterDrop`,
const AFTER_DROP: f64 = 0.85;
/// if that was lately, `kBitrateDropTimeout`, and not done lately, `kMinTimeBetweenAlrProbes`,
const DROP_IS_RECENT: Duration = Duration::from_secs(5);
/// and promises more than there is: `kProbeUncertainty`.
const UNCERTAINTY: f64 = 0.05;
/// An estimate of this multiple of what is wanted is enough: frames and layers are not of one size...
const ENOUGH: f64 = 1.2;
/// ...and where there is less, up to this multiple is looked for (2 in `InitiateProbing`; a queue is what more costs).
const MOST: f64 = 1.5;
/// This much is always wanted, so that a picture can start at once where there was only sound.
const ALWAYS_WANTED: f64 = 800_000.0;
/// What is wanted must rise by this share to be looked for at once.
const MORE_WANTED: f64 = 1.2;
/// Probes that wait to be taken.
const QUEUED: usize = 4;

/// What the path allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permission {
    /// Nothing speaks against probes.
    Free,
    /// Losses limit the rate, which is rising: small steps.
    SmallSteps,
    /// A queue grows or has yet to empty, packets are lost, or nothing is heard.
    No,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Nothing was sent yet.
    New,
    /// Until this time, an estimate above this rate makes it go on.
    Waiting { until: Time, above: f64 },
    /// Nothing is under way.
    Idle,
}

/// Plans probes. Rates in bits per second.
#[derive(Debug)]
pub(super) struct ProbePlan {
    estimate: f64,
    ceiling: f64,
    wanted: f64,
    permission: Permission,
    state: State,
    /// The next attempt.
    next: Time,
    interval: Duration,
    duration: Duration,
    /// The latest attempt failed.
    failed: bool,
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
            wanted: 0.0,
            permission: Permission::Free,
            state: State::New,
            next: Time::default(),
            interval: SHORTEST_INTERVAL,
            duration: DURATION,
            failed: false,
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
            State::New => Some(Time::default()),
            State::Waiting { until, .. } => Some(until),
            State::Idle => self.is_more_wanted().then_some(self.next),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Time) {
        match self.state {
            State::New => {
                let estimate = self.estimate;
                self.start(now, &FIRST.map(|factor| factor * estimate));
            }
            State::Waiting { until, .. } if until <= now => {
                self.state = State::Idle;
                self.failed = true;
                self.next = now + self.interval.saturating_sub(WAIT);
                let longest = if self.estimate < LEAST { LONGEST_INTERVAL_BELOW } else { LONGEST_INTERVAL };
                self.interval = (self.interval * 2).min(longest);
                self.duration = (self.duration * 2).min(LONGEST_DURATION);
            }
            State::Idle if self.next <= now && self.is_more_wanted() => {
                let rate = self.estimate * if self.failed { AGAIN } else { FURTHER };
                self.start(now, &[rate]);
            }
            State::Waiting { .. } | State::Idle => {}
        }
    }

    pub(super) fn set_wanted(&mut self, now: Time, wanted: f64) {
        if wanted > self.wanted * MORE_WANTED && wanted > self.estimate {
            self.begin_afresh();
            self.next = self.next.min(now);
        }
        self.wanted = wanted;
    }

    /// Whether the first probes were planned.
    pub(super) fn has_begun(&self) -> bool {
        self.state != State::New
    }

    /// Nothing above this is looked for.
    pub(super) fn set_ceiling(&mut self, ceiling: f64) {
        self.ceiling = ceiling;
    }

    pub(super) fn set_permission(&mut self, permission: Permission) {
        self.permission = permission;
    }

    /// The estimate, and whether probing is allowed, after each report.
    pub(super) fn set_estimate(&mut self, now: Time, estimate: f64, permission: Permission) {
        if estimate < DROP * self.estimate {
            self.before_drop = Some((self.estimate, now));
            self.begin_afresh();
            self.next = now + self.interval;
        }
        self.estimate = estimate;
        self.permission = permission;
        if let State::Waiting { above, .. } = self.state
            && estimate > above
        {
            self.begin_afresh();
            if self.is_more_wanted() {
                self.start(now, &[estimate * FURTHER]);
            } else {
                self.state = State::Idle;
            }
        }
    }

    /// The queue that brought the estimate down is gone. Where little was sent, it may never have been one.
    pub(super) fn handle_recovery(&mut self, now: Time) {
        let Some((before, at)) = self.before_drop else { return };
        let rate = before * AFTER_DROP;
        let sought = self.sought_drop.is_some_and(|sought| now.since(sought) <= DROP_IS_RECENT);
        if self.state == State::Idle
            && rate * (1.0 - UNCERTAINTY) > self.estimate
            && now.since(at) < DROP_IS_RECENT
            && !sought
        {
            self.sought_drop = Some(now);
            self.start(now, &[rate]);
        }
    }

    fn begin_afresh(&mut self) {
        (self.interval, self.duration, self.failed) = (SHORTEST_INTERVAL, DURATION, false);
    }

    fn is_more_wanted(&self) -> bool {
        self.estimate < (self.wanted.max(ALWAYS_WANTED) * ENOUGH).min(self.ceiling)
    }

    /// Starts probes at these rates, lowest first.
    fn start(&mut self, now: Time, rates: &[f64]) {
        let most = (self.wanted.max(ALWAYS_WANTED) * MOST).min(self.ceiling);
        let most = match self.permission {
            Permission::Free => most,
            Permission::SmallSteps => most.min((self.estimate * WHILE_LOSSY).max(LEAST)),
            Permission::No => {
                self.state = State::Idle;
                self.next = now + HELD;
                return;
            }
        };
        let mut last = 0.0;
        for rate in rates {
            let rate = rate.max(LEAST).min(most);
            if rate > last && rate > self.estimate {
                last = rate;
                self.add(rate);
            }
        }
        self.next = now + self.interval;
        let above = (last * SUCCESS).max(self.estimate * RISE);
        self.state = State::Waiting { until: now + WAIT, above };
    }

    fn add(&mut self, rate: f64) {
        let id = ProbeId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        let bytes = (rate * self.duration.as_secs_f64() / 8.0) as u32;
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
