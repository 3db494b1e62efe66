//! What whoever runs the program looks at.

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::access::{bearer_token, is_local};
use super::{ApiError, App};
use crate::auth::unauthorized;
use crate::net::Peer;

/// `GET /healthz`: the program runs.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: it takes new people; not while it stops or the database is gone.
pub(super) async fn readyz(State(app): State<App>) -> Response {
    if app.stop.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response()
    } else if !app.storage.is_ready().await {
        (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response()
    } else {
        "ok\n".into_response()
    }
}

/// `GET /metrics`: for this machine and for the administrator.
pub(super) async fn metrics(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if !is_local(&peer, &headers) {
        let token = bearer_token(&headers).ok_or_else(unauthorized)?;
        app.auth.verify_from(peer.source, token, crate::rooms::unix_ms() / 1_000)?.must_be_admin()?;
    }
    let Some(recorder) = crate::metrics::recorder() else { return Ok(StatusCode::NOT_FOUND.into_response()) };
    recorder.run_upkeep();
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], recorder.render()).into_response())
}
