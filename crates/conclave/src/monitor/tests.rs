use std::time::Duration;

use conclave_media::RoomKey;
use conclave_media::stats::{
    Bitrate, Carried, LayerIndex, LegSnapshot, MediaSnapshot, RoomSnapshot, ShardSnapshot, SlotId, SlotSnapshot,
    SourceSnapshot, Traffic,
};
use conclave_proto::{
    AdminPresence, Connection, DisplayName, Generation, LegNumber, MediaCodec, MediaPath, MediaState, NetworkQuality,
    NetworkReport, Participant, ParticipantId, Role, RoomName, RoomOptions, RoomState, SourceKind, Topology,
    TopologyReason, TopologyState,
};

use super::bounds::Bounds;
use super::process::Usage;
use super::watch::{Observation, Watch};
use crate::rooms::Snapshot;

const START_MS: u64 = 1_700_000_000_000;

fn id(name: &str) -> ParticipantId {
    ParticipantId::parse(name).expect("an identifier")
}

fn name(name: &str) -> RoomName {
    RoomName::parse(name).expect("a room's name")
}

fn participant(who: &str, order: u32) -> Participant {
    Participant {
        id: id(who),
        name: DisplayName::parse(&format!("Name of {who}")).expect("a name"),
        role: Role::Participant,
        order,
        connection: Connection::Connected,
        media: MediaState::default(),
        hand: None,
        network: None,
    }
}

fn look(people: Vec<Participant>) -> Snapshot {
    let topology = TopologyState {
        generation: Generation(1),
        topology: Topology::Sfu,
        reason: TopologyReason::Initial,
        settled: true,
    };
    let state = RoomState { name: name("team"), options: RoomOptions::default(), topology };
    Snapshot { state, participants: people, viewers: 0, is_full: false }
}

fn traffic(packets: u64, lost: u64) -> Traffic {
    Traffic { packets, bytes: packets * 125, lost }
}

/// A leg that has sent and received 100 packets of 1,000 bits in each second of its life.
fn leg(who: &str, number: u32, seconds: u64) -> LegSnapshot {
    let sources = vec![SourceSnapshot {
        source: SourceKind::Camera,
        layer: LayerIndex::HIGH,
        codec: Some(MediaCodec::Vp8),
        received: traffic(seconds * 100, 0),
        jitter: Some(Duration::from_micros(3_250)),
        wanted: true,
    }];
    let carries = Carried {
        participant: id("bo"),
        source: SourceKind::Camera,
        layer: Some(LayerIndex::MIDDLE),
        codec: Some(MediaCodec::Vp8),
        paused: false,
    };
    let slots = vec![SlotSnapshot {
        slot: SlotId::Video(0),
        carries: Some(carries),
        sent: traffic(seconds * 100, seconds * 10),
        jitter: None,
    }];
    LegSnapshot {
        participant: id(who),
        number: LegNumber(number),
        shard: 0,
        connected: true,
        path: Some(MediaPath::Udp),
        round_trip: Some(Duration::from_millis(25)),
        estimate: Some(Bitrate::kbps(2_000)),
        wanted: Some(Bitrate::kbps(3_000)),
        received: traffic(seconds * 100, 0),
        sent: traffic(seconds * 100, seconds * 10),
        sources,
        slots,
    }
}

/// A watch in virtual time.
struct World {
    watch: Watch,
    second: u64,
    clock: std::time::Instant,
}

impl World {
    fn new(bounds: Bounds) -> Self {
        Self { watch: Watch::new(START_MS, bounds), second: 0, clock: std::time::Instant::now() }
    }

    /// A second in which `team` looks like this; an empty list of people: it is over.
    fn second(&mut self, people: Vec<Participant>, legs: Vec<LegSnapshot>) {
        self.second += 1;
        let live = if people.is_empty() { vec![] } else { vec![(RoomKey(1), name("team"))] };
        let shard = ShardSnapshot {
            busy: Duration::from_millis(250) * self.second as u32,
            received: traffic(self.second * 200, 0),
            sent: traffic(self.second * 300, 0),
            forwarded: self.second * 290,
            legs: legs.len() as u32,
            ..ShardSnapshot::default()
        };
        self.watch.handle(Observation {
            at: Duration::from_secs(self.second),
            unix_ms: START_MS + self.second * 1_000,
            usage: Usage { memory_bytes: Some(50 << 20), cpu: Duration::from_millis(500) * self.second as u32 },
            media: Some(MediaSnapshot {
                at: self.clock + Duration::from_secs(self.second),
                shards: vec![shard],
                rooms: vec![RoomSnapshot { key: RoomKey(1), legs }],
            }),
            looks: live.iter().map(|(key, _)| (*key, look(people.clone()))).collect(),
            live,
        });
    }

    fn ada_alone(&mut self, seconds: u64) {
        for _ in 0..seconds {
            let leg = leg("ada", 1, self.second + 1);
            self.second(vec![participant("ada", 1)], vec![leg]);
        }
    }
}

#[test]
fn a_second_later_the_rates_are_known() {
    let mut world = World::new(Bounds::default());
    world.ada_alone(3);
    let now = world.watch.overview_now();
    assert_eq!((now.totals.rooms, now.totals.participants, now.totals.legs), (1, 1, 1));
    assert_eq!((now.totals.received.rate_bps, now.totals.sent.rate_bps), (100_000, 100_000));
    assert_eq!((now.totals.forwarded, now.totals.cpu_permille), (290, 500));
    let shard = now.totals.shards[0];
    assert_eq!((shard.busy_permille, shard.packets_in, shard.packets_out), (250, 200, 300));
    let room = world.watch.room_now(&name("team")).expect("known");
    let leg = room.participants[0].leg.clone().expect("connected");
    assert_eq!((leg.path, leg.round_trip_tenths, leg.estimate_bps), (Some(MediaPath::Udp), Some(250), Some(2_000_000)));
    assert_eq!((leg.sent.packets, leg.sent.loss_permille), (100, 100));
    let detail = world.watch.participant(&name("team"), &id("ada")).expect("known");
    assert_eq!((detail.now.sources[0].layer, detail.now.sources[0].jitter_tenths), (2, Some(32)));
    let carried = detail.now.slots[0].carries.clone().expect("something");
    assert_eq!((carried.participant, carried.layer), (id("bo"), Some(1)));
    let slot = detail.slots[0].as_ref().expect("a history");
    assert_eq!(slot.fine.columns.rate_kbps.last(), Some(&Some(100)));
    assert_eq!(slot.fine.columns.layer.last(), Some(&Some(1)));
}

#[test]
fn an_hour_is_remembered_in_both_resolutions() {
    let mut world = World::new(Bounds::default());
    world.ada_alone(4_000);
    let history = world.watch.participant(&name("team"), &id("ada")).expect("known").history;
    assert_eq!(history.fine.columns.sent_kbps, vec![Some(100); 120]);
    assert_eq!(history.coarse.columns.round_trip_tenths, vec![Some(250); 360]);
    assert_eq!(history.fine.end_ms, START_MS + 4_000_000);
    assert_eq!(world.watch.overview().history.coarse.columns.participants.len(), 360);
}

#[test]
fn who_left_is_shown_for_an_hour_and_then_forgotten() {
    let mut world = World::new(Bounds::default());
    world.ada_alone(10);
    let bo = || vec![participant("bo", 2)];
    world.second(bo(), vec![]);
    let room = world.watch.room(&name("team")).expect("known");
    let seen: Vec<_> = room.now.participants.iter().map(|p| (p.id.as_str(), p.presence)).collect();
    assert_eq!(seen, [("bo", AdminPresence::Connected), ("ada", AdminPresence::Left)]);
    assert_eq!(room.recent[1].columns.sent_kbps.len(), 10);
    assert!(room.now.participants[1].leg.is_none());
    for _ in 0..3_600 {
        world.second(bo(), vec![]);
    }
    assert_eq!(world.watch.room(&name("team")).expect("known").now.participants.len(), 1);
    assert!(world.watch.participant(&name("team"), &id("ada")).is_none());
}

#[test]
fn a_room_that_is_over_can_be_looked_at_but_is_not_listed() {
    let mut world = World::new(Bounds::default());
    world.ada_alone(5);
    world.second(vec![], vec![]);
    assert!(world.watch.overview_now().rooms.is_empty());
    let room = world.watch.room_now(&name("team")).expect("remembered");
    assert_eq!((room.row, room.participants[0].presence), (None, AdminPresence::Left));
    for _ in 0..3_600 {
        world.second(vec![], vec![]);
    }
    assert!(world.watch.room_now(&name("team")).is_none());
}

#[test]
fn another_leg_goes_on_where_the_last_one_ended() {
    let mut world = World::new(Bounds::default());
    world.ada_alone(3);
    // Both for a second; the new one is not connected yet.
    let mut early = leg("ada", 2, 0);
    early.connected = false;
    let old = leg("ada", 1, 4);
    world.second(vec![participant("ada", 1)], vec![old, early]);
    world.second(vec![participant("ada", 1)], vec![leg("ada", 2, 1)]);
    let detail = world.watch.participant(&name("team"), &id("ada")).expect("known");
    assert_eq!(detail.history.fine.columns.sent_kbps.iter().flatten().collect::<Vec<_>>(), [&100; 5]);
    assert_eq!(detail.now.slots[0].sent.rate_bps, 100_000);
}

#[test]
fn who_is_connected_directly_is_known_from_the_report_alone() {
    let mut world = World::new(Bounds::default());
    let mut ada = participant("ada", 1);
    ada.network = Some(NetworkReport {
        quality: NetworkQuality::Poor,
        round_trip_ms: 180,
        loss_up_permille: 70,
        loss_down_permille: 5,
    });
    world.second(vec![ada], vec![]);
    let row = &world.watch.overview_now().rooms[0];
    assert_eq!((row.participants, row.troubled), (1, 1));
    let columns = world.watch.participant(&name("team"), &id("ada")).expect("known").history.fine.columns;
    assert_eq!(
        (columns.round_trip_tenths.last(), columns.loss_up_permille.last()),
        (Some(&Some(1_800)), Some(&Some(70)))
    );
    assert_eq!(columns.sent_kbps.last(), Some(&None));
}

#[test]
fn the_least_active_streams_lose_their_history_first_and_it_is_said() {
    let mut world = World::new(Bounds { streams: 2, ..Bounds::default() });
    let silent = |mut quiet: LegSnapshot| {
        quiet.sources[0].received = traffic(1, 0);
        quiet
    };
    for second in 1..=3 {
        let legs = vec![leg("ada", 1, second), silent(leg("bo", 1, second))];
        world.second(vec![participant("ada", 1), participant("bo", 2)], legs);
    }
    let has = |who: &str| {
        let detail = world.watch.participant(&name("team"), &id(who)).expect("known");
        (detail.sources[0].is_some(), detail.slots[0].is_some())
    };
    // Of four streams, the three that are active share two places; the silent one has none.
    assert!(!has("bo").0);
    assert_eq!([has("ada").0, has("ada").1, has("bo").1].iter().filter(|kept| **kept).count(), 2);
    let mut late = World::new(Bounds { streams: 1, ..Bounds::default() });
    late.second(
        vec![participant("bo", 1)],
        vec![{
            let mut only = silent(leg("bo", 1, 1));
            only.slots.clear();
            only
        }],
    );
    late.second(vec![participant("bo", 1)], vec![silent(leg("bo", 1, 2))]);
    assert_eq!(late.watch.overview().histories_dropped, 1);
}

#[test]
fn those_who_left_longest_ago_are_dropped_first() {
    let mut world = World::new(Bounds { gone: 2, ..Bounds::default() });
    for second in 0..5_u32 {
        world.second(vec![participant("host", 0), participant(&format!("p{second}"), second + 1)], vec![]);
    }
    let room = world.watch.room_now(&name("team")).expect("known");
    let seen: Vec<_> = room.participants.iter().map(|p| p.id.as_str().to_owned()).collect();
    assert_eq!(seen, ["host", "p4", "p3", "p2"]);
    assert_eq!(world.watch.overview().histories_dropped, 2);
}

#[test]
fn where_nobody_is_to_be_remembered_whoever_leaves_is_forgotten() {
    let mut world = World::new(Bounds { gone: 0, ..Bounds::default() });
    world.second(vec![participant("ann", 0), participant("bo", 1)], vec![leg("bo", 1, 2)]);
    let both = world.watch.bytes();
    world.second(vec![participant("ann", 0)], vec![]);
    let room = world.watch.room_now(&name("team")).expect("known");
    assert_eq!(room.participants.iter().map(|p| p.id.as_str()).collect::<Vec<_>>(), ["ann"]);
    assert!(world.watch.bytes() < both);
}

#[test]
fn all_histories_together_take_no_more_than_is_stated() {
    let of_a_thousand = 1_000 * super::person::LegHistory::BYTES + 6_000 * super::person::StreamHistory::BYTES;
    assert!(of_a_thousand < 29 << 20, "{of_a_thousand}");
    assert!(Bounds::default().most_bytes() < 36 << 20);
}

#[test]
fn what_is_remembered_is_counted_as_it_grows() {
    let mut world = World::new(Bounds::default());
    let nothing = world.watch.bytes();
    world.ada_alone(2);
    let little = world.watch.bytes();
    for second in 3..=200 {
        world.second(vec![participant("ada", 1)], vec![leg("ada", 1, second)]);
    }
    let much = world.watch.bytes();
    // A source and a slot, whose fine values grow from 30 to 120 seconds.
    let least = 90 * (6 + 2 * 4) * 2;
    assert!(nothing < little && little + least <= much, "{nothing} {little} {much}");
    assert!(much < nothing + 32 * 1_024, "{much}");
    world.second(vec![], vec![]);
    assert!(world.watch.bytes() < much, "who has left is not measured any more");
}

#[test]
fn a_media_plane_that_does_not_answer_leaves_the_people_on_the_list() {
    let mut world = World::new(Bounds::default());
    world.ada_alone(2);
    world.watch.handle(Observation {
        at: Duration::from_secs(3),
        unix_ms: START_MS + 3_000,
        usage: Usage::default(),
        media: None,
        live: vec![(RoomKey(1), name("team"))],
        looks: vec![],
    });
    let room = world.watch.room_now(&name("team")).expect("known");
    assert!(room.participants[0].leg.is_none());
    assert_eq!(room.participants[0].presence, AdminPresence::Connected);
}
