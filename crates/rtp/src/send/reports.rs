//! Sender reports of one slot, and what its receiver reports.

use std::time::Duration;

use conclave_qos::Time;

use crate::Ssrc;
use crate::rtcp::{ReportBlock, SenderInfo};

/// How many sender reports are remembered: a receiver answers to one of the last.
const REMEMBERED: usize = 4;

/// The same moment on three clocks.
#[derive(Clone, Copy, Debug)]
struct Moment {
    at: Time,
    ntp: u64,
    timestamp: u32,
}

/// Where a slot's timestamps stand on the wall clock.
#[derive(Debug, Default)]
pub(super) struct ReportClock {
    /// The publisher's word on it, in the slot's timestamps.
    published: Option<Moment>,
    /// The latest timestamp that was sent, and when it was first.
    sent: Option<(Time, u32)>,
    /// Ticks per second of what was sent last.
    clock_rate: u32,
    /// What went out: the middle of the NTP time, and when.
    reports: [(u32, Time); REMEMBERED],
    next: usize,
    /// When the next one is due; `None` while nothing is sent.
    pub due: Option<Time>,
}

impl ReportClock {
    /// The publisher's sender report says that its wall clock and the timestamps met here. Returns whether nothing was
    /// known of it before.
    pub fn set_published(&mut self, now: Time, ntp: u64, timestamp: u32) -> bool {
        self.published.replace(Moment { at: now, ntp, timestamp }).is_none()
    }

    /// The slot carries another stream from now on.
    pub fn forget_published(&mut self) {
        self.published = None;
    }

    /// A packet with this timestamp leaves.
    pub fn handle_sent(&mut self, now: Time, timestamp: u32, clock_rate: u32) {
        self.clock_rate = clock_rate;
        if self.sent.is_none_or(|(_, latest)| is_after(timestamp, latest)) {
            self.sent = Some((now, timestamp));
        }
    }

    /// Whether anything was sent since then.
    pub fn sent_since(&self, then: Time) -> bool {
        self.sent.is_some_and(|(at, _)| at >= then)
    }

    /// The next report; `None` while nothing was sent. `wall_clock` is our own, for slots of which no publisher's is
    /// known.
    pub fn report(&mut self, now: Time, ssrc: Ssrc, wall_clock: u64, packets: u64, octets: u64) -> Option<SenderInfo> {
        let (sent_at, sent) = self.sent?;
        let (ntp, timestamp) = match self.published {
            // As far on one clock as on the other: the distance to the report stays short, so that a clock that
            // runs a little fast does not pull sound and picture apart.
            Some(moment) => {
                let passed = now.since(moment.at);
                (moment.ntp.wrapping_add(to_ntp(passed)), moment.timestamp.wrapping_add(self.ticks(passed)))
            }
            None => (wall_clock, sent.wrapping_add(self.ticks(now.since(sent_at)))),
        };
        self.reports[self.next] = (middle(ntp), now);
        self.next = (self.next + 1) % REMEMBERED;
        // Both counters wrap (RFC 3550, 6.4.1).
        Some(SenderInfo { ssrc, ntp, timestamp, packets: packets as u32, octets: octets as u32 })
    }

    /// The round-trip time that a block tells: from our report to its arrival here, without the time that the receiver
    /// kept it (RFC 3550, 6.4.1). `None` if it answers to no report of ours.
    pub fn round_trip(&self, now: Time, block: &ReportBlock) -> Option<Duration> {
        if block.last_sender_report == 0 {
            return None;
        }
        let (_, sent_at) = self.reports.iter().find(|(middle, _)| *middle == block.last_sender_report)?;
        let kept = Duration::from_micros(u64::from(block.delay) * 1_000_000 / 65_536);
        // Clocks run at different speeds: a little less than nothing is nothing.
        Some(now.since(*sent_at).saturating_sub(kept).max(Duration::from_micros(1)))
    }

    /// So many ticks of the slot's clock, as time.
    pub fn time(&self, ticks: u32) -> Duration {
        match self.clock_rate {
            0 => Duration::ZERO,
            rate => Duration::from_micros(u64::from(ticks) * 1_000_000 / u64::from(rate)),
        }
    }

    /// Wraps as timestamps do.
    fn ticks(&self, time: Duration) -> u32 {
        (time.as_micros() * u128::from(self.clock_rate) / 1_000_000) as u32
    }
}

/// What a slot's receiver says.
#[derive(Debug, Default)]
pub(super) struct Reported {
    pub lost: i32,
    /// In 1/256.
    pub share: u8,
    /// In ticks.
    pub jitter: u32,
    highest: Option<u32>,
}

impl Reported {
    /// Returns how many packets the block tells of that the one before did not.
    pub fn handle(&mut self, block: &ReportBlock) -> u64 {
        (self.lost, self.share, self.jitter) = (block.lost, block.fraction_lost, block.jitter);
        let before = self.highest.replace(block.highest_sequence);
        let more = block.highest_sequence.wrapping_sub(before.unwrap_or(block.highest_sequence));
        // A receiver that starts again counts from elsewhere.
        if more < 1 << 16 { u64::from(more) } else { 0 }
    }
}

/// A duration as NTP counts: seconds in the upper 32 bits, their fraction below; wraps in 2036.
pub(crate) fn to_ntp(duration: Duration) -> u64 {
    ((duration.as_micros() << 32) / 1_000_000) as u64
}

/// The 32 bits of NTP time that report blocks repeat.
fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// Whether one timestamp is later than another, across the wrap.
pub(super) fn is_after(timestamp: u32, other: u32) -> bool {
    timestamp.wrapping_sub(other) as i32 > 0
}
