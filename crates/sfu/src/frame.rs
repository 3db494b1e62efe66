//! What a scalable stream says about the frame that a packet belongs to, whatever codec says it.
//!
//! A *level* is what a receiver can be given of a stream: spatial layer 0 alone, up to layer 1, or up
//! to layer 2. Streams with more spatial layers have their upper ones in level 2.

use crate::rtp::LayerIndex;

/// A set of levels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Levels(u8);

impl Levels {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self(0b111);

    /// This level and those above it.
    pub fn from(level: LayerIndex) -> Self {
        Self(Self::ALL.0 << level.index() & Self::ALL.0)
    }

    pub fn only(level: LayerIndex) -> Self {
        Self(1 << level.index())
    }

    pub fn has(self, level: LayerIndex) -> bool {
        self.0 & 1 << level.index() != 0
    }

    pub fn with(self, level: LayerIndex) -> Self {
        Self(self.0 | 1 << level.index())
    }

    /// Those of this set that are not in the other.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those in the set, smallest first.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = LayerIndex> {
        LayerIndex::ALL.into_iter().filter(move |level| self.has(*level))
    }
}

/// A frame: one picture's part in one spatial layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The spatial layer, those above the third counted with the third.
    pub layer: LayerIndex,
    /// Counts the frames of the stream, those of all layers, in the order of decoding; modulo 2^16.
    pub number: u16,
    /// The packet is the frame's first.
    pub starts: bool,
    /// The packet is the frame's last.
    pub ends: bool,
    pub role: Role,
    pub references: References,
    /// What it is was told; see [`Self::unknown`].
    pub is_known: bool,
}

/// What a frame is to each level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Role {
    /// A receiver of the level has to get it.
    pub needed: Levels,
    /// Of those that need it, the ones in which no other frame builds on it.
    pub discardable: Levels,
    /// If it can be decoded, then so can all that follows in the level.
    pub switches: Levels,
}

/// The frames that a frame is predicted from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct References {
    /// Bit `n`: the frame whose number is smaller by `n + 1`.
    pub near: u64,
    /// There are others, further back or not told.
    pub far: bool,
}

impl References {
    pub fn add(&mut self, distance: u32) {
        match distance {
            1..=64 => self.near |= 1 << (distance - 1),
            _ => self.far = true,
        }
    }
}

impl Frame {
    /// A frame of which nothing is known, because what would tell it has not come: as with other
    /// packets, what is missing is the receivers' business.
    pub fn unknown(number: u16, starts: bool, ends: bool) -> Self {
        let role = Role { needed: Levels::ALL, ..Role::default() };
        let references = References { near: 0, far: true };
        Self { layer: LayerIndex::HIGH, number, starts, ends, role, references, is_known: false }
    }
}
