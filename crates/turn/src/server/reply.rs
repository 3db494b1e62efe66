use crate::stun::{Class, Integrity, Message, Method, TransactionId, Writer, attributes};

use super::auth::Key;

/// Why a request is refused (RFC 8489 section 14.8, RFC 8656 section 19).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    BadRequest,
    Unauthorized,
    Forbidden,
    UnknownAttribute,
    AllocationMismatch,
    StaleNonce,
    FamilyNotSupported,
    WrongCredentials,
    UnsupportedTransport,
    FamilyMismatch,
    AllocationQuotaReached,
    InsufficientCapacity,
}

impl Refusal {
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::UnknownAttribute => 420,
            Self::AllocationMismatch => 437,
            Self::StaleNonce => 438,
            Self::FamilyNotSupported => 440,
            Self::WrongCredentials => 441,
            Self::UnsupportedTransport => 442,
            Self::FamilyMismatch => 443,
            Self::AllocationQuotaReached => 486,
            Self::InsufficientCapacity => 508,
        }
    }

    /// For people who read packets. Strangers get none: what is sent to an address that may be forged
    /// should be short.
    const fn reason(self) -> &'static str {
        match self {
            Self::BadRequest | Self::Unauthorized | Self::StaleNonce => "",
            Self::Forbidden => "Forbidden",
            Self::UnknownAttribute => "Unknown Attribute",
            Self::AllocationMismatch => "Allocation Mismatch",
            Self::FamilyNotSupported => "Address Family not Supported",
            Self::WrongCredentials => "Wrong Credentials",
            Self::UnsupportedTransport => "Unsupported Transport Protocol",
            Self::FamilyMismatch => "Peer Address Family Mismatch",
            Self::AllocationQuotaReached => "Allocation Quota Reached",
            Self::InsufficientCapacity => "Insufficient Capacity",
        }
    }
}

/// Unknown attributes that a refusal names; further ones the client learns of when it has left those out.
const MOST_UNKNOWN: usize = 16;
/// No answer of ours is longer, in bytes.
const CAPACITY: usize = 144;

/// How requests of a client are answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply {
    method: Method,
    transaction: TransactionId,
    fingerprint: bool,
    /// By what and with which key answers are signed, once the client has proved itself.
    signed: Option<(Integrity, Key)>,
}

impl Reply {
    /// Answers to `request`, unsigned.
    pub(super) fn to(request: &Message<'_>) -> Self {
        Self {
            method: request.method(),
            transaction: request.transaction(),
            fingerprint: request.attribute(attributes::FINGERPRINT).is_some(),
            signed: None,
        }
    }

    /// Answers that are signed as the request was.
    pub(super) fn signed(self, integrity: Integrity, key: Key) -> Self {
        Self { signed: Some((integrity, key)), ..self }
    }

    pub(super) fn success(&self, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        self.message(Class::Success, write)
    }

    pub(super) fn refusal(&self, refusal: Refusal) -> Vec<u8> {
        self.message(Class::Error, |writer| {
            writer.error(refusal.code(), refusal.reason());
        })
    }

    /// A refusal that tells how to come back with a credential.
    pub(super) fn challenge(&self, refusal: Refusal, realm: &str, nonce: &str) -> Vec<u8> {
        self.message(Class::Error, |writer| {
            writer
                .error(refusal.code(), refusal.reason())
                .attribute(attributes::REALM, realm.as_bytes())
                .attribute(attributes::NONCE, nonce.as_bytes());
        })
    }

    /// The refusal of what is not understood.
    pub(super) fn unknown_attributes(&self, unknown: impl Iterator<Item = u16>) -> Vec<u8> {
        let refusal = Refusal::UnknownAttribute;
        let unknown: Vec<u8> = unknown.take(MOST_UNKNOWN).flat_map(u16::to_be_bytes).collect();
        self.message(Class::Error, |writer| {
            let reason = if self.signed.is_some() { refusal.reason() } else { "" };
            writer.error(refusal.code(), reason).attribute(attributes::UNKNOWN_ATTRIBUTES, &unknown);
        })
    }

    fn message(&self, class: Class, write: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut writer = Writer::new(class, self.method, self.transaction, CAPACITY);
        write(&mut writer);
        if let Some((integrity, key)) = &self.signed {
            writer.integrity(*integrity, key.as_bytes());
        }
        if self.fingerprint {
            writer.fingerprint();
        }
        writer.finish()
    }
}
