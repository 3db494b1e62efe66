//! What the administrator sees at `/api/v1/admin/...`: every room, participant, source and slot, with
//! the history of the last hour. No type in here has a place for a network address.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::media::SourceKind;
use crate::network::NetworkReport;
use crate::room::{Connection, MediaState, Role, Topology, TopologyReason};
use crate::text::{DisplayName, ParticipantId, RoomName};

/// How a leg's media travels between client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MediaPath {
    /// UDP.
    Udp,
    /// ICE-TCP (RFC 6544).
    Tcp,
    /// A relay of the server's own TURN.
    Relay,
}

/// What media is encoded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MediaCodec {
    /// RFC 6716.
    Opus,
    /// Opus with redundancy (RFC 2198).
    OpusRed,
    /// RFC 6386.
    Vp8,
    /// ITU-T H.264.
    H264,
    /// VP9.
    Vp9,
    /// AV1.
    Av1,
}

/// Packets of one direction, over the last second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminFlow {
    /// Bits per second, RTP headers included.
    #[ts(type = "number")]
    pub rate_bps: u64,
    /// Packets per second.
    pub packets: u32,
    /// Share of the packets that were lost, in tenths of a percent (0 to 1,000).
    pub loss_permille: u16,
}

/// The program as a whole, now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminTotals {
    /// Live meetings.
    pub rooms: u32,
    /// People in them.
    pub participants: u32,
    /// Connections for media.
    pub legs: u32,
    /// Media from clients.
    pub received: AdminFlow,
    /// Media to clients.
    pub sent: AdminFlow,
    /// RTP packets forwarded per second, each receiver counted.
    pub forwarded: u32,
    /// Memory of the process in bytes, where the system tells it.
    #[ts(type = "number | null")]
    pub memory_bytes: Option<u64>,
    /// CPU time of the process per time, in tenths of a percent of one core.
    pub cpu_permille: u32,
    /// In the order of their numbers.
    pub shards: Vec<AdminShard>,
}

/// A thread of the media plane, over the last second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminShard {
    /// Share of the time that it worked, in tenths of a percent (0 to 1,000).
    pub busy_permille: u16,
    /// Packets from the network per second.
    pub packets_in: u32,
    /// Packets to the network per second.
    pub packets_out: u32,
    /// Connections for media that it owns.
    pub legs: u32,
}

/// A room in the list of rooms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminRoomRow {
    /// Its name.
    #[schema(value_type = String)]
    pub name: RoomName,
    /// Since when it is live: milliseconds since 1970-01-01 UTC.
    #[ts(type = "number")]
    pub since_ms: u64,
    /// How its media flows; none for the first second of a room.
    pub topology: Option<Topology>,
    /// People inside.
    pub participants: u32,
    /// Of them, those whose network is poor or lost, as their pages report it.
    pub troubled: u32,
    /// Media from clients.
    pub received: AdminFlow,
    /// Media to clients.
    pub sent: AdminFlow,
}

/// Answer of `/api/v1/admin/overview` but for the history, and what its feed sends every second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminOverviewNow {
    /// When: milliseconds since 1970-01-01 UTC.
    #[ts(type = "number")]
    pub at_ms: u64,
    /// All rooms together.
    pub totals: AdminTotals,
    /// The rooms in the order of their names; at most 1,000, those with the most people.
    pub rooms: Vec<AdminRoomRow>,
}

/// Answer of `/api/v1/admin/overview`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminOverview {
    /// The program's version.
    pub version: String,
    /// When the program started: milliseconds since 1970-01-01 UTC.
    #[ts(type = "number")]
    pub started_ms: u64,
    /// Now.
    pub now: AdminOverviewNow,
    /// Of all rooms together.
    pub history: AdminHistory<AdminTotalsSeries>,
    /// Participants, sources and slots whose history had to be dropped for want of room, since the
    /// program started.
    #[ts(type = "number")]
    pub histories_dropped: u64,
}

/// A history in two resolutions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminHistory<T> {
    /// Every second of the last two minutes.
    pub fine: AdminSeries<T>,
    /// Every ten seconds of the last hour.
    pub coarse: AdminSeries<T>,
}

/// Values at equal distances, oldest first; all columns are equally long, and none is a value that
/// was not known.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminSeries<T> {
    /// Seconds from one value to the next.
    pub step_s: u32,
    /// When the newest value's time ended: milliseconds since 1970-01-01 UTC.
    #[ts(type = "number")]
    pub end_ms: u64,
    /// The values.
    pub columns: T,
}

/// History of all rooms together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminTotalsSeries {
    /// People in meetings.
    pub participants: Vec<Option<u32>>,
    /// Media from clients, kbit/s.
    pub received_kbps: Vec<Option<u32>>,
    /// Media to clients, kbit/s.
    pub sent_kbps: Vec<Option<u32>>,
    /// Loss of what is sent, in tenths of a percent.
    pub loss_permille: Vec<Option<u32>>,
    /// Memory of the process, KiB.
    pub memory_kib: Vec<Option<u32>>,
    /// CPU of the process, in tenths of a percent of one core.
    pub cpu_permille: Vec<Option<u32>>,
    /// The busiest shard's share of busy time, in tenths of a percent.
    pub busy_permille: Vec<Option<u32>>,
}

/// Why a participant of the last hour is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AdminPresence {
    /// Inside, and the server hears from the page.
    Connected,
    /// Inside; the server does not hear from the page now.
    Interrupted,
    /// Gone.
    Left,
}

impl From<Connection> for AdminPresence {
    fn from(connection: Connection) -> Self {
        match connection {
            Connection::Connected => Self::Connected,
            Connection::Interrupted => Self::Interrupted,
        }
    }
}

/// A participant in a room's table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminParticipant {
    /// Identity for this session.
    #[schema(value_type = String)]
    pub id: ParticipantId,
    /// What the person is called.
    #[schema(value_type = String)]
    pub name: DisplayName,
    /// What the person may do.
    pub role: Role,
    /// Whether the person is still here.
    pub presence: AdminPresence,
    /// What the person sends.
    pub media: MediaState,
    /// What the page last reported of its own network.
    pub reported: Option<NetworkReport>,
    /// The connection for media; none in a direct call.
    pub leg: Option<AdminLeg>,
}

/// A participant's connection for media.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminLeg {
    /// The thread that owns it.
    pub shard: u16,
    /// It is established.
    pub connected: bool,
    /// How it travels.
    pub path: Option<MediaPath>,
    /// Between server and client, in tenths of a millisecond.
    pub round_trip_tenths: Option<u32>,
    /// What the way to the client takes, in bits per second.
    #[ts(type = "number | null")]
    pub estimate_bps: Option<u64>,
    /// What would be sent if the way took everything, in bits per second.
    #[ts(type = "number | null")]
    pub wanted_bps: Option<u64>,
    /// From the client.
    pub received: AdminFlow,
    /// To the client.
    pub sent: AdminFlow,
}

/// One layer of a source, as it arrives at the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminSource {
    /// Which source.
    pub source: SourceKind,
    /// Which layer: 0 is the smallest.
    pub layer: u8,
    /// What it is encoded with.
    pub codec: Option<MediaCodec>,
    /// What arrives.
    pub received: AdminFlow,
    /// Interarrival jitter in tenths of a millisecond.
    pub jitter_tenths: Option<u32>,
    /// Whether somebody needs it.
    pub wanted: bool,
}

/// One stream to a client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminSlot {
    /// Sound or picture.
    pub is_audio: bool,
    /// Its number among those of its kind.
    pub index: u8,
    /// What it carries.
    pub carries: Option<AdminCarried>,
    /// What is sent in it.
    pub sent: AdminFlow,
    /// Interarrival jitter, as the client reports it, in tenths of a millisecond.
    pub jitter_tenths: Option<u32>,
}

/// What a slot carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminCarried {
    /// Whose source.
    #[schema(value_type = String)]
    pub participant: ParticipantId,
    /// Which.
    pub source: SourceKind,
    /// Which layer.
    pub layer: Option<u8>,
    /// What it is encoded with.
    pub codec: Option<MediaCodec>,
    /// The way to the client takes no layer of it.
    pub paused: bool,
}

/// Answer of `/api/v1/admin/rooms/{room}` but for the histories, and what its feed sends every
/// second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminRoomNow {
    /// When: milliseconds since 1970-01-01 UTC.
    #[ts(type = "number")]
    pub at_ms: u64,
    /// The room as in the list of rooms; none when it has ended.
    pub row: Option<AdminRoomRow>,
    /// Why its media flows as it does.
    pub reason: Option<TopologyReason>,
    /// Who is inside in the order of arrival, then who was inside during the last hour.
    pub participants: Vec<AdminParticipant>,
}

/// Answer of `/api/v1/admin/rooms/{room}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminRoom {
    /// The room's name.
    #[schema(value_type = String)]
    pub name: RoomName,
    /// Now.
    pub now: AdminRoomNow,
    /// The last two minutes of each participant, in the order of `now.participants`.
    pub recent: Vec<AdminSeries<AdminLegSeries>>,
    /// Participants, sources and slots of all rooms whose history had to be dropped for want of room,
    /// since the program started.
    #[ts(type = "number")]
    pub histories_dropped: u64,
}

/// Answer of `/api/v1/admin/rooms/{room}/participants/{id}` but for the histories, and what its feed
/// sends every second.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminParticipantNow {
    /// When: milliseconds since 1970-01-01 UTC.
    #[ts(type = "number")]
    pub at_ms: u64,
    /// Whose.
    #[schema(value_type = String)]
    pub id: ParticipantId,
    /// What the server receives, in the order of sources and layers.
    pub sources: Vec<AdminSource>,
    /// What the server sends, sounds first.
    pub slots: Vec<AdminSlot>,
}

/// Answer of `/api/v1/admin/rooms/{room}/participants/{id}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminParticipantDetail {
    /// Now.
    pub now: AdminParticipantNow,
    /// Of the connection.
    pub history: AdminHistory<AdminLegSeries>,
    /// Of each of `now.sources`; none where it was dropped for want of room.
    pub sources: Vec<Option<AdminHistory<AdminStreamSeries>>>,
    /// Of each of `now.slots`; none where it was dropped for want of room.
    pub slots: Vec<Option<AdminHistory<AdminStreamSeries>>>,
}

/// History of a participant's connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminLegSeries {
    /// From the client, kbit/s.
    pub received_kbps: Vec<Option<u32>>,
    /// To the client, kbit/s.
    pub sent_kbps: Vec<Option<u32>>,
    /// Loss of what the client sends, in tenths of a percent.
    pub loss_up_permille: Vec<Option<u32>>,
    /// Loss of what the client receives, in tenths of a percent.
    pub loss_down_permille: Vec<Option<u32>>,
    /// Round trip in tenths of a millisecond.
    pub round_trip_tenths: Vec<Option<u32>>,
    /// What the way to the client takes, kbit/s.
    pub estimate_kbps: Vec<Option<u32>>,
}

/// History of a source's layer or of a slot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminStreamSeries {
    /// kbit/s.
    pub rate_kbps: Vec<Option<u32>>,
    /// Loss in tenths of a percent.
    pub loss_permille: Vec<Option<u32>>,
    /// Jitter in tenths of a millisecond.
    pub jitter_tenths: Vec<Option<u32>>,
    /// The layer, 0 being the smallest.
    pub layer: Vec<Option<u32>>,
}

/// A message of the live feed (`/api/v1/admin/feed`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdminFeedMessage {
    /// Without `room` in the request.
    pub overview: Option<AdminOverviewNow>,
    /// With `room`.
    pub room: Option<AdminRoomNow>,
    /// With `room` and `participant`, while that participant is known.
    pub participant: Option<AdminParticipantNow>,
}
