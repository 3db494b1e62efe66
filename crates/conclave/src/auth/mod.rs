//! Who may do what over REST, and what an access token gives in a room.

pub(crate) mod admin;
mod guesses;
mod tokens;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use conclave_proto::{DisplayName, ErrorCode, ProtocolError, Role, RoomName, Secret};
use conclave_room::Authority;

pub use admin::SecretFileError;
pub use tokens::{Grants, MAX_LIFETIME, MintedToken};

use crate::metrics::WRONG_TOKENS;
use crate::net::Source;
use admin::AdminToken;
use guesses::Guesses;
use tokens::TokenKey;

/// Everything that verifies tokens.
pub struct Auth {
    admin: AdminToken,
    key: TokenKey,
    start: Instant,
    guesses: Mutex<Guesses>,
}

/// Whose token a request carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// The administrator's.
    Admin,
    /// One minted for a room.
    Token(Grants),
}

/// What an access token gives someone who enters a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// For the room.
    pub authority: Authority,
    /// The token says what its bearer is called.
    pub name: Option<DisplayName>,
}

impl Auth {
    /// Reads the secrets in the data folder and makes those that are missing.
    ///
    /// # Errors
    /// A file that cannot be read or made, or that others may read.
    pub fn open(data: &Path) -> Result<Self, SecretFileError> {
        Ok(Self {
            admin: AdminToken::open(data)?,
            key: TokenKey::open(data)?,
            start: Instant::now(),
            guesses: Mutex::default(),
        })
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// [`ErrorCode::Unauthorized`], always with the same words: what exactly was wrong helps only
    /// those who guess.
    pub fn verify(&self, token: &str, unix_seconds: u64) -> Result<Bearer, ProtocolError> {
        if self.admin.is(token) {
            return Ok(Bearer::Admin);
        }
        self.key.verify(token, unix_seconds).map(Bearer::Token).ok_or_else(unauthorized)
    }

    /// Verifies a token that came with a request. A client that was wrong too often is not listened to
    /// for a while, whatever it sends: otherwise its guesses would only have to be many.
    ///
    /// # Errors
    /// As [`Self::verify`], or [`ErrorCode::TooManyRequests`] with the time to wait.
    pub fn verify_from(&self, source: Source, token: &str, unix_seconds: u64) -> Result<Bearer, ProtocolError> {
        let now = self.start.elapsed();
        if let Some(wait) = self.guesses().wait(now, source) {
            metrics::counter!(WRONG_TOKENS, "outcome" => "refused").increment(1);
            let wait = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
            return Err(ProtocolError {
                retry_after_ms: Some(wait),
                ..ProtocolError::new(ErrorCode::TooManyRequests, "too many wrong tokens came from there")
            });
        }
        let verified = self.verify(token, unix_seconds);
        if verified.is_err() {
            self.guesses().wrong(now, source);
            metrics::counter!(WRONG_TOKENS, "outcome" => "wrong").increment(1);
        }
        verified
    }

    /// What a `join` with this token gives.
    ///
    /// # Errors
    /// [`ErrorCode::Unauthorized`]: not a valid token, or one for another room.
    pub fn entry(&self, token: Option<&Secret>, room: &RoomName, unix_seconds: u64) -> Result<Entry, ProtocolError> {
        let Some(token) = token else { return Ok(Entry { authority: Authority::None, name: None }) };
        match self.verify(token.as_str(), unix_seconds)? {
            Bearer::Admin => Ok(Entry { authority: Authority::Admin, name: None }),
            Bearer::Token(grants) if grants.room == *room => Ok(Entry {
                authority: Authority::Token {
                    role: grants.role,
                    may_publish: grants.may_publish,
                    may_chat: grants.may_chat,
                },
                name: grants.name,
            }),
            Bearer::Token(_) => Err(unauthorized()),
        }
    }

    fn guesses(&self) -> MutexGuard<'_, Guesses> {
        // No operation leaves it half done.
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a token.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] when it cannot be signed.
    pub fn mint(&self, grants: Grants, lifetime_seconds: u32, unix_seconds: u64) -> Result<MintedToken, ProtocolError> {
        self.key.mint(grants, lifetime_seconds, unix_seconds)
    }
}

impl Bearer {
    /// Only the administrator.
    ///
    /// # Errors
    /// [`ErrorCode::Forbidden`].
    pub fn must_be_admin(&self) -> Result<(), ProtocolError> {
        match self {
            Self::Admin => Ok(()),
            Self::Token(_) => Err(forbidden()),
        }
    }

    /// The administrator, or the bearer of a host's token for this room.
    ///
    /// # Errors
    /// [`ErrorCode::Forbidden`].
    pub fn must_host(&self, room: &RoomName) -> Result<(), ProtocolError> {
        match self {
            Self::Admin => Ok(()),
            Self::Token(grants) if grants.role == Role::Host && grants.room == *room => Ok(()),
            Self::Token(_) => Err(forbidden()),
        }
    }
}

pub(crate) fn unauthorized() -> ProtocolError {
    ProtocolError::new(ErrorCode::Unauthorized, "a valid token is needed")
}

fn forbidden() -> ProtocolError {
    ProtocolError::new(ErrorCode::Forbidden, "this token does not allow it")
}
