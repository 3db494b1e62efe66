//! The media plane without its socket and clock: datagrams, commands and time in; datagrams and
//! events out.
//!
//! A turn is any number of [`Plane::command`], [`Plane::receive`] and [`Plane::expire`], then one
//! [`Plane::settle`]. A panic inside a room ends that room and no other.

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use conclave_proto::{ErrorCode, ProtocolError};

use crate::budget::Refusals;
use crate::counters::End;
use crate::datagram::Outgoing;
use crate::event::{MediaEvent, RoomKey};
use crate::mailbox::Command;
use crate::room::{Member, Room};
use crate::shared::{Deadline, Shared};
use crate::stats::{MediaSnapshot, ShardSnapshot};
use crate::stream::Packets;

/// Every room, and what they share. What arrives is taken in by `ingress`.
pub(crate) struct Plane {
    rooms: HashMap<RoomKey, Room>,
    /// Rooms that something happened to in this turn.
    touched: BTreeSet<RoomKey>,
    pub(crate) shared: Shared,
    pub(crate) quic_refusals: Refusals,
    /// Room for what streams bring, used again and again.
    pub(crate) packets: Packets,
}

/// Answers to QUIC per second. Each could be forged: they are shorter than what they answer, and few.
const QUIC_REFUSALS: u32 = 100;

impl Plane {
    pub(crate) fn new(now: Instant, shared: Shared) -> Self {
        Self {
            rooms: HashMap::new(),
            touched: BTreeSet::new(),
            shared,
            quic_refusals: Refusals::new(now, QUIC_REFUSALS),
            packets: Packets::default(),
        }
    }

    /// Carries a command out. [`Command::Shutdown`] closes everything.
    pub(crate) fn command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Offer { room, participant, offer, media, reply } => {
                let answer =
                    self.open(room, |room, shared| room.offer(now, shared, participant, &offer, media)).unwrap_or_else(
                        || Err(ProtocolError::new(ErrorCode::Internal, "the room failed while it took the offer")),
                    );
                let counters = &self.shared.counters;
                let count = if answer.is_ok() { &counters.offers_taken } else { &counters.offers_refused };
                count.increment(1);
                // Whoever asked may have gone; the leg then ends at its handshake deadline.
                let _ = reply.send(answer);
            }
            Command::SetMedia { room, participant, media } => {
                self.enter(room, |room, shared| room.set_media(now, shared, &participant, media));
            }
            Command::SetView { room, participant, leg, view } => {
                self.enter(room, |room, shared| room.set_view(now, shared, &participant, leg, &view));
            }
            Command::SetCodec { room, preference } => {
                self.open(room, |room, shared| room.set_codec(now, shared, preference));
            }
            Command::CloseLeg { room, participant, leg } => {
                self.enter(room, |room, shared| room.close_leg(now, shared, &participant, leg));
            }
            Command::CloseParticipant { room, participant } => {
                self.enter(room, |room, shared| room.close_participant(now, shared, &participant));
                // Also of somebody who never had a leg: direct calls use relays, too.
                self.shared.relay.revoke(now, participant.as_str());
                self.shared.empty_relay();
            }
            Command::CloseRoom { room } => self.close_room(now, room),
            Command::Snapshot { reply } => {
                // Whoever asked may have gone.
                let _ = reply.send(self.snapshot(now));
            }
            Command::Shutdown => {
                let rooms: Vec<_> = self.rooms.keys().copied().collect();
                for room in rooms {
                    self.close_room(now, room);
                }
            }
        }
    }

    /// See [`crate::MediaHandle::snapshot`].
    fn snapshot(&self, now: Instant) -> MediaSnapshot {
        let shard = ShardSnapshot { legs: self.shared.legs as u32, ..self.shared.counters.shard() };
        MediaSnapshot {
            at: now,
            shards: vec![shard],
            rooms: self.rooms.values().map(|room| room.snapshot(now)).collect(),
        }
    }

    /// Does what is due.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(due) = self.shared.timers.pop(now) {
            match due {
                Deadline::Leg(leg) => self.enter(leg.room, |room, shared| room.leg_due(now, shared, leg.key)),
                Deadline::Conference(room) => self.enter(room, |room, shared| room.conference_due(now, shared)),
                Deadline::Stream(stream) => {
                    self.stream_due(now, stream);
                    None
                }
            };
        }
        if self.shared.relay.due().is_some_and(|due| due <= now) {
            self.shared.relay.expire(now);
            self.shared.empty_relay();
        }
    }

    /// Ends the turn.
    pub(crate) fn settle(&mut self, now: Instant) {
        for key in std::mem::take(&mut self.touched) {
            self.enter(key, |room, shared| room.settle(now, shared));
            self.touched.remove(&key);
            if self.rooms.get(&key).is_some_and(Room::is_idle) {
                self.close_room(now, key);
            }
        }
        let shared = &mut self.shared;
        shared.counters.rooms.set(self.rooms.len() as f64);
        shared.counters.streams.set(shared.streams.len() as f64);
        shared.relay.publish();
        shared.streams.wake();
        shared.outbox.flush();
    }

    /// When [`Self::expire`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        [self.shared.timers.next(), self.shared.relay.due()].into_iter().flatten().min()
    }

    /// Datagrams to send, in order.
    pub(crate) fn outgoing(&mut self) -> &mut Vec<Outgoing> {
        &mut self.shared.outgoing
    }

    /// What the rooms share.
    pub(crate) fn shared(&mut self) -> &mut Shared {
        &mut self.shared
    }

    /// Runs in a room, which is made if need be.
    fn open<T>(&mut self, key: RoomKey, run: impl FnOnce(&mut Room, &mut Shared) -> T) -> Option<T> {
        self.rooms.entry(key).or_insert_with(|| Room::new(key, rand::random()));
        self.enter(key, run)
    }

    /// Runs in a room, if it is there and survives it.
    pub(crate) fn enter<T>(&mut self, key: RoomKey, run: impl FnOnce(&mut Room, &mut Shared) -> T) -> Option<T> {
        let room = self.rooms.get_mut(&key)?;
        let shared = &mut self.shared;
        // A room that panicked is not entered again, and what rooms share is changed only by calls
        // that are whole in themselves.
        match catch_unwind(AssertUnwindSafe(|| run(room, shared))) {
            Ok(result) => {
                self.touched.insert(key);
                Some(result)
            }
            Err(_) => {
                self.condemn(key);
                None
            }
        }
    }

    fn close_room(&mut self, now: Instant, key: RoomKey) {
        let members = self.rooms.get(&key).map(Room::members).unwrap_or_default();
        self.enter(key, |room, shared| room.close(now, shared));
        // Their relays may just have carried the farewell.
        for member in members {
            self.shared.relay.revoke(now, member.participant.as_str());
        }
        self.shared.empty_relay();
        self.rooms.remove(&key);
        self.touched.remove(&key);
    }

    /// A room panicked: its legs have failed.
    fn condemn(&mut self, key: RoomKey) {
        let Some(room) = self.rooms.remove(&key) else { return };
        self.touched.remove(&key);
        tracing::error!(room = key.0, "a room failed and was closed");
        let shared = &mut self.shared;
        shared.counters.room_faults.increment(1);
        shared.timers.set(Deadline::Conference(key), None);
        for Member { leg, participant, number, path } in room.members() {
            shared.forget_leg(leg, path, End::Panic);
            shared.outbox.push(MediaEvent::Failed { room: key, participant, leg: number });
        }
        // Its parts may be in any state; if dropping them panics too, that is the end of it.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(room)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use conclave_proto::{CodecPreference, ParticipantId};
    use conclave_turn::TurnSecret;
    use tokio::sync::mpsc;

    use super::*;
    use crate::config::{MediaLimits, RelayConfig};
    use crate::datagram::Datagram;
    use crate::event::Outbox;
    use crate::relay::Relay;
    use crate::stream::{Hub, Streams};
    use crate::webrtc::Identity;

    fn plane(now: Instant) -> (Plane, mpsc::Receiver<MediaEvent>) {
        let (events, receiver) = mpsc::channel(16);
        let identity = Identity::new().expect("a certificate");
        let announced = vec!["127.0.0.1:1".parse().expect("valid")];
        let secret = TurnSecret::from_bytes(b"north");
        let relay = Relay::new(now, RelayConfig { secret, limits: conclave_turn::Limits::default() }, &announced);
        let streams = Streams::new(Arc::new(Hub::new(Arc::default(), 8)));
        let outbox = Outbox::new(events);
        let shared = Shared::new(now, MediaLimits::default(), identity, announced, outbox, streams, relay);
        (Plane::new(now, shared), receiver)
    }

    #[test]
    fn a_room_that_panics_is_closed_and_others_go_on() {
        let now = Instant::now();
        let (mut plane, _events) = plane(now);
        for room in [RoomKey(1), RoomKey(2)] {
            plane.command(now, Command::SetCodec { room, preference: CodecPreference::Vp8 });
        }
        let entered: Option<()> = plane.enter(RoomKey(1), |_, _| panic!("made by the test"));
        assert_eq!(entered, None);
        plane.settle(now);
        assert_eq!(plane.rooms.keys().collect::<Vec<_>>(), [&RoomKey(2)]);
        assert_eq!(plane.enter(RoomKey(2), |_, _| 7), Some(7));
    }

    #[test]
    fn a_datagram_that_claims_to_come_from_a_relay_is_dropped() {
        let now = Instant::now();
        let (mut plane, _events) = plane(now);
        let binding = [&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42][..], &[7; 12]].concat();
        for (source, answers) in [("192.0.0.8:5000", 0), ("[100::8]:5000", 0), ("192.0.0.9:5000", 1)] {
            let source = source.parse().expect("an address");
            for contents in [&binding[..], &[0x80; 100], &[22; 100], &[0x40, 0, 0, 0]] {
                plane.receive(now, &Datagram { source, local: None, at: now, contents });
            }
            assert_eq!(plane.outgoing().len(), answers, "{source}");
        }
    }

    #[test]
    fn commands_about_what_does_not_exist_leave_nothing_behind() {
        let now = Instant::now();
        let (mut plane, _events) = plane(now);
        let participant = ParticipantId::parse("p").expect("valid");
        let room = RoomKey(1);
        plane.command(now, Command::SetMedia { room, participant: participant.clone(), media: Default::default() });
        plane.command(now, Command::CloseParticipant { room, participant });
        plane.command(now, Command::SetCodec { room, preference: CodecPreference::Auto });
        plane.command(now, Command::CloseRoom { room: RoomKey(2) });
        plane.settle(now);
        assert!(plane.rooms.is_empty());
        assert_eq!(plane.next_deadline(), None);
    }
}
