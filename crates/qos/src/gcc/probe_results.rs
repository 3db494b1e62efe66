//! What a probe's packets say of the path: libwebrtc's `probe_bitrate_estimator.cc`.

use crate::{PacketResult, Probe, ProbeId};

/// Share of a probe's packets and bytes that must have arrived: `probe_bitrate_estimator.cc`, `kMinReceivedProbesRatio`
/// and `kMinReceivedBytesRatio`.
const NEEDED_PERCENT: u64 = 80;
/// A probe that was sent, or arrived, over longer than this says nothing, µs: `kMaxProbeInterval`.
const LONGEST: i64 = 1_000_000;
/// Arriving faster than sent by more than this says that something held the packets up: `kMaxValidRatio`.
const MOST_RATIO: f64 = 2.0;
/// Arriving slower than sent by more than this says that the path is full: `kMinRatioForUnsaturatedLink`...
const UNSATURATED: f64 = 0.9;
/// ...and then this share of what arrived is taken: `kTargetUtilizationFraction`.
const UTILISATION: f64 = 0.95;
/// Probes that are followed at the same time; the oldest make room.
const FOLLOWED: usize = 8;

#[derive(Clone, Copy, Debug)]
struct Cluster {
    probe: Probe,
    packets: u64,
    bytes: u64,
    first_sent: i64,
    last_sent: i64,
    last_sent_size: u64,
    first_arrived: i64,
    last_arrived: i64,
    first_arrived_size: u64,
}

/// Follows the probes that were asked for.
#[derive(Debug, Default)]
pub(super) struct ProbeResults {
    clusters: [Option<Cluster>; FOLLOWED],
    next: usize,
}

impl ProbeResults {
    /// This probe is going to be sent.
    pub(super) fn expect(&mut self, probe: Probe) {
        self.clusters[self.next] = Some(Cluster {
            probe,
            packets: 0,
            bytes: 0,
            first_sent: i64::MAX,
            last_sent: i64::MIN,
            last_sent_size: 0,
            first_arrived: i64::MAX,
            last_arrived: i64::MIN,
            first_arrived_size: 0,
        });
        self.next = (self.next + 1) % FOLLOWED;
    }

    /// One packet of a probe arrived. Bits per second, once enough have.
    pub(super) fn handle_packet(&mut self, id: ProbeId, result: &PacketResult, arrived: i64) -> Option<f64> {
        let cluster = self.clusters.iter_mut().flatten().find(|cluster| cluster.probe.id == id)?;
        let sent = super::micros(result.sent.at);
        let size = u64::from(result.sent.size);
        cluster.packets += 1;
        cluster.bytes += size;
        cluster.first_sent = cluster.first_sent.min(sent);
        if sent > cluster.last_sent {
            (cluster.last_sent, cluster.last_sent_size) = (sent, size);
        }
        if arrived < cluster.first_arrived {
            (cluster.first_arrived, cluster.first_arrived_size) = (arrived, size);
        }
        cluster.last_arrived = cluster.last_arrived.max(arrived);
        cluster.rate()
    }
}

impl Cluster {
    fn rate(&self) -> Option<f64> {
        let enough = |have: u64, want: u32| have * 100 >= u64::from(want) * NEEDED_PERCENT;
        if !enough(self.packets, self.probe.packets) || !enough(self.bytes, self.probe.bytes) {
            return None;
        }
        let sending = self.last_sent.checked_sub(self.first_sent)?;
        let arriving = self.last_arrived.checked_sub(self.first_arrived)?;
        if !(1..=LONGEST).contains(&sending) || !(1..=LONGEST).contains(&arriving) {
            return None;
        }
        // The last one sent begins a time that is not over; the first that arrived ends one that was not measured.
        let sent = rate(self.bytes - self.last_sent_size, sending);
        let arrived = rate(self.bytes - self.first_arrived_size, arriving);
        if arrived > sent * MOST_RATIO {
            return None;
        }
        Some(if arrived < sent * UNSATURATED { arrived * UTILISATION } else { sent.min(arrived) })
    }
}

fn rate(bytes: u64, micros: i64) -> f64 {
    bytes as f64 * 8_000_000.0 / micros as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Bitrate, Ecn, SentPacket, Time};

    /// Ten packets of 1,000 bytes sent every ms (8 Mbit/s), arriving every `gap` µs.
    fn run(gap: u64, missing: u64) -> Option<f64> {
        let mut results = ProbeResults::default();
        let id = ProbeId(7);
        results.expect(Probe { id, rate: Bitrate::kbps(8_000), bytes: 10_000, packets: 5 });
        let mut rate = None;
        for i in 0..10 - missing {
            let at = Time::since_start(Duration::from_millis(i));
            let sent = SentPacket { at, size: 1_000, probe: Some(id), is_media: false };
            let arrived = 50_000 + i * gap;
            let result =
                PacketResult { sent, sequence: i, received: Some(Duration::from_micros(arrived)), ecn: Ecn::NotEct };
            rate = results.handle_packet(id, &result, arrived as i64).or(rate);
        }
        rate
    }

    #[test]
    fn a_probe_that_gets_through_measures_what_was_sent() {
        let rate = run(1_000, 0).unwrap();
        assert!((rate - 8e6).abs() < 1e5, "{rate}");
    }

    #[test]
    fn a_full_path_measures_a_little_less_than_it_carries() {
        let rate = run(2_000, 0).unwrap();
        assert!((rate - 3.8e6).abs() < 1e5, "{rate}");
    }

    #[test]
    fn too_few_packets_and_packets_that_were_held_up_say_nothing() {
        assert_eq!(run(1_000, 3), None);
        assert_eq!(run(10, 0), None);
        let mut results = ProbeResults::default();
        let sent = SentPacket { at: Time::default(), size: 1, probe: None, is_media: false };
        let result = PacketResult { sent, sequence: 0, received: None, ecn: Ecn::NotEct };
        assert_eq!(results.handle_packet(ProbeId(1), &result, 0), None, "never asked for");
    }
}
