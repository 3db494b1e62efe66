//! Which requests a sender has to answer.

use std::time::Duration;

use crate::Time;

/// Packets whose sending is remembered: no request for older ones is answered. A power of two.
const REMEMBERED: usize = 1_024;

#[derive(Clone, Copy, Debug)]
struct Sent {
    sequence: u64,
    at: Time,
    answered: Option<Time>,
}

/// Remembers when the latest 1,024 packets left, and when requests for them were answered.
///
/// A request says what its sender had not when it asked, half a round trip ago. So what had left less than a round trip
/// ago could not be there, and what was answered less than a round trip ago may still come: neither is sent again.
/// That makes it safe to ask early, and to send each request twice, which is cheap where a lost one costs a frame.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// The packet numbered `s` is at `s % REMEMBERED`.
    ring: Vec<Option<Sent>>,
}

impl Answers {
    /// Nothing was sent. Takes no memory before the first packet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A packet left for the first time, under this number (without wrapping).
    pub fn handle_sent(&mut self, now: Time, sequence: u64) {
        self.ring.resize(REMEMBERED, None);
        if let Some(place) = self.ring.get_mut(index(sequence)) {
            *place = Some(Sent { sequence, at: now, answered: None });
        }
    }

    /// A packet was asked for. Says whether to answer; then the answer is taken as sent.
    ///
    /// `round_trip` is the shortest that the path has: with a longer one, requests that are justified are ignored.
    pub fn handle_request(&mut self, now: Time, round_trip: Duration, sequence: u64) -> bool {
        let sent = self.ring.get_mut(index(sequence)).and_then(Option::as_mut);
        let Some(sent) = sent.filter(|sent| sent.sequence == sequence) else { return false };
        let latest = sent.answered.unwrap_or(sent.at);
        let is_due = now >= latest + round_trip;
        if is_due {
            sent.answered = Some(now);
        }
        is_due
    }

    /// Whether this packet was sent again less than so long ago.
    pub fn was_answered(&self, now: Time, round_trip: Duration, sequence: u64) -> bool {
        let sent = self.ring.get(index(sequence)).copied().flatten().filter(|sent| sent.sequence == sequence);
        sent.and_then(|sent| sent.answered).is_some_and(|answered| now < answered + round_trip)
    }
}

fn index(sequence: u64) -> usize {
    (sequence % REMEMBERED as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUND_TRIP: Duration = Duration::from_millis(60);

    fn at(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    #[test]
    fn what_may_still_come_is_not_sent_again() {
        let mut answers = Answers::new();
        answers.handle_sent(at(10), 5);
        assert!(!answers.handle_request(at(69), ROUND_TRIP, 5), "could not be there when it was asked for");
        assert!(answers.handle_request(at(70), ROUND_TRIP, 5));
        assert!(answers.was_answered(at(129), ROUND_TRIP, 5) && !answers.was_answered(at(130), ROUND_TRIP, 5));
        assert!(!answers.handle_request(at(71), ROUND_TRIP, 5), "the same request once more");
        assert!(answers.handle_request(at(130), ROUND_TRIP, 5), "the answer was lost");
    }

    #[test]
    fn what_was_never_sent_or_long_ago_is_not_answered() {
        let mut answers = Answers::new();
        assert!(!answers.handle_request(at(1_000), ROUND_TRIP, 5) && !answers.was_answered(at(0), ROUND_TRIP, 5));
        (0..2_000).for_each(|sequence| answers.handle_sent(at(sequence), sequence));
        assert!(!answers.handle_request(at(9_000), ROUND_TRIP, 2_000));
        assert!(!answers.handle_request(at(9_000), ROUND_TRIP, 975));
        assert!(answers.handle_request(at(9_000), ROUND_TRIP, 976));
        assert!(!answers.handle_request(at(9_000), ROUND_TRIP, u64::MAX));
    }
}
