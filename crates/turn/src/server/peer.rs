use std::net::{IpAddr, SocketAddr};

use crate::address::{RELAYED_V4, RELAYED_V6};

/// The family of an allocation's relayed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) fn of(address: SocketAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// A relayed address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Relay {
    pub(super) family: Family,
    pub(super) port: u16,
}

impl Relay {
    /// The relay at this address, whether somebody has it or not; `None` if no relay can be there.
    pub(super) fn at(address: SocketAddr) -> Option<Self> {
        let family = match address.ip() {
            IpAddr::V4(RELAYED_V4) => Family::V4,
            IpAddr::V6(RELAYED_V6) => Family::V6,
            _ => return None,
        };
        Some(Self { family, port: address.port() })
    }

    pub(super) fn address(self) -> SocketAddr {
        let ip = match self.family {
            Family::V4 => IpAddr::V4(RELAYED_V4),
            Family::V6 => IpAddr::V6(RELAYED_V6),
        };
        SocketAddr::new(ip, self.port)
    }
}

/// What a relay can reach. That it has no third form is the whole of the protection of the owner's
/// network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// Another allocation, perhaps not existing.
    Relay(Relay),
    /// An address of the SFU, by its place among [`Reach::addresses`].
    Sfu(u16),
}

/// Whom a permission allows: permissions are given to IP addresses, not to ports (RFC 8656 section 9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// Every relay of the allocation's family, as they share one address.
    Relays,
    /// The SFU at the address of the first such entry of [`Reach::addresses`].
    Sfu(u16),
}

/// All that relays reach besides each other.
#[derive(Debug)]
pub(super) struct Reach {
    addresses: Box<[SocketAddr]>,
}

impl Reach {
    /// Addresses beyond 65,536 are left out; a machine has fewer.
    pub(super) fn new(addresses: Vec<SocketAddr>) -> Self {
        let mut addresses = addresses;
        addresses.truncate(usize::from(u16::MAX) + 1);
        Self { addresses: addresses.into_boxed_slice() }
    }

    /// Who is at this address; `None` if no relay reaches it. There is no notion here of an address
    /// that is the same in another form (IPv4 inside IPv6): what is not literally ours is nobody.
    pub(super) fn peer(&self, address: SocketAddr) -> Option<Peer> {
        Relay::at(address).map(Peer::Relay).or_else(|| {
            let index = self.addresses.iter().position(|known| *known == address)?;
            u16::try_from(index).ok().map(Peer::Sfu)
        })
    }

    /// Whom a permission for this address allows; `None` if no relay reaches it.
    pub(super) fn host(&self, ip: IpAddr) -> Option<Host> {
        if ip == RELAYED_V4 || ip == RELAYED_V6 {
            return Some(Host::Relays);
        }
        let index = self.addresses.iter().position(|known| known.ip() == ip)?;
        u16::try_from(index).ok().map(Host::Sfu)
    }

    /// The host of a peer.
    pub(super) fn host_of(&self, peer: Peer) -> Option<Host> {
        match peer {
            Peer::Relay(_) => Some(Host::Relays),
            Peer::Sfu(_) => self.host(self.address(peer)?.ip()),
        }
    }

    /// The address of a peer.
    pub(super) fn address(&self, peer: Peer) -> Option<SocketAddr> {
        match peer {
            Peer::Relay(relay) => Some(relay.address()),
            Peer::Sfu(index) => self.addresses.get(usize::from(index)).copied(),
        }
    }
}
