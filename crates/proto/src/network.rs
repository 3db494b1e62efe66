use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

/// In a word, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkQuality {
    /// At least half of the wanted rate, and under 6 % loss.
    Good,
    /// Less than that.
    Poor,
    /// No packets for 3 s.
    Lost,
}

/// How a participant's own network is, as its page measured it. Sent to the others so that each
/// page can say whose network a bad picture comes from.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkReport {
    /// In a word.
    pub quality: NetworkQuality,
    /// Round trip to the server or, in a direct call, to the peer: milliseconds.
    pub round_trip_ms: u16,
    /// Loss of what it sends, in tenths of a percent (0 to 1,000).
    pub loss_up_permille: u16,
    /// Loss of what it receives, in tenths of a percent (0 to 1,000).
    pub loss_down_permille: u16,
}
