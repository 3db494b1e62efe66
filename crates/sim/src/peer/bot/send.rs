//! What goes out.

use std::time::Duration;

use conclave_media::dtls::Keys;
use conclave_qos::Time;
use conclave_rtp::rtcp::{MAX_BLOCKS, MAX_COMPOUND, Writer};
use conclave_rtp::srtp;

use super::super::outgoing::Piece;
use super::super::transport::Step;
use super::{Bot, Moment, Outbox, PendingSource, REPORT_INTERVAL, Source};
use crate::media::{Camera, Microphone, Packets};

/// Between looks at what is missing.
const REPAIR_INTERVAL: Duration = Duration::from_millis(20);
/// A stream without a key frame asks for one after this time (a browser does when the first frame cannot be decoded),
/// and again.
const KEY_FRAME_PATIENCE: Duration = Duration::from_millis(200);
/// Requests for key frames and retransmissions, and reports, that go into one compound.
const BLOCKS: usize = MAX_BLOCKS;

impl Bot {
    /// Does what is due and puts what is to be sent into the outbox. Returns when it wants to be called again at the
    /// latest; after every packet it wants to be called as well.
    pub fn poll(&mut self, now: Moment, outbox: &mut Outbox) -> Time {
        self.drive_transport(now, outbox);
        if self.srtp.is_none() || self.remote.is_none() {
            return self.transport_timeout;
        }
        self.send_again(now, outbox);
        self.send_media(now, outbox);
        self.send_feedback(now, outbox);
        self.poll_timeout()
    }

    fn poll_timeout(&self) -> Time {
        let sources = self.sources.iter().map(|source| match source {
            Source::Microphone { microphone, .. } => microphone.poll_timeout(),
            Source::Camera { camera, .. } => camera.poll_timeout(),
        });
        let fixed =
            [Some(self.transport_timeout), Some(self.next_report), self.next_repair, self.arrivals.poll_timeout()];
        sources.chain(fixed.into_iter().flatten()).min().unwrap_or(self.transport_timeout)
    }

    fn drive_transport(&mut self, now: Moment, outbox: &mut Outbox) {
        if self.report.ended {
            // Nobody would hear it; the caller sees that it has ended.
            self.transport_timeout = now.time + Duration::from_secs(3_600);
            return;
        }
        if self.transport_timeout > now.time {
            return;
        }
        if self.transport.handle_timeout(now.time).is_err() {
            self.report.ended = true;
        }
        let mut packet = Vec::new();
        loop {
            match self.transport.poll(&mut packet) {
                Ok(Step::Transmit { to }) => {
                    // DTLS goes by the nominated pair, and media goes the same way.
                    if matches!(packet.first(), Some(20..=63)) {
                        self.remote = Some(to);
                    }
                    outbox.other.push((to, std::mem::take(&mut packet)));
                }
                Ok(Step::Connected(keys)) => self.start(now, &keys),
                Ok(Step::Ended) | Err(_) => {
                    self.report.ended = true;
                    self.srtp = None;
                    return;
                }
                Ok(Step::Idle(at)) => {
                    self.transport_timeout = at.max(now.time + Duration::from_millis(1));
                    return;
                }
            }
        }
    }

    fn start(&mut self, now: Moment, keys: &Keys) {
        let Ok(pair) = srtp::pair(keys.profile, &keys.material, keys.side) else {
            self.report.ended = true;
            return;
        };
        self.srtp = Some(pair);
        self.report.profile = Some(keys.profile);
        self.report.connected.get_or_insert(now.time);
        // Cameras and microphones are not in step with each other.
        for (stream, source) in std::mem::take(&mut self.pending_sources) {
            let seed = self.config.seed.wrapping_add(stream as u64);
            let phase = Duration::from_micros(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 49);
            self.sources.push(match source {
                PendingSource::Microphone(talkative) => Source::Microphone {
                    stream,
                    microphone: Box::new(Microphone::new(talkative, now.time + phase, seed)),
                },
                PendingSource::Camera(config) => {
                    Source::Camera { stream, camera: Camera::new(config, now.time + phase), wanted: true }
                }
            });
        }
    }

    fn send_again(&mut self, now: Moment, outbox: &mut Outbox) {
        let Some((_, outbound)) = &mut self.srtp else { return };
        for (ssrc, sequence) in self.again.drain(..) {
            let Some(stream) = self.outgoing.iter_mut().find(|stream| stream.is(ssrc)) else { continue };
            let sent = stream.send_again(now, sequence, &mut self.transport_sequence, outbound, &mut outbox.media);
            self.report.retransmitted += u64::from(sent > 0);
        }
    }

    fn send_media(&mut self, now: Moment, outbox: &mut Outbox) {
        let Self { srtp, sources, switched_on, outgoing, packets, payload, report, transport_sequence, .. } = self;
        let (sound_on, picture_on) = *switched_on;
        let Some((_, outbound)) = srtp else { return };
        let mut key_frames = 0;
        let mut send = |stream: usize, piece, payload: &mut [u8]| {
            let sent = outgoing[stream].send(now, piece, payload, transport_sequence, outbound, &mut outbox.media);
            report.sent_packets += u64::from(sent > 0);
            report.sent_bytes += sent as u64;
        };
        for source in sources {
            match source {
                Source::Microphone { stream, microphone } => {
                    let Some(sound) = microphone.take(now.time) else { continue };
                    if !sound_on {
                        continue;
                    }
                    Microphone::write(sound, payload);
                    let audio_level = Some((sound.level, sound.voice));
                    send(
                        *stream,
                        Piece { timestamp: sound.timestamp, marker: false, audio_level, codec: None },
                        payload,
                    );
                }
                Source::Camera { stream, camera, wanted } => {
                    let Some(picture) = camera.take(now.time, packets) else { continue };
                    if !*wanted || !picture_on {
                        // A layer that is off encodes nothing; it begins again with a key frame.
                        continue;
                    }
                    key_frames += u64::from(picture.is_key);
                    let codec = Some(camera.codec());
                    send_frame(packets, |payload, marker| {
                        send(
                            *stream,
                            Piece { timestamp: picture.timestamp, marker, audio_level: None, codec },
                            payload,
                        );
                    });
                }
            }
        }
        report.key_frames_sent += key_frames;
    }

    fn send_feedback(&mut self, now: Moment, outbox: &mut Outbox) {
        if self.drops {
            self.next_repair = None;
        }
        if self.next_repair.is_some_and(|at| at <= now.time) {
            self.compound(outbox, |bot, writer| bot.write_repairs(now, writer));
        }
        while let Some(feedback) = self.arrivals.poll_feedback(now.time) {
            let Some((_, outbound)) = &mut self.srtp else { return };
            let media = self.incoming.first().map_or(self.reporter, |stream| stream.ssrc);
            let buffer = outbox.media.begin();
            let mut writer = Writer::new(&mut buffer[..MAX_COMPOUND]);
            // A report is made to fit a packet.
            let written = writer.transport_feedback(self.reporter, media, &feedback).map(|()| writer.len());
            if let Ok(sealed) =
                written.map_err(|_| ()).and_then(|len| outbound.protect_rtcp(buffer, len).map_err(|_| ()))
            {
                outbox.media.commit(sealed);
            }
        }
        if self.next_report <= now.time {
            self.next_report = now.time + REPORT_INTERVAL;
            self.compound(outbox, |bot, writer| bot.write_reports(now, writer));
        }
    }

    fn compound(&mut self, outbox: &mut Outbox, write: impl FnOnce(&mut Self, &mut Writer<'_>)) {
        let buffer = outbox.media.begin();
        let mut writer = Writer::new(&mut buffer[..MAX_COMPOUND]);
        write(self, &mut writer);
        let length = writer.len();
        if let (1.., Some((_, outbound))) = (length, &mut self.srtp)
            && let Ok(sealed) = outbound.protect_rtcp(buffer, length)
        {
            outbox.media.commit(sealed);
        }
    }

    /// NACKs and PLIs. What does not fit is asked for the next time.
    fn write_repairs(&mut self, now: Moment, writer: &mut Writer<'_>) {
        let mut more = false;
        for stream in &mut self.incoming {
            self.report.lost += stream.give_up(now.time);
            let ssrc = stream.ssrc;
            if let Ok(asked) = writer.nack(self.reporter, ssrc, stream.take_nacks(now.time)) {
                self.report.nacked += asked as u64;
            }
            let is_blind = stream.kind != crate::sdp::Kind::Audio && !stream.has_key_frame;
            let asked_at = stream.asked_key_frame.unwrap_or(stream.since);
            if is_blind && now.time.since(asked_at) >= KEY_FRAME_PATIENCE && writer.pli(self.reporter, ssrc).is_ok() {
                stream.asked_key_frame = Some(now.time);
                self.report.key_frames_asked += 1;
            }
            more |= is_blind || stream.is_incomplete();
        }
        self.next_repair = more.then(|| now.time + REPAIR_INTERVAL);
    }

    /// Sender reports, or an empty receiver report, and what is received.
    fn write_reports(&mut self, now: Moment, writer: &mut Writer<'_>) {
        self.outgoing.iter().for_each(|stream| stream.write_report(now, writer));
        let mut blocks = Vec::with_capacity(BLOCKS);
        let mut streams = self.incoming.iter_mut().peekable();
        loop {
            blocks.clear();
            blocks.extend(streams.by_ref().take(BLOCKS).map(|stream| stream.take_report(now.time)));
            // More than fit one compound is more than any bot watches.
            if writer.receiver_report(self.reporter, &blocks).is_err() || streams.peek().is_none() {
                return;
            }
        }
    }
}

/// Calls for each packet of a frame, and says which is the last.
fn send_frame(packets: &mut Packets, mut send: impl FnMut(&mut [u8], bool)) {
    let count = packets.len();
    for index in 0..count {
        if let Some(payload) = packets.get_mut(index) {
            send(payload, index + 1 == count);
        }
    }
}
