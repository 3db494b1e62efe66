//! Which stream a source belongs to (RFC 8843 section 9.2, RFC 8852, RFC 5576).

use std::time::Duration;

use conclave_qos::Time;

use super::Refused;
use super::config::{PayloadKind, ReceiveSection, ReceiverConfig, StreamIndex};
use super::stream::{Bound, Stream};
use crate::header::Extensions;
use crate::sources::Sources;
use crate::{ExtensionIds, PayloadType, Ssrc};

/// The most streams of a leg. What a description has beyond them is not received.
pub(super) const MAX_STREAMS: usize = 256;
/// A stream changes its source no more often: two that claim one stream must not make it start over at each packet.
const REBIND_INTERVAL: Duration = Duration::from_secs(1);

/// What a source sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    /// Its position among the streams.
    pub(super) stream: u16,
    /// Repeated packets.
    pub(super) repair: bool,
}

/// What a packet's extensions say, read in one pass.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said<'a> {
    pub(super) mid: Option<&'a [u8]>,
    pub(super) rid: Option<&'a [u8]>,
    pub(super) repaired_rid: Option<&'a [u8]>,
    pub(super) audio_level: Option<u8>,
    pub(super) transport_sequence: Option<u16>,
    pub(super) descriptor: Option<&'a [u8]>,
}

impl<'a> Said<'a> {
    pub(super) fn read(extensions: Extensions<'a>, ids: &ExtensionIds) -> Self {
        let mut said = Self::default();
        for extension in extensions {
            let (id, value) = (Some(extension.id), extension.value);
            if id == ids.transport_sequence {
                said.transport_sequence = value.first_chunk().map(|number| u16::from_be_bytes(*number));
            } else if id == ids.audio_level {
                said.audio_level = value.first().copied();
            } else if id == ids.dependency_descriptor {
                said.descriptor = Some(value);
            } else if id == ids.mid {
                said.mid = Some(value);
            } else if id == ids.rid {
                said.rid = Some(value);
            } else if id == ids.repaired_rid {
                said.repaired_rid = Some(value);
            }
        }
        said
    }
}

/// The sections as they are negotiated, and where their streams are.
#[derive(Debug, Default)]
pub(super) struct Sections {
    sections: Vec<ReceiveSection>,
    /// Where each section's streams begin.
    starts: Vec<u16>,
    /// Which stream of which section each one is.
    places: Vec<StreamIndex>,
}

impl Sections {
    pub(super) fn new(config: &ReceiverConfig) -> Self {
        let mut sections = Self::default();
        for section in config.sections.iter().take(MAX_STREAMS) {
            if sections.places.len() + section.layers() > MAX_STREAMS {
                break;
            }
            // Both fit: there are at most 256 streams, and sections have at least one.
            let number = sections.sections.len() as u16;
            sections.starts.push(sections.places.len() as u16);
            sections
                .places
                .extend((0..section.layers()).map(|layer| StreamIndex { section: number, layer: layer as u8 }));
            sections.sections.push(section.clone());
        }
        sections
    }

    pub(super) fn places(&self) -> &[StreamIndex] {
        &self.places
    }

    pub(super) fn section_of(&self, stream: u16) -> &ReceiveSection {
        &self.sections[usize::from(self.places[usize::from(stream)].section)]
    }

    /// The position of a stream.
    pub(super) fn position(&self, index: StreamIndex) -> Option<u16> {
        let section = usize::from(index.section);
        (usize::from(index.layer) < self.sections.get(section)?.layers())
            .then(|| self.starts[section] + u16::from(index.layer))
    }

    /// The position of the stream that has these names.
    pub(super) fn named(&self, mid: &str, layer: usize, rid: Option<&str>) -> Option<u16> {
        let section = self.sections.iter().position(|section| &*section.mid == mid)?;
        let layer = match rid {
            Some(rid) => self.sections[section].rids.iter().position(|other| &**other == rid)?,
            None if self.sections[section].rids.is_empty() => layer,
            None => return None,
        };
        self.position(StreamIndex { section: section as u16, layer: u8::try_from(layer).ok()? })
    }

    /// The sources that the description names.
    pub(super) fn declared(&self) -> impl Iterator<Item = (Ssrc, Binding)> {
        self.sections.iter().zip(&self.starts).flat_map(|(section, &start)| {
            section.sources.iter().zip(start..).flat_map(|(sources, stream)| {
                let media = Some((sources.media, Binding { stream, repair: false }));
                let repair = sources.retransmission.map(|ssrc| (ssrc, Binding { stream, repair: true }));
                media.into_iter().chain(repair)
            })
        })
    }

    /// Where a source that says this belongs.
    fn resolve(&self, said: &Said<'_>, payload_type: PayloadType, kind: PayloadKind) -> Option<Binding> {
        let number = match said.mid {
            Some(mid) => self.sections.iter().position(|section| section.mid.as_bytes() == mid)?,
            None => self.only_one_with(payload_type)?,
        };
        let section = &self.sections[number];
        let repair = kind != PayloadKind::Media;
        let rid = if repair { said.repaired_rid.or(said.rid) } else { said.rid };
        let layer = match rid {
            _ if section.layers() == 1 => 0,
            Some(rid) => section.rids.iter().position(|other| other.as_bytes() == rid)?,
            None => return None,
        };
        // `Sections::new` saw to it that streams have positions.
        Some(Binding { stream: self.starts[number] + layer as u16, repair })
    }

    fn only_one_with(&self, payload_type: PayloadType) -> Option<usize> {
        let mut carrying = self.sections.iter().enumerate().filter(|(_, s)| s.payloads.contains(&payload_type));
        let (number, _) = carrying.next()?;
        carrying.next().is_none().then_some(number)
    }
}

/// The sources whose streams are known.
#[derive(Debug)]
pub(super) struct Bindings(Sources<Binding>);

impl Bindings {
    pub(super) const fn new() -> Self {
        // One for the media and one for the repair of each stream.
        Self(Sources::with_limit(2 * MAX_STREAMS))
    }

    pub(super) fn get(&self, ssrc: Ssrc) -> Option<Binding> {
        self.0.get(ssrc).copied()
    }

    /// The stream of a packet: known, or found by what the packet says.
    pub(super) fn bind(
        &mut self,
        now: Time,
        ssrc: Ssrc,
        said: &Said<'_>,
        payload: (PayloadType, PayloadKind),
        sections: &Sections,
        streams: &mut [Stream],
    ) -> Result<Binding, Refused> {
        let known = self.0.get_mut(ssrc).copied();
        if let Some(binding) = known {
            let section = sections.section_of(binding.stream);
            if said.mid.is_none_or(|mid| mid == section.mid.as_bytes()) {
                return Ok(binding);
            }
        }
        let Some(found) = sections.resolve(said, payload.0, payload.1) else {
            // A name that is not known, as while a new description is on its way, takes nothing away.
            return known.ok_or(Refused::Unbound);
        };
        self.claim(now, ssrc, found, streams)?;
        Ok(found)
    }

    /// A source takes its place, as the newest that claims it.
    fn claim(&mut self, now: Time, ssrc: Ssrc, found: Binding, streams: &mut [Stream]) -> Result<(), Refused> {
        let stream = &mut streams[usize::from(found.stream)];
        let place = if found.repair { &mut stream.repair } else { &mut stream.media };
        if let Some(before) = place.replace(Bound { ssrc, since: Some(now) }) {
            if before.since.is_some_and(|since| now.since(since) < REBIND_INTERVAL) {
                *place = Some(before);
                return Err(Refused::Collision);
            }
            self.0.remove(before.ssrc);
            if found.repair {
                stream.repair_reception = None;
            } else {
                stream.start_over();
            }
        }
        self.release(ssrc, streams, found);
        // There is room: every source has a place of its own.
        if self.0.insert(ssrc, found) { Ok(()) } else { Err(Refused::Unbound) }
    }

    /// Takes a source from where it was before.
    fn release(&mut self, ssrc: Ssrc, streams: &mut [Stream], but: Binding) {
        if self.get(ssrc).is_some_and(|binding| binding != but) {
            self.remove(ssrc, streams);
        }
    }

    /// A source has ended.
    pub(super) fn remove(&mut self, ssrc: Ssrc, streams: &mut [Stream]) -> Option<Binding> {
        let binding = self.get(ssrc)?;
        let stream = &mut streams[usize::from(binding.stream)];
        if binding.repair {
            stream.repair = None;
            stream.repair_reception = None;
        } else {
            stream.media = None;
            stream.start_over();
        }
        self.0.remove(ssrc);
        Some(binding)
    }

    /// Anew, from what streams have and from what the description names; that counts for more.
    pub(super) fn rebuild(&mut self, sections: &Sections, streams: &mut [Stream]) {
        for (ssrc, binding) in sections.declared() {
            let stream = &mut streams[usize::from(binding.stream)];
            let place = if binding.repair { &mut stream.repair } else { &mut stream.media };
            if place.is_some_and(|bound| bound.ssrc == ssrc) {
                continue;
            }
            let had_another = place.replace(Bound { ssrc, since: None }).is_some();
            if had_another && !binding.repair {
                stream.start_over();
            }
        }
        self.0.clear();
        for (stream, position) in streams.iter_mut().zip(0u16..) {
            for (place, repair) in [(&mut stream.media, false), (&mut stream.repair, true)] {
                let Some(bound) = *place else { continue };
                // A description that gives one source to two streams gives it to the first.
                let taken = self.0.get(bound.ssrc).is_some();
                if taken || !self.0.insert(bound.ssrc, Binding { stream: position, repair }) {
                    *place = None;
                }
            }
        }
    }
}
