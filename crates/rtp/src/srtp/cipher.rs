//! Sealing and opening with session keys: AES-GCM (RFC 7714), or AES-CM with HMAC-SHA1 (RFC 3711 sections 4.1.1
//! and 4.2.1).

use std::fmt;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroize;

use super::Profile;
use crate::Ssrc;

/// What authenticates a packet under AES-CM: the first 80 bits of an HMAC-SHA1.
const CM_TAG: usize = 10;
const GCM_TAG: usize = 16;
const NONCE: usize = 12;
const COUNTER: usize = 16;

/// Whatever does not open: forged, damaged, or of other keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAuthentic;

/// Which packet of a source this is. Never the same twice under one key, with other contents.
#[derive(Clone, Copy)]
pub(super) enum Index {
    /// The rollover counter above the sequence number: 48 bits.
    Rtp(u64),
    /// 31 bits, counted by the sender.
    Rtcp(u32),
}

pub(super) enum Cipher {
    Gcm(Gcm),
    /// Boxed, because the library's HMAC is many times larger than all that the others need.
    Cm(Box<CounterMode>),
}

/// The libraries' own keys wipe themselves.
pub(super) struct Gcm {
    key: LessSafeKey,
    salt: Salt<NONCE>,
}

pub(super) struct CounterMode {
    key: EncryptingKey,
    authentication: hmac::Key,
    salt: Salt<COUNTER>,
}

struct Salt<const N: usize>([u8; N]);

impl<const N: usize> Drop for Salt<N> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<const N: usize> Salt<N> {
    fn new(salt: &[u8]) -> Self {
        let mut padded = [0; N];
        padded[..salt.len()].copy_from_slice(salt);
        Self(padded)
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

impl Cipher {
    /// From session keys. GCM needs none for authentication.
    pub(super) fn new(profile: Profile, key: &[u8], authentication: &[u8], salt: &[u8]) -> Self {
        // The lengths are the profile's: derivation cuts keys to them.
        let gcm = |algorithm| {
            let key = UnboundKey::new(algorithm, key).expect("a key of the profile's length");
            Self::Gcm(Gcm { key: LessSafeKey::new(key), salt: Salt::new(salt) })
        };
        match profile {
            Profile::AeadAes128Gcm => gcm(&AES_128_GCM),
            Profile::AeadAes256Gcm => gcm(&AES_256_GCM),
            Profile::Aes128CmHmacSha1_80 => {
                let key = UnboundCipherKey::new(&AES_128, key).expect("a key of the profile's length");
                Self::Cm(Box::new(CounterMode {
                    key: EncryptingKey::ctr(key).expect("AES has a counter mode"),
                    authentication: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, authentication),
                    salt: Salt::new(salt),
                }))
            }
        }
    }

    /// Encrypts the RTP payload between `header` and `length`, and puts the tag behind it, for which there must be
    /// room. Returns the new length.
    pub(super) fn seal_rtp(&self, packet: &mut [u8], header: usize, length: usize, ssrc: Ssrc, index: u64) -> usize {
        match self {
            Self::Gcm(gcm) => {
                let (head, rest) = packet.split_at_mut(header);
                let (payload, tag) = rest.split_at_mut(length - header);
                gcm.seal(gcm.nonce(ssrc, Index::Rtp(index)), head, payload, &mut tag[..GCM_TAG]);
                length + GCM_TAG
            }
            Self::Cm(cm) => {
                cm.encrypt(ssrc, Index::Rtp(index), &mut packet[header..length]);
                let tag = cm.tag(&packet[..length], rollover(index));
                packet[length..length + CM_TAG].copy_from_slice(&tag);
                length + CM_TAG
            }
        }
    }

    /// The reverse: returns the length without the tag. When it fails, what was between the header and the end is
    /// lost.
    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header: usize,
        ssrc: Ssrc,
        index: u64,
    ) -> Result<usize, NotAuthentic> {
        match self {
            Self::Gcm(gcm) => {
                let length = packet.len().checked_sub(GCM_TAG).ok_or(NotAuthentic)?;
                let (head, sealed) = packet.split_at_mut_checked(header).ok_or(NotAuthentic)?;
                gcm.open(gcm.nonce(ssrc, Index::Rtp(index)), head, sealed)?;
                Ok(length)
            }
            Self::Cm(cm) => {
                let length = packet.len().checked_sub(CM_TAG).filter(|l| *l >= header).ok_or(NotAuthentic)?;
                let (sealed, tag) = packet.split_at_mut(length);
                verify_slices_are_equal(&cm.tag(sealed, rollover(index)), tag).map_err(|_| NotAuthentic)?;
                cm.encrypt(ssrc, Index::Rtp(index), &mut sealed[header..]);
                Ok(length)
            }
        }
    }

    /// Encrypts the RTCP compound of `length` bytes but for its first eight, and puts tag and index behind it, for
    /// which there must be room. Returns the new length.
    pub(super) fn seal_rtcp(&self, packet: &mut [u8], length: usize, ssrc: Ssrc, index: u32) -> usize {
        let trailer = (ENCRYPTED | index).to_be_bytes();
        match self {
            Self::Gcm(gcm) => {
                let (head, rest) = packet.split_at_mut(CLEAR);
                let (body, rest) = rest.split_at_mut(length - CLEAR);
                let (tag, rest) = rest.split_at_mut(GCM_TAG);
                gcm.seal(gcm.nonce(ssrc, Index::Rtcp(index)), &rtcp_associated(head, trailer), body, tag);
                rest[..4].copy_from_slice(&trailer);
                length + GCM_TAG + 4
            }
            Self::Cm(cm) => {
                cm.encrypt(ssrc, Index::Rtcp(index), &mut packet[CLEAR..length]);
                let end = length + 4;
                packet[length..end].copy_from_slice(&trailer);
                let tag = cm.tag(&packet[..end], [0; 0]);
                packet[end..end + CM_TAG].copy_from_slice(&tag);
                end + CM_TAG
            }
        }
    }

    /// The index that an SRTCP packet carries, and whether it says that it is encrypted. `None` if it is too short.
    pub(super) fn rtcp_index(&self, packet: &[u8]) -> Option<(u32, bool)> {
        let (tag_before, tag_behind) = match self {
            Self::Gcm(_) => (GCM_TAG, 0),
            Self::Cm(_) => (0, CM_TAG),
        };
        let end = packet.len().checked_sub(tag_behind)?;
        let start = end.checked_sub(4).filter(|start| *start >= CLEAR + tag_before)?;
        let trailer = packet[start..end].first_chunk().map(|word| u32::from_be_bytes(*word))?;
        Some((trailer & !ENCRYPTED, trailer & ENCRYPTED != 0))
    }

    /// Opens an encrypted SRTCP packet whose index is known; returns the length without tag and index.
    pub(super) fn open_rtcp(&self, packet: &mut [u8], ssrc: Ssrc, index: u32) -> Result<usize, NotAuthentic> {
        let trailer = (ENCRYPTED | index).to_be_bytes();
        match self {
            Self::Gcm(gcm) => {
                let end = packet.len().checked_sub(4).ok_or(NotAuthentic)?;
                let length = end.checked_sub(GCM_TAG).ok_or(NotAuthentic)?;
                let (head, sealed) = packet[..end].split_at_mut_checked(CLEAR).ok_or(NotAuthentic)?;
                gcm.open(gcm.nonce(ssrc, Index::Rtcp(index)), &rtcp_associated(head, trailer), sealed)?;
                Ok(length)
            }
            Self::Cm(cm) => {
                let end = packet.len().checked_sub(CM_TAG).ok_or(NotAuthentic)?;
                let length = end.checked_sub(4).filter(|length| *length >= CLEAR).ok_or(NotAuthentic)?;
                let (sealed, tag) = packet.split_at_mut(end);
                verify_slices_are_equal(&cm.tag(sealed, [0; 0]), tag).map_err(|_| NotAuthentic)?;
                cm.encrypt(ssrc, Index::Rtcp(index), &mut sealed[CLEAR..length]);
                Ok(length)
            }
        }
    }
}

/// The bytes of an RTCP compound that stay readable: its first head, and who sends it (RFC 3711 section 3.4).
pub(super) const CLEAR: usize = 8;
/// Above the index: the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// Under AES-CM the tag also covers the rollover counter, which no packet carries (RFC 3711 section 4.2).
const fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// RFC 7714 section 9.2.
fn rtcp_associated(head: &[u8], trailer: [u8; 4]) -> [u8; CLEAR + 4] {
    let mut associated = [0; CLEAR + 4];
    associated[..CLEAR].copy_from_slice(&head[..CLEAR]);
    associated[CLEAR..].copy_from_slice(&trailer);
    associated
}

impl Gcm {
    /// RFC 7714 sections 8.1 and 9.1.
    fn nonce(&self, ssrc: Ssrc, index: Index) -> Nonce {
        let mut nonce = [0; NONCE];
        nonce[2..6].copy_from_slice(&ssrc.0.to_be_bytes());
        match index {
            Index::Rtp(index) => nonce[6..].copy_from_slice(&index.to_be_bytes()[2..]),
            Index::Rtcp(index) => nonce[8..].copy_from_slice(&index.to_be_bytes()),
        }
        xor(&mut nonce, &self.salt.0);
        Nonce::assume_unique_for_key(nonce)
    }

    fn seal(&self, nonce: Nonce, head: &[u8], body: &mut [u8], tag: &mut [u8]) {
        // It fails for bodies of 64 GiB and more.
        let sealed = self.key.seal_in_place_separate_tag(nonce, Aad::from(head), body).expect("a packet is short");
        tag.copy_from_slice(sealed.as_ref());
    }

    /// `sealed` ends with the tag.
    fn open(&self, nonce: Nonce, head: &[u8], sealed: &mut [u8]) -> Result<(), NotAuthentic> {
        self.key.open_in_place(nonce, Aad::from(head), sealed).map(|_| ()).map_err(|_| NotAuthentic)
    }
}

impl CounterMode {
    /// And decrypts (RFC 3711 section 4.1.1).
    fn encrypt(&self, ssrc: Ssrc, index: Index, bytes: &mut [u8]) {
        let mut counter = [0; COUNTER];
        counter[4..8].copy_from_slice(&ssrc.0.to_be_bytes());
        match index {
            Index::Rtp(index) => counter[8..14].copy_from_slice(&index.to_be_bytes()[2..]),
            Index::Rtcp(index) => counter[10..14].copy_from_slice(&index.to_be_bytes()),
        }
        xor(&mut counter, &self.salt.0);
        let context = EncryptionContext::Iv128(FixedLength::from(counter));
        self.key.less_safe_encrypt(bytes, context).expect("a counter mode takes any length");
    }

    fn tag(&self, packet: &[u8], behind: impl AsRef<[u8]>) -> [u8; CM_TAG] {
        let mut context = hmac::Context::with_key(&self.authentication);
        context.update(packet);
        context.update(behind.as_ref());
        let tag = context.sign();
        let mut short = [0; CM_TAG];
        short.copy_from_slice(&tag.as_ref()[..CM_TAG]);
        short
    }
}

fn xor<const N: usize>(bytes: &mut [u8; N], mask: &[u8; N]) {
    bytes.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
}
