use std::time::Duration;

use conclave_qos::Time;
use conclave_qos::fec::erasure::Decoder;
use conclave_qos::fec::flexfec::{self, Format};
use conclave_qos::fec::{FecError, MAX_PACKET, ParityDecoder, Repair, Source, ulpfec};
use conclave_qos::repair::{Arrived, Nack};

use crate::bytes::Bytes;

/// The stream that is protected.
const SSRC: u32 = 7;

/// FlexFEC packets between those of a stream, in the format that the first byte says. Returns how many packets were made.
///
/// # Panics
/// If something is made that is no packet.
pub fn flexfec(data: &[u8]) -> usize {
    let Some((format, data)) = data.split_first() else { return 0 };
    let format = if format % 2 == 0 { Format::Rfc8627 } else { Format::Draft03 };
    parity(data, |payload| flexfec::parse(format, payload))
}

/// ULPFEC packets between those of a stream. Returns how many packets were made.
///
/// # Panics
/// If something is made that is no packet.
pub fn ulpfec(data: &[u8]) -> usize {
    parity(data, ulpfec::parse)
}

/// Each packet as its kind (odd: repair), its length and its bytes.
fn parity(data: &[u8], parse: impl Fn(&[u8]) -> Result<Repair<'_>, FecError>) -> usize {
    let mut decoder = ParityDecoder::new(SSRC);
    let mut made = 0;
    each_packet(data, |is_repair, packet| {
        let result = if is_repair {
            parse(packet).and_then(|repair| {
                assert!(repair.coverage.sequences().count() <= 256 && repair.coverage.span() > 0);
                decoder.handle_repair(&repair)
            })
        } else {
            decoder.handle_source(packet)
        };
        if let Err(error) = result {
            assert!(!error.to_string().is_empty());
        }
        while let Some(packet) = decoder.poll_recovered() {
            let source = Source::parse(&packet).expect("what is made is RTP");
            assert_eq!(source.ssrc(), SSRC);
            made += 1;
        }
    });
    made
}

/// Parity packets of the own code between those that it protects. Returns how many packets were made.
///
/// # Panics
/// If something is made that is too long.
pub fn reed_solomon(data: &[u8]) -> usize {
    let mut decoder = Decoder::new();
    let mut made = 0;
    each_packet(data, |is_parity, packet| {
        let result = if is_parity {
            decoder.handle_parity(packet)
        } else {
            packet
                .split_first_chunk()
                .map_or(Ok(()), |(number, packet)| decoder.handle_source(u32::from_be_bytes(*number), packet))
        };
        if let Err(error) = result {
            assert!(!error.to_string().is_empty());
        }
        while let Some(recovered) = decoder.poll_recovered() {
            assert!(recovered.packet.len() <= MAX_PACKET);
            made += 1;
        }
    });
    made
}

fn each_packet(data: &[u8], mut handle: impl FnMut(bool, &[u8])) {
    let mut bytes = Bytes(data);
    while let (Some(kind), Some(length)) = (bytes.u8(), bytes.u16()) {
        handle(kind % 2 == 1, bytes.take(usize::from(length)));
    }
}

/// Packets in any order, and what is asked for then. Returns how many were asked for.
///
/// # Panics
/// If something is asked for twice at once, or after it arrived.
pub fn nack(data: &[u8]) -> usize {
    let mut bytes = Bytes(data);
    let (mut nack, mut now, mut sequence) = (Nack::new(), Time::default(), 1_000_000_u64);
    let mut asked = 0;
    while let (Some(kind), Some(step), Some(wait)) = (bytes.u8(), bytes.u16(), bytes.u16()) {
        now = now + Duration::from_micros(u64::from(wait) * 4);
        // Mostly near, sometimes anywhere.
        sequence = match kind % 8 {
            0 => u64::from(step) << 48,
            1..3 => sequence.saturating_sub(u64::from(step % 64)),
            _ => sequence.saturating_add(u64::from(step % 8)),
        };
        match kind % 5 {
            0 => nack.handle_round_trip(Duration::from_millis(u64::from(step))),
            1 => nack.handle_recovered(sequence),
            2 => nack.handle_other(now),
            _ => nack.handle_packet(
                now,
                Arrived {
                    sequence,
                    first: (kind & 0x10 != 0).then(|| sequence.saturating_sub(u64::from(kind % 10))),
                    end: (kind & 0x20 != 0).then(|| sequence.saturating_add(u64::from(step) << (kind % 32))),
                    deadline: now + Duration::from_millis(u64::from(step % 512)),
                    is_repeated: kind & 0x40 != 0,
                },
            ),
        }
        let mut requests = Vec::new();
        nack.poll_requests(now, &mut requests);
        assert!(requests.len() <= 1_000 && nack.missing() <= 1_000);
        assert!(requests.windows(2).all(|pair| pair[0] < pair[1]), "in order, none twice");
        assert!(!(kind % 5 > 2 && requests.contains(&sequence)), "it has arrived");
        assert!(nack.poll_timeout().is_none_or(|due| due > now));
        asked += requests.len();
    }
    asked
}
