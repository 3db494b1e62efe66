//! Sending: what leaves in one turn.

use std::time::Duration;

use conclave_qos::{ProbeId, SentPacket, Time, Turn};

use super::compose::{self, Numbers, Sealed};
use super::config::Parity;
use super::copies::Sound;
use super::outgoing::{Descriptor, Packet};
use super::parity::Ready;
use super::red::Red;
use super::{Sender, earliest};
use crate::srtp::Outbound;
use crate::{Arena, Payloads, Ssrc};

/// At most so many paced packets leave in one turn, so that one leg cannot hold up a shard.
const MOST_IN_A_TURN: usize = 512;
/// Padding is made of repeated packets if at least so many bytes are wanted, otherwise of nothing but padding.
const WORTH_REPEATING: u32 = 200;
/// So many of the latest packets are repeated in turn.
const REPEATED: u64 = 16;

/// What the packets of one turn have in common.
struct Out<'a, P> {
    now: Time,
    send_time: u32,
    payloads: &'a P,
    srtp: &'a mut Outbound,
    arena: &'a mut Arena,
}

/// Whether anything was put into the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Yes,
    No,
}

impl Sender {
    /// Seals what may leave now into the arena, one packet behind the other: audio, retransmissions, parity, video,
    /// padding.
    ///
    /// Packets whose payload is gone are dropped and counted.
    pub fn drain(&mut self, now: Time, payloads: &impl Payloads, srtp: &mut Outbound, arena: &mut Arena) {
        self.queue.pause(self.wake.map_or(Duration::ZERO, |wake| now.since(wake)));
        self.handle_timeout(now);
        let mut out = Out { now, send_time: compose::send_time(now), payloads, srtp, arena };
        while let Some(waiting) = self.queue.pop_audio() {
            if waiting.is_overdue(now) {
                self.drop_audio(waiting.packet.slot);
            } else {
                self.send_media(&mut out, &waiting.packet, None, None);
            }
        }
        self.wake = self.send_paced(&mut out);
        self.apply_control(now);
        self.pass_on_keyframe_requests(now);
    }

    /// Returns when to go on.
    fn send_paced(&mut self, out: &mut Out<'_, impl Payloads>) -> Option<Time> {
        for _ in 0..MOST_IN_A_TURN {
            self.drop_overdue(out.now);
            match self.pacer.poll(out.now, self.paced()) {
                Turn::Wait(until) => return until,
                Turn::Media(probe) => self.send_next(out, probe),
                Turn::Padding { bytes, probe } => {
                    if self.send_padding(out, bytes, probe) == Sent::No {
                        // There is nothing to pad with: the pacer is asked again when there is something to send.
                        return None;
                    }
                }
            }
        }
        Some(out.now)
    }

    pub(super) fn drop_audio(&mut self, slot: u16) {
        if let Some(slot) = self.slots.get_mut(usize::from(slot)) {
            slot.counters.dropped += 1;
            slot.counters.late += 1;
        }
    }

    /// Drops whole frames that have waited too long; what was begun is finished.
    fn drop_overdue(&mut self, now: Time) {
        while let Some(&Packet { slot, timestamp, .. }) = self.queue.overdue(now) {
            let Some(slot) = self.slots.get_mut(usize::from(slot)) else { break };
            if slot.is_unfinished(timestamp) {
                break;
            }
            slot.counters.dropped += 1;
            slot.counters.late += 1;
            slot.keyframes.request();
            self.keyframes_due = earliest(self.keyframes_due, slot.keyframes.due());
            self.queue.drop_video();
        }
    }

    fn send_next(&mut self, out: &mut Out<'_, impl Payloads>, probe: Option<ProbeId>) {
        if let Some(waiting) = self.retransmissions.pop() {
            let Some(slot) = self.slots.get_mut(usize::from(waiting.slot)) else { return };
            match slot.sent.take(out.now, waiting.sequence) {
                Some(again) => {
                    let packet = Packet { slot: waiting.slot, ..again.packet };
                    if let Some(length) = self.send_again(out, &packet, again.descriptor.as_ref(), probe, true)
                        && let Some(slot) = self.slots.get_mut(usize::from(waiting.slot))
                    {
                        slot.counters.retransmitted_packets += 1;
                        slot.counters.retransmitted_bytes += length;
                    }
                }
                None => slot.counters.gone += 1,
            }
        } else if self.send_parity(out, probe) == Sent::Yes {
            // Before the next frame, in whose numbers it would stand otherwise.
        } else if let Some(waiting) = self.queue.pop_video() {
            let descriptor = self.queue.pop_descriptor(waiting.descriptor);
            self.send_media(out, &waiting.packet, descriptor.as_ref(), probe);
        }
    }

    fn send_media(
        &mut self,
        out: &mut Out<'_, impl Payloads>,
        packet: &Packet,
        descriptor: Option<&Descriptor>,
        probe: Option<ProbeId>,
    ) {
        let Some(slot) = self.slots.get_mut(usize::from(packet.slot)) else { return };
        let payload = out.payloads.payload(packet.payload).and_then(|payload| compose::part_of(payload, packet));
        let (Some(payload), Some(&negotiated)) = (payload, slot.payload(packet.payload_type)) else {
            slot.counters.dropped += 1;
            if !slot.config.is_audio {
                slot.keyframes.request();
                self.keyframes_due = earliest(self.keyframes_due, slot.keyframes.due());
            }
            return;
        };
        let queued_as = packet.sequence;
        let Some(sequence) = slot.shift.wire(queued_as) else {
            slot.counters.dropped += 1;
            slot.counters.late += 1;
            return;
        };
        let packet = &Packet { sequence, ..*packet };
        let is_named = slot.begin(packet);
        // Of padding there are no copies.
        let carrier = slot.carrier_of(packet.payload_type).filter(|_| !payload.is_empty());
        let copies = carrier.and_then(|_| {
            let Packet { sequence, timestamp, payload: reference, part, .. } = *packet;
            let sound = Sound { sequence, timestamp, payload: reference, part };
            slot.redundancy(self.copies.chosen(), sound, packet.payload_type, payload.len(), out.payloads)
        });
        let added = copies.as_ref().map_or(0, Red::added);
        let parity = self.protection.as_ref().and_then(|_| slot.protects(packet, payload, descriptor));
        let is_on = parity.is_some() && self.protection.as_ref().is_some_and(|protection| protection.is_on());
        let red = parity.and_then(Parity::red).filter(|_| is_on);
        let numbers = Numbers {
            ssrc: slot.config.ssrc,
            payload_type: carrier.filter(|_| copies.is_some()).or(red).unwrap_or(packet.payload_type),
            index: packet.sequence,
            transport_sequence: self.history.next_sequence(),
            send_time: out.send_time,
            mid: slot.config.mid.as_deref().filter(|_| is_named),
        };
        let identity = numbers.identity();
        let body =
            compose::Body { payload, packet, descriptor, red: copies.as_ref(), repeats: false, in_red: red.is_some() };
        let Ok(sealed) = compose::media(out.arena.begin(), slot, &body, numbers, out.srtp) else {
            self.faults += 1;
            slot.counters.dropped += 1;
            return;
        };
        slot.shift.handle_sent(queued_as);
        if let Some(parity) = parity
            && let Some(protection) = &mut self.protection
        {
            if is_on {
                let write = |out: &mut [u8]| compose::protected(out, slot, &body, numbers);
                protection.keep(packet.slot, packet.sequence, parity, write);
            }
            protection.handle_sent(packet.slot, packet.timestamp, packet.marker, parity);
        }
        let rtx = negotiated.rtx.filter(|_| slot.config.rtx.is_some());
        if rtx.is_some() {
            // Shorter than a packet.
            slot.sent.insert(out.now, packet, payload.len() as u16, descriptor);
        }
        slot.finish(packet, rtx);
        slot.counters.packets += 1;
        slot.counters.bytes += sealed.plain as u64;
        slot.counters.copies += copies.as_ref().map_or(0, |copies| copies.count() as u64);
        slot.octets += (added + payload.len()) as u64;
        slot.clock.handle_sent(out.now, packet.timestamp, negotiated.clock_rate);
        if slot.clock.due.is_none() {
            slot.clock.due = Some(out.now);
            self.reports_due = earliest(self.reports_due, Some(out.now));
        }
        let is_numbered = slot.is_numbered(self.by_source);
        if carrier.is_some() {
            let size = (sealed.length - added) as u32 + self.config.overhead;
            self.copies.handle_sent(size, payload.len());
            if is_numbered {
                self.copies.expect(out.now, self.history.next_sequence(), packet.slot);
            }
        }
        if rtx.is_some() && is_numbered && !slot.config.is_audio {
            self.padding_slot = Some(packet.slot);
        }
        self.account(out, sealed, is_numbered.then_some(identity), probe, true);
    }

    /// Sends the parity that is next, if there is any.
    fn send_parity(&mut self, out: &mut Out<'_, impl Payloads>, probe: Option<ProbeId>) -> Sent {
        let Some(ready) = self.protection.as_mut().and_then(|protection| protection.pop()) else { return Sent::No };
        let is_sent = self.seal_parity(out, &ready, probe);
        if let Some(protection) = &mut self.protection {
            protection.give_back(ready.payload);
        }
        if is_sent.is_none() {
            self.faults += 1;
        }
        Sent::Yes
    }

    fn seal_parity(&mut self, out: &mut Out<'_, impl Payloads>, ready: &Ready, probe: Option<ProbeId>) -> Option<()> {
        let slot = self.slots.get_mut(usize::from(ready.slot))?;
        let (ssrc, payload_type, index, in_red) = match slot.config.parity? {
            Parity::Flexfec { ssrc, payload_type } => (ssrc, payload_type, slot.take_parity(), None),
            Parity::Ulpfec { red, payload_type, .. } => {
                (slot.config.ssrc, red, slot.shift.put_in(), Some(payload_type))
            }
        };
        let numbers = Numbers {
            ssrc,
            payload_type,
            index,
            transport_sequence: self.history.next_sequence(),
            send_time: out.send_time,
            mid: if slot.is_bound { None } else { slot.config.mid.as_deref() },
        };
        let identity = numbers.identity();
        let sealed = compose::parity(out.arena.begin(), slot, ready, in_red, numbers, out.srtp).ok()?;
        slot.counters.parity_packets += 1;
        slot.counters.parity_bytes += sealed.plain as u64;
        let is_numbered = slot.is_numbered(self.by_source);
        self.account(out, sealed, is_numbered.then_some(identity), probe, true);
        Some(())
    }

    /// Sends a packet on its slot's source of retransmissions. Returns its length, header and payload.
    fn send_again(
        &mut self,
        out: &mut Out<'_, impl Payloads>,
        packet: &Packet,
        descriptor: Option<&Descriptor>,
        probe: Option<ProbeId>,
        is_media: bool,
    ) -> Option<u64> {
        let slot = self.slots.get_mut(usize::from(packet.slot))?;
        let payload = out.payloads.payload(packet.payload).and_then(|payload| compose::part_of(payload, packet));
        let (Some(payload), Some(ssrc)) = (payload, slot.config.rtx) else {
            slot.counters.gone += u64::from(is_media);
            return None;
        };
        let payload_type = slot.payload(packet.payload_type)?.rtx?;
        let index = slot.take_rtx();
        let numbers = Numbers {
            ssrc,
            payload_type,
            index,
            transport_sequence: self.history.next_sequence(),
            send_time: out.send_time,
            mid: slot.rtx_mid(),
        };
        let identity = numbers.identity();
        let body = compose::Body { payload, packet, descriptor, red: None, repeats: true, in_red: false };
        let Ok(sealed) = compose::media(out.arena.begin(), slot, &body, numbers, out.srtp) else {
            self.faults += 1;
            return None;
        };
        let is_numbered = slot.is_numbered(self.by_source);
        self.account(out, sealed, is_numbered.then_some(identity), probe, is_media);
        Some(sealed.plain as u64)
    }

    fn send_padding(&mut self, out: &mut Out<'_, impl Payloads>, bytes: u32, probe: Option<ProbeId>) -> Sent {
        let Some(place) = self.padding_slot else { return Sent::No };
        if bytes >= WORTH_REPEATING
            && let Some(length) = self.repeat_recent(out, place, probe)
        {
            return self.padded(place, length);
        }
        let Some(slot) = self.slots.get_mut(usize::from(place)) else { return Sent::No };
        let (Some(ssrc), Some(payload_type)) = (slot.config.rtx, slot.padding_type()) else { return Sent::No };
        let index = slot.take_rtx();
        let numbers = Numbers {
            ssrc,
            payload_type,
            index,
            transport_sequence: self.history.next_sequence(),
            send_time: out.send_time,
            mid: slot.rtx_mid(),
        };
        let identity = numbers.identity();
        let Ok(sealed) = compose::padding(out.arena.begin(), slot, bytes, numbers, out.srtp) else {
            self.faults += 1;
            return Sent::No;
        };
        let is_numbered = slot.is_numbered(self.by_source);
        self.account(out, sealed, is_numbered.then_some(identity), probe, false);
        self.padded(place, sealed.plain as u64)
    }

    /// Repeats one of the latest packets: to the receiver it is worth more than padding.
    fn repeat_recent(&mut self, out: &mut Out<'_, impl Payloads>, place: u16, probe: Option<ProbeId>) -> Option<u64> {
        let back = self.padding_next % REPEATED;
        self.padding_next += 1;
        let again = self.slots.get(usize::from(place))?.sent.recent(back)?;
        let packet = Packet { slot: place, ..again.packet };
        self.send_again(out, &packet, again.descriptor.as_ref(), probe, false)
    }

    fn padded(&mut self, place: u16, length: u64) -> Sent {
        if let Some(slot) = self.slots.get_mut(usize::from(place)) {
            slot.counters.padding_bytes += length;
        }
        Sent::Yes
    }

    /// A sealed packet leaves. Its identity is told if feedback may speak of it.
    fn account(
        &mut self,
        out: &mut Out<'_, impl Payloads>,
        sealed: Sealed,
        identity: Option<(Ssrc, u16)>,
        probe: Option<ProbeId>,
        is_media: bool,
    ) {
        out.arena.commit(sealed.length);
        // A datagram's length and what the path adds to it.
        let size = sealed.length as u32 + self.config.overhead;
        let sent = SentPacket { at: out.now, size, probe, is_media };
        if let Some((ssrc, sequence)) = identity {
            let number = self.history.record(sent);
            if self.by_source {
                self.acknowledgements.record(ssrc, sequence, number);
            }
            self.controller.handle_sent(&sent);
            self.feedback.since.get_or_insert(out.now);
        }
        self.pacer.handle_sent(&sent);
    }
}
