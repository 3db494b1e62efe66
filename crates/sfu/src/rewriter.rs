//! The numbers of a slot: continuous, whatever it carries.

use std::time::Duration;

use crate::rtp::{Time, Timestamp, Vp8Rewrite};
use crate::stream::Incoming;

/// A timestamp that is further than this from where the clock says it should be starts a new mapping.
const MAX_TIMESTAMP_DRIFT: Duration = Duration::from_secs(3);

/// What a packet becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rewritten {
    pub sequence: u64,
    pub timestamp: Timestamp,
    pub vp8: Option<Vp8Rewrite>,
}

/// Gives the packets of one stream after another the numbers of one continuous stream.
///
/// Within a stream everything is shifted by the same amounts, so that loss and reordering stay what
/// they are. At a switch the next free numbers are taken, and the timestamp moves on by the time that
/// passed, so that the receiver's jitter buffer sees no jump.
#[derive(Clone, Debug)]
pub(crate) struct Rewriter {
    /// The highest number given out.
    sequence: u64,
    /// The latest timestamp given out.
    timestamp: Timestamp,
    /// When that timestamp was first given out; none while the slot is new.
    sent_at: Option<Time>,
    picture_id: u16,
    tl0_pic_idx: u8,
    mapping: Option<Mapping>,
}

#[derive(Clone, Copy, Debug)]
struct Mapping {
    /// The first packet of the stream that counts; those before it were for another mapping.
    from: u64,
    /// The newest packet, and when it came.
    newest: u64,
    newest_timestamp: Timestamp,
    newest_at: Time,
    // What is added, modulo the field's size.
    sequence: u64,
    timestamp: u32,
    picture_id: u16,
    tl0_pic_idx: u8,
    /// The newest fields of VP8 have been seen in this mapping, so that their offsets hold.
    has_picture_id: bool,
    has_tl0: bool,
}

impl Rewriter {
    /// A new slot; `random` decides where its numbers begin.
    pub fn new(random: u64) -> Self {
        Self {
            // Below 2^15, so that the receiver cannot take the first rollover for the second
            // (RFC 3711 section 3.3.1).
            sequence: random & 0x3fff,
            timestamp: Timestamp((random >> 16) as u32),
            sent_at: None,
            picture_id: (random >> 48) as u16 & 0x7fff,
            tl0_pic_idx: (random >> 40) as u8,
            mapping: None,
        }
    }

    /// The latest timestamp given out; none while nothing was.
    pub fn last_timestamp(&self) -> Option<Timestamp> {
        self.sent_at.map(|_| self.timestamp)
    }

    /// Nothing is sent until the next [`Self::switch`].
    pub fn stop(&mut self) {
        self.mapping = None;
    }

    /// From this packet on the stream goes through this slot.
    pub fn switch(&mut self, now: Time, packet: &Incoming) {
        let timestamp = match self.sent_at {
            // At least one tick: the receiver tells the pictures of two streams by it.
            Some(at) => self.timestamp.plus(ticks(now.since(at), packet).max(1)),
            None => self.timestamp,
        };
        self.mapping = Some(Mapping {
            from: packet.sequence,
            newest: packet.sequence,
            newest_timestamp: packet.timestamp,
            newest_at: now,
            sequence: (self.sequence + 1).wrapping_sub(packet.sequence),
            timestamp: timestamp.0.wrapping_sub(packet.timestamp.0),
            picture_id: 0,
            tl0_pic_idx: 0,
            has_picture_id: false,
            has_tl0: false,
        });
    }

    /// The packet's numbers in this slot; none if it is from before the switch.
    pub fn map(&mut self, now: Time, packet: &Incoming) -> Option<Rewritten> {
        let mapping = self.mapping?;
        if packet.sequence < mapping.from {
            return None;
        }
        let is_newest = packet.sequence > mapping.newest;
        if is_newest && mapping.jumps(now, packet) {
            self.switch(now, packet);
        }
        let mapping = self.mapping.as_mut()?;
        if packet.sequence >= mapping.newest {
            (mapping.newest, mapping.newest_timestamp, mapping.newest_at) = (packet.sequence, packet.timestamp, now);
        }
        let vp8 = packet.vp8.map(|descriptor| {
            if let Some(id) = descriptor.picture_id
                && !mapping.has_picture_id
            {
                mapping.has_picture_id = true;
                mapping.picture_id = self.picture_id.wrapping_add(1).wrapping_sub(id.value);
            }
            if let Some(index) = descriptor.tl0_pic_idx
                && !mapping.has_tl0
            {
                mapping.has_tl0 = true;
                mapping.tl0_pic_idx = self.tl0_pic_idx.wrapping_add(1).wrapping_sub(index);
            }
            Vp8Rewrite {
                picture_id: descriptor.picture_id.map(|id| {
                    let mask = if id.wide { 0x7fff } else { 0x7f };
                    id.value.wrapping_add(mapping.picture_id) & mask
                }),
                tl0_pic_idx: descriptor.tl0_pic_idx.map(|index| index.wrapping_add(mapping.tl0_pic_idx)),
            }
        });
        let out = Rewritten {
            sequence: packet.sequence.wrapping_add(mapping.sequence),
            timestamp: packet.timestamp.plus(mapping.timestamp),
            vp8,
        };
        if is_newest || packet.sequence == mapping.from {
            self.sequence = self.sequence.max(out.sequence);
            self.picture_id = vp8.and_then(|vp8| vp8.picture_id).unwrap_or(self.picture_id);
            self.tl0_pic_idx = vp8.and_then(|vp8| vp8.tl0_pic_idx).unwrap_or(self.tl0_pic_idx);
        }
        if self.sent_at.is_none() || out.timestamp.is_after(self.timestamp) {
            self.timestamp = out.timestamp;
            self.sent_at = Some(now);
        }
        Some(out)
    }
}

impl Mapping {
    /// Whether the packet's timestamp is not where the time that passed would put it.
    fn jumps(&self, now: Time, packet: &Incoming) -> bool {
        let advanced = i64::from(packet.timestamp - self.newest_timestamp);
        let expected = i64::from(ticks(now.since(self.newest_at), packet));
        (advanced - expected).unsigned_abs() > u64::from(ticks(MAX_TIMESTAMP_DRIFT, packet))
    }
}

/// How far the packet's clock moves in this time; at most a quarter of the timestamp's range, beyond
/// which later and earlier could be confused.
fn ticks(duration: Duration, packet: &Incoming) -> u32 {
    let ticks = duration.as_micros() * u128::from(packet.codec.clock_rate()) / 1_000_000;
    u32::try_from(ticks).unwrap_or(u32::MAX).min(u32::MAX / 4)
}
