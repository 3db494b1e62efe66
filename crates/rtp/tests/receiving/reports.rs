//! Receiver reports, sender reports, key frames, transport-wide feedback.

use std::time::Duration;

use conclave_qos::Ecn;
use conclave_rtp::rtcp::{Compound, Packet, ReportBlock, SenderInfo};
use conclave_rtp::{ExtensionValues, Feedback, ReceiverEvent, Ssrc, StreamIndex, StreamSources};

use crate::world::{CAMERA_HIGH, MICROPHONE, OPUS, US, VP8, World, config, packet};

fn blocks(compounds: &[Vec<u8>]) -> Vec<ReportBlock> {
    let mut blocks = Vec::new();
    for packet in compounds.iter().flat_map(|compound| Compound::parse(compound)) {
        if let Packet::ReceiverReport { sender, blocks: more } = packet.expect("well-formed") {
            assert_eq!(sender, US);
            blocks.extend(more);
        }
    }
    blocks
}

/// Waits for the next report.
fn next_report(world: &mut World) -> Vec<ReportBlock> {
    for _ in 0..100 {
        world.wait().expect("a report is due");
        let blocks = blocks(&world.due());
        if !blocks.is_empty() {
            return blocks;
        }
    }
    panic!("no report");
}

#[test]
fn losses_are_reported_in_all_and_since_the_last_report() {
    let mut world = World::new();
    for number in (0..100u16).filter(|number| number % 4 != 1) {
        world.camera(65_500u16.wrapping_add(number)).expect("taken");
    }
    let first = next_report(&mut world);
    let [block] = first.as_slice() else { panic!("{first:?}") };
    assert_eq!((block.ssrc, block.fraction_lost, block.lost), (Ssrc(50), 64, 25));
    assert_eq!(block.highest_sequence, 65_536 + 63);
    for number in 100..200u16 {
        world.camera(65_500u16.wrapping_add(number)).expect("taken");
    }
    let second = next_report(&mut world);
    assert_eq!((second[0].fraction_lost, second[0].lost), (0, 25));
}

#[test]
fn repeated_packets_do_not_hide_what_was_lost() {
    let mut world = World::new();
    world.camera(10).expect("taken");
    world.camera(12).expect("taken");
    world.repeated(7, 11).expect("taken");
    let report = next_report(&mut world);
    let [media, repair] = report.as_slice() else { panic!("{report:?}") };
    assert_eq!((media.ssrc, media.lost), (Ssrc(50), 1));
    assert_eq!((repair.ssrc, repair.lost, repair.highest_sequence), (Ssrc(51), 0, 7));
}

#[test]
fn reports_come_about_every_second_while_packets_come_and_end_with_them() {
    let mut world = World::new();
    let (mut reports, start) = (0, world.now);
    for number in 0..1_000 {
        world.camera(number).expect("taken");
        world.pass_ms(20);
        reports += blocks(&world.due()).len();
    }
    assert!((14..28).contains(&reports), "{reports} in {:?}", world.now.since(start));
    // One more at most, about the last packets.
    let mut after = 0;
    while world.wait().is_some() {
        after += blocks(&world.due()).len();
    }
    assert!(after <= 1);
    assert_eq!(world.receiver.poll_timeout(), None);
}

#[test]
fn jitter_is_what_rfc_3550_reckons_and_packets_of_one_picture_add_none() {
    let mut world = World::new();
    for number in 0..2_000u32 {
        // 20 ms apart; each second one is 4 ms late.
        let packet = world.packet(OPUS, 9, number as u16, number * 960, b"sound");
        world.receive_bytes(&packet).expect("taken");
        world.pass_ms(if number % 2 == 0 { 24 } else { 16 });
    }
    let jitter = world.receiver.stats(MICROPHONE).expect("a stream").jitter;
    assert!((Duration::from_micros(3_900)..Duration::from_micros(4_100)).contains(&jitter), "{jitter:?}");

    world.camera(0).expect("taken");
    for number in 1..1_000u32 {
        // Ten packets of a picture, spread over its time.
        let packet = world.packet(VP8, 50, number as u16, number / 10 * 3_000, b"picture");
        world.receive_bytes(&packet).expect("taken");
        world.pass(Duration::from_micros(3_333));
    }
    let jitter = world.receiver.stats(CAMERA_HIGH).expect("a stream").jitter;
    assert!(jitter < Duration::from_millis(1), "{jitter:?}");
}

#[test]
fn a_sender_s_report_is_handed_up_and_its_time_given_back() {
    let mut world = World::new();
    world.camera(10).expect("taken");
    let info = SenderInfo { ssrc: Ssrc(50), ntp: 0x1111_2222_3333_4444, timestamp: 77, packets: 1, octets: 7 };
    world.receiver.handle_sender_report(world.now, &info);
    world.receiver.handle_sender_report(world.now, &SenderInfo { ssrc: Ssrc(4_711), ..info });
    let told = ReceiverEvent::SenderReport { stream: CAMERA_HIGH, ntp: info.ntp, timestamp: 77 };
    assert_eq!((world.receiver.poll_event(), world.receiver.poll_event()), (Some(told), None));
    let start = world.now;
    let report = next_report(&mut world);
    assert_eq!(report[0].last_sender_report, 0x2222_3333);
    let delay = world.now.since(start).as_micros() * 65_536 / 1_000_000;
    assert_eq!(u128::from(report[0].delay), delay);
}

#[test]
fn events_that_nobody_fetches_are_bounded() {
    let mut world = World::new();
    world.camera(10).expect("taken");
    for timestamp in 0..10_000 {
        let info = SenderInfo { ssrc: Ssrc(50), timestamp, ..SenderInfo::default() };
        world.receiver.handle_sender_report(world.now, &info);
    }
    let mut last = None;
    let count = std::iter::from_fn(|| world.receiver.poll_event()).inspect(|event| last = Some(*event)).count();
    assert_eq!(count, 64);
    assert_eq!(last, Some(ReceiverEvent::SenderReport { stream: CAMERA_HIGH, ntp: 0, timestamp: 9_999 }));
}

#[test]
fn a_report_about_many_streams_takes_as_many_compounds_as_it_needs() {
    let mut many = config();
    let template = many.sections[0].clone();
    let mids = (0..100).map(|number| format!("s{number}")).collect::<Vec<_>>();
    many.sections =
        mids.iter().map(|mid| conclave_rtp::ReceiveSection { mid: mid.as_str().into(), ..template.clone() }).collect();
    let mut world = World::with(many);
    for (ssrc, mid) in (1_000..).zip(&mids) {
        let packet =
            packet(OPUS, ssrc, 1, 0, &ExtensionValues { mid: Some(mid), ..ExtensionValues::default() }, b"sound");
        world.receive_bytes(&packet).expect("taken");
    }
    let mut reported = next_report(&mut world).into_iter().map(|block| block.ssrc.0).collect::<Vec<_>>();
    reported.sort_unstable();
    assert_eq!(reported, (1_000..1_100).collect::<Vec<_>>());
}

fn key_frames(compounds: &[Vec<u8>]) -> Vec<(Ssrc, Option<u8>)> {
    let mut asked = Vec::new();
    for packet in compounds.iter().flat_map(|compound| Compound::parse(compound)) {
        match packet.expect("well-formed") {
            Packet::Pli { media, .. } => asked.push((media, None)),
            Packet::Fir(fir) => asked.extend(fir.entries().map(|entry| (entry.ssrc, Some(entry.number)))),
            _ => {}
        }
    }
    asked
}

#[test]
fn key_frames_are_asked_for_at_once_and_then_not_too_often() {
    let mut world = World::new();
    world.camera(10).expect("taken");
    let mut asked = Vec::new();
    for _ in 0..100 {
        world.receiver.request_keyframe(world.now, CAMERA_HIGH);
        world.receiver.request_keyframe(world.now, CAMERA_HIGH);
        asked.extend(key_frames(&world.due()));
        world.pass_ms(10);
    }
    assert_eq!(asked, [(Ssrc(50), None); 4]);
    world.pass_ms(300);
    assert_eq!(key_frames(&world.due()).len(), 1);
    world.pass_ms(3_000);
    assert_eq!(key_frames(&world.due()), []);
}

#[test]
fn key_frames_are_asked_for_in_the_way_that_was_negotiated() {
    let mut by_fir = config();
    by_fir.payloads[1].feedback = Feedback { fir: true, ..Feedback::default() };
    let mut world = World::with(by_fir);
    world.camera(10).expect("taken");
    for number in 0..3 {
        world.receiver.request_keyframe(world.now, CAMERA_HIGH);
        assert_eq!(key_frames(&world.due()), [(Ssrc(50), Some(number))]);
        world.pass_ms(400);
    }
    let mut by_nothing = config();
    by_nothing.payloads[1].feedback = Feedback::default();
    let mut world = World::with(by_nothing);
    world.camera(10).expect("taken");
    world.receiver.request_keyframe(world.now, CAMERA_HIGH);
    assert_eq!(key_frames(&world.due()), []);
}

#[test]
fn a_key_frame_of_a_stream_without_a_source_is_asked_for_when_it_has_one() {
    let mut world = World::new();
    world.receiver.request_keyframe(world.now, CAMERA_HIGH);
    world.receiver.request_keyframe(world.now, StreamIndex { section: 9, layer: 0 });
    assert_eq!(key_frames(&world.due()), []);
    world.pass_ms(1_000);
    world.camera(10).expect("taken");
    assert_eq!(key_frames(&world.due()), [(Ssrc(50), None)]);
}

#[test]
fn a_key_frame_of_a_source_that_is_named_and_silent_is_asked_for_when_it_sends() {
    let mut named = config();
    named.sections[1].rids.clear();
    named.sections[1].sources = vec![StreamSources { media: Ssrc(70), retransmission: None }];
    let mut world = World::with(named);
    world.receiver.request_keyframe(world.now, StreamIndex { section: 1, layer: 0 });
    assert_eq!(key_frames(&world.due()), []);
    assert_eq!(world.receiver.poll_timeout(), None);
    world.receive(VP8, 70, 1, b"picture").expect("taken");
    assert_eq!(key_frames(&world.due()), [(Ssrc(70), None)]);
}

#[test]
fn arrivals_are_reported_whatever_stream_they_belong_to() {
    let mut world = World::new();
    let mut reported = Vec::new();
    for number in 0..200u16 {
        world.values = ExtensionValues {
            transport_sequence: Some(number.wrapping_add(65_450)),
            mid: Some("0"),
            ..ExtensionValues::default()
        };
        if number % 10 != 9 {
            world.receive(OPUS, 9, number, b"sound").expect("taken");
        }
        world.pass_ms(5);
        for compound in world.due() {
            for packet in Compound::parse(&compound).flatten() {
                if let Packet::TransportFeedback(feedback) = packet {
                    assert_eq!(feedback.media, Ssrc(9));
                    reported.extend(feedback.reports(Duration::from_secs(9)));
                }
            }
        }
    }
    assert!(reported.len() >= 180, "{}", reported.len());
    for (number, arrival) in &reported {
        let lost = number.wrapping_sub(65_450) % 10 == 9;
        assert_eq!(arrival.is_none(), lost, "{number}");
    }
}

#[test]
fn arrivals_are_reported_by_source_where_that_was_negotiated() {
    let mut world = World::new();
    // Half a second after the turn of an hour.
    let ntp_at_start = (3_600u64 << 32) + (1 << 31);
    world.receiver.set_congestion_feedback(Some(ntp_at_start));
    let mut reported = Vec::new();
    for number in 0..100u16 {
        world.values =
            ExtensionValues { transport_sequence: Some(number), mid: Some("0"), ..ExtensionValues::default() };
        if number % 10 != 9 {
            world.receive(OPUS, 9, number.wrapping_add(65_500), b"sound").expect("taken");
        }
        world.pass_ms(5);
        for compound in world.due() {
            for packet in Compound::parse(&compound).flatten() {
                assert!(!matches!(packet, Packet::TransportFeedback(_)));
                if let Packet::CongestionFeedback(feedback) = packet {
                    let now = world.now.to_duration();
                    let seconds = f64::from(feedback.timestamp) / 65_536.0 - 3_600.5;
                    assert!((seconds - now.as_secs_f64()).abs() < 0.001, "{seconds}");
                    for block in feedback.blocks() {
                        assert_eq!(block.ssrc, Ssrc(9));
                        reported.extend(block.reports(now));
                    }
                }
            }
        }
    }
    assert!(reported.len() >= 80, "{}", reported.len());
    for (place, (number, arrival)) in reported.iter().enumerate() {
        let index = number.wrapping_sub(65_500);
        assert_eq!(usize::from(index), place, "each packet once");
        assert_eq!(arrival.is_none(), index % 10 == 9, "{index}");
    }
    // It falls silent.
    world.pass_ms(5_000);
    world.due();
    world.receiver.set_congestion_feedback(None);
    world.pass_ms(5_000);
    world.due();
    assert_eq!(world.receiver.poll_timeout(), None);
}

#[test]
fn reports_by_source_tell_how_each_packet_was_marked() {
    let mut world = World::new();
    world.receiver.set_congestion_feedback(Some(0));
    let marks = [Ecn::Ect1, Ecn::Ce, Ecn::NotEct, Ecn::Ect0];
    for (number, mark) in (0..).zip(marks) {
        world.values = ExtensionValues { mid: Some("0"), ..ExtensionValues::default() };
        let packet = world.packet(OPUS, 9, number, 0, b"sound");
        world.receiver.handle_marked_rtp(world.now, world.now, mark, &packet).expect("taken");
    }
    world.pass_ms(500);
    let mut reported = Vec::new();
    for compound in world.due() {
        for packet in Compound::parse(&compound).flatten() {
            let Packet::CongestionFeedback(feedback) = packet else { continue };
            for block in feedback.blocks() {
                reported.extend(block.reports(Duration::ZERO).map(|(_, arrival)| arrival.map(|(_, mark)| mark)));
            }
        }
    }
    assert_eq!(reported, marks.map(Some));
}
