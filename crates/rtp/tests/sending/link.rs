//! Two whole legs, a path that loses and delays between them, and virtual time.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use conclave_qos::{Bitrate, Demand, Gcc, Limits, Time};
use conclave_rtp::srtp::{Profile, Side};
use conclave_rtp::{
    Arena, Feedback, Outgoing, PacketStore, Patch, PayloadKind, ReceivePayload, ReceiveSection, Receiver,
    ReceiverConfig, Sender, SenderConfig, SenderEvent, Session, Ssrc, StreamSources,
};

use crate::world::{
    AUDIO, AUDIO_SSRC, NTP_AT_START, OPUS, OVERHEAD, PacketRef, RTX_SSRC, Stores, VIDEO, VIDEO_SSRC, VP8, VP8_RTX,
    audio_slot, extensions, payload_type, video_slot,
};

const DELAY: Duration = Duration::from_millis(40);

/// A packet on its way.
struct Flying {
    to_receiver: bool,
    bytes: Vec<u8>,
}

struct Link {
    now: Time,
    sender: Session,
    receiver: Session,
    stores: Stores,
    arena: Arena,
    flying: BTreeMap<(Time, u64), Flying>,
    order: u64,
    /// Of 1,000 packets.
    lost: u64,
    random: u64,
    /// When each packet came, by section and sequence number.
    came: HashMap<(u16, u64), Time>,
    keyframes_wanted: usize,
    sent_bytes: u64,
    /// What the path to the receiver carries, and until when it is busy. `None`: anything at once.
    rate: Option<Bitrate>,
    busy_until: Time,
    /// How long packets were on their way.
    delays: Vec<Duration>,
    turns: u32,
}

/// What the bottleneck keeps, as time; the rest is lost.
const QUEUE: Duration = Duration::from_millis(300);

impl Link {
    fn new(profile: Profile, lost: u64) -> Self {
        let material = vec![9; profile.keying_material_length()];
        let mut sender = Session::new(
            Receiver::new(ReceiverConfig { reporter: Ssrc(1), ..ReceiverConfig::default() }, 3),
            sender(Limits::default()),
        );
        sender.sender_mut().set_slots(vec![audio_slot(), video_slot(VIDEO_SSRC, RTX_SSRC)]).expect("two slots");
        sender.connect(profile, &material, Side::DtlsServer).expect("of the right length");
        let mut receiver = Session::new(Receiver::new(receives(), 4), self::sender(Limits::default()));
        receiver.connect(profile, &material, Side::DtlsClient).expect("of the right length");
        Self {
            now: Time::since_start(Duration::from_secs(100)),
            sender,
            receiver,
            stores: Stores(vec![PacketStore::new()]),
            arena: Arena::default(),
            flying: BTreeMap::new(),
            order: 0,
            lost,
            random: 12_345,
            came: HashMap::new(),
            keyframes_wanted: 0,
            sent_bytes: 0,
            rate: None,
            busy_until: Time::default(),
            delays: Vec::new(),
            turns: 0,
        }
    }

    fn chance(&mut self) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % 1_000
    }

    fn enqueue(&mut self, slot: u16, sequence: u64, timestamp: u32, marker: bool, size: usize) {
        let id = self.stores.0[0].push(self.now, &vec![sequence as u8; size]);
        let is_audio = slot == AUDIO;
        let packet = Outgoing {
            slot,
            packet: PacketRef { store: 0, packet: id },
            part: None,
            length: size as u16,
            payload_type: payload_type(if is_audio { OPUS } else { VP8 }),
            marker,
            sequence,
            timestamp,
            audio_level: is_audio.then_some((20, true)),
            patch: Patch::NONE,
            descriptor: None,
        };
        let _ = self.sender.sender_mut().enqueue(self.now, &packet);
    }

    /// Both sides send what they have.
    fn exchange(&mut self) {
        for to_receiver in [true, false] {
            self.arena.clear();
            let session = if to_receiver { &mut self.sender } else { &mut self.receiver };
            session.drain(self.now, &self.stores, &mut self.arena);
            session.write_rtcp(self.now, &mut self.arena);
            let packets: Vec<Vec<u8>> = self.arena.packets(0..self.arena.len()).map(<[u8]>::to_vec).collect();
            for bytes in packets {
                self.sent_bytes += if to_receiver { bytes.len() as u64 } else { 0 };
                let lost = self.lost;
                if self.chance() >= lost
                    && let Some(leaves) = self.pass_bottleneck(to_receiver, bytes.len())
                {
                    self.order += 1;
                    self.flying.insert((leaves + DELAY, self.order), Flying { to_receiver, bytes });
                }
            }
        }
    }

    /// When a packet has passed the bottleneck; `None` if its queue is full.
    fn pass_bottleneck(&mut self, to_receiver: bool, size: usize) -> Option<Time> {
        let Some(rate) = self.rate.filter(|_| to_receiver) else { return Some(self.now) };
        let begins = self.busy_until.max(self.now);
        if begins.since(self.now) > QUEUE {
            return None;
        }
        let bits = (size as u64 + u64::from(OVERHEAD)) * 8;
        self.busy_until = begins + Duration::from_micros(bits * 1_000_000 / rate.as_bps());
        self.delays.push((self.busy_until + DELAY).since(self.now));
        Some(self.busy_until)
    }

    fn deliver(&mut self) {
        while let Some(first) = self.flying.first_entry() {
            if first.key().0 > self.now {
                break;
            }
            let Flying { to_receiver, mut bytes } = first.remove();
            let session = if to_receiver { &mut self.receiver } else { &mut self.sender };
            if let Ok(Some(media)) = session.handle_packet(self.now, self.now, &mut bytes)
                && !media.payload.is_empty()
            {
                assert!(media.payload.iter().all(|byte| *byte == media.sequence as u8), "the payload of its number");
                self.came.entry((media.stream.section, media.sequence)).or_insert(self.now);
            }
        }
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.exchange();
        loop {
            let next = [
                self.flying.first_key_value().map(|((at, _), _)| *at),
                self.sender.poll_timeout(),
                self.receiver.poll_timeout(),
            ];
            match next.into_iter().flatten().min().filter(|next| *next <= end) {
                Some(next) => self.now = self.now.max(next),
                None => break,
            }
            self.turns += 1;
            self.deliver();
            self.exchange();
            while let Some(SenderEvent::KeyframeWanted(_)) = self.sender.sender_mut().poll_event() {
                self.keyframes_wanted += 1;
            }
        }
        self.now = end;
    }

    /// Pictures alone, as large as the estimate allows; returns their bytes.
    fn adapt(&mut self, seconds: u64, sequence: &mut u64) -> u64 {
        let mut bytes = 0;
        for _ in 0..seconds * 25 {
            let target = self.sender.sender().control().target;
            let demand = Demand { sending: target, wanted: Bitrate::kbps(1_500) };
            self.sender.sender_mut().set_demand(self.now, demand);
            // Three packets every 40 ms.
            let size = (target.percent(90).as_bps() / 8 / 75).clamp(50, 1_100) as usize;
            for part in 0..3 {
                self.enqueue(VIDEO, *sequence, (*sequence / 3) as u32 * 3_600, part == 2, size);
                *sequence += 1;
                bytes += size as u64;
            }
            self.run(Duration::from_millis(40));
        }
        bytes
    }

    /// A call of so many seconds, 600 kbit/s of pictures and 50 packets of sound a second. Returns how many packets of
    /// sound and pictures were sent.
    fn call(&mut self, seconds: u64) -> (u64, u64) {
        let demand = Demand { sending: Bitrate::kbps(650), wanted: Bitrate::kbps(1_500) };
        self.sender.sender_mut().set_demand(self.now, demand);
        let (mut audio, mut video) = (0, 0);
        for frame in 0..seconds * 50 {
            self.enqueue(AUDIO, 30_000 + audio, frame as u32 * 960, false, 120);
            audio += 1;
            // 25 pictures of three packets a second.
            if frame % 2 == 0 {
                for part in 0..3 {
                    self.enqueue(VIDEO, 32_000 + video, frame as u32 * 1_800, part == 2, 1_000);
                    video += 1;
                }
            }
            self.run(Duration::from_millis(20));
        }
        self.run(Duration::from_secs(1));
        (audio, video)
    }

    fn came(&self, section: u16) -> u64 {
        self.came.keys().filter(|(of, _)| *of == section).count() as u64
    }
}

fn sender(limits: Limits) -> Sender {
    let config = SenderConfig { cname: "somebody".into(), ntp_at_start: NTP_AT_START, overhead: OVERHEAD };
    Sender::new(config, Box::new(Gcc::new(limits)), 2)
}

fn receives() -> ReceiverConfig {
    let feedback = Feedback { nack: true, pli: true, fir: true, transport_wide: true };
    let media = |number, clock_rate, feedback| ReceivePayload {
        payload_type: payload_type(number),
        kind: PayloadKind::Media,
        clock_rate,
        feedback,
    };
    let section = |mid: &str, number, media, retransmission| ReceiveSection {
        mid: mid.into(),
        rids: Vec::new(),
        sources: vec![StreamSources { media, retransmission }],
        payloads: vec![payload_type(number)],
    };
    ReceiverConfig {
        reporter: Ssrc(2),
        cname: "other".into(),
        extensions: extensions(),
        payloads: vec![
            media(OPUS, 48_000, Feedback { transport_wide: true, ..Feedback::default() }),
            media(VP8, 90_000, feedback),
            ReceivePayload {
                payload_type: payload_type(VP8_RTX),
                kind: PayloadKind::Retransmission { of: payload_type(VP8) },
                clock_rate: 90_000,
                feedback: Feedback { transport_wide: true, ..Feedback::default() },
            },
        ],
        sections: vec![section("a", OPUS, AUDIO_SSRC, None), section("v", VP8, VIDEO_SSRC, Some(RTX_SSRC))],
    }
}

#[test]
fn everything_arrives_over_a_path_without_losses_by_every_profile() {
    for profile in Profile::ALL {
        let mut link = Link::new(profile, 0);
        let (audio, video) = link.call(10);
        assert_eq!((link.came(0), link.came(1)), (audio, video), "{profile:?}");
        let stats = link.sender.sender().stats(VIDEO).expect("exists");
        assert_eq!((stats.retransmitted_packets, stats.dropped, stats.nacked), (0, 0, 0), "{profile:?}");
        assert_eq!(link.keyframes_wanted, 0);
        let round_trip = link.sender.sender().sender_stats().round_trip.expect("measured");
        assert!(round_trip.abs_diff(2 * DELAY) < Duration::from_millis(10), "{round_trip:?}");
        assert!(!link.sender.sender().sender_stats().by_losses);
        assert_eq!(link.receiver.stats().refused, 0);
    }
}

#[test]
fn with_a_tenth_lost_both_ways_pictures_are_completed_by_retransmissions() {
    let mut link = Link::new(Profile::AeadAes128Gcm, 100);
    let (audio, video) = link.call(30);
    let missing = video - link.came(1);
    assert!(missing * 1_000 < video * 5, "{missing} of {video} packets never came");
    assert!(link.came(0) > audio * 85 / 100, "sound is not repeated");
    let stats = link.sender.sender().stats(VIDEO).expect("exists");
    let again = stats.retransmitted_packets;
    assert!((video / 12..video / 5).contains(&again), "{again} of {video} packets were sent again");
    assert!(stats.loss > 0.02 && stats.lost > 0, "the receiver reports its losses: {stats:?}");
}

#[test]
fn the_estimate_finds_room_and_the_path_is_not_flooded() {
    let mut link = Link::new(Profile::AeadAes128Gcm, 0);
    link.call(20);
    let target = link.sender.sender().control().target;
    assert!(target >= Bitrate::kbps(1_000), "{target:?} on a path without a limit");
    // 650 kbit/s of media; probes and padding may add their part.
    let rate = link.sent_bytes * 8 / 21;
    assert!(rate < 1_300_000, "{rate} bit/s");
}

#[test]
fn a_narrow_path_is_used_and_its_queue_stays_short() {
    fits_a_narrow_path(Link::new(Profile::AeadAes128Gcm, 0));
}

#[test]
fn a_narrow_path_is_used_as_well_where_reports_are_by_source() {
    let mut link = Link::new(Profile::AeadAes128Gcm, 0);
    link.sender.set_congestion_feedback(true);
    link.receiver.set_congestion_feedback(true);
    fits_a_narrow_path(link);
}

fn fits_a_narrow_path(mut link: Link) {
    link.rate = Some(Bitrate::kbps(800));
    let mut sequence = 3_000;
    link.adapt(15, &mut sequence);
    link.delays.clear();
    let bytes = link.adapt(20, &mut sequence);
    let rate = bytes * 8 / 20;
    assert!((400_000..850_000).contains(&rate), "{rate} bit/s of 800,000");
    link.delays.sort_unstable();
    let p95 = link.delays[link.delays.len() * 95 / 100];
    assert!(p95 < DELAY + Duration::from_millis(200), "{p95:?}");
    // A fourth of it: nothing stalls, and it fits again after a while.
    link.rate = Some(Bitrate::kbps(200));
    link.adapt(10, &mut sequence);
    link.delays.clear();
    let bytes = link.adapt(10, &mut sequence);
    let rate = bytes * 8 / 10;
    assert!((80_000..230_000).contains(&rate), "{rate} bit/s of 200,000");
}

#[test]
fn a_leg_that_carries_nothing_is_not_woken() {
    let mut link = Link::new(Profile::AeadAes128Gcm, 0);
    link.sender.sender_mut().set_demand(link.now, Demand::default());
    // The first probes, and what is reported of them.
    link.run(Duration::from_secs(10));
    link.turns = 0;
    link.run(Duration::from_secs(60));
    assert_eq!(link.turns, 0);
}
