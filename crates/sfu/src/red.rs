//! Redundant audio (RFC 2198): a packet with copies of sounds that went before.

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
}

/// An earlier sound in a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Earlier {
    /// By how many ticks it is earlier than the packet.
    pub behind: u16,
    /// Where it is, as if nothing else were in the payload.
    pub sound: Redundant,
}

impl Redundant {
    /// Reads the headers. `None` if they are cut short, promise more than there is, are more than
    /// 16, or leave nothing for the primary block.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (mut at, mut redundant, mut blocks) = (0usize, 0usize, 0u8);
        loop {
            let head = *payload.get(at)?;
            blocks += 1;
            if head & 0x80 == 0 {
                at += 1;
                break;
            }
            let header = payload.get(at..at + 4)?;
            redundant += length_of(header);
            at += 4;
            if usize::from(blocks) >= MAX_BLOCKS {
                return None;
            }
        }
        let primary = at + redundant;
        let length = payload.len().checked_sub(primary).filter(|length| *length > 0)?;
        Some(Self { primary: u16::try_from(primary).ok()?, length: u16::try_from(length).ok()?, blocks })
    }

    /// The earlier sounds in the payload that this was read from, as they stand there: the oldest first.
    pub fn earlier<'p>(&self, payload: &'p [u8]) -> impl Iterator<Item = Earlier> + use<'p> {
        let copies = usize::from(self.blocks).saturating_sub(1);
        let mut at = copies * 4 + 1;
        payload.chunks_exact(4).take(copies).filter_map(move |header| {
            let (start, length) = (at, length_of(header));
            at += length;
            let behind = u16::from_be_bytes([header[1], header[2]]) >> 2;
            let sound = Self { primary: u16::try_from(start).ok()?, length: u16::try_from(length).ok()?, blocks: 1 };
            (length > 0).then_some(Earlier { behind, sound })
        })
    }
}

/// The length that a header of four bytes tells.
fn length_of(header: &[u8]) -> usize {
    usize::from(header[2] & 0x03) << 8 | usize::from(header[3])
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
    fn earlier_sounds_are_found_with_their_times() {
        let red = Redundant::parse(&TWO_BLOCKS).expect("valid");
        let earlier: Vec<_> = red.earlier(&TWO_BLOCKS).map(|e| (e.behind, e.sound.primary, e.sound.length)).collect();
        assert_eq!(earlier, [(960, 5, 2)]);
        let alone = [0x6f, 1, 2];
        assert_eq!(Redundant::parse(&alone).expect("valid").earlier(&alone).count(), 0);
    }

    proptest! {
        #[test]
        fn whatever_is_read_lies_within_the_payload(payload in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(red) = Redundant::parse(&payload) {
                prop_assert_eq!(usize::from(red.primary) + usize::from(red.length), payload.len());
                for earlier in red.earlier(&payload) {
                    prop_assert!(earlier.sound.length > 0);
                    prop_assert!(earlier.sound.primary + earlier.sound.length <= red.primary);
                }
            }
        }
    }
}
