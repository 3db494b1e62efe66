//! Which sounds a leg's few audio slots carry.

use std::time::Duration;

use crate::rtp::Time;

/// A slot whose sound has been silent for this long may be given away.
const SILENCE: Duration = Duration::from_millis(800);

/// A sound that is heard is displaced by one that is louder by this much (in dB).
const CLEARLY_LOUDER: f32 = 8.0;

/// What a shared screen's sound counts more than a voice (in dB): a film is not chopped up by those
/// who talk over it.
pub(crate) const SCREEN_AUDIO_BONUS: f32 = 40.0;

/// A sound that could be heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sound<K> {
    pub key: K,
    /// Smoothed, with the bonus for a shared screen.
    pub loudness: f32,
    pub speaking: bool,
    /// It does not tell how loud it is, and makes sounds: its turn among those like it, the lowest first.
    pub turn: Option<usize>,
    pub spoke_at: Option<Time>,
}

/// Fills a leg's audio slots, changing as little as possible.
///
/// Whoever has a slot keeps it while it is on. A free slot goes to the loudest without one; if none
/// is free, one who speaks takes the slot of one who is silent, or of one who does not tell how loud it is, or else of
/// one who is clearly quieter. Those who do not tell take the slots of the silent, and if there are too many of them,
/// each other's by turns.
///
/// `sounds`: all that the leg may hear, those who speak first, then those who do not tell, then the loudest first.
/// `find`: one of them by its key, none if it is off.
pub(crate) fn fill<'a, K: Copy + PartialEq + 'a>(
    now: Time,
    slots: &mut [Option<K>],
    sounds: impl IntoIterator<Item = &'a Sound<K>>,
    find: impl Fn(K) -> Option<Sound<K>>,
) {
    for slot in slots.iter_mut() {
        *slot = slot.filter(|key| find(*key).is_some());
    }
    for sound in sounds {
        if slots.contains(&Some(sound.key)) {
            continue;
        }
        if let Some(free) = slots.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(sound.key);
            continue;
        }
        if !sound.speaking && sound.turn.is_none() {
            // Nor do those after it.
            break;
        }
        let is_silent = |held: &Sound<K>| {
            !held.speaking && held.turn.is_none() && held.spoke_at.is_none_or(|at| now.since(at) >= SILENCE)
        };
        let gives_way = |held: &Sound<K>| match (held.turn.filter(|_| !held.speaking), sound.speaking) {
            (Some(_), true) => true,
            (Some(turn), false) => sound.turn.is_some_and(|own| own < turn),
            (None, true) => held.loudness + CLEARLY_LOUDER < sound.loudness,
            (None, false) => false,
        };
        let victim = slots
            .iter_mut()
            .filter_map(|slot| (*slot).and_then(&find).map(|held| (slot, held)))
            .filter(|(_, held)| is_silent(held) || gives_way(held))
            // The silent first, of those the longest silent; then those who do not tell, the last in turn first; then
            // the quietest.
            .min_by(|(_, a), (_, b)| {
                let rank = |held: &Sound<K>| {
                    let silent = is_silent(held);
                    (!silent, silent.then_some(held.spoke_at), held.turn.is_none(), std::cmp::Reverse(held.turn))
                };
                rank(a).cmp(&rank(b)).then(a.loudness.total_cmp(&b.loudness))
            });
        if let Some((slot, _)) = victim {
            *slot = Some(sound.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    fn fill(now: Time, slots: &mut [Option<char>], sounds: &[Sound<char>]) {
        super::fill(now, slots, sounds, |key| sounds.iter().find(|sound| sound.key == key).copied());
    }

    fn speaking(key: char, loudness: f32) -> Sound<char> {
        Sound { key, loudness, speaking: true, turn: None, spoke_at: Some(at(10_000)) }
    }

    fn silent(key: char, spoke_at: Option<u64>) -> Sound<char> {
        Sound { key, loudness: 20.0, speaking: false, turn: None, spoke_at: spoke_at.map(at) }
    }

    #[test]
    fn free_slots_are_filled_even_with_the_silent_so_that_no_first_word_is_lost() {
        let mut slots = [None; 3];
        fill(at(10_000), &mut slots, &[speaking('a', 90.0), silent('b', None)]);
        assert_eq!(slots, [Some('a'), Some('b'), None]);
    }

    #[test]
    fn one_who_speaks_takes_the_slot_of_the_longest_silent_and_the_others_stay() {
        let mut slots = ['a', 'b', 'c'].map(Some);
        let sounds = [speaking('d', 80.0), speaking('a', 70.0), silent('b', Some(9_000)), silent('c', Some(5_000))];
        fill(at(10_000), &mut slots, &sounds);
        assert_eq!(slots, ['a', 'b', 'd'].map(Some));
    }

    #[test]
    fn a_pause_between_words_loses_no_slot() {
        let mut slots = [Some('a')];
        fill(at(10_000), &mut slots, &[speaking('b', 25.0), silent('a', Some(9_500))]);
        assert_eq!(slots, [Some('a')]);
    }

    #[test]
    fn among_those_who_speak_only_a_clearly_louder_one_gets_in() {
        let mut slots = ['a', 'b', 'c'].map(Some);
        let three = [speaking('a', 90.0), speaking('b', 85.0), speaking('c', 80.0)];
        fill(at(10_000), &mut slots, &[&[speaking('d', 87.0)], &three[..]].concat());
        assert_eq!(slots, ['a', 'b', 'c'].map(Some));
        fill(at(10_000), &mut slots, &[&[speaking('d', 89.0)], &three[..]].concat());
        assert_eq!(slots, ['a', 'b', 'd'].map(Some));
        // And then it does not swing back.
        fill(at(10_100), &mut slots, &[&[speaking('d', 84.0)], &three[..]].concat());
        assert_eq!(slots, ['a', 'b', 'd'].map(Some));
    }

    fn untold(key: char, turn: usize) -> Sound<char> {
        Sound { key, loudness: 65.0, speaking: false, turn: Some(turn), spoke_at: None }
    }

    #[test]
    fn who_does_not_tell_how_loud_it_is_comes_after_those_who_speak_and_before_the_silent() {
        let mut slots = ['a', 'b', 'c'].map(Some);
        let sounds = [speaking('a', 70.0), untold('x', 0), silent('b', Some(9_000)), silent('c', Some(9_100))];
        fill(at(10_000), &mut slots, &sounds);
        assert_eq!(slots, ['a', 'x', 'c'].map(Some));
        let sounds = [speaking('a', 70.0), speaking('c', 70.0), speaking('d', 60.0), untold('x', 0)];
        fill(at(10_000), &mut slots, &sounds);
        assert_eq!(slots, ['a', 'd', 'c'].map(Some), "a quieter speaker displaces it all the same");
        fill(at(10_100), &mut slots, &sounds);
        assert_eq!(slots, ['a', 'd', 'c'].map(Some), "and it displaces no speaker");
    }

    #[test]
    fn those_who_do_not_tell_are_heard_by_turns() {
        let mut slots = ['w', 'x'].map(Some);
        fill(at(0), &mut slots, &[untold('w', 0), untold('x', 1), untold('y', 2)]);
        assert_eq!(slots, ['w', 'x'].map(Some));
        fill(at(10_000), &mut slots, &[untold('x', 0), untold('y', 1), untold('w', 2)]);
        assert_eq!(slots, ['y', 'x'].map(Some));
    }

    #[test]
    fn who_is_turned_off_leaves_its_slot() {
        let mut slots = ['a', 'b'].map(Some);
        fill(at(10_000), &mut slots, &[silent('b', None)]);
        assert_eq!(slots, [None, Some('b')]);
    }
}
