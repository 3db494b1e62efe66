//! Requests that this program makes itself: to a certificate authority, and for `conclave check`.
//! Never to anybody whom the owner did not name.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header::HOST;
use axum::http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// For a whole request.
const REQUEST: Duration = Duration::from_secs(30);
/// Largest answer, in bytes.
const ANSWER: usize = 256 * 1024;

/// Why a file with roots cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// It cannot be read or is no PEM.
    #[error("{path} holds no certificate that can be read: {error}", path = .0.display(), error = .1)]
    Unreadable(PathBuf, rustls::pki_types::pem::Error),
    /// None of its certificates can be a root.
    #[error("{path} holds no certificate that can be a root", path = .0.display())]
    NoRoot(PathBuf),
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The URL names no host.
    #[error("the URL names no host")]
    NoHost,
    /// The host's name cannot be one.
    #[error("the host's name is not valid")]
    BadHost(#[from] InvalidDnsNameError),
    /// No connection.
    #[error("no connection to {host}: {error}")]
    Connect {
        /// To whom.
        host: String,
        /// Why.
        error: std::io::Error,
    },
    /// No answer in time.
    #[error("no answer within {} s", REQUEST.as_secs())]
    Late,
    /// The answer is not HTTP, or the connection broke.
    #[error("no valid answer: {0}")]
    Http(#[from] hyper::Error),
    /// The answer's body broke off or is too large.
    #[error("no whole answer: {0}")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The roots that browsers trust, and those of the system: an organisation's own authority is there.
pub fn usual_roots() -> RootCertStore {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    // Certificates that cannot be a root are left out, and a system without any changes nothing.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// The roots in a PEM file, and no others.
///
/// # Errors
/// [`RootsError`].
pub fn roots_from(path: &Path) -> Result<RootCertStore, RootsError> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| RootsError::Unreadable(path.to_owned(), error))?;
    let mut roots = RootCertStore::empty();
    match roots.add_parsable_certificates(certificates) {
        (0, _) => Err(RootsError::NoRoot(path.to_owned())),
        _ => Ok(roots),
    }
}

/// TLS 1.2 and 1.3 as a client that trusts these roots, without ALPN.
pub fn client_config(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("aws-lc-rs has cipher suites for both versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// Makes a request to an `https` URL on a connection of its own.
///
/// # Errors
/// [`RequestError`]; an answer with any status is none.
pub async fn request<B>(tls: Arc<ClientConfig>, request: Request<B>) -> Result<Response<Full<Bytes>>, RequestError>
where
    B: axum::body::HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    let answered = async {
        let host = request.uri().host().ok_or(RequestError::NoHost)?.to_owned();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(bare.to_owned())?;
        let port = request.uri().port_u16().unwrap_or(443);
        let failed = |error| RequestError::Connect { host: host.clone(), error };
        let stream = TcpStream::connect((bare, port)).await.map_err(failed)?;
        let stream = TlsConnector::from(tls).connect(name, stream).await.map_err(failed)?;
        exchange(stream, request).await
    };
    timeout(REQUEST, answered).await.unwrap_or(Err(RequestError::Late))
}

/// One request and its answer over a connection that is there.
///
/// # Errors
/// [`RequestError::Http`], [`RequestError::Body`].
pub async fn exchange<S, B>(stream: S, request: Request<B>) -> Result<Response<Full<Bytes>>, RequestError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    B: axum::body::HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with the request: the sender is dropped, or the connection breaks.
    let connection = tokio::spawn(connection);
    let answered = async {
        let response = sender.send_request(in_origin_form(request)).await?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, ANSWER).collect().await.map_err(RequestError::Body)?.to_bytes();
        Ok(Response::from_parts(parts, Full::new(body)))
    };
    let result = answered.await;
    connection.abort();
    result
}

/// As a server is asked directly (RFC 9112, section 3.2.1).
fn in_origin_form<B>(request: Request<B>) -> Request<Body>
where
    B: axum::body::HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    let mut request = request.map(Body::new);
    if let Some(host) = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        request.headers_mut().entry(HOST).or_insert(host);
    }
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_always_roots() {
        assert!(usual_roots().len() > 50);
    }

    #[test]
    fn a_file_without_a_root_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("roots.pem");
        assert!(roots_from(&path).expect_err("missing").to_string().contains("roots.pem"));
        std::fs::write(&path, "nothing").expect("written");
        assert!(roots_from(&path).expect_err("empty").to_string().contains("roots.pem"));
    }

    #[test]
    fn a_server_is_asked_in_origin_form_with_its_name() {
        let request = Request::get("https://ca.example:14000/dir?x=1").body(Full::<Bytes>::default()).expect("valid");
        let request = in_origin_form(request);
        assert_eq!(request.uri(), "/dir?x=1");
        assert_eq!(request.headers()[HOST], "ca.example:14000");
    }
}
