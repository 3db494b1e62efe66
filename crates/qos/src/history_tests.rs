use super::*;

fn packet(size: u32) -> SentPacket {
    SentPacket { at: Time::default(), size, probe: None, is_media: true }
}

fn acknowledge(history: &mut SendHistory, reports: &[(u16, Option<u64>)]) -> Vec<(u64, u32, bool)> {
    let mut results = Vec::new();
    let reports = reports.iter().map(|(sequence, at)| (*sequence, at.map(Duration::from_millis)));
    history.acknowledge(reports, &mut results);
    results.iter().map(|result| (result.sequence, result.sent.size, result.received.is_some())).collect()
}

#[test]
fn a_loss_is_told_once_an_arrival_once_and_an_arrival_after_a_loss() {
    let mut history = SendHistory::new();
    for size in 100..103 {
        history.record(packet(size));
    }
    let told = acknowledge(&mut history, &[(0, Some(5)), (1, None), (2, Some(6))]);
    assert_eq!(told, [(0, 100, true), (1, 101, false), (2, 102, true)]);
    assert_eq!(acknowledge(&mut history, &[(0, Some(5)), (1, None), (2, None)]), []);
    assert_eq!(acknowledge(&mut history, &[(1, Some(9))]), [(1, 101, true)]);
    assert_eq!(acknowledge(&mut history, &[(1, Some(9))]), []);
}

#[test]
fn what_was_never_sent_is_ignored() {
    let mut history = SendHistory::new();
    assert_eq!(acknowledge(&mut history, &[(0, Some(1)), (65_535, None)]), []);
    history.record(packet(10));
    assert_eq!(acknowledge(&mut history, &[(1, Some(1)), (40_000, Some(2)), (65_535, None)]), []);
}

#[test]
fn numbers_wrap_and_old_packets_are_forgotten() {
    let mut history = SendHistory::new();
    for i in 0..100_000_u32 {
        assert_eq!(history.next_sequence(), i as u16);
        assert_eq!(history.record(packet(i % 1_500)), i as u16);
    }
    let newest = 99_999_u64;
    assert_eq!(acknowledge(&mut history, &[(newest as u16, Some(1))]), [(newest, 999, true)]);
    let oldest = 100_000 - CAPACITY as u64;
    assert_eq!(acknowledge(&mut history, &[(oldest as u16, None)]), [(oldest, (oldest % 1_500) as u32, false)]);
    assert_eq!(acknowledge(&mut history, &[((oldest - 1) as u16, None)]), []);
    assert_eq!(history.ring.len(), CAPACITY);
}

#[test]
fn growing_forgets_nothing() {
    let mut history = SendHistory::new();
    for i in 0..1_000 {
        history.record(packet(i));
    }
    for i in 0..1_000_u16 {
        assert_eq!(acknowledge(&mut history, &[(i, Some(1))]), [(u64::from(i), u32::from(i), true)]);
    }
}

#[test]
fn memory_follows_the_rate() {
    let mut history = SendHistory::new();
    // 200 packets a second: four seconds of them are 800.
    for i in 0..20_000_u64 {
        history.record(SentPacket { at: Time::since_start(Duration::from_millis(5 * i)), ..packet(1) });
    }
    assert_eq!(history.ring.len(), 1_024);
    assert_eq!(acknowledge(&mut history, &[((20_000 - 800) as u16, Some(1))]), [(20_000 - 800, 1, true)]);
}

#[test]
fn a_slow_leg_takes_little_memory() {
    let mut history = SendHistory::new();
    for i in 0..100_000 {
        let at = Time::since_start(Duration::from_millis(i * 20));
        history.record(SentPacket { at, probe: Some(ProbeId(7)), ..packet(100) });
    }
    assert_eq!(history.ring.len(), 256, "50 packets a second for 4 s");
    let mut results = Vec::new();
    history.acknowledge([(99_800_u64 as u16, None)].into_iter(), &mut results);
    assert_eq!(results[0].sent.probe, Some(ProbeId(7)));
}

#[test]
fn what_left_after_the_latest_arrival_is_in_flight() {
    let mut history = SendHistory::new();
    for size in [100, 200, 400, 800] {
        history.record(packet(size));
    }
    assert_eq!(history.in_flight(), 1_500);
    acknowledge(&mut history, &[(0, None)]);
    assert_eq!(history.in_flight(), 1_500, "a loss alone says nothing of what came after it");
    acknowledge(&mut history, &[(2, Some(5))]);
    assert_eq!(history.in_flight(), 800);
    acknowledge(&mut history, &[(1, Some(6))]);
    assert_eq!(history.in_flight(), 800);
    for _ in 0..CAPACITY {
        history.record(packet(1));
    }
    assert_eq!(history.in_flight(), CAPACITY as u64, "what is forgotten is no longer counted");
}

#[test]
fn what_left_before_the_route_changed_is_neither_in_flight_nor_reported() {
    let mut history = SendHistory::new();
    for _ in 0..3 {
        history.record(packet(100));
    }
    history.handle_route_change();
    assert_eq!((history.in_flight(), history.next_sequence()), (0, 3));
    assert_eq!(acknowledge(&mut history, &[(0, Some(1)), (1, None), (2, Some(2))]), []);
    for size in 0..1_000 {
        history.record(packet(size));
    }
    assert_eq!(acknowledge(&mut history, &[(3, Some(1)), (1_002, None)]), [(3, 0, true), (1_002, 999, false)]);
}
