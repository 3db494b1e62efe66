//! One leg: a session with what the media plane keeps about it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use conclave_proto::{LegNumber, ParticipantId};
use conclave_sfu::LegId;
use conclave_turn::demux::DatagramKind;

use crate::budget::{Budget, Verdict};
use crate::config::MediaLimits;
use crate::counters::{Dropped, End};
use crate::datagram::rtp_ssrc;
use crate::paths::Paths;
use crate::probing::Probing;
use crate::tally::Tally;
use crate::webrtc::Session;

/// A leg. Holds state and judges; its room acts.
pub(crate) struct Leg {
    pub(crate) participant: ParticipantId,
    pub(crate) number: LegNumber,
    pub(crate) id: LegId,
    pub(crate) session: Session,
    pub(crate) paths: Paths,
    pub(crate) probing: Probing,
    pub(crate) tally: Tally,
    pub(crate) connected: bool,
    /// When the session wants time to pass.
    pub(crate) wake: Instant,
    /// When the leg ends because a newer one took its place.
    pub(crate) retires: Option<Instant>,
    born: Instant,
    heard: Heard,
    budget: Budget,
    /// SSRCs of packets that came; a client cannot make the engine keep state for more than these.
    streams: HashSet<u32>,
}

/// When what was last received.
#[derive(Debug)]
struct Heard {
    anything: Instant,
    media: Option<Instant>,
    check: Instant,
    told_silent: bool,
}

/// What becomes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Pass,
    Drop(Dropped),
    Close,
}

/// What a leg's time brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// It ends.
    End(End),
    /// Nothing has come from it for too long.
    Silent,
    /// Its session wants time to pass.
    Session,
}

/// A client that sent media this recently should be heard all the time; one that only listens sends
/// no more than a connectivity check every few seconds.
const TALKATIVE: Duration = Duration::from_secs(5);

/// SSRCs of one leg. A client has six media streams and as many for retransmission, and may start
/// over a few times.
const MOST_STREAMS: usize = 64;

impl Leg {
    pub(crate) fn new(
        now: Instant,
        limits: &MediaLimits,
        participant: ParticipantId,
        number: LegNumber,
        id: LegId,
        session: Session,
    ) -> Self {
        Self {
            participant,
            number,
            id,
            session,
            paths: Paths::default(),
            probing: Probing::new(now),
            tally: Tally::default(),
            connected: false,
            wake: now,
            retires: None,
            born: now,
            heard: Heard { anything: now, media: None, check: now, told_silent: false },
            budget: Budget::new(now, limits.packets_per_second, limits.bits_per_second, limits.overload),
            streams: HashSet::new(),
        }
    }

    /// Judges a datagram that belongs to this leg, and takes note of it.
    pub(crate) fn admit(&mut self, now: Instant, kind: DatagramKind, contents: &[u8]) -> Admission {
        match self.budget.admit(now, contents.len()) {
            Verdict::Pass => {}
            Verdict::Drop => return Admission::Drop(Dropped::Budget),
            Verdict::Close => return Admission::Close,
        }
        if let (DatagramKind::Media, Some(ssrc)) = (kind, rtp_ssrc(contents))
            && !self.streams.contains(&ssrc)
        {
            if self.streams.len() >= MOST_STREAMS {
                return Admission::Drop(Dropped::Streams);
            }
            self.streams.insert(ssrc);
        }
        self.heard.anything = now;
        self.heard.told_silent = false;
        match kind {
            DatagramKind::Media => self.heard.media = Some(now),
            DatagramKind::Stun => self.heard.check = now,
            _ => {}
        }
        Admission::Pass
    }

    /// Whether nothing has come for so long that something should have.
    pub(crate) fn is_silent(&self, now: Instant, limits: &MediaLimits) -> bool {
        self.silence_due(limits).is_some_and(|at| at <= now)
    }

    /// Silence was told; it is not told again until something comes.
    pub(crate) fn silence_told(&mut self) {
        self.heard.told_silent = true;
    }

    fn silence_due(&self, limits: &MediaLimits) -> Option<Instant> {
        let media = self.heard.media?;
        let talkative = self.heard.anything.saturating_duration_since(media) < TALKATIVE;
        (self.connected && talkative).then_some(self.heard.anything + limits.silence)
    }

    /// The next time at which [`Self::due`] has something to say.
    pub(crate) fn deadline(&self, limits: &MediaLimits) -> Instant {
        let end = if self.connected { self.heard.check + limits.consent } else { self.born + limits.handshake };
        let silence = self.silence_due(limits).filter(|_| !self.heard.told_silent);
        [Some(end), self.retires, silence].into_iter().flatten().fold(self.wake, Instant::min)
    }

    /// What this time brings, the gravest first.
    pub(crate) fn due(&self, now: Instant, limits: &MediaLimits) -> Option<Due> {
        if !self.connected && now >= self.born + limits.handshake {
            return Some(Due::End(End::Handshake));
        }
        if self.retires.is_some_and(|at| now >= at) {
            return Some(Due::End(End::Replaced));
        }
        if self.connected && now >= self.heard.check + limits.consent {
            return Some(Due::End(End::Consent));
        }
        if !self.heard.told_silent && self.is_silent(now, limits) {
            return Some(Due::Silent);
        }
        (now >= self.wake).then_some(Due::Session)
    }
}
