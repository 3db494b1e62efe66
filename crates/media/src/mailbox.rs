//! Commands on their way to the media thread: bounded, in order, and without waiting.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_proto::{CodecPreference, LegNumber, MediaState, ParticipantId, ProtocolError, SfuAnswer, View};
use tokio::sync::oneshot;

use crate::event::RoomKey;
use crate::offer::LegOffer;
use crate::shard::Waker;
use crate::stats::Part;

/// What the control plane wants.
#[derive(Debug)]
pub(crate) enum Command {
    Offer {
        room: RoomKey,
        participant: ParticipantId,
        offer: Box<LegOffer>,
        media: MediaState,
        reply: oneshot::Sender<Result<SfuAnswer, ProtocolError>>,
    },
    SetMedia {
        room: RoomKey,
        participant: ParticipantId,
        media: MediaState,
    },
    SetView {
        room: RoomKey,
        participant: ParticipantId,
        leg: LegNumber,
        view: View,
    },
    SetCodec {
        room: RoomKey,
        preference: CodecPreference,
    },
    CloseLeg {
        room: RoomKey,
        participant: ParticipantId,
        leg: LegNumber,
    },
    CloseParticipant {
        room: RoomKey,
        participant: ParticipantId,
    },
    CloseRoom {
        room: RoomKey,
    },
    Snapshot {
        reply: oneshot::Sender<Part>,
    },
    Shutdown,
}

/// Of two commands with the same subject only the later matters.
#[derive(PartialEq, Eq, Hash)]
enum Subject {
    Media(RoomKey, ParticipantId),
    View(RoomKey, ParticipantId, LegNumber),
    Codec(RoomKey),
    CloseLeg(RoomKey, ParticipantId, LegNumber),
    CloseParticipant(RoomKey, ParticipantId),
    CloseRoom(RoomKey),
}

impl Command {
    fn subject(&self) -> Option<Subject> {
        Some(match self {
            Self::SetMedia { room, participant, .. } => Subject::Media(*room, participant.clone()),
            Self::SetView { room, participant, leg, .. } => Subject::View(*room, participant.clone(), *leg),
            Self::SetCodec { room, .. } => Subject::Codec(*room),
            Self::CloseLeg { room, participant, leg } => Subject::CloseLeg(*room, participant.clone(), *leg),
            Self::CloseParticipant { room, participant } => Subject::CloseParticipant(*room, participant.clone()),
            Self::CloseRoom { room } => Subject::CloseRoom(*room),
            Self::Offer { .. } | Self::Snapshot { .. } | Self::Shutdown => return None,
        })
    }
}

/// Why a command was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Too many commands wait.
    Full,
    /// The media plane has stopped.
    Stopped,
}

/// Commands that may wait. The control plane sends a few per participant and second; that many wait
/// only if the media thread stands still.
const CAPACITY: usize = 8_192;

#[derive(Debug, Default)]
struct Queue {
    commands: VecDeque<Command>,
    stopped: bool,
}

/// The queue between the control plane and a shard.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    queue: Arc<Mutex<Queue>>,
    waker: Waker,
}

impl Mailbox {
    pub(crate) fn new(waker: Waker) -> Self {
        Self { queue: Arc::default(), waker }
    }

    /// Leaves a command. When the queue is full, those that later ones made pointless go first; a
    /// queue full of distinct commands refuses.
    pub(crate) fn push(&self, command: Command) -> Result<(), Refused> {
        let mut queue = self.lock();
        if queue.stopped {
            return Err(Refused::Stopped);
        }
        if queue.commands.len() >= CAPACITY {
            drop_superseded(&mut queue.commands);
        }
        // Stopping must always be possible; it is the last command there is.
        if queue.commands.len() >= CAPACITY && !matches!(command, Command::Shutdown) {
            return Err(Refused::Full);
        }
        queue.commands.push_back(command);
        drop(queue);
        self.waker.wake();
        Ok(())
    }

    /// The oldest command.
    pub(crate) fn pop(&self) -> Option<Command> {
        self.lock().commands.pop_front()
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().commands.is_empty()
    }

    /// Takes no more, and forgets what waits: whoever waits for an answer learns of it.
    pub(crate) fn stop(&self) {
        let mut queue = self.lock();
        queue.stopped = true;
        queue.commands.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No operation on the queue leaves it half done, so a panic elsewhere does not spoil it.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes each command whose subject comes up again later, up to an offer or a close in between:
/// what is left has the same effect.
fn drop_superseded(commands: &mut VecDeque<Command>) {
    let mut seen = HashSet::new();
    let mut kept: VecDeque<Command> = VecDeque::with_capacity(commands.len());
    while let Some(command) = commands.pop_back() {
        match command.subject() {
            Some(subject @ (Subject::Media(..) | Subject::View(..) | Subject::Codec(..))) => {
                if seen.insert(subject) {
                    kept.push_front(command);
                }
            }
            Some(subject) => {
                // What was said before the end of a leg is not what is said after it.
                if seen.insert(subject) {
                    seen.retain(|subject| !matches!(subject, Subject::Media(..) | Subject::View(..)));
                    kept.push_front(command);
                }
            }
            None => {
                seen.clear();
                kept.push_front(command);
            }
        }
    }
    *commands = kept;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn participant(name: &str) -> ParticipantId {
        ParticipantId::parse(name).expect("valid")
    }

    fn set_media(name: &str, microphone: bool) -> Command {
        let media = MediaState { microphone, ..MediaState::default() };
        Command::SetMedia { room: RoomKey(1), participant: participant(name), media }
    }

    #[test]
    fn a_full_queue_keeps_the_latest_of_each_subject() {
        let mailbox = Mailbox::new(Waker::new().expect("an eventfd"));
        for i in 0..CAPACITY * 3 {
            assert_eq!(mailbox.push(set_media(if i % 2 == 0 { "a" } else { "b" }, i % 3 == 0)), Ok(()));
        }
        assert_eq!(mailbox.push(set_media("a", true)), Ok(()));
        let mut last = None;
        let mut count = 0;
        while let Some(command) = mailbox.pop() {
            if let Command::SetMedia { participant: who, media, .. } = command
                && who == participant("a")
            {
                last = Some(media.microphone);
            }
            count += 1;
        }
        assert_eq!(last, Some(true));
        assert!(count <= CAPACITY);
    }

    #[test]
    fn a_queue_full_of_distinct_commands_refuses_but_can_be_stopped() {
        let mailbox = Mailbox::new(Waker::new().expect("an eventfd"));
        for i in 0..CAPACITY {
            assert_eq!(mailbox.push(set_media(&i.to_string(), true)), Ok(()));
        }
        assert_eq!(mailbox.push(set_media("one-more", true)), Err(Refused::Full));
        assert_eq!(mailbox.push(Command::Shutdown), Ok(()));
        mailbox.stop();
        assert!(mailbox.pop().is_none());
        assert_eq!(mailbox.push(Command::Shutdown), Err(Refused::Stopped));
    }

    #[test]
    fn what_was_said_before_a_leg_was_closed_is_kept_apart_from_what_was_said_after() {
        let close = Command::CloseParticipant { room: RoomKey(1), participant: participant("a") };
        let mut commands = VecDeque::from([set_media("a", true), close, set_media("a", false), set_media("a", true)]);
        drop_superseded(&mut commands);
        assert_eq!(commands.len(), 3, "{commands:?}");
    }
}
