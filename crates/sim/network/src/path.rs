//! The way between two ends, links aside: how long it is, and how that varies.

use conclave_qos::Time;

use crate::random::Random;
use crate::units::{MILLI, after, at};

/// How the delay of packets varies from one to the next, behind the links. RFC 8868, section 4.5.2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Jitter {
    /// Not at all.
    None,
    /// A truncated Gaussian; a packet that would overtake another arrives together with it (NR-BPDV, the RFC's 4.5.2.2).
    InOrder(Spread),
    /// The same, and packets overtake each other (RBPDV, the RFC's 4.5.2.1).
    Reordering(Spread),
}

/// A Gaussian that is cut off on both sides, and shifted so that it begins at 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Standard deviation, µs.
    pub deviation: u64,
    /// Where it is cut off: so many standard deviations from its middle.
    pub limit: u64,
}

/// From 0 to 30 ms: what RFC 8867 gives as the most, with the deviation and the limit of RFC 8868 (5 ms, 3).
pub const THIRTY_MILLISECONDS: Spread = Spread { deviation: 5 * MILLI, limit: 3 };

/// One direction.
#[derive(Debug)]
pub(crate) struct Wire {
    /// µs.
    delay: u64,
    /// From this millisecond on, so many ms more; in order of time.
    detours: &'static [(u64, u64)],
    jitter: Jitter,
    random: Random,
    latest: Time,
}

impl Wire {
    pub(crate) fn new(delay: u64, jitter: Jitter, random: Random) -> Self {
        Self { delay, detours: &[], jitter, random, latest: Time::default() }
    }

    pub(crate) fn with_detours(self, detours: &'static [(u64, u64)]) -> Self {
        Self { detours, ..self }
    }

    /// When a packet arrives that sets out now.
    pub(crate) fn arrival(&mut self, now: Time) -> Time {
        let detour = self.detours.iter().rev().find(|(since, _)| at(since * MILLI) <= now);
        let plain = after(now, self.delay + detour.map_or(0, |(_, more)| more * MILLI));
        match self.jitter {
            Jitter::None => plain,
            Jitter::Reordering(spread) => after(plain, self.draw(spread)),
            Jitter::InOrder(spread) => {
                self.latest = after(plain, self.draw(spread)).max(self.latest);
                self.latest
            }
        }
    }

    fn draw(&mut self, spread: Spread) -> u64 {
        let limit = spread.limit as f64;
        let drawn = self.random.truncated_gaussian(limit) + limit;
        (drawn * spread.deviation as f64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{between, micros};

    fn delays(jitter: Jitter) -> Vec<u64> {
        let mut wire = Wire::new(50 * MILLI, jitter, Random::new(1));
        (0..20_000).map(|index| at(index * MILLI)).map(|sent| between(sent, wire.arrival(sent))).collect()
    }

    #[test]
    fn jitter_is_a_gaussian_within_its_limits() {
        assert!(delays(Jitter::None).iter().all(|delay| *delay == 50 * MILLI));
        let delays = delays(Jitter::Reordering(THIRTY_MILLISECONDS));
        assert!(delays.iter().all(|delay| (50 * MILLI..=80 * MILLI).contains(delay)));
        let mean = delays.iter().sum::<u64>() as f64 / delays.len() as f64;
        let variance = delays.iter().map(|delay| (*delay as f64 - mean) * (*delay as f64 - mean)).sum::<f64>();
        let deviation = (variance / delays.len() as f64).sqrt();
        // The cut takes 1.4 % off the deviation.
        assert!((mean - 65_000.0).abs() < 150.0 && (deviation - 4_930.0).abs() < 100.0, "{mean} {deviation}");
    }

    #[test]
    fn a_way_is_longer_as_long_as_its_detour() {
        let mut wire = Wire::new(50 * MILLI, Jitter::None, Random::new(1)).with_detours(&[(10, 150), (20, 0)]);
        let mut delay = |ms| between(at(ms * MILLI), wire.arrival(at(ms * MILLI))) / MILLI;
        assert_eq!([0, 9, 10, 19, 20, 90].map(&mut delay), [50, 50, 200, 200, 50, 50]);
    }

    #[test]
    fn packets_overtake_each_other_only_where_they_may() {
        let arrivals = |jitter| {
            let mut wire = Wire::new(0, jitter, Random::new(2));
            (0..5_000).map(|index| micros(wire.arrival(at(index * MILLI)))).collect::<Vec<_>>()
        };
        assert!(arrivals(Jitter::InOrder(THIRTY_MILLISECONDS)).is_sorted());
        assert!(!arrivals(Jitter::Reordering(THIRTY_MILLISECONDS)).is_sorted());
    }
}
