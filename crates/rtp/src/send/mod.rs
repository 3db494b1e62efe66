//! The sending half of a leg.

mod acknowledgements;
mod compose;
mod config;
mod copies;
mod drain;
mod fallback;
mod feedback;
mod keyframes;
mod marking;
mod numbers;
mod outgoing;
mod parity;
mod queue;
mod red;
mod reports;
mod retransmission;
mod sent;
mod shift;
mod slot;
mod slots;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use conclave_qos::{
    Bitrate, CongestionController, Control, Demand, Ecn, Pacer, PacketResult, Queued, SendHistory, Snapshot, Time,
};

pub use config::{
    BadSlots, NotQueued, Parity, SendPayload, SenderConfig, SenderEvent, SenderStats, SlotConfig, SlotStats,
};
pub use outgoing::{Outgoing, Patch};

use crate::rtcp::{ReferenceClock, ReportClock, Writer};
use acknowledgements::Acknowledgements;
use copies::SoundCopies;
use fallback::Fallback;
use marking::Marking;
use parity::Protection;
use queue::Queue;
pub(crate) use reports::to_ntp;
use retransmission::Retransmissions;
use slot::Slot;
use slots::{Gone, Source};

/// Sender reports of a slot that sends are about this far apart.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// A slot that has sent nothing for so long needs no report, and will not be asked for what it sent.
const ACTIVE_FOR: Duration = Duration::from_secs(5);
/// Reports that are due this soon go with those that are due now.
const REPORTS_TOGETHER: Duration = Duration::from_millis(100);
/// What a sender report takes in a compound.
const REPORT_LENGTH: usize = 28;
/// What headers, extensions and the tag take of a packet, for an estimate of what waits.
const USUAL_HEADERS: u64 = 40;

/// Sends the streams of one leg: paces them, repeats what was lost, reports, and asks its congestion controller what
/// the path carries.
///
/// # Order
/// Audio leaves first and never waits, with as many copies of earlier sounds as the path's losses ask for, if its receiver
/// takes that ([`SlotConfig::red`]). Then, as fast as the pacer allows: retransmissions, parity of the frame that has just
/// left, video in the order in which it was queued, and padding where the controller probes.
///
/// # What is never done
/// Under AES-GCM, two packets sealed under the same source and index break the session (RFC 7714, 9.1). So each
/// sequence number is taken once, retransmissions have a source of their own (RFC 4588) and do not exist without
/// it, and padding is sent on that source too, so that it leaves no gap in the media's numbers.
///
/// # Bounds
/// 1,024 packets of video and 256 of audio wait, half a second at most; 512 retransmissions. Of what was sent, each slot
/// remembers up to 1,024 packets, 2 s at most, in less than 64 KiB, which it takes as needed and gives back 5 s after
/// its last packet. The history of transport-wide numbers has 32 bytes for each packet of the latest 4 s, 512 KiB at most;
/// where reports are by source, up to 384 KiB more. 256 packets of sound wait to be reported on, and while copies of
/// sounds are sent, 8 of each slot are remembered. Parity takes up to 192 KiB, while it is needed and 5 s longer: 96
/// packets wait for it, those of all slots together, and 32 packets of it wait to be sent.
/// Beyond these three, a leg that sends takes less than 256 KiB; one that sends nothing takes less than 64 KiB, with 28
/// slots, and is not woken.
pub struct Sender {
    config: SenderConfig,
    slots: Vec<Slot>,
    /// By source, sorted: whom feedback speaks of.
    sources: Vec<Source>,
    /// Sources that were used and are not any more.
    gone: Vec<Gone>,
    queue: Queue,
    retransmissions: Retransmissions,
    /// There if a slot's receiver takes parity.
    protection: Option<Box<Protection>>,
    controller: Box<dyn CongestionController>,
    pacer: Pacer,
    /// What the pacer was told last.
    applied: Control,
    history: SendHistory,
    reference: ReferenceClock,
    /// Whether the peer reports by source (RFC 8888), and not by transport-wide numbers.
    by_source: bool,
    acknowledgements: Acknowledgements,
    marking: Marking,
    report_clock: ReportClock,
    /// Kept for its memory.
    results: Vec<PacketResult>,
    fallback: Fallback,
    copies: SoundCopies,
    feedback: FeedbackState,
    /// When the remote limit ends, unless it is renewed.
    limit_ends: Option<Time>,
    round_trip: Option<Duration>,
    events: VecDeque<u16>,
    keyframes_due: Option<Time>,
    reports_due: Option<Time>,
    /// When the pacer lets the next packet out.
    wake: Option<Time>,
    /// The slot that padding is sent by.
    padding_slot: Option<u16>,
    /// Which of its recent packets is repeated next.
    padding_next: u64,
    random: Random,
    faults: u64,
}

/// What is known of feedback on each packet.
#[derive(Clone, Copy, Debug, Default)]
struct FeedbackState {
    /// When the first packet left that feedback could speak of.
    since: Option<Time>,
    /// Some came.
    came: bool,
    /// None came for too long, so that losses decide.
    is_missing: bool,
    /// How many packets it spoke of lately, and since when that is counted.
    statuses: u32,
    window_began: Time,
}

impl Sender {
    /// The most slots.
    pub const MOST_SLOTS: usize = 128;

    /// The longest dependency descriptor, in bytes: the template structure of three spatial and three temporal layers
    /// fits.
    pub const LONGEST_DESCRIPTOR: usize = outgoing::Descriptor::CAPACITY;

    /// A sender without slots. The seed decides where the numbers of retransmissions begin and when reports are sent.
    pub fn new(config: SenderConfig, controller: Box<dyn CongestionController>, seed: u64) -> Self {
        let applied = controller.control();
        Self {
            config,
            slots: Vec::new(),
            sources: Vec::new(),
            gone: Vec::new(),
            queue: Queue::default(),
            retransmissions: Retransmissions::default(),
            protection: None,
            controller,
            pacer: Pacer::new(applied),
            applied,
            history: SendHistory::new(),
            reference: ReferenceClock::default(),
            by_source: false,
            acknowledgements: Acknowledgements::default(),
            marking: Marking::default(),
            report_clock: ReportClock::default(),
            results: Vec::new(),
            fallback: Fallback::new(),
            copies: SoundCopies::new(),
            feedback: FeedbackState::default(),
            limit_ends: None,
            round_trip: None,
            events: VecDeque::new(),
            keyframes_due: None,
            reports_due: None,
            wake: None,
            padding_slot: None,
            padding_next: 0,
            random: Random(seed),
            faults: 0,
        }
    }

    /// Queues a packet; the next [`drain`](Self::drain) that pacing allows sends it.
    ///
    /// # Errors
    /// [`NotQueued`] says why it is not queued, and whose fault that is.
    pub fn enqueue(&mut self, now: Time, packet: &Outgoing<'_>) -> Result<(), NotQueued> {
        let slot = self.slots.get_mut(usize::from(packet.slot)).ok_or(NotQueued::NotNegotiated)?;
        slot.admit(packet)?;
        if slot.config.is_audio {
            if let Some(oldest) = self.queue.push_audio(now, packet) {
                self.drop_audio(oldest.packet.slot);
            }
            self.wake = earliest(self.wake, Some(now));
            return Ok(());
        }
        if slot.is_refused(packet.timestamp) || self.queue.is_full_of_video() {
            slot.refuse(packet.timestamp);
            self.keyframes_due = earliest(self.keyframes_due, slot.keyframes.due());
            return Err(NotQueued::Full);
        }
        self.queue.push_video(now, packet);
        let paced = self.paced();
        if paced.packets == 1 {
            self.wake = earliest(self.wake, self.pacer.next_send_time(paced));
        }
        Ok(())
    }

    /// Something that the owner has to know; ask until there is nothing.
    pub fn poll_event(&mut self) -> Option<SenderEvent> {
        self.events.pop_front().map(SenderEvent::KeyframeWanted)
    }

    /// When to call [`drain`](Self::drain) and [`write_rtcp`](Self::write_rtcp) next, if nothing happens before.
    pub fn poll_timeout(&self) -> Option<Time> {
        let feedback_missing = self.feedback.deadline();
        [self.wake, self.reports_due, self.keyframes_due, self.limit_ends, feedback_missing]
            .into_iter()
            .fold(self.controller_due(), earliest)
    }

    /// When the controller wants to be called. One that cannot probe, and has nothing to be told of, is left alone.
    fn controller_due(&self) -> Option<Time> {
        let matters = self.padding_slot.is_some() || self.feedback.since.is_some();
        if matters && !self.feedback.is_missing { self.controller.poll_timeout() } else { None }
    }

    /// Does what is due, apart from sending; [`drain`](Self::drain) does it too.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.controller_due().is_some_and(|due| due <= now) {
            self.controller.handle_timeout(now);
            self.apply_control(now);
        }
        if self.limit_ends.is_some_and(|end| end <= now) {
            self.handle_limit(now, None);
        }
        if self.feedback.deadline().is_some_and(|deadline| deadline <= now) {
            self.feedback.is_missing = true;
            self.apply_control(now);
        }
        self.pass_on_keyframe_requests(now);
    }

    /// What the application means to send, and what it would send if it could.
    ///
    /// Without what parity takes on top, which is added here.
    pub fn set_demand(&mut self, now: Time, demand: Demand) {
        let demand = self.protection.as_ref().map_or(demand, |protection| protection.grow(demand));
        self.controller.handle_demand(now, demand);
        self.fallback.handle_wanted(demand.wanted);
        self.apply_control(now);
    }

    /// Packets go to another address from now on, by a network of which nothing is known.
    pub fn handle_route_change(&mut self, now: Time) {
        self.history.handle_route_change();
        self.controller.handle_route_change(now);
        self.round_trip = None;
        self.marking = Marking::default();
        // Nothing is on its way, and what was to be probed is of no interest any more.
        self.pacer = Pacer::new(self.applied);
        self.apply_control(now);
    }

    /// Whether the peer reports by source (RFC 8888), in place of transport-wide feedback. At first it does not.
    ///
    /// Then every packet is accounted for, whatever extensions its slot has.
    pub fn set_congestion_feedback(&mut self, is_negotiated: bool) {
        if self.by_source == is_negotiated {
            return;
        }
        self.by_source = is_negotiated;
        self.acknowledgements.clear();
        self.marking = Marking::default();
        (self.reference, self.report_clock) = (ReferenceClock::default(), ReportClock::default());
        // The other kind has to show first that it comes.
        self.feedback = FeedbackState::default();
        self.index();
    }

    /// How media that leaves now is to be marked (ECN): with ECT(1) (RFC 9331) where the peer tells of marks, which only
    /// reports by source do, and the controller answers them, until the path shows that it carries none. To be asked only
    /// for what goes by UDP: that begins the attempt.
    pub fn mark(&mut self, now: Time) -> Ecn {
        if self.by_source && self.controller.takes_marks() { self.marking.mark(now) } else { Ecn::NotEct }
    }

    /// What the path adds to each packet, in bytes: it has changed.
    pub fn set_overhead(&mut self, overhead: u32) {
        self.config.overhead = overhead;
    }

    /// The publisher's sender report: this moment of its wall clock is this timestamp of the slot. Reports of the slot
    /// go on from there, so that what one person sends by two slots stays together.
    pub fn set_report(&mut self, now: Time, slot: u16, ntp: u64, timestamp: u32) {
        let Some(slot) = self.slots.get_mut(usize::from(slot)) else { return };
        let is_news = slot.clock.set_published(now, ntp, timestamp);
        if is_news && slot.clock.due.is_some() {
            // The receiver puts sound and picture together as soon as it knows.
            slot.clock.due = Some(now);
            self.reports_due = earliest(self.reports_due, Some(now));
        }
    }

    /// The slot carries somebody else from now on, of whom no report is known: until there is one, our own clock counts.
    pub fn clear_report(&mut self, slot: u16) {
        if let Some(slot) = self.slots.get_mut(usize::from(slot)) {
            slot.clock.forget_published();
        }
    }

    /// Writes the sender reports that are due, each with its source's name. What does not fit stays due.
    pub fn write_rtcp(&mut self, now: Time, writer: &mut Writer<'_>) {
        if self.reports_due.is_none_or(|due| due > now) {
            return;
        }
        // Source, item and terminator around the name, and padding to four bytes.
        let needed = REPORT_LENGTH + (4 + 4 + 2 + self.config.cname.len() + 1).next_multiple_of(4);
        let wall_clock = self.config.ntp_at_start.wrapping_add(to_ntp(now.to_duration()));
        let mut next = None;
        for slot in &mut self.slots {
            let Some(due) = slot.clock.due else { continue };
            if due <= now + REPORTS_TOGETHER && writer.remaining() >= needed {
                let (ssrc, packets, octets) = (slot.config.ssrc, slot.counters.packets, slot.octets);
                if let Some(info) = slot.clock.report(now, ssrc, wall_clock, packets, octets) {
                    // There is room for both.
                    let _ = writer.sender_report(&info, &[]);
                    let _ = writer.cname(ssrc, &self.config.cname);
                }
                let recently = Time::since_start(now.to_duration().saturating_sub(ACTIVE_FOR));
                if slot.clock.sent_since(recently) {
                    slot.clock.due = Some(now + self.random.around(REPORT_INTERVAL));
                } else {
                    slot.clock.due = None;
                    slot.sent.release();
                }
            }
            next = earliest(next, slot.clock.due);
        }
        self.reports_due = next;
    }

    /// What the wall clock said at the start of [`Time`], as an NTP timestamp.
    pub(crate) fn ntp_at_start(&self) -> u64 {
        self.config.ntp_at_start
    }

    /// What may be sent.
    pub fn control(&self) -> Control {
        if self.feedback.is_missing { self.fallback.control() } else { self.controller.control() }
    }

    /// What media may take over the next seconds ([`CongestionController::sustained`]), beside parity.
    pub fn media_target(&self) -> Bitrate {
        let target =
            if self.feedback.is_missing { self.fallback.control().target } else { self.controller.sustained() };
        let share = self.protection.as_ref().map_or(Bitrate::ZERO, |protection| protection.share_of(target));
        target.saturating_sub(share)
    }

    /// What the congestion controller sees.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { target: self.control().target, ..self.controller.snapshot() }
    }

    /// What this slot sent, and how it arrived; `None` if there is no such slot.
    pub fn stats(&self, slot: u16) -> Option<SlotStats> {
        let waiting = self.queue.waiting_of(slot);
        let slot = self.slots.get(usize::from(slot))?;
        Some(SlotStats {
            keyframe_requests: slot.keyframes.count,
            lost: slot.reported.lost,
            loss: f32::from(slot.reported.share) / 256.0,
            jitter: slot.clock.time(slot.reported.jitter),
            waiting,
            ..slot.counters
        })
    }

    /// What the sender as a whole does.
    pub fn sender_stats(&self) -> SenderStats {
        SenderStats {
            target: self.control().target,
            round_trip: self.round_trip,
            faults: self.faults,
            waiting: self.queue.paced().packets,
            by_losses: self.feedback.is_missing,
        }
    }

    /// How many earlier sounds each sound carries a copy of, where its receiver takes that: 0 to 4.
    pub fn copies(&self) -> u8 {
        // At most `MAX_COPIES`.
        self.copies.chosen().count() as u8
    }

    /// What waits for the pacer.
    fn paced(&self) -> Queued {
        let (video, again) = (self.queue.paced(), self.retransmissions.queued());
        let parity = self.protection.as_ref().map(|protection| protection.queued()).unwrap_or_default();
        let packets = video.packets + again.packets + parity.packets;
        let headers = USUAL_HEADERS + u64::from(self.config.overhead);
        Queued { bytes: video.bytes + again.bytes + parity.bytes + u64::from(packets) * headers, packets }
    }

    /// Tells the pacer what may be sent, if that has changed, and what to probe.
    fn apply_control(&mut self, now: Time) {
        let mut control = self.control();
        let can_pad = self.padding_slot.is_some();
        if !can_pad {
            control.padding = Bitrate::ZERO;
        }
        let mut has_changed = control != self.applied;
        if has_changed {
            self.applied = control;
            self.pacer.set_rates(now, control);
        }
        let window = self.controller.window();
        self.pacer.set_window(window, self.history.in_flight());
        // What a report frees may leave at once.
        has_changed |= window.is_some();
        while let Some(probe) = self.controller.poll_probe() {
            // Without padding a probe would take as long as media does to fill it, and say nothing.
            if can_pad && !self.feedback.is_missing {
                self.pacer.add_probe(now, probe);
                has_changed = true;
            }
        }
        if has_changed {
            self.wake = earliest(self.wake, self.pacer.next_send_time(self.paced()));
        }
    }

    fn pass_on_keyframe_requests(&mut self, now: Time) {
        if self.keyframes_due.is_none_or(|due| due > now) {
            return;
        }
        let mut next = None;
        for (index, slot) in (0..).zip(&mut self.slots) {
            // An owner that does not ask for events gets each of them once.
            if slot.keyframes.take(now) && !self.events.contains(&index) {
                self.events.push_back(index);
            }
            next = earliest(next, slot.keyframes.due());
        }
        self.keyframes_due = next;
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("slots", &self.slots.len()).field("stats", &self.sender_stats()).finish()
    }
}

impl FeedbackState {
    /// A peer that understands the extension has reported by then.
    const PATIENCE: Duration = Duration::from_secs(3);

    fn deadline(&self) -> Option<Time> {
        if self.came || self.is_missing {
            return None;
        }
        self.since.map(|since| since + Self::PATIENCE)
    }
}

/// The earlier of two moments, where none is later than any.
fn earliest(one: Option<Time>, other: Option<Time>) -> Option<Time> {
    one.into_iter().chain(other).min()
}

/// SplitMix64: spreads what should not coincide; nothing secret depends on it.
#[derive(Clone, Copy, Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Up to a fifth more or less.
    fn around(&mut self, duration: Duration) -> Duration {
        duration * (800 + (self.next() % 401) as u32) / 1_000
    }
}
