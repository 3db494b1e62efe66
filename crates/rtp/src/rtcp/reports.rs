//! Sender reports, receiver reports and goodbyes (RFC 3550 sections 6.4 and 6.6).

use super::word;
use crate::Ssrc;
use crate::header::Malformed;

/// What a sender says of itself in its report (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// Who sends.
    pub ssrc: Ssrc,
    /// The moment of the report by the sender's clock: seconds since 1900 in the upper 32 bits, their fraction below.
    pub ntp: u64,
    /// The same moment in units of the stream's clock.
    pub timestamp: u32,
    /// Packets sent so far; wraps.
    pub packets: u32,
    /// Bytes of payload sent so far, without headers and padding; wraps.
    pub octets: u32,
}

impl SenderInfo {
    pub(super) const LENGTH: usize = 24;

    /// Also gives the bytes behind it.
    pub(super) fn parse(body: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let (info, blocks) = body.split_first_chunk::<{ Self::LENGTH }>().ok_or(Malformed::Truncated)?;
        let at = |start: usize| u32::from_be_bytes([info[start], info[start + 1], info[start + 2], info[start + 3]]);
        let ntp = u64::from(at(4)) << 32 | u64::from(at(8));
        Ok((Self { ssrc: Ssrc(at(0)), ntp, timestamp: at(12), packets: at(16), octets: at(20) }, blocks))
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        bytes[0..4].copy_from_slice(&self.ssrc.0.to_be_bytes());
        bytes[4..12].copy_from_slice(&self.ntp.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.packets.to_be_bytes());
        bytes[20..24].copy_from_slice(&self.octets.to_be_bytes());
        bytes
    }
}

/// How one stream is received (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// Which stream.
    pub ssrc: Ssrc,
    /// The share of packets lost since the report before, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost since the start: 24 bits, below zero where duplicates came.
    pub lost: i32,
    /// The highest sequence number received, with the count of its wraps in the upper 16 bits.
    pub highest_sequence: u32,
    /// Mean deviation of the spacing of packets, in units of the stream's clock.
    pub jitter: u32,
    /// The middle 32 bits of the `ntp` of the last sender report; 0 if there was none.
    pub last_sender_report: u32,
    /// How long ago that was received, in units of 1/65,536 s.
    pub delay: u32,
}

impl ReportBlock {
    pub(super) const LENGTH: usize = 24;
    const MAX_LOST: i32 = 0x7f_ffff;

    fn from_bytes(bytes: &[u8; Self::LENGTH]) -> Self {
        let at =
            |start: usize| u32::from_be_bytes([bytes[start], bytes[start + 1], bytes[start + 2], bytes[start + 3]]);
        Self {
            ssrc: Ssrc(at(0)),
            fraction_lost: bytes[4],
            // The lower 24 bits, sign extended.
            lost: (at(4) << 8) as i32 >> 8,
            highest_sequence: at(8),
            jitter: at(12),
            last_sender_report: at(16),
            delay: at(20),
        }
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let lost = self.lost.clamp(-Self::MAX_LOST - 1, Self::MAX_LOST);
        bytes[0..4].copy_from_slice(&self.ssrc.0.to_be_bytes());
        bytes[4..8].copy_from_slice(&lost.to_be_bytes());
        bytes[4] = self.fraction_lost;
        bytes[8..12].copy_from_slice(&self.highest_sequence.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.jitter.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.last_sender_report.to_be_bytes());
        bytes[20..24].copy_from_slice(&self.delay.to_be_bytes());
        bytes
    }
}

/// The blocks of a report: at most 31.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportBlocks<'a> {
    /// A multiple of the length of a block.
    bytes: &'a [u8],
}

impl<'a> ReportBlocks<'a> {
    /// What lies behind the blocks is a profile's own, and is left alone.
    pub(super) fn parse(bytes: &'a [u8], count: u8) -> Result<Self, Malformed> {
        let length = usize::from(count) * ReportBlock::LENGTH;
        bytes.get(..length).map(|bytes| Self { bytes }).ok_or(Malformed::Truncated)
    }
}

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(ReportBlock::from_bytes(block))
    }
}

/// The sources that have ended: at most 31.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bye<'a> {
    bytes: &'a [u8],
}

impl<'a> Bye<'a> {
    pub(super) fn parse(body: &'a [u8], count: u8) -> Result<Self, Malformed> {
        body.get(..4 * usize::from(count)).map(|bytes| Self { bytes }).ok_or(Malformed::Truncated)
    }
}

impl Iterator for Bye<'_> {
    type Item = Ssrc;

    fn next(&mut self) -> Option<Ssrc> {
        let ssrc = word(self.bytes, 0)?;
        self.bytes = &self.bytes[4..];
        Some(Ssrc(ssrc))
    }
}
