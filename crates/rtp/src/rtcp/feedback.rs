//! NACK, FIR and REMB.

use conclave_qos::Bitrate;

use super::word;
use crate::Ssrc;
use crate::header::Malformed;

/// Packets that somebody misses (RFC 4585 section 6.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nack<'a> {
    /// Who misses them.
    pub sender: Ssrc,
    /// Of which stream.
    pub media: Ssrc,
    /// Pairs of a sequence number and a mask of the 16 that follow it.
    pairs: &'a [u8],
}

impl<'a> Nack<'a> {
    pub(super) fn parse(sender: Ssrc, media: Ssrc, control: &'a [u8]) -> Result<Self, Malformed> {
        // The frame's length is a multiple of four, and so is this.
        if control.is_empty() { Err(Malformed::Truncated) } else { Ok(Self { sender, media, pairs: control }) }
    }

    /// The sequence numbers, in the order in which they are asked for: at most 17 for each four bytes.
    pub fn sequences(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.pairs.chunks_exact(4).flat_map(|pair| {
            let first = u16::from_be_bytes([pair[0], pair[1]]);
            let mask = u16::from_be_bytes([pair[2], pair[3]]);
            let following = (0..16).filter(move |bit| mask >> bit & 1 == 1);
            std::iter::once(first).chain(following.map(move |bit| first.wrapping_add(bit + 1)))
        })
    }
}

/// A request for a key frame of one stream (RFC 5104 section 4.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirEntry {
    /// Which stream.
    pub ssrc: Ssrc,
    /// Changes with each new request; a repeated one is the same request.
    pub number: u8,
}

/// Requests for key frames (RFC 5104 section 4.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fir<'a> {
    /// Who asks.
    pub sender: Ssrc,
    entries: &'a [u8],
}

impl<'a> Fir<'a> {
    pub(super) fn parse(sender: Ssrc, control: &'a [u8]) -> Result<Self, Malformed> {
        if control.is_empty() || !control.len().is_multiple_of(8) {
            return Err(Malformed::Field);
        }
        Ok(Self { sender, entries: control })
    }

    /// What is asked for.
    pub fn entries(&self) -> impl Iterator<Item = FirEntry> + use<'a> {
        self.entries.chunks_exact(8).map(|entry| FirEntry {
            ssrc: Ssrc(u32::from_be_bytes([entry[0], entry[1], entry[2], entry[3]])),
            number: entry[4],
        })
    }
}

/// The rate that a receiver believes its network to carry (draft-alvestrand-rmcat-remb-03 section 2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remb<'a> {
    /// Who says so.
    pub sender: Ssrc,
    /// All streams below together.
    pub bitrate: Bitrate,
    streams: &'a [u8],
}

impl<'a> Remb<'a> {
    /// `control` begins with "REMB".
    pub(super) fn parse(sender: Ssrc, control: &'a [u8]) -> Result<Self, Malformed> {
        let value = word(control, 4).ok_or(Malformed::Truncated)?;
        let count = value >> 24;
        let (exponent, mantissa) = (value >> 18 & 0x3f, u64::from(value & 0x3_ffff));
        // Absurd, and allowed: it is as good as no limit.
        let rate = u128::from(mantissa) << exponent;
        let bitrate = Bitrate::bps(u64::try_from(rate).unwrap_or(u64::MAX));
        let streams = control.get(8..8 + 4 * count as usize).ok_or(Malformed::Truncated)?;
        Ok(Self { sender, bitrate, streams })
    }

    /// The streams that it speaks of: at most 255.
    pub fn streams(&self) -> impl Iterator<Item = Ssrc> + use<'a> {
        self.streams.chunks_exact(4).map(|ssrc| Ssrc(u32::from_be_bytes([ssrc[0], ssrc[1], ssrc[2], ssrc[3]])))
    }

    /// The exponent of 6 bits and the mantissa of 18 that a rate becomes; rounded down.
    pub(super) fn encode(bitrate: Bitrate) -> u32 {
        let rate = bitrate.as_bps();
        let exponent = (64 - rate.leading_zeros()).saturating_sub(18);
        // 18 bits remain.
        exponent << 18 | (rate >> exponent) as u32
    }
}
