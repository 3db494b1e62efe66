use proptest::prelude::*;

use super::*;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// 10 packets a frame that leave in 5 ms, 30 frames a second, 100 ms from first sending.
fn conditions(losses: Gilbert, round_trip: u64) -> Conditions {
    Conditions {
        losses,
        round_trip: MS(round_trip),
        budget: MS(100),
        span: MS(5),
        interval: Duration::from_micros(33_333),
        patience: MS(1),
        packets: 10,
        means: Means::Any,
    }
}

fn limits(overhead: f64) -> Limits {
    Limits { overhead, ..Limits::default() }
}

#[test]
fn nothing_is_sent_beforehand_where_nothing_is_lost() {
    let plan = Plan::find(&conditions(Gilbert::default(), 60), &Limits::default());
    assert_eq!(plan, Plan { rounds: 1, ..Plan::default() });
}

#[test]
fn requests_repair_where_there_is_time_and_parity_where_there_is_not() {
    let lossy = Gilbert::new(0.05, 2.5);
    let near = Plan::find(&conditions(lossy, 20), &limits(0.12));
    assert!(near.rounds == 3 && near.parity == 0.0 && near.frames_lost <= 0.003, "{near:?}");
    assert!(near.overhead < 0.08, "with several rounds little is needed on top: {near:?}");
    let middle = Plan::find(&conditions(lossy, 60), &limits(0.12));
    assert!(middle.rounds == 1 && middle.parity == 0.0 && middle.extra > 2.5, "{middle:?}");
    assert!(middle.frames_lost <= 0.006 && middle.overhead <= 0.12 + ROUNDING, "{middle:?}");
    let far = Plan::find(&conditions(lossy, 150), &limits(0.18));
    assert!(far.rounds == 0 && far.extra == 0.0 && (far.parity - 1.8).abs() < 1e-9, "{far:?}");
}

#[test]
fn parity_covers_as_many_frames_as_there_is_time_for() {
    let lossy = Gilbert::new(0.05, 2.5);
    let window = |budget, round_trip| Conditions { budget: MS(budget), ..conditions(lossy, round_trip) }.window();
    assert_eq!([window(100, 150), window(130, 150), window(175, 150), window(1_000, 150)], [1, 2, 3, 6]);
    let large = Conditions { packets: 100, budget: MS(1_000), ..conditions(lossy, 150) };
    assert_eq!(large.window(), 1, "the code covers 128 packets");
    let copies = Conditions { means: Means::Copies, budget: MS(1_000), ..conditions(lossy, 150) };
    assert_eq!(copies.window(), 1);
}

#[test]
fn what_parity_alone_loses_is_what_counting_says() {
    // Two packets, one of parity, independent losses of 10 %: lost unless at least two of three arrive.
    let two = Conditions { packets: 2, ..conditions(Gilbert::independent(0.1), 150) };
    let plan = Plan::find(&two, &Limits { overhead: 0.5, frames_lost: 0.0 });
    assert!((plan.parity - 1.0).abs() < 1e-9 && (plan.frames_lost - 0.028).abs() < 1e-9, "{plan:?}");
}

#[test]
fn it_takes_no_more_than_it_needs() {
    let little = Gilbert::independent(0.01);
    let plan = Plan::find(&conditions(little, 60), &limits(0.5));
    assert!(plan.overhead < 0.03 && plan.frames_lost <= 0.003, "{plan:?}");
}

#[test]
fn copies_need_more_than_parity_does() {
    let lossy = Gilbert::new(0.05, 2.5);
    let any = Plan::find(&conditions(lossy, 60), &limits(0.5));
    let copies = Plan::find(&Conditions { means: Means::Copies, ..conditions(lossy, 60) }, &limits(0.5));
    assert!(copies.overhead > any.overhead, "{any:?} {copies:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_plan_keeps_to_its_limits(
        (loss, burst) in (0.0..1.0_f64, 0.5..60.0_f64),
        (round_trip, budget, span, interval, patience) in (0..2_000_u64, 0..2_000_u64, 0..500_u64, 0..500_u64, 0..100_u64),
        packets in any::<u8>(),
        overhead in 0.0..2.0_f64,
        is_copies in any::<bool>(),
    ) {
        let conditions = Conditions {
            losses: Gilbert::new(loss, burst),
            round_trip: MS(round_trip),
            budget: MS(budget),
            span: MS(span),
            interval: MS(interval),
            patience: MS(patience),
            packets,
            means: if is_copies { Means::Copies } else { Means::Any },
        };
        let plan = Plan::find(&conditions, &limits(overhead));
        prop_assert!(plan.overhead <= overhead + ROUNDING && plan.overhead >= 0.0, "{:?}", plan);
        prop_assert!((0.0..=1.0).contains(&plan.frames_lost), "{:?}", plan);
        prop_assert!((1..=6).contains(&plan.window) && plan.rounds <= MOST_ROUNDS);
        prop_assert!(u32::from(plan.window) * u32::from(packets.clamp(1, 128)) <= 128 || plan.window == 1);
        // More money never makes it worse, but where it was good enough already.
        let more = Plan::find(&conditions, &limits(overhead * 1.5));
        prop_assert!(more.frames_lost <= plan.frames_lost.max(0.003) + ROUNDING, "{:?} {:?}", plan, more);
    }
}
