//! What a sender is told, and what it tells.

use std::time::Duration;

use conclave_qos::Bitrate;
use thiserror::Error;

use crate::{ExtensionIds, PayloadType, Ssrc};

/// What holds for all slots of a sender.
#[derive(Clone, Debug)]
pub struct SenderConfig {
    /// The name under which the receiver groups what belongs together (RFC 3550, 6.5.1): random, at most 64 bytes.
    pub cname: String,
    /// What the wall clock said at the start of [`Time`](conclave_qos::Time): seconds since 1900 in the upper 32 bits,
    /// their fraction below (RFC 3550, section 4).
    pub ntp_at_start: u64,
    /// What the path adds to each packet, in bytes: 28 for UDP over IPv4, 48 over IPv6, more for TCP and TURN.
    pub overhead: u32,
}

/// One outgoing stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotConfig {
    /// Its source.
    pub ssrc: Ssrc,
    /// The source of its retransmissions (RFC 4588); `None`: nothing is sent again, and padding is not possible.
    pub rtx: Option<Ssrc>,
    /// The name of its section, sent until the receiver reports on the stream (RFC 8843, 9.2); at most 16 bytes.
    pub mid: Option<String>,
    /// Audio leaves at once; video is paced.
    pub is_audio: bool,
    /// The header extensions that its section negotiated.
    pub extensions: ExtensionIds,
    /// The payload types that its section negotiated, those of retransmissions left out.
    pub payloads: Vec<SendPayload>,
    /// Of sound: the payload type under which the others may carry copies of what went before (RED, RFC 2198), if the
    /// receiver takes that. Then as many go with each packet as the losses on the path ask for, and its payload type
    /// changes from packet to packet. It must be one of the others' clock.
    pub red: Option<PayloadType>,
    /// How its receiver takes parity; `None`: it does not. Sent where measured losses and the round trip call for it.
    pub parity: Option<Parity>,
}

/// How parity on a video stream goes on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// FlexFEC as of draft-ietf-payload-flexible-fec-scheme-03, which Chromium speaks: a source of its own.
    Flexfec {
        /// Its source.
        ssrc: Ssrc,
        /// Its payload type.
        payload_type: PayloadType,
    },
    /// ULPFEC (RFC 5109) inside RED (RFC 2198), among the media's numbers; what is protected goes inside RED, too.
    ///
    /// A lost packet of parity leaves a gap that is never filled, so only frames are protected whose order does not
    /// follow from sequence numbers: those with a picture id or a dependency descriptor.
    Ulpfec {
        /// The payload type of RED.
        red: PayloadType,
        /// That of ULPFEC inside it.
        payload_type: PayloadType,
        /// That of VP8, if it is negotiated (RFC 7741, section 4.2 says where its picture id is).
        vp8: Option<PayloadType>,
        /// That of VP9, if it is negotiated (RFC 9628, section 4.2).
        vp9: Option<PayloadType>,
    },
}

impl SlotConfig {
    /// The source of its parity, if that has one of its own.
    pub(super) fn parity_source(&self) -> Option<Ssrc> {
        match self.parity {
            Some(Parity::Flexfec { ssrc, .. }) => Some(ssrc),
            Some(Parity::Ulpfec { .. }) | None => None,
        }
    }
}

/// A payload type of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendPayload {
    /// Its number.
    pub payload_type: PayloadType,
    /// The payload type of its retransmissions, if there may be any.
    pub rtx: Option<PayloadType>,
    /// Ticks of the timestamp per second.
    pub clock_rate: u32,
}

/// Slots that a sender cannot have. It is the caller's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadSlots {
    /// More than [`Sender::MOST_SLOTS`](super::Sender::MOST_SLOTS).
    #[error("too many slots")]
    TooMany,
    /// Two streams have the same source.
    #[error("a source is used twice")]
    SameSource,
    /// More streams came and went than a sender can remember the numbers of.
    #[error("too many streams came and went")]
    TooManyGone,
    /// A name is longer than its header extension or item can be.
    #[error("a name is too long")]
    LongName,
}

/// Why a packet was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotQueued {
    /// There is no such slot, or it has not negotiated the payload type. The caller's fault.
    #[error("the slot has not negotiated this")]
    NotNegotiated,
    /// The sequence number was used, or is too old to know. The caller's fault.
    #[error("the sequence number was used before")]
    Used,
    /// The sequence number is so far ahead that the receiver would lose count of its rollovers (RFC 3711, 3.3.1), or the
    /// first one is not below 2^15: the stream has to be numbered anew, without the gap. The caller's fault.
    #[error("the sequence number is too far ahead")]
    TooFar,
    /// Too much waits: the path carries less than it is given. The rest of the frame is refused too, and a key frame
    /// asked for.
    #[error("too much waits already")]
    Full,
}

/// What the owner of a sender has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SenderEvent {
    /// The receiver of this slot cannot go on without a key frame: it says so (PLI, FIR), or frames were dropped here.
    KeyframeWanted(u16),
}

/// What a slot sent, and how it arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SlotStats {
    /// Packets sent for the first time.
    pub packets: u64,
    /// Their bytes, with header and payload, without what SRTP and the path add.
    pub bytes: u64,
    /// Packets sent again because they were asked for.
    pub retransmitted_packets: u64,
    /// Their bytes.
    pub retransmitted_bytes: u64,
    /// Copies of earlier sounds that went with later ones.
    pub copies: u64,
    /// Packets of parity.
    pub parity_packets: u64,
    /// Their bytes, with header and payload.
    pub parity_bytes: u64,
    /// Bytes sent only to fill the path.
    pub padding_bytes: u64,
    /// Packets that were dropped here: they had waited too long, were refused, or their payload was gone.
    pub dropped: u64,
    /// Of those, packets that had waited too long, or made room for newer ones.
    pub late: u64,
    /// Packets that were asked for again.
    pub nacked: u64,
    /// Of those, packets that were no longer there.
    pub gone: u64,
    /// Of those, packets for which there was no room in the budget.
    pub denied: u64,
    /// Requests for key frames that were passed on.
    pub keyframe_requests: u32,
    /// Packets that the receiver misses in all, as it reports; below zero where duplicates came.
    pub lost: i32,
    /// The share of packets that it missed lately, as it reports: 0 to 1.
    pub loss: f32,
    /// The mean deviation of spacing, as it reports.
    pub jitter: Duration,
    /// Packets that wait to be sent.
    pub waiting: usize,
}

/// What a sender as a whole does; for people who look at the network.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SenderStats {
    /// What media and retransmissions may come to.
    pub target: Bitrate,
    /// The latest round-trip time, smoothed; `None` before the first.
    pub round_trip: Option<Duration>,
    /// Packets that could not be written or sealed: a fault of ours.
    pub faults: u64,
    /// Video packets that wait for the pacer.
    pub waiting: u32,
    /// Whether the peer gives no transport-wide feedback, so that the losses it reports decide.
    pub by_losses: bool,
}
