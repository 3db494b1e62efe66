//! Datagrams as they arrive, told apart by their first byte (RFC 7983), and the one thing that is
//! read from a STUN message before a leg has vouched for it: whom it is for.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Instant;

/// A datagram from the socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datagram<'a> {
    /// Where it came from; an IPv4 address is never in its IPv6-mapped form.
    pub(crate) source: SocketAddr,
    /// Which of this machine's addresses it came to, if the system says.
    pub(crate) local: Option<IpAddr>,
    /// When it arrived, which may be before it was read: what congestion control measures must not
    /// be how busy this machine is.
    pub(crate) at: Instant,
    /// What it holds.
    pub(crate) contents: &'a [u8],
}

/// A datagram to send.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// Where to.
    pub(crate) destination: SocketAddr,
    /// From which of this machine's addresses; the system chooses if absent.
    pub(crate) local: Option<IpAddr>,
    /// What it holds.
    pub(crate) contents: Vec<u8>,
}

/// What a datagram is, by RFC 7983 section 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Stun,
    Dtls,
    /// SRTP or SRTCP.
    Media,
    /// Anything else: ZRTP, TURN channels, QUIC, or noise.
    Other,
}

/// Tells a datagram by its first byte and by being long enough for its kind's header.
pub(crate) fn classify(contents: &[u8]) -> Kind {
    match contents {
        [0..=3, ..] if contents.len() >= STUN_HEADER => Kind::Stun,
        [20..=63, ..] if contents.len() >= 13 => Kind::Dtls,
        [128..=191, ..] if contents.len() >= 12 => Kind::Media,
        _ => Kind::Other,
    }
}

/// The SSRC of an SRTP packet (RFC 3550 section 5.1); `None` for SRTCP, which is told by its packet
/// type (RFC 5761 section 4), and for what is too short.
pub(crate) fn rtp_ssrc(contents: &[u8]) -> Option<u32> {
    match contents {
        [_, kind, _, _, _, _, _, _, a, b, c, d, ..] if !(64..96).contains(&(kind & 0x7f)) => {
            Some(u32::from_be_bytes([*a, *b, *c, *d]))
        }
        _ => None,
    }
}

const STUN_HEADER: usize = 20;
const STUN_MAGIC: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const USERNAME: u16 = 0x0006;

/// The receiver's half of the USERNAME of a STUN binding request (RFC 8489 section 14.3, RFC 8445
/// section 7.2.2). It is a claim: only MESSAGE-INTEGRITY proves it.
pub(crate) fn stun_recipient(contents: &[u8]) -> Option<&str> {
    let (header, mut attributes) = contents.split_at_checked(STUN_HEADER)?;
    let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    if header[..2] != BINDING_REQUEST || header[4..8] != STUN_MAGIC || attributes.len() != length {
        return None;
    }
    while let Some((head, rest)) = attributes.split_at_checked(4) {
        let kind = u16::from_be_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = rest.get(..length)?;
        if kind == USERNAME {
            let (recipient, _) = std::str::from_utf8(value).ok()?.split_once(':')?;
            return Some(recipient);
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

/// The address in the form that everything inside uses: IPv4 is IPv4, and there is no zone or flow.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The address in the form that a socket of this family needs.
pub(crate) fn for_socket(address: SocketAddr, socket_is_ipv6: bool) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if socket_is_ipv6 => {
            SocketAddr::V6(SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binding_request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in attributes {
            body.extend(kind.to_be_bytes());
            body.extend((value.len() as u16).to_be_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut message = vec![0, 1];
        message.extend((body.len() as u16).to_be_bytes());
        message.extend(STUN_MAGIC);
        message.extend([7; 12]);
        message.extend(body);
        message
    }

    #[test]
    fn a_stun_check_names_its_recipient_behind_other_attributes() {
        let message = binding_request(&[(0x8022, b"agent"), (USERNAME, b"server:client"), (0x0024, &[0; 4])]);
        assert_eq!(stun_recipient(&message), Some("server"));
        assert_eq!(classify(&message), Kind::Stun);
    }

    #[test]
    fn a_damaged_stun_check_names_nobody() {
        let good = binding_request(&[(USERNAME, b"server:client")]);
        for length in 0..good.len() {
            assert_eq!(stun_recipient(&good[..length]), None, "cut to {length}");
        }
        for (i, damage) in [(0, 1), (1, 2), (3, 255), (4, 0), (23, 255)] {
            let mut bad = good.clone();
            bad[i] = damage;
            assert_eq!(stun_recipient(&bad), None, "byte {i}");
        }
        assert_eq!(stun_recipient(&binding_request(&[(USERNAME, b"no colon")])), None);
        assert_eq!(stun_recipient(&binding_request(&[(USERNAME, &[0xff, b':', 0xfe])])), None);
    }

    #[test]
    fn every_first_byte_has_one_kind() {
        for first in 0..=255_u8 {
            let kind = classify(&[first; 40]);
            let expected = match first {
                0..=3 => Kind::Stun,
                20..=63 => Kind::Dtls,
                128..=191 => Kind::Media,
                _ => Kind::Other,
            };
            assert_eq!(kind, expected, "{first}");
            assert_eq!(classify(&[first]), Kind::Other);
        }
        assert_eq!(classify(&[]), Kind::Other);
    }

    #[test]
    fn rtp_has_an_ssrc_and_rtcp_does_not() {
        let mut packet = [0x80, 111, 0, 1, 0, 0, 0, 2, 0, 0, 1, 0];
        assert_eq!(rtp_ssrc(&packet), Some(256));
        packet[1] = 200;
        assert_eq!(rtp_ssrc(&packet), None);
        assert_eq!(rtp_ssrc(&packet[..11]), None);
    }

    #[test]
    fn mapped_addresses_are_ipv4_inside_and_ipv6_on_a_dual_stack_socket() {
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:9".parse().expect("valid");
        let plain: SocketAddr = "192.0.2.1:9".parse().expect("valid");
        assert_eq!(canonical(mapped), plain);
        assert_eq!(for_socket(plain, true), mapped);
        assert_eq!(for_socket(plain, false), plain);
    }
}
