//! Accepting connections: TLS or plain, within deadlines and bounds.

use std::convert::Infallible;
use std::net::SocketAddr;
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
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::waiting::{Place, WaitingRoom};
use crate::http;
use crate::metrics::{CONNECTIONS, CONNECTIONS_DROPPED, Counted};

/// From the accepted connection to the end of the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// From there to the first whole request head.
const FIRST_REQUEST: Duration = Duration::from_secs(10);
/// Between requests on a connection that is kept.
const IDLE: Duration = Duration::from_secs(60);
/// Connections without a first request, at once.
const HALF_OPEN: usize = 1_024;
/// A peer that takes nothing for so long is gone (RFC 5482).
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
/// What the kernel holds for a peer beyond what is in flight. Whatever more one does not take waits
/// where it is counted.
const UNSENT_BYTES: u32 = 128 * 1024;
/// Largest request head.
const HEAD_BYTES: u32 = 32 * 1024;
/// After an error that every `accept` would have, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The first byte of a TLS record that holds a handshake (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// What is known about the other end of a connection. Deliberately not its address: whatever needs
/// no address cannot leak one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The connection comes from this machine.
    pub is_loopback: bool,
    /// It is encrypted.
    pub is_tls: bool,
}

/// Accepts connections until it is told to stop.
pub struct Acceptor {
    /// Serves encrypted and local connections.
    pub router: Router,
    /// The server's side of TLS.
    pub tls: TlsAcceptor,
    /// Most connections at once.
    pub max_connections: usize,
    /// Ends accepting, and connections as soon as they have answered.
    pub stop: CancellationToken,
    /// Every connection's task.
    pub tasks: TaskTracker,
}

impl Acceptor {
    /// Runs until stopped.
    pub async fn run(self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(self.max_connections.min(Semaphore::MAX_PERMITS)));
        let waiting = WaitingRoom::new(HALF_OPEN);
        let shared = Arc::new(self);
        loop {
            let accepted = tokio::select! {
                () = shared.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, address) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    dropped("accept");
                    tracing::warn!(kind = ?error.kind(), "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(permit) = places.clone().try_acquire_owned() else {
                dropped("full");
                continue;
            };
            let connection = shared.clone().serve(stream, address, waiting.enter());
            shared.tasks.spawn(async move {
                let _counted = Counted::new(CONNECTIONS);
                connection.await;
                drop(permit);
            });
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, address: SocketAddr, place: Place) {
        let _ = stream.set_nodelay(true);
        let socket = SockRef::from(&stream);
        let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        let _ = socket.set_tcp_notsent_lowat(UNSENT_BYTES);
        let is_loopback = address.ip().to_canonical().is_loopback();
        let evicted = place.evicted();
        tokio::select! {
            () = evicted.cancelled() => dropped("half-open"),
            () = self.tell_apart(stream, is_loopback, place) => {}
        }
    }

    async fn tell_apart(&self, stream: TcpStream, is_loopback: bool, place: Place) {
        let mut first = [0];
        match timeout(HANDSHAKE, stream.peek(&mut first)).await {
            Ok(Ok(1..)) => {}
            Ok(_) => return,
            Err(_) => return dropped("handshake"),
        }
        if first[0] == TLS_HANDSHAKE {
            let peer = Peer { is_loopback, is_tls: true };
            match timeout(HANDSHAKE, self.tls.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                    self.serve_http(stream, is_http2, peer, self.router.clone(), place).await;
                }
                Ok(Err(_)) => dropped("tls"),
                Err(_) => dropped("handshake"),
            }
        } else {
            let peer = Peer { is_loopback, is_tls: false };
            let router = if is_loopback { self.router.clone() } else { http::redirect_to_https() };
            self.serve_http(stream, false, peer, router, place).await;
        }
    }

    async fn serve_http<S>(&self, stream: S, is_http2: bool, peer: Peer, router: Router, place: Place)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let first = Arc::new(FirstRequest { place: Mutex::new(Some(place)), seen: CancellationToken::new() });
        let service = RequestService { router, peer, first: first.clone() };
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
    router: Router,
    peer: Peer,
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
        Service::<Request<Body>>::poll_ready(&mut self.router, context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if !self.first.seen.is_cancelled() {
            self.first.seen.cancel();
            self.first.place.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(self.peer);
        self.router.call(request)
    }
}

fn dropped(reason: &'static str) {
    metrics::counter!(CONNECTIONS_DROPPED, "reason" => reason).increment(1);
}
