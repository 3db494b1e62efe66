//! Meetings over the WebSocket.

mod common;

use common::{Closed, TestServer};
use conclave_proto::{ErrorCode, Event, LeaveReason, Reply, Role};
use serde_json::json;

#[tokio::test]
async fn two_people_meet_and_talk() {
    let server = TestServer::start().await;
    let (mut ada, first) = server.join("team", "Ada").await;
    assert_eq!(first.role, Role::Host);
    assert!(first.host_token.is_some());
    let (mut bob, second) = server.join("Team", "Bob").await;
    assert_eq!(second.role, Role::Participant);
    assert_eq!(second.participants.len(), 2);

    let (seq, event) = ada.event().await;
    assert!(matches!(event, Event::ParticipantJoined { participant } if participant.id == second.participant));
    assert_eq!(seq, 1);

    let taken = bob.request("chat", json!({ "key": "k1", "text": "hello\nthere" })).await.expect("taken");
    assert!(matches!(taken, Reply::ChatTaken { .. }));
    assert_eq!(ada.chat().await, "hello\nthere");
    assert_eq!(bob.chat().await, "hello\nthere");

    let again = bob.request("chat", json!({ "key": "k1", "text": "hello\nthere" })).await.expect("taken");
    assert_eq!(again, taken, "sending it again is harmless");

    bob.leave().await;
    let reason = ada
        .event_that(|event| match event {
            Event::ParticipantLeft { participant, reason } if *participant == second.participant => Some(*reason),
            _ => None,
        })
        .await;
    assert_eq!(reason, LeaveReason::Left);
}

#[tokio::test]
async fn a_lost_connection_resumes_with_what_was_missed_in_order() {
    let server = TestServer::start().await;
    let (mut ada, _) = server.join("team", "Ada").await;
    let (bob, joined) = server.join("team", "Bob").await;
    // Cut, without a close frame.
    drop(bob);
    ada.event_that(|event| matches!(event, Event::ParticipantUpdated { .. }).then_some(())).await;
    for number in 0..5 {
        ada.request("chat", json!({ "key": format!("k{number}"), "text": format!("missed {number}") }))
            .await
            .expect("taken");
    }
    let mut back = server.connect().await;
    let token = joined.resume_token.as_str();
    let Ok(Reply::Resumed(resumed)) = back.resume("team", &joined, token, 0).await else { panic!("resumed expected") };
    let mut last = 0;
    let mut missed = Vec::new();
    while missed.len() < 5 {
        let (seq, event) = back.event().await;
        assert_eq!(seq, last + 1);
        last = seq;
        if let Event::Chat { message } = event {
            missed.push(message.text.as_str().to_owned());
        }
    }
    assert_eq!(missed, ["missed 0", "missed 1", "missed 2", "missed 3", "missed 4"]);

    let mut thief = server.connect().await;
    let refused = thief.resume("team", &joined, token, 0).await.expect_err("used once already");
    assert_eq!(refused.code, ErrorCode::CannotResume);
    let mut second = server.connect().await;
    second.resume("team", &joined, resumed.resume_token.as_str(), last).await.expect("with the next token");
    assert_eq!(back.close_code().await, Closed::With(4001), "the older socket is fenced");
}

#[tokio::test]
async fn a_restart_tells_everybody_and_rooms_and_chat_come_back() {
    let mut server = TestServer::start().await;
    let (mut ada, joined) = server
        .join_with(
            "team",
            "Ada",
            json!({ "options": { "topology": "sfu", "capacity": 7, "locked": false, "codec": "vp8" } }),
        )
        .await;
    ada.request("chat", json!({ "key": "k1", "text": "before" })).await.expect("taken");
    ada.chat().await;
    let mut idle = server.connect().await;
    let watching = tokio::spawn(async move {
        let retry = ada
            .event_that(|event| match event {
                Event::ServerClosing { retry_after_ms } => Some(*retry_after_ms),
                _ => None,
            })
            .await;
        (retry, ada.close_code().await)
    });
    server.restart().await;
    let (retry, closed) = watching.await.expect("no panic");
    assert!(retry > 0);
    assert_eq!(closed, Closed::With(1012));
    assert_eq!(idle.close_code().await, Closed::With(1012), "also those who had not joined");

    let host_token = joined.host_token.as_ref().expect("the first is host").as_str();
    let (_ada, back) = server.join_with("team", "Ada", json!({ "hostToken": host_token })).await;
    assert_eq!(back.role, Role::Host);
    assert_eq!(back.room.options.capacity, 7);
    assert_eq!(back.chat.iter().map(|message| message.text.as_str()).collect::<Vec<_>>(), ["before"]);
    let (_eve, other) = server.join("team", "Eve").await;
    assert_eq!(other.role, Role::Participant, "a room that has had a host makes no other");
}

#[tokio::test]
async fn a_second_page_of_the_same_person_is_asked_and_may_take_over() {
    let server = TestServer::start().await;
    let (mut first, _) = server.join("team", "Ada").await;
    let mut second = server.connect().await;
    let refused = second.join("team", "Ada", json!({})).await.expect_err("already here");
    assert_eq!(refused.code, ErrorCode::AlreadyHere);
    second.join("team", "Ada", json!({ "takeover": true })).await.expect("takes over on the same connection");
    assert_eq!(first.close_code().await, Closed::With(4001));
}

#[tokio::test]
async fn a_locked_or_full_room_lets_nobody_in_and_says_so() {
    let server = TestServer::start().await;
    let options = |locked: bool| json!({ "topology": "auto", "capacity": 2, "locked": locked, "codec": "auto" });
    let (mut ada, _) = server.join_with("team", "Ada", json!({ "options": options(false) })).await;
    let (mut bob, _) = server.join("team", "Bob").await;
    let code = async |name: &str| server.connect().await.join("team", name, json!({})).await.expect_err("refused").code;
    assert_eq!(code("Eve").await, ErrorCode::RoomFull);
    let refused = bob.request("set-options", json!({ "options": options(true) })).await.expect_err("not the host");
    assert_eq!(refused.code, ErrorCode::Forbidden);
    bob.leave().await;
    ada.event_that(|event| matches!(event, Event::ParticipantLeft { .. }).then_some(())).await;
    ada.request("set-options", json!({ "options": options(true) })).await.expect("the host may");
    assert_eq!(code("Eve").await, ErrorCode::RoomLocked);
}

#[tokio::test]
async fn entering_needs_a_known_version_and_good_names() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;
    for (more, code) in [
        (json!({ "version": 99 }), ErrorCode::UnsupportedVersion),
        (json!({ "name": "" }), ErrorCode::BadName),
        (json!({ "name": "x".repeat(65) }), ErrorCode::BadName),
        (json!({ "room": "../etc" }), ErrorCode::BadRoomName),
        (json!({ "options": { "capacity": 0 } }), ErrorCode::BadOptions),
        (json!({ "key": "" }), ErrorCode::Malformed),
        (json!({ "accessToken": "nonsense" }), ErrorCode::Unauthorized),
    ] {
        assert_eq!(client.join("fresh", "Ada", more.clone()).await.expect_err("refused").code, code, "{more}");
    }
    client.join("fresh", "Ada", json!({})).await.expect("a refused connection may ask again");
}

#[tokio::test]
async fn whoever_has_not_joined_can_do_nothing_else() {
    let server = TestServer::start().await;
    let mut client = server.connect().await;
    for (kind, body) in [("ping", json!({})), ("chat", json!({ "key": "k", "text": "hi" })), ("leave", json!({}))] {
        assert_eq!(client.request(kind, body).await.expect_err("refused").code, ErrorCode::OutOfOrder, "{kind}");
    }
    client.join("team", "Ada", json!({})).await.expect("let in");
    let refused = client.join("other", "Ada", json!({})).await.expect_err("in a room already");
    assert_eq!(refused.code, ErrorCode::OutOfOrder);
    client.request("ping", json!({})).await.expect("still there");
}

#[tokio::test]
async fn unknown_messages_are_answered_and_unknown_fields_ignored() {
    let server = TestServer::start().await;
    let (mut client, _) = server.join("team", "Ada").await;
    assert_eq!(client.request("dance", json!({})).await.expect_err("unknown").code, ErrorCode::UnknownMessage);
    let raised = client.request("set-hand", json!({ "raised": true, "later": [1, 2] })).await;
    assert_eq!(raised, Ok(Reply::Done {}));
}

#[tokio::test]
async fn the_host_ends_the_meeting_for_everybody() {
    let server = TestServer::start().await;
    let (mut ada, _) = server.join("team", "Ada").await;
    let (mut bob, _) = server.join("team", "Bob").await;
    ada.post("end-room", json!({})).await;
    bob.event_that(|event| matches!(event, Event::RoomEnded {}).then_some(())).await;
    assert_eq!(bob.close_code().await, Closed::With(4002));
    assert_eq!(ada.close_code().await, Closed::With(4002));
    let (_next, joined) = server.join("team", "Carol").await;
    assert_eq!(joined.participants.len(), 1);
}

#[tokio::test]
async fn a_token_decides_name_and_role_and_is_good_for_its_room_alone() {
    let server = TestServer::start().await;
    let (_host, _) = server.join("team", "Ada").await;
    let asked = json!({ "room": "team", "name": "Guest of honour", "role": "participant", "mayChat": false });
    let minted = server.admin("POST", "/api/v1/tokens", asked).await;
    assert_eq!(minted.status, 200, "{}", minted.text());
    let token = minted.json()["token"].as_str().expect("token").to_owned();

    let mut guest = server.connect().await;
    let refused = guest.join("elsewhere", "Bob", json!({ "accessToken": token })).await.expect_err("another room");
    assert_eq!(refused.code, ErrorCode::Unauthorized);
    let joined = guest.join("team", "Bob", json!({ "accessToken": token })).await.expect("let in");
    let me = joined.participants.iter().find(|person| person.id == joined.participant).expect("in the list");
    assert_eq!(me.name.as_str(), "Guest of honour");
    let refused = guest.request("chat", json!({ "key": "k", "text": "hi" })).await.expect_err("not granted");
    assert_eq!(refused.code, ErrorCode::Forbidden);

    let mut admin = server.connect().await;
    let joined = admin.join("team", "Root", json!({ "accessToken": server.admin_token() })).await.expect("let in");
    assert_eq!(joined.role, Role::Host);
}
