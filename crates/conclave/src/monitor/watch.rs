//! Everything that the administrator can look at, without I/O: observations in, answers out.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use conclave_media::RoomKey;
use conclave_media::stats::{LegSnapshot, MediaSnapshot, ShardSnapshot};
use conclave_proto::{
    AdminHistory, AdminOverview, AdminOverviewNow, AdminParticipantDetail, AdminParticipantNow, AdminRoom,
    AdminRoomNow, AdminRoomRow, AdminShard, AdminTotals, AdminTotalsSeries, Participant, ParticipantId, RoomName,
    Topology, TopologyReason,
};

use super::bounds::Bounds;
use super::history::{COARSE, Clock, Fold, STEP, Series};
use super::meter::Sum;
use super::person::{Person, kbps};
use super::process::Usage;
use crate::rooms::Snapshot;

/// Rooms in one answer.
const MOST_ROOMS: usize = 1_000;
/// Seconds after which nobody remembers: the length of a history.
const HOUR: u64 = COARSE as u64 * STEP;

/// What was seen at one moment.
pub(super) struct Observation {
    /// Since observing began.
    pub(super) at: Duration,
    /// Milliseconds since 1970-01-01 UTC.
    pub(super) unix_ms: u64,
    /// Of the process.
    pub(super) usage: Usage,
    /// None when it did not answer.
    pub(super) media: Option<MediaSnapshot>,
    /// Every live meeting.
    pub(super) live: Vec<(RoomKey, RoomName)>,
    /// What some of them look like.
    pub(super) looks: Vec<(RoomKey, Snapshot)>,
}

/// What is known, and was known within the last hour.
pub(super) struct Watch {
    version: &'static str,
    started_ms: u64,
    clock: Clock,
    at: Duration,
    rooms: BTreeMap<RoomName, Room>,
    names: HashMap<RoomKey, RoomName>,
    totals: AdminTotals,
    history: Series<7>,
    /// Of the last look; none before the first.
    usage: Option<Usage>,
    shards: Vec<ShardSnapshot>,
    bounds: Bounds,
}

/// A room of the last hour.
#[derive(Default)]
pub(super) struct Room {
    /// None when its meeting is over.
    key: Option<RoomKey>,
    since_ms: u64,
    topology: Option<(Topology, TopologyReason)>,
    pub(super) people: HashMap<ParticipantId, Person>,
}

const FOLDS: [Fold; 7] = [Fold::Max, Fold::Mean, Fold::Mean, Fold::Mean, Fold::Max, Fold::Mean, Fold::Mean];

impl Watch {
    /// Nothing has been seen. `started_ms`: when the program started.
    pub(super) fn new(started_ms: u64, bounds: Bounds) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started_ms,
            clock: Clock { second: 0, unix_ms: started_ms },
            at: Duration::ZERO,
            rooms: BTreeMap::new(),
            names: HashMap::new(),
            totals: AdminTotals {
                rooms: 0,
                participants: 0,
                legs: 0,
                received: Default::default(),
                sent: Default::default(),
                forwarded: 0,
                memory_bytes: None,
                cpu_permille: 0,
                shards: Vec::new(),
            },
            history: Series::new(0, &FOLDS),
            usage: None,
            shards: Vec::new(),
            bounds,
        }
    }

    /// Takes in what was seen.
    pub(super) fn handle(&mut self, observation: Observation) {
        let since = observation.at.saturating_sub(self.at);
        self.at = observation.at;
        self.clock = Clock { second: observation.at.as_secs(), unix_ms: observation.unix_ms };
        self.handle_live(observation.live);
        for (key, look) in &observation.looks {
            self.handle_look(*key, look);
        }
        let media = observation.media.as_ref();
        self.handle_media(media);
        self.handle_totals(since, observation.usage, media);
        self.bounds.keep(self.clock.second, &mut self.rooms);
        self.forget();
    }

    fn handle_live(&mut self, live: Vec<(RoomKey, RoomName)>) {
        self.names.clear();
        for (key, name) in live {
            let room = self.rooms.entry(name.clone()).or_default();
            if room.key != Some(key) {
                room.people.values_mut().for_each(Person::left);
                *room = Room {
                    key: Some(key),
                    since_ms: self.clock.unix_ms,
                    topology: None,
                    people: std::mem::take(&mut room.people),
                };
            }
            self.names.insert(key, name);
        }
        for room in self.rooms.values_mut() {
            if room.key.take_if(|key| !self.names.contains_key(key)).is_some() {
                room.people.values_mut().for_each(Person::left);
            }
        }
    }

    fn handle_look(&mut self, key: RoomKey, look: &Snapshot) {
        let Some(room) = self.names.get(&key).and_then(|name| self.rooms.get_mut(name)) else { return };
        room.topology = Some((look.state.topology.topology, look.state.topology.reason));
        let second = self.clock.second;
        let inside: HashMap<&ParticipantId, &Participant> = look.participants.iter().map(|p| (&p.id, p)).collect();
        for (id, person) in &mut room.people {
            if person.is_inside() && !inside.contains_key(id) {
                person.left();
            }
        }
        for (id, participant) in inside {
            match room.people.get_mut(id) {
                Some(person) => person.seen(second, participant),
                None => {
                    room.people.insert(id.clone(), Person::new(second, participant));
                }
            }
        }
    }

    fn handle_media(&mut self, media: Option<&MediaSnapshot>) {
        let mut legs: HashMap<RoomKey, HashMap<&ParticipantId, Vec<&LegSnapshot>>> = HashMap::new();
        for room in media.iter().flat_map(|media| &media.rooms) {
            let of_room = legs.entry(room.key).or_default();
            for leg in &room.legs {
                of_room.entry(&leg.participant).or_default().push(leg);
            }
        }
        for room in self.rooms.values_mut() {
            let of_room = room.key.and_then(|key| legs.get(&key));
            for (id, person) in room.people.iter_mut().filter(|(_, person)| person.is_inside()) {
                let legs = of_room.and_then(|legs| legs.get(id)).map_or(&[][..], Vec::as_slice);
                person.update(self.clock.second, self.at, legs);
            }
        }
    }

    fn handle_totals(&mut self, since: Duration, usage: Usage, media: Option<&MediaSnapshot>) {
        let per_second = |now: u64, before: u64| {
            let seconds = since.as_secs_f64();
            // Saturates where a count is out of all proportion.
            if seconds > 0.0 { (now.saturating_sub(before) as f64 / seconds).round() as u32 } else { 0 }
        };
        let shards = media.map_or(&[][..], |media| &media.shards);
        let mut forwarded = 0;
        let shards_now = shards.iter().enumerate().map(|(index, shard)| {
            let before = self.shards.get(index).copied().unwrap_or_default();
            forwarded += per_second(shard.forwarded, before.forwarded);
            AdminShard {
                busy_permille: share(shard.busy.saturating_sub(before.busy), since).min(1_000) as u16,
                packets_in: per_second(shard.received.packets, before.received.packets),
                packets_out: per_second(shard.sent.packets, before.sent.packets),
                legs: shard.legs,
            }
        });
        let shards_now = shards_now.collect();
        let (mut received, mut sent) = (Sum::default(), Sum::default());
        for leg in self.rooms.values().flat_map(Room::inside).filter_map(Person::leg) {
            received.add(leg.received);
            sent.add(leg.sent);
        }
        let totals = AdminTotals {
            rooms: self.names.len() as u32,
            participants: self.rooms.values().map(|room| room.inside().count()).sum::<usize>() as u32,
            legs: shards.iter().map(|shard| shard.legs).sum(),
            received: received.flow(),
            sent: sent.flow(),
            forwarded,
            memory_bytes: usage.memory_bytes,
            cpu_permille: self.usage.map_or(0, |before| share(usage.cpu.saturating_sub(before.cpu), since)),
            shards: shards_now,
        };
        self.history.push(
            self.clock.second,
            [
                Some(totals.participants),
                Some(kbps(totals.received.rate_bps)),
                Some(kbps(totals.sent.rate_bps)),
                Some(totals.sent.loss_permille.into()),
                totals.memory_bytes.map(|bytes| u32::try_from(bytes / 1_024).unwrap_or(u32::MAX)),
                Some(totals.cpu_permille),
                totals.shards.iter().map(|shard| shard.busy_permille.into()).max(),
            ],
        );
        self.shards = shards.to_vec();
        self.usage = Some(usage);
        self.totals = totals;
    }

    /// Forgets who left more than an hour ago, and rooms that only they were in.
    fn forget(&mut self) {
        let second = self.clock.second;
        self.rooms.retain(|_, room| {
            room.people.retain(|_, person| {
                person.streams.retain(|_, stream| second.saturating_sub(stream.seen) < HOUR);
                person.is_inside() || second.saturating_sub(person.seen) < HOUR
            });
            room.key.is_some() || !room.people.is_empty()
        });
    }

    /// Of all rooms.
    pub(super) fn overview_now(&self) -> AdminOverviewNow {
        let mut rooms: Vec<_> = self.rooms.iter().filter_map(|(name, room)| room.row(name)).collect();
        if rooms.len() > MOST_ROOMS {
            rooms.sort_by_key(|row| std::cmp::Reverse(row.participants));
            rooms.truncate(MOST_ROOMS);
            rooms.sort_by(|one, other| one.name.cmp(&other.name));
        }
        AdminOverviewNow { at_ms: self.clock.unix_ms, totals: self.totals.clone(), rooms }
    }

    /// Of all rooms, with its history.
    pub(super) fn overview(&self) -> AdminOverview {
        AdminOverview {
            version: self.version.to_owned(),
            started_ms: self.started_ms,
            now: self.overview_now(),
            history: AdminHistory {
                fine: self.history.fine(self.clock, totals_columns),
                coarse: self.history.coarse(self.clock, totals_columns),
            },
            histories_dropped: self.bounds.dropped,
        }
    }

    /// Of one room; none when nobody was there within the last hour.
    pub(super) fn room_now(&self, name: &RoomName) -> Option<AdminRoomNow> {
        let room = self.rooms.get(name)?;
        Some(AdminRoomNow {
            at_ms: self.clock.unix_ms,
            row: room.row(name),
            reason: room.key.and(room.topology).map(|(_, reason)| reason),
            participants: room.in_order().into_iter().map(Person::row).collect(),
        })
    }

    /// Of one room, with the last two minutes of everybody.
    pub(super) fn room(&self, name: &RoomName) -> Option<AdminRoom> {
        let people = self.rooms.get(name)?.in_order();
        Some(AdminRoom {
            name: name.clone(),
            now: self.room_now(name)?,
            recent: people.into_iter().map(|person| person.recent(self.clock)).collect(),
            histories_dropped: self.bounds.dropped,
        })
    }

    /// Of one participant's streams.
    pub(super) fn participant_now(&self, room: &RoomName, id: &ParticipantId) -> Option<AdminParticipantNow> {
        Some(self.rooms.get(room)?.people.get(id)?.streams_now(self.clock))
    }

    /// Of one participant's connection and streams, with the last hour.
    pub(super) fn participant(&self, room: &RoomName, id: &ParticipantId) -> Option<AdminParticipantDetail> {
        Some(self.rooms.get(room)?.people.get(id)?.detail(self.clock))
    }

    /// Everybody who is inside anywhere.
    pub(super) fn inside(&self) -> impl Iterator<Item = &Person> {
        self.rooms.values().flat_map(Room::inside)
    }

    /// Bytes that all that is remembered takes, about.
    pub(super) fn bytes(&self) -> usize {
        let people = self.rooms.values().flat_map(|room| room.people.values());
        self.history.bytes() + people.map(Person::bytes).sum::<usize>()
    }

    /// The second that was observed last.
    pub(super) fn second(&self) -> u64 {
        self.clock.second
    }

    /// All rooms together.
    pub(super) fn totals(&self) -> &AdminTotals {
        &self.totals
    }
}

impl Room {
    fn inside(&self) -> impl Iterator<Item = &Person> {
        self.people.values().filter(|person| person.is_inside())
    }

    /// Who is inside in the order of arrival, then who was.
    fn in_order(&self) -> Vec<&Person> {
        let mut people: Vec<_> = self.people.values().collect();
        // Of those who are gone, the last first.
        people.sort_by_key(|person| match person.is_inside() {
            true => (false, 0, person.order()),
            false => (true, u64::MAX - person.seen, person.order()),
        });
        people
    }

    fn row(&self, name: &RoomName) -> Option<AdminRoomRow> {
        self.key?;
        let (mut received, mut sent) = (Sum::default(), Sum::default());
        for leg in self.inside().filter_map(Person::leg) {
            received.add(leg.received);
            sent.add(leg.sent);
        }
        Some(AdminRoomRow {
            name: name.clone(),
            since_ms: self.since_ms,
            topology: self.topology.map(|(topology, _)| topology),
            participants: self.inside().count() as u32,
            troubled: self.inside().filter(|person| person.is_troubled()).count() as u32,
            received: received.flow(),
            sent: sent.flow(),
        })
    }
}

/// In tenths of a percent; more than 1,000 where several threads work.
fn share(part: Duration, whole: Duration) -> u32 {
    let share = (part.as_micros() * 1_000).checked_div(whole.as_micros()).unwrap_or(0);
    u32::try_from(share).unwrap_or(u32::MAX)
}

fn totals_columns(columns: [Vec<Option<u32>>; 7]) -> AdminTotalsSeries {
    let [participants, received_kbps, sent_kbps, loss_permille, memory_kib, cpu_permille, busy_permille] = columns;
    AdminTotalsSeries { participants, received_kbps, sent_kbps, loss_permille, memory_kib, cpu_permille, busy_permille }
}
