//! WHIP at `/whip/{room}` and WHEP at `/whep/{room}`: streams in and out of a room over HTTP (RFC 9725,
//! draft-ietf-wish-whep). What a request may do is decided in [`conclave_gateway`] and by the room.

mod cors;
mod endpoint;
mod refusal;
mod session;

use axum::Router;
use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, head};
use conclave_gateway::MediaType;
use conclave_proto::{ErrorCode, ProtocolError, RoomName};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::rooms::percent_encoded;
use crate::streams::Protocol;

pub(super) use cors::share;
use refusal::Refusal;

/// What the API's description shows.
pub(super) fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(endpoint::publish))
        .routes(routes!(endpoint::play))
        .routes(routes!(session::patch_whip, session::delete_whip))
        .routes(routes!(session::patch_whep, session::delete_whep))
}

/// What every HTTP resource does besides.
pub(super) fn plain() -> Router<App> {
    // RFC 9725 section 4.2 keeps GET for later: successful, and without content.
    let endpoint = || get(async || StatusCode::NO_CONTENT).options(offers_are_posted);
    Router::new()
        .route("/whip/{room}", endpoint())
        // A player may ask what it would get before it makes an offer.
        .route("/whep/{room}", endpoint().merge(head(describe_offer)))
        .route("/whip/{room}/{session}", get(session::look_whip).options(fragments_are_patched))
        .route("/whep/{room}/{session}", get(session::look_whep).options(fragments_are_patched))
}

async fn describe_offer() -> Response {
    (StatusCode::OK, [(header::CONTENT_TYPE, MediaType::Sdp.as_str())]).into_response()
}

async fn offers_are_posted() -> Response {
    (StatusCode::NO_CONTENT, [("accept-post", MediaType::Sdp.as_str())]).into_response()
}

async fn fragments_are_patched() -> Response {
    (StatusCode::NO_CONTENT, [("accept-patch", MediaType::SdpFragment.as_str())]).into_response()
}

/// The room of a path. Names have one spelling; another one leads there (307 keeps method and body, RFC
/// 9725 section 4.5).
fn room_of(protocol: Protocol, Path(text): Path<String>, RawQuery(query): RawQuery) -> Result<RoomName, Refusal> {
    let room = RoomName::parse(&text).map_err(|_| Refusal::NoSuchResource)?;
    if room.as_str() == text {
        return Ok(room);
    }
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let to = format!("/{}/{}{query}", protocol.name(), percent_encoded(room.as_str()));
    HeaderValue::from_str(&to).map_or(Err(Refusal::NoSuchResource), |to| Err(Refusal::Moved(to)))
}

/// The text of a body of this type.
fn text_of(headers: &HeaderMap, wanted: MediaType, body: &[u8]) -> Result<String, Refusal> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !wanted.is_named_by(content_type) {
        return Err(Refusal::WrongType(wanted));
    }
    let malformed = || ProtocolError::new(ErrorCode::BadSdp, "the body is not UTF-8");
    String::from_utf8(body.to_vec()).map_err(|_| malformed().into())
}
