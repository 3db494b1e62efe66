//! Every way from a client to the server, and from one to another.

use std::net::{Ipv4Addr, SocketAddr};

use conclave_media::{LegOffer, MediaEvent, MediaLimits};
use conclave_proto::SourceKind;
use str0m::net::Protocol;
use tokio::net::UdpSocket;

use crate::client::Client;
use crate::harness::{ALL_ON, ROOM, Server, id, soon};
use crate::network::{Network, Way};

/// That both see and hear each other.
async fn they_meet(server: &mut Server, ada: &Client, bob: &Client) {
    for (client, other) in [(ada, bob), (bob, ada)] {
        server.view(client.id.as_str(), &[other.id.as_str()]);
        let camera = server.shows(&client.id, &other.id, SourceKind::Camera).await;
        let sound = server.shows(&client.id, &other.id, SourceKind::Microphone).await;
        client.receives(&camera, other.id.as_str(), 10).await;
        client.receives(&sound, other.id.as_str(), 10).await;
    }
}

fn nobody_failed(server: &Server) {
    assert!(!server.seen.iter().any(|event| matches!(event, MediaEvent::Failed { .. })), "{:?}", server.seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_pass_both_ways_by_a_tcp_connection() {
    let mut server = Server::start();
    let (ada, bob) = tokio::join!(server.join_by("ada", &[Way::Tcp]), server.join("bob"));
    they_meet(&mut server, &ada, &bob).await;
    assert_eq!((server.by_path("tcp"), server.by_path("udp")), (1.0, 1.0));
    server.handle.close_participant(ROOM, ada.id.clone());
    ada.until("the client is told", |seen| seen.closed).await;
    server
        .until("its path is gone, and its connection", |server| {
            server.by_path("tcp") == 0.0 && server.counted.gauge("conclave_media_streams") == 0.0
        })
        .await;
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_pass_both_ways_by_relays_reached_by_udp_and_by_tcp() {
    let mut server = Server::start();
    let (ada, bob) = tokio::join!(server.join_by("ada", &[Way::TurnUdp]), server.join_by("bob", &[Way::TurnTcp]));
    they_meet(&mut server, &ada, &bob).await;
    assert_eq!((server.by_path("relay"), server.by_path("udp")), (2.0, 0.0));
    assert!(server.counted.counter("conclave_turn_relayed_packets_total/in") > 50);
    assert!(server.counted.counter("conclave_turn_relayed_packets_total/out") > 50);
    assert_eq!(server.counted.gauge("conclave_turn_allocations"), 2.0);

    // With the participant go its relay, and the connection to it.
    for who in [&ada, &bob] {
        server.handle.close_participant(ROOM, who.id.clone());
    }
    let nothing = |server: &Server| {
        ["conclave_turn_allocations", "conclave_media_streams"].iter().all(|gauge| server.counted.gauge(gauge) == 0.0)
    };
    server.until("relays end", nothing).await;
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_reach_each_other_from_relay_to_relay() {
    const PACKETS: u8 = 200;
    let server = Server::start();
    let mut ada = Network::connect(&[Way::TurnUdp], server.address(), "ada").await;
    let mut bob = Network::connect(&[Way::TurnTcp], server.address(), "bob").await;
    ada.permit(bob.own()).await;
    bob.permit(ada.own()).await;
    for (from, to) in [(0, 1), (1, 0)] {
        let both = [&mut ada, &mut bob];
        let (source, destination) = (both[from].own(), both[to].own());
        for number in 0..PACKETS {
            both[from].send(Protocol::Udp, source, destination, &vec![number; 1 + usize::from(number) * 6]);
            let arrived = soon("a packet", both[to].receive()).await;
            assert_eq!((arrived.source, arrived.bytes.first()), (source, Some(&number)));
            assert_eq!(arrived.bytes.len(), 1 + usize::from(number) * 6);
        }
    }
    assert_eq!(server.counted.counter("conclave_media_dropped_total/alien"), 0, "nothing of it concerns the SFU");
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leg_moves_from_udp_to_tcp_when_udp_stops() {
    let mut server = Server::start();
    let (ada, bob) = tokio::join!(server.join_by("ada", &[Way::Udp, Way::Tcp]), server.join("bob"));
    they_meet(&mut server, &ada, &bob).await;
    server.until("the better path is taken", |server| server.by_path("udp") == 2.0).await;
    ada.block(Way::Udp);
    server.until("the other path is taken", |server| server.by_path("tcp") == 1.0).await;
    they_meet(&mut server, &ada, &bob).await;
    nobody_failed(&server);
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leg_moves_to_a_relay_when_its_connection_closes() {
    let mut server = Server::start();
    let (ada, bob) = tokio::join!(server.join_by("ada", &[Way::Tcp, Way::TurnUdp]), server.join("bob"));
    they_meet(&mut server, &ada, &bob).await;
    assert_eq!(server.by_path("tcp"), 1.0);
    ada.hang_up();
    server.until("the closed path is left", |server| server.by_path("tcp") == 0.0).await;
    server.until("the other path is taken", |server| server.by_path("relay") == 1.0).await;
    they_meet(&mut server, &ada, &bob).await;
    nobody_failed(&server);
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_goes_on_through_an_ice_restart_by_any_way() {
    let mut server = Server::start();
    for (name, way) in [("ada", Way::Udp), ("eve", Way::Tcp), ("zoe", Way::TurnTcp)] {
        let ways = [way];
        let (ada, bob) = tokio::join!(server.join_by(name, &ways), server.join("bob"));
        they_meet(&mut server, &ada, &bob).await;
        let offer = ada.renegotiate(0, true).await;
        let answer = server.handle.offer(ROOM, id(name), LegOffer::Client(offer), ALL_ON).await.expect("a good offer");
        // What the client sends until it has the answer arrives by the path that it had.
        let sound = server.shows(&bob.id, &ada.id, SourceKind::Microphone).await;
        bob.receives(&sound, name, 10).await;
        ada.answer(answer.sdp.as_str());
        they_meet(&mut server, &ada, &bob).await;
        nobody_failed(&server);
        server.handle.close_room(ROOM);
        ada.until("closed", |seen| seen.closed).await;
    }
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_one_of_several_addresses_is_answered_from_that_one() {
    let anywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let server = Server::with(anywhere, Ipv4Addr::LOCALHOST.into(), MediaLimits::default());
    // Not the one that the system would answer from.
    let asked = SocketAddr::from(([127, 0, 0, 2], server.address().port()));
    // A STUN binding request (RFC 8489 section 5), which the TURN server answers; and a QUIC packet of a version
    // that nobody speaks (RFC 9000 section 17.2), which is refused.
    let mut binding = vec![0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xA4, 0x42];
    binding.resize(20, 7);
    let mut quic = vec![0xC0, 0xFA, 0xFA, 0xFA, 0xFA, 8];
    quic.resize(1_200, 7);
    // As many askers as it takes to come to every shard.
    for packet in [&binding, &quic] {
        for _ in 0..8 {
            let asker = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("free");
            asker.send_to(packet, asked).await.expect("sent");
            let (_, from) = soon("an answer", asker.recv_from(&mut [0; 1_500])).await.expect("arrives");
            assert_eq!(from, asked);
        }
    }
    server.handle.shutdown().await;
}
