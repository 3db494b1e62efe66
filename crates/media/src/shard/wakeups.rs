//! When a leg wants to be looked at next. Legs that send are looked at every few milliseconds, so nothing
//! here allocates once it has grown.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Deadlines of legs by their place. A deadline that moved leaves the earlier one behind, which is skipped
/// when its time comes.
#[derive(Debug, Default)]
pub(crate) struct Wakeups {
    heap: BinaryHeap<Reverse<(Instant, u32)>>,
    at: Vec<Option<Instant>>,
}

impl Wakeups {
    /// The leg at this place wants to be looked at then; takes the place of what it wanted before.
    pub(crate) fn set(&mut self, place: u32, at: Option<Instant>) {
        let index = place as usize;
        if self.at.len() <= index {
            self.at.resize(index + 1, None);
        }
        let Some(known) = self.at.get_mut(index) else { return };
        if *known == at {
            return;
        }
        *known = at;
        if let Some(at) = at {
            self.heap.push(Reverse((at, place)));
            // What was skipped too early to be popped must not pile up.
            if self.heap.len() > 64 + 4 * self.at.len() {
                let at = &self.at;
                self.heap.retain(|Reverse((time, place))| at.get(*place as usize).copied().flatten() == Some(*time));
            }
        }
    }

    /// The earliest deadline, or one that is not later.
    pub(crate) fn next(&mut self) -> Option<Instant> {
        while let Some(Reverse((at, place))) = self.heap.peek().copied() {
            if self.at.get(place as usize).copied().flatten() == Some(at) {
                return Some(at);
            }
            self.heap.pop();
        }
        None
    }

    /// Takes a leg whose time has come.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<u32> {
        let at = self.next().filter(|at| *at <= now)?;
        let Reverse((_, place)) = self.heap.pop()?;
        debug_assert!(at <= now);
        if let Some(known) = self.at.get_mut(place as usize) {
            *known = None;
        }
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_leg_is_due_once_at_its_newest_time_however_often_it_moved() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut wakeups = Wakeups::default();
        for moved in 0..10_000 {
            wakeups.set(1, Some(at(20_000 - moved)));
            wakeups.set(2, Some(at(moved)));
        }
        wakeups.set(3, Some(at(5)));
        wakeups.set(3, None);
        assert!(wakeups.heap.len() < 100);
        assert_eq!(wakeups.next(), Some(at(9_999)));
        assert_eq!(wakeups.pop(at(9_998)), None);
        let due: Vec<_> = std::iter::from_fn(|| wakeups.pop(at(30_000))).collect();
        assert_eq!(due, [2, 1]);
        assert_eq!(wakeups.next(), None);
    }
}
