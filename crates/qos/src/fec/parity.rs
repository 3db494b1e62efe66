//! What an XOR repair packet says, whatever its format.

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
    /// P, X, CC, M and PT.
    pub(super) bits: u16,
    /// Bytes behind the 12 of the header.
    pub(super) length: u16,
    pub(super) timestamp: u32,
    /// Behind the header, as far as it is protected.
    pub(super) body: &'a [u8],
}

/// The XOR of source packets. Bodies of unequal length count as if filled up with zeros.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub bits: u16,
    pub length: u16,
    pub timestamp: u32,
    pub body: Vec<u8>,
}

impl Sum {
    pub fn of_repair(repair: &Repair<'_>) -> Self {
        Self { bits: repair.bits, length: repair.length, timestamp: repair.timestamp, body: repair.body.to_vec() }
    }

    /// Adds a packet (or takes it away, which is the same). The body becomes as long as the longest one.
    pub fn add(&mut self, source: &Source<'_>) {
        if self.body.len() < source.body().len() {
            self.body.resize(source.body().len(), 0);
        }
        self.take_away(source);
    }

    /// Adds a packet as far as this body reaches.
    pub fn take_away(&mut self, source: &Source<'_>) {
        self.bits ^= source.bits();
        // At most `MAX_PACKET`.
        self.length ^= source.body().len() as u16;
        self.timestamp ^= source.timestamp();
        for (sum, byte) in self.body.iter_mut().zip(source.body()) {
            *sum ^= byte;
        }
    }

    /// The one packet that is left (RFC 8627, section 6.3.2 and 6.3.3; RFC 5109, section 9.2).
    pub fn into_packet(self, sequence: u16, ssrc: u32) -> Result<Vec<u8>, FecError> {
        let length = usize::from(self.length);
        if length + HEADER > MAX_PACKET {
            return Err(FecError::TooLong(length + HEADER));
        }
        // Beyond what is protected nothing is known.
        let body = self.body.get(..length).ok_or(FecError::Inconsistent)?;
        let mut packet = Vec::with_capacity(HEADER + length);
        packet.extend_from_slice(&(0x8000 | self.bits & 0x3fff).to_be_bytes());
        packet.extend_from_slice(&sequence.to_be_bytes());
        packet.extend_from_slice(&self.timestamp.to_be_bytes());
        packet.extend_from_slice(&ssrc.to_be_bytes());
        packet.extend_from_slice(body);
        Ok(packet)
    }
}

/// The sum of packets of one stream, and the mask that says which; the base is the first one's number.
///
/// # Errors
/// [`FecError::SourceElsewhere`] for a packet of another stream, one before the first, one `reach` or more behind it,
/// or one that is there twice; [`FecError::WindowOutOfRange`] without any.
pub(super) fn sum_up(sources: &[Source<'_>], reach: u16) -> Result<(Sum, u16, u128), FecError> {
    let first = sources.first().ok_or(FecError::WindowOutOfRange)?;
    let (mut sum, mut mask) = (Sum::default(), 0_u128);
    for source in sources {
        let offset = source.sequence().wrapping_sub(first.sequence());
        if source.ssrc() != first.ssrc() || offset >= reach.min(128) || mask >> offset & 1 == 1 {
            return Err(FecError::SourceElsewhere);
        }
        mask |= 1 << offset;
        sum.add(source);
    }
    Ok((sum, first.sequence(), mask))
}
