//! A bot's UDP socket: batches in, runs of equal packets out.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use conclave_rtp::Arena;
use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Protocol, SockFilter, SockRef, Socket, Type};

/// A bound socket.
pub struct BotSocket {
    socket: UdpSocket,
    /// A sink has none: it receives packet by packet, without GRO, so that the kernel counts each one that it drops.
    state: Option<UdpSocketState>,
    local: SocketAddr,
}

/// What is received into; shared by all sockets of a thread.
pub(super) struct Buffers {
    bytes: Vec<u8>,
    meta: [RecvMeta; BATCH_SIZE],
}

/// What the kernel may join into one read.
const BUFFER: usize = 65_536;
/// Room for a burst to a bot whose thread is busy.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Most packets that go out in one call.
const RUN: usize = 44;

impl Buffers {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; BUFFER * BATCH_SIZE], meta: [RecvMeta::default(); BATCH_SIZE] }
    }
}

impl BotSocket {
    pub(crate) fn bind(address: SocketAddr, sink: bool) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        // The system may give less.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        socket.bind(&address.into())?;
        let socket: UdpSocket = socket.into();
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        let state = if sink { None } else { Some(UdpSocketState::new((&socket).into())?) };
        Ok(Self { socket, state, local })
    }

    /// Where it is bound.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// From now on the kernel drops most media, if this is a sink's socket.
    ///
    /// # Errors
    /// If the system takes no filter.
    pub fn drop_media(&self) -> io::Result<()> {
        if self.state.is_none() { drop_media(&SockRef::from(&self.socket)) } else { Ok(()) }
    }

    /// Receives one batch; gives each packet with its source and the kernel's stamp. Returns whether there may be more.
    pub(super) fn receive(
        &self,
        buffers: &mut Buffers,
        mut each: impl FnMut(SocketAddr, Option<Duration>, &mut [u8]),
    ) -> io::Result<bool> {
        let Buffers { bytes, meta } = buffers;
        let Some(state) = &self.state else {
            return match self.socket.recv_from(&mut bytes[..BUFFER]) {
                Ok((length, from)) => {
                    each(from, None, &mut bytes[..length]);
                    Ok(true)
                }
                Err(error) => nothing(error),
            };
        };
        let mut chunks = bytes.chunks_exact_mut(BUFFER);
        // The buffer is as many chunks as the batch has places.
        let mut slices: [IoSliceMut<'_>; BATCH_SIZE] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let count = match state.recv((&self.socket).into(), &mut slices, meta) {
            Ok(count) => count,
            Err(error) => return nothing(error),
        };
        for (meta, slice) in meta.iter().zip(&mut slices).take(count) {
            let length = meta.len.min(slice.len());
            for packet in slice[..length].chunks_mut(meta.stride.max(1)) {
                each(meta.addr, meta.timestamp, packet);
            }
        }
        Ok(count == BATCH_SIZE)
    }

    /// Sends one packet; a full buffer is loss.
    pub(super) fn send(&self, to: SocketAddr, packet: &[u8]) {
        let _ = self.socket.send_to(packet, to);
    }

    /// Sends all packets of an arena, those of equal length together (GSO). What the buffer does not take is lost.
    pub(super) fn send_all(&self, to: SocketAddr, packets: &Arena) {
        let Some(state) = &self.state else {
            return packets.packets(0..packets.len()).for_each(|packet| self.send(to, packet));
        };
        let most = state.max_gso_segments().min(RUN);
        let mut start = 0;
        while start < packets.len() {
            let mut lengths = packets.packets(start..packets.len()).map(<[u8]>::len).take(most);
            let first = lengths.next().unwrap_or_default();
            let mut run = 1;
            for length in lengths {
                if length > first {
                    break;
                }
                run += 1;
                // A shorter one ends the run.
                if length < first {
                    break;
                }
            }
            let transmit = Transmit {
                destination: to,
                ecn: None,
                contents: packets.contiguous(start..start + run),
                segment_size: (run > 1).then_some(first),
                src_ip: None,
            };
            let _ = state.try_send((&self.socket).into(), &transmit);
            start += run;
        }
    }
}

impl AsFd for BotSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Nothing is there now. Errors that an ICMP message left behind concern a packet that was sent.
fn nothing(error: io::Error) -> io::Result<bool> {
    match error.kind() {
        io::ErrorKind::WouldBlock => Ok(false),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::Interrupted => Ok(true),
        _ => Err(error),
    }
}

/// Lets the kernel drop RTP before it reaches the socket, but for every sixteenth sequence number; STUN, DTLS and RTCP
/// pass. What is dropped is counted in `/proc/net/udp`.
fn drop_media(socket: &SockRef<'_>) -> io::Result<()> {
    // Instructions of the classic Berkeley Packet Filter (linux/bpf_common.h): load a byte, and, jump if at least, jump
    // if equal, return.
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const AT_LEAST: u16 = 0x35;
    const EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let op = SockFilter::new;
    // The filter of a UDP socket sees the packet from its UDP header of 8 bytes on.
    let filter = [
        op(LOAD_BYTE, 0, 0, 8),
        op(AT_LEAST, 0, 9, 128),
        op(AT_LEAST, 8, 0, 192),
        op(LOAD_BYTE, 0, 0, 9),
        op(AND, 0, 0, 0x7f),
        // 64 to 95 is RTCP (RFC 5761 section 4).
        op(AT_LEAST, 0, 1, 64),
        op(AT_LEAST, 0, 4, 96),
        op(LOAD_BYTE, 0, 0, 11),
        op(AND, 0, 0, 0x0f),
        op(EQUAL, 1, 0, 0),
        op(RETURN, 0, 0, 0),
        op(RETURN, 0, 0, u32::MAX),
    ];
    socket.attach_filter(&filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_receives_everything_but_most_of_the_media() {
        let sink = BotSocket::bind("127.0.0.1:0".parse().expect("an address"), true).expect("bound");
        sink.drop_media().expect("filtered");
        let sender = UdpSocket::bind("127.0.0.1:0").expect("bound");
        // STUN, DTLS, RTCP (sender report, feedback), and RTP (payload types 96 and 111 with and without marker, 0, 127)
        // with sequence numbers that do not pass and with one that does.
        let all = [[0, 1, 1], [22, 254, 1], [128, 200, 1], [129, 205, 1]];
        let media = [[128, 96, 1], [144, 239, 15], [128, 0, 17], [128, 127, 255], [128, 96, 32]];
        for [first, second, sequence] in all.into_iter().chain(media) {
            sender.send_to(&[first, second, 0, sequence], sink.local()).expect("sent");
        }
        let (mut buffers, mut got) = (Buffers::new(), Vec::new());
        // Loopback delivers within the call that sends.
        while sink.receive(&mut buffers, |_, _, packet| got.push([packet[0], packet[1], packet[3]])).expect("received")
        {
        }
        assert_eq!(got[..4], all);
        assert_eq!(got[4..], [[128, 96, 32]]);
    }
}
