//! Who gets how much of a leg's bandwidth.
//!
//! Each picture has up to three layers of known rate, and a worth: more for a more important picture,
//! less for each further layer. [`allocate`] finds the layers that fit and are worth most together (a
//! multiple-choice knapsack), by dynamic programming over the budget in [`STEPS`] steps.
//!
//! Two rules keep it calm. What is sent already goes on as long as it fits the estimate; more is sent only within
//! what can be relied on ([`crate::estimate`]). And a picture that changed a short time ago stays as it is,
//! see [`crate::layers::Steadiness`].

use std::cmp::Ordering;

use crate::estimate::Budget;
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
    /// Whether it may give way to others though it need not.
    pub may_change: bool,
    /// Whether it may get more than that.
    pub may_rise: bool,
    /// Whether it may at least get its smallest layer, where it had none.
    pub may_resume: bool,
}

/// In how many steps the budget is searched. Costs are exact; only which of two nearly equal states
/// is kept depends on it.
const STEPS: usize = 256;

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
        match Some(layer).cmp(&self.current) {
            Ordering::Greater => self.may_rise || self.current.is_none() && resumes(),
            Ordering::Equal => true,
            Ordering::Less => self.may_change || !self.has_current(),
        }
    }

    /// Whether it may be sent nothing now.
    fn may_pause(&self) -> bool {
        self.may_change || !self.has_current()
    }

    /// Whether what was allocated the last time is still there.
    fn has_current(&self) -> bool {
        self.current.is_some_and(|current| self.options().any(|(layer, _)| layer == current))
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
pub(crate) fn allocate(budget: Budget, pictures: &[Picture]) -> Choice {
    debug_assert!(pictures.len() <= Choice::CAPACITY);
    let kept = Rule { budget: budget.keep, raises: false };
    let falls = kept.most(pictures) > budget.keep;
    let kept = Rule { budget: if falls { budget.fall } else { budget.keep }, ..kept };
    // Without anything it always fits.
    let kept = solve(kept, pictures).unwrap_or_default();
    if falls {
        return kept;
    }
    let Some(raised) = solve(Rule { budget: budget.raise.min(budget.keep), raises: true }, pictures) else {
        return kept;
    };
    let (mut gain, mut loss) = (0, 0);
    for (position, picture) in pictures.iter().enumerate() {
        let before = picture.worth(kept.get(position), position);
        let after = picture.worth(raised.get(position), position);
        gain += after.saturating_sub(before);
        loss += before.saturating_sub(after);
    }
    if gain * 100 > loss * SWAP_PERCENT { raised } else { kept }
}

/// What a solution has to hold to.
#[derive(Clone, Copy, Debug)]
struct Rule {
    budget: Bitrate,
    /// Pictures may get more than they have, and change only as far as they may; else they get no more than
    /// they have, and give way as far as it takes.
    raises: bool,
}

impl Rule {
    fn allows(self, picture: &Picture, layer: LayerIndex) -> bool {
        if self.raises { picture.may_get(layer) } else { Some(layer) <= picture.current }
    }

    fn allows_pause(self, picture: &Picture) -> bool {
        !self.raises || picture.may_pause()
    }

    /// The layers that a picture may get, with what they cost.
    fn options(self, picture: &Picture) -> [Option<(LayerIndex, Bitrate)>; LayerIndex::COUNT] {
        let mut found = [None; LayerIndex::COUNT];
        picture.options().filter(|(layer, _)| self.allows(picture, *layer)).for_each(|option| {
            found[option.0.index()] = Some(option);
        });
        found
    }

    /// The largest layer that a picture may get.
    fn largest(self, picture: &Picture) -> Option<(LayerIndex, Bitrate)> {
        self.options(picture).into_iter().flatten().last()
    }

    /// What the largest layers cost together.
    fn most(self, pictures: &[Picture]) -> Bitrate {
        pictures.iter().filter_map(|picture| self.largest(picture)).map(|(_, rate)| rate).sum()
    }
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

/// The layers of greatest worth among those that the rule allows. None if it allows none.
fn solve(rule: Rule, pictures: &[Picture]) -> Option<Choice> {
    if rule.most(pictures) <= rule.budget {
        return Some(pictures.iter().enumerate().fold(Choice::default(), |choice, (position, picture)| {
            rule.largest(picture).map_or(choice, |(layer, _)| choice.with(position, layer))
        }));
    }
    let budget = rule.budget.as_bps();
    let step = |cost: u64| (u128::from(cost) * STEPS as u128 / u128::from(budget.max(1))) as usize;
    let mut states = [None; STEPS + 1];
    states[0] = Some(State::default());
    for (position, picture) in pictures.iter().enumerate() {
        let mut next = if rule.allows_pause(picture) { states } else { [None; STEPS + 1] };
        for (layer, rate) in rule.options(picture).into_iter().flatten() {
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
    states.into_iter().flatten().max_by_key(|state| state.worth).map(|state| state.choice)
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
            may_change: true,
            may_rise: true,
            may_resume: true,
        }
    }

    /// An estimate that has long been the same.
    fn budget(kbps: u64) -> Budget {
        let keep = Bitrate::kbps(kbps);
        Budget { keep, fall: keep, raise: keep.percent(90) }
    }

    /// As much as the budget allows, whatever was before.
    fn free(kbps: u64) -> Rule {
        Rule { budget: Bitrate::kbps(kbps), raises: true }
    }

    fn layers(budget_kbps: u64, pictures: &[Picture]) -> Vec<Option<u8>> {
        let choice = allocate(budget(budget_kbps), pictures);
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
        (rates, 0u8..3, 0u8..4, proptest::option::of(0u8..3), any::<[bool; 3]>()).prop_map(
            |((has, low, middle, high), wanted, priority, current, [may_change, may_rise, may_resume])| {
                let kbps = [low, low * (1 + middle), low * (1 + middle) * (1 + high)];
                let wanted = LayerIndex::new(wanted).expect("below 3");
                let rates = std::array::from_fn(|layer| has[layer].then(|| Bitrate::kbps(kbps[layer])));
                let current = current.and_then(LayerIndex::new);
                Picture { rates, wanted, priority, current, may_change, may_rise, may_resume }
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

    /// The greatest worth that any choice has, found by trying every budget in kbit/s.
    fn exact(budget_kbps: usize, pictures: &[Picture]) -> u64 {
        let mut best = vec![0u64; budget_kbps + 1];
        for (position, picture) in pictures.iter().enumerate() {
            let before = best.clone();
            for (layer, rate) in picture.options() {
                let (kbps, worth) = ((rate.as_bps() / 1_000) as usize, picture.worth(Some(layer), position));
                for spent in kbps..=budget_kbps {
                    best[spent] = best[spent].max(before[spent - kbps] + worth);
                }
            }
        }
        best[budget_kbps]
    }

    /// Nothing holds the pictures where they are.
    fn unbound(mut pictures: Vec<Picture>) -> Vec<Picture> {
        for picture in &mut pictures {
            (picture.may_change, picture.may_rise, picture.may_resume) = (true, true, true);
        }
        pictures
    }

    #[test]
    fn a_picture_that_changed_a_moment_ago_gives_nothing_up_for_another() {
        let mut pictures = [camera(1, LayerIndex::HIGH), camera(3, LayerIndex::HIGH)];
        (pictures[0].current, pictures[1].current) = (Some(LayerIndex::HIGH), Some(LayerIndex::LOW));
        assert_eq!(layers(2_000, &pictures), [Some(0), Some(2)]);
        pictures[0].may_change = false;
        assert_eq!(layers(2_000, &pictures), [Some(2), Some(0)]);
        assert_eq!(layers(1_600, &pictures), [Some(1), Some(0)], "but what does not fit has to go");
    }

    #[test]
    fn what_does_not_fit_falls_far_enough_for_the_breaths_to_come() {
        let mut pictures = [camera(1, LayerIndex::HIGH); 2];
        pictures.iter_mut().for_each(|picture| picture.current = Some(LayerIndex::HIGH));
        let [keep, fall, raise] = [2_900, 1_900, 2_600].map(Bitrate::kbps);
        let choice = allocate(Budget { keep, fall, raise }, &pictures);
        assert!(cost(&pictures, choice) <= 1_900_000);
        let keep = Bitrate::kbps(3_000);
        assert_eq!(cost(&pictures, allocate(Budget { keep, fall, raise }, &pictures)), 3_000_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn the_search_is_within_two_percent_of_trying_everything(
            pictures in proptest::collection::vec(any_picture(), 1..7).prop_map(unbound),
            budget in 50u64..4_000,
        ) {
            let found = solve(free(budget), &pictures).unwrap_or_default();
            prop_assert!(cost(&pictures, found) <= budget * 1_000);
            let best = exhaustive(budget * 1_000, &pictures, 0);
            prop_assert!(worth(&pictures, found) * 100 >= best * 98, "{} of {best}", worth(&pictures, found));
        }

        #[test]
        fn with_a_full_page_of_tiles_it_is_within_two_percent_of_the_exact_solution(
            pictures in proptest::collection::vec(any_picture(), 20..=25).prop_map(unbound),
            budget in 200usize..12_000,
        ) {
            let found = solve(free(budget as u64), &pictures).unwrap_or_default();
            prop_assert!(cost(&pictures, found) <= budget as u64 * 1_000);
            let best = exact(budget, &pictures);
            prop_assert!(worth(&pictures, found) * 100 >= best * 98, "{} of {best}", worth(&pictures, found));
        }

        #[test]
        fn the_layers_of_one_stream_are_divided_as_well(
            // The layers of SVC contain those below them: they always are all there, and cost little more each.
            tiles in proptest::collection::vec((40u64..300, 1u64..40, 1u64..40, 0u8..3, 0u8..4), 1..=25),
            budget in 100usize..8_000,
        ) {
            let pictures = tiles.into_iter().map(|(base, second, third, wanted, priority)| {
                let kbps = [base, base + base * second / 10, base + base * (second + third) / 10];
                let wanted = LayerIndex::new(wanted).expect("below 3");
                Picture { rates: kbps.map(|kbps| Some(Bitrate::kbps(kbps))), wanted, ..camera(priority, wanted) }
            });
            let pictures: Vec<_> = pictures.collect();
            let found = solve(free(budget as u64), &pictures).unwrap_or_default();
            let best = exact(budget, &pictures);
            prop_assert!(worth(&pictures, found) * 100 >= best * 98, "{} of {best}", worth(&pictures, found));
        }

        #[test]
        fn the_budget_and_the_rules_hold_for_any_number_of_pictures(
            pictures in proptest::collection::vec(any_picture(), 0..=Choice::CAPACITY),
            kbps in 0u64..20_000,
            fall_percent in 50u64..=100,
            raise_percent in 50u64..=100,
        ) {
            let keep = Bitrate::kbps(kbps);
            let budget = Budget { keep, fall: keep.percent(fall_percent), raise: keep.percent(raise_percent) };
            let falls = Rule { budget: keep, raises: false }.most(&pictures) > keep;
            let choice = allocate(budget, &pictures);
            let most = if falls { budget.fall } else { keep };
            prop_assert!(cost(&pictures, choice) <= most.as_bps());
            for (position, picture) in pictures.iter().enumerate() {
                let Some(layer) = choice.get(position) else {
                    prop_assert!(falls || picture.may_pause() || picture.options().next().is_none());
                    continue;
                };
                prop_assert!(picture.options().any(|(option, _)| option == layer));
                prop_assert!(falls && Some(layer) <= picture.current || picture.may_get(layer));
            }
        }
    }
}
