//! When to probe, how fast, and what came of it.
//!
//! A probe is a train of packets at a rate above what is believed to fit. It is due at first, while the queue stays
//! empty although we send what we believe to fit, and while more is wanted than is sent. Each that gets through is
//! followed by a faster one at once; one that does not makes the next wait longer.
//!
//! A train shows what gets through for as long as it is, and no more: a token bucket, or a short burst of a radio
//! link, lets it through at any rate. So where more was believed after a probe and then did not hold, probes become
//! longer, until they outlast what deceived them.

use std::time::Duration;

use super::{bps, micros};
use crate::{Bitrate, PacketResult, Probe, ProbeId, Time};

/// At first: 3 times what is assumed, libwebrtc's first too (`probe_controller.h`, `p1`).
const FIRST: f64 = 3.0;
/// Where nothing else is known: what it costs in queueing where it fails is (1.5 - 1) of its length.
const CAREFUL: f64 = 1.6;
/// After one that got through.
const FURTHER: f64 = 2.5;
/// It got through if it took not longer to arrive than to be sent, by this share.
const THROUGH: f64 = 0.88;
/// What arrived of a train that filled the path is what the path carries; this much is believed.
const BELIEVED: f64 = 0.95;
/// Share of the packets and bytes that must arrive for a result.
const NEEDED_PERCENT: u64 = 75;
/// Arriving so many times faster than it was sent, something held it up.
const MOST_RATIO: f64 = 1.5;
/// A train has so many packets at least, since one that waits beside others shifts the result by its own length...
const PACKETS: u32 = 6;
/// ...and this length, doubled each time that it deceived, up to the longest.
const LENGTH: f64 = 0.025;
const LONGEST: f64 = 0.4;
/// A train that took longer than this, µs, was interrupted.
const LONGEST_TRAIN: i64 = 1_000_000;
/// Of a train of which too few packets arrived for a result, this many more are sent at once: by chance that is rare, where
/// the path cuts off it is the rule.
const RETRIES: u32 = 1;
/// Results that have not come after this, beyond a round trip, do not come.
const WAIT: Duration = Duration::from_millis(400);
/// From one that failed to the next; doubles up to the longest.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_secs(8);
/// Nothing slower is looked for: a small picture.
const LEAST: f64 = 250_000.0;
/// What was believed after a probe is confirmed if this share of it arrives for so long in all (a key frame is as short as a
/// train, and passes a token bucket as well), and was a deception if no more than that share
/// turns out to fit before; what an application has not tried for so long may have changed meanwhile.
const CONFIRMED: f64 = 0.75;
const CONFIRMED_FOR: Duration = Duration::from_millis(250);
/// A report tells of no more time than this.
const REPORTED: Duration = Duration::from_millis(100);
const DECEIVED: f64 = 0.6;
const UNTRIED: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
struct Train {
    probe: Probe,
    until: Time,
    packets: u64,
    bytes: u64,
    /// Of which nothing arrived.
    lost_packets: u64,
    lost_bytes: u64,
    /// (when sent, size) of the last sent, (when arrived, size) of the first arrived; µs.
    first_sent: i64,
    last_sent: (i64, u64),
    first_arrived: (i64, u64),
    last_arrived: i64,
}

/// Plans and follows probes: one at a time.
#[derive(Debug)]
pub(super) struct Probes {
    next_id: u32,
    train: Option<Train>,
    queued: Option<Probe>,
    next: Time,
    interval: Duration,
    length: f64,
    has_begun: bool,
    /// How many trains in a row gave no result.
    retried: u32,
    /// When a probe was believed, and the rate that it showed, bit/s, as long as nothing has confirmed it.
    believed: Option<(Time, f64)>,
    /// For how long in all about that rate has arrived, and when that was last looked at.
    confirmed: Duration,
    looked: Time,
}

impl Default for Probes {
    fn default() -> Self {
        Self {
            next_id: 0,
            train: None,
            queued: None,
            next: Time::default(),
            interval: SHORTEST_INTERVAL,
            length: LENGTH,
            has_begun: false,
            retried: 0,
            believed: None,
            confirmed: Duration::ZERO,
            looked: Time::default(),
        }
    }
}

impl Probes {
    pub(super) fn poll(&mut self) -> Option<Probe> {
        self.queued.take()
    }

    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Begins a probe if one is due. `estimate` is what is believed to fit, `most` what is worth looking for.
    pub(super) fn consider(&mut self, now: Time, estimate: f64, most: f64, round_trip: Duration) {
        if let Some(train) = self.train {
            if now < train.until {
                return;
            }
            self.fail(now);
        }
        if now < self.next {
            return;
        }
        let factor = if self.has_begun { CAREFUL } else { FIRST };
        self.has_begun = true;
        self.start(now, estimate * factor, estimate, most, round_trip);
    }

    /// So much arrives, bit/s.
    pub(super) fn handle_arrived(&mut self, now: Time, arrived: f64) {
        let passed = now.since(std::mem::replace(&mut self.looked, now)).min(REPORTED);
        let Some((_, believed)) = self.believed else { return };
        if arrived < believed * CONFIRMED {
            return;
        }
        self.confirmed += passed;
        if self.confirmed >= CONFIRMED_FOR {
            self.believed = None;
            self.length = (self.length / 2.0).max(LENGTH);
        }
    }

    /// There seems to be more: no need to wait.
    pub(super) fn hurry(&mut self, now: Time) {
        self.interval = SHORTEST_INTERVAL;
        self.next = self.next.min(now + SHORTEST_INTERVAL / 4);
    }

    /// What was believed turned out to be too much.
    pub(super) fn handle_deception(&mut self, now: Time, rate: f64) {
        if let Some((at, believed)) = self.believed
            && now.since(at) < UNTRIED
            && rate < believed * DECEIVED
        {
            self.believed = None;
            self.length = (self.length * 2.0).min(LONGEST);
            self.interval = SHORTEST_INTERVAL.mul_f64(self.length / LENGTH).min(LONGEST_INTERVAL);
            self.next = now + self.interval;
        }
    }

    fn start(&mut self, now: Time, rate: f64, estimate: f64, most: f64, round_trip: Duration) {
        let rate = rate.max(LEAST).min(most);
        if rate < estimate * 1.05 {
            self.next = now + SHORTEST_INTERVAL;
            return;
        }
        let bytes = (rate * self.length / 8.0).max(1.0);
        let probe =
            Probe { id: ProbeId(self.next_id), rate: Bitrate::bps(rate as u64), bytes: bytes as u32, packets: PACKETS };
        self.next_id = self.next_id.wrapping_add(1);
        self.queued = Some(probe);
        self.train = Some(Train {
            probe,
            until: now
                + round_trip
                + WAIT
                + Duration::from_secs_f64(self.length.max(f64::from(PACKETS) * 9_600.0 / rate.max(1.0))),
            packets: 0,
            bytes: 0,
            lost_packets: 0,
            lost_bytes: 0,
            first_sent: i64::MAX,
            last_sent: (i64::MIN, 0),
            first_arrived: (i64::MAX, 0),
            last_arrived: i64::MIN,
        });
    }

    fn fail(&mut self, now: Time) {
        (self.train, self.retried) = (None, 0);
        self.next = now + self.interval;
        self.interval = (self.interval * 2).min(LONGEST_INTERVAL);
    }

    fn train_of(&mut self, result: &PacketResult) -> Option<&mut Train> {
        self.train.as_mut().filter(|train| result.sent.probe == Some(train.probe.id))
    }

    /// A packet got lost.
    pub(super) fn handle_loss(&mut self, result: &PacketResult) {
        let Some(train) = self.train_of(result) else { return };
        train.lost_packets += 1;
        train.lost_bytes += u64::from(result.sent.size);
    }

    /// A packet arrived.
    pub(super) fn handle_packet(&mut self, result: &PacketResult, arrived: i64) {
        let Some(train) = self.train_of(result) else { return };
        let sent = micros(result.sent.at);
        let size = u64::from(result.sent.size);
        train.packets += 1;
        train.bytes += size;
        train.first_sent = train.first_sent.min(sent);
        if sent > train.last_sent.0 {
            train.last_sent = (sent, size);
        }
        if arrived < train.first_arrived.0 {
            train.first_arrived = (arrived, size);
        }
        train.last_arrived = train.last_arrived.max(arrived);
    }

    /// All packets of a report were handled: what the path carries, bit/s, by the present probe, if it is through. Goes on with a faster one
    /// where that is worth looking for.
    pub(super) fn handle_report(&mut self, now: Time, estimate: f64, most: f64, round_trip: Duration) -> Option<f64> {
        let train = self.train?;
        let enough = |have: u64, want: u32| have * 100 >= u64::from(want) * NEEDED_PERCENT;
        if !enough(train.packets, train.probe.packets) || !enough(train.bytes, train.probe.bytes) {
            if train.is_over() && self.retried < RETRIES {
                self.retried += 1;
                self.start(now, bps(train.probe.rate), estimate, most, round_trip);
            } else if train.is_over() {
                self.fail(now);
            }
            return None;
        }
        self.retried = 0;
        let Rates { sent, arrived, stretch } = train.rates()?;
        if stretch < 1.0 / MOST_RATIO {
            self.fail(now);
            return None;
        }
        let is_through = stretch <= 1.0 / THROUGH;
        let rate = if is_through { sent } else { sent.min(arrived) * BELIEVED };
        if !is_through || rate < estimate {
            self.fail(now);
        } else {
            self.train = None;
            self.interval = SHORTEST_INTERVAL;
            self.next = now + SHORTEST_INTERVAL;
            if rate < most * 0.95 {
                self.start(now, rate * FURTHER, rate, most, round_trip);
            }
        }
        if rate > estimate {
            (self.believed, self.confirmed) = (Some((now, rate)), Duration::ZERO);
        }
        Some(rate)
    }
}

impl Train {
    /// Whether the fate of all its packets is known.
    fn is_over(&self) -> bool {
        let (packets, bytes) = (self.packets + self.lost_packets, self.bytes + self.lost_bytes);
        packets >= u64::from(self.probe.packets) && bytes >= u64::from(self.probe.bytes)
    }

    fn rates(&self) -> Option<Rates> {
        let sending = self.last_sent.0.checked_sub(self.first_sent)?;
        let arriving = self.last_arrived.checked_sub(self.first_arrived.0)?;
        if !(1..=LONGEST_TRAIN).contains(&sending) || !(1..=LONGEST_TRAIN).contains(&arriving) {
            return None;
        }
        // The last one sent begins a time that is not over; the first that arrived ends one that was not measured.
        let rate = |bytes: u64, micros: i64| bytes as f64 * 8_000_000.0 / micros as f64;
        Some(Rates {
            sent: rate(self.bytes - self.last_sent.1, sending),
            arrived: rate(self.bytes - self.first_arrived.1, arriving),
            stretch: arriving as f64 / sending as f64,
        })
    }
}

/// What a train shows, bit/s.
struct Rates {
    sent: f64,
    arrived: f64,
    /// How much longer it took to arrive than to be sent. Its packets differ in size, so the rates do not tell.
    stretch: f64,
}

#[cfg(test)]
#[path = "probes_tests.rs"]
mod tests;
