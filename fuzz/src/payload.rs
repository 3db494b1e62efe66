use std::time::Duration;

use conclave_proto::{LegNumber, MediaState, Mid, ParticipantId, SourceKind, VideoCodec, View, ViewItem};
use conclave_sfu::{
    Bitrate, Codec, Conference, Forward, LayerIndex, LegConfig, LegId, Output, RtpPacket, Time, Timestamp,
};

use crate::scalable::Sent;

/// One who sends and one who watches and hears everything of it.
pub(crate) struct Line {
    conference: Conference,
    sender: LegId,
    viewer: LegId,
    wants_keyframe: bool,
    now: Duration,
    sequence: u64,
}

impl Line {
    pub(crate) fn new() -> Self {
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
        let mut line = Self { conference, sender, viewer, wants_keyframe: false, now, sequence: 0 };
        line.show(720);
        line
    }

    /// Sends the next picture, or the next 20 ms of sound, in one packet.
    pub(crate) fn send(&mut self, codec: Codec, payload: &[u8], descriptor: Option<&[u8]>) -> Option<Forward> {
        self.now += Duration::from_millis(20);
        self.sequence += 1;
        let timestamp = (self.sequence as u32).wrapping_mul(codec.clock_rate() / 50);
        let forward = self.receive(codec, self.sequence, timestamp, true, payload, descriptor);
        self.take_held(|_, _| panic!("nothing comes late that others could have waited for"));
        forward
    }

    /// So many packets are lost on their way.
    pub(crate) fn skip(&mut self, packets: u64) {
        self.now += Duration::from_millis(20) * packets as u32;
        self.sequence += packets;
    }

    /// Delivers a packet of a stream with layers; `give` gets what is sent of it and then of those that waited for it,
    /// each with its payload as it came.
    pub(crate) fn deliver(&mut self, codec: Codec, sent: &Sent, mut give: impl FnMut(&Forward, &[u8])) {
        let Sent { sequence, timestamp, marker, payload, descriptor, .. } = sent;
        if let Some(forward) = self.receive(codec, *sequence, *timestamp, *marker, payload, descriptor.as_deref()) {
            give(&forward, payload);
        }
        self.take_held(give);
    }

    /// Lets the time of a picture pass.
    pub(crate) fn pass_picture_time(&mut self) {
        self.now += Duration::from_millis(33);
        self.conference.handle_timeout(Time::since_start(self.now));
        self.drain();
    }

    /// The viewer makes the tile as high as this, in pixels.
    pub(crate) fn show(&mut self, height: u16) {
        let participant = ParticipantId::parse("sender").expect("a valid id");
        let item = ViewItem { participant, source: SourceKind::Camera, width: height * 16 / 9, height, priority: 2 };
        self.conference.handle_view(Time::since_start(self.now), self.viewer, &View { items: vec![item] });
        self.drain();
    }

    /// Whether a key frame was asked for since this was asked the last time.
    pub(crate) fn take_keyframe_request(&mut self) -> bool {
        std::mem::take(&mut self.wants_keyframe)
    }

    fn drain(&mut self) {
        while let Some(output) = self.conference.poll_output() {
            self.wants_keyframe |= matches!(output, Output::RequestKeyframe { .. });
        }
    }

    fn receive(
        &mut self,
        codec: Codec,
        sequence: u64,
        timestamp: u32,
        marker: bool,
        payload: &[u8],
        descriptor: Option<&[u8]>,
    ) -> Option<Forward> {
        let packet = RtpPacket {
            sequence,
            timestamp: Timestamp(timestamp),
            marker,
            codec,
            payload,
            audio_level: None,
            voice_activity: None,
            descriptor,
        };
        let source = if codec.is_audio() { SourceKind::Microphone } else { SourceKind::Camera };
        let forwards =
            self.conference.handle_rtp(Time::since_start(self.now), self.sender, source, LayerIndex::LOW, &packet);
        // A sound may bring those along that are missing before it.
        let most = if codec == Codec::OpusRed { 5 } else { 1 };
        assert!(forwards.len() <= most, "one receiver gets one packet");
        let ends = forwards.iter().filter_map(|forward| forward.part).map(|(start, length)| start + length);
        assert!(ends.into_iter().all(|end| usize::from(end) <= payload.len()));
        let forward = forwards.last().copied();
        self.drain();
        forward
    }

    fn take_held(&mut self, mut give: impl FnMut(&Forward, &[u8])) {
        while let Some(held) = self.conference.poll_held(Time::since_start(self.now)) {
            assert!(held.forwards.len() <= 1, "one receiver gets one packet");
            held.forwards.iter().for_each(|forward| give(forward, held.payload));
        }
        self.drain();
    }
}

/// A VP8 payload whose counters are rewritten: nothing but the counters changes.
///
/// # Panics
/// If anything else does.
pub fn vp8_rewrite(payload: &[u8]) {
    const KEY_FRAME: [u8; 14] = [0x90, 0x80, 0x80, 0x01, 0x50, 0x0b, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00];
    let mut line = Line::new();
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

/// What can be asked of every packet that is forwarded.
fn assert_within(forward: &Forward, payload: &[u8]) -> Vec<u8> {
    let (offset, length) = forward.part.map_or((0, payload.len()), |(at, length)| (at.into(), length.into()));
    let mut part = payload.get(offset..offset + length).expect("a part lies within its payload").to_vec();
    assert!(forward.patch.edits().iter().all(|(at, _)| usize::from(*at) < part.len()), "a patch beyond its payload");
    forward.patch.apply(&mut part);
    part
}

/// A VP9 payload: nothing but the counters changes, which lie within the first five bytes
/// (RFC 9628 section 4.2).
///
/// # Panics
/// If anything else does.
pub fn vp9(payload: &[u8]) {
    // The head of a key frame of 640x360 (VP9 bitstream specification, section 6.2).
    const KEY_FRAME: [u8; 13] = [0x88, 0x80, 0x01, 0x82, 0x49, 0x83, 0x42, 0x20, 0x27, 0xf0, 0x16, 0x70, 0x00];
    let mut line = Line::new();
    line.send(Codec::Vp9, &KEY_FRAME, None).expect("a key frame begins the stream");
    let Some(forward) = line.send(Codec::Vp9, payload, None) else { return };
    let sent = assert_within(&forward, payload);
    if forward.part.is_none() {
        assert_eq!(sent.get(..1), payload.get(..1));
        assert_eq!(sent.get(5..), payload.get(5..));
    }
}

/// A dependency descriptor, after a key frame with the structure of three layers: what is sent of it is
/// as long, and differs in a bounded number of bits.
///
/// # Panics
/// If not.
pub fn dependency_descriptor(data: &[u8]) {
    // What Chrome sends for AV1 in mode L3T3.
    const KEY: &[u8] = &[
        0xc1, 0x01, 0x72, 0x80, 0x08, 0x14, 0x85, 0x21, 0x4e, 0xaf, 0xff, 0xaa, 0xaa, 0x86, 0x3c, 0xf0, 0x43, 0x0c,
        0x10, 0xc3, 0x02, 0xaf, 0xc0, 0xaa, 0xa0, 0x06, 0x3c, 0x00, 0x43, 0x00, 0x10, 0xc0, 0x02, 0xa0, 0x00, 0xa8,
        0x00, 0x06, 0x00, 0x00, 0x40, 0x00, 0x1d, 0x95, 0x49, 0x26, 0xe0, 0x82, 0xb0, 0x4a, 0x09, 0x41, 0xb8, 0x20,
        0xac, 0x12, 0x82, 0x50, 0x31, 0x57, 0xf9, 0x74, 0x00, 0x0c, 0xa8, 0x64, 0x33, 0x0e, 0x22, 0x22, 0x22, 0xec,
        0xa8, 0x65, 0x53, 0x04, 0x22, 0x42, 0x30, 0xec, 0xa8, 0x77, 0x53, 0x00, 0x77, 0x00, 0x42, 0x00, 0xef, 0x00,
        0x86, 0x01, 0xdf, 0x01, 0x0d,
    ];
    let mut line = Line::new();
    line.send(Codec::Av1, &[0x18, 0x30], Some(KEY)).expect("a key frame begins the stream");
    let Some(forward) = line.send(Codec::Av1, &[0x10, 0x30], Some(data)) else { return };
    assert_within(&forward, &[0x10, 0x30]);
    let Some(descriptor) = forward.descriptor else { return };
    assert_eq!(descriptor.as_bytes().len(), data.len());
    // Frame number, template ids and the mask of decode targets.
    let changed: u32 = descriptor.as_bytes().iter().zip(data).map(|(new, old)| (new ^ old).count_ones()).sum();
    assert!(changed <= 16 + 6 + 6 + 32, "{changed} bits");
}

/// Opus with redundancy: of whatever comes, what is sent on is sound alone, first what is missing and then the end of the
/// payload.
///
/// # Panics
/// If not.
pub fn red(payload: &[u8]) {
    let mut line = Line::new();
    line.send(Codec::Opus, &[0x78], None).expect("a sound begins the stream");
    // Two are missing.
    line.skip(2);
    let Some(forward) = line.send(Codec::OpusRed, payload, None) else { return };
    let sent = assert_within(&forward, payload);
    assert_eq!(forward.codec, Codec::Opus);
    assert!(payload.ends_with(&sent) && sent.len() < payload.len().max(1));
}
