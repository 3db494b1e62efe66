//! How people come in and come back.

use std::time::Duration;

use conclave_proto::{
    Connection, ErrorCode, Event, IceConfig, Join, Joined, LeaveReason, PROTOCOL_VERSION, Participant, ProtocolError,
    Reply, Resume, Resumed, Role, Secret, ServerLimits, SfuAnswer, close, limits,
};

use crate::digest::Digest;
use crate::input::{Authority, ConnectionId, RequestToken};
use crate::legs::{Legs, check_offer};
use crate::listing::Voice;
use crate::member::{Link, Member, Paths, ReportPacer, Silence};
use crate::output::{MediaCommand, Output};
use crate::pending::{Entering, Pending};
use crate::permissions::Grants;
use crate::replay::EventLog;
use crate::room::{Room, Seat};

impl Room {
    pub(crate) fn join(
        &mut self,
        now: Duration,
        connection: ConnectionId,
        join: Box<Join>,
        authority: Authority,
        request: u32,
    ) {
        match self.seats.get(&connection) {
            None => {}
            Some(Seat::Closed) => return,
            Some(Seat::Entering(_) | Seat::Member(_)) => {
                return self.refuse(connection, request, out_of_order("this connection has joined already"));
            }
        }
        let shown = join.host_token.as_ref().map(Digest::of_secret);
        // A token of a room that has since been made anew is no reason to keep its bearer out.
        let is_host = shown.is_some() && shown == self.host;
        let entering = Entering {
            connection,
            request,
            participant: self.secrets.participant_id(),
            person: Digest::of_key(&join.key),
            grants: Grants::new(authority, is_host),
            join,
            deadline: now + self.config.path_timeout,
        };
        match self.check_entry(&entering) {
            Ok(()) => self.enter(now, Box::new(entering)),
            Err(error) => self.refuse(connection, request, error),
        }
    }

    fn check_entry(&self, entering: &Entering) -> Result<(), ProtocolError> {
        let Entering { join, person, grants, .. } = entering;
        check_version(join.version)?;
        let inside = self.roster.of_person(*person);
        let on_the_way = self.pending.values().filter_map(Pending::entering).any(|other| other.person == *person);
        if !join.takeover && (on_the_way || inside.is_some_and(Member::is_live)) {
            return Err(already_here());
        }
        if inside.is_none() && !on_the_way && !self.is_unmade() {
            if self.options.locked && grants.role != Role::Host {
                return Err(ProtocolError::new(ErrorCode::RoomLocked, "the room is locked"));
            }
            if self.is_full() {
                return Err(ProtocolError::new(ErrorCode::RoomFull, "the room is full"));
            }
        }
        if self.is_unmade()
            && let Some(options) = &join.options
        {
            self.check_options(options)?;
        }
        join.offer.as_ref().map_or(Ok(()), check_offer)
    }

    /// The next to arrive makes the room.
    fn is_unmade(&self) -> bool {
        !self.made && self.is_empty()
    }

    fn enter(&mut self, now: Duration, mut entering: Box<Entering>) {
        if self.is_unmade() {
            let options = entering.join.options.take().filter(|_| entering.grants.may_found);
            self.options = options.unwrap_or_default();
            self.topology.restart(self.options.topology);
        }
        self.cancel_entries_of(entering.person);
        let people = self.places_taken() + usize::from(self.roster.of_person(entering.person).is_none());
        if !self.topology.needs_sfu(self.options.topology, people) {
            // A direct path needs no offer to the SFU.
            entering.join.offer = None;
        }
        match entering.join.offer.take() {
            None => self.admit(now, *entering, None),
            Some(offer) => {
                let participant = entering.participant.clone();
                let media = entering.grants.media(entering.join.media);
                let connection = entering.connection;
                let token = self.order_offer(participant, offer, media, Pending::Entry(entering));
                self.seats.insert(connection, Seat::Entering(token));
            }
        }
    }

    /// The media plane has answered a join's offer.
    pub(crate) fn entry_answered(
        &mut self,
        now: Duration,
        entering: Entering,
        result: Result<SfuAnswer, ProtocolError>,
    ) {
        // A page that was away when this one asked may have come back meanwhile.
        let taken = self.roster.of_person(entering.person).is_some_and(Member::is_live) && !entering.join.takeover;
        match result {
            Ok(_) if taken => self.refuse_entry(&entering, already_here()),
            Ok(answer) => self.admit(now, entering, Some(answer)),
            Err(error) => self.refuse_entry(&entering, error),
        }
    }

    pub(crate) fn refuse_entry(&mut self, entering: &Entering, error: ProtocolError) {
        self.seats.remove(&entering.connection);
        self.command(MediaCommand::CloseParticipant { participant: entering.participant.clone() });
        self.refuse(entering.connection, entering.request, error);
    }

    /// The connection of somebody on the way in is gone.
    pub(crate) fn cancel_entry(&mut self, token: RequestToken) {
        if let Some(entering) = self.pending.remove(&token).and_then(Pending::into_entering) {
            self.command(MediaCommand::CloseParticipant { participant: entering.participant });
        }
    }

    /// A newer page of the same person takes over.
    fn cancel_entries_of(&mut self, person: Digest) {
        let tokens: Vec<_> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.entering().is_some_and(|entering| entering.person == person))
            .map(|(token, _)| *token)
            .collect();
        for token in tokens {
            if let Some(entering) = self.pending.remove(&token).and_then(Pending::into_entering) {
                self.refuse_entry(&entering, already_here());
                self.close(entering.connection, close::REPLACED, "another page took over");
            }
        }
    }

    /// Lets somebody in.
    fn admit(&mut self, now: Duration, entering: Entering, answer: Option<SfuAnswer>) {
        let Entering { connection, request, join, participant: id, person, grants, .. } = entering;
        let offered = answer.is_some();
        if let Some(old) = self.roster.of_person(person).map(|member| member.id().clone()) {
            self.remove(&old, LeaveReason::Replaced);
        }
        if !self.made {
            self.made = true;
            self.outputs.push_back(Output::StoreOptions(self.options.clone()));
        }
        let (grants, host_token) = self.grant_host(grants);
        let resume_token = self.secrets.token();
        let member = Member {
            search_name: Member::searched(&join.name),
            voice: Voice::default(),
            told: false,
            shows: Vec::new(),
            state: Participant {
                id: id.clone(),
                name: join.name,
                role: grants.role,
                order: self.roster.next_order(),
                connection: Connection::Connected,
                media: grants.media(join.media),
                hand: None,
                network: None,
            },
            person,
            grants,
            link: Link::Live(connection),
            resume_token: Digest::of_secret(&resume_token),
            log: EventLog::default(),
            reports: ReportPacer::default(),
            legs: Legs::new(offered),
            paths: Paths::default(),
            silence: Silence::default(),
        };
        self.seats.insert(connection, Seat::Member(id.clone()));
        self.crowd_changed = true;
        self.take_in(member);
        if let Some(change) = self.topology.for_crowd(self.options.topology, self.roster.len()) {
            self.begin_move(now, change, Some(&id));
        }
        let answer = self.keep_first_leg(&id, answer);
        let participants = self.first_page(&id);
        self.reply(
            connection,
            request,
            Reply::Joined(Box::new(Joined {
                participant: id.clone(),
                role: grants.role,
                resume_token,
                host_token,
                room: self.state(),
                participants,
                participant_count: self.roster.len() as u32,
                chat: self.chat.history(),
                answer,
                ice: IceConfig::default(),
                limits: self.limits(),
            })),
        );
        self.tell_newcomer(&id);
    }

    /// Makes the first who may be it the host, and proves it to them.
    fn grant_host(&mut self, grants: Grants) -> (Grants, Option<Secret>) {
        if self.host.is_some() || !grants.may_found {
            return (grants, None);
        }
        let token = self.secrets.token();
        let digest = Digest::of_secret(&token);
        self.host = Some(digest);
        self.outputs.push_back(Output::StoreHost(digest));
        (Grants { role: Role::Host, ..grants }, Some(token))
    }

    /// What a newcomer does not find in the reply: it holds until the next event changes it.
    fn tell_newcomer(&mut self, id: &conclave_proto::ParticipantId) {
        if !self.speakers.is_empty() {
            self.tell(id, Event::SpeakersChanged { speakers: self.speakers.clone() });
        }
        let generation = self.topology.state().generation;
        let failed: Vec<_> =
            self.roster.listed().filter(|member| member.paths.failure_told).map(|member| member.id().clone()).collect();
        for participant in failed {
            let state = conclave_proto::PathState::Failed;
            self.tell(id, Event::PathChanged { generation, participant, state });
        }
    }

    fn limits(&self) -> ServerLimits {
        ServerLimits {
            chat_chars: limits::CHAT_CHARS as u32,
            name_chars: limits::NAME_CHARS as u32,
            resume_grace_ms: u32::try_from(self.config.resume_grace.as_millis()).unwrap_or(u32::MAX),
            mesh_participants: self.config.mesh_limit,
        }
    }

    pub(crate) fn resume(&mut self, connection: ConnectionId, resume: &Resume, request: u32) {
        match self.seats.get(&connection) {
            None => {}
            Some(Seat::Closed) => return,
            Some(Seat::Entering(_) | Seat::Member(_)) => {
                return self.refuse(connection, request, out_of_order("this connection has joined already"));
            }
        }
        if let Err(error) = self.try_resume(connection, resume, request) {
            self.refuse(connection, request, error);
        }
    }

    fn try_resume(&mut self, connection: ConnectionId, resume: &Resume, request: u32) -> Result<(), ProtocolError> {
        check_version(resume.version)?;
        // One answer for every reason, so that it tells nothing about sessions of others.
        let refused = || ProtocolError::new(ErrorCode::CannotResume, "the session cannot be resumed; join again");
        let shown = Digest::of_secret(&resume.token);
        let member = self
            .roster
            .get_mut(&resume.participant)
            .filter(|member| member.resume_token == shown)
            .ok_or_else(refused)?;
        let missed = member.log.resume(resume.last_seq).map_err(|_| refused())?;
        member.state.connection = Connection::Connected;
        member.silence = Silence::default();
        let token = self.secrets.token();
        member.resume_token = Digest::of_secret(&token);
        let id = member.id().clone();
        let old = self.roster.set_link(&id, Link::Live(connection));

        if let Some(Link::Live(old)) = old {
            self.close(old, close::REPLACED, "another connection took over");
        }
        self.seats.insert(connection, Seat::Member(id.clone()));
        self.reply(connection, request, Reply::Resumed(Resumed { resume_token: token }));
        for (seq, event) in missed {
            self.outputs.push_back(Output::Tell { connection, seq, event });
        }
        if matches!(old, Some(Link::Lost(_))) {
            self.crowd_changed = true;
            self.broadcast_state(&id, Some(&id));
        }
        Ok(())
    }
}

fn check_version(version: u32) -> Result<(), ProtocolError> {
    if version == PROTOCOL_VERSION {
        return Ok(());
    }
    Err(ProtocolError::new(ErrorCode::UnsupportedVersion, format!("this server speaks version {PROTOCOL_VERSION}")))
}

fn already_here() -> ProtocolError {
    ProtocolError::new(ErrorCode::AlreadyHere, "the same participant is in the room by another page")
}

pub(crate) fn out_of_order(message: &'static str) -> ProtocolError {
    ProtocolError::new(ErrorCode::OutOfOrder, message)
}
