//! Which earlier sounds a packet carries beside its own (RFC 2198).

use super::Gilbert;

/// Earlier sounds in one packet, at most. Four of 20 ms and 80 bytes make a packet of 420: still one datagram, but
/// five times the rate.
pub const MAX_COPIES: usize = 4;
/// No earlier sound is further back, in packets: what RED can tell, 341 ms at 48 kHz, holds 17 of 20 ms, and to look
/// at more than 2^8 choices gains nothing.
const FURTHEST: u32 = 8;

/// Further copies are worth waiting for if so much less is lost with them. What the measured length of bursts is off by
/// makes less of a difference.
const WORTH_WAITING: f64 = 0.8;

/// Distances, in packets, of the earlier sounds to carry.
///
/// Losses that come alone need the nearest; bursts need distance. The receiver has to wait as long as the furthest is
/// away, whenever something is missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Bit `d - 1`: the sound `d` packets before.
    chosen: u8,
}

impl Copies {
    /// The fewest with which at most `lost` (0 to 1) of the sounds are lost, of those the nearest, which the receiver waits
    /// for the least; if no choice does, the one with which fewest are, unless a nearer one does nearly as well.
    ///
    /// `furthest` is how far back a copy is of use: the receiver's delay, less the network's jitter, in packets; taken
    /// as 8 at most. `most` is how many copies the rate allows, taken as [`MAX_COPIES`] at most. Nothing is carried
    /// while nothing is lost.
    pub fn choose(losses: Gilbert, furthest: u32, most: usize, lost: f64) -> Self {
        let all = ((1_u32 << furthest.min(FURTHEST)) - 1) as u8;
        let most = most.min(MAX_COPIES);
        let mut best = (Self::default(), losses.loss());
        for chosen in (1..=u8::MAX).filter(|chosen| chosen & !all == 0) {
            let copies = Self { chosen };
            if copies.count() > most {
                continue;
            }
            let rest = copies.lost(losses);
            // Nearer ones were looked at before: their bits are lower.
            let is_better = match (rest <= lost, best.1 <= lost) {
                (true, true) => copies.count() < best.0.count(),
                (false, false) => rest < best.1 * WORTH_WAITING,
                (enough, _) => enough,
            };
            if is_better {
                best = (copies, rest);
            }
        }
        best.0
    }

    /// Distances, the furthest first, as RED wants its blocks.
    pub fn distances(self) -> impl Iterator<Item = u32> {
        (1..=FURTHEST).rev().filter(move |distance| self.chosen >> (distance - 1) & 1 == 1)
    }

    /// How many.
    pub fn count(self) -> usize {
        self.chosen.count_ones() as usize
    }

    /// Share of the sounds that is lost all the same: themselves and all copies.
    pub fn lost(self, losses: Gilbert) -> f64 {
        let (_, lost) = (1..=FURTHEST)
            .filter(|distance| self.chosen >> (distance - 1) & 1 == 1)
            .fold((0, losses.loss()), |(before, lost), distance| {
                (distance, lost * losses.lost_again(distance - before))
            });
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distances(losses: Gilbert, furthest: u32, lost: f64) -> Vec<u32> {
        Copies::choose(losses, furthest, MAX_COPIES, lost).distances().collect()
    }

    #[test]
    fn nothing_is_carried_where_nothing_or_little_is_lost() {
        assert_eq!(distances(Gilbert::default(), 8, 0.002), [] as [u32; 0]);
        assert_eq!(distances(Gilbert::independent(0.001), 8, 0.002), [] as [u32; 0]);
    }

    #[test]
    fn the_more_is_lost_the_more_is_carried() {
        let count = |loss| distances(Gilbert::independent(loss), 5, 0.002).len();
        assert_eq!([0.01, 0.04, 0.10, 0.20, 0.28].map(count), [1, 1, 2, 3, 4]);
        // More than can be repaired: as much as can.
        assert_eq!(count(0.5), 4);
    }

    #[test]
    fn bursts_are_met_with_distance() {
        let chosen = distances(Gilbert::new(0.05, 3.0), 8, 0.01);
        assert!(chosen.len() == 1 && chosen[0] > 4, "{chosen:?}");
        let bounded = Copies::choose(Gilbert::new(0.05, 3.0), 3, 1, 0.0001);
        assert_eq!(bounded.distances().collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn a_measure_that_is_a_little_off_sends_no_sound_further_than_it_needs() {
        // As losses that do not depend on each other are measured: 1.25 in a row.
        for burst in [1.25, 1.28, 1.32] {
            assert_eq!(distances(Gilbert::new(0.2, burst), 8, 0.003), [3, 2, 1], "{burst}");
        }
    }

    #[test]
    fn limits_hold_for_whatever_is_asked() {
        for loss in [f64::NAN, -1.0, 0.3, 2.0] {
            for furthest in [0, 1, 8, u32::MAX] {
                for most in [0, 1, 4, usize::MAX] {
                    let copies = Copies::choose(Gilbert::new(loss, 2.0), furthest, most, f64::NAN);
                    assert!(copies.count() <= most.min(MAX_COPIES));
                    assert!(copies.distances().all(|distance| distance <= furthest));
                }
            }
        }
    }
}
