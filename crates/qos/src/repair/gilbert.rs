//! Losses that come in bursts: a chain of two states, in one of which every packet is lost (Gilbert, "Capacity of a
//! burst-noise channel", 1960, with h = 0).

/// More is no network, and would leave nothing to choose.
const MOST_LOSS: f64 = 0.9;
/// Packets in a row: longer is an outage, which no redundancy bridges.
const LONGEST_BURST: f64 = 100.0;

/// A network that loses `loss` of its packets, `burst` in a row on average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gilbert {
    loss: f64,
    burst: f64,
}

impl Default for Gilbert {
    /// Loses nothing.
    fn default() -> Self {
        Self { loss: 0.0, burst: 1.0 }
    }
}

impl Gilbert {
    /// Loss is taken as 0 to 0.9; the burst's length as 1 to 100 packets, and at least so long that so much is lost.
    /// What is no number counts as the least.
    pub fn new(loss: f64, burst: f64) -> Self {
        let loss = bounded(loss, 0.0, MOST_LOSS);
        // Otherwise a burst would have to begin with more than every packet that arrives.
        let shortest = (loss / (1.0 - loss)).max(1.0);
        Self { loss, burst: bounded(burst, shortest, LONGEST_BURST) }
    }

    /// Losses that do not depend on each other.
    pub fn independent(loss: f64) -> Self {
        Self::new(loss, 1.0 / (1.0 - bounded(loss, 0.0, MOST_LOSS)))
    }

    /// Share of the packets that is lost, 0 to 0.9.
    pub fn loss(self) -> f64 {
        self.loss
    }

    /// Mean length of a burst in packets, 1 to 100.
    pub fn burst(self) -> f64 {
        self.burst
    }

    /// Probability that a burst begins after a packet that arrived, and that one goes on after one that did not.
    fn steps(self) -> (f64, f64) {
        (self.loss / (self.burst * (1.0 - self.loss)), 1.0 - 1.0 / self.burst)
    }

    /// Probability that a packet is lost if the one `distance` before it was.
    pub fn lost_again(self, distance: u32) -> f64 {
        let (begins, goes_on) = self.steps();
        let memory = (0..distance.min(1_000)).fold(1.0, |memory, _| memory * (goes_on - begins));
        (self.loss + (1.0 - self.loss) * memory).clamp(0.0, 1.0)
    }

    /// For each number of packets up to `most`, how likely each number of losses among so many in a row is
    /// (Elliott, "A model of the switched telephone network for data communications", 1965, by recursion).
    pub(super) fn losses(self, most: usize) -> Losses {
        let (begins, goes_on) = self.steps();
        let mut rows = vec![vec![1.0]];
        // After each packet: by the number of losses so far, split by whether the latest arrived.
        let (mut arrived, mut lost) = (vec![1.0 - self.loss, 0.0], vec![0.0, self.loss]);
        for _ in 0..most {
            rows.push(arrived.iter().zip(&lost).map(|(arrived, lost)| arrived + lost).collect());
            let pairs = || arrived.iter().copied().zip(lost.iter().copied());
            let next_arrived = pairs().map(|(arrived, lost)| arrived * (1.0 - begins) + lost * (1.0 - goes_on));
            let next_lost = pairs().map(|(arrived, lost)| arrived * begins + lost * goes_on);
            let next_arrived = next_arrived.chain([0.0]).collect();
            lost = std::iter::once(0.0).chain(next_lost).collect();
            arrived = next_arrived;
        }
        Losses(rows)
    }
}

/// `clamp` would keep what is no number.
fn bounded(value: f64, least: f64, most: f64) -> f64 {
    if value.is_nan() { least } else { value.clamp(least, most) }
}

/// How many of how many packets are lost how often.
#[derive(Clone, Debug)]
pub(super) struct Losses(Vec<Vec<f64>>);

impl Losses {
    /// Probability of each number of losses, from 0 on, among `packets` in a row. Nothing beyond what was asked for.
    pub(super) fn of(&self, packets: usize) -> &[f64] {
        self.0.get(packets).map_or(&[], Vec::as_slice)
    }

    /// Probability that more than `most` of `packets` in a row are lost.
    pub(super) fn more_than(&self, most: usize, packets: usize) -> f64 {
        self.of(packets).iter().skip(most + 1).sum::<f64>().min(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_of_a_row_are_those_that_counting_all_patterns_gives() {
        let model = Gilbert::new(0.1, 2.5);
        let (begins, goes_on) = model.steps();
        for packets in 1..=10_usize {
            let mut counted = vec![0.0; packets + 1];
            for pattern in 0..1_u32 << packets {
                let mut likely = if pattern & 1 == 1 { 0.1 } else { 0.9 };
                for index in 1..packets {
                    let after = if pattern >> (index - 1) & 1 == 1 { goes_on } else { begins };
                    likely *= if pattern >> index & 1 == 1 { after } else { 1.0 - after };
                }
                counted[pattern.count_ones() as usize] += likely;
            }
            let losses = model.losses(10);
            assert!(losses.of(packets).iter().zip(&counted).all(|(a, b)| (a - b).abs() < 1e-12), "{packets}");
            assert!((losses.more_than(0, packets) - counted[1..].iter().sum::<f64>()).abs() < 1e-12);
        }
    }

    #[test]
    fn independent_losses_do_not_depend_on_the_distance() {
        let model = Gilbert::independent(0.2);
        assert!((0..10).skip(1).all(|distance| (model.lost_again(distance) - 0.2).abs() < 1e-12));
        assert!((model.losses(3).of(3)[3] - 0.008).abs() < 1e-12);
        let bursty = Gilbert::new(0.2, 4.0);
        assert!(bursty.lost_again(1) > 0.7 && bursty.lost_again(50) < 0.2001);
    }

    #[test]
    fn whatever_is_claimed_becomes_a_network() {
        for loss in [f64::NAN, -1.0, 0.0, 0.3, 0.9, 5.0, f64::INFINITY] {
            for burst in [f64::NAN, -1.0, 0.0, 1.0, 7.0, 1e9, f64::INFINITY] {
                let model = Gilbert::new(loss, burst);
                let (begins, goes_on) = model.steps();
                assert!((0.0..=1.0).contains(&begins) && (0.0..1.0).contains(&goes_on), "{model:?}");
                let losses = model.losses(20);
                assert!((losses.of(20).iter().sum::<f64>() - 1.0).abs() < 1e-9, "{model:?}");
                assert!((0.0..=1.0).contains(&Gilbert::independent(loss).lost_again(3)));
            }
        }
    }
}
