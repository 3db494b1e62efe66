//! How a network loses packets, measured.

use super::Gilbert;
use crate::PacketResult;

/// Packets that the measure remembers, so to say: older ones fade. At 300 packets per second, those of 14 s; with 5 %
/// loss in bursts of 2.5, some 80 bursts, so that both figures are right to about an eighth.
const MEMORY: f64 = 4_096.0;

/// The same of sound alone: at 50 packets per second, those of 10 s. The figures are coarser, but the first copies come
/// within a second of the losses that they are for.
const MEMORY_OF_SOUND: f64 = 512.0;

/// Share and burst length of losses, from what became of packets in order of sending.
#[derive(Clone, Debug)]
pub struct LossPattern {
    memory: f64,
    /// Faded counts.
    packets: f64,
    lost: f64,
    bursts: f64,
    was_lost: bool,
    /// The newest packet that was counted.
    newest: Option<u64>,
}

impl Default for LossPattern {
    fn default() -> Self {
        Self { memory: MEMORY, packets: 0.0, lost: 0.0, bursts: 0.0, was_lost: false, newest: None }
    }
}

impl LossPattern {
    /// Nothing is known yet, which counts as no loss.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of the packets of sounds alone, which are fewer, and spaced as the sounds are.
    pub fn of_sound() -> Self {
        Self { memory: MEMORY_OF_SOUND, ..Self::default() }
    }

    /// What became of the next packet.
    pub fn record(&mut self, is_lost: bool) {
        let mut was_lost = self.was_lost;
        self.record_after(&mut was_lost, is_lost);
        self.was_lost = was_lost;
    }

    /// What became of the next packet of one stream among several, whose bursts are counted each by itself: `was_lost` is
    /// what became of the one before it in the same stream, and is brought up to date.
    pub fn record_after(&mut self, was_lost: &mut bool, is_lost: bool) {
        let kept = 1.0 - 1.0 / self.memory;
        self.packets = self.packets * kept + 1.0;
        self.lost = self.lost * kept + if is_lost { 1.0 } else { 0.0 };
        self.bursts = self.bursts * kept + if is_lost && !*was_lost { 1.0 } else { 0.0 };
        *was_lost = is_lost;
    }

    /// What a report says, in order of sending. A packet counts once, so one that was reported as lost and came
    /// after all stays lost: for what has a deadline, that is true.
    pub fn handle_results(&mut self, results: &[PacketResult]) {
        for result in results {
            if self.newest.is_none_or(|newest| result.sequence > newest) {
                self.newest = Some(result.sequence);
                self.record(result.received.is_none());
            }
        }
    }

    /// The network that loses so.
    pub fn model(&self) -> Gilbert {
        if self.bursts <= 0.0 {
            return Gilbert::default();
        }
        Gilbert::new(self.lost / self.packets, self.lost / self.bursts)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Ecn, SentPacket, Time};

    #[test]
    fn share_and_length_of_bursts_come_out() {
        let mut pattern = LossPattern::new();
        assert_eq!(pattern.model(), Gilbert::default());
        // 3 in a row, of each 60.
        (0..60_000).for_each(|index| pattern.record(index % 60 < 3));
        let model = pattern.model();
        assert!((model.loss() - 0.05).abs() < 0.002 && (model.burst() - 3.0).abs() < 0.1, "{model:?}");
    }

    #[test]
    fn what_the_network_did_long_ago_fades() {
        let mut pattern = LossPattern::new();
        (0..5_000).for_each(|index| pattern.record(index % 2 == 0));
        assert!(pattern.model().loss() > 0.45);
        (0..20_000).for_each(|_| pattern.record(false));
        assert!(pattern.model().loss() < 0.01);
    }

    #[test]
    fn bursts_of_streams_side_by_side_are_those_of_each() {
        let mut pattern = LossPattern::of_sound();
        let mut before = [false; 3];
        for index in 0..3_000 {
            for stream in &mut before {
                pattern.record_after(stream, index % 20 < 2);
            }
        }
        let model = pattern.model();
        assert!((model.loss() - 0.1).abs() < 0.01 && (model.burst() - 2.0).abs() < 0.15, "{model:?}");
    }

    #[test]
    fn of_sound_the_first_second_of_losses_is_seen_and_ten_later_ones_forget_it() {
        let mut pattern = LossPattern::of_sound();
        (0..10_000).for_each(|_| pattern.record(false));
        (0..50).for_each(|index| pattern.record(index % 5 == 0));
        assert!(pattern.model().loss() > 0.015, "{:?}", pattern.model());
        (0..2_000).for_each(|_| pattern.record(false));
        assert!(pattern.model().loss() < 0.001, "{:?}", pattern.model());
    }

    #[test]
    fn a_packet_that_is_reported_twice_counts_once() {
        let mut pattern = LossPattern::new();
        let result = |sequence, received: Option<u64>| PacketResult {
            sent: SentPacket { at: Time::default(), size: 1_200, probe: None, is_media: true },
            sequence,
            received: received.map(Duration::from_millis),
            ecn: Ecn::NotEct,
        };
        pattern.handle_results(&[result(7, Some(1)), result(8, None), result(9, Some(2)), result(10, Some(3))]);
        pattern.handle_results(&[result(8, Some(9))]);
        let model = pattern.model();
        assert!((model.loss() - 0.25).abs() < 0.001 && model.burst() == 1.0, "{model:?}");
    }
}
