//! What arrives, told apart, and given to whom it belongs: legs, the TURN server, or nobody.

use std::time::Instant;

use conclave_turn::demux::{DatagramKind, classify, quic_version_negotiation};
use conclave_turn::{Client, StreamId, is_relayed};

use crate::check::{self, Check, Stun};
use crate::counters::Dropped;
use crate::datagram::{Datagram, Packet};
use crate::paths::Path;
use crate::plane::Plane;
use crate::remote::Remote;
use crate::routes::LegRef;
use crate::shared::{Deadline, Relayed};
use crate::stream::{Arrival, Packets, Stream, StreamKind};

/// Streams looked at in one turn, at [64 KiB](crate::stream) each at most.
const STREAMS_PER_TURN: usize = 64;

impl Plane {
    /// Takes a datagram from the socket.
    pub(crate) fn receive(&mut self, now: Instant, datagram: &Datagram<'_>) {
        let Datagram { source, local, at, contents } = *datagram;
        let client = Client::Udp { remote: source, local };
        self.shared.counters.packet_in(contents.len());
        if is_relayed(source.ip()) {
            return self.shared.counters.dropped(Dropped::ForgedRelay, 1);
        }
        let to = self.shared.addressed(source, local);
        let packet = Packet { source: Remote::Udp(source), to, at, contents };
        match classify(contents) {
            DatagramKind::Stun => match check::read(contents) {
                Stun::Check(check) => self.receive_check(now, &check, &packet),
                // Whoever asks by UDP may be forged: the TURN server bounds what is answered.
                Stun::Binding(_) | Stun::Other => self.receive_turn(now, client, contents),
            },
            DatagramKind::ChannelData => self.receive_turn(now, client, contents),
            DatagramKind::Quic => {
                self.shared.counters.dropped(Dropped::Quic, 1);
                if let Some(refusal) = quic_version_negotiation(contents)
                    && self.quic_refusals.admit(now)
                {
                    self.shared.datagram(source, local, refusal);
                }
            }
            kind => self.receive_media(now, kind, &packet),
        }
        self.take_relayed(now);
    }

    /// Looks at streams that have something. Whoever is left over wakes the thread again.
    pub(crate) fn receive_streams(&mut self, now: Instant) {
        let mut packets = std::mem::take(&mut self.packets);
        for _ in 0..STREAMS_PER_TURN {
            let Some(arrival) = self.shared.streams.next(&mut packets) else {
                self.packets = packets;
                return;
            };
            self.receive_stream(now, &arrival, &packets);
        }
        self.packets = packets;
        self.shared.streams.remind();
    }

    fn receive_stream(&mut self, now: Instant, arrival: &Arrival, packets: &Packets) {
        let Arrival { stream, is_new, has_closed } = arrival;
        match (*is_new, *has_closed) {
            // It came and went between two turns, or is one that the plane has closed itself.
            (true, true) => return,
            (true, false) => {
                let due = now + self.shared.limits.stream_start;
                self.shared.timers.set(Deadline::Stream(stream.id), Some(due));
                if let StreamKind::Turn { .. } = stream.kind {
                    self.shared.relay.stream_opened(now, stream.id);
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
                    self.receive_ice(now, &Packet { source, to, at: now, contents });
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
                self.shared.relay.stream_closed(now, stream.id);
                self.shared.empty_relay();
            }
            StreamKind::IceTcp => {
                let remote = Remote::Stream(stream.id, stream.remote);
                if let Some(leg) = self.shared.routes.forget_remote(remote) {
                    self.enter(leg.room, |room, shared| room.lost(shared, leg.key, remote));
                }
            }
        }
    }

    /// A stream was of no use for too long.
    pub(crate) fn stream_due(&mut self, now: Instant, id: StreamId) {
        let Some(stream) = self.shared.streams.get(id).cloned() else { return };
        self.shared.close_stream(id);
        self.stream_closed(now, &stream);
    }

    /// Takes what relays have for the SFU. It cannot cause more of it.
    fn take_relayed(&mut self, now: Instant) {
        while let Some(Relayed { from, to, payload }) = self.shared.relayed.pop_front() {
            self.receive_ice(now, &Packet { source: Remote::Relay(from), to, at: now, contents: &payload });
        }
    }

    /// Takes a packet of somebody who is where they say: from an ICE-TCP connection or a relay.
    fn receive_ice(&mut self, now: Instant, packet: &Packet<'_>) {
        match classify(packet.contents) {
            DatagramKind::Stun => match check::read(packet.contents) {
                Stun::Check(check) => self.receive_check(now, &check, packet),
                Stun::Binding(request) => {
                    let answer = check::answer(&request, packet.source.address());
                    self.shared.transmit(now, Path { remote: packet.source, local: packet.to }, answer);
                }
                Stun::Other => self.shared.counters.dropped(Dropped::Alien, 1),
            },
            kind => self.receive_media(now, kind, packet),
        }
    }

    /// Gives a packet to the TURN server.
    fn receive_turn(&mut self, now: Instant, client: Client, packet: &[u8]) {
        let allocated = self.shared.relay.handle_packet(now, client, packet);
        if let (true, Client::Stream { id, .. }) = (allocated, client) {
            // From now on the TURN server says how long it lives.
            self.shared.timers.set(Deadline::Stream(id), None);
        }
        self.shared.empty_relay();
    }

    fn receive_check(&mut self, now: Instant, check: &Check<'_>, packet: &Packet<'_>) {
        match self.validate(now, check, packet) {
            Ok(leg) => {
                if let Remote::Stream(id, _) = packet.source {
                    let due = now + self.shared.limits.stream_silence;
                    self.shared.timers.set(Deadline::Stream(id), Some(due));
                }
                self.enter(leg.room, |room, shared| {
                    room.receive(now, shared, leg.key, DatagramKind::Stun, check.nominates, packet);
                });
            }
            Err(reason) => self.shared.counters.dropped(reason, 1),
        }
    }

    fn validate(&mut self, now: Instant, check: &Check<'_>, packet: &Packet<'_>) -> Result<LegRef, Dropped> {
        let leg = self.shared.routes.by_ufrag(check.recipient).ok_or(Dropped::UnknownStun)?;
        let genuine = self.enter(leg.room, |room, _| room.vouches_for(leg.key, check));
        if genuine != Some(true) {
            return Err(Dropped::ForgedStun);
        }
        self.shared.routes.validate(now, packet.source, leg).map_err(|_| Dropped::TakenAddress)?;
        Ok(leg)
    }

    fn receive_media(&mut self, now: Instant, kind: DatagramKind, packet: &Packet<'_>) {
        let leg = match kind {
            DatagramKind::Dtls | DatagramKind::Media => {
                self.shared.routes.by_remote(packet.source).ok_or(Dropped::Unvalidated)
            }
            _ => Err(Dropped::Alien),
        };
        match leg {
            Ok(leg) => {
                self.enter(leg.room, |room, shared| room.receive(now, shared, leg.key, kind, false, packet));
            }
            Err(reason) => self.shared.counters.dropped(reason, 1),
        }
    }
}
