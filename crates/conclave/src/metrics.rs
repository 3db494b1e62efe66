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
/// Always 1; the label names the version.
pub const BUILD: &str = "conclave_build_info";

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// The process's one recorder; `None` if something else records metrics already.
pub fn recorder() -> Option<&'static PrometheusHandle> {
    RECORDER
        .get_or_init(|| {
            let buckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
            let handle = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Full(JOIN_SECONDS.into()), &buckets)
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
    describe_gauge!(WEBSOCKETS, "Open WebSockets");
    describe_counter!(WEBSOCKETS_CLOSED, "WebSockets closed by the server");
    describe_counter!(MESSAGES, "Signalling messages from clients");
    describe_gauge!(ROOMS, "Live meetings");
    describe_gauge!(PARTICIPANTS, "People in meetings");
    describe_counter!(ROOM_PANICS, "Meetings ended by a fault in the program");
    describe_counter!(PANICS, "Faults in the program");
    describe_counter!(MEDIA_EVENTS_LOST, "Media events that could not be delivered");
    describe_counter!(STORAGE_FAILURES, "Writes to the database that failed");
    describe_histogram!(JOIN_SECONDS, Unit::Seconds, "From a join to its reply");
    describe_gauge!(CERTIFICATE_EXPIRY, Unit::Seconds, "When the certificate in use expires, since 1970");
    describe_gauge!(BUILD, "The program's version");
    metrics::gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    for gauge in [CONNECTIONS, WEBSOCKETS, ROOMS, PARTICIPANTS] {
        metrics::gauge!(gauge).set(0.0);
    }
    for counter in [ROOM_PANICS, PANICS, MEDIA_EVENTS_LOST, STORAGE_FAILURES] {
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
