//! What the TURN server counts, under names that start with `conclave_turn_`.

use conclave_turn::Stats;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

/// Reads one number out of the server's.
type Read = fn(&Stats) -> u64;

/// A label of a metric, where several have its name.
type Label = Option<(&'static str, &'static str)>;

const COUNTERS: [(&str, Label, Read); 20] = [
    ("conclave_turn_bindings_total", None, |s| s.bindings),
    ("conclave_turn_allocations_made_total", None, |s| s.allocations_made),
    ("conclave_turn_allocations_ended_total", Some(("reason", "expired")), |s| s.allocations_expired),
    ("conclave_turn_allocations_ended_total", Some(("reason", "revoked")), |s| s.allocations_revoked),
    ("conclave_turn_refused_total", Some(("reason", "unauthorized")), |s| s.refused_unauthorized),
    ("conclave_turn_refused_total", Some(("reason", "stale-nonce")), |s| s.refused_stale_nonce),
    ("conclave_turn_refused_total", Some(("reason", "quota")), |s| s.refused_quota),
    ("conclave_turn_refused_total", Some(("reason", "peer")), |s| s.refused_peer),
    ("conclave_turn_refused_total", Some(("reason", "other")), |s| s.refused_other),
    ("conclave_turn_relayed_packets_total", Some(("direction", "in")), |s| s.relayed_from_clients),
    ("conclave_turn_relayed_packets_total", Some(("direction", "out")), |s| s.relayed_to_clients),
    ("conclave_turn_relayed_bytes_total", Some(("direction", "in")), |s| s.relayed_from_clients_bytes),
    ("conclave_turn_relayed_bytes_total", Some(("direction", "out")), |s| s.relayed_to_clients_bytes),
    ("conclave_turn_dropped_total", Some(("reason", "malformed")), |s| s.dropped_malformed),
    ("conclave_turn_dropped_total", Some(("reason", "forbidden-peer")), |s| s.dropped_forbidden_peer),
    ("conclave_turn_dropped_total", Some(("reason", "no-allocation")), |s| s.dropped_no_allocation),
    ("conclave_turn_dropped_total", Some(("reason", "no-permission")), |s| s.dropped_no_permission),
    ("conclave_turn_dropped_total", Some(("reason", "over-rate")), |s| s.dropped_over_rate),
    ("conclave_turn_dropped_total", Some(("reason", "unanswered")), |s| s.dropped_unanswered),
    ("conclave_turn_dropped_total", Some(("reason", "outputs")), |s| s.dropped_outputs),
];

const GAUGES: [(&str, Read); 3] = [
    ("conclave_turn_allocations", |s| s.allocations),
    ("conclave_turn_users", |s| s.users),
    ("conclave_turn_streams", |s| s.streams),
];

/// The handles, and what they were told last.
pub(crate) struct TurnCounters {
    counters: [Counter; COUNTERS.len()],
    gauges: [Gauge; GAUGES.len()],
    faults: Counter,
    told: Stats,
}

impl TurnCounters {
    pub(crate) fn new() -> Self {
        describe_gauge!("conclave_turn_allocations", "TURN allocations");
        describe_gauge!("conclave_turn_users", "Users with at least one TURN allocation");
        describe_gauge!("conclave_turn_streams", "TCP and TLS connections to the TURN server");
        describe_counter!("conclave_turn_bindings_total", "STUN binding requests answered");
        describe_counter!("conclave_turn_allocations_made_total", "TURN allocations made");
        describe_counter!("conclave_turn_allocations_ended_total", "TURN allocations ended by the server, by reason");
        describe_counter!("conclave_turn_refused_total", "TURN requests refused, by reason");
        describe_counter!(
            "conclave_turn_relayed_packets_total",
            "Packets relayed: from clients (in), to clients (out)"
        );
        describe_counter!("conclave_turn_relayed_bytes_total", "Payload of relayed packets in bytes, by direction");
        describe_counter!("conclave_turn_dropped_total", "Packets that the TURN server dropped, by reason");
        describe_counter!("conclave_turn_faults_total", "Times that the TURN server failed and was started again");
        Self {
            counters: COUNTERS.map(|(name, label, _)| match label {
                Some((key, value)) => counter!(name, key => value),
                None => counter!(name),
            }),
            gauges: GAUGES.map(|(name, _)| gauge!(name)),
            faults: counter!("conclave_turn_faults_total"),
            told: Stats::default(),
        }
    }

    /// Tells what has been counted since the last time.
    pub(crate) fn publish(&mut self, stats: &Stats) {
        if *stats == self.told {
            return;
        }
        for (counter, (_, _, read)) in self.counters.iter().zip(&COUNTERS) {
            let more = read(stats).saturating_sub(read(&self.told));
            if more > 0 {
                counter.increment(more);
            }
        }
        for (gauge, (_, read)) in self.gauges.iter().zip(&GAUGES) {
            gauge.set(read(stats) as f64);
        }
        self.told = *stats;
    }

    /// The server has failed with these last numbers; the next one starts at zero.
    pub(crate) fn fault(&mut self, last: &Stats) {
        self.publish(last);
        self.faults.increment(1);
        self.told = Stats::default();
    }
}
