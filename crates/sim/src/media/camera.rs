//! A camera: frames of a clip at a steady pace, key frames when they are asked for.

use std::sync::Arc;
use std::time::Duration;

use conclave_qos::{Bitrate, Time};

use super::clip::{Clip, VideoCodec};
use super::packets::{Packets, packetise};

/// What a camera sends.
#[derive(Clone, Debug)]
pub struct CameraConfig {
    /// The encoded video; it starts again when it has ended.
    pub clip: Arc<Clip>,
    /// Frames a second, 1 to 120.
    pub frames_per_second: u32,
    /// The rate of the payloads. Frames of the clip are made longer or shorter to reach it, keeping their proportions;
    /// `None` leaves them as they are, so that they can be decoded.
    pub rate: Option<Bitrate>,
    /// All frames but key frames have the same length, where there is a rate: packets of one size, to compare costs.
    pub even: bool,
    /// Time between key frames that nobody asked for; `None`: there are none but the first, as from a browser.
    pub key_frames_every: Option<Duration>,
    /// Longest payload in bytes.
    pub payload_bytes: usize,
}

/// A frame that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// RTP timestamp at 90 kHz.
    pub timestamp: u32,
    /// Whether decoding can begin with it.
    pub is_key: bool,
}

/// A camera.
#[derive(Debug)]
pub struct Camera {
    config: CameraConfig,
    started: Time,
    pictures: u32,
    position: usize,
    key_wanted: bool,
    last_key: Time,
    /// A frame with its length changed.
    body: Vec<u8>,
}

/// RTP clock of video (RFC 6184 section 8.2.1, RFC 7741 section 6.1).
const CLOCK: u64 = 90_000;
/// Shorter slices are not made: stamp and headers must fit.
const LEAST_BYTES: usize = 64;

impl Camera {
    /// A camera whose first frame, a key frame, is due at `start`.
    pub fn new(config: CameraConfig, start: Time) -> Self {
        let config = CameraConfig { frames_per_second: config.frames_per_second.clamp(1, 120), ..config };
        Self { config, started: start, pictures: 0, position: 0, key_wanted: true, last_key: start, body: Vec::new() }
    }

    /// The codec.
    pub fn codec(&self) -> VideoCodec {
        self.config.clip.codec()
    }

    /// When the next frame is due.
    pub fn poll_timeout(&self) -> Time {
        self.started + Duration::from_secs(1) * self.pictures / self.config.frames_per_second
    }

    /// The next frame is a key frame.
    pub fn request_key_frame(&mut self) {
        self.key_wanted = true;
    }

    /// The frame that is due, in packets. Pictures that nobody took in time are skipped.
    pub fn take(&mut self, now: Time, packets: &mut Packets) -> Option<Picture> {
        if now < self.poll_timeout() {
            return None;
        }
        let elapsed = now.since(self.started);
        let due = elapsed.as_micros() * u128::from(self.config.frames_per_second) / 1_000_000;
        // At most 120 a second: 2^32 of them take a year.
        self.pictures = due as u32;
        if self.config.key_frames_every.is_some_and(|every| now.since(self.last_key) >= every) {
            self.key_wanted = true;
        }
        let frames = self.config.clip.frames();
        if std::mem::take(&mut self.key_wanted) {
            self.position = frames.iter().position(|frame| frame.is_key).unwrap_or(0);
            self.last_key = now;
        } else {
            self.position = (self.position + 1..frames.len()).find(|at| !frames[*at].is_key).unwrap_or(1);
        }
        let is_key = frames[self.position].is_key;
        let timestamp = (u64::from(self.pictures) * CLOCK / u64::from(self.config.frames_per_second)) as u32;
        self.packetise(packets);
        self.pictures += 1;
        Some(Picture { timestamp, is_key })
    }

    fn packetise(&mut self, packets: &mut Packets) {
        let clip = &self.config.clip;
        let frame = &clip.frames()[self.position];
        let (codec, picture, most) = (clip.codec(), self.pictures as u16 & 0x7fff, self.config.payload_bytes);
        let Some(rate) = self.config.rate else {
            return packetise(codec, clip.units(frame), picture, most, packets);
        };
        let mean = rate.as_bps() as usize / 8 / self.config.frames_per_second as usize;
        // Parameter sets stay as they are; the slice, or the VP8 frame, comes last.
        let parts = clip.units(frame).count();
        let Some(slice) = clip.units(frame).last() else { return packets.clone_from(&Packets::default()) };
        let length = match self.config.even && !frame.is_key {
            true => mean,
            false => slice.len() * mean / clip.mean_frame(),
        };
        let length = length.max(LEAST_BYTES);
        self.body.clear();
        // Its own bytes over and over: no start code appears that the slice has not.
        self.body.extend(slice.iter().cycle().take(length));
        let sized = clip.units(frame).take(parts - 1).chain([self.body.as_slice()]);
        packetise(codec, sized, picture, most, packets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(codec: VideoCodec, rate: Option<Bitrate>) -> Camera {
        let clip = Arc::new(Clip::sample(codec, 360));
        let config = CameraConfig {
            clip,
            frames_per_second: 25,
            rate,
            even: false,
            key_frames_every: None,
            payload_bytes: 1_100,
        };
        Camera::new(config, Time::default())
    }

    /// Runs it for so long; gives what it sent.
    fn run(camera: &mut Camera, time: Duration) -> (Vec<Picture>, usize) {
        let (mut pictures, mut bytes, mut packets) = (Vec::new(), 0, Packets::default());
        while camera.poll_timeout() < Time::since_start(time) {
            pictures.push(camera.take(camera.poll_timeout(), &mut packets).expect("due"));
            bytes += packets.iter().map(<[u8]>::len).sum::<usize>();
        }
        (pictures, bytes)
    }

    #[test]
    fn frames_come_at_their_pace_and_at_the_rate_that_was_asked_for() {
        for codec in [VideoCodec::H264, VideoCodec::Vp8] {
            let (pictures, bytes) = run(&mut camera(codec, Some(Bitrate::kbps(350))), Duration::from_secs(20));
            assert_eq!(pictures.len(), 500);
            assert!(pictures.windows(2).all(|two| two[1].timestamp - two[0].timestamp == 3_600));
            assert!((42_000..54_000).contains(&(bytes / 20)), "{codec:?}: {} bytes a second", bytes / 20);
        }
    }

    #[test]
    fn a_key_frame_comes_first_and_then_only_when_it_is_asked_for() {
        let mut camera = camera(VideoCodec::H264, None);
        let (pictures, _) = run(&mut camera, Duration::from_secs(10));
        assert!(pictures[0].is_key && pictures[1..].iter().all(|picture| !picture.is_key));
        camera.request_key_frame();
        let (pictures, _) = run(&mut camera, Duration::from_secs(11));
        assert!(pictures[0].is_key && pictures[1..].iter().all(|picture| !picture.is_key));
    }

    #[test]
    fn a_late_caller_gets_the_newest_frame_only() {
        let mut camera = camera(VideoCodec::Vp8, None);
        let mut packets = Packets::default();
        camera.take(Time::default(), &mut packets).expect("due");
        let late = Time::since_start(Duration::from_millis(1_010));
        assert_eq!(camera.take(late, &mut packets).expect("due").timestamp, 90_000);
        assert_eq!(camera.take(late, &mut packets), None);
    }
}
