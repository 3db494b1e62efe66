//! A small STUN and TURN client without I/O, for connectivity checks, tests and benchmarks. It is
//! asked for one thing at a time per kind, says what to send, and reports what came of it.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

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
    /// The answer was not signed with the credential's key: it is somebody else's.
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
    _transport: Transport,
}

impl TurnClient {
    /// A client that has sent nothing yet. `seed` makes transaction ids, which must be unpredictable.
    #[must_use]
    pub fn new(transport: Transport, _username: &str, _password: &str, _seed: [u8; 32]) -> Self {
        Self { _transport: transport }
    }

    /// Asks for this client's address (no credential needed): [`Event::Bound`].
    pub fn binding(&mut self, _now: Instant) {}

    /// Asks for an allocation: [`Event::Allocated`].
    pub fn allocate(&mut self, _now: Instant, _family: Family) {}

    /// Asks for the allocation to live this much longer; zero ends it: [`Event::Refreshed`].
    pub fn refresh(&mut self, _now: Instant, _lifetime: Duration) {}

    /// Permits addresses to send to this client: [`Event::Permitted`].
    pub fn create_permission(&mut self, _now: Instant, _peers: &[IpAddr]) {}

    /// Binds a channel to `peer`, which also permits it: [`Event::ChannelBound`].
    pub fn bind_channel(&mut self, _now: Instant, _peer: SocketAddr) {}

    /// Sends to a permitted peer: by its channel if it has one, else as an indication.
    pub fn send(&mut self, _peer: SocketAddr, _payload: &[u8]) {}

    /// Handles a packet of the server.
    pub fn handle_packet(&mut self, _now: Instant, _packet: &[u8]) {}

    /// Repeats or gives up what was not answered.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The next packet to send to the server.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        None
    }

    /// What has happened next.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }
}
