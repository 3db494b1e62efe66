//! Measuring: opens every way, and writes down what came of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use conclave_proto::IceConfig;
use futures_util::future::join_all;
use rustls::ClientConfig;
use tokio::time::timeout;

use super::link::Link;
use super::measured::{Announced, Measured, RelayFailure, Relayed, SocketFailure, Way};
use super::relay::{self, Credential};
use super::socket::CheckSocket;
use super::target::Target;
use super::{page, tls};

/// For one connection.
const CONNECT: Duration = Duration::from_secs(5);
/// For one way to a relay, from the connection to the last packet.
const RELAY: Duration = Duration::from_secs(12);
/// Addresses that are tried: a server names few.
const MOST_ANNOUNCED: usize = 8;

pub(super) async fn measure(target: &Target) -> Measured {
    let (tls, judge) = tls::client();
    let (page, reached) = page::fetch(target, &tls).await;
    let certificate = judge.seen();
    let Some(reached) = reached else {
        let socket = Err(SocketFailure::NotTried);
        return Measured { page, certificate, socket, announced: Vec::new(), relays: None };
    };
    let mut check = match CheckSocket::open(target, &tls).await {
        Ok(check) => check,
        Err(failure) => {
            let announced = probe(&[reached]).await;
            return Measured { page, certificate, socket: Err(failure), announced, relays: None };
        }
    };
    // Before anything else is on its way that could hold them up.
    let socket = check.measure().await;
    let addresses: Vec<_> = check.announced.iter().filter_map(|text| text.parse().ok()).take(MOST_ANNOUNCED).collect();
    let servers = Servers::new(&check.ice, target, reached);
    let (announced, udp, tcp, tls) = tokio::join!(
        probe(&addresses),
        servers.relay(Way::Udp, &tls),
        servers.relay(Way::Tcp, &tls),
        servers.relay(Way::Tls, &tls),
    );
    check.close().await;
    Measured { page, certificate, socket, announced, relays: Some([udp, tcp, tls]) }
}

/// The middle one of these; zero of none.
pub(super) fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Whether STUN is answered there, over UDP and over TCP.
async fn probe(addresses: &[SocketAddr]) -> Vec<Announced> {
    join_all(addresses.iter().map(async |&address| {
        let udp = async { relay::bind(Link::udp(address).await.ok()?).await };
        let tcp = async { relay::bind(timeout(CONNECT, Link::ice_tcp(address)).await.ok()?.ok()?).await };
        let (udp, tcp) = tokio::join!(udp, tcp);
        Announced { address, udp, tcp }
    }))
    .await
}

/// Where the server says that its relays are.
struct Servers<'a> {
    target: &'a Target,
    /// Whom the page's connection reached: the same machine, of several with this name.
    reached: SocketAddr,
    urls: Vec<RelayUrl>,
    credential: Option<Credential>,
}

/// `turn:HOST:PORT?transport=udp` (RFC 7065).
#[derive(Clone, Debug, PartialEq, Eq)]
struct RelayUrl {
    way: Way,
    host: String,
    port: u16,
}

impl RelayUrl {
    fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once(':')?;
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        let way = match (scheme, query) {
            ("turn", "" | "transport=udp") => Way::Udp,
            ("turn", "transport=tcp") => Way::Tcp,
            ("turns", "" | "transport=tcp") => Way::Tls,
            _ => return None,
        };
        let authority: axum::http::uri::Authority = authority.parse().ok()?;
        let port = authority.port_u16().unwrap_or(if way == Way::Tls { 5349 } else { 3478 });
        Some(Self { way, host: authority.host().trim_start_matches('[').trim_end_matches(']').to_owned(), port })
    }
}

impl<'a> Servers<'a> {
    fn new(ice: &IceConfig, target: &'a Target, reached: SocketAddr) -> Self {
        // The program's own server comes first; the owner's others are theirs to watch.
        let own = ice.servers.first();
        let urls = own.map(|server| server.urls.iter().filter_map(|url| RelayUrl::parse(url)).collect());
        let credential = own.and_then(|server| {
            Some(Credential {
                username: server.username.clone()?,
                password: server.credential.as_ref()?.as_str().to_owned(),
            })
        });
        Self { target, reached, urls: urls.unwrap_or_default(), credential }
    }

    async fn relay(&self, way: Way, tls: &Arc<ClientConfig>) -> Result<Relayed, RelayFailure> {
        let url = self.urls.iter().find(|url| url.way == way).ok_or(RelayFailure::NotOffered)?;
        let credential = self.credential.as_ref().ok_or(RelayFailure::NotOffered)?;
        let relayed = async {
            let address = self.resolve(url).await.ok_or(RelayFailure::NoConnection)?;
            let (near, far) = tokio::join!(open(way, address, &url.host, tls), open(way, address, &url.host, tls));
            relay::relay([near?, far?], credential).await
        };
        timeout(RELAY, relayed).await.unwrap_or(Err(RelayFailure::NoAnswer))
    }

    async fn resolve(&self, url: &RelayUrl) -> Option<SocketAddr> {
        if url.host.eq_ignore_ascii_case(&self.target.host) {
            return Some(SocketAddr::new(self.reached.ip(), url.port));
        }
        tokio::net::lookup_host((url.host.as_str(), url.port)).await.ok()?.next()
    }
}

async fn open(way: Way, address: SocketAddr, name: &str, tls: &Arc<ClientConfig>) -> Result<Link, RelayFailure> {
    let opened = async {
        match way {
            Way::Udp => Link::udp(address).await,
            Way::Tcp => Link::tcp(address).await,
            Way::Tls => Link::tls(address, name, tls.clone()).await,
        }
    };
    match timeout(CONNECT, opened).await {
        Ok(Ok(link)) => Ok(link),
        Ok(Err(_)) | Err(_) => Err(RelayFailure::NoConnection),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_relays_say_the_way() {
        let url = |text| RelayUrl::parse(text).map(|url| (url.way, url.host, url.port));
        assert_eq!(url("turn:meet.example:443?transport=udp"), Some((Way::Udp, "meet.example".into(), 443)));
        assert_eq!(url("turn:meet.example:443?transport=tcp"), Some((Way::Tcp, "meet.example".into(), 443)));
        assert_eq!(url("turns:[2001:db8::7]?transport=tcp"), Some((Way::Tls, "2001:db8::7".into(), 5349)));
        assert_eq!(url("stun:meet.example:443"), None);
        assert_eq!(url("nonsense"), None);
    }

    #[test]
    fn the_median_is_the_middle_one() {
        let mut times = [9, 1, 5].map(Duration::from_millis);
        assert_eq!(median(&mut times), Duration::from_millis(5));
        assert_eq!(median(&mut []), Duration::ZERO);
    }
}
