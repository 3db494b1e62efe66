//! Descriptions of a session: the client's, described anew for an ICE restart, and what the answer to
//! that says of ICE.

use std::fmt::Write;

use crate::fragment::IceCredentials;

/// The ICE credentials of a description's bundle: the first there are.
pub fn credentials(sdp: &str) -> Option<IceCredentials> {
    let of = |start: &str| sdp.lines().find_map(|line| line.strip_prefix(start));
    IceCredentials::new(of("a=ice-ufrag:")?, of("a=ice-pwd:")?)
}

/// The description with other ICE credentials: what the client would offer if an ICE restart were made by
/// a whole description rather than a fragment.
pub fn with_credentials(sdp: &str, new: &IceCredentials) -> String {
    let mut text = String::with_capacity(sdp.len() + 64);
    for line in sdp.lines() {
        let _ = match line {
            _ if line.starts_with("a=ice-ufrag:") => write!(text, "a=ice-ufrag:{}\r\n", new.ufrag()),
            _ if line.starts_with("a=ice-pwd:") => write!(text, "a=ice-pwd:{}\r\n", new.password()),
            // They are of the ICE session that ends.
            _ if line.starts_with("a=candidate:") || line == "a=end-of-candidates" => Ok(()),
            _ => write!(text, "{line}\r\n"),
        };
    }
    text
}

/// What an answer says of ICE, as a fragment (RFC 9725 section 4.3.3): that of the bundle's first section,
/// in which everything is.
pub fn ice_fragment(answer: &str) -> String {
    let mut text = String::new();
    let mut sections = 0;
    let mut in_bundle = false;
    for line in answer.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            sections += usize::from(in_bundle);
            // A refused section has no transport.
            in_bundle = sections == 0 && media.split(' ').nth(1) != Some("0");
        }
        let is_session = sections == 0 && !in_bundle;
        let wanted = if in_bundle {
            ["m=", "a=mid:", "a=ice-ufrag:", "a=ice-pwd:", "a=candidate:", "a=end-of-candidates"]
                .iter()
                .any(|start| line.starts_with(start))
        } else {
            is_session
                && (line == "a=ice-lite" || line.starts_with("a=ice-options:") || line.starts_with("a=group:BUNDLE"))
        };
        if wanted {
            text.push_str(line);
            text.push_str("\r\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Fragment;

    const ANSWER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\na=group:BUNDLE 1\r\na=ice-lite\r\n\
        m=audio 0 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=inactive\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=ice-ufrag:server\r\na=ice-pwd:0123456789012345678901\r\n\
        a=fingerprint:sha-256 00\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=end-of-candidates\r\na=recvonly\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:2\r\na=ice-ufrag:server\r\n";

    #[test]
    fn the_fragment_is_of_the_bundles_section_and_nothing_else() {
        let text = ice_fragment(ANSWER);
        assert_eq!(
            text,
            "a=group:BUNDLE 1\r\na=ice-lite\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=ice-ufrag:server\r\n\
             a=ice-pwd:0123456789012345678901\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n"
        );
        assert_eq!(Fragment::parse(&text).expect("a fragment").credentials, credentials(ANSWER));
    }

    #[test]
    fn a_restart_changes_the_credentials_and_drops_the_candidates() {
        let new = IceCredentials::new("newer", "9999999999999999999999").expect("valid");
        let text = with_credentials(ANSWER, &new);
        assert_eq!(credentials(&text), Some(new));
        assert_eq!(text.matches("newer").count(), 2);
        assert!(!text.contains("candidate") && text.contains("a=fingerprint:sha-256 00\r\n"));
    }
}
