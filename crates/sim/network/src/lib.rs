//! A network in virtual time, for measuring quality of service: flows as a leg of the server has them, the links that they
//! share, and what is to be seen on them.
//!
//! [`run`] plays one of the [`scenarios`] with one controller and one seed. Time is whole microseconds, nothing comes from
//! outside, and what happens is the same on every machine: [`Outcome::hash`] says so.
//!
//! ```
//! use conclave_network::{Figure, Controller, run, scenarios};
//!
//! let scenario = scenarios().find(|scenario| scenario.name == "5.1").expect("there is such a scenario");
//! let outcome = run(scenario, Controller::Conclave, 1);
//! assert!(outcome.figures.get(Figure::Utilisation).is_some_and(|utilisation| utilisation > 0.5));
//! ```

mod agent;
mod capacity;
mod event;
mod figures;
mod hash;
mod link;
mod loss;
mod media;
mod packet;
mod path;
mod queue;
mod random;
mod record;
mod scenario;
mod tcp;
mod units;
mod world;

pub use capacity::Capacity;
pub use conclave_qos::Algorithm as Controller;
pub use figures::{Figure, Figures};
pub use loss::Loss;
pub use media::{Encoder, Reports, Timeline};
pub use path::{Jitter, Spread, THIRTY_MILLISECONDS};
pub use queue::Discipline;
pub use random::Random;
pub use record::{Delays, LINE, Line, Record};
pub use scenario::{Cellular, FlowSpec, LinkSpec, Rate, Scenario, TcpSpec, scenarios};
pub use tcp::{Algorithm, Workload};

/// The controllers that are compared, in the order of the tables.
pub const CONTROLLERS: [Controller; 4] = [Controller::Gcc, Controller::Nada, Controller::Scream, Controller::Conclave];

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// FNV-1a over all that happened to packets: equal for equal runs, different for others but by chance.
    pub hash: u64,
    /// What is to be seen.
    pub figures: Figures,
    /// From what.
    pub record: Record,
}

/// How many scenarios there are.
pub fn scenario_count() -> usize {
    scenarios().count()
}

/// Plays a scenario.
pub fn run(scenario: &Scenario, kind: Controller, seed: u64) -> Outcome {
    let (hash, mut record, links) = scenario.build(kind, seed).run(scenario.length());
    let capacities: Vec<_> = links.iter().map(link::Link::capacity).collect();
    let figures = Figures::new(scenario, &record, &capacities);
    if let Some(first) = capacities.first() {
        let lines = record.lines.first().map_or(0, Vec::len) as u64;
        let begin = |line| units::at(line * LINE);
        record.carried = (0..lines).map(|line| first.carried(begin(line), begin(line + 1))).collect();
    }
    Outcome { hash, figures, record }
}

/// The hash of a run by numbers: a place among the [`scenarios`], one among [`CONTROLLERS`], and a seed. `None` if there
/// is no such scenario or controller.
pub fn hash_of(scenario: usize, controller: usize, seed: u64) -> Option<u64> {
    let scenario = scenarios().nth(scenario)?;
    let kind = CONTROLLERS.get(controller)?;
    Some(scenario.build(*kind, seed).run(scenario.length()).0)
}
