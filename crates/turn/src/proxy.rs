//! The PROXY protocol (HAProxy's proxy-protocol.txt, versions 1 and 2): the header with which a load
//! balancer says whose connection it forwards.
//!
//! Whoever may connect could write one: read it from configured addresses only.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How the text form begins.
pub(crate) const V1_SIGNATURE: &[u8] = b"PROXY ";
/// How the binary form begins.
pub(crate) const V2_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The longest text header, its line end included (section 2.1).
const V1_LONGEST: usize = 107;
/// What precedes the addresses of the binary form (section 2.2).
const V2_HEADER: usize = 16;
/// The longest binary header that is accepted. Addresses take at most 216 bytes; the rest is for
/// extensions (certificates' names, cloud providers' ids), which are passed over.
const V2_LONGEST: usize = V2_HEADER + 2_048;

/// As many bytes as [`parse`] ever needs.
pub const LONGEST_HEADER: usize = V2_LONGEST;

/// What the received bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// The header is not complete.
    NeedMore,
    /// A header; the forwarded connection begins behind it.
    Header {
        /// Whose connection it is; `None` if the proxy speaks for itself (health checks) or does not
        /// know.
        source: Option<SocketAddr>,
        /// Its length in bytes.
        length: usize,
    },
}

/// What was received does not begin with a PROXY header: the proxy is not one, or is set up wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the connection does not begin with a PROXY protocol header")]
pub struct Malformed;

/// Reads the header at the beginning of `prefix`, which may be longer.
///
/// # Errors
/// [`Malformed`] as soon as it is certain that there is none.
pub fn parse(prefix: &[u8]) -> Result<Parsed, Malformed> {
    if prefix.starts_with(V1_SIGNATURE) {
        parse_v1(prefix)
    } else if prefix.starts_with(&V2_SIGNATURE) {
        parse_v2(prefix)
    } else if V1_SIGNATURE.starts_with(prefix) || V2_SIGNATURE.starts_with(prefix) {
        Ok(Parsed::NeedMore)
    } else {
        Err(Malformed)
    }
}

fn parse_v1(prefix: &[u8]) -> Result<Parsed, Malformed> {
    let window = &prefix[..prefix.len().min(V1_LONGEST)];
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        return if prefix.len() < V1_LONGEST { Ok(Parsed::NeedMore) } else { Err(Malformed) };
    };
    let line = std::str::from_utf8(&window[V1_SIGNATURE.len()..end]).map_err(|_| Malformed)?;
    let mut words = line.split(' ');
    let source = match words.next() {
        // What follows is to be ignored, whatever it is.
        Some("UNKNOWN") => None,
        Some("TCP4") => Some(v1_source::<Ipv4Addr>(words)?),
        Some("TCP6") => Some(v1_source::<Ipv6Addr>(words)?),
        _ => return Err(Malformed),
    };
    Ok(Parsed::Header { source, length: end + 2 })
}

fn v1_source<'a, A>(mut words: impl Iterator<Item = &'a str>) -> Result<SocketAddr, Malformed>
where
    A: std::str::FromStr + Into<IpAddr>,
{
    let mut word = || words.next().ok_or(Malformed);
    let address = |word: &str| word.parse::<A>().map_err(|_| Malformed);
    let (source, _destination) = (address(word()?)?, address(word()?)?);
    let (port, _destination) = (v1_port(word()?)?, v1_port(word()?)?);
    if words.next().is_some() {
        return Err(Malformed);
    }
    Ok(canonical(source.into(), port))
}

fn v1_port(word: &str) -> Result<u16, Malformed> {
    // `parse` would take a sign.
    if word.bytes().all(|byte| byte.is_ascii_digit()) { word.parse().map_err(|_| Malformed) } else { Err(Malformed) }
}

fn parse_v2(prefix: &[u8]) -> Result<Parsed, Malformed> {
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    let Some(header) = prefix.first_chunk::<V2_HEADER>() else { return Ok(Parsed::NeedMore) };
    let [.., command, family, high, low] = *header;
    let length = V2_HEADER + usize::from(u16::from_be_bytes([high, low]));
    if !matches!(command, LOCAL | PROXY) || length > V2_LONGEST {
        return Err(Malformed);
    }
    let Some(addresses) = prefix.get(V2_HEADER..length) else { return Ok(Parsed::NeedMore) };
    let source = if command == LOCAL { None } else { v2_source(family, addresses)? };
    Ok(Parsed::Header { source, length })
}

fn v2_source(family: u8, addresses: &[u8]) -> Result<Option<SocketAddr>, Malformed> {
    const UNSPECIFIED: u8 = 0;
    const IPV4: u8 = 1;
    const IPV6: u8 = 2;
    const UNIX: u8 = 3;
    let (ip, port) = match family >> 4 {
        UNSPECIFIED | UNIX => return Ok(None),
        IPV4 => {
            let [a, b, c, d, _, _, _, _, port @ .., _, _] = *addresses.first_chunk::<12>().ok_or(Malformed)?;
            (IpAddr::from([a, b, c, d]), port)
        }
        IPV6 => {
            let (source, rest) = addresses.split_first_chunk::<16>().ok_or(Malformed)?;
            let [.., high, low, _, _] = *rest.first_chunk::<20>().ok_or(Malformed)?;
            (IpAddr::from(*source), [high, low])
        }
        _ => return Err(Malformed),
    };
    Ok(Some(canonical(ip, u16::from_be_bytes(port))))
}

/// An IPv4 address that a proxy listening on IPv6 has seen is IPv4 for everything inside.
fn canonical(ip: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(ip.to_canonical(), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Option<SocketAddr> {
        Some(text.parse().expect("an address"))
    }

    fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let mut header = V2_SIGNATURE.to_vec();
        header.extend_from_slice(&[command, family]);
        header.extend_from_slice(&(addresses.len() as u16).to_be_bytes());
        header.extend_from_slice(addresses);
        header
    }

    const V6_ADDRESSES: [u8; 36] = *b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\
        \x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x12\x34\x01\xbb";
    const MAPPED_ADDRESSES: [u8; 36] = *b"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x01\
        \0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x02\0\x50\x01\xbb";

    fn headers() -> Vec<(Vec<u8>, Option<SocketAddr>)> {
        let v4 = b"\xc0\0\x02\x01\xc0\0\x02\x02\x12\x34\x01\xbb";
        let mut with_extensions = v4.to_vec();
        with_extensions.extend_from_slice(b"\x04\0\x03abc");
        vec![
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 4660 443\r\n".to_vec(), source("192.0.2.1:4660")),
            (b"PROXY TCP6 2001:db8::1 2001:db8::2 4660 443\r\n".to_vec(), source("[2001:db8::1]:4660")),
            (b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.2 80 443\r\n".to_vec(), source("192.0.2.1:80")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 anything 1 2\r\n".to_vec(), None),
            (v2(0x21, 0x11, v4), source("192.0.2.1:4660")),
            (v2(0x21, 0x11, &with_extensions), source("192.0.2.1:4660")),
            (v2(0x21, 0x21, &V6_ADDRESSES), source("[2001:db8::1]:4660")),
            (v2(0x21, 0x21, &MAPPED_ADDRESSES), source("192.0.2.1:80")),
            (v2(0x21, 0x31, &[b'/'; 216]), None),
            (v2(0x21, 0x00, b""), None),
            (v2(0x20, 0x00, b""), None),
            (v2(0x20, 0x11, v4), None),
        ]
    }

    #[test]
    fn a_header_says_whose_connection_it_is() {
        for (header, source) in headers() {
            let expected = Ok(Parsed::Header { source, length: header.len() });
            assert_eq!(parse(&header), expected, "{}", header.escape_ascii());
            let followed = [&header, &b"\x16\x03\x01\r\n"[..]].concat();
            assert_eq!(parse(&followed), expected, "{}", header.escape_ascii());
        }
    }

    #[test]
    fn a_slow_header_is_waited_for() {
        for (header, _) in headers() {
            for length in 0..header.len() {
                assert_eq!(parse(&header[..length]), Ok(Parsed::NeedMore), "{}", header[..length].escape_ascii());
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let wrong: &[&[u8]] = &[
            b"GET / HTTP/1.1\r\n",
            b"\x16\x03\x01",
            b"\r\n\r\n\0\r\nQUIX",
            b"PROXY\r\n",
            b"PROXY \r\n",
            b"PROXY TCP4\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2  1 2\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
            b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
            b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
            b"PROXY TCP4 192.0.2.999 192.0.2.2 1 2\r\n",
            b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
            b"PROXY TCP4 \xff 192.0.2.2 1 2\r\n",
            &[b"PROXY UNKNOWN ", [b'a'; 100].as_slice()].concat(),
            &v2(0x22, 0x11, &[0; 12]),
            &v2(0x11, 0x11, &[0; 12]),
            &v2(0x21, 0x11, &[0; 11]),
            &v2(0x21, 0x21, &[0; 35]),
            &v2(0x21, 0x41, &[0; 36]),
            &v2(0x21, 0x11, &[0; 3_000])[..V2_HEADER],
        ];
        for wrong in wrong {
            assert_eq!(parse(wrong), Err(Malformed), "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn headers_are_bounded() {
        let longest = [b"PROXY UNKNOWN ", [b'a'; 91].as_slice(), b"\r\n"].concat();
        assert_eq!(longest.len(), V1_LONGEST);
        assert_eq!(parse(&longest), Ok(Parsed::Header { source: None, length: V1_LONGEST }));
        let longest = v2(0x21, 0x00, &[0; 2_048]);
        assert_eq!(longest.len(), LONGEST_HEADER);
        assert_eq!(parse(&longest), Ok(Parsed::Header { source: None, length: LONGEST_HEADER }));
    }
}
