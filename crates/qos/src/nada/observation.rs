//! What is seen of the path: queueing delay, losses and what arrives (RFC 8698, section 5.1).

use std::collections::VecDeque;
use std::time::Duration;

use crate::{Ecn, PacketResult, Time};

/// LOGWIN of figure 3.
const WINDOW: Duration = Duration::from_millis(500);
/// More packets than this are not looked at: at 20 Mbit/s those of the window.
const MOST: usize = 1_024;
/// The filter against outliers has so many taps (5.1.1).
const TAPS: usize = 15;
/// The least delay is that of one to two of these: clocks of both ends drift apart, and routes change (5.1.1).
const BASE: Duration = Duration::from_secs(120);
/// Less time than this tells no rate.
const SHORTEST: u64 = 20_000;
/// Arrival times beyond this are the sender's invention; with it, differences fit 64 bits.
const LATEST: u128 = 1 << 60;

/// The packets of the last half second.
#[derive(Debug, Default)]
pub(super) struct Observation {
    /// In the order of their numbers.
    packets: VecDeque<Packet>,
    lost: usize,
    marked: usize,
    /// Bytes of those that arrived.
    bytes: u64,
    base: Base,
    losses: Losses,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    sequence: u64,
    reported: Time,
    size: u32,
    /// When it arrived, and how long it took by two clocks, µs; none if it did not.
    arrival: Option<(i64, i64)>,
    /// It arrived with the mark of congestion.
    is_marked: bool,
}

/// The least delay of the present and the previous stretch, µs.
#[derive(Debug, Default)]
struct Base {
    began: Time,
    before: Option<i64>,
    now: Option<i64>,
}

impl Base {
    fn update(&mut self, now: Time, delay: i64) {
        if now.since(self.began) >= BASE {
            (self.began, self.before, self.now) = (now, self.now, None);
        }
        self.now = Some(self.now.map_or(delay, |least| least.min(delay)));
    }

    fn get(&self) -> i64 {
        self.before.into_iter().chain(self.now).min().unwrap_or_default()
    }
}

impl Observation {
    /// Takes a report in. Returns when the packet was sent that arrived last; none if nothing arrived.
    pub(super) fn handle_report(&mut self, now: Time, results: &[PacketResult], round_trip: Duration) -> Option<Time> {
        let mut latest = None;
        for result in results {
            let arrival = result.received.map(|received| {
                let arrived = received.as_micros().min(LATEST) as i64;
                let sent = result.sent.at.to_duration().as_micros().min(LATEST) as i64;
                self.base.update(now, arrived - sent);
                latest = latest.max(Some((arrived, result.sent.at)));
                (arrived, arrived - sent)
            });
            let packet = Packet {
                sequence: result.sequence,
                reported: now,
                size: result.sent.size.min(u16::MAX.into()),
                arrival,
                is_marked: arrival.is_some() && result.ecn == Ecn::Ce,
            };
            if self.packets.back().is_none_or(|newest| newest.sequence < packet.sequence) {
                self.losses.handle_packet(result.sent.at, packet.arrival.is_none(), round_trip);
                self.add(packet);
            } else if arrival.is_some() {
                self.correct(packet);
            }
        }
        self.forget(now);
        latest.map(|(_, sent)| sent)
    }

    fn add(&mut self, packet: Packet) {
        if self.packets.len() >= MOST {
            self.forget_oldest();
        }
        self.count(&packet);
        self.packets.push_back(packet);
    }

    fn count(&mut self, packet: &Packet) {
        self.marked += usize::from(packet.is_marked);
        match packet.arrival {
            Some(_) => self.bytes += u64::from(packet.size),
            None => self.lost += 1,
        }
    }

    /// It has arrived after all. A loss that was told is not taken back from the intervals: it was acted upon.
    fn correct(&mut self, packet: Packet) {
        let Ok(place) = self.packets.binary_search_by_key(&packet.sequence, |known| known.sequence) else { return };
        let known = &mut self.packets[place];
        if known.arrival.is_none() {
            (known.arrival, known.is_marked) = (packet.arrival, packet.is_marked);
            self.lost -= 1;
            self.marked += usize::from(packet.is_marked);
            self.bytes += u64::from(known.size);
        }
    }

    fn forget(&mut self, now: Time) {
        while self.packets.front().is_some_and(|oldest| now.since(oldest.reported) > WINDOW) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        match self.packets.pop_front() {
            Some(Packet { arrival: Some(_), size, is_marked, .. }) => {
                self.bytes -= u64::from(size);
                self.marked -= usize::from(is_marked);
            }
            Some(_) => self.lost -= 1,
            None => {}
        }
    }

    /// What packets wait for now, ms: the least of the latest few.
    pub(super) fn queue(&self) -> Option<f64> {
        let delays = self.packets.iter().rev().filter_map(|packet| packet.arrival).map(|(_, delay)| delay);
        delays.take(TAPS).min().map(|least| self.above_base(least))
    }

    /// The longest that a packet of the window waited, ms.
    pub(super) fn longest_queue(&self) -> f64 {
        let delays = self.packets.iter().filter_map(|packet| packet.arrival).map(|(_, delay)| delay);
        delays.max().map_or(0.0, |longest| self.above_base(longest))
    }

    fn above_base(&self, delay: i64) -> f64 {
        (delay - self.base.get()).max(0) as f64 / 1_000.0
    }

    /// The share of the window's packets that did not arrive.
    pub(super) fn loss(&self) -> f64 {
        self.lost as f64 / self.packets.len().max(1) as f64
    }

    /// The share of the window's packets that arrived marked (5.1.3).
    pub(super) fn marks(&self) -> f64 {
        self.marked as f64 / self.packets.len().max(1) as f64
    }

    pub(super) fn losses(&self) -> &Losses {
        &self.losses
    }

    /// What arrives, bit/s; none while too little has.
    pub(super) fn receive_rate(&self) -> Option<f64> {
        let arrivals = || self.packets.iter().filter_map(|packet| packet.arrival).map(|(arrived, _)| arrived);
        let (first, last) = (arrivals().min()?, arrivals().max()?);
        let span = last.abs_diff(first);
        // The first one's bytes came before the span began.
        let first = self.packets.iter().find(|packet| packet.arrival.is_some())?;
        let bytes = self.bytes.saturating_sub(u64::from(first.size));
        (span >= SHORTEST).then(|| bytes as f64 * 8_000_000.0 / span as f64)
    }
}

/// How many packets lie between losses (RFC 5348, section 5).
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// The latest first, and how many there are.
    intervals: [u64; WEIGHTS.len()],
    count: usize,
    /// Since the latest began.
    current: u64,
    /// When the first packet of the latest was sent; none while nothing was ever lost.
    began: Option<Time>,
}

/// RFC 5348, section 5.4.
const WEIGHTS: [f64; 8] = [1.0, 1.0, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2];

impl Losses {
    /// Packets that are lost within one round trip of each other are one loss.
    fn handle_packet(&mut self, sent: Time, is_lost: bool, round_trip: Duration) {
        let begins = is_lost && self.began.is_none_or(|began| sent.since(began) > round_trip);
        if begins {
            if self.began.is_some() {
                self.intervals.rotate_right(1);
                self.intervals[0] = self.current;
                self.count = (self.count + 1).min(WEIGHTS.len());
            }
            (self.began, self.current) = (Some(sent), 0);
        }
        self.current = self.current.saturating_add(1);
    }

    /// The mean interval and the present one, in packets; none while there is no mean, which takes two losses.
    ///
    /// The present one is left out of the mean, where RFC 5348 takes it in as soon as it is long: it could never be seven
    /// times a mean that it is part of.
    pub(super) fn intervals(&self) -> Option<(f64, f64)> {
        let known = self.intervals.iter().zip(WEIGHTS).take(self.count);
        let (sum, weights) = known
            .fold((0.0, 0.0), |(sum, weights), (interval, weight)| (sum + *interval as f64 * weight, weights + weight));
        (weights > 0.0).then(|| ((sum / weights).max(1.0), self.current as f64))
    }
}
