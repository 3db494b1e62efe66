//! Every role with every command (threat 12), and acting with another's id (threat 13).

use conclave_proto::{
    ClientMessage, DisplayName, ErrorCode, Event, LegNumber, MediaState, NetworkQuality, NetworkReport, ParticipantId,
    PathReport, PathState, PeerSignal, Reaction, Resume, Role, RoomName, RoomOptions, Secret, SourceKind,
    TopologyChoice, View, ViewItem,
};
use conclave_room::{Authority, Input, MediaCommand, StoredRoom};

use crate::stage::{Person, Stage, chat, join_as, offer};

/// Who asks. A stranger has no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Host,
    Participant,
    MayNotPublish,
    MayNotChat,
    HostByToken,
    Admin,
    Stranger,
}

const EVERYBODY: [Who; 7] =
    [Who::Host, Who::Participant, Who::MayNotPublish, Who::MayNotChat, Who::HostByToken, Who::Admin, Who::Stranger];

/// Every command, with its `type`; one that turns sources on and one that turns them off.
fn commands(other: &ParticipantId, stage: &Stage) -> Vec<ClientMessage> {
    let generation = stage.generation();
    let on = MediaState { microphone: true, ..MediaState::default() };
    let report =
        NetworkReport { quality: NetworkQuality::Good, round_trip_ms: 1, loss_up_permille: 0, loss_down_permille: 0 };
    let resume = Resume {
        version: 1,
        room: RoomName::parse("weekly").unwrap(),
        participant: other.clone(),
        token: Secret::parse("guess").unwrap(),
        last_seq: 0,
    };
    vec![
        ClientMessage::Join(Box::new(join_as("Somebody"))),
        ClientMessage::Resume(resume),
        ClientMessage::Leave {},
        ClientMessage::Ping {},
        ClientMessage::GetIceServers {},
        ClientMessage::GetParticipants { after: None, search: None },
        ClientMessage::SetMedia { media: on },
        ClientMessage::SetMedia { media: MediaState::default() },
        ClientMessage::SetName { name: DisplayName::parse("New").unwrap() },
        ClientMessage::SetHand { raised: true },
        ClientMessage::React { reaction: Reaction::Heart },
        chat("key", "text"),
        ClientMessage::ReportNetwork { report },
        ClientMessage::SetOptions { options: RoomOptions { locked: true, ..stage.room.state().options } },
        ClientMessage::EndRoom {},
        ClientMessage::Signal { to: other.clone(), generation, signal: PeerSignal::RestartWanted {} },
        ClientMessage::OfferSfu(Box::new(offer(5))),
        ClientMessage::CloseSfu { leg: LegNumber(1) },
        ClientMessage::SetView { leg: LegNumber(1), view: View::default() },
        ClientMessage::ReportPath(PathReport { generation, state: PathState::Ready, peer: None }),
    ]
}

/// What the rules say, independently of how the room decides it.
fn expected(who: Who, message: &ClientMessage) -> Option<ErrorCode> {
    let is_host = matches!(who, Who::Host | Who::HostByToken | Who::Admin);
    match message {
        _ if who == Who::Stranger => Some(ErrorCode::OutOfOrder),
        ClientMessage::Join(_) | ClientMessage::Resume(_) => Some(ErrorCode::OutOfOrder),
        ClientMessage::SetOptions { .. } | ClientMessage::EndRoom {} if !is_host => Some(ErrorCode::Forbidden),
        ClientMessage::Chat { .. } if who == Who::MayNotChat => Some(ErrorCode::Forbidden),
        ClientMessage::SetMedia { media } if who == Who::MayNotPublish && media.microphone => {
            Some(ErrorCode::Forbidden)
        }
        // Signals are for direct rooms.
        ClientMessage::Signal { .. } => Some(ErrorCode::StaleGeneration),
        _ => None,
    }
}

/// A room with its host, somebody else, and who asks.
fn cast(who: Who) -> (Stage, Person, Person) {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let host = stage.join_with_offer("Host");
    let other = stage.join_with_offer("Other");
    let token = |role, may_publish, may_chat| Authority::Token { role, may_publish, may_chat };
    let authority = match who {
        Who::Host => return (stage, other, host),
        Who::Participant | Who::Stranger => Authority::None,
        Who::MayNotPublish => token(Role::Participant, false, true),
        Who::MayNotChat => token(Role::Participant, true, false),
        Who::HostByToken => token(Role::Host, true, true),
        Who::Admin => Authority::Admin,
    };
    if who == Who::Stranger {
        let connection = stage.connect();
        let stranger = Person { connection, ..other.clone() };
        return (stage, other, stranger);
    }
    let connection = stage.connect();
    let join = conclave_proto::Join { offer: Some(offer(1)), ..join_as("Asker") };
    let joined = stage.try_join_on(connection, join, authority).expect("answered").expect("let in");
    (stage, other, Person { connection, id: joined.participant.clone(), joined })
}

#[test]
fn every_role_may_do_what_the_matrix_says_and_nothing_else() {
    let (stage, other, _) = cast(Who::Host);
    let count = commands(&other.id, &stage).len();
    let mut kinds = std::collections::BTreeSet::new();
    for who in EVERYBODY {
        for command in 0..count {
            let (mut stage, other, asker) = cast(who);
            let message = commands(&other.id, &stage).swap_remove(command);
            kinds.insert(kind_of(&message));
            let before = (stage.room.state(), stage.names());
            stage.forget_events();
            let request = stage.request();
            stage.input(Input::Message { connection: asker.connection, request, message: message.clone() });
            let answer = stage.answer_to(asker.connection, request).expect("answered");
            assert_eq!(answer.as_ref().err().copied(), expected(who, &message), "{who:?} {message:?}");
            if answer.is_err() {
                assert_eq!((stage.room.state(), stage.names()), before, "{who:?} {message:?}");
                assert!(stage.commands.is_empty() && stage.events(&other).is_empty(), "{who:?} {message:?}");
            }
        }
    }
    assert_eq!(kinds.len(), ClientMessage::KINDS.len(), "every kind of message was tried");
}

/// Which kind a message is. No wildcard: a new kind has to be put into [`commands`] as well.
fn kind_of(message: &ClientMessage) -> &'static str {
    match message {
        ClientMessage::Join(_) => "join",
        ClientMessage::Resume(_) => "resume",
        ClientMessage::Leave {} => "leave",
        ClientMessage::Ping {} => "ping",
        ClientMessage::GetIceServers {} => "get-ice-servers",
        ClientMessage::GetParticipants { .. } => "get-participants",
        ClientMessage::SetMedia { .. } => "set-media",
        ClientMessage::SetName { .. } => "set-name",
        ClientMessage::SetHand { .. } => "set-hand",
        ClientMessage::React { .. } => "react",
        ClientMessage::Chat { .. } => "chat",
        ClientMessage::ReportNetwork { .. } => "report-network",
        ClientMessage::SetOptions { .. } => "set-options",
        ClientMessage::EndRoom {} => "end-room",
        ClientMessage::Signal { .. } => "signal",
        ClientMessage::OfferSfu(_) => "offer-sfu",
        ClientMessage::CloseSfu { .. } => "close-sfu",
        ClientMessage::SetView { .. } => "set-view",
        ClientMessage::ReportPath(_) => "report-path",
    }
}

/// Everything that an event or an order says about who did something.
fn actor(event: &Event) -> Option<&ParticipantId> {
    match event {
        Event::ParticipantUpdated { participant } => Some(&participant.id),
        Event::NetworkReported { participant, .. }
        | Event::Reacted { participant, .. }
        | Event::PathChanged { participant, .. }
        | Event::ParticipantLeft { participant, .. } => Some(participant),
        Event::Chat { message } => Some(&message.participant),
        Event::Signalled { from, .. } => Some(from),
        _ => None,
    }
}

#[test]
fn whatever_ids_a_message_names_its_connection_says_who_acts() {
    for choice in [TopologyChoice::Mesh, TopologyChoice::Sfu] {
        for index in 0..18 {
            let mut stage = Stage::new(choice);
            let victim = stage.join_with_offer("Victim");
            let forger = stage.join_with_offer("Forger");
            let witness = stage.join_with_offer("Witness");
            stage.forget_events();
            let mut message = commands(&victim.id, &stage).swap_remove(index);
            if let ClientMessage::ReportPath(report) = &mut message {
                report.state = PathState::Failed;
                report.peer = Some(victim.id.clone());
            }
            if let ClientMessage::SetView { view, .. } = &mut message {
                let participant = victim.id.clone();
                view.items =
                    vec![ViewItem { participant, source: SourceKind::Camera, width: 1, height: 1, priority: 0 }];
            }
            stage.ask(forger.connection, message.clone());
            for person in [&victim, &witness] {
                for event in stage.events(person) {
                    assert!(actor(&event).is_none_or(|id| *id == forger.id), "{message:?} {event:?}");
                }
            }
            for command in &stage.commands {
                let (MediaCommand::Offer { participant, .. }
                | MediaCommand::SetMedia { participant, .. }
                | MediaCommand::SetView { participant, .. }
                | MediaCommand::CloseLeg { participant, .. }
                | MediaCommand::CloseParticipant { participant }) = command
                else {
                    continue;
                };
                assert_eq!(*participant, forger.id, "{message:?}");
            }
        }
    }
}

#[test]
fn the_id_of_somebody_in_another_room_opens_nothing_here() {
    let mut elsewhere = Stage::seeded(StoredRoom::default(), 8);
    let stranger = elsewhere.join("Stranger");
    let mut stage = Stage::new(TopologyChoice::Mesh);
    let ada = stage.join("Ada");
    let generation = stage.generation();
    let foreign = stranger.id.clone();
    assert_ne!(foreign, ada.id);
    let signal = ClientMessage::Signal { to: foreign.clone(), generation, signal: PeerSignal::RestartWanted {} };
    assert_eq!(stage.error(&ada, signal), ErrorCode::NoSuchParticipant);
    let report = PathReport { generation, state: PathState::Silent, peer: Some(foreign) };
    assert_eq!(stage.error(&ada, ClientMessage::ReportPath(report)), ErrorCode::NoSuchParticipant);
}
