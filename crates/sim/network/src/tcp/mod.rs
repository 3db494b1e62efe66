//! TCP as cross traffic: long connections, and short ones that fetch file after file.
//!
//! Segment by segment, with selective acknowledgements and without delayed ones; losses are told by the order of
//! transmissions, as QUIC does (RFC 9002, 6.1.1; RACK, RFC 8985, comes to the same where nothing is reordered). No handshake, no
//! receiver's window.

mod sender;
mod window;
mod workload;

use std::collections::VecDeque;

use conclave_qos::{Ecn, Time};

use crate::event::AgentId;
use crate::packet::{Packet, Packets, Payload, Way};
use crate::random::Random;
use crate::world::Outbox;
use sender::Sender;
pub use window::Algorithm;
pub use workload::Workload;
use workload::{Files, Next};

/// A full segment with all headers, bytes.
pub(crate) const SEGMENT: u32 = 1_500;
/// What of it is data: 20 bytes of IP, 20 of TCP, 12 of time stamps.
pub(crate) const DATA: u64 = 1_448;
/// An acknowledgement with a SACK block, bytes.
const ACKNOWLEDGEMENT: u32 = 64;

/// Both ends of a connection, or of many that follow one another.
pub(crate) struct Connection {
    algorithm: Algorithm,
    files: Files,
    sender: Sender,
    receiver: Receiver,
    /// When the next file is asked for.
    begins: Option<Time>,
}

/// What has arrived.
#[derive(Debug, Default)]
struct Receiver {
    next: u32,
    /// Of those from `next` on; bounded by the sender's window.
    ahead: VecDeque<bool>,
}

impl Connection {
    pub(crate) fn new(algorithm: Algorithm, workload: Workload, random: Random) -> Self {
        let mut files = Files::new(workload, random);
        let begins = files.first();
        Self { algorithm, files, sender: Sender::new(algorithm, 0), receiver: Receiver::default(), begins }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        [self.begins, self.sender.poll_timeout()].into_iter().flatten().min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Time, agent: AgentId, packets: &mut Packets, outbox: &mut Outbox) {
        if self.begins.is_some_and(|begins| begins <= now) {
            self.begins = None;
            // Each file has a connection of its own; segments are counted on, so that none is mistaken for another.
            self.sender = Sender::new(self.algorithm, self.sender.end());
            self.sender.offer(self.files.segments());
        }
        self.sender.handle_timeout(now);
        self.send(now, agent, packets, outbox);
    }

    pub(crate) fn handle_packet(&mut self, now: Time, packet: &Packet, packets: &mut Packets, outbox: &mut Outbox) {
        match packet.payload {
            Payload::Segment { number, transmission } => {
                let next = self.receiver.take(number);
                let payload = Payload::Acknowledgement { next, number, transmission };
                let answer = Packet::new(now, packet.agent, Way::Backward, Ecn::NotEct, ACKNOWLEDGEMENT, payload);
                outbox.ready.push(packets.add(answer));
            }
            Payload::Acknowledgement { next, number, transmission } => {
                self.sender.handle_acknowledgement(now, next, number, transmission);
                self.send(now, packet.agent, packets, outbox);
            }
            // Those belong to flows of media.
            Payload::Media { .. } | Payload::Report(_) => {}
        }
    }

    fn send(&mut self, now: Time, agent: AgentId, packets: &mut Packets, outbox: &mut Outbox) {
        if self.sender.is_done() && self.begins.is_none() {
            self.begins = match self.files.after(now) {
                Next::At(time) => Some(time),
                Next::Never => None,
            };
        }
        if self.files.is_over(now) {
            self.sender.stop();
            self.begins = None;
            return;
        }
        while let Some((number, transmission)) = self.sender.poll_segment(now) {
            let payload = Payload::Segment { number, transmission };
            let segment = Packet::new(now, agent, Way::Forward, Ecn::NotEct, SEGMENT, payload);
            outbox.ready.push(packets.add(segment));
        }
    }
}

impl Receiver {
    /// A segment arrived; says which is the first that has not.
    fn take(&mut self, number: u32) -> u32 {
        if let Some(ahead) = number.checked_sub(self.next) {
            let ahead = ahead as usize;
            if self.ahead.len() <= ahead {
                self.ahead.resize(ahead + 1, false);
            }
            self.ahead[ahead] = true;
        }
        while self.ahead.front() == Some(&true) {
            self.ahead.pop_front();
            self.next += 1;
        }
        self.next
    }
}

#[cfg(test)]
mod tests;
