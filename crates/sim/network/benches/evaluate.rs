//! Plays the scenarios and prints what came of them: `cargo bench -p conclave-network --bench evaluate -- --only 5.1`.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use conclave_network::{Figure, Kind, run, scenarios};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| arguments.iter().position(|given| given == name).and_then(|at| arguments.get(at + 1));
    let only = value("--only").map_or("", String::as_str);
    let seeds = value("--seeds").and_then(|seeds| seeds.parse().ok()).unwrap_or(1);
    let kinds: Vec<_> =
        value("--controller").map_or(Kind::ALL.to_vec(), |name| Kind::named(name).into_iter().collect());
    for scenario in scenarios().filter(|scenario| scenario.name.starts_with(only)) {
        for kind in &kinds {
            for seed in 1..=seeds {
                let outcome = run(scenario, *kind, seed);
                print!("{:<10} {:<8} {seed} {:016x}", scenario.name, kind.name(), outcome.hash);
                for figure in Figure::ALL {
                    if let Some(value) = outcome.figures.get(figure) {
                        print!("  {} {value:.3} {}", figure.name(), figure.unit());
                    }
                }
                println!();
            }
        }
    }
}
