//! Short-lived TURN credentials in the REST form (draft-uberti-behave-turn-rest-00), which coturn
//! and others speak too: the username carries the expiry and the user, the password proves that
//! whoever knows the secret has issued it. Nothing is stored for a credential that nobody uses.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::CryptoRng;

/// How long an issued credential can be used to allocate, in seconds. An allocation that it made can
/// be refreshed for longer.
pub const LIFETIME_S: u64 = 600;

/// What the user ids of connectivity checks begin with: they get fewer allocations
/// ([`Limits::allocations_per_check`](crate::Limits::allocations_per_check)).
pub const CHECK_PREFIX: &str = "check-";

/// The longest username that is accepted, in bytes. RFC 8489 section 14.3 allows 508; ours are far
/// shorter, and each is kept with its allocation.
pub(crate) const LONGEST_USERNAME: usize = 128;

/// What credentials are made with, and recognised by.
#[derive(Clone)]
pub struct TurnSecret(hmac::Key);

impl TurnSecret {
    /// A secret that nobody else knows, for credentials that need not outlive this process.
    #[must_use]
    pub fn random(random: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        random.fill_bytes(&mut bytes);
        Self::from_bytes(&bytes)
    }

    /// A secret shared with another server, as its configuration writes it.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, bytes))
    }

    /// A credential for `user` until `expires_unix` (seconds since 1970). The user's id goes over the
    /// network unencrypted: it must not be a name.
    #[must_use]
    pub fn issue(&self, user: &str, expires_unix: u64) -> Issued {
        let username = format!("{expires_unix}:{user}");
        let password = self.password(&username);
        Issued { username, password }
    }

    /// The password that belongs to a username, whether it has expired or not.
    pub(crate) fn password(&self, username: &str) -> String {
        STANDARD.encode(hmac::sign(&self.0, username.as_bytes()))
    }
}

impl fmt::Debug for TurnSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TurnSecret(***)")
    }
}

/// A credential as it is handed to a client.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// `"<seconds since 1970>:<user>"`.
    pub username: String,
    /// Base64 of HMAC-SHA1 over the username.
    pub password: String,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issued(***)")
    }
}

/// A username taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Username<'a> {
    pub(crate) expires_unix: u64,
    pub(crate) user: &'a str,
}

impl<'a> Username<'a> {
    /// `None` if it is not in the REST form.
    pub(crate) fn parse(username: &'a str) -> Option<Self> {
        let (expires, user) = username.split_once(':')?;
        if username.len() > LONGEST_USERNAME || user.is_empty() || !expires.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        Some(Self { expires_unix: expires.parse().ok()?, user })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_what_other_servers_compute_from_the_same_secret() {
        // printf 1700000000:user | openssl dgst -sha1 -hmac north -binary | base64
        let issued = TurnSecret::from_bytes(b"north").issue("user", 1_700_000_000);
        assert_eq!(issued.username, "1700000000:user");
        assert_eq!(issued.password, "2uyGWnO1vHFmQfE0HWQNi1ldYAk=");
    }

    #[test]
    fn only_the_rest_form_is_a_username() {
        assert_eq!(Username::parse("17:a:b"), Some(Username { expires_unix: 17, user: "a:b" }));
        let long = format!("17:{}", "a".repeat(LONGEST_USERNAME));
        for wrong in ["", "17", "17:", ":a", "+17:a", "x:a", " 17:a", "99999999999999999999999:a", &long] {
            assert_eq!(Username::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn neither_secret_nor_credential_shows_itself() {
        let secret = TurnSecret::from_bytes(b"north");
        let shown = format!("{secret:?} {:?}", secret.issue("user", 17));
        assert_eq!(shown, "TurnSecret(***) Issued(***)");
    }
}
