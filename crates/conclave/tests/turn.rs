//! STUN and TURN through the whole program: over UDP, TCP and TLS on the one port, with the
//! credentials that a join gives.

mod common;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use common::turn::{Turn, Way, credentials};
use common::{Client, PATIENCE, TestServer};
use conclave_proto::{Event as RoomEvent, Joined, Reply};
use conclave_turn::TurnSecret;
use conclave_turn::client::{Event, Failure};
use conclave_turn::is_relayed;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

async fn joined() -> (TestServer, Client, Joined) {
    let server = TestServer::start().await;
    let (ada, joined) = server.join("team", "Ada").await;
    (server, ada, joined)
}

async fn every_way(server: SocketAddr, credentials: (&str, &str)) -> Vec<(&'static str, Turn)> {
    vec![
        ("UDP", Turn::over_udp(server, credentials).await),
        ("TCP", Turn::over_tcp(server, credentials).await),
        ("TLS without ALPN", Turn::over_tls(server, &[], credentials).await),
        ("TLS with ALPN", Turn::over_tls(server, &["stun.turn"], credentials).await),
        ("TLS with HTTP's ALPN", Turn::over_tls(server, &["stun.turn", "http/1.1"], credentials).await),
    ]
}

#[tokio::test]
async fn a_join_gives_credentials_that_work_by_every_way() {
    let (server, _ada, joined) = joined().await;
    let port = server.address.port();
    let urls = ["stun:", "turn:", "turn:", "turns:"].map(|scheme| format!("{scheme}127.0.0.1:{port}"));
    for (url, start) in joined.ice.servers[0].urls.iter().zip(urls) {
        assert!(url.starts_with(&start), "{url}");
    }
    let user = credentials(&joined.ice).0.split_once(':').expect("expiry and user").1;
    assert_eq!(user, joined.participant.as_str());
    for (way, mut turn) in every_way(server.address, credentials(&joined.ice)).await {
        let relayed = turn.allocate().await.unwrap_or_else(|failure| panic!("{way}: {failure}"));
        assert!(is_relayed(relayed.ip()), "{way}");
    }
}

#[tokio::test]
async fn stun_needs_no_credentials() {
    let server = TestServer::start().await;
    for (way, mut turn) in every_way(server.address, ("", "")).await {
        turn.client.binding(Instant::now());
        let Event::Bound { mapped, .. } = turn.event().await else { panic!("{way}: an answer expected") };
        assert!(mapped.ip().is_loopback() && mapped.port() != server.address.port(), "{way}");
    }
}

#[tokio::test]
async fn two_people_reach_each_other_relay_to_relay_whatever_their_ways() {
    let (server, _ada, joined) = joined().await;
    let (_bob, other) = server.join("team", "Bob").await;
    for (way, mut turn) in every_way(server.address, credentials(&joined.ice)).await {
        for (other_way, mut peer) in every_way(server.address, credentials(&other.ice)).await {
            let (here, there) = (turn_relayed(&mut turn).await, peer.allocate().await.expect("allocated"));
            turn.permit(there).await;
            peer.bind(here).await;
            // Some odd lengths, which streams pad.
            for length in [1, 2, 3, 160, 1_200] {
                let payload = vec![length as u8; length];
                turn.send(there, &payload).await;
                assert_eq!(peer.data().await, (here, payload.clone()), "{way} to {other_way}");
                peer.send(here, &payload).await;
                assert_eq!(turn.data().await, (there, payload), "{other_way} to {way}");
            }
        }
    }
}

#[tokio::test]
async fn a_burst_over_tls_arrives_whole_and_in_order() {
    let (server, _ada, joined) = joined().await;
    let mut turn = Turn::over_tls(server.address, &[], credentials(&joined.ice)).await;
    let mut peer = Turn::over_tls(server.address, &[], credentials(&joined.ice)).await;
    let (here, there) = (turn.allocate().await.expect("allocated"), peer.allocate().await.expect("allocated"));
    turn.bind(there).await;
    peer.bind(here).await;
    for round in 0..10_u8 {
        for number in 0..200_u8 {
            turn.client.send(there, &[[round, number].as_slice(), &[7; 150]].concat());
        }
        turn.flush().await;
        for number in 0..200_u8 {
            let (from, payload) = peer.data().await;
            assert_eq!((from, &payload[..2], payload.len()), (here, &[round, number][..], 152));
        }
    }
}

/// The relayed address, allocated at the first call.
async fn turn_relayed(turn: &mut Turn) -> SocketAddr {
    match turn.allocate().await {
        Ok(relayed) => relayed,
        // 437: there is one already; end it and begin anew.
        Err(Failure::Refused(437)) => {
            turn.client.refresh(Instant::now(), Duration::ZERO);
            assert!(matches!(turn.event().await, Event::Refreshed { .. }));
            turn.allocate().await.expect("allocated")
        }
        Err(failure) => panic!("{failure}"),
    }
}

#[tokio::test]
async fn wrong_and_expired_credentials_are_refused() {
    let (server, _ada, joined) = joined().await;
    let (username, password) = credentials(&joined.ice);
    let forged = TurnSecret::from_bytes(b"guessed").issue(joined.participant.as_str(), u64::MAX / 2);
    let expired = format!("1:{}", joined.participant.as_str());
    for credentials in [
        (username, "wrong"),
        (forged.username.as_str(), forged.password.as_str()),
        (expired.as_str(), password),
        ("", ""),
    ] {
        for (way, mut turn) in every_way(server.address, credentials).await {
            assert_eq!(turn.allocate().await, Err(Failure::Refused(401)), "{way}");
        }
    }
}

#[tokio::test]
async fn who_asks_again_gets_fresh_credentials_also_after_coming_back() {
    let (server, mut ada, joined) = joined().await;
    let Ok(Reply::IceServers { ice }) = ada.request("get-ice-servers", json!({})).await else { panic!("given") };
    Turn::over_tcp(server.address, credentials(&ice)).await.allocate().await.expect("works");
    drop(ada);
    let mut back = server.connect().await;
    back.resume("team", &joined, joined.resume_token.as_str(), 0).await.expect("resumed");
    let Ok(Reply::IceServers { ice }) = back.request("get-ice-servers", json!({})).await else { panic!("given") };
    let user = credentials(&ice).0.split_once(':').expect("expiry and user").1;
    assert_eq!(user, joined.participant.as_str());
    Turn::over_tcp(server.address, credentials(&ice)).await.allocate().await.expect("works");

    let mut stranger = server.connect().await;
    stranger.request("get-ice-servers", json!({})).await.expect_err("only for people in a room");
}

#[tokio::test]
async fn whoever_leaves_loses_relays_and_credentials_and_the_others_keep_theirs() {
    let (server, mut ada, _) = joined().await;
    let (bob, other) = server.join("team", "Bob").await;
    let (_carol, third) = server.join("team", "Carol").await;
    let mut lost = Turn::over_tls(server.address, &[], credentials(&other.ice)).await;
    let mut kept = Turn::over_tls(server.address, &[], credentials(&third.ice)).await;
    lost.allocate().await.expect("allocated");
    kept.allocate().await.expect("allocated");
    bob.leave().await;
    ada.event_that(|event| matches!(event, RoomEvent::ParticipantLeft { .. }).then_some(())).await;
    assert_eq!(lost.next().await, None, "the connection is closed with its relay");
    let again = Turn::over_tcp(server.address, credentials(&other.ice)).await.allocate().await;
    assert!(matches!(again, Err(Failure::Refused(_))), "{again:?}");
    kept.client.refresh(Instant::now(), Duration::from_secs(600));
    assert!(matches!(kept.event().await, Event::Refreshed { .. }));
}

#[tokio::test]
async fn when_the_host_ends_the_meeting_nobodys_relay_stays() {
    let (server, mut ada, joined) = joined().await;
    let (_bob, other) = server.join("team", "Bob").await;
    let mut relays = Vec::new();
    for ice in [&joined.ice, &other.ice] {
        let mut turn = Turn::over_tcp(server.address, credentials(ice)).await;
        turn.allocate().await.expect("allocated");
        relays.push(turn);
    }
    ada.post("end-room", json!({})).await;
    for mut turn in relays {
        assert_eq!(turn.next().await, None);
    }
}

#[tokio::test]
async fn a_peer_that_closes_its_side_still_gets_its_answer_and_then_a_clean_end() {
    let server = TestServer::start().await;
    let mut turn = Turn::over_tcp(server.address, ("", "")).await;
    turn.client.binding(Instant::now());
    turn.flush().await;
    let Way::Stream(stream, _) = &mut turn.way else { panic!("a stream") };
    stream.shutdown().await.expect("closed");
    assert!(matches!(turn.event().await, Event::Bound { .. }));
    assert_eq!(turn.next().await, None);
}

#[tokio::test]
async fn what_is_no_packet_ends_the_connection_cleanly() {
    let (server, _ada, joined) = joined().await;
    let mut turn = Turn::over_tcp(server.address, credentials(&joined.ice)).await;
    turn.allocate().await.expect("allocated");
    let Way::Stream(stream, _) = &mut turn.way else { panic!("a stream") };
    stream.write_all(&[0xff; 64]).await.expect("written");
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("closed").expect("not reset");
}

#[tokio::test]
async fn a_connection_that_never_proves_itself_is_closed() {
    let server = TestServer::start().await;
    let started = Instant::now();
    let mut turn = Turn::over_tcp(server.address, ("", "")).await;
    turn.client.binding(started);
    assert!(matches!(turn.event().await, Event::Bound { .. }));
    assert_eq!(turn.next().await, None);
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
}

#[tokio::test]
async fn unproven_connections_give_way_and_proven_ones_stay() {
    let server = TestServer::with(|config| config.max_connections = 40).await;
    let (_ada, joined) = server.join("team", "Ada").await;
    let mut proven = Turn::over_tcp(server.address, credentials(&joined.ice)).await;
    proven.allocate().await.expect("allocated");
    let mut unproven = Vec::new();
    for _ in 0..200 {
        let mut turn = Turn::over_tcp(server.address, ("", "")).await;
        turn.client.binding(Instant::now());
        turn.flush().await;
        unproven.push(turn);
    }
    let mut late = Turn::over_tcp(server.address, credentials(&joined.ice)).await;
    late.allocate().await.expect("allocated");
    proven.client.refresh(Instant::now(), Duration::from_secs(600));
    assert!(matches!(proven.event().await, Event::Refreshed { .. }));
    let closed = unproven.first_mut().expect("there");
    while closed.next().await.is_some() {}
}

#[tokio::test]
async fn the_program_stops_in_time_with_relays_open() {
    let (mut server, _ada, joined) = joined().await;
    let mut turn = Turn::over_tls(server.address, &[], credentials(&joined.ice)).await;
    turn.allocate().await.expect("allocated");
    let started = Instant::now();
    server.stop().await;
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    assert_eq!(turn.next().await, None);
}
