use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::error::ErrorCode;
use crate::limits;
use crate::text::ParticipantId;

/// What a participant sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// The microphone.
    Microphone,
    /// The camera.
    Camera,
    /// A shared screen, window or tab.
    Screen,
    /// The sound of what is shared.
    ScreenAudio,
}

impl SourceKind {
    /// Every kind, in the order of their media sections in an offer.
    pub const ALL: [Self; 4] = [Self::Microphone, Self::Camera, Self::Screen, Self::ScreenAudio];

    /// Whether it is sound.
    pub fn is_audio(self) -> bool {
        matches!(self, Self::Microphone | Self::ScreenAudio)
    }
}

/// A session description (RFC 8866, RFC 8829) of at most 192 KiB. Printed only as its length: it
/// holds addresses.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(try_from = "String", into = "String")]
#[ts(type = "string")]
pub struct Sdp(String);

impl Sdp {
    /// Checks the bounds, not the grammar.
    ///
    /// # Errors
    /// [`ErrorCode::BadSdp`] for size, [`ErrorCode::TooManySections`] for more than 40 media sections.
    pub fn parse(text: String) -> Result<Self, ErrorCode> {
        if text.len() > limits::SDP_BYTES {
            return Err(ErrorCode::BadSdp);
        }
        if text.lines().filter(|line| line.starts_with("m=")).count() > limits::MEDIA_SECTIONS {
            return Err(ErrorCode::TooManySections);
        }
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Sdp {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(text).map_err(|code| match code {
            ErrorCode::TooManySections => "[too-many-sections] a description has at most 40 media sections".to_owned(),
            _ => "[bad-sdp] a description has at most 192 KiB".to_owned(),
        })
    }
}

impl From<Sdp> for String {
    fn from(sdp: Sdp) -> String {
        sdp.0
    }
}

impl std::fmt::Debug for Sdp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sdp({} bytes)", self.0.len())
    }
}

/// The `mid` of a media section (RFC 9143): 1 to 16 token characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(try_from = "String", into = "String")]
#[ts(type = "string")]
pub struct Mid(String);

impl Mid {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Mid {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let ok =
            (1..=16).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if ok { Ok(Self(text)) } else { Err("[bad-sdp] a mid has 1 to 16 token characters") }
    }
}

impl From<Mid> for String {
    fn from(mid: Mid) -> String {
        mid.0
    }
}

/// Chosen by the client: the same number means another description for the same leg (more slots,
/// ICE restart), a new number a new leg that takes the place of the old one once it is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
pub struct LegNumber(pub u32);

/// Which media section sends which source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SourceMids {
    /// The microphone's.
    pub microphone: Mid,
    /// The camera's.
    pub camera: Mid,
    /// The screen's.
    pub screen: Mid,
    /// The screen sound's.
    pub screen_audio: Mid,
}

/// A client's offer to the SFU: its sources and its receive-only slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SfuOffer {
    /// Which leg.
    pub leg: LegNumber,
    /// The offer.
    pub sdp: Sdp,
    /// Where the client's own sources are.
    pub sources: SourceMids,
    /// Receive-only audio sections, at most 3.
    pub audio_slots: Vec<Mid>,
    /// Receive-only video sections, at most 25.
    pub video_slots: Vec<Mid>,
    /// Video codecs that the client can decode.
    pub decodes: Vec<VideoCodec>,
}

/// The server's answer to an [`SfuOffer`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SfuAnswer {
    /// Which leg.
    pub leg: LegNumber,
    /// The answer, candidates included.
    pub sdp: Sdp,
}

/// A video codec. Every server takes VP8 and H.264; whether it takes the others, its answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// RFC 6386, RFC 7741.
    Vp8,
    /// RFC 6184, constrained baseline, packetization mode 1.
    H264,
    /// RFC 9628, profile 0.
    Vp9,
    /// RTP payload format for AV1, version 1.0 (Alliance for Open Media), main profile.
    Av1,
}

/// What a page shows, most important first. The order decides who keeps quality when bandwidth is
/// short; what is not named is not sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// At most 25; the rest is ignored.
    pub items: Vec<ViewItem>,
}

/// One picture that the page shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ViewItem {
    /// Whose.
    pub participant: ParticipantId,
    /// `camera` or `screen`.
    pub source: SourceKind,
    /// Width of the tile in device pixels.
    pub width: u16,
    /// Height of the tile in device pixels.
    pub height: u16,
    /// 0 (thumbnail), 1 (ordinary tile), 2 (speaking or pinned), 3 (shared screen on the stage).
    pub priority: u8,
}

/// Number of values of [`ViewItem::priority`].
pub const SLOT_PRIORITIES: u8 = 4;

/// What each slot of a leg carries now; always complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Slots {
    /// Which leg.
    pub leg: LegNumber,
    /// Video slots in use.
    pub video: Vec<VideoSlot>,
    /// Audio slots in use.
    pub audio: Vec<AudioSlot>,
}

/// A video slot in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct VideoSlot {
    /// The slot's media section.
    pub mid: Mid,
    /// Whose picture.
    pub participant: ParticipantId,
    /// Which one.
    pub source: SourceKind,
    /// Frames whose RTP timestamp is later than this (modulo 2^32) belong to this assignment;
    /// earlier ones are of whoever had the slot before. Absent while the slot is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub after: Option<u32>,
    /// Nothing is sent now because the receiver's bandwidth does not allow it.
    pub paused: bool,
}

/// An audio slot in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AudioSlot {
    /// The slot's media section.
    pub mid: Mid,
    /// Whose sound.
    pub participant: ParticipantId,
    /// Which one.
    pub source: SourceKind,
}

/// What the server wants a source to send: nobody watches the layers that are off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PublishWish {
    /// Which source.
    pub source: SourceKind,
    /// The codec that everybody in the room can decode.
    pub codec: VideoCodec,
    /// For each layer, smallest first, whether somebody needs it. With simulcast each is a stream (rid `l`,
    /// `m`, `h`); where one stream brings all (VP9 and AV1), the highest says how many it needs to bring.
    pub layers: [bool; 3],
}
