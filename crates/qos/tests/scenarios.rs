//! Congestion control, pacing and feedback together on networks in virtual time.

mod network;

use network::scenarios::{SCENARIOS, play};

#[test]
fn every_network_is_used_well_and_not_overrun() {
    let failed: Vec<String> =
        SCENARIOS.iter().flat_map(|scenario| (1..=3).flat_map(|seed| play(scenario, seed).1)).collect();
    assert!(failed.is_empty(), "\n{}", failed.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let figures = || format!("{:?}", play(&SCENARIOS[7], 9).0);
    assert_eq!(figures(), figures());
}
