use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use conclave_proto::{
    Connection, ErrorCode, Event, LeaveReason, Participant, ParticipantId, ProtocolError, Reply, RoomName, RoomOptions,
    RoomState, ServerMessage, Topology, TopologyChoice, close, limits,
};

use crate::chat::ChatLog;
use crate::config::{Now, RoomConfig, StoredRoom};
use crate::digest::Digest;
use crate::input::{AdminInput, ConnectionId, Departure, Input, RequestToken, StreamInput};
use crate::member::{Link, Member};
use crate::news::News;
use crate::output::{Ending, MediaCommand, Output, StreamOutput};
use crate::pending::Pending;
use crate::roster::Roster;
use crate::secrets::Secrets;
use crate::streams::Streams;
use crate::topology::TopologyMachine;

/// One live meeting.
pub struct Room {
    pub(crate) config: RoomConfig,
    pub(crate) name: RoomName,
    pub(crate) options: RoomOptions,
    /// The store knows the options.
    pub(crate) made: bool,
    pub(crate) host: Option<Digest>,
    pub(crate) secrets: Secrets,
    pub(crate) roster: Roster,
    pub(crate) news: News,
    /// What every connection that the room has heard of is.
    pub(crate) seats: HashMap<ConnectionId, Seat>,
    /// What waits for the media plane.
    pub(crate) pending: BTreeMap<RequestToken, Pending>,
    pub(crate) next_request: u64,
    pub(crate) chat: ChatLog,
    /// The places of the raised hands.
    pub(crate) hands: BTreeSet<u32>,
    pub(crate) topology: TopologyMachine,
    pub(crate) speakers: Vec<ParticipantId>,
    pub(crate) streams: Streams,
    /// The media plane has heard of the room.
    pub(crate) in_media: bool,
    pub(crate) outputs: VecDeque<Output>,
    /// Somebody came, went, was interrupted or came back, and the topology does not know yet.
    pub(crate) crowd_changed: bool,
    over: bool,
}

/// What a connection is to the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seat {
    /// Its join waits for the media plane.
    Entering(RequestToken),
    /// It carries this session.
    Member(ParticipantId),
    /// The room closed it; nothing may be sent to it, and what still comes from it is void.
    Closed,
}

impl Room {
    /// A room without people. `seed` must be unpredictable: identifiers and tokens are made from it.
    pub fn new(config: RoomConfig, name: RoomName, stored: StoredRoom, seed: [u8; 32]) -> Self {
        let made = stored.options.is_some();
        let options = stored.options.unwrap_or_default();
        Self {
            topology: TopologyMachine::new(options.topology),
            config,
            name,
            options,
            made,
            host: stored.host,
            secrets: Secrets::new(seed),
            roster: Roster::default(),
            news: News::default(),
            seats: HashMap::new(),
            pending: BTreeMap::new(),
            next_request: 0,
            chat: ChatLog::new(stored.chat),
            hands: BTreeSet::new(),
            speakers: Vec::new(),
            in_media: false,
            streams: Streams::default(),
            outputs: VecDeque::new(),
            crowd_changed: false,
            over: false,
        }
    }

    /// Takes in what has happened. Outputs are ready afterwards.
    pub fn handle_input(&mut self, now: Now, input: Input) {
        if self.over {
            return self.handle_late_input(input);
        }
        // What time has brought comes first, so that the outcome does not depend on how late the
        // caller's timer is.
        self.advance(now.monotonic);
        match input {
            Input::Join { connection, join, authority, request } => {
                self.join(now.monotonic, connection, join, authority, request);
            }
            Input::Resume { connection, resume, request } => self.resume(connection, &resume, request),
            Input::Message { connection, request, message } => self.message(now, connection, request, message),
            Input::Disconnected { connection, departure } => self.disconnected(now.monotonic, connection, departure),
            Input::Stream { stream, input } => self.stream(now.monotonic, stream, input),
            Input::Media(media) => self.media(now.monotonic, media),
            Input::Admin(AdminInput::Close) => self.end(),
            Input::Admin(AdminInput::SetOptions(options)) => {
                if self.check_options(&options).is_ok() {
                    self.set_options(now.monotonic, options);
                }
            }
            Input::Closing { retry_after } => self.stop(retry_after),
        }
        if !self.over {
            self.advance(now.monotonic);
        }
    }

    /// Does what time has brought; harmless when called early.
    pub fn handle_timeout(&mut self, now: Now) {
        if !self.over {
            self.advance(now.monotonic);
        }
    }

    /// When [`Self::handle_timeout`] is to be called, on the clock of [`Now::monotonic`]; a time that
    /// has passed means at once.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.over {
            return None;
        }
        let lost = self.roster.lost().filter_map(|member| self.given_up_at(member));
        // Orders are given up in the order in which they were given.
        let pending = self.pending.values().next().map(Pending::deadline);
        let others =
            [pending, self.roster.next_report(), self.news_due_at(), self.topology.settles_at(), self.two_remain_at()];
        lost.chain(others.into_iter().flatten()).min()
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether these options can be set now.
    ///
    /// # Errors
    /// [`ErrorCode::BadOptions`]: a value is out of its range, or more people are inside than the
    /// chosen topology can connect.
    pub fn check_options(&self, options: &RoomOptions) -> Result<(), ProtocolError> {
        let refused = |message| Err(ProtocolError::new(ErrorCode::BadOptions, message));
        if !(1..=limits::CAPACITY).contains(&options.capacity) {
            return refused("the capacity is 1 to 5,000");
        }
        // A capacity below the number of people inside only keeps newcomers out; a direct topology
        // that connects fewer would cut somebody off.
        if self
            .direct_limit(options.topology)
            .is_some_and(|most| self.places_taken() > most + self.streams.publishers())
        {
            return refused("more people are in the room than this topology connects");
        }
        Ok(())
    }

    /// Everybody inside, in the order of arrival.
    pub fn participants(&self) -> impl ExactSizeIterator<Item = &Participant> {
        self.roster.iter().map(|member| &member.state)
    }

    /// Nobody is inside or on the way in: the room can be dropped.
    pub fn is_empty(&self) -> bool {
        self.roster.is_empty() && self.pending.is_empty()
    }

    /// Nobody more would be let in.
    pub fn is_full(&self) -> bool {
        self.places_taken() >= self.capacity()
    }

    /// How many watch without being in the room.
    pub fn viewers(&self) -> usize {
        self.streams.viewers()
    }

    /// Name, options and topology.
    pub fn state(&self) -> RoomState {
        RoomState { name: self.name.clone(), options: self.options.clone(), topology: self.topology.state() }
    }

    /// Members, and those on the way in who do not take a member's place.
    pub(crate) fn places_taken(&self) -> usize {
        let entering = self.pending.values().filter_map(Pending::entering);
        let publishers = self.pending.values().filter(|pending| pending.brings_publisher()).count();
        let people = entering.filter(|entering| self.roster.of_person(entering.person).is_none()).count();
        self.roster.len() + people + publishers
    }

    /// Most participants at once.
    pub(crate) fn capacity(&self) -> usize {
        let chosen = self.options.capacity as usize;
        // Streams take the room through the server for as long as they last.
        let streams = self.streams.publishers();
        self.direct_limit(self.options.topology).map_or(chosen, |most| (most + streams).min(chosen))
    }

    /// How many people a direct topology connects.
    fn direct_limit(&self, choice: TopologyChoice) -> Option<usize> {
        match choice {
            TopologyChoice::P2p => Some(2),
            TopologyChoice::Mesh => Some(self.config.mesh_limit as usize),
            TopologyChoice::Auto | TopologyChoice::Sfu => None,
        }
    }

    pub(crate) fn reply(&mut self, connection: ConnectionId, request: u32, reply: Reply) {
        let message = ServerMessage::Reply { id: request, reply: Box::new(reply) };
        self.outputs.push_back(Output::Send { connection, message });
    }

    pub(crate) fn refuse(&mut self, connection: ConnectionId, request: u32, error: ProtocolError) {
        let message = ServerMessage::Error { id: Some(request), error };
        self.outputs.push_back(Output::Send { connection, message });
    }

    pub(crate) fn command(&mut self, command: MediaCommand) {
        self.outputs.push_back(Output::Media(command));
    }

    /// Closes a connection; what still comes from it is void.
    pub(crate) fn close(&mut self, connection: ConnectionId, code: u16, reason: &'static str) {
        self.seats.insert(connection, Seat::Closed);
        self.outputs.push_back(Output::Close { connection, code, reason });
    }

    /// Tells everybody, except whom it need not be told.
    pub(crate) fn broadcast(&mut self, event: Event, except: Option<&ParticipantId>) {
        let event = Arc::new(event);
        for member in self.roster.iter_mut().filter(|member| Some(member.id()) != except) {
            member.tell(&event, &mut self.outputs);
        }
    }

    /// Tells one member.
    pub(crate) fn tell(&mut self, id: &ParticipantId, event: Event) {
        if let Some(member) = self.roster.get_mut(id) {
            member.tell(&Arc::new(event), &mut self.outputs);
        }
    }

    /// Does what is due.
    fn advance(&mut self, now: Duration) {
        self.give_up_lost(now);
        self.give_up_pending(now);
        self.pass_on_reports(now);
        if std::mem::take(&mut self.crowd_changed) {
            self.topology.crowd_changed(now, self.roster.len());
        }
        self.follow_crowd(now);
        self.settle_if_done(now);
        self.direct_viewers();
        self.tell_news(now);
    }

    fn give_up_lost(&mut self, now: Duration) {
        let due = |member: &&Member| self.given_up_at(member).is_some_and(|at| at <= now);
        let gone: Vec<_> = self.roster.lost().filter(due).map(|member| member.id().clone()).collect();
        for id in gone {
            self.remove(&id, LeaveReason::Lost);
        }
    }

    /// Until when a lost member is waited for.
    fn given_up_at(&self, member: &Member) -> Option<Duration> {
        let Link::Lost(since) = member.link else { return None };
        let grace = self.config.resume_grace;
        let silent = self.config.silent_grace;
        // Older silence may have ended without a word.
        let fresh = |at: Duration| at + silent >= since;
        let is_gone = if self.topology.state().topology == Topology::Sfu {
            member.silence.media.is_some_and(fresh)
        } else {
            let mut witnesses = self.roster.iter().filter(|other| other.is_live()).peekable();
            witnesses.peek().is_some()
                && witnesses.all(|other| member.silence.peers.get(other.id()).copied().is_some_and(fresh))
        };
        Some(since + if is_gone { silent.min(grace) } else { grace })
    }

    fn disconnected(&mut self, now: Duration, connection: ConnectionId, departure: Departure) {
        match self.seats.remove(&connection) {
            None | Some(Seat::Closed) => {}
            Some(Seat::Entering(token)) => self.cancel_entry(token),
            Some(Seat::Member(id)) => match departure {
                Departure::Goodbye => self.remove(&id, LeaveReason::Left),
                Departure::Expelled => self.remove(&id, LeaveReason::Expelled),
                Departure::Lost => self.interrupt(now, &id),
            },
        }
    }

    fn interrupt(&mut self, now: Duration, id: &ParticipantId) {
        self.roster.set_link(id, Link::Lost(now));
        let Some(member) = self.roster.get_mut(id) else { return };
        member.state.connection = Connection::Interrupted;
        self.crowd_changed = true;
        self.broadcast_state(id, Some(id));
    }

    /// Takes a member out of the room, closing the connection if there still is one.
    pub(crate) fn remove(&mut self, id: &ParticipantId, reason: LeaveReason) {
        let Some(member) = self.take_out(id) else { return };
        // A connection that is gone already has no seat any more.
        if let Link::Live(connection) = member.link
            && self.seats.contains_key(&connection)
        {
            match reason {
                LeaveReason::Replaced => self.close(connection, close::REPLACED, "another page took over"),
                LeaveReason::Left => self.close(connection, close::LEFT, "left"),
                LeaveReason::Lost | LeaveReason::Expelled => self.close(connection, close::POLICY, "expelled"),
            }
        }
        self.forget_pending_of(id);
        self.streams.stale = true;
        match member.link {
            Link::Stream(stream) => self.forget_stream(stream),
            // Also whoever has no leg: the media plane relays for people who speak to each other directly.
            Link::Live(_) | Link::Lost(_) => self.command(MediaCommand::CloseParticipant { participant: id.clone() }),
        }
        if let Some(hand) = member.state.hand {
            self.hands.remove(&hand);
        }
        // Only direct topologies, which are small, have paths to single peers.
        if self.topology.is_direct() {
            for other in self.roster.iter_mut() {
                other.paths.forget(id);
                other.silence.peers.remove(id);
            }
        }
        self.speakers.retain(|speaker| speaker != id);
        self.topology.no_longer_awaited(id);
        self.crowd_changed = true;
        self.tell_of_departure(&member, reason);
        self.review_all_paths();
    }

    /// Ends the meeting for everybody.
    pub(crate) fn end(&mut self) {
        self.broadcast(Event::RoomEnded {}, None);
        self.close_all(close::ROOM_CLOSED, "the meeting was ended", Ending::Closed);
    }

    fn stop(&mut self, retry_after: Duration) {
        let retry_after_ms = u32::try_from(retry_after.as_millis()).unwrap_or(u32::MAX);
        self.broadcast(Event::ServerClosing { retry_after_ms }, None);
        self.close_all(close::RESTART, "the server restarts", Ending::ServerStops);
    }

    fn close_all(&mut self, code: u16, reason: &'static str, ending: Ending) {
        for entering in std::mem::take(&mut self.pending).into_values().filter_map(Pending::into_entering) {
            self.refuse(entering.connection, entering.request, closed());
        }
        let mut open: Vec<_> =
            self.seats.iter().filter(|(_, seat)| **seat != Seat::Closed).map(|(id, _)| *id).collect();
        // The order of a hash map is not the same twice.
        open.sort_unstable();
        for connection in open {
            self.close(connection, code, reason);
        }
        self.roster.clear();
        if self.in_media {
            self.command(MediaCommand::CloseRoom);
        }
        self.over = true;
        self.outputs.push_back(Output::Ended(ending));
    }

    /// After the end only those who come too late are answered.
    fn handle_late_input(&mut self, input: Input) {
        match input {
            Input::Join { connection, request, .. }
            | Input::Resume { connection, request, .. }
            | Input::Message { connection, request, .. } => {
                if !self.seats.contains_key(&connection) {
                    self.refuse(connection, request, closed());
                }
            }
            Input::Disconnected { connection, .. } => {
                self.seats.remove(&connection);
            }
            Input::Stream { stream, input: StreamInput::End } => {
                self.outputs.push_back(Output::Stream { stream, output: StreamOutput::Ended });
            }
            Input::Stream { stream, .. } => {
                let output = StreamOutput::Answered(Err(closed()));
                self.outputs.push_back(Output::Stream { stream, output });
            }
            Input::Media(_) | Input::Admin(_) | Input::Closing { .. } => {}
        }
    }
}

fn closed() -> ProtocolError {
    ProtocolError::new(ErrorCode::RoomClosed, "the room was closed")
}
