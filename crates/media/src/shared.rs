//! What the rooms and legs of a shard share.

use std::collections::{HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use conclave_proto::ParticipantId;
use conclave_qos::{Algorithm, Ecn, Time};
use conclave_rtp::Arena;
use conclave_turn::{Client, Output, StreamId};

use crate::config::MediaLimits;
use crate::counters::{Counters, Dropped};
use crate::datagram::Outgoing;
use crate::event::{Outbox, RoomKey};
use crate::paths::Path;
use crate::relay::Relay;
use crate::remote::Remote;
use crate::routes::Routes;
use crate::shard::{Links, Message, ShardId, Stores, Wakeups};
use crate::stream::Streams;
use crate::timers::Timers;
use crate::webrtc::Identity;

/// What has a deadline, legs apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Deadline {
    Conference(RoomKey),
    /// The stream is closed unless it was of use.
    Stream(StreamId),
    /// Payloads of rooms of other shards are looked through.
    ForeignStores,
    /// What legs count is added up.
    Count,
}

/// A datagram that a relay has for the SFU.
#[derive(Debug)]
pub(crate) struct Relayed {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) payload: Vec<u8>,
}

/// What all shards have in common.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) limits: MediaLimits,
    pub(crate) controller: Algorithm,
    pub(crate) identity: Identity,
    /// Never empty.
    pub(crate) announced: Arc<[SocketAddr]>,
    pub(crate) start: Instant,
    /// What the wall clock said at `start` (RFC 5905 section 6).
    pub(crate) ntp: u64,
    /// Legs in the process.
    legs: Arc<AtomicUsize>,
    last_key: Arc<AtomicU64>,
}

impl Common {
    pub(crate) fn new(
        start: Instant,
        ntp: u64,
        limits: MediaLimits,
        controller: Algorithm,
        identity: Identity,
        announced: Arc<[SocketAddr]>,
    ) -> Self {
        Self { limits, controller, identity, announced, start, ntp, legs: Arc::default(), last_key: Arc::default() }
    }

    /// A place for one more leg, if there may be one.
    pub(crate) fn admit_leg(&self) -> Option<u64> {
        let one_more = |legs| (legs < self.limits.legs).then_some(legs + 1);
        self.legs.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(self.last_key.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// So many legs are no more.
    pub(crate) fn forget_legs(&self, legs: usize) {
        self.legs.fetch_sub(legs, Ordering::Relaxed);
    }

    pub(crate) fn legs(&self) -> usize {
        self.legs.load(Ordering::Relaxed)
    }

    /// Spreads what should not coincide. Whole calls in virtual time are the same each time they are played.
    pub(crate) fn seed(&self, of: u64) -> u64 {
        if cfg!(test) { of } else { rand::random() }
    }
}

/// The front's own: the TURN server and the streams.
pub(crate) struct Front {
    pub(crate) streams: Streams,
    pub(crate) relay: Relay,
}

/// What the rooms and legs of a shard share.
pub(crate) struct Shared {
    pub(crate) common: Common,
    pub(crate) links: Links,
    pub(crate) routes: Routes,
    pub(crate) wakeups: Wakeups,
    pub(crate) timers: Timers<Deadline>,
    pub(crate) outbox: Outbox,
    pub(crate) counters: Counters,
    pub(crate) stores: Stores,
    /// Of [`ShardId::FRONT`] only.
    pub(crate) front: Option<Front>,
    /// From relays, to be taken before anything else.
    pub(crate) relayed: VecDeque<Relayed>,
    /// Datagrams to send, in order.
    pub(crate) outgoing: Vec<Outgoing>,
    /// Sealed packets to send, and in what runs.
    pub(crate) arena: Arena,
    pub(crate) runs: Vec<Run>,
    /// Legs with something to send or settle.
    pub(crate) dirty_legs: Vec<u32>,
    /// Rooms that something happened to in this turn.
    pub(crate) dirty_rooms: Vec<u32>,
    /// When the turn started.
    pub(crate) started: Instant,
    /// This machine's addresses that something came to, at whichever shard.
    local: HashSet<IpAddr>,
    /// The one that something came to here last.
    last_local: Option<IpAddr>,
}

/// Packets of one leg, one behind the other in the arena.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) destination: SocketAddr,
    /// From which of this machine's addresses; the system chooses if absent.
    pub(crate) local: Option<IpAddr>,
    pub(crate) ecn: Ecn,
    pub(crate) packets: Range<usize>,
}

/// Addresses of this machine that are remembered.
const MOST_LOCAL: usize = 64;

impl Shared {
    pub(crate) fn new(common: Common, links: Links, outbox: Outbox, counters: Counters, front: Option<Front>) -> Self {
        let started = common.start;
        Self {
            common,
            links,
            routes: Routes::default(),
            wakeups: Wakeups::default(),
            timers: Timers::default(),
            outbox,
            counters,
            stores: Stores::default(),
            front,
            relayed: VecDeque::new(),
            outgoing: Vec::new(),
            arena: Arena::default(),
            runs: Vec::new(),
            dirty_legs: Vec::new(),
            dirty_rooms: Vec::new(),
            started,
            local: HashSet::new(),
            last_local: None,
        }
    }

    /// Rooms know so many legs no more.
    pub(crate) fn legs_forgotten(&self, legs: usize) {
        self.common.forget_legs(legs);
        self.counters.legs.set(self.common.legs() as f64);
    }

    /// The clock of conferences and of RTP.
    pub(crate) fn time(&self, now: Instant) -> Time {
        Time::since_start(now.saturating_duration_since(self.common.start))
    }

    /// The moment of that clock.
    pub(crate) fn instant(&self, time: Time) -> Instant {
        self.common.start + time.to_duration()
    }

    /// Something came to this address of the machine. Other shards hear of it too: they answer what this one hands
    /// over to them, and have to answer from the address that was asked.
    pub(crate) fn arrived_at(&mut self, local: IpAddr) {
        if self.last_local == Some(local) {
            return;
        }
        self.last_local = Some(local);
        if self.remember_local(local) {
            for shard in self.links.others() {
                self.links.tell(shard, Message::Local(local));
            }
        }
    }

    /// Notes an address of this machine. Returns whether it is a new one.
    pub(crate) fn remember_local(&mut self, local: IpAddr) -> bool {
        self.local.len() < MOST_LOCAL && self.local.insert(local)
    }

    /// The next moment after this at which legs are looked at: all that are due about then, in one turn, so that what
    /// they send goes out together.
    pub(crate) fn grid(&self, time: Time) -> Instant {
        const GRID: u64 = 2_000;
        let time = time.to_duration().as_micros() as u64;
        self.common.start + Duration::from_micros(time.next_multiple_of(GRID))
    }

    /// Which announced address a datagram was sent to, as the client sees it. Where the server is
    /// behind a translation of addresses, what it is reached under is not what it has: the first
    /// announced address of the family stands for it.
    pub(crate) fn addressed(&self, source: SocketAddr, local: Option<IpAddr>) -> SocketAddr {
        let announced = &self.common.announced;
        if let Some(address) = local.and_then(|local| announced.iter().find(|address| address.ip() == local)) {
            return *address;
        }
        let of_family = announced.iter().find(|address| address.is_ipv4() == source.is_ipv4());
        // Announced addresses are never empty; without one of the family, any will be refused by ICE.
        of_family.or(announced.first()).copied().unwrap_or(source)
    }

    /// Sends a packet of a leg by a path.
    pub(crate) fn transmit(&mut self, now: Instant, path: Path, contents: Vec<u8>) {
        match path.remote {
            Remote::Udp(destination) => self.datagram(destination, Some(path.local.ip()), contents),
            _ if self.front.is_none() => {
                self.links.tell(ShardId::FRONT, Message::Transmit { path, contents });
            }
            Remote::Stream(stream, _) => self.stream_packet(stream, &contents),
            Remote::Relay(to) => {
                if !self
                    .front
                    .as_mut()
                    .is_some_and(|front| front.relay.handle_peer_packet(now, path.local, to, &contents))
                {
                    self.counters.dropped(Dropped::Relay, 1);
                }
                self.empty_relay();
            }
        }
    }

    /// Sends packets that were sealed into the arena. Only UDP can mark them.
    pub(crate) fn transmit_sealed(&mut self, now: Instant, path: Path, ecn: Ecn, packets: Range<usize>) {
        if packets.is_empty() {
            return;
        }
        match path.remote {
            Remote::Udp(destination) => {
                for packet in self.arena.packets(packets.clone()) {
                    self.counters.packet_out(packet.len());
                }
                let local = Some(path.local.ip()).filter(|ip| self.local.contains(ip));
                self.runs.push(Run { destination, local, ecn, packets });
            }
            _ if self.front.is_none() => {
                for packet in self.arena.packets(packets) {
                    self.links.tell(ShardId::FRONT, Message::Transmit { path, contents: packet.to_vec() });
                }
            }
            Remote::Stream(stream, _) => {
                let Some(front) = &mut self.front else { return };
                for packet in self.arena.packets(packets) {
                    match front.streams.send(stream, packet) {
                        Ok(()) => self.counters.packet_out(packet.len()),
                        Err(_) => self.counters.dropped(Dropped::Stream, 1),
                    }
                }
            }
            Remote::Relay(to) => {
                let Some(front) = &mut self.front else { return };
                for packet in self.arena.packets(packets) {
                    if !front.relay.handle_peer_packet(now, path.local, to, packet) {
                        self.counters.dropped(Dropped::Relay, 1);
                    }
                }
                self.empty_relay();
            }
        }
    }

    /// Queues a datagram. The system is told to send from the given address only if it is one of this
    /// machine's own.
    pub(crate) fn datagram(&mut self, destination: SocketAddr, from: Option<IpAddr>, contents: Vec<u8>) {
        self.counters.packet_out(contents.len());
        let local = from.filter(|ip| self.local.contains(ip));
        self.outgoing.push(Outgoing { destination, local, contents });
    }

    /// Queues a packet for a stream.
    fn stream_packet(&mut self, stream: StreamId, packet: &[u8]) {
        let sent = self.front.as_mut().is_some_and(|front| front.streams.send(stream, packet).is_ok());
        if sent {
            self.counters.packet_out(packet.len());
        } else {
            self.counters.dropped(Dropped::Stream, 1);
        }
    }

    /// Does what the TURN server wants done.
    pub(crate) fn empty_relay(&mut self) {
        while let Some(output) = self.front.as_mut().and_then(|front| front.relay.poll()) {
            match output {
                Output::ToClient { client: Client::Udp { remote, local }, packet } => {
                    self.datagram(remote, local, packet);
                }
                Output::ToClient { client: Client::Stream { id, .. }, packet } => self.stream_packet(id, &packet),
                Output::ToPeer { from, to, payload } => self.relayed.push_back(Relayed { from, to, payload }),
                Output::CloseStream(stream) => self.close_stream(stream),
            }
        }
    }

    /// When the TURN server wants time to pass.
    pub(crate) fn relay_due(&self) -> Option<Instant> {
        self.front.as_ref().and_then(|front| front.relay.due())
    }

    /// Lets time pass for the TURN server.
    pub(crate) fn expire_relay(&mut self, now: Instant) {
        if let Some(front) = &mut self.front {
            front.relay.expire(now);
        }
        self.empty_relay();
    }

    /// Ends what a participant has at the TURN server, after everything that was decided before.
    pub(crate) fn revoke(&mut self, participant: ParticipantId) {
        self.links.tell(ShardId::FRONT, Message::Revoke(participant));
    }

    /// Ends what a participant has at the TURN server, which is here.
    pub(crate) fn revoke_now(&mut self, now: Instant, participant: &ParticipantId) {
        if let Some(front) = &mut self.front {
            front.relay.revoke(now, participant.as_str());
        }
        self.empty_relay();
    }

    /// Closes a stream that nothing depends on any more.
    pub(crate) fn close_stream(&mut self, stream: StreamId) {
        if let Some(front) = &mut self.front {
            front.streams.close(stream);
        }
        self.timers.set(Deadline::Stream(stream), None);
    }

    /// Ends a turn.
    pub(crate) fn settle(&mut self) {
        if let Some(front) = &mut self.front {
            self.counters.streams.set(front.streams.len() as f64);
            front.relay.publish();
            front.streams.wake();
        }
        let lost = std::mem::take(&mut self.links.lost);
        if lost > 0 {
            self.counters.dropped(Dropped::Shard, lost);
        }
        self.counters.publish();
        self.links.wake();
        self.outbox.flush();
    }
}
