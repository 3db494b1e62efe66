//! RTCP: reading and writing compounds (RFC 3550 section 6, RFC 4585, RFC 5104, RFC 5506), congestion control
//! feedback (RFC 8888), transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01) and REMB
//! (draft-alvestrand-rmcat-remb-03).

mod compound;
mod congestion;
mod feedback;
mod reports;
mod transport;
mod writer;

#[cfg(test)]
mod congestion_tests;
#[cfg(test)]
mod tests;

pub use compound::{Compound, Packet};
pub use congestion::{CongestionFeedback, ReportClock, StreamFeedback};
pub use feedback::{Fir, FirEntry, Nack, Remb};
pub use reports::{Bye, ReportBlock, ReportBlocks, SenderInfo};
pub use transport::{ReferenceClock, TransportFeedback};
pub use writer::Writer;

/// How long a compound that is written here may become, in bytes before SRTP: with everything around it, it passes
/// wherever media passes.
pub const MAX_COMPOUND: usize = 1_200;

/// The most report blocks of one report (its count has five bits).
pub const MAX_BLOCKS: usize = 31;

/// Packet types (RFC 3550 section 12.1, RFC 4585 section 6.1).
mod types {
    pub(super) const SENDER_REPORT: u8 = 200;
    pub(super) const RECEIVER_REPORT: u8 = 201;
    pub(super) const SDES: u8 = 202;
    pub(super) const BYE: u8 = 203;
    pub(super) const TRANSPORT_FEEDBACK: u8 = 205;
    pub(super) const PAYLOAD_FEEDBACK: u8 = 206;
}

/// Formats of feedback, which take the place of the count.
mod formats {
    /// With `TRANSPORT_FEEDBACK` (RFC 4585 section 6.2.1).
    pub(super) const NACK: u8 = 1;
    /// With `TRANSPORT_FEEDBACK` (RFC 8888 section 3.1).
    pub(super) const CONGESTION: u8 = 11;
    /// With `TRANSPORT_FEEDBACK` (the draft's section 3.1).
    pub(super) const TRANSPORT_WIDE: u8 = 15;
    /// With `PAYLOAD_FEEDBACK` (RFC 4585 section 6.3.1).
    pub(super) const PLI: u8 = 1;
    /// With `PAYLOAD_FEEDBACK` (RFC 5104 section 4.3.1).
    pub(super) const FIR: u8 = 4;
    /// With `PAYLOAD_FEEDBACK` (RFC 4585 section 6.4): REMB.
    pub(super) const APPLICATION: u8 = 15;
}

/// Four bytes at `at` of something that is known to have them.
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}
