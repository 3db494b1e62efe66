//! What congestion control costs: ns per packet sent, and per packet reported.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]
#![allow(clippy::disallowed_methods, reason = "a bench measures time")]

mod results;

use std::time::{Duration, Instant};

use conclave_qos::{
    Algorithm, ArrivalLog, Bitrate, Demand, Limits, Pacer, PacketResult, Queued, SendHistory, SentPacket, Time, Turn,
};

const PACKETS: u64 = 1_000_000;
const ROUNDS: usize = 5;

/// Total times of one round.
#[derive(Clone, Copy, Default)]
struct Costs {
    sending: Duration,
    receiving: Duration,
    reporting: Duration,
}

fn main() {
    let mut results = results::Results::open("qos-cost");
    println!("{:<34} {:>16} {:>16} {:>16}", "median of 5, ns per packet", "sent", "received", "reported");
    let cases = [("no loss", 0), ("2 % loss", 50)];
    for (algorithm, (losses, loss)) in Algorithm::ALL.into_iter().flat_map(|one| cases.map(|case| (one, case))) {
        let case = &format!("{algorithm}, {losses}");
        let mut rounds: Vec<Costs> = (0..ROUNDS).map(|_| round(algorithm, loss)).collect();
        let mut median = |of: fn(&Costs) -> Duration| {
            rounds.sort_by_key(of);
            of(&rounds[ROUNDS / 2]).as_nanos() as f64 / PACKETS as f64
        };
        let costs = [median(|costs| costs.sending), median(|costs| costs.receiving), median(|costs| costs.reporting)];
        println!("{case:<34} {:>16.1} {:>16.1} {:>16.1}", costs[0], costs[1], costs[2]);
        for (metric, cost) in ["sent", "received", "reported"].into_iter().zip(costs) {
            results.add(case, metric, cost, "ns/packet");
        }
    }
}

/// A million packets at 10 Mbit/s, reported every 50 ms; one of `loss` lost (0: none).
fn round(algorithm: Algorithm, loss: u64) -> Costs {
    let mut controller = algorithm.controller(Limits::default());
    let rate = Bitrate::kbps(10_000);
    controller.handle_demand(at(0), Demand { sending: rate, wanted: rate });
    let mut pacer = Pacer::new(controller.control());
    let mut history = SendHistory::new();
    let mut arrivals = ArrivalLog::new();
    let mut results: Vec<PacketResult> = Vec::new();
    let mut costs = Costs::default();
    let mut numbers = Vec::with_capacity(64);
    let mut now = 0;
    for _ in 0..PACKETS / 50 {
        numbers.clear();
        let started = Instant::now();
        for _ in 0..50 {
            now += 1_000;
            let at = at(now);
            // The pacer may say no, since the estimate has yet to rise; the packet leaves all the same.
            std::hint::black_box(matches!(pacer.poll(at, Queued { bytes: 1_250, packets: 1 }), Turn::Media(_)));
            let sent = SentPacket { at, size: 1_250, probe: None, is_media: true };
            numbers.push(history.record(sent));
            pacer.handle_sent(&sent);
            controller.handle_sent(&sent);
        }
        costs.sending += started.elapsed();

        let started = Instant::now();
        for (position, number) in numbers.iter().enumerate() {
            let is_lost = loss > 0 && (now / 1_000 + position as u64).is_multiple_of(loss);
            if !is_lost {
                arrivals.record(*number, at(now - 49_000 + position as u64 * 1_000 + 20_000));
            }
        }
        let feedback = arrivals.poll_feedback(at(now + 300_000));
        costs.receiving += started.elapsed();

        let started = Instant::now();
        if let Some(feedback) = feedback {
            results.clear();
            let reports = feedback.arrivals().map(|(number, at)| (number, at.map(Time::to_duration)));
            history.acknowledge(reports, &mut results);
            controller.handle_feedback(at(now + 40_000), &results);
            while controller.poll_probe().is_some() {}
            pacer.set_rates(at(now), controller.control());
            pacer.set_window(controller.window(), history.in_flight());
        }
        costs.reporting += started.elapsed();
    }
    costs
}

fn at(micros: u64) -> Time {
    Time::since_start(Duration::from_micros(micros))
}
