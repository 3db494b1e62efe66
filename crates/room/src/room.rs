use std::collections::VecDeque;
use std::time::Duration;

use conclave_proto::{Participant, ProtocolError, RoomName, RoomOptions, RoomState};

use crate::config::{Now, RoomConfig, StoredRoom};
use crate::input::Input;
use crate::output::Output;

/// One live meeting.
pub struct Room {
    state: RoomState,
    participants: Vec<Participant>,
    outputs: VecDeque<Output>,
}

impl Room {
    /// A room without people. `seed` must be unpredictable: tokens are made from it.
    pub fn new(config: RoomConfig, name: RoomName, stored: StoredRoom, seed: [u8; 32]) -> Self {
        let _ = (config, name, stored, seed);
        unreachable!("the types come first")
    }

    /// Takes in what has happened. Outputs are ready afterwards.
    pub fn handle_input(&mut self, now: Now, input: Input) {
        let _ = (now, input);
    }

    /// Does what time has brought; harmless when called early.
    pub fn handle_timeout(&mut self, now: Now) {
        let _ = now;
    }

    /// When [`Self::handle_timeout`] is to be called, on the clock of [`Now::monotonic`].
    pub fn poll_timeout(&self) -> Option<Duration> {
        None
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether these options can be set now.
    ///
    /// # Errors
    /// [`conclave_proto::ErrorCode::BadOptions`]: out of range, or too many people are inside.
    pub fn check_options(&self, options: &RoomOptions) -> Result<(), ProtocolError> {
        let _ = options;
        Ok(())
    }

    /// Everybody inside, in the order of arrival.
    pub fn participants(&self) -> impl ExactSizeIterator<Item = &Participant> {
        self.participants.iter()
    }

    /// Nobody is inside or on the way in: the room can be dropped.
    pub fn is_empty(&self) -> bool {
        self.participants.is_empty()
    }

    /// Nobody more would be let in.
    pub fn is_full(&self) -> bool {
        false
    }

    /// Name, options and topology.
    pub fn state(&self) -> RoomState {
        self.state.clone()
    }
}
