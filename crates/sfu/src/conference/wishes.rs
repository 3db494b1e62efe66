//! What the senders are asked for: only what somebody needs.

use conclave_proto::{SourceKind, VideoCodec};

use super::{Conference, Output, VIDEO_CODECS};
use crate::layers;
use crate::leg::{Decodes, SourceId};
use crate::person::Wished;
use crate::rtp::{LayerIndex, Time};
use crate::table::Key;

const PICTURES: [SourceKind; 2] = [SourceKind::Camera, SourceKind::Screen];

impl Conference {
    /// The codec that the room prefers among those that everybody who is here can decode.
    pub(super) fn codec(&self) -> VideoCodec {
        use conclave_proto::CodecPreference::{Auto, Av1, H264, Vp8, Vp9};
        let order: &[VideoCodec] = match self.preference {
            Vp8 => &[],
            Auto | H264 => &[VideoCodec::H264],
            Vp9 => &[VideoCodec::Vp9, VideoCodec::H264],
            Av1 => &[VideoCodec::Av1, VideoCodec::H264],
        };
        let by_all = |codec: &VideoCodec| self.decoders[*codec as usize] == self.legs.len();
        order.iter().copied().find(by_all).unwrap_or(VideoCodec::Vp8)
    }

    /// Counts what a leg decodes, or no longer counts it.
    pub(super) fn count_decoders(&mut self, decodes: Decodes, is_here: bool) {
        for codec in VIDEO_CODECS.into_iter().filter(|codec| decodes.has(*codec)) {
            let count = &mut self.decoders[codec as usize];
            *count = if is_here { *count + 1 } else { count.saturating_sub(1) };
        }
    }

    /// Somebody came or went, or can decode something else: if that changes the codec, everybody's wish
    /// changes.
    pub(super) fn review_codec(&mut self) {
        if self.codec() != self.wished_codec {
            self.wished_codec = self.codec();
            let people = self.people.iter().map(|(person, _)| person);
            self.wishes.extend(people.flat_map(|person| PICTURES.map(|kind| SourceId { person, kind })));
        }
    }

    /// A person's wishes are to be looked at again.
    pub(super) fn wish_of(&mut self, person: Key) {
        self.wishes.extend(PICTURES.map(|kind| SourceId { person, kind }));
    }

    /// Looks again at the wishes that change with time: of sources that are on, and those that could not be
    /// told yet.
    pub(super) fn wish_with_time(&mut self) {
        self.wishes.append(&mut self.late_wishes);
        for person in &self.publishers {
            self.wishes.extend(PICTURES.map(|kind| SourceId { person: *person, kind }));
        }
    }

    /// Notes whether a person has a picture to send.
    pub(super) fn note_publisher(&mut self, key: Key) {
        let publishes =
            self.people.get(key).is_some_and(|person| PICTURES.into_iter().any(|kind| person.media.has(kind)));
        let at = self.publishers.iter().position(|publisher| *publisher == key);
        match (at, publishes) {
            (None, true) => self.publishers.push(key),
            (Some(at), false) => drop(self.publishers.swap_remove(at)),
            (None, false) | (Some(_), true) => {}
        }
    }

    pub(super) fn update_wish(&mut self, now: Time, id: SourceId) {
        let needed = self.needed(id);
        let codec = self.codec();
        let Some(person) = self.people.get_mut(id.person) else { return };
        if person.legs.is_empty() {
            return;
        }
        match person.source_mut(id.kind).wish.update(now, id.kind, codec, needed) {
            Wished::Tell(wish) => {
                self.outputs.push_back(Output::PublishWish { participant: person.id.clone(), wish });
            }
            // Those who publish are looked at again anyway.
            Wished::TooEarly if !person.media.has(id.kind) => self.late_wishes.push(id),
            Wished::TooEarly | Wished::Unchanged => {}
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
            if needed == [true; LayerIndex::COUNT] {
                break;
            }
        }
        needed
    }

    /// Notes which layers came or went without a packet having told.
    pub(super) fn watch_layers(&mut self) {
        let mut changed = Vec::new();
        for person in &self.publishers {
            for kind in PICTURES {
                let Some(source) = self.people.get_mut(*person).map(|found| found.source_mut(kind)) else { continue };
                let Some(leg) = source.feed.and_then(|feed| self.legs.get(feed.leg)) else { continue };
                let live = layers::live(kind, &leg.streams);
                if std::mem::replace(&mut source.live, live) != live {
                    changed.push(SourceId { person: *person, kind });
                }
            }
        }
        changed.into_iter().for_each(|source| self.allocate_viewers(source));
    }
}
