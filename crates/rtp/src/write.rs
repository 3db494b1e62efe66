//! Writing RTP headers, with the extensions that are sent.

use thiserror::Error;

use crate::header::{FIXED_HEADER, ONE_BYTE_PROFILE, TWO_BYTE_PROFILE};
use crate::{ExtensionId, ExtensionIds, PayloadType, Ssrc};

/// What is to be written does not fit where it is to be written. It is our own fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("what is to be written does not fit")]
pub struct NoRoom;

/// The fixed part of a header to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutgoingHeader {
    /// What the payload is.
    pub payload_type: PayloadType,
    /// The marker bit.
    pub marker: bool,
    /// Whether padding follows the payload ([`write_padding`]).
    pub padding: bool,
    /// The sequence number on the wire.
    pub sequence: u16,
    /// In units of the payload type's clock.
    pub timestamp: u32,
    /// Who sends it.
    pub ssrc: Ssrc,
}

/// What the extensions of one packet say. What has no number in [`ExtensionIds`] is not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionValues<'a> {
    /// Loudness in -dBov, 0 (loudest) to 127 (silence), and whether it is a voice (RFC 6464).
    pub audio_level: Option<(u8, bool)>,
    /// The transport-wide sequence number.
    pub transport_sequence: Option<u16>,
    /// The name of the section (RFC 8843), at most 16 bytes.
    pub mid: Option<&'a str>,
    /// The name of the encoding (RFC 8852), at most 16 bytes.
    pub rid: Option<&'a str>,
    /// On retransmissions: the name of the encoding that is repaired (RFC 8852), at most 16 bytes.
    pub repaired_rid: Option<&'a str>,
    /// The dependency descriptor as it goes on the wire.
    pub dependency_descriptor: Option<&'a [u8]>,
    /// When it leaves: 24 bits of seconds, 18 of them fraction.
    pub absolute_send_time: Option<u32>,
}

/// What stands before the elements of an extension: its form and their length.
const HEAD: usize = 4;
/// The longest value that the one-byte form carries.
const LONGEST_ONE_BYTE: usize = 16;

/// Writes a header to the start of `out`, and returns its length in bytes. The one-byte form of
/// RFC 8285 is taken where numbers and values allow it.
///
/// # Errors
/// If `out` is too short.
pub fn write_header(
    out: &mut [u8],
    header: &OutgoingHeader,
    ids: &ExtensionIds,
    values: &ExtensionValues<'_>,
) -> Result<usize, NoRoom> {
    let length = write_extensions(out.get_mut(FIXED_HEADER..).ok_or(NoRoom)?, ids, values)?;

    out[0] = 0x80 | u8::from(header.padding) << 5 | u8::from(length > 0) << 4;
    out[1] = header.payload_type.get() | u8::from(header.marker) << 7;
    out[2..4].copy_from_slice(&header.sequence.to_be_bytes());
    out[4..8].copy_from_slice(&header.timestamp.to_be_bytes());
    out[8..12].copy_from_slice(&header.ssrc.0.to_be_bytes());
    Ok(FIXED_HEADER + length)
}

/// Writes `count` bytes of padding at `at` (RFC 3550 section 5.1), and returns where they end. The header
/// has to announce them.
///
/// # Errors
/// If there is no room for them. None at all cannot be announced either.
pub fn write_padding(out: &mut [u8], at: usize, count: u8) -> Result<usize, NoRoom> {
    let end = at + usize::from(count);
    let (last, zeroes) = out.get_mut(at..end).and_then(<[u8]>::split_last_mut).ok_or(NoRoom)?;
    zeroes.fill(0);
    *last = count;
    Ok(end)
}

/// Returns their length with head and padding; 0 where there is nothing to say.
///
/// Each kind by itself, not as a list: lengths are known when this is compiled, and a header is written for every packet
/// to every receiver.
fn write_extensions(out: &mut [u8], ids: &ExtensionIds, values: &ExtensionValues<'_>) -> Result<usize, NoRoom> {
    let two_bytes = needs_two_bytes(ids, values);
    let mut elements = Elements { out, end: HEAD, two_bytes };
    if let Some(id) = ids.transport_sequence
        && let Some(sequence) = values.transport_sequence
    {
        elements.put(id, &sequence.to_be_bytes())?;
    }
    if let Some(id) = ids.absolute_send_time
        && let Some(time) = values.absolute_send_time
    {
        let [_, time @ ..] = time.to_be_bytes();
        elements.put(id, &time)?;
    }
    if let Some(id) = ids.audio_level
        && let Some((level, voice)) = values.audio_level
    {
        elements.put(id, &[level.min(127) | u8::from(voice) << 7])?;
    }
    elements.put_text(ids.mid, values.mid)?;
    elements.put_text(ids.rid, values.rid)?;
    elements.put_text(ids.repaired_rid, values.repaired_rid)?;
    if let Some(id) = ids.dependency_descriptor
        && let Some(descriptor) = values.dependency_descriptor
    {
        elements.put(id, descriptor)?;
    }
    elements.finish()
}

/// Whether a number or a value is beyond what the one-byte form carries.
fn needs_two_bytes(ids: &ExtensionIds, values: &ExtensionValues<'_>) -> bool {
    let exceeds = |id: Option<ExtensionId>, length: Option<usize>| match (id, length) {
        (Some(id), Some(length)) => id.get() > ExtensionId::LAST_ONE_BYTE || !(1..=LONGEST_ONE_BYTE).contains(&length),
        _ => false,
    };
    exceeds(ids.transport_sequence, values.transport_sequence.map(|_| 2))
        || exceeds(ids.absolute_send_time, values.absolute_send_time.map(|_| 3))
        || exceeds(ids.audio_level, values.audio_level.map(|_| 1))
        || exceeds(ids.mid, values.mid.map(str::len))
        || exceeds(ids.rid, values.rid.map(str::len))
        || exceeds(ids.repaired_rid, values.repaired_rid.map(str::len))
        || exceeds(ids.dependency_descriptor, values.dependency_descriptor.map(<[u8]>::len))
}

/// The elements of an extension, as they are written behind its head.
struct Elements<'a> {
    out: &'a mut [u8],
    end: usize,
    two_bytes: bool,
}

impl Elements<'_> {
    #[inline]
    fn put(&mut self, id: ExtensionId, value: &[u8]) -> Result<(), NoRoom> {
        // What no form can carry is ours to avoid; leaving it out keeps the packet readable.
        let Ok(length) = u8::try_from(value.len()) else { return Ok(()) };
        let head = if self.two_bytes { 2 } else { 1 };
        let end = self.end + head + value.len();
        let place = self.out.get_mut(self.end..end).ok_or(NoRoom)?;
        if self.two_bytes {
            place[..2].copy_from_slice(&[id.get(), length]);
        } else {
            // 1 to 16 bytes: otherwise it would be the other form.
            place[0] = id.get() << 4 | (length - 1);
        }
        place[head..].copy_from_slice(value);
        self.end = end;
        Ok(())
    }

    fn put_text(&mut self, id: Option<ExtensionId>, text: Option<&str>) -> Result<(), NoRoom> {
        match (id, text) {
            (Some(id), Some(text)) => self.put(id, text.as_bytes()),
            _ => Ok(()),
        }
    }

    /// Padding up to the boundary of four bytes, and the head.
    fn finish(self) -> Result<usize, NoRoom> {
        if self.end == HEAD {
            return Ok(0);
        }
        let length = self.end.next_multiple_of(4);
        self.out.get_mut(self.end..length).ok_or(NoRoom)?.fill(0);
        let profile = if self.two_bytes { TWO_BYTE_PROFILE } else { ONE_BYTE_PROFILE };
        // Seven values of at most 257 bytes are far fewer than 65,535 words.
        let words = (length / 4 - 1) as u16;
        self.out[..2].copy_from_slice(&profile.to_be_bytes());
        self.out[2..HEAD].copy_from_slice(&words.to_be_bytes());
        Ok(length)
    }
}
