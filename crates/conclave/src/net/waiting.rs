//! Bounds on those who have connected and not yet said what they want.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::peer::Source;

/// Holds at most so many. When one more comes, somebody has to go: of the source that has the most
/// inside, the one who has waited longest. An honest client is through within a few round trips, and
/// whoever floods competes with himself.
#[derive(Debug)]
pub struct WaitingRoom {
    limit: usize,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    next: u64,
    count: usize,
    by_source: HashMap<Source, BTreeMap<u64, CancellationToken>>,
    /// Each source with how many it has inside and when the first of them came.
    crowds: BTreeSet<(usize, Reverse<u64>, Source)>,
}

/// A place in the waiting room; given back when dropped.
#[derive(Debug)]
pub struct Place {
    room: Arc<WaitingRoom>,
    source: Source,
    number: u64,
    evicted: CancellationToken,
}

impl WaitingRoom {
    /// For so many, at least one.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit: limit.max(1), inside: Mutex::default() })
    }

    /// Takes a place.
    pub fn enter(self: &Arc<Self>, source: Source) -> Place {
        let evicted = CancellationToken::new();
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.count >= self.limit {
            inside.evict();
        }
        let number = inside.next;
        inside.next += 1;
        inside.change(source, |those| those.insert(number, evicted.clone()));
        drop(inside);
        Place { room: self.clone(), source, number, evicted }
    }

    /// Sends the next one away who has to go; false if nobody is inside.
    pub fn evict_one(&self) -> bool {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner).evict()
    }
}

impl Inside {
    fn evict(&mut self) -> bool {
        let Some((_, Reverse(longest), source)) = self.crowds.last().copied() else { return false };
        let evicted = self.change(source, |those| those.remove(&longest));
        evicted.inspect(CancellationToken::cancel).is_some()
    }

    fn change<T>(&mut self, source: Source, change: impl FnOnce(&mut BTreeMap<u64, CancellationToken>) -> T) -> T {
        let crowd =
            |those: &BTreeMap<u64, _>| those.first_key_value().map(|(first, _)| (those.len(), Reverse(*first), source));
        let those = self.by_source.entry(source).or_default();
        let (before, count_before) = (crowd(those), those.len());
        let result = change(those);
        let (after, count_after) = (crowd(those), those.len());
        if those.is_empty() {
            self.by_source.remove(&source);
        }
        self.count = self.count - count_before + count_after;
        if before != after {
            before.map(|crowd| self.crowds.remove(&crowd));
            after.map(|crowd| self.crowds.insert(crowd));
        }
        result
    }
}

impl Place {
    /// Whose it is.
    pub fn source(&self) -> Source {
        self.source
    }

    /// Resolves when the place is needed for somebody else.
    pub fn evicted(&self) -> CancellationToken {
        self.evicted.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.room.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.change(self.source, |those| those.remove(&self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> Source {
        Source::of([192, 0, 2, last].into())
    }

    fn evicted(place: &Place) -> bool {
        place.evicted().is_cancelled()
    }

    #[test]
    fn whoever_has_waited_longest_goes_first() {
        let room = WaitingRoom::new(2);
        let (first, second) = (room.enter(source(1)), room.enter(source(2)));
        let third = room.enter(source(3));
        assert_eq!([evicted(&first), evicted(&second), evicted(&third)], [true, false, false]);
    }

    #[test]
    fn whoever_floods_competes_with_himself() {
        let room = WaitingRoom::new(10);
        let patient = room.enter(source(1));
        let flood: Vec<_> = (0..100).map(|_| room.enter(source(2))).collect();
        assert!(!evicted(&patient));
        assert_eq!(flood.iter().filter(|place| !evicted(place)).count(), 9);
        assert!(!evicted(&flood[99]) && evicted(&flood[0]));
        let late = room.enter(source(3));
        assert!(!evicted(&late) && !evicted(&patient));
    }

    #[test]
    fn a_place_given_back_is_free() {
        let room = WaitingRoom::new(2);
        let first = room.enter(source(1));
        drop(room.enter(source(1)));
        let _third = room.enter(source(1));
        assert!(!evicted(&first));
    }

    #[test]
    fn an_empty_room_remembers_nobody() {
        let room = WaitingRoom::new(3);
        drop((0..50).map(|number| room.enter(source(number % 7))).collect::<Vec<_>>());
        let inside = room.inside.lock().expect("not poisoned");
        assert_eq!((inside.count, inside.by_source.len(), inside.crowds.len()), (0, 0, 0));
    }
}
