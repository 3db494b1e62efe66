use super::*;
use crate::fec::ParityDecoder;
use crate::fec::parity_decoder::tests::{packet, packets, sources};

/// RFC 5109, section 10.1: packets A to D (sequence numbers 8 to 11, timestamps 3, 5, 7, 9) and one level over all.
#[test]
fn the_example_of_the_standard_comes_out() {
    let rtp = |marker: u8, types: u8, sequence: u8, timestamp: u8, length: usize| {
        let mut packet = vec![0x80, marker << 7 | types, 0, sequence, 0, 0, 0, timestamp, 0, 0, 0, 2];
        packet.resize(12 + length, sequence);
        packet
    };
    let packets = [rtp(1, 11, 8, 3, 200), rtp(0, 18, 9, 5, 140), rtp(1, 11, 10, 7, 100), rtp(0, 18, 11, 9, 340)];
    let mut payload = Vec::new();
    write(&sources(&packets), &mut payload).expect("they fit together");
    // E, L, P, X, CC and M are 0, PT recovery is 0, SN base 8, TS recovery 8, length recovery 372.
    assert_eq!(payload[..10], [0, 0, 0, 8, 0, 0, 0, 8, 372_u16.to_be_bytes()[0], 372_u16.to_be_bytes()[1]]);
    // Protection length 340, mask 1111.
    assert_eq!(payload[10..14], [340_u16.to_be_bytes()[0], 340_u16.to_be_bytes()[1], 0xf0, 0]);
    assert_eq!(payload.len(), 14 + 340);
}

#[test]
fn any_one_lost_packet_is_made_again_with_short_and_long_masks() {
    for offsets in [&[0][..], &[0, 1, 2, 3], &[0, 15], &[0, 16], &[0, 30, 47]] {
        let packets: Vec<_> = offsets.iter().map(|offset| packet(65_520_u16.wrapping_add(*offset))).collect();
        let mut payload = Vec::new();
        write(&sources(&packets), &mut payload).expect("they fit together");
        for lost in 0..packets.len() {
            let mut decoder = ParityDecoder::new(7);
            decoder.handle_source(&packet(65_519)).expect("valid");
            for (_, packet) in packets.iter().enumerate().filter(|(index, _)| *index != lost) {
                decoder.handle_source(packet).expect("valid");
            }
            decoder.handle_repair(&parse(&payload).expect("valid")).expect("the same stream");
            assert_eq!(decoder.poll_recovered().as_ref(), Some(&packets[lost]), "{offsets:?}");
        }
    }
}

#[test]
fn a_packet_that_is_protected_in_part_only_is_not_made_again() {
    let packets = packets(40, 2);
    let mut payload = Vec::new();
    write(&sources(&packets), &mut payload).expect("they fit together");
    // 4 bytes are protected: packets are longer.
    payload.truncate(18);
    payload[10..12].copy_from_slice(&[0, 4]);
    let mut decoder = ParityDecoder::new(7);
    decoder.handle_source(&packets[0]).expect("valid");
    decoder.handle_repair(&parse(&payload).expect("valid")).expect("the same stream");
    assert_eq!(decoder.poll_recovered(), None);
}

#[test]
fn malformed_packets_of_every_length_are_refused_with_the_reason() {
    for length in 0..=MAX_PACKET + 1 {
        let needs = |needs| Err(FecError::Truncated { needs, has: length });
        let start = |length| match length {
            0..4 => Some(4),
            4..8 => Some(8),
            8..10 => Some(10),
            10..12 => Some(12),
            _ => None,
        };
        let too_long = (length > MAX_PACKET).then_some(Err(FecError::TooLong(length)));
        let of_zeros = start(length).or((length < 14).then_some(14)).map(needs);
        assert_eq!(parse(&vec![0; length]), too_long.or(of_zeros).unwrap_or(Err(FecError::NothingProtected)));
        let of_ones = start(length).or((length < 18).then_some(18)).map(needs);
        // It promises 65,535 bytes behind the header.
        assert_eq!(parse(&vec![0xff; length]), too_long.or(of_ones).unwrap_or(needs(18 + 65_535)));
    }
}
