//! The boundary to the WebRTC engine (str0m): with `dtls`, the only module that names it.
//!
//! A [`Connection`] is one peer connection's ICE, DTLS and session description, without I/O: packets
//! and time go in, [`Step`]s come out. Its RTP is not used: [`crate::dtls`] takes the keys away, and
//! [`Agreed`] says what was agreed on, so that [`conclave_rtp`] can do the rest. A panic of the engine
//! ends here: it becomes a [`Fault`].

mod agreed;
mod feedback;
mod ice;
mod parity;
mod step;

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use conclave_proto::{ErrorCode, ProtocolError};
use conclave_turn::demux::{DatagramKind, classify};
use str0m::change::SdpOffer;
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::format::{Codec, FormatParams};
use str0m::media::{Frequency, Mid};
use str0m::net::Receive;
use str0m::rtp::{Extension, ExtensionSerializer, ExtensionValues, Ssrc};
use str0m::{Event, IceConnectionState, IceCreds, Input, Output, Rtc};

use crate::check::Check;
use crate::datagram::Packet;
use crate::dtls;
use crate::offer::CheckedOffer;
use crate::shard::ShardId;

pub(crate) use agreed::{Agreed, AgreedSection, AgreedSlot, Formats};
pub(crate) use step::{Fault, Step, Transmit};

/// What all connections share: cryptography, and the certificate that clients know the server by.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    crypto: Arc<CryptoProvider>,
    certificate: DtlsCert,
}

impl Identity {
    /// A fresh one; `None` if the system gives no key.
    pub(crate) fn new() -> Option<Self> {
        let crypto = Arc::new(dtls::capturing());
        let certificate = crypto.dtls_provider.generate_certificate()?;
        Some(Self { crypto, certificate })
    }
}

/// One peer connection.
pub(crate) struct Connection {
    rtc: Rtc,
    ice: IceCreds,
    /// The shard that is named in the connection's ICE credentials.
    home: ShardId,
    connected: bool,
    faulty: bool,
    /// The streams that the answer names for our slots.
    sends: Vec<(Mid, Ssrc, Option<Ssrc>)>,
}

/// The dependency descriptor (AV1 RTP payload specification, appendix A), which the engine knows only
/// by name: [`conclave_rtp`] reads and writes it.
const DEPENDENCY_DESCRIPTOR: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// An extension that is negotiated here and handled elsewhere.
#[derive(Debug)]
struct Negotiated;

impl ExtensionSerializer for Negotiated {
    fn write_to(&self, _: &mut [u8], _: &ExtensionValues) -> usize {
        0
    }

    fn parse_value(&self, _: &[u8], _: &mut ExtensionValues) -> bool {
        false
    }

    fn is_video(&self) -> bool {
        true
    }

    fn is_audio(&self) -> bool {
        false
    }
}

fn dependency_descriptor() -> Extension {
    Extension::with_serializer(DEPENDENCY_DESCRIPTOR, Negotiated)
}

impl Connection {
    pub(crate) fn new(
        now: Instant,
        home: ShardId,
        identity: &Identity,
        announced: &[SocketAddr],
    ) -> Result<Self, Fault> {
        let ice = ice::credentials(home);
        let rtc = contain(|| {
            let mut config = Rtc::builder()
                .set_crypto_provider(identity.crypto.clone())
                .set_dtls_cert(identity.certificate.clone())
                .set_local_ice_credentials(ice.clone())
                .set_ice_lite(true)
                .set_rtp_mode(true)
                // Nothing of it is ever sent; it makes the answers name transport-wide feedback.
                .enable_bwe(None)
                .clear_codecs()
                .enable_opus(true, true)
                .enable_vp8(true)
                .enable_av1(true)
                .clear_extension_map()
                .set_extension(1, Extension::AudioLevel)
                .set_extension(3, Extension::TransportSequenceNumber)
                .set_extension(4, Extension::RtpMid)
                .set_extension(10, Extension::RtpStreamId)
                .set_extension(11, Extension::RepairedRtpStreamId)
                .set_extension(12, dependency_descriptor());
            // Constrained baseline, level 3.1, packetization mode 1 (RFC 6184 section 8.1): the only
            // H.264 that every browser with H.264 has.
            config.codec_config().add_h264(108.into(), Some(109.into()), true, 0x42_e0_1f);
            // Profile 0, eight bits and 4:2:0 (RFC 9628 section 6): what everybody who has VP9 decodes.
            let profile = FormatParams { profile_id: Some(0), ..FormatParams::default() };
            let clock = Frequency::NINETY_KHZ;
            config.codec_config().add_config(98.into(), Some(99.into()), Codec::Vp9, clock, None, profile);
            let mut rtc = config.build(now);
            ice::add_candidates(&mut rtc, announced);
            rtc
        })?;
        Ok(Self { rtc, ice, home, connected: false, faulty: false, sends: Vec::new() })
    }

    /// The name under which the client's STUN checks ask for this connection.
    pub(crate) fn ufrag(&self) -> &str {
        &self.ice.ufrag
    }

    /// Takes an offer, the first or a later one, and gives the answer with what was agreed on.
    pub(crate) fn negotiate(&mut self, offer: &CheckedOffer) -> Result<(String, Agreed), ProtocolError> {
        let answer = self.guarded(|this| {
            let Ok(sdp) = SdpOffer::from_sdp_string(&offer.sdp) else {
                return Err(ProtocolError::new(ErrorCode::BadSdp, "the description cannot be parsed"));
            };
            let refused = "the description contradicts itself, the last one, or what the server can do";
            this.declare_streams();
            let answer = this.rtc.sdp_api().accept_offer(sdp);
            let answer = answer.map_err(|_| ProtocolError::new(ErrorCode::BadSdp, refused))?;
            let answer = this.keep_credentials(answer.to_sdp_string());
            let mut agreed = Agreed::read(&mut this.rtc, offer, &dependency_descriptor());
            let answer = parity::agree(&offer.sdp, &answer, &mut agreed);
            let mut answer = formats_in_order(&offer.sdp, &answer);
            agreed.reports_by_source = feedback::is_by_source(&offer.sdp);
            if agreed.reports_by_source {
                answer = feedback::by_source(&answer);
            }
            this.forget_streams(&agreed);
            Ok((offer.answer(answer), agreed))
        });
        answer.unwrap_or_else(|_| Err(ProtocolError::new(ErrorCode::BadSdp, "the description cannot be processed")))
    }

    /// The engine gives what it sends the names that it knows already.
    fn declare_streams(&mut self) {
        for (mid, ssrc, rtx) in &self.sends {
            if self.rtc.media(*mid).is_some() {
                self.rtc.direct_api().declare_stream_tx(*ssrc, *rtx, *mid, None);
            }
        }
    }

    /// The engine sends and receives no RTP, so it needs no streams, of which each takes more than 10 KB: they are
    /// there only while it answers.
    fn forget_streams(&mut self, agreed: &Agreed) {
        let slots = agreed.slots.iter();
        self.sends = slots.map(|slot| (slot.mid.as_str().into(), slot.ssrc.into(), slot.rtx.map(Ssrc::from))).collect();
        let mut engine = self.rtc.direct_api();
        for (_, ssrc, _) in &self.sends {
            engine.remove_stream_tx(*ssrc);
        }
        for section in &agreed.sections {
            if let Some((media, _)) = section.streams.ssrc {
                engine.remove_stream_rx(media.into());
            }
        }
    }

    /// The engine answers an ICE restart with credentials that are not made for secrets, and name no
    /// shard; they are replaced.
    fn keep_credentials(&mut self, answer: String) -> String {
        let engines = self.rtc.direct_api().local_ice_credentials();
        if engines == self.ice {
            return answer;
        }
        self.ice = ice::credentials(self.home);
        self.rtc.direct_api().set_local_ice_credentials(self.ice.clone());
        answer.replace(&engines.ufrag, &self.ice.ufrag).replace(&engines.pass, &self.ice.pass)
    }

    /// Whether a connectivity check was made with this connection's password.
    pub(crate) fn vouches_for(&self, check: &Check<'_>) -> bool {
        check.is_genuine(&self.ice.pass)
    }

    /// Takes a packet of STUN or DTLS. What cannot be one is ignored.
    pub(crate) fn receive(&mut self, packet: &Packet<'_>) -> Result<(), Fault> {
        self.guarded(|this| {
            let (over, source) = (packet.source.transport().into(), packet.source.address());
            let Ok(receive) = Receive::new(over, source, packet.to, packet.contents) else { return Ok(()) };
            this.rtc.handle_input(Input::Receive(packet.at, receive)).map_err(|_| Fault::Failed)
        })?
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, now: Instant) -> Result<(), Fault> {
        self.guarded(|this| this.rtc.handle_input(Input::Timeout(now)).map_err(|_| Fault::Failed))?
    }

    /// The next step. Call until it is [`Step::Idle`] after every other call.
    pub(crate) fn poll(&mut self) -> Result<Step, Fault> {
        self.guarded(|this| {
            loop {
                let output = this.rtc.poll_output().map_err(|_| Fault::Failed)?;
                if let Some(keys) = dtls::captured()
                    && !std::mem::replace(&mut this.connected, true)
                {
                    // Connected only with the certificate that the offer named: the engine fails before it
                    // gives another output if it was a different one.
                    return Ok(Step::Connected(keys));
                }
                match output {
                    Output::Timeout(at) => return Ok(Step::Idle(at)),
                    Output::Transmit(transmit) => return Ok(Step::Transmit(sorted(transmit))),
                    Output::Event(
                        Event::Closed | Event::IceConnectionStateChange(IceConnectionState::Disconnected),
                    ) => return Ok(Step::Ended),
                    Output::Event(_) => {}
                }
            }
        })?
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

/// An answer with the formats of each section in the order of the offer, which is the client's preference
/// (RFC 3264 section 6.1): the engine puts redundancy before the codec.
fn formats_in_order(offer: &str, answer: &str) -> String {
    fn formats(line: &str) -> impl Iterator<Item = &str> {
        line.split(' ').skip(3)
    }
    let mut offered = offer.lines().filter(|line| line.starts_with("m="));
    let mut ordered = String::with_capacity(answer.len());
    for line in answer.lines() {
        let offer = if line.starts_with("m=") { offered.next() } else { None };
        match offer.filter(|_| line.starts_with("m=audio") || line.starts_with("m=video")) {
            Some(offer) => {
                let place = |format: &&str| formats(offer).position(|offered| offered == *format);
                let mut sorted: Vec<_> = formats(line).collect();
                sorted.sort_by_key(place);
                let head: Vec<_> = line.split(' ').take(3).collect();
                ordered.push_str(&[head, sorted].concat().join(" "));
            }
            None => ordered.push_str(line),
        }
        ordered.push_str("\r\n");
    }
    ordered
}

fn contain<T>(run: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| Fault::Panicked)
}

/// The engine sends everything but answers by the pair that it prefers itself.
fn sorted(transmit: str0m::net::Transmit) -> Transmit {
    let str0m::net::Transmit { proto, source, destination, contents } = transmit;
    match classify(&contents) {
        DatagramKind::Stun => Transmit::Answer { source, over: proto.into(), destination, contents: contents.into() },
        _ => Transmit::Dtls(contents.into()),
    }
}
