//! Reports by source and sequence number (RFC 8888), as reports by the book's numbers.

use crate::Ssrc;

/// Packets that the book of what was sent remembers at most (`conclave_qos::SendHistory`).
const REMEMBERED: u32 = 8_192;
/// Room of a source at first; doubles while packets would have to go that the book may still have...
const INITIAL: usize = 64;
/// ...and all sources together have no more than this: four times what the book remembers, since the numbers of a source
/// may leap.
const MOST_ROOM: usize = 32_768;

/// Under which number of the book each packet left.
///
/// Takes no memory before the first packet. Bounded: 256 KiB, and 512 bytes for each source.
#[derive(Debug, Default)]
pub(super) struct Acknowledgements {
    /// By source, sorted.
    sources: Vec<(Ssrc, Vec<Entry>)>,
    /// How many packets left in all. Wraps.
    sent: u32,
    /// The room of all sources, beyond what each has at first.
    room: usize,
}

/// A packet that left; the one with the sequence number `s` is at `s % len`.
#[derive(Clone, Copy, Debug)]
struct Entry {
    sequence: u16,
    number: u16,
    /// How many packets had left before it.
    sent: u32,
}

impl Acknowledgements {
    /// A packet of this source left under this number of the book.
    pub(super) fn record(&mut self, ssrc: Ssrc, sequence: u16, number: u16) {
        let sent = self.sent;
        self.sent = sent.wrapping_add(1);
        let entry = Entry { sequence, number, sent };
        let place = self.sources.binary_search_by_key(&ssrc, |(ssrc, _)| *ssrc).unwrap_or_else(|place| {
            self.sources.insert(place, (ssrc, Vec::new()));
            place
        });
        let ring = &mut self.sources[place].1;
        if ring.is_empty() {
            ring.resize(INITIAL, entry.absent());
        }
        // A longer ring has more of them, so that this ends: at REMEMBERED every other is too old.
        while ring.len() < REMEMBERED as usize
            && self.room + ring.len() <= MOST_ROOM
            && !ring[index(ring, sequence)].is_replaced_by(&entry)
        {
            self.room += ring.len();
            let mut longer = vec![entry.absent(); ring.len() * 2];
            for known in ring.iter().filter(|known| known.is_known(sent)) {
                let at = index(&longer, known.sequence);
                longer[at] = *known;
            }
            *ring = longer;
        }
        let at = index(ring, sequence);
        ring[at] = entry;
    }

    /// The book's number of a packet; `None` if it never left, or so long ago that the book has forgotten it.
    pub(super) fn number(&self, ssrc: Ssrc, sequence: u16) -> Option<u16> {
        let place = self.sources.binary_search_by_key(&ssrc, |(ssrc, _)| *ssrc).ok()?;
        let ring = &self.sources[place].1;
        let entry = ring.get(index(ring, sequence))?;
        (entry.sequence == sequence && entry.is_known(self.sent)).then_some(entry.number)
    }

    /// Forgets the sources that are not kept.
    pub(super) fn retain(&mut self, mut is_kept: impl FnMut(Ssrc) -> bool) {
        self.sources.retain(|(ssrc, _)| is_kept(*ssrc));
        self.room = self.sources.iter().map(|(_, ring)| ring.len().saturating_sub(INITIAL)).sum();
    }

    /// Forgets everything and gives the memory back.
    pub(super) fn clear(&mut self) {
        (self.sources, self.room) = (Vec::new(), 0);
    }
}

impl Entry {
    /// One that nothing finds.
    const fn absent(&self) -> Self {
        Self { sequence: 0, number: 0, sent: self.sent.wrapping_sub(REMEMBERED + 1) }
    }

    const fn is_known(&self, sent: u32) -> bool {
        sent.wrapping_sub(self.sent) <= REMEMBERED
    }

    /// Whether nothing is lost when the other takes its place: it is too old, or the other is the same packet's number anew.
    const fn is_replaced_by(&self, other: &Self) -> bool {
        !self.is_known(other.sent) || self.sequence == other.sequence
    }
}

fn index(ring: &[Entry], sequence: u16) -> usize {
    // A power of two, and not zero once a packet was recorded; before that nothing is there.
    usize::from(sequence) & ring.len().wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Ssrc = Ssrc(1);
    const OTHER: Ssrc = Ssrc(2);

    #[test]
    fn packets_are_found_by_source_and_number_as_long_as_the_book_has_them() {
        let mut acknowledgements = Acknowledgements::default();
        assert_eq!(acknowledgements.number(ONE, 5), None);
        // One source sends a tenth of what the other does, and both wrap.
        let sent: Vec<_> = (0..100_000u32)
            .map(|packet| {
                let (ssrc, sequence) =
                    if packet % 10 == 0 { (ONE, packet / 10) } else { (OTHER, packet - packet / 10) };
                (ssrc, (sequence + 65_000) as u16, packet as u16)
            })
            .collect();
        for (count, &(ssrc, sequence, number)) in sent.iter().enumerate() {
            acknowledgements.record(ssrc, sequence, number);
            assert_eq!(acknowledgements.number(ssrc, sequence), Some(number));
            if count % 997 == 0 {
                let known = &sent[(count + 1).saturating_sub(REMEMBERED as usize)..=count];
                for &(ssrc, sequence, number) in known {
                    assert_eq!(acknowledgements.number(ssrc, sequence), Some(number), "{count}");
                }
                // What the book has forgotten does not become another packet.
                if let Some(old) = count.checked_sub(REMEMBERED as usize + 1) {
                    let (ssrc, sequence, number) = sent[old];
                    assert_ne!(acknowledgements.number(ssrc, sequence), Some(number));
                }
            }
        }
        assert_eq!(acknowledgements.number(Ssrc(3), 1), None);
    }

    #[test]
    fn memory_is_bounded_whatever_the_sources_do() {
        let mut acknowledgements = Acknowledgements::default();
        // Numbers that leap hit the same places; so do those of a source that sends alone.
        for packet in 0..50_000u32 {
            let leap = packet.wrapping_mul(64 * 17);
            acknowledgements.record(Ssrc(packet % 256), leap as u16, packet as u16);
            acknowledgements.record(Ssrc(1_000), packet as u16, packet as u16);
        }
        let lengths = acknowledgements.sources.iter().map(|(_, ring)| ring.len());
        assert!(lengths.clone().all(|length| length <= REMEMBERED as usize));
        assert!(lengths.sum::<usize>() <= MOST_ROOM + INITIAL * 257);
        acknowledgements.retain(|ssrc| ssrc == Ssrc(1_000));
        assert_eq!(acknowledgements.sources.len(), 1);
        acknowledgements.clear();
        assert_eq!(acknowledgements.sources.capacity(), 0);
    }
}
