//! A shard's UDP socket: batches in (recvmmsg, GRO), runs of equal packets out (GSO).

mod batch;

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use conclave_qos::Ecn;
use conclave_rtp::Arena;
use quinn_udp::{EcnCodepoint, Transmit, UdpSocketState};

use crate::datagram::{Datagram, Outgoing, for_socket};
use crate::shared::Run;
use batch::{BATCH, Batch, Joined};

/// The socket of a shard.
pub(crate) struct MediaSocket {
    socket: UdpSocket,
    state: UdpSocketState,
    ipv6: bool,
    batch: Box<Batch>,
    /// A buffer for each place of the batch.
    buffers: Vec<u8>,
    /// Where a run of packets is put together.
    run: Vec<u8>,
}

/// One buffer holds what the kernel joins into one GRO read; it never joins more than an IP packet
/// can hold.
const BUFFER: usize = 65_536;

/// Bytes of a run of packets: an IP packet's limit minus the headers that the kernel adds up.
const RUN_BYTES: usize = 60_000;

impl MediaSocket {
    /// Takes a bound socket over.
    pub(crate) fn new(socket: UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let ipv6 = socket.local_addr()?.is_ipv6();
        let state = UdpSocketState::new((&socket).into())?;
        let (batch, buffers) = (Batch::new(), vec![0; BUFFER * BATCH]);
        Ok(Self { socket, state, ipv6, batch, buffers, run: Vec::with_capacity(RUN_BYTES) })
    }

    /// Receives one batch and hands over its datagrams. Returns whether it was a full one, so that more
    /// are likely to wait.
    pub(crate) fn receive(&mut self, mut each: impl FnMut(Datagram<'_>)) -> io::Result<bool> {
        let count = match self.batch.receive(self.socket.as_fd(), &mut self.buffers, BUFFER) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        };
        let clock = Clock::now();
        for (index, buffer) in self.buffers.chunks_exact_mut(BUFFER).enumerate().take(count) {
            let Some(joined) = self.batch.get(index) else { continue };
            let Joined { source, local, stamp, ecn, length, stride } = joined;
            let at = clock.arrival(stamp);
            let contents = buffer.get_mut(..length).unwrap_or_default();
            if contents.is_empty() {
                each(Datagram { source, local, at, ecn, contents: &mut [] });
            }
            for contents in contents.chunks_mut(stride.unwrap_or(length).max(1)) {
                each(Datagram { source, local, at, ecn, contents });
            }
        }
        Ok(count == BATCH)
    }

    /// Sends as many as the socket takes now, from the front. Returns how many were taken; one that
    /// the network refuses counts as taken, as if it were lost on the way.
    pub(crate) fn send(&mut self, packets: &[Outgoing]) -> usize {
        let mut sent = 0;
        while let Some(first) = packets.get(sent) {
            let length = run_length(&packets[sent..], self.state.max_gso_segments());
            let run = &packets[sent..sent + length];
            let contents = if length == 1 {
                &first.contents
            } else {
                self.run.clear();
                for packet in run {
                    self.run.extend_from_slice(&packet.contents);
                }
                &self.run
            };
            match self.transmit(first.destination, first.local, Ecn::NotEct, contents, first.contents.len()) {
                Ok(()) => sent += length,
                Err(Blocked) => break,
            }
        }
        sent
    }

    /// Sends as many runs of sealed packets as the socket takes now, from the front. Returns how many left
    /// completely; of one that left in part the rest stays.
    pub(crate) fn send_runs(&mut self, runs: &mut [Run], arena: &Arena) -> usize {
        let most = self.state.max_gso_segments();
        for (sent, run) in runs.iter_mut().enumerate() {
            while !run.packets.is_empty() {
                let sizes = arena.packets(run.packets.clone()).map(<[u8]>::len);
                let (length, size) = equal_length(sizes, most);
                let next = run.packets.start + length.max(1);
                let contents = arena.contiguous(run.packets.start..next);
                if self.transmit(run.destination, run.local, run.ecn, contents, size).is_err() {
                    return sent;
                }
                run.packets.start = next;
            }
        }
        runs.len()
    }

    /// Sends packets of this size, the last of which may be shorter.
    fn transmit(
        &self,
        destination: SocketAddr,
        local: Option<IpAddr>,
        ecn: Ecn,
        contents: &[u8],
        size: usize,
    ) -> Result<(), Blocked> {
        let transmit = Transmit {
            destination: for_socket(destination, self.ipv6),
            ecn: codepoint(ecn),
            contents,
            segment_size: (contents.len() > size).then_some(size),
            src_ip: local,
        };
        match self.state.try_send((&self.socket).into(), &transmit) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(Blocked),
            Err(error) => {
                tracing::trace!(kind = ?error.kind(), "a packet was not sent");
                Ok(())
            }
        }
    }
}

impl AsFd for MediaSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The socket takes no more now.
struct Blocked;

/// The two clocks at one moment: the kernel's stamps are of the wall clock.
#[derive(Clone, Copy)]
struct Clock {
    monotonic: Instant,
    wall: Duration,
}

/// A stamp that is older than this is not believed: the wall clock was set.
const MOST_WAITED: Duration = Duration::from_secs(1);

impl Clock {
    fn now() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { monotonic: Instant::now(), wall }
    }

    /// When a packet that the kernel stamped so arrived.
    fn arrival(self, stamp: Option<Duration>) -> Instant {
        let waited = stamp.and_then(|stamp| self.wall.checked_sub(stamp)).filter(|waited| *waited <= MOST_WAITED);
        waited.and_then(|waited| self.monotonic.checked_sub(waited)).unwrap_or(self.monotonic)
    }
}

fn codepoint(mark: Ecn) -> Option<EcnCodepoint> {
    match mark {
        Ecn::NotEct => None,
        Ecn::Ect0 => Some(EcnCodepoint::Ect0),
        Ecn::Ect1 => Some(EcnCodepoint::Ect1),
        Ecn::Ce => Some(EcnCodepoint::Ce),
    }
}

/// How many packets at the front go out in one call: same way, same size, but for a shorter last one.
fn run_length(packets: &[Outgoing], most: usize) -> usize {
    let Some(first) = packets.first() else { return 0 };
    let way = |packet: &&Outgoing| packet.destination == first.destination && packet.local == first.local;
    equal_length(packets.iter().take_while(way).map(|packet| packet.contents.len()), most).0
}

/// How many packets of these sizes go out in one call, and the size of the first.
fn equal_length(mut sizes: impl Iterator<Item = usize>, most: usize) -> (usize, usize) {
    let Some(size) = sizes.next() else { return (0, 0) };
    let (mut length, mut bytes) = (1, size);
    for next in sizes {
        if length >= most || next == 0 || next > size || bytes + next > RUN_BYTES {
            break;
        }
        length += 1;
        bytes += next;
        if next < size {
            break;
        }
    }
    (length, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(port: u16, size: usize) -> Outgoing {
        Outgoing { destination: ([127, 0, 0, 1], port).into(), local: None, contents: vec![port as u8; size] }
    }

    #[test]
    fn a_run_is_of_one_way_and_one_size_with_a_shorter_end() {
        let packets = [packet(1, 100), packet(1, 100), packet(1, 60), packet(1, 100), packet(2, 100)];
        assert_eq!(run_length(&packets, 64), 3);
        assert_eq!(run_length(&packets, 2), 2);
        assert_eq!(run_length(&packets[2..], 64), 1);
        assert_eq!(run_length(&packets[3..], 64), 1);
        assert_eq!(run_length(&[], 64), 0);
    }

    #[test]
    fn packets_of_a_turn_leave_in_one_run_for_each_destination_however_they_were_made() {
        let runs = |packets: &[Outgoing]| {
            let (mut runs, mut at) = (0, 0);
            while at < packets.len() {
                at += run_length(&packets[at..], 64);
                runs += 1;
            }
            runs
        };
        // Ten packets to each of 30 people, as a conference makes them: packet by packet.
        let mut packets: Vec<_> = (0..300).map(|number| packet(1 + number % 30, 1_000)).collect();
        assert_eq!(runs(&packets), 300);
        crate::order::group(&mut packets);
        assert_eq!(runs(&packets), 30);
    }

    #[test]
    fn a_packet_that_waited_arrived_earlier_unless_the_clock_was_set() {
        let clock = Clock { monotonic: Instant::now(), wall: Duration::from_secs(1_000) };
        let waited = |stamp| clock.monotonic - clock.arrival(stamp);
        assert_eq!(waited(Some(Duration::from_millis(999_900))), Duration::from_millis(100));
        assert_eq!(waited(Some(Duration::from_secs(900))), Duration::ZERO);
        assert_eq!(waited(Some(Duration::from_secs(1_001))), Duration::ZERO);
        assert_eq!(waited(None), Duration::ZERO);
    }

    #[test]
    fn what_one_socket_sends_in_runs_the_other_receives_as_packets() {
        let server = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let to = server.local_addr().expect("bound").port();
        let mut server = MediaSocket::new(server).expect("usable");
        let mut client = MediaSocket::new(UdpSocket::bind("127.0.0.1:0").expect("a socket")).expect("usable");
        let sizes = [1_200, 1_200, 1_200, 300, 1, 1_200, 0, 7];
        let packets: Vec<_> = sizes.iter().map(|size| packet(to, *size)).collect();
        assert_eq!(client.send(&packets), sizes.len());
        let mut got = Vec::new();
        while got.len() < sizes.len() {
            let readable = rustix::event::PollFd::new(&server.socket, rustix::event::PollFlags::IN);
            rustix::event::poll(&mut [readable], None).expect("polls");
            server.receive(|datagram| got.push(datagram.contents.len())).expect("received");
        }
        assert_eq!(got, sizes);
    }

    #[test]
    fn how_a_run_is_marked_is_told_of_each_of_its_datagrams() {
        for (server, client) in [("127.0.0.1:0", "127.0.0.1:0"), ("[::]:0", "[::]:0"), ("[::]:0", "127.0.0.1:0")] {
            let server = UdpSocket::bind(server).expect("a socket");
            let port = server.local_addr().expect("bound").port();
            let is_ipv6 = client.starts_with('[');
            let mut server = MediaSocket::new(server).expect("usable");
            let mut client = MediaSocket::new(UdpSocket::bind(client).expect("a socket")).expect("usable");
            let address: IpAddr = if is_ipv6 { "::1" } else { "127.0.0.1" }.parse().expect("valid");
            let destination = SocketAddr::new(address, port);
            let marks = [(3, Ecn::Ce), (1, Ecn::NotEct), (2, Ecn::Ect1), (1, Ecn::Ect0), (2, Ecn::NotEct)];
            let (mut arena, mut runs, mut expected) = (Arena::default(), Vec::new(), Vec::new());
            for (count, ecn) in marks {
                let from = arena.len();
                for _ in 0..count {
                    arena.begin()[..500].fill(7);
                    arena.commit(500);
                }
                runs.push(Run { destination, local: None, ecn, packets: from..arena.len() });
                expected.extend(std::iter::repeat_n((ecn, Some(address), 500), count));
            }
            assert_eq!(client.send_runs(&mut runs, &arena), marks.len());
            let mut got = Vec::new();
            while got.len() < expected.len() {
                let readable = rustix::event::PollFd::new(&server.socket, rustix::event::PollFlags::IN);
                rustix::event::poll(&mut [readable], None).expect("polls");
                server
                    .receive(|datagram| got.push((datagram.ecn, datagram.local, datagram.contents.len())))
                    .expect("received");
            }
            assert_eq!(got, expected);
        }
    }
}
