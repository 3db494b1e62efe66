//! One meeting's task: owns the [`Room`], feeds it what happens, and does what it decides.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use conclave_media::{LegOffer, MediaEvent, RoomKey};
use conclave_proto::{
    ErrorCode, Event, EventText, MediaState, ParticipantId, ProtocolError, Reply, RoomName, ServerMessage, SfuAnswer,
    close,
};
use conclave_room::{
    AdminInput, ConnectionId, Ending, Input, MediaCommand, MediaInput, Output, RequestToken, Room, StoredRoom,
    StreamAnswer, StreamId, StreamOutput,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::link::{Inlet, Moved};
use super::{Entrance, GLIMPSED, Glimpse, Rooms, Snapshot, ToRoom, unix_ms};
use crate::metrics::{Counted, JOIN_SECONDS, PARTICIPANTS, ROOM_PANICS, ROOMS, VIEWERS};
use crate::streams::Lease;

/// How long the media plane may take for an answer.
const ANSWER: Duration = Duration::from_secs(8);

/// What came of an offer to the media plane.
type Answer = (RequestToken, Result<SfuAnswer, ProtocolError>);

pub(super) struct Actor {
    rooms: Rooms,
    name: RoomName,
    key: RoomKey,
    room: Room,
    clients: HashMap<ConnectionId, Client>,
    /// Who has been given credentials for relays, and is still in the room.
    relayed: HashSet<ParticipantId>,
    /// When each waiting join was asked.
    joining: HashMap<ConnectionId, Instant>,
    answers: mpsc::UnboundedSender<Answer>,
    /// Sessions without signalling.
    streams: HashMap<StreamId, Stream>,
    viewers: usize,
    closed: Vec<oneshot::Sender<()>>,
    /// The last event that was sent, and its text.
    told: Option<(Arc<Event>, EventText)>,
    options_asked: Option<oneshot::Sender<Result<(), ProtocolError>>>,
    counted: usize,
}

/// One connection.
struct Client {
    entrance: Entrance,
    /// Who is on it, as soon as the room has said so.
    participant: Option<ParticipantId>,
    /// Who it says it is, until the room has said whether that is so.
    claims: Option<ParticipantId>,
}

impl Client {
    fn new(entrance: Entrance) -> Self {
        Self { entrance, participant: None, claims: None }
    }
}

/// A session without signalling.
struct Stream {
    /// Kept until the session is over.
    _lease: Lease,
    /// Who waits for the answer to its request.
    asker: Option<oneshot::Sender<Result<StreamAnswer, ProtocolError>>>,
    /// Its first offer was answered.
    is_open: bool,
}

enum Step {
    Input(ToRoom),
    Media(MediaInput),
    Timeout,
}

impl Actor {
    pub(super) async fn run(
        rooms: Rooms,
        name: RoomName,
        key: RoomKey,
        mut inlet: Inlet,
        mut media: mpsc::Receiver<MediaInput>,
    ) {
        let _counted = Counted::new(ROOMS);
        let stored = match rooms.0.storage.load(name.clone()).await {
            Ok(stored) => stored,
            Err(error) => return Self::refuse_all(&rooms, &name, key, inlet, &error).await,
        };
        let (answers, mut answered) = mpsc::unbounded_channel();
        let mut actor = Self::new(rooms, name, key, stored, answers);
        tracing::debug!(room = key.0, "meeting opened");
        let ending = loop {
            let timeout = actor.room.poll_timeout().map(|at| Instant::from_std(actor.rooms.0.clock.instant(at)));
            let step = tokio::select! {
                biased;
                // The channels stay open: the registry and this task hold a sender of each.
                Some((request, result)) = answered.recv() => Step::Media(MediaInput::Answered { request, result }),
                Some(event) = media.recv() => Step::Media(event),
                () = sleep_until(timeout.unwrap_or_else(Instant::now)), if timeout.is_some() => Step::Timeout,
                Some(input) = inlet.next() => Step::Input(input),
            };
            // The room is dropped after a panic, so that nothing sees what it left half done.
            match catch_unwind(AssertUnwindSafe(|| actor.step(step))) {
                Ok(None) => {}
                Ok(Some(ending)) => break Some(ending),
                Err(_) => {
                    actor.tell_of_panic();
                    break None;
                }
            }
        };
        actor.finish(ending, inlet).await;
    }

    fn new(
        rooms: Rooms,
        name: RoomName,
        key: RoomKey,
        stored: StoredRoom,
        answers: mpsc::UnboundedSender<Answer>,
    ) -> Self {
        let room = Room::new(rooms.0.config, name.clone(), stored, rand::random());
        Self {
            rooms,
            name,
            key,
            room,
            clients: HashMap::new(),
            relayed: HashSet::new(),
            joining: HashMap::new(),
            answers,
            streams: HashMap::new(),
            viewers: 0,
            closed: Vec::new(),
            told: None,
            options_asked: None,
            counted: 0,
        }
    }

    /// One turn; says why the meeting is over when it is.
    fn step(&mut self, step: Step) -> Option<Ending> {
        let now = self.rooms.0.clock.now();
        match step {
            Step::Input(input) => {
                if let Some(input) = self.translate(input) {
                    self.room.handle_input(now, input);
                }
            }
            Step::Media(input) => self.room.handle_input(now, Input::Media(input)),
            Step::Timeout => self.room.handle_timeout(now),
        }
        let mut ending = None;
        while let Some(output) = self.room.poll_output() {
            ending = self.perform(output).or(ending);
        }
        // Only now are the new options on their way to the database, ahead of whoever reads them.
        if let Some(answer) = self.options_asked.take() {
            let _ = answer.send(Ok(()));
        }
        let viewers = self.room.viewers();
        if viewers != self.viewers {
            metrics::gauge!(VIEWERS).increment(viewers as f64 - self.viewers as f64);
            self.viewers = viewers;
        }
        let count = self.room.participants().len();
        if count != self.counted {
            metrics::gauge!(PARTICIPANTS).increment(count as f64 - self.counted as f64);
            self.counted = count;
        }
        ending.or_else(|| self.room.is_empty().then_some(Ending::Closed))
    }

    /// Keeps what concerns only this task, and gives the room the rest.
    fn translate(&mut self, input: ToRoom) -> Option<Input> {
        match input {
            ToRoom::Join { connection, entrance, join, authority, request } => {
                self.clients.entry(connection).or_insert_with(|| Client::new(entrance));
                self.joining.insert(connection, Instant::now());
                Some(Input::Join { connection, join, authority, request })
            }
            ToRoom::Resume { connection, entrance, resume, request } => {
                let client = self.clients.entry(connection).or_insert_with(|| Client::new(entrance));
                client.claims = Some(resume.participant.clone());
                Some(Input::Resume { connection, resume, request })
            }
            ToRoom::Message { connection, request, message } => Some(Input::Message { connection, request, message }),
            ToRoom::Disconnected { connection, departure } => {
                self.clients.remove(&connection);
                self.joining.remove(&connection);
                Some(Input::Disconnected { connection, departure })
            }
            ToRoom::Stream { stream, opening, input, answer } => {
                match opening {
                    Some(lease) => {
                        let stream_of = Stream { _lease: lease, asker: answer, is_open: false };
                        self.streams.insert(stream, stream_of);
                    }
                    None => {
                        if let Some(known) = self.streams.get_mut(&stream)
                            && answer.is_some()
                        {
                            known.asker = answer;
                        }
                    }
                }
                Some(Input::Stream { stream, input })
            }
            ToRoom::Glance(answer) => {
                let people = self.room.participants();
                let _ = answer.send(Glimpse {
                    count: people.len(),
                    names: people.take(GLIMPSED).map(|person| person.name.clone()).collect(),
                    is_locked: self.room.state().options.locked,
                    is_full: self.room.is_full(),
                });
                None
            }
            ToRoom::Look(answer) => {
                let _ = answer.send(Snapshot {
                    state: self.room.state(),
                    participants: self.room.participants().cloned().collect(),
                    viewers: self.room.viewers(),
                    is_full: self.room.is_full(),
                });
                None
            }
            ToRoom::SetOptions(options, answer) => {
                if let Err(error) = self.room.check_options(&options) {
                    let _ = answer.send(Err(error));
                    return None;
                }
                self.options_asked = Some(answer);
                Some(Input::Admin(AdminInput::SetOptions(options)))
            }
            ToRoom::Close(answer) => {
                self.closed.push(answer);
                Some(Input::Admin(AdminInput::Close))
            }
            ToRoom::Stop { retry_after } => Some(Input::Closing { retry_after }),
            #[cfg(test)]
            ToRoom::Fault => std::panic::resume_unwind(Box::new("a fault made by a test")),
        }
    }

    fn perform(&mut self, output: Output) -> Option<Ending> {
        let storage = &self.rooms.0.storage;
        match output {
            Output::Send { connection, message } => self.send(connection, message),
            Output::Tell { connection, seq, event } => self.tell(connection, seq, event),
            Output::Close { connection, code, reason } => {
                if let Some(client) = self.clients.get(&connection) {
                    client.entrance.outbox.close(code, reason);
                }
            }
            Output::Stream { stream, output } => self.tell_stream(stream, output),
            Output::Media(command) => self.command_media(command),
            Output::StoreChat(message) => storage.add_chat(self.name.clone(), message),
            Output::StoreOptions(options) => storage.set_options(self.name.clone(), options, unix_ms()),
            Output::StoreHost(host) => storage.set_host(self.name.clone(), host),
            Output::Ended(ending) => return Some(ending),
        }
        None
    }

    fn send(&mut self, connection: ConnectionId, mut message: ServerMessage) {
        let Some(client) = self.clients.get_mut(&connection) else { return };
        if let ServerMessage::Reply { reply, .. } = &mut message {
            let ice = match &mut **reply {
                Reply::Joined(joined) => {
                    if let Some(asked) = self.joining.remove(&connection) {
                        metrics::histogram!(JOIN_SECONDS).record(asked.elapsed().as_secs_f64());
                    }
                    client.participant = Some(joined.participant.clone());
                    Some(&mut joined.ice)
                }
                Reply::Resumed(_) => {
                    client.participant = client.claims.take();
                    None
                }
                Reply::IceServers { ice } => Some(ice),
                _ => None,
            };
            if let (Some(ice), Some(participant)) = (ice, &client.participant) {
                let host = client.entrance.host.as_ref();
                *ice = self.rooms.0.ice.config(host, participant.as_str(), unix_ms() / 1_000);
                self.relayed.insert(participant.clone());
            }
        }
        client.entrance.outbox.send(&message);
    }

    /// Sends an event, which is written only once for all who are told it one after another.
    fn tell(&mut self, connection: ConnectionId, seq: u32, event: Arc<Event>) {
        let Some(client) = self.clients.get(&connection) else { return };
        if !self.told.as_ref().is_some_and(|(told, _)| Arc::ptr_eq(told, &event)) {
            self.told = match EventText::new(&event) {
                Ok(text) => Some((event, text)),
                // Only a map with keys that are no strings could fail, and the protocol has none.
                Err(_) => return tracing::error!("an event could not be written as JSON"),
            };
        }
        if let Some((_, text)) = &self.told {
            client.entrance.outbox.send_text(text.numbered(seq));
        }
    }

    fn tell_stream(&mut self, stream: StreamId, output: StreamOutput) {
        match output {
            StreamOutput::Ended => {
                self.streams.remove(&stream);
            }
            StreamOutput::Answered(result) => {
                let Some(known) = self.streams.get_mut(&stream) else { return };
                if let Ok(answer) = &result {
                    known.is_open = true;
                    self.relayed.insert(answer.participant.clone());
                }
                let is_refused = !known.is_open;
                if let Some(asker) = known.asker.take() {
                    // If whoever asked has gone, its leg is never connected, and ends.
                    let _ = asker.send(result);
                }
                if is_refused {
                    self.streams.remove(&stream);
                }
            }
        }
    }

    fn command_media(&mut self, command: MediaCommand) {
        let (media, room) = (&self.rooms.0.media, self.key);
        match command {
            MediaCommand::Offer { participant, offer, media: state, request } => {
                self.offer(participant, LegOffer::Client(*offer), state, request);
            }
            MediaCommand::Publish { participant, sdp, media: state, request } => {
                self.offer(participant, LegOffer::Publish(sdp), state, request);
            }
            MediaCommand::Play { participant, sdp, hears, request } => {
                self.offer(participant, LegOffer::Play { sdp, hears }, MediaState::default(), request);
            }
            MediaCommand::SetMedia { participant, media: state } => media.set_media(room, participant, state),
            MediaCommand::SetView { participant, leg, view } => media.set_view(room, participant, leg, view),
            MediaCommand::SetCodec(preference) => media.set_codec(room, preference),
            MediaCommand::CloseLeg { participant, leg } => media.close_leg(room, participant, leg),
            MediaCommand::CloseParticipant { participant } => {
                self.relayed.remove(&participant);
                media.close_participant(room, participant);
            }
            MediaCommand::CloseRoom => media.close_room(room),
        }
    }

    fn offer(&self, participant: ParticipantId, offer: LegOffer, state: MediaState, request: RequestToken) {
        let answers = self.answers.clone();
        // Given here, in the room's order; only the answer is awaited elsewhere.
        let answer = self.rooms.0.media.offer(self.key, participant, offer, state);
        self.rooms.0.tasks.spawn(async move {
            let late = || Err(ProtocolError::new(ErrorCode::MediaUnavailable, "the media plane is too busy"));
            let answer = timeout(ANSWER, answer).await;
            // The meeting may have ended meanwhile.
            let _ = answers.send((request, answer.unwrap_or_else(|_| late())));
        });
    }

    /// The people come back into a fresh room made from what is stored.
    fn tell_of_panic(&mut self) {
        metrics::counter!(ROOM_PANICS).increment(1);
        tracing::error!(room = self.key.0, "a meeting was ended by a fault in the program");
        let error = ProtocolError {
            retry_after_ms: Some(1_000),
            ..ProtocolError::new(ErrorCode::Internal, "the meeting was ended by a fault in the server")
        };
        for Entrance { outbox, .. } in self.clients.values().map(|client| &client.entrance) {
            outbox.send(&ServerMessage::Error { id: None, error: error.clone() });
            outbox.close(close::RESTART, "fault in the server");
        }
    }

    async fn finish(self, ending: Option<Ending>, inlet: Inlet) {
        metrics::gauge!(PARTICIPANTS).decrement(self.counted as f64);
        metrics::gauge!(VIEWERS).decrement(self.viewers as f64);
        // Whoever only relayed is unknown to the media plane's rooms.
        for participant in self.relayed {
            self.rooms.0.media.close_participant(self.key, participant);
        }
        self.rooms.0.media.close_room(self.key);
        self.rooms.0.storage.touch(self.name.clone(), unix_ms());
        self.rooms.0.remove(&self.name, self.key);
        let why = match ending {
            Some(Ending::Closed) => "over",
            Some(Ending::ServerStops) => "the server stops",
            None => "fault",
        };
        tracing::debug!(room = self.key.0, why, "meeting closed");
        for answer in self.closed {
            let _ = answer.send(());
        }
        pass_on(&self.rooms, &self.name, inlet).await;
    }

    /// The room could not be read, so nobody can be let in.
    async fn refuse_all(rooms: &Rooms, name: &RoomName, key: RoomKey, inlet: Inlet, error: &ProtocolError) {
        rooms.0.remove(name, key);
        let (left, _nobody_moved) = inlet.close().await;
        for input in left {
            match input {
                ToRoom::Join { entrance, request, .. } | ToRoom::Resume { entrance, request, .. } => {
                    entrance.outbox.send(&ServerMessage::Error { id: Some(request), error: error.clone() });
                }
                ToRoom::SetOptions(_, answer) => {
                    let _ = answer.send(Err(error.clone()));
                }
                _ => {}
            }
        }
    }
}

/// Whoever came at the last moment is let into the next meeting of this name, and what they said after
/// that goes there too.
async fn pass_on(rooms: &Rooms, name: &RoomName, inlet: Inlet) {
    let (left, told) = inlet.close().await;
    let mut moved = Moved::new();
    for input in left {
        match input {
            ToRoom::Join { connection, ref entrance, request, .. }
            | ToRoom::Resume { connection, ref entrance, request, .. } => {
                let outbox = entrance.outbox.clone();
                match rooms.enter(name, moved.remove(&connection), connection, input).await {
                    Ok(link) => drop(moved.insert(connection, link)),
                    Err(error) => outbox.send(&ServerMessage::Error { id: Some(request), error }),
                }
            }
            ToRoom::Message { connection, .. } | ToRoom::Disconnected { connection, .. } => {
                // Whoever was inside has been told that it is over.
                if let Some(link) = moved.get_mut(&connection) {
                    let _ = link.send_from(connection, input).await;
                }
            }
            // Whoever asked is told by the answer's end if no meeting can be opened.
            ToRoom::SetOptions(..) | ToRoom::Stream { opening: Some(_), .. } => {
                let _ = rooms.deliver(name, input).await;
            }
            _ => {}
        }
    }
    told.send_replace(moved);
}

pub(super) fn media_input(event: MediaEvent) -> (RoomKey, MediaInput) {
    match event {
        MediaEvent::Connected { room, participant, leg } => (room, MediaInput::Connected { participant, leg }),
        MediaEvent::Failed { room, participant, leg } => (room, MediaInput::Failed { participant, leg }),
        MediaEvent::Silent { room, participant } => (room, MediaInput::Silent { participant }),
        MediaEvent::Slots { room, participant, slots } => (room, MediaInput::Slots { participant, slots }),
        MediaEvent::Speakers { room, speakers } => (room, MediaInput::Speakers(speakers)),
        MediaEvent::PublishWish { room, participant, wish } => (room, MediaInput::PublishWish { participant, wish }),
    }
}
