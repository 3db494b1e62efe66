//! Makes lost packets again.

use std::collections::VecDeque;

use super::{Header, LENGTH, MAX_WINDOW, coefficient};
use crate::fec::gf256::{add_scaled, inverse, multiply, scale};
use crate::fec::{FecError, MAX_PACKET};

/// Packets that are kept: twice the longest window, so that what is reordered still counts.
const KEPT: usize = 2 * MAX_WINDOW as usize;
/// Parity packets that wait, at most. The oldest give way.
const MAX_EQUATIONS: usize = 64;

/// A packet that was lost and could be made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// Its number.
    pub sequence: u32,
    /// Its bytes.
    pub packet: Vec<u8>,
}

/// The receiving half. Keeps the latest 256 packets and up to 64 parity packets that wait: at
/// most 1.1 MB, of which half only if somebody sends windows that no sender of ours makes.
///
/// Parity packets are kept in reduced form (each one's first missing packet is missing from all others), so that a
/// packet is made as soon as anything allows it, whichever windows overlap.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The packet numbered `s` is at `s % KEPT`.
    kept: Vec<Option<Kept>>,
    newest: Option<u64>,
    equations: VecDeque<Equation>,
    recovered: VecDeque<Recovered>,
}

#[derive(Clone, Debug)]
struct Kept {
    sequence: u64,
    packet: Vec<u8>,
}

/// The sum of `coefficient * packet` over the missing ones is `content`.
#[derive(Debug)]
struct Equation {
    /// In order of numbers; no coefficient is 0. Never empty while it waits.
    terms: Vec<(u64, u8)>,
    content: Vec<u8>,
}

impl Decoder {
    /// Nothing has come. Takes no memory before the first packet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A source packet has come.
    ///
    /// # Errors
    /// [`FecError::TooLong`] beyond 1,500 bytes.
    pub fn handle_source(&mut self, sequence: u32, packet: &[u8]) -> Result<(), FecError> {
        if packet.len() > MAX_PACKET {
            return Err(FecError::TooLong(packet.len()));
        }
        let sequence = self.extend(sequence);
        if self.keep(sequence, packet) && !self.equations.is_empty() {
            self.substitute(sequence);
        }
        Ok(())
    }

    /// A parity packet has come. One that tells nothing new, or comes too late, is no error.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn handle_parity(&mut self, packet: &[u8]) -> Result<(), FecError> {
        let (header, content) = Header::parse(packet)?;
        let first = self.extend(header.first);
        let last = first + u64::from(header.count) - 1;
        // So far away, nothing is left, or nothing is there yet, to repair with.
        let horizon = self.horizon();
        if first < horizon || last > self.newest.unwrap_or(last) + KEPT as u64 {
            return Ok(());
        }
        let terms = (first..=last).map(|sequence| (sequence, coefficient(header.row, sequence))).collect();
        let mut equation = Equation { terms, content: content.to_vec() };
        for sequence in first..=last {
            if let Some(kept) = get(&self.kept, sequence) {
                equation.take_out(kept);
            }
        }
        self.insert(equation);
        Ok(())
    }

    /// What could be made again. It counts as received. The latest 256 wait here; who does not ask loses the oldest.
    pub fn poll_recovered(&mut self) -> Option<Recovered> {
        self.recovered.pop_front()
    }

    /// The number meant by these 32 bits: the nearest to the newest.
    fn extend(&self, short: u32) -> u64 {
        let Some(newest) = self.newest else { return u64::from(short) + (1 << 32) };
        let ahead = short.wrapping_sub(newest as u32).cast_signed();
        // Begins at 2^32, so that half of that can be taken away; 2^63 packets are never sent.
        newest.saturating_add_signed(i64::from(ahead))
    }

    /// The oldest number that is kept.
    fn horizon(&self) -> u64 {
        self.newest.map_or(0, |newest| (newest + 1).saturating_sub(KEPT as u64))
    }

    /// Remembers a packet. Says whether it was new and not too old.
    fn keep(&mut self, sequence: u64, packet: &[u8]) -> bool {
        if sequence < self.horizon() || get(&self.kept, sequence).is_some() {
            return false;
        }
        if self.newest.is_none_or(|newest| sequence > newest) {
            self.newest = Some(sequence);
            let horizon = self.horizon();
            // What a waiting equation has lost sight of never comes.
            self.equations.retain(|equation| equation.terms.first().is_some_and(|(first, _)| *first >= horizon));
        }
        self.kept.resize(KEPT, None);
        let Some(place) = self.kept.get_mut(index(sequence)) else { return false };
        let mut bytes = place.take().map(|kept| kept.packet).unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(packet);
        *place = Some(Kept { sequence, packet: bytes });
        true
    }

    /// A packet is known: takes it out of all equations, and what that tells as well, until nothing more follows.
    fn substitute(&mut self, known: u64) {
        let mut news = vec![known];
        while let Some(sequence) = news.pop() {
            let Some(kept) = get(&self.kept, sequence) else { continue };
            let mut beheaded = None;
            for (index, equation) in self.equations.iter_mut().enumerate() {
                let is_first = equation.terms.first().is_some_and(|(first, _)| *first == sequence);
                equation.take_out(kept);
                if is_first {
                    beheaded = Some(index);
                }
            }
            // A packet comes first in one equation only. Without it, that has to be set apart from the others anew.
            if let Some(equation) = beheaded.and_then(|index| self.equations.remove(index)) {
                news.extend(self.reduce(equation));
            }
            news.extend(self.harvest());
        }
    }

    fn insert(&mut self, equation: Equation) {
        if self.equations.len() >= MAX_EQUATIONS {
            self.equations.pop_front();
        }
        let first = self.reduce(equation);
        let solved = self.harvest();
        for sequence in first.into_iter().chain(solved) {
            self.substitute(sequence);
        }
    }

    /// Brings an equation into reduced form with the others; says which packet it has become, if it has.
    fn reduce(&mut self, mut equation: Equation) -> Option<u64> {
        for other in &self.equations {
            if let Some((pivot, _)) = other.terms.first() {
                equation.eliminate(*pivot, other);
            }
        }
        let (pivot, factor) = *equation.terms.first()?;
        equation.scale(inverse(factor));
        for other in &mut self.equations {
            other.eliminate(pivot, &equation);
        }
        if equation.terms.len() == 1 {
            return self.solve(pivot, &equation.content);
        }
        self.equations.push_back(equation);
        None
    }

    /// Equations that have come down to one packet.
    fn harvest(&mut self) -> Vec<u64> {
        let mut solved = Vec::new();
        for index in (0..self.equations.len()).rev() {
            if self.equations.get(index).is_some_and(|equation| equation.terms.len() <= 1)
                && let Some(equation) = self.equations.remove(index)
                && let Some((sequence, factor)) = equation.terms.first().copied()
            {
                let mut content = equation.content;
                scale(&mut content, inverse(factor));
                solved.extend(self.solve(sequence, &content));
            }
        }
        solved
    }

    /// The packet is this. `None` if that cannot be: somebody sent what was no parity.
    fn solve(&mut self, sequence: u64, content: &[u8]) -> Option<u64> {
        let (length, bytes) = content.split_first_chunk::<LENGTH>()?;
        let packet = bytes.get(..usize::from(u16::from_be_bytes(*length)))?.to_vec();
        if packet.len() > MAX_PACKET || !self.keep(sequence, &packet) {
            return None;
        }
        if self.recovered.len() >= KEPT {
            self.recovered.pop_front();
        }
        self.recovered.push_back(Recovered { sequence: sequence as u32, packet });
        Some(sequence)
    }
}

impl Equation {
    /// Moves a known packet to the other side, if it is there.
    fn take_out(&mut self, kept: &Kept) {
        let Ok(at) = self.terms.binary_search_by_key(&kept.sequence, |(sequence, _)| *sequence) else { return };
        let (_, factor) = self.terms.remove(at);
        self.lengthen(LENGTH + kept.packet.len());
        let (length, bytes) = self.content.split_at_mut(LENGTH);
        // At most `MAX_PACKET`.
        add_scaled(length, &(kept.packet.len() as u16).to_be_bytes(), factor);
        add_scaled(bytes, &kept.packet, factor);
    }

    /// Takes as much of `other`, which begins with the pivot at coefficient 1, as makes the pivot go away.
    fn eliminate(&mut self, pivot: u64, other: &Self) {
        let Ok(at) = self.terms.binary_search_by_key(&pivot, |(sequence, _)| *sequence) else { return };
        let Some((_, factor)) = self.terms.get(at).copied() else { return };
        for (sequence, theirs) in &other.terms {
            let product = multiply(*theirs, factor);
            match self.terms.binary_search_by_key(sequence, |(sequence, _)| *sequence) {
                Ok(at) => {
                    if let Some((_, own)) = self.terms.get_mut(at) {
                        *own ^= product;
                    }
                }
                Err(at) => self.terms.insert(at, (*sequence, product)),
            }
        }
        self.terms.retain(|(_, factor)| *factor != 0);
        self.lengthen(other.content.len());
        add_scaled(&mut self.content, &other.content, factor);
    }

    fn scale(&mut self, factor: u8) {
        self.terms.iter_mut().for_each(|(_, own)| *own = multiply(*own, factor));
        scale(&mut self.content, factor);
    }

    /// Contents of unequal length count as if filled up with zeros.
    fn lengthen(&mut self, length: usize) {
        if self.content.len() < length {
            self.content.resize(length, 0);
        }
    }
}

fn index(sequence: u64) -> usize {
    (sequence % KEPT as u64) as usize
}

fn get(kept: &[Option<Kept>], sequence: u64) -> Option<&Kept> {
    kept.get(index(sequence))?.as_ref().filter(|kept| kept.sequence == sequence)
}
