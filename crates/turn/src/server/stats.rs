/// What a [`Server`](crate::Server) has done since its start. Gauges are true at the moment; all else
/// only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Gauge: allocations that exist.
    pub allocations: u64,
    /// Gauge: users that have at least one allocation.
    pub users: u64,
    /// Gauge: streams that are open.
    pub streams: u64,

    /// Binding requests answered.
    pub bindings: u64,
    /// Allocations made.
    pub allocations_made: u64,
    /// Allocations that their client no longer refreshed.
    pub allocations_expired: u64,
    /// Allocations taken away because their user has left.
    pub allocations_revoked: u64,

    /// Requests refused because the credential is unknown, expired or revoked; each client's first
    /// request is one of them (401).
    pub refused_unauthorized: u64,
    /// Requests refused because the nonce is old or another client's (438).
    pub refused_stale_nonce: u64,
    /// Requests refused because a bound of [`Limits`](crate::Limits) was reached (486, 508).
    pub refused_quota: u64,
    /// CreatePermission and ChannelBind requests for what no relay reaches (403, 443).
    pub refused_peer: u64,
    /// Requests refused for any other reason.
    pub refused_other: u64,

    /// Packets of clients that went to an SFU address or another relay.
    pub relayed_from_clients: u64,
    /// The payload of those, in bytes.
    pub relayed_from_clients_bytes: u64,
    /// Packets from an SFU address or another relay that went to clients.
    pub relayed_to_clients: u64,
    /// The payload of those, in bytes.
    pub relayed_to_clients_bytes: u64,

    /// Packets that are no STUN message and no ChannelData, or contradict themselves.
    pub dropped_malformed: u64,
    /// Packets of clients to what no relay reaches.
    pub dropped_forbidden_peer: u64,
    /// Packets of clients without an allocation, or by a channel that is not bound.
    pub dropped_no_allocation: u64,
    /// Packets to relayed addresses that nobody has, or whose client has not permitted the sender,
    /// and packets of clients to whom they have not permitted themselves.
    pub dropped_no_permission: u64,
    /// Packets above an allocation's rates.
    pub dropped_over_rate: u64,
    /// Requests of networks that had enough answers; each could be forged.
    pub dropped_unanswered: u64,
    /// Outputs that nobody has polled.
    pub dropped_outputs: u64,
}
