use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::media::{SfuOffer, View};
use crate::network::NetworkReport;
use crate::room::{Generation, MediaState, Reaction, RoomOptions};
use crate::text::{ChatKey, ChatText, DisplayName, ParticipantId, ParticipantKey, RoomName, Secret};

/// One message from a client: `{"id": 7, "type": "chat", "body": {…}}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct ClientFrame {
    /// Chosen by the client; the reply or error carries it.
    pub id: u32,
    /// What is asked.
    #[serde(flatten)]
    pub message: ClientMessage,
}

/// What a client can ask. Each is answered by a [`crate::Reply`] or an error with the same `id`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", content = "body", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ClientMessage {
    /// Enter a room; the first message on a connection.
    Join(Box<Join>),
    /// Continue a session on a new connection; the first message on it.
    Resume(Resume),
    /// End the session.
    Leave {},
    /// Nothing; the reply shows that the connection lives.
    Ping {},
    /// New credentials for STUN and TURN, before those of [`crate::Joined::ice`] end.
    GetIceServers {},
    /// A page of the people in the room, in the order of arrival; answered by
    /// [`crate::Reply::Participants`].
    GetParticipants {
        /// Only those who arrived later than this [`crate::Participant::order`]; from the first if
        /// absent. The cursor of the page before.
        #[serde(default)]
        #[ts(optional)]
        after: Option<u32>,
        /// Only those whose name holds this, whatever the case.
        #[serde(default)]
        #[ts(optional)]
        search: Option<DisplayName>,
    },
    /// Which sources are sent now.
    SetMedia {
        /// The new state.
        media: MediaState,
    },
    /// A new display name.
    SetName {
        /// The new name.
        name: DisplayName,
    },
    /// Raise or lower one's hand.
    SetHand {
        /// Whether it is up.
        raised: bool,
    },
    /// A reaction, shown for some seconds.
    React {
        /// Which one.
        reaction: Reaction,
    },
    /// A message to everybody.
    Chat {
        /// So that sending it again is harmless.
        key: ChatKey,
        /// The text.
        text: ChatText,
    },
    /// How the sender's network is; at most one every two seconds is passed on.
    ReportNetwork {
        /// The measurement.
        report: NetworkReport,
    },
    /// Host only: new options.
    SetOptions {
        /// All of them.
        options: RoomOptions,
    },
    /// Host only: end the meeting for everybody.
    EndRoom {},
    /// A direct path's negotiation, for one other participant.
    Signal {
        /// Whom it is for.
        to: ParticipantId,
        /// Which topology it belongs to.
        generation: Generation,
        /// What to pass on.
        signal: PeerSignal,
    },
    /// Offer a leg to the SFU, or a change of it.
    OfferSfu(Box<SfuOffer>),
    /// Close a leg.
    CloseSfu {
        /// Which one.
        leg: crate::LegNumber,
    },
    /// What the page shows.
    SetView {
        /// Which leg it is about.
        leg: crate::LegNumber,
        /// The pictures.
        view: View,
    },
    /// How the client's path of the current topology is.
    ReportPath(PathReport),
}

/// Enter a room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Join {
    /// The protocol's version that the client speaks.
    pub version: u32,
    /// Which room; made if it does not exist.
    pub room: RoomName,
    /// What the person is called.
    pub name: DisplayName,
    /// Chosen by the browser for this person in this room.
    pub key: ParticipantKey,
    /// The same person's other page is to be closed.
    #[serde(default)]
    pub takeover: bool,
    /// Kept by the browser since it made the room.
    #[serde(default)]
    #[ts(optional)]
    pub host_token: Option<Secret>,
    /// A token made by `POST /api/v1/tokens`, or the administrator's.
    #[serde(default)]
    #[ts(optional)]
    pub access_token: Option<Secret>,
    /// Options for the room if this join makes it; otherwise ignored.
    #[serde(default)]
    #[ts(optional)]
    pub options: Option<RoomOptions>,
    /// What is sent from the start.
    #[serde(default)]
    pub media: MediaState,
    /// An offer for the SFU, used if the room is there.
    #[serde(default)]
    #[ts(optional)]
    pub offer: Option<SfuOffer>,
}

/// Continue a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Resume {
    /// The protocol's version that the client speaks.
    pub version: u32,
    /// Which room.
    pub room: RoomName,
    /// Which session.
    pub participant: ParticipantId,
    /// From the last `joined` or `resumed`; usable once.
    pub token: Secret,
    /// The last event that the client has seen; those after it are sent again.
    pub last_seq: u32,
}

/// A direct path's negotiation (RFC 8829), passed on between two participants as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum PeerSignal {
    /// An offer. Of two people, the one whose id is smaller offers.
    Offer {
        /// The description.
        sdp: crate::Sdp,
    },
    /// An answer.
    Answer {
        /// The description.
        sdp: crate::Sdp,
    },
    /// A candidate (RFC 8840); an empty text ends them.
    Candidate {
        /// The candidate line, without `a=`; at most 1,024 bytes.
        candidate: CandidateText,
        /// Its media section's `mid`.
        mid: Option<crate::Mid>,
        /// Its ICE generation.
        ufrag: Option<IceUfrag>,
    },
    /// The one who does not offer asks for new ICE credentials.
    RestartWanted {},
}

/// A candidate line of at most 1,024 bytes without control characters, so that nothing can follow
/// it in a description. Printed only as its length: it holds an address.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(try_from = "String", into = "String")]
#[ts(type = "string")]
pub struct CandidateText(String);

impl TryFrom<String> for CandidateText {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let ok = text.len() <= 1_024 && !text.chars().any(char::is_control);
        if ok { Ok(Self(text)) } else { Err("[bad-sdp] a candidate is one line of at most 1,024 bytes") }
    }
}

impl From<CandidateText> for String {
    fn from(text: CandidateText) -> String {
        text.0
    }
}

impl CandidateText {
    /// The line.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An ICE user name fragment (RFC 8839, section 5.4): 1 to 256 of its characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(try_from = "String", into = "String")]
#[ts(type = "string")]
pub struct IceUfrag(String);

impl TryFrom<String> for IceUfrag {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let ok = (1..=256).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/');
        if ok { Ok(Self(text)) } else { Err("[bad-sdp] a user name fragment has 1 to 256 ICE characters") }
    }
}

impl From<IceUfrag> for String {
    fn from(ufrag: IceUfrag) -> String {
        ufrag.0
    }
}

impl IceUfrag {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for CandidateText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Candidate({} bytes)", self.0.len())
    }
}

/// How a client's path is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PathReport {
    /// Which topology it is about.
    pub generation: Generation,
    /// How it is.
    pub state: PathState,
    /// In a direct topology: the peer whose path it is; absent when it is about all of them.
    #[serde(default)]
    #[ts(optional)]
    pub peer: Option<ParticipantId>,
}

/// How a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum PathState {
    /// Connected, and everything that should arrive does.
    Ready,
    /// It could not be made, or broke and did not come back.
    Failed,
    /// Nothing has arrived from this peer for 3 s.
    Silent,
}
