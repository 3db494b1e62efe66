//! The boundary to the WebRTC engine (str0m): the only module that names it.
//!
//! A [`Session`] is one peer connection, without I/O: datagrams, time and packets to forward go in,
//! [`Step`]s come out. Everything above speaks of sources, layers and slots; SSRCs, payload types
//! and header extensions end here. A panic of the engine ends here too: it becomes a [`Fault`].

mod ice;
mod step;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_proto::{ErrorCode, Mid, ProtocolError, SourceKind};
use conclave_sfu::{AudioLevel, Bitrate, Codec, Forward, LayerIndex, SlotId};
use conclave_turn::demux::{DatagramKind, classify};
use str0m::bwe::BweKind;
use str0m::change::SdpOffer;
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::format::Codec as EngineCodec;
use str0m::media::{KeyframeRequestKind, Mid as EngineMid, Pt, Rid};
use str0m::net::Receive;
use str0m::rtp::{Extension, ExtensionValues, RtpPacket, RtpWrite, Ssrc};
use str0m::{Event, IceConnectionState, IceCreds, Input, Output, Rtc};

use crate::check::Check;
use crate::datagram::Packet;
use crate::offer::{CheckedOffer, Role};
use crate::probing::Plan;

pub(crate) use step::{Fault, NotSent, Received, Report, SessionEvent, Step, Transmit};

/// What all sessions share: cryptography, and the certificate that clients know the server by.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    crypto: Arc<CryptoProvider>,
    certificate: DtlsCert,
}

impl Identity {
    /// A fresh one; `None` if the system gives no key.
    pub(crate) fn new() -> Option<Self> {
        let crypto = Arc::new(str0m::crypto::from_feature_flags());
        let certificate = crypto.dtls_provider.generate_certificate()?;
        Some(Self { crypto, certificate })
    }
}

/// One peer connection.
pub(crate) struct Session {
    rtc: Rtc,
    ice: IceCreds,
    sources: HashMap<EngineMid, SourceKind>,
    /// The last offer that was taken.
    offer: Option<CheckedOffer>,
    slots: HashMap<SlotId, Slot>,
    slot_mids: HashMap<EngineMid, SlotId>,
    source_mids: HashMap<SourceKind, EngineMid>,
    codecs: Vec<(Pt, Codec)>,
    /// Which source and layer an SSRC stands for; asked of the engine again whenever a packet says
    /// its section.
    streams: HashMap<Ssrc, (SourceKind, LayerIndex)>,
    nacks: HashMap<(EngineMid, Option<Rid>, bool), u64>,
    faulty: bool,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    ssrc: Ssrc,
    opus: Option<Pt>,
    vp8: Option<Pt>,
    h264: Option<Pt>,
}

impl Slot {
    fn payload_type(&self, codec: Codec) -> Option<Pt> {
        match codec {
            Codec::Opus => self.opus,
            Codec::Vp8 => self.vp8,
            Codec::H264 => self.h264,
            Codec::OpusRed | Codec::Vp9 | Codec::Av1 => None,
        }
    }
}

/// Where the bandwidth estimation starts; the first probes raise it within a second where there is
/// more.
const FIRST_ESTIMATE: str0m::bwe::Bitrate = str0m::bwe::Bitrate::kbps(1_000);
/// Packets kept for retransmission per video slot, and for how long.
const RETRANSMISSION: (usize, Duration) = (1_024, Duration::from_secs(2));
/// Share of a slot's bytes that may be retransmissions before the queue of them is dropped.
const MOST_RETRANSMITTED: f32 = 0.4;
/// Packets of one slot that may wait in the engine: at 1,200 bytes each, 2.4 MB.
const MOST_QUEUED: usize = 2_000;
/// How often NACKs and losses are counted.
const COUNT_INTERVAL: Duration = Duration::from_secs(2);
/// Ticks of the RTP timestamp per second (RFC 7587, RFC 7741, RFC 6184).
const AUDIO_CLOCK: f64 = 48_000.0;
const VIDEO_CLOCK: f64 = 90_000.0;
/// SSRCs remembered; a client of ours has about a dozen.
const MOST_STREAMS: usize = 64;

impl Session {
    /// A session that awaits its first offer.
    pub(crate) fn new(now: Instant, identity: &Identity, announced: &[SocketAddr]) -> Result<Self, Fault> {
        let ice = ice::credentials();
        let rtc = contain(|| {
            let mut config = Rtc::builder()
                .set_crypto_provider(identity.crypto.clone())
                .set_dtls_cert(identity.certificate.clone())
                .set_local_ice_credentials(ice.clone())
                .set_ice_lite(true)
                .set_rtp_mode(true)
                .set_stats_interval(Some(COUNT_INTERVAL))
                .enable_bwe(Some(FIRST_ESTIMATE))
                .clear_codecs()
                .enable_opus(true, false)
                .enable_vp8(true)
                .clear_extension_map()
                .set_extension(1, Extension::AudioLevel)
                .set_extension(3, Extension::TransportSequenceNumber)
                .set_extension(4, Extension::RtpMid)
                .set_extension(10, Extension::RtpStreamId)
                .set_extension(11, Extension::RepairedRtpStreamId);
            // Constrained baseline, level 3.1, packetization mode 1 (RFC 6184 section 8.1): the only
            // H.264 that every browser with H.264 has.
            config.codec_config().add_h264(108.into(), Some(109.into()), true, 0x42_e0_1f);
            let mut rtc = config.build(now);
            ice::add_candidates(&mut rtc, announced);
            rtc
        })?;
        Ok(Self {
            rtc,
            ice,
            sources: HashMap::new(),
            offer: None,
            slots: HashMap::new(),
            slot_mids: HashMap::new(),
            source_mids: HashMap::new(),
            codecs: Vec::new(),
            streams: HashMap::new(),
            nacks: HashMap::new(),
            faulty: false,
        })
    }

    /// The name under which the client's STUN checks ask for this session.
    pub(crate) fn ufrag(&self) -> &str {
        &self.ice.ufrag
    }

    /// Takes an offer, the first or a later one, and gives the answer.
    pub(crate) fn negotiate(&mut self, offer: &CheckedOffer) -> Result<String, ProtocolError> {
        let fault = || ProtocolError::new(ErrorCode::BadSdp, "the description cannot be processed");
        let answer = self.guarded(|this| {
            let Ok(sdp) = SdpOffer::from_sdp_string(&offer.sdp) else {
                return Err(ProtocolError::new(ErrorCode::BadSdp, "the description cannot be parsed"));
            };
            let refused = "the description contradicts itself, the last one, or what the server can do";
            let answer = this.rtc.sdp_api().accept_offer(sdp);
            let answer = answer.map_err(|_| ProtocolError::new(ErrorCode::BadSdp, refused))?;
            let answer = offer.answer(this.keep_credentials(answer.to_sdp_string()));
            this.learn(offer);
            Ok(answer)
        });
        answer.unwrap_or_else(|_| Err(fault()))
    }

    /// The engine answers an ICE restart with credentials that are not made for secrets; they are
    /// replaced by ones that are.
    fn keep_credentials(&mut self, answer: String) -> String {
        let engines = self.rtc.direct_api().local_ice_credentials();
        if engines == self.ice {
            return answer;
        }
        self.ice = ice::credentials();
        self.rtc.direct_api().set_local_ice_credentials(self.ice.clone());
        answer.replace(&engines.ufrag, &self.ice.ufrag).replace(&engines.pass, &self.ice.pass)
    }

    /// Reads from the engine what was agreed on.
    fn learn(&mut self, offer: &CheckedOffer) {
        self.offer = Some(offer.clone());
        self.sources.clear();
        self.source_mids.clear();
        self.slot_mids.clear();
        self.streams.clear();
        let codecs = self.rtc.codec_config().params().iter();
        self.codecs = codecs.filter_map(|p| Some((p.pt(), known_codec(p.spec().codec)?))).collect();
        let mut slots = HashMap::new();
        for (mid, role) in &offer.roles {
            let mid = engine_mid(mid);
            match role {
                Role::Source(kind) => {
                    self.sources.insert(mid, *kind);
                    self.source_mids.insert(*kind, mid);
                }
                Role::Slot(id) => {
                    self.slot_mids.insert(mid, *id);
                    if let Some(slot) = self.learn_slot(mid) {
                        slots.insert(*id, slot);
                    }
                }
            }
        }
        self.slots = slots;
    }

    fn learn_slot(&mut self, mid: EngineMid) -> Option<Slot> {
        let taken = self.rtc.media(mid)?.remote_pts().to_vec();
        let of = |codec| {
            let agreed = self.codecs.iter().find(|(pt, other)| *other == codec && taken.contains(pt));
            agreed.map(|(pt, _)| *pt)
        };
        let (opus, vp8, h264) = (of(Codec::Opus), of(Codec::Vp8), of(Codec::H264));
        let known = self.slots.values().map(|slot| slot.ssrc).collect::<Vec<_>>();
        let mut direct = self.rtc.direct_api();
        let stream = direct.stream_tx_by_mid(mid, None)?;
        let ssrc = stream.ssrc();
        // Setting the cache empties it, so only a new stream's is set.
        if opus.is_none() && !known.contains(&ssrc) {
            // The senders pace what they send; pacing it again would only add delay.
            stream.set_unpaced(true);
            stream.set_rtx_cache(RETRANSMISSION.0, RETRANSMISSION.1, Some(MOST_RETRANSMITTED));
        }
        Some(Slot { ssrc, opus, vp8, h264 })
    }

    /// Whether every video slot takes this codec.
    pub(crate) fn takes(&self, codec: Codec) -> bool {
        let mut video = self.slots.iter().filter(|(id, _)| matches!(id, SlotId::Video(_)));
        video.all(|(_, slot)| slot.payload_type(codec).is_some())
    }

    /// Whether a connectivity check was made with this session's password.
    pub(crate) fn vouches_for(&self, check: &Check<'_>) -> bool {
        check.is_genuine(&self.ice.pass)
    }

    /// Takes a packet. What cannot be one of this protocol is ignored.
    pub(crate) fn receive(&mut self, packet: &Packet<'_>) -> Result<(), Fault> {
        self.guarded(|this| {
            let (over, source) = (packet.source.transport().into(), packet.source.address());
            let Ok(receive) = Receive::new(over, source, packet.to, packet.contents) else { return Ok(()) };
            this.rtc.handle_input(Input::Receive(packet.at, receive)).map_err(|_| Fault::Failed)
        })?
    }

    /// Lets time pass; also moves what was queued by [`Self::send`] towards the network.
    pub(crate) fn advance(&mut self, now: Instant) -> Result<(), Fault> {
        self.guarded(|this| this.rtc.handle_input(Input::Timeout(now)).map_err(|_| Fault::Failed))?
    }

    /// The next step. Call until it is [`Step::Idle`] after every other call, but for
    /// [`Self::send`]: that only queues, so one [`Self::advance`] serves many.
    pub(crate) fn poll(&mut self) -> Result<Step, Fault> {
        self.guarded(|this| {
            loop {
                match this.rtc.poll_output().map_err(|_| Fault::Failed)? {
                    Output::Timeout(at) => return Ok(Step::Idle(at)),
                    Output::Transmit(transmit) => {
                        return Ok(Step::Transmit(sorted(transmit)));
                    }
                    Output::Event(event) => {
                        if let Some(event) = this.understand(event) {
                            return Ok(Step::Event(event));
                        }
                    }
                }
            }
        })?
    }

    fn understand(&mut self, event: Event) -> Option<SessionEvent> {
        match event {
            Event::Connected => Some(SessionEvent::Connected),
            Event::Closed | Event::IceConnectionStateChange(IceConnectionState::Disconnected) => {
                Some(SessionEvent::Ended)
            }
            Event::RtpPacket(packet) => self.received(packet).map(SessionEvent::Received),
            Event::KeyframeRequest(request) => {
                self.slot_mids.get(&request.mid).copied().map(SessionEvent::KeyframeWanted)
            }
            Event::EgressBitrateEstimate(BweKind::Twcc { estimate, .. }) => {
                Some(SessionEvent::Estimate(Bitrate::bps(estimate.as_u64())))
            }
            Event::MediaIngressStats(stats) => {
                let nacks_sent = self.new_nacks((stats.mid, stats.rid, true), stats.nacks);
                Some(SessionEvent::Counted { nacks_sent, nacks_received: 0, loss: None, report: None })
            }
            Event::MediaEgressStats(stats) => {
                let nacks_received = self.new_nacks((stats.mid, stats.rid, false), stats.nacks);
                let report = self.slot_mids.get(&stats.mid).zip(stats.remote).map(|(slot, remote)| {
                    let clock = if matches!(slot, SlotId::Audio(_)) { AUDIO_CLOCK } else { VIDEO_CLOCK };
                    Report {
                        slot: *slot,
                        lost: remote.packets_lost,
                        jitter: Duration::from_secs_f64(f64::from(remote.jitter) / clock),
                        round_trip: stats.rtt,
                    }
                });
                Some(SessionEvent::Counted { nacks_sent: 0, nacks_received, loss: stats.loss, report })
            }
            _ => None,
        }
    }

    /// How many of the total are new.
    fn new_nacks(&mut self, stream: (EngineMid, Option<Rid>, bool), total: u64) -> u64 {
        let before = self.nacks.insert(stream, total).unwrap_or(0);
        total.saturating_sub(before)
    }

    fn received(&mut self, packet: RtpPacket) -> Option<Received> {
        let header = &packet.header;
        let known = self.streams.get(&header.ssrc).filter(|_| header.ext_vals.mid.is_none()).copied();
        let (source, layer) = match known {
            Some(known) => known,
            None => {
                let mut direct = self.rtc.direct_api();
                let stream = direct.stream_rx(&header.ssrc)?;
                let source = *self.sources.get(&stream.mid())?;
                let layer = match stream.rid() {
                    Some(rid) => self.offer.as_ref()?.layer_of(&rid)?,
                    None => LayerIndex::LOW,
                };
                if self.streams.len() >= MOST_STREAMS {
                    self.streams.clear();
                }
                self.streams.insert(header.ssrc, (source, layer));
                (source, layer)
            }
        };
        let (_, codec) = self.codecs.iter().find(|(pt, _)| *pt == header.payload_type)?;
        Some(Received {
            source,
            layer,
            codec: *codec,
            sequence: *packet.seq_no,
            timestamp: header.timestamp,
            marker: header.marker,
            // The engine gives dBov as a number of at most zero.
            audio_level: header.ext_vals.audio_level.map(|level| AudioLevel::from_minus_dbov(level.unsigned_abs())),
            voice_activity: header.ext_vals.voice_activity,
            at: packet.timestamp,
            payload: packet.payload,
        })
    }

    /// Queues a forwarded packet; the next [`Self::advance`] sends it.
    pub(crate) fn send(&mut self, forward: &Forward, packet: &Received) -> Result<(), NotSent> {
        let sent = self.guarded(|this| {
            let slot = this.slots.get(&forward.slot).ok_or(NotSent::NoCodec)?;
            let pt = slot.payload_type(forward.codec).ok_or(NotSent::NoCodec)?;
            let mut direct = this.rtc.direct_api();
            let stream = direct.stream_tx(&slot.ssrc).ok_or(NotSent::NoCodec)?;
            if stream.queue_info().is_some_and(|queue| queue.packet_count() >= MOST_QUEUED) {
                return Err(NotSent::Overfull);
            }
            let sequence = forward.sequence.into();
            let payload = outgoing(forward, &packet.payload)?;
            let mut write = RtpWrite::new(pt, sequence, forward.timestamp.0, packet.at, payload)
                .marker(forward.marker)
                .nackable(forward.codec != Codec::Opus);
            if forward.codec == Codec::Opus {
                write = write.ext_vals(ExtensionValues {
                    // At most 127, so it fits.
                    audio_level: packet.audio_level.map(|level| -(level.minus_dbov() as i8)),
                    voice_activity: packet.voice_activity,
                    ..ExtensionValues::default()
                });
            }
            stream.write_rtp(write);
            Ok(())
        });
        sent.unwrap_or_else(|fault| Err(NotSent::Fault(fault)))
    }

    /// Asks the client for a key frame (PLI). Returns whether there is a stream to ask.
    pub(crate) fn request_keyframe(&mut self, source: SourceKind, layer: LayerIndex) -> Result<bool, Fault> {
        self.guarded(|this| {
            let Some(mid) = this.source_mids.get(&source) else { return false };
            let offer = this.offer.as_ref().filter(|offer| source == SourceKind::Camera && offer.has_layers());
            let rid = offer.and_then(|offer| offer.rid_of(layer)).map(Rid::from);
            let mut direct = this.rtc.direct_api();
            let Some(stream) = direct.stream_rx_by_mid(*mid, rid) else { return false };
            stream.request_keyframe(KeyframeRequestKind::Pli);
            true
        })
    }

    /// What the bandwidth estimation should look for.
    pub(crate) fn probe(&mut self, plan: Plan) -> Result<(), Fault> {
        let engine = |rate: Bitrate| str0m::bwe::Bitrate::bps(rate.as_bps());
        self.guarded(|this| {
            if let Some(restart) = plan.restart {
                this.rtc.bwe().reset(engine(restart));
            }
            this.rtc.bwe().set_bitrate(engine(plan.floor), engine(plan.desired));
        })
    }

    /// Says goodbye; [`Self::poll`] gives the packets that do.
    pub(crate) fn close(&mut self) -> Result<(), Fault> {
        self.guarded(|this| this.rtc.close().map_err(|_| Fault::Failed))?
    }

    /// Runs the engine; after a panic, nothing of it runs again.
    fn guarded<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> Result<T, Fault> {
        if self.faulty {
            return Err(Fault::Panicked);
        }
        let result = contain(|| run(self));
        self.faulty = result.is_err();
        result
    }
}

fn contain<T>(run: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| Fault::Panicked)
}

/// The engine sends everything but answers by the pair that it prefers itself.
fn sorted(transmit: str0m::net::Transmit) -> Transmit {
    let str0m::net::Transmit { proto, source, destination, contents } = transmit;
    match classify(&contents) {
        DatagramKind::Stun => Transmit::Answer { source, over: proto.into(), destination, contents: contents.into() },
        _ => Transmit::Media(contents.into()),
    }
}

/// What is sent of a payload: shared as it came in, unless something is cut out or changed.
fn outgoing(forward: &Forward, payload: &Arc<[u8]>) -> Result<Arc<[u8]>, NotSent> {
    let part = match forward.part {
        Some((offset, length)) => {
            let (offset, length) = (usize::from(offset), usize::from(length));
            payload.get(offset..offset + length).ok_or(NotSent::BadRewrite)?
        }
        None if forward.patch.is_empty() => return Ok(payload.clone()),
        None => payload,
    };
    let mut copy = part.to_vec();
    forward.patch.apply(&mut copy);
    Ok(copy.into())
}

fn known_codec(codec: EngineCodec) -> Option<Codec> {
    match codec {
        EngineCodec::Opus => Some(Codec::Opus),
        EngineCodec::Vp8 => Some(Codec::Vp8),
        EngineCodec::H264 => Some(Codec::H264),
        _ => None,
    }
}

fn engine_mid(mid: &Mid) -> EngineMid {
    EngineMid::from(mid.as_str())
}
