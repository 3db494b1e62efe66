//! Congestion control feedback is read as it was written, and by the letter of RFC 8888.

use std::time::Duration;

use conclave_qos::{Ecn, Time};
use proptest::prelude::*;

use super::{Compound, CongestionFeedback, MAX_COMPOUND, Packet, ReportClock, Writer};
use crate::header::Malformed;
use crate::{NoRoom, Ssrc};

const US: Ssrc = Ssrc(0x0102_0304);
const TICK: Duration = Duration::from_nanos(976_563);

type Block = (Ssrc, u16, Vec<Option<(Time, Ecn)>>);

fn written(at: Time, timestamp: u32, blocks: &[Block]) -> Vec<u8> {
    let mut buffer = [0xee; MAX_COMPOUND];
    let mut writer = Writer::new(&mut buffer);
    let blocks = blocks.iter().map(|(ssrc, first, arrivals)| (*ssrc, *first, arrivals.iter().copied()));
    writer.congestion_feedback(US, (at, timestamp), blocks).expect("it fits");
    let length = writer.len();
    buffer[..length].to_vec()
}

fn read(compound: &[u8]) -> Result<CongestionFeedback<'_>, Malformed> {
    match Compound::parse(compound).next() {
        Some(Ok(Packet::CongestionFeedback(feedback))) => Ok(feedback),
        Some(Err(malformed)) => Err(malformed),
        other => panic!("{other:?}"),
    }
}

fn seconds(seconds: u64) -> Time {
    Time::since_start(Duration::from_secs(seconds))
}

#[test]
fn each_field_is_where_the_rfc_puts_it() {
    let at = seconds(100);
    let half_a_second_before = Time::since_start(Duration::from_millis(99_500));
    let arrivals = vec![Some((half_a_second_before, Ecn::Ce)), None, Some((at, Ecn::Ect1))];
    let bytes = written(at, 0x1234_5678, &[(Ssrc(0xa0b0_c0d0), 0xfffe, arrivals), (Ssrc(7), 9, Vec::new())]);
    #[rustfmt::skip]
    let expected = [
        0x8b, 205, 0, 8,
        1, 2, 3, 4,
        0xa0, 0xb0, 0xc0, 0xd0,
        0xff, 0xfe, 0, 3,
        // Received, 11, 512; not received; received, 01, 0; padding.
        0xe2, 0x00, 0, 0,
        0xa0, 0x00, 0, 0,
        0, 0, 0, 7,
        0, 9, 0, 0,
        0x12, 0x34, 0x56, 0x78,
    ];
    assert_eq!(bytes, expected);
    let feedback = read(&bytes).expect("well-formed");
    assert_eq!((feedback.sender, feedback.timestamp), (US, 0x1234_5678));
    let blocks = feedback.blocks().collect::<Vec<_>>();
    assert_eq!(
        blocks.iter().map(|block| (block.ssrc, block.first, block.len())).collect::<Vec<_>>(),
        [(Ssrc(0xa0b0_c0d0), 0xfffe, 3), (Ssrc(7), 9, 0)]
    );
    assert!(blocks[1].is_empty());
    let time = Duration::from_secs(50);
    assert!(blocks[0].reports(time).eq([
        (0xfffe, Some((Duration::from_millis(49_500), Ecn::Ce))),
        (0xffff, None),
        (0, Some((time, Ecn::Ect1))),
    ]));
}

#[test]
fn a_report_on_no_stream_is_one() {
    let bytes = written(seconds(1), 5, &[]);
    assert_eq!(bytes.len(), 12);
    assert_eq!(read(&bytes).map(|feedback| feedback.blocks().count()), Ok(0));
}

#[test]
fn offsets_that_cannot_be_told_are_told_as_such() {
    let at = seconds(100);
    let micros = |micros| Time::since_start(Duration::from_micros(micros));
    let told = |arrival| {
        let bytes = written(at, 0, &[(US, 0, vec![Some((arrival, Ecn::NotEct))])]);
        u16::from_be_bytes([bytes[16], bytes[17]]) & 0x1fff
    };
    // 8,189 / 1,024 s are 7,997,070.3 µs.
    assert_eq!(told(micros(100_000_000 - 7_997_070)), 0x1ffd);
    assert_eq!(told(micros(100_000_000 - 7_998_500)), 0x1ffe);
    assert_eq!(told(seconds(0)), 0x1ffe);
    assert_eq!(told(micros(100_000_001)), 0x1fff);
    assert_eq!(told(at), 0);
    // Read again: 8 s before, and at the moment of the report.
    let time = Duration::from_secs(20);
    let bytes = written(at, 0, &[(US, 0, vec![Some((seconds(0), Ecn::Ect0)), Some((seconds(101), Ecn::NotEct))])]);
    let feedback = read(&bytes).expect("well-formed");
    let reports = feedback.blocks().flat_map(|block| block.reports(time)).collect::<Vec<_>>();
    let Some((early, Ecn::Ect0)) = reports[0].1 else { panic!("{reports:?}") };
    assert!((time - early).abs_diff(Duration::from_secs(8)) < TICK * 3);
    assert_eq!(reports[1].1, Some((time, Ecn::NotEct)));
}

#[test]
fn what_was_not_received_has_no_mark_whatever_its_bits_say() {
    let mut bytes = written(seconds(1), 0, &[(US, 0, vec![None, None])]);
    bytes[16..20].copy_from_slice(&[0x7f, 0xff, 0x60, 0x01]);
    let feedback = read(&bytes).expect("well-formed");
    assert!(feedback.blocks().flat_map(|block| block.reports(Duration::ZERO)).all(|(_, arrival)| arrival.is_none()));
}

#[test]
fn blocks_that_end_early_or_speak_of_too_much_are_refused() {
    let good = written(seconds(1), 0, &[(US, 0, vec![None; 3])]);
    let with_count = |count: u16| {
        let mut bytes = good.clone();
        bytes[14..16].copy_from_slice(&count.to_be_bytes());
        bytes
    };
    assert!(read(&with_count(4)).is_ok());
    // Its timestamp would be a part of the block.
    assert_eq!(read(&with_count(5)), Err(Malformed::Truncated));
    // What is left is no block.
    assert_eq!(read(&with_count(1)), Err(Malformed::Truncated));
    assert_eq!(read(&with_count(16_384)), Err(Malformed::Truncated));
    assert_eq!(read(&with_count(16_385)), Err(Malformed::Field));
    assert_eq!(read(&[0x8b, 205, 0, 1, 1, 2, 3, 4]), Err(Malformed::Truncated));
}

#[test]
fn what_does_not_fit_leaves_nothing_behind() {
    let mut buffer = [0; 64];
    let mut writer = Writer::new(&mut buffer);
    writer.pli(US, US).expect("it fits");
    let before = writer.len();
    let arrivals = [None; 30];
    for packets in [20, 30] {
        let block = (US, 0, arrivals[..packets].iter().copied());
        assert_eq!(writer.congestion_feedback(US, (seconds(1), 0), [block]), Err(NoRoom));
        assert_eq!(writer.len(), before);
    }
    let block = (US, 0, arrivals[..16].iter().copied());
    assert_eq!(writer.congestion_feedback(US, (seconds(1), 0), [block]), Ok(()));
    assert_eq!(writer.remaining(), 0);

    let mut large = vec![0; 40_000];
    let too_many = (US, 0, std::iter::repeat_n(None, 16_385));
    assert_eq!(Writer::new(&mut large).congestion_feedback(US, (seconds(1), 0), [too_many]), Err(NoRoom));
}

#[test]
fn the_clock_of_reports_goes_on_where_its_timestamp_wraps() {
    let mut clock = ReportClock::default();
    let second = Duration::from_secs(1);
    let start = clock.unwrap(0xffff_0000);
    assert!(start > Duration::from_secs(65_536));
    assert_eq!(clock.unwrap(0) - start, second);
    assert_eq!(clock.unwrap(0x8000) - start, second * 3 / 2);
    assert_eq!(clock.unwrap(0xffff_8000) - start, second / 2);
    // Turned back again and again.
    for step in 0..10u32 {
        clock.unwrap(step.wrapping_mul(0x8000_0001));
    }
}

proptest! {
    #[test]
    fn reports_are_read_as_they_were_written(
        timestamp: u32,
        blocks in proptest::collection::vec(
            (any::<u32>(), any::<u16>(), proptest::collection::vec(
                proptest::option::of((0u64..7_900_000, 0usize..4)),
                0..50,
            )),
            0..10,
        ),
    ) {
        let at = seconds(1_000);
        let marks = [Ecn::NotEct, Ecn::Ect0, Ecn::Ect1, Ecn::Ce];
        let arrival = |(before, mark): (u64, usize)| {
            (Time::since_start(at.to_duration() - Duration::from_micros(before)), marks[mark])
        };
        let blocks = blocks
            .into_iter()
            .map(|(ssrc, first, arrivals)| {
                (Ssrc(ssrc), first, arrivals.into_iter().map(|each| each.map(arrival)).collect())
            })
            .collect::<Vec<Block>>();
        let bytes = written(at, timestamp, &blocks);
        prop_assert_eq!(bytes.len() % 4, 0);
        let feedback = read(&bytes).expect("well-formed");
        prop_assert_eq!(feedback.timestamp, timestamp);
        let read = feedback.blocks().collect::<Vec<_>>();
        prop_assert_eq!(read.len(), blocks.len());
        for ((ssrc, first, arrivals), block) in blocks.iter().zip(&read) {
            prop_assert_eq!((block.ssrc, block.first, block.len()), (*ssrc, *first, arrivals.len()));
            for (index, (arrival, (sequence, told))) in
                arrivals.iter().zip(block.reports(at.to_duration())).enumerate()
            {
                prop_assert_eq!(sequence, first.wrapping_add(index as u16));
                prop_assert_eq!(arrival.map(|(_, ecn)| ecn), told.map(|(_, ecn)| ecn));
                if let (Some((written, _)), Some((told, _))) = (arrival, told) {
                    prop_assert!(written.to_duration().abs_diff(told) <= TICK / 2);
                }
            }
        }
    }

    #[test]
    fn whatever_it_holds_is_read_or_refused(
        body in proptest::collection::vec(prop_oneof![3 => Just(0u8), 1 => any::<u8>()], 0..1_400),
    ) {
        let words = body.len() / 4;
        let mut bytes = vec![0x8b, 205, (words >> 8) as u8, words as u8];
        bytes.extend(&body[..words * 4]);
        if let Ok(feedback) = read(&bytes) {
            let reports = feedback.blocks().map(|block| block.reports(Duration::ZERO).count()).sum::<usize>();
            prop_assert!(reports <= bytes.len() / 2);
            prop_assert!(feedback.blocks().count() <= bytes.len() / 8);
        }
    }
}
