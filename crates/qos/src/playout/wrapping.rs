//! Numbers that wrap, made into numbers that do not.

/// Continues numbers of `BITS` bits (at most 32) beyond their wrapping: each is taken as the one nearest to the one
/// before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unwrapper<const BITS: u32> {
    last: Option<i64>,
}

impl<const BITS: u32> Unwrapper<BITS> {
    /// What the number would be; nothing is remembered.
    pub(super) fn peek(self, value: u32) -> i64 {
        let modulus = 1_i64 << BITS;
        let Some(last) = self.last else { return i64::from(value) };
        let ahead = i64::from(value).wrapping_sub(last) & (modulus - 1);
        last.saturating_add(if ahead >= modulus / 2 { ahead - modulus } else { ahead })
    }

    /// The number; the next is taken as near to it.
    pub(super) fn unwrap(&mut self, value: u32) -> i64 {
        let unwrapped = self.peek(value);
        self.last = Some(unwrapped);
        unwrapped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_beyond_their_wrapping_in_both_directions() {
        let mut numbers = Unwrapper::<16>::default();
        assert_eq!(numbers.unwrap(65_534), 65_534);
        assert_eq!(numbers.unwrap(1), 65_537);
        assert_eq!(numbers.peek(65_535), 65_535);
        assert_eq!(numbers.unwrap(65_535), 65_535);
        let mut numbers = Unwrapper::<32>::default();
        assert_eq!(numbers.unwrap(5), 5);
        assert_eq!(numbers.unwrap(u32::MAX), -1);
        assert_eq!(numbers.unwrap(3), 3);
    }
}
