//! Which sound is in which audio slot, and who speaks.
//!
//! What there is to hear is decided once for all legs that have as many audio slots ([`Stage`]); a leg
//! is looked at only when that changes. Those who are silent cost nothing: what is compared are the sounds that
//! are awake ([`crate::speakers::Activity::is_awake`]).

use std::time::Duration;

use conclave_proto::{SourceKind, limits};

use super::{Conference, Output};
use crate::leg::{Listening, SourceId};
use crate::listening::{self, SCREEN_AUDIO_BONUS, Sound};
use crate::rtp::Time;
use crate::speakers::{Heard, Speaker};
use crate::table::Key;

const SOUNDS: [SourceKind; 2] = [SourceKind::Microphone, SourceKind::ScreenAudio];

/// Whoever is heard does not hear its own two sounds, but others in their place.
const RESERVE: usize = SOUNDS.len();

/// What legs with a certain number of audio slots hear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stage {
    heard: [Option<SourceId>; limits::AUDIO_SLOTS],
    reserve: [Option<SourceId>; RESERVE],
}

impl Stage {
    /// What a participant hears: as many as it has slots, and not itself.
    fn for_person(&self, person: Key, slots: usize) -> impl Iterator<Item = SourceId> + '_ {
        let all = self.heard.iter().chain(&self.reserve).flatten().copied();
        all.filter(move |source| source.person != person).take(slots)
    }
}

/// How long those who do not tell how loud they are stay first among each other, where not all of them have room.
const TURN: Duration = Duration::from_secs(6);

/// Says whose turn it is among those who do not tell how loud they are: in every [`TURN`] the next is first.
fn take_turns(now: Time, sounds: &mut [Sound<SourceId>]) {
    let mut untold: Vec<_> = sounds.iter_mut().filter(|sound| sound.turn.is_some()).collect();
    untold.sort_by_key(|sound| (sound.key.person, sound.key.kind as usize));
    let count = untold.len();
    let passed = now.since(Time::default()).as_micros() / TURN.as_micros();
    for (place, sound) in untold.into_iter().enumerate() {
        let ahead = (passed % count as u128) as usize;
        sound.turn = Some((place + count - ahead) % count);
    }
}

impl Conference {
    /// Gives the sounds their slots: in legs that have new slots, and in all if others are to be heard.
    pub(super) fn assign_audio(&mut self, now: Time) {
        let sounds = self.audible(now);
        let find = |source| {
            let sound = self.sound(source)?;
            let in_turn = sound.turn.and_then(|_| sounds.iter().find(|other| other.key == source).copied());
            Some(in_turn.unwrap_or(sound))
        };
        let mut stages = self.stages;
        let mut changed = [false; limits::AUDIO_SLOTS];
        for slots in 1..=limits::AUDIO_SLOTS {
            let before = stages[slots - 1];
            let mut stage = before;
            listening::fill(now, &mut stage.heard[..slots], &sounds, find);
            let heard = stage.heard;
            let others = sounds.iter().filter(|sound| !heard.contains(&Some(sound.key)));
            let other = |source| find(source).filter(|_| !heard.contains(&Some(source)));
            listening::fill(now, &mut stage.reserve, others, other);
            changed[slots - 1] = stage != before;
            stages[slots - 1] = stage;
        }
        self.stages = stages;
        let mut listeners = std::mem::take(&mut self.listeners);
        if std::mem::take(&mut self.must_follow) {
            listeners.extend_from_slice(&self.followers);
        }
        if changed.contains(&true) {
            let legs = self.legs.iter().filter(|(_, leg)| leg.audio.len().checked_sub(1).is_some_and(|at| changed[at]));
            let legs: Vec<Key> = legs.map(|(key, _)| key).collect();
            legs.into_iter().for_each(|key| self.listen(now, key));
        }
        listeners.into_iter().for_each(|key| self.listen(now, key));
    }

    /// The sounds that could be heard, those who speak first, then the loudest first. Silent ones are among
    /// them only as far as there is room: so that no first word is lost.
    fn audible(&mut self, now: Time) -> Vec<Sound<SourceId>> {
        let mut sounds: Vec<_> = self.awake.iter().filter_map(|source| self.sound(*source)).collect();
        take_turns(now, &mut sounds);
        let rank = |sound: &Sound<SourceId>| (!sound.speaking, sound.turn.is_none(), sound.turn);
        sounds.sort_by(|a, b| rank(a).cmp(&rank(b)).then(b.loudness.total_cmp(&a.loudness)));
        let room = limits::AUDIO_SLOTS + RESERVE;
        if sounds.len() < room {
            let mut sounding = std::mem::take(&mut self.sounding);
            sounding.retain(|source| {
                let found = self.sound(*source);
                if found.is_none() {
                    self.note_sounding(*source, false);
                }
                found.is_some()
            });
            let silent = sounding.iter().filter(|source| sounds.iter().all(|sound| sound.key != **source));
            let silent: Vec<_> = silent.filter_map(|source| self.sound(*source)).take(room - sounds.len()).collect();
            sounds.extend(silent);
            self.sounding = sounding;
        }
        sounds
    }

    /// Notes what a packet of a sound changed.
    pub(super) fn note_sound(&mut self, id: SourceId, heard: Heard) {
        self.must_follow = true;
        if heard.wakes {
            self.awake.push(id);
        }
        if self.note_sounding(id, true) {
            self.sounding.push(id);
            // Whoever has gone since is taken out before they become as many as those who are here.
            if self.sounding.len() > 2 * (self.people.len() * SOUNDS.len() + 8) {
                let people = &self.people;
                self.sounding.retain(|source| people.get(source.person).is_some());
            }
        }
    }

    /// Whether that is news.
    fn note_sounding(&mut self, id: SourceId, is_sounding: bool) -> bool {
        let Some(person) = self.people.get_mut(id.person) else { return false };
        std::mem::replace(&mut person.source_mut(id.kind).is_sounding, is_sounding) != is_sounding
    }

    /// A source as a sound that can be heard; none if it is off or nothing of it has arrived.
    fn sound(&self, id: SourceId) -> Option<Sound<SourceId>> {
        let person = self.people.get(id.person).filter(|person| person.media.has(id.kind))?;
        let source = person.source(id.kind);
        source.feed?;
        let bonus = if id.kind == SourceKind::ScreenAudio { SCREEN_AUDIO_BONUS } else { 0.0 };
        let activity = &source.activity;
        let (speaking, spoke_at) = (activity.is_speaking(), activity.spoke_at());
        // A film is taken to go on.
        let speaking = speaking || activity.is_untold() && id.kind == SourceKind::ScreenAudio;
        let turn = (activity.is_untold() && !speaking).then_some(0);
        Some(Sound { key: id, loudness: activity.loudness() + bonus, speaking, turn, spoke_at })
    }

    /// Brings a leg's audio slots in line with its stage. What goes on being heard stays where it is.
    fn listen(&mut self, now: Time, key: Key) {
        let Some(leg) = self.legs.get(key).filter(|leg| leg.connected) else { return };
        let slots = leg.audio.len();
        let Some(stage) = slots.checked_sub(1).and_then(|at| self.stages.get(at)) else { return };
        let mut wanted = [None; limits::AUDIO_SLOTS];
        if let Some(only) = &leg.hears {
            let sources = self.by_id.get(only).filter(|only| **only != leg.person);
            let sources = sources.into_iter().flat_map(|person| SOUNDS.map(|kind| SourceId { person: *person, kind }));
            let audible = sources.filter(|source| self.sound(*source).is_some()).take(slots);
            wanted.iter_mut().zip(audible).for_each(|(place, source)| *place = Some(source));
        } else {
            let sources = stage.for_person(leg.person, slots);
            wanted.iter_mut().zip(sources).for_each(|(place, source)| *place = Some(source));
        }
        for index in 0..slots {
            let Some(held) = self.heard_in(key, index) else { continue };
            match wanted.iter_mut().find(|source| **source == Some(held)) {
                Some(place) => *place = None,
                None => self.release_audio(now, key, index),
            }
        }
        for source in wanted.into_iter().flatten() {
            let free = (0..slots).find(|index| self.heard_in(key, *index).is_none());
            if let Some(index) = free {
                self.hear(key, index, source);
            }
        }
    }

    fn heard_in(&self, key: Key, index: usize) -> Option<SourceId> {
        Some(self.legs.get(key)?.audio.get(index)?.carries.as_ref()?.source)
    }

    fn hear(&mut self, key: Key, index: usize, source: SourceId) {
        let Some(person) = self.people.get_mut(source.person) else { return };
        let Some(slot) = self.legs.get_mut(key).and_then(|leg| leg.audio.get_mut(index)) else { return };
        let place = person.source_mut(source.kind).attach(key, index);
        slot.carries = Some(Listening { source, current: None, place });
        self.must_tell_slots(key);
    }

    /// Empties a slot.
    pub(super) fn release_audio(&mut self, now: Time, key: Key, index: usize) {
        let slot = self.legs.get_mut(key).and_then(|leg| leg.audio.get_mut(index));
        let Some(listening) = slot.and_then(|slot| slot.release(now)) else { return };
        self.detach(listening.source, listening.place);
        self.must_tell_slots(key);
    }

    /// Lets time pass for those who send nothing, and tells who speaks.
    pub(super) fn listen_to_time(&mut self, now: Time) {
        let mut speakers = Vec::new();
        let people = &mut self.people;
        self.awake.retain(|id| {
            let Some(person) = people.get_mut(id.person) else { return false };
            let is_on = person.media.has(id.kind);
            let activity = &mut person.source_mut(id.kind).activity;
            activity.tick(now);
            if id.kind == SourceKind::Microphone && is_on && activity.is_speaker() {
                let (loudness, said) = (activity.loudness(), activity.said());
                speakers.push(Speaker { key: id.person, loudness, said });
            }
            activity.is_awake()
        });
        speakers.sort_by(|a, b| b.loudness.total_cmp(&a.loudness));
        if let Some(order) = self.ranking.update(now, &speakers) {
            let names = order.iter().filter_map(|key| Some(self.people.get(*key)?.id.clone())).collect();
            self.outputs.push_back(Output::Speakers(names));
        }
        self.must_listen = true;
    }
}
