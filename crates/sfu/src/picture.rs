//! The counters of pictures that VP8 (RFC 7741 section 4.2) and VP9 (RFC 9628 section 4.2) put into
//! their payload descriptors, in the same form in both.

use crate::patch::Patch;

/// The counters of one payload, and where in it they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub picture_id: Option<PictureId>,
    pub tl0: Option<Tl0>,
}

/// `PictureID`, modulo 2^15 or 2^7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PictureId {
    pub value: u16,
    /// 15 bits instead of 7.
    pub wide: bool,
    /// Offset in the payload.
    pub at: u8,
}

/// `TL0PICIDX`, modulo 2^8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tl0 {
    pub value: u8,
    /// Offset in the payload.
    pub at: u8,
}

impl Counters {
    /// What makes these counters of those that a payload has.
    pub fn patch(&self) -> Patch {
        let mut patch = Patch::default();
        if let Some(id) = self.picture_id {
            if id.wide {
                patch.set(id.at, 0x80 | (id.value >> 8) as u8);
                patch.set(id.at + 1, id.value as u8);
            } else {
                patch.set(id.at, id.value as u8);
            }
        }
        if let Some(tl0) = self.tl0 {
            patch.set(tl0.at, tl0.value);
        }
        patch
    }
}

impl PictureId {
    /// Reads one where a descriptor has it; `M` (the first bit) tells its width.
    pub fn parse(bytes: &[u8], at: u8) -> Option<Self> {
        let high = *bytes.get(usize::from(at))?;
        if high & 0x80 == 0 {
            return Some(Self { value: u16::from(high), wide: false, at });
        }
        let low = *bytes.get(usize::from(at) + 1)?;
        Some(Self { value: u16::from(high & 0x7f) << 8 | u16::from(low), wide: true, at })
    }

    /// Bytes that it takes.
    pub fn length(self) -> u8 {
        if self.wide { 2 } else { 1 }
    }

    /// The same field with another value, cut to its width.
    pub fn with(self, value: u16) -> Self {
        Self { value: value & if self.wide { 0x7fff } else { 0x7f }, ..self }
    }
}
