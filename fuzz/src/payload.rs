use std::time::Duration;

use conclave_proto::{LegNumber, MediaState, Mid, ParticipantId, SourceKind, VideoCodec, View, ViewItem};
use conclave_sfu::{Bitrate, Codec, Conference, Forward, LayerIndex, LegConfig, LegId, RtpPacket, Time, Timestamp};

/// One who sends and one who watches and hears everything of it.
pub(crate) struct Line {
    conference: Conference,
    sender: LegId,
    now: Duration,
    sequence: u64,
}

impl Line {
    /// `red`: the receiver takes Opus with redundancy.
    pub(crate) fn new(red: bool) -> Self {
        let mut conference = Conference::new(11);
        let now = Duration::from_secs(1);
        let everything = MediaState { microphone: true, camera: true, screen: true, screen_audio: true };
        let mut join = |name: &str, media| {
            let mid = |name: &str| Mid::try_from(name.to_owned()).expect("a valid mid");
            let config = LegConfig {
                participant: ParticipantId::parse(name).expect("a valid id"),
                number: LegNumber(1),
                media,
                decodes: vec![VideoCodec::H264, VideoCodec::Vp9, VideoCodec::Av1],
                red,
                audio_slots: vec![mid("a")],
                video_slots: vec![mid("v")],
            };
            let leg = conference.add_leg(Time::since_start(now), config).expect("an empty room takes a leg");
            conference.handle_connected(Time::since_start(now), leg);
            leg
        };
        let sender = join("sender", everything);
        let viewer = join("viewer", MediaState::default());
        conference.handle_estimate(Time::since_start(now), viewer, Bitrate::kbps(100_000));
        let item = ViewItem {
            participant: ParticipantId::parse("sender").expect("a valid id"),
            source: SourceKind::Camera,
            width: 1_280,
            height: 720,
            priority: 2,
        };
        conference.handle_view(Time::since_start(now), viewer, &View { items: vec![item] });
        Self { conference, sender, now, sequence: 0 }
    }

    /// Sends the next picture, or the next 20 ms of sound, in one packet.
    pub(crate) fn send(&mut self, codec: Codec, payload: &[u8], descriptor: Option<&[u8]>) -> Option<Forward> {
        self.now += Duration::from_millis(20);
        self.sequence += 1;
        let packet = RtpPacket {
            sequence: self.sequence,
            timestamp: Timestamp((self.sequence as u32).wrapping_mul(codec.clock_rate() / 50)),
            marker: true,
            codec,
            payload,
            audio_level: None,
            voice_activity: None,
            descriptor,
        };
        let source = if codec.is_audio() { SourceKind::Microphone } else { SourceKind::Camera };
        let forwards =
            self.conference.handle_rtp(Time::since_start(self.now), self.sender, source, LayerIndex::LOW, &packet);
        assert!(forwards.len() <= 1, "one receiver gets one packet");
        let forward = forwards.first().copied();
        while self.conference.poll_output().is_some() {}
        forward
    }
}

/// A VP8 payload whose counters are rewritten: nothing but the counters changes.
///
/// # Panics
/// If anything else does.
pub fn vp8_rewrite(payload: &[u8]) {
    const KEY_FRAME: [u8; 14] = [0x90, 0x80, 0x80, 0x01, 0x50, 0x0b, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00];
    let mut line = Line::new(false);
    line.send(Codec::Vp8, &KEY_FRAME, None).expect("a key frame begins the stream");
    let Some(forward) = line.send(Codec::Vp8, payload, None) else { return };
    assert_eq!(forward.part, None);
    // PictureID and TL0PICIDX lie within the four bytes after the two of flags (RFC 7741 section 4.2).
    assert!(forward.patch.edits().iter().all(|(offset, _)| (2..5).contains(offset)));
    let mut once = payload.to_vec();
    forward.patch.apply(&mut once);
    // What tells a long picture id from a short one stays.
    let is_long = |bytes: &[u8]| bytes.get(2).is_some_and(|byte| byte & 0x80 != 0);
    if forward.patch.edits().len() > 1 {
        assert_eq!(is_long(&once), is_long(payload));
    }
}
