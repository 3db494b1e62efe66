//! Which of its remotes a leg's media goes to: the one that the client has chosen.
//!
//! The client decides (it is ICE's controlling agent) and says so by USE-CANDIDATE. The engine keeps
//! to the nominated pair of the highest priority for as long as checks may still come by it, 15 s;
//! a client that moves from UDP to TCP, or to another network, must not wait for that. So the choice
//! is followed here: the path of the newest nomination.
//!
//! Old clients nominate every pair in their first second (aggressive nomination, RFC 5245 section
//! 8.1.1.2) and then use one without a further word. So a nominated path by which the client speaks
//! takes over from a chosen one that it does not speak by.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::remote::{PathKind, Remote, Transport};

/// A way to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) remote: Remote,
    /// The announced address that the client reaches by it.
    pub(crate) local: SocketAddr,
}

#[derive(Debug)]
struct Known {
    path: Path,
    nominated: bool,
}

/// The paths of one leg.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    /// Oldest first.
    known: VecDeque<Known>,
    chosen: Option<Chosen>,
}

#[derive(Debug)]
struct Chosen {
    path: Path,
    /// When it was chosen, or the client last spoke by it.
    heard: Instant,
}

/// Paths that are remembered; no fewer than addresses that belong to a leg.
const MOST: usize = 16;
/// A client with a path speaks by it this often: receivers report, senders send.
const QUIET: Duration = Duration::from_millis(500);

impl Paths {
    /// A genuine connectivity check has come.
    pub(crate) fn checked(&mut self, now: Instant, path: Path, nominates: bool) {
        match self.known.iter_mut().find(|known| known.path == path) {
            Some(known) => known.nominated |= nominates,
            None => {
                if self.known.len() >= MOST {
                    self.known.pop_front();
                }
                self.known.push_back(Known { path, nominated: nominates });
            }
        }
        if nominates && self.chosen.as_ref().is_none_or(|chosen| chosen.path != path) {
            self.chosen = Some(Chosen { path, heard: now });
        }
    }

    /// DTLS or SRTP has come from a remote of the leg.
    pub(crate) fn spoken(&mut self, now: Instant, path: Path) {
        match &mut self.chosen {
            Some(chosen) if chosen.path == path => chosen.heard = now,
            Some(chosen) if now.saturating_duration_since(chosen.heard) < QUIET => {}
            _ if self.known.iter().any(|known| known.path == path && known.nominated) => {
                self.chosen = Some(Chosen { path, heard: now });
            }
            _ => {}
        }
    }

    /// Nothing can be sent there any more.
    pub(crate) fn forget(&mut self, remote: Remote) {
        self.known.retain(|known| known.path.remote != remote);
        self.chosen.take_if(|chosen| chosen.path.remote == remote);
    }

    /// Where media goes.
    pub(crate) fn chosen(&self) -> Option<Path> {
        self.chosen.as_ref().map(|chosen| chosen.path)
    }

    /// What the chosen path is.
    pub(crate) fn kind(&self) -> Option<PathKind> {
        self.chosen().map(|path| path.remote.kind())
    }

    /// The remote of which the engine knows no more than this; of several streams, the newest.
    pub(crate) fn remote(&self, transport: Transport, address: SocketAddr) -> Option<Remote> {
        let remotes = self.known.iter().rev().map(|known| known.path.remote);
        let is_it = |remote: &Remote| remote.transport() == transport && remote.address() == address;
        remotes.into_iter().find(is_it)
    }
}

#[cfg(test)]
mod tests {
    use conclave_turn::StreamId;

    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn udp(port: u16) -> Path {
        Path { remote: Remote::Udp(address(port)), local: address(443) }
    }

    fn tcp(id: u64, port: u16) -> Path {
        Path { remote: Remote::Stream(StreamId(id), address(port)), local: address(443) }
    }

    #[test]
    fn media_follows_the_newest_nomination_whatever_its_priority() {
        let now = Instant::now();
        let mut paths = Paths::default();
        paths.checked(now, udp(1), false);
        assert_eq!(paths.chosen(), None);
        paths.checked(now, udp(1), true);
        paths.spoken(now, udp(1));
        paths.checked(now, tcp(1, 2), true);
        assert_eq!((paths.chosen(), paths.kind()), (Some(tcp(1, 2)), Some(PathKind::Tcp)));
        // Late packets of the old path do not bring it back, a nomination does.
        paths.spoken(now, udp(1));
        assert_eq!(paths.chosen(), Some(tcp(1, 2)));
        paths.checked(now, udp(1), true);
        assert_eq!(paths.chosen(), Some(udp(1)));
    }

    #[test]
    fn a_client_that_nominates_everything_is_answered_where_it_speaks() {
        let now = Instant::now();
        let mut paths = Paths::default();
        paths.checked(now, udp(1), true);
        paths.checked(now, tcp(1, 2), true);
        paths.spoken(now + QUIET / 2, udp(1));
        assert_eq!(paths.chosen(), Some(tcp(1, 2)));
        paths.spoken(now + QUIET, udp(1));
        assert_eq!(paths.chosen(), Some(udp(1)));
        // What was never nominated, or never checked, is not spoken to.
        paths.checked(now, udp(3), false);
        for port in [3, 4] {
            paths.spoken(now + QUIET * 9, udp(port));
            assert_eq!(paths.chosen(), Some(udp(1)));
        }
    }

    #[test]
    fn a_closed_stream_is_no_path_and_another_of_its_address_is() {
        let now = Instant::now();
        let mut paths = Paths::default();
        paths.checked(now, tcp(1, 2), true);
        paths.checked(now, tcp(2, 2), false);
        assert_eq!(paths.remote(Transport::Tcp, address(2)), Some(tcp(2, 2).remote));
        assert_eq!(paths.remote(Transport::Udp, address(2)), None);
        paths.forget(tcp(1, 2).remote);
        assert_eq!(paths.chosen(), None);
        paths.spoken(now, tcp(2, 2));
        assert_eq!(paths.chosen(), None);
        paths.checked(now, tcp(2, 2), true);
        assert_eq!(paths.chosen(), Some(tcp(2, 2)));
    }

    #[test]
    fn paths_are_bounded_and_the_chosen_one_survives() {
        let now = Instant::now();
        let mut paths = Paths::default();
        paths.checked(now, udp(1), true);
        for port in 0..1_000 {
            paths.checked(now, udp(2 + port), false);
        }
        assert_eq!(paths.known.len(), MOST);
        assert_eq!(paths.chosen(), Some(udp(1)));
    }
}
