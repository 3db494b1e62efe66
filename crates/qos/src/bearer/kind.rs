//! What tells bearers apart.

use std::time::Duration;

/// What carries packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bearer {
    /// QUIC datagrams (RFC 9221), in a browser WebTransport's. QUIC's congestion control and pacing are below. What does
    /// not fit its queue makes quinn drop the oldest datagrams and a browser's writer wait, so the queue is kept short.
    Datagrams,
    /// Messages of an SCTP data channel that is unordered and sends nothing again (RFC 8831, section 6.6; RFC 3758,
    /// section 3.5). SCTP's window, which is made smaller by losses (RFC 9260, section 7), is below.
    Messages,
    /// A stream over TCP: a WebSocket, ICE-TCP, TURN over TCP or TLS. All of it arrives, in order: what was handed over
    /// cannot be overtaken.
    Stream,
}

impl Bearer {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Datagrams, Self::Messages, Self::Stream];

    /// How long what the bearer holds may take to leave. Enough that it does not run dry from one report to the next: in a
    /// browser, TCP's queue is told by no event, and a timer is late by some milliseconds.
    pub(super) fn span(self) -> Duration {
        Duration::from_millis(match self {
            Self::Datagrams => 15,
            Self::Messages => 20,
            Self::Stream => 30,
        })
    }

    /// Packets that the bearer may hold. A browser counts datagrams, and makes whoever writes more wait.
    pub(super) fn most_packets(self) -> usize {
        match self {
            Self::Datagrams => 64,
            Self::Messages | Self::Stream => 1_024,
        }
    }

    /// The largest packet in bytes, until [`set_largest`](super::BearerSender::set_largest) says otherwise.
    ///
    /// Datagrams: what is left of QUIC's least MTU of 1,200 (RFC 9000, section 14) after a short header, the frame's and
    /// WebTransport's. Messages: what is left of libwebrtc's 1,191 bytes for SCTP (`kSctpMtu`) after the headers of
    /// packet and I-DATA chunk, in whole words; a longer one is cut up, and lost with any of its pieces. Stream: what 16
    /// bits can tell the length of (RFC 4571).
    pub const fn largest(self) -> u32 {
        match self {
            Self::Datagrams => 1_150,
            Self::Messages => 1_156,
            Self::Stream => 65_535,
        }
    }
}

impl std::fmt::Display for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Datagrams => "datagrams",
            Self::Messages => "messages",
            Self::Stream => "stream",
        })
    }
}
