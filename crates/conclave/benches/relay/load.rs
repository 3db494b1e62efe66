//! The load: allocations that send at a steady rate, and ends that count what arrives.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

use conclave_turn::client::{Event, Family, TurnClient};
use conclave_turn::credentials::Issued;
use socket2::SockRef;

use crate::link::Link;
use crate::process::{memory, processor_time};
use crate::servers::{ALLOCATIONS_PER_USER, PATIENCE, Relay};

/// How senders reach the server; what they send arrives by UDP.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Udp,
    Tls,
}

/// Who is at the other end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Another client of the server, as when two people meet who both need a relay.
    Relay,
    /// A socket of nobody's. Here this is a relay all the same, for there is nothing else to reach.
    Socket,
}

/// One case.
pub struct Load {
    pub way: Way,
    pub end: End,
    pub bytes: usize,
    pub allocations: usize,
    /// Packets a second, of all together.
    pub rate: u32,
    pub span: Duration,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.way == Way::Udp { "UDP" } else { "TLS" };
        let plural = if self.allocations == 1 { "" } else { "s" };
        let end = if self.end == End::Relay { "relay" } else { "peer" };
        write!(f, "{way} to {end}, {} bytes, {} allocation{plural}", self.bytes, self.allocations)
    }
}

/// What came of it.
pub struct Measured {
    sent: u64,
    arrived: u64,
    spent: Duration,
}

impl Measured {
    /// Packets that arrived, for each second that the server ran.
    pub fn packets_per_second(&self) -> f64 {
        self.arrived as f64 / self.spent.as_secs_f64()
    }

    /// The part that did not arrive.
    pub fn lost(&self) -> f64 {
        1.0 - self.arrived as f64 / self.sent.max(1) as f64
    }
}

/// Between bursts: frames of video leave a browser about so.
const TICK: Duration = Duration::from_millis(1);
/// What a receiving socket holds.
const RECEIVE_BUFFER: usize = 2 << 20;

/// Runs one case against a server.
pub fn run<R: Relay>(server: &mut R, load: &Load) -> Measured {
    let mut senders = Vec::new();
    let mut ends = Vec::new();
    let mut credentials = Credentials::default();
    for _ in 0..load.allocations {
        let (end, peer) = if R::VIRTUAL || load.end == End::Relay {
            let issued = credentials.next(server);
            let mut end = Allocated::make(server, Way::Udp, &issued);
            end.permit_relays();
            let peer = end.relayed;
            (end.link.into_udp(), peer)
        } else {
            let end = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has ports");
            let peer = end.local_addr().expect("bound");
            (end, peer)
        };
        let _ = SockRef::from(&end).set_recv_buffer_size(RECEIVE_BUFFER);
        end.set_nonblocking(true).expect("a socket option");
        ends.push(end);
        let issued = credentials.next(server);
        let mut sender = Allocated::make(server, load.way, &issued);
        sender.bind_channel(peer);
        let packet = sender.packet(peer, &vec![0x80; load.bytes]);
        senders.push((sender.link, packet));
    }
    // What the setting up left behind.
    sleep(Duration::from_millis(50));
    drain(&mut ends);

    let before = processor_time(server.pid());
    let (sent, mut arrived) = offer(load, &mut senders, &mut ends);
    // For what is on the way.
    sleep(Duration::from_millis(50));
    let spent = processor_time(server.pid()) - before;
    arrived += drain(&mut ends);
    Measured { sent, arrived, spent }
}

/// Sends at the rate for as long as the case says, and counts.
fn offer(load: &Load, senders: &mut [(Link, Vec<u8>)], ends: &mut [UdpSocket]) -> (u64, u64) {
    let start = Instant::now();
    let (mut sent, mut arrived) = (0, 0);
    let mut turn = 0;
    while start.elapsed() < load.span {
        let due = (start.elapsed().as_secs_f64() * f64::from(load.rate)) as u64;
        while sent < due {
            let (link, packet) = &mut senders[turn];
            link.send(packet);
            turn = (turn + 1) % senders.len();
            sent += 1;
        }
        arrived += drain(ends);
        sleep(TICK);
    }
    (sent, arrived)
}

fn drain(ends: &mut [UdpSocket]) -> u64 {
    let mut buffer = [0; 2_048];
    let mut packets = 0;
    for end in ends {
        while end.recv(&mut buffer).is_ok() {
            packets += 1;
        }
    }
    packets
}

/// Bytes that the server grows by for each idle allocation: over UDP for the allocation alone, over
/// TLS together with its connection.
pub fn idle<R: Relay>(server: &mut R, way: Way, count: usize) -> f64 {
    let mut credentials = Credentials::default();
    let mut make = |count| {
        let one = |_| {
            let issued = credentials.next(server);
            Allocated::make(server, way, &issued)
        };
        let made: Vec<_> = (0..count).map(one).collect();
        (memory(server.pid()), made)
    };
    // What is made once for all does not count.
    let (before, _first) = make(10);
    let (after, _all) = make(count);
    after.saturating_sub(before) as f64 / count as f64
}

/// One credential serves some allocations.
#[derive(Default)]
struct Credentials {
    current: Option<Issued>,
    used: usize,
}

impl Credentials {
    fn next<R: Relay>(&mut self, server: &mut R) -> Issued {
        if self.used.is_multiple_of(ALLOCATIONS_PER_USER) {
            self.current = Some(server.credential());
        }
        self.used += 1;
        self.current.clone().expect("set before the first use")
    }
}

/// A client with its allocation.
struct Allocated {
    client: TurnClient,
    link: Link,
    relayed: SocketAddr,
}

impl Allocated {
    fn make(server: &impl Relay, way: Way, issued: &Issued) -> Self {
        let link = match way {
            Way::Udp => Link::udp(server.udp()),
            Way::Tls => Link::tls(server.tls()),
        };
        let mut client = TurnClient::new(link.transport(), &issued.username, &issued.password, rand::random());
        client.allocate(Instant::now(), Family::V4);
        let mut made = Self { client, link, relayed: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)) };
        let Event::Allocated { relayed, .. } = made.await_event() else { panic!("no allocation") };
        made.relayed = relayed;
        made
    }

    /// Lets every relay of the server send to this one.
    fn permit_relays(&mut self) {
        self.client.create_permission(Instant::now(), &[self.relayed.ip()]);
        assert_eq!(self.await_event(), Event::Permitted);
    }

    fn bind_channel(&mut self, peer: SocketAddr) {
        self.client.bind_channel(Instant::now(), peer);
        assert_eq!(self.await_event(), Event::ChannelBound { peer });
    }

    /// A packet to the peer, as it goes to the server.
    fn packet(&mut self, peer: SocketAddr, payload: &[u8]) -> Vec<u8> {
        self.client.send(peer, payload);
        self.client.poll_transmit().expect("a channel is bound")
    }

    fn await_event(&mut self) -> Event {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "the TURN server does not answer");
            while let Some(packet) = self.client.poll_transmit() {
                self.link.send(&packet);
            }
            if let Some(event) = self.client.poll_event() {
                return event;
            }
            let now = Instant::now();
            let wait = self.client.poll_timeout().map_or(PATIENCE, |due| due.saturating_duration_since(now));
            match self.link.receive(wait) {
                Some(packet) => self.client.handle_packet(Instant::now(), &packet),
                None => self.client.handle_timeout(Instant::now()),
            }
        }
    }
}
