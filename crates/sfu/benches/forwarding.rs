//! What forwarding costs: nanoseconds of decisions for one packet to one receiver, in rooms of several
//! sizes. Encryption and sending are not in it. Prints a table and appends to `target/bench/results.jsonl`.
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
const SECONDS: u32 = 20;

/// RFC 7741: `X`, `S`, 15-bit picture id; then a key frame of 320x180, or a packet of any other frame.
const KEY: [u8; 14] = [0x90, 0x80, 0x80, 0x01, 0x50, 0x0b, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00];
const DELTA: [u8; 5] = [0x90, 0x80, 0x80, 0x01, 0x51];

fn main() {
    println!("{:>8} {:>14} {:>14} {:>16}", "people", "packets in", "packets out", "ns a packet out");
    let results = results_file();
    for people in [2, 5, 25] {
        let (received, forwarded, spent) = call(people);
        let each = spent.as_nanos() as f64 / forwarded.max(1) as f64;
        println!("{people:>8} {received:>14} {forwarded:>14} {each:>16.1}");
        if let Some(mut file) = results.as_ref() {
            let line = format!(
                r#"{{"bench":"forwarding","case":"{people} people","metric":"decision","value":{each:.1},"unit":"ns/packet"}}"#
            );
            // A figure that cannot be kept has been printed.
            let _ = writeln!(file, "{line}");
        }
    }
}

/// Everybody sends sound and a picture, and watches everybody else.
fn call(people: u32) -> (u64, u64, Duration) {
    let mut now = Duration::from_secs(1);
    let mut conference = Conference::new(7);
    let ids: Vec<_> = (0..people).map(|n| ParticipantId::parse(&format!("p{n}")).expect("a valid id")).collect();
    let legs: Vec<_> = ids.iter().map(|id| join(&mut conference, id, people, now)).collect();
    for (id, leg) in ids.iter().zip(&legs) {
        let items = ids
            .iter()
            .filter(|other| *other != id)
            .map(|other| ViewItem {
                participant: other.clone(),
                source: SourceKind::Camera,
                width: 320,
                height: 180,
                priority: 1,
            })
            .collect();
        conference.handle_view(Time::since_start(now), *leg, &View { items });
        conference.handle_estimate(Time::since_start(now), *leg, Bitrate::kbps(100_000));
    }

    let (mut received, mut forwarded, mut spent) = (0, 0, Duration::ZERO);
    for frame in 0..FRAMES * SECONDS {
        now += Duration::from_secs(1) / FRAMES;
        let time = Time::since_start(now);
        conference.handle_timeout(time);
        while conference.poll_output().is_some() {}
        for leg in &legs {
            let started = clock();
            for part in 0..PACKETS {
                let start_of_key = frame % FRAMES == 0 && part == 0;
                forwarded += conference
                    .handle_rtp(
                        time,
                        *leg,
                        SourceKind::Camera,
                        LayerIndex::LOW,
                        &RtpPacket {
                            sequence: u64::from(frame * PACKETS + part),
                            timestamp: Timestamp(frame.wrapping_mul(90_000 / FRAMES)),
                            marker: part + 1 == PACKETS,
                            codec: Codec::Vp8,
                            payload: if start_of_key { &KEY } else { &DELTA },
                            audio_level: None,
                            voice_activity: None,
                            descriptor: None,
                        },
                    )
                    .len() as u64;
                received += 1;
            }
            forwarded +=
                conference.handle_rtp(time, *leg, SourceKind::Microphone, LayerIndex::LOW, &sound(frame)).len() as u64;
            received += 1;
            spent += started.elapsed();
        }
    }
    assert!(forwarded > received, "a room in which nothing is forwarded measures nothing");
    (received, forwarded, spent)
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

fn join(conference: &mut Conference, id: &ParticipantId, people: u32, now: Duration) -> LegId {
    let mids = |kind: &str, count: u32| {
        (0..count).map(|n| Mid::try_from(format!("{kind}{n}")).expect("a valid mid")).collect::<Vec<_>>()
    };
    let config = LegConfig {
        participant: id.clone(),
        number: LegNumber(1),
        media: MediaState { microphone: true, camera: true, ..MediaState::default() },
        decodes: vec![VideoCodec::Vp8],
        red: None,
        audio_slots: mids("a", 3),
        video_slots: mids("v", people - 1),
    };
    let leg = conference.add_leg(Time::since_start(now), config).expect("a room has room for 25");
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
