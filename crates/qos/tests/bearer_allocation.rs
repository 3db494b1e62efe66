//! Sending over a bearer allocates nothing.

mod counting;

use std::time::Duration;

use conclave_qos::bearer::{Bearer, BearerSender, Buffered, Content, Handover, Packet, Picture, StreamId};
use conclave_qos::playout::{FrameId, References};
use conclave_qos::{Bitrate, Control, Time};
use counting::allocations;

/// A sender above a bearer that carries 8 Mbit/s, and nothing for two of each ten seconds.
struct Call {
    sender: BearerSender<[u8; 16]>,
    held: u64,
    now: u64,
}

impl Call {
    /// Sound and pictures in two streams, 1 packet each ms.
    fn run(&mut self, packets: u64) {
        for _ in 0..packets {
            self.now += 1;
            let at = Time::since_start(Duration::from_millis(self.now));
            let content = if self.now.is_multiple_of(20) { Content::Sound } else { Content::Picture(self.picture()) };
            let _ = self.sender.queue(at, Packet { content, size: 1_100, payload: [0; 16] });
            if self.now % 10_000 > 2_000 {
                self.held = self.held.saturating_sub(1_000);
            }
            self.sender.handle_buffered(at, Buffered::Bytes(self.held));
            while let Some(Handover::Packet(packet, _)) = self.sender.poll(at) {
                self.held += u64::from(packet.size);
            }
            while self.sender.poll_key_frame(at).is_some() {}
        }
    }

    fn picture(&self) -> Picture {
        let frame = self.now as i64 / 10;
        let references = References::new(&[FrameId(frame - 1)]).filter(|_| frame % 50 != 0);
        Picture {
            stream: StreamId((self.now % 2) as u8),
            frame: FrameId(frame),
            references: references.unwrap_or(References::NONE),
            layer: (frame % 2) as u8,
        }
    }
}

#[test]
fn nothing_is_allocated_per_packet() {
    for bearer in Bearer::ALL {
        let target = Bitrate::kbps(10_000);
        let control = Control { target, pacing: target.percent(250), padding: Bitrate::ZERO, is_ample: false };
        let mut call = Call { sender: BearerSender::new(bearer, control), held: 0, now: 0 };
        call.run(40_000);
        let (before, sent) = (allocations(), call.sender.stats());
        call.run(100_000);
        assert_eq!(allocations() - before, 0, "{bearer}");
        let stats = call.sender.stats();
        assert!(stats.packets_sent > sent.packets_sent + 30_000, "{bearer}: {stats:?}");
        assert!(stats.sounds_dropped > sent.sounds_dropped && stats.frames_dropped > sent.frames_dropped + 100);
    }
}
