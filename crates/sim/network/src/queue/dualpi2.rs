//! DualPI2: RFC 9332, appendix A, with the overload handling of A.2 left to the room that there is.

use std::collections::VecDeque;

use conclave_qos::{Ecn, Time};

use super::codel::mark;
use crate::packet::{PacketId, Packets};
use crate::units::{MILLI, SECOND, after, between};

/// The delay that the classic queue is held at, µs (A.1, `target`).
const TARGET: u64 = 15 * MILLI;
/// How often the probability follows, µs (A.1, `Tupdate`).
const UPDATE: u64 = 16 * MILLI;
/// What a second of delay beyond the target, and of its growth, changes at each update: A.1, `alpha` (0.16 Hz) and `beta`
/// (3.2 Hz).
const ALPHA: f64 = 0.16;
const BETA: f64 = 3.2;
/// How much likelier L4S packets are marked than classic ones by square root (A.1, `k`).
const COUPLING: f64 = 2.0;
/// The base probability at most: a quarter of the classic packets is dropped (A.1, `p_Cmax`).
const MOST: f64 = 0.5;
/// L4S packets are marked from this delay on, all of them beyond the second, µs (A.1, `minTh`, `range`)...
const LEAST_DELAY: u64 = 800;
const MARKS_ALL: u64 = 1_200;
/// What the queues hold together, bytes: two seconds at 10 Mbit/s.
const ROOM: u64 = 2_500_000;
/// Classic packets get a tenth of the link where both wait (RFC 9332, 4.2.2; Linux, `c_protection`).
const CLASSIC_SHARE: i64 = 10;

#[derive(Debug, Default)]
struct Class {
    waiting: VecDeque<PacketId>,
    /// How far the next drop or mark is due: A.1, `recur`.
    due: f64,
}

impl Class {
    /// How long the next packet has waited, µs.
    fn delay(&self, now: Time, packets: &Packets) -> u64 {
        self.waiting.front().map_or(0, |id| between(packets.get(*id).queued, now))
    }

    /// Whether one of so many is due: spread evenly instead of at random.
    fn recurs(&mut self, probability: f64) -> bool {
        self.due += probability;
        let is_due = self.due > 1.0;
        if is_due {
            self.due -= 1.0;
        }
        is_due
    }
}

#[derive(Debug, Default)]
pub(crate) struct DualPi2 {
    classic: Class,
    l4s: Class,
    bytes: u64,
    /// The base probability, and the delay at the update before, s.
    probability: f64,
    delay: f64,
    next_update: Time,
    /// What the classic queue has in advance, bytes times percent.
    credit: i64,
}

impl DualPi2 {
    pub(crate) fn offer(&mut self, now: Time, id: PacketId, packets: &Packets) -> bool {
        self.update(now, packets);
        let packet = packets.get(id);
        if self.bytes + u64::from(packet.size) > ROOM {
            return false;
        }
        self.bytes += u64::from(packet.size);
        let class = if matches!(packet.ecn, Ecn::Ect1 | Ecn::Ce) { &mut self.l4s } else { &mut self.classic };
        class.waiting.push_back(id);
        true
    }

    pub(crate) fn take(&mut self, now: Time, packets: &mut Packets, dropped: &mut Vec<PacketId>) -> Option<PacketId> {
        self.update(now, packets);
        loop {
            let takes_l4s = self.schedules_l4s();
            let class = if takes_l4s { &mut self.l4s } else { &mut self.classic };
            let delay = class.delay(now, packets);
            let id = class.waiting.pop_front()?;
            let size = packets.get(id).size;
            self.bytes -= u64::from(size);
            if takes_l4s {
                self.credit += i64::from(size) * CLASSIC_SHARE;
                // Alone in the queue, a packet has made no queue (A.1, `Th_len`), however slow the link is.
                let native = if class.waiting.is_empty() { 0.0 } else { ramp(delay) };
                if class.recurs(native.max(COUPLING * self.probability)) {
                    mark(id, packets);
                }
                return Some(id);
            }
            self.credit -= i64::from(size) * (100 - CLASSIC_SHARE);
            if class.recurs(self.probability * self.probability) && !mark(id, packets) {
                dropped.push(id);
                continue;
            }
            return Some(id);
        }
    }

    fn schedules_l4s(&mut self) -> bool {
        match (self.l4s.waiting.is_empty(), self.classic.waiting.is_empty()) {
            (false, false) => self.credit <= 0,
            (l4s_is_empty, _) => {
                self.credit = 0;
                !l4s_is_empty
            }
        }
    }

    /// A.1, `dualpi2_update`, as often as it was due.
    fn update(&mut self, now: Time, packets: &Packets) {
        while self.next_update <= now {
            let delay = self.classic.delay(now, packets).max(self.l4s.delay(now, packets)) as f64 / SECOND as f64;
            let change = ALPHA * (delay - TARGET as f64 / SECOND as f64) + BETA * (delay - self.delay);
            self.probability = (self.probability + change).clamp(0.0, MOST);
            self.delay = delay;
            self.next_update = after(self.next_update, UPDATE);
        }
    }
}

/// A.1, `laqm`.
fn ramp(delay: u64) -> f64 {
    (delay.saturating_sub(LEAST_DELAY) as f64 / (MARKS_ALL - LEAST_DELAY) as f64).min(1.0)
}
