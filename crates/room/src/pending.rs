use std::time::Duration;

use conclave_proto::{Join, LegNumber, ParticipantId};

use crate::digest::Digest;
use crate::input::ConnectionId;
use crate::permissions::Grants;
use crate::streams::PendingStream;

/// What waits for the media plane's answer to an offer.
pub(crate) enum Pending {
    /// A join.
    Entry(Box<Entering>),
    /// A leg of somebody inside.
    Leg(PendingLeg),
    /// A stream's.
    Stream(PendingStream),
}

/// Somebody on the way in. Nobody inside knows until the media plane has answered, so an offer that
/// is no good disturbs nobody.
pub(crate) struct Entering {
    pub(crate) connection: ConnectionId,
    pub(crate) request: u32,
    pub(crate) join: Box<Join>,
    pub(crate) participant: ParticipantId,
    pub(crate) person: Digest,
    pub(crate) grants: Grants,
    pub(crate) deadline: Duration,
}

pub(crate) struct PendingLeg {
    pub(crate) participant: ParticipantId,
    /// The reply is for the connection that asked; another connection of the same session counts
    /// its requests anew.
    pub(crate) connection: ConnectionId,
    pub(crate) request: u32,
    pub(crate) leg: LegNumber,
    pub(crate) deadline: Duration,
}

impl Pending {
    pub(crate) fn deadline(&self) -> Duration {
        match self {
            Self::Entry(entering) => entering.deadline,
            Self::Leg(leg) => leg.deadline,
            Self::Stream(stream) => stream.deadline,
        }
    }

    pub(crate) fn entering(&self) -> Option<&Entering> {
        match self {
            Self::Entry(entering) => Some(entering),
            Self::Leg(_) | Self::Stream(_) => None,
        }
    }

    pub(crate) fn into_entering(self) -> Option<Box<Entering>> {
        match self {
            Self::Entry(entering) => Some(entering),
            Self::Leg(_) | Self::Stream(_) => None,
        }
    }

    pub(crate) fn stream(&self) -> Option<&PendingStream> {
        match self {
            Self::Stream(stream) => Some(stream),
            Self::Entry(_) | Self::Leg(_) => None,
        }
    }

    /// Whether a publisher comes in with the answer.
    pub(crate) fn brings_publisher(&self) -> bool {
        self.stream().is_some_and(|stream| stream.publisher.is_some())
    }

    pub(crate) fn leg(&self) -> Option<&PendingLeg> {
        match self {
            Self::Entry(_) | Self::Stream(_) => None,
            Self::Leg(leg) => Some(leg),
        }
    }
}
