use aws_lc_rs::{constant_time, hmac};
use md5::{Digest, Md5};

use super::{ATTRIBUTE_HEADER, Attribute, HEADER, Message, PADDING, attributes};

/// Which of the two attributes vouches for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Integrity {
    /// MESSAGE-INTEGRITY: HMAC-SHA1 (RFC 8489 section 14.5).
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256 (RFC 8489 section 14.6).
    Sha256,
}

/// The key of the long-term mechanism: MD5 of `username:realm:password` (RFC 8489 section 9.2.2).
#[must_use]
pub fn long_term_key(username: &str, realm: &str, password: &str) -> [u8; 16] {
    let mut hash = Md5::new();
    for part in [username, ":", realm, ":", password] {
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

impl Message<'_> {
    /// Which attribute vouches for the message, if one does; of two, the stronger.
    #[must_use]
    pub fn integrity(&self) -> Option<Integrity> {
        let mut found = None;
        for (kind, _) in self.attributes() {
            match kind {
                attributes::MESSAGE_INTEGRITY => found = Some(Integrity::Sha1),
                attributes::MESSAGE_INTEGRITY_SHA256 => return Some(Integrity::Sha256),
                _ => {}
            }
        }
        found
    }

    /// Whether the message was made by who knows `key`; false also if nothing vouches for it.
    #[must_use]
    pub fn is_authentic(&self, key: &[u8]) -> bool {
        let Some(integrity) = self.integrity() else { return false };
        let Some(Attribute { value, start, .. }) = self.walk().find(|attribute| attribute.kind == integrity.kind())
        else {
            return false;
        };
        // The SHA-256 form may be cut to as few as 16 bytes.
        let length_is_right = match integrity {
            Integrity::Sha1 => value.len() == 20,
            Integrity::Sha256 => (16..=32).contains(&value.len()) && value.len().is_multiple_of(PADDING),
        };
        if !length_is_right {
            return false;
        }
        let expected = integrity.sign(key, &self.bytes[..start], value.len());
        constant_time::verify_slices_are_equal(&expected.as_ref()[..value.len()], value).is_ok()
    }
}

impl Integrity {
    pub(super) const fn kind(self) -> u16 {
        match self {
            Self::Sha1 => attributes::MESSAGE_INTEGRITY,
            Self::Sha256 => attributes::MESSAGE_INTEGRITY_SHA256,
        }
    }

    /// Signs what precedes the attribute; the length in the header counts as if the attribute, with a
    /// value of `length` bytes, were the last.
    pub(super) fn sign(self, key: &[u8], before: &[u8], length: usize) -> hmac::Tag {
        let algorithm = match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
        };
        // A message is no longer than its 16 bits of length say, and the attribute is a part of it.
        let total = (before.len() - HEADER + ATTRIBUTE_HEADER + length) as u16;
        let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
        context.update(&before[..2]);
        context.update(&total.to_be_bytes());
        context.update(&before[4..]);
        context.sign()
    }
}
