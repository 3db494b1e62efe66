//! What a sender costs: nothing is allocated for a packet once it is warm, and memory stays within what is stated.

#[path = "sending/controller.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod controller;
mod counting;
#[path = "sending/world.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod world;

use std::collections::VecDeque;
use std::time::Duration;

use conclave_qos::{ArrivalLog, Bitrate, Demand, Ecn, Gcc, Limits, Time};
use conclave_rtp::rtcp::{Compound, Packet, ReportBlock, Writer};
use conclave_rtp::srtp::{Outbound, Profile, Side, pair};
use conclave_rtp::{
    Arena, Header, Outgoing, PacketId, PacketRef, Parity, Patch, Payloads, Sender, SenderConfig, SlotConfig, Ssrc,
};
use counting::{asked, in_use};
use world::{AUDIO, NTP_AT_START, OPUS, OVERHEAD, VP8, audio_slot, payload_type, video_slot};

const SLOTS: u32 = 25;
const IDLE_BOUND: isize = 64 * 1_024;
const ACTIVE_BOUND: isize = 256 * 1_024;
const RING_BOUND: isize = 64 * 1_024;

/// One payload for all packets: what stores take is not the sender's.
struct Same([u8; 1_200]);

impl Payloads for Same {
    fn payload(&self, packet: PacketRef) -> Option<&[u8]> {
        self.0.get(..packet.packet.0 as usize)
    }
}

fn slots(video: u32) -> Vec<SlotConfig> {
    let audio = (0..3).map(|index| SlotConfig { ssrc: Ssrc(index), ..audio_slot() });
    audio.chain((0..video).map(|index| video_slot(Ssrc(100 + 2 * index), Ssrc(101 + 2 * index)))).collect()
}

fn sender(video: u32) -> Sender {
    let config = SenderConfig { cname: "somebody".into(), ntp_at_start: NTP_AT_START, overhead: OVERHEAD };
    // A probe of more than that is more packets than a report by source has room for.
    let limits = Limits { start: Bitrate::kbps(20_000), ceiling: Bitrate::kbps(30_000), ..Limits::default() };
    let mut sender = Sender::new(config, Box::new(Gcc::new(limits)), 1);
    sender.set_slots(slots(video)).expect("as many as may be");
    sender
}

/// A leg that sends, whose receiver gets everything and says so.
struct Leg {
    now: Time,
    sender: Sender,
    outbound: Outbound,
    arena: Arena,
    payloads: Same,
    arrivals: ArrivalLog,
    /// What arrived, where the receiver reports by source.
    by_source: Option<Vec<(Ssrc, u16)>>,
    numbers: Vec<u64>,
    frame: u32,
    /// Pictures of two packets come every so many turns.
    every: u32,
    far: Option<Far>,
}

/// A long way that loses packets.
struct Far {
    sent: u64,
    round_trip: Duration,
    /// Reports that the receiver has not answered: when they left, and what they call that.
    reports: VecDeque<(Time, u32)>,
}

/// One of so many packets is lost on it.
const LOST: u64 = 13;
const ROUND_TRIP: Duration = Duration::from_millis(150);
const PARITY_BOUND: isize = 192 * 1_024;

impl Leg {
    fn new(video: u32, every: u32) -> Self {
        let profile = Profile::AeadAes128Gcm;
        let (_, outbound) =
            pair(profile, &vec![7; profile.keying_material_length()], Side::DtlsServer).expect("of the right length");
        Self {
            now: Time::since_start(Duration::from_secs(100)),
            sender: sender(video),
            outbound,
            arena: Arena::with_capacity(1_024),
            payloads: Same([5; 1_200]),
            arrivals: ArrivalLog::new(),
            by_source: None,
            numbers: vec![1; 3 + video as usize],
            frame: 0,
            every,
            far: None,
        }
    }

    /// Half of the slots take FlexFEC, the others ULPFEC.
    fn far(mut self) -> Self {
        let parity = |index: u32| match index.is_multiple_of(2) {
            true => Parity::Flexfec { ssrc: Ssrc(1_000 + index), payload_type: payload_type(49) },
            false => Parity::Ulpfec {
                red: payload_type(118),
                payload_type: payload_type(120),
                vp8: Some(payload_type(VP8)),
                vp9: None,
            },
        };
        let mut slots = slots(self.numbers.len() as u32 - 3);
        (0..).zip(slots.iter_mut().skip(3)).for_each(|(index, slot)| slot.parity = Some(parity(index)));
        self.sender.set_slots(slots).expect("as many as may be");
        // VP8 with picture ids.
        self.payloads = Same([0x90; 1_200]);
        self.far = Some(Far { sent: 0, round_trip: ROUND_TRIP, reports: VecDeque::with_capacity(256) });
        self
    }

    fn parity(&self) -> u64 {
        (3..self.numbers.len() as u16).filter_map(|slot| self.sender.stats(slot)).map(|slot| slot.parity_packets).sum()
    }

    fn by_source(mut self) -> Self {
        self.sender.set_congestion_feedback(true);
        self.by_source = Some(Vec::with_capacity(1_024));
        self
    }

    fn enqueue(&mut self, slot: u16, length: u16, marker: bool) {
        let is_audio = slot < 3;
        let number = &mut self.numbers[usize::from(slot)];
        let packet = Outgoing {
            slot,
            packet: PacketRef { store: 0, packet: PacketId(length.into()) },
            part: None,
            length,
            payload_type: payload_type(if is_audio { OPUS } else { VP8 }),
            marker,
            sequence: *number,
            timestamp: self.frame.wrapping_mul(if is_audio { 960 } else { 1_800 }),
            audio_level: is_audio.then_some((20, true)),
            patch: Patch::NONE,
            descriptor: None,
        };
        self.sender.enqueue(self.now, &packet).expect("there is room");
        *number += 1;
    }

    /// 20 ms: sound, pictures, and whatever is due meanwhile.
    fn turn(&mut self) {
        self.frame += 1;
        self.enqueue(AUDIO, 100, false);
        if self.frame.is_multiple_of(self.every) {
            self.pictures();
        }
        for _ in 0..4 {
            self.step();
            self.now = self.now + Duration::from_millis(5);
        }
        // Some are said to be missing.
        if self.frame.is_multiple_of(10) {
            let missing = (self.numbers[3] - 2) as u16;
            self.feed(|writer| {
                writer.nack(Ssrc(1), Ssrc(100), [missing]).expect("fits");
            });
        }
    }

    fn pictures(&mut self) {
        for slot in 3..self.numbers.len() as u16 {
            self.enqueue(slot, 1_100, false);
            self.enqueue(slot, 1_100, true);
        }
    }

    fn step(&mut self) {
        self.arena.clear();
        self.sender.drain(self.now, &self.payloads, &mut self.outbound, &mut self.arena);
        let ids = world::extensions();
        for packet in self.arena.packets(0..self.arena.len()) {
            if let Some(far) = &mut self.far {
                far.sent += 1;
                if far.sent.is_multiple_of(LOST) {
                    continue;
                }
            }
            let header = Header::parse(packet).expect("what is sent can be read");
            let sequence = ids.transport_sequence.and_then(|id| header.extensions.get(id)).expect("negotiated");
            match &mut self.by_source {
                Some(arrived) => arrived.push((header.ssrc, header.sequence)),
                None => self.arrivals.record(u16::from_be_bytes([sequence[0], sequence[1]]), self.now),
            }
        }
        let mut buffer = [0; 1_200];
        let mut writer = Writer::new(&mut buffer);
        self.sender.write_rtcp(self.now, &mut writer);
        while self.sender.poll_event().is_some() {}
        if let Some(far) = &mut self.far {
            let length = writer.len();
            for packet in Compound::parse(&buffer[..length]).flatten() {
                if let Packet::SenderReport { info, .. } = packet
                    && info.ssrc == Ssrc(100)
                {
                    far.reports.push_back((self.now, (info.ntp >> 16) as u32));
                }
            }
            if let Some((_, last_sender_report)) =
                far.reports.pop_front_if(|(at, _)| self.now.since(*at) >= far.round_trip)
            {
                let block = ReportBlock { ssrc: Ssrc(100), last_sender_report, ..ReportBlock::default() };
                self.feed(|writer| writer.receiver_report(Ssrc(1), &[block]).expect("fits"));
            }
        }
        let mut writer = Writer::new(&mut buffer);
        if let Some(feedback) = self.arrivals.poll_feedback(self.now) {
            writer.transport_feedback(Ssrc(1), Ssrc(0), &feedback).expect("fits");
        }
        if let Some(arrived) = &mut self.by_source {
            let now = self.now;
            let blocks = arrived.drain(..).map(|(ssrc, sequence)| (ssrc, sequence, [Some((now, Ecn::NotEct))]));
            let timestamp = (now.to_duration().as_millis() << 6) as u32;
            writer.congestion_feedback(Ssrc(1), (now, timestamp), blocks).expect("fits");
        }
        let length = writer.len();
        for packet in Compound::parse(&buffer[..length]) {
            self.sender.handle_rtcp(self.now, &packet.expect("well-formed"));
        }
    }

    fn feed(&mut self, write: impl FnOnce(&mut Writer<'_>)) {
        let mut buffer = [0; 1_200];
        let mut writer = Writer::new(&mut buffer);
        write(&mut writer);
        let length = writer.len();
        for packet in Compound::parse(&buffer[..length]) {
            self.sender.handle_rtcp(self.now, &packet.expect("well-formed"));
        }
    }
}

#[test]
fn a_leg_that_carries_nothing_takes_less_than_64_kib() {
    let before = in_use();
    let mut idle = sender(SLOTS);
    idle.set_demand(Time::since_start(Duration::from_secs(1)), Demand::default());
    let taken = in_use() - before;
    println!("{taken} bytes for 3 + {SLOTS} slots");
    assert!(taken < IDLE_BOUND, "{taken} bytes");
}

#[test]
fn a_warm_leg_allocates_for_no_packet() {
    allocates_for_no_packet(Leg::new(4, 1), 500);
}

#[test]
fn nor_does_one_whose_receiver_reports_by_source() {
    // The latest 8,192 packets are remembered by source: there is room for them by then.
    allocates_for_no_packet(Leg::new(4, 1).by_source(), 1_000);
}

#[test]
fn parity_takes_no_more_than_is_said_allocates_for_no_packet_and_is_given_back() {
    let mut leg = Leg::new(4, 2).far();
    let before = in_use();
    (0..100).for_each(|_| leg.step());
    let idle = in_use();
    assert!(idle - before < 4_096, "{} bytes before it is needed", idle - before);
    (0..1_000).for_each(|_| leg.turn());
    let sent = leg.parity();
    assert!(sent > 0);
    let (asked_before, held) = (asked(), in_use());
    // A plan is made twice a second, which takes memory while it lasts: between two of them nothing is asked for.
    let quiet = (0..500).filter(|_| {
        let before = asked();
        leg.turn();
        asked() == before
    });
    let quiet = quiet.count();
    assert!(quiet >= 450, "{quiet} of 500 turns allocate nothing, {} allocations", asked() - asked_before);
    assert!(in_use() - held < 4_096);
    assert!(leg.parity() > sent);
    // The way becomes short: what parity took is given back.
    leg.far.as_mut().expect("far").round_trip = Duration::ZERO;
    let resting = leg.now + Duration::from_secs(30);
    while leg.now < resting {
        leg.turn();
    }
    let given_back = held - in_use();
    println!("parity took {given_back} bytes");
    assert!((100 * 1_024..PARITY_BOUND + 4_096).contains(&given_back), "{given_back} bytes");
}

fn allocates_for_no_packet(mut leg: Leg, warm: u32) {
    (0..warm).for_each(|_| leg.turn());
    let (before, held) = (asked(), in_use());
    let sent = leg.sender.stats(3).expect("exists").packets;
    (0..500).for_each(|_| leg.turn());
    let stats = leg.sender.stats(3).expect("exists");
    assert!(stats.packets >= sent + 900, "{stats:?}");
    assert!(stats.retransmitted_packets > 50, "{stats:?}");
    assert_eq!(asked() - before, 0, "allocations for {} packets", 500 * 9);
    assert_eq!(in_use(), held);
}

#[test]
fn an_active_leg_stays_below_its_bound_and_gives_memory_back_when_it_rests() {
    let before = in_use();
    // 12 pictures a second by each slot: 5.5 Mbit/s.
    let mut leg = Leg::new(SLOTS, 4);
    let empty = in_use() - before;
    (0..1_000).for_each(|_| leg.turn());
    let active = in_use() - before - empty;
    println!("{active} bytes while sending by {SLOTS} slots");
    assert!(active < ACTIVE_BOUND + SLOTS as isize * RING_BOUND, "{active} bytes");
    // Nothing more leaves, until the queue is full.
    for _ in 0..20 {
        leg.frame += 1;
        leg.pictures();
    }
    let full = in_use() - before - empty - active;
    println!("{full} bytes more for a full queue");
    assert!(full < ACTIVE_BOUND - IDLE_BOUND, "{full} bytes");
    let resting = leg.now + Duration::from_secs(30);
    while leg.now < resting {
        leg.step();
        leg.now = leg.now + Duration::from_millis(100);
    }
    let rest = in_use() - before - empty;
    println!("{rest} bytes when it rests");
    assert!(rest < ACTIVE_BOUND, "{rest} bytes");
}
