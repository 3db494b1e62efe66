//! Scenarios as data: who is there and how they reach the server, what happens, and what must come of it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::client::{Client, Got, Way};
use super::link::Conditions;
use super::publisher::SOUND;
use super::world::{World, delay, holes, longest_gap};
use crate::event::RoomKey;

/// Somebody who takes part.
#[derive(Clone, Copy)]
pub(super) struct Person {
    pub(super) reach: Reach,
    pub(super) up: Conditions,
    pub(super) down: Conditions,
    /// Whose cameras, by their place in the scenario.
    pub(super) sees: &'static [usize],
    /// Comes only when [`Turmoil::Join`] says so.
    pub(super) late: bool,
}

impl Person {
    pub(super) const fn at(shard: usize, sees: &'static [usize]) -> Self {
        let (up, down) = (Conditions::CLEAN, Conditions::CLEAN);
        Self { reach: Reach::Udp(shard), up, down, sees, late: false }
    }
}

#[derive(Clone, Copy)]
pub(super) enum Reach {
    /// By UDP; packets come to this shard.
    Udp(usize),
    Tcp,
    /// By UDP, whose packets come to this shard, and by ICE-TCP.
    Both(usize),
}

/// What happens to somebody.
#[derive(Clone, Copy)]
pub(super) enum Turmoil {
    Join,
    /// All streams go on so many packets further.
    Skip(u64),
    /// All timestamps go on so much further.
    Shift(u32),
    /// All streams get other SSRCs, as after a page's camera was changed.
    ChangeSources,
    /// The camera's lowest layer takes the SSRC of the sound.
    Collide,
    /// The system gives packets from another address to another shard.
    Rebind(usize),
    /// UDP is blocked; media goes by the connection.
    TurnToTcp,
    /// Says goodbye.
    Leave,
    /// Is heard no more, and hears nothing.
    Unplug,
}

/// What must come of it, from the end of the warm-up on, by the places of who receives and who sends.
#[derive(Clone, Debug)]
pub(super) enum Check {
    /// Percent of sound.
    Sound(usize, usize, RangeInclusive<usize>),
    /// Percent of pictures of which every packet has come.
    Pictures(usize, usize, RangeInclusive<usize>),
    /// Nothing is missing in what a slot's numbers say was sent.
    NoPictureLost(usize, usize),
    /// Pictures and sound never stay away for longer, in milliseconds.
    Gap(usize, usize, u64),
    /// So many percent of pictures' packets come within so many milliseconds.
    Delay(usize, usize, usize, u64),
    /// How often key frames of somebody's camera were asked for, all layers together.
    KeyFrames(usize, u32),
    /// So many packets are dropped for this reason.
    Dropped(&'static str, RangeInclusive<u64>),
    /// So many legs end for this reason.
    Ended(&'static str, u64),
    /// Somebody's leg is owned by this shard in the end.
    OwnedBy(usize, u16),
}

pub(super) struct Scenario {
    pub(super) shards: usize,
    /// Whose room is at home at the shard of this number, modulo their number.
    pub(super) room: u64,
    pub(super) people: &'static [Person],
    /// At so many milliseconds after the warm-up.
    pub(super) turmoil: &'static [(u64, usize, Turmoil)],
    pub(super) seconds: u64,
    /// Whether requests for key frames change what is sent.
    pub(super) heeds: bool,
}

/// Estimates and layers are settled by then.
const WARM_UP: Duration = Duration::from_secs(6);
/// What is sent at the end may be on its way still, repeated packets included.
const TAIL: Duration = Duration::from_secs(1);

impl Scenario {
    /// One room with these people on two shards.
    pub(super) const fn of(people: &'static [Person]) -> Self {
        Self { shards: 2, room: 1, people, turmoil: &[], seconds: 10, heeds: true }
    }

    /// Plays it, and finds every check true.
    #[track_caller]
    pub(super) fn play(&self, checks: &[Check]) -> World {
        let mut world = World::new(self.shards);
        let mut places: Vec<Option<usize>> = Vec::new();
        for (place, person) in self.people.iter().enumerate() {
            let client = (!person.late).then(|| self.join(&mut world, place));
            places.push(client);
        }
        world.connect();
        self.views(&mut world, &places);
        world.run(WARM_UP);
        let began = world.time();
        let asked: Vec<_> = world.clients.iter().map(Client::keyframes_asked).collect();
        let mut turmoil = self.turmoil.iter().peekable();
        while world.time() < began + Duration::from_secs(self.seconds) {
            while let Some((_, place, what)) =
                turmoil.next_if(|(at, ..)| began + Duration::from_millis(*at) <= world.time())
            {
                self.happen(&mut world, &mut places, *place, *what);
            }
            world.step();
        }
        let stage = Played { began, asked, world: &world, places: &places };
        let failed: Vec<_> = checks.iter().filter_map(|check| stage.judge(check)).collect();
        assert!(failed.is_empty(), "{failed:#?}");
        for check in checks {
            if let Check::OwnedBy(place, shard) = check {
                let who = places[*place].expect("there");
                assert_eq!(world.leg(who).expect("a leg").shard, *shard, "{check:?}");
            }
        }
        world
    }

    fn join(&self, world: &mut World, place: usize) -> usize {
        let Person { reach, up, down, .. } = self.people[place];
        let (room, name) = (RoomKey(self.room), format!("person-{place}"));
        let who = match reach {
            Reach::Udp(shard) => world.join(room, &name, shard, 3),
            Reach::Tcp => world.join_tcp(room, &name, 3),
            Reach::Both(shard) => world.join_both(room, &name, shard, 3),
        };
        world.links(who, up, down);
        world.clients[who].publisher.heeds = self.heeds;
        who
    }

    fn views(&self, world: &mut World, places: &[Option<usize>]) {
        for (place, person) in self.people.iter().enumerate() {
            let Some(who) = places[place] else { continue };
            let whose: Vec<_> = person.sees.iter().filter_map(|seen| places[*seen]).collect();
            world.view(who, &whose, (640, 360));
        }
    }

    fn happen(&self, world: &mut World, places: &mut [Option<usize>], place: usize, what: Turmoil) {
        if let Turmoil::Join = what {
            places[place] = Some(self.join(world, place));
            return self.views(world, places);
        }
        let now = world.now;
        let client = &mut world.clients[places[place].expect("has joined")];
        let streams = &mut client.publisher.streams;
        match what {
            Turmoil::Skip(packets) => client.publisher.skip(packets),
            Turmoil::Shift(by) => {
                streams.iter_mut().for_each(|stream| stream.timestamp = stream.timestamp.wrapping_add(by));
            }
            Turmoil::ChangeSources => {
                for stream in streams {
                    stream.renew(500);
                }
            }
            Turmoil::Collide => {
                streams[1].ssrc = streams[0].ssrc;
                // Sealed under one source, numbers may not be used twice, nor be far from each other.
                streams[1].sequence = streams[0].sequence + 600;
            }
            Turmoil::TurnToTcp => {
                client.turned = true;
                client.up.conditions.lost = 1_000;
                client.down.conditions.lost = 1_000;
            }
            Turmoil::Rebind(to) => {
                if let Way::Udp { seen, shard, .. } = &mut client.way {
                    seen.set_port(seen.port() + 1);
                    *shard = to;
                }
            }
            Turmoil::Leave => client.close(now),
            Turmoil::Unplug => client.unplugged = true,
            Turmoil::Join => {}
        }
    }
}

/// A world at the end of a scenario.
struct Played<'a> {
    began: Duration,
    /// Key frames until then, by client.
    asked: Vec<u32>,
    world: &'a World,
    places: &'a [Option<usize>],
}

impl Played<'_> {
    /// What is wrong, if it is.
    fn judge(&self, check: &Check) -> Option<String> {
        let (is_right, seen) = match check {
            Check::Sound(who, whose, share) => {
                let (got, sent) = (frames(&self.got(*who, *whose, true)), self.sent(*who, *whose) * 2);
                (share.contains(&(got * 100 / sent.max(1))), format!("{got} of {sent}"))
            }
            Check::Pictures(who, whose, share) => {
                let (got, sent) = (frames(&self.got(*who, *whose, false)), self.sent(*who, *whose));
                (share.contains(&(got * 100 / sent.max(1))), format!("{got} of {sent}"))
            }
            Check::NoPictureLost(who, whose) => {
                let got = self.got(*who, *whose, false);
                let holes = holes(&got);
                (holes == 0 && !got.is_empty(), format!("{holes} of {}", got.len()))
            }
            Check::Gap(who, whose, most) => {
                let gaps = [true, false].map(|is_sound| longest_gap(&self.got(*who, *whose, is_sound)));
                (gaps.iter().all(|gap| gap.as_millis() <= u128::from(*most)), format!("{gaps:?}"))
            }
            Check::Delay(who, whose, percent, most) => {
                let delay = delay(&self.got(*who, *whose, false), *percent);
                (delay.as_millis() <= u128::from(*most), format!("{delay:?}"))
            }
            Check::KeyFrames(whose, most) => {
                let who = self.places[*whose].expect("has joined");
                let before = self.asked.get(who).copied().unwrap_or_default();
                let asked = self.client(*whose).keyframes_asked() - before;
                (asked <= *most, asked.to_string())
            }
            Check::Dropped(reason, packets) => {
                let dropped = self.world.dropped(reason);
                (packets.contains(&dropped), dropped.to_string())
            }
            Check::Ended(reason, legs) => {
                let ended = self.world.ended(reason);
                (ended == *legs, ended.to_string())
            }
            Check::OwnedBy(..) => (true, String::new()),
        };
        (!is_right).then(|| format!("{check:?}: {seen}"))
    }

    fn client(&self, place: usize) -> &Client {
        &self.world.clients[self.places[place].expect("has joined")]
    }

    /// From when on somebody could receive somebody.
    fn since(&self, who: usize, whose: usize) -> Duration {
        // Who comes late is connected and shown within two seconds.
        let late = |place: usize| self.client(place).joined + WARM_UP / 2;
        self.began.max(late(who)).max(late(whose))
    }

    fn until(&self) -> Duration {
        self.world.time() - TAIL
    }

    fn got(&self, who: usize, whose: usize, is_sound: bool) -> Vec<Got> {
        let from = self.places[whose].expect("has joined");
        let window = self.since(who, whose)..self.until();
        let is_it = |got: &&Got| {
            let stamp = got.stamp;
            usize::from(stamp.from) == from && (stamp.layer == SOUND) == is_sound && window.contains(&stamp.sent)
        };
        self.client(who).got.iter().filter(is_it).copied().collect()
    }

    /// How many pictures were sent.
    fn sent(&self, who: usize, whose: usize) -> usize {
        ((self.until() - self.since(who, whose)).as_millis() / 40) as usize
    }
}

/// How many pictures, or sounds, came whole, in whichever layer.
fn frames(got: &[Got]) -> usize {
    let mut parts: BTreeMap<(u32, u8), (u8, std::collections::BTreeSet<u8>)> = BTreeMap::new();
    for got in got {
        let stamp = got.stamp;
        let frame = parts.entry((stamp.frame, stamp.layer)).or_insert((stamp.parts, Default::default()));
        frame.1.insert(stamp.part);
    }
    let whole = parts.iter().filter(|(_, (parts, came))| came.len() == usize::from(*parts));
    let mut frames: Vec<_> = whole.map(|((frame, _), _)| *frame).collect();
    frames.dedup();
    frames.len()
}
