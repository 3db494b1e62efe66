//! What a run consists of.

use std::sync::Arc;
use std::time::Duration;

use conclave_qos::Bitrate;

use super::target::Part;
use crate::media::{CameraConfig, Clip, VideoCodec};
use crate::peer::Sends;

/// What cameras send.
#[derive(Clone, Debug)]
pub struct CameraPlan {
    /// The encoding.
    pub codec: VideoCodec,
    /// Lines of the picture, of the highest layer.
    pub height: u16,
    /// Rate of the highest layer; `None`: as the clip is, so that it can be decoded.
    pub rate: Option<Bitrate>,
    /// All frames but key frames have the same length, where there is a rate.
    pub even: bool,
    /// Frames a second.
    pub frames_per_second: u32,
    /// Longest payload in bytes.
    pub payload_bytes: usize,
    /// Three layers (rids `l`, `m`, `h`), each a quarter of the next one's rate.
    pub simulcast: bool,
    /// Another clip than those of the program.
    pub clip: Option<Arc<Clip>>,
}

/// What a run consists of.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Rooms, all alike, of which each has as many bots as the following says. WHIP and WHEP know one only.
    pub rooms: usize,
    /// Bots that send.
    pub publishers: usize,
    /// Bots that only receive.
    pub subscribers: usize,
    /// Those who send also watch and hear the others.
    pub publishers_watch: bool,
    /// Pictures that each watches at most.
    pub tiles: usize,
    /// Size of such a picture, in pixels.
    pub tile_size: (u16, u16),
    /// What cameras send; `None`: nobody has one.
    pub camera: Option<CameraPlan>,
    /// Share of the time that each speaks, 0 to 1; `None`: nobody has a microphone.
    pub talkative: Option<f64>,
    /// Payloads end with stamps. Then delays are known, and pictures cannot be decoded.
    pub stamps: bool,
    /// One receiver in so many decrypts everything, for delays. At least 1.
    pub sample_every: usize,
    /// Receivers let the kernel drop all media: the server can be filled without filling the machine with bots.
    pub sink: bool,
    /// Time between the last join and the measurement.
    pub warm_up: Duration,
    /// Time of the measurement.
    pub duration: Duration,
    /// Bots that join at the same time.
    pub joins_at_once: usize,
    /// Threads of bots.
    pub threads: usize,
    /// Decides all that is random.
    pub seed: u64,
}

/// More bots than this one machine does not measure anything with.
pub const MOST_BOTS: usize = 5_000;

impl Default for Scenario {
    fn default() -> Self {
        Self {
            rooms: 1,
            publishers: 1,
            subscribers: 1,
            publishers_watch: false,
            tiles: 1,
            tile_size: (640, 360),
            camera: Some(CameraPlan::default()),
            talkative: Some(1.0),
            stamps: true,
            sample_every: 10,
            sink: false,
            warm_up: Duration::from_secs(1),
            duration: Duration::from_secs(5),
            joins_at_once: 8,
            threads: 1,
            seed: 1,
        }
    }
}

impl Default for CameraPlan {
    /// Ordinary load: with the sound's 50, about 100 packets and 0.4 Mbit a second.
    fn default() -> Self {
        Self {
            codec: VideoCodec::H264,
            height: 360,
            rate: Some(Bitrate::kbps(350)),
            even: false,
            frames_per_second: 25,
            payload_bytes: 1_130,
            simulcast: false,
            clip: None,
        }
    }
}

/// Numbers of stamps that one bot may use.
const STAMPS_EACH: usize = 8;

impl Scenario {
    /// The codec of the pictures, also where nobody has a camera.
    pub fn codec(&self) -> VideoCodec {
        self.camera.as_ref().map_or(VideoCodec::H264, |plan| plan.codec)
    }

    /// Who comes into a room, in this order.
    pub(super) fn parts(&self, room: usize) -> [Part; 2] {
        let most = (MOST_BOTS / self.rooms.max(1)).max(1);
        let publishers = self.publishers.min(most);
        let subscribers = self.subscribers.min(most - publishers);
        let first = room * (publishers + subscribers);
        [
            Part { sends: true, watches: self.publishers_watch, first, count: publishers },
            Part { sends: false, watches: true, first: first + publishers, count: subscribers },
        ]
    }

    pub(super) fn is_sampled(&self, number: usize) -> bool {
        self.stamps && !self.sink && number.is_multiple_of(self.sample_every.max(1))
    }

    pub(super) fn seed_of(&self, number: usize) -> u64 {
        self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number as u64)
    }

    pub(super) fn stamps_of(&self, number: usize) -> Option<u32> {
        // There are at most some thousand bots.
        self.stamps.then_some((number * STAMPS_EACH) as u32)
    }

    /// A camera in this section.
    pub(super) fn camera_in(&self, mid: &str) -> Option<Sends> {
        let plan = self.camera.as_ref()?;
        let layers = match plan.simulcast {
            false => vec![(None, plan.layer(0))],
            true => vec![(Some("l"), plan.layer(2)), (Some("m"), plan.layer(1)), (Some("h"), plan.layer(0))],
        };
        Some(Sends::Camera { mid: mid.to_owned(), layers })
    }
}

impl CameraPlan {
    /// The layer that has its width and height halved so many times.
    fn layer(&self, halved: u32) -> CameraConfig {
        let sample = || Arc::new(Clip::sample(self.codec, self.height >> halved));
        CameraConfig {
            clip: self.clip.clone().unwrap_or_else(sample),
            frames_per_second: self.frames_per_second,
            rate: self.rate.map(|rate| Bitrate::bps(rate.as_bps() >> (2 * halved))),
            even: self.even,
            key_frames_every: None,
            payload_bytes: self.payload_bytes.clamp(200, 1_200),
        }
    }
}
