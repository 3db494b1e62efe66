//! The receiving end of a flow: a book of arrivals, and reports from it.

use std::time::Duration;

use conclave_qos::{ArrivalLog, Ecn, Time};

use crate::packet::Told;
use crate::units::{MILLI, after, micros};

/// How reports are timed and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reports {
    /// Transport-wide feedback when [`ArrivalLog`] says so: after ten packets and 50 ms, or 250 ms.
    AsLogged,
    /// Transport-wide feedback each so many milliseconds while packets come. 50 is what libwebrtc's receivers do from
    /// 220 kbit/s on (`transport_sequence_number_feedback_generator.cc`: 5 % of the rate, between 50 and 250 ms).
    Each(u64),
    /// RFC 8888 each so many milliseconds: it tells of marks, and times in 1/1,024 s.
    Marked(u64),
}

/// Sequence numbers that the log remembers.
const REMEMBERED: usize = 2_048;
/// IP, UDP, the header of an RTCP packet with two sources, SRTCP index and tag.
const HEADERS: u32 = 28 + 12 + 14;

#[derive(Debug)]
pub(crate) struct Receiver {
    log: ArrivalLog,
    reports: Reports,
    /// How each packet was marked, by the low bits of its number.
    marks: Vec<Ecn>,
    due: Option<Time>,
    reported: Time,
}

impl Receiver {
    pub(crate) fn new(reports: Reports) -> Self {
        Self {
            log: ArrivalLog::new(),
            reports,
            marks: vec![Ecn::NotEct; REMEMBERED],
            due: None,
            reported: Time::default(),
        }
    }

    pub(crate) fn record(&mut self, now: Time, sequence: u16, ecn: Ecn) {
        self.log.record(sequence, now);
        self.marks[usize::from(sequence) % REMEMBERED] = ecn;
        match self.reports {
            Reports::AsLogged => self.due = self.log.poll_timeout(),
            Reports::Each(interval) | Reports::Marked(interval) => {
                self.due.get_or_insert(after(self.reported, interval * MILLI).max(now));
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.due
    }

    /// The next report that is due: its bytes with all headers; what it tells is in `told` then.
    pub(crate) fn poll_report(&mut self, now: Time, told: &mut Vec<Told>) -> Option<u32> {
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        told.clear();
        let is_logged = self.reports == Reports::AsLogged;
        let feedback = if is_logged { self.log.poll_feedback(now) } else { self.log.take_feedback(now) };
        let Some(feedback) = feedback else {
            self.reported = now;
            self.due = self.log.poll_timeout().filter(|_| is_logged);
            return None;
        };
        let marks = &self.marks;
        let is_marked = matches!(self.reports, Reports::Marked(_));
        told.extend(feedback.arrivals().map(|(sequence, arrival)| {
            let mark = marks[usize::from(sequence) % REMEMBERED];
            let arrival =
                arrival.map(|at| if is_marked { (in_1024ths(at), mark) } else { (in_quarters(at), Ecn::NotEct) });
            (sequence, arrival)
        }));
        Some(if is_marked { marked_size(told) } else { transport_wide_size(told) })
    }
}

/// Transport-wide feedback tells times in 250 µs.
fn in_quarters(at: Time) -> Duration {
    let micros = micros(at);
    Duration::from_micros(micros - micros % 250)
}

/// RFC 8888, 3.1 tells them in 1/1,024 s.
fn in_1024ths(at: Time) -> Duration {
    let units = micros(at) * 1_024 / 1_000_000;
    Duration::from_micros((units * 1_000_000).div_ceil(1_024))
}

/// Two bits for each packet in chunks of seven, a byte or two for each arrival; a multiple of four bytes.
fn transport_wide_size(told: &[Told]) -> u32 {
    let mut size = 8 + 2 * (told.len() as u32).div_ceil(7);
    let mut before: Option<Duration> = None;
    for (_, arrival) in told {
        let Some((at, _)) = arrival else { continue };
        let is_near = before.is_some_and(|before| *at >= before && *at - before < Duration::from_millis(64));
        size += if is_near { 1 } else { 2 };
        before = Some(*at);
    }
    HEADERS + size.next_multiple_of(4)
}

/// Two bytes for each packet; a multiple of four bytes.
fn marked_size(told: &[Told]) -> u32 {
    HEADERS + 12 + (2 * told.len() as u32).next_multiple_of(4)
}
