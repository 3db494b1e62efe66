//! Opening what is received.

use std::fmt;

use thiserror::Error;

use super::Profile;
use super::cipher::CLEAR;
use super::derivation::Keys;
use crate::header::header_length;
use crate::sequence::{Window, extend};
use crate::sources::Sources;
use crate::{MAX_PACKET, Ssrc};

/// Why a packet is not taken. All but the last are the fault of whoever sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Rejected {
    /// It is no SRTP or SRTCP packet.
    #[error("no SRTP packet")]
    Malformed,
    /// It has come before, or is too old to tell.
    #[error("the packet has come before")]
    Replayed,
    /// It was made or changed by somebody without the keys.
    #[error("the packet is not authentic")]
    Forged,
    /// It is authentic, and of one source more than a leg may have.
    #[error("too many sources")]
    TooManySources,
}

/// How many packets were opened, and how many were not, by [`Rejected`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Opened.
    pub opened: u64,
    /// [`Rejected::Malformed`].
    pub malformed: u64,
    /// [`Rejected::Replayed`].
    pub replayed: u64,
    /// [`Rejected::Forged`].
    pub forged: u64,
    /// [`Rejected::TooManySources`].
    pub too_many_sources: u64,
}

/// An RTP packet that has been opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain {
    /// How many bytes of the buffer it takes now.
    pub length: usize,
    /// The sequence number with the rollover counter above it: 48 bits.
    pub index: u64,
}

/// The direction in which we receive.
pub struct Inbound {
    keys: Keys,
    rtp: Sources<Source>,
    rtcp: Sources<Window>,
    counters: Counters,
}

/// Sources are remembered for good, since a forgotten one could be replayed. This bounds them: a leg has a few, and
/// new ones only when it begins new streams.
const MAX_SOURCES: usize = 256;

/// Rollover counters that are tried for a source that has not been heard before: somebody who starts close below a
/// wrap, or whose first packets were lost, has passed it.
const FIRST_ROLLOVERS: u64 = 3;
/// After so many failures in a row, higher counters than the likely one are tried, one for each packet: more
/// packets have been lost than the counter could follow.
const PATIENCE: u8 = 8;
/// How far that search goes.
const SEARCHED: u64 = 4;

#[derive(Debug)]
struct Source {
    window: Window,
    /// Packets in a row that did not open.
    failures: u8,
}

impl fmt::Debug for Inbound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Inbound")
            .field("profile", &self.keys.profile)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl Inbound {
    pub(super) fn new(keys: Keys) -> Self {
        let (rtp, rtcp) = (Sources::with_limit(MAX_SOURCES), Sources::with_limit(MAX_SOURCES));
        Self { keys, rtp, rtcp, counters: Counters::default() }
    }

    /// How these packets are protected.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.keys.profile
    }

    /// What has been opened, and what not, so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Opens an SRTP packet in place.
    ///
    /// # Errors
    /// The contents of `packet` mean nothing then.
    pub fn unprotect_rtp(&mut self, packet: &mut [u8]) -> Result<Plain, Rejected> {
        let opened = self.open_rtp(packet);
        self.count(opened)
    }

    /// Opens an SRTCP packet in place, and returns how many bytes of the buffer the compound takes.
    ///
    /// # Errors
    /// The contents of `packet` mean nothing then.
    pub fn unprotect_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Rejected> {
        let opened = self.open_rtcp(packet);
        self.count(opened)
    }

    fn open_rtp(&mut self, packet: &mut [u8]) -> Result<Plain, Rejected> {
        let header = header_length(packet).map_err(|_| Rejected::Malformed)?;
        if packet.len() < header + self.keys.profile.rtp_overhead() || packet.len() > MAX_PACKET {
            return Err(Rejected::Malformed);
        }
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let ssrc = Ssrc(u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]));
        let Some(source) = self.rtp.get_mut(ssrc) else {
            return self.open_first(packet, header, ssrc, sequence);
        };
        // A source that is known has had a packet.
        let index = extend(source.window.highest().unwrap_or(0), sequence);
        let likely_new = source.window.is_new(index);
        if source.failures < PATIENCE {
            if !likely_new {
                // Either old, or so far ahead that it looks old: then the search finds it.
                source.failures += u8::from(source.window.is_too_old(index));
                return Err(Rejected::Replayed);
            }
            match self.keys.rtp.open_rtp(packet, header, ssrc, index) {
                Ok(length) => {
                    source.heard(index);
                    return Ok(Plain { length, index });
                }
                Err(_) => {
                    source.failures += 1;
                    return Err(Rejected::Forged);
                }
            }
        }
        let ahead = 1 + u64::from(source.failures - PATIENCE) % SEARCHED;
        let likely = likely_new.then_some(index);
        let opened = first_that_opens(&self.keys, packet, header, ssrc, likely, index + (ahead << 16));
        match opened {
            Some(plain) => {
                source.heard(plain.index);
                Ok(plain)
            }
            None if !likely_new => {
                source.fail();
                Err(Rejected::Replayed)
            }
            None => {
                source.fail();
                Err(Rejected::Forged)
            }
        }
    }

    /// Of a source that has not been heard before.
    fn open_first(&mut self, packet: &mut [u8], header: usize, ssrc: Ssrc, sequence: u16) -> Result<Plain, Rejected> {
        let mut copy = [0; MAX_PACKET];
        let copy = &mut copy[..packet.len()];
        for rollover in 0..FIRST_ROLLOVERS {
            copy.copy_from_slice(packet);
            let index = rollover << 16 | u64::from(sequence);
            if let Ok(length) = self.keys.rtp.open_rtp(copy, header, ssrc, index) {
                packet[..length].copy_from_slice(&copy[..length]);
                let mut source = Source { window: Window::new(), failures: 0 };
                source.heard(index);
                let kept = self.rtp.insert(ssrc, source);
                return if kept { Ok(Plain { length, index }) } else { Err(Rejected::TooManySources) };
            }
        }
        Err(Rejected::Forged)
    }

    fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Rejected> {
        if packet.len() < CLEAR + self.keys.profile.rtcp_overhead() || packet.len() > MAX_PACKET || packet[0] >> 6 != 2
        {
            return Err(Rejected::Malformed);
        }
        let ssrc = Ssrc(u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]));
        let (index, encrypted) = self.keys.rtcp.rtcp_index(packet).ok_or(Rejected::Malformed)?;
        if !encrypted {
            // Both sides of WebRTC encrypt (RFC 8827 section 6.5).
            return Err(Rejected::Malformed);
        }
        if self.rtcp.get(ssrc).is_some_and(|window| !window.is_new(index.into())) {
            return Err(Rejected::Replayed);
        }
        let length = self.keys.rtcp.open_rtcp(packet, ssrc, index).map_err(|_| Rejected::Forged)?;
        if let Some(window) = self.rtcp.get_mut(ssrc) {
            window.insert(index.into());
            return Ok(length);
        }
        let mut window = Window::new();
        window.insert(index.into());
        if self.rtcp.insert(ssrc, window) { Ok(length) } else { Err(Rejected::TooManySources) }
    }

    fn count<T>(&mut self, opened: Result<T, Rejected>) -> Result<T, Rejected> {
        let counters = &mut self.counters;
        *match &opened {
            Ok(_) => &mut counters.opened,
            Err(Rejected::Malformed) => &mut counters.malformed,
            Err(Rejected::Replayed) => &mut counters.replayed,
            Err(Rejected::Forged) => &mut counters.forged,
            Err(Rejected::TooManySources) => &mut counters.too_many_sources,
        } += 1;
        opened
    }
}

impl Source {
    fn heard(&mut self, index: u64) {
        self.window.insert(index);
        self.failures = 0;
    }

    /// Goes round, so that each counter of the search has its turn.
    fn fail(&mut self) {
        self.failures = self.failures.checked_add(1).unwrap_or(PATIENCE);
    }
}

/// Tries the likely index, and another one. Opening in place destroys what does not open, so there is a copy.
fn first_that_opens(
    keys: &Keys,
    packet: &mut [u8],
    header: usize,
    ssrc: Ssrc,
    likely: Option<u64>,
    other: u64,
) -> Option<Plain> {
    let mut copy = [0; MAX_PACKET];
    let copy = &mut copy[..packet.len()];
    copy.copy_from_slice(packet);
    if let Some(index) = likely
        && let Ok(length) = keys.rtp.open_rtp(packet, header, ssrc, index)
    {
        return Some(Plain { length, index });
    }
    let length = keys.rtp.open_rtp(copy, header, ssrc, other).ok()?;
    packet[..length].copy_from_slice(&copy[..length]);
    Some(Plain { length, index: other })
}
