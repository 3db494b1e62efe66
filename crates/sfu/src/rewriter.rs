//! The numbers of a slot: continuous, whatever it carries.

use std::time::Duration;

use crate::compaction::Compaction;
use crate::patch::Patch;
use crate::picture::{Counters, Tl0};
use crate::rtp::{Time, Timestamp};
use crate::stream::Incoming;

/// A timestamp that is further than this from where the clock says it should be starts a new mapping.
const MAX_TIMESTAMP_DRIFT: Duration = Duration::from_secs(3);

/// What a packet becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rewritten {
    pub sequence: u64,
    pub timestamp: Timestamp,
    pub patch: Patch,
    /// Of the dependency descriptor.
    pub frame_number: u16,
    /// What is added to its template ids, modulo 2^6.
    pub template_shift: u8,
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
    /// Of the dependency descriptors (AV1 RTP specification 1.0, appendix A).
    frame_number: u16,
    /// The template id after those of the last structure: if the next one's begin there, a receiver that
    /// misses it does not take its ids for the old ones.
    free_template: u8,
    mapping: Option<Mapping>,
    /// The one before it, for what of it comes late.
    previous: Option<Mapping>,
}

#[derive(Clone, Debug)]
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
    /// The fields have been seen in this mapping, so that their offsets hold.
    has_picture_id: bool,
    has_tl0: bool,
    /// Likewise of the dependency descriptor; none while there was none.
    frame_number: Option<u16>,
    template_shift: Option<u8>,
    /// What of the stream is left out.
    compaction: Compaction,
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
            frame_number: (random >> 24) as u16,
            free_template: 0,
            mapping: None,
            previous: None,
        }
    }

    /// The latest timestamp given out; none while nothing was.
    pub fn last_timestamp(&self) -> Option<Timestamp> {
        self.sent_at.map(|_| self.timestamp)
    }

    /// Nothing new is sent until the next [`Self::switch`].
    pub fn stop(&mut self) {
        let Some(mapping) = self.mapping.take() else { return };
        // What is missing keeps its numbers free, though nothing after it was forwarded.
        self.sequence = self.sequence.max(mapping.compaction.last().wrapping_add(mapping.sequence));
        self.previous = Some(mapping);
    }

    /// From this packet on the stream goes through this slot.
    pub fn switch(&mut self, now: Time, packet: &Incoming) {
        let timestamp = match self.sent_at {
            // At least one tick: the receiver tells the pictures of two streams by it.
            Some(at) => self.timestamp.plus(ticks(now.since(at), packet).max(1)),
            None => self.timestamp,
        };
        self.stop();
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
            frame_number: None,
            template_shift: None,
            compaction: Compaction::new(packet.sequence),
        });
    }

    /// Whether a packet of the current stream is later than all before it in this slot.
    pub fn is_news(&self, sequence: u64) -> bool {
        self.mapping.as_ref().is_some_and(|mapping| sequence > mapping.newest)
    }

    /// Whether a packet of the stream before the last switch or stop belongs to what was sent of it: it was sent before
    /// the end, or goes on with the picture in which that came.
    pub fn completes(&self, packet: &Incoming) -> bool {
        self.previous.as_ref().is_some_and(|previous| {
            let goes_on = self.mapping.is_none() && packet.timestamp == previous.newest_timestamp;
            packet.sequence >= previous.from && (packet.sequence < previous.newest || goes_on)
        })
    }

    /// Whether a packet is from before the last switch.
    pub fn is_before(&self, sequence: u64) -> bool {
        self.mapping.as_ref().is_some_and(|mapping| sequence < mapping.from)
    }

    /// As [`Self::map`], for a packet that [`Self::completes`] what was sent before.
    pub fn complete(&mut self, now: Time, packet: &Incoming, forward: bool) -> Option<Rewritten> {
        std::mem::swap(&mut self.mapping, &mut self.previous);
        let out = self.map(now, packet, forward);
        std::mem::swap(&mut self.mapping, &mut self.previous);
        out
    }

    /// A moment of the current stream in the slot's clock; none while there is no stream.
    pub fn map_timestamp(&self, timestamp: Timestamp) -> Option<Timestamp> {
        self.mapping.as_ref().map(|mapping| timestamp.plus(mapping.timestamp))
    }

    /// The packet's numbers in this slot; none if it is from before the switch, or is left out
    /// (`forward` is not set) and so needs none. One that is left out although later ones have been
    /// sent gets the number that was kept for it.
    pub fn map(&mut self, now: Time, packet: &Incoming, forward: bool) -> Option<Rewritten> {
        let mapping = self.mapping.as_ref()?;
        if packet.sequence < mapping.from {
            return None;
        }
        if packet.sequence > mapping.newest && mapping.jumps(now, packet) {
            self.switch(now, packet);
            // It is the same stream, of which nobody remembers what was sent before.
            self.previous = None;
        }
        let mapping = self.mapping.as_mut()?;
        let is_newest = packet.sequence > mapping.newest || packet.sequence == mapping.from;
        if is_newest {
            (mapping.newest, mapping.newest_timestamp, mapping.newest_at) = (packet.sequence, packet.timestamp, now);
            mapping.compaction.advance(packet.sequence, !forward);
            if !forward {
                return None;
            }
        }
        let last = Counted { picture_id: self.picture_id, tl0: self.tl0_pic_idx };
        let counters = mapping.count(last, &packet.counters);
        let mut out = Rewritten {
            sequence: (packet.sequence - mapping.compaction.before(packet.sequence)).wrapping_add(mapping.sequence),
            timestamp: packet.timestamp.plus(mapping.timestamp),
            patch: if forward { counters.patch() } else { Patch::default() },
            frame_number: 0,
            template_shift: 0,
        };
        if let Some(place) = &packet.dependency {
            let next = self.frame_number.wrapping_add(1);
            let added = mapping.frame_number.get_or_insert(next.wrapping_sub(place.number));
            out.frame_number = place.number.wrapping_add(*added);
            if let Some((offset, count)) = place.templates() {
                let shift = mapping.template_shift.get_or_insert(self.free_template.wrapping_sub(offset));
                self.free_template = offset.wrapping_add(*shift).wrapping_add(count);
            }
            out.template_shift = mapping.template_shift.unwrap_or(0);
        }
        // A late packet can have the highest number yet: all that came after it may have been left out.
        self.sequence = self.sequence.max(out.sequence);
        if is_newest {
            self.picture_id = counters.picture_id.map_or(self.picture_id, |id| id.value);
            self.tl0_pic_idx = counters.tl0.map_or(self.tl0_pic_idx, |tl0| tl0.value);
            self.frame_number = packet.dependency.map_or(self.frame_number, |_| out.frame_number);
        }
        if self.sent_at.is_none() || out.timestamp.is_after(self.timestamp) {
            self.timestamp = out.timestamp;
            self.sent_at = Some(now);
        }
        Some(out)
    }
}

/// The latest counters of pictures given out.
#[derive(Clone, Copy)]
struct Counted {
    picture_id: u16,
    tl0: u8,
}

impl Mapping {
    /// The counters in this slot; the first of the stream follow the last of the slot.
    fn count(&mut self, last: Counted, counters: &Counters) -> Counters {
        if let Some(id) = counters.picture_id
            && !std::mem::replace(&mut self.has_picture_id, true)
        {
            self.picture_id = last.picture_id.wrapping_add(1).wrapping_sub(id.value);
        }
        if let Some(tl0) = counters.tl0
            && !std::mem::replace(&mut self.has_tl0, true)
        {
            self.tl0_pic_idx = last.tl0.wrapping_add(1).wrapping_sub(tl0.value);
        }
        Counters {
            picture_id: counters.picture_id.map(|id| id.with(id.value.wrapping_add(self.picture_id))),
            tl0: counters.tl0.map(|tl0| Tl0 { value: tl0.value.wrapping_add(self.tl0_pic_idx), ..tl0 }),
        }
    }

    /// Whether the packet's timestamp is not where the time that passed would put it.
    fn jumps(&self, now: Time, packet: &Incoming) -> bool {
        if packet.timestamp == self.newest_timestamp {
            return false;
        }
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::rtp::Codec;
    use crate::vp8::Descriptor;

    fn at(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    /// The n-th frame of a stream, one packet each, 33 ms apart.
    fn frame(first: (u64, u32, u16, u8), number: u64) -> Incoming {
        let (sequence, timestamp, picture_id, tl0) = first;
        let mut payload = [0x90, 0xe0, 0, 0, tl0.wrapping_add(number as u8), 0, 0x01];
        [payload[2], payload[3]] = (picture_id.wrapping_add(number as u16) | 0x8000).to_be_bytes();
        Incoming {
            sequence: sequence + number,
            timestamp: Timestamp(timestamp).plus(2_970 * number as u32),
            marker: true,
            codec: Codec::Vp8,
            counters: Descriptor::parse(&payload).expect("valid").counters,
            frame: None,
            is_scalable: false,
            dependency: None,
            red: None,
            is_newest: true,
            after_gap: None,
            entry: true,
            explains: false,
            lower_top: None,
            epoch: 0,
        }
    }

    #[test]
    fn a_slot_begins_below_half_the_range_of_sequence_numbers() {
        for random in [0, u64::MAX, 0x1234_5678_9abc_def0] {
            let mut rewriter = Rewriter::new(random);
            assert_eq!(rewriter.last_timestamp(), None);
            let packet = frame((70_000, 0, 0, 0), 0);
            rewriter.switch(at(0), &packet);
            let out = rewriter.map(at(0), &packet, true).expect("mapped");
            assert!(out.sequence < 1 << 15);
            assert_eq!(rewriter.last_timestamp(), Some(out.timestamp));
        }
    }

    #[test]
    fn two_streams_in_the_same_moment_have_different_timestamps() {
        let mut rewriter = Rewriter::new(1);
        let (a, b) = (frame((5, 5, 5, 5), 0), frame((900, 900, 900, 90), 0));
        rewriter.switch(at(0), &a);
        let before = rewriter.map(at(0), &a, true).expect("mapped");
        rewriter.switch(at(0), &b);
        let after = rewriter.map(at(0), &b, true).expect("mapped");
        assert_eq!(after.timestamp - before.timestamp, 1);
    }

    #[test]
    fn nothing_is_mapped_while_stopped() {
        let mut rewriter = Rewriter::new(1);
        let packet = frame((5, 5, 5, 5), 0);
        assert_eq!(rewriter.map(at(0), &packet, true), None);
        rewriter.switch(at(0), &packet);
        rewriter.stop();
        assert_eq!(rewriter.map(at(0), &packet, true), None);
    }

    #[test]
    fn a_short_picture_id_stays_short() {
        let mut rewriter = Rewriter::new(u64::MAX);
        let mut packet = frame((5, 5, 5, 5), 0);
        packet.counters = Descriptor::parse(&[0x90, 0x80, 0x7f, 0x01]).expect("valid").counters;
        rewriter.switch(at(0), &packet);
        let out = rewriter.map(at(0), &packet, true).expect("mapped");
        assert!(matches!(out.patch.edits(), [(2, 0..=0x7f)]), "{:?}", out.patch);
    }

    #[test]
    fn a_late_packet_after_which_all_was_left_out_keeps_its_number_for_itself() {
        let mut rewriter = Rewriter::new(1);
        let [first, late, left_out, next] = [0, 1, 2, 50].map(|number| frame((5, 5, 5, 5), number));
        rewriter.switch(at(0), &first);
        let before = rewriter.map(at(0), &first, true).expect("mapped");
        assert_eq!(rewriter.map(at(66), &left_out, false), None);
        let out = rewriter.map(at(70), &late, true).expect("mapped");
        assert_eq!(out.sequence, before.sequence + 1);
        rewriter.switch(at(1_650), &next);
        assert_eq!(rewriter.map(at(1_650), &next, true).expect("mapped").sequence, out.sequence + 1);
    }

    /// The picture id and TL0PICIDX that a patch of [`frame`] writes.
    fn written(out: Rewritten) -> (u16, u8) {
        let [(2, high), (3, low), (4, tl0)] = *out.patch.edits() else { panic!("{:?}", out.patch) };
        (u16::from_be_bytes([high & 0x7f, low]), tl0)
    }

    /// One stream's stay in the slot: where its numbers begin, how many frames, after which pause, and
    /// which of the frames are lost or come late.
    type Stay = ((u64, u32, u16, u8), u64, u64, Vec<(u64, bool)>);

    fn any_stay() -> impl Strategy<Value = Stay> {
        let first = (0u64..1 << 40, any::<u32>(), 0u16..0x8000, any::<u8>());
        (first, 2u64..40, 0u64..60_000, proptest::collection::vec((1u64..40, any::<bool>()), 0..6))
    }

    proptest! {
        #[test]
        fn whatever_goes_through_a_slot_its_numbers_are_continuous(
            random in any::<u64>(),
            stays in proptest::collection::vec(any_stay(), 1..8),
        ) {
            let mut rewriter = Rewriter::new(random);
            let mut used = HashSet::new();
            let mut now = 1_000;
            let mut last: Option<(u64, Rewritten)> = None;
            for (first, frames, pause, disturbed) in stays {
                now += pause;
                // A frame that is disturbed is lost, or comes 3 frames later.
                let fate = |number: u64| disturbed.iter().find(|(at, _)| *at == number).map(|(_, late)| *late);
                let mut order: Vec<(u64, u64)> = (0..frames)
                    .filter(|number| fate(*number) != Some(false))
                    .map(|number| (number, number * 33 + if fate(number).is_some() { 100 } else { 0 }))
                    .collect();
                order.sort_by_key(|(_, at)| *at);
                rewriter.switch(at(now), &frame(first, 0));
                if first.0 > 0 {
                    let before = Incoming { sequence: first.0 - 1, ..frame(first, 0) };
                    prop_assert_eq!(rewriter.map(at(now), &before, true), None);
                }
                let start = now;
                let mut begin: Option<Rewritten> = None;
                for (number, offset) in order {
                    now = start + offset;
                    let out = rewriter.map(at(now), &frame(first, number), true).expect("mapped");
                    prop_assert!(used.insert(out.sequence), "{} twice", out.sequence);
                    let (before, after) = (last.map(|(_, out)| out), written(out));
                    let Some(begin) = begin else {
                        if let (Some(before), Some((sent, _))) = (before, last) {
                            let (picture_id, tl0) = written(before);
                            prop_assert_eq!(out.sequence, before.sequence + 1);
                            prop_assert_eq!(after, ((picture_id + 1) & 0x7fff, tl0.wrapping_add(1)));
                            let advance = i64::from(out.timestamp - before.timestamp);
                            prop_assert!((advance - 90 * (now - sent) as i64).abs() <= 90, "{}", advance);
                        }
                        begin = Some(out);
                        last = Some((now, out));
                        continue;
                    };
                    // Within a stay every distance stays what it was.
                    prop_assert_eq!(out.sequence, begin.sequence + number);
                    prop_assert_eq!(out.timestamp, begin.timestamp.plus(2_970 * number as u32));
                    prop_assert_eq!(after.0, (written(begin).0 + number as u16) & 0x7fff);
                    if last.is_some_and(|(_, last)| out.sequence > last.sequence) {
                        last = Some((now, out));
                    }
                }
            }
        }

        #[test]
        fn lies_neither_panic_nor_use_a_number_twice(
            packets in proptest::collection::vec((any::<u16>(), any::<u32>(), any::<u32>(), any::<bool>()), 1..60),
        ) {
            let mut rewriter = Rewriter::new(3);
            let mut now = 0;
            for (number, timestamp, wait, switch) in packets {
                now += u64::from(wait) % 100_000;
                let mut packet = frame((u64::MAX - 70_000, 0, 0, 0), u64::from(number));
                packet.timestamp = Timestamp(timestamp);
                let before = rewriter.sequence;
                if switch {
                    rewriter.switch(at(now), &packet);
                    let out = rewriter.map(at(now), &packet, true).expect("mapped");
                    prop_assert_eq!(out.sequence, before + 1);
                } else {
                    rewriter.map(at(now), &packet, true);
                }
            }
        }
    }
}
