//! What the path looks like from what arrived: queueing delay and delivery.
//!
//! Packets are put into groups by when they left. The least delay of a group stands for it, and the least of the
//! latest groups for the present: jitter only ever adds to a delay, a queue adds to all of them.

use std::collections::VecDeque;
use std::time::Duration;

use super::flight::Flight;
use super::{SLOT, from_micros, micros};
use crate::Time;

/// Groups that are remembered, at 5 ms or more each: 640 ms at least.
const GROUPS: usize = 128;
/// Delays are looked at over this much time of arrival, µs: three frames at 30 a second, so that the pause between two
/// of them is always in it...
const PRESENT: i64 = 100_000;
/// ...and over so many groups at least, so that one late packet of a slow flow is no queue...
const FEWEST: usize = 3;
/// ...but nothing older than this counts as present, µs.
const PAST: i64 = 400_000;
/// Of a queue that has just begun to grow, the latest so much tells, µs: the path has become slower.
const SURGE: i64 = 40_000;
/// Delivery is measured over this much time of arrival, µs: six frames, so that how they differ is some percent of it.
const DELIVERY: i64 = 200_000;
/// While a queue stands, packets arrive as the path lets them, so that less is enough.
const DELIVERY_QUEUED: i64 = 100_000;
/// From less than this, or fewer groups, no rate is taken.
const SHORTEST: i64 = 30_000;
const LONGEST: i64 = 1_500_000;
/// The base delay is the least of one to two times this. Clocks drift by up to 100 ppm apiece: 6 ms in 30 s.
const BASE: Duration = Duration::from_secs(15);
/// A stretch of the base holds so many drains at least, since only an empty queue shows the base.
const DRAINS: u32 = 2;

/// Frames make delays differ by so much without any jitter, ms; what is beyond that is jitter, and by
/// about as much the least of a few packets is above the least of many (ten, of a Gaussian that is cut off).
const USUAL: f64 = 6.0;
/// How fast the spread follows, each report.
const FOLLOWS: f64 = 0.05;

/// Packets that left within one slot.
#[derive(Clone, Copy, Debug)]
struct Group {
    slot: i64,
    /// When the first packet left, and the last; when the last arrived by the other clock. µs
    first_sent: i64,
    last_sent: i64,
    arrived: i64,
    /// The least delay between both clocks, µs.
    delay: i64,
    first_size: u32,
    bytes: u64,
    /// What was sent before it is not known of: a report was lost.
    after_hole: bool,
}

/// A rate at which packets left, and at which the same packets arrived, bit/s.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery {
    pub(super) sent: f64,
    pub(super) arrived: f64,
    /// The least and the latest queueing delay meanwhile, ms, and how much it grew but for the largest step: a queue grows
    /// by many, and a way that becomes longer, or packets that were held up, by one.
    pub(super) least_queue: f64,
    pub(super) growth: f64,
}

/// A queue that has just begun to grow, ms, and what arrives through it, bit/s.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surge {
    pub(super) queue: f64,
    pub(super) arrived: f64,
}

/// The latest groups and the least delay.
#[derive(Debug)]
pub(super) struct Path {
    groups: VecDeque<Group>,
    /// How much the mean of the present delays is above the least, ms.
    spread: f64,
    base: Base,
}

/// The least delay of the present and the previous stretch, µs.
#[derive(Debug, Default)]
struct Base {
    began: Time,
    drains: u32,
    before: Option<i64>,
    now: Option<i64>,
}

impl Base {
    fn get(&self) -> i64 {
        self.before.into_iter().chain(self.now).min().unwrap_or_default()
    }

    fn update(&mut self, now: Time, delay: i64) {
        if now.since(self.began) >= BASE && self.drains >= DRAINS {
            *self = Self { began: now, drains: 0, before: self.now, now: None };
        }
        self.now = Some(self.now.map_or(delay, |least| least.min(delay)));
    }
}

impl Default for Path {
    fn default() -> Self {
        Self { groups: VecDeque::with_capacity(GROUPS), spread: 0.0, base: Base::default() }
    }
}

impl Path {
    /// A packet arrived; in the order of sending.
    pub(super) fn handle_packet(&mut self, now: Time, sent: i64, arrived: i64, size: u32, after_hole: bool) {
        let delay = arrived - sent;
        self.base.update(now, delay);
        let slot = sent / SLOT;
        if let Some(last) = self.groups.back_mut() {
            if slot == last.slot && arrived - last.arrived < SLOT {
                last.last_sent = last.last_sent.max(sent);
                last.arrived = last.arrived.max(arrived);
                last.delay = last.delay.min(delay);
                last.bytes += u64::from(size);
                return;
            }
            if slot < last.slot {
                // Reported late: its time has passed.
                return;
            }
        }
        if self.groups.len() >= GROUPS {
            self.groups.pop_front();
        }
        self.groups.push_back(Group {
            slot,
            first_sent: sent,
            last_sent: sent,
            arrived,
            delay,
            first_size: size,
            bytes: u64::from(size),
            after_hole,
        });
    }

    /// Nothing that was seen so far tells of the present any more; the least delay is kept.
    pub(super) fn forget(&mut self) {
        self.groups.clear();
    }

    /// What seemed to be a queue is none: the way has become longer.
    pub(super) fn handle_longer_way(&mut self, now: Time) {
        let least = self.present().map(|group| group.delay).min();
        self.base = Base { began: now, drains: 0, before: None, now: least };
    }

    /// The queue was drained, as far as we can: see [`DRAINS`].
    pub(super) fn handle_drain(&mut self) {
        self.base.drains = self.base.drains.saturating_add(1);
    }

    /// What packets waited for lately, ms.
    pub(super) fn queue(&self) -> f64 {
        let least = self.present().map(|group| group.delay).min();
        least.map_or(0.0, |delay| self.above_base(delay))
    }

    /// A report was taken in: how much delays vary.
    pub(super) fn handle_report(&mut self) {
        let Some(least) = self.present().map(|group| group.delay).min() else { return };
        let (count, sum) =
            self.present().fold((0, 0), |(count, sum), group| (count + 1, sum + (group.delay - least).min(PAST)));
        let spread = sum as f64 / f64::from(count.max(1)) / 1_000.0;
        self.spread += FOLLOWS * (spread - self.spread);
    }

    /// What a packet that leaves now will wait for, ms, if the path carries `capacity` bit/s for us: what those waited
    /// for that arrived, and what was sent since, less what has left the queue since.
    pub(super) fn expected_queue(&self, now: Time, flight: &Flight, capacity: f64) -> f64 {
        // The one that waited least: to take the least of what each lets expect would take the least of what chance adds.
        let Some(group) = self.present().min_by_key(|group| group.delay) else { return 0.0 };
        let since = flight.since(from_micros(group.first_sent)).saturating_sub(u64::from(group.first_size));
        let passed = (micros(now) - group.first_sent) as f64 / 1_000.0;
        let change = since as f64 * 8_000.0 / capacity.max(1.0) - passed;
        // Whether the next packet has just left or is about to says nothing.
        let packet = super::PACKET / capacity.max(1.0) * 1_000.0;
        let change = if change > 0.0 { (change - packet).max(0.0) } else { (change + packet).min(0.0) };
        let expected = self.above_base(group.delay) + change;
        expected.clamp(0.0, super::LONGEST_QUEUE)
    }

    /// How fast packets were sent and arrived lately; none while there are too few.
    pub(super) fn delivery(&self, has_long_queue: bool) -> Option<Delivery> {
        let over = if has_long_queue { DELIVERY_QUEUED } else { DELIVERY };
        let last = self.groups.back()?;
        let (mut count, mut bytes, mut least) = (0, 0, last.delay);
        let (mut first, mut is_whole, mut step) = (last, false, 0);
        for group in self.groups.iter().rev() {
            // Groups are looked at backwards: `first` is the one after this.
            step = step.max(first.delay - group.delay);
            first = group;
            least = least.min(group.delay);
            let is_long = last.arrived - group.arrived >= over && count >= FEWEST;
            if is_long || group.after_hole {
                is_whole = true;
                break;
            }
            count += 1;
            bytes += group.bytes;
        }
        if !is_whole {
            // All that is known lies within: the oldest only marks where time begins.
            bytes -= first.bytes.min(bytes);
            count -= 1;
        }
        let arriving = last.arrived - first.arrived;
        let sending = last.last_sent - first.last_sent;
        if count < FEWEST || arriving < SHORTEST || sending < 0 || arriving > LONGEST {
            return None;
        }
        Some(Delivery {
            sent: rate(bytes, sending.max(SLOT)),
            arrived: rate(bytes, arriving),
            least_queue: self.above_base(least),
            growth: (last.delay - first.delay - step) as f64 / 1_000.0,
        })
    }

    /// What all of the very latest packets waited for, where they wait longer and longer.
    pub(super) fn surge(&self) -> Option<Surge> {
        let last = self.groups.back()?;
        let (mut count, mut bytes, mut least) = (0, 0, i64::MAX);
        for group in self.groups.iter().rev() {
            let arriving = last.arrived - group.arrived;
            least = least.min(group.delay);
            if group.after_hole || arriving > PRESENT || group.delay > last.delay {
                return None;
            }
            if arriving >= SURGE && count >= FEWEST {
                // Who sends little would see little arrive: it is a surge if what was sent takes twice as long to arrive.
                if (last.delay - group.delay) * 2 < arriving {
                    return None;
                }
                return Some(Surge { queue: self.above_base(least), arrived: rate(bytes, arriving) });
            }
            count += 1;
            bytes += group.bytes;
        }
        None
    }

    /// The largest step from one group's delay to the next one's lately, ms.
    pub(super) fn step(&self) -> f64 {
        let newest = self.groups.back().map_or(0, |group| group.arrived);
        let lately = self.groups.iter().rev().take_while(|group| newest - group.arrived <= PAST);
        let steps = lately.clone().zip(lately.skip(1)).map(|(later, earlier)| later.delay - earlier.delay);
        steps.max().unwrap_or_default().max(0) as f64 / 1_000.0
    }

    fn present(&self) -> impl Iterator<Item = &Group> {
        let newest = self.groups.back().map_or(0, |group| group.arrived);
        self.groups
            .iter()
            .rev()
            .enumerate()
            .take_while(move |(position, group)| {
                let age = newest - group.arrived;
                age <= PRESENT || (*position < FEWEST && age <= PAST)
            })
            .map(|(_, group)| group)
    }

    /// How far the least of the present delays is above the base without any queue, about, ms.
    pub(super) fn jitter(&self) -> f64 {
        (self.spread - USUAL).max(0.0)
    }

    fn above_base(&self, delay: i64) -> f64 {
        ((delay - self.base.get()) as f64 / 1_000.0 - self.jitter()).clamp(0.0, super::LONGEST_QUEUE)
    }
}

fn rate(bytes: u64, micros: i64) -> f64 {
    bytes as f64 * 8_000_000.0 / micros as f64
}
