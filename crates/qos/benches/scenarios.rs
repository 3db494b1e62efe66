//! What GCC makes of networks: a table, and one JSON object a line in `target/bench/results.jsonl`.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

#[path = "../tests/network/mod.rs"]
mod network;
mod results;

use network::gcc;
use network::scenarios::{GCC, play_with};

fn main() {
    let mut results = results::Results::open("qos-scenarios");
    println!(
        "{:<22} {:>12} {:>11} {:>8} {:>14} {:>9}",
        "network", "utilisation", "p95 queue", "loss", "mean target", "checks"
    );
    for scenario in gcc::scenarios() {
        let (figures, failed) = play_with(GCC, &scenario, 1);
        println!(
            "{:<22} {:>10.0} % {:>8.0} ms {:>6.2} % {:>7.0} kbit/s {:>9}",
            scenario.name,
            figures.utilisation * 100.0,
            figures.delay,
            figures.loss * 100.0,
            figures.target,
            if failed.is_empty() { "hold" } else { "FAIL" },
        );
        results.add(scenario.name, "utilisation", figures.utilisation, "ratio");
        results.add(scenario.name, "p95 queueing delay", figures.delay, "ms");
        results.add(scenario.name, "loss", figures.loss, "ratio");
        results.add(scenario.name, "mean target", figures.target, "kbit/s");
        if scenario.flows.len() > 1 {
            println!("{:<22} the least gets {:.0} % of the most", "", figures.fairness * 100.0);
            results.add(scenario.name, "fairness", figures.fairness, "ratio");
        }
    }
}
