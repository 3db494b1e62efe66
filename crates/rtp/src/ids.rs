//! What names streams, payloads and header extensions.

use std::fmt;

/// Who sends a stream: a synchronisation source (RFC 3550 section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ssrc(pub u32);

/// What a payload is, as negotiated (RFC 3550 section 5.1): 0 to 127.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadType(u8);

impl PayloadType {
    /// `None` above 127.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number < 128 { Some(Self(number)) } else { None }
    }

    /// The lower seven bits of the header's second byte.
    pub(crate) const fn from_header(byte: u8) -> Self {
        Self(byte & 0x7f)
    }

    /// 0 to 127.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for PayloadType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The number of a header extension, as negotiated (RFC 8285 section 5): 1 to 255. The one-byte form
/// carries 1 to 14 only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtensionId(u8);

impl ExtensionId {
    /// The highest that the one-byte form carries (RFC 8285 section 4.2).
    pub(crate) const LAST_ONE_BYTE: u8 = 14;

    /// `None` for 0, which is padding.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        if number == 0 { None } else { Some(Self(number)) }
    }

    /// 1 to 255.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

/// Which header extensions are negotiated, and under which numbers. All sections of a bundle share them
/// (RFC 8843 section 9.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level` (RFC 6464).
    pub audio_level: Option<ExtensionId>,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`.
    pub transport_sequence: Option<ExtensionId>,
    /// `urn:ietf:params:rtp-hdrext:sdes:mid` (RFC 8843).
    pub mid: Option<ExtensionId>,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id` (RFC 8852).
    pub rid: Option<ExtensionId>,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id` (RFC 8852).
    pub repaired_rid: Option<ExtensionId>,
    /// `https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension`.
    pub dependency_descriptor: Option<ExtensionId>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time`.
    pub absolute_send_time: Option<ExtensionId>,
}
