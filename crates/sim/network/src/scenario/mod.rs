//! What is run, as data.

mod build;
mod cellular;
mod other;
mod rfc8867;
mod variants;

use crate::loss::Loss;
use crate::media::{Encoder, Reports, Timeline};
use crate::path::Jitter;
use crate::queue::Discipline;
use crate::tcp::{Algorithm, Workload};

pub use cellular::Cellular;

/// A link and what waits before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkSpec {
    /// What it carries.
    pub rate: Rate,
    /// How its queue behaves.
    pub discipline: Discipline,
    /// What gets lost before the queue.
    pub loss: Loss,
}

/// How a link's rate changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// From this millisecond on, so many bit/s.
    Steps(&'static [(u64, u64)]),
    /// As that of a phone's connection, made anew from each seed.
    Cellular(Cellular),
}

/// A flow of media.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlowSpec {
    /// What its encoder can do.
    pub encoder: Encoder,
    /// When it sends.
    pub timeline: Timeline,
    /// The links that media passes, in order, as places in [`Scenario::links`].
    pub forward: &'static [u8],
    /// The links that reports pass.
    pub backward: &'static [u8],
    /// One way, each way, ms.
    pub delay: u64,
    /// From this millisecond on, media takes so many ms more: another route.
    pub detours: &'static [(u64, u64)],
    /// How the way of media varies.
    pub jitter: Jitter,
    /// How its receiver reports.
    pub reports: Reports,
    /// Whether it may say that it takes marks; it does if its controller can read them.
    pub may_be_marked: bool,
}

/// A sender of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSpec {
    /// How its window moves.
    pub algorithm: Algorithm,
    /// What it sends.
    pub workload: Workload,
    /// The links that segments pass, in order; acknowledgements pass none.
    pub forward: &'static [u8],
    /// One way, each way, ms.
    pub delay: u64,
}

/// One run, but for its seed and its controller.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scenario {
    /// Short: part of a file's name.
    pub name: &'static str,
    /// What it is, in a few words.
    pub title: &'static str,
    /// How long it takes, s.
    pub seconds: u64,
    /// The links, each with a queue; figures are of all of them together.
    pub links: &'static [LinkSpec],
    /// Media.
    pub flows: &'static [FlowSpec],
    /// TCP beside it.
    pub tcp: &'static [TcpSpec],
    /// A time of which delays are told apart, from and until which second.
    pub focus: Option<(u64, u64)>,
}

/// All scenarios. Their order is that of the tables; an index means the same everywhere.
pub fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    rfc8867::SCENARIOS.iter().chain(variants::SCENARIOS).chain(other::SCENARIOS)
}

#[cfg(test)]
mod tests;
