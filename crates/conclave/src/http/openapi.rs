//! The API's description of itself.

use std::sync::Arc;

use axum::Json;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::App;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Conclave",
        description = "Rooms, people and tokens of a Conclave server. Meetings themselves are held over the WebSocket \
                       at /api/v1/signal, whose messages docs/protocol.md describes. Every error has the form \
                       ProtocolError.",
    ),
    tags(
        (name = "rooms", description = "Where people meet"),
        (name = "admin", description = "What happens in all rooms, and happened in the last hour"),
        (name = "streams", description = "Streams into rooms and out of them: WHIP and WHEP"),
        (name = "tokens", description = "Narrower rights than the administrator's"),
    ),
    modifiers(&BearerToken),
)]
struct Document;

struct BearerToken;

impl utoipa::Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The administrator's token (DATA/admin-token) or a minted one"))
            .build();
        document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// The document without its paths, which the router adds.
pub(super) fn skeleton() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

/// `GET /api/v1/openapi.json`.
pub(super) fn route(document: utoipa::openapi::OpenApi) -> MethodRouter<App> {
    let document = Arc::new(document);
    get(async move || Json(&*document).into_response())
}
