//! What is queued, and what is handed over.

use crate::ProbeId;
use crate::playout::{FrameId, References};

/// Names one stream of pictures of a bearer: frames of one never need those of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u8);

/// A packet to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<P> {
    /// What it carries.
    pub content: Content,
    /// What the bearer is given, in bytes: as it counts what it has buffered.
    pub size: u32,
    /// Comes out as it went in.
    pub payload: P,
}

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Sound, and reports, which are as small and as urgent: they go ahead of all pictures.
    Sound,
    /// A part of a frame, or what repairs it.
    Picture(Picture),
}

impl Content {
    pub(super) fn picture(&self) -> Option<&Picture> {
        match self {
            Self::Sound => None,
            Self::Picture(picture) => Some(picture),
        }
    }
}

/// A frame, as each of its packets describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Whose frame.
    pub stream: StreamId,
    /// Its number, in the order of decoding. One that is smaller than the greatest before it by 128 or more is of a
    /// numbering that begins anew.
    pub frame: FrameId,
    /// What it is predicted from; none of a key frame.
    pub references: References,
    /// 0: the stream cannot go on without it. Others (of higher temporal or spatial layers) are left out while much is
    /// waiting, the higher the sooner; frames that do without them go on.
    pub layer: u8,
}

/// What to give to the bearer now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handover<P> {
    /// This packet, as part of this probe if there is one.
    Packet(Packet<P>, Option<ProbeId>),
    /// Padding of about this many bytes (1 to 1,200), as part of this probe if there is one. It is counted as handed over.
    Padding {
        /// How much.
        bytes: u32,
        /// For what.
        probe: Option<ProbeId>,
    },
}

/// Why a packet was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueError {
    /// The caller's fault: the bearer would cut it up, or refuse it.
    TooLarge,
    /// The bearer's fault: a frame that this one needs, or an earlier part of this one, was dropped.
    Undecodable,
    /// The bearer's fault: it carries too little for this layer.
    Thinned,
    /// The bearer's fault: 2,048 packets or 4 MiB of pictures wait already. The frame is dropped.
    Full,
}

impl std::fmt::Display for QueueError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the packet is larger than the bearer takes",
            Self::Undecodable => "what the packet's frame needs was dropped",
            Self::Thinned => "the bearer carries too little for this layer",
            Self::Full => "too much waits for the bearer",
        })
    }
}

impl std::error::Error for QueueError {}
