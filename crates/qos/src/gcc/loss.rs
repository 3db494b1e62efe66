//! What losses allow: libwebrtc's `loss_based_bwe_v2.cc` with the settings that it has by default.
//!
//! A path loses some packets by itself (radio, mostly), and more where more is sent than it carries. Both are
//! parameters of a model, and the bandwidth is that whose model makes what was seen the most likely, found among a few
//! candidates. So losses that have nothing to do with the rate do not lower it.

use std::time::Duration;

use super::likelihood::{Channel, OBSERVATIONS, Observation, Observations};
use crate::{PacketResult, Time};

// The names in brackets are those of the file's settings.
/// [`ObservationDurationLowerBound`]
const LEAST_DURATION: Duration = Duration::from_millis(250);
/// [`MinNumObservations`]
const NEEDED: u64 = 3;
/// [`CandidateFactors`]
const FACTORS: [f64; 3] = [1.02, 1.0, 0.95];
/// [`InstantUpperBoundBwBalance`], bits per second, and [`InstantUpperBoundLossOffset`]
const UPPER_BALANCE: f64 = 100_000.0;
const UPPER_OFFSET: f64 = 0.05;
/// [`BwRampupUpperBoundFactor`], [`BwRampupUpperBoundInHoldFactor`] and [`BwRampupUpperBoundHoldThreshold`]
const RAMP_UP: f64 = 1.5;
const RAMP_UP_IN_HOLD: f64 = 1.2;
const HOLD_THRESHOLD: f64 = 1.3;
/// [`DelayedIncreaseWindow`] and [`MaxIncreaseFactor`]
const INCREASE_WINDOW: Duration = Duration::from_millis(300);
const MOST_INCREASE: f64 = 1.3;
/// `kInitHoldDuration`, `kMaxHoldDuration` and [`HoldDurationFactor`]
const FIRST_HOLD: Duration = Duration::from_millis(300);
const LONGEST_HOLD: Duration = Duration::from_secs(60);
const HOLD_FACTOR: u32 = 2;
/// [`PaddingDuration`]
const PADDING: Duration = Duration::from_secs(2);

/// Losses that are remembered until the observation is over, in case the packets come after all.
const REMEMBERED: usize = 4_096;

/// What losses say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LossState {
    /// They do not limit.
    #[default]
    DelayBased,
    /// They did; the rate rises, with padding to show that it may.
    Increasing,
    /// They limit.
    Decreasing,
}

/// After a fall, the rate does not rise above what it fell to for some time.
#[derive(Clone, Copy, Debug)]
struct Hold {
    until: Option<Time>,
    duration: Duration,
    rate: f64,
}

impl Hold {
    const NONE: Self = Self { until: None, duration: FIRST_HOLD, rate: f64::INFINITY };
}

/// What was reported since the latest observation.
#[derive(Debug)]
struct Partial {
    size: f64,
    lost: f64,
    /// The packets that count as lost, as numbers from `base` on.
    base: u64,
    missing: [u64; REMEMBERED / 64],
}

/// Follows losses. Rates in bits per second.
#[derive(Debug)]
pub(super) struct LossBased {
    observations: Observations,
    partial: Partial,
    /// The latest packet of the latest observation.
    observed: Option<Time>,
    channel: Option<Channel>,
    state: LossState,
    result: f64,
    acknowledged: Option<f64>,
    upper_bound: f64,
    hold: Hold,
    padding: Option<(Time, f64)>,
    /// Within [`INCREASE_WINDOW`] since then, the rate does not rise above this.
    recovering: Option<(Time, f64)>,
    floor: f64,
    ceiling: f64,
}

impl LossBased {
    pub(super) fn new(floor: f64, ceiling: f64) -> Self {
        Self {
            observations: Observations::default(),
            partial: Partial { size: 0.0, lost: 0.0, base: 0, missing: [0; REMEMBERED / 64] },
            observed: None,
            channel: None,
            state: LossState::DelayBased,
            result: ceiling,
            acknowledged: None,
            upper_bound: ceiling,
            hold: Hold::NONE,
            padding: None,
            recovering: None,
            floor,
            ceiling,
        }
    }

    /// Whether losses limit, and how.
    pub(super) fn state(&self) -> LossState {
        if self.observations.count() >= NEEDED { self.state } else { LossState::DelayBased }
    }

    /// What they allow: as much as delays did at the latest observation where they do not limit. `None` before there are
    /// enough observations.
    pub(super) fn limit(&self) -> Option<f64> {
        (self.observations.count() >= NEEDED).then_some(self.result)
    }

    /// Share of what was sent lately that was lost, 0 to 1.
    pub(super) fn loss(&self) -> f64 {
        self.observations.average_loss()
    }

    pub(super) fn set_acknowledged(&mut self, rate: f64) {
        self.acknowledged = Some(rate);
    }

    /// What was reported, with what delays allow, and whether the application sends much less than it may.
    pub(super) fn handle_report(&mut self, results: &[PacketResult], delay_based: f64, limited: bool) {
        let Some(observed) = self.observe(results) else { return };
        let channel = *self.channel.get_or_insert(Channel::new(delay_based));
        let best = self.bound_increase(channel, self.best_candidate(channel, delay_based, limited));

        let lower = self.lower_bound();
        let bounded = best.bandwidth.min(self.upper_bound).min(delay_based).max(lower);
        self.channel = Some(if bounded < best.bandwidth {
            Channel { bandwidth: bounded, inherent_loss: 0.0 }
        } else {
            Channel { bandwidth: best.bandwidth.max(lower), ..best }
        });
        self.decide(observed, bounded, delay_based);

        let is_window_over = self.recovering.is_none_or(|(since, _)| since + INCREASE_WINDOW < observed);
        if self.state != LossState::DelayBased && is_window_over {
            let bandwidth = self.channel.map_or(bounded, |channel| channel.bandwidth);
            self.recovering = Some((observed, bandwidth * MOST_INCREASE));
        }
    }

    /// The state and the rate that this bounded bandwidth means.
    fn decide(&mut self, observed: Time, bounded: f64, delay_based: f64) {
        let limits = bounded < delay_based && bounded < self.ceiling;
        if self.state == LossState::Decreasing && self.hold.until.is_some_and(|until| until > observed) && limits {
            self.hold.rate = self.hold.rate.max(self.lower_bound());
            self.result = bounded.min(self.hold.rate);
            return;
        }
        if limits && self.is_increasing(self.result, bounded) && self.may_keep_increasing(observed, bounded) {
            if self.padding.is_none_or(|(_, rate)| bounded > rate) {
                self.padding = Some((observed, bounded));
            }
            self.state = LossState::Increasing;
        } else if limits {
            if self.state != LossState::Decreasing {
                self.hold = Hold {
                    until: Some(observed + self.hold.duration),
                    duration: (self.hold.duration * HOLD_FACTOR).min(LONGEST_HOLD),
                    rate: bounded,
                };
            }
            self.padding = None;
            self.state = LossState::Decreasing;
        } else {
            self.hold = Hold::NONE;
            self.padding = None;
            self.state = LossState::DelayBased;
        }
        self.result = bounded;
    }

    fn best_candidate(&self, channel: Channel, delay_based: f64, limited: bool) -> Channel {
        let recovering = self.recovering.filter(|_| self.state != LossState::DelayBased);
        let most = recovering.map_or(self.ceiling, |(_, rate)| rate).max(channel.bandwidth);
        // What arrives says nothing of the path while little is sent, unless padding fills up.
        let padded = self.padding.zip(self.observed).is_some_and(|((since, _), now)| since + PADDING >= now);
        let acknowledged = self.acknowledged.filter(|_| !limited || padded);
        let delay_based = Some(delay_based).filter(|rate| *rate > channel.bandwidth);
        let factors = FACTORS.iter().map(|factor| factor * channel.bandwidth);
        let candidates = factors.chain(acknowledged).chain(delay_based).map(|bandwidth| bandwidth.min(most));
        self.observations.most_likely(channel, candidates)
    }

    fn bound_increase(&self, channel: Channel, mut best: Channel) -> Channel {
        if best.bandwidth > channel.bandwidth && self.observations.average_loss() > best.inherent_loss {
            best.bandwidth = channel.bandwidth;
        }
        if self.state == LossState::DelayBased {
            return best;
        }
        if let Some((since, most)) = self.recovering
            && self.observed.is_some_and(|observed| since + INCREASE_WINDOW > observed)
        {
            best.bandwidth = best.bandwidth.min(most);
        }
        if let Some(acknowledged) = self.acknowledged
            && self.is_increasing(channel.bandwidth, best.bandwidth)
        {
            let holds = self.hold.rate.is_finite() && acknowledged < HOLD_THRESHOLD * self.hold.rate;
            let most = acknowledged * if holds { RAMP_UP_IN_HOLD } else { RAMP_UP };
            best.bandwidth = best.bandwidth.min(most).max(channel.bandwidth);
            if self.state == LossState::Decreasing && best.bandwidth <= channel.bandwidth {
                // The least rise there is: it makes the state an increase, which brings padding.
                best.bandwidth = channel.bandwidth + 1.0;
            }
        }
        best
    }

    fn is_increasing(&self, before: f64, after: f64) -> bool {
        match self.state {
            LossState::DelayBased => false,
            LossState::Increasing => after >= before,
            LossState::Decreasing => after > before,
        }
    }

    /// Padding shows within some time that the rate may rise, or it may not.
    fn may_keep_increasing(&self, observed: Time, rate: f64) -> bool {
        self.state != LossState::Increasing
            || self.padding.is_some_and(|(since, padding)| since + PADDING >= observed || padding < rate)
    }

    fn lower_bound(&self) -> f64 {
        self.acknowledged.unwrap_or(0.0).max(self.floor)
    }

    /// Adds what was reported; the time of the latest packet, once that makes an observation.
    fn observe(&mut self, results: &[PacketResult]) -> Option<Time> {
        let first = results.iter().map(|result| result.sent.at).min()?;
        let last = results.iter().map(|result| result.sent.at).max()?;
        for result in results {
            self.partial.handle_packet(result);
        }
        let before = *self.observed.get_or_insert(first);
        let duration = last.since(before);
        if duration < LEAST_DURATION {
            return None;
        }
        self.observed = Some(last);
        let sending_rate = self.partial.size * 8.0 / duration.as_secs_f64();
        self.observations.push(Observation { size: self.partial.size, lost: self.partial.lost, sending_rate });
        self.partial.clear();
        let loss = self.observations.average_loss();
        self.upper_bound = if loss > UPPER_OFFSET { UPPER_BALANCE / (loss - UPPER_OFFSET) } else { self.ceiling };
        Some(last)
    }
}

impl Partial {
    fn handle_packet(&mut self, result: &PacketResult) {
        if self.size == 0.0 {
            self.base = result.sequence;
        }
        let size = f64::from(result.sent.size);
        let place = result.sequence.checked_sub(self.base).filter(|place| *place < REMEMBERED as u64);
        let bit = place.map(|place| (place as usize / 64, 1_u64 << (place % 64)));
        match (result.received, bit) {
            (Some(_), Some((word, bit))) if self.missing[word] & bit != 0 => {
                self.missing[word] &= !bit;
                self.lost = (self.lost - size).max(0.0);
            }
            (Some(_), _) => {}
            (None, bit) => {
                if let Some((word, bit)) = bit {
                    self.missing[word] |= bit;
                }
                self.lost += size;
            }
        }
        self.size += size;
    }

    fn clear(&mut self) {
        (self.size, self.lost, self.missing) = (0.0, 0.0, [0; REMEMBERED / 64]);
    }
}

const _: () = assert!(OBSERVATIONS > NEEDED as usize);

#[cfg(test)]
#[path = "loss_tests.rs"]
mod tests;
