//! The server: see [`Server`].

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

mod config;
mod stats;

pub use config::{Limits, ServerConfig};
pub use stats::Stats;

/// A byte stream, by a number that its owner never uses again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// A client as the network shows it: the 5-tuple of RFC 8656 section 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
#[derive(Debug)]
pub struct Server {
    outputs: VecDeque<Output>,
    stats: Stats,
}

impl Server {
    /// A server without clients. `unix_now` is in seconds since 1970; `seed` must be unpredictable:
    /// nonces and relayed ports follow from it.
    #[must_use]
    pub fn new(_config: ServerConfig, _now: Instant, _unix_now: u64, _seed: [u8; 32]) -> Self {
        Self { outputs: VecDeque::new(), stats: Stats::default() }
    }

    /// Takes note of a stream before it has sent anything, so that it is closed if it never does.
    pub fn handle_stream_opened(&mut self, _now: Instant, _stream: StreamId) {}

    /// Handles a whole packet of a client: a STUN message or ChannelData, without a stream's padding.
    pub fn handle_packet(&mut self, _now: Instant, _client: Client, _packet: &[u8]) {}

    /// Handles a datagram of the SFU to a relayed address. `from` is one of [`ServerConfig::peers`].
    /// False if nobody has that address or wants to hear from `from`.
    pub fn handle_peer_packet(&mut self, _now: Instant, _from: SocketAddr, _to: SocketAddr, _payload: &[u8]) -> bool {
        false
    }

    /// The stream has ended, and its allocation with it.
    pub fn handle_stream_closed(&mut self, _now: Instant, _stream: StreamId) {}

    /// Ends all allocations of `user` and closes their streams; credentials issued so far are void.
    pub fn revoke_user(&mut self, _now: Instant, _user: &str) {}

    /// Ends what has expired.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
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
}
