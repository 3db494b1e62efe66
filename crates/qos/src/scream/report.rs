//! One report, summed up (libwebrtc's `scream_feedback.cc`).

use std::time::Duration;

use crate::{Ecn, PacketResult, Time};

/// Of a report's packets, the delays of those are looked at that were sent within this of the latest that arrived: over a
/// longer time they differ for other reasons than a queue (`burst_window_min`)...
const BURST: Duration = Duration::from_millis(25);
/// ...or within this, where they follow each other closely (`burst_window_max`, `burst_window_max_gap`).
const LONG_BURST: Duration = Duration::from_millis(50);
const GAP: Duration = Duration::from_millis(3);
/// Times beyond this are the sender's invention; with it, differences fit 64 bits.
const LATEST: u128 = 1 << 60;
/// A round trip beyond this, too.
const LONGEST_ROUND_TRIP: Duration = Duration::from_secs(10);

/// What one report says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Report {
    /// Packets that arrived, at least one; of them, with the mark CE.
    pub(super) arrived: u32,
    pub(super) marked: u32,
    /// Packets that are reported as lost.
    pub(super) lost: u32,
    /// Bytes that arrived, and bytes that are reported without mark: lost ones, too.
    pub(super) arrived_bytes: u64,
    pub(super) unmarked_bytes: u64,
    /// Whether packets left with ECT(0), that of classic ECN; none if the report does not tell.
    pub(super) is_classic: Option<bool>,
    /// How long packets took at least, by two clocks, µs.
    pub(super) shortest: i64,
    /// Since the packet left that arrived last: transport-wide feedback does not tell how long the report waited.
    pub(super) round_trip: Duration,
    /// The last arrival, by the receiver's clock, µs.
    pub(super) last_arrival: i64,
}

impl Report {
    /// None if nothing arrived.
    pub(super) fn new(now: Time, results: &[PacketResult]) -> Option<Self> {
        let arrivals = || results.iter().filter_map(|result| result.received.map(|at| (micros(at), result)));
        let (last_arrival, last) = arrivals().max_by_key(|(at, result)| (*at, result.sent.at, result.sequence))?;
        let shortest = shortest_delay(results)?;
        let mut report = Self {
            arrived: 0,
            marked: 0,
            lost: 0,
            arrived_bytes: 0,
            unmarked_bytes: 0,
            is_classic: None,
            shortest,
            round_trip: now.since(last.sent.at).min(LONGEST_ROUND_TRIP),
            last_arrival,
        };
        for result in results {
            report.add(result);
        }
        Some(report)
    }

    fn add(&mut self, result: &PacketResult) {
        let size = u64::from(result.sent.size.min(u16::MAX.into()));
        let is_marked = result.ecn == Ecn::Ce && result.received.is_some();
        if !is_marked {
            self.unmarked_bytes += size;
        }
        if result.received.is_some() {
            self.arrived += 1;
            self.marked += u32::from(is_marked);
            self.arrived_bytes += size;
        } else {
            self.lost += 1;
        }
        match result.ecn {
            Ecn::Ect0 => self.is_classic = Some(true),
            Ecn::Ect1 => self.is_classic = Some(false),
            Ecn::NotEct | Ecn::Ce => {}
        }
    }
}

/// The least delay of the packets that were sent last, µs.
fn shortest_delay(results: &[PacketResult]) -> Option<i64> {
    let mut sent = results.iter().rev().filter_map(|result| result.received.map(|at| (result.sent.at, micros(at))));
    let (latest, arrived) = sent.next()?;
    let delay = |sent: Time, arrived: i64| arrived - micros(sent.to_duration());
    let mut newer = latest;
    let mut shortest = delay(latest, arrived);
    for (at, arrived) in sent {
        let back = latest.since(at);
        if back > BURST && (back > LONG_BURST || newer.since(at) > GAP) {
            break;
        }
        shortest = shortest.min(delay(at, arrived));
        newer = at;
    }
    Some(shortest)
}

fn micros(duration: Duration) -> i64 {
    duration.as_micros().min(LATEST) as i64
}
