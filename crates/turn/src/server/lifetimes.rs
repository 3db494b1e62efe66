//! What ends by itself, and what ends with it.

use std::time::Duration;

use crate::credentials::Username;

use super::table::Slot;
use super::time::Time;
use super::{Client, Output, Server, StreamId};

/// How long a stream may be quiet while it has no allocation.
const STREAM_IDLE: Duration = Duration::from_secs(30);

/// What is due at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// The allocation expires.
    Allocation(Slot),
    /// The stream has waited long enough without an allocation.
    Stream(StreamId),
}

/// An open stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum StreamState {
    /// It has no allocation, and is closed at this time.
    Idle(Time),
    /// It has this allocation, and lives as long.
    Allocated(Slot),
}

impl Server {
    /// A stream is there and wants something: if it has no allocation it may wait anew.
    pub(super) fn touch_stream(&mut self, now: Time, stream: StreamId) {
        let until = now.after(STREAM_IDLE);
        match self.streams.get(&stream) {
            Some(StreamState::Allocated(_)) => return,
            Some(StreamState::Idle(before)) => {
                self.timers.remove(&(*before, Due::Stream(stream)));
            }
            None => {}
        }
        self.streams.insert(stream, StreamState::Idle(until));
        self.timers.insert((until, Due::Stream(stream)));
        self.stats.streams = self.streams.len() as u64;
    }

    /// An allocation was added: it expires, and its stream now lives as long as it does.
    pub(super) fn start_allocation(&mut self, slot: Slot, client: Client, expires: Time) {
        self.timers.insert((expires, Due::Allocation(slot)));
        if let Client::Stream { id, .. } = client
            && let Some(StreamState::Idle(until)) = self.streams.insert(id, StreamState::Allocated(slot))
        {
            self.timers.remove(&(until, Due::Stream(id)));
        }
        self.count_gauges();
    }

    /// The allocation lives until another time.
    pub(super) fn prolong_allocation(&mut self, slot: Slot, expires: Time) {
        let Some(allocation) = self.table.get_mut(slot) else { return };
        let before = std::mem::replace(&mut allocation.expires, expires);
        self.timers.remove(&(before, Due::Allocation(slot)));
        self.timers.insert((expires, Due::Allocation(slot)));
    }

    /// Ends an allocation at its client's wish; its stream stays, and may make another.
    pub(super) fn end_allocation(&mut self, now: Time, slot: Slot) {
        if let Some(Client::Stream { id, .. }) = self.take_allocation(slot) {
            self.streams.remove(&id);
            self.touch_stream(now, id);
        }
    }

    /// Ends an allocation without its client's wish: its stream has no further use.
    pub(super) fn end_allocation_and_stream(&mut self, slot: Slot) {
        if let Some(Client::Stream { id, .. }) = self.take_allocation(slot) {
            self.streams.remove(&id);
            self.close_stream(id);
        }
    }

    /// The stream has ended by itself.
    pub(super) fn forget_stream(&mut self, stream: StreamId) {
        match self.streams.remove(&stream) {
            Some(StreamState::Allocated(slot)) => {
                self.take_allocation(slot);
            }
            Some(StreamState::Idle(until)) => {
                self.timers.remove(&(until, Due::Stream(stream)));
            }
            None => {}
        }
        self.count_gauges();
    }

    /// Ends what is due.
    pub(super) fn end_expired(&mut self, now: Time) {
        while let Some((due, what)) = self.timers.first().copied()
            && due <= now
        {
            self.timers.pop_first();
            match what {
                Due::Allocation(slot) => {
                    self.stats.allocations_expired += 1;
                    self.end_allocation_and_stream(slot);
                }
                Due::Stream(stream) => {
                    self.streams.remove(&stream);
                    self.close_stream(stream);
                }
            }
        }
    }

    /// Takes an allocation out of everything but `streams`, and says whose it was.
    fn take_allocation(&mut self, slot: Slot) -> Option<Client> {
        let allocation = self.table.get(slot)?;
        let (client, expires, username) = (allocation.client, allocation.expires, allocation.username.clone());
        self.timers.remove(&(expires, Due::Allocation(slot)));
        // Only usernames that could be parsed have made allocations.
        let user = Username::parse(&username).map_or("", |username| username.user);
        self.table.remove(user, slot);
        self.count_gauges();
        Some(client)
    }

    /// Tells the owner to close a stream. There is one such output for each stream, so that its number
    /// is bounded by theirs, and none may be lost.
    fn close_stream(&mut self, stream: StreamId) {
        self.outputs.push_back(Output::CloseStream(stream));
        self.count_gauges();
    }

    fn count_gauges(&mut self) {
        self.stats.allocations = self.table.len() as u64;
        self.stats.users = self.table.users() as u64;
        self.stats.streams = self.streams.len() as u64;
    }
}
