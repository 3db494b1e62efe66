//! Which frame can be decoded next (libwebrtc, `api/video/frame_buffer.cc`).

use std::collections::VecDeque;

use super::frame::{FrameId, References, VideoFrame, VideoPacketError};

/// Frames that wait at most: 5 s of 60 a second.
pub(super) const MOST_FRAMES: usize = 300;
/// Their bytes at most.
pub(super) const MOST_BYTES: usize = 16 << 20;
/// So far back it is known which frames were decoded (`frame_buffer2.cc`, `kMaxFramesHistory`: 8,192).
const HISTORY: i64 = 8_192;
const WORDS: usize = HISTORY as usize / 64;

/// Which frames were decoded.
#[derive(Clone, Debug)]
struct Decoded {
    last: Option<i64>,
    /// One bit for each of the last 8,192 numbers.
    bits: [u64; WORDS],
}

impl Decoded {
    fn insert(&mut self, id: i64) {
        // Numbers between were not.
        let from = self.last.map_or(id, |last| last.saturating_add(1)).max(id.saturating_sub(HISTORY - 1));
        for between in from..=id {
            let (word, bit) = place(between);
            self.bits[word] &= !bit;
        }
        let (word, bit) = place(id);
        self.bits[word] |= bit;
        self.last = Some(id);
    }

    fn contains(&self, id: i64) -> bool {
        let (word, bit) = place(id);
        self.last.is_some_and(|last| id <= last && id > last.saturating_sub(HISTORY)) && self.bits[word] & bit != 0
    }
}

fn place(id: i64) -> (usize, u64) {
    let index = id.rem_euclid(HISTORY) as usize;
    (index / 64, 1 << (index % 64))
}

/// Complete frames by number; at most 300, and 16 MiB.
#[derive(Clone, Debug)]
pub(super) struct Frames<P> {
    waiting: VecDeque<VideoFrame<P>>,
    bytes: usize,
    decoded: Decoded,
    last_timestamp: i64,
}

impl<P> Frames<P> {
    pub(super) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            decoded: Decoded { last: None, bits: [0; WORDS] },
            last_timestamp: i64::MIN,
        }
    }

    /// Forgets what waits; returns how many that were.
    pub(super) fn clear(&mut self) -> u64 {
        let count = self.waiting.len() as u64;
        self.waiting.clear();
        self.bytes = 0;
        count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Something was decoded since the beginning.
    pub(super) fn has_begun(&self) -> bool {
        self.decoded.last.is_some()
    }

    pub(super) fn insert(&mut self, frame: VideoFrame<P>) -> Result<(), VideoPacketError> {
        if self.decoded.last.is_some_and(|last| frame.id.0 <= last) {
            // A key frame of a later time with an earlier number: the sender counts anew (`FrameBuffer::InsertFrame`).
            if !frame.is_key() || frame.times.timestamp <= self.last_timestamp {
                return Err(VideoPacketError::TooLate);
            }
            self.clear();
            self.decoded = Decoded { last: None, bits: [0; WORDS] };
        }
        if self.waiting.len() >= MOST_FRAMES || self.bytes + frame.size > MOST_BYTES {
            return Err(VideoPacketError::TooMuch);
        }
        let index = self.waiting.partition_point(|waiting| waiting.id < frame.id);
        if self.waiting.get(index).is_some_and(|waiting| waiting.id == frame.id) {
            return Err(VideoPacketError::Duplicate);
        }
        self.bytes += frame.size;
        self.waiting.insert(index, frame);
        Ok(())
    }

    /// Frames that were thought to follow `before` follow what is before it.
    pub(super) fn redirect(&mut self, before: FrameId, to: FrameId) {
        for frame in &mut self.waiting {
            if frame.references.iter().eq([before]) {
                frame.references = References::new(&[to]).unwrap_or(References::NONE);
            }
        }
    }

    /// The first that can be decoded.
    pub(super) fn next(&self) -> Option<&VideoFrame<P>> {
        self.waiting.iter().find(|frame| self.is_decodable(frame))
    }

    /// The first frame that waits.
    pub(super) fn first(&self) -> Option<&VideoFrame<P>> {
        self.waiting.front()
    }

    /// A frame of a later picture than `next` can be decoded without it.
    pub(super) fn can_do_without(&self, next: &VideoFrame<P>) -> bool {
        let later = self.waiting.iter().filter(|frame| frame.times.timestamp > next.times.timestamp);
        later.clone().any(|frame| self.is_decodable(frame))
    }

    /// Takes a frame out to be decoded; what is before it is dropped. Returns how many those were.
    pub(super) fn take(&mut self, id: FrameId) -> Option<(VideoFrame<P>, u64)> {
        let mut dropped = 0;
        while self.waiting.front()?.id <= id {
            let frame = self.waiting.pop_front()?;
            self.bytes -= frame.size;
            if frame.id == id {
                self.decoded.insert(id.0);
                self.last_timestamp = frame.times.timestamp;
                return Some((frame, dropped));
            }
            dropped += 1;
        }
        None
    }

    /// Drops a frame that is not to be decoded.
    pub(super) fn drop_frame(&mut self, id: FrameId) {
        if let Some(index) = self.waiting.iter().position(|frame| frame.id == id)
            && let Some(frame) = self.waiting.remove(index)
        {
            self.bytes -= frame.size;
        }
    }

    fn is_decodable(&self, frame: &VideoFrame<P>) -> bool {
        frame.references.iter().all(|reference| self.decoded.contains(reference.0))
    }
}
