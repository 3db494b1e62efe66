//! One HTTP request on a connection of its own: what a load generator saves by keeping connections, a server would not
//! have to do.

use std::fmt;
use std::str::FromStr;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderMap};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;

use super::site::{Site, Trust};
use super::{SignalError, in_time};

/// A token for a server. Prints as `***`.
#[derive(Clone)]
pub struct Bearer(String);

impl FromStr for Bearer {
    type Err = std::convert::Infallible;
    fn from_str(token: &str) -> Result<Self, Self::Err> {
        Ok(Self(token.to_owned()))
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl Bearer {
    /// The token itself, for whom it is meant.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

/// What a server answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// Answers longer than this are not those of a signalling server.
const MOST_BYTES: usize = 1 << 20;

pub(super) async fn request(
    method: Method,
    site: &Site,
    trust: Trust,
    bearer: Option<&Bearer>,
    body: Option<(&str, String)>,
) -> Result<Answer, SignalError> {
    in_time(async {
        let stream = TokioIo::new(site.connect(trust).await?);
        let unknown = |error: hyper::Error| SignalError::Unknown(error.to_string());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.map_err(unknown)?;
        let connection = tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(site.path()).header(HOST, site.authority());
        if let Some(bearer) = bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {}", bearer.reveal()));
        }
        if let Some((kind, _)) = &body {
            request = request.header(CONTENT_TYPE, *kind);
        }
        let body = body.map(|(_, body)| body).unwrap_or_default();
        let request = request.body(Full::new(Bytes::from(body)));
        let request = request.map_err(|error| SignalError::Unknown(error.to_string()))?;
        let (parts, body) = sender.send_request(request).await.map_err(unknown)?.into_parts();
        let body = Limited::new(body, MOST_BYTES).collect().await;
        let body = body.map_err(|error| SignalError::Unknown(error.to_string()))?.to_bytes();
        connection.abort();
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    })
    .await
}
