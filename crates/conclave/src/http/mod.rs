//! HTTP: the page, the API, and what an operator looks at.

mod access;
mod admin;
mod check;
mod error;
mod openapi;
mod operation;
mod page;
mod redirect;
mod rooms;
mod stream;
mod tokens;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use axum::{Router, middleware};
use conclave_media::MediaHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::Auth;
use crate::config::Config;
use crate::ice::IceServers;
use crate::monitor::Monitor;
use crate::rooms::Rooms;
use crate::signal::{self, Signal};
use crate::storage::Storage;
use crate::streams::Streams;

pub use access::{Administrator, Authenticated};
pub use admin::Feeds;
pub use check::Checks;
pub use error::{ApiError, ApiJson, ApiPath, ApiQuery};
pub use page::Page;
pub use redirect::redirect_to_https;

/// Largest body of a request to the API, in bytes.
const BODY_BYTES: usize = 64 * 1024;

/// What every handler can reach.
pub type App = Arc<AppState>;

/// The running program's parts.
pub struct AppState {
    /// What the owner chose.
    pub config: Config,
    /// Verifies tokens.
    pub auth: Auth,
    /// The database.
    pub storage: Storage,
    /// The live meetings.
    pub rooms: Rooms,
    /// The media plane.
    pub media: MediaHandle,
    /// What clients are told about STUN and TURN.
    pub ice: IceServers,
    /// Bounds on WebSockets.
    pub signal: Signal,
    /// The sessions of WHIP and WHEP.
    pub streams: Streams,
    /// Bounds on checks of a network.
    pub checks: Checks,
    /// The history that the administrator sees.
    pub monitor: Monitor,
    /// Bounds on live feeds of it.
    pub feeds: Feeds,
    /// The web page.
    pub page: Page,
    /// Cancelled when the program stops.
    pub stop: CancellationToken,
    /// What has to end before the program does.
    pub tasks: TaskTracker,
}

/// All routes.
pub fn router(app: App) -> Router {
    let (api, document) = api().split_for_parts();
    Router::new()
        .merge(api)
        .merge(stream::plain())
        .route("/api/v1/openapi.json", openapi::route(document))
        .route("/api/v1/signal", get(signal::open))
        .route("/api/v1/check", get(check::open))
        .route("/api/{*rest}", axum::routing::any(error::no_such_route))
        .route("/healthz", get(operation::healthz))
        .route("/readyz", get(operation::readyz))
        .route("/metrics", get(operation::metrics))
        .route("/", get(page::index))
        .route("/check", get(page::index))
        .route("/admin", get(page::index))
        .route("/admin/{*rest}", get(page::index))
        .route("/m/{room}", get(page::index))
        .fallback(page::asset)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(middleware::from_fn(stream::share))
        .layer(middleware::from_fn_with_state(app.clone(), access::harden))
        .layer(middleware::from_fn(access::observe))
        .with_state(app)
}

/// The documented routes; each is in the OpenAPI document because this is how it is routed.
fn api() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::skeleton())
        .routes(routes!(rooms::list, rooms::create))
        .routes(routes!(rooms::read, rooms::close))
        .routes(routes!(rooms::set_options))
        .routes(routes!(rooms::participants))
        .routes(routes!(rooms::preview))
        .merge(stream::documented())
        .routes(routes!(tokens::mint))
        .routes(routes!(admin::overview))
        .routes(routes!(admin::room))
        .routes(routes!(admin::participant))
        .routes(routes!(admin::feed))
}
