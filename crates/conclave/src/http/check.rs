//! The WebSocket at `/api/v1/check`: lets a page or program test its network without a room, a name or
//! a trace. Whatever it gives out ends with it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use conclave_media::{LegOffer, RoomKey};
use conclave_proto::{
    CheckReply, CheckRequest, ErrorCode, LegNumber, MediaState, ParticipantId, ProtocolError, SfuOffer, close, limits,
};
use conclave_turn::credentials::CHECK_PREFIX;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{ApiError, App};
use crate::metrics::{Counted, MESSAGES, WEBSOCKETS, WEBSOCKETS_CLOSED};
use crate::net::{Host, Peer, Source};
use crate::signal::is_allowed;

/// How long a check may take; then the connection is closed.
const LIFETIME: Duration = Duration::from_secs(60);
/// Checks at once: each may hold relays and a leg.
const AT_ONCE: usize = 32;
/// Of one client: a page, the same page in another window, and a program beside it.
const AT_ONCE_PER_SOURCE: usize = 4;
/// Messages of one connection: pings, and offers.
const MESSAGE_LIMIT: u32 = 400;
/// Bytes of one connection.
const BYTE_LIMIT: usize = 4 * limits::MESSAGE_BYTES;
/// Offers of one connection: each way through the network is tried once or twice.
const OFFER_LIMIT: u32 = 12;
/// For one message to be taken by the client's socket.
const WRITE: Duration = Duration::from_secs(5);
/// For the client to answer a close frame.
const CLOSING: Duration = Duration::from_secs(2);
/// Rooms of checks have numbers that no meeting gets: those are counted from 1.
const FIRST_ROOM: u64 = 1 << 63;

/// What all checks share.
#[derive(Clone, Default)]
pub struct Checks(Arc<Shared>);

#[derive(Default)]
struct Shared {
    running: Mutex<HashMap<Source, usize>>,
    next_room: AtomicU64,
}

/// One running check; given back when dropped.
struct Place {
    checks: Checks,
    source: Source,
}

impl Checks {
    /// `None`: too many at once.
    fn enter(&self, source: Source) -> Option<Place> {
        let mut running = self.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        let of_source = running.get(&source).copied().unwrap_or(0);
        if of_source >= AT_ONCE_PER_SOURCE || running.values().sum::<usize>() >= AT_ONCE {
            return None;
        }
        running.insert(source, of_source + 1);
        Some(Place { checks: self.clone(), source })
    }

    fn next_room(&self) -> RoomKey {
        RoomKey(FIRST_ROOM | self.0.next_room.fetch_add(1, Ordering::Relaxed))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut running = self.checks.0.running.lock().unwrap_or_else(PoisonError::into_inner);
        match running.get_mut(&self.source) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                running.remove(&self.source);
            }
        }
    }
}

/// `GET /api/v1/check`.
pub(super) async fn open(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    if !is_allowed(&headers, &peer, &app.config.allowed_origins) {
        let error =
            ProtocolError::new(ErrorCode::Forbidden, "pages of this origin may not connect; see allowed-origin");
        return ApiError(error).into_response();
    }
    let Ok(upgrade) = upgrade else {
        return ApiError(ProtocolError::new(ErrorCode::Malformed, "a WebSocket is expected")).into_response();
    };
    // Held until the connection has ended, so that the program ends after it.
    let token = app.tasks.token();
    upgrade
        .max_message_size(limits::MESSAGE_BYTES)
        .max_frame_size(limits::MESSAGE_BYTES)
        .read_buffer_size(8 * 1024)
        .write_buffer_size(8 * 1024)
        .on_upgrade(async move |mut socket| {
            let _token = token;
            let _counted = Counted::new(WEBSOCKETS);
            // A page cannot read why an upgrade was refused: it is told after it.
            let (code, reason) = match app.checks.enter(peer.source) {
                Some(_place) => run(&mut socket, &app, peer.host.as_ref()).await,
                None => {
                    let error = ProtocolError {
                        retry_after_ms: Some(30_000),
                        ..ProtocolError::new(ErrorCode::TooManyRequests, "too many checks at once")
                    };
                    let _ = say(&mut socket, &CheckReply::Refused { error }).await;
                    (close::TRY_LATER, "too many checks")
                }
            };
            metrics::counter!(WEBSOCKETS_CLOSED, "reason" => reason).increment(1);
            let frame = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
            let _ = timeout(WRITE, socket.send(frame)).await;
            // A socket closed with unread data is reset, and the close frame would be lost with it.
            let _ = timeout(CLOSING, async { while let Some(Ok(_)) = socket.recv().await {} }).await;
        })
}

/// Serves one check; says how its connection is to be closed.
async fn run(socket: &mut WebSocket, app: &App, host: Option<&Host>) -> (u16, &'static str) {
    let check = Check::new(app);
    let mut ice = app.ice.config(host, check.participant.as_str(), crate::rooms::unix_ms() / 1_000);
    ice.lifetime_s = LIFETIME.as_secs() as u32;
    let welcome = CheckReply::Welcome {
        ice,
        announced: app.media.announced().iter().map(ToString::to_string).collect(),
        lifetime_s: LIFETIME.as_secs() as u32,
    };
    let stop: CancellationToken = app.stop.clone();
    tokio::select! {
        ended = converse(socket, check, &welcome) => ended,
        () = sleep(LIFETIME) => (1000, "time is up"),
        () = stop.cancelled() => (close::RESTART, "the server stops"),
    }
}

async fn converse(socket: &mut WebSocket, mut check: Check<'_>, welcome: &CheckReply) -> (u16, &'static str) {
    const GONE: (u16, &str) = (1000, "goodbye");
    if say(socket, welcome).await.is_err() {
        return GONE;
    }
    let (mut messages, mut bytes) = (0, 0);
    loop {
        let message = match socket.recv().await {
            Some(Ok(message)) => message,
            Some(Err(_)) | None => return GONE,
        };
        messages += 1;
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return GONE,
            Message::Binary(_) => return (1003, "messages are text"),
            Message::Ping(_) | Message::Pong(_) if messages <= MESSAGE_LIMIT => continue,
            Message::Ping(_) | Message::Pong(_) => return (close::POLICY, "too many messages"),
        };
        bytes += text.len();
        if messages > MESSAGE_LIMIT || bytes > BYTE_LIMIT {
            return (close::POLICY, "too many messages");
        }
        if say(socket, &check.answer(&text).await).await.is_err() {
            return GONE;
        }
    }
}

async fn say(socket: &mut WebSocket, reply: &CheckReply) -> Result<(), ()> {
    let text = serde_json::to_string(reply).map_err(|_| ())?;
    match timeout(WRITE, socket.send(Message::text(text))).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(()),
    }
}

/// What one check holds in the media plane; given back when dropped.
struct Check<'a> {
    app: &'a App,
    room: RoomKey,
    participant: ParticipantId,
    offers: u32,
    leg: Option<LegNumber>,
}

impl<'a> Check<'a> {
    fn new(app: &'a App) -> Self {
        let participant = format!("{CHECK_PREFIX}{:032x}", rand::random::<u128>());
        let participant = ParticipantId::parse(&participant).expect("letters, digits and a hyphen, below 128");
        Self { app, room: app.checks.next_room(), participant, offers: 0, leg: None }
    }

    async fn answer(&mut self, text: &str) -> CheckReply {
        let kind = match serde_json::from_str(text) {
            Ok(CheckRequest::Ping { number }) => {
                metrics::counter!(MESSAGES, "kind" => "check-ping").increment(1);
                return CheckReply::Pong { number };
            }
            Ok(CheckRequest::Offer(offer)) => {
                metrics::counter!(MESSAGES, "kind" => "check-offer").increment(1);
                self.offer(*offer).await
            }
            Err(_) => Err(ProtocolError::new(ErrorCode::Malformed, "neither a ping nor an offer")),
        };
        kind.unwrap_or_else(|error| CheckReply::Refused { error })
    }

    async fn offer(&mut self, offer: SfuOffer) -> Result<CheckReply, ProtocolError> {
        self.offers += 1;
        if self.offers > OFFER_LIMIT {
            return Err(ProtocolError::new(ErrorCode::TooManyRequests, "too many offers for one check"));
        }
        let leg = offer.leg;
        if let Some(last) = self.leg.replace(leg).filter(|last| *last != leg) {
            self.app.media.close_leg(self.room, self.participant.clone(), last);
        }
        let answer = self
            .app
            .media
            .offer(self.room, self.participant.clone(), LegOffer::Client(offer), MediaState::default())
            .await?;
        Ok(CheckReply::Answered { answer })
    }
}

impl Drop for Check<'_> {
    fn drop(&mut self) {
        // Also ends the relays that were made with its credentials.
        self.app.media.close_participant(self.room, self.participant.clone());
        self.app.media.close_room(self.room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> Source {
        Source::of([192, 0, 2, last].into())
    }

    #[test]
    fn one_client_and_all_together_are_bounded() {
        let checks = Checks::default();
        let mut places: Vec<_> = (0..AT_ONCE_PER_SOURCE).map(|_| checks.enter(source(1)).expect("room")).collect();
        assert!(checks.enter(source(1)).is_none());
        places.pop();
        places.push(checks.enter(source(1)).expect("room again"));
        for other in 2.. {
            match checks.enter(source(other)) {
                Some(place) => places.push(place),
                None => break,
            }
        }
        assert_eq!(places.len(), AT_ONCE);
        drop(places);
        assert!(checks.0.running.lock().expect("lock").is_empty(), "nothing is remembered of anybody");
    }

    #[test]
    fn its_rooms_are_no_meetings() {
        let checks = Checks::default();
        let (first, second) = (checks.next_room(), checks.next_room());
        assert!(first != second && first.0 >= FIRST_ROOM && second.0 >= FIRST_ROOM);
    }
}
