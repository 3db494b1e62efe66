//! Holds its own against traffic that fills queues until packets are lost (TCP, mostly).
//!
//! Who keeps queues short beside such traffic starves. The evidence for it is a queue that stays although we have sent
//! so much less than arrived that it must have emptied: then others fill it. From then on, as long as the queue never
//! empties, the rate is that of a TCP flow (RFC 5348, 3 has the reasons for comparing so; Copa, NSDI 2018, 2.2 for the
//! switch): a packet more each round trip, and a fall by a part when packets are lost. From time to time half is sent
//! for a while: were all others gone, or like us, the queue would empty then.
//!
//! A way that has become longer looks the same at first: packets take longer, however little is sent. But it does so at
//! once, and then nothing moves at all, where a queue grows, and answers to what is sent less.

use std::time::Duration;

use super::PACKET;
use crate::Time;

/// A queue of this much above the one aimed at, ms, may be one that others keep.
const STANDS: f64 = 20.0;
/// It would have to be empty by now if we had sent this much less than arrived, in ms of what arrives, beyond what
/// stood at first: a frame or two may differ.
const BEYOND: f64 = 60.0;
/// Short transfers are waited for so long.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// Who is left with this share of what was there before need not have sent less by itself.
const STARVED: f64 = 0.5;
/// Who is left with less than this share has no rival but a worse path.
const OUTAGE: f64 = 0.1;
/// Others keep it if this share of it is still there.
const STAYS: f64 = 0.5;
/// A queue that came with this share of it in one step may be none. If it varies by no more than this share of it, nor by
/// more than our own queue does (so many times what is aimed at, and so many ms), while we send less than this share of what
/// we had, it does not answer...
const BY_STEP: f64 = 0.8;
const STILL: f64 = 0.15;
const STILL_AIMS: f64 = 1.5;
const STILL_MORE: f64 = 8.0;
const LESS: f64 = 0.8;
/// ...so that after this long, less is not sent but to this share of what was there before...
const UNANSWERED: Duration = Duration::from_millis(200);
const HELD: f64 = 0.5;
/// ...and after this long it is none: the way is longer.
const LONGER: Duration = Duration::from_millis(900);
/// Nobody keeps a queue that has fallen to less than this share of what it was a report before.
const FALLING: f64 = 0.9;
/// We begin with this share of what we had before.
const BEGIN: f64 = 0.8;
/// What stays after a loss: TCP's half is for a window, whose queue stays when it is halved. A rate that falls by this
/// and rises by a packet has the mean of a TCP flow (Yang and Lam, ICNP 2000: a = 4 (1 - b^2) / 3 for b = .7 is .68).
const KEEPS: f64 = 0.7;
/// Fraction of a packet that is added each round trip, from the same equation.
const RISES: f64 = 0.68;
/// Not more than this multiple of what arrives is sent.
const CLOCKED: f64 = 2.0;
/// Each so often it is tested whether the others have gone...
const TEST_EVERY: Duration = Duration::from_secs(12);
/// ...by sending this share of what arrives, so long at most.
const TEST: f64 = 0.5;
const TEST_LENGTH: Duration = Duration::from_millis(1_500);

/// The others have gone if the queue was shorter than this, ms, for so long.
const EMPTY: f64 = 6.0;
const GONE: Duration = Duration::from_millis(900);
/// Others that were there come back: for so long, a queue that stands for a round trip is theirs.
const REMEMBERED: Duration = Duration::from_secs(30);

/// A queue stands, and we send less.
#[derive(Clone, Copy, Debug)]
struct Standing {
    began: Time,
    counts_from: Time,
    /// The longest, ms, and by how much it must have become shorter by now.
    longest: f64,
    drained: f64,
    /// What we had before, bit/s.
    rate: f64,
    /// It came in one step and has not answered since.
    is_still: bool,
    /// The shortest and the longest since it came, and the latest, ms.
    bounds: (f64, f64),
    previous: f64,
    /// For how many seconds we have sent less.
    sent_less: f64,
}

impl Standing {
    fn watch_answer(&mut self, passed: f64, seen: Seen) {
        let (low, high) = (self.bounds.0.min(seen.queue), self.bounds.1.max(seen.queue));
        self.is_still &= high - low <= (STILL * high).min(STILL_AIMS * seen.aim + STILL_MORE);
        self.bounds = (low, high);
        if seen.arrived < LESS * self.rate {
            self.sent_less += passed;
        }
    }

    /// Whether the queue has not answered for so long, while we sent less half of that time.
    fn is_still_for(&self, now: Time, length: Duration) -> bool {
        self.is_still && now.since(self.began) >= length && self.sent_less >= length.as_secs_f64() / 2.0
    }
}

/// As TCP would send, bit/s.
#[derive(Clone, Copy, Debug)]
struct Rival {
    rate: f64,
    /// What to send while testing.
    test: f64,
    fell: Time,
    tested: Time,
    /// When there was a queue.
    filled: Time,
}

/// What a report says that matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// ms
    pub(super) queue: f64,
    /// By how much it became longer at once, lately; ms.
    pub(super) step: f64,
    pub(super) aim: f64,
    /// bit/s
    pub(super) sent: f64,
    pub(super) arrived: f64,
    pub(super) capacity: f64,
    /// Packets were lost that do not belong to the path.
    pub(super) lost: bool,
    pub(super) round_trip: Duration,
}

/// Decides whether to compete.
#[derive(Debug, Default)]
pub(super) struct Competition {
    standing: Option<Standing>,
    rival: Option<Rival>,
    updated: Time,
    ended: Option<Time>,
}

impl Competition {
    /// What to send while competing, bit/s; none while not.
    pub(super) fn rate(&self, now: Time) -> Option<f64> {
        let rival = self.rival?;
        Some(if rival.is_testing(now) { rival.test } else { rival.rate })
    }

    pub(super) fn is_on(&self) -> bool {
        self.rival.is_some()
    }

    /// As long as a queue does not answer, nothing less is believed than this, bit/s: to send still less would not help.
    pub(super) fn held(&self, now: Time) -> Option<f64> {
        let standing = self.standing.as_ref().filter(|_| self.rival.is_none())?;
        standing.is_still_for(now, UNANSWERED).then_some(standing.rate * HELD)
    }

    /// Takes a report in: begins to compete, goes on, or ends. If what seems to be a queue is a longer way, what we had
    /// before, bit/s.
    pub(super) fn handle_report(&mut self, now: Time, seen: Seen) -> Option<f64> {
        let passed = now.since(self.updated).min(seen.round_trip + Duration::from_millis(250)).as_secs_f64();
        self.updated = now;
        if let Some(rival) = &mut self.rival {
            rival.update(now, passed, seen);
            if now.since(rival.filled) >= GONE {
                (self.rival, self.standing, self.ended) = (None, None, Some(now));
            }
            return None;
        }
        self.watch(now, passed, seen);
        self.standing.take_if(|standing| standing.is_still_for(now, LONGER)).map(|standing| standing.rate)
    }

    /// The rate stays within these, bit/s; the first is not above the second.
    pub(super) fn bound(&mut self, low: f64, high: f64) {
        if let Some(rival) = &mut self.rival {
            rival.rate = rival.rate.clamp(low, high);
        }
    }

    fn watch(&mut self, now: Time, passed: f64, seen: Seen) {
        if seen.queue < seen.aim + STANDS / 2.0 {
            self.standing = None;
            return;
        }
        if seen.queue < seen.aim + STANDS && self.standing.is_none() {
            return;
        }
        let standing = self.standing.get_or_insert(Standing {
            began: now,
            counts_from: now + seen.round_trip,
            longest: 0.0,
            drained: 0.0,
            rate: seen.capacity,
            is_still: seen.step >= BY_STEP * seen.queue,
            bounds: (seen.queue, seen.queue),
            previous: seen.queue,
            sent_less: 0.0,
        });
        standing.watch_answer(passed, seen);
        let is_known = self.ended.is_some_and(|ended| now.since(ended) < REMEMBERED);
        if is_known && now > standing.counts_from {
            self.begin(now);
            return;
        }
        let less = 1.0 - seen.sent / seen.arrived.max(1.0);
        standing.drained += less.clamp(-1.0, 1.0) * passed * 1_000.0;
        if now < standing.counts_from {
            standing.longest = standing.longest.max(seen.queue);
            standing.drained = standing.drained.min(0.0);
            return;
        }
        if standing.drained < 0.0 {
            // We filled it ourselves.
            standing.longest = standing.longest.max(seen.queue);
            standing.drained = 0.0;
        }
        let stands = now.since(standing.began) >= PATIENCE;
        // Fair shares do not fall so far: the path carries less.
        if seen.arrived < standing.rate * OUTAGE && !standing.is_still_for(now, UNANSWERED) {
            self.standing = None;
            return;
        }
        let is_stuck = now.since(standing.began) >= PATIENCE * 2;
        let is_drained =
            is_stuck || standing.drained > standing.longest + BEYOND || seen.arrived < standing.rate * STARVED;
        let is_falling = seen.queue < standing.previous * FALLING;
        standing.previous = seen.queue;
        if stands && is_drained && !is_falling && seen.queue > standing.longest * STAYS {
            self.begin(now);
        }
    }

    fn begin(&mut self, now: Time) {
        if let Some(standing) = self.standing.take() {
            let rate = standing.rate * BEGIN;
            self.rival = Some(Rival { rate, test: rate * TEST, fell: now, tested: now, filled: now });
        }
    }
}

impl Rival {
    fn is_testing(&self, now: Time) -> bool {
        let since = now.since(self.tested);
        since >= TEST_EVERY && since < TEST_EVERY + TEST_LENGTH
    }

    fn update(&mut self, now: Time, passed: f64, seen: Seen) {
        if now.since(self.tested) >= TEST_EVERY + TEST_LENGTH {
            self.tested = now;
        }
        if seen.queue > EMPTY {
            self.filled = now;
        }
        let round_trip = seen.round_trip.as_secs_f64().max(0.02);
        // TCP sends when something arrives: an outage stops it.
        self.rate = self.rate.min(seen.arrived * CLOCKED);
        if !self.is_testing(now) {
            self.test = self.rate.min(seen.arrived) * TEST;
        }
        if seen.lost && now.since(self.fell) > seen.round_trip + Duration::from_millis(100) {
            self.rate *= KEEPS;
            self.fell = now;
        } else if !self.is_testing(now) {
            self.rate += RISES * PACKET * passed / (round_trip * round_trip);
        }
    }
}
