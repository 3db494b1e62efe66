//! What relaying costs: packets per second of processor time, and memory, of this program and of
//! coturn, one after the other on the same machine in the same run. The load is offered at a steady
//! rate that neither fills; what is compared is the time that the server's threads ran for it.
//! Prints a table and appends to `target/bench/results.jsonl`.
#![allow(clippy::print_stdout, missing_docs, reason = "a benchmark prints")]

mod link;
mod load;
mod process;
mod report;
mod servers;

use std::time::Duration;

use load::{Load, Way};
use report::Report;
use servers::{Conclave, Coturn, Relay};

/// Packets a second, of all allocations together.
const RATE: u32 = 40_000;
const SPAN: Duration = Duration::from_secs(2);
/// Runs of each case; the median counts.
const RUNS: usize = 3;
/// Idle ones made for measuring memory.
const IDLE_ALLOCATIONS: usize = 1_000;
const IDLE_CONNECTIONS: usize = 300;

fn main() {
    // `cargo test --benches` only looks whether it starts.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    // What is awaited below ends or panics within its own deadlines; this is for the deadlines' own faults.
    process::end_after(Duration::from_secs(600));
    let mut report = Report::new();
    for way in [Way::Udp, Way::Tls] {
        for bytes in [1_200, 160] {
            for allocations in [1, 100] {
                let load = Load { way, bytes, allocations, rate: RATE, span: SPAN };
                let mut ours = Vec::new();
                let mut theirs = Vec::new();
                // In turns, so that whatever else the machine does falls on both.
                for _ in 0..RUNS {
                    ours.extend(Conclave::start().map(|mut server| load::run(&mut server, &load)));
                    theirs.extend(Coturn::start().map(|mut server| load::run(&mut server, &load)));
                }
                report.throughput(&load, ours, theirs);
            }
        }
    }
    for (what, way, count) in
        [("idle allocation", Way::Udp, IDLE_ALLOCATIONS), ("idle TLS connection", Way::Tls, IDLE_CONNECTIONS)]
    {
        let ours = Conclave::start().map(|mut server| load::idle(&mut server, way, count));
        let theirs = Coturn::start().map(|mut server| load::idle(&mut server, way, count));
        report.memory(what, count, ours, theirs);
    }
    report.finish();
}
