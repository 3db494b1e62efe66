//! What a room tells of itself.

use std::time::Instant;

use crate::leg::Leg;
use crate::room::Room;
use crate::stats::{Carried, LegSnapshot, RoomSnapshot, SlotSnapshot, SourceSnapshot, Traffic};
use crate::tally::{CarriedTally, codec};

impl Room {
    /// See [`crate::MediaHandle::snapshot`].
    pub(crate) fn snapshot(&self, now: Instant) -> RoomSnapshot {
        RoomSnapshot { key: self.key, legs: self.legs.values().map(|leg| self.leg_snapshot(now, leg)).collect() }
    }

    fn leg_snapshot(&self, now: Instant, leg: &Leg) -> LegSnapshot {
        let sources: Vec<_> = leg
            .tally
            .sources()
            .map(|(source, layer, tally)| SourceSnapshot {
                source,
                layer,
                codec: Some(codec(tally.codec)),
                received: tally.traffic,
                jitter: Some(tally.jitter()),
                wanted: true,
            })
            .collect();
        let slots: Vec<_> = leg
            .tally
            .slots()
            .map(|(slot, tally)| SlotSnapshot {
                slot,
                carries: tally.carried(now).and_then(|carried| self.carried(carried)),
                sent: tally.traffic,
                jitter: tally.jitter,
            })
            .collect();
        LegSnapshot {
            participant: leg.participant.clone(),
            number: leg.number,
            shard: 0,
            connected: leg.connected,
            path: leg.paths.kind().map(Into::into),
            round_trip: leg.tally.round_trip,
            estimate: leg.probing.believed(),
            wanted: Some(self.conference.demand(leg.id).wanted),
            received: sum(sources.iter().map(|source| source.received)),
            sent: sum(slots.iter().map(|slot| slot.sent)),
            sources,
            slots,
        }
    }

    /// None once the leg that it came from is gone.
    fn carried(&self, carried: CarriedTally) -> Option<Carried> {
        Some(Carried {
            participant: self.legs.get(&carried.leg)?.participant.clone(),
            source: carried.source,
            layer: Some(carried.layer),
            codec: Some(codec(carried.codec)),
            paused: false,
        })
    }
}

fn sum(parts: impl Iterator<Item = Traffic>) -> Traffic {
    parts.fold(Traffic::default(), |sum, part| Traffic {
        packets: sum.packets + part.packets,
        bytes: sum.bytes + part.bytes,
        lost: sum.lost + part.lost,
    })
}
