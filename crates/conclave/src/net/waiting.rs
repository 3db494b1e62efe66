//! Bounds on those who have connected and not yet said what they want.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

/// Holds at most so many; when one more comes, the one who has waited longest has to go. An honest
/// client is through within a few round trips, so those who wait longest are the ones to lose.
#[derive(Debug)]
pub struct WaitingRoom {
    limit: usize,
    inside: Mutex<Inside>,
}

#[derive(Debug, Default)]
struct Inside {
    next: u64,
    by_arrival: BTreeMap<u64, CancellationToken>,
}

/// A place in the waiting room; given back when dropped.
#[derive(Debug)]
pub struct Place {
    room: Arc<WaitingRoom>,
    number: u64,
    evicted: CancellationToken,
}

impl WaitingRoom {
    /// For so many, at least one.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit: limit.max(1), inside: Mutex::default() })
    }

    /// Takes a place.
    pub fn enter(self: &Arc<Self>) -> Place {
        let evicted = CancellationToken::new();
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        if inside.by_arrival.len() >= self.limit
            && let Some((_, longest)) = inside.by_arrival.pop_first()
        {
            longest.cancel();
        }
        let number = inside.next;
        inside.next += 1;
        inside.by_arrival.insert(number, evicted.clone());
        Place { room: self.clone(), number, evicted }
    }
}

impl Place {
    /// Resolves when the place is needed for somebody else.
    pub fn evicted(&self) -> CancellationToken {
        self.evicted.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.inside.lock().unwrap_or_else(PoisonError::into_inner).by_arrival.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_waited_longest_goes_first() {
        let room = WaitingRoom::new(2);
        let (first, second) = (room.enter(), room.enter());
        let third = room.enter();
        let evicted = |place: &Place| place.evicted().is_cancelled();
        assert_eq!([evicted(&first), evicted(&second), evicted(&third)], [true, false, false]);
    }

    #[test]
    fn a_place_given_back_is_free() {
        let room = WaitingRoom::new(2);
        let first = room.enter();
        drop(room.enter());
        let _third = room.enter();
        assert!(!first.evicted().is_cancelled());
    }
}
