//! What a connection says: packets to send, things that happened, faults.

use std::net::SocketAddr;
use std::time::Instant;

use crate::dtls::Keys;
use crate::remote::Transport;

/// The engine failed; the connection is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It said so: DTLS failed, or the certificate is not the one that the offer named.
    Failed,
    /// It panicked. A fault of the server, provoked by whoever is at the other end.
    Panicked,
}

/// What a connection wants done next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Send this.
    Transmit(Transmit),
    /// ICE and DTLS are done; told once.
    Connected(Keys),
    /// The client closed the connection, or ICE lost it.
    Ended,
    /// Nothing more before this time or the next input.
    Idle(Instant),
}

/// A packet of a connection.
#[derive(Debug)]
pub(crate) enum Transmit {
    /// The answer to a connectivity check, which goes back where the check came from.
    Answer {
        /// The announced address that the check came to.
        source: SocketAddr,
        over: Transport,
        destination: SocketAddr,
        contents: Vec<u8>,
    },
    /// DTLS, which goes where the client wants it.
    Dtls(Vec<u8>),
}
