//! What became of sound, under the names of W3C webrtc-stats (`RTCInboundRtpStreamStats`).

use std::time::Duration;

/// Counts that only grow. A sample is one of each channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AudioStats {
    /// `totalSamplesReceived`: all that were played, made up or not; before the first packet none.
    pub total_samples_received: u64,
    /// `concealedSamples`: those that stand in for sound that was lost or late.
    pub concealed_samples: u64,
    /// `silentConcealedSamples`: of them, those that are silence or background noise.
    pub silent_concealed_samples: u64,
    /// `concealmentEvents`: how often concealment began after sound.
    pub concealment_events: u64,
    /// `insertedSamplesForDeceleration`: played in addition, because too little waited.
    pub inserted_samples_for_deceleration: u64,
    /// `removedSamplesForAcceleration`: left out, because too much waited.
    pub removed_samples_for_acceleration: u64,
    /// `jitterBufferDelay`: the sum over `jitter_buffer_emitted_count` samples of how long each waited, from its packet's
    /// arrival until it was decoded to be played, in µs.
    pub jitter_buffer_delay: u64,
    /// `jitterBufferTargetDelay`: the sum over the same samples of the target delay, in µs.
    pub jitter_buffer_target_delay: u64,
    /// `jitterBufferMinimumDelay`: the sum over the same samples of the delay that arrivals alone make necessary, in µs.
    pub jitter_buffer_minimum_delay: u64,
    /// `jitterBufferEmittedCount`: samples that came out of packets.
    pub jitter_buffer_emitted_count: u64,
    /// `packetsDiscarded`: packets that came too late, or for which there was no room.
    pub packets_discarded: u64,
    /// `fecPacketsReceived`: copies and in-band versions.
    pub fec_packets_received: u64,
    /// `fecPacketsDiscarded`: of them, those that were not needed or came too late.
    pub fec_packets_discarded: u64,
    /// Packets that the decoder did not take; concealed.
    pub packets_undecodable: u64,
    /// Samples of silence that the sender described (DTX), made here.
    pub comfort_noise_samples: u64,
}

/// What waited longer counts as this long: the caller has slept.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

impl AudioStats {
    /// So many samples came out of a packet.
    pub(super) fn count_emitted(&mut self, samples: u64, waited: Duration, target: Duration, necessary: Duration) {
        // A packet has at most 5,760 samples: no product comes near 2^64.
        let all = |each: Duration| samples * each.min(LONGEST_WAIT).as_micros() as u64;
        self.jitter_buffer_emitted_count += samples;
        self.jitter_buffer_delay = self.jitter_buffer_delay.saturating_add(all(waited));
        self.jitter_buffer_target_delay = self.jitter_buffer_target_delay.saturating_add(all(target));
        self.jitter_buffer_minimum_delay = self.jitter_buffer_minimum_delay.saturating_add(all(necessary));
    }

    /// How long samples waited, on average.
    pub fn mean_delay(&self) -> Duration {
        Duration::from_micros(self.jitter_buffer_delay.checked_div(self.jitter_buffer_emitted_count).unwrap_or(0))
    }

    /// Concealed samples as a share of all, 0 to 1.
    pub fn concealed_share(&self) -> f64 {
        if self.total_samples_received == 0 {
            return 0.0;
        }
        self.concealed_samples as f64 / self.total_samples_received as f64
    }
}
