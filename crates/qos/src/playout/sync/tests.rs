use super::*;
use crate::playout::{
    AudioConfig, AudioDecoder, AudioPacket, AudioPlayout, DelayLimits, Dependence, Origin, VideoPacket, VideoPlayout,
};

const AUDIO_RATE: u32 = 48_000;
const VIDEO_RATE: u32 = 90_000;
/// When the streams begin, on the sender's clock.
const BEGINNING: u64 = 3_900_000_000;

fn at(micros: u64) -> Time {
    Time::since_start(Duration::from_micros(micros))
}

struct Tone;

impl AudioDecoder for Tone {
    fn decode(&mut self, payload: &[u8], _: Origin, samples: &mut Vec<f32>) -> bool {
        let Ok(start) = payload.try_into().map(u32::from_be_bytes) else { return false };
        // 200 Hz repeat every 80 samples of 16 kHz.
        let sample = |i: u32| libm::sinf(std::f32::consts::TAU * (i % 80) as f32 / 80.0) * 0.5;
        samples.extend((0..320).map(|i| sample(start / 3 + i)));
        true
    }
}

/// Sound and pictures of one sender, over paths of different lengths.
struct Call {
    audio: AudioPlayout<Vec<u8>>,
    video: VideoPlayout<Vec<u8>>,
    audio_clock: SenderClock,
    video_clock: SenderClock,
    synchronizer: Synchronizer,
    /// How late each path is, in µs.
    audio_path: u64,
    video_path: u64,
    now: u64,
    /// How much later the picture was, every 10 ms, in µs: what a person with a clapper board would say.
    skews: Vec<i64>,
    /// The capture time of the picture that is on the screen, and those that will be.
    shown: Vec<(u64, u64)>,
}

impl Call {
    fn new(audio_path: u64, video_path: u64) -> Self {
        let config = AudioConfig { channels: 1, sample_rate: 16_000, ..AudioConfig::default() };
        Self {
            audio: AudioPlayout::new(config).unwrap(),
            video: VideoPlayout::new(VIDEO_RATE),
            audio_clock: SenderClock::new(AUDIO_RATE),
            video_clock: SenderClock::new(VIDEO_RATE),
            synchronizer: Synchronizer::new(),
            audio_path: audio_path * 1_000,
            video_path: video_path * 1_000,
            now: 0,
            skews: Vec::new(),
            shown: Vec::new(),
        }
    }

    fn run_until(&mut self, seconds: u64) {
        let mut samples = Vec::new();
        while self.now < seconds * 1_000_000 {
            let now = at(self.now);
            self.arrive(now);
            self.audio.poll_block(now, &mut Tone, &mut samples);
            while let Some(ready) = self.video.poll_frame(now) {
                let captured = u64::from(ready.frame.timestamp.wrapping_sub(7_000)) * 1_000_000 / u64::from(VIDEO_RATE);
                self.shown.push((captured, ready.render_time.to_duration().as_micros() as u64));
            }
            self.look();
            self.synchronize(now);
            self.now += 10_000;
        }
    }

    /// What arrives in these 10 ms: sound every 20 ms, pictures every 33, reports every second.
    fn arrive(&mut self, now: Time) {
        let due = |path: u64, interval: u64| {
            let sent = self.now.checked_sub(path)?;
            let number = sent.div_ceil(interval);
            (number * interval < sent + 10_000).then_some(number)
        };
        let (sound, picture) = (due(self.audio_path, 20_000), due(self.video_path, 33_333));
        if let Some(report) = due(self.audio_path, 1_000_000) {
            let ntp = (BEGINNING + report) << 32;
            let _ = self.audio_clock.handle_report(ntp, report as u32 * AUDIO_RATE + 5_000);
            let _ = self.video_clock.handle_report(ntp, report as u32 * VIDEO_RATE + 7_000);
        }
        if let Some(number) = sound {
            let ticks = number as u32 * 960;
            let _ = self.audio.handle_packet(
                now,
                AudioPacket {
                    sequence: number as u16,
                    timestamp: ticks + 5_000,
                    ticks: 960,
                    is_silence: false,
                    origin: Origin::Primary,
                    payload: ticks.to_be_bytes().to_vec(),
                },
            );
        }
        if let Some(number) = picture {
            let _ = self.video.handle_packet(
                now,
                VideoPacket {
                    sequence: number as u16,
                    timestamp: (number * 33_333 * u64::from(VIDEO_RATE) / 1_000_000) as u32 + 7_000,
                    is_first: true,
                    is_last: true,
                    is_repaired: false,
                    dependence: Dependence::Key,
                    payload: vec![0; 1_000],
                },
            );
        }
    }

    fn look(&mut self) {
        let Some(heard) = self.audio.playout_point(at(self.now)) else { return };
        // The block that was just played began 10 ms earlier.
        let heard = i64::from(heard.timestamp) - 5_000 - 480;
        let heard = heard * 1_000_000 / i64::from(AUDIO_RATE) - self.now as i64;
        if let Some((captured, render)) = self.shown.last() {
            self.skews.push(heard - (*captured as i64 - *render as i64));
        }
    }

    fn synchronize(&mut self, now: Time) {
        let (Some(heard), Some(delay)) = (self.audio.playout_point(now), self.audio.delay(now)) else { return };
        let Some(seen) = self.video.playout_point() else { return };
        // What is next to be heard is heard with the next block.
        let heard = PlayoutPoint { at: now + Duration::from_millis(10), ..heard };
        let audio = Played { clock: &self.audio_clock, point: heard, delay };
        let video = Played { clock: &self.video_clock, point: seen, delay: self.video.delay() };
        if let Some(delays) = self.synchronizer.update(now, audio, video) {
            self.audio.set_limits(DelayLimits { least: delays.audio, most: None });
            self.video.set_least_delay(delays.video);
        }
    }

    /// The worst of the last second, in ms.
    fn worst(&self) -> i64 {
        self.skews.iter().rev().take(100).map(|skew| skew.abs()).max().unwrap() / 1_000
    }
}

#[test]
fn a_picture_or_sound_that_is_200_ms_late_is_in_step_after_ten_seconds_and_stays_so() {
    for (audio_path, video_path) in [(30, 230), (230, 30)] {
        let mut call = Call::new(audio_path, video_path);
        call.run_until(1);
        assert!(call.skews.last().unwrap().abs() > 100_000, "{:?}", call.skews.last());
        call.run_until(10);
        assert!(call.worst() <= 20, "{audio_path}/{video_path}: {} ms", call.worst());
        for seconds in 11..60 {
            call.run_until(seconds);
            assert!(call.worst() <= 20, "{audio_path}/{video_path}, {seconds} s: {} ms", call.worst());
        }
        let delays = call.synchronizer.delays();
        assert!(delays.audio.is_zero() || delays.video.is_zero(), "both are delayed: {delays:?}");
    }
}

#[test]
fn when_a_path_becomes_shorter_the_delay_that_was_added_is_taken_back() {
    let mut call = Call::new(30, 230);
    call.run_until(15);
    assert!(call.synchronizer.delays().audio > Duration::from_millis(150), "{:?}", call.synchronizer.delays());
    call.video_path = 40_000;
    call.run_until(45);
    assert!(call.worst() <= 30, "{} ms", call.worst());
    assert!(call.synchronizer.delays().audio < Duration::from_millis(80), "{:?}", call.synchronizer.delays());
}

#[test]
fn steps_are_bounded_and_impossible_differences_ignored() {
    let mut clock = SenderClock::new(90_000);
    clock.handle_report(BEGINNING << 32, 0).unwrap();
    let played = |timestamp, ms: u64| Played {
        clock: &clock,
        point: PlayoutPoint { timestamp, at: at(ms * 1_000) },
        delay: Duration::from_millis(50),
    };
    let mut synchronizer = Synchronizer::new();
    assert_eq!(synchronizer.update(at(0), played(0, 0), played(0, 10_001)), None);
    assert_eq!(synchronizer.skew_micros(), None);
    let delays = synchronizer.update(at(0), played(0, 0), played(0, 9_000)).unwrap();
    assert_eq!(delays, SyncDelays { audio: Duration::from_millis(130), video: Duration::ZERO });
    assert_eq!(synchronizer.update(at(499_999), played(0, 0), played(0, 9_000)), None);
    let unknown = SenderClock::new(90_000);
    let silent = Played { clock: &unknown, ..played(0, 0) };
    assert_eq!(synchronizer.update(at(1_000_000), silent, played(0, 0)), None);
    let mut level = Synchronizer::new();
    assert_eq!(level.update(at(0), played(0, 0), played(0, 14)), None);
    assert_eq!(level.skew_micros(), Some(14_000));
}
