//! The words of the forwarding core: identifiers, packets in and packets out.

use std::fmt;
use std::ops::Sub;

use conclave_proto::{SourceKind, VideoCodec};
pub use conclave_qos::{Bitrate, Time};

use crate::patch::{Descriptor, Patch};
use crate::table::Key;

/// A leg of a conference. Given out by [`crate::Conference::add_leg`]; never given out twice, so
/// that an identifier kept too long names nothing rather than somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LegId(pub(crate) Key);

impl LegId {
    /// Small, and unique among the legs that exist at the same time: good as an index into a table.
    pub const fn index(self) -> usize {
        self.0.index as usize
    }
}

/// One encoding of a source: 0 is the smallest (rid `l`), then 1 (`m`) and 2 (`h`). A source that is
/// not simulcast has layer 0 only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LayerIndex(u8);

impl LayerIndex {
    /// The smallest encoding, or the only one.
    pub const LOW: Self = Self(0);
    /// The middle encoding.
    pub const MIDDLE: Self = Self(1);
    /// The largest encoding.
    pub const HIGH: Self = Self(2);
    /// How many there are.
    pub const COUNT: usize = 3;
    /// All of them, smallest first.
    pub const ALL: [Self; Self::COUNT] = [Self::LOW, Self::MIDDLE, Self::HIGH];

    /// The layer of an index below 3.
    pub const fn new(index: u8) -> Option<Self> {
        if (index as usize) < Self::COUNT { Some(Self(index)) } else { None }
    }

    /// The layer that the protocol's rids name: `l`, `m` or `h`.
    pub fn from_rid(rid: &str) -> Option<Self> {
        match rid {
            "l" => Some(Self::LOW),
            "m" => Some(Self::MIDDLE),
            "h" => Some(Self::HIGH),
            _ => None,
        }
    }

    /// The rid.
    pub const fn rid(self) -> &'static str {
        match self.0 {
            0 => "l",
            1 => "m",
            _ => "h",
        }
    }

    /// 0, 1 or 2.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A slot of a leg: the position of its media section in the offer's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SlotId {
    /// One of `audio_slots`.
    Audio(u8),
    /// One of `video_slots`.
    Video(u8),
}

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// RFC 7587, 48 kHz clock.
    Opus,
    /// Opus with copies of what was sent before (RFC 2198), 48 kHz clock.
    OpusRed,
    /// RFC 7741, 90 kHz clock.
    Vp8,
    /// RFC 6184 packetization mode 1, 90 kHz clock.
    H264,
    /// RFC 9628, 90 kHz clock.
    Vp9,
    /// RTP payload format for AV1, version 1.0 (Alliance for Open Media), 90 kHz clock.
    Av1,
}

impl Codec {
    /// Ticks of the RTP timestamp per second.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus | Self::OpusRed => 48_000,
            Self::Vp8 | Self::H264 | Self::Vp9 | Self::Av1 => 90_000,
        }
    }

    /// Whether a source of this kind may be sent with it.
    pub fn carries(self, kind: SourceKind) -> bool {
        kind.is_audio() == self.is_audio()
    }

    /// Whether it is sound.
    pub const fn is_audio(self) -> bool {
        matches!(self, Self::Opus | Self::OpusRed)
    }

    /// The protocol's name of a video codec.
    pub const fn video(self) -> Option<VideoCodec> {
        match self {
            Self::Opus | Self::OpusRed => None,
            Self::Vp8 => Some(VideoCodec::Vp8),
            Self::H264 => Some(VideoCodec::H264),
            Self::Vp9 => Some(VideoCodec::Vp9),
            Self::Av1 => Some(VideoCodec::Av1),
        }
    }
}

impl From<VideoCodec> for Codec {
    fn from(codec: VideoCodec) -> Self {
        match codec {
            VideoCodec::Vp8 => Self::Vp8,
            VideoCodec::H264 => Self::H264,
            VideoCodec::Vp9 => Self::Vp9,
            VideoCodec::Av1 => Self::Av1,
        }
    }
}

/// Loudness of a packet (RFC 6464): 0 dBov (loudest) down to −127 dBov, as the positive number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AudioLevel(u8);

impl AudioLevel {
    /// Digital silence.
    pub const SILENCE: Self = Self(127);

    /// From −dBov; anything beyond 127 is silence.
    pub const fn from_minus_dbov(level: u8) -> Self {
        if level > 127 { Self::SILENCE } else { Self(level) }
    }

    /// In −dBov: 0 is the loudest, 127 silence.
    pub const fn minus_dbov(self) -> u8 {
        self.0
    }
}

/// An RTP timestamp (RFC 3550 section 5.1), modulo 2^32.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Timestamp(pub u32);

impl Timestamp {
    /// This many ticks later.
    pub const fn plus(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }

    /// Whether this is later than `other`, the shorter way around.
    pub fn is_after(self, other: Self) -> bool {
        (self - other) > 0
    }
}

impl Sub for Timestamp {
    type Output = i32;
    fn sub(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({})", self.0)
    }
}

/// An RTP packet as it came in, decrypted, retransmissions (RFC 4588) already unwrapped.
#[derive(Clone, Copy, Debug)]
pub struct RtpPacket<'a> {
    /// Extended sequence number: the 16 bits of the header with the rollover counter above them
    /// (RFC 3711 section 3.3.1).
    pub sequence: u64,
    /// As in the header.
    pub timestamp: Timestamp,
    /// As in the header.
    pub marker: bool,
    /// What the payload type stands for.
    pub codec: Codec,
    /// Without header, extensions and padding. Empty for a packet of padding alone.
    pub payload: &'a [u8],
    /// RFC 6464, if the packet says.
    pub audio_level: Option<AudioLevel>,
    /// RFC 6464's `V` bit, if the packet says.
    pub voice_activity: Option<bool>,
    /// The dependency descriptor (AV1 RTP specification 1.0, appendix A), if the packet has one.
    pub descriptor: Option<&'a [u8]>,
}

/// One packet to send: the payload that came in, under this header.
///
/// The header extensions but for the dependency descriptor are the sender's business (audio level as
/// it came in, transport-wide sequence number of the outgoing leg).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Where to.
    pub leg: LegId,
    /// In which slot: it has one SSRC for its whole life.
    pub slot: SlotId,
    /// Chooses the payload type. It can change within a slot.
    pub codec: Codec,
    /// Extended sequence number; a slot's first is below 2^15 (RFC 3711 section 3.3.1).
    pub sequence: u64,
    /// RTP timestamp.
    pub timestamp: Timestamp,
    /// RTP marker.
    pub marker: bool,
    /// The part of the payload to send, offset and length in bytes; all of it if none. Of no length
    /// it is a packet that only keeps the sequence numbers without a gap.
    pub part: Option<(u16, u16)>,
    /// What is changed in that part.
    pub patch: Patch,
    /// The dependency descriptor to send, where the receiver takes the extension. None: send none,
    /// whatever came in.
    pub descriptor: Option<Descriptor>,
}

/// What to say of a slot in a sender report: which RTP timestamp belongs to which time of the one
/// whose source it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotReport {
    /// To whom.
    pub leg: LegId,
    /// Of which slot.
    pub slot: SlotId,
    /// NTP time (RFC 3550 section 4), as it came in.
    pub ntp: u64,
    /// The same moment in the slot's RTP clock.
    pub timestamp: Timestamp,
}

/// A picture's size in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resolution {
    pub width: u16,
    pub height: u16,
}

impl Resolution {
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}
