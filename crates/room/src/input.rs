use std::time::Duration;

use conclave_proto::{
    ClientMessage, DisplayName, Join, LegNumber, MediaState, ParticipantId, ProtocolError, PublishWish, Resume, Role,
    RoomOptions, Sdp, SfuAnswer, Slots, SourceKind,
};

/// One WebSocket. A number is never used twice in a room's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u64);

/// One session of somebody without signalling (WHIP, WHEP). A number is never used twice in a room's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// Names an order to the media plane so that its answer finds its way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestToken(pub u64);

/// What has happened outside the room.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A connection asks to enter. Answered with `joined` or an error, for an SFU room once the
    /// media plane has answered; a refused connection stays open and may ask again.
    Join {
        /// Which connection.
        connection: ConnectionId,
        /// What it sent.
        join: Box<Join>,
        /// What its verified access token gives.
        authority: Authority,
        /// The message's id.
        request: u32,
    },
    /// A connection asks to continue a session.
    Resume {
        /// Which connection.
        connection: ConnectionId,
        /// What it sent.
        resume: Resume,
        /// The message's id.
        request: u32,
    },
    /// A connection sent anything else. `join` and `resume` here are answered with `out-of-order`,
    /// as is anything from a connection that has not joined.
    Message {
        /// Which connection.
        connection: ConnectionId,
        /// The message's id.
        request: u32,
        /// What it sent.
        message: ClientMessage,
    },
    /// A connection is gone. Told once for every connection, also for one that the room closed:
    /// until then the room remembers that nothing may be sent to it.
    Disconnected {
        /// Which connection.
        connection: ConnectionId,
        /// How it ended.
        departure: Departure,
    },
    /// A session without signalling asks something.
    Stream {
        /// Which.
        stream: StreamId,
        /// What.
        input: StreamInput,
    },
    /// From the media plane.
    Media(MediaInput),
    /// From the owner of the server.
    Admin(AdminInput),
    /// The server stops: everybody is told, then every connection is closed with 1012.
    Closing {
        /// When clients may come back.
        retry_after: Duration,
    },
}

/// What a session without signalling asks. One request at a time: each but the last is answered by
/// [`crate::StreamOutput::Answered`].
#[derive(Clone, Debug, PartialEq)]
pub enum StreamInput {
    /// Come in as a participant that only sends.
    Publish {
        /// What it is called.
        name: DisplayName,
        /// What its verified access token gives.
        authority: Authority,
        /// What it offers.
        sdp: Sdp,
        /// Which sources the offer sends.
        media: MediaState,
    },
    /// Watch without coming in.
    Watch {
        /// What its verified access token gives.
        authority: Authority,
        /// What it offers.
        sdp: Sdp,
        /// What is to be watched.
        watch: Watch,
    },
    /// Describe the session's leg anew, for an ICE restart. One that fails leaves the session as it was.
    Restart {
        /// The whole description.
        sdp: Sdp,
    },
    /// End the session, or give up the request that waits.
    End,
}

/// What somebody watches who has no page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// Only this participant; absent: the room's stage, and everybody's sound.
    pub participant: Option<ParticipantId>,
    /// Only pictures of this kind, [`SourceKind::Camera`] or [`SourceKind::Screen`].
    pub source: Option<SourceKind>,
    /// How many pictures it can show.
    pub pictures: usize,
}

/// What a verified access token gives its bearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// There was no token.
    None,
    /// The administrator's token: host everywhere.
    Admin,
    /// A token minted for this room.
    Token {
        /// Host or participant; a participant's never makes a host.
        role: Role,
        /// Sources may be on.
        may_publish: bool,
        /// Chat messages may be sent.
        may_chat: bool,
    },
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// Close frame 1000 or 1001: the page went away on purpose. The session ends at once.
    Goodbye,
    /// Anything else. The session waits for its connection to come back.
    Lost,
    /// The server closed it because it broke the rules (1008, 1009). The session ends at once.
    Expelled,
}

/// What the media plane says.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaInput {
    /// What came of [`crate::MediaCommand::Offer`].
    Answered {
        /// The command's.
        request: RequestToken,
        /// The answer, or what the client is told.
        result: Result<SfuAnswer, ProtocolError>,
    },
    /// A leg carries media: those that the participant offered before it are closed.
    Connected {
        /// Whose.
        participant: ParticipantId,
        /// Which.
        leg: LegNumber,
    },
    /// A leg could not be connected or is gone.
    Failed {
        /// Whose.
        participant: ParticipantId,
        /// Which.
        leg: LegNumber,
    },
    /// Nothing has come from a participant for 3 s.
    Silent {
        /// Whom.
        participant: ParticipantId,
    },
    /// What a leg's slots carry has changed.
    Slots {
        /// Whose leg.
        participant: ParticipantId,
        /// All of them.
        slots: Slots,
    },
    /// Who speaks has changed; loudest first.
    Speakers(Vec<ParticipantId>),
    /// What is needed from a participant's source has changed.
    PublishWish {
        /// Whose source.
        participant: ParticipantId,
        /// The wish.
        wish: PublishWish,
    },
}

/// What the owner of the server asks over REST.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminInput {
    /// End the meeting for everybody.
    Close,
    /// New options. Ignored unless [`crate::Room::check_options`] takes them.
    SetOptions(RoomOptions),
}
