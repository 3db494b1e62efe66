//! Two whole legs, one publishing to the other over a network that loses, delays, reorders and doubles packets in both
//! directions: what is sent arrives, once, without asking for much more than was lost.
#![allow(missing_docs)]

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use conclave_qos::{Bitrate, Demand, Gcc, Limits, Time};
use conclave_rtp::srtp::{Profile, Side};
use conclave_rtp::{
    Arena, ExtensionId, ExtensionIds, Feedback, Outgoing, PacketRef, PacketStore, Patch, PayloadKind, PayloadType,
    Payloads, ReceivePayload, ReceiveSection, Receiver, ReceiverConfig, ReceiverEvent, SendPayload, Sender,
    SenderConfig, Session, SlotConfig, Ssrc, StreamIndex,
};

const VP8: u8 = 96;
const RTX: u8 = 97;
/// 30 pictures a second of five packets: 1.2 Mbit/s.
const FRAME: Duration = Duration::from_millis(33);
const PACKETS: u64 = 5;
const SECONDS: u64 = 30;
const STREAM: StreamIndex = StreamIndex { section: 0, layer: 0 };

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.roll() % 100 < percent
    }
}

struct Store(PacketStore);

impl Payloads for Store {
    fn payload(&self, packet: PacketRef) -> Option<&[u8]> {
        self.0.get(packet.packet)
    }
}

fn payload_type(number: u8) -> PayloadType {
    PayloadType::new(number).expect("below 128")
}

fn session(sends: bool) -> Session {
    let extensions =
        ExtensionIds { transport_sequence: ExtensionId::new(2), mid: ExtensionId::new(3), ..ExtensionIds::default() };
    let feedback = Feedback { nack: true, pli: true, fir: false, transport_wide: true };
    let payload =
        |number, kind| ReceivePayload { payload_type: payload_type(number), kind, clock_rate: 90_000, feedback };
    let sections = vec![ReceiveSection { mid: "v".into(), ..ReceiveSection::default() }];
    let receiver = Receiver::new(
        ReceiverConfig {
            reporter: Ssrc(if sends { 1 } else { 2 }),
            cname: "leg".into(),
            extensions,
            payloads: vec![
                payload(VP8, PayloadKind::Media),
                payload(RTX, PayloadKind::Retransmission { of: payload_type(VP8) }),
            ],
            sections: if sends { Vec::new() } else { sections },
        },
        3,
    );
    let config = SenderConfig { cname: "leg".into(), ntp_at_start: 1 << 62, overhead: 28 };
    let limits = Limits { start: Bitrate::kbps(5_000), ..Limits::default() };
    let mut sender = Sender::new(config, Box::new(Gcc::new(limits)), 5);
    if sends {
        let payloads =
            vec![SendPayload { payload_type: payload_type(VP8), rtx: Some(payload_type(RTX)), clock_rate: 90_000 }];
        let slot = SlotConfig {
            ssrc: Ssrc(10),
            rtx: Some(Ssrc(11)),
            mid: Some("v".into()),
            is_audio: false,
            extensions,
            parity: None,
            payloads,
            red: None,
        };
        sender.set_slots(vec![slot]).expect("one slot");
    }
    let mut session = Session::new(receiver, sender);
    let material = [7; 56];
    let side = if sends { Side::DtlsClient } else { Side::DtlsServer };
    session.connect(Profile::AeadAes128Gcm, &material, side).expect("the right length");
    session
}

/// One direction: packets by when they arrive.
struct Way {
    loss: u64,
    under_way: BTreeMap<(Time, u64), Vec<u8>>,
    count: u64,
}

impl Way {
    fn new(loss: u64) -> Self {
        Self { loss, under_way: BTreeMap::new(), count: 0 }
    }

    fn send(&mut self, now: Time, arena: &mut Arena, dice: &mut Dice) {
        for packet in arena.packets(0..arena.len()) {
            if dice.percent(self.loss) {
                continue;
            }
            for _ in 0..1 + u64::from(dice.percent(2)) {
                // 30 ms, and up to 8 more, so that packets change places.
                let at = now + Duration::from_micros(30_000 + dice.roll() % 8_000);
                self.count += 1;
                self.under_way.insert((at, self.count), packet.to_vec());
            }
        }
        arena.clear();
    }

    fn next(&self) -> Option<Time> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }

    fn arrived(&mut self, now: Time) -> Option<(Time, Vec<u8>)> {
        let entry = self.under_way.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((at, _), packet) = entry.remove_entry();
        Some((at, packet))
    }
}

struct Outcome {
    sent: u64,
    received: usize,
    late: usize,
    repeated: u64,
    keyframes: usize,
}

fn run(loss: u64, seed: u64) -> Outcome {
    let (mut publisher, mut viewer) = (session(true), session(false));
    let (mut there, mut back) = (Way::new(loss), Way::new(loss));
    let (mut dice, mut arena, mut store) = (Dice(seed), Arena::default(), Store(PacketStore::new()));
    let start = Time::since_start(Duration::from_secs(50));
    let (mut now, mut next_frame, mut sequence) = (start, start, 1_000u64);
    let (mut sent_at, mut received, mut late) = (Vec::new(), HashSet::new(), 0);
    let (mut reports, mut first) = (0, None);
    let demand = Demand { sending: Bitrate::kbps(1_200), wanted: Bitrate::kbps(1_500) };
    let end = start + Duration::from_secs(SECONDS);
    while now < end + Duration::from_secs(2) {
        if next_frame <= now && now < end {
            publisher.sender_mut().set_demand(now, demand);
            for part in 0..PACKETS {
                let number = sequence - 1_000;
                let packet =
                    PacketRef { store: 0, packet: store.0.push(now, &[&number.to_be_bytes()[..], &[9; 992]].concat()) };
                let outgoing = Outgoing {
                    slot: 0,
                    packet,
                    part: None,
                    length: 1_000,
                    payload_type: payload_type(VP8),
                    marker: part + 1 == PACKETS,
                    sequence,
                    timestamp: (number / PACKETS * 3_000) as u32,
                    audio_level: None,
                    patch: Patch::NONE,
                    descriptor: None,
                };
                publisher.sender_mut().enqueue(now, &outgoing).expect("there is room");
                sent_at.push(now);
                sequence += 1;
            }
            next_frame = next_frame + FRAME;
        }
        while let Some((at, mut packet)) = there.arrived(now) {
            if let Ok(Some(media)) = viewer.handle_packet(now, at, &mut packet) {
                let number = media.payload.first_chunk().map(|number| u64::from_be_bytes(*number)).expect("a number");
                assert_eq!(media.sequence - *first.get_or_insert(media.sequence - number), number);
                assert!(received.insert(number), "{number} came twice");
                late += usize::from(now.since(sent_at[number as usize]) > Duration::from_millis(400));
            }
        }
        while let Some((at, mut packet)) = back.arrived(now) {
            // Doubled ones are refused.
            let _ = publisher.handle_packet(now, at, &mut packet);
        }
        while let Some(event) = viewer.receiver_mut().poll_event() {
            reports += usize::from(matches!(event, ReceiverEvent::SenderReport { stream: STREAM, .. }));
        }
        publisher.drain(now, &store, &mut arena);
        publisher.write_rtcp(now, &mut arena);
        there.send(now, &mut arena, &mut dice);
        viewer.drain(now, &store, &mut arena);
        viewer.write_rtcp(now, &mut arena);
        back.send(now, &mut arena, &mut dice);

        let due = [publisher.poll_timeout(), viewer.poll_timeout(), there.next(), back.next()];
        let next = due.into_iter().flatten().chain([next_frame.max(now), now + FRAME]).min().expect("a frame is next");
        now = if next > now { next } else { now + Duration::from_micros(100) };
    }
    assert!(reports as u64 > SECONDS / 2, "{reports} sender reports");
    let mut keyframes = 0;
    while publisher.sender_mut().poll_event().is_some() {
        keyframes += 1;
    }
    assert_eq!((publisher.stats().faults, viewer.stats().faults), (0, 0));
    assert!(viewer.stats().srtp.forged == 0 && publisher.stats().srtp.forged == 0);
    let stats = publisher.sender().stats(0).expect("a slot");
    Outcome { sent: sequence - 1_000, received: received.len(), late, repeated: stats.retransmitted_packets, keyframes }
}

#[test]
fn everything_arrives_in_time_over_a_network_that_loses_a_tenth_both_ways() {
    for seed in [1, 2, 3] {
        let Outcome { sent, received, late, repeated, keyframes } = run(10, seed);
        // What is captured is shown when the test fails.
        println!("seed {seed}: {sent} sent, {received} received, {late} late, {repeated} repeated");
        let missing = sent - received as u64;
        assert!(sent > 4_000);
        assert!(missing * 1_000 <= sent, "seed {seed}: {missing} of {sent} never came");
        assert!(late as u64 * 50 <= sent, "seed {seed}: {late} of {sent} were late");
        // A tenth is lost, a tenth of what repeats it again, and a tenth of what asks for it.
        assert!(repeated * 100 <= sent * 16, "seed {seed}: {repeated} of {sent} were repeated");
        assert_eq!(keyframes, 0);
    }
}

#[test]
fn next_to_nothing_is_repeated_where_nothing_is_lost() {
    let Outcome { sent, received, late, repeated, .. } = run(0, 4);
    assert_eq!((sent, late), (received as u64, 0));
    assert!(repeated * 200 <= sent, "{repeated} of {sent}");
}
