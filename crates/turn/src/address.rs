//! The addresses of relays. They exist inside the program only, so they are taken from blocks that no
//! network routes: a relayed address can never be confused with the address of a machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where every IPv4 relay is: the IPv4 dummy address (RFC 7600 section 4.8), which is never the source
/// of a packet on any network.
pub const RELAYED_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 0, 8);

/// Where every IPv6 relay is: in the discard-only block (RFC 6666).
pub const RELAYED_V6: Ipv6Addr = Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 8);

/// Whether this is the address of relays. A packet that claims to come from it over a real socket is
/// forged.
#[must_use]
pub fn is_relayed(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip == RELAYED_V4,
        IpAddr::V6(ip) => ip == RELAYED_V6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relayed_addresses_are_told_in_every_form_and_their_neighbours_are_not() {
        for relayed in ["192.0.0.8", "::ffff:192.0.0.8", "100::8"] {
            assert!(is_relayed(relayed.parse().unwrap()), "{relayed}");
        }
        for other in ["192.0.0.9", "192.0.0.7", "100::9", "100:0:0:1::8", "::8", "127.0.0.1", "::192.0.0.8"] {
            assert!(!is_relayed(other.parse().unwrap()), "{other}");
        }
    }
}
