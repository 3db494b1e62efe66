//! The spatial layers inside of one stream: what has been said and measured of them.

use std::time::Duration;

use crate::dependency::{Dependency, Structure};
use crate::frame::{Frame, Levels, References, Role};
use crate::rate::RateMeter;
use crate::rtp::{Bitrate, LayerIndex, Resolution, Time};
use crate::vp9;

/// What is known of a stream's levels ([`crate::frame`]).
#[derive(Clone, Debug)]
pub(crate) struct Scalability {
    said: Said,
    /// What held before, for packets that come late.
    before: Option<Said>,
    /// Those that its sender sends now, as far as it says.
    active: Levels,
    levels: [Level; LayerIndex::COUNT],
    /// Counts the pictures of VP9, whose own numbers are optional.
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
    const NOTHING: Self = Self { from: 0, top: LayerIndex::LOW, structure: None };
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
    /// It is the newest, and of another picture than the one before it.
    pub begins_picture: bool,
}

impl Scalability {
    pub fn new(window: Duration) -> Self {
        let level = Level { meter: RateMeter::new(window), last_arrival: None, size: None };
        Self {
            said: Said::NOTHING,
            before: None,
            active: Levels::ALL,
            levels: std::array::from_fn(|_| level.clone()),
            picture: 0,
        }
    }

    /// The stream begins anew, or with another codec. What was measured stays the best guess.
    pub fn restart(&mut self) {
        (self.said, self.before) = (Said::NOTHING, None);
        self.active = Levels::ALL;
        self.levels.iter_mut().for_each(|level| level.last_arrival = None);
    }

    /// There is something to choose from.
    pub fn is_scalable(&self) -> bool {
        self.said.top > LayerIndex::LOW
    }

    /// The templates by which a packet's dependency descriptor is read.
    pub fn structure(&self, sequence: u64) -> Option<&Structure> {
        self.said(sequence).structure.as_deref()
    }

    fn said(&self, sequence: u64) -> &Said {
        self.before.as_ref().filter(|_| sequence < self.said.from).unwrap_or(&self.said)
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

    /// Whether a packet of VP9 tells too late that there are fewer layers: what came after it may have
    /// been left out wrongly.
    pub fn is_refuted(&self, packet: Place, descriptor: &vp9::Descriptor) -> bool {
        let is_late = !packet.is_newest && packet.sequence > self.said.from;
        is_late && descriptor.structure.is_some_and(|structure| structure.top < self.said.top)
    }

    /// Takes in what a VP9 packet says. `is_key` holds for the newest packet only.
    pub fn vp9(&mut self, now: Time, packet: Place, descriptor: &vp9::Descriptor, is_key: bool) -> Frame {
        let layer = descriptor.layer;
        self.picture = self.picture.wrapping_add(u16::from(packet.begins_picture));
        if let Some(structure) = descriptor.structure
            && (packet.is_newest || packet.sequence > self.said.from)
        {
            self.hear(now, packet.sequence, structure.top, None, |level| structure.sizes[level.index()]);
        }
        let top = self.said(packet.sequence).top;
        let own = if layer < top { Levels::only(layer) } else { Levels::from(layer) };
        let switches = match (is_key, descriptor.inter_picture) {
            // After a key frame nothing before it can be referred to, in no layer (VP9 bitstream
            // specification, section 7.2: it refreshes all references).
            (true, _) => Levels::ALL,
            (false, false) => own,
            (false, true) => Levels::NONE,
        };
        let needed = if descriptor.unused_above { own } else { Levels::from(layer) };
        let mut references = References { near: 0, far: descriptor.inter_picture };
        if descriptor.inter_layer {
            references.add(1);
        }
        Frame {
            layer,
            number: self.picture.wrapping_mul(LayerIndex::COUNT as u16 + 1).wrapping_add(layer.index() as u16),
            starts: descriptor.starts,
            ends: descriptor.ends,
            role: Role { needed, discardable: Levels::NONE, switches },
            references,
            is_known: true,
        }
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

    /// Counts a packet of a frame.
    pub fn count(&mut self, now: Time, frame: &Frame, payload_bytes: usize) {
        if !self.is_scalable() {
            return;
        }
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
            self.before = Some(before);
        }
        for layer in LayerIndex::ALL {
            let level = &mut self.levels[layer.index()];
            level.size = size(layer).or(level.size);
            level.last_arrival = if layer <= top { level.last_arrival.max(Some(now)) } else { None };
        }
    }
}
