//! A bottleneck with a drop-tail queue, and what packets meet after it.

use std::collections::VecDeque;

use conclave_qos::SentPacket;

use super::Random;

/// What a path is like. Times in µs.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    /// From these times on, these rates (bits per second); the first begins at 0.
    pub capacity: &'static [(u64, u64)],
    /// How long the queue can become.
    pub queue: u64,
    /// One way.
    pub delay: u64,
    /// Added to the delay, at random but without reordering: up to this.
    pub jitter: u64,
    /// Share of the packets that gets lost at random.
    pub loss: f64,
    /// The receiver attends to nothing for this long...
    pub stall: u64,
    /// ...about this often; 0: never.
    pub stall_every: u64,
    /// So does the sender, which also is interrupted between noting the time and sending, for up to a fifth of that.
    pub sender_stall: u64,
    pub sender_stall_every: u64,
    /// Share of the feedback that gets lost.
    pub feedback_loss: f64,
    /// No feedback arrives from, until.
    pub silent: (u64, u64),
}

impl Path {
    /// 25 ms each way, 200 ms of queue and nothing else.
    pub const fn plain(capacity: &'static [(u64, u64)]) -> Self {
        Self {
            capacity,
            queue: 200_000,
            delay: 25_000,
            jitter: 0,
            loss: 0.0,
            stall: 0,
            stall_every: 0,
            sender_stall: 0,
            sender_stall_every: 0,
            feedback_loss: 0.0,
            silent: (0, 0),
        }
    }
}

/// A packet on its way.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    pub sent: SentPacket,
    pub sequence: u16,
    pub arrives: u64,
}

/// The bottleneck.
#[derive(Debug)]
pub struct Link {
    path: Path,
    random: Random,
    /// When the queue will be empty.
    free: u64,
    arrival: u64,
    stalled: (u64, u64),
    flying: VecDeque<(usize, Packet)>,
    /// What could have been carried, bits, in each second.
    pub carried: Vec<u64>,
    pub lost: u64,
    pub offered: u64,
    pub delays: Vec<u64>,
}

impl Link {
    pub fn new(path: Path, seed: u64) -> Self {
        let first = if path.stall_every > 0 { path.stall_every / 2 } else { u64::MAX };
        Self {
            path,
            random: Random::new(seed),
            free: 0,
            arrival: 0,
            stalled: (first, first.saturating_add(path.stall)),
            flying: VecDeque::new(),
            carried: Vec::new(),
            lost: 0,
            offered: 0,
            delays: Vec::new(),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn capacity(&self, now: u64) -> u64 {
        self.path.capacity.iter().rev().find(|(from, _)| *from <= now).map_or(0, |(_, rate)| *rate)
    }

    /// A packet reaches the queue at `now`, which may be later than its sender thinks.
    pub fn send(&mut self, now: u64, flow: usize, sent: SentPacket, sequence: u16) {
        self.offered += 1;
        let waits = self.free.saturating_sub(now);
        if waits > self.path.queue || self.random.happens(self.path.loss) {
            self.lost += 1;
            return;
        }
        let capacity = self.capacity(now).max(1);
        self.free = self.free.max(now) + u64::from(sent.size) * 8_000_000 / capacity;
        let jitter = self.random.below(self.path.jitter + 1);
        let mut arrives = (self.free + self.path.delay + jitter).max(self.arrival);
        self.arrival = arrives;
        if self.path.stall_every > 0 {
            while arrives > self.stalled.1 {
                let gap = self.path.stall_every / 2 + self.random.below(self.path.stall_every);
                let length = self.path.stall / 2 + self.random.below(self.path.stall / 2 + 1);
                self.stalled = (self.stalled.1 + gap, self.stalled.1 + gap + length);
            }
            if arrives >= self.stalled.0 {
                arrives = self.stalled.1;
            }
        }
        self.delays.push(self.free.saturating_sub(now));
        self.flying.push_back((flow, Packet { sent, sequence, arrives }));
    }

    /// The next packet that has arrived.
    pub fn poll(&mut self, now: u64) -> Option<(usize, Packet)> {
        (self.flying.front()?.1.arrives <= now).then(|| self.flying.pop_front()).flatten()
    }

    pub fn sample(&mut self, now: u64) {
        if now.is_multiple_of(1_000_000) {
            self.carried.push(0);
        }
        let capacity = self.capacity(now);
        if let Some(carried) = self.carried.last_mut() {
            *carried += capacity * super::STEP / 1_000_000;
        }
    }
}
