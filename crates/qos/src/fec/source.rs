//! RTP packets as the XOR codes see them: a header of 12 bytes, and everything behind it.

use super::FecError;
use super::error::take;

/// The longest packet in bytes, source or repair: what an Ethernet frame carries.
pub const MAX_PACKET: usize = 1_500;
/// What of the header is protected apart from the rest (RFC 3550, section 5.1). CSRCs and extensions count as rest.
pub(super) const HEADER: usize = 12;

/// An RTP packet that is, or was, sent by itself: version 2, 12 to 1,500 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    bytes: &'a [u8],
    header: [u8; HEADER],
}

impl<'a> Source<'a> {
    /// Reads what is needed of the header.
    ///
    /// # Errors
    /// [`FecError::SourceNotRtp`] if it is no RTP, [`FecError::TooLong`] beyond [`MAX_PACKET`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, FecError> {
        if bytes.len() > MAX_PACKET {
            return Err(FecError::TooLong(bytes.len()));
        }
        let header: [u8; HEADER] = take(bytes, 0).map_err(|_| FecError::SourceNotRtp)?;
        if header[0] >> 6 != 2 {
            return Err(FecError::SourceNotRtp);
        }
        Ok(Self { bytes, header })
    }

    /// Its number in its stream.
    pub fn sequence(&self) -> u16 {
        u16::from_be_bytes([self.header[2], self.header[3]])
    }

    /// Its stream.
    pub fn ssrc(&self) -> u32 {
        u32::from_be_bytes([self.header[8], self.header[9], self.header[10], self.header[11]])
    }

    /// All of it.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn timestamp(&self) -> u32 {
        u32::from_be_bytes([self.header[4], self.header[5], self.header[6], self.header[7]])
    }

    /// P, X, CC, M and PT: the first 16 bits without the version.
    pub(super) fn bits(&self) -> u16 {
        u16::from_be_bytes([self.header[0] & 0x3f, self.header[1]])
    }

    pub(super) fn body(&self) -> &'a [u8] {
        // `parse` has seen the header.
        self.bytes.get(HEADER..).unwrap_or_default()
    }
}
