//! A server and clients in virtual time, joined by calls.
#![allow(dead_code, reason = "every test uses a part of it")]

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use conclave_turn::client::{Event, Failure, Family, Transport, TurnClient};
use conclave_turn::credentials::{Issued, LIFETIME_S};
use conclave_turn::stun::{
    Class, Integrity, Message, Method, TransactionId, Writer, attributes, error_code, long_term_key,
};
use conclave_turn::{Client, Limits, Output, Server, ServerConfig, StreamId, TurnSecret};

pub const REALM: &str = "conclave";
pub const SECRET: &[u8] = b"a secret of tests";
/// When every test begins, in seconds since 1970.
pub const UNIX: u64 = 1_800_000_000;
pub const SFU_V4: &str = "198.51.100.7:8443";
pub const SFU_V6: &str = "[2001:db8::7]:8443";

/// REQUESTED-TRANSPORT of everybody.
pub const UDP: [u8; 4] = [17, 0, 0, 0];

/// A client by UDP.
pub fn udp(remote: &str) -> Client {
    Client::Udp { remote: address(remote), local: None }
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an IP address")
}

/// A server, and everybody who speaks to it.
pub struct World {
    pub server: Server,
    pub now: Instant,
    started: Instant,
    people: Vec<Person>,
    by_client: HashMap<Client, usize>,
    /// What has arrived at the SFU: from, to, payload.
    pub at_sfu: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    pub closed: Vec<StreamId>,
}

struct Person {
    client: Client,
    turn: TurnClient,
    events: Vec<Event>,
}

/// Writes requests attribute by attribute, as no well-behaved client would.
pub struct Raw {
    pub client: Client,
    pub username: String,
    pub key: [u8; 16],
    pub nonce: Vec<u8>,
    pub integrity: Integrity,
    transactions: u32,
}

/// What came back.
#[derive(Debug)]
pub struct Answer(pub Vec<u8>);

impl Answer {
    pub fn message(&self) -> Message<'_> {
        Message::parse(&self.0).expect("the server writes well-formed messages")
    }

    /// The error code; 0 if the request was granted.
    pub fn code(&self) -> u16 {
        let message = self.message();
        match message.class() {
            Class::Success => 0,
            _ => message.attribute(attributes::ERROR_CODE).and_then(error_code).expect("an error has a code"),
        }
    }
}

impl Raw {
    /// Somebody with a credential issued now, who has fetched a nonce.
    pub fn new(world: &mut World, user: &str, client: Client) -> Self {
        let Issued { username, password } = world.issue(user);
        let key = long_term_key(&username, REALM, &password);
        let mut raw = Self { client, username, key, nonce: Vec::new(), integrity: Integrity::Sha1, transactions: 0 };
        raw.fetch_nonce(world);
        raw
    }

    pub fn fetch_nonce(&mut self, world: &mut World) {
        let request = self.unsigned(Method::Allocate, |_| {});
        let answer = world.exchange(self.client, &request).expect("a challenge");
        assert_eq!(answer.code(), 401);
        self.nonce = answer.message().attribute(attributes::NONCE).expect("a challenge has a nonce").to_vec();
    }

    fn writer(&mut self, method: Method) -> Writer {
        self.transactions += 1;
        let mut transaction = [0; 12];
        transaction[..4].copy_from_slice(&self.transactions.to_be_bytes());
        Writer::new(Class::Request, method, TransactionId(transaction), 0)
    }

    pub fn unsigned(&mut self, method: Method, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = self.writer(method);
        write(&mut writer);
        writer.finish()
    }

    pub fn signed(&mut self, method: Method, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = self.writer(method);
        write(&mut writer);
        writer
            .attribute(attributes::USERNAME, self.username.as_bytes())
            .attribute(attributes::REALM, REALM.as_bytes())
            .attribute(attributes::NONCE, &self.nonce)
            .integrity(self.integrity, &self.key);
        writer.finish()
    }

    /// The code of the answer to a signed request; the answer must be signed in the same way, but for
    /// those that ask for a credential.
    pub fn ask(&mut self, world: &mut World, method: Method, write: impl FnOnce(&mut Writer)) -> u16 {
        let request = self.signed(method, write);
        let answer = world.exchange(self.client, &request).expect("an answer");
        if !matches!(answer.code(), 401 | 438) {
            assert_eq!(answer.message().integrity(), Some(self.integrity));
            assert!(answer.message().is_authentic(&self.key));
        }
        answer.code()
    }

    pub fn allocate(&mut self, world: &mut World) -> u16 {
        self.ask(world, Method::Allocate, |writer| {
            writer.attribute(attributes::REQUESTED_TRANSPORT, &UDP);
        })
    }
}

/// Somebody in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who(usize);

impl World {
    pub fn new() -> Self {
        Self::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Self {
        #[expect(clippy::disallowed_methods, reason = "only differences to it count")]
        let now = Instant::now();
        let peers = vec![address(SFU_V4), address(SFU_V6)];
        let config = ServerConfig { realm: REALM.into(), secret: TurnSecret::from_bytes(SECRET), peers, limits };
        Self {
            server: Server::new(config, now, UNIX, [7; 32]),
            now,
            started: now,
            people: Vec::new(),
            by_client: HashMap::new(),
            at_sfu: Vec::new(),
            closed: Vec::new(),
        }
    }

    /// A credential issued now.
    pub fn issue(&self, user: &str) -> Issued {
        let unix = UNIX + (self.now - self.started).as_secs();
        TurnSecret::from_bytes(SECRET).issue(user, unix + LIFETIME_S)
    }

    /// Somebody with a credential, by UDP from an address of their own.
    pub fn join(&mut self, user: &str) -> Who {
        let index = self.people.len();
        let remote = SocketAddr::new(IpAddr::from([203, 0, 113, index as u8]), 40_000 + index as u16);
        self.join_as(user, Client::Udp { remote, local: None })
    }

    /// Somebody with a credential, by a stream.
    pub fn join_by_stream(&mut self, user: &str, id: u64) -> Who {
        let client = Client::Stream { id: StreamId(id), remote: address("203.0.113.200:50000") };
        self.join_as(user, client)
    }

    pub fn join_as(&mut self, user: &str, client: Client) -> Who {
        let issued = self.issue(user);
        self.join_with(&issued.username, &issued.password, client)
    }

    pub fn join_with(&mut self, username: &str, password: &str, client: Client) -> Who {
        let transport = if matches!(client, Client::Udp { .. }) { Transport::Udp } else { Transport::Stream };
        let index = self.people.len();
        let turn = TurnClient::new(transport, username, password, [index as u8 + 1; 32]);
        self.people.push(Person { client, turn, events: Vec::new() });
        self.by_client.insert(client, index);
        Who(index)
    }

    pub fn turn(&mut self, who: Who) -> &mut TurnClient {
        &mut self.people[who.0].turn
    }

    pub fn client(&self, who: Who) -> Client {
        self.people[who.0].client
    }

    /// Gives the server a packet, and takes its answer if there is one.
    pub fn exchange(&mut self, client: Client, packet: &[u8]) -> Option<Answer> {
        self.server.handle_packet(self.now, client, packet);
        match self.server.poll_output() {
            Some(Output::ToClient { client: to, packet }) => {
                assert_eq!(to, client);
                assert_eq!(self.server.poll_output(), None, "one packet has one answer");
                Some(Answer(packet))
            }
            Some(other) => panic!("an answer was expected: {other:?}"),
            None => None,
        }
    }

    /// Carries packets until nobody has anything to say.
    pub fn settle(&mut self) {
        loop {
            let mut quiet = true;
            for index in 0..self.people.len() {
                while let Some(packet) = self.people[index].turn.poll_transmit() {
                    quiet = false;
                    self.server.handle_packet(self.now, self.people[index].client, &packet);
                }
            }
            while let Some(output) = self.server.poll_output() {
                quiet = false;
                match output {
                    Output::ToClient { client, packet } => {
                        let Some(person) = self.by_client.get(&client).map(|index| &mut self.people[*index]) else {
                            continue;
                        };
                        person.turn.handle_packet(self.now, &packet);
                    }
                    Output::ToPeer { from, to, payload } => self.at_sfu.push((from, to, payload)),
                    Output::CloseStream(id) => self.closed.push(id),
                }
            }
            for person in &mut self.people {
                person.events.extend(std::iter::from_fn(|| person.turn.poll_event()));
            }
            if quiet {
                return;
            }
        }
    }

    /// Lets time pass; what is due in it is done at its time.
    pub fn wait(&mut self, duration: Duration) {
        let until = self.now + duration;
        while let Some(due) = self.server.poll_timeout().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.server.handle_timeout(self.now);
            self.settle();
        }
        self.now = until;
    }

    /// What has happened to somebody since this was last asked.
    pub fn events(&mut self, who: Who) -> Vec<Event> {
        self.settle();
        std::mem::take(&mut self.people[who.0].events)
    }

    /// The error code that somebody's only request got; 0 if it was granted.
    pub fn code(&mut self, who: Who) -> u16 {
        let is_answer = |event: &Event| !matches!(event, Event::Data { .. });
        match self.events(who).into_iter().filter(is_answer).collect::<Vec<_>>().as_slice() {
            [Event::Failed { failure: Failure::Refused(code), .. }] => *code,
            [Event::Failed { failure, .. }] => panic!("{failure}"),
            [_] => 0,
            other => panic!("one event was expected: {other:?}"),
        }
    }

    /// Allocates; the relayed address.
    pub fn allocate(&mut self, who: Who) -> SocketAddr {
        self.allocate_in(who, Family::V4)
    }

    pub fn allocate_in(&mut self, who: Who, family: Family) -> SocketAddr {
        let now = self.now;
        self.turn(who).allocate(now, family);
        match self.events(who).as_slice() {
            [Event::Allocated { relayed, .. }] => *relayed,
            other => panic!("an allocation was expected: {other:?}"),
        }
    }

    pub fn permit(&mut self, who: Who, peer: IpAddr) -> u16 {
        let now = self.now;
        self.turn(who).create_permission(now, &[peer]);
        self.code(who)
    }

    pub fn bind(&mut self, who: Who, peer: SocketAddr) -> u16 {
        let now = self.now;
        self.turn(who).bind_channel(now, peer);
        self.code(who)
    }

    pub fn refresh(&mut self, who: Who, seconds: u64) -> u16 {
        let now = self.now;
        self.turn(who).refresh(now, Duration::from_secs(seconds));
        self.code(who)
    }

    /// What somebody has received from peers since events were last asked for.
    pub fn received(&mut self, who: Who) -> Vec<(SocketAddr, Vec<u8>)> {
        let data = |event| match event {
            Event::Data { from, payload } => Some((from, payload)),
            _ => None,
        };
        self.events(who).into_iter().filter_map(data).collect()
    }

    pub fn send(&mut self, who: Who, peer: SocketAddr, payload: &[u8]) {
        self.turn(who).send(peer, payload);
        self.settle();
    }

    /// What the SFU sends to a relayed address; whether somebody took it.
    pub fn sfu_sends(&mut self, from: &str, to: SocketAddr, payload: &[u8]) -> bool {
        let taken = self.server.handle_peer_packet(self.now, address(from), to, payload);
        self.settle();
        taken
    }
}
