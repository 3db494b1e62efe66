//! Which sequence numbers of an incoming stream have been seen.

/// How a packet stands to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The stream begins, or begins anew: nothing before it counts any more.
    Start,
    /// Later than all before it.
    Newest {
        /// It follows the one before it without a gap.
        contiguous: bool,
    },
    /// Reordered or retransmitted.
    Late,
    /// Seen before, too old to tell, or so far off that the next packet decides whether to believe it.
    Refused,
}

/// Bits of memory; also how late a packet may be.
const SIZE: u64 = 1024;

/// A jump further ahead than this is a new start or a lie (RFC 3550 appendix A.1, `MAX_DROPOUT`).
const MAX_GAP: u64 = 3_000;

/// Remembers the last 1,024 sequence numbers, and tells a restart from a stray packet as RFC 3550
/// appendix A.1 does: two packets in a row at the new place.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReceiveWindow {
    highest: Option<u64>,
    seen: [u64; (SIZE / 64) as usize],
    /// Where the stream goes on if it did restart.
    restart_at: Option<u64>,
}

impl ReceiveWindow {
    /// The latest that was taken.
    pub fn highest(&self) -> Option<u64> {
        self.highest
    }

    pub fn insert(&mut self, sequence: u64) -> Arrival {
        let Some(highest) = self.highest else { return self.start(sequence) };
        if sequence > highest {
            let ahead = sequence - highest;
            if ahead > MAX_GAP {
                return self.suspect(sequence);
            }
            if ahead >= SIZE {
                self.seen = Default::default();
            } else {
                (highest + 1..sequence).for_each(|skipped| self.mark(skipped, false));
            }
            self.mark(sequence, true);
            self.highest = Some(sequence);
            self.restart_at = None;
            return Arrival::Newest { contiguous: ahead == 1 };
        }
        if highest - sequence >= SIZE {
            return self.suspect(sequence);
        }
        if self.is_marked(sequence) {
            return Arrival::Refused;
        }
        self.mark(sequence, true);
        Arrival::Late
    }

    fn start(&mut self, sequence: u64) -> Arrival {
        *self = Self { highest: Some(sequence), ..Self::default() };
        self.mark(sequence, true);
        Arrival::Start
    }

    fn suspect(&mut self, sequence: u64) -> Arrival {
        if self.restart_at == Some(sequence) {
            return self.start(sequence);
        }
        self.restart_at = sequence.checked_add(1);
        Arrival::Refused
    }

    fn mark(&mut self, sequence: u64, seen: bool) {
        let word = &mut self.seen[(sequence % SIZE / 64) as usize];
        let bit = 1 << (sequence % 64);
        if seen { *word |= bit } else { *word &= !bit }
    }

    fn is_marked(&self, sequence: u64) -> bool {
        self.seen[(sequence % SIZE / 64) as usize] & 1 << (sequence % 64) != 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_duplicate_is_refused_and_a_late_packet_taken_once() {
        let mut window = ReceiveWindow::default();
        assert_eq!(window.insert(10), Arrival::Start);
        assert_eq!(window.insert(12), Arrival::Newest { contiguous: false });
        assert_eq!(window.insert(12), Arrival::Refused);
        assert_eq!(window.insert(11), Arrival::Late);
        assert_eq!(window.insert(11), Arrival::Refused);
        assert_eq!(window.insert(13), Arrival::Newest { contiguous: true });
    }

    #[test]
    fn a_stray_packet_far_off_changes_nothing_but_two_in_a_row_are_a_restart() {
        let mut window = ReceiveWindow::default();
        window.insert(10_000);
        assert_eq!(window.insert(50_000), Arrival::Refused);
        assert_eq!(window.insert(10_001), Arrival::Newest { contiguous: true });
        assert_eq!(window.insert(5), Arrival::Refused);
        assert_eq!(window.insert(6), Arrival::Start);
        assert_eq!(window.insert(7), Arrival::Newest { contiguous: true });
    }

    proptest! {
        #[test]
        fn no_sequence_number_is_taken_twice_without_a_restart(
            steps in proptest::collection::vec(prop_oneof![-40i64..60, -1_100i64..3_100], 1..300),
        ) {
            let mut window = ReceiveWindow::default();
            let mut taken = HashSet::new();
            let mut at: i64 = 100_000;
            for step in steps {
                at = (at + step).max(0);
                match window.insert(at as u64) {
                    Arrival::Start => {
                        taken.clear();
                        taken.insert(at);
                    }
                    Arrival::Refused => {}
                    Arrival::Newest { .. } | Arrival::Late => prop_assert!(taken.insert(at), "{at} twice"),
                }
            }
        }

        #[test]
        fn any_numbers_are_survived(numbers in proptest::collection::vec(
            prop_oneof![any::<u64>(), 0u64..5_000, (u64::MAX - 5_000)..=u64::MAX], 1..200,
        )) {
            let mut window = ReceiveWindow::default();
            for number in numbers {
                window.insert(number);
            }
        }
    }
}
