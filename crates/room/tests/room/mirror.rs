//! A client that believes what it is told: its picture of the room comes from messages alone.

use std::collections::BTreeSet;

use conclave_proto::{Event, Joined, MessageId, Participant, ParticipantId, PathState, RoomState, Topology};

pub struct Mirror {
    pub me: ParticipantId,
    pub room: RoomState,
    pub participants: Vec<Participant>,
    pub count: u32,
    pub chat: Vec<MessageId>,
    pub speakers: Vec<ParticipantId>,
    pub failed: BTreeSet<ParticipantId>,
    pub last_seq: u32,
    pub over: bool,
}

impl Mirror {
    pub fn new(joined: Joined) -> Self {
        Self {
            me: joined.participant,
            room: joined.room,
            participants: joined.participants,
            count: joined.participant_count,
            chat: joined.chat.into_iter().map(|message| message.id).collect(),
            speakers: Vec::new(),
            failed: BTreeSet::new(),
            last_seq: 0,
            over: false,
        }
    }

    fn has(&self, id: &ParticipantId) -> bool {
        self.participants.iter().any(|participant| participant.id == *id)
    }

    fn of(&mut self, id: &ParticipantId) -> &mut Participant {
        self.participants.iter_mut().find(|participant| participant.id == *id).expect("somebody known")
    }

    /// Takes an event in, and checks that it makes sense to somebody who saw all before it.
    pub fn apply(&mut self, seq: u32, event: Event) {
        assert_eq!(seq, self.last_seq + 1, "numbers have no gaps: {event:?}");
        assert!(!self.over, "nothing happens after the end: {event:?}");
        self.last_seq = seq;
        match event {
            Event::ParticipantJoined { participant } => {
                assert!(!self.has(&participant.id), "nobody arrives twice");
                self.participants.push(participant);
                self.count += 1;
            }
            Event::ParticipantUpdated { participant } => {
                let id = participant.id.clone();
                *self.of(&id) = participant;
            }
            Event::NetworkReported { participant, report } => self.of(&participant).network = Some(report),
            Event::ParticipantLeft { participant, .. } => {
                assert!(self.has(&participant), "only those leave who were there");
                assert_ne!(participant, self.me, "nobody is told of their own departure");
                self.participants.retain(|other| other.id != participant);
                self.count -= 1;
                self.failed.remove(&participant);
                self.speakers.retain(|speaker| *speaker != participant);
            }
            Event::RosterChanged { count, participants, left, unlisted } => {
                for participant in participants {
                    self.participants.retain(|other| other.id != participant.id);
                    self.participants.push(participant);
                }
                let gone: BTreeSet<_> = left.into_iter().map(|left| left.participant).chain(unlisted).collect();
                assert!(!gone.contains(&self.me) || count > 50, "in a small room everybody is listed");
                self.participants.retain(|other| !gone.contains(&other.id) || other.id == self.me);
                self.participants.sort_by_key(|participant| participant.order);
                self.count = count;
            }
            Event::Chat { message } => {
                assert!(!self.chat.contains(&message.id), "nothing is said twice");
                self.chat.push(message.id);
            }
            Event::Reacted { participant, .. } => assert!(self.has(&participant)),
            Event::OptionsChanged { options } => self.room.options = options,
            Event::TopologyChanged { state } => {
                let before = self.room.topology;
                if state.generation == before.generation {
                    assert!(state.settled && !before.settled, "a generation settles once: {before:?} {state:?}");
                    assert_eq!((state.topology, state.reason), (before.topology, before.reason));
                } else {
                    assert!(state.generation > before.generation && !state.settled, "{before:?} {state:?}");
                    self.failed.clear();
                }
                self.room.topology = state;
            }
            Event::PathChanged { generation, participant, state } => {
                assert_eq!(generation, self.room.topology.generation);
                assert!(self.has(&participant));
                match state {
                    PathState::Failed => self.failed.insert(participant),
                    PathState::Ready => self.failed.remove(&participant),
                    PathState::Silent => panic!("silence is for the room"),
                };
            }
            Event::Signalled { from, generation, .. } => {
                assert!(self.has(&from) && from != self.me);
                assert_eq!(generation, self.room.topology.generation);
                assert_ne!(self.room.topology.topology, Topology::Sfu);
            }
            Event::SpeakersChanged { speakers } => {
                assert!(speakers.iter().all(|speaker| self.has(speaker)));
                self.speakers = speakers;
            }
            Event::SlotsChanged { .. } | Event::PublishWished { .. } | Event::LegFailed { .. } => {}
            Event::RoomEnded {} | Event::ServerClosing { .. } => self.over = true,
        }
    }

    /// Everybody as this client sees them; its own network is not told to it.
    pub fn others_and_me(&self) -> Vec<Participant> {
        self.participants.iter().cloned().map(|participant| self.without_own_network(participant)).collect()
    }

    pub fn without_own_network(&self, participant: Participant) -> Participant {
        if participant.id == self.me { Participant { network: None, ..participant } } else { participant }
    }
}
