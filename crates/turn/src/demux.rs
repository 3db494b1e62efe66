//! What has arrived at the one port, told by its first bytes: datagrams by RFC 7983 as RFC 9443
//! extends it, connections by how each protocol must begin.

/// What a datagram is, by RFC 9443 section 3 (which adds QUIC to RFC 7983).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramKind {
    /// A STUN message, TURN's included.
    Stun,
    /// A DTLS record.
    Dtls,
    /// SRTP or SRTCP.
    Media,
    /// ChannelData of a TURN client (RFC 8656 section 12).
    ChannelData,
    /// A QUIC packet.
    Quic,
    /// ZRTP, what is too short for its kind, or noise.
    Other,
}

/// Tells a datagram by its first byte and by being long enough for its kind's header.
#[must_use]
pub fn classify(datagram: &[u8]) -> DatagramKind {
    let Some(first) = datagram.first() else { return DatagramKind::Other };
    let (kind, shortest) = match first {
        0..=3 => (DatagramKind::Stun, 20),
        20..=63 => (DatagramKind::Dtls, 13),
        64..=79 => (DatagramKind::ChannelData, 4),
        // Nothing of QUIC is shorter than a stateless reset (RFC 9000 section 10.3).
        80..=127 | 192..=255 => (DatagramKind::Quic, 21),
        128..=191 => (DatagramKind::Media, 12),
        _ => return DatagramKind::Other,
    };
    if datagram.len() >= shortest { kind } else { DatagramKind::Other }
}

/// What a connection begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamStart {
    /// Too little has arrived to tell; [`STREAM_PREFIX`] bytes always suffice.
    NeedMore,
    /// A TLS handshake.
    Tls,
    /// An HTTP/1 request or the HTTP/2 preface.
    Http,
    /// RTMP's version byte (C0).
    Rtmp,
    /// A STUN message without a frame: STUN or TURN over TCP (RFC 8489 section 6.2.2).
    Turn,
    /// A STUN message in a frame of RFC 4571: a connectivity check of ICE-TCP (RFC 6544).
    IceTcp,
    /// The PROXY protocol's text form.
    ProxyV1,
    /// The PROXY protocol's binary form.
    ProxyV2,
    /// Nothing that is served here.
    Unknown,
}

/// As many bytes as [`classify_stream`] ever looks at.
pub const STREAM_PREFIX: usize = 16;

const STUN_MAGIC: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
/// Where the magic cookie is in a bare message, and behind a frame's two bytes of length.
const BARE_MAGIC: usize = 4;
const FRAMED_MAGIC: usize = 6;
/// The first byte of a frame that holds a connectivity check: no check is as long as 1,024 bytes.
const LAST_FRAME_BYTE: u8 = 3;
const TLS_HANDSHAKE: u8 = 0x16;
const TLS_MAJOR: u8 = 3;
const RTMP_VERSION: u8 = 3;

/// Tells a connection by the bytes that have arrived so far. `prefix` may be longer than needed.
///
/// Nothing is decided on fewer bytes than make it certain: a first byte of 3 is RTMP, unless what
/// follows is a connectivity check in a frame of 768 bytes or more.
#[must_use]
pub fn classify_stream(prefix: &[u8]) -> StreamStart {
    let Some(&first) = prefix.first() else { return StreamStart::NeedMore };
    match first {
        TLS_HANDSHAKE => match prefix.get(1) {
            None => StreamStart::NeedMore,
            Some(&TLS_MAJOR) => StreamStart::Tls,
            Some(_) => StreamStart::Unknown,
        },
        0..=LAST_FRAME_BYTE => classify_stun(prefix),
        b'\r' => by_signature(prefix, &crate::proxy::V2_SIGNATURE, StreamStart::ProxyV2),
        b'A'..=b'Z' | b'a'..=b'z' => classify_text(prefix),
        _ => StreamStart::Unknown,
    }
}

fn classify_stun(prefix: &[u8]) -> StreamStart {
    let magic_at = |offset: usize| prefix.get(offset..offset + STUN_MAGIC.len()).map(|bytes| bytes == STUN_MAGIC);
    match (magic_at(BARE_MAGIC), magic_at(FRAMED_MAGIC)) {
        (Some(true), _) => StreamStart::Turn,
        (_, Some(true)) => StreamStart::IceTcp,
        (_, None) => StreamStart::NeedMore,
        (_, Some(false)) if prefix[0] == RTMP_VERSION => StreamStart::Rtmp,
        (_, Some(false)) => StreamStart::Unknown,
    }
}

fn classify_text(prefix: &[u8]) -> StreamStart {
    match by_signature(prefix, crate::proxy::V1_SIGNATURE, StreamStart::ProxyV1) {
        // A method is a token of RFC 9110 section 5.6.2; whether it is one that is served, HTTP says.
        StreamStart::Unknown => {
            let method = prefix.iter().take(STREAM_PREFIX).take_while(|byte| **byte != b' ');
            let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
            if method.copied().all(|byte| is_token(&byte)) { StreamStart::Http } else { StreamStart::Unknown }
        }
        start => start,
    }
}

fn by_signature(prefix: &[u8], signature: &[u8], start: StreamStart) -> StreamStart {
    if prefix.starts_with(signature) {
        start
    } else if signature.starts_with(prefix) {
        StreamStart::NeedMore
    } else {
        StreamStart::Unknown
    }
}

/// The smallest datagram that begins a QUIC connection (RFC 9000 section 14.1).
const QUIC_INITIAL: usize = 1_200;
/// Versions that no implementation will ever speak (RFC 9000 section 15).
const RESERVED_VERSIONS: [u32; 2] = [0x1a2a_3a4a, 0x5a6a_7a8a];

/// The answer that ends an attempt to speak QUIC cleanly: Version Negotiation that offers only
/// reserved versions (RFC 9000 sections 6.1 and 17.2.1), so that a client gives up at once and not
/// after its timeouts. `None` if the datagram does not call for it. It is always much shorter than
/// what it answers.
#[must_use]
pub fn quic_version_negotiation(datagram: &[u8]) -> Option<Vec<u8>> {
    const LONG_HEADER: u8 = 0xC0;
    if datagram.len() < QUIC_INITIAL || datagram[0] & LONG_HEADER != LONG_HEADER {
        return None;
    }
    let (version, rest) = datagram[1..].split_first_chunk()?;
    let version = u32::from_be_bytes(*version);
    // Version Negotiation itself must never be answered with more of it.
    if version == 0 {
        return None;
    }
    let (destination, rest) = connection_id(rest)?;
    let (source, _) = connection_id(rest)?;
    // A client ignores a negotiation that lists the version it has chosen.
    let offered = if version == RESERVED_VERSIONS[0] { RESERVED_VERSIONS[1] } else { RESERVED_VERSIONS[0] };

    let mut answer = vec![LONG_HEADER, 0, 0, 0, 0];
    for id in [source, destination] {
        // It was read from one byte of length.
        answer.push(id.len() as u8);
        answer.extend_from_slice(id);
    }
    answer.extend_from_slice(&offered.to_be_bytes());
    Some(answer)
}

/// A connection id, in other versions up to 255 bytes long (RFC 8999 section 5.1), and what follows it.
fn connection_id(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_first_byte_of_a_datagram_has_one_kind() {
        for first in 0..=255_u8 {
            let expected = match first {
                0..=3 => DatagramKind::Stun,
                20..=63 => DatagramKind::Dtls,
                64..=79 => DatagramKind::ChannelData,
                80..=127 | 192..=255 => DatagramKind::Quic,
                128..=191 => DatagramKind::Media,
                _ => DatagramKind::Other,
            };
            assert_eq!(classify(&[first; 40]), expected, "{first}");
            assert_eq!(classify(&[first]), DatagramKind::Other, "{first}");
        }
        assert_eq!(classify(&[]), DatagramKind::Other);
    }

    /// What each protocol begins with, long enough to be certain.
    const STARTS: &[(&[u8], StreamStart)] = &[
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", StreamStart::Tls),
        (b"GET /m/room HTTP/1.1\r\n", StreamStart::Http),
        (b"POST / HTTP/1.1\r\n", StreamStart::Http),
        (b"PROPFIND / HTTP/1.1\r\n", StreamStart::Http),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", StreamStart::Http),
        (b"M-SEARCH * HTTP/1.1\r\n", StreamStart::Http),
        (b"\x03\x00\x00\x00\x00\x00\x00\x00\x00\x17\x45\x91", StreamStart::Rtmp),
        (b"\x00\x03\x00\x08\x21\x12\xA4\x42\x00\x19\x00\x04", StreamStart::Turn),
        (b"\x00\x01\x00\x00\x21\x12\xA4\x42\x21\x12\xA4\x42", StreamStart::Turn),
        (b"\x00\x64\x00\x01\x00\x50\x21\x12\xA4\x42\x00\x19", StreamStart::IceTcp),
        (b"\x03\x14\x00\x01\x03\x00\x21\x12\xA4\x42\x00\x19", StreamStart::IceTcp),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", StreamStart::ProxyV1),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c", StreamStart::ProxyV2),
        (b"\x16\x16\x16\x16", StreamStart::Unknown),
        (b"\r\n\r\nGET / HTTP/1.1", StreamStart::Unknown),
        (b"\x00\x01\x00\x00\x21\x12\xA4\x43\x00\x00\x00\x00", StreamStart::Unknown),
        (b"GET\0/ HTTP/1.1", StreamStart::Unknown),
        (b"SSH-2.0-\x80", StreamStart::Unknown),
        (b"\x04\x00\x00\x00", StreamStart::Unknown),
        (b"\x80\x00\x00\x00", StreamStart::Unknown),
        (b"\xff\xff\xff\xff", StreamStart::Unknown),
    ];

    #[test]
    fn a_connection_is_told_by_its_first_bytes() {
        for (start, expected) in STARTS {
            assert_eq!(classify_stream(start), *expected, "{start:02x?}");
            let prefix = &start[..start.len().min(STREAM_PREFIX)];
            assert_eq!(classify_stream(prefix), *expected, "the first {STREAM_PREFIX} of {start:02x?}");
        }
    }

    #[test]
    fn a_slow_start_is_waited_for_and_then_told_the_same() {
        for (start, expected) in STARTS.iter().filter(|(_, expected)| *expected != StreamStart::Unknown) {
            for length in 0..start.len() {
                let early = classify_stream(&start[..length]);
                assert!(early == StreamStart::NeedMore || early == *expected, "{:02x?}: {early:?}", &start[..length]);
            }
        }
    }

    #[test]
    fn sixteen_bytes_are_always_enough() {
        for first in 0..=255_u8 {
            for second in 0..=255_u8 {
                let mut prefix = [second; STREAM_PREFIX];
                prefix[0] = first;
                assert_ne!(classify_stream(&prefix), StreamStart::NeedMore, "{first} {second}");
            }
        }
    }

    fn initial(version: u32, destination: &[u8], source: &[u8]) -> Vec<u8> {
        let mut datagram = vec![0xC3];
        datagram.extend_from_slice(&version.to_be_bytes());
        for id in [destination, source] {
            datagram.push(id.len() as u8);
            datagram.extend_from_slice(id);
        }
        datagram.resize(QUIC_INITIAL, 0);
        datagram
    }

    #[test]
    fn quic_is_refused_with_versions_that_nobody_speaks() {
        let answer = quic_version_negotiation(&initial(1, b"destination", b"src")).expect("an answer");
        let mut expected = vec![0xC0, 0, 0, 0, 0, 3];
        expected.extend_from_slice(b"src\x0bdestination\x1a\x2a\x3a\x4a");
        assert_eq!(answer, expected);
        let greased = quic_version_negotiation(&initial(RESERVED_VERSIONS[0], b"", b"")).expect("an answer");
        assert_eq!(greased, [0xC0, 0, 0, 0, 0, 0, 0, 0x5a, 0x6a, 0x7a, 0x8a]);
    }

    #[test]
    fn quic_refusals_answer_beginnings_only_and_never_each_other() {
        let beginning = initial(1, &[7; 255], &[8; 255]);
        let answer = quic_version_negotiation(&beginning).expect("an answer");
        assert!(answer.len() < beginning.len() / 2);
        assert_eq!(quic_version_negotiation(&answer), None);
        assert_eq!(quic_version_negotiation(&initial(0, b"a", b"b")), None);
        assert_eq!(quic_version_negotiation(&beginning[..QUIC_INITIAL - 1]), None);
        let mut short_header = beginning.clone();
        short_header[0] = 0x43;
        assert_eq!(quic_version_negotiation(&short_header), None);
        assert_eq!(quic_version_negotiation(&[]), None);
    }
}
