//! The sending end of a flow, put together as a leg does it.

use std::collections::VecDeque;

use conclave_qos::{
    Bitrate, CongestionController, Demand, Ecn, Pacer, PacketResult, ProbeId, Queued, SendHistory, SentPacket, Time,
    Turn,
};

use super::Source;
use crate::packet::Told;
use crate::units::{MILLI, SECOND, after, at, between};

/// Most bytes of a packet with all headers.
const PACKET: u64 = 1_200;
/// Fewest: headers, and a little.
const SMALLEST: u64 = 80;
/// What has waited this long is dropped, with the rest of its time: it would come too late to be shown.
const LONGEST_WAIT: u64 = 500 * MILLI;
/// When the flow has ended there is nothing to pad with; the pacer is asked again after this, µs.
const IDLE: u64 = 100 * MILLI;

/// When a flow sends: from the one second to the other, but for the pauses between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// The second in which it starts.
    pub from: u64,
    /// The second in which it ends.
    pub until: u64,
    /// From which to which second it sends no media.
    pub pause: Option<(u64, u64)>,
}

impl Timeline {
    pub(crate) fn sends(&self, now: Time) -> bool {
        let is_paused = self.pause.is_some_and(|(from, until)| now >= at(from * SECOND) && now < at(until * SECOND));
        now >= at(self.from * SECOND) && now < at(self.until * SECOND) && !is_paused
    }

    /// When it begins to send next, or goes on.
    fn next_start(&self, now: Time) -> Option<Time> {
        let starts = [Some(self.from), self.pause.map(|(_, until)| until)];
        starts.into_iter().flatten().map(|second| at(second * SECOND)).find(|start| *start > now)
    }
}

/// A packet that is to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing {
    pub(crate) size: u32,
    pub(crate) sequence: u16,
    pub(crate) is_media: bool,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    size: u32,
    made: Time,
}

pub(crate) struct Sender {
    controller: Box<dyn CongestionController>,
    pacer: Pacer,
    history: SendHistory,
    source: Source,
    timeline: Timeline,
    /// Packets of frames, bounded by [`LONGEST_WAIT`].
    waiting: VecDeque<Waiting>,
    queued: u64,
    next_frame: Time,
    due: Option<Time>,
    results: Vec<PacketResult>,
    /// It was told that there is nothing to send.
    is_silent: bool,
    ecn: Ecn,
}

impl Sender {
    pub(crate) fn new(controller: Box<dyn CongestionController>, source: Source, timeline: Timeline, ecn: Ecn) -> Self {
        let start = at(timeline.from * SECOND);
        Self {
            pacer: Pacer::new(controller.control()),
            controller,
            history: SendHistory::new(),
            source,
            timeline,
            waiting: VecDeque::new(),
            queued: 0,
            next_frame: start,
            due: Some(start),
            results: Vec::new(),
            is_silent: false,
            ecn,
        }
    }

    pub(crate) fn target(&self) -> Bitrate {
        self.controller.control().target
    }

    /// How its packets say that they take marks.
    pub(crate) fn ecn(&self) -> Ecn {
        self.ecn
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.due
    }

    pub(crate) fn handle_report(&mut self, now: Time, told: &[Told]) {
        self.results.clear();
        self.history.acknowledge_marked(told.iter().copied(), &mut self.results);
        self.controller.handle_feedback(now, &self.results);
        self.pacer.set_window(self.controller.window(), self.history.in_flight());
    }

    /// Does what is due, and adds what leaves to `out`.
    pub(crate) fn handle_timeout(&mut self, now: Time, out: &mut Vec<Outgoing>) {
        if now < at(self.timeline.from * SECOND) {
            return;
        }
        if self.controller.poll_timeout().is_some_and(|due| due <= now) {
            self.controller.handle_timeout(now);
        }
        let sends = self.timeline.sends(now);
        if sends && now >= self.next_frame {
            self.make_frame(now);
        } else if !sends && !self.is_silent {
            self.fall_silent(now);
        }
        while let Some(probe) = self.controller.poll_probe() {
            self.pacer.add_probe(now, probe);
        }
        self.pacer.set_rates(now, self.controller.control());
        let pacer = self.send(now, out);
        let frame = if sends { Some(self.next_frame) } else { self.timeline.next_start(now) };
        let timer = self.controller.poll_timeout().map(|due| due.max(after(now, MILLI)));
        self.due = [frame, timer, pacer].into_iter().flatten().min();
    }

    fn make_frame(&mut self, now: Time) {
        self.is_silent = false;
        let target = self.target();
        let (sending, wanted) = (self.source.rate(target), self.source.most());
        self.controller.handle_demand(now, Demand { sending, wanted });
        while self.waiting.front().is_some_and(|oldest| between(oldest.made, now) > LONGEST_WAIT) {
            let dropped = self.waiting.pop_front().map_or(0, |packet| packet.size);
            self.queued -= u64::from(dropped);
        }
        let (mut rest, next) = self.source.frame(now, target);
        self.next_frame = next;
        for left in (1..=rest.div_ceil(PACKET)).rev() {
            let size = rest.div_ceil(left).min(rest);
            rest -= size;
            // At most PACKET.
            let size = size.max(SMALLEST) as u32;
            self.waiting.push_back(Waiting { size, made: now });
            self.queued += u64::from(size);
        }
    }

    /// The camera is off: what waits is not sent any more, nothing is wanted.
    fn fall_silent(&mut self, now: Time) {
        self.is_silent = true;
        self.waiting.clear();
        self.queued = 0;
        self.controller.handle_demand(now, Demand::default());
        self.next_frame = self.timeline.next_start(now).unwrap_or(now);
    }

    /// Sends what the pacer lets go; says when to ask it again.
    fn send(&mut self, now: Time, out: &mut Vec<Outgoing>) -> Option<Time> {
        loop {
            let queued = Queued { bytes: self.queued, packets: self.waiting.len() as u32 };
            match self.pacer.poll(now, queued) {
                Turn::Media(probe) => {
                    let Waiting { size, .. } = self.waiting.pop_front()?;
                    self.queued -= u64::from(size);
                    self.send_packet(now, size, probe, true, out);
                }
                Turn::Padding { .. } if now >= at(self.timeline.until * SECOND) => return Some(after(now, IDLE)),
                Turn::Padding { bytes, probe } => {
                    self.send_packet(now, bytes.max(SMALLEST as u32), probe, false, out);
                }
                Turn::Wait(until) => return until.map(|until| until.max(after(now, 1))),
            }
        }
    }

    fn send_packet(&mut self, now: Time, size: u32, probe: Option<ProbeId>, is_media: bool, out: &mut Vec<Outgoing>) {
        let sent = SentPacket { at: now, size, probe, is_media };
        let sequence = self.history.record(sent);
        self.pacer.handle_sent(&sent);
        self.controller.handle_sent(&sent);
        out.push(Outgoing { size, sequence, is_media });
    }
}
