//! First in, first out, and what does not fit is dropped.

use std::collections::VecDeque;

use conclave_qos::Bitrate;

use crate::packet::{PacketId, Packets};

#[derive(Clone, Copy, Debug)]
enum Bound {
    Milliseconds(u64),
    Bytes(u64),
}

#[derive(Debug)]
pub(crate) struct DropTail {
    bound: Bound,
    waiting: VecDeque<PacketId>,
    bytes: u64,
}

impl DropTail {
    /// Holds what the link sends in this time at the rate that it has when a packet comes. When the rate falls, what is in it
    /// stays, and nothing more is taken until it fits again.
    pub(crate) fn by_time(milliseconds: u64) -> Self {
        Self { bound: Bound::Milliseconds(milliseconds), waiting: VecDeque::new(), bytes: 0 }
    }

    pub(crate) fn by_bytes(bytes: u64) -> Self {
        Self { bound: Bound::Bytes(bytes), waiting: VecDeque::new(), bytes: 0 }
    }

    pub(crate) fn offer(&mut self, id: PacketId, size: u32, rate: Bitrate) -> bool {
        let room = match self.bound {
            Bound::Milliseconds(milliseconds) => rate.as_bps() * milliseconds / 8_000,
            Bound::Bytes(bytes) => bytes,
        };
        // One always fits, however little the link carries.
        if self.bytes > 0 && self.bytes + u64::from(size) > room {
            return false;
        }
        self.bytes += u64::from(size);
        self.waiting.push_back(id);
        true
    }

    pub(crate) fn take(&mut self, packets: &Packets) -> Option<PacketId> {
        let id = self.waiting.pop_front()?;
        self.bytes -= u64::from(packets.get(id).size);
        Some(id)
    }
}
