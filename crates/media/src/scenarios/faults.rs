//! Faults of the server itself end the leg or the room that they are in, and nothing else.

use std::time::Duration;

use conclave_proto::{CodecPreference, ParticipantId};

use super::world::World;
use crate::event::{MediaEvent, RoomKey};
use crate::fault::{self, Point};
use crate::mailbox::Command;

const FAULTY: RoomKey = RoomKey(2);
const SAME_SHARD: RoomKey = RoomKey(4);
const OTHER_SHARD: RoomKey = RoomKey(5);

/// Two shards, three rooms with two people each; of each room one on either shard.
fn world() -> World {
    let mut world = World::new(2);
    for room in [FAULTY, SAME_SHARD, OTHER_SHARD] {
        for shard in 0..2 {
            world.join(room, &format!("person-{}-{shard}", room.0), shard, 1);
        }
    }
    world.connect();
    for pair in [[0, 1], [2, 3], [4, 5]] {
        world.view(pair[0], &[pair[1]], (320, 180));
        world.view(pair[1], &[pair[0]], (320, 180));
    }
    world.run(Duration::from_secs(2));
    world.forget();
    world
}

/// Lets it happen, and what comes of it. The other rooms do not notice.
#[track_caller]
fn fail(world: &mut World, point: Point) {
    fault::arm(point);
    let since = world.time();
    world.run(Duration::from_secs(2));
    assert!(!fault::is_armed(), "{point:?} was met");
    for [one, other] in [[2, 3], [3, 2], [4, 5], [5, 4]] {
        let (sound, pictures) = (world.got(one, other, true, since).len(), world.got(one, other, false, since).len());
        assert!(sound >= 98 && pictures >= 48, "{point:?}: {sound} and {pictures} from {other} to {one}");
    }
}

/// How many faults were counted: of legs, and of rooms.
fn counted(world: &World) -> (u64, u64) {
    (world.counted.counter("conclave_media_faults_total"), world.counted.counter("conclave_media_room_faults_total"))
}

#[test]
fn a_fault_in_a_leg_closes_that_leg_and_its_room_goes_on() {
    // Of who sends and of who receives, on the room's shard and on the other: keys count from 1.
    for key in [1, 2] {
        for point in [Point::Receives(key), Point::Sends(key), Point::IsGiven(key)] {
            let mut world = world();
            fail(&mut world, point);
            assert_eq!(counted(&world), (1, 0), "{point:?}");
            assert_eq!(world.failed(), [format!("person-2-{}", key - 1)], "{point:?}");
            assert_eq!(world.ended("panic"), 1, "{point:?}");
            let left = world.snapshot().rooms.into_iter().find(|room| room.key == FAULTY).expect("goes on");
            assert_eq!(left.legs.len(), 1, "{point:?}");
            // Somebody else can come into the room.
            let new = world.join(FAULTY, "another", 1, 1);
            world.connect();
            let since = world.time();
            world.run(Duration::from_secs(1));
            let other = 2 - key as usize;
            assert!(world.got(new, other, true, since).len() >= 40, "{point:?}");
        }
    }
}

#[test]
fn a_room_that_panics_is_closed_and_others_go_on() {
    for point in [Point::Forwards(FAULTY), Point::Ticks(FAULTY)] {
        let mut world = world();
        fail(&mut world, point);
        assert_eq!(counted(&world), (0, 1), "{point:?}");
        let mut failed = world.failed();
        failed.sort_unstable();
        assert_eq!(failed, ["person-2-0", "person-2-1"], "{point:?}");
        assert_eq!(world.ended("panic"), 2, "{point:?}");
        assert!(world.clients[..2].iter().all(|client| client.closed), "{point:?}");
        let snapshot = world.snapshot();
        assert_eq!(snapshot.rooms.iter().map(|room| room.key).collect::<Vec<_>>(), [SAME_SHARD, OTHER_SHARD]);
        assert_eq!(world.counted.gauge("conclave_media_legs"), 4.0);
        assert_eq!(world.counted.gauge("conclave_media_rooms"), 2.0);
        // The room can be opened again.
        let (one, other) = (world.join(FAULTY, "one", 0, 1), world.join(FAULTY, "other", 1, 1));
        world.run(Duration::from_secs(2));
        assert!(!world.got(one, other, true, Duration::ZERO).is_empty(), "{point:?}");
    }
}

#[test]
fn a_fault_while_a_leg_is_told_of_its_rooms_wishes_is_that_legs() {
    let mut world = world();
    let participant = world.clients[0].id.clone();
    let leg = conclave_proto::LegNumber(1);
    fault::arm(Point::Sends(1));
    world.command(FAULTY, Command::CloseLeg { room: FAULTY, participant, leg });
    world.run(Duration::from_secs(1));
    // It was closed before it could fail, or failed before it was closed: once either way.
    assert_eq!(world.ended("panic") + world.ended("closed"), 1);
    assert_eq!(world.snapshot().rooms.len(), 3);
}

#[test]
fn a_datagram_that_claims_to_come_from_a_relay_is_dropped() {
    let mut world = World::new(1);
    let binding = [&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42][..], &[7; 12]].concat();
    for (source, answers) in [("192.0.0.8:5000", 0), ("[100::8]:5000", 0), ("192.0.0.9:5000", 1)] {
        let source = source.parse().expect("an address");
        for contents in [&binding[..], &[0x80; 100], &[22; 100], &[0x40, 0, 0, 0]] {
            world.inject(0, source, contents.to_vec());
        }
        world.step();
        assert_eq!(world.astray.len(), answers, "{source}");
    }
    assert_eq!(world.dropped("forged-relay"), 8);
}

#[test]
fn commands_about_what_does_not_exist_leave_nothing_behind() {
    let mut world = World::new(2);
    let participant = ParticipantId::parse("p").expect("valid");
    let (leg, view) = (conclave_proto::LegNumber(1), conclave_proto::View { items: Vec::new() });
    for room in [RoomKey(1), RoomKey(2)] {
        let participant = || participant.clone();
        for command in [
            Command::SetMedia { room, participant: participant(), media: Default::default() },
            Command::SetView { room, participant: participant(), leg, view: view.clone() },
            Command::CloseLeg { room, participant: participant(), leg },
            Command::CloseParticipant { room, participant: participant() },
            Command::SetCodec { room, preference: CodecPreference::Auto },
            Command::CloseRoom { room: RoomKey(room.0 + 2) },
        ] {
            world.command(room, command);
        }
    }
    world.run(Duration::from_secs(1));
    assert!(world.snapshot().rooms.is_empty());
    assert!(world.shards.iter_mut().all(|shard| shard.next_deadline().is_none()));
    assert_eq!(world.told, <[MediaEvent; 0]>::default());
}
