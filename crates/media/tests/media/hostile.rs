//! What clients and strangers may throw at the server without anybody else noticing.

use std::time::Duration;

use conclave_media::{LegOffer, MediaEvent, MediaLimits};
use conclave_proto::SourceKind;
use tokio::net::UdpSocket;

use crate::client::Client;
use crate::harness::{Server, id};

/// Two people with a picture and a sound that must go on.
async fn call(server: &mut Server) -> (Client, Client, String) {
    let (ada, bob) = tokio::join!(server.join("ada"), server.join("bob"));
    server.view("ada", &["bob"]);
    let camera = server.shows(&ada.id, &id("bob"), SourceKind::Camera).await;
    ada.receives(&camera, "bob", 5).await;
    (ada, bob, camera)
}

fn no_leg_failed(server: &Server) {
    assert!(!server.seen.iter().any(|event| matches!(event, MediaEvent::Failed { .. })), "{:?}", server.seen);
}

const LENGTHS: [usize; 14] = [0, 1, 2, 3, 4, 8, 11, 12, 13, 19, 20, 100, 1_200, 1_500];

/// Every first byte in every length: alike, or with the rest that a parser would believe longest.
fn noise() -> impl Iterator<Item = Vec<u8>> {
    (0..=255_u8).flat_map(|first| {
        LENGTHS.into_iter().flat_map(move |length| {
            [0x00, 0xff, first].into_iter().map(move |rest| {
                let mut bytes = vec![rest; length];
                if let Some(byte) = bytes.first_mut() {
                    *byte = first;
                }
                if length >= 20 && first < 4 {
                    // A STUN message by its magic and length (RFC 8489 section 5).
                    bytes[2..4].copy_from_slice(&((length - 20) as u16).to_be_bytes());
                    bytes[4..8].copy_from_slice(&[0x21, 0x12, 0xA4, 0x42]);
                }
                bytes
            })
        })
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_from_strangers_has_no_effect() {
    let mut server = Server::start();
    let (ada, _bob, camera) = call(&mut server).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    for bytes in noise() {
        stranger.send_to(&bytes, server.address()).await.expect("sent");
    }
    ada.receives(&camera, "bob", 20).await;
    // What looks like the beginning of a QUIC connection is refused, now and then; nothing else is
    // answered.
    let mut answer = [0; 2_000];
    while let Ok((length, _)) = stranger.try_recv_from(&mut answer) {
        assert!(length < 1_200 && answer[0] >= 0x80 && answer[1..5] == [0; 4], "{:02x?}", &answer[..length]);
    }
    no_leg_failed(&server);
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_from_a_participant_hurts_nobody_else() {
    let limits = MediaLimits { packets_per_second: 100_000, ..MediaLimits::default() };
    let mut server = Server::with_limits(limits);
    let (ada, _bob, camera) = call(&mut server).await;
    let eve = server.join("eve").await;
    for bytes in noise() {
        eve.raw(bytes);
    }
    ada.receives(&camera, "bob", 40).await;
    for who in ["ada", "bob"] {
        let other =
            |event: &MediaEvent| matches!(event, MediaEvent::Failed { participant, .. } if *participant == id(who));
        assert!(!server.seen.iter().any(other), "{who}");
    }
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_with_a_stolen_name_cannot_take_part() {
    let mut server = Server::start();
    let (ada, _bob, camera) = call(&mut server).await;
    let (client, offer) = Client::new("eve", crate::harness::LEG, Default::default()).await;
    let answer = server
        .handle
        .offer(crate::harness::ROOM, id("eve"), LegOffer::Client(offer), crate::harness::ALL_ON)
        .await
        .expect("good");
    let ufrag = answer.sdp.as_str().lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).expect("a ufrag");

    // A check under the leg's name without its password, then a ClientHello and SRTP from there.
    let stranger = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let username = format!("{ufrag}:eve");
    let mut value = username.clone().into_bytes();
    value.resize(value.len().next_multiple_of(4), 0);
    let mut check = vec![0, 1];
    // USERNAME, then a MESSAGE-INTEGRITY of zeros (RFC 8489 sections 14.3 and 14.5).
    check.extend((4 + value.len() as u16 + 24).to_be_bytes());
    check.extend([0x21, 0x12, 0xA4, 0x42]);
    check.extend([9; 12]);
    check.extend([0, 6]);
    check.extend((username.len() as u16).to_be_bytes());
    check.extend(value);
    check.extend([0, 8, 0, 20]);
    check.extend([0; 20]);
    let hello: Vec<u8> = [22, 254, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0].into();
    for packet in [&check, &hello, &vec![0x80; 200]] {
        stranger.send_to(packet, server.address()).await.expect("sent");
    }
    // The genuine client is not disturbed by that.
    client.answer(answer.sdp.as_str());
    client.connected().await;
    ada.receives(&camera, "bob", 10).await;
    assert!(stranger.try_recv_from(&mut [0; 100]).is_err(), "nothing was said in return");
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rtp_that_lies_disturbs_only_its_sender() {
    let mut server = Server::start();
    let (ada, bob, camera) = call(&mut server).await;
    let eve = server.join("eve").await;
    server.view("ada", &["bob", "eve"]);
    server.shows(&ada.id, &id("eve"), SourceKind::Camera).await;
    eve.media(false);
    let payloads: [&[u8]; 8] = [
        &[],
        &[0x90],
        &[0x80, 0xff],
        &[0xff; 3],
        &[0x90, 0x80, 0x80],
        &[0x90, 0xf0, 0xff, 0xff, 0xff, 0xff, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0, 0, 0, 0],
        &[0x10, 0x30, 0, 0, 0x9d, 0x01, 0x2a, 0xff, 0xff, 0xff, 0xff],
        &[0x7c; 1_400],
    ];
    for (i, payload) in payloads.iter().cycle().take(200).enumerate() {
        let i = i as u64;
        let rid = ["l", "m", "h"][i as usize % 3];
        // Far ahead, back again, as another codec, and in sections that are not simulcast.
        eve.lie(1, Some(rid), None, 100_000 + i * 3_001 % 60_000, payload.to_vec());
        eve.lie(1, Some(rid), Some(108), 200_000 + i, payload.to_vec());
        eve.lie(2, None, None, i * 40_000, payload.to_vec());
        eve.lie(0, None, Some(111), i * 7, payload.to_vec());
    }
    ada.receives(&camera, "bob", 50).await;
    let continuous = |sequences: &mut Vec<u64>| {
        sequences.sort_unstable();
        sequences.windows(2).all(|pair| pair[0] + 1 == pair[1])
    };
    let mut sequences =
        ada.seen(|seen| seen.packets.iter().filter(|got| got.mid == camera).map(|got| got.sequence).collect());
    assert!(continuous(&mut sequences), "{sequences:?}");
    no_leg_failed(&server);
    drop(bob);
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_limited_then_ended_and_neighbours_go_on() {
    let limits =
        MediaLimits { packets_per_second: 500, overload: Duration::from_millis(500), ..MediaLimits::default() };
    let mut server = Server::with_limits(limits);
    let (ada, _bob, camera) = call(&mut server).await;
    let eve = server.join("eve").await;
    let flood = async {
        loop {
            eve.flood(200);
            // Paced by the call itself: a flood between any two pictures.
            ada.receives(&camera, "bob", 1).await;
        }
    };
    tokio::select! {
        () = server.failed(&eve.id) => {}
        () = flood => {}
    }
    no_leg_failed(&server);
    ada.receives(&camera, "bob", 20).await;
    server.handle.shutdown().await;
}
