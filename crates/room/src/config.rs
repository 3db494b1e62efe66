use std::time::Duration;

use conclave_proto::{ChatMessage, RoomOptions};

use crate::digest::Digest;

/// What the owner of the server chose for every room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomConfig {
    /// Most participants in a mesh, at least 2.
    pub mesh_limit: u32,
    /// How long a session waits for a lost connection to come back.
    pub resume_grace: Duration,
    /// The same, when media has stopped as well: the page is gone rather than its signalling.
    pub silent_grace: Duration,
    /// How long two people must be by themselves before `auto` moves them back to a direct path.
    pub two_remain_delay: Duration,
    /// How long clients have to build a path, and the media plane to answer an offer.
    pub path_timeout: Duration,
    /// Least time between two network reports of one participant that are passed on.
    pub report_interval: Duration,
}

impl Default for RoomConfig {
    fn default() -> Self {
        Self {
            mesh_limit: 4,
            resume_grace: Duration::from_secs(10),
            silent_grace: Duration::from_secs(4),
            two_remain_delay: Duration::from_secs(15),
            path_timeout: Duration::from_secs(10),
            report_interval: Duration::from_secs(2),
        }
    }
}

/// The time of an input. The room reads no clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since any fixed moment of this process; never goes back.
    pub monotonic: Duration,
    /// Milliseconds since 1970-01-01 UTC; only printed on chat messages.
    pub unix_ms: u64,
}

/// What outlives a meeting, as the store has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredRoom {
    /// The options, if the room has been made; otherwise the first to arrive brings them.
    pub options: Option<RoomOptions>,
    /// Of the host token, once somebody has been given it.
    pub host: Option<Digest>,
    /// What was said, oldest first. Only the newest are kept in memory.
    pub chat: Vec<StoredMessage>,
}

/// A chat message with what is needed to recognise it when its sender sends it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMessage {
    /// The message as everybody sees it.
    pub message: ChatMessage,
    /// Of the sender's [`conclave_proto::ParticipantKey`]: the same person keeps it across sessions
    /// and restarts of the server.
    pub sender: Digest,
}
