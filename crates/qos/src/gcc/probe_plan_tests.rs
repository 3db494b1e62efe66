use super::*;

fn at(ms: u64) -> Time {
    Time::since_start(Duration::from_millis(ms))
}

fn rates(plan: &mut ProbePlan) -> Vec<u64> {
    std::iter::from_fn(|| plan.poll()).map(|probe| probe.rate.as_bps() / 1_000).collect()
}

fn started(wanted: f64) -> ProbePlan {
    let mut plan = ProbePlan::new(300e3, 100e6);
    plan.set_wanted(at(0), wanted);
    assert_eq!(plan.poll_timeout(), Some(Time::default()));
    plan.handle_timeout(at(0));
    plan
}

#[test]
fn it_begins_with_3_and_6_times_the_start_and_doubles_while_that_succeeds() {
    let mut plan = started(20e6);
    assert_eq!(rates(&mut plan), [900, 1_800]);
    plan.set_estimate(at(100), 850e3, Permission::Free);
    assert_eq!(rates(&mut plan), []);
    plan.set_estimate(at(110), 1.7e6, Permission::Free);
    assert_eq!(rates(&mut plan), [3_400]);
    plan.set_estimate(at(200), 3.3e6, Permission::Free);
    assert_eq!(rates(&mut plan), [6_600]);
    plan.set_estimate(at(300), 4.0e6, Permission::Free);
    assert_eq!(rates(&mut plan), [], "failed");
}

#[test]
fn not_more_is_looked_for_than_half_as_much_again_as_is_wanted() {
    let mut plan = started(800e3);
    assert_eq!(rates(&mut plan), [900, 1_200]);
    plan.set_estimate(at(100), 1.2e6, Permission::Free);
    plan.handle_timeout(at(1_000));
    assert_eq!((rates(&mut plan), plan.poll_timeout()), (vec![], None), "there is enough");
}

#[test]
fn sound_alone_looks_for_a_picture() {
    assert_eq!(rates(&mut started(32e3)), [900, 1_200]);
}

#[test]
fn what_is_wanted_is_looked_for_again_ever_more_rarely_and_longer() {
    let mut plan = started(10e6);
    plan.poll();
    plan.poll();
    let mut found = Vec::new();
    for ms in (0..30_000).step_by(10) {
        if plan.poll_timeout().is_some_and(|due| due <= at(ms)) {
            plan.handle_timeout(at(ms));
        }
        if let Some(probe) = plan.poll() {
            found.push((ms, probe.rate.as_bps() / 1_000, probe.bytes));
        }
    }
    assert_eq!(found[0].1, 450, "less than the first time");
    assert!(found[1].2 > found[0].2 * 3 / 2, "for longer: {found:?}");
    let gaps: Vec<u64> = found.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(gaps[0] < 2_500 && gaps.windows(2).all(|pair| pair[0] <= pair[1]) && gaps[3] > 4_900, "{gaps:?}");
}

#[test]
fn more_that_is_wanted_is_looked_for_at_once() {
    let mut plan = started(500e3);
    rates(&mut plan);
    plan.set_estimate(at(100), 1e6, Permission::Free);
    plan.handle_timeout(at(1_000));
    assert_eq!(plan.poll_timeout(), None);
    plan.set_wanted(at(5_000), 3e6);
    assert!(plan.poll_timeout().unwrap() <= at(5_000));
    plan.handle_timeout(at(5_000));
    assert_eq!(rates(&mut plan), [2_000]);
}

#[test]
fn nothing_is_sent_into_a_queue_that_grows_and_little_among_losses() {
    let mut plan = started(10e6);
    rates(&mut plan);
    plan.set_estimate(at(10), 300e3, Permission::No);
    for ms in (10..5_000).step_by(10) {
        plan.handle_timeout(at(ms));
    }
    assert_eq!(rates(&mut plan), []);
    assert!(plan.poll_timeout().unwrap() > at(4_990), "asks again, but not at once");
    plan.set_estimate(at(5_000), 300e3, Permission::SmallSteps);
    plan.handle_timeout(at(5_300));
    assert_eq!(rates(&mut plan), [450]);
}

#[test]
fn a_drop_that_is_over_is_probed_for_with_what_was_before() {
    let mut plan = started(10e6);
    rates(&mut plan);
    plan.set_estimate(at(1_000), 4e6, Permission::Free);
    rates(&mut plan);
    plan.handle_timeout(at(2_100));
    plan.set_estimate(at(2_200), 1e6, Permission::No);
    plan.set_estimate(at(2_300), 1e6, Permission::Free);
    plan.handle_recovery(at(2_300));
    plan.handle_recovery(at(2_300));
    assert_eq!(rates(&mut plan), [3_400]);
}

#[test]
fn a_picture_that_was_stopped_is_looked_for_at_once_and_often() {
    let mut plan = started(800e3);
    rates(&mut plan);
    plan.set_estimate(at(1_000), 45e3, Permission::Free);
    let mut found = Vec::new();
    for ms in (1_000..12_000).step_by(10) {
        if plan.poll_timeout().is_some_and(|due| due <= at(ms)) {
            plan.handle_timeout(at(ms));
        }
        found.extend(rates(&mut plan).into_iter().map(|rate| (ms, rate)));
    }
    assert!(found.iter().all(|(_, rate)| *rate == 250), "{found:?}");
    let gaps: Vec<u64> = found.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(found[0].0 <= 2_010 && gaps.iter().all(|gap| *gap <= 2_020), "{found:?}");
}
