//! WHEP (draft-ietf-wish-whep) clause by clause, over HTTP.

mod common;

use std::time::{Duration, Instant};

use common::TestServer;
use common::stream::{FRAGMENT, PLAY, PUBLISH, SDP, TRICKLE, restart};
use conclave_proto::{Event, Topology, TopologyReason};
use serde_json::{Value, json};

#[tokio::test]
async fn whoever_has_the_link_plays_an_open_room_and_is_in_no_list() {
    let server = TestServer::start().await;
    let (mut ada, _) = server.join("studio", "Ada").await;
    server.publish("studio").await;
    ada.event_that(|event| matches!(event, Event::ParticipantJoined { .. }).then_some(())).await;
    let player = server.play("studio", "").await;
    assert_eq!(player.answer.header("content-type"), "application/sdp");
    assert_eq!(player.answer.text().matches("a=sendonly\r\n").count(), 2);
    assert!(player.path.starts_with("/whep/studio/") && player.tag.starts_with('"'));
    assert!(player.answer.headers.contains_key("link"));
    let people = server.admin("GET", "/api/v1/rooms/studio/participants", Value::Null).await.json();
    assert_eq!(people["participants"].as_array().map(Vec::len), Some(2), "{people}");
    let figures = server.http("GET", "/metrics", &[], Value::Null).await.text();
    assert!(figures.contains("conclave_viewers "), "counted: {figures}");
}

#[tokio::test]
async fn where_nothing_is_live_the_answer_is_the_same_whether_the_room_exists_or_not() {
    let server = TestServer::start().await;
    server.admin("POST", "/api/v1/rooms", json!({ "name": "stored" })).await;
    let (_ada, _) = server.join("silent", "Ada").await;
    server.publish("live").await;
    for path in
        ["/whep/absent", "/whep/stored", "/whep/silent", "/whep/live?participant=nobody", "/whep/live?source=screen"]
    {
        let started = Instant::now();
        let answer = server.send("POST", path, &[SDP], PLAY.into()).await;
        assert_eq!((answer.status, answer.header("retry-after")), (409, "5"), "{path}: {}", answer.text());
        assert_eq!(answer.error(), "nothing-live");
        assert_eq!(
            answer.text(),
            "{\"code\":\"nothing-live\",\"message\":\"there is nothing to watch now\",\"retryAfterMs\":5000}"
        );
        assert!(started.elapsed() >= Duration::from_millis(40), "{path}");
    }
    assert_eq!(server.admin("GET", "/api/v1/rooms/absent", Value::Null).await.status, 404, "no room was made");
}

#[tokio::test]
async fn a_viewer_moves_a_direct_meeting_to_the_server() {
    let server = TestServer::start().await;
    let (mut ada, joined) = server.join_with("pair", "Ada", json!({ "media": { "camera": true } })).await;
    assert_eq!(joined.room.topology.topology, Topology::P2p);
    server.play("pair", "").await;
    let state = ada
        .event_that(|event| match event {
            Event::TopologyChanged { state } => Some(*state),
            _ => None,
        })
        .await;
    assert_eq!((state.topology, state.reason), (Topology::Sfu, TopologyReason::Stream));
}

#[tokio::test]
async fn one_participant_and_one_kind_of_picture_can_be_chosen() {
    let server = TestServer::start().await;
    let (_ada, joined) = server.join_with("studio", "Ada", json!({ "media": { "screen": true } })).await;
    let id = joined.participant.as_str();
    for query in [format!("?participant={id}"), "?source=screen".into(), format!("?participant={id}&source=screen")] {
        server.play("studio", &query).await;
    }
    for (query, status) in [("?source=microphone", 400), ("?source=nonsense", 400), ("?participant=..%2F", 400)] {
        let answer = server.send("POST", &format!("/whep/studio{query}"), &[SDP], PLAY.into()).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_wrong_token_is_worse_than_none_and_a_locked_room_wants_a_hosts() {
    let server = TestServer::start().await;
    server.publish("studio").await;
    let post = async |token: Option<&str>| {
        let mut headers = vec![SDP];
        headers.extend(token.map(|token| ("authorization", token)));
        server.send("POST", "/whep/studio", &headers, PLAY.into()).await.status
    };
    let elsewhere = server.publisher("elsewhere").await;
    let here = server.publisher("studio").await;
    let host = server.token(json!({ "room": "studio", "role": "host" })).await;
    for (token, status) in [(None, 201), (Some("Bearer wrong"), 401), (Some(&*elsewhere), 401), (Some(&*here), 201)] {
        assert_eq!(post(token).await, status, "{token:?}");
    }
    let locked = json!({ "topology": "auto", "capacity": 9, "locked": true, "codec": "auto" });
    server.admin("PUT", "/api/v1/rooms/studio/options", locked).await;
    for (token, status) in [(None, 403), (Some(&*here), 403), (Some(&*host), 201)] {
        assert_eq!(post(token).await, status, "{token:?}");
    }
}

#[tokio::test]
async fn sessions_are_patched_and_deleted_as_in_whip() {
    let server = TestServer::start().await;
    server.publish("studio").await;
    let player = server.play("studio", "").await;
    let patch = async |headers: &[(&str, &str)], body: &str| server.ask(&player, "PATCH", headers, body).await.status;
    assert_eq!(patch(&[FRAGMENT], TRICKLE).await, 428);
    assert_eq!(patch(&[FRAGMENT, ("if-match", "\"x\"")], TRICKLE).await, 412);
    assert_eq!(patch(&[FRAGMENT, ("if-match", &player.tag)], TRICKLE).await, 204);
    assert_eq!(patch(&[FRAGMENT, ("if-match", "*")], TRICKLE).await, 422);
    assert_eq!(patch(&[SDP, ("if-match", &player.tag)], PLAY).await, 415, "the server makes no counter-offers");
    let restarted = server.ask(&player, "PATCH", &[FRAGMENT, ("if-match", "*")], &restart("second")).await;
    assert_eq!(restarted.status, 200, "{}", restarted.text());
    assert_ne!(restarted.header("etag"), player.tag);
    assert_eq!(server.ask(&player, "GET", &[], "").await.status, 204);
    assert_eq!(server.ask(&player, "DELETE", &[("if-match", "\"x\"")], "").await.status, 200);
    assert_eq!(server.ask(&player, "DELETE", &[], "").await.status, 404);
}

#[tokio::test]
async fn the_endpoint_says_what_it_takes_before_an_offer() {
    let server = TestServer::start().await;
    let head = server.send("HEAD", "/whep/studio", &[], String::new()).await;
    assert_eq!((head.status, head.header("content-type")), (200, "application/sdp"));
    assert_eq!(server.send("GET", "/whep/studio", &[], String::new()).await.status, 204);
    let options = server.send("OPTIONS", "/whep/studio", &[], String::new()).await;
    assert_eq!((options.status, options.header("accept-post")), (204, "application/sdp"));
    assert_eq!(options.header("access-control-allow-origin"), "*");
    let moved = server.send("POST", "/whep/Studio", &[SDP], PLAY.into()).await;
    assert_eq!((moved.status, moved.header("location")), (307, "/whep/studio"));
}

#[tokio::test]
async fn offers_are_refused_by_kind() {
    let server = TestServer::start().await;
    server.publish("studio").await;
    let post = async |body: String| server.send("POST", "/whep/studio", &[SDP], body).await.status;
    assert_eq!(post("garbage".into()).await, 400);
    assert_eq!(post(PUBLISH.into()).await, 406, "it wants to send");
    assert_eq!(post(PLAY.replace("opus", "speex").replace("VP8", "X").replace("H264", "Y")).await, 406);
    assert_eq!(server.send("POST", "/whep/studio", &[], PLAY.into()).await.status, 415);
}
