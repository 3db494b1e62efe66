//! Who receives what, under which numbers.

use conclave_media::MediaEvent;
use conclave_proto::{MediaState, SourceKind};

use crate::client::{Client, Got};
use crate::harness::{ALL_ON, LEG, ROOM, Server, id, view};

/// That the packets of one section have sequence numbers without a gap, each once, in order of
/// arrival but for retransmissions.
fn assert_continuous(client: &Client, mid: &str) {
    let mut sequences: Vec<u64> =
        client.seen(|seen| seen.packets.iter().filter(|got| got.mid == mid).map(|got| got.sequence).collect());
    sequences.sort_unstable();
    for pair in sequences.windows(2) {
        assert_eq!(pair[0] + 1, pair[1], "a gap in {mid}: {sequences:?}");
    }
}

fn packets(client: &Client, mid: &str) -> Vec<Got> {
    client.seen(|seen| seen.packets.iter().filter(|got| got.mid == mid).cloned().collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_people_hear_and_see_each_other() {
    let mut server = Server::start();
    let (ada, bob) = tokio::join!(server.join("ada"), server.join("bob"));
    server.view("ada", &["bob"]);
    server.view("bob", &["ada"]);
    for (client, other) in [(&ada, "bob"), (&bob, "ada")] {
        let camera = server.shows(&client.id, &id(other), SourceKind::Camera).await;
        let sound = server.shows(&client.id, &id(other), SourceKind::Microphone).await;
        client.receives(&camera, other, 30).await;
        client.receives(&sound, other, 30).await;
        assert_continuous(client, &camera);
        assert_continuous(client, &sound);
        let mut got = packets(client, &camera);
        got.sort_by_key(|got| got.sequence);
        for pair in got.windows(2) {
            let (one, two) = (pair[0].picture.expect("a picture"), pair[1].picture.expect("a picture"));
            assert_eq!((one + 1) & 0x7fff, two, "a gap in the pictures");
            assert_ne!(pair[0].timestamp, pair[1].timestamp);
        }
        assert!(packets(client, &sound).iter().all(|got| got.audio_level == Some(-20)), "levels are passed on");
        let own = client.id.as_str().to_owned();
        client.seen(|seen| assert!(seen.packets.iter().all(|got| got.from != own), "nobody receives themselves"));
    }
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_people_each_receive_the_right_ones() {
    let mut server = Server::start();
    let (ada, bob, eve) = tokio::join!(server.join("ada"), server.join("bob"), server.join("eve"));
    let all = [(&ada, ["bob", "eve"]), (&bob, ["ada", "eve"]), (&eve, ["ada", "bob"])];
    for (client, others) in &all {
        server.view(client.id.as_str(), others);
    }
    for (client, others) in all {
        for other in others {
            let camera = server.shows(&client.id, &id(other), SourceKind::Camera).await;
            let sound = server.shows(&client.id, &id(other), SourceKind::Microphone).await;
            client.receives(&camera, other, 20).await;
            client.receives(&sound, other, 20).await;
            assert_continuous(client, &camera);
            let strangers = packets(client, &camera).iter().filter(|got| got.from != other).count();
            assert_eq!(strangers, 0, "a slot that was only ever one person's");
        }
    }
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_changes_hands_stays_one_continuous_stream() {
    let mut server = Server::start();
    let (ada, _bob, _eve) = tokio::join!(server.join("ada"), server.join("bob"), server.join("eve"));
    server.view("ada", &["bob"]);
    let camera = server.shows(&ada.id, &id("bob"), SourceKind::Camera).await;
    ada.receives(&camera, "bob", 20).await;
    // Three slots are free to choose from; filling them all but one leaves this one.
    server.view("ada", &["eve"]);
    let next = server.shows(&ada.id, &id("eve"), SourceKind::Camera).await;
    ada.receives(&next, "eve", 20).await;
    server.view("ada", &["bob"]);
    let again = server.shows(&ada.id, &id("bob"), SourceKind::Camera).await;
    ada.receives(&again, "bob", 20).await;
    for mid in [&camera, &next, &again] {
        assert_continuous(&ada, mid);
    }
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_off_is_not_forwarded_although_it_arrives() {
    let mut server = Server::start();
    let (ada, _bob) = tokio::join!(server.join("ada"), server.join("bob"));
    server.view("ada", &["bob"]);
    let camera = server.shows(&ada.id, &id("bob"), SourceKind::Camera).await;
    let sound = server.shows(&ada.id, &id("bob"), SourceKind::Microphone).await;
    ada.receives(&sound, "bob", 10).await;
    ada.receives(&camera, "bob", 10).await;

    server.handle.set_media(ROOM, id("bob"), MediaState { microphone: false, ..ALL_ON });
    server.hides(&ada.id, &id("bob"), SourceKind::Microphone).await;
    // What was on its way when the event was sent arrives before pictures that were sent later.
    ada.receives(&camera, "bob", 2).await;
    let before = ada.seen(|seen| seen.of(&sound, "bob").count());
    ada.receives(&camera, "bob", 25).await;
    assert_eq!(ada.seen(|seen| seen.of(&sound, "bob").count()), before, "a second of silence");

    server.handle.set_media(ROOM, id("bob"), ALL_ON);
    ada.receives(&sound, "bob", 5).await;
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_viewer_gets_a_key_frame_and_what_nobody_views_is_not_sent() {
    let mut server = Server::start();
    let (ada, bob) = tokio::join!(server.join("ada"), server.join("bob"));
    let sound = server.shows(&ada.id, &id("bob"), SourceKind::Microphone).await;
    ada.receives(&sound, "bob", 25).await;
    ada.seen(|seen| assert!(seen.packets.iter().all(|got| got.layer == "-"), "no picture without a view"));
    let asked = bob.seen(|seen| seen.keyframe_requests.values().sum::<usize>());
    server.handle.set_view(ROOM, id("ada"), LEG, view(&["bob"]));
    let camera = server.shows(&ada.id, &id("bob"), SourceKind::Camera).await;
    bob.until("the server asks for a key frame", |seen| seen.keyframe_requests.values().sum::<usize>() > asked).await;
    ada.receives(&camera, "bob", 5).await;
    server.handle.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_speaks_is_told() {
    let mut server = Server::start();
    let (_ada, _bob) = tokio::join!(server.join("ada"), server.join("bob"));
    server
        .event("both speak", |event| matches!(event, MediaEvent::Speakers { speakers, .. } if speakers.len() == 2))
        .await;
    server.handle.shutdown().await;
}
