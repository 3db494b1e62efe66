//! One participant as the administrator sees it: connection, sources and slots, each with its history.

use std::collections::BTreeMap;
use std::time::Duration;

use conclave_media::stats::{Carried, LegSnapshot, SlotId, Traffic};
use conclave_proto::{
    AdminCarried, AdminFlow, AdminHistory, AdminLeg, AdminLegSeries, AdminParticipant, AdminParticipantDetail,
    AdminParticipantNow, AdminPresence, AdminSeries, AdminSlot, AdminSource, AdminStreamSeries, LegNumber, MediaCodec,
    Participant, SourceKind,
};

use super::history::{Clock, Fold, Series};
use super::meter::{Meter, Way};

/// From the client, to the client (kbit/s), loss of either, round trip, estimate.
pub(super) type LegHistory = Series<6>;
const LEG_FOLDS: [Fold; 6] = [Fold::Mean; 6];
/// Rate, loss, jitter, layer.
pub(super) type StreamHistory = Series<4>;
const STREAM_FOLDS: [Fold; 4] = [Fold::Mean, Fold::Mean, Fold::Mean, Fold::Last];

/// A participant.
pub(super) struct Person {
    participant: Participant,
    presence: AdminPresence,
    /// The last second in which it was inside.
    pub(super) seen: u64,
    leg: Option<Leg>,
    /// None when it had to be dropped.
    pub(super) history: Option<LegHistory>,
    pub(super) streams: BTreeMap<StreamId, Stream>,
}

/// One of a participant's streams. Their order is that of tables: sources first, then slots, sounds
/// before pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StreamId {
    /// A layer of a source.
    Source(SourceKind, u8),
    /// A slot.
    Slot(SlotId),
}

/// A source's layer or a slot.
pub(super) struct Stream {
    meter: Meter,
    jitter_tenths: Option<u32>,
    state: StreamState,
    /// The last second in which its leg had it.
    pub(super) seen: u64,
    /// None when it had to be dropped.
    pub(super) history: Option<StreamHistory>,
    /// Packets a second, smoothed over about a minute.
    pub(super) activity: f32,
}

enum StreamState {
    Source { codec: Option<MediaCodec>, wanted: bool },
    Slot { carries: Option<AdminCarried> },
}

/// The connection for media that counts now.
struct Leg {
    number: LegNumber,
    now: AdminLeg,
    received: Meter,
    sent: Meter,
}

/// Entries of a node of a B-tree, whether they are used or not.
const NODE: usize = 11;

/// Share of the newest second in a stream's activity.
const NEWEST: f32 = 1.0 / 60.0;

impl Person {
    /// Somebody who has just been seen for the first time.
    pub(super) fn new(second: u64, participant: &Participant) -> Self {
        Self {
            participant: participant.clone(),
            presence: participant.connection.into(),
            seen: second,
            leg: None,
            history: Some(Series::new(second, &LEG_FOLDS)),
            streams: BTreeMap::new(),
        }
    }

    /// What the room says of it.
    pub(super) fn seen(&mut self, second: u64, participant: &Participant) {
        self.seen = second;
        self.presence = participant.connection.into();
        self.participant = participant.clone();
    }

    /// The room no longer has it.
    pub(super) fn left(&mut self) {
        self.presence = AdminPresence::Left;
        self.leg = None;
        // What it carried stays in the histories; nothing more comes.
        self.streams.values_mut().for_each(|stream| stream.meter.end());
    }

    /// Bytes that it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let of_series = |bytes: Option<usize>, own: usize| bytes.map_or(0, |bytes| bytes - own);
        let streams = self.streams.values().map(|stream| {
            let history = stream.history.as_ref().map(Series::bytes);
            of_series(history, size_of::<StreamHistory>()) + stream.meter.bytes()
        });
        let entries = self.streams.len().next_multiple_of(NODE) * size_of::<(StreamId, Stream)>();
        let own = of_series(self.history.as_ref().map(Series::bytes), size_of::<LegHistory>());
        size_of::<Self>() + own + entries + streams.sum::<usize>()
    }

    pub(super) fn is_inside(&self) -> bool {
        self.presence != AdminPresence::Left
    }

    pub(super) fn order(&self) -> u32 {
        self.participant.order
    }

    pub(super) fn is_troubled(&self) -> bool {
        use conclave_proto::NetworkQuality as Q;
        let quality = self.participant.network.map(|report| report.quality);
        self.is_inside() && matches!(quality, Some(Q::Poor | Q::Lost))
    }

    /// Takes in what the media plane says of its legs, of which it has one for most of the time. While it
    /// has two, the newest that is connected counts.
    pub(super) fn update(&mut self, second: u64, at: Duration, legs: &[&LegSnapshot]) {
        match legs.iter().max_by_key(|leg| (leg.connected, leg.number)) {
            Some(snapshot) => self.update_leg(second, at, snapshot),
            None => self.leg = None,
        }
        let values = self.values();
        if let Some(history) = self.history.as_mut().filter(|_| values.iter().any(Option::is_some)) {
            history.push(second, values);
        }
    }

    fn update_leg(&mut self, second: u64, at: Duration, snapshot: &LegSnapshot) {
        // What a new leg has counted was counted since the last look.
        let before = at.saturating_sub(Duration::from_secs(1));
        let leg = match &mut self.leg {
            Some(leg) if leg.number == snapshot.number => leg,
            leg => leg.insert(Leg::new(snapshot, before)),
        };
        leg.update(at, snapshot);
        for source in &snapshot.sources {
            let id = StreamId::Source(source.source, source.layer.index() as u8);
            let stream = self.streams.entry(id).or_insert_with(|| Stream::new(second, before, Way::Received));
            stream.state = StreamState::Source { codec: source.codec, wanted: source.wanted };
            stream.update(second, at, source.received, source.jitter);
        }
        for slot in &snapshot.slots {
            let id = StreamId::Slot(slot.slot);
            let stream = self.streams.entry(id).or_insert_with(|| Stream::new(second, before, Way::Sent));
            stream.state = StreamState::Slot { carries: slot.carries.as_ref().map(carried) };
            stream.update(second, at, slot.sent, slot.jitter);
        }
    }

    /// Who is connected directly is known only from what the page reports.
    fn values(&self) -> [Option<u32>; 6] {
        let reported = self.participant.network.filter(|_| self.is_inside());
        match &self.leg {
            Some(Leg { now, .. }) => [
                Some(kbps(now.received.rate_bps)),
                Some(kbps(now.sent.rate_bps)),
                Some(now.received.loss_permille.into()),
                Some(now.sent.loss_permille.into()),
                now.round_trip_tenths,
                now.estimate_bps.map(kbps),
            ],
            None => [
                None,
                None,
                reported.map(|report| report.loss_up_permille.into()),
                reported.map(|report| report.loss_down_permille.into()),
                reported.map(|report| u32::from(report.round_trip_ms) * 10),
                None,
            ],
        }
    }

    /// Its connection now.
    pub(super) fn leg(&self) -> Option<&AdminLeg> {
        self.leg.as_ref().map(|leg| &leg.now)
    }

    /// Its streams that are there now: flow and jitter in tenths of a millisecond.
    pub(super) fn jitters(&self, second: u64) -> impl Iterator<Item = u32> {
        self.streams.values().filter(move |stream| stream.seen == second).filter_map(|stream| stream.jitter_tenths)
    }

    /// For a room's table.
    pub(super) fn row(&self) -> AdminParticipant {
        let participant = &self.participant;
        AdminParticipant {
            id: participant.id.clone(),
            name: participant.name.clone(),
            role: participant.role,
            presence: self.presence,
            media: participant.media,
            reported: participant.network,
            leg: self.leg().cloned(),
        }
    }

    /// The last two minutes of the connection.
    pub(super) fn recent(&self, clock: Clock) -> AdminSeries<AdminLegSeries> {
        self.history.as_ref().map(|history| history.fine(clock, leg_columns)).unwrap_or_default()
    }

    /// Every stream, without histories. A stream that its leg has no more carries nothing.
    pub(super) fn streams_now(&self, clock: Clock) -> AdminParticipantNow {
        let (mut sources, mut slots) = (Vec::new(), Vec::new());
        for (id, stream) in &self.streams {
            let is_current = stream.seen == clock.second && self.leg.is_some();
            let flow = if is_current { stream.meter.flow() } else { AdminFlow::default() };
            let jitter_tenths = stream.jitter_tenths.filter(|_| is_current);
            match (*id, &stream.state) {
                (StreamId::Source(source, layer), StreamState::Source { codec, wanted }) => sources.push(AdminSource {
                    source,
                    layer,
                    codec: *codec,
                    received: flow,
                    jitter_tenths,
                    wanted: *wanted && is_current,
                }),
                (StreamId::Slot(slot), StreamState::Slot { carries }) => {
                    let (is_audio, index) = match slot {
                        SlotId::Audio(index) => (true, index),
                        SlotId::Video(index) => (false, index),
                    };
                    let carries = carries.clone().filter(|_| is_current);
                    slots.push(AdminSlot { is_audio, index, carries, sent: flow, jitter_tenths });
                }
                // A stream's state is set together with its entry.
                _ => {}
            }
        }
        AdminParticipantNow { at_ms: clock.unix_ms, id: self.participant.id.clone(), sources, slots }
    }

    /// Everything.
    pub(super) fn detail(&self, clock: Clock) -> AdminParticipantDetail {
        let history = |stream: &Stream| {
            stream.history.as_ref().map(|history| AdminHistory {
                fine: history.fine(clock, stream_columns),
                coarse: history.coarse(clock, stream_columns),
            })
        };
        let of = |is_source: bool| {
            let streams = self.streams.iter().filter(move |(id, _)| matches!(id, StreamId::Source(..)) == is_source);
            streams.map(|(_, stream)| history(stream)).collect()
        };
        AdminParticipantDetail {
            now: self.streams_now(clock),
            history: self.history.as_ref().map_or_else(AdminHistory::default, |history| AdminHistory {
                fine: history.fine(clock, leg_columns),
                coarse: history.coarse(clock, leg_columns),
            }),
            sources: of(true),
            slots: of(false),
        }
    }
}

impl Leg {
    fn new(snapshot: &LegSnapshot, before: Duration) -> Self {
        Self {
            number: snapshot.number,
            now: AdminLeg {
                shard: snapshot.shard,
                connected: false,
                path: None,
                round_trip_tenths: None,
                estimate_bps: None,
                wanted_bps: None,
                received: AdminFlow::default(),
                sent: AdminFlow::default(),
            },
            received: Meter::new(Way::Received, before),
            sent: Meter::new(Way::Sent, before),
        }
    }

    fn update(&mut self, at: Duration, snapshot: &LegSnapshot) {
        self.received.update(at, snapshot.received);
        self.sent.update(at, snapshot.sent);
        self.now = AdminLeg {
            shard: snapshot.shard,
            connected: snapshot.connected,
            path: snapshot.path,
            round_trip_tenths: snapshot.round_trip.map(tenths),
            estimate_bps: snapshot.estimate.map(|rate| rate.as_bps()),
            wanted_bps: snapshot.wanted.map(|rate| rate.as_bps()),
            received: self.received.flow(),
            sent: self.sent.flow(),
        };
    }
}

impl Stream {
    fn new(second: u64, before: Duration, way: Way) -> Self {
        Self {
            meter: Meter::new(way, before),
            jitter_tenths: None,
            state: StreamState::Slot { carries: None },
            seen: second,
            history: None,
            activity: 0.0,
        }
    }

    fn update(&mut self, second: u64, at: Duration, traffic: Traffic, jitter: Option<Duration>) {
        self.seen = second;
        self.meter.update(at, traffic);
        self.jitter_tenths = jitter.map(tenths);
        let flow = self.meter.flow();
        self.activity += (flow.packets as f32 - self.activity) * NEWEST;
        let layer = match &self.state {
            StreamState::Source { .. } => None,
            StreamState::Slot { carries } => carries.as_ref().and_then(|carries| carries.layer).map(u32::from),
        };
        if let Some(history) = &mut self.history {
            let rate = kbps(flow.rate_bps);
            history.push(second, [Some(rate), Some(flow.loss_permille.into()), self.jitter_tenths, layer]);
        }
    }

    /// Begins to keep a history.
    pub(super) fn remember(&mut self, second: u64) {
        self.history.get_or_insert_with(|| Series::new(second, &STREAM_FOLDS));
    }
}

fn carried(carried: &Carried) -> AdminCarried {
    AdminCarried {
        participant: carried.participant.clone(),
        source: carried.source,
        layer: carried.layer.map(|layer| layer.index() as u8),
        codec: carried.codec,
        paused: carried.paused,
    }
}

fn leg_columns(columns: [Vec<Option<u32>>; 6]) -> AdminLegSeries {
    let [received_kbps, sent_kbps, loss_up_permille, loss_down_permille, round_trip_tenths, estimate_kbps] = columns;
    AdminLegSeries { received_kbps, sent_kbps, loss_up_permille, loss_down_permille, round_trip_tenths, estimate_kbps }
}

fn stream_columns(columns: [Vec<Option<u32>>; 4]) -> AdminStreamSeries {
    let [rate_kbps, loss_permille, jitter_tenths, layer] = columns;
    AdminStreamSeries { rate_kbps, loss_permille, jitter_tenths, layer }
}

/// Rounded, and never more than fits.
pub(super) fn kbps(bps: u64) -> u32 {
    u32::try_from((bps + 500) / 1_000).unwrap_or(u32::MAX)
}

/// In tenths of a millisecond.
fn tenths(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros() / 100).unwrap_or(u32::MAX)
}
