//! What a conference tells whoever looks at it.

use conclave_proto::{ParticipantId, SourceKind};

use super::Conference;
use crate::leg::Current;
use crate::rtp::{Codec, LayerIndex, LegId, SlotId};
use crate::stream::Lane;

/// What a slot carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Whose source.
    pub participant: ParticipantId,
    /// Which.
    pub source: SourceKind,
    /// The stream of it that is forwarded; none while it waits for its first packet.
    pub layer: Option<LayerIndex>,
    /// What the receiver gets it in.
    pub codec: Option<Codec>,
    /// The way to the receiver takes no layer of it.
    pub paused: bool,
}

impl Conference {
    /// What each slot of a leg carries. The work grows with the number of slots.
    pub fn carried(&self, leg: LegId) -> impl Iterator<Item = (SlotId, Carried)> {
        let leg = self.legs.get(leg.0);
        let has_copies = leg.is_some_and(|leg| leg.copies > 0);
        let audio = leg.into_iter().flat_map(|leg| leg.audio.iter().zip(0..)).filter_map(move |(slot, index)| {
            let listening = slot.carries.as_ref()?;
            let mut carried =
                self.carried_by(listening.source.person, listening.source.kind, listening.current, false)?;
            // However it was sent: what copies go with it depends on the way to this receiver.
            carried.codec = carried.codec.map(|_| if has_copies { Codec::OpusRed } else { Codec::Opus });
            Some((SlotId::Audio(index), carried))
        });
        let video = leg.into_iter().flat_map(|leg| leg.video.iter().zip(0..)).filter_map(|(slot, index)| {
            let showing = slot.carries.as_ref()?;
            let carried =
                self.carried_by(showing.source.person, showing.source.kind, showing.current, showing.paused)?;
            Some((SlotId::Video(index), carried))
        });
        audio.chain(video)
    }

    /// What a leg's source is sent in, and whether its sender is asked for a layer.
    pub fn published(&self, leg: LegId, source: SourceKind, layer: LayerIndex) -> (Option<Codec>, bool) {
        let Some((leg, lane)) = self.legs.get(leg.0).zip(Lane::new(source, layer)) else { return (None, false) };
        let asked = self.people.get(leg.person).map(|person| person.source(source).wish.asked[layer.index()].on);
        (leg.streams[lane.index()].format(), source.is_audio() || asked.unwrap_or(false))
    }

    fn carried_by(
        &self,
        person: crate::table::Key,
        source: SourceKind,
        current: Option<Current>,
        paused: bool,
    ) -> Option<Carried> {
        let codec = current.and_then(|current| {
            let sender = self.legs.get(current.stream.leg)?;
            sender.streams[current.stream.lane.index()].format()
        });
        Some(Carried {
            participant: self.people.get(person)?.id.clone(),
            source,
            layer: current.map(|current| current.stream.lane.layer()),
            codec,
            paused,
        })
    }
}
