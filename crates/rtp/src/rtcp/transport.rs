//! Transport-wide feedback: draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1.

use std::time::Duration;

use conclave_qos::Time;

use crate::Ssrc;
use crate::header::Malformed;
use crate::write::NoRoom;

/// What differences of times are counted in.
const TICK: Duration = Duration::from_micros(250);
/// What the reference time is counted in.
const REFERENCE_UNIT: Duration = Duration::from_millis(64);
/// Sequence numbers that one report may speak of. Honest ones speak of what arrived in a tenth of a second.
pub(super) const MAX_STATUSES: u16 = 8_192;
/// Base, count, reference time and the count of reports.
const HEAD: usize = 8;

const ONE_BIT_SYMBOLS: usize = 14;
const TWO_BIT_SYMBOLS: usize = 7;
const LONGEST_RUN: usize = 0x1fff;

/// What happened to a packet, by the draft's section 3.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    Missing = 0,
    /// The difference takes one byte.
    Small = 1,
    /// The difference takes two bytes, and may be negative.
    Large = 2,
}

impl Symbol {
    const fn from_bits(bits: u16) -> Option<Self> {
        match bits {
            0 => Some(Self::Missing),
            1 => Some(Self::Small),
            2 => Some(Self::Large),
            _ => None,
        }
    }

    const fn delta_length(self) -> usize {
        self as usize
    }
}

/// Which packets of a transport arrived, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportFeedback<'a> {
    /// Who says so.
    pub sender: Ssrc,
    /// Some stream of the transport: it means nothing.
    pub media: Ssrc,
    /// The first sequence number that it speaks of.
    pub base: u16,
    /// How many sequence numbers it speaks of: 1 to 8,192.
    pub count: u16,
    /// The time that the first difference is counted from, in units of 64 ms of the receiver's clock: 24 bits.
    /// [`ReferenceClock`] takes care of its wrap.
    pub reference: u32,
    /// Counts the reports; wraps.
    pub report: u8,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl<'a> TransportFeedback<'a> {
    pub(super) fn parse(sender: Ssrc, media: Ssrc, control: &'a [u8]) -> Result<Self, Malformed> {
        let (head, rest) = control.split_first_chunk::<HEAD>().ok_or(Malformed::Truncated)?;
        let count = u16::from_be_bytes([head[2], head[3]]);
        if count == 0 || count > MAX_STATUSES {
            return Err(Malformed::Field);
        }
        // A run is one step here, so that a short packet cannot cost much; who reads the reports has to walk them.
        let (mut left, mut chunks, mut deltas) = (usize::from(count), 0, 0);
        while left > 0 {
            let chunk = rest.get(chunks..).and_then(<[u8]>::first_chunk).ok_or(Malformed::Truncated)?;
            chunks += 2;
            let chunk = Chunk(u16::from_be_bytes(*chunk));
            let used = chunk.symbols().min(left);
            left -= used;
            deltas += chunk.delta_bytes(used).ok_or(Malformed::Field)?;
        }
        let (chunks, rest) = rest.split_at(chunks);
        Ok(Self {
            sender,
            media,
            base: u16::from_be_bytes([head[0], head[1]]),
            count,
            reference: u32::from_be_bytes([0, head[4], head[5], head[6]]),
            report: head[7],
            chunks,
            deltas: rest.get(..deltas).ok_or(Malformed::Truncated)?,
        })
    }

    /// Every sequence number from `base` on and when it arrived, counted from `reference`: what
    /// [`ReferenceClock::unwrap`] made of this report's.
    pub fn reports(&self, reference: Duration) -> impl Iterator<Item = (u16, Option<Duration>)> + use<'a> {
        let base = self.base;
        let mut deltas = self.deltas;
        let mut time = reference;
        self.chunks
            .chunks_exact(2)
            .map(|chunk| Chunk(u16::from_be_bytes([chunk[0], chunk[1]])))
            .flat_map(|chunk| (0..chunk.symbols()).map(move |index| chunk.symbol(index)))
            .take(usize::from(self.count))
            .zip(0u16..)
            .map(move |(symbol, index)| {
                let sequence = base.wrapping_add(index);
                match symbol {
                    Some(Symbol::Small) => {
                        time += TICK * u32::from(take(&mut deltas).map_or(0, |[delta]| delta));
                        (sequence, Some(time))
                    }
                    Some(Symbol::Large) => {
                        let delta = take(&mut deltas).map_or(0, i16::from_be_bytes);
                        let step = TICK * u32::from(delta.unsigned_abs());
                        time = if delta < 0 { time.saturating_sub(step) } else { time + step };
                        (sequence, Some(time))
                    }
                    // There is no fourth symbol: parsing saw to it.
                    Some(Symbol::Missing) | None => (sequence, None),
                }
            })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

/// What 16 bits say of several packets (the draft's sections 3.1.3 and 3.1.4).
#[derive(Clone, Copy)]
struct Chunk(u16);

impl Chunk {
    const fn is_run(self) -> bool {
        self.0 & 0x8000 == 0
    }

    const fn symbols(self) -> usize {
        match self.0 >> 14 {
            0 | 1 => self.0 as usize & LONGEST_RUN,
            2 => ONE_BIT_SYMBOLS,
            _ => TWO_BIT_SYMBOLS,
        }
    }

    const fn symbol(self, index: usize) -> Option<Symbol> {
        let bits = match self.0 >> 14 {
            0 | 1 => self.0 >> 13,
            2 => self.0 >> (ONE_BIT_SYMBOLS - 1 - index) & 1,
            _ => self.0 >> (2 * (TWO_BIT_SYMBOLS - 1 - index)) & 3,
        };
        Symbol::from_bits(bits)
    }

    /// The bytes that the differences of the first `count` symbols take; `None` if one is not defined.
    fn delta_bytes(self, count: usize) -> Option<usize> {
        if self.is_run() {
            return Some(self.symbol(0)?.delta_length() * count);
        }
        (0..count).map(|index| self.symbol(index).map(Symbol::delta_length)).sum()
    }
}

/// Makes one clock of the reference times of a receiver's reports, which wrap every twelve days.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReferenceClock {
    last: Option<u64>,
}

impl ReferenceClock {
    const WRAP: u64 = 1 << 24;

    /// A reference time since an arbitrary start; reports may come out of order. The start is far enough away for
    /// every difference that a report can hold.
    pub fn unwrap(&mut self, reference: u32) -> Duration {
        let reference = u64::from(reference) % Self::WRAP;
        let ticks = match self.last {
            None => Self::WRAP + reference,
            Some(last) => {
                // The nearest to the last one, whichever way.
                let ahead = reference.wrapping_sub(last) % Self::WRAP;
                if ahead < Self::WRAP / 2 { last + ahead } else { last.saturating_sub(Self::WRAP - ahead) }
            }
        };
        self.last = Some(ticks);
        REFERENCE_UNIT * u32::try_from(ticks).unwrap_or(u32::MAX)
    }
}

/// A report to write; what [`conclave_qos::Feedback`] tells.
pub(super) struct Report<A> {
    pub(super) base: u16,
    pub(super) count: u16,
    pub(super) reference: Time,
    pub(super) report: u8,
    /// Gives the arrivals of `count` packets; asked twice, since differences follow symbols.
    pub(super) arrivals: A,
}

impl<A, I> Report<A>
where
    A: Fn() -> I,
    I: Iterator<Item = Option<Time>>,
{
    /// Writes what follows the two sources, and returns its length: not yet a multiple of four.
    pub(super) fn write(&self, out: &mut [u8]) -> Result<usize, NoRoom> {
        let head = out.get_mut(..HEAD).ok_or(NoRoom)?;
        let reference = self.reference.to_duration().as_millis() / REFERENCE_UNIT.as_millis();
        head[..2].copy_from_slice(&self.base.to_be_bytes());
        head[2..4].copy_from_slice(&self.count.to_be_bytes());
        // Its lower 24 bits.
        head[4..7].copy_from_slice(&(reference as u32).to_be_bytes()[1..]);
        head[7] = self.report;

        let mut writer = Output { out, at: HEAD };
        let mut pending = Pending::default();
        for delta in self.deltas() {
            let symbol = delta.map_or(Symbol::Missing, symbol_of);
            if !pending.takes(symbol) {
                writer.put(&pending.emit().to_be_bytes())?;
            }
            pending.add(symbol);
        }
        while pending.count > 0 {
            writer.put(&pending.finish().to_be_bytes())?;
        }
        for delta in self.deltas().flatten() {
            match symbol_of(delta) {
                // 0 to 255: that is what makes it small.
                Symbol::Small => writer.put(&[delta as u8])?,
                _ => writer.put(&delta.to_be_bytes())?,
            }
        }
        Ok(writer.at)
    }

    /// The differences, each to the packet before as the reader will reckon it, so that rounding does not add up.
    fn deltas(&self) -> impl Iterator<Item = Option<i16>> {
        let unit = REFERENCE_UNIT.as_micros() as i64;
        let start = self.reference.to_duration().as_micros() as i64 / unit * unit;
        let tick = TICK.as_micros() as i64;
        (self.arrivals)().take(usize::from(self.count)).scan(start, move |last, arrival| {
            let delta = arrival.and_then(|at| {
                let passed = at.to_duration().as_micros() as i64 - *last;
                // The log keeps arrivals of one report close together. One that is not is not told.
                i16::try_from((passed + passed.signum() * tick / 2) / tick).ok()
            });
            *last += i64::from(delta.unwrap_or(0)) * tick;
            Some(delta)
        })
    }
}

const fn symbol_of(delta: i16) -> Symbol {
    if delta >= 0 && delta <= 255 { Symbol::Small } else { Symbol::Large }
}

struct Output<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Output<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        let end = self.at + bytes.len();
        self.out.get_mut(self.at..end).ok_or(NoRoom)?.copy_from_slice(bytes);
        self.at = end;
        Ok(())
    }
}

/// Symbols that wait for the chunk that takes most of them.
struct Pending {
    /// The first symbols; in a run all are the same.
    symbols: [Symbol; ONE_BIT_SYMBOLS],
    count: usize,
    all_same: bool,
    has_large: bool,
}

impl Default for Pending {
    fn default() -> Self {
        Self { symbols: [Symbol::Missing; ONE_BIT_SYMBOLS], count: 0, all_same: true, has_large: false }
    }
}

impl Pending {
    /// Whether some one chunk can hold what waits and this as well.
    fn takes(&self, symbol: Symbol) -> bool {
        self.count < TWO_BIT_SYMBOLS
            || (self.count < ONE_BIT_SYMBOLS && !self.has_large && symbol != Symbol::Large)
            || (self.count < LONGEST_RUN && self.all_same && symbol == self.symbols[0])
    }

    fn add(&mut self, symbol: Symbol) {
        if let Some(place) = self.symbols.get_mut(self.count) {
            *place = symbol;
        }
        self.count += 1;
        self.all_same &= symbol == self.symbols[0];
        self.has_large |= symbol == Symbol::Large;
    }

    /// A full chunk. What it does not hold goes on waiting.
    fn emit(&mut self) -> u16 {
        if self.all_same || self.count == ONE_BIT_SYMBOLS {
            return self.finish();
        }
        let chunk = self.two_bits(TWO_BIT_SYMBOLS);
        let mut rest = Self::default();
        for &symbol in &self.symbols[TWO_BIT_SYMBOLS..self.count] {
            rest.add(symbol);
        }
        *self = rest;
        chunk
    }

    /// A chunk that need not be full: the count of the report says how much of it counts.
    fn finish(&mut self) -> u16 {
        let chunk = if self.all_same {
            (self.symbols[0] as u16) << 13 | self.count as u16
        } else if self.count > TWO_BIT_SYMBOLS && !self.has_large {
            let bits = self.symbols[..self.count].iter().enumerate();
            bits.fold(0x8000, |chunk, (index, &symbol)| chunk | (symbol as u16) << (ONE_BIT_SYMBOLS - 1 - index))
        } else if self.count > TWO_BIT_SYMBOLS {
            return self.emit();
        } else {
            self.two_bits(self.count)
        };
        *self = Self::default();
        chunk
    }

    fn two_bits(&self, count: usize) -> u16 {
        let symbols = self.symbols[..count].iter().enumerate();
        symbols.fold(0xc000, |chunk, (index, &symbol)| chunk | (symbol as u16) << (2 * (TWO_BIT_SYMBOLS - 1 - index)))
    }
}
