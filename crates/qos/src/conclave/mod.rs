//! Conclave's own congestion control: a model of the path that every report corrects, and a rate that follows from it.
//!
//! Two things are believed: what the path carries for us (the capacity) and how long its queue is. Everything that is
//! sent is the capacity, times what brings the queue to where it is aimed at within a fifth of a second.
//!
//! - **The queue** ([`path`]) is the least delay of the latest packets above the least that was ever seen, less what
//!   jitter explains. A report is as old as half a round trip; what has been sent since ([`flight`]) is added to it and
//!   what has left since is taken off, so that a drain ends when it is enough and not a round trip later.
//! - **The capacity** ([`decide`]) is what arrives while a queue stands: at once where the queue grows or is long, slowly
//!   where it is as it should be. Without a queue it only rises. So an application that sends little neither lowers nor
//!   raises it.
//! - **The aim** is 15 ms at 1 Mbit/s, more for who has less, so that flows with the same controller become equal. Every
//!   few seconds the queue is emptied for a moment to see the base delay. Who sees others do it joins, so newcomers
//!   learn the base, too.
//! - **Room** ([`probes`]): where no queue comes although all was sent, and where an application waits for room for its
//!   next layer, trains of packets at higher rates look for more. A train that deceived makes the next ones longer.
//! - **Losses** ([`losses`]) with a queue are the queue's matter. Without one, a trial of sending less tells chance, which
//!   costs nothing from then on, from a path that cuts off.
//! - **Others** that keep queues full ([`competition`]) show as a queue that stays however much less is sent. As long as
//!   it never empties, the rate is that of a TCP flow.
//! - **Marks** (ECN) count as queue.
//! - **A window** bounds what is in flight to what the path carries until it is reported, so that an outage finds little
//!   on its way, and [`Silence`] lowers the rate where nothing is heard.
//! - **A longer way** ([`competition`]) shows as a delay that comes in one step and answers to nothing; it is no queue.
//! - **A pause** is no loss of what was there: for a moment after it, the former rate is claimed, and others give way.
//!
//! What it owes to others: the window and the queue as what is aimed at to SCReAM (RFC 8298), draining below what arrives
//! to NADA (RFC 8698), trains and the trial of losses to GCC, the switch to competing and aims by rate to Copa (NSDI
//! 2018), delivery rates, the windowed minimum and drains that synchronise themselves to BBR
//! (draft-ietf-ccwg-bbr).

mod competition;
mod decide;
mod flight;
mod losses;
mod path;
mod probes;

use std::time::Duration;

use crate::silence::{self, Silence};
use crate::{
    Bitrate, CongestionController, Control, Demand, Ecn, Limits, PacketResult, Probe, SentPacket, Snapshot, Time,
};
use competition::{Competition, Seen};
use flight::Flight;
use losses::{Losses, Outage, Verdict};
use path::Path;
use probes::Probes;

/// Packets that left within this, µs, are one group: what a pacer sends at once (`delay_based_bwe.cc`,
/// `kSendTimeGroupLength`).
const SLOT: i64 = 5_000;
/// A packet of usual size, bits.
const PACKET: f64 = 9_600.0;
/// A longer queue counts as one of this, ms.
const LONGEST_QUEUE: f64 = 2_000.0;
/// Arrival times beyond this, µs, are the other end's invention; with it, differences fit 64 bits.
const LATEST_ARRIVAL: u128 = 1 << 60;
/// Nothing sent for so long is a pause.
const PAUSE: Duration = Duration::from_secs(1);
/// After this long without a report, what was seen of the path is no longer so; but for the base delay.
const PATH_EXPIRES: Duration = Duration::from_secs(2);
/// How fast the share of marks follows, each report: SCReAM's alpha follows by 1/16 of each round trip's packets, in
/// about as long.
const MARKS_FOLLOW: f64 = 0.25;
/// What is sent is compared with what arrives over this.
const COMPARED_OVER: Duration = Duration::from_millis(200);
/// After losses turned out to be congestion, this share of what arrived is believed...
const CUT_OFF: f64 = 0.98;
/// ...and no more for so long; twice as long each time that it shows again soon. Chance that comes in bursts is mistaken
/// for a cut now and then, but not again and again.
const SHORTEST_CUT: Duration = Duration::from_secs(2);
const LONGEST_CUT: Duration = Duration::from_secs(8);
const CUT_AGAIN: Duration = Duration::from_secs(6);

/// Conclave's own congestion control.
///
/// Takes transport-wide feedback or RFC 8888, best each 50 ms, and marks. Bounded in memory (about 14 KiB), which is
/// allocated at once. Whatever is reported, the target stays within [`Limits`].
#[derive(Debug)]
pub struct Conclave {
    limits: Limits,
    /// What the path carries for us, bit/s.
    capacity: f64,
    /// bit/s
    target: f64,
    /// The mean of the targets of about when what is reported now was sent, bit/s.
    allowed: f64,
    path: Path,
    flight: Flight,
    losses: Losses,
    outage: Outage,
    probes: Probes,
    competition: Competition,
    silence: Silence,
    demand: Demand,
    remote_limit: Option<Bitrate>,
    round_trip: Option<Duration>,
    /// The latest report, and the mean time between two.
    reported: Option<Time>,
    interval: Duration,
    /// The packet that is to be reported next.
    next_sequence: Option<u64>,
    /// What arrives, bit/s.
    arrived: Option<f64>,
    /// The queue as it was when the latest packets arrived, its mean, and as a packet would find it that leaves now, ms.
    queue: f64,
    mean_queue: f64,
    expected: f64,
    is_growing: bool,
    /// The mean share of packets that were marked.
    marks: f64,
    /// When the queue was last seen empty, or drained; when it was last seen not to be.
    empty: Time,
    full: Time,
    /// Until then, losses say that the path carries no more than this, bit/s.
    cut: Option<(Time, f64)>,
    cut_for: Duration,
    was_cut: Time,
    /// Packets leave more slowly until then, so that the queue drains; when that last began.
    drain: Option<Time>,
    drained: Time,
    /// When the application last meant to send about all that it may.
    filled: Time,
    /// The latest packet, and when sending last began after a pause.
    sent: Option<Time>,
    resumed: Option<Time>,
    has_paused: bool,
}

/// What a report says of how many packets.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    packets: u32,
    lost: u32,
    /// Some of them were sent to probe.
    probed: bool,
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
            outage: Outage::default(),
            probes: Probes::default(),
            competition: Competition::default(),
            silence: Silence::default(),
            demand: Demand::default(),
            remote_limit: None,
            round_trip: None,
            reported: None,
            interval: Duration::from_millis(50),
            next_sequence: None,
            arrived: None,
            queue: 0.0,
            mean_queue: 0.0,
            expected: 0.0,
            is_growing: false,
            marks: 0.0,
            empty: Time::default(),
            full: Time::default(),
            cut: None,
            cut_for: SHORTEST_CUT,
            was_cut: Time::default(),
            drain: None,
            drained: Time::default(),
            filled: Time::default(),
            sent: None,
            resumed: None,
            has_paused: false,
        }
    }

    /// Takes the packets of a report in. `None`: nothing is new.
    fn handle_packets(&mut self, now: Time, results: &[PacketResult]) -> Option<Counts> {
        let known = self.next_sequence;
        let mut after_hole = self.is_after_hole(results);
        let mut counts = Counts::default();
        let mut marked = 0_u32;
        for result in results {
            let is_late = known.is_some_and(|next| result.sequence < next);
            counts.probed |= result.sent.probe.is_some();
            let Some(received) = result.received else {
                self.outage.handle_loss(result.sent.at);
                self.probes.handle_loss(result);
                continue;
            };
            if is_late {
                self.losses.handle_late_arrival();
                continue;
            }
            let lost = self.outage.handle_arrival();
            counts.packets += lost + 1;
            counts.lost += lost;
            marked += u32::from(result.ecn == Ecn::Ce);
            let arrived = arrival(received);
            self.path.handle_packet(now, micros(result.sent.at), arrived, result.sent.size, after_hole);
            self.probes.handle_packet(result, arrived);
            after_hole = false;
        }
        if let Some(round_trip) = PacketResult::round_trip(now, results) {
            self.round_trip = Some(round_trip);
            self.silence.handle_report(now, round_trip);
        }
        let lost = self.outage.count();
        (counts.packets, counts.lost) = (counts.packets + lost, counts.lost + lost);
        if counts.packets > counts.lost {
            let share = f64::from(marked) / f64::from(counts.packets - counts.lost);
            self.marks += MARKS_FOLLOW * (share - self.marks);
        }
        (!results.is_empty()).then_some(counts)
    }

    /// Whether a report between this and the latest got lost.
    fn is_after_hole(&mut self, results: &[PacketResult]) -> bool {
        let (Some(first), Some(last)) = (results.first(), results.last()) else { return false };
        let hole = self.next_sequence.is_some_and(|next| first.sequence > next);
        let next = last.sequence.saturating_add(1);
        self.next_sequence = Some(self.next_sequence.map_or(next, |before| before.max(next)));
        hole
    }

    /// What losses, probes and others say, in this order: each may correct what the one before made of the capacity.
    fn handle_evidence(&mut self, now: Time, counts: Counts) {
        let has_queue = self.queue > self.aim();
        let arrived = self.arrived.unwrap_or(self.capacity);
        let verdict = self.losses.handle_report(now, counts, has_queue, arrived, self.answer());
        if let Verdict::Congestion(rate) = verdict {
            self.capacity = self.capacity.min(rate * CUT_OFF);
            if !has_queue {
                // A queue will tell when there is room again.
                let is_again = now.since(self.was_cut) < CUT_AGAIN;
                self.cut_for = if is_again { (self.cut_for * 2).min(LONGEST_CUT) } else { SHORTEST_CUT };
                self.was_cut = now + self.cut_for;
                self.cut = Some((self.was_cut, self.capacity));
            }
            self.probes.handle_deception(now, self.capacity);
        }
        self.probes.handle_arrived(now, arrived);
        let found = self.probes.handle_report(now, self.target, self.worth(), self.round_trip());
        if let Some(rate) = found.filter(|rate| *rate > self.capacity && !self.is_growing) {
            self.capacity = rate;
            self.losses.handle_rise(now);
        }
        let seen = Seen {
            queue: self.queue,
            step: self.path.step(),
            aim: self.aim(),
            sent: self.flight.rate(now, COMPARED_OVER),
            arrived,
            capacity: self.capacity,
            lost: counts.lost > 0 && has_queue,
            round_trip: self.round_trip(),
        };
        if let Some((until, rate)) = self.cut {
            self.capacity = self.capacity.min(rate);
            self.cut = self.cut.filter(|_| now < until);
        }
        if let Some(held) = self.competition.held(now).filter(|_| !self.is_growing) {
            self.capacity = self.capacity.max(held);
        }
        if let Some(before) = self.competition.handle_report(now, seen) {
            self.path.handle_longer_way(now);
            self.queue = self.path.queue();
            self.capacity = self.capacity.max(before);
        }
        self.competition.bound(bps(self.limits.floor), self.worth());
        if let Some(rate) = self.competition.rate(now) {
            self.capacity = rate;
        }
    }
}

impl CongestionController for Conclave {
    fn handle_sent(&mut self, packet: &SentPacket) {
        if self.sent.is_none_or(|sent| packet.at.since(sent) > PAUSE) {
            self.has_paused = self.sent.is_some();
            self.resumed = Some(packet.at);
        }
        self.sent = Some(packet.at);
        self.flight.handle_sent(packet.at, packet.size);
        self.silence.handle_sent(packet.at);
    }

    fn handle_feedback(&mut self, now: Time, results: &[PacketResult]) {
        let passed = self.reported.map_or(Duration::ZERO, |reported| now.since(reported));
        if passed > PATH_EXPIRES {
            self.path.forget();
        }
        let Some(counts) = self.handle_packets(now, results) else { return };
        if self.reported.is_some() && passed <= PATH_EXPIRES {
            self.interval = (self.interval * 7 + passed) / 8;
        }
        self.reported = Some(now);
        self.path.handle_report();
        self.queue = self.path.queue();
        if self.queue >= self.nothing() {
            self.full = now;
        }
        if let Some(delivery) = self.path.delivery(self.is_long()) {
            self.update_capacity(now, delivery);
        }
        if let Some(surge) = self.path.surge() {
            self.handle_surge(now, surge);
        }
        self.handle_evidence(now, counts);
        self.update_drain(now);
        self.update_target(now);
        self.remember_target();
        self.consider_probe(now);
    }

    fn handle_round_trip(&mut self, _now: Time, round_trip: Duration) {
        self.round_trip = Some(round_trip);
    }

    fn handle_remote_limit(&mut self, now: Time, limit: Option<Bitrate>) {
        self.remote_limit = limit;
        self.update_target(now);
    }

    fn handle_route_change(&mut self, _now: Time) {
        *self = Self { demand: self.demand, remote_limit: self.remote_limit, ..Self::new(self.limits) };
    }

    fn handle_demand(&mut self, now: Time, demand: Demand) {
        self.demand = demand;
        // The queue that is expected changes with time, and reports may be a quarter of a second apart.
        self.update_target(now);
        if bps(demand.sending) >= decide::PARTIAL * self.target {
            self.filled = now;
        }
        self.consider_probe(now);
    }

    fn handle_timeout(&mut self, now: Time) {
        if self.silence.poll_fall(now) {
            self.capacity *= silence::KEPT;
        }
        self.end_drain(now, false);
        self.update_target(now);
    }

    fn poll_timeout(&self) -> Option<Time> {
        // Probes begin with reports and demands.
        self.drain.into_iter().chain(self.silence.poll_timeout()).min()
    }

    fn control(&self) -> Control {
        let target = Bitrate::bps(self.target as u64).clamp(self.limits.floor, self.limits.ceiling);
        let pacing = Bitrate::bps(self.pacing() as u64);
        Control { target, pacing, padding: Bitrate::ZERO, is_ample: self.is_ample() }
    }

    fn sustained(&self) -> Bitrate {
        let trial = if self.losses.is_trying() { losses::TRIAL } else { 1.0 };
        Bitrate::bps((self.capacity * trial) as u64).clamp(self.limits.floor, self.limits.ceiling)
    }

    fn window(&self) -> Option<u64> {
        Some(self.window_size())
    }

    fn takes_marks(&self) -> bool {
        true
    }

    fn poll_probe(&mut self) -> Option<Probe> {
        self.probes.poll()
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            target: self.control().target,
            delay_based: Bitrate::bps(self.capacity as u64),
            loss_based: self.cut.map(|(_, rate)| Bitrate::bps(rate as u64)),
            acknowledged: self.arrived.map(|rate| Bitrate::bps(rate as u64)),
            loss: self.losses.share(),
            round_trip: self.round_trip,
            application_limited: self.reported.is_some_and(|now| self.is_limited(now)),
            state: self.state(),
        }
    }
}

fn arrival(received: Duration) -> i64 {
    received.as_micros().min(LATEST_ARRIVAL) as i64
}

fn bps(rate: Bitrate) -> f64 {
    rate.as_bps() as f64
}

fn micros(time: Time) -> i64 {
    arrival(time.to_duration())
}

fn from_micros(micros: i64) -> Time {
    Time::since_start(Duration::from_micros(micros.max(0) as u64))
}

#[cfg(test)]
mod tests;
