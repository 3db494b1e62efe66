//! Which sequence numbers of a stream were used.
//!
//! Under AES-GCM two packets sealed with the same SSRC and index give away the authentication key
//! (RFC 7714, 9.1), so a number is let through once, whatever the caller does.

use crate::sequence::{Window, extend};

/// The receiver guesses the rollover counter from 16 bits: further ahead it would guess wrong, for good
/// (RFC 3711, 3.3.1). Half of what it can stand, since it need not have received the latest packet.
const LONGEST_JUMP: u64 = 1 << 14;
/// A stream's first number must be below this, so that the receiver cannot take it for one before a rollover.
const FIRST_BELOW: u64 = 1 << 15;
/// The rollover counter has 32 bits.
const END: u64 = 1 << 48;

/// Why a number may not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It was used, or is so old that this is not known.
    Used,
    /// It is so far ahead that the receiver could not follow.
    TooFar,
}

/// The numbers used so far. The latest are known singly, those long before count as used.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    /// All below were used, for all that is known.
    floor: u64,
    window: Window,
}

impl Numbers {
    /// None was used.
    pub fn new() -> Self {
        Self::used_up_to(0)
    }

    /// All numbers below this one count as used.
    pub fn used_up_to(floor: u64) -> Self {
        Self { floor, window: Window::new() }
    }

    /// Uses this number up.
    pub fn take(&mut self, number: u64) -> Result<(), Unusable> {
        let limit = if self.end() == 0 { FIRST_BELOW } else { (self.end() + LONGEST_JUMP).min(END) };
        if number >= limit {
            return Err(Unusable::TooFar);
        }
        if number < self.floor || !self.window.is_new(number) {
            return Err(Unusable::Used);
        }
        self.window.insert(number);
        Ok(())
    }

    /// One more than the highest that was used; zero while none was.
    pub fn end(&self) -> u64 {
        self.window.highest().map_or(self.floor, |highest| highest + 1)
    }

    /// The number of which these are the lowest 16 bits, closest to the highest used.
    pub fn extend(&self, short: u16) -> Option<u64> {
        Some(extend(self.window.highest()?, short))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_used_once_and_late_ones_still_count() {
        let mut numbers = Numbers::new();
        assert_eq!(numbers.take(10), Ok(()));
        assert_eq!(numbers.take(10), Err(Unusable::Used));
        assert_eq!(numbers.take(1_000), Ok(()));
        assert_eq!(numbers.take(11), Ok(()));
        assert_eq!(numbers.take(11), Err(Unusable::Used));
        assert_eq!(numbers.take(1_034), Ok(()));
        assert_eq!(numbers.take(10), Err(Unusable::Used), "too old to know");
    }

    #[test]
    fn the_receiver_is_never_led_beyond_what_it_can_follow() {
        let mut numbers = Numbers::new();
        assert_eq!(numbers.take(FIRST_BELOW), Err(Unusable::TooFar));
        assert_eq!(numbers.take(FIRST_BELOW - 1), Ok(()));
        assert_eq!(numbers.take(FIRST_BELOW + LONGEST_JUMP), Err(Unusable::TooFar));
        assert_eq!(numbers.take(FIRST_BELOW + LONGEST_JUMP - 1), Ok(()));
        numbers = Numbers::used_up_to(END - 1);
        assert_eq!(numbers.take(END - 1), Ok(()));
        assert_eq!(numbers.take(END), Err(Unusable::TooFar), "the rollover counter is at its end");
    }

    #[test]
    fn a_source_that_comes_back_goes_on_where_it_ended() {
        let mut numbers = Numbers::used_up_to(70_000);
        assert_eq!(numbers.take(69_999), Err(Unusable::Used));
        assert_eq!(numbers.take(70_000), Ok(()));
        assert_eq!(numbers.end(), 70_001);
    }

    proptest! {
        #[test]
        fn whatever_the_caller_does_no_number_is_used_twice(steps in prop::collection::vec((-1_500i64..1_500, 1u64..20_000), 1..400)) {
            let mut numbers = Numbers::new();
            let mut used = HashSet::new();
            let mut at = 0i64;
            for (step, jump) in steps {
                at = if step % 97 == 0 { at + jump as i64 } else { at + step / 40 }.max(0);
                if numbers.take(at as u64).is_ok() {
                    prop_assert!(used.insert(at));
                }
            }
        }
    }
}
