use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{MAGIC, TransactionId};

/// Attribute types (RFC 8489 section 18.3, RFC 8656 section 18).
pub mod attributes {
    #![allow(missing_docs, reason = "the names are those of the RFCs")]
    pub const USERNAME: u16 = 0x0006;
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub const ERROR_CODE: u16 = 0x0009;
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
    pub const CHANNEL_NUMBER: u16 = 0x000C;
    pub const LIFETIME: u16 = 0x000D;
    pub const XOR_PEER_ADDRESS: u16 = 0x0012;
    pub const DATA: u16 = 0x0013;
    pub const REALM: u16 = 0x0014;
    pub const NONCE: u16 = 0x0015;
    pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    pub const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
    pub const EVEN_PORT: u16 = 0x0018;
    pub const REQUESTED_TRANSPORT: u16 = 0x0019;
    pub const DONT_FRAGMENT: u16 = 0x001A;
    pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001C;
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub const RESERVATION_TOKEN: u16 = 0x0022;
    pub const ADDITIONAL_ADDRESS_FAMILY: u16 = 0x8000;
    pub const ADDRESS_ERROR_CODE: u16 = 0x8001;
    pub const SOFTWARE: u16 = 0x8022;
    pub const FINGERPRINT: u16 = 0x8028;

    /// Whether who does not know the attribute must refuse the message (RFC 8489 section 14).
    #[must_use]
    pub const fn is_required(kind: u16) -> bool {
        kind < 0x8000
    }
}

pub(crate) const FAMILY_V4: u8 = 1;
pub(crate) const FAMILY_V6: u8 = 2;

/// Reads an XOR address (RFC 8489 section 14.2); `None` if it is none. An IPv4 address in an IPv6 form
/// stays what it is.
#[must_use]
pub fn decode_xor_address(value: &[u8], transaction: TransactionId) -> Option<SocketAddr> {
    let ([_, family, high, low], address) = value.split_first_chunk()?;
    let port = u16::from_be_bytes([high ^ MAGIC[0], low ^ MAGIC[1]]);
    let mask = mask(transaction);
    let ip = match *family {
        FAMILY_V4 => {
            let mut octets = <[u8; 4]>::try_from(address).ok()?;
            octets.iter_mut().zip(mask).for_each(|(octet, mask)| *octet ^= mask);
            IpAddr::V4(Ipv4Addr::from(octets))
        }
        FAMILY_V6 => {
            let mut octets = <[u8; 16]>::try_from(address).ok()?;
            octets.iter_mut().zip(mask).for_each(|(octet, mask)| *octet ^= mask);
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Appends an XOR address as the value of an attribute.
pub(super) fn encode_xor_address(address: SocketAddr, transaction: TransactionId, out: &mut Vec<u8>) {
    let [high, low] = address.port().to_be_bytes();
    let port = [high ^ MAGIC[0], low ^ MAGIC[1]];
    let mask = mask(transaction);
    match address.ip() {
        IpAddr::V4(ip) => {
            out.extend_from_slice(&[0, FAMILY_V4, port[0], port[1]]);
            out.extend(ip.octets().iter().zip(mask).map(|(octet, mask)| octet ^ mask));
        }
        IpAddr::V6(ip) => {
            out.extend_from_slice(&[0, FAMILY_V6, port[0], port[1]]);
            out.extend(ip.octets().iter().zip(mask).map(|(octet, mask)| octet ^ mask));
        }
    }
}

/// What addresses are masked with: the magic cookie, then the transaction id.
fn mask(transaction: TransactionId) -> [u8; 16] {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC);
    mask[4..].copy_from_slice(&transaction.0);
    mask
}

/// Reads the code of an ERROR-CODE attribute (RFC 8489 section 14.8), 300 to 699.
#[must_use]
pub fn error_code(value: &[u8]) -> Option<u16> {
    let [_, _, class, number] = *value.first_chunk()?;
    let class = class & 0x7;
    ((3..=6).contains(&class) && number < 100).then(|| u16::from(class) * 100 + u16::from(number))
}
