//! What is observed, as sums and histograms for `/metrics`. No label names a person or a room.

use conclave_media::stats::{ForwardingDelays, MediaSnapshot};
use metrics::{counter, gauge, histogram};

use super::process::Usage;
use super::watch::Watch;
use crate::metrics as names;

/// Seconds between two samples of each connection: a distribution needs no more, and a scrape comes
/// less often.
const SAMPLE: u64 = 10;

/// Sets what is counted elsewhere, and adds each connection's sample when it is time.
pub(super) fn export(watch: &Watch, media: Option<&MediaSnapshot>, usage: Usage) {
    gauge!(names::MEMORY).set(usage.memory_bytes.unwrap_or(0) as f64);
    gauge!(names::CPU).set(usage.cpu.as_secs_f64());
    gauge!(names::HISTORY).set(watch.bytes() as f64);
    for (index, (shard, now)) in media.iter().flat_map(|media| &media.shards).zip(&watch.totals().shards).enumerate() {
        let label = index.to_string();
        gauge!(names::SHARD_BUSY, "shard" => label.clone()).set(f64::from(now.busy_permille) / 1_000.0);
        gauge!(names::SHARD_LEGS, "shard" => label.clone()).set(f64::from(now.legs));
        for (direction, traffic) in [("in", shard.received), ("out", shard.sent)] {
            counter!(names::SHARD_PACKETS, "shard" => label.clone(), "direction" => direction)
                .absolute(traffic.packets);
        }
        counter!(names::SHARD_FORWARDED, "shard" => label.clone()).absolute(shard.forwarded);
        export_delays(&label, &shard.delays);
    }
    let totals = watch.totals();
    for (direction, flow) in [("in", totals.received), ("out", totals.sent)] {
        gauge!(names::MEDIA_RATE, "direction" => direction).set(flow.rate_bps as f64);
    }
    if watch.second().is_multiple_of(SAMPLE) {
        sample(watch);
    }
}

/// The recorder takes no histogram that somebody else has counted, but its parts under the names that they have there.
fn export_delays(shard: &str, delays: &ForwardingDelays) {
    for (bound, count) in delays.cumulative() {
        let bound = bound.map_or("+Inf".to_owned(), |bound| bound.as_secs_f64().to_string());
        counter!(names::FORWARDING_BUCKET, "shard" => shard.to_owned(), "le" => bound).absolute(count);
    }
    gauge!(names::FORWARDING_SUM, "shard" => shard.to_owned()).set(delays.sum.as_secs_f64());
    counter!(names::FORWARDING_COUNT, "shard" => shard.to_owned()).absolute(delays.count());
}

fn sample(watch: &Watch) {
    for person in watch.inside() {
        let Some(leg) = person.leg().filter(|leg| leg.connected) else { continue };
        for (direction, flow) in [("in", leg.received), ("out", leg.sent)] {
            if flow.packets > 0 {
                histogram!(names::LEG_RATE, "direction" => direction).record(flow.rate_bps as f64);
                histogram!(names::LEG_LOSS, "direction" => direction).record(f64::from(flow.loss_permille) / 1_000.0);
            }
        }
        if let Some(tenths) = leg.round_trip_tenths {
            histogram!(names::LEG_ROUND_TRIP).record(f64::from(tenths) / 10_000.0);
        }
        if let Some(estimate) = leg.estimate_bps {
            histogram!(names::LEG_ESTIMATE).record(estimate as f64);
        }
        for tenths in person.jitters(watch.second()) {
            histogram!(names::STREAM_JITTER).record(f64::from(tenths) / 10_000.0);
        }
    }
    // Samples wait in memory until they are put into their buckets, which nobody does who scrapes nothing.
    if let Some(recorder) = names::recorder() {
        recorder.run_upkeep();
    }
}
