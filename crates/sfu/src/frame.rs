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
    distances: [u16; Self::CAPACITY],
    count: u8,
    /// There are others, which are not told.
    pub untold: bool,
}

impl References {
    /// AV1 has 7 references (AV1 specification, section 3, `REFS_PER_FRAME`); VP9 has 3, and the layer below.
    const CAPACITY: usize = 7;

    /// One more: the frame whose number is smaller by this.
    pub fn add(&mut self, distance: u32) {
        match (self.distances.get_mut(usize::from(self.count)), u16::try_from(distance)) {
            (Some(place), Ok(distance)) => {
                *place = distance;
                self.count += 1;
            }
            _ => self.untold = true,
        }
    }

    /// By how much their numbers are smaller than the frame's own.
    pub fn distances(&self) -> &[u16] {
        &self.distances[..usize::from(self.count)]
    }

    /// The frame is predicted from nothing.
    pub fn is_empty(&self) -> bool {
        self.count == 0 && !self.untold
    }
}

impl Frame {
    /// A frame of which nothing is known but its number, because what would tell more has not come.
    pub fn unknown(number: u16, starts: bool, ends: bool) -> Self {
        let role = Role { needed: Levels::ALL, ..Role::default() };
        let references = References { untold: true, ..References::default() };
        Self { layer: LayerIndex::HIGH, number, starts, ends, role, references, is_known: false }
    }
}
