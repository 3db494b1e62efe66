//! Why a packet is of no use.

use std::fmt;

/// What is wrong with a packet, and whose fault it is: `Source…` and `Window…` are the caller's, all others the sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FecError {
    /// It ends before what its header promises.
    Truncated {
        /// Bytes that it would have to have, as far as it was read.
        needs: usize,
        /// Bytes that it has.
        has: usize,
    },
    /// It is longer than [`MAX_PACKET`](super::MAX_PACKET), or would make a packet that is.
    TooLong(usize),
    /// It protects nothing.
    NothingProtected,
    /// FlexFEC with the R bit: a retransmission in FlexFEC's clothes (RFC 8627, section 4.2.2.3), which nobody sends.
    Retransmission,
    /// FlexFEC-03 that protects this many streams, where only one is understood.
    Streams(u8),
    /// FlexFEC-03 whose mask does not end where it has to.
    EndlessMask,
    /// FlexFEC with L = 0, which is reserved (RFC 8627, section 4.2.2.2).
    NoColumns,
    /// It covers packets further apart than the decoder remembers.
    TooWide(usize),
    /// It names a row or a window that the code does not have.
    NoSuchRow,
    /// RED with more blocks than anybody sends.
    TooManyBlocks,
    /// Its parts contradict each other: the packet made from it cannot be.
    Inconsistent,
    /// The source packet is not RTP of version 2 with a whole header.
    SourceNotRtp,
    /// The source packet does not belong to what is to be protected together: other SSRC, or too far away.
    SourceElsewhere,
    /// What is to be protected, or to be written, is more than the format can tell, nothing, or no longer kept.
    WindowOutOfRange,
}

impl fmt::Display for FecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { needs, has } => write!(f, "cut short: {has} bytes of at least {needs}"),
            Self::TooLong(length) => write!(f, "too long: {length} bytes"),
            Self::NothingProtected => f.write_str("protects no packet"),
            Self::Retransmission => f.write_str("a retransmission inside FlexFEC"),
            Self::Streams(count) => write!(f, "protects {count} streams instead of one"),
            Self::EndlessMask => f.write_str("a mask without end"),
            Self::NoColumns => f.write_str("L is 0"),
            Self::TooWide(span) => write!(f, "covers {span} packets"),
            Self::NoSuchRow => f.write_str("no such row or window of the code"),
            Self::TooManyBlocks => f.write_str("too many blocks"),
            Self::Inconsistent => f.write_str("contradicts itself"),
            Self::SourceNotRtp => f.write_str("the source packet is not RTP"),
            Self::SourceElsewhere => f.write_str("the source packet belongs elsewhere"),
            Self::WindowOutOfRange => f.write_str("nothing, or more than the format can tell"),
        }
    }
}

impl std::error::Error for FecError {}

/// The bytes from `at` on, exactly `N`.
pub(super) fn take<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], FecError> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .ok_or(FecError::Truncated { needs: at + N, has: bytes.len() })
}
