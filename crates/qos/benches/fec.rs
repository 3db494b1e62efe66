//! What the codes cost: MB of source packets per second.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]
#![allow(clippy::disallowed_methods, reason = "a bench measures time")]

mod results;

use std::time::{Duration, Instant};

use conclave_qos::fec::erasure::{Decoder, Encoder};
use conclave_qos::fec::flexfec::{self, Format};
use conclave_qos::fec::{ParityDecoder, Source};
use results::Results;

const ROUNDS: usize = 5;
/// Bytes of a packet.
const SIZE: usize = 1_200;

fn main() {
    let mut results = Results::open("qos-fec");
    println!("{:<44} {:>12} {:>12}", "median of 5, MB of source packets a second", "making", "repairing");
    for (packets, parity) in [(10, 1), (10, 2), (10, 4), (30, 5), (100, 20)] {
        let name = format!("Reed-Solomon, {packets} packets, {parity} of parity");
        show(&mut results, &name, packets, || erasure(packets, parity));
    }
    for (packets, parity) in [(10, 1), (10, 2), (48, 8)] {
        let name = format!("FlexFEC, {packets} packets, {parity} of parity");
        show(&mut results, &name, packets, || flexfec(packets, parity));
    }
}

fn show(results: &mut Results, name: &str, packets: usize, run: impl Fn() -> (Duration, Duration)) {
    let mut rounds: Vec<_> = (0..ROUNDS).map(|_| run()).collect();
    let megabytes = (GROUPS * packets * SIZE) as f64 / 1e6;
    let mut median = |of: fn(&(Duration, Duration)) -> Duration| {
        rounds.sort_by_key(of);
        megabytes / of(&rounds[ROUNDS / 2]).as_secs_f64()
    };
    let (making, repairing) = (median(|round| round.0), median(|round| round.1));
    println!("{name:<44} {making:>12.0} {repairing:>12.0}");
    results.add(name, "making", making, "MB/s");
    results.add(name, "repairing", repairing, "MB/s");
}

const GROUPS: usize = 400;

/// A packet of stream 0.
fn packet(sequence: usize) -> Vec<u8> {
    let mut packet: Vec<u8> = (0..SIZE).map(|index| (index * 7 + sequence * 13) as u8).collect();
    packet[..12].copy_from_slice(&[0x80, 96, (sequence >> 8) as u8, sequence as u8, 0, 0, 0, 0, 0, 0, 0, 0]);
    packet
}

/// As many of each group as there is parity get lost.
fn erasure(packets: usize, parity: usize) -> (Duration, Duration) {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
    let (mut making, mut repairing) = (Duration::ZERO, Duration::ZERO);
    let mut parities = vec![Vec::new(); parity];
    for group in 0..GROUPS {
        let first = group * packets;
        let sources: Vec<_> = (first..first + packets).map(packet).collect();
        let started = Instant::now();
        sources.iter().for_each(|packet| assert!(encoder.push(packet).is_ok()));
        for out in &mut parities {
            assert!(encoder.write_parity(first as u32, packets as u8, out).is_ok());
        }
        making += started.elapsed();
        let started = Instant::now();
        for (index, packet) in sources.iter().enumerate().skip(parity) {
            assert!(decoder.handle_source((first + index) as u32, packet).is_ok());
        }
        parities.iter().for_each(|parity| assert!(decoder.handle_parity(parity).is_ok()));
        let made = std::iter::from_fn(|| decoder.poll_recovered()).count();
        repairing += started.elapsed();
        assert_eq!(made, parity);
    }
    (making, repairing)
}

/// Each parity packet covers every `parity`-th; the first of each gets lost.
fn flexfec(packets: usize, parity: usize) -> (Duration, Duration) {
    let mut decoder = ParityDecoder::new(0);
    let (mut making, mut repairing) = (Duration::ZERO, Duration::ZERO);
    let mut payloads = vec![Vec::new(); parity];
    for group in 0..GROUPS {
        let first = group * packets;
        let all: Vec<_> = (first..first + packets).map(packet).collect();
        let started = Instant::now();
        for (index, out) in payloads.iter_mut().enumerate() {
            let sources: Result<Vec<_>, _> =
                all.iter().skip(index).step_by(parity).map(|packet| Source::parse(packet)).collect();
            assert!(sources.and_then(|sources| flexfec::write(Format::Rfc8627, &sources, out)).is_ok());
        }
        making += started.elapsed();
        let started = Instant::now();
        for packet in all.iter().skip(parity) {
            assert!(decoder.handle_source(packet).is_ok());
        }
        for payload in &payloads {
            let repair = flexfec::parse(Format::Rfc8627, payload);
            assert!(repair.and_then(|repair| decoder.handle_repair(&repair)).is_ok());
        }
        let made = std::iter::from_fn(|| decoder.poll_recovered()).count();
        repairing += started.elapsed();
        assert_eq!(made, parity);
    }
    (making, repairing)
}
