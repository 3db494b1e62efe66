//! Whom everybody is told of. In a small room that is everybody; a large one lists those whom the
//! others most likely see or hear, so that what one person costs does not grow with the room.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use conclave_proto::limits::ROSTER_LISTED;
use conclave_proto::{Participant, Role};

/// What makes a participant matter to the others; the later matters more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    Present,
    Audible,
    /// Has spoken.
    Heard,
    Visible,
    HandRaised,
    Host,
    Speaking,
    Sharing,
}

/// What has been heard of a participant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Voice {
    #[default]
    Unheard,
    /// Has spoken before.
    Heard,
    /// Speaks.
    Speaking,
}

impl Standing {
    pub(crate) fn of(participant: &Participant, voice: Voice) -> Self {
        let Participant { media, hand, role, .. } = participant;
        if media.screen {
            Self::Sharing
        } else if voice == Voice::Speaking {
            Self::Speaking
        } else if *role == Role::Host {
            Self::Host
        } else if hand.is_some() {
            Self::HandRaised
        } else if media.camera {
            Self::Visible
        } else if voice == Voice::Heard {
            Self::Heard
        } else if media.microphone {
            Self::Audible
        } else {
            Self::Present
        }
    }
}

/// Who is listed, by order of arrival. As long as nobody matters more, whoever is listed stays: a list
/// that changes with every word costs everybody a message.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    standings: BTreeMap<u32, Standing>,
    /// The first gives way first: who matters least, of those who came last.
    listed: BTreeSet<(Standing, Reverse<u32>)>,
    /// The first is next: who matters most, of those who came first.
    waiting: BTreeSet<(Reverse<Standing>, u32)>,
}

impl Listing {
    /// Takes somebody in, or notes how much they matter now. Adds to `moved` who is listed, or is no
    /// longer, because of it.
    pub(crate) fn place(&mut self, order: u32, standing: Standing, moved: &mut BTreeSet<u32>) {
        match self.standings.insert(order, standing) {
            Some(before) if before == standing => return,
            Some(before) if self.listed.remove(&(before, Reverse(order))) => {
                self.listed.insert((standing, Reverse(order)));
            }
            Some(before) => {
                self.waiting.remove(&(Reverse(before), order));
                self.waiting.insert((Reverse(standing), order));
            }
            None => {
                self.waiting.insert((Reverse(standing), order));
            }
        }
        self.balance(moved);
    }

    /// Somebody is gone.
    pub(crate) fn remove(&mut self, order: u32, moved: &mut BTreeSet<u32>) {
        let Some(standing) = self.standings.remove(&order) else { return };
        self.listed.remove(&(standing, Reverse(order)));
        self.waiting.remove(&(Reverse(standing), order));
        self.balance(moved);
    }

    pub(crate) fn contains(&self, order: u32) -> bool {
        self.standings.get(&order).is_some_and(|standing| self.listed.contains(&(*standing, Reverse(order))))
    }

    /// In no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.listed.iter().map(|(_, Reverse(order))| *order)
    }

    fn balance(&mut self, moved: &mut BTreeSet<u32>) {
        while let Some((Reverse(best), order)) = self.waiting.first().copied() {
            if self.listed.len() >= ROSTER_LISTED {
                let Some((least, Reverse(other))) = self.listed.first().copied() else { return };
                if best <= least {
                    return;
                }
                self.listed.pop_first();
                self.waiting.insert((Reverse(least), other));
                moved.insert(other);
            }
            self.waiting.remove(&(Reverse(best), order));
            self.listed.insert((best, Reverse(order)));
            moved.insert(order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(people: impl IntoIterator<Item = (u32, Standing)>) -> Listing {
        let mut listing = Listing::default();
        people.into_iter().for_each(|(order, standing)| listing.place(order, standing, &mut BTreeSet::new()));
        listing
    }

    fn moved(change: impl FnOnce(&mut BTreeSet<u32>)) -> Vec<u32> {
        let mut moved = BTreeSet::new();
        change(&mut moved);
        moved.into_iter().collect()
    }

    #[test]
    fn everybody_in_a_small_room_is_listed() {
        let listing = of((1..=50).map(|order| (order, Standing::Present)));
        assert_eq!(listing.iter().count(), 50);
    }

    #[test]
    fn who_matters_more_takes_the_place_of_the_last_to_come_who_matters_least() {
        let mut listing = of((1..=60).map(|order| (order, Standing::Present)));
        assert!(!listing.contains(51));
        assert_eq!(moved(|moved| listing.place(60, Standing::Speaking, moved)), [50, 60]);
        assert!(listing.contains(60) && listing.contains(1));
        assert_eq!(moved(|moved| listing.place(60, Standing::Present, moved)), [0u32; 0], "silence moves nobody");
    }

    #[test]
    fn a_place_that_is_free_goes_to_who_matters_most_of_those_who_came_first() {
        let mut listing = of((1..=50).map(|order| (order, Standing::Host)));
        listing.place(51, Standing::Present, &mut BTreeSet::new());
        listing.place(52, Standing::Visible, &mut BTreeSet::new());
        listing.place(53, Standing::Visible, &mut BTreeSet::new());
        assert_eq!(moved(|moved| listing.remove(7, moved)), [52]);
        assert_eq!(moved(|moved| listing.remove(51, moved)), [0u32; 0]);
        assert_eq!(moved(|moved| listing.remove(8, moved)), [53]);
    }
}
