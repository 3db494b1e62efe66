//! One room: its conference, its legs, and the traffic between them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use conclave_proto::{
    CodecPreference, ErrorCode, LegNumber, MediaState, ParticipantId, ProtocolError, Sdp, SfuAnswer, SfuOffer,
    VideoCodec, View,
};
use conclave_sfu::{AddLegError, Codec, Conference, LegConfig, LegId, Output, RtpPacket, Timestamp};
use conclave_turn::demux::DatagramKind;

use crate::check::Check;
use crate::counters::{Dropped, End};
use crate::datagram::Packet;
use crate::event::{MediaEvent, RoomKey};
use crate::leg::{Admission, Due, Leg};
use crate::offer::{self, CheckedOffer};
use crate::paths::Path;
use crate::remote::{PathKind, Remote};
use crate::routes::LegRef;
use crate::shared::{Deadline, Shared};
use crate::webrtc::{Fault, NotSent, Received, Session, SessionEvent, Step, Transmit};

/// A room. What happens to it in one turn is settled at the turn's end by [`Room::settle`].
pub(crate) struct Room {
    key: RoomKey,
    conference: Conference,
    legs: BTreeMap<u64, Leg>,
    by_id: HashMap<LegId, u64>,
    /// Legs with something queued or changed since the last settling.
    dirty: BTreeSet<u64>,
    /// Legs whose end was found while they were borrowed.
    ending: Vec<(u64, End)>,
    codec_chosen: bool,
}

/// A leg of a room, for whoever clears up after the room.
pub(crate) struct Member {
    pub(crate) leg: LegRef,
    pub(crate) participant: ParticipantId,
    pub(crate) number: LegNumber,
    pub(crate) path: Option<PathKind>,
}

/// The engine is not woken more often than this; its pacer sends what was due in between at once.
const GRAIN: Duration = Duration::from_millis(1);

/// Settling can cause more to settle (a request for a key frame); what is still open after this many
/// rounds waits for the next turn.
const ROUNDS: usize = 4;

impl Room {
    pub(crate) fn new(key: RoomKey, seed: u64) -> Self {
        Self {
            key,
            conference: Conference::new(seed),
            legs: BTreeMap::new(),
            by_id: HashMap::new(),
            dirty: BTreeSet::new(),
            ending: Vec::new(),
            codec_chosen: false,
        }
    }

    /// Whether nothing would be lost with it.
    pub(crate) fn is_idle(&self) -> bool {
        self.legs.is_empty() && !self.codec_chosen
    }

    /// Every leg, for whoever clears up after the room.
    pub(crate) fn members(&self) -> Vec<Member> {
        let member = |(key, leg): (&u64, &Leg)| Member {
            leg: self.leg_ref(*key),
            participant: leg.participant.clone(),
            number: leg.number,
            path: leg.paths.kind(),
        };
        self.legs.iter().map(member).collect()
    }

    // Commands.

    /// See [`crate::MediaHandle::offer`].
    pub(crate) fn offer(
        &mut self,
        now: Instant,
        shared: &mut Shared,
        participant: ParticipantId,
        offer: &SfuOffer,
        media: MediaState,
    ) -> Result<SfuAnswer, ProtocolError> {
        let checked = offer::check(offer)?;
        let answer = match self.find(&participant, offer.leg) {
            Some(key) => self.renegotiate(now, shared, key, offer, &checked, media)?,
            None => self.add(now, shared, participant, offer, &checked, media)?,
        };
        let sdp = Sdp::parse(answer).map_err(|code| ProtocolError::new(code, "the answer would be too large"))?;
        Ok(SfuAnswer { leg: offer.leg, sdp })
    }

    fn add(
        &mut self,
        now: Instant,
        shared: &mut Shared,
        participant: ParticipantId,
        offer: &SfuOffer,
        checked: &CheckedOffer,
        media: MediaState,
    ) -> Result<String, ProtocolError> {
        let own: Vec<_> = self.legs_of(&participant).map(|(key, leg)| (key, leg.number, leg.connected)).collect();
        if own.iter().any(|(_, number, _)| *number > offer.leg) {
            return Err(ProtocolError::new(ErrorCode::StaleGeneration, "a newer leg has been offered already"));
        }
        // The client has given up what it did not get connected.
        for (key, _, _) in own.iter().filter(|(_, _, connected)| !connected) {
            self.end(now, shared, *key, End::Replaced);
        }
        if shared.legs >= shared.limits.legs || self.legs.len() >= shared.limits.legs_per_room {
            return Err(unavailable("there are as many legs as there may be"));
        }
        let session = Session::new(now, &shared.identity, &shared.announced);
        let mut session = session.map_err(|_| unavailable("the server cannot make another leg"))?;
        let answer = session.negotiate(checked)?;
        let config = leg_config(&participant, offer, media, &session);
        let id = self.conference.add_leg(shared.time(now), config).map_err(refused)?;

        let key = shared.next_key();
        shared.routes.name(self.leg_ref(key), session.ufrag().to_owned());
        shared.legs += 1;
        shared.counters.legs.set(shared.legs as f64);
        let leg = Leg::new(now, &shared.limits, participant, offer.leg, id, session);
        self.by_id.insert(id, key);
        self.legs.insert(key, leg);
        self.dirty.insert(key);
        tracing::debug!(room = self.key.0, leg = key, "leg offered");
        Ok(answer)
    }

    fn renegotiate(
        &mut self,
        now: Instant,
        shared: &mut Shared,
        key: u64,
        offer: &SfuOffer,
        checked: &CheckedOffer,
        media: MediaState,
    ) -> Result<String, ProtocolError> {
        let name = self.leg_ref(key);
        let leg = self.legs.get_mut(&key).ok_or_else(|| unavailable("the leg is gone"))?;
        let answer = leg.session.negotiate(checked)?;
        shared.routes.name(name, leg.session.ufrag().to_owned());
        self.dirty.insert(key);
        let config = leg_config(&leg.participant, offer, media, &leg.session);
        let time = shared.time(now);
        self.conference.update_leg(time, leg.id, config).map_err(refused)?;
        self.conference.handle_media_state(time, &leg.participant, media);
        Ok(answer)
    }

    /// See [`crate::MediaHandle::set_media`].
    pub(crate) fn set_media(&mut self, now: Instant, shared: &Shared, participant: &ParticipantId, media: MediaState) {
        self.conference.handle_media_state(shared.time(now), participant, media);
    }

    /// See [`crate::MediaHandle::set_view`].
    pub(crate) fn set_view(
        &mut self,
        now: Instant,
        shared: &Shared,
        participant: &ParticipantId,
        number: LegNumber,
        view: &View,
    ) {
        let leg = self.find(participant, number).and_then(|key| self.legs.get(&key));
        if let Some(leg) = leg {
            self.conference.handle_view(shared.time(now), leg.id, view);
        }
    }

    /// See [`crate::MediaHandle::set_codec`].
    pub(crate) fn set_codec(&mut self, now: Instant, shared: &Shared, preference: CodecPreference) {
        self.codec_chosen = preference != CodecPreference::Auto;
        self.conference.set_codec(shared.time(now), preference);
    }

    /// See [`crate::MediaHandle::close_leg`].
    pub(crate) fn close_leg(
        &mut self,
        now: Instant,
        shared: &mut Shared,
        participant: &ParticipantId,
        number: LegNumber,
    ) {
        if let Some(key) = self.find(participant, number) {
            self.end(now, shared, key, End::Closed);
        }
    }

    /// See [`crate::MediaHandle::close_participant`].
    pub(crate) fn close_participant(&mut self, now: Instant, shared: &mut Shared, participant: &ParticipantId) {
        let keys: Vec<_> = self.legs_of(participant).map(|(key, _)| key).collect();
        for key in keys {
            self.end(now, shared, key, End::Closed);
        }
    }

    /// Ends every leg.
    pub(crate) fn close(&mut self, now: Instant, shared: &mut Shared) {
        let keys: Vec<_> = self.legs.keys().copied().collect();
        for key in keys {
            self.end(now, shared, key, End::Closed);
        }
        shared.timers.set(Deadline::Conference(self.key), None);
    }

    // Traffic.

    /// Whether a connectivity check that names this leg was made with its password.
    pub(crate) fn vouches_for(&self, key: u64, check: &Check<'_>) -> bool {
        self.legs.get(&key).is_some_and(|leg| leg.session.vouches_for(check))
    }

    /// Takes a packet from a remote of a leg; a connectivity check is genuine.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        shared: &mut Shared,
        key: u64,
        kind: DatagramKind,
        nominates: bool,
        packet: &Packet<'_>,
    ) {
        let Some(leg) = self.legs.get_mut(&key) else { return };
        match leg.admit(now, kind, packet.contents) {
            Admission::Pass => {}
            Admission::Drop(reason) => return shared.counters.dropped(reason, 1),
            Admission::Close => return self.end(now, shared, key, End::Flood),
        }
        let before = leg.paths.kind();
        let path = Path { remote: packet.source, local: packet.to };
        match kind {
            DatagramKind::Stun => leg.paths.checked(now, path, nominates),
            _ => leg.paths.spoken(now, path),
        }
        shared.counters.moved(before, leg.paths.kind());
        match leg.session.receive(packet) {
            // The engine wants to be drained before it gets anything else.
            Ok(()) => self.drain(now, shared, key),
            Err(fault) => self.end(now, shared, key, fault.into()),
        }
    }

    /// A remote of a leg is gone. The client, which knows it too, will choose another.
    pub(crate) fn lost(&mut self, shared: &Shared, key: u64, remote: Remote) {
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let before = leg.paths.kind();
        leg.paths.forget(remote);
        shared.counters.moved(before, leg.paths.kind());
    }

    /// A leg's deadline has come.
    pub(crate) fn leg_due(&mut self, now: Instant, shared: &mut Shared, key: u64) {
        let Some(leg) = self.legs.get_mut(&key) else { return };
        match leg.due(now, &shared.limits) {
            Some(Due::End(end)) => return self.end(now, shared, key, end),
            Some(Due::Silent) => {
                leg.silence_told();
                let participant = leg.participant.clone();
                let heard = |leg: &Leg| leg.connected && !leg.is_silent(now, &shared.limits);
                if !self.legs_of(&participant).any(|(_, leg)| heard(leg)) {
                    shared.outbox.push(MediaEvent::Silent { room: self.key, participant });
                }
            }
            Some(Due::Session) | None => {}
        }
        self.dirty.insert(key);
    }

    /// The conference's deadline has come.
    pub(crate) fn conference_due(&mut self, now: Instant, shared: &Shared) {
        self.conference.handle_timeout(shared.time(now));
        for (key, leg) in &mut self.legs {
            if !leg.connected {
                continue;
            }
            if let Some(usable) = leg.probing.usable(now) {
                self.conference.handle_estimate(shared.time(now), leg.id, usable);
            }
            let Some(plan) = leg.probing.update(now, self.conference.demand(leg.id)) else { continue };
            match leg.session.probe(plan) {
                Ok(()) => {
                    self.dirty.insert(*key);
                }
                Err(fault) => self.ending.push((*key, fault.into())),
            }
        }
    }

    /// Ends a turn: what was queued goes out, what the conference decided is done, and the next
    /// deadlines are known.
    pub(crate) fn settle(&mut self, now: Instant, shared: &mut Shared) {
        let mut touched = BTreeSet::new();
        for _ in 0..ROUNDS {
            while let Some(output) = self.conference.poll_output() {
                self.act(shared, output);
            }
            for (key, end) in std::mem::take(&mut self.ending) {
                self.end(now, shared, key, end);
            }
            if self.dirty.is_empty() {
                break;
            }
            for key in std::mem::take(&mut self.dirty) {
                let Some(leg) = self.legs.get_mut(&key) else { continue };
                touched.insert(key);
                match leg.session.advance(now) {
                    Ok(()) => self.drain(now, shared, key),
                    Err(fault) => self.end(now, shared, key, fault.into()),
                }
            }
        }
        touched.extend(&self.dirty);
        for key in touched {
            let deadline = self.legs.get(&key).map(|leg| leg.deadline(&shared.limits));
            shared.timers.set(Deadline::Leg(self.leg_ref(key)), deadline);
        }
        let conference = self.conference.poll_timeout().map(|time| shared.instant(time).max(now + GRAIN));
        shared.timers.set(Deadline::Conference(self.key), conference);
    }

    /// Takes out of a session what is in it.
    fn drain(&mut self, now: Instant, shared: &mut Shared, key: u64) {
        loop {
            let Some(leg) = self.legs.get_mut(&key) else { return };
            match leg.session.poll() {
                Ok(Step::Idle(at)) => {
                    leg.wake = at.max(now + GRAIN);
                    let deadline = leg.deadline(&shared.limits);
                    shared.timers.set(Deadline::Leg(self.leg_ref(key)), Some(deadline));
                    return;
                }
                Ok(Step::Transmit(transmit)) => send(now, shared, leg, transmit),
                Ok(Step::Event(event)) => self.happened(now, shared, key, event),
                Err(fault) => return self.end(now, shared, key, fault.into()),
            }
        }
    }

    fn happened(&mut self, now: Instant, shared: &mut Shared, key: u64, event: SessionEvent) {
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let time = shared.time(now);
        match event {
            SessionEvent::Connected => self.connected(now, shared, key),
            SessionEvent::Ended => self.end(now, shared, key, End::Ended),
            SessionEvent::Received(packet) => self.forward(now, shared, key, &packet),
            SessionEvent::KeyframeWanted(slot) => {
                shared.counters.keyframes_in.increment(1);
                self.conference.handle_keyframe_request(time, leg.id, slot);
            }
            SessionEvent::Estimate(estimate) => {
                leg.probing.handle_estimate(estimate);
                if let Some(usable) = leg.probing.usable(now) {
                    self.conference.handle_estimate(time, leg.id, usable);
                }
            }
            SessionEvent::Counted { nacks_sent, nacks_received, loss } => {
                shared.counters.nacks_out.increment(nacks_sent);
                shared.counters.nacks_in.increment(nacks_received);
                if let Some(loss) = loss {
                    leg.probing.handle_loss(now, loss);
                }
            }
        }
    }

    fn connected(&mut self, now: Instant, shared: &mut Shared, key: u64) {
        let Some(leg) = self.legs.get_mut(&key) else { return };
        leg.connected = true;
        let (id, participant, number) = (leg.id, leg.participant.clone(), leg.number);
        self.conference.handle_connected(shared.time(now), id);
        shared.counters.connected.increment(1);
        tracing::debug!(room = self.key.0, leg = key, "leg connected");
        let retires = now + shared.limits.handover;
        for (other, leg) in &mut self.legs {
            if leg.participant == participant && leg.number < number && leg.retires.is_none() {
                leg.retires = Some(retires);
                self.dirty.insert(*other);
            }
        }
        shared.outbox.push(MediaEvent::Connected { room: self.key, participant, leg: number });
    }

    fn forward(&mut self, now: Instant, shared: &mut Shared, key: u64, packet: &Received) {
        let Some(leg) = self.legs.get(&key) else { return };
        let rtp = RtpPacket {
            sequence: packet.sequence,
            timestamp: Timestamp(packet.timestamp),
            marker: packet.marker,
            codec: packet.codec,
            payload: &packet.payload,
            audio_level: packet.audio_level,
            voice_activity: packet.voice_activity,
        };
        let time = shared.time(now);
        for forward in self.conference.handle_rtp(time, leg.id, packet.source, packet.layer, &rtp) {
            let Some(to) = self.by_id.get(&forward.leg) else { continue };
            let Some(leg) = self.legs.get_mut(to) else { continue };
            match leg.session.send(forward, packet) {
                Ok(()) => {
                    shared.counters.forwarded.increment(1);
                    self.dirty.insert(*to);
                }
                Err(NotSent::Overfull) => shared.counters.dropped(Dropped::Backlog, 1),
                Err(NotSent::NoCodec | NotSent::BadRewrite) => shared.counters.dropped(Dropped::Unsendable, 1),
                Err(NotSent::Fault(fault)) => self.ending.push((*to, fault.into())),
            }
        }
    }

    fn act(&mut self, shared: &mut Shared, output: Output) {
        let room = self.key;
        match output {
            Output::RequestKeyframe { leg, source, layer } => {
                let Some(key) = self.by_id.get(&leg) else { return };
                let Some(leg) = self.legs.get_mut(key) else { return };
                match leg.session.request_keyframe(source, layer) {
                    Ok(true) => {
                        shared.counters.keyframes_out.increment(1);
                        self.dirty.insert(*key);
                    }
                    Ok(false) => {}
                    Err(fault) => self.ending.push((*key, fault.into())),
                }
            }
            Output::SlotsChanged { participant, slots, .. } => {
                shared.outbox.push(MediaEvent::Slots { room, participant, slots });
            }
            Output::Speakers(speakers) => shared.outbox.push(MediaEvent::Speakers { room, speakers }),
            Output::PublishWish { participant, wish } => {
                shared.outbox.push(MediaEvent::PublishWish { room, participant, wish });
            }
        }
    }

    /// Ends a leg; the client learns of it if it can still be reached.
    fn end(&mut self, now: Instant, shared: &mut Shared, key: u64, end: End) {
        let Some(mut leg) = self.legs.remove(&key) else { return };
        if leg.session.close().is_ok() {
            loop {
                match leg.session.poll() {
                    Ok(Step::Transmit(transmit)) => send(now, shared, &leg, transmit),
                    Ok(Step::Event(_)) => {}
                    Ok(Step::Idle(_)) | Err(_) => break,
                }
            }
        }
        self.by_id.remove(&leg.id);
        self.dirty.remove(&key);
        self.conference.remove_leg(shared.time(now), leg.id);
        let name = self.leg_ref(key);
        shared.forget_leg(name, leg.paths.kind(), end);
        tracing::debug!(room = self.key.0, leg = key, reason = end.label(), "leg ended");
        if end.is_failure() {
            let Leg { participant, number, .. } = leg;
            shared.outbox.push(MediaEvent::Failed { room: self.key, participant, leg: number });
        }
    }

    fn leg_ref(&self, key: u64) -> LegRef {
        LegRef { room: self.key, key }
    }

    fn legs_of<'a>(&'a self, participant: &'a ParticipantId) -> impl Iterator<Item = (u64, &'a Leg)> {
        self.legs.iter().filter(move |(_, leg)| leg.participant == *participant).map(|(key, leg)| (*key, leg))
    }

    fn find(&self, participant: &ParticipantId, number: LegNumber) -> Option<u64> {
        self.legs_of(participant).find(|(_, leg)| leg.number == number).map(|(key, _)| key)
    }
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Failed => Self::Engine,
            Fault::Panicked => Self::Panic,
        }
    }
}

/// Sends a packet of a leg by the path that it belongs on.
fn send(now: Instant, shared: &mut Shared, leg: &Leg, transmit: Transmit) {
    let (path, contents) = match transmit {
        Transmit::Media(contents) => (leg.paths.chosen(), contents),
        Transmit::Answer { source, over, destination, contents } => {
            (leg.paths.remote(over, destination).map(|remote| Path { remote, local: source }), contents)
        }
    };
    match path {
        Some(path) => shared.transmit(now, path, contents),
        None => shared.counters.dropped(Dropped::NoPath, 1),
    }
}

fn leg_config(participant: &ParticipantId, offer: &SfuOffer, media: MediaState, session: &Session) -> LegConfig {
    // What the page says that it decodes counts only as far as its sections take it.
    let taken = |codec: &VideoCodec| session.takes(Codec::from(*codec));
    LegConfig {
        participant: participant.clone(),
        number: offer.leg,
        media,
        decodes: offer.decodes.iter().copied().filter(taken).collect(),
        audio_slots: offer.audio_slots.clone(),
        video_slots: offer.video_slots.clone(),
    }
}

fn unavailable(sentence: &'static str) -> ProtocolError {
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
