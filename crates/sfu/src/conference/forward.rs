//! The path of a packet.

use std::time::Duration;

use conclave_proto::SourceKind;

use super::Conference;
use crate::dependency::Place;
use crate::held::Taken;
use crate::layers;
use crate::leg::{Current, SourceId, StreamId, select};
use crate::patch::{Descriptor, Patch};
use crate::rewriter::Rewritten;
use crate::rtp::{Codec, Forward, LayerIndex, LegId, RtpPacket, SlotId, SlotReport, Time, Timestamp};
use crate::selector::{Selector, Verdict};
use crate::stream::{Incoming, Lane, Streams};

/// Least time between two rounds of decisions that a source's packets cause by themselves: a sender
/// that changes its mind with every packet is not worth more of them.
const CHANGE_INTERVAL: Duration = Duration::from_millis(50);

/// A packet that was held until what was missing before it came ([`Conference::poll_held`]).
#[derive(Clone, Copy, Debug)]
pub struct HeldForwards<'a> {
    /// Its payload, as it came; it is of the same source and encoding as the packet that let it go.
    pub payload: &'a [u8],
    /// What to send of it, as of a packet that has just come.
    pub forwards: &'a [Forward],
}

/// What became of a packet of a picture, in all of its slots together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Found {
    /// A slot waits for a key frame of the stream.
    waits: bool,
    /// One has begun with a key frame whose beginning came late.
    entered_late: bool,
    /// A key frame was of no use to one that waits for it.
    missed: bool,
    /// One can go on only with a key frame.
    is_stuck: bool,
}

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
            let id = StreamId { leg: leg.0, lane };
            if lane.kind().is_audio() {
                for missing in self.restore(id, packet, &incoming).into_iter().flatten() {
                    self.forward_audio(now, id, source, &missing);
                }
                self.forward_audio(now, id, source, &incoming);
            } else if incoming.is_newest && !incoming.is_known() {
                self.hold(now, id, &incoming, packet);
            } else {
                if incoming.explains {
                    self.give_up_unread(now, id, source, incoming.sequence);
                }
                let found = self.forward_video(now, id, source, &incoming, packet.descriptor, false);
                self.follow_up(now, id, &incoming, packet, found);
            }
        }
        &self.forwards
    }

    /// What came before the packet that was given last and can be forwarded only now, because it was sent after it:
    /// call it after every [`Self::handle_rtp`] of a picture's packet, until it gives nothing.
    pub fn poll_held(&mut self, now: Time) -> Option<HeldForwards<'_>> {
        let id = self.replayed?;
        let now = self.advance(now);
        self.forwards.clear();
        let Some((taken, incoming)) = self.take_held(now, id) else {
            self.replayed = None;
            return None;
        };
        let person = self.legs.get(id.leg)?.person;
        let source = SourceId { person, kind: id.lane.kind() };
        let descriptor = taken.descriptor.as_ref().map(Descriptor::as_bytes);
        self.forward_video(now, id, source, &incoming, descriptor, true);
        let payload = self.legs.get(id.leg)?.streams[id.lane.index()].held.payload(&taken);
        Some(HeldForwards { payload, forwards: &self.forwards })
    }

    fn take_held(&mut self, now: Time, id: StreamId) -> Option<(Taken, Incoming)> {
        let stream = &mut self.legs.get_mut(id.leg)?.streams[id.lane.index()];
        let Some(taken) = stream.held.first() else {
            stream.held.clear();
            return None;
        };
        // If it waits for something else it stays where it is: what comes late before it waits with it.
        let incoming = stream.read_held(now, &taken)?;
        stream.held.pop();
        Some((taken, incoming))
    }

    /// Keeps a packet for when what is missing before it has come.
    fn hold(&mut self, now: Time, id: StreamId, incoming: &Incoming, packet: &RtpPacket<'_>) {
        let Some(leg) = self.legs.get_mut(id.leg) else { return };
        let stream = &mut leg.streams[id.lane.index()];
        // What could be read has gone to those who do not wait.
        let since = if incoming.is_known() { incoming.after_gap } else { stream.read_to };
        let since = since.unwrap_or(0);
        stream.held.push(now, incoming, packet, since);
        if !incoming.is_known() && !std::mem::replace(&mut stream.keyframes.is_watched, true) {
            self.awaited.push(id);
        }
    }

    /// What nobody can read that was sent before a new beginning is left out.
    fn give_up_unread(&mut self, now: Time, id: StreamId, source: SourceId, before: u64) {
        loop {
            let Some(leg) = self.legs.get_mut(id.leg) else { return };
            let held = &mut leg.streams[id.lane.index()].held;
            if held.next().is_none_or(|sequence| sequence > before) {
                return;
            }
            let Some(taken) = held.pop() else { return };
            if !taken.incoming.is_known() {
                self.forward_video(now, id, source, &taken.incoming, None, true);
            }
        }
    }

    /// Holds back what those who wait for a key frame need if its beginning still comes, lets it go when it came, and
    /// asks for another one where it was of no use.
    fn follow_up(&mut self, now: Time, id: StreamId, incoming: &Incoming, packet: &RtpPacket<'_>, found: Found) {
        let Some(leg) = self.legs.get_mut(id.leg) else { return };
        let stream = &mut leg.streams[id.lane.index()];
        if found == Found::default() && stream.held.is_empty() {
            return;
        }
        if found.missed {
            stream.keyframes.missed();
        }
        if found.entered_late || incoming.explains {
            stream.held.forget_to(incoming.sequence);
            self.replayed = Some(id);
        } else if found.waits {
            if incoming.after_gap.is_some() || !stream.held.is_empty() {
                self.hold(now, id, incoming, packet);
            }
        } else if stream.held.unread_since().is_none() {
            stream.held.clear();
        }
        if found.missed || found.is_stuck {
            self.watch_keyframes(now, id, true);
        }
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
            let heard = source.activity.packet(now, packet.audio_level, packet.voice_activity, packet.payload.len());
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

    /// The sounds that the server misses, and that this one brings along.
    fn restore(&mut self, id: StreamId, packet: &RtpPacket<'_>, incoming: &Incoming) -> [Option<Incoming>; 4] {
        let leg = self.legs.get_mut(id.leg);
        leg.map_or([None; 4], |leg| leg.streams[id.lane.index()].restore(packet, incoming))
    }

    fn forward_audio(&mut self, now: Time, id: StreamId, source: SourceId, packet: &Incoming) {
        let Some(source) = self.people.get(source.person).map(|person| person.source(source.kind)) else { return };
        if source.feed.is_none_or(|feed| feed.leg != id.leg) {
            return;
        }
        let here = Current { stream: id, epoch: packet.epoch };
        for (viewer, index) in &source.slots {
            let Some(leg) = self.legs.get_mut(*viewer) else { continue };
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
                self.forwards.push(Forward {
                    leg: LegId(*viewer),
                    slot: SlotId::Audio(*index),
                    codec: Codec::Opus,
                    sequence: out.sequence,
                    timestamp: out.timestamp,
                    // The first packet after silence is marked (RFC 3551 section 4.1).
                    marker: packet.marker || begins,
                    part: audible(packet),
                    patch: Patch::default(),
                    descriptor: None,
                });
            }
        }
    }

    /// `again`: it was held, and goes to those slots only that have got nothing from after it.
    fn forward_video(
        &mut self,
        now: Time,
        id: StreamId,
        source: SourceId,
        packet: &Incoming,
        descriptor: Option<&[u8]>,
        again: bool,
    ) -> Found {
        let mut found = Found::default();
        let Some(source) = self.people.get(source.person).map(|person| person.source(source.kind)) else {
            return found;
        };
        let is_entry = packet.entry
            && (packet.is_newest || self.stream(id).is_some_and(|stream| stream.held.covers(packet.sequence)));
        let here = Current { stream: id, epoch: packet.epoch };
        for (viewer, index) in &source.slots {
            let Some(leg) = self.legs.get_mut(*viewer) else { continue };
            let decodes = leg.decodes(packet.codec);
            let Some(slot) = leg.video.get_mut(usize::from(*index)) else { continue };
            let Some(showing) = &mut slot.carries else { continue };
            let target = showing.target.filter(|target| target.stream == id);
            let wanted = target.map(|target| target.level(packet.is_scalable));
            if let Some((before, selector)) = &mut showing.before
                && *before == here
                && (showing.current != Some(here) || slot.rewriter.is_before(packet.sequence))
                && slot.rewriter.completes(packet)
            {
                let verdict = select(selector.as_mut(), packet, None);
                let level = selector.as_ref().map_or(LayerIndex::HIGH, Selector::level);
                if let Some(out) = slot.rewriter.complete(now, packet, verdict.forward) {
                    let to = (LegId(*viewer), SlotId::Video(*index));
                    self.forwards.push(visible(to, packet, descriptor, verdict, level, out));
                }
                continue;
            }
            if showing.current != Some(here) {
                let Some(wanted) = wanted.filter(|_| decodes) else { continue };
                if !is_entry {
                    found.waits = true;
                    found.missed |= packet.entry;
                    continue;
                }
                found.entered_late |= !packet.is_newest;
                showing.end_current();
                slot.rewriter.switch(now, packet);
                showing.current = Some(here);
                let enter = |frame| Selector::enter(packet.sequence, packet.timestamp, frame, wanted);
                showing.selector = packet.frame.as_ref().map(enter);
            } else if again && !slot.rewriter.is_news(packet.sequence) {
                continue;
            }
            let verdict = select(showing.selector.as_mut(), packet, wanted);
            found.is_stuck |= verdict.is_stuck && wanted.is_some();
            if packet.entry
                && !packet.is_newest
                && let Some((selector, wanted)) = showing.selector.as_ref().zip(wanted)
            {
                found.missed |= selector.needs_switch(wanted);
            }
            let Some(out) = slot.rewriter.map(now, packet, verdict.forward) else { continue };
            let level = showing.selector.as_ref().map_or(LayerIndex::HIGH, Selector::level);
            let to = (LegId(*viewer), SlotId::Video(*index));
            self.forwards.push(visible(to, packet, descriptor, verdict, level, out));
        }
        found
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

/// What a receiver is sent of a picture, of which it has what a level needs.
fn visible(
    (leg, slot): (LegId, SlotId),
    packet: &Incoming,
    descriptor: Option<&[u8]>,
    verdict: Verdict,
    level: LayerIndex,
    out: Rewritten,
) -> Forward {
    let rewrite = |place: Place| place.rewrite(descriptor?, out.frame_number, out.template_shift, level);
    Forward {
        leg,
        slot,
        codec: packet.codec,
        sequence: out.sequence,
        timestamp: out.timestamp,
        marker: verdict.forward && (packet.marker || verdict.ends_picture),
        // What came late and is not wanted leaves no hole where its number was kept free.
        part: (!verdict.forward).then_some((0, 0)),
        patch: out.patch,
        descriptor: packet.dependency.filter(|_| verdict.forward).and_then(rewrite),
    }
}

/// What a receiver is sent of a sound: that of the packet's own time, however it came. What copies go with it, each leg's
/// sender decides by what is lost on its way.
///
/// This takes payloads apart. What browsers encrypt end to end they encrypt as a whole, copies and headers included: rooms
/// with that would have to offer no redundancy to those who send, so that payloads are plain Opus, which is copied
/// without being read.
fn audible(packet: &Incoming) -> Option<(u16, u16)> {
    packet.red.map(|red| (red.primary, red.length))
}

fn may_change(now: Time, changed_at: &mut Option<Time>) -> bool {
    let allowed = changed_at.is_none_or(|at| now.since(at) >= CHANGE_INTERVAL);
    if allowed {
        *changed_at = Some(now);
    }
    allowed
}
