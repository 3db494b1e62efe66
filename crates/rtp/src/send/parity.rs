//! Parity on video, so that what is lost can be made again without being asked for: whether there is any, how much, and of
//! what.

use std::collections::VecDeque;
use std::slice;
use std::time::Duration;

use conclave_qos::fec::{FecError, MAX_PACKET, Source, flexfec, ulpfec};
use conclave_qos::repair::{Conditions, Limits, LossPattern, Means, Redundancy};
use conclave_qos::{Bitrate, Demand, PacketResult, Queued, Time};

use super::compose::Unsendable;
use super::config::Parity;
use crate::PayloadType;

/// At most so many packets are kept for parity that is to come, those of all slots together...
const MOST_KEPT: usize = 96;
/// ...and so many packets of parity wait to be sent.
const MOST_READY: usize = 32;
/// A packet that is longer is not protected: what its parity takes more would not fit into a datagram.
const LONGEST: usize = MAX_PACKET - 128;
/// The same for a payload, whose header may take the rest. It leaves room for RED, too.
pub(super) const LONGEST_PAYLOAD: usize = LONGEST - 72;
/// What parity's own header takes at most.
const LONGEST_HEADER: usize = 32;
/// So far apart the packets of one parity packet may be: FlexFEC-03, and ULPFEC with its long mask.
const FLEXFEC_REACH: u64 = 109;
const ULPFEC_REACH: u64 = 48;
/// Small frames wait for a parity packet that covers several of them, but the first of so many would come too late.
const MOST_FRAMES: u8 = 6;
/// From a frame's leaving until it must be there: beyond it people begin to talk into each other. Within it, one
/// repetition comes in time if the round trip is below some 120 ms.
const BUDGET: Duration = Duration::from_millis(200);
/// What sending a frame takes, at the pace that it leaves with.
const SPAN: Duration = Duration::from_millis(10);
/// Of 30 pictures a second.
const INTERVAL: Duration = Duration::from_millis(33);
/// Browsers ask for missing packets in steps of 20 ms.
const PATIENCE: Duration = Duration::from_millis(10);
/// Before frames have been counted.
const USUAL_PACKETS: u8 = 8;
/// Memory is given back when no parity was needed for so long.
const RELEASED_AFTER: Duration = Duration::from_secs(5);

// The bound that the documentation of `Sender` states.
const _: () = assert!((LONGEST + size_of::<Kept>()) * MOST_KEPT + (LONGEST + LONGEST_HEADER) * MOST_READY < 192 * 1024);

/// What protects the video of one leg, whose receiver understands parity.
#[derive(Debug)]
pub(super) struct Protection {
    losses: LossPattern,
    redundancy: Redundancy,
    /// By slot: packets of the frame that is being sent.
    frames: Vec<u8>,
    is_on: bool,
    /// When parity was last needed.
    needed: Time,
    /// There while it is on, and for [`RELEASED_AFTER`].
    books: Option<Box<Books>>,
}

/// What takes memory: less than 192 KiB.
#[derive(Debug)]
struct Books {
    cells: Box<[[u8; LONGEST]]>,
    free: Vec<u16>,
    /// Packets that no parity covers yet, in the order of sending.
    kept: Vec<Kept>,
    /// By slot: frames that ended since the last parity.
    open: Vec<u8>,
    ready: VecDeque<Ready>,
    /// Kept for their memory.
    spare: Vec<Vec<u8>>,
    /// Bytes of what is ready.
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    sequence: u64,
    slot: u16,
    cell: u16,
    length: u16,
}

/// A packet of parity that waits for the pacer.
#[derive(Debug)]
pub(super) struct Ready {
    pub slot: u16,
    /// That of the latest packet that it covers.
    pub timestamp: u32,
    pub payload: Vec<u8>,
}

impl Protection {
    /// Nothing is protected before losses were measured. Takes little memory until then.
    pub fn new() -> Self {
        Self {
            losses: LossPattern::new(),
            redundancy: Redundancy::new(Limits::default()),
            frames: Vec::new(),
            is_on: false,
            needed: Time::default(),
            books: None,
        }
    }

    /// There are other slots now, so many. What was not sent yet is forgotten.
    pub fn set_slots(&mut self, slots: usize) {
        self.frames.clear();
        self.frames.resize(slots, 0);
        if self.books.is_some() {
            self.books = Some(Box::new(Books::new(slots)));
        }
    }

    /// What became of packets. Decides anew whether there is parity.
    ///
    /// What a probe loses says what the path carries, and not what it loses at the rate that media has.
    pub fn handle_results(&mut self, now: Time, results: &[PacketResult], round_trip: Option<Duration>) {
        for result in results.iter().filter(|result| result.sent.probe.is_none()) {
            self.losses.handle_results(slice::from_ref(result));
        }
        let Some(round_trip) = round_trip else { return };
        let losses = self.losses.model();
        let conditions = Conditions {
            losses,
            round_trip,
            budget: BUDGET,
            span: SPAN,
            interval: INTERVAL,
            patience: PATIENCE,
            packets: USUAL_PACKETS,
            means: Means::Copies,
        };
        self.redundancy.update(now, &conditions);
        self.is_on = self.redundancy.plan().parity > 0.0;
        if self.is_on {
            self.needed = now;
            let slots = self.frames.len();
            self.books.get_or_insert_with(|| Box::new(Books::new(slots)));
        } else if now.since(self.needed) >= RELEASED_AFTER {
            self.books = None;
        } else if let Some(books) = &mut self.books {
            // When it is on again, what was kept is too old to be made again.
            books.forget();
        }
    }

    /// Whether video is protected now.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    /// What of a target rate is not for media.
    pub fn share_of(&self, target: Bitrate) -> Bitrate {
        if self.is_on { self.redundancy.overhead_of(target) } else { Bitrate::ZERO }
    }

    /// What media that asks for so much takes in all.
    pub fn grow(&self, Demand { sending, wanted }: Demand) -> Demand {
        if !self.is_on {
            return Demand { sending, wanted };
        }
        // At most as much again.
        let percent = 100 + (self.redundancy.plan().overhead * 100.0).clamp(0.0, 100.0) as u64;
        Demand { sending: sending.percent(percent), wanted: wanted.percent(percent) }
    }

    /// Keeps a packet of a slot that is to be protected, as `write` writes it. One that is longer than can be, too far
    /// from the others, or one too many, goes without.
    pub fn keep(
        &mut self,
        slot: u16,
        sequence: u64,
        parity: Parity,
        write: impl FnOnce(&mut [u8]) -> Result<usize, Unsendable>,
    ) {
        let Some(books) = &mut self.books else { return };
        let mut of_slot = books.kept.iter().filter(|kept| kept.slot == slot);
        let first = of_slot.next();
        let last = of_slot.next_back().or(first);
        let is_in_reach = first.is_none_or(|first| sequence < first.sequence + parity.reach());
        // What comes late, out of its order, belongs to what was covered before.
        if !is_in_reach || last.is_some_and(|last| sequence <= last.sequence) {
            return;
        }
        let Some(cell) = books.free.pop() else { return };
        match books.cells.get_mut(usize::from(cell)).map(|place| write(place)) {
            // At most `LONGEST`.
            Some(Ok(length)) => books.kept.push(Kept { sequence, slot, cell, length: length as u16 }),
            _ => books.free.push(cell),
        }
    }

    /// A packet of a protected slot has left. With the last one of a frame, parity may become ready.
    pub fn handle_sent(&mut self, slot: u16, timestamp: u32, is_last: bool, parity: Parity) {
        let Some(packets) = self.frames.get_mut(usize::from(slot)) else { return };
        *packets = packets.saturating_add(1);
        if !is_last {
            return;
        }
        let count = self.redundancy.handle_frame(std::mem::take(packets));
        if !self.is_on {
            return;
        }
        if let Some(books) = &mut self.books {
            books.finish_frame(slot, timestamp, count, parity);
        }
    }

    /// The parity that is to leave next. Who takes it gives its memory back ([`give_back`](Self::give_back)).
    pub fn pop(&mut self) -> Option<Ready> {
        let books = self.books.as_mut()?;
        let ready = books.ready.pop_front()?;
        books.bytes -= ready.payload.len() as u64;
        Some(ready)
    }

    pub fn give_back(&mut self, payload: Vec<u8>) {
        if let Some(books) = self.books.as_mut().filter(|books| books.spare.len() < MOST_READY) {
            books.spare.push(payload);
        }
    }

    /// The parity that waits for the pacer.
    pub fn queued(&self) -> Queued {
        // At most `MOST_READY`.
        let queued = |books: &Books| Queued { bytes: books.bytes, packets: books.ready.len() as u32 };
        self.books.as_deref().map(queued).unwrap_or_default()
    }
}

impl Books {
    fn new(slots: usize) -> Self {
        Self {
            cells: vec![[0; LONGEST]; MOST_KEPT].into_boxed_slice(),
            // Fewer than 2^16.
            free: (0..MOST_KEPT as u16).collect(),
            kept: Vec::with_capacity(MOST_KEPT),
            open: vec![0; slots],
            ready: VecDeque::with_capacity(MOST_READY),
            spare: (0..MOST_READY).map(|_| Vec::with_capacity(LONGEST + LONGEST_HEADER)).collect(),
            bytes: 0,
        }
    }

    /// Keeps nothing any more; what is ready still leaves.
    fn forget(&mut self) {
        self.free.extend(self.kept.drain(..).map(|kept| kept.cell));
        self.open.fill(0);
    }

    /// A frame has ended, and so many packets of parity are due.
    fn finish_frame(&mut self, slot: u16, timestamp: u32, count: u8, parity: Parity) {
        let Some(open) = self.open.get_mut(usize::from(slot)) else { return };
        *open += 1;
        if count == 0 && *open < MOST_FRAMES {
            return;
        }
        *open = 0;
        self.make(slot, timestamp, usize::from(count), parity);
        let free = &mut self.free;
        self.kept.retain(|kept| {
            if kept.slot == slot {
                free.push(kept.cell);
            }
            kept.slot != slot
        });
    }

    /// Makes so many packets of parity of what is kept of a slot: each covers every so many-th packet, so that of
    /// losses in a row each one is another's to repair.
    fn make(&mut self, slot: u16, timestamp: u32, count: usize, parity: Parity) {
        let of_slot = self.kept.iter().filter(|kept| kept.slot == slot);
        let count = count.min(of_slot.clone().count());
        for first in 0..count {
            let Some(mut payload) = self.spare.pop() else { return };
            let sources = of_slot.clone().skip(first).step_by(count).filter_map(|kept| {
                let cell = self.cells.get(usize::from(kept.cell))?;
                Source::parse(cell.get(..usize::from(kept.length))?).ok()
            });
            if parity.write(sources, &mut payload).is_ok() {
                self.bytes += payload.len() as u64;
                self.ready.push_back(Ready { slot, timestamp, payload });
            } else {
                self.spare.push(payload);
            }
        }
    }
}

impl Parity {
    /// The payload type that what is protected goes under, if not its own.
    pub(super) fn red(self) -> Option<PayloadType> {
        match self {
            Self::Flexfec { .. } => None,
            Self::Ulpfec { red, .. } => Some(red),
        }
    }

    fn reach(self) -> u64 {
        match self {
            Self::Flexfec { .. } => FLEXFEC_REACH,
            Self::Ulpfec { .. } => ULPFEC_REACH,
        }
    }

    fn write<'a>(
        self,
        sources: impl Iterator<Item = Source<'a>> + Clone,
        payload: &mut Vec<u8>,
    ) -> Result<(), FecError> {
        match self {
            Self::Flexfec { .. } => flexfec::write(flexfec::Format::Draft03, sources, payload),
            Self::Ulpfec { .. } => ulpfec::write(sources, payload),
        }
    }
}
