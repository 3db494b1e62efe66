//! How much delay arrivals make necessary.
//!
//! libwebrtc, `modules/audio_coding/neteq`: `packet_arrival_history.cc` says how late a packet is against the fastest of
//! two seconds, `underrun_optimizer.cc` how much delay would have been enough for nearly all, `reorder_optimizer.cc`
//! what waiting for packets that others overtook is worth, `delay_constraints.cc` what is allowed.

use std::collections::VecDeque;
use std::time::Duration;

use super::histogram::{BUCKET_MS, Histogram, ONE};
use crate::Time;
use crate::playout::micros;

/// `delay_manager.cc`, `kStartDelayMs`.
const START: Duration = Duration::from_millis(80);
/// `delay_manager.h`, `quantile` = 0.95 (0.97 before 2022): of the worst of each half second.
const QUANTILE: u32 = ONE / 100 * 95;
/// `delay_manager.h`, `forget_factor` = 0.983, in 1/32,768.
const FORGET: u32 = 32_211;
/// `delay_manager.h`, `resample_interval_ms`.
const INTERVAL: Duration = Duration::from_millis(500);
/// `delay_manager.h`, `reorder_forget_factor` = 0.9993, in 1/32,768.
const REORDER_FORGET: u32 = 32_745;
/// `delay_manager.h`, `ms_per_loss_percent`: a percent less loss is worth this much delay.
const MS_PER_LOSS_PERCENT: i64 = 20;
/// `decision_logic.cc`, `kPacketHistorySizeMs`.
const WINDOW_MS: i64 = 2_000;
/// Arrivals remembered at most: two seconds of packets of 5 ms. With shorter ones the window is shorter.
const ARRIVALS: usize = 400;

/// What the target delay may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayLimits {
    /// The least; what synchronisation with pictures asks for. 0 to 10 s; more counts as 10 s.
    pub least: Duration,
    /// The most; `None`: only the buffer's size bounds it. Wins over `least`.
    pub most: Option<Duration>,
}

impl Default for DelayLimits {
    fn default() -> Self {
        Self { least: Duration::ZERO, most: None }
    }
}

impl DelayLimits {
    /// `delay_constraints.cc`, `kMaxBaseMinimumDelayMs`.
    const LONGEST: Duration = Duration::from_secs(10);

    pub(super) fn clamp(self, delay: Duration, packet: Duration, capacity: u32) -> Duration {
        let mut delay = delay.max(self.least.min(Self::LONGEST));
        if let Some(most) = self.most {
            delay = delay.min(most);
        }
        // At least one packet, at most 75 % of what there is room for (`DelayConstraints::Clamp`).
        if packet.is_zero() { delay } else { delay.max(packet).min(packet.saturating_mul(capacity) * 3 / 4) }
    }
}

#[derive(Clone, Copy, Debug)]
struct Arrival {
    timestamp: i64,
    /// Arrival less timestamp, in µs: the greater the later.
    lateness: i64,
}

/// The least of a window: of each value only what is less than all after it is kept.
#[derive(Clone, Debug)]
struct Least(VecDeque<(u64, i64)>);

impl Least {
    fn new() -> Self {
        Self(VecDeque::with_capacity(ARRIVALS + 1))
    }

    fn push(&mut self, number: u64, value: i64) {
        while self.0.back().is_some_and(|(_, last)| *last >= value) {
            self.0.pop_back();
        }
        self.0.push_back((number, value));
    }

    /// Values up to this number have left the window.
    fn forget(&mut self, number: u64) {
        while self.0.front().is_some_and(|(first, _)| *first <= number) {
            self.0.pop_front();
        }
    }

    fn value(&self) -> Option<i64> {
        self.0.front().map(|(_, value)| *value)
    }
}

/// The arrivals of two seconds of media.
#[derive(Clone, Debug)]
pub(super) struct ArrivalHistory {
    clock_rate: i64,
    arrivals: VecDeque<Arrival>,
    /// Arrivals that were forgotten: the number of the first that was not, less one.
    forgotten: u64,
    newest: i64,
    earliest: Least,
    /// Of the negative.
    latest: Least,
}

impl ArrivalHistory {
    pub(super) fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate: i64::from(clock_rate.max(1)),
            arrivals: VecDeque::with_capacity(ARRIVALS + 1),
            forgotten: 0,
            newest: 0,
            earliest: Least::new(),
            latest: Least::new(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.forgotten += self.arrivals.len() as u64;
        self.arrivals.clear();
        self.earliest.0.clear();
        self.latest.0.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.arrivals.len()
    }

    /// Remembers an arrival. Says whether a packet of a later time came before; `None`: this one did.
    pub(super) fn insert(&mut self, timestamp: i64, at: Time) -> Option<bool> {
        let is_known = timestamp <= self.newest && self.arrivals.iter().any(|arrival| arrival.timestamp == timestamp);
        if is_known {
            return None;
        }
        let is_reordered = !self.arrivals.is_empty() && timestamp < self.newest;
        self.newest = if self.arrivals.is_empty() { timestamp } else { self.newest.max(timestamp) };
        let arrival = Arrival { timestamp, lateness: self.lateness(timestamp, at) };
        self.arrivals.push_back(arrival);
        let number = self.forgotten + self.arrivals.len() as u64;
        self.earliest.push(number, arrival.lateness);
        self.latest.push(number, arrival.lateness.saturating_neg());
        self.forget();
        Some(is_reordered)
    }

    fn forget(&mut self) {
        let oldest = self.newest.saturating_sub(self.clock_rate * WINDOW_MS / 1_000);
        while self.arrivals.len() > ARRIVALS || self.arrivals.front().is_some_and(|first| first.timestamp < oldest) {
            self.arrivals.pop_front();
            self.forgotten += 1;
        }
        self.earliest.forget(self.forgotten);
        self.latest.forget(self.forgotten);
    }

    /// How much later than by the fastest packet this timestamp is, at this time.
    pub(super) fn delay(&self, timestamp: i64, at: Time) -> Duration {
        let late = self.earliest.value().map(|earliest| self.lateness(timestamp, at).saturating_sub(earliest));
        Duration::from_micros(late.and_then(|late| u64::try_from(late).ok()).unwrap_or(0))
    }

    /// How much later than the fastest packet the slowest is.
    pub(super) fn longest_delay(&self) -> Duration {
        let (Some(earliest), Some(latest)) = (self.earliest.value(), self.latest.value()) else {
            return Duration::ZERO;
        };
        let longest = latest.saturating_neg().saturating_sub(earliest);
        Duration::from_micros(u64::try_from(longest).unwrap_or(0))
    }

    fn lateness(&self, timestamp: i64, at: Time) -> i64 {
        micros(at).saturating_sub(timestamp.saturating_mul(1_000_000) / self.clock_rate)
    }
}

/// The delay that arrivals make necessary, before limits.
#[derive(Clone, Debug)]
pub(super) struct DelayTarget {
    underruns: Histogram,
    reordering: Histogram,
    interval: Option<Time>,
    longest: Duration,
    enough: Option<Duration>,
    target: Duration,
}

impl DelayTarget {
    pub(super) fn new() -> Self {
        Self {
            underruns: Histogram::new(FORGET),
            reordering: Histogram::new(REORDER_FORGET),
            interval: None,
            longest: Duration::ZERO,
            enough: None,
            target: START,
        }
    }

    /// A packet arrived so much later than the fastest.
    pub(super) fn update(&mut self, now: Time, delay: Duration, is_reordered: bool) {
        if !is_reordered {
            self.update_underruns(now, delay);
        }
        let enough = self.enough.unwrap_or(START);
        // One that was overtaken does not say how late others are, but what waiting for it would have cost.
        self.reordering.add(if is_reordered { delay.as_millis() as u64 } else { 0 });
        self.target = enough.max(self.worth_waiting(enough));
    }

    pub(super) fn target(&self) -> Duration {
        self.target
    }

    fn update_underruns(&mut self, now: Time, delay: Duration) {
        let since = *self.interval.get_or_insert(now);
        if now.since(since) > INTERVAL {
            self.underruns.add(self.longest.as_millis() as u64);
            self.interval = Some(now);
            self.longest = Duration::ZERO;
            self.enough = Some(upper_end(self.underruns.quantile(QUANTILE)));
        }
        self.longest = self.longest.max(delay);
    }

    /// The delay at which delay and loss together cost least (`ReorderOptimizer::MinimizeCostFunction`).
    fn worth_waiting(&self, enough: Duration) -> Duration {
        let one = i64::from(ONE);
        let enough = enough.as_millis() as i64;
        let mut lost = one;
        let mut best = (i64::MAX, 0);
        for (index, share) in self.reordering.buckets().iter().enumerate() {
            lost -= i64::from(*share);
            let more = (index as i64 * BUCKET_MS as i64 - enough).max(0) * one;
            if more >= best.0 {
                // From here on delay alone costs more.
                break;
            }
            let cost = more + 100 * MS_PER_LOSS_PERCENT * lost;
            if cost < best.0 {
                best = (cost, index);
            }
        }
        upper_end(best.1)
    }
}

fn upper_end(bucket: usize) -> Duration {
    Duration::from_millis((bucket as u64 + 1) * BUCKET_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    #[test]
    fn before_half_a_second_has_passed_80_ms_are_a_guess() {
        let mut target = DelayTarget::new();
        for number in 0..26 {
            assert_eq!(target.target(), Duration::from_millis(80));
            target.update(ms(number * 20), Duration::from_millis(5), false);
        }
        target.update(ms(520), Duration::from_millis(5), false);
        assert_eq!(target.target(), Duration::from_millis(20));
    }

    #[test]
    fn waiting_for_overtaken_packets_is_worth_20_ms_for_a_percent_of_them() {
        for (each, expected) in [(1_000, 20), (10, 120)] {
            let mut target = DelayTarget::new();
            for number in 0..5_000 {
                let is_reordered = number % each == 0;
                let delay = Duration::from_millis(if is_reordered { 110 } else { 0 });
                target.update(ms(number * 20), delay, is_reordered);
            }
            assert_eq!(target.target(), Duration::from_millis(expected), "one of {each}");
        }
    }

    #[test]
    fn lateness_is_against_the_fastest_of_two_seconds() {
        let mut arrivals = ArrivalHistory::new(48_000);
        for number in 0..200 {
            let late = if number == 50 { 0 } else { 40 };
            assert_eq!(arrivals.insert(number * 960, ms(number as u64 * 20 + late)), Some(false));
            let expected = if (50..=150).contains(&number) { 40 } else { 0 };
            assert_eq!(arrivals.longest_delay(), Duration::from_millis(expected), "{number}");
        }
        assert_eq!(arrivals.delay(199 * 960, ms(199 * 20 + 70)), Duration::from_millis(30));
        assert_eq!(arrivals.insert(199 * 960, ms(5_000)), None);
    }

    #[test]
    fn the_most_wins_over_the_least_and_room_over_both() {
        let (packet, capacity) = (Duration::from_millis(20), 200);
        let limits =
            |least, most| DelayLimits { least: Duration::from_millis(least), most: Some(Duration::from_millis(most)) };
        let clamp = |limits: DelayLimits| limits.clamp(Duration::from_millis(50), packet, capacity).as_millis();
        assert_eq!(clamp(limits(0, 1_000)), 50);
        assert_eq!(clamp(limits(100, 1_000)), 100);
        assert_eq!(clamp(limits(100, 30)), 30);
        assert_eq!(clamp(limits(0, 0)), 20);
        assert_eq!(clamp(limits(20_000, 20_000)), 3_000);
    }
}
