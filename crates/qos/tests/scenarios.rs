//! Congestion control, pacing and feedback together on networks in virtual time.

mod network;

use network::scenarios::{CONCLAVE, GCC, Make, NADA, SCENARIOS, SCREAM, Scenario, play_with, run_with};
use network::{Application, Path, gcc};

#[test]
fn gcc_does_on_every_network_what_libwebrtc_does() {
    let failed: Vec<String> =
        gcc::scenarios().flat_map(|scenario| (1..=3).flat_map(move |seed| play_with(GCC, &scenario, seed).1)).collect();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

#[test]
fn our_own_controller_uses_every_network_well_and_does_not_overrun_it() {
    for scenario in SCENARIOS {
        let loss = scenario.path.loss;
        let is_greedy = scenario.flows.iter().all(|(application, ..)| matches!(application, Application::Elastic(_)));
        for seed in 1..=3 {
            let (figures, failed) = play_with(CONCLAVE, scenario, seed);
            assert!(failed.is_empty(), "\n{}", failed.join("\n"));
            // Where a packet takes 30 ms, no queue is shorter than some of them; while nothing is reported, nobody sends.
            let is_plain = !scenario.name.starts_with("300") && !scenario.name.starts_with("no feedback");
            if is_greedy && is_plain {
                assert!(figures.delay < 40.0, "{}, seed {seed}: {figures:?}", scenario.name);
                assert!(figures.utilisation > 0.8 - loss, "{}, seed {seed}: {figures:?}", scenario.name);
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for make in [CONCLAVE, GCC] {
        let figures = || format!("{:?}", play_with(make, &SCENARIOS[7], 9).0);
        assert_eq!(figures(), figures());
    }
}

/// As in RFC 8867, section 5.1, before and after the steps: 1 Mbit/s, and an encoder that goes up to 1.5.
const SMALL: Scenario = Scenario {
    name: "1 Mbit/s",
    path: Path::plain(&[(0, 1_000_000)]),
    flows: &[(Application::Elastic(1_500_000), 0, u64::MAX / 2_000_000)],
    seconds: 60,
    from: 10,
    checks: &[],
};

/// The same with the steps down and up again.
const STEPS: Scenario = Scenario {
    name: "1, 0.6, 1 Mbit/s",
    path: Path::plain(&[(0, 1_000_000), (30_000_000, 600_000), (60_000_000, 1_000_000)]),
    seconds: 90,
    ..SMALL
};

#[test]
fn nada_uses_a_small_network_with_a_short_queue() {
    check_small(NADA, [0.9, 0.85], [60.0, 80.0]);
}

#[test]
fn scream_uses_a_small_network_with_a_short_queue() {
    check_small(SCREAM, [0.93, 0.93], [80.0, 80.0]);
}

#[test]
fn gcc_withstands_random_losses_of_a_tenth() {
    let lossy = Scenario { path: Path { loss: 0.1, ..Path::plain(&[(0, 3_000_000)]) }, from: 10, ..SMALL };
    for seed in 1..=3 {
        let (figures, targets) = run_with(GCC, &lossy, seed);
        // What arrives is nine tenths of what is sent, and a camera wants half of the network.
        assert!(figures.utilisation >= 0.3, "seed {seed}: {figures:?}");
        let settled = &targets[targets.len() / 6..];
        assert!(settled.len() >= 50, "one each second at least: {}", settled.len());
        assert!(settled.iter().all(|target| *target >= 500_000), "seed {seed}: {figures:?}");
    }
}

/// With the steady network and with the one that changes, at least this utilisation and at most this queue, ms.
fn check_small(make: Make, least: [f64; 2], longest: [f64; 2]) {
    for (scenario, (least, longest)) in [SMALL, STEPS].iter().zip(least.into_iter().zip(longest)) {
        for seed in 1..=3 {
            let (figures, _) = run_with(make, scenario, seed);
            let holds = figures.utilisation >= least && figures.delay <= longest;
            assert!(holds, "{}, seed {seed}: {figures:?}", scenario.name);
        }
    }
}

/// Two that come at different times to as much as both want.
const SHARED: Scenario = Scenario {
    name: "3 Mbit/s for two",
    path: Path::plain(&[(0, 3_000_000)]),
    flows: &[
        (Application::Elastic(5_000_000), 0, u64::MAX / 2_000_000),
        (Application::Elastic(5_000_000), 20, u64::MAX / 2_000_000),
    ],
    seconds: 100,
    from: 60,
    checks: &[],
};

#[test]
fn a_second_flow_of_the_same_kind_gets_its_part() {
    for (name, make, least) in
        [("conclave", CONCLAVE, 0.8), ("gcc", GCC, 0.05), ("nada", NADA, 0.85), ("scream", SCREAM, 0.35)]
    {
        for seed in 1..=2 {
            let (figures, _) = run_with(make, &SHARED, seed);
            let holds = figures.fairness >= least && figures.utilisation >= 0.85;
            assert!(holds, "{name}, seed {seed}: {figures:?}");
        }
    }
}
