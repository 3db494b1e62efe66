//! A client: the engine for ICE and DTLS, [`Receiver`] for what it receives, and a [`Publisher`].

use std::collections::HashSet;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use conclave_proto::{LegNumber, Mid, ParticipantId, Sdp, SfuOffer, SourceMids, VideoCodec};
use conclave_qos::fec::red::{self, Block};
use conclave_qos::{Ecn, Time};
use conclave_rtp::rtcp::{Compound, MAX_COMPOUND, Packet, Writer};
use conclave_rtp::srtp::{Inbound, Outbound, Rejected, Side, pair};
use conclave_rtp::{
    Feedback, MAX_PACKET, PayloadKind, PayloadType, ReceivePayload, ReceiveSection, Receiver, ReceiverConfig, Ssrc,
};
use conclave_turn::framing::IceFramer;
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid as EngineMid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::{Candidate, Event, Input, Output, Rtc};

use super::link::{Conditions, Link};
use super::publisher::{OPUS, Publisher, RED, RIDS, RTX, SOUND, Stamp, VP8, extensions};
use super::repairs::Repairs;
use crate::dtls::{Keys, captured, capturing};
use crate::event::RoomKey;
use crate::stream::{StreamSink, StreamSource};

/// A packet that a client received.
#[derive(Clone, Copy, Debug)]
pub(super) struct Got {
    /// Which of its slots: sound first.
    pub(super) slot: u16,
    pub(super) sequence: u64,
    pub(super) stamp: Stamp,
    /// Since the world's beginning.
    pub(super) at: Duration,
}

/// How a client reaches the server.
pub(super) enum Way {
    /// From its own address, which the server sees as another if there is a translation between them, and to
    /// the shard that the system would choose for that.
    Udp { own: SocketAddr, seen: SocketAddr, shard: usize },
    /// By ICE-TCP.
    Tcp { address: SocketAddr, sink: StreamSink, source: StreamSource, framer: IceFramer },
}

pub(super) struct Client {
    pub(super) room: RoomKey,
    pub(super) id: ParticipantId,
    pub(super) me: u16,
    pub(super) way: Way,
    /// Another way, besides.
    pub(super) also: Option<Way>,
    /// Media goes by the other way.
    pub(super) turned: bool,
    pub(super) up: Link,
    pub(super) down: Link,
    pub(super) publisher: Publisher,
    pub(super) got: Vec<Got>,
    /// Copies of sounds that came with later ones.
    pub(super) copies: u64,
    /// Those of them that came before the sounds themselves.
    restored: HashSet<Stamp>,
    pub(super) keys: Option<(Inbound, Outbound)>,
    pub(super) receiver: Option<Receiver>,
    /// Packets that are to be sent.
    pub(super) out: Vec<Vec<u8>>,
    /// Packets that are to be sent by the other way.
    pub(super) out_also: Vec<Vec<u8>>,
    /// SRTP packets that were sent, if a test wants to have them.
    pub(super) captured: Option<Vec<Vec<u8>>>,
    pub(super) closed: bool,
    /// Since the world's beginning.
    pub(super) joined: Duration,
    /// Neither sends nor receives.
    pub(super) unplugged: bool,
    pub(super) reports: bool,
    /// How its packets were marked, as the server reports by source.
    pub(super) told_marks: Vec<Ecn>,
    /// Packets that did not open.
    pub(super) rejected: u64,
    /// Where it takes parity.
    pub(super) repairs: Option<Repairs>,
    rtc: Rtc,
    pending: Option<SdpPendingOffer>,
    server: SocketAddr,
    wake: Instant,
    next_tick: Duration,
    slots: Vec<String>,
}

/// How many of a client's slots are for sound.
pub(super) const AUDIO_SLOTS: usize = 3;
const TICK: Duration = Duration::from_millis(20);

impl Client {
    /// A client, and its offer.
    pub(super) fn new(
        now: Instant,
        (room, name, me): (RoomKey, &str, u16),
        (way, also): (Way, Option<Way>),
        server: SocketAddr,
        video_slots: usize,
    ) -> (Self, SfuOffer) {
        let mut rtc = Rtc::builder()
            .set_crypto_provider(Arc::new(capturing()))
            .set_rtp_mode(true)
            .enable_bwe(None)
            .enable_opus(true, true)
            .build(now);
        rtc.add_local_candidate(way.candidate());
        if let Some(also) = &also {
            rtc.add_local_candidate(also.candidate());
        }
        let mut api = rtc.sdp_api();
        let layers = Simulcast { recv: vec![], send: RIDS.map(SimulcastLayer::new).into() };
        let (audio, video) = (MediaKind::Audio, MediaKind::Video);
        let mut sends = |kind, layers| api.add_media(kind, Direction::SendOnly, None, None, layers);
        let sources = [sends(audio, None), sends(video, Some(layers)), sends(video, None), sends(audio, None)];
        let mut receives = |kind| api.add_media(kind, Direction::RecvOnly, None, None, None);
        let audio_slots: Vec<_> = (0..AUDIO_SLOTS).map(|_| receives(audio)).collect();
        let video_slots: Vec<_> = (0..video_slots).map(|_| receives(video)).collect();
        let (offer, pending) = api.apply().expect("changes");
        let mid = |mid: &EngineMid| Mid::try_from(mid.to_string()).expect("valid");
        // Packets say themselves what they belong to, whatever SSRC they have.
        let is_kept = |line: &&str| !line.starts_with("a=ssrc");
        let sdp: String = offer.to_sdp_string().lines().filter(is_kept).map(|line| format!("{line}\r\n")).collect();
        let offer = SfuOffer {
            leg: LegNumber(1),
            sdp: Sdp::parse(sdp).expect("small enough"),
            sources: SourceMids {
                microphone: mid(&sources[0]),
                camera: mid(&sources[1]),
                screen: mid(&sources[2]),
                screen_audio: mid(&sources[3]),
            },
            audio_slots: audio_slots.iter().map(mid).collect(),
            video_slots: video_slots.iter().map(mid).collect(),
            decodes: vec![VideoCodec::Vp8],
        };
        let seed = 1_000 + u64::from(me) * 2;
        let client = Self {
            room,
            id: ParticipantId::parse(name).expect("valid"),
            me,
            way,
            also,
            turned: false,
            up: Link::new(Conditions::CLEAN, seed),
            down: Link::new(Conditions::CLEAN, seed + 1),
            publisher: Publisher::new(me, &sources[0].to_string(), &sources[1].to_string()),
            got: Vec::new(),
            copies: 0,
            restored: HashSet::new(),
            keys: None,
            receiver: None,
            out: Vec::new(),
            out_also: Vec::new(),
            captured: None,
            closed: false,
            joined: Duration::ZERO,
            unplugged: false,
            told_marks: Vec::new(),
            reports: true,
            rejected: 0,
            repairs: None,
            rtc,
            pending: Some(pending),
            server,
            wake: now,
            next_tick: Duration::ZERO,
            slots: audio_slots.iter().chain(&video_slots).map(ToString::to_string).collect(),
        };
        (client, offer)
    }

    pub(super) fn answer(&mut self, now: Instant, sdp: &str) {
        let answer = SdpAnswer::from_sdp_string(sdp).expect("a good answer");
        let pending = self.pending.take().expect("an offer");
        self.rtc.sdp_api().accept_answer(pending, answer).expect("an answer to the offer");
        self.receiver = Some(Receiver::new(self.receives(), u64::from(self.me)));
        self.engine(now, Input::Timeout(now));
    }

    fn receives(&self) -> ReceiverConfig {
        let number = |number| PayloadType::new(number).expect("below 128");
        let video = Feedback { nack: true, pli: true, fir: false, transport_wide: true };
        let audio = Feedback { transport_wide: true, ..Feedback::default() };
        let payload = |payload_type, kind, clock_rate, feedback| ReceivePayload {
            payload_type: number(payload_type),
            kind,
            clock_rate,
            feedback,
        };
        let section = |(index, mid): (usize, &String)| ReceiveSection {
            mid: mid.as_str().into(),
            payloads: if index < AUDIO_SLOTS {
                vec![number(OPUS), number(RED)]
            } else {
                vec![number(VP8), number(RTX)]
            },
            ..ReceiveSection::default()
        };
        ReceiverConfig {
            reporter: Ssrc(1),
            cname: "c".into(),
            extensions: extensions(),
            payloads: vec![
                payload(OPUS, PayloadKind::Media, 48_000, audio),
                payload(RED, PayloadKind::Media, 48_000, audio),
                payload(VP8, PayloadKind::Media, 90_000, video),
                payload(RTX, PayloadKind::Retransmission { of: number(VP8) }, 90_000, video),
            ],
            sections: self.slots.iter().enumerate().map(section).collect(),
        }
    }

    /// How often a key frame was asked for, all layers together.
    pub(super) fn keyframes_asked(&self) -> u32 {
        self.publisher.streams.iter().map(|stream| stream.requests).sum()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.keys.is_some()
    }

    /// Takes a packet of the server.
    pub(super) fn receive(&mut self, now: Instant, time: Time, is_also: bool, mut packet: Vec<u8>) {
        if self.unplugged {
            return;
        }
        if !(128..=191).contains(&packet[0]) {
            let way = self.also.as_ref().filter(|_| is_also).unwrap_or(&self.way);
            let (protocol, address) = (way.protocol(), way.address());
            if let Ok(receive) = Receive::new(protocol, self.server, address, &packet) {
                self.engine(now, Input::Receive(now, receive));
            }
            return;
        }
        let (Some((inbound, outbound)), Some(receiver)) = (&mut self.keys, &mut self.receiver) else { return };
        if (192..=223).contains(&packet[1]) {
            let Ok(length) = inbound.unprotect_rtcp(&mut packet) else {
                self.rejected += 1;
                return;
            };
            for packet in Compound::parse(&packet[..length]).flatten() {
                match packet {
                    Packet::Nack(nack) => {
                        for number in nack.sequences() {
                            self.publisher.repeat(nack.media.0, number, outbound, &mut self.out);
                        }
                    }
                    Packet::Pli { media, .. } => self.publisher.keyframe_wanted(media.0),
                    Packet::CongestionFeedback(feedback) => {
                        let reports = feedback.blocks().flat_map(|block| block.reports(Duration::ZERO));
                        self.told_marks.extend(reports.filter_map(|(_, arrival)| arrival).map(|(_, ecn)| ecn));
                    }
                    Packet::SenderReport { info, .. } => receiver.handle_sender_report(time, &info),
                    _ => {}
                }
            }
            return;
        }
        match inbound.unprotect_rtp(&mut packet) {
            Ok(plain) => {
                let plain = &packet[..plain.length];
                let made = self.repairs.as_mut().map(|repairs| repairs.take(plain)).unwrap_or_default();
                let mut heard = Vec::new();
                for packet in std::iter::once(plain).chain(made.iter().map(Vec::as_slice)) {
                    let Ok(Some(media)) = receiver.handle_rtp(time, time, packet) else { continue };
                    let (slot, sequence, at) = (media.stream.section, media.sequence, time.to_duration());
                    if media.payload_type.get() == RED {
                        heard.push((slot, sequence, at, media.payload.to_vec()));
                    } else if let Some(stamp) = Stamp::read(media.payload)
                        && !self.restored.contains(&stamp)
                    {
                        self.got.push(Got { slot, sequence, stamp, at });
                    }
                }
                for (slot, sequence, at, payload) in heard {
                    self.hear(slot, sequence, at, &payload);
                }
            }
            // The network has doubled it.
            Err(Rejected::Replayed) => {}
            Err(_) => self.rejected += 1,
        }
    }

    /// A sound with copies of earlier ones, of which those count that had not come.
    fn hear(&mut self, slot: u16, sequence: u64, at: Duration, payload: &[u8]) {
        for Block { offset, payload, .. } in red::parse(payload).expect("well-formed") {
            let Some(stamp) = Stamp::read(payload) else { continue };
            assert_eq!(stamp.layer, SOUND);
            self.copies += u64::from(offset > 0);
            let sequence = sequence - u64::from(offset) / 960;
            // No copy is from as long ago as what was said after so many other packets.
            let is_known = |got: &Got| got.stamp == stamp;
            if self.restored.contains(&stamp) || offset > 0 && self.got.iter().rev().take(1_000).any(is_known) {
                continue;
            }
            if offset > 0 {
                self.restored.insert(stamp);
            }
            self.got.push(Got { slot, sequence, stamp, at });
        }
    }

    /// Lets time pass.
    pub(super) fn advance(&mut self, now: Instant, time: Time) {
        if self.wake <= now {
            self.engine(now, Input::Timeout(now));
        }
        let (Some((_, outbound)), Some(receiver)) = (&mut self.keys, &mut self.receiver) else { return };
        let since = time.to_duration();
        if self.next_tick <= since {
            self.next_tick = self.next_tick.max(since.saturating_sub(TICK)) + TICK;
            self.publisher.tick(since, outbound, &mut self.out);
        }
        for _ in 0..8 {
            if !self.reports || receiver.poll_timeout().is_none_or(|due| due > time) {
                break;
            }
            let mut packet = vec![0; MAX_PACKET];
            let mut writer = Writer::new(&mut packet[..MAX_COMPOUND]);
            receiver.write_rtcp(time, &mut writer);
            let length = writer.len();
            if length == 0 {
                break;
            }
            let length = outbound.protect_rtcp(&mut packet, length).expect("sealed");
            packet.truncate(length);
            self.out.push(packet);
        }
    }

    /// Sends what a test has made, under the client's own keys.
    pub(super) fn with_keys<T>(
        &mut self,
        make: impl FnOnce(&mut Publisher, &mut Outbound, &mut Vec<Vec<u8>>) -> T,
    ) -> T {
        let (_, outbound) = self.keys.as_mut().expect("connected");
        make(&mut self.publisher, outbound, &mut self.out)
    }

    /// Says goodbye.
    pub(super) fn close(&mut self, now: Instant) {
        self.rtc.close().expect("closes");
        self.drain(now);
        (self.publisher.sound, self.publisher.camera, self.reports) = (false, false, false);
    }

    fn engine(&mut self, now: Instant, input: Input<'_>) {
        // What a hostile server or a late packet does to the engine is not what is tested here.
        if self.rtc.is_alive() && self.rtc.handle_input(input).is_ok() {
            self.drain(now);
        } else {
            self.wake = now + Duration::from_secs(3_600);
        }
    }

    fn drain(&mut self, now: Instant) {
        while let Ok(output) = self.rtc.poll_output() {
            if let Some(Keys { profile, material, .. }) = captured() {
                self.keys = Some(pair(profile, &material, Side::DtlsClient).expect("of the profile"));
            }
            match output {
                Output::Timeout(at) => {
                    self.wake = at.max(now + Duration::from_millis(1));
                    return;
                }
                Output::Transmit(transmit) => {
                    let packet = transmit.contents.to_vec();
                    if transmit.proto == self.way.protocol() {
                        self.out.push(packet);
                    } else if self.also.is_some() {
                        self.out_also.push(packet);
                    }
                }
                Output::Event(Event::Closed) => self.closed = true,
                Output::Event(_) => {}
            }
        }
        self.wake = now + Duration::from_secs(3_600);
    }
}

impl Way {
    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Udp { own: address, .. } | Self::Tcp { address, .. } => *address,
        }
    }

    fn protocol(&self) -> Protocol {
        match self {
            Self::Udp { .. } => Protocol::Udp,
            Self::Tcp { .. } => Protocol::Tcp,
        }
    }

    fn candidate(&self) -> Candidate {
        let candidate = match self {
            Self::Udp { own, .. } => Candidate::host(*own, Protocol::Udp),
            Self::Tcp { address, .. } => Candidate::builder().tcp().host(*address).tcptype(TcpType::Active).build(),
        };
        candidate.expect("valid")
    }

    /// What has come by a connection.
    pub(super) fn received(&mut self) -> Vec<Vec<u8>> {
        let Self::Tcp { source, framer, .. } = self else { return Vec::new() };
        let mut bytes = Vec::new();
        let mut context = Context::from_waker(Waker::noop());
        let _ = pin!(source.to_send(&mut bytes)).poll(&mut context);
        framer.push(&bytes);
        let mut packets = Vec::new();
        while let Ok(Some(packet)) = framer.next() {
            packets.push(packet.to_vec());
        }
        packets
    }

    /// Sends by a connection.
    pub(super) fn send(&mut self, packet: &[u8]) {
        let Self::Tcp { sink, .. } = self else { return };
        let mut framed = Vec::new();
        IceFramer::write(packet, &mut framed);
        let mut context = Context::from_waker(Waker::noop());
        let _ = pin!(sink.received(&framed)).poll(&mut context);
    }
}
