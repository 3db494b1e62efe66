use proptest::prelude::*;

use super::*;

#[test]
fn blocks_are_read_as_they_were_written() {
    let blocks = [
        Block { payload_type: 111, offset: 960, payload: &[0xaa, 0xab] },
        Block { payload_type: 111, offset: 480, payload: &[] },
        Block { payload_type: 111, offset: 0, payload: &[1, 2, 3] },
    ];
    let mut out = Vec::new();
    write(&blocks, &mut out).expect("possible");
    assert_eq!(out[..4], [0xef, 0x0f, 0x00, 0x02]);
    assert_eq!(parse(&out).expect("valid").collect::<Vec<_>>(), blocks);
}

#[test]
fn what_the_header_cannot_tell_is_not_written() {
    let long = [0; 1_600];
    let primary = Block { payload_type: 96, offset: 0, payload: &long[..10] };
    let mut out = Vec::new();
    for (blocks, error) in [
        (vec![], FecError::WindowOutOfRange),
        (vec![primary; 17], FecError::WindowOutOfRange),
        (vec![Block { payload_type: 128, ..primary }], FecError::WindowOutOfRange),
        (vec![Block { offset: 0x4000, ..primary }, primary], FecError::WindowOutOfRange),
        (vec![Block { payload: &long[..1_024], ..primary }, primary], FecError::WindowOutOfRange),
        (vec![Block { payload: &long[..1_500], ..primary }], FecError::TooLong(1_501)),
    ] {
        assert_eq!(write(&blocks, &mut out), Err(error));
    }
}

#[test]
fn malformed_packets_of_every_length_are_refused_with_the_reason() {
    for length in 0..=MAX_PACKET + 1 {
        let result = parse(&vec![0xff; length]).map(Iterator::count);
        let error = match length {
            _ if length > MAX_PACKET => FecError::TooLong(length),
            _ if length >= 64 => FecError::TooManyBlocks,
            _ if length % 4 == 0 => FecError::Truncated { needs: length + 1, has: length },
            _ => FecError::Truncated { needs: length / 4 * 4 + 4, has: length },
        };
        assert_eq!(result, Err(error), "{length}");
    }
    assert_eq!(parse(&[0xef, 0, 0, 5, 0x6f, 1]).map(Iterator::count), Err(FecError::Truncated { needs: 10, has: 6 }));
}

proptest! {
    #[test]
    fn the_blocks_that_are_read_lie_in_the_packet(payload in prop::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(blocks) = parse(&payload) {
            let blocks: Vec<_> = blocks.collect();
            prop_assert!(!blocks.is_empty() && blocks.len() <= MAX_BLOCKS);
            let mut out = Vec::new();
            write(&blocks, &mut out).expect("what was read can be written");
            prop_assert_eq!(&out, &payload);
        }
    }
}
