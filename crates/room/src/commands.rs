//! What somebody in the room asks.

use std::time::Duration;

use conclave_proto::{
    ChatKey, ChatMessage, ChatText, ClientMessage, DisplayName, ErrorCode, Event, Generation, IceConfig, LeaveReason,
    MediaState, NetworkReport, ParticipantId, PeerSignal, ProtocolError, Reaction, Reply, RoomOptions,
};

use crate::config::{Now, StoredMessage};
use crate::entry::out_of_order;
use crate::input::ConnectionId;
use crate::member::Member;
use crate::output::{MediaCommand, Output};
use crate::paths::stale;
use crate::permissions::allowed;
use crate::room::{Room, Seat};

/// Who asks, by which connection, and under which number the answer is awaited. The participant is
/// known from the connection, never from the message.
pub(crate) struct Asker {
    pub(crate) participant: ParticipantId,
    pub(crate) connection: ConnectionId,
    pub(crate) request: u32,
}

impl Room {
    pub(crate) fn message(&mut self, now: Now, connection: ConnectionId, request: u32, message: ClientMessage) {
        let participant = match self.seats.get(&connection) {
            Some(Seat::Member(id)) => id.clone(),
            Some(Seat::Closed) => return,
            None | Some(Seat::Entering(_)) => return self.refuse(connection, request, out_of_order("join first")),
        };
        let Some(member) = self.roster.get(&participant) else { return };
        let asker = Asker { participant, connection, request };
        let result = if allowed(member.grants, &message) {
            self.obey(now, &asker, message)
        } else {
            Err(ProtocolError::new(ErrorCode::Forbidden, "the participant's role does not allow this"))
        };
        if let Err(error) = result {
            self.refuse(connection, request, error);
        }
    }

    fn obey(&mut self, now: Now, asker: &Asker, message: ClientMessage) -> Result<(), ProtocolError> {
        let time = now.monotonic;
        match message {
            ClientMessage::Join(_) | ClientMessage::Resume(_) => {
                return Err(out_of_order("this connection has joined already"));
            }
            ClientMessage::Leave {} => {
                self.done(asker);
                self.remove(&asker.participant, LeaveReason::Left);
            }
            ClientMessage::Ping {} => self.done(asker),
            ClientMessage::GetIceServers {} => {
                self.reply(asker.connection, asker.request, Reply::IceServers { ice: IceConfig::default() });
            }
            ClientMessage::GetParticipants { after, search } => {
                let page = self.page(after, search.as_ref());
                self.reply(asker.connection, asker.request, page);
            }
            ClientMessage::SetMedia { media } => self.set_media(asker, media),
            ClientMessage::SetName { name } => self.set_name(asker, name),
            ClientMessage::SetHand { raised } => self.set_hand(asker, raised),
            ClientMessage::React { reaction } => self.react(asker, reaction),
            ClientMessage::Chat { key, text } => self.take_chat(now, asker, key, text),
            ClientMessage::ReportNetwork { report } => self.report_network(time, asker, report),
            ClientMessage::SetOptions { options } => {
                self.check_options(&options)?;
                self.done(asker);
                self.set_options(time, options);
            }
            ClientMessage::EndRoom {} => {
                self.done(asker);
                self.end();
            }
            ClientMessage::Signal { to, generation, signal } => self.signal(asker, &to, generation, signal)?,
            ClientMessage::OfferSfu(offer) => self.offer_sfu(time, asker, *offer)?,
            ClientMessage::CloseSfu { leg } => self.close_sfu(asker, leg)?,
            ClientMessage::SetView { leg, view } => self.set_view(asker, leg, view)?,
            ClientMessage::ReportPath(report) => self.report_path(time, asker, report)?,
        }
        Ok(())
    }

    pub(crate) fn done(&mut self, asker: &Asker) {
        self.reply(asker.connection, asker.request, Reply::Done {});
    }

    fn set_media(&mut self, asker: &Asker, media: MediaState) {
        self.done(asker);
        let Some(member) = self.roster.get_mut(&asker.participant) else { return };
        if std::mem::replace(&mut member.state.media, media) == media {
            return;
        }
        self.streams.stale = true;
        if member.legs.in_media {
            self.command(MediaCommand::SetMedia { participant: asker.participant.clone(), media });
        }
        self.broadcast_state(&asker.participant, None);
    }

    fn set_name(&mut self, asker: &Asker, name: DisplayName) {
        self.done(asker);
        let Some(member) = self.roster.get_mut(&asker.participant) else { return };
        if member.state.name != name {
            member.search_name = Member::searched(&name);
            member.state.name = name;
            self.broadcast_state(&asker.participant, None);
        }
    }

    fn set_hand(&mut self, asker: &Asker, raised: bool) {
        self.done(asker);
        let Some(member) = self.roster.get_mut(&asker.participant) else { return };
        if member.state.hand.is_some() != raised {
            let last = self.hands.last().copied().unwrap_or(0);
            match std::mem::replace(&mut member.state.hand, raised.then(|| last.saturating_add(1))) {
                Some(lowered) => self.hands.remove(&lowered),
                None => self.hands.insert(last.saturating_add(1)),
            };
            self.broadcast_state(&asker.participant, None);
        }
    }

    fn react(&mut self, asker: &Asker, reaction: Reaction) {
        self.done(asker);
        self.announce_reaction(&asker.participant, reaction);
    }

    fn take_chat(&mut self, now: Now, asker: &Asker, key: ChatKey, text: ChatText) {
        let Some(member) = self.roster.get(&asker.participant) else { return };
        let sender = member.person;
        if let Some(id) = self.chat.taken(sender, &key) {
            let id = id.clone();
            return self.reply(asker.connection, asker.request, Reply::ChatTaken { id });
        }
        let message = ChatMessage {
            id: self.secrets.message_id(),
            key,
            participant: asker.participant.clone(),
            name: member.state.name.clone(),
            text,
            sent_at_ms: self.chat.sent_at_ms(now.unix_ms),
        };
        let stored = StoredMessage { message: message.clone(), sender };
        self.chat.push(&stored);
        self.outputs.push_back(Output::StoreChat(stored));
        self.reply(asker.connection, asker.request, Reply::ChatTaken { id: message.id.clone() });
        self.broadcast(Event::Chat { message }, None);
    }

    fn report_network(&mut self, now: Duration, asker: &Asker, report: NetworkReport) {
        self.done(asker);
        let report = NetworkReport {
            loss_up_permille: report.loss_up_permille.min(1_000),
            loss_down_permille: report.loss_down_permille.min(1_000),
            ..report
        };
        self.hold_report(now, &asker.participant, report);
    }

    /// Sets options that [`Room::check_options`] took.
    pub(crate) fn set_options(&mut self, now: Duration, options: RoomOptions) {
        if self.options == options {
            return;
        }
        let old = std::mem::replace(&mut self.options, options.clone());
        self.made = true;
        self.outputs.push_back(Output::StoreOptions(options.clone()));
        if self.in_media && old.codec != options.codec {
            self.command(MediaCommand::SetCodec(options.codec));
        }
        let choice = options.topology;
        self.broadcast(Event::OptionsChanged { options }, None);
        if old.topology != choice
            && let Some(change) = self.topology.for_choice(choice)
            && !self.roster.is_empty()
        {
            self.begin_move(now, change, None);
        }
    }

    fn signal(
        &mut self,
        asker: &Asker,
        to: &ParticipantId,
        generation: Generation,
        signal: PeerSignal,
    ) -> Result<(), ProtocolError> {
        if !self.topology.is_direct() || generation != self.topology.state().generation {
            return Err(stale("the signal belongs to a topology that is not current"));
        }
        self.check_peer(asker, to)?;
        let event = Event::Signalled { from: asker.participant.clone(), generation, signal };
        if !self.roster.get(to).is_some_and(|member| member.log.has_room_for(&event)) {
            return Err(ProtocolError::new(ErrorCode::TooManyRequests, "the other is away and has missed too much"));
        }
        self.done(asker);
        self.tell(to, event);
        Ok(())
    }
}
