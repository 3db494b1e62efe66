//! What passes through a room: packets of its legs, time, and what the conference decides.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use conclave_sfu::{Output, RtpPacket, Timestamp};
use conclave_turn::demux::DatagramKind;

use crate::check::Check;
use crate::counters::{Dropped, End};
use crate::datagram::Packet;
use crate::event::MediaEvent;
use crate::leg::{Admission, Due, Leg};
use crate::paths::Path;
use crate::remote::Remote;
use crate::room::Room;
use crate::shared::{Deadline, Shared};
use crate::tally::{Arrived, CarriedTally};
use crate::webrtc::{NotSent, Received, SessionEvent, Step, Transmit};

/// The engine is not woken more often than this; its pacer sends what was due in between at once.
const GRAIN: Duration = Duration::from_millis(1);

/// Fixed part of an RTP header (RFC 3550, section 5.1).
const RTP_HEADER: usize = 12;

/// Settling can cause more to settle (a request for a key frame); what is still open after this many
/// rounds waits for the next turn.
const ROUNDS: usize = 4;

impl Room {
    /// Whether a connectivity check that names this leg was made with its password.
    pub(crate) fn vouches_for(&self, key: u64, check: &Check<'_>) -> bool {
        self.legs.get(&key).is_some_and(|leg| leg.session.vouches_for(check))
    }

    /// Takes a packet from a remote of a leg; a connectivity check is genuine.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        shared: &mut Shared,
        key: u64,
        kind: DatagramKind,
        nominates: bool,
        packet: &Packet<'_>,
    ) {
        let Some(leg) = self.legs.get_mut(&key) else { return };
        match leg.admit(now, kind, packet.contents) {
            Admission::Pass => {}
            Admission::Drop(reason) => return shared.counters.dropped(reason, 1),
            Admission::Close => return self.end(now, shared, key, End::Flood),
        }
        let before = leg.paths.kind();
        let path = Path { remote: packet.source, local: packet.to };
        match kind {
            DatagramKind::Stun => leg.paths.checked(now, path, nominates),
            _ => leg.paths.spoken(now, path),
        }
        shared.counters.moved(before, leg.paths.kind());
        match leg.session.receive(packet) {
            // The engine wants to be drained before it gets anything else.
            Ok(()) => self.drain(now, shared, key),
            Err(fault) => self.end(now, shared, key, fault.into()),
        }
    }

    /// A remote of a leg is gone. The client, which knows it too, will choose another.
    pub(crate) fn lost(&mut self, shared: &Shared, key: u64, remote: Remote) {
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let before = leg.paths.kind();
        leg.paths.forget(remote);
        shared.counters.moved(before, leg.paths.kind());
    }

    /// A leg's deadline has come.
    pub(crate) fn leg_due(&mut self, now: Instant, shared: &mut Shared, key: u64) {
        let Some(leg) = self.legs.get_mut(&key) else { return };
        match leg.due(now, &shared.limits) {
            Some(Due::End(end)) => return self.end(now, shared, key, end),
            Some(Due::Silent) => {
                leg.silence_told();
                let participant = leg.participant.clone();
                let heard = |leg: &Leg| leg.connected && !leg.is_silent(now, &shared.limits);
                if !self.legs_of(&participant).any(|(_, leg)| heard(leg)) {
                    shared.outbox.push(MediaEvent::Silent { room: self.key, participant });
                }
            }
            Some(Due::Session) | None => {}
        }
        self.dirty.insert(key);
    }

    /// The conference's deadline has come.
    pub(crate) fn conference_due(&mut self, now: Instant, shared: &Shared) {
        self.conference.handle_timeout(shared.time(now));
        for (key, leg) in &mut self.legs {
            if !leg.connected {
                continue;
            }
            if let Some(usable) = leg.probing.usable(now) {
                self.conference.handle_estimate(shared.time(now), leg.id, usable);
            }
            let Some(plan) = leg.probing.update(now, self.conference.demand(leg.id)) else { continue };
            match leg.session.probe(plan) {
                Ok(()) => {
                    self.dirty.insert(*key);
                }
                Err(fault) => self.ending.push((*key, fault.into())),
            }
        }
    }

    /// Ends a turn: what was queued goes out, what the conference decided is done, and the next
    /// deadlines are known.
    pub(crate) fn settle(&mut self, now: Instant, shared: &mut Shared) {
        let mut touched = BTreeSet::new();
        for _ in 0..ROUNDS {
            while let Some(output) = self.conference.poll_output() {
                self.act(shared, output);
            }
            for (key, end) in std::mem::take(&mut self.ending) {
                self.end(now, shared, key, end);
            }
            if self.dirty.is_empty() {
                break;
            }
            for key in std::mem::take(&mut self.dirty) {
                let Some(leg) = self.legs.get_mut(&key) else { continue };
                touched.insert(key);
                match leg.session.advance(now) {
                    Ok(()) => self.drain(now, shared, key),
                    Err(fault) => self.end(now, shared, key, fault.into()),
                }
            }
        }
        touched.extend(&self.dirty);
        for key in touched {
            let deadline = self.legs.get(&key).map(|leg| leg.deadline(&shared.limits));
            shared.timers.set(Deadline::Leg(self.leg_ref(key)), deadline);
        }
        let conference = self.conference.poll_timeout().map(|time| shared.instant(time).max(now + GRAIN));
        shared.timers.set(Deadline::Conference(self.key), conference);
    }

    /// Takes out of a session what is in it.
    fn drain(&mut self, now: Instant, shared: &mut Shared, key: u64) {
        loop {
            let Some(leg) = self.legs.get_mut(&key) else { return };
            match leg.session.poll() {
                Ok(Step::Idle(at)) => {
                    leg.wake = at.max(now + GRAIN);
                    let deadline = leg.deadline(&shared.limits);
                    shared.timers.set(Deadline::Leg(self.leg_ref(key)), Some(deadline));
                    return;
                }
                Ok(Step::Transmit(transmit)) => send(now, shared, leg, transmit),
                Ok(Step::Event(event)) => self.happened(now, shared, key, event),
                Err(fault) => return self.end(now, shared, key, fault.into()),
            }
        }
    }

    fn happened(&mut self, now: Instant, shared: &mut Shared, key: u64, event: SessionEvent) {
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let time = shared.time(now);
        match event {
            SessionEvent::Connected => self.connected(now, shared, key),
            SessionEvent::Ended => self.end(now, shared, key, End::Ended),
            SessionEvent::Received(packet) => self.forward(now, shared, key, &packet),
            SessionEvent::KeyframeWanted(slot) => {
                shared.counters.keyframes_in.increment(1);
                self.conference.handle_keyframe_request(time, leg.id, slot);
            }
            SessionEvent::Estimate(estimate) => {
                leg.probing.handle_estimate(estimate);
                if let Some(usable) = leg.probing.usable(now) {
                    self.conference.handle_estimate(time, leg.id, usable);
                }
            }
            SessionEvent::Counted { nacks_sent, nacks_received, loss, report } => {
                shared.counters.nacks_out.increment(nacks_sent);
                shared.counters.nacks_in.increment(nacks_received);
                if let Some(loss) = loss {
                    leg.probing.handle_loss(now, loss);
                }
                if let Some(report) = report {
                    leg.tally.reported(report.slot, report.lost, report.jitter);
                    leg.tally.round_trip = report.round_trip.or(leg.tally.round_trip);
                }
            }
        }
    }

    fn connected(&mut self, now: Instant, shared: &mut Shared, key: u64) {
        let Some(leg) = self.legs.get_mut(&key) else { return };
        leg.connected = true;
        let (id, participant, number) = (leg.id, leg.participant.clone(), leg.number);
        self.conference.handle_connected(shared.time(now), id);
        shared.counters.connected.increment(1);
        tracing::debug!(room = self.key.0, leg = key, "leg connected");
        let retires = now + shared.limits.handover;
        for (other, leg) in &mut self.legs {
            if leg.participant == participant && leg.number < number && leg.retires.is_none() {
                leg.retires = Some(retires);
                self.dirty.insert(*other);
            }
        }
        shared.outbox.push(MediaEvent::Connected { room: self.key, participant, leg: number });
    }

    fn forward(&mut self, now: Instant, shared: &mut Shared, key: u64, packet: &Received) {
        let Some(leg) = self.legs.get_mut(&key) else { return };
        let bytes = RTP_HEADER + packet.payload.len();
        leg.tally.arrived(
            packet.source,
            packet.layer,
            Arrived {
                at: packet.at,
                codec: packet.codec,
                sequence: packet.sequence,
                timestamp: packet.timestamp,
                bytes,
            },
        );
        let carried =
            CarriedTally { leg: key, source: packet.source, layer: packet.layer, codec: packet.codec, at: now };
        let rtp = RtpPacket {
            sequence: packet.sequence,
            timestamp: Timestamp(packet.timestamp),
            marker: packet.marker,
            codec: packet.codec,
            payload: &packet.payload,
            audio_level: packet.audio_level,
            voice_activity: packet.voice_activity,
            descriptor: None,
        };
        let time = shared.time(now);
        for forward in self.conference.handle_rtp(time, leg.id, packet.source, packet.layer, &rtp) {
            let Some(to) = self.by_id.get(&forward.leg) else { continue };
            let Some(leg) = self.legs.get_mut(to) else { continue };
            match leg.session.send(forward, packet) {
                Ok(()) => {
                    shared.counters.forwarded();
                    leg.tally.sent(forward.slot, bytes, carried);
                    self.dirty.insert(*to);
                }
                Err(NotSent::Overfull) => shared.counters.dropped(Dropped::Backlog, 1),
                Err(NotSent::NoCodec | NotSent::BadRewrite) => shared.counters.dropped(Dropped::Unsendable, 1),
                Err(NotSent::Fault(fault)) => self.ending.push((*to, fault.into())),
            }
        }
    }

    fn act(&mut self, shared: &mut Shared, output: Output) {
        let room = self.key;
        match output {
            Output::RequestKeyframe { leg, source, layer } => {
                let Some(key) = self.by_id.get(&leg) else { return };
                let Some(leg) = self.legs.get_mut(key) else { return };
                match leg.session.request_keyframe(source, layer) {
                    Ok(true) => {
                        shared.counters.keyframes_out.increment(1);
                        self.dirty.insert(*key);
                    }
                    Ok(false) => {}
                    Err(fault) => self.ending.push((*key, fault.into())),
                }
            }
            Output::SlotsChanged { participant, slots, .. } => {
                shared.outbox.push(MediaEvent::Slots { room, participant, slots });
            }
            Output::Speakers(speakers) => shared.outbox.push(MediaEvent::Speakers { room, speakers }),
            Output::PublishWish { participant, wish } => {
                shared.outbox.push(MediaEvent::PublishWish { room, participant, wish });
            }
        }
    }
}

/// Sends a packet of a leg by the path that it belongs on.
pub(super) fn send(now: Instant, shared: &mut Shared, leg: &Leg, transmit: Transmit) {
    let (path, contents) = match transmit {
        Transmit::Media(contents) => (leg.paths.chosen(), contents),
        Transmit::Answer { source, over, destination, contents } => {
            (leg.paths.remote(over, destination).map(|remote| Path { remote, local: source }), contents)
        }
    };
    match path {
        Some(path) => shared.transmit(now, path, contents),
        None => shared.counters.dropped(Dropped::NoPath, 1),
    }
}
