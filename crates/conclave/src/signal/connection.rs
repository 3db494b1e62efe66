//! One WebSocket: reads, checks, passes on; writes what the meeting says.

use std::time::Duration;

use axum::Error;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use conclave_proto::{
    ClientFrame, ClientMessage, ErrorCode, Join, ProtocolError, Resume, RoomName, ServerMessage, close, limits,
    parse_client_frame,
};
use conclave_room::{ConnectionId, Departure};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_tungstenite::tungstenite;

use super::budget::{Budget, REFUSED_COST};
use crate::http::App;
use crate::metrics::{MESSAGES, WEBSOCKETS_CLOSED};
use crate::net::{Host, Place};
use crate::rooms::{Entrance, Outbox, Outgoing, RoomLink, Sending, ToRoom, outbox};

/// From the upgrade to the first `join` or `resume`.
const FIRST_MESSAGE: Duration = Duration::from_secs(10);
/// How long a connection whose join was refused may stay to ask again.
const NOT_JOINED: Duration = Duration::from_secs(300);
/// Between pings (RFC 6455, section 5.5.2).
const PING: Duration = Duration::from_secs(12);
/// Without anything from the client, pongs included.
const SILENCE: Duration = Duration::from_secs(30);
/// For one message to be taken by the client's socket.
const WRITE: Duration = Duration::from_secs(10);
/// For the client to answer a close frame.
const CLOSING: Duration = Duration::from_secs(2);
/// When the server stops: how long a meeting may take to close the connection by itself.
const STOPPING: Duration = Duration::from_secs(2);

/// RFC 6455, section 7.4.1: data of a kind, or in a form, that is not accepted.
const CLOSE_UNSUPPORTED: u16 = 1003;
const CLOSE_NOT_UTF8: u16 = 1007;
const CLOSE_PROTOCOL_ERROR: u16 = 1002;

/// The reading half's state.
pub(super) struct Connection {
    app: App,
    id: ConnectionId,
    outbox: Outbox,
    host: Option<Host>,
    budget: Budget,
    started: Instant,
    room: Option<(RoomName, RoomLink)>,
}

/// Why reading ended.
enum End {
    /// The client went, with or without saying so.
    Departed(Departure),
    /// It broke a rule; the close frame is still to be sent.
    Rule { code: u16, reason: &'static str },
}

impl Connection {
    /// `host`: under which name the client reached the server.
    pub(super) async fn run(socket: WebSocket, app: App, place: Place, host: Option<Host>) {
        let (sink, mut stream) = socket.split();
        let (evicted, stop) = (place.evicted(), app.stop.clone());
        let (outbox, sending) = outbox(Some(place));
        let overflowed = sending.overflowed();
        let id = app.rooms.next_connection();
        let budget = Budget::new(Duration::ZERO);
        let mut connection = Self { app, id, outbox, host, budget, started: Instant::now(), room: None };
        let mut writing = std::pin::pin!(write(sink, sending));

        let mut departure = Departure::Lost;
        let must_close = tokio::select! {
            end = connection.read(&mut stream) => match end {
                End::Departed(how) => {
                    departure = how;
                    // Answers the client's close frame (RFC 6455, section 5.5.1).
                    Some((tungstenite::protocol::frame::coding::CloseCode::Normal.into(), ""))
                }
                End::Rule { code, reason } => {
                    closed(reason);
                    departure = Departure::Expelled;
                    Some((code, reason))
                }
            },
            // Closed by the meeting, or the socket is broken.
            () = &mut writing => None,
            () = overflowed.cancelled() => {
                closed("slow reader");
                None
            }
            () = evicted.cancelled() => {
                closed("not joined");
                Some((close::TRY_LATER, "too many connections that have not joined"))
            }
            () = async {
                stop.cancelled().await;
                tokio::time::sleep(STOPPING).await;
            } => Some((close::RESTART, "the server stops")),
        };
        connection.depart(departure).await;
        if let Some((code, reason)) = must_close {
            connection.outbox.close(code, reason);
            let _ = timeout(WRITE, &mut writing).await;
        }
        // Reads on until the client has closed its side: a socket closed with unread data is reset,
        // and the close frame would be lost with it.
        let _ = timeout(CLOSING, async { while let Some(Ok(_)) = stream.next().await {} }).await;
    }

    async fn read(&mut self, stream: &mut SplitStream<WebSocket>) -> End {
        let mut asked_at: Option<Instant> = None;
        let stop = self.app.stop.clone();
        loop {
            let heard = Instant::now();
            let deadline = match asked_at {
                None => self.started + FIRST_MESSAGE,
                Some(at) if !self.outbox.has_joined() => (at + NOT_JOINED).min(heard + SILENCE),
                Some(_) => heard + SILENCE,
            };
            let message = tokio::select! {
                message = stream.next() => message,
                () = sleep_until(deadline) => {
                    let silent = asked_at.is_some() && deadline == heard + SILENCE;
                    return if silent {
                        closed("silent");
                        End::Departed(Departure::Lost)
                    } else {
                        End::Rule { code: close::POLICY, reason: "no join in time" }
                    };
                }
                // A meeting says goodbye to its people by itself.
                () = stop.cancelled(), if self.room.is_none() => {
                    return End::Rule { code: close::RESTART, reason: "the server stops" };
                }
            };
            let text = match message {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(frame))) => return End::Departed(departure(frame.as_ref())),
                Some(Ok(Message::Binary(_))) => {
                    return End::Rule { code: CLOSE_UNSUPPORTED, reason: "messages are text" };
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                    // Costs as much to answer as a message.
                    if !self.budget.take(self.started.elapsed(), 1, 0) {
                        return End::Rule { code: close::POLICY, reason: "too many messages" };
                    }
                    continue;
                }
                Some(Err(error)) => return read_failure(error),
                None => return End::Departed(Departure::Lost),
            };
            if text.len() > limits::MESSAGE_BYTES {
                return End::Rule { code: close::TOO_BIG, reason: "message too big" };
            }
            let parsed = parse_client_frame(&text);
            let cost = if parsed.is_ok() { 1 } else { REFUSED_COST };
            if !self.budget.take(self.started.elapsed(), cost, text.len()) {
                return End::Rule { code: close::POLICY, reason: "too many messages" };
            }
            match parsed {
                Ok(frame) => {
                    asked_at.get_or_insert_with(Instant::now);
                    self.handle(frame).await;
                }
                Err(failure) => {
                    metrics::counter!(MESSAGES, "kind" => "refused").increment(1);
                    self.refuse(failure.id, failure.error);
                }
            }
        }
    }

    async fn handle(&mut self, frame: ClientFrame) {
        metrics::counter!(MESSAGES, "kind" => frame.message.kind()).increment(1);
        tracing::trace!(connection = self.id.0, kind = frame.message.kind(), "message");
        match frame.message {
            ClientMessage::Join(join) => self.join(frame.id, join).await,
            ClientMessage::Resume(resume) => self.resume(frame.id, resume).await,
            message => {
                let input = ToRoom::Message { connection: self.id, request: frame.id, message };
                let sent = match &mut self.room {
                    Some((_, room)) => room.send_from(self.id, input).await.is_ok(),
                    None => false,
                };
                if !sent {
                    self.refuse(Some(frame.id), out_of_order("join first"));
                }
            }
        }
    }

    async fn join(&mut self, request: u32, mut join: Box<Join>) {
        let now = crate::rooms::unix_ms() / 1_000;
        let entry = match self.app.auth.entry(join.access_token.as_ref(), &join.room, now) {
            Ok(entry) => entry,
            Err(error) => return self.refuse(Some(request), error),
        };
        if let Some(name) = entry.name {
            join.name = name;
        }
        // It has served its purpose; the room need not hold it.
        join.access_token = None;
        let room = join.room.clone();
        let entrance = self.entrance();
        let input = ToRoom::Join { connection: self.id, entrance, join, authority: entry.authority, request };
        self.enter(request, room, input).await;
    }

    async fn resume(&mut self, request: u32, resume: Resume) {
        let room = resume.room.clone();
        let input = ToRoom::Resume { connection: self.id, entrance: self.entrance(), resume, request };
        self.enter(request, room, input).await;
    }

    fn entrance(&self) -> Entrance {
        Entrance { outbox: self.outbox.clone(), host: self.host.clone() }
    }

    async fn enter(&mut self, request: u32, name: RoomName, input: ToRoom) {
        let mut before = None;
        if let Some((current, room)) = &mut self.room {
            if *current == name {
                // Who is inside is the meeting's to know: a second join is passed on, and refused there.
                before = Some(room.clone());
            } else {
                if self.outbox.has_joined() {
                    return self.refuse(Some(request), out_of_order("this connection is in a room"));
                }
                let left = ToRoom::Disconnected { connection: self.id, departure: Departure::Goodbye };
                let _ = room.send_from(self.id, left).await;
            }
        }
        match self.app.rooms.enter(&name, before, self.id, input).await {
            Ok(link) => self.room = Some((name, link)),
            Err(error) => self.refuse(Some(request), error),
        }
    }

    fn refuse(&self, id: Option<u32>, error: ProtocolError) {
        self.outbox.send(&ServerMessage::Error { id, error });
    }

    async fn depart(&mut self, departure: Departure) {
        if let Some((_, mut room)) = self.room.take() {
            let _ = room.send_from(self.id, ToRoom::Disconnected { connection: self.id, departure }).await;
        }
    }
}

/// Sends what is queued, and pings, until the connection is closed or broken.
async fn write(mut sink: SplitSink<WebSocket, Message>, mut sending: Sending) {
    let mut pings = interval(PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The first tick comes at once, when there is nothing to find out yet.
    pings.tick().await;
    loop {
        let (message, is_last) = tokio::select! {
            next = sending.next() => match next {
                Some(Outgoing::Text(text)) => (Message::Text(text), false),
                Some(Outgoing::Close { code, reason }) => {
                    (Message::Close(Some(CloseFrame { code, reason: reason.into() })), true)
                }
                None => return,
            },
            _ = pings.tick() => (Message::Ping(Default::default()), false),
        };
        match timeout(WRITE, sink.send(message)).await {
            Ok(Ok(())) if !is_last => {}
            _ => return,
        }
    }
}

fn departure(frame: Option<&CloseFrame>) -> Departure {
    match frame.map(|frame| frame.code) {
        Some(1000 | 1001) => Departure::Goodbye,
        _ => Departure::Lost,
    }
}

fn read_failure(error: Error) -> End {
    use tungstenite::Error as Failure;
    let inner = error.into_inner();
    match inner.downcast_ref::<Failure>() {
        Some(Failure::Capacity(_)) => End::Rule { code: close::TOO_BIG, reason: "message too big" },
        Some(Failure::Utf8(_)) => End::Rule { code: CLOSE_NOT_UTF8, reason: "messages are UTF-8" },
        // A connection that was cut looks like this too, and nobody is to be expelled for that.
        Some(Failure::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake)) => {
            End::Departed(Departure::Lost)
        }
        Some(Failure::Protocol(_)) => End::Rule { code: CLOSE_PROTOCOL_ERROR, reason: "not RFC 6455" },
        _ => End::Departed(Departure::Lost),
    }
}

fn out_of_order(message: &'static str) -> ProtocolError {
    ProtocolError::new(ErrorCode::OutOfOrder, message)
}

fn closed(reason: &'static str) {
    metrics::counter!(WEBSOCKETS_CLOSED, "reason" => reason).increment(1);
}
