//! Making a session: `POST` of an offer.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use conclave_gateway::{EntityTag, MediaType, Session, description, ice_links};
use conclave_media::{played, published};
use conclave_proto::{DisplayName, ErrorCode, ParticipantId, ProtocolError, RoomName, Sdp, SourceKind};
use conclave_room::{Authority, Digest, StreamAnswer, StreamInput, Watch};
use serde::Deserialize;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::{Refusal, room_of, text_of};
use crate::auth::{Bearer, unauthorized};
use crate::http::access::bearer_token;
use crate::http::rooms::percent_encoded;
use crate::http::{ApiQuery, App};
use crate::net::Peer;
use crate::rooms::{ToRoom, unix_ms};
use crate::streams::{Known, Protocol, digest};

/// A room without anything to watch is answered after so long, whether it exists or not.
const NOTHING_LIVE: Duration = Duration::from_millis(40);
/// When a player may ask again whether something is live.
const ASK_AGAIN_MS: u32 = 5_000;
/// What a publisher is called that nobody named.
const UNNAMED: &str = "Stream";

/// What a publisher may choose.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PublishQuery {
    /// What the stream is called, unless the token says it.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    name: Option<DisplayName>,
}

/// What a player may choose.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct PlayQuery {
    /// Only this participant; absent: the room's stage, and whoever speaks.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    participant: Option<ParticipantId>,
    /// Only pictures of this kind: `camera` or `screen`.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    source: Option<SourceKind>,
}

/// Publishes a stream into a room (WHIP, RFC 9725).
///
/// It becomes a participant with a tile. Always needs a token that may publish.
#[utoipa::path(
    post, path = "/whip/{room}", tag = "streams", security(("token" = [])),
    params(("room" = String, Path, description = "The room's name"), PublishQuery),
    request_body(content = String, content_type = "application/sdp", description = "An offer"),
    responses(
        (status = 201, description = "The session is at Location", body = String, content_type = "application/sdp"),
        (status = 307, description = "The room has another spelling"),
        (status = 406, description = "Nothing of the offer is taken", body = ProtocolError),
        (status = 415, description = "Not application/sdp", body = ProtocolError),
        (status = "4XX", description = "Not valid, or not a token for this", body = ProtocolError),
    ),
)]
pub(super) async fn publish(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    path: Path<String>,
    raw_query: RawQuery,
    query: Result<ApiQuery<PublishQuery>, crate::http::ApiError>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let room = room_of(Protocol::Whip, path, raw_query)?;
    let asked = Asked::new(&app, &peer, &headers, &room)?;
    // Before anything is said about the room or the offer.
    let authority = asked.authority.ok_or_else(unauthorized)?;
    if !matches!(authority, Authority::Admin | Authority::Token { may_publish: true, .. }) {
        return Err(ProtocolError::new(ErrorCode::Forbidden, "this token does not allow publishing").into());
    }
    let sdp = offer(&headers, &body?)?;
    let media = published(&sdp)?;
    let ApiQuery(query) = query.map_err(|error| error.0)?;
    let unnamed = || DisplayName::parse(UNNAMED).map_err(|_| ProtocolError::new(ErrorCode::BadName, "no name"));
    let name = asked.name.clone().or(query.name).map_or_else(unnamed, Ok)?;
    let input = StreamInput::Publish { name, authority, sdp: sdp.clone(), media };
    open(&app, &peer, Protocol::Whip, room, asked, sdp, input).await
}

/// Plays a room's stage, or one participant (WHEP, draft-ietf-wish-whep).
///
/// The stage is the shared screen, or whoever speaks; it changes without another offer. Needs no token, unless
/// the room is locked.
#[utoipa::path(
    post, path = "/whep/{room}", tag = "streams", security((), ("token" = [])),
    params(("room" = String, Path, description = "The room's name"), PlayQuery),
    request_body(content = String, content_type = "application/sdp", description = "An offer"),
    responses(
        (status = 201, description = "The session is at Location", body = String, content_type = "application/sdp"),
        (status = 307, description = "The room has another spelling"),
        (status = 406, description = "Nothing of the offer is taken", body = ProtocolError),
        (status = 409, description = "There is nothing to watch; Retry-After says when to ask again", body = ProtocolError),
        (status = 415, description = "Not application/sdp", body = ProtocolError),
        (status = "4XX", description = "Not valid, or not a token for this", body = ProtocolError),
    ),
)]
pub(super) async fn play(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    path: Path<String>,
    raw_query: RawQuery,
    query: Result<ApiQuery<PlayQuery>, crate::http::ApiError>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let answer_at = Instant::now() + NOTHING_LIVE;
    let room = room_of(Protocol::Whep, path, raw_query)?;
    let asked = Asked::new(&app, &peer, &headers, &room)?;
    let sdp = offer(&headers, &body?)?;
    let pictures = played(&sdp)?;
    let ApiQuery(query) = query.map_err(|error| error.0)?;
    if query.source.is_some_and(SourceKind::is_audio) {
        return Err(ProtocolError::new(ErrorCode::Malformed, "source is camera or screen").into());
    }
    let watch = Watch { participant: query.participant, source: query.source, pictures };
    let authority = asked.authority.unwrap_or(Authority::None);
    let input = StreamInput::Watch { authority, sdp: sdp.clone(), watch };
    let opened = open(&app, &peer, Protocol::Whep, room, asked, sdp, input).await;
    if matches!(&opened, Err(Refusal::Error(error)) if error.code == ErrorCode::NothingLive) {
        sleep_until(answer_at).await;
    }
    opened
}

/// Who asks for a session.
struct Asked {
    /// Absent: without a token.
    authority: Option<Authority>,
    /// The token says what its bearer is called.
    name: Option<DisplayName>,
    token: Option<Digest>,
    is_admin: bool,
}

impl Asked {
    fn new(app: &App, peer: &Peer, headers: &HeaderMap, room: &RoomName) -> Result<Self, ProtocolError> {
        app.streams.admit(peer.source)?;
        let Some(token) = bearer_token(headers) else {
            // A header that is there and cannot be read is a wrong token, not none.
            let none = Self { authority: None, name: None, token: None, is_admin: false };
            return if headers.contains_key(header::AUTHORIZATION) { Err(unauthorized()) } else { Ok(none) };
        };
        let bearer = app.auth.verify_from(peer.source, token, unix_ms() / 1_000)?;
        let token = digest(token);
        match bearer {
            Bearer::Admin => Ok(Self { authority: Some(Authority::Admin), name: None, token, is_admin: true }),
            Bearer::Token(grants) if grants.room == *room => {
                let authority =
                    Authority::Token { role: grants.role, may_publish: grants.may_publish, may_chat: grants.may_chat };
                Ok(Self { authority: Some(authority), name: grants.name, token, is_admin: false })
            }
            Bearer::Token(_) => Err(unauthorized()),
        }
    }
}

fn offer(headers: &HeaderMap, body: &Bytes) -> Result<Sdp, Refusal> {
    let text = text_of(headers, MediaType::Sdp, body)?;
    Sdp::parse(text).map_err(|code| ProtocolError::new(code, "the description is too large").into())
}

async fn open(
    app: &App,
    peer: &Peer,
    protocol: Protocol,
    room: RoomName,
    asked: Asked,
    offer: Sdp,
    input: StreamInput,
) -> Result<Response, Refusal> {
    let lease = app.streams.open(asked.token.filter(|_| !asked.is_admin))?;
    let (key, stream) = (lease.key(), lease.stream());
    let (answer, answered) = oneshot::channel();
    let input = ToRoom::Stream { stream, opening: Some(lease), input, answer: Some(answer) };
    match protocol {
        Protocol::Whip => drop(app.rooms.deliver(&room, input).await?),
        // Who only watches makes no room.
        Protocol::Whep => app.rooms.deliver_if_live(&room, input).await.map_err(|_| nothing_live())?,
    }
    // The room is over if nobody answers.
    let answer = answered.await.unwrap_or_else(|_| Err(nothing_live())).map_err(|error| match error.code {
        ErrorCode::NothingLive => nothing_live(),
        _ => error,
    })?;
    let credentials = description::credentials(offer.as_str())
        .ok_or_else(|| ProtocolError::new(ErrorCode::BadSdp, "the offer has no usable ICE credentials"))?;
    let tag = EntityTag::new(rand::random());
    let session = Session::new(tag, credentials);
    let location = format!("/{}/{}/{}", protocol.name(), percent_encoded(room.as_str()), key.to_text());
    app.streams.describe(key, Known { stream, protocol, room, token: asked.token, offer, session });
    Ok(created(app, peer, &location, tag, answer))
}

fn nothing_live() -> ProtocolError {
    ProtocolError {
        retry_after_ms: Some(ASK_AGAIN_MS),
        ..ProtocolError::new(ErrorCode::NothingLive, "there is nothing to watch now")
    }
}

fn created(app: &App, peer: &Peer, location: &str, tag: EntityTag, answer: StreamAnswer) -> Response {
    let ice = app.ice.config(peer.host.as_ref(), answer.participant.as_str(), unix_ms() / 1_000);
    let mut response = (StatusCode::CREATED, String::from(answer.sdp)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MediaType::Sdp.as_str()));
    headers.insert(HeaderName::from_static("accept-patch"), HeaderValue::from_static(MediaType::SdpFragment.as_str()));
    let mut add = |name, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.append(name, value);
        }
    };
    add(header::LOCATION, location);
    add(header::ETAG, &tag.to_string());
    ice_links(&ice).iter().for_each(|link| add(header::LINK, link));
    response
}
