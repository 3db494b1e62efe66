//! Which leg a datagram belongs to.
//!
//! A STUN check finds its leg by the name that the server gave the leg (the local `ufrag`).
//! Anything else counts only from an address that a leg's STUN check has validated: a ClientHello
//! or an SRTP packet from anywhere else reaches no leg.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::event::RoomKey;

/// A leg of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LegRef {
    pub(crate) room: RoomKey,
    /// Never given out twice.
    pub(crate) key: u64,
}

/// An address belongs to another leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken;

#[derive(Clone, Copy, Debug)]
struct Route {
    leg: LegRef,
    checked: Instant,
}

#[derive(Debug, Default)]
struct OfLeg {
    ufrag: Option<String>,
    addresses: VecDeque<SocketAddr>,
}

/// The two tables. See the [module's description](self).
#[derive(Debug, Default)]
pub(crate) struct Routes {
    by_ufrag: HashMap<String, LegRef>,
    by_address: HashMap<SocketAddr, Route>,
    of_leg: HashMap<LegRef, OfLeg>,
}

/// Addresses of one leg; a client with more interfaces than that loses the oldest.
const ADDRESSES_PER_LEG: usize = 16;

/// How long after its last check an address still belongs to its leg alone. A check can be sent with
/// a false source address, and must not divert a neighbour's packets.
const CLAIM: Duration = Duration::from_secs(10);

impl Routes {
    /// The leg is known by this name from now on, and by no earlier one.
    pub(crate) fn name(&mut self, leg: LegRef, ufrag: String) {
        let of_leg = self.of_leg.entry(leg).or_default();
        if let Some(earlier) = of_leg.ufrag.replace(ufrag.clone()) {
            self.by_ufrag.remove(&earlier);
        }
        self.by_ufrag.insert(ufrag, leg);
    }

    /// The leg of this name.
    pub(crate) fn by_ufrag(&self, ufrag: &str) -> Option<LegRef> {
        self.by_ufrag.get(ufrag).copied()
    }

    /// The leg that validated this address.
    pub(crate) fn by_address(&self, address: SocketAddr) -> Option<LegRef> {
        self.by_address.get(&address).map(|route| route.leg)
    }

    /// A genuine STUN check for a leg came from this address.
    ///
    /// # Errors
    /// [`Taken`]: another leg uses the address.
    pub(crate) fn validate(&mut self, now: Instant, address: SocketAddr, leg: LegRef) -> Result<(), Taken> {
        match self.by_address.get_mut(&address) {
            Some(route) if route.leg == leg => {
                route.checked = now;
                return Ok(());
            }
            Some(route) if now.saturating_duration_since(route.checked) < CLAIM => return Err(Taken),
            Some(route) => {
                if let Some(of_leg) = self.of_leg.get_mut(&route.leg) {
                    of_leg.addresses.retain(|other| *other != address);
                }
            }
            None => {}
        }
        let of_leg = self.of_leg.entry(leg).or_default();
        if of_leg.addresses.len() >= ADDRESSES_PER_LEG
            && let Some(oldest) = of_leg.addresses.pop_front()
        {
            self.by_address.remove(&oldest);
        }
        of_leg.addresses.push_back(address);
        self.by_address.insert(address, Route { leg, checked: now });
        Ok(())
    }

    /// The leg is gone.
    pub(crate) fn forget(&mut self, leg: LegRef) {
        let Some(of_leg) = self.of_leg.remove(&leg) else { return };
        if let Some(ufrag) = of_leg.ufrag {
            self.by_ufrag.remove(&ufrag);
        }
        for address in of_leg.addresses {
            self.by_address.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: LegRef = LegRef { room: RoomKey(1), key: 1 };
    const B: LegRef = LegRef { room: RoomKey(1), key: 2 };

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn a_leg_is_found_by_its_newest_name_and_by_validated_addresses_only() {
        let now = Instant::now();
        let mut routes = Routes::default();
        routes.name(A, "one".into());
        routes.name(A, "two".into());
        assert_eq!((routes.by_ufrag("one"), routes.by_ufrag("two")), (None, Some(A)));
        assert_eq!(routes.by_address(address(1)), None);
        assert_eq!(routes.validate(now, address(1), A), Ok(()));
        assert_eq!(routes.by_address(address(1)), Some(A));
        routes.forget(A);
        assert_eq!((routes.by_ufrag("two"), routes.by_address(address(1))), (None, None));
    }

    #[test]
    fn a_leg_cannot_take_an_address_that_another_still_uses() {
        let now = Instant::now();
        let mut routes = Routes::default();
        assert_eq!(routes.validate(now, address(1), A), Ok(()));
        assert_eq!(routes.validate(now + CLAIM / 2, address(1), A), Ok(()));
        assert_eq!(routes.validate(now + CLAIM, address(1), B), Err(Taken));
        assert_eq!(routes.validate(now + CLAIM * 2, address(1), B), Ok(()));
        assert_eq!(routes.by_address(address(1)), Some(B));
        // The address is no longer the first leg's to take along.
        routes.forget(A);
        assert_eq!(routes.by_address(address(1)), Some(B));
    }

    #[test]
    fn addresses_of_a_leg_are_bounded() {
        let now = Instant::now();
        let mut routes = Routes::default();
        for port in 0..1_000 {
            assert_eq!(routes.validate(now, address(port), A), Ok(()));
        }
        assert_eq!(routes.by_address.len(), ADDRESSES_PER_LEG);
        assert_eq!(routes.by_address(address(999)), Some(A));
        assert_eq!(routes.by_address(address(0)), None);
    }
}
