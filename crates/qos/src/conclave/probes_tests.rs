use super::*;
use crate::{Ecn, SentPacket};

const ROUND_TRIP: Duration = Duration::from_millis(100);

fn at(ms: u64) -> Time {
    Time::since_start(Duration::from_millis(ms))
}

/// Bit/s as kbit/s.
fn kbps(probe: Option<Probe>) -> Option<u64> {
    probe.map(|probe| probe.rate.as_bps() / 1_000)
}

/// All packets of a probe arrive through a path that carries so much, bit/s; what the probe shows.
fn send(probes: &mut Probes, probe: Probe, carries: f64, now: u64, estimate: f64, most: f64) -> Option<f64> {
    let packets = (probe.bytes / 1_000).max(probe.packets) + 1;
    let gap = |rate: f64| 8_000_000_000.0 / rate;
    let (sent, arrived) = (gap(probe.rate.as_bps() as f64), gap(carries.min(probe.rate.as_bps() as f64)));
    for number in 0..packets {
        let left = now * 1_000 + (f64::from(number) * sent) as u64;
        let came = now * 1_000 + 50_000 + (f64::from(number) * arrived) as u64;
        let sent = SentPacket {
            at: Time::since_start(Duration::from_micros(left)),
            size: 1_000,
            probe: Some(probe.id),
            is_media: false,
        };
        let received = Some(Duration::from_micros(came));
        let result = PacketResult { sent, sequence: number.into(), received, ecn: Ecn::NotEct };
        probes.handle_packet(&result, came as i64);
    }
    probes.handle_report(at(now + 150), estimate, most, ROUND_TRIP)
}

/// A first probe of 900 kbit/s.
fn begun() -> (Probes, Probe) {
    let mut probes = Probes::default();
    probes.consider(at(0), 300e3, 10e6, ROUND_TRIP);
    let probe = probes.poll().unwrap();
    (probes, probe)
}

#[test]
fn the_first_looks_for_three_times_what_is_assumed_and_each_that_is_through_for_more() {
    let (mut probes, probe) = begun();
    assert_eq!(kbps(Some(probe)), Some(900));
    let shown = send(&mut probes, probe, 100e6, 0, 300e3, 10e6).unwrap();
    assert!((shown - 900e3).abs() < 20e3, "{shown}");
    let further = kbps(probes.poll()).unwrap();
    assert!((2_200..2_300).contains(&further), "{further}");
}

/// Half of a probe's packets get lost.
fn lose_half(probes: &mut Probes, probe: Probe, now: u64) -> Option<f64> {
    for number in 0..8_u32 {
        let left = Time::since_start(Duration::from_millis(now + u64::from(number)));
        let sent = SentPacket { at: left, size: 1_000, probe: Some(probe.id), is_media: false };
        let received = (number % 2 == 0).then(|| left.to_duration());
        let result = PacketResult { sent, sequence: number.into(), received, ecn: Ecn::NotEct };
        match received {
            Some(received) => probes.handle_packet(&result, received.as_micros() as i64),
            None => probes.handle_loss(&result),
        }
    }
    probes.handle_report(at(now + 100), 300e3, 10e6, ROUND_TRIP)
}

#[test]
fn a_train_that_lost_too_much_is_repeated_once_at_once() {
    let (mut probes, probe) = begun();
    assert_eq!(lose_half(&mut probes, probe, 0), None);
    let again = probes.poll().expect("at once");
    assert_eq!((again.rate, again.id == probe.id), (probe.rate, false));
    assert_eq!(lose_half(&mut probes, again, 200), None);
    probes.consider(at(400), 300e3, 10e6, ROUND_TRIP);
    assert_eq!(probes.poll(), None, "it failed");
    probes.consider(at(2_000), 300e3, 10e6, ROUND_TRIP);
    let next = probes.poll().expect("after a while");
    assert!(next.rate < probe.rate);
    assert_eq!(lose_half(&mut probes, next, 2_000), None);
    assert!(probes.poll().is_some(), "what comes after a failure is repeated, too");
}

#[test]
fn no_more_is_looked_for_than_is_worth_it() {
    let (mut probes, probe) = begun();
    assert!(send(&mut probes, probe, 100e6, 0, 300e3, 940e3).is_some());
    assert_eq!(probes.poll(), None);
    probes.consider(at(5_000), 900e3, 940e3, ROUND_TRIP);
    assert_eq!(probes.poll(), None, "a few percent more are not worth a probe");
}

#[test]
fn a_probe_that_fills_the_path_shows_a_little_less_than_it_carries_and_is_not_followed() {
    let (mut probes, probe) = begun();
    let shown = send(&mut probes, probe, 500e3, 0, 300e3, 10e6).unwrap();
    assert!((shown - 475e3).abs() < 20e3, "{shown}");
    assert_eq!(probes.poll(), None);
}

#[test]
fn each_that_fails_makes_the_next_wait_longer_unless_there_seems_to_be_more() {
    let (mut probes, _) = begun();
    let mut begins = Vec::new();
    for ms in (10..40_000).step_by(10) {
        probes.consider(at(ms), 1e6, 10e6, ROUND_TRIP);
        begins.extend(probes.poll().map(|_| ms));
    }
    let gaps: Vec<u64> = begins.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.windows(2).all(|pair| pair[0] <= pair[1]), "{gaps:?}");
    assert!((8_000..9_500).contains(gaps.last().unwrap()), "{gaps:?}");
    probes.consider(at(41_000), 1e6, 10e6, ROUND_TRIP);
    probes.hurry(at(41_000));
    probes.consider(at(41_260), 1e6, 10e6, ROUND_TRIP);
    assert_eq!(kbps(probes.poll()), Some(1_600));
}

#[test]
fn what_was_believed_and_did_not_hold_makes_probes_longer() {
    let (mut probes, probe) = begun();
    let shown = send(&mut probes, probe, 100e6, 0, 300e3, 900e3).unwrap();
    assert!(shown > 800e3);
    probes.handle_deception(at(500), 310e3);
    probes.consider(at(1_000), 300e3, 900e3, ROUND_TRIP);
    assert_eq!(probes.poll(), None, "not soon");
    probes.consider(at(9_000), 300e3, 900e3, ROUND_TRIP);
    let longer = probes.poll().unwrap();
    let length = |probe: Probe| f64::from(probe.bytes) * 8.0 / probe.rate.as_bps() as f64;
    assert!(length(longer) > 1.9 * length(probe), "{longer:?} after {probe:?}");
}

#[test]
fn packets_of_no_probe_and_too_few_of_one_say_nothing() {
    let (mut probes, probe) = begun();
    assert_eq!(probes.handle_report(at(100), 300e3, 10e6, ROUND_TRIP), None);
    let other = Probe { id: ProbeId(77), ..probe };
    assert_eq!(send(&mut probes, other, 100e6, 0, 300e3, 10e6), None);
}

#[test]
fn what_nobody_has_tried_stays_in_doubt_until_it_arrives() {
    // Whether so much arrives for a while before less turns out to fit.
    for (arrives, until, is_deception) in [(150e3, 14_000, true), (800e3, 13_100, true), (800e3, 13_200, false)] {
        let (mut probes, probe) = begun();
        let shown = send(&mut probes, probe, 100e6, 0, 300e3, 900e3).unwrap();
        assert!(shown > 800e3);
        for ms in (13_000..=until).step_by(100) {
            probes.handle_arrived(at(ms), arrives);
        }
        probes.handle_deception(at(15_000), 310e3);
        probes.consider(at(25_000), 300e3, 900e3, ROUND_TRIP);
        let next = probes.poll().unwrap();
        let length = |probe: Probe| f64::from(probe.bytes) * 8.0 / probe.rate.as_bps() as f64;
        assert_eq!(length(next) > 1.9 * length(probe), is_deception, "{next:?} after {probe:?}");
    }
}
