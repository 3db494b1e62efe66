//! Code, requests, plan and measure together, on networks that lose packets in virtual time. The bench `repair` prints
//! the same figures over longer runs and more seeds.

#[path = "repair/mod.rs"]
mod repair;

use repair::codes::Code;
use repair::video::{Budget, Case, Outcome};
use repair::{audio, codes, mean_and_worst, video};

/// 5 % in bursts of 2, 2.5 and 3, two seeds of 5 minutes each.
fn play(case: Case) -> Vec<Outcome> {
    [2.0, 2.5, 3.0]
        .into_iter()
        .flat_map(|burst| (1..=2).map(move |seed| video::run(Case { burst, seconds: 300, ..case }, seed)))
        .collect()
}

fn lost(outcomes: &[Outcome]) -> (f64, f64) {
    mean_and_worst(outcomes.iter().map(|outcome| outcome.frames_lost))
}

fn overhead(outcomes: &[Outcome]) -> (f64, f64) {
    mean_and_worst(outcomes.iter().map(|outcome| outcome.overhead))
}

#[test]
fn where_there_is_time_for_one_answer_few_frames_are_lost() {
    let outcomes = play(Case::new(60, 0.12, 2.5));
    assert!(lost(&outcomes).0 <= 0.006 && lost(&outcomes).1 <= 0.0075, "{outcomes:?}");
    assert!(overhead(&outcomes).1 <= 0.12, "{outcomes:?}");
}

#[test]
fn where_there_is_time_for_two_answers_less_is_needed() {
    let outcomes = play(Case::new(30, 0.12, 2.5));
    assert!(lost(&outcomes).0 <= 0.004 && overhead(&outcomes).1 <= 0.09, "{outcomes:?}");
}

#[test]
fn requests_that_are_sent_twice_may_get_lost_like_anything_else() {
    let outcomes = play(Case { requests_lost: 0.05, ..Case::new(60, 0.12, 2.5) });
    // A fifth of the frames has losses, and each request is sent twice.
    assert!(lost(&outcomes).0 <= 0.006 + 0.2 * 0.05 * 0.05 * 2.0, "{outcomes:?}");
}

#[test]
fn where_there_is_no_time_for_an_answer_parity_does_what_any_code_could() {
    for burst in [2.0, 3.0] {
        let outcome = video::run(Case::new(150, 0.18, burst), 1);
        let bound = codes::bound(1.8, 1, (0.05, burst), 200_000, 1);
        assert!(outcome.overhead <= 0.1801 && outcome.frames_lost <= bound * 1.1, "{outcome:?}, {bound}");
        assert!(bound > 0.08, "what is asked for in the case, 0.7 %, is out of reach for any code: {bound}");
    }
}

#[test]
fn where_frames_may_wait_for_each_other_parity_over_several_saves_more() {
    let later = Case { budget: (Budget::Arrived, 100_000), seconds: 300, ..Case::new(150, 0.18, 2.5) };
    let (alone, together) = (video::run(Case::new(150, 0.18, 2.5), 1), video::run(later, 1));
    assert!(together.frames_lost < alone.frames_lost / 2.0, "{alone:?} {together:?}");
    assert!(together.overhead <= 0.1801, "{together:?}");
}

#[test]
fn a_streaming_code_loses_fewest_frames_to_bursts() {
    for burst in [2.0, 2.5, 3.0] {
        let [frame, group, streaming] =
            [Code::Frame, Code::Group, Code::Streaming].map(|code| codes::run(code, 1.8, (0.05, burst), 20_000, 1));
        assert!(streaming < group && group < frame, "{burst}: {frame} {group} {streaming}");
    }
}

#[test]
fn what_the_plan_expects_is_what_happens() {
    for outcome in [video::run(Case::new(60, 0.12, 2.5), 3), video::run(Case::new(150, 0.18, 2.5), 3)] {
        let share = outcome.frames_lost / outcome.expected;
        assert!((0.75..=1.4).contains(&share), "{outcome:?}");
    }
}

#[test]
fn sound_survives_the_loss_of_every_fifth_packet() {
    let case = audio::Case { loss: 0.2, burst: 1.25, furthest: 3, minutes: 30 };
    let outcomes: Vec<_> = (1..=4).map(|seed| audio::run(case, seed)).collect();
    let (mean, worst) = mean_and_worst(outcomes.iter().map(|outcome| outcome.concealed));
    assert!(mean <= 0.002 && worst <= 0.0022, "{outcomes:?}");
    assert!(outcomes.iter().all(|outcome| outcome.copies <= 3.0), "{outcomes:?}");
}

#[test]
fn sound_takes_few_copies_where_little_is_lost() {
    let case = audio::Case { loss: 0.02, burst: 1.02, furthest: 3, minutes: 10 };
    let outcome = audio::run(case, 1);
    assert!(outcome.concealed <= 0.002 && outcome.copies <= 1.1, "{outcome:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| video::run(Case { seconds: 60, ..Case::new(60, 0.12, 2.5) }, seed);
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
