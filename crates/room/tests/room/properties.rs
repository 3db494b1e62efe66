//! Random sequences of everything that can happen, with the room's invariants checked after each
//! step.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use conclave_proto::{
    ClientMessage, Connection, DisplayName, ErrorCode, Generation, Join, LegNumber, MediaState, NetworkQuality,
    NetworkReport, PROTOCOL_VERSION, ParticipantId, PathReport, PathState, PeerSignal, ProtocolError, PublishWish,
    Reaction, Reply, Resume, Role, RoomName, RoomOptions, Secret, ServerMessage, Slots, SourceKind, Topology,
    TopologyChoice, VideoCodec, View,
};
use conclave_room::{
    AdminInput, Authority, ConnectionId, Departure, Input, MediaCommand, MediaInput, RequestToken, StoredRoom,
};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::mirror::Mirror;
use crate::stage::{Stage, answer, chat, join_as, offer, seconds};

/// Most legs of one participant.
const MAX_LEGS: usize = 3;

#[derive(Clone, Debug)]
enum Action {
    Join {
        person: u8,
        takeover: bool,
        with_offer: bool,
        host: bool,
        authority: Authority,
        version: u32,
        options: RoomOptions,
    },
    /// A join on a connection that exists already.
    JoinAgain {
        connection: Index,
        person: u8,
    },
    Resume {
        session: Index,
        token: Token,
        seq: Seq,
    },
    Say {
        connection: Index,
        what: Command,
    },
    Drop {
        connection: Index,
        departure: Departure,
    },
    /// Until it is dropped, what is sent on the connection is not received.
    Stall {
        connection: Index,
    },
    /// The server tells that closed connections are gone.
    Reap,
    Media(MediaAction),
    SetOptions(RoomOptions),
    Wait(u64),
    End(Ender),
}

#[derive(Clone, Copy, Debug)]
enum Token {
    Current,
    Used,
    Wrong,
}

#[derive(Clone, Copy, Debug)]
enum Seq {
    Seen,
    Future,
}

#[derive(Clone, Copy, Debug)]
enum Ender {
    Admin,
    Closing,
}

#[derive(Clone, Debug)]
enum Command {
    Plain(ClientMessage),
    Signal { to: Index, generation: i8 },
    Report { generation: i8, state: PathState, peer: Option<Index> },
}

#[derive(Clone, Debug)]
enum MediaAction {
    Answer { which: Index, good: bool },
    AnswerNobody,
    Connected { who: Index, leg: u32 },
    Failed { who: Index, leg: u32 },
    Silent { who: Index },
    Slots { who: Index, leg: u32 },
    Speakers(Vec<Index>),
    Wish { who: Index },
}

fn any_options() -> impl Strategy<Value = RoomOptions> {
    let choice = prop_oneof![
        4 => Just(TopologyChoice::Auto),
        1 => Just(TopologyChoice::P2p),
        1 => Just(TopologyChoice::Mesh),
        2 => Just(TopologyChoice::Sfu),
    ];
    let capacity = prop_oneof![3 => 1..7u32, 1 => Just(0), 1 => Just(5_001), 5 => Just(100)];
    (choice, capacity, prop::bool::weighted(0.1)).prop_map(|(topology, capacity, locked)| RoomOptions {
        topology,
        capacity,
        locked,
        ..RoomOptions::default()
    })
}

fn any_authority() -> impl Strategy<Value = Authority> {
    prop_oneof![
        6 => Just(Authority::None),
        1 => Just(Authority::Admin),
        1 => (any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(host, may_publish, may_chat)| {
            Authority::Token { role: if host { Role::Host } else { Role::Participant }, may_publish, may_chat }
        }),
    ]
}

fn any_command() -> impl Strategy<Value = Command> {
    let media = (any::<bool>(), any::<bool>()).prop_map(|(microphone, camera)| MediaState {
        microphone,
        camera,
        ..MediaState::default()
    });
    let path = || prop_oneof![4 => Just(PathState::Ready), 1 => Just(PathState::Failed), 2 => Just(PathState::Silent)];
    let generation = || prop_oneof![6 => Just(0i8), 1 => Just(-1), 1 => Just(1)];
    let report = any::<u16>().prop_map(|n| NetworkReport {
        quality: NetworkQuality::Poor,
        round_trip_ms: n,
        loss_up_permille: n,
        loss_down_permille: n,
    });
    prop_oneof![
        1 => Just(Command::Plain(ClientMessage::Leave {})),
        1 => Just(Command::Plain(ClientMessage::Ping {})),
        1 => Just(Command::Plain(ClientMessage::GetIceServers {})),
        1 => (prop::option::of(0..9u32), prop::option::of("[p0-9]"))
            .prop_map(|(after, search)| Command::Plain(ClientMessage::GetParticipants {
                after,
                search: search.map(|text| DisplayName::parse(&text).unwrap()),
            })),
        1 => Just(Command::Plain(ClientMessage::Join(Box::new(join_as("Again"))))),
        2 => media.prop_map(|media| Command::Plain(ClientMessage::SetMedia { media })),
        1 => "[a-d]{1,2}"
            .prop_map(|name| Command::Plain(ClientMessage::SetName { name: DisplayName::parse(&name).unwrap() })),
        4 => any::<bool>().prop_map(|raised| Command::Plain(ClientMessage::SetHand { raised })),
        1 => Just(Command::Plain(ClientMessage::React { reaction: Reaction::Clap })),
        3 => (0..6u8).prop_map(|key| Command::Plain(chat(&format!("k{key}"), "words"))),
        2 => report.prop_map(|report| Command::Plain(ClientMessage::ReportNetwork { report })),
        3 => any_options().prop_map(|options| Command::Plain(ClientMessage::SetOptions { options })),
        4 => (1..6u32).prop_map(|leg| Command::Plain(ClientMessage::OfferSfu(Box::new(offer(leg))))),
        1 => (1..6u32).prop_map(|leg| Command::Plain(ClientMessage::CloseSfu { leg: LegNumber(leg) })),
        1 => (1..6u32)
            .prop_map(|leg| Command::Plain(ClientMessage::SetView { leg: LegNumber(leg), view: View::default() })),
        4 => (any::<Index>(), generation()).prop_map(|(to, generation)| Command::Signal { to, generation }),
        8 => (generation(), path(), prop::option::weighted(0.3, any::<Index>()))
            .prop_map(|(generation, state, peer)| Command::Report { generation, state, peer }),
    ]
}

fn any_media() -> impl Strategy<Value = MediaAction> {
    let (who, leg) = (any::<Index>, 1..6u32);
    prop_oneof![
        8 => (any::<Index>(), prop::bool::weighted(0.8)).prop_map(|(which, good)| MediaAction::Answer { which, good }),
        1 => Just(MediaAction::AnswerNobody),
        3 => (who(), leg.clone()).prop_map(|(who, leg)| MediaAction::Connected { who, leg }),
        1 => (who(), leg.clone()).prop_map(|(who, leg)| MediaAction::Failed { who, leg }),
        2 => who().prop_map(|who| MediaAction::Silent { who }),
        1 => (who(), leg).prop_map(|(who, leg)| MediaAction::Slots { who, leg }),
        1 => prop::collection::vec(who(), 0..12).prop_map(MediaAction::Speakers),
        1 => who().prop_map(|who| MediaAction::Wish { who }),
    ]
}

fn any_action() -> impl Strategy<Value = Action> {
    let departure =
        prop_oneof![3 => Just(Departure::Lost), 1 => Just(Departure::Goodbye), 1 => Just(Departure::Expelled)];
    let token = prop_oneof![6 => Just(Token::Current), 1 => Just(Token::Used), 1 => Just(Token::Wrong)];
    let join = (
        0..6u8,
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.7),
        prop::bool::weighted(0.2),
        any_authority(),
        prop_oneof![9 => Just(PROTOCOL_VERSION), 1 => Just(PROTOCOL_VERSION + 1)],
        any_options(),
    );
    prop_oneof![
        8 => join.prop_map(|(person, takeover, with_offer, host, authority, version, options)| Action::Join {
            person, takeover, with_offer, host, authority, version, options,
        }),
        1 => (any::<Index>(), 0..6u8).prop_map(|(connection, person)| Action::JoinAgain { connection, person }),
        4 => (any::<Index>(), token, prop_oneof![9 => Just(Seq::Seen), 1 => Just(Seq::Future)])
            .prop_map(|(session, token, seq)| Action::Resume { session, token, seq }),
        24 => (any::<Index>(), any_command()).prop_map(|(connection, what)| Action::Say { connection, what }),
        4 => (any::<Index>(), departure).prop_map(|(connection, departure)| Action::Drop { connection, departure }),
        2 => any::<Index>().prop_map(|connection| Action::Stall { connection }),
        1 => Just(Action::Reap),
        12 => any_media().prop_map(Action::Media),
        1 => any_options().prop_map(Action::SetOptions),
        8 => prop_oneof![Just(0), 1..500u64, 500..5_000u64, 5_000..20_000u64].prop_map(Action::Wait),
        1 => prop_oneof![19 => Just(None), 1 => Just(Some(Ender::Admin)), 1 => Just(Some(Ender::Closing))]
            .prop_map(|ender| ender.map_or(Action::Reap, Action::End)),
    ]
}

/// A session as its client and the test know it.
struct Session {
    mirror: Mirror,
    connection: ConnectionId,
    token: Secret,
    used: Vec<Secret>,
}

/// What a connection is for, and what it waits for.
#[derive(Default)]
struct Line {
    session: Option<usize>,
    asked: BTreeSet<u32>,
    /// Which session a `resume` is about.
    resuming: Option<usize>,
    stalled: bool,
}

struct World {
    stage: Stage,
    lines: BTreeMap<ConnectionId, Line>,
    sessions: Vec<Session>,
    /// Everybody there ever was, and one who was not.
    known: Vec<ParticipantId>,
    host_token: Option<Secret>,
    said: usize,
    commands_seen: usize,
    /// Legs that the media plane has or is asked for.
    legs: BTreeMap<ParticipantId, BTreeSet<LegNumber>>,
    generation: Generation,
    people: usize,
    /// Options were made narrower while somebody was on the way in.
    narrowed: bool,
}

impl World {
    fn new() -> Self {
        let mut stage = Stage::with(StoredRoom::default());
        stage.answers = false;
        Self {
            stage,
            lines: BTreeMap::new(),
            sessions: Vec::new(),
            known: vec![ParticipantId::parse("nobody").unwrap()],
            host_token: None,
            said: 0,
            commands_seen: 0,
            legs: BTreeMap::new(),
            generation: Generation(0),
            people: 0,
            narrowed: false,
        }
    }

    fn line(&self, index: Index) -> Option<ConnectionId> {
        (!self.lines.is_empty()).then(|| *self.lines.keys().nth(index.index(self.lines.len())).unwrap())
    }

    fn who(&self, index: Index) -> ParticipantId {
        index.get(&self.known).clone()
    }

    fn generation_at(&self, offset: i8) -> Generation {
        Generation(self.stage.generation().0.saturating_add_signed(offset.into()))
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Join { person, takeover, with_offer, host, authority, version, options } => {
                let host_token = self.host_token.clone().filter(|_| host);
                let join = Join {
                    version,
                    takeover,
                    host_token,
                    options: Some(options),
                    offer: with_offer.then(|| offer(1)),
                    ..join_as(&format!("P{person}"))
                };
                let connection = self.stage.connect();
                self.lines.insert(connection, Line::default());
                self.join(connection, join, authority);
            }
            Action::JoinAgain { connection, person } => {
                let Some(connection) = self.line(connection) else { return };
                self.join(connection, join_as(&format!("P{person}")), Authority::None);
            }
            Action::Resume { session, token, seq } => self.resume(session, token, seq),
            Action::Say { connection, what } => self.say(connection, what),
            Action::Drop { connection, departure } => {
                if let Some(connection) = self.line(connection) {
                    self.hang_up(connection, departure);
                }
            }
            Action::Stall { connection } => {
                if let Some(connection) = self.line(connection) {
                    self.lines.get_mut(&connection).unwrap().stalled = true;
                }
            }
            Action::Reap => {
                let closed: Vec<_> = self
                    .stage
                    .connections
                    .iter()
                    .filter(|(_, wire)| wire.closed.is_some())
                    .map(|(connection, _)| *connection)
                    .collect();
                for connection in closed {
                    self.hang_up(connection, Departure::Goodbye);
                }
            }
            Action::Media(media) => self.media(media),
            Action::SetOptions(options) => self.stage.input(Input::Admin(AdminInput::SetOptions(options))),
            Action::Wait(ms) => self.stage.wait(Duration::from_millis(ms)),
            Action::End(Ender::Admin) => self.stage.input(Input::Admin(AdminInput::Close)),
            Action::End(Ender::Closing) => self.stage.input(Input::Closing { retry_after: seconds(2) }),
        }
    }

    fn ask(&mut self, connection: ConnectionId) -> u32 {
        let request = self.stage.request();
        if self.stage.connections[&connection].closed.is_none() {
            self.lines.get_mut(&connection).unwrap().asked.insert(request);
        }
        request
    }

    fn join(&mut self, connection: ConnectionId, join: Join, authority: Authority) {
        let request = self.ask(connection);
        self.stage.input(Input::Join { connection, join: Box::new(join), authority, request });
    }

    fn resume(&mut self, session: Index, token: Token, seq: Seq) {
        if self.sessions.is_empty() {
            return;
        }
        let at = session.index(self.sessions.len());
        let session = &self.sessions[at];
        let (token, genuine) = match token {
            Token::Current => (session.token.clone(), true),
            Token::Used => match session.used.first() {
                Some(used) => (used.clone(), false),
                None => return,
            },
            Token::Wrong => (Secret::parse("guess").unwrap(), false),
        };
        let last_seq = match seq {
            Seq::Seen => session.mirror.last_seq,
            Seq::Future => u32::MAX,
        };
        let participant = session.mirror.me.clone();
        let connection = self.stage.connect();
        self.lines.insert(connection, Line { resuming: genuine.then_some(at), ..Line::default() });
        let request = self.ask(connection);
        // What the client has not read when it resumes is lost to it; it will be sent again.
        let old = self.sessions[at].connection;
        if genuine && let Some(line) = self.lines.get_mut(&old) {
            line.stalled = true;
        }
        let resume = Resume {
            version: PROTOCOL_VERSION,
            room: RoomName::parse("weekly").unwrap(),
            participant,
            token,
            last_seq,
        };
        self.stage.input(Input::Resume { connection, resume, request });
    }

    fn say(&mut self, connection: Index, what: Command) {
        let Some(connection) = self.line(connection) else { return };
        let message = match what {
            Command::Plain(message) => message,
            Command::Signal { to, generation } => ClientMessage::Signal {
                to: self.who(to),
                generation: self.generation_at(generation),
                signal: PeerSignal::RestartWanted {},
            },
            Command::Report { generation, state, peer } => ClientMessage::ReportPath(PathReport {
                generation: self.generation_at(generation),
                state,
                peer: peer.map(|peer| self.who(peer)),
            }),
        };
        let request = self.ask(connection);
        self.stage.input(Input::Message { connection, request, message });
    }

    fn hang_up(&mut self, connection: ConnectionId, departure: Departure) {
        self.lines.remove(&connection);
        self.stage.disconnect(connection, departure);
    }

    fn media(&mut self, action: MediaAction) {
        let leg = LegNumber;
        let input = match action {
            MediaAction::Answer { which, good } => {
                if self.stage.unanswered.is_empty() {
                    return;
                }
                let at = which.index(self.stage.unanswered.len());
                let (request, participant, number) = self.stage.unanswered.remove(at);
                if !good && let Some(legs) = self.legs.get_mut(&participant) {
                    // The media plane keeps a leg whose change it refuses; here all are new to it.
                    legs.remove(&number);
                }
                let refused = ProtocolError::new(ErrorCode::BadSdp, "garbage");
                MediaInput::Answered { request, result: if good { Ok(answer(number)) } else { Err(refused) } }
            }
            MediaAction::AnswerNobody => {
                MediaInput::Answered { request: RequestToken(u64::MAX), result: Ok(answer(leg(1))) }
            }
            MediaAction::Connected { who, leg: number } => {
                MediaInput::Connected { participant: self.who(who), leg: leg(number) }
            }
            MediaAction::Failed { who, leg: number } => {
                let participant = self.who(who);
                if let Some(legs) = self.legs.get_mut(&participant) {
                    legs.remove(&leg(number));
                }
                MediaInput::Failed { participant, leg: leg(number) }
            }
            MediaAction::Silent { who } => MediaInput::Silent { participant: self.who(who) },
            MediaAction::Slots { who, leg: number } => MediaInput::Slots {
                participant: self.who(who),
                slots: Slots { leg: leg(number), video: vec![], audio: vec![] },
            },
            MediaAction::Speakers(speakers) => {
                MediaInput::Speakers(speakers.into_iter().map(|speaker| self.who(speaker)).collect())
            }
            MediaAction::Wish { who } => MediaInput::PublishWish {
                participant: self.who(who),
                wish: PublishWish { source: SourceKind::Camera, codec: VideoCodec::Vp8, layers: [true; 3] },
            },
        };
        self.stage.media(input);
    }

    /// Lets every client read what it was sent.
    fn read(&mut self) {
        let connections: Vec<_> = self.lines.keys().copied().collect();
        for connection in connections {
            let wire = self.stage.connections.get_mut(&connection).unwrap();
            let (inbox, closed) = (std::mem::take(&mut wire.inbox), wire.closed.is_some());
            for message in inbox {
                let sent = serde_json::to_string(&message).unwrap();
                assert!(sent.len() < 64 * 1_024, "{} bytes", sent.len());
                self.take_in(connection, message);
            }
            if closed {
                self.lines.get_mut(&connection).unwrap().asked.clear();
            }
        }
    }

    fn take_in(&mut self, connection: ConnectionId, message: ServerMessage) {
        let line = self.lines.get_mut(&connection).unwrap();
        match message {
            ServerMessage::Error { id, .. } => {
                assert!(line.asked.remove(&id.expect("every refusal names its request")), "answered once");
            }
            ServerMessage::Reply { id, reply } => {
                assert!(line.asked.remove(&id), "answered once, and only if asked");
                match *reply {
                    Reply::Joined(joined) => {
                        assert_eq!(line.session, None, "one session a connection");
                        line.session = Some(self.sessions.len());
                        self.known.push(joined.participant.clone());
                        self.host_token = joined.host_token.clone().or(self.host_token.take());
                        self.sessions.push(Session {
                            connection,
                            token: joined.resume_token.clone(),
                            used: Vec::new(),
                            mirror: Mirror::new(*joined),
                        });
                    }
                    Reply::Resumed(resumed) => {
                        let at = line.resuming.take().expect("only the current token resumes");
                        line.session = Some(at);
                        let session = &mut self.sessions[at];
                        session.connection = connection;
                        let used = std::mem::replace(&mut session.token, resumed.resume_token);
                        session.used.push(used);
                    }
                    Reply::Participants { participants, count, next } => {
                        assert!(participants.len() <= count as usize && next.is_none(), "a small room is one page");
                    }
                    Reply::Done {} | Reply::SfuAnswered { .. } | Reply::IceServers { .. } | Reply::ChatTaken { .. } => {
                    }
                }
            }
            ServerMessage::Event { seq, event } => {
                let session = line.session.expect("events only in a session");
                if !line.stalled {
                    self.sessions[session].mirror.apply(seq, event);
                }
            }
        }
    }

    /// Follows the orders to the media plane.
    fn follow_commands(&mut self) {
        for command in &self.stage.commands[self.commands_seen..] {
            match command {
                MediaCommand::Offer { participant, offer, .. } => {
                    self.legs.entry(participant.clone()).or_default().insert(offer.leg);
                }
                MediaCommand::CloseLeg { participant, leg } => {
                    if let Some(legs) = self.legs.get_mut(participant) {
                        legs.remove(leg);
                    }
                }
                MediaCommand::CloseParticipant { participant } => {
                    self.legs.remove(participant);
                }
                MediaCommand::CloseRoom => self.legs.clear(),
                MediaCommand::SetMedia { participant, .. } | MediaCommand::SetView { participant, .. } => {
                    assert!(self.known.contains(participant));
                }
                MediaCommand::Publish { .. } | MediaCommand::Play { .. } => unreachable!("nobody streams here"),
                MediaCommand::SetCodec(_) => {}
            }
        }
        self.commands_seen = self.stage.commands.len();
    }

    fn check(&mut self) {
        self.read();
        self.follow_commands();
        if self.stage.ended.is_some() {
            assert!(self.legs.is_empty() && self.stage.room.poll_timeout().is_none());
            assert!(self.lines.values().all(|line| line.asked.is_empty()));
            return;
        }
        let room = &self.stage.room;
        let state = room.state();
        let people: Vec<_> = room.participants().cloned().collect();

        // Identities, order and hands are unique.
        let unique = |count: usize, what: &str| assert_eq!(count, people.len(), "{what}");
        unique(people.iter().map(|p| &p.id).collect::<BTreeSet<_>>().len(), "ids");
        assert!(people.is_sorted_by(|a, b| a.order < b.order), "in the order of arrival");
        let hands: Vec<_> = people.iter().filter_map(|p| p.hand).collect();
        assert_eq!(hands.iter().collect::<BTreeSet<_>>().len(), hands.len(), "hands");

        // Nobody comes in beyond what the room holds, and direct topologies connect all.
        let narrow = state.options.capacity as usize;
        if people.len() > self.people && !self.narrowed {
            assert!(people.len() <= narrow, "{} of {narrow}", people.len());
        }
        self.people = people.len();
        let topology = state.topology.topology;
        let most = match topology {
            Topology::P2p => 2,
            Topology::Mesh => 4,
            Topology::Sfu => usize::MAX,
        };
        assert!(people.len() <= most, "{topology:?} of {}", people.len());
        match state.options.topology {
            TopologyChoice::Auto => {
                assert!(topology != Topology::Mesh && (people.len() < 3 || topology == Topology::Sfu))
            }
            TopologyChoice::P2p => assert_eq!(topology, Topology::P2p),
            TopologyChoice::Mesh => assert_eq!(topology, Topology::Mesh),
            TopologyChoice::Sfu => assert_eq!(topology, Topology::Sfu),
        }
        assert!(state.topology.generation >= self.generation, "generations go up");
        self.generation = state.topology.generation;

        // What is due has been done.
        assert!(room.poll_timeout().is_none_or(|at| at > self.stage.now));

        // One live connection for each participant that is connected, none for the others.
        let mut live = BTreeMap::new();
        for (connection, line) in &self.lines {
            if let Some(session) = line.session
                && self.stage.connections[connection].closed.is_none()
            {
                let id = self.sessions[session].mirror.me.clone();
                assert!(live.insert(id, session).is_none(), "one live connection");
            }
        }
        for participant in &people {
            let connected = participant.connection == Connection::Connected;
            assert_eq!(live.contains_key(&participant.id), connected, "{participant:?}");
        }
        assert!(live.keys().all(|id| people.iter().any(|p| p.id == *id)), "no session without a participant");

        // Whoever has read everything sees the room as it is.
        let mut views = BTreeSet::new();
        for (connection, line) in &self.lines {
            let Some(session) = line.session.filter(|_| !line.stalled) else { continue };
            if self.stage.connections[connection].closed.is_some() {
                continue;
            }
            let mirror = &self.sessions[session].mirror;
            let truth: Vec<_> = people.iter().cloned().map(|p| mirror.without_own_network(p)).collect();
            assert_eq!(mirror.others_and_me(), truth);
            assert_eq!(mirror.room, state);
            let said: Vec<_> = self.stage.stored_chat.iter().map(|stored| stored.message.id.clone()).collect();
            assert!(said.ends_with(&mirror.chat), "chat");
            views.insert((mirror.speakers.clone(), mirror.failed.clone()));
        }
        assert!(views.len() <= 1, "all see the same speakers and failed paths: {views:?}");
        assert!(self.stage.stored_chat.len() >= self.said);
        self.said = self.stage.stored_chat.len();

        // No leg outlives its participant, and none a settled move to a direct path.
        let entering: BTreeSet<_> = self.stage.unanswered.iter().map(|(_, id, _)| id).collect();
        for (id, legs) in self.legs.iter().filter(|(_, legs)| !legs.is_empty()) {
            let inside = people.iter().any(|p| p.id == *id);
            assert!(inside || entering.contains(id), "a leg of somebody gone");
            assert!(legs.len() <= MAX_LEGS, "{legs:?}");
            assert!(!inside || topology == Topology::Sfu || !state.topology.settled, "a leg in a direct room");
        }
    }

    /// Whatever happened, time brings the room to rest.
    fn come_to_rest(&mut self) {
        if self.stage.ended.is_some() {
            return;
        }
        self.stage.wait(seconds(60));
        self.check();
        let state = self.stage.room.state();
        assert!(state.topology.settled);
        assert!(self.stage.room.participants().all(|p| p.connection == Connection::Connected));
        assert_eq!(self.stage.room.poll_timeout(), None);
        assert_eq!(self.stage.room.is_empty(), self.stage.names().is_empty(), "nobody is on the way in for ever");
        for line in self.lines.values() {
            assert!(line.asked.is_empty(), "every request is answered");
        }
    }
}

/// As many cases as a few seconds allow; `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    let more = std::env::var_os("PROPTEST_CASES").is_some();
    let default = ProptestConfig::default();
    ProptestConfig { cases: if more { default.cases } else { 100 }, failure_persistence: None, ..default }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn invariants_hold_whatever_happens(actions in prop::collection::vec(any_action(), 1..120)) {
        let mut world = World::new();
        for action in actions {
            world.narrowed |= matches!(
                &action,
                Action::SetOptions(_) | Action::Say { what: Command::Plain(ClientMessage::SetOptions { .. }), .. }
            ) && !world.stage.unanswered.is_empty();
            world.act(action);
            world.check();
        }
        world.come_to_rest();
    }

    #[test]
    fn the_same_seed_and_inputs_give_the_same_outputs(actions in prop::collection::vec(any_action(), 1..40)) {
        let run = || {
            let mut world = World::new();
            let mut heard = Vec::new();
            for action in actions.clone() {
                world.act(action);
                for (connection, wire) in &world.stage.connections {
                    heard.push((*connection, format!("{:?}", wire.inbox)));
                }
                world.read();
            }
            (heard, world.stage.commands)
        };
        prop_assert_eq!(run(), run());
    }
}
