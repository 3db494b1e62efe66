use std::collections::{HashMap, HashSet};
use std::time::Duration;

use conclave_proto::{LegNumber, MediaState, Mid, ParticipantId, SourceKind, VideoCodec, View, ViewItem};
use conclave_sfu::{
    AudioLevel, Bitrate, Codec, Conference, Forward, LayerIndex, LegConfig, LegId, RtpPacket, SlotId, Time, Timestamp,
};

use crate::bytes::Bytes;

/// The most packets of one input: longer ones teach nothing and cost time.
const STEPS: usize = 2_000;

/// Three people whose packets, views and networks say whatever the input says. Nobody receives what
/// is their own, nor what is switched off, nor one sequence number twice in a slot. Returns how
/// many packets were forwarded.
///
/// # Panics
/// If somebody does.
pub fn forwarding(data: &[u8]) -> usize {
    let mut bytes = Bytes(data);
    let mut room = Room::new();
    for _ in 0..STEPS {
        if room.step(&mut bytes).is_none() {
            break;
        }
    }
    room.forwarded
}

struct Person {
    id: ParticipantId,
    leg: LegId,
    media: MediaState,
    /// Extended sequence number and timestamp that its next packet of a source and layer continues.
    streams: HashMap<(SourceKind, LayerIndex), (u64, u32)>,
}

struct Room {
    conference: Conference,
    now: Duration,
    people: Vec<Person>,
    sent: HashMap<(LegId, SlotId), HashSet<u64>>,
    forwarded: usize,
}

impl Room {
    fn new() -> Self {
        let mut conference = Conference::new(7);
        let now = Duration::from_secs(1);
        let everything = MediaState { microphone: true, camera: true, screen: true, screen_audio: true };
        let people = (0..3)
            .map(|index| {
                let id = ParticipantId::try_from(format!("{index:032x}")).expect("a valid id");
                let leg = conference
                    .add_leg(Time::since_start(now), config(&id, everything))
                    .expect("an empty room takes a leg");
                conference.handle_connected(Time::since_start(now), leg);
                Person { id, leg, media: everything, streams: HashMap::new() }
            })
            .collect();
        Self { conference, now, people, sent: HashMap::new(), forwarded: 0 }
    }

    fn time(&self) -> Time {
        Time::since_start(self.now)
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        let what = bytes.u8()?;
        let who = usize::from(bytes.u8()?) % self.people.len();
        let now = self.time();
        match what {
            0..=199 => self.packet(who, what, bytes)?,
            200..=209 => {
                let bits = bytes.u8()?;
                let media = MediaState {
                    microphone: bits & 1 != 0,
                    camera: bits & 2 != 0,
                    screen: bits & 4 != 0,
                    screen_audio: bits & 8 != 0,
                };
                self.people[who].media = media;
                self.conference.handle_media_state(now, &self.people[who].id, media);
            }
            210..=219 => {
                let items = (0..bytes.u8()? % 8)
                    .map(|_| {
                        let bits = bytes.u8()?;
                        Some(ViewItem {
                            participant: self.people[usize::from(bits) % 3].id.clone(),
                            source: if bits & 4 == 0 { SourceKind::Camera } else { SourceKind::Screen },
                            width: u16::from(bytes.u8()?) * 16,
                            height: u16::from(bytes.u8()?) * 16,
                            priority: bits >> 3 & 3,
                        })
                    })
                    .collect::<Option<Vec<_>>>()?;
                self.conference.handle_view(now, self.people[who].leg, &View { items });
            }
            220..=229 => {
                let estimate = Bitrate::kbps(u64::from(bytes.u16()?));
                self.conference.handle_estimate(now, self.people[who].leg, estimate);
            }
            230..=239 => {
                let slot = bytes.u8()?;
                let slot = if slot & 1 == 0 { SlotId::Video(slot >> 1) } else { SlotId::Audio(slot >> 1) };
                self.conference.handle_keyframe_request(now, self.people[who].leg, slot);
            }
            240..=249 => self.now += Duration::from_millis(u64::from(bytes.u16()?)),
            _ => {
                let person = &mut self.people[who];
                self.conference.remove_leg(now, person.leg);
                self.sent.retain(|(leg, _), _| *leg != person.leg);
                person.leg = self.conference.add_leg(now, config(&person.id, person.media)).ok()?;
                person.streams.clear();
                self.conference.handle_connected(now, person.leg);
            }
        }
        if self.conference.poll_timeout().is_some_and(|due| due <= self.time()) {
            self.conference.handle_timeout(self.time());
        }
        let mut outputs = 0;
        while self.conference.poll_output().is_some() {
            outputs += 1;
            assert!(outputs < 1_000, "one input causes endless output");
        }
        Some(())
    }

    fn packet(&mut self, who: usize, what: u8, bytes: &mut Bytes<'_>) -> Option<()> {
        let source = SourceKind::ALL[usize::from(what & 3)];
        let layer = LayerIndex::new(what >> 2 & 3).unwrap_or(LayerIndex::LOW);
        let codec = [Codec::Opus, Codec::Vp8, Codec::H264][usize::from(what >> 4) % 3];
        let (ahead, ticks) = (bytes.u8()?, bytes.u16()?);
        let level = bytes.u8()?;
        let length = usize::from(bytes.u8()?);
        let payload = bytes.take(length);
        self.now += Duration::from_millis(u64::from(ticks) / 90);
        let now = self.time();

        let person = &mut self.people[who];
        let (sequence, timestamp) = person.streams.entry((source, layer)).or_insert((40_000, 0xffff_0000));
        // Forward, backward and again, as networks deliver.
        *sequence = sequence.saturating_add_signed(i64::from(ahead as i8) / 8 + 1);
        *timestamp = timestamp.wrapping_add(u32::from(ticks));
        let packet = RtpPacket {
            sequence: *sequence,
            timestamp: Timestamp(*timestamp),
            marker: level & 0x80 != 0,
            codec,
            payload,
            audio_level: Some(AudioLevel::from_minus_dbov(level & 0x7f)),
            voice_activity: None,
            descriptor: None,
        };
        let (leg, media) = (person.leg, person.media);
        let (sent, forwarded) = (&mut self.sent, &mut self.forwarded);
        let mut check = |forwards: &[Forward], payload: &[u8]| {
            for forward in forwards {
                assert_ne!(forward.leg, leg, "a person's own source came back");
                assert!(media.has(source), "a source that is off was forwarded");
                assert_eq!(forward.codec, codec);
                let new = sent.entry((forward.leg, forward.slot)).or_default().insert(forward.sequence);
                assert!(new, "a sequence number was used twice in a slot");
                *forwarded += 1;
                let is_within = |(offset, _): &(u8, u8)| usize::from(*offset) < payload.len();
                assert!(forward.patch.edits().iter().all(is_within), "a patch beyond its payload");
            }
        };
        check(self.conference.handle_rtp(now, leg, source, layer, &packet), payload);
        while let Some(held) = self.conference.poll_held(now) {
            check(held.forwards, held.payload);
        }
        Some(())
    }
}

fn config(participant: &ParticipantId, media: MediaState) -> LegConfig {
    let mids = |kind: &str, count: usize| {
        (0..count).map(|index| Mid::try_from(format!("{kind}{index}")).expect("a valid mid")).collect()
    };
    LegConfig {
        participant: participant.clone(),
        number: LegNumber(1),
        media,
        decodes: vec![VideoCodec::Vp8, VideoCodec::H264],
        audio_slots: mids("a", 2),
        video_slots: mids("v", 3),
    }
}
