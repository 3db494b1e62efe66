//! Protection profiles and their keying material.

use thiserror::Error;

/// How packets are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// `SRTP_AEAD_AES_128_GCM` (RFC 7714).
    AeadAes128Gcm,
    /// `SRTP_AEAD_AES_256_GCM` (RFC 7714).
    AeadAes256Gcm,
    /// `SRTP_AES128_CM_HMAC_SHA1_80` (RFC 3711, RFC 5764 section 4.1.2).
    Aes128CmHmacSha1_80,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AeadAes128Gcm, Self::AeadAes256Gcm, Self::Aes128CmHmacSha1_80];

    /// How many bytes DTLS exports for it: a key and a salt for each side.
    #[must_use]
    pub const fn keying_material_length(self) -> usize {
        2 * (self.key_length() + self.salt_length())
    }

    /// How many bytes sealing adds to an RTP packet.
    #[must_use]
    pub const fn rtp_overhead(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            Self::Aes128CmHmacSha1_80 => 10,
        }
    }

    /// How many bytes sealing adds to an RTCP packet: also the index, of four bytes.
    #[must_use]
    pub const fn rtcp_overhead(self) -> usize {
        self.rtp_overhead() + 4
    }

    pub(super) const fn key_length(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::Aes128CmHmacSha1_80 => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    /// Of the master salt and of the session salts alike (RFC 3711 section 8.2, RFC 7714 section 12).
    pub(super) const fn salt_length(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
            Self::Aes128CmHmacSha1_80 => 14,
        }
    }

    /// Client's key, server's key, client's salt, server's salt (RFC 5764 section 4.2).
    pub(super) fn split(self, material: &[u8]) -> Result<Halves<'_>, BadKeyingMaterial> {
        if material.len() != self.keying_material_length() {
            return Err(BadKeyingMaterial { expected: self.keying_material_length(), given: material.len() });
        }
        let (keys, salts) = material.split_at(2 * self.key_length());
        let (client_key, server_key) = keys.split_at(self.key_length());
        let (client_salt, server_salt) = salts.split_at(self.salt_length());
        Ok(Halves {
            client: Master { key: client_key, salt: client_salt },
            server: Master { key: server_key, salt: server_salt },
        })
    }
}

/// Which side of DTLS somebody is: it decides which keys are whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// It sent the ClientHello.
    DtlsClient,
    /// It answered.
    DtlsServer,
}

/// The keying material has not the length that the profile wants: the fault of whoever exported it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("keying material of {given} bytes where the profile takes {expected}")]
pub struct BadKeyingMaterial {
    expected: usize,
    given: usize,
}

/// One direction's master key and salt.
pub(super) struct Master<'a> {
    pub(super) key: &'a [u8],
    pub(super) salt: &'a [u8],
}

pub(super) struct Halves<'a> {
    pub(super) client: Master<'a>,
    pub(super) server: Master<'a>,
}
