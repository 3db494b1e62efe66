//! How much to send beforehand, and how much when asked: the search.

use std::time::Duration;

use super::Gilbert;
use super::gilbert::Losses;
use crate::fec::erasure;

/// Packets of a frame that the search can tell apart; larger frames count as this many.
const MOST_PACKETS: u8 = 64;
/// Parity packets beforehand, at most, for one frame.
const MOST_PARITY: u8 = 32;
/// Packets sent in addition to what was asked for, at most.
const MOST_EXTRA: u8 = 6;
/// Frames that one parity packet covers, at most.
const MOST_FRAMES: u8 = 6;
/// How often a frame can be asked for and still count.
const MOST_ROUNDS: u32 = 3;
/// Between whole numbers of packets, tenths are looked at: some frames, or some answers, get one more than others.
const STEPS: u8 = 10;
/// What rounding may add to an overhead.
const ROUNDING: f64 = 1e-9;

/// What a packet repairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Means {
    /// Any missing one of its frame: parity of [`fec::erasure`](crate::fec::erasure), beforehand and when asked.
    #[default]
    Any,
    /// Only what it is a copy of: retransmissions (RFC 4588), FlexFEC or ULPFEC beforehand.
    Copies,
}

/// What a network is like to a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conditions {
    /// How it loses packets.
    pub losses: Gilbert,
    /// Smoothed round trip, to which as much was added as it varies by.
    pub round_trip: Duration,
    /// From the first packet's leaving until the whole frame must be there.
    pub budget: Duration,
    /// From the first packet's leaving to the last one's.
    pub span: Duration,
    /// From one frame to the next.
    pub interval: Duration,
    /// How long the receiver waits before it asks (see [`Nack`](super::Nack)).
    pub patience: Duration,
    /// Packets of a frame, 1 and more.
    pub packets: u8,
    /// What a packet repairs.
    pub means: Means,
}

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Packets that repair may be this share of those of media, 0 to 1.
    pub overhead: f64,
    /// It is enough if this share of frames is lost, 0 to 1.
    pub frames_lost: f64,
}

impl Default for Limits {
    /// 18 % at most; three frames of 1,000 may be lost, at 30 frames per second one in 11 s.
    fn default() -> Self {
        Self { overhead: 0.18, frames_lost: 0.003 }
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Parity packets to send behind each frame, on average; in tenths.
    pub parity: f64,
    /// Frames that such a packet covers, the latest ones: 1 to 6. More than one makes a streaming code, for which there
    /// has to be time until the next frames' parity comes.
    pub window: u8,
    /// Packets to send on top of those that were asked for, on average; with [`Means::Copies`], how many copies more of
    /// each.
    pub extra: f64,
    /// How often asking can help: 0 means that an answer would come too late.
    pub rounds: u32,
    /// Packets that this takes, as a share of those of media.
    pub overhead: f64,
    /// Share of the frames that is expected to be lost all the same. Parity is taken to repair as many losses as there are
    /// packets of it, in their own frame: a window of several frames loses fewer, XOR parity of
    /// [`Means::Copies`] more.
    pub frames_lost: f64,
}

impl Default for Plan {
    fn default() -> Self {
        Self { parity: 0.0, window: 1, extra: 0.0, rounds: 0, overhead: 0.0, frames_lost: 0.0 }
    }
}

impl Conditions {
    /// Frames whose parity comes in time for the first of them, 1 to 6: each leaves an interval later, and the last one's
    /// parity a span after that. With copies, always 1.
    pub fn window(&self) -> u8 {
        if self.means == Means::Copies {
            return 1;
        }
        let left = self.budget.saturating_sub(self.span + self.span + self.round_trip / 2);
        let more = left.as_micros() / self.interval.max(Duration::from_millis(1)).as_micros();
        // A window has to fit into what the code covers.
        let fit = (erasure::MAX_WINDOW / self.packets.max(1)).max(1);
        (more + 1).min(u128::from(MOST_FRAMES.min(fit))) as u8
    }

    /// How many times a frame's missing packets can be asked for, and come before it is too late: the last packet has
    /// left after the span, is missed half a round trip and the patience later, and each answer takes a round trip.
    pub fn rounds(&self) -> u32 {
        let one_way = self.round_trip / 2;
        let left = self.budget.saturating_sub(self.span + one_way);
        let each = (self.round_trip + self.patience).max(Duration::from_millis(1));
        (left.as_micros() / each.as_micros()).min(u128::from(MOST_ROUNDS)) as u32
    }
}

impl Plan {
    /// The cheapest that loses few enough frames; if nothing within the limits does, what loses fewest.
    ///
    /// Takes longer than a packet may (see the bench `repair`): once a second is often enough.
    pub fn find(conditions: &Conditions, limits: &Limits) -> Self {
        let rounds = conditions.rounds();
        let packets = conditions.packets.clamp(1, MOST_PACKETS);
        if conditions.losses.loss() <= 0.0 {
            return Self { rounds, ..Self::default() };
        }
        let search = Search {
            losses: conditions.losses.losses(usize::from(MOST_PACKETS + MOST_PARITY + MOST_EXTRA)),
            conditions,
            packets,
            rounds,
            window: conditions.window(),
        };
        // Between whole numbers of packets, what they bring and cost is mixed.
        let most_extra = if rounds == 0 { 0 } else { MOST_EXTRA };
        // One more than is allowed, to mix with.
        let most_parity = (limits.overhead * f64::from(packets) + 1.0).clamp(0.0, f64::from(MOST_PARITY)) as u8;
        let whole: Vec<Vec<Self>> = (0..=most_extra)
            .map(|extra| (0..=most_parity).map(|parity| search.plan(parity, extra)).collect())
            .collect();
        let mut best = None;
        for (extra, row) in whole.iter().enumerate() {
            for (parity, plan) in row.iter().enumerate() {
                let more_extra = whole.get(extra + 1).and_then(|row| row.get(parity));
                for more in row.get(parity + 1).into_iter().chain(more_extra) {
                    for step in 0..STEPS {
                        let plan = plan.between(more, f64::from(step) / f64::from(STEPS));
                        if plan.overhead <= limits.overhead + ROUNDING {
                            best = Some(plan.better(best, limits));
                        }
                    }
                }
            }
        }
        // If even answering takes too much, what is asked for is answered as far as the budget goes.
        best.unwrap_or(Self { rounds, overhead: limits.overhead, frames_lost: search.unrepaired(), ..Self::default() })
    }

    fn between(&self, more: &Self, share: f64) -> Self {
        let mix = |a: f64, b: f64| a + (b - a) * share;
        Self {
            parity: mix(self.parity, more.parity),
            extra: mix(self.extra, more.extra),
            overhead: mix(self.overhead, more.overhead),
            frames_lost: mix(self.frames_lost, more.frames_lost),
            ..*self
        }
    }

    fn better(self, other: Option<Self>, limits: &Limits) -> Self {
        let Some(other) = other else { return self };
        let is_enough = |plan: &Self| plan.frames_lost <= limits.frames_lost;
        let is_better = match (is_enough(&self), is_enough(&other)) {
            (true, true) => self.overhead < other.overhead,
            (false, false) => self.frames_lost < other.frames_lost,
            (enough, _) => enough,
        };
        if is_better { self } else { other }
    }
}

struct Search<'a> {
    losses: Losses,
    conditions: &'a Conditions,
    packets: u8,
    rounds: u32,
    window: u8,
}

impl Search<'_> {
    fn plan(&self, parity: u8, extra: u8) -> Plan {
        let parity_alone = f64::from(parity);
        // Numbers of losses, with how likely they are, that parity does not make good.
        let sent = usize::from(self.packets + parity);
        let beyond = self.losses.of(sent).iter().enumerate().skip(usize::from(parity) + 1);
        let (mut cost, mut lost) = (parity_alone, 0.0);
        for (count, likely) in beyond {
            let missing = (count - usize::from(parity)).min(usize::from(self.packets));
            let (answer, fails) = self.answer(missing, extra);
            let mut still = *likely;
            for _ in 0..self.rounds {
                cost += still * answer;
                still *= fails;
            }
            lost += still;
        }
        let overhead = cost / f64::from(self.packets);
        let frames_lost = lost.min(1.0);
        Plan {
            parity: parity_alone,
            window: self.window,
            extra: f64::from(extra),
            rounds: self.rounds,
            overhead,
            frames_lost,
        }
    }

    /// How many packets answer a request for `missing` ones, and how likely that is in vain.
    fn answer(&self, missing: usize, extra: u8) -> (f64, f64) {
        match self.conditions.means {
            Means::Any => {
                let sent = missing + usize::from(extra);
                (sent as f64, self.losses.more_than(usize::from(extra), sent))
            }
            Means::Copies => {
                // One copy of all, then the next of all: a packet's copies are as far apart as there are packets.
                let model = self.conditions.losses;
                let again = model.lost_again(missing as u32);
                let each = (0..extra).fold(model.loss(), |lost, _| lost * again);
                let all = (0..missing).fold(1.0, |all, _| all * (1.0 - each));
                (missing as f64 * f64::from(extra + 1), 1.0 - all)
            }
        }
    }

    fn unrepaired(&self) -> f64 {
        self.losses.more_than(0, usize::from(self.packets))
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
