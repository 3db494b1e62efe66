//! What whoever starts the program should know before somebody else notices. Decisions only: all
//! facts are given.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::Facts;
use crate::net::{CertificateOrigin, DAY, day_of};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Something will not work for somebody.
    Problem,
    /// It could be better.
    Hint,
}

/// One thing that was found, in plain words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    weight: Weight,
    words: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = match self.weight {
            Weight::Problem => "Problem",
            Weight::Hint => "Hint",
        };
        writeln!(f, "  {label}: {}", self.words)
    }
}

/// A clock that says less is wrong: this is before the program was written (2026-01-01).
const EARLIEST: u64 = 1_767_225_600;
/// A clock that says more is wrong (2100-01-01).
const LATEST: u64 = 4_102_444_800;
/// An owner who renews by hand wants to hear of it before.
const EXPIRES_SOON: u64 = 14 * DAY;

/// Problems first.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    clock(facts, &mut found);
    certificate(facts, &mut found);
    addresses(facts, &mut found);
    found.sort_by_key(|finding| finding.weight == Weight::Hint);
    found
}

fn problem(found: &mut Vec<Finding>, words: impl Into<String>) {
    found.push(Finding { weight: Weight::Problem, words: words.into() });
}

fn hint(found: &mut Vec<Finding>, words: impl Into<String>) {
    found.push(Finding { weight: Weight::Hint, words: words.into() });
}

fn clock(facts: &Facts, found: &mut Vec<Finding>) {
    if !(EARLIEST..LATEST).contains(&facts.now) {
        problem(
            found,
            format!(
                "this machine's clock says {}. Set it: certificates and credentials depend on it.",
                day_of(facts.now)
            ),
        );
    }
}

fn certificate(facts: &Facts, found: &mut Vec<Finding>) {
    // Renewed here; and nobody sees it where a proxy ends TLS.
    if facts.origin == CertificateOrigin::SelfSigned || facts.tls_at_proxy {
        return;
    }
    let Some(certificate) = &facts.certificate else { return };
    let by_hand = facts.origin == CertificateOrigin::Files;
    let remedy = if by_hand {
        "Renew it; its files are read again when they change."
    } else {
        "The certificate authority is being asked for a new one; the log says what comes of it."
    };
    if certificate.not_before > facts.now {
        problem(
            found,
            format!(
                "the certificate is valid from {} on only. Is this machine's clock right?",
                day_of(certificate.not_before)
            ),
        );
    } else if !certificate.is_valid_at(facts.now) {
        problem(
            found,
            format!("the certificate expired on {}: browsers refuse it. {remedy}", day_of(certificate.not_after)),
        );
    } else if by_hand && certificate.remaining(facts.now) < EXPIRES_SOON {
        problem(found, format!("the certificate expires on {}. {remedy}", day_of(certificate.not_after)));
    }
    if certificate.names.is_empty() && certificate.addresses.is_empty() {
        problem(found, "the certificate names no host (subjectAltName): browsers refuse it.");
    }
    let missing: Vec<_> = facts.acme_names.iter().filter(|name| !certificate.is_for(name)).cloned().collect();
    if !missing.is_empty() {
        problem(found, format!("the certificate is not for {}. {remedy}", missing.join(", ")));
    }
}

fn addresses(facts: &Facts, found: &mut Vec<Finding>) {
    let bound = facts.address.ip().to_canonical();
    // Nobody else is meant to reach it.
    if bound.is_loopback() {
        return;
    }
    let port = facts.address.port();
    let is_outside = |address: &&SocketAddr| is_public(address.ip());
    let loopback = facts.announced.iter().find(|address| address.ip().to_canonical().is_loopback());
    if let Some(loopback) = loopback {
        problem(
            found,
            format!(
                "{} is told to clients, which only this machine reaches. Name the right address with --public-address.",
                loopback.ip()
            ),
        );
    } else if !facts.announced.iter().any(|address| is_public(address.ip())) {
        problem(
            found,
            "only private addresses are told to clients. People outside this network need --public-address with the \
             address under which they reach this machine.",
        );
    }
    let is_ipv4_only = bound.is_ipv4();
    if let Some(ipv6) = facts.announced.iter().find(|address| address.is_ipv6() && is_ipv4_only) {
        problem(found, format!("{} is told to clients, but the program listens for IPv4 only.", ipv6.ip()));
    }
    // What could be better for people elsewhere does not matter while they cannot come at all.
    let Some(public) = facts.announced.iter().find(is_outside) else { return };
    if !facts.announced.iter().any(|address| address.port() == 443) && public.port() == port {
        hint(found, format!("strict networks let only port 443 through, and this is {port}; see --listen."));
    }
    if !facts.announced.iter().any(|address| address.is_ipv6() && is_public(address.ip())) {
        hint(found, "no public IPv6 address is told to clients; people with IPv6 alone need their network's help.");
    }
}

/// Whether the whole Internet can reach it: neither private, shared (RFC 6598), link-local nor loopback.
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || is_shared)
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::facts;
    use super::*;

    fn said(facts: &Facts) -> String {
        findings(facts).iter().map(ToString::to_string).collect()
    }

    fn announcing(addresses: &[&str]) -> Facts {
        let announced = addresses.iter().map(|text| text.parse().expect("address")).collect();
        Facts { announced, ..facts("[::]:443") }
    }

    fn with_certificate(change: impl FnOnce(&mut crate::net::CertificateFacts)) -> Facts {
        let mut facts = announcing(&["198.51.100.7:443", "[2606:4700::7]:443"]);
        facts.origin = CertificateOrigin::Files;
        change(facts.certificate.as_mut().expect("set"));
        facts
    }

    #[test]
    fn private_addresses_alone_are_a_problem_for_people_outside() {
        for private in ["192.168.1.7:443", "10.0.0.1:443", "100.64.1.1:443", "[fd00::1]:443", "169.254.0.1:443"] {
            assert!(said(&announcing(&[private])).contains("need --public-address"), "{private}");
        }
        assert_eq!(said(&announcing(&["192.168.1.7:443", "198.51.100.7:443", "[2606:4700::7]:443"])), "");
    }

    #[test]
    fn loopback_is_a_problem_unless_nobody_else_is_meant() {
        assert!(said(&announcing(&["127.0.0.1:443"])).contains("only this machine reaches"));
        let mut local = facts("127.0.0.1:8443");
        local.announced = vec!["127.0.0.1:8443".parse().expect("address")];
        assert_eq!(said(&local), "");
    }

    #[test]
    fn an_address_that_is_not_this_machines_is_in_order_but_not_one_of_the_other_family() {
        let mut facts = announcing(&["198.51.100.99:443", "[2606:4700::7]:443"]);
        assert_eq!(said(&facts), "");
        facts.address = "0.0.0.0:443".parse().expect("address");
        assert!(said(&facts).contains("listens for IPv4 only"));
    }

    #[test]
    fn other_ports_and_missing_ipv6_are_hints() {
        let mut facts = announcing(&["198.51.100.7:8443"]);
        facts.address = "[::]:8443".parse().expect("address");
        let found = findings(&facts);
        assert!(found.iter().all(|finding| finding.weight == Weight::Hint) && found.len() == 2, "{found:?}");
        assert!(!said(&announcing(&["198.51.100.7:443"])).contains("port 443"));
    }

    #[test]
    fn a_certificate_that_browsers_refuse_is_a_problem() {
        assert_eq!(said(&with_certificate(|_| {})), "");
        let expired = with_certificate(|certificate| certificate.not_after = 1_795_000_001);
        assert!(said(&expired).contains("expired on 2026-11-18"), "{}", said(&expired));
        assert!(said(&with_certificate(|certificate| certificate.not_before = 1_799_000_000)).contains("clock right?"));
        assert!(
            said(&with_certificate(|certificate| certificate.not_after = 1_795_230_095 + DAY)).contains("expires on")
        );
        assert!(said(&with_certificate(|certificate| certificate.names.clear())).contains("names no host"));
        let mut other = with_certificate(|_| {});
        other.origin = CertificateOrigin::Acme;
        other.acme_names = vec!["meet.example.org".into()];
        assert!(said(&other).contains("not for meet.example.org"));
        other.tls_at_proxy = true;
        assert_eq!(said(&other), "", "nobody sees it");
    }

    #[test]
    fn a_clock_that_is_obviously_wrong_is_a_problem_and_comes_first() {
        let mut facts = announcing(&["198.51.100.7:8443"]);
        facts.now = 3;
        assert!(said(&facts).starts_with("  Problem: this machine's clock says 1970-01-01"), "{}", said(&facts));
    }
}
