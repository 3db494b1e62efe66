use proptest::prelude::*;

use super::*;
use crate::fec::flexfec::{self, Format};

/// A packet of stream 7 whose length, header and bytes depend on its number.
pub(in crate::fec) fn packet(sequence: u16) -> Vec<u8> {
    let [high, low] = sequence.to_be_bytes();
    let mut packet = vec![0x80 | low & 0x1f, low.rotate_left(3), high, low, high, low, 1, low, 0, 0, 0, 7];
    packet.extend((0..usize::from(sequence) * 13 % 40).map(|at| (at * 5) as u8 ^ low));
    packet
}

pub(in crate::fec) fn packets(first: u16, count: u16) -> Vec<Vec<u8>> {
    (0..count).map(|index| packet(first.wrapping_add(index))).collect()
}

pub(in crate::fec) fn sources(packets: &[Vec<u8>]) -> Vec<Source<'_>> {
    packets.iter().map(|packet| Source::parse(packet).expect("valid")).collect()
}

/// Parity in which packet `i` of `k` is covered by repair packet `i % m`.
fn interleaved(packets: &[Vec<u8>], m: usize) -> Vec<Vec<u8>> {
    (0..m)
        .map(|index| {
            let covered: Vec<_> = packets.iter().skip(index).step_by(m).cloned().collect();
            let mut payload = Vec::new();
            flexfec::write(Format::Rfc8627, &sources(&covered), &mut payload).expect("they fit together");
            payload
        })
        .collect()
}

fn repair(decoder: &mut ParityDecoder, payload: &[u8]) {
    decoder.handle_repair(&flexfec::parse(Format::Rfc8627, payload).expect("valid")).expect("the same stream");
}

fn recovered(decoder: &mut ParityDecoder) -> Vec<Vec<u8>> {
    let mut made: Vec<_> = std::iter::from_fn(|| decoder.poll_recovered()).collect();
    made.sort();
    made
}

#[test]
fn every_pattern_is_repaired_that_leaves_one_loss_to_each_repair_packet() {
    for k in 1..=7_usize {
        for m in 1..=k.min(4) {
            let packets = packets(100, k as u16);
            let payloads = interleaved(&packets, m);
            for lost in 0..1_u32 << (k + m) {
                let is_lost = |index: usize| lost >> index & 1 == 1;
                let mut decoder = ParityDecoder::new(7);
                decoder.handle_source(&packet(99)).expect("valid");
                // Repair packets come before or after what they repair.
                let order: Vec<_> = if lost % 2 == 0 { (0..k + m).collect() } else { (k..k + m).chain(0..k).collect() };
                for index in order.into_iter().filter(|index| !is_lost(*index)) {
                    match index.checked_sub(k) {
                        None => decoder.handle_source(&packets[index]).expect("valid"),
                        Some(index) => repair(&mut decoder, &payloads[index]),
                    }
                }
                let expected: Vec<_> = (0..k)
                    .filter(|index| is_lost(*index) && !is_lost(k + index % m))
                    .filter(|index| (index % m..k).step_by(m).filter(|other| is_lost(*other)).count() == 1)
                    .map(|index| packets[index].clone())
                    .collect();
                // What parity comes to before the packets themselves come is no loss.
                let mut made = recovered(&mut decoder);
                made.retain(|made| (0..k).any(|index| is_lost(index) && packets[index] == *made));
                assert_eq!(made, expected, "k {k}, m {m}, lost {lost:b}");
            }
        }
    }
}

#[test]
fn every_burst_as_long_as_there_are_repair_packets_is_repaired() {
    let packets = packets(65_530, 20);
    let payloads = interleaved(&packets, 4);
    for start in 0..=16 {
        let mut decoder = ParityDecoder::new(7);
        decoder.handle_source(&packet(65_529)).expect("valid");
        for (_, packet) in packets.iter().enumerate().filter(|(index, _)| !(start..start + 4).contains(index)) {
            decoder.handle_source(packet).expect("valid");
        }
        payloads.iter().for_each(|payload| repair(&mut decoder, payload));
        assert_eq!(recovered(&mut decoder).len(), 4, "from {start}");
    }
}

#[test]
fn what_is_made_helps_to_make_more() {
    let all = packets(10, 3);
    let mut decoder = ParityDecoder::new(7);
    decoder.handle_source(&packet(9)).expect("valid");
    let mut payload = Vec::new();
    flexfec::write(Format::Rfc8627, &sources(&all), &mut payload).expect("they fit together");
    repair(&mut decoder, &payload);
    flexfec::write(Format::Rfc8627, &sources(&all[1..]), &mut payload).expect("they fit together");
    repair(&mut decoder, &payload);
    assert_eq!(recovered(&mut decoder), [] as [Vec<u8>; 0]);
    decoder.handle_source(&all[2]).expect("valid");
    assert_eq!(recovered(&mut decoder), all[..2]);
}

#[test]
fn a_repair_packet_that_names_far_away_numbers_moves_nothing() {
    let mut decoder = ParityDecoder::new(7);
    decoder.handle_source(&packet(10)).expect("valid");
    let mut payload = Vec::new();
    flexfec::write(Format::Rfc8627, &sources(&[packet(10_000)]), &mut payload).expect("one fits");
    repair(&mut decoder, &payload);
    assert_eq!(decoder.poll_recovered(), None);
    flexfec::write(Format::Rfc8627, &sources(&packets(10, 2)), &mut payload).expect("they fit together");
    repair(&mut decoder, &payload);
    assert_eq!(decoder.poll_recovered(), Some(packet(11)));
}

#[test]
fn packets_of_other_streams_are_refused() {
    let mut decoder = ParityDecoder::new(8);
    assert_eq!(decoder.handle_source(&packet(1)), Err(FecError::SourceElsewhere));
    assert_eq!(decoder.handle_source(&[0x80; 11]), Err(FecError::SourceNotRtp));
    assert_eq!(decoder.handle_source(&[0x40; 20]), Err(FecError::SourceNotRtp));
    assert_eq!(decoder.handle_source(&[0x80; MAX_PACKET + 1]), Err(FecError::TooLong(MAX_PACKET + 1)));
    let mut payload = Vec::new();
    flexfec::write(Format::Draft03, &sources(&packets(1, 2)), &mut payload).expect("they fit together");
    let of_seven = flexfec::parse(Format::Draft03, &payload).expect("valid");
    assert_eq!(decoder.handle_repair(&of_seven), Err(FecError::SourceElsewhere));
}

proptest! {
    #[test]
    fn anything_may_come_and_nothing_long_is_kept(
        events in prop::collection::vec((0..3_u8, any::<u16>(), prop::collection::vec(any::<u8>(), 0..60)), 0..200),
    ) {
        let mut decoder = ParityDecoder::new(7);
        for (kind, number, mut bytes) in events {
            match kind {
                0 => decoder.handle_source(&packet(number % 300)).expect("valid"),
                1 => {
                    if bytes.len() > 10 {
                        bytes[0] &= 0x7f;
                        bytes[8..10].copy_from_slice(&(number % 300).to_be_bytes());
                    }
                    if let Ok(read) = flexfec::parse(Format::Rfc8627, &bytes) {
                        decoder.handle_repair(&read).expect("of this stream");
                    }
                }
                _ => { let _ = decoder.handle_source(&bytes); }
            }
            prop_assert!(decoder.repairs.len() <= MAX_REPAIRS && decoder.kept.len() <= MAX_COVERED);
            prop_assert!(decoder.recovered.len() <= MAX_REPAIRS);
        }
        while let Some(packet) = decoder.poll_recovered() {
            prop_assert!(Source::parse(&packet).is_ok());
        }
    }
}
