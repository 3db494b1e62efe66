//! What a leg's bandwidth estimation should look for, and how far it is believed.
//!
//! The estimate follows what is sent: while little is sent, one moment of delay (a busy machine at
//! the other end) is enough to bring it down to that little, and nothing in the estimation itself
//! brings it up again soon. So it is always asked to look for enough for a picture, asked again while
//! something is missing, and started afresh when it stays far too low. Until then, it is not believed
//! below a floor, which is where every leg begins; only packets that are lost bring the floor down.

use std::time::{Duration, Instant};

use conclave_sfu::{Bitrate, Demand};

/// What to tell the estimation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Padding fills what is sent up to this, as far as the estimate allows.
    pub(crate) floor: Bitrate,
    /// What is worth probing for.
    pub(crate) desired: Bitrate,
    /// Forget everything and start again from here.
    pub(crate) restart: Option<Bitrate>,
}

/// Looked for even when only sound is wanted, so that a picture can start at once.
const LEAST_DESIRED: Bitrate = Bitrate::kbps(1_000);
/// Looked for at most.
const MOST_DESIRED: Bitrate = Bitrate::kbps(30_000);
/// How often what is missing is asked for again: each time is a probe of some milliseconds.
const NUDGE: Duration = Duration::from_secs(2);
/// An estimate below this is hardly a network's; it restarts from [`RESTART`] once that has lasted.
const FAR_TOO_LOW: Bitrate = Bitrate::kbps(200);
const RESTART: Bitrate = Bitrate::kbps(400);
const LASTING: Duration = Duration::from_secs(2);
/// Restarts that do not help become rarer, up to this.
const RAREST_RESTART: Duration = Duration::from_secs(60);

/// Where the floor begins; with it, a handful of small pictures.
const HIGHEST_FLOOR: Bitrate = Bitrate::kbps(1_000);
/// The floor never falls below this: sound.
const LOWEST_FLOOR: Bitrate = Bitrate::kbps(100);
/// Share of the packets whose loss says that the network is full. Wireless networks lose less.
const LOSSY: f32 = 0.08;
/// The floor falls by half at most this often: clients report losses every second or so.
const FALL: Duration = Duration::from_secs(2);
/// The floor rises by half after each such time without loss.
const RISE: Duration = Duration::from_secs(15);

/// Decides for one leg.
#[derive(Debug)]
pub(crate) struct Probing {
    estimate: Option<Bitrate>,
    /// What was told to be usable.
    usable: Option<Bitrate>,
    floor: Bitrate,
    /// When the floor last moved.
    floored: Option<Instant>,
    told: Option<Plan>,
    nudged: Instant,
    too_low_since: Option<Instant>,
    patience: Duration,
}

impl Probing {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            estimate: None,
            usable: None,
            floor: HIGHEST_FLOOR,
            floored: None,
            told: None,
            nudged: now,
            too_low_since: None,
            patience: LASTING,
        }
    }

    /// A new estimate.
    pub(crate) fn handle_estimate(&mut self, estimate: Bitrate) {
        self.estimate = Some(estimate);
    }

    /// What may be sent, as it was last told by [`Self::usable`].
    pub(crate) fn believed(&self) -> Option<Bitrate> {
        self.usable
    }

    /// The client lost this share of one stream's packets lately (0 to 1).
    pub(crate) fn handle_loss(&mut self, now: Instant, loss: f32) {
        let settled = self.floored.is_none_or(|at| now.saturating_duration_since(at) >= FALL);
        if loss >= LOSSY && settled {
            self.floor = self.floor.percent(50).max(LOWEST_FLOOR);
            self.floored = Some(now);
        }
    }

    /// What may be sent, if that is another rate than the last time.
    pub(crate) fn usable(&mut self, now: Instant) -> Option<Bitrate> {
        if self.floored.is_some_and(|at| now.saturating_duration_since(at) >= RISE) {
            self.floor = self.floor.percent(150).min(HIGHEST_FLOOR);
            self.floored = (self.floor < HIGHEST_FLOOR).then_some(now);
        }
        let usable = self.estimate.map(|estimate| estimate.max(self.floor));
        let changed = usable != self.usable;
        self.usable = usable;
        usable.filter(|_| changed)
    }

    /// What to tell the estimation now, if that is not what it was told.
    pub(crate) fn update(&mut self, now: Instant, demand: Demand) -> Option<Plan> {
        let missing = demand.wanted > demand.sending;
        let restart = self.restart(now, missing);
        let mut desired = demand.wanted.clamp(LEAST_DESIRED, MOST_DESIRED);
        if missing && now.saturating_duration_since(self.nudged) >= NUDGE {
            self.nudged = now;
            // Only an increase makes the estimation probe at once: a step down now, and up again with
            // the next update.
            desired = desired.percent(80);
        }
        let floor = if missing { demand.wanted.min(desired) } else { Bitrate::ZERO };
        let plan = Plan { floor, desired, restart };
        let same =
            |told: Plan| restart.is_none() && is_about(plan.floor, told.floor) && is_about(desired, told.desired);
        if self.told.is_some_and(same) {
            return None;
        }
        self.told = Some(plan);
        Some(plan)
    }

    fn restart(&mut self, now: Instant, missing: bool) -> Option<Bitrate> {
        match self.estimate {
            Some(estimate) if missing && estimate < FAR_TOO_LOW => {
                let since = *self.too_low_since.get_or_insert(now);
                if now.saturating_duration_since(since) < self.patience {
                    return None;
                }
                self.too_low_since = Some(now);
                self.patience = (self.patience * 2).min(RAREST_RESTART);
                Some(RESTART)
            }
            Some(estimate) => {
                self.too_low_since = None;
                if estimate >= RESTART {
                    self.patience = LASTING;
                }
                None
            }
            None => None,
        }
    }
}

/// Within a tenth.
fn is_about(rate: Bitrate, before: Bitrate) -> bool {
    rate.as_bps().abs_diff(before.as_bps()) <= before.as_bps() / 10
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(sending: u64, wanted: u64) -> Demand {
        Demand { sending: Bitrate::kbps(sending), wanted: Bitrate::kbps(wanted) }
    }

    /// Ticks of 100 ms.
    fn run(probing: &mut Probing, start: Instant, seconds: u64, demand: Demand) -> Vec<Plan> {
        (0..seconds * 10).filter_map(|i| probing.update(start + Duration::from_millis(i * 100), demand)).collect()
    }

    #[test]
    fn a_low_estimate_is_believed_only_where_packets_are_lost() {
        let now = Instant::now();
        let mut probing = Probing::new(now);
        assert_eq!(probing.usable(now), None);
        probing.handle_estimate(Bitrate::kbps(40));
        probing.handle_loss(now, 0.02);
        assert_eq!(probing.usable(now), Some(HIGHEST_FLOOR));
        assert_eq!(probing.usable(now), None, "told");
        probing.handle_loss(now, 0.2);
        probing.handle_loss(now, 0.3);
        assert_eq!(probing.usable(now), Some(Bitrate::kbps(500)), "streams report at the same time");
        for i in 1..10 {
            probing.handle_loss(now + FALL * i, 0.2);
        }
        let later = now + FALL * 10;
        assert_eq!(probing.usable(later), Some(LOWEST_FLOOR));
        probing.handle_estimate(Bitrate::kbps(2_000));
        assert_eq!(probing.usable(later), Some(Bitrate::kbps(2_000)), "a high estimate is believed anyway");
        probing.handle_estimate(Bitrate::kbps(40));
        let told: Vec<_> = (0..10).filter_map(|i| probing.usable(later + RISE * i)).collect();
        assert_eq!((told.first(), told.last()), (Some(&LOWEST_FLOOR), Some(&HIGHEST_FLOOR)), "{told:?}");
    }

    #[test]
    fn sound_alone_keeps_looking_for_a_picture_without_padding() {
        let start = Instant::now();
        let mut probing = Probing::new(start);
        probing.handle_estimate(Bitrate::kbps(50));
        let plans = run(&mut probing, start, 30, demand(32, 32));
        assert_eq!(plans, [Plan { floor: Bitrate::ZERO, desired: LEAST_DESIRED, restart: None }]);
    }

    #[test]
    fn what_is_missing_is_asked_for_again_and_again() {
        let start = Instant::now();
        let mut probing = Probing::new(start);
        probing.handle_estimate(Bitrate::kbps(500));
        let plans = run(&mut probing, start, 20, demand(300, 2_000));
        let increases = plans.windows(2).filter(|pair| pair[1].desired > pair[0].desired).count();
        assert!((8..=10).contains(&increases), "{increases}");
        assert!(plans.iter().all(|plan| plan.restart.is_none() && plan.floor >= Bitrate::kbps(1_600)));
    }

    #[test]
    fn an_estimate_that_stays_far_too_low_starts_again_ever_more_rarely() {
        let start = Instant::now();
        let mut probing = Probing::new(start);
        probing.handle_estimate(Bitrate::kbps(60));
        let plans = run(&mut probing, start, 130, demand(32, 500));
        let restarts = plans.iter().filter(|plan| plan.restart.is_some()).count();
        assert_eq!(restarts, 6, "after 2, 6, 14, 30, 62 and 122 s");
        probing.handle_estimate(Bitrate::kbps(900));
        let later = start + Duration::from_secs(131);
        assert!(run(&mut probing, later, 60, demand(500, 500)).iter().all(|plan| plan.restart.is_none()));
    }
}
