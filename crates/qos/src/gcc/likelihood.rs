//! How likely a bandwidth and a share of loss are, given what was seen: the model of libwebrtc's
//! `loss_based_bwe_v2.cc`, whose settings' names are in brackets.

/// [`ObservationWindowSize`]
pub(super) const OBSERVATIONS: usize = 15;
/// [`TemporalWeightFactor`] and [`InstantUpperBoundTemporalWeightFactor`]
const AGEING: f64 = 0.9;
/// [`InitialInherentLossEstimate`], [`InherentLossLowerBound`]
const FIRST_INHERENT: f64 = 0.01;
const LEAST_INHERENT: f64 = 1.0e-3;
/// [`InherentLossUpperBoundOffset`] and [`InherentLossUpperBoundBwBalance`], bits per second
const MOST_INHERENT: f64 = 0.05;
const INHERENT_BALANCE: f64 = 100_000.0;
/// [`NewtonStepSize`]; [`NewtonIterations`] is 1
const NEWTON_STEP: f64 = 0.75;
/// [`HigherBwBiasFactor`] and [`HigherLogBwBiasFactor`], for kbit/s
const BIAS: f64 = 0.0002;
const LOG_BIAS: f64 = 0.02;
/// [`LossThresholdOfHighBandwidthPreference`] and [`BandwidthPreferenceSmoothingFactor`]
const PREFERENCE_THRESHOLD: f64 = 0.2;
const PREFERENCE_SMOOTHING: f64 = 0.002;
/// [`MedianSendingRateFactor`]
const MEDIAN_FACTOR: f64 = 2.0;
/// Probabilities stay away from 0 and 1 by this: `GetLossProbability`.
const MARGIN: f64 = 1.0e-6;

/// Something over 250 ms of reports. Sizes in bytes, the rate in bits per second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Observation {
    pub(super) size: f64,
    pub(super) lost: f64,
    pub(super) sending_rate: f64,
}

/// What a path might be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Channel {
    /// Bits per second; what is sent beyond it is lost.
    pub(super) bandwidth: f64,
    /// Share that is lost at any rate.
    pub(super) inherent_loss: f64,
}

impl Channel {
    pub(super) fn new(bandwidth: f64) -> Self {
        Self { bandwidth, inherent_loss: FIRST_INHERENT }
    }

    fn loss_probability(&self, sending_rate: f64) -> f64 {
        let inherent = self.inherent_loss.clamp(0.0, 1.0);
        let beyond = if sending_rate > self.bandwidth { (sending_rate - self.bandwidth) / sending_rate } else { 0.0 };
        (inherent + (1.0 - inherent) * beyond).clamp(MARGIN, 1.0 - MARGIN)
    }

    fn make_feasible(&mut self) {
        let most = MOST_INHERENT + INHERENT_BALANCE / self.bandwidth.max(1.0);
        self.inherent_loss = self.inherent_loss.max(LEAST_INHERENT).min(most.min(1.0));
    }
}

/// The latest observations.
#[derive(Debug, Default)]
pub(super) struct Observations {
    ring: [Observation; OBSERVATIONS],
    count: u64,
    average_loss: f64,
}

impl Observations {
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Weighted by age, without the best and the worst observation.
    pub(super) fn average_loss(&self) -> f64 {
        self.average_loss
    }

    pub(super) fn push(&mut self, observation: Observation) {
        self.ring[(self.count % OBSERVATIONS as u64) as usize] = observation;
        self.count += 1;
        self.average_loss = self.measure_loss();
    }

    /// The candidate bandwidth under which what was seen is the most likely.
    pub(super) fn most_likely(&self, channel: Channel, candidates: impl Iterator<Item = f64>) -> Channel {
        let mut best = channel;
        let mut most = f64::NEG_INFINITY;
        let lossless = self.iter().all(|(observation, _)| observation.lost == 0.0);
        let bias = |bandwidth: f64| self.bias(bandwidth);
        for bandwidth in candidates {
            let mut candidate = Channel { bandwidth, ..channel };
            candidate.make_feasible();
            let objective = if lossless {
                // Without losses, the highest is the likeliest, and the inherent loss the least: no logarithms needed.
                candidate.inherent_loss = LEAST_INHERENT;
                bandwidth
            } else {
                self.improve(&mut candidate);
                self.objective(&candidate, bias(bandwidth))
            };
            if objective > most {
                most = objective;
                best = candidate;
            }
        }
        best
    }

    /// The newest first, with weights.
    fn iter(&self) -> impl Iterator<Item = (&Observation, f64)> {
        let size = OBSERVATIONS as u64;
        let mut weight = 1.0 / AGEING;
        (0..self.count.min(size)).map(move |age| {
            weight *= AGEING;
            (&self.ring[((self.count - 1 - age) % size) as usize], weight)
        })
    }

    /// One step of Newton's method towards the likeliest inherent loss.
    fn improve(&self, channel: &mut Channel) {
        let (mut first, mut second) = (0.0, 0.0);
        for (observation, weight) in self.iter() {
            let probability = channel.loss_probability(observation.sending_rate);
            let (lost, kept) = (observation.lost / 1_000.0, (observation.size - observation.lost) / 1_000.0);
            first += weight * (lost / probability - kept / (1.0 - probability));
            second -=
                weight * (lost / (probability * probability) + kept / ((1.0 - probability) * (1.0 - probability)));
        }
        if second < 0.0 {
            channel.inherent_loss -= NEWTON_STEP * first / second;
        }
        channel.make_feasible();
    }

    fn objective(&self, channel: &Channel, bias: f64) -> f64 {
        self.iter()
            .map(|(observation, weight)| {
                let probability = channel.loss_probability(observation.sending_rate);
                let (lost, kept) = (observation.lost / 1_000.0, (observation.size - observation.lost) / 1_000.0);
                let likelihood = lost * libm::log(probability) + kept * libm::log(1.0 - probability);
                weight * (likelihood + bias * observation.size / 1_000.0)
            })
            .sum()
    }

    /// Of two bandwidths that are about as likely, the higher one is preferred; the lower with high losses.
    fn bias(&self, bandwidth: f64) -> f64 {
        let difference = PREFERENCE_THRESHOLD - self.average_loss;
        let preference = difference / (PREFERENCE_SMOOTHING + difference.abs());
        let kbps = bandwidth / 1_000.0;
        preference * (BIAS * kbps + LOG_BIAS * libm::log(1.0 + kbps))
    }

    fn measure_loss(&self) -> f64 {
        let (mut size, mut lost) = (0.0, 0.0);
        let mut worst: Option<(f64, f64, f64, f64)> = None;
        let mut best: Option<(f64, f64, f64)> = None;
        for (observation, weight) in self.iter() {
            size += weight * observation.size;
            lost += weight * observation.lost;
            if self.count <= 3 {
                continue;
            }
            let share = if observation.size > 0.0 { observation.lost / observation.size } else { 0.0 };
            if worst.is_none_or(|worst| share > worst.0) && share > 0.0 {
                worst = Some((share, weight * observation.size, weight * observation.lost, observation.sending_rate));
            }
            if share < best.map_or(1.0, |best| best.0) {
                best = Some((share, weight * observation.size, weight * observation.lost));
            }
        }
        let worst = worst.unwrap_or_default();
        let best = best.unwrap_or_default();
        // Where much more was sent when most was lost, that loss is no accident.
        let is_accident = self.median_sending_rate() * MEDIAN_FACTOR > worst.3;
        let rest = size - worst.1 - best.1;
        let share = if is_accident && rest > 0.0 { (lost - worst.2 - best.2) / rest } else { lost / size };
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }

    fn median_sending_rate(&self) -> f64 {
        let mut rates = [0.0; OBSERVATIONS];
        let mut count = 0;
        for (observation, _) in self.iter() {
            rates[count] = observation.sending_rate;
            count += 1;
        }
        let rates = &mut rates[..count];
        rates.sort_unstable_by(f64::total_cmp);
        match count {
            0 => 0.0,
            count if count % 2 == 0 => (rates[count / 2 - 1] + rates[count / 2]) / 2.0,
            count => rates[count / 2],
        }
    }
}
