//! Copies of earlier sounds in the packets of later ones (RED, RFC 2198): as many, and as far back, as the path's losses
//! ask for, and none where nothing is lost.

use std::collections::VecDeque;
use std::time::Duration;

use conclave_qos::repair::{Copies, Gilbert, LossPattern, MAX_COPIES};
use conclave_qos::{Bitrate, NetworkState, PacketResult, Time};

use super::Sender;
use super::red::{self, Block, Red};
use super::slot::Slot;
use crate::{PacketRef, PayloadType, Payloads};

/// No copy is further behind, in packets: 100 ms of usual sounds, which a receiver waits for where bursts make it
/// worth while.
const FURTHEST: u32 = 5;
/// It is enough if so many sounds are lost: at 50 a second, one in 7 s.
const LOST: f64 = 0.003;
/// How often it is chosen anew.
const INTERVAL: Duration = Duration::from_millis(500);
/// Sounds with their copies take no more than this of what the path is said to carry, in percent, so that a narrow one is
/// not filled with what was sent before; a copy more is begun only if there is room to spare. What sounds take by
/// themselves is never less for it.
const KEPT_PERCENT: u64 = 60;
const BEGUN_PERCENT: u64 = 50;
/// Controllers take many losses for a narrow path, though nothing waits on it. As long as that is so, sounds with their
/// copies may take this much all the same.
const ENOUGH: Bitrate = Bitrate::kbps(400);
/// Something waits if the round trip is so much longer than the shortest.
const WAITS: Duration = Duration::from_millis(40);
/// Either has to show so many times in a row: a machine that is busy for a moment looks the same once.
const CONFIRMED: u32 = 2;
/// More losses than this are no chance.
const MOST_CHANCE: f64 = 0.3;
/// After either, what is said of the path counts for so long; twice as long each time that copies may have caused it.
const SHORTEST_CROWD: Duration = Duration::from_secs(10);
const LONGEST_CROWD: Duration = Duration::from_secs(160);
/// Packets whose fate is not known yet: more than 1 s of all the voices that a leg has.
const MOST_AWAITED: usize = 256;
/// What a report tells of so many packets at most.
const MOST_TOLD: u64 = 512;
/// Sounds that are remembered of a slot.
const REMEMBERED: usize = 8;
const _: () = assert!(FURTHEST < REMEMBERED as u32);

/// Which earlier sounds go with each.
#[derive(Debug)]
pub(super) struct SoundCopies {
    pattern: LossPattern,
    /// In the order of sending.
    awaited: VecDeque<Awaited>,
    chosen: Copies,
    due: Time,
    /// The shortest round trip that was reported since it was chosen: waiting lengthens all of them.
    round_trip: Option<Duration>,
    meter: Meter,
    crowd: Crowd,
}

/// What is known of the path.
#[derive(Clone, Copy, Debug)]
struct Path {
    /// What it is said to carry.
    target: Bitrate,
    /// As sender and receiver reports tell.
    round_trip: Option<Duration>,
    is_overused: bool,
}

/// Whether others wait on the path, or more is sent by it than it carries.
#[derive(Clone, Copy, Debug)]
struct Crowd {
    /// About the shortest round trip.
    shortest: Option<Duration>,
    /// How many times in a row it showed.
    shown: u32,
    until: Time,
    lasts: Duration,
}

/// A packet of sound that left.
#[derive(Clone, Copy, Debug)]
struct Awaited {
    at: Time,
    /// In the book of what was sent.
    number: u16,
    slot: u16,
}

/// What sounds take, without copies.
#[derive(Clone, Copy, Debug, Default)]
struct Meter {
    since: Option<Time>,
    /// All of it, and of that what a copy repeats.
    bytes: u64,
    repeatable: u64,
    /// The same in bits per second, as found last.
    rates: Option<(Bitrate, Bitrate)>,
}

/// The latest sounds of a slot, by their place among its numbers.
#[derive(Debug, Default)]
pub(super) struct Recent {
    ring: [Option<Sound>; REMEMBERED],
    /// The first of the voice that the slot carries.
    since: u64,
    newest: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Sound {
    pub sequence: u64,
    pub timestamp: u32,
    pub payload: PacketRef,
    pub part: Option<(u16, u16)>,
}

impl SoundCopies {
    pub fn new() -> Self {
        Self {
            pattern: LossPattern::of_sound(),
            awaited: VecDeque::new(),
            chosen: Copies::default(),
            due: Time::default(),
            round_trip: None,
            meter: Meter::default(),
            crowd: Crowd { shortest: None, shown: 0, until: Time::default(), lasts: SHORTEST_CROWD },
        }
    }

    /// How far back the copies are that each sound carries now.
    pub fn chosen(&self) -> Copies {
        self.chosen
    }

    /// A packet of sound leaves that could have carried copies: so long with everything that the path adds, but without
    /// them, and of that so much payload.
    pub fn handle_sent(&mut self, size: u32, payload: usize) {
        self.meter.bytes += u64::from(size);
        self.meter.repeatable += payload as u64 + red::HEADER as u64;
    }

    /// And what becomes of it will be told under this number.
    pub fn expect(&mut self, at: Time, number: u16, slot: u16) {
        if self.awaited.len() >= MOST_AWAITED {
            self.awaited.pop_front();
        }
        self.awaited.push_back(Awaited { at, number, slot });
    }

    /// The slots have changed.
    pub fn forget_awaited(&mut self) {
        self.awaited.clear();
    }

    /// What a report says, in order of sending. What none speaks of does not count.
    fn handle_results(&mut self, now: Time, results: &[PacketResult], slots: &mut [Slot]) {
        self.round_trip = self.round_trip.into_iter().chain(PacketResult::round_trip(now, results)).min();
        for result in results {
            let number = result.sequence as u16;
            let at = result.sent.at;
            while let Some(next) = self.awaited.front().copied() {
                // Those of one moment are told apart by their numbers, which wrap.
                let ahead = next.number.wrapping_sub(number) as i16;
                if next.at > at || next.at == at && ahead > 0 {
                    break;
                }
                self.awaited.pop_front();
                if next.at == at && ahead == 0 {
                    if let Some(slot) = slots.get_mut(usize::from(next.slot)) {
                        self.pattern.record_after(&mut slot.was_lost, result.received.is_none());
                    }
                    break;
                }
            }
        }
    }

    /// What the receiver of a slot says of so many packets, where it tells of none by itself: which share of them is lost,
    /// in 1/256.
    fn handle_share(&mut self, packets: u64, share: u8) {
        let share = u64::from(share);
        for packet in 0..packets.min(MOST_TOLD) {
            // Evenly: nothing is known of bursts.
            self.pattern.record((packet + 1) * share / 256 > packet * share / 256);
        }
    }

    /// Chooses anew, if it is time to.
    fn choose(&mut self, now: Time, path: Path) {
        if now < self.due {
            return;
        }
        self.due = now + INTERVAL;
        self.meter.measure(now);
        let path = Path { round_trip: self.round_trip.take().or(path.round_trip), ..path };
        let before = self.chosen.count();
        let measured = self.pattern.model();
        if measured.loss() < LOST / 2.0 {
            // Most paths, most of the time.
            self.chosen = Copies::default();
            return;
        }
        // Losses further apart than chance has them are chance, too.
        let chance = Gilbert::independent(measured.loss());
        let model = Gilbert::new(measured.loss(), measured.burst().max(chance.burst()));
        let least = if self.crowd.is_free(now, path, model.loss(), before > 0) { ENOUGH } else { Bitrate::ZERO };
        let room = |percent| path.target.percent(percent).max(least);
        let (kept, begun) = (room(KEPT_PERCENT), room(BEGUN_PERCENT));
        let fits = |count: &usize| {
            let room = if *count <= before { kept } else { begun };
            self.meter.with_copies(*count).is_some_and(|rate| rate <= room)
        };
        let most = (0..=MAX_COPIES).rev().find(fits).unwrap_or(0);
        let best = |lost| Copies::choose(model, FURTHEST, most, lost);
        let mut chosen = best(LOST);
        if chosen.count() < before.min(most) {
            // Fewer only if they are enough by far: a measure goes up and down.
            chosen = best(LOST / 2.0);
        }
        self.chosen = chosen;
    }
}

impl Meter {
    fn measure(&mut self, now: Time) {
        let passed = self.since.map_or(0, |since| now.since(since).as_micros() as u64);
        if self.bytes > 0 && passed > 0 {
            let rate = |bytes: u64| Bitrate::bps(bytes.saturating_mul(8_000_000) / passed);
            self.rates = Some((rate(self.bytes), rate(self.repeatable)));
        }
        (self.since, self.bytes, self.repeatable) = (Some(now), 0, 0);
    }

    /// What sounds take with so many copies; `None` before anything was measured.
    fn with_copies(&self, count: usize) -> Option<Bitrate> {
        let (bare, copy) = self.rates?;
        Some(Bitrate::bps(bare.as_bps().saturating_add(copy.as_bps().saturating_mul(count as u64))))
    }
}

impl Crowd {
    /// Whether nothing waits on the path, and has not for a while. `loss` is the share that is lost, with or without copies
    /// on it.
    fn is_free(&mut self, now: Time, path: Path, loss: f64, has_copies: bool) -> bool {
        let Some(round_trip) = path.round_trip else { return false };
        // Follows another path after a while.
        let shortest = self.shortest.map_or(round_trip, |shortest| (shortest + shortest / 256).min(round_trip));
        self.shortest = Some(shortest);
        let shows = path.is_overused || loss > MOST_CHANCE || round_trip > shortest + WAITS;
        self.shown = if shows { self.shown.saturating_add(1) } else { 0 };
        if self.shown >= CONFIRMED {
            if now >= self.until && has_copies {
                self.lasts = (self.lasts * 2).min(LONGEST_CROWD);
            }
            self.until = now + self.lasts;
        }
        now >= self.until
    }
}

impl Recent {
    /// A sound leaves.
    fn push(&mut self, sound: Sound) {
        if sound.sequence > self.newest {
            // Each publisher's sounds have a store of their own.
            let goes_on = self.at(self.newest).is_some_and(|last| last.payload.store == sound.payload.store);
            if !goes_on {
                self.since = sound.sequence;
            }
            self.newest = sound.sequence;
        }
        self.ring[place(sound.sequence)] = Some(sound);
    }

    /// The sound so many packets before, if it is of the same voice.
    fn before(&self, sound: &Sound, distance: u32) -> Option<&Sound> {
        let sequence = sound.sequence.checked_sub(u64::from(distance))?;
        let crosses = sequence < self.since && self.since <= sound.sequence;
        self.at(sequence).filter(|earlier| !crosses && earlier.payload.store == sound.payload.store)
    }

    fn at(&self, sequence: u64) -> Option<&Sound> {
        self.ring[place(sequence)].as_ref().filter(|sound| sound.sequence == sequence)
    }
}

fn place(sequence: u64) -> usize {
    (sequence % REMEMBERED as u64) as usize
}

impl Slot {
    /// Under which payload type a sound of this one may carry copies.
    pub fn carrier_of(&self, payload_type: PayloadType) -> Option<PayloadType> {
        self.config.red.filter(|red| *red != payload_type)
    }

    /// The copies that a sound of this payload type and length carries: of those that were chosen, what there is of its
    /// voice and fits. It is remembered for those after it. Nothing is, as long as none is chosen.
    pub fn redundancy<'p>(
        &mut self,
        chosen: Copies,
        sound: Sound,
        inner: PayloadType,
        length: usize,
        payloads: &'p impl Payloads,
    ) -> Option<Red<'p>> {
        if chosen.count() == 0 {
            self.recent = None;
            return None;
        }
        // Once for each time that the path begins to lose packets.
        let recent = self.recent.get_or_insert_default();
        recent.push(sound);
        let mut red = Red::new(inner, length);
        for earlier in chosen.distances().filter_map(|distance| recent.before(&sound, distance)) {
            let whole = payloads.payload(earlier.payload);
            let copy = whole.and_then(|whole| super::compose::within(whole, earlier.part));
            if let Some(payload) = copy {
                red.push(Block { behind: sound.timestamp.wrapping_sub(earlier.timestamp), payload });
            }
        }
        (red.count() > 0).then_some(red)
    }
}

impl Sender {
    /// The peer has reported: copies follow what it says is lost.
    pub(super) fn review_copies(&mut self, now: Time) {
        self.copies.handle_results(now, &self.results, &mut self.slots);
        self.choose_copies(now);
    }

    fn choose_copies(&mut self, now: Time) {
        let is_overused = self.controller.snapshot().state == NetworkState::Overused;
        let path = Path { target: self.control().target, round_trip: self.round_trip, is_overused };
        self.copies.choose(now, path);
    }

    /// As [`Self::review_copies`], by the share that the receiver of a slot misses, if that is all that is known.
    pub(super) fn review_copies_by_share(&mut self, now: Time, slot: u16, packets: u64, share: u8) {
        let (by_source, is_missing) = (self.by_source, self.feedback.is_missing);
        let counts = |slot: &Slot| slot.config.red.is_some() && (is_missing || !slot.is_numbered(by_source));
        if self.slots.get(usize::from(slot)).is_some_and(counts) {
            self.copies.handle_share(packets, share);
            self.choose_copies(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(30);
    const NARROW: Path = Path { target: Bitrate::kbps(70), round_trip: Some(SHORT), is_overused: false };

    /// A voice of 60 kbit/s of which so many in a thousand are lost by chance, for so long.
    fn voice(copies: &mut SoundCopies, from: u64, seconds: u64, lost: u64, path: Path) -> u64 {
        let (mut was_lost, mut random) = (false, from + 5);
        for packet in from * 50..(from + seconds) * 50 {
            copies.handle_sent(150, 80);
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            copies.pattern.record_after(&mut was_lost, (random >> 33) % 1_000 < lost);
            copies.choose(Time::since_start(Duration::from_millis(packet * 20)), path);
        }
        from + seconds
    }

    #[test]
    fn losses_on_a_path_where_nothing_waits_are_met_however_narrow_it_is_said_to_be() {
        let mut copies = SoundCopies::new();
        let now = voice(&mut copies, 10, 20, 200, NARROW);
        assert_eq!(copies.chosen().count(), 3);
        // What waits, or a controller that says so, is another matter, soon and for a while; a moment is not.
        let waits = Path { round_trip: Some(SHORT * 4), ..NARROW };
        copies.choose(Time::since_start(Duration::from_secs(now)), waits);
        let now = voice(&mut copies, now + 1, 2, 200, NARROW);
        assert_eq!(copies.chosen().count(), 3);
        let now = voice(&mut copies, now, 2, 200, waits);
        assert_eq!(copies.chosen().count(), 0);
        let now = voice(&mut copies, now, 15, 200, NARROW);
        assert_eq!(copies.chosen().count(), 0, "it had copies when it became crowded");
        let now = voice(&mut copies, now, 10, 200, NARROW);
        assert_eq!(copies.chosen().count(), 3);
        voice(&mut copies, now, 2, 200, Path { is_overused: true, ..NARROW });
        assert_eq!(copies.chosen().count(), 0);
    }

    #[test]
    fn losses_that_are_no_chance_are_not_met_with_more_than_the_path_carries() {
        let mut copies = SoundCopies::new();
        voice(&mut copies, 10, 20, 400, NARROW);
        assert_eq!(copies.chosen().count(), 0);
        let unknown = Path { round_trip: None, ..NARROW };
        let mut copies = SoundCopies::new();
        voice(&mut copies, 10, 20, 200, unknown);
        assert_eq!(copies.chosen().count(), 0);
    }

    #[test]
    fn only_what_was_reported_counts_and_each_packet_once() {
        let mut copies = SoundCopies::new();
        let at = |number: u64| Time::since_start(Duration::from_millis(number / 2));
        let result = |sequence: u64, arrived: bool| PacketResult {
            sent: conclave_qos::SentPacket { at: at(sequence), size: 100, probe: None, is_media: true },
            sequence,
            received: arrived.then_some(Duration::from_secs(1)),
            ecn: conclave_qos::Ecn::NotEct,
        };
        let now = Time::since_start(Duration::from_secs(40));
        // Two of a moment, across the end of the numbers; others are not sound.
        for number in [65_534, 65_535, 65_537, 65_538, 65_540_u64] {
            copies.expect(at(number), number as u16, 0);
        }
        copies.handle_results(now, &[result(65_533, false), result(65_534, true), result(65_535, false)], &mut []);
        assert_eq!(copies.awaited.len(), 3);
        copies.handle_results(now, &[result(65_535, true), result(65_536, false), result(65_538, false)], &mut []);
        assert_eq!(copies.awaited.iter().map(|awaited| awaited.number).collect::<Vec<_>>(), [4]);
    }
}
