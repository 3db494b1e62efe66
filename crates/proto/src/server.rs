use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::client::{PathState, PeerSignal};
use crate::error::ProtocolError;
use crate::ice::IceConfig;
use crate::media::{PublishWish, SfuAnswer, Slots};
use crate::network::NetworkReport;
use crate::room::{
    ChatMessage, Generation, LeaveReason, Participant, Reaction, Role, RoomOptions, RoomState, TopologyState,
};
use crate::text::{DisplayName, MessageId, ParticipantId, Secret};

/// One message from the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ServerMessage {
    /// The answer to the request with this `id`.
    Reply {
        /// The request's.
        id: u32,
        /// What came of it.
        reply: Box<Reply>,
    },
    /// The request with this `id`, or the whole connection if absent, was refused.
    Error {
        /// The request's, if it could be read.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        id: Option<u32>,
        /// Why.
        error: ProtocolError,
    },
    /// Something happened. Events of a session are numbered without gaps.
    Event {
        /// Number in the session, from 1.
        seq: u32,
        /// What happened.
        event: Event,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Reply {
    /// Done; nothing more to say.
    Done {},
    /// The client is in the room.
    Joined(Box<Joined>),
    /// The session goes on; the missed events follow.
    Resumed(Resumed),
    /// The SFU's answer.
    SfuAnswered {
        /// The answer.
        answer: SfuAnswer,
    },
    /// Servers and credentials for ICE.
    IceServers {
        /// All of them; they take the place of earlier ones.
        ice: IceConfig,
    },
    /// Some of the people in the room.
    Participants {
        /// At most 50, in the order of arrival.
        participants: Vec<Participant>,
        /// How many people are in the room, whatever was searched for.
        count: u32,
        /// Ask again with this as `after` for those who follow; absent when nobody does. A page of a
        /// search can be empty and still have one: each looks at a bounded number of people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[ts(optional)]
        next: Option<u32>,
    },
    /// The message was taken; the event with this id comes to everybody, the sender included.
    ChatTaken {
        /// The message's.
        id: MessageId,
    },
}

/// The client is in the room. Everything the page needs, in one reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Joined {
    /// Who the client is.
    pub participant: ParticipantId,
    /// What it may do.
    pub role: Role,
    /// For `resume`; usable once.
    pub resume_token: Secret,
    /// Given to whoever made the room: proves the host on a later visit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub host_token: Option<Secret>,
    /// The room.
    pub room: RoomState,
    /// The client itself and those who are listed, in the order of arrival: everybody in a room of up
    /// to 50, otherwise the 50 whom the others most likely see or hear.
    pub participants: Vec<Participant>,
    /// How many people are in the room, the client included.
    pub participant_count: u32,
    /// What was said before, oldest first.
    pub chat: Vec<ChatMessage>,
    /// The answer to the join's offer, if the room's media goes through the SFU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub answer: Option<SfuAnswer>,
    /// Servers and credentials for ICE. The room knows none: whoever knows how the client reached the
    /// server fills them in.
    pub ice: IceConfig,
    /// Bounds that a client should keep.
    pub limits: ServerLimits,
}

/// Bounds that a client should keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ServerLimits {
    /// Longest chat message, in characters.
    pub chat_chars: u32,
    /// Longest display name, in characters.
    pub name_chars: u32,
    /// How long a lost session can be resumed, in milliseconds.
    pub resume_grace_ms: u32,
    /// Most participants in a mesh.
    pub mesh_participants: u32,
}

/// The session goes on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Resumed {
    /// The next one; the one just used is void.
    pub resume_token: Secret,
}

/// Somebody is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Departed {
    /// Who.
    pub participant: ParticipantId,
    /// Why.
    pub reason: LeaveReason,
}

/// An event as JSON, written once for everybody who is told it: only its number differs from session
/// to session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventText(String);

impl EventText {
    /// Writes an event.
    ///
    /// # Errors
    /// Only those of the serialiser: the protocol's types have none.
    pub fn new(event: &Event) -> Result<Self, serde_json::Error> {
        serde_json::to_string(event).map(Self)
    }

    /// The text of [`ServerMessage::Event`] with this number.
    pub fn numbered(&self, seq: u32) -> String {
        format!(r#"{{"type":"event","seq":{seq},"event":{}}}"#, self.0)
    }
}

/// Something happened in the room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Event {
    /// Somebody came.
    ParticipantJoined {
        /// Who.
        participant: Participant,
    },
    /// Somebody's name, media, hand or connection changed.
    ParticipantUpdated {
        /// The whole new state.
        participant: Participant,
    },
    /// Somebody's network was reported.
    NetworkReported {
        /// Whose.
        participant: ParticipantId,
        /// How it is.
        report: NetworkReport,
    },
    /// Somebody is gone.
    ParticipantLeft {
        /// Who.
        participant: ParticipantId,
        /// Why.
        reason: LeaveReason,
    },
    /// In a room of more than 50: who is listed, and how many there are, has changed. Tells together
    /// what small rooms tell one by one, at most a few times a second.
    RosterChanged {
        /// How many people are in the room, the client included.
        count: u32,
        /// Whole states of those who are listed now or have changed; known ones are replaced.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[ts(optional, as = "Option<Vec<Participant>>")]
        participants: Vec<Participant>,
        /// Those who are gone, of those who were listed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[ts(optional, as = "Option<Vec<Departed>>")]
        left: Vec<Departed>,
        /// Those who are in the room but not listed any more: no change of theirs is told until they
        /// are listed again.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[ts(optional, as = "Option<Vec<ParticipantId>>")]
        unlisted: Vec<ParticipantId>,
    },
    /// A message to everybody.
    Chat {
        /// The message.
        message: ChatMessage,
    },
    /// A reaction.
    Reacted {
        /// Whose.
        participant: ParticipantId,
        /// What that person is called: it may be one who is not listed.
        name: DisplayName,
        /// Which.
        reaction: Reaction,
    },
    /// The options changed.
    OptionsChanged {
        /// All of them.
        options: RoomOptions,
    },
    /// The topology changed (`settled: false`: build the new path, keep the old one), or everybody
    /// has moved (`settled: true`: close the old one).
    TopologyChanged {
        /// The new state.
        state: TopologyState,
    },
    /// Another participant's path of this generation could not be made.
    PathChanged {
        /// Which topology.
        generation: Generation,
        /// Whose path.
        participant: ParticipantId,
        /// How it is.
        state: PathState,
    },
    /// A direct path's negotiation.
    Signalled {
        /// From whom.
        from: ParticipantId,
        /// Which topology it belongs to.
        generation: Generation,
        /// The message.
        signal: PeerSignal,
    },
    /// What the slots of the client's leg carry.
    SlotsChanged {
        /// All of them.
        slots: Slots,
    },
    /// What the SFU needs from the client's own source.
    PublishWished {
        /// The wish.
        wish: PublishWish,
    },
    /// Who speaks, loudest first; empty when nobody does. SFU only.
    SpeakersChanged {
        /// The speakers.
        speakers: Vec<ParticipantId>,
    },
    /// The client's own leg could not be connected or is gone.
    LegFailed {
        /// Which one.
        leg: crate::LegNumber,
    },
    /// The meeting was ended for everybody. The connection closes with 4002.
    RoomEnded {},
    /// The server stops or restarts; come back after this time. The connection closes with 1012.
    ServerClosing {
        /// Milliseconds.
        retry_after_ms: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_written_once_for_all_reads_as_one_written_for_each() {
        for event in [Event::RoomEnded {}, Event::ServerClosing { retry_after_ms: 3 }] {
            let text = EventText::new(&event).expect("JSON").numbered(u32::MAX);
            assert_eq!(text, serde_json::to_string(&ServerMessage::Event { seq: u32::MAX, event }).expect("JSON"));
        }
    }
}
