//! The path of a packet.

use std::time::Duration;

use conclave_proto::SourceKind;

use super::Conference;
use crate::layers;
use crate::leg::{Current, SourceId, StreamId};
use crate::rtp::{Forward, LayerIndex, LegId, RtpPacket, SlotId, Time};
use crate::stream::{Incoming, Lane, Streams};

/// Least time between two rounds of decisions that a source's packets cause by themselves: a sender
/// that changes its mind with every packet is not worth more of them.
const CHANGE_INTERVAL: Duration = Duration::from_millis(50);

impl Conference {
    /// A leg received a packet. Returns what to send; a packet that is not to be trusted, or that
    /// nobody wants, gives nothing. Not more than 1,500 bytes of payload are accepted.
    pub fn handle_rtp(
        &mut self,
        now: Time,
        leg: LegId,
        source: SourceKind,
        layer: LayerIndex,
        packet: &RtpPacket<'_>,
    ) -> &[Forward] {
        let now = self.advance(now);
        self.forwards.clear();
        if let Some(lane) = Lane::new(source, layer)
            && let Some((incoming, source)) = self.receive(now, StreamId { leg: leg.0, lane }, packet)
        {
            if lane.kind().is_audio() {
                self.forward_audio(now, StreamId { leg: leg.0, lane }, source, &incoming);
            } else {
                self.forward_video(now, StreamId { leg: leg.0, lane }, source, &incoming);
            }
        }
        &self.forwards
    }

    /// Takes the packet in, and decides anew where it changes what there is to choose from; so a key
    /// frame that begins a stream is not missed by those who wait for one.
    fn receive(&mut self, now: Time, id: StreamId, packet: &RtpPacket<'_>) -> Option<(Incoming, SourceId)> {
        let kind = id.lane.kind();
        if !packet.codec.carries(kind) {
            return None;
        }
        let leg = self.legs.get_mut(id.leg)?;
        let person = self.people.get_mut(leg.person)?;
        let source_id = SourceId { person: leg.person, kind };
        let look = |streams: &Streams| (layers::live(kind, streams), streams[id.lane.index()].epoch());
        let before = look(&leg.streams);
        let incoming = leg.streams[id.lane.index()].receive(now, packet)?;
        let streams_changed = look(&leg.streams) != before;
        if !person.media.has(kind) {
            return None;
        }
        let number = leg.number;
        let source = person.source_mut(kind);
        let feed_changed = source.feed_from(now, id.leg, number);
        if kind.is_audio() {
            let begins = source.activity.packet(now, packet.audio_level, packet.voice_activity);
            if (feed_changed || begins) && may_change(now, &mut source.changed_at) {
                self.must_listen = true;
                self.settle(now);
            }
        } else if feed_changed || streams_changed {
            let at_once = may_change(now, &mut source.changed_at);
            self.allocate_viewers(source_id);
            if at_once {
                self.settle(now);
            }
        }
        Some((incoming, source_id))
    }

    fn forward_audio(&mut self, now: Time, id: StreamId, source: SourceId, packet: &Incoming) {
        let Some(source) = self.people.get(source.person).map(|person| person.source(source.kind)) else { return };
        if source.feed.is_none_or(|feed| feed.leg != id.leg) {
            return;
        }
        let here = Current { stream: id, epoch: packet.epoch };
        for (viewer, index) in &source.slots {
            let Some(slot) = self.legs.get_mut(*viewer).and_then(|leg| leg.audio.get_mut(usize::from(*index))) else {
                continue;
            };
            let Some(listening) = &mut slot.carries else { continue };
            let begins = listening.current != Some(here);
            if begins {
                if !packet.entry {
                    continue;
                }
                slot.rewriter.switch(now, packet);
                listening.current = Some(here);
            }
            if let Some(out) = slot.rewriter.map(now, packet) {
                self.forwards.push(Forward {
                    leg: LegId(*viewer),
                    slot: SlotId::Audio(*index),
                    codec: packet.codec,
                    sequence: out.sequence,
                    timestamp: out.timestamp,
                    // The first packet after silence is marked (RFC 3551 section 4.1).
                    marker: packet.marker || begins,
                    part: None,
                    patch: out.patch,
                    descriptor: None,
                });
            }
        }
    }

    fn forward_video(&mut self, now: Time, id: StreamId, source: SourceId, packet: &Incoming) {
        let Some(source) = self.people.get(source.person).map(|person| person.source(source.kind)) else { return };
        let here = Current { stream: id, epoch: packet.epoch };
        for (viewer, index) in &source.slots {
            let Some(leg) = self.legs.get_mut(*viewer) else { continue };
            let decodes = leg.decodes(packet.codec);
            let Some(slot) = leg.video.get_mut(usize::from(*index)) else { continue };
            let Some(showing) = &mut slot.carries else { continue };
            if showing.current != Some(here) {
                if showing.target != Some(id) || !packet.entry || !decodes {
                    continue;
                }
                slot.rewriter.switch(now, packet);
                showing.current = Some(here);
            }
            if let Some(out) = slot.rewriter.map(now, packet) {
                self.forwards.push(Forward {
                    leg: LegId(*viewer),
                    slot: SlotId::Video(*index),
                    codec: packet.codec,
                    sequence: out.sequence,
                    timestamp: out.timestamp,
                    marker: packet.marker,
                    part: None,
                    patch: out.patch,
                    descriptor: None,
                });
            }
        }
    }
}

fn may_change(now: Time, changed_at: &mut Option<Time>) -> bool {
    let allowed = changed_at.is_none_or(|at| now.since(at) >= CHANGE_INTERVAL);
    if allowed {
        *changed_at = Some(now);
    }
    allowed
}
