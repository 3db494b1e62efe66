use std::time::Duration;

use conclave_rtp::{BadSlots, NotQueued, Ssrc};

use crate::world::{
    RTX_SSRC, SECOND_SSRC, SECOND_VIDEO, VIDEO, VIDEO_SSRC, World, audio_slot, usual_slots, video_slot,
};

#[test]
fn a_slot_that_stays_keeps_its_numbers_and_what_it_sent_wherever_it_moves() {
    let mut world = World::new();
    world.frame(VIDEO, 1, 0, 2);
    world.run(Duration::from_millis(50));
    world.frame(VIDEO, 3, 3_000, 1);
    world.frame(SECOND_VIDEO, 1, 0, 1);
    world.sender.set_slots(vec![video_slot(VIDEO_SSRC, RTX_SSRC), audio_slot()]).expect("two of those before");
    world.nack(VIDEO_SSRC, &[1]);
    let arrived = world.run(Duration::from_millis(50));
    let arrived: Vec<_> = arrived.iter().map(|packet| (packet.ssrc, packet.index)).collect();
    assert_eq!(arrived.len(), 2, "what waited for the slot that is gone, went: {arrived:?}");
    assert!(arrived.contains(&(VIDEO_SSRC, 3)));
    assert!(arrived.iter().any(|(ssrc, _)| *ssrc == RTX_SSRC));
    let stats = world.sender.stats(0).expect("exists");
    assert_eq!((stats.packets, stats.retransmitted_packets), (3, 1));
    let used = world.packet(0, 2, 0, b"again");
    let mut used = used;
    used.payload_type = crate::world::payload_type(crate::world::VP8);
    assert_eq!(world.sender.enqueue(world.now, &used), Err(NotQueued::Used));
}

#[test]
fn a_source_that_comes_back_goes_on_where_it_ended() {
    let mut world = World::new();
    world.frame(VIDEO, 1, 0, 5);
    world.run(Duration::from_millis(50));
    world.nack(VIDEO_SSRC, &[1]);
    let repeated = world.run(Duration::from_millis(50))[0].index;
    world.sender.set_slots(vec![audio_slot()]).expect("one of those before");
    world.sender.set_slots(usual_slots()).expect("as before");
    let packet = world.packet(VIDEO, 5, 0, b"again");
    assert_eq!(world.sender.enqueue(world.now, &packet), Err(NotQueued::Used));
    world.frame(VIDEO, 6, 0, 1);
    assert_eq!(world.run(Duration::from_millis(50))[0].index, 6);
    world.nack(VIDEO_SSRC, &[6]);
    assert_eq!(world.run(Duration::from_millis(50))[0].index, repeated + 1);
}

#[test]
fn sources_that_change_places_never_begin_anew() {
    let mut world = World::new();
    let second_rtx = crate::world::SECOND_RTX_SSRC;
    for round in 0..6u64 {
        let (first, second) = if round % 2 == 0 { (RTX_SSRC, second_rtx) } else { (second_rtx, RTX_SSRC) };
        let slots = vec![audio_slot(), video_slot(VIDEO_SSRC, first), video_slot(SECOND_SSRC, second)];
        world.sender.set_slots(slots).expect("only exchanged");
        for slot in [VIDEO, SECOND_VIDEO] {
            world.frame(slot, round * 3 + 1, round as u32 * 3_000, 3);
        }
        world.run(Duration::from_millis(100));
        // The world sees to it that no index arrives twice.
        world.nack(VIDEO_SSRC, &[round as u16 * 3 + 1]);
        world.nack(SECOND_SSRC, &[round as u16 * 3 + 2]);
        assert_eq!(world.run(Duration::from_millis(100)).len(), 2);
    }
    assert_eq!(world.sender.sender_stats().faults, 0);
}

#[test]
fn impossible_slots_are_refused_and_change_nothing() {
    let mut world = World::new();
    let twice = vec![video_slot(VIDEO_SSRC, RTX_SSRC), video_slot(RTX_SSRC, Ssrc(7))];
    assert_eq!(world.sender.set_slots(twice), Err(BadSlots::SameSource));
    let many = (0..129).map(|index| video_slot(Ssrc(1_000 + index), Ssrc(2_000 + index))).collect();
    assert_eq!(world.sender.set_slots(many), Err(BadSlots::TooMany));
    let mut long = audio_slot();
    long.mid = Some("m".repeat(17));
    assert_eq!(world.sender.set_slots(vec![long]), Err(BadSlots::LongName));
    world.frame(VIDEO, 1, 0, 1);
    assert_eq!(world.drain().len(), 1);
}

#[test]
fn what_comes_and_goes_is_bounded() {
    let mut world = World::new();
    let mut refused = None;
    for round in 0..2_000 {
        let slot = video_slot(Ssrc(10_000 + 2 * round), Ssrc(10_001 + 2 * round));
        if let Err(error) = world.sender.set_slots(vec![slot]) {
            refused = Some(error);
            break;
        }
        let mut packet = world.packet(0, 1, 0, b"x");
        packet.payload_type = crate::world::payload_type(crate::world::VP8);
        world.sender.enqueue(world.now, &packet).expect("there is room");
        world.discard();
        world.pass(10);
    }
    assert_eq!(refused, Some(BadSlots::TooManyGone));
}
