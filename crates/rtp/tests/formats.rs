//! Headers, and the places where packets wait.
#![allow(missing_docs)]

use std::time::Duration;

use conclave_qos::Time;
use conclave_rtp::{
    Arena, ExtensionId, ExtensionIds, ExtensionValues, Header, MAX_PACKET, Malformed, OutgoingHeader, PacketId,
    PacketStore, PayloadType, Ssrc, write_header, write_padding,
};
use proptest::prelude::*;

fn id(number: u8) -> Option<ExtensionId> {
    ExtensionId::new(number)
}

fn outgoing() -> OutgoingHeader {
    OutgoingHeader {
        payload_type: PayloadType::new(96).expect("below 128"),
        marker: true,
        padding: false,
        sequence: 0xfffe,
        timestamp: 0x8000_0001,
        ssrc: Ssrc(0xdead_beef),
    }
}

fn all_values() -> ExtensionValues<'static> {
    ExtensionValues {
        audio_level: Some((42, true)),
        transport_sequence: Some(0x1234),
        mid: Some("video"),
        rid: Some("h"),
        repaired_rid: Some("m"),
        dependency_descriptor: Some(&[1, 2, 3]),
        absolute_send_time: Some(0x00ab_cdef),
    }
}

fn ids(first: u8) -> ExtensionIds {
    ExtensionIds {
        audio_level: id(first),
        transport_sequence: id(first + 1),
        mid: id(first + 2),
        rid: id(first + 3),
        repaired_rid: id(first + 4),
        dependency_descriptor: id(first + 5),
        absolute_send_time: id(first + 6),
    }
}

#[test]
fn a_header_is_read_as_it_was_written_in_either_form() {
    // The second needs the form of two bytes.
    for first in [1, 200] {
        let mut packet = [0xee; 200];
        let length = write_header(&mut packet, &outgoing(), &ids(first), &all_values()).expect("it fits");
        assert_eq!(length % 4, 0);
        let header = Header::parse(&packet).expect("a header");
        assert_eq!((header.payload_type.get(), header.marker, header.padding), (96, true, false));
        assert_eq!((header.sequence, header.timestamp, header.ssrc), (0xfffe, 0x8000_0001, Ssrc(0xdead_beef)));
        assert_eq!(header.payload, length..packet.len());
        let value = |offset: u8| header.extensions.get(id(first + offset).expect("not zero"));
        assert_eq!(value(0), Some([0x80 | 42].as_slice()));
        assert_eq!(value(1), Some([0x12, 0x34].as_slice()));
        assert_eq!(value(2), Some(b"video".as_slice()));
        assert_eq!(value(3), Some(b"h".as_slice()));
        assert_eq!(value(4), Some(b"m".as_slice()));
        assert_eq!(value(5), Some([1, 2, 3].as_slice()));
        assert_eq!(value(6), Some([0xab, 0xcd, 0xef].as_slice()));
        assert_eq!(header.extensions.clone().count(), 7);
    }
}

#[test]
fn a_descriptor_longer_than_16_bytes_takes_the_form_of_two_bytes() {
    let descriptor = [7; 70];
    let values = ExtensionValues { dependency_descriptor: Some(&descriptor), ..all_values() };
    let mut packet = [0; 200];
    write_header(&mut packet, &outgoing(), &ids(1), &values).expect("it fits");
    assert_eq!(packet[12..14], [0x10, 0x00]);
    let header = Header::parse(&packet).expect("a header");
    assert_eq!(header.extensions.get(id(6).expect("not zero")), Some(descriptor.as_slice()));
    assert_eq!(header.extensions.get(id(3).expect("not zero")), Some(b"video".as_slice()));
}

#[test]
fn a_header_without_negotiated_extensions_has_none() {
    let mut packet = [0; 12];
    assert_eq!(write_header(&mut packet, &outgoing(), &ExtensionIds::default(), &all_values()), Ok(12));
    assert_eq!(Header::parse(&packet).expect("a header").extensions.count(), 0);
}

#[test]
fn what_does_not_fit_is_refused_at_every_length() {
    let mut whole = [0; 200];
    let length = write_header(&mut whole, &outgoing(), &ids(1), &all_values()).expect("it fits");
    for room in 0..length {
        assert!(write_header(&mut whole[..room], &outgoing(), &ids(1), &all_values()).is_err());
    }
    assert!(write_padding(&mut [0; 4], 2, 3).is_err());
    assert!(write_padding(&mut [0; 4], 2, 0).is_err());
}

#[test]
fn padding_is_taken_off_and_impossible_padding_refused() {
    let mut packet = [9; 24];
    let header = OutgoingHeader { padding: true, ..outgoing() };
    write_header(&mut packet, &header, &ExtensionIds::default(), &ExtensionValues::default()).expect("it fits");
    for count in 1..=12 {
        assert_eq!(write_padding(&mut packet, 24 - usize::from(count), count), Ok(24));
        let header = Header::parse(&packet).expect("a header");
        assert_eq!(header.payload_of(&packet).map(<[u8]>::len), Ok(12 - usize::from(count)));
    }
    for impossible in [0, 13, 255] {
        packet[23] = impossible;
        let header = Header::parse(&packet).expect("a header");
        assert_eq!(header.payload_of(&packet), Err(Malformed::Padding));
    }
}

#[test]
fn elements_behind_a_malformed_one_are_not_read_and_the_packet_is() {
    let mut packet = vec![0x90, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0xbe, 0xde, 0, 2];
    // Padding, one element, then one that is longer than what is left.
    packet.extend([0, 0x10, 7, 0x2f, 1, 2, 3, 4]);
    let header = Header::parse(&packet).expect("a header");
    let elements = header.extensions.map(|element| (element.id.get(), element.value)).collect::<Vec<_>>();
    assert_eq!(elements, [(1, [7].as_slice())]);
    // 15 ends the list.
    packet[17] = 0xf0;
    assert_eq!(Header::parse(&packet).expect("a header").extensions.count(), 0);
    // A form that nobody knows.
    packet[12] = 0;
    assert_eq!(Header::parse(&packet).expect("a header").extensions.count(), 0);
}

#[test]
fn every_length_and_first_byte_is_read_or_refused() {
    for fill in [0, 1, 0x10, 0x90, 0xbe, 0xff] {
        for first in 128..=191u8 {
            for length in 0..=MAX_PACKET {
                let mut packet = [fill; MAX_PACKET];
                packet[0] = first;
                read(&packet[..length]);
            }
        }
    }
}

fn read(packet: &[u8]) {
    if let Ok(header) = Header::parse(packet) {
        assert!(header.payload.start >= 12 && header.payload.end == packet.len());
        assert!(header.extensions.clone().count() <= packet.len());
        if let Ok(payload) = header.payload_of(packet) {
            assert!(payload.len() <= header.payload.len());
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(first in 128u8..=191, form in 0usize..3, mut bytes in proptest::collection::vec(any::<u8>(), 0..1_500)) {
        let contributors = usize::from(first & 0x0f);
        if let Some(byte) = bytes.first_mut() {
            *byte = first;
        }
        if let Some(head) = bytes.get_mut(12 + 4 * contributors..16 + 4 * contributors) {
            head[..2].copy_from_slice([[0xbe, 0xde], [0x10, 0x00], [1, 2]][form].as_slice());
            head[2] = 0;
        }
        read(&bytes);
    }

    #[test]
    fn a_store_gives_back_what_it_holds_and_nothing_else(
        pushes in proptest::collection::vec((0usize..1_500, 0u64..400), 1..2_000),
    ) {
        let mut store = PacketStore::new();
        let mut now = Time::default();
        let mut pushed = Vec::new();
        for (number, (length, wait)) in pushes.into_iter().enumerate() {
            now = now + Duration::from_millis(wait / 20);
            let payload = payload(number, length);
            let id = store.push(now, &payload);
            prop_assert_eq!(id, PacketId(number as u64));
            pushed.push((now, payload));
            prop_assert!(store.memory() <= PacketStore::MAX_BYTES + 256 * 1_024);
        }
        let kept = store.len();
        let oldest = pushed.len() - kept;
        for (number, (_, payload)) in pushed.iter().enumerate() {
            let found = store.get(PacketId(number as u64));
            prop_assert_eq!(found, (number >= oldest).then_some(payload.as_slice()));
        }
        prop_assert_eq!(store.get(PacketId(pushed.len() as u64)), None);
        // Nothing was dropped that is young and would fit, but for what a wrap leaves unused.
        let bytes = pushed[oldest..].iter().map(|(_, payload)| payload.len()).sum::<usize>();
        if let Some((at, _)) = oldest.checked_sub(1).map(|before| &pushed[before]) {
            prop_assert!(now.since(*at) > PacketStore::LIFETIME || bytes + 2 * MAX_PACKET > PacketStore::MAX_BYTES / 2);
        }
    }
}

fn payload(number: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (number * 31 + at) as u8).collect()
}

#[test]
fn a_store_keeps_two_seconds_and_no_more() {
    let mut store = PacketStore::new();
    let at = |milliseconds| Time::since_start(Duration::from_millis(milliseconds));
    for number in 0..100 {
        store.push(at(number * 50), b"payload");
    }
    assert_eq!(store.get(PacketId(58)), None);
    assert_eq!(store.get(PacketId(59)), Some(b"payload".as_slice()));
    store.release();
    assert_eq!((store.len(), store.memory(), store.get(PacketId(99))), (0, 0, None));
    assert_eq!(store.push(at(6_000), b"next"), PacketId(100));
}

#[test]
fn a_store_of_a_high_rate_is_bounded_in_bytes_and_of_tiny_payloads_in_count() {
    let mut store = PacketStore::new();
    for _ in 0..2_000 {
        store.push(Time::default(), &[1; 1_200]);
    }
    assert!(store.len() > 400 && store.len() * 1_200 <= PacketStore::MAX_BYTES);
    let mut store = PacketStore::new();
    for _ in 0..20_000 {
        store.push(Time::default(), &[]);
    }
    assert_eq!(store.len(), PacketStore::MAX_PAYLOADS);
    assert_eq!(store.get(PacketId(19_999)), Some([].as_slice()));
}

#[test]
fn an_arena_holds_packets_without_gaps_and_keeps_its_memory() {
    let mut arena = Arena::with_capacity(2);
    for round in 0..3u8 {
        for number in 0..5u8 {
            let room = arena.begin();
            assert_eq!(room.len(), MAX_PACKET);
            room[..usize::from(number) * 10].fill(number + round);
            arena.commit(usize::from(number) * 10);
        }
        // What was begun and not kept leaves nothing.
        arena.begin().fill(0xff);
        assert_eq!((arena.len(), arena.used()), (5, 100));
        let lengths = arena.packets(1..9).map(<[u8]>::len).collect::<Vec<_>>();
        assert_eq!(lengths, [10, 20, 30, 40]);
        assert!(arena.packets(4..5).all(|packet| packet.iter().all(|byte| *byte == 4 + round)));
        assert_eq!(arena.contiguous(3..5).len(), 70);
        assert_eq!(arena.contiguous(5..9), []);
        arena.clear();
        assert!(arena.is_empty());
    }
}
