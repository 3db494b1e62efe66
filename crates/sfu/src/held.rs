//! Packets of a stream that cannot be used until another comes that is missing before them.

use std::collections::VecDeque;
use std::time::Duration;

use crate::patch::Descriptor;
use crate::rtp::{RtpPacket, Time};
use crate::stream::Incoming;

/// How long a packet is held: what is missing for longer will not come.
const LIFETIME: Duration = Duration::from_secs(1);

/// The most payload that is held, in bytes: a large key frame and what comes until its beginning was repeated.
const MAX_BYTES: usize = 512 * 1024;

/// The most packets, however small they are.
const MAX_PACKETS: usize = 512;

/// What came after a gap, in the order of its numbers, oldest first. Nobody who has all of its packets needs it: it is
/// empty but where the beginning of a key frame may be missing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    packets: VecDeque<Packet>,
    bytes: Vec<u8>,
    /// Of those after this one everything that has come is here.
    since: u64,
}

#[derive(Clone, Copy, Debug)]
struct Packet {
    at: Time,
    incoming: Incoming,
    descriptor: Option<Descriptor>,
    start: u32,
    length: u16,
}

/// A packet that was held, taken out or about to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub incoming: Incoming,
    pub descriptor: Option<Descriptor>,
    start: u32,
    length: u16,
}

impl Held {
    /// Holds a packet. `since`: the last one before the gap, if this is the first after it.
    pub fn push(&mut self, now: Time, incoming: &Incoming, packet: &RtpPacket<'_>, since: u64) {
        let descriptor = packet.descriptor.map(Descriptor::new);
        if descriptor == Some(None) {
            // Too long to be sent on.
            return;
        }
        if self.packets.is_empty() {
            self.bytes.clear();
            self.since = since;
        }
        if packet.sequence <= self.since {
            return;
        }
        let is_old = |packet: &Packet| now.since(packet.at) > LIFETIME;
        while self.packets.len() >= MAX_PACKETS || self.packets.front().is_some_and(is_old) {
            self.forget_oldest();
        }
        while self.bytes.len() + packet.payload.len() > MAX_BYTES && !self.packets.is_empty() {
            self.forget_oldest();
            self.compact();
        }
        // Both fit: there are at most 512 KiB, and no payload is longer than a packet.
        let (start, length) = (self.bytes.len() as u32, packet.payload.len() as u16);
        self.bytes.extend_from_slice(packet.payload);
        let place = self.packets.partition_point(|other| other.incoming.sequence < packet.sequence);
        let descriptor = descriptor.flatten();
        self.packets.insert(place, Packet { at: now, incoming: *incoming, descriptor, start, length });
    }

    /// Whether everything is here that has come after this packet.
    pub fn covers(&self, sequence: u64) -> bool {
        !self.packets.is_empty() && sequence > self.since
    }

    /// The number of the oldest.
    pub fn next(&self) -> Option<u64> {
        self.packets.front().map(|packet| packet.incoming.sequence)
    }

    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Since when something has been held that nobody can read.
    pub fn unread_since(&self) -> Option<Time> {
        self.packets.iter().find(|packet| !packet.incoming.is_known()).map(|packet| packet.at)
    }

    /// What was sent up to this packet is not needed any more.
    pub fn forget_to(&mut self, sequence: u64) {
        while self.packets.front().is_some_and(|packet| packet.incoming.sequence <= sequence) {
            self.forget_oldest();
        }
    }

    /// The oldest, which stays until it is taken out.
    pub fn first(&self) -> Option<Taken> {
        let Packet { incoming, descriptor, start, length, .. } = *self.packets.front()?;
        Some(Taken { incoming, descriptor, start, length })
    }

    /// Takes the oldest out.
    pub fn pop(&mut self) -> Option<Taken> {
        let taken = self.first();
        self.forget_oldest();
        taken
    }

    /// Its payload, until something else is held.
    pub fn payload(&self, taken: &Taken) -> &[u8] {
        let start = taken.start as usize;
        self.bytes.get(start..start + usize::from(taken.length)).unwrap_or_default()
    }

    /// Nothing of it is needed; the memory is given back.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn forget_oldest(&mut self) {
        if let Some(packet) = self.packets.pop_front() {
            self.since = packet.incoming.sequence;
        }
    }

    /// Closes the gaps that those leave that were forgotten, once they are half of the memory.
    fn compact(&mut self) {
        let used: usize = self.packets.iter().map(|packet| usize::from(packet.length)).sum();
        if used > MAX_BYTES / 2 && !self.packets.is_empty() {
            return;
        }
        let mut bytes = Vec::with_capacity(MAX_BYTES);
        for packet in &mut self.packets {
            let start = packet.start as usize;
            packet.start = bytes.len() as u32;
            bytes.extend_from_slice(&self.bytes[start..start + usize::from(packet.length)]);
        }
        self.bytes = bytes;
    }
}
