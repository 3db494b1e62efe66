//! What is written is read again, and whatever else comes is read or refused.

use std::time::Duration;

use conclave_qos::{ArrivalLog, Bitrate, Time};
use proptest::prelude::*;

use super::transport::Report;
use super::{
    Compound, FirEntry, MAX_BLOCKS, MAX_COMPOUND, Packet, ReferenceClock, ReportBlock, ReportClock, SenderInfo,
    TransportFeedback, Writer,
};
use crate::header::Malformed;
use crate::{NoRoom, Ssrc};

const US: Ssrc = Ssrc(0x0102_0304);
const THEM: Ssrc = Ssrc(0xa0b0_c0d0);

/// What `write` puts into a compound.
fn written(write: impl FnOnce(&mut Writer<'_>) -> Result<(), NoRoom>) -> Vec<u8> {
    let mut buffer = [0xee; MAX_COMPOUND];
    let mut writer = Writer::new(&mut buffer);
    write(&mut writer).expect("it fits");
    let length = writer.len();
    assert_eq!(length % 4, 0);
    buffer[..length].to_vec()
}

fn read(compound: &[u8]) -> Vec<Packet<'_>> {
    Compound::parse(compound).collect::<Result<_, _>>().expect("well-formed")
}

fn block(ssrc: u32) -> ReportBlock {
    ReportBlock {
        ssrc: Ssrc(ssrc),
        fraction_lost: 17,
        lost: -3,
        highest_sequence: 0x0002_ffff,
        jitter: 1_234,
        last_sender_report: 0x89ab_cdef,
        delay: 65_536,
    }
}

#[test]
fn reports_are_read_as_they_were_written() {
    let info = SenderInfo { ssrc: US, ntp: 0xe123_4567_89ab_cdef, timestamp: 99, packets: 7, octets: 700 };
    let blocks = (0..31).map(block).collect::<Vec<_>>();
    let compound = written(|writer| {
        writer.sender_report(&info, &blocks[..2])?;
        writer.cname(US, "abc")?;
        writer.receiver_report(US, &blocks)?;
        writer.bye(&[US, THEM])
    });
    let packets = read(&compound);
    let [Packet::SenderReport { info: read_info, blocks: two }, Packet::Sdes, rest @ ..] = packets.as_slice() else {
        panic!("{packets:?}");
    };
    assert_eq!(*read_info, info);
    assert!(two.clone().eq(blocks[..2].iter().copied()));
    let [Packet::ReceiverReport { sender: US, blocks: all }, Packet::Bye(ended)] = rest else { panic!("{rest:?}") };
    assert!(all.clone().eq(blocks.iter().copied()));
    assert!(ended.clone().eq([US, THEM]));
}

#[test]
fn losses_of_more_than_24_bits_are_told_as_the_most_that_can_be_told() {
    for (lost, told) in [(i32::MAX, 0x7f_ffff), (i32::MIN, -0x80_0000), (5, 5)] {
        let compound = written(|writer| writer.receiver_report(US, &[ReportBlock { lost, ..block(1) }]));
        let Some(Packet::ReceiverReport { mut blocks, .. }) = read(&compound).pop() else { panic!("no report") };
        assert_eq!(blocks.next().map(|block| block.lost), Some(told));
    }
}

#[test]
fn a_canonical_name_ends_with_a_zero_however_long_it_is() {
    for length in 0..20 {
        let compound = written(|writer| writer.cname(US, &"x".repeat(length)));
        assert_eq!(compound.last(), Some(&0));
        assert_eq!(usize::from(compound[9]), length);
        assert_eq!(read(&compound), [Packet::Sdes]);
    }
}

#[test]
fn key_frames_and_limits_are_asked_for_as_they_were_written() {
    let entries = [FirEntry { ssrc: THEM, number: 9 }, FirEntry { ssrc: US, number: 255 }];
    let compound = written(|writer| {
        writer.pli(US, THEM)?;
        writer.fir(US, &entries)?;
        writer.remb(US, Bitrate::bps(2_500_000), &[THEM])
    });
    let packets = read(&compound);
    let [Packet::Pli { sender: US, media: THEM }, Packet::Fir(fir), Packet::Remb(remb)] = packets.as_slice() else {
        panic!("{packets:?}");
    };
    assert!(fir.entries().eq(entries));
    assert!(remb.streams().eq([THEM]));
    // 18 bits of mantissa: a little less than was written.
    assert!((2_499_990..=2_500_000).contains(&remb.bitrate.as_bps()), "{:?}", remb.bitrate);
}

#[test]
fn a_packet_that_does_not_fit_leaves_nothing_behind() {
    let mut buffer = [0; 40];
    let mut writer = Writer::new(&mut buffer);
    writer.pli(US, THEM).expect("it fits");
    assert_eq!(writer.sender_report(&SenderInfo::default(), &[block(1)]), Err(NoRoom));
    assert_eq!(writer.nack(US, THEM, (0..1_000).step_by(17)), Ok(4));
    assert_eq!(writer.pli(US, THEM), Err(NoRoom));
    assert_eq!(writer.receiver_report(US, &[block(1); MAX_BLOCKS + 1]), Err(NoRoom));
    let length = writer.len();
    assert_eq!(length, 40);
    assert_eq!(read(&buffer).len(), 2);
}

#[test]
fn what_is_malformed_in_its_frame_does_not_end_the_compound() {
    let mut compound = written(|writer| writer.receiver_report(US, &[]));
    // A report that announces a block and has none.
    compound[0] |= 1;
    compound.extend(written(|writer| writer.pli(US, THEM)));
    let packets = Compound::parse(&compound).collect::<Vec<_>>();
    assert_eq!(packets, [Err(Malformed::Truncated), Ok(Packet::Pli { sender: US, media: THEM })]);
}

#[test]
fn a_short_compound_cannot_speak_of_more_packets_than_one_report_may() {
    // One run of 8,191 lost packets, and one more packet.
    let report = [0x8f, 205, 0, 5, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0x20, 0, 0, 0, 0, 0, 0x1f, 0xff, 0, 1];
    let compound = report.repeat(60);
    let packets = Compound::parse(&compound).filter_map(Result::ok).collect::<Vec<_>>();
    let [Packet::TransportFeedback(feedback)] = packets.as_slice() else { panic!("{}", packets.len()) };
    assert_eq!(feedback.reports(Duration::ZERO).count(), 8_192);
}

#[test]
fn transport_feedback_is_read_by_its_chunks() {
    let packet = [
        0x8f,
        205,
        0,
        7,
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        2, // head and sources
        0xff,
        0xfe,
        0,
        7,
        0,
        0,
        1,
        5, // from 65,534 on seven packets, at 64 ms, report 5
        0b1101_0110,
        0b0000_0110, // small, small, large, lost, lost, small, large
        4,
        8,
        0xff,
        0xfc,
        1,
        0x01,
        0x00,
        0,
        0,
        0, // +4, +8, -4, +1, +256
    ];
    let Some(Packet::TransportFeedback(feedback)) = read(&packet).pop() else { panic!("no feedback") };
    let start = Duration::from_millis(64);
    let tick = |count: u32| Some(start + Duration::from_micros(250) * count);
    let expected =
        [(65_534, tick(4)), (65_535, tick(12)), (0, tick(8)), (1, None), (2, None), (3, tick(9)), (4, tick(265))];
    assert!(feedback.reports(start).eq(expected), "{:?}", feedback.reports(start).collect::<Vec<_>>());
    assert_eq!((feedback.base, feedback.count, feedback.reference, feedback.report), (65_534, 7, 1, 5));
}

#[test]
fn what_an_arrival_log_reports_is_read_as_it_was_recorded() {
    let mut log = ArrivalLog::new();
    let start = Time::since_start(Duration::from_secs(1_000));
    let arrivals = (0..300u16).filter(|number| number % 7 != 3).collect::<Vec<_>>();
    for &number in &arrivals {
        log.record(number.wrapping_add(65_500), start + Duration::from_micros(700) * u32::from(number));
    }
    let now = start + Duration::from_secs(1);
    let (mut clock, mut seen) = (ReferenceClock::default(), Vec::new());
    while let Some(feedback) = log.poll_feedback(now) {
        let compound = written(|writer| writer.transport_feedback(US, THEM, &feedback));
        let Some(Packet::TransportFeedback(feedback)) = read(&compound).pop() else { panic!("no feedback") };
        let reference = clock.unwrap(feedback.reference);
        seen.extend(feedback.reports(reference).filter_map(|(number, at)| Some((number, at?))));
    }
    assert_eq!(seen.len(), arrivals.len());
    let first = seen[0].1;
    for (&number, &(sequence, at)) in arrivals.iter().zip(&seen) {
        assert_eq!(sequence, number.wrapping_add(65_500));
        let expected = Duration::from_micros(700) * u32::from(number);
        assert!((at - first).abs_diff(expected) <= Duration::from_micros(500));
    }
}

#[test]
fn the_largest_report_of_an_arrival_log_fits_a_compound() {
    let start = Time::since_start(Duration::from_secs(1_000));
    // No two symbols are alike, and as many differences as there can be take two bytes.
    for pattern in 1..64u32 {
        let mut log = ArrivalLog::new();
        let mut at = start;
        for number in 0..1_500u32 {
            if pattern >> (number % 6) & 1 == 1 {
                at = at + Duration::from_millis(if number % 2 == 0 { 70 } else { 66 });
                log.record(number as u16, at);
            }
        }
        while let Some(feedback) = log.poll_feedback(at + Duration::from_secs(1)) {
            let compound = written(|writer| writer.transport_feedback(US, THEM, &feedback));
            assert!(compound.len() <= MAX_COMPOUND - 60);
        }
    }
}

#[test]
fn the_clock_of_reports_goes_on_where_the_reference_time_wraps() {
    let mut clock = ReferenceClock::default();
    let unit = Duration::from_millis(64);
    let start = clock.unwrap(0xff_fffe);
    assert_eq!(clock.unwrap(0xff_ffff) - start, unit);
    assert_eq!(clock.unwrap(1) - start, unit * 3);
    assert_eq!(clock.unwrap(0) - start, unit * 2);
    assert_eq!(clock.unwrap(0xff_ffff) - start, unit);
}

proptest! {
    #[test]
    fn missing_packets_are_asked_for_as_they_were_given(
        start: u16,
        steps in proptest::collection::vec(1u16..40, 1..200),
    ) {
        let missing = steps.iter().scan(start, |at, step| { *at = at.wrapping_add(*step); Some(*at) }).collect::<Vec<_>>();
        let mut buffer = [0; MAX_COMPOUND];
        let mut writer = Writer::new(&mut buffer);
        prop_assert_eq!(writer.nack(US, THEM, missing.iter().copied()), Ok(missing.len()));
        let length = writer.len();
        let packets = read(&buffer[..length]);
        let [Packet::Nack(nack)] = packets.as_slice() else { panic!("{packets:?}") };
        prop_assert!(nack.sequences().eq(missing));
    }

    #[test]
    fn a_limit_is_read_as_it_was_written_but_for_what_follows_its_first_18_bits(bits: u64, less in 0u32..64) {
        let rate = bits >> less;
        let compound = written(|writer| writer.remb(US, Bitrate::bps(rate), &[THEM, US]));
        let Some(Packet::Remb(remb)) = read(&compound).pop() else { panic!("no limit") };
        prop_assert!(remb.streams().eq([THEM, US]));
        let told = remb.bitrate.as_bps();
        prop_assert!(told <= rate && rate - told <= rate >> 17, "{told} of {rate}");
    }

    #[test]
    fn arrivals_are_read_as_they_were_written(
        base: u16,
        arrivals in proptest::collection::vec(proptest::option::weighted(0.8, -20_000i64..60_000), 1..400),
    ) {
        let start = 64_000_000i64;
        let mut at = start;
        let arrivals = arrivals
            .into_iter()
            .map(|step| step.map(|step| { at = (at + step).max(start); Time::since_start(Duration::from_micros(at as u64)) }))
            .collect::<Vec<_>>();
        let report = Report {
            base,
            count: arrivals.len() as u16,
            reference: Time::since_start(Duration::from_micros(start as u64)),
            report: 3,
            arrivals: || arrivals.iter().copied(),
        };
        let compound = written(|writer| writer.transport_report(US, THEM, &report));
        let Some(Packet::TransportFeedback(feedback)) = read(&compound).pop() else { panic!("no feedback") };
        prop_assert_eq!(feedback.reference, 1_000);
        let read = feedback.reports(Duration::from_micros(start as u64)).collect::<Vec<_>>();
        prop_assert_eq!(read.len(), arrivals.len());
        for (index, (&written, &(number, read))) in arrivals.iter().zip(&read).enumerate() {
            prop_assert_eq!(number, base.wrapping_add(index as u16));
            prop_assert_eq!(written.is_some(), read.is_some());
            if let (Some(written), Some(read)) = (written, read) {
                prop_assert!(written.to_duration().abs_diff(read) <= Duration::from_micros(126));
            }
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..1_500), kind in 198u8..208) {
        if bytes.len() >= 4 {
            bytes[0] = 0x80 | bytes[0] & 0x3f;
            bytes[1] = kind;
            let words = (bytes.len() / 4 - 1) as u16;
            bytes[2..4].copy_from_slice(&words.to_be_bytes());
        }
        walk(&bytes);
    }
}

#[test]
fn every_length_and_first_byte_is_read_or_refused() {
    for first in 128..=191u8 {
        for kind in [200, 201, 203, 205, 206] {
            for length in (0..1_500).step_by(3) {
                let mut bytes = vec![kind; length];
                if let [a, b, c, d, ..] = bytes.as_mut_slice() {
                    let words = (length / 4 - 1) as u16;
                    [*c, *d] = words.to_be_bytes();
                    (*a, *b) = (first, kind);
                }
                walk(&bytes);
            }
        }
    }
}

/// Reads all that there is to read.
fn walk(bytes: &[u8]) {
    for packet in Compound::parse(bytes).flatten() {
        match packet {
            Packet::SenderReport { blocks, .. } | Packet::ReceiverReport { blocks, .. } => {
                assert!(blocks.count() <= 31)
            }
            Packet::Bye(sources) => assert!(sources.count() <= 31),
            Packet::Nack(nack) => assert!(nack.sequences().count() <= 17 * bytes.len() / 4),
            Packet::Fir(fir) => assert!(fir.entries().count() <= bytes.len() / 8),
            Packet::Remb(remb) => assert!(remb.streams().count() <= 255),
            Packet::TransportFeedback(feedback) => walk_feedback(&feedback),
            Packet::CongestionFeedback(feedback) => {
                let time = ReportClock::default().unwrap(feedback.timestamp);
                let reports = feedback.blocks().map(|block| block.reports(time).count()).sum::<usize>();
                assert!(reports <= bytes.len() / 2);
            }
            Packet::Sdes | Packet::Pli { .. } | Packet::Unknown { .. } => {}
        }
    }
}

fn walk_feedback(feedback: &TransportFeedback<'_>) {
    let mut clock = ReferenceClock::default();
    let reports = feedback.reports(clock.unwrap(feedback.reference));
    assert_eq!(reports.count(), usize::from(feedback.count));
}
