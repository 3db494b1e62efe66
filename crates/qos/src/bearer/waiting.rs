//! What waits to be handed over.

use std::collections::VecDeque;

use super::{Packet, Picture};
use crate::{Queued, Time};

/// Sounds that wait at most: five seconds of 20 ms each, so that only many streams reach it.
pub(super) const MOST_SOUNDS: usize = 256;
/// Packets of pictures that wait at most.
pub(super) const MOST_PICTURES: usize = 2_048;
/// Bytes of pictures that wait at most.
pub(super) const MOST_BYTES: u64 = 4 << 20;

/// A packet with the time at which it was queued.
#[derive(Clone, Debug)]
pub(super) struct Waiting<P> {
    pub(super) at: Time,
    pub(super) packet: Packet<P>,
}

/// Packets of pictures in order.
#[derive(Clone, Debug)]
pub(super) struct Pictures<P> {
    packets: VecDeque<Waiting<P>>,
    bytes: u64,
}

impl<P> Pictures<P> {
    pub(super) fn new() -> Self {
        Self { packets: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn is_full(&self) -> bool {
        self.packets.len() >= MOST_PICTURES || self.bytes >= MOST_BYTES
    }

    pub(super) fn push(&mut self, now: Time, packet: Packet<P>) {
        self.bytes += u64::from(packet.size);
        self.packets.push_back(Waiting { at: now, packet });
    }

    pub(super) fn first(&self) -> Option<&Waiting<P>> {
        self.packets.front()
    }

    pub(super) fn last(&self) -> Option<&Picture> {
        self.packets.back()?.packet.content.picture()
    }

    pub(super) fn pop(&mut self) -> Option<Packet<P>> {
        let waiting = self.packets.pop_front()?;
        self.bytes -= u64::from(waiting.packet.size);
        Some(waiting.packet)
    }

    pub(super) fn queued(&self) -> Queued {
        Queued { bytes: self.bytes, packets: self.packets.len() as u32 }
    }
}
