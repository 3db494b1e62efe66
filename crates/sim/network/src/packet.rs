//! Packets on their way, kept in one place and named by numbers: nothing is allocated for one.

use std::time::Duration;

use conclave_qos::{Ecn, Time};

use crate::event::AgentId;

/// Names a packet from its sending to its arrival or loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PacketId(u32);

/// Names what a report says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReportId(u32);

/// What a report says of one packet: its number, when it arrived and how it was marked.
pub(crate) type Told = (u16, Option<(Duration, Ecn)>);

/// Which way a packet goes: media and segments forward, reports and acknowledgements backward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Forward,
    Backward,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// Video, or padding (`is_media` is false), under a transport-wide sequence number.
    Media { sequence: u16, is_media: bool },
    /// Feedback on media.
    Report(ReportId),
    /// A TCP segment, counted from 0, and which transmission of its connection this is.
    Segment { number: u32, transmission: u32 },
    /// All segments below `next` have arrived; the last to arrive was this one in this transmission (what a first SACK block
    /// and a time stamp tell: RFC 2018, RFC 7323).
    Acknowledgement { next: u32, number: u32, transmission: u32 },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    pub(crate) agent: AgentId,
    pub(crate) way: Way,
    /// How many links of its way are behind it.
    pub(crate) hop: u8,
    pub(crate) ecn: Ecn,
    /// Bytes with all headers from IP on.
    pub(crate) size: u32,
    /// When it came to the queue where it is.
    pub(crate) queued: Time,
    /// How long it waited in queues, µs: from its arrival there to the first bit that leaves.
    pub(crate) waited: u64,
    pub(crate) payload: Payload,
}

impl Packet {
    /// A packet that is sent now.
    pub(crate) fn new(now: Time, agent: AgentId, way: Way, ecn: Ecn, size: u32, payload: Payload) -> Self {
        Self { agent, way, hop: 0, ecn, size, queued: now, waited: 0, payload }
    }
}

/// All packets that are on their way. As many as queues and wires hold, so bounded by them.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    places: Vec<Packet>,
    free: Vec<PacketId>,
    reports: Vec<Vec<Told>>,
    free_reports: Vec<ReportId>,
}

impl Packets {
    pub(crate) fn add(&mut self, packet: Packet) -> PacketId {
        if let Some(id) = self.free.pop() {
            self.places[id.0 as usize] = packet;
            return id;
        }
        self.places.push(packet);
        PacketId(self.places.len() as u32 - 1)
    }

    // Ids come from `add` alone, and places never become fewer: the two below cannot be out of bounds.

    pub(crate) fn get(&self, id: PacketId) -> &Packet {
        &self.places[id.0 as usize]
    }

    pub(crate) fn get_mut(&mut self, id: PacketId) -> &mut Packet {
        &mut self.places[id.0 as usize]
    }

    /// It arrived, or was lost; what it told is forgotten with it.
    pub(crate) fn remove(&mut self, id: PacketId) -> Packet {
        let packet = *self.get(id);
        if let Payload::Report(report) = packet.payload {
            self.reports[report.0 as usize].clear();
            self.free_reports.push(report);
        }
        self.free.push(id);
        packet
    }

    /// Keeps what a report says until its packet is removed.
    pub(crate) fn add_report(&mut self, told: impl Iterator<Item = Told>) -> ReportId {
        let id = self.free_reports.pop().unwrap_or_else(|| {
            self.reports.push(Vec::new());
            ReportId(self.reports.len() as u32 - 1)
        });
        self.reports[id.0 as usize].extend(told);
        id
    }

    pub(crate) fn report(&self, id: ReportId) -> &[Told] {
        &self.reports[id.0 as usize]
    }
}
