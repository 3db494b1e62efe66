//! Which picture is in which video slot, and which layer of it.

use conclave_proto::{SourceKind, VideoCodec};

use super::{Conference, Output};
use crate::allocation::{self, Picture};
use crate::layers::{self, Layers};
use crate::leg::{Leg, Showing, SourceId, StreamId, Target};
use crate::rtp::{Bitrate, LayerIndex, LegId, Time};
use crate::stream::{Lane, Stream};
use crate::table::Key;

/// What is sent to a leg whose congestion control has not spoken yet.
const INITIAL_ESTIMATE: Bitrate = Bitrate::kbps(1_200);

/// What is kept free for each sound even while it is quieter.
const AUDIO_RESERVE: Bitrate = Bitrate::kbps(32);

/// A shared screen on the stage that exceeds the estimate by no more than this (in percent of it) is
/// sent all the same: it has no smaller layer, and is seldom at its full rate for long.
const STAGE_TOLERANCE_PERCENT: u64 = 140;

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
        slot.carries = Some(Showing {
            source,
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
        });
        if let Some(person) = self.people.get_mut(source.person) {
            person.source_mut(source.kind).slots.push((key, index as u8));
        }
        self.must_tell_slots(key);
    }

    /// Empties a slot. What it carried stops at once.
    pub(super) fn release_video(&mut self, now: Time, key: Key, index: usize) {
        let slot = self.legs.get_mut(key).and_then(|leg| leg.video.get_mut(index));
        let Some(showing) = slot.and_then(|slot| slot.release(now)) else { return };
        if let Some(person) = self.people.get_mut(showing.source.person) {
            person.source_mut(showing.source.kind).slots.retain(|place| *place != (key, index as u8));
        }
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
        let Some(leg) = self.legs.get(key) else { return };
        let audio = self.audio_rate(leg);
        let budget = leg.estimate.unwrap_or(INITIAL_ESTIMATE).saturating_sub(audio);
        let mut order: Vec<usize> = (0..leg.video.len()).filter(|slot| leg.video[*slot].carries.is_some()).collect();
        order.sort_by_key(|slot| leg.video[*slot].carries.as_ref().map(|showing| showing.position));
        let (candidates, pictures): (Vec<_>, Vec<_>) =
            order.into_iter().filter_map(|slot| self.candidate(now, leg, slot, budget)).unzip();
        let choice = allocation::allocate(budget, &pictures);
        let cost = |picture: &Picture, layer: Option<LayerIndex>| {
            layer.and_then(|layer| picture.rates[layer.index()]).unwrap_or_default()
        };
        let spent: Bitrate = pictures.iter().enumerate().map(|(at, picture)| cost(picture, choice.get(at))).sum();
        let spare = budget.saturating_sub(spent);

        let mut changed = false;
        let mut wanted = audio;
        let mut asks = Vec::new();
        for (at, (candidate, picture)) in candidates.iter().zip(&pictures).enumerate() {
            let allocated = choice.get(at);
            let best = picture.best();
            wanted += best.map_or(Bitrate::ZERO, |(_, rate)| rate);
            let Some(slot) = self.legs.get_mut(key).and_then(|leg| leg.video.get_mut(candidate.slot)) else { continue };
            let Some(showing) = &mut slot.carries else { continue };
            let was_possible = picture.current.is_none_or(|layer| picture.rates[layer.index()].is_some());
            if was_possible && !std::mem::take(&mut showing.view_changed) {
                showing.steadiness.changed(now, picture.current, allocated);
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
                (showing.current, showing.target) = (None, None);
                slot.rewriter.stop();
                continue;
            }
            let layer = allocated.and_then(|layer| candidate.layers.choose(layer, spare));
            showing.target = layer.zip(candidate.feed).and_then(|(layer, leg)| {
                let lane = candidate.layers.lanes[layer.index()]?;
                Some(Target { stream: StreamId { leg, lane }, layer })
            });
            asks.extend(showing.target.map(|target| target.stream));
        }
        for stream in asks {
            let showing =
                self.legs.get(key).into_iter().flat_map(|leg| &leg.video).filter_map(|slot| slot.carries.as_ref());
            let mut aims = showing.filter(|showing| showing.target.is_some_and(|target| target.stream == stream));
            let waits = aims.any(|showing| self.waits(showing));
            self.request_keyframe(now, stream, waits);
        }
        let sending = audio + self.sent_rate(key);
        if let Some(leg) = self.legs.get_mut(key) {
            leg.demand.sending = sending;
            leg.demand.wanted = wanted;
        }
        if changed {
            self.must_tell_slots(key);
        }
    }

    /// What a slot's picture could be, for the allocation.
    fn candidate(&self, now: Time, leg: &Leg, slot: usize, budget: Bitrate) -> Option<(Candidate, Picture)> {
        let showing = leg.video.get(slot)?.carries.as_ref()?;
        let kind = showing.source.kind;
        let source = self.people.get(showing.source.person)?.source(kind);
        let feed = source.feed.map(|feed| feed.leg);
        let streams = feed.and_then(|feed| self.legs.get(feed)).map_or(&self.nothing, |leg| &leg.streams);
        let layers = Layers::observe(now, kind, streams, &source.wish.asked, |codec| leg.decodes(codec));
        let mut rates = layers.rates;
        let priority = if kind == SourceKind::Screen && showing.priority > 0 { STAGE } else { showing.priority };
        let tolerated = budget.percent(STAGE_TOLERANCE_PERCENT);
        if priority == STAGE
            && let Some(smallest) = rates.iter_mut().flatten().next()
            && *smallest <= tolerated
        {
            *smallest = (*smallest).min(budget.percent(85));
        }
        let picture = Picture {
            rates,
            wanted: layers::wanted(kind, streams, showing.width, showing.height),
            priority,
            current: showing.allocated,
            may_rise: showing.view_changed || showing.steadiness.may_rise(now),
            may_resume: showing.steadiness.may_resume(now),
        };
        Some((Candidate { slot, layers, feed }, picture))
    }

    /// What the sounds in a leg's slots take.
    fn audio_rate(&self, leg: &Leg) -> Bitrate {
        let sounds = leg.audio.iter().filter_map(|slot| slot.carries.as_ref());
        sounds
            .map(|sound| {
                sound
                    .current
                    .and_then(|current| self.stream(current.stream)?.rate())
                    .unwrap_or_default()
                    .max(AUDIO_RESERVE)
            })
            .sum()
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

    /// Asks again for the key frames that have not come.
    pub(super) fn repeat_keyframe_requests(&mut self, now: Time) {
        let slots = self.legs.iter().flat_map(|(_, leg)| &leg.video);
        let waiting = slots.filter_map(|slot| slot.carries.as_ref()).filter(|showing| self.waits(showing));
        let waiting: Vec<StreamId> = waiting.filter_map(|showing| Some(showing.target?.stream)).collect();
        waiting.into_iter().for_each(|stream| self.request_keyframe(now, stream, true));
        let lanes = LayerIndex::ALL.into_iter().filter_map(|layer| Lane::new(SourceKind::Camera, layer));
        let lanes: Vec<Lane> = lanes.chain(Lane::new(SourceKind::Screen, LayerIndex::LOW)).collect();
        let mut wanted = Vec::new();
        for (leg, found) in self.legs.iter() {
            let asked = lanes.iter().filter(|lane| found.streams[lane.index()].keyframes.is_wanted());
            wanted.extend(asked.map(|lane| StreamId { leg, lane: *lane }));
        }
        wanted.into_iter().for_each(|stream| self.request_keyframe(now, stream, false));
    }

    /// The codec that the room prefers among those that everybody who is here can decode.
    pub(super) fn codec(&self) -> VideoCodec {
        use conclave_proto::CodecPreference::{Auto, Av1, H264, Vp8, Vp9};
        let order: &[VideoCodec] = match self.preference {
            Vp8 => &[],
            Auto | H264 => &[VideoCodec::H264],
            Vp9 => &[VideoCodec::Vp9, VideoCodec::H264],
            Av1 => &[VideoCodec::Av1, VideoCodec::H264],
        };
        let by_all = |codec: &VideoCodec| self.legs.iter().all(|(_, leg)| leg.decodes.has(*codec));
        order.iter().copied().find(by_all).unwrap_or(VideoCodec::Vp8)
    }
}
