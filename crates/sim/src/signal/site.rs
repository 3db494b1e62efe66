//! Servers by their URLs, and connections to them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use hyper::Uri;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A URL that bots can connect to: `http`, `https`, `ws` or `wss`.
#[derive(Clone, Debug)]
pub struct Site {
    uri: Uri,
    secure: bool,
    host: String,
    port: u16,
}

/// Why a URL is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected a URL that begins with http://, https://, ws:// or wss:// and has a host")]
pub struct BadSite;

impl FromStr for Site {
    type Err = BadSite;

    fn from_str(text: &str) -> Result<Self, BadSite> {
        let uri: Uri = text.parse().map_err(|_| BadSite)?;
        let secure = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(BadSite),
        };
        let host = uri.host().ok_or(BadSite)?.trim_matches(['[', ']']).to_owned();
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Ok(Self { uri, secure, host, port })
    }
}

/// Which certificates of servers are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Those that browsers take.
    Public,
    /// Every one: self-signed ones of servers that are measured.
    Anybody,
}

/// A connection, encrypted or not.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Site {
    /// Host and port as the `Host` header has them.
    pub(super) fn authority(&self) -> &str {
        self.uri.authority().map_or(self.host.as_str(), |authority| authority.as_str())
    }

    /// What is asked for there.
    pub(super) fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }

    /// The same server, with another path. A whole URL takes the place of this one.
    pub(crate) fn join(&self, path: &str) -> Result<Self, BadSite> {
        if path.contains("://") {
            return path.parse();
        }
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}/{}", self.authority(), path.trim_start_matches('/')).parse()
    }

    /// The URL for a WebSocket.
    pub(super) fn web_socket(&self) -> String {
        format!("{}://{}{}", if self.secure { "wss" } else { "ws" }, self.authority(), self.path())
    }

    /// An address of this machine from which the server can be reached.
    ///
    /// # Errors
    /// If its name is not known, or there is no way to it.
    pub async fn local_address(&self) -> io::Result<IpAddr> {
        let server = self.resolve().await?;
        let any: SocketAddr = if server.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
        let socket = tokio::net::UdpSocket::bind(any).await?;
        // Nothing is sent; the system looks up the way.
        socket.connect(server).await?;
        Ok(socket.local_addr()?.ip())
    }

    /// Whether somebody takes connections there.
    pub async fn listens(&self, trust: Trust) -> bool {
        self.connect(trust).await.is_ok()
    }

    async fn resolve(&self) -> io::Result<SocketAddr> {
        let mut found = tokio::net::lookup_host((self.host.as_str(), self.port)).await?;
        found.next().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    pub(super) async fn connect(&self, trust: Trust) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(self.resolve().await?).await?;
        stream.set_nodelay(true)?;
        if !self.secure {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        let connector = TlsConnector::from(tls(trust).map_err(io::Error::other)?);
        Ok(Box::new(connector.connect(name, stream).await?))
    }
}

fn tls(trust: Trust) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let config = match trust {
        Trust::Public => {
            let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        Trust::Anybody => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))).with_no_client_auth()
        }
    };
    Ok(Arc::new(config))
}

/// Takes every certificate.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_servers_are_read_and_others_refused() {
        let site: Site = "https://[::1]/whip/room?x=1".parse().expect("a URL");
        assert_eq!((site.host.as_str(), site.port, site.path()), ("::1", 443, "/whip/room?x=1"));
        assert_eq!(site.web_socket(), "wss://[::1]/whip/room?x=1");
        assert_eq!(site.join("/whip/session/7").expect("a path").path(), "/whip/session/7");
        assert_eq!(site.join("http://other:81/x").expect("a URL").authority(), "other:81");
        for bad in ["", "ftp://x/", "/path", "host:80", "http://"] {
            assert!(bad.parse::<Site>().is_err(), "{bad}");
        }
    }
}
