//! Payloads of one incoming stream, kept until they are sent, and for retransmission.

use std::collections::VecDeque;
use std::time::Duration;

use conclave_qos::Time;

use crate::MAX_PACKET;

/// The number of a payload in its [`PacketStore`]: they count up and are never used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(pub u64);

/// A payload, wherever it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PacketRef {
    /// Which store; what the number means is for [`Payloads`] to know.
    pub store: u32,
    /// Which payload of it.
    pub packet: PacketId,
}

/// All stores that a sender's packets can be in.
pub trait Payloads {
    /// The payload, if it is still kept.
    fn payload(&self, packet: PacketRef) -> Option<&[u8]>;
}

/// A ring of payloads. It holds at most two seconds, at most 512 KiB and at most 8,192 payloads; its memory begins
/// with 16 KiB and grows with the rate. Whoever asks for less than what it holds finds everything.
#[derive(Debug)]
pub struct PacketStore {
    /// Each payload is in one piece; what does not fit behind the last one goes to the start.
    bytes: Vec<u8>,
    entries: VecDeque<Entry>,
    /// The number of the first of `entries`.
    first: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u32,
    length: u16,
    at: Time,
}

impl Entry {
    fn end(self) -> usize {
        self.start as usize + usize::from(self.length)
    }
}

impl PacketStore {
    /// How long a payload is kept at most. A retransmission that comes later would come too late to be shown.
    pub const LIFETIME: Duration = Duration::from_secs(2);
    /// The most memory for payloads, in bytes: 2 s at 2 Mbit/s, 0.8 s at 5 Mbit/s.
    pub const MAX_BYTES: usize = 512 * 1_024;
    /// The most payloads, however small they are.
    pub const MAX_PAYLOADS: usize = 8_192;

    const FIRST_BYTES: usize = 16 * 1_024;

    /// An empty one, without memory yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), entries: VecDeque::new(), first: 0 }
    }

    /// Keeps a payload and returns its number. What is longer than [`MAX_PACKET`] is cut: no packet is.
    pub fn push(&mut self, now: Time, payload: &[u8]) -> PacketId {
        let payload = &payload[..payload.len().min(MAX_PACKET)];
        while self.entries.front().is_some_and(|entry| now.since(entry.at) > Self::LIFETIME)
            || self.entries.len() >= Self::MAX_PAYLOADS
        {
            self.forget_oldest();
        }
        let start = self.make_room(payload.len());
        self.bytes[start..start + payload.len()].copy_from_slice(payload);
        // Both fit: the ring is at most 512 KiB, a packet at most 1,500 bytes.
        self.entries.push_back(Entry { start: start as u32, length: payload.len() as u16, at: now });
        PacketId(self.first + self.entries.len() as u64 - 1)
    }

    /// The payload with this number, if it is still kept.
    #[must_use]
    pub fn get(&self, packet: PacketId) -> Option<&[u8]> {
        let index = usize::try_from(packet.0.checked_sub(self.first)?).ok()?;
        let entry = self.entries.get(index)?;
        Some(&self.bytes[entry.start as usize..entry.end()])
    }

    /// Gives the memory back. Numbers go on: what was kept is not found any more.
    pub fn release(&mut self) {
        self.first += self.entries.len() as u64;
        self.entries = VecDeque::new();
        self.bytes = Vec::new();
    }

    /// How many payloads are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The memory that it takes, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bytes.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    /// Where `length` bytes in one piece may be written; the oldest payloads give way once the ring has its
    /// full size.
    fn make_room(&mut self, length: usize) -> usize {
        loop {
            if let Some(start) = self.room(length) {
                return start;
            }
            if self.bytes.len() < Self::MAX_BYTES {
                self.grow();
            } else {
                // Ends: an empty ring of the full size has room for every packet.
                self.forget_oldest();
            }
        }
    }

    fn room(&self, length: usize) -> Option<usize> {
        let (Some(first), Some(last)) = (self.entries.front(), self.entries.back()) else {
            return (length <= self.bytes.len()).then_some(0);
        };
        let (head, tail) = (first.start as usize, last.end());
        if last.start < first.start {
            // It has wrapped. What is free ends before the head, never at it: a payload that starts at or behind the
            // head is how a ring that has not wrapped is told.
            return (tail + length < head).then_some(tail);
        }
        if tail + length <= self.bytes.len() {
            return Some(tail);
        }
        (length < head).then_some(0)
    }

    /// Twice the memory, with everything that is kept at its start.
    fn grow(&mut self) {
        let size = (2 * self.bytes.len()).clamp(Self::FIRST_BYTES, Self::MAX_BYTES);
        let mut bytes = vec![0; size];
        let mut end = 0;
        for entry in &mut self.entries {
            let length = usize::from(entry.length);
            let start = entry.start as usize;
            bytes[end..end + length].copy_from_slice(&self.bytes[start..start + length]);
            entry.start = end as u32;
            end += length;
        }
        self.bytes = bytes;
    }

    fn forget_oldest(&mut self) {
        if self.entries.pop_front().is_some() {
            self.first += 1;
        }
    }
}

impl Default for PacketStore {
    fn default() -> Self {
        Self::new()
    }
}
