//! Who should see and hear whom, and for how long somebody has not: no I/O.

use std::collections::BTreeMap;
use std::time::Duration;

use conclave_qos::Time;

use super::machine::Lost;

/// Numbers of stamps of one seat: its microphone, then the layers of its camera.
pub const STAMPS: u32 = 8;
/// Loudest voices that everybody hears.
const VOICES: usize = 3;

/// What is known of a seat that somebody has taken. A moment is that since which something is so.
#[derive(Clone, Debug, Default)]
pub struct Occupant {
    /// Its first number in stamps.
    pub stamps: u32,
    /// There is a connection.
    pub connected: Option<Time>,
    /// The microphone is on.
    pub microphone: Option<Time>,
    /// The camera is on.
    pub camera: Option<Time>,
    /// Its network carries everything, from the address that the server knows.
    pub calm: Option<Time>,
    /// The seats that it shows.
    pub shows: BTreeMap<usize, Time>,
    /// Those of them that the server holds back for want of bandwidth.
    pub held_back: Vec<usize>,
    /// The last packet from each stream, by numbers in stamps.
    pub heard: Vec<(u32, Time)>,
}

impl Occupant {
    /// Since when it can be reached, and reach others.
    fn present(&self) -> Option<Time> {
        Some(self.connected?.max(self.calm?))
    }

    fn last(&self, streams: std::ops::Range<u32>) -> Option<Time> {
        self.heard.iter().filter(|(stream, _)| streams.contains(stream)).map(|(_, at)| *at).max()
    }
}

/// What somebody misses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// The picture of a seat that it shows.
    Picture {
        /// Whose.
        of: usize,
    },
    /// The sound of a seat, in a room in which nobody else is louder.
    Sound {
        /// Whose.
        of: usize,
    },
    /// Any sound, in a room in which several speak.
    AnySound,
}

/// Somebody has missed something for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Who.
    pub seat: usize,
    /// What.
    pub missing: Missing,
    /// For how long by now.
    pub time: Duration,
    /// The server says that the bandwidth does not allow it.
    pub held_back: bool,
}

/// What is told of one look at a room.
#[derive(Clone, Debug, Default)]
pub struct Looked {
    /// What should have come, and came within the limit or not.
    pub expected: u64,
    /// The longest gap.
    pub longest: Duration,
    /// Those that are too long.
    pub gaps: Vec<Gap>,
}

/// Looks at a room. What was lost does not count: then the machine itself stood still.
pub fn look(now: Time, lost: &Lost, limit: Duration, seats: &BTreeMap<usize, Occupant>) -> Looked {
    let mut looked = Looked::default();
    let mut note = |seat, missing, held_back: bool, since: Time, last: Option<Time>| {
        let time = lost.given(last.map_or(since, |last| last.max(since)), now);
        looked.expected += 1;
        if !held_back {
            looked.longest = looked.longest.max(time);
        }
        if time > limit {
            looked.gaps.push(Gap { seat, missing, time, held_back });
        }
    };
    let speakers: Vec<_> =
        seats.iter().filter(|(_, other)| other.microphone.is_some()).map(|(seat, _)| *seat).collect();
    for (seat, viewer) in seats {
        let Some(present) = viewer.present() else { continue };
        for (of, shown) in &viewer.shows {
            let Some(source) = seats.get(of) else { continue };
            let (Some(there), Some(camera)) = (source.present(), source.camera) else { continue };
            let since = present.max(*shown).max(there).max(camera);
            let last = viewer.last(source.stamps + 1..source.stamps + STAMPS);
            note(*seat, Missing::Picture { of: *of }, viewer.held_back.contains(of), since, last);
        }
        let others = speakers.iter().filter(|other| *other != seat).filter_map(|of| Some((*of, seats.get(of)?)));
        let others = others.filter_map(|(of, source)| {
            let since = present.max(source.present()?).max(source.microphone?);
            Some((of, since, viewer.last(source.stamps..source.stamps + 1)))
        });
        if speakers.len() <= VOICES {
            others.for_each(|(of, since, last)| note(*seat, Missing::Sound { of }, false, since, last));
        } else if let Some((since, last)) = others.map(|(_, since, last)| (since, last)).reduce(both) {
            note(*seat, Missing::AnySound, false, since, last);
        }
    }
    looked
}

/// Of two sources: since when one of them can be heard, and the last packet of either.
fn both(one: (Time, Option<Time>), other: (Time, Option<Time>)) -> (Time, Option<Time>) {
    (one.0.max(other.0), one.1.max(other.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    fn at(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    /// Two who have been there since the beginning; the first shows the second.
    fn pair() -> BTreeMap<usize, Occupant> {
        let since = Some(at(0));
        let occupant = |stamps| Occupant {
            stamps,
            connected: since,
            microphone: since,
            camera: since,
            calm: since,
            ..Occupant::default()
        };
        let mut seats = BTreeMap::from([(0, occupant(0)), (1, occupant(STAMPS))]);
        if let Some(viewer) = seats.get_mut(&0) {
            viewer.shows.insert(1, at(0));
        }
        seats
    }

    fn heard(seats: &mut BTreeMap<usize, Occupant>, ms: u64) {
        for (seat, other) in [(0, STAMPS), (1, 0)] {
            if let Some(occupant) = seats.get_mut(&seat) {
                occupant.heard = vec![(other, at(ms)), (other + 2, at(ms))];
            }
        }
    }

    #[test]
    fn a_picture_and_a_sound_that_stop_are_missed_when_the_limit_is_over() {
        let mut seats = pair();
        heard(&mut seats, 1_000);
        let early = look(at(6_000), &Lost::default(), LIMIT, &seats);
        assert_eq!((early.expected, early.longest, early.gaps.len()), (3, LIMIT, 0));
        let late = look(at(6_001), &Lost::default(), LIMIT, &seats);
        let missing: Vec<_> = late.gaps.iter().map(|gap| (gap.seat, gap.missing)).collect();
        let all = [(0, Missing::Picture { of: 1 }), (0, Missing::Sound { of: 1 }), (1, Missing::Sound { of: 0 })];
        assert_eq!(missing, all);
    }

    #[test]
    fn nothing_is_expected_of_a_camera_that_is_off_or_by_one_whose_network_is_bad() {
        let mut seats = pair();
        if let Some(source) = seats.get_mut(&1) {
            (source.camera, source.microphone) = (None, None);
        }
        if let Some(viewer) = seats.get_mut(&0) {
            viewer.microphone = None;
        }
        assert_eq!(look(at(60_000), &Lost::default(), LIMIT, &seats).expected, 0);
        let mut seats = pair();
        if let Some(viewer) = seats.get_mut(&0) {
            viewer.calm = None;
        }
        assert_eq!(look(at(60_000), &Lost::default(), LIMIT, &seats).expected, 0);
    }

    #[test]
    fn waiting_begins_when_the_last_condition_is_met_and_counts_while_the_machine_goes_on() {
        let mut seats = pair();
        if let Some(source) = seats.get_mut(&1) {
            source.camera = Some(at(50_000));
        }
        heard(&mut seats, 52_000);
        let looked = look(at(57_500), &Lost::default(), Duration::from_secs(6), &seats);
        assert_eq!((looked.longest, looked.gaps.len()), (Duration::from_millis(5_500), 0));
        let mut lost = Lost::default();
        lost.note(at(53_000), Duration::ZERO);
        lost.note(at(57_000), Duration::from_secs(4));
        assert_eq!(look(at(57_500), &lost, LIMIT, &seats).longest, Duration::from_millis(1_500));
    }

    #[test]
    fn a_picture_that_is_held_back_is_told_apart() {
        let mut seats = pair();
        heard(&mut seats, 9_000);
        if let Some(viewer) = seats.get_mut(&0) {
            viewer.held_back = vec![1];
            viewer.heard = vec![(STAMPS, at(9_000))];
        }
        let looked = look(at(10_000), &Lost::default(), LIMIT, &seats);
        assert_eq!(looked.longest, Duration::from_secs(1), "what is held back is no gap");
        assert!(matches!(looked.gaps[..], [Gap { seat: 0, held_back: true, .. }]));
    }

    #[test]
    fn in_a_loud_room_any_voice_is_enough() {
        let mut seats = pair();
        for seat in 2..5 {
            let stamps = seat as u32 * STAMPS;
            seats.insert(seat, Occupant { stamps, shows: BTreeMap::new(), heard: Vec::new(), ..seats[&1].clone() });
        }
        for occupant in seats.values_mut() {
            occupant.heard.push((4 * STAMPS, at(9_900)));
            occupant.heard.push((3 * STAMPS, at(9_900)));
            occupant.heard.push((STAMPS + 1, at(9_900)));
        }
        assert_eq!(look(at(10_000), &Lost::default(), LIMIT, &seats).gaps, []);
    }
}
