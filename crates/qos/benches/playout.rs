//! What receiving costs: per audio packet, per 10 ms of sound, per video packet.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]
#![allow(clippy::disallowed_methods, reason = "a bench measures time")]

mod results;

use std::time::{Duration, Instant};

use conclave_qos::Time;
use conclave_qos::playout::{
    AudioConfig, AudioDecoder, AudioPacket, AudioPlayout, DelayLimits, Dependence, FrameId, Origin, References,
    VideoPacket, VideoPlayout,
};

const ROUNDS: usize = 5;
const PACKETS: u32 = 10_000;
const FRAMES: u32 = 10_000;
/// Packets of a frame: 30 frames of these a second are 2.9 Mbit/s.
const PER_FRAME: u32 = 10;

/// How long a packet is on its way, in µs, by its number; `None`: it is lost.
type Path<'a> = &'a dyn Fn(u32) -> Option<u64>;

/// A decoder that costs nothing but copying: 200 Hz in stereo.
struct Copier {
    second: Vec<f32>,
}

impl AudioDecoder for Copier {
    fn decode(&mut self, payload: &[u8], _: Origin, samples: &mut Vec<f32>) -> bool {
        let start = payload.first().map_or(0, |part| usize::from(*part)) * 1_920;
        samples.extend_from_slice(&self.second[start..start + 1_920]);
        true
    }
}

fn main() {
    let mut results = results::Results::open("qos-playout");
    println!("{:<34} {:>16} {:>16}", "sound, 20 ms of 48 kHz stereo", "ns per packet", "ns per 10 ms");
    let still = |_: u32| Some(30_000);
    let lossy = |number: u32| (number % 10 != 3).then_some(30_000);
    // Paths that become longer and shorter, so that sound is stretched as often as it may be.
    let swaying = |number: u32| Some(30_000 + u64::from(number % 500).abs_diff(250) * 1_000);
    let cases: [(&str, Path<'_>); 3] = [("steady", &still), ("10 % concealed", &lossy), ("stretched", &swaying)];
    for (case, path) in cases {
        let costs = median(|| sound(path));
        println!("{case:<34} {:>16.0} {:>16.0}", costs.0, costs.1);
        results.add(case, "audio packet", costs.0, "ns/packet");
        results.add(case, "audio block", costs.1, "ns/10 ms");
    }
    println!("\n{:<34} {:>16} {:>16}", "pictures, 10 packets a frame", "ns per packet", "ns per frame");
    for (case, is_reordered) in [("in order", false), ("overtaken within a frame", true)] {
        let costs = median(|| pictures(is_reordered));
        println!("{case:<34} {:>16.0} {:>16.0}", costs.0, costs.1);
        results.add(case, "video packet", costs.0, "ns/packet");
        results.add(case, "video frame", costs.1, "ns/frame");
    }
}

fn median(mut round: impl FnMut() -> (f64, f64)) -> (f64, f64) {
    let rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| round()).collect();
    let of = |cost: fn(&(f64, f64)) -> f64| {
        let mut costs: Vec<f64> = rounds.iter().map(cost).collect();
        costs.sort_by(f64::total_cmp);
        costs[ROUNDS / 2]
    };
    (of(|costs| costs.0), of(|costs| costs.1))
}

/// Packets over a path: the cost of one, and of 10 ms.
fn sound(path: Path<'_>) -> (f64, f64) {
    let second = (0..96_000_u32).map(|i| libm::sinf((i / 2) as f32 * 200.0 * std::f32::consts::TAU / 48_000.0) * 0.5);
    let mut decoder = Copier { second: second.collect() };
    let mut playout = AudioPlayout::new(AudioConfig::default()).expect("within its ranges");
    playout.set_limits(DelayLimits { least: Duration::from_millis(40), most: Some(Duration::from_millis(80)) });
    let mut coming: Vec<(u64, AudioPacket<[u8; 1]>)> = (0..PACKETS)
        .filter_map(|number| {
            let packet = AudioPacket {
                sequence: number as u16,
                timestamp: number * 960,
                ticks: 960,
                is_silence: false,
                origin: Origin::Primary,
                payload: [(number % 50) as u8],
            };
            Some((u64::from(number) * 20_000 + path(number)?, packet))
        })
        .collect();
    coming.sort_by_key(|(at, _)| *at);
    let packets = coming.len() as f64;
    let mut coming = coming.into_iter().peekable();
    let (mut inserting, mut playing, mut out) = (Duration::ZERO, Duration::ZERO, Vec::new());
    let blocks = PACKETS * 2;
    for block in 0..blocks {
        let now = u64::from(block) * 10_000;
        let started = Instant::now();
        while let Some((arrival, packet)) = coming.next_if(|(arrival, _)| *arrival <= now) {
            let _ = playout.handle_packet(at(arrival), packet);
        }
        let inserted = started.elapsed();
        playout.poll_block(at(now), &mut decoder, &mut out);
        std::hint::black_box(&out);
        inserting += inserted;
        playing += started.elapsed() - inserted;
    }
    (inserting.as_nanos() as f64 / packets, playing.as_nanos() as f64 / f64::from(blocks))
}

/// Frames that each need the one before: the cost of a packet, and of asking for frames.
fn pictures(is_reordered: bool) -> (f64, f64) {
    let mut playout = VideoPlayout::new(90_000);
    let (mut inserting, mut polling) = (Duration::ZERO, Duration::ZERO);
    for frame in 0..FRAMES {
        let now = at(u64::from(frame) * 33_333 + 30_000);
        let id = i64::from(frame);
        let references = if frame == 0 { Some(References::NONE) } else { References::new(&[FrameId(id - 1)]) };
        let dependence = Dependence::Frames(FrameId(id), references.unwrap_or(References::NONE));
        let started = Instant::now();
        for i in 0..PER_FRAME {
            let i = if is_reordered { PER_FRAME - 1 - i } else { i };
            let packet = VideoPacket {
                sequence: (frame * PER_FRAME + i) as u16,
                timestamp: frame * 3_000,
                is_first: i == 0,
                is_last: i == PER_FRAME - 1,
                is_repaired: false,
                dependence,
                payload: [0_u8; 8],
            };
            let _ = playout.handle_packet(now, packet);
        }
        let inserted = started.elapsed();
        for _ in 0..2 {
            std::hint::black_box(playout.poll_frame(now + Duration::from_millis(20)));
        }
        playout.poll_key_frame(now);
        inserting += inserted;
        polling += started.elapsed() - inserted;
    }
    let per_frame = polling.as_nanos() as f64 / f64::from(FRAMES);
    (inserting.as_nanos() as f64 / f64::from(FRAMES * PER_FRAME), per_frame)
}

fn at(micros: u64) -> Time {
    Time::since_start(Duration::from_micros(micros))
}
