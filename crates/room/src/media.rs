//! Legs to the SFU: what clients ask, what the media plane is ordered, and what it says.

use std::time::Duration;

use conclave_proto::{
    ErrorCode, Event, LegNumber, MediaState, ParticipantId, ProtocolError, Reply, SfuAnswer, SfuOffer, View,
};

use crate::commands::Asker;
use crate::input::{MediaInput, RequestToken};
use crate::legs::{MAX_LEGS, bounded_view, check_offer};
use crate::member::Link;
use crate::output::MediaCommand;
use crate::paths::stale;
use crate::pending::{Pending, PendingLeg};
use crate::room::Room;

/// Most speakers that are named at a time.
const SPEAKERS: usize = 8;

impl Room {
    /// Passes an offer to the media plane and remembers what its answer is for.
    pub(crate) fn order_offer(
        &mut self,
        participant: ParticipantId,
        offer: SfuOffer,
        media: MediaState,
        pending: Pending,
    ) -> RequestToken {
        let request = self.await_media(pending);
        self.command(MediaCommand::Offer { participant, offer: Box::new(offer), media, request });
        request
    }

    /// Remembers what an answer of the media plane will be for; the order itself is the caller's.
    pub(crate) fn await_media(&mut self, pending: Pending) -> RequestToken {
        if !self.in_media {
            self.in_media = true;
            self.command(MediaCommand::SetCodec(self.options.codec));
        }
        self.next_request += 1;
        let request = RequestToken(self.next_request);
        self.pending.insert(request, pending);
        request
    }

    pub(crate) fn offer_sfu(&mut self, now: Duration, asker: &Asker, offer: SfuOffer) -> Result<(), ProtocolError> {
        check_offer(&offer)?;
        if self.topology.is_direct() {
            return Err(stale("the room's media does not go through the server"));
        }
        let waiting = self.pending.values().filter_map(Pending::leg);
        if waiting.filter(|leg| leg.participant == asker.participant).count() >= MAX_LEGS {
            return Err(ProtocolError::new(ErrorCode::TooManyRequests, "earlier offers have not been answered yet"));
        }
        let Some(member) = self.roster.get_mut(&asker.participant) else { return Ok(()) };
        let media = member.state.media;
        let leg = offer.leg;
        if let Some(leg) = member.legs.offer(leg) {
            self.command(MediaCommand::CloseLeg { participant: asker.participant.clone(), leg });
        }
        let pending = Pending::Leg(PendingLeg {
            participant: asker.participant.clone(),
            connection: asker.connection,
            request: asker.request,
            leg,
            deadline: now + self.config.path_timeout,
        });
        self.order_offer(asker.participant.clone(), offer, media, pending);
        Ok(())
    }

    pub(crate) fn close_sfu(&mut self, asker: &Asker, leg: LegNumber) -> Result<(), ProtocolError> {
        let had = self.roster.get_mut(&asker.participant).is_some_and(|member| member.legs.remove(leg));
        if !had {
            return Err(no_such_leg());
        }
        self.command(MediaCommand::CloseLeg { participant: asker.participant.clone(), leg });
        self.done(asker);
        Ok(())
    }

    pub(crate) fn set_view(&mut self, asker: &Asker, leg: LegNumber, view: View) -> Result<(), ProtocolError> {
        if !self.roster.get(&asker.participant).is_some_and(|member| member.legs.contains(leg)) {
            return Err(no_such_leg());
        }
        let view = bounded_view(view);
        let shows = view.items.iter().filter_map(|item| self.roster.order_of(&item.participant)).collect();
        if let Some(member) = self.roster.get_mut(&asker.participant) {
            member.shows = shows;
        }
        self.command(MediaCommand::SetView { participant: asker.participant.clone(), leg, view });
        self.done(asker);
        Ok(())
    }

    /// Keeps the leg that came with a join, unless the room has become direct meanwhile.
    pub(crate) fn keep_first_leg(&mut self, id: &ParticipantId, answer: Option<SfuAnswer>) -> Option<SfuAnswer> {
        let answer = answer?;
        if self.topology.is_direct() {
            self.command(MediaCommand::CloseLeg { participant: id.clone(), leg: answer.leg });
            return None;
        }
        if let Some(member) = self.roster.get_mut(id) {
            member.legs.offer(answer.leg);
        }
        Some(answer)
    }

    pub(crate) fn media(&mut self, now: Duration, input: MediaInput) {
        match input {
            MediaInput::Answered { request, result } => match self.pending.remove(&request) {
                Some(Pending::Entry(entering)) => self.entry_answered(now, *entering, result),
                Some(Pending::Leg(leg)) => self.leg_answered(&leg, result),
                Some(Pending::Stream(stream)) => self.stream_answered(now, stream, result.map(|answer| answer.sdp)),
                // Whoever asked is gone.
                None => {}
            },
            MediaInput::Connected { participant, leg } => {
                let replaced = self.roster.get_mut(&participant).map(|member| {
                    member.silence.media = None;
                    member.legs.connected(leg)
                });
                for leg in replaced.unwrap_or_default() {
                    self.command(MediaCommand::CloseLeg { participant: participant.clone(), leg });
                }
            }
            MediaInput::Failed { participant, leg } => {
                if self.stream_failed(&participant) {
                    return;
                }
                if self.roster.get_mut(&participant).is_some_and(|member| member.legs.remove(leg)) {
                    self.tell(&participant, Event::LegFailed { leg });
                }
            }
            MediaInput::Silent { participant } => {
                if let Some(member) = self.roster.get_mut(&participant) {
                    member.silence.media = Some(now);
                }
            }
            MediaInput::Slots { participant, slots } => {
                if self.roster.get(&participant).is_some_and(|member| member.legs.contains(slots.leg)) {
                    self.tell(&participant, Event::SlotsChanged { slots });
                }
            }
            MediaInput::Speakers(speakers) => {
                let state = self.topology.state();
                // What is still under way when the SFU has been left counts no more.
                if !(self.topology.is_direct() && state.settled) {
                    self.set_speakers(speakers);
                }
            }
            MediaInput::PublishWish { participant, wish } => self.tell(&participant, Event::PublishWished { wish }),
        }
    }

    fn leg_answered(&mut self, pending: &PendingLeg, result: Result<SfuAnswer, ProtocolError>) {
        let PendingLeg { participant, connection, request, leg, .. } = pending;
        let direct = self.topology.is_direct();
        let Some(member) = self.roster.get_mut(participant) else { return };
        let live = member.link == Link::Live(*connection);
        let result = match result {
            // Closed or overtaken meanwhile.
            Ok(_) if direct || !member.legs.contains(*leg) => Err(stale("the leg is not wanted any more")),
            Ok(answer) => Ok(SfuAnswer { leg: *leg, ..answer }),
            Err(error) => Err(error),
        };
        // A leg that works stays as it was.
        if result.is_err() && !member.legs.is_connected(*leg) {
            member.legs.remove(*leg);
            // The media plane may have it: its answer may be late, or have crossed an order to close.
            self.command(MediaCommand::CloseLeg { participant: participant.clone(), leg: *leg });
        }
        match result {
            _ if !live => {}
            Ok(answer) => self.reply(*connection, *request, Reply::SfuAnswered { answer }),
            Err(error) => self.refuse(*connection, *request, error),
        }
    }

    /// Gives up what the media plane has not answered in time.
    pub(crate) fn give_up_pending(&mut self, now: Duration) {
        // The oldest come first.
        let due: Vec<_> =
            self.pending.iter().take_while(|(_, pending)| pending.deadline() <= now).map(|(token, _)| *token).collect();
        for request in due {
            let error = ProtocolError::new(ErrorCode::MediaUnavailable, "the media plane did not answer");
            self.media(now, MediaInput::Answered { request, result: Err(error) });
        }
    }

    pub(crate) fn forget_pending_of(&mut self, id: &ParticipantId) {
        self.pending.retain(|_, pending| pending.leg().is_none_or(|leg| leg.participant != *id));
    }

    pub(crate) fn set_speakers(&mut self, mut speakers: Vec<ParticipantId>) {
        speakers.retain(|speaker| self.roster.contains(speaker));
        speakers.truncate(SPEAKERS);
        if speakers != self.speakers {
            self.announce_speakers(speakers);
        }
    }
}

fn no_such_leg() -> ProtocolError {
    stale("the client has no such leg")
}
