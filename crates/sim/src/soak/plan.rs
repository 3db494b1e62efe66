//! What happens in a soak run: everything is decided here, from the seed alone, before anything happens. However slow
//! the machine is, the same seed gives the same decisions.

use std::time::Duration;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::media::VideoCodec;

/// How large a wave is.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Rooms at the same time.
    pub rooms: usize,
    /// Seats of each room that people take, leave, and take again.
    pub seats: usize,
    /// Time in which people come and go; then everybody leaves.
    pub churn: Duration,
}

/// One wave: all that happens from an empty server to an empty server.
#[derive(Clone, Debug, PartialEq)]
pub struct Wave {
    /// The rooms.
    pub rooms: Vec<RoomPlan>,
}

/// What happens in one room.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomPlan {
    /// Codec of its pictures.
    pub codec: VideoCodec,
    /// Who sits there, and what each does.
    pub seats: Vec<SeatPlan>,
    /// A player without signalling (WHEP) comes and goes at these times.
    pub player: Option<(Duration, Duration)>,
}

/// What one person does.
#[derive(Clone, Debug, PartialEq)]
pub struct SeatPlan {
    /// The camera sends three layers instead of one.
    pub simulcast: bool,
    /// Pictures on the screen at most.
    pub tiles: usize,
    /// In the order of time.
    pub steps: Vec<Step>,
}

/// Something that a person does, or that happens to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Since the wave began.
    pub at: Duration,
    /// What.
    pub act: Act,
}

/// What happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// Comes in, and shows these seats.
    Join(Vec<usize>),
    /// Shows these seats, as far as somebody is there.
    Show(Vec<usize>),
    /// Switches microphone and camera.
    Send {
        /// The microphone is on.
        microphone: bool,
        /// The camera is on.
        camera: bool,
    },
    /// Gets another port, and another address if there is a number for it.
    Move(Option<u8>),
    /// Its network begins to lose this share of packets; 1: all.
    Lose(f64),
    /// Its network is good again.
    Recover,
    /// Says that it leaves.
    Leave,
    /// Is gone without a word.
    Vanish,
}

/// Everybody comes within this time, so that all waves begin alike.
const ARRIVALS: Duration = Duration::from_millis(1_500);
/// Mean time between two acts of one person.
const PAUSE: f64 = 1.6;
/// The longest time that a network carries nothing: shorter than a server may take for the end.
const MOST_SILENCE: f64 = 2.0;

impl Wave {
    /// The wave of this number.
    pub fn new(seed: u64, number: usize, shape: Shape) -> Self {
        let mut random =
            ChaCha8Rng::seed_from_u64(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number as u64));
        Self { rooms: (0..shape.rooms).map(|room| RoomPlan::new(&mut random, number + room, shape)).collect() }
    }

    /// How many things happen.
    pub fn steps(&self) -> usize {
        self.rooms.iter().flat_map(|room| &room.seats).map(|seat| seat.steps.len()).sum()
    }
}

impl RoomPlan {
    fn new(random: &mut ChaCha8Rng, number: usize, shape: Shape) -> Self {
        let codec = if number.is_multiple_of(2) { VideoCodec::Vp8 } else { VideoCodec::H264 };
        let seats = (0..shape.seats).map(|own| SeatPlan::new(random, own, shape)).collect();
        let comes = ARRIVALS + shape.churn.saturating_sub(ARRIVALS).mul_f64(random.random_range(0.0..0.4));
        let goes = comes + shape.churn.saturating_sub(comes).mul_f64(random.random_range(0.5..1.0));
        Self { codec, seats, player: random.random_bool(0.5).then_some((comes, goes)) }
    }
}

impl SeatPlan {
    fn new(random: &mut ChaCha8Rng, own: usize, shape: Shape) -> Self {
        let tiles = random.random_range(1..=shape.seats.saturating_sub(1).clamp(1, 9));
        let mut writer = Writer { random, own, seats: shape.seats, tiles, steps: Vec::new(), end: shape.churn };
        writer.write();
        let steps = writer.steps;
        Self { simulcast: random.random_bool(0.6), tiles, steps }
    }
}

/// Writes one person's part.
struct Writer<'a> {
    random: &'a mut ChaCha8Rng,
    own: usize,
    seats: usize,
    tiles: usize,
    steps: Vec<Step>,
    end: Duration,
}

impl Writer<'_> {
    fn write(&mut self) {
        let mut at = ARRIVALS.mul_f64(self.random.random());
        let join = Act::Join(self.view());
        self.add(at, join);
        loop {
            // Exponential: acts fall together now and then.
            at += Duration::from_secs_f64((-self.random.random_range(0.001_f64..1.0).ln() * PAUSE).clamp(0.05, 8.0));
            if at >= self.end {
                return;
            }
            at = self.act(at);
        }
    }

    /// Writes an act, and what belongs to it; returns when that is over.
    fn act(&mut self, at: Duration) -> Duration {
        match self.random.random_range(0..100) {
            0..40 => {
                let view = Act::Show(self.view());
                self.add(at, view)
            }
            40..60 => {
                let (microphone, camera) = (self.random.random_bool(0.7), self.random.random_bool(0.7));
                self.add(at, Act::Send { microphone, camera })
            }
            60..74 => {
                let address = self.random.random_bool(0.5).then(|| self.random.random_range(2..250));
                self.add(at, Act::Move(address))
            }
            74..86 => {
                let is_gone = self.random.random_bool(0.4);
                let loss = if is_gone { 1.0 } else { self.random.random_range(0.02..0.15) };
                let time = self.random.random_range(0.2..MOST_SILENCE);
                self.add(at, Act::Lose(loss));
                self.add(at + Duration::from_secs_f64(time), Act::Recover)
            }
            end => {
                let act = if end < 94 { Act::Leave } else { Act::Vanish };
                self.add(at, act);
                let back = at + Duration::from_secs_f64(self.random.random_range(0.1..2.0));
                let join = Act::Join(self.view());
                self.add(back, join)
            }
        }
    }

    fn add(&mut self, at: Duration, act: Act) -> Duration {
        if at < self.end {
            self.steps.push(Step { at, act });
        }
        at
    }

    fn view(&mut self) -> Vec<usize> {
        let others: Vec<_> = (0..self.seats).filter(|seat| *seat != self.own).collect();
        let shown = self.random.random_range(0..=self.tiles);
        others.choose_multiple(self.random, shown).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { rooms: 3, seats: 6, churn: Duration::from_secs(12) };

    #[test]
    fn a_seed_decides_everything_and_another_seed_something_else() {
        assert_eq!(Wave::new(7, 3, SHAPE), Wave::new(7, 3, SHAPE));
        assert_ne!(Wave::new(7, 3, SHAPE), Wave::new(8, 3, SHAPE));
        assert_ne!(Wave::new(7, 3, SHAPE), Wave::new(7, 4, SHAPE));
    }

    #[test]
    fn whoever_acts_is_inside_and_whoever_comes_is_outside() {
        for seed in 0..200 {
            for seat in Wave::new(seed, 0, SHAPE).rooms.iter().flat_map(|room| &room.seats) {
                let mut inside = false;
                assert!(seat.steps.is_sorted_by_key(|step| step.at));
                for Step { act, at } in &seat.steps {
                    assert!(*at < SHAPE.churn);
                    assert_eq!(inside, !matches!(act, Act::Join(_)), "seed {seed}");
                    if let Act::Join(view) | Act::Show(view) = act {
                        assert!(view.len() <= seat.tiles && view.iter().all(|seat| *seat < SHAPE.seats));
                    }
                    inside = !matches!(act, Act::Leave | Act::Vanish);
                }
            }
        }
    }

    #[test]
    fn everything_that_can_happen_happens() {
        let steps = (0..10).flat_map(|wave| Wave::new(1, wave, SHAPE).rooms);
        let acts: Vec<_> = steps.flat_map(|room| room.seats).flat_map(|seat| seat.steps).map(|step| step.act).collect();
        let kinds: std::collections::HashSet<_> = acts.iter().map(std::mem::discriminant).collect();
        assert_eq!(kinds.len(), 8);
    }
}
