//! What the senders are asked for: only what somebody needs.

use conclave_proto::SourceKind;

use super::{Conference, Output};
use crate::layers;
use crate::leg::SourceId;
use crate::rtp::{LayerIndex, Time};

const PICTURES: [SourceKind; 2] = [SourceKind::Camera, SourceKind::Screen];

impl Conference {
    /// Every wish is to be looked at again.
    pub(super) fn wish_everything(&mut self) {
        let people = self.people.iter().map(|(person, _)| person);
        self.wishes.extend(people.flat_map(|person| PICTURES.map(|kind| SourceId { person, kind })));
    }

    pub(super) fn update_wish(&mut self, now: Time, id: SourceId) {
        let needed = self.needed(id);
        let codec = self.codec();
        let Some(person) = self.people.get_mut(id.person) else { return };
        if person.legs.is_empty() {
            return;
        }
        if let Some(wish) = person.source_mut(id.kind).wish.update(now, id.kind, codec, needed) {
            self.outputs.push_back(Output::PublishWish { participant: person.id.clone(), wish });
        }
    }

    /// The layers of a source that somebody needs.
    fn needed(&self, id: SourceId) -> [bool; LayerIndex::COUNT] {
        let mut needed = [false; LayerIndex::COUNT];
        let Some(person) = self.people.get(id.person) else { return needed };
        if !person.media.has(id.kind) {
            // So that it begins with everything when it is turned on, rather than after a round trip.
            return [true; LayerIndex::COUNT];
        }
        for (viewer, index) in &person.source(id.kind).slots {
            let slot = self.legs.get(*viewer).and_then(|leg| leg.video.get(usize::from(*index)));
            let Some(showing) = slot.and_then(|slot| slot.carries.as_ref()) else { continue };
            // The smallest is what everybody falls back to.
            needed[0] = true;
            let stream = showing.current.and_then(|current| self.stream(current.stream));
            let forwarded = stream.and_then(|stream| showing.layer(stream));
            let layers = forwarded.into_iter().chain(showing.target.map(|target| target.layer));
            let layers = layers.chain(showing.allocated).chain(showing.hoped);
            layers.for_each(|layer| needed[layer.index()] = true);
        }
        needed
    }

    /// Notes which layers came or went without a packet having told.
    pub(super) fn watch_layers(&mut self) {
        let mut gone = Vec::new();
        for (person, found) in self.people.iter() {
            for kind in PICTURES {
                let source = found.source(kind);
                let Some(leg) = source.feed.and_then(|feed| self.legs.get(feed.leg)) else { continue };
                let live = layers::live(kind, &leg.streams);
                let shown = source.slots.iter().filter_map(|(viewer, index)| {
                    self.legs.get(*viewer)?.video.get(usize::from(*index))?.carries.as_ref()?.target
                });
                if shown.into_iter().any(|target| !live[target.layer.index()]) {
                    gone.push(SourceId { person, kind });
                }
            }
        }
        gone.into_iter().for_each(|source| self.allocate_viewers(source));
    }
}
