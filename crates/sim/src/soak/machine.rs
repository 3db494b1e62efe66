//! What the machine did not give: while threads wait for a processor, or all stands still, nobody can be blamed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use conclave_qos::Time;

use crate::measure::Starvation;

/// Between two looks at the machine.
pub(super) const TICK: Duration = Duration::from_millis(250);
/// How far back it is known when time was lost: longer than anybody may be missed.
const KEPT: Duration = Duration::from_secs(60);

/// Time that was lost to whoever is judged. Without I/O.
#[derive(Clone, Debug, Default)]
pub struct Lost {
    /// The first look.
    began: Option<Time>,
    /// Looks, oldest first, each with all that was lost until then.
    looks: VecDeque<(Time, Duration)>,
}

impl Lost {
    /// At this moment it was seen that so much has been lost. Together that is never more than all the time since the
    /// first look.
    pub fn note(&mut self, now: Time, lost: Duration) {
        let began = *self.began.get_or_insert(now);
        self.looks.push_back((now, (self.total() + lost).min(now.since(began))));
        while self.looks.get(1).is_some_and(|(at, _)| now.since(*at) > KEPT) {
            self.looks.pop_front();
        }
    }

    /// All that was lost.
    pub fn total(&self) -> Duration {
        self.looks.back().map_or(Duration::ZERO, |(_, all)| *all)
    }

    /// What was given from one moment to another. When exactly something was lost between two looks is not known: in
    /// the worst place for whoever was waiting.
    pub fn given(&self, from: Time, to: Time) -> Duration {
        let next = self.looks.partition_point(|(at, _)| *at <= from);
        let before = next.checked_sub(1).and_then(|index| self.looks.get(index));
        let before = before.or(self.looks.front()).map_or(Duration::ZERO, |(_, all)| *all);
        to.since(from).saturating_sub(self.total() - before)
    }
}

/// Looks at what the machine gives to the server and to this process. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    epoch: Instant,
    looked: Arc<Mutex<Looked>>,
}

#[derive(Debug)]
struct Looked {
    starvation: Starvation,
    at: Time,
    lost: Lost,
}

impl Machine {
    /// `server`: its process. Time counts from `epoch` on.
    pub(super) fn new(epoch: Instant, server: u32) -> Self {
        let starvation = Starvation::new(vec![server, std::process::id()]);
        let at = Time::since_start(epoch.elapsed());
        let mut lost = Lost::default();
        lost.note(at, Duration::ZERO);
        Self { epoch, looked: Arc::new(Mutex::new(Looked { starvation, at, lost })) }
    }

    /// Now, since the epoch.
    pub(super) fn now(&self) -> Time {
        Time::since_start(self.epoch.elapsed())
    }

    /// Looks, [`TICK`] after the last time if the machine allows it: what comes later than that was lost, and so was the
    /// time for which threads that were behind with their work have waited, of one after the other, since what one waits
    /// for another may have to send.
    pub(super) fn look(&self) {
        let now = self.now();
        let mut looked = self.looked();
        let late = now.since(looked.at).saturating_sub(TICK);
        let behind = looked.starvation.since_last_look();
        looked.lost.note(now, late.max(behind));
        looked.at = now;
    }

    /// What was lost so far.
    pub(super) fn lost(&self) -> Lost {
        self.looked().lost.clone()
    }

    /// What has been given since a moment.
    pub(super) fn given(&self, since: Time) -> Duration {
        self.looked().lost.given(since, self.now())
    }

    /// Everything is whole after each change.
    fn looked(&self) -> MutexGuard<'_, Looked> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn what_was_lost_is_taken_off_what_went_by_and_nothing_else() {
        let mut lost = Lost::default();
        assert_eq!(lost.given(at(100), at(700)), ms(600));
        lost.note(at(0), ms(0));
        for (now, taken) in [(250, 0), (500, 100), (750, 0), (1_000, 250), (1_250, 0)] {
            lost.note(at(now), ms(taken));
        }
        assert_eq!(lost.total(), ms(350));
        assert_eq!(lost.given(at(0), at(1_300)), ms(950));
        assert_eq!(lost.given(at(250), at(1_250)), ms(650));
        assert_eq!(lost.given(at(600), at(1_250)), ms(400));
        assert_eq!(lost.given(at(1_000), at(1_250)), ms(250));
    }

    #[test]
    fn no_more_is_lost_than_went_by_however_many_threads_have_waited() {
        let mut lost = Lost::default();
        lost.note(at(1_000), ms(0));
        lost.note(at(1_250), ms(4_000));
        assert_eq!((lost.total(), lost.given(at(1_000), at(1_250))), (ms(250), ms(0)));
    }

    #[test]
    fn what_was_lost_long_ago_is_not_kept() {
        let mut lost = Lost::default();
        for tick in 0..100_000 {
            lost.note(at(tick * 250), ms(10));
        }
        assert!(lost.looks.len() < 300);
        assert_eq!(lost.given(at(24_990_000), at(24_999_750)), ms(9_750 - 39 * 10));
    }
}
