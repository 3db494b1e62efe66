//! Packets that left in one burst, or arrived in one, count as one: only the differences between such groups tell of
//! queues. Follows libwebrtc's `inter_arrival_delta.cc` and draft-ietf-rmcat-gcc-02, 5.2.
//!
//! Packets that wait for a machine that does something else arrive together; as one group, they show no queue that
//! grew. So a stall of the receiver costs one late group, not a run of them.

/// Packets sent within this are one group: `delay_based_bwe.cc`, `kSendTimeGroupLength`.
const SENT_TOGETHER: i64 = 5_000;
/// So are packets that arrive this soon after the one before, sooner than they were sent: `inter_arrival_delta.cc`,
/// `kBurstDeltaThreshold`.
const ARRIVED_TOGETHER: i64 = 5_000;
/// Such a burst is no longer than this: the same file, `kMaxBurstDuration`.
const LONGEST_BURST: i64 = 100_000;
/// So many groups that arrive before the one before them mean that the receiver's clock jumped:
/// `inter_arrival_delta.h`, `kReorderedResetThreshold`.
const MOST_REORDERED: u32 = 3;
/// So does a difference of arrival times that is longer by this than it took reports to come: the same file,
/// `kArrivalTimeOffsetThreshold`.
const CLOCK_JUMP: i64 = 3_000_000;

/// When one packet was sent, when it arrived and when that became known; µs of three clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    pub(super) sent: i64,
    pub(super) arrived: i64,
    pub(super) known: i64,
}

/// How much later one group was sent, and how much later it arrived, than the group before it, µs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) sent: i64,
    pub(super) arrived: i64,
    /// When the later group was complete, by the receiver's clock.
    pub(super) at: i64,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: i64,
    last_sent: i64,
    first_arrived: i64,
    last_arrived: i64,
    known: i64,
}

/// Puts packets into groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    current: Option<Group>,
    previous: Option<Group>,
    reordered: u32,
}

impl Groups {
    /// Takes packets in the order of their arrival. Tells of two groups once the first packet of a third has come.
    pub(super) fn handle_packet(&mut self, packet: Timing) -> Option<Difference> {
        let new = Group {
            first_sent: packet.sent,
            last_sent: packet.sent,
            first_arrived: packet.arrived,
            last_arrived: packet.arrived,
            known: packet.known,
        };
        let Some(current) = &mut self.current else {
            self.current = Some(new);
            return None;
        };
        if packet.sent < current.first_sent {
            // Overtaken by later groups: tells nothing of their order.
            return None;
        }
        if current.takes(packet) {
            current.last_sent = current.last_sent.max(packet.sent);
            current.last_arrived = packet.arrived;
            current.known = packet.known;
            return None;
        }
        let complete = *current;
        let difference = match self.previous {
            Some(previous) => Some(self.difference(previous, complete)?),
            None => None,
        };
        (self.previous, self.current) = (Some(complete), Some(new));
        difference
    }

    /// `None`: the clock jumped or the groups came in another order; the packet is not taken.
    fn difference(&mut self, before: Group, after: Group) -> Option<Difference> {
        let arrived = after.last_arrived - before.last_arrived;
        if arrived - (after.known - before.known) >= CLOCK_JUMP {
            *self = Self::default();
            return None;
        }
        if arrived < 0 {
            self.reordered += 1;
            if self.reordered >= MOST_REORDERED {
                *self = Self::default();
            }
            return None;
        }
        self.reordered = 0;
        Some(Difference { sent: after.last_sent - before.last_sent, arrived, at: after.last_arrived })
    }
}

impl Group {
    fn takes(&self, packet: Timing) -> bool {
        packet.sent - self.first_sent <= SENT_TOGETHER || self.is_burst_with(packet)
    }

    fn is_burst_with(&self, packet: Timing) -> bool {
        let arrived = packet.arrived - self.last_arrived;
        let sent = packet.sent - self.last_sent;
        sent == 0
            || (arrived < sent && arrived <= ARRIVED_TOGETHER && packet.arrived - self.first_arrived < LONGEST_BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times in ms; what is known when.
    fn run(packets: &[(i64, i64)]) -> Vec<(i64, i64)> {
        let mut groups = Groups::default();
        packets
            .iter()
            .filter_map(|(sent, arrived)| {
                let packet = Timing { sent: sent * 1_000, arrived: arrived * 1_000, known: arrived * 1_000 };
                groups.handle_packet(packet)
            })
            .map(|difference| (difference.sent / 1_000, difference.arrived / 1_000))
            .collect()
    }

    #[test]
    fn packets_sent_within_5_ms_are_one_group() {
        assert_eq!(run(&[(0, 50), (4, 54), (10, 60), (15, 66), (30, 80)]), [(11, 12)]);
    }

    #[test]
    fn what_arrives_in_one_burst_after_a_stall_is_one_group() {
        // Arrivals stop at 60 and go on at 110.
        let packets = [(0, 50), (10, 60), (20, 110), (30, 110), (40, 110), (50, 110), (60, 110), (70, 120), (80, 130)];
        assert_eq!(run(&packets), [(10, 10), (50, 50), (10, 10)]);
    }

    #[test]
    fn a_clock_that_runs_backwards_or_jumps_is_begun_with_afresh() {
        assert_eq!(run(&[(0, 9_000), (10, 9_010), (20, 10), (30, 20), (40, 5), (50, 1), (60, 0), (70, 0)]), []);
        let mut groups = Groups::default();
        let mut told = 0;
        for (sent, arrived) in [(0, 0), (10, 10), (20, 4_000), (30, 4_010), (40, 4_020), (50, 4_030)] {
            let packet = Timing { sent: sent * 1_000, arrived: arrived * 1_000, known: sent * 1_000 };
            told += usize::from(groups.handle_packet(packet).is_some());
        }
        assert!(told <= 3, "the jump is not taken for a queue: {told}");
    }
}
