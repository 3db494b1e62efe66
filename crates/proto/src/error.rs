use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

/// What was wrong, for a program. The page has a sentence for each in every language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    // The sender's message.
    /// Not JSON, or not of the form that `docs/protocol.md` gives.
    Malformed,
    /// `type` names no message that this server knows.
    UnknownMessage,
    /// The client speaks a version of the protocol that this server does not.
    UnsupportedVersion,
    /// The message does not fit the state of the connection (such as `chat` before `join`).
    OutOfOrder,
    /// More messages than the limits allow; try again later.
    TooManyRequests,
    // Names and texts.
    /// A display name is empty, too long or invisible.
    BadName,
    /// A room name is empty, too long or holds characters that it may not.
    BadRoomName,
    /// A chat message is empty or longer than 4,000 characters.
    BadChat,
    /// A room option is out of its range.
    BadOptions,
    // Entry.
    /// The room has as many participants as it may.
    RoomFull,
    /// The room is locked: nobody new may come in.
    RoomLocked,
    /// The room was closed or does not exist.
    RoomClosed,
    /// The same participant is here already, in another page; `takeover` moves the session.
    AlreadyHere,
    /// A token is missing, wrong, expired or not for this room.
    Unauthorized,
    /// The participant's role does not allow this.
    Forbidden,
    // Resume.
    /// The session cannot be resumed (it ended, or the token was used); join again.
    CannotResume,
    // Media.
    /// A session description that cannot be parsed or misses what is needed (ICE, DTLS).
    BadSdp,
    /// A session description with more media sections than allowed.
    TooManySections,
    /// The message is for a topology, leg or generation that is not current.
    StaleGeneration,
    /// The named participant is not in the room.
    NoSuchParticipant,
    /// Nobody in the room sends what was asked for; try again later.
    NothingLive,
    /// The media plane cannot take another leg.
    MediaUnavailable,
    // The server.
    /// Something failed in the server; the sender did nothing wrong.
    Internal,
}

/// An error as the protocol carries it: a code for programs and a sentence for developers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema, thiserror::Error)]
#[serde(rename_all = "camelCase")]
#[error("{message}")]
pub struct ProtocolError {
    /// For programs.
    pub code: ErrorCode,
    /// For developers, in English; never shown to people and never holding personal data.
    pub message: String,
    /// When trying again makes sense: after how long, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub retry_after_ms: Option<u32>,
}

impl ProtocolError {
    /// An error without a time to try again.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after_ms: None }
    }
}
