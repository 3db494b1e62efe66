use std::collections::HashSet;
use std::time::Duration;

use conclave_qos::Time;
use conclave_rtp::rtcp::{Compound, MAX_COMPOUND, Packet, ReferenceClock, ReportClock, Writer};
use conclave_rtp::{
    ExtensionId, ExtensionIds, ExtensionValues, Feedback, Header, MAX_PACKET, OutgoingHeader, PayloadKind, PayloadType,
    ReceivePayload, ReceiveSection, Receiver, ReceiverConfig, Ssrc, StreamIndex, write_header,
};

use crate::bytes::Bytes;

/// An RTP header: it is read or refused, and what was read survives being written again.
///
/// # Panics
/// If it does not.
pub fn rtp_header(data: &[u8]) {
    let Ok(header) = Header::parse(data) else { return };
    assert!(header.payload.start >= 12 && header.payload.end == data.len());
    if let Ok(payload) = header.payload_of(data) {
        assert!(payload.len() <= header.payload.len());
    }
    let mut kinds = [None; 3];
    for (kind, extension) in kinds.iter_mut().zip(header.extensions.clone()) {
        *kind = Some(extension);
    }
    // Whatever it says goes out as a descriptor, which may be of any length.
    let Some(extension) = kinds[0] else { return };
    let ids = ExtensionIds { dependency_descriptor: Some(extension.id), ..ExtensionIds::default() };
    let values = ExtensionValues { dependency_descriptor: Some(extension.value), ..ExtensionValues::default() };
    let outgoing = OutgoingHeader {
        payload_type: header.payload_type,
        marker: header.marker,
        padding: header.padding,
        sequence: header.sequence,
        timestamp: header.timestamp,
        ssrc: header.ssrc,
    };
    let mut written = [0; MAX_PACKET];
    let length = write_header(&mut written, &outgoing, &ids, &values).expect("one extension fits");
    let again = Header::parse(&written[..length]).expect("what was written can be read");
    assert_eq!((again.payload_type, again.marker, again.padding), (header.payload_type, header.marker, header.padding));
    assert_eq!((again.sequence, again.timestamp, again.ssrc), (header.sequence, header.timestamp, header.ssrc));
    assert_eq!(again.extensions.get(extension.id), Some(extension.value));
}

/// An RTCP compound: each of its packets is read or refused, and nothing in it is without bounds. Returns how many
/// were read.
///
/// # Panics
/// If something is.
pub fn rtcp(data: &[u8]) -> usize {
    let (mut read, mut statuses) = (0, 0);
    let (mut clock, mut reports) = (ReferenceClock::default(), ReportClock::default());
    for packet in Compound::parse(data) {
        let Ok(packet) = packet else { continue };
        read += 1;
        match packet {
            Packet::SenderReport { blocks, .. } | Packet::ReceiverReport { blocks, .. } => {
                assert!(blocks.count() <= 31)
            }
            Packet::Bye(sources) => assert!(sources.count() <= 31),
            Packet::Nack(nack) => assert!(nack.sequences().count() <= 17 * data.len() / 4),
            Packet::Fir(fir) => assert!(fir.entries().count() <= data.len() / 8),
            Packet::Remb(remb) => assert!(remb.streams().count() <= 255),
            Packet::TransportFeedback(feedback) => {
                let reference = clock.unwrap(feedback.reference);
                let count = feedback.reports(reference).count();
                assert_eq!(count, usize::from(feedback.count));
                statuses += count;
            }
            Packet::CongestionFeedback(feedback) => {
                let time = reports.unwrap(feedback.timestamp);
                let count = feedback.blocks().map(|block| block.reports(time).count()).sum::<usize>();
                assert!(count <= data.len() / 2 && feedback.blocks().count() <= data.len() / 8);
            }
            Packet::Sdes | Packet::Pli { .. } | Packet::Unknown { .. } => {}
        }
    }
    assert!(read <= MAX_PACKET / 4 && statuses <= 8_192);
    read
}

/// The most steps of one input: longer ones teach nothing and cost time.
const STEPS: usize = 2_000;
const OPUS: u8 = 111;
const VP8: u8 = 96;
const RTX: u8 = 97;
const NAMES: [Option<&str>; 4] = [None, Some("0"), Some("1"), Some("l")];

/// A receiver that gets whatever the input says, as decrypted packets: well-formed ones of made-up fields, and
/// noise. No number of a stream comes twice, what it says is well-formed, and it falls silent. Returns how many packets
/// it took.
///
/// # Panics
/// If that does not hold.
pub fn receiver(data: &[u8]) -> usize {
    let mut bytes = Bytes(data);
    let mut receiver = Receiver::new(config(2), 1);
    let mut now = Time::since_start(Duration::from_secs(1));
    let mut seen = HashSet::new();
    for _ in 0..STEPS {
        let Some(what) = bytes.u8() else { break };
        match what {
            0..=159 => {
                let Some(packet) = made_up(what, &mut bytes) else { break };
                take(&mut receiver, now, &packet, &mut seen);
            }
            160..=191 => {
                let length = usize::from(bytes.u8().unwrap_or(0));
                let packet = bytes.take(length).to_vec();
                take(&mut receiver, now, &packet, &mut seen);
            }
            192..=239 => {
                now = now + Duration::from_millis(u64::from(bytes.u8().unwrap_or(0)));
                speak(&mut receiver, now);
            }
            240..=249 => {
                receiver.request_keyframe(now, StreamIndex { section: u16::from(what & 1), layer: what >> 1 & 3 })
            }
            254 | 255 => receiver.set_congestion_feedback((what == 255).then_some(u64::MAX - 5)),
            _ => {
                receiver.set_config(config(usize::from(what & 3)));
                // A stream that went and came is another one.
                seen.clear();
            }
        }
        while receiver.poll_event().is_some() {}
    }
    for _ in 0..100 {
        now = now + Duration::from_millis(200);
        speak(&mut receiver, now);
    }
    assert_eq!(receiver.poll_timeout(), None);
    seen.len()
}

fn ids() -> ExtensionIds {
    ExtensionIds {
        audio_level: ExtensionId::new(1),
        transport_sequence: ExtensionId::new(2),
        mid: ExtensionId::new(3),
        rid: ExtensionId::new(4),
        repaired_rid: ExtensionId::new(5),
        dependency_descriptor: ExtensionId::new(6),
        absolute_send_time: None,
    }
}

fn config(sections: usize) -> ReceiverConfig {
    let feedback = Feedback { nack: true, pli: true, fir: true, transport_wide: true };
    let payload = |number, kind, clock_rate| ReceivePayload {
        payload_type: PayloadType::new(number).expect("below 128"),
        kind,
        clock_rate,
        feedback,
    };
    let number = |number| PayloadType::new(number).expect("below 128");
    let mut config = ReceiverConfig {
        reporter: Ssrc(1),
        cname: "fuzz".into(),
        extensions: ids(),
        payloads: vec![
            payload(OPUS, PayloadKind::Media, 48_000),
            payload(VP8, PayloadKind::Media, 90_000),
            payload(RTX, PayloadKind::Retransmission { of: number(VP8) }, 90_000),
        ],
        sections: vec![
            ReceiveSection { mid: "0".into(), payloads: vec![number(OPUS)], ..ReceiveSection::default() },
            ReceiveSection {
                mid: "1".into(),
                rids: vec!["0".into(), "1".into(), "l".into()],
                payloads: vec![number(VP8), number(RTX)],
                ..ReceiveSection::default()
            },
        ],
    };
    config.sections.truncate(sections);
    config
}

/// A packet of few sources and of numbers that lie close together, now and then far apart.
fn made_up(what: u8, bytes: &mut Bytes<'_>) -> Option<Vec<u8>> {
    let (fields, sequence) = (bytes.u8()?, bytes.u16()?);
    let name = |shift: u8| NAMES[usize::from(fields >> shift & 3)];
    let values = ExtensionValues {
        mid: name(0),
        rid: name(2),
        repaired_rid: name(4),
        transport_sequence: (fields & 0x40 != 0).then_some(sequence),
        audio_level: (fields & 0x80 != 0).then_some((fields & 0x7f, true)),
        ..ExtensionValues::default()
    };
    let header = OutgoingHeader {
        payload_type: PayloadType::new([OPUS, VP8, RTX, VP8][usize::from(what & 3)])?,
        marker: what & 4 != 0,
        padding: what & 8 != 0,
        sequence,
        timestamp: u32::from(sequence) * 960,
        ssrc: Ssrc(u32::from(what >> 4)),
    };
    let mut packet = vec![0; 256];
    let length = write_header(&mut packet, &header, &ids(), &values).expect("it fits");
    packet.truncate(length);
    packet.extend(bytes.take(usize::from(what >> 3 & 7)));
    Some(packet)
}

fn take(receiver: &mut Receiver, now: Time, packet: &[u8], seen: &mut HashSet<(StreamIndex, u64)>) {
    if let Ok(Some(media)) = receiver.handle_rtp(now, now, packet) {
        assert!(media.payload.len() <= packet.len());
        assert!(seen.insert((media.stream, media.sequence)), "{media:?} came twice");
    }
}

fn speak(receiver: &mut Receiver, now: Time) {
    for round in 0.. {
        assert!(round < 20, "it talks for ever");
        let mut buffer = [0; MAX_COMPOUND];
        let mut writer = Writer::new(&mut buffer);
        receiver.write_rtcp(now, &mut writer);
        let length = writer.len();
        if length == 0 {
            return;
        }
        assert!(Compound::parse(&buffer[..length]).all(|packet| packet.is_ok()));
    }
}
