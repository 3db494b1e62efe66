use std::net::IpAddr;

use conclave_media::{MediaConfig, MediaLimits, RelayConfig};
use conclave_proto::{Reply, ServerMessage, close};
use conclave_turn::TurnSecret;
use serde_json::json;

use super::*;
use crate::config::ExternalIce;

struct Rig {
    rooms: Rooms,
    _data: tempfile::TempDir,
}

fn rig(limit: usize) -> Rig {
    let data = tempfile::tempdir().expect("folder");
    let (storage, _thread) = Storage::open(data.path()).expect("opens");
    let udp = conclave_media::bind_udp(([127, 0, 0, 1], 0).into(), std::num::NonZeroUsize::MIN).expect("bound");
    let announce = vec![IpAddr::from([127, 0, 0, 1]).into()];
    let secret = TurnSecret::from_bytes(b"north");
    let relay = RelayConfig { secret: secret.clone(), limits: conclave_turn::Limits::default() };
    let limits = MediaLimits::default();
    let controller = conclave_media::Algorithm::default();
    let config = MediaConfig { udp, announce, relay, controller, limits };
    let (media, _events) = conclave_media::start(config).expect("starts");
    let ice = IceServers::new(secret, media.announced(), &ExternalIce::default());
    Rig { rooms: Rooms::new(RoomConfig::default(), limit, storage, media, ice), _data: data }
}

fn name(text: &str) -> RoomName {
    RoomName::parse(text).expect("valid")
}

impl Rig {
    async fn join(&self, room: &str, person: &str) -> Result<(RoomLink, Sending), ProtocolError> {
        let (outbox, mut sending) = outbox(None);
        let link = self.rooms.deliver(&name(room), join(self.rooms.next_connection(), room, person, outbox)).await?;
        joined(&mut sending).await;
        Ok((link, sending))
    }

    /// A meeting that ends as soon as its task runs, with one behind it who asked to be let in before that.
    /// The task runs when the test first waits for something: nothing here does.
    async fn join_as_it_closes(&self) -> Latecomer {
        let (link, _ada) = self.join("r", "Ada").await.expect("in");
        let (close, _closed) = oneshot::channel();
        assert!(link.send(ToRoom::Close(close)).await.is_ok());
        let (outbox, sending) = outbox(None);
        let connection = self.rooms.next_connection();
        let asked = self.rooms.deliver(&name("r"), join(connection, "r", "Bob", outbox.clone())).await;
        Latecomer { connection, link: asked.expect("still open"), outbox, sending }
    }
}

struct Latecomer {
    connection: ConnectionId,
    link: RoomLink,
    outbox: Outbox,
    sending: Sending,
}

impl Latecomer {
    async fn say(&mut self, input: ToRoom) {
        assert!(self.link.send_from(self.connection, input).await.is_ok(), "nobody listens");
    }

    fn leave(&self) -> ToRoom {
        ToRoom::Message { connection: self.connection, request: 2, message: ClientMessage::Leave {} }
    }

    fn disconnected(&self) -> ToRoom {
        ToRoom::Disconnected { connection: self.connection, departure: Departure::Goodbye }
    }
}

fn join(connection: ConnectionId, room: &str, person: &str, outbox: Outbox) -> ToRoom {
    let join = json!({ "version": 1, "room": room, "name": person, "key": person });
    ToRoom::Join {
        connection,
        entrance: Entrance { outbox, host: None },
        join: serde_json::from_value(join).expect("a join"),
        authority: Authority::None,
        request: 1,
    }
}

async fn joined(sending: &mut Sending) {
    match next(sending).await {
        ServerMessage::Reply { reply, .. } if matches!(*reply, Reply::Joined(_)) => {}
        other => panic!("joined expected: {other:?}"),
    }
}

async fn next(sending: &mut Sending) -> ServerMessage {
    match sending.next().await {
        Some(Outgoing::Text(text)) => serde_json::from_str(&text).expect("a message"),
        other => panic!("a message expected: {other:?}"),
    }
}

#[tokio::test]
async fn a_fault_in_one_room_is_told_to_its_people_and_to_nobody_else() {
    let rig = rig(10);
    let (broken, mut ada) = rig.join("broken", "Ada").await.expect("in");
    let (sound, mut bob) = rig.join("sound", "Bob").await.expect("in");
    assert!(broken.send(ToRoom::Fault).await.is_ok());
    let ServerMessage::Error { id: None, error } = next(&mut ada).await else { panic!("an error expected") };
    assert_eq!(error.code, ErrorCode::Internal);
    assert!(matches!(ada.next().await, Some(Outgoing::Close { code: close::RESTART, .. })));

    rig.join("broken", "Ada").await.expect("the room opens again");
    let ping = ToRoom::Message { connection: ConnectionId(2), request: 7, message: ClientMessage::Ping {} };
    assert!(sound.send(ping).await.is_ok());
    assert!(matches!(next(&mut bob).await, ServerMessage::Reply { id: 7, .. }));
}

#[tokio::test]
async fn there_are_no_more_meetings_than_allowed_and_an_empty_one_makes_room() {
    let rig = rig(1);
    let (link, _ada) = rig.join("one", "Ada").await.expect("in");
    let refused = rig.join("two", "Bob").await.err().expect("full");
    assert_eq!(refused.code, ErrorCode::TooManyRequests);
    assert!(refused.retry_after_ms.is_some());
    let left = ToRoom::Disconnected { connection: ConnectionId(1), departure: Departure::Goodbye };
    assert!(link.send(left).await.is_ok());
    while rig.rooms.look(&name("one")).await.is_some() {}
    rig.join("two", "Bob").await.expect("there is room now");
}

#[tokio::test]
async fn whoever_comes_while_a_meeting_ends_gets_into_the_next() {
    let rig = rig(10);
    for _ in 0..50 {
        let (link, _ada) = rig.join("r", "Ada").await.expect("in");
        let (close, _closed) = oneshot::channel();
        assert!(link.send(ToRoom::Close(close)).await.is_ok());
        let (_link, _bob) = rig.join("r", "Bob").await.expect("in the next meeting");
        let (close, closed) = oneshot::channel();
        rig.rooms.deliver(&name("r"), ToRoom::Close(close)).await.map(drop).expect("delivered");
        closed.await.expect("closed");
    }
}

#[tokio::test]
async fn whoever_came_as_a_meeting_ended_and_disconnects_is_gone_from_the_next() {
    let rig = rig(10);
    let mut bob = rig.join_as_it_closes().await;
    joined(&mut bob.sending).await;
    bob.say(bob.disconnected()).await;
    assert!(rig.rooms.look(&name("r")).await.is_none());
}

#[tokio::test]
async fn whoever_came_as_a_meeting_ended_and_leaves_is_gone_from_the_next() {
    let rig = rig(10);
    let mut bob = rig.join_as_it_closes().await;
    joined(&mut bob.sending).await;
    bob.say(bob.leave()).await;
    assert!(rig.rooms.look(&name("r")).await.is_none());
}

#[tokio::test]
async fn what_is_said_before_the_ending_meeting_could_pass_on_the_join_follows_it() {
    for leave in [Latecomer::leave, Latecomer::disconnected] {
        let rig = rig(10);
        let mut bob = rig.join_as_it_closes().await;
        bob.say(leave(&bob)).await;
        joined(&mut bob.sending).await;
        // Whoever stays behind hears that it is over only after all has been passed on.
        let stayed = ToRoom::Disconnected { connection: ConnectionId(1), departure: Departure::Lost };
        assert!(bob.link.clone().send_from(ConnectionId(1), stayed).await.is_err());
        assert!(rig.rooms.look(&name("r")).await.is_none());
    }
}

#[tokio::test]
async fn a_latecomer_is_followed_through_every_meeting_that_ends_under_them() {
    let rig = rig(10);
    let mut bob = rig.join_as_it_closes().await;
    joined(&mut bob.sending).await;
    let (close, _closed) = oneshot::channel();
    rig.rooms.deliver(&name("r"), ToRoom::Close(close)).await.map(drop).expect("delivered");
    let again = join(bob.connection, "r", "Bob", bob.outbox.clone());
    bob.say(again).await;
    while !matches!(bob.sending.next().await, Some(Outgoing::Close { .. })) {}
    joined(&mut bob.sending).await;
    bob.say(bob.disconnected()).await;
    assert!(rig.rooms.look(&name("r")).await.is_none());
}

#[tokio::test]
async fn who_was_inside_when_a_meeting_ended_is_heard_by_no_later_one() {
    let rig = rig(10);
    let mut bob = rig.join_as_it_closes().await;
    joined(&mut bob.sending).await;
    let left = ToRoom::Disconnected { connection: ConnectionId(1), departure: Departure::Goodbye };
    assert!(bob.link.clone().send_from(ConnectionId(1), left).await.is_err());
    assert!(rig.rooms.look(&name("r")).await.is_some());
}

#[tokio::test]
async fn a_stopping_server_opens_no_meeting() {
    let rig = rig(10);
    let (_link, mut ada) = rig.join("r", "Ada").await.expect("in");
    rig.rooms.stop(Duration::from_secs(1)).await;
    assert!(matches!(next(&mut ada).await, ServerMessage::Event { .. }));
    assert!(matches!(ada.next().await, Some(Outgoing::Close { code: close::RESTART, .. })));
    assert!(rig.join("r", "Ada").await.is_err());
}

#[tokio::test]
async fn the_door_shows_how_many_are_inside_and_the_names_of_a_few() {
    let rig = rig(10);
    assert!(rig.rooms.glance(&name("r")).await.is_none());
    let mut inside = Vec::new();
    for number in 0..GLIMPSED + 2 {
        inside.push(rig.join("r", &format!("P{number}")).await.expect("in"));
    }
    let glimpse = rig.rooms.glance(&name("r")).await.expect("live");
    assert_eq!((glimpse.count, glimpse.names.len()), (GLIMPSED + 2, GLIMPSED));
    assert_eq!(glimpse.names[0].as_str(), "P0");
    assert!(!glimpse.is_locked && !glimpse.is_full);
}
