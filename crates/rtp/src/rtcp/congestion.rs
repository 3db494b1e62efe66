//! Congestion control feedback: RFC 8888 section 3.1.

use std::time::Duration;

use conclave_qos::{Ecn, Time};

use super::word;
use crate::Ssrc;
use crate::header::Malformed;

/// A quarter of all sequence numbers: no report may speak of more of one stream.
pub(super) const MAX_REPORTS: usize = 16_384;
/// Source, first sequence number and count.
pub(super) const BLOCK_HEAD: usize = 8;
/// What one packet takes.
const METRIC: usize = 2;

const RECEIVED: u16 = 0x8000;
/// Units of an arrival's offset in a second.
const OFFSETS: u128 = 1_024;
/// It arrived longer before the report than an offset can tell.
const LONG_BEFORE: u16 = 0x1ffe;
/// Nobody knows when it arrived, or it did so after the moment that the report speaks of.
const UNAVAILABLE: u16 = 0x1fff;

/// Which packets of which streams arrived, when, and how they were marked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CongestionFeedback<'a> {
    /// Who says so.
    pub sender: Ssrc,
    /// The moment that arrivals are counted back from: the middle 32 bits of an NTP timestamp of the receiver's clock, so
    /// in units of 1/65,536 s. [`ReportClock`] takes care of its wrap.
    pub timestamp: u32,
    blocks: &'a [u8],
}

impl<'a> CongestionFeedback<'a> {
    /// `body` is what follows the packet's first four bytes. Unlike other feedback it names no stream before its contents.
    pub(super) fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let (sender, rest) = body.split_first_chunk().ok_or(Malformed::Truncated)?;
        let (blocks, timestamp) = rest.split_last_chunk().ok_or(Malformed::Truncated)?;
        let mut rest = blocks;
        while !rest.is_empty() {
            (_, rest) = split_block(rest)?;
        }
        Ok(Self { sender: Ssrc(u32::from_be_bytes(*sender)), timestamp: u32::from_be_bytes(*timestamp), blocks })
    }

    /// What it says of each stream: one block for every eight bytes at most.
    pub fn blocks(&self) -> impl Iterator<Item = StreamFeedback<'a>> + use<'a> {
        let mut rest = self.blocks;
        std::iter::from_fn(move || {
            // Parsing saw to it that there are whole blocks only.
            let (block, behind) = split_block(rest).ok()?;
            rest = behind;
            Some(block)
        })
    }
}

fn split_block(bytes: &[u8]) -> Result<(StreamFeedback<'_>, &[u8]), Malformed> {
    let (head, rest) = bytes.split_first_chunk::<BLOCK_HEAD>().ok_or(Malformed::Truncated)?;
    let count = usize::from(u16::from_be_bytes([head[6], head[7]]));
    if count > MAX_REPORTS {
        return Err(Malformed::Field);
    }
    let metrics = rest.get(..count * METRIC).ok_or(Malformed::Truncated)?;
    // Two bytes of padding behind an odd number of them.
    let rest = rest.get((count * METRIC).next_multiple_of(4)..).ok_or(Malformed::Truncated)?;
    let ssrc = Ssrc(word(head, 0).ok_or(Malformed::Truncated)?);
    Ok((StreamFeedback { ssrc, first: u16::from_be_bytes([head[4], head[5]]), metrics }, rest))
}

/// What a report says of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamFeedback<'a> {
    /// Which stream.
    pub ssrc: Ssrc,
    /// The RTP sequence number that it begins with.
    pub first: u16,
    metrics: &'a [u8],
}

impl<'a> StreamFeedback<'a> {
    /// Of how many packets it speaks, received or not: 0 to 16,384.
    #[must_use]
    pub fn len(&self) -> usize {
        self.metrics.len() / METRIC
    }

    /// Whether it speaks of no packet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }

    /// Every sequence number from `first` on, when it arrived and how it was marked; `None` if it did not arrive. `time` is
    /// what [`ReportClock::unwrap`] made of this report's timestamp.
    ///
    /// Offsets are multiples of 1/1,024 s up to 8 s. A packet that arrived earlier counts as arrived 8 s before; one that
    /// arrived at a time that is not told, or after the moment of the report, as arrived at that moment.
    pub fn reports(&self, time: Duration) -> impl Iterator<Item = (u16, Option<(Duration, Ecn)>)> + use<'a> {
        let first = self.first;
        let metrics = self.metrics.chunks_exact(METRIC).map(|metric| u16::from_be_bytes([metric[0], metric[1]]));
        // At most 16,384.
        metrics.zip(0u16..).map(move |(metric, index)| (first.wrapping_add(index), read_metric(metric, time)))
    }
}

fn read_metric(metric: u16, time: Duration) -> Option<(Duration, Ecn)> {
    if metric & RECEIVED == 0 {
        return None;
    }
    let ecn = match metric >> 13 & 3 {
        0 => Ecn::NotEct,
        1 => Ecn::Ect1,
        2 => Ecn::Ect0,
        _ => Ecn::Ce,
    };
    let before = match metric & UNAVAILABLE {
        UNAVAILABLE => 0,
        offset => u64::from(offset),
    };
    // 10^9 / 1,024, exactly.
    let before = Duration::from_nanos(before * 9_765_625 / 10);
    Some((time.saturating_sub(before), ecn))
}

/// What is told of a packet by a report of this moment.
pub(super) fn write_metric(arrival: Option<(Time, Ecn)>, at: Time) -> [u8; METRIC] {
    let Some((arrival, ecn)) = arrival else { return [0; METRIC] };
    let ecn = match ecn {
        Ecn::NotEct => 0,
        Ecn::Ect1 => 1 << 13,
        Ecn::Ect0 => 2 << 13,
        Ecn::Ce => 3 << 13,
    };
    let offset = if arrival > at {
        UNAVAILABLE
    } else {
        let offset = (at.since(arrival).as_micros() * OFFSETS + 500_000) / 1_000_000;
        u16::try_from(offset).map_or(LONG_BEFORE, |offset| offset.min(LONG_BEFORE))
    };
    (RECEIVED | ecn | offset).to_be_bytes()
}

/// Makes one clock of the timestamps of a receiver's reports, which wrap every 18 hours.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReportClock {
    last: Option<u64>,
}

impl ReportClock {
    const WRAP: u64 = 1 << 32;

    /// A timestamp since an arbitrary start, in steps of 1/65,536 s; reports may come out of order. The start is far
    /// enough away for every offset that a report can hold.
    pub fn unwrap(&mut self, timestamp: u32) -> Duration {
        let timestamp = u64::from(timestamp);
        let ticks = match self.last {
            None => Self::WRAP + timestamp,
            Some(last) => {
                // The nearest to the last one, whichever way.
                let ahead = timestamp.wrapping_sub(last) % Self::WRAP;
                // A clock that is turned back for ever stays at the start.
                if ahead < Self::WRAP / 2 { last + ahead } else { last.saturating_sub(Self::WRAP - ahead) }
            }
        };
        self.last = Some(ticks);
        // Of a number below 2^16 the product stays below 2^46.
        Duration::new(ticks >> 16, (((ticks & 0xffff) * 1_000_000_000) >> 16) as u32)
    }
}
