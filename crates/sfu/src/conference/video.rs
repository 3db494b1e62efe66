//! Which picture is in which video slot, and which layer of it.

use std::time::Duration;

use conclave_proto::SourceKind;

use super::{Conference, Output};
use crate::allocation::{self, Picture};
use crate::estimate::Budget;
use crate::layers::{self, Layers};
use crate::leg::{Leg, Listening, Showing, SourceId, StreamId, Target};
use crate::rtp::{Bitrate, LayerIndex, LegId, Time};
use crate::stream::Stream;
use crate::table::Key;

/// What is kept free for each sound even while it is quieter.
const AUDIO_RESERVE: Bitrate = Bitrate::kbps(32);

/// A shared screen on the stage that exceeds the estimate by no more than this (in percent of it) is
/// sent all the same: it has no smaller layer, and is seldom at its full rate for long.
const STAGE_TOLERANCE_PERCENT: u64 = 140;

/// What such a screen is counted with at most, in percent of what may be used.
const STAGE_SHARE_PERCENT: u64 = 85;

/// What says how a stream is to be read is asked for with a key frame after this time without it: before, it may
/// come by being repeated.
const UNREAD_TIME: Duration = Duration::from_millis(250);

/// The highest priority: a shared screen on the stage.
const STAGE: u8 = 3;

/// A picture while bandwidth is allocated.
struct Candidate {
    slot: usize,
    layers: Layers,
    /// The leg that delivers it.
    feed: Option<Key>,
}

impl Conference {
    /// Gives the pictures that a leg shows its slots. A picture that has one keeps it; a new one takes
    /// the slot that has been free for longest, so that what is still under way in it has passed.
    pub(super) fn assign_video(&mut self, now: Time, key: Key) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        leg.must_assign = false;
        if !leg.connected {
            return;
        }
        let (person, slots) = (leg.person, leg.video.len());
        let mut wanted: Vec<(SourceId, usize)> = Vec::with_capacity(slots);
        for (position, item) in self.legs.get(key).map_or(&[][..], |leg| &leg.view).iter().enumerate() {
            let Some(shown) = self.by_id.get(&item.participant).copied() else { continue };
            let source = SourceId { person: shown, kind: item.source };
            let is_on = self.people.get(shown).is_some_and(|person| person.media.has(item.source));
            let is_known = wanted.iter().any(|(other, _)| *other == source);
            if wanted.len() < slots && is_on && shown != person && !item.source.is_audio() && !is_known {
                wanted.push((source, position));
            }
        }
        for index in 0..slots {
            let source = self.showing(key, index).map(|showing| showing.source);
            if source.is_some_and(|source| wanted.iter().all(|(other, _)| *other != source)) {
                self.release_video(now, key, index);
            }
        }
        for (source, position) in wanted {
            self.show(key, source, position);
        }
        self.must_allocate(key);
    }

    fn showing(&self, leg: Key, slot: usize) -> Option<&Showing> {
        self.legs.get(leg)?.video.get(slot)?.carries.as_ref()
    }

    /// Brings what a slot shows in line with an item of the view, taking a free slot if there is none.
    fn show(&mut self, key: Key, source: SourceId, position: usize) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        let Some(item) = leg.view.get(position) else { return };
        let holds =
            |slot: &crate::leg::Slot<Showing>| slot.carries.as_ref().is_some_and(|showing| showing.source == source);
        if let Some(showing) = leg.video.iter_mut().find(|slot| holds(slot)).and_then(|slot| slot.carries.as_mut()) {
            let before = (showing.width, showing.height, showing.priority);
            showing.view_changed |= before != (item.width, item.height, item.priority);
            (showing.width, showing.height, showing.priority) = (item.width, item.height, item.priority);
            showing.position = position;
            return;
        }
        let free = leg.video.iter_mut().enumerate().filter(|(_, slot)| slot.carries.is_none());
        let Some((index, slot)) = free.min_by_key(|(_, slot)| slot.released_at) else { return };
        let Some(person) = self.people.get_mut(source.person) else { return };
        slot.carries = Some(Showing {
            source,
            place: person.source_mut(source.kind).attach(key, index),
            after: slot.rewriter.last_timestamp(),
            width: item.width,
            height: item.height,
            priority: item.priority,
            position,
            view_changed: true,
            allocated: None,
            hoped: None,
            paused: false,
            steadiness: layers::Steadiness::default(),
            current: None,
            target: None,
            selector: None,
            before: None,
        });
        self.must_tell_slots(key);
    }

    /// Empties a slot. What it carried stops at once.
    pub(super) fn release_video(&mut self, now: Time, key: Key, index: usize) {
        let slot = self.legs.get_mut(key).and_then(|leg| leg.video.get_mut(index));
        let Some(showing) = slot.and_then(|slot| slot.release(now)) else { return };
        self.detach(showing.source, showing.place);
        self.wishes.push(showing.source);
        self.must_tell_slots(key);
        self.must_allocate(key);
    }

    /// The layers of a source changed: whoever shows it chooses again.
    pub(super) fn allocate_viewers(&mut self, source: SourceId) {
        let Some(found) = self.people.get(source.person).map(|person| person.source(source.kind)) else { return };
        if source.kind.is_audio() {
            return;
        }
        for (viewer, _) in &found.slots {
            if let Some(leg) = self.legs.get_mut(*viewer)
                && !std::mem::replace(&mut leg.must_allocate, true)
            {
                self.allocate.push(*viewer);
            }
        }
    }

    /// Divides a leg's bandwidth among the pictures that it shows, and chooses what to forward.
    pub(super) fn allocate_video(&mut self, now: Time, key: Key) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        leg.must_allocate = false;
        leg.allocated_at = now;
        let (estimate, budget) = (leg.estimate.latest(), leg.estimate.budget(now));
        let Some(leg) = self.legs.get(key) else { return };
        // Sound never starves: its share is taken off before anything else is divided.
        let audio = self.sounds_of(leg);
        let budget = budget.without(audio);
        let mut order: Vec<usize> = (0..leg.video.len()).filter(|slot| leg.video[*slot].carries.is_some()).collect();
        order.sort_by_key(|slot| leg.video[*slot].carries.as_ref().map(|showing| showing.position));
        let (candidates, pictures): (Vec<_>, Vec<_>) =
            order.into_iter().filter_map(|slot| self.candidate(now, leg, slot, budget)).unzip();
        let choice = allocation::allocate(budget, &pictures);
        let cost = |picture: &Picture, layer: Option<LayerIndex>| {
            layer.and_then(|layer| picture.rates[layer.index()]).unwrap_or_default()
        };
        let spent: Bitrate = pictures.iter().enumerate().map(|(at, picture)| cost(picture, choice.get(at))).sum();
        let spare = budget.raise.saturating_sub(spent);

        let mut changed = false;
        let mut wanted = audio;
        let mut asks = Vec::new();
        for (at, (candidate, picture)) in candidates.iter().zip(&pictures).enumerate() {
            let allocated = choice.get(at);
            let best = picture.best();
            wanted += best.map_or(Bitrate::ZERO, |(_, rate)| rate);
            let Some(leg) = self.legs.get_mut(key) else { continue };
            let Some(slot) = leg.video.get_mut(candidate.slot) else { continue };
            let Some(showing) = &mut slot.carries else { continue };
            let was_possible = picture.current.is_none_or(|layer| picture.rates[layer.index()].is_some());
            if was_possible && !std::mem::take(&mut showing.view_changed) {
                showing.steadiness.changed(now, picture.current, allocated, estimate);
                leg.trials.changed(now, picture.current, allocated);
            }
            let source = showing.source;
            let unlimited = allocated == best.map(|(layer, _)| layer);
            let hoped = if unlimited { Some(picture.wanted) } else { allocated };
            if (showing.allocated, showing.hoped) != (allocated, hoped) {
                self.wishes.push(source);
            }
            (showing.allocated, showing.hoped) = (allocated, hoped);
            let paused = allocated.is_none() && best.is_some();
            changed |= std::mem::replace(&mut showing.paused, paused) != paused;
            if paused {
                showing.end_current();
                showing.target = None;
                slot.rewriter.stop();
                continue;
            }
            let layer = allocated.and_then(|layer| candidate.layers.choose(layer, spare));
            showing.target = layer.zip(candidate.feed).and_then(|(layer, leg)| {
                let lane = candidate.layers.lanes[layer.index()]?;
                Some(Target { stream: StreamId { leg, lane }, layer })
            });
            asks.extend(showing.target.map(|target| (candidate.slot, target.stream)));
        }
        for (index, stream) in asks {
            if self.showing(key, index).is_some_and(|showing| self.waits(showing)) {
                self.watch_keyframes(now, stream, true);
            }
        }
        let sending = audio + self.sent_rate(key);
        if let Some(leg) = self.legs.get_mut(key) {
            (leg.allocated, leg.estimated) = (audio + spent, estimate);
            leg.demand.sending = sending;
            leg.demand.wanted = wanted;
        }
        if changed {
            self.must_tell_slots(key);
        }
    }

    /// What a slot's picture could be, for the allocation.
    fn candidate(&self, now: Time, leg: &Leg, slot: usize, budget: Budget) -> Option<(Candidate, Picture)> {
        let showing = leg.video.get(slot)?.carries.as_ref()?;
        let kind = showing.source.kind;
        let source = self.people.get(showing.source.person)?.source(kind);
        let feed = source.feed.map(|feed| feed.leg);
        let streams = feed.and_then(|feed| self.legs.get(feed)).map_or(&self.nothing, |leg| &leg.streams);
        let layers = Layers::observe(now, kind, streams, &source.wish.asked, |codec| leg.decodes(codec));
        let mut rates = layers.rates;
        let priority = if kind == SourceKind::Screen && showing.priority > 0 { STAGE } else { showing.priority };
        // Harder to get in than to stay, as for every picture.
        let most = if showing.allocated.is_some() { budget.keep } else { budget.raise };
        if priority == STAGE
            && let Some(smallest) = rates.iter_mut().flatten().next()
            && *smallest <= most.percent(STAGE_TOLERANCE_PERCENT)
        {
            *smallest = (*smallest).min(most.percent(STAGE_SHARE_PERCENT));
        }
        let picture = Picture {
            rates,
            wanted: layers::wanted(kind, streams, showing.width, showing.height),
            priority,
            current: showing.allocated,
            // For what somebody wants to see otherwise than before, the other pictures make room at once.
            may_change: leg.view_changed() || showing.steadiness.may_change(now),
            may_rise: showing.view_changed
                || leg.trials.may_begin(now) && showing.steadiness.may_rise(now, leg.estimate.latest()),
            may_resume: showing.steadiness.may_resume(now),
        };
        Some((Candidate { slot, layers, feed }, picture))
    }

    /// What the sounds in a leg's slots take, with the copies that go with them.
    fn sounds_of(&self, leg: &Leg) -> Bitrate {
        let cost = |sound: &Listening| {
            let stream = sound.current.and_then(|current| self.stream(current.stream));
            let bare = stream.and_then(Stream::rate_without_copies).unwrap_or_default();
            let copy = stream.and_then(Stream::rate_of_a_copy).unwrap_or_default();
            bare.max(AUDIO_RESERVE) + Bitrate::bps(copy.as_bps() * u64::from(leg.copies))
        };
        leg.audio.iter().filter_map(|slot| slot.carries.as_ref()).map(cost).sum()
    }

    /// What the pictures that are forwarded to a leg take.
    fn sent_rate(&self, leg: Key) -> Bitrate {
        let slots = self.legs.get(leg).into_iter().flat_map(|leg| &leg.video);
        let rate = |showing: &Showing| {
            let stream = self.stream(showing.current?.stream)?;
            stream.rate_up_to(showing.layer(stream)?)
        };
        slots.filter_map(|slot| rate(slot.carries.as_ref()?)).sum()
    }

    pub(super) fn stream(&self, id: StreamId) -> Option<&Stream> {
        self.legs.get(id.leg).map(|leg| &leg.streams[id.lane.index()])
    }

    fn waits(&self, showing: &Showing) -> bool {
        let sender = showing.target.and_then(|target| self.legs.get(target.stream.leg));
        sender.is_some_and(|sender| Leg::waits_for(showing, &sender.streams))
    }

    /// Asks for a key frame if one is needed and it is not too early. `waiting`: a slot waits for it.
    pub(super) fn request_keyframe(&mut self, now: Time, id: StreamId, waiting: bool) {
        let Some(leg) = self.legs.get_mut(id.leg) else { return };
        if leg.streams[id.lane.index()].keyframes.take(now, waiting) {
            let (source, layer) = (id.lane.kind(), id.lane.layer());
            self.outputs.push_back(Output::RequestKeyframe { leg: LegId(id.leg), source, layer });
        }
    }

    /// A slot waits for a key frame of a stream, or a receiver wants one: asks for it now and, as long as that
    /// is so, again.
    pub(super) fn watch_keyframes(&mut self, now: Time, id: StreamId, waits: bool) {
        self.request_keyframe(now, id, waits);
        let Some(leg) = self.legs.get_mut(id.leg) else { return };
        if !std::mem::replace(&mut leg.streams[id.lane.index()].keyframes.is_watched, true) {
            self.awaited.push(id);
        }
    }

    /// Asks again for the key frames that have not come.
    pub(super) fn repeat_keyframe_requests(&mut self, now: Time) {
        for id in std::mem::take(&mut self.awaited) {
            let is_waited_for = self.is_waited_for(id);
            let Some(leg) = self.legs.get_mut(id.leg) else { continue };
            let stream = &mut leg.streams[id.lane.index()];
            let unread_since = stream.held.unread_since();
            let waits = is_waited_for || unread_since.is_some_and(|since| now.since(since) >= UNREAD_TIME);
            let keyframes = &mut stream.keyframes;
            keyframes.is_watched = waits || unread_since.is_some() || keyframes.is_wanted();
            if keyframes.is_watched {
                self.awaited.push(id);
                self.request_keyframe(now, id, waits);
            }
        }
    }

    /// Whether a slot goes on only with a key frame of this stream.
    fn is_waited_for(&self, id: StreamId) -> bool {
        let Some(sender) = self.legs.get(id.leg) else { return false };
        let Some(source) = self.people.get(sender.person).map(|person| person.source(id.lane.kind())) else {
            return false;
        };
        source.slots.iter().any(|(viewer, index)| {
            let slot = self.legs.get(*viewer).and_then(|leg| leg.video.get(usize::from(*index)));
            let showing = slot.and_then(|slot| slot.carries.as_ref());
            showing.is_some_and(|showing| {
                showing.target.is_some_and(|target| target.stream == id) && Leg::waits_for(showing, &sender.streams)
            })
        })
    }

    /// Takes a slot out of the list of those that carry a source.
    pub(super) fn detach(&mut self, source: SourceId, place: usize) {
        let Some(person) = self.people.get_mut(source.person) else { return };
        let Some((leg, index)) = person.source_mut(source.kind).detach(place) else { return };
        let Some(leg) = self.legs.get_mut(leg) else { return };
        if source.kind.is_audio() {
            let moved = leg.audio.get_mut(usize::from(index)).and_then(|slot| slot.carries.as_mut());
            moved.into_iter().for_each(|listening| listening.place = place);
        } else {
            let moved = leg.video.get_mut(usize::from(index)).and_then(|slot| slot.carries.as_mut());
            moved.into_iter().for_each(|showing| showing.place = place);
        }
    }
}
