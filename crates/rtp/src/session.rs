//! Both halves of a leg, and its keys.

use conclave_qos::{Ecn, Time};
use thiserror::Error;

use crate::receive::{Media, Receiver, Refused};
use crate::rtcp::{Compound, MAX_COMPOUND, Packet, Writer};
use crate::send::Sender;
use crate::srtp::{self, BadKeyingMaterial, Counters, Inbound, Outbound, Profile, Rejected, Side};
use crate::{Arena, Payloads};

/// Why a packet of a peer came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotTaken {
    /// There are no keys yet. Whoever sends finished its handshake first, and its packet overtook the last of it.
    #[error("no keys yet")]
    NotConnected,
    /// It does not open.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// It opens, and is refused.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// What a leg has received, all streams together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionStats {
    /// What was opened, and what was not.
    pub srtp: Counters,
    /// Packets that came before the keys.
    pub early: u64,
    /// Authentic RTP packets that were refused, duplicates left out.
    pub refused: u64,
    /// Authentic RTP packets that had come before: repeated ones that were not needed.
    pub duplicates: u64,
    /// Packets within authentic RTCP compounds that cannot be read.
    pub malformed_rtcp: u64,
    /// Compounds that could not be written or sealed: a fault of ours.
    pub faults: u64,
}

/// One leg: what it receives, what it sends, and the keys of both directions.
///
/// It can be made, and its streams negotiated, before there are keys. Call [`Session::drain`] and [`Session::write_rtcp`]
/// after whatever changes it, and no later than [`Session::poll_timeout`] says.
#[derive(Debug)]
pub struct Session {
    receiver: Receiver,
    sender: Sender,
    keys: Option<Keys>,
    /// Without those of the keys.
    stats: SessionStats,
}

#[derive(Debug)]
struct Keys {
    inbound: Inbound,
    outbound: Outbound,
}

/// At most so many compounds leave at once; what is left is due at once again.
const COMPOUNDS_AT_ONCE: usize = 8;

impl Session {
    /// A leg without keys.
    #[must_use]
    pub fn new(receiver: Receiver, sender: Sender) -> Self {
        Self { receiver, sender, keys: None, stats: SessionStats::default() }
    }

    /// The keys, when DTLS has exported them (RFC 5764 section 4.2). Another handshake on the same leg brings others,
    /// under which sequence numbers count anew.
    ///
    /// # Errors
    /// If the material does not fit the profile; the leg keeps what it had.
    pub fn connect(&mut self, profile: Profile, material: &[u8], us: Side) -> Result<(), BadKeyingMaterial> {
        let (inbound, outbound) = srtp::pair(profile, material, us)?;
        self.keys = Some(Keys { inbound, outbound });
        Ok(())
    }

    /// Whether arrivals are reported by source in both directions (RFC 8888, `a=rtcp-fb:* ack ccfb`), in place of
    /// transport-wide feedback. At first they are not.
    pub fn set_congestion_feedback(&mut self, is_negotiated: bool) {
        self.sender.set_congestion_feedback(is_negotiated);
        self.receiver.set_congestion_feedback(is_negotiated.then(|| self.sender.ntp_at_start()));
    }

    /// How packets are protected; `None` before there are keys.
    #[must_use]
    pub fn profile(&self) -> Option<Profile> {
        self.keys.as_ref().map(|keys| keys.inbound.profile())
    }

    /// Takes a packet whose first byte is 128 to 191, and which came from a remote that a STUN check has validated. RTP
    /// that is new comes back; RTCP has its effects on both halves. `arrival` is when it came in, `now` when
    /// it is looked at.
    ///
    /// # Errors
    /// If it comes to nothing. Its contents mean nothing then.
    pub fn handle_packet<'p>(
        &mut self,
        now: Time,
        arrival: Time,
        packet: &'p mut [u8],
    ) -> Result<Option<Media<'p>>, NotTaken> {
        self.handle_marked_packet(now, arrival, Ecn::NotEct, packet)
    }

    /// The same for a packet that is known to have come with this mark.
    ///
    /// # Errors
    /// As [`handle_packet`](Self::handle_packet).
    pub fn handle_marked_packet<'p>(
        &mut self,
        now: Time,
        arrival: Time,
        ecn: Ecn,
        packet: &'p mut [u8],
    ) -> Result<Option<Media<'p>>, NotTaken> {
        let Some(keys) = &mut self.keys else {
            self.stats.early += 1;
            return Err(NotTaken::NotConnected);
        };
        if is_rtcp(packet) {
            let length = keys.inbound.unprotect_rtcp(packet)?;
            self.handle_compound(now, arrival, &packet[..length]);
            return Ok(None);
        }
        let plain = keys.inbound.unprotect_rtp(packet)?;
        self.receiver.handle_marked_rtp(now, arrival, ecn, &packet[..plain.length]).map_err(|refused| {
            match refused {
                Refused::Duplicate => self.stats.duplicates += 1,
                _ => self.stats.refused += 1,
            }
            refused.into()
        })
    }

    fn handle_compound(&mut self, now: Time, arrival: Time, compound: &[u8]) {
        for packet in Compound::parse(compound) {
            let Ok(packet) = packet else {
                self.stats.malformed_rtcp += 1;
                continue;
            };
            self.sender.handle_rtcp(now, &packet);
            match packet {
                Packet::SenderReport { info, .. } => {
                    self.receiver.handle_sender_report(arrival, &info);
                    self.share_round_trip();
                }
                Packet::ReceiverReport { .. } => self.share_round_trip(),
                Packet::Bye(sources) => self.receiver.handle_bye(sources),
                _ => {}
            }
        }
    }

    /// The sending half measures it by the reports on its streams, the receiving half asks by it.
    fn share_round_trip(&mut self) {
        if let Some(round_trip) = self.sender.sender_stats().round_trip {
            self.receiver.handle_round_trip(round_trip);
        }
    }

    /// Seals what may be sent now into the arena. Without keys nothing is: it waits.
    pub fn drain(&mut self, now: Time, payloads: &impl Payloads, arena: &mut Arena) {
        if let Some(keys) = &mut self.keys {
            self.sender.drain(now, payloads, &mut keys.outbound, arena);
        }
    }

    /// How what [`drain`](Self::drain) has sealed now is to be marked; see [`Sender::mark`].
    pub fn mark(&mut self, now: Time) -> Ecn {
        self.sender.mark(now)
    }

    /// Seals what both halves have to report and to ask into the arena: one compound, or as many as it takes.
    pub fn write_rtcp(&mut self, now: Time, arena: &mut Arena) {
        let Some(keys) = &mut self.keys else { return };
        for _ in 0..COMPOUNDS_AT_ONCE {
            let packet = arena.begin();
            let mut writer = Writer::new(&mut packet[..MAX_COMPOUND]);
            self.sender.write_rtcp(now, &mut writer);
            self.receiver.write_rtcp(now, &mut writer);
            let length = writer.len();
            if length == 0 {
                break;
            }
            match keys.outbound.protect_rtcp(packet, length) {
                Ok(sealed) => arena.commit(sealed),
                Err(_) => {
                    self.stats.faults += 1;
                    break;
                }
            }
        }
    }

    /// When there is something to send or to say next; `None` while there is nothing, as before there are keys.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.keys.as_ref()?;
        [self.receiver.poll_timeout(), self.sender.poll_timeout()].into_iter().flatten().min()
    }

    /// The receiving half.
    #[must_use]
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// The receiving half, to change what it receives, and for its events.
    pub fn receiver_mut(&mut self) -> &mut Receiver {
        &mut self.receiver
    }

    /// The sending half.
    #[must_use]
    pub fn sender(&self) -> &Sender {
        &self.sender
    }

    /// The sending half, to queue packets and change its slots, and for its events.
    pub fn sender_mut(&mut self) -> &mut Sender {
        &mut self.sender
    }

    /// What has been received so far.
    #[must_use]
    pub fn stats(&self) -> SessionStats {
        let srtp = self.keys.as_ref().map(|keys| keys.inbound.counters()).unwrap_or_default();
        SessionStats { srtp, ..self.stats }
    }
}

/// RTCP's packet types are those that no RTP payload type with a marker bit looks like (RFC 5761 section 4).
fn is_rtcp(packet: &[u8]) -> bool {
    packet.get(1).is_some_and(|second| (192..=223).contains(second))
}
