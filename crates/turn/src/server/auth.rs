use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use aws_lc_rs::{constant_time, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::credentials::{LIFETIME_S, TurnSecret, Username};
use crate::stun::long_term_key;

use super::Client;
use super::time::Time;

/// How long a nonce can be used, in seconds.
const NONCE_LIFETIME_S: u64 = 600;
/// The time in a nonce, and what proves it; together 16 characters.
const NONCE_TIME: usize = 4;
const NONCE_PROOF: usize = 8;
/// A realm is in every answer to a stranger.
const LONGEST_REALM: usize = 32;

/// What a client signs with, and is answered with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key([u8; 16]);

impl Key {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

/// Recognises clients without remembering them.
#[derive(Debug)]
pub(super) struct Authenticator {
    realm: String,
    secret: TurnSecret,
    nonce_key: hmac::Key,
    /// Users whose credentials are void if they expire before this second since 1970: they have been
    /// revoked after those were issued.
    revoked: HashMap<Box<str>, u64>,
    /// How many entries of `revoked` make it worth looking for those that no longer matter.
    revoked_sweep: usize,
}

/// The fewest entries of `revoked` that are swept.
const SMALLEST_SWEEP: usize = 1_024;

impl Authenticator {
    pub(super) fn new(mut realm: String, secret: TurnSecret, nonce_key: &[u8]) -> Self {
        realm.truncate(realm.floor_char_boundary(LONGEST_REALM));
        let nonce_key = hmac::Key::new(hmac::HMAC_SHA256, nonce_key);
        Self { realm, secret, nonce_key, revoked: HashMap::new(), revoked_sweep: SMALLEST_SWEEP }
    }

    pub(super) fn realm(&self) -> &str {
        &self.realm
    }

    /// A nonce for this client (RFC 8489 section 9.2). Nothing is stored: it holds the time, and a proof
    /// that it was made here for that address, so that whoever returns it is where it says.
    pub(super) fn nonce(&self, now: Time, client: &Client) -> String {
        // In a century of running it wraps; nonces of a century ago would then be fresh.
        let time = (now.seconds() as u32).to_be_bytes();
        let mut nonce = [0; NONCE_TIME + NONCE_PROOF];
        nonce[..NONCE_TIME].copy_from_slice(&time);
        nonce[NONCE_TIME..].copy_from_slice(&self.nonce_proof(time, client));
        URL_SAFE_NO_PAD.encode(nonce)
    }

    /// Whether this is a nonce of ours for this client, and not too old.
    pub(super) fn is_fresh(&self, now: Time, client: &Client, nonce: &[u8]) -> bool {
        let mut bytes = [0; NONCE_TIME + NONCE_PROOF];
        if URL_SAFE_NO_PAD.decode_slice(nonce, &mut bytes) != Ok(bytes.len()) {
            return false;
        }
        let Some((time, proof)) = bytes.split_first_chunk::<NONCE_TIME>() else { return false };
        let age = now.seconds().checked_sub(u64::from(u32::from_be_bytes(*time)));
        age.is_some_and(|age| age < NONCE_LIFETIME_S)
            && constant_time::verify_slices_are_equal(proof, &self.nonce_proof(*time, client)).is_ok()
    }

    fn nonce_proof(&self, time: [u8; NONCE_TIME], client: &Client) -> [u8; NONCE_PROOF] {
        let (kind, stream, remote) = match client {
            Client::Udp { remote, .. } => (0, 0, remote),
            Client::Stream { id, remote } => (1, id.0, remote),
        };
        let mut context = hmac::Context::with_key(&self.nonce_key);
        context.update(&time);
        context.update(&[kind]);
        context.update(&stream.to_be_bytes());
        context.update(&remote.port().to_be_bytes());
        match remote.ip() {
            IpAddr::V4(ip) => context.update(&ip.octets()),
            IpAddr::V6(ip) => context.update(&ip.octets()),
        }
        let mut proof = [0; NONCE_PROOF];
        proof.copy_from_slice(&context.sign().as_ref()[..NONCE_PROOF]);
        proof
    }

    /// The user and key of a username that may allocate now; `None` if it is not in our form, has
    /// expired or was revoked. Only a message signed with the key proves that it was issued here.
    pub(super) fn key<'a>(&self, unix: u64, username: &'a str) -> Option<(&'a str, Key)> {
        let Username { expires_unix, user } = Username::parse(username)?;
        let is_revoked = self.revoked.get(user).is_some_and(|valid_from| expires_unix < *valid_from);
        if expires_unix <= unix || is_revoked {
            return None;
        }
        Some((user, Key(long_term_key(username, &self.realm, &self.secret.password(username)))))
    }

    /// Voids the credentials that were issued to `user` until now, this second included.
    pub(super) fn revoke(&mut self, unix: u64, user: &str) {
        if self.revoked.len() >= self.revoked_sweep {
            self.revoked.retain(|_, valid_from| *valid_from > unix);
            self.revoked_sweep = SMALLEST_SWEEP.max(self.revoked.len() * 2);
        }
        // What is issued now expires a lifetime later, by a clock that may have been rounded to the
        // other side of a second.
        self.revoked.insert(user.into(), unix.saturating_add(LIFETIME_S + 2));
    }
}
