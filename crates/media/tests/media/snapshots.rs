//! What the media plane tells of itself.

use std::time::Duration;

use conclave_media::stats::{LegSnapshot, SlotId};
use conclave_proto::{MediaPath, SourceKind};

use crate::harness::{ROOM, Server, id};

async fn leg_of(server: &Server, who: &str) -> Option<LegSnapshot> {
    let snapshot = server.handle.snapshot().await.expect("the media plane runs");
    let room = snapshot.rooms.into_iter().find(|room| room.key == ROOM)?;
    room.legs.into_iter().find(|leg| leg.participant == id(who))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_tells_who_sends_and_receives_what() {
    let mut server = Server::start();
    let (ada, bob) = tokio::join!(server.join("ada"), server.join("bob"));
    server.view("ada", &["bob"]);
    let camera = server.shows(&ada.id, &id("bob"), SourceKind::Camera).await;
    ada.receives(&camera, "bob", 30).await;

    let sender = leg_of(&server, "bob").await.expect("a leg");
    assert!(sender.connected && sender.path == Some(MediaPath::Udp));
    let sources: Vec<_> = sender.sources.iter().map(|source| source.source).collect();
    assert!(sources.contains(&SourceKind::Camera) && sources.contains(&SourceKind::Microphone), "{sources:?}");
    assert!(sender.received.packets >= 30 && sender.received.bytes > sender.received.packets * 12);
    assert!(sender.sources.iter().all(|source| source.jitter < Some(Duration::from_secs(1))));

    let receiver = leg_of(&server, "ada").await.expect("a leg");
    let picture = receiver.slots.iter().find(|slot| matches!(slot.slot, SlotId::Video(_))).expect("a picture");
    let carried = picture.carries.clone().expect("something");
    assert_eq!((carried.participant, carried.source), (id("bob"), SourceKind::Camera));
    assert!(picture.sent.packets >= 30, "{picture:?}");

    let shards = server.handle.snapshot().await.expect("the media plane runs").shards;
    assert_eq!(shards.iter().map(|shard| shard.legs).sum::<u32>(), 2);
    assert!(shards.iter().map(|shard| shard.forwarded).sum::<u64>() >= 30);
    let active: Vec<_> = shards.iter().filter(|shard| shard.legs > 0).collect();
    assert!(active.iter().all(|shard| shard.busy > Duration::ZERO && shard.received.packets > 0), "{active:?}");
    drop(bob);
    server.handle.clone().shutdown().await;
    assert_eq!(server.handle.snapshot().await, None, "nobody waits for one that has stopped");
}
