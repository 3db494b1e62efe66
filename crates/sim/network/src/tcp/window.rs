//! The congestion window.

use conclave_qos::Time;

use crate::units::{SECOND, between};

/// How a window grows and shrinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RFC 5681 and RFC 6582.
    NewReno,
    /// RFC 9438.
    Cubic,
}

/// Segments at first (RFC 6928).
const INITIAL: f64 = 10.0;
/// Never fewer than this after a loss (RFC 5681, equation 4).
const LEAST: f64 = 2.0;
/// RFC 9438, 4.1 and 4.6.
const C: f64 = 0.4;
const BETA: f64 = 0.7;
/// Growth of the friendly window for each window of acknowledgements: 3 (1 - BETA) / (1 + BETA).
const FRIENDLY: f64 = 3.0 * (1.0 - BETA) / (1.0 + BETA);

#[derive(Clone, Debug)]
pub(super) struct Window {
    algorithm: Algorithm,
    /// Segments.
    size: f64,
    threshold: f64,
    cubic: Cubic,
}

/// The state of RFC 9438.
#[derive(Clone, Debug, Default)]
struct Cubic {
    /// When this epoch of congestion avoidance began, and with which window.
    epoch: Option<Time>,
    most: f64,
    /// Seconds until the window is as large as before the loss.
    until_most: f64,
    friendly: f64,
}

impl Window {
    pub(super) fn new(algorithm: Algorithm) -> Self {
        Self { algorithm, size: INITIAL, threshold: f64::INFINITY, cubic: Cubic::default() }
    }

    /// How many segments may be on their way.
    pub(super) fn segments(&self) -> u32 {
        self.size as u32
    }

    /// So many segments were acknowledged for the first time, and the window had been full.
    pub(super) fn grow(&mut self, now: Time, acknowledged: u32, round_trip: u64) {
        for _ in 0..acknowledged {
            if self.size < self.threshold {
                self.size += 1.0;
                continue;
            }
            self.size += match self.algorithm {
                Algorithm::NewReno => 1.0 / self.size,
                Algorithm::Cubic => self.cubic.growth(now, self.size, round_trip),
            };
        }
    }

    /// Something was lost, for the first time in a window.
    pub(super) fn shrink(&mut self) {
        self.threshold = match self.algorithm {
            Algorithm::NewReno => (self.size / 2.0).max(LEAST),
            Algorithm::Cubic => {
                // Fast convergence: who lost below the former maximum makes room for others (4.7).
                let gives_way = self.size < self.cubic.most;
                self.cubic.most = if gives_way { self.size * (1.0 + BETA) / 2.0 } else { self.size };
                self.cubic.epoch = None;
                (self.size * BETA).max(LEAST)
            }
        };
        self.size = self.threshold;
    }

    /// Nothing was heard for too long (RFC 5681, 3.1).
    pub(super) fn collapse(&mut self) {
        self.shrink();
        self.size = 1.0;
    }
}

impl Cubic {
    /// How much one acknowledgement adds in congestion avoidance.
    fn growth(&mut self, now: Time, size: f64, round_trip: u64) -> f64 {
        let epoch = *self.epoch.get_or_insert_with(|| {
            self.most = self.most.max(size);
            self.until_most = libm::cbrt((self.most - size) / C);
            self.friendly = size;
            now
        });
        let time = (between(epoch, now) + round_trip) as f64 / SECOND as f64 - self.until_most;
        let wanted = (C * time * time * time + self.most).clamp(size, 1.5 * size);
        self.friendly += FRIENDLY / size;
        (wanted - size).max(self.friendly - size) / size
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{MILLI, at};

    #[test]
    fn the_window_of_newreno_doubles_then_grows_by_one_a_round_trip() {
        let mut window = Window::new(Algorithm::NewReno);
        window.grow(at(0), 10, 0);
        assert_eq!(window.segments(), 20);
        window.shrink();
        assert_eq!(window.segments(), 10);
        for round in 1..=20 {
            window.grow(at(0), window.segments(), 0);
            assert!((window.size - f64::from(10 + round)).abs() < 1.0, "{round}: {}", window.size);
        }
        window.collapse();
        assert_eq!(window.segments(), 1);
    }

    #[test]
    fn the_window_of_cubic_is_back_where_it_was_after_the_time_that_its_cube_says() {
        let mut window = Window::new(Algorithm::Cubic);
        (window.size, window.threshold) = (100.0, 50.0);
        window.shrink();
        assert!((window.size - 70.0).abs() < 1e-9);
        // K = cbrt(100 * 0.3 / 0.4) = 4.22 s, at a round trip of 100 ms 42 windows.
        let mut now = 0;
        while window.size < 99.9 {
            window.grow(at(now), window.segments(), 100 * MILLI);
            now += 100 * MILLI;
        }
        assert!((3_500 * MILLI..4_700 * MILLI).contains(&now), "{now}");
    }
}
