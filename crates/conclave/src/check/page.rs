//! The page: name, connection, TLS, HTTP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use super::link::Stream;
use super::measured::{Page, PageFailure};
use super::target::Target;
use crate::outgoing;

/// For a connection; a person would not wait longer either.
const CONNECT: Duration = Duration::from_secs(5);
/// For the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// For the answer.
const ANSWER: Duration = Duration::from_secs(10);

/// A connection over which HTTP can be spoken, and whom it reached.
pub(super) async fn connect(
    target: &Target,
    tls: &Arc<ClientConfig>,
) -> Result<(Box<dyn Stream>, SocketAddr), PageFailure> {
    let stream = match timeout(CONNECT, connect_tcp(target)).await {
        Ok(result) => result?,
        Err(_) => return Err(PageFailure::NoAnswer),
    };
    let reached = stream.peer_addr().map_err(|error| PageFailure::Other(error.to_string()))?;
    if !target.is_tls {
        return Ok((Box::new(stream), reached));
    }
    let name = ServerName::try_from(target.host.clone()).map_err(|_| PageFailure::NoAddress)?;
    match timeout(HANDSHAKE, TlsConnector::from(tls.clone()).connect(name, stream)).await {
        Ok(Ok(stream)) => Ok((Box::new(stream), reached)),
        Ok(Err(error)) => Err(why_no_tls(&error)),
        Err(_) => Err(PageFailure::NoAnswer),
    }
}

async fn connect_tcp(target: &Target) -> Result<TcpStream, PageFailure> {
    let found = tokio::net::lookup_host((target.host.as_str(), target.port)).await;
    let addresses: Vec<_> = found.map_err(|_| PageFailure::NoAddress)?.collect();
    if addresses.is_empty() {
        return Err(PageFailure::NoAddress);
    }
    TcpStream::connect(addresses.as_slice()).await.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => PageFailure::Refused,
        io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            PageFailure::NoAnswer
        }
        _ => PageFailure::Other(error.to_string()),
    })
}

fn why_no_tls(error: &io::Error) -> PageFailure {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidMessage(_)) => PageFailure::NotTls,
        Some(error) => PageFailure::Other(format!("TLS: {error}")),
        None => PageFailure::Other(format!("the connection broke during the TLS handshake ({error})")),
    }
}

/// Asks for the page. Also says whom it reached.
pub(super) async fn fetch(target: &Target, tls: &Arc<ClientConfig>) -> (Result<Page, PageFailure>, Option<SocketAddr>) {
    let started = Instant::now();
    let (stream, reached) = match connect(target, tls).await {
        Ok(connected) => connected,
        Err(failure) => return (Err(failure), None),
    };
    let request = match Request::get(format!("{target}/")).body(Body::empty()) {
        Ok(request) => request,
        Err(error) => return (Err(PageFailure::Other(error.to_string())), Some(reached)),
    };
    let page = match timeout(ANSWER, outgoing::exchange(stream, request)).await {
        Ok(Ok(response)) => Ok(Page { status: response.status().as_u16(), took: started.elapsed() }),
        Ok(Err(error)) => Err(PageFailure::Other(error.to_string())),
        Err(_) => Err(PageFailure::NoAnswer),
    };
    (page, Some(reached))
}
