//! `POST /api/v1/tokens`.

use axum::Json;
use axum::extract::State;
use conclave_proto::{DisplayName, ErrorCode, ProtocolError, Role, RoomName, Secret};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiError, ApiJson, App, Authenticated};
use crate::auth::{Grants, MAX_LIFETIME};

/// What a new token is to give.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenRequest {
    /// The one room that it is for.
    room: RoomName,
    /// What its bearer is called; absent: as the bearer likes.
    #[serde(default)]
    name: Option<DisplayName>,
    /// Host or participant.
    #[serde(default = "participant")]
    role: Role,
    /// Whether microphone, camera and screen may be sent.
    #[serde(default = "yes")]
    may_publish: bool,
    /// Whether chat messages may be sent.
    #[serde(default = "yes")]
    may_chat: bool,
    /// How long it is valid: 1 second to 90 days.
    #[serde(default = "one_hour")]
    lifetime_seconds: u32,
}

fn participant() -> Role {
    Role::Participant
}

fn yes() -> bool {
    true
}

fn one_hour() -> u32 {
    3_600
}

/// A new token.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenReply {
    /// For `accessToken` in `join`, or `Authorization: Bearer`.
    token: Secret,
    /// When it ends: seconds since 1970-01-01 UTC.
    expires_at: u64,
}

/// Mints a token for one room.
///
/// Hosts' tokens can read their room and its people, change its options and close it.
#[utoipa::path(
    post, path = "/api/v1/tokens", tag = "tokens", security(("token" = [])),
    request_body = TokenRequest,
    responses(
        (status = 200, description = "The token", body = TokenReply),
        (status = "4XX", description = "Not valid, or not the administrator's token", body = ProtocolError),
    ),
)]
pub(super) async fn mint(
    State(app): State<App>,
    Authenticated(bearer): Authenticated,
    ApiJson(request): ApiJson<TokenRequest>,
) -> Result<Json<TokenReply>, ApiError> {
    bearer.must_be_admin()?;
    if !(1..=MAX_LIFETIME).contains(&request.lifetime_seconds) {
        return Err(ApiError::new(ErrorCode::Malformed, "lifetimeSeconds is 1 to 7776000"));
    }
    let grants = Grants {
        room: request.room,
        name: request.name,
        role: request.role,
        may_publish: request.may_publish,
        may_chat: request.may_chat,
    };
    let minted = app.auth.mint(grants, request.lifetime_seconds, crate::rooms::unix_ms() / 1_000)?;
    let token = Secret::parse(&minted.token)
        .map_err(|_| ApiError::new(ErrorCode::Internal, "the token came out longer than the protocol allows"))?;
    Ok(Json(TokenReply { token, expires_at: minted.expires_at }))
}
