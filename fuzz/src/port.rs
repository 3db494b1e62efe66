use conclave_turn::demux::{STREAM_PREFIX, StreamStart, classify, classify_stream, quic_version_negotiation};
use conclave_turn::framing::{IceFramer, LARGEST_PACKET, Malformed, TurnFramer};
use conclave_turn::proxy::{LONGEST_HEADER, Parsed, parse};

/// A datagram, and the beginning of a connection: what is decided on few bytes stays so when more
/// come, and a refusal of QUIC is shorter than what it refuses.
///
/// # Panics
/// If it is not.
pub fn demux(data: &[u8]) {
    let _ = classify(data);
    if let Some(answer) = quic_version_negotiation(data) {
        assert!(answer.len() < data.len());
        assert_eq!(quic_version_negotiation(&answer), None, "two servers would talk for ever");
    }
    let last = classify_stream(data);
    assert!(last != StreamStart::NeedMore || data.len() < STREAM_PREFIX);
    for length in 0..data.len().min(STREAM_PREFIX) {
        let early = classify_stream(&data[..length]);
        // A method may turn out to be none as long as nothing but its letters has come.
        let was_text = early == StreamStart::Http && last == StreamStart::Unknown;
        assert!(early == StreamStart::NeedMore || early == last || was_text, "{early:?} became {last:?}");
    }
}

/// A stream in two cuts: both give the same packets, and each of them could be written into it.
///
/// # Panics
/// If they differ.
pub fn framing(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else { return };
    let cut = usize::from(*cut) + 1;
    let (at_once, in_pieces) = (through_ice(stream, usize::MAX), through_ice(stream, cut));
    assert_eq!(at_once, in_pieces);
    let mut written = Vec::new();
    for packet in &at_once.0 {
        assert!(!packet.is_empty() && packet.len() <= LARGEST_PACKET);
        IceFramer::write(packet, &mut written);
    }
    assert!(written.len() <= stream.len());

    let (at_once, in_pieces) = (through_turn(stream, usize::MAX), through_turn(stream, cut));
    assert_eq!(at_once, in_pieces);
    let mut written = Vec::new();
    for packet in &at_once.0 {
        assert!(packet.len() <= LARGEST_PACKET);
        TurnFramer::write(packet, &mut written);
    }
    assert!(written.len() <= stream.len());
}

type Packets = (Vec<Vec<u8>>, Result<(), Malformed>);

fn through_ice(stream: &[u8], cut: usize) -> Packets {
    let (mut framer, mut packets) = (IceFramer::new(), Vec::new());
    for piece in stream.chunks(cut) {
        framer.push(piece);
        loop {
            match framer.next() {
                Ok(Some(packet)) => packets.push(packet.to_vec()),
                Ok(None) => break,
                Err(malformed) => return (packets, Err(malformed)),
            }
        }
    }
    (packets, Ok(()))
}

fn through_turn(stream: &[u8], cut: usize) -> Packets {
    let (mut framer, mut packets) = (TurnFramer::new(), Vec::new());
    for piece in stream.chunks(cut) {
        framer.push(piece);
        loop {
            match framer.next() {
                Ok(Some(packet)) => packets.push(packet.to_vec()),
                Ok(None) => break,
                Err(malformed) => return (packets, Err(malformed)),
            }
        }
    }
    (packets, Ok(()))
}

/// The beginning of a connection from a proxy: its header is bounded, and read the same whether it
/// comes at once or byte by byte.
///
/// # Panics
/// If it is not.
pub fn proxy(data: &[u8]) {
    let whole = parse(data);
    match whole {
        Ok(Parsed::NeedMore) => assert!(data.len() < LONGEST_HEADER),
        Ok(Parsed::Header { length, .. }) => {
            assert!(length <= data.len() && length <= LONGEST_HEADER);
            assert_eq!(parse(&data[..length]), whole);
            assert_eq!(parse(&data[..length - 1]), Ok(Parsed::NeedMore));
        }
        Err(_) => {}
    }
    for length in 0..data.len().min(64) {
        let early = parse(&data[..length]);
        assert!(early == Ok(Parsed::NeedMore) || early == whole, "{early:?} became {whole:?}");
    }
}
