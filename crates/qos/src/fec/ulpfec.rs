//! ULPFEC (RFC 5109) with one level, as libwebrtc sends it (`ulpfec_header_reader_writer.cc`): the payload of a repair
//! packet, which travels in the media's own stream as a block of [`red`](super::red).

use std::borrow::Borrow;

use super::error::take;
use super::parity::{Fields, append_sum, cover};
use super::source::MAX_PACKET;
use super::{Coverage, FecError, Repair, Source};

/// L: the mask has 48 bits instead of 16 (section 7.3).
const LONG_MASK: u8 = 0x40;
/// E: reserved for extensions; ignored (section 7.3).
const FLAGS: u8 = 0xc0;
/// The FEC header (10 bytes) and of the level's header the protection length: then comes the mask.
const MASK_AT: usize = 12;
/// How far the long mask reaches.
const REACH: u16 = 48;

/// Reads the payload of an ULPFEC packet: up to 1,500 bytes, neither RTP nor RED header before it.
///
/// Levels behind the first are ignored: their packets are longer than what is protected by the first, and cannot
/// be made again by it alone.
///
/// # Errors
/// Says what is wrong with it.
pub fn parse(payload: &[u8]) -> Result<Repair<'_>, FecError> {
    if payload.len() > MAX_PACKET {
        return Err(FecError::TooLong(payload.len()));
    }
    let [first, types, base @ ..] = take::<4>(payload, 0)?;
    let timestamp = u32::from_be_bytes(take(payload, 4)?);
    let length = u16::from_be_bytes(take(payload, 8)?);
    let protected = usize::from(u16::from_be_bytes(take(payload, 10)?));
    let (mask, end) = if first & LONG_MASK == 0 {
        (u64::from(u16::from_be_bytes(take(payload, MASK_AT)?)) << 48, MASK_AT + 2)
    } else {
        let [a, b, c, d, e, f] = take(payload, MASK_AT)?;
        (u64::from_be_bytes([a, b, c, d, e, f, 0, 0]), MASK_AT + 6)
    };
    let coverage = Coverage::Mask { base: u16::from_be_bytes(base), mask: u128::from(mask.reverse_bits()) };
    let body =
        payload.get(end..end + protected).ok_or(FecError::Truncated { needs: end + protected, has: payload.len() })?;
    Ok(Repair {
        coverage: coverage.check()?,
        ssrc: None,
        fields: Fields { bits: u16::from_be_bytes([first & !FLAGS, types]), length, timestamp },
        body,
    })
}

/// Writes a repair packet's payload that covers these packets of one stream, the last less than 48 behind the first.
/// `out` is cleared before; with room for the longest of them and 18 bytes, nothing is allocated.
///
/// # Errors
/// [`FecError::WindowOutOfRange`] without packets, [`FecError::SourceElsewhere`] if they do not fit together.
pub fn write<'a>(
    sources: impl IntoIterator<Item = impl Borrow<Source<'a>>, IntoIter: Clone>,
    out: &mut Vec<u8>,
) -> Result<(), FecError> {
    let sources = sources.into_iter();
    let (_, base, mask) = cover(sources.clone(), REACH)?;
    // It fits: `cover` keeps to `REACH`.
    let mask = (mask as u64).reverse_bits();
    let is_long = mask & 0xffff_ffff_ffff != 0;
    let end = MASK_AT + if is_long { 6 } else { 2 };
    out.clear();
    out.resize(MASK_AT, 0);
    out.extend(mask.to_be_bytes().into_iter().take(end - MASK_AT));
    let Fields { bits, length, timestamp } = append_sum(sources, out);
    let bits = bits | u16::from(if is_long { LONG_MASK } else { 0 }) << 8;
    // At most `MAX_PACKET`.
    let protected = (out.len() - end) as u16;
    let head = bits.to_be_bytes().into_iter().chain(base.to_be_bytes()).chain(timestamp.to_be_bytes());
    let head = head.chain(length.to_be_bytes()).chain(protected.to_be_bytes());
    out.iter_mut().zip(head).for_each(|(place, byte)| *place = byte);
    Ok(())
}

#[cfg(test)]
#[path = "ulpfec_tests.rs"]
mod tests;
