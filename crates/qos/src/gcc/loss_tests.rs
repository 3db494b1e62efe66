use super::*;
use crate::{Ecn, SentPacket};

/// 20 s in which 1,200-byte packets are sent at `rate` and those lost for which `lost` holds; what is allowed.
fn run(rate: f64, delay_based: f64, lost: impl Fn(u64) -> bool) -> LossBased {
    let mut loss = LossBased::new(30e3, 100e6);
    let gap = (1_200.0 * 8.0 * 1e6 / rate) as u64;
    let mut reports = Vec::new();
    let mut reported = 0;
    for sequence in 0..20_000_000 / gap {
        let micros = sequence * gap;
        let at = Time::since_start(Duration::from_micros(micros));
        let received = (!lost(sequence)).then(|| Duration::from_micros(micros + 20_000));
        let sent = SentPacket { at, size: 1_200, probe: None, is_media: true };
        reports.push(PacketResult { sent, sequence, received, ecn: Ecn::NotEct });
        if micros - reported >= 50_000 {
            reported = micros;
            let arrived = reports.iter().filter(|report| report.received.is_some()).count();
            loss.set_acknowledged(rate * arrived as f64 / reports.len() as f64);
            loss.handle_report(&reports, delay_based, false);
            reports.clear();
        }
    }
    loss
}

/// Evenly spread but without a pattern that windows could resonate with.
fn share(percent: u64) -> impl Fn(u64) -> bool {
    move |sequence| sequence.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32 & 0xFFFF < 65_536 * percent / 100
}

#[test]
fn without_losses_they_do_not_limit() {
    let loss = run(2e6, 2.5e6, |_| false);
    assert_eq!((loss.state(), loss.limit(), loss.loss()), (LossState::DelayBased, Some(2.5e6), 0.0));
}

#[test]
fn two_percent_are_taken_for_the_paths_own() {
    let loss = run(2e6, 2.5e6, share(2));
    assert!(loss.limit().is_none_or(|limit| limit > 1.9e6), "{:?}", loss.limit());
    assert!((0.01..0.03).contains(&loss.loss()), "{}", loss.loss());
}

#[test]
fn heavy_losses_bring_the_rate_down_to_what_arrives() {
    let loss = run(2e6, 4e6, share(40));
    assert_ne!(loss.state(), LossState::DelayBased);
    let limit = loss.limit().unwrap();
    assert!((1.0e6..1.5e6).contains(&limit), "{limit}");
}

#[test]
fn what_comes_late_is_not_lost() {
    let mut loss = LossBased::new(30e3, 100e6);
    for round in 0..20_u64 {
        let sent = |i: u64| SentPacket {
            at: Time::since_start(Duration::from_millis(round * 300 + i * 30)),
            size: 1_200,
            probe: None,
            is_media: true,
        };
        let first = |i: u64| PacketResult { sent: sent(i), sequence: round * 10 + i, received: None, ecn: Ecn::NotEct };
        let missing: Vec<_> = (0..5).map(first).collect();
        loss.handle_report(&missing, 1e6, false);
        let arrived = |i| PacketResult { received: Some(Duration::from_millis(1)), ..first(i) };
        let late: Vec<_> = (0..10).map(arrived).collect();
        loss.handle_report(&late, 1e6, false);
    }
    assert!(loss.loss() < 0.01, "{}", loss.loss());
}
