//! What a link carries, and when a packet has left it: exact to the bit, whatever the rate does meanwhile.

use conclave_qos::{Bitrate, Time};

use crate::units::{SECOND, at, micros};

/// What one bit needs: at a rate of `r` bit/s, a microsecond brings `r` of these.
const BIT: u128 = SECOND as u128;

/// The rate of a link over time, as steps.
#[derive(Clone, Debug)]
pub struct Capacity {
    /// Since when, and how much, in order of time; the first begins at 0.
    steps: Vec<(Time, Bitrate)>,
    /// The step that held when last asked.
    current: usize,
    /// When the last packet had left, and what was over of that microsecond, in parts of a bit.
    left: (Time, u128),
}

impl Capacity {
    /// Steps in order of time. Before the first step its rate holds; with no step at all nothing is carried.
    pub fn new(mut steps: Vec<(Time, Bitrate)>) -> Self {
        steps.sort_by_key(|(since, _)| *since);
        Self { steps, current: 0, left: (Time::default(), 0) }
    }

    /// What is carried at a time that is not before the last one asked for.
    pub fn rate(&mut self, now: Time) -> Bitrate {
        while self.steps.get(self.current + 1).is_some_and(|(since, _)| *since <= now) {
            self.current += 1;
        }
        self.steps.get(self.current).map_or(Bitrate::ZERO, |(_, rate)| *rate)
    }

    /// When a packet of this many bytes has left that begins to leave now; `None` if never.
    ///
    /// What a packet did not need of its last microsecond is the next one's, if that follows at once: over time exactly the
    /// link's rate leaves.
    pub fn finish(&mut self, now: Time, bytes: u32) -> Option<Time> {
        self.rate(now);
        let mut needed = u128::from(bytes) * 8 * BIT;
        if self.left.0 == now {
            needed = needed.saturating_sub(self.left.1);
        }
        let mut since = micros(now);
        for index in self.current.. {
            let rate = u128::from(self.steps.get(index)?.1.as_bps());
            let until = self.steps.get(index + 1).map_or(u64::MAX, |(since, _)| micros(*since));
            let brings = u128::from(until.saturating_sub(since)) * rate;
            if rate > 0 && brings >= needed {
                let takes = needed.div_ceil(rate);
                // Not more than `until`, which is 64 bits.
                let finished = at(since + takes as u64);
                self.left = (finished, takes * rate - needed);
                return Some(finished);
            }
            needed -= brings;
            since = since.max(until);
        }
        None
    }

    /// Bits that can leave from the one time to the other.
    pub fn carried(&self, from: Time, until: Time) -> u64 {
        let mut bits = 0;
        let first = self.steps.partition_point(|(since, _)| *since <= from).saturating_sub(1);
        for (index, (since, rate)) in self.steps.iter().enumerate().skip(first) {
            let begin = if index == 0 { from } else { from.max(*since) };
            let end = self.steps.get(index + 1).map_or(until, |(next, _)| until.min(*next));
            if begin >= until {
                break;
            }
            bits += u128::from(micros(end).saturating_sub(micros(begin))) * u128::from(rate.as_bps()) / BIT;
        }
        // Rates of 64 bits over the minutes of a run fit.
        u64::try_from(bits).unwrap_or(u64::MAX)
    }

    /// Since when, and how much.
    pub fn steps(&self) -> &[(Time, Bitrate)] {
        &self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capacity(steps: &[(u64, u64)]) -> Capacity {
        Capacity::new(steps.iter().map(|(since, rate)| (at(*since), Bitrate::bps(*rate))).collect())
    }

    #[test]
    fn packets_leave_at_exactly_the_rate_of_the_link() {
        // 1,200 bytes at 7 Mbit/s take 1,371.43 µs.
        let mut capacity = capacity(&[(0, 7_000_000)]);
        let mut now = at(0);
        for _ in 0..7_000 {
            now = capacity.finish(now, 1_200).expect("it carries");
        }
        assert_eq!(micros(now), 7_000 * 1_200 * 8 / 7);
    }

    #[test]
    fn a_packet_on_its_way_takes_the_new_rate_when_the_rate_changes() {
        let mut capacity = capacity(&[(0, 1_000_000), (4_000, 250_000), (8_000, 0), (20_000, 2_000_000)]);
        // 4 ms bring 500 bytes, 4 ms more 125, and the rest of 375 takes 1.5 ms at the end.
        assert_eq!(capacity.finish(at(0), 1_000), Some(at(21_500)));
    }

    #[test]
    fn an_idle_link_saves_nothing_for_later() {
        let mut capacity = capacity(&[(0, 1_000_000)]);
        assert_eq!(capacity.finish(at(0), 125), Some(at(1_000)));
        assert_eq!(capacity.finish(at(10_000), 125), Some(at(11_000)));
    }

    #[test]
    fn a_link_that_ends_carries_nothing_more() {
        let mut capacity = capacity(&[(0, 1_000_000), (500, 0)]);
        assert_eq!(capacity.finish(at(0), 125), None);
        assert_eq!(Capacity::new(Vec::new()).finish(at(0), 1), None);
    }

    #[test]
    fn what_could_be_carried_is_the_sum_over_the_steps() {
        let capacity = capacity(&[(0, 1_000_000), (1_000_000, 3_000_000), (2_000_000, 500_000)]);
        assert_eq!(capacity.carried(at(0), at(3_000_000)), 4_500_000);
        assert_eq!(capacity.carried(at(500_000), at(1_500_000)), 2_000_000);
        assert_eq!(capacity.carried(at(5_000_000), at(7_000_000)), 1_000_000);
    }
}
