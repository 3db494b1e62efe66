//! Which STUN and TURN servers a client is told to use, and with what credentials.

use std::net::SocketAddr;
use std::sync::Arc;

use conclave_proto::{IceConfig, IceServer, Secret};
use conclave_turn::credentials::{Issued, LIFETIME_S, TurnSecret};

use crate::config::{ExternalIce, IceUrl};
use crate::net::Host;

/// Makes [`IceConfig`]s. Cheap to clone.
#[derive(Clone, Debug)]
pub struct IceServers(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    secret: TurnSecret,
    announced: Vec<SocketAddr>,
    external: Vec<External>,
}

/// Servers of others.
#[derive(Debug)]
struct External {
    urls: Vec<String>,
    /// None: they do not relay, and ask nobody who they are.
    secret: Option<TurnSecret>,
}

impl IceServers {
    /// `secret` is the media plane's, `announced` the addresses that it announces.
    pub fn new(secret: TurnSecret, announced: &[SocketAddr], external: &ExternalIce) -> Self {
        let urls = |is_turn| {
            let of_kind = external.urls.iter().filter(move |url| url.is_turn() == is_turn);
            of_kind.map(IceUrl::as_str).map(str::to_owned).collect::<Vec<_>>()
        };
        let turn_secret = external.secret.as_ref().map(|secret| TurnSecret::from_bytes(secret.as_bytes()));
        let external =
            [External { urls: urls(false), secret: None }, External { urls: urls(true), secret: turn_secret }]
                .into_iter()
                .filter(|external| !external.urls.is_empty())
                .collect();
        Self(Arc::new(Parts { secret, announced: announced.to_vec(), external }))
    }

    /// All servers for one client. `host`: under which name it reached this one; `user`: a pseudonym
    /// (it goes over the network as it is), whose relays end when the media plane is told to close
    /// that participant; `unix_now` in seconds.
    pub fn config(&self, host: Option<&Host>, user: &str, unix_now: u64) -> IceConfig {
        let expires = unix_now.saturating_add(LIFETIME_S);
        let own = server(self.own_urls(host), Some(&self.0.secret), user, expires);
        let external = self
            .0
            .external
            .iter()
            .map(|external| server(external.urls.clone(), external.secret.as_ref(), user, expires));
        IceConfig { servers: std::iter::once(own).chain(external).collect(), lifetime_s: LIFETIME_S as u32 }
    }

    /// This program's own, at the port that is open to the outside. The name is the client's: it has
    /// just proved to lead here, and the certificate of `turns` is for it.
    fn own_urls(&self, host: Option<&Host>) -> Vec<String> {
        let announced = &self.0.announced;
        let named = host.and_then(Host::ip).and_then(|ip| announced.iter().find(|address| address.ip() == ip));
        let Some(first) = named.or(announced.first()) else { return Vec::new() };
        let port = first.port();
        let name = match host {
            Some(host) => host.name().to_owned(),
            None if first.is_ipv6() => format!("[{}]", first.ip()),
            None => first.ip().to_string(),
        };
        vec![
            format!("stun:{name}:{port}"),
            format!("turn:{name}:{port}?transport=udp"),
            format!("turn:{name}:{port}?transport=tcp"),
            format!("turns:{name}:{port}?transport=tcp"),
        ]
    }
}

fn server(urls: Vec<String>, secret: Option<&TurnSecret>, user: &str, expires: u64) -> IceServer {
    let issued = secret.map(|secret| secret.issue(user, expires));
    let (username, credential) = match issued {
        // Base64 is printable, so that this is always `Some`.
        Some(Issued { username, password }) => (Some(username), Secret::parse(&password).ok()),
        None => (None, None),
    };
    IceServer { urls, username, credential }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(external: &ExternalIce) -> IceServers {
        let announced = ["203.0.113.7:443", "[2001:db8::7]:8443"].map(|text| text.parse().expect("an address"));
        IceServers::new(TurnSecret::from_bytes(b"north"), &announced, external)
    }

    fn own_urls(host: Option<&str>) -> Vec<String> {
        let host = host.map(|host| Host::parse(host).expect("a host"));
        servers(&ExternalIce::default()).config(host.as_ref(), "user", 0).servers.remove(0).urls
    }

    #[test]
    fn clients_use_the_name_that_they_know_and_the_port_that_is_open() {
        assert_eq!(
            own_urls(Some("meet.example:9999")),
            [
                "stun:meet.example:443",
                "turn:meet.example:443?transport=udp",
                "turn:meet.example:443?transport=tcp",
                "turns:meet.example:443?transport=tcp",
            ]
        );
        assert_eq!(own_urls(Some("[2001:db8::7]"))[0], "stun:[2001:db8::7]:8443", "this address has a port of its own");
        assert_eq!(own_urls(Some("203.0.113.7"))[0], "stun:203.0.113.7:443");
        assert_eq!(own_urls(Some("192.0.2.1"))[0], "stun:192.0.2.1:443");
        assert_eq!(own_urls(None)[0], "stun:203.0.113.7:443");
    }

    #[test]
    fn credentials_are_the_users_and_end() {
        let config = servers(&ExternalIce::default()).config(None, "participant", 1_000);
        assert_eq!(config.lifetime_s, 600);
        assert_eq!(config.servers.len(), 1);
        let expected = TurnSecret::from_bytes(b"north").issue("participant", 1_600);
        assert_eq!(config.servers[0].username.as_deref(), Some(expected.username.as_str()));
        assert_eq!(config.servers[0].credential.as_ref().map(Secret::as_str), Some(expected.password.as_str()));
        assert!(!format!("{config:?}").contains(&expected.password));
    }

    #[test]
    fn the_owners_other_servers_come_after_with_credentials_of_their_own_secret() {
        let external = ExternalIce {
            urls: ["turn:turn.example", "stun:stun.example"].map(|url| url.parse().expect("a URL")).to_vec(),
            secret: Some("south".parse().expect("a secret")),
        };
        let config = servers(&external).config(None, "participant", 1_000);
        assert_eq!(config.servers.len(), 3);
        assert_eq!(
            config.servers[1],
            IceServer { urls: vec!["stun:stun.example".into()], username: None, credential: None }
        );
        let expected = TurnSecret::from_bytes(b"south").issue("participant", 1_600);
        assert_eq!(config.servers[2].urls, ["turn:turn.example"]);
        assert_eq!(config.servers[2].credential.as_ref().map(Secret::as_str), Some(expected.password.as_str()));
    }
}
