//! `conclave check URL`: tests from where it runs which ways to a server are open, and says in plain
//! words what works, what does not, and what whoever runs the server can do about it.
//!
//! Measuring (`measure`) and judging (`verdict`) are apart: the judgement is a function of what
//! was measured.

mod link;
mod measure;
mod measured;
mod page;
mod relay;
mod report;
mod socket;
mod target;
mod tls;
mod verdict;

pub use report::{Report, Rung, RungName, Verdict};
pub use target::{Target, TargetError};

/// What to check, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server.
    pub target: Target,
    /// A certificate that browsers do not trust counts as in order.
    pub insecure: bool,
}

/// Checks a server. Takes some ten seconds at most; longer only if names are slow to be found.
pub async fn run(options: &Options) -> Report {
    let measured = measure::measure(&options.target).await;
    verdict::judge(&options.target, options.insecure, &measured)
}
