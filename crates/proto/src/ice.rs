use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::text::Secret;

/// A STUN or TURN server for the client's connections: an `RTCIceServer` of the W3C WebRTC API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IceServer {
    /// Addresses (RFC 7064, RFC 7065), all of one server and for one user.
    pub urls: Vec<String>,
    /// Who the client is to a TURN server: when the credential ends (seconds since 1970), and for whom
    /// it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub username: Option<String>,
    /// The password that goes with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub credential: Option<Secret>,
}

/// What a client needs to find a way through its network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct IceConfig {
    /// Servers to gather candidates from.
    pub servers: Vec<IceServer>,
    /// For how long new relays can be asked for with these credentials, in seconds. A relay that
    /// exists goes on.
    pub lifetime_s: u32,
}
