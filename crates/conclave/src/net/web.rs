//! HTTP on a connection that has said that it speaks it.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::accept::dropped;
use super::forwarded::{self, Hop};
use super::waiting::Place;
use crate::config::Proxies;

/// From the beginning to the first whole request head.
const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// Between requests on a connection that is kept.
const IDLE: Duration = Duration::from_secs(60);
/// Largest request head.
const HEAD_BYTES: u32 = 32 * 1024;

/// What serves requests.
#[derive(Clone)]
pub(super) struct Web {
    /// Encrypted requests, and those of this machine.
    pub(super) router: Router,
    /// All others.
    pub(super) redirect: Router,
    pub(super) proxies: Arc<Proxies>,
    /// Ends connections as soon as they have answered.
    pub(super) stop: CancellationToken,
}

impl Web {
    /// Serves requests until one side has had enough. `place` is given back at the first one.
    pub(super) async fn serve<S>(&self, stream: S, is_http2: bool, hop: Hop, place: Place)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let first = Arc::new(FirstRequest { place: Mutex::new(Some(place)), seen: CancellationToken::new() });
        let service = RequestService { web: self.clone(), hop, first: first.clone() };
        let builder = http_builder(is_http2);
        let connection =
            builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service));
        let mut connection = pin!(connection);
        let deadline = tokio::time::sleep(FIRST_REQUEST);
        tokio::pin!(deadline);
        let mut stopping = false;
        loop {
            tokio::select! {
                // How a connection ends is the peer's affair.
                _ = connection.as_mut() => return,
                () = &mut deadline, if !first.seen.is_cancelled() => return dropped("no-request"),
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

fn http_builder(is_http2: bool) -> auto::Builder<TokioExecutor> {
    let builder = auto::Builder::new(TokioExecutor::new());
    // The protocol is known from ALPN; letting the builder guess would let it wait without end.
    let mut builder = if is_http2 { builder.http2_only() } else { builder.http1_only() };
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(HEAD_BYTES as usize)
        .max_headers(64);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20))
        .max_concurrent_streams(64)
        .max_header_list_size(HEAD_BYTES);
    builder
}

/// Leaves the waiting room at the first request.
struct FirstRequest {
    place: Mutex<Option<Place>>,
    seen: CancellationToken,
}

#[derive(Clone)]
struct RequestService {
    web: Web,
    hop: Hop,
    first: Arc<FirstRequest>,
}

impl<B> Service<Request<B>> for RequestService
where
    B: axum::body::HttpBody<Data = axum::body::Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = <Router as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, context: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        Service::<Request<Body>>::poll_ready(&mut self.web.router, context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if !self.first.seen.is_cancelled() {
            self.first.seen.cancel();
            self.first.place.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        let mut request = request.map(Body::new);
        // Each request anew: a proxy sends those of many clients over one connection.
        let peer = forwarded::peer(&self.hop, &self.web.proxies, request.headers(), request.uri());
        let router = if peer.is_tls || peer.is_loopback { &mut self.web.router } else { &mut self.web.redirect };
        request.extensions_mut().insert(peer);
        router.call(request)
    }
}
