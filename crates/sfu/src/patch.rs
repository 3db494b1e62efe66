//! What is changed in a packet on its way: single bytes of the payload, and the dependency descriptor.

use std::fmt;

/// New values for single bytes of a payload: the counters that RFC 7741 and RFC 9628 put in front of
/// the picture. It is made where the packet is understood, so that whoever sends it needs no codec.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Patch {
    edits: [(u8, u8); Self::CAPACITY],
    length: u8,
}

impl Patch {
    /// Most bytes that one patch changes: a picture id of two bytes, TL0PICIDX, and one to spare.
    pub const CAPACITY: usize = 4;

    /// The changes: where in the forwarded part of the payload, and what to put there.
    pub fn edits(&self) -> &[(u8, u8)] {
        &self.edits[..usize::from(self.length)]
    }

    /// Whether the payload stays as it is.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Writes the changes into the payload that the patch was made for. What lies beyond a shorter
    /// one is left out.
    pub fn apply(&self, payload: &mut [u8]) {
        for (offset, value) in self.edits() {
            if let Some(byte) = payload.get_mut(usize::from(*offset)) {
                *byte = *value;
            }
        }
    }

    /// One more byte; beyond [`Self::CAPACITY`] nothing is added.
    pub(crate) fn set(&mut self, offset: u8, value: u8) {
        if let Some(edit) = self.edits.get_mut(usize::from(self.length)) {
            *edit = (offset, value);
            self.length += 1;
        }
    }
}

impl fmt::Debug for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.edits()).finish()
    }
}

/// A dependency descriptor (AV1 RTP specification 1.0, appendix A) to be sent as a header extension,
/// kept inline so that no packet allocates.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Descriptor {
    bytes: [u8; Self::CAPACITY],
    length: u8,
}

impl Descriptor {
    /// Longest in bytes. A descriptor with the templates of three spatial and three temporal layers
    /// takes about 95, one without templates 3 to 8; beyond 16 it needs RFC 8285's two-byte form.
    pub const CAPACITY: usize = 128;

    /// `None` if it is empty or too long.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut descriptor = Self { bytes: [0; Self::CAPACITY], length: u8::try_from(bytes.len()).ok()? };
        descriptor.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        (!bytes.is_empty()).then_some(descriptor)
    }

    /// The extension's data.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    pub(crate) fn as_bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..usize::from(self.length)]
    }
}

impl fmt::Debug for Descriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Descriptor({:02x?})", self.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_changes_its_bytes_and_leaves_out_what_is_not_there() {
        let mut patch = Patch::default();
        assert!(patch.is_empty());
        patch.set(1, 0xaa);
        patch.set(7, 0xbb);
        let mut payload = [0; 3];
        patch.apply(&mut payload);
        assert_eq!(payload, [0, 0xaa, 0]);
    }

    #[test]
    fn a_descriptor_is_neither_empty_nor_longer_than_its_place() {
        assert_eq!(Descriptor::new(&[]), None);
        assert_eq!(Descriptor::new(&[0; Descriptor::CAPACITY + 1]), None);
        let longest = [7; Descriptor::CAPACITY];
        assert_eq!(Descriptor::new(&longest).expect("fits").as_bytes(), longest);
    }
}
