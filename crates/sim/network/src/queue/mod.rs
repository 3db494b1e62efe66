//! What waits before a link.

mod drop_tail;

use conclave_qos::{Bitrate, Time};

use crate::packet::{PacketId, Packets};
pub(crate) use drop_tail::DropTail;

/// How a queue treats what comes when much waits already.
#[derive(Clone, Copy, Debug, PartialEq)]
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
}

/// A queue of any kind.
#[derive(Debug)]
pub(crate) enum Queue {
    DropTail(DropTail),
}

impl Queue {
    pub(crate) fn new(discipline: Discipline) -> Self {
        match discipline {
            Discipline::DropTail { milliseconds } => Self::DropTail(DropTail::by_time(milliseconds)),
            Discipline::DropTailBytes { bytes } => Self::DropTail(DropTail::by_bytes(bytes)),
        }
    }

    /// Takes a packet; `false`: it does not fit.
    pub(crate) fn offer(&mut self, _now: Time, id: PacketId, packets: &mut Packets, rate: Bitrate) -> bool {
        match self {
            Self::DropTail(queue) => queue.offer(id, packets.get(id).size, rate),
        }
    }

    /// The packet that goes next. Those that the queue gives up instead are added to `dropped`.
    pub(crate) fn take(&mut self, _now: Time, packets: &mut Packets, _dropped: &mut Vec<PacketId>) -> Option<PacketId> {
        match self {
            Self::DropTail(queue) => queue.take(packets),
        }
    }
}
