//! Which packets of a scalable stream a slot forwards.

use crate::frame::{Frame, Levels};
use crate::rtp::{LayerIndex, Timestamp};

/// How many changes of level are remembered for packets that come late. Changes are seconds apart, or
/// parts of one climb; a packet from before the oldest is left out.
const LOG: usize = 4;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub forward: bool,
    /// It is the last of its picture that is forwarded.
    pub ends_picture: bool,
}

impl Verdict {
    /// Of a packet about which there is nothing to decide.
    pub const FORWARD: Self = Self { forward: true, ends_picture: false };
}

/// Forwards the frames that a level needs, and moves to another level where a decoder can follow.
///
/// A level is *intact* while every frame that it needs was forwarded: then a receiver can be given that
/// level from the next frame on. A frame that is lost on the way here counts as forwarded: as with other
/// streams, what is missing is asked for by whoever misses it.
#[derive(Clone, Debug)]
pub(crate) struct Selector {
    /// The levels, newest first, each with the first packet that it held for.
    log: [(u64, LayerIndex); LOG],
    /// Since which packet each level is intact; none if it is not.
    intact: [Option<u64>; LayerIndex::COUNT],
    /// The newest frame, and as bits those before it that were forwarded, itself in bit 0.
    newest_frame: u16,
    forwarded: u128,
    timestamp: Timestamp,
}

impl Selector {
    /// Begins with a packet that begins a frame at which decoders can begin.
    pub fn enter(sequence: u64, timestamp: Timestamp, frame: &Frame, target: LayerIndex) -> Self {
        let switches = frame.role.switches;
        let level = switches.iter().rfind(|level| *level <= target).or_else(|| switches.iter().next());
        Self {
            log: [(sequence, level.unwrap_or(frame.layer)); LOG],
            intact: LayerIndex::ALL.map(|level| switches.has(level).then_some(sequence)),
            newest_frame: frame.number,
            forwarded: 0,
            timestamp,
        }
    }

    /// What is forwarded now.
    pub fn level(&self) -> LayerIndex {
        self.log[0].1
    }

    /// Whether the target can be reached only by a frame that the sender has to be asked for.
    pub fn needs_switch(&self, target: LayerIndex) -> bool {
        let level = self.level();
        target > level || target < level && self.intact[target.index()].is_none()
    }

    /// Decides about the stream's newest packet.
    pub fn newest(&mut self, sequence: u64, timestamp: Timestamp, frame: &Frame, target: LayerIndex) -> Verdict {
        let begins_picture = timestamp != std::mem::replace(&mut self.timestamp, timestamp);
        self.turn_to(frame.number);
        if frame.starts && (frame.role.needed.has(self.level()) || self.has_references(frame)) {
            for level in frame.role.switches.iter() {
                self.intact[level.index()].get_or_insert(sequence);
            }
        }
        let best = LayerIndex::ALL.into_iter().rfind(|level| *level <= target && self.intact[level.index()].is_some());
        // Only with a frame's first packet, so that none is forwarded in part.
        if let Some(best) = best
            && frame.starts
            && (best > self.level() || best < self.level() && begins_picture)
        {
            self.log.rotate_right(1);
            self.log[0] = (sequence, best);
        }
        let level = self.level();
        let forward = frame.role.needed.has(level);
        if forward {
            self.forwarded |= 1;
        } else {
            self.leave_out(sequence, frame);
        }
        Verdict { forward, ends_picture: frame.ends && frame.layer == level && level != LayerIndex::HIGH }
    }

    /// Decides about a packet that comes later than others that were sent after it, as it would have
    /// been decided in time.
    pub fn late(&mut self, sequence: u64, frame: &Frame) -> Verdict {
        let level = self.log.iter().find(|(from, _)| *from <= sequence).map(|(_, level)| *level);
        // Of a frame that nobody can tell any more what it was, the rest was forwarded only with all layers.
        let forward = level
            .is_some_and(|level| if frame.is_known { frame.role.needed.has(level) } else { level == LayerIndex::HIGH });
        if !forward {
            self.leave_out(sequence, frame);
        }
        let ends_picture = frame.ends && Some(frame.layer) == level && frame.layer != LayerIndex::HIGH;
        Verdict { forward, ends_picture }
    }

    fn leave_out(&mut self, sequence: u64, frame: &Frame) {
        let broken: Levels = frame.role.needed.without(frame.role.discardable);
        for level in broken.iter() {
            let intact = &mut self.intact[level.index()];
            *intact = intact.filter(|since| *since > sequence);
        }
    }

    /// Makes a frame the newest, unless it is an older one.
    fn turn_to(&mut self, number: u16) {
        let ahead = number.wrapping_sub(self.newest_frame);
        if ahead < 1 << 15 {
            self.forwarded = self.forwarded.checked_shl(u32::from(ahead)).unwrap_or(0);
            self.newest_frame = number;
        }
    }

    /// Whether everything that the newest frame is predicted from was forwarded.
    fn has_references(&self, frame: &Frame) -> bool {
        let near = u128::from(frame.references.near) << 1;
        frame.number == self.newest_frame && !frame.references.far && self.forwarded & near == near
    }
}

#[cfg(test)]
mod tests;
