//! One leg: its connection, its RTP, and what the media plane keeps about them.

mod plan;

use std::time::{Duration, Instant};

use conclave_proto::{ProtocolError, SourceKind};
use conclave_qos::{Bitrate, Demand, Limits, Time};
use conclave_rtp::srtp::BadKeyingMaterial;
use conclave_rtp::{NotQueued, PacketRef, Receiver, ReceiverEvent, Sender, SenderConfig, SenderEvent, Session, Ssrc};
use conclave_sfu::{Forward, LayerIndex, LegId, SlotId};
use conclave_turn::demux::DatagramKind;
use rand::Rng;
use rand::distr::Alphanumeric;

use crate::budget::{Budget, Verdict};
use crate::config::MediaLimits;
use crate::counters::{Dropped, End};
use crate::dtls::Keys;
use crate::offer::CheckedOffer;
use crate::paths::{Path, Paths};
use crate::remote::Remote;
use crate::routes::LegRef;
use crate::shard::ShardId;
use crate::shared::Common;
use crate::stats::{OwnPart, Traffic};
use crate::webrtc::{Agreed, Connection};

pub(crate) use plan::Plan;

/// A leg. Holds state and judges; its shard acts.
pub(crate) struct Leg {
    pub(crate) name: LegRef,
    /// Where its room is.
    pub(crate) home: ShardId,
    /// What its room's conference knows it by.
    pub(crate) id: LegId,
    pub(crate) connection: Connection,
    pub(crate) rtp: Session,
    pub(crate) plan: Plan,
    reporter: Reporter,
    pub(crate) paths: Paths,
    /// Where media went last.
    route: Option<Remote>,
    /// Remotes from which packets come to other shards, and to which.
    pub(crate) abroad: Vec<(ShardId, Remote)>,
    pub(crate) connected: bool,
    /// When the connection wants time to pass.
    pub(crate) wake: Instant,
    /// When the leg ends because a newer one took its place.
    pub(crate) retires: Option<Instant>,
    /// Whether it is drained at the end of the turn.
    pub(crate) is_dirty: bool,
    told_estimate: Option<Bitrate>,
    told_copies: u8,
    counted: Repeats,
    born: Instant,
    heard: Heard,
    budget: Budget,
}

/// Packets that were asked for again, or waited too long to be sent, and sounds that were sent more than once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Repeats {
    /// By the server.
    pub(crate) asked: u64,
    /// By the client.
    pub(crate) wanted: u64,
    /// Not sent.
    pub(crate) late: u64,
    /// Sent beforehand, of sounds.
    pub(crate) copies: u64,
    /// Packets of parity, sent so that none has to be.
    pub(crate) parity: u64,
}

/// Under which name the leg reports what it receives.
#[derive(Debug)]
pub(crate) struct Reporter {
    pub(crate) ssrc: Ssrc,
    pub(crate) cname: String,
}

/// When what was last received.
#[derive(Debug)]
struct Heard {
    anything: Instant,
    media: Option<Instant>,
    check: Instant,
    told_silent: bool,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Pass,
    Drop(Dropped),
    Close,
}

/// What a leg's time brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// It ends.
    End(End),
    /// Nothing has come from it for too long.
    Silent,
    /// Its connection wants time to pass.
    Connection,
}

/// What a leg's RTP tells its room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum RtpEvent {
    /// The client cannot decode what a slot carries.
    KeyframeWanted(SlotId),
    /// How much media the client's network takes.
    Estimate(Bitrate),
    /// How many copies of earlier sounds go with each sound.
    Copies(u8),
    /// A publisher's clock.
    Report { source: SourceKind, layer: LayerIndex, ntp: u64, timestamp: u32 },
}

/// A client that sent media this recently should be heard all the time; one that only listens sends
/// no more than a connectivity check every few seconds.
const TALKATIVE: Duration = Duration::from_secs(5);

/// Remotes from which packets come to other shards.
pub(crate) const MOST_ABROAD: usize = 16;

/// What IPv4 and UDP add to a packet, in bytes; IPv6 adds 20 more, which the estimation does not notice.
const OVERHEAD: u32 = 28;

/// Where the bandwidth estimation starts; the first probes raise it within a second where there is more.
const FIRST_ESTIMATE: Bitrate = Bitrate::kbps(1_000);

/// An estimate is told when it has changed by more than a hundredth.
const WORTH_TELLING: u64 = 100;

impl Leg {
    pub(crate) fn new(
        now: Instant,
        common: &Common,
        name: LegRef,
        home: ShardId,
        id: LegId,
        connection: Connection,
        agreed: &Agreed,
    ) -> Self {
        let limits = &common.limits;
        let cname: String = rand::rng().sample_iter(Alphanumeric).take(16).map(char::from).collect();
        let reporter = Reporter { ssrc: Ssrc(rand::random()), cname: cname.clone() };
        let sender = SenderConfig { cname, ntp_at_start: common.ntp, overhead: OVERHEAD };
        let receiver = Receiver::new(plan::receiver(agreed, &reporter), common.seed(name.key));
        let controller = common.controller.controller(Limits { start: FIRST_ESTIMATE, ..Limits::default() });
        let mut sender = Sender::new(sender, controller, common.seed(name.key));
        // An offer has at most 28 slots, and the engine gives each SSRC once.
        let _ = sender.set_slots(plan::slots(agreed));
        let mut rtp = Session::new(receiver, sender);
        rtp.set_congestion_feedback(agreed.reports_by_source);
        Self {
            name,
            home,
            id,
            connection,
            rtp,
            plan: Plan::new(agreed),
            reporter,
            paths: Paths::default(),
            route: None,
            abroad: Vec::new(),
            connected: false,
            wake: now,
            retires: None,
            is_dirty: false,
            told_estimate: None,
            told_copies: 0,
            counted: Repeats::default(),
            born: now,
            heard: Heard { anything: now, media: None, check: now, told_silent: false },
            budget: Budget::new(now, limits.packets_per_second, limits.bits_per_second, limits.overload),
        }
    }

    /// Notes that it is to be drained at the end of the turn.
    pub(crate) fn touch(&mut self, place: u32, dirty: &mut Vec<u32>) {
        if !std::mem::replace(&mut self.is_dirty, true) {
            dirty.push(place);
        }
    }

    /// Takes another offer. Gives the answer, and the name that checks ask for from now on.
    pub(crate) fn negotiate(&mut self, offer: &CheckedOffer) -> Result<(String, String), ProtocolError> {
        let (answer, agreed) = self.connection.negotiate(offer)?;
        self.rtp.receiver_mut().set_config(plan::receiver(&agreed, &self.reporter));
        self.rtp
            .sender_mut()
            .set_slots(plan::slots(&agreed))
            .map_err(|_| ProtocolError::new(conclave_proto::ErrorCode::BadSdp, "the offer has too many slots"))?;
        self.rtp.set_congestion_feedback(agreed.reports_by_source);
        self.plan = Plan::new(&agreed);
        Ok((answer, self.connection.ufrag().to_owned()))
    }

    /// ICE and DTLS are done.
    ///
    /// # Errors
    /// The keys do not fit what DTLS says that they are for: a fault of the engine.
    pub(crate) fn connect(&mut self, keys: &Keys) -> Result<(), BadKeyingMaterial> {
        self.rtp.connect(keys.profile, &keys.material, keys.side)?;
        self.connected = true;
        Ok(())
    }

    /// Judges a packet that belongs to this leg, and takes note of it.
    pub(crate) fn admit(&mut self, now: Instant, kind: DatagramKind, bytes: usize) -> Admission {
        match self.budget.admit(now, bytes) {
            Verdict::Pass => {}
            Verdict::Drop => return Admission::Drop(Dropped::Budget),
            Verdict::Close => return Admission::Close,
        }
        self.heard.anything = now;
        self.heard.told_silent = false;
        match kind {
            DatagramKind::Media => self.heard.media = Some(now),
            DatagramKind::Stun => self.heard.check = now,
            _ => {}
        }
        Admission::Pass
    }

    /// Whether its room was told that it is silent.
    pub(crate) fn was_told_silent(&self) -> bool {
        self.heard.told_silent
    }

    /// Silence was told; it is not told again until something comes.
    pub(crate) fn silence_told(&mut self) {
        self.heard.told_silent = true;
    }

    fn silence_due(&self, limits: &MediaLimits) -> Option<Instant> {
        let media = self.heard.media?;
        let talkative = self.heard.anything.saturating_duration_since(media) < TALKATIVE;
        (self.connected && talkative && !self.heard.told_silent).then_some(self.heard.anything + limits.silence)
    }

    /// The next time at which [`Self::due`] has something to say.
    pub(crate) fn deadline(&self, limits: &MediaLimits) -> Instant {
        let end = if self.connected { self.heard.check + limits.consent } else { self.born + limits.handshake };
        [Some(end), self.retires, self.silence_due(limits)].into_iter().flatten().fold(self.wake, Instant::min)
    }

    /// What this time brings, the gravest first.
    pub(crate) fn due(&self, now: Instant, limits: &MediaLimits) -> Option<Due> {
        if !self.connected && now >= self.born + limits.handshake {
            return Some(Due::End(End::Handshake));
        }
        if self.retires.is_some_and(|at| now >= at) {
            return Some(Due::End(End::Replaced));
        }
        if self.connected && now >= self.heard.check + limits.consent {
            return Some(Due::End(End::Consent));
        }
        if self.silence_due(limits).is_some_and(|at| at <= now) {
            return Some(Due::Silent);
        }
        (now >= self.wake).then_some(Due::Connection)
    }

    /// Queues a forwarded packet, whose payload is kept.
    pub(crate) fn enqueue(
        &mut self,
        now: Time,
        forward: &Forward,
        packet: PacketRef,
        length: usize,
        level: Option<(u8, bool)>,
    ) -> Result<(), Dropped> {
        #[cfg(test)]
        crate::fault::here(crate::fault::Point::IsGiven(self.name.key));
        let queued = self.plan.outgoing(forward, packet, length, level);
        queued.and_then(|outgoing| self.rtp.sender_mut().enqueue(now, &outgoing)).map_err(|reason| match reason {
            NotQueued::Full => Dropped::Backlog,
            NotQueued::NotNegotiated | NotQueued::Used | NotQueued::TooFar => Dropped::Unsendable,
        })
    }

    /// Asks the client for a key frame. Returns whether there is a stream to ask.
    pub(crate) fn request_keyframe(&mut self, now: Time, source: SourceKind, layer: LayerIndex) -> bool {
        let Some(stream) = self.plan.stream_of(source, layer) else { return false };
        self.rtp.receiver_mut().request_keyframe(now, stream);
        true
    }

    /// What the room would send to it.
    pub(crate) fn set_demand(&mut self, now: Time, demand: conclave_sfu::Demand) {
        self.rtp.sender_mut().set_demand(now, Demand { sending: demand.sending, wanted: demand.wanted });
    }

    /// The publisher's clock, in a slot's numbers.
    pub(crate) fn set_report(&mut self, now: Time, slot: SlotId, ntp: u64, timestamp: u32) {
        if let Some(slot) = self.plan.slot_index(slot) {
            self.rtp.sender_mut().set_report(now, slot, ntp, timestamp);
        }
    }

    /// The next thing that the room should know.
    pub(crate) fn poll_rtp(&mut self) -> Option<RtpEvent> {
        while let Some(event) = self.rtp.sender_mut().poll_event() {
            let SenderEvent::KeyframeWanted(slot) = event;
            if let Some(slot) = self.plan.slot(slot) {
                return Some(RtpEvent::KeyframeWanted(slot.id));
            }
        }
        while let Some(event) = self.rtp.receiver_mut().poll_event() {
            if let ReceiverEvent::SenderReport { stream, ntp, timestamp } = event
                && let Some((source, layer)) = self.plan.stream(stream)
            {
                return Some(RtpEvent::Report { source, layer, ntp, timestamp });
            }
        }
        let copies = self.rtp.sender().copies();
        if std::mem::replace(&mut self.told_copies, copies) != copies {
            return Some(RtpEvent::Copies(copies));
        }
        let estimate = self.rtp.sender().media_target();
        let told = self.told_estimate.unwrap_or_default();
        if estimate.as_bps().abs_diff(told.as_bps()) * WORTH_TELLING <= told.as_bps() {
            return None;
        }
        self.told_estimate = Some(estimate);
        Some(RtpEvent::Estimate(estimate))
    }

    /// Whether media goes by another network from now on: then its rates begin anew.
    pub(crate) fn follow_route(&mut self, time: Time) -> bool {
        let Some(Path { remote, .. }) = self.paths.chosen() else { return false };
        let before = self.route.replace(remote);
        if !self.connected || before.is_none_or(|before| before.is_beside(remote)) {
            return false;
        }
        self.rtp.sender_mut().handle_route_change(time);
        self.told_estimate = None;
        true
    }

    /// When its RTP wants to be looked at.
    pub(crate) fn rtp_due(&self) -> Option<Time> {
        self.rtp.poll_timeout().filter(|_| self.connected)
    }

    /// What was asked for again since the last time.
    pub(crate) fn count(&mut self) -> Repeats {
        let streams = self.plan.streams().filter_map(|(index, ..)| self.rtp.receiver().stats(index));
        let slots = self.plan.slots().filter_map(|(index, _)| self.rtp.sender().stats(index));
        let asked = streams.map(|stats| stats.asked).sum();
        let now = slots.fold(Repeats { asked, ..Repeats::default() }, |sum, slot| Repeats {
            wanted: sum.wanted + slot.nacked,
            late: sum.late + slot.late,
            copies: sum.copies + slot.copies,
            parity: sum.parity + slot.parity_packets,
            ..sum
        });
        let before = std::mem::replace(&mut self.counted, now);
        // Another description can leave streams out, and what they counted.
        Repeats {
            asked: now.asked.saturating_sub(before.asked),
            wanted: now.wanted.saturating_sub(before.wanted),
            late: now.late.saturating_sub(before.late),
            copies: now.copies.saturating_sub(before.copies),
            parity: now.parity.saturating_sub(before.parity),
        }
    }

    /// What there is to see of it.
    pub(crate) fn snapshot(&self) -> OwnPart {
        let source = |(index, source, layer)| {
            let stats = self.rtp.receiver().stats(index)?;
            let traffic = Traffic { packets: stats.packets, bytes: stats.bytes, lost: stats.lost };
            Some((source, layer, traffic, stats.jitter))
        };
        let slot = |(index, id)| {
            let stats = self.rtp.sender().stats(index)?;
            let traffic = Traffic { packets: stats.packets, bytes: stats.bytes, lost: stats.lost.max(0) as u64 };
            Some((id, traffic, stats.jitter))
        };
        let network = self.rtp.sender().sender_stats();
        OwnPart {
            path: self.paths.kind().map(Into::into),
            round_trip: network.round_trip,
            estimate: self.connected.then_some(network.target),
            sources: self.plan.streams().filter_map(source).collect(),
            slots: self.plan.slots().filter_map(slot).collect(),
        }
    }
}
