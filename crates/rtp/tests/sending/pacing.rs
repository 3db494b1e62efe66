use std::time::Duration;

use conclave_qos::Bitrate;
use conclave_rtp::{NotQueued, PacketStore};

use crate::world::{AUDIO, AUDIO_SSRC, GONE, SECOND_VIDEO, VIDEO, VIDEO_SSRC, World};

#[test]
fn a_key_frame_is_spread_over_time() {
    let mut world = World::at(Bitrate::kbps(1_000));
    // 40 kB at 2.5 Mbit/s take 128 ms.
    world.frame(VIDEO, 1, 0, 40);
    let start = world.now;
    let arrived = world.run(Duration::from_millis(300));
    assert_eq!(arrived.iter().map(|packet| packet.index).collect::<Vec<_>>(), (1..41).collect::<Vec<_>>());
    let last = arrived[39].at.since(start);
    assert!((100..200).contains(&last.as_millis()), "the last after {last:?}");
    // No more than a burst of 5 ms at once, and the packet that exceeds it.
    let most = arrived.iter().map(|packet| arrived.iter().filter(|other| other.at == packet.at).count()).max();
    assert!(most <= Some(3), "{most:?} at once");
}

#[test]
fn audio_passes_a_full_queue() {
    let mut world = World::at(Bitrate::kbps(100));
    world.frame_of(VIDEO, 1, 0, 1_024, 100);
    let audio = world.packet(AUDIO, 1, 0, b"sound");
    world.sender.enqueue(world.now, &audio).expect("audio has room of its own");
    let arrived = world.drain();
    assert_eq!(arrived[0].ssrc, AUDIO_SSRC);
    assert_eq!(arrived[0].payload, b"sound");
    assert_eq!(arrived[0].audio_level, Some(0x80 | 30));
}

#[test]
fn sound_that_nobody_could_send_for_a_while_does_not_come_late() {
    let mut world = World::new();
    for sequence in 1..=300 {
        let audio = world.packet(AUDIO, sequence, sequence as u32 * 960, b"sound");
        world.sender.enqueue(world.now, &audio).expect("the oldest makes room");
        world.pass(20);
    }
    let indices = world.drain().iter().map(|packet| packet.index).collect::<Vec<_>>();
    assert_eq!(indices, (276..=300).collect::<Vec<_>>(), "the others have waited for more than 500 ms");
    let stats = world.sender.stats(AUDIO).expect("exists");
    assert_eq!((stats.dropped, stats.late), (275, 275));
    assert_eq!(world.keyframes_wanted(), []);
}

#[test]
fn of_more_sound_than_there_is_room_for_the_newest_is_heard() {
    let mut world = World::new();
    for sequence in 1..=300 {
        let audio = world.packet(AUDIO, sequence, sequence as u32 * 960, b"sound");
        world.sender.enqueue(world.now, &audio).expect("the oldest makes room");
    }
    let indices = world.drain().iter().map(|packet| packet.index).collect::<Vec<_>>();
    assert_eq!(indices, (45..=300).collect::<Vec<_>>());
}

#[test]
fn a_frame_without_room_is_refused_whole_and_a_key_frame_asked_for() {
    let mut world = World::at(Bitrate::kbps(100));
    world.frame_of(VIDEO, 1, 0, 1_023, 100);
    let mut results = Vec::new();
    for sequence in 2_000..2_003 {
        let packet = world.packet(VIDEO, sequence, 3_000, &[0; 1_000]);
        results.push(world.sender.enqueue(world.now, &packet));
    }
    assert_eq!(results, [Ok(()), Err(NotQueued::Full), Err(NotQueued::Full)]);
    world.run(Duration::from_millis(50));
    // There is room again, but what is left of the frame is of no use.
    let packet = world.packet(VIDEO, 2_003, 3_000, &[0; 1_000]);
    assert_eq!(world.sender.enqueue(world.now, &packet), Err(NotQueued::Full));
    let packet = world.packet(VIDEO, 2_004, 6_000, &[0; 1_000]);
    assert_eq!(world.sender.enqueue(world.now, &packet), Ok(()));
    assert_eq!(world.keyframes_wanted(), [VIDEO]);
    assert_eq!(world.sender.stats(VIDEO).expect("exists").dropped, 3);
}

#[test]
fn video_that_waited_too_long_goes_by_whole_frames() {
    let mut world = World::at(Bitrate::kbps(10));
    world.frame_of(VIDEO, 1, 0, 2, 300);
    let mut arrived = world.drain();
    assert_eq!(arrived.len(), 1, "the first frame is begun");
    world.frame_of(SECOND_VIDEO, 1, 0, 2, 300);
    // Sound that takes all there is: pictures get no turn.
    for sequence in 1..=30 {
        let audio = world.packet(AUDIO, sequence, sequence as u32 * 960, &[0; 300]);
        world.sender.enqueue(world.now, &audio).expect("there is room");
        arrived.extend(world.run(Duration::from_millis(20)));
    }
    world.frame_of(SECOND_VIDEO, 3, 3_000, 2, 300);
    arrived.extend(world.run(Duration::from_secs(2)));
    let of = |ssrc| arrived.iter().filter(|packet| packet.ssrc == ssrc).map(|packet| packet.index).collect::<Vec<_>>();
    assert_eq!(of(VIDEO_SSRC), [1, 2], "what was begun is finished");
    assert_eq!(of(crate::world::SECOND_SSRC), [3, 4], "what was not begun is dropped whole");
    let stats = world.sender.stats(SECOND_VIDEO).expect("exists");
    assert_eq!((stats.dropped, stats.late), (2, 2));
    assert_eq!(world.keyframes_wanted(), [SECOND_VIDEO]);
}

#[test]
fn video_is_not_too_late_because_the_machine_was_busy_with_something_else() {
    let mut world = World::at(Bitrate::kbps(1_000));
    let mut next = world.frame(VIDEO, 1, 0, 10);
    let mut arrived = world.drain();
    assert!(arrived.len() < 10, "the rest waits for the pacer");
    for stall in 1..=2 {
        // Longer than anything may wait. What comes meanwhile is as fresh to the sender as it was before.
        world.pass(700);
        let audio = world.packet(AUDIO, stall, stall as u32 * 960, b"sound");
        world.sender.enqueue(world.now, &audio).expect("there is room");
        next = world.frame(VIDEO, next, stall as u32 * 3_000, 4);
        arrived.extend(world.drain());
    }
    arrived.extend(world.run(Duration::from_secs(2)));
    let video = arrived.iter().filter(|packet| packet.ssrc == VIDEO_SSRC).map(|packet| packet.index);
    assert_eq!(video.collect::<Vec<_>>(), (1..next).collect::<Vec<_>>());
    assert_eq!(world.sender.stats(VIDEO).expect("exists").dropped, 0);
    assert_eq!(world.keyframes_wanted(), []);
}

#[test]
fn video_that_nobody_could_send_for_seconds_is_not_sent() {
    let mut world = World::at(Bitrate::kbps(100));
    world.frame(VIDEO, 1, 0, 1);
    world.drain();
    world.frame(VIDEO, 2, 3_000, 5);
    world.pass(5_000);
    let next = world.frame(VIDEO, 7, 6_000, 1);
    let arrived = world.run(Duration::from_secs(1));
    assert_eq!(arrived.iter().map(|packet| packet.index).collect::<Vec<_>>(), [next - 1]);
    assert_eq!(world.keyframes_wanted(), [VIDEO]);
}

#[test]
fn the_packets_of_a_frame_have_one_size_even_if_the_section_is_acknowledged_meanwhile() {
    let mut world = World::at(Bitrate::kbps(1_000));
    world.frame(VIDEO, 1, 0, 20);
    let mut arrived = world.drain();
    world.acknowledge(VIDEO_SSRC);
    arrived.extend(world.run(Duration::from_millis(200)));
    assert_eq!(arrived.len(), 20);
    assert!(arrived.iter().all(|packet| packet.size == arrived[0].size && packet.mid.is_some()));
    world.frame(VIDEO, 21, 3_000, 2);
    let arrived = world.run(Duration::from_millis(200));
    assert!(arrived.iter().all(|packet| packet.mid.is_none()));
}

#[test]
fn a_part_of_a_payload_is_sent_changed_as_told() {
    let mut world = World::new();
    let mut packet = world.packet(VIDEO, 1, 0, b"0123456789");
    packet.part = Some((2, 5));
    packet.patch = conclave_rtp::Patch::new(&[(0, b'x'), (4, b'y')]).expect("few");
    packet.descriptor = Some(&[1, 2, 3]);
    world.sender.enqueue(world.now, &packet).expect("there is room");
    let arrived = world.drain();
    assert_eq!(arrived[0].payload, b"x345y");
    assert_eq!(arrived[0].descriptor.as_deref(), Some(&[1, 2, 3][..]));
}

#[test]
fn a_packet_without_payload_keeps_the_numbers_without_a_gap() {
    let mut world = World::new();
    let mut packet = world.packet(VIDEO, 1, 0, b"0123456789");
    packet.part = Some((0, 0));
    packet.length = 0;
    world.sender.enqueue(world.now, &packet).expect("there is room");
    assert_eq!(world.drain()[0].payload, b"");
}

#[test]
fn what_cannot_be_sent_is_dropped_and_counted() {
    let mut world = World::new();
    let mut gone = world.packet(VIDEO, 1, 0, b"payload");
    gone.packet = GONE;
    let mut beyond = world.packet(VIDEO, 2, 0, b"payload");
    beyond.part = Some((5, 10));
    let mut unpatchable = world.packet(VIDEO, 3, 0, b"payload");
    unpatchable.patch = conclave_rtp::Patch::new(&[(200, 0)]).expect("few");
    let huge = world.packet(VIDEO, 4, 0, &[0; 1_500]);
    for packet in [gone, beyond, unpatchable, huge] {
        world.sender.enqueue(world.now, &packet).expect("there is room");
    }
    assert_eq!(world.run(Duration::from_millis(100)), []);
    assert_eq!(world.sender.stats(VIDEO).expect("exists").dropped, 4);
    assert_eq!(world.sender.sender_stats().faults, 2, "a patch and a length of ours");
    assert_eq!(world.keyframes_wanted(), [VIDEO]);
}

#[test]
fn what_was_not_negotiated_is_not_queued() {
    let mut world = World::new();
    let mut packet = world.packet(VIDEO, 1, 0, b"payload");
    packet.slot = 7;
    assert_eq!(world.sender.enqueue(world.now, &packet), Err(NotQueued::NotNegotiated));
    packet.slot = AUDIO;
    assert_eq!(world.sender.enqueue(world.now, &packet), Err(NotQueued::NotNegotiated));
    packet.slot = VIDEO;
    packet.sequence = 40_000;
    assert_eq!(world.sender.enqueue(world.now, &packet), Err(NotQueued::TooFar));
    packet.sequence = 4;
    assert_eq!(world.sender.enqueue(world.now, &packet), Ok(()));
    assert_eq!(world.sender.enqueue(world.now, &packet), Err(NotQueued::Used));
}

#[test]
fn sequence_numbers_and_timestamps_wrap() {
    let mut world = World::at(Bitrate::kbps(10_000));
    let mut sequence = 32_000;
    let mut timestamp = u32::MAX - 3_000 * 20;
    let mut expected = Vec::new();
    let mut arrived = Vec::new();
    while sequence < 3 * 65_536 {
        // Only every hundredth packet, as after losses before us, and every one around the wraps.
        let step = if sequence % 65_536 > 65_436 || sequence % 65_536 < 100 { 1 } else { 100 };
        let mut packet = world.packet(VIDEO, sequence, timestamp, &[1; 10]);
        packet.marker = true;
        world.sender.enqueue(world.now, &packet).expect("there is room");
        expected.push((sequence, timestamp));
        (sequence, timestamp) = (sequence + step, timestamp.wrapping_add(3_000));
        arrived.extend(world.run(Duration::from_millis(1)));
        if world.stores.0[0].len() > 4_000 {
            world.stores.0[0] = PacketStore::new();
        }
    }
    arrived.extend(world.run(Duration::from_millis(50)));
    let numbers: Vec<_> = arrived.iter().map(|packet| (packet.index, packet.timestamp)).collect();
    assert_eq!(numbers, expected);
}
