//! Sends less while nothing is heard from the other end: `RttBasedBackoff` of libwebrtc's
//! `send_side_bandwidth_estimation.cc`.

use std::time::Duration;

use crate::Time;

/// No report for this long, while packets leave, or a round trip as long: the file's `limit`.
const LIMIT: Duration = Duration::from_secs(3);
/// Then this share is kept (`fraction`)...
pub(crate) const KEPT: f64 = 0.8;
/// ...every so often (`interval`).
const INTERVAL: Duration = Duration::from_secs(1);

/// Follows packets and reports: libwebrtc counts from the first packet, here it is from the first report.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    sent: Option<Time>,
    /// The latest report. Who never reported cannot fall silent.
    heard: Option<Time>,
    round_trip: Duration,
    fell: Option<Time>,
}

impl Silence {
    pub(crate) fn handle_sent(&mut self, at: Time) {
        self.sent = Some(at);
    }

    pub(crate) fn handle_report(&mut self, now: Time, round_trip: Duration) {
        self.heard = Some(now);
        self.round_trip = round_trip;
    }

    pub(crate) fn is_too_long(&self) -> bool {
        self.round_trip() > LIMIT
    }

    /// Whether to fall now; not more often than every second.
    pub(crate) fn poll_fall(&mut self, now: Time) -> bool {
        let fall = self.is_too_long() && self.fell.is_none_or(|fell| now.since(fell) >= INTERVAL);
        if fall {
            self.fell = Some(now);
        }
        fall
    }

    /// When to look again. Only packets that leave make a silence longer.
    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        if !self.is_too_long() {
            return None;
        }
        Some(self.fell.map_or(Time::default(), |fell| fell + INTERVAL))
    }

    /// The latest round trip, and how long packets have been leaving since it was known.
    fn round_trip(&self) -> Duration {
        let waiting = self.sent.zip(self.heard).map_or(Duration::ZERO, |(sent, heard)| sent.since(heard));
        waiting + self.round_trip
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    #[test]
    fn packets_without_reports_for_3_s_are_silence() {
        let mut silence = Silence::default();
        silence.handle_sent(at(0));
        silence.handle_sent(at(10_000));
        assert!(!silence.is_too_long(), "never heard of");
        silence.handle_report(at(10_050), Duration::from_millis(50));
        silence.handle_sent(at(13_000));
        assert!(!silence.is_too_long());
        assert_eq!(silence.poll_timeout(), None);
        silence.handle_sent(at(13_020));
        assert!(silence.is_too_long() && silence.poll_timeout().is_some());
        assert!(silence.poll_fall(at(13_020)));
        assert!(!silence.poll_fall(at(14_000)));
        assert_eq!(silence.poll_timeout(), Some(at(14_020)));
        assert!(silence.poll_fall(at(14_020)));
        silence.handle_report(at(14_100), Duration::from_millis(50));
        assert!(!silence.is_too_long());
    }
}
