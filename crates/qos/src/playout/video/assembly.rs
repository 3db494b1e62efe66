//! Frames from packets (libwebrtc, `modules/video_coding/packet_buffer.cc`).

use std::collections::VecDeque;

use super::frame::{Dependence, FrameId, FrameTimes, LONGEST_PAYLOAD, References, VideoFrame};
use super::frame::{VideoPacket, VideoPacketError};
use crate::Time;
use crate::playout::wrapping::Unwrapper;

/// Sequence numbers from the oldest to the newest packet of incomplete frames (`rtp_video_stream_receiver2.cc`,
/// `kPacketBufferMaxSize`).
pub(super) const CAPACITY: i64 = 2_048;
/// Bytes of incomplete frames at most.
const MOST_BYTES: usize = 4 << 20;
/// A number further ahead is another stream's (RFC 3550, A.1, `MAX_DROPOUT`).
const JUMP: i64 = 3_000;
/// Packets without a picture that are remembered, where frames are numbered by packets.
const FILLERS: usize = 64;

#[derive(Clone, Debug)]
struct Slot<P> {
    sequence: i64,
    timestamp: i64,
    arrival: Time,
    /// All packets of its frame before it are there.
    is_joined: bool,
    packet: VideoPacket<P>,
}

/// Packets of frames that are not complete.
#[derive(Clone, Debug)]
pub(super) struct Assembler<P> {
    sequences: Unwrapper<16>,
    timestamps: Unwrapper<32>,
    /// The packet numbered `s` is at `s % CAPACITY`.
    slots: Vec<Option<Slot<P>>>,
    bytes: usize,
    /// No packet before this number is there.
    oldest: i64,
    newest: Option<i64>,
    newest_timestamp: i64,
    /// A packet that jumped.
    jumped: Option<u16>,
    fillers: VecDeque<i64>,
}

/// What came of a packet.
#[derive(Debug)]
pub(super) enum Assembled<P> {
    /// Its frame is not complete.
    Part,
    /// Its frame is complete.
    Frame(VideoFrame<P>),
}

impl<P: AsRef<[u8]>> Assembler<P> {
    pub(super) fn new() -> Self {
        Self {
            sequences: Unwrapper::default(),
            timestamps: Unwrapper::default(),
            slots: std::iter::repeat_with(|| None).take(CAPACITY as usize).collect(),
            bytes: 0,
            oldest: 0,
            newest: None,
            newest_timestamp: 0,
            jumped: None,
            fillers: VecDeque::with_capacity(FILLERS),
        }
    }

    /// Where in the stream this number is; one that jumped is nowhere until the next agrees. `Ok(true)`: all before was of
    /// another stream and is gone.
    pub(super) fn locate(&mut self, sequence: u16) -> Result<bool, VideoPacketError> {
        let Some(newest) = self.newest else { return Ok(false) };
        let ahead = self.sequences.peek(u32::from(sequence)).saturating_sub(newest);
        if (-CAPACITY..=JUMP).contains(&ahead) {
            self.jumped = None;
            return Ok(false);
        }
        let follows = self.jumped.replace(sequence).is_some_and(|jumped| jumped.wrapping_add(1) == sequence);
        if !follows {
            return Err(VideoPacketError::Jump);
        }
        *self = Self::new();
        Ok(true)
    }

    /// Forgets all packets.
    pub(super) fn clear(&mut self) {
        self.slots.iter_mut().for_each(|slot| *slot = None);
        self.bytes = 0;
        self.oldest = self.newest.map_or(0, |newest| newest.saturating_add(1));
    }

    /// A packet without a picture: where frames are numbered by packets, the next frame follows the one before it.
    pub(super) fn insert_filler(&mut self, sequence: u16) -> Result<i64, VideoPacketError> {
        if self.newest.is_none() {
            return Err(VideoPacketError::TooLate);
        }
        let sequence = self.sequences.unwrap(u32::from(sequence));
        self.advance(sequence);
        if self.fillers.len() == FILLERS {
            self.fillers.pop_front();
        }
        self.fillers.push_back(sequence);
        Ok(sequence)
    }

    /// Keeps a packet that [`locate`](Self::locate) has let through.
    pub(super) fn insert(&mut self, now: Time, packet: VideoPacket<P>) -> Result<Assembled<P>, VideoPacketError> {
        let size = packet.payload.as_ref().len();
        if size > LONGEST_PAYLOAD {
            return Err(VideoPacketError::TooLarge);
        }
        let sequence = self.sequences.unwrap(u32::from(packet.sequence));
        let timestamp = self.timestamps.unwrap(packet.timestamp);
        if self.newest.is_none() {
            // What was overtaken by the first packet has a place, too.
            self.oldest = sequence.saturating_sub(CAPACITY / 2);
            self.newest_timestamp = timestamp;
        }
        if sequence < self.oldest {
            return Err(VideoPacketError::TooLate);
        }
        if self.slot(sequence).is_some() {
            return Err(VideoPacketError::Duplicate);
        }
        self.advance(sequence);
        self.newest_timestamp = self.newest_timestamp.max(timestamp);
        if self.bytes + size > MOST_BYTES {
            return Err(VideoPacketError::TooMuch);
        }
        self.bytes += size;
        let index = index(sequence);
        self.slots[index] = Some(Slot { sequence, timestamp, arrival: now, is_joined: false, packet });
        match self.join(sequence) {
            Some(last) => self.complete(last),
            None => Ok(Assembled::Part),
        }
    }

    /// No packet before this number is of use.
    pub(super) fn drop_before(&mut self, sequence: i64) {
        // Numbers between have at most one slot each.
        let end = sequence.min(self.oldest.saturating_add(CAPACITY));
        for old in self.oldest..end {
            self.take(old);
        }
        self.oldest = self.oldest.max(sequence);
    }

    /// The first number of which a packet would be of use.
    pub(super) fn oldest(&self) -> i64 {
        self.oldest
    }

    /// Packets of a later picture came than of one that is not complete.
    pub(super) fn has_gap(&self) -> bool {
        let Some(newest) = self.newest else { return false };
        let from = self.oldest.max(newest.saturating_sub(CAPACITY - 1));
        (from..=newest)
            .find_map(|sequence| self.slot(sequence))
            .is_some_and(|slot| slot.timestamp < self.newest_timestamp)
    }

    fn advance(&mut self, sequence: i64) {
        let newest = self.newest.map_or(sequence, |newest| newest.max(sequence));
        self.newest = Some(newest);
        self.drop_before(newest.saturating_sub(CAPACITY - 1));
    }

    fn slot(&self, sequence: i64) -> Option<&Slot<P>> {
        self.slots[index(sequence)].as_ref().filter(|slot| slot.sequence == sequence)
    }

    fn take(&mut self, sequence: i64) -> Option<Slot<P>> {
        let slot = self.slots[index(sequence)].take_if(|slot| slot.sequence == sequence)?;
        self.bytes -= slot.packet.payload.as_ref().len();
        Some(slot)
    }

    /// Marks what has become joined to its frame's beginning; the last packet, if that is all of the frame.
    fn join(&mut self, mut sequence: i64) -> Option<i64> {
        loop {
            let slot = self.slot(sequence)?;
            let follows = sequence
                .checked_sub(1)
                .and_then(|before| self.slot(before))
                .is_some_and(|before| before.is_joined && !before.packet.is_last && before.timestamp == slot.timestamp);
            let (is_first, is_last) = (slot.packet.is_first, slot.packet.is_last);
            if !is_first && !follows {
                return None;
            }
            if let Some(slot) = &mut self.slots[index(sequence)] {
                slot.is_joined = true;
            }
            if is_last {
                return Some(sequence);
            }
            sequence = sequence.checked_add(1)?;
        }
    }

    /// Takes the packets of the frame that ends here and is complete.
    fn complete(&mut self, last: i64) -> Result<Assembled<P>, VideoPacketError> {
        let mut first = last;
        while self.slot(first).is_some_and(|slot| !slot.packet.is_first) {
            first -= 1;
        }
        let mut payloads = Vec::with_capacity((last - first + 1) as usize);
        let (mut size, mut received, mut is_repaired) = (0, Time::default(), false);
        let mut head = None;
        for sequence in first..=last {
            let Some(slot) = self.take(sequence) else { continue };
            head.get_or_insert((slot.packet.dependence, slot.packet.timestamp, slot.packet.sequence, slot.timestamp));
            size += slot.packet.payload.as_ref().len();
            received = received.max(slot.arrival);
            is_repaired |= slot.packet.is_repaired;
            payloads.push(slot.packet.payload);
        }
        let Some((dependence, timestamp, first_sequence, unwrapped)) = head else { return Ok(Assembled::Part) };
        let (id, references) = self.numbers(dependence, first, last);
        if references.iter().any(|reference| reference >= id) {
            return Err(VideoPacketError::BadReference);
        }
        let times = FrameTimes { timestamp: unwrapped, first_sequence: first, last_sequence: last };
        Ok(Assembled::Frame(VideoFrame {
            id,
            references,
            timestamp,
            first_sequence,
            payloads,
            size,
            received,
            is_repaired,
            times,
        }))
    }

    /// Frames without numbers are numbered by their last packets, so that each is predicted from the one that ends
    /// before it begins (libwebrtc, `rtp_seq_num_only_ref_finder.cc`).
    fn numbers(&self, dependence: Dependence, first: i64, last: i64) -> (FrameId, References) {
        match dependence {
            Dependence::Frames(id, references) => (id, references),
            Dependence::Key => (FrameId(last), References::NONE),
            Dependence::Previous => {
                let before = FrameId(self.before_fillers(first.saturating_sub(1)));
                (FrameId(last), References::new(&[before]).unwrap_or(References::NONE))
            }
        }
    }

    /// This number, or the one before all fillers that end with it.
    pub(super) fn before_fillers(&self, mut sequence: i64) -> i64 {
        for _ in 0..FILLERS {
            if !self.fillers.contains(&sequence) {
                break;
            }
            sequence = sequence.saturating_sub(1);
        }
        sequence
    }
}

fn index(sequence: i64) -> usize {
    sequence.rem_euclid(CAPACITY) as usize
}
