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

use load::{End, Load, Way};
use report::Report;
use servers::{Conclave, Coturn, Relay};

/// Packets a second, of all allocations together.
const RATE: u32 = 15_000;
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
    // `cargo bench --bench relay -- UDP` runs the cases whose name has the word in it.
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let mut report = Report::new();
    for load in cases().filter(|load| load.to_string().contains(&wanted)) {
        let mut ours = Vec::new();
        let mut theirs = Vec::new();
        // In turns, so that whatever else the machine does falls on both.
        for _ in 0..RUNS {
            ours.extend(Conclave::start().map(|mut server| load::run(&mut server, &load)));
            theirs.extend(Coturn::start().map(|mut server| load::run(&mut server, &load)));
        }
        report.throughput(&load, ours, theirs);
    }
    for (what, way, count) in
        [("idle allocation", Way::Udp, IDLE_ALLOCATIONS), ("idle TLS connection", Way::Tls, IDLE_CONNECTIONS)]
    {
        if !what.contains(&wanted) {
            continue;
        }
        let ours = Conclave::start().map(|mut server| load::idle(&mut server, way, count));
        let theirs = Coturn::start().map(|mut server| load::idle(&mut server, way, count));
        report.memory(what, count, ours, theirs);
    }
    report.finish();
}

fn cases() -> impl Iterator<Item = Load> {
    let ways = [(Way::Udp, End::Relay), (Way::Tls, End::Relay), (Way::Udp, End::Socket), (Way::Tls, End::Socket)];
    let sizes = ways.into_iter().flat_map(|way| [1_200, 160].map(|bytes| (way, bytes)));
    sizes.flat_map(|((way, end), bytes)| {
        [1, 100].map(|allocations| Load { way, end, bytes, allocations, rate: RATE, span: SPAN })
    })
}
