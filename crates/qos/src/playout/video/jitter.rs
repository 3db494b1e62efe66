//! How much delay pictures need so that they come in time.
//!
//! libwebrtc, `modules/video_coding/timing/jitter_estimator.cc`, `frame_delay_variation_kalman_filter.cc` and
//! `inter_frame_delay_variation_calculator.cc`. Large frames take longer over a narrow path: a Kalman filter learns how
//! much longer; the rest is noise, whose spread is learned besides.

use std::time::Duration;

use crate::Time;
use crate::playout::micros;

/// `kFrameProcessingStartupCount`.
const STARTUP: u32 = 30;
/// `kFramesUntilSizeFiltering`.
const SIZES_AT_START: u32 = 5;
/// `kInitialAvgAndMaxFrameSizeBytes`.
const INITIAL_SIZE: f64 = 500.0;
/// `kPhi`, `kPsi`: how slowly the mean and the largest size are forgotten.
const PHI: f64 = 0.97;
const PSI: f64 = 0.9999;
/// `kNumStdDevDelayClamp`, `kNumStdDevDelayOutlier`, `kNumStdDevSizeOutlier`.
const DELAY_CLAMP: f64 = 3.5;
const DELAY_OUTLIER: f64 = 15.0;
const SIZE_OUTLIER: f64 = 3.0;
/// `kCongestionRejectionFactor`.
const CONGESTION: f64 = -0.25;
/// `kAlphaCountMax`.
const MOST_SAMPLES: u32 = 400;
/// `kNoiseStdDevs`, `kNoiseStdDevOffset`: less than one frame of a hundred is later.
const NOISE_DEVIATIONS: f64 = 2.33;
const NOISE_OFFSET: f64 = 30.0;
/// `kMinJitterEstimate`, `kMaxJitterEstimate`, in ms.
const LEAST: f64 = 1.0;
const MOST: f64 = 10_000.0;
/// `OPERATING_SYSTEM_JITTER`, in ms.
const SYSTEM: f64 = 10.0;
/// `kNackCountTimeout`, `kNackLimit`: with so many repaired frames within a minute, a round trip is added.
const REPAIR_TIMEOUT: Duration = Duration::from_secs(60);
const REPAIRS: u32 = 3;
/// `kMaxFramerateEstimate`, `kJitterScaleLowThreshold`, `kJitterScaleHighThreshold`, in Hz.
const FASTEST: f64 = 200.0;
const SLOW: f64 = 5.0;
const FULL: f64 = 10.0;
/// Intervals of which the frame rate is the mean (`fps_counter_`).
const INTERVALS: usize = 30;
/// Differences beyond this are no jitter: the sender or the clock stopped.
const LONGEST_MS: f64 = 60_000.0;

/// `FrameDelayVariationKalmanFilter`: delay variation = slope * size variation + offset.
#[derive(Clone, Debug)]
struct Kalman {
    /// ms per byte, and ms.
    estimate: [f64; 2],
    covariance: [[f64; 2]; 2],
}

impl Kalman {
    /// `kMaxBandwidth`, in ms per byte.
    const LEAST_SLOPE: f64 = 0.000_001;
    const PROCESS_NOISE: [f64; 2] = [2.5e-10, 1e-10];

    fn new() -> Self {
        Self { estimate: [1.0 / (512e3 / 8.0), 0.0], covariance: [[1e-4, 0.0], [0.0, 1e2]] }
    }

    fn of_size(&self, bytes: f64) -> f64 {
        self.estimate[0] * bytes
    }

    fn total(&self, bytes: f64) -> f64 {
        self.of_size(bytes) + self.estimate[1]
    }

    fn update(&mut self, delay_ms: f64, bytes: f64, largest: f64, noise_variance: f64) {
        if largest < 1.0 || noise_variance <= 0.0 {
            return;
        }
        let p = &mut self.covariance;
        p[0][0] += Self::PROCESS_NOISE[0];
        p[1][1] += Self::PROCESS_NOISE[1];
        let observed = [p[0][0] * bytes + p[0][1], p[1][0] * bytes + p[1][1]];
        let deviation = (300.0 * libm::exp(-bytes.abs() / largest) + 1.0) * noise_variance.sqrt();
        let variance = bytes * observed[0] + observed[1] + deviation.max(1.0);
        // Rounding, and sizes that nobody has, could make it useless.
        if !(variance.abs() >= 1e-9 && variance.is_finite()) {
            *self = Self::new();
            return;
        }
        let gain = [observed[0] / variance, observed[1] / variance];
        let innovation = delay_ms - self.total(bytes);
        self.estimate[0] = (self.estimate[0] + gain[0] * innovation).max(Self::LEAST_SLOPE);
        self.estimate[1] += gain[1] * innovation;
        let p = &mut self.covariance;
        let (t00, t01) = (p[0][0], p[0][1]);
        p[0][0] = (1.0 - gain[0] * bytes) * t00 - gain[0] * p[1][0];
        p[0][1] = (1.0 - gain[0] * bytes) * t01 - gain[0] * p[1][1];
        p[1][0] = p[1][0] * (1.0 - gain[1]) - gain[1] * bytes * t00;
        p[1][1] = p[1][1] * (1.0 - gain[1]) - gain[1] * bytes * t01;
    }
}

/// The delay that frames need beyond that of the path.
#[derive(Clone, Debug)]
pub(super) struct JitterEstimator {
    clock_rate: f64,
    kalman: Kalman,
    previous: Option<(i64, Time)>,
    previous_size: Option<f64>,
    mean_size: f64,
    size_variance: f64,
    largest: f64,
    size_sum: f64,
    sizes: u32,
    noise: f64,
    noise_variance: f64,
    samples: u32,
    started: u32,
    estimate: Option<f64>,
    filtered: f64,
    updated: Option<Time>,
    intervals: [f64; INTERVALS],
    interval_count: usize,
    repairs: u32,
    repaired: Time,
    round_trip: Duration,
}

impl JitterEstimator {
    pub(super) fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate: f64::from(clock_rate),
            kalman: Kalman::new(),
            previous: None,
            previous_size: None,
            mean_size: INITIAL_SIZE,
            size_variance: 100.0,
            largest: INITIAL_SIZE,
            size_sum: 0.0,
            sizes: 0,
            noise: 0.0,
            noise_variance: 4.0,
            samples: 1,
            started: 0,
            estimate: None,
            filtered: 0.0,
            updated: None,
            intervals: [0.0; INTERVALS],
            interval_count: 0,
            repairs: 0,
            repaired: Time::default(),
            round_trip: Duration::ZERO,
        }
    }

    pub(super) fn handle_round_trip(&mut self, round_trip: Duration) {
        // `rtt_filter.cc`, `kMaxRtt`.
        self.round_trip = round_trip.min(Duration::from_secs(3));
    }

    /// A frame that was repaired: it says nothing about jitter, but that repairs are needed.
    pub(super) fn handle_repaired(&mut self, now: Time) {
        self.repairs = (self.repairs + 1).min(REPAIRS);
        self.repaired = now;
    }

    /// A frame whose last packet came at `received`, in the order of timestamps.
    pub(super) fn handle_frame(&mut self, now: Time, received: Time, timestamp: i64, size: usize) {
        let previous = self.previous.replace((timestamp, received));
        let delay = previous.map_or(0.0, |(before, at)| {
            let passed = micros(received).saturating_sub(micros(at)) as f64 / 1_000.0;
            let played = timestamp.saturating_sub(before) as f64 * 1_000.0 / self.clock_rate;
            (passed - played).clamp(-LONGEST_MS, LONGEST_MS)
        });
        self.update(now, delay, size as f64);
    }

    fn update(&mut self, now: Time, delay: f64, size: f64) {
        if size <= 0.0 {
            return;
        }
        let difference = size - self.previous_size.unwrap_or(0.0);
        self.learn_size(size);
        if self.previous_size.replace(size).is_none() {
            return;
        }
        let most = DELAY_CLAMP * self.noise_variance.sqrt() + 0.5;
        let delay = delay.clamp(-most, most);
        let deviation = delay - self.kalman.total(difference);
        let outlier = DELAY_OUTLIER * self.noise_variance.sqrt();
        let is_large = size > self.mean_size + SIZE_OUTLIER * self.size_variance.sqrt();
        if deviation.abs() < outlier || is_large {
            // What comes after a large frame comes together with it.
            if difference > CONGESTION * self.largest {
                self.learn_noise(now, deviation);
                self.kalman.update(delay, difference, self.largest, self.noise_variance);
            }
        } else {
            self.learn_noise(now, if deviation >= 0.0 { outlier } else { -outlier });
        }
        if self.started >= STARTUP {
            self.filtered = self.calculate();
        } else {
            self.started += 1;
        }
    }

    fn learn_size(&mut self, size: f64) {
        if self.sizes < SIZES_AT_START {
            self.size_sum += size;
            self.sizes += 1;
        } else if self.sizes == SIZES_AT_START {
            self.mean_size = self.size_sum / f64::from(SIZES_AT_START);
            self.sizes += 1;
        }
        let mean = PHI * self.mean_size + (1.0 - PHI) * size;
        if size < self.mean_size + 2.0 * self.size_variance.sqrt() {
            // Key frames are left out.
            self.mean_size = mean;
        }
        let difference = size - mean;
        self.size_variance = (PHI * self.size_variance + (1.0 - PHI) * difference * difference).max(1.0);
        self.largest = (PSI * self.largest).max(size);
    }

    fn learn_noise(&mut self, now: Time, deviation: f64) {
        if let Some(updated) = self.updated.replace(now) {
            self.intervals[self.interval_count % INTERVALS] = now.since(updated).as_micros() as f64;
            self.interval_count =
                if self.interval_count + 1 == 2 * INTERVALS { INTERVALS } else { self.interval_count + 1 };
        }
        let mut alpha = f64::from(self.samples - 1) / f64::from(self.samples);
        self.samples = (self.samples + 1).min(MOST_SAMPLES);
        // Seldom frames count more, so that time decides and not their number.
        if let Some(rate) = self.frame_rate() {
            let mut scale = 30.0 / rate;
            if self.samples < STARTUP {
                let (known, rest) = (f64::from(self.samples), f64::from(STARTUP - self.samples));
                scale = (known * scale + rest) / f64::from(STARTUP);
            }
            alpha = libm::pow(alpha, scale);
        }
        let difference = deviation - self.noise;
        self.noise = alpha * self.noise + (1.0 - alpha) * deviation;
        self.noise_variance = (alpha * self.noise_variance + (1.0 - alpha) * difference * difference).max(1.0);
    }

    /// In Hz, above 0.
    fn frame_rate(&self) -> Option<f64> {
        let count = self.interval_count.min(INTERVALS);
        let sum: f64 = self.intervals.iter().take(count).sum();
        (sum > 0.0).then(|| (1e6 * count as f64 / sum).min(FASTEST))
    }

    fn calculate(&mut self) -> f64 {
        let noise = (NOISE_DEVIATIONS * self.noise_variance.sqrt() - NOISE_OFFSET).max(1.0);
        let estimate = self.kalman.of_size(self.largest - self.mean_size) + noise;
        // False also where it is no number.
        let estimate = if estimate >= LEAST { estimate.min(MOST) } else { self.estimate.unwrap_or(LEAST) };
        self.estimate = Some(estimate);
        estimate
    }

    /// The delay that is needed; 0 to some 13 s.
    pub(super) fn delay(&mut self, now: Time) -> Duration {
        let mut jitter = (self.calculate() + SYSTEM).max(self.filtered);
        if now.since(self.repaired) > REPAIR_TIMEOUT {
            self.repairs = 0;
        }
        if self.repairs >= REPAIRS {
            jitter += self.round_trip.as_micros() as f64 / 1_000.0;
        }
        // Pictures that come seldom are shown at once.
        let scale = self.frame_rate().map_or(1.0, |rate| ((rate - SLOW) / (FULL - SLOW)).clamp(0.0, 1.0));
        Duration::from_micros((jitter * scale * 1_000.0) as u64)
    }
}
