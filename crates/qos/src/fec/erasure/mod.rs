//! Cauchy Reed-Solomon over a window of packets, for the own pipeline.
//!
//! Source packets, of any content and up to 1,500 bytes each, are numbered and go out as they are. A parity packet is
//! a linear combination, over the field of 256 elements, of a window of up to 128 consecutive ones. Its coefficients are
//! a row of one fixed Cauchy matrix, in which every square part can be inverted (Bloemer et al., "An XOR-based
//! erasure-resilient coding scheme", 1995): any `m` packets missing from a window are made again by any `m`
//! parity packets over it, and no code can do with less.
//!
//! Since the matrix does not depend on how many rows are used, nothing has to be agreed on before:
//!
//! - parity over one frame, with or right behind it, is a block code;
//! - more parity over a frame that is known to have lost packets is a retransmission of which every packet counts;
//! - parity over the latest packets of several frames, with each frame, is a streaming code.
//!
//! Packets of unequal length are taken as their length (2 bytes), their bytes, and zeros.
//!
//! It is made here, and none of the known crates: those have a fixed number of parity packets in a block of fixed
//! shape (`reed-solomon-erasure`), or are made for thousands of large shards (`reed-solomon-simd`).

mod decoder;
mod encoder;

pub use decoder::{Decoder, Recovered};
pub use encoder::Encoder;

use super::gf256::inverse;
use super::source::MAX_PACKET;
use super::{FecError, error::take};

/// Packets that a parity packet covers, at most. Bounded by the field: 128 columns and 128 rows.
pub const MAX_WINDOW: u8 = 128;
/// Rows, that is, parity packets over the same window that differ.
pub const MAX_ROWS: u8 = 128;
/// What stands before a parity packet's content: number of the first packet (4 bytes), packets, row.
pub const HEADER: usize = 6;
/// Bytes that tell how long a packet is.
const LENGTH: usize = 2;
/// The longest parity packet in bytes.
pub const MAX_PARITY: usize = HEADER + LENGTH + MAX_PACKET;

/// What a parity packet says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    /// Number of the window's first packet.
    first: u32,
    /// 1 to [`MAX_WINDOW`].
    count: u8,
    /// Below [`MAX_ROWS`].
    row: u8,
}

impl Header {
    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.first.to_be_bytes());
        out.extend_from_slice(&[self.count, self.row]);
    }

    /// The header and the content: at least the length that each packet has.
    fn parse(packet: &[u8]) -> Result<(Self, &[u8]), FecError> {
        if packet.len() > MAX_PARITY {
            return Err(FecError::TooLong(packet.len()));
        }
        let first = u32::from_be_bytes(take(packet, 0)?);
        let [count, row] = take(packet, 4)?;
        if count == 0 {
            return Err(FecError::NothingProtected);
        }
        if count > MAX_WINDOW || row >= MAX_ROWS {
            return Err(FecError::NoSuchRow);
        }
        take::<LENGTH>(packet, HEADER)?;
        Ok((Self { first, count, row }, packet.get(HEADER..).unwrap_or_default()))
    }
}

/// The matrix: 1 / (x + y) with x from 128 up for rows and y below 128 for packets, so that no sum is 0. Packets of a
/// window have different y.
fn coefficient(row: u8, sequence: u64) -> u8 {
    let column = (sequence % u64::from(MAX_WINDOW)) as u8;
    inverse((MAX_WINDOW + row % MAX_ROWS) ^ column)
}

#[cfg(test)]
mod tests;
