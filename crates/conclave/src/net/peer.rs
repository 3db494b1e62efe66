//! Who is at the other end of a connection, as far as that is anybody's concern.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use axum::http::uri::Authority;

/// What is known about whoever sent a request. Deliberately not its address: whatever needs no
/// address cannot leak one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The request comes from this machine, and not through a proxy on it.
    pub is_loopback: bool,
    /// The client's own connection is encrypted, wherever TLS ends.
    pub is_tls: bool,
    /// Under which name the client reached the server; absent if it did not say one properly.
    pub host: Option<Host>,
    /// Whose share of what is bounded per client it uses.
    pub source: Source,
}

/// A client, as far as bounds per client can tell them apart: an IPv4 address, or the /64 network of
/// an IPv6 address, of which one person has all (RFC 6177). Never printed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Source(IpAddr);

impl Source {
    /// The one that this address belongs to.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(ip) => Self(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into()),
            ipv4 => Self(ipv4),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source(***)")
    }
}

/// The host and port that a client put into its URL. Safe to be put into headers and URLs again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    name: String,
    port: Option<u16>,
}

impl Host {
    /// Reads the value of a `Host` header (RFC 9110, section 7.2): a name, an IPv4 address or an IPv6
    /// address in brackets, and a port if it is not the scheme's own.
    pub fn parse(text: &str) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        let name = authority.host().to_ascii_lowercase();
        let is_safe = match name.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']')?.parse::<Ipv6Addr>().is_ok(),
            None => {
                (1..=253).contains(&name.len())
                    && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            }
        };
        // `Authority` takes a user's name as well, and a colon without a port.
        let port = authority.port_u16();
        let length = name.len() + port.map_or(0, |_| 1 + authority.port().map_or(0, |port| port.as_str().len()));
        (is_safe && length == text.len()).then_some(Self { name, port })
    }

    /// The name in lower case, or the address; an IPv6 address in brackets.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, if one was written.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.name.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// Whether it means the client's own machine.
    pub fn is_loopback(&self) -> bool {
        self.name == "localhost" || self.ip().is_some_and(|ip| ip.to_canonical().is_loopback())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses_with_or_without_a_port() {
        for (text, name, port) in [
            ("Meet.Example", "meet.example", None),
            ("meet.example:8443", "meet.example", Some(8443)),
            ("192.0.2.1:1", "192.0.2.1", Some(1)),
            ("[2001:DB8::1]", "[2001:db8::1]", None),
            ("[2001:db8::1]:443", "[2001:db8::1]", Some(443)),
        ] {
            let host = Host::parse(text).expect("a host");
            assert_eq!((host.name(), host.port()), (name, port), "{text}");
            assert_eq!(host.to_string(), text.to_ascii_lowercase());
        }
        assert_eq!(Host::parse("[::1]:8").and_then(|host| host.ip()), Some(Ipv6Addr::LOCALHOST.into()));
        assert!(Host::parse("localhost:1").is_some_and(|host| host.is_loopback()));
        assert!(!Host::parse("localhost.example").is_some_and(|host| host.is_loopback()));
    }

    #[test]
    fn what_could_mean_something_else_in_a_header_is_no_host() {
        for bad in [
            "", "a b", "user@a", "a;b", "a,b", "a/b", "a?b", "a:", "a:99999", "a:b", "[::1", "[a]", "::1", "a\"b",
            "a%20b", "*",
        ] {
            assert_eq!(Host::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn one_household_is_one_source() {
        let source = |text: &str| Source::of(text.parse().expect("an address"));
        assert_eq!(source("192.0.2.1"), source("::ffff:192.0.2.1"));
        assert_ne!(source("192.0.2.1"), source("192.0.2.2"));
        assert_eq!(source("2001:db8:0:1::1"), source("2001:db8:0:1:ffff::2"));
        assert_ne!(source("2001:db8:0:1::1"), source("2001:db8:0:2::1"));
        assert_eq!(format!("{:?}", source("192.0.2.1")), "Source(***)");
    }
}
