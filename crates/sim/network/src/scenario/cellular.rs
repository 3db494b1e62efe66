//! The rate of a phone's connection: the model of Winstein, Sivaraman and Balakrishnan, "Stochastic Forecasts Achieve High
//! Throughput and Low Delay over Cellular Networks" (Sprout, NSDI 2013), section 3.1.

use conclave_qos::{Bitrate, Time};

use crate::random::Random;
use crate::units::{MILLI, SECOND, at};

/// Packets are delivered as a Poisson process whose rate wanders (Brownian motion) and sticks to zero for a while when it
/// gets there: an outage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cellular {
    /// The rate at first, packets of 1,500 bytes a second.
    pub start: f64,
    /// It never goes below this, packets a second. At 0, as in the paper, it stays for a while: an outage.
    pub least: f64,
    /// It never goes beyond this, packets a second (the paper: 1,000).
    pub most: f64,
    /// How far it wanders in a second, one standard deviation, packets a second (the paper: 200).
    pub wander: f64,
    /// For how many seconds.
    pub seconds: u64,
}

/// The paper's tick.
const TICK: u64 = 20 * MILLI;
/// How often in a second an outage ends (the paper's `lambda_z`).
const ENDS: f64 = 1.0;
/// What one delivery carries, bits.
const DELIVERY: u64 = 1_500 * 8;

impl Cellular {
    /// What is delivered in each tick, as a rate.
    pub(super) fn steps(&self, random: &mut Random) -> Vec<(Time, Bitrate)> {
        let tick = TICK as f64 / SECOND as f64;
        let mut rate = self.start;
        (0..self.seconds * SECOND / TICK)
            .map(|index| {
                let is_out = rate <= 0.0;
                if !is_out || random.happens(1.0 - libm::exp(-ENDS * tick)) {
                    let wandered = rate + self.wander * tick.sqrt() * random.gaussian();
                    // An outage ends upwards. What goes beyond a bound comes back by as much.
                    let comes_back = is_out || self.least > 0.0;
                    let wandered = if comes_back { self.least + (wandered - self.least).abs() } else { wandered };
                    rate = (self.most - (self.most - wandered).abs()).max(self.least);
                }
                let deliveries = poisson(rate * tick, random);
                (at(index * TICK), Bitrate::bps(deliveries * DELIVERY * SECOND / TICK))
            })
            .collect()
    }
}

/// Poisson distributed with this mean: how many exponential distances fit.
fn poisson(mean: f64, random: &mut Random) -> u64 {
    let mut count = 0;
    let mut rest = mean;
    loop {
        rest -= random.exponential(1.0);
        if rest < 0.0 {
            return count;
        }
        count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn poisson_numbers_have_mean_and_variance_alike() {
        let mut random = Random::new(1);
        let drawn: Vec<_> = (0..50_000).map(|_| poisson(6.0, &mut random) as f64).collect();
        let mean = drawn.iter().sum::<f64>() / 50_000.0;
        let variance = drawn.iter().map(|number| (number - mean) * (number - mean)).sum::<f64>() / 50_000.0;
        assert!((mean - 6.0).abs() < 0.05 && (variance - 6.0).abs() < 0.15, "{mean} {variance}");
    }

    #[test]
    fn the_rate_wanders_as_far_as_it_says_and_stays_within_its_bounds() {
        let cellular = Cellular { start: 500.0, least: 0.0, most: 1_000.0, wander: 50.0, seconds: 1 };
        let ends: Vec<f64> = (0..2_000)
            .map(|seed| {
                let steps = cellular.steps(&mut Random::new(seed));
                // 200 ms tell a rate to a tenth.
                steps[40..].iter().map(|(_, rate)| rate.as_bps() as f64 / DELIVERY as f64).sum::<f64>() / 10.0
            })
            .collect();
        let mean = ends.iter().sum::<f64>() / ends.len() as f64;
        let variance = ends.iter().map(|end| (end - mean) * (end - mean)).sum::<f64>() / ends.len() as f64;
        // Nine tenths of a second of wandering, and 50 more of Poisson's.
        assert!((mean - 500.0).abs() < 5.0 && (variance.sqrt() - 69.0).abs() < 5.0, "{mean} {}", variance.sqrt());
        let long = Cellular { start: 300.0, least: 0.0, most: 1_000.0, wander: 200.0, seconds: 3_600 }
            .steps(&mut Random::new(1));
        assert_eq!(long.len(), 180_000);
        // Poisson's numbers go beyond their mean: 20 in a tick.
        assert!(long.iter().all(|(_, rate)| rate.as_bps() <= 50 * DELIVERY * 50));
        let out = long.iter().filter(|(_, rate)| *rate == Bitrate::ZERO).count() as f64 / long.len() as f64;
        // One that wanders so far is out, or nearly, for a third of the time.
        assert!((0.2..0.5).contains(&out), "{out}");
        let bounded = Cellular { start: 300.0, least: 200.0, most: 400.0, wander: 100.0, seconds: 600 };
        for second in bounded.steps(&mut Random::new(1)).chunks(50) {
            let deliveries: u64 = second.iter().map(|(_, rate)| rate.as_bps() / DELIVERY / 50).sum();
            // Five deviations of Poisson's numbers on both sides.
            assert!((130..500).contains(&deliveries), "{deliveries}");
        }
    }
}
