//! One wave: people do what the plan says, and what reaches them is looked at.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conclave_proto::ParticipantId;
use conclave_qos::{Bitrate, Time};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::machine::{Machine, TICK};
use super::plan::{Act, RoomPlan, SeatPlan, Wave};
use super::watch::{Missing, Occupant, STAMPS, look};
use crate::media::{CameraConfig, Clip, VideoCodec};
use crate::peer::{BotConfig, BotReport, Sends};
use crate::sdp::Kind;
use crate::signal::{Bearer, ConclaveRoom, Guest, Person, Seen, SignalError, Site, Trust, WhipSite};
use crate::swarm::{BotId, Network, Swarm, Until};

/// Where a wave happens.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) swarm: Arc<Swarm>,
    pub(super) site: Site,
    pub(super) bearer: Bearer,
    /// Counts time as the swarm does.
    pub(super) machine: Machine,
}

/// What a wave did and showed.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) joins: u64,
    pub(super) views: u64,
    pub(super) switches: u64,
    pub(super) moves: u64,
    pub(super) losses: u64,
    pub(super) vanished: u64,
    pub(super) players: u64,
    /// Packets of media that came to somebody.
    pub(super) packets: u64,
    /// Pictures and sounds that were looked for, and the longest wait for one.
    pub(super) expected: u64,
    pub(super) longest: Duration,
    /// Those that the server held back for want of bandwidth for longer than the limit.
    pub(super) held_back: u64,
    /// Time in which the machine stood still, or had better things to do.
    pub(super) lost: Duration,
    pub(super) faults: Vec<String>,
}

/// Faults of one wave that are told; one fault mostly brings many.
const MOST_FAULTS: usize = 20;
/// The server gives up who has not asked for anything after this time; bots have more patience.
const PATIENCE: Duration = Duration::from_secs(10);
/// Faults of what is missing: nobody may miss anything for longer. It holds for a picture that comes back after a
/// change of network, too: bots check connectivity again after some seconds.
pub(super) const LIMIT: Duration = Duration::from_secs(6);

struct Room {
    number: usize,
    conclave: ConclaveRoom,
    codec: VideoCodec,
    seats: Mutex<BTreeMap<usize, Seated>>,
    /// When nobody was there last: a meeting that everybody has left ends, and whoever plays it is sent away.
    deserted: Mutex<Time>,
    /// Counts who has come and gone.
    changed: watch::Sender<u64>,
}

struct Seated {
    bot: BotId,
    participant: ParticipantId,
    occupant: Occupant,
    seen: Arc<Mutex<Seen>>,
}

/// Everything is whole after each change.
fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Place {
    /// Whether a request that was made then has failed because the machine had no time for it: one side or the other has
    /// lost patience, whatever the error says.
    fn excuses(&self, since: Time) -> bool {
        self.machine.now().since(since) >= PATIENCE && self.machine.given(since) < LIMIT
    }
}

/// Lets a wave happen. `number` names its rooms.
pub(super) async fn run(place: &Place, wave: Wave, number: usize, seed: u64, churn: Duration) -> Tally {
    let tally = Arc::new(Mutex::new(Tally::default()));
    let start = Instant::now();
    let (mut tasks, mut rooms) = (JoinSet::new(), Vec::new());
    for (index, plan) in wave.rooms.into_iter().enumerate() {
        let RoomPlan { codec, seats, player } = plan;
        let room = Arc::new(Room {
            number: index,
            conclave: ConclaveRoom {
                site: place.site.clone(),
                trust: Trust::Anybody,
                bearer: None,
                address: Ipv4Addr::LOCALHOST.into(),
                room: format!("soak-{number}-{index}"),
                capacity: 50,
                stage: watch::Sender::default(),
            },
            codec,
            seats: Mutex::default(),
            deserted: Mutex::default(),
            changed: watch::Sender::new(0),
        });
        rooms.push(room.clone());
        for (own, plan) in seats.into_iter().enumerate() {
            let seed = seed.wrapping_add((number * 10_000 + index * 100 + own) as u64);
            let seat = Seat { place: place.clone(), room: room.clone(), tally: tally.clone(), own, seed, start, churn };
            tasks.spawn(seat.live(plan));
        }
        if let Some((comes, goes)) = player {
            let seed = !seed.wrapping_add((number * 10_000 + index) as u64);
            let player = play(place.clone(), room, tally.clone(), seed, start + comes, start + goes);
            tasks.spawn(player);
        }
    }
    observe(place, &rooms, &tally, &mut tasks).await;
    lock(&tally).clone()
}

/// Looks at the rooms until nobody acts any more.
async fn observe(place: &Place, rooms: &[Arc<Room>], tally: &Mutex<Tally>, tasks: &mut JoinSet<()>) {
    let mut told = Vec::new();
    let mut packets: BTreeMap<BotId, u64> = BTreeMap::new();
    while !tasks.is_empty() {
        tokio::select! {
            ended = tasks.join_next() => {
                if let Some(Err(error)) = ended {
                    lock(tally).fault(format!("the run itself failed: {error}"));
                }
                continue;
            }
            () = tokio::time::sleep(TICK) => {}
        }
        let reports: BTreeMap<_, _> = place.swarm.reports().await.into_iter().collect();
        place.machine.look();
        let (now, lost) = (place.machine.now(), place.machine.lost());
        let mut tally = lock(tally);
        tally.lost = lost.total();
        packets.extend(reports.iter().map(|(bot, report)| (*bot, report.packets)));
        for room in rooms {
            let seats = room.occupants(&reports);
            let looked = look(now, &lost, LIMIT, &seats);
            tally.expected += looked.expected;
            tally.longest = tally.longest.max(looked.longest);
            for gap in looked.gaps {
                let key = (room.number, gap.seat, gap.missing);
                if told.contains(&key) {
                    continue;
                }
                told.push(key);
                if gap.held_back {
                    tally.held_back += 1;
                    continue;
                }
                let what = match gap.missing {
                    Missing::Picture { of } => format!("the picture of seat {of}"),
                    Missing::Sound { of } => format!("the sound of seat {of}"),
                    Missing::AnySound => "all sound".to_owned(),
                };
                let (name, seat) = (&room.conclave.room, gap.seat);
                tally.fault(format!("{name}: seat {seat} has missed {what} for {:.1} s", gap.time.as_secs_f64()));
            }
        }
    }
    lock(tally).packets = packets.values().sum();
}

impl Tally {
    fn fault(&mut self, fault: String) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(fault);
        }
    }
}

impl Room {
    /// What is known of everybody by now.
    fn occupants(&self, reports: &BTreeMap<BotId, BotReport>) -> BTreeMap<usize, Occupant> {
        let mut seats = lock(&self.seats);
        let whose: BTreeMap<_, _> = seats.iter().map(|(seat, seated)| (seated.participant.clone(), *seat)).collect();
        for seated in seats.values_mut() {
            let Some(report) = reports.get(&seated.bot) else { continue };
            seated.occupant.connected = report.connected.filter(|_| !report.ended);
            seated.occupant.heard.clone_from(&report.heard);
            let seen = lock(&seated.seen);
            seated.occupant.held_back = seen.paused.iter().filter_map(|paused| whose.get(paused)).copied().collect();
        }
        seats.iter().map(|(seat, seated)| (*seat, seated.occupant.clone())).collect()
    }

    /// Whether somebody has been there with a microphone, undisturbed, since this moment.
    fn has_spoken_since(&self, since: Time) -> bool {
        lock(&self.seats).values().any(|Seated { occupant: Occupant { connected, microphone, calm, .. }, .. }| {
            [connected, microphone, calm].into_iter().all(|moment| moment.is_some_and(|moment| moment <= since))
        })
    }

    /// Somebody is not there any more from now on.
    fn leaves(&self, seat: usize, now: Time) {
        let mut seats = lock(&self.seats);
        seats.remove(&seat);
        if seats.is_empty() {
            *lock(&self.deserted) = now;
        }
        drop(seats);
        self.changed.send_modify(|changes| *changes += 1);
    }

    /// Whether somebody has been there all the time since this moment.
    fn goes_on_since(&self, since: Time) -> bool {
        let seats = lock(&self.seats);
        !seats.is_empty() && *lock(&self.deserted) < since
    }

    /// Changes what is known of one who is there.
    fn update(&self, seat: usize, change: impl FnOnce(&mut Occupant)) {
        if let Some(seated) = lock(&self.seats).get_mut(&seat) {
            change(&mut seated.occupant);
        }
    }

    /// Those of these seats that are taken, as far as a screen of so many tiles shows them.
    fn show(&self, now: Time, seat: usize, guest: &Guest, view: &[usize]) {
        let mut seats = lock(&self.seats);
        let there: Vec<_> = view.iter().filter_map(|of| Some((*of, seats.get(of)?.participant.clone()))).collect();
        if let Some(seated) = seats.get_mut(&seat) {
            let shows = &mut seated.occupant.shows;
            shows.retain(|of, _| there.iter().any(|(shown, _)| shown == of));
            for (of, _) in &there {
                shows.entry(*of).or_insert(now);
            }
        }
        drop(seats);
        guest.show(&there.into_iter().map(|(_, participant)| participant).collect::<Vec<_>>());
    }
}

/// One who acts.
struct Seat {
    place: Place,
    room: Arc<Room>,
    tally: Arc<Mutex<Tally>>,
    own: usize,
    seed: u64,
    start: Instant,
    churn: Duration,
}

impl Seat {
    async fn live(self, plan: SeatPlan) {
        let mut changed = self.room.changed.subscribe();
        let (mut guest, mut view, mut visits) = (None::<Guest>, Vec::new(), 0);
        for step in &plan.steps {
            self.wait(self.start + step.at, &mut changed, guest.as_ref(), &view).await;
            let now = self.now();
            match (&step.act, &guest) {
                (Act::Join(shown), _) => {
                    visits += 1;
                    view.clone_from(shown);
                    guest = self.join(&plan, visits).await;
                }
                (Act::Leave | Act::Vanish, _) => {
                    let guest = guest.take();
                    self.go(guest, step.act == Act::Leave).await;
                }
                (_, None) => {}
                (Act::Show(shown), Some(guest)) => {
                    view.clone_from(shown);
                    self.count(|tally| tally.views += 1);
                    self.room.show(now, self.own, guest, &view);
                }
                (Act::Send { microphone, camera }, Some(guest)) => {
                    self.count(|tally| tally.switches += 1);
                    guest.send(*microphone, *camera);
                    self.room.update(self.own, |occupant| {
                        occupant.microphone = microphone.then(|| occupant.microphone.unwrap_or(now));
                        occupant.camera = camera.then(|| occupant.camera.unwrap_or(now));
                    });
                }
                (Act::Move(address), Some(guest)) => {
                    self.count(|tally| tally.moves += 1);
                    let address = Ipv4Addr::new(127, 0, 0, address.unwrap_or(1));
                    match self.place.swarm.socket(address.into(), false) {
                        Ok(socket) => self.place.swarm.move_to(guest.bot(), socket),
                        Err(error) => self.fault(format!("no socket: {error}")),
                    }
                    self.room.update(self.own, |occupant| occupant.calm = Some(now));
                }
                (Act::Lose(loss), Some(guest)) => {
                    self.count(|tally| tally.losses += 1);
                    self.room.update(self.own, |occupant| occupant.calm = None);
                    self.place.swarm.set_network(guest.bot(), Network { loss: *loss });
                }
                (Act::Recover, Some(guest)) => {
                    self.place.swarm.set_network(guest.bot(), Network::default());
                    self.room.update(self.own, |occupant| occupant.calm = Some(now));
                }
            }
        }
        self.wait(self.start + self.churn, &mut changed, guest.as_ref(), &view).await;
        if guest.is_some() {
            self.go(guest, true).await;
        }
    }

    /// Waits, and goes on showing the same seats, whoever takes them.
    async fn wait(&self, until: Instant, changed: &mut watch::Receiver<u64>, guest: Option<&Guest>, view: &[usize]) {
        loop {
            tokio::select! {
                () = sleep_until(until) => return,
                Ok(()) = changed.changed() => {
                    if let Some(guest) = guest {
                        self.room.show(self.now(), self.own, guest, view);
                    }
                }
            }
        }
    }

    async fn join(&self, plan: &SeatPlan, visits: u64) -> Option<Guest> {
        self.count(|tally| tally.joins += 1);
        let since = self.now();
        let stamps = self.own as u32 * STAMPS;
        let person = Person {
            number: self.own,
            camera: Some(camera(self.room.codec, plan.simulcast)),
            codec: self.room.codec,
            talkative: Some(1.0),
            hears: true,
            tiles: plan.tiles,
            tile_size: (320, 180),
            seed: self.seed.wrapping_mul(1_000).wrapping_add(visits),
            stamps: Some(stamps),
            sampled: true,
            sink: false,
        };
        let guest = match self.room.conclave.invite(&self.place.swarm, &person).await {
            Ok(guest) => guest,
            Err(error) => {
                if !self.place.excuses(since) {
                    self.fault(format!("a join failed: {error}"));
                }
                return None;
            }
        };
        let now = Some(self.now());
        let occupant = Occupant { stamps, microphone: now, camera: now, calm: now, ..Occupant::default() };
        let participant = guest.participant().clone();
        let seated = Seated { bot: guest.bot(), participant, occupant, seen: guest.seen() };
        lock(&self.room.seats).insert(self.own, seated);
        self.room.changed.send_modify(|changes| *changes += 1);
        Some(guest)
    }

    async fn go(&self, guest: Option<Guest>, politely: bool) {
        let Some(guest) = guest else { return };
        self.room.leaves(self.own, self.now());
        for trouble in lock(&guest.seen()).troubles.drain(..) {
            self.fault(format!("{}: seat {}: {trouble}", self.room.conclave.room, self.own));
        }
        if !politely {
            self.count(|tally| tally.vanished += 1);
            return;
        }
        let since = self.now();
        if let Err(error) = guest.leave().await
            && !self.place.excuses(since)
        {
            self.fault(format!("a leave failed: {error}"));
        }
    }

    fn now(&self) -> Time {
        self.place.swarm.now()
    }

    fn count(&self, change: impl FnOnce(&mut Tally)) {
        change(&mut lock(&self.tally));
    }

    fn fault(&self, fault: String) {
        lock(&self.tally).fault(fault);
    }
}

/// Rates of the layers, smallest first: a room's pictures fit what the server assumes of an unknown network.
const LAYERS: [(&str, u64); 3] = [("l", 40), ("m", 80), ("h", 150)];

fn camera(codec: VideoCodec, simulcast: bool) -> Sends {
    let layer = |kbps| CameraConfig {
        clip: Arc::new(Clip::sample(codec, 180)),
        frames_per_second: 15,
        rate: Some(Bitrate::kbps(kbps)),
        even: false,
        key_frames_every: None,
        payload_bytes: 1_130,
    };
    let layers = match simulcast {
        true => LAYERS.iter().map(|(rid, kbps)| (Some(*rid), layer(*kbps))).collect(),
        false => vec![(None, layer(LAYERS[1].1))],
    };
    Sends::Camera { mid: "1".to_owned(), layers }
}

/// A player that comes and goes. That nothing is live when it comes is no fault, nor that a meeting which everybody has
/// left has sent it away.
async fn play(place: Place, room: Arc<Room>, tally: Arc<Mutex<Tally>>, seed: u64, comes: Instant, goes: Instant) {
    sleep_until(comes).await;
    let config = BotConfig {
        seed,
        stamps: None,
        sends: Vec::new(),
        receives: vec![("0".to_owned(), Kind::Audio), ("1".to_owned(), Kind::Video(room.codec))],
        sampled: false,
        sink: false,
    };
    let name = &room.conclave.room;
    let fault = |fault: String| lock(&tally).fault(format!("{name}: {fault}"));
    let Ok(site) = place.site.join(&format!("/whep/{name}")) else { return };
    let bearer = Some(place.bearer.clone());
    let site = WhipSite { site, trust: Trust::Anybody, bearer, address: room.conclave.address };
    let asked = place.machine.now();
    match site.join(&place.swarm, config).await {
        Ok((joined, session)) => {
            lock(&tally).players += 1;
            let since = place.machine.now();
            if misses_everything(&place, joined.bot, since, goes).await && room.has_spoken_since(since) {
                fault(format!("a player has got nothing for {:.1} s", LIMIT.as_secs_f64()));
            }
            sleep_until(goes).await;
            let ends = place.machine.now();
            match session.end().await {
                Err(SignalError::Refused(status)) if status.starts_with("404") && !room.goes_on_since(since) => {}
                Err(error) if !place.excuses(ends) => fault(format!("a player's end failed: {error}")),
                _ => {}
            }
            place.swarm.remove(joined.bot);
        }
        Err(SignalError::Refused(status)) if status.starts_with("409") => {}
        Err(_) if place.excuses(asked) => {}
        Err(error) => fault(format!("a player was not let in: {error}")),
    }
}

/// Whether a bot gets nothing for longer than the limit. One who goes before has missed nothing for so long.
async fn misses_everything(place: &Place, bot: BotId, since: Time, goes: Instant) -> bool {
    loop {
        let left = LIMIT.saturating_sub(place.machine.given(since));
        if left.is_zero() {
            return true;
        }
        let patience = left.min(goes.saturating_duration_since(Instant::now()));
        let got = place.swarm.watch(bot, Until::Packets(1), patience).await;
        if got.is_some_and(|report| report.packets > 0) || Instant::now() >= goes {
            return false;
        }
        // Its connection has ended, or the machine has lost time.
        tokio::time::sleep(TICK).await;
    }
}
