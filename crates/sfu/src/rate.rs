//! How many bits per second a stream has.

use std::time::Duration;

use crate::rtp::{Bitrate, Time};

const BUCKETS: usize = 8;

/// What a packet costs beyond its payload: RTP header with extensions and the SRTP tag.
const OVERHEAD_BYTES: usize = 40;

/// What a payload of so many bytes takes of the network.
pub(crate) const fn wire_bytes(payload_bytes: usize) -> usize {
    payload_bytes + OVERHEAD_BYTES
}

/// Counts what arrives in eight buckets of time. A camera is measured over 2 s; a screen, which is
/// still most of the time and bursts at a new slide, over 6 s.
#[derive(Clone, Debug)]
pub(crate) struct RateMeter {
    bucket: Duration,
    bytes: [u32; BUCKETS],
    /// Number of the bucket that is filling, counted from the start of time.
    current: u64,
    /// Number of the first bucket since the last long pause.
    first: u64,
    measured: Option<Bitrate>,
}

impl RateMeter {
    pub fn new(window: Duration) -> Self {
        Self { bucket: window / BUCKETS as u32, bytes: [0; BUCKETS], current: 0, first: 0, measured: None }
    }

    pub fn add(&mut self, now: Time, payload_bytes: usize) {
        let number = (now.to_duration().as_micros() / self.bucket.as_micros().max(1)) as u64;
        if number > self.current {
            let passed = number - self.current;
            if passed > BUCKETS as u64 || self.first == 0 {
                // After a pause what was measured before it is the best guess, and what came then does not count.
                self.bytes = [0; BUCKETS];
                self.first = number;
            } else {
                self.close(number);
            }
            self.current = number;
        }
        let bytes = &mut self.bytes[(self.current % BUCKETS as u64) as usize];
        *bytes = bytes.saturating_add(wire_bytes(payload_bytes) as u32);
    }

    /// Ends the current bucket, and with it measures.
    fn close(&mut self, next: u64) {
        let full = (next - self.first).min(BUCKETS as u64);
        // Two full buckets are too short to tell a key frame from a rate.
        if full > 2 {
            let total: u64 = self.bytes.iter().map(|bytes| u64::from(*bytes)).sum();
            let window = self.bucket.as_micros() as u64 * full;
            self.measured = Some(Bitrate::bps(total * 8 * 1_000_000 / window.max(1)));
        }
        for number in self.current + 1..=next {
            self.bytes[(number % BUCKETS as u64) as usize] = 0;
        }
    }

    /// The last measurement. It stays while nothing arrives: it tells what the stream would cost.
    pub fn rate(&self) -> Option<Bitrate> {
        self.measured
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    /// 1,000 bytes with overhead every `every` ms.
    fn feed(meter: &mut RateMeter, from: u64, to: u64, every: u64) {
        (from..to).step_by(every as usize).for_each(|ms| meter.add(at(ms), 1_000 - OVERHEAD_BYTES));
    }

    fn kbps(meter: &RateMeter) -> u64 {
        meter.rate().expect("measured").as_bps() / 1_000
    }

    #[test]
    fn a_steady_stream_is_measured_within_a_few_percent() {
        let mut meter = RateMeter::new(Duration::from_secs(2));
        feed(&mut meter, 5_000, 9_000, 10);
        assert!((770..=830).contains(&kbps(&meter)), "{}", kbps(&meter));
    }

    #[test]
    fn nothing_is_claimed_of_the_first_moments() {
        let mut meter = RateMeter::new(Duration::from_secs(2));
        feed(&mut meter, 5_000, 5_400, 10);
        assert_eq!(meter.rate(), None);
    }

    #[test]
    fn a_change_is_seen_after_the_window_and_a_pause_keeps_the_last_value() {
        let mut meter = RateMeter::new(Duration::from_secs(2));
        feed(&mut meter, 1_000, 5_000, 10);
        feed(&mut meter, 5_000, 8_000, 40);
        assert!((190..=210).contains(&kbps(&meter)), "{}", kbps(&meter));
        feed(&mut meter, 60_000, 60_100, 10);
        assert!((190..=210).contains(&kbps(&meter)), "{}", kbps(&meter));
        feed(&mut meter, 60_100, 64_000, 10);
        assert!((770..=830).contains(&kbps(&meter)), "{}", kbps(&meter));
    }
}
