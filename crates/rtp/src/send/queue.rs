//! What waits to be sent for the first time.

use std::collections::VecDeque;
use std::time::Duration;

use conclave_qos::{Queued, Time};

use super::outgoing::{Descriptor, Outgoing, Packet};

/// At most so many packets of video wait.
const MOST_VIDEO: usize = 1_024;
/// At most so many packets of audio, which leave at the next turn: more than a turn brings, unless the machine was busy
/// elsewhere for long before it.
const MOST_AUDIO: usize = 256;
/// At most so many bytes of descriptors.
const MOST_DESCRIPTORS: usize = 32 * 1_024;
/// What waited longer is of no use: the receiver plays something newer instead. Audio waits only while nobody drains, as
/// before there are keys. Video waits for the pacer; while the pacer is kept from running, the video's time stands still:
/// what comes after the pause would leave at once, so what came before it does, too.
const LONGEST_WAIT: Duration = Duration::from_millis(500);
/// Beyond this, a pause counts.
const LONGEST_PAUSE: Duration = Duration::from_millis(1_500);
/// Memory for more packets than this is given back when nothing waits.
const KEPT: usize = 64;

// The bound that the documentation of `Sender` states.
const _: () = assert!(size_of::<Waiting>() * (MOST_VIDEO + MOST_AUDIO) + MOST_DESCRIPTORS < 160 * 1_024);

/// Audio first, then video in the order in which it came.
#[derive(Debug, Default)]
pub(super) struct Queue {
    audio: VecDeque<Waiting>,
    video: VecDeque<Waiting>,
    /// Those of the video, one after the other.
    descriptors: VecDeque<u8>,
    /// Payload bytes of the video.
    bytes: u64,
    /// By how much the video's time is behind.
    paused: Duration,
}

/// A packet, and since when it waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub packet: Packet,
    pub descriptor: DescriptorLength,
    since: Time,
}

/// How long a packet's descriptor is; 0 if it has none.
#[derive(Clone, Copy, Debug)]
pub(super) struct DescriptorLength(u8);

impl Queue {
    pub fn is_full_of_video(&self) -> bool {
        self.video.len() >= MOST_VIDEO || self.descriptors.len() + Descriptor::CAPACITY > MOST_DESCRIPTORS
    }

    /// Queues a packet that leaves at the next turn. Where there is no room, the oldest makes some, and is returned.
    pub fn push_audio(&mut self, now: Time, packet: &Outgoing<'_>) -> Option<Waiting> {
        let oldest = if self.audio.len() >= MOST_AUDIO { self.audio.pop_front() } else { None };
        self.audio.push_back(Waiting { packet: packet.into(), descriptor: DescriptorLength(0), since: now });
        oldest
    }

    /// The pacer ran so much later than it had asked for.
    pub fn pause(&mut self, late: Duration) {
        self.paused += late.min(LONGEST_PAUSE);
    }

    fn video_time(&self, now: Time) -> Time {
        Time::since_start(now.to_duration().saturating_sub(self.paused))
    }

    /// Queues a packet that is paced; for who asked [`is_full_of_video`](Self::is_full_of_video).
    pub fn push_video(&mut self, now: Time, packet: &Outgoing<'_>) {
        let descriptor = packet.descriptor.filter(|bytes| bytes.len() <= Descriptor::CAPACITY).unwrap_or_default();
        self.descriptors.extend(descriptor);
        self.bytes += u64::from(packet.length);
        // At most `Descriptor::CAPACITY`.
        let descriptor = DescriptorLength(descriptor.len() as u8);
        self.video.push_back(Waiting { packet: packet.into(), descriptor, since: self.video_time(now) });
    }

    pub fn pop_audio(&mut self) -> Option<Waiting> {
        self.audio.pop_front()
    }

    /// The next video packet. Whoever takes it takes its descriptor too, if it has one
    /// ([`pop_descriptor`](Self::pop_descriptor)), since descriptors are kept in the packets' order.
    pub fn pop_video(&mut self) -> Option<Waiting> {
        let waiting = self.video.pop_front();
        if let Some(waiting) = &waiting {
            self.bytes -= u64::from(waiting.packet.length);
            if self.video.is_empty() {
                self.video.shrink_to(KEPT);
            }
        }
        // As it lies in the queue: taken apart and put together again it costs as much as all the rest here.
        waiting
    }

    /// The descriptor of the packet that was taken last.
    pub fn pop_descriptor(&mut self, DescriptorLength(length): DescriptorLength) -> Option<Descriptor> {
        if length == 0 {
            return None;
        }
        let mut bytes = [0; Descriptor::CAPACITY];
        let bytes = bytes.get_mut(..usize::from(length))?;
        for (byte, queued) in bytes.iter_mut().zip(self.descriptors.drain(..usize::from(length))) {
            *byte = queued;
        }
        if self.descriptors.is_empty() {
            self.descriptors.shrink_to(KEPT * Descriptor::CAPACITY);
        }
        Descriptor::new(bytes)
    }

    /// Drops the next video packet.
    pub fn drop_video(&mut self) {
        if let Some(waiting) = self.pop_video() {
            self.pop_descriptor(waiting.descriptor);
        }
    }

    /// The next video packet, if it has waited too long.
    pub fn overdue(&self, now: Time) -> Option<&Packet> {
        let now = self.video_time(now);
        self.video.front().filter(|next| next.is_overdue(now)).map(|next| &next.packet)
    }

    /// The video, which the pacer lets out.
    pub fn paced(&self) -> Queued {
        // At most `MOST_VIDEO`.
        Queued { bytes: self.bytes, packets: self.video.len() as u32 }
    }

    /// Slots have moved: `moved` gives each packet's slot its new place; packets of slots that are gone go with them.
    pub fn relocate(&mut self, moved: impl Fn(u16) -> Option<u16>) {
        self.audio.retain_mut(|waiting| stays(&mut waiting.packet, &moved));
        for _ in 0..self.video.len() {
            let Some(mut waiting) = self.video.pop_front() else { break };
            let descriptor = self.pop_descriptor(waiting.descriptor);
            if stays(&mut waiting.packet, &moved) {
                self.descriptors.extend(descriptor.iter().flat_map(Descriptor::as_bytes));
                self.video.push_back(waiting);
            } else {
                self.bytes -= u64::from(waiting.packet.length);
            }
        }
    }

    /// How many packets of this slot wait.
    pub fn waiting_of(&self, slot: u16) -> usize {
        self.audio.iter().chain(&self.video).filter(|waiting| waiting.packet.slot == slot).count()
    }
}

impl Waiting {
    /// By the time that it was queued in.
    pub fn is_overdue(&self, now: Time) -> bool {
        now.since(self.since) > LONGEST_WAIT
    }
}

fn stays(packet: &mut Packet, moved: impl Fn(u16) -> Option<u16>) -> bool {
    let place = moved(packet.slot);
    packet.slot = place.unwrap_or(packet.slot);
    place.is_some()
}
