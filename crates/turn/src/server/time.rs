use std::time::{Duration, Instant};

/// Nanoseconds since the server's start; enough for five centuries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Time(pub(super) u64);

impl Time {
    /// Later by this much.
    #[must_use]
    pub(super) fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanoseconds(duration)))
    }

    /// Whole seconds since the server's start.
    pub(super) fn seconds(self) -> u64 {
        self.0 / 1_000_000_000
    }
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Turns the caller's time into the server's, and into that of credentials.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
    unix_start: u64,
}

impl Clock {
    /// Now is the start, and `unix_start` seconds after 1970.
    pub(super) fn new(start: Instant, unix_start: u64) -> Self {
        Self { start, unix_start }
    }

    /// The time since the start; what was before it counts as the start.
    pub(super) fn time(&self, now: Instant) -> Time {
        Time(nanoseconds(now.saturating_duration_since(self.start)))
    }

    /// The inverse of [`Self::time`].
    pub(super) fn instant(&self, time: Time) -> Instant {
        self.start + Duration::from_nanos(time.0)
    }

    /// Seconds since 1970.
    pub(super) fn unix(&self, time: Time) -> u64 {
        self.unix_start.saturating_add(time.seconds())
    }
}
