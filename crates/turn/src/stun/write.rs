use std::net::SocketAddr;

use crc::{CRC_32_ISO_HDLC, Crc};

use super::attribute::encode_xor_address;
use super::{
    ATTRIBUTE_HEADER, Class, FINGERPRINT_LENGTH, HEADER, Integrity, MAGIC, Method, PADDING, TransactionId, attributes,
    message_type,
};

static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
/// What the checksum is masked with (RFC 8489 section 14.7): "STUN".
const FINGERPRINT_MASK: u32 = 0x5354_554e;

/// Writes a message, attribute by attribute.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    transaction: TransactionId,
}

impl Writer {
    /// A message without attributes; `capacity` is how long it will get, in bytes.
    #[must_use]
    pub fn new(class: Class, method: Method, transaction: TransactionId, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity.max(HEADER));
        bytes.extend_from_slice(&message_type(class, method).to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&transaction.0);
        Self { bytes, transaction }
    }

    /// Appends an attribute. Values are short, or packets: 65,535 bytes are never exceeded.
    pub fn attribute(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        self.attribute_with(kind, |out| out.extend_from_slice(value))
    }

    /// Appends an address, masked.
    pub fn xor_address(&mut self, kind: u16, address: SocketAddr) -> &mut Self {
        let transaction = self.transaction;
        self.attribute_with(kind, |out| encode_xor_address(address, transaction, out))
    }

    /// Appends an ERROR-CODE. `code` is 300 to 699.
    pub fn error(&mut self, code: u16, reason: &str) -> &mut Self {
        self.attribute_with(attributes::ERROR_CODE, |out| {
            out.extend_from_slice(&[0, 0, (code / 100) as u8, (code % 100) as u8]);
            out.extend_from_slice(reason.as_bytes());
        })
    }

    /// Signs all that has been written. Only [`Self::fingerprint`] may follow.
    pub fn integrity(&mut self, integrity: Integrity, key: &[u8]) -> &mut Self {
        let length = match integrity {
            Integrity::Sha1 => 20,
            Integrity::Sha256 => 32,
        };
        let tag = integrity.sign(key, &self.bytes, length);
        self.attribute(integrity.kind(), tag.as_ref())
    }

    /// Appends the checksum by which STUN is told from what else shares the port. Nothing may follow.
    pub fn fingerprint(&mut self) -> &mut Self {
        self.set_length(self.bytes.len() - HEADER + FINGERPRINT_LENGTH);
        let value = fingerprint(&self.bytes);
        self.attribute(attributes::FINGERPRINT, &value)
    }

    /// The message.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.set_length(self.bytes.len() - HEADER);
        self.bytes
    }

    fn attribute_with(&mut self, kind: u16, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&[0, 0]);
        let start = self.bytes.len();
        write(&mut self.bytes);
        let length = self.bytes.len() - start;
        debug_assert!(length <= usize::from(u16::MAX) - ATTRIBUTE_HEADER, "an attribute that no message can hold");
        self.bytes[start - 2..start].copy_from_slice(&(length as u16).to_be_bytes());
        self.bytes.resize(start + length.next_multiple_of(PADDING), 0);
        self
    }

    fn set_length(&mut self, length: usize) {
        self.bytes[2..4].copy_from_slice(&(length as u16).to_be_bytes());
    }
}

/// The value of the FINGERPRINT that follows `before`, whose header already counts it in.
pub(super) fn fingerprint(before: &[u8]) -> [u8; 4] {
    (CRC.checksum(before) ^ FINGERPRINT_MASK).to_be_bytes()
}
