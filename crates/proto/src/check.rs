use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::ProtocolError;
use crate::ice::IceConfig;
use crate::media::{SfuAnswer, SfuOffer};

/// What a page or program that tests its network can ask at `/api/v1/check`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", content = "body", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum CheckRequest {
    /// For measuring the WebSocket's round trip.
    Ping {
        /// Comes back.
        number: u32,
    },
    /// Makes a connection to the media plane that nothing is sent on; a new one ends the last one.
    Offer(Box<SfuOffer>),
}

/// What the server says at `/api/v1/check`. Everything that it gave out ends with the connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", content = "body", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum CheckReply {
    /// The first message, unasked.
    Welcome {
        /// Servers and credentials to test with.
        ice: IceConfig,
        /// Where clients are told that media goes: `address:port`, for UDP and TCP.
        announced: Vec<String>,
        /// How long this connection may last, in seconds.
        lifetime_s: u32,
    },
    /// Answer to a ping.
    Pong {
        /// As asked.
        number: u32,
    },
    /// Answer to an offer.
    Answered {
        /// The media plane's.
        answer: SfuAnswer,
    },
    /// A request was refused.
    Refused {
        /// Why.
        error: ProtocolError,
    },
}
