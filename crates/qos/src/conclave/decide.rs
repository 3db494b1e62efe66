//! The decisions: what is believed of the path, and what is sent because of it.

use std::time::Duration;

use super::path::{Delivery, Surge};
use super::{Conclave, PACKET, bps, losses};
use crate::{Bitrate, NetworkState, Time};

/// The queue that is aimed at, ms: this, and [`AIM`] at 1 Mbit/s by the root of the rate, so that of two flows the one
/// that has more gives way first. Twice as much makes rates equal faster, and everybody wait longer.
const LEAST_AIM: f64 = 2.0;
const AIM: f64 = 13.0;
const AIM_RATE: f64 = 1e6;
/// At low rates a single packet takes longer than that: one that waits is no queue yet...
const PACKETS_AIMED_AT: f64 = 1.25;
/// ...but more than this is aimed at nowhere, ms.
const MOST_AIM: f64 = 45.0;
/// What the queue is off is to be gone after this, ms: two reports' intervals and what a frame takes. Shorter, frames that
/// differ in size make the rate flutter; longer, what is wrong in the capacity becomes queue.
const CORRECTS: f64 = 200.0;
/// However long the queue, this share of the capacity is sent: 300 ms are drained in .7 s, and a picture remains.
const LEAST_GAIN: f64 = 0.55;
/// Others may not drain as we do: of the queue that was seen last, this share is taken to stand whatever was sent less.
const DOUBT: f64 = 0.2;
/// If all packets were marked (ECN), it would count as this queue, ms; less in proportion.
const MARKED: f64 = 40.0;

/// How much of the difference to what arrives a report takes over: upward, while there is no queue...
const RISES: f64 = 0.5;
/// ...downward, while one grows or is long...
const FALLS: f64 = 0.7;
/// ...and both ways while a queue of the right length stands. More, and chance makes rates wander; less, and they take
/// longer to become equal.
const SETTLES: f64 = 0.25;
/// Below this share of what was believed, there is no point in going there by steps: the path has changed.
const COLLAPSED: f64 = 0.5;
/// A queue of so many times what is aimed at says that more was believed than there is.
const LONG: f64 = 2.5;
/// What share of what an encoder left out of its target is taken for what would have arrived. None, and a flow that by
/// chance sends less loses what it leaves; all, and one that wants little gives way too slowly.
const FORGIVES: f64 = 0.5;
/// How fast the mean of targets follows, each report: as far back as the packets are that are reported.
const ALLOWED_FOLLOWS: f64 = 0.25;
/// Arriving at less than this share of the rate of sending, a queue grows.
const GROWS: f64 = 0.95;

/// A shorter queue than this, ms, may be none: bursts of the pacer...
const EMPTY: f64 = 3.0;
/// ...and by so much more at most where delays vary anyway.
const MOST_JITTER: f64 = 6.0;
/// What arrives says what the path carries if what was sent lately came to this share of the target.
const USED: f64 = 0.85;
const USED_OVER: Duration = Duration::from_millis(400);

/// The queue is drained if it was not seen empty for this long, so that the base delay is seen, by those who came
/// later, too. All see it at once, so from then on all drain at once.
const DRAIN_EVERY: Duration = Duration::from_secs(4);
/// By pacing at this share (the target stays: encoders and layers need not know), until what is expected to stand is gone so many times over and so many ms more.
const DRAIN_PACE: f64 = 0.5;
const DRAINS_OVER: f64 = 1.5;
const DRAINS_MORE: f64 = 10.0;
const LONGEST_DRAIN: f64 = 500.0;
/// A queue that fell to this share of its mean is being drained by somebody: who joins sees its end...
const JOIN: f64 = 0.6;
/// ...but not more often than this.
const JOIN_AFTER: Duration = Duration::from_secs(2);
/// How fast the mean of queues follows, each report: about a second.
const MEAN_FOLLOWS: f64 = 0.1;
/// For so long beyond an answer, what arrives tells of a drain and not of the path.
const DRAIN_SHOWS: Duration = Duration::from_millis(350);

/// This much is always worth looking for, bit/s, so that a picture can start at once where there was only sound...
const ALWAYS_WANTED: f64 = 1e6;
/// ...and this multiple of what is wanted: frames differ.
const ENOUGH: f64 = 1.2;
/// No queue for so long beyond an answer, although as much was sent as was believed to fit: there is room for more.
const FREE: Duration = Duration::from_millis(400);
/// Meaning to send less than this share of the target, an application waits for room for its next layer.
pub(super) const PARTIAL: f64 = 0.85;

/// For so long after a pause...
const CLAIM: Duration = Duration::from_millis(2_000);
/// ...this multiple of what was there before is sent, and nothing less is believed: others have taken it, and give way
/// only as they see the queue; after the start, no less than what is believed...
const CLAIMS: f64 = 1.3;
/// ...but only while it is shorter than this, ms: then it was not only others.
const CLAIM_QUEUE: f64 = 80.0;

/// A frame may leave this much faster than the target. More makes no frame arrive earlier where the target is what the
/// path carries: it waits in the path's queue instead of the pacer's, and others wait with it.
const PACE: f64 = 1.05;
/// Where the application has long meant to send less than it may and nothing queues, frames leave this much faster: they
/// are through sooner, and nobody waits with them (`goog_cc_network_control.cc`, `kDefaultPaceMultiplier`).
const PACE_WITH_ROOM: f64 = 2.5;
/// The window has room for so many times the interval of reports, and this much more for how frames differ, ms...
const WINDOW_REPORTS: f64 = 1.5;
const WINDOW_SLACK: f64 = 50.0;
/// ...and for this many bytes in any case: a few packets, so that reports keep coming.
const LEAST_WINDOW: f64 = 6_000.0;
/// Beside others that keep queues, round trips vary by a part of that queue, s.
const WINDOW_RIVAL: f64 = 0.1;
/// More than this is not kept full, s: it would be an outage.
const LONGEST_KEPT: f64 = 1.0;
/// As for every controller: where the target is so many times what is sent, a frame is through before the next one.
const AMPLE: f64 = 2.0;
/// Assumed before the first report.
const ROUND_TRIP: Duration = Duration::from_millis(200);

impl Conclave {
    /// The queue that is aimed at, ms.
    pub(super) fn aim(&self) -> f64 {
        let capacity = self.capacity.max(1.0);
        let aim = LEAST_AIM + AIM * (AIM_RATE / capacity).sqrt();
        aim.max(PACKETS_AIMED_AT * 1_000.0 * PACKET / capacity).min(MOST_AIM)
    }

    /// A shorter queue than this may be none, ms.
    pub(super) fn nothing(&self) -> f64 {
        EMPTY + self.path.jitter().min(MOST_JITTER)
    }

    pub(super) fn is_long(&self) -> bool {
        self.queue > LONG * self.aim()
    }

    pub(super) fn round_trip(&self) -> Duration {
        self.round_trip.unwrap_or(ROUND_TRIP)
    }

    /// How long it takes until what is sent now is reported.
    pub(super) fn answer(&self) -> Duration {
        self.round_trip() + self.interval
    }

    /// Whether too little is sent for what arrives to tell what the path carries.
    pub(super) fn is_limited(&self, now: Time) -> bool {
        self.flight.rate(now, USED_OVER) < USED * self.target
    }

    /// Whether sending has just gone on after a pause.
    fn has_claim(&self, now: Time) -> bool {
        self.resumed.is_some_and(|resumed| now.since(resumed) < CLAIM) && self.queue < CLAIM_QUEUE
    }

    /// The bounds of the target, bit/s; the first is not above the second.
    pub(super) fn bounds(&self) -> (f64, f64) {
        let ceiling = self.remote_limit.map_or(self.limits.ceiling, |limit| limit.min(self.limits.ceiling));
        let low = bps(self.limits.floor);
        (low, bps(ceiling).max(low))
    }

    /// What is worth looking for, bit/s; within the bounds.
    pub(super) fn worth(&self) -> f64 {
        let (low, high) = self.bounds();
        (bps(self.demand.wanted).max(ALWAYS_WANTED) * ENOUGH).clamp(low, high)
    }

    /// Believes at once that the path carries less, where all of the latest packets say so.
    pub(super) fn handle_surge(&mut self, now: Time, surge: Surge) {
        let arrived = surge.arrived / (1.0 - self.losses.inherent());
        let is_less = surge.queue > LONG * self.aim() && arrived < COLLAPSED * self.capacity;
        if !is_less || self.losses.is_trying() || self.competition.is_on() || self.has_claim(now) {
            return;
        }
        self.queue = self.queue.max(surge.queue);
        self.capacity = arrived;
        self.allowed = self.allowed.min(arrived);
    }

    /// Believes what arrived of what was sent.
    pub(super) fn update_capacity(&mut self, now: Time, delivery: Delivery) {
        // Chance takes its share of what the path carries, too.
        let through = 1.0 - self.losses.inherent();
        let (sent, arrived) = (delivery.sent / through, delivery.arrived / through);
        self.arrived = Some(arrived);
        self.is_growing = delivery.growth > self.aim() / 2.0 && arrived < sent * GROWS && self.queue > self.aim();
        if self.losses.is_trying() {
            return;
        }
        let has_queue = delivery.least_queue > self.nothing();
        if has_queue && (self.is_growing || self.is_long()) {
            // Who sends little anyway learns nothing from a queue that stands.
            let tells = self.is_growing || !self.is_limited(now);
            if tells && arrived < self.capacity && !self.has_claim(now) {
                let share = if arrived < COLLAPSED * self.capacity { 1.0 } else { FALLS };
                self.capacity += share * (arrived - self.capacity);
                self.probes.handle_deception(now, self.capacity);
                // What was allowed before is of a path that is no longer so.
                self.allowed = self.allowed.min(self.capacity);
            }
        } else if has_queue && !self.is_limited(now) && now.since(self.drained) > DRAIN_SHOWS + self.answer() {
            let all = self.allowed * (arrived / sent.max(1.0)).min(1.0);
            let carried = FORGIVES * all + (1.0 - FORGIVES) * arrived.min(sent);
            if carried > self.capacity || !self.has_claim(now) {
                self.capacity += SETTLES * (carried - self.capacity);
            }
        } else if !has_queue && !self.is_growing {
            let carried = arrived.min(sent);
            self.capacity += RISES * (carried - self.capacity).max(0.0);
        }
    }

    /// Sends so much that the queue is what is aimed at.
    pub(super) fn update_target(&mut self, now: Time) {
        let (low, high) = self.bounds();
        self.capacity = self.capacity.clamp(low, high);
        self.expected = self.path.expected_queue(now, &self.flight, self.capacity);
        let queue = self.expected.max(self.queue * DOUBT) + self.marks * MARKED;
        let least = match (self.has_claim(now), self.has_paused) {
            (true, true) => CLAIMS,
            (true, false) => 1.0,
            (false, _) => LEAST_GAIN,
        };
        let mut rate = self.capacity * (1.0 + (self.aim() - queue) / CORRECTS).max(least);
        if self.losses.is_trying() {
            rate = rate.min(self.capacity * losses::TRIAL);
        }
        if let Some(rival) = self.competition.rate(now) {
            rate = rival;
        }
        self.target = rate.clamp(low, high);
    }

    /// Remembers the target, for when what is sent now is reported. Call once for each report.
    pub(super) fn remember_target(&mut self) {
        self.allowed += ALLOWED_FOLLOWS * (self.target - self.allowed);
    }

    /// Begins and ends drains. Call once for each report.
    pub(super) fn update_drain(&mut self, now: Time) {
        let is_empty = self.queue < self.nothing();
        if is_empty {
            self.empty = now;
        }
        self.end_drain(now, is_empty);
        let falls = !is_empty && self.queue < JOIN * self.mean_queue && now.since(self.drained) > JOIN_AFTER;
        self.mean_queue += MEAN_FOLLOWS * (self.queue - self.mean_queue);
        let is_due = falls || now.since(self.empty) > DRAIN_EVERY;
        if self.drain.is_none() && is_due && !self.competition.is_on() {
            let less = (self.expected * DRAINS_OVER + DRAINS_MORE) / (1.0 - DRAIN_PACE);
            self.drained = now;
            self.drain = Some(now + Duration::from_micros((less.min(LONGEST_DRAIN) * 1_000.0) as u64));
        }
    }

    /// The present drain is over if its time is, or the queue is empty.
    pub(super) fn end_drain(&mut self, now: Time, is_empty: bool) {
        if self.drain.is_some_and(|until| is_empty || now >= until) {
            self.drain = None;
            self.empty = now;
            self.path.handle_drain();
        }
    }

    /// Looks for more where there may be more: at first; where all of the target is sent and no queue comes; and where
    /// less is, since the next layer does not fit, for then nothing but a probe shows it.
    pub(super) fn consider_probe(&mut self, now: Time) {
        let is_free = now.since(self.full.max(self.drained)) > FREE + self.answer() && !self.is_limited(now);
        let is_partial = now.since(self.filled) > FREE && self.queue < self.aim();
        let may_be = if self.probes.has_begun() { self.reported.is_some() && (is_free || is_partial) } else { true };
        let is_held =
            self.silence.is_too_long() || self.losses.is_trying() || self.competition.is_on() || self.drain.is_some();
        let worth = self.worth();
        if !may_be || is_held || self.target >= worth {
            return;
        }
        if is_free {
            self.probes.hurry(now);
        }
        self.probes.consider(now, self.target, worth, self.round_trip());
    }

    /// bit/s
    pub(super) fn pacing(&self) -> f64 {
        if self.drain.is_some() {
            self.target * DRAIN_PACE
        } else if self.expected > 2.0 * self.aim() {
            self.target
        } else if self.has_room() {
            self.target * PACE_WITH_ROOM
        } else {
            self.target * PACE
        }
    }

    /// How many bytes may be on their way: what the path carries in a round trip without queue, and until it is reported.
    pub(super) fn window_size(&self) -> u64 {
        let queue = self.queue / 1_000.0;
        let own = (self.round_trip().as_secs_f64() - queue).max(0.0);
        let kept = if self.competition.is_on() { queue.min(LONGEST_KEPT) + WINDOW_RIVAL } else { 0.0 };
        let slack = (2.0 * self.aim() + WINDOW_SLACK) / 1_000.0;
        let time = own + kept + self.interval.as_secs_f64() * WINDOW_REPORTS + slack;
        (self.capacity * time / 8.0).max(LEAST_WINDOW) as u64
    }

    /// Whether the path carries far more than is to be sent, as far as anything tells.
    pub(super) fn is_ample(&self) -> bool {
        self.demand.sending > Bitrate::ZERO
            && self.target >= bps(self.demand.sending) * AMPLE
            && self.queue < self.aim()
            && !self.competition.is_on()
            && !self.silence.is_too_long()
    }

    /// Whether less has been sent for some time than would fit.
    fn has_room(&self) -> bool {
        // What is claimed after a pause has yet to be shown to fit.
        let is_partial = |reported: Time| reported.since(self.filled) > FREE && !self.has_claim(reported);
        self.reported.is_some_and(is_partial) && self.queue < self.aim() && !self.competition.is_on()
    }

    pub(super) fn state(&self) -> NetworkState {
        if self.silence.is_too_long() {
            NetworkState::Silent
        } else if self.is_growing {
            NetworkState::Overused
        } else if self.is_long() {
            NetworkState::Draining
        } else if self.losses.is_trying() {
            NetworkState::Lossy
        } else {
            NetworkState::Steady
        }
    }
}
