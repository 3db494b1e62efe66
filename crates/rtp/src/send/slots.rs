//! Which streams a sender has.

use std::collections::HashSet;

use super::Sender;
use super::config::{BadSlots, SlotConfig};
use super::numbers::Numbers;
use super::parity::Protection;
use super::shift::Shift;
use super::slot::Slot;
use crate::Ssrc;

/// So many sources that came and went are remembered.
const MOST_GONE: usize = 1_024;
/// The longest value of a one-byte header extension.
const LONGEST_MID: usize = 16;
/// What a CNAME item can hold without filling a packet.
const LONGEST_CNAME: usize = 64;

/// A source of ours that feedback may speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub ssrc: Ssrc,
    pub slot: u16,
    pub carries: Carries,
}

/// What a source of ours is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carries {
    Media,
    Retransmissions,
    Parity,
}

/// A source that was used, and the index from which on it may be used again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gone {
    ssrc: Ssrc,
    end: u64,
    /// By how much its numbers on the wire were ahead.
    shift: u64,
}

impl Sender {
    /// Replaces the slots. A slot's number is its position. One whose source was there before keeps its numbers, its
    /// statistics and what it sent, wherever it was; what waits for slots that are gone is dropped.
    ///
    /// # Errors
    /// [`BadSlots`]; nothing has changed then.
    pub fn set_slots(&mut self, slots: Vec<SlotConfig>) -> Result<(), BadSlots> {
        self.check(&slots)?;
        // All numbers are put where they are remembered, and each new slot takes from there: however sources change
        // places, none begins anew.
        let mut old: Vec<Option<Slot>> = Vec::new();
        for slot in std::mem::take(&mut self.slots) {
            self.bury(slot.config.ssrc, slot.numbers.end(), slot.shift.now());
            if let Some(rtx) = slot.config.rtx {
                self.bury(rtx, slot.next_rtx, 0);
            }
            if let Some(parity) = slot.parity_source() {
                self.bury(parity, slot.next_parity, 0);
            }
            old.push(Some(slot));
        }
        let mut places: Vec<Option<u16>> = vec![None; old.len()];
        for (place, config) in (0..).zip(slots) {
            let is_same = |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.config.ssrc == config.ssrc);
            let before = old.iter().position(is_same);
            if let Some(index) = before {
                places[index] = Some(place);
            }
            let slot = self.make_slot(before.and_then(|index| old[index].take()), config);
            self.slots.push(slot);
        }
        let moved = |slot: u16| places.get(usize::from(slot)).copied().flatten();
        self.queue.relocate(moved);
        self.retransmissions.relocate(moved);
        self.copies.forget_awaited();
        self.events = self.events.iter().copied().filter_map(moved).collect();
        if self.slots.iter().any(|slot| slot.config.parity.is_some()) {
            self.protection.get_or_insert_with(|| Box::new(Protection::new())).set_slots(self.slots.len());
        } else {
            self.protection = None;
        }
        self.index();
        Ok(())
    }

    /// The slot, and whether it is its source of retransmissions.
    pub(super) fn find(&self, ssrc: Ssrc) -> Option<Source> {
        let index = self.sources.binary_search_by_key(&ssrc, |source| source.ssrc).ok()?;
        Some(self.sources[index])
    }

    fn check(&self, slots: &[SlotConfig]) -> Result<(), BadSlots> {
        if slots.len() > Self::MOST_SLOTS {
            return Err(BadSlots::TooMany);
        }
        let mut sources = HashSet::new();
        if !slots
            .iter()
            .flat_map(|slot| [Some(slot.ssrc), slot.rtx, slot.parity_source()])
            .flatten()
            .all(|ssrc| sources.insert(ssrc))
        {
            return Err(BadSlots::SameSource);
        }
        let is_long =
            |slot: &SlotConfig| slot.mid.as_ref().is_some_and(|mid| mid.len() > LONGEST_MID || mid.is_empty());
        if slots.iter().any(is_long) || self.config.cname.len() > LONGEST_CNAME {
            return Err(BadSlots::LongName);
        }
        if self.gone.len() + self.sources.len() > MOST_GONE {
            return Err(BadSlots::TooManyGone);
        }
        Ok(())
    }

    fn make_slot(&mut self, before: Option<Slot>, config: SlotConfig) -> Slot {
        let end = self.exhume(config.ssrc);
        // Below 2^15, or where the source's numbers ended.
        let random = self.random.next() & 0x7fff;
        let next_rtx = config.rtx.and_then(|rtx| self.exhume(rtx)).map_or(random, |gone| gone.end);
        let parity = config.parity_source().and_then(|parity| self.exhume(parity));
        let next_parity = parity.map_or(random ^ 0x2aaa, |gone| gone.end);
        match before {
            Some(mut slot) => {
                slot.reconfigure(config, next_rtx, next_parity);
                slot
            }
            None => {
                let numbers = end.map_or_else(Numbers::new, |gone| Numbers::used_up_to(gone.end));
                let shift = end.map_or_else(Shift::default, |gone| Shift::from_then_on(gone.shift));
                Slot::new(config, numbers, shift, next_rtx, next_parity)
            }
        }
    }

    fn bury(&mut self, ssrc: Ssrc, end: u64, shift: u64) {
        if end > 0 {
            self.gone.push(Gone { ssrc, end, shift });
        }
    }

    fn exhume(&mut self, ssrc: Ssrc) -> Option<Gone> {
        let index = self.gone.iter().position(|gone| gone.ssrc == ssrc)?;
        Some(self.gone.swap_remove(index))
    }

    pub(super) fn index(&mut self) {
        self.sources.clear();
        for (place, slot) in (0..).zip(&self.slots) {
            let source = |ssrc, carries| Source { ssrc, slot: place, carries };
            self.sources.push(source(slot.config.ssrc, Carries::Media));
            self.sources.extend(slot.config.rtx.map(|ssrc| source(ssrc, Carries::Retransmissions)));
            self.sources.extend(slot.parity_source().map(|ssrc| source(ssrc, Carries::Parity)));
        }
        self.sources.sort_unstable_by_key(|source| source.ssrc);
        let is_there = |ssrc: Ssrc| self.sources.binary_search_by_key(&ssrc, |source| source.ssrc).is_ok();
        self.acknowledgements.retain(is_there);
        let by_source = self.by_source;
        let is_numbered = |slot: &Slot| slot.is_numbered(by_source);
        // Padding is for those who say what arrived.
        let pads = |slot: &Slot| slot.padding_type().is_some() && !slot.config.is_audio && is_numbered(slot);
        self.padding_slot = (0..).zip(&self.slots).find(|(_, slot)| pads(slot)).map(|(place, _)| place);
        let is_numbered = self.slots.iter().any(is_numbered);
        if self.feedback.since.is_none() {
            // Without numbers there will never be any.
            self.feedback.is_missing = !is_numbered && !self.slots.is_empty();
        }
    }
}
