//! What the rooms of the media plane share.

use std::collections::{HashSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use conclave_sfu::Time;
use conclave_turn::{Client, Output, StreamId};

use crate::config::MediaLimits;
use crate::counters::{Counters, Dropped, End};
use crate::datagram::Outgoing;
use crate::event::{Outbox, RoomKey};
use crate::paths::Path;
use crate::relay::Relay;
use crate::remote::{PathKind, Remote};
use crate::routes::{LegRef, Routes};
use crate::stream::Streams;
use crate::timers::Timers;
use crate::webrtc::Identity;

/// What has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Deadline {
    Leg(LegRef),
    Conference(RoomKey),
    /// The stream is closed unless it was of use.
    Stream(StreamId),
}

/// A datagram that a relay has for the SFU.
#[derive(Debug)]
pub(crate) struct Relayed {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) payload: Vec<u8>,
}

/// What the rooms share.
pub(crate) struct Shared {
    pub(crate) limits: MediaLimits,
    pub(crate) identity: Identity,
    /// Never empty.
    pub(crate) announced: Vec<SocketAddr>,
    pub(crate) routes: Routes,
    pub(crate) timers: Timers<Deadline>,
    pub(crate) outbox: Outbox,
    pub(crate) counters: Counters,
    pub(crate) streams: Streams,
    pub(crate) relay: Relay,
    /// From relays, to be taken before anything else.
    pub(crate) relayed: VecDeque<Relayed>,
    /// Datagrams to send, in order.
    pub(crate) outgoing: Vec<Outgoing>,
    /// Legs in the process.
    pub(crate) legs: usize,
    start: Instant,
    next_key: u64,
    /// This machine's addresses that something came to.
    local: HashSet<IpAddr>,
}

/// Addresses of this machine that are remembered.
const MOST_LOCAL: usize = 64;

impl Shared {
    pub(crate) fn new(
        now: Instant,
        limits: MediaLimits,
        identity: Identity,
        announced: Vec<SocketAddr>,
        outbox: Outbox,
        streams: Streams,
        relay: Relay,
    ) -> Self {
        Self {
            limits,
            identity,
            announced,
            routes: Routes::default(),
            timers: Timers::default(),
            outbox,
            counters: Counters::new(),
            streams,
            relay,
            relayed: VecDeque::new(),
            outgoing: Vec::new(),
            legs: 0,
            start: now,
            next_key: 0,
            local: HashSet::new(),
        }
    }

    /// The conferences' clock.
    pub(crate) fn time(&self, now: Instant) -> Time {
        Time::since_start(now.saturating_duration_since(self.start))
    }

    /// The moment of the conferences' clock.
    pub(crate) fn instant(&self, time: Time) -> Instant {
        self.start + time.to_duration()
    }

    /// A leg's key.
    pub(crate) fn next_key(&mut self) -> u64 {
        self.next_key += 1;
        self.next_key
    }

    /// Which announced address a datagram was sent to, as the client sees it. Where the server is
    /// behind a translation of addresses, what it is reached under is not what it has: the first
    /// announced address of the family stands for it.
    pub(crate) fn addressed(&mut self, source: SocketAddr, local: Option<IpAddr>) -> SocketAddr {
        if let Some(local) = local {
            if self.local.len() < MOST_LOCAL {
                self.local.insert(local);
            }
            if let Some(address) = self.announced.iter().find(|address| address.ip() == local) {
                return *address;
            }
        }
        let of_family = self.announced.iter().find(|address| address.is_ipv4() == source.is_ipv4());
        // Announced addresses are never empty; without one of the family, any will be refused by ICE.
        of_family.or(self.announced.first()).copied().unwrap_or(source)
    }

    /// Sends a packet of a leg by a path.
    pub(crate) fn transmit(&mut self, now: Instant, path: Path, contents: Vec<u8>) {
        match path.remote {
            Remote::Udp(destination) => self.datagram(destination, Some(path.local.ip()), contents),
            Remote::Stream(stream, _) => self.stream_packet(stream, &contents),
            Remote::Relay(to) => {
                if !self.relay.handle_peer_packet(now, path.local, to, &contents) {
                    self.counters.dropped(Dropped::Relay, 1);
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
    pub(crate) fn stream_packet(&mut self, stream: StreamId, packet: &[u8]) {
        match self.streams.send(stream, packet) {
            Ok(()) => self.counters.packet_out(packet.len()),
            Err(_) => self.counters.dropped(Dropped::Stream, 1),
        }
    }

    /// Does what the TURN server wants done.
    pub(crate) fn empty_relay(&mut self) {
        while let Some(output) = self.relay.poll() {
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

    /// Closes a stream that nothing depends on any more.
    pub(crate) fn close_stream(&mut self, stream: StreamId) {
        self.streams.close(stream);
        self.timers.set(Deadline::Stream(stream), None);
    }

    /// A leg has ended.
    pub(crate) fn forget_leg(&mut self, leg: LegRef, path: Option<PathKind>, end: End) {
        for stream in self.routes.forget(leg) {
            self.close_stream(stream);
        }
        self.timers.set(Deadline::Leg(leg), None);
        self.legs -= 1;
        self.counters.legs.set(self.legs as f64);
        self.counters.moved(path, None);
        self.counters.ended(end);
    }
}
