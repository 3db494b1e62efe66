//! Queues between a sender of fixed rate and a link, packet by packet.

use conclave_qos::Ecn;

use super::*;
use crate::event::AgentId;
use crate::packet::{Packet, Payload, Way};
use crate::units::{MILLI, SECOND, at, between};

const SIZE: u32 = 1_200;

/// What came of offering packets of 1,200 bytes each `every` µs for some seconds to a link that sends one each `takes` µs.
#[derive(Debug, Default)]
struct Seen {
    /// When what was dropped was dropped, µs.
    dropped: Vec<u64>,
    marked: Vec<u64>,
    sent: usize,
    /// What the packets of the last second waited, µs.
    delays: Vec<u64>,
}

fn pass(discipline: Discipline, ecn: Ecn, every: u64, takes: u64, seconds: u64) -> Seen {
    let (mut queue, mut packets, mut seen, mut dropped) =
        (Queue::new(discipline), Packets::default(), Seen::default(), Vec::new());
    let rate = Bitrate::bps(u64::from(SIZE) * 8 * SECOND / takes);
    let (mut next_offer, mut next_send) = (0, 0);
    while next_offer < seconds * SECOND {
        if next_offer <= next_send {
            let now = at(next_offer);
            let payload = Payload::Media { sequence: 0, is_media: true };
            let id = packets.add(Packet::new(now, AgentId(0), Way::Forward, ecn, SIZE, payload));
            if !queue.offer(now, id, &packets, rate) {
                seen.dropped.push(next_offer);
                packets.remove(id);
            }
            next_offer += every;
            continue;
        }
        let now = at(next_send);
        let taken = queue.take(now, &mut packets, &mut dropped);
        seen.dropped.extend(dropped.drain(..).map(|_| next_send));
        if let Some(id) = taken {
            let packet = packets.remove(id);
            seen.sent += 1;
            if packet.ecn == Ecn::Ce {
                seen.marked.push(next_send);
            }
            if next_send >= (seconds - 1) * SECOND {
                seen.delays.push(between(packet.queued, now));
            }
        }
        next_send += takes;
    }
    seen
}

#[test]
fn a_drop_tail_queue_holds_what_the_link_sends_in_its_time() {
    let seen = pass(Discipline::DropTail { milliseconds: 300 }, Ecn::NotEct, 5 * MILLI, 10 * MILLI, 20);
    // 30 packets fit; the one that comes as one leaves finds 29 before it.
    assert!(seen.delays.iter().all(|delay| (285 * MILLI..=300 * MILLI).contains(delay)), "{seen:?}");
    let bytes = pass(Discipline::DropTailBytes { bytes: 12_000 }, Ecn::NotEct, 5 * MILLI, 10 * MILLI, 20);
    assert!(bytes.delays.iter().all(|delay| (85 * MILLI..=100 * MILLI).contains(delay)), "{bytes:?}");
    assert!(bytes.marked.is_empty() && bytes.dropped.len() > 1_900);
}

#[test]
fn codel_drops_after_an_interval_above_its_target_and_then_more_and_more_often() {
    let seen = pass(Discipline::Codel, Ecn::NotEct, 900, MILLI, 20);
    // The queue grows by 1 ms each 9 ms, so it is above 5 ms after 45 ms, and stays so for 100 ms.
    let first = seen.dropped[0];
    assert!((140 * MILLI..155 * MILLI).contains(&first), "{first}");
    // RFC 8289, 5.5: an interval by the square root of the count.
    for (count, pair) in seen.dropped.windows(2).enumerate().take(20) {
        let expected = 100.0 * MILLI as f64 / ((count + 1) as f64).sqrt();
        let distance = (pair[1] - pair[0]) as f64;
        assert!((distance - expected).abs() <= 2.0 * MILLI as f64, "{count}: {distance}");
    }
    assert!(seen.marked.is_empty());
    // By and by it drops what is too much.
    assert!(seen.delays.iter().all(|delay| *delay < 40 * MILLI), "{:?}", seen.delays);
}

#[test]
fn codel_marks_those_who_take_marks_and_drops_none_of_them() {
    let seen = pass(Discipline::Codel, Ecn::Ect0, 9 * MILLI, 10 * MILLI, 5);
    assert!(seen.dropped.is_empty() && seen.marked.len() > 10);
}

#[test]
fn codel_lets_a_short_queue_alone() {
    let seen = pass(Discipline::Codel, Ecn::NotEct, 10 * MILLI, 10 * MILLI, 10);
    assert!(seen.dropped.is_empty() && seen.marked.is_empty());
}

#[test]
fn dualpi2_drops_as_much_of_classic_traffic_as_is_too_much_up_to_a_quarter() {
    // A tenth too much: the queue settles about its target of 15 ms.
    let seen = pass(Discipline::DualPi2, Ecn::NotEct, 900, 1_000, 30);
    let lost = seen.dropped.iter().filter(|dropped| **dropped > 20 * SECOND).count() as f64 / (10.0 * 1_111.0);
    assert!((lost - 0.1).abs() < 0.01, "{lost}");
    let mean = seen.delays.iter().sum::<u64>() as f64 / seen.delays.len() as f64 / MILLI as f64;
    assert!((13.0..17.0).contains(&mean), "{mean} ms");
    // Half too much: a quarter at most is dropped, so the queue grows.
    let over = pass(Discipline::DualPi2, Ecn::NotEct, 500, 1_000, 2);
    let share = over.dropped.iter().filter(|dropped| **dropped > SECOND).count() as f64;
    assert!((share / (share + 1_000.0) - 0.25).abs() < 0.01, "{share}");
}

#[test]
fn dualpi2_marks_l4s_packets_once_they_wait_for_more_than_a_millisecond() {
    let seen = pass(Discipline::DualPi2, Ecn::Ect1, 990, 1_000, 2);
    assert!(seen.dropped.is_empty());
    // 0.8 ms: after 80 packets, each of which waits 10 µs more.
    let first = seen.marked[0];
    assert!((80 * MILLI..130 * MILLI).contains(&first), "{first}");
    let late = seen.marked.iter().filter(|marked| **marked > SECOND).count();
    assert!(late > 990, "then all: {late}");
    let none = pass(Discipline::DualPi2, Ecn::Ect1, 1_000, 1_000, 2);
    assert!(none.marked.is_empty(), "one packet at a time makes no queue");
}

#[test]
fn dualpi2_couples_the_marks_of_l4s_to_the_drops_of_classic_traffic() {
    let mut queue = DualPi2::default();
    let mut packets = Packets::default();
    let mut dropped = Vec::new();
    let (mut marked, mut l4s, mut lost, mut classic) = (0.0, 0.0, 0.0, 0.0);
    // One L4S packet among ten, each alone in its queue; classic ones a tenth too much.
    for step in 0..60_000_u64 {
        let now = at(step * 900);
        let ecn = if step.is_multiple_of(10) { Ecn::Ect1 } else { Ecn::NotEct };
        let payload = Payload::Media { sequence: 0, is_media: true };
        let id = packets.add(Packet::new(now, AgentId(0), Way::Forward, ecn, SIZE, payload));
        assert!(queue.offer(now, id, &packets));
        // Nine leave for ten that come.
        let taken = if step % 10 == 5 { None } else { queue.take(now, &mut packets, &mut dropped) };
        if step > 30_000 {
            lost += dropped.len() as f64;
            classic += dropped.len() as f64;
        }
        for id in dropped.drain(..) {
            packets.remove(id);
        }
        let Some(packet) = taken.map(|id| packets.remove(id)) else { continue };
        if step > 30_000 {
            match packet.ecn {
                Ecn::NotEct => classic += 1.0,
                Ecn::Ce => (marked, l4s) = (marked + 1.0, l4s + 1.0),
                _ => l4s += 1.0,
            }
        }
    }
    // RFC 9332, 2.1: the share of drops is the square of half the share of marks.
    let (marks, drops): (f64, f64) = (marked / l4s, lost / classic);
    assert!(drops > 0.05 && (marks / 2.0 - drops.sqrt()).abs() < 0.03, "{marks} {drops}");
}
