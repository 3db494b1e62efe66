//! What the own controller is to reach, with one configuration for all scenarios.

use conclave_network::Figure;

/// A bound on a figure of a scenario. The mean of the seeds is to keep it, and the worst seed to be within 10 % of it.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    scenario: &'static str,
    pub figure: Figure,
    pub bound: Bound,
}

#[derive(Clone, Copy, Debug)]
pub enum Bound {
    AtLeast(f64),
    /// Of the worst seed, too.
    AlwaysAtLeast(f64),
    AtMost(f64),
    Between(f64, f64),
}

impl Goal {
    /// Whether figures, one for each seed, keep it.
    pub fn is_kept(&self, values: &[f64]) -> bool {
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        match self.bound {
            Bound::AtLeast(bound) => mean >= bound && least >= 0.9 * bound,
            Bound::AlwaysAtLeast(bound) => least >= bound,
            Bound::AtMost(bound) => mean <= bound && most <= 1.1 * bound,
            Bound::Between(low, high) => mean >= low && mean <= high && least >= 0.9 * low && most <= 1.1 * high,
        }
    }
}

const fn at_least(scenario: &'static str, figure: Figure, bound: f64) -> Goal {
    Goal { scenario, figure, bound: Bound::AtLeast(bound) }
}

const fn at_most(scenario: &'static str, figure: Figure, bound: f64) -> Goal {
    Goal { scenario, figure, bound: Bound::AtMost(bound) }
}

const GOALS: &[Goal] = &[
    at_least("5.1", Figure::Utilisation, 0.95),
    at_most("5.1", Figure::Delay95, 30.0),
    at_most("5.1", Figure::Loss, 0.0005),
    at_most("5.1", Figure::StepUp, 2.0),
    at_most("5.1", Figure::Drain, 1.0),
    at_least("5.1-jitter", Figure::Utilisation, 0.93),
    at_most("5.1-jitter", Figure::Delay95, 40.0),
    at_most("5.1-jitter", Figure::Start, 4.0),
    at_least("5.1-100ms", Figure::Utilisation, 0.94),
    at_most("5.1-100ms", Figure::Delay95, 35.0),
    at_least("5.2", Figure::Utilisation, 0.955),
    at_most("5.2", Figure::Delay95, 40.0),
    Goal { scenario: "5.2", figure: Figure::Fairness, bound: Bound::AlwaysAtLeast(0.99) },
    at_least("5.3", Figure::Utilisation, 0.94),
    at_most("5.3", Figure::Delay95, 30.0),
    at_least("5.4", Figure::Utilisation, 0.985),
    at_most("5.4", Figure::Delay95, 35.0),
    at_least("5.4", Figure::Fairness, 0.99),
    at_most("5.4", Figure::Newcomer, 10.0),
    at_least("5.5", Figure::Utilisation, 0.97),
    at_most("5.5", Figure::Delay95, 35.0),
    at_least("5.5", Figure::Fairness, 0.98),
    Goal { scenario: "5.6", figure: Figure::MediaShare, bound: Bound::Between(0.6, 1.1) },
    at_least("5.6", Figure::TcpShare, 0.7),
    at_least("5.7", Figure::Utilisation, 0.9),
    at_most("5.7", Figure::Delay95, 80.0),
    at_least("5.8", Figure::Utilisation, 0.98),
    at_most("5.8", Figure::Focus99, 70.0),
    at_most("5.8", Figure::Resume, 0.8),
    at_most("drop", Figure::Focus95, 80.0),
    at_most("drop", Figure::StepUp, 3.0),
    at_least("loss-1", Figure::Utilisation, 0.97),
    at_most("loss-1", Figure::Delay95, 35.0),
    at_least("loss-2", Figure::Utilisation, 0.97),
    at_most("loss-2", Figure::Delay95, 35.0),
    at_least("loss-5", Figure::Utilisation, 0.97),
    at_most("loss-5", Figure::Delay95, 35.0),
    at_least("loss-10", Figure::Utilisation, 0.97),
    at_most("loss-10", Figure::Delay95, 35.0),
];

/// All of a scenario.
pub fn of(scenario: &str) -> impl Iterator<Item = &'static Goal> {
    GOALS.iter().filter(move |goal| goal.scenario == scenario)
}
