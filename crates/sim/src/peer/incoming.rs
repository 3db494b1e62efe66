//! The book of one stream that comes in: what is missing, and what a receiver report says of it.

use std::collections::VecDeque;
use std::time::Duration;

use conclave_qos::Time;
use conclave_rtp::Ssrc;
use conclave_rtp::rtcp::ReportBlock;

use crate::sdp::Kind;

/// Waits for a packet that may only have been overtaken.
const REORDERING: Duration = Duration::from_millis(10);
/// Between two requests for the same packet, about as libwebrtc waits without a measured round trip.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// Requests for one packet (libwebrtc's `kMaxNackRetries`).
const MOST_ASKED: u8 = 10;
/// A packet that has not come after this time is lost.
const GIVEN_UP: Duration = Duration::from_secs(1);
/// Missing packets of one stream that are remembered; what exceeds them is lost.
const MOST_MISSING: usize = 1_000;
/// A jump this large is a new beginning (RFC 3550 appendix A.1: MAX_DROPOUT).
const JUMP: u64 = 3_000;

pub(super) struct Incoming {
    pub(super) ssrc: Ssrc,
    pub(super) kind: Kind,
    /// A key frame has come.
    pub(super) has_key_frame: bool,
    /// When a key frame was asked for last.
    pub(super) asked_key_frame: Option<Time>,
    pub(super) since: Time,
    first: u64,
    highest: u64,
    received: u64,
    missing: VecDeque<Missing>,
    /// Expected and received when the last report was made.
    reported: (u64, u64),
    jitter: f64,
    transit: Option<f64>,
    sender_report: Option<(u32, Time)>,
}

struct Missing {
    sequence: u64,
    since: Time,
    asked: u8,
    next: Time,
}

/// What a packet was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The next one, or one that was missing; so many are lost for good by a jump or for want of room.
    New { lost: u64 },
    /// It had come before, or was given up.
    Known,
}

impl Incoming {
    pub(super) fn new(ssrc: Ssrc, kind: Kind, sequence: u16, now: Time) -> Self {
        // Numbering begins high enough for packets before the first.
        let first = 1 << 16 | u64::from(sequence);
        Self {
            ssrc,
            kind,
            has_key_frame: false,
            asked_key_frame: None,
            since: now,
            first,
            highest: first - 1,
            received: 0,
            missing: VecDeque::new(),
            reported: (0, 0),
            jitter: 0.0,
            transit: None,
            sender_report: None,
        }
    }

    pub(super) fn handle_packet(&mut self, now: Time, sequence: u16, timestamp: u32) -> Arrival {
        let ahead = sequence.wrapping_sub(self.highest as u16) as i16;
        let number = self.highest.saturating_add_signed(ahead.into());
        if number <= self.highest {
            return self.handle_late(number);
        }
        self.note_transit(now, timestamp);
        let mut lost = 0;
        if number - self.highest > JUMP {
            lost += self.missing.len() as u64;
            self.missing.clear();
            (self.first, self.received, self.reported) = (number, 0, (0, 0));
        } else {
            let next = now + REORDERING;
            self.missing.extend((self.highest + 1..number).map(|sequence| Missing {
                sequence,
                since: now,
                asked: 0,
                next,
            }));
            let surplus = self.missing.len().saturating_sub(MOST_MISSING);
            self.missing.drain(..surplus);
            lost += surplus as u64;
        }
        self.highest = number;
        self.received += 1;
        Arrival::New { lost }
    }

    fn handle_late(&mut self, number: u64) -> Arrival {
        match self.missing.binary_search_by_key(&number, |missing| missing.sequence) {
            Ok(at) => {
                self.missing.remove(at);
                self.received += 1;
                Arrival::New { lost: 0 }
            }
            Err(_) => Arrival::Known,
        }
    }

    /// A packet that came by retransmission, under its original number.
    pub(super) fn handle_retransmission(&mut self, sequence: u16) -> Arrival {
        let ahead = sequence.wrapping_sub(self.highest as u16) as i16;
        self.handle_late(self.highest.saturating_add_signed(ahead.into()))
    }

    pub(super) fn handle_sender_report(&mut self, now: Time, ntp: u64) {
        self.sender_report = Some(((ntp >> 16) as u32, now));
    }

    /// How many are given up now.
    pub(super) fn give_up(&mut self, now: Time) -> u64 {
        let mut lost = 0;
        while self.missing.front().is_some_and(|missing| now.since(missing.since) >= GIVEN_UP) {
            self.missing.pop_front();
            lost += 1;
        }
        lost
    }

    /// The numbers to ask for now. Sound is not asked for again: it would come too late.
    pub(super) fn take_nacks(&mut self, now: Time) -> impl Iterator<Item = u16> {
        let is_video = self.kind != Kind::Audio;
        self.missing.iter_mut().filter_map(move |missing| {
            if !is_video || missing.next > now || missing.asked >= MOST_ASKED {
                return None;
            }
            missing.asked += 1;
            missing.next = now + ASK_AGAIN;
            Some(missing.sequence as u16)
        })
    }

    pub(super) fn is_incomplete(&self) -> bool {
        !self.missing.is_empty()
    }

    /// What a receiver report says (RFC 3550 section 6.4.1, appendix A.3).
    pub(super) fn take_report(&mut self, now: Time) -> ReportBlock {
        let expected = self.highest + 1 - self.first;
        let (expected_new, received_new) = (expected - self.reported.0, self.received.saturating_sub(self.reported.1));
        self.reported = (expected, self.received);
        let fraction = expected_new.saturating_sub(received_new) * 256 / expected_new.max(1);
        let (last_sender_report, delay) = self.sender_report.map_or((0, 0), |(ntp, at)| {
            // In units of 1/65,536 s; a report is never hours old.
            (ntp, (now.since(at).as_micros() * 65_536 / 1_000_000) as u32)
        });
        ReportBlock {
            ssrc: self.ssrc,
            fraction_lost: fraction.min(255) as u8,
            lost: expected.saturating_sub(self.received).min(0x7f_ffff) as i32,
            // The wire's 32 bits, without the offset of the first.
            highest_sequence: (self.highest - (1 << 16)) as u32,
            jitter: self.jitter as u32,
            last_sender_report,
            delay,
        }
    }

    /// RFC 3550 appendix A.8.
    fn note_transit(&mut self, now: Time, timestamp: u32) {
        let clock = if self.kind == Kind::Audio { 48_000.0 } else { 90_000.0 };
        let transit = now.to_duration().as_secs_f64() * clock - f64::from(timestamp);
        if let Some(before) = self.transit.replace(transit) {
            let difference = (transit - before).abs();
            // A wrap of the timestamp, or another source in the slot, is no jitter.
            if difference < clock {
                self.jitter += (difference - self.jitter) / 16.0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::VideoCodec;

    fn ms(milliseconds: u64) -> Time {
        Time::since_start(Duration::from_millis(milliseconds))
    }

    fn book() -> Incoming {
        Incoming::new(Ssrc(1), Kind::Video(VideoCodec::Vp8), 65_530, ms(0))
    }

    #[test]
    fn a_stream_without_loss_has_none_over_a_wrap() {
        let mut book = book();
        for number in 0..100_u16 {
            let sequence = 65_530_u16.wrapping_add(number);
            assert_eq!(book.handle_packet(ms(number.into()), sequence, 0), Arrival::New { lost: 0 });
        }
        assert!(!book.is_incomplete());
        let report = book.take_report(ms(100));
        assert_eq!((report.fraction_lost, report.lost, report.highest_sequence), (0, 0, 65_629));
    }

    #[test]
    fn what_is_missing_is_asked_for_again_until_it_comes_or_is_given_up() {
        let mut book = book();
        book.handle_packet(ms(0), 65_530, 0);
        book.handle_packet(ms(1), 65_533, 0);
        assert_eq!(book.take_nacks(ms(5)).count(), 0);
        assert_eq!(book.take_nacks(ms(11)).collect::<Vec<_>>(), [65_531, 65_532]);
        assert_eq!(book.take_nacks(ms(50)).count(), 0);
        assert_eq!(book.handle_retransmission(65_531), Arrival::New { lost: 0 });
        assert_eq!(book.handle_retransmission(65_531), Arrival::Known);
        assert_eq!(book.take_nacks(ms(111)).collect::<Vec<_>>(), [65_532]);
        assert_eq!(book.give_up(ms(999)), 0);
        assert_eq!(book.give_up(ms(1_001)), 1);
        assert!(!book.is_incomplete());
        let report = book.take_report(ms(1_001));
        assert_eq!((report.fraction_lost, report.lost), (64, 1));
    }

    #[test]
    fn a_jump_begins_anew() {
        let mut book = book();
        book.handle_packet(ms(0), 65_530, 0);
        assert_eq!(book.handle_packet(ms(1), 20_000, 0), Arrival::New { lost: 0 });
        assert_eq!(book.take_report(ms(2)).lost, 0);
    }
}
