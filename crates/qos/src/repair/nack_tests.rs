use proptest::prelude::*;

use super::*;

/// Numbers begin somewhere.
const BASE: u64 = 70_000;

fn at(micros: u64) -> Time {
    Time::since_start(Duration::from_micros(micros))
}

/// Packet of a frame of 10, with a deadline at this time (µs).
fn packet(number: u64, deadline: u64) -> Arrived {
    let first = BASE + number / 10 * 10;
    Arrived {
        sequence: BASE + number,
        first: Some(first),
        end: Some(first + 10),
        deadline: at(deadline),
        is_repeated: false,
    }
}

/// One with a round trip of 60 ms, to which packets come each half millisecond.
fn nack() -> Nack {
    let mut nack = Nack::new();
    nack.handle_round_trip(Duration::from_millis(60));
    nack
}

fn asked(nack: &mut Nack, now: u64) -> Vec<u64> {
    let mut requests = Vec::new();
    nack.poll_requests(at(now), &mut requests);
    requests.into_iter().map(|sequence| sequence - BASE).collect()
}

#[test]
fn what_was_overtaken_is_asked_for_at_once_where_nothing_is_reordered() {
    let mut nack = nack();
    nack.handle_packet(at(0), packet(0, 100_000));
    nack.handle_packet(at(500), packet(3, 100_000));
    assert_eq!(asked(&mut nack, 500), [1, 2]);
    assert_eq!(asked(&mut nack, 500), [] as [u64; 0]);
    nack.handle_recovered(BASE + 1);
    nack.handle_packet(at(600), packet(2, 100_000));
    assert_eq!(nack.missing(), 0);
}

#[test]
fn where_packets_overtake_each_other_they_are_given_that_time() {
    let mut nack = nack();
    for round in 0..10 {
        let now = round * 50_000;
        nack.handle_packet(at(now), packet(round * 10, now + 1_000_000));
        nack.handle_packet(at(now + 500), packet(round * 10 + 2, now + 1_000_000));
        // 8 ms late.
        nack.handle_packet(at(now + 8_500), packet(round * 10 + 1, now + 1_000_000));
        asked(&mut nack, now + 8_500);
        nack.handle_packet(at(now + 8_600), packet(round * 10 + 9, now + 1_000_000));
        (3..9).for_each(|index| nack.handle_recovered(BASE + round * 10 + index));
    }
    assert_eq!(nack.wait(), Duration::from_millis(10));
    let now = 600_000;
    nack.handle_packet(at(now), packet(100, now + 1_000_000));
    nack.handle_packet(at(now + 1), packet(102, now + 1_000_000));
    assert_eq!(asked(&mut nack, now + 9_000), [] as [u64; 0]);
    assert_eq!(asked(&mut nack, now + 10_001).first(), Some(&101));
}

#[test]
fn waiting_gets_shorter_again_when_what_was_asked_for_had_been_lost() {
    let mut nack = nack();
    nack.handle_packet(at(0), packet(0, 10_000_000));
    nack.handle_packet(at(500), packet(2, 10_000_000));
    nack.handle_packet(at(40_500), packet(1, 10_000_000));
    assert_eq!(nack.wait(), Duration::from_millis(50));
    for round in 1..200 {
        let now = round * 200_000;
        nack.handle_packet(at(now), packet(round * 10, now + 1_000_000));
        nack.handle_packet(at(now + 500), packet(round * 10 + 2, now + 1_000_000));
        asked(&mut nack, now + 60_000);
        nack.handle_packet(at(now + 120_000), Arrived { is_repeated: true, ..packet(round * 10 + 1, now + 1_000_000) });
    }
    assert_eq!(nack.wait(), Duration::ZERO);
}

#[test]
fn the_rest_of_a_frame_is_asked_for_when_it_does_not_come_in_time() {
    let mut nack = nack();
    (0..7).for_each(|number| nack.handle_packet(at(number * 500), packet(number, 100_000)));
    // 7 to 9 should come at 3.5, 4.0 and 4.5 ms; a ms later each is asked for.
    assert_eq!(nack.poll_timeout(), Some(at(4_500)));
    assert_eq!(asked(&mut nack, 4_499), [] as [u64; 0]);
    assert_eq!(asked(&mut nack, 4_500), [7]);
    assert_eq!(nack.poll_timeout(), Some(at(5_000)));
    assert_eq!(asked(&mut nack, 6_000), [8, 9]);
    nack.handle_packet(at(33_000), packet(10, 133_000));
    assert_eq!(nack.missing(), 3);
}

#[test]
fn while_anything_comes_the_rest_of_a_frame_may_be_behind_it() {
    let mut nack = nack();
    nack.handle_packet(at(0), packet(0, 100_000));
    for time in (500..8_000).step_by(500) {
        nack.handle_other(at(time));
        assert_eq!(asked(&mut nack, time), [] as [u64; 0]);
    }
    assert_eq!(asked(&mut nack, 9_500).first(), Some(&1));
}

#[test]
fn a_frame_that_is_late_does_not_pass_for_reordering() {
    let mut nack = nack();
    nack.handle_packet(at(0), packet(0, 100_000));
    assert_eq!(asked(&mut nack, 50_000).len(), 0, "an answer would come too late");
    nack.handle_packet(at(60_000), packet(1, 100_000));
    assert_eq!(nack.wait(), Duration::ZERO);
}

#[test]
fn nothing_is_asked_for_that_would_come_too_late() {
    let mut nack = nack();
    nack.handle_packet(at(0), packet(0, 70_000));
    nack.handle_packet(at(10_001), packet(2, 70_000));
    assert_eq!(asked(&mut nack, 10_001), [] as [u64; 0]);
    assert_eq!(nack.missing(), 0, "given up");
    // The gap before a frame's first packet has the deadline of the frame before.
    nack.handle_packet(at(33_000), packet(12, 133_000));
    assert_eq!(asked(&mut nack, 33_000), [10, 11]);
}

#[test]
fn what_is_not_answered_is_asked_for_again_after_a_round_trip_and_at_most_ten_times() {
    let mut nack = Nack::new();
    nack.handle_packet(at(0), packet(0, 100_000_000));
    nack.handle_packet(at(0), Arrived { end: None, ..packet(2, 100_000_000) });
    let times: Vec<_> = (0..5_000_000).step_by(1_000).filter(|now| !asked(&mut nack, *now).is_empty()).collect();
    assert_eq!(times, (0..10).map(|round| round * 100_000).collect::<Vec<_>>());
}

#[test]
fn the_round_trip_is_learnt_from_answers_that_leave_no_doubt() {
    let mut nack = Nack::new();
    assert_eq!(nack.round_trip(), ASSUMED_ROUND_TRIP);
    nack.handle_packet(at(0), packet(0, 10_000_000));
    nack.handle_packet(at(500), packet(3, 10_000_000));
    asked(&mut nack, 500);
    nack.handle_packet(at(40_500), Arrived { is_repeated: true, ..packet(1, 10_000_000) });
    assert_eq!(nack.round_trip(), Duration::from_millis(40));
    // Asked for twice: which request was answered?
    asked(&mut nack, 400_000);
    nack.handle_packet(at(401_000), Arrived { is_repeated: true, ..packet(2, 10_000_000) });
    assert_eq!(nack.round_trip(), Duration::from_millis(40));
}

proptest! {
    #[test]
    fn whatever_arrives_memory_is_bounded_and_nothing_is_asked_for_too_often(
        events in prop::collection::vec(
            (0..200_000_u64, prop_oneof![8 => 0..2_000_u64, 1 => any::<u64>(), 1 => Just(u64::MAX)], any::<bool>(), any::<u64>(), any::<u64>()),
            1..200,
        ),
    ) {
        let (mut nack, mut now) = (Nack::new(), 0);
        for (wait, sequence, is_repeated, first, end) in events {
            now += wait;
            let (first, end) = (Some(first).filter(|first| first % 3 > 0), Some(end).filter(|end| end % 3 > 0));
            nack.handle_packet(at(now), Arrived { sequence, first, end, deadline: at(now + wait * 3), is_repeated });
            let mut requests = Vec::new();
            nack.poll_requests(at(now), &mut requests);
            prop_assert!(nack.missing() <= MAX_MISSING && requests.len() <= MAX_MISSING);
            prop_assert!(requests.windows(2).all(|pair| pair[0] < pair[1]), "in order");
            let before = requests.len();
            nack.poll_requests(at(now), &mut requests);
            prop_assert_eq!(requests.len(), before, "not twice at once");
            prop_assert!(nack.poll_timeout().is_none_or(|due| due > at(now)));
        }
    }
}
