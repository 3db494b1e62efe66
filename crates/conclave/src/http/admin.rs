//! `/api/v1/admin/...`: what the administrator sees.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use conclave_proto::{
    AdminFeedMessage, AdminOverview, AdminParticipantDetail, AdminRoom, ErrorCode, ParticipantId, ProtocolError,
    RoomName,
};
use futures_util::stream::unfold;
use serde::Deserialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::access::Administrator;
use super::{ApiError, ApiPath, ApiQuery, App};
use crate::metrics::{Counted, FEEDS};

/// Live feeds at once; one more ends the oldest, which may belong to a page that is long gone.
const MOST_FEEDS: usize = 16;

/// What all rooms do, with the last hour.
#[utoipa::path(
    get, path = "/api/v1/admin/overview", tag = "admin", security(("token" = [])),
    responses(
        (status = 200, description = "All rooms together, and the list of them", body = AdminOverview),
        (status = "4XX", description = "Not the administrator's token", body = ProtocolError),
    ),
)]
pub(super) async fn overview(State(app): State<App>, _: Administrator) -> Json<AdminOverview> {
    Json(app.monitor.overview())
}

/// Who is, and was, in a room.
///
/// A room whose meeting is over is told for an hour.
#[utoipa::path(
    get, path = "/api/v1/admin/rooms/{room}", tag = "admin", security(("token" = [])),
    params(("room" = String, Path, description = "Its name")),
    responses(
        (status = 200, description = "Everybody of the last hour, with the last two minutes", body = AdminRoom),
        (status = 404, description = "Nobody was there within the last hour", body = ProtocolError),
        (status = "4XX", description = "Not the administrator's token", body = ProtocolError),
    ),
)]
pub(super) async fn room(
    State(app): State<App>,
    _: Administrator,
    ApiPath(room): ApiPath<RoomName>,
) -> Result<Json<AdminRoom>, ApiError> {
    Ok(Json(app.monitor.room(&room).ok_or_else(nobody_there)?))
}

/// A participant's connection, sources and slots.
#[utoipa::path(
    get, path = "/api/v1/admin/rooms/{room}/participants/{participant}", tag = "admin", security(("token" = [])),
    params(
        ("room" = String, Path, description = "The room's name"),
        ("participant" = String, Path, description = "The participant's identity in this session"),
    ),
    responses(
        (status = 200, description = "Each with the last hour", body = AdminParticipantDetail),
        (status = 404, description = "Nobody of this identity was there within the last hour", body = ProtocolError),
        (status = "4XX", description = "Not the administrator's token", body = ProtocolError),
    ),
)]
pub(super) async fn participant(
    State(app): State<App>,
    _: Administrator,
    ApiPath((room, participant)): ApiPath<(RoomName, ParticipantId)>,
) -> Result<Json<AdminParticipantDetail>, ApiError> {
    let detail = app.monitor.participant(&room, &participant);
    Ok(Json(detail.ok_or_else(|| ApiError::new(ErrorCode::NoSuchParticipant, "this participant is not known"))?))
}

fn nobody_there() -> ApiError {
    ApiError::new(ErrorCode::RoomClosed, "nobody was there within the last hour")
}

/// What a feed is about.
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FeedQuery {
    /// A room; absent: all rooms.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    room: Option<RoomName>,
    /// One of its participants, in addition.
    #[serde(default)]
    #[param(value_type = Option<String>)]
    participant: Option<ParticipantId>,
}

/// What happens, once a second.
///
/// Server-sent events (HTML, section 9.2), each with an AdminFeedMessage as its data. A reader that is
/// slow misses some. The feed ends when the program stops, when nothing is known of the room any more,
/// or when there are too many feeds.
#[utoipa::path(
    get, path = "/api/v1/admin/feed", tag = "admin", security(("token" = [])), params(FeedQuery),
    responses(
        (status = 200, description = "The events", body = AdminFeedMessage, content_type = "text/event-stream"),
        (status = 404, description = "Nobody was in the room within the last hour", body = ProtocolError),
        (status = "4XX", description = "Not the administrator's token", body = ProtocolError),
    ),
)]
pub(super) async fn feed(
    State(app): State<App>,
    _: Administrator,
    ApiQuery(query): ApiQuery<FeedQuery>,
) -> Result<Response, ApiError> {
    message(&app, &query).ok_or_else(nobody_there)?;
    let feed = Feed {
        looks: app.monitor.looks(),
        place: app.feeds.enter(),
        _counted: Counted::new(FEEDS),
        query,
        app,
        is_first: true,
    };
    let events = Body::from_stream(unfold(feed, Feed::next));
    Ok(([(header::CONTENT_TYPE, "text/event-stream")], events).into_response())
}

/// What is true now; none when nothing is known.
fn message(app: &App, query: &FeedQuery) -> Option<AdminFeedMessage> {
    let Some(room) = &query.room else {
        let overview = Some(app.monitor.overview_now());
        return Some(AdminFeedMessage { overview, room: None, participant: None });
    };
    let participant = query.participant.as_ref().and_then(|id| app.monitor.participant_now(room, id));
    Some(AdminFeedMessage { overview: None, room: Some(app.monitor.room_now(room)?), participant })
}

/// One reader. It is asked for the next event when the last one has been written: nothing waits for a
/// slow one.
struct Feed {
    app: App,
    query: FeedQuery,
    looks: watch::Receiver<u64>,
    place: Place,
    is_first: bool,
    _counted: Counted,
}

impl Feed {
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        // The first comes at once, so that a page knows that it is connected.
        if !std::mem::take(&mut self.is_first) {
            tokio::select! {
                changed = self.looks.changed() => changed.ok()?,
                () = self.place.ended.cancelled() => return None,
                () = self.app.stop.cancelled() => return None,
            }
        }
        let message = message(&self.app, &self.query)?;
        let json = serde_json::to_string(&message).ok()?;
        Some((Ok(format!("data: {json}\n\n").into()), self))
    }
}

/// The live feeds. Cheap to clone.
#[derive(Clone, Default)]
pub struct Feeds(Arc<Mutex<Open>>);

#[derive(Default)]
struct Open {
    next: u64,
    /// By age.
    feeds: BTreeMap<u64, CancellationToken>,
}

/// One live feed; given back when dropped.
struct Place {
    feeds: Feeds,
    number: u64,
    /// Cancelled when it has to end.
    ended: CancellationToken,
}

impl Feeds {
    /// One more; the oldest has to end if that is too many.
    fn enter(&self) -> Place {
        let mut open = self.open();
        let number = open.next;
        open.next += 1;
        if open.feeds.len() >= MOST_FEEDS
            && let Some((_, oldest)) = open.feeds.pop_first()
        {
            oldest.cancel();
        }
        let ended = CancellationToken::new();
        open.feeds.insert(number, ended.clone());
        drop(open);
        Place { feeds: self.clone(), number, ended }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        // No operation leaves it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.feeds.open().feeds.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_feed_too_many_ends_the_oldest() {
        let feeds = Feeds::default();
        let all: Vec<_> = (0..=MOST_FEEDS).map(|_| feeds.enter()).collect();
        let ended: Vec<_> = all.iter().map(|place| place.ended.is_cancelled()).collect();
        assert!(ended[0] && !ended[1..].contains(&true));
    }

    #[test]
    fn feeds_that_have_ended_make_room() {
        let feeds = Feeds::default();
        let first = feeds.enter();
        for _ in 0..MOST_FEEDS * 2 {
            drop(feeds.enter());
        }
        assert!(!first.ended.is_cancelled());
    }
}
