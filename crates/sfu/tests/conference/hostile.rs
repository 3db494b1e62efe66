//! Senders that lie, and whatever else can be called in any order.

use std::collections::HashSet;

use conclave_proto::SourceKind::{self, Camera};
use conclave_proto::{CodecPreference, MediaState, VideoCodec, View};
use conclave_sfu::{
    AudioLevel, Bitrate, Codec, Conference, LayerIndex, LegId, Output, RtpPacket, SlotId, Time, Timestamp,
};
use proptest::prelude::*;

use crate::world::{ALL_ON, CAMERA, NOTHING, World, config, id, item};

const VP8_KEY: [u8; 17] = [0x90, 0xe0, 0x92, 0x34, 7, 0, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0, 0];

#[test]
fn a_liar_disturbs_only_the_slots_that_show_it() {
    let run = |lying: bool| {
        let mut world = World::new();
        let liar = world.join("liar", ALL_ON);
        world.senders.get_mut(&liar).unwrap().silent = true;
        world.join("ada", CAMERA);
        let viewer = world.join("bob", NOTHING);
        world.view(viewer, vec![item("liar", Camera, 720, 1), item("ada", Camera, 720, 1)]);
        world.run(2_000);
        let mut random = 1u64;
        for round in 0..500u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let big = vec![0x10; (random >> 50) as usize % 3_000];
            let payload = if round % 3 == 0 { &VP8_KEY[..] } else { &big[..] };
            let packet = RtpPacket {
                sequence: if round % 2 == 0 { random } else { round },
                timestamp: Timestamp((random >> 13) as u32),
                marker: true,
                codec: [Codec::Vp8, Codec::H264, Codec::Opus][(random >> 40) as usize % 3],
                payload,
                audio_level: None,
                voice_activity: None,
                descriptor: None,
            };
            if lying {
                let layer = LayerIndex::new((round % 3) as u8).unwrap();
                let now = world.now();
                let kind = SourceKind::ALL[(random >> 33) as usize % 4];
                let _ = world.conference.handle_rtp(now, liar, kind, layer, &packet);
                world.drain();
            }
            world.run(10);
        }
        let slot = world.slot_of(viewer, "ada", Camera).unwrap();
        world.received.retain(|(_, at), _| *at == SlotId::Video(slot));
        world.assert_continuous();
        let seen = world.got(viewer, slot).iter();
        seen.map(|packet| (packet.at_ms, packet.tag.layer, packet.tag.frame)).collect::<Vec<_>>()
    };
    let honest = run(false);
    assert!(honest.len() > 500);
    assert_eq!(run(true), honest);
}

#[test]
fn a_jump_of_sequence_and_timestamp_does_not_reach_the_receiver() {
    let mut world = World::new();
    let ada = world.join("ada", CAMERA);
    let viewer = world.join("bob", NOTHING);
    world.view(viewer, vec![item("ada", Camera, 360, 1)]);
    world.run(1_000);
    let encoder = world.encoder(ada, Camera, 1);
    encoder.sequence += 20_000;
    encoder.timestamp = encoder.timestamp.wrapping_add(1 << 31);
    world.run(1_500);
    assert_eq!(world.layer_now(viewer, 0), Some(1));
    world.encoder(ada, Camera, 1).timestamp = 5;
    world.run(1_000);
    // Only the picture ids of the frame that was lost with the jump are missing; numbers and times go on.
    let received = world.got(viewer, 0);
    for pair in received.windows(2) {
        assert_eq!(pair[1].forward.sequence, pair[0].forward.sequence + 1);
        let advance = pair[1].forward.timestamp - pair[0].forward.timestamp;
        assert!((0..90_000).contains(&advance), "{advance}");
    }
}

#[test]
fn duplicates_and_retransmissions_are_forwarded_once_under_the_number_that_was_missing() {
    let mut world = World::new();
    let ada = world.join("ada", NOTHING);
    world.conference.handle_media_state(world.now(), &id("ada"), CAMERA);
    let viewer = world.join("bob", NOTHING);
    world.view(viewer, vec![item("ada", Camera, 180, 1)]);
    let mut sent = Vec::new();
    for sequence in [100, 101, 103, 104, 103, 102, 102, 99, 105] {
        let mut payload = VP8_KEY;
        if sequence != 100 {
            payload[6] = 0x01;
        }
        let packet = RtpPacket {
            sequence,
            timestamp: Timestamp(3_000 * sequence as u32),
            marker: true,
            codec: Codec::Vp8,
            payload: &payload,
            audio_level: None,
            voice_activity: None,
            descriptor: None,
        };
        world.now_ms += 10;
        let now = world.now();
        let forwards = world.conference.handle_rtp(now, ada, Camera, LayerIndex::LOW, &packet);
        sent.extend(forwards.iter().map(|forward| (sequence, forward.sequence)));
    }
    let first = sent[0].1;
    let expected: Vec<_> = [100, 101, 103, 104, 102, 105].map(|sequence| (sequence, first + sequence - 100)).to_vec();
    assert_eq!(sent, expected, "99 is from before the switch");
    assert_eq!(viewer.index(), 1);
}

#[derive(Clone, Debug)]
enum Step {
    Add { name: u8, number: u32, media: u8, h264: bool, slots: u8 },
    Update { leg: u8, slots: u8 },
    Remove { leg: u8 },
    Connect { leg: u8 },
    Media { name: u8, media: u8 },
    View { leg: u8, items: Vec<(u8, u8, u16, u8)> },
    Estimate { leg: u8, kbps: u16 },
    Keyframe { leg: u8, slot: u8 },
    Codec { vp8: bool },
    Rtp { leg: u8, kind: u8, layer: u8, codec: u8, sequence: u64, timestamp: u32, key: bool, level: u8, count: u8 },
    Garbage { leg: u8, kind: u8, codec: u8, sequence: u64, payload: Vec<u8> },
    Wait { ms: u16 },
}

fn any_step() -> impl Strategy<Value = Step> {
    let leg = || 0u8..8;
    let rtp = (leg(), 0u8..4, 0u8..3, 0u8..3, 0u64..200, any::<u32>(), any::<bool>(), 0u8..128, 1u8..20);
    prop_oneof![
        2 => (0u8..4, 1u32..4, 0u8..16, any::<bool>(), 0u8..5)
            .prop_map(|(name, number, media, h264, slots)| Step::Add { name, number, media, h264, slots }),
        1 => (leg(), 0u8..6).prop_map(|(leg, slots)| Step::Update { leg, slots }),
        1 => leg().prop_map(|leg| Step::Remove { leg }),
        3 => leg().prop_map(|leg| Step::Connect { leg }),
        2 => (0u8..5, 0u8..16).prop_map(|(name, media)| Step::Media { name, media }),
        4 => (leg(), proptest::collection::vec((0u8..5, 0u8..4, any::<u16>(), any::<u8>()), 0..8))
            .prop_map(|(leg, items)| Step::View { leg, items }),
        2 => (leg(), any::<u16>()).prop_map(|(leg, kbps)| Step::Estimate { leg, kbps }),
        1 => (leg(), any::<u8>()).prop_map(|(leg, slot)| Step::Keyframe { leg, slot }),
        1 => any::<bool>().prop_map(|vp8| Step::Codec { vp8 }),
        8 => rtp.prop_map(|(leg, kind, layer, codec, sequence, timestamp, key, level, count)| Step::Rtp {
            leg, kind, layer, codec, sequence, timestamp, key, level, count,
        }),
        2 => (leg(), 0u8..4, 0u8..3, any::<u64>(), proptest::collection::vec(any::<u8>(), 0..64))
            .prop_map(|(leg, kind, codec, sequence, payload)| Step::Garbage { leg, kind, codec, sequence, payload }),
        3 => (0u16..3_000).prop_map(|ms| Step::Wait { ms }),
    ]
}

fn media(bits: u8) -> MediaState {
    let bit = |at: u8| bits & 1 << at != 0;
    MediaState { microphone: bit(0), camera: bit(1), screen: bit(2), screen_audio: bit(3) }
}

/// A conference with what the outside may rely on.
struct Checked {
    conference: Conference,
    now_ms: u64,
    legs: Vec<(LegId, u8)>,
    slots: usize,
    numbers: HashSet<(LegId, SlotId, u64)>,
    media: [MediaState; 5],
}

impl Checked {
    fn now(&self) -> Time {
        Time::since_start(std::time::Duration::from_millis(self.now_ms))
    }

    fn leg(&self, number: u8) -> Option<LegId> {
        // Also names of legs that are gone.
        (!self.legs.is_empty()).then(|| self.legs[usize::from(number) % self.legs.len()].0)
    }

    fn apply(&mut self, step: Step) {
        let now = self.now();
        match step {
            Step::Add { name, number, media: bits, h264, slots } => {
                let codecs = [VideoCodec::H264];
                let mut config = config(&format!("p{name}"), number, media(bits), if h264 { &codecs } else { &[] });
                config.video_slots.truncate(slots.into());
                config.audio_slots.truncate(slots.into());
                if let Ok(leg) = self.conference.add_leg(now, config) {
                    self.legs.push((leg, name));
                    self.media[usize::from(name)] = media(bits);
                }
            }
            Step::Update { leg, slots } => {
                let mut config = config("ignored", 9, NOTHING, &[]);
                config.video_slots.rotate_left(usize::from(slots) % 4);
                config.video_slots.truncate(slots.into());
                if let Some(leg) = self.leg(leg) {
                    let _ = self.conference.update_leg(now, leg, config);
                    // Other sections are other streams, with numbers of their own.
                    self.numbers.retain(|(other, ..)| *other != leg);
                }
            }
            Step::Remove { leg } => {
                if let Some(leg) = self.leg(leg) {
                    self.conference.remove_leg(now, leg);
                }
            }
            Step::Connect { leg } => {
                if let Some(leg) = self.leg(leg) {
                    self.conference.handle_connected(now, leg);
                }
            }
            Step::Media { name, media: bits } => {
                self.conference.handle_media_state(now, &id(&format!("p{name}")), media(bits));
                self.media[usize::from(name)] = media(bits);
            }
            Step::View { leg, items } => {
                let items = items.into_iter().map(|(name, kind, height, priority)| {
                    item(&format!("p{name}"), SourceKind::ALL[usize::from(kind)], height, priority)
                });
                if let Some(leg) = self.leg(leg) {
                    self.conference.handle_view(now, leg, &View { items: items.collect() });
                }
            }
            Step::Estimate { leg, kbps } => {
                if let Some(leg) = self.leg(leg) {
                    self.conference.handle_estimate(now, leg, Bitrate::kbps(kbps.into()));
                }
            }
            Step::Keyframe { leg, slot } => {
                if let Some(leg) = self.leg(leg) {
                    self.conference.handle_keyframe_request(now, leg, SlotId::Video(slot));
                    self.conference.handle_keyframe_request(now, leg, SlotId::Audio(slot));
                }
            }
            Step::Codec { vp8 } => {
                let preference = if vp8 { CodecPreference::Vp8 } else { CodecPreference::Auto };
                self.conference.set_codec(now, preference);
            }
            Step::Rtp { leg, kind, layer, codec, sequence, timestamp, key, level, count } => {
                let mut payload = VP8_KEY;
                payload[6] |= u8::from(!key);
                for number in 0..u64::from(count) {
                    self.now_ms += 5;
                    let timestamp = timestamp.wrapping_add(450 * number as u32);
                    self.rtp(leg, kind, layer, codec, sequence + number, timestamp, &payload, level);
                }
            }
            Step::Garbage { leg, kind, codec, sequence, payload } => {
                self.rtp(leg, kind, 0, codec, sequence, 0, &payload, 10);
            }
            Step::Wait { ms } => {
                let end = self.now_ms + u64::from(ms);
                while self.now_ms < end {
                    self.now_ms += 50;
                    self.conference.handle_timeout(self.now());
                    self.poll();
                }
            }
        }
        self.poll();
    }

    #[allow(clippy::too_many_arguments, reason = "they are a packet's")]
    fn rtp(
        &mut self,
        leg: u8,
        kind: u8,
        layer: u8,
        codec: u8,
        sequence: u64,
        timestamp: u32,
        payload: &[u8],
        level: u8,
    ) {
        let Some((sender, name)) = (!self.legs.is_empty()).then(|| self.legs[usize::from(leg) % self.legs.len()])
        else {
            return;
        };
        let packet = RtpPacket {
            sequence,
            timestamp: Timestamp(timestamp),
            marker: false,
            codec: [Codec::Opus, Codec::Vp8, Codec::H264][usize::from(codec)],
            payload,
            audio_level: Some(AudioLevel::from_minus_dbov(level)),
            voice_activity: None,
            descriptor: None,
        };
        let kind = SourceKind::ALL[usize::from(kind)];
        let now = self.now();
        let forwards = self.conference.handle_rtp(now, sender, kind, LayerIndex::new(layer).unwrap(), &packet).to_vec();
        for forward in forwards {
            let (_, receiver) = self.legs.iter().find(|(leg, _)| *leg == forward.leg).expect("a leg that was added");
            assert_ne!(*receiver, name, "nobody is sent their own");
            assert!(self.media[usize::from(name)].has(kind), "what is off is not sent");
            assert_eq!(matches!(forward.slot, SlotId::Audio(_)), kind.is_audio());
            assert!(self.numbers.insert((forward.leg, forward.slot, forward.sequence)), "{forward:?} twice");
        }
        self.poll();
    }

    fn poll(&mut self) {
        let mut outputs = 0;
        while let Some(output) = self.conference.poll_output() {
            outputs += 1;
            assert!(outputs < 1_000, "outputs are bounded");
            if let Output::SlotsChanged { leg, participant, slots } = output {
                assert!(self.legs.iter().any(|(known, _)| *known == leg));
                self.slots = self.slots.max(slots.video.len() + slots.audio.len());
                let sections = slots.video.iter().map(|slot| &slot.mid).chain(slots.audio.iter().map(|slot| &slot.mid));
                let mut seen = HashSet::new();
                assert!(sections.into_iter().all(|section| seen.insert(section)), "a section is told once");
                let mut pictures = HashSet::new();
                for slot in &slots.video {
                    assert_ne!(slot.participant, participant);
                    assert!(pictures.insert((&slot.participant, slot.source)), "a picture is in one slot");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_sequence_of_calls_breaks_what_receivers_rely_on(steps in proptest::collection::vec(any_step(), 1..120)) {
        let mut checked = Checked {
            conference: Conference::new(1),
            now_ms: 1_000,
            legs: Vec::new(),
            slots: 0,
            numbers: HashSet::new(),
            media: [NOTHING; 5],
        };
        for step in steps {
            checked.apply(step);
        }
        for (leg, _) in checked.legs.clone() {
            checked.conference.remove_leg(checked.now(), leg);
            checked.poll();
        }
        prop_assert!(checked.conference.is_empty());
        prop_assert!(checked.conference.poll_timeout().is_none());
    }
}
