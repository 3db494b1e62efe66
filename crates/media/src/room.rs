//! One room at its home: who is in it, and its conference, which decides what is forwarded to whom.

use std::collections::{BTreeMap, HashMap};

use conclave_proto::{
    CodecPreference, ErrorCode, LegNumber, MediaState, ParticipantId, ProtocolError, SourceKind, View,
};
use conclave_qos::Time;
use conclave_sfu::{AddLegError, Conference, Forward, LayerIndex, LegConfig, LegId};

use crate::counters::Counters;
use crate::event::RoomKey;
use crate::leg::Leg;
use crate::routes::LegRef;
use crate::shard::{
    Arrived, Blame, ForwardBatch, ForwardItem, Links, Order, Pool, ShardId, Slab, StoreId, Stores, StreamNumber, Word,
};
use crate::stats::{self, LegSnapshot, SlotSnapshot, SourceSnapshot, Traffic};

/// A room. It knows its legs by their keys; what they do is their owners' business.
pub(crate) struct Room {
    pub(crate) key: RoomKey,
    pub(crate) conference: Conference,
    members: BTreeMap<u64, Member>,
    /// Members by the index of their [`LegId`]: what a packet's way needs to know of its receivers.
    ways: Vec<Option<Way>>,
    /// Where payloads are kept, by publisher's leg and stream.
    streams: HashMap<(u64, SourceKind, LayerIndex), Stream>,
    last_stream: u32,
    /// What goes to other shards at the end of the turn, by shard.
    forwarding: Vec<Option<Box<ForwardBatch>>>,
    codec_chosen: bool,
    pub(crate) is_dirty: bool,
}

/// A leg, as its room knows it.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) participant: ParticipantId,
    pub(crate) number: LegNumber,
    pub(crate) id: LegId,
    pub(crate) owner: ShardId,
    pub(crate) connected: bool,
    pub(crate) silent: bool,
    /// What its owner was last told that the room would send.
    told_demand: Option<conclave_sfu::Demand>,
    /// The name under which its client's checks ask for it, while another shard owns it.
    pub(crate) moved_as: Option<String>,
}

/// The way to a receiver.
#[derive(Clone, Copy, Debug)]
struct Way {
    id: LegId,
    key: u64,
    owner: ShardId,
    /// At its owner.
    place: u32,
}

#[derive(Clone, Copy, Debug)]
struct Stream {
    store: StoreId,
    number: StreamNumber,
}

/// What a packet's way needs of its shard.
pub(crate) struct Forwarding<'a> {
    pub(crate) legs: &'a mut Slab<Box<Leg>>,
    pub(crate) stores: &'a mut Stores,
    pub(crate) dirty_legs: &'a mut Vec<u32>,
    pub(crate) counters: &'a Counters,
    pub(crate) spent: &'a mut Pool<ForwardBatch>,
    pub(crate) me: ShardId,
    /// Set to the leg that is being given a packet.
    pub(crate) blame: &'a mut Option<Blame>,
}

impl Room {
    pub(crate) fn new(key: RoomKey, seed: u64, shards: usize) -> Self {
        Self {
            key,
            conference: Conference::new(seed),
            members: BTreeMap::new(),
            ways: Vec::new(),
            streams: HashMap::new(),
            last_stream: 0,
            forwarding: std::iter::repeat_with(|| None).take(shards).collect(),
            codec_chosen: false,
            is_dirty: false,
        }
    }

    /// Whether nothing would be lost with it.
    pub(crate) fn is_idle(&self) -> bool {
        self.members.is_empty() && !self.codec_chosen
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// Takes a leg in.
    pub(crate) fn add(
        &mut self,
        now: Time,
        key: u64,
        owner: ShardId,
        config: LegConfig,
    ) -> Result<LegId, ProtocolError> {
        let (participant, number) = (config.participant.clone(), config.number);
        let id = self.conference.add_leg(now, config).map_err(refused)?;
        let member = Member {
            participant,
            number,
            id,
            owner,
            connected: false,
            silent: false,
            told_demand: None,
            moved_as: None,
        };
        self.members.insert(key, member);
        Ok(id)
    }

    /// The way to a leg is this.
    pub(crate) fn set_way(&mut self, key: u64, owner: ShardId, place: u32) {
        let Some(member) = self.members.get_mut(&key) else { return };
        member.owner = owner;
        let index = member.id.index();
        if self.ways.len() <= index {
            self.ways.resize(index + 1, None);
        }
        if let Some(way) = self.ways.get_mut(index) {
            *way = Some(Way { id: member.id, key, owner, place });
        }
    }

    /// A leg is no more. Its payloads are given up.
    pub(crate) fn remove(&mut self, now: Time, key: u64, stores: &mut Stores) -> Option<Member> {
        let member = self.members.remove(&key)?;
        self.conference.remove_leg(now, member.id);
        if let Some(way) = self.ways.get_mut(member.id.index())
            && way.is_some_and(|way| way.key == key)
        {
            *way = None;
        }
        self.streams.retain(|(leg, ..), stream| {
            let stays = *leg != key;
            if !stays {
                stores.close(stream.store);
            }
            stays
        });
        Some(member)
    }

    pub(crate) fn knows(&self, key: u64) -> bool {
        self.members.contains_key(&key)
    }

    pub(crate) fn member_mut(&mut self, key: u64) -> Option<&mut Member> {
        self.members.get_mut(&key)
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = (LegRef, &Member)> {
        self.members.iter().map(|(key, member)| (LegRef { room: self.key, key: *key }, member))
    }

    /// The legs of a participant.
    pub(crate) fn legs_of<'a>(&'a self, participant: &'a ParticipantId) -> impl Iterator<Item = (LegRef, &'a Member)> {
        self.members().filter(move |(_, member)| member.participant == *participant)
    }

    pub(crate) fn find<'a>(
        &'a self,
        participant: &'a ParticipantId,
        number: LegNumber,
    ) -> Option<(LegRef, &'a Member)> {
        self.legs_of(participant).find(|(_, member)| member.number == number)
    }

    /// The leg that the conference knows by this name.
    pub(crate) fn leg_of(&self, id: LegId) -> Option<(LegRef, ShardId)> {
        let way = self.ways.get(id.index()).copied().flatten().filter(|way| way.id == id)?;
        Some((LegRef { room: self.key, key: way.key }, way.owner))
    }

    /// See [`crate::MediaHandle::set_media`].
    pub(crate) fn set_media(&mut self, now: Time, participant: &ParticipantId, media: MediaState) {
        self.conference.handle_media_state(now, participant, media);
    }

    /// See [`crate::MediaHandle::set_view`].
    pub(crate) fn set_view(&mut self, now: Time, participant: &ParticipantId, number: LegNumber, view: &View) {
        if let Some(id) = self.find(participant, number).map(|(_, member)| member.id) {
            self.conference.handle_view(now, id, view);
        }
    }

    /// See [`crate::MediaHandle::set_codec`].
    pub(crate) fn set_codec(&mut self, now: Time, preference: CodecPreference) {
        self.codec_chosen = preference != CodecPreference::Auto;
        self.conference.set_codec(now, preference);
    }

    /// A leg was described anew.
    pub(crate) fn update(&mut self, now: Time, key: u64, config: LegConfig) -> Result<(), ProtocolError> {
        let Some(member) = self.members.get(&key) else { return Err(unavailable("the leg is gone")) };
        let (participant, media) = (config.participant.clone(), config.media);
        self.conference.update_leg(now, member.id, config).map_err(refused)?;
        self.conference.handle_media_state(now, &participant, media);
        Ok(())
    }

    /// Forwards a packet of one of its legs.
    pub(crate) fn forward(&mut self, now: Time, packet: &Arrived<'_>, to: &mut Forwarding<'_>) {
        #[cfg(test)]
        crate::fault::here(crate::fault::Point::Forwards(self.key));
        let head = &packet.head;
        let Some(stream) = self.stream(packet.key, head.source, head.layer, to.stores) else { return };
        let rtp = head.rtp(packet.payload, packet.descriptor);
        let Self { key, conference, ways, forwarding, .. } = self;
        let mut carrier = Carrier { room: *key, stream, ways, forwarding, level: head.level(), to };
        let forwards = conference.handle_rtp(now, packet.from, head.source, head.layer, &rtp);
        carrier.carry(now, packet.payload, forwards);
        // What waited for this packet, because it was sent after it.
        while let Some(held) = conference.poll_held(now) {
            carrier.carry(now, held.payload, held.forwards);
        }
    }

    /// It is no more: its payloads are given up.
    pub(crate) fn close(self, stores: &mut Stores) {
        for stream in self.streams.values() {
            stores.close(stream.store);
        }
    }

    /// What the conference knows of each leg. What its owner knows is put in later.
    pub(crate) fn snapshot(&self) -> Vec<(u64, LegSnapshot)> {
        let leg = |(key, member): (&u64, &Member)| {
            let slots = self.conference.carried(member.id).map(|(slot, carried)| {
                let carries = stats::Carried {
                    participant: carried.participant,
                    source: carried.source,
                    layer: carried.layer,
                    codec: carried.codec.map(stats::codec),
                    paused: carried.paused,
                };
                SlotSnapshot { slot, carries: Some(carries), sent: Traffic::default(), jitter: None }
            });
            let streams = SourceKind::ALL.into_iter().flat_map(|source| LayerIndex::ALL.map(|layer| (source, layer)));
            let sources = streams.map(|(source, layer)| {
                let (codec, wanted) = self.conference.published(member.id, source, layer);
                let codec = codec.map(stats::codec);
                SourceSnapshot { source, layer, codec, received: Traffic::default(), jitter: None, wanted }
            });
            let snapshot = LegSnapshot {
                participant: member.participant.clone(),
                number: member.number,
                // There are at most 64.
                shard: member.owner.index() as u16,
                connected: member.connected,
                path: None,
                round_trip: None,
                estimate: None,
                wanted: Some(self.conference.demand(member.id).wanted),
                received: Traffic::default(),
                sent: Traffic::default(),
                sources: sources.collect(),
                slots: slots.collect(),
            };
            (*key, snapshot)
        };
        self.members.iter().map(leg).collect()
    }

    /// Takes the batches of this turn for other shards.
    pub(crate) fn take_forwarding(&mut self) -> impl Iterator<Item = (usize, Box<ForwardBatch>)> {
        self.forwarding.iter_mut().enumerate().filter_map(|(shard, batch)| Some((shard, batch.take()?)))
    }

    fn stream(&mut self, key: u64, source: SourceKind, layer: LayerIndex, stores: &mut Stores) -> Option<Stream> {
        if let Some(stream) = self.streams.get(&(key, source, layer)) {
            return Some(*stream);
        }
        // Of a leg that has just gone, nothing is kept.
        self.members.get(&key)?;
        let store = stores.open()?;
        self.last_stream = self.last_stream.wrapping_add(1);
        let stream = Stream { store, number: StreamNumber(self.last_stream) };
        self.streams.insert((key, source, layer), stream);
        Some(stream)
    }

    /// A leg's word about the network or its client.
    pub(crate) fn heard(&mut self, now: Time, key: u64, word: Word, links: &mut Links) {
        let Some(id) = self.members.get(&key).map(|member| member.id) else { return };
        match word {
            Word::KeyframeWanted(slot) => self.conference.handle_keyframe_request(now, id, slot),
            Word::RouteChanged => self.conference.handle_route_change(now, id),
            Word::Estimate(estimate) => self.conference.handle_estimate(now, id, estimate),
            Word::Copies(copies) => self.conference.handle_copies(now, id, copies),
            Word::Report { source, layer, ntp, timestamp } => {
                let reports = self.conference.handle_sender_report(now, id, source, layer, ntp, timestamp);
                for report in reports {
                    let way = self.ways.get(report.leg.index()).copied().flatten();
                    let Some(way) = way.filter(|way| way.id == report.leg) else { continue };
                    let order = Order::Report { slot: report.slot, ntp: report.ntp, timestamp: report.timestamp.0 };
                    let leg = LegRef { room: self.key, key: way.key };
                    links.tell(way.owner, crate::shard::Message::Order(leg, order));
                }
            }
            Word::Owned { .. } | Word::Negotiated(..) | Word::Connected | Word::Silent(_) | Word::Ended(_) => {}
        }
    }

    /// The conference's time has come; its legs learn what it would send.
    pub(crate) fn tick(&mut self, now: Time, links: &mut Links) {
        #[cfg(test)]
        crate::fault::here(crate::fault::Point::Ticks(self.key));
        self.conference.handle_timeout(now);
        for (key, member) in &mut self.members {
            if !member.connected {
                continue;
            }
            let demand = self.conference.demand(member.id);
            if member.told_demand != Some(demand) {
                member.told_demand = Some(demand);
                let leg = LegRef { room: self.key, key: *key };
                links.tell(member.owner, crate::shard::Message::Order(leg, Order::Demand(demand)));
            }
        }
    }
}

/// Takes the packets of one stream to their receivers.
struct Carrier<'a, 'b> {
    room: RoomKey,
    stream: Stream,
    ways: &'a [Option<Way>],
    forwarding: &'a mut [Option<Box<ForwardBatch>>],
    level: Option<(u8, bool)>,
    to: &'a mut Forwarding<'b>,
}

impl Carrier<'_, '_> {
    fn carry(&mut self, now: Time, payload: &[u8], forwards: &[Forward]) {
        if forwards.is_empty() {
            return;
        }
        let Self { room, stream, level, .. } = *self;
        let to = &mut *self.to;
        let mut forwarded = 0;
        // Kept here for the legs that are owned here, and elsewhere for those that are there.
        let mut reference = None;
        for forward in forwards {
            let way = self.ways.get(forward.leg.index()).copied().flatten();
            let Some(way) = way.filter(|way| way.id == forward.leg) else { continue };
            if way.owner == to.me {
                let Some(leg) = to.legs.get_mut(way.place).filter(|leg| leg.name.key == way.key) else { continue };
                *to.blame = Some(Blame::Leg(way.place));
                if reference.is_none() {
                    reference = to.stores.push(now, stream.store, payload);
                }
                let Some(reference) = reference else { continue };
                match leg.enqueue(now, forward, reference, payload.len(), level) {
                    Ok(()) => {
                        forwarded += 1;
                        leg.touch(way.place, to.dirty_legs);
                    }
                    Err(reason) => to.counters.dropped(reason, 1),
                }
                continue;
            }
            let Some(batch) = self.forwarding.get_mut(way.owner.index()) else { continue };
            let batch = batch.get_or_insert_with(|| match to.spent.take() {
                Some(mut batch) => {
                    batch.reuse(room);
                    batch
                }
                None => Box::new(ForwardBatch::new(room, to.me)),
            });
            let item = ForwardItem { place: way.place, key: way.key, forward: *forward };
            batch.add(to.counters.arrival(), stream.number, payload, level, item);
        }
        for batch in self.forwarding.iter_mut().flatten() {
            batch.end_packet();
        }
        to.counters.forwarded(forwarded);
    }
}

pub(crate) fn unavailable(sentence: &'static str) -> ProtocolError {
    ProtocolError { retry_after_ms: Some(5_000), ..ProtocolError::new(ErrorCode::MediaUnavailable, sentence) }
}

fn refused(error: AddLegError) -> ProtocolError {
    match error {
        AddLegError::TooManyLegs | AddLegError::TooManyLegsOfParticipant => {
            unavailable("there are as many legs as there may be")
        }
        AddLegError::TooManySlots => ProtocolError::new(ErrorCode::BadSdp, "the offer has more slots than allowed"),
        AddLegError::NumberInUse => ProtocolError::new(ErrorCode::StaleGeneration, "the leg's number is in use"),
    }
}
