//! Whatever happens, no two packets are sealed under the same source and index: the world checks each that arrives.

use std::time::Duration;

use conclave_qos::{Bitrate, Demand, Probe, ProbeId};
use conclave_rtp::Ssrc;
use proptest::prelude::*;

use crate::world::{
    AUDIO, RTX_SSRC, SECOND_RTX_SSRC, SECOND_SSRC, SECOND_VIDEO, VIDEO, VIDEO_SSRC, VP8, World, audio_slot,
    payload_type, usual_slots, video_slot,
};

#[derive(Clone, Debug)]
enum Step {
    /// A packet, so far from the newest of its slot.
    Packet {
        slot: u16,
        ahead: i32,
        is_new_frame: bool,
    },
    Pass {
        milliseconds: u16,
    },
    /// Everything of the last so many is missing.
    Nack {
        ssrc: Ssrc,
        last: u16,
    },
    Probe,
    Rate {
        kbps: u64,
    },
    Feedback {
        sequence: u16,
    },
    Slots {
        arrangement: u8,
    },
    /// Payloads of the past are gone.
    Forget,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0u16..3, prop_oneof![8 => 1..2i32, 2 => -30..30i32, 1 => -70_000..70_000i32], any::<bool>())
            .prop_map(|(slot, ahead, is_new_frame)| Step::Packet { slot, ahead, is_new_frame }),
        5 => (0u16..40).prop_map(|milliseconds| Step::Pass { milliseconds }),
        1 => (600u16..4_000).prop_map(|milliseconds| Step::Pass { milliseconds }),
        3 => (prop::sample::select(vec![VIDEO_SSRC, SECOND_SSRC, RTX_SSRC, Ssrc(5)]), 0u16..60)
            .prop_map(|(ssrc, last)| Step::Nack { ssrc, last }),
        1 => Just(Step::Probe),
        1 => (0u64..5_000).prop_map(|kbps| Step::Rate { kbps }),
        1 => any::<u16>().prop_map(|sequence| Step::Feedback { sequence }),
        1 => (0u8..5).prop_map(|arrangement| Step::Slots { arrangement }),
        1 => Just(Step::Forget),
    ]
}

/// Sources that stay, change places, and are gone for a while.
fn arrange(world: &mut World, arrangement: u8) {
    let slots = match arrangement {
        0 => vec![audio_slot(), video_slot(VIDEO_SSRC, SECOND_RTX_SSRC), video_slot(SECOND_SSRC, RTX_SSRC)],
        1 => vec![audio_slot(), video_slot(SECOND_SSRC, SECOND_RTX_SSRC), video_slot(VIDEO_SSRC, RTX_SSRC)],
        2 => vec![audio_slot(), video_slot(SECOND_SSRC, RTX_SSRC)],
        3 => Vec::new(),
        _ => usual_slots(),
    };
    world.sender.set_slots(slots).expect("nothing is used twice");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_index_of_a_source_is_sealed_twice(steps in prop::collection::vec(step(), 1..300)) {
        let mut world = World::new();
        let mut newest = [20_000i64; 3];
        let mut timestamp = 0;
        for step in steps {
            match step {
                Step::Packet { slot, ahead, is_new_frame } => {
                    let number = (newest[usize::from(slot)] + i64::from(ahead)).max(0);
                    timestamp += if is_new_frame { 3_000 } else { 0 };
                    let mut packet = world.packet(slot, number as u64, timestamp, &[1; 700]);
                    packet.marker = is_new_frame;
                    if slot != AUDIO {
                        packet.payload_type = payload_type(VP8);
                    }
                    if world.sender.enqueue(world.now, &packet).is_ok() {
                        newest[usize::from(slot)] = newest[usize::from(slot)].max(number);
                    }
                }
                Step::Pass { milliseconds } => {
                    world.run(Duration::from_millis(milliseconds.into()));
                }
                Step::Nack { ssrc, last } => {
                    let slot = usize::from(if ssrc == SECOND_SSRC { SECOND_VIDEO } else { VIDEO });
                    let end = newest[slot] as u16;
                    let missing: Vec<u16> = (0..last).rev().map(|back| end.wrapping_sub(back)).collect();
                    world.nack(ssrc, &missing);
                }
                Step::Probe => {
                    let probe = Probe { id: ProbeId(1), rate: Bitrate::kbps(3_000), bytes: 5_000, packets: 5 };
                    world.controller.script().probes.push(probe);
                    world.sender.set_demand(world.now, Demand::default());
                }
                Step::Rate { kbps } => {
                    let target = Bitrate::kbps(kbps);
                    let control = conclave_qos::Control { target, pacing: target.percent(250), padding: target.percent(50), is_ample: false };
                    world.controller.script().control = control;
                    world.sender.set_demand(world.now, Demand::default());
                }
                Step::Feedback { sequence } => world.transport_feedback(&[sequence]),
                Step::Slots { arrangement } => arrange(&mut world, arrangement),
                Step::Forget => world.stores.0[0].release(),
            }
        }
        world.run(Duration::from_secs(1));
        prop_assert_eq!(world.sender.sender_stats().faults, 0, "sealing refuses an index that was used");
    }
}
