//! How legs begin, change and end.

use std::net::Ipv6Addr;
use std::time::Duration;

use conclave_media::{LegOffer, MediaEvent, MediaLimits, RoomKey};
use conclave_proto::{ErrorCode, LegNumber, SourceKind};

use crate::client::{Client, Layout};
use crate::harness::{ALL_ON, LEG, ROOM, Server, id, view};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connected_leg_is_told_and_a_closed_one_says_goodbye() {
    let mut server = Server::start();
    let ada = server.join("ada").await;
    server.event("connected", |event| matches!(event, MediaEvent::Connected { leg: LEG, .. })).await;
    server.handle.close_leg(ROOM, id("ada"), LEG);
    ada.until("the client is told", |seen| seen.closed).await;
    // Had the leg failed, that would have been told before the next one connected.
    let _again = server.join_leg("ada", LegNumber(2), Layout::default()).await;
    server.event("connected", |event| matches!(event, MediaEvent::Connected { leg: LegNumber(2), .. })).await;
    assert!(!server.seen.iter().any(|event| matches!(event, MediaEvent::Failed { .. })));
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_closes_is_gone_at_once() {
    let mut server = Server::start();
    let ada = server.join("ada").await;
    ada.close();
    server.failed(&id("ada")).await;
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_leg_takes_over_without_a_gap_and_the_old_one_ends() {
    let mut server = Server::start();
    let (ada, old) = tokio::join!(server.join("ada"), server.join("bob"));
    server.view("ada", &["bob"]);
    let camera = server.shows(&ada.id, &id("bob"), SourceKind::Camera).await;
    ada.receives(&camera, "bob", 10).await;

    let new = server.join_leg("bob", LegNumber(2), Layout::default()).await;
    old.until("the old leg ends", |seen| seen.closed).await;
    drop(old);
    ada.receives(&camera, "bob", 20).await;
    let mut sequences: Vec<_> =
        ada.seen(|seen| seen.packets.iter().filter(|got| got.mid == camera).map(|got| got.sequence).collect());
    sequences.sort_unstable();
    assert!(sequences.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{sequences:?}");
    assert!(!server.seen.iter().any(|event| matches!(event, MediaEvent::Failed { .. })), "{:?}", server.seen);

    let (_late, offer) = Client::new("bob", LEG, Layout::default()).await;
    let error = server.handle.offer(ROOM, id("bob"), LegOffer::Client(offer), ALL_ON).await.expect_err("an old number");
    assert_eq!(error.code, ErrorCode::StaleGeneration);
    drop(new);
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_slots_and_an_ice_restart_keep_the_leg() {
    let mut server = Server::start();
    let (ada, bob) = tokio::join!(server.join_leg("ada", LEG, Layout { video_slots: 1 }), server.join("bob"));
    server.view("ada", &["bob"]);
    let camera = server.shows(&ada.id, &id("bob"), SourceKind::Camera).await;
    ada.receives(&camera, "bob", 10).await;

    let offer = ada.renegotiate(3, false).await;
    assert_eq!(offer.video_slots.len(), 4);
    let answer = server.handle.offer(ROOM, id("ada"), LegOffer::Client(offer), ALL_ON).await.expect("more slots");
    ada.answer(answer.sdp.as_str());
    let _eve = server.join("eve").await;
    server.handle.set_view(ROOM, id("ada"), LEG, view(&["bob", "eve"]));
    let second = server.shows(&ada.id, &id("eve"), SourceKind::Camera).await;
    assert_ne!(camera, second);
    ada.receives(&second, "eve", 10).await;
    ada.receives(&camera, "bob", 10).await;

    let before = ada.offer.sdp.clone();
    let offer = ada.renegotiate(0, true).await;
    assert_ne!(before, offer.sdp);
    let again = server.handle.offer(ROOM, id("ada"), LegOffer::Client(offer), ALL_ON).await.expect("an ICE restart");
    let ufrag = |sdp: &str| sdp.lines().find(|line| line.starts_with("a=ice-ufrag")).map(str::to_owned);
    assert_ne!(ufrag(answer.sdp.as_str()), ufrag(again.sdp.as_str()), "new credentials");
    let sources =
        |sdp: &str| sdp.lines().filter(|line| line.starts_with("a=ssrc")).map(str::to_owned).collect::<Vec<_>>();
    assert!(!sources(again.sdp.as_str()).is_empty());
    assert_eq!(sources(answer.sdp.as_str()), sources(again.sdp.as_str()), "slots keep their streams");
    ada.answer(again.sdp.as_str());
    ada.receives(&camera, "bob", 50).await;
    ada.receives(&second, "eve", 10).await;
    drop(bob);
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leg_that_does_not_connect_in_time_fails() {
    let mut server =
        Server::with_limits(MediaLimits { handshake: Duration::from_millis(300), ..MediaLimits::default() });
    let (_client, offer) = Client::new("ada", LEG, Layout::default()).await;
    server.handle.offer(ROOM, id("ada"), LegOffer::Client(offer), ALL_ON).await.expect("a good offer");
    server.failed(&id("ada")).await;
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_falls_silent_is_told_and_then_lost() {
    let limits =
        MediaLimits { silence: Duration::from_millis(500), consent: Duration::from_secs(3), ..MediaLimits::default() };
    let mut server = Server::with_limits(limits);
    let (ada, bob) = tokio::join!(server.join("ada"), server.join("bob"));
    let sound = server.shows(&bob.id, &ada.id, SourceKind::Microphone).await;
    bob.receives(&sound, "ada", 5).await;
    ada.unplug();
    server
        .event("silent", |event| matches!(event, MediaEvent::Silent { participant, .. } if *participant == ada.id))
        .await;
    server.failed(&id("ada")).await;
    let again = |event: &MediaEvent| matches!(event, MediaEvent::Silent { participant, .. } if *participant == ada.id);
    assert!(!server.seen.iter().any(again), "told once");
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn legs_are_bounded_in_the_room_and_in_the_process() {
    let server = Server::with_limits(MediaLimits { legs: 3, legs_per_room: 2, ..MediaLimits::default() });
    let mut clients = Vec::new();
    for (room, name, fits) in [(1, "a", true), (1, "b", true), (1, "c", false), (2, "d", true), (3, "e", false)] {
        let (client, offer) = Client::new(name, LEG, Layout::default()).await;
        let answer = server.handle.offer(RoomKey(room), id(name), LegOffer::Client(offer), ALL_ON).await;
        assert_eq!(answer.is_ok(), fits, "{name}");
        if let Err(error) = answer {
            assert_eq!(error.code, ErrorCode::MediaUnavailable);
            assert!(error.retry_after_ms.is_some());
        }
        clients.push(client);
    }
    // What ends makes room.
    server.handle.close_participant(RoomKey(1), id("a"));
    let (_client, offer) = Client::new("c", LEG, Layout::default()).await;
    assert!(server.handle.offer(RoomKey(1), id("c"), LegOffer::Client(offer), ALL_ON).await.is_ok());
    server.handle.close_room(RoomKey(1));
    let (_client, offer) = Client::new("e", LEG, Layout::default()).await;
    assert!(server.handle.offer(RoomKey(3), id("e"), LegOffer::Client(offer), ALL_ON).await.is_ok());
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutting_down_tells_the_clients_and_refuses_what_comes_later() {
    let server = Server::start();
    let ada = server.join("ada").await;
    let late = server.handle.clone();
    server.handle.shutdown().await;
    ada.until("the client is told", |seen| seen.closed).await;
    let (_client, offer) = Client::new("bob", LEG, Layout::default()).await;
    let error = late.offer(ROOM, id("bob"), LegOffer::Client(offer), ALL_ON).await.expect_err("stopped");
    assert_eq!(error.code, ErrorCode::MediaUnavailable);
    late.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ipv4_clients_reach_a_dual_stack_socket() {
    let bind = (Ipv6Addr::UNSPECIFIED, 0).into();
    let mut server = Server::with(bind, std::net::Ipv4Addr::LOCALHOST.into(), MediaLimits::default());
    let (ada, _bob) = tokio::join!(server.join("ada"), server.join("bob"));
    let sound = server.shows(&ada.id, &id("bob"), SourceKind::Microphone).await;
    ada.receives(&sound, "bob", 10).await;
    server.handle.shutdown().await;
}
