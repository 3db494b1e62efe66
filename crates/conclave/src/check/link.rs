//! Packets of STUN and TURN to a server and back, whatever carries them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use conclave_turn::framing::{Framer, IceFramer, LARGEST_PACKET, TurnFramer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;

/// A stream of bytes, plain or encrypted.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A way for packets to one server and back.
pub(super) enum Link {
    Udp(UdpSocket),
    Stream { stream: Box<dyn Stream>, framer: Framer },
}

impl Link {
    pub(super) async fn udp(server: SocketAddr) -> io::Result<Self> {
        let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(server).await?;
        Ok(Self::Udp(socket))
    }

    /// As media goes over TCP (RFC 6544).
    pub(super) async fn ice_tcp(server: SocketAddr) -> io::Result<Self> {
        Ok(Self::Stream { stream: Box::new(connect(server).await?), framer: Framer::Ice(IceFramer::new()) })
    }

    /// TURN over TCP.
    pub(super) async fn tcp(server: SocketAddr) -> io::Result<Self> {
        Ok(Self::turn_over(connect(server).await?))
    }

    /// TURN over TLS.
    pub(super) async fn tls(server: SocketAddr, name: &str, tls: Arc<ClientConfig>) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        Ok(Self::turn_over(TlsConnector::from(tls).connect(name, connect(server).await?).await?))
    }

    fn turn_over(stream: impl Stream + 'static) -> Self {
        Self::Stream { stream: Box::new(stream), framer: Framer::Turn(TurnFramer::new()) }
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self, Self::Stream { .. })
    }

    pub(super) async fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(socket) => match socket.send(packet).await {
                // What an earlier packet met is reported here (ICMP); a lost packet is no broken link.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
                result => result.map(drop),
            },
            Self::Stream { stream, framer } => {
                let mut framed = Vec::with_capacity(packet.len() + 4);
                framer.write(packet, &mut framed);
                stream.write_all(&framed).await?;
                stream.flush().await
            }
        }
    }

    /// The next whole packet. Loses nothing when it is dropped before it has one.
    pub(super) async fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut buffer = [0; LARGEST_PACKET];
        match self {
            Self::Udp(socket) => loop {
                match socket.recv(&mut buffer).await {
                    Ok(length) => return Ok(buffer[..length].to_vec()),
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                    Err(error) => return Err(error),
                }
            },
            Self::Stream { stream, framer } => loop {
                if let Some(packet) = framer.next().map_err(|_| io::Error::from(io::ErrorKind::InvalidData))? {
                    return Ok(packet.to_vec());
                }
                match stream.read(&mut buffer).await? {
                    0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                    length => framer.push(&buffer[..length]),
                }
            },
        }
    }
}

async fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
