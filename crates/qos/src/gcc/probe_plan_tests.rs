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
    plan.set_estimate(at(100), 850e3, true);
    assert_eq!(rates(&mut plan), []);
    plan.set_estimate(at(110), 1.7e6, true);
    assert_eq!(rates(&mut plan), [3_400]);
    plan.set_estimate(at(200), 3.3e6, true);
    assert_eq!(rates(&mut plan), [6_600]);
    plan.set_estimate(at(300), 4.0e6, true);
    assert_eq!(rates(&mut plan), [], "failed");
    plan.handle_timeout(at(1_200));
    plan.set_estimate(at(1_300), 9.0e6, true);
    assert_eq!(rates(&mut plan), [], "too late");
}

#[test]
fn not_more_is_looked_for_than_twice_what_is_wanted() {
    let mut plan = started(800e3);
    assert_eq!(rates(&mut plan), [900, 1_600]);
    plan.set_estimate(at(100), 1.5e6, true);
    assert_eq!((rates(&mut plan), plan.poll_timeout()), (vec![], None), "there is enough");
    assert_eq!(rates(&mut started(0.0)), [900, 1_800], "it is not known what is wanted");
}

#[test]
fn while_too_little_is_sent_it_probes_every_5_s_and_only_then() {
    let mut plan = started(10e6);
    rates(&mut plan);
    plan.handle_timeout(at(1_000));
    assert_eq!(plan.poll_timeout(), None);
    plan.set_limited(Some(at(2_000)));
    assert_eq!(plan.poll_timeout(), Some(at(7_000)));
    plan.handle_timeout(at(6_990));
    assert_eq!(rates(&mut plan), []);
    plan.handle_timeout(at(7_000));
    assert_eq!((rates(&mut plan), plan.poll_timeout()), (vec![600], Some(at(8_000))));
    plan.handle_timeout(at(8_000));
    assert_eq!((rates(&mut plan), plan.poll_timeout()), (vec![], Some(at(12_000))));
    plan.set_limited(None);
    assert_eq!(plan.poll_timeout(), None);
}

#[test]
fn more_that_is_wanted_while_too_little_is_sent_is_looked_for_at_once() {
    let mut plan = started(500e3);
    rates(&mut plan);
    plan.set_estimate(at(100), 1e6, true);
    plan.handle_timeout(at(1_000));
    plan.set_wanted(at(4_000), 1.2e6);
    assert_eq!(rates(&mut plan), [], "enough is sent");
    plan.set_limited(Some(at(4_000)));
    plan.set_wanted(at(5_000), 1.5e6);
    assert_eq!(rates(&mut plan), [1_500, 2_000]);
    plan.set_wanted(at(5_000), 1.5e6);
    assert_eq!(rates(&mut plan), [], "nothing new");
    plan.handle_timeout(at(6_100));
    plan.set_wanted(at(6_200), 9e6);
    assert_eq!(rates(&mut plan), [2_000]);
}

#[test]
fn nothing_is_sent_where_it_is_not_allowed() {
    let mut plan = started(10e6);
    rates(&mut plan);
    plan.set_limited(Some(at(0)));
    plan.set_estimate(at(10), 2e6, false);
    plan.handle_timeout(at(1_000));
    plan.handle_timeout(at(5_000));
    assert_eq!((rates(&mut plan), plan.poll_timeout()), (vec![], None));
    plan.set_estimate(at(5_100), 2e6, true);
    assert!(plan.poll_timeout().is_some_and(|due| due <= at(5_100)));
    plan.handle_timeout(at(5_100));
    assert_eq!(rates(&mut plan), [4_000]);
}

#[test]
fn a_drop_while_too_little_was_sent_is_probed_for_with_what_was_before() {
    let mut plan = started(10e6);
    rates(&mut plan);
    plan.set_estimate(at(1_000), 4e6, true);
    rates(&mut plan);
    plan.handle_timeout(at(2_100));
    plan.set_estimate(at(2_200), 1e6, false);
    plan.set_estimate(at(2_300), 1e6, true);
    plan.handle_recovery(at(2_300));
    assert_eq!(rates(&mut plan), [], "enough was sent");
    plan.handle_limited_end(at(2_250));
    plan.handle_recovery(at(2_300));
    plan.handle_recovery(at(2_300));
    assert_eq!(rates(&mut plan), [3_400]);
}
