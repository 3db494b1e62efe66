//! Forward error correction: packets that let others be made again, without I/O.
//!
//! Three codes, each with a writer and a decoder over packets as bytes:
//!
//! - [`flexfec`]: XOR parity on RTP packets (RFC 8627, and the draft's form that Chromium sends);
//! - [`ulpfec`]: the older XOR parity (RFC 5109, one level), which travels inside [`red`] (RFC 2198);
//! - [`erasure`]: Cauchy Reed-Solomon over a window of packets of any kind, for the own pipeline: any `m` losses are
//!   repaired by any `m` parity packets, and more parity can be made later, when the receiver asks.
//!
//! The XOR codes share one decoder, [`ParityDecoder`]: the formats differ, what they mean does not. Decoders keep
//! packets by sequence number in a ring; each says how many, so their memory is bounded whatever arrives. For a
//! source packet nothing is allocated after warm-up, at neither end; for a repair packet something is.

pub mod erasure;
mod error;
pub mod flexfec;
mod gf256;
mod parity;
mod parity_decoder;
pub mod red;
mod source;
pub mod ulpfec;

pub use error::FecError;
pub use parity::{Coverage, MAX_COVERED, Repair};
pub use parity_decoder::ParityDecoder;
pub use source::{MAX_PACKET, Source};
