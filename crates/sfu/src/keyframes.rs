//! When a stream's sender is asked for a key frame.

use std::time::Duration;

use crate::rtp::Time;

/// Least time between two requests for the same stream. A key frame takes a round trip and some
/// frame times to come; asking again earlier makes two of them.
const INTERVAL: Duration = Duration::from_millis(500);

/// Least time between two requests of which the first was answered, for a slot that waits: somebody else has come, who
/// shall see a picture soon. Encoders give about three key frames a second (libwebrtc waits 300 ms).
const INTERVAL_ANSWERED: Duration = Duration::from_millis(250);

/// The same when the key frame came but could not be used, because its beginning came too late. It was answered, so
/// whoever waits asks again; the tenth of a second is about a round trip, in which more of what is late may come.
const INTERVAL_MISSED: Duration = Duration::from_millis(100);

/// After this many requests in vain the interval is doubled, and again after as many.
const PATIENCE: u32 = 6;

/// How often a receiver's request is passed on before it counts as lost; receivers repeat theirs.
const RECEIVER_ATTEMPTS: u8 = 3;

/// Joins the wishes of all who need a key frame of one stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyframeRequests {
    asked_at: Option<Time>,
    unanswered: u32,
    for_receivers: u8,
    /// The last key frame was of no use to somebody who waits.
    is_missed: bool,
    /// Among the streams that are looked at with time.
    pub is_watched: bool,
}

impl KeyframeRequests {
    /// A receiver cannot decode. Unlike a slot that waits, it does not stand by to be asked.
    pub fn want(&mut self) {
        self.for_receivers = RECEIVER_ATTEMPTS;
    }

    /// A receiver's wish stands.
    pub fn is_wanted(&self) -> bool {
        self.for_receivers > 0
    }

    /// A key frame came.
    pub fn arrived(&mut self) {
        self.unanswered = 0;
        self.for_receivers = 0;
        self.is_missed = false;
    }

    /// The key frame that came was of no use to somebody who waits for one.
    pub fn missed(&mut self) {
        self.is_missed = true;
    }

    /// Whether to ask now; if so, it is taken as asked. `waiting`: a slot waits for a key frame.
    pub fn take(&mut self, now: Time, waiting: bool) -> bool {
        let interval = match self.unanswered {
            0 if waiting && self.is_missed => INTERVAL_MISSED,
            0 if waiting => INTERVAL_ANSWERED,
            unanswered => INTERVAL * (1 << (unanswered / PATIENCE).min(2)),
        };
        let too_early = self.asked_at.is_some_and(|at| now.since(at) < interval);
        if too_early || !(waiting || self.is_wanted()) {
            return false;
        }
        self.asked_at = Some(now);
        self.unanswered = self.unanswered.saturating_add(1);
        self.for_receivers = self.for_receivers.saturating_sub(1);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    #[test]
    fn many_wishes_become_one_request_and_later_ones_wait_for_the_interval() {
        let mut requests = KeyframeRequests::default();
        requests.want();
        requests.want();
        assert!(requests.take(at(0), false));
        assert!(!requests.take(at(100), true));
        assert!(!requests.take(at(499), true));
        assert!(requests.take(at(500), true));
    }

    #[test]
    fn a_request_is_repeated_until_the_key_frame_comes() {
        let mut requests = KeyframeRequests::default();
        requests.want();
        assert!(requests.take(at(0), false) && requests.take(at(500), false));
        requests.arrived();
        assert!(!requests.take(at(1_000), false));
    }

    #[test]
    fn a_wish_after_the_key_frame_is_kept_until_the_interval_allows_it() {
        let mut requests = KeyframeRequests::default();
        assert!(requests.take(at(0), true));
        requests.arrived();
        requests.want();
        assert!(!requests.take(at(300), false));
        assert!(requests.take(at(500), false));
    }

    #[test]
    fn who_comes_after_the_key_frame_waits_less_for_the_next_than_who_lost_it() {
        let mut requests = KeyframeRequests::default();
        assert!(requests.take(at(0), true));
        requests.arrived();
        assert!(!requests.take(at(249), true) && requests.take(at(250), true));
        assert!(!requests.take(at(500), true), "it has not come yet");
    }

    #[test]
    fn a_stream_that_never_answers_is_asked_less_and_less_often() {
        let mut requests = KeyframeRequests::default();
        let asked = (0..60_000).step_by(100).filter(|ms| requests.take(at(*ms), true)).count();
        assert!((30..45).contains(&asked), "{asked}");
    }
}
