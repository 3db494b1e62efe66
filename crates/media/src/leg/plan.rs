//! What was agreed on with a client, in the terms of both sides: sources, layers and slots above; streams,
//! payload types and SSRCs below.

use conclave_proto::{SourceKind, VideoCodec};
use conclave_rtp::{
    ExtensionId, ExtensionIds, Feedback, Media, NotQueued, Outgoing, PacketRef, Patch, PayloadKind, PayloadType,
    ReceivePayload, ReceiveSection, ReceiverConfig, SendPayload, SlotConfig, Ssrc, StreamIndex, StreamSources,
};
use conclave_sfu::{AudioLevel, Codec, Forward, LayerIndex, RtpPacket, SlotId, Timestamp};

use crate::leg::Reporter;
use crate::shard::Understood;
use crate::webrtc::{Agreed, AgreedSection, AgreedSlot, Formats};

/// See the [module's description](self).
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// By section, and in it by encoding.
    streams: Vec<(SourceKind, Vec<LayerIndex>)>,
    /// By payload type. Within a connection a payload type means one thing (RFC 8843 section 10.1.2).
    codecs: Vec<Option<Codec>>,
    slots: Vec<AgreedSlot>,
    /// By position: what every forwarded packet needs to know of its slot.
    audio: Vec<Option<SlotWay>>,
    video: Vec<Option<SlotWay>>,
}

/// How packets go out by a slot.
#[derive(Clone, Copy, Debug)]
struct SlotWay {
    /// The position among those of the sender.
    index: u16,
    /// By codec.
    payload_types: [Option<PayloadType>; CODECS.len()],
}

/// In the order of their discriminants.
const CODECS: [Codec; 6] = [Codec::Opus, Codec::OpusRed, Codec::Vp8, Codec::H264, Codec::Vp9, Codec::Av1];

const _: () = {
    let mut place = 0;
    while place < CODECS.len() {
        assert!(CODECS[place] as usize == place);
        place += 1;
    }
};

impl SlotWay {
    fn new(index: u16, slot: &AgreedSlot) -> Self {
        let payload_type = |codec| slot.formats.payload_type(codec).and_then(PayloadType::new);
        Self { index, payload_types: CODECS.map(payload_type) }
    }

    fn payload_type(&self, codec: Codec) -> Option<PayloadType> {
        self.payload_types.get(codec as usize).copied().flatten()
    }
}

impl Plan {
    pub(crate) fn new(agreed: &Agreed) -> Self {
        let mut plan = Self { codecs: vec![None; 128], slots: agreed.slots.clone(), ..Self::default() };
        for section in &agreed.sections {
            plan.streams.push((section.source, section.layers.clone()));
            for (codec, payload_type, _) in &section.formats.codecs {
                if let Some(known) = plan.codecs.get_mut(usize::from(*payload_type)) {
                    *known = Some(*codec);
                }
            }
        }
        // At most 28 slots.
        for (slot, index) in agreed.slots.iter().zip(0..) {
            let (places, position) = match slot.id {
                SlotId::Audio(position) => (&mut plan.audio, position),
                SlotId::Video(position) => (&mut plan.video, position),
            };
            let position = usize::from(position);
            if places.len() <= position {
                places.resize(position + 1, None);
            }
            if let Some(place) = places.get_mut(position) {
                *place = Some(SlotWay::new(index, slot));
            }
        }
        plan
    }

    /// What a received packet is. `None`: of a payload type that is no codec's.
    pub(crate) fn understand(&self, media: &Media<'_>) -> Option<Understood> {
        let (source, layer) = self.stream(media.stream)?;
        let codec = self.codecs.get(usize::from(media.payload_type.get())).copied().flatten()?;
        Some(Understood {
            source,
            layer,
            codec,
            sequence: media.sequence,
            timestamp: media.timestamp,
            marker: media.marker,
            audio_level: media.audio_level.map(AudioLevel::from_minus_dbov),
            voice_activity: media.voice_activity,
        })
    }

    /// Which source and layer a stream is.
    pub(crate) fn stream(&self, index: StreamIndex) -> Option<(SourceKind, LayerIndex)> {
        let (source, layers) = self.streams.get(usize::from(index.section))?;
        Some((*source, *layers.get(usize::from(index.layer))?))
    }

    /// Which stream a source and layer is.
    pub(crate) fn stream_of(&self, source: SourceKind, layer: LayerIndex) -> Option<StreamIndex> {
        self.streams().find(|(_, known, of)| (*known, *of) == (source, layer)).map(|(index, ..)| index)
    }

    /// All streams.
    pub(crate) fn streams(&self) -> impl Iterator<Item = (StreamIndex, SourceKind, LayerIndex)> {
        self.streams.iter().zip(0..).flat_map(|((source, layers), section)| {
            layers.iter().zip(0..).map(move |(of, layer)| (StreamIndex { section, layer }, *source, *of))
        })
    }

    /// The slot at this position among those of the sender.
    pub(crate) fn slot(&self, index: u16) -> Option<&AgreedSlot> {
        self.slots.get(usize::from(index))
    }

    /// All slots, by their position among those of the sender.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (u16, SlotId)> {
        (0..).zip(&self.slots).map(|(index, slot)| (index, slot.id))
    }

    /// The position of a slot among those of the sender.
    pub(crate) fn slot_index(&self, slot: SlotId) -> Option<u16> {
        Some(self.way(slot)?.index)
    }

    fn way(&self, slot: SlotId) -> Option<SlotWay> {
        match slot {
            SlotId::Audio(position) => self.audio.get(usize::from(position)).copied().flatten(),
            SlotId::Video(position) => self.video.get(usize::from(position)).copied().flatten(),
        }
    }

    /// Whether every video slot takes this codec.
    pub(crate) fn takes(&self, codec: VideoCodec) -> bool {
        let mut video = self.slots.iter().filter(|slot| matches!(slot.id, SlotId::Video(_)));
        video.all(|slot| slot.formats.payload_type(codec.into()).is_some())
    }

    /// What to send for a forwarded packet.
    pub(crate) fn outgoing<'a>(
        &self,
        forward: &'a Forward,
        packet: PacketRef,
        length: usize,
        level: Option<(u8, bool)>,
    ) -> Result<Outgoing<'a>, NotQueued> {
        let way = self.way(forward.slot).ok_or(NotQueued::NotNegotiated)?;
        let payload_type = way.payload_type(forward.codec).ok_or(NotQueued::NotNegotiated)?;
        // Both hold as many.
        let patch = Patch::new(forward.patch.edits()).unwrap_or_default();
        Ok(Outgoing {
            slot: way.index,
            packet,
            part: forward.part,
            // No payload is longer than a packet.
            length: forward.part.map_or(length as u16, |(_, length)| length),
            payload_type,
            marker: forward.marker,
            sequence: forward.sequence,
            timestamp: forward.timestamp.0,
            audio_level: level,
            patch,
            descriptor: forward.descriptor.as_ref().map(|descriptor| descriptor.as_bytes()),
        })
    }
}

impl Understood {
    /// As the conference wants it.
    pub(crate) fn rtp<'a>(&self, payload: &'a [u8], descriptor: Option<&'a [u8]>) -> RtpPacket<'a> {
        RtpPacket {
            sequence: self.sequence,
            timestamp: Timestamp(self.timestamp),
            marker: self.marker,
            codec: self.codec,
            payload,
            audio_level: self.audio_level,
            voice_activity: self.voice_activity,
            descriptor,
        }
    }

    /// As it goes on (RFC 6464).
    pub(crate) fn level(&self) -> Option<(u8, bool)> {
        self.audio_level.map(|level| (level.minus_dbov(), self.voice_activity.unwrap_or(true)))
    }
}

/// What the receiving half is to expect. It reports as `reporter`.
pub(crate) fn receiver(agreed: &Agreed, reporter: &Reporter) -> ReceiverConfig {
    let (cname, reporter) = (reporter.cname.as_str().into(), reporter.ssrc);
    let mut config = ReceiverConfig { reporter, cname, ..ReceiverConfig::default() };
    for section in &agreed.sections {
        // Within a bundle a number means one extension in all sections (RFC 8843 section 10.1.3).
        merge(&mut config.extensions, extensions(&section.formats));
        for payload in received(&section.formats, section.source.is_audio()) {
            if config.payloads.iter().all(|known| known.payload_type != payload.payload_type) {
                config.payloads.push(payload);
            }
        }
        config.sections.push(receive_section(section));
    }
    config
}

fn receive_section(section: &AgreedSection) -> ReceiveSection {
    let sources = section.streams.ssrc.filter(|_| section.streams.rids.is_empty());
    let sources = sources.map(|(media, rtx)| StreamSources { media: Ssrc(media), retransmission: rtx.map(Ssrc) });
    let payloads = section.formats.codecs.iter().flat_map(|(_, media, rtx)| [Some(*media), *rtx]).flatten();
    ReceiveSection {
        mid: section.mid.as_str().into(),
        rids: section.streams.rids.iter().map(|rid| rid.as_str().into()).collect(),
        sources: sources.into_iter().collect(),
        payloads: payloads.filter_map(PayloadType::new).collect(),
    }
}

fn received(formats: &Formats, is_audio: bool) -> Vec<ReceivePayload> {
    let feedback = Feedback {
        nack: !is_audio,
        pli: !is_audio,
        fir: !is_audio,
        transport_wide: formats.transport_sequence.is_some(),
    };
    let mut payloads = Vec::new();
    for (codec, media, rtx) in &formats.codecs {
        let Some(payload_type) = PayloadType::new(*media) else { continue };
        let payload =
            ReceivePayload { payload_type, kind: PayloadKind::Media, clock_rate: codec.clock_rate(), feedback };
        payloads.push(payload);
        if let Some(rtx) = rtx.and_then(PayloadType::new) {
            let kind = PayloadKind::Retransmission { of: payload_type };
            payloads.push(ReceivePayload { payload_type: rtx, kind, ..payload });
        }
    }
    payloads
}

fn merge(into: &mut ExtensionIds, from: ExtensionIds) {
    let ExtensionIds { audio_level, transport_sequence, mid, rid, repaired_rid, dependency_descriptor, .. } = from;
    into.audio_level = into.audio_level.or(audio_level);
    into.transport_sequence = into.transport_sequence.or(transport_sequence);
    into.mid = into.mid.or(mid);
    into.rid = into.rid.or(rid);
    into.repaired_rid = into.repaired_rid.or(repaired_rid);
    into.dependency_descriptor = into.dependency_descriptor.or(dependency_descriptor);
}

/// What the sending half is to send.
pub(crate) fn slots(agreed: &Agreed) -> Vec<SlotConfig> {
    let slot = |slot: &AgreedSlot| SlotConfig {
        ssrc: Ssrc(slot.ssrc),
        rtx: slot.rtx.map(Ssrc),
        mid: Some(slot.mid.clone()),
        is_audio: matches!(slot.id, SlotId::Audio(_)),
        extensions: extensions(&slot.formats),
        payloads: sent(&slot.formats),
        red: slot.formats.payload_type(Codec::OpusRed).and_then(PayloadType::new),
        parity: slot.parity,
    };
    agreed.slots.iter().map(slot).collect()
}

fn sent(formats: &Formats) -> Vec<SendPayload> {
    let payload = |(codec, number, rtx): &(Codec, u8, Option<u8>)| {
        Some(SendPayload {
            payload_type: PayloadType::new(*number)?,
            rtx: rtx.and_then(PayloadType::new),
            clock_rate: codec.clock_rate(),
        })
    };
    formats.codecs.iter().filter_map(payload).collect()
}

fn extensions(formats: &Formats) -> ExtensionIds {
    let id = |id: Option<u8>| id.and_then(ExtensionId::new);
    ExtensionIds {
        audio_level: id(formats.audio_level),
        transport_sequence: id(formats.transport_sequence),
        mid: id(formats.mid),
        rid: id(formats.rid),
        repaired_rid: id(formats.repaired_rid),
        dependency_descriptor: id(formats.dependency_descriptor),
        absolute_send_time: None,
    }
}
