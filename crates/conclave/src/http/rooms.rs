//! `/api/v1/rooms`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use conclave_proto::{DisplayName, ErrorCode, Participant, ProtocolError, RoomName, RoomOptions, TopologyState};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};
use utoipa::ToSchema;

use super::{ApiError, ApiJson, ApiPath, ApiQuery, App, Authenticated};
use crate::rooms::{Snapshot, unix_ms};
use crate::storage::RoomRecord;

/// Most rooms in one answer.
const PAGE: u32 = 200;
/// A preview is answered after so long, whatever was found, so that its time tells nothing.
const PREVIEW: Duration = Duration::from_millis(40);

/// A new room.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewRoom {
    /// Its name; absent: a random one of 96 bits.
    #[serde(default)]
    name: Option<RoomName>,
    /// What its owner chooses.
    #[serde(default)]
    options: RoomOptions,
}

/// A room.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomInfo {
    /// Its name.
    name: RoomName,
    /// The page's path.
    path: String,
    /// What its owner chose.
    options: RoomOptions,
    /// When it was made: milliseconds since 1970-01-01 UTC.
    created_at_ms: u64,
    /// When somebody was last there: milliseconds since 1970-01-01 UTC.
    used_at_ms: u64,
    /// How many are there now.
    participants: u32,
    /// How media flows, while somebody is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    topology: Option<TopologyState>,
}

impl RoomInfo {
    fn new(record: RoomRecord, live: Option<Snapshot>) -> Self {
        let path = format!("/m/{}", percent_encoded(record.name.as_str()));
        Self {
            path,
            options: live.as_ref().map_or(record.options, |live| live.state.options.clone()),
            created_at_ms: record.created_ms,
            used_at_ms: if live.is_some() { unix_ms() } else { record.used_ms },
            participants: live.as_ref().map_or(0, |live| live.participants.len() as u32),
            topology: live.map(|live| live.state.topology),
            name: record.name,
        }
    }
}

/// RFC 3986, section 2.1: a room name is letters and digits of any script.
pub(super) fn percent_encoded(name: &str) -> String {
    use std::fmt::Write;
    name.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
        out
    })
}

/// Which part of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Rooms after this name.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    after: Option<RoomName>,
    /// At most so many: 1 to 200, by default 200.
    #[serde(default)]
    limit: Option<u32>,
}

/// A part of the list of rooms.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoomList {
    /// By name.
    rooms: Vec<RoomInfo>,
    /// For `after`, when there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<RoomName>,
}

/// Lists the rooms.
#[utoipa::path(
    get, path = "/api/v1/rooms", tag = "rooms", security(("token" = [])), params(ListQuery),
    responses(
        (status = 200, description = "Rooms by name", body = RoomList),
        (status = "4XX", description = "Not the administrator's token", body = ProtocolError),
    ),
)]
pub(super) async fn list(
    State(app): State<App>,
    Authenticated(bearer): Authenticated,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Json<RoomList>, ApiError> {
    bearer.must_be_admin()?;
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let mut records = app.storage.rooms(query.after, limit + 1).await?;
    let more = records.len() > limit as usize;
    records.truncate(limit as usize);
    let next = records.last().filter(|_| more).map(|record| record.name.clone());
    let mut rooms = Vec::with_capacity(records.len());
    for record in records {
        let live = app.rooms.look(&record.name).await;
        rooms.push(RoomInfo::new(record, live));
    }
    Ok(Json(RoomList { rooms, next }))
}

/// Makes a room.
///
/// A room that exists is answered as it is; its options stay.
#[utoipa::path(
    post, path = "/api/v1/rooms", tag = "rooms", security(("token" = [])), request_body = NewRoom,
    responses(
        (status = 201, description = "It was made", body = RoomInfo),
        (status = 200, description = "It existed", body = RoomInfo),
        (status = "4XX", description = "Not valid, or not the administrator's token", body = ProtocolError),
    ),
)]
pub(super) async fn create(
    State(app): State<App>,
    Authenticated(bearer): Authenticated,
    ApiJson(new): ApiJson<NewRoom>,
) -> Result<(StatusCode, Json<RoomInfo>), ApiError> {
    bearer.must_be_admin()?;
    let name = match new.name {
        Some(name) => name,
        None => random_name()?,
    };
    app.rooms.check_options(&name, &new.options)?;
    let made = app.storage.create(name.clone(), new.options, unix_ms()).await?;
    let status = if made { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(info(&app, name).await?)))
}

/// 96 bits, so that nobody finds the room by trying.
fn random_name() -> Result<RoomName, ProtocolError> {
    // Names are in lower case, so base 32 in place of base 64: 20 characters of 5 bits.
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let random: [u8; 20] = rand::random();
    let text: String = random.iter().map(|byte| char::from(LETTERS[usize::from(byte & 31)])).collect();
    RoomName::parse(&text).map_err(|_| ProtocolError::new(ErrorCode::Internal, "no name could be made"))
}

/// Reads a room.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}", tag = "rooms", security(("token" = [])),
    params(("room" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "The room", body = RoomInfo),
        (status = 404, description = "There is no such room", body = ProtocolError),
        (status = "4XX", description = "Not a token for this", body = ProtocolError),
    ),
)]
pub(super) async fn read(
    State(app): State<App>,
    Authenticated(bearer): Authenticated,
    ApiPath(room): ApiPath<RoomName>,
) -> Result<Json<RoomInfo>, ApiError> {
    bearer.must_host(&room)?;
    Ok(Json(info(&app, room).await?))
}

async fn info(app: &App, name: RoomName) -> Result<RoomInfo, ApiError> {
    let record = app.storage.room(name.clone()).await?.ok_or_else(no_such_room)?;
    Ok(RoomInfo::new(record, app.rooms.look(&name).await))
}

fn no_such_room() -> ProtocolError {
    ProtocolError::new(ErrorCode::RoomClosed, "there is no such room")
}

/// Ends the meeting for everybody and forgets the room with its chat.
#[utoipa::path(
    delete, path = "/api/v1/rooms/{room}", tag = "rooms", security(("token" = [])),
    params(("room" = String, Path, description = "Its name")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "There is no such room", body = ProtocolError),
        (status = "4XX", description = "Not a token for this", body = ProtocolError),
    ),
)]
pub(super) async fn close(
    State(app): State<App>,
    Authenticated(bearer): Authenticated,
    ApiPath(room): ApiPath<RoomName>,
) -> Result<StatusCode, ApiError> {
    bearer.must_host(&room)?;
    app.rooms.close(&room).await;
    if app.storage.delete(room).await? { Ok(StatusCode::NO_CONTENT) } else { Err(no_such_room().into()) }
}

/// Changes what the room's owner chose.
#[utoipa::path(
    put, path = "/api/v1/rooms/{room}/options", tag = "rooms", security(("token" = [])),
    params(("room" = String, Path, description = "Its name")), request_body = RoomOptions,
    responses(
        (status = 200, description = "The room", body = RoomInfo),
        (status = 404, description = "There is no such room", body = ProtocolError),
        (status = "4XX", description = "Not valid, or not a token for this", body = ProtocolError),
    ),
)]
pub(super) async fn set_options(
    State(app): State<App>,
    Authenticated(bearer): Authenticated,
    ApiPath(room): ApiPath<RoomName>,
    ApiJson(options): ApiJson<RoomOptions>,
) -> Result<Json<RoomInfo>, ApiError> {
    bearer.must_host(&room)?;
    app.storage.room(room.clone()).await?.ok_or_else(no_such_room)?;
    app.rooms.set_options(&room, options).await?;
    Ok(Json(info(&app, room).await?))
}

/// Everybody in a room.
#[derive(Debug, Serialize, ToSchema)]
pub struct ParticipantList {
    /// In the order of arrival.
    #[schema(value_type = Vec<Object>)]
    participants: Vec<Participant>,
}

/// Lists the people in a room.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/participants", tag = "rooms", security(("token" = [])),
    params(("room" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "Everybody, in the order of arrival", body = ParticipantList),
        (status = 404, description = "There is no such room", body = ProtocolError),
        (status = "4XX", description = "Not a token for this", body = ProtocolError),
    ),
)]
pub(super) async fn participants(
    State(app): State<App>,
    Authenticated(bearer): Authenticated,
    ApiPath(room): ApiPath<RoomName>,
) -> Result<Json<ParticipantList>, ApiError> {
    bearer.must_host(&room)?;
    app.storage.room(room.clone()).await?.ok_or_else(no_such_room)?;
    let participants = app.rooms.look(&room).await.map_or_else(Vec::new, |live| live.participants);
    Ok(Json(ParticipantList { participants }))
}

/// A room as somebody sees it who holds its link and has not entered.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Preview {
    /// The first who are there, at most 8; nobody is named in a locked room.
    participants: Vec<PreviewParticipant>,
    /// How many are there; none in a locked room.
    count: u32,
    /// Nobody new may come in.
    locked: bool,
    /// As many are there as may be.
    full: bool,
}

/// Somebody in a room.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewParticipant {
    /// What the person is called.
    name: DisplayName,
}

/// What the page shows before one joins.
///
/// Needs no token. A room that does not exist is answered like one where nobody is, with the same body and after the same time.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/preview", tag = "rooms",
    params(("room" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "Who is there", body = Preview),
        (status = 422, description = "No room can have this name", body = ProtocolError),
    ),
)]
pub(super) async fn preview(
    State(app): State<App>,
    ApiPath(room): ApiPath<RoomName>,
) -> Result<Json<Preview>, ApiError> {
    let answer_at = Instant::now() + PREVIEW;
    // Only who is there now is looked up: a stored room that stands empty must not differ from one
    // that does not exist, be it locked or not.
    let preview = match app.rooms.glance(&room).await {
        Some(live) if live.is_locked => Preview { locked: true, full: live.is_full, ..Preview::default() },
        Some(live) => Preview {
            participants: live.names.into_iter().map(|name| PreviewParticipant { name }).collect(),
            count: live.count as u32,
            locked: false,
            full: live.is_full,
        },
        None => Preview::default(),
    };
    sleep_until(answer_at).await;
    Ok(Json(preview))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_names_are_valid_and_differ() {
        let (one, other) = (random_name().expect("made"), random_name().expect("made"));
        assert_ne!(one, other);
        assert_eq!(one.as_str().len(), 20);
    }

    #[test]
    fn a_path_is_ascii_whatever_the_name() {
        assert_eq!(percent_encoded("team-会"), "team-%E4%BC%9A");
    }
}
