//! What forwarding costs in memory: once everything is warm, nothing is asked for because of a packet.
//!
//! Counted are the shards' turns as a whole: decrypting, deciding, queueing, sealing into the arena, feedback both
//! ways, retransmissions and estimates. What may ask for memory is control: connectivity checks and DTLS, which the
//! engine makes; commands; events for the control plane; datagrams handed from one shard to another. Their number is
//! that of people and seconds, so the proof is that ten times as many packets do not ask more.

use std::time::Duration;

use super::link::Conditions;
use super::publisher::Stamp;
use super::world::World;
use crate::event::RoomKey;

const ROOM: RoomKey = RoomKey(1);

struct Cost {
    allocations: usize,
    packets: u64,
}

/// What so many seconds cost.
fn seconds(world: &mut World, seconds: u64) -> Cost {
    let (asked, before) = (world.allocations, packets(world));
    for _ in 0..seconds {
        world.run(Duration::from_secs(1));
        world.forget();
    }
    Cost { allocations: world.allocations - asked, packets: packets(world) - before }
}

fn packets(world: &World) -> u64 {
    let by = |direction| world.counted.counter(&format!("conclave_media_packets_total/{direction}"));
    by("in") + by("out")
}

/// So many people on so many shards; each of the first `senders` sends, everybody shows them.
fn call(shards: usize, people: usize, senders: usize, size: (u16, u16)) -> World {
    let mut world = World::new(shards);
    for place in 0..people {
        let who = world.join(ROOM, &format!("person-{place}"), place % shards, senders);
        let sends = place < senders;
        world.clients[who].publisher.camera = sends;
        world.clients[who].publisher.sound = sends;
    }
    world.connect();
    for who in 0..people {
        let whose: Vec<_> = (0..senders).filter(|sender| *sender != who).collect();
        world.view(who, &whose, size);
    }
    world
}

/// What the engine asks for in a second for one person, who has up to 32 sections: it looks at each of them when
/// a check comes and once a second. Packets of one person are thousands in a second.
const PER_PERSON_AND_SECOND: usize = 20;

#[track_caller]
fn judge(cost: &Cost, people: usize, seconds: usize) {
    let may = PER_PERSON_AND_SECOND * people * seconds;
    assert!(cost.allocations <= may, "{} for {} packets, not {may}", cost.allocations, cost.packets);
}

#[test]
fn one_to_many_asks_for_no_memory_packet_by_packet() {
    for shards in [1, 2] {
        let mut world = call(shards, 9, 1, (640, 360));
        seconds(&mut world, 8);
        let cost = seconds(&mut world, 5);
        assert!(cost.packets > 5_000, "{}", cost.packets);
        judge(&cost, 9, 5);
    }
}

#[test]
fn twenty_five_tiles_ask_for_no_memory_packet_by_packet() {
    let mut world = call(1, 26, 25, (160, 90));
    for who in 0..25 {
        // What tiles show. Only the first and the last watch, and three speak, so that the test takes a second.
        world.clients[who].publisher.layers = 1;
        world.clients[who].publisher.sound = who < 3;
        if who > 0 {
            world.view(who, &[], (160, 90));
        }
    }
    seconds(&mut world, 5);
    let cost = seconds(&mut world, 3);
    assert!(cost.packets > 5_000, "{}", cost.packets);
    judge(&cost, 26, 3);
}

#[test]
fn losses_and_their_repair_ask_for_no_memory_packet_by_packet() {
    let mut world = call(1, 4, 2, (640, 360));
    for who in 0..4 {
        world.links(who, Conditions::losing(50), Conditions::losing(50));
    }
    seconds(&mut world, 10);
    let asked = |world: &World| world.counted.counter("conclave_media_nacks_total/in");
    let before = asked(&world);
    let cost = seconds(&mut world, 5);
    assert!(asked(&world) > before + 50, "{}", asked(&world));
    judge(&cost, 4, 5);
}

#[test]
fn ten_times_as_many_packets_ask_for_no_more_memory() {
    let mut world = call(1, 3, 1, (640, 360));
    seconds(&mut world, 8);
    let few = seconds(&mut world, 4);
    let sound = Stamp { from: 0, layer: super::publisher::SOUND, frame: 0, part: 0, parts: 1, sent: Duration::ZERO };
    let payload = [vec![0xfc; 60], sound.write().to_vec()].concat();
    let more = |world: &mut World| {
        for _ in 0..1_000 {
            world.clients[0].with_keys(|publisher, keys, out| {
                for _ in 0..3 {
                    publisher.send(0, &payload, true, keys, out);
                }
            });
            world.step();
        }
        world.forget();
    };
    // Rings and tables grow once to what so many want.
    (0..4).for_each(|_| more(&mut world));
    let (asked, before) = (world.allocations, packets(&world));
    (0..4).for_each(|_| more(&mut world));
    let many = Cost { allocations: world.allocations - asked, packets: packets(&world) - before };
    assert!(many.packets > few.packets * 5, "{} and {}", many.packets, few.packets);
    assert!(many.allocations <= few.allocations + 100, "{} and {}", many.allocations, few.allocations);
}
