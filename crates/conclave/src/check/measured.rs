//! What was measured. Plain data: how it came about is in [`super::measure`], what it means in
//! [`super::verdict`].

use std::net::SocketAddr;
use std::time::Duration;

use crate::net::CertificateFacts;

/// Everything that was measured.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) page: Result<Page, PageFailure>,
    /// None: there was no TLS, or it did not come so far.
    pub(super) certificate: Option<Certificate>,
    pub(super) socket: Result<Socket, SocketFailure>,
    /// Where clients are told that media goes; the URL's own address where that could not be asked.
    pub(super) announced: Vec<Announced>,
    /// Over UDP, TCP and TLS; none: there were no credentials.
    pub(super) relays: Option<[Result<Relayed, RelayFailure>; 3]>,
}

/// The page was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) status: u16,
    /// From the start to the whole page: name, connection, TLS, request.
    pub(super) took: Duration,
}

/// Why there is no page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PageFailure {
    /// The name has no address.
    NoAddress,
    /// The machine answers, but nothing listens there.
    Refused,
    /// Nothing comes back.
    NoAnswer,
    /// What answers does not speak TLS.
    NotTls,
    /// Anything else.
    Other(String),
}

/// What the server showed, and whether a browser takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    /// None: it cannot be read.
    pub(super) facts: Option<CertificateFacts>,
    pub(super) trust: Trust,
}

/// Whether a browser takes a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    Trusted,
    Expired,
    NotYetValid,
    OtherName,
    SelfSigned,
    /// Its issuer is not known; often the files between it and the root are missing.
    UnknownIssuer,
    Other(String),
}

/// The WebSocket works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Socket {
    /// Median of the pings' round trips.
    pub(super) round_trip: Duration,
}

/// Why there is no WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SocketFailure {
    /// Not tried, because not even the page came.
    NotTried,
    /// Another status than 101.
    Status(u16),
    /// The server said why.
    Refused(String),
    /// Nothing comes back.
    NoAnswer,
    /// Anything else.
    Other(String),
}

/// An address that clients are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Announced {
    pub(super) address: SocketAddr,
    /// Round trip of STUN; none: no answer.
    pub(super) udp: Option<Duration>,
    /// The same over a TCP connection, framed as ICE does.
    pub(super) tcp: Option<Duration>,
}

/// A way to a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Udp,
    Tcp,
    Tls,
}

/// Packets went from one relay to another and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Relayed {
    pub(super) sent: u32,
    /// Of those, arrived at the other end.
    pub(super) arrived: u32,
    /// Of those, came back.
    pub(super) returned: u32,
    /// Median, over both relays and back.
    pub(super) round_trip: Duration,
}

/// Why nothing was relayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RelayFailure {
    /// The server named no relay of this kind.
    NotOffered,
    /// No connection, or none that stays.
    NoConnection,
    /// Nothing comes back.
    NoAnswer,
    /// The server refused, with this error code (RFC 8489, section 14.8).
    Refused(u16),
    /// A relay was given, but no packet came through.
    NothingArrived,
}
