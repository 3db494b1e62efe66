//! A long way that loses packets: parity makes good in time what would be asked for in vain.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::link::Conditions;
use super::repairs::{self, Repairs};
use super::world::World;
use crate::event::RoomKey;

const ROOM: RoomKey = RoomKey(1);
/// 85 ms there, and 65 ms back.
const FAR: Conditions = Conditions { delay: Duration::from_millis(85), ..Conditions::losing(50) };
/// Later than so, a picture is not shown any more: before anything that was asked for again can have come.
const IN_TIME: Duration = Duration::from_millis(220);

/// Two people, of whom the first is far away.
fn pair(takes_parity: bool, down: Conditions) -> World {
    let mut world = World::new(1);
    world.join_lying(ROOM, "ada", |sdp| if takes_parity { repairs::offer(&sdp) } else { sdp });
    world.clients[0].repairs = takes_parity.then(Repairs::default);
    world.join(ROOM, "bob", 0, 1);
    world.connect();
    let up = Conditions { lost: 0, delay: Duration::from_millis(65), ..down };
    world.links(0, if down.lost > 0 { up } else { Conditions::CLEAN }, down);
    world.view(0, &[1], (640, 360));
    world.run(Duration::from_secs(25));
    world
}

/// Of a thousand pictures, in 20 s, how many were not whole in time.
fn lost(world: &mut World) -> usize {
    let since = world.time();
    world.run(Duration::from_secs(20));
    let mut pictures: BTreeMap<u32, (u8, BTreeSet<u8>)> = BTreeMap::new();
    let until = world.time() - Duration::from_secs(1);
    for got in world.got(0, 1, false, since).iter().filter(|got| got.stamp.sent >= since && got.stamp.sent < until) {
        let picture = pictures.entry(got.stamp.frame).or_insert((got.stamp.parts, BTreeSet::new()));
        if got.at - got.stamp.sent <= IN_TIME {
            picture.1.insert(got.stamp.part);
        }
    }
    let sent = ((until - since).as_millis() / 40) as usize;
    let whole = pictures.values().filter(|(parts, came)| came.len() == usize::from(*parts)).count();
    sent.saturating_sub(whole) * 1_000 / sent
}

#[test]
fn far_away_fewer_pictures_are_lost_with_parity_than_without() {
    let without = lost(&mut pair(false, FAR));
    let mut world = pair(true, FAR);
    let (before, parity) = (repairs(&world), counted(&world));
    let with = lost(&mut world);
    let (came, made) = repairs(&world);
    assert!(with * 2 <= without, "{with} of 1,000 instead of {without}");
    assert!(came > before.0 && made > before.1, "{came} came, and {made} were made again");
    let sent = world.leg(0).expect("a leg").sent.packets;
    assert!(counted(&world) > parity && counted(&world) * 5 <= sent, "{} of {sent}", counted(&world));
    assert_eq!(world.dropped("late"), 0);
}

#[test]
fn on_a_clean_network_and_for_who_does_not_take_it_there_is_no_parity() {
    let world = pair(true, Conditions::CLEAN);
    assert_eq!((counted(&world), repairs(&world).0), (0, 0));
    let world = pair(false, FAR);
    assert_eq!(counted(&world), 0);
}

/// How many packets of parity came, and how many lost ones were made again.
fn repairs(world: &World) -> (u64, u64) {
    world.clients[0].repairs.as_ref().map_or((0, 0), |repairs| (repairs.came, repairs.made))
}

fn counted(world: &World) -> u64 {
    world.counted.counter("conclave_media_parity_packets_total")
}
