//! Pages of any origin may publish and play (RFC 9725 section 4.2): what they may do follows from the token
//! that they send along, never from a cookie.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

const HEADERS: [(HeaderName, &str); 6] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS, POST, PATCH, DELETE"),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, if-match"),
    (
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        "accept-patch, accept-post, etag, link, location, retry-after, www-authenticate",
    ),
    (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
];

/// Says so in every answer under `/whip` and `/whep`, refusals included: a page cannot read others.
pub(in crate::http) async fn share(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_stream = path.starts_with("/whip/") || path.starts_with("/whep/");
    let mut response = next.run(request).await;
    if is_stream {
        let headers = response.headers_mut();
        for (name, value) in HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    response
}
