//! TURN clients.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use conclave_proto::{IceConfig, IceServer};
use conclave_turn::client::{Event, Failure, Family, Request, Transport, TurnClient};
use conclave_turn::framing::TurnFramer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::PATIENCE;
use super::tls::tls;

/// The way to the server.
pub enum Way {
    Udp(UdpSocket),
    Stream(Box<dyn Stream>, TurnFramer),
}

pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A TURN client with its connection.
pub struct Turn {
    pub client: TurnClient,
    pub way: Way,
}

pub fn credentials(ice: &IceConfig) -> (&str, &str) {
    let IceServer { username, credential, .. } = &ice.servers[0];
    (username.as_deref().expect("given"), credential.as_ref().expect("given").as_str())
}

impl Turn {
    pub fn new(way: Way, (username, password): (&str, &str)) -> Self {
        let transport = if matches!(way, Way::Udp(_)) { Transport::Udp } else { Transport::Stream };
        Self { client: TurnClient::new(transport, username, password, rand::random()), way }
    }

    pub async fn over_udp(server: SocketAddr, credentials: (&str, &str)) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("bound");
        socket.connect(server).await.expect("connected");
        Self::new(Way::Udp(socket), credentials)
    }

    pub async fn over_tcp(server: SocketAddr, credentials: (&str, &str)) -> Self {
        Self::over(TcpStream::connect(server).await.expect("connects"), credentials)
    }

    pub fn over(stream: impl Stream + 'static, credentials: (&str, &str)) -> Self {
        Self::new(Way::Stream(Box::new(stream), TurnFramer::new()), credentials)
    }

    pub async fn over_tls(server: SocketAddr, alpn: &[&str], credentials: (&str, &str)) -> Self {
        Self::new(Way::Stream(Box::new(tls(server, alpn).await), TurnFramer::new()), credentials)
    }

    pub async fn flush(&mut self) {
        while let Some(packet) = self.client.poll_transmit() {
            match &mut self.way {
                Way::Udp(socket) => drop(socket.send(&packet).await.expect("sent")),
                Way::Stream(stream, _) => {
                    let mut framed = Vec::new();
                    TurnFramer::write(&packet, &mut framed);
                    stream.write_all(&framed).await.expect("sent");
                    stream.flush().await.expect("sent");
                }
            }
        }
    }

    /// What happens next; `None` when the server has closed the connection.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            self.flush().await;
            if let Some(event) = self.client.poll_event() {
                return Some(event);
            }
            let mut bytes = [0; 4_096];
            match &mut self.way {
                Way::Udp(socket) => {
                    let length = timeout(PATIENCE, socket.recv(&mut bytes)).await.expect("in time").expect("received");
                    self.client.handle_packet(Instant::now(), &bytes[..length]);
                }
                Way::Stream(stream, framer) => {
                    let length = timeout(PATIENCE, stream.read(&mut bytes)).await.expect("in time").unwrap_or(0);
                    if length == 0 {
                        return None;
                    }
                    framer.push(&bytes[..length]);
                    while let Some(packet) = framer.next().expect("whole packets") {
                        self.client.handle_packet(Instant::now(), packet);
                    }
                }
            }
        }
    }

    pub async fn event(&mut self) -> Event {
        self.next().await.expect("still connected")
    }

    pub async fn allocate(&mut self) -> Result<SocketAddr, Failure> {
        self.client.allocate(Instant::now(), Family::V4);
        match self.event().await {
            Event::Allocated { relayed, .. } => Ok(relayed),
            Event::Failed { request: Request::Allocate, failure } => Err(failure),
            other => panic!("{other:?}"),
        }
    }

    pub async fn permit(&mut self, peer: SocketAddr) {
        self.client.create_permission(Instant::now(), &[peer.ip()]);
        assert_eq!(self.event().await, Event::Permitted);
    }

    pub async fn bind(&mut self, peer: SocketAddr) {
        self.client.bind_channel(Instant::now(), peer);
        assert_eq!(self.event().await, Event::ChannelBound { peer });
    }

    pub async fn send(&mut self, peer: SocketAddr, payload: &[u8]) {
        self.client.send(peer, payload);
        self.flush().await;
    }

    pub async fn data(&mut self) -> (SocketAddr, Vec<u8>) {
        match self.event().await {
            Event::Data { from, payload } => (from, payload),
            other => panic!("{other:?}"),
        }
    }
}
