//! A way to the server: a UDP socket, or TLS over TCP with packets in TURN's framing.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use conclave_turn::client::Transport;
use conclave_turn::framing::TurnFramer;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

pub enum Link {
    Udp(UdpSocket),
    Tls(Box<Tls>),
}

pub struct Tls {
    stream: StreamOwned<ClientConnection, TcpStream>,
    framer: TurnFramer,
    framed: Vec<u8>,
}

impl Link {
    pub fn udp(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has ports");
        socket.connect(server).expect("loopback is reachable");
        Self::Udp(socket)
    }

    /// As browsers connect to `turns:`: TLS without ALPN.
    pub fn tls(server: SocketAddr) -> Self {
        let tcp = TcpStream::connect(server).expect("the server listens");
        tcp.set_nodelay(true).expect("a socket option");
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = ClientConnection::new(tls_config(), name).expect("a valid configuration");
        let stream = StreamOwned::new(connection, tcp);
        Self::Tls(Box::new(Tls { stream, framer: TurnFramer::new(), framed: Vec::new() }))
    }

    pub fn transport(&self) -> Transport {
        match self {
            Self::Udp(_) => Transport::Udp,
            Self::Tls(_) => Transport::Stream,
        }
    }

    pub fn into_udp(self) -> UdpSocket {
        match self {
            Self::Udp(socket) => socket,
            Self::Tls(_) => panic!("not a UDP socket"),
        }
    }

    /// Sends one packet, by itself, as browsers do.
    pub fn send(&mut self, packet: &[u8]) {
        match self {
            // A full buffer is loss, which is counted where packets arrive.
            Self::Udp(socket) => drop(socket.send(packet)),
            Self::Tls(tls) => {
                tls.framed.clear();
                TurnFramer::write(packet, &mut tls.framed);
                tls.stream.write_all(&tls.framed).expect("the server reads");
            }
        }
    }

    /// One packet, if it comes in time.
    pub fn receive(&mut self, wait: Duration) -> Option<Vec<u8>> {
        let wait = Some(wait.max(Duration::from_millis(1)));
        match self {
            Self::Udp(socket) => {
                socket.set_read_timeout(wait).expect("a socket option");
                let mut buffer = [0; 2_048];
                let length = socket.recv(&mut buffer).ok()?;
                Some(buffer[..length].to_vec())
            }
            Self::Tls(tls) => {
                tls.stream.sock.set_read_timeout(wait).expect("a socket option");
                let mut buffer = [0; 4_096];
                loop {
                    if let Some(packet) = tls.framer.next().expect("the server's framing") {
                        return Some(packet.to_vec());
                    }
                    match tls.stream.read(&mut buffer) {
                        Ok(0) => panic!("the server closed the connection"),
                        Ok(length) => tls.framer.push(&buffer[..length]),
                        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                            return None;
                        }
                        Err(error) => panic!("TLS failed: {error}"),
                    }
                }
            }
        }
    }
}

fn tls_config() -> Arc<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("the provider has both versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    Arc::new(config)
}

/// Who the server is does not matter for what it costs.
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
