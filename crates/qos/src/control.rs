//! What a sender and a congestion controller tell each other.

use std::time::Duration;

use crate::{Bitrate, Time};

/// One packet that was handed to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentPacket {
    /// When.
    pub at: Time,
    /// Its size in bytes, IP and UDP headers included: the network carries those too.
    pub size: u32,
    /// The probe that it belongs to.
    pub probe: Option<ProbeId>,
    /// Whether it is audio, video or a retransmission, and not padding.
    pub is_media: bool,
}

/// What became of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketResult {
    /// The packet as it was sent.
    pub sent: SentPacket,
    /// Its transport-wide sequence number, without wrapping.
    pub sequence: u64,
    /// When it arrived, by the receiver's clock, whose start means nothing. `None`: it did not.
    ///
    /// A packet that was reported as lost can be reported once more, as received.
    pub received: Option<Duration>,
    /// How it was marked when it arrived; [`Ecn::NotEct`] where the reports do not tell, or it did not arrive.
    pub ecn: Ecn,
}

impl PacketResult {
    /// The least that a packet of a report took both ways; what the report waited for at the receiver is no part of it.
    /// `None`: nothing arrived.
    pub fn round_trip(now: Time, results: &[Self]) -> Option<Duration> {
        let arrivals = || results.iter().filter_map(|result| Some((result.sent.at, result.received?)));
        let latest = arrivals().map(|(_, arrived)| arrived).max()?;
        arrivals().map(|(sent, arrived)| now.since(sent).saturating_sub(latest - arrived)).min()
    }
}

/// Explicit congestion notification: the two bits of the IP header (RFC 3168, section 5; RFC 9331 for ECT(1)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ecn {
    /// The sender does not take marks; congestion shows as loss.
    #[default]
    NotEct,
    /// Takes a mark as it would take a loss.
    Ect0,
    /// Takes marks that come early and often (L4S).
    Ect1,
    /// Congestion experienced.
    Ce,
}

/// What the application does with the rate that it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// What it means to send now.
    pub sending: Bitrate,
    /// What it would send if there were room for everything. Not worth looking for more than this.
    pub wanted: Bitrate,
}

/// What may be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// What media and retransmissions may come to on average.
    pub target: Bitrate,
    /// How fast a burst (a key frame, say) may leave.
    pub pacing: Bitrate,
    /// Padding fills up to this what media leaves free. Mostly zero.
    pub padding: Bitrate,
    /// Whole frames may leave at once: the path carries at least twice what is to be sent, and no queue stands in it. (As
    /// libwebrtc does, [`Gcc`](crate::Gcc) lets them on every path.)
    pub is_ample: bool,
}

/// Names one probe of one controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeId(pub u32);

/// Some milliseconds of sending at a higher rate, to see whether it gets through.
///
/// Media goes first, padding fills the rest. The probe is over once both minima are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Marks its packets.
    pub id: ProbeId,
    /// How fast to send.
    pub rate: Bitrate,
    /// At least this many bytes.
    pub bytes: u32,
    /// At least this many packets.
    pub packets: u32,
}

/// What the path looks like to the controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkState {
    /// Queues neither grow nor shrink.
    #[default]
    Steady,
    /// A queue grows: more is sent than gets through.
    Overused,
    /// A queue empties.
    Draining,
    /// Packets are lost to a degree that holds the estimate down.
    Lossy,
    /// Nothing has been heard from the other end for too long.
    Silent,
}

/// For people who look at the network: what the controller thinks, and from what.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// What [`Control::target`] says.
    pub target: Bitrate,
    /// What the growth of queues alone would allow.
    pub delay_based: Bitrate,
    /// What losses alone would allow; `None` while they do not limit.
    pub loss_based: Option<Bitrate>,
    /// What lately arrived, by the other end's reports.
    pub acknowledged: Option<Bitrate>,
    /// Share of the packets that were lost lately, 0 to 1.
    pub loss: f64,
    /// The latest round-trip time.
    pub round_trip: Option<Duration>,
    /// Whether the application sends much less than it may.
    pub application_limited: bool,
    /// What the path looks like.
    pub state: NetworkState,
}

/// Decides how much may be sent over one path.
pub trait CongestionController: Send {
    /// A packet left.
    fn handle_sent(&mut self, packet: &SentPacket);

    /// The other end reported: what became of these, in order of sending.
    fn handle_feedback(&mut self, now: Time, results: &[PacketResult]);

    /// The round-trip time was measured by other means than feedback (RFC 3550, 6.4.1; ICE).
    fn handle_round_trip(&mut self, now: Time, round_trip: Duration);

    /// The other end asks for no more than this (REMB, draft-alvestrand-rmcat-remb-03); `None`: no longer.
    fn handle_remote_limit(&mut self, now: Time, limit: Option<Bitrate>);

    /// Packets take another way from now on: to another address, by another network. What was learnt of the path counts no
    /// longer, and rates begin anew; limits, demand and the remote limit stay. Results of packets that left before
    /// are not to be handed over any more ([`SendHistory::handle_route_change`](crate::SendHistory::handle_route_change)
    /// sees to that).
    fn handle_route_change(&mut self, now: Time);

    /// The application's plans changed.
    fn handle_demand(&mut self, now: Time, demand: Demand);

    /// The time that [`poll_timeout`](Self::poll_timeout) named has come.
    fn handle_timeout(&mut self, now: Time);

    /// When to call [`handle_timeout`](Self::handle_timeout), if nothing else is called before.
    fn poll_timeout(&self) -> Option<Time>;

    /// What may be sent now. May change with every call of `handle_*`.
    fn control(&self) -> Control;

    /// What may be sent over the next seconds, within the limits.
    ///
    /// The target is lower for a moment where a queue is drained, which frames that wait in the pacer take care of. Who
    /// chooses among streams of given rates, and cannot take a choice back at once, goes by this.
    fn sustained(&self) -> Bitrate {
        self.control().target
    }

    /// How many bytes may be on their way at once, IP and UDP headers included; `None`: as many as the rates allow.
    ///
    /// It bounds what a path that stops carrying anything can be given: rates are only corrected when reports come.
    /// Who sends compares it with [`SendHistory::in_flight`](crate::SendHistory::in_flight), which
    /// [`Pacer::set_window`](crate::Pacer::set_window) does for what is paced. Audio is counted and does not wait. May
    /// change with every call of `handle_*`.
    fn window(&self) -> Option<u64> {
        None
    }

    /// Whether it answers congestion marks as who sends with ECT(1) must: early, and in proportion to how many packets are
    /// marked (RFC 9331, section 4.3).
    fn takes_marks(&self) -> bool {
        false
    }

    /// A probe to send next. Ask after every `handle_*` until there is none.
    fn poll_probe(&mut self) -> Option<Probe>;

    /// What there is to see.
    fn snapshot(&self) -> Snapshot;
}
