//! The sessions of WHIP and WHEP: found by their secret URL, bounded in number and rate. A session lives
//! as long as its meeting keeps its [`Lease`].

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use conclave_gateway::{Rates, Session};
use conclave_proto::{ErrorCode, ProtocolError, RoomName, Sdp, Secret};
use conclave_room::{Digest, StreamId};

use crate::metrics::STREAMS_REFUSED;
use crate::net::Source;

/// Sessions at once, of all rooms. The media plane's own bound on legs is below it.
const SESSIONS: usize = 20_000;
/// Sessions that one token may hold at once. The administrator's is bounded by the rooms.
const SESSIONS_PER_TOKEN: usize = 64;
/// Requests for a session that one client may make at once, and in a second in the long run. A whole
/// office that starts to watch at the same moment comes from one address.
const RATE: (u32, u32) = (500, 50);
/// Clients whose rate is kept.
const CLIENTS: usize = 65_536;

/// Which protocol a session speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 9725: it publishes.
    Whip,
    /// draft-ietf-wish-whep: it plays.
    Whep,
}

impl Protocol {
    /// The first part of its paths.
    pub fn name(self) -> &'static str {
        match self {
            Self::Whip => "whip",
            Self::Whep => "whep",
        }
    }
}

/// The secret part of a session's URL: 128 bits. Never printed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionKey([u8; 16]);

impl SessionKey {
    /// From a URL.
    pub fn parse(text: &str) -> Option<Self> {
        // The decoder takes one spelling of each key only.
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// For a URL.
    pub fn to_text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(***)")
    }
}

/// What is known of a session.
#[derive(Clone, Debug)]
pub struct Known {
    /// As its meeting knows it.
    pub stream: StreamId,
    /// Which protocol it speaks.
    pub protocol: Protocol,
    /// Its meeting.
    pub room: RoomName,
    /// The token that made it; only its bearer, or a host of the room, may change or end it.
    pub token: Option<Digest>,
    /// Its offer, as the media plane has it.
    pub offer: Sdp,
    /// Its ICE sessions.
    pub session: Session,
}

/// All sessions. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Streams(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    start: Instant,
    next: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Those that are being opened have no description yet.
    sessions: HashMap<SessionKey, Option<Known>>,
    per_token: HashMap<[u8; 32], usize>,
    rates: Rates<Source>,
}

impl Default for Streams {
    fn default() -> Self {
        let rates = Rates::new(RATE.0, RATE.1, CLIENTS);
        let state = State { sessions: HashMap::new(), per_token: HashMap::new(), rates };
        Self(Arc::new(Shared { start: Instant::now(), next: AtomicU64::new(1), state: Mutex::new(state) }))
    }
}

impl Streams {
    /// Counts a request for a session.
    ///
    /// # Errors
    /// [`ErrorCode::TooManyRequests`], with the time after which to come again.
    pub fn admit(&self, source: Source) -> Result<(), ProtocolError> {
        let now = self.0.start.elapsed();
        self.0.state().rates.take(now, source).map_err(|wait| refused("too many requests came from there", wait))
    }

    /// A place for a new session. `token`: what it was asked for with, unless that is the administrator's.
    ///
    /// # Errors
    /// [`ErrorCode::TooManyRequests`]: there are too many.
    pub fn open(&self, token: Option<Digest>) -> Result<Lease, ProtocolError> {
        const LATER: Duration = Duration::from_secs(10);
        let mut state = self.0.state();
        if state.sessions.len() >= SESSIONS {
            return Err(refused("there are as many sessions as this server takes", LATER));
        }
        if let Some(token) = &token {
            let held = state.per_token.entry(*token.as_bytes()).or_default();
            if *held >= SESSIONS_PER_TOKEN {
                return Err(refused("this token has as many sessions as it may", LATER));
            }
            *held += 1;
        }
        let key = SessionKey(rand::random());
        state.sessions.insert(key, None);
        let stream = StreamId(self.0.next.fetch_add(1, Ordering::Relaxed));
        Ok(Lease { streams: self.clone(), key, stream, token })
    }

    /// Describes a session whose offer was answered; it may be over already.
    pub fn describe(&self, key: SessionKey, known: Known) {
        if let Some(session) = self.0.state().sessions.get_mut(&key) {
            *session = Some(known);
        }
    }

    /// A session.
    pub fn get(&self, key: SessionKey) -> Option<Known> {
        self.0.state().sessions.get(&key)?.clone()
    }

    /// Changes a session, if it is still there.
    pub fn change<T>(&self, key: SessionKey, change: impl FnOnce(&mut Known) -> T) -> Option<T> {
        self.0.state().sessions.get_mut(&key)?.as_mut().map(change)
    }

    /// Forgets a session. Returns whether it was there: of two who end it, one does.
    pub fn remove(&self, key: SessionKey) -> bool {
        self.0.state().sessions.remove(&key).is_some()
    }
}

/// A session's place. Dropped when the session is over, it gives the place back.
#[derive(Debug)]
pub struct Lease {
    streams: Streams,
    key: SessionKey,
    stream: StreamId,
    token: Option<Digest>,
}

impl Lease {
    /// The secret part of its URL.
    pub fn key(&self) -> SessionKey {
        self.key
    }

    /// As its meeting will know it.
    pub fn stream(&self) -> StreamId {
        self.stream
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.streams.0.state();
        state.sessions.remove(&self.key);
        if let Some(token) = self.token.as_ref().map(Digest::as_bytes)
            && let Some(held) = state.per_token.get_mut(token)
        {
            *held -= 1;
            if *held == 0 {
                state.per_token.remove(token);
            }
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No operation leaves it half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused(why: &'static str, wait: Duration) -> ProtocolError {
    metrics::counter!(STREAMS_REFUSED).increment(1);
    let wait = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX);
    ProtocolError { retry_after_ms: Some(wait), ..ProtocolError::new(ErrorCode::TooManyRequests, why) }
}

/// What is kept of a token.
pub fn digest(token: &str) -> Option<Digest> {
    Secret::parse(token).ok().map(|secret| Digest::of_secret(&secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_long_random_and_never_printed() {
        let streams = Streams::default();
        let (one, other) = (streams.open(None).expect("room"), streams.open(None).expect("room"));
        let text = one.key().to_text();
        assert_eq!(text.len(), 22);
        assert_eq!(SessionKey::parse(&text), Some(one.key()));
        assert!(one.key() != other.key() && one.stream() != other.stream());
        assert!(!format!("{one:?}").contains(&text));
        for bad in ["", "x", "../../etc", &text[1..], &format!("{text}A"), &format!("{text}=")] {
            assert_eq!(SessionKey::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_token_holds_so_many_sessions_until_they_are_over() {
        let streams = Streams::default();
        let token = digest("token");
        let mut leases: Vec<_> = (0..SESSIONS_PER_TOKEN).map(|_| streams.open(token).expect("room")).collect();
        let refused = streams.open(token).expect_err("one too many");
        assert!(refused.code == ErrorCode::TooManyRequests && refused.retry_after_ms.is_some());
        assert!(streams.open(digest("another")).is_ok());
        leases.pop();
        assert!(streams.open(token).is_ok());
        drop(leases);
        let state = streams.0.state();
        assert!(state.per_token.is_empty() && state.sessions.is_empty(), "nothing is remembered of anybody");
    }

    #[test]
    fn one_client_cannot_ask_without_end() {
        let streams = Streams::default();
        let source = |last| Source::of([192, 0, 2, last].into());
        let taken = (0..10_000).take_while(|_| streams.admit(source(1)).is_ok()).count();
        assert!((500..1_000).contains(&taken), "{taken}");
        assert!(streams.admit(source(2)).is_ok());
    }
}
