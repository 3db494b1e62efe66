//! What a packet costs from being queued to lying sealed in the arena, with bandwidth estimation on, beside the seal
//! alone. Prints a table and appends to `target/bench/results.jsonl`.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    reason = "a program that measures"
)]

use std::fs::{self, OpenOptions};
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use conclave_qos::{ArrivalLog, Bitrate, Demand, Gcc, Limits, Time};
use conclave_rtp::rtcp::{Compound, Writer};
use conclave_rtp::srtp::{Outbound, Profile, Side, pair};
use conclave_rtp::{
    Arena, ExtensionId, ExtensionIds, ExtensionValues, Header, Outgoing, OutgoingHeader, PacketRef, PacketStore, Patch,
    PayloadType, Payloads, SendPayload, Sender, SenderConfig, SlotConfig, Ssrc, write_header,
};

/// Header, extensions and payload together.
const SIZE: usize = 1_200;
/// Payload of such a packet: 12 bytes of header and 8 of extensions are not.
const PAYLOAD: usize = SIZE - 20;
const PACKETS: u32 = 400_000;
/// Packets of one turn, and how long a turn takes.
const TURN: u32 = 32;
const TURN_TIME: Duration = Duration::from_millis(10);
const MEDIAN_OF: usize = 5;
const PROFILE: Profile = Profile::AeadAes128Gcm;
const VP8: u8 = 96;
const VP8_RTX: u8 = 97;

fn main() {
    let cases = [
        "seal alone",
        "copied from a store into an arena, sealed",
        "queued, paced and sealed, 1 slot",
        "its feedback taken, 1 slot",
        "queued, paced and sealed, 25 slots",
        "its feedback taken, 25 slots",
    ];
    // Rounds, and ratios within a round: what else the machine does changes from one moment to the next.
    let rounds: Vec<[f64; 6]> = (0..MEDIAN_OF)
        .map(|_| {
            let (alone, copied) = (seal_alone(), copy_and_seal());
            let ((one, its), (many, theirs)) = (send(1), send(25));
            [alone, copied, one, its, many, theirs]
        })
        .collect();
    let mut results = Results::open();
    println!("\n{:<44} {:>12} {:>8}", "sending a packet of 1,200 bytes", "ns a packet", "ratio");
    for (index, case) in cases.iter().enumerate() {
        let time = median(rounds.iter().map(|round| round[index]));
        let ratio = median(rounds.iter().map(|round| round[index] / round[0]));
        results.add(case, time, ratio);
    }
}

/// The same packet, sealed under one number after the other: everything is in the nearest cache.
fn seal_alone() -> f64 {
    let mut outbound = keys();
    let mut buffer = [0; 1_500];
    let length = header(&mut buffer);
    let start = Instant::now();
    for sequence in 1..=u64::from(PACKETS) {
        buffer[2..4].copy_from_slice(&(sequence as u16).to_be_bytes());
        let sealed = outbound.protect_rtp(black_box(&mut buffer), length, SIZE, sequence).expect("used once");
        black_box(sealed);
    }
    start.elapsed().as_nanos() as f64 / f64::from(PACKETS)
}

/// The least that forwarding can do: payloads lie in a store, packets in an arena, one turn after the other.
fn copy_and_seal() -> f64 {
    let mut outbound = keys();
    let mut arena = Arena::with_capacity(256);
    let mut store = PacketStore::new();
    let mut spent = Duration::ZERO;
    for turn in 0..PACKETS / TURN {
        let now = Time::since_start(TURN_TIME * turn);
        let first = u64::from(turn * TURN) + 1;
        let ids: Vec<_> = (0..TURN).map(|_| store.push(now, &[7; PAYLOAD])).collect();
        arena.clear();
        let start = Instant::now();
        for (id, sequence) in ids.iter().zip(first..) {
            let buffer = arena.begin();
            let length = header(buffer);
            buffer[2..4].copy_from_slice(&(sequence as u16).to_be_bytes());
            buffer[SIZE - PAYLOAD..SIZE].copy_from_slice(store.get(*id).expect("kept"));
            let sealed = outbound.protect_rtp(buffer, length, SIZE, sequence).expect("used once");
            arena.commit(sealed);
        }
        spent += start.elapsed();
    }
    spent.as_nanos() as f64 / f64::from(PACKETS)
}

fn header(buffer: &mut [u8]) -> usize {
    let header = OutgoingHeader {
        payload_type: payload_type(VP8),
        marker: false,
        padding: false,
        sequence: 0,
        timestamp: 0,
        ssrc: Ssrc(1),
    };
    write_header(buffer, &header, &ExtensionIds::default(), &ExtensionValues::default()).expect("fits")
}

/// A leg of so many slots: what a packet costs to send, and what its share of the feedback costs.
fn send(slots: u16) -> (f64, f64) {
    let mut leg = Leg::new(slots);
    let (mut sending, mut feedback) = (Duration::ZERO, Duration::ZERO);
    // Rings have grown by then.
    let warm = PACKETS / 10;
    let mut sent = 0;
    while sent < PACKETS + warm {
        let (send, reports) = leg.turn();
        if sent >= warm {
            sending += send;
            feedback += reports;
        }
        sent += TURN;
    }
    assert_eq!(leg.sender.sender_stats().faults, 0);
    let each = |time: Duration| time.as_nanos() as f64 / f64::from(PACKETS);
    (each(sending), each(feedback))
}

struct Stores(Vec<PacketStore>);

impl Payloads for Stores {
    fn payload(&self, packet: PacketRef) -> Option<&[u8]> {
        self.0.get(packet.store as usize)?.get(packet.packet)
    }
}

struct Leg {
    now: Time,
    sender: Sender,
    outbound: Outbound,
    stores: Stores,
    arena: Arena,
    arrivals: ArrivalLog,
    ids: ExtensionIds,
    numbers: Vec<u64>,
    next: usize,
}

impl Leg {
    fn new(slots: u16) -> Self {
        // The pacer is asked for each packet, and always agrees.
        let rate = Bitrate::kbps(400_000);
        let limits = Limits { start: rate, floor: rate, ceiling: rate };
        let config = SenderConfig { cname: "bench".into(), ntp_at_start: 0, overhead: 28 };
        let mut sender = Sender::new(config, Box::new(Gcc::new(limits)), 1);
        let ids = ExtensionIds {
            transport_sequence: ExtensionId::new(2),
            mid: ExtensionId::new(3),
            ..ExtensionIds::default()
        };
        let slot = |index: u32| SlotConfig {
            ssrc: Ssrc(2 * index),
            rtx: Some(Ssrc(2 * index + 1)),
            mid: None,
            is_audio: false,
            extensions: ids,
            parity: None,
            payloads: vec![SendPayload {
                payload_type: payload_type(VP8),
                rtx: PayloadType::new(VP8_RTX),
                clock_rate: 90_000,
            }],
            red: None,
        };
        sender.set_slots((0..u32::from(slots)).map(slot).collect()).expect("as many as may be");
        let now = Time::since_start(Duration::from_secs(1));
        sender.set_demand(now, Demand { sending: rate, wanted: rate });
        Self {
            now,
            sender,
            outbound: keys(),
            stores: Stores((0..slots).map(|_| PacketStore::new()).collect()),
            arena: Arena::with_capacity(256),
            arrivals: ArrivalLog::new(),
            ids,
            numbers: vec![1; slots.into()],
            next: 0,
        }
    }

    /// The time that queueing and sending took, and that feedback took.
    fn turn(&mut self) -> (Duration, Duration) {
        let payload = [7; PAYLOAD];
        // Pictures of 16 packets, of one slot after the other.
        let turn: Vec<Outgoing<'_>> = (0..TURN)
            .map(|index| {
                let is_last = (index + 1).is_multiple_of(16);
                let slot = self.next;
                let id = self.stores.0[slot].push(self.now, &payload);
                let sequence = self.numbers[slot];
                self.numbers[slot] += 1;
                self.next = (slot + usize::from(is_last)) % self.numbers.len();
                Outgoing {
                    slot: slot as u16,
                    packet: PacketRef { store: slot as u32, packet: id },
                    part: None,
                    length: PAYLOAD as u16,
                    payload_type: payload_type(VP8),
                    marker: is_last,
                    sequence,
                    timestamp: (sequence / 16) as u32 * 3_000,
                    audio_level: None,
                    patch: Patch::new(&[(2, 1), (3, 2), (4, 3)]).expect("few"),
                    descriptor: None,
                }
            })
            .collect();
        self.arena.clear();
        let start = Instant::now();
        for packet in &turn {
            self.sender.enqueue(self.now, packet).expect("there is room");
        }
        self.sender.drain(self.now, &self.stores, &mut self.outbound, &mut self.arena);
        let sending = start.elapsed();
        assert!(self.arena.len() >= TURN as usize, "{} packets left", self.arena.len());
        self.now = self.now + TURN_TIME;
        (sending, self.feedback())
    }

    fn feedback(&mut self) -> Duration {
        for packet in self.arena.packets(0..self.arena.len()) {
            let header = Header::parse(packet).expect("what is sent can be read");
            let sequence = self.ids.transport_sequence.and_then(|id| header.extensions.get(id)).expect("negotiated");
            self.arrivals.record(u16::from_be_bytes([sequence[0], sequence[1]]), self.now);
        }
        let mut buffer = [0; 1_200];
        let mut writer = Writer::new(&mut buffer);
        if let Some(feedback) = self.arrivals.poll_feedback(self.now) {
            writer.transport_feedback(Ssrc(1), Ssrc(0), &feedback).expect("fits");
        }
        let length = writer.len();
        let start = Instant::now();
        for packet in Compound::parse(&buffer[..length]) {
            self.sender.handle_rtcp(self.now, &packet.expect("well-formed"));
        }
        start.elapsed()
    }
}

fn keys() -> Outbound {
    let material = vec![7; PROFILE.keying_material_length()];
    pair(PROFILE, &material, Side::DtlsServer).expect("of the right length").1
}

fn payload_type(number: u8) -> PayloadType {
    PayloadType::new(number).expect("below 128")
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Prints, and keeps for later.
struct Results(Option<fs::File>);

impl Results {
    fn open() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
        let file = fs::create_dir_all(&folder)
            .and_then(|()| OpenOptions::new().create(true).append(true).open(folder.join("results.jsonl")));
        Self(file.ok())
    }

    fn add(&mut self, case: &str, each: f64, ratio: f64) {
        println!("{case:<44} {each:>12.1} {ratio:>8.2}");
        let Some(file) = self.0.as_mut() else { return };
        for (metric, value, unit) in [("time", each, "ns/packet"), ("ratio", ratio, "of the seal alone")] {
            // A figure that cannot be kept has been printed.
            let _ = writeln!(
                file,
                r#"{{"bench":"sending","case":"{case}","metric":"{metric}","value":{value:.2},"unit":"{unit}"}}"#
            );
        }
    }
}
