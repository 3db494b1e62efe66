//! One room: its conference and its legs, and what the control plane wants of them. What passes
//! between them is in `traffic`.

mod snapshot;
mod traffic;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use conclave_proto::{
    CodecPreference, ErrorCode, LegNumber, MediaState, ParticipantId, ProtocolError, Sdp, SfuAnswer, VideoCodec, View,
};
use conclave_sfu::{AddLegError, Codec, Conference, LegConfig, LegId};

use crate::counters::End;
use crate::event::{MediaEvent, RoomKey};
use crate::leg::Leg;
use crate::offer::{self, CheckedOffer, LegOffer};
use crate::remote::PathKind;
use crate::routes::LegRef;
use crate::shared::{Deadline, Shared};
use crate::webrtc::{Fault, Session, Step};

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

    /// See [`crate::MediaHandle::offer`].
    pub(crate) fn offer(
        &mut self,
        now: Instant,
        shared: &mut Shared,
        participant: ParticipantId,
        offer: &LegOffer,
        media: MediaState,
    ) -> Result<SfuAnswer, ProtocolError> {
        let checked = offer::check(offer)?;
        let answer = match self.find(&participant, offer.number()) {
            Some(key) => self.renegotiate(now, shared, key, offer, &checked, media)?,
            None => self.add(now, shared, participant, offer, &checked, media)?,
        };
        let sdp = Sdp::parse(answer).map_err(|code| ProtocolError::new(code, "the answer would be too large"))?;
        Ok(SfuAnswer { leg: offer.number(), sdp })
    }

    fn add(
        &mut self,
        now: Instant,
        shared: &mut Shared,
        participant: ParticipantId,
        offer: &LegOffer,
        checked: &CheckedOffer,
        media: MediaState,
    ) -> Result<String, ProtocolError> {
        let own: Vec<_> = self.legs_of(&participant).map(|(key, leg)| (key, leg.number, leg.connected)).collect();
        if own.iter().any(|(_, number, _)| *number > offer.number()) {
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
        let config = leg_config(&participant, offer, checked, media, &session);
        let id = self.conference.add_leg(shared.time(now), config).map_err(refused)?;
        if let LegOffer::Play { hears: Some(only), .. } = offer {
            self.conference.set_hearing(shared.time(now), id, Some(only.clone()));
        }

        let key = shared.next_key();
        shared.routes.name(self.leg_ref(key), session.ufrag().to_owned());
        shared.legs += 1;
        shared.counters.legs.set(shared.legs as f64);
        let leg = Leg::new(now, &shared.limits, participant, offer.number(), id, session);
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
        offer: &LegOffer,
        checked: &CheckedOffer,
        media: MediaState,
    ) -> Result<String, ProtocolError> {
        let name = self.leg_ref(key);
        let leg = self.legs.get_mut(&key).ok_or_else(|| unavailable("the leg is gone"))?;
        let answer = leg.session.negotiate(checked)?;
        shared.routes.name(name, leg.session.ufrag().to_owned());
        self.dirty.insert(key);
        let config = leg_config(&leg.participant, offer, checked, media, &leg.session);
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

    /// Ends a leg; the client learns of it if it can still be reached.
    fn end(&mut self, now: Instant, shared: &mut Shared, key: u64, end: End) {
        let Some(mut leg) = self.legs.remove(&key) else { return };
        if leg.session.close().is_ok() {
            loop {
                match leg.session.poll() {
                    Ok(Step::Transmit(transmit)) => traffic::send(now, shared, &leg, transmit),
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

fn leg_config(
    participant: &ParticipantId,
    offer: &LegOffer,
    checked: &CheckedOffer,
    media: MediaState,
    session: &Session,
) -> LegConfig {
    let claimed: &[VideoCodec] = match offer {
        LegOffer::Client(offer) => &offer.decodes,
        // Players say it by their formats.
        LegOffer::Publish(_) | LegOffer::Play { .. } => &[VideoCodec::Vp8, VideoCodec::H264],
    };
    // What is said to be decoded counts only as far as the sections take it.
    let taken = |codec: &VideoCodec| session.takes(Codec::from(*codec));
    LegConfig {
        participant: participant.clone(),
        number: offer.number(),
        media,
        decodes: claimed.iter().copied().filter(taken).collect(),
        red: None,
        audio_slots: checked.audio_slots(),
        video_slots: checked.video_slots(),
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
