//! What the administrator sees, over real sockets.

mod common;

use axum::body::Bytes;
use common::{PATIENCE, TestServer};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::time::timeout;

/// Live events of a feed.
struct Feed {
    body: hyper::body::Incoming,
    text: String,
}

impl Feed {
    async fn open(server: &TestServer, query: &str) -> Self {
        let request = axum::http::Request::builder()
            .uri(format!("http://{}/api/v1/admin/feed{query}", server.address))
            .header("authorization", format!("Bearer {}", server.admin_token()))
            .body(Empty::<Bytes>::new())
            .expect("request");
        let client = HttpClient::builder(TokioExecutor::new()).build_http();
        let response = timeout(PATIENCE, client.request(request)).await.expect("in time").expect("answered");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next event; none when the feed has ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let event = serde_json::from_str(event.strip_prefix("data: ").expect("data")).expect("JSON");
                self.text = rest.to_owned();
                return Some(event);
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.expect("in time")?;
            let data = frame.ok()?.into_data().expect("data");
            self.text.push_str(std::str::from_utf8(&data).expect("text"));
        }
    }

    async fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = self.next().await.expect("goes on");
            if is_it(&event) {
                return event;
            }
        }
    }
}

const GUARDED: [&str; 5] = [
    "/api/v1/admin/overview",
    "/api/v1/admin/rooms/team",
    "/api/v1/admin/rooms/absent",
    "/api/v1/admin/rooms/team/participants/x",
    "/api/v1/admin/feed",
];

#[tokio::test]
async fn the_administrator_sees_rooms_and_people_as_they_come_and_go() {
    let server = TestServer::start().await;
    let mut feed = Feed::open(&server, "").await;
    assert_eq!(feed.next().await.expect("at once")["overview"]["totals"]["rooms"], 0);
    let (ada, joined) = server.join("team", "Ada").await;
    let (_bo, _) = server.join("team", "Bo").await;
    let seen = feed.until(|event| event["overview"]["rooms"][0]["participants"] == 2).await;
    assert_eq!(seen["overview"]["rooms"][0]["name"], "team");
    assert_eq!(seen["overview"]["rooms"][0]["topology"], "p2p");

    let overview = server.admin("GET", "/api/v1/admin/overview", Value::Null).await.json();
    assert_eq!(overview["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(overview["history"]["fine"]["stepS"], 1);
    assert!(overview["now"]["totals"]["memoryBytes"].as_u64().is_some_and(|bytes| bytes > 1_000_000));
    let room = server.admin("GET", "/api/v1/admin/rooms/team", Value::Null).await.json();
    let names: Vec<_> = room["now"]["participants"].as_array().expect("people").iter().map(|p| &p["name"]).collect();
    assert_eq!(names, ["Ada", "Bo"]);
    let id = joined.participant.as_str().to_owned();
    let detail = server.admin("GET", &format!("/api/v1/admin/rooms/team/participants/{id}"), Value::Null).await.json();
    assert_eq!((&detail["now"]["id"], &detail["now"]["sources"]), (&json!(id), &json!([])));

    let mut of_room = Feed::open(&server, &format!("?room=team&participant={id}")).await;
    assert_eq!(of_room.next().await.expect("at once")["participant"]["id"], json!(id));
    ada.leave().await;
    let left = |event: &Value| {
        event["room"]["participants"]
            .as_array()
            .is_some_and(|people| people.len() == 2 && people[1]["presence"] == "left" && people[1]["name"] == "Ada")
    };
    of_room.until(left).await;
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_missing() {
    let server = TestServer::start().await;
    let (_ada, _) = server.join("team", "Ada").await;
    Feed::open(&server, "").await.until(|event| event["overview"]["totals"]["participants"] == 1).await;
    for (path, status, code) in [
        ("/api/v1/admin/rooms/absent", 404, "room-closed"),
        ("/api/v1/admin/rooms/Not%20A%20Room", 422, "bad-room-name"),
        ("/api/v1/admin/rooms/team/participants/nobody", 404, "no-such-participant"),
        ("/api/v1/admin/feed?room=absent", 404, "room-closed"),
    ] {
        let answer = server.admin("GET", path, Value::Null).await;
        assert_eq!((answer.status, answer.error().as_str()), (status, code), "{path}");
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn nobody_else_sees_anything_and_guessing_is_slow() {
    let server = TestServer::start().await;
    server.admin("POST", "/api/v1/rooms", json!({ "name": "team" })).await;
    for path in GUARDED {
        for headers in [&[][..], &[("authorization", "Bearer wrong")], &[("authorization", "Basic YTpi")]] {
            let answer = server.http("GET", path, headers, Value::Null).await;
            assert_eq!((answer.status, answer.error().as_str()), (401, "unauthorized"), "{path}");
            assert_eq!(answer.json(), json!({ "code": "unauthorized", "message": "a valid token is needed" }));
        }
    }
    let minted = server.admin("POST", "/api/v1/tokens", json!({ "room": "team", "role": "host" })).await.json();
    let host = format!("Bearer {}", minted["token"].as_str().expect("a token"));
    for path in GUARDED {
        assert_eq!(server.http("GET", path, &[("authorization", &host)], Value::Null).await.status, 403, "{path}");
    }
    let wrong = [("authorization", "Bearer wrong-again")];
    let mut answer = server.http("GET", GUARDED[0], &wrong, Value::Null).await;
    for _ in 0..40 {
        if answer.status == 429 {
            break;
        }
        answer = server.http("GET", GUARDED[0], &wrong, Value::Null).await;
    }
    assert_eq!((answer.status, answer.error().as_str()), (429, "too-many-requests"));
    assert!(answer.header("retry-after").parse::<u32>().is_ok_and(|seconds| (1..=6).contains(&seconds)));
    let right = server.admin("GET", GUARDED[0], Value::Null).await;
    assert_eq!(right.status, 429, "or the right one would be found by sending many");
}

#[tokio::test]
async fn a_feed_ends_when_the_program_stops() {
    let mut server = TestServer::start().await;
    let mut feed = Feed::open(&server, "").await;
    feed.next().await.expect("at once");
    server.stop().await;
    while feed.next().await.is_some() {}
}

#[tokio::test]
async fn metrics_have_the_same_as_sums_and_name_nobody() {
    let server = TestServer::start().await;
    let (_ada, _) = server.join("team", "Ada").await;
    Feed::open(&server, "").await.until(|event| event["overview"]["totals"]["participants"] == 1).await;
    let figures = server.http("GET", "/metrics", &[], Value::Null).await.text();
    for name in [
        "conclave_process_resident_memory_bytes",
        "conclave_history_bytes",
        "conclave_process_cpu_seconds",
        "conclave_media_shard_busy_ratio{shard=\"0\"}",
        "conclave_media_shard_packets_total{shard=\"0\",direction=\"in\"}",
        "conclave_media_shard_forwarded_total{shard=\"0\"}",
        "conclave_media_forwarding_seconds_bucket{shard=\"0\",le=\"0.0001\"}",
        "conclave_media_forwarding_seconds_bucket{shard=\"0\",le=\"+Inf\"}",
        "conclave_media_forwarding_seconds_count{shard=\"0\"}",
        "conclave_media_rate_bits{direction=\"out\"}",
        "conclave_admin_feeds",
    ] {
        assert!(figures.contains(name), "{name}: {figures}");
    }
    assert!(!figures.contains("team") && !figures.contains("Ada"));
}
