//! Conclave's own congestion control.

mod competition;
mod flight;
mod losses;
mod path;
mod probes;

use std::time::Duration;

use crate::silence::{self, Silence};
use crate::{
    Bitrate, CongestionController, Control, Demand, Ecn, Limits, NetworkState, PacketResult, Probe, SentPacket,
    Snapshot, Time,
};
use competition::{Competition, Seen};
use flight::Flight;
use losses::{Losses, Verdict};
use path::{Delivery, Path};
use probes::Probes;

/// Packets that left within this, µs, are one group: what a pacer sends at once (`delay_based_bwe.cc`,
/// `kSendTimeGroupLength`).
const SLOT: i64 = 5_000;
/// A longer queue counts as one of this, ms.
const LONGEST_QUEUE: f64 = 2_000.0;
/// Arrival times beyond this are the other end's invention; with it, differences fit 64 bits.
const LATEST_ARRIVAL: u128 = 1 << 60;

/// A packet of usual size, bits.
const PACKET: f64 = 9_600.0;

/// The queue that is aimed at, ms: this...
const LEAST_AIM: f64 = 2.0;
/// ...and this at 1 Mbit/s, by the square root of the rate...
const AIM: f64 = 16.0;
const AIM_RATE: f64 = 1e6;
/// ...but not more than this.
const MOST_AIM: f64 = 45.0;
/// What differs from that queue is to be gone after this, ms.
const CORRECTS: f64 = 200.0;
/// Not less than this share of the capacity is sent, however long the queue is.
const LEAST_GAIN: f64 = 0.25;
/// Others may not drain as we do: this share of the queue that was seen last is taken to stand.
const DOUBT: f64 = 0.2;
/// A share of marked packets counts as a queue, ms for all of them.
const MARKED: f64 = 40.0;
const MARKS_FOLLOW: f64 = 0.25;
/// How much of the difference between the capacity and what arrives is taken over by a report.
const RISES: f64 = 0.5;
const FALLS: f64 = 0.7;
/// Below this share of what was believed, there is no point in going there by steps.
const COLLAPSED: f64 = 0.5;
/// A queue of so many times what is aimed at is a sign that the capacity has fallen.
const LONG: f64 = 2.5;
const SETTLES: f64 = 0.25;
/// What share of what was not sent is taken for what would have arrived.
const FORGIVES: f64 = 0.5;
/// How fast the mean of targets follows, each report: as a round trip and the time that a delivery is measured over.
const ALLOWED_FOLLOWS: f64 = 0.25;
/// A queue that is shorter than this, ms, may be none.
const EMPTY: f64 = 3.0;
/// ...and by so much more at most where delays vary anyway.
const MOST_JITTER: f64 = 6.0;
/// What arrives says what the path carries for us if what was sent came to this share of the target.
const USED: f64 = 0.85;
const USED_OVER: Duration = Duration::from_millis(400);
/// The queue is drained if it was not seen empty for this long.
const DRAIN_EVERY: Duration = Duration::from_secs(4);
/// For so long beyond an answer, what arrives tells of a drain and not of the path.
const DRAIN_SHOWS: Duration = Duration::from_millis(350);
const DRAIN_PACE: f64 = 0.5;
/// Pacing.
const PACE: f64 = 1.05;
const AMPLE: f64 = 2.0;
/// This much is always worth looking for, so that a picture can start at once where there was only sound.
const ALWAYS_WANTED: f64 = 1e6;
const ENOUGH: f64 = 1.2;
/// A queue that was empty for so long although as much was sent as was believed to fit: there is room for more.
const FREE: Duration = Duration::from_millis(400);
/// Less than this share of the target is sent since the next layer does not fit.
const PARTIAL: f64 = 0.85;
/// Nothing sent for so long is a pause...
const PAUSE: Duration = Duration::from_secs(1);
/// ...and for so long after it, this share of what was there before is held, while the queue is shorter than this, ms.
const CLAIM: Duration = Duration::from_millis(1_500);
const CLAIMS: f64 = 0.92;
const CLAIM_QUEUE: f64 = 80.0;
const JOIN: f64 = 0.6;
const JOIN_AFTER: Duration = Duration::from_secs(2);
const FORGET: Duration = Duration::from_secs(2);

/// Conclave's own congestion control.
#[derive(Debug)]
pub struct Conclave {
    limits: Limits,
    /// What the path carries for us, bit/s.
    capacity: f64,
    target: f64,
    /// The mean of the latest targets, bit/s: of those that the latest reports tell of, about.
    allowed: f64,
    path: Path,
    flight: Flight,
    losses: Losses,
    probes: Probes,
    competition: Competition,
    silence: Silence,
    demand: Demand,
    remote_limit: Option<Bitrate>,
    round_trip: Option<Duration>,
    reported: Option<Time>,
    interval: Duration,
    arrived: Option<f64>,
    /// ms
    queue: f64,
    expected: f64,
    marks: f64,
    /// When the queue was last empty.
    empty: Time,
    /// Paced less until then, so that the queue drains.
    drain: Option<Time>,
    /// When the application last meant to send about all that it may.
    filled: Time,
    /// When there was a queue.
    full: Time,
    /// When sending last began after a pause.
    resumed: Option<Time>,
    last_sent: Option<Time>,
    /// The queue's mean, ms.
    mean_queue: f64,
    drained: Time,
    /// The packet that is to be reported next.
    next_sequence: Option<u64>,
    growing: bool,
}

impl Conclave {
    /// Nothing known of the path yet. A floor above the ceiling is taken as the ceiling.
    pub fn new(limits: Limits) -> Self {
        let floor = limits.floor.min(limits.ceiling);
        let start = limits.start.clamp(floor, limits.ceiling);
        Self {
            limits: Limits { start, floor, ceiling: limits.ceiling },
            capacity: bps(start),
            target: bps(start),
            allowed: bps(start),
            path: Path::default(),
            flight: Flight::default(),
            losses: Losses::default(),
            probes: Probes::default(),
            competition: Competition::default(),
            silence: Silence::default(),
            demand: Demand::default(),
            remote_limit: None,
            round_trip: None,
            reported: None,
            interval: Duration::from_millis(50),
            arrived: None,
            queue: 0.0,
            expected: 0.0,
            marks: 0.0,
            empty: Time::default(),
            drain: None,
            full: Time::default(),
            filled: Time::default(),
            resumed: None,
            last_sent: None,
            mean_queue: 0.0,
            drained: Time::default(),
            next_sequence: None,
            growing: false,
        }
    }

    fn aim(&self) -> f64 {
        let packet = 1.25 * 1_000.0 * PACKET / self.capacity.max(1.0);
        (LEAST_AIM + AIM * (AIM_RATE / self.capacity.max(1.0)).sqrt()).max(packet).min(MOST_AIM)
    }

    /// A shorter queue than this may be none, ms.
    fn nothing(&self) -> f64 {
        EMPTY + self.path.jitter().min(MOST_JITTER)
    }

    fn answer(&self) -> Duration {
        self.round_trip.unwrap_or(Duration::from_millis(100)) + self.interval
    }

    /// Whether too little is sent for what arrives to tell what the path carries.
    fn is_limited(&self, now: Time) -> bool {
        self.flight.rate(now, USED_OVER) < USED * self.target
    }

    /// Whether it has just gone on after a pause: others have taken what it had, and give way as the queue grows.
    fn has_claim(&self, now: Time) -> bool {
        self.resumed.is_some_and(|resumed| now.since(resumed) < CLAIM) && self.queue < CLAIM_QUEUE
    }

    fn most(&self) -> f64 {
        let ceiling = self.remote_limit.map_or(self.limits.ceiling, |limit| limit.min(self.limits.ceiling));
        bps(ceiling).max(bps(self.limits.floor))
    }

    fn worth(&self) -> f64 {
        let wanted = if self.demand.wanted > Bitrate::ZERO { bps(self.demand.wanted) } else { 0.0 };
        (wanted.max(ALWAYS_WANTED) * ENOUGH).min(self.most())
    }

    fn take_in(&mut self, now: Time, results: &[PacketResult]) -> Option<(u32, u32)> {
        let (mut packets, mut lost, mut marked) = (0_u32, 0_u32, 0_u32);
        let mut latest = i64::MIN;
        let known = self.next_sequence;
        let mut after_hole = self.is_after_hole(results);
        for result in results {
            if result.received.is_some() && known.is_some_and(|next| result.sequence < next) {
                // Was told to be lost, and came late.
                self.losses.handle_late_arrival();
                continue;
            }
            packets += 1;
            let Some(received) = result.received else {
                lost += 1;
                continue;
            };
            let arrived = received.as_micros().min(LATEST_ARRIVAL) as i64;
            latest = latest.max(arrived);
            marked += u32::from(result.ecn == Ecn::Ce);
            self.path.handle_packet(now, micros(result.sent.at), arrived, result.sent.size, after_hole);
            after_hole = false;
            self.probes.handle_packet(result, arrived);
        }
        if packets == lost {
            return (packets > 0).then_some((packets, lost));
        }
        let round_trip = results
            .iter()
            .filter_map(|result| {
                let arrived = result.received?.as_micros().min(LATEST_ARRIVAL) as i64;
                let waited = Duration::from_micros(latest.abs_diff(arrived));
                Some(now.since(result.sent.at).saturating_sub(waited))
            })
            .min();
        if let Some(round_trip) = round_trip {
            self.round_trip = Some(round_trip);
            self.silence.handle_report(now, round_trip);
        }
        let share = f64::from(marked) / f64::from((packets - lost).max(1));
        self.marks += MARKS_FOLLOW * (share - self.marks);
        Some((packets, lost))
    }

    /// Whether a report between this and the latest got lost.
    fn is_after_hole(&mut self, results: &[PacketResult]) -> bool {
        let (Some(first), Some(last)) = (results.first(), results.last()) else { return false };
        let hole = self.next_sequence.is_some_and(|next| first.sequence > next);
        let next = last.sequence.saturating_add(1);
        self.next_sequence = Some(self.next_sequence.map_or(next, |before| before.max(next)));
        hole
    }

    fn update_capacity(&mut self, now: Time, delivery: Option<Delivery>) {
        let Some(delivery) = delivery else { return };
        let through = 1.0 - self.losses.inherent();
        let sent = delivery.sent / through;
        let arrived = delivery.arrived / through;
        self.arrived = Some(arrived);
        self.growing = delivery.growth > self.aim() / 2.0 && arrived < sent * 0.95 && self.queue > self.aim();
        let limited = self.is_limited(now);
        if self.losses.is_trying() {
            return;
        }
        let has_queue = delivery.least_queue > self.nothing();
        let is_long = self.queue > LONG * self.aim();
        if has_queue && (self.growing || is_long) {
            // While others have yet to give way, a queue does not mean that the path carries less.
            if arrived < self.capacity && !self.has_claim(now) {
                let share = if arrived < COLLAPSED * self.capacity { 1.0 } else { FALLS };
                self.capacity += share * (arrived - self.capacity);
            }
        } else if has_queue && !limited && now.since(self.drained) > DRAIN_SHOWS + self.answer() {
            // As if the whole target had been sent: what the encoder left out says nothing of the path; but believed by
            // half only, so that who asks for little gives way to who asks for more.
            let all = self.allowed * (arrived / sent.max(1.0)).min(1.0);
            let carried = FORGIVES * all + (1.0 - FORGIVES) * arrived.min(sent);
            if carried > self.capacity || !self.has_claim(now) {
                self.capacity += SETTLES * (carried - self.capacity);
            }
        } else if !has_queue && !self.growing {
            let carried = arrived.min(sent);
            self.capacity += RISES * (carried - self.capacity).max(0.0);
        }
    }

    fn update_target(&mut self, now: Time) {
        let (low, high) = (bps(self.limits.floor), self.most());
        self.capacity = self.capacity.clamp(low, high);
        self.expected = self.path.expected_queue(now, &self.flight, self.capacity);
        let marks = self.marks * MARKED;
        let least = if self.has_claim(now) { CLAIMS } else { LEAST_GAIN };
        let gain = (1.0 + (self.aim() - self.expected.max(self.queue * DOUBT) - marks) / CORRECTS).max(least);
        let mut rate = self.capacity * gain;
        if self.losses.is_trying() {
            rate = rate.min(self.capacity * losses::TRIAL);
        }
        if self.drain.is_some() {
            rate = rate.min(self.capacity * DRAIN_PACE);
        }
        if let Some(rival) = self.competition.rate(now) {
            rate = rival;
        }
        self.target = rate.clamp(low, high);
        self.allowed += ALLOWED_FOLLOWS * (self.target - self.allowed);
    }

    fn update_drain(&mut self, now: Time) {
        if self.queue < self.nothing() {
            self.empty = now;
            if self.drain.take().is_some() {
                self.path.handle_drain();
            }
        }
        if self.drain.is_some_and(|until| now >= until) {
            self.drain = None;
            self.empty = now;
            self.path.handle_drain();
        }
        let joins = self.queue < JOIN * self.mean_queue && now.since(self.drained) > JOIN_AFTER;
        self.mean_queue += 0.1 * (self.queue - self.mean_queue);
        let is_due = now.since(self.empty) > DRAIN_EVERY || (joins && self.queue > self.nothing());
        if self.drain.is_none() && is_due && !self.competition.is_on() {
            self.drained = now;
            let length = (self.expected * 1.5 + 10.0) / (1.0 - DRAIN_PACE);
            self.drain = Some(now + Duration::from_secs_f64(length.min(500.0) / 1_000.0));
        }
    }

    fn consider_probe(&mut self, now: Time) {
        let held = self.silence.is_too_long()
            || self.losses.is_trying()
            || self.competition.is_on()
            || self.drain.is_some()
            || (self.reported.is_none() && self.probes.has_begun());
        let (estimate, worth) = (self.target, self.worth());
        // Room shows where all of the target is sent and no queue comes. Where less is, since layers do not fill it, only
        // a probe shows it.
        let is_free = now.since(self.full.max(self.drained)) > FREE + self.answer() && !self.is_limited(now);
        let is_partial = now.since(self.filled) > FREE && self.queue < self.aim();
        if !held && is_free {
            self.probes.hurry(now);
        }
        let held = held || (self.probes.has_begun() && !is_free && !is_partial);
        if !held && estimate < worth {
            self.probes.consider(now, estimate, worth, self.round_trip.unwrap_or(Duration::from_millis(200)));
        }
    }

    fn is_ample(&self) -> bool {
        let sending = bps(self.demand.sending);
        sending > 0.0
            && self.target >= sending * AMPLE
            && self.queue < self.aim()
            && !self.competition.is_on()
            && !self.silence.is_too_long()
    }

    fn state(&self) -> NetworkState {
        if self.silence.is_too_long() {
            NetworkState::Silent
        } else if self.growing {
            NetworkState::Overused
        } else if self.queue > 2.0 * self.aim() {
            NetworkState::Draining
        } else if self.losses.is_trying() {
            NetworkState::Lossy
        } else {
            NetworkState::Steady
        }
    }
}

impl CongestionController for Conclave {
    fn handle_sent(&mut self, packet: &SentPacket) {
        self.flight.handle_sent(packet.at, packet.size);
        if self.last_sent.is_none_or(|sent| packet.at.since(sent) > PAUSE) {
            self.resumed = Some(packet.at);
        }
        self.last_sent = Some(packet.at);
        self.silence.handle_sent(packet.at);
    }

    fn handle_feedback(&mut self, now: Time, results: &[PacketResult]) {
        if let Some(reported) = self.reported {
            let passed = now.since(reported);
            if passed > FORGET {
                self.path.forget();
            } else {
                self.interval = (self.interval * 7 + passed) / 8;
            }
        }
        let Some(counts) = self.take_in(now, results) else { return };
        self.reported = Some(now);
        self.path.handle_report();
        self.queue = self.path.queue();
        let is_long = self.queue > LONG * self.aim();
        let delivery = self.path.delivery(if is_long { path::DELIVERY_QUEUED } else { path::DELIVERY });
        self.update_capacity(now, delivery);
        let arrived = self.arrived.unwrap_or(self.capacity);
        let has_queue = self.queue > self.aim();
        let verdict = self.losses.handle_report(now, counts, has_queue, arrived, self.answer());
        if let Verdict::Congestion(rate) = verdict {
            self.capacity = self.capacity.min(rate * 0.98);
            self.probes.handle_deception(now, self.capacity);
        }
        let round_trip = self.round_trip.unwrap_or(Duration::from_millis(200));
        if let Some(found) = self.probes.handle_report(now, self.target, self.worth(), round_trip)
            && !self.growing
        {
            self.capacity = self.capacity.max(found.rate);
        }
        let seen = Seen {
            queue: self.queue,
            aim: self.aim(),
            sent: self.flight.rate(now, Duration::from_millis(200)),
            arrived,
            capacity: self.capacity,
            lost: counts.1 > 0 && has_queue,
            round_trip,
        };
        self.competition.handle_report(now, seen);
        self.competition.bound(bps(self.limits.floor), self.worth());
        if let Some(rate) = self.competition.rate(now) {
            self.capacity = rate;
        }
        self.probes.confirm(now);
        if self.queue >= self.nothing() {
            self.full = now;
        }
        self.update_drain(now);
        self.update_target(now);
        self.consider_probe(now);
    }

    fn handle_round_trip(&mut self, _now: Time, round_trip: Duration) {
        self.round_trip = Some(round_trip);
    }

    fn handle_remote_limit(&mut self, now: Time, limit: Option<Bitrate>) {
        self.remote_limit = limit;
        self.update_target(now);
    }

    fn handle_demand(&mut self, now: Time, demand: Demand) {
        self.demand = demand;
        if bps(demand.sending) >= PARTIAL * self.target {
            self.filled = now;
        }
        self.consider_probe(now);
    }

    fn handle_timeout(&mut self, now: Time) {
        if self.silence.poll_fall(now) {
            self.capacity *= silence::KEPT;
            self.update_target(now);
        }
        if self.drain.is_some() {
            self.update_drain(now);
            self.update_target(now);
        }
        self.consider_probe(now);
    }

    fn poll_timeout(&self) -> Option<Time> {
        let probe = self.probes.poll_timeout();
        let next = self.drain.map_or(probe, |drain| drain.min(probe));
        Some(self.silence.poll_timeout().map_or(next, |silence| silence.min(next)))
    }

    fn control(&self) -> Control {
        let target = Bitrate::bps(self.target as u64).clamp(self.limits.floor, self.limits.ceiling);
        let pacing = if self.expected > 2.0 * self.aim() { self.target } else { self.target * PACE };
        Control { target, pacing: Bitrate::bps(pacing as u64), padding: Bitrate::ZERO, is_ample: self.is_ample() }
    }

    fn window(&self) -> Option<u64> {
        let round_trip = self.round_trip.unwrap_or(Duration::from_millis(200)).as_secs_f64() - self.queue / 1_000.0;
        let round_trip = if self.competition.is_on() { round_trip + self.queue / 1_000.0 + 0.1 } else { round_trip };
        let answer = round_trip.max(0.0) + self.interval.as_secs_f64() * 1.5 + (2.0 * self.aim() + 50.0) / 1_000.0;
        Some(((self.capacity * answer / 8.0) as u64).max(6_000))
    }

    fn poll_probe(&mut self) -> Option<Probe> {
        self.probes.poll()
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            target: self.control().target,
            delay_based: Bitrate::bps(self.capacity as u64),
            loss_based: None,
            acknowledged: self.arrived.map(|rate| Bitrate::bps(rate as u64)),
            loss: self.losses.share(),
            round_trip: self.round_trip,
            application_limited: false,
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

fn from_micros(micros: i64) -> Time {
    Time::since_start(Duration::from_micros(micros.max(0) as u64))
}
