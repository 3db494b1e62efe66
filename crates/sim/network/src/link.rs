//! A link: losses, a queue, and a wire that carries one packet after the other at the link's rate.

use conclave_qos::Time;

use crate::capacity::Capacity;
use crate::loss::{Loss, LossProcess};
use crate::packet::{PacketId, Packets};
use crate::queue::{Discipline, Queue};
use crate::random::Random;
use crate::units::between;

/// One link of a run.
#[derive(Debug)]
pub(crate) struct Link {
    capacity: Capacity,
    queue: Queue,
    loss: LossProcess,
    sending: Option<PacketId>,
}

/// What came of offering a packet to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offered {
    Taken,
    Lost,
}

impl Link {
    pub(crate) fn new(capacity: Capacity, discipline: Discipline, loss: Loss, random: Random) -> Self {
        Self { capacity, queue: Queue::new(discipline), loss: LossProcess::new(loss, random), sending: None }
    }

    pub(crate) fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// A packet comes to the link.
    pub(crate) fn offer(&mut self, now: Time, id: PacketId, packets: &mut Packets) -> Offered {
        if self.loss.takes_next() {
            return Offered::Lost;
        }
        packets.get_mut(id).queued = now;
        let rate = self.capacity.rate(now);
        if self.queue.offer(now, id, packets, rate) { Offered::Taken } else { Offered::Lost }
    }

    /// Begins to send the next packet if the wire is free; says when it will have left.
    pub(crate) fn start(&mut self, now: Time, packets: &mut Packets, dropped: &mut Vec<PacketId>) -> Option<Time> {
        if self.sending.is_some() {
            return None;
        }
        let id = self.queue.take(now, packets, dropped)?;
        self.sending = Some(id);
        let packet = packets.get_mut(id);
        packet.waited += between(packet.queued, now);
        self.capacity.finish(now, packet.size)
    }

    /// The packet that was being sent has left.
    pub(crate) fn finish(&mut self) -> Option<PacketId> {
        self.sending.take()
    }
}
