//! Whether media is sent as such that takes congestion marks (ECN).

use std::time::Duration;

use conclave_qos::{Ecn, PacketResult, Time};

/// So many packets in a row that were reported without a mark, or lost, end it for good: somebody on the way takes marks
/// off, or drops what has them (RFC 6679, section 7). At the beginning they are half a
/// second of pictures.
const UNMARKED: u32 = 50;
/// If no report comes for so long after the first packet, what is marked may not arrive.
const SILENCE: Duration = Duration::from_secs(2);

/// Finds out whether the path carries marks, by trying.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marking {
    /// When the first packet with a mark left.
    since: Option<Time>,
    is_heard: bool,
    unmarked: u32,
    has_failed: bool,
}

impl Marking {
    /// How media is marked that leaves now.
    pub fn mark(&mut self, now: Time) -> Ecn {
        let since = *self.since.get_or_insert(now);
        self.has_failed |= !self.is_heard && now.since(since) > SILENCE;
        if self.has_failed { Ecn::NotEct } else { Ecn::Ect1 }
    }

    /// What became of packets.
    pub fn handle_results(&mut self, results: &[PacketResult]) {
        let Some(since) = self.since else { return };
        for result in results.iter().filter(|result| result.sent.at >= since) {
            self.is_heard = true;
            // One that was lost tells of no mark either.
            self.unmarked = if result.ecn == Ecn::NotEct { self.unmarked.saturating_add(1) } else { 0 };
            self.has_failed |= self.unmarked >= UNMARKED;
        }
    }
}

#[cfg(test)]
mod tests {
    use conclave_qos::SentPacket;

    use super::*;

    fn ms(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    fn results(at: Time, count: usize, ecn: Ecn, has_arrived: bool) -> Vec<PacketResult> {
        let sent = SentPacket { at, size: 1_200, probe: None, is_media: true };
        let received = has_arrived.then_some(Duration::ZERO);
        (0..count as u64).map(|sequence| PacketResult { sent, sequence, received, ecn }).collect()
    }

    #[test]
    fn what_arrives_marked_is_marked_on() {
        let mut marking = Marking::default();
        for now in 0..100 {
            assert_eq!(marking.mark(ms(now * 100)), Ecn::Ect1);
            marking.handle_results(&results(ms(now * 100), 49, Ecn::NotEct, now % 2 == 0));
            marking.handle_results(&results(ms(now * 100), 1, if now % 3 == 0 { Ecn::Ce } else { Ecn::Ect1 }, true));
        }
        assert_eq!(marking.mark(ms(20_000)), Ecn::Ect1);
    }

    #[test]
    fn where_marks_are_taken_off_or_what_has_them_is_lost_there_are_none_any_more() {
        for has_arrived in [true, false] {
            let mut marking = Marking::default();
            // What left before says nothing.
            marking.handle_results(&results(ms(0), 100, Ecn::NotEct, true));
            assert_eq!(marking.mark(ms(100)), Ecn::Ect1);
            marking.handle_results(&results(ms(99), 100, Ecn::NotEct, true));
            marking.handle_results(&results(ms(100), 49, Ecn::NotEct, has_arrived));
            assert_eq!(marking.mark(ms(200)), Ecn::Ect1);
            marking.handle_results(&results(ms(100), 1, Ecn::NotEct, has_arrived));
            assert_eq!(marking.mark(ms(200)), Ecn::NotEct);
            marking.handle_results(&results(ms(100), 1, Ecn::Ect1, true));
            assert_eq!(marking.mark(ms(300)), Ecn::NotEct, "for good");
        }
    }

    #[test]
    fn where_nothing_is_reported_at_all_there_are_none_any_more() {
        let mut marking = Marking::default();
        assert_eq!(marking.mark(ms(0)), Ecn::Ect1);
        assert_eq!(marking.mark(ms(2_000)), Ecn::Ect1);
        assert_eq!(marking.mark(ms(2_001)), Ecn::NotEct);
    }
}
