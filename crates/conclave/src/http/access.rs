//! Who asks, and a record of it without personal data.

use std::time::Duration;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use conclave_proto::ErrorCode;

use super::{ApiError, App};
use crate::auth::{Bearer, unauthorized};
use crate::metrics::HTTP_REQUESTS;
use crate::net::{Host, Peer};

/// For a whole request, its body included.
const REQUEST: Duration = Duration::from_secs(30);

/// Whoever carries a valid token in `Authorization: Bearer …`. Asked first, so that an answer says
/// nothing about what exists to those who may not know.
pub struct Authenticated(pub Bearer);

impl FromRequestParts<App> for Authenticated {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let token = bearer_token(&parts.headers).ok_or_else(unauthorized)?;
        let peer = parts.extensions.get::<Peer>().ok_or_else(unauthorized)?;
        Ok(Self(app.auth.verify_from(peer.source, token, crate::rooms::unix_ms() / 1_000)?))
    }
}

/// Whoever carries the administrator's token.
pub struct Administrator;

impl FromRequestParts<App> for Administrator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let Authenticated(bearer) = Authenticated::from_request_parts(parts, app).await?;
        bearer.must_be_admin()?;
        Ok(Self)
    }
}

/// The token of an `Authorization` header (RFC 6750).
pub(super) fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Whether a request comes from this machine itself. One that a proxy passed on does not, and one
/// whose `Host` is a foreign name was sent by a page whose name was made to point here.
pub(super) fn is_local(peer: &Peer, headers: &HeaderMap) -> bool {
    const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    let host_is_local = peer.host.as_ref().is_some_and(Host::is_loopback);
    peer.is_loopback && host_is_local && !FORWARDED.iter().any(|name| headers.contains_key(*name))
}

/// Counts and logs each request by its route, which holds no name, and ends those that take too long.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("page", MatchedPath::as_str).to_owned();
    let method = known_method(request.method().as_str());
    let started = tokio::time::Instant::now();
    let response = match tokio::time::timeout(REQUEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let mut late = ApiError::new(ErrorCode::Internal, "the request took too long").into_response();
            *late.status_mut() = StatusCode::REQUEST_TIMEOUT;
            late
        }
    };
    let status = response.status().as_u16();
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(method, route, status, milliseconds, "request");
    metrics::counter!(HTTP_REQUESTS, "route" => route, "method" => method, "status" => status.to_string()).increment(1);
    response
}

/// What every answer says to browsers. An answer of the API is nobody's to keep, show or run.
pub(super) async fn harden(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let peer = request.extensions().get::<Peer>();
    let only_https = peer.is_some_and(|peer| must_stay_encrypted(peer, app.config.has_real_certificate()));
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name, value| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if only_https {
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    if is_api {
        set(header::CACHE_CONTROL, "no-store");
        set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    }
    response
}

/// Whether browsers may be told never to come by plain HTTP again (RFC 6797). That would hold for
/// every port of the host, so it is said only where the default one is this program's.
fn must_stay_encrypted(peer: &Peer, has_real_certificate: bool) -> bool {
    let is_default_port = peer.host.as_ref().is_some_and(|host| host.port().is_none() && host.ip().is_none());
    peer.is_tls && has_real_certificate && is_default_port
}

/// A method is a word that the client chooses freely: as it is, it would make metrics without end.
fn known_method(method: &str) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Source;

    fn local(is_loopback: bool, host: Option<&str>, headers: &[(&'static str, &str)]) -> bool {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).parse().expect("name"), value.parse().expect("value")))
            .collect();
        let source = Source::of([127, 0, 0, 1].into());
        is_local(&Peer { is_loopback, is_tls: false, host: host.and_then(Host::parse), source }, &headers)
    }

    #[test]
    fn only_this_machine_is_local() {
        assert!(local(true, Some("localhost:8443"), &[]));
        assert!(local(true, Some("[::1]:8443"), &[]));
        assert!(local(true, Some("127.0.0.1"), &[]));
        assert!(!local(false, Some("localhost:8443"), &[]));
    }

    #[test]
    fn what_a_proxy_or_a_rebound_name_brings_is_not_local() {
        assert!(!local(true, Some("localhost"), &[("x-forwarded-for", "192.0.2.1")]));
        assert!(!local(true, Some("localhost"), &[("forwarded", "for=192.0.2.1")]));
        assert!(!local(true, Some("evil.example:8443"), &[]));
        assert!(!local(true, None, &[]));
    }

    #[test]
    fn only_a_certificate_that_browsers_trust_at_the_default_port_binds_them_to_https() {
        let bound = |host: &str, is_tls, has_real_certificate| {
            let source = Source::of([192, 0, 2, 1].into());
            let peer = Peer { is_loopback: false, is_tls, host: Host::parse(host), source };
            must_stay_encrypted(&peer, has_real_certificate)
        };
        assert!(bound("meet.example", true, true));
        assert!(!bound("meet.example", true, false) && !bound("meet.example", false, true));
        assert!(!bound("meet.example:8443", true, true) && !bound("192.0.2.1", true, true));
    }

    #[test]
    fn bearer_tokens_are_read_as_the_standard_says() {
        let token = |value: &str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().expect("value"))]);
            bearer_token(&headers).map(str::to_owned)
        };
        assert_eq!(token("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(token("bearer abc").as_deref(), Some("abc"));
        assert_eq!(token("Basic abc"), None);
        assert_eq!(token("Bearer"), None);
    }
}
