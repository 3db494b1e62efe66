//! When a packet was sent and by whom, in its own last bytes.
//!
//! A server may change an RTP header, its extensions and a payload's first bytes (the VP8 descriptor), but not the
//! encoded picture. So the stamp is at the end of the payload, and is found again whatever server is between.

use std::time::Duration;

use super::clip::VideoCodec;

const MAGIC: [u8; 4] = *b"cvst";

/// What a stamp says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which stream of which bot: unique in one run.
    pub stream: u32,
    /// Counts the packets of the stream; wraps.
    pub number: u32,
    /// When it was sent: since 1970 by the wall clock, which is what the kernel stamps arrivals with; in microseconds.
    pub sent: Duration,
}

impl Stamp {
    /// Bytes that a stamp takes.
    pub const LEN: usize = 20;

    /// Writes it over the payload's end. A payload that is shorter than a stamp stays as it is.
    pub fn write(self, payload: &mut [u8]) {
        let Some(place) = payload.last_chunk_mut::<{ Self::LEN }>() else { return };
        place[..4].copy_from_slice(&MAGIC);
        place[4..8].copy_from_slice(&self.stream.to_be_bytes());
        place[8..12].copy_from_slice(&self.number.to_be_bytes());
        // 2^64 µs are more than half a million years.
        place[12..].copy_from_slice(&(self.sent.as_micros() as u64).to_be_bytes());
    }

    /// Whether a payload can bear a stamp: servers read H.264 parameter sets to the end.
    pub fn fits(codec: Option<VideoCodec>, payload: &[u8]) -> bool {
        const PARAMETER_SETS: [u8; 3] = [7, 8, 24];
        let kind = payload.first().map(|first| first & 0x1f);
        codec != Some(VideoCodec::H264) || !kind.is_some_and(|kind| PARAMETER_SETS.contains(&kind))
    }

    /// The stamp of a payload, if it has one.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let place = payload.last_chunk::<{ Self::LEN }>()?;
        let (magic, rest) = place.split_first_chunk::<4>()?;
        let (stream, rest) = rest.split_first_chunk::<4>()?;
        let (number, rest) = rest.split_first_chunk::<4>()?;
        let micros = u64::from_be_bytes(*rest.first_chunk()?);
        (*magic == MAGIC).then(|| Self {
            stream: u32::from_be_bytes(*stream),
            number: u32::from_be_bytes(*number),
            sent: Duration::from_micros(micros),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_at_the_end_whatever_is_before_it() {
        let stamp = Stamp { stream: 7, number: u32::MAX, sent: Duration::from_micros(1_795_000_000_123_456) };
        for length in [Stamp::LEN, Stamp::LEN + 1, 1_200] {
            let mut payload = vec![0xaa; length];
            stamp.write(&mut payload);
            assert_eq!(Stamp::read(&payload), Some(stamp));
        }
    }

    #[test]
    fn a_payload_without_a_stamp_has_none() {
        let mut short = [1; Stamp::LEN - 1];
        Stamp { stream: 1, number: 1, sent: Duration::ZERO }.write(&mut short);
        assert_eq!(short, [1; Stamp::LEN - 1]);
        assert_eq!(Stamp::read(&short), None);
        assert_eq!(Stamp::read(&[0; 100]), None);
    }
}
