//! The first thing that the program says.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// What there is to say.
pub struct Facts {
    /// Where the program listens.
    pub address: SocketAddr,
    /// Addresses of this machine's interfaces.
    pub local: Vec<IpAddr>,
    /// What clients are told about where media goes.
    pub announced: Vec<SocketAddr>,
    /// Where everything is kept.
    pub data: PathBuf,
    /// Browsers will warn of the certificate.
    pub is_self_signed: bool,
}

/// Several lines, for people.
pub fn announcement(facts: &Facts) -> String {
    let port = facts.address.port();
    let on_this_machine = facts.address.ip().is_unspecified() || facts.address.ip().is_loopback();
    let mut text = String::from("Conclave is running.\n\n");
    if on_this_machine {
        let _ = writeln!(text, "  On this machine:     http://localhost:{port}");
    }
    let reachable: Vec<_> = if facts.address.ip().is_unspecified() {
        facts.local.iter().filter(|ip| ip.is_ipv4() || facts.address.is_ipv6()).copied().collect()
    } else if facts.address.ip().is_loopback() {
        Vec::new()
    } else {
        vec![facts.address.ip()]
    };
    for (index, ip) in reachable.iter().enumerate() {
        let label = if index == 0 { "From other machines:" } else { "" };
        let _ = writeln!(text, "  {label:<20} https://{}", SocketAddr::new(*ip, port));
    }
    if facts.is_self_signed && !reachable.is_empty() {
        let _ = writeln!(text, "  {:<20} (browsers warn once: the certificate is self-signed)", "");
    }
    let announced = facts.announced.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let _ = writeln!(text, "  Media (UDP):         {announced}");
    let _ = writeln!(text, "  Data folder:         {}", facts.data.display());
    text.push_str("\nStop it with Ctrl+C.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(address: &str) -> Facts {
        Facts {
            address: address.parse().expect("address"),
            local: vec!["192.0.2.7".parse().expect("IP"), "2001:db8::7".parse().expect("IP")],
            announced: vec!["192.0.2.7:8443".parse().expect("address")],
            data: "/srv/conclave".into(),
            is_self_signed: true,
        }
    }

    #[test]
    fn it_says_which_addresses_to_open() {
        let said = announcement(&facts("[::]:8443"));
        for line in ["http://localhost:8443", "https://192.0.2.7:8443", "https://[2001:db8::7]:8443", "/srv/conclave"] {
            assert!(said.contains(line), "{line}: {said}");
        }
    }

    #[test]
    fn it_names_no_address_at_which_nothing_listens() {
        let said = announcement(&facts("0.0.0.0:8443"));
        assert!(!said.contains("2001:db8"), "{said}");
        let said = announcement(&facts("127.0.0.1:8443"));
        assert!(!said.contains("https://"), "{said}");
        let said = announcement(&facts("192.0.2.9:443"));
        assert!(!said.contains("localhost") && said.contains("https://192.0.2.9:443"), "{said}");
    }
}
