//! Makes lost packets of one stream again, from XOR repair packets of any format.

use std::collections::VecDeque;

use super::parity::{MAX_COVERED, Sum};
use super::source::{MAX_PACKET, Source};
use super::{Coverage, FecError, Repair};

/// Repair packets that wait for others, at most: libwebrtc's `kMaxFecPackets`. The oldest give way.
const MAX_REPAIRS: usize = 48;

/// One protected stream. Keeps the latest 256 of its packets and up to 48 repair packets: less than 0.6 MB, in the worst case.
///
/// Feed it everything that arrives, then ask [`poll_recovered`](Self::poll_recovered) until there is nothing.
#[derive(Debug)]
pub struct ParityDecoder {
    ssrc: u32,
    /// The packet numbered `s` is at `s % MAX_COVERED`; empty where none has come.
    kept: Vec<Kept>,
    newest: Option<u16>,
    repairs: VecDeque<Waiting>,
    recovered: VecDeque<Vec<u8>>,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    sequence: u16,
    packet: Vec<u8>,
}

#[derive(Debug)]
struct Waiting {
    coverage: Coverage,
    sum: Sum,
}

/// What a repair packet is good for now.
enum Use {
    /// All that it covers is there, or something will never be: it can go.
    None,
    /// More than one is missing.
    Later,
    /// Exactly this one is missing.
    Now(u16),
}

impl ParityDecoder {
    /// For the stream of this SSRC, of which nothing has come. Takes no memory for packets before the first.
    pub fn new(ssrc: u32) -> Self {
        Self { ssrc, kept: Vec::new(), newest: None, repairs: VecDeque::new(), recovered: VecDeque::new() }
    }

    /// A packet of the stream has come, by itself or by retransmission.
    ///
    /// # Errors
    /// [`FecError::SourceNotRtp`], [`FecError::TooLong`], or [`FecError::SourceElsewhere`] if it is of another stream.
    pub fn handle_source(&mut self, packet: &[u8]) -> Result<(), FecError> {
        let source = Source::parse(packet)?;
        if source.ssrc() != self.ssrc {
            return Err(FecError::SourceElsewhere);
        }
        if self.keep(&source) {
            self.solve();
        }
        Ok(())
    }

    /// A repair packet has come.
    ///
    /// # Errors
    /// [`FecError::SourceElsewhere`] if it protects another stream. One that comes too late is no error.
    pub fn handle_repair(&mut self, repair: &Repair<'_>) -> Result<(), FecError> {
        if repair.ssrc.is_some_and(|ssrc| ssrc != self.ssrc) {
            return Err(FecError::SourceElsewhere);
        }
        let coverage = repair.coverage.check()?;
        if repair.body.len() > MAX_PACKET {
            return Err(FecError::TooLong(repair.body.len()));
        }
        // Before the first packet there is nothing to repair with, and no place in the stream.
        if self.newest.is_none() {
            return Ok(());
        }
        if self.repairs.len() >= MAX_REPAIRS {
            self.repairs.pop_front();
        }
        self.repairs.push_back(Waiting { coverage, sum: Sum::of_repair(repair) });
        self.solve();
        Ok(())
    }

    /// A packet that was lost and could be made again, header included. It counts as received.
    ///
    /// The latest 48 wait here; who does not ask loses the oldest.
    pub fn poll_recovered(&mut self) -> Option<Vec<u8>> {
        self.recovered.pop_front()
    }

    /// Remembers a packet. Says whether it was new and not too old.
    fn keep(&mut self, source: &Source<'_>) -> bool {
        let sequence = source.sequence();
        if self.kept.is_empty() {
            self.kept.resize(MAX_COVERED, Kept::default());
        }
        match self.newest {
            Some(newest) if behind(newest, sequence).is_some_and(|back| back >= MAX_COVERED) => return false,
            Some(newest) if behind(newest, sequence).is_some() => {}
            _ => self.newest = Some(sequence),
        }
        let Some(kept) = self.kept.get_mut(usize::from(sequence) % MAX_COVERED) else { return false };
        if kept.sequence == sequence && !kept.packet.is_empty() {
            return false;
        }
        kept.sequence = sequence;
        kept.packet.clear();
        kept.packet.extend_from_slice(source.bytes());
        true
    }

    fn get(&self, sequence: u16) -> Option<Source<'_>> {
        let kept = self.kept.get(usize::from(sequence) % MAX_COVERED)?;
        // A place whose number has come round again may still hold the packet of the last round.
        let is_recent = behind(self.newest?, sequence).is_some_and(|back| back < MAX_COVERED);
        let is_it = kept.sequence == sequence && is_recent;
        // `Source::parse` was passed before it was kept; what is empty fails it.
        is_it.then(|| Source::parse(&kept.packet).ok()).flatten()
    }

    /// Each packet that is made may let another be made: at most one for each repair packet.
    fn solve(&mut self) {
        let mut index = 0;
        while let Some(waiting) = self.repairs.get(index) {
            match self.usefulness(waiting.coverage) {
                Use::Later => index += 1,
                Use::None => {
                    self.repairs.remove(index);
                }
                Use::Now(missing) => {
                    let Some(waiting) = self.repairs.remove(index) else { break };
                    // What contradicts itself repairs nothing; it was not asked for, so nobody is told.
                    if let Ok(packet) = self.recover(waiting, missing)
                        && Source::parse(&packet).is_ok_and(|source| self.keep(&source))
                    {
                        if self.recovered.len() >= MAX_REPAIRS {
                            self.recovered.pop_front();
                        }
                        self.recovered.push_back(packet);
                        index = 0;
                    }
                }
            }
        }
    }

    fn usefulness(&self, coverage: Coverage) -> Use {
        let Some(newest) = self.newest else { return Use::Later };
        let mut missing = None;
        for sequence in coverage.sequences() {
            if self.get(sequence).is_some() {
                continue;
            }
            match behind(newest, sequence) {
                Some(back) if back >= MAX_COVERED => return Use::None,
                // Whoever could name any number would move the window away from the stream.
                None if usize::from(sequence.wrapping_sub(newest)) >= MAX_COVERED => return Use::Later,
                _ => {}
            }
            if missing.replace(sequence).is_some() {
                return Use::Later;
            }
        }
        missing.map_or(Use::None, Use::Now)
    }

    fn recover(&self, waiting: Waiting, missing: u16) -> Result<Vec<u8>, FecError> {
        let mut sum = waiting.sum;
        for source in waiting.coverage.sequences().filter_map(|sequence| self.get(sequence)) {
            sum.take_away(&source);
        }
        sum.into_packet(missing, self.ssrc)
    }
}

/// How far `sequence` is behind `newest`; `None` if it is ahead.
fn behind(newest: u16, sequence: u16) -> Option<usize> {
    let back = newest.wrapping_sub(sequence);
    (back < 0x8000).then_some(usize::from(back))
}

#[cfg(test)]
#[path = "parity_decoder_tests.rs"]
pub(super) mod tests;
