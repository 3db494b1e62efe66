//! Rises while queues stand, falls below what arrives when they grow: libwebrtc's `aimd_rate_control.cc`;
//! draft-ietf-rmcat-gcc-02, 5.5.

use std::time::Duration;

use super::capacity::LinkCapacity;
use super::trendline::Usage;
use crate::Time;

/// Share of what arrived that is kept when a queue grows: `aimd_rate_control.cc`, `kDefaultBackoffFactor`.
const BACKOFF: f64 = 0.85;
/// Taken off besides, where more than that is left: the same file, `ChangeBitrate`.
const BACKOFF_TERM: f64 = 5_000.0;
/// Share of the rate that is kept while it is not known what arrives: `delay_based_bwe.cc`, `MaybeUpdateEstimate`.
const UNMEASURED_BACKOFF: f64 = 0.5;
/// Rise in a second while the capacity is not known: the same file, `MultiplicativeRateIncrease`.
const RISE: f64 = 1.08;
/// The least rise at once: the same function.
const LEAST_RISE: f64 = 1_000.0;
/// Rise while it is: one packet of this size (bytes; `GetNearMaxIncreaseRateBpsPerSecond`) per time of response...
const PACKET: f64 = 1_200.0;
/// ...which is twice the round trip and this...
const RESPONSE: Duration = Duration::from_millis(100);
/// ...but at least this in a second.
const LEAST_NEAR_RISE: f64 = 4_000.0;
/// Frames in a second, which a rate is divided into before it is into packets: the same function.
const FRAMES: f64 = 30.0;
/// Never above what arrives times and plus this: the same file, `ChangeBitrate`.
const MOST_OVER: f64 = 1.5;
const MOST_OVER_TERM: f64 = 10_000.0;
/// The round trip as long as it is not known: the same file, `kDefaultRtt`.
const ROUND_TRIP: Duration = Duration::from_millis(200);
/// Between two falls passes a round trip, within this: the same file, `TimeToReduceFurther`.
const LEAST_BETWEEN_FALLS: Duration = Duration::from_millis(10);
const MOST_BETWEEN_FALLS: Duration = Duration::from_millis(200);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Hold,
    Increase,
}

/// What the delays are worth: a rate in bits per second.
#[derive(Debug)]
pub(super) struct RateControl {
    rate: f64,
    floor: f64,
    ceiling: f64,
    state: State,
    capacity: LinkCapacity,
    round_trip: Duration,
    changed: Option<Time>,
    /// What arrived when that was last known.
    arrived: f64,
}

impl RateControl {
    pub(super) fn new(start: f64, floor: f64, ceiling: f64) -> Self {
        Self {
            rate: start.clamp(floor, ceiling),
            floor,
            ceiling,
            state: State::Hold,
            capacity: LinkCapacity::default(),
            round_trip: ROUND_TRIP,
            changed: None,
            arrived: start.clamp(floor, ceiling),
        }
    }

    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    pub(super) fn handle_round_trip(&mut self, round_trip: Duration) {
        self.round_trip = round_trip;
    }

    /// Takes this rate, as a probe found it.
    pub(super) fn set_rate(&mut self, now: Time, rate: f64) {
        self.rate = rate.clamp(self.floor, self.ceiling);
        self.changed = Some(now);
    }

    /// Moves on. `arrives` is what arrives.
    pub(super) fn update(&mut self, now: Time, usage: Usage, arrives: Option<f64>) {
        match (usage, arrives) {
            (Usage::Over, Some(arrives)) if self.may_fall(now, arrives) => self.fall(now, arrives),
            (Usage::Over, Some(_)) => {}
            (Usage::Over, None) => self.set_rate(now, self.rate * UNMEASURED_BACKOFF),
            (Usage::Under, _) => self.state = State::Hold,
            (Usage::Normal, _) => {
                if self.state == State::Hold {
                    self.changed = Some(now);
                    self.state = State::Increase;
                }
                self.rise(now, arrives.unwrap_or(self.arrived));
            }
        }
        self.arrived = arrives.unwrap_or(self.arrived);
    }

    fn may_fall(&self, now: Time, arrives: f64) -> bool {
        let between = self.round_trip.clamp(LEAST_BETWEEN_FALLS, MOST_BETWEEN_FALLS);
        self.changed.is_none_or(|changed| now.since(changed) >= between) || arrives < self.rate / 2.0
    }

    fn fall(&mut self, now: Time, arrives: f64) {
        let mut rate = arrives * BACKOFF;
        if rate > BACKOFF_TERM {
            rate -= BACKOFF_TERM;
        }
        if rate > self.rate
            && let Some(capacity) = self.capacity.mean()
        {
            rate = capacity * BACKOFF;
        }
        if self.capacity.is_below(arrives) {
            self.capacity.reset();
        }
        self.capacity.handle_overuse(arrives);
        self.rate = rate.min(self.rate).clamp(self.floor, self.ceiling);
        self.state = State::Hold;
        self.changed = Some(now);
    }

    fn rise(&mut self, now: Time, arrives: f64) {
        let passed = now.since(self.changed.unwrap_or(now)).as_secs_f64();
        self.changed = Some(now);
        if self.capacity.is_above(arrives) {
            self.capacity.reset();
        }
        let most = MOST_OVER * arrives + MOST_OVER_TERM;
        if self.rate >= most {
            return;
        }
        let rise = if self.capacity.mean().is_some() {
            self.near_rise() * passed
        } else {
            (self.rate * (libm::pow(RISE, passed.min(1.0)) - 1.0)).max(LEAST_RISE)
        };
        self.rate = (self.rate + rise).min(most).clamp(self.floor, self.ceiling);
    }

    /// Bits per second in a second.
    fn near_rise(&self) -> f64 {
        let frame = self.rate / 8.0 / FRAMES;
        let packets = (frame / PACKET).ceil().max(1.0);
        let response = 2.0 * (self.round_trip + RESPONSE).as_secs_f64();
        (frame / packets * 8.0 / response).max(LEAST_NEAR_RISE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    fn control(start: f64) -> RateControl {
        let mut control = RateControl::new(start, 30e3, 100e6);
        control.handle_round_trip(Duration::from_millis(50));
        control
    }

    fn update(control: &mut RateControl, ms: u64, usage: Usage, arrives: f64) {
        control.update(at(ms), usage, Some(arrives));
    }

    #[test]
    fn it_rises_8_percent_a_second_but_not_above_half_more_than_arrives() {
        let mut control = control(1e6);
        for i in 0..=100 {
            update(&mut control, i * 100, Usage::Normal, 1e6);
        }
        assert!((control.rate() - 1.51e6).abs() < 1e4, "{}", control.rate());
        let before = control.rate();
        for i in 0..=20 {
            update(&mut control, 20_000 + i * 50, Usage::Normal, 10e6);
        }
        let ratio = control.rate() / before;
        assert!((1.075..1.185).contains(&ratio), "{ratio}");
    }

    #[test]
    fn it_falls_below_what_arrives_and_then_rises_by_packets() {
        let mut control = control(2e6);
        update(&mut control, 1_000, Usage::Over, 1e6);
        assert_eq!(control.rate(), 845e3);
        update(&mut control, 1_005, Usage::Over, 0.9e6);
        assert_eq!(control.rate(), 845e3, "too soon");
        for i in 0..=20 {
            update(&mut control, 2_000 + i * 50, Usage::Normal, 1e6);
        }
        let rise = control.rate() - 845e3;
        assert!((10e3..50e3).contains(&rise), "near the capacity: {rise}");
    }

    #[test]
    fn it_falls_by_half_while_it_is_not_known_what_arrives() {
        let mut control = control(2e6);
        control.update(at(1_000), Usage::Over, None);
        assert_eq!(control.rate(), 1e6);
    }

    #[test]
    fn it_does_not_rise_because_more_arrives_than_it_allows() {
        let mut control = control(1e6);
        update(&mut control, 1_000, Usage::Over, 3e6);
        assert_eq!(control.rate(), 1e6);
    }
}
