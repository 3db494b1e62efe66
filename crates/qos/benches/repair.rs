//! What repair makes of networks that lose packets: a table, and one JSON object a line in `target/bench/results.jsonl`.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]
#![allow(clippy::disallowed_methods, reason = "a bench measures time")]

#[path = "../tests/repair/mod.rs"]
mod repair;
mod results;

use std::time::{Duration, Instant};

use conclave_qos::repair::{Conditions, Gilbert, Limits, Means, Plan};
use repair::codes::Code;
use repair::video::{Budget, Case};
use repair::{audio, codes, mean_and_worst, video};
use results::Results;

const SEEDS: u64 = 8;
/// Losses that do not depend on each other come in bursts of this length, at 5 %.
const ALONE: f64 = 1.0 / 0.95;
const BURSTS: [f64; 3] = [2.0, 2.5, 3.0];

/// A case with bursts of this length.
type CaseOf = fn(f64) -> Case;

fn main() {
    let mut results = Results::open("qos-repair");
    of_video(&mut results);
    of_codes(&mut results);
    what_it_would_take();
    of_audio(&mut results);
    of_planning(&mut results);
}

/// What comes out for each seed, all at the same time.
fn each_seed<T: Send>(run: impl Fn(u64) -> T + Sync) -> Vec<T> {
    std::thread::scope(|scope| {
        let runs: Vec<_> = (1..=SEEDS)
            .map(|seed| {
                scope.spawn({
                    let run = &run;
                    move || run(seed)
                })
            })
            .collect();
        runs.into_iter().filter_map(|run| run.join().ok()).collect()
    })
}

fn of_video(results: &mut Results) {
    println!("5 % of packets lost, 10 packets a frame, 30 frames a second; 8 seeds of 10 minutes");
    println!(
        "{:<44} {:>7} {:>14} {:>10} {:>16} {:>10} {:>10}",
        "round trip, budget of 100 ms from", "burst", "frames lost", "worst", "overhead", "worst", "expected"
    );
    let from_arrival = |case| Case { budget: (Budget::Arrived, 100_000), ..case };
    let cases: [(&str, CaseOf); 6] = [
        ("30 ms, first sending", |burst| Case::new(30, 0.12, burst)),
        ("60 ms, first sending", |burst| Case::new(60, 0.12, burst)),
        ("60 ms, first sending, 5 % of requests lost", |burst| Case {
            requests_lost: 0.05,
            ..Case::new(60, 0.12, burst)
        }),
        ("60 ms, first sending, 2 ms between packets", |burst| Case { spacing: 2_000, ..Case::new(60, 0.12, burst) }),
        ("150 ms, first sending", |burst| Case::new(150, 0.18, burst)),
        ("150 ms, first arrival", |burst| Case::new(150, 0.18, burst)),
    ];
    for (name, case) in cases {
        for burst in [ALONE].into_iter().chain(BURSTS) {
            let case = if name.ends_with("arrival") { from_arrival(case(burst)) } else { case(burst) };
            let outcomes = each_seed(|seed| video::run(case, seed));
            let (lost, most_lost) = mean_and_worst(outcomes.iter().map(|outcome| outcome.frames_lost));
            let (overhead, most_overhead) = mean_and_worst(outcomes.iter().map(|outcome| outcome.overhead));
            let (expected, _) = mean_and_worst(outcomes.iter().map(|outcome| outcome.expected));
            println!(
                "{name:<44} {burst:>7.2} {:>12.2} % {:>8.2} % {:>14.2} % {:>8.2} % {:>8.2} %",
                lost * 100.0,
                most_lost * 100.0,
                overhead * 100.0,
                most_overhead * 100.0,
                expected * 100.0
            );
            let label = format!("{name}, bursts of {burst:.2}");
            results.add(&label, "frames lost", lost, "ratio");
            results.add(&label, "frames lost, worst seed", most_lost, "ratio");
            results.add(&label, "overhead", overhead, "ratio");
        }
    }
}

fn of_codes(results: &mut Results) {
    println!("\nwithout requests, 1.8 packets of parity a frame (18 %), frames lost");
    println!(
        "{:>7} {:>14} {:>18} {:>14} {:>22} {:>22}",
        "burst", "own frame", "group of three", "streaming", "any code, own frame", "any code, three"
    );
    for burst in [ALONE].into_iter().chain(BURSTS) {
        let losses = (0.05, burst);
        let mean = |run: &(dyn Fn(u64) -> f64 + Sync)| mean_and_worst(each_seed(run).into_iter()).0;
        let [frame, group, streaming] = [Code::Frame, Code::Group, Code::Streaming]
            .map(|code| mean(&|seed| codes::run(code, 1.8, losses, 20_000, seed)));
        let [alone, together] = [1, 3].map(|window| mean(&|seed| codes::bound(1.8, window, losses, 100_000, seed)));
        println!(
            "{burst:>7.2} {:>12.2} % {:>16.2} % {:>12.2} % {:>20.2} % {:>20.2} %",
            frame * 100.0,
            group * 100.0,
            streaming * 100.0,
            alone * 100.0,
            together * 100.0
        );
        let label = format!("18 % parity, bursts of {burst:.2}");
        results.add(&label, "frames lost, own frame", frame, "ratio");
        results.add(&label, "frames lost, group of three", group, "ratio");
        results.add(&label, "frames lost, streaming", streaming, "ratio");
        results.add(&label, "frames lost, any code, own frame", alone, "ratio");
        results.add(&label, "frames lost, any code, three frames", together, "ratio");
    }
}

/// The overhead at which a code that is perfect in its frame loses 0.7 %, without requests.
fn what_it_would_take() {
    println!("\nwithout requests, least overhead at which no more than 0.7 % of frames is lost by a perfect code");
    for burst in [ALONE].into_iter().chain(BURSTS) {
        let enough = (10..60).map(|step| step * 2).find(|percent| {
            let parity = f64::from(*percent) / 10.0;
            codes::bound(parity, 1, (0.05, burst), 100_000, 1) <= 0.007
        });
        println!("{burst:>7.2} {:>12}", enough.map_or("more".into(), |percent| format!("{percent} %")));
    }
}

fn of_audio(results: &mut Results) {
    println!(
        "\nsound, 20 ms a packet, 8 seeds of 60 minutes; copies come up to 3 (5) packets later; no retransmission"
    );
    println!("{:<34} {:>12} {:>10} {:>10}", "losses", "concealed", "worst", "copies");
    for (name, loss, burst, furthest) in [
        ("2 % alone", 0.02, 1.0 / 0.98, 3),
        ("10 % alone", 0.10, 1.0 / 0.90, 3),
        ("20 % alone", 0.20, 1.25, 3),
        ("20 % alone, up to 5 later", 0.20, 1.25, 5),
        ("5 % in bursts of 2.5", 0.05, 2.5, 3),
        ("5 % in bursts of 2.5, up to 5 later", 0.05, 2.5, 5),
    ] {
        let case = audio::Case { loss, burst, furthest, minutes: 60 };
        let outcomes = each_seed(|seed| audio::run(case, seed));
        let (concealed, worst) = mean_and_worst(outcomes.iter().map(|outcome| outcome.concealed));
        let (copies, _) = mean_and_worst(outcomes.iter().map(|outcome| outcome.copies));
        println!("{name:<36} {:>8.3} % {:>8.3} % {copies:>10.2}", concealed * 100.0, worst * 100.0);
        results.add(&format!("sound, {name}"), "concealed", concealed, "ratio");
        results.add(&format!("sound, {name}"), "copies", copies, "per packet");
    }
}

fn of_planning(results: &mut Results) {
    let conditions = Conditions {
        losses: Gilbert::new(0.05, 2.5),
        round_trip: Duration::from_millis(60),
        budget: Duration::from_millis(100),
        span: Duration::from_millis(5),
        interval: Duration::from_millis(33),
        patience: Duration::from_millis(1),
        packets: 10,
        means: Means::Any,
    };
    let started = Instant::now();
    for _ in 0..1_000 {
        std::hint::black_box(Plan::find(std::hint::black_box(&conditions), &Limits::default()));
    }
    let cost = started.elapsed().as_secs_f64() * 1_000.0;
    println!("\na plan takes {cost:.0} µs");
    results.add("plan", "cost", cost, "us");
}
