//! Session keys from master keys (RFC 3711 section 4.3).

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

use super::Profile;
use super::cipher::Cipher;
use super::profile::Master;

/// What a derived key is for (RFC 3711 section 4.3.2).
#[derive(Clone, Copy)]
pub(super) enum Label {
    RtpKey = 0,
    RtpAuthentication = 1,
    RtpSalt = 2,
    RtcpKey = 3,
    RtcpAuthentication = 4,
    RtcpSalt = 5,
}

/// The longest of them, AES-256's.
pub(super) const LONGEST_KEY: usize = 32;
/// HMAC-SHA1's (RFC 3711 section 5.2).
pub(super) const AUTHENTICATION_KEY: usize = 20;

/// One direction's ciphers, keyed.
pub(super) struct Keys {
    pub(super) profile: Profile,
    pub(super) rtp: Cipher,
    pub(super) rtcp: Cipher,
}

impl Keys {
    pub(super) fn derive(profile: Profile, master: &Master<'_>) -> Self {
        let cipher = |key, authentication, salt| {
            Cipher::new(
                profile,
                &derive(master, key)[..profile.key_length()],
                &derive(master, authentication)[..AUTHENTICATION_KEY],
                &derive(master, salt)[..profile.salt_length()],
            )
        };
        Self {
            profile,
            rtp: cipher(Label::RtpKey, Label::RtpAuthentication, Label::RtpSalt),
            rtcp: cipher(Label::RtcpKey, Label::RtcpAuthentication, Label::RtcpSalt),
        }
    }
}

/// As many bytes as the longest key needs; a shorter one is their beginning. The key derivation rate is zero, as
/// DTLS-SRTP has it: session keys last as long as master keys.
pub(super) fn derive(master: &Master<'_>, label: Label) -> Zeroizing<[u8; LONGEST_KEY]> {
    // The salt, of 112 bits or padded to them with zeroes (RFC 7714 section 11), xor the label, whose 8 bits stand
    // above the 48 of the index; then 16 bits that count blocks.
    let mut counter = [0; 16];
    counter[..master.salt.len()].copy_from_slice(master.salt);
    counter[7] ^= label as u8;

    let algorithm = if master.key.len() == LONGEST_KEY { &AES_256 } else { &AES_128 };
    let mut derived = Zeroizing::new([0; LONGEST_KEY]);
    // Neither can fail: the key has the length of one of the two, the counter that of a block.
    let key = UnboundCipherKey::new(algorithm, master.key).expect("profiles have keys of 16 or 32 bytes");
    let key = EncryptingKey::ctr(key).expect("AES has a counter mode");
    let context = EncryptionContext::Iv128(FixedLength::from(counter));
    key.less_safe_encrypt(derived.as_mut_slice(), context).expect("a counter mode takes any length");
    derived
}
