//! One stream: its numbers, what is missing of it, how it is received.

use std::time::Duration;

use conclave_qos::Time;

use super::Refused;
use super::config::Feedback;
use super::missing::Missing;
use super::reception::Reception;
use super::round_trip::RoundTrip;
use crate::Ssrc;
use crate::sequence::{WINDOW, Window, extend};

/// Key frames of one stream are asked for no more often.
const KEYFRAME_INTERVAL: Duration = Duration::from_millis(300);
/// Further ahead than this, the sender has jumped, and nothing in between was ever sent (`MAX_DROPOUT` of RFC 3550
/// appendix A.1).
const LONGEST_GAP: u64 = 3_000;
/// Extended numbers differ by this where those on the wire wrap.
const CYCLE: u64 = 1 << 16;

/// What is known of one stream, whoever its sources are at the moment.
#[derive(Debug)]
pub(super) struct Stream {
    /// Its sources, once known.
    pub(super) media: Option<Bound>,
    pub(super) repair: Option<Bound>,
    /// What the first packet's number is put under: not 0, so that what it has overtaken has a number too.
    cycle: u64,
    window: Window,
    /// What an old number would be followed by if the sender had gone back to it (RFC 3550 appendix A.1).
    suspect: Option<u16>,
    pub(super) missing: Missing,
    pub(super) reception: Option<Reception>,
    pub(super) repair_reception: Option<Reception>,
    pub(super) keyframe: Keyframe,
    /// Of the payload type that came last.
    pub(super) feedback: Feedback,
    pub(super) counters: Counters,
}

/// A source of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bound {
    pub(super) ssrc: Ssrc,
    /// When the first packet came; a source that the description names has none yet.
    pub(super) since: Option<Time>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counters {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) recovered: u64,
    pub(super) duplicates: u64,
    pub(super) asked: u64,
    pub(super) keyframes_asked: u64,
}

/// Requests for a key frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Keyframe {
    wanted: bool,
    last: Option<Time>,
    /// RFC 5104 section 4.3.1.1: a new one for each request.
    pub(super) number: u8,
}

impl Keyframe {
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// When to ask; many requests within an interval are one.
    pub(super) fn due(&self, now: Time) -> Option<Time> {
        self.wanted.then(|| self.last.map_or(now, |last| last + KEYFRAME_INTERVAL))
    }

    pub(super) fn asked(&mut self, now: Time) {
        self.wanted = false;
        self.last = Some(now);
        self.number = self.number.wrapping_add(1);
    }

    /// The peer understands no request for key frames.
    pub(super) fn forget(&mut self) {
        self.wanted = false;
    }
}

/// A packet of media, as it came or unwrapped.
#[derive(Clone, Copy)]
pub(super) struct Arrived {
    pub(super) ssrc: Ssrc,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) clock_rate: u32,
    pub(super) length: usize,
    pub(super) at: Time,
}

impl Stream {
    /// Nothing is known of it.
    pub(super) const fn new() -> Self {
        Self {
            media: None,
            repair: None,
            cycle: CYCLE,
            window: Window::new(),
            suspect: None,
            missing: Missing::new(),
            reception: None,
            repair_reception: None,
            keyframe: Keyframe { wanted: false, last: None, number: 0 },
            feedback: Feedback { nack: false, pli: false, fir: false, transport_wide: false },
            counters: Counters { packets: 0, bytes: 0, recovered: 0, duplicates: 0, asked: 0, keyframes_asked: 0 },
        }
    }

    /// The extended number of the newest packet.
    pub(super) fn newest(&self) -> Option<u64> {
        self.window.highest()
    }

    /// A packet on the source of the media. Gives its extended number.
    pub(super) fn handle_media(
        &mut self,
        now: Time,
        packet: &Arrived,
        feedback: Feedback,
        round_trip: &mut RoundTrip,
    ) -> Result<u64, Refused> {
        let sequence = self.place(packet.sequence)?;
        let newest = self.window.highest();
        match newest {
            Some(newest) if sequence > newest => {
                if sequence - newest > LONGEST_GAP {
                    self.missing.clear();
                    self.reception = None;
                } else if feedback.nack {
                    self.missing.insert_between(now, newest, sequence);
                }
            }
            Some(_) => {
                self.missing.remove(now, sequence, false, round_trip);
            }
            None => {}
        }
        self.window.insert(sequence);
        self.feedback = feedback;
        let reception = self.reception.get_or_insert_with(|| Reception::new(packet.ssrc, sequence));
        reception.handle_packet(sequence, packet.timestamp, packet.clock_rate, packet.at);
        self.count(packet);
        Ok(sequence)
    }

    /// A repeated packet, unwrapped: `packet` has the number of the original.
    pub(super) fn handle_repeated(
        &mut self,
        now: Time,
        packet: &Arrived,
        round_trip: &mut RoundTrip,
    ) -> Result<u64, Refused> {
        // Until the stream has begun, what is repeated cannot be placed.
        let newest = self.window.highest().ok_or(Refused::Unbound)?;
        let sequence = extend(newest, packet.sequence);
        if sequence > newest + WINDOW || self.window.is_too_old(sequence) {
            return Err(Refused::TooOld);
        }
        if !self.window.is_new(sequence) {
            self.counters.duplicates += 1;
            return Err(Refused::Duplicate);
        }
        if sequence > newest && self.feedback.nack {
            self.missing.insert_between(now, newest, sequence);
        }
        self.missing.remove(now, sequence, true, round_trip);
        self.window.insert(sequence);
        self.counters.recovered += 1;
        self.count(packet);
        Ok(sequence)
    }

    /// A packet on the source of repeated packets, for that source's own statistics (RFC 4588 section 6.2).
    pub(super) fn handle_repair_source(&mut self, packet: &Arrived) {
        let highest = self.repair_reception.as_ref().map(Reception::highest);
        let sequence = match highest {
            Some(highest) => extend(highest, packet.sequence),
            None => CYCLE | u64::from(packet.sequence),
        };
        if highest.is_some_and(|highest| sequence > highest + LONGEST_GAP || highest > sequence + WINDOW) {
            self.repair_reception = None;
        }
        let reception = self.repair_reception.get_or_insert_with(|| Reception::new(packet.ssrc, sequence));
        reception.handle_packet(sequence, packet.timestamp, packet.clock_rate, packet.at);
    }

    fn count(&mut self, packet: &Arrived) {
        self.counters.packets += 1;
        self.counters.bytes += packet.length as u64;
    }

    /// The extended number, if the packet is new.
    fn place(&mut self, short: u16) -> Result<u64, Refused> {
        let Some(newest) = self.window.highest() else { return Ok(self.cycle | u64::from(short)) };
        let sequence = extend(newest, short);
        if self.window.is_too_old(sequence) {
            // The sender may have started over: two in a row say so.
            if self.suspect != Some(short) {
                self.suspect = Some(short.wrapping_add(1));
                return Err(Refused::TooOld);
            }
            self.start_over();
            return Ok(self.cycle | u64::from(short));
        }
        self.suspect = None;
        if !self.window.is_new(sequence) {
            self.counters.duplicates += 1;
            return Err(Refused::Duplicate);
        }
        Ok(sequence)
    }

    /// What comes next comes from another source, or from another start of the same: its numbers go on far ahead, so
    /// that nobody takes it for what was.
    pub(super) fn start_over(&mut self) {
        if let Some(newest) = self.window.highest() {
            // Beyond every number of this cycle, and beyond every gap.
            self.cycle = (newest / CYCLE + 2) * CYCLE;
        }
        self.window = Window::new();
        self.suspect = None;
        self.missing.clear();
        self.reception = None;
    }
}
