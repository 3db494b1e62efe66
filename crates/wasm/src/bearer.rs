//! A call that is sent over each kind of bearer, for comparison.

use std::time::Duration;

use conclave_qos::bearer::{Bearer, BearerSender, Buffered, Content, Handover, Packet, Picture, StreamId};
use conclave_qos::playout::{FrameId, References};
use conclave_qos::{Bitrate, Control, Time};

use crate::numbers::{Dice, Hash};

const SECONDS: u64 = 30;

/// The hash of what is handed over when, and of what encoders may make.
pub(crate) fn hash(seed: u32) -> u64 {
    let mut hash = Hash::default();
    for bearer in Bearer::ALL {
        let target = Bitrate::kbps(4_000);
        let control = Control { target, pacing: target.percent(250), padding: Bitrate::ZERO, is_ample: false };
        let dice = Dice(u64::from(seed));
        Call { dice, sender: BearerSender::new(bearer, control), held: 0, wants_key: true }.play(&mut hash);
    }
    hash.get()
}

struct Call {
    dice: Dice,
    sender: BearerSender<u64>,
    held: u64,
    wants_key: bool,
}

impl Call {
    /// Sound each 20 ms, a frame each 33, over a bearer whose rate changes each second and is sometimes nothing.
    fn play(mut self, hash: &mut Hash) {
        let mut carries = 0;
        for ms in 0..SECONDS * 1_000 {
            let now = Time::since_start(Duration::from_millis(ms));
            if ms.is_multiple_of(1_000) {
                // Bytes in a ms.
                carries = self.dice.below(8).saturating_sub(1) * 80;
            }
            self.held = self.held.saturating_sub(carries);
            if ms.is_multiple_of(20) {
                let _ = self.sender.queue(now, Packet { content: Content::Sound, size: 160, payload: ms });
            }
            if ms.is_multiple_of(33) {
                self.encode(now, ms / 33);
            }
            if ms.is_multiple_of(3) {
                self.sender.handle_buffered(now, Buffered::Bytes(self.held));
            }
            while let Some(handover) = self.sender.poll(now) {
                if let Handover::Packet(packet, _) = handover {
                    self.held += u64::from(packet.size);
                    hash.add(packet.payload);
                }
            }
            self.wants_key |= self.sender.poll_key_frame(now).is_some();
            hash.add(self.sender.target().as_bps());
        }
    }

    fn encode(&mut self, now: Time, number: u64) {
        let is_key = std::mem::take(&mut self.wants_key);
        let frame = number as i64;
        let references = References::new(&[FrameId(frame - 1)]).filter(|_| !is_key).unwrap_or(References::NONE);
        let layer = u8::from(self.dice.below(8) == 0);
        let picture = Picture { stream: StreamId(0), frame: FrameId(frame), references, layer };
        let bytes = self.sender.target().as_bps() / 240 * (80 + self.dice.below(41)) / 100;
        for _ in 0..bytes.div_ceil(1_100) * if is_key { 4 } else { 1 } {
            let _ = self.sender.queue(now, Packet { content: Content::Picture(picture), size: 1_100, payload: number });
        }
    }
}
