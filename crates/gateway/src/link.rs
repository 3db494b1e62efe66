//! STUN and TURN servers as `Link` headers (RFC 8288; RFC 9725 section 4.6).

use conclave_proto::{IceConfig, Secret};

/// One header value for each server's URL. What could end a quoted string is left out of it; no URL and
/// no credential of ours has such characters.
pub fn ice_links(config: &IceConfig) -> Vec<String> {
    let of_server = |server: &conclave_proto::IceServer| {
        let credentials = match (&server.username, &server.credential) {
            (Some(username), Some(credential)) => format!(
                "; username=\"{}\"; credential=\"{}\"; credential-type=\"password\"",
                quotable(username),
                quotable(Secret::as_str(credential))
            ),
            _ => String::new(),
        };
        let link = |url: &String| {
            // STUN asks nobody who they are.
            let credentials = if url.starts_with("stun") { "" } else { &credentials };
            format!("<{}>; rel=\"ice-server\"{credentials}", quotable(url))
        };
        server.urls.iter().map(link).collect::<Vec<_>>()
    };
    config.servers.iter().flat_map(of_server).collect()
}

fn quotable(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '<' | '>')).collect()
}

#[cfg(test)]
mod tests {
    use conclave_proto::IceServer;

    use super::*;

    #[test]
    fn each_url_is_a_link_of_its_own_and_relays_come_with_credentials() {
        let server = IceServer {
            urls: vec!["stun:meet.example:443".into(), "turn:meet.example:443?transport=udp".into()],
            username: Some("1:user".into()),
            credential: Secret::parse("c3=").ok(),
        };
        let links = ice_links(&IceConfig { servers: vec![server], lifetime_s: 600 });
        assert_eq!(
            links,
            [
                "<stun:meet.example:443>; rel=\"ice-server\"",
                "<turn:meet.example:443?transport=udp>; rel=\"ice-server\"; username=\"1:user\"; credential=\"c3=\"; \
                 credential-type=\"password\"",
            ]
        );
    }

    #[test]
    fn nothing_ends_a_quoted_string_early() {
        let urls = vec!["turn:a>;rel=\"x\"\r\nb".to_owned()];
        let links = ice_links(&IceConfig {
            servers: vec![IceServer { urls, username: None, credential: None }],
            lifetime_s: 1,
        });
        assert_eq!(links, ["<turn:a;rel=xb>; rel=\"ice-server\""]);
    }
}
