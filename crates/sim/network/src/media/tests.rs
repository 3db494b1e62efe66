//! Senders without a network, and receivers without a sender.

use conclave_qos::{Bitrate, Ecn, Limits, Time};

use super::*;
use crate::Controller;
use crate::packet::Told;
use crate::random::Random;
use crate::units::{MILLI, SECOND, at};

/// A packet each 10 ms for a second; the reports: when they were made, how many packets they tell of, how long they are.
fn reports(reports: Reports) -> Vec<(u64, usize, u32)> {
    let mut receiver = Receiver::new(reports);
    let mut told = Vec::new();
    let mut made = Vec::new();
    for millis in 0..1_000 {
        let now = at(millis * MILLI);
        if millis.is_multiple_of(10) {
            receiver.record(now, (millis / 10) as u16, Ecn::Ect1);
        }
        while receiver.poll_timeout().is_some_and(|due| due <= now) {
            let Some(size) = receiver.poll_report(now, &mut told) else { break };
            made.push((millis, told.len(), size));
        }
    }
    made
}

#[test]
fn reports_come_at_their_interval_and_take_their_bytes() {
    let plain = reports(Reports::Each(50));
    assert_eq!(plain.len(), 19);
    assert!(plain.windows(2).all(|pair| pair[1].0 - pair[0].0 == 50), "{plain:?}");
    // Five packets: 8 bytes, a chunk of 2, a difference of 2 and four of 1, made 16; and 54 of headers.
    assert_eq!(plain[5], (300, 5, 70));
    let marked = reports(Reports::Marked(100));
    // Ten packets: two bytes each, and 12.
    assert_eq!(marked[5], (600, 10, 86));
    let logged = reports(Reports::AsLogged);
    assert!(logged[1..].iter().all(|(_, packets, _)| *packets == 10), "{logged:?}");
}

#[test]
fn reports_tell_times_as_finely_as_their_format_and_marks_only_where_it_has_them() {
    for (reports, unit, ecn) in [(Reports::Each(50), 250, Ecn::NotEct), (Reports::Marked(50), 977, Ecn::Ce)] {
        let mut receiver = Receiver::new(reports);
        let mut told: Vec<Told> = Vec::new();
        receiver.record(at(123_456), 7, Ecn::Ce);
        receiver.record(at(130_001), 9, Ecn::Ce);
        assert!(receiver.poll_report(at(200 * MILLI), &mut told).is_some());
        assert_eq!(told.iter().map(|(sequence, _)| *sequence).collect::<Vec<_>>(), [7, 8, 9]);
        assert_eq!(told[1].1, None);
        let (arrival, mark) = told[0].1.expect("it arrived");
        let late = 123_456_i64 - arrival.as_micros() as i64;
        assert!((0..unit).contains(&late), "{late}");
        assert_eq!(mark, ecn);
    }
}

/// What leaves in a run without any report: when, and how much. The encoder cannot make less than 500 kbit/s.
fn sends(start: u64, pause: Option<(u64, u64)>) -> Vec<(Time, Outgoing)> {
    let start = Bitrate::kbps(start);
    let controller = Controller::Nada.controller(Limits { start, floor: Bitrate::kbps(10), ceiling: start });
    let source = Source::new(Encoder { least: 500_000, most: 1_000_000 }, Random::new(1));
    let timeline = Timeline { from: 1, until: 9, pause };
    let mut sender = Sender::new(controller, source, timeline, Ecn::NotEct);
    let (mut sent, mut out) = (Vec::new(), Vec::new());
    for millis in 0..10_000 {
        let now = at(millis * MILLI);
        if sender.poll_timeout().is_some_and(|due| due <= now) {
            sender.handle_timeout(now, &mut out);
            sent.extend(out.drain(..).map(|packet| (now, packet)));
        }
    }
    sent
}

fn rate(sent: &[(Time, Outgoing)], from: u64, until: u64) -> u64 {
    let within = sent.iter().filter(|(now, _)| (at(from * SECOND)..at(until * SECOND)).contains(now));
    within.map(|(_, packet)| u64::from(packet.size) * 8).sum::<u64>() / (until - from) / 1_000
}

#[test]
fn a_sender_sends_at_its_target_and_not_in_pauses() {
    let sent = sends(600, Some((4, 6)));
    assert_eq!((rate(&sent, 0, 1), rate(&sent, 9, 10)), (0, 0));
    assert!(rate(&sent, 4, 6) < 10, "{}", rate(&sent, 4, 6));
    for (from, until) in [(1, 4), (6, 9)] {
        let rate = rate(&sent, from, until);
        assert!((540..660).contains(&rate), "{rate} kbit/s from {from} s on");
    }
    assert!(sent.iter().all(|(_, packet)| packet.is_media && packet.size <= 1_200));
    let in_order = sent.windows(2).all(|pair| pair[1].1.sequence == pair[0].1.sequence + 1);
    assert!(in_order, "transport-wide numbers have no gaps");
}

#[test]
fn what_an_encoder_makes_too_much_leaves_late_or_never_and_does_not_pile_up() {
    // The pacer lets everything out within 400 ms, so what waits is bounded although the target is a tenth.
    let sent = sends(50, None);
    let rate = rate(&sent, 2, 9);
    assert!((400..560).contains(&rate), "{rate} kbit/s");
}
