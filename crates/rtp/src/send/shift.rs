//! Numbers on the wire where packets of our own stand between those of the media.

use std::collections::VecDeque;

/// So many places where packets were put in are remembered: those of 2 s, if each frame is followed by some. What is
/// older is not sent again either.
const MOST: usize = 64;

/// By how much the numbers on the wire are ahead of those that packets were queued under.
///
/// Each number becomes one number on the wire, whenever it is sent, and none of those that were put in: what comes late
/// gets the number that was left for it. So no number is used twice.
#[derive(Clone, Debug, Default)]
pub(super) struct Shift {
    now: u64,
    /// From which number on the shift was another than before it, and what it was before; the oldest first.
    steps: VecDeque<(u64, u64)>,
    /// Numbers from here on have not been sent.
    end: u64,
    /// Of numbers below this one it is not known.
    known_from: u64,
}

impl Shift {
    /// One that goes on where another ended, below which nothing will be sent.
    pub fn from_then_on(shift: u64) -> Self {
        Self { now: shift, ..Self::default() }
    }

    /// The shift of what is sent from now on.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// The number on the wire; `None` if it comes so late that this is not known any more.
    pub fn wire(&self, number: u64) -> Option<u64> {
        if self.now == 0 {
            return Some(number);
        }
        if number < self.known_from {
            return None;
        }
        let later = self.steps.iter().find(|(from, _)| number < *from);
        Some(number + later.map_or(self.now, |(_, before)| *before))
    }

    /// This number, as it was queued, has been sent.
    pub fn handle_sent(&mut self, number: u64) {
        self.end = self.end.max(number + 1);
    }

    /// Puts a packet in behind all that was sent. Returns its number on the wire.
    pub fn put_in(&mut self) -> u64 {
        let wire = self.end + self.now;
        if self.steps.back().is_none_or(|(from, _)| *from < self.end) {
            if self.steps.len() >= MOST
                && let Some((from, _)) = self.steps.pop_front()
            {
                self.known_from = from;
            }
            self.steps.push_back((self.end, self.now));
        }
        self.now += 1;
        wire
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_shifted_before_something_is_put_in() {
        let mut shift = Shift::default();
        shift.handle_sent(10);
        assert_eq!((shift.wire(11), shift.wire(3), shift.now()), (Some(11), Some(3), 0));
    }

    #[test]
    fn what_comes_late_gets_the_number_that_was_left_for_it() {
        let mut shift = Shift::default();
        [10, 12].into_iter().for_each(|number| shift.handle_sent(number));
        assert_eq!((shift.put_in(), shift.put_in()), (13, 14));
        assert_eq!(
            (shift.wire(11), shift.wire(12), shift.wire(13), shift.wire(14)),
            (Some(11), Some(12), Some(15), Some(16))
        );
        shift.handle_sent(14);
        assert_eq!(shift.put_in(), 17);
        assert_eq!((shift.wire(13), shift.wire(15)), (Some(15), Some(18)));
    }

    proptest! {
        #[test]
        fn no_number_is_used_twice_and_none_is_left_out(
            events in prop::collection::vec((any::<bool>(), 0..80_u64), 1..2_000),
        ) {
            let mut shift = Shift::default();
            let (mut queued, mut used) = (HashSet::new(), HashSet::new());
            let (mut highest, mut put_in, mut unknown) = (100_u64, 0, 0);
            for (is_put_in, back) in events {
                if is_put_in && !queued.is_empty() {
                    put_in += 1;
                    prop_assert!(used.insert(shift.put_in()));
                    continue;
                }
                highest += 1;
                let number = highest.saturating_sub(if back < 70 { 0 } else { back }).max(100);
                if !queued.insert(number) {
                    continue;
                }
                match shift.wire(number) {
                    Some(wire) => {
                        shift.handle_sent(number);
                        prop_assert!(used.insert(wire));
                    }
                    None => unknown += 1,
                }
            }
            // Of all numbers up to the last, those that never came are missing, and nothing else is.
            if let (Some(first), Some(last)) = (used.iter().min(), used.iter().max()) {
                let span = last - first + 1;
                prop_assert!(span <= (highest - 99) + put_in);
                prop_assert!(unknown == 0 || put_in > MOST as u64);
            }
        }
    }
}
