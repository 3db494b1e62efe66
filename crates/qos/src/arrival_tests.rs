use super::*;

fn at(ms: u64) -> Time {
    Time::since_start(Duration::from_millis(ms))
}

/// The numbers of the report that is due now, with their arrivals in ms.
fn report(log: &mut ArrivalLog, now: u64) -> Option<Vec<(u16, Option<u64>)>> {
    let feedback = log.poll_feedback(at(now))?;
    Some(feedback.arrivals().map(|(s, t)| (s, t.map(|t| t.to_duration().as_millis() as u64))).collect())
}

#[test]
fn many_packets_are_reported_every_50_ms_and_few_every_250() {
    let mut log = ArrivalLog::new();
    assert_eq!(log.poll_timeout(), None);
    log.record(7, at(1_000));
    assert_eq!(log.poll_timeout(), Some(at(1_250)));
    assert!(log.poll_feedback(at(1_249)).is_none());
    for i in 1..10 {
        log.record(7 + i, at(1_010));
    }
    assert_eq!(log.poll_timeout(), Some(at(1_050)));
    let feedback = log.poll_feedback(at(1_050)).unwrap();
    assert_eq!((feedback.base, feedback.len, feedback.count), (7, 10, 0));
    assert_eq!(feedback.reference(), at(960), "a multiple of 64 ms");
    assert_eq!(log.poll_timeout(), None);
    log.record(17, at(1_060));
    assert_eq!(log.poll_timeout(), Some(at(1_300)));
}

#[test]
fn what_waits_can_be_reported_before_it_is_due() {
    let mut log = ArrivalLog::new();
    assert!(log.take_feedback(at(0)).is_none());
    for (sequence, time) in [(1, 10), (2, 20), (3, 45)] {
        log.record(sequence, at(time));
        assert!(log.poll_feedback(at(time)).is_none());
        let feedback = log.take_feedback(at(time)).unwrap();
        assert_eq!((feedback.base, feedback.len, feedback.count), (sequence, 1, sequence as u8 - 1));
        assert!(log.take_feedback(at(time)).is_none());
    }
}

#[test]
fn what_is_missing_is_told_and_told_again_when_it_comes_late() {
    let mut log = ArrivalLog::new();
    log.record(65_534, at(100));
    log.record(1, at(110));
    let numbers = report(&mut log, 400).unwrap();
    assert_eq!(numbers, [(65_534, Some(100)), (65_535, None), (0, None), (1, Some(110))]);
    log.record(0, at(420));
    log.record(0, at(430));
    log.record(2, at(440));
    assert_eq!(report(&mut log, 700).unwrap(), [(0, Some(420)), (1, Some(110)), (2, Some(440))]);
    assert_eq!(report(&mut log, 1_000), None);
}

#[test]
fn a_packet_from_before_the_first_is_reported() {
    let mut log = ArrivalLog::new();
    log.record(5, at(100));
    log.record(3, at(101));
    assert_eq!(report(&mut log, 400).unwrap(), [(3, Some(101)), (4, None), (5, Some(100))]);
}

#[test]
fn a_burst_is_reported_at_once_in_reports_that_fit_a_packet() {
    let mut log = ArrivalLog::new();
    for i in 0..1_000 {
        log.record(i, at(10));
    }
    let mut lengths = Vec::new();
    while let Some(feedback) = log.poll_feedback(at(10)) {
        lengths.push(feedback.len);
    }
    assert_eq!(lengths, [400, 400, 200]);
}

#[test]
fn a_jump_over_everything_reports_what_came_and_stays_bounded() {
    let mut log = ArrivalLog::new();
    log.record(0, at(10));
    log.record(30_000, at(20));
    log.record(30_001, at(21));
    let told: Vec<u16> = std::iter::from_fn(|| report(&mut log, 300))
        .flatten()
        .filter_map(|(sequence, at)| at.map(|_| sequence))
        .collect();
    assert_eq!(told, [30_000, 30_001]);
    assert!(log.ring.len() <= CAPACITY);
}

#[test]
fn differences_that_do_not_fit_begin_another_report() {
    let mut log = ArrivalLog::new();
    log.record(1, at(10));
    log.record(2, at(9_000));
    assert_eq!(report(&mut log, 9_300).unwrap(), [(1, Some(10))]);
    assert_eq!(report(&mut log, 9_300).unwrap(), [(2, Some(9_000))]);
    assert_eq!(report(&mut log, 9_900), None);
}

#[test]
fn numbers_wrap_many_times() {
    let mut log = ArrivalLog::new();
    let mut told = 0;
    for i in 0..400_000_u32 {
        log.record(i as u16, Time::since_start(Duration::from_micros(u64::from(i) * 500)));
        while let Some(feedback) = log.poll_feedback(Time::since_start(Duration::from_micros(u64::from(i) * 500))) {
            assert!(feedback.arrivals().all(|(_, at)| at.is_some()));
            told += u32::from(feedback.len);
        }
    }
    assert!(told > 399_800, "{told}");
    assert!(log.ring.len() <= 512, "reports keep it short: {}", log.ring.len());
}
