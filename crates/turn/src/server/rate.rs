use std::net::IpAddr;
use std::time::Duration;

use super::time::{Time, nanoseconds};

const SECOND: u64 = 1_000_000_000;

/// A token bucket in eight bytes (the generic cell rate algorithm): when, at the permitted rate, all
/// that was let through so far will have been paid for.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    paid: Time,
}

impl Bucket {
    /// Whether something may still be let through.
    fn has_room(self, now: Time, burst: u64) -> bool {
        self.paid.0 <= now.0.saturating_add(burst)
    }

    /// Lets something through that takes `cost` nanoseconds to pay for.
    fn take(&mut self, now: Time, cost: u64) {
        self.paid = Time(self.paid.max(now).0.saturating_add(cost));
    }
}

/// What an allocation may relay in one direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rates {
    /// Nanoseconds that a packet pays for.
    packet: u64,
    bits_per_second: u64,
    /// Nanoseconds.
    burst: u64,
}

impl Rates {
    /// Rates of zero count as one a second.
    pub(super) fn new(bits_per_second: u64, packets_per_second: u64, burst: Duration) -> Self {
        Self {
            packet: SECOND / packets_per_second.max(1),
            bits_per_second: bits_per_second.max(1),
            burst: nanoseconds(burst),
        }
    }
}

/// How much an allocation has relayed in one direction.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Meter {
    bits: Bucket,
    packets: Bucket,
}

impl Meter {
    /// Whether a packet of `bytes` may pass; then it is counted.
    pub(super) fn pass(&mut self, now: Time, bytes: usize, rates: Rates) -> bool {
        if !self.bits.has_room(now, rates.burst) || !self.packets.has_room(now, rates.burst) {
            return false;
        }
        // A packet has at most 65,535 bytes: no overflow.
        self.bits.take(now, bytes as u64 * 8 * SECOND / rates.bits_per_second);
        self.packets.take(now, rates.packet);
        true
    }
}

/// How many buckets strangers share. Networks that fall into one by chance share its rate.
const BUCKETS: usize = 8_192;
/// How many seconds' worth of answers a network may get at once: a company's people who all come at
/// nine o'clock behind one address.
const BURST_S: u64 = 10;

/// Bounds how often networks are answered that need not be where they say. Its memory does not grow.
#[derive(Debug)]
pub(super) struct NetworkLimiter {
    buckets: Box<[Bucket]>,
    key: u64,
    /// Nanoseconds that an answer pays for.
    cost: u64,
}

impl NetworkLimiter {
    /// `key` decides which networks share a bucket.
    pub(super) fn new(answers_per_second: u32, key: u64) -> Self {
        let cost = SECOND / u64::from(answers_per_second.max(1));
        Self { buckets: vec![Bucket::default(); BUCKETS].into_boxed_slice(), key, cost }
    }

    /// Whether to answer this address; then it is counted.
    pub(super) fn pass(&mut self, now: Time, address: IpAddr) -> bool {
        let index = self.index(address);
        let bucket = &mut self.buckets[index];
        let passes = bucket.has_room(now, BURST_S * SECOND - self.cost);
        if passes {
            bucket.take(now, self.cost);
        }
        passes
    }

    fn index(&self, address: IpAddr) -> usize {
        // What one owner commonly has: an IPv4 /24, an IPv6 /56.
        let network = match address {
            IpAddr::V4(ip) => u64::from(ip.to_bits() >> 8),
            IpAddr::V6(ip) => (ip.to_bits() >> 72) as u64 | 1 << 63,
        };
        let product = u128::from(network ^ self.key) * 0x9e37_79b9_7f4a_7c15;
        let mixed = (product >> 64) as u64 ^ product as u64;
        (mixed >> 32) as usize % BUCKETS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time(0);

    #[test]
    fn a_meter_lets_the_rate_through_and_catches_up_no_more_than_the_burst() {
        let rates = Rates::new(8_000_000, u64::MAX, Duration::from_millis(10));
        let mut meter = Meter::default();
        // A packet of 1,000 bytes pays for a millisecond.
        let at_once = (0..100).filter(|_| meter.pass(START, 1_000, rates)).count();
        assert_eq!(at_once, 11);
        let later = START.after(Duration::from_secs(3_600));
        assert_eq!((0..100).filter(|_| meter.pass(later, 1_000, rates)).count(), 11);
        assert!(!meter.pass(later.after(Duration::from_micros(999)), 0, rates));
        assert!(meter.pass(later.after(Duration::from_millis(1)), 1_000, rates));
    }

    #[test]
    fn rates_of_zero_and_of_everything_do_not_fail() {
        let mut meter = Meter::default();
        assert!(meter.pass(START, 65_535, Rates::new(0, 0, Duration::ZERO)));
        assert!(!meter.pass(START, 0, Rates::new(0, 0, Duration::ZERO)));
        let mut meter = Meter::default();
        let endless = Rates::new(u64::MAX, u64::MAX, Duration::MAX);
        assert!((0..1_000).all(|_| meter.pass(Time(u64::MAX), 65_535, endless)));
    }

    #[test]
    fn neighbours_in_a_network_share_its_answers_and_strangers_do_not() {
        let mut limiter = NetworkLimiter::new(1, 77);
        let mut answers =
            |address: &str| (0..50).filter(|_| limiter.pass(START, address.parse().expect("an address"))).count();
        assert_eq!(answers("192.0.2.1"), 10);
        assert_eq!(answers("192.0.2.200"), 0);
        assert_eq!(answers("192.0.3.1"), 10);
        assert_eq!(answers("2001:db8:0:100::1"), 10);
        assert_eq!(answers("2001:db8:0:1ff:ffff::"), 0);
        assert_eq!(answers("2001:db8:0:200::"), 10);
    }

    #[test]
    fn networks_are_spread_over_the_buckets() {
        for key in [0, 1, 0x1234_5678_9abc_def0, u64::MAX] {
            let limiter = NetworkLimiter::new(1, key);
            let mut used = vec![0_u32; BUCKETS];
            for network in 0..BUCKETS as u32 {
                used[limiter.index(IpAddr::V4((network << 8).into()))] += 1;
            }
            assert!(used.iter().all(|count| *count < 12), "{:?}", used.iter().max());
            assert!(used.iter().filter(|count| **count > 0).count() > BUCKETS / 3);
        }
    }
}
