//! What a proxy says about the client for whom it speaks: `X-Forwarded-For`, `-Proto` and `-Host`,
//! or `Forwarded` (RFC 7239). It counts only from addresses that the owner trusts.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, Uri, header};

use super::peer::{Host, Peer, Source};
use crate::config::Proxies;

/// One connection, before anything was said on it that a client could make up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Hop {
    /// Who is at its other end: the address of the TCP connection, or that of the PROXY header.
    pub(super) remote: SocketAddr,
    /// To which of this machine's addresses it came, if it came directly.
    pub(super) local: Option<IpAddr>,
    /// The TCP connection comes from this machine, and not from a proxy on it.
    pub(super) is_loopback: bool,
    /// Whoever is there is a proxy whose headers count.
    pub(super) speaks_for_others: bool,
    /// TLS ends here.
    pub(super) is_tls: bool,
}

/// What the headers say, each field as far as the nearest trusted proxy vouches for it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    client: Option<IpAddr>,
    is_https: Option<bool>,
    host: Option<Host>,
}

/// Who sent a request that arrived over this connection.
pub(super) fn peer(hop: &Hop, proxies: &Proxies, headers: &HeaderMap, uri: &Uri) -> Peer {
    let said = if hop.speaks_for_others { read(headers, proxies) } else { Said::default() };
    let is_tls = match said.is_https {
        Some(true) => hop.is_tls || proxies.end_tls,
        Some(false) => false,
        None => hop.is_tls,
    };
    Peer {
        is_loopback: hop.is_loopback,
        is_tls,
        host: said.host.or_else(|| own_host(headers, uri)),
        source: Source::of(said.client.unwrap_or(hop.remote.ip())),
    }
}

/// HTTP/2 says the host in the request's URI, HTTP/1.1 in a header, of which there must be one.
fn own_host(headers: &HeaderMap, uri: &Uri) -> Option<Host> {
    if let Some(authority) = uri.authority() {
        return Host::parse(authority.as_str());
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => Host::parse(host.to_str().ok()?),
        _ => None,
    }
}

fn read(headers: &HeaderMap, proxies: &Proxies) -> Said {
    // Most proxies write X-Forwarded-* and pass a client's own `Forwarded` on as it is: where there
    // are both, the older ones are the proxy's.
    let has_older =
        ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"].iter().any(|name| headers.contains_key(*name));
    if has_older { read_x_forwarded(headers, proxies) } else { read_forwarded(headers, proxies) }
}

fn read_x_forwarded(headers: &HeaderMap, proxies: &Proxies) -> Said {
    let last = |name| elements(headers, name).last();
    Said {
        client: client(elements(headers, "x-forwarded-for").rev(), proxies),
        is_https: last("x-forwarded-proto").map(is_https),
        host: last("x-forwarded-host").and_then(Host::parse),
    }
}

fn read_forwarded(headers: &HeaderMap, proxies: &Proxies) -> Said {
    let parameter = |element: &'_ str, wanted: &str| {
        element.split(';').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().trim_matches('"').to_owned())
        })
    };
    let nodes: Vec<_> = elements(headers, "forwarded").rev().map(|element| parameter(element, "for")).collect();
    let nearest = elements(headers, "forwarded").last();
    Said {
        client: client(nodes.iter().map(|node| node.as_deref().unwrap_or_default()), proxies),
        is_https: nearest.and_then(|element| parameter(element, "proto")).map(|scheme| is_https(&scheme)),
        host: nearest.and_then(|element| parameter(element, "host")).and_then(|host| Host::parse(&host)),
    }
}

/// The elements of a list (RFC 9110, section 5.6.1), which may be spread over several fields.
fn elements<'a>(headers: &'a HeaderMap, name: &'static str) -> impl DoubleEndedIterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let elements: Vec<_> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    elements.into_iter()
}

fn is_https(scheme: &str) -> bool {
    // A proxy that names the WebSocket's scheme means the same.
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("wss")
}

/// The first address that is not a trusted proxy's, from the nearest on: what stands behind it, the
/// client may have written itself.
fn client<'a>(nodes: impl Iterator<Item = &'a str>, proxies: &Proxies) -> Option<IpAddr> {
    let mut furthest = None;
    for node in nodes {
        // Hidden or unknown (RFC 7239, section 6): whoever is behind shares the proxy's bounds.
        let Some(ip) = address(node) else { return furthest };
        furthest = Some(ip);
        if !proxies.trust(ip) {
            break;
        }
    }
    furthest
}

/// An address with or without a port; an IPv6 address with or without brackets.
fn address(node: &str) -> Option<IpAddr> {
    let bare = node.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(node, |(ip, _)| ip);
    let parsed = bare.parse().ok().or_else(|| node.parse::<SocketAddr>().ok().map(|address| address.ip()));
    parsed.map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn proxies(end_tls: bool) -> Proxies {
        let trusted = ["10.0.0.0/8", "::1"].map(|network| network.parse().expect("a network")).to_vec();
        Proxies { trusted, proxy_protocol: false, end_tls }
    }

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut headers = HeaderMap::new();
        for (name, value) in fields.iter().map(field) {
            headers.append(name, value);
        }
        headers
    }

    fn hop(speaks_for_others: bool, is_tls: bool) -> Hop {
        let remote = "10.0.0.1:9".parse().expect("valid");
        Hop { remote, local: None, is_loopback: false, speaks_for_others, is_tls }
    }

    fn source(text: &str) -> Source {
        Source::of(text.parse().expect("an address"))
    }

    fn host(text: &str) -> Option<Host> {
        Host::parse(text)
    }

    const CLAIMS: [(&str, &str); 5] = [
        ("host", "meet.example"),
        ("x-forwarded-for", "192.0.2.9"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "other.example"),
        ("forwarded", "for=192.0.2.8;proto=https;host=third.example"),
    ];

    #[test]
    fn what_somebody_says_who_is_no_trusted_proxy_changes_nothing() {
        for is_tls in [false, true] {
            let believed = peer(&hop(false, is_tls), &proxies(true), &headers(&CLAIMS), &Uri::default());
            let silent = peer(&hop(false, is_tls), &proxies(true), &headers(&CLAIMS[..1]), &Uri::default());
            assert_eq!(believed, silent);
            assert_eq!((believed.is_tls, believed.host), (is_tls, host("meet.example")));
            assert_eq!(believed.source, source("10.0.0.1"));
        }
    }

    #[test]
    fn a_trusted_proxy_says_who_asks_for_what_and_how() {
        let peer = peer(&hop(true, false), &proxies(true), &headers(&CLAIMS), &Uri::default());
        assert!(peer.is_tls && !peer.is_loopback);
        assert_eq!(peer.host, host("other.example"));
        assert_eq!(peer.source, source("192.0.2.9"));
    }

    #[test]
    fn forwarded_counts_where_the_older_headers_are_absent() {
        let said = headers(&[
            ("host", "inside"),
            ("forwarded", "for=203.0.113.66, For=\"[2001:db8::7]:4711\";Proto=HTTPS;host=\"meet.example:444\""),
        ]);
        let peer = peer(&hop(true, false), &proxies(true), &said, &Uri::default());
        assert!(peer.is_tls);
        assert_eq!(peer.host, host("meet.example:444"));
        assert_eq!(peer.source, source("2001:db8::7"));
    }

    #[test]
    fn plain_http_counts_as_encrypted_only_where_the_proxy_may_end_tls_and_says_so() {
        let is_tls = |is_tls, end_tls, fields: &[_]| {
            peer(&hop(true, is_tls), &proxies(end_tls), &headers(fields), &Uri::default()).is_tls
        };
        let (https, http) = ([("x-forwarded-proto", "https")], [("x-forwarded-proto", "http")]);
        assert!(is_tls(false, true, &https));
        assert!(!is_tls(false, false, &https));
        assert!(!is_tls(false, true, &http));
        assert!(!is_tls(false, true, &[]));
        assert!(is_tls(true, false, &https) && is_tls(true, false, &[]));
        assert!(!is_tls(true, true, &http), "the client's own connection is what counts");
    }

    #[test]
    fn the_client_is_the_nearest_one_that_no_proxy_is() {
        let from = |said: &'static str| {
            peer(&hop(true, false), &proxies(true), &headers(&[("x-forwarded-for", said)]), &Uri::default()).source
        };
        assert_eq!(from("1.2.3.4, 192.0.2.9, 10.0.0.7"), source("192.0.2.9"));
        assert_eq!(from("10.0.0.8, 10.0.0.7"), source("10.0.0.8"), "all are proxies: the furthest");
        assert_eq!(from("192.0.2.9:4711"), source("192.0.2.9"));
        assert_eq!(from("2001:db8::1"), source("2001:db8::1"));
        assert_eq!(from("1.2.3.4, unknown, 10.0.0.7"), source("10.0.0.7"));
        assert_eq!(from("1.2.3.4, _hidden"), source("10.0.0.1"));
        assert_eq!(from(""), source("10.0.0.1"));
    }

    #[test]
    fn a_list_may_be_spread_over_several_fields() {
        let said = headers(&[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "192.0.2.9")]);
        assert_eq!(peer(&hop(true, false), &proxies(true), &said, &Uri::default()).source, source("192.0.2.9"));
    }

    #[test]
    fn the_host_is_the_one_of_http_2_or_the_only_one_of_http_1() {
        let host_of = |fields: &[_], uri: &'static str| {
            peer(&hop(false, true), &proxies(true), &headers(fields), &Uri::from_static(uri)).host
        };
        assert_eq!(host_of(&[], "https://meet.example/m/x"), host("meet.example"));
        assert_eq!(host_of(&[("host", "meet.example:1")], "/"), host("meet.example:1"));
        assert_eq!(host_of(&[("host", "a"), ("host", "b")], "/"), None);
        assert_eq!(host_of(&[], "/"), None);
        assert_eq!(host_of(&[("host", "a b")], "/"), None);
    }
}
