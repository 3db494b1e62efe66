//! Sealing what is sent.

use std::fmt;

use thiserror::Error;

use super::Profile;
use super::cipher::CLEAR;
use super::derivation::Keys;
use crate::Ssrc;
use crate::header::FIXED_HEADER;
use crate::sequence::Window;
use crate::sources::Sources;

/// Why a packet is not sealed. It is our own fault, but for the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotSealed {
    /// There is no room for the tag, or the lengths contradict each other.
    #[error("no room for the tag")]
    NoRoom,
    /// This number of this source has been used, or is too old to tell. Used twice it would give the key away
    /// (RFC 7714 section 8.1).
    #[error("the sequence number has been used")]
    Reused,
    /// More sources than anybody sends.
    #[error("too many sources")]
    TooManySources,
    /// The keys have sealed as much as they may (RFC 3711 section 9.2): the leg has to make new ones.
    #[error("the keys are used up")]
    KeysUsedUp,
}

/// The direction in which we send.
pub struct Outbound {
    keys: Keys,
    /// Which numbers each source has used.
    used: Sources<Window>,
    /// One count for all sources: their indices need only be unique for each.
    rtcp_index: u32,
}

/// The most sources that one leg sends: slots and their retransmissions.
const MAX_SOURCES: usize = 2_048;
/// Indices are of 48 bits, and of 31 (RFC 3711 section 9.2).
const LAST_RTP: u64 = (1 << 48) - 1;
const LAST_RTCP: u32 = (1 << 31) - 1;

impl fmt::Debug for Outbound {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Outbound").field("profile", &self.keys.profile).finish_non_exhaustive()
    }
}

impl Outbound {
    pub(super) fn new(keys: Keys) -> Self {
        Self { keys, used: Sources::with_limit(MAX_SOURCES), rtcp_index: 0 }
    }

    /// How these packets are protected.
    #[must_use]
    pub fn profile(&self) -> Profile {
        self.keys.profile
    }

    /// Seals an RTP packet in place and returns its new length, in bytes. Its header has `header` bytes, header and
    /// payload together `length`; behind them there must be room for [`Profile::rtp_overhead`].
    ///
    /// `sequence` is the extended sequence number: its lower 16 bits are the packet's, those above are the rollover
    /// counter. A peer takes a source's counter for 0 when it first hears of it, so a source begins below
    /// 32,768, for the case that its first packets are lost. No number may be used twice.
    ///
    /// # Errors
    /// The packet must not be sent then.
    pub fn protect_rtp(
        &mut self,
        packet: &mut [u8],
        header: usize,
        length: usize,
        sequence: u64,
    ) -> Result<usize, NotSealed> {
        let fits = (FIXED_HEADER..=length).contains(&header)
            && length.checked_add(self.keys.profile.rtp_overhead()).is_some_and(|end| end <= packet.len());
        if !fits {
            return Err(NotSealed::NoRoom);
        }
        if sequence > LAST_RTP {
            return Err(NotSealed::KeysUsedUp);
        }
        let ssrc = Ssrc(u32::from_be_bytes([packet[8], packet[9], packet[10], packet[11]]));
        debug_assert_eq!(packet[2..4], (sequence as u16).to_be_bytes(), "another number than the packet's");
        self.use_number(ssrc, sequence)?;
        Ok(self.keys.rtp.seal_rtp(packet, header, length, ssrc, sequence))
    }

    /// Seals an RTCP compound of `length` bytes in place and returns its new length; behind it there must be room for
    /// [`Profile::rtcp_overhead`].
    ///
    /// # Errors
    /// The compound must not be sent then.
    pub fn protect_rtcp(&mut self, packet: &mut [u8], length: usize) -> Result<usize, NotSealed> {
        let fits = length >= CLEAR
            && length.checked_add(self.keys.profile.rtcp_overhead()).is_some_and(|end| end <= packet.len());
        if !fits {
            return Err(NotSealed::NoRoom);
        }
        if self.rtcp_index >= LAST_RTCP {
            return Err(NotSealed::KeysUsedUp);
        }
        self.rtcp_index += 1;
        let ssrc = Ssrc(u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]));
        Ok(self.keys.rtcp.seal_rtcp(packet, length, ssrc, self.rtcp_index))
    }

    fn use_number(&mut self, ssrc: Ssrc, sequence: u64) -> Result<(), NotSealed> {
        if let Some(window) = self.used.get_mut(ssrc) {
            if !window.is_new(sequence) {
                return Err(NotSealed::Reused);
            }
            window.insert(sequence);
            return Ok(());
        }
        let mut window = Window::new();
        window.insert(sequence);
        if self.used.insert(ssrc, window) { Ok(()) } else { Err(NotSealed::TooManySources) }
    }
}
