//! Messages between a browser and the server: JSON over one WebSocket.
//!
//! Every type of the protocol exists here once. `web/src/core/proto.ts` is generated from these
//! types (`UPDATE=1 cargo test -p conclave-proto`), and `docs/protocol.md` describes the messages
//! in the order in which a client meets them.
//!
//! Values are checked while they are parsed ([`parse_client_frame`]): a [`DisplayName`] that exists
//! is short, visible and free of control characters, so nothing behind the edge checks again.

mod admin;
mod check;
mod client;
mod error;
mod frame;
mod ice;
mod media;
mod network;
mod pii;
mod room;
mod server;
mod text;
mod typescript;

pub use admin::{
    AdminCarried, AdminFeedMessage, AdminFlow, AdminHistory, AdminLeg, AdminLegSeries, AdminOverview, AdminOverviewNow,
    AdminParticipant, AdminParticipantDetail, AdminParticipantNow, AdminPresence, AdminRoom, AdminRoomNow,
    AdminRoomRow, AdminSeries, AdminShard, AdminSlot, AdminSource, AdminStreamSeries, AdminTotals, AdminTotalsSeries,
    MediaCodec, MediaPath,
};
pub use check::{CheckReply, CheckRequest};
pub use client::{
    CandidateText, ClientFrame, ClientMessage, IceUfrag, Join, PathReport, PathState, PeerSignal, Resume,
};
pub use error::{ErrorCode, ProtocolError};
pub use frame::{ParseFailure, parse_client_frame};
pub use ice::{IceConfig, IceServer};
pub use media::{
    AudioSlot, LegNumber, Mid, PublishWish, SLOT_PRIORITIES, Sdp, SfuAnswer, SfuOffer, Slots, SourceKind, SourceMids,
    VideoCodec, VideoSlot, View, ViewItem,
};
pub use network::{NetworkQuality, NetworkReport};
pub use pii::Pii;
pub use room::{
    ChatMessage, CodecPreference, Connection, Generation, LeaveReason, MediaState, Participant, Reaction, Role,
    RoomOptions, RoomState, Topology, TopologyChoice, TopologyReason, TopologyState,
};
pub use server::{Departed, Event, EventText, Joined, Reply, Resumed, ServerLimits, ServerMessage};
pub use text::{ChatKey, ChatText, DisplayName, MessageId, ParticipantId, ParticipantKey, RoomName, Secret};
pub use typescript::typescript;

/// Version of the protocol that this server speaks; a client names the one it speaks in `join`.
pub const PROTOCOL_VERSION: u32 = 1;

/// Bounds of what a client may send. All sizes are in bytes unless the name says otherwise.
pub mod limits {
    /// Largest WebSocket message accepted. Larger ones close the connection with 1009.
    pub const MESSAGE_BYTES: usize = 256 * 1024;
    /// Largest session description.
    pub const SDP_BYTES: usize = 192 * 1024;
    /// Most media sections in one session description.
    pub const MEDIA_SECTIONS: usize = 40;
    /// Most video slots that a leg may have.
    pub const VIDEO_SLOTS: usize = 25;
    /// Audio slots of a leg.
    pub const AUDIO_SLOTS: usize = 3;
    /// Longest display name, in characters.
    pub const NAME_CHARS: usize = 64;
    /// Longest room name, in characters.
    pub const ROOM_NAME_CHARS: usize = 64;
    /// Longest chat message, in characters.
    pub const CHAT_CHARS: usize = 4_000;
    /// Chat messages that a newcomer receives, newest last.
    pub const CHAT_HISTORY: usize = 200;
    /// Events kept for a participant whose connection is interrupted.
    pub const REPLAY_EVENTS: usize = 1_024;
    /// Largest capacity that a room may be given, in participants.
    pub const CAPACITY: u32 = 5_000;
    /// Participants whose changes everybody is told of, at most; those of a smaller room are all.
    pub const ROSTER_LISTED: usize = 50;
    /// Participants in one answer to `get-participants`, at most.
    pub const ROSTER_PAGE: usize = 50;
    /// Capacity of a room whose options do not name one, in participants.
    pub const DEFAULT_CAPACITY: u32 = 100;
}

/// WebSocket close codes that the server sends besides those of RFC 6455.
pub mod close {
    /// Another connection of the same participant took over.
    pub const REPLACED: u16 = 4001;
    /// The room was closed.
    pub const ROOM_CLOSED: u16 = 4002;
    /// The client left.
    pub const LEFT: u16 = 4003;
    /// RFC 6455: a message or its rate breaks the rules.
    pub const POLICY: u16 = 1008;
    /// RFC 6455: message too big.
    pub const TOO_BIG: u16 = 1009;
    /// IANA registry: service restart; come back.
    pub const RESTART: u16 = 1012;
    /// IANA registry: try again later.
    pub const TRY_LATER: u16 = 1013;
}
