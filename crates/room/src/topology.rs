//! Which topology a room is in, when it moves to another, and when the move is done. Knows people
//! only by their number and names; what a move means for them is in `paths.rs`.

use std::collections::BTreeSet;
use std::time::Duration;

use conclave_proto::{Generation, ParticipantId, Topology, TopologyChoice, TopologyReason, TopologyState};

/// Where a room's media flows.
#[derive(Debug)]
pub(crate) struct TopologyMachine {
    state: TopologyState,
    people: usize,
    /// Who needs the server, whatever was chosen: publishers and viewers without a page.
    streams: usize,
    /// Since when nobody came, went or was interrupted.
    calm_since: Duration,
    /// In `auto`: the direct path was tried and failed. Holds until the number of people changes.
    path_failed: bool,
    settling: Option<Settling>,
}

#[derive(Debug)]
struct Settling {
    /// Those who were there when the move began and have not said how it went.
    awaited: BTreeSet<ParticipantId>,
    deadline: Duration,
}

/// A move to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) topology: Topology,
    pub(crate) reason: TopologyReason,
}

impl TopologyMachine {
    pub(crate) fn new(choice: TopologyChoice) -> Self {
        Self {
            state: TopologyState {
                generation: Generation(1),
                topology: start(choice),
                reason: TopologyReason::Initial,
                settled: true,
            },
            people: 0,
            streams: 0,
            calm_since: Duration::ZERO,
            path_failed: false,
            settling: None,
        }
    }

    pub(crate) fn state(&self) -> TopologyState {
        self.state
    }

    /// Whether media flows between the browsers.
    pub(crate) fn is_direct(&self) -> bool {
        self.state.topology != Topology::Sfu
    }

    /// Nobody is left to move: the next to arrive finds the room as it starts.
    pub(crate) fn restart(&mut self, choice: TopologyChoice) {
        let topology = start(choice);
        if self.state.topology != topology || !self.state.settled {
            self.state.generation = next(self.state.generation);
        }
        self.state = TopologyState { topology, reason: TopologyReason::Initial, settled: true, ..self.state };
        self.people = 0;
        self.path_failed = false;
        self.settling = None;
    }

    /// Somebody came, went or came back.
    pub(crate) fn crowd_changed(&mut self, now: Duration, people: usize) {
        if self.people != people {
            self.path_failed = false;
        }
        self.people = people;
        self.calm_since = now;
    }

    /// A stream came or went.
    pub(crate) fn streams_changed(&mut self, streams: usize) {
        self.streams = streams;
    }

    /// Whether a room of `people` has its media in the SFU, now or with the join that makes it so many.
    pub(crate) fn needs_sfu(&self, choice: TopologyChoice, people: usize) -> bool {
        let current = self.state.topology;
        self.for_crowd(choice, people).map_or(current, |change| change.topology) == Topology::Sfu
    }

    /// The move that the number of people asks for, or a stream.
    pub(crate) fn for_crowd(&self, choice: TopologyChoice, people: usize) -> Option<Move> {
        if self.streams > 0 && self.is_direct() {
            return Some(Move { topology: Topology::Sfu, reason: TopologyReason::Stream });
        }
        let too_many = choice == TopologyChoice::Auto && people > 2 && self.is_direct();
        too_many.then_some(Move { topology: Topology::Sfu, reason: TopologyReason::MorePeople })
    }

    /// When two people have been by themselves for long enough to go back to a direct path.
    pub(crate) fn two_remain_at(&self, choice: TopologyChoice, delay: Duration) -> Option<Duration> {
        let is_wanted = match choice {
            TopologyChoice::Auto => (1..=2).contains(&self.people) && !self.path_failed,
            // Left for a stream that has gone.
            TopologyChoice::P2p | TopologyChoice::Mesh => true,
            TopologyChoice::Sfu => false,
        };
        (is_wanted && self.streams == 0 && !self.is_direct()).then_some(self.calm_since + delay)
    }

    /// The move that [`Self::two_remain_at`] announces.
    pub(crate) fn back_to_direct(&self, choice: TopologyChoice) -> Move {
        let reason = if choice == TopologyChoice::Auto { TopologyReason::TwoRemain } else { TopologyReason::Options };
        Move { topology: start(choice), reason }
    }

    /// The move that new options ask for.
    pub(crate) fn for_choice(&mut self, choice: TopologyChoice) -> Option<Move> {
        self.path_failed = false;
        let topology = match choice {
            _ if self.streams > 0 => Topology::Sfu,
            TopologyChoice::Auto if self.people > 2 => Topology::Sfu,
            other => start(other),
        };
        (topology != self.state.topology).then_some(Move { topology, reason: TopologyReason::Options })
    }

    /// The move that a failed direct path asks for.
    pub(crate) fn for_failure(&self, choice: TopologyChoice) -> Option<Move> {
        let falls_back = choice == TopologyChoice::Auto && self.is_direct() && self.people > 1;
        falls_back.then_some(Move { topology: Topology::Sfu, reason: TopologyReason::PathFailed })
    }

    /// Begins a move. A move under way is given up: whoever has made its path already keeps it as
    /// long as it may be needed.
    pub(crate) fn begin(&mut self, change: Move, awaited: BTreeSet<ParticipantId>, deadline: Duration) {
        self.state = TopologyState {
            generation: next(self.state.generation),
            topology: change.topology,
            reason: change.reason,
            settled: false,
        };
        self.path_failed = change.reason == TopologyReason::PathFailed;
        self.settling = Some(Settling { awaited, deadline });
    }

    /// Somebody has said how the move went, or is gone.
    pub(crate) fn no_longer_awaited(&mut self, participant: &ParticipantId) {
        if let Some(settling) = &mut self.settling {
            settling.awaited.remove(participant);
        }
    }

    /// When the move is done whatever was reported.
    pub(crate) fn settles_at(&self) -> Option<Duration> {
        self.settling.as_ref().map(|settling| settling.deadline)
    }

    /// If the move is done: who never said how it went.
    pub(crate) fn is_done(&self, now: Duration) -> Option<Vec<ParticipantId>> {
        let settling = self.settling.as_ref()?;
        if self.is_direct() && self.people < 2 {
            // One person alone has nobody to build a direct path to.
            return Some(Vec::new());
        }
        (settling.awaited.is_empty() || settling.deadline <= now).then(|| settling.awaited.iter().cloned().collect())
    }

    /// Ends the move.
    pub(crate) fn settle(&mut self) {
        self.settling = None;
        self.state.settled = true;
    }
}

/// The topology in which a room without people starts.
fn start(choice: TopologyChoice) -> Topology {
    match choice {
        TopologyChoice::Auto | TopologyChoice::P2p => Topology::P2p,
        TopologyChoice::Mesh => Topology::Mesh,
        TopologyChoice::Sfu => Topology::Sfu,
    }
}

/// Generations count moves; a room does not live to see 2^32 of them.
fn next(generation: Generation) -> Generation {
    Generation(generation.0.saturating_add(1))
}
