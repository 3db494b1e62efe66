use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::network::NetworkReport;
use crate::text::{ChatKey, ChatText, DisplayName, MessageId, ParticipantId, RoomName};

/// What the owner of a room chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TopologyChoice {
    /// Two people directly, the SFU from the third on.
    Auto,
    /// Two people directly, and no more.
    P2p,
    /// Everybody directly to everybody, up to the server's limit.
    Mesh,
    /// Always through the server.
    Sfu,
}

/// How media flows now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Topology {
    /// Two people directly.
    P2p,
    /// Everybody directly to everybody.
    Mesh,
    /// Through the server.
    Sfu,
}

/// Counts the topologies of a room's life; a message about media names the one it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS, ToSchema)]
pub struct Generation(pub u32);

/// Why the topology is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TopologyReason {
    /// The room started so.
    Initial,
    /// A third person came.
    MorePeople,
    /// Two remained for 15 s.
    TwoRemain,
    /// The owner changed the options.
    Options,
    /// The direct path could not be made.
    PathFailed,
    /// A stream comes in (WHIP) or goes out (WHEP), which only the server does.
    Stream,
}

/// How media flows now, and whether everybody has moved there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TopologyState {
    /// Which one this is.
    pub generation: Generation,
    /// Where media flows, or is moving to.
    pub topology: Topology,
    /// Why.
    pub reason: TopologyReason,
    /// Everybody has moved (or failed to): the previous path may be closed.
    pub settled: bool,
}

/// Which video codec a room prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CodecPreference {
    /// H.264 where everybody can decode it (cheaper in software, in hardware on phones), else VP8.
    Auto,
    /// VP8.
    Vp8,
    /// H.264 where everybody can decode it, else VP8.
    H264,
    /// VP9 where everybody can decode it, else as `auto`.
    Vp9,
    /// AV1 where everybody can decode it, else as `auto`.
    Av1,
}

/// What the owner of a room can choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct RoomOptions {
    /// How media flows.
    pub topology: TopologyChoice,
    /// Most participants at once: 1 to 5,000.
    pub capacity: u32,
    /// Nobody new may come in.
    pub locked: bool,
    /// Video codec.
    pub codec: CodecPreference,
}

impl Default for RoomOptions {
    fn default() -> Self {
        Self {
            topology: TopologyChoice::Auto,
            capacity: crate::limits::DEFAULT_CAPACITY,
            locked: false,
            codec: CodecPreference::Auto,
        }
    }
}

/// A room as everybody inside sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RoomState {
    /// Its name.
    pub name: RoomName,
    /// What the owner chose.
    pub options: RoomOptions,
    /// How media flows now.
    pub topology: TopologyState,
}

/// What a participant may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// May change the room's options and end it.
    Host,
    /// Everybody else.
    Participant,
}

/// Whether the server hears from a participant's page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Connection {
    /// Yes.
    Connected,
    /// Not now; it may come back within the grace period.
    Interrupted,
}

/// Which sources a participant sends. A source that is off is not sent: muting stops the track in
/// the sender's page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MediaState {
    /// The microphone is on.
    pub microphone: bool,
    /// The camera is on.
    pub camera: bool,
    /// A screen is shared.
    pub screen: bool,
    /// The shared screen has sound.
    pub screen_audio: bool,
}

impl MediaState {
    /// Whether this source is on.
    pub fn has(self, source: crate::SourceKind) -> bool {
        match source {
            crate::SourceKind::Microphone => self.microphone,
            crate::SourceKind::Camera => self.camera,
            crate::SourceKind::Screen => self.screen,
            crate::SourceKind::ScreenAudio => self.screen_audio,
        }
    }
}

/// A participant as the others see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// Identity for this session.
    pub id: ParticipantId,
    /// What the person is called.
    pub name: DisplayName,
    /// What the person may do.
    pub role: Role,
    /// Counts up in the order of arrival; tiles keep this order.
    pub order: u32,
    /// Whether the server hears from the page.
    pub connection: Connection,
    /// What is sent.
    pub media: MediaState,
    /// Position in the order of raised hands (the lowest was first), if raised.
    pub hand: Option<u32>,
    /// The last report on the participant's own network.
    pub network: Option<NetworkReport>,
}

/// Why a participant is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum LeaveReason {
    /// Left, or closed the page.
    Left,
    /// The connection did not come back within the grace period.
    Lost,
    /// The same person came in with another page.
    Replaced,
    /// The connection broke the rules.
    Expelled,
}

/// A message to everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ChatMessage {
    /// Identity.
    pub id: MessageId,
    /// The sender's key for it.
    pub key: ChatKey,
    /// Who sent it; the participant may be gone.
    pub participant: ParticipantId,
    /// What the sender was called.
    pub name: DisplayName,
    /// Text, never markup.
    pub text: ChatText,
    /// When the server took it: milliseconds since 1970-01-01 UTC.
    #[ts(type = "number")]
    pub sent_at_ms: u64,
}

/// A short-lived sign to everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Reaction {
    /// 👍
    ThumbsUp,
    /// 👏
    Clap,
    /// ❤️
    Heart,
    /// 😂
    Laugh,
    /// 😮
    Surprised,
    /// 😢
    Sad,
    /// 🎉
    Party,
    /// 🤔
    Thinking,
    /// 👎
    ThumbsDown,
}
