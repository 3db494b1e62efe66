//! Plays all scenarios with all controllers and some seeds, and shows what came of it: a table here, one JSON object a line
//! in `target/bench/results.jsonl`, and with `--write` the tables and plots of `docs/qos.md`.
//!
//!     cargo bench -p conclave-network --bench evaluate -- --only 5.1 --controller conclave --seeds 3 --trace
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

mod document;
mod elsewhere;
mod goals;
mod plot;
mod results;
mod table;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use conclave_network::{CONTROLLERS, Controller, Figure, Figures, Outcome, Record, Scenario, run, scenarios};

const USAGE: &str = "\
Options:
  --only NAME        only scenarios whose name begins so
  --controller NAME  only this controller: gcc, nada, scream, conclave
  --seeds N          so many seeds instead of 8
  --from N           the first seed; those from 1 on were used to choose constants, so 101 unless told
  --trace            also what each sender of the first seed got in each half second, and how long its packets waited
  --write            write docs/qos.md and docs/qos/*.svg; wants everything, so not with the others";

/// Figures are of seeds that no constant was chosen by.
const FIRST_SEED: u64 = 101;

/// What was asked for.
struct Options {
    only: String,
    kinds: Vec<Controller>,
    seeds: u64,
    first: u64,
    trace: bool,
    write: bool,
}

impl Options {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let kinds = CONTROLLERS.to_vec();
        let mut options = Self { only: String::new(), kinds, seeds: 8, first: FIRST_SEED, trace: false, write: false };
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
            match argument.as_str() {
                "--only" => options.only = value()?,
                "--controller" => {
                    let name = value()?;
                    options.kinds =
                        vec![name.parse().map_err(|error| format!("there is no controller {name}: {error}"))?];
                }
                "--seeds" => {
                    let seeds = value()?;
                    options.seeds = seeds.parse().ok().filter(|seeds| *seeds > 0).ok_or("--seeds wants a number")?;
                }
                "--from" => options.first = value()?.parse().map_err(|_| "--from wants a number")?,
                "--trace" => options.trace = true,
                "--write" => options.write = true,
                // What cargo says to every bench.
                "--bench" => {}
                _ => return Err(format!("{argument} means nothing here")),
            }
        }
        let is_all = options.only.is_empty() && options.kinds.len() == CONTROLLERS.len();
        if options.write && !is_all { Err("--write wants everything".to_owned()) } else { Ok(options) }
    }
}

/// The figures of each seed, and the first seed's record.
type Played = (Vec<Figures>, Record);

/// A scenario, and what each controller made of it with each seed.
struct Case {
    scenario: &'static Scenario,
    /// For each controller its figures by seed, and the first seed's record.
    runs: Vec<(Controller, Vec<Figures>, Record)>,
}

impl Case {
    /// What the seeds gave; empty where the scenario has no place for the figure.
    fn values(&self, kind: Controller, figure: Figure) -> Vec<f64> {
        let run = self.runs.iter().find(|(of, ..)| *of == kind);
        run.map_or(Vec::new(), |(_, figures, _)| figures.iter().filter_map(|figures| figures.get(figure)).collect())
    }
}

fn main() {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}\n\n{USAGE}");
            std::process::exit(2);
        }
    };
    let wanted: Vec<_> = scenarios().filter(|scenario| scenario.name.starts_with(&options.only)).collect();
    let cases = play(&wanted, &options);
    table::print(&cases, &options.kinds);
    table::keep(&cases, &options.kinds);
    if options.trace {
        cases.iter().flat_map(|case| &case.runs).for_each(|(kind, _, record)| trace(*kind, record));
    }
    if options.write
        && let Err(error) = document::write(&cases)
    {
        eprintln!("docs/qos.md is not written: {error}");
        std::process::exit(1);
    }
}

/// Plays everything, on as many threads as there are processors. What comes out does not depend on them.
fn play(scenarios: &[&'static Scenario], options: &Options) -> Vec<Case> {
    let kinds = options.kinds.len();
    let jobs = scenarios.len() * kinds;
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<Option<Played>>> = Mutex::new((0..jobs).map(|_| None).collect());
    let work = || {
        loop {
            let job = next.fetch_add(1, Ordering::Relaxed);
            let Some(scenario) = scenarios.get(job / kinds) else { break };
            let kind = options.kinds[job % kinds];
            let mut outcomes = (options.first..options.first + options.seeds).map(|seed| run(scenario, kind, seed));
            let Some(Outcome { figures, record, .. }) = outcomes.next() else { break };
            let figures = std::iter::once(figures).chain(outcomes.map(|outcome| outcome.figures)).collect();
            if let Ok(mut done) = done.lock() {
                done[job] = Some((figures, record));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let mut done = done.into_inner().unwrap_or_default().into_iter();
    let mut of_case = |scenario| {
        let runs = options.kinds.iter().zip(&mut done);
        let runs = runs.filter_map(|(kind, run)| run.map(|(figures, record)| (*kind, figures, record))).collect();
        Case { scenario, runs }
    };
    scenarios.iter().map(|scenario| of_case(*scenario)).collect()
}

/// What each sender delivers in each half second, kbit/s, how long its packets wait, ms, and how many get lost.
fn trace(kind: Controller, record: &Record) {
    println!("\n{}: seconds, and for each sender kbit/s, ms in queues, packets lost", kind.name());
    let halves = record.lines.first().map_or(0, |lines| lines.len() / 5);
    for half in 0..halves {
        print!("{:>7.1}", half as f64 / 2.0);
        for lines in &record.lines {
            let sum = |what: fn(&conclave_network::Line) -> u64| lines[half * 5..half * 5 + 5].iter().map(what).sum();
            let (bits, packets, waited, lost): (u64, u64, u64, u64) = (
                sum(|line| line.delivered),
                sum(|line| line.packets.into()),
                sum(|line| line.waited),
                sum(|line| line.lost.into()),
            );
            print!("  {:>6} {:>6.1} {lost:>3}", bits / 500, waited as f64 / packets.max(1) as f64 / 1e3);
        }
        println!();
    }
}
