//! Accepting connections, and telling by their first bytes what they are, within deadlines and
//! bounds.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use conclave_media::{MediaHandle, StreamKind};
use conclave_turn::demux::{StreamStart, classify_stream};
use conclave_turn::proxy::{self, Parsed};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::certificate::ALPN_TURN;
use super::forwarded::Hop;
use super::peer::Source;
use super::prefixed::Prefixed;
use super::relay;
use super::waiting::{Place, WaitingRoom};
use super::web::Web;
use crate::config::Proxies;
use crate::metrics::{CONNECTIONS, CONNECTIONS_DROPPED, Counted};

/// From the accepted connection until it is known what is spoken on it: PROXY header, TLS handshake
/// and first bytes together.
const BEGINNING: Duration = Duration::from_secs(10);
/// Connections that are not yet of any use, at once; half of all at most, so that the others always
/// have room.
const HALF_OPEN: usize = 1_024;
/// A peer that takes nothing for so long is gone (RFC 5482).
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);
/// What the kernel holds for a peer beyond what is in flight. Whatever more one does not take waits
/// where it is counted.
const UNSENT_BYTES: u32 = 128 * 1024;
/// After an error that every `accept` would have, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// For the other end to close its side too.
const CLOSING: Duration = Duration::from_secs(1);
/// Most that is read from somebody who has been refused.
const CLOSING_BYTES: u64 = 64 * 1024;

/// Accepts connections until it is told to stop.
pub struct Acceptor {
    web: Web,
    tls: TlsAcceptor,
    media: MediaHandle,
    max_connections: usize,
    tasks: TaskTracker,
}

/// What an [`Acceptor`] is made of.
pub struct AcceptorParts {
    /// Serves encrypted and local requests.
    pub router: Router,
    /// Answers all others.
    pub redirect: Router,
    /// The server's side of TLS.
    pub tls: TlsAcceptor,
    /// Takes the connections that carry media.
    pub media: MediaHandle,
    /// Whose word about clients counts.
    pub proxies: Proxies,
    /// Most connections at once.
    pub max_connections: usize,
    /// Ends accepting, and connections as soon as they have answered.
    pub stop: CancellationToken,
    /// Every connection's task.
    pub tasks: TaskTracker,
}

/// A connection of which it is known what it begins with.
struct Begun {
    stream: Prefixed<TcpStream>,
    start: StreamStart,
    hop: Hop,
    deadline: Instant,
}

impl Acceptor {
    /// From its parts.
    pub fn new(parts: AcceptorParts) -> Self {
        let AcceptorParts { router, redirect, tls, media, proxies, max_connections, stop, tasks } = parts;
        let web = Web { router, redirect, proxies: proxies.into(), stop };
        Self { web, tls, media, max_connections, tasks }
    }

    /// Runs until stopped.
    pub async fn run(self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(self.max_connections.min(Semaphore::MAX_PERMITS)));
        let waiting = WaitingRoom::new(HALF_OPEN.min(self.max_connections / 2));
        let shared = Arc::new(self);
        loop {
            let accepted = tokio::select! {
                () = shared.web.stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let (stream, address) = match accepted {
                Ok((stream, address)) => (stream, SocketAddr::new(address.ip().to_canonical(), address.port())),
                Err(error) => {
                    dropped("accept");
                    tracing::warn!(kind = ?error.kind(), "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(permit) = permit(&places, &waiting).await else {
                dropped("full");
                continue;
            };
            let connection = shared.clone().serve(stream, address, waiting.clone());
            shared.tasks.spawn(async move {
                let _counted = Counted::new(CONNECTIONS);
                connection.await;
                drop(permit);
            });
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, address: SocketAddr, waiting: Arc<WaitingRoom>) {
        configure(&stream);
        let deadline = Instant::now() + BEGINNING;
        let place = waiting.enter(Source::of(address.ip()));
        let begun = tokio::select! {
            () = place.evicted().cancelled_owned() => return dropped("half-open"),
            begun = timeout_at(deadline, self.begin(stream, address, deadline)) => begun,
        };
        let begun = match begun {
            Ok(Ok(begun)) => begun,
            // How a connection breaks is the peer's affair.
            Ok(Err(_)) => return,
            Err(_) => return dropped("handshake"),
        };
        // Behind a load balancer the bounds are the client's, not the load balancer's.
        let source = Source::of(begun.hop.remote.ip());
        let place = if place.source() == source { place } else { waiting.enter(source) };
        tokio::select! {
            () = place.evicted().cancelled_owned() => dropped("half-open"),
            () = self.serve_begun(begun, place) => {}
        }
    }

    /// Reads the PROXY header, if there has to be one, and the first bytes behind it.
    async fn begin(&self, stream: TcpStream, address: SocketAddr, deadline: Instant) -> io::Result<Begun> {
        let mut stream = Prefixed::new(stream);
        let proxies = &self.web.proxies;
        let is_proxy = proxies.trust(address.ip());
        let mut hop = Hop {
            remote: address,
            local: stream.get_ref().local_addr().ok().map(|local| local.ip().to_canonical()),
            is_loopback: address.ip().is_loopback() && !is_proxy,
            speaks_for_others: is_proxy,
            is_tls: false,
        };
        if is_proxy && proxies.proxy_protocol {
            let source = loop {
                match proxy::parse(stream.prefix()) {
                    Ok(Parsed::NeedMore) => stream.look().await?,
                    Ok(Parsed::Header { source, length }) => {
                        stream.consume(length);
                        break source;
                    }
                    Err(_) => return Ok(Begun { stream, start: StreamStart::Unknown, hop, deadline }),
                }
            };
            hop.remote = source.unwrap_or(address);
            hop.local = None;
            // What comes now is the client's own word, unless that is a trusted proxy itself.
            hop.speaks_for_others = source.is_some_and(|source| proxies.trust(source.ip()));
        }
        let start = loop {
            match classify_stream(stream.prefix()) {
                StreamStart::NeedMore => stream.look().await?,
                start => break start,
            }
        };
        Ok(Begun { stream, start, hop, deadline })
    }

    /// Boxed, so that an idle connection of one kind does not take the room of the largest kind.
    async fn serve_begun(&self, begun: Begun, place: Place) {
        let Begun { stream, start, hop, deadline } = begun;
        match start {
            StreamStart::Tls => self.serve_tls(stream, hop, deadline, place).await,
            StreamStart::Http => Box::pin(self.web.serve(stream, false, hop, place)).await,
            StreamStart::Turn => self.serve_media(stream, StreamKind::Turn { tls: false }, hop, place).await,
            StreamStart::IceTcp => self.serve_media(stream, StreamKind::IceTcp, hop, place).await,
            StreamStart::Rtmp => self.refuse(stream, "rtmp", place).await,
            // Who may send a PROXY header has sent it already.
            StreamStart::ProxyV1 | StreamStart::ProxyV2 | StreamStart::Unknown | StreamStart::NeedMore => {
                self.refuse(stream, "unknown", place).await;
            }
        }
    }

    async fn serve_tls(&self, stream: Prefixed<TcpStream>, hop: Hop, deadline: Instant, place: Place) {
        let hop = Hop { is_tls: true, ..hop };
        let stream = match timeout_at(deadline, Box::pin(self.tls.accept(stream))).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) => return dropped("tls"),
            Err(_) => return dropped("handshake"),
        };
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Box::pin(self.web.serve(stream, true, hop, place)).await,
            Some(protocol) if ALPN_TURN.contains(&protocol) => {
                self.serve_media_over_tls(Prefixed::new(stream), hop, place).await;
            }
            // TURN clients that offer HTTP as well (coturn's do) get it, and speak TURN all the same.
            None | Some(b"http/1.1") => self.serve_unnamed(stream, hop, deadline, place).await,
            // A certificate authority that tries a name has seen all that it wanted (RFC 8737,
            // section 3).
            Some(_) => close(stream).await,
        }
    }

    /// Browsers name no protocol on a TURN connection: the first bytes tell it from HTTP/1.1.
    async fn serve_unnamed(&self, stream: TlsStream<Prefixed<TcpStream>>, hop: Hop, deadline: Instant, place: Place) {
        let mut stream = Prefixed::new(stream);
        let start = loop {
            match classify_stream(stream.prefix()) {
                StreamStart::NeedMore => match timeout_at(deadline, stream.look()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return,
                    Err(_) => return dropped("no-request"),
                },
                start => break start,
            }
        };
        match start {
            StreamStart::Turn => self.serve_media_over_tls(stream, hop, place).await,
            // HTTP knows best how to refuse what is none.
            _ => Box::pin(self.web.serve(stream, false, hop, place)).await,
        }
    }

    async fn serve_media_over_tls(&self, mut stream: Prefixed<TlsStream<Prefixed<TcpStream>>>, hop: Hop, place: Place) {
        stream.get_mut().get_mut().0.read_ahead();
        relay::configure(stream.get_ref().get_ref().0.get_ref());
        self.relay(stream, StreamKind::Turn { tls: true }, hop, place).await;
    }

    async fn serve_media(&self, stream: Prefixed<TcpStream>, kind: StreamKind, hop: Hop, place: Place) {
        relay::configure(stream.get_ref());
        self.relay(stream, kind, hop, place).await;
    }

    /// Hands the connection to the media plane, which closes it again unless its peer proves itself
    /// soon.
    async fn relay<S>(&self, stream: S, kind: StreamKind, hop: Hop, place: Place)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match self.media.open_stream(kind, hop.remote, hop.local) {
            Ok(plane) => relay::pump(stream, kind, plane, place, &self.web.stop).await,
            Err(_) => {
                dropped("streams-full");
                close(stream).await;
                drop(place);
            }
        }
    }

    /// Closes a connection that is not served, so that its peer knows at once.
    async fn refuse(&self, stream: Prefixed<TcpStream>, reason: &'static str, place: Place) {
        dropped(reason);
        close(stream).await;
        drop(place);
    }
}

/// Room for one more connection, if need be that of one that is not of any use yet.
async fn permit(places: &Arc<Semaphore>, waiting: &WaitingRoom) -> Option<OwnedSemaphorePermit> {
    if let Ok(permit) = places.clone().try_acquire_owned() {
        return Some(permit);
    }
    if !waiting.evict_one() {
        return None;
    }
    // Its task gives it back as soon as it runs.
    timeout(ACCEPT_PAUSE, places.clone().acquire_owned()).await.ok()?.ok()
}

fn configure(stream: &TcpStream) {
    // Where the system knows one of these not, it works without, only worse.
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
    let _ = socket.set_tcp_notsent_lowat(UNSENT_BYTES);
}

/// Says that nothing more comes, and reads what is on its way for a moment: a socket that is closed
/// with unread data is reset, and what was said last is lost with it.
pub(super) async fn close(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let closing = async {
        let mut stream = stream;
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(CLOSING_BYTES), &mut tokio::io::sink()).await
    };
    // How it ends is the peer's affair.
    let _ = timeout(CLOSING, closing).await;
}

/// Counts a connection that was refused or given up.
pub(super) fn dropped(reason: &'static str) {
    metrics::counter!(CONNECTIONS_DROPPED, "reason" => reason).increment(1);
}
