//! From what was counted to rates and losses.

use std::collections::VecDeque;
use std::time::Duration;

use conclave_media::stats::Traffic;
use conclave_proto::AdminFlow;

/// Seconds over which losses are looked at: clients report them once in a second or two, in lumps.
const WINDOW: usize = 5;

/// Which way packets go: what is lost was counted as sent, and was not counted as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From the client.
    Received,
    /// To the client.
    Sent,
}

/// One stream's counts of the last seconds.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    way: Way,
    /// Oldest first; never more than [`WINDOW`] + 1.
    counts: VecDeque<(Duration, Traffic)>,
}

impl Meter {
    /// Of a stream that has carried nothing before this moment.
    pub(super) fn new(way: Way, at: Duration) -> Self {
        Self { way, counts: VecDeque::from([(at, Traffic::default())]) }
    }

    /// Takes in what has been counted so far. Less than before means that counting began anew.
    pub(super) fn update(&mut self, at: Duration, traffic: Traffic) {
        match self.counts.back() {
            Some((last, _)) if at <= *last => return,
            Some((last, before)) if traffic.packets < before.packets => {
                let last = *last;
                self.counts.clear();
                self.counts.push_back((last, Traffic::default()));
            }
            _ => {}
        }
        if self.counts.len() > WINDOW {
            self.counts.pop_front();
        }
        self.counts.push_back((at, traffic));
    }

    /// There is nothing to measure any more; takes no memory until there is.
    pub(super) fn end(&mut self) {
        self.counts = VecDeque::new();
    }

    /// Bytes that it takes besides its own size.
    pub(super) fn bytes(&self) -> usize {
        self.counts.capacity() * size_of::<(Duration, Traffic)>()
    }

    /// The rate since the last update, and the loss of the last seconds.
    pub(super) fn flow(&self) -> AdminFlow {
        let mut newest = self.counts.iter().rev();
        let (Some((now, count)), Some((then, before)), Some((_, first))) =
            (newest.next(), newest.next(), self.counts.front())
        else {
            return AdminFlow::default();
        };
        let seconds = now.saturating_sub(*then).as_secs_f64();
        // Neither grows beyond what a network card carries in a second.
        let per_second = |now: u64, then: u64| now.saturating_sub(then) as f64 / seconds;
        AdminFlow {
            rate_bps: (per_second(count.bytes, before.bytes) * 8.0).round() as u64,
            packets: per_second(count.packets, before.packets).round() as u32,
            loss_permille: self.loss(count, first),
        }
    }

    fn loss(&self, now: &Traffic, then: &Traffic) -> u16 {
        let lost = now.lost.saturating_sub(then.lost);
        let packets = now.packets.saturating_sub(then.packets);
        permille(lost, if self.way == Way::Sent { packets } else { packets + lost })
    }
}

/// A share in tenths of a percent, at most 1,000; of nothing it is nothing.
pub(super) fn permille(part: u64, whole: u64) -> u16 {
    // At most 1,000.
    (part.saturating_mul(1_000) + whole / 2).checked_div(whole).unwrap_or(0).min(1_000) as u16
}

/// Several flows together; losses weigh as much as their packets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sum {
    rate_bps: u64,
    packets: u64,
    lost: u64,
}

impl Sum {
    pub(super) fn add(&mut self, flow: AdminFlow) {
        self.rate_bps += flow.rate_bps;
        self.packets += u64::from(flow.packets);
        self.lost += u64::from(flow.packets) * u64::from(flow.loss_permille);
    }

    pub(super) fn flow(self) -> AdminFlow {
        AdminFlow {
            rate_bps: self.rate_bps,
            packets: u32::try_from(self.packets).unwrap_or(u32::MAX),
            loss_permille: permille(self.lost, self.packets * 1_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(way: Way, counts: &[(u64, u64, u64)]) -> AdminFlow {
        let mut meter = Meter::new(way, Duration::ZERO);
        for &(seconds, packets, lost) in counts {
            meter.update(Duration::from_secs(seconds), Traffic { packets, bytes: packets * 125, lost });
        }
        meter.flow()
    }

    #[test]
    fn a_rate_is_that_of_the_time_between_two_looks() {
        let flow = meter(Way::Sent, &[(1, 100, 0), (3, 500, 0)]);
        assert_eq!(flow, AdminFlow { rate_bps: 200_000, packets: 200, loss_permille: 0 });
        assert_eq!(meter(Way::Sent, &[]), AdminFlow::default());
    }

    #[test]
    fn what_was_lost_is_part_of_what_was_sent_but_not_of_what_was_received() {
        let counts = [(1, 100, 0), (2, 200, 50)];
        assert_eq!(meter(Way::Sent, &counts).loss_permille, 250);
        assert_eq!(meter(Way::Received, &counts).loss_permille, 200);
    }

    #[test]
    fn a_loss_is_forgotten_after_some_seconds() {
        let mut counts = vec![(1, 100, 100)];
        counts.extend((2..=6).map(|second| (second, second * 100, 100)));
        assert_eq!(meter(Way::Sent, &counts).loss_permille, 0);
    }

    #[test]
    fn counts_that_begin_anew_are_no_negative_rate() {
        let flow = meter(Way::Sent, &[(1, 1_000, 7), (2, 2_000, 9), (3, 10, 0)]);
        assert_eq!(flow, AdminFlow { rate_bps: 10_000, packets: 10, loss_permille: 0 });
    }

    #[test]
    fn together_losses_weigh_as_much_as_their_packets() {
        let mut sum = Sum::default();
        sum.add(AdminFlow { rate_bps: 1, packets: 900, loss_permille: 0 });
        sum.add(AdminFlow { rate_bps: 2, packets: 100, loss_permille: 500 });
        assert_eq!(sum.flow(), AdminFlow { rate_bps: 3, packets: 1_000, loss_permille: 50 });
    }
}
