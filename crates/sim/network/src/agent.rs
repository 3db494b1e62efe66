//! What has two ends and sends from the one to the other.

use conclave_qos::{Ecn, Time};

use crate::event::{AgentId, End};
use crate::media::{Receiver, Sender};
use crate::packet::{Packet, Packets, Payload, Way};
use crate::tcp::Connection;
use crate::world::Outbox;

/// Both ends of a flow of media.
pub(crate) struct Flow {
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
}

pub(crate) enum Agent {
    Media(Box<Flow>),
    Tcp(Box<Connection>),
}

impl Agent {
    pub(crate) fn poll_timeout(&self, end: End) -> Option<Time> {
        match (self, end) {
            (Self::Media(flow), End::Sender) => flow.sender.poll_timeout(),
            (Self::Media(flow), End::Receiver) => flow.receiver.poll_timeout(),
            (Self::Tcp(connection), End::Sender) => connection.poll_timeout(),
            (Self::Tcp(_), End::Receiver) => None,
        }
    }

    /// The time has come that an end asked for; what it sends is in `outbox.ready` then.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Time,
        end: End,
        id: AgentId,
        packets: &mut Packets,
        outbox: &mut Outbox,
    ) {
        match (self, end) {
            (Self::Media(flow), End::Sender) => flow.send(now, id, packets, outbox),
            (Self::Media(flow), End::Receiver) => flow.report(now, id, packets, outbox),
            (Self::Tcp(connection), End::Sender) => connection.handle_timeout(now, id, packets, outbox),
            // It never asks for a time.
            (Self::Tcp(_), End::Receiver) => {}
        }
    }

    /// A packet has arrived at the end that it is for.
    pub(crate) fn handle_packet(&mut self, now: Time, packet: &Packet, packets: &mut Packets, outbox: &mut Outbox) {
        match self {
            Self::Media(flow) => flow.handle_packet(now, packet, packets, outbox),
            Self::Tcp(connection) => connection.handle_packet(now, packet, packets, outbox),
        }
    }
}

impl Flow {
    fn handle_packet(&mut self, now: Time, packet: &Packet, packets: &mut Packets, outbox: &mut Outbox) {
        match packet.payload {
            Payload::Media { sequence, .. } => self.receiver.record(now, sequence, packet.ecn),
            Payload::Report(report) => {
                self.sender.handle_report(now, packets.report(report));
                self.send(now, packet.agent, packets, outbox);
            }
            // Those belong to connections.
            Payload::Segment { .. } | Payload::Acknowledgement { .. } => {}
        }
    }

    fn send(&mut self, now: Time, agent: AgentId, packets: &mut Packets, outbox: &mut Outbox) {
        self.sender.handle_timeout(now, &mut outbox.outgoing);
        let ecn = self.sender.ecn();
        for packet in outbox.outgoing.drain(..) {
            let payload = Payload::Media { sequence: packet.sequence, is_media: packet.is_media };
            let id = packets.add(Packet::new(now, agent, Way::Forward, ecn, packet.size, payload));
            outbox.ready.push(id);
        }
    }

    fn report(&mut self, now: Time, agent: AgentId, packets: &mut Packets, outbox: &mut Outbox) {
        while let Some(size) = self.receiver.poll_report(now, &mut outbox.told) {
            let payload = Payload::Report(packets.add_report(outbox.told.iter().copied()));
            let id = packets.add(Packet::new(now, agent, Way::Backward, Ecn::NotEct, size, payload));
            outbox.ready.push(id);
        }
    }
}
