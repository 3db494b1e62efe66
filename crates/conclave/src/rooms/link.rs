//! The way to one meeting's task, and from a meeting that has ended to the one after it.

use std::collections::HashMap;

use conclave_room::ConnectionId;
use tokio::sync::{mpsc, watch};

use super::ToRoom;

/// Inputs that wait for a meeting's task. When it is full, whoever sends waits, and so does that
/// client's socket.
const INPUTS: usize = 1_024;

/// Who came too late for a meeting, and the way to the next one, which they were let into instead.
pub(super) type Moved = HashMap<ConnectionId, RoomLink>;

/// The way to one meeting's task. Fails when the meeting has just ended; then it is opened again.
#[derive(Clone)]
pub struct RoomLink {
    inputs: mpsc::Sender<ToRoom>,
    /// Written once, when the meeting has ended and has passed on what it left unheard; closed then,
    /// or when there was nothing to pass on.
    moved: watch::Receiver<Moved>,
}

/// The end that the meeting's task holds.
pub(super) struct Inlet {
    inputs: mpsc::Receiver<ToRoom>,
    moved: watch::Sender<Moved>,
}

/// A new pair.
pub(super) fn link() -> (RoomLink, Inlet) {
    let (inputs, inputs_out) = mpsc::channel(INPUTS);
    let (moved, moved_out) = watch::channel(Moved::new());
    (RoomLink { inputs, moved: moved_out }, Inlet { inputs: inputs_out, moved })
}

impl RoomLink {
    /// Hands an input over, waiting while the meeting is busy.
    ///
    /// # Errors
    /// The input, when the meeting has ended.
    pub async fn send(&self, input: ToRoom) -> Result<(), ToRoom> {
        self.inputs.send(input).await.map_err(|error| error.0)
    }

    /// Hands over what a connection says, in the order in which it says it. If the meeting ended before it
    /// heard this connection's join, this becomes the link to the meeting that heard it, so that whoever
    /// was let in there can also leave.
    ///
    /// # Errors
    /// The input, when the meeting has ended and no later one knows of the connection.
    pub async fn send_from(&mut self, connection: ConnectionId, mut input: ToRoom) -> Result<(), ToRoom> {
        loop {
            match self.send(input).await {
                Ok(()) => return Ok(()),
                Err(returned) => input = returned,
            }
            match self.successor(connection).await {
                Some(next) => *self = next,
                None => return Err(input),
            }
        }
    }

    /// Waits until the meeting, which takes nothing more, has passed on what it had taken: what comes
    /// later must not overtake that.
    async fn successor(&mut self, connection: ConnectionId) -> Option<Self> {
        while self.moved.changed().await.is_ok() {}
        self.moved.borrow().get(&connection).cloned()
    }
}

impl Inlet {
    /// The next input; pends while there is none.
    pub(super) async fn next(&mut self) -> Option<ToRoom> {
        self.inputs.recv().await
    }

    /// Takes nothing more, and gives what was sent before the sender could know that nobody listens any
    /// more. Whoever calls [`RoomLink::send_from`] from now on waits until the sender that comes with it is
    /// dropped.
    pub(super) async fn close(mut self) -> (Vec<ToRoom>, watch::Sender<Moved>) {
        self.inputs.close();
        let mut left = Vec::new();
        while let Some(input) = self.inputs.recv().await {
            left.push(input);
        }
        (left, self.moved)
    }
}
