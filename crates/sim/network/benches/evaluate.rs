//! Plays the scenarios and prints what came of them: `cargo bench -p conclave-network --bench evaluate -- --only 5.1`.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use conclave_network::{Figure, Kind, Record, run, scenarios};

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
                if arguments.iter().any(|given| given == "--trace") {
                    trace(&outcome.record);
                }
            }
        }
    }
}

/// What each sender delivers in each half second, kbit/s, and how long its packets wait, ms.
fn trace(record: &Record) {
    let halves = record.lines.first().map_or(0, |lines| lines.len() / 5);
    for half in 0..halves {
        print!("{:>7.1}", half as f64 / 2.0);
        for lines in &record.lines {
            let lines = &lines[half * 5..half * 5 + 5];
            let bits: u64 = lines.iter().map(|line| line.delivered).sum();
            let packets: u32 = lines.iter().map(|line| line.packets).sum();
            let waited: u64 = lines.iter().map(|line| line.waited).sum();
            let lost: u32 = lines.iter().map(|line| line.lost).sum();
            print!("  {:>6} {:>5.1} {lost:>3}", bits / 500, waited as f64 / f64::from(packets.max(1)) / 1e3);
        }
        println!();
    }
}
