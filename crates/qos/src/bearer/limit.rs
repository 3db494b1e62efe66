//! How much an encoder may make, as far as the bearer is concerned.

use std::time::Duration;

use crate::Bitrate;

/// What waits for longer than this is held up: frames of 30 a second no longer leave one before the next.
const HELD_UP: Duration = Duration::from_millis(50);
/// What waits for so long, or longer, leaves the least share of what the bearer carries to what is new.
const LONG: Duration = Duration::from_millis(400);
/// These shares, in percent: the rest empties the queue.
const MOST_SHARE: u64 = 95;
const LEAST_SHARE: u64 = 60;
/// Not even a bearer that carries nothing makes it less: an encoder must make something for the bearer to show that it
/// carries again.
const LEAST: Bitrate = Bitrate::kbps(30);
/// The limit rises by this share of itself in a second, in percent: fast up to what the bearer once carried, then so
/// that two seconds pass before what waits shows that it was too much.
const FAST: u64 = 300;
const SLOW: u64 = 6;
/// "What it once carried" is this share of it, in percent...
const KNOWN_SHARE: u64 = 80;
/// ...and becomes less by this in a second, in percent.
const FORGOTTEN: u64 = 5;

/// Found where a bearer holds its sender up, and lifted where it does not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Limit {
    limit: Option<Bitrate>,
    carried: Bitrate,
}

impl Limit {
    pub(super) fn get(&self) -> Option<Bitrate> {
        self.limit
    }

    /// The bearer was busy for this long, carries so much, and what is sent last will have waited so long.
    pub(super) fn handle_busy(&mut self, time: Duration, rate: Bitrate, delay: Duration) {
        self.carried = rate.max(changed(self.carried, time, FORGOTTEN, Bitrate::saturating_sub));
        if delay <= HELD_UP {
            self.rise(time);
            return;
        }
        let (over, range) = (micros(delay.min(LONG) - HELD_UP), micros(LONG - HELD_UP));
        let share = MOST_SHARE - (MOST_SHARE - LEAST_SHARE) * over / range;
        self.limit = Some(rate.percent(share).max(LEAST));
    }

    /// The bearer had nothing to send for some of this time.
    pub(super) fn handle_free(&mut self, time: Duration) {
        self.rise(time);
    }

    /// A limit that is twice this no longer limits.
    pub(super) fn lift(&mut self, target: Bitrate) {
        self.limit = self.limit.filter(|limit| *limit < target.percent(200));
    }

    fn rise(&mut self, time: Duration) {
        let known = self.carried.percent(KNOWN_SHARE);
        self.limit = self.limit.map(|limit| {
            let share = if limit < known { FAST } else { SLOW };
            changed(limit, time, share, |limit, more| limit + more)
        });
    }
}

/// A rate changed by this share of itself for each second; a second at most counts.
fn changed(rate: Bitrate, time: Duration, percent: u64, change: fn(Bitrate, Bitrate) -> Bitrate) -> Bitrate {
    let time = micros(time).min(1_000_000);
    change(rate, Bitrate::bps(rate.percent(percent).as_bps().saturating_mul(time) / 1_000_000))
}

fn micros(time: Duration) -> u64 {
    time.as_micros() as u64
}
