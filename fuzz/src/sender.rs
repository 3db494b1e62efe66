use std::time::Duration;

use conclave_qos::{Bitrate, Demand, Ecn, Gcc, Limits, Time};
use conclave_rtp::rtcp::{Compound, FirEntry, MAX_COMPOUND, ReportBlock, Writer};
use conclave_rtp::srtp::{Outbound, Profile, Side, pair};
use conclave_rtp::{
    Arena, ExtensionId, ExtensionIds, Outgoing, PacketId, PacketRef, Parity, Patch, PayloadType, Payloads, SendPayload,
    Sender, SenderConfig, SlotConfig, Ssrc,
};

use crate::bytes::Bytes;

/// The most steps of one input: longer ones teach nothing and cost time.
const STEPS: usize = 1_000;
const SLOTS: u16 = 3;

/// A sender that is given packets of made-up numbers and whatever a receiver may say. Sealing never refuses a number, which
/// it does if one is used twice; what is sent without being asked for is bounded, and it falls silent. Returns how many
/// packets it repeated.
///
/// # Panics
/// If that does not hold.
pub fn sender(data: &[u8]) -> u64 {
    let mut bytes = Bytes(data);
    let mut leg = Leg::new();
    for _ in 0..STEPS {
        let Some(what) = bytes.u8() else { break };
        if leg.step(what, &mut bytes).is_none() {
            break;
        }
        while leg.sender.poll_event().is_some() {}
    }
    // Nothing more is wanted: what waits leaves or is dropped, and then nobody has to be woken often.
    leg.sender.set_demand(leg.now, Demand::default());
    leg.run(Duration::from_secs(60));
    assert_eq!(leg.sender.sender_stats().waiting, 0);
    assert_eq!(leg.sender.sender_stats().faults, 0, "a number was used twice, or a packet was too long");
    (0..SLOTS).filter_map(|slot| leg.sender.stats(slot)).map(|stats| stats.retransmitted_packets).sum()
}

struct Same([u8; 1_300]);

impl Payloads for Same {
    /// Some are gone.
    fn payload(&self, packet: PacketRef) -> Option<&[u8]> {
        self.0.get(..packet.packet.0 as usize).filter(|_| packet.store == 0)
    }
}

struct Leg {
    now: Time,
    sender: Sender,
    outbound: Outbound,
    arena: Arena,
    payloads: Same,
    newest: [i64; SLOTS as usize],
}

impl Leg {
    fn new() -> Self {
        let config = SenderConfig { cname: "fuzz".into(), ntp_at_start: u64::MAX - 5, overhead: 28 };
        let mut sender = Sender::new(config, Box::new(Gcc::new(Limits::default())), 1);
        sender.set_slots(slots(0)).expect("three different ones");
        let profile = Profile::AeadAes128Gcm;
        let material = vec![1; profile.keying_material_length()];
        let (_, outbound) = pair(profile, &material, Side::DtlsServer).expect("of the right length");
        Self {
            now: Time::since_start(Duration::from_secs(1)),
            sender,
            outbound,
            arena: Arena::default(),
            payloads: Same([0x90; 1_300]),
            newest: [32_000; SLOTS as usize],
        }
    }

    fn step(&mut self, what: u8, bytes: &mut Bytes<'_>) -> Option<()> {
        match what {
            0..=109 => self.enqueue(what, bytes)?,
            110..=149 => self.run(Duration::from_millis(u64::from(bytes.u8()?))),
            150..=209 => self.report(what, bytes)?,
            210..=229 => {
                let length = usize::from(bytes.u8()?);
                let raw = bytes.take(length);
                self.hear(raw);
            }
            230..=239 => self.sender.set_slots(slots(what & 3)).expect("each time the same few"),
            240..=247 => {
                let wanted = Bitrate::kbps(u64::from(bytes.u8()?) * 20);
                self.sender.set_demand(self.now, Demand { sending: wanted.percent(50), wanted });
            }
            251 | 255 => {
                bytes.u16()?;
                self.sender.set_congestion_feedback(what == 255);
            }
            _ => {
                let timestamp = u32::from(bytes.u16()?) << 16;
                self.sender.set_report(self.now, u16::from(what & 3), u64::from(timestamp) << 32, timestamp);
            }
        }
        Some(())
    }

    fn enqueue(&mut self, what: u8, bytes: &mut Bytes<'_>) -> Option<()> {
        let (fields, distance) = (bytes.u8()?, bytes.u8()?);
        let slot = u16::from(what & 3);
        let newest = self.newest.get_mut(usize::from(slot).min(2))?;
        // Mostly the next one, now and then far away or in the past.
        let ahead = match distance {
            0..=199 => 1,
            200..=249 => i64::from(distance) - 230,
            _ => (i64::from(distance) - 252) * 9_000,
        };
        let sequence = (*newest + ahead).max(0);
        let length = u16::from(fields) * 5;
        let descriptor = &[fields; 40][..usize::from(distance % 40)];
        let packet = Outgoing {
            slot,
            packet: PacketRef { store: u32::from(fields == 7), packet: PacketId(length.into()) },
            part: (fields & 3 == 3).then_some((1, length / 2)),
            length,
            payload_type: number(if slot == 0 { 111 } else { 96 }),
            marker: fields & 4 != 0,
            sequence: sequence as u64,
            timestamp: sequence as u32 / 4 * 3_000,
            audio_level: Some((fields, true)),
            patch: Patch::NONE,
            descriptor: Some(descriptor).filter(|bytes| !bytes.is_empty()),
        };
        if self.sender.enqueue(self.now, &packet).is_ok() {
            *newest = sequence.max(*newest);
        }
        Some(())
    }

    /// Well-formed words of a receiver, true or not.
    fn report(&mut self, what: u8, bytes: &mut Bytes<'_>) -> Option<()> {
        let (first, second) = (bytes.u16()?, bytes.u8()?);
        let media = Ssrc(u32::from(second & 7));
        let mut buffer = [0; MAX_COMPOUND];
        let mut writer = Writer::new(&mut buffer);
        let newest = self.newest[usize::from((second / 2) & 3).min(2)] as u16;
        let written = match what % 5 {
            0 => writer.nack(Ssrc(9), media, (0..first % 64).rev().map(|back| newest.wrapping_sub(back))).map(|_| ()),
            1 => writer.pli(Ssrc(9), media),
            2 => writer.fir(Ssrc(9), &[FirEntry { ssrc: media, number: first as u8 }]),
            3 => {
                let block = ReportBlock {
                    ssrc: media,
                    fraction_lost: first as u8,
                    highest_sequence: u32::from(first) * 3,
                    last_sender_report: u32::from(first) << 16,
                    delay: u32::from(second) << 8,
                    ..ReportBlock::default()
                };
                writer.receiver_report(Ssrc(9), &[block])
            }
            _ if second & 0x80 != 0 => {
                // From some packets before the newest to a few behind it, some of them missing, all marked in some way.
                let marks = [Ecn::NotEct, Ecn::Ect0, Ecn::Ect1, Ecn::Ce];
                let arrival = |packet: u16| {
                    let mark = marks[usize::from(second >> 5 & 3)];
                    (first >> (packet % 7) & 1 == 0).then_some((self.now, mark))
                };
                let back = first % 64;
                let block = (media, newest.wrapping_sub(back), (0..back + 4).map(arrival));
                writer.congestion_feedback(Ssrc(9), (self.now, u32::from(first) << 12), [block])
            }
            _ => writer.remb(Ssrc(9), Bitrate::kbps(first.into()), &[media]),
        };
        assert!(written.is_ok(), "there is room for one");
        let length = writer.len();
        self.hear(&buffer[..length]);
        Some(())
    }

    fn hear(&mut self, compound: &[u8]) {
        for packet in Compound::parse(compound).flatten() {
            self.sender.handle_rtcp(self.now, &packet);
        }
    }

    /// Lets time pass, waking the sender when it asks for it.
    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.turn();
        let mut turns = 0;
        while let Some(due) = self.sender.poll_timeout().filter(|due| *due <= end) {
            turns += 1;
            assert!(turns < 20_000, "it asks to be woken without end");
            self.now = self.now.max(due);
            self.turn();
        }
        self.now = end;
        self.turn();
    }

    fn turn(&mut self) {
        self.arena.clear();
        self.sender.drain(self.now, &self.payloads, &mut self.outbound, &mut self.arena);
        assert!(self.arena.len() <= 256 + 512, "{} packets in one turn", self.arena.len());
        let mut buffer = [0; MAX_COMPOUND];
        let mut writer = Writer::new(&mut buffer);
        self.sender.write_rtcp(self.now, &mut writer);
        let length = writer.len();
        assert!(Compound::parse(&buffer[..length]).all(|packet| packet.is_ok()));
    }
}

/// Audio and two videos, whose sources change places.
fn slots(arrangement: u8) -> Vec<SlotConfig> {
    let (first, second) = if arrangement & 1 == 0 { (3, 5) } else { (5, 3) };
    let mut slots = vec![slot(0, None), slot(2, Some(first)), slot(4, Some(second))];
    if arrangement & 2 != 0 {
        slots.swap(1, 2);
    }
    slots
}

fn slot(ssrc: u32, rtx: Option<u32>) -> SlotConfig {
    let (media, repeated, clock_rate) =
        if rtx.is_some() { (96, Some(number(97)), 90_000) } else { (111, None, 48_000) };
    SlotConfig {
        ssrc: Ssrc(ssrc),
        rtx: rtx.map(Ssrc),
        mid: Some("m".into()),
        is_audio: rtx.is_none(),
        extensions: ExtensionIds {
            audio_level: ExtensionId::new(1),
            transport_sequence: ExtensionId::new(2),
            mid: ExtensionId::new(3),
            dependency_descriptor: ExtensionId::new(6),
            ..ExtensionIds::default()
        },
        parity: rtx.map(|rtx| parity(ssrc, rtx)),
        payloads: vec![SendPayload { payload_type: number(media), rtx: repeated, clock_rate }],
        red: rtx.is_none().then(|| number(63)),
    }
}

/// One in each way, which stay with their streams.
fn parity(ssrc: u32, rtx: u32) -> Parity {
    match ssrc {
        2 => Parity::Flexfec { ssrc: Ssrc(100 + rtx), payload_type: number(49) },
        _ => Parity::Ulpfec { red: number(118), payload_type: number(120), vp8: Some(number(96)), vp9: None },
    }
}

fn number(number: u8) -> PayloadType {
    PayloadType::new(number).expect("below 128")
}
