//! Byte streams that carry packets: ICE-TCP and TURN over TCP or TLS.
//!
//! Whoever has the connection pumps bytes through the two halves here; the media thread has the
//! plane's end in [`registry`]. Between them are two bounded buffers under one short lock. Packets
//! are found in the bytes outside the media thread; a wake-up in either direction is for all that
//! waits, not for each packet.

mod half;
mod hub;
mod registry;
#[cfg(test)]
mod tests;

pub(crate) use half::open;
pub use half::{StreamError, StreamSink, StreamSource, StreamsFull};
pub(crate) use hub::Hub;
#[cfg(test)]
use registry::NotTaken;
pub(crate) use registry::{Arrival, Streams};

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_turn::StreamId;
use conclave_turn::framing::{IceFramer, TurnFramer};
use tokio::sync::Notify;

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// ICE-TCP: packets in frames of RFC 4571.
    IceTcp,
    /// TURN (RFC 8656 section 2.1).
    Turn {
        /// Over TLS.
        tls: bool,
    },
}

impl StreamKind {
    fn frame(self, packet: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::IceTcp => IceFramer::write(packet, out),
            Self::Turn { .. } => TurnFramer::write(packet, out),
        }
    }
}

/// Bytes that may wait in each direction. Outgoing, this is a third of a second at 1.5 Mbit/s: what
/// waits longer than that is of no use to a conversation.
const MOST_WAITING: usize = 64 * 1024;

/// One stream, as both ends know it.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) id: StreamId,
    pub(crate) kind: StreamKind,
    /// An IPv4 address is never in its IPv6-mapped form.
    pub(crate) remote: SocketAddr,
    /// Which of this machine's addresses it came to, if that is known.
    pub(crate) local: Option<IpAddr>,
    hub: Arc<Hub>,
    state: Mutex<State>,
    /// The media thread has taken what had arrived, or closed the stream.
    taken: Notify,
    /// There is something to send, or the stream was closed.
    sendable: Notify,
}

#[derive(Debug, Default)]
struct State {
    arrived: Packets,
    /// Framed.
    to_send: Vec<u8>,
    /// Whether the hub has the stream in its queue already.
    queued: bool,
    /// Whether whoever sends is to be woken at the end of the turn.
    unsaid: bool,
    closed: bool,
}

impl Stream {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Each operation leaves the state whole, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Either end closes it: nothing more is received; what waits to be sent may still go out.
    fn close(&self) {
        self.lock().closed = true;
        self.taken.notify_one();
        self.sendable.notify_one();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.hub.forget();
    }
}

/// Packets one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Packets {
    fn push(&mut self, packet: &[u8]) {
        self.bytes.extend_from_slice(packet);
        // At most `MOST_WAITING` and one packet more.
        self.ends.push(self.bytes.len() as u32);
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// In the order in which they came.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        // Each end is where the next starts, and none is beyond the bytes.
        starts.zip(&self.ends).map(|(start, end)| self.bytes.get(start as usize..*end as usize).unwrap_or_default())
    }
}
