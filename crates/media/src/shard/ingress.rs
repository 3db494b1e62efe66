//! What arrives, told apart, and given to whom it belongs: legs, the TURN server, other shards, or nobody.

use std::time::Instant;

use conclave_qos::Ecn;
use conclave_turn::demux::{DatagramKind, classify, quic_version_negotiation};
use conclave_turn::{Client, StreamId, is_relayed};

use super::{Blame, Handed, Message, Shard, ShardId};
use crate::check::{self, Check, Stun};
use crate::counters::Dropped;
use crate::datagram::{Datagram, Packet};
use crate::paths::Path;
use crate::remote::Remote;
use crate::routes::{LegRef, Local};
use crate::shared::{Deadline, Relayed};
use crate::stream::{Arrival, Packets, Stream, StreamKind};

/// Streams looked at in one turn, at [64 KiB](crate::stream) each at most.
const STREAMS_PER_TURN: usize = 64;

/// Remotes of other shards' legs that are remembered; each was told by the leg's owner.
const MOST_FOREIGN: usize = 65_536;

impl Shard {
    /// Takes a datagram from the socket.
    pub(crate) fn receive(&mut self, now: Instant, datagram: Datagram<'_>) {
        self.contained(|shard| {
            shard.take_datagram(now, datagram);
            shard.take_relayed(now);
        });
    }

    fn take_datagram(&mut self, now: Instant, datagram: Datagram<'_>) {
        let Datagram { source, local, at, ecn, contents } = datagram;
        self.shared.counters.packet_in(contents.len());
        if is_relayed(source.ip()) {
            return self.shared.counters.dropped(Dropped::ForgedRelay, 1);
        }
        if let Some(local) = local {
            self.shared.arrived_at(local);
        }
        let remote = Remote::Udp(source);
        match classify(contents) {
            DatagramKind::Media => {
                let to = self.shared.addressed(source, local);
                self.receive_media(now, remote, to, at, ecn, contents);
            }
            DatagramKind::Stun => match check::read(contents) {
                Stun::Check(check) => {
                    let to = self.shared.addressed(source, local);
                    self.receive_check(
                        now,
                        self.shared.links.me,
                        &check,
                        &Packet { source: remote, to, at, ecn, contents },
                    );
                }
                // Whoever asks by UDP may be forged: the TURN server bounds what is answered.
                Stun::Binding(_) | Stun::Other => {
                    self.receive_turn(now, Client::Udp { remote: source, local }, contents);
                }
            },
            DatagramKind::ChannelData => self.receive_turn(now, Client::Udp { remote: source, local }, contents),
            DatagramKind::Quic => {
                self.shared.counters.dropped(Dropped::Quic, 1);
                if let Some(refusal) = quic_version_negotiation(contents)
                    && self.quic_refusals.admit(now)
                {
                    self.shared.datagram(source, local, refusal);
                }
            }
            DatagramKind::Dtls => {
                let to = self.shared.addressed(source, local);
                self.receive_dtls(now, &Packet { source: remote, to, at, ecn, contents });
            }
            DatagramKind::Other => self.shared.counters.dropped(Dropped::Alien, 1),
        }
    }

    /// Looks at streams that have something; who is left over is looked at in the next turn.
    pub(crate) fn receive_streams(&mut self, now: Instant) {
        let mut packets = std::mem::take(&mut self.packets);
        for _ in 0..STREAMS_PER_TURN {
            let next = self.shared.front.as_mut().and_then(|front| front.streams.next(&mut packets));
            let Some(arrival) = next else {
                self.packets = packets;
                return;
            };
            self.contained(|shard| shard.receive_stream(now, &arrival, &packets));
        }
        self.packets = packets;
    }

    fn receive_stream(&mut self, now: Instant, arrival: &Arrival, packets: &Packets) {
        let Arrival { stream, is_new, has_closed } = arrival;
        match (*is_new, *has_closed) {
            // It came and went between two turns, or is one that the plane has closed itself.
            (true, true) => return,
            (true, false) => {
                let due = now + self.shared.common.limits.stream_start;
                self.shared.timers.set(Deadline::Stream(stream.id), Some(due));
                if let (StreamKind::Turn { .. }, Some(front)) = (stream.kind, &mut self.shared.front) {
                    front.relay.stream_opened(now, stream.id);
                }
            }
            (false, _) => {}
        }
        for contents in packets.iter() {
            self.shared.counters.packet_in(contents.len());
            match stream.kind {
                StreamKind::Turn { .. } => {
                    let client = Client::Stream { id: stream.id, remote: stream.remote };
                    self.receive_turn(now, client, contents);
                }
                StreamKind::IceTcp => {
                    let source = Remote::Stream(stream.id, stream.remote);
                    let to = self.shared.addressed(stream.remote, stream.local);
                    self.receive_ice(now, &Packet { source, to, at: now, ecn: Ecn::NotEct, contents });
                }
            }
            self.take_relayed(now);
        }
        if *has_closed {
            self.stream_closed(now, stream);
        }
    }

    /// The stream was closed by whoever has the connection.
    fn stream_closed(&mut self, now: Instant, stream: &Stream) {
        self.shared.timers.set(Deadline::Stream(stream.id), None);
        match stream.kind {
            StreamKind::Turn { .. } => {
                if let Some(front) = &mut self.shared.front {
                    front.relay.stream_closed(now, stream.id);
                }
                self.shared.empty_relay();
            }
            StreamKind::IceTcp => {
                let remote = Remote::Stream(stream.id, stream.remote);
                if let Some((leg, owner)) = self.foreign.remove(&remote) {
                    self.shared.links.tell(owner, Message::StreamLost { remote, leg });
                }
                self.remote_lost(remote);
            }
        }
    }

    /// A stream was of no use for too long.
    pub(super) fn stream_due(&mut self, now: Instant, id: StreamId) {
        let stream = self.shared.front.as_ref().and_then(|front| front.streams.get(id).cloned());
        if let Some(stream) = stream {
            self.shared.close_stream(id);
            self.stream_closed(now, &stream);
        }
    }

    /// Takes what relays have for the SFU. It cannot cause more of it.
    pub(super) fn take_relayed(&mut self, now: Instant) {
        while let Some(Relayed { from, to, payload }) = self.shared.relayed.pop_front() {
            self.receive_ice(
                now,
                &Packet { source: Remote::Relay(from), to, at: now, ecn: Ecn::NotEct, contents: &payload },
            );
        }
    }

    /// Takes a packet of somebody who is where they say: from an ICE-TCP connection or a relay.
    fn receive_ice(&mut self, now: Instant, packet: &Packet<'_>) {
        match classify(packet.contents) {
            DatagramKind::Stun => match check::read(packet.contents) {
                Stun::Check(check) => self.receive_check(now, self.shared.links.me, &check, packet),
                Stun::Binding(request) => {
                    let answer = check::answer(&request, packet.source.address());
                    self.shared.transmit(now, Path { remote: packet.source, local: packet.to }, answer);
                }
                Stun::Other => self.shared.counters.dropped(Dropped::Alien, 1),
            },
            DatagramKind::Media => self.receive_media_copy(now, packet),
            DatagramKind::Dtls => self.receive_dtls(now, packet),
            _ => self.shared.counters.dropped(Dropped::Alien, 1),
        }
    }

    /// Takes a media packet that is not ours to decrypt in place.
    pub(super) fn receive_media_copy(&mut self, now: Instant, packet: &Packet<'_>) {
        let mut scratch = std::mem::take(&mut self.scratch);
        match scratch.get_mut(..packet.contents.len()) {
            Some(copy) => {
                copy.copy_from_slice(packet.contents);
                self.receive_media(now, packet.source, packet.to, packet.at, packet.ecn, copy);
            }
            // Longer than any packet of media.
            None => self.shared.counters.dropped(Dropped::Alien, 1),
        }
        self.scratch = scratch;
    }

    /// Gives a packet to the TURN server.
    pub(super) fn receive_turn(&mut self, now: Instant, client: Client, packet: &[u8]) {
        let Some(front) = &mut self.shared.front else {
            let message = Message::Turn { client, contents: packet.to_vec() };
            return self.shared.links.tell(ShardId::FRONT, message);
        };
        let allocated = front.relay.handle_packet(now, client, packet);
        if let (true, Client::Stream { id, .. }) = (allocated, client) {
            // From now on the TURN server says how long it lives.
            self.shared.timers.set(Deadline::Stream(id), None);
        }
        self.shared.empty_relay();
    }

    /// Takes a connectivity check that came to the shard `via`.
    pub(super) fn receive_check(&mut self, now: Instant, via: ShardId, check: &Check<'_>, packet: &Packet<'_>) {
        let me = self.shared.links.me;
        let handed = || {
            let contents = packet.contents.to_vec();
            let kind = DatagramKind::Stun;
            Box::new(Handed {
                from: via,
                kind,
                source: packet.source,
                to: packet.to,
                at: packet.at,
                ecn: packet.ecn,
                contents,
            })
        };
        if let Some(local) = self.shared.routes.by_ufrag(check.recipient) {
            let can_own = via == ShardId::FRONT || matches!(packet.source, Remote::Udp(_));
            let moves = via != me && can_own && self.shared.routes.is_unheard(local);
            return match self.validate(now, local, check, packet.source, moves) {
                Ok(()) if moves => self.move_leg(local, via, handed()),
                Ok(()) => self.validated(now, local, via, check, packet),
                Err(reason) => self.shared.counters.dropped(reason, 1),
            };
        }
        // Names tell whose they are; whoever is asked for a name that it does not know asks nobody else.
        let home = ShardId::of_ufrag(check.recipient, self.shared.links.shards());
        match (home, self.moved.get(check.recipient)) {
            (Some(home), _) if home != me && via == me => {
                self.shared.links.tell(home, Message::Check(handed()));
            }
            (Some(home), Some((_, owner))) if home == me => {
                self.shared.links.tell(*owner, Message::Check(handed()));
            }
            _ => self.shared.counters.dropped(Dropped::UnknownStun, 1),
        }
    }

    /// Whether a check is genuine. Its source then is the leg's, unless the leg moves with it.
    fn validate(
        &mut self,
        now: Instant,
        local: Local,
        check: &Check<'_>,
        source: Remote,
        moves: bool,
    ) -> Result<(), Dropped> {
        let leg = self.legs.get(local.place).filter(|leg| leg.name.key == local.key).ok_or(Dropped::UnknownStun)?;
        self.blame = Some(Blame::Leg(local.place));
        if !leg.connection.vouches_for(check) {
            return Err(Dropped::ForgedStun);
        }
        if moves {
            return Ok(());
        }
        self.shared.routes.validate(now, source, local).map_err(|_| Dropped::TakenAddress)
    }

    /// A genuine check of a leg that is owned here.
    fn validated(&mut self, now: Instant, local: Local, via: ShardId, check: &Check<'_>, packet: &Packet<'_>) {
        let me = self.shared.links.me;
        if let Remote::Stream(..) = packet.source {
            self.stream_used(now, packet.source, true);
        }
        let Some(leg) = self.legs.get_mut(local.place) else { return };
        if via != me {
            let (remote, name) = (packet.source, leg.name);
            if leg.abroad.iter().all(|known| *known != (via, remote)) {
                if leg.abroad.len() >= crate::leg::MOST_ABROAD {
                    let (shard, oldest) = leg.abroad.remove(0);
                    self.shared.links.tell(shard, Message::Unroute { remote: oldest, leg: name });
                }
                leg.abroad.push((via, remote));
                self.shared.links.tell(via, Message::Route { remote, leg: name, owner: me });
            }
        }
        self.leg_check(now, local.place, check.nominates, packet);
    }

    /// A stream carried a genuine check, or nothing needs it any more.
    pub(super) fn stream_used(&mut self, now: Instant, remote: Remote, is_needed: bool) {
        let Remote::Stream(id, _) = remote else { return };
        match (&self.shared.front, is_needed) {
            (None, _) => self.shared.links.tell(ShardId::FRONT, Message::StreamUse { remote, is_needed }),
            (Some(_), true) => {
                let due = now + self.shared.common.limits.stream_silence;
                self.shared.timers.set(Deadline::Stream(id), Some(due));
            }
            (Some(_), false) => self.shared.close_stream(id),
        }
    }

    /// Whose a remote's packets are.
    fn route(&mut self, remote: Remote) -> Option<Local> {
        if let Some((known, local)) = self.last_route
            && known == remote
            && self.legs.get(local.place).is_some_and(|leg| leg.name.key == local.key)
        {
            return Some(local);
        }
        let local = self.shared.routes.by_remote(remote)?;
        self.last_route = Some((remote, local));
        Some(local)
    }

    /// Something that only a validated remote may send; it is for another shard, or for nobody.
    fn hand_over(&mut self, kind: DatagramKind, packet: &Packet<'_>) {
        match self.foreign.get(&packet.source) {
            Some((leg, owner)) => {
                let contents = packet.contents.to_vec();
                let from = self.shared.links.me;
                let handed = Handed {
                    from,
                    kind,
                    source: packet.source,
                    to: packet.to,
                    at: packet.at,
                    ecn: packet.ecn,
                    contents,
                };
                self.shared.links.tell(*owner, Message::Packet(*leg, Box::new(handed)));
            }
            None => self.shared.counters.dropped(Dropped::Unvalidated, 1),
        }
    }

    pub(super) fn receive_dtls(&mut self, now: Instant, packet: &Packet<'_>) {
        match self.route(packet.source) {
            Some(local) => self.leg_dtls(now, local.place, packet),
            None => self.hand_over(DatagramKind::Dtls, packet),
        }
    }

    /// Takes SRTP or SRTCP, which is decrypted where it is.
    pub(super) fn receive_media(
        &mut self,
        now: Instant,
        source: Remote,
        to: std::net::SocketAddr,
        at: Instant,
        ecn: Ecn,
        contents: &mut [u8],
    ) {
        match self.route(source) {
            Some(local) => self.leg_media(now, local.place, Path { remote: source, local: to }, at, ecn, contents),
            None => self.hand_over(DatagramKind::Media, &Packet { source, to, at, ecn, contents }),
        }
    }

    /// A remote's packets are for a leg of another shard from now on.
    pub(super) fn route_abroad(&mut self, remote: Remote, leg: LegRef, owner: ShardId) {
        self.last_route = None;
        if self.foreign.len() < MOST_FOREIGN || self.foreign.contains_key(&remote) {
            self.foreign.insert(remote, (leg, owner));
        }
    }

    /// They are for nobody.
    pub(super) fn unroute(&mut self, remote: Remote, leg: LegRef) {
        if self.foreign.get(&remote).is_some_and(|(known, _)| *known == leg) {
            self.foreign.remove(&remote);
        }
    }
}
