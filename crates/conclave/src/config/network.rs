//! Addresses in options: networks, public addresses, ICE servers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use serde::Deserialize;

use super::values::ValueError;

/// A network in CIDR notation (RFC 4632, RFC 4291 section 2.3), or a single address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    /// An IPv4 network in its IPv6-mapped form, so that there is one kind of arithmetic.
    bits: u128,
    mask: u128,
}

impl Network {
    /// Whether the address is in it. An IPv6-mapped IPv4 address is that IPv4 address.
    pub fn contains(&self, ip: IpAddr) -> bool {
        widened(ip) & self.mask == self.bits
    }
}

fn widened(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

impl FromStr for Network {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let refused = || ValueError::new(format!("{text:?} is not an address or a network such as 10.0.0.0/8"));
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().map_err(|_| refused())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        let whole = if address.is_ipv4() { Ipv4Addr::BITS } else { Ipv6Addr::BITS };
        let length = length.unwrap_or(whole);
        let host = whole.checked_sub(length).ok_or_else(refused)?;
        let mask = u128::MAX.checked_shl(host).unwrap_or(0);
        Ok(Self { bits: widened(address) & mask, mask })
    }
}

/// Where clients reach this machine from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PublicAddress {
    /// The address.
    pub ip: IpAddr,
    /// The port as seen from outside; the one of `listen` if absent.
    pub port: Option<u16>,
}

impl From<IpAddr> for PublicAddress {
    fn from(ip: IpAddr) -> Self {
        Self { ip, port: None }
    }
}

impl FromStr for PublicAddress {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let parsed = match (bare.parse::<IpAddr>(), text.parse::<SocketAddr>()) {
            (Ok(ip), _) => Self { ip: ip.to_canonical(), port: None },
            (_, Ok(address)) => Self { ip: address.ip().to_canonical(), port: Some(address.port()) },
            _ => {
                return Err(ValueError::new(format!(
                    "{text:?} is not an IP address such as 203.0.113.7, 203.0.113.7:443 or [2001:db8::7]:443"
                )));
            }
        };
        if parsed.ip.is_unspecified() || parsed.ip.is_multicast() || parsed.port == Some(0) {
            return Err(ValueError::new(format!("{text:?} cannot be reached by anybody")));
        }
        Ok(parsed)
    }
}

/// The URL of a STUN or TURN server (RFC 7064, RFC 7065).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct IceUrl(String);

impl IceUrl {
    /// As browsers take it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it relays, for which clients need a credential.
    pub fn is_turn(&self) -> bool {
        self.0.starts_with("turn")
    }
}

impl FromStr for IceUrl {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let refused = || {
            ValueError::new(format!(
                "{text:?} is not a URL such as stun:stun.example.org or turns:turn.example.org:443?transport=tcp"
            ))
        };
        let (scheme, rest) = text.split_once(':').ok_or_else(refused)?;
        let (server, query) = rest.split_once('?').map_or((rest, None), |(server, query)| (server, Some(query)));
        let known = match scheme {
            "stun" | "stuns" => query.is_none(),
            "turn" | "turns" => matches!(query, None | Some("transport=udp" | "transport=tcp")),
            _ => false,
        };
        let authority: axum::http::uri::Authority = server.parse().map_err(|_| refused())?;
        if !known || server.contains('@') || authority.host().is_empty() {
            return Err(refused());
        }
        Ok(Self(text.to_owned()))
    }
}

macro_rules! parsed_from_text {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = ValueError;
            fn try_from(text: String) -> Result<Self, ValueError> {
                text.parse()
            }
        }
    )*};
}

parsed_from_text!(Network, PublicAddress, IceUrl);

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().expect("a network")
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_network_contains_its_addresses_and_no_others() {
        let private = network("10.1.2.3/8");
        assert!(private.contains(ip("10.255.0.1")) && private.contains(ip("::ffff:10.0.0.1")));
        assert!(!private.contains(ip("11.0.0.1")) && !private.contains(ip("::a00:1")));
        assert!(network("192.0.2.7").contains(ip("192.0.2.7")) && !network("192.0.2.7").contains(ip("192.0.2.8")));
        assert!(network("2001:db8::/32").contains(ip("2001:db8:1::2")));
        assert!(!network("2001:db8::/32").contains(ip("2001:db9::")));
        assert!(network("0.0.0.0/0").contains(ip("203.0.113.1")) && !network("0.0.0.0/0").contains(ip("2001:db8::1")));
        assert!(network("::/0").contains(ip("2001:db8::1")));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "proxy.example", "10.0.0/8"] {
            assert!(bad.parse::<Network>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_public_address_may_have_a_port() {
        let parsed = |text: &str| text.parse::<PublicAddress>().map(|address| (address.ip.to_string(), address.port));
        assert_eq!(parsed("203.0.113.7"), Ok(("203.0.113.7".into(), None)));
        assert_eq!(parsed("203.0.113.7:443"), Ok(("203.0.113.7".into(), Some(443))));
        assert_eq!(parsed("2001:db8::7"), Ok(("2001:db8::7".into(), None)));
        assert_eq!(parsed("[2001:db8::7]"), Ok(("2001:db8::7".into(), None)));
        assert_eq!(parsed("[2001:db8::7]:443"), Ok(("2001:db8::7".into(), Some(443))));
        assert_eq!(parsed("::ffff:192.0.2.1"), Ok(("192.0.2.1".into(), None)));
        for bad in ["", "meet.example.org", "203.0.113.7:0", "0.0.0.0", "[::]:443", "224.0.0.1", "203.0.113.7:99999"] {
            assert!(parsed(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn ice_servers_are_written_as_the_standards_say() {
        for good in [
            "stun:stun.example.org",
            "stuns:stun.example.org:5349",
            "turn:192.0.2.1:3478?transport=udp",
            "turns:[2001:db8::1]:443?transport=tcp",
        ] {
            assert_eq!(good.parse::<IceUrl>().as_ref().map(IceUrl::as_str), Ok(good));
        }
        for bad in [
            "",
            "stun.example.org",
            "stun:",
            "stun:a?transport=udp",
            "turn:a?transport=sctp",
            "turn://a",
            "turn:user@a",
            "https:a",
        ] {
            assert!(bad.parse::<IceUrl>().is_err(), "{bad:?}");
        }
    }
}
