//! What the media plane knows of itself at one moment: the answer to
//! [`MediaHandle::snapshot`](crate::MediaHandle::snapshot).
//!
//! Plain data. What is counted only grows for as long as its owner lives, so that whoever compares two
//! snapshots gets rates over exactly the time between them, and a snapshot that is missed loses
//! nothing. What is measured (round trip, jitter, estimate) is the latest value.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use conclave_proto::{LegNumber, MediaCodec, MediaPath, ParticipantId, SourceKind};
use conclave_sfu::Codec;
pub use conclave_sfu::{Bitrate, LayerIndex, SlotId};

use crate::event::RoomKey;

/// Everything.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaSnapshot {
    /// When it was taken.
    pub at: Instant,
    /// In the order of their numbers.
    pub shards: Vec<ShardSnapshot>,
    /// In no order. A room without legs is missing.
    pub rooms: Vec<RoomSnapshot>,
}

/// A thread of the media plane, since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardSnapshot {
    /// For how long it has worked rather than waited.
    pub busy: Duration,
    /// From the network, of every kind.
    pub received: Traffic,
    /// To the network, of every kind.
    pub sent: Traffic,
    /// RTP packets queued for a receiver, each receiver counted.
    pub forwarded: u64,
    /// Legs that it owns now, connected or not.
    pub legs: u32,
    /// How long what it forwarded was in the server.
    pub delays: ForwardingDelays,
}

/// How long packets were in the server, each receiver's copy counted: from the kernel's stamp when a packet came to
/// the end of the turn in which its copies were handed to the kernel. What pacing holds back on purpose leaves in a
/// later turn, which is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ForwardingDelays {
    /// Copies by delay, each bucket without those below it. Above the last bound there is one more.
    pub(crate) counts: [u64; Self::BOUNDS.len() + 1],
    /// Of all copies.
    pub sum: Duration,
}

impl ForwardingDelays {
    /// Upper ends of the buckets.
    pub const BOUNDS: [Duration; 16] = {
        const fn us(micros: u64) -> Duration {
            Duration::from_micros(micros)
        }
        [
            us(25),
            us(50),
            us(75),
            us(100),
            us(150),
            us(200),
            us(300),
            us(500),
            us(750),
            us(1_000),
            us(2_000),
            us(3_000),
            us(5_000),
            us(10_000),
            us(20_000),
            us(50_000),
        ]
    };

    /// How many copies.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// For each bound, how many copies took at most so long; last, with `None`, all of them.
    pub fn cumulative(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounds = Self::BOUNDS.into_iter().map(Some).chain([None]);
        bounds.zip(self.counts).scan(0, |sum, (bound, count)| {
            *sum += count;
            Some((bound, *sum))
        })
    }
}

/// Packets of one kind in one direction, since their beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets that arrived, or that were sent.
    pub packets: u64,
    /// Their bytes: RTP header included, what is below it not.
    pub bytes: u64,
    /// Packets that were lost: as seen by the server for what it receives, as the client reports it for
    /// what the server sends. A packet that a retransmission replaced counts as lost.
    pub lost: u64,
}

/// A room with legs.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomSnapshot {
    /// Which.
    pub key: RoomKey,
    /// Its legs in no order. While a participant moves to another leg, it has two.
    pub legs: Vec<LegSnapshot>,
}

/// A leg.
#[derive(Clone, Debug, PartialEq)]
pub struct LegSnapshot {
    /// Whose.
    pub participant: ParticipantId,
    /// Which of the participant's.
    pub number: LegNumber,
    /// The shard that owns it: an index into [`MediaSnapshot::shards`].
    pub shard: u16,
    /// ICE and DTLS are done.
    pub connected: bool,
    /// How its media travels; none before the client has chosen.
    pub path: Option<MediaPath>,
    /// Between server and client.
    pub round_trip: Option<Duration>,
    /// What the way to the client takes, as congestion control believes.
    pub estimate: Option<Bitrate>,
    /// What would be sent if the way took everything.
    pub wanted: Option<Bitrate>,
    /// Media from the client, all sources together.
    pub received: Traffic,
    /// Media to the client, all slots together.
    pub sent: Traffic,
    /// One for each source and layer that has arrived.
    pub sources: Vec<SourceSnapshot>,
    /// One for each slot that has carried something.
    pub slots: Vec<SlotSnapshot>,
}

/// One layer of a source, as it arrives.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceSnapshot {
    /// Which source.
    pub source: SourceKind,
    /// Which layer.
    pub layer: LayerIndex,
    /// What it was last encoded with.
    pub codec: Option<MediaCodec>,
    /// What has arrived.
    pub received: Traffic,
    /// Interarrival jitter (RFC 3550, section 6.4.1).
    pub jitter: Option<Duration>,
    /// Whether the client is asked for this layer.
    pub wanted: bool,
}

/// An outgoing stream.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotSnapshot {
    /// Which.
    pub slot: SlotId,
    /// What it carries now.
    pub carries: Option<Carried>,
    /// What was sent in it, whatever it carried.
    pub sent: Traffic,
    /// Interarrival jitter, as the client reports it.
    pub jitter: Option<Duration>,
}

/// What a slot carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Whose source.
    pub participant: ParticipantId,
    /// Which.
    pub source: SourceKind,
    /// Which layer is forwarded; none while it waits for its first packet.
    pub layer: Option<LayerIndex>,
    /// What it is encoded with.
    pub codec: Option<MediaCodec>,
    /// The way to the client takes no layer of it.
    pub paused: bool,
}

impl Traffic {
    /// One more packet of this many bytes.
    pub fn count(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

/// What one shard knows: of rooms that are at home there, and of legs that it owns.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) at: Instant,
    pub(crate) shard: ShardSnapshot,
    pub(crate) rooms: Vec<(RoomKey, Vec<(u64, LegSnapshot)>)>,
    /// By key.
    pub(crate) legs: HashMap<u64, OwnPart>,
}

/// What a leg's owner knows of it.
#[derive(Debug, Default)]
pub(crate) struct OwnPart {
    pub(crate) path: Option<MediaPath>,
    pub(crate) round_trip: Option<Duration>,
    pub(crate) estimate: Option<Bitrate>,
    pub(crate) sources: Vec<(SourceKind, LayerIndex, Traffic, Duration)>,
    pub(crate) slots: Vec<(SlotId, Traffic, Duration)>,
}

impl MediaSnapshot {
    /// Puts together what the shards know.
    pub(crate) fn join(parts: Vec<Part>) -> Self {
        let at = parts.iter().map(|part| part.at).max().unwrap_or_else(Instant::now);
        let mut joined = Self { at, shards: Vec::new(), rooms: Vec::new() };
        let (mut owned, mut rooms) = (HashMap::new(), Vec::new());
        for part in parts {
            joined.shards.push(part.shard);
            owned.extend(part.legs);
            rooms.extend(part.rooms);
        }
        for (key, legs) in rooms {
            let legs = legs.into_iter().map(|(leg, mut snapshot)| {
                if let Some(part) = owned.remove(&leg) {
                    snapshot.take_in(part);
                }
                snapshot
            });
            joined.rooms.push(RoomSnapshot { key, legs: legs.collect() });
        }
        joined
    }
}

impl LegSnapshot {
    fn take_in(&mut self, part: OwnPart) {
        (self.path, self.round_trip, self.estimate) = (part.path, part.round_trip, part.estimate);
        self.received = sum(part.sources.iter().map(|(_, _, traffic, _)| *traffic));
        self.sent = sum(part.slots.iter().map(|(_, traffic, _)| *traffic));
        let arrived = part.sources.into_iter().filter(|(_, _, traffic, _)| traffic.packets > 0);
        let known = std::mem::take(&mut self.sources);
        self.sources.extend(arrived.map(|(source, layer, received, jitter)| {
            let known = known.iter().find(|known| (known.source, known.layer) == (source, layer));
            let (codec, wanted) = known.map_or((None, false), |known| (known.codec, known.wanted));
            SourceSnapshot { source, layer, codec, received, jitter: Some(jitter), wanted }
        }));
        let mut carries: Vec<_> = std::mem::take(&mut self.slots);
        for (slot, sent, jitter) in part.slots {
            let place = carries.iter().position(|known| known.slot == slot);
            let carries = place.and_then(|place| carries.swap_remove(place).carries);
            if carries.is_some() || sent.packets > 0 {
                self.slots.push(SlotSnapshot { slot, carries, sent, jitter: Some(jitter) });
            }
        }
    }
}

fn sum(parts: impl Iterator<Item = Traffic>) -> Traffic {
    parts.fold(Traffic::default(), |sum, part| Traffic {
        packets: sum.packets + part.packets,
        bytes: sum.bytes + part.bytes,
        lost: sum.lost + part.lost,
    })
}

/// The protocol's word.
pub(crate) fn codec(codec: Codec) -> MediaCodec {
    match codec {
        Codec::Opus => MediaCodec::Opus,
        Codec::OpusRed => MediaCodec::OpusRed,
        Codec::Vp8 => MediaCodec::Vp8,
        Codec::H264 => MediaCodec::H264,
        Codec::Vp9 => MediaCodec::Vp9,
        Codec::Av1 => MediaCodec::Av1,
    }
}
