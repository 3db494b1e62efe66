//! What receiving costs: once a leg is warm, nothing is allocated for media, for what is repeated, for the peer's reports,
//! or for our own; and what a leg takes is bounded.
#![allow(missing_docs)]

mod counting;

use std::time::Duration;

use conclave_qos::{Gcc, Limits, Time};
use conclave_rtp::rtcp::{Compound, MAX_COMPOUND, Packet, SenderInfo, Writer};
use conclave_rtp::srtp::{Inbound, Outbound, Profile, Side, pair};
use conclave_rtp::{
    Arena, ExtensionId, ExtensionIds, ExtensionValues, Feedback, MAX_PACKET, NotTaken, OutgoingHeader, PacketStore,
    PayloadKind, PayloadType, ReceivePayload, ReceiveSection, Receiver, ReceiverConfig, Refused, Sender, SenderConfig,
    Session, Ssrc, write_header,
};
use counting::{asked, in_use};

/// Does something and says how often that asked for memory.
fn counted<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = asked();
    let result = work();
    (result, asked() - before)
}

const VP8: u8 = 96;
const RTX: u8 = 97;
const RIDS: [&str; 3] = ["l", "m", "h"];
/// The bound of an idle leg's receiving half, in bytes.
const IDLE_BOUND: isize = 32 * 1_024;
/// That of one that receives three layers with losses, without the payloads that are kept for retransmission.
const ACTIVE_BOUND: isize = 128 * 1_024;

fn payload_type(number: u8) -> PayloadType {
    PayloadType::new(number).expect("below 128")
}

fn ids() -> ExtensionIds {
    ExtensionIds {
        transport_sequence: ExtensionId::new(2),
        mid: ExtensionId::new(3),
        rid: ExtensionId::new(4),
        repaired_rid: ExtensionId::new(5),
        ..ExtensionIds::default()
    }
}

fn session(profile: Profile, material: &[u8]) -> Session {
    let feedback = Feedback { nack: true, pli: true, fir: true, transport_wide: true };
    let payload =
        |number, kind| ReceivePayload { payload_type: payload_type(number), kind, clock_rate: 90_000, feedback };
    let config = ReceiverConfig {
        reporter: Ssrc(1),
        cname: "us".into(),
        extensions: ids(),
        payloads: vec![
            payload(VP8, PayloadKind::Media),
            payload(RTX, PayloadKind::Retransmission { of: payload_type(VP8) }),
        ],
        sections: vec![ReceiveSection {
            mid: "v".into(),
            rids: RIDS.iter().map(|rid| (*rid).into()).collect(),
            ..ReceiveSection::default()
        }],
    };
    let sender = SenderConfig { cname: "us".into(), ntp_at_start: 0, overhead: 28 };
    let sender = Sender::new(sender, Box::new(Gcc::new(Limits::default())), 5);
    let mut session = Session::new(Receiver::new(config, 3), sender);
    session.connect(profile, material, Side::DtlsServer).expect("the right length");
    session
}

/// A publisher of three layers, whose packets are lost at times, and who repeats what is asked for.
struct Publisher {
    outbound: Outbound,
    inbound: Inbound,
    /// Of each layer: media, repeated packets.
    next: [(u64, u64); 3],
    transport: u16,
    packet: [u8; MAX_PACKET],
}

impl Publisher {
    fn seal(&mut self, layer: usize, repeats: Option<u16>) -> usize {
        let values = ExtensionValues {
            transport_sequence: Some(self.transport),
            mid: Some("v"),
            rid: repeats.is_none().then_some(RIDS[layer]),
            repaired_rid: repeats.map(|_| RIDS[layer]),
            ..ExtensionValues::default()
        };
        self.transport = self.transport.wrapping_add(1);
        let (media, repaired) = &mut self.next[layer];
        let number = if repeats.is_some() { repaired } else { media };
        *number += 1;
        let number = *number;
        let header = OutgoingHeader {
            payload_type: payload_type(if repeats.is_some() { RTX } else { VP8 }),
            marker: false,
            padding: false,
            sequence: number as u16,
            timestamp: number as u32 * 300,
            ssrc: Ssrc(10 * (layer as u32 + 1) + u32::from(repeats.is_some())),
        };
        let start = write_header(&mut self.packet, &header, &ids(), &values).expect("it fits");
        let length = start + 1_000;
        self.packet[start..length].fill(7);
        if let Some(original) = repeats {
            self.packet[start..start + 2].copy_from_slice(&original.to_be_bytes());
        }
        self.outbound.protect_rtp(&mut self.packet, start, length, number).expect("sealable")
    }

    fn seal_report(&mut self, layer: usize) -> usize {
        let mut writer = Writer::new(&mut self.packet[..MAX_COMPOUND]);
        let info = SenderInfo { ssrc: Ssrc(10 * (layer as u32 + 1)), ntp: 1 << 32, ..SenderInfo::default() };
        writer.sender_report(&info, &[]).expect("it fits");
        let length = writer.len();
        self.outbound.protect_rtcp(&mut self.packet, length).expect("sealable")
    }
}

#[test]
fn receiving_asking_and_reporting_allocate_nothing_once_warm() {
    let profiles = Profile::ALL.iter().map(|profile| (*profile, false));
    // How reports are sealed has nothing to do with what they say.
    for (profile, by_source) in profiles.chain([(Profile::AeadAes128Gcm, true)]) {
        let material = (0..profile.keying_material_length()).map(|byte| byte as u8).collect::<Vec<_>>();
        let (inbound, outbound) = pair(profile, &material, Side::DtlsClient).expect("the right length");
        let mut publisher = Publisher { outbound, inbound, next: [(0, 0); 3], transport: 0, packet: [0; MAX_PACKET] };
        let mut arena = Arena::with_capacity(8);

        let before = in_use();
        let mut session = session(profile, &material);
        session.set_congestion_feedback(by_source);
        let idle = in_use() - before;
        assert!(idle < IDLE_BOUND, "an idle leg takes {idle} bytes");
        let mut stores = [const { PacketStore::new() }; 3];

        let mut now = Time::since_start(Duration::from_secs(5));
        let (mut allocations, mut media, mut repeated, mut compounds) = (0, 0, 0, 0);
        let mut told = 0;
        let mut asked_for = Vec::with_capacity(4_096);
        for step in 0..30_000u32 {
            // The rings have grown to what this rate needs.
            let is_warm = step >= 15_000;
            now = now + Duration::from_millis(1);
            let layer = step as usize % 3;
            let length = publisher.seal(layer, None);
            // Single losses, and a burst every two seconds.
            if step % 37 != 0 && step % 2_000 > 20 {
                let Publisher { packet, .. } = &mut publisher;
                let ((), here) = counted(|| {
                    let got = session.handle_packet(now, now, &mut packet[..length]).expect("taken").expect("media");
                    stores[usize::from(got.stream.layer)].push(now, got.payload);
                });
                allocations += if is_warm { here } else { 0 };
                media += 1;
            }
            while let Some((layer, number)) = asked_for.pop() {
                let length = publisher.seal(layer, Some(number));
                let (taken, here) = counted(|| {
                    session.handle_packet(now, now, &mut publisher.packet[..length]).map(|media| media.is_some())
                });
                assert!(matches!(taken, Ok(true) | Err(NotTaken::Refused(Refused::Duplicate))), "{taken:?}");
                allocations += if is_warm { here } else { 0 };
                repeated += 1;
            }
            if step % 1_000 == 999 {
                for layer in 0..3 {
                    let length = publisher.seal_report(layer);
                    let (_, here) =
                        counted(|| session.handle_packet(now, now, &mut publisher.packet[..length]).is_ok());
                    allocations += if is_warm { here } else { 0 };
                }
            }
            if session.poll_timeout().is_some_and(|due| due <= now) {
                arena.clear();
                let ((), here) = counted(|| {
                    session.write_rtcp(now, &mut arena);
                    while session.receiver_mut().poll_event().is_some() {}
                });
                allocations += if is_warm { here } else { 0 };
                compounds += arena.len();
                for compound in arena.packets(0..arena.len()) {
                    publisher.packet[..compound.len()].copy_from_slice(compound);
                    let opened = publisher.inbound.unprotect_rtcp(&mut publisher.packet[..compound.len()]);
                    let length = opened.expect("sealed for us");
                    for packet in Compound::parse(&publisher.packet[..length]).flatten() {
                        match packet {
                            Packet::Nack(nack) => {
                                let layer = nack.media.0 as usize / 10 - 1;
                                asked_for.extend(nack.sequences().map(|number| (layer, number)));
                            }
                            Packet::CongestionFeedback(feedback) => {
                                told += feedback.blocks().map(|block| block.len()).sum::<usize>();
                            }
                            _ => {}
                        }
                    }
                }
            }
        }
        assert_eq!(allocations, 0, "{profile:?}");
        assert!(media > 28_000 && repeated > 1_000 && compounds > 400, "{media} {repeated} {compounds}");
        assert_eq!(told > 28_000, by_source, "{told}");
        let active = in_use() - before - stores.iter().map(|store| store.memory() as isize).sum::<isize>();
        assert!(active < ACTIVE_BOUND, "a receiving leg takes {active} bytes");
    }
}
