//! Publishers and viewers without signalling (WHIP, WHEP).

use conclave_proto::{
    ClientMessage, DisplayName, ErrorCode, Event, LegNumber, MediaState, ParticipantId, Role, Sdp, SourceKind,
    Topology, TopologyChoice, TopologyReason,
};
use conclave_room::{
    AdminInput, Authority, Input, MediaCommand, MediaInput, StreamId, StreamInput, StreamOutput, Watch,
};

use crate::stage::{Stage, options, seconds};

const CAMERA: MediaState = MediaState { microphone: true, camera: true, screen: false, screen_audio: false };
const SCREEN: MediaState = MediaState { microphone: false, camera: false, screen: true, screen_audio: false };
const PUBLISHER: Authority = Authority::Token { role: Role::Participant, may_publish: true, may_chat: true };

fn sdp() -> Sdp {
    Sdp::parse("v=0\r\n".into()).unwrap()
}

impl Stage {
    fn stream(&mut self, stream: u64, input: StreamInput) {
        self.input(Input::Stream { stream: StreamId(stream), input });
    }

    fn publish(&mut self, stream: u64, media: MediaState) -> Result<ParticipantId, ErrorCode> {
        let name = DisplayName::parse("Stream").unwrap();
        self.stream(stream, StreamInput::Publish { name, authority: PUBLISHER, sdp: sdp(), media });
        self.answered(stream)
    }

    fn watch(&mut self, stream: u64, watch: Watch) -> Result<ParticipantId, ErrorCode> {
        self.stream(stream, StreamInput::Watch { authority: Authority::None, sdp: sdp(), watch });
        self.answered(stream)
    }

    fn answered(&mut self, stream: u64) -> Result<ParticipantId, ErrorCode> {
        match self.streams.pop() {
            Some((of, StreamOutput::Answered(result))) if of == StreamId(stream) => {
                result.map(|answer| answer.participant).map_err(|error| error.code)
            }
            other => panic!("an answer expected: {other:?}"),
        }
    }

    /// What a viewer was last told to be shown.
    fn shown(&self, viewer: &ParticipantId) -> Vec<(ParticipantId, SourceKind)> {
        let view = self.commands.iter().rev().find_map(|command| match command {
            MediaCommand::SetView { participant, view, .. } if participant == viewer => Some(view),
            _ => None,
        });
        view.map_or_else(Vec::new, |view| view.items.iter().map(|i| (i.participant.clone(), i.source)).collect())
    }
}

fn stage_of(pictures: usize) -> Watch {
    Watch { pictures, ..Watch::default() }
}

#[test]
fn a_publisher_is_a_participant_until_its_session_is_deleted() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join("Ada");
    stage.forget_events();
    let id = stage.publish(1, CAMERA).expect("let in");
    let events = stage.events(&ada);
    let joined = |event: &Event| matches!(event, Event::ParticipantJoined { participant } if participant.id == id && participant.media == CAMERA);
    assert!(events.iter().any(joined), "{events:?}");
    stage.stream(1, StreamInput::End);
    assert_eq!(stage.streams.pop(), Some((StreamId(1), StreamOutput::Ended)));
    assert!(stage.room.participants().all(|participant| participant.id != id));
    let closes = |command: &&MediaCommand| **command == MediaCommand::CloseParticipant { participant: id.clone() };
    assert_eq!(stage.commands.iter().filter(closes).count(), 1);
    assert!(stage.connections[&ada.connection].closed.is_none());
}

#[test]
fn a_publisher_whose_leg_fails_leaves() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let id = stage.publish(1, CAMERA).expect("let in");
    stage.media(MediaInput::Connected { participant: id.clone(), leg: LegNumber(1) });
    stage.media(MediaInput::Failed { participant: id, leg: LegNumber(1) });
    assert_eq!(stage.streams.pop(), Some((StreamId(1), StreamOutput::Ended)));
    assert!(stage.room.is_empty());
}

#[test]
fn a_stream_moves_a_direct_meeting_to_the_server_and_back_when_it_has_gone() {
    for choice in [TopologyChoice::Auto, TopologyChoice::P2p, TopologyChoice::Mesh] {
        let mut stage = Stage::new(choice);
        let direct = stage.topology().0;
        let ada = stage.join("Ada");
        stage.join("Bob");
        stage.ok(&ada, ClientMessage::SetMedia { media: CAMERA });
        stage.forget_events();
        stage.watch(1, stage_of(1)).expect("something is live");
        assert_eq!(stage.topology().0, Topology::Sfu, "{choice:?}: for a viewer");
        assert_eq!(stage.room.state().topology.reason, TopologyReason::Stream);
        stage.publish(2, CAMERA).expect("two people and a stream");
        stage.stream(1, StreamInput::End);
        stage.wait(seconds(60));
        assert_eq!(stage.topology().0, Topology::Sfu, "{choice:?}: for a publisher");
        stage.stream(2, StreamInput::End);
        // As long as two people must be by themselves.
        stage.wait(seconds(15));
        assert_eq!(stage.topology().0, direct, "{choice:?}");
    }
}

#[test]
fn a_choice_of_the_host_does_not_take_the_server_away_from_a_stream() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    stage.join("Ada");
    stage.publish(1, CAMERA).expect("let in");
    stage.input(Input::Admin(AdminInput::SetOptions(options(TopologyChoice::P2p))));
    assert_eq!(stage.topology().0, Topology::Sfu);
}

#[test]
fn viewers_are_counted_and_seen_by_nobody() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join("Ada");
    stage.ok(&ada, ClientMessage::SetMedia { media: CAMERA });
    stage.forget_events();
    stage.watch(1, stage_of(1)).expect("something is live");
    assert_eq!((stage.room.viewers(), stage.room.participants().len()), (1, 1));
    assert_eq!(stage.events(&ada), []);
    stage.stream(1, StreamInput::End);
    assert_eq!(stage.room.viewers(), 0);
}

#[test]
fn the_stage_is_the_newest_screen_or_whoever_speaks() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let (ada, bob) = (stage.join("Ada"), stage.join("Bob"));
    for person in [&ada, &bob] {
        stage.ok(person, ClientMessage::SetMedia { media: CAMERA });
    }
    let viewer = stage.watch(1, stage_of(1)).expect("something is live");
    assert_eq!(stage.shown(&viewer), [(ada.id.clone(), SourceKind::Camera)], "the first");
    stage.media(MediaInput::Speakers(vec![bob.id.clone()]));
    assert_eq!(stage.shown(&viewer), [(bob.id.clone(), SourceKind::Camera)], "whoever speaks");
    stage.media(MediaInput::Speakers(vec![]));
    assert_eq!(stage.shown(&viewer), [(bob.id.clone(), SourceKind::Camera)], "keeps it in silence");
    let film = stage.publish(2, CAMERA).expect("let in");
    assert_eq!(stage.shown(&viewer), [(bob.id.clone(), SourceKind::Camera)], "who comes takes nobody's place");
    stage.ok(&ada, ClientMessage::SetMedia { media: SCREEN });
    assert_eq!(stage.shown(&viewer), [(ada.id.clone(), SourceKind::Screen)], "a shared screen");
    stage.ok(&ada, ClientMessage::SetMedia { media: MediaState::default() });
    stage.ok(&bob, ClientMessage::SetMedia { media: MediaState::default() });
    assert_eq!(stage.shown(&viewer), [(film, SourceKind::Camera)]);
}

#[test]
fn a_viewer_may_choose_whom_and_what_it_watches() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let (ada, bob) = (stage.join("Ada"), stage.join("Bob"));
    stage.ok(&ada, ClientMessage::SetMedia { media: CAMERA });
    stage.ok(&bob, ClientMessage::SetMedia { media: MediaState { camera: true, ..SCREEN } });
    let only =
        |participant: &ParticipantId, source| Watch { participant: Some(participant.clone()), source, pictures: 4 };
    let [screen, camera] = [SourceKind::Screen, SourceKind::Camera];
    let viewer = stage.watch(1, only(&ada.id, None)).expect("live");
    assert_eq!(stage.shown(&viewer), [(ada.id.clone(), camera)]);
    let plays =
        |command: &MediaCommand| matches!(command, MediaCommand::Play { hears: Some(only), .. } if *only == ada.id);
    assert!(stage.commands.iter().any(plays), "and hears only that one");
    let viewer = stage.watch(2, only(&bob.id, Some(camera))).expect("live");
    assert_eq!(stage.shown(&viewer), [(bob.id.clone(), camera)]);
    let viewer = stage.watch(3, stage_of(2)).expect("live");
    assert_eq!(stage.shown(&viewer), [(bob.id.clone(), screen), (ada.id.clone(), camera)]);
    assert_eq!(stage.watch(4, only(&ada.id, Some(screen))), Err(ErrorCode::NothingLive));
    let stranger = ParticipantId::parse("nobody").unwrap();
    assert_eq!(stage.watch(5, only(&stranger, None)), Err(ErrorCode::NothingLive));
}

#[test]
fn streams_obey_the_rooms_rules() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    assert_eq!(stage.watch(1, stage_of(1)), Err(ErrorCode::NothingLive));
    let ada = stage.join("Ada");
    assert_eq!(stage.watch(1, stage_of(1)), Err(ErrorCode::NothingLive), "nobody sends anything");
    stage.ok(&ada, ClientMessage::SetMedia { media: CAMERA });
    let full = conclave_proto::RoomOptions { capacity: 1, ..options(TopologyChoice::Sfu) };
    stage.input(Input::Admin(AdminInput::SetOptions(full)));
    assert_eq!(stage.publish(2, CAMERA), Err(ErrorCode::RoomFull));
    stage.watch(3, stage_of(1)).expect("viewers take no place");
    let locked = conclave_proto::RoomOptions { locked: true, ..options(TopologyChoice::Sfu) };
    stage.input(Input::Admin(AdminInput::SetOptions(locked)));
    assert_eq!(stage.publish(4, CAMERA), Err(ErrorCode::RoomLocked));
    assert_eq!(stage.watch(5, stage_of(1)), Err(ErrorCode::RoomLocked));
    let name = DisplayName::parse("Mute").unwrap();
    let authority = Authority::Token { role: Role::Host, may_publish: false, may_chat: true };
    stage.stream(6, StreamInput::Publish { name, authority, sdp: sdp(), media: CAMERA });
    assert_eq!(stage.answered(6), Err(ErrorCode::Forbidden));
    assert_eq!((stage.room.participants().len(), stage.room.viewers()), (1, 1));
}

#[test]
fn an_offer_that_is_refused_disturbs_nobody_and_a_restart_that_is_refused_ends_nothing() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let ada = stage.join("Ada");
    stage.forget_events();
    stage.answers = false;
    let refuse = |stage: &mut Stage| {
        let (request, ..) = stage.unanswered.pop().expect("an offer");
        let error = conclave_proto::ProtocolError::new(ErrorCode::BadSdp, "no");
        stage.media(MediaInput::Answered { request, result: Err(error) });
    };
    let name = DisplayName::parse("Stream").unwrap();
    stage.stream(1, StreamInput::Publish { name, authority: PUBLISHER, sdp: sdp(), media: CAMERA });
    refuse(&mut stage);
    assert!(stage.streams.iter().any(|(_, output)| matches!(output, StreamOutput::Answered(Err(_)))));
    assert_eq!(stage.events(&ada), []);
    stage.answers = true;
    stage.streams.clear();
    stage.publish(2, CAMERA).expect("let in");
    stage.answers = false;
    stage.stream(2, StreamInput::Restart { sdp: sdp() });
    refuse(&mut stage);
    assert_eq!(stage.answered(2), Err(ErrorCode::BadSdp));
    assert_eq!(stage.room.participants().len(), 2);
    stage.stream(9, StreamInput::Restart { sdp: sdp() });
    assert_eq!(stage.answered(9), Err(ErrorCode::CannotResume), "of nobody");
}

#[test]
fn the_room_ends_when_only_viewers_are_left() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    stage.publish(1, CAMERA).expect("let in");
    stage.watch(2, stage_of(1)).expect("live");
    stage.stream(1, StreamInput::End);
    assert!(stage.room.is_empty());
}
