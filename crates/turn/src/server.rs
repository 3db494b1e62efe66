//! The server: see [`Server`].

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::framing::LARGEST_PACKET;
use crate::is_relayed;
use crate::stun::{Class, Message, Method};

mod allocation;
mod auth;
mod config;
mod lifetimes;
mod peer;
mod rate;
mod relay;
mod reply;
mod requests;
mod stats;
mod table;
mod time;

use auth::Authenticator;
use lifetimes::{Due, StreamState};
use peer::Reach;
use rate::{NetworkLimiter, Rates};
use table::Table;
use time::{Clock, Time};

pub use config::{Limits, ServerConfig};
pub use stats::Stats;

/// A byte stream, by a number that its owner never uses again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// A client as the network shows it: the 5-tuple of RFC 8656 section 2. Its `Debug` form keeps the
/// address to itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// By datagrams.
    Udp {
        /// Where it is. An IPv4 address must not be in its IPv6-mapped form.
        remote: SocketAddr,
        /// Which of this machine's addresses it speaks to, if that is known.
        local: Option<IpAddr>,
    },
    /// By a TCP or TLS connection.
    Stream {
        /// Which.
        id: StreamId,
        /// Where it is.
        remote: SocketAddr,
    },
}

impl Client {
    /// Where the client is.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        match self {
            Self::Udp { remote, .. } | Self::Stream { remote, .. } => *remote,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp { .. } => f.write_str("Udp(***)"),
            Self::Stream { id, .. } => write!(f, "Stream({}, ***)", id.0),
        }
    }
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send `packet` to the client (framed by [`TurnFramer`](crate::framing::TurnFramer) on a stream).
    ToClient {
        /// To whom.
        client: Client,
        /// A STUN message or ChannelData.
        packet: Vec<u8>,
    },
    /// Hand `payload` to the SFU as a datagram from a relayed address.
    ToPeer {
        /// The relayed address.
        from: SocketAddr,
        /// One of [`ServerConfig::peers`].
        to: SocketAddr,
        /// The datagram.
        payload: Vec<u8>,
    },
    /// Close the stream: its allocation has ended, or it never made one.
    CloseStream(StreamId),
}

/// A STUN and TURN server with virtual relays.
///
/// Its memory follows the number of allocations and open streams, which are bounded, and nothing that
/// a stranger sends: who has not proved itself leaves no trace but counters.
#[derive(Debug)]
pub struct Server {
    clock: Clock,
    limits: Limits,
    rates: Rates,
    auth: Authenticator,
    reach: Reach,
    table: Table,
    streams: HashMap<StreamId, StreamState>,
    timers: BTreeSet<(Time, Due)>,
    refusals: NetworkLimiter,
    bindings: NetworkLimiter,
    random: ChaCha12Rng,
    outputs: VecDeque<Output>,
    stats: Stats,
}

impl Server {
    /// A server without clients. `unix_now` is in seconds since 1970; `seed` must be unpredictable:
    /// nonces and relayed ports follow from it.
    #[must_use]
    pub fn new(config: ServerConfig, now: Instant, unix_now: u64, seed: [u8; 32]) -> Self {
        let ServerConfig { realm, secret, peers, limits } = config;
        let mut random = ChaCha12Rng::from_seed(seed);
        let nonce_key: [u8; 32] = random.random();
        Self {
            clock: Clock::new(now, unix_now),
            rates: Rates::new(limits.bits_per_second, limits.packets_per_second, limits.burst),
            auth: Authenticator::new(realm, secret, &nonce_key),
            reach: Reach::new(peers),
            table: Table::new(),
            streams: HashMap::new(),
            timers: BTreeSet::new(),
            refusals: NetworkLimiter::new(limits.refusals_per_second, random.random()),
            bindings: NetworkLimiter::new(limits.bindings_per_second, random.random()),
            random,
            outputs: VecDeque::new(),
            stats: Stats::default(),
            limits,
        }
    }

    /// Takes note of a stream before it has sent anything, so that it is closed if it never makes an
    /// allocation. A stream that is not announced counts from its first packet.
    pub fn handle_stream_opened(&mut self, now: Instant, stream: StreamId) {
        let now = self.clock.time(now);
        self.touch_stream(now, stream);
    }

    /// Handles a whole packet of a client: a STUN message or ChannelData, without a stream's padding.
    pub fn handle_packet(&mut self, now: Instant, client: Client, packet: &[u8]) {
        let now = self.clock.time(now);
        if let Client::Stream { id, .. } = client
            && !self.streams.contains_key(&id)
        {
            self.touch_stream(now, id);
        }
        if packet.len() > LARGEST_PACKET {
            self.stats.dropped_malformed += 1;
            return;
        }
        match packet.first() {
            Some(0x40..=0x4f) => self.handle_channel_data(now, &client, packet),
            _ => match Message::parse(packet) {
                Ok(message) => self.handle_message(now, client, &message),
                Err(_) => self.stats.dropped_malformed += 1,
            },
        }
    }

    /// Handles a datagram of the SFU to a relayed address. `from` is one of [`ServerConfig::peers`].
    /// False if nobody has that address, its client has not permitted `from`, or it gets too much.
    pub fn handle_peer_packet(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> bool {
        let now = self.clock.time(now);
        self.relay_from_peer(now, from, to, payload)
    }

    /// The stream has ended, and its allocation with it.
    pub fn handle_stream_closed(&mut self, _now: Instant, stream: StreamId) {
        self.forget_stream(stream);
    }

    /// Ends all allocations of `user` and closes their streams. What credentials the user has are void
    /// from now on; those issued two seconds later are good.
    pub fn revoke_user(&mut self, now: Instant, user: &str) {
        let now = self.clock.time(now);
        self.auth.revoke(self.clock.unix(now), user);
        for slot in self.table.of_user(user).to_vec() {
            self.stats.allocations_revoked += 1;
            self.end_allocation_and_stream(slot);
        }
    }

    /// Ends what has expired.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.clock.time(now);
        self.end_expired(now);
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.first().map(|(due, _)| self.clock.instant(*due))
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Counters and gauges.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    fn handle_message(&mut self, now: Time, client: Client, message: &Message<'_>) {
        match (message.class(), message.method()) {
            (Class::Indication, Method::Send) => self.handle_send(now, &client, message),
            // A Binding indication keeps a NAT's mapping alive; that it has come is all it wants.
            (Class::Indication, Method::Binding) => {}
            // Somebody who claims to come from a relay would be answered through it.
            (Class::Request, _) if !message.has_wrong_fingerprint() && !is_relayed(client.remote().ip()) => {
                self.handle_request(now, client, message);
            }
            _ => self.stats.dropped_malformed += 1,
        }
    }

    /// Adds an output unless too many wait.
    fn push(&mut self, output: Output) -> bool {
        let has_room = self.outputs.len() < self.limits.pending_outputs;
        if has_room {
            self.outputs.push_back(output);
        } else {
            self.stats.dropped_outputs += 1;
        }
        has_room
    }
}
