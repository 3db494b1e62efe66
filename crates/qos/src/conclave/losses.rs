//! Tells losses of chance from losses of congestion, by experiment.
//!
//! Losses that come with a queue are congestion, and the queue says so first. Losses without one are either chance (a
//! radio link) or a path that cuts off what is too much (a policer, a short buffer). Nothing in a single report tells
//! them apart, but a trial does: send a fifth less for a while. If a fifth less arrives, it was chance, and the share that
//! is lost is believed to belong to the path from then on. If as much arrives as before, or far less is lost, it was
//! congestion, and what arrived before is all that the path carries.

use std::time::Duration;

use crate::Time;

/// A share is taken from so many packets at least, and from this long.
const PACKETS: u32 = 50;
const WINDOW: Duration = Duration::from_millis(300);
/// Losses are unexplained if they exceed what belongs to the path by this much (less disturbs a picture little, and
/// repair takes care of it) and by two standard deviations.
const TOLERATED: f64 = 0.03;
const DEVIATIONS: f64 = 2.0;
/// A trial begins after so many windows with unexplained losses in a row.
const WINDOWS: u32 = 2;
/// How much is sent during a trial.
pub(super) const TRIAL: f64 = 0.8;
/// A trial is over when chance would have lost so many packets, or after this long.
const EXPECTED: f64 = 8.0;
const LONGEST_TRIAL: Duration = Duration::from_secs(4);
/// If the losses have come this much of the way from what chance would leave to what congestion would, it was congestion
/// (with eight expected and none left by congestion, chance does that once in 25 times).
const FELL: f64 = 0.55;
/// A path that loses more than this by chance carries no call: no trial is needed.
const MOST_CHANCE: f64 = 0.4;
/// More than this of what was sent before is no trial, and there is another after this.
const TOO_MUCH: f64 = 0.86;
const AGAIN: Duration = Duration::from_secs(1);
/// After a trial that found chance, the next has to wait; twice as long after each, up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(160);
/// How fast what belongs to the path follows what is seen, for each window.
const FOLLOWS: f64 = 0.1;

/// What came of a report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Nothing to do.
    Nothing,
    /// The losses of these bit/s, as they arrived when the trial began, were congestion.
    Congestion(f64),
}

#[derive(Clone, Copy, Debug)]
struct Trial {
    /// What is sent less of begins to be reported from here on.
    counts_from: Time,
    /// Whether a report has come since then: the first also tells of packets before.
    counts: bool,
    began: Time,
    share: f64,
    /// Packets a second.
    sent: f64,
    /// bit/s
    arrived: f64,
}

/// Follows losses.
#[derive(Debug)]
pub(super) struct Losses {
    began: Time,
    packets: u32,
    lost: u32,
    /// Of the latest window.
    share: f64,
    inherent: f64,
    unexplained: u32,
    trial: Option<Trial>,
    next_trial: Time,
    pause: Duration,
}

impl Default for Losses {
    fn default() -> Self {
        Self {
            began: Time::default(),
            packets: 0,
            lost: 0,
            share: 0.0,
            inherent: 0.0,
            unexplained: 0,
            trial: None,
            next_trial: Time::default(),
            pause: SHORTEST_PAUSE,
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
        self.trial.is_some()
    }

    /// A packet that was reported as lost has arrived after all.
    pub(super) fn handle_late_arrival(&mut self) {
        self.lost = self.lost.saturating_sub(1);
    }

    /// So many packets were reported and so many of them as lost, while a queue stood or not; `arrived` is what arrives,
    /// bit/s, and `answer` how long it takes until a change of what is sent is reported.
    pub(super) fn handle_report(
        &mut self,
        now: Time,
        (packets, lost): (u32, u32),
        has_queue: bool,
        arrived: f64,
        answer: Duration,
    ) -> Verdict {
        if let Some(trial) = &mut self.trial
            && !trial.counts
        {
            if now >= trial.counts_from {
                (trial.counts, trial.counts_from) = (true, now);
            }
            return Verdict::Nothing;
        }
        self.packets = self.packets.saturating_add(packets);
        self.lost = self.lost.saturating_add(lost);
        if let Some(trial) = self.trial {
            return self.judge(now, trial, has_queue);
        }
        if self.packets < PACKETS || now.since(self.began) < WINDOW {
            return Verdict::Nothing;
        }
        let count = f64::from(self.packets);
        let sent = self.sent(now, self.began);
        let share = self.close_window(now);
        let likely = self.inherent.max(TOLERATED);
        let chance = DEVIATIONS * (likely * (1.0 - likely) / count).sqrt();
        if share > MOST_CHANCE {
            self.unexplained = 0;
            return Verdict::Congestion(arrived);
        }
        if has_queue {
            // Congestion, which the queue tells of.
            self.unexplained = 0;
        } else if share <= self.inherent + TOLERATED.max(chance) {
            self.unexplained = 0;
            self.follow(share);
        } else {
            self.unexplained += 1;
            if self.unexplained >= WINDOWS && now >= self.next_trial {
                self.unexplained = 0;
                let counts_from = now + answer;
                self.trial = Some(Trial { counts_from, counts: false, began: now, share, sent, arrived });
            }
        }
        Verdict::Nothing
    }

    fn judge(&mut self, now: Time, trial: Trial, has_queue: bool) -> Verdict {
        let expected = f64::from(self.packets) * trial.share;
        let is_over = expected >= EXPECTED || now.since(trial.began) > LONGEST_TRIAL;
        if !is_over || now.since(trial.counts_from) < WINDOW {
            return Verdict::Nothing;
        }
        let sent = self.sent(now, trial.counts_from);
        let share = self.close_window(now);
        self.trial = None;
        self.next_trial = now + self.pause;
        if sent > trial.sent * TOO_MUCH {
            // The rate was rising: it was not less that was sent.
            self.next_trial = now + AGAIN;
            return Verdict::Nothing;
        }
        // As much would arrive as before.
        let by_congestion = (1.0 - (1.0 - trial.share) * trial.sent / sent.max(1.0)).max(0.0);
        if share < trial.share - FELL * (trial.share - by_congestion) {
            self.pause = SHORTEST_PAUSE;
            self.next_trial = now;
            return Verdict::Congestion(trial.arrived);
        }
        if !has_queue {
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            // Of two, the one without a burst.
            self.inherent = share.min(trial.share).min(0.5);
        }
        Verdict::Nothing
    }

    /// Packets a second, sent since then.
    fn sent(&self, now: Time, since: Time) -> f64 {
        f64::from(self.packets) / now.since(since).as_secs_f64().max(0.001)
    }

    fn close_window(&mut self, now: Time) -> f64 {
        self.share = f64::from(self.lost.min(self.packets)) / f64::from(self.packets.max(1));
        (self.began, self.packets, self.lost) = (now, 0, 0);
        self.share
    }

    fn follow(&mut self, share: f64) {
        self.inherent = (self.inherent + FOLLOWS * (share - self.inherent)).clamp(0.0, 0.5);
    }
}

#[cfg(test)]
#[path = "losses_tests.rs"]
mod tests;
