//! What arrived of each source, until that was reported (RFC 8888).

use std::time::Duration;

use conclave_qos::{Ecn, Time};

use crate::rtcp::Writer;
use crate::{NoRoom, Ssrc};

/// A report waits for so long after the first packet that it speaks of (libwebrtc,
/// `congestion_control_feedback_generator.cc`: 25 ms, if no frame ends before)...
const WAIT: Duration = Duration::from_millis(25);
/// ...and follows the one before no sooner than this: as transport-wide feedback does, half as often as libwebrtc's.
const INTERVAL: Duration = Duration::from_millis(50);
/// The most sources that are remembered; then the one that has been silent longest makes room. As many as a leg has streams.
const MOST_SOURCES: usize = 256;
/// Numbers that are remembered of a source at first, so that late ones find their place (the same file's tracker: 64).
const INITIAL: usize = 64;
/// Numbers that are remembered at most, and so the most that a report speaks of: far more than a source sends in 50 ms. Of
/// a larger gap nothing is told.
const MOST: usize = 1_024;
/// So many packets in a row from far behind mean that the source numbers anew.
const STRAYS: u8 = 16;
/// Where numbering without wrapping begins, so that packets before the first have a number, too.
const ORIGIN: u64 = 1 << 16;
/// Head, sender, and time of a report.
const AROUND: usize = 12;
/// Source, first number and count.
const BLOCK: usize = 8;
/// With less room a report is left for the next compound.
const WORTHWHILE: usize = 256;

/// A time of arrival and a mark, or nothing, in 8 bytes: four times one more than the time in µs, and the mark; or 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Arrival(u64);

impl Arrival {
    const MISSING: Self = Self(0);
    const MARKS: [Ecn; 4] = [Ecn::NotEct, Ecn::Ect0, Ecn::Ect1, Ecn::Ce];

    fn new(at: Time, ecn: Ecn) -> Self {
        let mark = Self::MARKS.iter().position(|mark| *mark == ecn).unwrap_or(0) as u64;
        // 2^62 µs are more than a hundred thousand years.
        Self(((at.to_duration().as_micros() as u64).saturating_add(1) << 2) | mark)
    }

    fn get(self) -> Option<(Time, Ecn)> {
        let micros = (self.0 >> 2).checked_sub(1)?;
        Some((Time::since_start(Duration::from_micros(micros)), Self::MARKS[(self.0 & 3) as usize]))
    }
}

/// Remembers when which packets of which sources arrived, and says when to report.
///
/// Bounded: 256 sources, 8 KiB each.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    sources: Vec<Source>,
    /// When the first packet arrived that no report speaks of.
    waiting: Option<Time>,
    /// The latest report.
    reported: Option<Time>,
    /// That report did not hold everything.
    unfinished: bool,
    /// What the report that is being written speaks of: places of sources, and how many numbers. Kept for its memory.
    chosen: Vec<(usize, usize)>,
}

impl Arrivals {
    /// A packet arrived.
    pub(super) fn record(&mut self, ssrc: Ssrc, sequence: u16, at: Time, ecn: Ecn) {
        let place = self.place(ssrc);
        let source = &mut self.sources[place];
        source.heard = at;
        if source.record(sequence, at, ecn) {
            self.waiting.get_or_insert(at);
        }
    }

    /// When the next report is due; `None` while there is nothing to report.
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        let waiting = self.waiting?;
        match self.reported {
            Some(reported) if self.unfinished => Some(reported),
            Some(reported) => Some((waiting + WAIT).max(reported + INTERVAL)),
            None => Some(waiting + WAIT),
        }
    }

    /// Writes the report that is due, or as much of it as fits: the rest is due at once. `ntp` is `now` as an NTP timestamp.
    pub(super) fn write(&mut self, now: Time, ntp: u64, reporter: Ssrc, writer: &mut Writer<'_>) -> Result<(), NoRoom> {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return Ok(());
        }
        if writer.remaining() < WORTHWHILE {
            return Err(NoRoom);
        }
        let is_whole = self.choose(writer.remaining() - AROUND);
        if self.chosen.is_empty() {
            // Whose packets waited has made room for other sources.
            (self.waiting, self.unfinished) = (None, false);
            return Ok(());
        }
        let blocks = self.chosen.iter().map(|&(place, count)| {
            let source = &self.sources[place];
            (source.ssrc, source.begin as u16, source.arrivals(count))
        });
        // The middle 32 bits.
        writer.congestion_feedback(reporter, (now, (ntp >> 16) as u32), blocks)?;
        for &(place, count) in &self.chosen {
            self.sources[place].begin += count as u64;
        }
        self.reported = Some(now);
        self.unfinished = !is_whole;
        if is_whole {
            self.waiting = None;
        }
        Ok(())
    }

    /// Which numbers of which sources a report of this many bytes can speak of; `false` if some are left.
    fn choose(&mut self, mut room: usize) -> bool {
        self.chosen.clear();
        for (place, source) in self.sources.iter().enumerate().filter(|(_, source)| source.begin < source.end) {
            // Of an even number of packets, whose metrics end where the next block may begin.
            let fits = room.saturating_sub(BLOCK) / 4 * 2;
            if fits == 0 {
                return false;
            }
            // At most MOST.
            let count = (source.end - source.begin) as usize;
            self.chosen.push((place, count.min(fits)));
            if count > fits {
                return false;
            }
            room -= BLOCK + (2 * count).next_multiple_of(4);
        }
        true
    }

    fn place(&mut self, ssrc: Ssrc) -> usize {
        if let Some(place) = self.sources.iter().position(|source| source.ssrc == ssrc) {
            return place;
        }
        if self.sources.len() < MOST_SOURCES {
            self.sources.push(Source::new(ssrc));
            return self.sources.len() - 1;
        }
        let longest_silent = (0..).zip(&self.sources).min_by_key(|(_, source)| source.heard);
        // There are 256.
        let place = longest_silent.map_or(0, |(place, _)| place);
        self.sources[place] = Source::new(ssrc);
        place
    }
}

/// What arrived of one source.
#[derive(Debug)]
struct Source {
    ssrc: Ssrc,
    /// A power of two long (or empty); the packet numbered `s` is at `s % len`.
    ring: Vec<Arrival>,
    /// The oldest number that the ring speaks of.
    oldest: u64,
    /// The first number that is to be reported.
    begin: u64,
    /// One more than the newest number.
    end: u64,
    /// Packets in a row from far behind.
    strays: u8,
    /// When the latest packet arrived.
    heard: Time,
}

impl Source {
    const fn new(ssrc: Ssrc) -> Self {
        Self {
            ssrc,
            ring: Vec::new(),
            oldest: 0,
            begin: 0,
            end: 0,
            strays: 0,
            heard: Time::since_start(Duration::ZERO),
        }
    }

    /// Whether that is news.
    ///
    /// Of several copies the arrival of the first counts, and its mark unless another was marked as congested (RFC 8888
    /// section 3.1). What comes after its loss was reported is reported again, with all that follow it.
    fn record(&mut self, sequence: u16, at: Time, ecn: Ecn) -> bool {
        let Some(number) = self.extend(sequence) else { return false };
        if number < self.oldest {
            return false;
        }
        if number >= self.end {
            self.advance(number);
        }
        let index = self.index(number);
        let slot = &mut self.ring[index];
        let arrival = match slot.get() {
            None => Arrival::new(at, ecn),
            Some((first, mark)) if ecn == Ecn::Ce && mark != Ecn::Ce => Arrival::new(first, Ecn::Ce),
            Some(_) => return false,
        };
        *slot = arrival;
        self.begin = self.begin.min(number);
        true
    }

    /// The number without wrapping: the one closest to the newest, unless the source numbers anew. `None`: from too far
    /// behind.
    fn extend(&mut self, sequence: u16) -> Option<u64> {
        if self.end == 0 {
            self.restart(ORIGIN + u64::from(sequence));
        }
        let ahead = sequence.wrapping_sub(self.end as u16) as i16;
        let number = self.end.checked_add_signed(i64::from(ahead))?;
        if number >= self.oldest {
            self.strays = 0;
            // So large a gap is not worth telling: whoever sent that much knows.
            if number >= self.end + MOST as u64 {
                self.restart(number);
            }
            return Some(number);
        }
        self.strays += 1;
        if self.strays < STRAYS {
            return None;
        }
        // Beyond everything before, so that no number means two packets.
        let number = (self.end & !0xffff) + (1 << 16) + u64::from(sequence);
        self.restart(number);
        Some(number)
    }

    fn restart(&mut self, number: u64) {
        self.ring.fill(Arrival::MISSING);
        (self.oldest, self.begin, self.end, self.strays) = (number, number, number, 0);
    }

    /// Makes `number` the newest; those between are missing so far.
    fn advance(&mut self, number: u64) {
        let end = number + 1;
        let wanted = ((end - self.begin) as usize).clamp(INITIAL, MOST).next_power_of_two();
        if wanted > self.ring.len() {
            let mut ring = vec![Arrival::MISSING; wanted];
            for known in self.oldest..self.end {
                ring[known as usize & (wanted - 1)] = self.ring[self.index(known)];
            }
            self.ring = ring;
        }
        self.oldest = self.oldest.max(end.saturating_sub(self.ring.len() as u64));
        self.begin = self.begin.max(self.oldest);
        for missing in self.end.max(self.oldest)..end {
            let index = self.index(missing);
            self.ring[index] = Arrival::MISSING;
        }
        self.end = end;
    }

    /// The first so many that are to be reported.
    fn arrivals(&self, count: usize) -> impl Iterator<Item = Option<(Time, Ecn)>> {
        (self.begin..self.begin + count as u64).map(|number| self.ring[self.index(number)].get())
    }

    fn index(&self, number: u64) -> usize {
        // The length is a power of two, and not zero once a packet was recorded.
        number as usize & (self.ring.len() - 1)
    }
}

#[cfg(test)]
#[path = "arrivals_tests.rs"]
mod tests;
