//! What is handed to a sender: numbers and a reference, no payload.

use crate::{PacketRef, PayloadType};

/// One packet to send.
///
/// It holds no payload, so that a packet for a thousand receivers is stored once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// The slot that carries it: its position in what [`Sender::set_slots`](super::Sender::set_slots) was given.
    pub slot: u16,
    /// The payload.
    pub packet: PacketRef,
    /// Only this part of the payload is sent: offset and length in bytes. `None`: all of it.
    pub part: Option<(u16, u16)>,
    /// How many bytes of payload are sent, for an estimate of what waits; what is sent does not depend on it.
    pub length: u16,
    /// The payload type as negotiated for the slot.
    pub payload_type: PayloadType,
    /// The marker bit.
    pub marker: bool,
    /// The sequence number, without wrapping: its lowest 16 bits are sent, the others are the rollover counter
    /// (RFC 3711, 3.3.1). A slot's first must be below 2^15, and no number may come twice.
    pub sequence: u64,
    /// The timestamp. Packets of one frame have the same.
    pub timestamp: u32,
    /// How loud it is, in -dBov from 0 to 127, and whether it is speech (RFC 6464).
    pub audio_level: Option<(u8, bool)>,
    /// What changes in the payload.
    pub patch: Patch,
    /// The dependency descriptor (AV1 RTP specification, appendix A), as it stands in the header extension: 1 to 128
    /// bytes, see [`Sender::LONGEST_DESCRIPTOR`](super::Sender::LONGEST_DESCRIPTOR). What is longer is left out.
    pub descriptor: Option<&'a [u8]>,
}

/// An [`Outgoing`] without its descriptor, which few packets have and which can be longer than all the rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub slot: u16,
    pub payload: PacketRef,
    pub part: Option<(u16, u16)>,
    pub length: u16,
    pub payload_type: PayloadType,
    pub marker: bool,
    pub sequence: u64,
    pub timestamp: u32,
    pub audio_level: Option<(u8, bool)>,
    pub patch: Patch,
}

impl From<&Outgoing<'_>> for Packet {
    fn from(packet: &Outgoing<'_>) -> Self {
        Self {
            slot: packet.slot,
            payload: packet.packet,
            part: packet.part,
            length: packet.length,
            payload_type: packet.payload_type,
            marker: packet.marker,
            sequence: packet.sequence,
            timestamp: packet.timestamp,
            audio_level: packet.audio_level,
            patch: packet.patch,
        }
    }
}

/// New values for single bytes of a payload, as it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Patch {
    edits: [(u8, u8); Self::CAPACITY],
    count: u8,
}

impl Patch {
    /// How many bytes can be replaced.
    pub const CAPACITY: usize = 4;
    /// Nothing changes.
    pub const NONE: Self = Self { edits: [(0, 0); Self::CAPACITY], count: 0 };

    /// Replaces these bytes, each given by its offset from the start of what is sent. `None` if they are too many.
    #[must_use]
    pub fn new(edits: &[(u8, u8)]) -> Option<Self> {
        let mut patch = Self { count: u8::try_from(edits.len()).ok()?, ..Self::NONE };
        patch.edits.get_mut(..edits.len())?.copy_from_slice(edits);
        Some(patch)
    }

    /// The offsets and what comes there.
    #[must_use]
    pub fn edits(&self) -> &[(u8, u8)] {
        &self.edits[..usize::from(self.count)]
    }

    /// Changes the payload. Returns whether all of it fits.
    #[must_use]
    pub(super) fn apply(&self, payload: &mut [u8]) -> bool {
        for &(offset, byte) in self.edits() {
            match payload.get_mut(usize::from(offset)) {
                Some(place) => *place = byte,
                None => return false,
            }
        }
        true
    }
}

/// A dependency descriptor (AV1 RTP specification, appendix A), as it stands in the header extension.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Descriptor {
    bytes: [u8; Self::CAPACITY],
    length: u8,
}

impl Descriptor {
    /// The longest, in bytes: the template structure of three spatial and three temporal layers fits.
    pub const CAPACITY: usize = 128;

    /// These bytes; `None` if they are too many, or none.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() || bytes.len() > Self::CAPACITY {
            return None;
        }
        let mut descriptor = Self { bytes: [0; Self::CAPACITY], length: bytes.len() as u8 };
        descriptor.bytes[..bytes.len()].copy_from_slice(bytes);
        Some(descriptor)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl std::fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Descriptor").field(&self.as_bytes()).finish()
    }
}
