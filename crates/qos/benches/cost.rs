//! What congestion control costs: ns per packet sent, and per packet reported; and what a bearer's queue does.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]
#![allow(clippy::disallowed_methods, reason = "a bench measures time")]

mod results;

use std::time::{Duration, Instant};

use conclave_qos::bearer::{Bearer, BearerSender, Buffered, Content, Handover, Packet, Picture, StreamId};
use conclave_qos::playout::{FrameId, References};
use conclave_qos::{
    Algorithm, ArrivalLog, Bitrate, Control, Demand, Limits, Pacer, PacketResult, Queued, SendHistory, SentPacket,
    Time, Turn,
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
    println!("\n{:<34} {:>16}", "over a bearer, reports each 10 ms", "sent");
    for bearer in Bearer::ALL {
        for (held_up, carries) in [("free", 2_000), ("held up", 1_000)] {
            let case = &format!("{bearer}, {held_up}");
            let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| over(bearer, carries)).collect();
            rounds.sort_by(f64::total_cmp);
            println!("{case:<34} {:>16.1}", rounds[ROUNDS / 2]);
            results.add(case, "sent", rounds[ROUNDS / 2], "ns/packet");
        }
    }
}

/// ns for each of a million packets that are queued, ten a frame, for a bearer that carries so many bytes a ms. They are
/// 1,100 bytes a ms; what it does not carry is dropped.
fn over(bearer: Bearer, carries: u64) -> f64 {
    let target = Bitrate::kbps(10_000);
    let control = Control { target, pacing: target.percent(250), padding: Bitrate::ZERO, is_ample: false };
    let mut sender = BearerSender::new(bearer, control);
    let mut held: u64 = 0;
    let started = Instant::now();
    for number in 0..PACKETS {
        let now = at(number * 1_000);
        held = held.saturating_sub(carries);
        let frame = number as i64 / 10;
        let references = References::new(&[FrameId(frame - 1)]).filter(|_| frame % 50 != 0);
        let references = references.unwrap_or(References::NONE);
        let picture = Picture { stream: StreamId(0), frame: FrameId(frame), references, layer: 0 };
        let _ = sender.queue(now, Packet { content: Content::Picture(picture), size: 1_100, payload: number });
        if number.is_multiple_of(10) {
            sender.handle_buffered(now, Buffered::Bytes(held));
        }
        while let Some(handover) = sender.poll(now) {
            if let Handover::Packet(packet, _) = std::hint::black_box(handover) {
                held += u64::from(packet.size);
            }
        }
        std::hint::black_box((sender.poll_timeout(), sender.target(), sender.poll_key_frame(now)));
    }
    started.elapsed().as_nanos() as f64 / PACKETS as f64
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
