//! Which leg of a shard a packet belongs to.
//!
//! A STUN check finds its leg by the name that the server gave the leg (the local `ufrag`).
//! Anything else counts only from a remote that a leg's STUN check has validated: a ClientHello or
//! an SRTP packet from anywhere else reaches no leg, be it a datagram or in a TCP connection.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::event::RoomKey;
use crate::remote::Remote;

/// A leg of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LegRef {
    pub(crate) room: RoomKey,
    /// Never given out twice.
    pub(crate) key: u64,
}

/// A leg of this shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Local {
    /// Where it is among the shard's legs; another's once it has gone.
    pub(crate) place: u32,
    /// That of its [`LegRef`].
    pub(crate) key: u64,
}

/// A remote belongs to another leg, or is one too many for this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken;

#[derive(Clone, Copy, Debug)]
struct Route {
    leg: Local,
    checked: Instant,
}

#[derive(Debug, Default)]
struct OfLeg {
    ufrag: Option<String>,
    /// Oldest first.
    remotes: VecDeque<Remote>,
    /// Remotes that were validated under this name, those that are forgotten again included.
    validated: usize,
}

/// The two tables. See the [module's description](self).
#[derive(Debug, Default)]
pub(crate) struct Routes {
    by_ufrag: HashMap<String, Local>,
    by_remote: HashMap<Remote, Route>,
    of_leg: HashMap<Local, OfLeg>,
}

/// Remotes of one leg; a client with more interfaces than that loses the oldest.
const REMOTES_PER_LEG: usize = 16;
/// Remotes of one leg between two ICE restarts. The engine remembers each of them.
const REMOTES_PER_NAME: usize = 128;

/// How long after its last check a remote still belongs to its leg alone. A check can be sent with
/// a false source address, and must not divert a neighbour's packets.
const CLAIM: Duration = Duration::from_secs(10);

impl Routes {
    /// The leg is known by this name from now on, and by no earlier one.
    pub(crate) fn name(&mut self, leg: Local, ufrag: String) {
        let of_leg = self.of_leg.entry(leg).or_default();
        if of_leg.ufrag.as_deref() == Some(&ufrag) {
            return;
        }
        of_leg.validated = 0;
        if let Some(earlier) = of_leg.ufrag.replace(ufrag.clone()) {
            self.by_ufrag.remove(&earlier);
        }
        self.by_ufrag.insert(ufrag, leg);
    }

    /// The leg of this name.
    pub(crate) fn by_ufrag(&self, ufrag: &str) -> Option<Local> {
        self.by_ufrag.get(ufrag).copied()
    }

    /// The leg that validated this remote.
    pub(crate) fn by_remote(&self, remote: Remote) -> Option<Local> {
        self.by_remote.get(&remote).map(|route| route.leg)
    }

    /// A genuine STUN check for a leg came from this remote.
    ///
    /// # Errors
    /// [`Taken`]: another leg uses the remote, or this one has had too many.
    pub(crate) fn validate(&mut self, now: Instant, remote: Remote, leg: Local) -> Result<(), Taken> {
        let of_leg = self.of_leg.entry(leg).or_default();
        let is_one_too_many = of_leg.validated >= REMOTES_PER_NAME;
        match self.by_remote.get_mut(&remote) {
            Some(route) if route.leg == leg => {
                route.checked = now;
                return Ok(());
            }
            Some(route) if now.saturating_duration_since(route.checked) < CLAIM => return Err(Taken),
            _ if is_one_too_many => return Err(Taken),
            Some(route) => {
                if let Some(of_leg) = self.of_leg.get_mut(&route.leg) {
                    of_leg.remotes.retain(|other| *other != remote);
                }
            }
            None => {}
        }
        let of_leg = self.of_leg.entry(leg).or_default();
        if of_leg.remotes.len() >= REMOTES_PER_LEG
            && let Some(oldest) = of_leg.remotes.pop_front()
        {
            self.by_remote.remove(&oldest);
        }
        of_leg.validated += 1;
        of_leg.remotes.push_back(remote);
        self.by_remote.insert(remote, Route { leg, checked: now });
        Ok(())
    }

    /// The remote is gone. Returns the leg that it belonged to.
    pub(crate) fn forget_remote(&mut self, remote: Remote) -> Option<Local> {
        let route = self.by_remote.remove(&remote)?;
        if let Some(of_leg) = self.of_leg.get_mut(&route.leg) {
            of_leg.remotes.retain(|other| *other != remote);
        }
        Some(route.leg)
    }

    /// The leg is gone. Returns its remotes.
    pub(crate) fn forget(&mut self, leg: Local) -> VecDeque<Remote> {
        let Some(of_leg) = self.of_leg.remove(&leg) else { return VecDeque::new() };
        if let Some(ufrag) = of_leg.ufrag {
            self.by_ufrag.remove(&ufrag);
        }
        for remote in &of_leg.remotes {
            self.by_remote.remove(remote);
        }
        of_leg.remotes
    }

    /// Whether no check for the leg has come.
    pub(crate) fn is_unheard(&self, leg: Local) -> bool {
        self.of_leg.get(&leg).is_none_or(|of_leg| of_leg.remotes.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use conclave_turn::StreamId;

    use super::*;

    const A: Local = Local { place: 0, key: 1 };
    const B: Local = Local { place: 1, key: 2 };

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    fn udp(port: u16) -> Remote {
        Remote::Udp(address(port))
    }

    #[test]
    fn a_leg_is_found_by_its_newest_name_and_by_validated_remotes_only() {
        let now = Instant::now();
        let mut routes = Routes::default();
        routes.name(A, "one".into());
        routes.name(A, "two".into());
        assert_eq!((routes.by_ufrag("one"), routes.by_ufrag("two")), (None, Some(A)));
        let stream = Remote::Stream(StreamId(7), address(1));
        for remote in [udp(1), stream, Remote::Relay(address(1))] {
            assert_eq!(routes.by_remote(remote), None, "the same address by another way is another remote");
            assert_eq!(routes.validate(now, remote, A), Ok(()));
            assert_eq!(routes.by_remote(remote), Some(A));
        }
        assert_eq!(routes.forget(A), [udp(1), stream, Remote::Relay(address(1))]);
        assert_eq!((routes.by_ufrag("two"), routes.by_remote(udp(1)), routes.by_remote(stream)), (None, None, None));
    }

    #[test]
    fn a_leg_cannot_take_a_remote_that_another_still_uses() {
        let now = Instant::now();
        let mut routes = Routes::default();
        assert_eq!(routes.validate(now, udp(1), A), Ok(()));
        assert_eq!(routes.validate(now + CLAIM / 2, udp(1), A), Ok(()));
        assert_eq!(routes.validate(now + CLAIM, udp(1), B), Err(Taken));
        assert_eq!(routes.validate(now + CLAIM * 2, udp(1), B), Ok(()));
        assert_eq!(routes.by_remote(udp(1)), Some(B));
        // The remote is no longer the first leg's to take along.
        routes.forget(A);
        assert_eq!(routes.by_remote(udp(1)), Some(B));
        assert_eq!(routes.forget_remote(udp(1)), Some(B));
        assert_eq!(routes.by_remote(udp(1)), None);
    }

    #[test]
    fn remotes_of_a_leg_are_bounded_and_a_new_name_starts_over() {
        let now = Instant::now();
        let mut routes = Routes::default();
        routes.name(A, "one".into());
        let most = REMOTES_PER_NAME as u16;
        for port in 0..most {
            assert_eq!(routes.validate(now, udp(port), A), Ok(()));
        }
        assert_eq!(routes.by_remote.len(), REMOTES_PER_LEG);
        assert_eq!((routes.by_remote(udp(most - 1)), routes.by_remote(udp(0))), (Some(A), None));
        assert_eq!(routes.validate(now, udp(most), A), Err(Taken));
        assert_eq!(routes.validate(now, udp(most - 1), A), Ok(()), "a known one");
        routes.name(A, "one".into());
        assert_eq!(routes.validate(now, udp(most), A), Err(Taken));
        routes.name(A, "two".into());
        assert_eq!(routes.validate(now, udp(most), A), Ok(()));
    }
}
