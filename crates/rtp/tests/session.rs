//! Both halves and the keys: a leg as its peer sees it, and whatever a peer may send.
#![allow(missing_docs)]

use std::time::Duration;

use conclave_qos::{Gcc, Limits, Time};
use conclave_rtp::rtcp::{Compound, FirEntry, MAX_COMPOUND, Packet, ReportBlock, SenderInfo, Writer};
use conclave_rtp::srtp::{Inbound, Outbound, Profile, Rejected, Side, pair};
use conclave_rtp::{
    Arena, ExtensionId, ExtensionIds, ExtensionValues, Feedback, MAX_PACKET, NotTaken, OutgoingHeader, PayloadKind,
    PayloadType, ReceivePayload, ReceiveSection, Receiver, ReceiverConfig, ReceiverEvent, SendPayload, Sender,
    SenderConfig, SenderEvent, Session, SlotConfig, Ssrc, StreamIndex, write_header,
};
use proptest::prelude::*;

const VP8: u8 = 96;
const RTX: u8 = 97;
const CAMERA: StreamIndex = StreamIndex { section: 0, layer: 0 };
const THEIRS: u32 = 50;
const OURS: Ssrc = Ssrc(900);

fn payload_type(number: u8) -> PayloadType {
    PayloadType::new(number).expect("below 128")
}

fn ids() -> ExtensionIds {
    ExtensionIds {
        transport_sequence: ExtensionId::new(2),
        mid: ExtensionId::new(3),
        audio_level: ExtensionId::new(4),
        dependency_descriptor: ExtensionId::new(12),
        ..ExtensionIds::default()
    }
}

fn session() -> Session {
    let feedback = Feedback { nack: true, pli: true, fir: true, transport_wide: true };
    let receive =
        |number, kind| ReceivePayload { payload_type: payload_type(number), kind, clock_rate: 90_000, feedback };
    let receiver = Receiver::new(
        ReceiverConfig {
            reporter: Ssrc(1),
            cname: "us".into(),
            extensions: ids(),
            payloads: vec![
                receive(VP8, PayloadKind::Media),
                receive(RTX, PayloadKind::Retransmission { of: payload_type(VP8) }),
            ],
            sections: vec![ReceiveSection {
                mid: "v".into(),
                payloads: vec![payload_type(VP8), payload_type(RTX)],
                ..ReceiveSection::default()
            }],
        },
        3,
    );
    let config = SenderConfig { cname: "us".into(), ntp_at_start: 1 << 60, overhead: 28 };
    let mut sender = Sender::new(config, Box::new(Gcc::new(Limits::default())), 5);
    let slot = SlotConfig {
        ssrc: OURS,
        rtx: Some(Ssrc(901)),
        mid: Some("out".into()),
        is_audio: false,
        extensions: ids(),
        parity: None,
        payloads: vec![SendPayload {
            payload_type: payload_type(VP8),
            rtx: Some(payload_type(RTX)),
            clock_rate: 90_000,
        }],
        red: None,
    };
    sender.set_slots(vec![slot]).expect("one slot");
    Session::new(receiver, sender)
}

/// A leg, and what its peer has of its keys.
struct World {
    session: Session,
    outbound: Outbound,
    inbound: Inbound,
    arena: Arena,
    now: Time,
}

impl World {
    fn new(profile: Profile) -> Self {
        let material = (0..profile.keying_material_length()).map(|byte| byte as u8).collect::<Vec<_>>();
        let mut session = session();
        session.connect(profile, &material, Side::DtlsServer).expect("the right length");
        let (inbound, outbound) = pair(profile, &material, Side::DtlsClient).expect("the right length");
        let now = Time::since_start(Duration::from_secs(10));
        Self { session, outbound, inbound, arena: Arena::default(), now }
    }

    fn seal_rtp(
        &mut self,
        ssrc: u32,
        number: u64,
        payload_type: u8,
        values: &ExtensionValues<'_>,
        payload: &[u8],
    ) -> Vec<u8> {
        let header = OutgoingHeader {
            payload_type: self::payload_type(payload_type),
            marker: true,
            padding: false,
            sequence: number as u16,
            timestamp: number as u32 * 3_000,
            ssrc: Ssrc(ssrc),
        };
        let mut packet = vec![0; MAX_PACKET];
        let start = write_header(&mut packet, &header, &ids(), values).expect("it fits");
        let length = start + payload.len();
        packet[start..length].copy_from_slice(payload);
        let sealed = self.outbound.protect_rtp(&mut packet, start, length, number).expect("sealable");
        packet.truncate(sealed);
        packet
    }

    fn seal_rtcp(&mut self, compound: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; MAX_PACKET];
        packet[..compound.len()].copy_from_slice(compound);
        let sealed = self.outbound.protect_rtcp(&mut packet, compound.len()).expect("sealable");
        packet.truncate(sealed);
        packet
    }

    fn tell(&mut self, write: impl FnOnce(&mut Writer<'_>)) {
        let mut buffer = [0; MAX_COMPOUND];
        let mut writer = Writer::new(&mut buffer);
        write(&mut writer);
        let length = writer.len();
        let mut packet = self.seal_rtcp(&buffer[..length]);
        assert_eq!(self.session.handle_packet(self.now, self.now, &mut packet), Ok(None));
    }

    fn media(&mut self, number: u64) -> Result<Option<u64>, NotTaken> {
        let values = ExtensionValues { transport_sequence: Some(number as u16), mid: Some("v"), ..Default::default() };
        let mut packet = self.seal_rtp(THEIRS, number, VP8, &values, b"picture");
        let got = self.session.handle_packet(self.now, self.now, &mut packet)?;
        Ok(got.map(|media| {
            assert_eq!((media.stream, media.payload), (CAMERA, b"picture".as_slice()));
            media.sequence
        }))
    }

    /// The compounds that are due, opened.
    fn due(&mut self) -> Vec<Vec<u8>> {
        self.arena.clear();
        self.session.write_rtcp(self.now, &mut self.arena);
        let sealed = self.arena.packets(0..self.arena.len()).map(<[u8]>::to_vec).collect::<Vec<_>>();
        let open = |mut packet: Vec<u8>| {
            let length = self.inbound.unprotect_rtcp(&mut packet).expect("sealed for us");
            packet.truncate(length);
            packet
        };
        sealed.into_iter().map(open).collect()
    }
}

#[test]
fn packets_before_the_keys_are_dropped_and_counted() {
    let mut world = World::new(Profile::AeadAes128Gcm);
    let mut early = session();
    let mut packet = world.seal_rtp(THEIRS, 1, VP8, &ExtensionValues::default(), b"picture");
    for count in 1..=3 {
        assert_eq!(early.handle_packet(world.now, world.now, &mut packet), Err(NotTaken::NotConnected));
        assert_eq!(early.stats().early, count);
    }
    early.write_rtcp(world.now, &mut world.arena);
    assert!(world.arena.is_empty());
    assert_eq!((early.poll_timeout(), early.profile()), (None, None));
    assert!(early.connect(Profile::AeadAes128Gcm, &[0; 3], Side::DtlsServer).is_err());
    assert_eq!(early.profile(), None);
    assert!(world.session.handle_packet(world.now, world.now, &mut packet).is_ok());
}

#[test]
fn media_reports_and_requests_pass_under_every_profile() {
    for profile in Profile::ALL {
        let mut world = World::new(profile);
        let first = world.media(1).expect("taken").expect("media");
        assert_eq!(world.media(4), Ok(Some(first + 3)));
        world.now = world.now + Duration::from_millis(300);
        let compounds = world.due();
        let packets = compounds.iter().flat_map(|compound| Compound::parse(compound)).collect::<Result<Vec<_>, _>>();
        let packets = packets.expect("well-formed");
        assert!(matches!(packets.first(), Some(Packet::ReceiverReport { sender: Ssrc(1), .. })), "{packets:?}");
        let missing = packets.iter().find_map(|packet| match packet {
            Packet::Nack(nack) => Some(nack.sequences().collect::<Vec<_>>()),
            _ => None,
        });
        assert_eq!(missing, Some(vec![2, 3]));
        assert!(packets.iter().any(|packet| matches!(packet, Packet::TransportFeedback(_))), "{packets:?}");

        let mut repeated =
            world.seal_rtp(THEIRS + 1, 77, RTX, &ExtensionValues { mid: Some("v"), ..Default::default() }, &[0, 2, 9]);
        let media = world.session.handle_packet(world.now, world.now, &mut repeated).expect("taken").expect("media");
        assert_eq!((media.sequence, media.payload, media.payload_type.get()), (first + 1, [9].as_slice(), VP8));
        assert_eq!(world.session.profile(), Some(profile));
    }
}

#[test]
fn each_half_hears_what_is_meant_for_it() {
    let mut world = World::new(Profile::AeadAes256Gcm);
    world.media(1).expect("taken");
    let info = SenderInfo { ssrc: Ssrc(THEIRS), ntp: 7 << 32, timestamp: 3_000, packets: 1, octets: 7 };
    let block = ReportBlock { ssrc: OURS, fraction_lost: 10, ..ReportBlock::default() };
    world.tell(|writer| {
        writer.sender_report(&info, &[block]).expect("it fits");
        writer.pli(Ssrc(THEIRS), OURS).expect("it fits");
        writer.fir(Ssrc(THEIRS), &[FirEntry { ssrc: OURS, number: 1 }]).expect("it fits");
    });
    let told = ReceiverEvent::SenderReport { stream: CAMERA, ntp: 7 << 32, timestamp: 3_000 };
    assert_eq!(world.session.receiver_mut().poll_event(), Some(told));
    let arena = &mut Arena::default();
    world.session.drain(world.now, &Nothing, arena);
    assert_eq!(world.session.sender_mut().poll_event(), Some(SenderEvent::KeyframeWanted(0)));
    assert_eq!(world.session.sender().stats(0).map(|stats| stats.loss > 0.0), Some(true));
    world.tell(|writer| writer.bye(&[Ssrc(THEIRS)]).expect("it fits"));
    assert_eq!(world.session.receiver_mut().poll_event(), Some(ReceiverEvent::Ended { stream: CAMERA }));
}

struct Nothing;

impl conclave_rtp::Payloads for Nothing {
    fn payload(&self, _: conclave_rtp::PacketRef) -> Option<&[u8]> {
        None
    }
}

#[test]
fn what_was_replayed_forged_or_malformed_is_counted_apart() {
    let mut world = World::new(Profile::Aes128CmHmacSha1_80);
    let values = ExtensionValues { mid: Some("v"), ..ExtensionValues::default() };
    let packet = world.seal_rtp(THEIRS, 1, VP8, &values, b"picture");
    let mut handle = |packet: &[u8]| {
        let mut packet = packet.to_vec();
        world.session.handle_packet(world.now, world.now, &mut packet).map(|media| media.is_some())
    };
    assert_eq!(handle(&packet), Ok(true));
    assert_eq!(handle(&packet), Err(NotTaken::Rejected(Rejected::Replayed)));
    let mut forged = packet.clone();
    forged[3] = 2;
    assert_eq!(handle(&forged), Err(NotTaken::Rejected(Rejected::Forged)));
    assert_eq!(handle(&packet[..20]), Err(NotTaken::Rejected(Rejected::Malformed)));
    let srtp = world.session.stats().srtp;
    assert_eq!((srtp.opened, srtp.replayed, srtp.forged, srtp.malformed), (1, 1, 1, 1));
}

#[test]
fn every_length_and_first_byte_from_somebody_without_keys_comes_to_nothing() {
    for profile in Profile::ALL {
        let mut world = World::new(profile);
        world.media(1).expect("taken");
        for first in 128..=191u8 {
            for length in 0..=MAX_PACKET {
                let mut packet = [length as u8 ^ first; MAX_PACKET];
                (packet[0], packet[1]) = (first, if length % 2 == 0 { 200 } else { VP8 });
                let taken = world.session.handle_packet(world.now, world.now, &mut packet[..length]);
                assert!(matches!(taken, Err(NotTaken::Rejected(_))), "{first} {length}: {taken:?}");
            }
        }
        assert_eq!(world.session.stats().srtp.opened, 1);
        assert!(world.media(2).is_ok());
    }
}

proptest! {
    /// From somebody who has the keys: made-up headers, extensions, payloads and reports.
    #[test]
    fn authentic_nonsense_of_any_length_is_taken_or_refused(
        packets in proptest::collection::vec(
            (128u8..=191, any::<u8>(), proptest::collection::vec(any::<u8>(), 0..1_470), any::<bool>(), 0u64..200),
            1..60,
        ),
    ) {
        let mut world = World::new(Profile::AeadAes128Gcm);
        let mut number = 1u64;
        world.media(number).expect("taken");
        for (first, second, mut bytes, as_rtcp, pause) in packets {
            number += 1;
            world.now = world.now + Duration::from_millis(pause);
            let mut packet = if as_rtcp {
                bytes.resize(bytes.len().max(8) / 4 * 4, 0);
                (bytes[0], bytes[1]) = (first, 199 + second % 9);
                let words = (bytes.len() / 4 - 1) as u16;
                bytes[2..4].copy_from_slice(&words.to_be_bytes());
                world.seal_rtcp(&bytes)
            } else {
                // The header is well-formed as far as SRTP needs it; everything within it is made up.
                let contributors = usize::from(first & 0x0f);
                let head = 16 + 4 * contributors;
                bytes.resize(bytes.len().max(head), 0);
                (bytes[0], bytes[1]) = (first, [VP8, RTX, second & 0x7f][usize::from(second) % 3]);
                bytes[2..4].copy_from_slice(&(number as u16).to_be_bytes());
                bytes[8..12].copy_from_slice(&(THEIRS + u32::from(second & 1)).to_be_bytes());
                let words = if first & 0x10 == 0 { 0 } else { (bytes.len() - head) / 8 };
                let start = if first & 0x10 == 0 { head - 4 } else { head + 4 * words };
                if first & 0x10 != 0 {
                    bytes[head - 4..head].copy_from_slice(&[0xbe, 0xde, (words >> 8) as u8, words as u8]);
                }
                let length = bytes.len();
                bytes.resize(MAX_PACKET, 0);
                let sealed = world.outbound.protect_rtp(&mut bytes, start, length, number).expect("sealable");
                bytes.truncate(sealed);
                bytes
            };
            let taken = world.session.handle_packet(world.now, world.now, &mut packet);
            prop_assert!(!matches!(taken, Err(NotTaken::Rejected(_) | NotTaken::NotConnected)), "{taken:?}");
            for compound in world.due() {
                prop_assert!(compound.len() <= MAX_COMPOUND);
                prop_assert!(Compound::parse(&compound).all(|packet| packet.is_ok()));
            }
            let arena = &mut Arena::default();
            world.session.drain(world.now, &Nothing, arena);
        }
        prop_assert_eq!(world.session.stats().faults, 0);
        while world.session.receiver_mut().poll_event().is_some() {}
        while world.session.sender_mut().poll_event().is_some() {}
    }
}

#[test]
fn a_stream_that_is_first_heard_after_65_536_packets_is_taken_from_there() {
    for start in [40_000u64, 65_536, 65_537, 131_000] {
        let mut world = World::new(Profile::AeadAes128Gcm);
        let first = world.media(start).expect("taken").expect("media");
        assert_eq!(world.media(start + 1), Ok(Some(first + 1)));
        for number in start + 2..start + 40_000 {
            assert_eq!(world.media(number), Ok(Some(first + number - start)));
            if number % 512 == 0 {
                world.now = world.now + Duration::from_millis(500);
                world.due();
            }
        }
    }
}
