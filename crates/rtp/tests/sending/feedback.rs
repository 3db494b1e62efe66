use std::time::Duration;

use conclave_qos::{Bitrate, Time};
use conclave_rtp::Ssrc;
use conclave_rtp::rtcp::ReportBlock;

use crate::world::{AUDIO, OVERHEAD, VIDEO, VIDEO_SSRC, World, usual_slots};

#[test]
fn every_packet_is_numbered_and_what_arrived_is_told_to_the_controller() {
    let mut world = World::new();
    let audio = world.packet(AUDIO, 1, 0, b"sound");
    world.sender.enqueue(world.now, &audio).expect("there is room");
    world.frame(VIDEO, 1, 0, 3);
    let arrived = world.run(Duration::from_millis(50));
    let numbers: Vec<_> = arrived.iter().map(|packet| packet.transport_sequence).collect();
    assert_eq!(numbers, [Some(0), Some(1), Some(2), Some(3)]);
    world.transport_feedback(&[0, 2, 3]);
    let script = world.controller.script();
    let sizes: Vec<_> = script.sent.iter().map(|sent| sent.size as usize).collect();
    assert_eq!(sizes, arrived.iter().map(|packet| packet.size + OVERHEAD as usize).collect::<Vec<_>>());
    let fates: Vec<_> = script
        .results
        .iter()
        .map(|result| (result.sequence, result.received.is_some(), result.sent.is_media))
        .collect();
    assert_eq!(fates, [(0, true, true), (1, false, true), (2, true, true), (3, true, true)]);
}

#[test]
fn by_another_route_nothing_is_told_of_what_left_before() {
    let mut world = World::new();
    world.frame(VIDEO, 1, 0, 3);
    world.run(Duration::from_millis(50));
    world.sender.handle_route_change(world.now);
    assert_eq!(world.controller.script().route_changes, 1);
    world.frame(VIDEO, 4, 3_000, 2);
    let arrived = world.run(Duration::from_millis(50));
    assert_eq!(arrived.iter().map(|packet| packet.transport_sequence).collect::<Vec<_>>(), [Some(3), Some(4)]);
    world.transport_feedback(&[0, 2, 3, 4]);
    let told: Vec<_> = world.controller.script().results.iter().map(|result| result.sequence).collect();
    assert_eq!(told, [3, 4]);
}

#[test]
fn feedback_on_what_was_never_sent_is_ignored() {
    let mut world = World::new();
    world.transport_feedback(&[7]);
    world.frame(VIDEO, 1, 0, 1);
    world.drain();
    world.transport_feedback(&[500, 502]);
    assert_eq!(world.controller.script().results, []);
}

/// Sends 20 packets a second and reports losses once a second.
fn report_losses(world: &mut World, seconds: u64, fraction_lost: u8, sequence: &mut u64) {
    for _ in 0..seconds {
        for _ in 0..20 {
            *sequence = world.frame(VIDEO, *sequence, *sequence as u32 * 3_000, 1);
            world.run(Duration::from_millis(50));
        }
        let highest_sequence = *sequence as u32 - 1;
        let block = ReportBlock { ssrc: VIDEO_SSRC, fraction_lost, highest_sequence, ..ReportBlock::default() };
        world.rtcp(|writer| writer.receiver_report(Ssrc(1), &[block]).expect("fits"));
    }
}

#[test]
fn a_peer_that_gives_no_feedback_is_sent_what_its_reports_allow() {
    let mut world = World::at(Bitrate::kbps(2_000));
    let mut sequence = 1;
    report_losses(&mut world, 2, 0, &mut sequence);
    assert!(!world.sender.sender_stats().by_losses, "it has time to begin");
    report_losses(&mut world, 10, 0, &mut sequence);
    assert!(world.sender.sender_stats().by_losses);
    let before = world.sender.control().target;
    assert!(before > Bitrate::kbps(500));
    report_losses(&mut world, 20, 100, &mut sequence);
    let after = world.sender.control().target;
    assert!(after < before.percent(20), "{before:?} became {after:?}");
    // It never comes to a standstill: the rate is low, and packets still leave.
    world.frame(VIDEO, sequence, 9_000_000, 1);
    let arrived = world.run(Duration::from_secs(1));
    let latest = arrived.last().and_then(|packet| packet.transport_sequence).expect("packets still leave");
    // The first feedback ends it.
    world.transport_feedback(&[latest]);
    assert_eq!(world.sender.control().target, Bitrate::kbps(2_000));
}

#[test]
fn a_peer_without_the_extension_is_not_numbered_and_not_waited_for() {
    let mut world = World::new();
    let slots = usual_slots().into_iter().map(|mut slot| {
        slot.extensions.transport_sequence = None;
        slot
    });
    world.sender.set_slots(slots.collect()).expect("usual slots");
    assert!(world.sender.sender_stats().by_losses);
    world.frame(VIDEO, 1, 0, 1);
    assert_eq!(world.run(Duration::from_millis(100))[0].transport_sequence, None);
    assert_eq!(world.controller.script().sent, []);
}

#[test]
fn the_receivers_own_estimate_is_passed_on_and_ends_unless_it_is_renewed() {
    let mut world = World::new();
    world.rtcp(|writer| writer.remb(Ssrc(1), Bitrate::kbps(256), &[VIDEO_SSRC]).expect("fits"));
    world.run(Duration::from_secs(9));
    assert_eq!(world.controller.script().limits, [Some(Bitrate::kbps(256))]);
    world.run(Duration::from_secs(2));
    assert_eq!(world.controller.script().limits, [Some(Bitrate::kbps(256)), None]);
    assert_eq!(world.sender.poll_timeout(), None::<Time>);
}

#[test]
fn few_bytes_that_speak_of_very_many_packets_are_not_all_followed() {
    let mut world = World::new();
    world.frame(VIDEO, 1, 0, 2);
    world.run(Duration::from_millis(50));
    // A run of 8,191 that were not received, in 24 bytes, as often as fits.
    let mut report = [0; 24];
    report[..4].copy_from_slice(&[0x8f, 205, 0, 5]);
    report[12..16].copy_from_slice(&[0, 0, 0x1f, 0xff]);
    report[20..22].copy_from_slice(&[0x1f, 0xff]);
    for _ in 0..100 {
        for packet in conclave_rtp::rtcp::Compound::parse(&report) {
            world.sender.handle_rtcp(world.now, &packet.expect("well-formed"));
        }
    }
    // Not even an honest report is followed now; a moment later it is.
    let arrived = |world: &World| {
        let script = world.controller.script();
        script
            .results
            .iter()
            .filter(|result| result.received.is_some())
            .map(|result| result.sequence)
            .collect::<Vec<_>>()
    };
    world.transport_feedback(&[0]);
    assert_eq!(arrived(&world), []);
    world.pass(200);
    world.transport_feedback(&[1]);
    assert_eq!(arrived(&world), [1]);
}
