use proptest::prelude::*;

use super::*;
use crate::repair::Gilbert;

fn at(ms: u64) -> Time {
    Time::since_start(Duration::from_millis(ms))
}

fn conditions(losses: Gilbert, round_trip: u64) -> Conditions {
    Conditions {
        losses,
        round_trip: Duration::from_millis(round_trip),
        budget: Duration::from_millis(100),
        span: Duration::from_millis(5),
        interval: Duration::from_millis(33),
        patience: Duration::from_millis(1),
        packets: 10,
        means: Means::Any,
    }
}

#[test]
fn parity_comes_to_what_was_planned_whatever_frames_are_like() {
    for packets in [1_u8, 3, 10, 37] {
        let mut redundancy = Redundancy::new(Limits { overhead: 0.18, frames_lost: 0.001 });
        redundancy.handle_frame(packets);
        redundancy.update(at(0), &conditions(Gilbert::new(0.05, 2.5), 150));
        let sent: u32 = (0..1_000).map(|_| u32::from(redundancy.handle_frame(packets))).sum();
        let share = f64::from(sent) / (1_000.0 * f64::from(packets));
        assert!((0.09..=0.1801).contains(&share), "{packets}: {share}");
    }
}

#[test]
fn media_gets_what_repairs_leave() {
    let mut redundancy = Redundancy::new(Limits { overhead: 0.18, frames_lost: 0.001 });
    let target = Bitrate::kbps(1_180);
    assert_eq!(redundancy.overhead_of(target), Bitrate::ZERO);
    redundancy.update(at(0), &conditions(Gilbert::new(0.05, 2.5), 150));
    let overhead = redundancy.overhead_of(target).as_bps();
    assert!((179_999..=180_001).contains(&overhead), "{overhead}");
}

#[test]
fn an_answer_has_its_extra_once_for_each_frame() {
    let mut redundancy = Redundancy::new(Limits { overhead: 0.5, frames_lost: 0.0001 });
    for _ in 0..30 {
        redundancy.handle_frame(10);
    }
    redundancy.update(at(0), &conditions(Gilbert::new(0.02, 2.0), 60));
    let extra = redundancy.plan().extra;
    assert!(extra >= 2.0, "{extra}");
    let first = redundancy.handle_request(3, Means::Any, false);
    assert_eq!(first, 3 + extra.floor() as u8);
    assert_eq!(redundancy.handle_request(2, Means::Any, true), 2);
    assert_eq!(redundancy.handle_request(0, Means::Any, false), 0);
}

#[test]
fn the_plan_is_made_anew_twice_a_second() {
    let mut redundancy = Redundancy::new(Limits::default());
    redundancy.update(at(0), &conditions(Gilbert::default(), 150));
    redundancy.update(at(499), &conditions(Gilbert::new(0.05, 2.5), 150));
    assert_eq!(redundancy.plan().parity, 0.0);
    redundancy.update(at(500), &conditions(Gilbert::new(0.05, 2.5), 150));
    assert!(redundancy.plan().parity > 1.0);
}

proptest! {
    #[test]
    fn repairs_keep_to_their_share_whatever_is_asked_for(
        overhead in 0.0..0.5_f64,
        events in prop::collection::vec((any::<bool>(), 0..40_u8, any::<bool>()), 1..600),
    ) {
        let mut redundancy = Redundancy::new(Limits { overhead, frames_lost: 0.001 });
        let (mut media, mut repairs, mut largest) = (0.0, 0.0, 1.0_f64);
        for (index, (is_frame, count, flag)) in events.into_iter().enumerate() {
            redundancy.update(at(index as u64 * 20), &conditions(Gilbert::new(0.1, 3.0), 60));
            if is_frame {
                media += f64::from(count);
                largest = largest.max(f64::from(count));
                repairs += f64::from(redundancy.handle_frame(count));
            } else {
                let means = if flag { Means::Any } else { Means::Copies };
                repairs += f64::from(redundancy.handle_request(count, means, flag));
            }
            prop_assert!(repairs <= media * overhead + 1e-6, "{} of {}", repairs, media);
        }
    }
}
