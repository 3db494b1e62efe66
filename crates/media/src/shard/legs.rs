//! The legs that a shard owns: what comes from their clients, what goes there, and what their rooms order.

use std::time::{Duration, Instant};

use conclave_qos::Ecn;
use conclave_rtp::srtp::Rejected;
use conclave_rtp::{NotTaken, Refused};
use conclave_turn::demux::DatagramKind;

use super::{Arrived, Blame, Handed, Message, Order, Shard, ShardId, Word};
use crate::counters::{Dropped, End};
use crate::datagram::Packet;
use crate::leg::{Admission, Due, Leg, RtpEvent};
use crate::paths::Path;
use crate::remote::Remote;
use crate::routes::{LegRef, Local};
use crate::shared::{Deadline, Shared};
use crate::webrtc::{Fault, Step, Transmit};

/// Connections are not woken more often than this while they are being made, when handshakes are repeated.
const GRAIN: Duration = Duration::from_millis(1);

/// And than this once they exist: the engine has nothing to do of its own then, and whatever comes from the client
/// wakes it.
const IDLE_GRAIN: Duration = Duration::from_secs(1);

/// Bytes that are sealed before they are sent: as many as stay in the nearest cache of usual processors, beside what
/// sealing itself needs there.
const SEALED_AT_ONCE: usize = 24 * 1_024;

/// How often what legs count is added up.
const COUNT: Duration = Duration::from_secs(1);

impl Shard {
    /// Owns a leg from now on.
    pub(super) fn own_leg(&mut self, leg: Box<Leg>) -> Local {
        let (key, ufrag) = (leg.name.key, leg.connection.ufrag().to_owned());
        let place = self.legs.insert(leg);
        let local = Local { place, key };
        self.leg_places.insert(key, place);
        if self.legs.len() == 1 {
            self.shared.timers.set(Deadline::Count, Some(self.shared.started + COUNT));
        }
        self.shared.routes.name(local, ufrag);
        self.touch_leg(place);
        local
    }

    /// The leg's client reaches another shard, and this one has heard nothing of it.
    pub(super) fn move_leg(&mut self, local: Local, to: ShardId, check: Box<Handed>) {
        let Some(mut leg) = self.disown(local) else { return };
        leg.is_dirty = false;
        self.moved.insert(leg.connection.ufrag().to_owned(), (leg.name, to));
        self.shared.links.tell(to, Message::Leg(leg, check));
    }

    /// Adds up what legs count, while there are any.
    pub(super) fn count_legs(&mut self, now: Instant) {
        for (place, leg) in self.legs.iter_mut() {
            self.blame = Some(Blame::Leg(place));
            self.shared.counters.repeats(leg.count());
        }
        let next = (self.legs.len() > 0).then_some(now + COUNT);
        self.shared.timers.set(Deadline::Count, next);
    }

    /// A leg comes, with the check that brought it.
    pub(super) fn leg_arrived(&mut self, now: Instant, leg: Box<Leg>, check: &Handed) {
        let (name, home) = (leg.name, leg.home);
        let local = self.own_leg(leg);
        let owner = self.shared.links.me;
        self.shared.links.tell(home, Message::Word(name, Word::Owned { owner, place: local.place }));
        self.take_check(now, owner, check);
    }

    /// Takes a connectivity check from a shard.
    pub(super) fn take_check(&mut self, now: Instant, via: ShardId, check: &Handed) {
        let Handed { source, to, at, ecn, ref contents, .. } = *check;
        if let crate::check::Stun::Check(check) = crate::check::read(contents) {
            self.receive_check(now, via, &check, &Packet { source, to, at, ecn, contents });
        }
    }

    fn disown(&mut self, local: Local) -> Option<Box<Leg>> {
        self.legs.get(local.place).filter(|leg| leg.name.key == local.key)?;
        let leg = self.legs.remove(local.place)?;
        self.leg_places.remove(&local.key);
        self.shared.wakeups.set(local.place, None);
        self.last_route = None;
        for remote in self.shared.routes.forget(local) {
            self.stream_used(self.shared.started, remote, false);
        }
        for (shard, remote) in &leg.abroad {
            self.shared.links.tell(*shard, Message::Unroute { remote: *remote, leg: leg.name });
        }
        Some(leg)
    }

    /// The place of a leg that is owned here.
    pub(super) fn place_of(&self, leg: LegRef) -> Option<u32> {
        self.leg_places.get(&leg.key).copied()
    }

    /// Something happened to a leg: it is drained at the end of the turn.
    pub(super) fn touch_leg(&mut self, place: u32) {
        if let Some(leg) = self.legs.get_mut(place) {
            leg.touch(place, &mut self.shared.dirty_legs);
        }
    }

    /// Judges a packet from a remote of a leg, and takes note of it. Returns whether it counts.
    fn admit(
        &mut self,
        now: Instant,
        place: u32,
        kind: DatagramKind,
        nominates: bool,
        path: Path,
        bytes: usize,
    ) -> bool {
        self.blame = Some(Blame::Leg(place));
        let Some(leg) = self.legs.get_mut(place) else { return false };
        let was_silent = leg.was_told_silent();
        match leg.admit(now, kind, bytes) {
            Admission::Pass => {}
            Admission::Drop(reason) => {
                self.shared.counters.dropped(reason, 1);
                return false;
            }
            Admission::Close => {
                self.end_leg(now, place, End::Flood);
                return false;
            }
        }
        let before = leg.paths.kind();
        match kind {
            DatagramKind::Stun => leg.paths.checked(now, path, nominates),
            _ => leg.paths.spoken(now, path),
        }
        self.shared.counters.moved(before, leg.paths.kind());
        if leg.follow_route(self.shared.time(now)) {
            self.shared.links.tell(leg.home, Message::Word(leg.name, Word::RouteChanged));
        }
        if was_silent {
            self.shared.links.tell(leg.home, Message::Word(leg.name, Word::Silent(false)));
        }
        true
    }

    /// Takes a genuine connectivity check.
    pub(super) fn leg_check(&mut self, now: Instant, place: u32, nominates: bool, packet: &Packet<'_>) {
        let path = Path { remote: packet.source, local: packet.to };
        if self.admit(now, place, DatagramKind::Stun, nominates, path, packet.contents.len()) {
            self.connection_packet(now, place, packet);
        }
    }

    pub(super) fn leg_dtls(&mut self, now: Instant, place: u32, packet: &Packet<'_>) {
        let path = Path { remote: packet.source, local: packet.to };
        if self.admit(now, place, DatagramKind::Dtls, false, path, packet.contents.len()) {
            self.connection_packet(now, place, packet);
        }
    }

    fn connection_packet(&mut self, now: Instant, place: u32, packet: &Packet<'_>) {
        let Some(leg) = self.legs.get_mut(place) else { return };
        match leg.connection.receive(packet) {
            // The engine wants to be drained before it gets anything else.
            Ok(()) => self.drain_connection(now, place),
            Err(fault) => self.end_leg(now, place, fault.into()),
        }
    }

    /// Takes out of a connection what is in it.
    fn drain_connection(&mut self, now: Instant, place: u32) {
        loop {
            let Some(leg) = self.legs.get_mut(place) else { return };
            match leg.connection.poll() {
                Ok(Step::Idle(at)) => {
                    leg.wake = at.max(now + if leg.connected { IDLE_GRAIN } else { GRAIN });
                    return self.touch_leg(place);
                }
                Ok(Step::Transmit(transmit)) => self.transmit(now, place, transmit),
                Ok(Step::Connected(keys)) => {
                    if leg.connect(&keys).is_err() {
                        return self.end_leg(now, place, End::Engine);
                    }
                    self.shared.counters.connected.increment(1);
                    let (home, name) = (leg.home, leg.name);
                    self.shared.links.tell(home, Message::Word(name, Word::Connected));
                }
                Ok(Step::Ended) => return self.end_leg(now, place, End::Ended),
                Err(fault) => return self.end_leg(now, place, fault.into()),
            }
        }
    }

    /// Sends a packet of a connection by the path that it belongs on.
    fn transmit(&mut self, now: Instant, place: u32, transmit: Transmit) {
        let Some(leg) = self.legs.get(place) else { return };
        let (path, contents) = match transmit {
            Transmit::Dtls(contents) => (leg.paths.chosen(), contents),
            Transmit::Answer { source, over, destination, contents } => {
                (leg.paths.remote(over, destination).map(|remote| Path { remote, local: source }), contents)
            }
        };
        match path {
            Some(path) => self.shared.transmit(now, path, contents),
            None => self.shared.counters.dropped(Dropped::NoPath, 1),
        }
    }

    /// Takes SRTP or SRTCP from a remote of a leg.
    pub(super) fn leg_media(
        &mut self,
        now: Instant,
        place: u32,
        path: Path,
        at: Instant,
        ecn: Ecn,
        contents: &mut [u8],
    ) {
        if !self.admit(now, place, DatagramKind::Media, false, path, contents.len()) {
            return;
        }
        let Some(leg) = self.legs.get_mut(place) else { return };
        #[cfg(test)]
        crate::fault::here(crate::fault::Point::Receives(leg.name.key));
        let (now, at) = (self.shared.time(now), self.shared.time(at));
        match leg.rtp.handle_marked_packet(now, at, ecn, contents) {
            Ok(Some(media)) => {
                let Some(head) = leg.plan.understand(&media) else {
                    return self.shared.counters.dropped(Dropped::Unknown, 1);
                };
                let (payload, descriptor) = (media.payload, media.descriptor);
                let packet = Arrived { from: leg.id, key: leg.name.key, head, payload, descriptor };
                let (room, home) = (leg.name.room, leg.home);
                // A gap is asked for at once, not when the leg is looked at next.
                leg.touch(place, &mut self.shared.dirty_legs);
                if home == self.shared.links.me {
                    self.shared.counters.arrived(at);
                    self.forward(now, room, &packet);
                } else {
                    self.media_batch(room).push(at, &packet);
                }
            }
            Ok(None) => leg.touch(place, &mut self.shared.dirty_legs),
            Err(reason) => {
                // What it was may have to be reported.
                leg.touch(place, &mut self.shared.dirty_legs);
                if let Some(dropped) = dropped(reason) {
                    self.shared.counters.dropped(dropped, 1);
                }
            }
        }
    }

    /// A remote is gone. The client of its leg, which knows it too, will choose another.
    pub(super) fn remote_lost(&mut self, remote: Remote) {
        let Some(local) = self.shared.routes.forget_remote(remote) else { return };
        self.last_route = None;
        if let Some(leg) = self.legs.get_mut(local.place) {
            let before = leg.paths.kind();
            leg.paths.forget(remote);
            self.shared.counters.moved(before, leg.paths.kind());
        }
    }

    /// A leg's time has come.
    pub(super) fn leg_due(&mut self, now: Instant, place: u32) {
        self.blame = Some(Blame::Leg(place));
        let Some(leg) = self.legs.get_mut(place) else { return };
        match leg.due(now, &self.shared.common.limits) {
            Some(Due::End(end)) => return self.end_leg(now, place, end),
            Some(Due::Silent) => {
                leg.silence_told();
                self.shared.links.tell(leg.home, Message::Word(leg.name, Word::Silent(true)));
            }
            Some(Due::Connection) => match leg.connection.advance(now) {
                Ok(()) => return self.drain_connection(now, place),
                Err(fault) => return self.end_leg(now, place, fault.into()),
            },
            None => {}
        }
        self.touch_leg(place);
    }

    /// Ends the turn for legs: what waits goes out as far as pacing lets it, events are told, and the next
    /// deadlines are known.
    pub(super) fn drain_legs(&mut self, now: Instant, send: &mut dyn FnMut(&mut Shared)) {
        let mut dirty = std::mem::take(&mut self.shared.dirty_legs);
        let mut sealed = SEALED_AT_ONCE;
        for place in dirty.drain(..) {
            self.contained(|shard| shard.drain_leg(now, place));
            if self.shared.arena.used() >= sealed {
                send(&mut self.shared);
                // Where the socket takes no more, it is not asked for each leg.
                sealed = self.shared.arena.used() + SEALED_AT_ONCE;
            }
        }
        // What was touched in between is drained in the next round.
        dirty.append(&mut self.shared.dirty_legs);
        self.shared.dirty_legs = dirty;
    }

    fn drain_leg(&mut self, now: Instant, place: u32) {
        self.blame = Some(Blame::Leg(place));
        let time = self.shared.time(now);
        let Some(leg) = self.legs.get_mut(place) else { return };
        leg.is_dirty = false;
        #[cfg(test)]
        crate::fault::here(crate::fault::Point::Sends(leg.name.key));
        if leg.connected {
            let from = self.shared.arena.len();
            leg.rtp.drain(time, &self.shared.stores, &mut self.shared.arena);
            let media = from..self.shared.arena.len();
            leg.rtp.write_rtcp(time, &mut self.shared.arena);
            let path = leg.paths.chosen();
            while let Some(event) = leg.poll_rtp() {
                let word = match event {
                    RtpEvent::KeyframeWanted(slot) => {
                        self.shared.counters.keyframes_in.increment(1);
                        Word::KeyframeWanted(slot)
                    }
                    RtpEvent::Report { source, layer, ntp, timestamp } => {
                        Word::Report { source, layer, ntp, timestamp }
                    }
                    RtpEvent::Estimate(estimate) => Word::Estimate(estimate),
                    RtpEvent::Copies(copies) => Word::Copies(copies),
                };
                self.shared.links.tell(leg.home, Message::Word(leg.name, word));
            }
            let is_udp = path.is_some_and(|path| matches!(path.remote, Remote::Udp(_)));
            let ecn = if is_udp && !media.is_empty() { leg.rtp.mark(time) } else { Ecn::NotEct };
            let all = from..self.shared.arena.len();
            match path {
                Some(path) if ecn == Ecn::NotEct => self.shared.transmit_sealed(now, path, ecn, all),
                Some(path) => {
                    let rest = media.end..all.end;
                    self.shared.transmit_sealed(now, path, ecn, media);
                    // RTCP is nothing that the controller could send less of.
                    self.shared.transmit_sealed(now, path, Ecn::NotEct, rest);
                }
                None => self.shared.counters.dropped(Dropped::NoPath, (self.shared.arena.len() - from) as u64),
            }
        }
        let deadline = leg
            .deadline(&self.shared.common.limits)
            .min(leg.rtp_due().map_or(leg.wake, |due| self.shared.grid(due.max(time + PACE))));
        self.shared.wakeups.set(place, Some(deadline));
    }

    /// Carries out what a room wants of a leg.
    pub(super) fn order(&mut self, now: Instant, name: LegRef, order: Order) {
        let Some(place) = self.place_of(name) else {
            if let Order::Negotiate(negotiation) = order {
                // Whoever asked may have gone, too.
                let _ = negotiation.reply.send(Err(crate::room::unavailable("the leg is gone")));
            }
            return;
        };
        self.blame = Some(Blame::Leg(place));
        let time = self.shared.time(now);
        let Some(leg) = self.legs.get_mut(place) else { return };
        match order {
            Order::Negotiate(mut negotiation) => {
                let answer = leg.negotiate(&negotiation.offer);
                if answer.is_ok() {
                    negotiation.config.decodes.retain(|codec| leg.plan.takes(*codec));
                    self.shared.routes.name(Local { place, key: name.key }, leg.connection.ufrag().to_owned());
                }
                self.shared.links.tell(leg.home, Message::Word(name, Word::Negotiated(negotiation, answer)));
                self.drain_connection(now, place);
            }
            Order::RequestKeyframe { source, layer } => {
                if leg.request_keyframe(time, source, layer) {
                    self.shared.counters.keyframes_out.increment(1);
                }
            }
            Order::Demand(demand) => leg.set_demand(time, demand),
            Order::Report { slot, ntp, timestamp } => leg.set_report(time, slot, ntp, timestamp),
            Order::Retire(at) => leg.retires = Some(at),
            Order::End(end) => return self.end_leg(now, place, end),
        }
        self.touch_leg(place);
    }

    /// Ends a leg; the client learns of it if it can still be reached.
    pub(super) fn end_leg(&mut self, now: Instant, place: u32, end: End) {
        let Some(leg) = self.legs.get_mut(place) else { return };
        if leg.connection.close().is_ok() {
            while let Some(leg) = self.legs.get_mut(place) {
                match leg.connection.poll() {
                    Ok(Step::Transmit(transmit)) => self.transmit(now, place, transmit),
                    Ok(Step::Connected(_) | Step::Ended) => {}
                    Ok(Step::Idle(_)) | Err(_) => break,
                }
            }
        }
        self.forget_leg(place, end);
    }

    /// A leg failed by a fault of the server.
    pub(super) fn condemn_leg(&mut self, place: u32) {
        tracing::error!("a leg failed and was closed");
        self.shared.counters.faults.increment(1);
        self.forget_leg(place, End::Panic);
    }

    fn forget_leg(&mut self, place: u32, end: End) {
        let Some(local) = self.legs.get(place).map(|leg| Local { place, key: leg.name.key }) else { return };
        let Some(mut leg) = self.disown(local) else { return };
        self.shared.counters.repeats(leg.count());
        self.shared.counters.moved(leg.paths.kind(), None);
        self.shared.counters.ended(end);
        tracing::debug!(room = leg.name.room.0, leg = leg.name.key, reason = end.label(), "leg ended");
        self.shared.links.tell(leg.home, Message::Word(leg.name, Word::Ended(end)));
        // Its parts may be in any state after a fault; if dropping them panics too, that is the end of it.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(leg)));
    }

    /// The batch of this turn for a room that is at home elsewhere.
    fn media_batch(&mut self, room: crate::RoomKey) -> &mut super::MediaBatch {
        let (spent, me) = (&mut self.spent_media, self.shared.links.me);
        self.media.entry(room).or_insert_with(|| match spent.take() {
            Some(mut batch) => {
                batch.reuse(room);
                batch
            }
            None => Box::new(super::MediaBatch::new(room, me)),
        })
    }
}

/// Under what a packet that came to nothing is counted; a repeated one that was not needed is nobody's loss.
fn dropped(reason: NotTaken) -> Option<Dropped> {
    match reason {
        NotTaken::NotConnected => Some(Dropped::Early),
        NotTaken::Rejected(Rejected::Malformed) | NotTaken::Refused(Refused::Malformed(_)) => Some(Dropped::Malformed),
        NotTaken::Rejected(Rejected::Replayed) => Some(Dropped::Replayed),
        NotTaken::Rejected(Rejected::Forged) => Some(Dropped::ForgedSrtp),
        NotTaken::Rejected(Rejected::TooManySources) => Some(Dropped::Streams),
        NotTaken::Refused(Refused::UnknownPayload | Refused::Unbound | Refused::Collision) => Some(Dropped::Unknown),
        NotTaken::Refused(Refused::Duplicate | Refused::TooOld) => None,
    }
}

/// A leg that is held up does not keep the thread busy: it is looked at again no sooner than this.
const PACE: Duration = Duration::from_micros(500);

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Failed => Self::Engine,
            Fault::Panicked => Self::Panic,
        }
    }
}
