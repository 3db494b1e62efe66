//! Tells losses of chance from losses of congestion, by experiment.
//!
//! Losses that come with a queue are congestion, and the queue says so first. Losses without one are either chance (a
//! radio link) or a path that cuts off what is too much (a policer, a short buffer). Nothing in a single report tells
//! them apart, but a trial does: send a fifth less for a while. If a fifth less arrives, it was chance, and the share that
//! is lost is believed to belong to the path from then on. If as much arrives as before, or far less is lost, it was
//! congestion, and what arrived before is all that the path carries.
//!
//! What a trial is compared with is measured anew, after the suspicion and before less is sent: the losses that gave rise
//! to the suspicion are more than usual, or else they would not have.

use std::time::Duration;

use super::Counts;
use crate::Time;

/// A share is taken from so many packets at least, and from this long.
const PACKETS: u32 = 50;
const WINDOW: Duration = Duration::from_millis(300);
/// Losses are unexplained if they exceed what belongs to the path by this much (less disturbs a picture little, and
/// repair takes care of it) and by two standard deviations.
const TOLERATED: f64 = 0.03;
const DEVIATIONS: f64 = 2.0;
/// A suspicion begins after so many windows with unexplained losses in a row.
const WINDOWS: u32 = 2;
/// How much is sent during a trial.
pub(super) const TRIAL: f64 = 0.8;
/// What a trial is compared with is measured over so many losses and so long, or over the longer time: frames differ, and
/// so does what is sent in a few of them.
const EXPECTED: f64 = 10.0;
const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(4);
/// A trial is over when one of both explanations makes what was seen more likely than the other by e to this: Wald's
/// sequential test, wrong once in 50 times (Annals of Mathematical Statistics 16, 1945); or after this many packets and so
/// long, by whichever is more likely.
const LIKELIER: f64 = 4.0;
const FEWEST: u32 = 30;
/// Congestion is taken to leave this share of the losses at least: a path that cuts off is not exact.
const LEFT: f64 = 0.1;
/// A path that loses more than this by chance carries no call: no trial is needed.
const MOST_CHANCE: f64 = 0.4;
/// More than this of what was sent before is no trial, and there is another after a while.
const TOO_MUCH: f64 = 0.86;
/// After a trial that found nothing, the next has to wait: at first so long if it was none, so long if it found chance;
/// twice as long after each, up to the longest.
const AGAIN: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(160);
/// How fast what belongs to the path follows what is seen, for each window.
const FOLLOWS: f64 = 0.1;

/// Nothing of what was sent for so long arrived: nothing would have, however little it was.
const OUTAGE: Duration = Duration::from_millis(300);

/// Packets that got lost one after the other: a path that does not carry what is sent lets some of it through.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outage {
    /// When the first of them left, and the last, if there are any.
    span: Option<(Time, Time)>,
    /// How many of them were not counted yet.
    lost: u32,
}

impl Outage {
    pub(super) fn handle_loss(&mut self, sent: Time) {
        let (began, _) = *self.span.get_or_insert((sent, sent));
        self.span = Some((began, sent));
        self.lost = self.lost.saturating_add(1);
    }

    /// A packet arrived: how many got lost just before it, but for an outage.
    pub(super) fn handle_arrival(&mut self) -> u32 {
        let lost = self.count();
        self.span = None;
        lost
    }

    /// A report ends: how many losses it told of in the end, but for an outage.
    pub(super) fn count(&mut self) -> u32 {
        let lost = std::mem::take(&mut self.lost);
        let is_outage = self.span.is_some_and(|(first, last)| last.since(first) >= OUTAGE);
        if is_outage { 0 } else { lost }
    }
}

/// What came of a report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Nothing to do.
    Nothing,
    /// The losses of these bit/s, as they arrived when the trial began, were congestion.
    Congestion(f64),
}

/// What is being found out.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Whether losses are unexplained: in so many windows in a row they were.
    Watching { unexplained: u32 },
    /// How many they are while all is sent.
    Measuring,
    /// How many they are while less is sent.
    Trying(Trial),
}

#[derive(Clone, Copy, Debug)]
struct Trial {
    /// What is sent less of begins to be reported from here on.
    counts_from: Time,
    /// Whether a report has come since then: the first also tells of packets before.
    counts: bool,
    /// While all was sent.
    before: Share,
    /// Packets a second, while all was sent.
    sent: f64,
    /// bit/s
    arrived: f64,
}

/// Of so many packets, how many got lost.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    packets: u32,
    lost: u32,
}

impl Share {
    fn get(self) -> f64 {
        f64::from(self.lost.min(self.packets)) / f64::from(self.packets.max(1))
    }

    /// How likely it is, by the natural logarithm, if each packet is lost with this probability, between 0 and 1.
    fn log_likelihood(self, probability: f64) -> f64 {
        let lost = self.lost.min(self.packets);
        f64::from(lost) * libm::log(probability) + f64::from(self.packets - lost) * libm::log(1.0 - probability)
    }
}

/// Follows losses.
#[derive(Debug)]
pub(super) struct Losses {
    /// When what is counted now began to be, but for reports that do not count.
    began: Time,
    reported: Time,
    seen: Share,
    /// Of the latest window.
    share: f64,
    inherent: f64,
    phase: Phase,
    next_trial: Time,
    pause: Duration,
    again: Duration,
}

impl Default for Losses {
    fn default() -> Self {
        Self {
            began: Time::default(),
            reported: Time::default(),
            seen: Share::default(),
            share: 0.0,
            inherent: 0.0,
            phase: Phase::Watching { unexplained: 0 },
            next_trial: Time::default(),
            pause: SHORTEST_PAUSE,
            again: AGAIN,
        }
    }
}

impl Losses {
    /// Share of the latest window that was lost, 0 to 1.
    pub(super) fn share(&self) -> f64 {
        self.share
    }

    /// Share that is lost whatever is sent, 0 to .5.
    pub(super) fn inherent(&self) -> f64 {
        self.inherent
    }

    /// Whether less is to be sent, by [`TRIAL`].
    pub(super) fn is_trying(&self) -> bool {
        matches!(self.phase, Phase::Trying(_))
    }

    /// Much more is sent from now on: what a trial is to be compared with is measured at one rate.
    pub(super) fn handle_rise(&mut self, now: Time) {
        if matches!(self.phase, Phase::Measuring) {
            (self.seen, self.began) = (Share::default(), now);
        }
    }

    /// A packet that was reported as lost has arrived after all.
    pub(super) fn handle_late_arrival(&mut self) {
        self.seen.lost = self.seen.lost.saturating_sub(1);
    }

    /// Packets were reported, some of them as lost, while a queue stood or not; `arrived` is what arrives,
    /// bit/s, and `answer` how long it takes until a change of what is sent is reported.
    pub(super) fn handle_report(
        &mut self,
        now: Time,
        counts: Counts,
        has_queue: bool,
        arrived: f64,
        answer: Duration,
    ) -> Verdict {
        let passed = now.since(std::mem::replace(&mut self.reported, now));
        if let Phase::Trying(trial) = &mut self.phase
            && !trial.counts
        {
            if now >= trial.counts_from {
                (trial.counts, trial.counts_from, self.began) = (true, now, now);
            }
            return Verdict::Nothing;
        }
        if counts.probed {
            // Who probes asks for losses: they say nothing of the rate at which all else is sent.
            self.began = self.began + passed;
            return Verdict::Nothing;
        }
        self.seen.packets = self.seen.packets.saturating_add(counts.packets);
        self.seen.lost = self.seen.lost.saturating_add(counts.lost);
        match self.phase {
            Phase::Watching { unexplained } => self.watch(now, unexplained, has_queue, arrived),
            Phase::Measuring => {
                self.measure(now, has_queue, arrived, answer);
                Verdict::Nothing
            }
            Phase::Trying(trial) => self.judge(now, trial, has_queue),
        }
    }

    fn watch(&mut self, now: Time, unexplained: u32, has_queue: bool, arrived: f64) -> Verdict {
        if self.seen.packets < PACKETS || now.since(self.began) < WINDOW {
            return Verdict::Nothing;
        }
        let (seen, _) = self.close_window(now);
        let share = seen.get();
        if share > MOST_CHANCE {
            self.phase = Phase::Watching { unexplained: 0 };
            return Verdict::Congestion(arrived);
        }
        // With a queue it is congestion, which the queue tells of.
        let is_unexplained = !has_queue && share > self.most_explained(seen);
        if !has_queue && !is_unexplained {
            self.follow(share);
        }
        let unexplained = if is_unexplained { unexplained + 1 } else { 0 };
        self.phase = if unexplained >= WINDOWS && now >= self.next_trial {
            Phase::Measuring
        } else {
            Phase::Watching { unexplained: unexplained.min(WINDOWS) }
        };
        Verdict::Nothing
    }

    /// The largest share of so many packets that what belongs to the path explains.
    fn most_explained(&self, seen: Share) -> f64 {
        let likely = self.inherent.max(TOLERATED);
        let chance = DEVIATIONS * (likely * (1.0 - likely) / f64::from(seen.packets.max(1))).sqrt();
        self.inherent + TOLERATED.max(chance)
    }

    fn measure(&mut self, now: Time, has_queue: bool, arrived: f64, answer: Duration) {
        if has_queue {
            (self.phase, self.seen, self.began) = (Phase::Watching { unexplained: 0 }, Share::default(), now);
            return;
        }
        let measured = now.since(self.began);
        let is_enough = f64::from(self.seen.lost) >= EXPECTED && self.seen.packets >= PACKETS && measured >= SHORTEST;
        if !is_enough && measured < LONGEST {
            return;
        }
        let (before, sent) = self.close_window(now);
        self.phase = if before.get() > self.most_explained(before) {
            Phase::Trying(Trial { counts_from: now + answer, counts: false, before, sent, arrived })
        } else {
            self.follow(before.get());
            Phase::Watching { unexplained: 0 }
        };
    }

    fn judge(&mut self, now: Time, trial: Trial, has_queue: bool) -> Verdict {
        let lasted = now.since(self.began);
        if self.seen.packets < FEWEST || lasted < WINDOW {
            return Verdict::Nothing;
        }
        let chance = trial.before.get().min(MOST_CHANCE);
        let sent = f64::from(self.seen.packets) / lasted.as_secs_f64();
        // As much would arrive as before.
        let congestion = (1.0 - (1.0 - chance) * trial.sent / sent).clamp(LEFT * chance, chance);
        let likelier = self.seen.log_likelihood(chance) - self.seen.log_likelihood(congestion);
        let is_none = sent > trial.sent * TOO_MUCH;
        let longest = if is_none { SHORTEST } else { LONGEST };
        if likelier.abs() < LIKELIER && lasted < longest {
            return Verdict::Nothing;
        }
        let (seen, _) = self.close_window(now);
        self.phase = Phase::Watching { unexplained: 0 };
        if is_none {
            // The rate was rising, or what is sent knows no target: it was not less.
            self.next_trial = now + self.again;
            self.again = (self.again * 2).min(LONGEST_PAUSE);
            return Verdict::Nothing;
        }
        self.again = AGAIN;
        self.next_trial = now + self.pause;
        if likelier < 0.0 {
            self.pause = SHORTEST_PAUSE;
            self.next_trial = now;
            return Verdict::Congestion(trial.arrived);
        }
        if !has_queue {
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            let both = Share { packets: seen.packets + trial.before.packets, lost: seen.lost + trial.before.lost };
            self.inherent = both.get().min(0.5);
        }
        Verdict::Nothing
    }

    /// What was counted, and how many packets a second it were.
    fn close_window(&mut self, now: Time) -> (Share, f64) {
        let seen = std::mem::take(&mut self.seen);
        let sent = f64::from(seen.packets) / now.since(self.began).as_secs_f64().max(0.001);
        (self.share, self.began) = (seen.get(), now);
        (seen, sent)
    }

    fn follow(&mut self, share: f64) {
        self.inherent = (self.inherent + FOLLOWS * (share - self.inherent)).clamp(0.0, 0.5);
    }
}

#[cfg(test)]
#[path = "losses_tests.rs"]
mod tests;
