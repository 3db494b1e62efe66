//! What an offer and its answer agreed on for RTP, read from the engine.

use conclave_proto::SourceKind;
use conclave_rtp::Parity;
use conclave_sfu::{Codec, LayerIndex, SlotId};
use str0m::Rtc;
use str0m::format::Codec as EngineCodec;
use str0m::media::{Mid as EngineMid, Pt};
use str0m::rtp::{Extension, ExtensionMap};

use crate::offer::{CheckedOffer, Role, SectionStreams};

/// A payload type of the engine, taken in sections that take `with`.
struct Known {
    codec: Codec,
    with: Pt,
    pt: Pt,
    rtx: Option<Pt>,
}

/// What was agreed on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agreed {
    /// Sections in which the client sends.
    pub(crate) sections: Vec<AgreedSection>,
    /// Sections in which it receives.
    pub(crate) slots: Vec<AgreedSlot>,
    /// Arrivals are reported by source (RFC 8888), and not by transport-wide numbers.
    pub(crate) reports_by_source: bool,
}

/// A section in which the client sends a source.
#[derive(Clone, Debug)]
pub(crate) struct AgreedSection {
    pub(crate) mid: String,
    pub(crate) source: SourceKind,
    pub(crate) formats: Formats,
    /// What the offer says of the streams in it.
    pub(crate) streams: SectionStreams,
    /// The layers that these are, in their order.
    pub(crate) layers: Vec<LayerIndex>,
}

/// A section in which the client receives.
#[derive(Clone, Debug)]
pub(crate) struct AgreedSlot {
    pub(crate) mid: String,
    pub(crate) id: SlotId,
    pub(crate) formats: Formats,
    pub(crate) ssrc: u32,
    pub(crate) rtx: Option<u32>,
    /// How it takes parity.
    pub(crate) parity: Option<Parity>,
}

/// Payload types and header extensions of a section.
#[derive(Clone, Debug, Default)]
pub(crate) struct Formats {
    /// Codec, payload type, and that of its retransmissions (RFC 4588).
    pub(crate) codecs: Vec<(Codec, u8, Option<u8>)>,
    pub(crate) audio_level: Option<u8>,
    pub(crate) transport_sequence: Option<u8>,
    pub(crate) mid: Option<u8>,
    pub(crate) rid: Option<u8>,
    pub(crate) repaired_rid: Option<u8>,
    pub(crate) dependency_descriptor: Option<u8>,
}

impl Formats {
    /// The payload type under which a codec goes.
    pub(crate) fn payload_type(&self, codec: Codec) -> Option<u8> {
        self.codecs.iter().find(|(known, ..)| *known == codec).map(|(_, payload_type, _)| *payload_type)
    }
}

impl Agreed {
    /// Reads it from the engine, after it has answered `offer`.
    pub(super) fn read(rtc: &mut Rtc, offer: &CheckedOffer, descriptor: &Extension) -> Self {
        let mut codecs: Vec<Known> = Vec::new();
        for format in rtc.codec_config().params() {
            let Some(codec) = known_codec(format.spec().codec) else { continue };
            let pt = format.pt();
            codecs.push(Known { codec, with: pt, pt, rtx: format.resend() });
            if let (Codec::Opus, Some(red)) = (codec, format.red()) {
                codecs.push(Known { codec: Codec::OpusRed, with: pt, pt: red, rtx: None });
            }
        }
        let mut agreed = Self::default();
        for (mid, role) in &offer.roles {
            let engine_mid = EngineMid::from(mid.as_str());
            let Some(media) = rtc.media(engine_mid) else { continue };
            let taken = media.remote_pts();
            let of_section = codecs.iter().filter(|known| taken.contains(&known.with));
            let of_section = of_section.map(|known| (known.codec, *known.pt, known.rtx.map(|rtx| *rtx)));
            let formats = formats(of_section.collect(), media.remote_extmap(), descriptor);
            let mid = mid.as_str().to_owned();
            match role {
                Role::Source(source) => {
                    let streams = offer.streams_of(&mid);
                    let layers = match &streams.rids[..] {
                        [] => vec![LayerIndex::LOW],
                        // A fourth layer is the third for all that is decided.
                        rids => rids.iter().map(|rid| offer.layer_of(rid).unwrap_or(LayerIndex::HIGH)).collect(),
                    };
                    agreed.sections.push(AgreedSection { mid, source: *source, formats, streams, layers });
                }
                Role::Slot(id) => {
                    let mut direct = rtc.direct_api();
                    let Some(stream) = direct.stream_tx_by_mid(engine_mid, None) else { continue };
                    let (ssrc, rtx) = (*stream.ssrc(), stream.rtx().map(|rtx| *rtx));
                    agreed.slots.push(AgreedSlot { mid, id: *id, formats, ssrc, rtx, parity: None });
                }
            }
        }
        agreed
    }

    /// Whether every video slot takes this codec.
    pub(crate) fn takes(&self, codec: Codec) -> bool {
        let mut video = self.slots.iter().filter(|slot| matches!(slot.id, SlotId::Video(_)));
        video.all(|slot| slot.formats.payload_type(codec).is_some())
    }
}

fn formats(codecs: Vec<(Codec, u8, Option<u8>)>, extensions: &ExtensionMap, descriptor: &Extension) -> Formats {
    let id = |extension: Extension| extensions.id_of(extension);
    Formats {
        codecs,
        audio_level: id(Extension::AudioLevel),
        transport_sequence: id(Extension::TransportSequenceNumber),
        mid: id(Extension::RtpMid),
        rid: id(Extension::RtpStreamId),
        repaired_rid: id(Extension::RepairedRtpStreamId),
        dependency_descriptor: id(descriptor.clone()),
    }
}

fn known_codec(codec: EngineCodec) -> Option<Codec> {
    match codec {
        EngineCodec::Opus => Some(Codec::Opus),
        EngineCodec::Vp8 => Some(Codec::Vp8),
        EngineCodec::H264 => Some(Codec::H264),
        EngineCodec::Vp9 => Some(Codec::Vp9),
        EngineCodec::Av1 => Some(Codec::Av1),
        _ => None,
    }
}
