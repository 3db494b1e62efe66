//! Threats that a path to the server brings with it.

use std::time::Duration;

use conclave_media::{LegOffer, MediaEvent, MediaLimits, RoomKey};
use conclave_proto::{ErrorCode, Sdp, SourceKind};
use conclave_turn::framing::IceFramer;
use conclave_turn::stun::{Class, Method, TransactionId, Writer};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpStream, UdpSocket};

use crate::client::Client;
use crate::harness::{ALL_ON, LEG, ROOM, Server, id, soon};
use crate::network::{Network, Way};

/// The beginning of a DTLS 1.2 handshake: a ClientHello (RFC 6347 section 4.2), as a server would take
/// up.
fn hello() -> Vec<u8> {
    let mut body = vec![254, 253];
    body.extend([7; 32]);
    // No session, no cookie, one cipher suite (ECDHE-ECDSA, AES-128-GCM), no compression.
    body.extend([0, 0, 0, 2, 0xc0, 0x2b, 1, 0]);
    let length = (body.len() as u32).to_be_bytes();
    let mut handshake = vec![1, length[1], length[2], length[3], 0, 0, 0, 0, 0, length[1], length[2], length[3]];
    handshake.extend(body);
    let mut record = vec![22, 254, 255, 0, 0, 0, 0, 0, 0, 0, 0];
    record.extend((handshake.len() as u16).to_be_bytes());
    record.extend(handshake);
    record
}

/// What somebody off the path would send: a ClientHello, an SRTP packet, an SRTCP packet.
fn injected() -> [Vec<u8>; 3] {
    let mut srtp = vec![0x55; 200];
    srtp[..2].copy_from_slice(&[0x80, 111]);
    let mut srtcp = vec![0x55; 60];
    srtcp[..2].copy_from_slice(&[0x80, 200]);
    [hello(), srtp, srtcp]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_from_where_no_check_came_from_neither_win_a_race_nor_get_an_answer() {
    const RACERS: usize = 20;
    let mut server = Server::start();
    let network = Network::connect(&[Way::Udp, Way::Tcp], server.address(), "ada").await;
    let (ada, offer) = Client::on(network, "ada", LEG, Default::default());
    let answer = server.handle.offer(ROOM, id("ada"), LegOffer::Client(offer), ALL_ON).await.expect("a good offer");

    let mut sockets = Vec::new();
    let mut connections = Vec::new();
    for _ in 0..RACERS {
        sockets.push(UdpSocket::bind("127.0.0.1:0").await.expect("a socket"));
        let mut connection = TcpStream::connect(server.address()).await.expect("accepted");
        // So that it is taken for ICE-TCP at all.
        let binding = Writer::new(Class::Request, Method::Binding, TransactionId([7; 12]), 20).finish();
        let mut framed = Vec::new();
        IceFramer::write(&binding, &mut framed);
        connection.write_all(&framed).await.expect("sent");
        connections.push(connection);
    }
    let mut race = async || {
        for packet in injected() {
            let mut framed = Vec::new();
            IceFramer::write(&packet, &mut framed);
            for (socket, connection) in sockets.iter().zip(&mut connections) {
                socket.send_to(&packet, server.address()).await.expect("sent");
                connection.write_all(&framed).await.expect("sent");
            }
        }
    };
    // Before the genuine client has said anything, while it connects, and in the middle of the call.
    race().await;
    ada.answer(answer.sdp.as_str());
    for _ in 0..5 {
        race().await;
        tokio::task::yield_now().await;
    }
    ada.connected().await;
    race().await;
    let all = (RACERS * 2 * 3 * 7) as u64;
    server.until("each of them is dropped", |server| server.dropped("unvalidated") == all).await;
    for socket in &sockets {
        assert!(socket.try_recv_from(&mut [0; 100]).is_err(), "nothing was said in return");
    }
    let bob = server.join("bob").await;
    server.view("bob", &["ada"]);
    let camera = server.shows(&bob.id, &ada.id, SourceKind::Camera).await;
    bob.receives(&camera, "ada", 10).await;
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_another_certificate_than_it_offered_gets_no_media_and_is_ended() {
    let mut server = Server::start();
    let bob = server.join("bob").await;
    let (eve, mut offer) = Client::new("eve", LEG, Default::default()).await;
    // The offer that arrives names another certificate: it was changed on the way, or is a lie.
    let changed = |line: &str| match line.strip_prefix("a=fingerprint:sha-256 ") {
        Some(fingerprint) => {
            let digits = fingerprint.chars().map(|digit| if digit == 'A' { 'B' } else { digit });
            format!("a=fingerprint:sha-256 {}\r\n", digits.rev().collect::<String>())
        }
        None => format!("{line}\r\n"),
    };
    let sdp: String = offer.sdp.as_str().lines().map(changed).collect();
    offer.sdp = Sdp::parse(sdp).expect("small enough");
    let answer = server.handle.offer(ROOM, id("eve"), LegOffer::Client(offer), ALL_ON).await.expect("well formed");
    eve.answer(answer.sdp.as_str());
    server.failed(&eve.id).await;
    assert_eq!(server.counted.counter("conclave_media_ended_total/engine"), 1);
    assert!(
        !server
            .seen
            .iter()
            .any(|event| { matches!(event, MediaEvent::Connected { participant, .. } if *participant == eve.id) })
    );
    assert_eq!(eve.seen(|seen| seen.packets.len()) + bob.seen(|seen| seen.packets.len()), 0);
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn captured_packets_that_are_sent_again_are_dropped() {
    let mut server = Server::start();
    let (ada, bob) = tokio::join!(server.join("ada"), server.join("bob"));
    server.view("ada", &["bob"]);
    let sound = server.shows(&ada.id, &bob.id, SourceKind::Microphone).await;
    let camera = server.shows(&ada.id, &bob.id, SourceKind::Camera).await;
    bob.remember();
    ada.receives(&sound, "bob", 50).await;
    ada.receives(&camera, "bob", 10).await;
    let forwarded = || server.counted.counter("conclave_media_forwarded_total");
    bob.media(false);
    // What was sent before has arrived when nothing has been forwarded for a while.
    let settled = async || {
        let mut before = forwarded();
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            match forwarded() {
                now if now == before => return now,
                now => before = now,
            }
        }
    };
    ada.media(false);
    let before = soon("silence", settled()).await;
    let packets_in = || server.counted.counter("conclave_media_packets_total/in");
    let received = packets_in();
    let repeated = bob.repeat().await as u64;
    assert!(repeated > 50, "{repeated}");
    server.until("they have arrived", |_| packets_in() >= received + repeated).await;
    assert_eq!(soon("silence", settled()).await, before, "nothing was forwarded a second time");
    bob.media(true);
    ada.receives(&sound, "bob", 10).await;
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_half_made_legs_and_hellos_stay_within_their_bounds() {
    const FLOOD: usize = 10_000;
    const CROWD: RoomKey = RoomKey(66);
    // However slow the machine is, none of the flood ends for its age and makes room for another.
    let handshake = Duration::from_secs(600);
    let limits = MediaLimits { legs: 60, legs_per_room: 50, handshake, ..MediaLimits::default() };
    let mut server = Server::with_limits(limits);
    let (ada, bob) = tokio::join!(server.join("ada"), server.join("bob"));
    server.view("ada", &["bob"]);
    let camera = server.shows(&ada.id, &bob.id, SourceKind::Camera).await;

    let (_eve, offer) = Client::new("eve", LEG, Default::default()).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let hello = hello();
    let mut taken = 0;
    for number in 0..FLOOD {
        match server.handle.offer(CROWD, id(&format!("eve-{number}")), LegOffer::Client(offer.clone()), ALL_ON).await {
            Ok(_) => taken += 1,
            Err(error) => assert_eq!(error.code, ErrorCode::MediaUnavailable),
        }
        stranger.send_to(&hello, server.address()).await.expect("sent");
    }
    assert_eq!(taken, limits.legs_per_room);
    assert_eq!(server.counted.gauge("conclave_media_legs"), (limits.legs_per_room + 2) as f64);
    // A busy machine's kernel drops many before us: some more come while we wait.
    let most_are_seen = |server: &Server| {
        for _ in 0..10 {
            // What does not fit now is as good as dropped.
            let _ = stranger.try_send_to(&hello, server.address());
        }
        server.dropped("unvalidated") > FLOOD as u64 / 2
    };
    server.until("hellos are dropped", most_are_seen).await;
    assert!(stranger.try_recv_from(&mut [0; 100]).is_err(), "no hello was answered");
    ada.receives(&camera, "bob", 10).await;
    let zoe = server.join_by("zoe", &[Way::Tcp]).await;
    let camera = server.shows(&zoe.id, &bob.id, SourceKind::Microphone).await;
    zoe.receives(&camera, "bob", 5).await;
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quic_is_refused_cleanly_and_not_without_bounds() {
    let server = Server::start();
    let stranger = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let mut initial = vec![0xc3, 0, 0, 0, 1, 4, 1, 2, 3, 4, 2, 5, 6];
    initial.resize(1_200, 0);
    stranger.send_to(&initial, server.address()).await.expect("sent");
    let mut answer = [0; 1_500];
    let (length, _) = soon("a refusal", stranger.recv_from(&mut answer)).await.expect("received");
    // Version Negotiation, with the connection ids the other way round (RFC 9000 section 17.2.1).
    assert!(length < 100 && answer[0] & 0x80 != 0);
    assert_eq!(answer[1..13], [0, 0, 0, 0, 2, 5, 6, 4, 1, 2, 3, 4]);
    for _ in 0..1_000 {
        stranger.send_to(&initial, server.address()).await.expect("sent");
    }
    server.until("all have arrived", |server| server.dropped("quic") > 900).await;
    let mut answered = 0;
    while stranger.try_recv_from(&mut answer).is_ok() {
        answered += 1;
    }
    assert!(answered < 400, "{answered}");
    server.handle.shutdown().await;
}
