//! The rooms that are at home on a shard: commands about them, packets through them, what they decide.

use std::time::{Duration, Instant};

use conclave_proto::{LegNumber, MediaState, ParticipantId, ProtocolError, Sdp, SfuAnswer, VideoCodec};
use conclave_qos::Time;
use conclave_sfu::{Codec, LegConfig, Output};
use tokio::sync::oneshot;

use super::{Arrived, Blame, Message, Negotiation, Order, Shard, StreamNumber, Word};
use crate::counters::End;
use crate::event::{MediaEvent, RoomKey};
use crate::leg::Leg;
use crate::mailbox::Command;
use crate::offer::{self, CheckedOffer, LegOffer};
use crate::room::{Forwarding, Member, Room, unavailable};
use crate::routes::LegRef;
use crate::shared::Deadline;
use crate::stats::{Part, ShardSnapshot};
use crate::webrtc::{Agreed, Connection};

/// Conferences are not woken more often than this.
const GRAIN: Duration = Duration::from_millis(1);

/// How often payloads of rooms of other shards are looked through, and how long unused ones are kept.
const FOREIGN_STORES: Duration = Duration::from_secs(5);

type Reply = oneshot::Sender<Result<SfuAnswer, ProtocolError>>;

impl Shard {
    pub(super) fn carry_out(&mut self, now: Instant, command: Command) {
        let time = self.shared.time(now);
        match command {
            Command::Offer { room, participant, offer, media, reply } => {
                self.offer(now, room, participant, &offer, media, reply);
            }
            Command::SetMedia { room, participant, media } => {
                self.in_room(room, |room| room.set_media(time, &participant, media));
            }
            Command::SetView { room, participant, leg, view } => {
                self.in_room(room, |room| room.set_view(time, &participant, leg, &view));
            }
            Command::SetCodec { room, preference } => {
                self.open_room(room);
                self.in_room(room, |room| room.set_codec(time, preference));
            }
            Command::CloseLeg { room, participant, leg } => {
                let leg = self.look(room).and_then(|room| room.find(&participant, leg)).map(|(leg, _)| leg);
                if let Some(leg) = leg {
                    self.dismiss(time, leg, End::Closed);
                }
            }
            Command::CloseParticipant { room, participant } => {
                let legs = self.look(room).into_iter().flat_map(|room| room.legs_of(&participant));
                let legs: Vec<_> = legs.map(|(leg, _)| leg).collect();
                for leg in legs {
                    self.dismiss(time, leg, End::Closed);
                }
                // Also of somebody who never had a leg: direct calls use relays, too.
                self.shared.revoke(participant);
            }
            Command::CloseRoom { room } => self.close_room(room),
            Command::Snapshot { reply } => {
                // Whoever asked may have gone.
                let _ = reply.send(self.snapshot(now));
            }
            Command::Shutdown => {}
        }
    }

    /// What this shard knows, see [`crate::MediaHandle::snapshot`].
    fn snapshot(&self, now: Instant) -> Part {
        let shard = ShardSnapshot { legs: self.legs.len() as u32, ..self.shared.counters.shard() };
        Part {
            at: now,
            shard,
            rooms: self.rooms.iter().map(|(_, room)| (room.key, room.snapshot())).collect(),
            legs: self.legs.iter().map(|(_, leg)| (leg.name.key, leg.snapshot())).collect(),
        }
    }

    fn offer(
        &mut self,
        now: Instant,
        room: RoomKey,
        participant: ParticipantId,
        offer: &LegOffer,
        media: MediaState,
        reply: Reply,
    ) {
        let checked = match offer::check(offer) {
            Ok(checked) => checked,
            Err(error) => return self.answer(reply, offer.number(), Err(error)),
        };
        let place = self.open_room(room);
        self.blame = Some(Blame::Room(place));
        let known = self.look(room).and_then(|room| room.find(&participant, offer.number()));
        let config = leg_config(&participant, offer, &checked, media);
        match known.map(|(leg, member)| (leg, member.owner)) {
            Some((leg, owner)) => {
                // Its owner answers; what it agreed on comes back as a word, and the answer with it.
                let negotiation = Box::new(Negotiation { offer: checked, config, reply });
                self.shared.links.tell(owner, Message::Order(leg, Order::Negotiate(negotiation)));
            }
            None => {
                let hears = if let LegOffer::Play { hears, .. } = offer { hears.clone() } else { None };
                let answer = self.add_leg(now, place, checked, config, hears);
                self.answer(reply, offer.number(), answer);
            }
        }
    }

    fn add_leg(
        &mut self,
        now: Instant,
        place: u32,
        offer: CheckedOffer,
        mut config: LegConfig,
        hears: Option<ParticipantId>,
    ) -> Result<String, ProtocolError> {
        let me = self.shared.links.me;
        let time = self.shared.time(now);
        let Some(room) = self.rooms.get_mut(place) else { return Err(unavailable("the room is gone")) };
        let own: Vec<_> = room.legs_of(&config.participant).map(|(leg, m)| (leg, m.number, m.connected)).collect();
        if own.iter().any(|(_, number, _)| *number > config.number) {
            let stale = "a newer leg has been offered already";
            return Err(ProtocolError::new(conclave_proto::ErrorCode::StaleGeneration, stale));
        }
        // The client has given up what it did not get connected.
        for (leg, ..) in own.iter().filter(|(.., connected)| !connected) {
            self.dismiss(time, *leg, End::Replaced);
        }
        let Some(room) = self.rooms.get_mut(place) else { return Err(unavailable("the room is gone")) };
        let common = self.shared.common.clone();
        if room.len() >= common.limits.legs_per_room {
            return Err(unavailable("there are as many legs as there may be"));
        }
        let connection = Connection::new(now, me, &common.identity, &common.announced);
        let mut connection = connection.map_err(|_| unavailable("the server cannot make another leg"))?;
        let (answer, agreed) = connection.negotiate(&offer)?;
        take_only(&mut config, &agreed);
        let key = common.admit_leg().ok_or_else(|| unavailable("there are as many legs as there may be"))?;
        let id = match room.add(time, key, me, config) {
            Ok(id) => id,
            Err(error) => {
                common.forget_legs(1);
                return Err(error);
            }
        };
        if hears.is_some() {
            room.conference.set_hearing(time, id, hears);
        }
        let name = LegRef { room: room.key, key };
        let leg = Box::new(Leg::new(now, &common, name, me, id, connection, &agreed));
        self.shared.counters.legs.set(common.legs() as f64);
        let local = self.own_leg(leg);
        if let Some(room) = self.rooms.get_mut(place) {
            room.set_way(key, me, local.place);
        }
        tracing::debug!(room = name.room.0, leg = key, "leg offered");
        Ok(answer)
    }

    /// A room has no more use for a leg, which is told to end.
    fn dismiss(&mut self, time: Time, leg: LegRef, end: End) {
        if let Some(member) = self.forget_member(time, leg) {
            self.shared.links.tell(member.owner, Message::Order(leg, Order::End(end)));
        }
    }

    /// A room knows a leg no more.
    fn forget_member(&mut self, time: Time, leg: LegRef) -> Option<Member> {
        let place = self.room_places.get(&leg.room).copied()?;
        let member = self.rooms.get_mut(place)?.remove(time, leg.key, &mut self.shared.stores)?;
        self.touch_room(place);
        if let Some(name) = &member.moved_as {
            self.moved.remove(name);
        }
        self.shared.legs_forgotten(1);
        Some(member)
    }

    fn answer(&mut self, reply: Reply, leg: LegNumber, answer: Result<String, ProtocolError>) {
        let too_large = |code| ProtocolError::new(code, "the answer would be too large");
        let answer = answer.and_then(|sdp| Ok(SfuAnswer { leg, sdp: Sdp::parse(sdp).map_err(too_large)? }));
        let counters = &self.shared.counters;
        let count = if answer.is_ok() { &counters.offers_taken } else { &counters.offers_refused };
        count.increment(1);
        // Whoever asked may have gone; the leg then ends at its handshake deadline.
        let _ = reply.send(answer);
    }

    /// A leg's word for its room.
    pub(super) fn word(&mut self, now: Instant, leg: LegRef, word: Word) {
        let place = self.room_places.get(&leg.room).copied();
        let knows = |room: &Room| room.knows(leg.key);
        let Some(place) = place.filter(|place| self.rooms.get(*place).is_some_and(knows)) else {
            // The room has given it up, perhaps while it was on its way to another owner.
            if let Word::Owned { owner, .. } = word {
                self.shared.links.tell(owner, Message::Order(leg, Order::End(End::Closed)));
            }
            return self.moved.retain(|_, (moved, _)| *moved != leg);
        };
        self.touch_room(place);
        self.blame = Some(Blame::Room(place));
        let time = self.shared.time(now);
        let Some(room) = self.rooms.get_mut(place) else { return };
        match word {
            Word::Owned { owner, place } => {
                room.set_way(leg.key, owner, place);
                let name = self.moved.iter().find(|(_, (moved, _))| *moved == leg).map(|(name, _)| name.clone());
                if let Some(member) = room.member_mut(leg.key) {
                    member.moved_as = name;
                }
            }
            Word::Negotiated(negotiation, answer) => {
                let Negotiation { config, reply, .. } = *negotiation;
                let number = config.number;
                let answer = answer.and_then(|(answer, ufrag)| {
                    room.update(time, leg.key, config)?;
                    if let Some(member) = room.member_mut(leg.key)
                        && let Some(moved_as) = &mut member.moved_as
                        && let Some(moved) = self.moved.remove(moved_as)
                    {
                        self.moved.insert(ufrag.clone(), moved);
                        *moved_as = ufrag;
                    }
                    Ok(answer)
                });
                self.answer(reply, number, answer);
            }
            Word::Connected => self.connected(now, place, leg),
            Word::Silent(silent) => {
                let Some(member) = room.member_mut(leg.key) else { return };
                member.silent = silent;
                let participant = member.participant.clone();
                let is_heard = |(_, member): (LegRef, &Member)| member.connected && !member.silent;
                if silent && !room.legs_of(&participant).any(is_heard) {
                    self.shared.outbox.push(MediaEvent::Silent { room: leg.room, participant });
                }
            }
            Word::Ended(end) => {
                let Some(member) = self.forget_member(time, leg) else { return };
                if end.is_failure() {
                    let Member { participant, number, .. } = member;
                    self.shared.outbox.push(MediaEvent::Failed { room: leg.room, participant, leg: number });
                }
            }
            word => room.heard(time, leg.key, word, &mut self.shared.links),
        }
    }

    fn connected(&mut self, now: Instant, place: u32, leg: LegRef) {
        let time = self.shared.time(now);
        let Some(room) = self.rooms.get_mut(place) else { return };
        let Some(member) = room.member_mut(leg.key) else { return };
        member.connected = true;
        let (id, participant, number) = (member.id, member.participant.clone(), member.number);
        room.conference.handle_connected(time, id);
        tracing::debug!(room = leg.room.0, leg = leg.key, "leg connected");
        let retires = now + self.shared.common.limits.handover;
        for (older, member) in room.legs_of(&participant).filter(|(_, member)| member.number < number) {
            self.shared.links.tell(member.owner, Message::Order(older, Order::Retire(retires)));
        }
        self.shared.outbox.push(MediaEvent::Connected { room: leg.room, participant, leg: number });
    }

    /// Forwards a packet of a room that is at home here.
    pub(super) fn forward(&mut self, now: Time, key: RoomKey, packet: &Arrived<'_>) {
        let place = match self.last_room {
            Some((known, place)) if known == key => place,
            _ => {
                let Some(place) = self.room_places.get(&key).copied() else { return };
                self.last_room = Some((key, place));
                place
            }
        };
        self.blame = Some(Blame::Room(place));
        self.touch_room(place);
        let Some(room) = self.rooms.get_mut(place) else { return };
        let shared = &mut self.shared;
        let mut forwarding = Forwarding {
            legs: &mut self.legs,
            stores: &mut shared.stores,
            dirty_legs: &mut shared.dirty_legs,
            counters: &shared.counters,
            spent: &mut self.spent_forwards,
            me: shared.links.me,
            blame: &mut self.blame,
        };
        room.forward(now, packet, &mut forwarding);
    }

    /// Gives packets of a room that is at home elsewhere to the legs that are owned here.
    pub(super) fn take_forwards(&mut self, now: Instant, batch: &super::ForwardBatch) {
        let time = self.shared.time(now);
        self.shared.counters.arrived(batch.arrived());
        for packet in batch.iter() {
            let Some(store) = self.foreign_store(now, batch.room, packet.stream) else { continue };
            let Some(reference) = self.shared.stores.push(time, store, packet.payload) else { continue };
            let mut forwarded = 0;
            for item in packet.to {
                let Some(leg) = self.legs.get_mut(item.place).filter(|leg| leg.name.key == item.key) else { continue };
                self.blame = Some(Blame::Leg(item.place));
                match leg.enqueue(time, &item.forward, reference, packet.payload.len(), packet.level) {
                    Ok(()) => {
                        forwarded += 1;
                        leg.touch(item.place, &mut self.shared.dirty_legs);
                    }
                    Err(reason) => self.shared.counters.dropped(reason, 1),
                }
            }
            self.shared.counters.forwarded(forwarded);
        }
    }

    fn foreign_store(&mut self, now: Instant, room: RoomKey, stream: StreamNumber) -> Option<super::StoreId> {
        if let Some(known) = self.foreign_stores.get_mut(&(room, stream)) {
            known.used = now;
            return Some(known.store);
        }
        let store = self.shared.stores.open()?;
        if self.foreign_stores.is_empty() {
            self.shared.timers.set(Deadline::ForeignStores, Some(now + FOREIGN_STORES));
        }
        self.foreign_stores.insert((room, stream), super::ForeignStore { store, used: now });
        Some(store)
    }

    pub(super) fn forget_unused_stores(&mut self, now: Instant) {
        let stores = &mut self.shared.stores;
        self.foreign_stores.retain(|_, known| {
            let stays = now.saturating_duration_since(known.used) < FOREIGN_STORES;
            if !stays {
                stores.close(known.store);
            }
            stays
        });
        let next = (!self.foreign_stores.is_empty()).then_some(now + FOREIGN_STORES);
        self.shared.timers.set(Deadline::ForeignStores, next);
    }

    /// A conference's time has come.
    pub(super) fn conference_due(&mut self, now: Instant, key: RoomKey) {
        let Some(place) = self.room_places.get(&key).copied() else { return };
        self.blame = Some(Blame::Room(place));
        let time = self.shared.time(now);
        if let Some(room) = self.rooms.get_mut(place) {
            room.tick(time, &mut self.shared.links);
        }
        self.touch_room(place);
    }

    /// Does what conferences decided.
    pub(super) fn settle_rooms(&mut self, now: Instant) {
        let mut dirty = std::mem::take(&mut self.shared.dirty_rooms);
        for place in dirty.drain(..) {
            self.contained(|shard| shard.settle_room(now, place));
        }
        dirty.append(&mut self.shared.dirty_rooms);
        self.shared.dirty_rooms = dirty;
    }

    fn settle_room(&mut self, now: Instant, place: u32) {
        self.blame = Some(Blame::Room(place));
        let Some(room) = self.rooms.get_mut(place) else { return };
        room.is_dirty = false;
        let key = room.key;
        while let Some(output) = room.conference.poll_output() {
            match output {
                Output::RequestKeyframe { leg, source, layer } => {
                    if let Some((leg, owner)) = room.leg_of(leg) {
                        let order = Order::RequestKeyframe { source, layer };
                        self.shared.links.tell(owner, Message::Order(leg, order));
                    }
                }
                Output::SlotsChanged { participant, slots, .. } => {
                    self.shared.outbox.push(MediaEvent::Slots { room: key, participant, slots });
                }
                Output::Speakers(speakers) => self.shared.outbox.push(MediaEvent::Speakers { room: key, speakers }),
                Output::PublishWish { participant, wish } => {
                    self.shared.outbox.push(MediaEvent::PublishWish { room: key, participant, wish });
                }
            }
        }
        let due = room.conference.poll_timeout().map(|time| self.shared.instant(time).max(now + GRAIN));
        if room.is_idle() {
            self.forget_room(place);
        } else {
            self.shared.timers.set(Deadline::Conference(key), due);
        }
    }

    /// Media goes to other shards at the end of a turn.
    pub(super) fn send_media(&mut self) {
        if self.shared.links.shards() == 1 {
            return;
        }
        for (room, batch) in self.media.drain() {
            let home = self.shared.links.home(room);
            self.shared.links.tell(home, Message::Media(batch));
        }
        for (_, room) in self.rooms.iter_mut() {
            for (shard, batch) in room.take_forwarding() {
                if let Some(shard) = super::ShardId::new(shard) {
                    self.shared.links.tell(shard, Message::Forward(batch));
                }
            }
        }
    }

    fn close_room(&mut self, key: RoomKey) {
        let Some(place) = self.room_places.get(&key).copied() else { return };
        let Some(room) = self.rooms.get(place) else { return };
        let members = room.members().map(|(leg, member)| (leg, member.owner, member.participant.clone()));
        for (leg, owner, participant) in members.collect::<Vec<_>>() {
            self.shared.links.tell(owner, Message::Order(leg, Order::End(End::Closed)));
            // After the farewell, which its relay may carry.
            self.shared.revoke(participant);
        }
        self.forget_room(place);
    }

    fn forget_room(&mut self, place: u32) {
        let Some(room) = self.rooms.remove(place) else { return };
        self.shared.counters.rooms.decrement(1.0);
        self.room_places.remove(&room.key);
        for name in room.members().filter_map(|(_, member)| member.moved_as.as_ref()) {
            self.moved.remove(name);
        }
        self.shared.legs_forgotten(room.len());
        self.last_room = None;
        self.shared.timers.set(Deadline::Conference(room.key), None);
        room.close(&mut self.shared.stores);
    }

    /// A room failed by a fault of the server: its legs have failed.
    pub(super) fn condemn_room(&mut self, place: u32) {
        let Some(room) = self.rooms.get(place) else { return };
        let key = room.key;
        tracing::error!(room = key.0, "a room failed and was closed");
        self.shared.counters.room_faults.increment(1);
        let members = room.members().map(|(leg, m)| (leg, m.owner, m.participant.clone(), m.number));
        for (leg, owner, participant, number) in members.collect::<Vec<_>>() {
            self.shared.links.tell(owner, Message::Order(leg, Order::End(End::Panic)));
            self.shared.outbox.push(MediaEvent::Failed { room: key, participant, leg: number });
        }
        // Its parts may be in any state; if dropping them panics too, that is the end of it.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.forget_room(place)));
    }

    fn open_room(&mut self, key: RoomKey) -> u32 {
        if let Some(place) = self.room_places.get(&key) {
            return *place;
        }
        let room = Room::new(key, self.shared.common.seed(key.0), self.shared.links.shards());
        let place = self.rooms.insert(room);
        self.shared.counters.rooms.increment(1.0);
        self.room_places.insert(key, place);
        self.touch_room(place);
        place
    }

    fn look(&self, key: RoomKey) -> Option<&Room> {
        self.rooms.get(*self.room_places.get(&key)?)
    }

    /// Runs in a room, if it is there.
    fn in_room(&mut self, key: RoomKey, run: impl FnOnce(&mut Room)) {
        let Some(place) = self.room_places.get(&key).copied() else { return };
        self.blame = Some(Blame::Room(place));
        if let Some(room) = self.rooms.get_mut(place) {
            run(room);
        }
        self.touch_room(place);
    }

    fn touch_room(&mut self, place: u32) {
        if let Some(room) = self.rooms.get_mut(place)
            && !std::mem::replace(&mut room.is_dirty, true)
        {
            self.shared.dirty_rooms.push(place);
        }
    }
}

fn leg_config(participant: &ParticipantId, offer: &LegOffer, checked: &CheckedOffer, media: MediaState) -> LegConfig {
    let decodes = match offer {
        LegOffer::Client(offer) => offer.decodes.clone(),
        // Players say it by their formats.
        LegOffer::Publish(_) | LegOffer::Play { .. } => {
            vec![VideoCodec::Vp8, VideoCodec::H264, VideoCodec::Vp9, VideoCodec::Av1]
        }
    };
    LegConfig {
        participant: participant.clone(),
        number: offer.number(),
        media,
        decodes,
        audio_slots: checked.audio_slots(),
        video_slots: checked.video_slots(),
    }
}

/// What the page says that it decodes counts only as far as its sections take it.
pub(super) fn take_only(config: &mut LegConfig, agreed: &Agreed) {
    config.decodes.retain(|codec: &VideoCodec| agreed.takes(Codec::from(*codec)));
}
