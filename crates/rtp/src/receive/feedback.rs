//! When the receiving half has something to say, and saying it.

use std::time::Duration;

use conclave_qos::Time;

use super::Receiver;
use super::reception::Reception;
use super::stream::Stream;
use crate::rtcp::{FirEntry, MAX_BLOCKS, MAX_COMPOUND, ReportBlock, Writer};
use crate::send::to_ntp;
use crate::{NoRoom, Ssrc};

/// Receiver reports are about this far apart (RFC 3550 section 6.2 with the reduced minimum).
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// The head of a receiver report, and one block.
const REPORT_HEAD: usize = 8;
const REPORT_BLOCK: usize = 24;
/// What the log's largest report takes: it has to be written once it has been taken. With 400 arrivals of two bytes
/// and 147 chunks for 1,024 numbers that is 1,122 bytes.
const FEEDBACK_ROOM: usize = MAX_COMPOUND - 60;

/// When what is due.
#[derive(Debug)]
pub(super) struct Reporting {
    /// The next receiver report; `None` until something has been received.
    report: Option<Time>,
    /// Where a report goes on that did not fit.
    report_from: usize,
    /// No later than the first moment at which a stream has something to ask.
    streams: Option<Time>,
    seed: u64,
}

impl Reporting {
    pub(super) const fn new(seed: u64) -> Self {
        Self { report: None, report_from: 0, streams: None, seed }
    }

    /// A stream has something to ask then.
    pub(super) fn wake_at(&mut self, due: Time) {
        self.streams = Some(self.streams.map_or(due, |known| known.min(due)));
    }

    /// Something has been received, so there will be a report. The first is soon: it tells the sender that its sources
    /// are known, and need not be named in every packet any longer.
    pub(super) fn heard(&mut self, now: Time) {
        if self.report.is_none() {
            self.report = Some(now + REPORT_INTERVAL / 10);
        }
    }

    /// Half an interval to one and a half (RFC 3550 section 6.3.1).
    fn after_report(&mut self, now: Time, more_to_come: bool) {
        self.report_from = 0;
        let spread = Duration::from_micros(self.next_random() % REPORT_INTERVAL.as_micros() as u64);
        self.report = more_to_come.then(|| now + REPORT_INTERVAL / 2 + spread);
    }

    /// SplitMix64: enough to spread reports.
    fn next_random(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ self.seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

impl Receiver {
    /// When [`Receiver::write_rtcp`] has something to write; `None` while there is nothing. It may turn out to be
    /// nothing after all.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        let by_source = self.by_source.as_ref().and_then(|by_source| by_source.arrivals.poll_timeout());
        let arrivals = self.arrivals.poll_timeout();
        [self.reporting.report, self.reporting.streams, arrivals, by_source].into_iter().flatten().min()
    }

    /// Writes what is due, as far as it fits. Call again, with another compound, while that writes something.
    pub fn write_rtcp(&mut self, now: Time, writer: &mut Writer<'_>) {
        // What does not fit stays due, and goes into the next compound.
        let _ = self.write_report(now, writer);
        let _ = self.write_transport_feedback(now, writer);
        let _ = self.write_congestion_feedback(now, writer);
        if self.reporting.streams.is_some_and(|due| due <= now) {
            let _ = self.write_requests(now, writer);
        }
    }

    fn write_report(&mut self, now: Time, writer: &mut Writer<'_>) -> Result<(), NoRoom> {
        if self.reporting.report.is_none_or(|due| due > now) {
            return Ok(());
        }
        let room = writer.remaining().checked_sub(REPORT_HEAD + cname_length(&self.config.cname)).ok_or(NoRoom)?;
        let most = MAX_BLOCKS.min(room / REPORT_BLOCK);
        let mut blocks = [ReportBlock::default(); MAX_BLOCKS];
        let mut count = 0;
        let news = self.streams.iter_mut().flat_map(Stream::receptions).enumerate().skip(self.reporting.report_from);
        for (position, reception) in news.filter(|(_, reception)| reception.has_news()) {
            if count == most {
                self.reporting.report_from = position;
                writer.receiver_report(self.config.reporter, &blocks[..count])?;
                return Ok(());
            }
            blocks[count] = reception.take_report(now);
            count += 1;
        }
        if count > 0 {
            writer.receiver_report(self.config.reporter, &blocks[..count])?;
            writer.cname(self.config.reporter, &self.config.cname)?;
        }
        // Nothing came for a while: the next packet wakes it.
        self.reporting.after_report(now, count > 0);
        Ok(())
    }

    /// Missing packets and key frames.
    fn write_requests(&mut self, now: Time, writer: &mut Writer<'_>) -> Result<(), NoRoom> {
        let reporter = self.config.reporter;
        let mut next = None;
        for stream in &mut self.streams {
            if let Some(newest) = stream.newest() {
                stream.missing.give_up(now, newest);
            }
            // One that the description names may not send yet; until its first packet nobody knows what it understands.
            let heard = stream.media.filter(|media| media.since.is_some());
            if let Some(media) = heard {
                if stream.missing.due().is_some_and(|due| due <= now) {
                    let asked = writer.nack(reporter, media.ssrc, stream.missing.to_ask(now))?;
                    stream.missing.asked(now, asked, &self.round_trip);
                    stream.counters.asked += asked as u64;
                }
                if stream.keyframe.due(now).is_some_and(|due| due <= now) {
                    ask_for_keyframe(now, writer, reporter, media.ssrc, stream)?;
                }
            }
            let keyframe = heard.and(stream.keyframe.due(now));
            next = [next, stream.missing.due(), keyframe].into_iter().flatten().min();
        }
        self.reporting.streams = next;
        Ok(())
    }

    fn write_transport_feedback(&mut self, now: Time, writer: &mut Writer<'_>) -> Result<(), NoRoom> {
        while self.arrivals.poll_timeout().is_some_and(|due| due <= now) && writer.remaining() >= FEEDBACK_ROOM {
            let Some(feedback) = self.arrivals.poll_feedback(now) else { break };
            // Any stream of the transport will do.
            let media = self.streams.iter().find_map(|stream| stream.media).map_or(Ssrc(0), |bound| bound.ssrc);
            writer.transport_feedback(self.config.reporter, media, &feedback)?;
        }
        Ok(())
    }
}

impl Receiver {
    fn write_congestion_feedback(&mut self, now: Time, writer: &mut Writer<'_>) -> Result<(), NoRoom> {
        let Some(by_source) = &mut self.by_source else { return Ok(()) };
        let ntp = by_source.ntp_at_start.wrapping_add(to_ntp(now.to_duration()));
        by_source.arrivals.write(now, ntp, self.config.reporter, writer)
    }
}

impl Stream {
    fn receptions(&mut self) -> impl Iterator<Item = &mut Reception> {
        self.reception.iter_mut().chain(&mut self.repair_reception)
    }
}

fn ask_for_keyframe(
    now: Time,
    writer: &mut Writer<'_>,
    reporter: Ssrc,
    media: Ssrc,
    stream: &mut Stream,
) -> Result<(), NoRoom> {
    if stream.feedback.pli {
        writer.pli(reporter, media)?;
    } else if stream.feedback.fir {
        writer.fir(reporter, &[FirEntry { ssrc: media, number: stream.keyframe.number }])?;
    } else {
        stream.keyframe.forget();
        return Ok(());
    }
    stream.keyframe.asked(now);
    stream.counters.keyframes_asked += 1;
    Ok(())
}

/// What a canonical name takes: head, source, kind and length, the text, its end, and up to the boundary.
const fn cname_length(cname: &str) -> usize {
    (4 + 4 + 2 + cname.len() + 1).next_multiple_of(4)
}
