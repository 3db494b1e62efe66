//! Clients that break the rules: they get an answer or lose their connection, and nobody else
//! notices.

mod common;

use std::time::Duration;

use common::{Client, Closed, PATIENCE, TestServer};
use conclave_proto::{ErrorCode, Event, LeaveReason, limits};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::{Bytes, Message};

#[tokio::test]
async fn malformed_messages_are_answered_and_harm_nobody() {
    let server = TestServer::start().await;
    let (mut ada, _) = server.join("team", "Ada").await;
    let (mut eve, _) = server.join("team", "Eve").await;
    for text in
        ["", "{", "null", "[]", "42", "{\"type\":\"ping\"}", "{\"id\":-1,\"type\":\"ping\",\"body\":{}}", "\u{0}"]
    {
        eve.send_raw(Message::text(text)).await;
        assert_eq!(eve.complaint().await.code, ErrorCode::Malformed, "{text:?}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    eve.send_raw(Message::text(deep)).await;
    assert_eq!(eve.complaint().await.code, ErrorCode::Malformed);
    eve.request("chat", json!({ "key": "k", "text": "still here" })).await.expect("taken");
    assert_eq!(ada.chat().await, "still here");
}

#[tokio::test]
async fn an_oversized_message_closes_the_connection_with_1009() {
    let server = TestServer::start().await;
    let (mut ada, _) = server.join("team", "Ada").await;
    for size in [limits::MESSAGE_BYTES + 1, 8 * limits::MESSAGE_BYTES] {
        let (mut eve, joined) = server.join("team", "Eve").await;
        eve.send_raw(Message::text("x".repeat(size))).await;
        let closed = eve.close_code().await;
        // What is far too large is not read to its end, and the close frame may be lost with it.
        let as_expected =
            closed == Closed::With(1009) || (size > 4 * limits::MESSAGE_BYTES && closed == Closed::Without);
        assert!(as_expected, "{size}: {closed:?}");
        let reason = ada
            .event_that(|event| match event {
                Event::ParticipantLeft { participant, reason } if *participant == joined.participant => Some(*reason),
                _ => None,
            })
            .await;
        assert_eq!(reason, LeaveReason::Expelled);
    }
}

#[tokio::test]
async fn a_flood_closes_the_connection_with_1008_and_the_others_go_on() {
    let server = TestServer::start().await;
    let (mut ada, _) = server.join("team", "Ada").await;
    let (mut eve, _) = server.join("team", "Eve").await;
    for _ in 0..1_000 {
        eve.post("ping", json!({})).await;
    }
    assert_eq!(eve.close_code().await, Closed::With(1008));

    let (mut mallory, _) = server.join("team", "Mallory").await;
    let text = "x".repeat(200 * 1024);
    for _ in 0..20 {
        mallory.send_raw(Message::text(text.clone())).await;
    }
    assert_eq!(mallory.close_code().await, Closed::With(1008), "bytes are bounded too");

    let (mut trudy, _) = server.join("team", "Trudy").await;
    for _ in 0..1_000 {
        trudy.send_raw(Message::Ping(Bytes::from_static(b"!"))).await;
    }
    assert_eq!(trudy.close_code().await, Closed::With(1008), "control frames count");
    ada.request("ping", json!({})).await.expect("undisturbed");
}

#[tokio::test]
async fn binary_messages_and_broken_frames_close_the_connection() {
    let server = TestServer::start().await;
    let (mut eve, _) = server.join("team", "Eve").await;
    eve.send_raw(Message::binary(vec![1, 2, 3])).await;
    assert_eq!(eve.close_code().await, Closed::With(1003));

    let (mut eve, _) = server.join("other", "Eve").await;
    // A text frame of two bytes that are no UTF-8, masked with zeros (RFC 6455, section 5.2).
    eve.socket.get_mut().write_all(&[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]).await.expect("written");
    assert_eq!(eve.close_code().await, Closed::With(1007));

    let (mut eve, _) = server.join("third", "Eve").await;
    // Reserved opcode 3.
    eve.socket.get_mut().write_all(&[0x83, 0x80, 0, 0, 0, 0]).await.expect("written");
    assert_eq!(eve.close_code().await, Closed::With(1002));
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_after_ten_seconds() {
    let server = TestServer::start().await;
    let started = Instant::now();
    let mut silent = server.connect().await;
    // Pings do not keep it.
    silent.send_raw(Message::Ping(Bytes::new())).await;
    assert_eq!(silent.close_code().await, Closed::With(1008));
    let waited = started.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(15)).contains(&waited), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_dropped_and_the_others_go_on() {
    let server = TestServer::start().await;
    let (mut ada, _) = server.join("team", "Ada").await;
    let mut talkers = Vec::new();
    for number in 0..4 {
        talkers.push(server.join("team", &format!("Talker {number}")).await.0);
    }
    // A small receive window, so that the server's socket fills up soon.
    let socket = TcpSocket::new_v4().expect("socket");
    socket.set_recv_buffer_size(4_096).expect("set");
    let stream = socket.connect(server.address).await.expect("connects");
    let (mut slow, _) = client_async(format!("ws://{}/api/v1/signal", server.address), stream).await.expect("upgrades");
    let join =
        json!({ "id": 1, "type": "join", "body": { "version": 1, "room": "team", "name": "Slow", "key": "slow" } });
    futures_util::SinkExt::send(&mut slow, Message::text(join.to_string())).await.expect("sent");
    let slow_one = ada
        .event_that(|event| match event {
            Event::ParticipantJoined { participant } if participant.name.as_str() == "Slow" => {
                Some(participant.id.clone())
            }
            _ => None,
        })
        .await;

    // Everybody talks as much as each may; nobody but the slow one fails to read it.
    let text = "语".repeat(4_000);
    let mut tasks = Vec::new();
    for (who, mut talker) in talkers.into_iter().enumerate() {
        let text = text.clone();
        tasks.push(tokio::spawn(async move {
            for number in 0..165 {
                talker.request("chat", json!({ "key": format!("{who}-{number}"), "text": text })).await.expect("taken");
            }
            talker
        }));
    }
    let noticed = timeout(PATIENCE, async {
        ada.event_that(|event| match event {
            Event::ParticipantUpdated { participant } if participant.id == slow_one => Some(()),
            Event::ParticipantLeft { participant, .. } if *participant == slow_one => Some(()),
            _ => None,
        })
        .await;
    });
    noticed.await.expect("the slow one is dropped");
    for task in tasks {
        task.await.expect("no talker was disturbed").request("ping", json!({})).await.expect("alive");
    }
    drop(slow);
}

#[tokio::test]
async fn foreign_pages_may_not_connect() {
    let server =
        TestServer::with(|config| config.allowed_origins = vec!["https://intranet.example".parse().expect("origin")])
            .await;
    let status = async |origin: &str| Client::connect(server.address, &[("origin", origin)]).await.err();
    assert_eq!(status("https://evil.example").await, Some(403));
    assert_eq!(status("null").await, Some(403));
    assert_eq!(status(&format!("http://{}.evil.example", server.address)).await, Some(403));
    assert_eq!(status(&format!("http://{}", server.address)).await, None);
    assert_eq!(status("https://intranet.example").await, None);
}

#[tokio::test]
async fn unjoined_websockets_keep_nobody_out() {
    let server = TestServer::with(|config| config.max_connections = 4_000).await;
    let (mut ada, _) = server.join("team", "Ada").await;
    let mut waiting = Vec::new();
    for _ in 0..1_100 {
        waiting.push(server.connect().await);
    }
    let (_bob, joined) = server.join("team", "Bob").await;
    assert_eq!(joined.participants.len(), 2);
    assert_eq!(waiting[0].close_code().await, Closed::With(1013));
    ada.request("ping", json!({})).await.expect("whoever has joined stays");
}
