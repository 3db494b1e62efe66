use std::fmt::Write;

use ts_rs::{Config, TS};

use crate::*;

/// The protocol's types and limits as TypeScript: the content of `web/src/core/proto.ts`.
pub fn typescript() -> String {
    let config = Config::default().with_large_int("number");
    let mut out =
        String::from("// Generated from crates/proto by `UPDATE=1 cargo test -p conclave-proto`. Do not edit.\n\n");
    macro_rules! declare {
        ($($ty:ty),* $(,)?) => {$(
            if let Some(docs) = <$ty as TS>::docs() {
                out.push_str(&docs);
            }
            let _ = writeln!(out, "export {}\n", <$ty as TS>::decl(&config));
        )*};
    }
    declare!(
        ErrorCode,
        ProtocolError,
        SourceKind,
        VideoCodec,
        SourceMids,
        SfuOffer,
        SfuAnswer,
        View,
        ViewItem,
        Slots,
        VideoSlot,
        AudioSlot,
        PublishWish,
        NetworkQuality,
        NetworkReport,
        TopologyChoice,
        Topology,
        TopologyReason,
        TopologyState,
        CodecPreference,
        RoomOptions,
        RoomState,
        Role,
        Connection,
        MediaState,
        Participant,
        LeaveReason,
        ChatMessage,
        Reaction,
        ClientFrame,
        ClientMessage,
        Join,
        Resume,
        PeerSignal,
        PathReport,
        PathState,
        IceServer,
        IceConfig,
        ServerMessage,
        Reply,
        Joined,
        ServerLimits,
        Resumed,
        Departed,
        Event,
        CheckRequest,
        CheckReply,
        MediaPath,
        MediaCodec,
        AdminFlow,
        AdminTotals,
        AdminShard,
        AdminRoomRow,
        AdminOverviewNow,
        AdminOverview,
        AdminHistory<AdminTotalsSeries>,
        AdminSeries<AdminTotalsSeries>,
        AdminTotalsSeries,
        AdminPresence,
        AdminParticipant,
        AdminLeg,
        AdminSource,
        AdminSlot,
        AdminCarried,
        AdminRoomNow,
        AdminRoom,
        AdminParticipantNow,
        AdminParticipantDetail,
        AdminLegSeries,
        AdminStreamSeries,
        AdminFeedMessage,
    );
    for (name, declaration) in [
        ("LegNumber", "number"),
        ("Generation", "number"),
        ("Mid", "string"),
        ("Sdp", "string"),
        ("CandidateText", "string"),
        ("IceUfrag", "string"),
        ("DisplayName", "string"),
        ("RoomName", "string"),
        ("ChatText", "string"),
        ("ParticipantId", "string"),
        ("MessageId", "string"),
        ("ChatKey", "string"),
        ("ParticipantKey", "string"),
        ("Secret", "string"),
    ] {
        let _ = writeln!(out, "export type {name} = {declaration};");
    }
    let _ = write!(
        out,
        "\nexport const PROTOCOL_VERSION = {PROTOCOL_VERSION};\n\n\
         export const LIMITS = {{\n  audioSlots: {},\n  videoSlots: {},\n  nameChars: {},\n  roomNameChars: {},\n  chatChars: {},\n  capacity: {},\n  rosterListed: {},\n  rosterPage: {},\n}} as const;\n\n\
         export const CLOSE = {{\n  replaced: {},\n  roomClosed: {},\n  left: {},\n  policy: {},\n  tooBig: {},\n  restart: {},\n  tryLater: {},\n}} as const;\n",
        limits::AUDIO_SLOTS,
        limits::VIDEO_SLOTS,
        limits::NAME_CHARS,
        limits::ROOM_NAME_CHARS,
        limits::CHAT_CHARS,
        limits::CAPACITY,
        limits::ROSTER_LISTED,
        limits::ROSTER_PAGE,
        close::REPLACED,
        close::ROOM_CLOSED,
        close::LEFT,
        close::POLICY,
        close::TOO_BIG,
        close::RESTART,
        close::TRY_LATER,
    );
    out
}
