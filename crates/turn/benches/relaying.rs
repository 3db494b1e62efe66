//! What the one port costs: telling datagrams apart, relaying one packet through the core (no socket,
//! no encryption), and memory for an allocation that does nothing. Prints tables and appends to
//! `target/bench/results.jsonl`.
#![allow(clippy::print_stdout, missing_docs)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs::{self, OpenOptions};
use std::hint::black_box;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::time::{Duration, Instant};

use conclave_turn::client::{Event, Family, Transport, TurnClient};
use conclave_turn::credentials::LIFETIME_S;
use conclave_turn::demux::classify;
use conclave_turn::{Client, Limits, Output, Server, ServerConfig, TurnSecret};

const UNIX: u64 = 1_800_000_000;
const PACKETS: u32 = 500_000;
const IDLE: u32 = 10_000;

fn main() {
    let mut results = Results::open();

    println!("\n{:<34} {:>14}", "telling datagrams apart", "ns a packet");
    for (name, datagram) in datagrams() {
        let each = time_each(50_000_000, |_| {
            black_box(classify(black_box(&datagram)));
        });
        results.add("demux", name, "time", each, "ns/packet");
    }

    println!("\n{:<34} {:>14}", "relaying", "ns a packet");
    for allocations in [1, 100, 10_000] {
        for size in [160, 1_200] {
            let mut meeting = Meeting::new(allocations);
            let case = format!("channel to SFU, {size} B, {allocations}");
            results.add("turn-core", &case, "time", meeting.channel_to_sfu(size), "ns/packet");
            let case = format!("SFU to channel, {size} B, {allocations}");
            results.add("turn-core", &case, "time", meeting.sfu_to_channel(size), "ns/packet");
        }
    }
    for size in [160, 1_200] {
        let mut meeting = Meeting::new(2);
        let case = format!("relay to relay, {size} B");
        results.add("turn-core", &case, "time", meeting.relay_to_relay(size), "ns/packet");
        let case = format!("indications to SFU, {size} B");
        results.add("turn-core", &case, "time", meeting.indications_to_sfu(size), "ns/packet");
    }

    println!("\n{:<34} {:>14}", "a stranger's Allocate", "ns a packet");
    results.add("turn-core", "answered with 401", "time", strangers(u32::MAX), "ns/packet");
    results.add("turn-core", "over its network's rate", "time", strangers(1), "ns/packet");

    println!("\n{:<34} {:>14}", "memory", "bytes");
    let (empty, each, permitted) = memory();
    results.add("turn-memory", "server without allocations", "size", empty, "bytes");
    results.add("turn-memory", "idle allocation", "size", each, "bytes");
    results.add("turn-memory", "idle allocation with a channel", "size", permitted, "bytes");
}

fn datagrams() -> [(&'static str, Vec<u8>); 4] {
    let starting = |first: u8| {
        let mut datagram = vec![0; 1_200];
        datagram[0] = first;
        datagram
    };
    [("STUN", starting(0)), ("SRTP", starting(0x80)), ("ChannelData", starting(0x40)), ("QUIC", starting(0xC3))]
}

/// People with an allocation each and a channel to the SFU; the first two also to each other.
struct Meeting {
    server: Server,
    now: Instant,
    people: Vec<Person>,
    sfu: SocketAddr,
}

struct Person {
    client: Client,
    relayed: SocketAddr,
}

/// The channels of everybody: to the SFU, and of the first two to each other.
const SFU_CHANNEL: u16 = 0x4000;
const PEER_CHANNEL: u16 = 0x4001;

impl Meeting {
    fn new(allocations: u32) -> Self {
        let now = clock();
        let sfu = SocketAddr::from(([198, 51, 100, 7], 8_443));
        let limits = Limits {
            bits_per_second: u64::MAX,
            packets_per_second: u64::MAX,
            allocations_per_user: usize::MAX,
            refusals_per_second: u32::MAX,
            ..Limits::default()
        };
        let mut meeting = Self { server: server(now, sfu, limits), now, people: Vec::new(), sfu };
        let mut turns = Vec::new();
        for index in 0..allocations {
            let (client, turn, relayed) = meeting.allocate(index);
            meeting.people.push(Person { client, relayed });
            turns.push(turn);
        }
        for (index, turn) in turns.iter_mut().enumerate() {
            turn.bind_channel(now, sfu);
            meeting.settle(index, turn);
        }
        if let [first, second, ..] = turns.as_mut_slice() {
            first.bind_channel(now, meeting.people[1].relayed);
            second.bind_channel(now, meeting.people[0].relayed);
            meeting.settle(0, first);
            meeting.settle(1, second);
        }
        meeting
    }

    fn allocate(&mut self, index: u32) -> (Client, TurnClient, SocketAddr) {
        let client = client(index);
        let issued = TurnSecret::from_bytes(b"secret").issue(&format!("{index:032x}"), UNIX + LIFETIME_S);
        let mut turn = TurnClient::new(Transport::Udp, &issued.username, &issued.password, [1; 32]);
        turn.allocate(self.now, Family::V4);
        let events = exchange(&mut self.server, self.now, client, &mut turn);
        let [Event::Allocated { relayed, .. }] = events[..] else { panic!("an allocation is granted: {events:?}") };
        (client, turn, relayed)
    }

    fn settle(&mut self, index: usize, turn: &mut TurnClient) {
        let events = exchange(&mut self.server, self.now, self.people[index].client, turn);
        assert!(matches!(events[..], [Event::ChannelBound { .. }]), "a channel is granted: {events:?}");
    }

    fn channel_to_sfu(&mut self, size: usize) -> f64 {
        let packet = channel_data(SFU_CHANNEL, size);
        self.clients_send(&packet)
    }

    fn relay_to_relay(&mut self, size: usize) -> f64 {
        let packet = channel_data(PEER_CHANNEL, size);
        self.clients_send(&packet)
    }

    fn clients_send(&mut self, packet: &[u8]) -> f64 {
        let count = self.people.len();
        let each = time_each(PACKETS, |index| {
            let client = self.people[index as usize % count].client;
            self.server.handle_packet(self.now, client, packet);
            black_box(self.server.poll_output());
        });
        assert_eq!(self.server.stats().dropped_over_rate + self.server.stats().dropped_no_permission, 0);
        each
    }

    fn sfu_to_channel(&mut self, size: usize) -> f64 {
        let (payload, count) = (vec![7; size], self.people.len());
        time_each(PACKETS, |index| {
            let to = self.people[index as usize % count].relayed;
            assert!(self.server.handle_peer_packet(self.now, self.sfu, to, &payload));
            black_box(self.server.poll_output());
        })
    }

    fn indications_to_sfu(&mut self, size: usize) -> f64 {
        // A client that knows of no channel.
        let mut turn = TurnClient::new(Transport::Udp, "", "", [1; 32]);
        turn.send(self.sfu, &vec![7; size]);
        let packet = turn.poll_transmit().expect("an indication");
        self.clients_send(&packet)
    }
}

fn server(now: Instant, sfu: SocketAddr, limits: Limits) -> Server {
    let secret = TurnSecret::from_bytes(b"secret");
    Server::new(ServerConfig { realm: "conclave".into(), secret, peers: vec![sfu], limits }, now, UNIX, [7; 32])
}

fn client(index: u32) -> Client {
    // Each in a network of its own.
    let ip = IpAddr::V4(Ipv4Addr::from_bits(0x1000_0000 + (index << 8)));
    Client::Udp { remote: SocketAddr::new(ip, 40_000), local: None }
}

fn exchange(server: &mut Server, now: Instant, client: Client, turn: &mut TurnClient) -> Vec<Event> {
    while let Some(packet) = turn.poll_transmit() {
        server.handle_packet(now, client, &packet);
        while let Some(output) = server.poll_output() {
            let Output::ToClient { packet, .. } = output else { panic!("requests have answers: {output:?}") };
            turn.handle_packet(now, &packet);
        }
    }
    std::iter::from_fn(|| turn.poll_event()).collect()
}

fn channel_data(number: u16, size: usize) -> Vec<u8> {
    let mut packet = number.to_be_bytes().to_vec();
    packet.extend_from_slice(&(size as u16).to_be_bytes());
    packet.resize(4 + size, 7);
    packet
}

fn strangers(refusals_per_second: u32) -> f64 {
    let now = clock();
    let limits = Limits { refusals_per_second, ..Limits::default() };
    let mut server = server(now, SocketAddr::from(([198, 51, 100, 7], 8_443)), limits);
    let mut turn = TurnClient::new(Transport::Udp, "", "", [1; 32]);
    turn.allocate(now, Family::V4);
    let packet = turn.poll_transmit().expect("a request");
    let client = client(1);
    time_each(PACKETS, |_| {
        server.handle_packet(now, client, &packet);
        black_box(server.poll_output());
    })
}

/// Bytes of a server, and of each allocation without and with a channel and its permission.
fn memory() -> (f64, f64, f64) {
    let before = IN_USE.load(Ordering::Relaxed);
    let mut meeting = Meeting::new(0);
    let empty = IN_USE.load(Ordering::Relaxed);
    for index in 0..IDLE {
        let (client, ..) = meeting.allocate(index);
        black_box(client);
    }
    let idle = IN_USE.load(Ordering::Relaxed);
    assert_eq!(meeting.server.stats().allocations, u64::from(IDLE));
    drop(meeting);
    let empty_again = IN_USE.load(Ordering::Relaxed);
    let meeting = Meeting::new(IDLE);
    let bound = IN_USE.load(Ordering::Relaxed) - (meeting.people.capacity() * size_of::<Person>()) as isize;
    let each = |bytes: isize| bytes as f64 / f64::from(IDLE);
    ((empty - before) as f64, each(idle - empty), each(bound - empty_again - (empty - before)))
}

fn time_each(count: u32, mut run: impl FnMut(u32)) -> f64 {
    (0..count / 10).for_each(&mut run);
    let started = clock();
    (0..count).for_each(&mut run);
    let spent: Duration = started.elapsed();
    spent.as_nanos() as f64 / f64::from(count)
}

#[expect(clippy::disallowed_methods, reason = "the clock measures the core from outside")]
fn clock() -> Instant {
    Instant::now()
}

/// Where figures go besides the screen.
struct Results {
    #[allow(clippy::disallowed_types, reason = "the figures are kept outside of the core")]
    file: Option<fs::File>,
}

impl Results {
    fn open() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
        let open = || {
            fs::create_dir_all(&folder).ok()?;
            OpenOptions::new().create(true).append(true).open(folder.join("results.jsonl")).ok()
        };
        Self { file: open() }
    }

    fn add(&mut self, bench: &str, case: &str, metric: &str, value: f64, unit: &str) {
        println!("{case:<34} {value:>14.1}");
        if let Some(file) = &mut self.file {
            let line = format!(
                r#"{{"bench":"{bench}","case":"{case}","metric":"{metric}","value":{value:.1},"unit":"{unit}"}}"#
            );
            // A figure that cannot be kept has been printed.
            let _ = writeln!(file, "{line}");
        }
    }
}

/// Counts bytes in use.
struct Counting;

static IN_USE: AtomicIsize = AtomicIsize::new(0);

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: everything is the system allocator's, only counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
