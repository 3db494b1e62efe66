//! A flow of video: a source that follows the target, a sender as a leg has it, a receiver that reports.

mod receiver;
mod sender;
mod source;

pub(crate) use receiver::Receiver;
pub use receiver::Reports;
pub use sender::Timeline;
pub(crate) use sender::{Outgoing, Sender};
pub(crate) use source::Source;

#[cfg(test)]
mod tests;

/// What the encoder of a flow can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoder {
    /// It never makes less than this, bit/s with all headers.
    pub least: u64,
    /// It never makes more than this, bit/s with all headers.
    pub most: u64,
}
