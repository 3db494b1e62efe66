//! The little of session descriptions (RFC 8866, RFC 8829) that bots need: writing what a browser would offer, and
//! reading what servers answer or offer.

mod read;
mod write;

use std::net::SocketAddr;

use conclave_rtp::ExtensionIds;

use crate::media::VideoCodec;

pub use read::{BadDescription, RemoteDescription, RemoteSection};
pub use write::{write_answer, write_offer};

/// What a media section carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Opus.
    Audio,
    /// One of the codecs that bots know.
    Video(VideoCodec),
}

impl Kind {
    /// The word of the `m=` line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video(_) => "video",
        }
    }
}

/// A section of an offer.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its name.
    pub mid: String,
    /// What it carries.
    pub kind: Kind,
    /// The streams that are sent in it: one, or one for each simulcast layer; none in a section that receives.
    pub sends: Vec<SentStream>,
}

/// A stream that a bot sends.
#[derive(Clone, Debug)]
pub struct SentStream {
    /// Its SSRC.
    pub ssrc: u32,
    /// The SSRC of its retransmissions (RFC 4588); sound has none.
    pub rtx: Option<u32>,
    /// Its simulcast layer's name.
    pub rid: Option<&'static str>,
}

/// What a bot says of itself.
#[derive(Clone, Debug)]
pub struct Local {
    /// ICE user name fragment.
    pub ufrag: String,
    /// ICE password.
    pub password: String,
    /// SHA-256 of the certificate, in hexadecimal with colons.
    pub fingerprint: String,
    /// Where it can be reached.
    pub address: SocketAddr,
}

/// Payload types of one kind of media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PayloadTypes {
    /// The media itself.
    pub media: u8,
    /// Its retransmissions.
    pub rtx: Option<u8>,
}

impl PayloadTypes {
    fn numbers(self) -> impl Iterator<Item = String> {
        [Some(self.media), self.rtx].into_iter().flatten().map(|number| number.to_string())
    }
}

/// What both sides agreed on.
#[derive(Clone, Debug, Default)]
pub struct Agreed {
    /// Of Opus.
    pub audio: Option<PayloadTypes>,
    /// Of the video codec.
    pub video: Option<(VideoCodec, PayloadTypes)>,
    /// Numbers of header extensions.
    pub extensions: ExtensionIds,
}

/// Payload types as Chromium numbers them.
pub(crate) const OPUS: PayloadTypes = PayloadTypes { media: 111, rtx: None };
pub(crate) const VP8: PayloadTypes = PayloadTypes { media: 96, rtx: Some(97) };
pub(crate) const H264: PayloadTypes = PayloadTypes { media: 102, rtx: Some(103) };

pub(crate) fn offered(kind: Kind) -> PayloadTypes {
    match kind {
        Kind::Audio => OPUS,
        Kind::Video(VideoCodec::Vp8) => VP8,
        Kind::Video(VideoCodec::H264) => H264,
    }
}

/// Header extensions that bots know, with the numbers that they offer.
pub(crate) const EXTENSIONS: [(u8, &str); 6] = [
    (1, "urn:ietf:params:rtp-hdrext:ssrc-audio-level"),
    (2, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"),
    (3, "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"),
    (4, "urn:ietf:params:rtp-hdrext:sdes:mid"),
    (10, "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"),
    (11, "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"),
];
