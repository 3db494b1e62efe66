//! Packets and frames of pictures, as the caller's depacketiser describes them.

use crate::Time;

/// The longest payload, in bytes; no path carries a longer datagram.
pub(super) const LONGEST_PAYLOAD: usize = 9_000;
/// References that a frame has at most: as many as VP9 and AV1 have slots.
pub(super) const REFERENCES: usize = 8;

/// Numbers frames in the order in which they are decoded; without wrapping, gaps are allowed.
///
/// From the dependency descriptor's frame number, or VP8's or VP9's picture id (with layers: picture id * 8 + spatial
/// layer), continued beyond their wrapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(pub i64);

/// Which frames one is predicted from; at most 8, none of a key frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct References {
    ids: [FrameId; REFERENCES],
    count: u8,
}

impl References {
    /// No frame: it can be decoded by itself.
    pub const NONE: Self = Self { ids: [FrameId(0); REFERENCES], count: 0 };

    /// These frames; `None` if they are more than 8.
    pub fn new(ids: &[FrameId]) -> Option<Self> {
        let mut references = Self::NONE;
        references.ids.get_mut(..ids.len())?.copy_from_slice(ids);
        references.count = ids.len() as u8;
        Some(references)
    }

    /// The frames.
    pub fn iter(&self) -> impl Iterator<Item = FrameId> + '_ {
        self.ids.iter().copied().take(usize::from(self.count))
    }

    /// It can be decoded by itself.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// What a frame needs to be decoded. What its first packet says counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependence {
    /// Nothing; for streams whose packets do not number frames.
    Key,
    /// The frame that ends where it begins; for streams whose packets do not number frames.
    Previous,
    /// These frames, which have smaller numbers than this one.
    Frames(FrameId, References),
}

/// One packet's payload, without what the depacketiser read.
#[derive(Clone, Debug)]
pub struct VideoPacket<P> {
    /// The RTP sequence number; of one sent again (RFC 4588), the original one.
    pub sequence: u16,
    /// The RTP timestamp; frames of one picture (spatial layers) share it.
    pub timestamp: u32,
    /// A frame begins with it.
    pub is_first: bool,
    /// A frame ends with it.
    pub is_last: bool,
    /// It was sent again, or made from repair packets: when it came says nothing about the path.
    pub is_repaired: bool,
    /// What its frame needs.
    pub dependence: Dependence,
    /// A part of the frame; at most 9,000 bytes.
    pub payload: P,
}

/// A frame that is complete.
#[derive(Clone, Debug)]
pub struct VideoFrame<P> {
    /// Its number.
    pub id: FrameId,
    /// What it is predicted from.
    pub references: References,
    /// The RTP timestamp.
    pub timestamp: u32,
    /// The sequence number of its first packet.
    pub first_sequence: u16,
    /// Its packets' payloads, in order; 1 to 2,048.
    pub payloads: Vec<P>,
    /// Their bytes.
    pub size: usize,
    /// When the last of its packets arrived.
    pub received: Time,
    /// A packet of it was lost at first.
    pub is_repaired: bool,
    pub(super) times: FrameTimes,
}

/// A frame's numbers without wrapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameTimes {
    pub(super) timestamp: i64,
    pub(super) first_sequence: i64,
    pub(super) last_sequence: i64,
}

impl<P> VideoFrame<P> {
    /// It can be decoded by itself.
    pub fn is_key(&self) -> bool {
        self.references.is_empty()
    }
}

/// Why a packet of pictures was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoPacketError {
    /// The sender's fault: the payload is longer than 9,000 bytes.
    TooLarge,
    /// The sender's fault: a frame needs itself or one after it.
    BadReference,
    /// The network's fault: later frames have been decoded.
    TooLate,
    /// Nobody's fault: it is there.
    Duplicate,
    /// The sender's fault: the sequence number is thousands away from where it should be. If the next packet agrees with
    /// it, the stream begins anew there.
    Jump,
    /// The sender's fault: more was sent than is kept while nothing of it can be decoded. All of it is dropped, a key
    /// frame is asked for.
    TooMuch,
}

impl std::fmt::Display for VideoPacketError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the sender's payload is too large",
            Self::BadReference => "the sender's frame refers to a frame after it",
            Self::TooLate => "the packet came too late",
            Self::Duplicate => "the packet is there already",
            Self::Jump => "the sender's sequence number jumped",
            Self::TooMuch => "more was sent than can be kept",
        })
    }
}

impl std::error::Error for VideoPacketError {}
