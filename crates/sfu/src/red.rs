//! Redundant audio (RFC 2198): a packet with copies of sounds that went before.

use crate::patch::Patch;

/// Most blocks of a packet; browsers send two, and nobody more than five.
const MAX_BLOCKS: usize = 16;

/// Where things are in a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Redundant {
    /// Offset of the primary block: the sound of the packet's own time. It goes to the end.
    pub primary: u16,
    /// Of the primary's length.
    pub length: u16,
    blocks: u8,
    /// The payload type that all blocks have; none if they differ.
    payload_type: Option<u8>,
}

impl Redundant {
    /// Reads the headers. `None` if they are cut short, promise more than there is, are more than
    /// 16, or leave nothing for the primary block.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (mut at, mut redundant, mut blocks) = (0usize, 0usize, 0u8);
        let mut payload_type = payload.first().map(|head| head & 0x7f);
        loop {
            let head = *payload.get(at)?;
            blocks += 1;
            payload_type = payload_type.filter(|first| *first == head & 0x7f);
            if head & 0x80 == 0 {
                at += 1;
                break;
            }
            let header = payload.get(at..at + 4)?;
            redundant += usize::from(header[2] & 0x03) << 8 | usize::from(header[3]);
            at += 4;
            if usize::from(blocks) >= MAX_BLOCKS {
                return None;
            }
        }
        let primary = at + redundant;
        let length = payload.len().checked_sub(primary).filter(|length| *length > 0)?;
        Some(Self { primary: u16::try_from(primary).ok()?, length: u16::try_from(length).ok()?, blocks, payload_type })
    }

    /// What makes the payload one for a receiver that knows the blocks' codec by this payload type.
    /// `None` if it cannot be made one.
    pub fn translate(&self, payload_type: u8) -> Option<Patch> {
        let mut patch = Patch::default();
        if self.payload_type == Some(payload_type) {
            return Some(patch);
        }
        // Blocks of several codecs cannot become one, and more than these do not fit into a patch.
        self.payload_type.filter(|_| usize::from(self.blocks) <= Patch::CAPACITY)?;
        for block in 1..self.blocks {
            patch.set((block - 1) * 4, 0x80 | payload_type);
        }
        patch.set((self.blocks - 1) * 4, payload_type);
        Some(patch)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One copy of 2 bytes, 960 ticks older, payload type 111; then the primary block of 3.
    const TWO_BLOCKS: [u8; 10] = [0xef, 0x0f, 0x00, 0x02, 0x6f, 0xaa, 0xab, 0x01, 0x02, 0x03];

    #[test]
    fn the_primary_block_is_what_follows_the_copies() {
        let red = Redundant::parse(&TWO_BLOCKS).expect("valid");
        assert_eq!((red.primary, red.length), (7, 3));
        let alone = Redundant::parse(&[0x6f, 1, 2]).expect("valid");
        assert_eq!((alone.primary, alone.length), (1, 2));
    }

    #[test]
    fn payloads_that_promise_more_than_they_hold_are_refused() {
        for bad in [&[][..], &[0x6f], &[0xef], &[0xef, 0, 0, 5, 0x6f, 1, 2], &[0xef, 0, 0], &TWO_BLOCKS[..7]] {
            assert_eq!(Redundant::parse(bad), None, "{bad:x?}");
        }
        let endless = [0xef, 0, 0, 0].repeat(40);
        assert_eq!(Redundant::parse(&endless), None);
    }

    #[test]
    fn the_blocks_get_the_payload_type_that_the_receiver_knows() {
        let red = Redundant::parse(&TWO_BLOCKS).expect("valid");
        assert_eq!(red.translate(111), Some(Patch::default()));
        let mut payload = TWO_BLOCKS;
        red.translate(109).expect("possible").apply(&mut payload);
        assert_eq!((payload[0], payload[4]), (0x80 | 109, 109));
        let again = Redundant::parse(&payload).expect("still valid");
        assert_eq!((again.primary, again.length), (7, 3));
    }

    #[test]
    fn blocks_of_several_codecs_stay_as_they_are_or_are_left_behind() {
        let mut payload = TWO_BLOCKS;
        payload[4] = 0;
        assert_eq!(Redundant::parse(&payload).expect("valid").translate(111), None);
    }

    proptest! {
        #[test]
        fn whatever_is_read_lies_within_the_payload(payload in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(red) = Redundant::parse(&payload) {
                prop_assert_eq!(usize::from(red.primary) + usize::from(red.length), payload.len());
                if let Some(patch) = red.translate(100) {
                    prop_assert!(patch.edits().iter().all(|(at, _)| u16::from(*at) < red.primary));
                }
            }
        }
    }
}
