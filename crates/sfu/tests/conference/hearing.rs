//! Who is heard, and who is said to speak.

use conclave_proto::MediaState;
use conclave_proto::SourceKind::ScreenAudio;
use conclave_sfu::LegId;

use crate::world::{MICROPHONE, NOTHING, World, id};

fn speak(world: &mut World, leg: LegId, level: u8) {
    world.senders.get_mut(&leg).unwrap().level = level;
}

#[test]
fn up_to_three_are_heard_all_the_time_even_when_silent() {
    let mut world = World::new();
    let legs = ["ada", "bob", "cem", "dan"].map(|name| world.join(name, MICROPHONE));
    world.run(1_000);
    for (slot, leg) in (0..3).flat_map(|slot| legs.map(|leg| (slot, leg))) {
        assert!(world.heard(leg, slot).len() >= 49, "slot {slot} of {leg:?}");
    }
    assert!(!world.hears(legs[0]).contains(&"ada".to_owned()), "nobody hears themselves");
    world.assert_continuous();
}

#[test]
fn the_fourth_who_speaks_is_heard_and_the_longest_silent_is_not() {
    let mut world = World::new();
    let viewer = world.join("eve", NOTHING);
    let legs = ["ada", "bob", "cem", "dan"].map(|name| world.join(name, MICROPHONE));
    world.run(500);
    let before = world.hears(viewer);
    assert_eq!(before.len(), 3);
    let unheard = ["ada", "bob", "cem", "dan"].into_iter().position(|name| !before.contains(&name.to_owned())).unwrap();
    speak(&mut world, legs[unheard], 25);
    let start = world.now_ms;
    world.run(1_000);
    let name = world.names[&legs[unheard]].clone();
    let slot = world.hears(viewer).iter().position(|heard| *heard == name).expect("heard");
    let first = world.heard(viewer, slot as u8).iter().find(|packet| packet.tag.sender == legs[unheard].index() as u8);
    let delay = first.unwrap().at_ms - start;
    assert!(delay <= 400, "{delay} ms");
    assert!(first.unwrap().forward.marker, "the beginning is marked");
    world.assert_continuous();
}

#[test]
fn slots_do_not_flap_when_five_talk_at_once() {
    let mut world = World::new();
    let viewer = world.join("eve", NOTHING);
    let legs = ["ada", "bob", "cem", "dan", "fay"].map(|name| world.join(name, MICROPHONE));
    for round in 0..100u8 {
        for (number, leg) in legs.iter().enumerate() {
            // Every tenth of a second a little louder or quieter.
            speak(&mut world, *leg, 25 + (round.wrapping_mul(37).wrapping_add(number as u8 * 11)) % 7);
        }
        world.run(100);
    }
    assert!(world.slots_changes[&viewer] <= 8, "{}", world.slots_changes[&viewer]);
    world.assert_continuous();
}

#[test]
fn the_sound_of_a_shared_screen_is_not_displaced_by_voices() {
    let mut world = World::new();
    let viewer = world.join("eve", NOTHING);
    let film = world.join("film", MediaState { screen_audio: true, ..NOTHING });
    let legs = ["ada", "bob", "cem", "dan"].map(|name| world.join(name, MICROPHONE));
    speak(&mut world, film, 45);
    world.run(1_000);
    legs.into_iter().for_each(|leg| speak(&mut world, leg, 10));
    world.run(5_000);
    assert!(world.slots[&viewer].audio.iter().any(|slot| slot.source == ScreenAudio));
}

#[test]
fn a_muted_microphone_leaves_its_slot_and_is_not_forwarded() {
    let mut world = World::new();
    let viewer = world.join("eve", NOTHING);
    world.join("ada", MICROPHONE);
    world.run(500);
    assert_eq!(world.hears(viewer), ["ada"]);
    world.conference.handle_media_state(world.now(), &id("ada"), NOTHING);
    world.drain();
    assert!(world.hears(viewer).is_empty());
    let sent = world.heard(viewer, 0).len();
    world.run(500);
    assert_eq!(world.heard(viewer, 0).len(), sent);
    assert!(world.speakers.iter().all(|(_, speakers)| speakers.is_empty()));
}

#[test]
fn speakers_are_told_loudest_first_and_not_too_often() {
    let mut world = World::new();
    let [ada, bob] = ["ada", "bob"].map(|name| world.join(name, MICROPHONE));
    speak(&mut world, ada, 40);
    world.run(1_000);
    assert_eq!(world.speakers.last().unwrap().1, ["ada"]);
    speak(&mut world, bob, 20);
    world.run(2_000);
    assert_eq!(world.speakers.last().unwrap().1, ["bob", "ada"]);
    [ada, bob].into_iter().for_each(|leg| speak(&mut world, leg, 127));
    world.run(3_000);
    assert!(world.speakers.last().unwrap().1.is_empty());
    for round in 0..50u64 {
        speak(&mut world, ada, if round % 2 == 0 { 20 } else { 127 });
        world.run(200);
    }
    assert!(world.speakers.windows(2).all(|pair| pair[1].0 - pair[0].0 >= 300), "{:?}", world.speakers);
}

#[test]
fn a_speaker_who_leaves_is_no_speaker_any_more() {
    let mut world = World::new();
    let ada = world.join("ada", MICROPHONE);
    world.join("bob", NOTHING);
    speak(&mut world, ada, 20);
    world.run(1_000);
    world.leave(ada);
    world.run(500);
    assert!(world.speakers.last().unwrap().1.is_empty());
}

#[test]
fn a_sound_that_returns_after_silence_goes_on_at_the_time_that_has_passed() {
    let mut world = World::new();
    let viewer = world.join("eve", NOTHING);
    let ada = world.join("ada", MICROPHONE);
    world.run(1_000);
    // Its clock stands still meanwhile, as that of a stopped encoder does.
    world.senders.get_mut(&ada).unwrap().silent = true;
    world.run(20_000);
    world.senders.get_mut(&ada).unwrap().silent = false;
    world.run(1_000);
    assert!(world.heard(viewer, 0).len() > 90);
    world.assert_continuous();
}

#[test]
fn a_leg_that_wants_one_participant_hears_that_one_only_whoever_speaks() {
    let mut world = World::new();
    let viewer = world.join("eve", NOTHING);
    world.conference.set_hearing(world.now(), viewer, Some(id("dan")));
    let legs = ["ada", "bob", "cem"].map(|name| world.join(name, MICROPHONE));
    legs.into_iter().for_each(|leg| speak(&mut world, leg, 10));
    world.run(1_000);
    assert!(world.hears(viewer).is_empty(), "the one has not come yet");
    world.join("dan", MICROPHONE);
    world.run(1_000);
    assert_eq!(world.hears(viewer), ["dan"]);
    world.conference.set_hearing(world.now(), viewer, None);
    world.run(1_000);
    assert_eq!(world.hears(viewer).len(), 3);
    world.assert_continuous();
}
