//! Changing and ending a session: `PATCH` and `DELETE` of its URL.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use conclave_gateway::{EntityTag, Fragment, IceCredentials, IfMatch, MediaType, Patch, PatchRefused, description};
use conclave_proto::{ErrorCode, ProtocolError, RoomName, Sdp};
use conclave_room::StreamInput;
use tokio::sync::oneshot;

use super::{Refusal, text_of};
use crate::auth::unauthorized;
use crate::http::App;
use crate::http::access::bearer_token;
use crate::net::Peer;
use crate::rooms::{ToRoom, unix_ms};
use crate::streams::{Known, Protocol, SessionKey, digest};

type SessionPath = Path<(String, String)>;

/// Adds candidates to a publisher's ICE session, or restarts it (If-Match: *).
#[utoipa::path(
    patch, path = "/whip/{room}/{session}", tag = "streams", security(("token" = [])),
    params(
        ("room" = String, Path, description = "The room's name"),
        ("session" = String, Path, description = "From Location"),
        ("If-Match" = String, Header, description = "The session's ETag, or * for an ICE restart"),
    ),
    request_body(content = String, content_type = "application/trickle-ice-sdpfrag", description = "A fragment (RFC 8840)"),
    responses(
        (status = 200, description = "Restarted", body = String, content_type = "application/trickle-ice-sdpfrag"),
        (status = 204, description = "Taken"),
        (status = "4XX", description = "404 no such session, 412 stale, 415, 422, 428 without If-Match", body = ProtocolError),
    ),
)]
pub(super) async fn patch_whip(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    path: SessionPath,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    patch(&app, &peer, Protocol::Whip, &headers, path, body).await
}

/// Adds candidates to a player's ICE session, or restarts it (If-Match: *).
#[utoipa::path(
    patch, path = "/whep/{room}/{session}", tag = "streams", security((), ("token" = [])),
    params(
        ("room" = String, Path, description = "The room's name"),
        ("session" = String, Path, description = "From Location"),
        ("If-Match" = String, Header, description = "The session's ETag, or * for an ICE restart"),
    ),
    request_body(content = String, content_type = "application/trickle-ice-sdpfrag", description = "A fragment (RFC 8840)"),
    responses(
        (status = 200, description = "Restarted", body = String, content_type = "application/trickle-ice-sdpfrag"),
        (status = 204, description = "Taken"),
        (status = "4XX", description = "404 no such session, 412 stale, 415, 422, 428 without If-Match", body = ProtocolError),
    ),
)]
pub(super) async fn patch_whep(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    path: SessionPath,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    patch(&app, &peer, Protocol::Whep, &headers, path, body).await
}

/// Ends a publisher's session: its participant leaves.
#[utoipa::path(
    delete, path = "/whip/{room}/{session}", tag = "streams", security(("token" = [])),
    params(
        ("room" = String, Path, description = "The room's name"),
        ("session" = String, Path, description = "From Location"),
    ),
    responses(
        (status = 200, description = "It has ended"),
        (status = "4XX", description = "404 no such session, or not a token for this", body = ProtocolError),
    ),
)]
pub(super) async fn delete_whip(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    path: SessionPath,
) -> Result<StatusCode, Refusal> {
    delete(&app, &peer, Protocol::Whip, &headers, path).await
}

/// Ends a player's session.
#[utoipa::path(
    delete, path = "/whep/{room}/{session}", tag = "streams", security((), ("token" = [])),
    params(
        ("room" = String, Path, description = "The room's name"),
        ("session" = String, Path, description = "From Location"),
    ),
    responses(
        (status = 200, description = "It has ended"),
        (status = "4XX", description = "404 no such session, or not a token for this", body = ProtocolError),
    ),
)]
pub(super) async fn delete_whep(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    path: SessionPath,
) -> Result<StatusCode, Refusal> {
    delete(&app, &peer, Protocol::Whep, &headers, path).await
}

/// `GET` of a session: successful, and without content (RFC 9725 section 4.2).
pub(super) async fn look_whip(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    path: SessionPath,
) -> Result<StatusCode, Refusal> {
    find(&app, &peer, Protocol::Whip, &headers, path).map(|_| StatusCode::NO_CONTENT)
}

/// As [`look_whip`].
pub(super) async fn look_whep(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    path: SessionPath,
) -> Result<StatusCode, Refusal> {
    find(&app, &peer, Protocol::Whep, &headers, path).map(|_| StatusCode::NO_CONTENT)
}

/// The session of a URL, if whoever asks may change it: its URL is known to nobody else, and where a token
/// made it, a token is needed.
fn find(
    app: &App,
    peer: &Peer,
    protocol: Protocol,
    headers: &HeaderMap,
    Path((room, session)): SessionPath,
) -> Result<(SessionKey, Known), Refusal> {
    let room = RoomName::parse(&room).map_err(|_| Refusal::NoSuchResource)?;
    let key = SessionKey::parse(&session).ok_or(Refusal::NoSuchResource)?;
    let known = app.streams.get(key).filter(|known| known.protocol == protocol && known.room == room);
    let known = known.ok_or(Refusal::NoSuchResource)?;
    let Some(owner) = known.token else { return Ok((key, known)) };
    let token = bearer_token(headers).ok_or_else(unauthorized)?;
    // It may have expired since: who began a session may always end it.
    if digest(token) != Some(owner) {
        app.auth.verify_from(peer.source, token, unix_ms() / 1_000)?.must_host(&known.room)?;
    }
    Ok((key, known))
}

async fn patch(
    app: &App,
    peer: &Peer,
    protocol: Protocol,
    headers: &HeaderMap,
    path: SessionPath,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    app.streams.admit(peer.source)?;
    let (key, known) = find(app, peer, protocol, headers, path)?;
    let text = text_of(headers, MediaType::SdpFragment, &body?)?;
    let if_match = match headers.get(header::IF_MATCH) {
        None => IfMatch::Absent,
        // A value that is no text names no tag of ours.
        Some(value) => IfMatch::parse(Some(value.to_str().unwrap_or_default())),
    };
    if if_match == IfMatch::Absent {
        return Err(Refusal::Patch(PatchRefused::NoPrecondition));
    }
    let fragment = Fragment::parse(&text)?;
    let patch = app.streams.change(key, |known| known.session.handle_patch(if_match, &fragment));
    match patch.ok_or(Refusal::NoSuchResource)?.map_err(Refusal::Patch)? {
        Patch::Trickle => Ok(StatusCode::NO_CONTENT.into_response()),
        Patch::Restart(credentials) => {
            let restarting = Restarting { app, key, done: false };
            restarting.run(known, credentials).await
        }
    }
}

/// An ICE restart under way. If it does not come to an end, the session goes on as it was.
struct Restarting<'a> {
    app: &'a App,
    key: SessionKey,
    done: bool,
}

impl Restarting<'_> {
    async fn run(mut self, known: Known, credentials: IceCredentials) -> Result<Response, Refusal> {
        let text = description::with_credentials(known.offer.as_str(), &credentials);
        let sdp = Sdp::parse(text).map_err(|code| ProtocolError::new(code, "the description is too large"))?;
        let (answer, answered) = oneshot::channel();
        let input = StreamInput::Restart { sdp: sdp.clone() };
        let input = ToRoom::Stream { stream: known.stream, opening: None, input, answer: Some(answer) };
        let sent = self.app.rooms.deliver_if_live(&known.room, input).await;
        sent.map_err(|_| Refusal::NoSuchResource)?;
        let answer = answered.await.map_err(|_| Refusal::NoSuchResource)??;
        let tag = EntityTag::new(rand::random());
        self.done = true;
        let restarted = self.app.streams.change(self.key, |known| {
            known.session.restarted(tag, credentials);
            known.offer = sdp;
        });
        restarted.ok_or(Refusal::NoSuchResource)?;
        let fragment = description::ice_fragment(answer.sdp.as_str());
        let mut response = (StatusCode::OK, fragment).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MediaType::SdpFragment.as_str()));
        let tag = HeaderValue::from_str(&tag.to_string());
        headers.insert(
            header::ETAG,
            tag.map_err(|_| ProtocolError::new(ErrorCode::Internal, "the tag cannot be written"))?,
        );
        Ok(response)
    }
}

impl Drop for Restarting<'_> {
    fn drop(&mut self) {
        if !self.done {
            self.app.streams.change(self.key, |known| known.session.restart_failed());
        }
    }
}

async fn delete(
    app: &App,
    peer: &Peer,
    protocol: Protocol,
    headers: &HeaderMap,
    path: SessionPath,
) -> Result<StatusCode, Refusal> {
    let (key, known) = find(app, peer, protocol, headers, path)?;
    if !app.streams.remove(key) {
        return Err(Refusal::NoSuchResource);
    }
    let input = ToRoom::Stream { stream: known.stream, opening: None, input: StreamInput::End, answer: None };
    // The meeting, and with it the session, may have ended by itself.
    let _ = app.rooms.deliver_if_live(&known.room, input).await;
    Ok(StatusCode::OK)
}
