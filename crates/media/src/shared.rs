//! What the rooms of the media plane share.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use conclave_sfu::Time;

use crate::config::MediaLimits;
use crate::counters::Counters;
use crate::datagram::Outgoing;
use crate::event::{Outbox, RoomKey};
use crate::routes::{LegRef, Routes};
use crate::timers::Timers;
use crate::webrtc::Identity;

/// What has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Deadline {
    Leg(LegRef),
    Conference(RoomKey),
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
    /// Packets to send, in order.
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
    ) -> Self {
        Self {
            limits,
            identity,
            announced,
            routes: Routes::default(),
            timers: Timers::default(),
            outbox,
            counters: Counters::new(),
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

    /// Queues a datagram that a session wants sent from an announced address. The system is told to
    /// send from it only if it is one of this machine's own.
    pub(crate) fn transmit(&mut self, source: SocketAddr, destination: SocketAddr, contents: Vec<u8>) {
        self.counters.packets_out.increment(1);
        self.counters.bytes_out.increment(contents.len() as u64);
        let local = self.local.contains(&source.ip()).then_some(source.ip());
        self.outgoing.push(Outgoing { destination, local, contents });
    }
}
