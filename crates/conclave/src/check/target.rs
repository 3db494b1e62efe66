//! Which server is checked.

use std::fmt;
use std::str::FromStr;

use axum::http::Uri;

/// A server, as its URL names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A name, or an address without brackets.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// HTTPS; plain HTTP is served on the server's own machine only.
    pub is_tls: bool,
}

/// Why a text names no server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a URL such as https://meet.example.org")]
pub struct TargetError(String);

impl Target {
    /// The host as it stands in URLs: an IPv6 address in brackets.
    pub fn url_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// Host and port, as the `Host` header has them.
    pub fn authority(&self) -> String {
        let default_port = if self.is_tls { 443 } else { 80 };
        if self.port == default_port { self.url_host() } else { format!("{}:{}", self.url_host(), self.port) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl FromStr for Target {
    type Err = TargetError;
    /// Takes a URL of any page of the server, and a bare name too: what people have at hand.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let refused = || TargetError(text.to_owned());
        let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}/") };
        let url: Uri = full.parse().map_err(|_| refused())?;
        let is_tls = match url.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(refused()),
        };
        let authority = url.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(refused)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        // A port that is none is no part of the authority.
        let has_port = authority.as_str().rsplit_once(']').map_or(authority.as_str(), |(_, rest)| rest).contains(':');
        if host.is_empty() || has_port != authority.port_u16().is_some() {
            return Err(refused());
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if is_tls => 443,
            None => 80,
        };
        Ok(Self { host, port, is_tls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_people_have_at_hand_names_the_server() {
        for (text, url) in [
            ("https://meet.example.org", "https://meet.example.org"),
            ("Meet.Example.org", "https://meet.example.org"),
            ("https://meet.example.org:443/m/standup?x=1", "https://meet.example.org"),
            ("meet.example.org:8443", "https://meet.example.org:8443"),
            ("http://localhost:8443/", "http://localhost:8443"),
            ("https://[2001:db8::7]:8443", "https://[2001:db8::7]:8443"),
        ] {
            assert_eq!(text.parse::<Target>().expect(text).to_string(), url);
        }
    }

    #[test]
    fn what_names_no_server_is_refused() {
        for bad in ["", "ftp://a", "https://", "https://u@a", "a b", "https://a:99999"] {
            assert!(bad.parse::<Target>().is_err(), "{bad:?}");
        }
    }
}
