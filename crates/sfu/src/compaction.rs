//! Sequence numbers without gaps for a stream of which packets are left out.

/// Bits of memory: as late as a packet may be ([`crate::window`]).
const SIZE: u64 = 1024;

/// Remembers which of the last 1,024 packets were left out, and so how far the numbers of those after
/// them move up. A packet that has not come keeps its number free, since it may be one that is sent.
#[derive(Clone, Debug)]
pub(crate) struct Compaction {
    newest: u64,
    /// Packets left out, of all up to the newest.
    removed: u64,
    is_removed: [u64; (SIZE / 64) as usize],
}

impl Compaction {
    /// For a stream that begins with this packet.
    pub fn new(first: u64) -> Self {
        Self { newest: first, removed: 0, is_removed: [0; (SIZE / 64) as usize] }
    }

    /// A packet later than all before it has come, or the first; `removed`: it is left out.
    pub fn advance(&mut self, sequence: u64, removed: bool) {
        if self.removed == 0 && !removed {
            // Nothing to remember: what most streams are all the time.
            self.newest = sequence;
            return;
        }
        if sequence - self.newest >= SIZE {
            self.is_removed = Default::default();
        } else {
            (self.newest + 1..=sequence).for_each(|skipped| self.mark(skipped, false));
        }
        self.newest = sequence;
        if removed {
            self.mark(sequence, true);
            self.removed += 1;
        }
    }

    /// How many packets before this one were left out. Right for the last 1,024.
    pub fn before(&self, sequence: u64) -> u64 {
        if self.removed == 0 {
            return 0;
        }
        let since = (sequence..=self.newest).take(SIZE as usize).filter(|later| self.is_marked(*later)).count();
        self.removed - since as u64
    }

    /// The newest packet's number, or the last before it if it was left out.
    pub fn last(&self) -> u64 {
        self.newest.wrapping_sub(self.removed)
    }

    fn mark(&mut self, sequence: u64, removed: bool) {
        let word = &mut self.is_removed[(sequence % SIZE / 64) as usize];
        let bit = 1 << (sequence % 64);
        if removed { *word |= bit } else { *word &= !bit }
    }

    fn is_marked(&self, sequence: u64) -> bool {
        self.is_removed[(sequence % SIZE / 64) as usize] & 1 << (sequence % 64) != 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn packets_that_are_left_out_leave_no_gap_and_missing_ones_do() {
        let mut compaction = Compaction::new(10);
        let mut numbers = Vec::new();
        // 13 is missing; 11 and 15 are left out.
        for (sequence, removed) in [(10, false), (11, true), (12, false), (14, false), (15, true), (16, false)] {
            compaction.advance(sequence, removed);
            if !removed {
                numbers.push(sequence - compaction.before(sequence));
            }
        }
        assert_eq!(numbers, [10, 11, 13, 14]);
        assert_eq!(13 - compaction.before(13), 12, "its number is free");
    }

    proptest! {
        #[test]
        fn no_number_is_given_twice_and_none_is_skipped_but_those_of_missing_packets(
            first in 0u64..1 << 50,
            packets in proptest::collection::vec((prop_oneof![9 => 1u64..4, 1 => 1u64..2_000], any::<bool>()), 1..600),
            late in proptest::collection::vec(0usize..600, 0..60),
        ) {
            let mut compaction = Compaction::new(first);
            let mut given: HashMap<u64, u64> = HashMap::new();
            let (mut at, mut removed, mut missing) = (first, 0, Vec::new());
            for (step, remove) in packets {
                missing.extend(at + 1..at + step);
                at += step;
                compaction.advance(at, remove);
                if remove {
                    removed += 1;
                    continue;
                }
                let number = at - compaction.before(at);
                prop_assert_eq!(number, at - removed);
                prop_assert_eq!(given.insert(number, at), None);
            }
            for index in late {
                let Some(sequence) = missing.get(index % missing.len().max(1)).copied() else { continue };
                if at - sequence < SIZE {
                    let number = sequence - compaction.before(sequence);
                    prop_assert!(given.insert(number, sequence).is_none_or(|other| other == sequence));
                }
            }
        }
    }
}
