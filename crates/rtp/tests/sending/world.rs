//! A sender, and the other end of its path: opens what arrives and reads it.

use std::collections::HashSet;
use std::time::Duration;

use conclave_qos::{ArrivalLog, Bitrate, Time};
use conclave_rtp::rtcp::{Compound, Packet, ReportBlock, SenderInfo, Writer};
use conclave_rtp::srtp::{Inbound, Outbound, Profile, Side, pair};
use conclave_rtp::{
    Arena, ExtensionId, ExtensionIds, Header, Outgoing, PacketId, PacketStore, Patch, PayloadType, Payloads,
    SendPayload, Sender, SenderConfig, SenderEvent, SlotConfig, Ssrc,
};

pub use conclave_rtp::PacketRef;

use crate::controller::Scripted;

/// The first slot is audio, the second and third are video.
pub const AUDIO: u16 = 0;
pub const VIDEO: u16 = 1;
pub const SECOND_VIDEO: u16 = 2;

pub const OPUS: u8 = 111;
pub const VP8: u8 = 96;
pub const VP8_RTX: u8 = 97;

pub const AUDIO_SSRC: Ssrc = Ssrc(100);
pub const VIDEO_SSRC: Ssrc = Ssrc(200);
pub const RTX_SSRC: Ssrc = Ssrc(201);
pub const SECOND_SSRC: Ssrc = Ssrc(300);
pub const SECOND_RTX_SSRC: Ssrc = Ssrc(301);

/// 2026, roughly.
pub const NTP_AT_START: u64 = 3_990_000_000 << 32;
pub const OVERHEAD: u32 = 28;

pub struct Stores(pub Vec<PacketStore>);

impl Payloads for Stores {
    fn payload(&self, packet: PacketRef) -> Option<&[u8]> {
        self.0.get(packet.store as usize)?.get(packet.packet)
    }
}

/// A packet as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    pub at: Time,
    pub ssrc: Ssrc,
    pub index: u64,
    pub payload_type: u8,
    pub marker: bool,
    pub timestamp: u32,
    pub transport_sequence: Option<u16>,
    pub mid: Option<Vec<u8>>,
    pub audio_level: Option<u8>,
    pub descriptor: Option<Vec<u8>>,
    pub payload: Vec<u8>,
    /// As it was on the wire.
    pub size: usize,
    /// Opened, header included.
    pub plain: Vec<u8>,
}

impl Arrived {
    /// As parity covers it: what senders write last is zero, and it is not inside RED of this payload type.
    pub fn as_covered(&self, red: u8) -> Vec<u8> {
        let mut covered = self.plain.clone();
        let header = Header::parse(&self.plain).expect("read before");
        let value = extensions().transport_sequence.and_then(|id| header.extensions.get(id)).expect("numbered");
        let at = value.as_ptr() as usize - self.plain.as_ptr() as usize;
        covered[at..at + value.len()].fill(0);
        if self.payload_type == red {
            let inside = covered.remove(self.plain.len() - self.payload.len());
            covered[1] = covered[1] & 0x80 | inside;
        }
        covered
    }

    /// The sequence number that a retransmission begins with.
    pub fn original(&self) -> u16 {
        u16::from_be_bytes([self.payload[0], self.payload[1]])
    }
}

pub struct World {
    pub now: Time,
    pub sender: Sender,
    pub controller: Scripted,
    pub stores: Stores,
    pub outbound: Outbound,
    inbound: Inbound,
    arena: Arena,
    arrivals: ArrivalLog,
    reported: Time,
    /// Every source and index that arrived.
    pub seen: HashSet<(Ssrc, u64)>,
}

pub fn extensions() -> ExtensionIds {
    ExtensionIds {
        audio_level: ExtensionId::new(1),
        transport_sequence: ExtensionId::new(2),
        mid: ExtensionId::new(3),
        dependency_descriptor: ExtensionId::new(4),
        ..ExtensionIds::default()
    }
}

pub fn payload_type(number: u8) -> PayloadType {
    PayloadType::new(number).expect("below 128")
}

pub fn audio_slot() -> SlotConfig {
    SlotConfig {
        ssrc: AUDIO_SSRC,
        rtx: None,
        mid: Some("a".into()),
        is_audio: true,
        extensions: extensions(),
        parity: None,
        payloads: vec![SendPayload { payload_type: payload_type(OPUS), rtx: None, clock_rate: 48_000 }],
        red: None,
    }
}

pub fn video_slot(ssrc: Ssrc, rtx: Ssrc) -> SlotConfig {
    SlotConfig {
        ssrc,
        rtx: Some(rtx),
        mid: Some("v".into()),
        is_audio: false,
        extensions: extensions(),
        parity: None,
        payloads: vec![SendPayload {
            payload_type: payload_type(VP8),
            rtx: Some(payload_type(VP8_RTX)),
            clock_rate: 90_000,
        }],
        red: None,
    }
}

pub fn usual_slots() -> Vec<SlotConfig> {
    vec![audio_slot(), video_slot(VIDEO_SSRC, RTX_SSRC), video_slot(SECOND_SSRC, SECOND_RTX_SSRC)]
}

impl World {
    pub fn new() -> Self {
        Self::at(Bitrate::kbps(2_000))
    }

    pub fn at(target: Bitrate) -> Self {
        let profile = Profile::AeadAes128Gcm;
        let material = vec![7; profile.keying_material_length()];
        let (_, outbound) = pair(profile, &material, Side::DtlsServer).expect("of the right length");
        let (inbound, _) = pair(profile, &material, Side::DtlsClient).expect("of the right length");
        let controller = Scripted::at(target);
        let config = SenderConfig { cname: "somebody".into(), ntp_at_start: NTP_AT_START, overhead: OVERHEAD };
        let mut sender = Sender::new(config, Box::new(controller.clone()), 1);
        sender.set_slots(usual_slots()).expect("usual slots");
        Self {
            now: Time::since_start(Duration::from_secs(1_000)),
            sender,
            controller,
            stores: Stores(vec![PacketStore::new()]),
            outbound,
            inbound,
            arena: Arena::default(),
            arrivals: ArrivalLog::new(),
            reported: Time::default(),
            seen: HashSet::new(),
        }
    }

    pub fn store(&mut self, payload: &[u8]) -> PacketRef {
        PacketRef { store: 0, packet: self.stores.0[0].push(self.now, payload) }
    }

    /// A packet of the slot with this payload.
    pub fn packet(&mut self, slot: u16, sequence: u64, timestamp: u32, payload: &[u8]) -> Outgoing<'static> {
        let is_audio = slot == AUDIO;
        Outgoing {
            slot,
            packet: self.store(payload),
            part: None,
            length: payload.len() as u16,
            payload_type: payload_type(if is_audio { OPUS } else { VP8 }),
            marker: false,
            sequence,
            timestamp,
            audio_level: is_audio.then_some((30, true)),
            patch: Patch::NONE,
            descriptor: None,
        }
    }

    /// Queues a frame of so many packets of 1,000 bytes; returns the sequence number behind it.
    pub fn frame(&mut self, slot: u16, first: u64, timestamp: u32, packets: u64) -> u64 {
        self.frame_of(slot, first, timestamp, packets, 1_000)
    }

    pub fn frame_of(&mut self, slot: u16, first: u64, timestamp: u32, packets: u64, size: usize) -> u64 {
        for sequence in first..first + packets {
            let mut packet = self.packet(slot, sequence, timestamp, &vec![sequence as u8; size]);
            packet.marker = sequence + 1 == first + packets;
            self.sender.enqueue(self.now, &packet).expect("there is room");
        }
        first + packets
    }

    /// Lets go what leaves now; returns how many packets that are.
    pub fn discard(&mut self) -> usize {
        self.arena.clear();
        self.sender.drain(self.now, &self.stores, &mut self.outbound, &mut self.arena);
        self.arena.len()
    }

    /// What leaves now.
    pub fn drain(&mut self) -> Vec<Arrived> {
        self.discard();
        let sealed: Vec<Vec<u8>> = self.arena.packets(0..self.arena.len()).map(<[u8]>::to_vec).collect();
        sealed.into_iter().map(|packet| self.open(packet)).collect()
    }

    fn open(&mut self, mut packet: Vec<u8>) -> Arrived {
        let size = packet.len();
        let plain = self.inbound.unprotect_rtp(&mut packet).expect("what is sent can be opened");
        let packet = &packet[..plain.length];
        let header = Header::parse(packet).expect("what is sent can be read");
        let extension = |id: Option<ExtensionId>| header.extensions.get(id?).map(<[u8]>::to_vec);
        let ids = extensions();
        let ssrc = header.ssrc;
        assert!(self.seen.insert((ssrc, plain.index)), "the same index twice");
        Arrived {
            at: self.now,
            ssrc,
            index: plain.index,
            payload_type: header.payload_type.get(),
            marker: header.marker,
            timestamp: header.timestamp,
            transport_sequence: extension(ids.transport_sequence).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]])),
            mid: extension(ids.mid),
            audio_level: extension(ids.audio_level).map(|bytes| bytes[0]),
            descriptor: extension(ids.dependency_descriptor),
            payload: header.payload_of(packet).expect("sound padding").to_vec(),
            size,
            plain: packet.to_vec(),
        }
    }

    /// Lets time pass, waking the sender only when it asks for it.
    pub fn run(&mut self, duration: Duration) -> Vec<Arrived> {
        let end = self.now + duration;
        let mut arrived = self.drain();
        let mut turns = 0;
        while let Some(due) = self.sender.poll_timeout().filter(|due| *due <= end) {
            turns += 1;
            assert!(turns < 100_000, "it asks to be woken without end");
            self.now = self.now.max(due);
            arrived.extend(self.drain());
            self.reports();
        }
        self.now = end;
        arrived.extend(self.drain());
        arrived
    }

    /// The sender reports that are due.
    pub fn reports(&mut self) -> Vec<SenderInfo> {
        let mut buffer = [0; 1_200];
        let mut writer = Writer::new(&mut buffer);
        self.sender.write_rtcp(self.now, &mut writer);
        let length = writer.len();
        let packets = Compound::parse(&buffer[..length]).map(|packet| packet.expect("well-formed"));
        packets
            .filter_map(|packet| match packet {
                Packet::SenderReport { info, .. } => Some(info),
                _ => None,
            })
            .collect()
    }

    /// The receiver sends RTCP.
    pub fn rtcp(&mut self, write: impl FnOnce(&mut Writer<'_>)) {
        let mut buffer = [0; 1_500];
        let mut writer = Writer::new(&mut buffer);
        write(&mut writer);
        let length = writer.len();
        for packet in Compound::parse(&buffer[..length]) {
            self.sender.handle_rtcp(self.now, &packet.expect("well-formed"));
        }
    }

    /// These transport-wide numbers arrive, and the receiver says so, if it is news to it.
    pub fn transport_feedback(&mut self, arrived: &[u16]) {
        arrived.iter().for_each(|sequence| self.arrivals.record(*sequence, self.now));
        let mut buffer = [0; 1_200];
        let mut writer = Writer::new(&mut buffer);
        // Whatever the interval is, the next report is due by then.
        self.reported = self.now.max(self.reported) + Duration::from_secs(1);
        let Some(feedback) = self.arrivals.poll_feedback(self.reported) else { return };
        writer.transport_feedback(Ssrc(1), Ssrc(0), &feedback).expect("fits");
        let length = writer.len();
        for packet in Compound::parse(&buffer[..length]) {
            self.sender.handle_rtcp(self.now, &packet.expect("well-formed"));
        }
    }

    /// The receiver reports on a stream.
    pub fn acknowledge(&mut self, ssrc: Ssrc) {
        let block = ReportBlock { ssrc, ..ReportBlock::default() };
        self.rtcp(|writer| writer.receiver_report(Ssrc(1), &[block]).expect("fits"));
    }

    pub fn nack(&mut self, media: Ssrc, missing: &[u16]) {
        self.rtcp(|writer| {
            writer.nack(Ssrc(1), media, missing.iter().copied()).expect("fits");
        });
    }

    pub fn keyframes_wanted(&mut self) -> Vec<u16> {
        std::iter::from_fn(|| self.sender.poll_event()).map(|SenderEvent::KeyframeWanted(slot)| slot).collect()
    }

    pub fn pass(&mut self, milliseconds: u64) {
        self.now = self.now + Duration::from_millis(milliseconds);
    }
}

/// A reference to nothing.
pub const GONE: PacketRef = PacketRef { store: 9, packet: PacketId(0) };
