//! A sender of video and its receiver, put together from what the crate has: code, requests, plan and measure.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use conclave_qos::Time;
use conclave_qos::fec::erasure::{Decoder, Encoder};
use conclave_qos::repair::{Answers, Arrived, Conditions, Limits, LossPattern, Means, Nack, Redundancy};

use super::{Channel, Random};

/// 30 a second.
const FRAME: u64 = 33_333;
/// Packets of a frame.
pub const PACKETS: u8 = 10;
/// What is not looked at: the measure of losses begins with nothing.
const WARM_UP: u64 = 10_000_000;

/// From when the 100 ms of a frame count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// From when its first packet left: what somebody who talks notices.
    Sent,
    /// From when its first packet could arrive: what the receiver's buffer adds.
    Arrived,
}

/// A network and what is allowed. Times in µs.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub loss: f64,
    pub burst: f64,
    pub round_trip: u64,
    pub overhead: f64,
    pub budget: (Budget, u64),
    /// Share of the requests that gets lost.
    pub requests_lost: f64,
    pub seconds: u64,
    /// Between packets: 500 are 1,200 bytes at 20 Mbit/s.
    pub spacing: u64,
}

impl Case {
    pub const fn new(round_trip_ms: u64, overhead: f64, burst: f64) -> Self {
        Self {
            loss: 0.05,
            burst,
            round_trip: round_trip_ms * 1_000,
            overhead,
            budget: (Budget::Sent, 100_000),
            requests_lost: 0.0,
            seconds: 600,
            spacing: 500,
        }
    }

    /// From a frame's first packet's leaving until it has to be there.
    fn until(&self) -> u64 {
        self.budget.1 + if self.budget.0 == Budget::Arrived { self.round_trip / 2 } else { 0 }
    }
}

/// What came out, as shares of frames and of media packets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    pub frames_lost: f64,
    pub overhead: f64,
    /// What the plan expected to lose.
    pub expected: f64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Frame(u64),
    Source(u64),
    Parity(Vec<u8>),
    Report(bool),
    Request(Vec<u64>),
    /// The link is free again.
    Leave,
    Look,
}

struct Run {
    case: Case,
    channel: Channel,
    random: Random,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    order: u64,
    /// What waits for the link: repairs go first, as in a pacer (libwebrtc's `GetPriorityForType`).
    queues: [VecDeque<Event>; 2],
    is_busy: bool,
    answers: Answers,
    encoder: Encoder,
    redundancy: Redundancy,
    pattern: LossPattern,
    decoder: Decoder,
    nack: Nack,
    /// Packets that are there, by frame, and when the frame's first packet left.
    frames: BTreeMap<u64, (u8, u64)>,
    counted: (u64, u64, u64, u64),
    expected: (f64, u64),
}

pub fn run(case: Case, seed: u64) -> Outcome {
    let limits = Limits { overhead: case.overhead, ..Limits::default() };
    let mut run = Run {
        case,
        channel: Channel::new(case.loss, case.burst, seed),
        random: Random::new(seed ^ 0xFEED),
        events: BinaryHeap::new(),
        order: 0,
        queues: [VecDeque::new(), VecDeque::new()],
        is_busy: false,
        answers: Answers::new(),
        encoder: Encoder::new(),
        redundancy: Redundancy::new(limits),
        pattern: LossPattern::new(),
        decoder: Decoder::new(),
        nack: Nack::new(),
        frames: BTreeMap::new(),
        counted: (0, 0, 0, 0),
        expected: (0.0, 0),
    };
    // Checks of the connection have measured it before.
    (0..40).for_each(|_| run.nack.handle_round_trip(Duration::from_micros(case.round_trip)));
    run.at(0, Event::Frame(0));
    while let Some(Reverse((now, _, event))) = run.events.pop() {
        if now > case.seconds * 1_000_000 {
            break;
        }
        run.handle(now, event);
    }
    let (frames, lost, media, repairs) = run.counted;
    Outcome {
        frames_lost: lost as f64 / frames as f64,
        overhead: repairs as f64 / media as f64,
        expected: run.expected.0 / run.expected.1 as f64,
    }
}

/// Packets differ in length.
fn content(sequence: u64) -> Vec<u8> {
    let length = 40 + (sequence * 7 % 40) as usize;
    (0..length).map(|index| (sequence as usize * 11 + index * 3) as u8).collect()
}

fn at(micros: u64) -> Time {
    Time::since_start(Duration::from_micros(micros))
}

impl Run {
    fn at(&mut self, time: u64, event: Event) {
        self.order += 1;
        self.events.push(Reverse((time, self.order, event)));
    }

    fn handle(&mut self, now: u64, event: Event) {
        match event {
            Event::Frame(number) => self.send_frame(now, number),
            Event::Report(is_lost) => self.pattern.record(is_lost),
            Event::Request(missing) => self.answer(now, &missing),
            Event::Source(sequence) => {
                self.decoder.handle_source(sequence as u32, &content(sequence)).expect("short");
                self.has(now, sequence, false);
            }
            Event::Parity(packet) => {
                self.decoder.handle_parity(&packet).expect("whole");
                self.nack.handle_other(at(now));
            }
            Event::Leave => {
                self.is_busy = false;
                self.leave(now);
            }
            Event::Look => {}
        }
        while let Some(recovered) = self.decoder.poll_recovered() {
            let sequence = u64::from(recovered.sequence);
            assert_eq!(recovered.packet, content(sequence), "what is made is what was sent");
            self.has(now, sequence, true);
        }
        self.ask(now);
    }

    fn send_frame(&mut self, now: u64, number: u64) {
        self.at((number + 1) * FRAME, Event::Frame(number + 1));
        self.look_at_old_frames(now);
        self.update(now);
        let first = number * u64::from(PACKETS);
        self.frames.insert(number, (0, now));
        for sequence in first..first + u64::from(PACKETS) {
            self.encoder.push(&content(sequence)).expect("short");
            self.send(now, Event::Source(sequence), false);
        }
        let parity = self.redundancy.handle_frame(PACKETS);
        let frames = u64::from(self.redundancy.plan().window).min(number + 1);
        let first = (number + 1 - frames) * u64::from(PACKETS);
        self.send_parity(now, first, frames as u8 * PACKETS, parity);
    }

    fn send_parity(&mut self, now: u64, first: u64, window: u8, count: u8) {
        for _ in 0..count {
            let mut packet = Vec::new();
            if self.encoder.write_parity(first as u32, window, &mut packet).is_ok() {
                self.send(now, Event::Parity(packet), true);
            }
        }
    }

    fn send(&mut self, now: u64, event: Event, is_repair: bool) {
        if now >= WARM_UP {
            *if is_repair { &mut self.counted.3 } else { &mut self.counted.2 } += 1;
        }
        self.queues[usize::from(!is_repair)].push_back(event);
        self.leave(now);
    }

    fn leave(&mut self, now: u64) {
        if self.is_busy {
            return;
        }
        let [repairs, media] = &mut self.queues;
        let Some(event) = repairs.pop_front().or_else(|| media.pop_front()) else { return };
        self.is_busy = true;
        self.at(now + self.case.spacing, Event::Leave);
        let is_lost = self.channel.loses();
        if let Event::Source(sequence) = event {
            self.answers.handle_sent(at(now), sequence);
        }
        self.at(now + self.case.round_trip, Event::Report(is_lost));
        if !is_lost {
            self.at(now + self.case.round_trip / 2, event);
        }
    }

    fn update(&mut self, now: u64) {
        let conditions = Conditions {
            losses: self.pattern.model(),
            round_trip: Duration::from_micros(self.case.round_trip),
            budget: Duration::from_micros(self.case.until()),
            span: Duration::from_micros(u64::from(PACKETS - 1) * self.case.spacing),
            interval: Duration::from_micros(FRAME),
            patience: self.nack.lateness(),
            packets: PACKETS,
            means: Means::Any,
        };
        self.redundancy.update(at(now), &conditions);
        if now >= WARM_UP {
            self.expected.0 += self.redundancy.plan().frames_lost;
            self.expected.1 += 1;
        }
    }

    fn answer(&mut self, now: u64, missing: &[u64]) {
        let round_trip = Duration::from_micros(self.case.round_trip);
        let mut frames = BTreeMap::new();
        for sequence in missing {
            let first = sequence / u64::from(PACKETS) * u64::from(PACKETS);
            let was_answered = |number: &u64| self.answers.was_answered(at(now), round_trip, *number);
            let is_more = (first..first + u64::from(PACKETS)).any(|number| was_answered(&number));
            let (count, _) = frames.entry(first).or_insert((0, is_more));
            *count += u8::from(self.answers.handle_request(at(now), round_trip, *sequence));
        }
        for (first, (missing, is_more)) in frames {
            let count = self.redundancy.handle_request(missing, Means::Any, is_more);
            self.send_parity(now, first, PACKETS, count);
        }
    }

    /// A packet is there: by itself, or made.
    fn has(&mut self, now: u64, sequence: u64, is_made: bool) {
        let (number, until) = (sequence / u64::from(PACKETS), self.case.until());
        if let Some((present, sent)) = self.frames.get_mut(&number) {
            // What comes too late does not count.
            if now <= *sent + until {
                *present += 1;
            }
        }
        if is_made {
            self.nack.handle_recovered(sequence);
            return;
        }
        let first = number * u64::from(PACKETS);
        let sent = self.frames.get(&number).map_or(0, |(_, sent)| *sent);
        let packet = Arrived {
            sequence,
            first: Some(first),
            end: Some(first + u64::from(PACKETS)),
            deadline: at(sent + until),
            is_repeated: false,
        };
        self.nack.handle_packet(at(now), packet);
    }

    fn ask(&mut self, now: u64) {
        let mut missing = Vec::new();
        self.nack.poll_requests(at(now), &mut missing);
        // Each request is sent twice.
        for copy in 0..if missing.is_empty() { 0 } else { 2 } {
            if !self.random.happens(self.case.requests_lost) {
                self.at(now + self.case.round_trip / 2 + copy * 100, Event::Request(missing.clone()));
            }
        }
        if let Some(due) = self.nack.poll_timeout() {
            self.at((due.to_duration().as_micros() as u64).max(now + 100), Event::Look);
        }
    }

    fn look_at_old_frames(&mut self, now: u64) {
        let until = self.case.until();
        while let Some(entry) = self.frames.first_entry()
            && entry.get().1 + until < now
        {
            let (present, sent) = entry.remove();
            if sent >= WARM_UP {
                self.counted.0 += 1;
                self.counted.1 += u64::from(present < PACKETS);
            }
        }
    }
}
