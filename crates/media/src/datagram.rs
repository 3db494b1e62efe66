//! Datagrams of the socket, and packets of legs whatever they came by.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Instant;

use conclave_qos::Ecn;

use crate::remote::Remote;

/// A datagram from the socket.
#[derive(Debug)]
pub(crate) struct Datagram<'a> {
    /// Where it came from; an IPv4 address is never in its IPv6-mapped form.
    pub(crate) source: SocketAddr,
    /// Which of this machine's addresses it came to, if the system says.
    pub(crate) local: Option<IpAddr>,
    /// When it arrived, which may be before it was read: what congestion control measures must not
    /// be how busy this machine is.
    pub(crate) at: Instant,
    /// How it was marked on its way.
    pub(crate) ecn: Ecn,
    /// What it holds; media is decrypted where it is.
    pub(crate) contents: &'a mut [u8],
}

/// A packet for a leg.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet<'a> {
    /// What it came by.
    pub(crate) source: Remote,
    /// Which announced address it was sent to, as the client sees it.
    pub(crate) to: SocketAddr,
    /// When it arrived.
    pub(crate) at: Instant,
    /// How it was marked on its way; [`Ecn::NotEct`] where that is not known.
    pub(crate) ecn: Ecn,
    /// What it holds.
    pub(crate) contents: &'a [u8],
}

/// A datagram to send.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// Where to.
    pub(crate) destination: SocketAddr,
    /// From which of this machine's addresses; the system chooses if absent.
    pub(crate) local: Option<IpAddr>,
    /// What it holds.
    pub(crate) contents: Vec<u8>,
}

/// The address in the form that everything inside uses: IPv4 is IPv4, and there is no zone or flow.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The address in the form that a socket of this family needs.
pub(crate) fn for_socket(address: SocketAddr, socket_is_ipv6: bool) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if socket_is_ipv6 => {
            SocketAddr::V6(SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_addresses_are_ipv4_inside_and_ipv6_on_a_dual_stack_socket() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:9".parse().expect("valid");
        let plain: SocketAddr = "192.0.2.1:9".parse().expect("valid");
        assert_eq!(canonical(mapped), plain);
        assert_eq!(for_socket(plain, true), mapped);
        assert_eq!(for_socket(plain, false), plain);
    }
}
