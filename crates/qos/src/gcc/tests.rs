use super::*;
use crate::Ecn;

fn at(ms: u64) -> Time {
    Time::since_start(Duration::from_millis(ms))
}

fn sent(ms: u64) -> SentPacket {
    SentPacket { at: at(ms), size: 1_250, probe: None, is_media: true }
}

/// Packets every 10 ms (1 Mbit/s) from `from` to `until`, reported every 50 ms; they take `delay` ms.
fn feed(gcc: &mut Gcc, from: u64, until: u64, delay: impl Fn(u64) -> Option<u64>) {
    let mut results = Vec::new();
    for ms in (from..until).step_by(10) {
        gcc.handle_sent(&sent(ms));
        let received = delay(ms).map(|delay| Duration::from_millis(ms + delay));
        results.push(PacketResult { sent: sent(ms), sequence: ms / 10, received, ecn: Ecn::NotEct });
        if ms % 50 == 40 {
            gcc.handle_feedback(at(ms + 50), &results);
            results.clear();
        }
    }
}

fn target(gcc: &Gcc) -> u64 {
    gcc.control().target.as_bps() / 1_000
}

#[test]
fn without_reports_it_stays_where_it_began_and_does_not_probe_on_and_on() {
    let mut gcc = Gcc::new(Limits::default());
    gcc.handle_demand(at(0), Demand { sending: Bitrate::kbps(1_000), wanted: Bitrate::kbps(5_000) });
    let mut probes = 0;
    for ms in (0..20_000).step_by(10) {
        gcc.handle_sent(&sent(ms));
        gcc.handle_timeout(at(ms));
        probes += std::iter::from_fn(|| gcc.poll_probe()).count();
    }
    assert_eq!((target(&gcc), probes), (300, 2));
    assert_eq!(gcc.snapshot().state, NetworkState::Steady, "who never spoke is not silent");
}

#[test]
fn remb_limits_and_leaves_no_trace() {
    let mut gcc = Gcc::new(Limits::default());
    feed(&mut gcc, 0, 20_000, |_| Some(20));
    let before = target(&gcc);
    assert!(before > 900, "{before}");
    gcc.handle_remote_limit(at(20_060), Some(Bitrate::kbps(50_000)));
    assert_eq!(target(&gcc), before);
    gcc.handle_remote_limit(at(20_070), Some(Bitrate::kbps(400)));
    assert_eq!(target(&gcc), 400);
    gcc.handle_remote_limit(at(20_075), Some(Bitrate::bps(1)));
    assert_eq!(target(&gcc), 30, "the floor");
    gcc.handle_remote_limit(at(20_080), None);
    assert_eq!(target(&gcc), before, "what it limited is still there");
}

#[test]
fn a_growing_queue_is_seen_and_told() {
    let mut gcc = Gcc::new(Limits { start: Bitrate::kbps(1_000), ..Limits::default() });
    feed(&mut gcc, 0, 5_000, |_| Some(20));
    assert_eq!(gcc.snapshot().state, NetworkState::Steady);
    let before = target(&gcc);
    feed(&mut gcc, 5_000, 5_400, |ms| Some(20 + (ms - 5_000) / 4));
    assert_eq!(gcc.snapshot().state, NetworkState::Overused);
    assert!(target(&gcc) < before);
    assert_eq!(gcc.snapshot().round_trip.map(|time| time.as_millis() >= 20), Some(true));
}

#[test]
fn heavy_losses_are_seen_and_told() {
    let mut gcc = Gcc::new(Limits { start: Bitrate::kbps(1_000), ..Limits::default() });
    feed(&mut gcc, 0, 10_000, |ms| (ms % 30 != 0).then_some(20));
    let snapshot = gcc.snapshot();
    assert!((0.25..0.40).contains(&snapshot.loss), "{snapshot:?}");
    assert!(snapshot.loss_based.is_some(), "{snapshot:?}");
}

#[test]
fn a_leg_that_sends_enough_needs_no_timer() {
    let mut gcc = Gcc::new(Limits { start: Bitrate::kbps(1_000), ..Limits::default() });
    gcc.handle_demand(at(0), Demand { sending: Bitrate::kbps(1_000), wanted: Bitrate::kbps(1_000) });
    gcc.handle_timeout(at(0));
    while gcc.poll_probe().is_some() {}
    feed(&mut gcc, 0, 1_500, |_| Some(20));
    gcc.handle_timeout(at(1_500));
    assert_eq!(gcc.poll_timeout(), None);
}

#[test]
fn silence_brings_the_target_down_while_it_lasts_and_no_longer() {
    let mut gcc = Gcc::new(Limits { start: Bitrate::kbps(1_000), ..Limits::default() });
    feed(&mut gcc, 0, 5_000, |_| Some(20));
    let before = target(&gcc);
    for ms in (5_000..12_000).step_by(10) {
        gcc.handle_sent(&sent(ms));
        if gcc.poll_timeout().is_some_and(|due| due <= at(ms)) {
            gcc.handle_timeout(at(ms));
        }
    }
    assert_eq!(gcc.snapshot().state, NetworkState::Silent);
    assert!(target(&gcc) < before / 2, "{} of {before}", target(&gcc));
    feed(&mut gcc, 12_000, 12_100, |_| Some(20));
    assert!(target(&gcc) >= before * 9 / 10, "{} of {before}", target(&gcc));
}

#[test]
fn a_probe_that_gets_through_more_slowly_lowers_the_target_to_what_it_found() {
    let mut gcc = Gcc::new(Limits { start: Bitrate::kbps(2_000), ..Limits::default() });
    gcc.handle_timeout(at(0));
    let probe = gcc.poll_probe().unwrap();
    feed(&mut gcc, 0, 1_000, |_| Some(20));
    let before = target(&gcc);
    let results: Vec<_> = (0..10)
        .map(|i| {
            let at = at(1_000) + Duration::from_micros(i * 1_667);
            let sent = SentPacket { at, size: 1_250, probe: Some(probe.id), is_media: true };
            let received = Some(Duration::from_millis(1_020 + i * 10));
            PacketResult { sent, sequence: 100 + i, received, ecn: Ecn::NotEct }
        })
        .collect();
    gcc.handle_feedback(at(1_150), &results);
    assert!(before > 1_900 && (800..1_050).contains(&target(&gcc)), "{before}, then {}", target(&gcc));
}

#[test]
fn another_route_is_probed_up_to_what_is_wanted() {
    let mut gcc = Gcc::new(Limits::default());
    gcc.handle_demand(at(0), Demand { sending: Bitrate::kbps(300), wanted: Bitrate::kbps(600) });
    gcc.handle_timeout(at(0));
    feed(&mut gcc, 0, 5_000, |_| Some(20));
    while gcc.poll_probe().is_some() {}
    gcc.handle_route_change(at(5_000));
    gcc.handle_timeout(at(5_000));
    let rates: Vec<_> = std::iter::from_fn(|| gcc.poll_probe()).map(|probe| probe.rate.as_bps() / 1_000).collect();
    assert_eq!((target(&gcc), rates), (300, vec![900, 1_200]));
}
