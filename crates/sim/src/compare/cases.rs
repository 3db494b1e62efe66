//! The loads that are compared.

use std::time::Duration;

use conclave_qos::Bitrate;

use crate::load::{CameraPlan, Scenario};
use crate::media::VideoCodec;

/// A load.
#[derive(Clone, Debug)]
pub struct Case {
    /// What figures are kept under.
    pub name: &'static str,
    /// For people.
    pub about: &'static str,
    /// What bots do.
    pub scenario: Scenario,
}

/// Packets of one kind, as they go to one receiver together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) is_video: bool,
    pub(super) destinations: usize,
    pub(super) payload_bytes: usize,
    pub(super) run: usize,
    /// Of all sources together.
    pub(super) runs_per_second: u32,
}

/// Sound goes packet by packet, pictures frame by frame.
pub(super) fn stretches(scenario: &Scenario) -> Vec<Stretch> {
    // At most some thousand bots.
    let sources = scenario.publishers.max(1) as u32;
    let destinations = scenario.subscribers + if scenario.publishers_watch { scenario.publishers } else { 0 };
    let video = scenario.camera.as_ref().and_then(|plan| {
        let frame = plan.rate?.as_bps() as usize / 8 / plan.frames_per_second as usize;
        let run = frame.div_ceil(plan.payload_bytes).clamp(1, 40);
        let runs_per_second = sources * plan.frames_per_second;
        Some(Stretch { is_video: true, destinations, payload_bytes: (frame / run).max(1), run, runs_per_second })
    });
    // Between speech and silence.
    let audio = scenario.talkative.map(|_| Stretch {
        is_video: false,
        destinations,
        payload_bytes: 80,
        run: 1,
        // Three are heard at most.
        runs_per_second: 50 * sources.min(3),
    });
    video.into_iter().chain(audio).collect()
}

fn camera(kbps: u64) -> Option<CameraPlan> {
    Some(CameraPlan { rate: Some(Bitrate::kbps(kbps)), codec: VideoCodec::H264, ..CameraPlan::default() })
}

fn timed(quick: bool) -> Scenario {
    let seconds = |quick_ms, ms| Duration::from_millis(if quick { quick_ms } else { ms });
    Scenario { warm_up: seconds(2_000, 5_000), duration: seconds(1_500, 8_000), ..Scenario::default() }
}

/// Frames of so many packets, all of about 1,200 bytes.
fn even_camera(packets: u64, height: u16) -> Option<CameraPlan> {
    let plan = camera(0)?;
    // A packet's payload begins with two bytes that are not the frame's (RFC 6184 section 5.8).
    let frame = packets * (plan.payload_bytes as u64 - 2);
    let rate = Bitrate::bps(8 * frame * u64::from(plan.frames_per_second));
    Some(CameraPlan { rate: Some(rate), even: true, height, ..plan })
}

/// One publisher of H.264 and Opus, 0.4 Mbit/s and about 100 packets a second for each subscriber.
pub(super) fn ordinary(subscribers: usize, quick: bool) -> Scenario {
    Scenario { subscribers: if quick { subscribers / 5 } else { subscribers }, camera: camera(350), ..timed(quick) }
}

/// Meetings in which one sends and so many receive.
pub(super) fn meetings(receivers: usize, quick: bool) -> Scenario {
    let rooms = if quick { 2 } else { 80 / receivers };
    Scenario { rooms, subscribers: receivers, sample_every: 2, camera: camera(350), ..timed(quick) }
}

/// More than one core can send.
pub(super) fn saturating(quick: bool) -> Scenario {
    Scenario {
        subscribers: if quick { 20 } else { 600 },
        joins_at_once: 32,
        camera: even_camera(11, 720),
        talkative: None,
        sink: true,
        ..timed(quick)
    }
}

pub(super) fn cases(quick: bool) -> Vec<Case> {
    let few = |count: usize| if quick { count.div_ceil(5).max(2) } else { count };
    let base = timed(quick);
    vec![
        Case {
            name: "1 to 50, large",
            about: "one camera of 2.5 Mbit/s in packets of about 1,200 bytes",
            scenario: Scenario { subscribers: few(50), camera: even_camera(11, 720), talkative: None, ..base.clone() },
        },
        Case { name: "1 to 50", about: "ordinary load: H.264 and Opus, 0.4 Mbit/s", scenario: ordinary(50, quick) },
        Case { name: "1 to 150", about: "ordinary load: H.264 and Opus, 0.4 Mbit/s", scenario: ordinary(150, quick) },
        Case {
            name: "10 by 10",
            about: "ten people who all see and hear each other",
            scenario: Scenario {
                publishers: few(10),
                subscribers: 0,
                publishers_watch: true,
                tiles: 25,
                tile_size: (320, 180),
                talkative: Some(0.3),
                sample_every: 2,
                camera: camera(350),
                ..base.clone()
            },
        },
        Case {
            name: "50 by 25 tiles",
            about: "25 cameras of 0.45 Mbit/s in packets of about 1,200 bytes, all of them shown to 50 people",
            scenario: Scenario {
                publishers: few(25),
                subscribers: few(50),
                tiles: 25,
                tile_size: (320, 180),
                talkative: None,
                camera: even_camera(2, 360),
                ..base.clone()
            },
        },
        Case {
            name: "audio, 20",
            about: "twenty people who hear each other, no pictures",
            scenario: Scenario {
                publishers: few(20),
                subscribers: 0,
                publishers_watch: true,
                tiles: 25,
                camera: None,
                talkative: Some(0.2),
                sample_every: 2,
                ..base
            },
        },
    ]
}
