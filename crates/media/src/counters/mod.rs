//! What the media plane counts, under names that start with `conclave_media_`.
//!
//! The handles are made once: looking a metric up by name costs more than forwarding a packet. The
//! program installs its recorder before it starts the media plane.

mod delays;
mod turn;

use std::cell::{Cell, RefCell};
use std::time::Duration;

use conclave_qos::Time;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

use crate::leg::Repeats;
use crate::remote::PathKind;
use crate::stats::ShardSnapshot;

use delays::Delays;
pub(crate) use turn::TurnCounters;

/// Why something was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// Nothing that is served where it came to.
    Alien,
    /// A connectivity check for no leg.
    UnknownStun,
    /// A connectivity check that names a leg, but was not made with its password.
    ForgedStun,
    /// A genuine STUN check from an address that another leg uses, or from one too many.
    TakenAddress,
    /// DTLS or SRTP from an address that no STUN check validated.
    Unvalidated,
    /// A leg sends more than its budget.
    Budget,
    /// A leg uses more SSRCs than it may.
    Streams,
    /// Too much waits to be sent to a leg.
    Backlog,
    /// It waited too long to be sent to a leg.
    Late,
    /// A forwarded packet does not fit what the receiver agreed to.
    Unsendable,
    /// Too much waits for the socket.
    Socket,
    /// A datagram that claims to come from a relayed address.
    ForgedRelay,
    /// QUIC, which is not served; beginnings of connections are refused, most of them with an answer.
    Quic,
    /// Too much waits for a TCP connection, or it has closed.
    Stream,
    /// A leg's packet, while the leg has no path to go by.
    NoPath,
    /// A leg's packet to a TURN client that is gone, or gets too much.
    Relay,
    /// Another shard does not keep up.
    Shard,
    /// SRTP that came again.
    Replayed,
    /// SRTP that was not made with the leg's keys.
    ForgedSrtp,
    /// SRTP or what it protects is not what the standards say.
    Malformed,
    /// SRTP that comes before there are keys.
    Early,
    /// Of no source, payload type or extension that was agreed on.
    Unknown,
}

impl Dropped {
    const ALL: [(Self, &'static str); 22] = [
        (Self::Alien, "alien"),
        (Self::UnknownStun, "unknown-stun"),
        (Self::ForgedStun, "forged-stun"),
        (Self::TakenAddress, "taken-address"),
        (Self::Unvalidated, "unvalidated"),
        (Self::Budget, "budget"),
        (Self::Streams, "streams"),
        (Self::Backlog, "backlog"),
        (Self::Late, "late"),
        (Self::Unsendable, "unsendable"),
        (Self::Socket, "socket"),
        (Self::ForgedRelay, "forged-relay"),
        (Self::Quic, "quic"),
        (Self::Stream, "stream"),
        (Self::NoPath, "no-path"),
        (Self::Relay, "relay"),
        (Self::Shard, "shard"),
        (Self::Replayed, "replayed"),
        (Self::ForgedSrtp, "forged-srtp"),
        (Self::Malformed, "malformed"),
        (Self::Early, "early"),
        (Self::Unknown, "unknown"),
    ];
}

/// Why a leg ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A command closed it.
    Closed,
    /// A newer leg of the participant took its place.
    Replaced,
    /// Not connected in time.
    Handshake,
    /// The client closed the connection, or ICE lost it.
    Ended,
    /// No connectivity check for too long.
    Consent,
    /// Over its budget for too long.
    Flood,
    /// The engine gave up, for example because of a wrong certificate.
    Engine,
    /// The engine or the room panicked.
    Panic,
}

impl End {
    const ALL: [(Self, &'static str); 8] = [
        (Self::Closed, "closed"),
        (Self::Replaced, "replaced"),
        (Self::Handshake, "handshake"),
        (Self::Ended, "ended"),
        (Self::Consent, "consent"),
        (Self::Flood, "flood"),
        (Self::Engine, "engine"),
        (Self::Panic, "panic"),
    ];

    /// Whether the control plane is told: not of what it asked for.
    pub(crate) fn is_failure(self) -> bool {
        !matches!(self, Self::Closed | Self::Replaced)
    }

    /// For logs and metrics.
    pub(crate) fn label(self) -> &'static str {
        Self::ALL.iter().find(|(end, _)| *end == self).map_or("", |(_, label)| label)
    }
}

/// The handles.
pub(crate) struct Counters {
    pub(crate) legs: Gauge,
    pub(crate) rooms: Gauge,
    pub(crate) streams: Gauge,
    packets_in: Counter,
    packets_out: Counter,
    bytes_in: Counter,
    bytes_out: Counter,
    forwarded: Counter,
    nacks_in: Counter,
    nacks_out: Counter,
    sound_copies: Counter,
    parity: Counter,
    pub(crate) keyframes_in: Counter,
    pub(crate) keyframes_out: Counter,
    pub(crate) connected: Counter,
    pub(crate) offers_taken: Counter,
    pub(crate) offers_refused: Counter,
    pub(crate) room_faults: Counter,
    pub(crate) faults: Counter,
    pub(crate) socket_errors: Counter,
    dropped: [Counter; Dropped::ALL.len()],
    ended: [Counter; End::ALL.len()],
    paths: [Gauge; PathKind::ALL.len()],
    moved: Counter,
    /// What is counted for each packet is counted here, and told to the recorder once a turn: what all
    /// shards count in one place would be fought over.
    shard: Cell<ShardSnapshot>,
    told: Cell<ShardSnapshot>,
    /// Borrowed only within the calls below, which call nobody.
    delays: RefCell<Delays>,
}

impl Counters {
    pub(crate) fn new() -> Self {
        describe_gauge!("conclave_media_legs", "Legs, connected or not");
        describe_gauge!("conclave_media_rooms", "Rooms with media");
        describe_gauge!("conclave_media_streams", "TCP and TLS connections that carry media");
        describe_gauge!("conclave_media_leg_paths", "Legs by the path that their media takes");
        describe_counter!("conclave_media_leg_moves_total", "Legs whose media moved to another kind of path");
        describe_counter!("conclave_media_packets_total", "UDP datagrams and packets in TCP connections by direction");
        describe_counter!("conclave_media_bytes_total", "Bytes of those packets by direction");
        describe_counter!("conclave_media_forwarded_total", "RTP packets queued for a receiver");
        describe_counter!(
            "conclave_media_parity_packets_total",
            "Packets of parity (FlexFEC, ULPFEC) sent, so that lost pictures need not be asked for again"
        );
        describe_counter!(
            "conclave_media_nacks_total",
            "Packets asked for again: by the server (out), by clients (in)"
        );
        describe_counter!(
            "conclave_media_sound_copies_total",
            "Copies of earlier sounds sent with later ones (RFC 2198)"
        );
        describe_counter!("conclave_media_plis_total", "Key frames asked for: by the server (out), by clients (in)");
        describe_counter!("conclave_media_connected_total", "Legs that became connected");
        describe_counter!("conclave_media_ended_total", "Legs that ended, by reason");
        describe_counter!("conclave_media_offers_total", "Offers by result");
        describe_counter!("conclave_media_dropped_total", "Packets dropped by reason");
        describe_counter!("conclave_media_room_faults_total", "Rooms closed because of a fault of the server");
        describe_counter!("conclave_media_faults_total", "Faults of the server that were contained, rooms apart");
        describe_counter!("conclave_media_socket_errors_total", "Errors of the UDP socket");
        Self {
            legs: gauge!("conclave_media_legs"),
            rooms: gauge!("conclave_media_rooms"),
            streams: gauge!("conclave_media_streams"),
            packets_in: counter!("conclave_media_packets_total", "direction" => "in"),
            packets_out: counter!("conclave_media_packets_total", "direction" => "out"),
            bytes_in: counter!("conclave_media_bytes_total", "direction" => "in"),
            bytes_out: counter!("conclave_media_bytes_total", "direction" => "out"),
            forwarded: counter!("conclave_media_forwarded_total"),
            nacks_in: counter!("conclave_media_nacks_total", "direction" => "in"),
            nacks_out: counter!("conclave_media_nacks_total", "direction" => "out"),
            sound_copies: counter!("conclave_media_sound_copies_total"),
            parity: counter!("conclave_media_parity_packets_total"),
            keyframes_in: counter!("conclave_media_plis_total", "direction" => "in"),
            keyframes_out: counter!("conclave_media_plis_total", "direction" => "out"),
            connected: counter!("conclave_media_connected_total"),
            offers_taken: counter!("conclave_media_offers_total", "result" => "taken"),
            offers_refused: counter!("conclave_media_offers_total", "result" => "refused"),
            room_faults: counter!("conclave_media_room_faults_total"),
            faults: counter!("conclave_media_faults_total"),
            socket_errors: counter!("conclave_media_socket_errors_total"),
            dropped: Dropped::ALL.map(|(_, reason)| counter!("conclave_media_dropped_total", "reason" => reason)),
            ended: End::ALL.map(|(_, reason)| counter!("conclave_media_ended_total", "reason" => reason)),
            paths: PathKind::ALL.map(|(_, path)| gauge!("conclave_media_leg_paths", "path" => path)),
            moved: counter!("conclave_media_leg_moves_total"),
            shard: Cell::default(),
            told: Cell::default(),
            delays: RefCell::new(Delays::new()),
        }
    }

    /// A packet of this many bytes has come from the network.
    pub(crate) fn packet_in(&self, bytes: usize) {
        self.update_shard(|shard| shard.received.count(bytes));
    }

    /// A packet of this many bytes goes to the network.
    pub(crate) fn packet_out(&self, bytes: usize) {
        self.update_shard(|shard| shard.sent.count(bytes));
    }

    /// A packet was queued for so many receivers.
    pub(crate) fn forwarded(&self, receivers: u64) {
        self.update_shard(|shard| shard.forwarded += receivers);
        self.delays.borrow_mut().forwarded(receivers);
    }

    /// What is forwarded from here on arrived then.
    pub(crate) fn arrived(&self, at: Time) {
        self.delays.borrow_mut().arrived(at);
    }

    /// When what is forwarded now arrived.
    pub(crate) fn arrival(&self) -> Time {
        self.delays.borrow().arrival()
    }

    /// The thread has worked for so long, and what it forwarded has left.
    pub(crate) fn worked(&self, time: Duration, now: Time) {
        self.update_shard(|shard| shard.busy += time);
        self.delays.borrow_mut().sent(now);
    }

    /// Packets of a leg were asked for again, or not sent.
    pub(crate) fn repeats(&self, repeats: Repeats) {
        self.nacks_out.increment(repeats.asked);
        self.nacks_in.increment(repeats.wanted);
        self.sound_copies.increment(repeats.copies);
        self.parity.increment(repeats.parity);
        self.dropped(Dropped::Late, repeats.late);
    }

    /// Tells the recorder what was counted since the last time.
    pub(crate) fn publish(&self) {
        let (now, told) = (self.shard.get(), self.told.replace(self.shard.get()));
        let tell = |counter: &Counter, now: u64, told: u64| {
            if now > told {
                counter.increment(now - told);
            }
        };
        tell(&self.packets_in, now.received.packets, told.received.packets);
        tell(&self.bytes_in, now.received.bytes, told.received.bytes);
        tell(&self.packets_out, now.sent.packets, told.sent.packets);
        tell(&self.bytes_out, now.sent.bytes, told.sent.bytes);
        tell(&self.forwarded, now.forwarded, told.forwarded);
    }

    /// What this thread has done so far; legs are not counted here.
    pub(crate) fn shard(&self) -> ShardSnapshot {
        ShardSnapshot { delays: self.delays.borrow().found(), ..self.shard.get() }
    }

    fn update_shard(&self, change: impl FnOnce(&mut ShardSnapshot)) {
        let mut shard = self.shard.get();
        change(&mut shard);
        self.shard.set(shard);
    }

    /// The media of a leg takes another path, its first, or none any more.
    pub(crate) fn moved(&self, from: Option<PathKind>, to: Option<PathKind>) {
        if from == to {
            return;
        }
        // The variants stand in `ALL` in their own order.
        let gauge = |kind: Option<PathKind>| kind.and_then(|kind| self.paths.get(kind as usize));
        if let Some(gauge) = gauge(from) {
            gauge.decrement(1.0);
        }
        if let Some(gauge) = gauge(to) {
            gauge.increment(1.0);
        }
        if from.is_some() && to.is_some() {
            self.moved.increment(1);
        }
    }

    pub(crate) fn dropped(&self, reason: Dropped, packets: u64) {
        // The variants stand in `ALL` in their own order.
        if let Some(counter) = self.dropped.get(reason as usize) {
            counter.increment(packets);
        }
    }

    pub(crate) fn ended(&self, reason: End) {
        if let Some(counter) = self.ended.get(reason as usize) {
            counter.increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter() {
        for (i, (reason, label)) in Dropped::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, i, "{label}");
        }
        for (i, (reason, label)) in End::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, i, "{label}");
            assert_eq!(reason.label(), *label);
        }
        for (i, (kind, label)) in PathKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, i, "{label}");
        }
    }
}
