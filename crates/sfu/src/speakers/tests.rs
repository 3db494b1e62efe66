use super::*;

fn at(ms: u64) -> Time {
    Time::since_start(Duration::from_millis(ms))
}

fn level(minus_dbov: u8) -> Option<AudioLevel> {
    Some(AudioLevel::from_minus_dbov(minus_dbov))
}

/// 20 ms packets of this level.
fn feed(activity: &mut Activity, from: u64, to: u64, minus_dbov: u8) {
    for ms in (from..to).step_by(20) {
        activity.packet(at(ms), level(minus_dbov), Some(true), 80);
    }
}

/// Words of a voice: 300 ms of changing loudness, 120 ms between them.
fn talk(activity: &mut Activity, from: u64, to: u64, loud: u8) {
    for ms in (from..to).step_by(20) {
        let in_word = (ms - from) % 420;
        let minus_dbov = if in_word < 300 { loud + (in_word / 20 % 4) as u8 * 3 } else { 75 };
        activity.packet(at(ms), level(minus_dbov), Some(true), 80);
    }
}

#[test]
fn speech_is_heard_within_a_fifth_of_a_second_named_within_a_half_and_ends_after_it() {
    let mut activity = Activity::default();
    feed(&mut activity, 0, 1_000, 127);
    feed(&mut activity, 1_000, 1_200, 25);
    assert!(activity.is_speaking() && !activity.is_speaker());
    feed(&mut activity, 1_200, 1_500, 25);
    assert!(activity.is_speaker());
    feed(&mut activity, 1_500, 1_700, 100);
    assert!(activity.is_speaking(), "a pause between words");
    feed(&mut activity, 1_700, 2_400, 100);
    assert!(!activity.is_speaking());
}

#[test]
fn a_click_is_no_speech_and_a_cough_is_no_speaker() {
    let mut activity = Activity::default();
    feed(&mut activity, 1_000, 3_000, 120);
    feed(&mut activity, 3_000, 3_060, 5);
    assert!(!activity.is_speaking(), "a click");
    for start in (4_000..40_000).step_by(3_000) {
        feed(&mut activity, start - 900, start, 120);
        feed(&mut activity, start, start + 280, 8);
        assert!(!activity.is_speaker(), "a cough every three seconds");
        feed(&mut activity, start + 280, start + 2_100, 120);
    }
}

#[test]
fn continuous_noise_is_background_after_a_while_and_a_voice_in_it_is_still_heard() {
    let mut activity = Activity::default();
    feed(&mut activity, 1_000, 3_000, 62);
    assert!(!activity.is_speaking(), "a quiet fan");
    feed(&mut activity, 3_000, 21_000, 35);
    assert!(!activity.is_speaking(), "a loud one, from its beginning 18 s ago");
    talk(&mut activity, 21_000, 23_000, 15);
    assert!(activity.is_speaker());
}

#[test]
fn a_voice_that_goes_on_for_minutes_stays_a_speaker() {
    let mut activity = Activity::default();
    talk(&mut activity, 1_000, 3_000, 20);
    for second in (3_000..180_000).step_by(1_000) {
        talk(&mut activity, second, second + 1_000, 20);
        assert!(activity.is_speaker(), "at {second} ms");
    }
}

#[test]
fn loud_packets_without_voice_are_no_speech() {
    let mut activity = Activity::default();
    for ms in (1_000..5_000).step_by(20) {
        activity.packet(at(ms), level(10), Some(false), 80);
    }
    assert!(!activity.is_speaking());
}

#[test]
fn a_sender_that_gives_no_levels_is_awake_and_no_speaker() {
    let mut activity = Activity::default();
    for ms in (1_000..5_000).step_by(20) {
        activity.packet(at(ms), None, None, 80);
    }
    assert!(activity.is_awake() && !activity.is_speaking());
    assert!(activity.loudness() > 50.0, "so that it is heard before those who are silent");
}

#[test]
fn a_sender_that_stops_in_the_middle_of_a_word_does_not_speak_for_ever_and_falls_asleep() {
    let mut activity = Activity::default();
    feed(&mut activity, 1_000, 2_000, 20);
    (2_000..4_000).step_by(100).for_each(|ms| activity.tick(at(ms)));
    assert!(!activity.is_speaking());
    (4_000..20_000).step_by(100).for_each(|ms| activity.tick(at(ms)));
    assert!(!activity.is_awake());
    assert!(activity.packet(at(20_000), level(30), None, 80).wakes);
}

#[test]
fn comfort_noise_between_words_is_silence_whatever_it_says() {
    let mut activity = Activity::default();
    for start in (1_000..9_000).step_by(2_000) {
        feed(&mut activity, start, start + 600, 25);
        assert!(activity.is_speaker());
        for ms in [1_000, 1_400, 1_800] {
            activity.tick(at(start + ms - 100));
            activity.packet(at(start + ms), level(30), None, 80);
        }
        assert!(!activity.is_speaking(), "single packets of DTX");
    }
}

#[test]
fn packets_that_come_in_bursts_or_are_long_count_for_their_time() {
    let mut bursts = Activity::default();
    feed(&mut bursts, 0, 1_000, 127);
    for start in (1_000..1_600u64).step_by(100) {
        for _ in 0..5 {
            bursts.packet(at(start), level(25), Some(true), 80);
        }
    }
    let mut long = Activity::default();
    feed(&mut long, 0, 1_000, 127);
    for ms in (1_000..1_600).step_by(60) {
        long.packet(at(ms), level(25), Some(true), 80);
    }
    assert!(bursts.is_speaker() && long.is_speaker());
    assert!(bursts.said().abs_diff(long.said()) <= 6);
}

fn speaker(key: char, loudness: f32, said: u32) -> Speaker<char> {
    Speaker { key, loudness, said }
}

#[test]
fn a_speaker_is_overtaken_only_by_one_who_is_clearly_louder() {
    let mut ranking = Ranking::default();
    let mut update = |ms: u64, speakers: &[(char, f32)]| {
        let speakers: Vec<_> = speakers.iter().map(|(key, loudness)| speaker(*key, *loudness, 100)).collect();
        ranking.update(at(ms), &speakers).map(<[char]>::to_vec)
    };
    assert_eq!(update(0, &[('a', 90.0)]), Some(vec!['a']));
    assert_eq!(update(400, &[('a', 90.0), ('b', 95.0)]), Some(vec!['a', 'b']));
    assert_eq!(update(800, &[('a', 90.0), ('b', 97.0)]), Some(vec!['b', 'a']));
    assert_eq!(update(1_200, &[('b', 97.0)]), Some(vec!['b']));
    assert_eq!(update(1_600, &[]), Some(vec![]));
}

#[test]
fn cross_talk_goes_to_the_one_who_speaks_and_not_to_the_one_who_calls_out() {
    let mut ranking = Ranking::default();
    ranking.update(at(0), &[speaker('a', 85.0, 110)]);
    let called = ranking.update(at(400), &[speaker('a', 85.0, 110), speaker('b', 95.0, 30)]);
    assert_eq!(called, Some(&['a', 'b'][..]), "loud, but only for a moment");
    let spoke = ranking.update(at(800), &[speaker('a', 85.0, 60), speaker('b', 88.0, 110)]);
    assert_eq!(spoke, Some(&['b', 'a'][..]), "not much louder, but it has the word");
}

#[test]
fn two_people_in_turn_are_named_in_turn() {
    let (mut ada, mut bo) = (Activity::default(), Activity::default());
    let mut ranking = Ranking::default();
    let mut first = Vec::new();
    for turn in 0..8u64 {
        let start = 1_000 + turn * 4_000;
        for half in (start..start + 4_000).step_by(100) {
            let (speaks, listens) = if turn % 2 == 0 { (&mut ada, &mut bo) } else { (&mut bo, &mut ada) };
            talk(speaks, half, half + 100, 22);
            feed(listens, half, half + 100, 85);
            let speakers: Vec<_> = [('a', &ada), ('b', &bo)]
                .into_iter()
                .filter(|(_, activity)| activity.is_speaker())
                .map(|(key, activity)| speaker(key, activity.loudness(), activity.said()))
                .collect();
            if let Some(order) = ranking.update(at(half), &speakers)
                && let Some(key) = order.first()
                && first.last() != Some(key)
            {
                first.push(*key);
            }
        }
    }
    assert_eq!(first, ['a', 'b', 'a', 'b', 'a', 'b', 'a', 'b']);
}

#[test]
fn changes_are_reported_at_most_every_300_ms_and_the_last_one_always() {
    let mut ranking = Ranking::default();
    let (a, b) = (speaker('a', 90.0, 100), speaker('b', 90.0, 100));
    assert!(ranking.update(at(0), &[a]).is_some());
    assert!(ranking.update(at(100), &[]).is_none());
    assert!(ranking.update(at(200), &[b]).is_none());
    assert_eq!(ranking.update(at(300), &[b]), Some(&['b'][..]));
    assert!(ranking.update(at(900), &[b]).is_none(), "nothing new");
}
