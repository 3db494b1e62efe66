//! Packets in byte streams: the length prefix of RFC 4571 for ICE-TCP, and STUN's and ChannelData's
//! own lengths for TURN over TCP and TLS (RFC 8656 section 12.5).
//!
//! After every [`push`](IceFramer::push), call [`next`](IceFramer::next) until it gives nothing: then no more than one
//! unfinished packet stays in memory, however long the peer waits with the rest of it.

/// The largest packet that is accepted, in bytes. All that ICE, DTLS, SRTP and TURN send was cut to
/// fit into a datagram of an ordinary network; more than twice that is somebody's mistake, or worse.
pub const LARGEST_PACKET: usize = 4_096;

/// The stream holds what cannot be a packet. Where the next one begins cannot be known: close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer has sent what is not a packet")]
pub struct Malformed;

/// Received bytes, of which the first `read` have been given out.
#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    read: usize,
}

impl Buffer {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.read);
        self.read = 0;
        self.bytes.extend_from_slice(bytes);
    }

    fn waiting(&self) -> &[u8] {
        &self.bytes[self.read..]
    }

    /// Gives out `packet` of what waits, and passes over the first `length` bytes of it; `None` if
    /// that much has not arrived.
    fn take(&mut self, packet: std::ops::Range<usize>, length: usize) -> Option<&[u8]> {
        if self.waiting().len() < length {
            return None;
        }
        let start = self.read;
        self.read += length;
        Some(&self.bytes[start + packet.start..start + packet.end])
    }
}

/// Packets of ICE-TCP: each behind two bytes of length (RFC 4571 section 2).
#[derive(Debug, Default)]
pub struct IceFramer(Buffer);

const ICE_HEADER: usize = 2;

impl IceFramer {
    /// Nothing has been received yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes as they arrive.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.push(bytes);
    }

    /// The next whole packet.
    ///
    /// # Errors
    /// [`Malformed`] if it is announced as longer than [`LARGEST_PACKET`].
    #[expect(clippy::should_implement_trait, reason = "what it gives is lent, which an Iterator cannot say")]
    pub fn next(&mut self) -> Result<Option<&[u8]>, Malformed> {
        // A frame may be empty; there is nothing in it to give out.
        while self.0.waiting().starts_with(&[0, 0]) {
            self.0.read += ICE_HEADER;
        }
        let Some((header, _)) = self.0.waiting().split_first_chunk() else { return Ok(None) };
        let end = ICE_HEADER + usize::from(u16::from_be_bytes(*header));
        if end > ICE_HEADER + LARGEST_PACKET {
            return Err(Malformed);
        }
        Ok(self.0.take(ICE_HEADER..end, end))
    }

    /// Appends `packet` in a frame. A packet of more than 65,535 bytes fits into none and is left out,
    /// as a network would.
    pub fn write(packet: &[u8], out: &mut Vec<u8>) {
        let Ok(length) = u16::try_from(packet.len()) else { return };
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(packet);
    }
}

/// Packets of TURN over TCP or TLS: STUN messages and ChannelData, each with its own length;
/// ChannelData padded to a multiple of four bytes (RFC 8656 section 12.5).
#[derive(Debug, Default)]
pub struct TurnFramer(Buffer);

const TURN_HEADER: usize = 4;
const STUN_HEADER: usize = 20;
const PADDING: usize = 4;

impl TurnFramer {
    /// Nothing has been received yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes as they arrive.
    pub fn push(&mut self, bytes: &[u8]) {
        self.0.push(bytes);
    }

    /// The next whole packet, ChannelData without its padding.
    ///
    /// # Errors
    /// [`Malformed`] if it is neither kind, or longer than [`LARGEST_PACKET`].
    #[expect(clippy::should_implement_trait, reason = "what it gives is lent, which an Iterator cannot say")]
    pub fn next(&mut self) -> Result<Option<&[u8]>, Malformed> {
        let Some(header) = self.0.waiting().first_chunk::<TURN_HEADER>() else { return Ok(None) };
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let end = match header[0] {
            0..=0x3f if length.is_multiple_of(PADDING) => STUN_HEADER + length,
            0x40..=0x4f => TURN_HEADER + length,
            _ => return Err(Malformed),
        };
        if end > LARGEST_PACKET {
            return Err(Malformed);
        }
        Ok(self.0.take(0..end, end.next_multiple_of(PADDING)))
    }

    /// Appends a STUN message or ChannelData as streams carry it.
    pub fn write(packet: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(packet);
        // The length of a STUN message is a multiple of four already.
        out.resize(out.len() + packet.len().next_multiple_of(PADDING) - packet.len(), 0);
    }
}

/// Either of both, where the first bytes of a connection decide which.
#[derive(Debug)]
pub enum Framer {
    /// As ICE-TCP has it.
    Ice(IceFramer),
    /// As TURN has it.
    Turn(TurnFramer),
}

impl Framer {
    /// Takes bytes as they arrive.
    pub fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Ice(framer) => framer.push(bytes),
            Self::Turn(framer) => framer.push(bytes),
        }
    }

    /// The next whole packet.
    ///
    /// # Errors
    /// [`Malformed`] as either has it.
    #[expect(clippy::should_implement_trait, reason = "what it gives is lent, which an Iterator cannot say")]
    pub fn next(&mut self) -> Result<Option<&[u8]>, Malformed> {
        match self {
            Self::Ice(framer) => framer.next(),
            Self::Turn(framer) => framer.next(),
        }
    }

    /// Appends a packet as the stream carries it.
    pub fn write(&self, packet: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Ice(_) => IceFramer::write(packet, out),
            Self::Turn(_) => TurnFramer::write(packet, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STUN: [u8; 24] = *b"\x00\x01\x00\x04\x21\x12\xA4\x42transaction!\x80\x22\x00\x00";
    const CHANNEL_DATA: [u8; 9] = *b"\x40\x00\x00\x05hello";

    /// Feeds `bytes` in pieces of `size` and collects what comes out.
    fn through_turn(bytes: &[u8], size: usize) -> Result<Vec<Vec<u8>>, Malformed> {
        let (mut framer, mut packets) = (TurnFramer::new(), Vec::new());
        for piece in bytes.chunks(size) {
            framer.push(piece);
            while let Some(packet) = framer.next()? {
                packets.push(packet.to_vec());
            }
        }
        Ok(packets)
    }

    fn through_ice(bytes: &[u8], size: usize) -> Result<Vec<Vec<u8>>, Malformed> {
        let (mut framer, mut packets) = (IceFramer::new(), Vec::new());
        for piece in bytes.chunks(size) {
            framer.push(piece);
            while let Some(packet) = framer.next()? {
                packets.push(packet.to_vec());
            }
        }
        Ok(packets)
    }

    #[test]
    fn turn_packets_come_out_whole_however_the_stream_was_cut() {
        let packets = [STUN.to_vec(), CHANNEL_DATA.to_vec(), CHANNEL_DATA.to_vec(), STUN.to_vec()];
        let mut stream = Vec::new();
        packets.iter().for_each(|packet| TurnFramer::write(packet, &mut stream));
        assert_eq!(stream.len(), 2 * (24 + 12));
        for size in 1..=stream.len() {
            assert_eq!(through_turn(&stream, size).as_deref(), Ok(&packets[..]), "pieces of {size}");
        }
    }

    #[test]
    fn ice_packets_come_out_whole_however_the_stream_was_cut() {
        let packets = [vec![1], vec![2; 1_200], vec![3; LARGEST_PACKET], vec![4, 4]];
        let mut stream = vec![0, 0];
        for packet in &packets {
            IceFramer::write(packet, &mut stream);
            stream.extend_from_slice(&[0, 0]);
        }
        for size in [1, 2, 3, 5, 7, 1_000, stream.len()] {
            assert_eq!(through_ice(&stream, size).as_deref(), Ok(&packets[..]), "pieces of {size}");
        }
    }

    #[test]
    fn what_cannot_be_a_packet_is_refused_as_soon_as_its_header_is_there() {
        for wrong in [b"\x80\x00\x00\x00", b"\x50\x00\x00\x00", b"\x00\x01\x00\x05", b"\x40\x00\xff\xff", b"GET "] {
            assert_eq!(through_turn(wrong, 4), Err(Malformed), "{wrong:02x?}");
        }
        assert_eq!(through_ice(&[0x10, 0x01], 1), Err(Malformed));
        assert_eq!(through_ice(&[0x10, 0x00], 1), Ok(vec![]));
    }

    #[test]
    fn no_more_than_an_unfinished_packet_is_kept() {
        let mut stream = Vec::new();
        (0..100).for_each(|_| IceFramer::write(&[7; 1_000], &mut stream));
        let mut framer = IceFramer::new();
        for piece in stream.chunks(1_500) {
            framer.push(piece);
            while framer.next().expect("well formed").is_some() {}
            assert!(framer.0.waiting().len() < ICE_HEADER + 1_000);
            assert!(framer.0.bytes.len() <= ICE_HEADER + 1_000 + 1_500);
        }
    }

    #[test]
    fn a_packet_that_no_frame_can_hold_is_left_out() {
        let mut stream = Vec::new();
        IceFramer::write(&[0; 65_536], &mut stream);
        assert!(stream.is_empty());
    }
}
