//! A payload with copies of earlier ones before it (RFC 2198).

use conclave_qos::fec::red::{MAX_OFFSET, MAX_REDUNDANT};
use conclave_qos::repair::MAX_COPIES;

use crate::PayloadType;

/// Sounds with their copies stay below the smallest packet that every path carries, with whatever headers and tunnels add:
/// one that is taken apart on its way is lost more often than the sounds that it repeats.
const MOST_BYTES: usize = 1_100;
/// What a copy takes besides itself.
pub(super) const HEADER: usize = 4;
/// What the payload itself takes: its payload type.
const LAST_HEADER: usize = 1;
/// F: another header follows.
const FOLLOWS: u8 = 0x80;

/// An earlier payload.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Block<'a> {
    /// How much older it is, in ticks.
    pub behind: u32,
    pub payload: &'a [u8],
}

/// What goes before a payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Red<'a> {
    inner: PayloadType,
    primary: usize,
    /// The oldest first.
    blocks: [Block<'a>; MAX_COPIES],
    count: usize,
}

impl<'a> Red<'a> {
    /// Nothing yet, before a payload of this type and length.
    pub fn new(inner: PayloadType, primary: usize) -> Self {
        Self { inner, primary, blocks: [Block::default(); MAX_COPIES], count: 0 }
    }

    /// One more, later than those before it. What the headers cannot tell is left out; where it would become too long, the
    /// oldest gives way.
    pub fn push(&mut self, block: Block<'a>) {
        let can_tell = (1..=u32::from(MAX_OFFSET)).contains(&block.behind);
        if !can_tell || !(1..=MAX_REDUNDANT).contains(&block.payload.len()) {
            return;
        }
        while self.count == MAX_COPIES || self.count > 0 && self.len_with(&block) > MOST_BYTES {
            self.blocks.copy_within(1..self.count, 0);
            self.count -= 1;
        }
        if self.len_with(&block) <= MOST_BYTES {
            self.blocks[self.count] = block;
            self.count += 1;
        }
    }

    /// How many copies.
    pub fn count(&self) -> usize {
        self.count
    }

    /// What is written before the payload, in bytes.
    pub fn added(&self) -> usize {
        let copies = self.blocks().iter().map(|block| HEADER + block.payload.len());
        copies.sum::<usize>() + LAST_HEADER
    }

    /// Writes what goes before the payload. Returns where that goes; `None` if there is no room.
    pub fn write(&self, out: &mut [u8], at: usize) -> Option<usize> {
        let end = at + self.added();
        let mut rest = out.get_mut(at..end)?;
        for block in self.blocks() {
            // Both fit, as was seen when it was pushed.
            let word = block.behind << 10 | block.payload.len() as u32;
            let word = u32::from(FOLLOWS | self.inner.get()) << 24 | word;
            let (header, others) = rest.split_first_chunk_mut::<HEADER>()?;
            *header = word.to_be_bytes();
            rest = others;
        }
        let (last, mut rest) = rest.split_first_mut()?;
        *last = self.inner.get();
        for block in self.blocks() {
            let (copy, others) = rest.split_at_mut_checked(block.payload.len())?;
            copy.copy_from_slice(block.payload);
            rest = others;
        }
        Some(end)
    }

    fn blocks(&self) -> &[Block<'a>] {
        &self.blocks[..self.count]
    }

    fn len_with(&self, block: &Block<'_>) -> usize {
        self.added() + HEADER + block.payload.len() + self.primary
    }
}

#[cfg(test)]
mod tests {
    use conclave_qos::fec::red;

    use super::*;

    const OPUS: PayloadType = PayloadType::from_header(111);

    fn written(red: &Red<'_>, primary: &[u8]) -> Vec<u8> {
        let mut out = [0; 1_500];
        let at = red.write(&mut out, 12).expect("room");
        out[at..at + primary.len()].copy_from_slice(primary);
        assert_eq!(at - 12, red.added());
        out[12..at + primary.len()].to_vec()
    }

    #[test]
    fn the_bytes_are_those_of_the_standard() {
        let mut red = Red::new(OPUS, 3);
        red.push(Block { behind: 1_920, payload: &[0xaa, 0xab] });
        red.push(Block { behind: 960, payload: &[0xba] });
        let bytes = written(&red, &[1, 2, 3]);
        // F and 111, 14 bits of offset, 10 of length; twice. Then 111, and the payloads.
        let headers = [0xef, 0x1e, 0x00, 0x02, 0xef, 0x0f, 0x00, 0x01, 0x6f];
        assert_eq!(bytes, [&headers[..], &[0xaa, 0xab, 0xba, 1, 2, 3]].concat());
        let read: Vec<_> =
            red::parse(&bytes).expect("valid").map(|block| (block.offset, block.payload.len())).collect();
        assert_eq!(read, [(1_920, 2), (960, 1), (0, 3)]);
    }

    #[test]
    fn what_the_headers_cannot_tell_is_left_out() {
        let (long, short) = ([1; 1_024], [2; 10]);
        let mut red = Red::new(OPUS, 50);
        red.push(Block { behind: 0x4000, payload: &short });
        red.push(Block { behind: 0, payload: &short });
        red.push(Block { behind: 960, payload: &long });
        red.push(Block { behind: 960, payload: &[] });
        // Of later than the payload itself, as of a clock that went back.
        red.push(Block { behind: 960_u32.wrapping_neg(), payload: &short });
        assert_eq!(red.count(), 0);
        red.push(Block { behind: 0x3fff, payload: &short });
        red.push(Block { behind: 960, payload: &long[..1_000] });
        assert_eq!(red.count(), 2);
    }

    #[test]
    fn the_oldest_gives_way_where_there_is_no_room() {
        let sound = [7; 300];
        let mut red = Red::new(OPUS, 300);
        for behind in [3, 2, 1].map(|back| back * 960) {
            red.push(Block { behind, payload: &sound });
        }
        let bytes = written(&red, &sound);
        assert!(bytes.len() <= MOST_BYTES, "{}", bytes.len());
        let offsets: Vec<_> = red::parse(&bytes).expect("valid").map(|block| block.offset).collect();
        assert_eq!(offsets, [1_920, 960, 0]);
        // Music of a whole packet goes as it is.
        let mut red = Red::new(OPUS, 1_090);
        red.push(Block { behind: 960, payload: &sound });
        assert_eq!(red.count(), 0);
    }

    #[test]
    fn more_than_there_is_room_for_is_not_written() {
        let mut red = Red::new(OPUS, 3);
        red.push(Block { behind: 960, payload: &[1; 100] });
        assert_eq!(red.write(&mut [0; 100], 12), None);
    }
}
