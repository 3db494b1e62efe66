//! The receiving half of a leg.

mod arrivals;
mod binding;
mod config;
mod feedback;
mod missing;
mod reception;
mod round_trip;
mod stream;

use std::collections::VecDeque;
use std::time::Duration;

use conclave_qos::{ArrivalLog, Ecn, Time};
use thiserror::Error;

use crate::header::{Header, Malformed};
use crate::rtcp::{Bye, SenderInfo};
use crate::{PayloadType, Ssrc};
use arrivals::Arrivals;
use binding::{Binding, Bindings, Said, Sections};
use config::PayloadTable;
use feedback::Reporting;
use round_trip::RoundTrip;
use stream::{Arrived, Stream};

pub use config::{Feedback, PayloadKind, ReceivePayload, ReceiveSection, ReceiverConfig, StreamIndex, StreamSources};

/// A packet of media: decrypted, unwrapped if it was repeated, and come for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media<'a> {
    /// Of which stream.
    pub stream: StreamIndex,
    /// What it is; of a repeated packet, what the original is.
    pub payload_type: PayloadType,
    /// The extended sequence number: it never wraps, and where a stream starts over, or changes its source, it goes on
    /// at least 65,536 further. Numbers that are left out may still come.
    pub sequence: u64,
    /// In units of the payload type's clock.
    pub timestamp: u32,
    /// The marker bit.
    pub marker: bool,
    /// What it carries, without padding. Empty: the sender only padded, and its number carries nothing.
    pub payload: &'a [u8],
    /// Loudness in -dBov, 0 (loudest) to 127 (silence) (RFC 6464).
    pub audio_level: Option<u8>,
    /// Whether the sender takes it for a voice (RFC 6464).
    pub voice_activity: Option<bool>,
    /// The dependency descriptor, as it came.
    pub descriptor: Option<&'a [u8]>,
    /// When it arrived.
    pub at: Time,
}

/// Why an authentic packet is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// It cannot be read: the sender's fault.
    #[error("malformed: {0}")]
    Malformed(#[from] Malformed),
    /// Its payload type was not negotiated, or not for this source.
    #[error("a payload type that was not negotiated")]
    UnknownPayload,
    /// Nothing tells yet which stream its source belongs to; the first packets of one may come early.
    #[error("a source that belongs to no stream")]
    Unbound,
    /// Two sources claim one stream, and the other was first.
    #[error("two sources claim one stream")]
    Collision,
    /// It has come before.
    #[error("the packet has come before")]
    Duplicate,
    /// It is too old to tell, or from far outside of the sequence.
    #[error("far outside of the sequence")]
    TooOld,
}

/// What the receiver has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiverEvent {
    /// The sender related its clocks.
    SenderReport {
        /// Of which stream.
        stream: StreamIndex,
        /// The moment by the sender's clock: seconds since 1900 in the upper 32 bits, their fraction below.
        ntp: u64,
        /// The same moment in units of the stream's clock.
        timestamp: u32,
    },
    /// The sender has ended a stream (RFC 3550 section 6.6). It may begin again.
    Ended {
        /// Which.
        stream: StreamIndex,
    },
}

/// How one stream is received, from its beginning on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceiveStats {
    /// Packets, repeated ones included, each once.
    pub packets: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Packets that did not come by themselves, from the current source.
    pub lost: u64,
    /// Packets that came because they were asked for.
    pub recovered: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// How often a packet was asked for.
    pub asked: u64,
    /// How often a key frame was asked for.
    pub keyframes_asked: u64,
    /// Mean deviation of the spacing (RFC 3550 section 6.4.1).
    pub jitter: Duration,
}

/// Events that nobody fetches are forgotten beyond these, oldest first.
const MAX_EVENTS: usize = 64;

/// Receives the streams of one leg: tells which is which, unwraps what was repeated, drops what has come before, asks for
/// what is missing, and reports.
#[derive(Debug)]
pub struct Receiver {
    config: ReceiverConfig,
    payloads: PayloadTable,
    sections: Sections,
    streams: Vec<Stream>,
    bindings: Bindings,
    arrivals: ArrivalLog,
    /// In place of `arrivals`, where that was negotiated.
    by_source: Option<BySource>,
    round_trip: RoundTrip,
    reporting: Reporting,
    events: VecDeque<ReceiverEvent>,
}

/// Congestion control feedback (RFC 8888).
#[derive(Debug)]
struct BySource {
    arrivals: Arrivals,
    /// What the wall clock said at the start of [`Time`], as an NTP timestamp.
    ntp_at_start: u64,
}

impl Receiver {
    /// One that has received nothing. `seed` spreads its reports, so that many legs do not report at once.
    #[must_use]
    pub fn new(config: ReceiverConfig, seed: u64) -> Self {
        let mut receiver = Self {
            config: ReceiverConfig::default(),
            payloads: PayloadTable::new(&[]),
            sections: Sections::default(),
            streams: Vec::new(),
            bindings: Bindings::new(),
            arrivals: ArrivalLog::new(),
            by_source: None,
            round_trip: RoundTrip::default(),
            reporting: Reporting::new(seed),
            events: VecDeque::with_capacity(MAX_EVENTS),
        };
        receiver.set_config(config);
        receiver
    }

    /// Another description. Streams of the same names go on as they were.
    pub fn set_config(&mut self, config: ReceiverConfig) {
        let sections = Sections::new(&config);
        let mut streams = Vec::with_capacity(sections.places().len());
        streams.resize_with(sections.places().len(), Stream::new);
        for (stream, place) in self.streams.drain(..).zip(self.sections.places()) {
            let section = &self.config.sections[usize::from(place.section)];
            let layer = usize::from(place.layer);
            let rid = section.rids.get(layer).map(|rid| &**rid);
            if let Some(position) = sections.named(&section.mid, layer, rid) {
                streams[usize::from(position)] = stream;
            }
        }
        self.payloads = PayloadTable::new(&config.payloads);
        self.bindings.rebuild(&sections, &mut streams);
        (self.sections, self.streams, self.config) = (sections, streams, config);
    }

    /// Whether arrivals are reported by source (RFC 8888), in place of transport-wide feedback: if so, what the wall clock
    /// said at the start of [`Time`], as an NTP timestamp. At first they are not.
    pub fn set_congestion_feedback(&mut self, ntp_at_start: Option<u64>) {
        self.by_source = match (self.by_source.take(), ntp_at_start) {
            (Some(before), Some(ntp_at_start)) => Some(BySource { ntp_at_start, ..before }),
            (None, Some(ntp_at_start)) => Some(BySource { arrivals: Arrivals::default(), ntp_at_start }),
            (_, None) => None,
        };
    }

    /// A decrypted RTP packet. `arrival` is when it came in, `now` when it is looked at.
    ///
    /// `Ok(None)` is a packet that carries nothing, and whose number carries nothing: padding among repeated packets.
    ///
    /// # Errors
    /// If it is not taken; the peer's fault, the network's, or nobody's.
    pub fn handle_rtp<'p>(&mut self, now: Time, arrival: Time, packet: &'p [u8]) -> Result<Option<Media<'p>>, Refused> {
        self.handle_marked_rtp(now, arrival, Ecn::NotEct, packet)
    }

    /// The same for a packet that is known to have come with this mark, which reports by source tell (RFC 8888, section
    /// 3.1).
    ///
    /// # Errors
    /// As [`handle_rtp`](Self::handle_rtp).
    pub fn handle_marked_rtp<'p>(
        &mut self,
        now: Time,
        arrival: Time,
        ecn: Ecn,
        packet: &'p [u8],
    ) -> Result<Option<Media<'p>>, Refused> {
        let header = Header::parse(packet)?;
        let said = Said::read(header.extensions.clone(), &self.config.extensions);
        if let Some(by_source) = &mut self.by_source {
            by_source.arrivals.record(header.ssrc, header.sequence, arrival, ecn);
        } else if let Some(sequence) = said.transport_sequence {
            self.arrivals.record(sequence, arrival);
        }
        let payload = header.payload_of(packet)?;
        let known = *self.payloads.get(header.payload_type).ok_or(Refused::UnknownPayload)?;
        let binding = self.bindings.bind(
            now,
            header.ssrc,
            &said,
            (header.payload_type, known.kind),
            &self.sections,
            &mut self.streams,
        )?;

        let stream = &mut self.streams[usize::from(binding.stream)];
        let mut arrived = Arrived {
            ssrc: header.ssrc,
            sequence: header.sequence,
            timestamp: header.timestamp,
            clock_rate: known.clock_rate,
            length: payload.len(),
            at: arrival,
        };
        let (payload_type, payload, sequence) = match (known.kind, binding.repair) {
            (PayloadKind::Media, false) => {
                mark_bound(&mut stream.media, now);
                let sequence = stream.handle_media(now, &arrived, known.feedback, &mut self.round_trip)?;
                (header.payload_type, payload, sequence)
            }
            (PayloadKind::Retransmission { of }, true) => {
                mark_bound(&mut stream.repair, now);
                stream.handle_repair_source(&arrived);
                // The original's sequence number comes first (RFC 4588 section 4).
                let Some((original, payload)) = payload.split_first_chunk() else { return Ok(None) };
                arrived.sequence = u16::from_be_bytes(*original);
                arrived.length = payload.len();
                (of, payload, stream.handle_repeated(now, &arrived, &mut self.round_trip)?)
            }
            _ => return Err(Refused::UnknownPayload),
        };
        // A key frame may have been wanted before there was a source to ask.
        for due in stream.missing.due().into_iter().chain(stream.keyframe.due(now)) {
            self.reporting.wake_at(due);
        }
        self.reporting.heard(now);
        Ok(Some(Media {
            stream: self.sections.places()[usize::from(binding.stream)],
            payload_type,
            sequence,
            timestamp: header.timestamp,
            marker: header.marker,
            payload,
            audio_level: said.audio_level.map(|level| level & 0x7f),
            voice_activity: said.audio_level.map(|level| level & 0x80 != 0),
            descriptor: said.descriptor,
            at: arrival,
        }))
    }

    /// What a sender says of itself.
    pub fn handle_sender_report(&mut self, arrival: Time, info: &SenderInfo) {
        let Some(Binding { stream, repair }) = self.bindings.get(info.ssrc) else { return };
        let place = self.sections.places()[usize::from(stream)];
        let stream = &mut self.streams[usize::from(stream)];
        let reception = if repair { &mut stream.repair_reception } else { &mut stream.reception };
        if let Some(reception) = reception {
            reception.handle_sender_report(info, arrival);
        }
        if !repair {
            self.tell(ReceiverEvent::SenderReport { stream: place, ntp: info.ntp, timestamp: info.timestamp });
        }
    }

    /// Sources that have ended.
    pub fn handle_bye(&mut self, sources: Bye<'_>) {
        for ssrc in sources {
            if let Some(Binding { stream, repair: false }) = self.bindings.remove(ssrc, &mut self.streams) {
                self.tell(ReceiverEvent::Ended { stream: self.sections.places()[usize::from(stream)] });
            }
        }
    }

    /// The round trip as somebody else has measured it.
    pub fn handle_round_trip(&mut self, round_trip: Duration) {
        self.round_trip.measured(round_trip);
    }

    /// Asks for a key frame as soon as that is allowed: for one stream, requests within 300 ms are one.
    pub fn request_keyframe(&mut self, now: Time, stream: StreamIndex) {
        let Some(position) = self.sections.position(stream) else { return };
        let keyframe = &mut self.streams[usize::from(position)].keyframe;
        keyframe.want();
        if let Some(due) = keyframe.due(now) {
            self.reporting.wake_at(due);
        }
    }

    /// What there is to tell.
    pub fn poll_event(&mut self) -> Option<ReceiverEvent> {
        self.events.pop_front()
    }

    /// How a stream is received; `None` if there is no such stream.
    #[must_use]
    pub fn stats(&self, stream: StreamIndex) -> Option<ReceiveStats> {
        let stream = &self.streams[usize::from(self.sections.position(stream)?)];
        let counters = stream.counters;
        Some(ReceiveStats {
            packets: counters.packets,
            bytes: counters.bytes,
            lost: stream.reception.as_ref().map_or(0, |reception| reception.lost()),
            recovered: counters.recovered,
            duplicates: counters.duplicates,
            asked: counters.asked,
            keyframes_asked: counters.keyframes_asked,
            jitter: stream.reception.as_ref().map_or(Duration::ZERO, |reception| reception.jitter()),
        })
    }

    /// The sources of a stream, as far as they are known: media, repeated packets.
    #[must_use]
    pub fn sources(&self, stream: StreamIndex) -> (Option<Ssrc>, Option<Ssrc>) {
        let Some(position) = self.sections.position(stream) else { return (None, None) };
        let stream = &self.streams[usize::from(position)];
        (stream.media.map(|bound| bound.ssrc), stream.repair.map(|bound| bound.ssrc))
    }

    fn tell(&mut self, event: ReceiverEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}

/// A source that the description named has been heard.
fn mark_bound(bound: &mut Option<stream::Bound>, now: Time) {
    if let Some(bound) = bound {
        bound.since.get_or_insert(now);
    }
}
