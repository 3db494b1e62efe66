//! What became of pictures, under the names of W3C webrtc-stats (`RTCInboundRtpStreamStats`).

use std::time::Duration;

use crate::Time;

/// Frame intervals of which the usual one is the mean (webrtc-stats, `freezeCount`: the last 30).
const INTERVALS: usize = 30;
/// A freeze lasts this much longer than usual (webrtc-stats, `freezeCount`), or three times as long.
const FREEZE: Duration = Duration::from_millis(150);

/// Counts that only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VideoStats {
    /// `framesReceived`: complete ones.
    pub frames_received: u64,
    /// Frames that were given to the decoder.
    pub frames_released: u64,
    /// Of them key frames.
    pub key_frames_released: u64,
    /// `framesDropped`: complete ones that were not given to the decoder.
    pub frames_dropped: u64,
    /// `packetsDiscarded`: packets that came too late, or for which there was no room.
    pub packets_discarded: u64,
    /// `pliCount`: key frames that were asked for.
    pub pli_count: u64,
    /// `freezeCount`: how often a picture stood for longer than the larger of three times, and 150 ms more than, the usual
    /// time.
    pub freeze_count: u64,
    /// `totalFreezesDuration`, in µs.
    pub total_freezes_duration: u64,
    /// `totalInterFrameDelay`, in µs, between the times at which frames are shown.
    pub total_inter_frame_delay: u64,
    /// `jitterBufferDelay`: the sum over all released frames of the time from the last packet's arrival until the
    /// decoder, in µs.
    pub jitter_buffer_delay: u64,
    /// `jitterBufferTargetDelay`: the sum over the same frames of the target, in µs.
    pub jitter_buffer_target_delay: u64,
    /// `jitterBufferMinimumDelay`: the sum over the same frames of what jitter alone makes necessary, in µs.
    pub jitter_buffer_minimum_delay: u64,
    /// `jitterBufferEmittedCount`: released frames.
    pub jitter_buffer_emitted_count: u64,
}

/// Tells freezes from what is usual.
#[derive(Clone, Debug, Default)]
pub(super) struct Freezes {
    shown: Option<Time>,
    intervals: [Duration; INTERVALS],
    count: usize,
}

impl Freezes {
    /// A picture is shown at this time. The picture before it has stood until then.
    pub(super) fn handle_shown(&mut self, at: Time, stats: &mut VideoStats) {
        let Some(before) = self.shown.replace(at) else { return };
        let stood = at.since(before);
        if stood.is_zero() {
            // Another layer of the same picture.
            return;
        }
        let micros = stood.as_micros() as u64;
        stats.total_inter_frame_delay = stats.total_inter_frame_delay.saturating_add(micros);
        if self.count >= INTERVALS {
            let usual = self.intervals.iter().sum::<Duration>() / INTERVALS as u32;
            if stood > (usual * 3).max(usual + FREEZE) {
                stats.freeze_count += 1;
                stats.total_freezes_duration = stats.total_freezes_duration.saturating_add(micros);
            }
        }
        self.intervals[self.count % INTERVALS] = stood;
        self.count = if self.count + 1 == 2 * INTERVALS { INTERVALS } else { self.count + 1 };
    }
}
