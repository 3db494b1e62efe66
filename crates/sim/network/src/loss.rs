//! Losses that have nothing to do with congestion.

use crate::random::Random;

/// How packets get lost before they reach a link's queue.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// None.
    None,
    /// Each by itself, with this probability.
    Independent(f64),
    /// In bursts (Gilbert, 1960; Elliott, 1963): two states that change from packet to packet.
    Bursts {
        /// The share of packets that is lost over a long time, below 1.
        share: f64,
        /// How many packets a burst takes on average, at least 1.
        length: f64,
    },
}

/// The state of a lossy link.
#[derive(Debug)]
pub(crate) struct LossProcess {
    loss: Loss,
    in_burst: bool,
    random: Random,
}

impl LossProcess {
    pub(crate) fn new(loss: Loss, random: Random) -> Self {
        Self { loss, in_burst: false, random }
    }

    /// Whether the next packet gets lost.
    pub(crate) fn takes_next(&mut self) -> bool {
        match self.loss {
            Loss::None => false,
            Loss::Independent(share) => self.random.happens(share),
            Loss::Bursts { share, length } => {
                let ends = 1.0 / length.max(1.0);
                // In equilibrium as many bursts begin as end: (1 - share) * begins = share * ends.
                let begins = (ends * share / (1.0 - share).max(f64::MIN_POSITIVE)).min(1.0);
                self.in_burst = if self.in_burst { !self.random.happens(ends) } else { self.random.happens(begins) };
                self.in_burst
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share that was lost, and the mean length of bursts.
    fn observe(loss: Loss, packets: u32) -> (f64, f64) {
        let mut process = LossProcess::new(loss, Random::new(5));
        let (mut lost, mut bursts, mut before) = (0, 0, false);
        for _ in 0..packets {
            let is_lost = process.takes_next();
            lost += u32::from(is_lost);
            bursts += u32::from(is_lost && !before);
            before = is_lost;
        }
        (f64::from(lost) / f64::from(packets), f64::from(lost) / f64::from(bursts.max(1)))
    }

    #[test]
    fn independent_losses_take_their_share_and_no_more() {
        assert_eq!(observe(Loss::None, 10_000).0, 0.0);
        let (share, length) = observe(Loss::Independent(0.1), 1_000_000);
        assert!((share - 0.1).abs() < 0.002, "{share}");
        assert!((length - 1.0 / 0.9).abs() < 0.01, "{length}");
    }

    #[test]
    fn bursts_have_the_share_and_the_length_that_was_asked_for() {
        for (share, length) in [(0.05, 3.0), (0.01, 8.0), (0.2, 1.5)] {
            let (lost, long) = observe(Loss::Bursts { share, length }, 2_000_000);
            assert!((lost / share - 1.0).abs() < 0.05, "{lost} of {share}");
            assert!((long / length - 1.0).abs() < 0.05, "{long} of {length}");
        }
    }
}
