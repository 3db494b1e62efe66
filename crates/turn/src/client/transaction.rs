//! Requests on their way.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::stun::{Class, Integrity, Message, Method, TransactionId, Writer, attributes, long_term_key};

use super::{Family, Request, Transport};

/// When a request is first repeated; each further time takes twice as long (RFC 8489 section 6.2.1).
const FIRST_REPETITION: Duration = Duration::from_millis(500);
/// How often it is sent, and how many times [`FIRST_REPETITION`] the last one is waited for. The RFC
/// suggests 7 and 16; whoever waits for a connectivity check wants to know after ten seconds, not forty.
const MOST_SENT: u32 = 5;
const LAST_WAIT: u32 = 4;
/// How long an answer by a stream is waited for: as long as all repetitions take.
const STREAM_PATIENCE: Duration = Duration::from_millis(9_500);
/// How often a challenge is answered before the credential counts as wrong.
const MOST_CHALLENGES: u32 = 3;

/// What is asked for, with all that it takes to ask again.
#[derive(Debug)]
pub(super) enum Ask {
    Binding,
    Allocate(Family),
    Refresh(Duration),
    CreatePermission(Box<[IpAddr]>),
    ChannelBind { number: u16, peer: SocketAddr },
}

impl Ask {
    pub(super) fn request(&self) -> Request {
        match self {
            Self::Binding => Request::Binding,
            Self::Allocate(_) => Request::Allocate,
            Self::Refresh(_) => Request::Refresh,
            Self::CreatePermission(_) => Request::CreatePermission,
            Self::ChannelBind { .. } => Request::ChannelBind,
        }
    }

    pub(super) fn method(&self) -> Method {
        match self {
            Self::Binding => Method::Binding,
            Self::Allocate(_) => Method::Allocate,
            Self::Refresh(_) => Method::Refresh,
            Self::CreatePermission(_) => Method::CreatePermission,
            Self::ChannelBind { .. } => Method::ChannelBind,
        }
    }

    pub(super) fn needs_account(&self) -> bool {
        !matches!(self, Self::Binding)
    }

    pub(super) fn message(&self, id: TransactionId, account: &Account) -> Vec<u8> {
        const CAPACITY: usize = 256;
        const UDP: [u8; 4] = [17, 0, 0, 0];
        const IPV6: [u8; 4] = [2, 0, 0, 0];
        let mut writer = Writer::new(Class::Request, self.method(), id, CAPACITY);
        match self {
            Self::Binding => {}
            Self::Allocate(family) => {
                writer.attribute(attributes::REQUESTED_TRANSPORT, &UDP);
                if *family == Family::V6 {
                    writer.attribute(attributes::REQUESTED_ADDRESS_FAMILY, &IPV6);
                }
            }
            Self::Refresh(lifetime) => {
                let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
                writer.attribute(attributes::LIFETIME, &seconds.to_be_bytes());
            }
            Self::CreatePermission(peers) => {
                for peer in peers {
                    writer.xor_address(attributes::XOR_PEER_ADDRESS, SocketAddr::new(*peer, 0));
                }
            }
            Self::ChannelBind { number, peer } => {
                let [high, low] = number.to_be_bytes();
                writer
                    .attribute(attributes::CHANNEL_NUMBER, &[high, low, 0, 0])
                    .xor_address(attributes::XOR_PEER_ADDRESS, *peer);
            }
        }
        if self.needs_account() {
            account.sign(&mut writer);
        }
        writer.fingerprint();
        writer.finish()
    }
}

/// A request that has not been answered.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) ask: Ask,
    pub(super) id: TransactionId,
    pub(super) packet: Vec<u8>,
    /// When it was first sent.
    pub(super) sent: Instant,
    /// When it is repeated or given up.
    pub(super) due: Instant,
    /// An answer came that the server has not signed.
    pub(super) saw_forgery: bool,
    /// How often it has been asked again with what the server had told before.
    pub(super) challenges: u32,
    /// It carried the credential.
    pub(super) was_signed: bool,
    /// How often it may still be sent.
    left: u32,
    wait: Duration,
}

impl Transaction {
    pub(super) fn new(now: Instant, transport: Transport, ask: Ask, id: TransactionId, packet: Vec<u8>) -> Self {
        let (left, wait) = match transport {
            Transport::Udp => (MOST_SENT - 1, FIRST_REPETITION),
            Transport::Stream => (0, STREAM_PATIENCE),
        };
        let due = now + wait;
        Self { ask, id, packet, sent: now, due, saw_forgery: false, challenges: 0, was_signed: false, left, wait }
    }

    /// Whether a refusal with this code may be one that only asks for the credential (401) or for a
    /// newer nonce (438). A 401 to who showed its credential means that it is wrong.
    pub(super) fn may_be_challenged(&self, code: u16) -> bool {
        let is_challenge = code == 438 || code == 401 && !self.was_signed;
        is_challenge && self.ask.needs_account() && self.challenges < MOST_CHALLENGES
    }

    /// Whether it is to be sent once more.
    pub(super) fn repeat(&mut self, now: Instant) -> bool {
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        self.wait = if left == 0 { FIRST_REPETITION * LAST_WAIT } else { self.wait * 2 };
        self.due = now + self.wait;
        true
    }
}

/// The credential, and what the server has said about how to use it.
pub(super) struct Account {
    username: String,
    password: String,
    challenge: Option<Challenge>,
}

struct Challenge {
    realm: Vec<u8>,
    nonce: Vec<u8>,
    key: [u8; 16],
}

impl Account {
    pub(super) fn new(username: &str, password: &str) -> Self {
        Self { username: username.into(), password: password.into(), challenge: None }
    }

    /// Adds what proves the credential, as soon as it is known how (RFC 8489 section 9.2.3).
    fn sign(&self, writer: &mut Writer) {
        if let Some(challenge) = &self.challenge {
            writer
                .attribute(attributes::USERNAME, self.username.as_bytes())
                .attribute(attributes::REALM, &challenge.realm)
                .attribute(attributes::NONCE, &challenge.nonce)
                .integrity(Integrity::Sha1, &challenge.key);
        }
    }

    /// Whether the server has signed this with the credential's key.
    pub(super) fn signed(&self, message: &Message<'_>) -> bool {
        self.challenge.as_ref().is_some_and(|challenge| message.is_authentic(&challenge.key))
    }

    /// Whether the server has told how the credential is to be shown.
    pub(super) fn can_sign(&self) -> bool {
        self.challenge.is_some()
    }

    /// Learns realm and nonce of a refusal; false if it has none.
    pub(super) fn take_challenge(&mut self, message: &Message<'_>) -> bool {
        let (Some(realm), Some(nonce)) = (message.attribute(attributes::REALM), message.attribute(attributes::NONCE))
        else {
            return false;
        };
        let Ok(text) = std::str::from_utf8(realm) else { return false };
        let key = long_term_key(&self.username, text, &self.password);
        self.challenge = Some(Challenge { realm: realm.into(), nonce: nonce.into(), key });
        true
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account(***)")
    }
}
