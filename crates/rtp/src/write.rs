//! Writing RTP headers, with the extensions that are sent.

use thiserror::Error;

use crate::header::{ONE_BYTE_PROFILE, TWO_BYTE_PROFILE};
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

/// As many kinds of extensions as are sent.
const KINDS: usize = 7;
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
    let audio_level = values.audio_level.map(|(level, voice)| [level.min(127) | u8::from(voice) << 7]);
    let transport_sequence = values.transport_sequence.map(u16::to_be_bytes);
    let send_time = values.absolute_send_time.map(u32::to_be_bytes);
    let elements: [Option<(ExtensionId, &[u8])>; KINDS] = [
        // Those that change with each packet come first and have a fixed length.
        element(ids.transport_sequence, transport_sequence.as_ref().map(<[u8; 2]>::as_slice)),
        element(ids.absolute_send_time, send_time.as_ref().map(|time| &time[1..])),
        element(ids.audio_level, audio_level.as_ref().map(<[u8; 1]>::as_slice)),
        element(ids.mid, values.mid.map(str::as_bytes)),
        element(ids.rid, values.rid.map(str::as_bytes)),
        element(ids.repaired_rid, values.repaired_rid.map(str::as_bytes)),
        element(ids.dependency_descriptor, values.dependency_descriptor),
    ];
    let length = write_extensions(out.get_mut(12..).ok_or(NoRoom)?, &elements)?;

    out[0] = 0x80 | u8::from(header.padding) << 5 | u8::from(length > 0) << 4;
    out[1] = header.payload_type.get() | u8::from(header.marker) << 7;
    out[2..4].copy_from_slice(&header.sequence.to_be_bytes());
    out[4..8].copy_from_slice(&header.timestamp.to_be_bytes());
    out[8..12].copy_from_slice(&header.ssrc.0.to_be_bytes());
    Ok(12 + length)
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

fn element(id: Option<ExtensionId>, value: Option<&[u8]>) -> Option<(ExtensionId, &[u8])> {
    // A value that no form can carry is ours to avoid; leaving it out keeps the packet readable.
    id.zip(value.filter(|value| value.len() <= usize::from(u8::MAX)))
}

/// Returns the length with its head and padding; 0 where there is nothing to say.
fn write_extensions(out: &mut [u8], elements: &[Option<(ExtensionId, &[u8])>; KINDS]) -> Result<usize, NoRoom> {
    let elements = elements.iter().flatten();
    if elements.clone().next().is_none() {
        return Ok(0);
    }
    let two_bytes = elements
        .clone()
        .any(|(id, value)| id.get() > ExtensionId::LAST_ONE_BYTE || !(1..=LONGEST_ONE_BYTE).contains(&value.len()));
    let mut length = 4;
    for (id, value) in elements {
        // At most 16, or at most 255: `element` and the choice of the form saw to it.
        let size = value.len() as u8;
        let head: &[u8] = if two_bytes { &[id.get(), size] } else { &[id.get() << 4 | (size - 1)] };
        put(out, &mut length, head)?;
        put(out, &mut length, value)?;
    }
    while length % 4 != 0 {
        put(out, &mut length, &[0])?;
    }
    let profile = if two_bytes { TWO_BYTE_PROFILE } else { ONE_BYTE_PROFILE };
    // Seven values of at most 257 bytes are far fewer than 65,535 words.
    let words = (length / 4 - 1) as u16;
    out[..2].copy_from_slice(&profile.to_be_bytes());
    out[2..4].copy_from_slice(&words.to_be_bytes());
    Ok(length)
}

fn put(out: &mut [u8], at: &mut usize, bytes: &[u8]) -> Result<(), NoRoom> {
    let end = *at + bytes.len();
    out.get_mut(*at..end).ok_or(NoRoom)?.copy_from_slice(bytes);
    *at = end;
    Ok(())
}
