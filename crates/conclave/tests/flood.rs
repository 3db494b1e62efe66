//! Thousands of connections that never become of any use: whoever is in a meeting notices nothing, and
//! whoever wants in gets in.

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{Client, PATIENCE, TestServer};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// What the connections of a flood begin with, and stop at.
const BEGINNINGS: [&[u8]; 8] = [
    b"",
    b"GET / HT",
    // A TLS record that is not finished.
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    // A STUN message of which the magic cookie is not complete.
    b"\x00\x03\x00\x08\x21\x12",
    // An Allocate request whose attributes never come: TURN over TCP.
    b"\x00\x03\x00\x08\x21\x12\xA4\x42aaaaaaaaaaaa",
    // A frame with a Binding request whose attributes never come: ICE-TCP.
    b"\x00\x1c\x00\x01\x00\x08\x21\x12\xA4\x42aaaaaaaaaaaa",
    // RTMP's version without the rest.
    b"\x03\x00\x00",
    b"\r\n\r\n\0\r\nQUIT\n",
];

const FLOOD: usize = 10_000;

/// As many as this process may hold besides the server's.
fn possible() -> usize {
    let files = usize::try_from(conclave::net::raise_file_limit()).unwrap_or(usize::MAX);
    FLOOD.min(files.saturating_sub(4_000))
}

async fn half_open(address: SocketAddr, number: usize) -> Option<TcpStream> {
    let mut stream = timeout(PATIENCE, TcpStream::connect(address)).await.expect("accepted in time").ok()?;
    // The server may have given it up already.
    let _ = stream.write_all(BEGINNINGS[number % BEGINNINGS.len()]).await;
    Some(stream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_half_open_connections_disturbs_no_meeting_and_keeps_nobody_out() {
    let server = TestServer::with(|config| config.max_connections = 4_000).await;
    let address = server.address;
    let (mut ada, _) = server.join("team", "Ada").await;
    let flooding = Arc::new(AtomicBool::new(true));
    let meeting = {
        let flooding = flooding.clone();
        tokio::spawn(async move {
            let mut slowest = Duration::ZERO;
            while flooding.load(Ordering::Relaxed) {
                let asked = Instant::now();
                ada.request("ping", json!({})).await.expect("answered");
                slowest = slowest.max(asked.elapsed());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            slowest
        })
    };

    let started = Instant::now();
    let mut held = Vec::new();
    for number in 0..possible() {
        held.extend(half_open(address, number).await);
        if number % 1_000 == 999 {
            let asked = Instant::now();
            let mut visitor = Client::connect(address, &[]).await.expect("connects");
            visitor.join("team", &format!("Visitor {number}"), json!({})).await.expect("let in");
            assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
            visitor.leave().await;
        }
    }
    flooding.store(false, Ordering::Relaxed);
    let slowest = meeting.await.expect("undisturbed");
    println!("{} connections in {:?}; slowest answer in the meeting {slowest:?}", held.len(), started.elapsed());
    assert!(held.len() >= possible() / 2, "{}", held.len());
    assert!(started.elapsed() < Duration::from_secs(60) && slowest < Duration::from_secs(5));

    // Those who have waited longest have been let go.
    let mut byte = [0];
    let first = timeout(PATIENCE, held[0].read(&mut byte)).await.expect("closed at once");
    assert!(matches!(first, Ok(0) | Err(_)));
    server.join("team", "Bob").await;
}

#[tokio::test]
async fn where_few_connections_are_allowed_half_open_ones_leave_room_for_the_others() {
    let server = TestServer::with(|config| config.max_connections = 16).await;
    let mut held = Vec::new();
    for number in 0..100 {
        held.extend(half_open(server.address, number).await);
    }
    server.join("team", "Ada").await;
}
