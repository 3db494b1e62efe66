//! What waits to be sent to one client: bounded, so that one who does not read costs a bounded
//! amount of memory and nobody's time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::ws::Utf8Bytes;
use conclave_proto::{Reply, ServerMessage};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::net::Place;

/// Most bytes that wait for one client. A `joined` with the longest possible chat history takes
/// 3.2 MB.
const BYTES: usize = 6 * 1024 * 1024;
/// Most messages that wait for one client: a full replay and what comes meanwhile.
const MESSAGES: usize = 4_096;

/// What the writer of a connection does next.
#[derive(Debug)]
pub enum Outgoing {
    /// Sends this.
    Text(Utf8Bytes),
    /// Closes; nothing comes after it.
    Close {
        /// The close code.
        code: u16,
        /// For developers.
        reason: &'static str,
    },
}

/// The side that sends. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbox {
    queue: mpsc::UnboundedSender<Outgoing>,
    waiting: Arc<Waiting>,
}

/// The side that the connection's writer empties.
#[derive(Debug)]
pub struct Sending {
    queue: mpsc::UnboundedReceiver<Outgoing>,
    waiting: Arc<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: AtomicUsize,
    messages: AtomicUsize,
    overflowed: CancellationToken,
    joined: AtomicBool,
    /// Among those who have not joined.
    place: Mutex<Option<Place>>,
}

/// A new pair. `place` is given back when a meeting lets the client in.
pub fn outbox(place: Option<Place>) -> (Outbox, Sending) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let waiting = Arc::new(Waiting { place: Mutex::new(place), ..Waiting::default() });
    (Outbox { queue: sender, waiting: waiting.clone() }, Sending { queue: receiver, waiting })
}

impl Outbox {
    /// Queues a message. If the client reads too slowly, nothing more is queued and its connection
    /// is dropped.
    pub fn send(&self, message: &ServerMessage) {
        if self.waiting.overflowed.is_cancelled() {
            return;
        }
        if let ServerMessage::Reply { reply, .. } = message
            && matches!(**reply, Reply::Joined(_) | Reply::Resumed(_))
        {
            self.waiting.joined.store(true, Ordering::Release);
            self.waiting.place.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        match serde_json::to_string(message) {
            Ok(text) => self.send_text(text),
            // Only a map with keys that are no strings could fail, and the protocol has none.
            Err(_) => tracing::error!("a message could not be written as JSON"),
        }
    }

    /// Queues a message that is written already; otherwise as [`Self::send`].
    pub fn send_text(&self, text: String) {
        if self.waiting.overflowed.is_cancelled() {
            return;
        }
        let bytes = self.waiting.bytes.fetch_add(text.len(), Ordering::Relaxed) + text.len();
        let messages = self.waiting.messages.fetch_add(1, Ordering::Relaxed) + 1;
        if bytes > BYTES || messages > MESSAGES {
            self.waiting.overflowed.cancel();
            return;
        }
        // The connection may have ended; then nobody waits for it.
        let _ = self.queue.send(Outgoing::Text(text.into()));
    }

    /// Whether a meeting has let the client in.
    pub fn has_joined(&self) -> bool {
        self.waiting.joined.load(Ordering::Acquire)
    }

    /// Closes the connection after what was queued before.
    pub fn close(&self, code: u16, reason: &'static str) {
        let _ = self.queue.send(Outgoing::Close { code, reason });
    }
}

impl Sending {
    /// The next one; pends while there is none.
    pub async fn next(&mut self) -> Option<Outgoing> {
        let next = self.queue.recv().await?;
        if let Outgoing::Text(text) = &next {
            self.waiting.bytes.fetch_sub(text.len(), Ordering::Relaxed);
            self.waiting.messages.fetch_sub(1, Ordering::Relaxed);
        }
        Some(next)
    }

    /// Resolves when the client has let too much pile up.
    pub fn overflowed(&self) -> CancellationToken {
        self.waiting.overflowed.clone()
    }
}

#[cfg(test)]
mod tests {
    use conclave_proto::{ErrorCode, ProtocolError};

    use super::*;

    fn message(bytes: usize) -> ServerMessage {
        ServerMessage::Error { id: None, error: ProtocolError::new(ErrorCode::Internal, "x".repeat(bytes)) }
    }

    #[tokio::test]
    async fn what_is_read_makes_room() {
        let (sender, mut sending) = outbox(None);
        for _ in 0..3 * MESSAGES {
            sender.send(&message(10));
            assert!(matches!(sending.next().await, Some(Outgoing::Text(_))));
        }
        assert!(!sending.overflowed().is_cancelled());
    }

    #[test]
    fn too_many_messages_or_bytes_overflow_it() {
        let (sender, sending) = outbox(None);
        (0..=MESSAGES).for_each(|_| sender.send(&message(1)));
        assert!(sending.overflowed().is_cancelled());

        let (sender, sending) = outbox(None);
        (0..7).for_each(|_| sender.send(&message(1024 * 1024)));
        assert!(sending.overflowed().is_cancelled());
    }
}
