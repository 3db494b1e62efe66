//! One sender and its receiver, put together as a leg does it.

use std::collections::VecDeque;
use std::time::Duration;

use conclave_qos::{
    ArrivalLog, Bitrate, CongestionController, Demand, Pacer, PacketResult, ProbeId, Queued, SendHistory, SentPacket,
    Turn,
};

use super::link::Packet;
use super::{Link, Random, at};

/// IP, UDP, RTP, SRTP.
const OVERHEAD: u32 = 60;
const FRAME: u64 = 33_333;

/// What a report says of one packet.
type Arrival = (u16, Option<Duration>);

/// What the application sends.
#[derive(Clone, Copy, Debug)]
pub enum Application {
    /// As much as it may, frame by frame, up to this rate.
    Elastic(u64),
    /// From these times (µs) on, these rates, whatever the target is.
    Fixed(&'static [(u64, u64)]),
    /// Layers at these rates: the highest that fits.
    Layers(&'static [u64]),
}

/// A leg.
pub struct Flow {
    pub controller: Box<dyn CongestionController>,
    pub application: Application,
    /// From, until.
    pub active: (u64, u64),
    pacer: Pacer,
    history: SendHistory,
    arrivals: ArrivalLog,
    random: Random,
    queue: VecDeque<u32>,
    queued: u64,
    next_frame: u64,
    next_audio: u64,
    /// Reports on their way: when they arrive, and what they say.
    reports: VecDeque<(u64, Vec<Arrival>)>,
    results: Vec<PacketResult>,
    /// From, until.
    stalled: (u64, u64),
    /// Nothing reaches the link before this.
    interrupted: u64,
    feedback_loss: f64,
    silent: (u64, u64),
    delay: u64,
    lossy: Random,
    /// Targets, each 100 ms; bits received in each second.
    pub targets: Vec<u64>,
    pub received: Vec<u64>,
}

impl Flow {
    pub fn new(controller: Box<dyn CongestionController>, application: Application, link: &Link, seed: u64) -> Self {
        let path = link.path();
        Self {
            pacer: Pacer::new(controller.control()),
            controller,
            application,
            active: (0, u64::MAX),
            history: SendHistory::new(),
            arrivals: ArrivalLog::new(),
            random: Random::new(seed),
            queue: VecDeque::new(),
            queued: 0,
            next_frame: 0,
            next_audio: 0,
            reports: VecDeque::new(),
            results: Vec::new(),
            stalled: (path.sender_stall_every, path.sender_stall_every + path.sender_stall),
            interrupted: 0,
            feedback_loss: path.feedback_loss,
            silent: path.silent,
            delay: path.delay,
            lossy: Random::new(seed ^ 0xFEED),
            targets: Vec::new(),
            received: Vec::new(),
        }
    }

    pub fn send(&mut self, now: u64, index: usize, link: &mut Link) {
        let due = self.controller.poll_timeout().is_some_and(|due| due <= at(now));
        if now.is_multiple_of(1_000_000) {
            self.received.push(0);
        }
        if now.is_multiple_of(100_000) {
            self.targets.push(self.controller.control().target.as_bps());
        }
        if !(self.active.0..self.active.1).contains(&now) {
            return;
        }
        if now >= self.next_frame {
            self.next_frame = now + FRAME;
            self.make_frame(now);
        }
        if self.is_stalled(now, link) {
            return;
        }
        if due {
            self.controller.handle_timeout(at(now));
        }
        if now >= self.next_audio {
            // Opus, 32 kbit/s; not paced.
            self.next_audio = now + 20_000;
            self.send_packet(now, index, link, 80 + OVERHEAD, None, true);
        }
        self.pacer.set_rates(at(now), self.controller.control());
        self.pacer.set_window(self.controller.window(), self.history.in_flight());
        while let Some(probe) = self.controller.poll_probe() {
            self.pacer.add_probe(at(now), probe);
        }
        loop {
            let queued = Queued { bytes: self.queued, packets: self.queue.len() as u32 };
            match self.pacer.poll(at(now), queued) {
                Turn::Media(probe) => {
                    let Some(size) = self.queue.pop_front() else { break };
                    self.queued -= u64::from(size);
                    self.send_packet(now, index, link, size, probe, true);
                }
                Turn::Padding { bytes, probe } => self.send_packet(now, index, link, bytes.max(80), probe, false),
                Turn::Wait(_) => break,
            }
        }
    }

    /// Whether the machine does something else. Frames are made by others, so they are there afterwards.
    fn is_stalled(&mut self, now: u64, link: &Link) -> bool {
        let (length, every) = (link.path().sender_stall, link.path().sender_stall_every);
        if every == 0 || now < self.stalled.0 {
            return false;
        }
        if now < self.stalled.1 {
            return true;
        }
        let gap = every / 2 + self.random.below(every);
        self.stalled = (now + gap, now + gap + length / 2 + self.random.below(length));
        self.interrupted = now + self.random.below(length / 5 + 1);
        false
    }

    fn make_frame(&mut self, now: u64) {
        let target = self.controller.control().target.as_bps();
        let audio = 56_000;
        let may = target.saturating_sub(audio);
        let (rate, wanted) = match self.application {
            Application::Elastic(most) => (may.min(most), most),
            Application::Fixed(plan) => {
                let rate = plan.iter().rev().find(|(from, _)| *from <= now).map_or(0, |(_, rate)| *rate);
                (rate, rate)
            }
            Application::Layers(layers) => {
                let fits = layers.iter().copied().filter(|rate| *rate <= may).max().unwrap_or(0);
                (fits, layers.iter().copied().max().unwrap_or(0))
            }
        };
        let demand = Demand { sending: Bitrate::bps(rate + audio), wanted: Bitrate::bps(wanted + audio) };
        self.controller.handle_demand(at(now), demand);
        // Frames differ in size by a third.
        let mean = rate * FRAME / 8_000_000;
        let mut size = mean * 2 / 3 + self.random.below(mean * 2 / 3 + 1);
        let packets = size.div_ceil(1_100).max(1);
        for left in (1..=packets).rev() {
            if size == 0 {
                break;
            }
            let part = size.div_ceil(left) as u32;
            size -= u64::from(part).min(size);
            self.queue.push_back(part + OVERHEAD);
            self.queued += u64::from(part + OVERHEAD);
        }
        // As a leg's queue, it is bounded: what is half a second old is dropped.
        let most = (target / 16).max(50_000);
        while self.queued > most {
            let Some(size) = self.queue.pop_front() else { break };
            self.queued -= u64::from(size);
        }
    }

    fn send_packet(
        &mut self,
        now: u64,
        index: usize,
        link: &mut Link,
        size: u32,
        probe: Option<ProbeId>,
        is_media: bool,
    ) {
        let sent = SentPacket { at: at(now), size, probe, is_media };
        let sequence = self.history.record(sent);
        self.pacer.handle_sent(&sent);
        self.controller.handle_sent(&sent);
        link.send(now.max(self.interrupted), index, sent, sequence);
    }

    pub fn arrive(&mut self, packet: Packet) {
        self.arrivals.record(packet.sequence, at(packet.arrives));
        if let Some(received) = self.received.last_mut() {
            *received += u64::from(packet.sent.size) * 8;
        }
    }

    pub fn handle_feedback(&mut self, now: u64) {
        while let Some(feedback) = self.arrivals.poll_feedback(at(now)) {
            let report = feedback.arrivals().map(|(sequence, at)| (sequence, at.map(on_the_wire))).collect();
            let is_silent = (self.silent.0..self.silent.1).contains(&now);
            if !is_silent && !self.lossy.happens(self.feedback_loss) {
                self.reports.push_back((now + self.delay, report));
            }
        }
        while self.reports.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, report)) = self.reports.pop_front() else { break };
            self.results.clear();
            self.history.acknowledge(report.into_iter(), &mut self.results);
            self.controller.handle_feedback(at(now), &self.results);
        }
    }
}

/// 250 µs are what feedback can tell apart.
fn on_the_wire(time: conclave_qos::Time) -> Duration {
    let micros = time.to_duration().as_micros() as u64;
    Duration::from_micros(micros - micros % 250)
}
