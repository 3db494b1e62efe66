//! What a leg may send: a token bucket for packets and one for bits (threat: a participant floods).

use std::time::{Duration, Instant};

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Within the budget.
    Pass,
    /// Over it: the packet is dropped.
    Drop,
    /// Over it for too long: the leg is to be closed.
    Close,
}

/// A leg's budget. One second's worth may come at once.
#[derive(Debug)]
pub(crate) struct Budget {
    packets: Bucket,
    bits: Bucket,
    overload: Duration,
    /// First and last drop of the current run of drops.
    over: Option<(Instant, Instant)>,
}

/// A run of drops ends when there was none for this long.
const RELIEF: Duration = Duration::from_secs(1);

impl Budget {
    pub(crate) fn new(now: Instant, packets_per_second: u32, bits_per_second: u64, overload: Duration) -> Self {
        let packets = Bucket::new(now, f64::from(packets_per_second));
        // Bits per second are far below 2^53, where a double starts to lose whole numbers.
        let bits = Bucket::new(now, bits_per_second as f64);
        Self { packets, bits, overload, over: None }
    }

    /// Judges a packet of this many bytes.
    pub(crate) fn admit(&mut self, now: Instant, bytes: usize) -> Verdict {
        let enough = self.packets.has(now, 1.0) & self.bits.has(now, bytes as f64 * 8.0);
        if enough {
            self.packets.take(1.0);
            self.bits.take(bytes as f64 * 8.0);
            return Verdict::Pass;
        }
        let since = match self.over {
            Some((since, last)) if now.saturating_duration_since(last) < RELIEF => since,
            _ => now,
        };
        self.over = Some((since, now));
        if now.saturating_duration_since(since) >= self.overload { Verdict::Close } else { Verdict::Drop }
    }
}

/// Answers to who may be forged: so many per second, a second's worth at once.
#[derive(Debug)]
pub(crate) struct Refusals(Bucket);

impl Refusals {
    pub(crate) fn new(now: Instant, per_second: u32) -> Self {
        Self(Bucket::new(now, f64::from(per_second)))
    }

    /// Whether one more may be given.
    pub(crate) fn admit(&mut self, now: Instant) -> bool {
        let enough = self.0.has(now, 1.0);
        if enough {
            self.0.take(1.0);
        }
        enough
    }
}

#[derive(Debug)]
struct Bucket {
    /// Tokens per second, and most tokens there can be.
    rate: f64,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn new(now: Instant, rate: f64) -> Self {
        Self { rate, tokens: rate, filled: now }
    }

    fn has(&mut self, now: Instant, tokens: f64) -> bool {
        let elapsed = now.saturating_duration_since(self.filled);
        self.tokens = (self.tokens + elapsed.as_secs_f64() * self.rate).min(self.rate);
        self.filled = self.filled.max(now);
        self.tokens >= tokens
    }

    fn take(&mut self, tokens: f64) {
        self.tokens -= tokens;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVERLOAD: Duration = Duration::from_secs(5);

    #[test]
    fn passes_what_is_within_the_budget_for_ever() {
        let start = Instant::now();
        let mut budget = Budget::new(start, 100, 1_000_000, OVERLOAD);
        for i in 0..6_000 {
            assert_eq!(budget.admit(start + Duration::from_millis(10 * i), 1_200), Verdict::Pass, "packet {i}");
        }
    }

    #[test]
    fn limits_a_flood_to_the_budget_and_then_closes() {
        let start = Instant::now();
        let mut budget = Budget::new(start, 100, 1_000_000, OVERLOAD);
        let mut passed = 0;
        for i in 0..u64::MAX {
            match budget.admit(start + Duration::from_micros(200 * i), 100) {
                Verdict::Pass => passed += 1,
                Verdict::Drop => {}
                Verdict::Close => {
                    let after = Duration::from_micros(200 * i);
                    assert!(after > OVERLOAD && after < OVERLOAD + Duration::from_secs(2), "{after:?}");
                    break;
                }
            }
        }
        assert!((500..=720).contains(&passed), "{passed}");
    }

    #[test]
    fn large_packets_are_limited_by_their_bits() {
        let start = Instant::now();
        let mut budget = Budget::new(start, 1_000_000, 100_000, OVERLOAD);
        let passed = (0..1_000).filter(|_| budget.admit(start, 1_250) == Verdict::Pass).count();
        assert_eq!(passed, 10);
    }

    #[test]
    fn bursts_with_pauses_between_them_never_close() {
        let start = Instant::now();
        let mut budget = Budget::new(start, 100, 1_000_000, OVERLOAD);
        for burst in 0..20 {
            let at = start + Duration::from_secs(3 * burst);
            for _ in 0..500 {
                assert_ne!(budget.admit(at, 100), Verdict::Close);
            }
        }
    }
}
