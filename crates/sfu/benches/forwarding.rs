//! What forwarding costs: nanoseconds of decisions for one packet to one receiver, microseconds of a tick (ten
//! a second) and of a join, in rooms of several sizes. Encryption and sending are not in it. Prints a table and appends to `target/bench/results.jsonl`.
#![allow(clippy::print_stdout, missing_docs)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use conclave_proto::{LegNumber, MediaState, Mid, ParticipantId, SourceKind, VideoCodec, View, ViewItem};
use conclave_sfu::{AudioLevel, Bitrate, Codec, Conference, LayerIndex, LegConfig, LegId, RtpPacket, Time, Timestamp};

/// Pictures a second of every camera.
const FRAMES: u32 = 30;
/// Packets of a picture in the layer that is watched.
const PACKETS: u32 = 3;

/// RFC 7741: `X`, `S`, 15-bit picture id; then a key frame of 320x180, or a packet of any other frame.
const KEY: [u8; 14] = [0x90, 0x80, 0x80, 0x01, 0x50, 0x0b, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00];
const DELTA: [u8; 5] = [0x90, 0x80, 0x80, 0x01, 0x51];

/// Who sends and who watches.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    /// Those who send sound and a picture.
    publishers: u32,
    /// Those who only watch.
    viewers: u32,
    /// Pictures that everybody shows, or as many as there are.
    tiles: u32,
    seconds: u32,
}

const CASES: [Case; 6] = [
    Case { name: "2 people", publishers: 2, viewers: 0, tiles: 25, seconds: 20 },
    Case { name: "5 people", publishers: 5, viewers: 0, tiles: 25, seconds: 20 },
    Case { name: "25 people", publishers: 25, viewers: 0, tiles: 25, seconds: 20 },
    Case { name: "25 to 50, 25 tiles", publishers: 25, viewers: 50, tiles: 25, seconds: 10 },
    Case { name: "1 to 50", publishers: 1, viewers: 50, tiles: 1, seconds: 60 },
    Case { name: "1 to 3,000", publishers: 1, viewers: 3_000, tiles: 1, seconds: 10 },
];

/// What a case cost.
#[derive(Default)]
struct Cost {
    received: u64,
    forwarded: u64,
    deciding: Duration,
    ticks: u32,
    ticking: Duration,
    longest_tick: Duration,
    joining: Duration,
}

fn main() {
    println!(
        "{:>20} {:>11} {:>12} {:>16} {:>11} {:>14} {:>11}",
        "case", "packets in", "packets out", "ns a packet out", "us a tick", "longest, us", "us a join"
    );
    let results = results_file();
    for case in CASES {
        let cost = call(case);
        let each = cost.deciding.as_nanos() as f64 / cost.forwarded.max(1) as f64;
        let micros = |time: Duration| time.as_nanos() as f64 / 1_000.0;
        let tick = micros(cost.ticking) / f64::from(cost.ticks.max(1));
        let join = micros(cost.joining) / f64::from(case.publishers + case.viewers);
        let longest = micros(cost.longest_tick);
        println!(
            "{:>20} {:>11} {:>12} {each:>16.1} {tick:>11.1} {longest:>14.1} {join:>11.1}",
            case.name, cost.received, cost.forwarded
        );
        for (metric, value, unit) in [
            ("decision", each, "ns/packet"),
            ("tick", tick, "us"),
            ("longest tick", longest, "us"),
            ("join", join, "us"),
        ] {
            if let Some(mut file) = results.as_ref() {
                let name = case.name;
                let line = format!(
                    r#"{{"bench":"forwarding","case":"{name}","metric":"{metric}","value":{value:.1},"unit":"{unit}"}}"#
                );
                // A figure that cannot be kept has been printed.
                let _ = writeln!(file, "{line}");
            }
        }
    }
}

/// Everybody watches the publishers, who send sound and a picture.
fn call(case: Case) -> Cost {
    let mut now = Duration::from_secs(1);
    let mut conference = Conference::new(7);
    let mut cost = Cost::default();
    let ids: Vec<_> = (0..case.publishers + case.viewers)
        .map(|n| ParticipantId::parse(&format!("p{n}")).expect("a valid id"))
        .collect();
    let mut legs = Vec::new();
    for (number, id) in ids.iter().enumerate() {
        let started = clock();
        let leg = join(&mut conference, id, number < case.publishers as usize, case.tiles, now);
        let items = ids[..case.publishers as usize]
            .iter()
            .filter(|other| *other != id)
            .take(case.tiles as usize)
            .map(|other| ViewItem {
                participant: other.clone(),
                source: SourceKind::Camera,
                width: 320,
                height: 180,
                priority: 1,
            })
            .collect();
        conference.handle_view(Time::since_start(now), leg, &View { items });
        conference.handle_estimate(Time::since_start(now), leg, Bitrate::kbps(100_000));
        while conference.poll_output().is_some() {}
        cost.joining += started.elapsed();
        legs.push(leg);
    }

    for frame in 0..FRAMES * case.seconds {
        now += Duration::from_secs(1) / FRAMES;
        let time = Time::since_start(now);
        if conference.poll_timeout().is_some_and(|at| at <= time) {
            let started = clock();
            conference.handle_timeout(time);
            while conference.poll_output().is_some() {}
            let spent = started.elapsed();
            cost.ticks += 1;
            cost.ticking += spent;
            // While the room fills and the first key frames come there is more to do.
            if frame > 2 * FRAMES {
                cost.longest_tick = cost.longest_tick.max(spent);
            }
        }
        for leg in &legs[..case.publishers as usize] {
            let started = clock();
            for part in 0..PACKETS {
                let start_of_key = frame % FRAMES == 0 && part == 0;
                let packet = RtpPacket {
                    sequence: u64::from(frame * PACKETS + part),
                    timestamp: Timestamp(frame.wrapping_mul(90_000 / FRAMES)),
                    marker: part + 1 == PACKETS,
                    codec: Codec::Vp8,
                    payload: if start_of_key { &KEY } else { &DELTA },
                    audio_level: None,
                    voice_activity: None,
                    descriptor: None,
                };
                let forwards = conference.handle_rtp(time, *leg, SourceKind::Camera, LayerIndex::LOW, &packet);
                cost.forwarded += forwards.len() as u64;
            }
            let forwards = conference.handle_rtp(time, *leg, SourceKind::Microphone, LayerIndex::LOW, &sound(frame));
            cost.forwarded += forwards.len() as u64;
            cost.received += u64::from(PACKETS) + 1;
            cost.deciding += started.elapsed();
        }
    }
    assert!(cost.forwarded >= cost.received, "a room in which nothing is forwarded measures nothing");
    cost
}

fn sound(frame: u32) -> RtpPacket<'static> {
    RtpPacket {
        sequence: u64::from(frame),
        timestamp: Timestamp(frame.wrapping_mul(48_000 / FRAMES)),
        marker: false,
        codec: Codec::Opus,
        payload: &[0; 60],
        audio_level: Some(AudioLevel::from_minus_dbov(30)),
        voice_activity: Some(true),
        descriptor: None,
    }
}

fn join(conference: &mut Conference, id: &ParticipantId, publishes: bool, tiles: u32, now: Duration) -> LegId {
    let mids = |kind: &str, count: u32| {
        (0..count).map(|n| Mid::try_from(format!("{kind}{n}")).expect("a valid mid")).collect::<Vec<_>>()
    };
    let config = LegConfig {
        participant: id.clone(),
        number: LegNumber(1),
        media: MediaState { microphone: publishes, camera: publishes, ..MediaState::default() },
        decodes: vec![VideoCodec::Vp8],
        audio_slots: mids("a", 3),
        video_slots: mids("v", tiles),
    };
    let leg = conference.add_leg(Time::since_start(now), config).expect("a room has room for 3,000");
    conference.handle_connected(Time::since_start(now), leg);
    leg
}

#[expect(clippy::disallowed_methods, reason = "the clock measures the core from outside")]
fn clock() -> Instant {
    Instant::now()
}

#[allow(clippy::disallowed_types, reason = "the figures are kept outside of the core")]
fn results_file() -> Option<fs::File> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&folder).ok()?;
    OpenOptions::new().create(true).append(true).open(folder.join("results.jsonl")).ok()
}
