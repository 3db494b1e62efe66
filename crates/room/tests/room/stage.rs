//! A room on a stage: virtual time, connections that record what they are sent, and a media plane
//! that answers when it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use conclave_proto::{
    ChatKey, ChatText, ClientMessage, DisplayName, ErrorCode, Event, Generation, Join, Joined, LegNumber, MediaState,
    Mid, PROTOCOL_VERSION, ParticipantId, ParticipantKey, PathReport, PathState, ProtocolError, Reply, Resume,
    RoomName, RoomOptions, Sdp, Secret, ServerMessage, SfuAnswer, SfuOffer, SourceMids, Topology, TopologyChoice,
    VideoCodec,
};
use conclave_room::{
    Authority, ConnectionId, Departure, Digest, Ending, Input, MediaCommand, MediaInput, Now, Output, RequestToken,
    Room, RoomConfig, StoredMessage, StoredRoom, StreamId, StreamOutput,
};

pub struct Stage {
    pub room: Room,
    pub now: Duration,
    pub connections: BTreeMap<ConnectionId, Wire>,
    pub commands: Vec<MediaCommand>,
    /// Offers that the media plane has not answered.
    pub unanswered: Vec<(RequestToken, ParticipantId, LegNumber)>,
    /// What sessions without signalling were told.
    pub streams: Vec<(StreamId, StreamOutput)>,
    pub stored_chat: Vec<StoredMessage>,
    pub stored_options: Vec<RoomOptions>,
    pub stored_host: Option<Digest>,
    pub ended: Option<Ending>,
    /// The media plane takes every offer at once.
    pub answers: bool,
    next_connection: u64,
    next_request: u32,
}

#[derive(Default)]
pub struct Wire {
    pub inbox: Vec<ServerMessage>,
    pub closed: Option<u16>,
}

/// Somebody who got in.
#[derive(Clone)]
pub struct Person {
    pub connection: ConnectionId,
    pub id: ParticipantId,
    pub joined: Joined,
}

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub fn options(topology: TopologyChoice) -> RoomOptions {
    RoomOptions { topology, ..RoomOptions::default() }
}

pub fn join_as(name: &str) -> Join {
    Join {
        version: PROTOCOL_VERSION,
        room: RoomName::parse("weekly").unwrap(),
        name: DisplayName::parse(name).unwrap(),
        key: ParticipantKey::parse(&format!("key-of-{name}")).unwrap(),
        takeover: false,
        host_token: None,
        access_token: None,
        options: None,
        media: MediaState::default(),
        offer: None,
    }
}

pub fn offer(leg: u32) -> SfuOffer {
    let mid = |text: &str| Mid::try_from(text.to_owned()).unwrap();
    SfuOffer {
        leg: LegNumber(leg),
        sdp: Sdp::parse("v=0\r\n".into()).unwrap(),
        sources: SourceMids { microphone: mid("0"), camera: mid("1"), screen: mid("2"), screen_audio: mid("3") },
        audio_slots: vec![mid("4"), mid("5"), mid("6")],
        video_slots: vec![mid("7")],
        decodes: vec![VideoCodec::Vp8],
    }
}

pub fn answer(leg: LegNumber) -> SfuAnswer {
    SfuAnswer { leg, sdp: Sdp::parse("v=0\r\n".into()).unwrap() }
}

pub fn chat(key: &str, text: &str) -> ClientMessage {
    ClientMessage::Chat { key: ChatKey::parse(key).unwrap(), text: ChatText::parse(text).unwrap() }
}

pub fn host_only() -> ClientMessage {
    ClientMessage::SetOptions { options: RoomOptions { locked: true, ..RoomOptions::default() } }
}

impl Stage {
    /// An existing room that nobody is host of yet.
    pub fn new(topology: TopologyChoice) -> Self {
        Self::with(StoredRoom { options: Some(options(topology)), ..StoredRoom::default() })
    }

    pub fn with(stored: StoredRoom) -> Self {
        Self::seeded(stored, 7)
    }

    pub fn seeded(stored: StoredRoom, seed: u8) -> Self {
        Self {
            room: Room::new(RoomConfig::default(), RoomName::parse("weekly").unwrap(), stored, [seed; 32]),
            now: seconds(1_000),
            connections: BTreeMap::new(),
            commands: Vec::new(),
            unanswered: Vec::new(),
            streams: Vec::new(),
            stored_chat: Vec::new(),
            stored_options: Vec::new(),
            stored_host: None,
            ended: None,
            answers: true,
            next_connection: 0,
            next_request: 0,
        }
    }

    pub fn time(&self) -> Now {
        Now { monotonic: self.now, unix_ms: 1_700_000_000_000 + self.now.as_millis() as u64 }
    }

    pub fn connect(&mut self) -> ConnectionId {
        self.next_connection += 1;
        let connection = ConnectionId(self.next_connection);
        self.connections.insert(connection, Wire::default());
        connection
    }

    pub fn input(&mut self, input: Input) {
        self.room.handle_input(self.time(), input);
        self.collect();
    }

    pub fn media(&mut self, input: MediaInput) {
        self.input(Input::Media(input));
    }

    pub fn collect(&mut self) {
        while let Some(output) = self.room.poll_output() {
            match output {
                Output::Send { connection, message } => {
                    let wire = self.connections.get_mut(&connection).expect("a known connection");
                    assert_eq!(wire.closed, None, "nothing is sent to a closed connection: {message:?}");
                    wire.inbox.push(message);
                }
                Output::Tell { connection, seq, event } => {
                    let wire = self.connections.get_mut(&connection).expect("a known connection");
                    assert_eq!(wire.closed, None, "nothing is sent to a closed connection: {event:?}");
                    wire.inbox.push(ServerMessage::Event { seq, event: Event::clone(&event) });
                }
                Output::Close { connection, code, reason } => {
                    assert!(reason.len() <= 123);
                    let wire = self.connections.get_mut(&connection).expect("a known connection");
                    assert_eq!(wire.closed.replace(code), None, "closed once");
                }
                Output::Media(command) => {
                    if let MediaCommand::Offer { participant, offer, request, .. } = &command {
                        self.unanswered.push((*request, participant.clone(), offer.leg));
                    }
                    if let MediaCommand::Publish { participant, request, .. }
                    | MediaCommand::Play { participant, request, .. } = &command
                    {
                        self.unanswered.push((*request, participant.clone(), LegNumber(1)));
                    }
                    self.commands.push(command);
                }
                Output::Stream { stream, output } => self.streams.push((stream, output)),
                Output::StoreChat(message) => self.stored_chat.push(message),
                Output::StoreOptions(options) => self.stored_options.push(options),
                Output::StoreHost(digest) => self.stored_host = Some(digest),
                Output::Ended(ending) => assert_eq!(self.ended.replace(ending), None, "ended once"),
            }
        }
        if self.answers {
            self.answer_all();
        }
    }

    pub fn answer_all(&mut self) {
        for (request, _, leg) in std::mem::take(&mut self.unanswered) {
            self.media(MediaInput::Answered { request, result: Ok(answer(leg)) });
        }
    }

    pub fn refuse_all(&mut self) {
        for (request, _, _) in std::mem::take(&mut self.unanswered) {
            let result = Err(ProtocolError::new(ErrorCode::BadSdp, "garbage"));
            self.media(MediaInput::Answered { request, result });
        }
    }

    /// Lets time pass, waking the room whenever it asks for it.
    pub fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.room.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.room.handle_timeout(self.time());
            self.collect();
            assert!(self.room.poll_timeout().is_none_or(|next| next > self.now), "what is due was done");
        }
        self.now = end;
    }

    pub fn request(&mut self) -> u32 {
        self.next_request += 1;
        self.next_request
    }

    pub fn try_join(&mut self, join: Join, authority: Authority) -> (ConnectionId, Option<Result<Joined, ErrorCode>>) {
        let connection = self.connect();
        (connection, self.try_join_on(connection, join, authority))
    }

    /// The outcome, unless the room waits for the media plane.
    pub fn try_join_on(
        &mut self,
        connection: ConnectionId,
        join: Join,
        authority: Authority,
    ) -> Option<Result<Joined, ErrorCode>> {
        let request = self.request();
        self.input(Input::Join { connection, join: Box::new(join), authority, request });
        self.answer_to(connection, request).map(|result| {
            result.map(|reply| match reply {
                Reply::Joined(joined) => *joined,
                other => panic!("joined expected: {other:?}"),
            })
        })
    }

    pub fn join(&mut self, name: &str) -> Person {
        self.join_with(join_as(name))
    }

    pub fn join_with_offer(&mut self, name: &str) -> Person {
        self.join_with(Join { offer: Some(offer(1)), ..join_as(name) })
    }

    pub fn join_with(&mut self, join: Join) -> Person {
        let (connection, result) = self.try_join(join, Authority::None);
        let joined = result.expect("answered").expect("let in");
        Person { connection, id: joined.participant.clone(), joined }
    }

    pub fn refused(&mut self, join: Join) -> ErrorCode {
        self.try_join(join, Authority::None).1.expect("answered").expect_err("refused")
    }

    /// Takes the answer to a request out of the inbox.
    pub fn answer_to(&mut self, connection: ConnectionId, request: u32) -> Option<Result<Reply, ErrorCode>> {
        let inbox = &mut self.connections.get_mut(&connection)?.inbox;
        let at = inbox.iter().position(|message| match message {
            ServerMessage::Reply { id, .. } => *id == request,
            ServerMessage::Error { id, .. } => *id == Some(request),
            ServerMessage::Event { .. } => false,
        })?;
        match inbox.remove(at) {
            ServerMessage::Reply { reply, .. } => Some(Ok(*reply)),
            ServerMessage::Error { error, .. } => Some(Err(error.code)),
            ServerMessage::Event { .. } => None,
        }
    }

    pub fn ask(&mut self, connection: ConnectionId, message: ClientMessage) -> Option<Result<Reply, ErrorCode>> {
        let request = self.request();
        self.input(Input::Message { connection, request, message });
        self.answer_to(connection, request)
    }

    pub fn ok(&mut self, person: &Person, message: ClientMessage) -> Reply {
        self.ask(person.connection, message).expect("answered").expect("accepted")
    }

    pub fn error(&mut self, person: &Person, message: ClientMessage) -> ErrorCode {
        self.ask(person.connection, message).expect("answered").expect_err("refused")
    }

    pub fn resume(
        &mut self,
        person: &Person,
        token: Secret,
        last_seq: u32,
    ) -> (ConnectionId, Result<Secret, ErrorCode>) {
        let connection = self.connect();
        let request = self.request();
        let resume = Resume {
            version: PROTOCOL_VERSION,
            room: RoomName::parse("weekly").unwrap(),
            participant: person.id.clone(),
            token,
            last_seq,
        };
        self.input(Input::Resume { connection, resume, request });
        let result = self.answer_to(connection, request).expect("answered").map(|reply| match reply {
            Reply::Resumed(resumed) => resumed.resume_token,
            other => panic!("resumed expected: {other:?}"),
        });
        (connection, result)
    }

    pub fn disconnect(&mut self, connection: ConnectionId, departure: Departure) {
        self.connections.remove(&connection);
        self.input(Input::Disconnected { connection, departure });
    }

    pub fn lose(&mut self, person: &Person) {
        self.disconnect(person.connection, Departure::Lost);
    }

    /// The events that came since the last time, without their numbers.
    pub fn events(&mut self, person: &Person) -> Vec<Event> {
        self.numbered(person.connection).into_iter().map(|(_, event)| event).collect()
    }

    pub fn numbered(&mut self, connection: ConnectionId) -> Vec<(u32, Event)> {
        let Some(wire) = self.connections.get_mut(&connection) else { return Vec::new() };
        std::mem::take(&mut wire.inbox)
            .into_iter()
            .filter_map(|message| match message {
                ServerMessage::Event { seq, event } => Some((seq, event)),
                _ => None,
            })
            .collect()
    }

    pub fn forget_events(&mut self) {
        for wire in self.connections.values_mut() {
            wire.inbox.clear();
        }
        self.commands.clear();
    }

    pub fn closed(&self, person: &Person) -> Option<u16> {
        self.connections[&person.connection].closed
    }

    pub fn topology(&self) -> (Topology, bool) {
        let state = self.room.state().topology;
        (state.topology, state.settled)
    }

    pub fn generation(&self) -> Generation {
        self.room.state().topology.generation
    }

    pub fn report(&mut self, person: &Person, state: PathState, peer: Option<&Person>) {
        let generation = self.generation();
        let peer = peer.map(|peer| peer.id.clone());
        self.ok(person, ClientMessage::ReportPath(PathReport { generation, state, peer }));
    }

    pub fn names(&self) -> Vec<String> {
        self.room.participants().map(|participant| participant.name.as_str().to_owned()).collect()
    }

    pub fn ids(&self) -> BTreeSet<ParticipantId> {
        self.room.participants().map(|participant| participant.id.clone()).collect()
    }
}
