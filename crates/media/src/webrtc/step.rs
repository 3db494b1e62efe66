//! What a session says: packets to send, things that happened, faults.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_proto::SourceKind;
use conclave_sfu::{AudioLevel, Bitrate, Codec, LayerIndex, SlotId};

use crate::remote::Transport;

/// The engine failed; the session is of no more use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It said so: DTLS failed, or the certificate is not the one that the offer named.
    Failed,
    /// It panicked. A fault of the server, provoked by whoever is at the other end.
    Panicked,
}

/// What a session wants done next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Send this.
    Transmit(Transmit),
    /// Something happened.
    Event(SessionEvent),
    /// Nothing more before this time or the next input.
    Idle(Instant),
}

/// A packet of a session.
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
    /// DTLS or SRTP, which goes where the client wants it.
    Media(Vec<u8>),
}

/// Something happened to a session.
#[derive(Debug)]
pub(crate) enum SessionEvent {
    /// ICE and DTLS are done.
    Connected,
    /// The client closed the connection, or ICE lost it.
    Ended,
    /// A packet of a source.
    Received(Received),
    /// The client cannot decode what a slot carries.
    KeyframeWanted(SlotId),
    /// How much the client's network takes.
    Estimate(Bitrate),
    /// What was counted of one stream since the last time.
    Counted {
        /// Packets that the server asked for again.
        nacks_sent: u64,
        /// Packets that the client asked for again.
        nacks_received: u64,
        /// The share of the packets that the client lost (0 to 1), if this is a stream to it that it
        /// reported on.
        loss: Option<f32>,
        /// The client's last report on the stream.
        report: Option<Report>,
    },
}

/// What a client reports of a slot (RFC 3550, section 6.4.1).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) slot: SlotId,
    /// Packets that it lost since the beginning.
    pub(crate) lost: u64,
    pub(crate) jitter: Duration,
    pub(crate) round_trip: Option<Duration>,
}

/// A decrypted packet of a source.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) source: SourceKind,
    pub(crate) layer: LayerIndex,
    pub(crate) codec: Codec,
    /// Extended over the rollovers.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) audio_level: Option<AudioLevel>,
    pub(crate) voice_activity: Option<bool>,
    pub(crate) payload: Arc<[u8]>,
    /// When it arrived.
    pub(crate) at: Instant,
}

/// Why a packet was not queued for sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotSent {
    /// The slot does not exist, or its section has no such codec.
    NoCodec,
    /// Too much waits already.
    Overfull,
    /// The payload is not what the rewrite was made for.
    BadRewrite,
    /// The engine failed.
    Fault(Fault),
}
