use std::time::Duration;

use conclave_qos::{Bitrate, Control, Demand, Probe, ProbeId};

use crate::world::{RTX_SSRC, VIDEO, VIDEO_SSRC, VP8_RTX, World, usual_slots};

const PROBE: Probe = Probe { id: ProbeId(3), rate: Bitrate::kbps(6_000), bytes: 11_250, packets: 5 };

fn probe(world: &mut World) {
    world.controller.script().probes.push(PROBE);
    // Whatever is handled, the sender asks for probes then.
    world.sender.set_demand(world.now, Demand::default());
}

#[test]
fn a_probe_is_filled_with_repetitions_and_leaves_the_medias_numbers_alone() {
    let mut world = World::new();
    let next = world.frame(VIDEO, 1, 0, 5);
    let mut arrived = world.run(Duration::from_millis(100));
    probe(&mut world);
    let start = world.now;
    arrived.extend(world.run(Duration::from_millis(100)));
    world.frame(VIDEO, next, 3_000, 5);
    arrived.extend(world.run(Duration::from_millis(100)));

    let media: Vec<_> = arrived.iter().filter(|packet| packet.ssrc == VIDEO_SSRC).map(|packet| packet.index).collect();
    assert_eq!(media, (1..11).collect::<Vec<_>>());
    let padding: Vec<_> = arrived.iter().filter(|packet| packet.ssrc == RTX_SSRC).collect();
    assert!(padding.iter().all(|packet| packet.payload_type == VP8_RTX));
    assert!(padding.iter().any(|packet| packet.payload.len() == 1_002), "recent packets, again");
    assert!(padding.windows(2).all(|pair| pair[1].index == pair[0].index + 1));
    // 11,250 bytes at 6 Mbit/s are 15 ms.
    let last = padding.last().expect("some").at.since(start);
    assert!((5..=20).contains(&last.as_millis()), "the last after {last:?}");

    let script = world.controller.script();
    let of_probe: Vec<_> = script.sent.iter().filter(|sent| sent.probe == Some(PROBE.id)).collect();
    assert!(of_probe.len() >= 5);
    assert!(of_probe.iter().map(|sent| sent.size).sum::<u32>() >= PROBE.bytes);
    assert!(of_probe.iter().all(|sent| !sent.is_media));
    let stats = world.sender.stats(VIDEO).expect("exists");
    assert_eq!((stats.packets, stats.retransmitted_packets), (10, 0));
    assert!(stats.padding_bytes > 10_000);
}

#[test]
fn media_that_waits_fills_a_probe_first() {
    let mut world = World::at(Bitrate::kbps(300));
    world.frame(VIDEO, 1, 0, 30);
    probe(&mut world);
    world.run(Duration::from_millis(50));
    let script = world.controller.script();
    let of_probe: Vec<_> = script.sent.iter().filter(|sent| sent.probe == Some(PROBE.id)).collect();
    assert!(!of_probe.is_empty() && of_probe.iter().all(|sent| sent.is_media));
}

#[test]
fn before_any_media_a_probe_is_padding_on_the_stream_of_retransmissions() {
    let mut world = World::new();
    probe(&mut world);
    let arrived = world.run(Duration::from_millis(200));
    assert!(arrived.len() >= 5);
    assert!(arrived.iter().all(|packet| packet.ssrc == RTX_SSRC && packet.payload.is_empty()));
    world.frame(VIDEO, 1, 0, 1);
    assert_eq!(world.run(Duration::from_millis(50))[0].index, 1);
}

#[test]
fn without_a_stream_of_retransmissions_there_is_no_padding() {
    let mut world = World::new();
    let slots = usual_slots().into_iter().map(|mut slot| {
        slot.rtx = None;
        slot
    });
    world.sender.set_slots(slots.collect()).expect("usual slots");
    world.controller.script().control.padding = Bitrate::kbps(500);
    probe(&mut world);
    assert_eq!(world.run(Duration::from_millis(200)), []);
    assert_eq!(world.sender.poll_timeout(), None);
}

#[test]
fn what_media_leaves_free_is_padded_where_it_is_asked_for() {
    let mut world = World::new();
    let rate = Bitrate::kbps(800);
    world.controller.script().control =
        Control { target: rate, pacing: rate.percent(250), padding: rate, is_ample: false };
    world.sender.set_demand(world.now, Demand::default());
    world.frame(VIDEO, 1, 0, 2);
    let arrived = world.run(Duration::from_secs(2));
    let bytes: usize = arrived.iter().map(|packet| packet.size + 28).sum();
    assert!((160_000..240_000).contains(&bytes), "{bytes} bytes of 200,000");
}
