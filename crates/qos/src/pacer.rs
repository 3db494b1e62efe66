//! When the next packet may leave.

use crate::{Bitrate, Control, Probe, ProbeId, SentPacket, Time};

/// What waits to be sent and is paced (so without audio).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    /// Bytes, all headers included.
    pub bytes: u64,
    /// Packets.
    pub packets: u32,
}

/// What the pacer says to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Send the next waiting packet, as part of this probe if there is one.
    Media(Option<ProbeId>),
    /// Send padding, about this many bytes, as part of this probe if there is one.
    Padding {
        /// How much.
        bytes: u32,
        /// For what.
        probe: Option<ProbeId>,
    },
    /// Nothing now; ask again at this time, or when something is queued.
    Wait(Option<Time>),
}

/// Spreads packets over time.
///
/// Ask [`poll`](Self::poll), do what it says, report with [`handle_sent`](Self::handle_sent), and ask again until it
/// says [`Turn::Wait`].
#[derive(Debug, Default)]
pub struct Pacer {
    pacing: Bitrate,
}

impl Pacer {
    /// Sends at these rates.
    pub fn new(control: Control) -> Self {
        Self { pacing: control.pacing }
    }

    /// What may be sent changed.
    pub fn set_rates(&mut self, _now: Time, control: Control) {
        self.pacing = control.pacing;
    }

    /// A probe is to be sent.
    pub fn add_probe(&mut self, _now: Time, _probe: Probe) {}

    /// What to do now.
    pub fn poll(&mut self, _now: Time, queued: Queued) -> Turn {
        if queued.packets > 0 { Turn::Media(None) } else { Turn::Wait(None) }
    }

    /// A packet left: media, padding or audio. Audio is counted but never waits.
    pub fn handle_sent(&mut self, _packet: &SentPacket) {}

    /// When [`poll`](Self::poll) would let something leave; `None`: not before something changes.
    pub fn next_send_time(&self, queued: Queued) -> Option<Time> {
        (queued.packets > 0).then(Time::default)
    }
}
