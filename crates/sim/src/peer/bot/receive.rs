//! What comes in.

use std::net::SocketAddr;
use std::time::Duration;

use conclave_qos::Time;
use conclave_rtp::rtcp::{Compound, Packet};
use conclave_rtp::{Header, Ssrc};

use super::super::incoming::{Arrival, Incoming};
use super::{Bot, Moment, Source};
use crate::media::{Stamp, is_key_frame};
use crate::sdp::Kind;

/// Until missing packets and key frames are looked after for the first time.
const REPAIR_DELAY: Duration = Duration::from_millis(20);
/// Streams of a server that are followed: 25 pictures and 3 voices, and what a server adds.
const MOST_STREAMS: usize = 256;
/// Packets between two that a sink sees; more are a jump.
const MOST_UNSEEN: u16 = 500;
/// Packets that a server may ask for at once.
const MOST_AGAIN: usize = 1_000;

impl Bot {
    /// Takes a datagram that the kernel stamped `arrived`; what is in it is used up.
    pub fn handle_packet(&mut self, now: Moment, arrived: Duration, from: SocketAddr, packet: &mut [u8]) {
        match packet {
            // RFC 7983; RFC 5761 section 4 for RTCP.
            [128..=191, second, ..] if matches!(*second & 0x7f, 64..=95) => self.handle_rtcp(now, packet),
            [128..=191, ..] => self.handle_rtp(now, arrived, packet),
            _ => {
                if self.transport.handle_packet(now.time, from, packet).is_err() {
                    self.report.ended = true;
                }
                self.transport_timeout = now.time;
            }
        }
    }

    fn handle_rtp(&mut self, now: Moment, arrived: Duration, packet: &mut [u8]) {
        if self.srtp.is_none() {
            return;
        }
        let Ok(header) = Header::parse(packet) else { return };
        let number = self.agreed.extensions.transport_sequence;
        if let Some(&[high, low]) = number.and_then(|id| header.extensions.get(id)) {
            self.note_arrival(now.time, u16::from_be_bytes([high, low]));
        }
        if self.drops {
            self.report.packets += 1;
            self.report.first_packet.get_or_insert(now.time);
            return;
        }
        let payload_type = header.payload_type.get();
        let (ssrc, sequence, timestamp) = (header.ssrc, header.sequence, header.timestamp);
        let kind = if self.agreed.audio.is_some_and(|types| types.media == payload_type) {
            Kind::Audio
        } else if let Some((codec, types)) = self.agreed.video
            && types.media == payload_type
        {
            Kind::Video(codec)
        } else {
            return self.handle_retransmission(now, ssrc, packet);
        };
        let Some(index) = self.stream(now.time, ssrc, kind, sequence) else { return };
        let report = &mut self.report;
        match self.incoming[index].handle_packet(now.time, sequence, timestamp) {
            Arrival::New { lost } => report.lost += lost,
            Arrival::Known => {
                report.duplicates += 1;
                return;
            }
        }
        report.packets += 1;
        report.bytes += packet.len() as u64;
        report.first_packet.get_or_insert(now.time);
        let is_video = kind != Kind::Audio;
        if is_video {
            report.video_packets += 1;
            report.first_video.get_or_insert(now.time);
        }
        if self.next_repair.is_none() && self.incoming[index].is_incomplete() {
            self.next_repair = Some(now.time + REPAIR_DELAY);
        }
        if self.config.sampled || (is_video && !self.incoming[index].has_key_frame) {
            self.look_inside(now, arrived, index, packet);
        }
    }

    /// Of what a sink does not see it says that it came evenly: that is what the server's estimation would hear of a
    /// path with room for everything.
    fn note_arrival(&mut self, now: Time, sequence: u16) {
        let last = self.last_arrival.replace((sequence, now));
        if self.drops
            && let Some((last, at)) = last
            && let unseen @ 1..=MOST_UNSEEN = sequence.wrapping_sub(last).wrapping_sub(1)
        {
            let step = now.since(at) / u32::from(unseen + 1);
            for number in 1..=unseen {
                self.arrivals.record(last.wrapping_add(number), at + step * u32::from(number));
            }
        }
        self.arrivals.record(sequence, now);
    }

    /// Decrypts a packet. Returns its payload.
    fn open<'a>(&mut self, packet: &'a mut [u8]) -> Option<&'a [u8]> {
        let (inbound, _) = self.srtp.as_mut()?;
        let Ok(plain) = inbound.unprotect_rtp(packet) else {
            self.report.undecryptable += 1;
            return None;
        };
        let packet = &packet[..plain.length];
        Header::parse(packet).ok()?.payload_of(packet).ok()
    }

    /// Decrypts a packet of media: its stamp, and whether a key frame begins.
    fn look_inside(&mut self, now: Moment, arrived: Duration, index: usize, packet: &mut [u8]) {
        let Some(payload) = self.open(packet) else { return };
        let incoming = &mut self.incoming[index];
        if let Kind::Video(codec) = incoming.kind
            && !incoming.has_key_frame
        {
            incoming.has_key_frame = is_key_frame(codec, payload);
            if incoming.has_key_frame {
                self.report.first_key_frame.get_or_insert(now.time);
            } else {
                self.next_repair.get_or_insert(now.time + REPAIR_DELAY);
            }
        }
        if self.config.sampled
            && let Some(stamp) = Stamp::read(payload)
        {
            self.note_stamp(now.time, arrived, stamp);
        }
    }

    fn note_stamp(&mut self, now: Time, arrived: Duration, stamp: Stamp) {
        self.report.stamped += 1;
        self.report.note_heard(stamp.stream, now);
        self.report.latency.get_or_insert_default().record(arrived.saturating_sub(stamp.sent));
        match self.stamps.iter_mut().find(|(stream, _)| *stream == stamp.stream) {
            Some((_, last)) => {
                let ahead = stamp.number.wrapping_sub(*last);
                // Overtaken packets were counted as missing when they were.
                if ahead < u32::MAX / 2 {
                    self.report.missing_stamps += u64::from(ahead.saturating_sub(1));
                    *last = stamp.number;
                } else {
                    self.report.missing_stamps = self.report.missing_stamps.saturating_sub(1);
                }
            }
            None => {
                // A server cannot make up stamps, so the run's bots bound this.
                self.stamps.push((stamp.stream, stamp.number));
            }
        }
    }

    fn handle_retransmission(&mut self, now: Moment, ssrc: Ssrc, packet: &mut [u8]) {
        let repaired = self.repairs.iter().find(|(_, rtx)| *rtx == ssrc.0).map(|(media, _)| Ssrc(*media));
        // Probes are padding and nothing else.
        let Some(payload @ [high, low, ..]) = self.open(packet) else { return };
        let original = u16::from_be_bytes([*high, *low]);
        // A server that does not say which stream it repairs has one that lacks this number.
        let found = self.incoming.iter_mut().find(|stream| match repaired {
            Some(ssrc) => stream.ssrc == ssrc,
            None => stream.is_incomplete(),
        });
        let Some(stream) = found else { return };
        match stream.handle_retransmission(original) {
            Arrival::New { .. } => {
                self.report.recovered += 1;
                self.report.first_packet.get_or_insert(now.time);
                if payload.len() > 2
                    && let Kind::Video(codec) = stream.kind
                {
                    stream.has_key_frame |= is_key_frame(codec, &payload[2..]);
                }
            }
            Arrival::Known => self.report.duplicates += 1,
        }
    }

    fn stream(&mut self, now: Time, ssrc: Ssrc, kind: Kind, sequence: u16) -> Option<usize> {
        // A few dozen at most, and mostly the same few in a row: looking through them is quicker than hashing.
        if let Some(index) = self.incoming.iter().position(|stream| stream.ssrc == ssrc) {
            return Some(index);
        }
        if self.incoming.len() >= MOST_STREAMS {
            return None;
        }
        self.incoming.push(Incoming::new(ssrc, kind, sequence, now));
        Some(self.incoming.len() - 1)
    }

    fn handle_rtcp(&mut self, now: Moment, packet: &mut [u8]) {
        let Some((inbound, _)) = &mut self.srtp else { return };
        let Ok(length) = inbound.unprotect_rtcp(packet) else {
            self.report.undecryptable += 1;
            return;
        };
        for packet in Compound::parse(&packet[..length]).flatten() {
            match packet {
                Packet::SenderReport { info, .. } => {
                    if let Some(stream) = self.incoming.iter_mut().find(|stream| stream.ssrc == info.ssrc) {
                        stream.handle_sender_report(now.time, info.ntp);
                    }
                }
                Packet::Pli { media, .. } => self.want_key_frame(media),
                Packet::Fir(fir) => fir.entries().for_each(|entry| self.want_key_frame(entry.ssrc)),
                Packet::Nack(nack) => {
                    let room = MOST_AGAIN.saturating_sub(self.again.len());
                    self.again.extend(nack.sequences().map(|sequence| (nack.media, sequence)).take(room));
                }
                _ => {}
            }
        }
    }

    fn want_key_frame(&mut self, ssrc: Ssrc) {
        self.report.key_frames_wanted += 1;
        for source in &mut self.sources {
            if let Source::Camera { stream, camera, .. } = source
                && self.outgoing[*stream].is(ssrc)
            {
                camera.request_key_frame();
            }
        }
    }
}
