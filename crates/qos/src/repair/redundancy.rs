//! A sender's repairs, frame by frame, within their budget.

use std::time::Duration;

use super::plan::{Conditions, Limits, Means, Plan};
use crate::{Bitrate, Time};

/// How often the plan is made anew.
const INTERVAL: Duration = Duration::from_millis(500);
/// What of the allowance can be saved up, in frames' worth. Requests come in clusters: with 10 s' worth, a network whose
/// repairs take nearly what is allowed finds the allowance used up seldom; with 1 s' worth, twice as many frames were lost.
/// No flood comes of it, since an answer is never longer than what was asked for and the plan's extra.
const SAVED_FRAMES: f64 = 300.0;
/// A plan that answers requests takes as much of the allowance: one that took all would find it used up half of the time.
const PLANNED: f64 = 31.0 / 32.0;

/// Says how many packets of parity each frame gets, how many a request gets, and what rate that takes.
///
/// Over any time, repairs are at most the allowed share of media packets, and of 300 frames on top.
#[derive(Clone, Debug)]
pub struct Redundancy {
    limits: Limits,
    plan: Plan,
    planned: Option<Time>,
    /// Parity packets owed to frames, and extra ones owed to answers: below 1 after each.
    owed: f64,
    owed_extra: f64,
    /// Packets that may be sent for repair.
    allowance: f64,
    /// Packets of a frame, smoothed; the first frame sets it.
    packets: Option<f64>,
}

impl Redundancy {
    /// Repairs nothing before the first [`update`](Self::update).
    pub fn new(limits: Limits) -> Self {
        Self { limits, plan: Plan::default(), planned: None, owed: 0.0, owed_extra: 0.0, allowance: 0.0, packets: None }
    }

    /// What is known of the network; `conditions.packets` is replaced by what frames have had lately. Cheap if called
    /// often: plans anew each 500 ms.
    pub fn update(&mut self, now: Time, conditions: &Conditions) {
        if self.planned.is_some_and(|planned| now.since(planned) < INTERVAL) {
            return;
        }
        self.planned = Some(now);
        let packets = self.packets.map_or(conditions.packets, |packets| packets.round().clamp(1.0, 255.0) as u8);
        let share = if conditions.rounds() > 0 { PLANNED } else { 1.0 };
        let limits = Limits { overhead: self.limits.overhead * share, ..self.limits };
        self.plan = Plan::find(&Conditions { packets, ..*conditions }, &limits);
    }

    /// A frame of so many packets has been sent. Says how many packets of parity are to follow it.
    pub fn handle_frame(&mut self, packets: u8) -> u8 {
        let count = f64::from(packets);
        self.packets = Some(self.packets.map_or(count, |mean| mean + (count - mean) / 16.0));
        self.allowance = (self.allowance + count * self.limits.overhead).min(self.most_saved());
        // A large frame gets as much more as it is larger.
        let share = count / self.packets.unwrap_or(count).max(1.0);
        self.owed += self.plan.parity * share;
        let parity = self.owed.floor().min(self.allowance.floor()).clamp(0.0, f64::from(u8::MAX)) as u8;
        self.owed = (self.owed - f64::from(parity)).min(1.0);
        self.allowance -= f64::from(parity);
        parity
    }

    /// So many packets of a frame were asked for. Says how many are to answer: with [`Means::Any`], parity packets of
    /// that frame; with [`Means::Copies`], packets altogether. At most what the budget has: may be 0.
    ///
    /// `missing` are those that [`Answers`](super::Answers) says are to be answered. `is_more`: some of the frame were
    /// answered less than a round trip ago, and what was sent then on top of them stands in for these, too.
    pub fn handle_request(&mut self, missing: u8, means: Means, is_more: bool) -> u8 {
        if missing == 0 {
            return 0;
        }
        let adds = !(is_more && means == Means::Any);
        let owed = self.owed_extra + if adds { self.plan.extra } else { 0.0 };
        let extra = if adds { owed.floor() } else { 0.0 };
        self.owed_extra = owed - extra;
        let wanted = match means {
            Means::Any => f64::from(missing) + extra,
            Means::Copies => f64::from(missing) * (extra + 1.0),
        };
        let answer = wanted.min(self.allowance.floor()).clamp(0.0, f64::from(u8::MAX)) as u8;
        self.allowance -= f64::from(answer);
        answer
    }

    /// What was decided last.
    pub fn plan(&self) -> Plan {
        self.plan
    }

    /// What of a target rate repairs are expected to take: media gets the rest, so that both together are the target.
    pub fn overhead_of(&self, target: Bitrate) -> Bitrate {
        let share = self.plan.overhead / (1.0 + self.plan.overhead);
        Bitrate::bps((target.as_bps() as f64 * share).ceil() as u64)
    }

    fn most_saved(&self) -> f64 {
        self.packets.unwrap_or(1.0).max(1.0) * self.limits.overhead * SAVED_FRAMES
    }
}

#[cfg(test)]
#[path = "redundancy_tests.rs"]
mod tests;
