//! Which stream a packet belongs to.

use conclave_rtp::{ExtensionValues, ReceiverEvent, Refused, Ssrc, StreamIndex, StreamSources, write_padding};

use crate::world::{CAMERA_HIGH, Got, MICROPHONE, OPUS, RTX, VP8, World, config, ids};

#[test]
fn a_source_belongs_to_the_stream_that_its_packets_name_also_when_they_name_it_no_longer() {
    let mut world = World::new();
    let first = world.camera(10).expect("taken").expect("media");
    assert_eq!((first.stream, first.payload_type), (CAMERA_HIGH, VP8));
    assert_eq!(first.payload, b"picture");
    let next = world.camera(11).expect("taken").expect("media");
    assert_eq!((next.stream, next.sequence), (CAMERA_HIGH, first.sequence + 1));
    world.values = ExtensionValues { mid: Some("1"), rid: Some("l"), ..ExtensionValues::default() };
    let low = world.receive(VP8, 60, 1, b"low").expect("taken").expect("media");
    assert_eq!(low.stream, StreamIndex { section: 1, layer: 0 });
}

#[test]
fn a_source_that_names_no_section_belongs_to_the_only_one_that_carries_its_payload() {
    let mut world = World::new();
    let got = world.receive(OPUS, 9, 1, b"sound").expect("taken").expect("media");
    assert_eq!(got.stream, MICROPHONE);
    // Of which of the three layers this is, nothing tells.
    assert_eq!(world.receive(VP8, 10, 1, b"picture"), Err(Refused::Unbound));
    world.values = ExtensionValues { mid: Some("nobody"), ..ExtensionValues::default() };
    assert_eq!(world.receive(OPUS, 11, 1, b"sound"), Err(Refused::Unbound));
    assert_eq!(world.receive(100, 9, 2, b"?"), Err(Refused::UnknownPayload));
    // A name that is not known takes nothing away from who is known.
    assert!(world.receive(OPUS, 9, 2, b"sound").is_ok());
}

#[test]
fn sources_that_the_description_names_need_no_extension() {
    let mut declared = config();
    declared.sections[1].rids.clear();
    declared.sections[1].sources = vec![
        StreamSources { media: Ssrc(70), retransmission: Some(Ssrc(71)) },
        StreamSources { media: Ssrc(80), retransmission: None },
    ];
    let mut world = World::with(declared);
    let got = |stream, sequence, payload: &[u8]| {
        Ok(Some(Got { stream, payload_type: VP8, sequence, payload: payload.to_vec() }))
    };
    let low = StreamIndex { section: 1, layer: 0 };
    assert_eq!(world.receive(VP8, 70, 5, b"low"), got(low, 65_541, b"low"));
    assert_eq!(world.receive(VP8, 70, 7, b"low"), got(low, 65_543, b"low"));
    assert_eq!(world.receive(RTX, 71, 900, &[0, 6, b'x']), got(low, 65_542, b"x"));
    assert_eq!(world.receive(VP8, 80, 5, b"high"), got(StreamIndex { section: 1, layer: 1 }, 65_541, b"high"));
    // Media on the source of repeated packets, and the other way round.
    assert_eq!(world.receive(VP8, 71, 8, b"?"), Err(Refused::UnknownPayload));
    assert_eq!(world.receive(RTX, 70, 8, &[0, 6, b'x']), Err(Refused::UnknownPayload));
}

#[test]
fn a_second_source_takes_a_stream_over_once_and_not_at_each_packet() {
    let mut world = World::new();
    let first = world.camera(10).expect("taken").expect("media").sequence;
    world.values = ExtensionValues { mid: Some("1"), rid: Some("h"), ..ExtensionValues::default() };
    assert_eq!(world.receive(VP8, 99, 10, b"other"), Err(Refused::Collision));
    world.pass_ms(1_001);
    let other = world.receive(VP8, 99, 10, b"other").expect("taken").expect("media");
    assert_eq!(other.stream, CAMERA_HIGH);
    assert!(other.sequence > first + 65_535, "nobody may take it for what follows {first}: {}", other.sequence);
    // The first one claims it back at once, and has to wait.
    assert_eq!(world.receive(VP8, 50, 11, b"picture"), Err(Refused::Collision));
    assert_eq!(world.receiver.sources(CAMERA_HIGH).0, Some(Ssrc(99)));
    let next = world.receive(VP8, 99, 11, b"other").expect("taken").expect("media");
    assert_eq!(next.sequence, other.sequence + 1);
}

#[test]
fn one_source_in_two_sections_belongs_to_the_one_that_it_named_last() {
    let mut world = World::new();
    world.camera(10).expect("taken");
    world.values = ExtensionValues { mid: Some("0"), ..ExtensionValues::default() };
    let moved = world.receive(OPUS, 50, 11, b"sound").expect("taken").expect("media");
    assert_eq!(moved.stream, MICROPHONE);
    assert_eq!(world.receiver.sources(CAMERA_HIGH).0, None);
    world.values = ExtensionValues::default();
    assert_eq!(world.receive(OPUS, 50, 12, b"sound").map(|got| got.map(|got| got.stream)), Ok(Some(MICROPHONE)));
}

#[test]
fn a_new_description_leaves_streams_as_they_were_and_forgets_those_that_are_gone() {
    let mut world = World::new();
    let before = world.camera(10).expect("taken").expect("media");
    world.values = ExtensionValues { mid: Some("0"), ..ExtensionValues::default() };
    world.receive(OPUS, 9, 1, b"sound").expect("taken");
    world.values = ExtensionValues::default();

    let mut swapped = config();
    swapped.sections.swap(0, 1);
    swapped.sections[0].rids.reverse();
    world.receiver.set_config(swapped);
    let after = world.camera(11).expect("taken").expect("media");
    assert_eq!((after.stream, after.sequence), (StreamIndex { section: 0, layer: 0 }, before.sequence + 1));

    let mut without = config();
    without.sections.truncate(1);
    world.receiver.set_config(without);
    assert_eq!(world.camera(12), Err(Refused::Unbound));
    assert!(world.receive(OPUS, 9, 2, b"sound").is_ok());
    assert_eq!(world.receiver.stats(MICROPHONE).map(|stats| stats.packets), Some(2));
}

#[test]
fn the_level_of_a_voice_and_the_descriptor_come_with_the_packet() {
    let mut world = World::new();
    world.values = ExtensionValues {
        audio_level: Some((33, true)),
        dependency_descriptor: Some(&[9, 8, 7]),
        mid: Some("0"),
        ..ExtensionValues::default()
    };
    let packet = world.packet(OPUS, 9, 1, 960, b"sound");
    let media = world.receiver.handle_rtp(world.now, world.now, &packet).expect("taken").expect("media");
    assert_eq!((media.audio_level, media.voice_activity), (Some(33), Some(true)));
    assert_eq!(media.descriptor, Some([9, 8, 7].as_slice()));
    assert_eq!((media.timestamp, media.at), (960, world.now));
}

#[test]
fn padding_keeps_its_number_among_media_and_is_nothing_among_repeated_packets() {
    let mut world = World::new();
    let before = world.camera(10).expect("taken").expect("media");
    let mut packet = world.packet(VP8, 50, 11, 0, &[0; 40]);
    packet[0] |= 0x20;
    let end = packet.len();
    write_padding(&mut packet, end - 40, 40).expect("it fits");
    let padding = world.receive_bytes(&packet).expect("taken").expect("a number");
    assert_eq!((padding.sequence, padding.payload.len()), (before.sequence + 1, 0));

    world.values = ExtensionValues { mid: Some("1"), repaired_rid: Some("h"), ..ExtensionValues::default() };
    assert_eq!(world.receive(RTX, 51, 1, b""), Ok(None));
    assert_eq!(world.receive(RTX, 51, 2, &[0]), Ok(None));
    assert_eq!(world.receiver.stats(CAMERA_HIGH).map(|stats| stats.packets), Some(2));
}

#[test]
fn a_stream_that_has_ended_may_begin_again_with_another_source() {
    let mut world = World::new();
    world.camera(10).expect("taken");
    let mut buffer = [0; 100];
    let mut writer = conclave_rtp::rtcp::Writer::new(&mut buffer);
    writer.bye(&[Ssrc(50), Ssrc(12_345)]).expect("it fits");
    let length = writer.len();
    for packet in conclave_rtp::rtcp::Compound::parse(&buffer[..length]).flatten() {
        let conclave_rtp::rtcp::Packet::Bye(sources) = packet else { panic!("{packet:?}") };
        world.receiver.handle_bye(sources);
    }
    assert_eq!(world.receiver.poll_event(), Some(ReceiverEvent::Ended { stream: CAMERA_HIGH }));
    assert_eq!(world.receiver.poll_event(), None);
    world.values = ExtensionValues { mid: Some("1"), rid: Some("h"), ..ExtensionValues::default() };
    assert!(world.receive(VP8, 99, 1, b"other").is_ok());
    assert!(ids().mid.is_some());
}
