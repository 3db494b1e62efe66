//! A session's events: numbered, and kept for a connection that comes back.

use std::collections::VecDeque;
use std::sync::Arc;

use conclave_proto::{Event, Participant, PeerSignal, limits};

/// Most memory that one session's events may hold, in bytes.
const REPLAY_BYTES: usize = 1024 * 1024;
/// What an event weighs besides its texts, in bytes.
const EVENT_BYTES: usize = 256;

/// The events of one session.
///
/// Numbers are given when an event is sent. Those that happen while there is no connection wait
/// without one, so that a newer state can take the place of an older one: what piles up is bounded
/// by what is in the room rather than by how long the connection is away.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    last_seq: u32,
    sent: Ring<(u32, Arc<Event>)>,
    missed: Ring<Arc<Event>>,
    /// More was missed than is kept: the session cannot be resumed without a gap.
    overflowed: bool,
}

#[derive(Debug)]
struct Ring<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self { items: VecDeque::new(), bytes: 0 }
    }
}

impl<T> Ring<T> {
    fn push(&mut self, item: T, weight: usize) {
        self.items.push_back((item, weight));
        self.bytes += weight;
    }

    fn pop(&mut self) {
        if let Some((_, weight)) = self.items.pop_front() {
            self.bytes -= weight;
        }
    }

    fn is_over(&self) -> bool {
        self.items.len() > limits::REPLAY_EVENTS || self.bytes > REPLAY_BYTES
    }
}

/// The client has missed more than is kept, or names an event that was never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap;

impl EventLog {
    /// Numbers an event that is sent now.
    pub(crate) fn number(&mut self, event: &Arc<Event>) -> u32 {
        // At a hundred events a second a session would have to last 497 days to run out of numbers.
        self.last_seq = self.last_seq.wrapping_add(1);
        self.sent.push((self.last_seq, event.clone()), weight(event));
        while self.sent.is_over() {
            self.sent.pop();
        }
        self.last_seq
    }

    /// Keeps an event for a connection that is away.
    pub(crate) fn miss(&mut self, event: &Arc<Event>) {
        if self.overflowed {
            return;
        }
        if let Some(at) = self.missed.items.iter().position(|(old, _)| supersedes(event, old))
            && let Some((_, weight)) = self.missed.items.remove(at)
        {
            self.missed.bytes -= weight;
        }
        self.missed.push(event.clone(), weight(event));
        if self.missed.is_over() {
            self.missed = Ring::default();
            self.overflowed = true;
        }
    }

    /// Whether one more event that another participant chose can be kept without endangering the
    /// resumption: half of the space is for what the room itself has to say.
    pub(crate) fn has_room_for(&self, event: &Event) -> bool {
        self.missed.items.len() < limits::REPLAY_EVENTS / 2 && self.missed.bytes + weight(event) <= REPLAY_BYTES / 2
    }

    /// What follows `last_seq`, numbered, with everything that was missed.
    pub(crate) fn resume(&mut self, last_seq: u32) -> Result<Vec<(u32, Arc<Event>)>, Gap> {
        let oldest = self.sent.items.front().map_or(self.last_seq, |((seq, _), _)| seq - 1);
        if self.overflowed || last_seq > self.last_seq || last_seq < oldest {
            return Err(Gap);
        }
        let seen = self.sent.items.partition_point(|((seq, _), _)| *seq <= last_seq);
        let mut events: Vec<_> = self.sent.items.iter().skip(seen).map(|(numbered, _)| numbered.clone()).collect();
        for (event, _) in std::mem::take(&mut self.missed).items {
            events.push((self.number(&event), event));
        }
        Ok(events)
    }
}

/// Whether a client that gets `new` need not have seen `old`.
fn supersedes(new: &Event, old: &Event) -> bool {
    match (new, old) {
        (Event::ParticipantUpdated { participant: new }, Event::ParticipantUpdated { participant: old }) => {
            new.id == old.id
        }
        (Event::NetworkReported { participant: new, .. }, Event::NetworkReported { participant: old, .. }) => {
            new == old
        }
        (
            Event::RosterChanged { participants: new, .. },
            Event::RosterChanged { participants: old, left, unlisted, .. },
        ) => {
            let told_anew = |old: &Participant| new.iter().any(|new| new.id == old.id);
            left.is_empty() && unlisted.is_empty() && old.iter().all(told_anew)
        }
        (Event::OptionsChanged { .. }, Event::OptionsChanged { .. })
        | (Event::SpeakersChanged { .. }, Event::SpeakersChanged { .. }) => true,
        (
            Event::PathChanged { generation, participant, .. },
            Event::PathChanged { generation: old_generation, participant: old, .. },
        ) => generation == old_generation && participant == old,
        (Event::SlotsChanged { slots: new }, Event::SlotsChanged { slots: old }) => new.leg == old.leg,
        (Event::PublishWished { wish: new }, Event::PublishWished { wish: old }) => new.source == old.source,
        _ => false,
    }
}

/// About how much memory an event holds, in bytes.
fn weight(event: &Event) -> usize {
    let texts = match event {
        Event::Signalled { signal, .. } => match signal {
            PeerSignal::Offer { sdp } | PeerSignal::Answer { sdp } => sdp.as_str().len(),
            PeerSignal::Candidate { candidate, ufrag, .. } => {
                candidate.as_str().len() + ufrag.as_ref().map_or(0, |ufrag| ufrag.as_str().len())
            }
            PeerSignal::RestartWanted {} => 0,
        },
        Event::Chat { message } => message.text.as_str().len(),
        Event::SlotsChanged { slots } => 128 * (slots.video.len() + slots.audio.len()),
        Event::RosterChanged { participants, left, unlisted, .. } => {
            256 * participants.len() + 64 * (left.len() + unlisted.len())
        }
        Event::SpeakersChanged { speakers } => 64 * speakers.len(),
        _ => 0,
    };
    EVENT_BYTES + texts
}
