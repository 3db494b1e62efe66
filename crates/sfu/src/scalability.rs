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
    /// The highest spatial layer that the stream says it has.
    top: LayerIndex,
    /// Those that its sender sends now, as far as it says.
    active: Levels,
    levels: [Level; LayerIndex::COUNT],
    /// The templates of the dependency descriptors, and the packet that brought them.
    structure: Option<Box<Structure>>,
    structure_from: u64,
    /// Counts the pictures of VP9, whose own numbers are optional.
    picture: u16,
}

#[derive(Clone, Debug)]
struct Level {
    meter: RateMeter,
    last_arrival: Option<Time>,
    size: Option<Resolution>,
}

impl Scalability {
    pub fn new(window: Duration) -> Self {
        let level = Level { meter: RateMeter::new(window), last_arrival: None, size: None };
        Self {
            top: LayerIndex::LOW,
            active: Levels::ALL,
            levels: std::array::from_fn(|_| level.clone()),
            structure: None,
            structure_from: 0,
            picture: 0,
        }
    }

    /// The stream begins anew, or with another codec. What was measured stays the best guess.
    pub fn restart(&mut self) {
        self.top = LayerIndex::LOW;
        self.active = Levels::ALL;
        self.structure = None;
        self.levels.iter_mut().for_each(|level| level.last_arrival = None);
    }

    /// There is something to choose from.
    pub fn is_scalable(&self) -> bool {
        self.top > LayerIndex::LOW
    }

    pub fn structure(&self) -> Option<&Structure> {
        self.structure.as_deref()
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
            let is_sent = level <= self.top && self.active.has(level);
            is_sent && arrival.is_some_and(|at| newest.since(at) <= timeout)
        })
    }

    /// Takes in what a VP9 packet says. `begins_picture` and `is_key` hold for the newest packet only.
    pub fn vp9(
        &mut self,
        now: Time,
        descriptor: &vp9::Descriptor,
        is_newest: bool,
        begins_picture: bool,
        is_key: bool,
    ) -> Frame {
        let layer = descriptor.layer;
        if is_newest {
            self.picture = self.picture.wrapping_add(u16::from(begins_picture));
            match descriptor.structure {
                Some(structure) => self.set(now, structure.top, |level| structure.sizes[level.index()]),
                None => self.top = self.top.max(layer),
            }
        }
        let alone = descriptor.unused_above && layer < self.top;
        let own = if layer < self.top { Levels::only(layer) } else { Levels::from(layer) };
        let switches = match (is_key, descriptor.inter_picture) {
            // After a key frame nothing before it can be referred to, in no layer (VP9 bitstream
            // specification, section 7.2: it refreshes all references).
            (true, _) => Levels::ALL,
            (false, false) => own,
            (false, true) => Levels::NONE,
        };
        let needed = if alone { own } else { Levels::from(layer) };
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
        }
    }

    /// Takes in what a dependency descriptor says.
    pub fn dependency(&mut self, now: Time, sequence: u64, is_newest: bool, dependency: &mut Dependency) {
        if let Some(structure) = dependency.structure.take()
            && (self.structure.is_none() || is_newest || sequence > self.structure_from)
        {
            self.set(now, structure.top(), |level| structure.size(level));
            self.structure = Some(structure);
            self.structure_from = sequence;
        }
        if is_newest && let Some(active) = dependency.active {
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
    fn set(&mut self, now: Time, top: LayerIndex, size: impl Fn(LayerIndex) -> Option<Resolution>) {
        self.top = top;
        for layer in LayerIndex::ALL {
            let level = &mut self.levels[layer.index()];
            level.size = size(layer).or(level.size);
            level.last_arrival = if layer <= top { level.last_arrival.max(Some(now)) } else { None };
        }
    }
}
