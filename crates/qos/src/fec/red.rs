//! Several payloads in one packet (RFC 2198): older sounds beside the current one, or an ULPFEC packet alone.

use super::FecError;
use super::error::take;
use super::source::MAX_PACKET;

/// Most blocks of a packet; browsers send two.
pub const MAX_BLOCKS: usize = 16;
/// What fits into a block's length field, in bytes (10 bits).
pub const MAX_REDUNDANT: usize = 0x3ff;
/// How much older than the packet a block may be, in ticks of the timestamp (14 bits).
pub const MAX_OFFSET: u16 = 0x3fff;

/// F: another header follows.
const FOLLOWS: u8 = 0x80;

/// One payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// 0 to 127.
    pub payload_type: u8,
    /// How much earlier than the packet's it is, in ticks; 0 for the primary block.
    pub offset: u16,
    /// Its payload. May be empty.
    pub payload: &'a [u8],
}

/// Reads all blocks, in the order of the packet: the last is the primary one.
///
/// # Errors
/// [`FecError::Truncated`] if headers promise more than there is, [`FecError::TooManyBlocks`] beyond
/// [`MAX_BLOCKS`], [`FecError::TooLong`] beyond 1,500 bytes.
pub fn parse(payload: &[u8]) -> Result<impl Iterator<Item = Block<'_>>, FecError> {
    let (end, redundant) = measure(payload)?;
    let primary = end + redundant;
    let (mut header, mut at) = (0, end);
    Ok(std::iter::from_fn(move || {
        let head = *payload.get(header).filter(|_| header < end)?;
        let payload_type = head & !FOLLOWS;
        if head & FOLLOWS == 0 {
            header = end;
            return Some(Block { payload_type, offset: 0, payload: payload.get(primary..)? });
        }
        // `measure` has seen all of it.
        let [_, high, middle, low] = take(payload, header).ok()?;
        let length = usize::from(u16::from_be_bytes([middle & 0x03, low]));
        let block = payload.get(at..at + length)?;
        header += 4;
        at += length;
        Some(Block { payload_type, offset: u16::from_be_bytes([high, middle]) >> 2, payload: block })
    }))
}

/// Where the headers end, and how long all blocks but the last are together.
fn measure(payload: &[u8]) -> Result<(usize, usize), FecError> {
    if payload.len() > MAX_PACKET {
        return Err(FecError::TooLong(payload.len()));
    }
    let (mut at, mut redundant) = (0, 0);
    for _ in 0..MAX_BLOCKS {
        let [head] = take(payload, at)?;
        if head & FOLLOWS == 0 {
            let needs = at + 1 + redundant;
            let holds = needs <= payload.len();
            return if holds {
                Ok((at + 1, redundant))
            } else {
                Err(FecError::Truncated { needs, has: payload.len() })
            };
        }
        let [_, _, middle, low] = take(payload, at)?;
        redundant += usize::from(u16::from_be_bytes([middle & 0x03, low]));
        at += 4;
    }
    Err(FecError::TooManyBlocks)
}

/// Writes a packet of these blocks, the primary one last. `out` is cleared before.
///
/// # Errors
/// [`FecError::WindowOutOfRange`] without blocks, with more than [`MAX_BLOCKS`], for a redundant block beyond
/// [`MAX_REDUNDANT`] or [`MAX_OFFSET`], and for a payload type beyond 127; [`FecError::TooLong`] beyond 1,500 bytes.
pub fn write(blocks: &[Block<'_>], out: &mut Vec<u8>) -> Result<(), FecError> {
    out.clear();
    let (primary, redundant) = blocks.split_last().ok_or(FecError::WindowOutOfRange)?;
    let is_possible = |block: &Block<'_>| block.payload.len() <= MAX_REDUNDANT && block.offset <= MAX_OFFSET;
    let are_types = blocks.iter().all(|block| block.payload_type & FOLLOWS == 0);
    if !are_types || blocks.len() > MAX_BLOCKS || !redundant.iter().all(is_possible) {
        return Err(FecError::WindowOutOfRange);
    }
    for block in redundant {
        let word =
            u32::from(FOLLOWS | block.payload_type) << 24 | u32::from(block.offset) << 10 | block.payload.len() as u32;
        out.extend_from_slice(&word.to_be_bytes());
    }
    out.push(primary.payload_type);
    for block in blocks {
        out.extend_from_slice(block.payload);
    }
    if out.len() > MAX_PACKET { Err(FecError::TooLong(out.len())) } else { Ok(()) }
}

#[cfg(test)]
#[path = "red_tests.rs"]
mod tests;
