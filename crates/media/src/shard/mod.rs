//! One shard of the media plane, without its thread: packets, commands, messages and time in; datagrams,
//! messages and events out.
//!
//! A turn is any number of [`Shard::command`], [`Shard::message`], [`Shard::receive`] and
//! [`Shard::expire`], then one [`Shard::settle`], which says when to send. A fault of the server inside a leg or a room ends that
//! and nothing else.

mod batch;
mod ingress;
mod legs;
mod links;
mod messages;
mod pool;
mod rooms;
mod slab;
mod stores;
mod wake;
mod wakeups;
mod worker;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use crate::budget::Refusals;
use crate::counters::End;
use crate::event::RoomKey;
use crate::leg::Leg;
use crate::mailbox::Command;
use crate::remote::Remote;
use crate::room::Room;
use crate::routes::{LegRef, Local};
use crate::shared::{Deadline, Shared};
use crate::stream::Packets;

pub(crate) use batch::{Arrived, ForwardBatch, ForwardItem, MediaBatch, StreamNumber, Understood};
pub(crate) use links::{Handed, Inbox, Links, Message, Negotiation, Order, ShardId, Word};
pub(crate) use pool::Pool;
pub(crate) use slab::Slab;
pub(crate) use stores::{StoreId, Stores};
pub(crate) use wake::Waker;
pub(crate) use wakeups::Wakeups;
pub(crate) use worker::{Desk, run};

/// The rooms that are at home here, the legs that are owned here, and what they share.
pub(crate) struct Shard {
    rooms: Slab<Room>,
    room_places: HashMap<RoomKey, u32>,
    /// Boxed: a leg is large, and moves from shard to shard.
    legs: Slab<Box<Leg>>,
    leg_places: HashMap<u64, u32>,
    /// Legs of rooms at home here that another shard owns, by the name that checks ask for.
    moved: HashMap<String, (LegRef, ShardId)>,
    /// Remotes of legs of other shards, of which something comes here.
    foreign: HashMap<Remote, (LegRef, ShardId)>,
    /// Whose the last packet was: the next one mostly is, too.
    last_route: Option<(Remote, Local)>,
    /// Which room the last packet was for.
    last_room: Option<(RoomKey, u32)>,
    /// Batches for homes of rooms, in this turn.
    media: HashMap<RoomKey, Box<MediaBatch>>,
    /// Where payloads of rooms that are at home elsewhere are kept.
    foreign_stores: HashMap<(RoomKey, StreamNumber), ForeignStore>,
    /// Batches to be used again.
    spent_media: Pool<MediaBatch>,
    spent_forwards: Pool<ForwardBatch>,
    pub(crate) shared: Shared,
    quic_refusals: Refusals,
    /// Room for what streams bring, used again and again.
    packets: Packets,
    /// Room for a packet that is decrypted in place.
    scratch: Vec<u8>,
    /// What a fault in what runs now is to be blamed on.
    blame: Option<Blame>,
}

#[derive(Debug)]
struct ForeignStore {
    store: StoreId,
    used: Instant,
}

/// What runs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Blame {
    Leg(u32),
    Room(u32),
}

/// Answers to QUIC per second. Each could be forged: they are shorter than what they answer, and few.
const QUIC_REFUSALS: u32 = 100;

/// What was settled can cause more to settle (a request for a key frame); what is still open after this
/// many rounds waits for the next turn.
const ROUNDS: usize = 8;

impl Shard {
    pub(crate) fn new(now: Instant, shared: Shared) -> Self {
        Self {
            rooms: Slab::default(),
            room_places: HashMap::new(),
            legs: Slab::default(),
            leg_places: HashMap::new(),
            moved: HashMap::new(),
            foreign: HashMap::new(),
            last_route: None,
            last_room: None,
            media: HashMap::new(),
            foreign_stores: HashMap::new(),
            spent_media: Pool::default(),
            spent_forwards: Pool::default(),
            shared,
            quic_refusals: Refusals::new(now, QUIC_REFUSALS),
            packets: Packets::default(),
            scratch: vec![0; conclave_rtp::MAX_PACKET],
            blame: None,
        }
    }

    /// Does what is due.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(place) = self.shared.wakeups.pop(now) {
            self.contained(|shard| shard.leg_due(now, place));
        }
        while let Some(due) = self.shared.timers.pop(now) {
            match due {
                Deadline::Conference(room) => self.contained(|shard| shard.conference_due(now, room)),
                Deadline::Stream(stream) => self.stream_due(now, stream),
                Deadline::ForeignStores => self.forget_unused_stores(now),
                Deadline::Count => self.contained(|shard| shard.count_legs(now)),
            }
        }
        if self.shared.relay_due().is_some_and(|due| due <= now) {
            self.shared.expire_relay(now);
        }
    }

    /// Ends the turn. `send` is called whenever so much has been sealed that it would leave the nearest cache before it
    /// is sent. What it leaves, and what is sealed after its last call, is for the caller.
    pub(crate) fn settle(&mut self, now: Instant, send: &mut dyn FnMut(&mut Shared)) {
        for _ in 0..ROUNDS {
            self.take_own(now);
            self.settle_rooms(now);
            self.send_media();
            self.drain_legs(now, send);
            if self.is_settled() {
                break;
            }
        }
        self.shared.settle();
        if self.legs.len() == 0 && self.rooms.len() == 0 {
            self.spent_media.clear();
            self.spent_forwards.clear();
        }
    }

    /// Bytes of batches that are kept to be used again.
    #[cfg(test)]
    pub(crate) fn kept_bytes(&self) -> usize {
        self.spent_media.bytes() + self.spent_forwards.bytes()
    }

    /// Whether nothing is left to do before something happens.
    fn is_settled(&self) -> bool {
        let shared = &self.shared;
        shared.links.is_quiet() && shared.dirty_rooms.is_empty() && shared.dirty_legs.is_empty()
    }

    /// What this shard has told itself.
    fn take_own(&mut self, now: Instant) {
        while let Some(message) = self.shared.links.next_own() {
            self.message(now, message);
        }
    }

    /// When [`Self::expire`] has something to do.
    pub(crate) fn next_deadline(&mut self) -> Option<Instant> {
        let legs = self.shared.wakeups.next();
        let at_once = (!self.is_settled()).then_some(self.shared.started);
        [legs, self.shared.timers.next(), self.shared.relay_due(), at_once].into_iter().flatten().min()
    }

    /// Runs what can fail by a fault of the server, and contains that.
    fn contained(&mut self, run: impl FnOnce(&mut Self)) {
        self.blame = None;
        // What is to be blamed is taken out and not entered again; what shards share is changed only by
        // calls that are whole in themselves.
        if catch_unwind(AssertUnwindSafe(|| run(self))).is_ok() {
            return;
        }
        match self.blame.take() {
            Some(Blame::Leg(place)) => self.condemn_leg(place),
            Some(Blame::Room(place)) => self.condemn_room(place),
            None => {
                self.shared.counters.faults.increment(1);
                tracing::error!("the media plane failed at something that is no leg's and no room's");
            }
        }
    }

    /// Everything is closed, which clients are told.
    fn shut_down(&mut self, now: Instant) {
        let legs: Vec<_> = self.legs.iter().map(|(place, _)| place).collect();
        for place in legs {
            self.end_leg(now, place, End::Closed);
        }
    }

    /// Carries a command out.
    pub(crate) fn command(&mut self, now: Instant, command: Command) {
        if let Command::Shutdown = command {
            return self.shut_down(now);
        }
        self.contained(|shard| shard.carry_out(now, command));
        // The next command may be about what this one changed.
        self.take_own(now);
    }

    /// Takes a message of a shard, this one included.
    pub(crate) fn message(&mut self, now: Instant, message: Message) {
        self.contained(|shard| shard.take_message(now, message));
    }
}
