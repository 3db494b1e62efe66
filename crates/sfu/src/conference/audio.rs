//! Which sound is in which audio slot, and who speaks.

use conclave_proto::{SourceKind, limits};

use super::{Conference, Output};
use crate::leg::{Listening, SourceId};
use crate::listening::{self, SCREEN_AUDIO_BONUS, Sound};
use crate::rtp::Time;
use crate::table::Key;

impl Conference {
    /// Gives the sounds their slots, in all legs.
    pub(super) fn assign_audio(&mut self, now: Time) {
        let mut sounds: Vec<Sound<SourceId>> = Vec::new();
        for (person, _) in self.people.iter() {
            let kinds = [SourceKind::Microphone, SourceKind::ScreenAudio];
            sounds.extend(kinds.into_iter().filter_map(|kind| self.sound(SourceId { person, kind })));
        }
        sounds.sort_by(|a, b| b.speaking.cmp(&a.speaking).then(b.loudness.total_cmp(&a.loudness)));
        let legs: Vec<(Key, Key)> =
            self.legs.iter().filter(|(_, leg)| leg.connected).map(|(key, leg)| (key, leg.person)).collect();
        for (key, person) in legs {
            let mut held = [None; limits::AUDIO_SLOTS];
            let Some(slots) = self.legs.get(key).map(|leg| &leg.audio) else { continue };
            // Within bounds: a leg with more slots is not taken in.
            let held = &mut held[..slots.len()];
            for (held, slot) in held.iter_mut().zip(slots) {
                *held = slot.carries.as_ref().map(|listening| listening.source);
            }
            let hears = self.legs.get(key).and_then(|leg| leg.hears.as_ref());
            // A participant who is not here is nobody's key.
            let only = hears.map(|participant| self.by_id.get(participant).copied());
            let may_hear =
                |source: SourceId| source.person != person && only.is_none_or(|only| only == Some(source.person));
            let others = sounds.iter().filter(|sound| may_hear(sound.key));
            listening::fill(now, held, others, |source| self.sound(source).filter(|_| may_hear(source)));
            for (index, source) in held.iter().enumerate() {
                self.hear(now, key, index, *source);
            }
        }
    }

    /// A source as a sound that can be heard; none if it is off or nothing of it has arrived.
    fn sound(&self, id: SourceId) -> Option<Sound<SourceId>> {
        let person = self.people.get(id.person).filter(|person| person.media.has(id.kind))?;
        let source = person.source(id.kind);
        source.feed?;
        let bonus = if id.kind == SourceKind::ScreenAudio { SCREEN_AUDIO_BONUS } else { 0.0 };
        let activity = &source.activity;
        let (speaking, spoke_at) = (activity.is_speaking(), activity.spoke_at());
        Some(Sound { key: id, loudness: activity.loudness() + bonus, speaking, spoke_at })
    }

    fn hear(&mut self, now: Time, key: Key, index: usize, source: Option<SourceId>) {
        let slot = self.legs.get(key).and_then(|leg| leg.audio.get(index));
        if slot.and_then(|slot| slot.carries.as_ref()).map(|listening| listening.source) == source {
            return;
        }
        self.release_audio(now, key, index);
        let Some(source) = source else { return };
        let Some(slot) = self.legs.get_mut(key).and_then(|leg| leg.audio.get_mut(index)) else { return };
        slot.carries = Some(Listening { source, current: None });
        if let Some(person) = self.people.get_mut(source.person) {
            person.source_mut(source.kind).slots.push((key, index as u8));
        }
        self.must_tell_slots(key);
    }

    /// Empties a slot.
    pub(super) fn release_audio(&mut self, now: Time, key: Key, index: usize) {
        let slot = self.legs.get_mut(key).and_then(|leg| leg.audio.get_mut(index));
        let Some(listening) = slot.and_then(|slot| slot.release(now)) else { return };
        if let Some(person) = self.people.get_mut(listening.source.person) {
            person.source_mut(listening.source.kind).slots.retain(|place| *place != (key, index as u8));
        }
        self.must_tell_slots(key);
    }

    /// Lets time pass for those who send nothing, and tells who speaks.
    pub(super) fn listen_to_time(&mut self, now: Time) {
        let mut speakers = Vec::new();
        for (key, person) in self.people.iter_mut() {
            for kind in [SourceKind::Microphone, SourceKind::ScreenAudio] {
                person.source_mut(kind).activity.tick(now);
            }
            let activity = &person.source(SourceKind::Microphone).activity;
            if activity.is_speaking() && person.media.microphone {
                speakers.push((key, activity.loudness()));
            }
        }
        speakers.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        if let Some(order) = self.ranking.update(now, &speakers) {
            let names = order.iter().filter_map(|key| Some(self.people.get(*key)?.id.clone())).collect();
            self.outputs.push_back(Output::Speakers(names));
        }
        self.must_listen = true;
    }
}
