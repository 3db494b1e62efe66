//! What the topology means for people: moves between topologies, and what each reports about them.

use std::time::Duration;

use conclave_proto::{ErrorCode, Event, ParticipantId, PathReport, PathState, ProtocolError};

use crate::commands::Asker;
use crate::member::{Member, Outcome, Paths};
use crate::output::MediaCommand;
use crate::room::Room;
use crate::topology::Move;

impl Room {
    /// Begins a move. `newcomer` learns of it from the reply to its join.
    pub(crate) fn begin_move(&mut self, now: Duration, change: Move, newcomer: Option<&ParticipantId>) {
        // A stream has no path to report on.
        let awaited = self.roster.iter().filter(|member| member.has_page()).map(|member| member.id().clone()).collect();
        self.topology.begin(change, awaited, now + self.config.path_timeout);
        for member in self.roster.iter_mut() {
            member.paths = Paths::default();
        }
        let state = self.topology.state();
        self.broadcast(Event::TopologyChanged { state }, newcomer);
    }

    /// Follows the number of people.
    pub(crate) fn follow_crowd(&mut self, now: Duration) {
        if self.roster.is_empty() {
            self.topology.restart(self.options.topology);
            self.speakers.clear();
        } else if self.two_remain_at().is_some_and(|at| at <= now) {
            let change = self.topology.back_to_direct(self.options.topology);
            self.begin_move(now, change, None);
        }
    }

    /// When the two who remain move back to a direct path. Not while one of them is interrupted:
    /// the path could not be negotiated.
    pub(crate) fn two_remain_at(&self) -> Option<Duration> {
        let at = self.topology.two_remain_at(self.options.topology, self.config.two_remain_delay)?;
        self.roster.iter().all(Member::is_live).then_some(at)
    }

    pub(crate) fn settle_if_done(&mut self, now: Duration) {
        let Some(missing) = self.topology.is_done(now) else { return };
        if !missing.is_empty() && self.fall_back(now) {
            return;
        }
        for id in missing {
            self.note_path(&id, None, Outcome::Failed);
        }
        self.topology.settle();
        self.broadcast(Event::TopologyChanged { state: self.topology.state() }, None);
        self.leave_sfu_if_direct();
    }

    /// Where the choice of topology leaves it to the room, a direct path that fails becomes the SFU.
    fn fall_back(&mut self, now: Duration) -> bool {
        let change = self.topology.for_failure(self.options.topology);
        if let Some(change) = change {
            self.begin_move(now, change, None);
        }
        change.is_some()
    }

    /// Everybody has moved to a direct topology: the legs to the SFU have served.
    fn leave_sfu_if_direct(&mut self) {
        if !self.topology.is_direct() {
            return;
        }
        let mut closed = Vec::new();
        for member in self.roster.iter_mut() {
            let participant = member.id().clone();
            closed.extend(member.legs.take_all().into_iter().map(|leg| (participant.clone(), leg)));
        }
        for (participant, leg) in closed {
            self.command(MediaCommand::CloseLeg { participant, leg });
        }
        self.set_speakers(Vec::new());
    }

    pub(crate) fn report_path(
        &mut self,
        now: Duration,
        asker: &Asker,
        report: PathReport,
    ) -> Result<(), ProtocolError> {
        if report.generation != self.topology.state().generation {
            return Err(stale("the report is about a topology that is not current"));
        }
        if let Some(peer) = &report.peer {
            self.check_peer(asker, peer)?;
        }
        self.done(asker);
        let direct = self.topology.is_direct();
        // Through the server there is one path, whoever is named.
        let peer = report.peer.filter(|_| direct);
        match report.state {
            PathState::Silent if direct => self.note_silence(&asker.participant, peer.as_ref(), Some(now)),
            // The media plane knows better.
            PathState::Silent => {}
            PathState::Ready => {
                self.note_silence(&asker.participant, peer.as_ref(), None);
                self.note_path(&asker.participant, peer, Outcome::Ready);
            }
            PathState::Failed => {
                if !self.fall_back(now) {
                    self.note_path(&asker.participant, peer, Outcome::Failed);
                }
            }
        }
        Ok(())
    }

    /// Refuses a peer who is not another participant in this room.
    pub(crate) fn check_peer(&self, asker: &Asker, peer: &ParticipantId) -> Result<(), ProtocolError> {
        if *peer != asker.participant && self.roster.contains(peer) {
            return Ok(());
        }
        Err(ProtocolError::new(ErrorCode::NoSuchParticipant, "no such other participant is in the room"))
    }

    /// Notes that a witness hears nothing from one peer or from all, since then; or hears again.
    fn note_silence(&mut self, witness: &ParticipantId, peer: Option<&ParticipantId>, since: Option<Duration>) {
        for member in self.roster.iter_mut() {
            if member.id() == witness || peer.is_some_and(|peer| peer != member.id()) {
                continue;
            }
            match since {
                Some(since) => member.silence.peers.insert(witness.clone(), since),
                None => member.silence.peers.remove(witness),
            };
        }
    }

    /// Notes how a path went, and tells everybody of a failure and of its end.
    fn note_path(&mut self, id: &ParticipantId, peer: Option<ParticipantId>, outcome: Outcome) {
        if let Some(member) = self.roster.get_mut(id) {
            member.paths.note(peer, outcome);
            self.review_path(id);
        }
    }

    /// Draws the consequences of what a member has reported, whose meaning depends on who is there.
    fn review_path(&mut self, id: &ParticipantId) {
        // Through the server there is one path, whoever else is there.
        let others: Vec<_> = if self.topology.is_direct() {
            self.roster.ids().filter(|other| *other != id).cloned().collect()
        } else {
            Vec::new()
        };
        let Some(member) = self.roster.get_mut(id) else { return };
        let failed = member.paths.failed();
        if failed || member.paths.complete(&others) {
            self.topology.no_longer_awaited(id);
        }
        if std::mem::replace(&mut member.paths.failure_told, failed) != failed {
            let generation = self.topology.state().generation;
            let state = if failed { PathState::Failed } else { PathState::Ready };
            self.announce_path(id, Event::PathChanged { generation, participant: id.clone(), state });
        }
    }

    /// Somebody is gone: a path that others waited for or missed may not matter any more.
    pub(crate) fn review_all_paths(&mut self) {
        // Only reports about single peers change their meaning, and only direct topologies have them.
        if self.topology.is_direct() {
            let ids: Vec<_> = self.roster.ids().cloned().collect();
            for id in ids {
                self.review_path(&id);
            }
        }
    }
}

pub(crate) fn stale(message: &'static str) -> ProtocolError {
    ProtocolError::new(ErrorCode::StaleGeneration, message)
}
