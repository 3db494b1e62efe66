//! What an XOR repair packet says, whatever its format.

use std::borrow::Borrow;

use super::source::{HEADER, MAX_PACKET};
use super::{FecError, Source};

/// How far the first and the last packet that one repair packet covers may be apart, counting both. The FlexFEC mask
/// reaches 110; only columns of the fixed form could reach further.
pub const MAX_COVERED: usize = 256;

/// Which packets of a stream a repair packet covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// `base + i` for each bit `i` of the mask, the lowest bit being the base itself.
    Mask {
        /// Sequence number that the mask counts from.
        base: u16,
        /// Not zero.
        mask: u128,
    },
    /// `base + i * stride` for `i` below `count`: a row (stride 1) or a column of FlexFEC's fixed form.
    Fixed {
        /// The first packet.
        base: u16,
        /// Distance of neighbours, 1 to 255.
        stride: u8,
        /// How many, 1 to 255.
        count: u8,
    },
}

impl Coverage {
    /// The packets' numbers, in order.
    pub fn sequences(self) -> impl Iterator<Item = u16> {
        let (base, count) = match self {
            Self::Mask { base, .. } => (base, u128::BITS as u16),
            Self::Fixed { base, count, .. } => (base, u16::from(count)),
        };
        (0..count).filter_map(move |index| match self {
            Self::Mask { mask, .. } => (mask >> index & 1 == 1).then(|| base.wrapping_add(index)),
            Self::Fixed { stride, .. } => Some(base.wrapping_add(index * u16::from(stride))),
        })
    }

    /// From the base to the last packet, both counted; 0 if there is none.
    pub fn span(self) -> usize {
        match self {
            Self::Mask { mask, .. } => (u128::BITS - mask.leading_zeros()) as usize,
            Self::Fixed { count: 0, .. } => 0,
            Self::Fixed { stride, count, .. } => (usize::from(count) - 1) * usize::from(stride) + 1,
        }
    }

    /// Refuses what protects nothing, or more than a decoder remembers.
    pub(super) fn check(self) -> Result<Self, FecError> {
        match self.span() {
            0 => Err(FecError::NothingProtected),
            span if span > MAX_COVERED => Err(FecError::TooWide(span)),
            _ => Ok(self),
        }
    }
}

/// A repair packet as it was read: its fields are the XOR of those of the packets that it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repair<'a> {
    /// Which packets.
    pub coverage: Coverage,
    /// Of which stream, where the packet tells.
    pub ssrc: Option<u32>,
    /// P, X, CC, M and PT; bytes behind the 12 of the header; timestamp.
    pub(super) fields: Fields,
    /// Behind the header, as far as it is protected.
    pub(super) body: &'a [u8],
}

/// The XOR of what every packet has, whatever its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    pub bits: u16,
    pub length: u16,
    pub timestamp: u32,
}

impl Fields {
    /// Adds a packet, of its body as much as this one holds. To take it away is the same.
    fn add(&mut self, source: &Source<'_>, body: &mut [u8]) {
        self.bits ^= source.bits();
        // At most `MAX_PACKET`.
        self.length ^= source.body().len() as u16;
        self.timestamp ^= source.timestamp();
        for (sum, byte) in body.iter_mut().zip(source.body()) {
            *sum ^= byte;
        }
    }
}

/// The XOR of source packets. Bodies of unequal length count as if filled up with zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    fields: Fields,
    body: Vec<u8>,
}

impl Sum {
    pub fn of_repair(repair: &Repair<'_>) -> Self {
        Self { fields: repair.fields, body: repair.body.to_vec() }
    }

    /// Takes a packet away as far as this body reaches.
    pub fn take_away(&mut self, source: &Source<'_>) {
        self.fields.add(source, &mut self.body);
    }

    /// The one packet that is left (RFC 8627, section 6.3.2 and 6.3.3; RFC 5109, section 9.2).
    pub fn into_packet(self, sequence: u16, ssrc: u32) -> Result<Vec<u8>, FecError> {
        let Fields { bits, length, timestamp } = self.fields;
        let length = usize::from(length);
        if length + HEADER > MAX_PACKET {
            return Err(FecError::TooLong(length + HEADER));
        }
        // Beyond what is protected nothing is known.
        let body = self.body.get(..length).ok_or(FecError::Inconsistent)?;
        let mut packet = Vec::with_capacity(HEADER + length);
        packet.extend_from_slice(&(0x8000 | bits & 0x3fff).to_be_bytes());
        packet.extend_from_slice(&sequence.to_be_bytes());
        packet.extend_from_slice(&timestamp.to_be_bytes());
        packet.extend_from_slice(&ssrc.to_be_bytes());
        packet.extend_from_slice(body);
        Ok(packet)
    }
}

/// Writes the XOR of these packets' bodies behind what `out` holds. Allocates only where `out` has no room.
pub(super) fn append_sum<'a>(sources: impl Iterator<Item = impl Borrow<Source<'a>>>, out: &mut Vec<u8>) -> Fields {
    let (at, mut fields) = (out.len(), Fields::default());
    for source in sources {
        let source = source.borrow();
        let end = at + source.body().len();
        if out.len() < end {
            out.resize(end, 0);
        }
        fields.add(source, out.get_mut(at..).unwrap_or_default());
    }
    fields
}

/// Which packets of one stream these are: where, and of which stream, and the mask; the base is the first one's number.
///
/// # Errors
/// [`FecError::SourceElsewhere`] for a packet of another stream, one before the first, one `reach` or more behind it,
/// or one that is there twice; [`FecError::WindowOutOfRange`] without any.
pub(super) fn cover<'a>(
    sources: impl Iterator<Item = impl Borrow<Source<'a>>>,
    reach: u16,
) -> Result<(u32, u16, u128), FecError> {
    let (mut first, mut mask) = (None, 0_u128);
    for source in sources {
        let source = source.borrow();
        let (ssrc, base) = *first.get_or_insert((source.ssrc(), source.sequence()));
        let offset = source.sequence().wrapping_sub(base);
        if source.ssrc() != ssrc || offset >= reach.min(128) || mask >> offset & 1 == 1 {
            return Err(FecError::SourceElsewhere);
        }
        mask |= 1 << offset;
    }
    let (ssrc, base) = first.ok_or(FecError::WindowOutOfRange)?;
    Ok((ssrc, base, mask))
}
