//! Packets on their way between shards: one batch a turn for each room and direction, its payloads one
//! behind the other, used again once the receiver has given it back.

use conclave_proto::SourceKind;
use conclave_qos::Time;
use conclave_sfu::{AudioLevel, Codec, Forward, LayerIndex, LegId};

use super::links::ShardId;
use crate::event::RoomKey;

/// A packet of a source, decrypted and understood. Payload and dependency descriptor go beside it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Understood {
    pub(crate) source: SourceKind,
    pub(crate) layer: LayerIndex,
    pub(crate) codec: Codec,
    /// Extended over the rollovers.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    pub(crate) audio_level: Option<AudioLevel>,
    pub(crate) voice_activity: Option<bool>,
}

/// Packets of one room's publishers, on their way to its home.
#[derive(Debug)]
pub(crate) struct MediaBatch {
    pub(crate) room: RoomKey,
    pub(crate) origin: ShardId,
    arrived: Option<Time>,
    bytes: Bytes,
    packets: Vec<MediaPacket>,
}

#[derive(Clone, Copy, Debug)]
struct MediaPacket {
    from: LegId,
    key: u64,
    head: Understood,
    payload: Piece,
    descriptor: Piece,
}

/// A packet of a [`MediaBatch`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived<'a> {
    pub(crate) from: LegId,
    /// The publisher's leg, for whoever must know that it is still the same.
    pub(crate) key: u64,
    pub(crate) head: Understood,
    pub(crate) payload: &'a [u8],
    pub(crate) descriptor: Option<&'a [u8]>,
}

impl MediaBatch {
    pub(crate) fn new(room: RoomKey, origin: ShardId) -> Self {
        Self { room, origin, arrived: None, bytes: Bytes::default(), packets: Vec::new() }
    }

    /// An empty one for another room, with the memory of this one.
    pub(crate) fn reuse(&mut self, room: RoomKey) {
        self.room = room;
        self.arrived = None;
        self.bytes.0.clear();
        self.packets.clear();
    }

    /// When the first of its packets arrived: what the others waited is hardly less, since a batch is of one turn.
    pub(crate) fn arrived(&self) -> Time {
        self.arrived.unwrap_or_default()
    }

    /// Bytes that it takes, used or not.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.0.capacity() + self.packets.capacity() * size_of::<MediaPacket>()
    }

    /// A packet that arrived then.
    pub(crate) fn push(&mut self, at: Time, packet: &Arrived<'_>) {
        self.arrived = Some(self.arrived.map_or(at, |first| first.min(at)));
        let payload = self.bytes.push(packet.payload);
        // No descriptor is empty.
        let descriptor = self.bytes.push(packet.descriptor.unwrap_or_default());
        let Arrived { from, key, head, .. } = *packet;
        self.packets.push(MediaPacket { from, key, head, payload, descriptor });
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Arrived<'_>> {
        self.packets.iter().map(|packet| Arrived {
            from: packet.from,
            key: packet.key,
            head: packet.head,
            payload: self.bytes.get(packet.payload),
            descriptor: Some(self.bytes.get(packet.descriptor)).filter(|descriptor| !descriptor.is_empty()),
        })
    }
}

/// What a room forwards to legs of another shard.
#[derive(Debug)]
pub(crate) struct ForwardBatch {
    pub(crate) room: RoomKey,
    pub(crate) origin: ShardId,
    arrived: Option<Time>,
    bytes: Bytes,
    packets: Vec<ForwardPacket>,
    forwards: Vec<ForwardItem>,
    /// Whether the last packet may get more receivers.
    is_open: bool,
}

#[derive(Clone, Copy, Debug)]
struct ForwardPacket {
    stream: StreamNumber,
    payload: Piece,
    level: Option<(u8, bool)>,
    /// Where its items end.
    end: u32,
}

/// Names an incoming stream of a room, for shards that keep its payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StreamNumber(pub(crate) u32);

/// One receiver of a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForwardItem {
    /// The leg's place at its owner, and its key.
    pub(crate) place: u32,
    pub(crate) key: u64,
    pub(crate) forward: Forward,
}

/// A packet of a [`ForwardBatch`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forwarded<'a> {
    pub(crate) stream: StreamNumber,
    pub(crate) payload: &'a [u8],
    pub(crate) level: Option<(u8, bool)>,
    pub(crate) to: &'a [ForwardItem],
}

impl ForwardBatch {
    pub(crate) fn new(room: RoomKey, origin: ShardId) -> Self {
        Self {
            room,
            origin,
            arrived: None,
            bytes: Bytes::default(),
            packets: Vec::new(),
            forwards: Vec::new(),
            is_open: false,
        }
    }

    /// An empty one for another room, with the memory of this one.
    pub(crate) fn reuse(&mut self, room: RoomKey) {
        self.room = room;
        self.arrived = None;
        self.bytes.0.clear();
        self.packets.clear();
        self.forwards.clear();
        self.is_open = false;
    }

    /// When the first of its packets arrived.
    pub(crate) fn arrived(&self) -> Time {
        self.arrived.unwrap_or_default()
    }

    /// Bytes that it takes, used or not.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.0.capacity()
            + self.packets.capacity() * size_of::<ForwardPacket>()
            + self.forwards.capacity() * size_of::<ForwardItem>()
    }

    /// A receiver of a packet that arrived then. All receivers of one are put in before [`Self::end_packet`].
    pub(crate) fn add(
        &mut self,
        at: Time,
        stream: StreamNumber,
        payload: &[u8],
        level: Option<(u8, bool)>,
        item: ForwardItem,
    ) {
        self.arrived = Some(self.arrived.map_or(at, |first| first.min(at)));
        if !self.is_open {
            self.is_open = true;
            let payload = self.bytes.push(payload);
            self.packets.push(ForwardPacket { stream, payload, level, end: 0 });
        }
        self.forwards.push(item);
        if let Some(packet) = self.packets.last_mut() {
            // A turn's packets times receivers are far below 2^32.
            packet.end = self.forwards.len() as u32;
        }
    }

    /// What comes next is another packet.
    pub(crate) fn end_packet(&mut self) {
        self.is_open = false;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Forwarded<'_>> {
        let starts = std::iter::once(0).chain(self.packets.iter().map(|packet| packet.end));
        self.packets.iter().zip(starts).map(|(packet, start)| Forwarded {
            stream: packet.stream,
            payload: self.bytes.get(packet.payload),
            level: packet.level,
            to: self.forwards.get(start as usize..packet.end as usize).unwrap_or_default(),
        })
    }
}

/// Pieces one behind the other.
#[derive(Debug, Default)]
struct Bytes(Vec<u8>);

#[derive(Clone, Copy, Debug)]
struct Piece {
    start: u32,
    length: u32,
}

impl Bytes {
    fn push(&mut self, bytes: &[u8]) -> Piece {
        // What a shard receives in one turn is far below 4 GB.
        let piece = Piece { start: self.0.len() as u32, length: bytes.len() as u32 };
        self.0.extend_from_slice(bytes);
        piece
    }

    fn get(&self, piece: Piece) -> &[u8] {
        let start = piece.start as usize;
        self.0.get(start..start + piece.length as usize).unwrap_or_default()
    }
}
