//! Who gets how much of a leg's bandwidth.
//!
//! Each picture has up to three layers of known rate, and a worth: more for a more important picture,
//! less for each further layer. [`allocate`] finds the layers that fit and are worth most together (a
//! multiple-choice knapsack), by dynamic programming over the budget in [`STEPS`] steps.
//!
//! Two rules keep it calm. What is sent already is weighed against the whole estimate, what would be
//! more against [`RAISE_PERCENT`] of it. And a picture that may not rise (it fell a short time ago)
//! does not, see [`crate::layers::Steadiness`].

use crate::rtp::{Bitrate, LayerIndex};

/// One picture that wants to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Picture {
    /// What each layer costs; none where the source does not have it.
    pub rates: [Option<Bitrate>; LayerIndex::COUNT],
    /// More than this the tile cannot show.
    pub wanted: LayerIndex,
    /// 0 to 3, as in the protocol's `View`.
    pub priority: u8,
    /// What was allocated the last time.
    pub current: Option<LayerIndex>,
    /// Whether it may get more than that.
    pub may_rise: bool,
    /// Whether it may at least get its smallest layer, where it had none.
    pub may_resume: bool,
}

/// In how many steps the budget is searched. Costs are exact; only which of two nearly equal states
/// is kept depends on it.
const STEPS: usize = 256;

/// Share of the estimate that may be used to send more than now.
const RAISE_PERCENT: u64 = 90;

/// What the smallest layer of a picture is worth, by priority: somebody who is shown large in full
/// quality is worth a handful of others, not all of them.
const PRIORITY_WORTH: [u64; 4] = [10, 40, 160, 640];

/// What a layer is worth, in percent of the smallest.
const LAYER_WORTH: [u64; LayerIndex::COUNT] = [100, 160, 200];

/// A picture that loses must be outweighed by this much, in percent, to make room for another.
const SWAP_PERCENT: u64 = 125;

impl Picture {
    /// Whether this layer is no more of a change than the picture may make now.
    fn may_get(&self, layer: LayerIndex) -> bool {
        let resumes = || self.may_resume && self.options().next().is_some_and(|(smallest, _)| smallest == layer);
        self.may_rise || Some(layer) <= self.current || resumes()
    }

    /// The layers that could be sent: those up to the wanted one or else the smallest there is.
    fn options(&self) -> impl Iterator<Item = (LayerIndex, Bitrate)> + '_ {
        let smallest = LayerIndex::ALL.into_iter().find(|layer| self.rates[layer.index()].is_some());
        LayerIndex::ALL.into_iter().filter_map(move |layer| {
            let allowed = layer <= self.wanted || Some(layer) == smallest;
            self.rates[layer.index()].filter(|_| allowed).map(|rate| (layer, rate))
        })
    }

    /// The best layer there is for this picture, and what it costs.
    pub fn best(&self) -> Option<(LayerIndex, Bitrate)> {
        self.options().last()
    }

    /// Worth of a layer for the picture at this position of the view. The position only decides
    /// between equals: the tenth picture is worth 1 % less than the first.
    pub fn worth(&self, layer: Option<LayerIndex>, position: usize) -> u64 {
        let Some(layer) = layer else { return 0 };
        let priority = PRIORITY_WORTH[usize::from(self.priority).min(PRIORITY_WORTH.len() - 1)];
        priority * LAYER_WORTH[layer.index()] * (1_000 - position.min(500) as u64)
    }
}

/// Chooses a layer for each of at most 32 pictures, most important first. None: it does not fit.
pub(crate) fn allocate(budget: Bitrate, pictures: &[Picture]) -> Choice {
    debug_assert!(pictures.len() <= Choice::CAPACITY);
    let raised = solve(budget.percent(RAISE_PERCENT), pictures, |picture, layer| picture.may_get(layer));
    let kept = solve(budget, pictures, |picture, layer| Some(layer) <= picture.current);
    let (mut gain, mut loss) = (0, 0);
    for (position, picture) in pictures.iter().enumerate() {
        let before = picture.worth(kept.get(position), position);
        let after = picture.worth(raised.get(position), position);
        gain += after.saturating_sub(before);
        loss += before.saturating_sub(after);
    }
    if gain * 100 > loss * SWAP_PERCENT { raised } else { kept }
}

/// A layer, or none, for each picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice(u64);

impl Choice {
    /// Two bits for each picture.
    pub const CAPACITY: usize = 32;

    pub fn get(self, position: usize) -> Option<LayerIndex> {
        match (self.0 >> (2 * position) & 3) as u8 {
            0 => None,
            layer => LayerIndex::new(layer - 1),
        }
    }

    fn with(self, position: usize, layer: LayerIndex) -> Self {
        Self(self.0 | (layer.index() as u64 + 1) << (2 * position))
    }
}

#[derive(Clone, Copy, Default)]
struct State {
    cost: u64,
    worth: u64,
    choice: Choice,
}

/// The layers of greatest worth among those that are allowed and together cost no more than the budget.
fn solve(budget: Bitrate, pictures: &[Picture], allowed: impl Fn(&Picture, LayerIndex) -> bool) -> Choice {
    let options = |picture: &'_ Picture| -> [Option<(LayerIndex, Bitrate)>; LayerIndex::COUNT] {
        let mut found = [None; LayerIndex::COUNT];
        picture.options().filter(|(layer, _)| allowed(picture, *layer)).for_each(|option| {
            found[option.0.index()] = Some(option);
        });
        found
    };
    let best: Bitrate = pictures.iter().filter_map(|p| options(p).into_iter().flatten().last()).map(|(_, r)| r).sum();
    if best <= budget {
        return pictures.iter().enumerate().fold(Choice::default(), |choice, (position, picture)| {
            options(picture).into_iter().flatten().last().map_or(choice, |(layer, _)| choice.with(position, layer))
        });
    }
    let budget = budget.as_bps();
    let step = |cost: u64| (u128::from(cost) * STEPS as u128 / u128::from(budget.max(1))) as usize;
    let mut states = [None; STEPS + 1];
    states[0] = Some(State::default());
    for (position, picture) in pictures.iter().enumerate() {
        let mut next = states;
        for (layer, rate) in options(picture).into_iter().flatten() {
            let worth = picture.worth(Some(layer), position);
            for state in states.iter().flatten() {
                let cost = state.cost.saturating_add(rate.as_bps());
                if cost > budget {
                    continue;
                }
                let candidate = State { cost, worth: state.worth + worth, choice: state.choice.with(position, layer) };
                let place: &mut Option<State> = &mut next[step(cost)];
                let better = place.is_none_or(|there| (candidate.worth, there.cost) > (there.worth, candidate.cost));
                if better {
                    *place = Some(candidate);
                }
            }
        }
        states = next;
    }
    let best = states.into_iter().flatten().max_by_key(|state| state.worth);
    best.map_or(Choice::default(), |state| state.choice)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn camera(priority: u8, wanted: LayerIndex) -> Picture {
        Picture {
            rates: [150, 500, 1_500].map(|k| Some(Bitrate::kbps(k))),
            wanted,
            priority,
            current: None,
            may_rise: true,
            may_resume: true,
        }
    }

    fn layers(budget_kbps: u64, pictures: &[Picture]) -> Vec<Option<u8>> {
        let choice = allocate(Bitrate::kbps(budget_kbps), pictures);
        (0..pictures.len()).map(|position| choice.get(position).map(|layer| layer.index() as u8)).collect()
    }

    fn cost(pictures: &[Picture], choice: Choice) -> u64 {
        let rate =
            |(position, picture): (usize, &Picture)| Some(picture.rates[choice.get(position)?.index()]?.as_bps());
        pictures.iter().enumerate().filter_map(rate).sum()
    }

    fn worth(pictures: &[Picture], choice: Choice) -> u64 {
        pictures.iter().enumerate().map(|(position, picture)| picture.worth(choice.get(position), position)).sum()
    }

    #[test]
    fn everybody_gets_what_the_tile_shows_when_there_is_room() {
        let pictures = [camera(2, LayerIndex::HIGH), camera(1, LayerIndex::MIDDLE), camera(0, LayerIndex::LOW)];
        assert_eq!(layers(10_000, &pictures), [Some(2), Some(1), Some(0)]);
    }

    #[test]
    fn the_first_of_equals_comes_first() {
        let pictures = [camera(1, LayerIndex::HIGH); 3];
        assert_eq!(layers(900, &pictures), [Some(1), Some(0), Some(0)]);
    }

    #[test]
    fn the_pinned_person_keeps_quality_and_the_others_a_picture() {
        let mut pictures = [camera(1, LayerIndex::MIDDLE); 4];
        pictures[2].priority = 2;
        assert_eq!(layers(1_100, &pictures), [Some(0), Some(0), Some(1), Some(0)]);
    }

    #[test]
    fn a_shared_screen_comes_before_everybody() {
        let mut screen = camera(3, LayerIndex::HIGH);
        screen.rates = [Some(Bitrate::kbps(800)), None, None];
        let pictures = [screen, camera(2, LayerIndex::HIGH), camera(1, LayerIndex::HIGH)];
        assert_eq!(layers(900, &pictures), [Some(0), None, None]);
    }

    #[test]
    fn when_not_even_the_smallest_fits_there_is_none() {
        assert_eq!(layers(100, &[camera(3, LayerIndex::HIGH)]), [None]);
    }

    #[test]
    fn a_layer_larger_than_the_tile_is_sent_only_if_there_is_no_other() {
        let mut picture = camera(1, LayerIndex::LOW);
        picture.rates[0] = None;
        assert_eq!(layers(10_000, &[picture]), [Some(1)]);
    }

    #[test]
    fn an_estimate_that_falls_is_obeyed_at_once_and_one_that_hardly_rises_changes_nothing() {
        let mut picture = camera(1, LayerIndex::HIGH);
        picture.current = Some(LayerIndex::HIGH);
        assert_eq!(layers(1_510, &[picture]), [Some(2)]);
        assert_eq!(layers(1_490, &[picture]), [Some(1)]);
        picture.current = Some(LayerIndex::MIDDLE);
        assert_eq!(layers(1_600, &[picture]), [Some(1)], "within the margin");
        assert_eq!(layers(1_700, &[picture]), [Some(2)]);
        picture.may_rise = false;
        assert_eq!(layers(9_000, &[picture]), [Some(1)]);
    }

    #[test]
    fn a_paused_picture_comes_back_small_when_it_may_not_rise() {
        let mut picture = camera(1, LayerIndex::HIGH);
        picture.may_rise = false;
        assert_eq!(layers(9_000, &[picture]), [Some(0)]);
        picture.may_resume = false;
        assert_eq!(layers(9_000, &[picture]), [None]);
    }

    #[test]
    fn two_equals_do_not_change_places_when_their_rates_do() {
        let mut pictures = [camera(1, LayerIndex::MIDDLE); 2];
        pictures[0].current = Some(LayerIndex::LOW);
        pictures[1].current = Some(LayerIndex::MIDDLE);
        pictures[0].rates[1] = Some(Bitrate::kbps(480));
        assert_eq!(layers(720, &pictures), [Some(0), Some(1)]);
    }

    fn any_picture() -> impl Strategy<Value = Picture> {
        let rates = (any::<[bool; 3]>(), 30u64..400, 1u64..6, 1u64..6);
        (rates, 0u8..3, 0u8..4, proptest::option::of(0u8..3), any::<[bool; 2]>()).prop_map(
            |((has, low, middle, high), wanted, priority, current, [may_rise, may_resume])| {
                let kbps = [low, low * (1 + middle), low * (1 + middle) * (1 + high)];
                let wanted = LayerIndex::new(wanted).expect("below 3");
                let rates = std::array::from_fn(|layer| has[layer].then(|| Bitrate::kbps(kbps[layer])));
                Picture { rates, wanted, priority, current: current.and_then(LayerIndex::new), may_rise, may_resume }
            },
        )
    }

    /// The greatest worth that any choice has.
    fn exhaustive(budget: u64, pictures: &[Picture], position: usize) -> u64 {
        let Some(picture) = pictures.get(position) else { return 0 };
        let without = exhaustive(budget, pictures, position + 1);
        let with = picture.options().filter(|(_, rate)| rate.as_bps() <= budget).map(|(layer, rate)| {
            picture.worth(Some(layer), position) + exhaustive(budget - rate.as_bps(), pictures, position + 1)
        });
        with.fold(without, u64::max)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn the_search_is_within_two_percent_of_trying_everything(
            pictures in proptest::collection::vec(any_picture(), 1..7),
            budget in 50u64..4_000,
        ) {
            let found = solve(Bitrate::kbps(budget), &pictures, |_, _| true);
            prop_assert!(cost(&pictures, found) <= budget * 1_000);
            let best = exhaustive(budget * 1_000, &pictures, 0);
            prop_assert!(worth(&pictures, found) * 100 >= best * 98, "{} of {best}", worth(&pictures, found));
        }

        #[test]
        fn the_budget_and_the_rules_hold_for_any_number_of_pictures(
            pictures in proptest::collection::vec(any_picture(), 0..=Choice::CAPACITY),
            budget in 0u64..20_000,
        ) {
            let choice = allocate(Bitrate::kbps(budget), &pictures);
            prop_assert!(cost(&pictures, choice) <= budget * 1_000);
            for (position, picture) in pictures.iter().enumerate() {
                let Some(layer) = choice.get(position) else { continue };
                prop_assert!(picture.options().any(|(option, _)| option == layer));
                prop_assert!(picture.may_get(layer));
            }
        }
    }
}
