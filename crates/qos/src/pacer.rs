//! When the next packet may leave.

use std::time::Duration;

use crate::{Bitrate, Control, Probe, ProbeId, SentPacket, Time};

/// What may leave at once, so that packets to one destination go out together (in one UDP GSO call, say); 5 ms are what
/// libwebrtc's delay estimation takes for one group (`delay_based_bwe.cc`, `kSendTimeGroupLength`).
const BURST: Duration = Duration::from_millis(5);
/// The same where the path is [ample](Control::is_ample): a frame, a key frame even, is one run. libwebrtc's pacer does
/// so on every path (`pacing_controller.h`, `kDefaultBurstInterval`, 40 ms), at narrow bottlenecks too, where queues
/// then grow beyond what its own delay estimation takes for nothing.
const AMPLE_BURST: Duration = Duration::from_millis(20);
/// What waits leaves within this, even where that is faster than the pacing rate.
///
/// At 2.5 times the target, a frame of a quarter of a second's worth of bits (a key frame, mostly) leaves in 100 ms, so
/// this concerns only what the estimate did not allow for: after a fall of the estimate, until a smaller layer
/// replaces the one that no longer fits. libwebrtc waits 2 s (`pacing_controller.h`, `kMaxExpectedQueueLength`), since
/// its encoder answers within a frame. Here, what waits longer than a receiver's jitter buffer is as good as lost, and
/// a loss at the bottleneck is at least told.
const LONGEST_WAIT: Duration = Duration::from_millis(400);
/// Debt is forgotten beyond this (`pacing_controller.cc`, `kMaxDebtInTime`): unpaced audio cannot stop video for good.
const MOST_DEBT: Duration = Duration::from_millis(500);
/// A probe leaves in runs of this length: `probe_controller.h`, `min_probe_delta`.
const PROBE_RUN: Duration = Duration::from_millis(2);
/// A probe that was kept from sending for this long goes on at its rate and does not catch up:
/// `bitrate_prober.h`, `max_probe_delay`.
const PROBE_LATENESS: Duration = Duration::from_millis(10);
/// Probes that wait at most; the oldest make room.
const MOST_PROBES: usize = 4;
/// A probe that could not begin, or go on, for this long is over (`bitrate_prober.cc`, `kProbeClusterTimeout` is 5 s).
const PROBE_EXPIRES: Duration = Duration::from_secs(1);
/// While the window is full, one packet leaves each time nothing has left for this long: something must be reported for
/// it to become free (`pacing_controller.h`, `kCongestedPacketInterval`).
const FULL_WINDOW_INTERVAL: Duration = Duration::from_millis(500);
/// Padding asked for at once, at most: the payload of one packet.
const MOST_PADDING: u64 = 1_200;

/// Bits times microseconds per second: what rates times durations come to, exactly.
const BYTE: u64 = 8 * 1_000_000;

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
    ///
    /// Where there is nothing to pad with, do not ask again before something changes or some time has passed.
    Padding {
        /// How much: 1 to 1,200, all headers included. May be sent as several small packets.
        bytes: u32,
        /// For what.
        probe: Option<ProbeId>,
    },
    /// Nothing now; ask again at this time, or when something is queued.
    Wait(Option<Time>),
}

#[derive(Clone, Copy, Debug)]
struct ActiveProbe {
    probe: Probe,
    added: Time,
    /// When its first packet left, put off by what it was kept from sending.
    started: Option<Time>,
    bytes: u64,
    packets: u32,
}

impl ActiveProbe {
    fn is_done(&self) -> bool {
        self.bytes >= u64::from(self.probe.bytes) && self.packets >= self.probe.packets
    }

    /// When what was sent so far has left at the probe's rate, less the run that may leave together.
    fn due(&self) -> Option<Time> {
        let started = self.started?;
        let sent = Duration::from_micros(self.bytes.saturating_mul(BYTE) / self.probe.rate.as_bps().max(1));
        Some(started + sent.saturating_sub(PROBE_RUN))
    }
}

/// Spreads packets over time.
///
/// Ask [`poll`](Self::poll), do what it says, report with [`handle_sent`](Self::handle_sent), and ask again until it
/// says [`Turn::Wait`]. Media leaves in bursts of up to 5 ms at the pacing rate (2.5 times the target, by
/// [`Control::pacing`]), of 20 ms where the path is [ample](Control::is_ample), and then waits until their time has passed; faster where it would otherwise wait longer than
/// 400 ms. Padding fills up to its rate what media leaves free. A probe goes before both and alone, at its own rate,
/// made of media where there is some and of padding where not. While a window that was [set](Self::set_window) is full,
/// nothing leaves but a probe, and one packet each half second.
#[derive(Debug)]
pub struct Pacer {
    pacing: Bitrate,
    padding: Bitrate,
    burst: Duration,
    /// The pacing rate, or what drains the queue in time.
    rate: Bitrate,
    /// What was sent ahead of time, in units of [`BYTE`].
    media_debt: u64,
    padding_debt: u64,
    /// The burst is over; wait until its debt is paid.
    draining: bool,
    updated: Time,
    /// How many bytes may be on their way, and how many are; none: as many as the rates allow.
    window: Option<u64>,
    in_flight: u64,
    last_sent: Option<Time>,
    probes: [Option<ActiveProbe>; MOST_PROBES],
}

impl Pacer {
    /// Sends at these rates.
    pub fn new(control: Control) -> Self {
        Self {
            pacing: control.pacing,
            padding: control.padding,
            burst: burst(control),
            rate: control.pacing,
            media_debt: 0,
            padding_debt: 0,
            draining: false,
            updated: Time::default(),
            window: None,
            in_flight: 0,
            last_sent: None,
            probes: [None; MOST_PROBES],
        }
    }

    /// What may be sent changed.
    pub fn set_rates(&mut self, now: Time, control: Control) {
        self.update(now);
        self.pacing = control.pacing;
        self.padding = control.padding;
        self.burst = burst(control);
        self.rate = self.rate.max(control.pacing);
    }

    /// How many bytes may be on their way ([`CongestionController::window`](crate::CongestionController::window)), and
    /// how many are ([`SendHistory::in_flight`](crate::SendHistory::in_flight)): to be called after every report. What
    /// leaves after that is counted by [`handle_sent`](Self::handle_sent).
    pub fn set_window(&mut self, window: Option<u64>, in_flight: u64) {
        self.window = window;
        self.in_flight = in_flight;
    }

    /// A probe is to be sent. Four at most wait; with more, the oldest is forgotten.
    pub fn add_probe(&mut self, now: Time, probe: Probe) {
        if self.probes.iter().all(Option::is_some) {
            self.end_probe();
        }
        if let Some(place) = self.probes.iter_mut().find(|place| place.is_none()) {
            *place = Some(ActiveProbe { probe, added: now, started: None, bytes: 0, packets: 0 });
        }
    }

    /// What to do now.
    pub fn poll(&mut self, now: Time, queued: Queued) -> Turn {
        self.update(now);
        self.rate = self.pacing.max(draining_rate(queued));
        if let Some(turn) = self.poll_active_probe(now, queued) {
            return turn;
        }
        if let Some(due) = self.full_until()
            && due > now
        {
            return Turn::Wait(Some(due));
        }
        if queued.packets > 0 && !self.must_drain() {
            return Turn::Media(None);
        }
        if queued.packets == 0 && self.padding > Bitrate::ZERO && self.media_debt == 0 && self.padding_debt == 0 {
            return Turn::Padding { bytes: bytes_in(self.padding, BURST), probe: None };
        }
        Turn::Wait(self.next_send_time(queued))
    }

    /// A packet left: media, padding or audio. Audio is counted but never waits.
    pub fn handle_sent(&mut self, packet: &SentPacket) {
        self.update(packet.at);
        let size = u64::from(packet.size);
        self.in_flight = self.in_flight.saturating_add(size);
        self.last_sent = Some(packet.at);
        let most = |rate: Bitrate| rate.as_bps().saturating_mul(MOST_DEBT.as_micros() as u64);
        self.media_debt = self.media_debt.saturating_add(size * BYTE).min(most(self.rate));
        self.padding_debt = self.padding_debt.saturating_add(size * BYTE).min(most(self.padding));
        if let (Some(active), Some(id)) = (&mut self.probes[0], packet.probe)
            && active.probe.id == id
        {
            active.started.get_or_insert(packet.at);
            active.bytes = active.bytes.saturating_add(size);
            active.packets = active.packets.saturating_add(1);
            if active.is_done() {
                self.end_probe();
            }
        }
    }

    /// When [`poll`](Self::poll) would let something leave; `None`: not before something changes.
    pub fn next_send_time(&self, queued: Queued) -> Option<Time> {
        if let Some(active) = self.probes[0] {
            return Some(active.due().unwrap_or(self.updated));
        }
        let full = self.full_until();
        let paid = |debt: u64, rate: Bitrate| {
            let micros = if rate > Bitrate::ZERO { debt.div_ceil(rate.as_bps()) } else { 0 };
            self.updated + Duration::from_micros(micros)
        };
        if queued.packets > 0 {
            let now = if self.draining { paid(self.media_debt, self.rate) } else { self.updated };
            return (self.rate > Bitrate::ZERO).then_some(full.map_or(now, |full| full.max(now)));
        }
        let padding = paid(self.media_debt, self.rate).max(paid(self.padding_debt, self.padding));
        (self.padding > Bitrate::ZERO).then_some(full.map_or(padding, |full| full.max(padding)))
    }

    /// What the first waiting probe says; `None` if there is none.
    fn poll_active_probe(&mut self, now: Time, queued: Queued) -> Option<Turn> {
        while self.probes[0].is_some_and(|active| now.since(active.due().unwrap_or(active.added)) > PROBE_EXPIRES) {
            self.end_probe();
        }
        let active = self.probes[0].as_mut()?;
        if let Some(due) = active.due() {
            if due > now {
                // Media beside the probe would take up what the probe is to measure.
                return Some(Turn::Wait(Some(due)));
            }
            let late = now.since(due);
            if late > PROBE_LATENESS + PROBE_RUN {
                active.started = active.started.map(|started| started + late);
            }
        }
        let probe = active.probe;
        if queued.packets > 0 {
            return Some(Turn::Media(Some(probe.id)));
        }
        let rest = u64::from(probe.bytes).saturating_sub(active.bytes);
        let missing = u64::from(probe.packets.saturating_sub(active.packets)).max(1);
        let bytes = rest.div_ceil(missing).clamp(1, MOST_PADDING) as u32;
        Some(Turn::Padding { bytes, probe: Some(probe.id) })
    }

    /// When one packet may leave although the window is full; none while it is not.
    fn full_until(&self) -> Option<Time> {
        let is_full = self.window.is_some_and(|window| self.in_flight >= window);
        self.last_sent.filter(|_| is_full).map(|sent| sent + FULL_WINDOW_INTERVAL)
    }

    fn end_probe(&mut self) {
        self.probes[0] = None;
        self.probes.rotate_left(1);
    }

    /// Whether a burst was sent whose time has not passed.
    fn must_drain(&mut self) -> bool {
        if self.rate == Bitrate::ZERO {
            return true;
        }
        let burst = self.rate.as_bps().saturating_mul(self.burst.as_micros() as u64);
        self.draining = self.media_debt >= burst || (self.draining && self.media_debt > 0);
        self.draining
    }

    /// Pays debts with the time that passed.
    fn update(&mut self, now: Time) {
        let passed = now.since(self.updated).as_micros() as u64;
        self.media_debt = self.media_debt.saturating_sub(self.rate.as_bps().saturating_mul(passed));
        self.padding_debt = self.padding_debt.saturating_sub(self.padding.as_bps().saturating_mul(passed));
        self.updated = self.updated.max(now);
    }
}

fn burst(control: Control) -> Duration {
    if control.is_ample { AMPLE_BURST } else { BURST }
}

/// What empties the queue within [`LONGEST_WAIT`].
fn draining_rate(queued: Queued) -> Bitrate {
    Bitrate::bps(queued.bytes.saturating_mul(8_000) / LONGEST_WAIT.as_millis() as u64)
}

fn bytes_in(rate: Bitrate, time: Duration) -> u32 {
    (rate.as_bps().saturating_mul(time.as_micros() as u64) / BYTE).clamp(1, MOST_PADDING) as u32
}

#[cfg(test)]
#[path = "pacer_tests.rs"]
mod tests;
