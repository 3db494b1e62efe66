//! How often one client may ask for a session.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Token buckets, one for each client that asked lately. Time is since any fixed moment.
#[derive(Debug)]
pub struct Rates<K> {
    burst: f64,
    per_second: f64,
    most: usize,
    buckets: HashMap<K, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Duration,
}

impl<K: Eq + Hash + Copy> Rates<K> {
    /// `burst` requests at once, `per_second` in the long run, for each of at most `most` clients; while
    /// there are more, new ones wait.
    pub fn new(burst: u32, per_second: u32, most: usize) -> Self {
        Self { burst: burst.into(), per_second: per_second.into(), most, buckets: HashMap::new() }
    }

    /// Takes one request of this client's; the time after which to come again if it is one too many.
    ///
    /// # Errors
    /// How long to wait.
    pub fn take(&mut self, now: Duration, client: K) -> Result<(), Duration> {
        if !self.buckets.contains_key(&client) && self.buckets.len() >= self.most {
            // A full bucket says no more than none.
            let (burst, per_second) = (self.burst, self.per_second);
            self.buckets.retain(|_, bucket| bucket.filled(now, burst, per_second) < burst);
            if self.buckets.len() >= self.most {
                return Err(Duration::from_secs(1));
            }
        }
        let bucket = self.buckets.entry(client).or_insert(Bucket { left: self.burst, at: now });
        bucket.left = bucket.filled(now, self.burst, self.per_second);
        bucket.at = bucket.at.max(now);
        if bucket.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.left) / self.per_second));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

impl Bucket {
    fn filled(&self, now: Duration, burst: f64, per_second: f64) -> f64 {
        (self.left + now.saturating_sub(self.at).as_secs_f64() * per_second).min(burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(rates: &mut Rates<u8>, now: u64, client: u8) -> usize {
        (0..1_000).take_while(|_| rates.take(Duration::from_secs(now), client).is_ok()).count()
    }

    #[test]
    fn a_burst_and_then_the_rate_for_each_client() {
        let mut rates = Rates::new(10, 2, 100);
        assert_eq!(taken(&mut rates, 0, 1), 10);
        assert_eq!(taken(&mut rates, 0, 2), 10, "another client has a share of its own");
        assert_eq!(taken(&mut rates, 3, 1), 6);
        assert_eq!(rates.take(Duration::from_secs(3), 1), Err(Duration::from_millis(500)));
        assert_eq!(taken(&mut rates, 1_000, 1), 10, "no more than the burst is saved up");
    }

    #[test]
    fn those_who_have_not_asked_lately_are_forgotten_first() {
        let mut rates = Rates::new(1, 1, 2);
        assert!(rates.take(Duration::ZERO, 1).is_ok() && rates.take(Duration::ZERO, 2).is_ok());
        assert!(rates.take(Duration::ZERO, 3).is_err(), "both are still in use");
        assert!(rates.take(Duration::from_secs(1), 3).is_ok());
        assert_eq!(rates.buckets.len(), 1);
    }
}
