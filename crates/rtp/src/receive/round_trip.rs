//! How long an answer takes.

use std::time::Duration;

/// Until something has been measured, and at least and at most.
const ASSUMED: Duration = Duration::from_millis(100);
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);

/// The round trip to the peer, smoothed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundTrip(Option<Duration>);

impl RoundTrip {
    pub(super) fn measured(&mut self, sample: Duration) {
        let sample = sample.clamp(SHORTEST, LONGEST);
        // RFC 6298's weight.
        self.0 = Some(self.0.map_or(sample, |smoothed| (smoothed * 7 + sample) / 8));
    }

    /// How long to wait for an answer before asking again.
    pub(super) fn patience(self) -> Duration {
        let round_trip = self.0.unwrap_or(ASSUMED);
        // The answer has to be queued and paced, too.
        round_trip + round_trip / 4 + SHORTEST
    }
}
