//! What a certificate says about itself.

use std::net::IpAddr;
use std::time::SystemTime;

use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Seconds of a day.
pub const DAY: u64 = 24 * 3_600;

/// What a certificate says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// DNS names, in lower case; may start with `*.`.
    pub names: Vec<String>,
    /// IP addresses.
    pub addresses: Vec<IpAddr>,
    /// From when it is valid, in seconds since 1970.
    pub not_before: u64,
    /// Until when, in seconds since 1970.
    pub not_after: u64,
    /// Issuer and subject are the same.
    pub is_self_signed: bool,
}

impl CertificateFacts {
    /// From a certificate in DER; `None` if it is none.
    pub fn parse(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
        let (mut names, mut addresses) = (Vec::new(), Vec::new());
        if let Ok(Some(extension)) = certificate.subject_alternative_name() {
            for name in &extension.value.general_names {
                match name {
                    GeneralName::DNSName(name) => names.push(name.to_ascii_lowercase()),
                    GeneralName::IPAddress(bytes) => addresses.extend(address(bytes)),
                    _ => {}
                }
            }
        }
        Some(Self {
            names,
            addresses,
            not_before: seconds(certificate.validity().not_before.timestamp()),
            not_after: seconds(certificate.validity().not_after.timestamp()),
            is_self_signed: certificate.issuer() == certificate.subject(),
        })
    }

    /// Whether a browser takes it for this host: a name or an address (RFC 6125, section 6.4; a
    /// wildcard stands for one label).
    pub fn is_for(&self, host: &str) -> bool {
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
        if let Ok(address) = host.parse::<IpAddr>() {
            return self.addresses.contains(&address.to_canonical());
        }
        let parent = host.split_once('.').map(|(_, parent)| parent);
        self.names.iter().any(|name| *name == host || (parent.is_some() && name.strip_prefix("*.") == parent))
    }

    /// Whether the time lies within its validity.
    pub fn is_valid_at(&self, unix: u64) -> bool {
        (self.not_before..=self.not_after).contains(&unix)
    }

    /// Seconds that it is still valid.
    pub fn remaining(&self, unix: u64) -> u64 {
        self.not_after.saturating_sub(unix)
    }
}

/// Of a certificate in use.
pub(super) fn of(key: &CertifiedKey) -> Option<CertificateFacts> {
    CertificateFacts::parse(key.cert.first()?)
}

/// Seconds since 1970; zero on a machine whose clock stands before that.
pub(super) fn unix(now: SystemTime) -> u64 {
    now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The day, in UTC, as ISO 8601 writes it.
pub fn day_of(unix: u64) -> String {
    let date = i64::try_from(unix).ok().and_then(|unix| OffsetDateTime::from_unix_timestamp(unix).ok());
    date.map_or_else(
        || "an unknown day".to_owned(),
        |date| format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day()),
    )
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_for_its_names_and_addresses_only() {
        let facts = CertificateFacts {
            names: vec!["meet.example.org".into(), "*.rooms.example.org".into()],
            addresses: vec![IpAddr::from([192, 0, 2, 7])],
            not_before: 10,
            not_after: 20,
            is_self_signed: false,
        };
        for host in ["meet.example.org", "MEET.example.org.", "a.rooms.example.org", "192.0.2.7"] {
            assert!(facts.is_for(host), "{host}");
        }
        for host in ["example.org", "rooms.example.org", "a.b.rooms.example.org", "192.0.2.8", "[::1]", ""] {
            assert!(!facts.is_for(host), "{host}");
        }
        assert!(facts.is_valid_at(10) && facts.is_valid_at(20) && !facts.is_valid_at(9) && !facts.is_valid_at(21));
        assert_eq!((facts.remaining(15), facts.remaining(30)), (5, 0));
    }

    #[test]
    fn days_are_written_as_the_standard_says() {
        assert_eq!(day_of(0), "1970-01-01");
        assert_eq!(day_of(1_795_230_095), "2026-11-21");
        assert_eq!(day_of(u64::MAX), "an unknown day");
    }

    #[test]
    fn what_is_no_certificate_is_none() {
        assert_eq!(CertificateFacts::parse(b"no DER"), None);
    }
}
