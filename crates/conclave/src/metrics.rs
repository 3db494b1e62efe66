//! What `/metrics` shows. Names start with `conclave_`; no label holds personal data.

use std::sync::OnceLock;

use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Open TCP connections.
pub const CONNECTIONS: &str = "conclave_connections";
/// Connections refused or dropped, by `reason`.
pub const CONNECTIONS_DROPPED: &str = "conclave_connections_dropped_total";
/// HTTP requests, by `route`, `method` and `status`.
pub const HTTP_REQUESTS: &str = "conclave_http_requests_total";
/// Live feeds for the administrator.
pub const FEEDS: &str = "conclave_admin_feeds";
/// Open WebSockets.
pub const WEBSOCKETS: &str = "conclave_websockets";
/// WebSockets closed by the server, by `reason`.
pub const WEBSOCKETS_CLOSED: &str = "conclave_websockets_closed_total";
/// Messages from clients, by `kind`.
pub const MESSAGES: &str = "conclave_messages_total";
/// Live meetings.
pub const ROOMS: &str = "conclave_rooms";
/// People in meetings.
pub const PARTICIPANTS: &str = "conclave_participants";
/// Those who watch meetings without being in them (WHEP).
pub const VIEWERS: &str = "conclave_viewers";
/// Requests for a stream session that were refused for their rate or number.
pub const STREAMS_REFUSED: &str = "conclave_streams_refused_total";
/// Meetings ended by a fault in the program.
pub const ROOM_PANICS: &str = "conclave_room_panics_total";
/// Faults in the program.
pub const PANICS: &str = "conclave_panics_total";
/// Events of the media plane that had no room to go to.
pub const MEDIA_EVENTS_LOST: &str = "conclave_media_events_lost_total";
/// Writes to the database that failed.
pub const STORAGE_FAILURES: &str = "conclave_storage_failures_total";
/// When the certificate in use expires, in seconds since 1970; 0 if that is not known.
pub const CERTIFICATE_EXPIRY: &str = "conclave_certificate_expiry_timestamp_seconds";
/// How long an entry into a room takes, from the message to the reply.
pub const JOIN_SECONDS: &str = "conclave_join_seconds";
/// CPU time of the process since its start, in seconds.
pub const CPU: &str = "conclave_process_cpu_seconds";
/// Memory of the process (resident set), in bytes; 0 where the system does not tell.
pub const MEMORY: &str = "conclave_process_resident_memory_bytes";
/// Memory of what is remembered of the last hour for the administrator, in bytes, about.
pub const HISTORY: &str = "conclave_history_bytes";
/// Share of the last second in which a media thread worked (0 to 1), by `shard`.
pub const SHARD_BUSY: &str = "conclave_media_shard_busy_ratio";
/// Legs that a media thread owns, by `shard`.
pub const SHARD_LEGS: &str = "conclave_media_shard_legs";
/// Packets of a media thread, by `shard` and `direction`.
pub const SHARD_PACKETS: &str = "conclave_media_shard_packets_total";
/// RTP packets that a media thread queued for a receiver, by `shard`.
pub const SHARD_FORWARDED: &str = "conclave_media_shard_forwarded_total";
/// RTP packets by how long they were in the server, by `shard` and `le`: a histogram that is counted elsewhere.
pub const FORWARDING_BUCKET: &str = "conclave_media_forwarding_seconds_bucket";
/// What they were in the server together, by `shard`.
pub const FORWARDING_SUM: &str = "conclave_media_forwarding_seconds_sum";
/// How many there were, by `shard`.
pub const FORWARDING_COUNT: &str = "conclave_media_forwarding_seconds_count";
/// Media of all legs over the last second, in bits per second, by `direction`.
pub const MEDIA_RATE: &str = "conclave_media_rate_bits";
/// Media of each leg, sampled every ten seconds, in bits per second, by `direction`.
pub const LEG_RATE: &str = "conclave_leg_rate_bits";
/// Share of each leg's packets that were lost (0 to 1), sampled every ten seconds, by `direction`.
pub const LEG_LOSS: &str = "conclave_leg_loss_ratio";
/// Round trip of each leg, sampled every ten seconds.
pub const LEG_ROUND_TRIP: &str = "conclave_leg_round_trip_seconds";
/// What the way to each client takes, sampled every ten seconds, in bits per second.
pub const LEG_ESTIMATE: &str = "conclave_leg_estimate_bits";
/// Interarrival jitter of each stream, sampled every ten seconds.
pub const STREAM_JITTER: &str = "conclave_stream_jitter_seconds";
/// Wrong tokens, and requests refused after too many of them, by `outcome`.
pub const WRONG_TOKENS: &str = "conclave_wrong_tokens_total";
/// Always 1; the label names the version.
pub const BUILD: &str = "conclave_build_info";

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// The process's one recorder; `None` if something else records metrics already.
pub fn recorder() -> Option<&'static PrometheusHandle> {
    RECORDER
        .get_or_init(|| {
            let buckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
            let rates = [3e4, 1e5, 3e5, 6e5, 1e6, 1.5e6, 2e6, 3e6, 5e6, 1e7, 2e7, 5e7];
            let losses = [0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0];
            let round_trips = [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0];
            let jitters = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
            let handle = [
                (JOIN_SECONDS, &buckets[..]),
                (LEG_RATE, &rates),
                (LEG_ESTIMATE, &rates),
                (LEG_LOSS, &losses),
                (LEG_ROUND_TRIP, &round_trips),
                (STREAM_JITTER, &jitters),
            ]
            .into_iter()
            .try_fold(PrometheusBuilder::new(), |builder, (name, buckets)| {
                builder.set_buckets_for_metric(Matcher::Full(name.into()), buckets)
            })
            .ok()?
            .install_recorder()
            .ok()?;
            describe();
            Some(handle)
        })
        .as_ref()
}

fn describe() {
    describe_gauge!(CONNECTIONS, "Open TCP connections");
    describe_counter!(CONNECTIONS_DROPPED, "TCP connections refused or dropped");
    describe_counter!(HTTP_REQUESTS, "HTTP requests");
    describe_gauge!(FEEDS, "Live feeds for the administrator");
    describe_gauge!(WEBSOCKETS, "Open WebSockets");
    describe_counter!(WEBSOCKETS_CLOSED, "WebSockets closed by the server");
    describe_counter!(MESSAGES, "Signalling messages from clients");
    describe_gauge!(ROOMS, "Live meetings");
    describe_gauge!(PARTICIPANTS, "People in meetings");
    describe_gauge!(VIEWERS, "Those who watch meetings without being in them");
    describe_counter!(STREAMS_REFUSED, "Requests for a stream session refused for their rate or number");
    describe_counter!(ROOM_PANICS, "Meetings ended by a fault in the program");
    describe_counter!(PANICS, "Faults in the program");
    describe_counter!(MEDIA_EVENTS_LOST, "Media events that could not be delivered");
    describe_counter!(STORAGE_FAILURES, "Writes to the database that failed");
    describe_histogram!(JOIN_SECONDS, Unit::Seconds, "From a join to its reply");
    describe_gauge!(CERTIFICATE_EXPIRY, Unit::Seconds, "When the certificate in use expires, since 1970");
    describe_gauge!(CPU, Unit::Seconds, "CPU time of the process since its start");
    describe_gauge!(MEMORY, Unit::Bytes, "Memory of the process (resident set)");
    describe_gauge!(HISTORY, Unit::Bytes, "Memory of what is remembered of the last hour");
    describe_gauge!(SHARD_BUSY, "Share of the last second in which a media thread worked");
    describe_gauge!(SHARD_LEGS, "Legs that a media thread owns");
    describe_counter!(SHARD_PACKETS, "Packets of a media thread by direction");
    describe_counter!(SHARD_FORWARDED, "RTP packets that a media thread queued for a receiver");
    describe_counter!(FORWARDING_BUCKET, "RTP packets by the time that they were in the server");
    describe_gauge!(FORWARDING_SUM, Unit::Seconds, "What RTP packets were in the server together");
    describe_counter!(FORWARDING_COUNT, "RTP packets whose time in the server was taken");
    describe_gauge!(MEDIA_RATE, "Media of all legs over the last second in bit/s");
    describe_histogram!(LEG_RATE, "Media of each leg in bit/s, sampled every ten seconds");
    describe_histogram!(LEG_LOSS, "Share of lost packets of each leg, sampled every ten seconds");
    describe_histogram!(LEG_ROUND_TRIP, Unit::Seconds, "Round trip of each leg, sampled every ten seconds");
    describe_histogram!(LEG_ESTIMATE, "What the way to each client takes in bit/s, sampled every ten seconds");
    describe_histogram!(STREAM_JITTER, Unit::Seconds, "Jitter of each stream, sampled every ten seconds");
    describe_counter!(WRONG_TOKENS, "Wrong tokens, and requests refused after too many");
    describe_gauge!(BUILD, "The program's version");
    metrics::gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    for gauge in [CONNECTIONS, FEEDS, WEBSOCKETS, ROOMS, PARTICIPANTS, VIEWERS] {
        metrics::gauge!(gauge).set(0.0);
    }
    for counter in [STREAMS_REFUSED, ROOM_PANICS, PANICS, MEDIA_EVENTS_LOST, STORAGE_FAILURES] {
        metrics::counter!(counter).absolute(0);
    }
}

/// Counts one up while it lives.
#[derive(Debug)]
pub struct Counted(&'static str);

impl Counted {
    /// One more of this gauge.
    pub fn new(gauge: &'static str) -> Self {
        metrics::gauge!(gauge).increment(1.0);
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        metrics::gauge!(self.0).decrement(1.0);
    }
}
