//! What arrives, in bits per second: libwebrtc's `robust_throughput_estimator.cc`.
//!
//! The longest pause between two arrivals counts as long as the second longest only, and what arrives in bursts counts
//! no more than what was sent in that time. So neither a stall nor the burst after it shows.

use std::collections::VecDeque;

/// The window holds at least so many packets, or a second; all from `robust_throughput_estimator.h`: `window_packets`,
/// `min_window_duration`, `max_window_packets`, `max_window_duration`, `required_packets`.
const ENOUGH_PACKETS: usize = 20;
const ENOUGH_TIME: i64 = 1_000_000;
const MOST_PACKETS: usize = 500;
const MOST_TIME: i64 = 5_000_000;
const NEEDED_PACKETS: usize = 10;
/// Rates are not taken from less time than this, µs: `robust_throughput_estimator.cc`, `bitrate`.
const LEAST_TIME: i64 = 1_000;
/// A packet that arrived so much earlier than the one before says that the receiver's clock jumped, µs: the same file,
/// `kMaxReorderingTime`.
const CLOCK_JUMP: i64 = 1_000_000;

/// A packet in 12 bytes: all of the window are walked for each report of each leg.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    sent: Micros,
    arrived: Micros,
    size: u16,
}

/// The lowest bits of a time in µs. They tell moments less than half an hour apart, far more than the window holds; what
/// is further off looks like a clock that was set back, and is treated so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Micros(u32);

impl Micros {
    fn new(micros: i64) -> Self {
        Self(micros as u32)
    }

    fn since(self, earlier: Self) -> i64 {
        i64::from(self.0.wrapping_sub(earlier.0) as i32)
    }
}

/// Estimates what arrives.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    /// In the order of arrival.
    window: VecDeque<Arrival>,
    /// The latest packet sent before the window.
    sent_before: Option<Micros>,
    rate: Option<f64>,
}

impl Acknowledged {
    /// Bits per second; `None` before ten packets arrived.
    pub(super) fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// One packet, times in µs; in the order of arrival.
    pub(super) fn handle_packet(&mut self, sent: i64, arrived: i64, size: u32) {
        let (sent, arrived) = (Micros::new(sent), Micros::new(arrived));
        // No datagram is longer.
        let packet = Arrival { sent, arrived, size: u16::try_from(size).unwrap_or(u16::MAX) };
        if let Some(last) = self.window.back().map(|last| last.arrived)
            && arrived.since(last) < 0
        {
            // Reports overtook each other, or the receiver's clock jumped; packets are kept in order.
            if last.since(arrived) > CLOCK_JUMP {
                self.window.clear();
                self.sent_before = None;
            } else {
                let place = self.window.partition_point(|other| other.arrived.since(arrived) <= 0);
                self.make_room();
                self.window.insert(place.min(self.window.len()), packet);
                return;
            }
        }
        self.make_room();
        self.window.push_back(packet);
        while self.is_first_outside() {
            self.drop_first();
        }
    }

    /// All packets of a report were handled.
    pub(super) fn handle_report(&mut self) {
        self.rate = self.measure();
    }

    /// So that the window never grows: it was made for [`MOST_PACKETS`].
    fn make_room(&mut self) {
        if self.window.capacity() == 0 {
            self.window.reserve_exact(MOST_PACKETS);
        }
        if self.window.len() >= MOST_PACKETS {
            self.drop_first();
        }
    }

    fn is_first_outside(&self) -> bool {
        let (Some(first), Some(last)) = (self.window.front(), self.window.back()) else { return false };
        let time = last.arrived.since(first.arrived);
        time > MOST_TIME || (self.window.len() > ENOUGH_PACKETS && time > ENOUGH_TIME)
    }

    fn drop_first(&mut self) {
        if let Some(first) = self.window.pop_front() {
            let before = self.sent_before.filter(|before| before.since(first.sent) > 0);
            self.sent_before = Some(before.unwrap_or(first.sent));
        }
    }

    fn measure(&self) -> Option<f64> {
        if self.window.len() < NEEDED_PACKETS {
            return None;
        }
        let (first, last) = (self.window.front()?, self.window.back()?);
        let (mut longest, mut second) = (0, 0);
        let mut previous = first.arrived;
        // Counted from when the first was sent.
        let (mut first_sent, mut last_sent, mut last_sent_size) = (i64::MAX, i64::MIN, 0);
        let sent_before = self.sent_before.map_or(i64::MIN, |before| before.since(first.sent));
        let (mut size, mut sent_size, mut sent_packets) = (0_u64, 0_u64, 0);
        for packet in &self.window {
            let pause = packet.arrived.since(previous);
            previous = packet.arrived;
            if pause > longest {
                (longest, second) = (pause, longest);
            } else if pause > second {
                second = pause;
            }
            size += u64::from(packet.size);
            // What was sent before the window was sent too early to count.
            let sent = packet.sent.since(first.sent);
            if sent < sent_before {
                continue;
            }
            first_sent = first_sent.min(sent);
            if sent > last_sent {
                (last_sent, last_sent_size) = (sent, packet.size);
            }
            sent_size += u64::from(packet.size);
            sent_packets += 1;
        }
        let arriving = (last.arrived.since(first.arrived) - longest + second).max(LEAST_TIME);
        let arrived = rate(size - u64::from(first.size), arriving);
        if sent_packets < NEEDED_PACKETS {
            return Some(arrived);
        }
        let sending = (last_sent - first_sent).max(LEAST_TIME);
        Some(arrived.min(rate(sent_size - u64::from(last_sent_size), sending)))
    }
}

fn rate(bytes: u64, micros: i64) -> f64 {
    bytes as f64 * 8_000_000.0 / micros as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,250 bytes every 10 ms: 1 Mbit/s; arrivals delayed by this, ms.
    fn measure(delay: impl Fn(i64) -> i64) -> f64 {
        let mut acknowledged = Acknowledged::default();
        for i in 0..200 {
            acknowledged.handle_packet(i * 10_000, i * 10_000 + delay(i) * 1_000, 1_250);
        }
        acknowledged.handle_report();
        acknowledged.rate().unwrap()
    }

    #[test]
    fn a_steady_stream_is_measured_to_a_percent() {
        let rate = measure(|_| 20);
        assert!((rate - 1e6).abs() < 1e4, "{rate}");
    }

    #[test]
    fn a_stream_is_measured_across_the_wrap_of_its_times() {
        // Both clocks wrap within it, a second apart.
        let (sent, arrived) = ((1_i64 << 32) - 1_500_000, (1_i64 << 33) - 500_000);
        let mut acknowledged = Acknowledged::default();
        for i in 0..300 {
            acknowledged.handle_packet(sent + i * 10_000, arrived + i * 10_000, 1_250);
            acknowledged.handle_report();
            let rate = acknowledged.rate();
            assert!(rate.is_none_or(|rate| (rate - 1e6).abs() < 1e4), "{i}: {rate:?}");
        }
    }

    #[test]
    fn a_stall_and_the_burst_after_it_do_not_show() {
        let rate = measure(|i| if (150..160).contains(&i) { 100 - (i - 150) * 10 } else { 0 });
        assert!((0.95e6..1.12e6).contains(&rate), "{rate}");
        let rate = measure(|i| if i >= 190 { (200 - i) * 10 } else { 0 });
        assert!((0.9e6..1.1e6).contains(&rate), "a burst at the end: {rate}");
    }

    #[test]
    fn few_packets_say_nothing_and_the_window_is_bounded() {
        let mut acknowledged = Acknowledged::default();
        for i in 0..9 {
            acknowledged.handle_packet(i * 1_000, i * 1_000, 1_000);
        }
        acknowledged.handle_report();
        assert_eq!(acknowledged.rate(), None);
        for i in 9..10_000 {
            acknowledged.handle_packet(i * 10, i * 10, 1_000);
        }
        assert!(acknowledged.window.len() <= MOST_PACKETS && acknowledged.window.capacity() <= 2 * MOST_PACKETS);
    }
}
