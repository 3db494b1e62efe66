//! What waits before a link.

mod codel;
mod drop_tail;
mod dualpi2;

use conclave_qos::{Bitrate, Time};

use crate::packet::{PacketId, Packets};
use codel::Codel;
use drop_tail::DropTail;
use dualpi2::DualPi2;

/// How a queue treats what comes when much waits already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discipline {
    /// What does not fit is dropped: so many milliseconds of the link's present rate.
    DropTail {
        /// How long it would take to send what fits, ms.
        milliseconds: u64,
    },
    /// The same with a bound in bytes.
    DropTailBytes {
        /// What fits, bytes.
        bytes: u64,
    },
    /// RFC 8289 with its defaults: 5 ms, 100 ms.
    Codel,
    /// RFC 9332, appendix A with its defaults: 15 ms for classic packets, marks from 0.8 ms on for L4S.
    DualPi2,
}

/// A queue of any kind.
#[derive(Debug)]
pub(crate) enum Queue {
    DropTail(DropTail),
    Codel(Codel),
    DualPi2(DualPi2),
}

impl Queue {
    pub(crate) fn new(discipline: Discipline) -> Self {
        match discipline {
            Discipline::DropTail { milliseconds } => Self::DropTail(DropTail::by_time(milliseconds)),
            Discipline::DropTailBytes { bytes } => Self::DropTail(DropTail::by_bytes(bytes)),
            Discipline::Codel => Self::Codel(Codel::default()),
            Discipline::DualPi2 => Self::DualPi2(DualPi2::default()),
        }
    }

    /// Takes a packet, whose `queued` says when; `false`: it does not fit.
    pub(crate) fn offer(&mut self, now: Time, id: PacketId, packets: &Packets, rate: Bitrate) -> bool {
        match self {
            Self::DropTail(queue) => queue.offer(id, packets.get(id).size, rate),
            Self::Codel(queue) => queue.offer(id, packets.get(id).size),
            Self::DualPi2(queue) => queue.offer(now, id, packets),
        }
    }

    /// The packet that goes next. Those that the queue gives up instead are added to `dropped`.
    pub(crate) fn take(&mut self, now: Time, packets: &mut Packets, dropped: &mut Vec<PacketId>) -> Option<PacketId> {
        match self {
            Self::DropTail(queue) => queue.take(packets),
            Self::Codel(queue) => queue.take(now, packets, dropped),
            Self::DualPi2(queue) => queue.take(now, packets, dropped),
        }
    }
}

#[cfg(test)]
mod tests;
