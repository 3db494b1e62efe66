use std::net::SocketAddr;
use std::time::{Duration, Instant};

use conclave_turn::client::{Event, Family, Transport, TurnClient};
use conclave_turn::credentials::LIFETIME_S;
use conclave_turn::stun::{Class, Integrity, Message, Method, TransactionId, Writer, attributes, long_term_key};
use conclave_turn::{Client, Limits, Output, Server, ServerConfig, StreamId, TurnSecret, is_relayed};

use crate::bytes::Bytes;

/// The most steps of one input: longer ones teach nothing and cost time.
const STEPS: usize = 1_000;
const PEOPLE: usize = 3;
const UNIX: u64 = 1_800_000_000;
const REALM: &str = "fuzz";

/// The attributes that made-up requests are made of.
const KINDS: [u16; 16] = [
    attributes::REQUESTED_TRANSPORT,
    attributes::REQUESTED_ADDRESS_FAMILY,
    attributes::LIFETIME,
    attributes::CHANNEL_NUMBER,
    attributes::XOR_PEER_ADDRESS,
    attributes::DATA,
    attributes::EVEN_PORT,
    attributes::RESERVATION_TOKEN,
    attributes::DONT_FRAGMENT,
    attributes::ADDITIONAL_ADDRESS_FAMILY,
    attributes::USERNAME,
    attributes::NONCE,
    attributes::MESSAGE_INTEGRITY,
    attributes::FINGERPRINT,
    0x7fff,
    0xffff,
];

/// Three people, one of them by a stream, who send a TURN server whatever the input says: good
/// requests, requests with made-up attributes that are signed well, and noise. Nothing leaves but to
/// the SFU's address, nothing reaches a person but from a relay or from there, every packet has at most
/// one answer, and all ends by itself. Returns how many packets were relayed.
///
/// # Panics
/// If that does not hold.
pub fn turn(data: &[u8]) -> u64 {
    let mut bytes = Bytes(data);
    let mut world = World::new();
    for _ in 0..STEPS {
        if world.step(&mut bytes).is_none() {
            break;
        }
        world.settle();
    }
    let relayed = world.server.stats().relayed_from_clients + world.server.stats().relayed_to_clients;
    world.now += Duration::from_secs(2 * 3_600);
    world.server.handle_timeout(world.now);
    assert_eq!(world.server.stats().allocations, 0);
    assert_eq!(world.server.stats().streams, 0);
    assert_eq!(world.server.poll_timeout(), None);
    relayed
}

struct Person {
    client: Client,
    turn: TurnClient,
    username: String,
    key: [u8; 16],
    nonce: Vec<u8>,
    relayed: SocketAddr,
}

struct World {
    server: Server,
    now: Instant,
    started: Instant,
    people: Vec<Person>,
    sfu: SocketAddr,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let sfu = SocketAddr::from(([198, 51, 100, 7], 8_443));
        let secret = TurnSecret::from_bytes(b"secret");
        let limits = Limits { allocations: 2, permissions: 2, channels: 2, ..Limits::default() };
        let people = (0..PEOPLE).map(|index| Person::new(index, &secret, UNIX + LIFETIME_S)).collect();
        let config = ServerConfig { realm: REALM.into(), secret, peers: vec![sfu], limits };
        Self { server: Server::new(config, now, UNIX, [5; 32]), now, started: now, people, sfu }
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        let what = bytes.u8()?;
        let who = usize::from(bytes.u8()?) % PEOPLE;
        let now = self.now;
        match what {
            0..=31 => {
                let length = usize::from(bytes.u8()?);
                let packet = bytes.take(length).to_vec();
                self.give(who, &packet);
            }
            32..=95 => {
                let packet = self.made_up(who, what, bytes)?;
                self.give(who, &packet);
            }
            96..=111 => {
                let family = if what & 1 == 0 { Family::V4 } else { Family::V6 };
                self.people[who].turn.allocate(now, family);
            }
            112..=127 => {
                let peer = self.target(bytes.u8()?);
                self.people[who].turn.create_permission(now, &[peer.ip()]);
            }
            128..=143 => {
                let peer = self.target(bytes.u8()?);
                self.people[who].turn.bind_channel(now, peer);
            }
            144..=191 => {
                let (peer, length) = (self.target(bytes.u8()?), bytes.u8()?);
                let payload = bytes.take(usize::from(length)).to_vec();
                self.people[who].turn.send(peer, &payload);
            }
            192..=223 => {
                let (to, length) = (self.people[who].relayed, bytes.u8()?);
                let payload = bytes.take(usize::from(length)).to_vec();
                self.server.handle_peer_packet(now, self.sfu, to, &payload);
            }
            224..=231 => self.people[who].turn.refresh(now, Duration::from_secs(bytes.u16()?.into())),
            232..=243 => {
                self.now += Duration::from_millis(u64::from(bytes.u16()?) * 10);
                self.server.handle_timeout(self.now);
                let expires = UNIX + (self.now - self.started).as_secs() + LIFETIME_S;
                self.people[who].renew(who, expires);
            }
            244..=247 => self.server.revoke_user(now, &format!("user{who}")),
            248..=251 => self.server.handle_stream_closed(now, StreamId(who as u64)),
            _ => self.server.handle_stream_opened(now, StreamId(who as u64)),
        }
        Some(())
    }

    /// A well-signed request, or an indication, of made-up attributes.
    fn made_up(&mut self, who: usize, what: u8, bytes: &mut Bytes<'_>) -> Option<Vec<u8>> {
        let methods = [Method::Allocate, Method::Refresh, Method::CreatePermission, Method::ChannelBind, Method::Send];
        let method = methods[usize::from(what) % methods.len()];
        let class = if method == Method::Send { Class::Indication } else { Class::Request };
        let mut writer = Writer::new(class, method, TransactionId([bytes.u8()? & 3; 12]), 0);
        for _ in 0..bytes.u8()? % 8 {
            let (kind, length) = (bytes.u8()?, usize::from(bytes.u8()? % 64));
            let kind = KINDS[usize::from(kind) % KINDS.len()];
            if kind == attributes::XOR_PEER_ADDRESS && length > 20 {
                writer.xor_address(kind, self.target(length as u8));
            } else {
                writer.attribute(kind, bytes.take(length));
            }
        }
        let person = &self.people[who];
        if class == Class::Request {
            writer
                .attribute(attributes::USERNAME, person.username.as_bytes())
                .attribute(attributes::REALM, REALM.as_bytes())
                .attribute(attributes::NONCE, &person.nonce)
                .integrity(if what & 1 == 0 { Integrity::Sha1 } else { Integrity::Sha256 }, &person.key);
        }
        Some(writer.finish())
    }

    fn target(&self, choice: u8) -> SocketAddr {
        match choice {
            0..=127 => self.people[usize::from(choice) % PEOPLE].relayed,
            128..=223 => self.sfu,
            224..=239 => SocketAddr::from(([127, 0, 0, 1], 8_443)),
            _ => SocketAddr::from((self.people[0].relayed.ip(), u16::from(choice))),
        }
    }

    /// Gives the server a packet, which may have one answer, or reach one other.
    fn give(&mut self, who: usize, packet: &[u8]) {
        self.server.handle_packet(self.now, self.people[who].client, packet);
        let outputs = std::iter::from_fn(|| self.server.poll_output()).collect::<Vec<_>>();
        assert!(outputs.len() <= 1, "{outputs:?}");
        outputs.into_iter().for_each(|output| self.take(output));
    }

    fn take(&mut self, output: Output) {
        match output {
            Output::ToClient { client, packet } => {
                let person = self.people.iter_mut().find(|person| person.client == client).expect("one of them");
                if let Some(nonce) = Message::parse(&packet).ok().and_then(|m| m.attribute(attributes::NONCE)) {
                    person.nonce = nonce.to_vec();
                }
                person.turn.handle_packet(self.now, &packet);
            }
            Output::ToPeer { from, to, .. } => {
                assert_eq!(to, self.sfu);
                assert!(is_relayed(from.ip()));
            }
            Output::CloseStream(_) => {}
        }
    }

    fn settle(&mut self) {
        let mut rounds = 0;
        loop {
            let mut quiet = true;
            for who in 0..PEOPLE {
                while let Some(packet) = self.people[who].turn.poll_transmit() {
                    quiet = false;
                    self.give(who, &packet);
                }
                let sfu = self.sfu;
                let person = &mut self.people[who];
                while let Some(event) = person.turn.poll_event() {
                    match event {
                        Event::Allocated { relayed, .. } => {
                            assert!(is_relayed(relayed.ip()));
                            person.relayed = relayed;
                        }
                        Event::Data { from, .. } => assert!(is_relayed(from.ip()) || from == sfu),
                        _ => {}
                    }
                }
            }
            while let Some(output) = self.server.poll_output() {
                quiet = false;
                self.take(output);
            }
            rounds += 1;
            assert!(rounds < 100, "client and server talk for ever");
            if quiet {
                assert!(self.server.stats().allocations <= 2);
                return;
            }
        }
    }
}

impl Person {
    fn new(index: usize, secret: &TurnSecret, expires: u64) -> Self {
        let remote = SocketAddr::from(([203, 0, 113, index as u8], 4_000));
        let client = match index {
            2 => Client::Stream { id: StreamId(index as u64), remote },
            _ => Client::Udp { remote, local: None },
        };
        let issued = secret.issue(&format!("user{index}"), expires);
        Self {
            client,
            turn: TurnClient::new(Transport::Stream, &issued.username, &issued.password, [index as u8; 32]),
            key: long_term_key(&issued.username, REALM, &issued.password),
            username: issued.username,
            nonce: Vec::new(),
            relayed: SocketAddr::from(([192, 0, 0, 8], 5_000)),
        }
    }

    /// The credential of later.
    fn renew(&mut self, index: usize, expires: u64) {
        let relayed = self.relayed;
        *self = Self::new(index, &TurnSecret::from_bytes(b"secret"), expires);
        self.relayed = relayed;
    }
}
