//! The TURN server inside the media thread: its faults are contained, and what it counts is told.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use conclave_turn::{Client, Output, Server, ServerConfig, StreamId};

use crate::config::RelayConfig;
use crate::counters::TurnCounters;

/// The TURN server. After any call but [`Self::due`], take [`Self::poll`] until it gives nothing.
pub(crate) struct Relay {
    server: Server,
    config: ServerConfig,
    counters: TurnCounters,
}

/// What clients read in the server's answers (RFC 8489 section 14.9).
const REALM: &str = "conclave";

impl Relay {
    /// A server whose relays reach these addresses of the SFU.
    pub(crate) fn new(now: Instant, config: RelayConfig, announced: &[SocketAddr]) -> Self {
        let RelayConfig { secret, limits } = config;
        let config = ServerConfig { realm: REALM.into(), secret, peers: announced.to_vec(), limits };
        Self { server: server(now, &config), config, counters: TurnCounters::new() }
    }

    /// Takes a whole packet of a client. Returns whether it made an allocation.
    pub(crate) fn handle_packet(&mut self, now: Instant, client: Client, packet: &[u8]) -> bool {
        let before = self.server.stats().allocations_made;
        self.guarded(now, |server| server.handle_packet(now, client, packet));
        self.server.stats().allocations_made > before
    }

    /// Takes a datagram of the SFU to a relayed address. Returns whether anybody gets it.
    pub(crate) fn handle_peer_packet(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
    ) -> bool {
        self.guarded(now, |server| server.handle_peer_packet(now, from, to, payload)).unwrap_or(false)
    }

    pub(crate) fn stream_opened(&mut self, now: Instant, stream: StreamId) {
        self.guarded(now, |server| server.handle_stream_opened(now, stream));
    }

    pub(crate) fn stream_closed(&mut self, now: Instant, stream: StreamId) {
        self.guarded(now, |server| server.handle_stream_closed(now, stream));
    }

    /// Ends what a user has and can still do with the credentials it was given.
    pub(crate) fn revoke(&mut self, now: Instant, user: &str) {
        self.guarded(now, |server| server.revoke_user(now, user));
    }

    /// Lets time pass.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.guarded(now, |server| server.handle_timeout(now));
    }

    /// When [`Self::expire`] has something to do.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.server.poll_output()
    }

    /// Tells what has been counted.
    pub(crate) fn publish(&mut self) {
        self.counters.publish(self.server.stats());
    }

    /// Runs the server; after a panic, a fresh one takes its place. Clients then find that they have
    /// no allocation any more, and make one.
    fn guarded<T>(&mut self, now: Instant, run: impl FnOnce(&mut Server) -> T) -> Option<T> {
        match catch_unwind(AssertUnwindSafe(|| run(&mut self.server))) {
            Ok(result) => Some(result),
            Err(_) => {
                tracing::error!("the TURN server failed and was started again");
                let broken = std::mem::replace(&mut self.server, server(now, &self.config));
                self.counters.fault(broken.stats());
                // Its parts may be in any state; if dropping them panics too, that is the end of it.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(broken)));
                None
            }
        }
    }
}

fn server(now: Instant, config: &ServerConfig) -> Server {
    // Before 1970 no credential has expired, and none will in this process's time.
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    Server::new(config.clone(), now, unix, rand::random())
}
