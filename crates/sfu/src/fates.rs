//! What became of the frames of a stream in one slot.

/// Frames that are remembered: more than can be late ([`crate::window`]) in a stream of one packet a frame, and
/// in a VP9 stream, whose numbers have gaps, those of 128 pictures.
const SIZE: u16 = 1024;

const WORDS: usize = SIZE as usize / 64;

/// What was decided about a frame with its first packet that came. All of its packets share it, so that none is
/// forwarded in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing of it has come.
    Unseen,
    /// It is forwarded. What of it is missing keeps its place and goes there when it comes.
    Forwarded,
    /// Nothing of it is.
    LeftOut,
}

/// The fates of the last 1,024 frames, by their numbers (modulo 2^16, [`crate::frame::Frame::number`]).
#[derive(Clone, Debug)]
pub(crate) struct Fates {
    newest: u16,
    seen: [u64; WORDS],
    forwarded: [u64; WORDS],
}

impl Fates {
    /// Of a slot that gets nothing from before this frame.
    pub fn begin(first: u16) -> Self {
        Self { newest: first.wrapping_sub(1), seen: [u64::MAX; WORDS], forwarded: [0; WORDS] }
    }

    /// Whether a number is beyond all that were decided about.
    pub fn is_ahead(&self, number: u16) -> bool {
        (1..1 << 15).contains(&number.wrapping_sub(self.newest))
    }

    /// `None` if it is too old to tell.
    pub fn get(&self, number: u16) -> Option<Fate> {
        if self.is_ahead(number) {
            return Some(Fate::Unseen);
        }
        let behind = self.newest.wrapping_sub(number);
        let (word, bit) = place(number);
        (behind < SIZE).then(|| match (self.seen[word] & bit != 0, self.forwarded[word] & bit != 0) {
            (false, _) => Fate::Unseen,
            (true, true) => Fate::Forwarded,
            (true, false) => Fate::LeftOut,
        })
    }

    /// Decides about a frame; one that is too old is let be.
    pub fn set(&mut self, number: u16, is_forwarded: bool) {
        if self.is_ahead(number) {
            let ahead = number.wrapping_sub(self.newest);
            if ahead >= SIZE {
                self.seen = [0; WORDS];
            } else {
                for skipped in 1..=ahead {
                    let (word, bit) = place(self.newest.wrapping_add(skipped));
                    self.seen[word] &= !bit;
                }
            }
            self.newest = number;
        } else if self.newest.wrapping_sub(number) >= SIZE {
            return;
        }
        let (word, bit) = place(number);
        self.seen[word] |= bit;
        if is_forwarded {
            self.forwarded[word] |= bit;
        } else {
            self.forwarded[word] &= !bit;
        }
    }
}

fn place(number: u16) -> (usize, u64) {
    (usize::from(number % SIZE / 64), 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_before_the_beginning_is_left_out_and_what_was_skipped_may_still_come() {
        use Fate::{Forwarded, LeftOut, Unseen};
        let mut fates = Fates::begin(3);
        assert_eq!(fates.get(3), Some(Unseen));
        fates.set(3, true);
        fates.set(6, false);
        let got = [2, 3, 4, 5, 6, 7].map(|number| fates.get(number).expect("remembered"));
        assert_eq!(got, [LeftOut, Forwarded, Unseen, Unseen, LeftOut, Unseen]);
        fates.set(4, true);
        assert_eq!(fates.get(4), Some(Forwarded));
        assert_eq!(fates.get(3u16.wrapping_sub(SIZE)), None);
    }

    proptest! {
        #[test]
        fn every_frame_keeps_its_fate_as_long_as_it_is_remembered(
            first: u16,
            steps in proptest::collection::vec((-1_100i32..1_200, any::<bool>()), 1..200),
        ) {
            let mut fates = Fates::begin(first);
            let mut known: HashMap<i32, bool> = HashMap::new();
            let (mut at, mut newest) = (i32::from(first) + 131_072, i32::from(first) + 131_071);
            let beginning = newest;
            for (step, forwarded) in steps {
                at = (at + step).max(newest - 30_000);
                fates.set(at as u16, forwarded);
                if at > newest || newest - at < i32::from(SIZE) {
                    known.insert(at, forwarded);
                }
                newest = newest.max(at);
                for back in (0..i32::from(SIZE)).step_by(37) {
                    let number = newest - back;
                    let expected = match known.get(&number) {
                        Some(true) => Fate::Forwarded,
                        Some(false) => Fate::LeftOut,
                        None if number <= beginning => Fate::LeftOut,
                        None => Fate::Unseen,
                    };
                    prop_assert_eq!(fates.get(number as u16), Some(expected));
                }
            }
        }
    }
}
