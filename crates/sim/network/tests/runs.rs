//! Whole runs: they can be repeated, and what comes of them is possible.

use conclave_network::{CONTROLLERS, Controller, Figure, Scenario, hash_of, run, scenario_count, scenarios};

fn named(name: &str) -> &'static Scenario {
    scenarios().find(|scenario| scenario.name == name).expect("there is such a scenario")
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_seed_another() {
    for kind in CONTROLLERS {
        let hash = |seed| run(named("5.1-jitter"), kind, seed).hash;
        assert_eq!(hash(7), hash(7), "{}", kind.name());
        assert_ne!(hash(7), hash(8), "{}", kind.name());
    }
}

#[test]
fn runs_are_found_by_number_as_by_name() {
    let last = scenario_count() - 1;
    let scenario = scenarios().last().expect("some");
    assert_eq!(hash_of(last, 0, 3), Some(run(scenario, CONTROLLERS[0], 3).hash));
    assert_eq!(hash_of(last + 1, 0, 3), None);
    assert_eq!(hash_of(0, CONTROLLERS.len(), 3), None);
}

#[test]
fn what_comes_of_every_run_is_possible() {
    for scenario in scenarios() {
        for kind in CONTROLLERS {
            let of = format!("{}, {}", scenario.name, kind.name());
            let outcome = run(scenario, kind, 1);
            let figure = |figure| outcome.figures.get(figure).expect("every scenario has it");
            let utilisation = figure(Figure::Utilisation);
            // What waits when the capacity is no longer wanted is delivered then.
            assert!(utilisation > 0.0 && utilisation < 1.02, "{of}: {utilisation}");
            assert!((0.0..=1.0).contains(&figure(Figure::Loss)), "{of}");
            let delays = [Figure::Delay50, Figure::Delay95, Figure::Delay99].map(figure);
            assert!(delays.is_sorted(), "{of}: {delays:?}");
            for lines in outcome.record.lines.iter().take(scenario.flows.len()) {
                let sum = |what: fn(&conclave_network::Line) -> u32| lines.iter().map(what).sum::<u32>();
                let (sent, delivered, lost) = (sum(|line| line.sent), sum(|line| line.packets), sum(|line| line.lost));
                assert!(delivered + lost <= sent, "{of}: {delivered} and {lost} of {sent}");
                // What is missing is in queues at the end: a second of packets.
                assert!(sent - delivered - lost < 1_500, "{of}: {delivered} and {lost} of {sent}");
            }
        }
    }
}

#[test]
fn no_link_carries_more_than_it_can() {
    for name in ["5.2", "5.6", "5.7", "drop"] {
        let scenario = named(name);
        let outcome = run(scenario, Controller::Gcc, 2);
        let conclave_network::Rate::Steps(steps) = scenario.links[0].rate else { panic!("{name} has steps") };
        for line in 0..scenario.seconds as usize * 10 {
            let bits: u64 = outcome.record.lines.iter().map(|lines| lines[line].delivered + lines[line].padding).sum();
            let rate = steps.iter().rev().find(|(since, _)| *since <= line as u64 * 100).map_or(0, |(_, rate)| *rate);
            // A packet that ends in this line may have begun in the one before.
            assert!(bits <= rate / 10 + 12_000, "{name}: {bits} bits at {rate} bit/s, line {line}");
        }
    }
}
