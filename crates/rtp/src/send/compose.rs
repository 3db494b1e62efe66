//! From numbers and a payload to a sealed packet.

use conclave_qos::Time;

use super::outgoing::{Descriptor, Packet};
use super::parity::Ready;
use super::red::Red;
use super::slot::Slot;
use crate::srtp::Outbound;
use crate::{ExtensionValues, OutgoingHeader, PayloadType, Ssrc, write_header, write_padding};

/// The length of the original sequence number before a retransmitted payload (RFC 4588, 4).
const ORIGINAL_SEQUENCE: usize = 2;
/// As much padding as a packet can hold is 255 bytes (RFC 3550, 5.1); this many keep it a multiple of 16.
const MOST_PADDING: u32 = 224;

/// A packet could not be made: it is longer than a datagram, its patch does not fit its payload, or it cannot be sealed.
/// A fault of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsendable;

/// A packet that lies sealed in the arena's free room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sealed {
    /// What is to be committed.
    pub length: usize,
    /// Header and payload.
    pub plain: usize,
}

/// How a packet leaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers<'a> {
    pub ssrc: Ssrc,
    pub payload_type: PayloadType,
    /// The lowest 16 bits are the sequence number, the others the rollover counter.
    pub index: u64,
    pub transport_sequence: u16,
    /// See [`send_time`].
    pub send_time: u32,
    pub mid: Option<&'a str>,
}

impl Numbers<'_> {
    /// What feedback by source calls the packet (RFC 8888).
    pub fn identity(&self) -> (Ssrc, u16) {
        (self.ssrc, self.index as u16)
    }
}

/// A moment as the absolute send time tells it: 24 bits of seconds, 18 of them fraction.
pub(super) fn send_time(now: Time) -> u32 {
    ((now.to_duration().as_micros() << 18) / 1_000_000) as u32 & 0xff_ffff
}

/// The payload, or the part of it that is sent; `None` if the payload is shorter.
pub(super) fn part_of<'a>(payload: &'a [u8], packet: &Packet) -> Option<&'a [u8]> {
    within(payload, packet.part)
}

/// A part of a payload, given by its offset and length; `None` if the payload is shorter.
pub(super) fn within(payload: &[u8], part: Option<(u16, u16)>) -> Option<&[u8]> {
    match part {
        None => Some(payload),
        Some((offset, length)) => {
            let offset = usize::from(offset);
            payload.get(offset..offset + usize::from(length))
        }
    }
}

/// What a packet carries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Body<'a> {
    pub payload: &'a [u8],
    pub packet: &'a Packet,
    pub descriptor: Option<&'a Descriptor>,
    /// The earlier sounds that go with it.
    pub red: Option<&'a Red<'a>>,
    /// It is a retransmission: its payload begins with the packet's own sequence number (RFC 4588, 4).
    pub repeats: bool,
    /// It goes inside RED, which says what it is (RFC 2198, section 3).
    pub in_red: bool,
}

/// Writes and seals a packet that carries media.
pub(super) fn media(
    out: &mut [u8],
    slot: &Slot,
    body: &Body<'_>,
    numbers: Numbers<'_>,
    srtp: &mut Outbound,
) -> Result<Sealed, Unsendable> {
    let (header, end) = write(out, slot, body, numbers)?;
    seal(out, header, end, numbers.index, srtp)
}

/// Writes a packet as parity covers it, and returns its length: without RED, and without the values that receivers take
/// for zeros since senders write them last (libwebrtc's `RtpPacket::ZeroMutableExtensions`).
pub(super) fn protected(
    out: &mut [u8],
    slot: &Slot,
    body: &Body<'_>,
    numbers: Numbers<'_>,
) -> Result<usize, Unsendable> {
    let payload_type = body.packet.payload_type;
    let numbers = Numbers { payload_type, transport_sequence: 0, send_time: 0, ..numbers };
    Ok(write(out, slot, &Body { in_red: false, ..*body }, numbers)?.1)
}

/// Returns where the payload begins and ends.
fn write(out: &mut [u8], slot: &Slot, body: &Body<'_>, numbers: Numbers<'_>) -> Result<(usize, usize), Unsendable> {
    let Body { payload, packet, descriptor, red, repeats, in_red } = *body;
    let values = ExtensionValues {
        transport_sequence: Some(numbers.transport_sequence),
        absolute_send_time: Some(numbers.send_time),
        audio_level: packet.audio_level,
        mid: numbers.mid,
        dependency_descriptor: descriptor.map(Descriptor::as_bytes),
        ..ExtensionValues::default()
    };
    let header = OutgoingHeader {
        payload_type: numbers.payload_type,
        marker: packet.marker,
        padding: false,
        sequence: numbers.index as u16,
        timestamp: packet.timestamp,
        ssrc: numbers.ssrc,
    };
    let header = write_header(out, &header, &slot.config.extensions, &values).map_err(|_| Unsendable)?;
    let mut at = header;
    if repeats {
        let original = (packet.sequence as u16).to_be_bytes();
        out.get_mut(at..at + ORIGINAL_SEQUENCE).ok_or(Unsendable)?.copy_from_slice(&original);
        at += ORIGINAL_SEQUENCE;
    }
    if let Some(red) = red {
        at = red.write(out, at).ok_or(Unsendable)?;
    }
    if in_red {
        *out.get_mut(at).ok_or(Unsendable)? = packet.payload_type.get();
        at += 1;
    }
    let end = at + payload.len();
    let copied = out.get_mut(at..end).ok_or(Unsendable)?;
    copied.copy_from_slice(payload);
    if !packet.patch.apply(copied) {
        return Err(Unsendable);
    }
    Ok((header, end))
}

/// Writes and seals a packet of parity: inside RED, of this payload type.
pub(super) fn parity(
    out: &mut [u8],
    slot: &Slot,
    ready: &Ready,
    in_red: Option<PayloadType>,
    numbers: Numbers<'_>,
    srtp: &mut Outbound,
) -> Result<Sealed, Unsendable> {
    let header = write_bare_header(out, slot, ready.timestamp, false, numbers)?;
    let mut at = header;
    if let Some(payload_type) = in_red {
        *out.get_mut(at).ok_or(Unsendable)? = payload_type.get();
        at += 1;
    }
    let end = at + ready.payload.len();
    out.get_mut(at..end).ok_or(Unsendable)?.copy_from_slice(&ready.payload);
    seal(out, header, end, numbers.index, srtp)
}

/// Writes and seals a packet of about so many bytes that holds nothing but padding.
pub(super) fn padding(
    out: &mut [u8],
    slot: &Slot,
    bytes: u32,
    numbers: Numbers<'_>,
    srtp: &mut Outbound,
) -> Result<Sealed, Unsendable> {
    let header = write_bare_header(out, slot, slot.latest_timestamp(), true, numbers)?;
    // At most `MOST_PADDING`, and never none.
    let count = bytes.clamp(16, MOST_PADDING) as u8;
    let end = write_padding(out, header, count).map_err(|_| Unsendable)?;
    seal(out, header, end, numbers.index, srtp)
}

/// The header of a packet that carries no media of its own. Returns its length.
fn write_bare_header(
    out: &mut [u8],
    slot: &Slot,
    timestamp: u32,
    padding: bool,
    numbers: Numbers<'_>,
) -> Result<usize, Unsendable> {
    let values = ExtensionValues {
        transport_sequence: Some(numbers.transport_sequence),
        absolute_send_time: Some(numbers.send_time),
        mid: numbers.mid,
        ..ExtensionValues::default()
    };
    let header = OutgoingHeader {
        payload_type: numbers.payload_type,
        marker: false,
        padding,
        sequence: numbers.index as u16,
        timestamp,
        ssrc: numbers.ssrc,
    };
    write_header(out, &header, &slot.config.extensions, &values).map_err(|_| Unsendable)
}

fn seal(out: &mut [u8], header: usize, plain: usize, index: u64, srtp: &mut Outbound) -> Result<Sealed, Unsendable> {
    let length = srtp.protect_rtp(out, header, plain, index).map_err(|_| Unsendable)?;
    Ok(Sealed { length, plain })
}
