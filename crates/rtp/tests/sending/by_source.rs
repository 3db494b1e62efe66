//! A peer that reports by source and sequence number (RFC 8888).

use std::time::Duration;

use conclave_qos::{Ecn, Time};
use conclave_rtp::Ssrc;
use conclave_rtp::rtcp::Writer;

use crate::world::{AUDIO, AUDIO_SSRC, Arrived, RTX_SSRC, VIDEO, VIDEO_SSRC, World, usual_slots};

/// A world without transport-wide numbers.
fn world() -> World {
    let mut world = World::new();
    let slots = usual_slots().into_iter().map(|mut slot| {
        slot.extensions.transport_sequence = None;
        slot
    });
    world.sender.set_slots(slots.collect()).expect("usual slots");
    world.sender.set_congestion_feedback(true);
    world
}

/// What a report says of a stream: its first number, and of each packet when it arrived, if it did.
type Block = (Ssrc, u16, Vec<Option<(Time, Ecn)>>);

fn report(world: &mut World, blocks: &[Block]) {
    let at = world.now;
    let timestamp = ((at.to_duration().as_micros() << 16) / 1_000_000) as u32;
    world.rtcp(|writer: &mut Writer<'_>| {
        let blocks = blocks.iter().map(|(ssrc, first, arrivals)| (*ssrc, *first, arrivals.iter().copied()));
        writer.congestion_feedback(Ssrc(1), (at, timestamp), blocks).expect("fits");
    });
}

#[test]
fn packets_of_all_sources_are_told_to_the_controller_in_the_order_of_sending() {
    let mut world = world();
    assert!(!world.sender.sender_stats().by_losses, "it has time to begin");
    let mut arrived: Vec<Arrived> = Vec::new();
    for number in 0..3 {
        let audio = world.packet(AUDIO, 100 + number, number as u32 * 960, b"sound");
        world.sender.enqueue(world.now, &audio).expect("there is room");
        world.frame(VIDEO, 0x7ffe + number, number as u32 * 3_000, 1);
        arrived.extend(world.run(Duration::from_millis(20)));
    }
    let sources: Vec<_> = arrived.iter().map(|packet| (packet.ssrc, packet.index)).collect();
    assert_eq!(sources.len(), 6);
    assert!(arrived.iter().all(|packet| packet.transport_sequence.is_none()));
    let came = |arrived: &Arrived| Some((arrived.at, Ecn::NotEct));
    let times = |ssrc| arrived.iter().filter(|packet| packet.ssrc == ssrc).map(came).collect::<Vec<_>>();
    let mut video = times(VIDEO_SSRC);
    video[1] = None;
    video[2] = video[2].map(|(at, _)| (at, Ecn::Ce));
    report(&mut world, &[(VIDEO_SSRC, 0x7ffe, video), (AUDIO_SSRC, 100, times(AUDIO_SSRC))]);
    let script = world.controller.script();
    let told: Vec<_> =
        script.results.iter().map(|result| (result.sequence, result.received.is_some(), result.ecn)).collect();
    let lost = arrived.iter().position(|packet| (packet.ssrc, packet.index) == (VIDEO_SSRC, 0x7fff)).expect("sent");
    let marked = arrived.iter().position(|packet| (packet.ssrc, packet.index) == (VIDEO_SSRC, 0x8000)).expect("sent");
    let expected: Vec<_> = (0..6)
        .map(|number| (number as u64, number != lost, if number == marked { Ecn::Ce } else { Ecn::NotEct }))
        .collect();
    assert_eq!(told, expected);
    // Spacing at the receiver is what it was.
    let first = script.results[0].received.expect("arrived");
    for (result, packet) in script.results.iter().zip(&arrived) {
        if let Some(received) = result.received {
            let spacing = received - first;
            let sent = packet.at.since(arrived[0].at);
            assert!(spacing.abs_diff(sent) < Duration::from_millis(1), "{spacing:?} {sent:?}");
        }
    }
}

#[test]
fn retransmissions_are_packets_of_a_source_like_others() {
    let mut world = world();
    world.frame(VIDEO, 1, 0, 2);
    world.run(Duration::from_millis(20));
    world.nack(VIDEO_SSRC, &[1]);
    let again = world.run(Duration::from_millis(20));
    let [packet] = again.as_slice() else { panic!("{again:?}") };
    assert_eq!(packet.ssrc, RTX_SSRC);
    let now = world.now;
    report(&mut world, &[(RTX_SSRC, packet.index as u16, vec![Some((now, Ecn::NotEct))])]);
    let told: Vec<_> = world.controller.script().results.iter().map(|result| result.sequence).collect();
    assert_eq!(told, [2]);
}

#[test]
fn what_was_never_sent_or_told_before_is_ignored() {
    let mut world = world();
    let now = world.now;
    report(&mut world, &[(VIDEO_SSRC, 1, vec![Some((now, Ecn::NotEct))])]);
    world.frame(VIDEO, 1, 0, 2);
    world.run(Duration::from_millis(20));
    let now = world.now;
    let came = Some((now, Ecn::NotEct));
    report(&mut world, &[(Ssrc(77), 1, vec![came; 3]), (VIDEO_SSRC, 3, vec![came; 3])]);
    assert_eq!(world.controller.script().results, []);
    report(&mut world, &[(VIDEO_SSRC, 0, vec![came; 5])]);
    report(&mut world, &[(VIDEO_SSRC, 0, vec![came; 5])]);
    assert_eq!(world.controller.script().results.len(), 2);
}

#[test]
fn only_the_kind_of_report_that_was_negotiated_is_followed() {
    let mut world = World::new();
    world.frame(VIDEO, 1, 0, 1);
    world.run(Duration::from_millis(20));
    let now = world.now;
    let block = (VIDEO_SSRC, 1, vec![Some((now, Ecn::NotEct))]);
    report(&mut world, std::slice::from_ref(&block));
    assert_eq!(world.controller.script().results, []);
    world.sender.set_congestion_feedback(true);
    world.frame(VIDEO, 2, 3_000, 1);
    world.run(Duration::from_millis(20));
    world.transport_feedback(&[0, 1]);
    assert_eq!(world.controller.script().results, []);
    report(&mut world, &[(VIDEO_SSRC, 2, vec![Some((now, Ecn::NotEct))])]);
    assert_eq!(world.controller.script().results.len(), 1);
}

#[test]
fn a_peer_that_never_reports_is_sent_what_its_losses_allow() {
    let mut world = world();
    for number in 0..40 {
        world.frame(VIDEO, 1 + number, number as u32 * 9_000, 1);
        world.run(Duration::from_millis(100));
    }
    assert!(world.sender.sender_stats().by_losses);
    let now = world.now;
    report(&mut world, &[(VIDEO_SSRC, 40, vec![Some((now, Ecn::NotEct))])]);
    assert!(!world.sender.sender_stats().by_losses);
}

#[test]
fn media_is_sent_as_such_that_takes_marks_where_the_peer_tells_of_them_until_the_path_takes_them_off() {
    let mut unaware = World::new();
    assert_eq!(unaware.sender.mark(unaware.now), Ecn::NotEct);
    let mut world = world();
    for number in 0..60_u16 {
        assert_eq!(world.sender.mark(world.now), if number < 55 { Ecn::Ect1 } else { Ecn::NotEct }, "{number}");
        let audio = world.packet(AUDIO, number.into(), u32::from(number) * 960, b"sound");
        world.sender.enqueue(world.now, &audio).expect("there is room");
        world.run(Duration::from_millis(20));
        let mark = if number < 5 { Ecn::Ce } else { Ecn::NotEct };
        let came = world.now;
        report(&mut world, &[(AUDIO_SSRC, number, vec![Some((came, mark))])]);
    }
}
