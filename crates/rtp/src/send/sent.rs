//! What a slot sent lately, so that it can be sent again.

use std::time::Duration;

use conclave_qos::Time;

use super::outgoing::{Descriptor, Packet, Patch};
use crate::{PacketId, PacketRef, PayloadType};

/// At most so many packets are remembered.
const MOST: usize = 1_024;
/// Room at first; doubles while packets younger than [`KEPT_FOR`] would have to go.
const INITIAL: usize = 64;
/// Nobody waits longer than this for a packet.
const KEPT_FOR: Duration = Duration::from_secs(2);
/// Room for the dependency descriptors of all packets: eight bytes each if they are many.
const DESCRIPTORS_MOST: usize = 8 * MOST;
/// What one packet may be sent again.
const MOST_OFTEN: u8 = 10;

// The bound that the documentation of `Sender` states.
const _: () = assert!(size_of::<Entry>() * MOST + DESCRIPTORS_MOST < 64 * 1024);

/// Why a packet is not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotAgain {
    /// It is no longer known, or never was.
    Gone,
    /// It was, less than a round trip ago, or is about to be.
    Recently,
    /// It was sent again as often as is allowed.
    TooOften,
}

/// A packet that can be sent again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again {
    /// As it was first, apart from the slot, which is zero.
    pub packet: Packet,
    pub descriptor: Option<Descriptor>,
}

/// A ring of the latest packets by sequence number. Takes no memory before the first, at most 64 KiB later.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// A power of two long; the packet numbered `s` is at `s % len`.
    ring: Box<[Entry]>,
    descriptors: Descriptors,
    /// The newest packet; of no meaning while the ring is empty.
    newest: u64,
}

/// Everything that is needed to build the packet again, without padding between.
#[derive(Clone, Copy, Debug)]
struct Entry {
    packet: [u32; 2],
    store: u32,
    /// The lowest bits of the sequence number.
    sequence: u32,
    timestamp: u32,
    /// When it was last sent, see [`milliseconds`].
    at: u32,
    descriptor: u32,
    part: (u16, u16),
    patch: Patch,
    size: u16,
    payload_type: PayloadType,
    descriptor_length: u8,
    /// How often it was sent again.
    times: u8,
    flags: u8,
}

const OCCUPIED: u8 = 1;
const MARKER: u8 = 2;
const PART: u8 = 4;
/// It waits to be sent again.
const WAITING: u8 = 8;

impl Sent {
    /// A packet was sent, with a payload of this size.
    pub fn insert(&mut self, now: Time, packet: &Packet, size: u16, descriptor: Option<&Descriptor>) {
        if self.ring.is_empty() {
            self.resize(INITIAL);
            self.newest = packet.sequence;
        }
        let behind = self.newest.saturating_sub(packet.sequence);
        if behind >= self.ring.len() as u64 {
            return;
        }
        // What waits for its repetition is young by definition.
        let in_the_way = self.ring[self.index(packet.sequence)];
        if in_the_way.is(OCCUPIED) && self.ring.len() < MOST && age(now, in_the_way.at) < KEPT_FOR {
            self.resize(self.ring.len() * 2);
        }
        let (descriptor, descriptor_length) = match descriptor {
            Some(descriptor) => {
                let bytes = descriptor.as_bytes();
                // At most `Descriptor::CAPACITY`.
                (self.descriptors.push(bytes), bytes.len() as u8)
            }
            None => (0, 0),
        };
        let PacketRef { store, packet: PacketId(id) } = packet.payload;
        let mut flags = OCCUPIED;
        flags |= if packet.marker { MARKER } else { 0 };
        flags |= if packet.part.is_some() { PART } else { 0 };
        let index = self.index(packet.sequence);
        self.ring[index] = Entry {
            packet: [id as u32, (id >> 32) as u32],
            store,
            sequence: packet.sequence as u32,
            timestamp: packet.timestamp,
            at: milliseconds(now),
            descriptor,
            part: packet.part.unwrap_or_default(),
            patch: packet.patch,
            size,
            payload_type: packet.payload_type,
            descriptor_length,
            times: 0,
            flags,
        };
        self.newest = self.newest.max(packet.sequence);
    }

    /// The other end misses this packet. Marks it as waiting, if it may be sent again, and gives its payload's size.
    pub fn request(&mut self, now: Time, sequence: u64, round_trip: Duration) -> Result<u16, NotAgain> {
        let entry = self.entry_mut(sequence).ok_or(NotAgain::Gone)?;
        if entry.times >= MOST_OFTEN {
            return Err(NotAgain::TooOften);
        }
        let age = age(now, entry.at);
        if entry.is(WAITING) || (entry.times > 0 && age < round_trip) {
            return Err(NotAgain::Recently);
        }
        if age > KEPT_FOR {
            return Err(NotAgain::Gone);
        }
        entry.flags |= WAITING;
        Ok(entry.size)
    }

    /// Takes a packet that [`request`](Self::request) allowed; it counts as sent.
    pub fn take(&mut self, now: Time, sequence: u64) -> Option<Again> {
        let entry = self.entry_mut(sequence).filter(|entry| entry.is(WAITING))?;
        entry.flags &= !WAITING;
        entry.times += 1;
        entry.at = milliseconds(now);
        let entry = *entry;
        self.again(sequence, &entry)
    }

    /// A packet that [`request`](Self::request) allowed is not sent after all.
    pub fn give_up(&mut self, sequence: u64) {
        if let Some(entry) = self.entry_mut(sequence) {
            entry.flags &= !WAITING;
        }
    }

    /// A recent packet to fill a path with: the newest but `back`, if it is there.
    pub fn recent(&self, back: u64) -> Option<Again> {
        let sequence = self.newest.checked_sub(back)?;
        let entry = self.entry(sequence)?;
        self.again(sequence, entry)
    }

    /// Forgets everything and gives the memory back.
    pub fn release(&mut self) {
        *self = Self::default();
    }

    /// The bytes that it takes.
    #[cfg(test)]
    pub fn memory(&self) -> usize {
        size_of_val::<[Entry]>(&self.ring) + self.descriptors.ring.len()
    }

    fn again(&self, sequence: u64, entry: &Entry) -> Option<Again> {
        let descriptor = match entry.descriptor_length {
            0 => None,
            // Without its descriptor the receiver could not place it.
            length => Some(self.descriptors.get(entry.descriptor, length)?),
        };
        let [low, high] = entry.packet.map(u64::from);
        let packet = Packet {
            slot: 0,
            payload: PacketRef { store: entry.store, packet: PacketId(high << 32 | low) },
            part: entry.is(PART).then_some(entry.part),
            length: entry.size,
            payload_type: entry.payload_type,
            marker: entry.is(MARKER),
            sequence,
            timestamp: entry.timestamp,
            audio_level: None,
            patch: entry.patch,
        };
        Some(Again { packet, descriptor })
    }

    fn entry(&self, sequence: u64) -> Option<&Entry> {
        if self.ring.is_empty() {
            return None;
        }
        Some(&self.ring[self.index(sequence)]).filter(|entry| entry.holds(sequence))
    }

    fn entry_mut(&mut self, sequence: u64) -> Option<&mut Entry> {
        if self.ring.is_empty() {
            return None;
        }
        let index = self.index(sequence);
        Some(&mut self.ring[index]).filter(|entry| entry.holds(sequence))
    }

    fn index(&self, sequence: u64) -> usize {
        // A power of two, and not zero wherever this is called.
        (sequence & (self.ring.len() as u64 - 1)) as usize
    }

    fn resize(&mut self, length: usize) {
        let old = std::mem::replace(&mut self.ring, vec![Entry::EMPTY; length].into_boxed_slice());
        for entry in old.iter().filter(|entry| entry.is(OCCUPIED)) {
            let index = self.index(u64::from(entry.sequence));
            self.ring[index] = *entry;
        }
    }
}

impl Entry {
    const EMPTY: Self = Self {
        packet: [0; 2],
        store: 0,
        sequence: 0,
        timestamp: 0,
        at: 0,
        descriptor: 0,
        part: (0, 0),
        patch: Patch::NONE,
        size: 0,
        payload_type: PayloadType::from_header(0),
        descriptor_length: 0,
        times: 0,
        flags: 0,
    };

    fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn holds(&self, sequence: u64) -> bool {
        self.is(OCCUPIED) && self.sequence == sequence as u32
    }
}

/// The bytes of descriptors one after the other, the oldest overwritten; found by how many came before.
#[derive(Debug, Default)]
struct Descriptors {
    /// A power of two long.
    ring: Box<[u8]>,
    /// How many bytes were written in all. Wraps.
    written: u32,
}

impl Descriptors {
    /// Returns what [`get`](Self::get) finds it by.
    fn push(&mut self, bytes: &[u8]) -> u32 {
        let start = self.written;
        if start as usize + bytes.len() > self.ring.len() && self.ring.len() < DESCRIPTORS_MOST {
            self.grow();
        }
        for byte in bytes {
            let at = self.index(self.written);
            self.ring[at] = *byte;
            self.written = self.written.wrapping_add(1);
        }
        start
    }

    fn get(&self, start: u32, length: u8) -> Option<Descriptor> {
        if self.written.wrapping_sub(start) as usize > self.ring.len() {
            return None;
        }
        let mut bytes = [0; Descriptor::CAPACITY];
        let bytes = bytes.get_mut(..usize::from(length))?;
        for (at, byte) in (0..).zip(bytes.iter_mut()) {
            *byte = self.ring[self.index(start.wrapping_add(at))];
        }
        Descriptor::new(bytes)
    }

    /// Only before anything was overwritten, so that what is there stays where it is.
    fn grow(&mut self) {
        let mut ring = vec![0; (self.ring.len() * 2).max(4 * INITIAL)];
        ring[..self.ring.len()].copy_from_slice(&self.ring);
        self.ring = ring.into_boxed_slice();
    }

    fn index(&self, written: u32) -> usize {
        written as usize & (self.ring.len() - 1)
    }
}

/// Milliseconds, about: 1,024 µs. Wraps after 50 days, by when every packet of that time was overwritten or its
/// payload is gone.
fn milliseconds(time: Time) -> u32 {
    (time.to_duration().as_micros() >> 10) as u32
}

fn age(now: Time, at: u32) -> Duration {
    Duration::from_micros(u64::from(milliseconds(now).wrapping_sub(at)) << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(50);

    fn at(milliseconds: u64) -> Time {
        Time::since_start(Duration::from_millis(milliseconds))
    }

    fn packet(sequence: u64) -> Packet {
        Packet {
            slot: 0,
            payload: PacketRef { store: 3, packet: PacketId(sequence << 20) },
            part: None,
            length: 1_000,
            payload_type: PayloadType::from_header(96),
            marker: sequence.is_multiple_of(2),
            sequence,
            timestamp: 7,
            audio_level: None,
            patch: Patch::NONE,
        }
    }

    #[test]
    fn memory_grows_with_the_rate_and_stays_below_its_bound() {
        let mut sent = Sent::default();
        assert_eq!(sent.memory(), 0);
        // 30 packets a second: two seconds fit into the first 64.
        (0..1_000).for_each(|number| sent.insert(at(number * 33), &packet(number), 1_000, None));
        assert_eq!(sent.memory(), INITIAL * size_of::<Entry>());
        // 2,000 a second, with long descriptors.
        let descriptor = Descriptor::new(&[1; 100]);
        (1_000..9_000)
            .for_each(|number| sent.insert(at(33_000 + number / 2), &packet(number), 1_000, descriptor.as_ref()));
        assert!(sent.memory() < 64 * 1_024, "{} bytes", sent.memory());
        assert_eq!(sent.ring.len(), MOST);
        sent.release();
        assert_eq!(sent.memory(), 0);
    }

    #[test]
    fn what_is_found_is_what_was_sent() {
        let mut sent = Sent::default();
        let first = packet(u64::from(u16::MAX) + 5);
        let descriptors: Vec<_> = (0..400u16).map(|number| Descriptor::new(&number.to_be_bytes())).collect();
        for (number, descriptor) in (0..).zip(&descriptors) {
            sent.insert(at(0), &Packet { sequence: first.sequence + number, ..first }, 1_000, descriptor.as_ref());
        }
        for (number, descriptor) in (0..).zip(&descriptors) {
            assert_eq!(sent.request(at(1), first.sequence + number, ROUND_TRIP), Ok(1_000));
            let again = sent.take(at(1), first.sequence + number).expect("remembered");
            assert_eq!((again.packet.payload, again.packet.timestamp), (first.payload, 7));
            assert_eq!(&again.descriptor, descriptor);
        }
    }

    #[test]
    fn a_packet_whose_descriptor_was_overwritten_is_gone() {
        let mut sent = Sent::default();
        let descriptor = Descriptor::new(&[1; 100]);
        (0..200).for_each(|number| sent.insert(at(0), &packet(number), 1_000, descriptor.as_ref()));
        assert_eq!(sent.request(at(1), 5, ROUND_TRIP), Ok(1_000));
        assert!(sent.take(at(1), 5).is_none());
        assert_eq!(sent.request(at(1), 199, ROUND_TRIP), Ok(1_000));
        assert!(sent.take(at(1), 199).is_some());
    }

    #[test]
    fn late_packets_find_their_place_and_very_late_ones_do_not_push_out_new_ones() {
        let mut sent = Sent::default();
        sent.insert(at(0), &packet(5_000), 1_000, None);
        sent.insert(at(0), &packet(4_990), 1_000, None);
        sent.insert(at(0), &packet(5_000 - INITIAL as u64), 1_000, None);
        assert!(sent.request(at(1), 5_000, ROUND_TRIP).is_ok());
        assert!(sent.request(at(1), 4_990, ROUND_TRIP).is_ok());
        assert_eq!(sent.request(at(1), 5_000 - INITIAL as u64, ROUND_TRIP), Err(NotAgain::Gone));
    }

    #[test]
    fn a_request_that_is_given_up_can_be_made_again() {
        let mut sent = Sent::default();
        sent.insert(at(0), &packet(1), 1_000, None);
        assert!(sent.request(at(1), 1, ROUND_TRIP).is_ok());
        assert_eq!(sent.request(at(1), 1, ROUND_TRIP), Err(NotAgain::Recently));
        sent.give_up(1);
        assert!(sent.take(at(1), 1).is_none());
        assert!(sent.request(at(1), 1, ROUND_TRIP).is_ok());
    }
}
