//! CoDel: RFC 8289, with marks (RFC 3168) instead of drops for those who take them.

use std::collections::VecDeque;

use conclave_qos::{Ecn, Time};

use crate::packet::{PacketId, Packets};
use crate::units::{MILLI, after, between};

/// The delay that may stand, µs (RFC 8289, 4.4).
const TARGET: u64 = 5 * MILLI;
/// For how long it may be exceeded, µs (4.3).
const INTERVAL: u64 = 100 * MILLI;
/// The largest packet: with less than that, nothing is dropped.
const LARGEST: u64 = 1_500;
/// What the queue holds at all: two seconds at 10 Mbit/s, bytes.
const ROOM: u64 = 2_500_000;

/// Names follow the RFC's pseudocode (5.3 to 5.7).
#[derive(Debug, Default)]
pub(crate) struct Codel {
    waiting: VecDeque<PacketId>,
    bytes: u64,
    /// When it will have been above the target for an interval.
    first_above: Option<Time>,
    drop_next: Time,
    count: u32,
    last_count: u32,
    is_dropping: bool,
}

impl Codel {
    pub(crate) fn offer(&mut self, id: PacketId, size: u32) -> bool {
        if self.bytes + u64::from(size) > ROOM {
            return false;
        }
        self.bytes += u64::from(size);
        self.waiting.push_back(id);
        true
    }

    /// The RFC's `deque`.
    pub(crate) fn take(&mut self, now: Time, packets: &mut Packets, dropped: &mut Vec<PacketId>) -> Option<PacketId> {
        let (mut next, mut is_due) = self.pop(now, packets);
        if self.is_dropping {
            self.is_dropping = is_due;
            while self.is_dropping && now >= self.drop_next {
                let id = next?;
                self.count += 1;
                if mark(id, packets) {
                    self.drop_next = self.control_law(self.drop_next);
                    return Some(id);
                }
                dropped.push(id);
                (next, is_due) = self.pop(now, packets);
                self.is_dropping = is_due;
                if is_due {
                    self.drop_next = self.control_law(self.drop_next);
                }
            }
        } else if is_due {
            let id = next?;
            let is_marked = mark(id, packets);
            if !is_marked {
                dropped.push(id);
                (next, _) = self.pop(now, packets);
            }
            self.is_dropping = true;
            // Where it was dropping lately, the rate that was right then is close to the one that is right now.
            let delta = self.count - self.last_count;
            let is_recent = between(self.drop_next, now) < 16 * INTERVAL;
            self.count = if delta > 1 && is_recent { delta } else { 1 };
            self.drop_next = self.control_law(now);
            self.last_count = self.count;
        }
        next
    }

    /// The RFC's `dodequeue`: the next packet, and whether the delay has been too long for an interval.
    fn pop(&mut self, now: Time, packets: &Packets) -> (Option<PacketId>, bool) {
        let Some(id) = self.waiting.pop_front() else {
            self.first_above = None;
            return (None, false);
        };
        let packet = packets.get(id);
        self.bytes -= u64::from(packet.size);
        if between(packet.queued, now) < TARGET || self.bytes <= LARGEST {
            self.first_above = None;
            return (Some(id), false);
        }
        let first_above = *self.first_above.get_or_insert(after(now, INTERVAL));
        (Some(id), now >= first_above)
    }

    fn control_law(&self, time: Time) -> Time {
        after(time, (INTERVAL as f64 / f64::from(self.count.max(1)).sqrt()) as u64)
    }
}

/// Marks a packet whose sender takes marks; `false`: it does not.
pub(super) fn mark(id: PacketId, packets: &mut Packets) -> bool {
    let packet = packets.get_mut(id);
    let takes_marks = packet.ecn != Ecn::NotEct;
    if takes_marks {
        packet.ecn = Ecn::Ce;
    }
    takes_marks
}
