//! What networks do to calls, and what clients do to their own streams.

use std::time::Duration;

use super::link::Conditions;
use super::stage::{Check, Person, Scenario, Turmoil};

const PAIR: &[Person] = &[Person::at(0, &[1]), Person::at(1, &[0])];

#[test]
fn on_a_clean_network_everything_comes_at_once_and_nothing_is_asked_for() {
    Scenario::of(PAIR).play(&[
        Check::Sound(0, 1, 100..=100),
        Check::Pictures(0, 1, 100..=100),
        Check::Sound(1, 0, 100..=100),
        Check::Pictures(1, 0, 100..=100),
        Check::NoPictureLost(0, 1),
        Check::Gap(0, 1, 45),
        Check::Delay(0, 1, 99, 40),
        Check::KeyFrames(1, 0),
        Check::Dropped("replayed", 0..=0),
        Check::Dropped("forged-srtp", 0..=0),
        Check::Dropped("unknown", 0..=0),
    ]);
}

#[test]
fn of_pictures_nothing_is_lost_when_a_tenth_of_all_packets_is_and_of_sound_what_is_lost_before_the_server() {
    const LOSSY: Person = Person { up: Conditions::losing(100), down: Conditions::losing(100), ..Person::at(0, &[1]) };
    const PEOPLE: &[Person] = &[LOSSY, Person { sees: &[0], ..LOSSY }];
    Scenario { seconds: 20, ..Scenario::of(PEOPLE) }.play(&[
        // Sent without redundancy, and forwarded with it.
        Check::Sound(0, 1, 84..=93),
        Check::Sound(1, 0, 84..=93),
        Check::Pictures(0, 1, 98..=100),
        Check::Pictures(1, 0, 98..=100),
        Check::Gap(0, 1, 400),
        Check::KeyFrames(1, 12),
        Check::Dropped("forged-srtp", 0..=0),
    ]);
}

#[test]
fn what_comes_twice_and_in_disorder_goes_on_once_and_whole() {
    const WILD: Conditions =
        Conditions { jitter: Duration::from_millis(5), strays: 100, twice: 200, ..Conditions::CLEAN };
    const PEOPLE: &[Person] = &[
        Person { up: WILD, down: WILD, ..Person::at(0, &[1]) },
        Person { up: WILD, down: WILD, ..Person::at(1, &[0]) },
    ];
    let world = Scenario::of(PEOPLE).play(&[
        Check::Sound(0, 1, 100..=100),
        Check::Pictures(0, 1, 100..=100),
        Check::Pictures(1, 0, 100..=100),
        Check::NoPictureLost(0, 1),
        Check::NoPictureLost(1, 0),
        Check::KeyFrames(1, 0),
        Check::Dropped("replayed", 500..=u64::MAX),
    ]);
    for client in &world.clients {
        let mut numbers: Vec<_> = client.got.iter().map(|got| (got.slot, got.sequence)).collect();
        let all = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), all, "nothing is sent on twice");
    }
}

#[test]
fn who_receives_slowly_changes_nothing_for_the_others() {
    const SLOW: Person = Person { down: Conditions::rated(300), ..Person::at(1, &[0, 1]) };
    const WITH: &[Person] = &[Person::at(0, &[1]), Person::at(1, &[0]), SLOW];
    let others = [
        Check::Sound(0, 1, 100..=100),
        Check::Pictures(0, 1, 100..=100),
        Check::Pictures(1, 0, 100..=100),
        Check::NoPictureLost(0, 1),
        Check::NoPictureLost(1, 0),
        Check::Delay(0, 1, 99, 40),
        Check::Gap(0, 1, 45),
    ];
    // What others ask for does not change the pictures, so that they can be compared.
    let play = |people| {
        let world = Scenario { heeds: false, ..Scenario::of(people) }.play(&others);
        let got = world.got(0, 1, false, Duration::from_secs(8)).into_iter();
        let got = got.filter(|got| got.stamp.sent < Duration::from_secs(14));
        let mut got: Vec<_> = got.map(|got| (got.stamp.frame, got.stamp.part, got.stamp.layer)).collect();
        got.sort_unstable();
        (got, world)
    };
    let (without, _) = play(PAIR);
    let (with, mut world) = play(WITH);
    let skew = with[0].0.abs_diff(without[0].0);
    assert!(skew <= 2 && without.len().abs_diff(with.len()) <= 8, "{skew}: {} and {}", without.len(), with.len());
    let common = |(frame, part, layer): &(u32, u8, u8)| (*frame, *part, *layer);
    let (from, to) = (with[0].0.max(without[0].0), with[with.len() - 1].0.min(without[without.len() - 1].0));
    let of = |got: &[(u32, u8, u8)]| {
        got.iter().filter(|(frame, ..)| (from..=to).contains(frame)).map(common).collect::<Vec<_>>()
    };
    assert_eq!(of(&with), of(&without));
    // And the slow one has something that fits.
    let slow = world.leg(2).expect("a leg").estimate.expect("connected").as_bps();
    assert!((100_000..400_000).contains(&slow), "{slow}");
    assert!(!world.got(2, 0, true, Duration::from_secs(8)).is_empty());
}

#[test]
fn who_comes_after_65_536_packets_gets_a_picture_as_soon_as_anybody() {
    const PEOPLE: &[Person] =
        &[Person::at(0, &[1]), Person::at(1, &[0]), Person { late: true, ..Person::at(0, &[0, 1]) }];
    const TURMOIL: &[(u64, usize, Turmoil)] = &[
        // As long calls do: the numbers go round, twice, within what is told apart by 16 bits.
        (100, 0, Turmoil::Skip(30_000)),
        (600, 0, Turmoil::Skip(30_000)),
        (1_100, 0, Turmoil::Skip(30_000)),
        (1_600, 0, Turmoil::Skip(30_000)),
        (2_100, 0, Turmoil::Skip(30_000)),
        (3_000, 2, Turmoil::Join),
    ];
    let world = Scenario { turmoil: TURMOIL, ..Scenario::of(PEOPLE) }.play(&[
        Check::Sound(2, 0, 100..=100),
        Check::Pictures(2, 0, 100..=100),
        Check::NoPictureLost(2, 0),
        Check::Pictures(2, 1, 100..=100),
        Check::Dropped("forged-srtp", 0..=0),
    ]);
    let first = world.got(2, 0, false, Duration::ZERO)[0];
    let waited = first.at - world.clients[2].joined;
    assert!(waited < Duration::from_secs(1), "{waited:?}");
}

#[test]
fn numbers_that_jump_and_wrap_are_healed() {
    const TURMOIL: &[(u64, usize, Turmoil)] = &[
        (500, 0, Turmoil::Skip(2_000)),
        (2_500, 0, Turmoil::Shift(0x4000_0000)),
        (4_500, 0, Turmoil::Skip(20_000)),
        // Beyond 2^32.
        (6_500, 0, Turmoil::Shift(0xb000_0000)),
    ];
    Scenario { turmoil: TURMOIL, ..Scenario::of(PAIR) }.play(&[
        Check::Sound(1, 0, 97..=100),
        Check::Pictures(1, 0, 95..=100),
        Check::Gap(1, 0, 400),
        Check::KeyFrames(0, 12),
        Check::Dropped("forged-srtp", 0..=0),
    ]);
}

#[test]
fn streams_that_begin_again_under_other_sources_go_on() {
    const TURMOIL: &[(u64, usize, Turmoil)] = &[(500, 0, Turmoil::ChangeSources), (4_500, 0, Turmoil::ChangeSources)];
    Scenario { turmoil: TURMOIL, ..Scenario::of(PAIR) }.play(&[
        Check::Sound(1, 0, 97..=100),
        Check::Pictures(1, 0, 95..=100),
        Check::Gap(1, 0, 400),
        Check::KeyFrames(0, 8),
    ]);
}

#[test]
fn two_sections_under_one_source_cost_only_that_client() {
    const PEOPLE: &[Person] = &[Person::at(0, &[1]), Person::at(1, &[0, 2]), Person::at(0, &[0, 1])];
    const TURMOIL: &[(u64, usize, Turmoil)] = &[(2_000, 0, Turmoil::Collide)];
    Scenario { turmoil: TURMOIL, ..Scenario::of(PEOPLE) }.play(&[
        // Its own sound and its own smallest picture.
        Check::Sound(1, 0, 30..=100),
        Check::Pictures(1, 2, 100..=100),
        Check::Pictures(2, 1, 100..=100),
        Check::Pictures(0, 1, 100..=100),
        Check::Sound(1, 2, 100..=100),
        Check::Sound(2, 1, 100..=100),
    ]);
}
