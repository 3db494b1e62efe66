//! Fields of bits, the highest first, as AV1, VP9 and the dependency descriptor write them.

#[derive(Clone, Copy, Debug)]
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    /// In bits.
    at: usize,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bits have been read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The next `count` bits, at most 32, as a number. `None` if there are not as many left.
    pub fn take(&mut self, count: usize) -> Option<u32> {
        debug_assert!(count <= 32);
        let end = self.at + count;
        if end > self.bytes.len() * 8 {
            return None;
        }
        let mut value = 0u64;
        for byte in &self.bytes[self.at / 8..end.div_ceil(8)] {
            value = value << 8 | u64::from(*byte);
        }
        let beyond = end.next_multiple_of(8) - end;
        self.at = end;
        Some((value >> beyond & ((1 << count) - 1)) as u32)
    }

    pub fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    /// `None` if there are not as many left.
    pub fn skip(&mut self, count: usize) -> Option<()> {
        let end = self.at.checked_add(count).filter(|end| *end <= self.bytes.len() * 8)?;
        self.at = end;
        Some(())
    }

    /// A number below `limit` in as few bits as do (`ns(n)` of the AV1 specification, section 4.10.7).
    pub fn below(&mut self, limit: u32) -> Option<u32> {
        let width = (u32::BITS - limit.leading_zeros()) as usize;
        let short = (1u32 << width) - limit;
        let value = self.take(width.checked_sub(1)?)?;
        if value < short { Some(value) } else { Some((value << 1) - short + self.take(1)?) }
    }

    /// `uvlc()` of the AV1 specification, section 4.10.3.
    pub fn variable(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros >= 32 {
                return None;
            }
        }
        Some(((1u64 << zeros) - 1 + u64::from(self.take(zeros)?)) as u32)
    }
}

/// Replaces `count` bits, at most 8, that begin at this bit; what lies beyond the bytes is left out.
pub(crate) fn put(bytes: &mut [u8], at: usize, count: usize, value: u8) {
    for bit in 0..count {
        let place = at + bit;
        let Some(byte) = bytes.get_mut(place / 8) else { return };
        let mask = 0x80 >> (place % 8);
        if value >> (count - 1 - bit) & 1 == 1 { *byte |= mask } else { *byte &= !mask }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_across_bytes_and_never_beyond_the_end() {
        let mut bits = Bits::new(&[0b1010_0101, 0xff, 0x01]);
        assert_eq!(bits.take(3), Some(0b101));
        assert_eq!(bits.take(9), Some(0b0_0101_1111));
        assert_eq!(bits.take(13), None);
        assert_eq!(bits.take(12), Some(0xf01));
        assert_eq!((bits.flag(), bits.take(0), bits.skip(1)), (None, Some(0), None));
    }

    #[test]
    fn a_number_below_five_takes_two_or_three_bits() {
        // The table of the AV1 specification, section 4.10.7.
        for (byte, value, read) in [(0b0000_0000, 0, 2), (0b0100_0000, 1, 2), (0b1000_0000, 2, 2)] {
            let mut bits = Bits::new(std::slice::from_ref(&byte));
            assert_eq!((bits.below(5), bits.position()), (Some(value), read));
        }
        for (byte, value) in [(0b1100_0000, 3), (0b1110_0000, 4)] {
            let mut bits = Bits::new(std::slice::from_ref(&byte));
            assert_eq!((bits.below(5), bits.position()), (Some(value), 3));
        }
        assert_eq!(Bits::new(&[]).below(1), Some(0), "nothing to tell apart");
    }

    proptest! {
        #[test]
        fn what_is_put_is_read_back_and_nothing_else_changes(
            bytes in proptest::collection::vec(any::<u8>(), 4),
            at in 0usize..24,
            count in 1usize..=8,
            value in any::<u8>(),
        ) {
            let mut changed = bytes.clone();
            put(&mut changed, at, count, value);
            let read = |bytes: &[u8], from: usize, count: usize| {
                let mut bits = Bits::new(bytes);
                bits.skip(from).and_then(|()| bits.take(count)).expect("within")
            };
            prop_assert_eq!(read(&changed, at, count), u32::from(value) & ((1 << count) - 1));
            prop_assert_eq!(read(&changed, 0, at), read(&bytes, 0, at));
            prop_assert_eq!(read(&changed, at + count, 32 - at - count), read(&bytes, at + count, 32 - at - count));
        }
    }
}
