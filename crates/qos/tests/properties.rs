//! Whatever is reported, nothing panics and every rate stays within its limits.

use std::time::Duration;

use conclave_qos::{
    ArrivalLog, Bitrate, Conclave, CongestionController, Demand, Ecn, Gcc, Limits, Nada, Pacer, PacketResult, Probe,
    ProbeId, Queued, Scream, SendHistory, SentPacket, Time, Turn,
};
use proptest::prelude::*;

/// Anything that can happen to a sender.
#[derive(Clone, Debug)]
enum Event {
    Send {
        wait: u32,
        size: u32,
        as_probe: bool,
        is_media: bool,
    },
    /// A report: sequence numbers relative to the latest, and times of arrival (µs).
    Report(Vec<(i16, Option<u64>)>),
    /// Results that no history ever gave.
    Invented(Vec<(u64, u64, Option<u64>)>),
    RoundTrip(u64),
    RemoteLimit(Option<u64>),
    RouteChange,
    Demand(u64, u64),
    Timeout(u32),
}

fn arrival() -> impl Strategy<Value = Option<u64>> {
    prop_oneof![
        1 => Just(None),
        4 => (0..100_000_000_u64).prop_map(Some),
        1 => any::<u64>().prop_map(Some),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => (0..50_000_u32, prop_oneof![9 => 0..1_500_u32, 1 => any::<u32>()], any::<bool>(), any::<bool>())
            .prop_map(|(wait, size, as_probe, is_media)| Event::Send { wait, size, as_probe, is_media }),
        4 => prop::collection::vec((prop_oneof![8 => -60..1_i16, 1 => any::<i16>()], arrival()), 0..80)
            .prop_map(Event::Report),
        1 => prop::collection::vec((any::<u64>(), any::<u64>(), arrival()), 0..20).prop_map(Event::Invented),
        1 => any::<u64>().prop_map(Event::RoundTrip),
        1 => prop::option::of(any::<u64>()).prop_map(Event::RemoteLimit),
        1 => Just(Event::RouteChange),
        1 => (any::<u64>(), any::<u64>()).prop_map(|(sending, wanted)| Event::Demand(sending, wanted)),
        1 => any::<u32>().prop_map(Event::Timeout),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    prop_oneof![
        Just(Limits::default()),
        (0..10_000_000_u64, 0..10_000_000_u64, 0..200_000_000_u64).prop_map(|(start, floor, ceiling)| Limits {
            start: Bitrate::bps(start),
            floor: Bitrate::bps(floor),
            ceiling: Bitrate::bps(ceiling),
        }),
    ]
}

/// Has a controller go through this; the target stays within the limits, and what is to be seen makes sense.
fn check(
    mut controller: Box<dyn CongestionController>,
    limits: Limits,
    events: Vec<Event>,
) -> Result<(), TestCaseError> {
    let mut history = SendHistory::new();
    let mut results = Vec::new();
    let mut now = Time::default();
    let mut probe = None;
    for event in events {
        match event {
            Event::Send { wait, size, as_probe, is_media } => {
                now = now + Duration::from_micros(u64::from(wait));
                let probe = probe.filter(|_| as_probe);
                let sent = SentPacket { at: now, size, probe, is_media };
                history.record(sent);
                controller.handle_sent(&sent);
            }
            Event::Report(reports) => {
                results.clear();
                let next = history.next_sequence();
                let reports = reports
                    .into_iter()
                    .map(|(back, at)| (next.wrapping_add_signed(back), at.map(Duration::from_micros)));
                history.acknowledge(reports, &mut results);
                controller.handle_feedback(now, &results);
            }
            Event::Invented(invented) => {
                let results: Vec<_> = invented
                    .into_iter()
                    .map(|(sequence, at, received)| PacketResult {
                        sent: SentPacket {
                            at: Time::since_start(Duration::from_micros(at)),
                            size: at as u32,
                            probe: Some(ProbeId(sequence as u32 % 8)),
                            is_media: true,
                        },
                        sequence,
                        received: received.map(Duration::from_secs),
                        ecn: [Ecn::NotEct, Ecn::Ect0, Ecn::Ect1, Ecn::Ce][sequence as usize % 4],
                    })
                    .collect();
                controller.handle_feedback(now, &results);
            }
            Event::RoundTrip(micros) => controller.handle_round_trip(now, Duration::from_micros(micros)),
            Event::RemoteLimit(limit) => controller.handle_remote_limit(now, limit.map(Bitrate::bps)),
            Event::RouteChange => {
                history.handle_route_change();
                controller.handle_route_change(now);
                prop_assert_eq!(history.in_flight(), 0);
            }
            Event::Demand(sending, wanted) => {
                controller.handle_demand(now, Demand { sending: Bitrate::bps(sending), wanted: Bitrate::bps(wanted) })
            }
            Event::Timeout(wait) => {
                now = now + Duration::from_micros(u64::from(wait));
                controller.handle_timeout(now);
            }
        }
        while let Some(next) = controller.poll_probe() {
            prop_assert!(next.rate <= limits.ceiling, "{next:?}");
            probe = Some(next.id);
        }
        let target = controller.control().target;
        prop_assert!(target >= limits.floor.min(limits.ceiling) && target <= limits.ceiling, "{target:?}");
        let snapshot = controller.snapshot();
        prop_assert!((0.0..=1.0).contains(&snapshot.loss), "{snapshot:?}");
        prop_assert!(snapshot.delay_based <= limits.ceiling, "{snapshot:?}");
        prop_assert!(
            controller.window().is_none_or(|window| window >= 2_000),
            "two packets may always be on their way"
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn the_target_of_our_own_stays_within_its_limits(limits in limits(), events in prop::collection::vec(event(), 1..120)) {
        check(Box::new(Conclave::new(limits)), limits, events)?;
    }

    #[test]
    fn the_target_of_gcc_stays_within_its_limits(limits in limits(), events in prop::collection::vec(event(), 1..120)) {
        check(Box::new(Gcc::new(limits)), limits, events)?;
    }

    #[test]
    fn the_target_of_nada_stays_within_its_limits(limits in limits(), events in prop::collection::vec(event(), 1..120)) {
        check(Box::new(Nada::new(limits)), limits, events)?;
    }

    #[test]
    fn the_target_of_scream_stays_within_its_limits(limits in limits(), events in prop::collection::vec(event(), 1..120)) {
        check(Box::new(Scream::new(limits)), limits, events)?;
    }

    #[test]
    fn a_pacer_that_is_obeyed_comes_to_an_end(
        pacing in 0..100_000_000_u64,
        padding in 0..100_000_000_u64,
        probes in prop::collection::vec((any::<u64>(), 0..200_000_u32, 0..50_u32), 0..6),
        packets in 0..300_u32,
        steps in prop::collection::vec(0..20_000_u64, 1..60),
    ) {
        let control = conclave_qos::Control {
            target: Bitrate::bps(pacing / 2),
            pacing: Bitrate::bps(pacing),
            padding: Bitrate::bps(padding),
            is_ample: padding.is_multiple_of(2),
        };
        let mut pacer = Pacer::new(control);
        for (id, (rate, bytes, packets)) in probes.into_iter().enumerate() {
            let probe = Probe { id: ProbeId(id as u32), rate: Bitrate::bps(rate), bytes, packets };
            pacer.add_probe(Time::default(), probe);
        }
        let mut left = packets;
        let mut now = Time::default();
        for step in steps {
            now = now + Duration::from_micros(step);
            let mut turns = 0;
            loop {
                let (size, probe, is_media) = match pacer.poll(now, Queued { bytes: u64::from(left) * 1_200, packets: left }) {
                    Turn::Media(probe) => {
                        prop_assert!(left > 0);
                        left -= 1;
                        (1_200, probe, true)
                    }
                    Turn::Padding { bytes, probe } => {
                        prop_assert!((1..=1_200).contains(&bytes));
                        (bytes, probe, false)
                    }
                    Turn::Wait(Some(later)) => {
                        prop_assert!(later > now, "{later:?} {now:?}");
                        break;
                    }
                    Turn::Wait(None) => break,
                };
                pacer.handle_sent(&SentPacket { at: now, size, probe, is_media });
                turns += 1;
                prop_assert!(turns < 5_000, "it goes on and on");
            }
        }
    }

    #[test]
    fn every_arrival_is_reported_once_or_was_too_old(
        arrivals in prop::collection::vec((any::<bool>(), -3_000..3_000_i32, 0..400_000_u64), 1..300),
    ) {
        let mut log = ArrivalLog::new();
        let mut sequence = 0_u16;
        let mut now = Time::default();
        for (jumps, difference, wait) in arrivals {
            now = now + Duration::from_micros(wait);
            sequence = sequence.wrapping_add(if jumps { difference as u16 } else { 1 });
            log.record(sequence, now);
            let mut reports = 0;
            while let Some(feedback) = log.poll_feedback(now) {
                let arrived: Vec<_> = feedback.arrivals().filter_map(|(_, at)| at).collect();
                prop_assert!(!arrived.is_empty() && arrived.len() <= 400);
                prop_assert_eq!(feedback.arrivals().count(), usize::from(feedback.len));
                prop_assert!(feedback.reference() <= arrived[0]);
                prop_assert!(arrived.windows(2).all(|pair| pair[1].since(pair[0]).max(pair[0].since(pair[1])) < Duration::from_secs(8)));
                reports += 1;
                prop_assert!(reports < 200);
            }
            prop_assert!(log.poll_timeout().is_none_or(|due| due > now));
        }
    }
}
