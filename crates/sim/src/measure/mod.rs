//! Measuring: distributions, what a process costs, and how it is told.

mod cores;
mod histogram;
mod process;
mod report;

pub use cores::OffTheFirstCore;
pub use histogram::Histogram;
pub use process::{ProcessUse, Starvation, Usage, socket_drops};
pub use report::{Figure, Results, median};
