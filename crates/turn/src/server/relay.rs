//! The path of relayed packets: two look-ups, one copy, no cryptography.

use std::net::SocketAddr;

use crate::framing::LARGEST_PACKET;
use crate::stun::{self, Class, Method, TransactionId, Writer, attributes, decode_xor_address};

use super::peer::{Host, Peer, Relay};
use super::table::Slot;
use super::time::Time;
use super::{Client, Output, Server};

/// What precedes the payload of ChannelData (RFC 8656 section 12.4).
const CHANNEL_HEADER: usize = 4;
/// A Data indication without its payload: its own header, an IPv6 address and the header of DATA.
const INDICATION_OVERHEAD: usize = stun::HEADER + 24 + 4 + 3;
/// The longest payload that is relayed, in bytes: a Data indication with it still passes a stream.
const LARGEST_PAYLOAD: usize = LARGEST_PACKET - INDICATION_OVERHEAD;

impl Server {
    /// ChannelData of a client (RFC 8656 section 12.6).
    pub(super) fn handle_channel_data(&mut self, now: Time, client: &Client, packet: &[u8]) {
        let Some((&[number_high, number_low, high, low], rest)) = packet.split_first_chunk::<CHANNEL_HEADER>() else {
            self.stats.dropped_malformed += 1;
            return;
        };
        // A datagram may be padded, too.
        let Some(payload) = rest.get(..usize::from(u16::from_be_bytes([high, low]))) else {
            self.stats.dropped_malformed += 1;
            return;
        };
        let number = u16::from_be_bytes([number_high, number_low]);
        let found = self.table.of_client(client).and_then(|slot| {
            let peer = self.table.get(slot)?.peer_of_channel(now, number)?;
            Some((slot, peer))
        });
        match found {
            Some((slot, peer)) => self.relay_from_client(now, slot, peer, payload),
            None => self.stats.dropped_no_allocation += 1,
        }
    }

    /// A Send indication (RFC 8656 section 11.2). What is wrong with it, nobody is told.
    pub(super) fn handle_send(&mut self, now: Time, client: &Client, message: &stun::Message<'_>) {
        let (mut address, mut payload) = (None, None);
        for (kind, value) in message.attributes() {
            match kind {
                attributes::XOR_PEER_ADDRESS if address.is_none() => {
                    address = decode_xor_address(value, message.transaction());
                }
                attributes::DATA if payload.is_none() => payload = Some(value),
                // Nothing is ever fragmented on the way to a virtual peer.
                attributes::DONT_FRAGMENT => {}
                other if attributes::is_required(other) => {
                    self.stats.dropped_malformed += 1;
                    return;
                }
                _ => {}
            }
        }
        let (Some(address), Some(payload)) = (address, payload) else {
            self.stats.dropped_malformed += 1;
            return;
        };
        let Some(slot) = self.table.of_client(client) else {
            self.stats.dropped_no_allocation += 1;
            return;
        };
        let Some(peer) = self.reach.peer(address) else {
            self.stats.dropped_forbidden_peer += 1;
            return;
        };
        let is_permitted = self.table.get(slot).is_some_and(|allocation| {
            let host = self.reach.host_of(peer);
            let same_family = allocation.relay.address().is_ipv4() == address.is_ipv4();
            same_family && host.is_some_and(|host| allocation.permits(now, host))
        });
        if is_permitted {
            self.relay_from_client(now, slot, peer, payload);
        } else {
            self.stats.dropped_no_permission += 1;
        }
    }

    /// Passes on what the client at `slot` sends to a peer that it may send to.
    fn relay_from_client(&mut self, now: Time, slot: Slot, peer: Peer, payload: &[u8]) {
        let Some(allocation) = self.table.get_mut(slot) else { return };
        if !allocation.from_client.pass(now, payload.len(), self.rates) {
            self.stats.dropped_over_rate += 1;
            return;
        }
        let relay = allocation.relay;
        let delivered = match peer {
            Peer::Relay(other) => self.deliver(now, Peer::Relay(relay), Host::Relays, other, payload),
            Peer::Sfu(_) => match self.reach.address(peer) {
                Some(to) => self.push(Output::ToPeer { from: relay.address(), to, payload: payload.to_vec() }),
                None => false,
            },
        };
        if delivered {
            self.stats.relayed_from_clients += 1;
            self.stats.relayed_from_clients_bytes += payload.len() as u64;
        }
    }

    /// What an SFU address sends to a relayed one.
    pub(super) fn relay_from_peer(&mut self, now: Time, from: SocketAddr, to: SocketAddr, payload: &[u8]) -> bool {
        let sender = self.reach.peer(from).filter(|peer| matches!(peer, Peer::Sfu(_)));
        let host = sender.and_then(|peer| self.reach.host_of(peer));
        match (sender, host, Relay::at(to)) {
            (Some(sender), Some(host), Some(relay)) => self.deliver(now, sender, host, relay, payload),
            _ => {
                self.stats.dropped_forbidden_peer += 1;
                false
            }
        }
    }

    /// Gives a peer's packet to the client that has the relayed address `to`, if it wants it. This is
    /// the only way by which anything of others reaches a client.
    fn deliver(&mut self, now: Time, from: Peer, host: Host, to: Relay, payload: &[u8]) -> bool {
        if payload.len() > LARGEST_PAYLOAD {
            self.stats.dropped_malformed += 1;
            return false;
        }
        let Some(allocation) = self.table.at_relay(to).and_then(|slot| self.table.get_mut(slot)) else {
            self.stats.dropped_no_permission += 1;
            return false;
        };
        if !allocation.permits(now, host) {
            self.stats.dropped_no_permission += 1;
            return false;
        }
        if !allocation.to_client.pass(now, payload.len(), self.rates) {
            self.stats.dropped_over_rate += 1;
            return false;
        }
        let client = allocation.client;
        let packet = match (allocation.channel_of_peer(now, from), self.reach.address(from)) {
            (Some(number), _) => channel_data(number, payload),
            (None, Some(from)) => {
                let transaction = TransactionId(rand::Rng::random(&mut self.random));
                data_indication(transaction, from, payload)
            }
            (None, None) => return false,
        };
        let pushed = self.push(Output::ToClient { client, packet });
        if pushed {
            self.stats.relayed_to_clients += 1;
            self.stats.relayed_to_clients_bytes += payload.len() as u64;
        }
        pushed
    }
}

fn channel_data(number: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(CHANNEL_HEADER + payload.len());
    packet.extend_from_slice(&number.to_be_bytes());
    // It is no longer than `LARGEST_PAYLOAD`.
    packet.extend_from_slice(&(payload.len() as u16).to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

fn data_indication(transaction: TransactionId, from: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let capacity = INDICATION_OVERHEAD + payload.len();
    let mut writer = Writer::new(Class::Indication, Method::Data, transaction, capacity);
    writer.xor_address(attributes::XOR_PEER_ADDRESS, from).attribute(attributes::DATA, payload);
    writer.finish()
}
