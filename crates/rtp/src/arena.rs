//! Where sealed packets are put until they are sent.

use std::ops::Range;

use crate::MAX_PACKET;

/// Packets one behind the other, without gaps, so that a run of equal length can leave in one piece.
/// Its memory is kept when it is cleared.
#[derive(Debug, Default)]
pub struct Arena {
    /// Longer than what is used, by up to a packet that is being written.
    bytes: Vec<u8>,
    /// Where each packet ends; it begins where the one before it ends.
    ends: Vec<usize>,
}

impl Arena {
    /// An empty one, which has memory for so many of the longest packets from the start.
    #[must_use]
    pub fn with_capacity(packets: usize) -> Self {
        Self { bytes: vec![0; packets * MAX_PACKET], ends: Vec::with_capacity(packets) }
    }

    /// Room for the next packet, with whatever was there before. [`Arena::commit`] keeps what has been written;
    /// calling this again does not.
    pub fn begin(&mut self) -> &mut [u8] {
        let start = self.used();
        let end = start + MAX_PACKET;
        if self.bytes.len() < end {
            // Doubled, so that it is soon as long as it ever has to be.
            self.bytes.resize(end.max(2 * self.bytes.len()), 0);
        }
        &mut self.bytes[start..end]
    }

    /// Keeps the first `length` bytes of what [`Arena::begin`] gave, as a packet; at most [`MAX_PACKET`].
    pub fn commit(&mut self, length: usize) {
        let end = self.used() + length.min(MAX_PACKET);
        // Without a `begin` there is nothing to keep.
        self.ends.push(end.min(self.bytes.len()));
    }

    /// How many packets are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of all its packets together.
    #[must_use]
    pub fn used(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// The packets of a range of numbers, of which those that do not exist are left out.
    pub fn packets(&self, range: Range<usize>) -> impl ExactSizeIterator<Item = &[u8]> {
        let range = range.start.min(self.len())..range.end.min(self.len());
        let (start, end) = (range.start.min(range.end), range.end);
        (start..end).map(|index| &self.bytes[self.start(index)..self.ends[index]])
    }

    /// The bytes of a range of packets in one piece: what a segmenting send (GSO) takes.
    #[must_use]
    pub fn contiguous(&self, range: Range<usize>) -> &[u8] {
        let last = range.end.min(self.len());
        if range.start >= last {
            return &[];
        }
        &self.bytes[self.start(range.start)..self.ends[last - 1]]
    }

    /// Forgets the packets, keeps the memory.
    pub fn clear(&mut self) {
        self.ends.clear();
    }

    fn start(&self, index: usize) -> usize {
        index.checked_sub(1).map_or(0, |before| self.ends[before])
    }
}
