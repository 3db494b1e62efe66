//! What comes from other shards, and from this one to itself.

use std::time::Instant;

use conclave_turn::demux::DatagramKind;

use super::{Handed, Message, Shard};
use crate::datagram::Packet;
use crate::routes::LegRef;

impl Shard {
    pub(super) fn take_message(&mut self, now: Instant, message: Message) {
        match message {
            Message::Check(check) => self.take_check(now, check.from, &check),
            Message::Packet(leg, packet) => self.take_packet(now, leg, &packet),
            Message::Local(address) => {
                self.shared.remember_local(address);
            }
            Message::Route { remote, leg, owner } => self.route_abroad(remote, leg, owner),
            Message::Unroute { remote, leg } => self.unroute(remote, leg),
            Message::StreamLost { remote, leg } => {
                if self.place_of(leg).is_some() {
                    self.remote_lost(remote);
                }
            }
            Message::StreamUse { remote, is_needed } => self.stream_used(now, remote, is_needed),
            Message::Turn { client, contents } => {
                self.receive_turn(now, client, &contents);
                self.take_relayed(now);
            }
            Message::Transmit { path, contents } => {
                self.shared.transmit(now, path, contents);
                self.take_relayed(now);
            }
            Message::Revoke(participant) => self.shared.revoke_now(now, &participant),
            Message::Leg(leg, check) => self.leg_arrived(now, leg, &check),
            Message::Order(leg, order) => self.order(now, leg, order),
            Message::Word(leg, word) => self.word(now, leg, word),
            Message::Media(batch) => {
                let time = self.shared.time(now);
                self.shared.counters.arrived(batch.arrived());
                for packet in batch.iter() {
                    self.forward(time, batch.room, &packet);
                }
                self.shared.links.tell(batch.origin, Message::SpentMedia(batch));
            }
            Message::Forward(batch) => {
                self.take_forwards(now, &batch);
                self.shared.links.tell(batch.origin, Message::SpentForward(batch));
            }
            Message::SpentMedia(batch) => self.spent_media.keep(batch),
            Message::SpentForward(batch) => self.spent_forwards.keep(batch),
        }
    }

    /// A packet from a remote of one of this shard's legs, which came to another shard.
    fn take_packet(&mut self, now: Instant, leg: LegRef, handed: &Handed) {
        let Some(place) = self.place_of(leg) else { return };
        let Handed { kind, source, to, at, ecn, ref contents, .. } = *handed;
        // It may have been taken from the leg since.
        if self.shared.routes.by_remote(source).is_none_or(|local| local.key != leg.key) {
            return;
        }
        let packet = Packet { source, to, at, ecn, contents };
        match kind {
            DatagramKind::Media => self.receive_media_copy(now, &packet),
            _ => self.leg_dtls(now, place, &packet),
        }
    }
}
