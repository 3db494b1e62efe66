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
fn a_path_is_ample_while_it_carries_twice_what_is_sent_and_no_queue_grows() {
    let mut gcc = Gcc::new(Limits { start: Bitrate::kbps(1_000), ..Limits::default() });
    let demand = |kbps| Demand { sending: Bitrate::kbps(kbps), wanted: Bitrate::kbps(kbps) };
    assert!(!gcc.control().is_ample, "nobody has said what is sent");
    gcc.handle_demand(at(0), demand(500));
    assert!(gcc.control().is_ample);
    gcc.handle_demand(at(0), demand(501));
    assert!(!gcc.control().is_ample);
    gcc.handle_demand(at(0), demand(100));
    feed(&mut gcc, 0, 2_000, |_| Some(20));
    assert!(gcc.control().is_ample);
    // Each packet waits longer than the one before.
    feed(&mut gcc, 2_000, 2_500, |ms| Some(20 + (ms - 2_000) / 2));
    assert_eq!(gcc.snapshot().state, NetworkState::Overused);
    assert!(!gcc.control().is_ample);
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
    gcc.handle_demand(at(20_071), Demand { sending: Bitrate::kbps(400), wanted: Bitrate::kbps(5_000) });
    gcc.handle_timeout(at(20_072));
    assert_eq!(gcc.poll_probe(), None, "nor is more looked for");
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
fn a_leg_that_has_enough_needs_no_timer() {
    let mut gcc = Gcc::new(Limits { start: Bitrate::kbps(2_000), ..Limits::default() });
    gcc.handle_demand(at(0), Demand { sending: Bitrate::kbps(900), wanted: Bitrate::kbps(900) });
    gcc.handle_timeout(at(0));
    feed(&mut gcc, 0, 5_000, |_| Some(20));
    let due = gcc.poll_timeout();
    assert!(due.is_none_or(|due| due <= at(1_000)), "{due:?}");
    gcc.handle_timeout(at(5_000));
    assert_eq!(gcc.poll_timeout(), None);
}
