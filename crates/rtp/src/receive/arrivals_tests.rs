use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::rtcp::{Compound, MAX_COMPOUND, Packet, ReportClock};

const ONE: Ssrc = Ssrc(1);
const OTHER: Ssrc = Ssrc(2);
/// 1/1,024 s, and what rounding adds.
const TICK: Duration = Duration::from_micros(1_000);

fn at(milliseconds: u64) -> Time {
    Time::since_start(Duration::from_millis(milliseconds))
}

/// What a report says: of each source, in order, its packets and how long before the report they came.
type Told = Vec<(Ssrc, Vec<(u16, Option<(Duration, Ecn)>)>)>;

fn report(arrivals: &mut Arrivals, now: Time) -> Option<Told> {
    let mut buffer = [0; MAX_COMPOUND];
    let mut writer = Writer::new(&mut buffer);
    arrivals.write(now, 0, Ssrc(9), &mut writer).expect("an empty compound has room");
    let length = writer.len();
    let Some(Ok(Packet::CongestionFeedback(feedback))) = Compound::parse(&buffer[..length]).next() else {
        assert_eq!(length, 0);
        return None;
    };
    let time = ReportClock::default().unwrap(feedback.timestamp);
    let before = |(arrival, ecn): (Duration, Ecn)| (time - arrival, ecn);
    let block = |block: crate::rtcp::StreamFeedback<'_>| {
        let reports = block.reports(time).map(|(sequence, arrival)| (sequence, arrival.map(before)));
        (block.ssrc, reports.collect())
    };
    Some(feedback.blocks().map(block).collect())
}

/// Which packets are told of, and whether they arrived.
fn numbers(told: &Told, ssrc: Ssrc) -> Vec<(u16, bool)> {
    let of_source = told.iter().filter(|(source, _)| *source == ssrc);
    of_source
        .flat_map(|(_, reports)| reports.iter().map(|(sequence, arrival)| (*sequence, arrival.is_some())))
        .collect()
}

#[test]
fn a_report_waits_a_little_and_follows_the_last_one_at_a_distance() {
    let mut arrivals = Arrivals::default();
    assert_eq!(arrivals.poll_timeout(), None);
    arrivals.record(ONE, 7, at(100), Ecn::NotEct);
    arrivals.record(ONE, 8, at(110), Ecn::NotEct);
    assert_eq!(arrivals.poll_timeout(), Some(at(125)));
    assert_eq!(report(&mut arrivals, at(124)), None);
    assert!(report(&mut arrivals, at(125)).is_some());
    assert_eq!(arrivals.poll_timeout(), None);
    arrivals.record(ONE, 9, at(130), Ecn::NotEct);
    assert_eq!(arrivals.poll_timeout(), Some(at(175)));
}

#[test]
fn every_source_is_told_of_with_what_is_missing_and_how_it_was_marked() {
    let mut arrivals = Arrivals::default();
    arrivals.record(ONE, 0xffff, at(100), Ecn::Ect1);
    arrivals.record(OTHER, 500, at(101), Ecn::NotEct);
    arrivals.record(ONE, 1, at(110), Ecn::Ce);
    let told = report(&mut arrivals, at(130)).expect("due");
    assert_eq!(numbers(&told, ONE), [(0xffff, true), (0, false), (1, true)]);
    assert_eq!(numbers(&told, OTHER), [(500, true)]);
    let (before, ecn) = told[0].1[2].1.expect("arrived");
    assert!(before.abs_diff(Duration::from_millis(20)) <= TICK, "{before:?}");
    assert_eq!(ecn, Ecn::Ce);
    // Only the one that goes on is told of further.
    arrivals.record(ONE, 2, at(140), Ecn::NotEct);
    let told = report(&mut arrivals, at(200)).expect("due");
    assert_eq!(told.len(), 1);
    assert_eq!(numbers(&told, ONE), [(2, true)]);
}

#[test]
fn what_comes_after_its_loss_was_told_is_told_with_all_that_follow_it() {
    let mut arrivals = Arrivals::default();
    for sequence in [10, 11, 13, 14] {
        arrivals.record(ONE, sequence, at(100), Ecn::NotEct);
    }
    report(&mut arrivals, at(200)).expect("due");
    arrivals.record(ONE, 12, at(210), Ecn::NotEct);
    arrivals.record(ONE, 16, at(211), Ecn::NotEct);
    let told = report(&mut arrivals, at(300)).expect("due");
    assert_eq!(numbers(&told, ONE), [(12, true), (13, true), (14, true), (15, false), (16, true)]);
}

#[test]
fn of_several_copies_the_first_arrival_counts_and_any_mark_of_congestion() {
    let mut arrivals = Arrivals::default();
    arrivals.record(ONE, 10, at(100), Ecn::Ect0);
    arrivals.record(ONE, 10, at(110), Ecn::Ect1);
    let told = report(&mut arrivals, at(130)).expect("due");
    let (before, ecn) = told[0].1[0].1.expect("arrived");
    assert!(before.abs_diff(Duration::from_millis(30)) <= TICK);
    assert_eq!(ecn, Ecn::Ect0);
    arrivals.record(ONE, 10, at(140), Ecn::Ect0);
    assert_eq!(arrivals.poll_timeout(), None);
    arrivals.record(ONE, 10, at(150), Ecn::Ce);
    let told = report(&mut arrivals, at(200)).expect("due");
    let (before, ecn) = told[0].1[0].1.expect("arrived");
    assert!(before.abs_diff(Duration::from_millis(100)) <= TICK);
    assert_eq!(ecn, Ecn::Ce);
}

#[test]
fn a_source_that_numbers_anew_is_followed() {
    let mut arrivals = Arrivals::default();
    arrivals.record(ONE, 40_000, at(0), Ecn::NotEct);
    report(&mut arrivals, at(100)).expect("due");
    // From behind, and after a few packets it is believed.
    for sequence in 20_000..20_030 {
        arrivals.record(ONE, sequence, at(200), Ecn::NotEct);
    }
    let told = report(&mut arrivals, at(300)).expect("due");
    let strays = u16::from(STRAYS);
    assert!(numbers(&told, ONE).into_iter().eq((20_000 + strays - 1..20_030).map(|sequence| (sequence, true))));
    // Far ahead: what lies between is not told of.
    arrivals.record(ONE, 30_000, at(400), Ecn::NotEct);
    let told = report(&mut arrivals, at(500)).expect("due");
    assert_eq!(numbers(&told, ONE), [(30_000, true)]);
}

#[test]
fn what_does_not_fit_one_compound_follows_at_once_in_the_next() {
    let mut arrivals = Arrivals::default();
    for ssrc in 1..=5 {
        (0..300).for_each(|sequence| arrivals.record(Ssrc(ssrc), sequence, at(100), Ecn::NotEct));
    }
    let mut told = BTreeMap::new();
    let mut compounds = 0;
    while arrivals.poll_timeout().is_some_and(|due| due <= at(200)) {
        compounds += 1;
        assert!(compounds < 10, "it talks for ever");
        for (ssrc, reports) in report(&mut arrivals, at(200)).expect("due") {
            told.entry(ssrc).or_insert_with(Vec::new).extend(reports.into_iter().map(|(sequence, _)| sequence));
        }
    }
    // 3,000 bytes.
    assert_eq!(compounds, 3);
    assert_eq!(told.len(), 5);
    assert!(told.into_values().all(|sequences| sequences.into_iter().eq(0..300)));
    // In what is left of a compound it is not begun.
    arrivals.record(ONE, 300, at(300), Ecn::NotEct);
    let mut small = [0; WORTHWHILE - 1];
    assert_eq!(arrivals.write(at(400), 0, Ssrc(9), &mut Writer::new(&mut small)), Err(NoRoom));
    assert_eq!(arrivals.poll_timeout(), Some(at(325)));
}

#[test]
fn of_very_many_sources_the_one_that_is_silent_longest_makes_room() {
    let mut arrivals = Arrivals::default();
    for ssrc in 0..MOST_SOURCES as u32 + 10 {
        arrivals.record(Ssrc(ssrc), 1, at(u64::from(ssrc)), Ecn::NotEct);
    }
    assert_eq!(arrivals.sources.len(), MOST_SOURCES);
    assert!(arrivals.sources.iter().all(|source| source.ssrc.0 >= 10));
    while report(&mut arrivals, at(1_000)).is_some() {}
    assert_eq!(arrivals.poll_timeout(), None);
    // One that never was told of makes room, too, and then there is nothing to tell.
    let mut lone = Arrivals::default();
    lone.record(ONE, 1, at(0), Ecn::NotEct);
    lone.sources[0] = Source::new(OTHER);
    assert_eq!(report(&mut lone, at(100)), None);
    assert_eq!(lone.poll_timeout(), None);
}

proptest! {
    /// Whatever order they come in: a packet is told as arrived in the end if it arrived, and never if it did not.
    #[test]
    fn what_arrived_is_told_as_arrived_and_nothing_else_is(
        start: u16,
        steps in proptest::collection::vec((0u16..50, 0u64..20, 0usize..3), 1..400),
    ) {
        let mut arrivals = Arrivals::default();
        let (mut now, mut newest) = (1_000u64, 0u16);
        let mut arrived = BTreeMap::new();
        let mut told = BTreeMap::new();
        let mut read = |arrivals: &mut Arrivals, now: u64| -> Result<(), TestCaseError> {
            while let Some(report) = report(arrivals, at(now)) {
                for (ssrc, reports) in report {
                    for (sequence, arrival) in reports {
                        let before = told.insert((ssrc, sequence), arrival.is_some());
                        // It is not taken back.
                        prop_assert!(before != Some(true) || arrival.is_some());
                    }
                }
            }
            Ok(())
        };
        for (back, pause, source) in steps {
            now += pause;
            // Mostly forward; up to a few behind the newest, within what is remembered.
            newest += 2;
            let sequence = start.wrapping_add(newest.saturating_sub(back).max(1));
            let ssrc = [ONE, ONE, OTHER][source];
            arrivals.record(ssrc, sequence, at(now), Ecn::NotEct);
            arrived.entry((ssrc, sequence)).or_insert(now);
            read(&mut arrivals, now)?;
        }
        read(&mut arrivals, now + 1_000)?;
        prop_assert_eq!(arrivals.poll_timeout(), None);
        for (packet, is_there) in &told {
            prop_assert_eq!(*is_there, arrived.contains_key(packet));
        }
        // Those before the first of a source are not remembered.
        let forgotten = arrived.keys().filter(|packet| !told.contains_key(packet)).count();
        prop_assert!(forgotten <= 100, "{}", forgotten);
    }
}
