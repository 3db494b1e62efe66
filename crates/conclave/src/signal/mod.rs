//! The WebSocket at `/api/v1/signal`: who may open it, within which bounds, and how its messages
//! reach a meeting.

mod budget;
mod connection;
mod origin;

use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use conclave_proto::{ErrorCode, ProtocolError, limits};

use crate::http::{ApiError, App};
use crate::metrics::{Counted, WEBSOCKETS};
use crate::net::{Peer, WaitingRoom};
use connection::Connection;

pub use origin::is_allowed;

/// WebSockets that have not yet joined, at once.
const NOT_JOINED: usize = 1_024;
/// What the parser buffers at most. Larger than [`limits::MESSAGE_BYTES`], so that a message
/// somewhat too large is read to its end and its sender hears why the connection closes.
const HARD_MESSAGE_BYTES: usize = 4 * limits::MESSAGE_BYTES;

/// What all connections share.
#[derive(Clone)]
pub struct Signal {
    waiting: Arc<WaitingRoom>,
}

impl Default for Signal {
    fn default() -> Self {
        Self { waiting: WaitingRoom::new(NOT_JOINED) }
    }
}

/// `GET /api/v1/signal`.
pub async fn open(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    if !is_allowed(&headers, &peer, &app.config.allowed_origins) {
        let error =
            ProtocolError::new(ErrorCode::Forbidden, "pages of this origin may not connect; see allowed-origin");
        return ApiError(error).into_response();
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(_) => return ApiError(ProtocolError::new(ErrorCode::Malformed, "a WebSocket is expected")).into_response(),
    };
    let place = app.signal.waiting.enter(peer.source);
    // Held until the connection has ended, so that the program ends after it.
    let token = app.tasks.token();
    upgrade
        .max_message_size(HARD_MESSAGE_BYTES)
        .max_frame_size(HARD_MESSAGE_BYTES)
        .read_buffer_size(8 * 1024)
        .write_buffer_size(8 * 1024)
        .on_upgrade(async move |socket| {
            let _token = token;
            let _counted = Counted::new(WEBSOCKETS);
            Connection::run(socket, app, place, peer.host).await;
        })
}
