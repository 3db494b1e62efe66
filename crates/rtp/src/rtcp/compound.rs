//! Telling a compound's packets apart.

use super::congestion::CongestionFeedback;
use super::feedback::{Fir, Nack, Remb};
use super::reports::{Bye, ReportBlocks, SenderInfo};
use super::transport::{MAX_STATUSES, TransportFeedback};
use super::{formats, types, word};
use crate::header::Malformed;
use crate::{MAX_PACKET, Ssrc};

/// One packet of a compound.
#[derive(Clone, Debug, PartialEq)]
pub enum Packet<'a> {
    /// What a sender has sent, and what it receives (RFC 3550 section 6.4.1).
    SenderReport {
        /// What it has sent.
        info: SenderInfo,
        /// What it receives.
        blocks: ReportBlocks<'a>,
    },
    /// What somebody receives (RFC 3550 section 6.4.2).
    ReceiverReport {
        /// Who says so.
        sender: Ssrc,
        /// What it receives.
        blocks: ReportBlocks<'a>,
    },
    /// Names of sources, which nothing here needs (RFC 3550 section 6.5).
    Sdes,
    /// Sources that have ended (RFC 3550 section 6.6).
    Bye(Bye<'a>),
    /// Packets that are missing (RFC 4585 section 6.2.1).
    Nack(Nack<'a>),
    /// A key frame is wanted (RFC 4585 section 6.3.1).
    Pli {
        /// Who wants it.
        sender: Ssrc,
        /// Of which stream.
        media: Ssrc,
    },
    /// Key frames are wanted (RFC 5104 section 4.3.1).
    Fir(Fir<'a>),
    /// A receiver's own estimate of its network.
    Remb(Remb<'a>),
    /// When which packets of a transport arrived.
    TransportFeedback(TransportFeedback<'a>),
    /// When which packets of which streams arrived, and how they were marked (RFC 8888).
    CongestionFeedback(CongestionFeedback<'a>),
    /// Well-formed, and nothing that is known here.
    Unknown {
        /// The packet type.
        packet_type: u8,
        /// The count, or format.
        format: u8,
    },
}

/// The packets of a compound, or of a reduced-size packet (RFC 5506), in order. What cannot be framed ends it, what
/// is malformed within its frame does not.
#[derive(Clone, Debug)]
pub struct Compound<'a> {
    rest: &'a [u8],
    /// How many sequence numbers its transport-wide feedback may still speak of. Few bytes can speak of many, and
    /// whoever reads them walks them.
    statuses: u16,
}

impl<'a> Compound<'a> {
    /// The packets of what has been decrypted. More than [`MAX_PACKET`] bytes are not looked at, so at most 375
    /// packets come out.
    #[must_use]
    pub fn parse(compound: &'a [u8]) -> Self {
        Self { rest: &compound[..compound.len().min(MAX_PACKET)], statuses: MAX_STATUSES }
    }
}

impl<'a> Iterator for Compound<'a> {
    type Item = Result<Packet<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match frame(self.rest) {
            Ok((frame, rest)) => {
                self.rest = rest;
                Some(frame.parse().and_then(|packet| self.within_bounds(packet)))
            }
            Err(malformed) => {
                self.rest = &[];
                Some(Err(malformed))
            }
        }
    }
}

impl<'a> Compound<'a> {
    fn within_bounds(&mut self, packet: Packet<'a>) -> Result<Packet<'a>, Malformed> {
        if let Packet::TransportFeedback(feedback) = &packet {
            self.statuses = self.statuses.checked_sub(feedback.count).ok_or(Malformed::Field)?;
        }
        Ok(packet)
    }
}

/// A packet of which only the head has been read.
struct Frame<'a> {
    packet_type: u8,
    format: u8,
    /// Behind the head's four bytes, without padding.
    body: &'a [u8],
}

fn frame(bytes: &[u8]) -> Result<(Frame<'_>, &[u8]), Malformed> {
    let head = bytes.first_chunk::<4>().ok_or(Malformed::Truncated)?;
    if head[0] >> 6 != 2 {
        return Err(Malformed::Version);
    }
    let end = 4 + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
    if bytes.len() < end {
        return Err(Malformed::Truncated);
    }
    let (packet, rest) = bytes.split_at(end);
    let mut body = &packet[4..];
    if head[0] & 0x20 != 0 {
        let count = usize::from(*body.last().ok_or(Malformed::Padding)?);
        // RFC 3550 wants a multiple of four; libwebrtc's transport-wide feedback pads with fewer bytes.
        let kept = body.len().checked_sub(count).filter(|_| count > 0);
        body = &body[..kept.ok_or(Malformed::Padding)?];
    }
    Ok((Frame { packet_type: head[1], format: head[0] & 0x1f, body }, rest))
}

impl<'a> Frame<'a> {
    fn parse(self) -> Result<Packet<'a>, Malformed> {
        let Self { packet_type, format, body } = self;
        match (packet_type, format) {
            (types::SENDER_REPORT, count) => {
                let (info, blocks) = SenderInfo::parse(body)?;
                Ok(Packet::SenderReport { info, blocks: ReportBlocks::parse(blocks, count)? })
            }
            (types::RECEIVER_REPORT, count) => {
                let sender = Ssrc(word(body, 0).ok_or(Malformed::Truncated)?);
                Ok(Packet::ReceiverReport { sender, blocks: ReportBlocks::parse(&body[4..], count)? })
            }
            (types::SDES, _) => Ok(Packet::Sdes),
            (types::BYE, count) => Bye::parse(body, count).map(Packet::Bye),
            (types::TRANSPORT_FEEDBACK, formats::CONGESTION) => {
                CongestionFeedback::parse(body).map(Packet::CongestionFeedback)
            }
            (types::TRANSPORT_FEEDBACK | types::PAYLOAD_FEEDBACK, _) => {
                let head = body.first_chunk::<8>().ok_or(Malformed::Truncated)?;
                let sender = Ssrc(u32::from_be_bytes([head[0], head[1], head[2], head[3]]));
                let media = Ssrc(u32::from_be_bytes([head[4], head[5], head[6], head[7]]));
                feedback(packet_type, format, sender, media, &body[8..])
            }
            _ => Ok(Packet::Unknown { packet_type, format }),
        }
    }
}

fn feedback(packet_type: u8, format: u8, sender: Ssrc, media: Ssrc, control: &[u8]) -> Result<Packet<'_>, Malformed> {
    match (packet_type, format) {
        (types::TRANSPORT_FEEDBACK, formats::NACK) => Nack::parse(sender, media, control).map(Packet::Nack),
        (types::TRANSPORT_FEEDBACK, formats::TRANSPORT_WIDE) => {
            TransportFeedback::parse(sender, media, control).map(Packet::TransportFeedback)
        }
        (types::PAYLOAD_FEEDBACK, formats::PLI) => Ok(Packet::Pli { sender, media }),
        (types::PAYLOAD_FEEDBACK, formats::FIR) => Fir::parse(sender, control).map(Packet::Fir),
        (types::PAYLOAD_FEEDBACK, formats::APPLICATION) if control.starts_with(b"REMB") => {
            Remb::parse(sender, control).map(Packet::Remb)
        }
        _ => Ok(Packet::Unknown { packet_type, format }),
    }
}
