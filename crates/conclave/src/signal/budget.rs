//! How much one connection may send.

use std::time::Duration;

/// A token bucket: `burst` at once, `per_second` in the long run.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    burst: f64,
    per_second: f64,
    left: f64,
}

impl Bucket {
    fn new(burst: f64, per_second: f64) -> Self {
        Self { burst, per_second, left: burst }
    }

    fn refill(&mut self, elapsed: Duration) {
        self.left = (self.left + elapsed.as_secs_f64() * self.per_second).min(self.burst);
    }

    fn take(&mut self, amount: f64) -> bool {
        let enough = self.left >= amount;
        if enough {
            self.left -= amount;
        }
        enough
    }
}

/// What one connection may still send, in messages and in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    messages: Bucket,
    bytes: Bucket,
    updated: Duration,
}

/// What a message costs that is refused before anybody looks at it: reading it was all the work, and
/// an honest client sends few.
pub(super) const REFUSED_COST: u32 = 5;

impl Budget {
    /// A full budget. Four people who connect to each other trickle some hundred candidates in the
    /// first second; afterwards a busy page sends a few messages a second.
    pub(super) fn new(now: Duration) -> Self {
        Self {
            messages: Bucket::new(400.0, 40.0),
            bytes: Bucket::new(2.0 * 1024.0 * 1024.0, 128.0 * 1024.0),
            updated: now,
        }
    }

    /// Takes a message of so many bytes out; false when that is more than there is.
    pub(super) fn take(&mut self, now: Duration, cost: u32, bytes: usize) -> bool {
        let elapsed = now.saturating_sub(self.updated);
        self.updated = now;
        self.messages.refill(elapsed);
        self.bytes.refill(elapsed);
        self.messages.take(f64::from(cost)) && self.bytes.take(bytes as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(budget: &mut Budget, now: Duration, bytes: usize) -> usize {
        (0..10_000).take_while(|_| budget.take(now, 1, bytes)).count()
    }

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let mut budget = Budget::new(Duration::ZERO);
        assert_eq!(taken(&mut budget, Duration::ZERO, 10), 400);
        assert_eq!(taken(&mut budget, Duration::from_secs(1), 10), 40);
        assert_eq!(taken(&mut budget, Duration::from_secs(1_000), 10), 400, "no more than the burst is saved up");
    }

    #[test]
    fn bytes_are_bounded_as_well() {
        let mut budget = Budget::new(Duration::ZERO);
        assert_eq!(taken(&mut budget, Duration::ZERO, 256 * 1024), 8);
        assert_eq!(taken(&mut budget, Duration::from_secs(2), 256 * 1024), 1);
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_gives_nothing() {
        let mut budget = Budget::new(Duration::from_secs(5));
        taken(&mut budget, Duration::from_secs(5), 1);
        assert_eq!(taken(&mut budget, Duration::ZERO, 1), 0);
    }
}
