//! Writing compounds.

use conclave_qos::{Bitrate, Ecn, Feedback, Time};

use super::congestion::{MAX_REPORTS, write_metric};
use super::feedback::{FirEntry, Remb};
use super::reports::{ReportBlock, SenderInfo};
use super::transport::Report;
use super::{MAX_BLOCKS, formats, types};
use crate::Ssrc;
use crate::write::NoRoom;

/// Puts packets of a compound one behind the other. A packet that does not fit leaves nothing behind.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl<'a> Writer<'a> {
    /// Writes to the start of `buffer`, and never beyond its end.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, length: 0 }
    }

    /// Bytes written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes that are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.buffer.len() - self.length
    }

    /// A sender report (RFC 3550 section 6.4.1). More than 31 blocks need further receiver reports.
    ///
    /// # Errors
    /// If it does not fit, or has more than 31 blocks.
    pub fn sender_report(&mut self, info: &SenderInfo, blocks: &[ReportBlock]) -> Result<(), NoRoom> {
        let mut packet = self.packet(types::SENDER_REPORT, count(blocks.len(), MAX_BLOCKS)?);
        packet.put(&info.to_bytes())?;
        blocks.iter().try_for_each(|block| packet.put(&block.to_bytes()))?;
        packet.finish()
    }

    /// A receiver report (RFC 3550 section 6.4.2).
    ///
    /// # Errors
    /// If it does not fit, or has more than 31 blocks.
    pub fn receiver_report(&mut self, sender: Ssrc, blocks: &[ReportBlock]) -> Result<(), NoRoom> {
        let mut packet = self.packet(types::RECEIVER_REPORT, count(blocks.len(), MAX_BLOCKS)?);
        packet.put(&sender.0.to_be_bytes())?;
        blocks.iter().try_for_each(|block| packet.put(&block.to_bytes()))?;
        packet.finish()
    }

    /// A source's canonical name (RFC 3550 section 6.5.1), of at most 255 bytes.
    ///
    /// # Errors
    /// If it does not fit.
    pub fn cname(&mut self, ssrc: Ssrc, cname: &str) -> Result<(), NoRoom> {
        const CNAME: u8 = 1;
        let length = u8::try_from(cname.len()).map_err(|_| NoRoom)?;
        let mut packet = self.packet(types::SDES, 1);
        packet.put(&ssrc.0.to_be_bytes())?;
        packet.put(&[CNAME, length])?;
        packet.put(cname.as_bytes())?;
        // At least one zero ends the list of items; the padding to the boundary is more of them.
        packet.put(&[0])?;
        packet.finish()
    }

    /// Sources that have ended (RFC 3550 section 6.6).
    ///
    /// # Errors
    /// If it does not fit, or there are more than 31.
    pub fn bye(&mut self, sources: &[Ssrc]) -> Result<(), NoRoom> {
        let mut packet = self.packet(types::BYE, count(sources.len(), MAX_BLOCKS)?);
        sources.iter().try_for_each(|ssrc| packet.put(&ssrc.0.to_be_bytes()))?;
        packet.finish()
    }

    /// Asks for missing packets (RFC 4585 section 6.2.1), in ascending order, as many as fit; returns how many that
    /// were.
    ///
    /// # Errors
    /// If not even one fits. None at all are no packet, and no error.
    pub fn nack(&mut self, sender: Ssrc, media: Ssrc, missing: impl IntoIterator<Item = u16>) -> Result<usize, NoRoom> {
        let mut missing = missing.into_iter().peekable();
        if missing.peek().is_none() {
            return Ok(0);
        }
        let mut packet = self.feedback(types::TRANSPORT_FEEDBACK, formats::NACK, sender, media)?;
        let mut written = 0;
        while let Some(first) = missing.next() {
            let (mut mask, mut asked) = (0u16, 1);
            while let Some(distance) = missing.peek().map(|next| next.wrapping_sub(first)).filter(|d| *d <= 16) {
                // One that is asked for twice is asked for once.
                mask |= if distance == 0 { 0 } else { 1 << (distance - 1) };
                asked += 1;
                missing.next();
            }
            if packet.put(&(u32::from(first) << 16 | u32::from(mask)).to_be_bytes()).is_err() {
                break;
            }
            written += asked;
        }
        if written == 0 {
            return Err(NoRoom);
        }
        packet.finish()?;
        Ok(written)
    }

    /// Asks for a key frame (RFC 4585 section 6.3.1).
    ///
    /// # Errors
    /// If it does not fit.
    pub fn pli(&mut self, sender: Ssrc, media: Ssrc) -> Result<(), NoRoom> {
        self.feedback(types::PAYLOAD_FEEDBACK, formats::PLI, sender, media)?.finish()
    }

    /// Asks for key frames of several streams (RFC 5104 section 4.3.1).
    ///
    /// # Errors
    /// If it does not fit.
    pub fn fir(&mut self, sender: Ssrc, entries: &[FirEntry]) -> Result<(), NoRoom> {
        // The source of the media is in the entries (section 4.3.1.2).
        let mut packet = self.feedback(types::PAYLOAD_FEEDBACK, formats::FIR, sender, Ssrc(0))?;
        for entry in entries {
            packet.put(&entry.ssrc.0.to_be_bytes())?;
            packet.put(&[entry.number, 0, 0, 0])?;
        }
        packet.finish()
    }

    /// Says what rate the network is believed to carry (draft-alvestrand-rmcat-remb-03), for at most 255 streams.
    ///
    /// # Errors
    /// If it does not fit, or there are more streams.
    pub fn remb(&mut self, sender: Ssrc, bitrate: Bitrate, streams: &[Ssrc]) -> Result<(), NoRoom> {
        let mut packet = self.feedback(types::PAYLOAD_FEEDBACK, formats::APPLICATION, sender, Ssrc(0))?;
        packet.put(b"REMB")?;
        let number = u32::from(count(streams.len(), 255)?) << 24;
        packet.put(&(number | Remb::encode(bitrate)).to_be_bytes())?;
        streams.iter().try_for_each(|ssrc| packet.put(&ssrc.0.to_be_bytes()))?;
        packet.finish()
    }

    /// Says which packets of the transport arrived, and when.
    ///
    /// # Errors
    /// If it does not fit.
    pub fn transport_feedback(&mut self, sender: Ssrc, media: Ssrc, feedback: &Feedback<'_>) -> Result<(), NoRoom> {
        let report = Report {
            base: feedback.base,
            count: feedback.len,
            reference: feedback.reference(),
            report: feedback.count,
            arrivals: || feedback.arrivals().map(|(_, arrival)| arrival),
        };
        self.transport_report(sender, media, &report)
    }

    pub(super) fn transport_report<A, I>(&mut self, sender: Ssrc, media: Ssrc, report: &Report<A>) -> Result<(), NoRoom>
    where
        A: Fn() -> I,
        I: Iterator<Item = Option<Time>>,
    {
        let mut packet = self.feedback(types::TRANSPORT_FEEDBACK, formats::TRANSPORT_WIDE, sender, media)?;
        let start = packet.end;
        packet.end += report.write(&mut packet.writer.buffer[start..])?;
        packet.finish_padded()
    }

    /// Says which packets of which streams arrived, when, and how they were marked (RFC 8888 section 3.1). `at` is the
    /// moment of the report, `timestamp` the same moment as the middle 32 bits of an NTP timestamp.
    ///
    /// A block is a stream, its first sequence number, and what became of each packet from there on.
    ///
    /// # Errors
    /// If it does not fit, or a block speaks of more than 16,384 packets.
    pub fn congestion_feedback<B, R>(
        &mut self,
        sender: Ssrc,
        (at, timestamp): (Time, u32),
        blocks: B,
    ) -> Result<(), NoRoom>
    where
        B: IntoIterator<Item = (Ssrc, u16, R)>,
        R: IntoIterator<Item = Option<(Time, Ecn)>>,
    {
        let mut packet = self.packet(types::TRANSPORT_FEEDBACK, formats::CONGESTION);
        packet.put(&sender.0.to_be_bytes())?;
        for (ssrc, first, arrivals) in blocks {
            packet.put(&ssrc.0.to_be_bytes())?;
            packet.put(&first.to_be_bytes())?;
            let place = packet.end;
            packet.put(&[0; 2])?;
            let mut reports = 0u16;
            for arrival in arrivals {
                packet.put(&write_metric(arrival, at))?;
                reports += 1;
                if usize::from(reports) > MAX_REPORTS {
                    return Err(NoRoom);
                }
            }
            packet.put_at(place, &reports.to_be_bytes())?;
            packet.align()?;
        }
        packet.put(&timestamp.to_be_bytes())?;
        packet.finish()
    }

    fn feedback(&mut self, kind: u8, format: u8, sender: Ssrc, media: Ssrc) -> Result<Unfinished<'_, 'a>, NoRoom> {
        let mut packet = self.packet(kind, format);
        packet.put(&sender.0.to_be_bytes())?;
        packet.put(&media.0.to_be_bytes())?;
        Ok(packet)
    }

    /// Starts a packet. Unless it is finished, it was never there.
    fn packet(&mut self, kind: u8, format: u8) -> Unfinished<'_, 'a> {
        let end = self.length + 4;
        Unfinished { writer: self, kind, format, end }
    }
}

struct Unfinished<'w, 'a> {
    writer: &'w mut Writer<'a>,
    kind: u8,
    format: u8,
    /// Where it ends in the buffer so far; the head is written at the end.
    end: usize,
}

impl Unfinished<'_, '_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), NoRoom> {
        let end = self.end + bytes.len();
        self.writer.buffer.get_mut(self.end..end).ok_or(NoRoom)?.copy_from_slice(bytes);
        self.end = end;
        Ok(())
    }

    /// Writes over what was put before.
    fn put_at(&mut self, place: usize, bytes: &[u8]) -> Result<(), NoRoom> {
        self.writer.buffer.get_mut(place..place + bytes.len()).ok_or(NoRoom)?.copy_from_slice(bytes);
        Ok(())
    }

    /// Zeroes up to the boundary of four bytes.
    fn align(&mut self) -> Result<(), NoRoom> {
        while !(self.end - self.writer.length).is_multiple_of(4) {
            self.put(&[0])?;
        }
        Ok(())
    }

    /// Zeroes up to the boundary of four bytes, and the head.
    fn finish(mut self) -> Result<(), NoRoom> {
        self.align()?;
        self.write_head(0)
    }

    /// The same, with padding that says how long it is (RFC 3550 section 6.4.1): a reader need not find out where
    /// the last field ends.
    fn finish_padded(mut self) -> Result<(), NoRoom> {
        let padding = (4 - self.end % 4) % 4;
        for left in (1..=padding).rev() {
            self.put(&[if left == 1 { padding as u8 } else { 0 }])?;
        }
        self.write_head(if padding > 0 { 0x20 } else { 0 })
    }

    fn write_head(self, padding: u8) -> Result<(), NoRoom> {
        let start = self.writer.length;
        let words = u16::try_from((self.end - start) / 4 - 1).map_err(|_| NoRoom)?;
        let [high, low] = words.to_be_bytes();
        let head = self.writer.buffer.get_mut(start..start + 4).ok_or(NoRoom)?;
        head.copy_from_slice(&[0x80 | padding | self.format, self.kind, high, low]);
        self.writer.length = self.end;
        Ok(())
    }
}

fn count(number: usize, most: usize) -> Result<u8, NoRoom> {
    // `most` is at most 255.
    if number <= most { Ok(number as u8) } else { Err(NoRoom) }
}
