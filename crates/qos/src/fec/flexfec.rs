//! FlexFEC: the payload of repair packets, in the standard's form and in the draft's.
//!
//! [`Format::Rfc8627`] is the standard. [`Format::Draft03`] is draft-ietf-payload-flexible-fec-scheme-03, which is what
//! Chromium means by `flexfec-03` (libwebrtc's `flexfec_03_header_reader_writer.cc`): it names the protected stream in
//! the payload instead of the RTP header's CSRCs, and its K bits mean the opposite. In both, one stream is protected:
//! libwebrtc sends nothing else.

use std::borrow::Borrow;

use super::error::take;
use super::parity::{Fields, append_sum, cover};
use super::source::MAX_PACKET;
use super::{Coverage, FecError, Repair, Source};

/// Which FlexFEC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// RFC 8627, section 4.2.2. The protected stream stands in the CSRC list of the repair packet's RTP header.
    Rfc8627,
    /// draft-ietf-payload-flexible-fec-scheme-03, section 4.2.
    Draft03,
}

/// What is the sum of the packets' headers: flags, lengths and timestamps.
const START: usize = 8;
/// R: a retransmission, not a repair.
const RETRANSMISSION: u8 = 0x80;
/// F: rows and columns instead of a mask.
const FIXED: u8 = 0x40;
/// Where the parts of the mask begin: bits 0 to 14, 15 to 45, and from 46 on.
const SECOND_PART: u32 = 15;
const THIRD_PART: u32 = 46;
/// Bits 0 to 14 and 0 to 30.
const FIRST_BITS: u128 = 0x7fff;
const SECOND_BITS: u128 = 0x7fff_ffff;

impl Format {
    /// How far a mask reaches: RFC 8627 gives the last part 64 bits, the draft one less.
    pub const fn reach(self) -> u16 {
        match self {
            Self::Rfc8627 => 110,
            Self::Draft03 => 109,
        }
    }

    /// Where the sequence number base stands.
    const fn base_at(self) -> usize {
        match self {
            Self::Rfc8627 => 8,
            Self::Draft03 => 16,
        }
    }

    /// Whether the mask goes on after a part whose K bit is this: set in RFC 8627, clear in the draft.
    const fn goes_on(self, k: bool) -> bool {
        matches!(self, Self::Rfc8627) == k
    }
}

/// The shape of RFC 8627's fixed form: L columns and D rows of source packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One row of L packets, and no columns will come (D = 0).
    Row(u8),
    /// The same, and columns will come (D = 1).
    RowOfGrid(u8),
    /// Every L-th packet, D of them (D > 1).
    Column(u8, u8),
}

/// Reads the payload of a FlexFEC packet: up to 1,500 bytes, without its RTP header.
///
/// [`Format::Rfc8627`] has one mask for each CSRC of that header, which the caller has read: a packet with another number
/// of CSRCs than one is not for here, and [`ParityDecoder`](super::ParityDecoder) is that CSRC's.
///
/// # Errors
/// Says what is wrong with it; never [`FecError::SourceNotRtp`], [`FecError::SourceElsewhere`] or
/// [`FecError::WindowOutOfRange`].
pub fn parse(format: Format, payload: &[u8]) -> Result<Repair<'_>, FecError> {
    if payload.len() > MAX_PACKET {
        return Err(FecError::TooLong(payload.len()));
    }
    let [first, types, length @ ..] = take::<4>(payload, 0)?;
    let timestamp = u32::from_be_bytes(take(payload, 4)?);
    if first & RETRANSMISSION != 0 {
        return Err(FecError::Retransmission);
    }
    let ssrc = match format {
        Format::Rfc8627 => None,
        Format::Draft03 => {
            let [streams, ..] = take::<4>(payload, 8)?;
            if streams != 1 {
                return Err(FecError::Streams(streams));
            }
            Some(u32::from_be_bytes(take(payload, 12)?))
        }
    };
    let base = u16::from_be_bytes(take(payload, format.base_at())?);
    let at = format.base_at() + 2;
    let (coverage, end) = if first & FIXED == 0 {
        let (mask, end) = parse_mask(format, payload, at)?;
        (Coverage::Mask { base, mask }, end)
    } else {
        let [columns, rows] = take(payload, at)?;
        (fixed(base, columns, rows)?, at + 2)
    };
    Ok(Repair {
        coverage: coverage.check()?,
        ssrc,
        fields: Fields {
            bits: u16::from_be_bytes([first & 0x3f, types]),
            length: u16::from_be_bytes(length),
            timestamp,
        },
        body: payload.get(end..).unwrap_or_default(),
    })
}

/// RFC 8627, section 4.2.2.2: with 0 or 1 rows the packet is one of a row, otherwise of a column.
fn fixed(base: u16, columns: u8, rows: u8) -> Result<Coverage, FecError> {
    match (columns, rows) {
        (0, _) => Err(FecError::NoColumns),
        (count, 0 | 1) => Ok(Coverage::Fixed { base, stride: 1, count }),
        (stride, count) => Ok(Coverage::Fixed { base, stride, count }),
    }
}

/// The mask, its lowest bit first, and where it ends.
fn parse_mask(format: Format, payload: &[u8], at: usize) -> Result<(u128, usize), FecError> {
    let first = u16::from_be_bytes(take(payload, at)?);
    let mut mask = spread(u128::from(first), 15);
    if !format.goes_on(first >> 15 == 1) {
        return Ok((mask, at + 2));
    }
    let second = u32::from_be_bytes(take(payload, at + 2)?);
    mask |= spread(u128::from(second), 31) << SECOND_PART;
    if !format.goes_on(second >> 31 == 1) {
        return Ok((mask, at + 6));
    }
    let third = u64::from_be_bytes(take(payload, at + 6)?);
    let bits = match format {
        Format::Rfc8627 => 64,
        Format::Draft03 if third >> 63 == 0 => return Err(FecError::EndlessMask),
        Format::Draft03 => 63,
    };
    mask |= spread(u128::from(third), bits) << THIRD_PART;
    Ok((mask, at + 14))
}

/// The lowest `bits` of `part`, turned round: on the wire the highest is the first packet.
fn spread(part: u128, bits: u32) -> u128 {
    part.reverse_bits() >> (u128::BITS - bits)
}

/// Writes a repair packet's payload with a mask that covers these packets, which follow the first by less than
/// [`Format::reach`]. `out` is cleared before; with room for the longest of them and 32 bytes, nothing is allocated.
///
/// # Errors
/// [`FecError::WindowOutOfRange`] without packets, [`FecError::SourceElsewhere`] if they do not fit together.
pub fn write<'a>(
    format: Format,
    sources: impl IntoIterator<Item = impl Borrow<Source<'a>>, IntoIter: Clone>,
    out: &mut Vec<u8>,
) -> Result<(), FecError> {
    let sources = sources.into_iter();
    let (ssrc, base, mask) = cover(sources.clone(), format.reach())?;
    out.clear();
    out.resize(START, 0);
    if format == Format::Draft03 {
        out.extend_from_slice(&[1, 0, 0, 0]);
        out.extend_from_slice(&ssrc.to_be_bytes());
    }
    out.extend_from_slice(&base.to_be_bytes());
    write_mask(format, mask, out);
    let fields = append_sum(sources, out);
    write_start(0, fields, out);
    Ok(())
}

/// Writes a repair packet's payload in RFC 8627's fixed form for a row or a column of these packets.
///
/// # Errors
/// [`FecError::WindowOutOfRange`] if there are not as many as the shape says, [`FecError::TooWide`] if they reach too
/// far, [`FecError::SourceElsewhere`] if they are not where it says.
pub fn write_fixed(shape: Shape, sources: &[Source<'_>], out: &mut Vec<u8>) -> Result<(), FecError> {
    let (columns, rows) = match shape {
        Shape::Row(columns) => (columns, 0),
        Shape::RowOfGrid(columns) => (columns, 1),
        Shape::Column(_, 0 | 1) => return Err(FecError::WindowOutOfRange),
        Shape::Column(columns, rows) => (columns, rows),
    };
    let first = sources.first().ok_or(FecError::WindowOutOfRange)?;
    let coverage = fixed(first.sequence(), columns, rows)?.check()?;
    if coverage.sequences().count() != sources.len() {
        return Err(FecError::WindowOutOfRange);
    }
    for (source, sequence) in sources.iter().zip(coverage.sequences()) {
        if source.sequence() != sequence || source.ssrc() != first.ssrc() {
            return Err(FecError::SourceElsewhere);
        }
    }
    out.clear();
    out.resize(START, 0);
    out.extend_from_slice(&first.sequence().to_be_bytes());
    out.extend_from_slice(&[columns, rows]);
    let fields = append_sum(sources.iter(), out);
    write_start(FIXED, fields, out);
    Ok(())
}

/// Over the first bytes, which are known last.
fn write_start(flags: u8, Fields { bits, length, timestamp }: Fields, out: &mut [u8]) {
    let start = (u16::from(flags) << 8 | bits).to_be_bytes().into_iter();
    let start = start.chain(length.to_be_bytes()).chain(timestamp.to_be_bytes());
    out.iter_mut().zip(start).for_each(|(place, byte)| *place = byte);
}

fn write_mask(format: Format, mask: u128, out: &mut Vec<u8>) {
    let goes_on = |on: bool| on == format.goes_on(true);
    let has_second = mask >> SECOND_PART != 0;
    let has_third = mask >> THIRD_PART != 0;
    let first = spread(mask & FIRST_BITS, 15) as u16 | u16::from(goes_on(has_second)) << 15;
    out.extend_from_slice(&first.to_be_bytes());
    if !has_second {
        return;
    }
    let second = spread(mask >> SECOND_PART & SECOND_BITS, 31) as u32 | u32::from(goes_on(has_third)) << 31;
    out.extend_from_slice(&second.to_be_bytes());
    if !has_third {
        return;
    }
    let third = match format {
        Format::Rfc8627 => spread(mask >> THIRD_PART, 64) as u64,
        Format::Draft03 => spread(mask >> THIRD_PART, 63) as u64 | 1 << 63,
    };
    out.extend_from_slice(&third.to_be_bytes());
}

#[cfg(test)]
#[path = "flexfec_tests.rs"]
mod tests;
