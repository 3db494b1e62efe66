//! The spatial layers inside of one stream: what has been said and measured of them.

use std::collections::VecDeque;
use std::time::Duration;

use crate::dependency::{Dependency, Structure};
use crate::frame::{Frame, Levels, References, Role};
use crate::picture::PictureId;
use crate::rate::RateMeter;
use crate::rtp::{Bitrate, LayerIndex, Resolution, Time};
use crate::vp9;

/// How many things that a stream said of itself are remembered for packets that come late, besides what holds now.
const PAST: usize = 8;

/// Numbers that a picture of VP9 takes for its frames: it has at most 8 spatial layers.
const FRAMES_OF_PICTURE: u16 = 8;

/// What is known of a stream's levels ([`crate::frame`]).
#[derive(Clone, Debug)]
pub(crate) struct Scalability {
    said: Said,
    /// What held before, for packets that come late, newest first.
    past: VecDeque<Said>,
    /// Those that its sender sends now, as far as it says.
    active: Levels,
    levels: [Level; LayerIndex::COUNT],
    /// The newest picture of VP9, as its sender counts them, in 16 bits.
    picture: u16,
}

/// What a stream says of itself with a key frame.
#[derive(Clone, Debug)]
struct Said {
    /// The first packet of which it holds.
    from: u64,
    /// The highest spatial layer.
    top: LayerIndex,
    /// The templates of the dependency descriptors.
    structure: Option<Box<Structure>>,
}

impl Said {
    const fn nothing(from: u64) -> Self {
        Self { from, top: LayerIndex::LOW, structure: None }
    }
}

#[derive(Clone, Debug)]
struct Level {
    meter: RateMeter,
    last_arrival: Option<Time>,
    size: Option<Resolution>,
}

/// Where in its stream a packet is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub sequence: u64,
    pub is_newest: bool,
}

impl Scalability {
    pub fn new(window: Duration) -> Self {
        let level = Level { meter: RateMeter::new(window), last_arrival: None, size: None };
        Self {
            said: Said::nothing(0),
            past: VecDeque::new(),
            active: Levels::ALL,
            levels: std::array::from_fn(|_| level.clone()),
            picture: 0,
        }
    }

    /// The stream begins anew, or with another codec. What was measured stays the best guess.
    pub fn restart(&mut self) {
        self.said = Said::nothing(0);
        self.past.clear();
        self.active = Levels::ALL;
        self.levels.iter_mut().for_each(|level| level.last_arrival = None);
    }

    /// There is something to choose from.
    pub fn is_scalable(&self) -> bool {
        self.said.top > LayerIndex::LOW
    }

    /// The templates by which a packet's dependency descriptor is read.
    pub fn structure(&self, sequence: u64) -> Option<&Structure> {
        self.said(sequence)?.structure.as_deref()
    }

    /// What held for a packet; none if that is forgotten.
    fn said(&self, sequence: u64) -> Option<&Said> {
        std::iter::once(&self.said).chain(&self.past).find(|said| said.from <= sequence)
    }

    /// What the stream up to this level costs.
    pub fn rate(&self, level: LayerIndex) -> Option<Bitrate> {
        self.levels[level.index()].meter.rate()
    }

    /// What the picture of this level measures.
    pub fn size(&self, level: LayerIndex) -> Option<Resolution> {
        self.levels[level.index()].size
    }

    /// The layers that have arrived within this time before `newest`.
    pub fn live(&self, newest: Time, timeout: Duration) -> [bool; LayerIndex::COUNT] {
        LayerIndex::ALL.map(|level| {
            let arrival = self.levels[level.index()].last_arrival;
            let is_sent = level <= self.said.top && self.active.has(level);
            is_sent && arrival.is_some_and(|at| newest.since(at) <= timeout)
        })
    }

    /// The highest layer that there is, where a packet of VP9 tells too late that it is lower than it was taken for:
    /// what came after it may have been left out wrongly.
    pub fn lower_top(&self, packet: Place, descriptor: &vp9::Descriptor) -> Option<LayerIndex> {
        let is_late = !packet.is_newest && packet.sequence > self.said.from;
        let top = descriptor.structure.map(|structure| structure.top);
        top.filter(|top| is_late && *top < self.said.top)
    }

    /// Takes in what a VP9 packet says. `None` if it has no picture id: what is not numbered cannot be told apart
    /// when it is late, and is all forwarded.
    pub fn vp9(&mut self, now: Time, packet: Place, descriptor: &vp9::Descriptor, is_key: bool) -> Option<Frame> {
        let layer = descriptor.layer;
        let picture = self.picture_number(packet, descriptor.counters.picture_id?);
        if let Some(structure) = descriptor.structure
            && (packet.is_newest || packet.sequence > self.said.from)
        {
            self.hear(now, packet.sequence, structure.top, None, |level| structure.sizes[level.index()]);
        }
        let top = self.said(packet.sequence).map_or(LayerIndex::LOW, |said| said.top);
        let own = if layer < top { Levels::only(layer) } else { Levels::from(layer) };
        let switches = match (is_key, descriptor.inter_picture) {
            // After a key frame nothing before it can be referred to, in no layer (VP9 bitstream
            // specification, section 7.2: it refreshes all references).
            (true, _) => Levels::ALL,
            (false, false) => own,
            (false, true) => Levels::NONE,
        };
        let needed = if descriptor.unused_above { own } else { Levels::from(layer) };
        let mut references = References::default();
        for pictures in descriptor.earlier.into_iter().flatten() {
            references.add(u32::from(pictures) * u32::from(FRAMES_OF_PICTURE));
        }
        references.untold = descriptor.inter_picture && references.is_empty();
        if descriptor.inter_layer {
            references.add(1);
        }
        Some(Frame {
            layer,
            number: picture.wrapping_mul(FRAMES_OF_PICTURE).wrapping_add(u16::from(descriptor.spatial)),
            starts: descriptor.starts,
            ends: descriptor.ends,
            role: Role { needed, discardable: Levels::NONE, switches },
            references,
            is_known: true,
        })
    }

    /// The picture that an id of 7 or 15 bits means: the one that is nearest to the newest.
    fn picture_number(&mut self, packet: Place, id: PictureId) -> u16 {
        let unused = if id.wide { 1 } else { 9 };
        let ahead = (id.value.wrapping_sub(self.picture) << unused) as i16 >> unused;
        let picture = self.picture.wrapping_add_signed(ahead);
        if packet.is_newest {
            self.picture = picture;
        }
        picture
    }

    /// Takes in what a dependency descriptor says.
    pub fn dependency(&mut self, now: Time, packet: Place, dependency: &mut Dependency) {
        if let Some(structure) = dependency.structure.take()
            && (packet.is_newest || packet.sequence > self.said.from)
        {
            let sizes = LayerIndex::ALL.map(|level| structure.size(level));
            self.hear(now, packet.sequence, structure.top(), Some(structure), |level| sizes[level.index()]);
        }
        if packet.is_newest
            && let Some(active) = dependency.active
        {
            self.active = active;
        }
    }

    /// Counts a packet, if it is known what frame it belongs to.
    pub fn count(&mut self, now: Time, frame: Option<&Frame>, payload_bytes: usize) {
        let Some(frame) = frame.filter(|frame| frame.is_known && self.is_scalable()) else { return };
        let own = &mut self.levels[frame.layer.index()].last_arrival;
        *own = (*own).max(Some(now));
        for level in frame.role.needed.iter() {
            self.levels[level.index()].meter.add(now, payload_bytes);
        }
    }

    /// The stream says what it has. That counts as arriving, so that who begins with this picture can
    /// have all of it.
    fn hear(
        &mut self,
        now: Time,
        from: u64,
        top: LayerIndex,
        structure: Option<Box<Structure>>,
        size: impl Fn(LayerIndex) -> Option<Resolution>,
    ) {
        if top != self.said.top || structure != self.said.structure {
            let before = std::mem::replace(&mut self.said, Said { from, top, structure });
            self.past.truncate(PAST - 1);
            self.past.push_front(before);
        }
        for layer in LayerIndex::ALL {
            let level = &mut self.levels[layer.index()];
            level.size = size(layer).or(level.size);
            level.last_arrival = if layer <= top { level.last_arrival.max(Some(now)) } else { None };
        }
    }
}
