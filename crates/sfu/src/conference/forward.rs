//! The path of a packet.

use std::time::Duration;

use conclave_proto::SourceKind;

use super::Conference;
use crate::dependency::Place;
use crate::layers;
use crate::leg::{Current, SourceId, StreamId};
use crate::patch::Patch;
use crate::rtp::{Codec, Forward, LayerIndex, LegId, RtpPacket, SlotId, SlotReport, Time, Timestamp};
use crate::selector::Selector;
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
                self.forward_video(now, StreamId { leg: leg.0, lane }, source, &incoming, packet.descriptor);
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
        let look = |streams: &Streams| {
            let stream = &streams[id.lane.index()];
            (layers::live(kind, streams), stream.epoch(), stream.is_scalable())
        };
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
            let heard = source.activity.packet(now, packet.audio_level, packet.voice_activity);
            let at_once = (feed_changed || heard.begins) && may_change(now, &mut source.changed_at);
            if feed_changed || heard.wakes {
                self.note_sound(source_id, heard);
            }
            if at_once {
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
            let Some(leg) = self.legs.get_mut(*viewer) else { continue };
            let red = leg.red;
            let Some(slot) = leg.audio.get_mut(usize::from(*index)) else { continue };
            let Some(listening) = &mut slot.carries else { continue };
            let begins = listening.current != Some(here);
            if begins {
                if !packet.entry {
                    continue;
                }
                slot.rewriter.switch(now, packet);
                listening.current = Some(here);
            }
            if let Some(out) = slot.rewriter.map(now, packet, true) {
                let (codec, part, patch) = audible(packet, red);
                self.forwards.push(Forward {
                    leg: LegId(*viewer),
                    slot: SlotId::Audio(*index),
                    codec,
                    sequence: out.sequence,
                    timestamp: out.timestamp,
                    // The first packet after silence is marked (RFC 3551 section 4.1).
                    marker: packet.marker || begins,
                    part,
                    patch,
                    descriptor: None,
                });
            }
        }
    }

    fn forward_video(
        &mut self,
        now: Time,
        id: StreamId,
        source: SourceId,
        packet: &Incoming,
        descriptor: Option<&[u8]>,
    ) {
        let Some(source) = self.people.get(source.person).map(|person| person.source(source.kind)) else { return };
        let here = Current { stream: id, epoch: packet.epoch };
        for (viewer, index) in &source.slots {
            let Some(leg) = self.legs.get_mut(*viewer) else { continue };
            let decodes = leg.decodes(packet.codec);
            let Some(slot) = leg.video.get_mut(usize::from(*index)) else { continue };
            let Some(showing) = &mut slot.carries else { continue };
            let target = showing.target.filter(|target| target.stream == id);
            let wanted = target.map(|target| target.level(packet.is_scalable));
            if showing.current != Some(here) {
                let Some(wanted) = wanted.filter(|_| packet.entry && decodes) else { continue };
                slot.rewriter.switch(now, packet);
                showing.current = Some(here);
                let enter = |frame| Selector::enter(packet.sequence, packet.timestamp, frame, wanted);
                showing.selector = packet.frame.as_ref().map(enter);
            }
            let verdict = showing.select(packet, wanted);
            let Some(out) = slot.rewriter.map(now, packet, verdict.forward) else { continue };
            let level = showing.selector.as_ref().map_or(LayerIndex::HIGH, Selector::level);
            let rewrite = |place: Place| place.rewrite(descriptor?, out.frame_number, out.template_shift, level);
            self.forwards.push(Forward {
                leg: LegId(*viewer),
                slot: SlotId::Video(*index),
                codec: packet.codec,
                sequence: out.sequence,
                timestamp: out.timestamp,
                marker: verdict.forward && (packet.marker || verdict.ends_picture),
                // What came late and is not wanted leaves no hole where its number was kept free.
                part: (!verdict.forward).then_some((0, 0)),
                patch: out.patch,
                descriptor: packet.dependency.filter(|_| verdict.forward).and_then(rewrite),
            });
        }
    }

    /// A leg received a sender report (RFC 3550 section 6.4.1) for a stream: its `ntp` time in the
    /// sender's clock and the RTP timestamp of the same moment. Returns what to report in the slots that
    /// carry the stream now.
    pub fn handle_sender_report(
        &mut self,
        now: Time,
        leg: LegId,
        source: SourceKind,
        layer: LayerIndex,
        ntp: u64,
        timestamp: u32,
    ) -> &[SlotReport] {
        self.advance(now);
        self.reports.clear();
        let person = self.legs.get(leg.0).and_then(|leg| self.people.get(leg.person));
        let (Some(lane), Some(person)) = (Lane::new(source, layer), person) else { return &self.reports };
        let stream = StreamId { leg: leg.0, lane };
        for (viewer, index) in &person.source(source).slots {
            let Some(to) = self.legs.get(*viewer) else { continue };
            let (slot, current, rewriter) = if source.is_audio() {
                let Some(slot) = to.audio.get(usize::from(*index)) else { continue };
                (SlotId::Audio(*index), slot.carries.as_ref().and_then(|carried| carried.current), &slot.rewriter)
            } else {
                let Some(slot) = to.video.get(usize::from(*index)) else { continue };
                (SlotId::Video(*index), slot.carries.as_ref().and_then(|carried| carried.current), &slot.rewriter)
            };
            if current.is_some_and(|current| current.stream == stream)
                && let Some(timestamp) = rewriter.map_timestamp(Timestamp(timestamp))
            {
                self.reports.push(SlotReport { leg: LegId(*viewer), slot, ntp, timestamp });
            }
        }
        &self.reports
    }
}

/// What a receiver is sent of a sound: all of it if it takes Opus with redundancy, by its own payload
/// type; else the sound of the packet's own time.
fn audible(packet: &Incoming, takes_red: Option<u8>) -> (Codec, Option<(u16, u16)>, Patch) {
    let Some(red) = packet.red else { return (packet.codec, None, Patch::default()) };
    match takes_red.and_then(|payload_type| red.translate(payload_type)) {
        Some(patch) => (Codec::OpusRed, None, patch),
        None => (Codec::Opus, Some((red.primary, red.length)), Patch::default()),
    }
}

fn may_change(now: Time, changed_at: &mut Option<Time>) -> bool {
    let allowed = changed_at.is_none_or(|at| now.since(at) >= CHANGE_INTERVAL);
    if allowed {
        *changed_at = Some(now);
    }
    allowed
}
