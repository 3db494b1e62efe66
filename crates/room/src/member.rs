use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use conclave_proto::{DisplayName, Event, NetworkReport, Participant, ParticipantId};

use crate::digest::Digest;
use crate::input::{ConnectionId, StreamId};
use crate::legs::Legs;
use crate::listing::Voice;
use crate::output::Output;
use crate::permissions::Grants;
use crate::replay::EventLog;

/// One participant: the session behind what the others see.
pub(crate) struct Member {
    /// What the others see.
    pub(crate) state: Participant,
    /// The name as a search compares it.
    pub(crate) search_name: String,
    pub(crate) voice: Voice,
    /// Somebody was told of this member as one who is listed.
    pub(crate) told: bool,
    /// Whom its page shows, by their order; bounded by the slots of a leg.
    pub(crate) shows: Vec<u32>,
    /// Whose session it is.
    pub(crate) person: Digest,
    pub(crate) grants: Grants,
    pub(crate) link: Link,
    /// Of the one token that resumes it.
    pub(crate) resume_token: Digest,
    pub(crate) log: EventLog,
    pub(crate) reports: ReportPacer,
    pub(crate) legs: Legs,
    pub(crate) paths: Paths,
    pub(crate) silence: Silence,
}

/// How a session is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// By this connection.
    Live(ConnectionId),
    /// Not at all, since then.
    Lost(Duration),
    /// By its leg alone: nothing can be said to it.
    Stream(StreamId),
}

impl Member {
    pub(crate) fn id(&self) -> &ParticipantId {
        &self.state.id
    }

    /// The name as a search compares it.
    pub(crate) fn searched(name: &DisplayName) -> String {
        name.as_str().to_lowercase()
    }

    /// Whether there is somebody to signal to, now or soon.
    pub(crate) fn has_page(&self) -> bool {
        !matches!(self.link, Link::Stream(_))
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.link, Link::Live(_))
    }

    /// Tells the member what happened: now, or when it is back.
    pub(crate) fn tell(&mut self, event: &Arc<Event>, outputs: &mut VecDeque<Output>) {
        match self.link {
            Link::Live(connection) => {
                let seq = self.log.number(event);
                outputs.push_back(Output::Tell { connection, seq, event: event.clone() });
            }
            Link::Lost(_) => self.log.miss(event),
            Link::Stream(_) => {}
        }
    }
}

/// Spaces the network reports that are passed on; the newest of those between waits its turn.
#[derive(Debug, Default)]
pub(crate) struct ReportPacer {
    last: Option<Duration>,
    held: Option<(NetworkReport, Duration)>,
}

impl ReportPacer {
    /// Keeps a report. Returns when it is to be passed on, unless that is arranged already.
    pub(crate) fn hold(&mut self, now: Duration, report: NetworkReport, interval: Duration) -> Option<Duration> {
        if let Some((held, _)) = &mut self.held {
            *held = report;
            return None;
        }
        let due = self.last.map_or(now, |last| now.max(last + interval));
        self.held = Some((report, due));
        Some(due)
    }

    /// When the report that is kept is to be passed on.
    pub(crate) fn queued_at(&self) -> Option<Duration> {
        self.held.map(|(_, due)| due)
    }

    pub(crate) fn take(&mut self, now: Duration) -> Option<NetworkReport> {
        self.last = Some(now);
        self.held.take().map(|(report, _)| report)
    }
}

/// What a member has reported about its paths of the current generation.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    all: Option<Outcome>,
    peers: BTreeMap<ParticipantId, Outcome>,
    /// The others were told that a path failed.
    pub(crate) failure_told: bool,
}

/// How building a path went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ready,
    Failed,
}

impl Paths {
    /// Notes a report about the path to one peer, or about all paths.
    pub(crate) fn note(&mut self, peer: Option<ParticipantId>, outcome: Outcome) {
        match peer {
            None => {
                self.all = Some(outcome);
                self.peers.clear();
            }
            Some(peer) => {
                // A word about one peer is newer than that all failed, but leaves the others open.
                if self.all == Some(Outcome::Failed) {
                    self.all = None;
                }
                self.peers.insert(peer, outcome);
            }
        }
    }

    pub(crate) fn forget(&mut self, peer: &ParticipantId) {
        self.peers.remove(peer);
    }

    pub(crate) fn failed(&self) -> bool {
        self.all == Some(Outcome::Failed) || self.peers.values().any(|outcome| *outcome == Outcome::Failed)
    }

    /// Whether it is known how every path to these others went.
    pub(crate) fn complete(&self, others: &[ParticipantId]) -> bool {
        self.all.is_some() || (!others.is_empty() && others.iter().all(|other| self.peers.contains_key(other)))
    }
}

/// Who says that nothing comes from a member any more, and since when.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    pub(crate) media: Option<Duration>,
    pub(crate) peers: BTreeMap<ParticipantId, Duration>,
}
