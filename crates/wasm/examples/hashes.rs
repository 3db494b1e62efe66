//! Prints the hash of every run of the simulator, as this machine computes it: scenario, controller and seed by numbers,
//! the hash, and what the run is called. `hashes SEED`; without one, seed 1.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use conclave_network::{CONTROLLERS, scenarios};
use conclave_wasm::{controller_count, run_hash, scenario_count};

fn main() -> ExitCode {
    let seed = match std::env::args().nth(1).map(|seed| seed.parse()).transpose() {
        Ok(seed) => seed.unwrap_or(1),
        Err(_) => {
            eprintln!("usage: hashes [SEED], a number below 2^32");
            return ExitCode::from(2);
        }
    };
    let lines = all(seed);
    match lines.iter().try_for_each(|line| writeln!(io::stdout(), "{line}")) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has gone.
        Err(_) => ExitCode::FAILURE,
    }
}

/// A line for each run, in order.
fn all(seed: u32) -> Vec<String> {
    let runs = scenario_count() * controller_count();
    let next = AtomicU32::new(0);
    let work = || {
        let mut lines = Vec::new();
        loop {
            let run = next.fetch_add(1, Ordering::Relaxed);
            if run >= runs {
                return lines;
            }
            lines.push((run, line(run / controller_count(), run % controller_count(), seed)));
        }
    };
    let mut lines: Vec<_> = thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        // A thread that panicked has said so; its runs are missing, which the comparison tells.
        workers.into_iter().filter_map(|worker| worker.join().ok()).flatten().collect()
    });
    lines.sort_unstable();
    lines.into_iter().map(|(_, line)| line).collect()
}

fn line(scenario: u32, controller: u32, seed: u32) -> String {
    let hash = run_hash(scenario, controller, seed);
    let name = scenarios().nth(scenario as usize).map_or("?", |scenario| scenario.name);
    let kind = CONTROLLERS.get(controller as usize).map_or("?", |kind| kind.name());
    format!("{scenario} {controller} {seed} {hash:016x} {name}, {kind}")
}
