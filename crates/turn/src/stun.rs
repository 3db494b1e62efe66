//! STUN messages (RFC 8489) with TURN's attributes (RFC 8656).

mod attribute;
mod integrity;
mod write;

pub(crate) use attribute::{FAMILY_V4, FAMILY_V6};
pub use attribute::{attributes, decode_xor_address, error_code};
pub use integrity::{Integrity, long_term_key};
pub use write::Writer;

/// What precedes the attributes, in bytes.
pub const HEADER: usize = 20;
/// RFC 8489 section 5.
pub const MAGIC: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
/// What attributes are padded to a multiple of, in bytes.
const PADDING: usize = 4;
/// What precedes the value of an attribute.
const ATTRIBUTE_HEADER: usize = 4;
/// The FINGERPRINT attribute, its header included.
const FINGERPRINT_LENGTH: usize = ATTRIBUTE_HEADER + 4;

/// Not a STUN message, or one that contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed STUN message")]
pub struct Malformed;

/// Relates a response to its request; 96 unpredictable bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TransactionId(pub [u8; 12]);

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Wants a response.
    Request,
    /// Wants none.
    Indication,
    /// Grants a request.
    Success,
    /// Refuses a request.
    Error,
}

impl Class {
    /// The two class bits, at their places in the message type.
    const fn bits(self) -> u16 {
        match self {
            Self::Request => 0x000,
            Self::Indication => 0x010,
            Self::Success => 0x100,
            Self::Error => 0x110,
        }
    }
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// RFC 8489 section 18.2.
    Binding,
    /// RFC 8656 section 17, as those below.
    Allocate,
    /// Changes an allocation's life, or ends it.
    Refresh,
    /// From client to server, to a peer.
    Send,
    /// From server to client, of a peer.
    Data,
    /// Allows peers to send to the client.
    CreatePermission,
    /// Gives a peer a short name.
    ChannelBind,
    /// Anything else.
    Other(u16),
}

impl Method {
    const fn from_number(number: u16) -> Self {
        match number {
            0x001 => Self::Binding,
            0x003 => Self::Allocate,
            0x004 => Self::Refresh,
            0x006 => Self::Send,
            0x007 => Self::Data,
            0x008 => Self::CreatePermission,
            0x009 => Self::ChannelBind,
            other => Self::Other(other),
        }
    }

    const fn number(self) -> u16 {
        match self {
            Self::Binding => 0x001,
            Self::Allocate => 0x003,
            Self::Refresh => 0x004,
            Self::Send => 0x006,
            Self::Data => 0x007,
            Self::CreatePermission => 0x008,
            Self::ChannelBind => 0x009,
            Self::Other(number) => number & 0xfff,
        }
    }
}

/// Class and method as the first two bytes of a message (RFC 8489 section 5, figure 3: the method's
/// bits lie around those of the class).
const fn message_type(class: Class, method: Method) -> u16 {
    let method = method.number();
    (method & 0xf80) << 2 | (method & 0x070) << 1 | method & 0x00f | class.bits()
}

/// A well-formed message: its length is what it says, and so are the lengths of its attributes.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    class: Class,
    method: Method,
}

impl<'a> Message<'a> {
    /// Reads a whole message. Its FINGERPRINT is not looked at: see [`Self::has_wrong_fingerprint`].
    ///
    /// # Errors
    /// [`Malformed`] if it is no message, or its lengths contradict each other.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let header = bytes.first_chunk::<HEADER>().ok_or(Malformed)?;
        let kind = u16::from_be_bytes([header[0], header[1]]);
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let wrong_length = HEADER + length != bytes.len() || !length.is_multiple_of(PADDING);
        if kind & 0xc000 != 0 || header[4..8] != MAGIC || wrong_length {
            return Err(Malformed);
        }
        let class = match kind & 0x110 {
            0x000 => Class::Request,
            0x010 => Class::Indication,
            0x100 => Class::Success,
            _ => Class::Error,
        };
        let method = Method::from_number((kind & 0x3e00) >> 2 | (kind & 0x00e0) >> 1 | kind & 0x000f);
        let message = Self { bytes, class, method };
        let mut walk = message.walk();
        while walk.next().is_some() {}
        if walk.position == bytes.len() { Ok(message) } else { Err(Malformed) }
    }

    /// Request, indication or response.
    #[must_use]
    pub fn class(&self) -> Class {
        self.class
    }

    /// What it is about.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// Which transaction it belongs to.
    #[must_use]
    pub fn transaction(&self) -> TransactionId {
        let mut id = [0; 12];
        // Parsing has found a whole header.
        id.copy_from_slice(&self.bytes[8..HEADER]);
        TransactionId(id)
    }

    /// The attributes that count, in order: what follows MESSAGE-INTEGRITY is not vouched for, and is
    /// left out unless it is a further integrity attribute or the FINGERPRINT (RFC 8489 sections 14.5
    /// and 14.6).
    pub fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> {
        use attributes::{FINGERPRINT, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256};
        let mut last = 0;
        self.walk().map(|attribute| (attribute.kind, attribute.value)).filter(move |(kind, _)| {
            let counts = match last {
                MESSAGE_INTEGRITY => matches!(*kind, MESSAGE_INTEGRITY_SHA256 | FINGERPRINT),
                MESSAGE_INTEGRITY_SHA256 => *kind == FINGERPRINT,
                FINGERPRINT => false,
                _ => true,
            };
            if counts {
                last = *kind;
            }
            counts
        })
    }

    /// The value of the first attribute of this kind that counts.
    #[must_use]
    pub fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes().find(|(other, _)| *other == kind).map(|(_, value)| value)
    }

    /// Whether there is a FINGERPRINT, which then must be right: it is there to tell STUN from what
    /// else shares the port (RFC 8489 section 7).
    #[must_use]
    pub fn has_wrong_fingerprint(&self) -> bool {
        let Some(attribute) = self.walk().find(|attribute| attribute.kind == attributes::FINGERPRINT) else {
            return false;
        };
        let is_last = attribute.start + FINGERPRINT_LENGTH == self.bytes.len();
        !is_last || attribute.value != write::fingerprint(&self.bytes[..attribute.start])
    }

    fn walk(&self) -> Walk<'a> {
        Walk { bytes: self.bytes, position: HEADER }
    }
}

/// An attribute, and where in the message its header begins.
struct Attribute<'a> {
    kind: u16,
    value: &'a [u8],
    start: usize,
}

/// All attributes, until one does not fit into the message.
struct Walk<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Iterator for Walk<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.position;
        let (header, rest) = self.bytes.get(start..)?.split_first_chunk::<ATTRIBUTE_HEADER>()?;
        let kind = u16::from_be_bytes([header[0], header[1]]);
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let padded = length.next_multiple_of(PADDING);
        let value = rest.get(..padded)?.get(..length)?;
        self.position = start + ATTRIBUTE_HEADER + padded;
        Some(Attribute { kind, value, start })
    }
}
