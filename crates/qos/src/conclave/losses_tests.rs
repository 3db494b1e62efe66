use super::*;

const ANSWER: Duration = Duration::from_millis(100);

fn at(ms: u64) -> Time {
    Time::since_start(Duration::from_millis(ms))
}

/// 20 packets each 50 ms, or a fifth less while less is to be sent. `lost` tells how many of so many packets are lost, by
/// the time (ms), `has_queue` the same of a queue. The verdicts other than nothing, with their times.
fn play(
    losses: &mut Losses,
    until: u64,
    lost: impl Fn(u64, u32) -> f64,
    has_queue: impl Fn(u64) -> bool,
) -> Vec<(u64, Verdict)> {
    let mut owed = 0.0;
    let mut found = Vec::new();
    for ms in (0..until).step_by(50) {
        let packets: u32 = if losses.is_trying() { 16 } else { 20 };
        owed += lost(ms, packets);
        let gone = owed as u32;
        owed -= f64::from(gone);
        match losses.handle_report(at(ms), Counts { packets, lost: gone, probed: false }, has_queue(ms), 1e6, ANSWER) {
            Verdict::Nothing => {}
            verdict => found.push((ms, verdict)),
        }
    }
    found
}

#[test]
fn chance_costs_one_trial_and_is_believed_from_then_on() {
    let mut losses = Losses::default();
    let found = play(&mut losses, 20_000, |_, packets| f64::from(packets) * 0.1, |_| false);
    assert_eq!(found, []);
    assert!((losses.inherent() - 0.1).abs() < 0.02, "{}", losses.inherent());
    assert!((losses.share() - 0.1).abs() < 0.02, "{}", losses.share());
    assert!(!losses.is_trying());
}

#[test]
fn a_path_that_cuts_off_what_is_too_much_is_found_by_a_trial() {
    let mut losses = Losses::default();
    // It lets 17 of 20 packets through.
    let found = play(&mut losses, 8_000, |_, packets| f64::from(packets.saturating_sub(17)), |_| false);
    assert!(matches!(found.first(), Some((_, Verdict::Congestion(rate))) if *rate == 1e6), "{found:?}");
    assert!(losses.inherent() < 0.02, "{}", losses.inherent());
}

#[test]
fn losses_with_a_queue_are_left_to_the_queue() {
    let mut losses = Losses::default();
    let found = play(&mut losses, 8_000, |_, packets| f64::from(packets) * 0.1, |_| true);
    assert_eq!((found, losses.is_trying(), losses.inherent()), (vec![], false, 0.0));
}

#[test]
fn a_path_that_loses_half_is_congested_without_a_trial() {
    let mut losses = Losses::default();
    let found = play(&mut losses, 2_000, |_, packets| f64::from(packets) * 0.5, |_| false);
    assert!(found.first().is_some_and(|(ms, _)| *ms < 500), "{found:?}");
}

#[test]
fn a_short_burst_of_losses_and_packets_that_come_late_start_no_trial() {
    let mut losses = Losses::default();
    let burst = |ms: u64, packets: u32| if ms == 1_000 { f64::from(packets) } else { 0.0 };
    assert_eq!(play(&mut losses, 5_000, burst, |_| false), []);
    assert!(!losses.is_trying() && losses.inherent() < 0.01);

    let mut losses = Losses::default();
    for ms in (0..5_000).step_by(50) {
        losses.handle_report(at(ms), Counts { packets: 20, lost: 4, probed: false }, false, 1e6, ANSWER);
        (0..4).for_each(|_| losses.handle_late_arrival());
        assert!(!losses.is_trying(), "{ms}");
    }
}

#[test]
fn chance_is_not_mistaken_for_congestion_by_the_losses_that_gave_rise_to_the_suspicion() {
    let mut mistaken = 0;
    for seed in 1..=40_u64 {
        let mut losses = Losses::default();
        let random = std::cell::Cell::new(seed);
        let by_chance = |_: u64, packets: u32| {
            let lost = (0..packets).filter(|_| {
                random.set(random.get().wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
                (random.get() >> 33) % 100 < 20
            });
            lost.count() as f64
        };
        mistaken += play(&mut losses, 60_000, by_chance, |_| false).len();
        assert!((losses.inherent() - 0.2).abs() < 0.1, "{}", losses.inherent());
    }
    assert!(mistaken <= 8, "{mistaken} in 40 minutes");
}

#[test]
fn losses_of_probes_are_nobodys() {
    let mut losses = Losses::default();
    for ms in (0..8_000).step_by(50) {
        // A train each half second, in two reports.
        let probed = ms % 500 < 100;
        let counts = Counts { packets: 20, lost: if probed { 15 } else { 0 }, probed };
        assert_eq!(losses.handle_report(at(ms), counts, false, 1e6, ANSWER), Verdict::Nothing);
    }
    assert_eq!((losses.share(), losses.inherent(), losses.is_trying()), (0.0, 0.0, false));
}

#[test]
fn an_outage_is_no_share() {
    let lose = |outage: &mut Outage, from: u64, until: u64| {
        (from..until).step_by(10).for_each(|ms| outage.handle_loss(at(ms)));
    };
    let mut outage = Outage::default();
    lose(&mut outage, 0, 200);
    assert_eq!(outage.count(), 20, "as far as is reported");
    lose(&mut outage, 200, 250);
    assert_eq!(outage.handle_arrival(), 5);
    lose(&mut outage, 260, 2_000);
    assert_eq!(outage.handle_arrival(), 0);
    lose(&mut outage, 2_010, 2_020);
    assert_eq!(outage.handle_arrival(), 1, "what came before it is over");
}
