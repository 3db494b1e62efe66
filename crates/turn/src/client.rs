//! A small STUN and TURN client without I/O, for connectivity checks, tests and benchmarks: it says
//! what to send and reports what came of it. What it has been granted it does not prolong by itself.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::stun::{Class, Message, Method, TransactionId, Writer, attributes, decode_xor_address, error_code};

mod transaction;

use transaction::{Account, Ask, Transaction};

/// Whether the way to the server loses packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Requests are repeated until they are answered (RFC 8489 section 6.2.1).
    Udp,
    /// TCP or TLS: every request is sent once. Packets must be framed by
    /// [`TurnFramer`](crate::framing::TurnFramer).
    Stream,
}

/// Where the relayed address shall be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// What every client gets that does not ask.
    #[default]
    V4,
    /// By REQUESTED-ADDRESS-FAMILY (RFC 8656 section 18.6).
    V6,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// See [`TurnClient::binding`].
    Binding,
    /// See [`TurnClient::allocate`].
    Allocate,
    /// See [`TurnClient::refresh`].
    Refresh,
    /// See [`TurnClient::create_permission`].
    CreatePermission,
    /// See [`TurnClient::bind_channel`].
    ChannelBind,
}

/// Why a request came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The server refused, with this error code (RFC 8489 section 14.8, RFC 8656 section 19).
    #[error("the server refused with error {0}")]
    Refused(u16),
    /// Nothing came back in time.
    #[error("the server did not answer")]
    NoAnswer,
    /// Nothing came back in time that was signed with the credential's key, but something that was not.
    #[error("the answer was not the server's")]
    Forged,
}

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A Binding request was answered.
    Bound {
        /// This client's address as the server sees it.
        mapped: SocketAddr,
        /// From the first request to the answer.
        round_trip: Duration,
    },
    /// The allocation exists.
    Allocated {
        /// Where peers reach this client.
        relayed: SocketAddr,
        /// This client's address as the server sees it.
        mapped: SocketAddr,
        /// How long it lives without a refresh.
        lifetime: Duration,
    },
    /// The allocation's life was changed; zero: it has ended.
    Refreshed {
        /// How long it lives from now on.
        lifetime: Duration,
    },
    /// The addresses may send to this client, and it to them.
    Permitted,
    /// Packets to and from `peer` go by a channel from now on.
    ChannelBound {
        /// The peer.
        peer: SocketAddr,
    },
    /// A packet of a peer.
    Data {
        /// The peer.
        from: SocketAddr,
        /// What it sent.
        payload: Vec<u8>,
    },
    /// A request came to nothing.
    Failed {
        /// Which.
        request: Request,
        /// Why.
        failure: Failure,
    },
}

/// A client of one server by one way.
#[derive(Debug)]
pub struct TurnClient {
    transport: Transport,
    account: Account,
    random: ChaCha12Rng,
    transactions: Vec<Transaction>,
    channels: Vec<Channel>,
    transmits: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
}

#[derive(Clone, Copy, Debug)]
struct Channel {
    number: u16,
    peer: SocketAddr,
    /// The server has agreed.
    is_bound: bool,
}

/// The first of the 4,096 channel numbers (RFC 8656 section 12).
const FIRST_CHANNEL: u16 = 0x4000;
const CHANNELS: usize = 4_096;
const CHANNEL_HEADER: usize = 4;

impl TurnClient {
    /// A client that has sent nothing yet. `seed` makes transaction ids, which must be unpredictable.
    /// Bindings need no credential: both texts may then be empty.
    #[must_use]
    pub fn new(transport: Transport, username: &str, password: &str, seed: [u8; 32]) -> Self {
        Self {
            transport,
            account: Account::new(username, password),
            random: ChaCha12Rng::from_seed(seed),
            transactions: Vec::new(),
            channels: Vec::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Asks for this client's address (no credential needed): [`Event::Bound`].
    pub fn binding(&mut self, now: Instant) {
        self.ask(now, Ask::Binding);
    }

    /// Asks for an allocation: [`Event::Allocated`].
    pub fn allocate(&mut self, now: Instant, family: Family) {
        self.ask(now, Ask::Allocate(family));
    }

    /// Asks for the allocation to live this long from now on, in whole seconds (servers give no less
    /// than ten minutes); zero ends it: [`Event::Refreshed`].
    pub fn refresh(&mut self, now: Instant, lifetime: Duration) {
        self.ask(now, Ask::Refresh(lifetime));
    }

    /// Permits addresses to send to this client: [`Event::Permitted`].
    pub fn create_permission(&mut self, now: Instant, peers: &[IpAddr]) {
        self.ask(now, Ask::CreatePermission(peers.into()));
    }

    /// Binds a channel to `peer`, or prolongs it, which also permits it: [`Event::ChannelBound`].
    pub fn bind_channel(&mut self, now: Instant, peer: SocketAddr) {
        let known = self.channels.iter().find(|channel| channel.peer == peer).map(|channel| channel.number);
        let number = known.unwrap_or_else(|| {
            // Who binds more channels than there are is refused by the server.
            let number = FIRST_CHANNEL + (self.channels.len() % CHANNELS) as u16;
            self.channels.push(Channel { number, peer, is_bound: false });
            number
        });
        self.ask(now, Ask::ChannelBind { number, peer });
    }

    /// Sends to a permitted peer: by its channel if it has one, else as an indication. A payload of
    /// more than 65,000 bytes is nothing that a network would carry, and is left out.
    pub fn send(&mut self, peer: SocketAddr, payload: &[u8]) {
        const LARGEST: usize = 65_000;
        if payload.len() > LARGEST {
            return;
        }
        let channel = self.channels.iter().find(|channel| channel.peer == peer && channel.is_bound);
        let packet = match channel {
            Some(channel) => {
                let mut packet = Vec::with_capacity(CHANNEL_HEADER + payload.len());
                packet.extend_from_slice(&channel.number.to_be_bytes());
                packet.extend_from_slice(&(payload.len() as u16).to_be_bytes());
                packet.extend_from_slice(payload);
                packet
            }
            None => {
                let transaction = TransactionId(self.random.random());
                let mut writer = Writer::new(Class::Indication, Method::Send, transaction, payload.len() + 52);
                writer.xor_address(attributes::XOR_PEER_ADDRESS, peer).attribute(attributes::DATA, payload);
                writer.finish()
            }
        };
        self.transmits.push_back(packet);
    }

    /// Handles a packet of the server. What is none, or answers nothing, is passed over.
    pub fn handle_packet(&mut self, now: Instant, packet: &[u8]) {
        if let Some(0x40..=0x4f) = packet.first() {
            self.handle_channel_data(packet);
            return;
        }
        let Ok(message) = Message::parse(packet) else { return };
        if message.has_wrong_fingerprint() {
            return;
        }
        match (message.class(), message.method()) {
            (Class::Indication, Method::Data) => self.handle_data(&message),
            (Class::Success | Class::Error, _) => self.handle_response(now, &message),
            _ => {}
        }
    }

    /// Repeats or gives up what was not answered.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut index = 0;
        while let Some(transaction) = self.transactions.get_mut(index) {
            if transaction.due > now {
                index += 1;
            } else if transaction.repeat(now) {
                self.transmits.push_back(transaction.packet.clone());
                index += 1;
            } else {
                let failure = if transaction.saw_forgery { Failure::Forged } else { Failure::NoAnswer };
                let request = transaction.ask.request();
                self.transactions.remove(index);
                self.events.push_back(Event::Failed { request, failure });
            }
        }
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.transactions.iter().map(|transaction| transaction.due).min()
    }

    /// The next packet to send to the server.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmits.pop_front()
    }

    /// What has happened next.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn ask(&mut self, now: Instant, ask: Ask) {
        self.ask_again(now, ask, 0);
    }

    fn ask_again(&mut self, now: Instant, ask: Ask, challenges: u32) {
        let id = TransactionId(self.random.random());
        let packet = ask.message(id, &self.account);
        self.transmits.push_back(packet.clone());
        let mut transaction = Transaction::new(now, self.transport, ask, id, packet);
        transaction.was_signed = self.account.can_sign();
        transaction.challenges = challenges;
        self.transactions.push(transaction);
    }

    fn handle_response(&mut self, now: Instant, message: &Message<'_>) {
        let answered = |transaction: &Transaction| {
            transaction.id == message.transaction() && transaction.ask.method() == message.method()
        };
        let Some(index) = self.transactions.iter().position(answered) else { return };
        if message.class() == Class::Error {
            let transaction = self.transactions.remove(index);
            self.handle_refusal(now, transaction, message);
            return;
        }
        let transaction = &mut self.transactions[index];
        if transaction.ask.needs_account() && !self.account.signed(message) {
            // It is as if it had not come (RFC 8489 section 9.2.5).
            transaction.saw_forgery = true;
            return;
        }
        let transaction = self.transactions.remove(index);
        if let Some(event) = self.granted(now, &transaction, message) {
            self.events.push_back(event);
        }
    }

    /// A refusal may only ask for the credential, or for a newer nonce.
    fn handle_refusal(&mut self, now: Instant, transaction: Transaction, message: &Message<'_>) {
        let code = message.attribute(attributes::ERROR_CODE).and_then(error_code).unwrap_or(0);
        if transaction.may_be_challenged(code) && self.account.take_challenge(message) {
            self.ask_again(now, transaction.ask, transaction.challenges + 1);
        } else {
            let request = transaction.ask.request();
            self.events.push_back(Event::Failed { request, failure: Failure::Refused(code) });
        }
    }

    /// What a success says; `None` if it lacks what it must say.
    fn granted(&mut self, now: Instant, transaction: &Transaction, message: &Message<'_>) -> Option<Event> {
        let address = |kind| decode_xor_address(message.attribute(kind)?, message.transaction());
        let lifetime = || {
            let bytes = message.attribute(attributes::LIFETIME)?.try_into().ok()?;
            Some(Duration::from_secs(u64::from(u32::from_be_bytes(bytes))))
        };
        Some(match &transaction.ask {
            Ask::Binding => Event::Bound {
                mapped: address(attributes::XOR_MAPPED_ADDRESS)?,
                round_trip: now.saturating_duration_since(transaction.sent),
            },
            Ask::Allocate(_) => Event::Allocated {
                relayed: address(attributes::XOR_RELAYED_ADDRESS)?,
                mapped: address(attributes::XOR_MAPPED_ADDRESS)?,
                lifetime: lifetime()?,
            },
            Ask::Refresh(_) => Event::Refreshed { lifetime: lifetime()? },
            Ask::CreatePermission(_) => Event::Permitted,
            Ask::ChannelBind { number, peer } => {
                let channel = self.channels.iter_mut().find(|channel| channel.number == *number)?;
                channel.is_bound = true;
                Event::ChannelBound { peer: *peer }
            }
        })
    }

    fn handle_channel_data(&mut self, packet: &[u8]) {
        let Some((&[number_high, number_low, high, low], rest)) = packet.split_first_chunk::<CHANNEL_HEADER>() else {
            return;
        };
        let number = u16::from_be_bytes([number_high, number_low]);
        let payload = rest.get(..usize::from(u16::from_be_bytes([high, low])));
        let channel = self.channels.iter().find(|channel| channel.number == number);
        if let (Some(channel), Some(payload)) = (channel, payload) {
            self.events.push_back(Event::Data { from: channel.peer, payload: payload.to_vec() });
        }
    }

    fn handle_data(&mut self, message: &Message<'_>) {
        let from = message.attribute(attributes::XOR_PEER_ADDRESS);
        let from = from.and_then(|value| decode_xor_address(value, message.transaction()));
        if let (Some(from), Some(payload)) = (from, message.attribute(attributes::DATA)) {
            self.events.push_back(Event::Data { from, payload: payload.to_vec() });
        }
    }
}
