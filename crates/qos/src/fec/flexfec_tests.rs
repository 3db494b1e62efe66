use super::*;
use crate::fec::ParityDecoder;
use crate::fec::parity_decoder::tests::{packet, packets, sources};

/// The bits of a mask as libwebrtc's tests write them: the first packet is the highest bit of the first byte.
fn mask_of(bytes: &[u8]) -> u128 {
    (0..bytes.len() * 8).filter(|bit| bytes[bit / 8] << (bit % 8) & 0x80 != 0).map(|bit| 1 << bit).sum()
}

fn coverage(format: Format, payload: &[u8]) -> (u16, u128, usize) {
    let repair = parse(format, payload).expect("valid");
    let Coverage::Mask { base, mask } = repair.coverage else { panic!("a mask") };
    (base, mask, payload.len() - repair.body.len())
}

/// From libwebrtc's flexfec_header_reader_writer_unittest.cc: `ReadsHeaderWithKBit0ClearSingleStream` and the two
/// behind it.
#[test]
fn headers_of_the_standard_are_read_as_libwebrtc_does() {
    let start = [0, 123, 0xab, 0xcd, 1, 0x23, 0x45, 0x67, 0x01, 0x02];
    for (written, mask) in [
        (&[0x08, 0x81][..], &[0x11, 0x02][..]),
        (&[0xc8, 0x81, 0x02, 0x11, 0x00, 0x21], &[0x91, 0x02, 0x08, 0x44, 0x00, 0x84]),
        (
            &[0xc8, 0x81, 0x82, 0x11, 0x00, 0x21, 0x01, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11],
            &[0x91, 0x02, 0x08, 0x44, 0x00, 0x84, 0x04, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44],
        ),
    ] {
        let payload = [&start[..], written, &[0; 4]].concat();
        assert_eq!(coverage(Format::Rfc8627, &payload), (0x0102, mask_of(mask), start.len() + written.len()));
        let mut out = Vec::new();
        write_mask(Format::Rfc8627, mask_of(mask), &mut out);
        assert_eq!(out, written);
    }
}

/// From flexfec_03_header_reader_writer_unittest.cc: `ReadsHeaderWithKBit0Set` and the two behind it.
#[test]
fn headers_of_the_draft_are_read_as_libwebrtc_does() {
    let start = [0, 123, 0xab, 0xcd, 1, 0x23, 0x45, 0x67, 1, 0, 0, 0, 0x11, 0x22, 0x33, 0x44, 0xaa, 0xbb];
    for (written, mask) in [
        (&[0x88, 0x81][..], &[0x11, 0x02][..]),
        (&[0x48, 0x81, 0x82, 0x11, 0x00, 0x21], &[0x91, 0x02, 0x08, 0x44, 0x00, 0x84]),
        (
            &[0x48, 0x81, 0x02, 0x11, 0x00, 0x21, 0x81, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11],
            &[0x91, 0x02, 0x08, 0x44, 0x00, 0x84, 0x08, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88],
        ),
    ] {
        let payload = [&start[..], written, &[0; 4]].concat();
        assert_eq!(coverage(Format::Draft03, &payload), (0xaabb, mask_of(mask), start.len() + written.len()));
        assert_eq!(parse(Format::Draft03, &payload).expect("valid").ssrc, Some(0x1122_3344));
        let mut out = Vec::new();
        write_mask(Format::Draft03, mask_of(mask), &mut out);
        assert_eq!(out, written);
    }
}

#[test]
fn any_one_lost_packet_is_made_again_in_both_formats_and_wherever_it_is_in_the_mask() {
    for format in [Format::Rfc8627, Format::Draft03] {
        for offsets in [&[0][..], &[0, 1, 2], &[0, 14], &[0, 15], &[0, 3, 45], &[0, 46], &[0, 20, 46, 108]] {
            let packets: Vec<_> = offsets.iter().map(|offset| packet(65_500_u16.wrapping_add(*offset))).collect();
            let mut payload = Vec::new();
            write(format, &sources(&packets), &mut payload).expect("they fit together");
            for lost in 0..packets.len() {
                let mut decoder = ParityDecoder::new(7);
                decoder.handle_source(&packet(65_499)).expect("valid");
                for (index, packet) in packets.iter().enumerate().filter(|(index, _)| *index != lost) {
                    decoder.handle_source(packet).unwrap_or_else(|error| panic!("{index}: {error}"));
                }
                decoder.handle_repair(&parse(format, &payload).expect("valid")).expect("the same stream");
                assert_eq!(decoder.poll_recovered().as_ref(), Some(&packets[lost]), "{format:?}, {offsets:?}");
            }
        }
    }
}

#[test]
fn rows_and_columns_together_repair_what_neither_could_alone() {
    // 4 columns, 3 rows. A whole row is lost, and one more in a column that still has two others.
    let grid = packets(100, 12);
    let mut payloads = Vec::new();
    for row in 0..3 {
        let mut out = Vec::new();
        write_fixed(Shape::RowOfGrid(4), &sources(&grid[row * 4..row * 4 + 4]), &mut out).expect("a row");
        payloads.push(out);
    }
    for column in 0..4 {
        let packets: Vec<_> = grid.iter().skip(column).step_by(4).cloned().collect();
        let mut out = Vec::new();
        write_fixed(Shape::Column(4, 3), &sources(&packets), &mut out).expect("a column");
        payloads.push(out);
    }
    let lost = [4, 5, 6, 7, 9];
    let mut decoder = ParityDecoder::new(7);
    for (_, packet) in grid.iter().enumerate().filter(|(index, _)| !lost.contains(index)) {
        decoder.handle_source(packet).expect("valid");
    }
    for payload in &payloads {
        decoder.handle_repair(&parse(Format::Rfc8627, payload).expect("valid")).expect("the same stream");
    }
    let mut made: Vec<_> = std::iter::from_fn(|| decoder.poll_recovered()).collect();
    made.sort();
    assert_eq!(made, lost.map(|index| grid[index].clone()));
}

#[test]
fn what_does_not_fit_together_is_not_protected_together() {
    let mut out = Vec::new();
    assert_eq!(write(Format::Rfc8627, &[] as &[Source<'_>], &mut out), Err(FecError::WindowOutOfRange));
    let far = [packet(1), packet(111)];
    assert_eq!(write(Format::Rfc8627, &sources(&far), &mut out), Err(FecError::SourceElsewhere));
    let twice = [packet(1), packet(1)];
    assert_eq!(write(Format::Draft03, &sources(&twice), &mut out), Err(FecError::SourceElsewhere));
    let mut other = packet(2);
    other[8..12].fill(0);
    assert_eq!(write(Format::Rfc8627, &sources(&[packet(1), other]), &mut out), Err(FecError::SourceElsewhere));
    let row = packets(1, 4);
    assert_eq!(write_fixed(Shape::Row(5), &sources(&row), &mut out), Err(FecError::WindowOutOfRange));
    assert_eq!(write_fixed(Shape::Row(0), &sources(&row), &mut out), Err(FecError::NoColumns));
    assert_eq!(write_fixed(Shape::Column(4, 1), &sources(&row), &mut out), Err(FecError::WindowOutOfRange));
    assert_eq!(write_fixed(Shape::Column(2, 4), &sources(&row), &mut out), Err(FecError::SourceElsewhere));
    assert_eq!(write_fixed(Shape::Column(255, 4), &sources(&row), &mut out), Err(FecError::TooWide(766)));
}

#[test]
fn malformed_packets_of_every_length_are_refused_with_the_reason() {
    for length in 0..=MAX_PACKET + 1 {
        let zeros = vec![0; length];
        let retransmission = vec![0xff; length];
        for format in [Format::Rfc8627, Format::Draft03] {
            let needs = |needs| Err(FecError::Truncated { needs, has: length });
            let expected = match length {
                0..4 => needs(4),
                4..8 => needs(8),
                _ if length > MAX_PACKET => Err(FecError::TooLong(length)),
                _ => Err(FecError::Retransmission),
            };
            assert_eq!(parse(format, &retransmission), expected, "{format:?}, {length}");
        }
        let expected = match length {
            0..4 => FecError::Truncated { needs: 4, has: length },
            4..8 => FecError::Truncated { needs: 8, has: length },
            8..10 => FecError::Truncated { needs: 10, has: length },
            10..12 => FecError::Truncated { needs: 12, has: length },
            _ if length > MAX_PACKET => FecError::TooLong(length),
            _ => FecError::NothingProtected,
        };
        assert_eq!(parse(Format::Rfc8627, &zeros), Err(expected));
        let mut draft = zeros.clone();
        if let Some(streams) = draft.get_mut(8) {
            *streams = 1;
        }
        let expected = match length {
            0..4 => FecError::Truncated { needs: 4, has: length },
            4..8 => FecError::Truncated { needs: 8, has: length },
            8..12 => FecError::Truncated { needs: 12, has: length },
            12..16 => FecError::Truncated { needs: 16, has: length },
            16..18 => FecError::Truncated { needs: 18, has: length },
            18..20 => FecError::Truncated { needs: 20, has: length },
            20..24 => FecError::Truncated { needs: 24, has: length },
            24..32 => FecError::Truncated { needs: 32, has: length },
            _ if length > MAX_PACKET => FecError::TooLong(length),
            _ => FecError::EndlessMask,
        };
        assert_eq!(parse(Format::Draft03, &draft), Err(expected), "{length}");
    }
    let mut fixed = [0; 20];
    fixed[0] = 0x40;
    assert_eq!(parse(Format::Rfc8627, &fixed), Err(FecError::NoColumns));
    fixed[10..12].copy_from_slice(&[255, 255]);
    assert_eq!(parse(Format::Rfc8627, &fixed), Err(FecError::TooWide(64_771)));
    assert_eq!(parse(Format::Draft03, &[0; 20]), Err(FecError::Streams(0)));
}
