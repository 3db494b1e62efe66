//! How much a client's network takes, and what its pictures come to because of that.

use std::time::Duration;

use super::client::Way;
use super::link::Conditions;
use super::world::World;
use crate::event::RoomKey;

const ROOM: RoomKey = RoomKey(1);

fn pair() -> World {
    let mut world = World::new(1);
    world.join(ROOM, "ada", 0, 1);
    world.join(ROOM, "bob", 0, 1);
    world.connect();
    world.view(0, &[1], (640, 360));
    world.run(Duration::from_secs(8));
    world
}

fn estimate(world: &mut World, who: usize) -> u64 {
    world.leg(who).expect("a leg").estimate.expect("connected").as_bps()
}

/// How many pictures came whole in the last second, and of which layers.
fn last_second(world: &World) -> (usize, Vec<u8>) {
    let got = world.got(0, 1, false, world.time() - Duration::from_secs(1));
    let mut layers: Vec<_> = got.iter().map(|got| got.stamp.layer).collect();
    layers.sort_unstable();
    layers.dedup();
    let mut frames: Vec<_> = got.iter().map(|got| got.stamp.frame).collect();
    frames.sort_unstable();
    frames.dedup();
    (frames.len(), layers)
}

#[test]
fn what_a_clean_network_takes_is_found_out_and_the_largest_picture_comes() {
    let mut world = pair();
    let estimate = estimate(&mut world, 0);
    assert!(estimate > 1_200_000, "{estimate}");
    assert_eq!(last_second(&world), (25, vec![2]));
}

#[test]
fn a_picture_that_a_drop_has_stopped_comes_back_small_soon() {
    let mut world = pair();
    // Less than anything needs, then enough for the smallest picture.
    world.links(0, Conditions::CLEAN, Conditions::rated(100));
    world.run(Duration::from_secs(4));
    let low = estimate(&mut world, 0);
    assert!(low < 150_000, "{low}");
    world.links(0, Conditions::CLEAN, Conditions::rated(400));
    let since = world.time();
    let mut waited = Duration::ZERO;
    // Repeated packets of what was sent before are not what is waited for.
    let pictures = |world: &World| {
        let mut got = world.got(0, 1, false, since);
        got.retain(|got| got.stamp.sent >= since);
        got
    };
    loop {
        world.run(Duration::from_millis(100));
        waited += Duration::from_millis(100);
        if pictures(&world).len() > 10 {
            break;
        }
        assert!(waited < Duration::from_secs(3), "no picture: {}", estimate(&mut world, 0));
    }
    assert_eq!(pictures(&world)[0].stamp.layer, 0, "the smallest");
    world.run(Duration::from_secs(4));
    let (pictures, layers) = last_second(&world);
    assert!(pictures >= 24 && layers[0] <= 1, "{pictures} of {layers:?}");
}

#[test]
fn a_network_that_becomes_slow_gets_smaller_pictures_and_recovers() {
    let mut world = pair();
    world.links(0, Conditions::CLEAN, Conditions::rated(450));
    world.run(Duration::from_secs(6));
    let (pictures, layers) = last_second(&world);
    assert!(pictures >= 23 && !layers.contains(&2), "{pictures} of {layers:?}");
    let slow = estimate(&mut world, 0);
    assert!((120_000..500_000).contains(&slow), "{slow}");
    world.links(0, Conditions::CLEAN, Conditions::CLEAN);
    world.run(Duration::from_secs(15));
    assert_eq!(last_second(&world), (25, vec![2]));
}

#[test]
fn a_machine_that_stands_still_for_a_moment_is_not_taken_for_a_slow_network() {
    let mut world = pair();
    let before = estimate(&mut world, 0);
    let since = world.time();
    for stall in [30, 60, 120, 30, 60, 120, 30, 60] {
        world.stalls_until = Some(world.now + Duration::from_millis(stall));
        world.run(Duration::from_millis(1_500));
        let now = estimate(&mut world, 0);
        assert!(now * 2 > before, "{now} after a stall of {stall} ms, not {before}");
    }
    let got = world.got(0, 1, false, since);
    assert!(got.iter().all(|got| got.stamp.layer == 2), "the picture stays large");
    assert_eq!(last_second(&world).0, 25);
}

#[test]
fn after_an_outage_the_picture_is_back_at_once_and_as_large_as_before() {
    for seconds in [1, 2, 4] {
        let mut world = pair();
        world.links(0, Conditions::losing(1_000), Conditions::losing(1_000));
        world.run(Duration::from_secs(seconds));
        world.links(0, Conditions::CLEAN, Conditions::CLEAN);
        let back = world.time();
        world.run(Duration::from_millis(2_000));
        let mut got = world.got(0, 1, false, back);
        got.retain(|got| got.stamp.sent >= back);
        let waited = got.first().expect("pictures").at - back;
        assert!(waited < Duration::from_millis(400), "after {seconds} s: {waited:?}");
        let (pictures, layers) = last_second(&world);
        assert!(pictures >= 24 && layers == [2], "after {seconds} s: {pictures} of {layers:?}");
    }
}

#[test]
fn who_moves_to_another_network_is_not_judged_by_the_one_before() {
    let mut world = pair();
    world.links(0, Conditions::CLEAN, Conditions::rated(300));
    world.run(Duration::from_secs(8));
    let before = estimate(&mut world, 0);
    assert!(before < 400_000, "{before}");
    let Way::Udp { seen, .. } = &mut world.clients[0].way else { panic!("by UDP") };
    seen.set_ip([10, 9, 0, 1].into());
    world.links(0, Conditions::CLEAN, Conditions::CLEAN);
    let moved = world.time();
    // Until the next connectivity check, nobody knows whose the new address is.
    while world.got(0, 1, false, moved).iter().all(|got| got.stamp.sent < moved) {
        world.run(Duration::from_millis(20));
        assert!(world.time() - moved < Duration::from_secs(4), "no picture");
    }
    world.run(Duration::from_millis(2_000));
    let after = estimate(&mut world, 0);
    let (pictures, layers) = last_second(&world);
    assert!(after > 1_000_000 && pictures >= 24 && layers == [2], "{after}: {pictures} of {layers:?}");
}

#[test]
fn behind_a_token_bucket_the_picture_that_fits_stays_but_for_rare_trials() {
    // What is too much is lost, or waits.
    let shaped = |kbps, burst| Conditions { burst, ..Conditions::rated(kbps) };
    let limits = [Conditions::policed(400, 16_000), shaped(400, 4_000), shaped(400, 16_000), shaped(250, 4_000)];
    for limit in limits {
        let mut world = pair();
        world.links(0, limit, limit);
        world.run(Duration::from_secs(8));
        let (mut whole, mut steady) = (0, 0);
        for _ in 0..120 {
            world.run(Duration::from_secs(1));
            let (pictures, layers) = last_second(&world);
            // Some come a moment later or earlier than they would.
            whole += usize::from(pictures >= 20);
            steady += usize::from(layers == [0]);
        }
        // A trial takes three seconds, and there is one in forty.
        assert!(steady >= 100, "{limit:?}: the small picture for {steady} of 120 seconds");
        assert!(whole >= 105, "{limit:?}: enough of it for {whole} of 120 seconds");
    }
}
