//! Cross-site WebSocket hijacking (RFC 6455, section 10.2): a foreign page must not speak to this
//! server in a visitor's name.

use axum::http::HeaderMap;
use axum::http::header::ORIGIN;

use crate::config::Origin;
use crate::net::{Host, Peer};

/// Whether a WebSocket may be opened. Without an `Origin` header the client is no browser, so there
/// is no foreign page behind it.
pub fn is_allowed(headers: &HeaderMap, peer: &Peer, also_allowed: &[Origin]) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else { return true };
    let (Ok(origin), None) = (origin.to_str(), origins.next()) else { return false };
    let origin = origin.to_ascii_lowercase();
    also_allowed.iter().any(|allowed| allowed.as_str() == origin) || is_same(&origin, peer)
}

/// The page came from the same host and port that it now speaks to. A proxy in front may have taken
/// the TLS off without saying so, so a plain connection may carry a page of either scheme; the port
/// tells.
fn is_same(origin: &str, peer: &Peer) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default_port = match scheme {
        "https" => 443,
        "http" if !peer.is_tls => 80,
        _ => return false,
    };
    let (Some(page), Some(here)) = (Host::parse(authority), &peer.host) else { return false };
    page.name() == here.name() && page.port().unwrap_or(default_port) == here.port().unwrap_or(default_port)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Source;

    fn peer(host: &str, is_tls: bool) -> Peer {
        Peer { is_loopback: false, is_tls, host: Host::parse(host), source: Source::of([192, 0, 2, 1].into()) }
    }

    fn allowed(origin: Option<&str>, host: &str, is_tls: bool) -> bool {
        let mut headers = HeaderMap::new();
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().expect("header"));
        }
        is_allowed(&headers, &peer(host, is_tls), &["https://intranet.example".parse().expect("origin")])
    }

    #[test]
    fn the_same_origin_is_allowed() {
        assert!(allowed(Some("https://meet.example"), "meet.example", true));
        assert!(allowed(Some("https://Meet.Example"), "meet.example:443", true));
        assert!(allowed(Some("http://localhost:8443"), "localhost:8443", false));
        assert!(allowed(Some("http://[::1]:8443"), "[::1]:8443", false));
        assert!(allowed(Some("https://meet.example"), "meet.example", false), "behind a proxy");
    }

    #[test]
    fn an_origin_of_the_list_and_clients_that_are_no_browsers_are_allowed() {
        assert!(allowed(Some("https://intranet.example"), "meet.example", true));
        assert!(allowed(None, "meet.example", true));
    }

    #[test]
    fn every_other_origin_is_refused() {
        for origin in [
            "https://evil.example",
            "https://meet.example.evil.example",
            "https://meet.example:8443",
            "http://meet.example",
            "https://user@meet.example",
            "null",
            "",
            "file://",
            "https://meet.example/",
            "https://meet.example https://evil.example",
        ] {
            assert!(!allowed(Some(origin), "meet.example", true), "{origin:?}");
        }
        assert!(!allowed(Some("http://127.0.0.1:8443"), "localhost:8443", false));
        assert!(!allowed(Some("https://"), "", true), "no host is the same as no other");
    }

    #[test]
    fn two_origins_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append(ORIGIN, "https://meet.example".parse().expect("header"));
        headers.append(ORIGIN, "https://evil.example".parse().expect("header"));
        assert!(!is_allowed(&headers, &peer("meet.example", true), &[]));
    }
}
