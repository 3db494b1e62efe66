//! The media thread's end of all streams.

use std::collections::HashMap;
use std::sync::Arc;

use conclave_turn::StreamId;

use super::{Hub, MOST_WAITING, Packets, Stream};

/// The streams that the media thread knows.
#[derive(Debug)]
pub(crate) struct Streams {
    hub: Arc<Hub>,
    open: HashMap<StreamId, Arc<Stream>>,
    /// Those that got something to send in this turn.
    unsaid: Vec<Arc<Stream>>,
}

/// What a stream has for the media thread.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) stream: Arc<Stream>,
    /// Whether nothing was known of the stream before.
    pub(crate) is_new: bool,
    /// Whether this is the last that is heard of it.
    pub(crate) has_closed: bool,
}

/// Why a packet was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// The stream is closed.
    Closed,
    /// Too much waits already: the peer takes it too slowly.
    Full,
}

impl Streams {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { hub, open: HashMap::new(), unsaid: Vec::new() }
    }

    /// How many are open.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// Takes what a stream has: its packets change places with what `packets` held before, whose
    /// room the stream then uses. A stream that has closed is known no more.
    pub(crate) fn next(&mut self, packets: &mut Packets) -> Option<Arrival> {
        let stream = self.hub.pop()?;
        packets.clear();
        let mut state = stream.lock();
        state.queued = false;
        std::mem::swap(&mut state.arrived, packets);
        let has_closed = state.closed;
        drop(state);
        stream.taken.notify_one();
        let is_new = if has_closed {
            self.open.remove(&stream.id).is_none()
        } else {
            self.open.insert(stream.id, stream.clone()).is_none()
        };
        Some(Arrival { stream, is_new, has_closed })
    }

    /// Queues a whole packet. Whoever sends it is woken by [`Self::wake`].
    pub(crate) fn send(&mut self, id: StreamId, packet: &[u8]) -> Result<(), NotTaken> {
        let stream = self.open.get(&id).ok_or(NotTaken::Closed)?;
        let mut state = stream.lock();
        if state.closed {
            return Err(NotTaken::Closed);
        }
        let before = state.to_send.len();
        stream.kind.frame(packet, &mut state.to_send);
        if state.to_send.len() > MOST_WAITING {
            state.to_send.truncate(before);
            return Err(NotTaken::Full);
        }
        if !std::mem::replace(&mut state.unsaid, true) {
            self.unsaid.push(stream.clone());
        }
        Ok(())
    }

    /// Ends a turn: each stream that got something is woken, once.
    pub(crate) fn wake(&mut self) {
        for stream in self.unsaid.drain(..) {
            stream.lock().unsaid = false;
            stream.sendable.notify_one();
        }
    }

    /// Closes a stream, which is known no more. What waits for it is still sent.
    pub(crate) fn close(&mut self, id: StreamId) -> Option<Arc<Stream>> {
        let stream = self.open.remove(&id)?;
        stream.close();
        Some(stream)
    }

    /// A stream that is open.
    pub(crate) fn get(&self, id: StreamId) -> Option<&Arc<Stream>> {
        self.open.get(&id)
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.open.values().for_each(|stream| stream.close());
    }
}
