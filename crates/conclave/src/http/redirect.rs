//! Plain HTTP from other machines: everything is at the same place over TLS.

use axum::Router;
use axum::extract::{Extension, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::net::Peer;

/// Answers every request with a redirect to the same address over HTTPS.
pub fn redirect_to_https() -> Router {
    Router::new().fallback(redirect)
}

/// 308 keeps method and body (RFC 9110, section 15.4.9). Publishers and players follow 307 (RFC 9725,
/// section 4.5).
async fn redirect(Extension(peer): Extension<Peer>, request: Request) -> Response {
    let Some(host) = peer.host else { return StatusCode::BAD_REQUEST.into_response() };
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let Ok(location) = HeaderValue::from_str(&format!("https://{host}{path}")) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let is_stream = path.starts_with("/whip/") || path.starts_with("/whep/");
    let status = if is_stream { StatusCode::TEMPORARY_REDIRECT } else { StatusCode::PERMANENT_REDIRECT };
    (status, [(header::LOCATION, location)]).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt;

    use super::*;
    use crate::net::{Host, Source};

    async fn answer(host: Option<&str>, path: &str) -> (StatusCode, Option<String>) {
        let peer = Peer {
            is_loopback: false,
            is_tls: false,
            host: host.and_then(Host::parse),
            source: Source::of([192, 0, 2, 1].into()),
        };
        let request = Request::builder().method("POST").uri(path).extension(peer).body(Body::empty());
        let response = redirect_to_https().oneshot(request.expect("request")).await.expect("infallible");
        let location = response.headers().get(header::LOCATION).map(|to| to.to_str().expect("ASCII").to_owned());
        (response.status(), location)
    }

    #[tokio::test]
    async fn the_same_place_over_tls() {
        let (status, location) = answer(Some("meet.example:8443"), "/m/team?name=x").await;
        assert_eq!(status, StatusCode::PERMANENT_REDIRECT);
        assert_eq!(location.as_deref(), Some("https://meet.example:8443/m/team?name=x"));
    }

    #[tokio::test]
    async fn publishers_and_players_are_redirected_as_their_standards_want_it() {
        for path in ["/whip/team", "/whep/team?source=screen"] {
            let (status, location) = answer(Some("meet.example"), path).await;
            assert_eq!(status, StatusCode::TEMPORARY_REDIRECT);
            assert_eq!(location, Some(format!("https://meet.example{path}")));
        }
    }

    #[tokio::test]
    async fn nowhere_without_a_proper_host() {
        assert_eq!(answer(None, "/").await, (StatusCode::BAD_REQUEST, None));
    }
}
