//! Those who come without signalling, by one HTTP session each: publishers (WHIP), who are members with
//! a tile, and viewers (WHEP), whom the others do not see.

use std::collections::BTreeMap;
use std::time::Duration;

use conclave_proto::{
    Connection, DisplayName, ErrorCode, LeaveReason, LegNumber, MediaState, Participant, ParticipantId, ProtocolError,
    Role, Sdp, SourceKind, View, ViewItem,
};

use crate::digest::Digest;
use crate::input::{Authority, StreamId, StreamInput, Watch};
use crate::legs::Legs;
use crate::listing::Voice;
use crate::member::{Link, Member, Paths, ReportPacer, Silence};
use crate::output::{MediaCommand, Output, StreamAnswer, StreamOutput};
use crate::pending::Pending;
use crate::permissions::Grants;
use crate::replay::EventLog;
use crate::room::Room;
use crate::stage::{Picture, Stage};

/// The one leg of a publisher or viewer.
pub(crate) const STREAM_LEG: LegNumber = LegNumber(1);

/// Most viewers of one room.
const VIEWERS: usize = 5_000;

/// Streams in and out of a room.
#[derive(Default)]
pub(crate) struct Streams {
    publishers: BTreeMap<StreamId, ParticipantId>,
    viewers: BTreeMap<StreamId, Viewer>,
    pub(crate) stage: Stage,
    /// What viewers are to be shown may have changed.
    pub(crate) stale: bool,
}

struct Viewer {
    /// As the media plane knows it.
    participant: ParticipantId,
    watch: Watch,
    answered: bool,
    /// What it was shown last.
    shown: Vec<Picture>,
}

/// A publisher on the way in.
pub(crate) struct Publisher {
    participant: ParticipantId,
    name: DisplayName,
    grants: Grants,
    media: MediaState,
}

/// What waits for the media plane's answer to a stream's offer.
pub(crate) struct PendingStream {
    stream: StreamId,
    participant: ParticipantId,
    pub(crate) publisher: Option<Box<Publisher>>,
    pub(crate) deadline: Duration,
}

impl Streams {
    /// Publishers and viewers, those on the way in included.
    pub(crate) fn count(&self) -> usize {
        self.publishers.len() + self.viewers.len()
    }

    pub(crate) fn publishers(&self) -> usize {
        self.publishers.len()
    }

    pub(crate) fn viewers(&self) -> usize {
        self.viewers.len()
    }
}

impl Room {
    pub(crate) fn stream(&mut self, now: Duration, stream: StreamId, input: StreamInput) {
        let result = match input {
            StreamInput::Publish { name, authority, sdp, media } => {
                self.publish(now, stream, name, authority, sdp, media)
            }
            StreamInput::Watch { authority, sdp, watch } => self.watch(now, stream, authority, sdp, watch),
            StreamInput::Restart { sdp } => self.restart(now, stream, sdp),
            StreamInput::End => {
                self.end_stream(stream, LeaveReason::Left);
                Ok(())
            }
        };
        if let Err(error) = result {
            self.answer_stream(stream, Err(error));
        }
    }

    fn publish(
        &mut self,
        now: Duration,
        stream: StreamId,
        name: DisplayName,
        authority: Authority,
        sdp: Sdp,
        media: MediaState,
    ) -> Result<(), ProtocolError> {
        let grants = Grants::new(authority, false);
        if !grants.publish {
            return Err(ProtocolError::new(ErrorCode::Forbidden, "this token does not allow publishing"));
        }
        self.check_locked(grants)?;
        // What a direct topology can connect does not bound it: it takes the room through the server.
        if self.places_taken() >= self.options.capacity as usize {
            return Err(ProtocolError::new(ErrorCode::RoomFull, "the room is full"));
        }
        if !self.made && self.is_empty() {
            self.topology.restart(self.options.topology);
        }
        let participant = self.secrets.participant_id();
        self.streams.publishers.insert(stream, participant.clone());
        let publisher = Publisher { participant: participant.clone(), name, grants, media };
        let pending = self.stream_pending(now, stream, &participant, Some(Box::new(publisher)));
        let request = self.await_media(Pending::Stream(pending));
        self.command(MediaCommand::Publish { participant, sdp, media, request });
        Ok(())
    }

    fn watch(
        &mut self,
        now: Duration,
        stream: StreamId,
        authority: Authority,
        sdp: Sdp,
        watch: Watch,
    ) -> Result<(), ProtocolError> {
        self.check_locked(Grants::new(authority, false))?;
        if !self.is_live(&watch) {
            return Err(ProtocolError::new(ErrorCode::NothingLive, "there is nothing to watch now"));
        }
        if self.streams.viewers.len() >= VIEWERS {
            return Err(ProtocolError {
                retry_after_ms: Some(5_000),
                ..ProtocolError::new(ErrorCode::MediaUnavailable, "the room has as many viewers as it may")
            });
        }
        let participant = self.secrets.participant_id();
        let hears = watch.participant.clone();
        let viewer = Viewer { participant: participant.clone(), watch, answered: false, shown: Vec::new() };
        self.streams.viewers.insert(stream, viewer);
        self.streams.stale = true;
        self.crowd_changed = true;
        self.follow_streams(now);
        let request = self.await_media(Pending::Stream(self.stream_pending(now, stream, &participant, None)));
        self.command(MediaCommand::Play { participant, sdp, hears, request });
        Ok(())
    }

    /// Describes the leg anew with other ICE credentials.
    fn restart(&mut self, now: Duration, stream: StreamId, sdp: Sdp) -> Result<(), ProtocolError> {
        let gone = || ProtocolError::new(ErrorCode::CannotResume, "the session has ended");
        if let Some(viewer) = self.streams.viewers.get(&stream).filter(|viewer| viewer.answered) {
            let (participant, hears) = (viewer.participant.clone(), viewer.watch.participant.clone());
            let request = self.await_media(Pending::Stream(self.stream_pending(now, stream, &participant, None)));
            self.command(MediaCommand::Play { participant, sdp, hears, request });
            return Ok(());
        }
        let participant = self.streams.publishers.get(&stream).ok_or_else(gone)?.clone();
        let media = self.roster.get(&participant).ok_or_else(gone)?.state.media;
        let request = self.await_media(Pending::Stream(self.stream_pending(now, stream, &participant, None)));
        self.command(MediaCommand::Publish { participant, sdp, media, request });
        Ok(())
    }

    fn check_locked(&self, grants: Grants) -> Result<(), ProtocolError> {
        let is_closed = self.options.locked && !self.is_empty() && grants.role != Role::Host;
        if is_closed { Err(ProtocolError::new(ErrorCode::RoomLocked, "the room is locked")) } else { Ok(()) }
    }

    /// Whether there is anything of what somebody wants to watch.
    fn is_live(&self, watch: &Watch) -> bool {
        let sends = |media: MediaState| match watch.source {
            Some(source) => media.has(source),
            None => SourceKind::ALL.into_iter().any(|source| media.has(source)),
        };
        match &watch.participant {
            Some(participant) => self.roster.get(participant).is_some_and(|member| sends(member.state.media)),
            None => self.roster.iter().any(|member| sends(member.state.media)),
        }
    }

    fn stream_pending(
        &self,
        now: Duration,
        stream: StreamId,
        participant: &ParticipantId,
        publisher: Option<Box<Publisher>>,
    ) -> PendingStream {
        let deadline = now + self.config.path_timeout;
        PendingStream { stream, participant: participant.clone(), publisher, deadline }
    }

    /// The media plane has answered a stream's offer.
    pub(crate) fn stream_answered(
        &mut self,
        now: Duration,
        pending: PendingStream,
        result: Result<Sdp, ProtocolError>,
    ) {
        let PendingStream { stream, participant, publisher, .. } = pending;
        let result = result.map(|sdp| StreamAnswer { participant, sdp });
        match (result, publisher) {
            (Ok(answer), Some(publisher)) => {
                self.admit_publisher(now, stream, *publisher);
                self.answer_stream(stream, Ok(answer));
            }
            (Ok(answer), None) => {
                if let Some(viewer) = self.streams.viewers.get_mut(&stream) {
                    viewer.answered = true;
                    self.streams.stale = true;
                }
                self.answer_stream(stream, Ok(answer));
            }
            (Err(error), publisher) => {
                let is_restart = match publisher {
                    Some(_) => false,
                    None => self.streams.viewers.get(&stream).is_none_or(|viewer| viewer.answered),
                };
                // A session that was described anew in vain goes on as it was.
                if !is_restart {
                    self.forget_stream(stream);
                }
                self.answer_stream(stream, Err(error));
            }
        }
    }

    /// A publisher is a member whose page is its leg.
    fn admit_publisher(&mut self, now: Duration, stream: StreamId, publisher: Publisher) {
        let Publisher { participant: id, name, grants, media } = publisher;
        if !self.made {
            self.made = true;
            self.outputs.push_back(Output::StoreOptions(self.options.clone()));
        }
        let mut legs = Legs::new(true);
        legs.offer(STREAM_LEG);
        let member = Member {
            search_name: Member::searched(&name),
            voice: Voice::default(),
            told: false,
            shows: Vec::new(),
            state: Participant {
                id: id.clone(),
                name,
                role: Role::Participant,
                order: self.roster.next_order(),
                connection: Connection::Connected,
                media,
                hand: None,
                network: None,
            },
            // Nobody's key is longer than this token, or known: it is nobody else.
            person: Digest::of_secret(&self.secrets.token()),
            grants,
            link: Link::Stream(stream),
            resume_token: Digest::of_secret(&self.secrets.token()),
            log: EventLog::default(),
            reports: ReportPacer::default(),
            legs,
            paths: Paths::default(),
            silence: Silence::default(),
        };
        self.crowd_changed = true;
        self.streams.stale = true;
        self.take_in(member);
        self.follow_streams(now);
    }

    /// A direct meeting moves to the server as soon as a stream is there.
    fn follow_streams(&mut self, now: Duration) {
        self.topology.streams_changed(self.streams.count());
        if !self.roster.is_empty()
            && let Some(change) = self.topology.for_crowd(self.options.topology, self.roster.len())
        {
            self.begin_move(now, change, None);
        }
    }

    /// The media plane lost somebody who is no page. Returns whether it was one of these.
    pub(crate) fn stream_failed(&mut self, participant: &ParticipantId) -> bool {
        let publisher = self.streams.publishers.iter().find(|(_, id)| *id == participant).map(|(stream, _)| *stream);
        let viewer = || self.streams.viewers.iter().find(|(_, viewer)| viewer.participant == *participant);
        let stream = publisher.or_else(|| viewer().map(|(stream, _)| *stream));
        if let Some(stream) = stream {
            self.end_stream(stream, LeaveReason::Lost);
        }
        stream.is_some()
    }

    /// Ends a session, whatever state it is in.
    fn end_stream(&mut self, stream: StreamId, reason: LeaveReason) {
        match self.streams.publishers.get(&stream).cloned() {
            Some(participant) if self.roster.contains(&participant) => self.remove(&participant, reason),
            _ => self.forget_stream(stream),
        }
    }

    /// Forgets a session that the others do not see, or see no more.
    pub(crate) fn forget_stream(&mut self, stream: StreamId) {
        let publisher = self.streams.publishers.remove(&stream);
        let viewer = self.streams.viewers.remove(&stream).map(|viewer| viewer.participant);
        let Some(participant) = publisher.or(viewer) else { return };
        self.pending.retain(|_, pending| pending.stream().is_none_or(|pending| pending.stream != stream));
        self.command(MediaCommand::CloseParticipant { participant });
        self.outputs.push_back(Output::Stream { stream, output: StreamOutput::Ended });
        self.topology.streams_changed(self.streams.count());
        self.crowd_changed = true;
    }

    fn answer_stream(&mut self, stream: StreamId, result: Result<StreamAnswer, ProtocolError>) {
        self.outputs.push_back(Output::Stream { stream, output: StreamOutput::Answered(result) });
    }

    /// Shows viewers what is on the stage now.
    pub(crate) fn direct_viewers(&mut self) {
        if !std::mem::take(&mut self.streams.stale) || self.streams.viewers.is_empty() {
            return;
        }
        let Streams { stage, viewers, .. } = &mut self.streams;
        stage.update(&self.roster, &self.speakers);
        let mut views = Vec::new();
        for viewer in viewers.values_mut().filter(|viewer| viewer.answered) {
            let pictures = stage.pictures(&self.roster, &self.speakers, &viewer.watch);
            if viewer.shown != pictures {
                views.push((viewer.participant.clone(), view(&pictures)));
                viewer.shown = pictures;
            }
        }
        for (participant, view) in views {
            self.command(MediaCommand::SetView { participant, leg: STREAM_LEG, view });
        }
    }
}

/// A player does not say how large it shows what it gets: as large as there is, the stage first.
fn view(pictures: &[Picture]) -> View {
    let item = |(position, picture): (usize, &Picture)| ViewItem {
        participant: picture.participant.clone(),
        source: picture.source,
        width: 1_920,
        height: 1_080,
        priority: match (position, picture.source) {
            (0, SourceKind::Screen) => 3,
            (0, _) => 2,
            _ => 1,
        },
    };
    View { items: pictures.iter().enumerate().map(item).collect() }
}
