//! Streams that bring several layers: VP9 and AV1 with scalability.

use std::collections::HashSet;
use std::time::Duration;

use conclave_proto::SourceKind::Camera;
use conclave_proto::VideoCodec::{Av1, H264, Vp9};
use conclave_proto::{PublishWish, View};
use conclave_sfu::{Bitrate, Codec, Conference, LayerIndex, LegId, Output, RtpPacket, Time, Timestamp};
use proptest::prelude::*;

use crate::scalable::Prediction::{Always, KeyPictures};
use crate::scalable::{Decoder, Encoder, Prediction, Sent, Tag};
use crate::world::{CAMERA, NOTHING, config, item};

const CODECS: [Codec; 2] = [Codec::Vp9, Codec::Av1];
const PICTURE_MS: u64 = 33;

/// One who sends and one who watches.
struct Stage {
    conference: Conference,
    now: Duration,
    sender: LegId,
    viewer: LegId,
    encoder: Encoder,
    decoder: Decoder,
    keys_asked: usize,
    wishes: Vec<PublishWish>,
    is_paused: bool,
    /// Pictures until a request for a key frame is obeyed.
    answer_after: usize,
    asked: Option<usize>,
}

impl Stage {
    fn new(codec: Codec, prediction: Prediction) -> Self {
        let mut conference = Conference::new(5);
        let now = Duration::from_secs(1);
        let time = Time::since_start(now);
        let mut join = |name, media| {
            let leg = conference.add_leg(time, config(name, 1, media, &[H264, Vp9, Av1])).expect("added");
            conference.handle_connected(time, leg);
            leg
        };
        let (sender, viewer) = (join("ada", CAMERA), join("bob", NOTHING));
        let mut stage = Self {
            conference,
            now,
            sender,
            viewer,
            encoder: Encoder::new(codec, prediction),
            decoder: Decoder::default(),
            keys_asked: 0,
            wishes: Vec::new(),
            is_paused: false,
            answer_after: 2,
            asked: None,
        };
        stage.estimate(10_000);
        stage.show(720);
        stage
    }

    fn time(&self) -> Time {
        Time::since_start(self.now)
    }

    fn show(&mut self, height: u16) {
        self.conference.handle_view(self.time(), self.viewer, &View { items: vec![item("ada", Camera, height, 1)] });
        self.drain();
    }

    fn estimate(&mut self, kbps: u64) {
        self.conference.handle_estimate(self.time(), self.viewer, Bitrate::kbps(kbps));
        self.drain();
    }

    fn deliver(&mut self, sent: &Sent) {
        let packet = RtpPacket {
            sequence: sent.sequence,
            timestamp: Timestamp(sent.timestamp),
            marker: sent.marker,
            codec: self.encoder.codec,
            payload: &sent.payload,
            audio_level: None,
            voice_activity: None,
            descriptor: sent.descriptor.as_deref(),
        };
        let time = self.time();
        for forward in self.conference.handle_rtp(time, self.sender, Camera, LayerIndex::LOW, &packet) {
            self.decoder.receive(forward, &sent.payload);
        }
        while let Some(held) = self.conference.poll_held(time) {
            held.forwards.iter().for_each(|forward| self.decoder.receive(forward, held.payload));
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.conference.poll_output() {
            match output {
                Output::RequestKeyframe { layer, .. } => {
                    assert_eq!(layer, LayerIndex::LOW, "there is one stream to ask");
                    self.keys_asked += 1;
                    self.asked.get_or_insert(self.answer_after);
                }
                Output::PublishWish { wish, .. } => self.wishes.push(wish),
                Output::SlotsChanged { leg, slots, .. } if leg == self.viewer => {
                    self.is_paused = slots.video.iter().any(|slot| slot.paused);
                }
                _ => {}
            }
        }
    }

    fn next_picture(&mut self) -> Vec<Sent> {
        self.now += Duration::from_millis(PICTURE_MS);
        if self.conference.poll_timeout().is_some_and(|at| at <= self.time()) {
            self.conference.handle_timeout(self.time());
            self.drain();
        }
        if let Some(left) = &mut self.asked {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.asked = None;
                self.encoder.key_wanted = true;
            }
        }
        self.encoder.picture()
    }

    fn run(&mut self, pictures: usize) {
        for _ in 0..pictures {
            for packet in self.next_picture() {
                self.deliver(&packet);
            }
        }
    }

    fn layer_now(&self) -> u8 {
        self.decoder.layers().last().copied().expect("something was forwarded")
    }

    fn assert_sound(&self) {
        self.decoder.assert_gapless();
        self.decoder.assert_decodable(&HashSet::new());
    }
}

#[test]
fn who_begins_with_a_key_picture_gets_the_layer_of_its_tile_at_once() {
    for codec in CODECS {
        for (height, layer) in [(180, 0), (360, 1), (720, 2)] {
            let mut stage = Stage::new(codec, KeyPictures);
            stage.show(height);
            stage.run(30);
            assert_eq!(stage.decoder.layers(), [layer; 30], "{codec:?} {height}");
            stage.assert_sound();
        }
    }
}

#[test]
fn the_picture_ends_where_its_highest_forwarded_layer_does() {
    for codec in CODECS {
        for prediction in [KeyPictures, Always] {
            let mut stage = Stage::new(codec, prediction);
            stage.show(360);
            stage.run(20);
            let packets: Vec<_> = stage.decoder.received.values().flatten().collect();
            for pair in packets.windows(2) {
                let is_last = pair[0].0.picture != pair[1].0.picture;
                assert_eq!(pair[0].1.marker, is_last, "{codec:?} {prediction:?}: {:?}", pair[0].0);
            }
        }
    }
}

#[test]
fn only_what_the_layer_is_predicted_from_is_forwarded_with_it() {
    for (prediction, lower) in [(KeyPictures, 0), (Always, 2)] {
        for codec in CODECS {
            let mut stage = Stage::new(codec, prediction);
            stage.run(30);
            let later = stage.decoder.received.values().flatten().filter(|(tag, _)| tag.picture == 30);
            let below: HashSet<u8> = later.map(|(tag, _)| tag.layer).filter(|layer| *layer < 2).collect();
            assert_eq!(below.len(), lower, "{codec:?} {prediction:?}");
        }
    }
}

#[test]
fn a_larger_layer_waits_for_a_key_picture_and_a_smaller_one_does_where_it_is_on_its_own() {
    for codec in CODECS {
        let mut stage = Stage::new(codec, KeyPictures);
        stage.show(180);
        stage.run(30);
        stage.show(720);
        assert_eq!(stage.layer_now(), 0);
        stage.run(10);
        assert_eq!((stage.layer_now(), stage.keys_asked >= 1), (2, true), "{codec:?}");
        stage.run(30);
        stage.show(180);
        stage.run(20);
        assert_eq!(stage.layer_now(), 0, "{codec:?}");
        stage.assert_sound();
    }
}

#[test]
fn a_smaller_layer_that_is_there_anyway_is_turned_to_at_the_next_picture() {
    for codec in CODECS {
        let mut stage = Stage::new(codec, Always);
        stage.run(30);
        let asked = stage.keys_asked;
        stage.show(180);
        stage.run(1);
        assert_eq!((stage.layer_now(), stage.keys_asked), (0, asked), "{codec:?}");
        stage.run(10);
        stage.assert_sound();
    }
}

#[test]
fn the_bandwidth_decides_by_what_each_layer_was_measured_to_take() {
    for codec in CODECS {
        let mut stage = Stage::new(codec, Always);
        // 1,000 bytes a packet, 30 pictures a second: 240, 720 and 1,440 kbit/s.
        stage.encoder.padding = 1_000;
        stage.run(120);
        assert_eq!(stage.layer_now(), 2);
        stage.estimate(1_000);
        stage.run(30);
        assert_eq!(stage.layer_now(), 1, "{codec:?}");
        stage.estimate(500);
        stage.run(30);
        assert_eq!(stage.layer_now(), 0, "{codec:?}");
        stage.assert_sound();
    }
}

#[test]
fn the_sender_is_told_how_many_layers_somebody_needs() {
    for codec in CODECS {
        let mut stage = Stage::new(codec, KeyPictures);
        stage.show(180);
        stage.run(200);
        assert_eq!(stage.wishes.last().expect("told").layers, [true, false, false], "{codec:?}");
        // It obeys: one layer, with a key picture.
        (stage.encoder.layers, stage.encoder.key_wanted) = (1, true);
        stage.run(60);
        assert_eq!(stage.layer_now(), 0);
        stage.show(360);
        stage.run(5);
        assert_eq!(stage.wishes.last().expect("told").layers, [true, true, false], "{codec:?}");
        (stage.encoder.layers, stage.encoder.key_wanted) = (2, true);
        stage.run(10);
        assert_eq!(stage.layer_now(), 1, "{codec:?}");
        stage.assert_sound();
    }
}

#[test]
fn a_layer_that_the_sender_gives_up_is_left_within_half_a_second() {
    for codec in CODECS {
        for prediction in [KeyPictures, Always] {
            let mut stage = Stage::new(codec, prediction);
            stage.run(60);
            stage.encoder.layers = 2;
            stage.run(20);
            assert_eq!(stage.layer_now(), 1, "{codec:?} {prediction:?}");
            stage.assert_sound();
        }
    }
}

#[test]
fn frame_numbers_of_descriptors_go_on_across_a_restart_of_the_sender() {
    let mut stage = Stage::new(Codec::Av1, KeyPictures);
    stage.show(180);
    stage.run(10);
    let number = |stage: &Stage| {
        let last = stage.decoder.received.values().flatten().next_back().expect("forwarded");
        let descriptor = last.1.descriptor.expect("has one");
        u16::from_be_bytes([descriptor.as_bytes()[1], descriptor.as_bytes()[2]])
    };
    let before = number(&stage);
    stage.encoder = Encoder::new(Codec::Av1, KeyPictures);
    (stage.encoder.sequence, stage.encoder.timestamp, stage.encoder.frame) = (7, 9, 100);
    stage.run(2);
    // The first packet at the new place is a suspicion only; the sender is asked for another beginning.
    stage.encoder.key_wanted = true;
    stage.run(1);
    assert!(number(&stage).wrapping_sub(before) <= 3, "{} after {before}", number(&stage));
    stage.decoder.assert_gapless();
}

#[test]
fn a_late_packet_of_a_layer_that_is_left_out_fills_its_gap_with_nothing() {
    for codec in CODECS {
        let mut stage = Stage::new(codec, Always);
        stage.show(180);
        stage.run(3);
        let mut packets = stage.next_picture();
        let late = packets.remove(3);
        assert_eq!(Tag::read(&late.payload).layer, 2);
        packets.iter().for_each(|packet| stage.deliver(packet));
        stage.run(2);
        stage.deliver(&late);
        stage.decoder.assert_gapless();
        assert_eq!(stage.decoder.received.values().filter(|packet| packet.is_none()).count(), 1, "{codec:?}");
    }
}

#[derive(Clone, Debug)]
enum Event {
    Show(u16),
    Estimate(u64),
    Layers(u8),
    Key,
    Run(u8),
}
use Event::{Estimate, Key, Layers, Run, Show};

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => prop_oneof![Just(180u16), Just(360), Just(720)].prop_map(Show),
        2 => (0u64..3_000).prop_map(Estimate),
        1 => (1u8..4).prop_map(Layers),
        1 => Just(Key),
        6 => (1u8..40).prop_map(Run),
    ]
}

/// What the network does to a packet.
#[derive(Clone, Copy, Debug, Default)]
struct Fate {
    lost: bool,
    /// It comes after so many others that were sent later.
    delay: usize,
    /// It comes once more, after so many others.
    again: Option<usize>,
}

const ON_TIME: Fate = Fate { lost: false, delay: 0, again: None };

const fn after(delay: usize) -> Fate {
    Fate { delay, ..ON_TIME }
}

fn any_fate() -> impl Strategy<Value = Fate> {
    (0u8..40, 0usize..12, 0u8..20).prop_map(|(loss, delay, twice)| {
        let delay = if delay > 8 { delay } else { 0 };
        Fate { lost: loss == 0, delay, again: (twice == 0).then_some(delay + 3) }
    })
}

/// Lets a history happen and checks that whatever was forwarded can be decoded but for what was lost. Fates are those of
/// the packets in turn, again and again.
fn happen(mut stage: Stage, events: &[Event], fates: &[Fate]) -> Stage {
    let mut lost = HashSet::new();
    let mut underway: Vec<(usize, Sent)> = Vec::new();
    let mut fates = fates.iter().cycle();
    for event in events {
        match event {
            Show(height) => stage.show(*height),
            Estimate(kbps) => {
                stage.estimate(*kbps);
                if stage.is_paused {
                    // The end of the picture that is under way may come when another has begun.
                    let cut = underway.iter().map(|(_, packet)| Tag::read(&packet.payload));
                    let cut = cut.filter(|tag| tag.picture == stage.encoder.picture);
                    lost.extend(cut.flat_map(|tag| tag.frame..=stage.encoder.frame));
                }
            }
            Layers(layers) => (stage.encoder.layers, stage.encoder.key_wanted) = (*layers, true),
            Key => stage.encoder.key_wanted = true,
            Run(pictures) => {
                for _ in 0..*pictures {
                    for packet in stage.next_picture() {
                        let fate = fates.next().copied().unwrap_or_default();
                        let tag = Tag::read(&packet.payload);
                        if fate.lost || tag.references.iter().any(|reference| lost.contains(reference)) {
                            lost.insert(tag.frame);
                        }
                        if fate.lost {
                            continue;
                        }
                        if let Some(delay) = fate.again {
                            underway.push((delay, packet.clone()));
                        }
                        underway.push((fate.delay, packet));
                        underway.iter_mut().for_each(|(left, _)| *left = left.saturating_sub(1));
                        let (due, still): (Vec<_>, Vec<_>) = underway.into_iter().partition(|(left, _)| *left == 0);
                        underway = still;
                        due.iter().for_each(|(_, packet)| stage.deliver(packet));
                    }
                }
            }
        }
    }
    underway.iter().for_each(|(_, packet)| stage.deliver(packet));
    stage.decoder.assert_decodable(&lost);
    if lost.is_empty() {
        stage.decoder.assert_gapless();
    }
    stage
}

#[test]
fn who_turns_to_a_layer_gets_what_it_builds_on_even_if_that_comes_late() {
    for codec in CODECS {
        for flexible in [false, true] {
            for delayed in 0..12 {
                let mut stage = Stage::new(codec, KeyPictures);
                stage.encoder.flexible = flexible;
                // Six packets a picture; one of the first two pictures after the key picture comes late.
                let mut fates = [ON_TIME; 24];
                fates[6 + delayed] = after(9);
                stage.run(0);
                let stage = happen(stage, &[Run(2), Show(180), Run(2), Show(360), Key, Run(12)], &fates);
                assert_eq!(stage.layer_now(), 1, "{codec:?} {delayed}");
            }
        }
    }
}

#[test]
fn a_key_picture_that_says_late_what_layers_there_are_is_followed_at_once() {
    for (codec, prediction) in CODECS.into_iter().flat_map(|codec| [(codec, KeyPictures), (codec, Always)]) {
        for (height, from, to) in [(720, 3, 2), (180, 3, 1), (360, 2, 3), (180, 3, 2)] {
            let mut stage = Stage::new(codec, prediction);
            stage.encoder.layers = from;
            stage.show(height);
            let packets = usize::from(from * (from + 1) / 2) * 10;
            let mut fates = vec![ON_TIME; packets + 200];
            fates[packets] = after(9);
            stage.answer_after = 1_000;
            let stage = happen(stage, &[Run(10), Layers(to), Run(20)], &fates);
            // VP9 does not tell what was left out in vain until then: that may take another key picture.
            let last = stage.decoder.received.values().flatten().next_back().expect("forwarded").0.picture;
            assert!(codec == Codec::Vp9 || last + 1 >= stage.encoder.picture, "{prediction:?} {height}: {last}");
        }
    }
}

#[test]
fn a_key_picture_whose_beginning_comes_late_is_begun_with() {
    for codec in CODECS {
        let mut stage = Stage::new(codec, KeyPictures);
        stage.answer_after = 1_000;
        let mut fates = [ON_TIME; 60];
        fates[0] = after(20);
        let stage = happen(stage, &[Run(10)], &fates);
        assert_eq!(stage.decoder.layers(), [2; 10], "{codec:?}");
    }
}

#[test]
fn what_comes_late_before_a_packet_that_still_waits_waits_with_it() {
    let mut stage = Stage::new(Codec::Av1, KeyPictures);
    stage.answer_after = 1_000;
    stage.run(2);
    let mut key_picture = || {
        stage.encoder.key_wanted = true;
        stage.next_picture()
    };
    let (first, second) = (key_picture(), key_picture());
    // Of the second picture the end of a frame comes, then the first picture's beginning, which cannot explain it,
    // and then the frame's beginning; last what explains both.
    assert_eq!([1, 2].map(|at| Tag::read(&second[at].payload).part), [0, 1]);
    let order = first[1..].iter().chain([&second[2], &first[0], &second[1]]).chain(&second[3..]).chain([&second[0]]);
    order.for_each(|packet| stage.deliver(packet));
    stage.run(2);
    assert_eq!(stage.decoder.layers(), [2; 6]);
    stage.assert_sound();
}

#[test]
fn what_comes_late_of_a_picture_that_was_paused_completes_it() {
    for codec in CODECS {
        let mut stage = Stage::new(codec, KeyPictures);
        stage.run(5);
        let mut packets = stage.next_picture();
        let late = packets.remove(4);
        packets.iter().for_each(|packet| stage.deliver(packet));
        stage.estimate(0);
        assert!(stage.is_paused);
        stage.deliver(&late);
        stage.run(3);
        stage.assert_sound();
        assert_eq!(stage.decoder.layers().len(), 6, "{codec:?}: nothing new while it is paused");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_is_left_out_what_is_forwarded_can_be_decoded(
        codec in proptest::sample::select(&CODECS),
        prediction in proptest::sample::select(&[KeyPictures, Always]),
        flexible in any::<bool>(),
        events in proptest::collection::vec(any_event(), 1..30),
        fates in prop_oneof![Just(vec![ON_TIME]), proptest::collection::vec(any_fate(), 1..200)],
    ) {
        let mut stage = Stage::new(codec, prediction);
        stage.encoder.flexible = flexible;
        stage.encoder.padding = 600;
        happen(stage, &events, &fates);
    }
}
