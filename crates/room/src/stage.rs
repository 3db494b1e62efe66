//! What a viewer without a page is shown: the room's stage, or one participant.

use conclave_proto::{ParticipantId, SourceKind};

use crate::input::Watch;
use crate::member::Member;
use crate::roster::Roster;

/// A picture of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) participant: ParticipantId,
    pub(crate) source: SourceKind,
}

/// What is on the stage: the screen that was shared last; without one, whoever spoke last and has a
/// camera on.
#[derive(Debug, Default)]
pub(crate) struct Stage {
    /// Shared screens, in the order in which they began.
    screens: Vec<ParticipantId>,
    /// Keeps the stage until somebody else speaks.
    camera: Option<ParticipantId>,
}

impl Stage {
    /// Follows who shares and who speaks (loudest first).
    pub(crate) fn update(&mut self, roster: &Roster, speakers: &[ParticipantId]) {
        let has = |id: &ParticipantId, source| roster.get(id).is_some_and(|member| sends(member, source));
        self.screens.retain(|id| has(id, SourceKind::Screen));
        for member in roster.iter().filter(|member| sends(member, SourceKind::Screen)) {
            if !self.screens.contains(member.id()) {
                self.screens.push(member.id().clone());
            }
        }
        let speaks = speakers.iter().find(|id| has(id, SourceKind::Camera)).cloned();
        let stays = self.camera.take().filter(|id| has(id, SourceKind::Camera));
        let first = || roster.iter().find(|member| sends(member, SourceKind::Camera)).map(|member| member.id().clone());
        self.camera = speaks.or(stays).or_else(first);
    }

    /// What a viewer's slots show, most important first.
    pub(crate) fn pictures(&self, roster: &Roster, speakers: &[ParticipantId], watch: &Watch) -> Vec<Picture> {
        let is_wanted = |picture: &Picture| {
            watch.source.is_none_or(|source| source == picture.source)
                && watch.participant.as_ref().is_none_or(|only| *only == picture.participant)
        };
        let mut pictures: Vec<Picture> = Vec::with_capacity(watch.pictures);
        let mut add = |participant: &ParticipantId, source| {
            let picture = Picture { participant: participant.clone(), source };
            if pictures.len() < watch.pictures && is_wanted(&picture) && !pictures.contains(&picture) {
                pictures.push(picture);
            }
        };
        self.screens.iter().rev().for_each(|id| add(id, SourceKind::Screen));
        let camera = |id: &&ParticipantId| roster.get(id).is_some_and(|member| sends(member, SourceKind::Camera));
        self.camera.iter().chain(speakers).filter(camera).for_each(|id| add(id, SourceKind::Camera));
        // Whom the viewer asked for may be any of them; without such a wish there is one at most.
        let others = roster.iter().filter(|member| sends(member, SourceKind::Camera));
        others.for_each(|member| add(member.id(), SourceKind::Camera));
        pictures
    }
}

fn sends(member: &Member, source: SourceKind) -> bool {
    member.state.media.has(source)
}
