//! Networks that lose packets, in virtual time, and what repair makes of them.
// Tests and benches look at different parts.
#![allow(dead_code, reason = "the bench asks for more than the tests")]

pub mod audio;
pub mod codes;
pub mod video;

#[path = "../network/random.rs"]
mod random;

pub use random::Random;

/// Loses packets as a chain of two states does, one step each packet.
#[derive(Debug)]
pub struct Channel {
    random: Random,
    /// A burst begins, and goes on.
    steps: (f64, f64),
    is_lossy: bool,
}

impl Channel {
    /// Loses `loss` of the packets, `burst` in a row on average; a burst of `1 / (1 - loss)` is independent loss.
    pub fn new(loss: f64, burst: f64, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let is_lossy = random.happens(loss);
        Self { random, steps: (loss / (burst * (1.0 - loss)), 1.0 - 1.0 / burst), is_lossy }
    }

    pub fn loses(&mut self) -> bool {
        let lossy = if self.is_lossy { self.steps.1 } else { self.steps.0 };
        self.is_lossy = self.random.happens(lossy);
        self.is_lossy
    }
}

/// Mean and worst of a figure.
pub fn mean_and_worst(figures: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let count = figures.clone().count().max(1) as f64;
    (figures.clone().sum::<f64>() / count, figures.fold(0.0, f64::max))
}
