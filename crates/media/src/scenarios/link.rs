//! One direction of a network between a client and the server.

use std::time::{Duration, Instant};

use conclave_qos::Bitrate;

/// What a direction does to packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conditions {
    pub(super) delay: Duration,
    /// Up to so much more, different for each packet; none overtakes another because of that.
    pub(super) jitter: Duration,
    /// Packets in a thousand that stray, and come up to 30 ms after those behind them.
    pub(super) strays: u64,
    /// Packets in a thousand that are lost.
    pub(super) lost: u64,
    /// Packets in a thousand that come twice.
    pub(super) twice: u64,
    /// What passes, everything counted; more waits, and is lost when it would wait too long. After a pause, so many bytes
    /// pass at once.
    pub(super) rate: Option<Bitrate>,
    pub(super) burst: u64,
    /// What passes, in bursts of up to so many bytes; more is lost: a token bucket.
    pub(super) policed: Option<(Bitrate, u64)>,
}

impl Conditions {
    pub(super) const CLEAN: Self = Self {
        delay: Duration::from_millis(10),
        jitter: Duration::ZERO,
        strays: 0,
        lost: 0,
        twice: 0,
        rate: None,
        burst: 0,
        policed: None,
    };

    pub(super) const fn losing(lost: u64) -> Self {
        Self { lost, ..Self::CLEAN }
    }

    pub(super) const fn rated(kbps: u64) -> Self {
        Self { rate: Some(Bitrate::kbps(kbps)), ..Self::CLEAN }
    }

    pub(super) const fn policed(kbps: u64, burst: u64) -> Self {
        Self { policed: Some((Bitrate::kbps(kbps), burst)), ..Self::CLEAN }
    }
}

/// One direction.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) conditions: Conditions,
    random: Random,
    /// When what waits for the rate has passed.
    free: Option<Instant>,
    /// How many bits the token bucket lacks, and when that was so.
    lacks: Option<(Instant, u64)>,
    last: Option<Instant>,
}

/// A packet that would wait longer for the rate is lost.
const LONGEST_QUEUE: Duration = Duration::from_millis(300);
const STRAY: Duration = Duration::from_millis(30);
/// IPv4 and UDP.
const OVERHEAD: u64 = 28;

impl Link {
    pub(super) fn new(conditions: Conditions, seed: u64) -> Self {
        Self { conditions, random: Random(seed), free: None, lacks: None, last: None }
    }

    /// When a packet that is sent now arrives: not at all, once or twice.
    pub(super) fn send(&mut self, now: Instant, bytes: usize) -> [Option<Instant>; 2] {
        let Conditions { delay, jitter, strays, lost, twice, rate, burst, policed } = self.conditions;
        if let Some((rate, burst)) = policed {
            let (since, lacked) = self.lacks.unwrap_or((now, 0));
            let filled = (now - since).as_micros() as u64 * rate.as_bps() / 1_000_000;
            let lacks = lacked.saturating_sub(filled);
            let with_it = lacks + (bytes as u64 + OVERHEAD) * 8;
            let passes = with_it <= burst * 8;
            self.lacks = Some((now, if passes { with_it } else { lacks }));
            if !passes {
                return [None; 2];
            }
        }
        let mut leaves = now;
        if let Some(rate) = rate {
            let takes = |bytes: u64| Duration::from_micros(bytes * 8_000_000 / rate.as_bps());
            // When it would leave without bursts; what is ahead of time by a burst need not wait.
            let free = self.free.map_or(now, |free| free.max(now)) + takes(bytes as u64 + OVERHEAD);
            leaves = free.checked_sub(takes(burst)).map_or(now, |earliest| earliest.max(now));
            if leaves - now > LONGEST_QUEUE {
                return [None; 2];
            }
            self.free = Some(free);
        }
        if self.random.below(1_000) < lost {
            return [None; 2];
        }
        let mut arrival = || {
            let jitter = self.random.below(jitter.as_micros() as u64 + 1);
            let at = leaves + delay + Duration::from_micros(jitter);
            let at = self.last.map_or(at, |last| last.max(at));
            self.last = Some(at);
            let is_stray = self.random.below(1_000) < strays;
            if is_stray { at + Duration::from_micros(self.random.below(STRAY.as_micros() as u64)) } else { at }
        };
        let first = arrival();
        let second = (twice > 0).then(&mut arrival);
        [Some(first), second.filter(|_| self.random.below(1_000) < twice)]
    }
}

/// SplitMix64.
#[derive(Clone, Copy, Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }
}
