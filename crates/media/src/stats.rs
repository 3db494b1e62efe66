//! What the media plane knows of itself at one moment: the answer to
//! [`MediaHandle::snapshot`](crate::MediaHandle::snapshot).
//!
//! Plain data. What is counted only grows for as long as its owner lives, so that whoever compares two
//! snapshots gets rates over exactly the time between them, and a snapshot that is missed loses
//! nothing. What is measured (round trip, jitter, estimate) is the latest value.

use std::time::{Duration, Instant};

use conclave_proto::{LegNumber, MediaCodec, MediaPath, ParticipantId, SourceKind};
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
