//! How much is remembered: of whom, and of which streams, a history is kept.
//!
//! With the defaults, 1,000 participants with one connection and six streams each take about 29 MiB,
//! and no crowd takes more than [`Bounds::most_bytes`].

use std::collections::BTreeMap;

use conclave_proto::RoomName;

#[cfg(test)]
use super::person::{LegHistory, StreamHistory};
use super::person::{Person, Stream};
use super::watch::Room;

/// What may be kept, and how much was not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Participants who left that are still shown.
    pub(super) gone: usize,
    /// Histories of connections.
    pub(super) legs: usize,
    /// Histories of sources and slots.
    pub(super) streams: usize,
    /// Histories that had to be dropped so far.
    pub(super) dropped: u64,
}

/// Who has a history keeps it until another is this much more active: otherwise two that are alike would
/// take it from each other all the time.
const HOLDER: f32 = 1.5;

impl Default for Bounds {
    fn default() -> Self {
        Self { gone: 2_000, legs: 2_000, streams: 6_000, dropped: 0 }
    }
}

impl Bounds {
    /// Memory of all histories together, in bytes.
    #[cfg(test)]
    pub(super) fn most_bytes(&self) -> usize {
        self.legs * LegHistory::BYTES + self.streams * StreamHistory::BYTES
    }

    /// Keeps to the bounds. The least active go first, and those who left before those who are inside.
    pub(super) fn keep(&mut self, second: u64, rooms: &mut BTreeMap<RoomName, Room>) {
        self.keep_gone(rooms);
        self.keep_legs(rooms);
        self.keep_streams(second, rooms);
    }

    fn keep_gone(&mut self, rooms: &mut BTreeMap<RoomName, Room>) {
        let people = rooms.values().flat_map(|room| room.people.values());
        let mut gone: Vec<_> = people.filter(|person| !person.is_inside()).map(|person| person.seen).collect();
        let Some(limit) = oldest_kept(&mut gone, self.gone) else { return };
        for room in rooms.values_mut() {
            let before = room.people.len();
            room.people.retain(|_, person| person.is_inside() || person.seen > limit);
            self.dropped += (before - room.people.len()) as u64;
        }
    }

    fn keep_legs(&mut self, rooms: &mut BTreeMap<RoomName, Room>) {
        let mut held: Vec<&mut Person> =
            rooms.values_mut().flat_map(|room| room.people.values_mut()).filter(|p| p.history.is_some()).collect();
        if held.len() <= self.legs {
            return;
        }
        // Whoever came first is kept: connections are equally active.
        held.sort_by_key(|person| (!person.is_inside(), u64::MAX - person.seen, person.order()));
        for person in held.into_iter().skip(self.legs) {
            person.history = None;
            self.dropped += 1;
        }
    }

    fn keep_streams(&mut self, second: u64, rooms: &mut BTreeMap<RoomName, Room>) {
        let people = rooms.values_mut().flat_map(|room| room.people.values_mut());
        let mut streams: Vec<&mut Stream> = people.flat_map(|person| person.streams.values_mut()).collect();
        if streams.len() > self.streams {
            let rank = |stream: &Stream| {
                let bonus = if stream.history.is_some() { HOLDER } else { 1.0 };
                if stream.seen == second { stream.activity * bonus } else { -1.0 }
            };
            streams.sort_by(|one, other| rank(other).total_cmp(&rank(one)));
            for stream in &mut streams[self.streams..] {
                self.dropped += u64::from(stream.history.take().is_some());
            }
            streams.truncate(self.streams);
        }
        for stream in streams {
            if stream.seen == second {
                stream.remember(second);
            }
        }
    }
}

/// The newest value that must go so that no more than `most` remain; none if all may stay.
fn oldest_kept(values: &mut [u64], most: usize) -> Option<u64> {
    let excess = values.len().checked_sub(most + 1)?;
    let (_, limit, _) = values.select_nth_unstable(excess);
    Some(*limit)
}
