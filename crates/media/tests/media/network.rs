//! How a client reaches the server: by UDP, by a TCP connection, or by a relay, and by several at once.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use conclave_turn::client::{Event, Family, Transport, TurnClient};
use conclave_turn::framing::{IceFramer, TurnFramer};
use str0m::net::{Protocol, TcpType};
use str0m::{Candidate, Rtc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpSocket, UdpSocket};
use tokio::sync::{mpsc, watch};

use crate::harness::{secret, soon};

/// One way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Udp,
    /// ICE-TCP.
    Tcp,
    TurnUdp,
    TurnTcp,
}

impl Way {
    fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::TurnTcp)
    }

    fn is_relayed(self) -> bool {
        matches!(self, Self::TurnUdp | Self::TurnTcp)
    }

    fn protocol(self) -> Protocol {
        if self == Self::Tcp { Protocol::Tcp } else { Protocol::Udp }
    }
}

/// A packet of a peer, as the client's engine wants it.
pub struct Arrived {
    pub protocol: Protocol,
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub bytes: Vec<u8>,
}

/// The ways of one client.
pub struct Network {
    wires: Vec<Wire>,
    from_wires: mpsc::UnboundedReceiver<FromWire>,
    to_here: mpsc::UnboundedSender<FromWire>,
    ready: VecDeque<Arrived>,
}

struct FromWire {
    wire: usize,
    source: SocketAddr,
    bytes: Vec<u8>,
}

struct Wire {
    way: Way,
    /// The client's address by this way: its socket's, or the relay's.
    own: SocketAddr,
    server: SocketAddr,
    link: Link,
    turn: Option<TurnClient>,
    blocked: bool,
}

enum Link {
    Datagrams(Arc<UdpSocket>),
    Connection { send: Option<mpsc::UnboundedSender<Vec<u8>>>, reads: watch::Sender<bool> },
}

impl Network {
    /// One UDP socket, for which the server's address need not be known.
    pub async fn udp() -> Self {
        Self::connect(&[Way::Udp], SocketAddr::from(([127, 0, 0, 1], 9)), "").await
    }

    /// Opens these ways to a server. Relays are allocated for `user`, and let the server send.
    pub async fn connect(ways: &[Way], server: SocketAddr, user: &str) -> Self {
        let (to_here, from_wires) = mpsc::unbounded_channel();
        let mut network = Self { wires: Vec::new(), from_wires, to_here, ready: VecDeque::new() };
        for way in ways {
            network.open(*way, server).await;
            if way.is_relayed() {
                network.allocate(user).await;
                network.permit(server).await;
            }
        }
        network
    }

    async fn open(&mut self, way: Way, server: SocketAddr) {
        let wire = self.wires.len();
        let (link, own) = if way.is_stream() {
            let socket = TcpSocket::new_v4().expect("a socket");
            // As little as it may be, so that who does not read is soon full.
            socket.set_recv_buffer_size(4_096).expect("set");
            let stream = socket.connect(server).await.expect("the server accepts");
            let own = stream.local_addr().expect("connected");
            let (read, write) = stream.into_split();
            let (send, to_send) = mpsc::unbounded_channel();
            let (reads, may_read) = watch::channel(true);
            tokio::spawn(write_all(write, to_send));
            tokio::spawn(read_all(read, way, wire, server, self.to_here.clone(), may_read));
            (Link::Connection { send: Some(send), reads }, own)
        } else {
            let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket"));
            let own = socket.local_addr().expect("bound");
            // Only then does sending without waiting work.
            socket.writable().await.expect("writable");
            tokio::spawn(receive_all(socket.clone(), wire, self.to_here.clone()));
            (Link::Datagrams(socket), own)
        };
        self.wires.push(Wire { way, own, server, link, turn: None, blocked: false });
    }

    /// Makes an allocation by the newest way.
    async fn allocate(&mut self, user: &str) {
        let wire = self.wires.last_mut().expect("just opened");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let issued = secret().issue(user, now + 600);
        let transport = if wire.way.is_stream() { Transport::Stream } else { Transport::Udp };
        let mut turn = TurnClient::new(transport, &issued.username, &issued.password, rand::random());
        turn.allocate(Instant::now(), Family::V4);
        wire.turn = Some(turn);
        match self.turn_event("an allocation").await {
            Event::Allocated { relayed, .. } => self.wires.last_mut().expect("still there").own = relayed,
            other => panic!("{other:?}"),
        }
    }

    /// Lets a peer send to the relay of the newest way.
    pub async fn permit(&mut self, peer: SocketAddr) {
        self.turn().bind_channel(Instant::now(), peer);
        match self.turn_event("a channel").await {
            Event::ChannelBound { peer: bound } => assert_eq!(bound, peer),
            other => panic!("{other:?}"),
        }
    }

    async fn turn_event(&mut self, what: &str) -> Event {
        soon(what, async {
            loop {
                self.flush_turn();
                if let Some(event) = self.turn().poll_event() {
                    return event;
                }
                let FromWire { bytes, .. } = self.from_wires.recv().await.expect("kept open");
                self.turn().handle_packet(Instant::now(), &bytes);
            }
        })
        .await
    }

    fn turn(&mut self) -> &mut TurnClient {
        self.wires.last_mut().and_then(|wire| wire.turn.as_mut()).expect("a relay")
    }

    fn flush_turn(&mut self) {
        for wire in &mut self.wires {
            while let Some(packet) = wire.turn.as_mut().and_then(TurnClient::poll_transmit) {
                wire.link.send(wire.way, wire.server, &packet);
            }
        }
    }

    /// The client's address by its first way.
    pub fn own(&self) -> SocketAddr {
        self.wires[0].own
    }

    /// Tells an engine of every way.
    pub fn add_candidates(&self, rtc: &mut Rtc) {
        for wire in &self.wires {
            let candidate = match wire.way {
                Way::Udp => Candidate::host(wire.own, Protocol::Udp),
                Way::Tcp => Candidate::builder().tcp().host(wire.own).tcptype(TcpType::Active).build(),
                Way::TurnUdp | Way::TurnTcp => {
                    Candidate::relayed(wire.own, (Ipv4Addr::LOCALHOST, 9).into(), Protocol::Udp)
                }
            };
            rtc.add_local_candidate(candidate.expect("valid"));
        }
    }

    /// Sends a packet from one of the client's addresses.
    pub fn send(&mut self, protocol: Protocol, source: SocketAddr, destination: SocketAddr, bytes: &[u8]) {
        let is_it = |wire: &&mut Wire| wire.own == source && wire.way.protocol() == protocol;
        let Some(wire) = self.wires.iter_mut().find(is_it) else { return };
        if wire.blocked {
            return;
        }
        match &mut wire.turn {
            Some(turn) => turn.send(destination, bytes),
            None => wire.link.send(wire.way, destination, bytes),
        }
        self.flush_turn();
    }

    /// The next packet of a peer.
    pub async fn receive(&mut self) -> Arrived {
        loop {
            if let Some(arrived) = self.ready.pop_front() {
                return arrived;
            }
            let FromWire { wire, source, bytes } = self.from_wires.recv().await.expect("kept open");
            let wire = &mut self.wires[wire];
            let (protocol, destination) = (wire.way.protocol(), wire.own);
            if wire.blocked {
                continue;
            }
            match &mut wire.turn {
                None => self.ready.push_back(Arrived { protocol, source, destination, bytes }),
                Some(turn) => {
                    turn.handle_packet(Instant::now(), &bytes);
                    while let Some(event) = turn.poll_event() {
                        if let Event::Data { from, payload } = event {
                            self.ready.push_back(Arrived { protocol, source: from, destination, bytes: payload });
                        }
                    }
                }
            }
        }
    }

    /// Nothing passes by this way any more.
    pub fn block(&mut self, way: Way) {
        self.wires.iter_mut().filter(|wire| wire.way == way).for_each(|wire| wire.blocked = true);
    }

    /// What arrives by connections stays in them.
    pub fn stop_reading(&mut self) {
        for wire in &self.wires {
            if let Link::Connection { reads, .. } = &wire.link {
                reads.send_replace(false);
            }
        }
    }

    /// Closes every connection.
    pub fn hang_up(&mut self) {
        for wire in &mut self.wires {
            if let Link::Connection { send, .. } = &mut wire.link {
                *send = None;
            }
        }
    }
}

impl Link {
    fn send(&self, way: Way, destination: SocketAddr, packet: &[u8]) {
        match self {
            // What the kernel does not take is lost, as on a network.
            Self::Datagrams(socket) => drop(socket.try_send_to(packet, destination)),
            Self::Connection { send, .. } => {
                let mut framed = Vec::new();
                match way {
                    Way::Tcp => IceFramer::write(packet, &mut framed),
                    _ => TurnFramer::write(packet, &mut framed),
                }
                if let Some(send) = send {
                    // The connection may be closed already.
                    let _ = send.send(framed);
                }
            }
        }
    }
}

async fn receive_all(socket: Arc<UdpSocket>, wire: usize, to: mpsc::UnboundedSender<FromWire>) {
    let mut buffer = vec![0; 2_000];
    while !to.is_closed() {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            () = to.closed() => return,
        };
        if let Ok((length, source)) = received {
            let _ = to.send(FromWire { wire, source, bytes: buffer[..length].to_vec() });
        }
    }
}

async fn write_all(mut write: OwnedWriteHalf, mut to_send: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(framed) = to_send.recv().await {
        if write.write_all(&framed).await.is_err() {
            return;
        }
    }
    let _ = write.shutdown().await;
}

async fn read_all(
    mut read: OwnedReadHalf,
    way: Way,
    wire: usize,
    source: SocketAddr,
    to: mpsc::UnboundedSender<FromWire>,
    mut may_read: watch::Receiver<bool>,
) {
    let (mut ice, mut turn) = (IceFramer::new(), TurnFramer::new());
    let mut buffer = vec![0; 16_384];
    loop {
        // An error means that the client is gone.
        if may_read.wait_for(|may| *may).await.is_err() {
            return;
        }
        let length = tokio::select! {
            read = read.read(&mut buffer) => read.unwrap_or(0),
            changed = may_read.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        if length == 0 {
            return;
        }
        match way {
            Way::Tcp => ice.push(&buffer[..length]),
            _ => turn.push(&buffer[..length]),
        }
        loop {
            let packet = if way == Way::Tcp { ice.next() } else { turn.next() };
            let Some(packet) = packet.expect("the server frames well") else { break };
            let _ = to.send(FromWire { wire, source, bytes: packet.to_vec() });
        }
    }
}
