//! Playing sound allocates nothing, playing pictures one list for each frame.

mod counting;

use std::time::Duration;

use conclave_qos::Time;
use conclave_qos::playout::{
    AudioConfig, AudioDecoder, AudioPacket, AudioPlayout, Dependence, Origin, VideoPacket, VideoPlayout,
};
use counting::allocations;

struct Square;

impl AudioDecoder for Square {
    fn decode(&mut self, _: &[u8], _: Origin, samples: &mut Vec<f32>) -> bool {
        samples.extend((0..1_920).map(|i| if i / 240 % 2 == 0 { 0.3 } else { -0.3 }));
        true
    }
}

struct Call {
    audio: AudioPlayout<[u8; 4]>,
    video: VideoPlayout<[u8; 4]>,
    samples: Vec<f32>,
    packets: u32,
    frames: u64,
}

impl Call {
    /// A packet of sound and one of pictures each 20 ms; some of each are lost, some late.
    fn run(&mut self, packets: u32) {
        for _ in 0..packets {
            let number = self.packets;
            self.packets += 1;
            let late = if (number / 100).is_multiple_of(5) { 15_000 } else { 0 };
            let now = Time::since_start(Duration::from_micros(u64::from(number) * 20_000 + late));
            if !number.is_multiple_of(11) {
                let _ = self.audio.handle_packet(
                    now,
                    AudioPacket {
                        sequence: number as u16,
                        timestamp: number.wrapping_mul(960),
                        ticks: 960,
                        is_silence: number % 500 > 490,
                        origin: Origin::Primary,
                        payload: [0; 4],
                    },
                );
            }
            if !number.is_multiple_of(97) {
                let _ = self.video.handle_packet(
                    now,
                    VideoPacket {
                        sequence: number as u16,
                        timestamp: number / 2 * 3_600,
                        is_first: number.is_multiple_of(2),
                        is_last: number % 2 == 1,
                        is_repaired: number.is_multiple_of(31),
                        dependence: Dependence::Key,
                        payload: [0; 4],
                    },
                );
            }
            for half in 0..2 {
                let now = now + Duration::from_millis(half * 10);
                self.audio.poll_block(now, &mut Square, &mut self.samples);
                while self.video.poll_frame(now).is_some() {
                    self.frames += 1;
                }
                self.video.poll_key_frame(now);
                self.video.handle_decoded(now, Duration::from_millis(5));
            }
        }
    }
}

#[test]
fn sound_allocates_nothing_and_a_frame_one_list() {
    let mut call = Call {
        audio: AudioPlayout::new(AudioConfig::default()).expect("within its ranges"),
        video: VideoPlayout::new(90_000),
        samples: Vec::new(),
        packets: 0,
        frames: 0,
    };
    call.run(10_000);
    let (before, received) = (allocations(), call.video.stats().frames_received);
    call.run(20_000);
    let allocations = allocations() - before;
    let received = call.video.stats().frames_received - received;
    let stats = call.audio.stats();
    assert!(stats.concealment_events > 1_000 && stats.removed_samples_for_acceleration > 0, "{stats:?}");
    assert!(stats.inserted_samples_for_deceleration > 0 && call.frames > 14_000, "{stats:?}");
    assert_eq!(allocations, received, "one list for each frame");
}
