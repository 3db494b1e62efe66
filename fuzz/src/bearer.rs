use std::time::Duration;

use conclave_qos::bearer::{Bearer, BearerSender, Buffered, Content, Handover, Packet, Picture, StreamId};
use conclave_qos::playout::{FrameId, References};
use conclave_qos::{Bitrate, Control, Probe, ProbeId, Time};

use crate::bytes::Bytes;

/// The most events of one input: longer ones teach nothing and cost time.
const STEPS: usize = 4_000;

/// For each bearer a sender that is given whatever the input says, above a bearer that tells whatever it says. What is
/// handed over is never old, comes to an end, and what waits is bounded. Returns how many packets were handed over, and how
/// many frames were dropped.
///
/// # Panics
/// If they do not.
pub fn bearer(data: &[u8]) -> (u64, u64) {
    Bearer::ALL.into_iter().fold((0, 0), |(sent, dropped), bearer| {
        let mut bytes = Bytes(data);
        let mut call = Call::new(bearer);
        for _ in 0..STEPS {
            if call.step(&mut bytes).is_none() {
                break;
            }
            call.check();
        }
        let stats = call.sender.stats();
        (sent + stats.packets_sent, dropped + stats.frames_dropped)
    })
}

struct Call {
    sender: BearerSender<Time>,
    control: Control,
    held: u64,
    now: Time,
    frame: i64,
}

impl Call {
    fn new(bearer: Bearer) -> Self {
        let control = control(1_000, 0);
        Self { sender: BearerSender::new(bearer, control), control, held: 0, now: Time::default(), frame: 0 }
    }

    fn step(&mut self, bytes: &mut Bytes<'_>) -> Option<()> {
        let number = match bytes.u8()? {
            // Time passes, and an honest bearer sends.
            0..=79 => {
                self.now = self.now + Duration::from_micros(u64::from(bytes.u8()?) * 250);
                self.held = self.held.saturating_sub(u64::from(bytes.u16()?));
                self.sender.handle_buffered(self.now, Buffered::Bytes(self.held));
                return Some(());
            }
            80..=99 => {
                let size = u32::from(bytes.u8()?);
                let _ = self.sender.queue(self.now, Packet { content: Content::Sound, size, payload: self.now });
                return Some(());
            }
            100..=209 => bytes.u8()?,
            210..=219 => {
                self.now = self.now + Duration::from_millis(u64::from(bytes.u16()?));
                return Some(());
            }
            220..=229 => {
                let told = u64::from(bytes.u16()?) << (bytes.u8()? % 48);
                let packets = u32::try_from(told).unwrap_or(u32::MAX);
                let buffered = if told % 3 == 0 { Buffered::Packets(packets) } else { Buffered::Bytes(told) };
                self.sender.handle_buffered(self.now, buffered);
                return Some(());
            }
            230..=239 => {
                self.control = control(u64::from(bytes.u16()?), u64::from(bytes.u8()?));
                self.sender.set_control(self.now, self.control);
                self.sender.set_window(None, 0);
                return Some(());
            }
            240..=245 => {
                self.sender.set_largest(u32::from(bytes.u16()?));
                return Some(());
            }
            246..=250 => {
                let rate = Bitrate::kbps(u64::from(bytes.u16()?));
                self.sender.add_probe(self.now, Probe { id: ProbeId(1), rate, bytes: 5_000, packets: 5 });
                return Some(());
            }
            _ => {
                self.frame = i64::from(bytes.u16()?) << (bytes.u8()? % 48);
                return Some(());
            }
        };
        self.picture(number, bytes)
    }

    /// A packet of a frame that needs the one before, or others, or none.
    fn picture(&mut self, bits: u8, bytes: &mut Bytes<'_>) -> Option<()> {
        self.frame = self.frame.wrapping_add(i64::from(bits & 1));
        let back = i64::from(bytes.u8()?);
        let references = match bits >> 5 {
            0 => References::NONE,
            1..=5 => References::new(&[FrameId(self.frame.wrapping_sub(1))])?,
            _ => References::new(&[FrameId(self.frame.wrapping_sub(back)), FrameId(back)])?,
        };
        let (stream, layer) = (StreamId(bits >> 1 & 1), bits >> 2 & 3);
        let picture = Picture { stream, frame: FrameId(self.frame), references, layer };
        let size = u32::from(bytes.u16()?) % 1_500;
        let _ = self.sender.queue(self.now, Packet { content: Content::Picture(picture), size, payload: self.now });
        Some(())
    }

    fn check(&mut self) {
        let mut handovers = 0;
        while let Some(handover) = self.sender.poll(self.now) {
            handovers += 1;
            assert!(handovers < 5_000, "handing over comes to no end");
            match handover {
                Handover::Packet(packet, _) => {
                    self.held += u64::from(packet.size);
                    let most = if packet.content == Content::Sound { 200 } else { 400 };
                    assert!(self.now.since(packet.payload) <= Duration::from_millis(most), "old: {packet:?}");
                }
                Handover::Padding { bytes, .. } => {
                    assert!((1..=1_200).contains(&bytes));
                    self.held += u64::from(bytes);
                }
            }
        }
        assert!(self.sender.poll_timeout().is_none_or(|due| due > self.now), "asks for no time that has come");
        for _ in 0..2 {
            let _ = self.sender.poll_key_frame(self.now);
        }
        assert_eq!(self.sender.poll_key_frame(self.now), None, "two streams ask once each");
        assert!(self.sender.target() <= self.control.target);
        let stats = self.sender.stats();
        assert!(stats.waiting <= (4 << 20) + 1_500 + 256 * 255, "{stats:?}");
        assert!((1_200..=512 << 10).contains(&stats.window), "{stats:?}");
    }
}

fn control(kbps: u64, padding: u64) -> Control {
    // Who may send nothing may not pad either.
    let (target, padding) = (Bitrate::kbps(kbps), padding.min(kbps));
    let is_ample = kbps % 2 == 1;
    Control { target, pacing: target.percent(250), padding: Bitrate::kbps(padding), is_ample }
}
