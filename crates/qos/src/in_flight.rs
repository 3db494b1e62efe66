//! What a controller knows of the packets on their way.

use std::collections::VecDeque;

use crate::{PacketResult, SentPacket, Time};

/// More packets than this are not counted, the oldest are taken as arrived: as many as [`SendHistory`](crate::SendHistory)
/// remembers.
const MOST: usize = 8_192;

/// Counts bytes on their way as [`SendHistory::in_flight`](crate::SendHistory::in_flight) does, from what a controller is
/// told: it knows packets that leave by their time only. Bounded: 8,192 packets, 128 KiB.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    packets: VecDeque<(Time, u32)>,
    bytes: u64,
}

impl InFlight {
    pub(crate) fn handle_sent(&mut self, packet: &SentPacket) {
        if self.packets.len() >= MOST {
            self.forget_oldest();
        }
        // No datagram is longer.
        let size = packet.size.min(u16::MAX.into());
        self.packets.push_back((packet.at, size));
        self.bytes += u64::from(size);
    }

    /// What left before the latest packet that arrived is no longer on its way.
    pub(crate) fn handle_report(&mut self, results: &[PacketResult]) {
        let arrived = results.iter().filter(|result| result.received.is_some());
        let Some(latest) = arrived.max_by_key(|result| result.sequence) else { return };
        while self.packets.front().is_some_and(|(at, _)| *at < latest.sent.at) {
            self.forget_oldest();
        }
        // Of those that left in the same moment, as many as are reported.
        let same = |result: &&PacketResult| result.sent.at == latest.sent.at && result.sequence <= latest.sequence;
        for _ in 0..results.iter().filter(same).count() {
            if self.packets.front().is_some_and(|(at, _)| *at == latest.sent.at) {
                self.forget_oldest();
            }
        }
    }

    /// Bytes on their way, IP and UDP headers included.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn forget_oldest(&mut self) {
        if let Some((_, size)) = self.packets.pop_front() {
            self.bytes -= u64::from(size);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Ecn;

    fn packet(ms: u64, size: u32) -> SentPacket {
        let at = Time::since_start(Duration::from_millis(ms));
        SentPacket { at, size, probe: None, is_media: true }
    }

    fn result(sent: SentPacket, sequence: u64, arrived: bool) -> PacketResult {
        PacketResult { sent, sequence, received: arrived.then_some(Duration::ZERO), ecn: Ecn::NotEct }
    }

    #[test]
    fn packets_of_one_moment_are_told_apart_by_their_number() {
        let packets = [packet(0, 100), packet(1, 200), packet(1, 200), packet(1, 200), packet(2, 800)];
        let mut in_flight = InFlight::default();
        packets.iter().for_each(|packet| in_flight.handle_sent(packet));
        assert_eq!(in_flight.bytes(), 1_500);
        in_flight.handle_report(&[result(packets[0], 0, false)]);
        assert_eq!(in_flight.bytes(), 1_500, "a loss alone says nothing of what came after it");
        in_flight.handle_report(&[result(packets[1], 1, false), result(packets[2], 2, true)]);
        assert_eq!(in_flight.bytes(), 1_000);
        in_flight.handle_report(&[result(packets[3], 3, true)]);
        assert_eq!(in_flight.bytes(), 800);
        in_flight.handle_report(&[result(packets[1], 1, true)]);
        assert_eq!(in_flight.bytes(), 800);
    }

    #[test]
    fn what_is_counted_is_bounded() {
        let mut in_flight = InFlight::default();
        for ms in 0..2 * MOST as u64 {
            in_flight.handle_sent(&packet(ms, u32::MAX));
        }
        assert_eq!(in_flight.bytes(), MOST as u64 * 65_535);
    }
}
