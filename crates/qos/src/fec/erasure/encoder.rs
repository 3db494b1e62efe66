//! Makes parity packets.

use std::collections::VecDeque;

use super::{Header, LENGTH, MAX_ROWS, MAX_WINDOW, coefficient};
use crate::fec::gf256::add_scaled;
use crate::fec::{FecError, MAX_PACKET};

/// The sending half: keeps the latest 128 packets (at most 192 kB) and makes parity over any of them.
#[derive(Debug, Default)]
pub struct Encoder {
    /// The latest packets; the last one is numbered `next - 1`.
    packets: VecDeque<Vec<u8>>,
    next: u64,
    /// Goes round: parity packets over one window made one after the other differ.
    row: u8,
}

impl Encoder {
    /// The first packet gets number 0.
    pub fn new() -> Self {
        Self::default()
    }

    /// A packet is sent. Returns its number, which must go with it; numbers wrap at 2^32.
    ///
    /// # Errors
    /// [`FecError::TooLong`] beyond 1,500 bytes; then it gets no number.
    pub fn push(&mut self, packet: &[u8]) -> Result<u32, FecError> {
        if packet.len() > MAX_PACKET {
            return Err(FecError::TooLong(packet.len()));
        }
        let mut kept = match self.packets.len() {
            length if length >= usize::from(MAX_WINDOW) => self.packets.pop_front().unwrap_or_default(),
            _ => Vec::new(),
        };
        kept.clear();
        kept.extend_from_slice(packet);
        self.packets.push_back(kept);
        let number = self.next as u32;
        self.next += 1;
        Ok(number)
    }

    /// Writes the next parity packet over `count` packets from number `first` on. `out` is cleared before.
    ///
    /// Of one window, 128 in a row differ from each other.
    ///
    /// # Errors
    /// [`FecError::WindowOutOfRange`] if that is nothing, or not among the latest 128 packets.
    pub fn write_parity(&mut self, first: u32, count: u8, out: &mut Vec<u8>) -> Result<(), FecError> {
        out.clear();
        let back = u64::from((self.next as u32).wrapping_sub(first));
        let start = usize::try_from(back)
            .ok()
            .and_then(|back| self.packets.len().checked_sub(back))
            .ok_or(FecError::WindowOutOfRange)?;
        let window = start..start + usize::from(count);
        if count == 0 || window.end > self.packets.len() {
            return Err(FecError::WindowOutOfRange);
        }
        let row = self.row;
        self.row = (self.row + 1) % MAX_ROWS;
        Header { first, count, row }.write(out);
        let content = out.len();
        // `start` was subtracted from the length, so `back` is at most `next`.
        let first = self.next - back;
        for (sequence, packet) in (first..).zip(self.packets.range(window)) {
            let length = LENGTH + packet.len();
            if out.len() < content + length {
                out.resize(content + length, 0);
            }
            let (head, rest) = out.split_at_mut(content + LENGTH);
            let factor = coefficient(row, sequence);
            // At most `MAX_PACKET`.
            add_scaled(head.get_mut(content..).unwrap_or_default(), &(packet.len() as u16).to_be_bytes(), factor);
            add_scaled(rest, packet, factor);
        }
        Ok(())
    }
}
