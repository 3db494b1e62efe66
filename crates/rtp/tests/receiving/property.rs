//! Random histories: what holds whatever comes.

use std::collections::HashSet;
use std::time::Duration;

use conclave_rtp::{ExtensionValues, Refused, StreamIndex};
use proptest::prelude::*;

use crate::world::{CAMERA_HIGH, OPUS, RTX, VP8, World, config};

#[derive(Clone, Debug)]
enum Step {
    /// Sends the next packets of the camera; some are lost, some come late, some twice.
    Camera {
        fate: u8,
    },
    /// Somebody's packet: any source, any number, any names.
    Any {
        payload_type: u8,
        ssrc: u8,
        sequence: u16,
        names: u8,
    },
    Pass {
        milliseconds: u16,
    },
    Keyframe {
        layer: u8,
    },
    Describe {
        sections: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<u8>().prop_map(|fate| Step::Camera { fate }),
        2 => (0u8..6, 40u8..60, any::<u16>(), any::<u8>()).prop_map(|(kind, ssrc, sequence, names)| Step::Any {
            payload_type: [OPUS, VP8, RTX, 0, 99, VP8][usize::from(kind)], ssrc, sequence, names
        }),
        2 => (0u16..300).prop_map(|milliseconds| Step::Pass { milliseconds }),
        1 => (0u8..5).prop_map(|layer| Step::Keyframe { layer }),
        1 => (0u8..4).prop_map(|sections| Step::Describe { sections }),
    ]
}

proptest! {
    #[test]
    fn every_number_comes_once_and_nothing_that_came_is_asked_for(
        steps in proptest::collection::vec((any::<u8>(), 0u64..8), 1..1_500),
    ) {
        let mut world = World::new();
        let (mut next, mut late, mut seen) = (60_000u16, Vec::new(), HashSet::new());
        world.camera(next).expect("taken");
        seen.insert(next);
        for (fate, pause) in steps {
            next = next.wrapping_add(1);
            match fate {
                0..=15 => late.push(next),
                16..=23 => {}
                _ => prop_assert!(world.camera(next).is_ok_and(|got| got.is_some()) && seen.insert(next)),
            }
            if fate % 5 == 0 && let Some(number) = late.pop() {
                match world.camera(number) {
                    Ok(Some(_)) => prop_assert!(seen.insert(number)),
                    Err(Refused::Duplicate) => prop_assert!(seen.contains(&number)),
                    refused => prop_assert!(matches!(refused, Err(Refused::TooOld)), "{refused:?}"),
                }
            }
            if fate % 7 == 0 {
                prop_assert!(world.camera(next).is_err() || seen.insert(next));
            }
            world.pass_ms(pause);
            for number in world.asked() {
                prop_assert!(!seen.contains(&number), "{number} came");
                prop_assert!(next.wrapping_sub(number) <= 1_000);
            }
        }
        let stats = world.receiver.stats(CAMERA_HIGH).expect("a stream");
        prop_assert_eq!(stats.packets, seen.len() as u64);
    }

    #[test]
    fn any_history_keeps_every_number_of_a_stream_unique_and_ends_in_silence(
        steps in proptest::collection::vec(step(), 1..400),
    ) {
        let mut world = World::new();
        let mut seen = HashSet::new();
        let mut next = 0u16;
        for step in steps {
            let got = match step {
                Step::Camera { fate } => {
                    next = next.wrapping_add(if fate < 20 { 3 } else { 1 });
                    world.camera(next)
                }
                Step::Any { payload_type, ssrc, sequence, names } => {
                    world.values = ExtensionValues {
                        mid: [None, Some("0"), Some("1"), Some("?")][usize::from(names & 3)],
                        rid: [None, Some("l"), Some("h"), Some("?")][usize::from(names >> 2 & 3)],
                        repaired_rid: [None, Some("l"), Some("h"), Some("?")][usize::from(names >> 4 & 3)],
                        transport_sequence: (names >> 6 == 1).then_some(sequence),
                        ..ExtensionValues::default()
                    };
                    world.receive(payload_type, ssrc.into(), sequence, &sequence.to_be_bytes())
                }
                Step::Pass { milliseconds } => {
                    world.pass_ms(milliseconds.into());
                    world.due();
                    Ok(None)
                }
                Step::Keyframe { layer } => {
                    world.receiver.request_keyframe(world.now, StreamIndex { section: 1, layer });
                    Ok(None)
                }
                Step::Describe { sections } => {
                    let mut described = config();
                    described.sections.truncate(sections.into());
                    world.receiver.set_config(described);
                    // A stream that went and came is another one.
                    seen.clear();
                    Ok(None)
                }
            };
            if let Ok(Some(got)) = got {
                prop_assert!(seen.insert((got.stream, got.sequence)), "{:?} came twice", got);
            }
        }
        // Nobody sends any more: after a while there is nothing left to say.
        for _ in 0..200 {
            world.pass(Duration::from_millis(100));
            world.due();
        }
        let idle = world.receiver.poll_timeout();
        prop_assert!(idle.is_none(), "{idle:?} at {:?}", world.now);
    }
}
