//! Options of a certificate by ACME (RFC 8555).

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use axum::http::Uri;
use serde::Deserialize;

use super::ConfigError;
use super::values::ValueError;

/// The directory of Let's Encrypt, which issues for everybody without asking for an account first.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// A certificate that is asked for and renewed by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// Names that the certificate is for; at least one.
    pub domains: Vec<AcmeDomain>,
    /// Where the authority writes when something is wrong.
    pub contacts: Vec<AcmeContact>,
    /// Where the authority describes itself.
    pub directory: AcmeDirectory,
    /// PEM file with the roots that the authority's own server is trusted by; none: those that
    /// browsers trust and the system's.
    pub root: Option<PathBuf>,
}

impl Acme {
    /// `None` without a domain.
    pub(super) fn decide(
        domains: Option<Vec<AcmeDomain>>,
        contacts: Option<Vec<AcmeContact>>,
        directory: Option<AcmeDirectory>,
        root: Option<PathBuf>,
    ) -> Result<Option<Self>, ConfigError> {
        let mut domains = domains.unwrap_or_default();
        let mut seen = std::collections::HashSet::new();
        domains.retain(|domain| seen.insert(domain.clone()));
        if domains.is_empty() {
            return match (contacts, directory, root) {
                (Some(_), ..) => Err(ConfigError::Conflict("acme-contact is set, but acme-domain is not")),
                (_, Some(_), _) => Err(ConfigError::Conflict("acme-directory is set, but acme-domain is not")),
                (.., Some(_)) => Err(ConfigError::Conflict("acme-root is set, but acme-domain is not")),
                (None, None, None) => Ok(None),
            };
        }
        Ok(Some(Self {
            domains,
            contacts: contacts.unwrap_or_default(),
            directory: directory.unwrap_or_default(),
            root,
        }))
    }
}

/// A name that a certificate can be had for by TLS-ALPN-01: a DNS name without wildcard (RFC 8737,
/// section 3). In lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct AcmeDomain(String);

impl AcmeDomain {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AcmeDomain {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        // The rules for what a public authority issues for are its own; this is what a name looks like.
        if name.len() > 253 || !name.split('.').all(is_label) || name.parse::<IpAddr>().is_ok() {
            return Err(ValueError::new(format!(
                "{text:?} is not a name such as meet.example.org; addresses and wildcards cannot be used"
            )));
        }
        Ok(Self(name))
    }
}

impl TryFrom<String> for AcmeDomain {
    type Error = ValueError;
    fn try_from(text: String) -> Result<Self, ValueError> {
        text.parse()
    }
}

/// A person's address at the authority. Not printed: it may be somebody's.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct AcmeContact(String);

impl AcmeContact {
    /// As a URL (RFC 8555, section 7.3).
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for AcmeContact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AcmeContact(***)")
    }
}

impl FromStr for AcmeContact {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let address = text.strip_prefix("mailto:").unwrap_or(text);
        let is_address = address.split_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
        // A mailto URL can carry header fields and several receivers; here it is one address.
        if !is_address || !address.is_ascii() || address.contains([' ', ',', '?', '%', '/']) {
            return Err(ValueError::new(format!("{text:?} is not an address such as admin@example.org")));
        }
        Ok(Self(format!("mailto:{address}")))
    }
}

impl TryFrom<String> for AcmeContact {
    type Error = ValueError;
    fn try_from(text: String) -> Result<Self, ValueError> {
        text.parse()
    }
}

/// Where an authority describes itself (RFC 8555, section 7.1.1): an `https` URL.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct AcmeDirectory(String);

impl AcmeDirectory {
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for AcmeDirectory {
    fn default() -> Self {
        Self(LETS_ENCRYPT.into())
    }
}

impl FromStr for AcmeDirectory {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text.parse::<Uri>() {
            Ok(url) if url.scheme_str() == Some("https") && url.host().is_some() => Ok(Self(text.to_owned())),
            _ => Err(ValueError::new(format!("{text:?} is not a URL such as {LETS_ENCRYPT}"))),
        }
    }
}

impl TryFrom<String> for AcmeDirectory {
    type Error = ValueError;
    fn try_from(text: String) -> Result<Self, ValueError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_and_addresses_and_wildcards_refused() {
        let name = |text: &str| text.parse::<AcmeDomain>().map(|domain| domain.as_str().to_owned());
        assert_eq!(name("Meet.Example.ORG.").as_deref(), Ok("meet.example.org"));
        assert_eq!(name("localhost").as_deref(), Ok("localhost"));
        let long = "a".repeat(64);
        for bad in ["", ".", "*.example.org", "192.0.2.1", "2001:db8::1", "a..b", "-a.org", "a-.org", "a b", &long] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_contact_is_one_mail_address_and_is_not_printed() {
        let contact: AcmeContact = "admin@example.org".parse().expect("valid");
        assert_eq!(contact.as_str(), "mailto:admin@example.org");
        assert_eq!("mailto:admin@example.org".parse::<AcmeContact>().expect("valid"), contact);
        assert!(!format!("{contact:?}").contains("admin"));
        for bad in ["admin", "@example.org", "a@", "a@b,c@d", "a@b?bcc=c@d", "tel:1"] {
            assert!(bad.parse::<AcmeContact>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_an_encrypted_directory_is_taken() {
        assert!("https://ca.internal:9000/acme/acme/directory".parse::<AcmeDirectory>().is_ok());
        for bad in ["http://ca.internal/directory", "ca.internal", "https://", ""] {
            assert!(bad.parse::<AcmeDirectory>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn each_name_is_asked_for_once_and_nothing_else_counts_without_one() {
        let names = ["a.example", "A.example", "b.example"].map(|name| name.parse().expect("valid"));
        let acme = Acme::decide(Some(names.to_vec()), None, None, None).expect("valid").expect("set");
        assert_eq!(acme.domains.iter().map(AcmeDomain::as_str).collect::<Vec<_>>(), ["a.example", "b.example"]);
        assert_eq!(acme.directory.as_str(), LETS_ENCRYPT);
        assert!(Acme::decide(None, None, None, Some("root.pem".into())).is_err());
        assert_eq!(Acme::decide(None, None, None, None).expect("valid"), None);
    }
}
