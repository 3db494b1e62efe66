//! One who speaks to a thousand: what everybody is sent and told, counted.

use std::time::Duration;

use conclave_proto::SourceKind::{Camera, Microphone};
use conclave_proto::{MediaState, View};
use conclave_sfu::{
    AudioLevel, Bitrate, Codec, Conference, LayerIndex, LegId, Output, RtpPacket, SlotId, Time, Timestamp,
};

use crate::world::{CAMERA, MICROPHONE, NOTHING, config, item};

const VIEWERS: usize = 1_000;
/// RFC 7741: a key frame of 320x180, and a packet of any other frame.
const KEY: [u8; 11] = [0x10, 0x50, 0x0b, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00];
const DELTA: [u8; 2] = [0x10, 0x01];

struct Hall {
    conference: Conference,
    now_ms: u64,
    stage: LegId,
    viewers: Vec<LegId>,
    sequence: u64,
    outputs: Vec<Output>,
}

impl Hall {
    /// A speaker with camera and microphone, and a thousand who watch and have theirs off.
    fn new() -> Self {
        let mut conference = Conference::new(3);
        let both = MediaState { microphone: true, ..CAMERA };
        let start = Time::since_start(Duration::from_secs(1));
        let stage = conference.add_leg(start, config("stage", 1, both, &[])).unwrap();
        conference.handle_connected(start, stage);
        let mut viewers = Vec::new();
        for number in 0..VIEWERS {
            let viewer = conference.add_leg(start, config(&format!("viewer{number}"), 1, NOTHING, &[])).unwrap();
            conference.handle_connected(start, viewer);
            conference.handle_view(start, viewer, &View { items: vec![item("stage", Camera, 180, 2)] });
            conference.handle_estimate(start, viewer, Bitrate::kbps(5_000));
            viewers.push(viewer);
        }
        let mut hall = Self { conference, now_ms: 1_000, stage, viewers, sequence: 0, outputs: Vec::new() };
        hall.drain();
        hall
    }

    fn now(&self) -> Time {
        Time::since_start(Duration::from_millis(self.now_ms))
    }

    fn drain(&mut self) -> Vec<Output> {
        while let Some(output) = self.conference.poll_output() {
            self.outputs.push(output);
        }
        std::mem::take(&mut self.outputs)
    }

    /// A frame of picture and one of sound, of this loudness. Returns how many packets went where.
    fn frame(&mut self, leg: LegId, level: u8, key: bool) -> (usize, usize) {
        self.now_ms += 20;
        self.sequence += 1;
        let now = self.now();
        let packet = |codec, payload, audio_level| RtpPacket {
            sequence: self.sequence,
            timestamp: Timestamp((self.sequence * 1_800) as u32),
            marker: true,
            codec,
            payload,
            audio_level,
            voice_activity: None,
            descriptor: None,
        };
        let picture = packet(Codec::Vp8, if key { &KEY[..] } else { &DELTA[..] }, None);
        let sound = packet(Codec::Opus, &[0; 20][..], Some(AudioLevel::from_minus_dbov(level)));
        let pictures = self.conference.handle_rtp(now, leg, Camera, LayerIndex::LOW, &picture).len();
        let forwards = self.conference.handle_rtp(now, leg, Microphone, LayerIndex::LOW, &sound);
        assert!(forwards.iter().all(|forward| matches!(forward.slot, SlotId::Audio(_))));
        let sounds = forwards.len();
        if self.conference.poll_timeout().is_some_and(|at| at <= now) {
            self.conference.handle_timeout(now);
        }
        (pictures, sounds)
    }
}

fn slots_told(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| matches!(output, Output::SlotsChanged { .. })).count()
}

#[test]
fn everybody_is_sent_every_packet_once_and_told_of_a_change_once() {
    let mut hall = Hall::new();
    let stage = hall.stage;
    hall.frame(stage, 30, true);
    assert_eq!(slots_told(&hall.drain()), VIEWERS, "the sound has come to all, the picture has its slot already");
    assert_eq!(hall.frame(stage, 30, true), (VIEWERS, VIEWERS));
    for _ in 0..100 {
        assert_eq!(hall.frame(stage, 30, false), (VIEWERS, VIEWERS));
    }
    let outputs = hall.drain();
    assert_eq!(slots_told(&outputs), 0, "nothing changes");
    assert!(outputs.len() <= 4, "who speaks, and what is to be sent: {outputs:?}");
}

#[test]
fn a_key_frame_that_a_thousand_wait_for_is_asked_for_as_one() {
    let mut hall = Hall::new();
    let stage = hall.stage;
    for _ in 0..50 {
        hall.frame(stage, 127, false);
    }
    let asked = hall.drain().iter().filter(|output| matches!(output, Output::RequestKeyframe { .. })).count();
    assert!((1..=3).contains(&asked), "{asked} in a second");
}

#[test]
fn a_question_from_the_audience_is_heard_by_all_and_those_who_are_silent_are_not_asked_about() {
    let mut hall = Hall::new();
    let stage = hall.stage;
    for _ in 0..100 {
        hall.frame(stage, 30, true);
    }
    hall.drain();
    let now = hall.now();
    let id = crate::world::id("viewer500");
    hall.conference.handle_media_state(now, &id, MICROPHONE);
    let outputs = hall.drain();
    assert!(outputs.len() <= 2, "nobody shows it, and nothing has been heard of it: {}", outputs.len());

    let asker = hall.conference.add_leg(now, config("viewer500", 2, MICROPHONE, &[])).unwrap();
    hall.conference.handle_connected(now, asker);
    hall.drain();
    for _ in 0..50 {
        hall.frame(asker, 25, false);
    }
    let outputs = hall.drain();
    let told = slots_told(&outputs);
    assert!((VIEWERS - 2..=VIEWERS + 2).contains(&told), "each is told once: {told}");
    assert_eq!(hall.frame(asker, 25, false).1, VIEWERS, "all but the two legs of whoever asks, and the stage's");
}

#[test]
fn when_everybody_leaves_nothing_is_left_behind() {
    let mut hall = Hall::new();
    let stage = hall.stage;
    hall.frame(stage, 30, true);
    hall.frame(stage, 30, true);
    for (gone, viewer) in std::mem::take(&mut hall.viewers).into_iter().enumerate() {
        let now = hall.now();
        hall.conference.remove_leg(now, viewer);
        if gone % 100 == 0 {
            assert_eq!(hall.frame(stage, 30, false), (VIEWERS - gone - 1, VIEWERS - gone - 1));
        }
    }
    assert_eq!(hall.frame(stage, 30, false), (0, 0));
    let now = hall.now();
    hall.conference.remove_leg(now, stage);
    assert!(hall.conference.is_empty() && hall.conference.poll_timeout().is_none());
}
