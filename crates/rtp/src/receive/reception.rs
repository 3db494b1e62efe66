//! How one source is received: what receiver reports say (RFC 3550 section 6.4 and appendix A).

use std::time::Duration;

use conclave_qos::Time;

use crate::Ssrc;
use crate::rtcp::{ReportBlock, SenderInfo};

/// A step of the spacing that is no jitter but a pause, or another clock.
const LONGEST_STEP: Duration = Duration::from_secs(5);

/// The statistics of one source.
#[derive(Clone, Debug)]
pub(super) struct Reception {
    pub(super) ssrc: Ssrc,
    /// Extended numbers of the first packet and of the highest.
    first: u64,
    highest: u64,
    received: u64,
    /// At the last report.
    expected_before: u64,
    received_before: u64,
    /// In 16ths of the stream's clock.
    jitter: u32,
    clock_rate: u32,
    last: Option<Spacing>,
    report: Option<Heard>,
}

/// What the spacing of the next packet is reckoned from.
#[derive(Clone, Copy, Debug)]
struct Spacing {
    timestamp: u32,
    arrival: Time,
}

/// The sender's last report, when it came.
#[derive(Clone, Copy, Debug)]
struct Heard {
    middle: u32,
    at: Time,
}

impl Reception {
    /// Of a source whose first packet has this number.
    pub(super) const fn new(ssrc: Ssrc, first: u64) -> Self {
        Self {
            ssrc,
            first,
            highest: first,
            received: 0,
            expected_before: 0,
            received_before: 0,
            jitter: 0,
            clock_rate: 0,
            last: None,
            report: None,
        }
    }

    pub(super) const fn highest(&self) -> u64 {
        self.highest
    }

    /// A packet that had not come before.
    pub(super) fn handle_packet(&mut self, sequence: u64, timestamp: u32, clock_rate: u32, arrival: Time) {
        self.received += 1;
        // One that overtook the first one counts as expected, too.
        self.first = self.first.min(sequence);
        let in_order = sequence >= self.highest;
        self.highest = self.highest.max(sequence);
        if self.clock_rate != clock_rate {
            (self.clock_rate, self.last, self.jitter) = (clock_rate, None, 0);
        }
        // Packets of one picture have one timestamp; their spacing is the sender's pacing.
        if in_order && self.last.is_none_or(|last| last.timestamp != timestamp) {
            if let Some(last) = self.last {
                self.measure_spacing(last, timestamp, arrival);
            }
            self.last = Some(Spacing { timestamp, arrival });
        }
    }

    /// RFC 3550 appendix A.8.
    fn measure_spacing(&mut self, last: Spacing, timestamp: u32, arrival: Time) {
        let passed = arrival.since(last.arrival);
        if passed > LONGEST_STEP {
            return;
        }
        // Five seconds of the fastest clock are far from the limits of i64.
        let arrived = (passed.as_micros() as i64) * i64::from(self.clock_rate) / 1_000_000;
        let sent = i64::from(timestamp.wrapping_sub(last.timestamp) as i32);
        let deviation = (arrived - sent).unsigned_abs();
        if deviation < u64::from(self.clock_rate) * LONGEST_STEP.as_secs() {
            let jitter = i64::from(self.jitter);
            self.jitter = u32::try_from(jitter + deviation as i64 - ((jitter + 8) >> 4)).unwrap_or(u32::MAX);
        }
    }

    pub(super) fn handle_sender_report(&mut self, info: &SenderInfo, at: Time) {
        self.report = Some(Heard { middle: (info.ntp >> 16) as u32, at });
    }

    /// Whether something has come since the last report.
    pub(super) fn has_news(&self) -> bool {
        self.received > self.received_before
    }

    /// What there is to report; the next one is about what comes from now on (RFC 3550 appendix A.3).
    pub(super) fn take_report(&mut self, now: Time) -> ReportBlock {
        let expected = self.expected();
        let expected_now = expected - self.expected_before;
        let received_now = self.received - self.received_before;
        (self.expected_before, self.received_before) = (expected, self.received);
        let lost_now = expected_now.saturating_sub(received_now);
        let fraction_lost = (lost_now << 8).checked_div(expected_now).unwrap_or(0).min(255) as u8;
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost,
            lost: i32::try_from(self.lost()).unwrap_or(i32::MAX),
            // Wraps are counted from the first packet on.
            highest_sequence: (self.highest - (self.first & !0xffff)) as u32,
            jitter: self.jitter >> 4,
            last_sender_report: self.report.map_or(0, |report| report.middle),
            delay: self.report.map_or(0, |report| since_in_65536ths(now, report.at)),
        }
    }

    fn expected(&self) -> u64 {
        self.highest - self.first + 1
    }

    /// Packets that never came, so far.
    pub(super) fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    pub(super) fn jitter(&self) -> Duration {
        if self.clock_rate == 0 {
            return Duration::ZERO;
        }
        Duration::from_micros(u64::from(self.jitter >> 4) * 1_000_000 / u64::from(self.clock_rate))
    }
}

fn since_in_65536ths(now: Time, at: Time) -> u32 {
    // Wraps after 18 hours, as the field does.
    (now.since(at).as_micros() * 65_536 / 1_000_000) as u32
}
