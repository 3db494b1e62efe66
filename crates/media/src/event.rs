//! What the media plane tells the control plane, and the queue that it waits in.

use std::collections::VecDeque;

use conclave_proto::{LegNumber, ParticipantId, PublishWish, Slots};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// A live meeting, as the media plane knows it. Never used again for another meeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomKey(pub u64);

/// What the media plane tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaEvent {
    /// A leg is connected: ICE and DTLS are done. It takes the place of the participant's older
    /// legs, which are closed shortly after.
    Connected {
        /// Where.
        room: RoomKey,
        /// Whose.
        participant: ParticipantId,
        /// Which.
        leg: LegNumber,
    },
    /// A leg could not be connected in time, or is gone. Not told of legs that a command closed or
    /// a newer leg replaced.
    Failed {
        /// Where.
        room: RoomKey,
        /// Whose.
        participant: ParticipantId,
        /// Which.
        leg: LegNumber,
    },
    /// Media flowed from a participant, and nothing at all has been received from it for
    /// [`crate::MediaLimits::silence`]. Told once; what arrives later makes it tellable again.
    Silent {
        /// Where.
        room: RoomKey,
        /// Who.
        participant: ParticipantId,
    },
    /// What the slots of a participant's leg carry has changed.
    Slots {
        /// Where.
        room: RoomKey,
        /// Whose.
        participant: ParticipantId,
        /// All of them.
        slots: Slots,
    },
    /// Who speaks has changed.
    Speakers {
        /// Where.
        room: RoomKey,
        /// Loudest first.
        speakers: Vec<ParticipantId>,
    },
    /// What is wanted of a participant's source has changed.
    PublishWish {
        /// Where.
        room: RoomKey,
        /// Whose.
        participant: ParticipantId,
        /// The wish.
        wish: PublishWish,
    },
}

impl MediaEvent {
    /// Whether this says everything that `earlier` said, and newer, so that nobody needs `earlier`.
    fn supersedes(&self, earlier: &Self) -> bool {
        match (self, earlier) {
            (
                Self::Slots { room: r1, participant: p1, slots: s1 },
                Self::Slots { room: r2, participant: p2, slots: s2 },
            ) => r1 == r2 && p1 == p2 && s1.leg == s2.leg,
            (Self::Speakers { room: r1, .. }, Self::Speakers { room: r2, .. }) => r1 == r2,
            (
                Self::PublishWish { room: r1, participant: p1, wish: w1 },
                Self::PublishWish { room: r2, participant: p2, wish: w2 },
            ) => r1 == r2 && p1 == p2 && w1.source == w2.source,
            (a @ Self::Silent { .. }, b @ Self::Silent { .. }) => a == b,
            _ => false,
        }
    }
}

/// Hands events to a receiver that may be slow, without ever waiting for it.
///
/// What does not fit the channel waits here, where a newer event takes the place of an older one
/// that it supersedes. What remains is bounded by the number of legs: each connects once and fails
/// once.
#[derive(Debug)]
pub(crate) struct Outbox {
    channel: mpsc::Sender<MediaEvent>,
    backlog: VecDeque<MediaEvent>,
}

impl Outbox {
    pub(crate) fn new(channel: mpsc::Sender<MediaEvent>) -> Self {
        Self { channel, backlog: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, event: MediaEvent) {
        self.backlog.retain(|earlier| !event.supersedes(earlier));
        self.backlog.push_back(event);
        self.flush();
    }

    /// Hands over what fits.
    pub(crate) fn flush(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            match self.channel.try_send(event) {
                Ok(()) => {}
                Err(TrySendError::Full(event)) => {
                    self.backlog.push_front(event);
                    return;
                }
                // Nobody listens any more; media goes on until it is shut down.
                Err(TrySendError::Closed(_)) => self.backlog.clear(),
            }
        }
    }

    /// Whether something waits for room in the channel.
    pub(crate) fn has_backlog(&self) -> bool {
        !self.backlog.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speakers(room: u64, names: &[&str]) -> MediaEvent {
        let speakers = names.iter().map(|name| ParticipantId::parse(name).expect("valid")).collect();
        MediaEvent::Speakers { room: RoomKey(room), speakers }
    }

    fn connected(leg: u32) -> MediaEvent {
        let participant = ParticipantId::parse("p").expect("valid");
        MediaEvent::Connected { room: RoomKey(1), participant, leg: LegNumber(leg) }
    }

    #[test]
    fn a_slow_receiver_gets_the_newest_state_and_every_connection() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut outbox = Outbox::new(sender);
        let told = [
            connected(1),
            speakers(1, &["a"]),
            speakers(2, &["x"]),
            connected(2),
            speakers(1, &["a", "b"]),
            speakers(1, &[]),
        ];
        for event in told {
            outbox.push(event);
        }
        let mut got = Vec::new();
        while let Ok(event) = receiver.try_recv() {
            got.push(event);
            outbox.flush();
        }
        assert_eq!(got, [connected(1), speakers(2, &["x"]), connected(2), speakers(1, &[])]);
    }

    #[test]
    fn a_receiver_that_is_gone_leaves_nothing_behind() {
        let (sender, receiver) = mpsc::channel(1);
        drop(receiver);
        let mut outbox = Outbox::new(sender);
        outbox.push(connected(1));
        assert!(outbox.backlog.is_empty());
    }
}
