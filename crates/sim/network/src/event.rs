//! What happens next.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use conclave_qos::Time;

use crate::packet::PacketId;

/// Names a link of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkId(pub(crate) u8);

/// Names a sender and its receiver of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AgentId(pub(crate) u8);

/// The two ends of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Sender,
    Receiver,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A packet has left a link completely.
    Departure(LinkId),
    /// A packet reaches the end that it is for.
    Arrival(PacketId),
    /// An end wanted to be asked at this time.
    Wake(AgentId, End),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    at: Time,
    order: u64,
    event: Event,
}

impl Ord for Entry {
    /// The greatest is what happens first; of what happens at one time, what was scheduled first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Events in the order of time.
#[derive(Debug, Default)]
pub(crate) struct Events {
    heap: BinaryHeap<Entry>,
    scheduled: u64,
}

impl Events {
    pub(crate) fn schedule(&mut self, at: Time, event: Event) {
        self.scheduled += 1;
        self.heap.push(Entry { at, order: self.scheduled, event });
    }

    pub(crate) fn next(&mut self) -> Option<(Time, Event)> {
        self.heap.pop().map(|entry| (entry.at, entry.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::at;

    #[test]
    fn events_come_by_time_and_those_of_one_time_as_they_were_scheduled() {
        let mut events = Events::default();
        for (micros, link) in [(5, 0), (3, 1), (5, 2), (3, 3), (4, 4)] {
            events.schedule(at(micros), Event::Departure(LinkId(link)));
        }
        let order: Vec<_> = std::iter::from_fn(|| events.next()).collect();
        let expected = [(3, 1), (3, 3), (4, 4), (5, 0), (5, 2)];
        assert_eq!(order, expected.map(|(micros, link)| (at(micros), Event::Departure(LinkId(link)))));
    }
}
