//! One stream that a bot sends, with what it needs to send packets again.

use std::collections::VecDeque;
use std::time::Duration;

use conclave_qos::Time;
use conclave_rtp::rtcp::{SenderInfo, Writer};
use conclave_rtp::srtp::Outbound;
use conclave_rtp::{Arena, ExtensionIds, ExtensionValues, OutgoingHeader, PayloadType, Ssrc, write_header};

use super::bot::Moment;
use crate::media::{Stamp, VideoCodec};
use crate::sdp::PayloadTypes;

/// Packets that can be sent again: seconds of an ordinary camera.
const KEPT: usize = 512;
/// The same packet is sent again once in this time at most.
const AGAIN: Duration = Duration::from_millis(20);
/// From 1900, which NTP counts from, to 1970 (RFC 5905 section 6).
const NTP_TO_UNIX: u64 = 2_208_988_800;

pub(super) struct Outgoing {
    pub(super) ssrc: Ssrc,
    rtx: Option<Ssrc>,
    mid: String,
    rid: Option<&'static str>,
    /// Told in stamps.
    stream: Option<u32>,
    types: Option<(PayloadType, Option<PayloadType>)>,
    ids: ExtensionIds,
    clock: u64,
    sequence: u64,
    rtx_sequence: u64,
    offset: u32,
    stamps: u32,
    packets: u32,
    octets: u32,
    last: Option<(u32, Duration)>,
    kept: VecDeque<Kept>,
}

#[derive(Default)]
struct Kept {
    sequence: u16,
    timestamp: u32,
    marker: bool,
    again: Time,
    payload: Vec<u8>,
}

/// What one stream is.
pub(super) struct OutgoingConfig {
    pub(super) ssrc: u32,
    pub(super) rtx: Option<u32>,
    pub(super) mid: String,
    pub(super) rid: Option<&'static str>,
    pub(super) stream: Option<u32>,
    pub(super) clock: u64,
    /// Where sequence numbers (below 2^15) and timestamps begin.
    pub(super) first_sequence: u16,
    pub(super) first_timestamp: u32,
}

/// What a packet of a source carries besides its payload.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) audio_level: Option<(u8, bool)>,
    /// Of video.
    pub(super) codec: Option<VideoCodec>,
}

impl Outgoing {
    pub(super) fn new(config: OutgoingConfig) -> Self {
        let OutgoingConfig { ssrc, rtx, mid, rid, stream, clock, first_sequence, first_timestamp } = config;
        Self {
            ssrc: Ssrc(ssrc),
            rtx: rtx.map(Ssrc),
            mid,
            rid,
            stream,
            types: None,
            ids: ExtensionIds::default(),
            clock,
            sequence: (first_sequence & 0x7fff).into(),
            rtx_sequence: 0,
            offset: first_timestamp,
            stamps: 0,
            packets: 0,
            octets: 0,
            last: None,
            kept: VecDeque::new(),
        }
    }

    /// Payload types and extensions that the server takes; `None`: it takes nothing.
    pub(super) fn agree(&mut self, types: Option<PayloadTypes>, ids: ExtensionIds) {
        let number = PayloadType::new;
        self.types = types.and_then(|types| Some((number(types.media)?, types.rtx.and_then(number))));
        self.ids = ids;
    }

    /// Seals a packet. Returns its length, 0 if the server takes none.
    pub(super) fn send(
        &mut self,
        now: Moment,
        piece: Piece,
        payload: &mut [u8],
        transport: &mut u16,
        srtp: &mut Outbound,
        arena: &mut Arena,
    ) -> usize {
        let Some((payload_type, _)) = self.types else { return 0 };
        if let Some(stream) = self.stream
            && Stamp::fits(piece.codec, payload)
        {
            Stamp { stream, number: self.stamps, sent: now.wall }.write(payload);
            self.stamps = self.stamps.wrapping_add(1);
        }
        let timestamp = piece.timestamp.wrapping_add(self.offset);
        let sequence = self.sequence;
        self.sequence += 1;
        self.keep(sequence as u16, timestamp, piece.marker, payload);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload.len() as u32);
        self.last = Some((timestamp, now.wall));
        let values =
            ExtensionValues { audio_level: piece.audio_level, rid: self.rid, ..values(now, transport, &self.mid) };
        let header = OutgoingHeader {
            payload_type,
            marker: piece.marker,
            padding: false,
            sequence: sequence as u16,
            timestamp,
            ssrc: self.ssrc,
        };
        seal(&header, &self.ids, &values, &[payload], sequence, srtp, arena)
    }

    /// Sends a packet again (RFC 4588 section 4). Returns its length, 0 if it is not there or has just been sent.
    pub(super) fn send_again(
        &mut self,
        now: Moment,
        sequence: u16,
        transport: &mut u16,
        srtp: &mut Outbound,
        arena: &mut Arena,
    ) -> usize {
        let (Some(rtx), Some((_, Some(payload_type)))) = (self.rtx, self.types) else { return 0 };
        // Packets are kept in order and without gaps.
        let newest = self.sequence.wrapping_sub(1) as u16;
        let age = usize::from(newest.wrapping_sub(sequence));
        let Some(index) = self.kept.len().checked_sub(age + 1) else { return 0 };
        let kept = &mut self.kept[index];
        if kept.again > now.time {
            return 0;
        }
        kept.again = now.time + AGAIN;
        let values = ExtensionValues { repaired_rid: self.rid, ..values(now, transport, &self.mid) };
        let header = OutgoingHeader {
            payload_type,
            marker: kept.marker,
            padding: false,
            sequence: self.rtx_sequence as u16,
            timestamp: kept.timestamp,
            ssrc: rtx,
        };
        let number = self.rtx_sequence;
        self.rtx_sequence += 1;
        let original = kept.sequence.to_be_bytes();
        seal(&header, &self.ids, &values, &[&original, &kept.payload], number, srtp, arena)
    }

    /// Whether it is the stream, or its retransmissions.
    pub(super) fn is(&self, ssrc: Ssrc) -> bool {
        self.ssrc == ssrc || self.rtx == Some(ssrc)
    }

    /// RFC 3550 section 6.4.1; nothing before the first packet.
    pub(super) fn write_report(&self, now: Moment, writer: &mut Writer<'_>) {
        let Some((timestamp, at)) = self.last else { return };
        let elapsed = now.wall.saturating_sub(at).as_micros() as u64 * self.clock / 1_000_000;
        let seconds = now.wall.as_secs() + NTP_TO_UNIX;
        let fraction = (u64::from(now.wall.subsec_nanos()) << 32) / 1_000_000_000;
        let info = SenderInfo {
            ssrc: self.ssrc,
            ntp: seconds << 32 | fraction,
            timestamp: timestamp.wrapping_add(elapsed as u32),
            packets: self.packets,
            octets: self.octets,
        };
        // A buffer for one compound has room for the few streams of a bot; what does not fit goes with the next.
        let _ = writer.sender_report(&info, &[]).and_then(|()| writer.cname(self.ssrc, "load"));
    }

    fn keep(&mut self, sequence: u16, timestamp: u32, marker: bool, payload: &[u8]) {
        if self.rtx.is_none() {
            return;
        }
        let mut kept = if self.kept.len() < KEPT { Kept::default() } else { self.kept.pop_front().unwrap_or_default() };
        kept.payload.clear();
        kept.payload.extend_from_slice(payload);
        self.kept.push_back(Kept { sequence, timestamp, marker, again: Time::default(), ..kept });
    }
}

fn values<'a>(now: Moment, transport: &mut u16, mid: &'a str) -> ExtensionValues<'a> {
    *transport = transport.wrapping_add(1);
    // Six bits of seconds and eighteen of their fraction.
    let micros = now.wall.as_micros() % 64_000_000;
    ExtensionValues {
        transport_sequence: Some(*transport),
        absolute_send_time: Some(((micros << 18) / 1_000_000) as u32),
        mid: Some(mid),
        ..ExtensionValues::default()
    }
}

fn seal(
    header: &OutgoingHeader,
    ids: &ExtensionIds,
    values: &ExtensionValues<'_>,
    payload: &[&[u8]],
    sequence: u64,
    srtp: &mut Outbound,
    arena: &mut Arena,
) -> usize {
    let packet = arena.begin();
    let Ok(start) = write_header(packet, header, ids, values) else { return 0 };
    let mut end = start;
    for part in payload {
        let Some(place) = packet.get_mut(end..end + part.len()) else { return 0 };
        place.copy_from_slice(part);
        end += part.len();
    }
    let Ok(length) = srtp.protect_rtp(packet, start, end, sequence) else { return 0 };
    arena.commit(length);
    length
}
