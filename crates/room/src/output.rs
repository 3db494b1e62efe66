use std::sync::Arc;

use conclave_proto::{
    CodecPreference, Event, LegNumber, MediaState, ParticipantId, ProtocolError, RoomOptions, Sdp, ServerMessage,
    SfuOffer, View,
};

use crate::config::StoredMessage;
use crate::digest::Digest;
use crate::input::{ConnectionId, RequestToken, StreamId};

/// What the room wants done, in this order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send a message.
    Send {
        /// To whom.
        connection: ConnectionId,
        /// What.
        message: ServerMessage,
    },
    /// Send an event: [`ServerMessage::Event`]. What everybody is told is the same `Arc` for all, so that
    /// it can be written once.
    Tell {
        /// To whom.
        connection: ConnectionId,
        /// Its number in the session.
        seq: u32,
        /// What happened.
        event: Arc<Event>,
    },
    /// Close a connection after what was sent before.
    Close {
        /// Which.
        connection: ConnectionId,
        /// One of [`conclave_proto::close`].
        code: u16,
        /// For developers; at most 123 bytes (RFC 6455, section 5.5).
        reason: &'static str,
    },
    /// Tell a session without signalling.
    Stream {
        /// Which.
        stream: StreamId,
        /// What.
        output: StreamOutput,
    },
    /// An order to the media plane.
    Media(MediaCommand),
    /// Keep a chat message.
    StoreChat(StoredMessage),
    /// Keep the options; the first one means that the room has been made.
    StoreOptions(RoomOptions),
    /// Keep the digest of the host token.
    StoreHost(Digest),
    /// The meeting is over; the room takes no more input and can be dropped.
    Ended(Ending),
}

/// What a session without signalling is told.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamOutput {
    /// What came of its request: the answer to its offer.
    Answered(Result<StreamAnswer, ProtocolError>),
    /// It is over: it ended itself, its leg failed, or the room closed it. Not told when the room ends.
    Ended,
}

/// The answer to a stream's offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamAnswer {
    /// As whom the media plane knows it.
    pub participant: ParticipantId,
    /// The answer.
    pub sdp: Sdp,
}

/// Why a meeting is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The host or the owner of the server ended it.
    Closed,
    /// The server stops.
    ServerStops,
}

/// An order to the media plane, to be carried out in the order given. Closing what does not exist is
/// no fault: a leg may have failed at the same moment.
#[derive(Clone, Debug, PartialEq)]
pub enum MediaCommand {
    /// Make a leg, or change it; answered by [`crate::MediaInput::Answered`].
    Offer {
        /// Whose.
        participant: ParticipantId,
        /// What the client offers.
        offer: Box<SfuOffer>,
        /// Which sources are on.
        media: MediaState,
        /// For the answer.
        request: RequestToken,
    },
    /// Make the leg of a WHIP publisher, or change it; answered like [`Self::Offer`].
    Publish {
        /// Whose.
        participant: ParticipantId,
        /// What the publisher offers.
        sdp: Sdp,
        /// Which sources are on.
        media: MediaState,
        /// For the answer.
        request: RequestToken,
    },
    /// Make the leg of a WHEP player, or change it; answered like [`Self::Offer`].
    Play {
        /// Whose; in no roster.
        participant: ParticipantId,
        /// What the player offers.
        sdp: Sdp,
        /// The only participant whose sound it gets; absent: the loudest.
        hears: Option<ParticipantId>,
        /// For the answer.
        request: RequestToken,
    },
    /// Which sources are on; the others are not forwarded.
    SetMedia {
        /// Whose.
        participant: ParticipantId,
        /// Which.
        media: MediaState,
    },
    /// What a page shows.
    SetView {
        /// Whose.
        participant: ParticipantId,
        /// By which leg.
        leg: LegNumber,
        /// At most [`conclave_proto::limits::VIDEO_SLOTS`] pictures.
        view: View,
    },
    /// The room's video codec. Comes before the first offer.
    SetCodec(CodecPreference),
    /// Close a leg.
    CloseLeg {
        /// Whose.
        participant: ParticipantId,
        /// Which.
        leg: LegNumber,
    },
    /// Forget a participant and close its legs.
    CloseParticipant {
        /// Whom.
        participant: ParticipantId,
    },
    /// Forget everybody.
    CloseRoom,
}
