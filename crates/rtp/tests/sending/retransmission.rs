use std::time::Duration;

use conclave_qos::Bitrate;
use conclave_rtp::{Patch, Ssrc};

use crate::world::{RTX_SSRC, VIDEO, VIDEO_SSRC, VP8_RTX, World, usual_slots};

/// Longer than a round trip is taken to be before one was measured.
const ROUND_TRIP_MS: u64 = 110;

fn again(arrived: &[crate::world::Arrived]) -> Vec<u16> {
    arrived.iter().filter(|packet| packet.ssrc == RTX_SSRC).map(|packet| packet.original()).collect()
}

#[test]
fn what_is_missing_comes_again_by_its_own_stream_as_it_was() {
    let mut world = World::new();
    let mut packet = world.packet(VIDEO, 65_535 - 40_000, 77, b"0123456789");
    packet.part = Some((1, 4));
    packet.patch = Patch::new(&[(1, b'x')]).expect("few");
    packet.descriptor = Some(&[9; 40]);
    packet.marker = true;
    world.sender.enqueue(world.now, &packet).expect("there is room");
    let first = world.drain().remove(0);
    world.nack(VIDEO_SSRC, &[first.index as u16]);
    let second = world.run(Duration::from_millis(20)).remove(0);
    assert_eq!((second.ssrc, second.payload_type), (RTX_SSRC, VP8_RTX));
    assert!(second.index < 1 << 15, "it begins where its receiver cannot miss a rollover");
    assert_eq!(second.original(), first.index as u16);
    assert_eq!(&second.payload[2..], b"1x34");
    assert_eq!((second.timestamp, second.marker), (77, true));
    assert_eq!(second.descriptor, first.descriptor);
    assert_eq!(second.mid.as_deref(), Some(&b"v"[..]));
    assert_eq!(second.transport_sequence, first.transport_sequence.map(|sequence| sequence + 1));
}

#[test]
fn retransmissions_go_before_what_waits() {
    let mut world = World::at(Bitrate::kbps(500));
    world.frame(VIDEO, 1, 0, 1);
    world.drain();
    world.frame(VIDEO, 2, 3_000, 20);
    world.nack(VIDEO_SSRC, &[1]);
    let arrived = world.run(Duration::from_millis(100));
    assert_eq!(arrived[0].ssrc, RTX_SSRC);
}

#[test]
fn once_per_round_trip_and_ten_times_at_most() {
    let mut world = World::new();
    world.frame(VIDEO, 1, 0, 1);
    world.drain();
    world.nack(VIDEO_SSRC, &[1, 1]);
    world.nack(VIDEO_SSRC, &[1]);
    assert_eq!(again(&world.run(Duration::from_millis(20))), [1], "asked for three times at once");
    world.nack(VIDEO_SSRC, &[1]);
    assert_eq!(again(&world.run(Duration::from_millis(20))), [0; 0], "within the round trip");
    let mut count = 1;
    for _ in 0..15 {
        world.pass(ROUND_TRIP_MS);
        world.nack(VIDEO_SSRC, &[1]);
        count += again(&world.run(Duration::ZERO)).len();
    }
    assert_eq!(count, 10);
    assert_eq!(world.sender.stats(VIDEO).expect("exists").retransmitted_packets, 10);
}

#[test]
fn a_flood_of_requests_gets_no_more_than_its_share() {
    let mut world = World::at(Bitrate::kbps(1_000));
    let mut sequence = 1;
    let mut repeated = 0;
    for frame in 0..100 {
        sequence = world.frame(VIDEO, sequence, frame * 3_000, 3);
        let everything: Vec<u16> =
            (sequence.saturating_sub(200).max(1)..sequence).map(|number| number as u16).collect();
        for _ in 0..10 {
            world.nack(VIDEO_SSRC, &everything);
            let arrived = world.run(Duration::from_millis(3));
            repeated +=
                arrived.iter().filter(|packet| packet.ssrc == RTX_SSRC).map(|packet| packet.size).sum::<usize>();
        }
    }
    // 30 % of 1 Mbit/s for 3 s, and what a burst of half a second may take.
    let allowed = 1_000_000 / 8 * 30 / 100 * 35 / 10;
    assert!(repeated < allowed * 11 / 10, "{repeated} of {allowed} bytes");
    assert!(repeated > allowed / 2, "honest requests are served: {repeated} of {allowed} bytes");
    let stats = world.sender.stats(VIDEO).expect("exists");
    assert!(stats.denied > 1_000);
    assert_eq!(stats.packets, 300, "media is not held up");
}

#[test]
fn very_many_numbers_in_a_moment_are_not_all_looked_up() {
    let mut world = World::new();
    world.frame(VIDEO, 1, 0, 1);
    world.drain();
    let many: Vec<u16> = (10_000..15_000).collect();
    (0..20).for_each(|_| world.nack(VIDEO_SSRC, &many));
    let stats = world.sender.stats(VIDEO).expect("exists");
    assert_eq!(stats.nacked, 4_096);
    assert_eq!(stats.gone, 4_096);
}

#[test]
fn what_is_no_longer_there_is_counted() {
    let mut world = World::new();
    world.frame(VIDEO, 1, 0, 1);
    world.drain();
    world.pass(2_100);
    world.nack(VIDEO_SSRC, &[1, 2, 60_000]);
    assert_eq!(again(&world.run(Duration::from_millis(10))), [0; 0]);
    assert_eq!(world.sender.stats(VIDEO).expect("exists").gone, 3);
}

#[test]
fn what_its_publisher_no_longer_has_is_counted() {
    let mut world = World::new();
    world.frame(VIDEO, 1, 0, 1);
    world.drain();
    world.stores.0[0].release();
    world.nack(VIDEO_SSRC, &[1]);
    assert_eq!(again(&world.run(Duration::from_millis(10))), [0; 0]);
    assert_eq!(world.sender.stats(VIDEO).expect("exists").gone, 1);
}

#[test]
fn a_thousand_packets_are_remembered_and_found_across_the_wrap() {
    let mut world = World::at(Bitrate::kbps(50_000));
    let mut sequence = world.frame_of(VIDEO, 30_000, 0, 1, 50);
    world.drain();
    world.transport_feedback(&[0]);
    while sequence < 66_000 {
        sequence = world.frame_of(VIDEO, sequence, sequence as u32, 100, 50);
        world.run(Duration::from_millis(10));
    }
    let newest = sequence - 1;
    let remembered = [newest as u16, (newest - 500) as u16, (newest - 1_000) as u16];
    world.nack(VIDEO_SSRC, &remembered);
    assert_eq!(again(&world.run(Duration::from_millis(10))), remembered);
    world.nack(VIDEO_SSRC, &[(newest - 1_100) as u16]);
    assert_eq!(again(&world.run(Duration::from_millis(10))), [0; 0]);
}

#[test]
fn nothing_is_repeated_for_streams_that_are_not_ours_or_not_repeatable() {
    let mut world = World::new();
    world.frame(VIDEO, 1, 0, 2);
    let arrived = world.drain();
    world.nack(Ssrc(0xdead), &[1]);
    world.nack(RTX_SSRC, &[1]);
    assert_eq!(world.run(Duration::from_millis(10)).len() + arrived.len(), 2);

    // Without a source of its own a packet would have to be sealed twice under the same index.
    let mut world = World::new();
    let mut slots = usual_slots();
    slots[usize::from(VIDEO)].rtx = None;
    world.sender.set_slots(slots).expect("usual slots");
    world.frame(VIDEO, 1, 0, 1);
    world.drain();
    world.nack(VIDEO_SSRC, &[1]);
    assert_eq!(world.run(Duration::from_millis(10)), []);
}
