//! Reading RTP headers (RFC 3550 section 5.1) and their extensions (RFC 8285).

use std::ops::Range;

use thiserror::Error;

use crate::{ExtensionId, PayloadType, Ssrc};

/// Why a packet cannot be read. It is the sender's fault, or that of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// It ends before what it announces.
    #[error("the packet ends before what it announces")]
    Truncated,
    /// Another version than 2.
    #[error("not version 2 of RTP")]
    Version,
    /// Padding of no bytes, or of more than there are.
    #[error("impossible padding")]
    Padding,
    /// A number is out of its range, or a length disagrees with another.
    #[error("a field contradicts the format")]
    Field,
}

/// The fixed part of the header, in bytes.
pub(crate) const FIXED_HEADER: usize = 12;

const VERSION: u8 = 2;
const PADDING: u8 = 0x20;
const EXTENSION: u8 = 0x10;
const MARKER: u8 = 0x80;
/// "0xBEDE" (RFC 8285 section 4.2).
pub(crate) const ONE_BYTE_PROFILE: u16 = 0xbede;
/// "0x100" followed by four bits for applications (RFC 8285 section 4.3).
pub(crate) const TWO_BYTE_PROFILE: u16 = 0x1000;
/// In the one-byte form, an element that ends the list (RFC 8285 section 4.2).
const ONE_BYTE_STOP: u8 = 15;

/// An RTP header, read from a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// What the payload is.
    pub payload_type: PayloadType,
    /// The marker bit: for pictures, the last packet of one (RFC 6184, RFC 7741 and others).
    pub marker: bool,
    /// Whether the payload ends with padding, which is still in it: it is encrypted as the payload is.
    pub padding: bool,
    /// The sequence number as it is on the wire.
    pub sequence: u16,
    /// In units of the payload type's clock.
    pub timestamp: u32,
    /// Who sends it.
    pub ssrc: Ssrc,
    /// The header extensions, if they are in a form of RFC 8285; otherwise empty.
    pub extensions: Extensions<'a>,
    /// Where the payload is in the packet; padding, and what SRTP appended, still inside.
    pub payload: Range<usize>,
}

impl<'a> Header<'a> {
    /// Reads the header at the start of `packet`.
    ///
    /// # Errors
    /// If it is not one; nothing of the packet is of use then.
    pub fn parse(packet: &'a [u8]) -> Result<Self, Malformed> {
        let fixed = packet.first_chunk::<FIXED_HEADER>().ok_or(Malformed::Truncated)?;
        let extensions = extension_block(packet)?;
        let (profile, body) = extensions.clone().unwrap_or((0, 0..0));
        let start = match extensions {
            Some((_, range)) => range.end,
            None => FIXED_HEADER + contributors(fixed[0]),
        };
        Ok(Self {
            payload_type: PayloadType::from_header(fixed[1]),
            marker: fixed[1] & MARKER != 0,
            padding: fixed[0] & PADDING != 0,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: Ssrc(u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]])),
            extensions: Extensions::new(profile, &packet[body]),
            payload: start..packet.len(),
        })
    }

    /// The payload without its padding, of the decrypted packet whose header this is.
    ///
    /// # Errors
    /// If the padding is none, or more than there is.
    pub fn payload_of<'p>(&self, packet: &'p [u8]) -> Result<&'p [u8], Malformed> {
        let payload = packet.get(self.payload.clone()).ok_or(Malformed::Truncated)?;
        if !self.padding {
            return Ok(payload);
        }
        let count = usize::from(*payload.last().ok_or(Malformed::Padding)?);
        match payload.len().checked_sub(count) {
            Some(end) if count > 0 => Ok(&payload[..end]),
            _ => Err(Malformed::Padding),
        }
    }
}

/// How long the header of `packet` is, extensions included, in bytes: all that SRTP needs to know.
pub(crate) fn header_length(packet: &[u8]) -> Result<usize, Malformed> {
    match extension_block(packet)? {
        Some((_, range)) => Ok(range.end),
        None => Ok(FIXED_HEADER + contributors(packet[0])),
    }
}

/// The extension's "defined by profile" and where its elements are, if there is one. What is `Ok` has a
/// complete header.
fn extension_block(packet: &[u8]) -> Result<Option<(u16, Range<usize>)>, Malformed> {
    let &first = packet.first().ok_or(Malformed::Truncated)?;
    if first >> 6 != VERSION {
        return Err(Malformed::Version);
    }
    let start = FIXED_HEADER + contributors(first);
    if packet.len() < start {
        return Err(Malformed::Truncated);
    }
    if first & EXTENSION == 0 {
        return Ok(None);
    }
    let head = packet[start..].first_chunk::<4>().ok_or(Malformed::Truncated)?;
    let length = 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
    let body = start + 4..start + 4 + length;
    if packet.len() < body.end {
        return Err(Malformed::Truncated);
    }
    Ok(Some((u16::from_be_bytes([head[0], head[1]]), body)))
}

/// The bytes that the list of contributing sources takes.
const fn contributors(first: u8) -> usize {
    4 * (first & 0x0f) as usize
}

/// One element of the header's extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Its negotiated number.
    pub id: ExtensionId,
    /// 1 to 16 bytes in the one-byte form, 0 to 255 in the two-byte form.
    pub value: &'a [u8],
}

/// The elements of a header's extension, in order. What is malformed ends them: a receiver must still
/// take the packet (RFC 8285 section 4.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions<'a> {
    two_bytes: bool,
    rest: &'a [u8],
}

impl<'a> Extensions<'a> {
    fn new(profile: u16, body: &'a [u8]) -> Self {
        match profile {
            ONE_BYTE_PROFILE => Self { two_bytes: false, rest: body },
            profile if profile & 0xfff0 == TWO_BYTE_PROFILE => Self { two_bytes: true, rest: body },
            _ => Self::default(),
        }
    }

    /// The first value with this number. To read several extensions, walk the iterator once instead.
    #[must_use]
    pub fn get(&self, id: ExtensionId) -> Option<&'a [u8]> {
        self.clone().find(|extension| extension.id == id).map(|extension| extension.value)
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Extension<'a>;

    fn next(&mut self) -> Option<Extension<'a>> {
        loop {
            let (&first, rest) = self.rest.split_first()?;
            if first == 0 {
                // Padding between elements (RFC 8285 section 4.1.2).
                self.rest = rest;
                continue;
            }
            let (number, length, rest) = if self.two_bytes {
                let (&length, rest) = rest.split_first()?;
                (first, usize::from(length), rest)
            } else {
                (first >> 4, usize::from(first & 0x0f) + 1, rest)
            };
            let stops = !self.two_bytes && (number == ONE_BYTE_STOP || number == 0);
            let (Some(id), true, false) = (ExtensionId::new(number), rest.len() >= length, stops) else {
                self.rest = &[];
                return None;
            };
            let (value, rest) = rest.split_at(length);
            self.rest = rest;
            return Some(Extension { id, value });
        }
    }
}
