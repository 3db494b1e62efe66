//! The first thing that the program says: where it is, and what it found when it looked at itself.

mod findings;

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::net::{CertificateFacts, CertificateOrigin, day_of};

/// What there is to say.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Where the program listens, for TCP and UDP.
    pub address: SocketAddr,
    /// Addresses of this machine's interfaces.
    pub local: Vec<IpAddr>,
    /// What clients are told about where media goes.
    pub announced: Vec<SocketAddr>,
    /// Where everything is kept.
    pub data: PathBuf,
    /// Where the certificate comes from.
    pub origin: CertificateOrigin,
    /// What it says; `None` if that cannot be read.
    pub certificate: Option<CertificateFacts>,
    /// Names that an authority is asked for.
    pub acme_names: Vec<String>,
    /// Trusted proxies end TLS, so that people never see this program's certificate.
    pub tls_at_proxy: bool,
    /// The time, in seconds since 1970.
    pub now: u64,
}

/// Width of the left column.
const COLUMN: usize = 20;
/// Names of a certificate that are written out.
const NAMES: usize = 3;

/// Several lines, for people.
pub fn announcement(facts: &Facts) -> String {
    let mut text = String::from("Conclave is running.\n\n");
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "  {label:<COLUMN$} {value}");
    };
    if facts.address.ip().is_unspecified() || facts.address.ip().is_loopback() {
        line("On this machine:", &format!("http://localhost:{}", facts.address.port()));
    }
    for (index, url) in urls(facts).iter().enumerate() {
        line(if index == 0 { "From other machines:" } else { "" }, url);
    }
    let announced = facts.announced.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    line("Media (UDP, TCP):", &announced);
    line("Certificate:", &certificate(facts));
    line("Data folder:", &facts.data.display().to_string());
    let findings = findings::findings(facts);
    if findings.is_empty() {
        line("Looked at itself:", "ports, addresses, certificate and clock are in order");
    }
    for (index, finding) in findings.iter().enumerate() {
        let _ = write!(text, "{}{finding}", if index == 0 { "\n" } else { "" });
    }
    text.push_str("\nStop it with Ctrl+C.\n");
    text
}

/// What people elsewhere can open.
fn urls(facts: &Facts) -> Vec<String> {
    let (ip, port) = (facts.address.ip(), facts.address.port());
    if ip.is_loopback() {
        return Vec::new();
    }
    let port_suffix = if port == 443 { String::new() } else { format!(":{port}") };
    let named = facts.acme_names.iter().map(|name| format!("https://{name}{port_suffix}"));
    let addresses: Vec<_> = if ip.is_unspecified() {
        facts.local.iter().filter(|local| local.is_ipv4() || ip.is_ipv6()).copied().collect()
    } else {
        vec![ip]
    };
    named.chain(addresses.iter().map(|ip| format!("https://{}", SocketAddr::new(*ip, port)))).collect()
}

fn certificate(facts: &Facts) -> String {
    let Some(certificate) = &facts.certificate else { return "of a kind that cannot be read here".into() };
    let until = day_of(certificate.not_after);
    match facts.origin {
        CertificateOrigin::SelfSigned if !facts.acme_names.is_empty() => {
            format!("being asked for, for {}; self-signed until then", facts.acme_names.join(", "))
        }
        CertificateOrigin::SelfSigned => "self-signed: browsers warn of it once".into(),
        CertificateOrigin::Files | CertificateOrigin::Acme => {
            let mut names: Vec<_> =
                certificate.names.iter().cloned().chain(certificate.addresses.iter().map(IpAddr::to_string)).collect();
            if names.len() > NAMES {
                let more = names.len() - NAMES;
                names.truncate(NAMES);
                names.push(format!("{more} more"));
            }
            format!("for {}, until {until}", names.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn facts(address: &str) -> Facts {
        Facts {
            address: address.parse().expect("address"),
            local: vec!["192.0.2.7".parse().expect("IP"), "2001:db8::7".parse().expect("IP")],
            announced: vec!["192.0.2.7:8443".parse().expect("address")],
            data: "/srv/conclave".into(),
            origin: CertificateOrigin::SelfSigned,
            certificate: Some(CertificateFacts {
                names: vec!["localhost".into()],
                addresses: Vec::new(),
                not_before: 1_795_000_000,
                not_after: 1_800_000_000,
                is_self_signed: true,
            }),
            acme_names: Vec::new(),
            tls_at_proxy: false,
            now: 1_795_230_095,
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

    #[test]
    fn it_says_what_the_certificate_is() {
        let mut facts = facts("[::]:443");
        assert!(announcement(&facts).contains("self-signed: browsers warn"));
        facts.acme_names = vec!["meet.example.org".into()];
        let said = announcement(&facts);
        assert!(said.contains("being asked for, for meet.example.org") && said.contains("https://meet.example.org\n"));
        facts.origin = CertificateOrigin::Acme;
        facts.certificate.as_mut().expect("set").names =
            ["meet.example.org", "a.example", "b.example", "c.example"].map(str::to_owned).to_vec();
        assert!(
            announcement(&facts).contains("for meet.example.org, a.example, b.example, 1 more, until 2027-01-15"),
            "{}",
            announcement(&facts)
        );
    }

    #[test]
    fn what_is_in_order_is_one_line() {
        let mut facts = facts("[::]:443");
        facts.announced = ["198.51.100.7:443", "[2606:4700::7]:443"].map(|text| text.parse().expect("valid")).to_vec();
        let said = announcement(&facts);
        assert!(said.contains("Looked at itself:") && said.lines().count() < 14, "{said}");
    }
}
