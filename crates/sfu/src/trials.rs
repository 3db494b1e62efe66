//! Whether larger pictures may be tried on a leg again.
//!
//! Some networks let bursts through at a multiple of what they carry (a token bucket does), so no estimate tells what a
//! larger picture will meet: only sending it does. Each trial that had to be given up soon makes the next one wait longer.

use std::time::Duration;

use crate::rtp::{LayerIndex, Time};

/// A larger picture that had to give way within this time was too much; one that stayed for so long was not.
const TRIAL: Duration = Duration::from_secs(10);
const LASTS: Duration = Duration::from_secs(30);
/// From when one was given up to the next; doubles up to the longest, which is for how long a network that was freed may
/// stay unused.
const SHORTEST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(40);

/// What came of larger pictures on one leg.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trials {
    /// When a picture last became larger, as long as nothing came of it.
    began: Option<Time>,
    /// Until when none may, and for how long that was decided.
    pause: Option<(Time, Duration)>,
}

impl Trials {
    /// Whether pictures may become larger.
    pub fn may_begin(&self, now: Time) -> bool {
        self.pause.is_none_or(|(until, _)| now >= until)
    }

    /// The allocation of a picture changed because of the network. One that comes back from nothing tries nothing.
    pub fn changed(&mut self, now: Time, from: Option<LayerIndex>, to: Option<LayerIndex>) {
        if to < from {
            if self.began.take().is_some_and(|began| now.since(began) < TRIAL) {
                let pause = self.pause.map_or(SHORTEST_PAUSE, |(_, pause)| (pause * 2).min(LONGEST_PAUSE));
                self.pause = Some((now + pause, pause));
            }
        } else if from.is_some() && to > from {
            if self.began.is_some_and(|began| now.since(began) >= LASTS) {
                self.pause = None;
            }
            self.began = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Option<LayerIndex> = Some(LayerIndex::LOW);
    const LARGE: Option<LayerIndex> = Some(LayerIndex::HIGH);

    fn at(seconds: u64) -> Time {
        Time::since_start(Duration::from_secs(seconds))
    }

    #[test]
    fn each_trial_that_is_given_up_makes_the_next_wait_longer() {
        let mut trials = Trials::default();
        let mut now = 0;
        for pause in [10, 20, 40, 40] {
            assert!(trials.may_begin(at(now)));
            trials.changed(at(now), SMALL, LARGE);
            trials.changed(at(now + 2), LARGE, SMALL);
            assert!(!trials.may_begin(at(now + 2 + pause - 1)), "{pause}");
            now += 2 + pause;
        }
    }

    #[test]
    fn what_stayed_was_no_trial_when_the_network_becomes_slower_later() {
        let mut trials = Trials::default();
        trials.changed(at(0), SMALL, LARGE);
        trials.changed(at(11), LARGE, SMALL);
        assert!(trials.may_begin(at(11)));
    }

    #[test]
    fn one_that_lasts_ends_the_distrust() {
        let mut trials = Trials::default();
        for (now, from, to) in [(0, SMALL, LARGE), (1, LARGE, SMALL), (21, SMALL, LARGE), (22, LARGE, SMALL)] {
            trials.changed(at(now), from, to);
        }
        assert!(!trials.may_begin(at(41)) && trials.may_begin(at(42)));
        trials.changed(at(42), SMALL, Some(LayerIndex::MIDDLE));
        trials.changed(at(100), Some(LayerIndex::MIDDLE), LARGE);
        trials.changed(at(101), LARGE, SMALL);
        assert!(!trials.may_begin(at(110)) && trials.may_begin(at(111)), "as at first");
    }

    #[test]
    fn a_picture_that_comes_back_from_nothing_is_no_trial() {
        let mut trials = Trials::default();
        trials.changed(at(0), None, SMALL);
        trials.changed(at(1), SMALL, None);
        assert!(trials.may_begin(at(1)));
    }
}
