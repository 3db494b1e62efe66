//! What whoever has the connection holds: one half for each direction.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use conclave_turn::framing::{Framer, IceFramer, LARGEST_PACKET, Malformed, TurnFramer};
use tokio::sync::Notify;

use super::{Hub, MOST_WAITING, State, Stream, StreamKind};

/// The media plane takes no further stream: there are as many as there may be, or it has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the media plane takes no further stream")]
pub struct StreamsFull;

/// Why received bytes were not taken. The connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The peer's fault: what it sent is not a packet in its frame.
    #[error("the peer sent what is not a packet")]
    Malformed,
    /// The media plane has closed the stream, or the other half was dropped.
    #[error("the stream is closed")]
    Closed,
}

/// Takes what arrives by a connection. Dropping it closes the stream.
#[derive(Debug)]
pub struct StreamSink {
    stream: Arc<Stream>,
    framer: Framer,
}

/// Gives what is to be sent by a connection. Dropping it closes the stream.
#[derive(Debug)]
pub struct StreamSource {
    stream: Arc<Stream>,
}

/// Opens a stream; the media thread learns of it at once.
pub(crate) fn open(
    hub: &Arc<Hub>,
    kind: StreamKind,
    remote: SocketAddr,
    local: Option<IpAddr>,
) -> Result<(StreamSink, StreamSource), StreamsFull> {
    let id = hub.admit().ok_or(StreamsFull)?;
    let stream = Arc::new(Stream {
        id,
        kind,
        remote,
        local,
        hub: hub.clone(),
        state: State { queued: true, ..State::default() }.into(),
        taken: Notify::new(),
        sendable: Notify::new(),
    });
    if !hub.push(stream.clone()) {
        return Err(StreamsFull);
    }
    let framer = match kind {
        StreamKind::IceTcp => Framer::Ice(IceFramer::new()),
        StreamKind::Turn { .. } => Framer::Turn(TurnFramer::new()),
    };
    Ok((StreamSink { stream: stream.clone(), framer }, StreamSource { stream }))
}

impl StreamSink {
    /// Takes bytes as they arrived, in any pieces, and hands the whole packets in them to the media
    /// thread; waits while that is behind. What is cut off by cancelling is handed over by the next
    /// call.
    ///
    /// # Errors
    /// [`StreamError`]; every further call fails too.
    pub async fn received(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        self.framer.push(bytes);
        while !self.hand_over()? {
            self.stream.taken.notified().await;
        }
        Ok(())
    }

    /// Hands over as much as there is room for. Returns whether that was everything.
    fn hand_over(&mut self) -> Result<bool, StreamError> {
        let mut state = self.stream.lock();
        if state.closed {
            return Err(StreamError::Closed);
        }
        let everything = loop {
            if state.arrived.bytes.len() + LARGEST_PACKET > MOST_WAITING {
                break Ok(false);
            }
            match self.framer.next() {
                Ok(Some(packet)) => state.arrived.push(packet),
                Ok(None) => break Ok(true),
                Err(Malformed) => break Err(StreamError::Malformed),
            }
        };
        let tell = !state.arrived.ends.is_empty() && !std::mem::replace(&mut state.queued, true);
        drop(state);
        if tell {
            // Without a media thread the stream is closed, and the next call says so.
            self.stream.hub.push(self.stream.clone());
        }
        if everything.is_err() {
            leave(&self.stream);
        }
        everything
    }
}

impl StreamSource {
    /// Waits until there is something to send and appends all of it, framed. False: nothing more
    /// will come, close the connection.
    pub async fn to_send(&mut self, buffer: &mut Vec<u8>) -> bool {
        loop {
            {
                let mut state = self.stream.lock();
                if !state.to_send.is_empty() {
                    if buffer.is_empty() {
                        // Nothing is copied, and both buffers stay in use.
                        std::mem::swap(buffer, &mut state.to_send);
                    } else {
                        buffer.append(&mut state.to_send);
                    }
                    return true;
                }
                if state.closed {
                    return false;
                }
            }
            self.stream.sendable.notified().await;
        }
    }
}

impl Drop for StreamSink {
    fn drop(&mut self) {
        leave(&self.stream);
    }
}

impl Drop for StreamSource {
    fn drop(&mut self) {
        leave(&self.stream);
    }
}

/// Closes the stream from the connection's side.
fn leave(stream: &Arc<Stream>) {
    let mut state = stream.lock();
    let tell = !std::mem::replace(&mut state.closed, true) && !std::mem::replace(&mut state.queued, true);
    drop(state);
    stream.taken.notify_one();
    stream.sendable.notify_one();
    if tell {
        stream.hub.push(stream.clone());
    }
}
