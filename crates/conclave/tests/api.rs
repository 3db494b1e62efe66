//! REST, the page, and what an operator looks at.

mod common;

use std::time::{Duration, Instant};

use common::{Closed, TestServer};
use conclave_proto::Event;
use serde_json::{Value, json};

#[tokio::test]
async fn rooms_are_made_read_listed_changed_and_closed() {
    let server = TestServer::start().await;
    let options = json!({ "topology": "sfu", "capacity": 9, "locked": false, "codec": "h264" });
    let made = server.admin("POST", "/api/v1/rooms", json!({ "name": "Team-会", "options": options })).await;
    assert_eq!(made.status, 201, "{}", made.text());
    assert_eq!(made.json()["name"], "team-会");
    assert_eq!(made.json()["path"], "/m/team-%E4%BC%9A");
    assert_eq!(server.admin("POST", "/api/v1/rooms", json!({ "name": "team-会" })).await.status, 200);
    let unnamed = server.admin("POST", "/api/v1/rooms", json!({})).await;
    assert!(unnamed.json()["name"].as_str().is_some_and(|name| name.len() == 20));

    let (mut ada, joined) = server.join("team-会", "Ada").await;
    assert_eq!(joined.room.options.capacity, 9);
    let read = server.admin("GET", "/api/v1/rooms/team-%E4%BC%9A", Value::Null).await.json();
    assert_eq!((&read["options"], &read["participants"]), (&options, &json!(1)));
    let people = server.admin("GET", "/api/v1/rooms/team-%E4%BC%9A/participants", Value::Null).await.json();
    assert_eq!(people["participants"][0]["name"], "Ada");

    let listed = server.admin("GET", "/api/v1/rooms?limit=1", Value::Null).await.json();
    let next = listed["next"].as_str().expect("there are two").to_owned();
    let rest = server.admin("GET", &format!("/api/v1/rooms?after={next}"), Value::Null).await.json();
    assert_eq!(rest["rooms"].as_array().map(Vec::len), Some(1));
    assert_eq!(rest.get("next"), None);

    let mut changed = options.clone();
    changed["locked"] = json!(true);
    let answer = server.admin("PUT", "/api/v1/rooms/team-%E4%BC%9A/options", changed.clone()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    ada.event_that(|event| matches!(event, Event::OptionsChanged { options } if options.locked).then_some(())).await;
    assert_eq!(answer.json()["options"], changed);

    assert_eq!(server.admin("DELETE", "/api/v1/rooms/team-%E4%BC%9A", Value::Null).await.status, 204);
    assert_eq!(ada.close_code().await, Closed::With(4002));
    let gone = server.admin("GET", "/api/v1/rooms/team-%E4%BC%9A", Value::Null).await;
    assert_eq!((gone.status, gone.error().as_str()), (404, "room-closed"));
    assert_eq!(server.admin("DELETE", "/api/v1/rooms/team-%E4%BC%9A", Value::Null).await.status, 404);
}

#[tokio::test]
async fn options_of_an_empty_room_can_be_changed_and_stay() {
    let mut server = TestServer::start().await;
    server.admin("POST", "/api/v1/rooms", json!({ "name": "r" })).await;
    let options = json!({ "topology": "mesh", "capacity": 3, "locked": false, "codec": "auto" });
    assert_eq!(server.admin("PUT", "/api/v1/rooms/r/options", options.clone()).await.json()["options"], options);
    server.restart().await;
    assert_eq!(server.admin("GET", "/api/v1/rooms/r", Value::Null).await.json()["options"], options);
    let absent = server.admin("PUT", "/api/v1/rooms/absent/options", options).await;
    assert_eq!(absent.status, 404);
}

#[tokio::test]
async fn without_the_right_token_nothing_is_told() {
    let server = TestServer::start().await;
    server.admin("POST", "/api/v1/rooms", json!({ "name": "there" })).await;
    let guarded = [
        ("GET", "/api/v1/rooms"),
        ("POST", "/api/v1/rooms"),
        ("POST", "/api/v1/tokens"),
        ("GET", "/api/v1/rooms/there"),
        ("GET", "/api/v1/rooms/absent"),
        ("DELETE", "/api/v1/rooms/there"),
        ("PUT", "/api/v1/rooms/there/options"),
        ("GET", "/api/v1/rooms/there/participants"),
        ("GET", "/api/v1/rooms/absent/participants"),
    ];
    for (method, path) in guarded {
        for headers in [&[][..], &[("authorization", "Bearer wrong")], &[("authorization", "Basic YTpi")]] {
            let answer = server.http(method, path, headers, Value::Null).await;
            assert_eq!((answer.status, answer.error().as_str()), (401, "unauthorized"), "{method} {path}");
            assert_eq!(answer.header("www-authenticate"), "Bearer");
            assert_eq!(answer.json(), json!({ "code": "unauthorized", "message": "a valid token is needed" }));
        }
    }

    let token = async |room: &str, role: &str| {
        let minted = server.admin("POST", "/api/v1/tokens", json!({ "room": room, "role": role })).await;
        format!("Bearer {}", minted.json()["token"].as_str().expect("token"))
    };
    let (host, guest, other) =
        (token("there", "host").await, token("there", "participant").await, token("absent", "host").await);
    for (token, path, status) in [
        (&host, "/api/v1/rooms/there", 200),
        (&host, "/api/v1/rooms/there/participants", 200),
        (&host, "/api/v1/rooms", 403),
        (&guest, "/api/v1/rooms/there", 403),
        (&other, "/api/v1/rooms/there", 403),
    ] {
        let answer = server.http("GET", path, &[("authorization", token)], Value::Null).await;
        assert_eq!(answer.status, status, "{path}");
    }
    let minting = server.http("POST", "/api/v1/tokens", &[("authorization", &host)], json!({ "room": "there" })).await;
    assert_eq!((minting.status, minting.error().as_str()), (403, "forbidden"));
}

#[tokio::test]
async fn wrong_requests_get_uniform_errors_that_quote_nothing() {
    let server = TestServer::start().await;
    for (body, status, code) in [
        ("{", 400, "malformed"),
        ("42", 400, "malformed"),
        ("{\"name\":\"Not A Room\"}", 422, "bad-room-name"),
        ("{\"options\":{\"capacity\":0}}", 422, "bad-options"),
        ("{\"options\":{\"topology\":\"Secret plan\"}}", 400, "malformed"),
        ("{\"unknown\":\"Secret plan\"}", 400, "malformed"),
    ] {
        let headers = [("authorization", &*format!("Bearer {}", server.admin_token()))];
        let answer = server.raw_http("POST", "/api/v1/rooms", &headers, body.into()).await;
        assert_eq!((answer.status, answer.error().as_str()), (status, code), "{body}: {}", answer.text());
        assert!(!answer.text().contains("Secret") && !answer.text().contains("Not A Room"), "{}", answer.text());
    }
    let long = server.admin("POST", "/api/v1/tokens", json!({ "room": "r", "lifetimeSeconds": 0 })).await;
    assert_eq!((long.status, long.error().as_str()), (400, "malformed"));
    let big = server.admin("POST", "/api/v1/rooms", json!({ "name": "x".repeat(100_000) })).await;
    assert_eq!(big.error(), "malformed");
    let absent = server.http("GET", "/api/v2/rooms", &[], Value::Null).await;
    assert_eq!((absent.status, absent.error().as_str()), (404, "unknown-message"));
    let method = server.http("PATCH", "/api/v1/rooms", &[], Value::Null).await;
    assert_eq!((method.status, method.error().as_str()), (405, "unknown-message"));
    let name = server.http("GET", "/api/v1/rooms/a%20b/preview", &[], Value::Null).await;
    assert_eq!((name.status, name.error().as_str()), (422, "bad-room-name"));
    let upgrade = server.http("GET", "/api/v1/signal", &[], Value::Null).await;
    assert_eq!((upgrade.status, upgrade.error().as_str()), (400, "malformed"));
}

#[tokio::test]
async fn a_preview_does_not_tell_a_room_that_stands_empty_from_one_that_does_not_exist() {
    let server = TestServer::start().await;
    server.admin("POST", "/api/v1/rooms", json!({ "name": "open" })).await;
    let locked = json!({ "topology": "auto", "capacity": 1, "locked": true, "codec": "auto" });
    server.admin("POST", "/api/v1/rooms", json!({ "name": "locked", "options": locked })).await;
    let preview = async |room: &str| {
        let started = Instant::now();
        let answer = server.http("GET", &format!("/api/v1/rooms/{room}/preview"), &[], Value::Null).await;
        (answer.status, answer.json(), started.elapsed())
    };
    let empty = json!({ "count": 0, "participants": [], "locked": false, "full": false });
    for room in ["open", "locked", "absent"] {
        let (status, body, took) = preview(room).await;
        assert_eq!((status, &body), (200, &empty), "{room}");
        assert!(took >= Duration::from_millis(40), "{room}: answered after {took:?}");
    }
    let (mut ada, _) = server.join("live", "Ada").await;
    let (_, body, took) = preview("live").await;
    assert_eq!(body, json!({ "count": 1, "participants": [{ "name": "Ada" }], "locked": false, "full": false }));
    assert!(took >= Duration::from_millis(40));
    ada.request(
        "set-options",
        json!({ "options": { "topology": "auto", "capacity": 1, "locked": true, "codec": "auto" } }),
    )
    .await
    .expect("the host may");
    let (_, body, _) = preview("live").await;
    assert_eq!(
        body,
        json!({ "count": 0, "participants": [], "locked": true, "full": true }),
        "a locked room names nobody"
    );
}

#[tokio::test]
async fn the_api_describes_itself() {
    let server = TestServer::start().await;
    let document = server.http("GET", "/api/v1/openapi.json", &[], Value::Null).await.json();
    for (path, method) in [
        ("/api/v1/rooms", "get"),
        ("/api/v1/rooms", "post"),
        ("/api/v1/rooms/{room}", "get"),
        ("/api/v1/rooms/{room}", "delete"),
        ("/api/v1/rooms/{room}/options", "put"),
        ("/api/v1/rooms/{room}/participants", "get"),
        ("/api/v1/rooms/{room}/preview", "get"),
        ("/api/v1/tokens", "post"),
    ] {
        assert!(document["paths"][path][method]["responses"].is_object(), "{method} {path}");
    }
    // Every reference leads somewhere.
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().expect("closed");
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
    assert!(document["components"]["securitySchemes"]["token"].is_object());
}

#[tokio::test]
async fn an_operator_sees_health_and_figures() {
    let server = TestServer::start().await;
    assert_eq!(server.http("GET", "/healthz", &[], Value::Null).await.status, 200);
    assert_eq!(server.http("GET", "/readyz", &[], Value::Null).await.status, 200);
    let (_ada, _) = server.join("team", "Ada").await;
    let figures = server.http("GET", "/metrics", &[], Value::Null).await.text();
    for name in [
        "conclave_rooms",
        "conclave_participants",
        "conclave_websockets",
        "conclave_build_info",
        "conclave_messages_total",
        "conclave_media_packets_total",
    ] {
        assert!(figures.contains(name), "{name}: {figures}");
    }
    assert!(!figures.contains("team") && !figures.contains("Ada"));
    assert!(
        figures
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
            .all(|line| line.starts_with("conclave_"))
    );

    let through_a_proxy = [("x-forwarded-for", "192.0.2.1")];
    assert_eq!(server.http("GET", "/metrics", &through_a_proxy, Value::Null).await.status, 401);
    let admin = format!("Bearer {}", server.admin_token());
    let with_token = [("x-forwarded-for", "192.0.2.1"), ("authorization", &admin)];
    assert_eq!(server.http("GET", "/metrics", &with_token, Value::Null).await.status, 200);
}

#[tokio::test]
async fn the_page_comes_with_a_strict_policy_or_says_how_to_build_it() {
    let server =
        TestServer::with(|config| config.frame_ancestors = vec!["https://intranet.example".parse().expect("origin")])
            .await;
    for path in ["/", "/m/team", "/m/%E4%BC%9A?name=Ada"] {
        let page = server.http("GET", path, &[], Value::Null).await;
        assert!(page.header("content-type").starts_with("text/html"), "{path}");
        if page.status == 503 {
            assert!(page.text().contains("make build"));
        } else {
            assert_eq!(page.status, 200, "{path}");
        }
        let policy = page.header("content-security-policy");
        for part in [
            "default-src 'self'",
            "require-trusted-types-for 'script'",
            "frame-ancestors https://intranet.example",
            &format!("connect-src 'self' wss://{}", server.address),
        ] {
            assert!(policy.contains(part), "{part}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(page.header("permissions-policy").contains("camera=(self), microphone=(self), display-capture=(self)"));
        assert_eq!(page.header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
    }
    assert_eq!(server.http("GET", "/nothing/here", &[], Value::Null).await.status, 404);
    assert_eq!(server.http("GET", "/..%2f..%2fCargo.toml", &[], Value::Null).await.status, 404);
    assert_eq!(server.http("POST", "/", &[], Value::Null).await.status, 405);
    assert_eq!(server.http("GET", "/api/v1/rooms", &[], Value::Null).await.header("cache-control"), "no-store");
}

#[tokio::test]
async fn two_servers_cannot_share_a_data_folder() {
    let server = TestServer::start().await;
    let config = conclave::Config::for_tests(server.data.path().to_owned());
    let said = conclave::Server::start(config).await.err().expect("refused").to_string();
    assert!(said.contains("another Conclave uses the data folder"), "{said}");
}
