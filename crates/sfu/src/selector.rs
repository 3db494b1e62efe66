//! Which packets of a scalable stream a slot forwards.

use crate::fates::{Fate, Fates};
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
    /// The level can go on only with a frame that the sender has to be asked for.
    pub is_stuck: bool,
}

impl Verdict {
    /// Of a packet about which there is nothing to decide.
    pub const FORWARD: Self = Self { forward: true, ends_picture: false, is_stuck: false };
}

/// Forwards the frames that a level needs and that a decoder can follow, and moves to another level where it can.
///
/// It knows of each frame whether it was forwarded ([`Fates`]); one that is predicted from a frame that was not is
/// left out as well. A frame of which nothing has come may still come, and is forwarded then: as with other streams,
/// what is missing is asked for by whoever misses it.
///
/// A level is *intact* while every frame that it needs was forwarded or may still be: then a receiver can be given
/// that level from the next frame on.
#[derive(Clone, Debug)]
pub(crate) struct Selector {
    /// The stays in a level, newest first.
    log: [Stay; LOG],
    chains: [Chain; LayerIndex::COUNT],
    fates: Fates,
    /// Packets from this one on are later than all before them.
    next: u64,
    /// Of the newest packet.
    timestamp: Timestamp,
}

#[derive(Clone, Copy, Debug)]
struct Stay {
    /// The first packet that was decided about by it.
    from: u64,
    /// Since when the level was intact: it needs what was missing then and comes now.
    since: u64,
    level: LayerIndex,
}

/// How far what a level needs was forwarded.
#[derive(Clone, Copy, Debug, Default)]
struct Chain {
    /// Since which packet it is intact; none if it is not.
    since: Option<u64>,
    /// The first packet that it needed and did not get after it was intact the last time before that, and the latest.
    broken: Option<(u64, u64)>,
    /// The time before that in which it was not intact: from the first packet that it did not get to where it opened.
    earlier: Option<(u64, u64)>,
}

impl Chain {
    /// With this packet a decoder can begin.
    fn opens_at(&mut self, sequence: u64) {
        if self.since.is_none() && self.broken.is_none_or(|(_, last)| last < sequence) {
            self.since = Some(sequence);
        }
    }

    /// It needed this packet and does not get it.
    fn breaks_at(&mut self, sequence: u64) {
        if let Some(since) = self.since.filter(|since| *since <= sequence)
            && let Some((first, _)) = self.broken.take()
        {
            self.earlier = Some((first, since));
        }
        self.broken =
            self.broken.map(|(first, last)| (first.min(sequence), last.max(sequence))).or(Some((sequence, sequence)));
        self.since = self.since.filter(|since| *since > sequence);
    }

    /// Whether it was intact when a packet was sent.
    fn is_intact_at(&self, sequence: u64) -> bool {
        let is_in = |(from, to): (u64, u64)| (from..to).contains(&sequence);
        self.since.is_some_and(|since| since <= sequence)
            || self.broken.is_none_or(|(first, _)| sequence < first) && !self.earlier.is_some_and(is_in)
    }
}

/// What became of the frames that a frame is predicted from; the worst of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Basis {
    Forwarded,
    /// Some are not told.
    Untold,
    /// Some may still come.
    Unseen,
    LeftOut,
}

impl Selector {
    /// Begins with a packet that begins a frame at which decoders can begin.
    pub fn enter(sequence: u64, timestamp: Timestamp, frame: &Frame, target: LayerIndex) -> Self {
        let switches = if frame.role.switches == Levels::NONE { frame.role.needed } else { frame.role.switches };
        let level = switches.iter().rfind(|level| *level <= target).or_else(|| switches.iter().next());
        let stay = Stay { from: sequence, since: sequence, level: level.unwrap_or(frame.layer) };
        let chain = |level| {
            let opens = switches.has(level);
            Chain { since: opens.then_some(sequence), broken: (!opens).then_some((sequence, sequence)), earlier: None }
        };
        Self {
            log: [stay; LOG],
            chains: LayerIndex::ALL.map(chain),
            fates: Fates::begin(frame.number),
            next: sequence,
            timestamp,
        }
    }

    /// What is forwarded now.
    pub fn level(&self) -> LayerIndex {
        self.log[0].level
    }

    /// Whether the target can be reached, or held, only by a frame that the sender has to be asked for.
    pub fn needs_switch(&self, target: LayerIndex) -> bool {
        target > self.level() || !self.is_intact(target)
    }

    /// Decides about a packet. One that comes later than others that were sent after it is decided about as it
    /// would have been in time.
    pub fn select(&mut self, sequence: u64, timestamp: Timestamp, frame: &Frame, target: LayerIndex) -> Verdict {
        let is_newest = sequence >= self.next;
        let mut begins_picture = false;
        if is_newest {
            self.next = sequence + 1;
            begins_picture = timestamp != std::mem::replace(&mut self.timestamp, timestamp);
        }
        let fate = match self.fates.get(frame.number) {
            // Its sender has begun to count anew since.
            Some(_) if !is_newest && self.fates.is_ahead(frame.number) => Fate::LeftOut,
            Some(fate) => fate,
            None => self.begin_again(is_newest, frame),
        };
        let forward = match fate {
            Fate::Forwarded => true,
            Fate::LeftOut => false,
            Fate::Unseen if is_newest => self.decide(sequence, frame, target, begins_picture),
            Fate::Unseen => self.decide_late(sequence, frame),
        };
        let level = if is_newest { Some(self.level()) } else { self.level_at(sequence) };
        let ends_picture = frame.ends && Some(frame.layer) == level && frame.layer != LayerIndex::HIGH;
        Verdict { forward, ends_picture, is_stuck: fate == Fate::Unseen && !self.is_intact(self.level()) }
    }

    /// It is told late that the stream has no layers above this one: whoever was to have them should have got what the
    /// highest has.
    pub fn cut_above(&mut self, top: LayerIndex) {
        let chain = self.chains[top.index()];
        self.chains[top.index()..].fill(chain);
    }

    /// A frame whose number is far behind the others is too late, or its sender has begun to count anew.
    fn begin_again(&mut self, is_newest: bool, frame: &Frame) -> Fate {
        if !(is_newest && frame.references.is_empty() && frame.role.switches != Levels::NONE) {
            return Fate::LeftOut;
        }
        self.fates = Fates::begin(frame.number);
        Fate::Unseen
    }

    /// Decides about a frame of which this packet is the first that came, and the stream's newest.
    fn decide(&mut self, sequence: u64, frame: &Frame, target: LayerIndex, begins_picture: bool) -> bool {
        if !frame.is_known {
            self.settle(sequence, frame, false);
            return false;
        }
        let basis = self.basis(frame);
        if basis == Basis::Forwarded || basis < Basis::LeftOut && self.is_given(frame, basis) {
            self.open(sequence, frame);
        }
        let is_open = |level: LayerIndex| {
            let chain = self.chains[level.index()];
            // To a level that goes on with a frame of which a part may not come nobody is moved.
            let follows = !frame.role.needed.has(level) || basis <= Basis::Untold || self.is_given(frame, basis);
            chain.since.filter(|_| follows)
        };
        let best = LayerIndex::ALL.into_iter().rev().filter(|level| *level <= target);
        let best = best.filter_map(|level| Some((level, is_open(level)?))).next();
        if let Some((level, since)) = best
            && (level > self.level() || level < self.level() && begins_picture)
        {
            self.log.rotate_right(1);
            self.log[0] = Stay { from: sequence, since, level };
        }
        let forward = self.is_given(frame, basis);
        self.settle(sequence, frame, forward);
        forward
    }

    /// Decides about a frame that comes late as a whole.
    fn decide_late(&mut self, sequence: u64, frame: &Frame) -> bool {
        let level = self.level_at(sequence);
        // Or one that was turned to in the hope that this would come.
        let later = self.log.iter().take_while(|stay| stay.from > sequence);
        let later = later.filter(|stay| stay.since <= sequence).map(|stay| stay.level);
        let wanted = later.chain(level).find(|level| frame.role.needed.has(*level));
        let forward = match (wanted, self.basis(frame)) {
            (None, _) | (_, Basis::LeftOut) => false,
            // Nobody can tell any more what it is, nor was anything forwarded that builds on it.
            _ if !frame.is_known => false,
            (Some(level), Basis::Untold | Basis::Unseen) => self.chains[level.index()].is_intact_at(sequence),
            (_, Basis::Forwarded) => true,
        };
        if forward {
            self.open(sequence, frame);
        }
        self.settle(sequence, frame, forward);
        forward
    }

    /// The level that held when a packet was sent; none if that is forgotten.
    fn level_at(&self, sequence: u64) -> Option<LayerIndex> {
        self.log.iter().find(|stay| stay.from <= sequence).map(|stay| stay.level)
    }

    /// Whether a receiver of the present level gets a frame with this basis.
    fn is_given(&self, frame: &Frame, basis: Basis) -> bool {
        let level = self.level();
        frame.role.needed.has(level)
            && match basis {
                Basis::Forwarded => true,
                // What it is predicted from may be left out in its turn.
                Basis::Untold | Basis::Unseen => self.is_intact(level),
                Basis::LeftOut => false,
            }
    }

    fn is_intact(&self, level: LayerIndex) -> bool {
        self.chains[level.index()].since.is_some()
    }

    fn open(&mut self, sequence: u64, frame: &Frame) {
        for level in frame.role.switches.iter() {
            self.chains[level.index()].opens_at(sequence);
        }
    }

    fn settle(&mut self, sequence: u64, frame: &Frame, forward: bool) {
        self.fates.set(frame.number, forward);
        if !forward {
            frame
                .role
                .needed
                .without(frame.role.discardable)
                .iter()
                .for_each(|level| self.chains[level.index()].breaks_at(sequence));
        }
    }

    fn basis(&self, frame: &Frame) -> Basis {
        let told = frame.references.distances().iter().map(|distance| {
            match self.fates.get(frame.number.wrapping_sub(*distance)) {
                Some(Fate::Forwarded) => Basis::Forwarded,
                Some(Fate::Unseen) => Basis::Unseen,
                Some(Fate::LeftOut) => Basis::LeftOut,
                None => Basis::Untold,
            }
        });
        told.fold(if frame.references.untold { Basis::Untold } else { Basis::Forwarded }, Basis::max)
    }
}

#[cfg(test)]
mod tests;
