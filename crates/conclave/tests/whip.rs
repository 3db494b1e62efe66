//! WHIP (RFC 9725) clause by clause, over HTTP.

mod common;

use common::TestServer;
use common::stream::{FRAGMENT, PLAY, PUBLISH, SDP, TRICKLE, restart};
use conclave_proto::Event;
use serde_json::{Value, json};

#[tokio::test]
async fn an_offer_is_answered_with_a_session_of_its_own() {
    let server = TestServer::start().await;
    let session = server.publish("studio").await;
    let answer = &session.answer;
    assert_eq!(answer.header("content-type"), "application/sdp");
    assert_eq!(answer.header("accept-patch"), "application/trickle-ice-sdpfrag");
    assert!(answer.text().starts_with("v=0\r\n") && answer.text().contains("a=ice-lite\r\n"));
    assert_eq!(answer.text().matches("a=recvonly\r\n").count(), 2);
    assert!(answer.text().contains("profile-level-id=42001e"), "the profile is the publisher's: {}", answer.text());
    assert!(session.tag.starts_with('"') && session.tag.len() == 34, "a strong tag: {}", session.tag);
    let secret = session.path.strip_prefix("/whip/studio/").expect("below the endpoint");
    assert_eq!(secret.len(), 22, "128 bits");
    let other = server.publish("studio").await;
    assert!(other.path != session.path && other.tag != session.tag);
}

#[tokio::test]
async fn stun_and_turn_servers_come_as_links() {
    let server = TestServer::start().await;
    let session = server.publish("studio").await;
    let links: Vec<_> =
        session.answer.headers.get_all("link").iter().map(|link| link.to_str().expect("ASCII")).collect();
    assert_eq!(links.len(), 4, "{links:?}");
    assert!(links.iter().all(|link| link.contains("; rel=\"ice-server\"")));
    assert!(links[0].starts_with("<stun:127.0.0.1:") && !links[0].contains("credential"));
    assert!(links[1].starts_with("<turn:") && links[1].contains("; credential=\"") && links[1].contains("username=\""));
}

#[tokio::test]
async fn only_a_token_that_may_publish_in_this_room_publishes_whether_the_room_exists_or_not() {
    let server = TestServer::start().await;
    server.admin("POST", "/api/v1/rooms", json!({ "name": "there" })).await;
    let elsewhere = server.publisher("elsewhere").await;
    for room in ["there", "absent"] {
        let path = format!("/whip/{room}");
        let mute = server.token(json!({ "room": room, "mayPublish": false })).await;
        for (token, status) in [
            (None, 401),
            (Some("Bearer wrong"), 401),
            (Some("Basic YTpi"), 401),
            (Some(&*elsewhere), 401),
            (Some(&*mute), 403),
        ] {
            let mut headers = vec![SDP];
            headers.extend(token.map(|token| ("authorization", token)));
            let answer = server.send("POST", &path, &headers, PUBLISH.into()).await;
            assert_eq!(answer.status, status, "{room} {token:?}");
            if status == 401 {
                assert_eq!(answer.header("www-authenticate"), "Bearer");
                assert_eq!(answer.json(), json!({ "code": "unauthorized", "message": "a valid token is needed" }));
            }
        }
        assert_eq!(
            server.http("GET", &format!("/api/v1/rooms/{room}/preview"), &[], Value::Null).await.json()["participants"],
            json!([])
        );
    }
    let admin = format!("Bearer {}", server.admin_token());
    assert_eq!(
        server.send("POST", "/whip/absent", &[SDP, ("authorization", &admin)], PUBLISH.into()).await.status,
        201
    );
}

#[tokio::test]
async fn a_publisher_is_a_participant_named_by_its_token_its_url_or_nobody() {
    let server = TestServer::start().await;
    let (mut ada, _) = server.join("studio", "Ada").await;
    let named = server.token(json!({ "room": "studio", "name": "Camera 1" })).await;
    let unnamed = server.publisher("studio").await;
    for (token, query, name) in
        [(&named, "?name=ignored", "Camera 1"), (&unnamed, "?name=Camera%202", "Camera 2"), (&unnamed, "", "Stream")]
    {
        let path = format!("/whip/studio{query}");
        let answer = server.send("POST", &path, &[SDP, ("authorization", token)], PUBLISH.into()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let joined = ada
            .event_that(|event| match event {
                Event::ParticipantJoined { participant } => Some(participant.clone()),
                _ => None,
            })
            .await;
        assert_eq!(joined.name.as_str(), name);
        assert!(joined.media.camera && joined.media.microphone && !joined.media.screen);
    }
    let bad = format!("/whip/studio?name={}", "x".repeat(65));
    assert_eq!(server.send("POST", &bad, &[SDP, ("authorization", &unnamed)], PUBLISH.into()).await.status, 400);
}

#[tokio::test]
async fn deleting_a_session_ends_it_once_whatever_if_match_says() {
    let server = TestServer::start().await;
    let (mut ada, _) = server.join("studio", "Ada").await;
    let session = server.publish("studio").await;
    let deleted = server.ask(&session, "DELETE", &[("if-match", "\"stale\"")], "").await;
    assert_eq!((deleted.status, deleted.text().as_str()), (200, ""));
    ada.event_that(|event| matches!(event, Event::ParticipantLeft { .. }).then_some(())).await;
    assert_eq!(server.ask(&session, "DELETE", &[], "").await.status, 404);
    assert_eq!(server.ask(&session, "PATCH", &[FRAGMENT, ("if-match", &session.tag)], TRICKLE).await.status, 404);
    assert_eq!(server.ask(&session, "GET", &[], "").await.status, 404);
}

#[tokio::test]
async fn a_session_ends_with_its_meeting() {
    let server = TestServer::start().await;
    let session = server.publish("studio").await;
    assert_eq!(server.admin("DELETE", "/api/v1/rooms/studio", Value::Null).await.status, 204);
    assert_eq!(server.ask(&session, "DELETE", &[], "").await.status, 404);
}

#[tokio::test]
async fn candidates_are_taken_and_answered_without_a_tag() {
    let server = TestServer::start().await;
    let session = server.publish("studio").await;
    for fragment in [TRICKLE, "a=end-of-candidates\r\n"] {
        let patched = server.ask(&session, "PATCH", &[FRAGMENT, ("if-match", &session.tag)], fragment).await;
        assert_eq!((patched.status, patched.text().as_str()), (204, ""));
        assert_eq!(patched.headers.get("etag"), None);
    }
}

#[tokio::test]
async fn a_patch_names_its_ice_session() {
    let server = TestServer::start().await;
    let session = server.publish("studio").await;
    let patch = async |headers: &[(&str, &str)], body: &str| server.ask(&session, "PATCH", headers, body).await.status;
    assert_eq!(patch(&[FRAGMENT], TRICKLE).await, 428);
    assert_eq!(patch(&[FRAGMENT, ("if-match", "\"other\"")], TRICKLE).await, 412);
    assert_eq!(patch(&[FRAGMENT, ("if-match", &format!("W/{}", session.tag))], TRICKLE).await, 412, "a weak tag");
    assert_eq!(patch(&[FRAGMENT, ("if-match", &session.tag)], &restart("other")).await, 422, "a restart without *");
    assert_eq!(patch(&[FRAGMENT, ("if-match", "*")], TRICKLE).await, 422, "a restart without credentials");
    assert_eq!(patch(&[SDP, ("if-match", &session.tag)], TRICKLE).await, 415);
    assert_eq!(patch(&[FRAGMENT, ("if-match", &session.tag)], "garbage").await, 400);
    assert_eq!(patch(&[FRAGMENT, ("if-match", &session.tag)], TRICKLE).await, 204, "none of this ended it");
}

#[tokio::test]
async fn an_ice_restart_gives_new_credentials_and_a_new_tag() {
    let server = TestServer::start().await;
    let session = server.publish("studio").await;
    let credentials = |text: &str| {
        let of = |start: &str| text.lines().find_map(|line| line.strip_prefix(start)).expect("credentials").to_owned();
        (of("a=ice-ufrag:"), of("a=ice-pwd:"))
    };
    let restarted = server.ask(&session, "PATCH", &[FRAGMENT, ("if-match", "*")], &restart("second")).await;
    assert_eq!(restarted.status, 200, "{}", restarted.text());
    assert_eq!(restarted.header("content-type"), "application/trickle-ice-sdpfrag");
    let tag = restarted.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag != session.tag);
    assert_ne!(credentials(&restarted.text()), credentials(&session.answer.text()));
    assert!(restarted.text().contains("a=candidate:") && restarted.text().contains("a=ice-lite"));
    let patch = async |tag: &str| server.ask(&session, "PATCH", &[FRAGMENT, ("if-match", tag)], TRICKLE).await.status;
    assert_eq!((patch(&session.tag).await, patch(&tag).await), (412, 204));
}

#[tokio::test]
async fn a_failed_ice_restart_does_not_end_the_session() {
    let server = TestServer::start().await;
    let session = server.publish("studio").await;
    let short = "a=ice-ufrag:abcd\r\na=ice-pwd:short\r\n";
    assert_eq!(server.ask(&session, "PATCH", &[FRAGMENT, ("if-match", "*")], short).await.status, 400);
    let same = PUBLISH.lines().filter(|line| line.starts_with("a=ice-")).take(2).map(|line| format!("{line}\r\n"));
    let same: String = same.collect();
    assert_eq!(server.ask(&session, "PATCH", &[FRAGMENT, ("if-match", "*")], &same).await.status, 422);
    assert_eq!(server.ask(&session, "PATCH", &[FRAGMENT, ("if-match", &session.tag)], TRICKLE).await.status, 204);
    assert_eq!(server.ask(&session, "PATCH", &[FRAGMENT, ("if-match", "*")], &restart("third")).await.status, 200);
}

#[tokio::test]
async fn nobody_elses_session_can_be_changed_or_ended() {
    let server = TestServer::start().await;
    let session = server.publish("studio").await;
    let stranger = server.token(json!({ "room": "studio", "name": "Stranger" })).await;
    let foreign = server.publisher("elsewhere").await;
    for (token, status) in [(None, 401), (Some("Bearer wrong"), 401), (Some(&*stranger), 403), (Some(&*foreign), 403)] {
        let mut headers = vec![FRAGMENT, ("if-match", "*")];
        headers.extend(token.map(|token| ("authorization", token)));
        let patched = server.send("PATCH", &session.path, &headers, restart("theirs")).await;
        let deleted = server.send("DELETE", &session.path, &headers[2..], String::new()).await;
        assert_eq!((patched.status, deleted.status), (status, status), "{token:?}");
    }
    let guess = format!("/whip/studio/{}", "A".repeat(22));
    let elsewhere = session.path.replace("studio", "elsewhere");
    let other_protocol = session.path.replace("whip", "whep");
    for path in [&*guess, "/whip/studio/x", &elsewhere, &other_protocol] {
        let deleted = server.send("DELETE", path, &[("authorization", &session.token)], String::new()).await;
        assert_eq!(deleted.status, 404, "{path}");
    }
    let host = server.token(json!({ "room": "studio", "role": "host" })).await;
    assert_eq!(server.send("DELETE", &session.path, &[("authorization", &host)], String::new()).await.status, 200);
}

#[tokio::test]
async fn what_is_not_an_offer_is_refused_by_kind() {
    let server = TestServer::start().await;
    let token = server.publisher("studio").await;
    let post = async |content_type: &str, body: String| {
        let headers = [("content-type", content_type), ("authorization", &*token)];
        server.send("POST", "/whip/studio", &headers, body).await
    };
    let wrong = post("application/json", PUBLISH.into()).await;
    assert_eq!((wrong.status, wrong.header("accept-post")), (415, "application/sdp"));
    assert_eq!(post("application/sdp; charset=utf-8", PUBLISH.into()).await.status, 201);
    for body in [String::new(), "garbage".into(), "v=0\r\n".into(), PUBLISH.replace("a=ice-ufrag", "a=x")] {
        assert_eq!(post("application/sdp", body).await.status, 400);
    }
    for (from, to) in
        [("opus", "speex"), ("a=group:BUNDLE 0 1", "a=x"), ("a=rtcp-mux", "a=x"), ("a=sendonly", "a=recvonly")]
    {
        let body = PUBLISH.replace(from, to).replace(if from == "opus" { "H264" } else { "\0" }, "MPV");
        let refused = post("application/sdp", body).await;
        assert_eq!(refused.status, 406, "{from}: {}", refused.text());
    }
    assert_eq!(post("application/sdp", "a=x\r\n".repeat(20_000)).await.status, 413);
    let no_picture = post("application/sdp", PUBLISH.replace("H264/", "MPV/")).await;
    assert_eq!(no_picture.status, 201, "what is left is taken");
    assert!(no_picture.text().contains("m=video 0 "), "{}", no_picture.text());
    let rooms = server.admin("GET", "/api/v1/rooms/studio/participants", Value::Null).await.json();
    assert_eq!(rooms["participants"].as_array().map(Vec::len), Some(2), "who was refused is not there");
}

#[tokio::test]
async fn other_clients_offers_are_taken_too() {
    let server = TestServer::start().await;
    let token = server.publisher("studio").await;
    let answer = server.send("POST", "/whip/studio", &[SDP, ("authorization", &token)], PLAY.into()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.text().matches("a=recvonly\r\n").count(), 2, "{}", answer.text());
}

#[tokio::test]
async fn get_is_successful_and_empty_and_other_methods_are_not_allowed() {
    let server = TestServer::start().await;
    let session = server.publish("studio").await;
    for path in ["/whip/studio", "/whip/absent"] {
        let answer = server.send("GET", path, &[], String::new()).await;
        assert_eq!((answer.status, answer.text().as_str()), (204, ""), "{path}");
    }
    assert_eq!(server.ask(&session, "GET", &[], "").await.status, 204);
    for (method, path) in
        [("PUT", "/whip/studio"), ("DELETE", "/whip/studio"), ("PUT", &*session.path), ("POST", &session.path)]
    {
        assert_eq!(server.send(method, path, &[], String::new()).await.status, 405, "{method} {path}");
    }
}

#[tokio::test]
async fn pages_of_any_origin_may_ask_and_read_what_they_need() {
    let server = TestServer::start().await;
    let session = server.publish("studio").await;
    let origin = [("origin", "https://broadcaster.example")];
    for (path, name, value) in [
        ("/whip/studio", "accept-post", "application/sdp"),
        (&*session.path, "accept-patch", "application/trickle-ice-sdpfrag"),
    ] {
        let answer = server.send("OPTIONS", path, &origin, String::new()).await;
        assert_eq!((answer.status, answer.header(name)), (204, value));
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        for method in ["POST", "PATCH", "DELETE", "OPTIONS"] {
            assert!(answer.header("access-control-allow-methods").contains(method));
        }
        for header in ["authorization", "content-type", "if-match"] {
            assert!(answer.header("access-control-allow-headers").contains(header));
        }
    }
    let refused = server.send("POST", "/whip/studio", &origin, String::new()).await;
    for answer in [&refused, &session.answer] {
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        for header in ["location", "etag", "link"] {
            assert!(answer.header("access-control-expose-headers").contains(header));
        }
    }
}

#[tokio::test]
async fn another_spelling_of_a_room_is_redirected_with_method_and_body() {
    let server = TestServer::start().await;
    let answer = server.send("POST", "/whip/Studio?name=x", &[SDP], PUBLISH.into()).await;
    assert_eq!((answer.status, answer.header("location")), (307, "/whip/studio?name=x"));
    assert_eq!(server.send("POST", "/whip/a%20b", &[SDP], PUBLISH.into()).await.status, 404);
}

#[tokio::test]
async fn a_locked_room_lets_in_hosts_streams_only() {
    let server = TestServer::start().await;
    let locked = json!({ "topology": "auto", "capacity": 9, "locked": true, "codec": "auto" });
    server.admin("POST", "/api/v1/rooms", json!({ "name": "studio", "options": locked })).await;
    let (_ada, _) = server.join_with("studio", "Ada", json!({ "accessToken": server.admin_token() })).await;
    for (role, status) in [("participant", 403), ("host", 201)] {
        let token = server.token(json!({ "room": "studio", "role": role })).await;
        let answer = server.send("POST", "/whip/studio", &[SDP, ("authorization", &token)], PUBLISH.into()).await;
        assert_eq!(answer.status, status, "{role}: {}", answer.text());
    }
}

#[tokio::test]
async fn the_api_describes_streams() {
    let server = TestServer::start().await;
    let document = server.http("GET", "/api/v1/openapi.json", &[], Value::Null).await.json();
    for (path, methods) in
        [("/whip/{room}", &["post"][..]), ("/whip/{room}/{session}", &["patch", "delete"]), ("/whep/{room}", &["post"])]
    {
        for method in methods {
            assert!(document["paths"][path][method]["responses"].is_object(), "{method} {path}");
        }
    }
}
