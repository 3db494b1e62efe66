//! When what is due: one deadline for each key.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Instant;

/// Deadlines in order.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    order: BTreeSet<(Instant, K)>,
    at: HashMap<K, Instant>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { order: BTreeSet::new(), at: HashMap::new() }
    }
}

impl<K: Copy + Ord + Hash> Timers<K> {
    /// Sets, moves or (with `None`) removes a key's deadline.
    pub(crate) fn set(&mut self, key: K, at: Option<Instant>) {
        let earlier = match at {
            Some(at) => self.at.insert(key, at),
            None => self.at.remove(&key),
        };
        if earlier == at {
            return;
        }
        if let Some(earlier) = earlier {
            self.order.remove(&(earlier, key));
        }
        if let Some(at) = at {
            self.order.insert((at, key));
        }
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Takes a key whose deadline has passed.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<K> {
        let (at, key) = *self.order.first()?;
        if at > now {
            return None;
        }
        self.set(key, None);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_moved_deadline_counts_once_and_in_order() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timers = Timers::default();
        timers.set('a', Some(at(1)));
        timers.set('b', Some(at(2)));
        timers.set('a', Some(at(3)));
        timers.set('c', Some(at(0)));
        timers.set('c', None);
        assert_eq!(timers.next(), Some(at(2)));
        assert_eq!(timers.pop(at(1)), None);
        assert_eq!([timers.pop(at(9)), timers.pop(at(9)), timers.pop(at(9))], [Some('b'), Some('a'), None]);
        assert_eq!(timers.next(), None);
    }
}
